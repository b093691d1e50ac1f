"""SORT: against Python's sort on every kind of collection, patterns, what is stored, the count of changes."""
import random

import pytest
from support.resp import Error

BAD_SCORE = Error("ERR One or more scores can't be converted into double")

FILL = {
    "short list": lambda engine, members: engine.call("RPUSH", "c", *members),
    "long list": lambda engine, members: engine.call("RPUSH", "c", *members),
    "intset": lambda engine, members: engine.call("SADD", "c", *members),
    "set": lambda engine, members: engine.call("SADD", "c", *members),
    "sorted set": lambda engine, members: engine.call("ZADD", "c", *[word for m in members for word in (len(m), m)]),
}


@pytest.fixture(params=FILL)
def collection(request, engine):
    """(engine, members as text in the order of a list): the collection is `c`, all members are integers."""
    chance = random.Random(request.param)
    members = [str(i) for i in chance.sample(range(-5000, 5000), 600 if request.param in ("long list", "set") else 60)]
    engine.set("list_max_listpack_size", 128)
    FILL[request.param](engine, members)
    encoding = engine.call("OBJECT", "ENCODING", "c").decode()
    assert encoding == {"short list": "listpack", "long list": "quicklist", "intset": "intset", "set": "hashtable",
                        "sorted set": "listpack"}[request.param]
    return engine, members


def texts(reply):
    return [None if m is None else m.decode() for m in reply]


def test_numbers_and_texts(collection):
    engine, members = collection
    for options, expected in [([], sorted(members, key=int)), (["DESC"], sorted(members, key=int, reverse=True)),
                              (["ALPHA"], sorted(members)), (["ALPHA", "DESC"], sorted(members, reverse=True))]:
        assert texts(engine.call("SORT", "c", *options)) == expected
        for first, count in [(0, 10), (7, 3), (len(members) - 2, 10), (-4, 3), (3, -1), (len(members), 1), (5, 0)]:
            low = max(first, 0)
            wanted = expected[low:] if count < 0 else expected[low:low + count]
            assert texts(engine.call("SORT_RO", "c", *options, "LIMIT", first, count)) == wanted


@pytest.mark.parametrize("seed", range(3))
def test_weights_in_other_keys(collection, seed):
    engine, members = collection
    chance = random.Random(seed)
    weights = {m: chance.choice([chance.randint(-9, 9), round(chance.random() * 10, 3)]) for m in members}
    present = [m for m in members if chance.random() < 0.9]
    for m in present:
        engine.call("SET", f"w:{m}:x", weights[m])
    score = {m: weights[m] if m in present else 0 for m in members}
    expected = sorted(members, key=lambda m: (score[m], m.encode()))
    assert texts(engine.call("SORT", "c", "BY", "w:*:x")) == expected
    assert texts(engine.call("SORT", "c", "BY", "w:*:x", "DESC")) == expected[::-1]
    got = texts(engine.call("SORT", "c", "BY", "w:*:x", "GET", "#", "GET", "w:*:x", "LIMIT", 3, 20))
    assert got == [text for m in expected[3:23] for text in (m, str(weights[m]) if m in present else None)]
    got = texts(engine.call("SORT", "c", "BY", "w:*:x", "ALPHA"))
    keys = [str(weights[m]).encode() if m in present else b"" for m in got]
    assert keys == sorted(keys) and sorted(got) == sorted(members)


def test_weights_in_hashes(collection):
    engine, members = collection
    for m in members:
        engine.call("HSET", f"h{m}", "weight", -int(m), "name", f"n{m}")
    expected = sorted(members, key=int, reverse=True)
    assert texts(engine.call("SORT", "c", "BY", "h*->weight")) == expected
    assert texts(engine.call("SORT", "c", "BY", "h*->weight", "GET", "h*->name", "LIMIT", 0, 5)) == [
        f"n{m}" for m in expected[:5]]
    assert texts(engine.call("SORT", "c", "BY", "h*->name", "ALPHA")) == sorted(members)


def test_stored_in_a_list_of_any_length(collection):
    engine, members = collection
    engine.call("SET", "to", "a string", "EX", 100)
    before = engine.core.counters()["dirty"]
    assert engine.call("SORT", "c", "GET", "#", "GET", "nothing*", "STORE", "to") == 2 * len(members)
    assert engine.core.counters()["dirty"] - before == 2 * len(members)
    assert texts(engine.call("LRANGE", "to", 0, -1)) == [t for m in sorted(members, key=int) for t in (m, "")]
    assert engine.call("TTL", "to") == -1
    assert engine.call("SORT", "c", "STORE", "c") == len(members) and engine.call("TYPE", "c") == b"list"
    assert engine.call("SORT", "missing", "STORE", "to") == 0 and engine.call("EXISTS", "to") == 0


