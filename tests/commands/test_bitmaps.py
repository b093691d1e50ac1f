"""Bitmap commands against a model on Python's integers, their limits, what counts as a change, and their errors."""
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engine import make_engine

from redispy_core.engine import ReplyError


def error(engine, *argv):
    with pytest.raises(ReplyError) as caught:
        engine.call(*argv)
    return str(caught.value)


def dirty(engine, *argv):
    """By how much a command raises the count of changes, and its reply."""
    before = engine.core.counters()["dirty"]
    reply = engine.call(*argv)
    return engine.core.counters()["dirty"] - before, reply


OFFSET_ERROR = "ERR bit offset is not an integer or out of range"
INT_ERROR = "ERR value is not an integer or out of range"


# --- the model

def bits_of(value):
    return [byte >> shift & 1 for byte in value for shift in range(7, -1, -1)]


def bytes_of(bits):
    return bytes(int("".join(map(str, bits[i:i + 8])), 2) for i in range(0, len(bits), 8))


def cut(start, end, total):
    """The indexes of start..end, negative ones from the end."""
    start, end = (max(i + total, 0) if i < 0 else i for i in (start, end))
    return range(start, min(end, total - 1) + 1)


def positions(value, start, end, unit):
    """The bits of a range."""
    chosen = cut(start, end, len(value) * (8 if unit == "BIT" else 1))
    return chosen if unit == "BIT" else range(chosen.start * 8, max(chosen.stop, chosen.start) * 8)


def combine(op, columns):
    """One bit of a BITOP's result from those of its sources."""
    first, rest = columns[0], columns[1:]
    return int({"AND": all(columns), "OR": any(columns), "XOR": sum(columns) % 2, "NOT": not first,
                "DIFF": first and not any(rest), "DIFF1": any(rest) and not first, "ANDOR": first and any(rest),
                "ONE": sum(columns) == 1}[op])


def bitop(op, sources):
    longest = max(len(source) for source in sources)
    rows = [bits_of(source.ljust(longest, b"\0")) for source in sources]
    return bytes_of([combine(op, columns) for columns in zip(*rows)])


def limits(kind):
    width = int(kind[1:])
    return (-(1 << width - 1), (1 << width - 1) - 1) if kind[0] == "i" else (0, (1 << width) - 1)


def fit(kind, number, policy):
    """The number as the field keeps it; None = refused."""
    low, high = limits(kind)
    if low <= number <= high:
        return number
    if policy == "SAT":
        return high if number > high else low
    return None if policy == "FAIL" else (number - low) % (high - low + 1) + low


class Field:
    """A bitmap that BITFIELD works on."""

    def __init__(self, value):
        self.bits = bits_of(value)

    def get(self, kind, at):
        width = int(kind[1:])
        chosen = (self.bits + [0] * (at + width))[at:at + width]
        number = int("".join(map(str, chosen)), 2)
        return number - (1 << width) if kind[0] == "i" and chosen[0] else number

    def grow(self, kind, at):
        need = (at + int(kind[1:]) + 7) // 8 * 8
        self.bits += [0] * (need - len(self.bits))

    def put(self, kind, at, number):
        width = int(kind[1:])
        self.bits[at:at + width] = [number >> width - 1 - i & 1 for i in range(width)]

    def run(self, verb, kind, at, number, policy):
        old = self.get(kind, at)
        if verb == "GET":
            return old
        if verb == "SET" and kind[0] == "u":
            number %= 1 << 64                      # a negative value is a huge one to an unsigned field
        elif verb == "SET" and policy == "SAT" and number < min(limits(kind)[0], limits(kind)[1] - (1 << 63) + 1):
            number = 1 << 64                       # compat: so far below the top, it counts as above
        fresh = fit(kind, number + (old if verb == "INCRBY" else 0), policy)
        if fresh is None:
            return None
        self.put(kind, at, fresh)
        return fresh if verb == "INCRBY" else old


values = st.binary(max_size=40) | st.sampled_from([b"\xff" * 20, b"\0" * 20, b"12345"])
ranges = st.integers(-60, 60) | st.integers(-400, 400)


