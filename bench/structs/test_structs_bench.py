"""Micro-benchmarks of the structures, the request parser and number printing, in this process.

    pip install pytest-benchmark
    pytest bench/structs                                    about ten seconds
    pytest bench/structs --benchmark-autosave               keep the figures; later: --benchmark-compare
    pytest bench/structs -k dict --benchmark-sort=name

They go through the test faces, so a figure holds the Python call around the C function too (some 50 to 150 ns) and is
there to be compared with the same figure of another build, not with another program's. Where a face has a loop in C
(`fill`, `walk_sum`, `walk_count`) it is used. The tests check what they get, so a benchmark cannot measure a failure.
"""
import random

import pytest

from redispy_core.base import num
from redispy_core.base.mem import MemFace
from redispy_core.proto.parser import ParserFace
from redispy_core.structs.dict import DictFace
from redispy_core.structs.hll import HllFace
from redispy_core.structs.intset import IntsetFace
from redispy_core.structs.listpack import ListpackFace
from redispy_core.structs.quicklist import QuicklistFace
from redispy_core.structs.rax import RaxFace
from redispy_core.structs.skiplist import SkiplistFace

N = 20_000                      # elements of the large structures
PROBES = 1_000                  # operations a round
HEAD, TAIL = 0, 1               # QuicklistFace.push and pop

pytestmark = pytest.mark.benchmark(max_time=0.2, min_rounds=5)      # the whole file stays quick


def keys(n, seed=1):
    """Distinct keys in no order."""
    found = [b"key:%012d" % i for i in range(n)]
    random.Random(seed).shuffle(found)
    return found


KEYS = keys(N)
PROBE = KEYS[:PROBES]


# ---------------------------------------------------------------- dict

@pytest.fixture(scope="module")
def full_dict():
    d = DictFace()
    for key in KEYS:
        d.add(key)
    while d.rehashing:
        d.rehash(1000)
    return d


def test_dict_insert(benchmark):
    def insert():
        d = DictFace()
        for key in PROBE:
            d.add(key)
        return d
    assert len(benchmark(insert)) == PROBES


def test_dict_find(benchmark, full_dict):
    def find():
        return sum(key in full_dict for key in PROBE)
    assert benchmark(find) == PROBES


def test_dict_find_missing(benchmark, full_dict):
    absent = [key + b"?" for key in PROBE]

    def find():
        return sum(key in full_dict for key in absent)
    assert benchmark(find) == 0


def test_dict_scan(benchmark, full_dict):
    def scan():
        cursor, found = full_dict.scan(0)
        total = len(found)
        while cursor:
            cursor, found = full_dict.scan(cursor)
            total += len(found)
        return total
    assert benchmark(scan) == N


# ---------------------------------------------------------------- listpack, intset

@pytest.fixture(scope="module")
def full_listpack():
    lp = ListpackFace()
    for i in range(128):
        lp.append(i if i % 2 else b"element:%d" % i)
    return lp


def test_listpack_append(benchmark):
    def append():
        lp = ListpackFace()
        for i in range(128):
            lp.append(b"element")
        return lp
    assert len(benchmark(append)) == 128


def test_listpack_find_last(benchmark, full_listpack):
    """A walk over 128 entries."""
    assert benchmark(full_listpack.find, b"127") == 127


def test_listpack_replace_middle(benchmark, full_listpack):
    benchmark(full_listpack.replace, 64, b"element:64")
    assert len(full_listpack) == 128


def test_intset_add(benchmark):
    values = random.Random(1).sample(range(100_000), 512)

    def add():
        s = IntsetFace()
        for v in values:
            s.add(v)
        return s
    assert len(benchmark(add)) == 512


def test_intset_find(benchmark):
    s = IntsetFace()
    for v in range(0, 1024, 2):
        s.add(v)

    def find():
        return sum(v in s for v in range(1024))
    assert benchmark(find) == 512


# ---------------------------------------------------------------- quicklist

def test_quicklist_push_and_pop(benchmark):
    q = QuicklistFace()

    def through():
        for key in PROBE:
            q.push(TAIL, key)
        for _ in PROBE:
            first = q.pop(HEAD)
        return first
    assert benchmark(through) == PROBE[-1]
    assert len(q) == 0


