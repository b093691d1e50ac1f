"""The skip list against a sorted Python list: order, ranks, ranges, removal, stable addresses, memory, cost."""
import bisect
import math
import random

import pytest
from redispy_core.structs.skiplist import SkiplistFace

INF = math.inf


def member(rng):
    kind = rng.random()
    if kind < 0.05:
        return b""
    if kind < 0.08:
        return b"L" * rng.choice([2045, 2046, 2047, 2048, 5000]) + bytes([rng.randrange(256)])
    return bytes(rng.choice(b"\x00ab\xff") for _ in range(rng.randrange(1, 7)))


class Pair:
    """The list under test and the model: a sorted list of (score, member), and each member's score."""

    def __init__(self, seed=1):
        self.z = SkiplistFace(seed)
        self.order = []
        self.score = {}

    def insert(self, score, name):
        assert self.z.insert(score, name)
        bisect.insort(self.order, (score, name))
        self.score[name] = score

    def forget(self, items):
        for item in items:
            del self.order[bisect.bisect_left(self.order, item)]
            del self.score[item[1]]

    def same(self):
        self.z.check()
        assert len(self.z) == len(self.order)
        assert self.z.walk(0, False) == self.order
        assert self.z.walk(len(self.order) - 1, True) == self.order[::-1]


def filled(n, seed=3, spread=200):
    rng = random.Random(seed)
    p = Pair()
    while len(p.order) < n:
        name = b"%d" % rng.randrange(n * 10)
        if name not in p.score:
            p.insert(float(rng.randrange(-spread, spread)), name)
    return p


@pytest.mark.parametrize("seed", range(4))
def test_random_operations_agree_with_a_sorted_list(seed):
    rng = random.Random(seed)
    p = Pair(seed)
    for step in range(3000):
        op = rng.random()
        score = rng.choice([float(rng.randrange(-5, 6)), rng.random() * 10 - 5, INF, -INF, 0.0, -0.0])
        if op < 0.5 or not p.order:
            name = member(rng)
            if name not in p.score:
                p.insert(score, name)
        elif op < 0.75:
            old, name = rng.choice(p.order)
            where = p.z.address(old, name)
            before = p.order.index((old, name))
            p.forget([(old, name)])
            bisect.insort(p.order, (score, name))
            p.score[name] = score
            moved, address = p.z.update(old, name, score)
            assert address == where
            assert moved == (p.order.index((score, name)) != before)
        elif op < 0.85:
            item = rng.choice(p.order)
            if rng.random() < 0.5:
                assert p.z.delete(*item)
            else:
                p.z.delete_node(*item)
            p.forget([item])
            assert not p.z.delete(*item)
        elif op < 0.95:
            item = rng.choice(p.order)
            r = p.order.index(item)
            assert p.z.rank(*item) == r
            assert p.z.at(r) == item
            assert p.z.prev(*item) == (p.order[r - 1] if r else None)
            assert item in p.z and (item[0], item[1] + b"!") not in p.z
        else:
            highest = rng.random() < 0.5
            item = p.order[-1 if highest else 0]
            assert p.z.pop(highest) == item
            p.forget([item])
        if step % 37 == 0:
            p.same()
    p.same()


@pytest.mark.parametrize("ascending", [True, False])
def test_sorted_insertion(ascending):
    p = Pair()
    for i in range(2000):
        p.insert(float(i if ascending else -i), b"m%d" % i)
    p.same()
    assert p.z.ends() == (p.order[0], p.order[-1])


def test_score_ranges_and_counts():
    p = filled(800, spread=40)
    rng = random.Random(5)
    edges = [-INF, INF, -40.0, 39.0, -41.0, 40.0, 0.0, 0.5]
    for _ in range(600):
        lo, hi = (rng.choice(edges) if rng.random() < 0.3 else float(rng.randrange(-45, 45)) for _ in "ab")
        lo_ex, hi_ex = rng.random() < 0.5, rng.random() < 0.5
        found = [i for i, (s, _) in enumerate(p.order)
                 if (s > lo if lo_ex else s >= lo) and (s < hi if hi_ex else s <= hi)]
        first, a, last, b, count = p.z.in_score(lo, hi, lo_ex, hi_ex)
        assert count == len(found)
        if found:
            assert (first, a, last, b) == (p.order[found[0]], found[0], p.order[found[-1]], found[-1])
        else:
            assert first is None and last is None


