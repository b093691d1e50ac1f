"""Sorted set commands against a model, in both encodings: what they answer, change and store; waiting for elements."""
import math
import random

import pytest
from support.engine import make_engine
from support.resp import Error, Null, encode

from redispy_core.engine import ReplyError


@pytest.fixture(params=[128, 0], ids=["listpack", "skiplist"])
def z(engine, request):
    """An engine whose sorted sets are of one encoding."""
    engine.set("zset_max_listpack_entries", request.param)
    return engine


def error(engine, *argv):
    with pytest.raises(ReplyError) as caught:
        engine.call(*argv)
    return str(caught.value)


def changes(engine, *argv):
    """By how much a command raises the count of changes."""
    before = engine.core.counters()["dirty"]
    engine.call(*argv)
    return engine.core.counters()["dirty"] - before


def pairs(reply):
    """[(member, score)] of a reply WITHSCORES in either protocol."""
    if reply and isinstance(reply[0], (list, tuple)):
        return [(member, float(score)) for member, score in reply]
    return [(member, float(score)) for member, score in zip(reply[::2], reply[1::2])]


def content(engine, key="z"):
    return pairs(engine.call("ZRANGE", key, 0, -1, "WITHSCORES"))


def ordered(model):
    return sorted(model.items(), key=lambda pair: (pair[1], pair[0]))


# --- ZADD

@pytest.mark.parametrize("flags,score,result,after", [
    ("", 3, 0, 3), ("CH", 3, 1, 3), ("CH", 2, 0, 2), ("NX", 3, 0, 2), ("XX CH", 3, 1, 3), ("GT CH", 1, 0, 2), ("GT CH", 3, 1, 3),
    ("LT CH", 1, 1, 1), ("LT CH", 3, 0, 2), ("XX GT CH", 3, 1, 3), ("xx lt ch", 1, 1, 1)])
def test_conditions_of_zadd_on_a_member(z, flags, score, result, after):
    z.call("ZADD", "z", 2, "m", 9, "other")
    assert z.call("ZADD", "z", *flags.split(), score, "m") == result
    assert content(z) == sorted([(b"m", after), (b"other", 9)], key=lambda p: p[1])


@pytest.mark.parametrize("flags,added", [("", 1), ("NX", 1), ("XX", 0), ("GT", 1), ("LT", 1), ("XX GT", 0), ("CH", 1)])
def test_conditions_of_zadd_on_a_new_member(z, flags, added):
    z.call("ZADD", "z", 2, "m")
    assert z.call("ZADD", "z", *flags.split(), 1, "new") == added
    assert z.call("ZADD", "absent", *flags.split(), 1, "new") == added
    assert z.call("EXISTS", "absent") == added


@pytest.mark.parametrize("flags,step,after", [("", 3, 5), ("NX", 3, None), ("GT", -1, None), ("GT", 0, None), ("GT", 1, 3),
                                              ("LT", 1, None), ("XX", "-inf", -math.inf)])
def test_zadd_incr(z, flags, step, after):
    z.call("ZADD", "z", 2, "m")
    got = z.call("ZADD", "z", *flags.split(), "INCR", step, "m")
    assert (None if got is None else float(got)) == after
    assert float(z.call("ZSCORE", "z", "m")) == (2 if after is None else after)


def test_a_sum_that_is_no_number_changes_nothing(z):
    z.call("ZADD", "z", "inf", "m")
    for argv in (("ZINCRBY", "z", "-inf", "m"), ("ZADD", "z", "INCR", "-inf", "m")):
        assert error(z, *argv) == "ERR resulting score is not a number (NaN)"
    assert content(z) == [(b"m", math.inf)]


def test_one_bad_score_and_nothing_is_added(z):
    for bad in ("x", "nan", "", " 1", "1 ", "1e400", "0x"):
        assert error(z, "ZADD", "z", 1, "a", bad, "b") == "ERR value is not a valid float"
        assert error(z, "ZINCRBY", "z", bad, "b") == "ERR value is not a valid float"
    assert z.call("EXISTS", "z") == 0
    many = [text for i in range(40) for text in (i, f"m{i}")]
    assert error(z, "ZADD", "z", *many, "x", "last") == "ERR value is not a valid float"
    assert z.call("ZADD", "z", *many) == 40


