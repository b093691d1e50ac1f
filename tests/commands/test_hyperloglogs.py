"""HyperLogLog commands: estimates against sets, merging against additions, the cache, broken values, errors."""
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engine import make_engine
from support.resp import Error

from redispy_core.engine import ReplyError

NOT_HLL = "WRONGTYPE Key is not a valid HyperLogLog string value."
CORRUPT = "INVALIDOBJ Corrupted HLL object detected"
EMPTY = b"HYLL\x01\0\0\0" + b"\0" * 8 + b"\x7f\xff"       # sparse, 0 is cached, one run of 16384 zeros
STALE = 0x80                                                # top bit of byte 15: the cached count is out of date


def error(engine, *argv):
    with pytest.raises(ReplyError) as caught:
        engine.call(*argv)
    return str(caught.value)


def dirty(engine, *argv):
    """By how much a command raises the count of changes, and its reply."""
    before = engine.core.counters()["dirty"]
    reply = engine.call(*argv)
    return engine.core.counters()["dirty"] - before, reply


def encoding(engine, key):
    return engine.call("PFDEBUG", "ENCODING", key)


def is_stale(engine, key):
    return bool(engine.call("GET", key)[15] & STALE)


def registers(engine, key):
    """The registers without touching the key."""
    engine.call("SET", "copy", engine.call("GET", key))
    return engine.call("PFDEBUG", "GETREG", "copy")


elements = st.lists(st.integers(0, 400).map(str) | st.binary(max_size=20), max_size=60)