def lex_bound(rng, names):
    name = rng.choice(names) if rng.random() < 0.6 else member(rng)
    return rng.choice([b"-", b"+", b"[" + name, b"(" + name, b"[" + name, b"(" + name])


def in_lex(name, lo, hi):
    low = {b"-": True, b"+": False, b"[": name >= lo[1:], b"(": name > lo[1:]}[lo[:1]]
    high = {b"-": False, b"+": True, b"[": name <= hi[1:], b"(": name < hi[1:]}[hi[:1]]
    return low and high


def test_lex_ranges_counts_and_removal():
    rng = random.Random(6)
    for _ in range(8):
        p = Pair()
        for name in {member(rng) for _ in range(400)}:
            p.insert(0.0, name)
        for _ in range(100):
            names = [name for _, name in p.order]
            lo, hi = lex_bound(rng, names), lex_bound(rng, names)
            found = [i for i, name in enumerate(names) if in_lex(name, lo, hi)]
            first, a, last, b, count = p.z.in_lex(lo, hi)
            assert count == len(found)
            if found:
                assert (first, a, last, b) == (p.order[found[0]], found[0], p.order[found[-1]], found[-1])
            else:
                assert first is None and last is None
        gone = p.z.delete_lex(lo, hi)
        assert gone == [p.order[i] for i in found]
        p.forget(gone)
        p.same()


def test_removal_by_score_and_rank_range():
    rng = random.Random(7)
    for _ in range(30):
        p = filled(rng.choice([1, 2, 30, 300]), seed=rng.random(), spread=30)
        while p.order:
            if rng.random() < 0.5:
                lo = float(rng.randrange(-32, 32))
                hi = lo + rng.randrange(-1, 8)
                gone = p.z.delete_score(lo, hi, True, False)
                assert gone == [e for e in p.order if lo < e[0] <= hi]
            else:
                lo = rng.randrange(-2, len(p.order) + 2)
                hi = lo + rng.randrange(-1, 40)
                gone = p.z.delete_rank(lo, hi)
                assert gone == p.order[max(lo, 0):max(hi + 1, 0)]
            p.forget(gone)
            p.same()
        assert p.z.ends() == (None, None)


def test_ranks_outside_the_list_give_nothing():
    p = filled(10)
    assert p.z.at(-1) is None and p.z.at(10) is None
    assert p.z.delete_rank(10, 20) == [] and p.z.delete_rank(5, 4) == [] and p.z.delete_rank(-5, -1) == []
    assert SkiplistFace().walk(0, True) == []


@pytest.mark.parametrize("start", [0, 1, 3, 4, 5, 12, 13, 59, 60, 61, 499])
def test_reverse_walk_crosses_its_chunks(start):
    p = filled(500)
    assert p.z.walk(start, True) == p.order[start::-1]
    assert p.z.walk(start, True, 2) == p.order[start::-1][:2]


def test_heights_grow_one_level_at_a_time_and_stop_at_the_limit():
    z = SkiplistFace()
    for i in range(40):
        z.insert(float(i), b"%d" % i, 0)          # all bits zero: the greatest height there is
        assert z.levels == min(i + 2, 32)
        z.check()
    for i in range(40):
        assert z.delete(float(i), b"%d" % i)
        z.check()
    assert z.levels == 1 and z.blocks == 2


def test_failed_allocation_changes_nothing():
    p = filled(100)
    p.z.fail_after(0)
    assert p.z.insert(1.0, b"one too many") is None
    p.z.fail_after(-1)
    p.same()


def test_cost_grows_with_the_logarithm():
    z = SkiplistFace(9)
    rng = random.Random(1)
    mean = []
    for n in (1000, 4000, 16000, 64000):
        z.fill(n - len(z), 1 << 40)
        mean.append(sum(z.steps(float(rng.randrange(1 << 40)), b"") for _ in range(500)) / 500)
    # one level more for four times the elements: about 2.5 comparisons more
    assert mean[-1] < 45
    assert mean[-1] - mean[0] < 3 * 5


def test_memory_per_element():
    z = SkiplistFace(2)
    z.fill(20000, 1 << 40)
    z.check()
    assert z.bytes_used == z.mem_used
    assert z.bytes_used / 20000 < 44              # 16-byte members; the dict's slot comes on top
