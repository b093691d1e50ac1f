"""Hash commands in process, on every encoding: replies, events of emptied hashes, memory, HRANDFIELD and HSCAN."""
import random

import pytest
from support.resp import Error

LIMITS = {"listpack": 512, "hashtable": 0}


@pytest.fixture(params=LIMITS)
def hashes(engine, request):
    engine.set("hash_max_listpack_entries", LIMITS[request.param])
    engine.encoding = request.param.encode()
    return engine


def fill(engine, n, key="h"):
    engine.call("HSET", key, *[text for i in range(n) for text in (f"f{i}", f"v{i}")])


def pairs(reply):
    """HGETALL and HRANDFIELD WITHVALUES in either protocol as a list of pairs."""
    if reply and isinstance(reply[0], (list, tuple)):
        return [tuple(pair) for pair in reply]
    return list(zip(reply[::2], reply[1::2]))


def test_commands_agree_with_a_dict(hashes):
    rng, model = random.Random(7), {}
    fields = [b"f%d" % i for i in range(12)] + [b"1", b"-70000", b"", b"\x00"]
    for _ in range(500):
        field, value = rng.choice(fields), rng.choice([b"1", b"v" * rng.randrange(70), b"99999999999", b""])
        action = rng.randrange(5)
        if action == 0:
            assert hashes.call("HSET", "h", field, value) == (field not in model)
            model[field] = value
        elif action == 1:
            assert hashes.call("HSETNX", "h", field, value) == (field not in model)
            model.setdefault(field, value)
        elif action == 2:
            assert hashes.call("HDEL", "h", field) == (model.pop(field, None) is not None)
        elif action == 3:
            assert hashes.call("HGET", "h", field) == model.get(field)
            assert hashes.call("HSTRLEN", "h", field) == len(model.get(field, b""))
        else:
            assert dict(pairs(hashes.call("HGETALL", "h"))) == model
            assert hashes.call("HLEN", "h") == len(model) and hashes.call("EXISTS", "h") == bool(model)
            assert sorted(hashes.call("HKEYS", "h")) == sorted(model)
            assert sorted(hashes.call("HVALS", "h")) == sorted(model.values())


def test_encoding_follows_the_settings(engine):
    engine.set("hash_max_listpack_entries", 4)
    fill(engine, 4)
    assert engine.call("OBJECT", "ENCODING", "h") == b"listpack"
    engine.call("HSET", "h", "f0", "again")
    assert engine.call("OBJECT", "ENCODING", "h") == b"listpack"
    engine.call("HSET", "h", "f4", "v")
    assert engine.call("OBJECT", "ENCODING", "h") == b"hashtable"
    assert engine.call("HGET", "h", "f0") == b"again" and engine.call("HLEN", "h") == 5
    fill(engine, 5, "many")
    assert engine.call("OBJECT", "ENCODING", "many") == b"hashtable"


@pytest.mark.parametrize("big", [100, 70_000])
def test_hincrby_keeps_its_value_in_any_size(hashes, big):
    hashes.call("HSET", "h", "long", "x" * big)
    for by, total in ((5, 5), (-5, 0), (2**62, 2**62), (-(2**62), 0), (-7, -7)):
        assert hashes.call("HINCRBY", "h", "n", by) == total
        assert hashes.call("HGET", "h", "n") == b"%d" % total
    assert hashes.call("HINCRBYFLOAT", "h", "n", "0.5") == b"-6.5"
    assert hashes.ask("HINCRBY", "h", "n", 1) == Error("ERR hash value is not an integer")
    assert hashes.call("HSTRLEN", "h", "long") == big


def test_a_failed_increment_makes_no_key(hashes):
    for argv in (["HINCRBY", "h", "f", "x"], ["HINCRBYFLOAT", "h", "f", "x"], ["HINCRBYFLOAT", "h", "f", "inf"]):
        assert isinstance(hashes.ask(*argv), Error)
    assert hashes.call("EXISTS", "h") == 0


def test_last_field_takes_the_key_along(hashes):
    fill(hashes, 3)
    hashes.call("EXPIRE", "h", 100)
    assert hashes.call("HDEL", "h", "f0", "f1", "f2", "f3", "f0") == 3
    assert hashes.call("EXISTS", "h") == 0 and hashes.call("DBSIZE") == 0
    fill(hashes, 1)
    assert hashes.call("TTL", "h") == -1


def test_dirty_counts_fields(hashes):
    before = hashes.core.counters()["dirty"]
    fill(hashes, 5)
    hashes.call("HDEL", "h", "f0", "f1", "missing")
    assert hashes.core.counters()["dirty"] == before + 7


@pytest.mark.parametrize("size", [1, 10, 300])
def test_hrandfield_counts(hashes, size):
    fill(hashes, size)
    everything = {(b"f%d" % i, b"v%d" % i) for i in range(size)}
    assert hashes.call("HRANDFIELD", "h") in {f for f, _ in everything}
    for count in (1, 2, size // 4, size // 2, size - 1, size, size + 5):
        fields = hashes.call("HRANDFIELD", "h", count)
        assert len(fields) == len(set(fields)) == min(count, size)
        drawn = pairs(hashes.call("HRANDFIELD", "h", count, "WITHVALUES"))
        assert len(drawn) == len(set(drawn)) == min(count, size) and set(drawn) <= everything
        again = pairs(hashes.call("HRANDFIELD", "h", -count, "WITHVALUES"))
        assert len(again) == count and set(again) <= everything


@pytest.mark.parametrize("count", [-1, 1, 7, 15])
def test_hrandfield_is_fair(hashes, count):
    """Every field comes with equal chance: 20 fields, chi-square far below what a bias would give."""
    fill(hashes, 20)
    seen, rounds = dict.fromkeys([b"f%d" % i for i in range(20)], 0), 400
    for _ in range(rounds):
        for field in hashes.call("HRANDFIELD", "h", count):
            seen[field] += 1
    expected = rounds * abs(count) / 20
    assert sum((n - expected) ** 2 / expected for n in seen.values()) < 60


def test_hscan_visits_every_field_once(engine):
    engine.set("hash_max_listpack_entries", 0)
    fill(engine, 500)
    cursor, seen = b"0", []
    while True:
        cursor, reply = engine.call("HSCAN", "h", cursor, "COUNT", 20)
        seen += pairs(reply)
        if cursor == b"0":
            break
    assert sorted(seen) == sorted((b"f%d" % i, b"v%d" % i) for i in range(500))
    _, reply = engine.call("HSCAN", "h", 0, "COUNT", 10_000, "MATCH", "f1?", "NOVALUES")
    assert sorted(reply) == [b"f%d" % i for i in range(10, 20)]


def test_memory_is_given_back(hashes):
    hashes.call("HSET", "other", "f", "v")
    hashes.call("DEL", "other")
    before = hashes.core.counters()["used_memory"]
    fill(hashes, 100)
    hashes.call("COPY", "h", "h2")
    for i in range(100):
        hashes.call("HSET", "h", f"f{i}", "w" * i)
    hashes.call("HDEL", "h", *[f"f{i}" for i in range(100)])
    hashes.call("DEL", "h2")
    assert hashes.core.counters()["used_memory"] <= before + 1024
