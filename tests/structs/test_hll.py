"""HyperLogLog: bytes and counts seen from a real server, a model of the registers, hostile blobs."""
import hashlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redispy_core.base.mem import MemFace
from redispy_core.structs import hll
from redispy_core.structs.hll import HllFace

HEADER = b"HYLL\1\0\0\0\0\0\0\0\0\0\0\x80"


@pytest.fixture
def memory():
    m = MemFace()
    yield m
    assert m.blocks == 0


def test_empty(memory):
    h = HllFace(memory)
    assert bytes(h) == b"HYLL\1" + b"\0" * 11 + b"\x7f\xff"
    assert h.describe() == b"Z:16384"
    assert h.cached() == 0 and h.count() == 0
    h.check()


def test_four_elements_as_the_server_stores_them(memory):
    h = HllFace(memory)
    assert [h.add(e) for e in (b"a", b"b", b"c", b"d", b"a")] == [True, True, True, True, False]
    assert bytes(h) == HEADER + b"\\{\x80Dv\x80P\xb1\x84K\xfb\x80BZ"
    assert h.describe() == b"Z:7292 v:1,1 Z:1143 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603"
    assert h.cached() is None and h.count() == 4 and h.cached() == 4
    assert bytes(h)[8:16] == b"\4" + b"\0" * 7
    assert not h.add(b"a") and h.cached() == 4
    assert h.add(b"e") and h.cached() is None


# Elements e0..e<n-1>: size, SHA-1 of the blob without the cached count, PFCOUNT. Seen on Redis 8.2.
@pytest.mark.parametrize("n,size,digest,count", [
    (10, 48, "205078079e14ca953e2c5345641a8b4a678041d8", 10),
    (300, 713, "417e532141527a0a03cf312f0d0f096a9c21e170", 302),
    (1000, 1906, "f3ee858300d98882246470f931126e9ae7c73438", 1008),
    (1500, 2719, "f1d4a05d99a65c88bdc5ff4d58c1eb8e041a9ca5", 1509),
    (3000, 12304, "d458daea6bdf7152ed204a2a0b5871c2acd63231", 2979),
    (20000, 12304, "7f01ccf864c3de7346f57bcc2ff018c428070425", 19901),
    (100000, 12304, "8378f30dda8e859b4867dcb063afb836599e04fd", 100853)
])
def test_blobs_and_counts_of_a_real_server(memory, n, size, digest, count):
    h = HllFace(memory)
    for i in range(n):
        h.add(b"e%d" % i)
    blob = bytes(h)
    assert (len(blob), hashlib.sha1(blob[:8] + blob[16:]).hexdigest(), h.count()) == (size, digest, count)
    h.check()


@pytest.mark.parametrize("sparse_max", [0, 18, 19, 60, 3000])
def test_registers_against_a_model(memory, sparse_max):
    rnd = random.Random(sparse_max)
    h, model = HllFace(memory, sparse_max), bytearray(16384)
    # Neighbouring registers, so that runs split and join in every way.
    for _ in range(1500):
        index = rnd.choice([rnd.randrange(70), rnd.randrange(16300, 16384), rnd.randrange(16384)])
        rank = rnd.choice([1, 2, 2, 3, rnd.randrange(1, 33)])
        assert h.raise_register(index, rank) == (rank > model[index])
        model[index] = max(model[index], rank)
    assert h.registers() == model
    h.check()
    before = h.count()
    h.to_dense()
    assert h.dense and h.registers() == model and h.count() == before == hll.count_registers(bytes(model))


def test_promotion(memory):
    h = HllFace(memory, 20)
    assert h.raise_register(5, 32) and not h.dense           # Z:16384 became z:5 v:32,1 Z:16378: 2 bytes more
    assert h.raise_register(7, 1) and h.dense
    h = HllFace(memory)
    h.raise_register(1, 32)
    assert not h.dense
    h.raise_register(2, 33)
    assert h.dense and h.registers()[:4] == b"\0\x20\x21\0"