@given(st.lists(elements, min_size=1, max_size=4), st.sampled_from([60, 200, 3000]))
@settings(max_examples=40)
def test_a_merge_equals_the_union_added(groups, sparse_max):
    """PFMERGE and PFCOUNT of many keys, whatever the encodings, agree with one key that got all elements."""
    engine = make_engine(hll_sparse_max_bytes=sparse_max)
    keys = [f"k{i}" for i in range(len(groups))]
    for key, group in zip(keys, groups):
        engine.call("PFADD", key, *group)
        engine.call("PFADD", "all", *group)
    count = engine.call("PFCOUNT", "all")
    union = {str(e).encode() if isinstance(e, str) else e for group in groups for e in group}
    assert abs(count - len(union)) <= max(2, len(union) // 20)
    assert engine.call("PFCOUNT", *keys, "missing") == count
    assert engine.call("PFMERGE", "merged", *keys, "missing") == b"OK"
    assert engine.call("PFCOUNT", "merged") == count
    assert registers(engine, "merged") == registers(engine, "all")
    engine.call("PFMERGE", "k0", *keys[1:])               # the destination counts as a source
    assert registers(engine, "k0") == registers(engine, "all")


@given(elements, elements)
@settings(max_examples=30)
def test_both_encodings_hold_the_same(first, second):
    engine = make_engine()
    engine.call("PFADD", "sparse", *first)
    engine.call("PFADD", "dense", *first)
    assert engine.call("PFDEBUG", "TODENSE", "dense") == 1
    assert engine.call("PFADD", "sparse", *second) == engine.call("PFADD", "dense", *second)
    assert engine.call("PFCOUNT", "sparse") == engine.call("PFCOUNT", "dense")
    assert (encoding(engine, "sparse"), encoding(engine, "dense")) == (b"sparse", b"dense")
    assert len(engine.call("GET", "dense")) == 12304
    assert registers(engine, "sparse") == registers(engine, "dense")


def test_the_estimate_is_near_the_truth():
    engine, rng, total = make_engine(), random.Random(7), 0
    while total < 50_000:
        engine.call("PFADD", "k", *[rng.random() for _ in range(500)])
        total += 500
        assert abs(engine.call("PFCOUNT", "k") - total) <= total * 0.05
    assert encoding(engine, "k") == b"dense"


def test_pfadd_answers_whether_a_register_rose(engine):
    assert dirty(engine, "PFADD", "k") == (1, 1)
    assert dirty(engine, "PFADD", "k") == (0, 0)
    assert dirty(engine, "PFADD", "k", "a", "b", "c", "a") == (3, 1)
    assert dirty(engine, "PFADD", "k", "a", "b", "c") == (0, 0)
    assert dirty(engine, "PFADD", "k", "") == (1, 1)
    assert dirty(engine, "PFADD", "new", "a", "b") == (3, 1)
    assert engine.call("PFCOUNT", "k") == 4


def test_pfcount_caches_in_the_value(engine):
    engine.call("PFADD", "k")
    assert engine.call("GET", "k") == EMPTY[:15] + bytes([STALE]) + EMPTY[16:]
    assert dirty(engine, "PFCOUNT", "k") == (1, 0)
    assert engine.call("GET", "k") == EMPTY
    engine.call("PFADD", "k", "a", "b", "c")
    assert is_stale(engine, "k")
    assert dirty(engine, "PFCOUNT", "k") == (1, 3)
    assert dirty(engine, "PFCOUNT", "k") == (0, 3)
    assert engine.call("GET", "k")[8:16] == b"\x03" + b"\0" * 7
    engine.call("PFADD", "k", "a")
    assert not is_stale(engine, "k")
    assert dirty(engine, "PFCOUNT", "k", "k") == (0, 3)
    engine.call("PFMERGE", "k")
    assert is_stale(engine, "k")


def test_pfcount_believes_the_cache(engine):
    engine.call("SET", "k", EMPTY[:8] + b"\x39\x30" + EMPTY[10:])
    assert engine.call("PFCOUNT", "k") == 12345
    assert engine.call("PFCOUNT", "k", "missing") == 0


def test_pfcount_of_missing_keys(engine):
    assert dirty(engine, "PFCOUNT", "a") == (0, 0)
    assert dirty(engine, "PFCOUNT", "a", "b") == (0, 0)
    assert engine.call("GET", "a") is None


def test_pfmerge_creates_and_always_counts_as_a_change(engine):
    for _ in range(2):
        assert dirty(engine, "PFMERGE", "d", "missing")[0] == 1
        assert engine.call("PFCOUNT", "d") == 0
    engine.call("PFADD", "k", "a")
    engine.call("PFDEBUG", "TODENSE", "k")
    engine.call("PFMERGE", "d", "k")
    assert encoding(engine, "d") == b"dense"                    # one dense source makes the result dense


def test_hll_sparse_max_bytes(engine):
    engine.set("hll_sparse_max_bytes", 30)
    engine.call("PFADD", "k")
    assert encoding(engine, "k") == b"sparse"
    engine.call("PFADD", "k", *range(10))
    assert encoding(engine, "k") == b"dense"
    engine.set("hll_sparse_max_bytes", 3000)
    engine.call("PFADD", "l", *range(10))
    assert encoding(engine, "l") == b"sparse"


BROKEN = [b"", b"HYLL", b"hyll" + EMPTY[4:], b"12345", EMPTY[:4] + b"\x02" + EMPTY[5:],
          EMPTY[:4] + b"\0" + EMPTY[5:], EMPTY[:15]]


@pytest.mark.parametrize("value", BROKEN)
def test_a_value_with_a_wrong_header_is_refused(engine, value):
    engine.call("SET", "s", value)
    engine.call("PFADD", "k", "a")
    for argv in (("PFADD", "s"), ("PFADD", "s", "a"), ("PFCOUNT", "s"), ("PFCOUNT", "k", "s"), ("PFMERGE", "s"),
                 ("PFMERGE", "s", "k"), ("PFMERGE", "new", "k", "s"), ("PFDEBUG", "ENCODING", "s"),
                 ("PFDEBUG", "X", "s")):
        assert error(engine, *argv) == NOT_HLL
    assert engine.call("GET", "s") == value
    assert engine.call("GET", "new") is None


@pytest.mark.parametrize("runs", [b"", b"\x7f\xfe", b"\x7f\xff\x00", b"\x7f", b"\x7f\xff\x7f\xff", b"\x80" * 20])
def test_broken_runs_are_found(engine, runs):
    value = EMPTY[:15] + bytes([STALE]) + runs
    engine.call("PFADD", "k", "a")
    for argv in (("PFCOUNT", "s"), ("PFCOUNT", "k", "s"), ("PFMERGE", "s"), ("PFMERGE", "new", "k", "s"),
                 ("PFMERGE", "s", "k"), ("PFDEBUG", "GETREG", "s"), ("PFDEBUG", "TODENSE", "s")):
        engine.call("SET", "s", value)
        assert error(engine, *argv) == CORRUPT
        assert engine.call("GET", "s") == value
    assert engine.call("GET", "new") is None
    assert engine.call("PFADD", "s") == 0


def test_pfadd_reports_runs_that_end_too_early(engine):
    engine.call("SET", "s", EMPTY[:16])
    assert error(engine, "PFADD", "s", "a") == CORRUPT
    assert engine.call("GET", "s") == EMPTY[:16]


@given(st.binary(max_size=60), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=5))
def test_no_value_brings_the_commands_down(tail, damage):
    """Whatever bytes a client stores: an answer or one of the two refusals."""
    engine = make_engine()
    engine.call("PFADD", "k", *range(30))
    value = bytearray(engine.call("GET", "k") + tail)
    for at, byte in damage:
        value[at % len(value)] = byte
    for argv in (("PFCOUNT", "s"), ("PFADD", "s", *range(100, 110)), ("PFCOUNT", "s", "k"), ("PFMERGE", "new", "s"),
                 ("PFMERGE", "s", "k"), ("PFDEBUG", "DECODE", "s"), ("PFDEBUG", "GETREG", "s")):
        engine.call("SET", "s", bytes(value))
        reply = engine.ask(*argv)
        sparse = "ERR HLL encoding is not sparse"
        assert not isinstance(reply, Error) or str(bytes(reply), "ascii") in (NOT_HLL, CORRUPT, sparse)