def test_an_order_that_stays(engine):
    engine.call("RPUSH", "l", *range(1000, 0, -1))
    order = [str(i) for i in range(1000, 0, -1)]
    assert texts(engine.call("SORT", "l", "BY", "nosort")) == order
    assert texts(engine.call("SORT", "l", "BY", "nosort", "DESC")) == order[::-1]
    assert texts(engine.call("SORT", "l", "BY", "nosort", "LIMIT", 400, 5)) == order[400:405]
    assert texts(engine.call("SORT", "l", "BY", "nosort", "DESC", "LIMIT", 400, 5)) == order[::-1][400:405]
    engine.call("ZADD", "z", *[word for i in range(1000) for word in (-i, f"m{i}")])
    assert texts(engine.call("SORT", "z", "BY", "nosort", "LIMIT", 0, 2)) == ["m999", "m998"]
    assert texts(engine.call("SORT", "z", "BY", "nosort", "DESC", "LIMIT", 500, 2)) == ["m500", "m501"]


def test_equal_texts_keep_their_order(engine):
    engine.call("RPUSH", "l", *range(500))
    for i in range(500):
        engine.call("SET", f"w{i}", "abc"[i % 3])
    expected = sorted(range(500), key=lambda i: i % 3)
    assert [int(m) for m in engine.call("SORT", "l", "BY", "w*", "ALPHA")] == expected
    expected = sorted(range(500), key=lambda i: -(i % 3))
    assert [int(m) for m in engine.call("SORT", "l", "BY", "w*", "ALPHA", "DESC")] == expected


def test_empty_texts_and_no_texts(engine):
    engine.call("RPUSH", "l", "", "")
    assert texts(engine.call("SORT", "l")) == ["", ""] == texts(engine.call("SORT", "l", "ALPHA"))
    assert texts(engine.call("SORT", "l", "GET", "#", "GET", "*")) == ["", None, "", None]
    engine.call("SET", "w", "")
    assert texts(engine.call("SORT", "l", "BY", "w*", "ALPHA", "GET", "w*")) == ["", ""]
    assert engine.call("SORT", "l", "GET", "w*", "STORE", "to") == 2
    assert list(engine.call("SORT", "missing")) == []


@pytest.mark.parametrize("bad", ["word", "1 ", " 1", "nan", "1x", "0x", "--1"])
def test_what_is_no_number(engine, bad):
    engine.call("RPUSH", "l", 1, bad)
    assert engine.ask("SORT", "l") == BAD_SCORE
    assert engine.ask("SORT", "l", "STORE", "to") == BAD_SCORE and engine.call("EXISTS", "to") == 0
    engine.call("SET", "w1", bad)
    assert engine.ask("SORT", "l", "BY", "w*") == BAD_SCORE


def test_an_expired_weight_is_missing(engine):
    engine.call("RPUSH", "l", 1, 2)
    engine.call("SET", "w1", 5)
    engine.call("SET", "w2", 3, "PX", 10)
    assert texts(engine.call("SORT", "l", "BY", "w*", "GET", "w*")) == ["3", "5"]
    engine.advance(20)
    assert texts(engine.call("SORT", "l", "BY", "w*", "GET", "#", "GET", "w*")) == ["2", None, "1", "5"]
    assert engine.call("DBSIZE") == 2


def test_a_field_that_expired_is_missing(engine):
    engine.call("RPUSH", "l", 1)
    engine.call("HSET", "h1", "f", "v", "g", "w")
    engine.call("HPEXPIRE", "h1", 10, "FIELDS", 1, "f")
    assert texts(engine.call("SORT", "l", "GET", "h*->f")) == ["v"]
    engine.advance(20)
    assert texts(engine.call("SORT", "l", "GET", "h*->f", "GET", "h*->g")) == [None, "w"]


@pytest.mark.parametrize("pattern,allowed", [
    ("by*", False), ("{a}w*", True), ("{b}w*", False), ("*{a}", False), ("{a*}", False), ("{a", True),
    ("{a}?*", True), ("[a]{a}*", False), ("x{a}*", True), ("x\\y{a}*", False), ("{}{a}*", False), ("{a}*{b}", True),
    ("nosort", True)])
def test_patterns_in_a_cluster_stay_in_the_slot(engine, pattern, allowed):
    engine.call("RPUSH", "{a}l", 2, 1)
    engine.set("cluster_enabled", 1)
    reply = engine.ask("SORT", "{a}l", "BY", pattern)
    if allowed:
        assert not isinstance(reply, Error)
    else:
        assert reply == Error("ERR BY option of SORT denied in Cluster mode when keys formed by the pattern may be in "
                              "different slots.")


def test_get_in_a_cluster(engine):
    engine.call("RPUSH", "{a}l", 2, 1)
    engine.set("cluster_enabled", 1)
    for pattern in ("#", "{a}w*", "{a}"):
        assert len(engine.call("SORT", "{a}l", "GET", pattern)) == 2
    for pattern in ("w*", "nopattern", "{b}*"):
        assert engine.ask("SORT", "{a}l", "GET", pattern) == Error(
            "ERR GET option of SORT denied in Cluster mode when keys formed by the pattern may be in different slots.")
