"""Listpack against a Python list, against bytes that real servers wrote, and against corrupt blobs."""
import random

import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from redispy_core.base.mem import MemFace
from redispy_core.structs.listpack import ListpackFace, validate

BEFORE, AFTER, REPLACE = 0, 1, 2
INT_BORDERS = sorted({s * v + d for v in (0, 1, 127, 128, 4095, 4096, 32767, 32768, 8388607, 8388608, 2**31 - 1, 2**31,
                                          2**63 - 1) for s in (1, -1) for d in (-1, 0, 1)
                      if -2**63 <= s * v + d < 2**63} | {-2**63})
LENGTHS = (0, 1, 63, 64, 125, 126, 127, 128, 4095, 4096, 16377, 16378, 16382, 16383, 65536)
NOT_INTS = (b"", b"-", b"+1", b"01", b"-0", b"-01", b" 1", b"1 ", b"1.0", b"0x10", b"9223372036854775808",
            b"-9223372036854775809", b"99999999999999999999", b"123456789012345678901", b"1a", b"\x00", b"-a")


def stored(v):
    """What a listpack gives back for a value: canonical integers as int."""
    if isinstance(v, bytes) and len(v) <= 20:
        try:
            n = int(v)
        except ValueError:
            return v
        if str(n).encode() == v and -2**63 <= n < 2**63:
            return n
    return v


def text(v):
    return str(v).encode() if isinstance(v, int) else v


def body(v):
    """The encoding and data of a value, written from the format's description."""
    v = stored(v)
    if isinstance(v, int):
        if 0 <= v <= 127:
            return bytes([v])
        if -4096 <= v <= 4095:
            return bytes([0xC0 | (v >> 8) & 31, v & 255])
        for code, width in ((0xF1, 2), (0xF2, 3), (0xF3, 4), (0xF4, 8)):
            if -(1 << 8 * width - 1) <= v < 1 << 8 * width - 1:
                return bytes([code]) + v.to_bytes(width, "little", signed=True)
    n = len(v)
    if n < 64:
        return bytes([0x80 | n]) + v
    if n < 4096:
        return bytes([0xE0 | n >> 8, n & 255]) + v
    return b"\xf0" + n.to_bytes(4, "little") + v


def backlen(n):
    groups = 1 if n <= 127 else 2 if n < 16383 else 3 if n < 2097151 else 4 if n < 268435455 else 5
    out = [n >> 7 * i & 127 | (128 if i < groups - 1 else 0) for i in range(groups)]
    return bytes(reversed(out))


def encode(values):
    entries = b"".join(body(v) + backlen(len(body(v))) for v in values)
    return (len(entries) + 7).to_bytes(4, "little") + min(len(values), 65535).to_bytes(2, "little") + entries + b"\xff"


def pack(values):
    lp = ListpackFace()
    for v in values:
        lp.append(v)
    lp.check()
    return lp


# Payloads that real servers wrote (DUMP without the framing).
REAL = [
    ([b"a", b"1", b"-1", b"hello", b"300", b"70000"],
     "1e0000000600 816102 0101 dfff02 8568656c6c6f06 c12c02 f270110104 ff"),
    ([b"a", b"b"], "0d0000000200 816102 816202 ff"),
    ([b"a", b"b", b"7"], "0f0000000300 816102 816202 0701 ff"),
    ([b"f1", b"v1", b"n", b"10"], "140000000400 82663103 82763103 816e02 0a01 ff"),
    ([b"f", b"v", 4102444800123, b"g", b"w", 0],
     "1f0000000600 816602 817602 f47bd8c32cbb03000009 816702 817702 0001 ff"),
    ([-3, b"e"], "0d0000000200 dffd02 816502 ff"),
    ([b"2.5", b"0.1", b"inf"], "160000000300 83322e3504 83302e3104 83696e6604 ff"),
    ([b"Palermo", 3479099956230698], "1a0000000200 8750616c65726d6f08 f42a7a0715395c0c0009 ff"),
]


@pytest.mark.parametrize("values,blob", REAL)
def test_bytes_equal_those_of_a_real_server(values, blob):
    blob = bytes.fromhex(blob)
    assert bytes(pack(values)) == blob == encode(values)
    assert ListpackFace(blob).values() == [stored(v) for v in values]


