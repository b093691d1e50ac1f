"""KEYS, SCAN and RANDOMKEY, in process: SCAN's guarantees and limits, filters, refusals."""
import random

import pytest
from redispy_core.engine import ReplyError
from support.resp import Error


def fill(engine, n, name="key:%d"):
    for i in range(n):
        engine.call("SET", name % i, i)
    return {name.encode() % i for i in range(n)}


def rounds(engine, *options):
    """The elements of each call of a whole iteration."""
    cursor = b"0"
    while True:
        cursor, keys = engine.call("SCAN", cursor, *options)
        yield keys
        if cursor == b"0":
            return


def scan(engine, *options):
    return [key for keys in rounds(engine, *options) for key in keys]


# --- SCAN

@pytest.mark.parametrize("count", [1, 5, 10, 63, 64, 65, 1000, 2**63 - 1])
def test_scan_returns_every_key(engine, count):
    keys = fill(engine, 700)
    found = scan(engine, "COUNT", count)
    assert set(found) == keys and len(found) == len(keys)


def test_scan_of_an_empty_database(engine):
    assert engine.call("SCAN", 0) == [b"0", []] and engine.call("SCAN", 12345) == [b"0", []]
    assert engine.call("SCAN", 2**64 - 1) == [b"0", []]


def test_count_bounds_a_call(engine):
    fill(engine, 5000)
    for count in (1, 10, 100):
        sizes = [len(keys) for keys in rounds(engine, "COUNT", count)]
        assert max(sizes) < count + 20, "a call ends with the bucket in which it has seen enough"
        assert all(size >= count for size in sizes[:-1])


def test_filtered_keys_count_as_seen(engine):
    fill(engine, 2000)
    fewest = 2000 // (100 + 20)
    assert len(list(rounds(engine, "COUNT", 100, "MATCH", "nothing"))) >= fewest
    assert len(list(rounds(engine, "COUNT", 100, "TYPE", "list"))) >= fewest


def test_a_sparse_table_is_walked_in_short_steps(engine):
    fill(engine, 6000)
    engine.core.set_resize_avoid(True)                      # the table stays as large as it is
    for i in range(5999):
        engine.call("DEL", f"key:{i}")
    steps = list(rounds(engine, "COUNT", 1))
    assert [key for keys in steps for key in keys] == [b"key:5999"]
    assert len(steps) > 6000 / 9 / 10 / 2, "10 buckets a call, not the whole table"


@pytest.mark.parametrize("seed", range(3))
def test_keys_that_stay_are_returned_whatever_else_happens(engine, seed):
    rng = random.Random(seed)
    stay = fill(engine, 300, "stay:%d")
    fill(engine, 3000, "go:%d")
    found, left = set(), list(range(3000))
    rng.shuffle(left)
    for step, keys in enumerate(rounds(engine)):
        found.update(keys)
        if step % 2 == seed % 2:
            for i in left[:60]:
                engine.call("DEL", f"go:{i}")
            del left[:60]
            engine.core.cron()                              # shrinks and rehashes
        else:
            for _ in range(40):
                engine.call("SET", f"new:{rng.randrange(10_000)}", "v")
    assert stay <= found


def test_match_and_type(engine):
    fill(engine, 1000)
    fill(engine, 50, "other:%d")
    assert set(scan(engine, "MATCH", "key:1??")) == {b"key:%d" % i for i in range(100, 200)}
    assert len(scan(engine, "MATCH", "*", "TYPE", "string")) == 1050
    assert len(scan(engine, "type", "STRING", "match", "other:*", "count", 7)) == 50
    assert scan(engine, "TYPE", "hash") == []
    with pytest.raises(ReplyError, match="unknown type name 'nosuch'"):
        scan(engine, "TYPE", "nosuch")
    last_counts = scan(engine, "MATCH", "nothing", "MATCH", "key:77*")
    assert set(last_counts) == {b"key:77"} | {b"key:77%d" % i for i in range(10)}


