"""Expiry of hash fields in process: lazily on access, actively from the index, and the index itself as keys move."""
import random

import pytest
from support.resp import Error

LIMITS = {"listpackex": 512, "hashtable": 0}
NOW = 1_700_000_000_000


@pytest.fixture(params=LIMITS)
def hashes(engine, request):
    engine.set("hash_max_listpack_entries", LIMITS[request.param])
    engine.encoding = request.param.encode()
    return engine


def fill(engine, key="h", times=None, db=0):
    """Fields named by the keys of `times`, each with its time to live in ms (None: none)."""
    for field, ttl in times.items():
        engine.call("HSET", key, field, "v-" + field, db=db)
        if ttl is not None:
            assert engine.call("HPEXPIRE", key, ttl, "FIELDS", 1, field, db=db) == [1]


def indexed(engine):
    """Hashes with field expiries by database."""
    return {row[0]: row[4] for row in engine.core.databases() if row[4]}


def expired(engine):
    return engine.core.counters()["expired_subkeys"]


def all_fields(engine, key="h", db=0):
    reply = engine.call("HGETALL", key, db=db)
    return dict(reply if reply and isinstance(reply[0], tuple) else zip(reply[::2], reply[1::2]))


def test_a_field_lives_through_its_last_millisecond(hashes):
    fill(hashes, times={"a": 10, "b": None})
    hashes.advance(10)
    assert hashes.call("HGET", "h", "a") == b"v-a" and hashes.call("HPTTL", "h", "FIELDS", 1, "a") == [0]
    hashes.advance(1)
    assert hashes.call("HPTTL", "h", "FIELDS", 2, "a", "b") == [-2, -1]
    assert hashes.call("HLEN", "h") == 2            # looking at times removes nothing
    assert hashes.call("HGET", "h", "a") is None
    assert hashes.call("HLEN", "h") == 1 and expired(hashes) == 1 and indexed(hashes) == {}
    assert hashes.call("OBJECT", "ENCODING", "h") == hashes.encoding


READERS = [("HGET", "h", "a"), ("HMGET", "h", "a", "b"), ("HEXISTS", "h", "a"), ("HSTRLEN", "h", "a"),
           ("HRANDFIELD", "h"), ("HRANDFIELD", "h", "-3"), ("HRANDFIELD", "h", "5"), ("HGETDEL", "h", "FIELDS", "1", "a"),
           ("HGETEX", "h", "EX", "10", "FIELDS", "2", "a", "b"), ("HGETEX", "h", "PERSIST", "FIELDS", "1", "a")]


@pytest.mark.parametrize("argv", READERS, ids=" ".join)
def test_access_to_the_only_field_removes_the_key(hashes, argv):
    fill(hashes, times={"a": 5})
    hashes.advance(6)
    assert hashes.call("EXISTS", "h") == 1
    assert hashes.call(*argv) in (None, 0, [], [None], [None, None])
    assert hashes.call("EXISTS", "h") == 0 and expired(hashes) == 1 and indexed(hashes) == {}


def test_walks_pass_over_expired_fields(hashes):
    fill(hashes, times={"a": 5, "b": None, "c": 7, "d": 100})
    hashes.advance(8)
    assert sorted(hashes.call("HKEYS", "h")) == [b"b", b"d"] and sorted(hashes.call("HVALS", "h")) == [b"v-b", b"v-d"]
    assert all_fields(hashes) == {b"b": b"v-b", b"d": b"v-d"}
    assert sorted(hashes.call("HSCAN", "h", 0, "NOVALUES")[1]) == [b"b", b"d"]
    assert hashes.call("HLEN", "h") == 4 and expired(hashes) == 0
    assert sorted(hashes.call("HRANDFIELD", "h", 9)) == [b"b", b"d"]
    assert hashes.call("HLEN", "h") == 2 and expired(hashes) == 2


def test_writes_to_an_expired_field_start_anew(hashes):
    for argv, value in ((("HINCRBY", "h", "a", 3), b"3"), (("HINCRBYFLOAT", "h", "a", "1.5"), b"1.5"),
                        (("HSETNX", "h", "a", "x"), b"x"), (("HSET", "h", "a", "y"), b"y"),
                        (("HSETEX", "h", "FNX", "FIELDS", 1, "a", "z"), b"z"),
                        (("HSETEX", "h", "KEEPTTL", "FIELDS", 1, "a", "k"), b"k")):
        fill(hashes, times={"a": 5})
        hashes.advance(6)
        hashes.call(*argv)
        assert hashes.call("HGET", "h", "a") == value and hashes.call("HTTL", "h", "FIELDS", 1, "a") == [-1]
        assert indexed(hashes) == {}