@pytest.mark.parametrize("value", INT_BORDERS)
def test_integer_borders_take_the_smallest_encoding(value):
    for v in (value, str(value).encode()):
        lp = pack([b"x", v, b"y"])
        assert bytes(lp) == encode([b"x", value, b"y"])
        assert lp.get(1) == value and lp.text(1) == str(value).encode()
        assert lp.compare(1, str(value).encode()) and not lp.compare(1, str(value ^ 1).encode())
        assert lp.find(str(value).encode()) == 1


@pytest.mark.parametrize("value", NOT_INTS)
def test_text_that_is_no_canonical_integer_stays_text(value):
    lp = pack([1, value, 2])
    assert lp.get(1) == value and bytes(lp) == encode([1, value, 2])
    assert lp.find(value) == 1 and lp.compare(1, value) and not lp.compare(0, value)


@pytest.mark.parametrize("n", LENGTHS)
def test_string_lengths_at_encoding_and_backlen_borders(n):
    v = b"s" * n
    lp = pack([b"a", v, v, b"z"])
    assert bytes(lp) == encode([b"a", v, v, b"z"])
    assert lp.find(v) == 1 and lp.find(v, 0, 2) == 2 and lp.find(v + b"s") is None
    assert lp.get(-1) == b"z" and lp.get(-2) == v
    lp.replace(1, 5)
    lp.check()
    assert bytes(lp) == encode([b"a", 5, v, b"z"])


@pytest.mark.parametrize("n,groups", [(2097145, 3), (2097146, 4)])
def test_backlen_of_three_and_four_groups(n, groups):
    v = b"s" * n
    lp = pack([v, b"z"])
    assert bytes(lp)[-4 - groups:-4] == backlen(n + 5) and len(backlen(n + 5)) == groups
    assert lp.values_backwards() == [b"z", v]


def test_empty_listpack_has_no_positions():
    lp = ListpackFace()
    lp.check()
    assert bytes(lp) == bytes.fromhex("070000000000ff") and lp.values() == [] and lp.find(b"") is None
    for i in (0, -1, 1):
        with pytest.raises(IndexError):
            lp.get(i)


def test_find_skips_the_values_of_pairs():
    lp = pack([b"f1", b"f2", b"f2", b"7", b"7", b"v" * 100, b"k" * 100, b"f1"])
    assert lp.find(b"f2", 1) == 2 and lp.find(b"f2", 0) == 1 and lp.find(b"7", 1) == 4
    assert lp.find(b"k" * 100, 1) == 6 and lp.find(b"v" * 100, 1) is None and lp.find(b"f1", 1, 2) is None
    odd = pack([b"a", b"b", b"c"])
    assert odd.find(b"c", 1) == 2 and odd.find(b"b", 5) is None


def test_count_becomes_unknown_at_65535_and_known_again():
    lp = pack([])
    lp.batch([i & 127 for i in range(65534)])
    assert bytes(lp)[4:6] == b"\xfe\xff" and len(lp) == 65534
    lp.append(1)
    assert bytes(lp)[4:6] == b"\xff\xff" and len(lp) == 65535
    lp.prepend(b"head")
    assert len(lp) == 65536 and lp.get(65535) == 1 and lp.get(-65536) == b"head" and lp.get(0) == b"head"
    with pytest.raises(IndexError):
        lp.get(65536)
    with pytest.raises(IndexError):
        lp.get(-65537)
    lp.check()
    lp.delete_range(10, 3)
    assert bytes(lp)[4:6] == b"\xff\xff"
    assert len(lp) == 65533 and bytes(lp)[4:6] == b"\xfd\xff"
    lp.check()


def test_merge_keeps_the_order_whichever_is_larger():
    for a, b in (([1], [b"x" * 70, 2]), ([b"x" * 70, 2], [1]), ([], [3]), ([3], []), ([], [])):
        mem = MemFace()
        left, right = ListpackFace(mem=mem), ListpackFace(mem=mem)
        left.batch(a), right.batch(b)
        left.merge(right)
        left.check()
        assert bytes(left) == encode(a + b) and len(right) == 0
        del left, right
        assert mem.blocks == 0 and mem.used == 0
    mem = MemFace()
    left, right = ListpackFace(mem=mem), ListpackFace(mem=mem)
    left.batch([1] * 40000), right.batch([2] * 40000)
    left.merge(right)
    left.check()
    assert len(left) == 80000 and bytes(left)[4:6] == b"\xff\xff"


