"""Lazy freeing: what goes to the other thread, that its memory comes back to the byte, and when FLUSHALL answers."""
import random
import time

import pytest

from support.resp import Simple

TYPES = {
    "string": lambda n: [("SET", "k", "x" * (40 * n))],
    "list": lambda n: [("RPUSH", "k", *(f"{i}" * 30 for i in range(n)))],
    "set": lambda n: [("SADD", "k", *(f"member-{i}" for i in range(n)))],
    "zset": lambda n: [("ZADD", "k", *(x for i in range(n) for x in (i, f"member-{i}")))],
    "hash": lambda n: [("HSET", "k", *(x for i in range(n) for x in (f"field-{i}", i)))],
    "hash with expiries": lambda n: [("HSET", "k", *(x for i in range(n) for x in (f"field-{i}", i))),
                                     ("HEXPIRE", "k", 1000, "FIELDS", n, *(f"field-{i}" for i in range(n)))],
    "stream": lambda n: [("XADD", "k", f"{i + 1}-1", "field", "x" * 80) for i in range(n)]
                        + [("XGROUP", "CREATE", "k", "g", 0), ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "k", ">")],
}
LARGE = {"list": 8000, "stream": 8000}


def build(engine, kind, n=2000):
    for command in TYPES[kind](LARGE.get(kind, n)):
        engine.call(*command)


def state(engine):
    c = engine.core.allocator_counters()
    return c["used"], c["blocks"]


def lazy(engine):
    c = engine.core.counters()
    return c["lazyfree_pending_objects"], c["lazyfreed_objects"]


def finish(engine):
    """Lets the other thread free all that was given."""
    end = time.monotonic() + 20
    engine.core.before_sleep()
    while engine.core.counters()["lazyfree_pending_objects"]:
        assert time.monotonic() < end
        engine.core.before_sleep()


def warm(engine):
    """Whatever the first use of a thing allocates for good; no slow log."""
    engine.set("slowlog_log_slower_than", -1)
    for kind in TYPES:
        build(engine, kind, 10)
        engine.call("DEL", "k")
    engine.call("SADD", "k", *range(300), "x")
    engine.call("UNLINK", "k")
    finish(engine)
    engine.call("FLUSHALL")                                # tables go, too


# --- values

@pytest.mark.parametrize("kind", [kind for kind in TYPES if kind != "string"])
def test_unlink_gives_large_values_away_and_the_memory_comes_back(engine, kind):
    warm(engine)
    before, (_, count) = state(engine), lazy(engine)
    build(engine, kind)
    engine.call("UNLINK", "k")
    assert lazy(engine) == (1, count) and engine.call("EXISTS", "k") == 0
    finish(engine)
    engine.call("FLUSHALL")
    assert lazy(engine) == (0, count + 1) and state(engine) == before


@pytest.mark.parametrize("kind", TYPES)
def test_del_frees_at_once(engine, kind):
    warm(engine)
    before, counts = state(engine), lazy(engine)
    build(engine, kind)
    engine.call("DEL", "k")
    engine.call("FLUSHALL")
    assert state(engine) == before and lazy(engine) == counts


@pytest.mark.parametrize("kind", TYPES)
def test_small_values_are_freed_at_once(engine, kind):
    warm(engine)
    before, counts = state(engine), lazy(engine)
    for command in TYPES[kind](8):
        engine.call(*command)
    engine.call("UNLINK", "k")
    engine.call("FLUSHALL")
    assert state(engine) == before and lazy(engine) == counts


def big(engine, key):
    engine.call("SADD", key, *(f"member-{i}" for i in range(300)))


def overwrite_set(engine):
    engine.call("SET", "a", "x")


def overwrite_rename(engine):
    engine.call("SET", "b", "x")
    engine.call("RENAME", "b", "a")


def overwrite_copy(engine):
    engine.call("SET", "b", "x")
    engine.call("COPY", "b", "a", "REPLACE")


