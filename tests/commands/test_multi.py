"""MULTI, EXEC, DISCARD, WATCH and UNWATCH, in process."""
import random

import pytest

from support.engine import EngineClient
from support.resp import NULL, NULL_ARRAY, Error, Simple

QUEUED, OK = Simple("QUEUED"), Simple("OK")
ABORTED = Error("EXECABORT Transaction discarded because of previous errors.")


@pytest.fixture
def a(engine):
    return engine.client()


@pytest.fixture
def b(engine):
    return engine.client()


@pytest.fixture
def no_reply(engine):
    """What EXEC answers when a watched key has changed."""
    return NULL if engine.protocol == 3 else NULL_ARRAY


def transaction(client, *requests):
    """MULTI, the requests, EXEC; EXEC's reply."""
    assert client.call("MULTI") == OK
    for request in requests:
        assert client.call(*request) == QUEUED
    return client.call("EXEC")


def field(client, name):
    return dict(part.split(b"=", 1) for part in client.call("CLIENT", "INFO").split())[name.encode()]


def counts(engine):
    return engine.core.watching_counts()


# ---------------------------------------------------------------- queue

def test_commands_run_together_in_order(a, b):
    assert a.call("MULTI") == OK
    assert a.call("SET", "k", "1") == QUEUED
    assert a.call("INCRBY", "k", "41") == QUEUED
    assert b.call("EXISTS", "k") == 0
    assert a.call("GET", "k") == QUEUED
    assert a.call("EXEC") == [OK, 42, b"42"]
    assert a.call("GET", "k") == b"42"


def test_arguments_are_copied(a):
    """The input of later requests must not show in what was queued before; sizes around a read's."""
    values = [bytes([65 + i]) * n for i, n in enumerate((0, 1, 100, 5000, 70000))]
    assert transaction(a, *[("SET", f"k{i}", v) for i, v in enumerate(values)]) == [OK] * len(values)
    assert [a.call("GET", f"k{i}") for i in range(len(values))] == values


def test_empty_transaction(a):
    assert transaction(a) == []


def test_many_commands(a):
    assert transaction(a, *[("INCR", "n")] * 1000) == list(range(1, 1001))


def test_error_while_running_does_not_abort(a):
    replies = transaction(a, ("SET", "k", "x"), ("LPUSH", "k", "y"), ("SET", "after", "1"))
    assert replies[0] == OK and replies[1].code == "WRONGTYPE" and replies[2] == OK


@pytest.mark.parametrize("bad", [("NOSUCH", "x"), ("GET",), ("CONFIG", "NOSUCH"), ("DISCARD", "x"), ("MULTI", "x"), ("WATCH",)])
def test_error_while_queueing_aborts(a, bad):
    a.call("MULTI")
    a.call("SET", "k", "1")
    assert isinstance(a.call(*bad), Error)
    assert a.call("SET", "j", "1") == QUEUED
    assert a.call("EXEC") == ABORTED
    assert a.call("EXISTS", "k", "j") == 0
    assert transaction(a, ("PING",)) == [Simple("PONG")]


def test_nested_multi_and_watch_do_not_abort(a):
    a.call("MULTI")
    assert a.call("MULTI") == Error("ERR MULTI calls can not be nested")
    assert a.call("WATCH", "k") == Error("ERR WATCH inside MULTI is not allowed")
    assert a.call("SET", "k", "1") == QUEUED
    assert a.call("EXEC") == [OK]


def test_without_multi(a):
    assert a.call("EXEC") == Error("ERR EXEC without MULTI")
    assert a.call("DISCARD") == Error("ERR DISCARD without MULTI")


def test_wrong_arity_of_exec_discards(a):
    because = Error("EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command")
    assert a.call("EXEC", "x") == because
    a.call("MULTI")
    a.call("SET", "k", "1")
    assert a.call("EXEC", "x") == because
    assert a.call("EXEC") == Error("ERR EXEC without MULTI")
    assert a.call("EXISTS", "k") == 0