def test_appends_move_the_block_rarely_and_fit_gives_room_back():
    lp = ListpackFace()
    moves, last = 0, lp.usable()
    for i in range(3000):
        lp.append(b"member:%d" % i)
        if lp.usable() != last:
            moves, last = moves + 1, lp.usable()
        assert lp.usable() <= len(bytes(lp)) * 5 // 4 + 24
    lp.reserve(10000)
    assert lp.usable() >= len(bytes(lp)) + 10000
    lp.fit()
    assert lp.usable() <= len(bytes(lp)) * 5 // 4 + 24
    lp.delete_range(5, 2990)
    lp.check()
    assert lp.usable() <= len(bytes(lp)) * 5 // 4 + 40


def test_safe_to_add_ends_at_one_gigabyte():
    lp = pack([b"abc"])
    assert lp.safe_to_add(2**30 - len(bytes(lp))) and not lp.safe_to_add(2**30 - len(bytes(lp)) + 1)
    assert not lp.safe_to_add(2**64 - 1)


small = st.binary(max_size=3)
values = st.one_of(small, st.binary(max_size=20), st.sampled_from(INT_BORDERS), st.integers(-2**63, 2**63 - 1),
                   st.integers(-5000, 5000).map(lambda v: str(v).encode()), st.sampled_from(NOT_INTS),
                   st.sampled_from(LENGTHS[:13]).map(lambda n: b"L" * n))


class ListpackModel(RuleBasedStateMachine):
    """Every operation on a Python list beside it; bytes are compared after each step."""

    @initialize(start=st.lists(values, max_size=8))
    def begin(self, start):
        self.mem = MemFace()
        self.lp = ListpackFace(mem=self.mem)
        self.lp.batch(start)
        self.model = [stored(v) for v in start]

    @rule(v=values)
    def append(self, v):
        self.lp.append(v)
        self.model.append(stored(v))

    @rule(v=values)
    def prepend(self, v):
        self.lp.prepend(v)
        self.model.insert(0, stored(v))

    @precondition(lambda self: self.model)
    @rule(v=values, where=st.sampled_from((BEFORE, AFTER, REPLACE)), data=st.data())
    def insert(self, v, where, data):
        i = data.draw(st.integers(0, len(self.model) - 1))
        at = self.lp.insert(i, where, v)
        if where == REPLACE:
            self.model[i] = stored(v)
            assert at == i
        else:
            self.model.insert(i + where, stored(v))
            assert at == i + where

    @precondition(lambda self: self.model)
    @rule(v=values, data=st.data())
    def replace(self, v, data):
        i = data.draw(st.integers(-len(self.model), len(self.model) - 1))
        assert self.lp.replace(i, v) == i % len(self.model)
        self.model[i] = stored(v)

    @rule(vs=st.lists(values, max_size=4))
    def batch_append(self, vs):
        self.lp.batch(vs)
        self.model += [stored(v) for v in vs]

    @precondition(lambda self: self.model)
    @rule(vs=st.lists(values, min_size=1, max_size=4), where=st.sampled_from((BEFORE, AFTER)), data=st.data())
    def batch_insert(self, vs, where, data):
        i = data.draw(st.integers(0, len(self.model) - 1))
        assert self.lp.batch(vs, i, where) == i + where
        self.model[i + where:i + where] = [stored(v) for v in vs]

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def delete(self, data):
        i = data.draw(st.integers(0, len(self.model) - 1))
        del self.model[i]
        assert self.lp.delete(i) == (i if i < len(self.model) else None)

    @rule(i=st.integers(-12, 12), n=st.integers(0, 12))
    def delete_range(self, i, n):
        self.lp.delete_range(i, n)
        if -len(self.model) <= i < len(self.model):
            i %= len(self.model)
            del self.model[i:i + n]

    @precondition(lambda self: self.model)
    @rule(n=st.integers(0, 5), data=st.data())
    def delete_range_at(self, n, data):
        i = data.draw(st.integers(0, len(self.model) - 1))
        del self.model[i:i + n]
        assert self.lp.delete_range_at(i, n) == (i if i < len(self.model) else None)

    @rule(vs=st.lists(values, max_size=5), turn=st.booleans())
    def merge(self, vs, turn):
        other = ListpackFace(mem=self.mem)
        other.batch(vs)
        vs = [stored(v) for v in vs]
        if turn:
            other.merge(self.lp)
            self.lp, self.model = other, vs + self.model
        else:
            self.lp.merge(other)
            self.model += vs

    @rule()
    def dup_and_fit(self):
        self.lp = self.lp.dup()
        self.lp.fit()

    @rule(v=values, skip=st.integers(0, 2), start=st.integers(0, 4))
    def find(self, v, skip, start):
        hits = [i for i in range(start, len(self.model), skip + 1) if text(self.model[i]) == text(v)]
        assert self.lp.find(text(v), skip, start) == (hits[0] if hits else None)

    @invariant()
    def same(self):
        if not hasattr(self, "lp"):
            return
        self.lp.check()
        assert bytes(self.lp) == encode(self.model)
        assert len(self.lp) == len(self.model) and self.lp.values() == self.model
        if self.model:
            i = len(self.model) // 2
            assert self.lp.get(i) == self.model[i] == self.lp.get(i - len(self.model))
            assert self.lp.text(i) == text(self.model[i])

    def teardown(self):
        if hasattr(self, "lp"):
            del self.lp
            assert self.mem.blocks == 0 and self.mem.used == 0