def test_runs_join(memory):
    h = HllFace(memory)
    for i in range(8):
        h.raise_register(100 + i, 3)
    assert h.describe() == b"Z:100 v:3,4 v:3,4 Z:16276"
    h.raise_register(102, 5)
    assert h.describe() == b"Z:100 v:3,2 v:5,1 v:3,1 v:3,4 Z:16276"


@pytest.mark.parametrize("n", [100, 1000, 10000, 40000])
def test_error_is_small(memory, n):
    h = HllFace(memory)
    for i in range(n):
        h.add(b"%d:%d" % (n, i))
    assert abs(h.count() - n) < 0.03 * n


def test_registers_and_ranks_are_in_range():
    rnd = random.Random(2)
    ranks = []
    for n in range(3000):
        index, rank = hll.register_of(rnd.randbytes(n % 40))
        assert 0 <= index < 16384 and 1 <= rank <= 51
        ranks.append(rank)
    assert 1300 < ranks.count(1) < 1700 and max(ranks) > 8


@pytest.mark.parametrize("sparse_max", [18, 200, 3000])
@pytest.mark.parametrize("dense", [False, True])
def test_store_is_a_union(memory, sparse_max, dense):
    rnd = random.Random(sparse_max)
    h = HllFace(memory, sparse_max)
    for i in range(60):
        h.add(b"a%d" % i)
    regs = bytearray(16384)
    for _ in range(90):
        regs[rnd.randrange(16384)] = rnd.choice([1, 2, 3, 32, 40])
    want = bytes(map(max, h.registers(), regs))
    h.count()
    h.store(bytes(regs), dense)
    assert h.registers() == want and h.cached() is None and (h.dense or not dense)
    h.check()


# --- hostile blobs

@pytest.mark.parametrize("blob", [b"", b"HYLL", HEADER[:15], b"HYLX" + HEADER[4:] + b"\x7f\xff",
                                  b"HYLL\2" + HEADER[5:] + b"\x7f\xff",
                                  b"HYLL\0" + HEADER[5:] + b"\x7f\xff", b"HYLL\0" + HEADER[5:] + b"\0" * 12289])
def test_not_a_hyperloglog(memory, blob):
    with pytest.raises(ValueError):
        HllFace(memory, 3000, blob)


@pytest.mark.parametrize("runs", [b"", b"\x7f", b"\x7f\xfe", b"\x7f\xff\x00", b"\x7f\xff\x7f\xff", b"\x80\x7f\xff"])
def test_runs_that_do_not_add_up(memory, runs):
    h = HllFace(memory, 3000, HEADER + runs)
    for act in h.count, h.registers, h.to_dense, lambda: h.store(b"\1" * 16384), lambda: h.store(b"\1" * 16384, True):
        with pytest.raises(ValueError):
            act()
    assert bytes(h) == HEADER + runs


def test_dense_of_all_ones(memory):
    h = HllFace(memory, 3000, b"HYLL\0" + HEADER[5:] + b"\xff" * 12288)
    assert h.count() == 2 ** 63                          # PFCOUNT prints it as a negative number
    assert not h.add(b"x")
    assert h.registers() == b"\x3f" * 16384


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=40), st.lists(st.tuples(st.integers(0, 16383), st.integers(1, 51)), max_size=30),
       st.sampled_from([20, 40, 3000]))
def test_any_bytes_are_survived(runs, raises, sparse_max):
    m = MemFace()
    for tail in (runs, runs + b"\x7f\xff"):
        h = HllFace(m, sparse_max, HEADER + tail)
        for index, rank in raises:
            try:
                h.raise_register(index, rank)
            except ValueError:
                pass
        for act in h.describe, h.count, h.registers, h.to_dense:
            try:
                act()
            except ValueError:
                pass
    del h, act
    assert m.blocks == 0