def test_expired_keys_are_removed_and_not_returned(engine):
    keys = fill(engine, 500)
    for i in range(0, 500, 3):
        engine.call("PEXPIRE", f"key:{i}", 5)
    engine.advance(6)
    assert scan(engine, "TYPE", "list") == [] and scan(engine, "MATCH", "nothing") == []
    assert engine.call("DBSIZE") == 500, "keys that the options leave out are not looked at"
    left = keys - {b"key:%d" % i for i in range(0, 500, 3)}
    assert set(scan(engine)) == left and engine.call("DBSIZE") == len(left)


@pytest.mark.parametrize("cursor", ["x", "-1", "", "1.0", "0 ", "0x10", "+", " ", "18446744073709551616"])
def test_refused_cursors(engine, cursor):
    assert engine.ask("SCAN", cursor, "COUNT", 0) == Error("ERR invalid cursor")


@pytest.mark.parametrize("cursor", ["00", "+0", " 0", "\t+0", "000000000000000000000000"])
def test_accepted_cursors(engine, cursor):
    fill(engine, 3)
    assert len(engine.call("SCAN", cursor)[1]) == 3


@pytest.mark.parametrize("options, text", [
    ("COUNT", "ERR syntax error"), ("MATCH", "ERR syntax error"), ("TYPE", "ERR syntax error"),
    ("FOO", "ERR syntax error"),
    ("FOO bar", "ERR syntax error"), ("COUNT 0", "ERR syntax error"), ("COUNT -1", "ERR syntax error"),
    ("COUNT x", "ERR value is not an integer or out of range"), ("COUNT 1 MATCH", "ERR syntax error"),
    ("COUNT 0 COUNT x", "ERR syntax error"), ("NOVALUES", "ERR NOVALUES option can only be used in HSCAN"),
    ("MATCH a NOVALUES", "ERR NOVALUES option can only be used in HSCAN"), ("FOO NOVALUES", "ERR syntax error"),
])
def test_refused_options(engine, options, text):
    fill(engine, 3)
    assert engine.ask("SCAN", 0, *options.split()) == Error(text)


# --- KEYS, RANDOMKEY

def test_keys(engine):
    keys = fill(engine, 300) | fill(engine, 20, "other:%d")
    assert set(engine.call("KEYS", "*")) == keys
    assert sorted(engine.call("KEYS", "other:1?")) == [b"other:%d" % i for i in range(10, 20)]
    assert engine.call("KEYS", "nothing") == [] and engine.call("KEYS", "*", db=1) == []
    engine.call("PEXPIRE", "other:11", 5)
    engine.advance(6)
    assert b"other:11" not in engine.call("KEYS", "*1*") and engine.call("DBSIZE") == 320


def test_keys_while_the_table_is_rehashed(engine):
    for n in (1, 9, 10, 40, 200, 1500, 9000):
        keys = fill(engine, n)
        assert set(engine.call("KEYS", "*")) == keys


def test_patterns_do_not_take_for_ever(engine):
    engine.call("SET", "a" * 40, 1)
    assert engine.call("KEYS", "a*" * 20 + "b") == []
    engine.call("SET", "a" * 20_000, 1)
    assert engine.call("KEYS", "*?" * 20_000) == [], "Redis gives up on a thousand stars"
    assert len(engine.call("KEYS", "*?" * 900)) == 1


def test_randomkey_finds_every_living_key(engine):
    assert engine.call("RANDOMKEY") is None
    fill(engine, 10)
    for i in range(5):
        engine.call("PEXPIRE", f"key:{i}", 5)
    assert {engine.call("RANDOMKEY") for _ in range(400)} == {b"key:%d" % i for i in range(10)}
    engine.advance(6)
    assert {engine.call("RANDOMKEY") for _ in range(400)} == {b"key:%d" % i for i in range(5, 10)}
    assert engine.call("DBSIZE") == 5, "those that had expired were met and removed"
