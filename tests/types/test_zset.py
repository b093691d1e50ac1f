"""Sorted sets in both encodings against a model (a Python dict, sorted), their conversions, and listpack bytes."""
import math
import random

import pytest

from redispy_core.types.zset import ZsetFace

INCR, NX, XX, GT, LT = 1, 2, 4, 8, 16
REFUSED, SAME, ADDED, UPDATED, NAN = range(5)
SCORES = [float(score) for score in (0.0, -0.0, 1, -1, 0.1, 2.5, 3e-5, 1e17, 1e21, -1e300, math.inf, -math.inf, 2**52, 2**53, 123456789012345680,
                                  127, 128, 4095)]
MEMBERS = [b"", b"a", b"b", b"ab", b"1", b"01", b"-1", b"10", b"9", b"9223372036854775807", b"x" * 64, b"\x00", b"\xff\xfe"]


class Model(dict):
    def items_sorted(self):
        return sorted(self.items(), key=lambda pair: (pair[1], pair[0]))

    def add(self, member, score, flags):
        old = self.get(member)
        if old is None:
            if flags & XX:
                return REFUSED, None
            self[member] = score
            return ADDED, score
        if flags & NX:
            return REFUSED, old
        new = old + score if flags & INCR else score
        if math.isnan(new):
            return NAN, old
        if flags & GT and new <= old or flags & LT and new >= old:
            return REFUSED, old
        if new == old:
            return SAME, old
        self[member] = new
        return UPDATED, new


def in_lex(member, lo, hi):
    above = {b"-": True, b"+": False, b"[": member >= lo[1:], b"(": member > lo[1:]}[lo[:1]]
    below = {b"-": False, b"+": True, b"[": member <= hi[1:], b"(": member < hi[1:]}[hi[:1]]
    return above and below


def filled(count, encoding, seed=1, one_score=False):
    chance = random.Random(seed)
    z = ZsetFace(entries=10_000 if encoding == "listpack" else 0, value=100)
    model = Model()
    members = set(MEMBERS) | {b"m%d" % i for i in range(count)}
    for member in chance.sample(sorted(members), len(members)):
        score = 0 if one_score else chance.choice(SCORES + [chance.randrange(20)])
        z.add(member, score)
        model[member] = score
    assert z.encoding == encoding
    return z, model.items_sorted(), model


both = pytest.mark.parametrize("encoding", ["listpack", "skiplist"])


@pytest.mark.parametrize("entries,value", [(8, 64), (40, 64), (40, 3), (0, 64)])
def test_changes_against_the_model(entries, value):
    chance = random.Random(entries * 100 + value)
    z, model = ZsetFace(entries=entries, value=value), Model()
    members = MEMBERS + [b"m%d" % i for i in range(30)]
    for step in range(3000):
        member, score = chance.choice(members), chance.choice(SCORES)
        action = chance.randrange(10)
        if action < 6:
            flags = chance.choice([0, 0, 0, INCR, NX, XX, GT, LT, INCR | XX, INCR | GT, INCR | LT, XX | GT])
            result, now = z.add(member, score, flags)
            expected, after = model.add(member, score, flags)
            assert result == expected
            if result in (SAME, ADDED, UPDATED):
                assert now == after
        elif action < 9:
            assert z.remove(member) == (model.pop(member, None) is not None)
        elif chance.random() < 0.1 and len(model) > 4:
            pairs = model.items_sorted()
            first = chance.randrange(len(pairs))
            last = min(first + chance.randrange(5), len(pairs) - 1)
            assert z.remove_rank(first, last) == last - first + 1
            for gone, _ in pairs[first:last + 1]:
                del model[gone]
        assert z.score(member) == model.get(member)
        if step % 50 == 0:
            z.check()
            assert z.walk() == model.items_sorted()
    z.check()
    if step % 2:
        z.dup()
        z.check()
        assert z.walk() == model.items_sorted()


@both
def test_ranks(encoding):
    z, pairs, model = filled(60, encoding)
    n = len(pairs)
    for rank, (member, score) in enumerate(pairs):
        assert z.rank(member) == (rank, score)
        assert z.rank(member, reverse=True) == (n - 1 - rank, score)
        assert z.at(rank) == (member, score)
    assert z.rank(b"nobody") is None and z.at(-1) is None and z.at(n) is None
    assert {z.random() for _ in range(50)} <= set(pairs)


@both
def test_walks_by_rank(encoding):
    z, pairs, _ = filled(60, encoding)
    for skip in (0, 1, 35, len(pairs) - 1, len(pairs), 1000):
        for limit in (-1, 0, 1, 40, 1000):
            end = None if limit < 0 else skip + limit
            assert z.walk(skip, limit) == pairs[skip:end]
            assert z.walk(skip, limit, reverse=True) == pairs[::-1][skip:end]
    assert z.walk(-1) == []


