"""Clients that wait for lists: order, chains, time, force, transactions of others, what stays unharmed."""
import pytest
from support.resp import NULL, NULL_ARRAY, Error, Simple, encode

OK = Simple("OK")
WRONGTYPE = Error("WRONGTYPE Operation against a key holding the wrong kind of value")
UNBLOCKED = Error("UNBLOCKED client unblocked via CLIENT UNBLOCK")


def waiting(engine, *argv):
    """A client that waits in this command."""
    client = engine.client()
    send_waiting(client, *argv)
    return client


def send_waiting(client, *argv):
    client.send_bytes(encode(argv))
    assert client.is_silent()


def nothing(engine):
    return NULL if engine.protocol == 3 else NULL_ARRAY


def counts(engine):
    return engine.core.waiting_counts()


def pop(pop_name, *keys):
    """The arguments of a blocking pop of the head of one of the keys, without limit."""
    return ("BLMPOP", 0, len(keys), *keys, "LEFT") if pop_name == "BLMPOP" else ("BLPOP", *keys, 0)


def popped(pop_name, key, value):
    return [key, [value]] if pop_name == "BLMPOP" else [key, value]


@pytest.fixture(params=["BLPOP", "BLMPOP"])
def kind(request):
    return request.param


# ---------------------------------------------------------------- being served

def test_a_push_serves_who_waits(engine, kind):
    client = waiting(engine, *pop(kind, "l"))
    assert counts(engine) == (1, 1, 0)
    assert engine.call("RPUSH", "l", "a", "b") == 2
    assert client.read() == popped(kind, b"l", b"a")
    assert engine.call("LRANGE", "l", 0, -1) == [b"b"]
    assert counts(engine) == (0, 0, 0)


@pytest.mark.parametrize("command,left", [("BLPOP", b"b"), ("BRPOP", b"a")])
def test_served_from_the_end_that_was_asked_for(engine, command, left):
    client = waiting(engine, command, "l", 0)
    engine.call("RPUSH", "l", "a", "b")
    assert client.read() == [b"l", b"b" if left == b"a" else b"a"]
    assert engine.call("LRANGE", "l", 0, -1) == [left]


def test_first_come_first_served(engine):
    clients = [waiting(engine, "BLPOP", "l", 0) for _ in range(5)]
    assert counts(engine) == (5, 1, 0)
    engine.call("RPUSH", "l", "1", "2", "3")
    assert [c.read() for c in clients[:3]] == [[b"l", b"1"], [b"l", b"2"], [b"l", b"3"]]
    assert clients[3].is_silent() and clients[4].is_silent()
    engine.call("LPUSH", "l", "4")
    assert clients[3].read() == [b"l", b"4"] and clients[4].is_silent()


def test_any_of_several_keys_in_the_order_of_the_command(engine):
    client = waiting(engine, "BLPOP", "a", "b", "c", "b", 0)
    assert counts(engine) == (1, 3, 0)
    engine.call("RPUSH", "c", "1")
    assert client.read() == [b"c", b"1"]
    assert counts(engine) == (0, 0, 0)
    client = waiting(engine, "BLPOP", "a", "b", 0)
    other = engine.client()
    engine.call("RPUSH", "x", "1")
    other.call("RENAME", "x", "b")
    assert client.read() == [b"b", b"1"]


def test_a_list_that_is_moved_into_place(engine):
    client = waiting(engine, "BLPOP", "l", 0)
    engine.call("RPUSH", "m", "a")
    for argv, reply in ((("COPY", "m", "l"), [b"l", b"a"]), (("RENAME", "m", "l"), [b"l", b"a"])):
        engine.call(*argv)
        assert client.read() == reply
        send_waiting(client, "BLPOP", "l", 0)
    engine.call("RPUSH", "l", "b", db=1)
    assert client.is_silent()
    assert engine.call("MOVE", "l", 0, db=1) == 1
    assert client.read() == [b"l", b"b"]


def test_only_lists_serve(engine):
    client = waiting(engine, "BLPOP", "l", 0)
    engine.call("SET", "l", "text")
    assert client.is_silent()
    engine.call("DEL", "l")
    engine.call("RPUSH", "l", "a", db=1)
    assert client.is_silent()
    engine.call("RPUSH", "l", "a")
    assert client.read() == [b"l", b"a"]


def test_a_wrong_type_met_when_served(engine):
    mover = waiting(engine, "BLMOVE", "l", "target", "LEFT", "LEFT", 0)
    second = waiting(engine, "BLMOVE", "l", "other", "LEFT", "LEFT", 0)
    engine.call("SET", "target", "text")
    engine.call("RPUSH", "l", "a")
    assert mover.read() == WRONGTYPE
    assert second.read() == b"a"
    assert engine.call("LRANGE", "other", 0, -1) == [b"a"]


