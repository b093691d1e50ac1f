"""Sets in their three encodings: against a Python set, conversions at the knobs, and chance."""
import random

import pytest

from redispy_core.types.set import SetFace

ADDED, THERE, NO_MEMORY = 1, 0, -1


def of(members, **knobs):
    s = SetFace(**knobs)
    for member in members:
        assert s.add(member) == ADDED
    s.check()
    return s


def ints(n):
    return [b"%d" % i for i in range(n)]


def words(n):
    return [b"w%d" % i for i in range(n)]


MAKE = {"intset": lambda n: of(ints(n), intset_entries=10**6),
        "listpack": lambda n: of([b"7" * (i % 3) + b"w%d" % i for i in range(n)], listpack_entries=10**6),
        "hashtable": lambda n: of(words(n), listpack_entries=0)}


@pytest.fixture(params=MAKE)
def make(request):
    def made(n):
        s = MAKE[request.param](n)
        assert s.encoding == request.param
        return s
    return made


# ---------------------------------------------------------------- conversions

@pytest.mark.parametrize("members,encoding", [
    (ints(5), "intset"), (ints(6), "hashtable"), (words(10), "listpack"), (words(11), "hashtable"),
    (ints(5) + [b"a"], "listpack"), ([b"a"] + ints(9), "listpack"), ([b"a"] + ints(10), "hashtable"),
    ([b"abcdefgh"], "listpack"), ([b"abcdefghi"], "hashtable"), ([b"123456789"], "intset"), ([b"a", b"123456789"], "hashtable"),
    ([b"01"], "listpack"), ([b"-0"], "listpack"), ([b"+1"], "listpack"), ([b""], "listpack"),
])
def test_encoding_follows_the_knobs(members, encoding):
    s = SetFace(intset_entries=5, listpack_entries=10, listpack_value=8)
    for member in members:
        s.add(member)
    s.check()
    assert s.encoding == encoding and set(s) == set(members)


@pytest.mark.parametrize("integer,encoding", [(b"99999999", "listpack"), (b"999999999", "hashtable"),
                                              (b"-9999999", "listpack"), (b"-99999999", "hashtable")])
def test_integers_too_long_for_a_listpack_leave_an_intset_for_a_table(integer, encoding):
    s = of([b"1", integer, b"a"], listpack_value=8)
    assert s.encoding == encoding and sorted(s) == sorted([b"1", integer, b"a"])


def test_removal_never_converts():
    s = of([b"1", b"2", b"a"])
    assert s.remove(b"a") and s.encoding == "listpack"
    s.knob("listpack_entries", 2)
    s.add(b"3")
    assert s.encoding == "hashtable" and sorted(s) == [b"1", b"2", b"3"]


@pytest.mark.parametrize("start,more,encoding", [([b"1"], 5, "intset"), ([b"1"], 6, "hashtable"),
                                                 ([b"a"], 10, "listpack"), ([b"a"], 11, "hashtable")])
def test_many_expected_convert_at_once(start, more, encoding):
    s = of(start, intset_entries=5, listpack_entries=10)
    s.expect(more)
    assert s.encoding == encoding and list(s) == start


@pytest.mark.parametrize("n", [0, 1, 253, 254, 255, 65535, 65536, 10**6])
def test_members_of_any_length(n):
    s = of([b"x" * n, b"y" * n] if n else [b""], listpack_value=0)
    s.check()
    assert b"x" * n in s and b"z" * n not in s or n == 0
    assert s.encoding == ("hashtable" if n else "listpack")
    s.dup()
    s.check()
    assert s.remove(b"x" * n) and len(s) == (1 if n else 0)


def test_no_memory_for_a_member_leaves_the_set_as_it_was():
    s = of(words(20), listpack_entries=0)
    s.fail_after(0)
    assert s.add(b"one more") == NO_MEMORY
    s.fail_after(-1)
    s.check()
    assert set(s) == set(words(20)) and s.add(b"one more") == ADDED


# ---------------------------------------------------------------- against a model

@pytest.mark.parametrize("seed", range(6))
def test_against_a_python_set(seed):
    chance = random.Random(seed)
    s, model = SetFace(seed, intset_entries=8, listpack_entries=16, listpack_value=20), set()
    universe = [[b"%d" % chance.choice([i, -i, i * 2**31, i - 2**63]) for i in range(30)],
                [b"m%d" % i * chance.choice([1, 1, 9, 100]) for i in range(60)]]
    for step in range(1500):
        member = chance.choice(universe[step > 300])
        if chance.random() < 0.55:
            assert s.add(member) == (THERE if member in model else ADDED)
            model.add(member)
        elif chance.random() < 0.9:
            assert s.remove(member) == (member in model)
            model.discard(member)
        elif len(model) > 2:
            count = chance.randrange(len(model))
            popped = s.pop_many(count)
            assert len(popped) == len(set(popped)) == count and model >= set(popped)
            model -= set(popped)
        assert (member in s) == (member in model)
        if step % 10 == 0:
            s.check()
            assert set(s) == model
        if step % 400 == 399:
            s.dup()
        if not len(s):
            s.clear()               # an emptied set is no key any more


def test_everything_is_freed(make):
    s = make(100)
    s.pop_many(30)
    s.pop_many(60)
    s.sample(3), s.pop(), s.dup(), s.remove(s.random())
    s.clear()
    assert s.blocks() == 0


def test_integers_are_found_in_every_encoding(make):
    s = make(20)
    s.add(b"5")
    assert s.has_int(5) and not s.has_int(555555) and b"05" not in s


# ---------------------------------------------------------------- chance

def chi_square(counts, expected):
    return sum((n - expected) ** 2 / expected for n in counts)


def assert_uniform(draws, members):
    """Each of ten members equally often: df = 9, 40 has a probability of 1e-5 (and the seed is fixed)."""
    assert len(members) == 10 and set(draws) <= set(members)
    assert chi_square([draws.count(member) for member in members], len(draws) / 10) < 40


def test_random_is_uniform(make):
    s = make(10)
    assert_uniform([s.random() for _ in range(2000)], list(s))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9])
def test_sample_is_uniform_and_distinct(make, count):
    s = make(10)
    draws = []
    for _ in range(2000 // count):
        sample = s.sample(count)
        assert len(set(sample)) == count
        draws += sample
    assert_uniform(draws, list(s))
    assert sorted(s.sample(10)) == sorted(s) and s.sample(0) == []


@pytest.mark.parametrize("count", [1, 4, 8])
def test_taking_out_is_uniform(make, count):
    draws, members = [], list(make(10))
    s = make(10)
    for _ in range(1000 // count):
        popped = s.pop_many(count) if count > 1 else [s.pop()]
        assert len(set(popped)) == count and len(s) == 10 - count and not set(popped) & set(s)
        draws += popped
        for member in popped:
            assert s.add(member) == ADDED
    assert_uniform(draws, members)


def test_a_sample_of_a_large_table_is_quick_and_distinct():
    s = MAKE["hashtable"](5000)
    for count in (1, 10, 1600, 1700, 4999):
        sample = s.sample(count)
        assert len(set(sample)) == count and all(member in s for member in sample)


@pytest.mark.parametrize("count", [1, 2000, 4000, 4999])
def test_popping_many_of_a_large_set(make, count):
    s = make(5000)
    before = set(s)
    popped = s.pop_many(count)
    s.check()
    assert set(popped) | set(s) == before and len(popped) == count and len(s) == 5000 - count
