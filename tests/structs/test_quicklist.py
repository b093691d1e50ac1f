"""Quicklist against a Python list, for all kinds of fill, compression and plain nodes, and against real payloads."""
import random

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from redispy_core.base.mem import MemFace
from redispy_core.structs.quicklist import QuicklistFace
from redispy_core.structs.listpack import ListpackFace

HEAD, TAIL, BEFORE, AFTER, PLAIN, PACKED = 0, 1, 0, 1, 1, 2
INT_BORDERS = sorted({s * v + d for v in (0, 127, 4095, 32767, 8388607, 2**31 - 1, 2**63 - 1) for s in (1, -1)
                      for d in (-1, 0, 1, 2) if -2**63 <= s * v + d < 2**63} | {-2**63})
LENGTHS = (0, 63, 64, 4095, 4096, 8184, 8192, 8193, 65536)


def stored(v):
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


def texts(values):
    return [text(v) for v in values]


def fill_with(values, where=TAIL, **options):
    q = QuicklistFace(**options)
    for v in values:
        q.push(where, v)
    q.check()
    return q


# --- nodes break where they do in a real server: (bytes of an element, fill, elements and bytes of a full node)
@pytest.mark.parametrize("size,fill,count,total", [
    (1, -2, 2726, 8185), (5, -2, 1168, 8183), (10, -2, 681, 8179), (50, -2, 157, 8171), (63, -2, 125, 8132),
    (64, -2, 122, 8181), (100, -2, 79, 8144), (127, -2, 62, 8129), (128, -2, 61, 8059), (1000, -2, 8, 8039),
    (4000, -2, 2, 8015), (4096, -2, 1, 4110), (8192, -2, 1, 8206), (10, -1, 340, 4087), (10, -5, 5460, 65527),
    (10, 3, 3, 43), (10, 100, 100, 1207), (10, 5000, 681, 8179),
])
@pytest.mark.parametrize("where", [HEAD, TAIL])
def test_nodes_fill_up_as_in_a_real_server(size, fill, count, total, where):
    q = fill_with([b"x" * size] * (count * 2 + 1), where, fill=fill)
    nodes = [n[:3] for n in q.nodes()]
    full = (PACKED, count, total)
    assert (nodes[:2] if where == TAIL else nodes[:0:-1]) == [full, full] and len(nodes) == 3


@pytest.mark.parametrize("value,count,total", [(5, 4089, 8185), (3000, 2725, 8182), (30000, 2044, 8183),
                                               (2000000000, 1362, 8179), (2**60, 816, 8167)])
def test_integers_count_as_their_text(value, count, total):
    assert fill_with([str(value).encode()] * (count + 1)).nodes()[0][:3] == (PACKED, count, total)


def test_large_elements_get_nodes_of_their_own():
    q = fill_with([b"a", b"x" * 8193, b"b"])
    assert [n[:3] for n in q.nodes()] == [(PACKED, 1, 10), (PLAIN, 1, 8193), (PACKED, 1, 10)]
    q = fill_with([b"a", b"x" * 20000, b"b"], fill=5)
    assert [n[0] for n in q.nodes()] == [PACKED, PLAIN, PACKED]
    q = fill_with([b"a", b"b" * 9, b"c" * 10, b"d"], threshold=10)
    assert [n[:2] for n in q.nodes()] == [(PACKED, 2), (PLAIN, 1), (PACKED, 1)]
    assert q.walk() == [b"a", b"b" * 9, b"c" * 10, b"d"] and q.walk(-1, -1) == q.walk()[::-1]