@pytest.mark.parametrize("argv,text", [
    (("NX", "XX", 1, "a"), "ERR XX and NX options at the same time are not compatible"),
    (("NX", "GT", 1, "a"), "ERR GT, LT, and/or NX options at the same time are not compatible"),
    (("GT", "LT", 1, "a"), "ERR GT, LT, and/or NX options at the same time are not compatible"),
    (("INCR", 1, "a", 2, "b"), "ERR INCR option supports a single increment-element pair"),
    ((1, "a", 2), "ERR syntax error"), (("NX", 1), "ERR syntax error"), (("NX", "CH"), "ERR syntax error"),
    (("FOO", "a"), "ERR value is not a valid float")])
def test_bad_arguments_of_zadd(z, argv, text):
    z.call("SET", "z", "not looked at")
    assert error(z, "ZADD", "z", *argv) == text


def test_another_type_is_refused(z):
    z.call("SET", "s", "x")
    wrong = "WRONGTYPE Operation against a key holding the wrong kind of value"
    for argv in ("ZADD s 1 a", "ZINCRBY s 1 a", "ZREM s a", "ZCARD s", "ZSCORE s a", "ZMSCORE s a", "ZRANK s a", "ZRANGE s 0 1",
                 "ZREVRANGE s 0 1", "ZRANGEBYSCORE s 0 1", "ZRANGEBYLEX s - +", "ZCOUNT s 0 1", "ZLEXCOUNT s - +",
                 "ZREMRANGEBYRANK s 0 1", "ZREMRANGEBYSCORE s 0 1", "ZREMRANGEBYLEX s - +", "ZPOPMIN s", "ZPOPMAX s 0",
                 "BZPOPMIN s 0", "ZMPOP 1 s MIN", "BZMPOP 0 1 s MAX", "ZRANDMEMBER s", "ZRANDMEMBER s 2", "ZSCAN s 0",
                 "ZUNION 1 s", "ZINTER 2 none s", "ZDIFF 2 none s", "ZINTERCARD 1 s", "ZUNIONSTORE d 1 s", "ZRANGESTORE d s 0 1"):
        assert z.ask(*argv.split()) == Error(wrong), argv
    assert z.call("GET", "s") == b"x" and z.call("EXISTS", "d") == 0


def test_encodings_follow_the_knobs(engine):
    engine.set("zset_max_listpack_entries", 3)
    engine.set("zset_max_listpack_value", 4)

    def encoding(key="z"):
        return engine.call("OBJECT", "ENCODING", key)

    engine.call("ZADD", "z", 1, "a", 2, "b", 3, "c")
    assert encoding() == b"listpack"
    engine.call("ZADD", "z", 1, "d")
    assert encoding() == b"skiplist"
    engine.call("ZREM", "z", "d", "a")
    assert encoding() == b"skiplist"
    engine.call("ZUNIONSTORE", "z", 1, "z")
    assert encoding() == b"listpack"
    engine.call("ZINCRBY", "z", 1, "longer")
    assert encoding() == b"skiplist"
    engine.call("ZRANGESTORE", "to", "z", 0, 1)
    assert encoding("to") == b"skiplist"             # "longer" is in it
    engine.call("ZRANGESTORE", "to", "z", 1, 2)
    assert encoding("to") == b"listpack"


# --- against a model

def test_random_changes(z):
    chance, model = random.Random(7), {}
    names = [b"%d" % i for i in range(20)] + [b"m%d" % i for i in range(25)]
    for step in range(600):
        member, score = chance.choice(names), chance.choice([0, 1, -1, 2.5, 0.1, 1e17, -math.inf, math.inf, step])
        action = chance.randrange(12)
        if action < 6:
            assert z.call("ZADD", "z", score, member) == (member not in model)
            model[member] = score
        elif action < 8:
            assert z.call("ZREM", "z", member) == (model.pop(member, None) is not None)
        elif action == 8:
            expected = dict(ordered(model)[:2])
            assert dict(pairs(z.call("ZPOPMIN", "z", 2))) == expected
            model = {m: s for m, s in model.items() if m not in expected}
        elif action == 9:
            expected = ordered(model)[::-1][:1]
            reply = z.call("ZPOPMAX", "z")
            assert [(reply[0], float(reply[1]))] == expected if expected else reply == []
            model = {m: s for m, s in model.items() if m not in dict(expected)}
        elif member in model:
            rank = [m for m, _ in ordered(model)].index(member)
            assert z.call("ZRANK", "z", member) == rank
            assert z.call("ZREVRANK", "z", member) == len(model) - 1 - rank
            assert float(z.call("ZSCORE", "z", member)) == model[member]
        if step % 20 == 0:
            assert content(z) == ordered(model)
            assert z.call("ZCARD", "z") == len(model) and z.call("EXISTS", "z") == bool(model)


