"""Set commands: algebra against Python's sets in every mix of encodings, chance, events, counts of changes, iteration."""
import random

import pytest
from support.engine import make_engine
from support.resp import Error, Set

LONG = "x" * 65
ENCODINGS = ["intset", "listpack", "hashtable"]


def fill(engine, key, numbers, encoding):
    """A set of numbers in the given encoding."""
    knobs = {"intset": (1000, 1000), "listpack": (0, 1000), "hashtable": (0, 0)}[encoding]
    engine.set("set_max_intset_entries", knobs[0])
    engine.set("set_max_listpack_entries", knobs[1])
    if numbers:
        engine.call("SADD", key, *numbers)
        assert engine.call("OBJECT", "ENCODING", key) == encoding.encode()
    engine.set("set_max_intset_entries", 512)
    engine.set("set_max_listpack_entries", 128)


def members(engine, key):
    return {int(m) for m in engine.call("SMEMBERS", key)}


def dirty(engine, *argv):
    """By how much a command raises the count of changes."""
    before = engine.core.counters()["dirty"]
    engine.call(*argv)
    return engine.core.counters()["dirty"] - before


# ---------------------------------------------------------------- algebra

@pytest.mark.parametrize("seed", range(40))
def test_algebra_is_that_of_sets(engine, seed):
    chance = random.Random(seed)
    operands, keys = [], []
    for i in range(chance.randint(1, 5)):
        operand = set(chance.sample(range(40), chance.choice([0, 1, 3, 10, 30])))
        fill(engine, f"k{i}", operand, chance.choice(ENCODINGS))
        operands.append(operand)
        keys.append(f"k{i}")
    expected = {"SINTER": set.intersection(*operands), "SUNION": set.union(*operands),
                "SDIFF": set.difference(*operands)}
    for command, result in expected.items():
        reply = engine.call(command, *keys)
        assert len(reply) == len(result) and {int(m) for m in reply} == result
        assert engine.call(command + "STORE", "to", *keys) == len(result)
        assert members(engine, "to") == result and engine.call("EXISTS", "to") == bool(result)
        assert engine.call("OBJECT", "ENCODING", "to") == (b"intset" if result else None)
    for limit in (0, 1, 3, 100):
        assert engine.call("SINTERCARD", len(keys), *keys, "LIMIT", limit) == min(
            len(expected["SINTER"]), limit or 100)
    for key, operand in zip(keys, operands):
        assert members(engine, key) == operand


@pytest.mark.parametrize("command,result", [("SINTERSTORE", {5, 6}), ("SUNIONSTORE", set(range(10))),
                                            ("SDIFFSTORE", {0, 1, 2, 3, 4})])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_destination_may_be_an_operand(engine, command, result, encoding):
    fill(engine, "a", range(7), encoding)
    fill(engine, "b", range(5, 10), encoding)
    engine.call("EXPIRE", "a", 100)
    assert engine.call(command, "a", "a", "b") == len(result)
    assert members(engine, "a") == result and engine.call("TTL", "a") == -1


def test_more_operands_than_fit_without_an_allocation(engine):
    keys = [f"k{i}" for i in range(100)]
    for i, key in enumerate(keys):
        engine.call("SADD", key, "all", i)
    assert engine.call("SINTER", *keys) in ([b"all"], {b"all"})
    assert engine.call("SUNIONSTORE", "to", *keys) == 101
    engine.call("SET", "k99", "a string")
    for command in ("SINTER", "SUNION", "SDIFF"):
        assert engine.ask(command, *keys) == Error("WRONGTYPE Operation against a key holding the wrong kind of value")


def test_difference_takes_either_way_to_the_same_result(engine):
    """A large first operand against small ones, and the other way round."""
    engine.call("SADD", "large", *range(3000), "x")
    engine.call("SADD", "small", *range(10), "x")
    engine.call("SADD", "words", "x", "y")
    assert {int(m) for m in engine.call("SDIFF", "large", "small", "words")} == set(range(10, 3000))
    assert {int(m) for m in engine.call("SDIFF", "small", "words")} == set(range(10))
    assert len(engine.call("SDIFF", "small", "large")) == 0
    assert {int(m) for m in engine.call("SDIFF", "large", *["small"] * 5)} == set(range(10, 3000))


# ---------------------------------------------------------------- chance

@pytest.fixture(params=ENCODINGS)
def filled(request, engine):
    """An engine with a set `s` of the numbers 0 .. 49."""
    fill(engine, "s", range(50), request.param)
    return engine


@pytest.mark.parametrize("count", [1, 5, 16, 17, 45, 49])
def test_distinct_random_members(filled, count):
    seen = set()
    for _ in range(300):
        reply = [int(m) for m in filled.call("SRANDMEMBER", "s", count)]
        assert len(reply) == len(set(reply)) == count and set(reply) <= set(range(50))
        seen |= set(reply)
    assert seen == set(range(50)) and filled.call("SCARD", "s") == 50


def test_repeated_random_members(filled):
    reply = [int(m) for m in filled.call("SRANDMEMBER", "s", -2000)]
    assert len(reply) == 2000 and set(reply) == set(range(50))
    assert sum((reply.count(i) - 40) ** 2 / 40 for i in range(50)) < 110         # df = 49: a probability of 1e-6


def test_all_members_when_more_are_wanted(filled):
    for count in (50, 51, 2**63 - 1):
        assert sorted(int(m) for m in filled.call("SRANDMEMBER", "s", count)) == list(range(50))