def test_insertion_into_full_nodes_splits_as_in_a_real_server():
    q = fill_with([b"%d" % i for i in range(20)], fill=5)
    q.insert(7, BEFORE, b"new")
    assert [n[1:3] for n in q.nodes()] == [(5, 17), (3, 16), (3, 13), (5, 17), (5, 17)]
    q.insert(13, BEFORE, b"new")
    assert [n[1:3] for n in q.nodes()] == [(5, 17), (3, 16), (3, 13), (3, 16), (3, 13), (5, 17)]
    q.insert(16, AFTER, b"new")
    q.check()
    assert [n[1:3] for n in q.nodes()] == [(5, 17), (3, 16), (3, 13), (3, 16), (4, 18), (5, 17)]
    assert q.walk() == [0, 1, 2, 3, 4, 5, 6, b"new", 7, 8, 9, 10, 11, b"new", 12, 13, 14, b"new", 15, 16, 17, 18, 19]
    for v in (3, 2, 1, 6, 8):
        assert len(q.remove(b"%d" % v, 1)) == 1
    assert [n[1:3] for n in q.nodes()] == [(2, 11), (2, 14), (2, 11), (3, 16), (4, 18), (5, 17)]
    q.delete_range(0, 2)
    q.delete_range(8, 99)
    q.check()
    assert [n[1:3] for n in q.nodes()] == [(2, 14), (2, 11), (3, 16), (1, 9)]


def test_an_insertion_beside_a_full_node_goes_to_its_neighbour_or_a_new_node():
    q = fill_with([b"%d" % i for i in range(9)], fill=3)
    q.insert(2, AFTER, b"x")
    assert [n[1] for n in q.nodes()] == [3, 1, 3, 3] and q.walk()[:5] == [0, 1, 2, b"x", 3]
    q.insert(2, AFTER, b"y")
    assert [n[1] for n in q.nodes()] == [3, 2, 3, 3]
    q.insert(5, BEFORE, b"z")
    q.check()
    assert [n[1] for n in q.nodes()] == [3, 3, 3, 3] and q.walk()[:7] == [0, 1, 2, b"y", b"x", b"z", 3]
    q.insert(0, BEFORE, b"first"), q.insert(-1, AFTER, b"last")
    q.check()
    assert [n[1] for n in q.nodes()] == [1, 3, 3, 3, 3, 1] and q.walk()[-1] == b"last"


def test_bytes_equal_those_of_a_real_server():
    q = fill_with([b"a", b"b", b"c"], fill=2)
    assert q.blobs() == [(PACKED, bytes.fromhex("0d0000000200816102816202ff")),
                         (PACKED, bytes.fromhex("0a0000000100816302ff"))]
    q = fill_with([b"a", b"1", b"-1", b"hello", b"300", b"70000"])
    assert q.blobs() == [(PACKED, bytes.fromhex("1e0000000600 816102 0101 dfff02 8568656c6c6f06 c12c02 f270110104 ff"))]


def test_loading_nodes_gives_the_same_list():
    q = QuicklistFace(fill=2)
    assert q.append_listpack(bytes.fromhex("0d0000000200816102816202ff"))
    assert not q.append_listpack(bytes.fromhex("070000000000ff"))
    assert q.append_plain(b"0123456789") and q.append_plain(b"")
    assert q.append_listpack(bytes.fromhex("0a000000ffff816302ff"))      # a count that says nothing
    q.check(False)
    assert q.walk() == [b"a", b"b", b"0123456789", b"", b"c"] and len(q) == 5
    q.mem.fail_after = 0
    assert not q.append_plain(b"x")
    q.mem.fail_after = -1


def test_a_loaded_node_of_more_than_65535_elements_works():
    lp = ListpackFace()
    lp.batch([i % 100 for i in range(70000)])
    q = QuicklistFace(mem=lp.mem)
    q.append_listpack(bytes(lp))
    model = [i % 100 for i in range(70000)]
    assert len(q) == 70000 and q.get(69999) == 99 and q.get(65535) == 35
    for _ in range(6000):
        assert q.pop(HEAD) == model.pop(0) and q.pop(TAIL) == model.pop()
    q.check(False)
    q.push(HEAD, b"new"), q.push(TAIL, b"new")
    assert q.walk() == [b"new"] + model + [b"new"]
    for _ in range(20000):
        assert q.pop(HEAD) is not None
    q.check(False)
    assert q.walk() == model[19999:] + [b"new"]