def inside(score, low, high):
    def bound(text):
        return float(text.lstrip("(") or 0)
    return ((score > bound(low) if low.startswith("(") else score >= bound(low))
            and (score < bound(high) if high.startswith("(") else score <= bound(high)))


def test_ranges_by_score(z):
    chance = random.Random(8)
    model = {b"m%d" % i: chance.choice([0, 1, 2, 3, 2.5, -1, math.inf, -math.inf]) for i in range(40)}
    z.call("ZADD", "z", *[x for m, s in model.items() for x in (s, m)])
    for _ in range(100):
        low, high = (chance.choice(["", "("]) + chance.choice(["0", "1", "2.5", "-inf", "+inf", "-1", "7"]) for _ in "ab")
        expected = [p for p in ordered(model) if inside(p[1], low, high)]
        skip, limit = chance.choice([(0, -1), (0, 3), (2, 5), (30, 10), (100, 1), (1, 0), (-1, 5)])
        cut = [] if skip < 0 else expected[skip:] if limit < 0 else expected[skip:skip + limit]
        back = [] if skip < 0 else expected[::-1][skip:] if limit < 0 else expected[::-1][skip:skip + limit]
        options = ("WITHSCORES", "LIMIT", skip, limit)
        assert pairs(z.call("ZRANGEBYSCORE", "z", low, high, *options)) == cut
        assert pairs(z.call("ZRANGE", "z", low, high, "BYSCORE", *options)) == cut
        assert pairs(z.call("ZREVRANGEBYSCORE", "z", high, low, *options)) == back
        assert pairs(z.call("ZRANGE", "z", high, low, "BYSCORE", "REV", *options)) == back
        assert z.call("ZCOUNT", "z", low, high) == len(expected)
        assert z.call("ZRANGESTORE", "to", "z", low, high, "BYSCORE", "LIMIT", skip, limit) == len(cut)
        assert content(z, "to") == cut and z.call("EXISTS", "to") == bool(cut)
    assert z.call("ZREMRANGEBYSCORE", "z", "(0", "3") == sum(inside(s, "(0", "3") for s in model.values())
    assert content(z) == [p for p in ordered(model) if not inside(p[1], "(0", "3")]


def test_ranges_by_rank(z):
    z.call("ZADD", "z", *[x for i in range(10) for x in (i, f"m{i}")])
    names = [b"m%d" % i for i in range(10)]
    for first in range(-13, 13):
        for last in (-13, -10, -1, 0, 3, 9, 20):
            start, stop = (max(i + 10, 0) if i < 0 and i != last else i + 10 if i < 0 else i for i in (first, last))
            start = max(start, 0)
            expected = names[start:stop + 1] if stop >= 0 else []
            assert z.call("ZRANGE", "z", first, last) == expected
            back = names[::-1][start:stop + 1] if stop >= 0 else []
            assert z.call("ZREVRANGE", "z", first, last) == z.call("ZRANGE", "z", first, last, "REV") == back
    assert z.call("ZREMRANGEBYRANK", "z", -3, 100) == 3 and z.call("ZREMRANGEBYRANK", "z", 0, 1) == 2
    assert z.call("ZREMRANGEBYRANK", "z", 9, 12) == 0
    assert z.call("ZRANGE", "z", 0, -1) == names[2:7]


@pytest.mark.parametrize("low,high,found", [
    ("-", "+", "abcde"), ("+", "-", ""), ("-", "-", ""), ("+", "+", ""), ("[b", "[d", "bcd"), ("(b", "(d", "c"), ("[bb", "+", "cde"),
    ("-", "[", ""), ("[", "+", "abcde"), ("(", "(b", "a"), ("[d", "[b", ""), ("(e", "+", "")])