def test_discard(a):
    a.call("MULTI")
    a.call("SET", "k", "1")
    assert a.call("DISCARD") == OK
    assert a.call("EXISTS", "k") == 0
    assert a.call("EXEC") == Error("ERR EXEC without MULTI")


def test_no_multi_commands_are_refused(engine, a):
    engine.core.bind("SHUTDOWN", lambda call: 1)
    a.call("MULTI")
    assert a.call("SHUTDOWN") == Error("ERR Command not allowed inside a transaction")
    assert a.call("EXEC") == ABORTED


def test_reset_and_quit_run_at_once(engine, a, b):
    a.call("WATCH", "k")
    a.call("MULTI")
    a.call("SET", "k", "1")
    assert a.call("RESET") == Simple("RESET")
    assert a.call("EXEC") == Error("ERR EXEC without MULTI")
    assert counts(engine) == (0, 0)
    b.call("MULTI")
    assert b.call("QUIT") == OK


def test_closing_forgets_everything(engine):
    used = engine.core.counters()["used_memory"]
    clients = [engine.client() for _ in range(20)]
    for client in clients:
        client.call("WATCH", "x", "y", "z")
        client.call("MULTI")
        client.call("SET", "k", "v" * 1000)
    assert counts(engine) == (20, 3)
    for client in clients:
        client.close()
    assert counts(engine) == (0, 0)
    assert engine.core.counters()["used_memory"] - used < 40_000       # tables that grew stay


def test_blocking_commands_do_not_block(a):
    replies = transaction(a, ("BLPOP", "l", "0"), ("BLMOVE", "l", "m", "LEFT", "LEFT", "0"), ("SET", "k", "1"))
    assert replies[2] == OK and len(replies) == 3
    assert a.call("GET", "k") == b"1"


def test_waiting_client_is_served_after_exec(a, b):
    b.send_bytes(b"BLPOP l 0\r\n")
    assert b.is_silent()
    assert transaction(a, ("LPUSH", "l", "1"), ("LPUSH", "l", "2"), ("LLEN", "l")) == [1, 2, 2]
    assert b.read() == [b"l", b"2"]


def test_select_lasts(a):
    assert transaction(a, ("SELECT", "3"), ("SET", "k", "1")) == [OK, OK]
    assert a.call("GET", "k") == b"1"
    assert a.call("SELECT", "0") == OK
    assert a.call("EXISTS", "k") == 0


def test_client_list_shows_the_state(a):
    assert (field(a, "multi"), field(a, "multi-mem"), field(a, "watch"), field(a, "flags")) == (b"-1", b"0", b"0", b"N")
    a.call("WATCH", "k", "j", "k")
    assert field(a, "watch") == b"2"
    a.call("MULTI")
    a.call("SET", "k", "x" * 1000)
    a.call("CLIENT", "INFO")
    info = dict(part.split(b"=", 1) for part in a.call("EXEC")[1].split())
    assert info[b"multi"] == b"2" and int(info[b"multi-mem"]) > 1000 and info[b"flags"] == b"x" and info[b"watch"] == b"0"
    assert (field(a, "multi"), field(a, "multi-mem")) == (b"-1", b"0")


def test_failures_are_counted_at_the_commands(engine, a):
    transaction(a, ("SET", "k", "x"), ("LPUSH", "k", "y"))
    failed = {name: n for name, _, _, _, n, _ in engine.core.registry.stats()}
    assert failed["lpush"] == 1 and failed["exec"] == 0 and failed["set"] == 0


# ---------------------------------------------------------------- WATCH

CHANGES = [("SET", "k", "2"), ("DEL", "k"), ("EXPIRE", "k", "100"), ("APPEND", "k", "x"), ("RENAME", "k", "other"),
           ("RENAME", "source", "k"), ("COPY", "source", "k", "REPLACE"), ("FLUSHDB",), ("FLUSHALL",), ("FLUSHALL", "ASYNC"),
           ("SWAPDB", "0", "1"), ("MOVE", "k", "1"), ("GETDEL", "k"), ("PERSIST", "k"), ("UNLINK", "k")]