def test_waiting_in_another_database(engine):
    client = engine.client()
    client.call("SELECT", 3)
    send_waiting(client, "BLPOP", "l", 0)
    engine.call("RPUSH", "l", "zero")
    assert client.is_silent()
    engine.call("RPUSH", "l", "three", db=3)
    assert client.read() == [b"l", b"three"]


def test_swapped_databases_serve(engine):
    engine.call("RPUSH", "l", "a", db=1)
    client = waiting(engine, "BRPOP", "l", 5)
    engine.call("SWAPDB", 0, 1)
    assert client.read() == [b"l", b"a"]
    engine.call("RPUSH", "m", "a", db=1)
    engine.call("PEXPIRE", "m", 10, db=1)
    send_waiting(client, "BRPOP", "m", 5)
    engine.advance(11)
    engine.call("SWAPDB", 0, 1)
    assert client.is_silent()


def test_flushing_serves_nobody_and_forgets_nobody(engine):
    client = waiting(engine, "BLPOP", "l", 0)
    engine.call("FLUSHALL")
    engine.call("FLUSHDB")
    assert client.is_silent()
    engine.call("RPUSH", "l", "a")
    assert client.read() == [b"l", b"a"]


# ---------------------------------------------------------------- chains

def test_a_move_feeds_the_next_in_line(engine):
    last = waiting(engine, "BLPOP", "c", 0)
    second = waiting(engine, "BLMOVE", "b", "c", "LEFT", "RIGHT", 0)
    first = waiting(engine, "BRPOPLPUSH", "a", "b", 0)
    engine.call("RPUSH", "a", "foo")
    assert first.read() == second.read() == b"foo"
    assert last.read() == [b"c", b"foo"]
    assert engine.call("EXISTS", "a", "b", "c") == 0


def test_a_circle_of_moves_ends(engine):
    first, second = waiting(engine, "BRPOPLPUSH", "a", "b", 0), waiting(engine, "BRPOPLPUSH", "b", "a", 0)
    engine.call("RPUSH", "a", "foo")
    assert first.read() == second.read() == b"foo"
    assert engine.call("LRANGE", "a", 0, -1) == [b"foo"] and engine.call("EXISTS", "b") == 0


def test_a_move_to_itself(engine):
    client = waiting(engine, "BRPOPLPUSH", "a", "a", 0)
    engine.call("RPUSH", "a", "foo")
    assert client.read() == b"foo"
    assert engine.call("LRANGE", "a", 0, -1) == [b"foo"]


def test_counts_of_blmpop_are_taken_in_order(engine):
    argvs = [("left", 1), ("right", 10), ("left", 10), ("right", 1)]
    clients = [waiting(engine, "BLMPOP", 0, 2, "a", "b", side, "COUNT", n) for side, n in argvs]
    engine.call("LPUSH", "a", *"abcde")
    engine.call("LPUSH", "b", *"12345")
    assert clients[0].read() == [b"a", [b"e"]]
    assert clients[1].read() == [b"a", [b"a", b"b", b"c", b"d"]]
    assert clients[2].read() == [b"b", [b"5", b"4", b"3", b"2", b"1"]]
    assert clients[3].is_silent()
    engine.call("LPUSH", "b", *"123")
    assert clients[3].read() == [b"b", [b"1"]]


def test_the_pipeline_of_the_pusher_comes_after_those_who_waited(engine):
    first = waiting(engine, "BLPOP", "l", 0)
    pusher = engine.client()
    pusher.send_bytes(encode(("LPUSH", "l", 1)) + encode(("BLPOP", "l", 0)))
    assert first.read() == [b"l", b"1"]
    assert pusher.read() == 1 and pusher.is_silent()
    engine.call("LPUSH", "l", 2)
    assert pusher.read() == [b"l", b"2"]


# ---------------------------------------------------------------- input kept meanwhile

def test_requests_behind_the_one_that_waits(engine):
    client = engine.client()
    client.send_bytes(encode(("BLPOP", "l", 0)) + encode(("SET", "k", "1")) + b"INCR k\r\n*2\r\n$3\r\nGE")
    client.send_bytes(b"T\r\n$1\r\nk\r\n" + encode(("BLPOP", "m", 0)) + encode(("ECHO", "end")))
    assert client.is_silent() and engine.call("EXISTS", "k") == 0
    engine.call("RPUSH", "l", "a")
    assert client.read() == [b"l", b"a"]
    assert engine.call("EXISTS", "k") == 0, "the rest goes on before the loop sleeps, not inside the push"
    engine.core.before_sleep()
    assert [client.read() for _ in range(3)] == [OK, 2, b"2"]
    assert client.is_silent()
    engine.call("RPUSH", "m", "b")
    engine.core.before_sleep()
    assert [client.read(), client.read()] == [[b"m", b"b"], b"end"]