@pytest.mark.parametrize("counts", [[11, 9, 0, 4, 1, 24, 100], [50], [49, 1], [40, 10], [None] * 50])
def test_popped_members_are_gone(filled, counts):
    left = set(range(50))
    for count in counts:
        reply = filled.call("SPOP", "s") if count is None else filled.call("SPOP", "s", count)
        popped = {int(m) for m in ([reply] if count is None else reply)}
        assert len(popped) == min(1 if count is None else count, len(left)) and popped <= left
        left -= popped
        assert members(filled, "s") == left
    assert filled.call("EXISTS", "s") == 0


def test_reply_types(engine):
    engine.call("SADD", "s", "a", "b")
    kind = Set if engine.protocol == 3 else list
    for command in (["SMEMBERS", "s"], ["SINTER", "s"], ["SUNION", "s", "s"], ["SDIFF", "s"], ["SPOP", "s", 0], ["SPOP", "s", 1],
                    ["SPOP", "no", 1], ["SINTER", "no"], ["SPOP", "s", 9]):
        assert type(engine.ask(*command)) is kind, command
    engine.call("SADD", "s", "a", "b")
    for command in (["SRANDMEMBER", "s", 1], ["SRANDMEMBER", "s", -1], ["SMISMEMBER", "s", "a"], ["SRANDMEMBER", "no", 1]):
        assert type(engine.ask(*command)) is list, command


def test_a_reply_that_no_machine_could_hold_is_refused(engine):
    engine.call("SADD", "s", "a")
    assert isinstance(engine.ask("SRANDMEMBER", "s", -2**63 + 1), Error)
    assert isinstance(engine.ask("SRANDMEMBER", "s", -2**40), Error)


# ---------------------------------------------------------------- changes

@pytest.mark.parametrize("setup,command,changes", [
    ([], "SADD s a b a", 2), (["SADD s a"], "SADD s a", 0), (["SADD s a b c"], "SREM s a b z", 2),
    (["SADD s a"], "SREM s z", 0), (["SADD s a b c"], "SREM s a b c d", 3), (["SADD s a"], "SPOP s", 1),
    (["SADD s a b c d"], "SPOP s 2", 2), (["SADD s a b c d"], "SPOP s 9", 4), (["SADD s a b c d"], "SPOP s 0", 0),
    (["SADD s a b"], "SMOVE s t a", 2), (["SADD s a", "SADD t a"], "SMOVE s t a", 1), (["SADD s a"], "SMOVE s s a", 0),
    (["SADD s a"], "SMOVE s t b", 0), (["SADD s a b"], "SUNIONSTORE t s", 1), (["SADD t a b"], "SUNIONSTORE t s", 1),
    ([], "SUNIONSTORE t s", 0), (["SADD s a b"], "SRANDMEMBER s -5", 0),
])
def test_changes_are_counted(engine, setup, command, changes):
    for line in setup:
        engine.call(*line.split())
    assert dirty(engine, *command.split()) == changes


def test_an_emptied_set_is_no_key(engine):
    for take in (["SREM", "s", "a", "1"], ["SPOP", "s", 2], ["SDIFFSTORE", "s", "s", "s"]):
        engine.call("SADD", "s", "a", 1)
        engine.call(*take)
        assert engine.call("EXISTS", "s") == 0 and engine.call("DBSIZE") == 0


def test_an_expired_set_is_missing(engine):
    engine.call("SADD", "s", "a")
    engine.call("PEXPIRE", "s", 5)
    engine.call("SADD", "t", "a", "b")
    engine.advance(10)
    assert list(engine.call("SINTER", "s", "t")) == [] and engine.call("SADD", "s", "b") == 1
    assert list(engine.call("SMEMBERS", "s")) == [b"b"] and engine.call("TTL", "s") == -1


def test_a_copy_is_independent(engine):
    for member in (1, "word", LONG):
        engine.call("DEL", "s", "t")
        engine.call("SADD", "s", member)
        assert engine.call("COPY", "s", "t") == 1
        engine.call("SADD", "t", "more")
        assert engine.call("SCARD", "s") == 1 and engine.call("SISMEMBER", "t", member) == 1
        engine.call("RENAME", "t", "s")
        assert engine.call("SCARD", "s") == 2


# ---------------------------------------------------------------- iteration

def scan_all(engine, *options):
    cursor, found = b"0", []
    for _ in range(10000):
        cursor, part = engine.call("SSCAN", "s", cursor, *options)
        found += part
        if cursor == b"0":
            return found
    raise AssertionError("the iteration does not end")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_scan_gives_every_member(engine, encoding):
    fill(engine, "s", range(700), encoding)
    for options in ([], ["COUNT", 1], ["COUNT", 10000]):
        assert sorted(int(m) for m in scan_all(engine, *options)) == list(range(700))
    assert {int(m) for m in scan_all(engine, "MATCH", "1?")} == set(range(10, 20))


def test_scan_gives_what_stays_while_the_set_changes():
    chance = random.Random(7)
    engine = make_engine(3)
    stays = {f"stay{i}" for i in range(400)}
    engine.call("SADD", "s", *stays)
    cursor, found = b"0", set()
    while True:
        cursor, part = engine.call("SSCAN", "s", cursor, "COUNT", 5)
        found |= {m.decode() for m in part}
        if cursor == b"0":
            break
        change = [f"other{i}" for i in chance.sample(range(2000), 60)]
        engine.call(chance.choice(["SADD", "SADD", "SREM"]), "s", *change)
    assert stays <= found


def test_large_members(engine):
    large = b"m" * 100_000
    assert engine.call("SADD", "s", large, large[:-1], LONG) == 3
    assert engine.call("SISMEMBER", "s", large) == 1 and engine.call("SREM", "s", large, large) == 1
    assert engine.call("SUNIONSTORE", "t", "s") == 2 and engine.call("SPOP", "t", 1) is not None
