"""Streams against a model: a sorted list of entries, sets of pending IDs; the bytes of nodes; trimming, lag, copies."""
import random

import pytest
from redispy_core.types.stream_face import MAX, StreamFace, node_valid

MAXLEN, MINID = 1, 2
KEEP, DELREF, ACKED = 0, 1, 2

# Entries {f1 v1 f2 v2} 1000-1, the same fields 1001-0 (deleted), {other x} 1002-5: a node as real servers write it.
NODE = bytes.fromhex("4c0000001900" "0201" "0101" "0201" "82663103" "82663203" "0001"
                     "0201" "0001" "0001" "82763103" "82763203" "0501"
                     "0301" "0101" "dfff02" "82763303" "82763403" "0501"
                     "0001" "0201" "0401" "0101" "856f7468657206" "817802" "0601" "ff")


def test_a_node_is_laid_out_as_real_servers_do():
    s = StreamFace()
    s.add((1000, 1), [b"f1", b"v1", b"f2", b"v2"])
    s.add((1001, 0), [b"f1", b"v3", b"f2", b"v4"])
    s.add((1002, 5), [b"other", b"x"])
    assert s.delete((1001, 0))
    assert s.nodes() == [((1000, 1), NODE)]
    assert s.state == ((1002, 5), (1000, 1), (1001, 0), 3)
    s.check()


@pytest.mark.parametrize("at, byte", [(6, 3), (8, 2), (10, 3), (20, 1), (22, 1), (24, 0x81), (36, 6), (38, 2), (48, 4),
                                      (58, 5), (60, 2), (0, 0x4d), (4, 0x18), (75, 0)])
def test_broken_nodes_are_refused(at, byte):
    assert node_valid(NODE)
    broken = NODE[:at] + bytes([byte]) + NODE[at + 1:]
    assert broken != NODE and not node_valid(broken)


def test_no_prefix_of_a_node_is_a_node():
    for n in range(len(NODE)):
        assert not node_valid(NODE[:n])


def random_fields(rng):
    names = rng.choice([[b"a"], [b"a", b"b"], [b"b", b"a"], [b"a", b"7"], [b"n%d" % rng.randrange(3)], []])
    values = [b"", b"x" * rng.randrange(90), b"%d" % rng.randrange(-10, 300), b"%d" % rng.getrandbits(60)]
    return [text for name in names for text in (name, rng.choice(values))] or [b"", rng.choice(values)]


class Model:
    """Entries by ID and the trimming rules on them."""

    def __init__(self):
        self.entries = {}

    def between(self, start, end):
        return [(id, fields) for id, fields in sorted(self.entries.items()) if start <= id <= end]

    def random_id(self, rng):
        ids = sorted(self.entries)
        if ids and rng.random() < 0.7:
            ms, seq = rng.choice(ids)
            return ms, max(0, seq + rng.randrange(-1, 2))
        return rng.randrange(2000), rng.randrange(3)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("max_entries, max_bytes", [(100, 4096), (3, 4096), (1, 0), (0, 120)])
def test_against_a_model(seed, max_entries, max_bytes):
    rng = random.Random(seed)
    s, model = StreamFace(max_entries, max_bytes), Model()
    for step in range(400):
        action = rng.random()
        if action < 0.55:
            ms, seq = s.state[0]
            later = (ms + rng.randrange(1, 3), rng.randrange(4))
            last = later if rng.random() < 0.5 else (ms, seq + rng.randrange(1, 4))
            fields = random_fields(rng)
            assert s.add(last, fields)
            model.entries[last] = fields
        elif action < 0.75:
            id = model.random_id(rng)
            assert s.delete(id) == (model.entries.pop(id, None) is not None)
        elif action < 0.95:
            start, end = model.random_id(rng), model.random_id(rng)
            expected = model.between(start, end)
            assert s.range(start, end) == expected and s.range(start, end, reverse=True) == expected[::-1]
            assert s.range(start, end, count=2) == expected[:2]
            skimmed = [(id, fields[:2]) for id, fields in expected]
            assert s.range(start, end, read=1) == skimmed
            assert s.has(start) == (start in model.entries)
        elif action < 0.97:
            keep = rng.randrange(len(model.entries) + 3)
            gone = sorted(model.entries)[:max(0, len(model.entries) - keep)]
            assert s.trim(MAXLEN, maxlen=keep) == len(gone)
            for id in gone:
                del model.entries[id]
        else:
            id = model.random_id(rng)
            gone = [other for other in model.entries if other < id]
            assert s.trim(MINID, minid=id) == len(gone)
            for other in gone:
                del model.entries[other]
        assert len(s) == len(model.entries) and s.last() == max(model.entries, default=None)
        if step % 20 == 0:
            s.check()
            if step % 100 == 60:
                s.become_copy()
    s.check()
    assert s.range() == model.between((0, 0), (MAX, MAX))