@both
def test_ranges_by_score(encoding):
    z, pairs, _ = filled(60, encoding)
    chance = random.Random(3)
    for _ in range(300):
        lo, hi = chance.choice(SCORES), chance.choice(SCORES)
        lo_ex, hi_ex = chance.random() < 0.5, chance.random() < 0.5
        skip, limit = chance.choice([0, 0, 1, 5, 100]), chance.choice([-1, -1, 0, 3])
        inside = [p for p in pairs if (p[1] > lo if lo_ex else p[1] >= lo) and (p[1] < hi if hi_ex else p[1] <= hi)]
        end = None if limit < 0 else skip + limit
        assert z.by_score(lo, hi, lo_ex, hi_ex, skip, limit) == inside[skip:end]
        assert z.by_score(lo, hi, lo_ex, hi_ex, skip, limit, reverse=True) == inside[::-1][skip:end]
        assert z.count_score(lo, hi, lo_ex, hi_ex) == len(inside)


@both
def test_ranges_by_member(encoding):
    z, pairs, _ = filled(60, encoding, one_score=True)
    chance = random.Random(4)
    bounds = [b"-", b"+", b"[", b"("] + [kind + member for kind in (b"[", b"(") for member in MEMBERS + [b"m3", b"m5"]]
    for _ in range(300):
        lo, hi = chance.choice(bounds), chance.choice(bounds)
        skip, limit = chance.choice([0, 0, 1, 5, 100]), chance.choice([-1, -1, 0, 3])
        inside = [p for p in pairs if in_lex(p[0], lo, hi)]
        end = None if limit < 0 else skip + limit
        assert z.by_lex(lo, hi, skip, limit) == inside[skip:end]
        assert z.by_lex(lo, hi, skip, limit, reverse=True) == inside[::-1][skip:end]
        assert z.count_lex(lo, hi) == len(inside)


@both
def test_removal_of_ranges(encoding):
    z, pairs, _ = filled(60, encoding)
    gone = [p for p in pairs if 1 <= p[1] < 4095]
    assert z.remove_score(1, 4095, False, True) == len(gone)
    pairs = [p for p in pairs if p not in gone]
    z.check()
    assert z.walk() == pairs
    assert z.remove_rank(2, 5) == 4
    del pairs[2:6]
    assert z.walk() == pairs
    assert z.remove_score(5e15, 6e15) == 0
    z.check()
    z, pairs, _ = filled(60, encoding, one_score=True)
    assert z.remove_lex(b"(a", b"[m3") == sum(in_lex(p[0], b"(a", b"[m3") for p in pairs)
    assert z.walk() == [p for p in pairs if not in_lex(p[0], b"(a", b"[m3")]
    z.check()


def test_a_listpack_becomes_a_skiplist_at_the_knobs_and_does_not_go_back():
    z = ZsetFace(entries=4, value=5)
    for i in range(4):
        z.add(b"m%d" % i, i)
        assert z.encoding == "listpack"
    z.add(b"m0", 7)
    assert z.encoding == "listpack"
    z.add(b"more", 1, XX)
    assert z.encoding == "listpack"
    z.add(b"m4", 1)
    assert z.encoding == "skiplist"
    z.remove(b"m4")
    assert z.encoding == "skiplist"
    z.check()
    z.try_listpack()
    assert z.encoding == "listpack" and z.walk() == [(b"m1", 1), (b"m2", 2), (b"m3", 3), (b"m0", 7)]
    z.check()
    z.remove(b"m0")
    z.add(b"123456", 1)
    assert z.encoding == "skiplist"
    z.try_listpack()
    assert z.encoding == "skiplist"


def test_listpack_bytes():
    """Scores are integers where they are ones, else text; so are members."""
    z = ZsetFace()
    for member, score in [(b"b", 2), (b"a", 1.5), (b"7", -1), (b"c", math.inf), (b"d", 1e17)]:
        z.add(member, score)
    body = (b"\x07\x01" + b"\xdf\xff\x02"                                   # 7 -1
            + b"\x81a\x02" + b"\x831.5\x04" + b"\x81b\x02" + b"\x02\x01"    # a 1.5 b 2
            + b"\x81d\x02" + b"\xf4" + (10**17).to_bytes(8, "little") + b"\x09" + b"\x81c\x02" + b"\x83inf\x04")
    assert z.listpack == (len(body) + 7).to_bytes(4, "little") + b"\x0a\x00" + body + b"\xff"


def test_memory_of_big_sets_an_element():
    z = ZsetFace(entries=0)
    for i in range(10_000):
        z.add(b"member:%09d" % i, i * 7919 % 10_000)
    assert z.memory / 10_000 < 65           # node, its share of the links, and of the dict
    z.check()