@pytest.mark.parametrize("where", [HEAD, TAIL])
def test_a_queue_neither_grows_nor_shifts(where):
    """Steady pushes at one end and pops at the other keep memory bounded, in one node and in many."""
    for backlog in (1, 40, 600, 5000):
        q = QuicklistFace()
        sent = got = 0
        for i in range(backlog * 3 + 9000):
            q.push(where, b"job:%08d" % sent)
            sent += 1
            if sent - got > backlog:
                assert q.pop(1 - where) == b"job:%08d" % got
                got += 1
        q.check()
        assert q.memory() < backlog * 14 * 9 // 8 + 3 * 8192 + 1000
        assert len(q) == sent - got == backlog


def test_memory_of_a_long_list_is_that_of_its_bytes():
    q = fill_with([b"v%09d" % i for i in range(100000)])
    payload = sum(n[2] for n in q.nodes())
    assert q.memory() == q.mem.used and q.memory() < payload * 1.02 + 8192
    assert abs(q.memory(20) - q.memory()) < q.memory() * 0.05
    q = fill_with([b"v%09d" % i for i in range(100000)], HEAD)
    assert q.memory() < payload * 1.02 + 8192


def test_popping_all_gives_the_room_back():
    q = fill_with([b"x" * 10] * 680)
    for _ in range(675):
        q.pop(TAIL)
    q.check()
    assert q.memory() < 1000
    for _ in range(5):
        q.pop(HEAD)
    q.check()
    assert len(q) == 0 and q.pop(HEAD) is None and q.peek(TAIL) is None