def test_expired_fields_count_as_missing_for_conditions(hashes):
    fill(hashes, times={"a": 5, "b": None})
    hashes.advance(6)
    assert hashes.call("HSETEX", "h", "FXX", "FIELDS", 1, "a", "x") == 0
    assert hashes.call("HLEN", "h") == 1
    fill(hashes, times={"a": 5})
    hashes.advance(6)
    assert hashes.call("HEXPIRE", "h", 10, "FIELDS", 1, "a") == [-2] == hashes.call("HPERSIST", "h", "FIELDS", 1, "a")
    assert hashes.call("HDEL", "h", "a") == 1       # deletion does not look


def test_increments_keep_the_time_and_setting_drops_it(hashes):
    hashes.call("HSET", "h", "a", "1")
    hashes.call("HEXPIRE", "h", 100, "FIELDS", 1, "a")
    for argv in (("HINCRBY", "h", "a", 10**12), ("HINCRBYFLOAT", "h", "a", "0.25"),
                 ("HSETEX", "h", "KEEPTTL", "FIELDS", 1, "a", "x" * 30)):
        hashes.call(*argv)
        assert hashes.call("HTTL", "h", "FIELDS", 1, "a") == [100]
    hashes.call("HSET", "h", "a", "2")
    assert hashes.call("HTTL", "h", "FIELDS", 1, "a") == [-1] and indexed(hashes) == {}