def test_ranges_by_member(z, low, high, found):
    z.call("ZADD", "z", *[x for m in "edcba" for x in (0, m)])
    found = [m.encode() for m in found]
    assert z.call("ZRANGEBYLEX", "z", low, high) == z.call("ZRANGE", "z", low, high, "BYLEX") == found
    assert z.call("ZREVRANGEBYLEX", "z", high, low) == z.call("ZRANGE", "z", high, low, "BYLEX", "REV") == found[::-1]
    assert z.call("ZRANGEBYLEX", "z", low, high, "LIMIT", 1, 2) == found[1:3]
    assert z.call("ZLEXCOUNT", "z", low, high) == len(found)
    assert z.call("ZREMRANGEBYLEX", "z", low, high) == len(found)
    assert z.call("ZCARD", "z") == 5 - len(found)


@pytest.mark.parametrize("bound,count", [
    ("", 3), ("(", 3), (" 2", 2), ("( 2", 1), ("0x2", 2), ("2\0junk", 2), ("1e400", 0), ("-1e400", 3), ("1e-400", 3), ("+2", 2),
    ("infinity", 0), ("-Inf", 3), ("(-inf", 3)])
def test_forms_of_a_score_bound(z, bound, count):
    z.call("ZADD", "z", 1, "a", 2, "b", 3, "c")
    assert z.call("ZCOUNT", "z", bound, "+inf") == count


@pytest.mark.parametrize("bound", ["x", "1 ", "nan", "(nan", "-", "+", "1e", "--1", "[1", "((1", " ", "e", "1" * 600 + "x"])
def test_what_is_no_score_bound(z, bound):
    for argv in (("ZCOUNT", "z", bound, 1), ("ZRANGEBYSCORE", "z", 0, bound), ("ZREMRANGEBYSCORE", "z", bound, 1)):
        assert error(z, *argv) == "ERR min or max is not a float"


# --- algebra

def test_algebra_against_a_model(z):
    chance = random.Random(9)
    for _ in range(60):
        sources, argv = [], []
        for i in range(chance.randrange(1, 5)):
            key, kind = f"k{i}", chance.randrange(4)
            z.call("DEL", key)
            model = {b"%d" % chance.randrange(12): chance.choice([1, 2, -3, 0.5]) for _ in range(chance.randrange(1, 9))}
            if kind == 0:
                model = {m: 1 for m in model}
                z.call("SADD", key, *model)
            elif kind == 1:
                model = {}
            else:
                z.call("ZADD", key, *[x for m, s in model.items() for x in (s, m)])
            sources.append(model)
            argv.append(key)
        weights = [chance.choice([1, 2, -1]) for _ in sources]
        how = chance.choice(["SUM", "MIN", "MAX"])
        fold = {"SUM": sum, "MIN": min, "MAX": max}[how]
        weighed = [{m: s * w for m, s in source.items()} for source, w in zip(sources, weights)]
        union = {m: fold(s[m] for s in weighed if m in s) for m in set().union(*weighed)}
        inter = {m: s for m, s in union.items() if all(m in source for source in sources)}
        diff = {m: s for m, s in sources[0].items() if not any(m in other for other in sources[1:])}
        options = ("WEIGHTS", *weights, "AGGREGATE", how)
        for command, extra, expected in (("ZUNION", options, union), ("ZINTER", options, inter), ("ZDIFF", (), diff)):
            assert pairs(z.call(command, len(argv), *argv, *extra, "WITHSCORES")) == ordered(expected)
            assert z.call(command, len(argv), *argv, *extra) == [m for m, _ in ordered(expected)]
            assert z.call(command + "STORE", "to", len(argv), *argv, *extra) == len(expected)
            assert content(z, "to") == ordered(expected) and z.call("EXISTS", "to") == bool(expected)
        assert z.call("ZINTERCARD", len(argv), *argv) == len(inter)
        assert z.call("ZINTERCARD", len(argv), *argv, "LIMIT", 2) == min(2, len(inter))


def test_a_difference_from_many_large_sources(z):
    """So many that members are taken out of a copy instead of being looked for."""
    z.call("ZADD", "a", *[x for i in range(300) for x in (i, f"m{i}")])
    for i in range(5):
        z.call("SADD" if i % 2 else "ZADD", f"b{i}", *(f"m{i}",) if i % 2 else (1, f"m{i}"))
    assert z.call("ZDIFF", 6, "a", "b0", "b1", "b2", "b3", "b4") == [b"m%d" % i for i in range(5, 300)]
    assert z.call("ZDIFF", 2, "a", "a") == []