TestListpackModel = ListpackModel.TestCase
TestListpackModel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@given(st.lists(values, max_size=30))
@settings(max_examples=100, deadline=None)
def test_a_well_formed_blob_is_accepted_and_counted(vs):
    blob = encode(vs)
    assert validate(blob) == len(vs) and validate(blob, False) == 0
    unknown = blob[:4] + b"\xff\xff" + blob[6:]
    assert validate(unknown) == len(vs) and len(ListpackFace(unknown)) == len(vs)


@pytest.mark.parametrize("blob", [
    "", "07", "060000000000", "070000000000fe", "080000000000ff", "070000000100ff", "080000000000ffff",
    "09000000010001 ff ff",                            # backlen is the end mark
    "09000000010001 02 ff",                            # wrong backlen
    "09000000010080 00 ff",                            # zero backlen
    "0a0000000100 bf 61 02 ff",                        # string beyond the block
    "0a0000000100 f5 61 02 ff",                        # undefined encodings
    "0a0000000100 fe 61 02 ff",
    "090000000100 f4 09 ff",                           # integer beyond the block
    "0c0000000100 f0 ffffffff ff",                     # huge length
    "0c0000000100 f0 faffffff ff",
    "0a0000000100 8161 82 ff",                         # backlen without its first group
    "0b0000000100 8161 0082 ff",                       # backlen longer than it needs to be
    "0a0000000200 816102 ff",                          # count too high
    "0c0000000100 816102 0101 ff",                     # count too low
    "08000000 0100 e0 ff", "08000000 0100 f0 ff",      # header cut off
])
def test_corrupt_blobs_are_refused(blob):
    assert validate(bytes.fromhex(blob)) is None


def test_mutated_blobs_are_refused_or_stay_readable():
    rng = random.Random(7)
    accepted = 0
    seeds = [encode(v) for v, _ in REAL] + [encode([b"x" * n, n, b"y"]) for n in (63, 64, 127, 128, 4096, 16383)]
    for _ in range(6000):
        blob = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(blob))
            what = rng.random()
            if what < 0.6:
                blob[place] = rng.choice((rng.randrange(256), 0xFF, 0xF0, 0x80, 0, blob[place] ^ 1 << rng.randrange(8)))
            elif what < 0.8:
                del blob[place:place + rng.randint(1, 3)]
            else:
                blob[place:place] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 3)))
            if not blob:
                blob = bytearray(b"\xff")
        if rng.random() < 0.8:
            blob[0:4] = len(blob).to_bytes(4, "little")
        blob = bytes(blob)
        n = validate(blob)
        if n is None:
            continue
        accepted += 1
        lp = ListpackFace(blob)
        lp.check()
        for _ in range(3 if n else 0):
            i = rng.randrange(len(lp))
            assert lp.find(lp.text(i)) <= i
            lp.insert(i, rng.randrange(2), rng.choice((b"new", 7)))
            lp.check()
            lp.replace(rng.randrange(len(lp)), rng.choice((b"other", -5000)))
            lp.check()
            lp.delete(rng.randrange(len(lp)))
            lp.check()
        assert len(lp) == n
    assert accepted > 100
