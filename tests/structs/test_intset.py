"""Intset against a sorted Python list, against bytes that real servers wrote, and against corrupt blobs."""
import bisect

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from redispy_core.base.mem import MemFace
from redispy_core.structs.intset import IntsetFace, validate

BORDERS = sorted({s * v + d for v in (0, 1, 2**15 - 1, 2**15, 2**31 - 1, 2**31, 2**63 - 1) for s in (1, -1)
                  for d in (-1, 0, 1) if -2**63 <= s * v + d < 2**63} | {-2**63})


def width_of(v):
    return next(w for w in (2, 4, 8) if -(1 << 8 * w - 1) <= v < 1 << 8 * w - 1)


def encode(values, width):
    return (width.to_bytes(4, "little") + len(values).to_bytes(4, "little")
            + b"".join(v.to_bytes(width, "little", signed=True) for v in values))


@pytest.mark.parametrize("values,blob", [
    ([1, 2, 300], "0200000003000000 0100 0200 2c01"),
    ([1, 70000, -5], "0400000003000000 fbffffff 01000000 70110100"),
    ([5000000000, 1], "0800000002000000 0100000000000000 00f2052a01000000"),
])
def test_bytes_equal_those_of_a_real_server(values, blob):
    s = IntsetFace()
    for v in values:
        assert s.add(v)
    s.check()
    assert bytes(s) == bytes.fromhex(blob)
    assert IntsetFace(bytes.fromhex(blob)).values() == sorted(values)


@pytest.mark.parametrize("v", BORDERS)
def test_a_wider_value_widens_all(v):
    s = IntsetFace()
    for x in (5, -7, v):
        s.add(x)
        s.check()
    assert s.values() == sorted({5, -7, v}) and s.width() == width_of(v)
    assert s.remove(v) and not s.remove(v) and v not in s
    assert s.width() == width_of(v)


def test_a_value_too_wide_is_never_a_member():
    s = IntsetFace()
    s.add(0x0001)
    assert 0x10001 not in s and 2**32 + 1 not in s and not s.remove(0x10001)


def test_random_covers_every_member():
    s = IntsetFace()
    for v in range(10):
        s.add(v)
    assert {s.random(i * 2**64 // 100) for i in range(100)} == set(range(10))
    assert s.random(2**64 - 1) == 9 and s.random(0) == 0


@pytest.mark.parametrize("blob", [
    "", "02000000", "02000000000000", "0200000001000000", "020000000100000001", "02000000010000000100 00",
    "0300000000000000", "0000000000000000", "0400000001000000 0100", "0200000002000000 0100 0100",
    "0200000002000000 0200 0100", "08000000ffffffff", "0800000001000020 0100000000000000",
])
def test_corrupt_blobs_are_refused(blob):
    assert not validate(bytes.fromhex(blob))


def test_a_shallow_look_leaves_the_order_alone():
    assert validate(bytes.fromhex("0200000002000000 0200 0100"), False)
    assert not validate(bytes.fromhex("0200000002000000 0200"), False)


numbers = st.one_of(st.integers(-20, 20), st.integers(-70000, 70000), st.sampled_from(BORDERS))


class IntsetModel(RuleBasedStateMachine):
    """Every operation on a sorted Python list beside it; bytes are compared after each step."""

    @initialize()
    def begin(self):
        self.mem = MemFace()
        self.s = IntsetFace(mem=self.mem)
        self.model = []
        self.width = 2

    @rule(v=numbers)
    def add(self, v):
        assert self.s.add(v) == (v not in self.model)
        if v not in self.model:
            bisect.insort(self.model, v)
            self.width = max(self.width, width_of(v))

    @rule(start=st.integers(-300, 300), n=st.integers(1, 60))
    def add_run(self, start, n):
        for v in range(start, start + n):
            self.add(v)

    @rule(v=numbers)
    def remove_any(self, v):
        assert self.s.remove(v) == (v in self.model)
        if v in self.model:
            self.model.remove(v)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove_at(self, data):
        i = data.draw(st.integers(0, len(self.model) - 1))
        n = data.draw(st.integers(0, len(self.model) - i))
        self.s.remove_at(i, n)
        del self.model[i:i + n]

    @rule(v=numbers)
    def find(self, v):
        there = v in self.model
        assert (v in self.s) == there
        assert self.s.seek(v) == (there, bisect.bisect_left(self.model, v))

    @rule()
    def dup(self):
        self.s = self.s.dup()

    @invariant()
    def same(self):
        if not hasattr(self, "s"):
            return
        self.s.check()
        assert bytes(self.s) == encode(self.model, self.width) and len(self.s) == len(self.model)
        assert self.s.values() == self.model
        assert self.s.usable() <= len(bytes(self.s)) * 5 // 4 + 40
        if self.model:
            assert self.s.min() == self.model[0] and self.s.max() == self.model[-1]

    def teardown(self):
        if hasattr(self, "s"):
            del self.s
            assert self.mem.blocks == 0 and self.mem.used == 0


TestIntsetModel = IntsetModel.TestCase
TestIntsetModel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