def test_infinities_never_make_a_score_that_is_no_number(z):
    z.call("ZADD", "i", "inf", "a")
    z.call("ZADD", "j", "-inf", "a")
    for command in ("ZUNION", "ZINTER"):
        assert pairs(z.call(command, 2, "i", "j", "WITHSCORES")) == [(b"a", 0)]
        assert pairs(z.call(command, 1, "i", "WEIGHTS", 0, "WITHSCORES")) == [(b"a", 0)]


def test_a_result_may_replace_its_source_or_another_type(z):
    z.call("ZADD", "z", 1, "a", 2, "b")
    assert z.call("ZUNIONSTORE", "z", 2, "z", "z") == 2
    assert content(z) == [(b"a", 2), (b"b", 4)]
    z.call("SET", "s", "x", "EX", 100)
    assert z.call("ZRANGESTORE", "s", "z", 0, 0) == 1
    assert z.call("TYPE", "s") in (b"zset", "zset") and z.call("TTL", "s") == -1
    assert z.call("ZINTERSTORE", "s", 1, "none") == 0 and z.call("EXISTS", "s") == 0


# --- popping and chance

def test_forms_of_popped_elements(protocol):
    engine = make_engine(protocol)
    engine.call("ZADD", "z", *[x for i in range(8) for x in (i, f"m{i}")])
    score = (lambda v: b"$1\r\n%d\r\n" % v) if protocol == 2 else (lambda v: b",%d\r\n" % v)
    member = lambda v: b"$2\r\nm%d\r\n" % v
    pair = lambda v: b"*2\r\n" + member(v) + score(v)
    assert engine.wire("ZPOPMIN", "z") == pair(0)
    assert engine.wire("ZPOPMIN", "z", 1) == (pair(1) if protocol == 2 else b"*1\r\n" + pair(1))
    assert engine.wire("ZPOPMAX", "z", 0) == b"*0\r\n"
    assert engine.wire("BZPOPMAX", "none", "z", 0) == b"*3\r\n$1\r\nz\r\n" + member(7) + score(7)
    assert engine.wire("ZMPOP", 2, "none", "z", "MAX", "COUNT", 2) == b"*2\r\n$1\r\nz\r\n*2\r\n" + pair(6) + pair(5)
    assert engine.wire("BZMPOP", 0, 1, "z", "MIN", "COUNT", 9) == b"*2\r\n$1\r\nz\r\n*3\r\n" + pair(2) + pair(3) + pair(4)
    assert engine.call("EXISTS", "z") == 0
    nothing = b"*-1\r\n" if protocol == 2 else b"_\r\n"
    for argv in (("ZMPOP", 1, "z", "MIN"), ("BZPOPMIN", "z", 0), ("BZMPOP", 0, 1, "z", "MIN")):
        assert engine.wire(*argv) == nothing


def test_random_members(z):
    model = {b"m%d" % i: i for i in range(40)}
    z.call("ZADD", "z", *[x for m, s in model.items() for x in (s, m)])
    assert {z.call("ZRANDMEMBER", "z") for _ in range(400)} == set(model)
    for count in (1, 3, 12, 20, 39):
        seen = set()
        for _ in range(400):
            got = z.call("ZRANDMEMBER", "z", count)
            assert len(got) == len(set(got)) == count
            seen.update(got)
        assert count < 3 or seen == set(model)
    assert sorted(z.call("ZRANDMEMBER", "z", 1000)) == sorted(model)
    got = pairs(z.call("ZRANDMEMBER", "z", -100, "WITHSCORES"))
    assert len(got) == 100 and all(model[m] == s for m, s in got)
    assert len(set(got)) > 20
    assert z.call("ZRANDMEMBER", "none") is None and z.call("ZRANDMEMBER", "none", -5) == []


def test_limits_of_a_random_count(z):
    z.call("ZADD", "z", 1, "a")
    assert error(z, "ZRANDMEMBER", "z", -2**63) == ("ERR value is out of range, value must between -9223372036854775807 "
                                                    "and 9223372036854775807")
    assert error(z, "ZRANDMEMBER", "z", -2**62, "WITHSCORES") == "ERR value is out of range"
    assert error(z, "ZRANDMEMBER", "z", 2**62, "WITHSCORES") == "ERR value is out of range"
    assert z.call("ZRANDMEMBER", "z", 2**62 - 1) == [b"a"]