def filled(n, max_entries=3, **knobs):
    s = StreamFace(max_entries, **knobs)
    for i in range(1, n + 1):
        s.add((i, 0), [b"f", b"v"])
    return s


def ids(s):
    return [ms for (ms, _), _ in s.range()]


def test_nodes_hold_what_the_settings_say():
    assert [ms for (ms, _), _ in filled(10).nodes()] == [1, 4, 7, 10]
    by_bytes = StreamFace(0, 200)
    for i in range(30):
        by_bytes.add((i + 1, 0), [b"f", b"v" * 20])
    sizes = [len(blob) for _, blob in by_bytes.nodes()]
    assert len(sizes) > 3 and all(150 < size < 230 for size in sizes[:-1])
    endless = StreamFace(0, 0)
    for i in range(3000):
        endless.add((i + 1, 0), [b"f", b"v"])
    assert len(endless.nodes()) == 1
    endless.check()


def test_deleted_entries_count_for_a_full_node_and_the_last_takes_it_along():
    s = filled(3)
    s.delete((1, 0)), s.delete((2, 0))
    s.add((4, 0), [b"f", b"v"])
    assert [ms for (ms, _), _ in s.nodes()] == [1, 4]
    s.delete((3, 0))
    assert [ms for (ms, _), _ in s.nodes()] == [4]
    s.delete((4, 0))
    assert s.nodes() == [] and s.state[1] == (0, 0) and len(s) == 0
    s.check()
    s.add((9, 0), [b"f", b"v"])
    s.check()


def test_many_entries_in_a_node_make_its_counters_grow():
    s = StreamFace(0, 0)
    for i in range(9000):
        s.add((i + 1, 0), [b"f", b"%d" % i])
    for i in range(0, 9000, 2):
        assert s.delete((i + 1, 0))
    s.check()
    assert len(s) == 4500


@pytest.mark.parametrize("limit, left", [(0, list(range(4, 11))), (3, list(range(4, 11))), (2, list(range(1, 11)))])
def test_approximate_trimming_takes_whole_nodes(limit, left):
    s = filled(10)
    s.trim(MAXLEN, approx=True, maxlen=5, limit=limit)
    assert ids(s) == left
    s.check()


def test_approximate_minid_keeps_the_node_that_the_id_is_in():
    for minid, first in [(6, 4), (7, 7), (8, 7), (100, None)]:
        s = filled(10)
        s.trim(MINID, approx=True, minid=(minid, 0))
        assert ids(s)[:1] == ([first] if first else [])


def with_group(n=10):
    s = filled(n)
    s.group_add(b"g")
    for i in range(1, n + 1):
        s.deliver(b"g", b"c%d" % (i % 2), (i, 0))
    return s


def test_trimming_with_references():
    s = with_group()
    for i in (1, 2, 3, 5):
        assert s.ack(b"g", (i, 0))
    s.trim(MAXLEN, maxlen=5, refs=ACKED)
    assert ids(s) == [4, 6, 7, 8, 9, 10]
    s.trim(MAXLEN, maxlen=2, refs=DELREF)
    assert ids(s) == [9, 10] and sorted(s.pending(b"g")) == [(9, 0), (10, 0)]
    s.trim(MAXLEN, maxlen=0, refs=KEEP)
    assert ids(s) == [] and sorted(s.pending(b"g")) == [(9, 0), (10, 0)]
    s.check()