def test_arguments_survive_what_the_buffer_goes_through(engine):
    key, value = b"k" * 5000, b"v" * 70_000
    client = waiting(engine, "BLMOVE", key, "target", "LEFT", "LEFT", 0)
    for _ in range(20):
        client.send_bytes(encode(("SET", "other", value)))
    engine.call("RPUSH", key, value)
    assert client.read() == value
    engine.core.before_sleep()
    assert [client.read() for _ in range(20)] == [OK] * 20


def test_replies_switched_off(engine):
    client = engine.client()
    client.send_bytes(encode(("CLIENT", "REPLY", "SKIP")) + encode(("BLPOP", "l", 0)) + encode(("ECHO", "next")))
    engine.call("RPUSH", "l", "a")
    engine.core.before_sleep()
    assert client.read() == b"next"
    assert engine.call("EXISTS", "l") == 0


# ---------------------------------------------------------------- time

@pytest.mark.parametrize("argv", [("BLPOP", "l", "0.1"), ("BRPOP", "l", "m", "0.1"), ("BLMOVE", "l", "m", "LEFT", "LEFT", "0.1"),
                                  ("BRPOPLPUSH", "l", "m", "0.1"), ("BLMPOP", "0.1", 2, "l", "m", "LEFT")], ids=lambda a: a[0])
def test_time_runs_out(engine, argv):
    assert engine.core.next_deadline() is None
    client = waiting(engine, *argv)
    assert engine.core.next_deadline() == 100
    engine.advance(99)
    engine.core.expire_blocked()
    assert client.is_silent() and engine.core.next_deadline() == 1
    engine.advance(1)
    assert engine.core.next_deadline() == 0
    engine.core.expire_blocked()
    assert client.read() is nothing(engine)
    assert engine.core.next_deadline() is None and counts(engine) == (0, 0, 0)
    engine.call("RPUSH", "l", "a")
    assert client.is_silent() and client.call("LPOP", "l") == b"a"


def test_the_shortest_time_is_rounded_up(engine):
    client = waiting(engine, "BLPOP", "l", "0.0001")
    assert engine.core.next_deadline() == 1
    engine.advance(1)
    engine.core.expire_blocked()
    assert client.read() is nothing(engine)


def test_many_times_end_in_their_order(engine):
    times = [5, 3, 9, 1, 7, 2, 8, 6, 4, 3]
    clients = [waiting(engine, "BLPOP", f"l{i % 3}", seconds) for i, seconds in enumerate(times)]
    clients[4].close()
    for now in range(1, 10):
        engine.advance(1000)
        engine.core.expire_blocked()
        for seconds, client in zip(times, clients):
            if client is not clients[4]:
                assert (client.read() is nothing(engine)) if seconds == now else client.is_silent()
    assert counts(engine) == (0, 0, 0)


def test_a_list_that_has_expired_serves_nobody_and_moves_no_deadline(engine):
    client = waiting(engine, "BLPOP", "l", 1)
    engine.call("RPUSH", "l", "a", db=1)
    engine.call("PEXPIRE", "l", 5, db=1)
    engine.advance(600)
    engine.call("SWAPDB", 0, 1)
    assert client.is_silent() and engine.core.next_deadline() == 400
    engine.advance(400)
    engine.core.expire_blocked()
    assert client.read() is nothing(engine)


@pytest.mark.parametrize("timeout,text", [("-1", "ERR timeout is negative"), ("abc", "ERR timeout is not a float or out of range"),
                                          ("inf", "ERR timeout is out of range"), ("nan", "ERR timeout is not a float or out of range"),
                                          ("0x7FFFFFFFFFFFFF", "ERR timeout is out of range")])
def test_bad_times(engine, timeout, text):
    client = engine.client()
    for argv in (("BLPOP", "l", timeout), ("BLMOVE", "l", "m", "LEFT", "LEFT", timeout), ("BLMPOP", timeout, 1, "l", "LEFT")):
        assert client.call(*argv) == Error(text)


# ---------------------------------------------------------------- force

