"""The replication backlog against a plain byte string: what cursors read, what is kept, what is freed."""
import random

import pytest

from redispy_core.keyspace.backlog import BacklogFace


def stream(n):
    return bytes(random.Random(7).randrange(256) for _ in range(n))


@pytest.mark.parametrize("at", [0, 5, 10**12])
def test_reads_what_was_appended(at):
    backlog = BacklogFace()
    backlog.begin(at, 1 << 20)
    data = stream(50_000)
    for i in range(0, len(data), 777):
        backlog.append(data[i:i + 777])
    backlog.check()
    assert backlog.figures()[:2] == (at, at + len(data))
    assert backlog.place(0, at + 123)
    assert backlog.read(0, 10**9) == data[123:]
    assert not backlog.place(1, at + len(data) + 1)
    assert not backlog.place(1, at - 1)
    assert backlog.place(1, at + len(data))
    backlog.append(b"more")
    assert backlog.read(1, 2) + backlog.read(1, 9) == backlog.read(0, 9) == b"more"
    backlog.check()


def test_keeps_as_much_as_asked_and_little_more():
    backlog = BacklogFace()
    backlog.begin(0, 16384)
    backlog.append(bytes(100_000))
    begin, end, memory, _ = backlog.figures()
    assert 16384 <= end - begin <= 16384 + 1024
    assert memory < 2 * 16384
    backlog.resize(64 << 10)
    backlog.append(bytes(100_000))
    begin, end, *_ = backlog.figures()
    assert 64 << 10 <= end - begin <= (64 << 10) + 8192
    backlog.resize(16384)
    begin, end, *_ = backlog.figures()
    assert end - begin < 24 << 10
    backlog.check()


def test_slow_reader_keeps_what_it_has_not_read_once_for_all():
    backlog = BacklogFace()
    backlog.begin(0, 16384)
    assert backlog.place(0, 0) and backlog.place(1, 0)
    backlog.append(bytes(1_000_000))
    begin, _, memory, kept = backlog.figures()
    assert begin == 0 and kept[0] == kept[1] == memory < 1_200_000
    assert len(backlog.read(0, 1_000_000)) == 1_000_000
    assert backlog.figures()[0] == 0
    backlog.release(1)
    for _ in range(20):
        backlog.append(bytes(2000))             # frees a piece each time
    assert backlog.figures()[2] < 96 << 10
    backlog.check()


@pytest.mark.parametrize("seed", range(10))
def test_against_a_model(seed):
    dice = random.Random(seed)
    backlog, at = BacklogFace(), dice.choice([0, 1, 4096])
    backlog.begin(at, dice.choice([1, 16384, 100_000]))
    whole, places = b"", {}
    for _ in range(400):
        action = dice.randrange(6)
        i = dice.randrange(8)
        if action <= 1:
            piece = dice.randbytes(dice.choice([1, 30, 1000, 40_000]))
            backlog.append(piece)
            whole += piece
        elif action == 2:
            place = at + dice.randrange(len(whole) + 2)
            backlog.release(i)
            kept = backlog.figures()[0] <= place <= at + len(whole)
            assert backlog.place(i, place) == kept
            places.pop(i, None)
            if kept:
                places[i] = place
        elif action == 3 and i in places:
            n = dice.choice([1, 500, 100_000])
            read = backlog.read(i, n)
            assert read == whole[places[i] - at:places[i] - at + n]
            places[i] += len(read)
        elif action == 4:
            backlog.release(i)
            places.pop(i, None)
        elif action == 5:
            backlog.resize(dice.choice([1, 16384, 100_000]))
        backlog.check()