def test_middle_nodes_are_compressed_and_reading_leaves_them_so():
    values = [b"some text that repeats %06d" % (i // 3) for i in range(3000)]
    for depth in (1, 2, 3):
        q = fill_with(values, depth=depth)
        flags = [n[3] for n in q.nodes()]
        assert flags == [False] * depth + [True] * (len(flags) - 2 * depth) + [False] * depth
        used = q.mem.used
        assert used < sum(n[2] for n in q.nodes()) * 0.8
        assert q.walk() == values and q.walk(-1, -1) == values[::-1]
        assert [q.get(i) for i in range(0, 3000, 271)] == values[::271]
        assert q.find(values[1500]) == 1500 and q.find(b"absent") is None
        assert q.mem.used == used and flags == [n[3] for n in q.nodes()]
        q.check()
        copy = q.dup()
        copy.check()
        assert copy.walk() == values and [n[3] for n in copy.nodes()] == flags
        while len(q):
            assert q.pop(HEAD) == values[-len(q) - 1]
        q.check()


def test_an_insertion_that_brings_two_nodes_compresses_those_it_displaces():
    values = [b"R" * 60 + b"%d" % i for i in range(40)]
    q = fill_with(values, fill=5, depth=2)
    q.insert(6, BEFORE, b"P" * 9000)
    q.check()
    assert [n[3] for n in q.nodes()] == [False] * 2 + [True] * 6 + [False] * 2
    q.insert(-8, AFTER, b"P" * 9000)
    q.check()
    assert [n[3] for n in q.nodes()] == [False] * 2 + [True] * 8 + [False] * 2


def test_compression_that_saves_nothing_is_not_kept():
    rng = random.Random(3)
    q = fill_with([rng.randbytes(200) for _ in range(400)], depth=1)
    assert not any(n[3] for n in q.nodes())
    q = fill_with([b"a", b"b", b"c"] * 20, depth=1, fill=2)     # nodes too small
    assert not any(n[3] for n in q.nodes())


def test_depth_lowered_to_none_lets_ends_be_reached():
    values = [b"some text that repeats %06d" % (i // 3) for i in range(3000)]
    q = fill_with(values, depth=1)
    q.set_options(-2, 0)
    for v in values:
        assert q.pop(HEAD) == v
    assert q.mem.used == q.memory()


def test_options_are_clamped():
    for fill, depth, seen in ((0, -1, (1, 0)), (-9, 1, (-5, 1)), (10**9, 10**9, (32767, 65535)), (-2, 0, (-2, 0))):
        assert QuicklistFace(fill=fill, depth=depth).options() == seen


def test_a_sole_packed_node_becomes_a_listpack_and_back():
    q = fill_with([b"x" * 10] * 1500)
    assert q.to_listpack() is None
    q.delete_range(0, 1490)
    for _ in range(3):
        q.pop(HEAD)
    want = ListpackFace()
    want.batch([b"x" * 10] * 7)
    assert q.to_listpack() == bytes(want)
    q.check()
    assert q.walk() == [b"x" * 10] * 7
    assert fill_with([b"x" * 9000]).to_listpack() is None


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("depth", [0, 1])
def test_lengths_at_borders_in_every_place(n, depth):
    v, model = b"L" * n, []
    q = QuicklistFace(depth=depth)
    for i in range(6):
        q.push(TAIL, v), q.push(HEAD, b"h%d" % i)
        model = [b"h%d" % i] + model + [v]
    q.insert(6, BEFORE, v), model.insert(6, v)
    q.insert(3, AFTER, v), model.insert(4, v)
    q.replace(1, v)
    model[1] = v
    q.replace(8, b"short")
    model[8] = b"short"
    q.check()
    assert q.walk() == model and q.walk(-1, -1) == model[::-1]
    for _ in range(len(model)):
        q.rotate(TAIL)
        model.insert(0, model.pop())
        q.check()
        assert q.walk() == model
    q.rotate(HEAD)
    model.append(model.pop(0))
    assert q.walk() == model
    assert q.remove(v, 3) == [i for i, x in enumerate(model) if x == v][:1] + \
        [i - k - 1 for k, i in enumerate([i for i, x in enumerate(model) if x == v][1:3])]
    q.check()


values = st.one_of(st.sampled_from([b"", b"a", b"b", b"abc", b"7", b"-1", b"x" * 12]), st.binary(max_size=12),
                   st.sampled_from(INT_BORDERS).map(lambda v: str(v).encode()),
                   st.sampled_from([b"R" * n for n in (20, 63, 64, 300, 2000, 4096)]))


class QuicklistModel(RuleBasedStateMachine):
    """Every operation on a Python list of texts beside it (a plain node keeps an integer as text). All invariants and
    values are compared after each step."""

    @initialize(fill=st.sampled_from((1, 2, 3, 5, -1, -2)), depth=st.sampled_from((0, 1, 1, 2, 3)),
                threshold=st.sampled_from((0, 0, 12, 60)), start=st.lists(values, max_size=25))
    def begin(self, fill, depth, threshold, start):
        self.mem = MemFace()
        self.q = QuicklistFace(fill=fill, depth=depth, threshold=threshold, mem=self.mem)
        self.model = []
        for v in start:
            self.push(v, TAIL)

    def place(self, data):
        return data.draw(st.integers(0, len(self.model) - 1))

    @rule(v=values, where=st.sampled_from((HEAD, TAIL)))
    def push(self, v, where):
        self.q.push(where, v)
        self.model.insert(0 if where == HEAD else len(self.model), text(v))

    @rule(v=st.sampled_from(INT_BORDERS), where=st.sampled_from((HEAD, TAIL)))
    def push_int(self, v, where):
        self.q.push(where, v)
        self.model.insert(0 if where == HEAD else len(self.model), text(v))

    @rule(v=values, n=st.integers(1, 40), where=st.sampled_from((HEAD, TAIL)))
    def push_many(self, v, n, where):
        for _ in range(n):
            self.push(v, where)

    @rule(where=st.sampled_from((HEAD, TAIL)), n=st.integers(1, 8))
    def pop(self, where, n):
        for _ in range(n):
            want = self.model.pop(0 if where == HEAD else -1) if self.model else None
            assert text(self.q.pop(where)) == want

    @rule(source=st.sampled_from((HEAD, TAIL)))
    def rotate(self, source):
        self.q.rotate(source)
        if self.model:
            self.model.insert(len(self.model) if source == HEAD else 0, self.model.pop(0 if source == HEAD else -1))

    @precondition(lambda self: self.model)
    @rule(v=values, where=st.sampled_from((BEFORE, AFTER)), data=st.data())
    def insert(self, v, where, data):
        i = self.place(data)
        self.q.insert(i, where, v)
        self.model.insert(i + where, v)

    @precondition(lambda self: self.model)
    @rule(v=values, data=st.data())
    def replace(self, v, data):
        i = self.place(data)
        self.q.replace(i, v)
        self.model[i] = v

    @rule(start=st.integers(-15, 60), n=st.integers(0, 40))
    def delete_range(self, start, n):
        gone = 0
        if -len(self.model) <= start < len(self.model):
            start %= len(self.model)
            gone = len(self.model[start:start + n])
            del self.model[start:start + n]
        assert self.q.delete_range(start, n) == gone

    @precondition(lambda self: self.model)
    @rule(count=st.integers(1, 5), turn=st.sampled_from((1, -1)), data=st.data())
    def remove_equal(self, count, turn, data):
        v = self.model[self.place(data)]
        places = [i for i, x in enumerate(self.model) if x == v][::turn][:count]
        met = self.q.remove(v, count, turn)
        assert met == [p - (k if turn > 0 else 0) for k, p in enumerate(places)]
        for p in sorted(places, reverse=True):
            del self.model[p]

    @rule(keep=st.lists(st.booleans(), max_size=30), turn=st.sampled_from((1, -1)))
    def delete_on_a_walk(self, keep, turn):
        walk = list(enumerate(self.model))[::turn][:len(keep)]
        assert texts(self.q.delete_some(keep, turn)) == [v for _, v in walk]
        gone = {i for (i, _), k in zip(walk, keep) if not k}
        self.model = [v for i, v in enumerate(self.model) if i not in gone]

    @rule(v=values, turn=st.sampled_from((1, -1)), most=st.integers(0, 6), data=st.data())
    def find(self, v, turn, most, data):
        if not self.model:
            assert self.q.find(v) is None
            return
        start = self.place(data)
        walk = list(enumerate(self.model))[start:] if turn > 0 else list(enumerate(self.model))[start::-1]
        hits = [i for i, x in walk[:most or None] if x == v]
        assert self.q.find(v, start, turn, most) == (hits[0] if hits else None)

    @rule()
    def dup(self):
        self.q = self.q.dup()

    @invariant()
    def same(self):
        if not hasattr(self, "q"):
            return
        self.q.check()
        assert len(self.q) == len(self.model)
        assert texts(self.q.walk()) == self.model and texts(self.q.walk(-1, -1)) == self.model[::-1]
        assert text(self.q.peek(HEAD)) == (self.model[0] if self.model else None)
        assert text(self.q.peek(TAIL)) == (self.model[-1] if self.model else None)
        if self.model:
            i = len(self.model) * 2 // 3
            assert text(self.q.get(i)) == self.model[i] == text(self.q.get(i - len(self.model)))
            assert texts(self.q.walk(i)) == self.model[i:]
        assert self.q.memory() == self.mem.used

    def teardown(self):
        if hasattr(self, "q"):
            del self.q
            assert self.mem.blocks == 0 and self.mem.used == 0


TestQuicklistModel = QuicklistModel.TestCase
TestQuicklistModel.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