@pytest.mark.parametrize("how,is_reply", [((), False), (("TIMEOUT",), False), (("error",), True)])
def test_unblock(engine, how, is_reply, kind):
    client = waiting(engine, *pop(kind, "l", "m"))
    assert engine.call("CLIENT", "UNBLOCK", client.id, *how) == 1
    reply = client.read()
    assert reply == UNBLOCKED if is_reply else reply is nothing(engine)
    assert counts(engine) == (0, 0, 0)
    assert engine.call("CLIENT", "UNBLOCK", client.id) == 0
    send_waiting(client, *pop(kind, "l"))
    engine.call("RPUSH", "l", "foo")
    assert client.read() == popped(kind, b"l", b"foo")


def test_unblock_goes_on_with_kept_input(engine):
    client = engine.client()
    client.send_bytes(encode(("BLPOP", "l", 0)) + encode(("ECHO", "x")))
    other = engine.client()
    assert other.call("CLIENT", "UNBLOCK", client.id) == 1
    engine.core.before_sleep()
    assert client.read() is nothing(engine) and client.read() == b"x"


def test_bad_arguments_of_unblock(engine):
    assert engine.ask("CLIENT", "UNBLOCK", "abc") == Error("ERR value is not an integer or out of range")
    assert engine.ask("CLIENT", "UNBLOCK", "abc", "FOO") == Error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    assert engine.ask("CLIENT", "UNBLOCK", -1) == 0
    assert engine.ask("CLIENT", "UNBLOCK", 1, "ERROR", "x") == Error(
        "ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP.")


def test_a_closed_client_takes_nothing(engine):
    gone, next_one = waiting(engine, "BLPOP", "l", "m", 0), waiting(engine, "BLPOP", "l", 0)
    engine.core.close(gone.id)                  # not yet attended to
    engine.call("RPUSH", "l", "a")
    assert next_one.read() == [b"l", b"a"]
    engine.core.attend()
    assert counts(engine) == (0, 0, 0)
    engine.call("RPUSH", "m", "b")
    assert engine.call("LLEN", "m") == 1


def test_closing_between_the_answer_and_the_rest_of_the_input(engine):
    clients = [engine.client() for _ in range(3)]
    for client in clients:
        client.send_bytes(encode(("BLPOP", "l", 0)) + encode(("INCR", "n")))
    engine.call("RPUSH", "l", *"abc")
    clients[1].close()
    engine.core.before_sleep()
    assert engine.call("GET", "n") == b"2"


def test_an_engine_may_end_while_clients_wait(engine):
    for i in range(5):
        waiting(engine, "BLPOP", "l", f"m{i}", i)
    engine.core.close(1)
    del engine.core


# ---------------------------------------------------------------- figures

def stats_of(engine, name):
    return {row[0]: (row[1], row[3], row[4]) for row in engine.core.registry.stats()}.get(name)


def test_a_command_that_waited_counts_once(engine):
    client = waiting(engine, "BLPOP", "l", 0)
    assert stats_of(engine, "blpop") is None
    engine.call("RPUSH", "l", "a")
    assert client.read() == [b"l", b"a"] and stats_of(engine, "blpop") == (1, 0, 0)
    send_waiting(client, "BLPOP", "l", 0)
    engine.call("CLIENT", "UNBLOCK", client.id)
    assert client.read() is nothing(engine) and stats_of(engine, "blpop") == (2, 0, 0)
    send_waiting(client, "BLPOP", "l", 0)
    engine.call("CLIENT", "UNBLOCK", client.id, "ERROR")
    assert client.read() == UNBLOCKED and stats_of(engine, "blpop") == (3, 0, 1)


def test_changes_count_for_the_push_and_the_pop(engine):
    waiting(engine, "BLPOP", "l", 0)
    waiting(engine, "BLMOVE", "m", "n", "LEFT", "LEFT", 0)
    for key in ("l", "m"):
        before = engine.core.counters()["dirty"]
        engine.call("LPUSH", key, "a")
        assert engine.core.counters()["dirty"] - before == 2


def test_nothing_is_left_behind(engine):
    """Many clients, keys and ends of waits: the memory of it all is given back."""
    idle = engine.client()
    idle.call("PING")
    clients = [engine.client() for _ in range(20)]
    waiting(engine, "BLPOP", "warm", 0).close()
    before = 0
    for turn in range(10):
        for i, client in enumerate(clients):
            send_waiting(client, "BLPOP", f"a{i % 4}", f"b{i}", "c", 1 + i % 3)
        engine.call("RPUSH", "c", *range(8))
        engine.call("RPUSH", "b12", "x")
        engine.advance(3000)
        engine.core.expire_blocked()
        engine.core.before_sleep()
        for client in clients:
            client.read()
        engine.call("DEL", "c", "b12", *[f"b{i}" for i in range(20)])
        before = before or engine.core.counters()["used_memory"]
    assert counts(engine) == (0, 0, 0)
    assert engine.core.counters()["used_memory"] <= before + 4096