@pytest.mark.parametrize("change", CHANGES, ids=" ".join)
def test_change_of_a_watched_key_aborts(engine, a, b, no_reply, change):
    b.call("SET", "k", "1")
    if change[0] == "PERSIST":
        b.call("EXPIRE", "k", "10")
    b.call("SET", "source", "1")
    a.call("WATCH", "k")
    assert not isinstance(b.call(*change), Error)
    assert counts(engine) == (0, 0), "who is marked watches nothing more"
    assert transaction(a, ("SET", "mine", "1")) == no_reply
    assert a.call("EXISTS", "mine") == 0
    assert transaction(a, ("PING",)) == [Simple("PONG")]


@pytest.mark.parametrize("change", [("SET", "other", "2"), ("DEL", "missing"), ("FLUSHDB",), ("FLUSHALL",), ("SWAPDB", "0", "1"),
                                    ("GET", "missing"), ("SELECT", "1"), ("PERSIST", "missing")], ids=" ".join)
def test_no_change_of_a_watched_missing_key(a, b, change):
    b.call("SET", "other", "1")
    a.call("WATCH", "missing")
    b.call(*change)
    assert transaction(a, ("PING",)) == [Simple("PONG")]


def test_swapdb_that_creates_a_key_is_a_change(a, b, no_reply):
    b.call("SELECT", "1")
    b.call("SET", "k", "1")
    a.call("WATCH", "k")
    b.call("SWAPDB", "0", "1")
    assert transaction(a, ("PING",)) == no_reply


def test_own_change_counts_before_multi_but_not_within(a, no_reply):
    a.call("WATCH", "k")
    a.call("SET", "k", "1")
    assert transaction(a, ("PING",)) == no_reply
    a.call("WATCH", "k")
    assert transaction(a, ("SET", "k", "2"), ("INCR", "k")) == [OK, 3]
    a.call("SET", "k", "1")
    assert transaction(a, ("PING",)) == [Simple("PONG")]


@pytest.mark.parametrize("how", ["UNWATCH", "DISCARD", "EXEC"])
def test_unwatching(engine, a, b, how):
    a.call("WATCH", "k")
    if how == "UNWATCH":
        a.call("SET", "k", "1")
    else:
        a.call("MULTI")
    a.call(how)
    assert counts(engine) == (0, 0)
    b.call("SET", "k", "2")
    assert transaction(a, ("GET", "k")) == [b"2"]


def test_database_of_a_watched_key(a, b):
    a.call("SELECT", "5")
    a.call("WATCH", "k")
    b.call("SET", "k", "1")
    a.call("SELECT", "1")
    a.call("SET", "k", "1")
    assert transaction(a, ("PING",)) == [Simple("PONG")]


def test_one_key_many_clients(engine, no_reply):
    clients = [engine.client() for _ in range(50)]
    for client in clients[:-1]:
        client.call("WATCH", "k", "own")
    clients[0].call("UNWATCH")
    assert counts(engine) == (48, 2)
    clients[-1].call("SET", "k", "1")
    replies = [transaction(client, ("PING",)) for client in clients]
    assert replies[0] == replies[-1] == [Simple("PONG")] and replies[1:-1] == [no_reply] * 48


def test_one_client_many_keys(engine, a, b, no_reply):
    a.call("WATCH", *[f"k{i}" for i in range(2000)])
    a.call("WATCH", *[f"k{i}" for i in range(2000)])
    assert counts(engine) == (1, 2000)
    b.call("SET", "k1777", "1")
    assert counts(engine) == (0, 0)
    assert transaction(a, ("PING",)) == no_reply


# ---------------------------------------------------------------- WATCH and expiry

def expired_key(engine, client, key="k"):
    """A key that has expired and still lies there."""
    client.call("SET", key, "1", "PX", "10")
    engine.advance(11)