def overwrite_store(engine):
    engine.call("SADD", "b", "x")
    engine.call("SUNIONSTORE", "a", "b")


def overwrite_empty_store(engine):
    engine.call("SDIFFSTORE", "a", "b", "b")


def overwrite_zstore(engine):
    engine.call("ZADD", "b", 1, "x")
    engine.call("ZUNIONSTORE", "a", 1, "b")


def overwrite_sort(engine):
    engine.call("RPUSH", "b", 3, 1)
    engine.call("SORT", "b", "STORE", "a")


def overwrite_bitop(engine):
    engine.call("SET", "b", "x")
    engine.call("BITOP", "NOT", "a", "b")


OVERWRITES = [overwrite_set, overwrite_rename, overwrite_copy, overwrite_store, overwrite_empty_store, overwrite_zstore,
              overwrite_sort, overwrite_bitop]


@pytest.mark.parametrize("setting", [0, 1])
@pytest.mark.parametrize("overwrite", OVERWRITES, ids=lambda f: f.__name__)
def test_server_del(engine, overwrite, setting):
    engine.set("lazyfree_lazy_server_del", setting)
    big(engine, "a")
    overwrite(engine)
    assert lazy(engine)[0] == setting
    finish(engine)
    assert lazy(engine) == (0, setting)


@pytest.mark.parametrize("setting", [0, 1])
def test_user_del(engine, setting):
    engine.set("lazyfree_lazy_user_del", setting)
    big(engine, "a")
    big(engine, "b")
    assert engine.call("DEL", "a", "b") == 2 and lazy(engine)[0] == 2 * setting


@pytest.mark.parametrize("setting", [0, 1])
@pytest.mark.parametrize("how", ["access", "cycle", "past"])
def test_expire(engine, how, setting):
    engine.set("lazyfree_lazy_expire", setting)
    big(engine, "a")
    if how == "past":
        engine.call("EXPIRE", "a", -1)
    else:
        engine.call("PEXPIRE", "a", 100)
        engine.advance(101)
        engine.call("GET", "a") if how == "access" else engine.core.cron()
    assert engine.call("DBSIZE") == 0
    finish(engine)
    assert lazy(engine) == (0, setting)


def test_random_mix_keeps_the_counters_exact(engine):
    warm(engine)
    before = state(engine)
    rng = random.Random(3)
    for _ in range(150):
        kind = rng.choice(list(TYPES))
        for command in TYPES[kind](rng.choice([3, 100, 700])):
            engine.call(command[0], command[1] + str(rng.randrange(3)) if command[0] == "SET" else command[1], *command[2:])
        rng.choice([lambda: engine.call("UNLINK", "k"), lambda: engine.call("FLUSHALL", "ASYNC"),
                    lambda: engine.call("DEL", "k")])()
        if rng.random() < 0.3:
            engine.core.before_sleep()
    engine.call("FLUSHALL", "ASYNC")
    finish(engine)
    assert state(engine) == before


# --- databases

@pytest.mark.parametrize("setting, how, is_lazy", [(0, [], 0), (1, [], 1), (1, ["SYNC"], 0), (0, ["ASYNC"], 1)])
@pytest.mark.parametrize("name", ["FLUSHALL", "FLUSHDB"])
def test_flush(engine, name, setting, how, is_lazy):
    warm(engine)
    before, (_, count) = state(engine), lazy(engine)
    engine.set("lazyfree_lazy_user_flush", setting)
    for i in range(500):
        engine.call("SET", f"key-{i}", "x" * i, "PX", 10_000 + i)
    engine.call("HSET", "h", "f", "v")
    engine.call("HEXPIRE", "h", 100, "FIELDS", 1, "f")
    engine.call(name, *how)
    assert engine.call("DBSIZE") == 0 and lazy(engine)[0] == 501 * is_lazy
    engine.call("SET", "new", "x", "PX", 100)
    engine.advance(100_000)
    engine.core.cron()
    finish(engine)
    engine.call("FLUSHALL")
    assert lazy(engine) == (0, count + 501 * is_lazy) and state(engine) == before


