"""List commands that do not wait: ends, ranges, places, moves, conversions, dirty."""
import random

import pytest
from support.resp import NULL, NULL_ARRAY, NULL_BULK, Error, Simple

OK = Simple("OK")
SYNTAX = Error("ERR syntax error")
NOT_INT = Error("ERR value is not an integer or out of range")
POSITIVE = Error("ERR value is out of range, must be positive")
WRONGTYPE = Error("WRONGTYPE Operation against a key holding the wrong kind of value")
VALUES = [b"", b"a", b"7", b"-70000", b"9223372036854775807", b"007", b"x" * 99, b"y" * 100, b"z" * 999, b"w" * 1000,
          b"\x00\r\n\xff", b"v" * 20_000]


def null(engine):
    return NULL if engine.protocol == 3 else NULL_BULK


def null_array(engine):
    return NULL if engine.protocol == 3 else NULL_ARRAY


@pytest.fixture(params=[-2, 1, 3, 128], ids=lambda fill: f"fill{fill}")
def engine(engine, request):
    """Every test with lists of one block, of many small ones, and of counted ones."""
    engine.set("list_max_listpack_size", request.param)
    return engine


def items(engine, key):
    return engine.call("LRANGE", key, 0, -1)


def dirty(engine):
    return engine.core.counters()["dirty"]


# ---------------------------------------------------------------- ends

def test_pushes_at_both_ends(engine):
    assert engine.call("RPUSH", "l", "a", "b") == 2
    assert engine.call("LPUSH", "l", "x", "y") == 4
    assert items(engine, "l") == [b"y", b"x", b"a", b"b"]
    assert engine.call("LLEN", "l") == 4


def test_every_value_comes_back(engine):
    for command in ("RPUSH", "LPUSH"):
        engine.call("DEL", "l")
        assert engine.call(command, "l", *VALUES) == len(VALUES)
        expected = VALUES if command == "RPUSH" else VALUES[::-1]
        assert items(engine, "l") == expected
        for i, v in enumerate(expected):
            assert engine.call("LINDEX", "l", i) == v
            assert engine.call("LINDEX", "l", i - len(VALUES)) == v
        while expected:
            v = expected[-1]
            expected = expected[:-1]
            assert engine.call("RPOP", "l") == v
        assert engine.call("EXISTS", "l") == 0


def test_pushes_on_what_exists_only(engine):
    assert engine.call("LPUSHX", "l", "a") == engine.call("RPUSHX", "l", "a", "b") == 0
    assert engine.call("EXISTS", "l") == 0
    engine.call("RPUSH", "l", "m")
    assert engine.call("LPUSHX", "l", "a", "b") == 3
    assert engine.call("RPUSHX", "l", "z") == 4
    assert items(engine, "l") == [b"b", b"a", b"m", b"z"]


def test_pops_with_a_count(engine):
    engine.call("RPUSH", "l", *"abcdefg")
    assert engine.call("LPOP", "l", 2) == [b"a", b"b"]
    assert engine.call("RPOP", "l", 2) == [b"g", b"f"]
    assert engine.call("LPOP", "l", 0) == engine.call("RPOP", "l", 0) == []
    assert engine.call("RPOP", "l", 100) == [b"e", b"d", b"c"]
    assert engine.call("EXISTS", "l") == 0


@pytest.mark.parametrize("command", ["LPOP", "RPOP"])
def test_pops_of_nothing(engine, command):
    assert engine.ask(command, "l") is null(engine)
    assert engine.ask(command, "l", 0) is null_array(engine)
    assert engine.ask(command, "l", 3) is null_array(engine)
    engine.call("RPUSH", "l", "a")
    for bad in ("-1", "abc", "1.5", ""):
        assert engine.ask(command, "l", bad) == POSITIVE
    assert engine.ask(command, "l", 1, 1) == Error(f"ERR wrong number of arguments for '{command.lower()}' command")


WRITES = [("LPUSH", "s", "a"), ("RPUSHX", "s", "a"), ("LPOP", "s"), ("RPOP", "s", 1), ("LSET", "s", 0, "a"),
          ("LREM", "s", 0, "a"), ("LTRIM", "s", 0, 1), ("LINSERT", "s", "BEFORE", "a", "b"), ("LMOVE", "s", "d", "LEFT", "LEFT"),
          ("RPOPLPUSH", "s", "d"), ("LMPOP", 2, "no", "s", "LEFT"), ("BLPOP", "s", 0), ("BLMPOP", 0, 1, "s", "LEFT"),
          ("BRPOPLPUSH", "s", "d", 0), ("LLEN", "s"), ("LINDEX", "s", 0), ("LRANGE", "s", 0, 1), ("LPOS", "s", "a"),
          ("LMOVE", "l", "s", "LEFT", "LEFT"), ("BLMOVE", "l", "s", "LEFT", "RIGHT", 0)]