def test_quicklist_get_middle(benchmark):
    q = QuicklistFace()
    for key in KEYS:
        q.push(TAIL, key)
    assert benchmark(q.get, N // 2) == KEYS[N // 2]


# ---------------------------------------------------------------- skiplist

@pytest.fixture(scope="module")
def full_skiplist():
    z = SkiplistFace()
    for i, key in enumerate(KEYS):
        z.insert(i, key)
    return z


def test_skiplist_fill(benchmark):
    """Insertions in a loop of C, with random scores."""
    def fill():
        z = SkiplistFace()
        z.fill(PROBES, 1 << 40)
        return z
    assert len(benchmark(fill)) == PROBES


def test_skiplist_rank(benchmark, full_skiplist):
    assert benchmark(full_skiplist.rank, N // 2, KEYS[N // 2]) == N // 2


def test_skiplist_walk(benchmark, full_skiplist):
    assert benchmark(full_skiplist.walk_sum, 100, False, 100) == sum(range(100, 200))


def test_skiplist_change_score(benchmark, full_skiplist):
    here, there, member = N // 4, 3 * N // 4 + 0.5, KEYS[N // 4]

    def change():
        """There and back again, across half the list."""
        full_skiplist.update(here, member, there)
        full_skiplist.update(there, member, here)
    benchmark(change)
    assert full_skiplist.rank(here, member) == N // 4


# ---------------------------------------------------------------- rax

@pytest.fixture(scope="module")
def full_rax():
    tree = RaxFace()
    for i, key in enumerate(KEYS):
        tree.insert(key, i)
    return tree


def test_rax_insert(benchmark):
    def insert():
        tree = RaxFace()
        for i, key in enumerate(PROBE):
            tree.insert(key, i)
        return tree
    assert len(benchmark(insert)) == PROBES


def test_rax_find(benchmark, full_rax):
    assert benchmark(full_rax.find, KEYS[7]) == 7


def test_rax_walk(benchmark, full_rax):
    assert benchmark(full_rax.walk_count) == N


# ---------------------------------------------------------------- HyperLogLog

@pytest.fixture(params=["sparse", "dense"])
def hll(request):
    h = HllFace(MemFace())
    for key in KEYS[:200 if request.param == "sparse" else N]:
        h.add(key)
    assert h.dense == (request.param == "dense")
    return h


def test_hll_add_known(benchmark, hll):
    assert not benchmark(hll.add, KEYS[0])


def test_hll_count(benchmark, hll):
    """The estimate, not the cached one; a copy of the blob comes with it."""
    expected = N if hll.dense else 200
    memory, blob = MemFace(), bytearray(bytes(hll))
    blob[15] |= 0x80                            # the cached count is stale
    stale = bytes(blob)

    def count():
        return HllFace(memory, blob=stale).count()
    assert abs(benchmark(count) - expected) < expected * 0.05


# ---------------------------------------------------------------- requests and numbers

def request(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)


@pytest.mark.parametrize("kind", ["multibulk", "inline"])
def test_parse_pipeline(benchmark, kind):
    """A hundred SETs in one piece. A face keeps what it was fed, so each round has its own."""
    words = [(b"SET", key, b"value") for key in KEYS[:100]]
    data = b"".join(request(*w) if kind == "multibulk" else b" ".join(w) + b"\r\n" for w in words)

    def parse():
        return ParserFace().feed(data)
    assert [tuple(r) for r in benchmark(parse)] == words


@pytest.mark.parametrize("size", [64, 16384])
def test_parse_one_set(benchmark, size):
    data = request(b"SET", b"key", b"x" * size)

    def parse():
        return ParserFace().feed(data)
    assert benchmark(parse) == [[b"SET", b"key", b"x" * size]]


@pytest.mark.parametrize("value", [7, -1234567890123456789])
def test_print_integer(benchmark, value):
    assert benchmark(num.print_i64, value) == str(value).encode()


@pytest.mark.parametrize("value", [3.0, 3.14159, 1.7976931348623157e308])
def test_print_double(benchmark, value):
    assert float(benchmark(num.print_double, value)) == value


def test_parse_integer(benchmark):
    assert benchmark(num.parse_i64, b"-1234567890123456789") == -1234567890123456789
