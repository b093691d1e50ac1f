"""MEMORY, LOLWUT, ROLE."""
import pytest
from support.resp import NULL, NULL_BULK, Double, Error, Map, Verbatim

from redispy_core.version import REDIS_VERSION


@pytest.mark.parametrize("words", ["SAMPLES", "FOO 1", "SAMPLES -1", "SAMPLES 1 x"])
def test_usage_syntax(engine, words):
    assert engine.ask("MEMORY", "USAGE", "missing", *words.split()) == Error("ERR syntax error")


def test_usage(engine):
    assert engine.ask("MEMORY", "USAGE", "k") in (NULL, NULL_BULK)
    engine.call("SET", "k", "v")
    small = engine.call("MEMORY", "USAGE", "k")
    engine.call("SET", "k", "v", "PX", 1000)
    assert small < engine.call("MEMORY", "USAGE", "k") < 100
    engine.call("SET", "k", "x" * 10_000)
    assert 10_000 < engine.call("MEMORY", "USAGE", "k", "SAMPLES", "0") < 13_000
    assert engine.ask("MEMORY", "USAGE", "k", "SAMPLES", "x") == Error("ERR value is not an integer or out of range")


def test_usage_grows_with_what_used_memory_grows(engine):
    engine.call("SET", "k", "v")                        # the first reply takes an output block
    before = engine.core.counters()["used_memory"]
    engine.call("SET", "k", "x" * 100_000)
    grown = engine.core.counters()["used_memory"] - before
    assert abs(engine.call("MEMORY", "USAGE", "k") - grown) < 1000


def stats(engine):
    reply = engine.ask("MEMORY", "STATS")
    return dict(reply) if isinstance(reply, Map) else dict(zip(reply[::2], reply[1::2]))


def test_stats(engine):
    for i in range(100):
        engine.call("SET", i, "x" * 1000, db=3)
    engine.call("SET", "k", "v", "EX", 100)
    found = stats(engine)
    assert found[b"keys.count"] == 101
    assert found[b"total.allocated"] > found[b"dataset.bytes"] > 100_000
    assert found[b"keys.bytes-per-key"] > 1000
    table = found[b"db.3"]
    table = dict(table) if isinstance(table, Map) else dict(zip(table[::2], table[1::2]))
    assert table[b"overhead.hashtable.main"] > 0 and table[b"overhead.hashtable.expires"] == 0
    assert b"db.0" in found and b"db.1" not in found
    assert isinstance(found[b"dataset.percentage"], Double if engine.protocol == 3 else bytes)


def test_stats_ask_the_server(engine):
    engine.core.hooks["resident_memory"] = lambda: 123456789
    engine.core.hooks["memory_rows"] = lambda: {"aof.buffer": 7}
    assert stats(engine)[b"allocator.resident"] == 123456789
    assert stats(engine)[b"aof.buffer"] == 7


def test_doctor(engine):
    assert b"too little" in engine.ask("MEMORY", "DOCTOR")
    for i in range(10):
        engine.call("SET", i, "x" * 1_000_000)
    assert b"Nothing wrong" in engine.call("MEMORY", "DOCTOR")
    engine.core.hooks["resident_memory"] = lambda: 100_000_000
    assert b"Fragmentation" in engine.call("MEMORY", "DOCTOR")
    engine.core.cron()
    engine.call("DEL", 6, 7, 8, 9)
    assert b"Peak" in engine.call("MEMORY", "DOCTOR")


def test_texts_are_verbatim(engine):
    for words in ("MEMORY DOCTOR", "MEMORY MALLOC-STATS", "LOLWUT"):
        assert isinstance(engine.ask(*words.split()), Verbatim if engine.protocol == 3 else bytes)


def test_malloc_stats_and_purge(engine):
    engine.call("PING")                                 # the first reply takes an output block
    text = engine.call("MEMORY", "MALLOC-STATS").decode()
    lines = dict(line.split(": ") for line in text.splitlines())
    assert abs(int(lines["used"]) - engine.core.counters()["used_memory"]) < 1000
    assert engine.call("MEMORY", "PURGE") == b"OK"


def test_lolwut(engine):
    first, second = engine.call("LOLWUT"), engine.call("LOLWUT", "VERSION", 5, 1, 2)
    assert first.endswith(b"\nRedis ver. " + REDIS_VERSION.encode() + b"\n") and first != second
    assert engine.ask("LOLWUT", "VERSION", "x") == Error("ERR value is not an integer or out of range")


def test_role(engine):
    assert engine.call("ROLE") == [b"master", 0, []]