def test_group_against_a_model():
    rng = random.Random(7)
    s, pending = filled(60), {}
    s.group_add(b"g")
    for step in range(1500):
        action, id, name = rng.random(), (rng.randrange(1, 61), 0), b"consumer %d" % rng.randrange(5)
        if action < 0.4:
            s.deliver(b"g", name, id)
            pending[id] = name
        elif action < 0.6:
            assert s.claim(b"g", name, id) == (id in pending)
            if id in pending:
                pending[id] = name
        elif action < 0.97:
            assert s.ack(b"g", id) == (pending.pop(id, None) is not None)
        else:
            owned = [other for other, consumer in pending.items() if consumer == name]
            assert s.consumer_delete(b"g", name) == len(owned)
            for other in owned:
                del pending[other]
        assert s.pending(b"g") == pending
        if step % 100 == 0:
            s.check()
            s.become_copy()
    s.check()


def test_nothing_leaks():
    s = with_group()
    s.group_add(b"a longer name than any buffer " * 20)
    assert s.memory() > 0 and s.effort() > 0
    mem = s.mem
    s.group_delete(b"g")
    s.become_copy()
    s.check()
    del s
    assert mem.blocks == 0 and mem.used == 0


def test_memory_counts_what_is_allocated():
    s = with_group(300)
    for i in range(20):
        s.deliver(b"g", b"a name of some length %d" % i, (i + 1, 0))
    s.ack(b"g", (5, 0))
    assert s.memory() == s.mem.used
    assert abs(s.memory(5) - s.mem.used) < s.mem.used * 0.05


def test_entries_are_small():
    s = StreamFace()
    for i in range(20_000):
        s.add((1_700_000_000_000 + i, 0), [b"field", b"%d" % (i % 1000), b"other", b"value"])
    raw = sum(len(blob) for _, blob in s.nodes())
    assert raw / 20_000 < 18.5 and s.memory() < raw * 1.15
    assert filled(1).memory() < 300


def test_lag():
    s = StreamFace()
    s.group_add(b"new")
    assert s.lag(b"new") == 0
    for i in range(1, 6):
        s.add((i, 0), [b"f", b"v"])
    s.group_add(b"g")
    assert s.lag(b"g") == 5
    s.deliver(b"g", b"c", (1, 0))
    assert s.lag(b"g") == 4
    s.delete((3, 0))
    assert s.lag(b"g") is None
    s.deliver(b"g", b"c", (5, 0))
    assert s.lag(b"g") == 0
    s.trim(MINID, minid=(4, 0))
    assert s.lag(b"new") == 2


def test_loading():
    old = filled(10)
    old.delete((4, 0)), old.delete((1, 0))
    new = StreamFace(3)
    new.load_nodes(old.nodes(), old.state, len(old))
    new.check()
    assert new.range() == old.range() and new.state == old.state
    new.add((11, 0), [b"f", b"v"])
    new.check()


def test_loading_pending_entries():
    s = filled(5)
    s.group_add(b"g")
    assert [s.load_pending(b"g", (i, 0)) for i in (1, 2, 2)] == [True, True, False]
    assert not s.is_whole(b"g")
    assert s.adopt(b"g", b"a", (1, 0)) and not s.adopt(b"g", b"b", (1, 0)) and not s.adopt(b"g", b"b", (5, 0))
    assert s.adopt(b"g", b"b", (2, 0)) and s.is_whole(b"g")
    assert s.pending(b"g") == {(1, 0): b"a", (2, 0): b"b"}
    s.check()


def test_a_node_without_live_entries_may_be_loaded():
    s = filled(3)
    (id, blob), = s.nodes()
    dead = bytearray(blob)
    dead[6], dead[8] = 0, 3                     # live, deleted
    at = 17
    for _ in range(3):
        dead[at] |= 1
        at += 11
    assert node_valid(bytes(dead))
    new = StreamFace(3)
    new.load_nodes([(id, bytes(dead))], s.state, 0)
    assert new.range() == [] == new.range(reverse=True) and new.last() is None
    new.add((9, 0), [b"f", b"v"])
    assert new.trim(MAXLEN, maxlen=0) == 1 and new.nodes() == []
