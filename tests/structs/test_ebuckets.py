"""The expiry buckets against a dict of times: order, equal times, removal, moving items, expiry within limits."""
import random

import pytest
from redispy_core.base.mem import allocator_name
from redispy_core.structs.ebuckets import EbucketsFace

NEVER = (1 << 63) - 1


def filled(n, times, seed=1):
    rng = random.Random(seed)
    eb, model = EbucketsFace(), {}
    for name in range(n):
        model[name] = times(rng, name)
        eb.add(name, model[name])
    return eb, model


TIMES = {
    "random": lambda rng, i: 1700000000000 + rng.randrange(10**9),
    "ascending": lambda rng, i: 1700000000000 + i * 3,
    "descending": lambda rng, i: 1700000000000 - i * 3,
    "few": lambda rng, i: rng.choice([5, 6, 1700000000000]),
    "equal": lambda rng, i: 1700000000000,
    "extremes": lambda rng, i: rng.choice([0, -1, 1, -(1 << 63), (1 << 63) - 2, 1 << 40]),
}


def same(eb, model):
    eb.check()
    assert len(eb) == len(model)
    assert eb.min() == min(model.values(), default=NEVER)
    assert sorted(eb.all()) == sorted((t, name) for name, t in model.items())
    first = eb.first()
    assert first is None if not model else first[0] == eb.min() == model[first[1]]


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("seed", [1, 2])
def test_random_operations_agree_with_a_dict(times, seed):
    rng = random.Random(seed)
    eb, model, fresh = EbucketsFace(), {}, 0
    for step in range(4000):
        op, growing = rng.random(), step // 500 % 2 == 0
        when = TIMES[times](rng, step)
        name = rng.choice(list(model)) if model else None
        if name is None or op < (0.6 if growing else 0.2):
            eb.add(fresh, when)
            model[fresh] = when
            fresh += 1
        elif op < 0.7:
            assert eb.remove(name)
            del model[name]
        elif op < 0.85:
            eb.change(name, when)
            model[name] = when
        elif op < 0.9:
            assert eb.move(name)
        else:
            now, limit = rng.choice(sorted(model.values())[:10]), rng.randrange(8)
            due = sorted(t for t in model.values() if t <= now)[:limit]
            gone = eb.expire(now, limit)
            assert [t for t, _ in gone] == due
            for t, name in gone:
                assert model.pop(name) == t
        if step % 61 == 0:
            same(eb, model)
    same(eb, model)
    eb.clear()
    assert eb.blocks == 0 and len(eb) == 0 and eb.min() == NEVER


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("n", [1, 15, 16, 17, 31, 1000])
def test_all_expire_in_the_order_of_time(times, n):
    eb, model = filled(n, TIMES[times])
    same(eb, model)
    assert eb.expire(NEVER, 0) == []
    gone = eb.expire(NEVER)
    assert [t for t, _ in gone] == sorted(model.values())
    assert {name: t for t, name in gone} == model
    assert eb.blocks == 0 and eb.first() is None


@pytest.mark.parametrize("times", TIMES)
def test_removal_in_any_order_leaves_nothing(times):
    for order in ("same", "reverse", "random"):
        eb, model = filled(500, TIMES[times])
        names = list(model)
        if order == "reverse":
            names.reverse()
        elif order == "random":
            random.Random(3).shuffle(names)
        for i, name in enumerate(names):
            assert eb.remove(name)
            del model[name]
            if i % 29 == 0:
                same(eb, model)
        assert eb.blocks == 0


def test_what_is_not_there_is_not_removed():
    assert not EbucketsFace().remove_stranger(5)
    for n in (3, 100):
        eb, model = filled(n, TIMES["random"])
        for t in model.values():
            assert not eb.remove_stranger(t)
        same(eb, model)


def test_nothing_expires_before_its_time():
    eb, model = filled(200, TIMES["ascending"])
    first = min(model.values())
    assert eb.expire(first - 1) == []
    assert eb.expire(first) == [(first, 0)]
    assert eb.min() == first + 3


def test_callback_may_change_the_index():
    eb, model = filled(60, TIMES["ascending"])
    first, later, removed = min(model.values()), 1 << 50, []

    def on_expired(name, when):
        if name % 3 == 0:
            eb.add(name + 1000, later)            # a hash with one more field to expire comes back
        elif name % 3 == 1 and name + 31 in model:
            assert eb.remove(name + 31)
            removed.append(name + 31)

    gone = [name for _, name in eb.expire(first + 3 * 20, 1000, on_expired)]
    assert gone == list(range(21))
    assert removed == list(range(32, 51, 3))
    eb.check()
    assert len(eb) == 60 - 21 - len(removed) + 7
    assert [t for t, _ in eb.expire(NEVER)][-7:] == [later] * 7


def test_iteration_stops_when_told_and_goes_by_time():
    eb, model = filled(300, TIMES["random"])
    assert len(eb.first_of_all()) == 1
    assert EbucketsFace().first_of_all() is None
    order = [t for t, _ in eb.all()]
    assert all(max(order[:i]) <= min(order[i + 15:]) for i in range(15, len(order) - 15, 15))


@pytest.mark.skipif(allocator_name() == "libc", reason="libc rounds small blocks up further")
def test_memory_per_item():
    for times, limit in [("random", 15), ("ascending", 12), ("equal", 15)]:
        eb, _ = filled(10000, TIMES[times])
        eb.check()
        assert eb.bytes_used / 10000 < limit, times
    one, _ = filled(1, TIMES["random"])
    assert one.bytes_used <= 32


def test_buckets_merge_after_removals():
    eb, model = filled(3000, TIMES["random"])
    before = eb.check()
    rng = random.Random(5)
    for name in rng.sample(sorted(model), 2700):
        eb.remove(name)
    assert eb.check() < before / 4