def test_expiry_after_watching_is_a_change(engine, a, no_reply):
    a.call("SET", "k", "1", "PX", "10")
    a.call("WATCH", "k")
    engine.advance(11)
    assert transaction(a, ("INCR", "k")) == no_reply


@pytest.mark.parametrize("step", [("EXISTS", "k"), ("DEL", "k"), ("FLUSHDB",), ("FLUSHALL",), ("SWAPDB", "0", "1"), ("PING",)],
                         ids=" ".join)
def test_removal_of_a_key_that_had_expired_is_none(engine, a, b, step):
    expired_key(engine, b)
    a.call("WATCH", "k")
    b.call(*step)
    assert transaction(a, ("PING",)) == [Simple("PONG")]


@pytest.mark.parametrize("remove_first", [False, True])
def test_new_value_of_a_key_that_had_expired_is_a_change(engine, a, b, no_reply, remove_first):
    expired_key(engine, b)
    a.call("WATCH", "k")
    if remove_first:
        b.call("EXISTS", "k")
    b.call("SET", "k", "1")
    assert transaction(a, ("PING",)) == no_reply


def test_swapdb_of_stale_keys_is_no_change(engine, a, b):
    expired_key(engine, b)
    b.call("SELECT", "1")
    a.call("SELECT", "1")
    a.call("WATCH", "k")
    b.call("SWAPDB", "0", "1")
    assert transaction(a, ("PING",)) == [Simple("PONG")]
    expired_key(engine, b)
    engine.call("SET", "k", "1", "PX", "1")
    engine.advance(2)
    a.call("WATCH", "k")
    b.call("SWAPDB", "0", "1")
    assert transaction(a, ("PING",)) == [Simple("PONG")]


# ---------------------------------------------------------------- states of the server

def test_refused_exec_tells_why(engine):
    engine.core.set_password(b"secret")
    client = EngineClient(engine.core, 2)
    assert client.call("EXEC") == Error("EXECABORT Transaction discarded because of: NOAUTH Authentication required.")
    assert engine.core.error_counts() == ({"EXECABORT": 1}, False)


def test_pause_holds_a_transaction_that_writes(engine, a, b):
    a.call("MULTI")
    a.call("SET", "k", "1")
    b.call("CLIENT", "PAUSE", "1000", "WRITE")
    a.send_bytes(b"EXEC\r\n")
    assert a.is_silent()
    assert transaction(b, ("EXISTS", "k")) == [0]
    b.call("CLIENT", "UNPAUSE")
    engine.core.before_sleep()
    assert a.read() == [OK]


def test_random_transactions_against_a_model(engine, no_reply):
    """Clients watch, change and commit at random; a model knows which EXEC must fail."""
    rng = random.Random(5)
    clients = [engine.client() for _ in range(5)]
    watched, marked, value = [set() for _ in clients], [False] * 5, {}
    for _ in range(3000):
        i, key = rng.randrange(5), f"k{rng.randrange(6)}"
        step = rng.choice(["watch", "set", "del", "exec", "unwatch", "flush"] if rng.random() < 0.05 else ["watch", "set", "del", "exec"])
        if step == "watch":
            clients[i].call("WATCH", key)
            if not marked[i]:
                watched[i].add(key)
        elif step == "unwatch":
            clients[i].call("UNWATCH")
            watched[i], marked[i] = set(), False
        elif step == "exec":
            assert transaction(clients[i], ("PING",)) == (no_reply if marked[i] else [Simple("PONG")])
            watched[i], marked[i] = set(), False
        else:
            if step == "set":
                clients[i].call("SET", key, "v")
                changed = {key}
            elif step == "del":
                clients[i].call("DEL", key)
                changed = {key} & value.keys()
            else:
                clients[i].call("FLUSHALL")
                changed = set(value)
            for k in changed:
                value.pop(k, None)
            if step == "set":
                value[key] = 1
            for j in range(5):
                if watched[j] & changed:
                    watched[j], marked[j] = set(), True
        assert counts(engine) == (sum(map(bool, watched)), len(set().union(*watched)))