@pytest.mark.parametrize("argv", WRITES, ids=lambda argv: " ".join(map(str, argv)))
def test_other_types_are_refused(engine, argv):
    engine.call("SET", "s", "text")
    engine.call("RPUSH", "l", "a")
    before = dirty(engine)
    assert engine.ask(*argv) == WRONGTYPE
    assert (dirty(engine), engine.call("GET", "s"), items(engine, "l")) == (before, b"text", [b"a"])


# ---------------------------------------------------------------- ranges and places

def test_ranges_follow_python_slices(engine):
    values = [b"%d" % i if i % 3 else b"text-%d" % i for i in range(40)]
    engine.call("RPUSH", "l", *values)
    rng = random.Random(1)
    for _ in range(200):
        start, stop = rng.randrange(-50, 50), rng.randrange(-50, 50)
        a = start if start >= 0 else max(0, start + 40)
        b = stop if stop >= 0 else stop + 40
        assert engine.call("LRANGE", "l", start, stop) == (values[a:b + 1] if b >= 0 else [])
        engine.call("COPY", "l", "m", "REPLACE")
        engine.call("LTRIM", "m", start, stop)
        assert items(engine, "m") == (values[a:b + 1] if b >= 0 else [])


def test_set_by_index(engine):
    engine.call("RPUSH", "l", *"abc")
    assert engine.ask("LSET", "l", 0, "1") == OK
    assert engine.ask("LSET", "l", -1, "x" * 9000) == OK
    assert items(engine, "l") == [b"1", b"b", b"x" * 9000]
    for index in (3, -4, 2**63 - 1, -2**63):
        assert engine.ask("LSET", "l", index, "x") == Error("ERR index out of range")
    assert engine.ask("LSET", "missing", "abc", "x") == Error("ERR no such key")
    assert engine.ask("LSET", "l", "abc", "x") == NOT_INT


def test_insert_beside_a_pivot(engine):
    engine.call("RPUSH", "l", "a", "1", "c")
    assert engine.call("LINSERT", "l", "BEFORE", "1", "x") == 4
    assert engine.call("LINSERT", "l", "after", "1", "y") == 5
    assert engine.call("LINSERT", "l", "AFTER", "c", "z") == 6
    assert engine.call("LINSERT", "l", "BEFORE", "a", "0") == 7
    assert engine.call("LINSERT", "l", "BEFORE", "none", "x") == -1
    assert engine.call("LINSERT", "missing", "BEFORE", "a", "x") == 0
    assert engine.ask("LINSERT", "l", "beside", "a", "x") == SYNTAX
    assert items(engine, "l") == [b"0", b"a", b"x", b"1", b"y", b"c", b"z"]


@pytest.mark.parametrize("count,left", [(0, "bcd"), (2, "bcada"), (-2, "abacd"), (9, "bcd"), (-9, "bcd")])
def test_remove_by_value(engine, count, left):
    engine.call("RPUSH", "l", *"abacada")
    removed = 7 - len(left)
    assert engine.call("LREM", "l", count, "a") == removed
    assert b"".join(items(engine, "l")).decode() == left


def test_removing_the_last_value_removes_the_key(engine):
    engine.call("RPUSH", "l", "1", "1", "01")
    assert engine.call("LREM", "l", 0, "1") == 2
    assert engine.call("LREM", "l", 0, "01") == 1
    assert engine.call("EXISTS", "l") == 0


def test_positions_follow_a_naive_search(engine):
    rng = random.Random(2)
    values = [rng.choice("abc1") for _ in range(30)]
    engine.call("RPUSH", "l", *values)
    for _ in range(300):
        wanted, rank = rng.choice("abc12"), rng.choice((1, 2, 5, 40, -1, -2, -7))
        count, maxlen = rng.choice((None, 0, 1, 3)), rng.choice((None, 0, 1, 10, 29, 30, 99))
        order = range(30) if rank > 0 else range(29, -1, -1)
        found = [i for seen, i in enumerate(order) if values[i] == wanted and (not maxlen or seen < maxlen)][abs(rank) - 1:]
        options = ["RANK", rank] + (["COUNT", count] if count is not None else []) + (["MAXLEN", maxlen] if maxlen is not None else [])
        expected = (found[0] if found else None) if count is None else found[:count or None]
        assert engine.call("LPOS", "l", wanted, *options) == expected


def test_bad_options_of_lpos(engine):
    engine.call("RPUSH", "l", "a")
    assert engine.ask("LPOS", "l", "a", "RANK", 0).startswith(b"ERR RANK can't be zero")
    assert engine.ask("LPOS", "l", "a", "RANK", -2**63) == Error(
        "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807")
    assert engine.ask("LPOS", "l", "a", "COUNT", -1) == Error("ERR COUNT can't be negative")
    assert engine.ask("LPOS", "l", "a", "MAXLEN", "x") == Error("ERR MAXLEN can't be negative")
    assert engine.ask("LPOS", "l", "a", "RANK") == engine.ask("LPOS", "l", "a", "FOO", 1) == SYNTAX


