"""types/hash: encodings, field expiries and conversions, against a model."""
import random

import pytest

from redispy_core.types.hash import HashFace

# Each makes hashes of another encoding out of the same steps: (entries, value).
LIMITS = {"small": (1000, 100), "converts": (12, 100), "table": (0, 0)}


@pytest.fixture(params=LIMITS.values(), ids=LIMITS.keys())
def h(request):
    face = HashFace(*request.param)
    yield face
    assert face.free() == 0


def matches(h, model):
    h.check()
    assert {f: (v, w) for f, v, w in h.items()} == model


def text(rng):
    """Field or value: integers of every width, short and long text."""
    kind = rng.randrange(5)
    if kind == 0:
        return str(rng.choice([0, -1, 127, 4095, -4096, 70000, 2**31, -2**63, 2**63 - 1])).encode()
    if kind == 1:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(4)))
    return b"x" * rng.choice([1, 8, 40, 60, 63])


@pytest.mark.parametrize("seed", range(6))
def test_model(h, seed):
    rng = random.Random(seed)
    model, now = {}, 1000
    fields = [b"f%d" % i for i in range(10)] + [b"%d" % i for i in range(-5, 10)] + [b"", b"y" * 60]
    for step in range(300):
        field, action = rng.choice(fields), rng.randrange(10)
        if action < 4:
            when = rng.choice([0, 0, 0, now + rng.randrange(40)])
            value = text(rng)
            assert h.set(field, value, when) == (field not in model)
            model[field] = value, when
        elif action == 4:
            value = text(rng)
            h.set(field, value, -1)
            model[field] = value, model.get(field, (None, 0))[1]
        elif action < 7:
            when = rng.choice([0, now + rng.randrange(40)])
            assert h.expire(field, when) == (field in model)
            if field in model:
                model[field] = model[field][0], when
        elif action == 7:
            assert h.delete(field) == (model.pop(field, None) is not None)
        elif action == 8:
            now += rng.randrange(5)
            gone = h.remove_due(now, rng.choice([1, 3, 100]))
            assert all(0 < model.pop(f)[1] < now for f in gone)
        else:
            assert h.get(field) == model.get(field)
        matches(h, model)


def test_due_fields_leave_earliest_first(h):
    for i, when in enumerate([50, 10, 0, 40, 20, 30]):
        h.set(b"f%d" % i, b"v", when)
    assert h.next_ms == 10
    assert h.remove_due(20) == [b"f1"]          # a field lives through the millisecond it ends with
    assert h.remove_due(1000, 2) == [b"f4", b"f5"]
    assert h.remove_due(1000) == [b"f3", b"f0"]
    assert h.remove_due(1000) == [] and h.next_ms == 0
    assert [f for f, _, _ in h.items()] == [b"f2"]


def test_listpack_keeps_the_order_of_setting():
    h = HashFace(10)
    for f in b"c", b"a", b"b":
        h.set(f, b"1")
    h.set(b"a", b"2")
    assert [f for f, _, _ in h.items()] == [b"c", b"a", b"b"]
    assert h.encoding == "listpack"


def test_listpackex_is_sorted_by_time_newest_of_equal_first():
    h = HashFace(10)
    for f in b"abcd":
        h.set(bytes([f]), b"1")
    for f in b"c", b"d", b"a", b"c":
        h.expire(f, 500)
    assert [f for f, _, _ in h.items()] == [b"c", b"a", b"d", b"b"]
    h.expire(b"c", 501)
    h.expire(b"d", 0)
    assert [f for f, _, _ in h.items()] == [b"a", b"c", b"b", b"d"]
    h.set(b"a", b"2")
    assert [f for f, _, _ in h.items()] == [b"c", b"b", b"d", b"a"]
    assert h.encoding == "listpackex"
    h.check()


@pytest.mark.parametrize("ex", [False, True])
def test_conversion_limits(ex):
    h = HashFace(4, 8)
    for i in range(4):
        h.set(b"f%d" % i, b"v" * 8, 77 if ex and i == 2 else 0)
    assert h.encoding == ("listpackex" if ex else "listpack")
    h.set(b"f4", b"v")
    assert h.encoding == "hashtable" and h.get(b"f2") == (b"v" * 8, 77 if ex else 0)
    h.check()
    for field, value in (b"f" * 9, b"v"), (b"f", b"v" * 9):
        h = HashFace(4, 8)
        h.set(b"0", b"1", 5 if ex else 0)
        h.set(field, value)
        assert h.encoding == "hashtable" and len(h) == 2
        h.check()


@pytest.mark.parametrize("field_size", [0, 255, 256, 65536])
def test_block_lengths(field_size):
    h = HashFace(0, 0)
    field = b"f" * field_size
    for value_size in (0, 255, 256, 254, 65535, 65536, 70000, 3):
        for when in (0, 9, 8, -1, 0):
            h.set(field, b"v" * value_size, when)
            assert h.get(field) == (b"v" * value_size, {-1: 8}.get(when, when))
            h.check()
    assert h.delete(field) and len(h) == 0


def test_a_value_that_changes_little_takes_no_more_memory():
    h = HashFace(0, 0)
    h.set(b"field", b"12345")
    before = h.bytes_used
    for value in b"123456", b"1234", b"54321":
        h.set(b"field", value)
        assert h.get(b"field") == (value, 0) and abs(h.bytes_used - before) <= 1     # 1: allocators that count bytes


def test_copy_is_independent(h):
    for i in range(8):
        h.set(b"f%d" % i, b"v%d" % i, 100 + i if i % 2 else 0)
    copy = h.copy()
    h.delete(b"f1")
    h.set(b"f2", b"other")
    copy.check()
    assert copy.get(b"f1") == (b"v1", 101) and copy.get(b"f2") == (b"v2", 0) and len(copy) == 8
    assert copy.remove_due(104) == [b"f1", b"f3"]
    assert copy.free() == 0


def test_random_reaches_every_field(h):
    for i in range(10):
        h.set(b"%d" % i, b"v%d" % i)
    seen = {h.random() for _ in range(300)}
    assert seen == {(b"%d" % i, b"v%d" % i, 0) for i in range(10)}


def test_no_memory_leaves_the_hash_as_it_is():
    h = HashFace(0, 0)
    h.set(b"f", b"v" * 100, 7)
    h.fail_after(0)
    for field in b"f", b"g":
        with pytest.raises(MemoryError):
            h.set(field, b"w" * 1000)
    h.fail_after(-1)
    assert h.items() == [(b"f", b"v" * 100, 7)]
    h.check()
    assert h.free() == 0


def test_many_fields_with_times():
    h = HashFace(0, 0)
    for i in range(3000):
        h.set(b"field:%d" % i, b"value", 1 + i * 7919 % 3000)
    h.check()
    gone = h.remove_due(1500)
    assert len(gone) == 1499
    h.check()
    for i in range(3000):
        h.delete(b"field:%d" % i)
    assert len(h) == 0
    h.check()
    assert h.free() == 0
