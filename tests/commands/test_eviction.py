"""maxmemory: what each policy evicts, who is refused, what is told of it. Hit rates beside real servers: bench/eviction.py."""
import pytest

from redispy_core.engine import Engine, ReplyError
from support.resp import Error, Simple, encode

POLICIES = {"volatile-lru": 1, "volatile-lfu": 2, "volatile-ttl": 8, "volatile-random": 16, "allkeys-lru": 1 | 4,
            "allkeys-lfu": 2 | 4, "allkeys-random": 16 | 4, "noeviction": 32}
EVICTING = [name for name in POLICIES if name != "noeviction"]
OOM = Error(b"OOM command not allowed when used memory > 'maxmemory'.")
VALUE = "v" * 200


def used(engine):
    return engine.core.counters()["used_memory"]


def evicted(engine):
    return engine.core.counters()["evicted_keys"]


def limit(engine, policy, room=0):
    """Lets `room` bytes more be used than are used now, fewer if it is negative."""
    engine.set("maxmemory_policy", POLICIES[policy])
    engine.set("maxmemory", max(1, used(engine) + room))


def fill(engine, n, prefix="k", db=0, ttl=None):
    for i in range(n):
        engine.call("SET", f"{prefix}{i}", VALUE, *(["PX", ttl(i)] if ttl else []), db=db)


def survivors(engine, n, prefix="k", db=0):
    return [i for i in range(n) if engine.call("EXISTS", f"{prefix}{i}", db=db)]


def settle(engine):
    engine.core.before_sleep()


# --- the limit

@pytest.mark.parametrize("policy", EVICTING)
def test_limit_is_kept(engine, policy):
    fill(engine, 200, ttl=lambda i: 100_000 + i)
    limit(engine, policy, 20_000)
    for i in range(1000):
        engine.call("SET", f"n{i}", VALUE, "PX", 1_000_000 + i)
        assert used(engine) <= engine.core.knob("maxmemory") + 1000
    assert engine.call("DBSIZE") + evicted(engine) == 1200 and evicted(engine) > 500


@pytest.mark.parametrize("policy", EVICTING)
def test_lowering_the_limit_evicts_as_many_as_needed(engine, policy):
    fill(engine, 1000, ttl=lambda i: 100_000 + i)
    limit(engine, policy, -60_000)
    settle(engine)
    assert engine.core.knob("maxmemory") - 2000 <= used(engine) <= engine.core.knob("maxmemory")


@pytest.mark.parametrize("policy", [name for name in EVICTING if name.startswith("volatile")])
def test_volatile_policies_spare_keys_without_expiry(engine, policy):
    fill(engine, 300)
    fill(engine, 300, "x", ttl=lambda i: 100_000)
    limit(engine, policy, -30_000)
    settle(engine)
    assert len(survivors(engine, 300)) == 300 and 100 < len(survivors(engine, 300, "x")) < 250
    limit(engine, policy, -10_000_000)
    settle(engine)
    assert engine.call("DBSIZE") == 300 and engine.ask("SET", "one", "more") == OOM


@pytest.mark.parametrize("policy", EVICTING)
def test_all_databases_are_evicted_from(engine, policy):
    for db in (0, 3, 7):
        fill(engine, 200, db=db, ttl=lambda i: 100_000)
    limit(engine, policy, -80_000)
    settle(engine)
    assert all(20 < engine.call("DBSIZE", db=db) < 180 for db in (0, 3, 7))


def test_no_limit_no_eviction(engine):
    engine.set("maxmemory_policy", POLICIES["allkeys-random"])
    fill(engine, 500)
    settle(engine)
    assert evicted(engine) == 0 and engine.call("DBSIZE") == 500