def test_times_round_up_to_seconds(hashes):
    fill(hashes, times={"a": 1400})
    assert hashes.call("HTTL", "h", "FIELDS", 1, "a") == [2] and hashes.call("HPTTL", "h", "FIELDS", 1, "a") == [1400]
    assert hashes.call("HEXPIRETIME", "h", "FIELDS", 1, "a") == [(NOW + 1400 + 999) // 1000]
    assert hashes.call("HPEXPIRETIME", "h", "FIELDS", 1, "a") == [NOW + 1400]


def test_active_expiry_removes_without_access(hashes):
    fill(hashes, times={"a": 5, "b": 9, "c": None})
    fill(hashes, "gone", {"x": 5, "y": 6})
    fill(hashes, "elsewhere", {"x": 5}, db=3)
    fill(hashes, "later", {"x": 5000})
    assert indexed(hashes) == {0: 3, 3: 1}
    hashes.advance(7)
    hashes.core.cron()
    assert hashes.call("HLEN", "h") == 2 and hashes.call("EXISTS", "gone") == 0
    assert hashes.call("EXISTS", "elsewhere", db=3) == 0
    assert expired(hashes) == 4 and indexed(hashes) == {0: 2}
    hashes.advance(10_000)
    hashes.core.cron()
    assert hashes.call("DBSIZE") == 1 and indexed(hashes) == {} and hashes.call("HKEYS", "h") == [b"c"]


def test_active_expiry_of_many(hashes):
    hashes.set("hash_max_listpack_entries", 100)
    for key in range(30):
        for i in range(10 if key else 2000):
            hashes.call("HSETEX", f"h{key}", "PX", 1 + i % 50, "FIELDS", 1, f"f{i}", "v")
    for _ in range(60):
        hashes.advance(1)
        hashes.core.cron()
    assert hashes.call("DBSIZE") == 0 and expired(hashes) == 2000 + 29 * 10 and indexed(hashes) == {}


def test_conversion_keeps_times_and_the_index(engine):
    engine.set("hash_max_listpack_entries", 4)
    fill(engine, times={"a": 5, "b": 50, "c": None})
    assert engine.call("OBJECT", "ENCODING", "h") == b"listpackex"
    fill(engine, times={"d": None, "e": 3})
    assert engine.call("OBJECT", "ENCODING", "h") == b"hashtable" and indexed(engine) == {0: 1}
    engine.advance(4)
    engine.core.cron()
    assert sorted(engine.call("HKEYS", "h")) == [b"a", b"b", b"c", b"d"]
    engine.advance(2)
    engine.core.cron()
    assert sorted(engine.call("HKEYS", "h")) == [b"b", b"c", b"d"]
    assert engine.call("HPTTL", "h", "FIELDS", 1, "b") == [44]


def test_the_index_follows_moving_keys(hashes):
    fill(hashes, times={"a": 50, "b": None})
    hashes.call("RENAME", "h", "a-much-longer-name")
    hashes.call("EXPIRE", "a-much-longer-name", 100)
    hashes.call("PERSIST", "a-much-longer-name")
    hashes.call("COPY", "a-much-longer-name", "copy")
    hashes.call("COPY", "copy", "copy", "DB", 2)
    hashes.call("MOVE", "a-much-longer-name", 1)
    assert indexed(hashes) == {0: 1, 1: 1, 2: 1}
    hashes.call("SET", "copy", "overwritten")
    assert indexed(hashes) == {1: 1, 2: 1}
    hashes.call("SWAPDB", 1, 5)
    assert indexed(hashes) == {2: 1, 5: 1}
    hashes.advance(51)
    hashes.core.cron()
    assert indexed(hashes) == {} and expired(hashes) == 2
    assert hashes.call("HKEYS", "a-much-longer-name", db=5) == [b"b"] == hashes.call("HKEYS", "copy", db=2)


@pytest.mark.parametrize("flush", [["FLUSHALL"], ["FLUSHALL", "ASYNC"], ["FLUSHDB"], ["DEL", "h"], ["UNLINK", "h"],
                                   ["HDEL", "h", "a"], ["PEXPIRE", "h", "0"], ["SET", "h", "x"], ["RENAME", "other", "h"]],
                         ids=" ".join)
def test_the_index_forgets_what_goes(hashes, flush):
    fill(hashes, times={"a": 5})
    hashes.call("SET", "other", "x")
    hashes.call(*flush)
    assert indexed(hashes) == {}
    hashes.advance(10)
    hashes.core.cron()
    assert expired(hashes) == 0


def test_a_key_that_expires_takes_its_fields_out_of_the_index(hashes):
    fill(hashes, times={"a": 500})
    hashes.call("PEXPIRE", "h", 10)
    hashes.advance(11)
    assert hashes.call("HGET", "h", "a") is None and indexed(hashes) == {} and expired(hashes) == 0


def test_past_times_delete_at_once(hashes):
    fill(hashes, times={"a": None, "b": 50})
    assert hashes.call("HEXPIRE", "h", 0, "FIELDS", 2, "a", "zz") == [2, -2]
    assert hashes.call("HGETEX", "h", "PXAT", NOW, "FIELDS", 2, "b", "b") == [b"v-b", None]
    assert hashes.call("EXISTS", "h") == 0 and indexed(hashes) == {} and expired(hashes) == 0


def test_random_use_agrees_with_a_model(hashes):
    rng, model, now = random.Random(3), {}, NOW
    for _ in range(1500):
        f = b"f%d" % rng.randrange(25)
        action = rng.randrange(7)
        ttl = rng.randrange(1, 60)
        if action == 0:
            hashes.call("HSET", "h", f, "v%d" % ttl)
            model[f] = b"v%d" % ttl, None
        elif action == 1:
            assert hashes.call("HPEXPIRE", "h", ttl, "FIELDS", 1, f) == [1 if f in model else -2]
            if f in model:
                model[f] = model[f][0], now + ttl
        elif action == 2:
            hashes.call("HSETEX", "h", "PX", ttl, "FIELDS", 1, f, "x")
            model[f] = b"x", now + ttl
        elif action == 3:
            assert hashes.call("HGET", "h", f) == model.get(f, (None,))[0]
        elif action == 4:
            expected = model.pop(f, (None,))[0]
            assert hashes.call("HGETDEL", "h", "FIELDS", 1, f) == [expected]
        elif action == 5:
            hashes.advance(ttl // 10)
            now += ttl // 10
            if ttl % 2:
                hashes.core.cron()
        else:
            assert all_fields(hashes) == {k: v for k, (v, _) in model.items()}
        model = {k: (v, when) for k, (v, when) in model.items() if when is None or when >= now}
    assert expired(hashes) > 50


def test_numfields_must_fit(hashes):
    fill(hashes, times={"a": None})
    for argv in (["HEXPIRE", "h", 1, "FIELDS", 2, "a"], ["HTTL", "h", "FIELDS", 2, "a"], ["HGETEX", "h", "FIELDS", 2, "a"]):
        assert hashes.ask(*argv) == Error("ERR The `numfields` parameter must match the number of arguments")