def test_resetstat(engine):
    big(engine, "a")
    engine.call("UNLINK", "a")
    finish(engine)
    assert lazy(engine) == (0, 1)
    engine.core.reset_stats()
    assert lazy(engine) == (0, 0)


def test_an_engine_ends_with_work_left():
    from redispy_core.engine import Engine
    for wait in (False, True):
        core = Engine()
        core.call("SADD", "a", *range(10**6, 10**6 + 2000), "x")
        for i in range(2000):
            core.call("SET", f"k{i}", "x")
        core.call("UNLINK", "a")
        if wait:
            core.before_sleep()
        core.call("FLUSHALL", "ASYNC")
        del core


# --- a server: FLUSHALL answers when all is freed, and others are served meanwhile

def info(raw, name):
    text = raw.call("INFO")
    return int(next(line for line in bytes(text).split(b"\r\n") if line.startswith(name.encode() + b":")).split(b":")[1])


def test_flushall_waits_for_the_thread(raw):
    raw.call("CONFIG", "RESETSTAT")
    raw.call("DEBUG", "POPULATE", 5000)
    assert raw.call("FLUSHALL") == Simple("OK")
    assert info(raw, "lazyfreed_objects") == 5000 and info(raw, "lazyfree_pending_objects") == 0


def test_flushes_in_a_pipeline(raw):
    raw.call("CONFIG", "RESETSTAT")
    replies = raw.pipeline(["MSET", "x", "1", "y", "2"], ["FLUSHALL"], ["FLUSHALL"], ["FLUSHDB", "SYNC"], ["PING"])
    assert replies == [Simple("OK")] * 4 + [Simple("PONG")]
    assert info(raw, "lazyfreed_objects") == 2


def test_flush_in_a_transaction_frees_at_once(raw):
    raw.call("CONFIG", "RESETSTAT")
    replies = raw.pipeline(["MSET", "x", "1", "y", "2"], ["MULTI"], ["FLUSHALL"], ["DBSIZE"], ["EXEC"])
    assert replies[-1] == [Simple("OK"), 0]
    assert info(raw, "lazyfreed_objects") == 0


def test_a_child_saves_while_the_thread_frees(raw):
    """The fork waits for a pause of the thread; both end well."""
    for _ in range(3):
        raw.call("DEBUG", "POPULATE", 100_000)
        raw.call("SET", "after", "flush")
        assert raw.pipeline(["FLUSHALL", "ASYNC"], ["SET", "kept", "x"], ["BGSAVE"])[:2] == [Simple("OK")] * 2
        end = time.monotonic() + 20
        while info(raw, "rdb_bgsave_in_progress") or info(raw, "lazyfree_pending_objects"):
            assert time.monotonic() < end
    assert b"rdb_last_bgsave_status:ok" in raw.call("INFO") and raw.call("DBSIZE") == 1


def test_waiting_flush_is_recorded_once(start):
    server = start(appendonly="yes")
    with server.raw() as raw:
        raw.call("SET", "a", "x")
        raw.call("FLUSHALL")
        raw.call("FLUSHALL")
        raw.call("SET", "b", "y")
    server.stop()
    text = b"".join(path.read_bytes() for path in server.directory.glob("appendonlydir/*.incr.aof"))
    assert text.count(b"FLUSHALL") == 2 and text.index(b"FLUSHALL") > text.index(b"$1\r\na\r\n")


def test_client_that_leaves_while_its_flush_runs(server, raw):
    raw.call("CONFIG", "RESETSTAT")
    raw.call("DEBUG", "POPULATE", 50000)
    gone = server.raw()
    gone.send("FLUSHALL")
    gone.close()
    end = time.monotonic() + 20
    while info(raw, "lazyfreed_objects") != 50000:
        assert time.monotonic() < end
    assert raw.call("DBSIZE") == 0
