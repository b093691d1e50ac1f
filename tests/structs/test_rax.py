"""The radix tree against a dict and its sorted keys: every operation, every kind of seek, changes under an iterator."""
import bisect
import random

import pytest
from redispy_core.structs.rax import RaxFace


def ident(rng):
    """A stream ID: few milliseconds, few sequence numbers."""
    return (1700000000000 + rng.randrange(300)).to_bytes(8, "big") + rng.randrange(4).to_bytes(8, "big")


def nested(rng):
    return bytes(rng.choice(b"ab") for _ in range(rng.randrange(0, 9)))


def dense(rng):
    return bytes([rng.randrange(3), rng.randrange(256)])


def mixed(rng):
    key = bytes([rng.randrange(256)])
    return key + nested(rng) if rng.random() < 0.1 else key


def text(rng):
    return b"user:%d:%s" % (rng.randrange(150), rng.choice([b"", b"name", b"name:first", b"\xff\x00"]))


def huge(rng):
    """Prefixes around the longest that one node holds."""
    n = rng.choice([0, 1, 65534, 65535, 65536, 65537, 131071, 131072, 131073, 200000])
    key = bytearray(b"x" * n)
    if n and rng.random() < 0.5:
        key[rng.choice([0, n - 1, n // 2, min(65535, n - 1)])] = 121
    return bytes(key)


def expect(model, order, op, key):
    at = bisect.bisect_left(order, key)
    exact = at < len(order) and order[at] == key
    i = {"=": at if exact else None, ">=": at, ">": at + exact, "<=": at if exact else at - 1, "<": at - 1,
         "^": 0, "$": len(order) - 1}[op]
    return (order[i], model[order[i]]) if i is not None and 0 <= i < len(order) else None


def same(tree, model):
    tree.check()
    assert len(tree) == len(model)
    order = sorted(model)
    it = tree.iterate()
    seen, at = [], it.seek("^")
    while at:
        seen.append(at)
        at = it.next()
    assert seen == [(k, model[k]) for k in order]
    back, at = [], it.seek("$")
    while at:
        back.append(at)
        at = it.prev()
    assert back == seen[::-1]
    return order


@pytest.mark.parametrize("keys, steps", [(ident, 3000), (nested, 3000), (dense, 3000), (mixed, 3000), (text, 3000),
                                         (huge, 150)])
@pytest.mark.parametrize("seed", [1, 2])
def test_random_operations_agree_with_a_dict(keys, steps, seed):
    rng = random.Random(seed)
    tree, model = RaxFace(), {}
    for step in range(steps):
        growing = step // 400 % 2 == 0
        key, op = keys(rng), rng.random()
        if op < (0.7 if growing else 0.2):
            value, overwrite = rng.randrange(1 << 40) if rng.random() < 0.9 else 0, rng.random() < 0.7
            assert tree.insert(key, value, overwrite) == model.get(key)
            if overwrite or key not in model:
                model[key] = value
        elif op < 0.9:
            if rng.random() < 0.5 and model:
                key = rng.choice(sorted(model))
            assert tree.remove(key) == model.pop(key, None)
        else:
            assert tree.find(key) == model.get(key)
        if step % 151 == 0:
            order = same(tree, model)
            it = tree.iterate()
            for _ in range(20):
                key, op = keys(rng), rng.choice(["=", ">=", ">", "<=", "<", "^", "$"])
                assert it.seek(op, key) == expect(model, order, op, key)
    for key in sorted(model, key=lambda k: rng.random()):
        assert tree.find(key) == model[key]
        assert tree.remove(key) == model.pop(key)
        tree.check()
    assert tree.nodes == 0 and tree.blocks == 1


@pytest.mark.parametrize("keys", [ident, nested, mixed, text])
def test_seek_then_step_both_ways(keys):
    rng = random.Random(8)
    tree, model = RaxFace(), {}
    for i in range(600):
        key = keys(rng)
        tree.insert(key, i)
        model[key] = i
    order = sorted(model)
    it = tree.iterate()
    for _ in range(300):
        key = keys(rng)
        op = rng.choice([">=", ">", "<=", "<"])
        at = it.seek(op, key)
        assert at == expect(model, order, op, key)
        for _ in range(rng.randrange(12)):
            if at is None:
                assert it.next() is None and it.prev() is None
                break
            i = order.index(at[0]) + (1 if rng.random() < 0.5 else -1)
            forward = i > order.index(at[0])
            at = it.next() if forward else it.prev()
            assert at == ((order[i], model[order[i]]) if 0 <= i < len(order) else None)


@pytest.mark.parametrize("keys", [ident, nested, mixed, text])
@pytest.mark.parametrize("forward", [True, False])
def test_tree_may_change_between_steps(keys, forward):
    rng = random.Random(9)
    tree, model = RaxFace(), {}
    for i in range(400):
        key = keys(rng)
        tree.insert(key, i)
        model[key] = i
    it = tree.iterate()
    at, last = it.seek("^" if forward else "$"), None
    while at:
        assert model[at[0]] == at[1]
        assert last is None or (at[0] > last if forward else at[0] < last)
        last = at[0]
        for _ in range(rng.randrange(3)):
            key = rng.choice([last, keys(rng)])
            if rng.random() < 0.6:
                tree.remove(key)
                model.pop(key, None)
            else:
                tree.insert(key, 7)
                model[key] = 7
        order = sorted(model)
        at = it.next() if forward else it.prev()
        assert at == expect(model, order, ">" if forward else "<", last)


def test_iterator_replaces_values():
    tree = RaxFace()
    keys = [b"", b"a", b"ab", b"ac", b"b", b"long key of its own"]
    for key in keys:
        tree.insert(key, 1)
    it = tree.iterate()
    at = it.seek("^")
    while at:
        it.set(len(at[0]))
        at = it.next()
    assert [tree.find(key) for key in keys] == [len(key) for key in keys]


def test_empty_tree_and_empty_key():
    tree = RaxFace()
    it = tree.iterate()
    assert all(it.seek(op, b"x") is None for op in ["=", ">=", ">", "<=", "<", "^", "$"])
    assert tree.find(b"") is None and tree.remove(b"") is None
    assert tree.insert(b"", 0) is None
    assert tree.find(b"") == 0                    # a NULL value is a value
    assert it.seek("=", b"") == (b"", 0) and it.next() is None
    assert it.seek("<", b"") is None
    assert tree.remove(b"") == 0 and len(tree) == 0


def test_deep_tree_is_freed_without_recursion():
    tree = RaxFace()
    for n in range(3000):
        tree.insert(b"a" * n, n)
    tree.check()
    it = tree.iterate()
    assert it.seek("$") == (b"a" * 2999, 2999)
    del it
    assert sorted(tree.clear()) == list(range(3000))


def test_free_gives_each_value_once():
    rng = random.Random(4)
    tree, model = RaxFace(), {}
    for i in range(2000):
        key = rng.choice([ident, nested, dense, text])(rng)
        tree.insert(key, i)
        model[key] = i
    assert sorted(tree.clear()) == sorted(model.values())


def test_memory_per_key_is_small():
    for ms_step, per_ms, limit in [(1, 100, 12), (1, 1, 46), (37, 1, 48)]:
        tree = RaxFace()
        tree.fill_ids(20000, ms_step, per_ms)
        tree.check()
        assert tree.walk_count() == tree.walk_count(True) == 20000
        assert tree.bytes_used / 20000 < limit, (ms_step, per_ms)