@given(values, st.lists(st.tuples(st.integers(0, 500), st.integers(0, 1)), max_size=8))
def test_setbit_and_getbit_agree_with_a_list_of_bits(value, writes):
    engine, bits = make_engine(), bits_of(value)
    engine.call("SET", "k", value)
    for at, bit in writes:
        bits += [0] * ((at // 8 + 1) * 8 - len(bits))
        changes, old = dirty(engine, "SETBIT", "k", at, bit)
        assert old == bits[at]
        assert changes == (len(value) * 8 != len(bits) or old != bit)
        bits[at] = bit
        value = bytes_of(bits)
        assert engine.call("GET", "k") == value
        assert engine.call("GETBIT", "k", at) == bit
    assert [engine.call("GETBIT", "k", i) for i in range(len(bits) + 9)] == bits + [0] * 9


@given(values, ranges, ranges, st.sampled_from(["BYTE", "BIT"]))
def test_bitcount_counts_the_bits_of_the_range(value, start, end, unit):
    engine, bits = make_engine(), bits_of(value)
    engine.call("SET", "k", value)
    expected = sum(bits[i] for i in positions(value, start, end, unit))
    if start < 0 and end < 0 and start > end:
        expected = 0
    assert engine.call("BITCOUNT", "k") == sum(bits)
    assert engine.call("BITCOUNT", "k", start, end, unit) == expected


@given(values, st.integers(0, 1), ranges, ranges, st.sampled_from(["BYTE", "BIT"]))
def test_bitpos_finds_the_first_bit_of_the_range(value, bit, start, end, unit):
    engine, bits = make_engine(), bits_of(value)
    engine.call("SET", "k", value)
    assert engine.call("BITPOS", "k", bit, start, end, unit) == next(
        (i for i in positions(value, start, end, unit) if bits[i] == bit), -1)
    open_range = positions(value, start, -1, "BYTE")
    behind = len(bits) if bit == 0 and len(open_range) else -1
    assert engine.call("BITPOS", "k", bit, start) == next((i for i in open_range if bits[i] == bit), behind)


OPERATIONS = ["AND", "OR", "XOR", "NOT", "DIFF", "DIFF1", "ANDOR", "ONE"]


@given(st.sampled_from(OPERATIONS), st.lists(values, min_size=2, max_size=6), st.integers(0, 6))
def test_bitop_agrees_with_the_definition_bit_by_bit(op, sources, destination):
    """Destinations: a new key, or one of the sources. Source 2 is missing, not an empty string."""
    if op == "NOT":
        sources = sources[:1]
    if len(sources) > 2:
        sources[2] = b""
    engine, keys = make_engine(), [f"k{i}" for i in range(len(sources))]
    for key, value in zip(keys, sources):
        if key != "k2":
            engine.call("SET", key, value)
    expected = bitop(op, sources)
    assert engine.call("BITOP", op.lower(), f"k{destination}", *keys) == len(expected)
    assert engine.call("GET", f"k{destination}") == (expected or None)


kinds = st.builds("{}{}".format, st.just("i"), st.integers(1, 64)) | st.builds("u{}".format, st.integers(1, 63))
numbers = st.integers(-300, 300) | st.integers(-(1 << 63), (1 << 63) - 1)
field_ops = st.tuples(st.sampled_from(["GET", "SET", "INCRBY"]), kinds, st.integers(0, 130), numbers,
                      st.sampled_from(["WRAP", "SAT", "FAIL", None]))


@given(values, st.lists(field_ops, min_size=1, max_size=20))
@settings(max_examples=200)
def test_bitfield_agrees_with_integers_of_any_size(value, ops):
    engine, model, argv, policy, steps = make_engine(), Field(value), [], "WRAP", []
    engine.call("SET", "k", value)
    for verb, kind, at, number, overflow in ops:
        if overflow:
            argv, policy = argv + ["overflow", overflow.lower()], overflow
        argv += [verb, kind, at] + ([number] if verb != "GET" else [])
        steps.append((verb, kind, at, number, policy))
        if verb != "GET":
            model.grow(kind, at)
    assert engine.call("BITFIELD", "k", *argv) == [model.run(*step) for step in steps]
    assert engine.call("GET", "k") == bytes_of(model.bits)


# --- what the model does not say

def test_setbit_beyond_the_limit_is_refused(engine):
    assert error(engine, "SETBIT", "k", 1 << 32, 1) == OFFSET_ERROR
    assert error(engine, "GETBIT", "missing", 1 << 32) == OFFSET_ERROR
    assert engine.call("GET", "k") is None
    engine.set("proto_max_bulk_len", 1 << 20)
    assert error(engine, "SETBIT", "k", 1 << 23, 1) == OFFSET_ERROR
    assert engine.call("SETBIT", "k", (1 << 23) - 1, 1) == 0
    assert len(engine.call("GET", "k")) == 1 << 20
    assert error(engine, "BITFIELD", "k", "GET", "u8", 1 << 23) == OFFSET_ERROR
    assert engine.call("BITFIELD", "k", "GET", "i9", "#932067", "GET", "u8", (1 << 23) - 1) == [16, 128]
    engine.set("proto_max_bulk_len", 1 << 30)
    assert engine.call("GETBIT", "k", (1 << 33) - 1) == 0


def test_a_field_that_begins_within_the_limit_may_end_behind_it(engine):
    engine.set("proto_max_bulk_len", 1 << 20)
    assert engine.call("BITFIELD", "k", "SET", "u16", (1 << 23) - 1, 65535) == [0]
    assert len(engine.call("GET", "k")) == (1 << 20) + 2


def test_setbit_keeps_an_unchanged_value_unchanged(engine):
    assert dirty(engine, "SETBIT", "k", 9, 0) == (1, 0)
    assert dirty(engine, "SETBIT", "k", 9, 0) == (0, 0)
    assert dirty(engine, "SETBIT", "k", 9, 1) == (1, 0)
    assert dirty(engine, "SETBIT", "k", 9, 1) == (0, 1)
    assert engine.call("GET", "k") == b"\0\x40"


def test_bitfield_counts_the_operations_that_change(engine):
    assert dirty(engine, "BITFIELD", "k", "SET", "u8", 0, 0, "SET", "u8", 8, 0) == (2, [0, 0])
    assert dirty(engine, "BITFIELD", "k", "SET", "u8", 0, 0, "INCRBY", "u8", 8, 0) == (0, [0, 0])
    assert dirty(engine, "BITFIELD", "k", "SET", "u8", 0, 1, "SET", "u8", 0, 1, "INCRBY", "u8", 0, 5) == (2, [0, 1, 6])
    assert dirty(engine, "BITFIELD", "k", "OVERFLOW", "FAIL", "SET", "u2", 0, 9) == (0, [None])
    assert dirty(engine, "BITFIELD", "k", "OVERFLOW", "FAIL", "SET", "u2", 100, 9) == (1, [None])
    assert len(engine.call("GET", "k")) == 13


def test_bitfield_that_only_reads_creates_nothing(engine):
    assert dirty(engine, "BITFIELD", "k", "GET", "u8", 100, "GET", "i64", "#3") == (0, [0, 0])
    assert dirty(engine, "BITFIELD", "k") == (0, [])
    assert dirty(engine, "BITFIELD", "k", "OVERFLOW", "SAT") == (0, [])
    assert engine.call("GET", "k") is None


def test_bitfield_offsets_by_width(engine):
    assert engine.call("BITFIELD", "k", "SET", "u8", "#0", 65, "SET", "u8", "#2", 67, "GET", "u4", "#4") == [0, 0, 4]
    assert engine.call("GET", "k") == b"A\0C"
    for offset in ("#", "#-1", "#x", "-1", "", "x", "# 1", "#9223372036854775807", "#288230376151711744"):
        assert error(engine, "BITFIELD", "k", "GET", "i64", offset) == OFFSET_ERROR


def test_bitfield_with_many_operations(engine):
    ops = [arg for i in range(500) for arg in ("SET", "u16", f"#{i}", i)]
    assert dirty(engine, "BITFIELD", "k", *ops) == (500, [0] * 500)
    reads = [arg for i in range(500) for arg in ("GET", "u16", f"#{i}")]
    assert engine.call("BITFIELD_RO", "k", *reads) == list(range(500))


@pytest.mark.parametrize("kind", ["u64", "i65", "u0", "i0", "x8", "u", "i", "8", "", "u8x", "U8", "i08", "i+8", "u-1",
                                  " u8"])
def test_bitfield_refuses_types(engine, kind):
    assert error(engine, "BITFIELD", "k", "SET", kind, 0, 1) == (
        "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.")
    assert engine.call("GET", "k") is None


@pytest.mark.parametrize("rest", [("FOO",), ("FOO", "u8", "0"), ("GET",), ("GET", "u8"), ("SET", "u8", "0"),
                                  ("INCRBY", "u8", "0"), ("OVERFLOW",), ("GET", "u8", "0", "1")])
def test_bitfield_syntax_errors(engine, rest):
    assert error(engine, "BITFIELD", "k", *rest) == "ERR syntax error"
    assert error(engine, "BITFIELD", "k", "SET", "u8", "0", "1", *rest) == "ERR syntax error"
    assert engine.call("GET", "k") is None


def test_bitfield_checks_all_operations_before_it_runs_one(engine):
    first = ("SET", "u8", 0, 255)
    assert error(engine, "BITFIELD", "k", *first, "OVERFLOW", "X") == "ERR Invalid OVERFLOW type specified"
    assert error(engine, "BITFIELD", "k", *first, "SET", "u8", 0, "x") == INT_ERROR
    assert error(engine, "BITFIELD", "k", *first, "GET", "u8", "x") == OFFSET_ERROR
    assert engine.call("GET", "k") is None


def test_bitfield_ro_only_reads(engine):
    engine.call("SET", "k", "\x01\x02")
    assert engine.call("BITFIELD_RO", "k", "GET", "u8", 0, "GET", "u8", "#1", "GET", "u8", 9) == [1, 2, 4]
    refusal = "ERR BITFIELD_RO only supports the GET subcommand"
    assert error(engine, "BITFIELD_RO", "k", "SET", "u8", 0, 1) == refusal
    assert error(engine, "BITFIELD_RO", "missing", "GET", "u8", 0, "INCRBY", "u8", 0, 1) == refusal
    assert error(engine, "BITFIELD_RO", "k", "SET", "u8", 0, "x") == INT_ERROR
    assert error(engine, "BITFIELD_RO", "k", "SET", "u8", 0, 1, "FOO") == "ERR syntax error"


def test_bitcount_and_bitpos_of_missing_keys(engine):
    assert engine.call("BITCOUNT", "missing", 3, 5) == 0
    assert engine.call("BITPOS", "missing", 0, 3, 5) == 0
    assert engine.call("BITPOS", "missing", 1, 3) == -1
    engine.call("SET", "empty", "")
    assert engine.call("BITPOS", "empty", 0) == -1
    assert engine.call("BITCOUNT", "empty", 0, -1, "BIT") == 0


@pytest.mark.parametrize("argv,text", [
    (("BITCOUNT", "m", 0), "ERR syntax error"), (("BITCOUNT", "m", 0, 1, "FOO"), "ERR syntax error"),
    (("BITCOUNT", "m", 0, 1, "BIT", "BIT"), "ERR syntax error"), (("BITCOUNT", "m", "x", 1), INT_ERROR),
    (("BITCOUNT", "m", 0, "x", "FOO"), INT_ERROR), (("BITPOS", "m", 2), "ERR The bit argument must be 1 or 0."),
    (("BITPOS", "m", "x"), INT_ERROR), (("BITPOS", "m", 1, "x", 1, "FOO"), INT_ERROR),
    (("BITPOS", "m", 1, 0, "x", "FOO"), "ERR syntax error"), (("BITPOS", "m", 1, 0, "x"), INT_ERROR),
    (("BITPOS", "m", 1, "x", 1, "BIT", "BIT"), "ERR syntax error"),
    (("BITPOS", "m", 3, 0, 1, "BIT", "BIT"), "ERR The bit argument must be 1 or 0."),
    (("SETBIT", "m", -1, 1), OFFSET_ERROR), (("SETBIT", "m", "x", 5), OFFSET_ERROR),
    (("SETBIT", "m", 0, 2), "ERR bit is not an integer or out of range"),
    (("SETBIT", "m", 0, ""), "ERR bit is not an integer or out of range"),
    (("BITOP", "FOO", "d", "m"), "ERR syntax error"),
    (("BITOP", "NOT", "d", "m", "m"), "ERR BITOP NOT must be called with a single source key."),
    (("BITOP", "diff", "d", "m"), "ERR BITOP DIFF must be called with at least two source keys."),
    (("BITOP", "diff1", "d", "m"), "ERR BITOP DIFF1 must be called with at least two source keys."),
    (("BITOP", "andor", "d", "m"), "ERR BITOP ANDOR must be called with at least two source keys."),
])
def test_errors(engine, argv, text):
    assert error(engine, *argv) == text


def test_bitop_of_nothing_removes_the_destination(engine):
    engine.call("SET", "d", "v")
    assert dirty(engine, "BITOP", "OR", "d", "missing", "missing") == (1, 0)
    assert engine.call("GET", "d") is None
    assert dirty(engine, "BITOP", "OR", "d", "missing") == (0, 0)


def test_values_of_other_types_are_refused(engine):
    pytest.importorskip("redispy_core.commands.lists")
    engine.call("LPUSH", "l", "a")
    engine.call("SET", "k", "v")
    for argv in (("SETBIT", "l", 0, 1), ("GETBIT", "l", 0), ("BITCOUNT", "l"), ("BITPOS", "l", 1), ("BITFIELD", "l"),
                 ("BITFIELD", "l", "SET", "u8", 0, 1), ("BITFIELD_RO", "l"),
                 ("BITOP", "AND", "d", "k", "missing", "l")):
        assert error(engine, *argv).startswith("WRONGTYPE ")
    assert engine.call("BITOP", "OR", "l", "k") == 1
    assert engine.call("GET", "l") == b"v"


def test_a_bitmap_keeps_its_expiry_and_becomes_raw(engine):
    pytest.importorskip("redispy_core.commands.keys")
    for argv in (("SETBIT", "k", 1, 1), ("SETBIT", "k", 5000, 1), ("BITFIELD", "k", "SET", "u8", "#2000", 1)):
        engine.call("SET", "k", "12345", "EX", 100)
        engine.call(*argv)
        assert engine.call("TTL", "k") == 100
        assert engine.call("OBJECT", "ENCODING", "k") == b"raw"
    engine.call("SET", "one", "1")
    engine.call("BITOP", "OR", "k", "one")
    assert engine.call("TTL", "k") == -1
    assert engine.call("OBJECT", "ENCODING", "k") == b"raw"
