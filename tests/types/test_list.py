"""Lists against Python's list: every encoding, every conversion, with thresholds that few elements cross."""
import random

import pytest

from redispy_core.types.list import ListFace

HEAD, TAIL = 0, 1
VALUES = [b"", b"a", b"bb", b"7", b"-12", b"70000", b"9223372036854775807", b"x" * 40, b"y" * 300, b"z" * 5000, b"007"]


class Model:
    """The same operations on a Python list."""

    def __init__(self):
        self.items = []

    def push(self, where, v):
        self.items.insert(0 if where == HEAD else len(self.items), v)

    def pop(self, where):
        return self.items.pop(0 if where == HEAD else -1) if self.items else None

    def rotate(self, source, target):
        if self.items:
            self.push(target, self.pop(source))

    def remove(self, v, count, direction):
        gone = 0
        order = range(len(self.items)) if direction > 0 else range(len(self.items) - 1, -1, -1)
        kept = set()
        for i in order:
            if self.items[i] == v and gone < count:
                kept.add(i)
                gone += 1
        self.items = [item for i, item in enumerate(self.items) if i not in kept]
        return gone

    def delete_range(self, start, count):
        start = start if start >= 0 else start + len(self.items)
        if not 0 <= start < len(self.items):
            return 0
        gone = len(self.items[start:start + count])
        del self.items[start:start + count]
        return gone


def step(rng, face, model):
    n = len(model.items)
    v = rng.choice(VALUES)
    where = rng.choice((HEAD, TAIL))
    what = rng.randrange(10 if n < 30 else 14)
    if what < 5 or n == 0:
        face.push(where, v)
        model.push(where, v)
    elif what == 5:
        at, after = rng.randrange(n), rng.random() < 0.5
        face.insert(at, after, v)
        model.items.insert(at + after, v)
    elif what == 6:
        at = rng.randrange(-n, n)
        face.replace(at, v)
        model.items[at] = v
    elif what == 7:
        direction, count = rng.choice((1, -1)), rng.randrange(1, 4)
        assert face.remove(v, count, direction) == model.remove(v, count, direction)
    elif what == 8:
        start, count = rng.randrange(-n - 1, n + 1), rng.randrange(0, 6)
        assert face.delete_range(start, count) == model.delete_range(start, count)
    elif what == 9:
        other = rng.choice((HEAD, TAIL))
        face.rotate(where, other)
        model.rotate(where, other)
    else:
        assert face.pop(where) == model.pop(where)


def compare(rng, face, model):
    face.check()
    assert len(face) == len(model.items)
    assert face.walk() == model.items
    assert face.walk(-1, -1) == model.items[::-1]
    if model.items:
        at = rng.randrange(len(model.items))
        v = rng.choice(VALUES)
        assert face.walk(at) == model.items[at:]
        assert face.find(v) == (model.items.index(v) if v in model.items else None)
        behind = [i for i in range(len(model.items)) if model.items[i] == v]
        assert face.find(v, -1, -1) == (behind[-1] if behind else None)


@pytest.mark.parametrize("fill", [-5, -1, 1, 3, 8])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_follows_a_python_list(fill, depth):
    rng = random.Random(fill * 100 + depth)
    face, model = ListFace(fill, depth), Model()
    for _ in range(400):
        step(rng, face, model)
        compare(rng, face, model)
    assert face.dup() == model.items
    while model.items:
        assert face.pop(TAIL) == model.pop(TAIL)
    assert face.encoding == "listpack" or fill == 1
    assert face.pop(HEAD) is None


@pytest.mark.parametrize("fill", [-2, 4])
def test_follows_changed_settings(fill):
    rng = random.Random(5)
    face, model = ListFace(fill, 0), Model()
    for turn in range(300):
        if turn % 30 == 0:
            face.set_knobs(rng.choice((-1, -2, -5, 1, 2, 10)), rng.randrange(3))
        step(rng, face, model)
        compare(rng, face, model)


def filled(fill, *values):
    face = ListFace(fill)
    for v in values:
        face.push(TAIL, v)
    return face


def test_a_listpack_holds_as_many_elements_as_the_setting_says():
    face = filled(3, b"a", b"b", b"c")
    assert face.encoding == "listpack"
    face.push(HEAD, b"d")
    assert face.encoding == "quicklist"


@pytest.mark.parametrize("fill,limit", [(-1, 4096), (-2, 8192), (-3, 16384), (-4, 32768), (-5, 65536), (-9, 65536)])
def test_a_listpack_holds_as_many_bytes_as_the_setting_says(fill, limit):
    assert filled(fill, b"x" * (limit - 7)).encoding == "listpack"
    assert filled(fill, b"x" * (limit - 6)).encoding == "quicklist"


def test_counted_listpacks_end_at_8_kb_too():
    assert filled(100, b"x" * 8185).encoding == "listpack"
    assert filled(100, b"x" * 8186).encoding == "quicklist"


def test_zero_counts_as_one():
    face = filled(0, b"a")
    assert face.encoding == "listpack"
    face.push(TAIL, b"b")
    assert face.encoding == "quicklist"


def test_a_quicklist_turns_back_at_half_the_limit():
    face = filled(4, *[b"%d" % i for i in range(5)])
    seen = []
    while len(face):
        face.pop(TAIL)
        seen.append((len(face), face.encoding))
    assert seen == [(4, "quicklist"), (3, "quicklist"), (2, "listpack"), (1, "listpack"), (0, "listpack")]


def test_a_replacement_turns_a_short_quicklist_back():
    face = filled(-1, b"x" * 5000)
    assert face.encoding == "quicklist"
    face.replace(0, b"c")
    assert face.encoding == "listpack"
    assert face.walk() == [b"c"]


def test_an_insertion_converts_first():
    face = filled(3, b"a", b"b", b"c")
    face.insert(1, True, b"d")
    assert (face.encoding, face.walk()) == ("quicklist", [b"a", b"b", b"d", b"c"])


def test_find_stops_after_so_many_looks():
    for face in (filled(-2, b"a", b"b", b"q"), filled(1, *[b"%c" % c for c in b"abcdefq"])):
        n = len(face)
        assert face.find(b"q", 0, 1, n - 1) is None
        assert face.find(b"q", 0, 1, n) == n - 1
        assert face.find(b"q", -1, -1, 1) == n - 1


def test_memory_is_given_back():
    face = ListFace(-1)
    blocks, before = face.mem.blocks, face.mem.used
    for i in range(2000):
        face.push(TAIL, b"value %d" % i)
    assert face.memory() > 20_000
    while len(face):
        face.pop(HEAD)
    assert face.mem.blocks == blocks and face.mem.used <= before + 64


@pytest.mark.parametrize("fill", [-2, 2])
def test_rotation_of_every_kind_of_element(fill):
    for v in VALUES:
        face = filled(fill, v, b"m", b"n")
        face.rotate(HEAD, TAIL)
        assert face.walk() == [b"m", b"n", v]
        face.rotate(TAIL, HEAD)
        assert face.walk() == [v, b"m", b"n"]
        face.rotate(TAIL, TAIL)
        face.check()
        assert face.walk() == [v, b"m", b"n"]