def test_growing_tables_do_not_evict(engine):
    """A table that would grow beyond the limit waits: its growth alone would cost many keys."""
    fill(engine, 1000)
    limit(engine, "allkeys-random", 1000 * 260)
    for n in range(1000, 4000):
        before = evicted(engine)
        engine.call("SET", f"k{n}", "v" * (200 - n // 20))      # ever smaller: ever more keys fit
        assert evicted(engine) - before < 10, n
    assert evicted(engine) > 200


# --- the choice

def test_lru_evicts_what_was_not_used_for_long(engine):
    for i in range(2000):
        engine.call("SET", f"k{i}", VALUE)
        engine.advance(1000)
    for i in range(0, 200):
        engine.call("GET", f"k{i}")                        # the oldest become the youngest
    limit(engine, "allkeys-lru", -2000 * 60)
    settle(engine)
    left = survivors(engine, 2000)
    old = [i for i in left if 200 <= i < 700]
    assert 1000 < len(left) < 1700 and len([i for i in left if i < 200]) == 200
    assert len(old) < 160 and len([i for i in left if i >= 1400]) > 570


def test_more_samples_choose_better(engine):
    def kept_of_the_young(samples):
        engine.call("FLUSHALL")
        engine.set("maxmemory", 0)
        engine.set("maxmemory_samples", samples)
        for i in range(1000):
            engine.call("SET", f"k{i}", VALUE)
            engine.advance(1000)
        limit(engine, "allkeys-lru", -1000 * 100)
        settle(engine)
        return len([i for i in survivors(engine, 1000) if i >= 500])
    few, many = kept_of_the_young(1), kept_of_the_young(40)
    assert many > 490 and few < many - 10


def test_lfu_keeps_what_is_used_often(engine):
    engine.set("maxmemory_policy", POLICIES["allkeys-lfu"])
    fill(engine, 1000)
    for _ in range(30):
        for i in range(0, 1000, 5):
            engine.call("GET", f"k{i}")
    limit(engine, "allkeys-lfu", -1000 * 120)
    settle(engine)
    left = survivors(engine, 1000)
    assert 300 < len(left) < 700 and len([i for i in left if i % 5 == 0]) > 190


def test_lfu_forgets_what_was_used_long_ago(engine):
    engine.set("maxmemory_policy", POLICIES["allkeys-lfu"])
    fill(engine, 600)
    for _ in range(20):
        for i in range(300):
            engine.call("GET", f"k{i}")
    engine.advance(60 * 60_000)
    for i in range(300, 600):
        engine.call("GET", f"k{i}")
    limit(engine, "allkeys-lfu", -300 * 200)
    settle(engine)
    left = survivors(engine, 600)
    assert len([i for i in left if i >= 300]) > 280 > 150 > len([i for i in left if i < 300])


def test_ttl_evicts_what_expires_soonest(engine):
    fill(engine, 1000, ttl=lambda i: 1_000_000 + 1000 * i)
    limit(engine, "volatile-ttl", -1000 * 120)
    settle(engine)
    left = survivors(engine, 1000)
    assert len([i for i in left if i >= 700]) == 300 and len([i for i in left if i < 200]) < 40


@pytest.mark.parametrize("policy", ["allkeys-random", "volatile-random"])
def test_random_is_even(engine, policy):
    fill(engine, 2000, ttl=lambda i: 1_000_000)
    limit(engine, policy, -2000 * 125)
    settle(engine)
    left = survivors(engine, 2000)
    assert 800 < len(left) < 1200
    for quarter in range(4):
        part = len([i for i in left if i // 500 == quarter])
        assert abs(part - len(left) / 4) < len(left) / 4 * 0.25


def test_candidates_that_were_used_since_are_spared(engine):
    """Keys enter the pool while others go; a use, a rewrite or a deletion afterwards counts."""
    for i in range(300):
        engine.call("SET", f"k{i}", VALUE)
        engine.advance(1000)
    for i in range(20):
        engine.call("GET", f"k{i}")
    limit(engine, "allkeys-lru", 0)
    for i in range(400):
        engine.call("GET", f"k{i % 20}")
        engine.call("SET", f"k{20 + i % 5}", VALUE + "x" * (i % 300))
        engine.call("DEL", f"k{25 + i % 5}")
        engine.call("SET", f"n{i}", VALUE)
        engine.advance(1000)
    assert evicted(engine) > 250 and survivors(engine, 20) == list(range(20))


def test_a_change_of_policy_forgets_the_candidates(engine):
    fill(engine, 300, ttl=lambda i: 1_000_000 + i)
    for policy in EVICTING * 3:
        limit(engine, policy, -2000)
        settle(engine)
        assert used(engine) <= engine.core.knob("maxmemory")


def test_swapped_and_flushed_databases_confuse_nobody(engine):
    fill(engine, 200)
    fill(engine, 200, "y", db=1)
    limit(engine, "allkeys-lru", 0)
    for i in range(300):
        engine.call("SET", f"n{i}", VALUE, db=i % 2)
        if i % 50 == 25:
            engine.call("SWAPDB", 0, 1)
        if i % 120 == 119:
            engine.call("FLUSHDB", db=1)
    assert evicted(engine) > 0 and used(engine) <= engine.core.knob("maxmemory") + 1000


# --- refusal

def test_only_what_may_use_more_memory_is_refused(engine):
    fill(engine, 10)
    engine.call("RPUSH", "l", 1)
    limit(engine, "noeviction", -1)
    for refused in (("SET", "a", 1), ("APPEND", "k1", "x"), ("RPUSH", "l", 1), ("HSET", "h", "f", 1), ("SETRANGE", "k1", 0, 1),
                    ("COPY", "k1", "k2", "REPLACE"), ("BITOP", "NOT", "k3", "k4"), ("INCR", "n"), ("XADD", "x", "*", "f", 1)):
        assert engine.ask(*refused) == OOM, refused
    for allowed in (("GET", "k1"), ("EXPIRE", "k1", 100), ("PERSIST", "k1"), ("LPOP", "l"), ("RENAME", "k1", "k2"),
                    ("DEL", "k3"), ("PING",), ("CONFIG", "GET", "x"), ("PUBLISH", "c", "m")):
        assert not isinstance(engine.ask(*allowed), Error) or allowed[0] == "CONFIG", allowed
    assert evicted(engine) == 0
    engine.call("FLUSHALL")
    assert engine.ask("SET", "a", 1) == Simple("OK")


def test_nothing_left_to_evict(engine):
    fill(engine, 20)
    engine.set("maxmemory_policy", POLICIES["allkeys-lru"])
    engine.set("maxmemory", 1)
    assert engine.ask("SET", "a", 1) == OOM
    assert engine.call("DBSIZE") == 0 and evicted(engine) == 20
    engine.set("maxmemory", 0)
    assert engine.ask("SET", "a", 1) == Simple("OK")


def test_queueing_is_refused_and_the_transaction_with_it(engine):
    client = engine.client()
    engine.call("SET", "a", 1)
    limit(engine, "noeviction", -1)
    assert client.call("MULTI") == Simple("OK")
    assert client.call("GET", "a") == Simple("QUEUED")
    assert client.call("SET", "a", 2) == OOM
    assert client.call("EXEC") == Error(b"EXECABORT Transaction discarded because of previous errors.")
    client.call("MULTI")
    client.call("GET", "a")
    assert client.call("EXEC") == [b"1"]


def test_exec_is_refused_for_what_was_queued_before(engine):
    client = engine.client()
    for command, reply in ((("SET", "a", 1), Error(b"EXECABORT Transaction discarded because of: " + bytes(OOM))),
                           (("EXISTS", "a"), [0])):
        engine.set("maxmemory", 0)
        client.call("MULTI")
        client.call(*command)
        limit(engine, "noeviction", -1)
        assert client.call("EXEC") == reply


def test_nothing_is_evicted_within_a_transaction(engine):
    fill(engine, 10)
    client = engine.client()
    client.call("MULTI")
    for i in range(10):
        client.call("SETRANGE", f"n{i}", 1999, "x")
    client.call("DBSIZE")
    limit(engine, "allkeys-lru", 3000)
    assert client.call("EXEC") == [2000] * 10 + [20]
    settle(engine)
    assert evicted(engine) > 0 and used(engine) <= engine.core.knob("maxmemory")


def test_what_is_not_counted(engine):
    fill(engine, 100)
    limit(engine, "allkeys-lru", -5000)
    engine.core.not_counted = 5000
    assert engine.core.counters()["mem_not_counted_for_evict"] == 5000
    settle(engine)
    assert evicted(engine) == 0
    engine.core.not_counted = 2000
    settle(engine)
    assert 3000 / 300 - 3 < evicted(engine) < 3000 / 200 + 3


def test_no_eviction_while_loading_or_paused(engine):
    fill(engine, 50)
    limit(engine, "allkeys-lru", -5000)
    engine.core.set_loading(True)
    settle(engine)
    assert evicted(engine) == 0
    engine.core.set_loading(False)
    client = engine.client()
    client.call("CLIENT", "PAUSE", 1000, "WRITE")
    settle(engine)
    assert evicted(engine) == 0
    client.call("CLIENT", "UNPAUSE")
    settle(engine)
    assert evicted(engine) > 0


def test_replies_that_wait_make_room(engine):
    """What commands that are never refused allocate is looked at once a turn."""
    fill(engine, 300)
    engine.call("SET", "big", "x" * 20_000)
    client = engine.client()
    limit(engine, "allkeys-random", 5000)
    for _ in range(3):
        client.send_bytes(b"GET big\r\n")
    settle(engine)
    assert evicted(engine) > 100


# --- what is told

def test_watch_and_notifications(engine):
    watcher, listener = engine.client(), engine.client()
    engine.set("notify_keyspace_events", 2 | 512)
    engine.call("SET", "a", VALUE)
    watcher.call("WATCH", "a")
    listener.call("PSUBSCRIBE", "__key*")
    limit(engine, "allkeys-lru", -1)
    settle(engine)
    message = listener.read()
    assert list(message)[-2:] == [b"__keyevent@0__:evicted", b"a"]
    engine.set("maxmemory", 0)
    watcher.call("MULTI")
    watcher.call("PING")
    assert not isinstance(watcher.call("EXEC"), list)


def test_a_use_of_the_evicted_key_is_a_miss(engine):
    engine.call("SET", "a", VALUE)
    limit(engine, "allkeys-lru", -1)
    client = engine.client()
    assert client.call("GET", "a") == VALUE.encode()        # evicted at the end of the turn
    settle(engine)
    assert client.call("EXISTS", "a") == 0 and engine.call("DBSIZE") == 0


def test_times_over_the_limit(engine):
    fill(engine, 10)
    limit(engine, "noeviction", -100)
    settle(engine)
    engine.advance(3000)
    c = engine.core.counters()
    assert (c["current_eviction_exceeded_time"], c["total_eviction_exceeded_time"]) == (3000, 3000)
    engine.set("maxmemory", 0)
    settle(engine)
    engine.advance(1000)
    c = engine.core.counters()
    assert (c["current_eviction_exceeded_time"], c["total_eviction_exceeded_time"]) == (0, 3000)
    engine.core.reset_stats()
    assert engine.core.counters()["total_eviction_exceeded_time"] == 0


@pytest.mark.parametrize("lazy, word", [(0, b"DEL"), (1, b"UNLINK")])
def test_evictions_are_propagated(engine, lazy, word):
    engine.set("lazyfree_lazy_eviction", lazy)
    engine.call("SET", "a", VALUE)
    engine.call("SET", "b", VALUE, db=3)
    engine.core.journal_to(1)
    engine.set("maxmemory_policy", POLICIES["allkeys-lru"])
    engine.set("maxmemory", 1)
    assert engine.ask("SET", "c", 1) == OOM
    commands = engine.core.take_aof()
    for db, key in ((b"0", b"a"), (b"3", b"b")):
        assert encode(["SELECT", db]) + encode([word, key]) in commands
    assert b"SET" not in commands


def test_evictions_before_a_transaction_stand_outside_of_it(engine):
    client = engine.client()
    engine.call("SET", "a", VALUE)
    engine.core.journal_to(1)
    client.call("MULTI")
    client.call("SET", "b", "x")
    client.call("SET", "c", "x")
    limit(engine, "allkeys-lru", -1)
    assert len(client.call("EXEC")) == 2
    assert engine.core.take_aof() == b"".join(encode(c) for c in (
        ["SELECT", "0"], ["DEL", "a"], ["MULTI"], ["SET", "b", "x"], ["SET", "c", "x"], ["EXEC"]))


def test_the_buffer_of_the_append_only_file_is_not_counted(engine):
    fill(engine, 100)
    engine.core.journal_to(1)
    limit(engine, "allkeys-random", 5000)
    for _ in range(100):
        engine.call("SET", "k1", VALUE)
    settle(engine)
    assert evicted(engine) == 0 and used(engine) > engine.core.knob("maxmemory") + 10_000
    assert engine.core.counters()["mem_not_counted_for_evict"] > 20_000


# --- time

def real_time_engine(tenacity):
    """An engine whose clock runs, 20,000 keys in it, 10,000 of them too many."""
    core = Engine()
    client = core.accept(-1)
    core.feed(client, b"".join(b"SET k%d %s\r\n" % (i, VALUE.encode()) for i in range(20_000)))
    core.take_output(client)
    core.set_knob("maxmemory-policy", POLICIES["allkeys-random"])
    core.set_knob("maxmemory-eviction-tenacity", tenacity)
    core.set_knob("maxmemory", core.counters()["used_memory"] // 2)
    return core


def test_tenacity_bounds_a_turn_and_the_loop_goes_on():
    core = real_time_engine(0)
    turns = 0
    while core.before_sleep() & 2:
        turns += 1
        assert core.counters()["evicted_keys"] == 16 * turns
    assert turns > 300 and core.counters()["used_memory"] <= core.knob("maxmemory")


def test_writes_go_on_while_eviction_is_late():
    core = real_time_engine(0)
    for i in range(20):
        assert core.call("SET", f"n{i}", "x") == b"OK"
    assert core.counters()["used_memory"] > core.knob("maxmemory")


def test_endless_tenacity():
    core = real_time_engine(100)
    assert not core.before_sleep() & 2
    assert core.counters()["used_memory"] <= core.knob("maxmemory")


def test_latency_events():
    core = real_time_engine(100)
    core.set_knob("latency-monitor-threshold", 1)
    core.before_sleep()
    assert "eviction-cycle" in [name for name, _, _ in core.latency_events()]


# --- lazily

def test_lazy_eviction_of_large_values(engine):
    engine.set("lazyfree_lazy_eviction", 1)
    for k in range(20):
        engine.call("SADD", f"s{k}", *range(10**6, 10**6 + 600), "text")
    limit(engine, "allkeys-random", -1)
    engine.set("maxmemory", used(engine) // 2)
    settle(engine)
    assert 3 < engine.call("DBSIZE") < 17                   # what they will free counts already
    while engine.core.counters()["lazyfree_pending_objects"] or engine.core.before_sleep() & 2:
        pass
    assert used(engine) <= engine.core.knob("maxmemory") and 3 < engine.call("DBSIZE") < 17
    assert engine.core.counters()["lazyfreed_objects"] == evicted(engine)


def test_noeviction_waits_for_what_is_being_freed(engine):
    engine.call("SADD", "s", *range(10**6, 10**6 + 20_000), "text")
    base = used(engine)
    engine.call("UNLINK", "s")
    engine.set("maxmemory_policy", POLICIES["noeviction"])
    engine.set("maxmemory", base // 2)
    for _ in range(10_000):
        try:
            engine.call("SET", "a", "b")
            break
        except ReplyError:
            continue
    assert engine.call("GET", "a") == b"b"