# ---------------------------------------------------------------- moves

@pytest.mark.parametrize("source", ["LEFT", "RIGHT"])
@pytest.mark.parametrize("target", ["LEFT", "RIGHT"])
@pytest.mark.parametrize("value", [b"text", b"12", b"x" * 9000])
def test_moves_between_lists_and_within_one(engine, source, target, value):
    engine.call("RPUSH", "l", value, "m", value)
    engine.call("RPUSH", "d", "p", "q")
    assert engine.call("LMOVE", "l", "d", source, target) == value
    assert items(engine, "l") == ([b"m", value] if source == "LEFT" else [value, b"m"])
    assert items(engine, "d") == ([value, b"p", b"q"] if target == "LEFT" else [b"p", b"q", value])
    same = items(engine, "d")
    moved = same.pop(0 if source == "LEFT" else -1)
    same.insert(0 if target == "LEFT" else len(same), moved)
    assert engine.call("LMOVE", "d", "d", source, target) == moved
    assert items(engine, "d") == same


def test_a_move_that_empties_the_source(engine):
    engine.call("RPUSH", "l", "only")
    assert engine.call("RPOPLPUSH", "l", "d") == b"only"
    assert engine.call("EXISTS", "l") == 0
    assert engine.ask("RPOPLPUSH", "l", "d") is null(engine)
    assert engine.call("RPOPLPUSH", "d", "d") == b"only"
    assert engine.ask("LMOVE", "d", "e", "LEFT", "UP") == SYNTAX


def test_pop_from_the_first_list_that_has_something(engine):
    engine.call("RPUSH", "b", *"123")
    assert engine.call("LMPOP", 2, "a", "b", "LEFT") == [b"b", [b"1"]]
    assert engine.call("LMPOP", 2, "a", "b", "RIGHT", "COUNT", 10) == [b"b", [b"3", b"2"]]
    assert engine.ask("LMPOP", 2, "a", "b", "LEFT") is null_array(engine)
    assert engine.ask("BLMPOP", 1, 2, "a", "b", "LEFT") is null_array(engine), "a call in process does not wait"


@pytest.mark.parametrize("argv,text", [
    ((0, "b", "LEFT"), "ERR numkeys should be greater than 0"), (("x", "b", "LEFT"), "ERR numkeys should be greater than 0"),
    ((2, "b", "LEFT"), "ERR syntax error"), ((2**40, "b", "LEFT"), "ERR syntax error"), ((1, "b", "UP"), "ERR syntax error"),
    ((1, "b", "LEFT", "COUNT"), "ERR syntax error"), ((1, "b", "LEFT", "COUNT", 1, "COUNT", 1), "ERR syntax error"),
    ((1, "b", "LEFT", "COUNT", 0), "ERR count should be greater than 0"), ((1, "b", "LEFT", "FOO", 1), "ERR syntax error")])
def test_bad_arguments_of_lmpop(engine, argv, text):
    assert engine.ask("LMPOP", *argv) == Error(text)
    assert engine.ask("BLMPOP", "no-number", *argv) == Error(text)


# ---------------------------------------------------------------- changes

@pytest.mark.parametrize("argv,changes", [
    (("RPUSH", "l", "x", "y"), 2), (("LPUSHX", "l", "x"), 1), (("LPOP", "l"), 1), (("RPOP", "l", 3), 3), (("LPOP", "l", 0), 0),
    (("LREM", "l", 0, "a"), 3), (("LREM", "l", 0, "zz"), 0), (("LTRIM", "l", 0, -1), 0), (("LTRIM", "l", 1, 2), 4),
    (("LTRIM", "l", 5, 1), 6), (("LSET", "l", 0, "q"), 1), (("LINSERT", "l", "BEFORE", "b", "x"), 1),
    (("LINSERT", "l", "BEFORE", "zz", "x"), 0), (("LMOVE", "l", "m", "LEFT", "LEFT"), 1), (("LMOVE", "l", "l", "LEFT", "LEFT"), 1),
    (("LMPOP", 1, "l", "LEFT", "COUNT", 2), 2), (("BLPOP", "l", 0), 1), (("BLMOVE", "l", "m", "LEFT", "LEFT", 0), 1)],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else None)
def test_what_counts_as_a_change(engine, argv, changes):
    engine.call("RPUSH", "l", *"abacda")
    before = dirty(engine)
    assert not isinstance(engine.ask(*argv), Error)
    assert dirty(engine) - before == changes


def test_an_expiry_stays_with_the_list(engine):
    engine.call("RPUSH", "l", *"abc")
    engine.call("PEXPIRE", "l", 1000)
    engine.call("RPUSH", "l", *[str(i) for i in range(300)])
    engine.call("LPOP", "l", 290)
    assert engine.call("PTTL", "l") == 1000
    engine.advance(1001)
    assert engine.call("LLEN", "l") == 0
    engine.call("RPUSH", "l", "new")
    assert engine.call("TTL", "l") == -1