def test_pfdebug(engine):
    engine.call("PFADD", "k", "a", "b")
    assert engine.call("PFDEBUG", "decode", "k") == b"Z:12711 v:2,1 Z:3068 v:1,1 Z:603"
    assert dirty(engine, "PFDEBUG", "ENCODING", "k")[0] == 0
    assert dirty(engine, "PFDEBUG", "TODENSE", "k") == (1, 1)
    assert dirty(engine, "PFDEBUG", "TODENSE", "k") == (0, 0)
    assert error(engine, "PFDEBUG", "DECODE", "k") == "ERR HLL encoding is not sparse"
    assert error(engine, "PFDEBUG", "Foo", "k") == "ERR Unknown PFDEBUG subcommand 'Foo'"
    assert error(engine, "PFDEBUG", "FOO", "missing") == "ERR The specified key does not exist"
    engine.call("PFADD", "l", "a", "b")
    before, reply = dirty(engine, "PFDEBUG", "GETREG", "l")
    assert before == 1 and encoding(engine, "l") == b"dense"
    assert {i: v for i, v in enumerate(reply) if v} == {12711: 2, 15780: 1}


def test_pfselftest_passes(engine):
    assert engine.call("PFSELFTEST") == b"OK"


def test_values_of_other_types_are_refused(engine):
    pytest.importorskip("redispy_core.commands.lists")
    engine.call("LPUSH", "l", "a")
    for argv in (("PFADD", "l"), ("PFCOUNT", "l"), ("PFCOUNT", "l", "l"), ("PFMERGE", "d", "l"), ("PFMERGE", "l"),
                 ("PFDEBUG", "X", "l")):
        assert error(engine, *argv).startswith("WRONGTYPE Operation")


def test_a_value_keeps_its_expiry(engine):
    pytest.importorskip("redispy_core.commands.keys")
    engine.call("PFADD", "k", "a")
    engine.call("EXPIRE", "k", 100)
    engine.call("PFADD", "k", "b")
    engine.call("PFMERGE", "k")
    assert engine.call("TTL", "k") == 100
    assert engine.call("OBJECT", "ENCODING", "k") == b"raw"