def test_a_scan_sees_every_member(z):
    model = {b"m%d" % i: i / 2 for i in range(100)}
    z.call("ZADD", "z", *[x for m, s in model.items() for x in (s, m)])
    found, cursor = {}, b"0"
    while True:
        cursor, flat = z.call("ZSCAN", "z", cursor, "COUNT", 7)
        found.update((m, float(s)) for m, s in zip(flat[::2], flat[1::2]))
        if cursor == b"0":
            break
    assert found == model
    assert sorted(z.call("ZSCAN", "z", 0, "MATCH", "m9?", "COUNT", 1000)[1][::2]) == [b"m9%d" % i for i in range(10)]


# --- waiting

def plain(reply):
    """Scores as numbers in either protocol."""
    if isinstance(reply, list):
        return [plain(value) for value in reply]
    return float(reply) if bytes(reply) in (b"1", b"2") else reply


@pytest.mark.parametrize("wait,reply", [(("BZPOPMIN", "a", "b", 0), [b"b", b"x", 1.0]), (("BZPOPMAX", "a", "b", 0), [b"b", b"y", 2.0]),
                                        (("BZMPOP", 0, 2, "a", "b", "MIN"), [b"b", [[b"x", 1.0]]])])
def test_a_waiting_client_is_served(engine, wait, reply):
    waiting, other = engine.client(), engine.client()
    waiting.send_bytes(encode(wait))
    assert waiting.is_silent()
    assert other.call("ZADD", "b", 1, "x", 2, "y") == 2
    engine.core.before_sleep()
    assert plain(waiting.read()) == reply
    assert other.call("ZCARD", "b") == 1


def test_a_client_that_waits_in_vain(engine):
    waiting = engine.client()
    waiting.send_bytes(encode(("BZPOPMIN", "z", 0.5)))
    engine.advance(400)
    engine.core.cron()
    assert waiting.is_silent()
    engine.advance(200)
    engine.core.cron()
    assert isinstance(waiting.read(), Null)


# --- changes

@pytest.mark.parametrize("argv,count", [
    (("ZADD", "z", 1, "a", 2, "b"), 0), (("ZADD", "z", 5, "a", 2, "b", 9, "new"), 2), (("ZADD", "z", "INCR", 0, "a"), 0),
    (("ZINCRBY", "z", 1, "a"), 1), (("ZREM", "z", "a", "c", "none"), 2), (("ZPOPMIN", "z"), 1), (("ZPOPMAX", "z", 3), 3),
    (("ZPOPMAX", "z", 0), 0), (("ZMPOP", 1, "z", "MIN", "COUNT", 2), 2), (("BZPOPMIN", "z", 0), 1),
    (("ZREMRANGEBYRANK", "z", 0, 1), 2), (("ZREMRANGEBYSCORE", "z", "-inf", "inf"), 5), (("ZREMRANGEBYLEX", "z", "(x", "+"), 0),
    (("ZRANGESTORE", "to", "z", 0, 3), 1), (("ZRANGESTORE", "to", "z", 9, 9), 0), (("ZRANGESTORE", "z", "z", 9, 9), 1),
    (("ZUNIONSTORE", "to", 1, "z"), 1), (("ZINTERSTORE", "to", 1, "none"), 0)],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else None)
def test_what_counts_as_a_change(z, argv, count):
    z.call("ZADD", "z", 1, "a", 2, "b", 3, "c", 4, "d", 5, "e")
    assert changes(z, *argv) == count


def test_an_expiry_stays_with_the_set(z):
    z.call("ZADD", "z", 1, "a")
    z.call("PEXPIRE", "z", 1000)
    z.call("ZADD", "z", *[x for i in range(200) for x in (i, f"m{i}")])
    z.call("ZPOPMIN", "z", 190)
    assert z.call("PTTL", "z") == 1000
    z.advance(1001)
    assert z.call("ZCARD", "z") == 0


def test_copies_are_independent(z):
    z.call("ZADD", "z", *[x for i in range(50) for x in (i % 7, f"m{i}")])
    before = content(z)
    assert z.call("COPY", "z", "y") == 1
    z.call("ZREM", "z", "m1", "m2")
    assert content(z, "y") == before
    z.call("DEL", "z")
    assert z.call("ZRANK", "y", "m3") is not None and content(z, "y") == before
