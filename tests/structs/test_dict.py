"""The dict against a Python set: every step checked, rehash in flight, SCAN's guarantee under change."""
import random

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from redispy_core.structs.dict import DictFace

KEYS = st.integers(0, 400).map(lambda i: b"k%d" % i)


class DictMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.d, self.model = DictFace(), set()

    @rule(keys=st.lists(KEYS, max_size=60))
    def add(self, keys):
        for k in keys:
            assert self.d.add(k) == (k not in self.model)
            self.model.add(k)

    @rule(keys=st.lists(KEYS, max_size=60))
    def discard(self, keys):
        for k in keys:
            assert self.d.discard(k) == (k in self.model)
            self.model.discard(k)

    @rule(k=KEYS)
    def holds(self, k):
        assert k not in self.model or self.d.holds(k)

    @rule(n=st.integers(1, 20))
    def rehash(self, n):
        self.d.rehash(n)

    @rule(policy=st.sampled_from([0, 0, 1, 2]))
    def policy(self, policy):
        self.d.set_policy(policy)

    @rule(k=KEYS)
    def move_entry(self, k):
        if k in self.model:
            self.d.move_entry(k)

    @rule()
    def clear(self):
        self.d.clear()
        self.model.clear()
        assert self.d.memory.blocks == 0 and self.d.memory.used == 0

    @rule()
    def full_scan(self):
        cursor, seen = self.d.scan(0)
        while cursor:
            cursor, more = self.d.scan(cursor)
            seen += more
        assert set(seen) == self.model

    @invariant()
    def same(self):
        self.d.check()
        assert len(self.d) == len(self.model)
        assert set(self.d) == self.model


TestDictMachine = DictMachine.TestCase
TestDictMachine.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)


def filled(n, seed=1):
    d = DictFace(seed)
    for i in range(n):
        d.add(b"key:%d" % i)
    return d


@pytest.mark.parametrize("n", [10, 1000, 200_000])
def test_growth_keeps_all_keys_and_little_memory(n):
    d = filled(n)
    d.check()
    assert set(d) == {b"key:%d" % i for i in range(n)}
    if n >= 1000:
        d.rehash(1 << 30)
        assert d.bytes / n < 12.5


def test_shrinks_after_deletion():
    d = filled(20_000)
    for i in range(19_990):
        assert d.discard(b"key:%d" % i)
    d.rehash(1 << 30)
    d.shrink()                            # what cron does
    d.rehash(1 << 30)
    d.check()
    assert sum(d.buckets) < 10


@pytest.mark.parametrize("seed", range(4))
def test_scan_returns_every_key_that_stays_while_the_table_grows_and_shrinks(seed):
    rnd = random.Random(seed)
    d = filled(3000, seed + 1)
    stay = {b"key:%d" % i for i in range(3000)}
    extra = []
    cursor, seen = d.scan(0)
    while cursor:
        for _ in range(rnd.randrange(40)):
            if rnd.random() < (0.8 if seed % 2 else 0.3) or not extra:
                extra.append(b"x%d" % rnd.randrange(10**9))
                d.add(extra[-1])
            else:
                d.discard(extra.pop(rnd.randrange(len(extra))))
        if seed == 3:                     # shrink under the cursor
            for k in list(d)[:40]:
                if k in seen:
                    d.discard(k)
                    stay.discard(k)
        cursor, more = d.scan(cursor)
        seen += more
    d.check()
    assert stay <= set(seen)


def test_cursor_fits_48_bits():
    d = filled(5000)
    cursor, _ = d.scan(0)
    while cursor:
        assert 0 < cursor < 1 << 48
        cursor, _ = d.scan(cursor)


@pytest.mark.parametrize("n", [1, 5, 30, 500])
def test_random_is_uniform(n):
    d = filled(n)
    draws = 400 * n if n < 100 else 100 * n
    counts = {}
    for _ in range(draws):
        k = d.random()
        counts[k] = counts.get(k, 0) + 1
    expected = draws / n
    chi2 = sum((counts.get(b"key:%d" % i, 0) - expected) ** 2 / expected for i in range(n))
    assert chi2 < n + 5 * (2 * n) ** 0.5 + 5


def test_random_of_a_nearly_empty_table_ends():
    d = filled(10_000)
    d.set_policy(2)
    for i in range(9_999):
        d.discard(b"key:%d" % i)
    assert d.random() == b"key:9999"
    assert d.sample(5) == [b"key:9999"]


def test_nothing_leaks():
    d = filled(50_000)
    for i in range(0, 50_000, 2):
        d.discard(b"key:%d" % i)
    d.clear()
    assert d.memory.blocks == 0 and d.memory.used == 0


@pytest.mark.parametrize("rehash", [0, 100])
def test_clearing_in_slices_frees_all(rehash):
    d = filled(20_000)
    for i in range(19_000):
        d.discard(b"key:%d" % i)
    d.rehash(rehash)
    assert d.clear_in_slices(50) > 3
    assert len(d) == 0 and d.memory.blocks == 0 and d.memory.used == 0
    d.add(b"again")
    d.check()
