"""The allocator's helpers: blocks that another thread frees come back to their owner, and the counters stay exact."""
import random
import threading

import pytest

from redispy_core.base.mem import MemFace, MemHelperFace

slabs_only = pytest.mark.skipif(not MemFace().slabs, reason="no slabs in this build")
SIZES = (1, 8, 24, 40, 100, 128, 200, 512, 1000, 4000, 4096, 5000, 70000)


def mixed(rng, n):
    return [rng.choice(SIZES) for _ in range(n)]


@pytest.fixture
def helper():
    return MemHelperFace(MemFace())


def test_counters_change_when_the_owner_takes_back(helper):
    memory = helper.owner
    blocks = helper.fill(mixed(random.Random(1), 500))
    used, count = memory.used, memory.blocks
    helper.free(blocks[::2])
    assert (memory.used, memory.blocks) == (used, count)
    helper.check(blocks[1::2])
    assert helper.take_back(helper.take())
    assert memory.blocks == 250
    helper.owner_free(blocks[1::2])
    assert (memory.used, memory.blocks) == (0, 0) and helper.take() is None


@slabs_only
def test_blocks_are_used_again(helper):
    blocks = helper.fill([64] * 3000)
    keep, gone = blocks[:1500], blocks[1500:]
    helper.free(gone)
    assert helper.take_back(helper.take())
    again = helper.fill([64] * 1500)
    assert len({address for address, _, _ in again} & {address for address, _, _ in gone}) > 1000
    helper.check(keep)
    helper.check(again)
    helper.free(keep + again)
    assert helper.take_back(helper.take())
    assert helper.owner.blocks == 0


@slabs_only
def test_taken_back_in_parts(helper):
    blocks = helper.fill([100] * 20000)                # some dozens of spans
    helper.free(blocks)
    returns, rounds, left = helper.take(), 0, []
    while not helper.take_back(returns, 3):
        rounds += 1
        left.append(helper.owner.blocks)
    assert rounds > 5 and left == sorted(left, reverse=True) and len(set(left)) == len(left)
    assert (helper.owner.used, helper.owner.blocks) == (0, 0)


@slabs_only
def test_much_is_reported(helper):
    helper.free(helper.fill([8] * (1 << 16)))
    assert helper.was_full == 1
    assert helper.take_back(helper.take())


@slabs_only
def test_empty_spans_are_released_and_used_again(helper):
    sizes = [1000] * 10000
    helper.owner_free(helper.fill(sizes))
    assert helper.release_cold() == 0                  # not asked for before: they have gone back by themselves
    blocks = helper.fill(sizes)
    helper.owner_free(blocks)
    assert helper.release_cold() > 100
    blocks = helper.fill(sizes)
    helper.check(blocks)
    helper.owner_free(blocks)
    assert helper.owner.blocks == 0


def test_both_threads_at_once(helper):
    """The owner allocates, frees and takes back while the other thread frees."""
    rng = random.Random(7)
    lock, queue, done, mine = threading.Condition(), [], [], []

    def other():
        while True:
            with lock:
                while not queue:
                    lock.wait()
                blocks = queue.pop()
            if blocks is None:
                return
            helper.free(blocks)
            with lock:
                done.append(helper.take())

    thread = threading.Thread(target=other)
    thread.start()
    for _ in range(150):
        mine += helper.fill(mixed(rng, 400))
        rng.shuffle(mine)
        with lock:
            queue.append(mine[:300])
            lock.notify()
            ready, done[:] = done[:], []
        helper.owner_free(mine[300:350])
        mine = mine[350:]
        for returns in ready:
            while returns is not None and not helper.take_back(returns, 5):
                pass
        if len(mine) > 2000:
            helper.check(mine[:50])
    with lock:
        queue.insert(0, None)
        lock.notify()
    thread.join()
    helper.check(mine)
    helper.owner_free(mine)
    for returns in done:
        assert returns is None or helper.take_back(returns)
    assert (helper.owner.used, helper.owner.blocks) == (0, 0)
