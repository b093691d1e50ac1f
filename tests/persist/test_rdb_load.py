"""RDB files of every version and type become the same keys; what is wrong with a file is said exactly."""
import os
import struct

import pytest
import rdb_bytes as rdb
from rdb_bytes import FUTURE, listpack, many, string
from support.engine import START_MS

from redispy_core.engine import RdbError
from redispy_core.proto.replies import Map


def reader(data, piece=1 << 20):
    """A source that gives so many bytes at a time."""
    at = 0

    def read(n):
        nonlocal at
        got = data[at:at + min(n, piece)]
        at += len(got)
        return got
    return read


@pytest.fixture
def load(engine):
    def load(data, piece=1 << 20, **options):
        return engine.core.load_rdb(reader(data, piece), **options)
    return load


READ = {b"string": ("GET",), b"list": ("LRANGE", 0, -1), b"set": ("SMEMBERS",), b"hash": ("HGETALL",),
        b"zset": ("ZRANGE", 0, -1, "WITHSCORES"), b"stream": ("XRANGE", "-", "+")}


def value(engine, key, db=0):
    """A key's value in a form that does not hang on the protocol."""
    kind = engine.call("TYPE", key, db=db)
    if kind == b"none":
        return None
    command, *rest = READ[bytes(kind)]
    found = engine.core.call_in(db, command, key, *rest, resp=2)
    if kind == b"set":
        return set(found)
    if kind == b"hash":
        return dict(zip(found[::2], found[1::2], strict=True))
    if kind == b"zset":
        return list(zip(found[::2], map(float, found[1::2]), strict=True))
    return found


def encoding(engine, key):
    return engine.call("OBJECT", "ENCODING", key).decode()


PAIRS = [(b"a", b"1"), (b"long", b"x" * 70)]
PAIR = {b"a": b"1", b"long": b"x" * 70}
SMALL = [b"a", b"5", b"-1", b"300", b"70000", b"hello", b"x" * 70]
PACKED = [b"a", 5, -1, 300, 70000, b"hello", b"x" * 70]
TIMED = listpack(b"f", b"v", FUTURE, b"g", b"w", FUTURE + 1, b"h", b"x", 0)
VALUES = {                              # name -> (type, value's bytes, what it is, encoding, first version that has it)
    "string": (0, string("hello"), b"hello", "embstr", 1),
    "string empty": (0, string(""), b"", "embstr", 1),
    "string int8": (0, b"\xc0\x2a", b"42", "int", 1),
    "string int16": (0, b"\xc1\x7f\xff", b"-129", "int", 1),
    "string int32": (0, b"\xc2\x70\x11\x01\x00", b"70000", "int", 1),
    "string 64 bit": (0, string("5000000000"), b"5000000000", "int", 1),
    "string no integer": (0, string("007"), b"007", "embstr", 1),
    "string lzf": (0, bytes.fromhex("c30940640161 61e0570001 6161".replace(" ", "")), b"a" * 100, "raw", 1),
    "string 32-bit length": (0, b"\x80\0\0\0\x03abc", b"abc", "embstr", 1),
    "string 64-bit length": (0, b"\x81\0\0\0\0\0\0\0\x03abc", b"abc", "embstr", 8),
    "string long": (0, string(bytes(range(256)) * 3000), bytes(range(256)) * 3000, "raw", 1),
    "string long lzf": (0, rdb.lzf_literal(b"0123456789" * 70000), b"0123456789" * 70000, "raw", 1),
    "list": (1, many(SMALL), SMALL, "listpack", 1),
    "list long": (1, many(range(5000)), [b"%d" % i for i in range(5000)], "quicklist", 1),
    "list ziplist": (10, string(rdb.ziplist(*PACKED)), SMALL, "quicklist", 1),
    "list ziplist long entry": (10, string(rdb.ziplist(b"y" * 300, b"z", b"w" * 20000)), [b"y" * 300, b"z", b"w" * 20000],
                                "quicklist", 1),
    "list ziplist unknown count": (10, string(rdb.ziplist(b"a", b"b", count=65535)), [b"a", b"b"], "quicklist", 1),
    "quicklist": (14, many([rdb.ziplist(b"a", 5), rdb.ziplist(b"b")]), [b"a", b"5", b"b"], "quicklist", 7),
    "quicklist of one": (14, many([rdb.ziplist(b"a", 5)]), [b"a", b"5"], "listpack", 7),
    "quicklist 2": (18, b"\x03\x02" + string(listpack(b"a", 5)) + b"\x01" + string("plain") + b"\x02" + string(listpack(7)),
                    [b"a", b"5", b"plain", b"7"], "quicklist", 10),
    "quicklist 2 of one": (18, b"\x01\x02" + string(listpack(*PACKED)), SMALL, "listpack", 10),
    "quicklist 2 with an empty node": (18, b"\x02\x02" + string(listpack()) + b"\x02" + string(listpack(b"a")), [b"a"],
                                       "listpack", 10),
    "quicklist 2 large plain": (18, b"\x01\x01" + rdb.lzf_literal(b"p" * 400000), [b"p" * 400000], "quicklist", 10),
    "set": (2, many(["a", "b"]), {b"a", b"b"}, "listpack", 1),
    "set of integers": (2, b"\x03\xc0\x01\xc0\x02" + string(300), {b"1", b"2", b"300"}, "intset", 1),
    "set turning": (2, many([1, 2, "x"]), {b"1", b"2", b"x"}, "listpack", 1),
    "set large": (2, many([f"m{i}" for i in range(600)]), {b"m%d" % i for i in range(600)}, "hashtable", 1),
    "set long member": (2, many(["y" * 65]), {b"y" * 65}, "hashtable", 1),
    "intset 16": (11, string(rdb.intset(2, -5, 1, 300)), {b"-5", b"1", b"300"}, "intset", 1),
    "intset 64": (11, string(rdb.intset(8, 1, 5_000_000_000)), {b"1", b"5000000000"}, "intset", 1),
    "intset large": (11, string(rdb.intset(4, *range(1000))), {b"%d" % i for i in range(1000)}, "hashtable", 1),
    "set listpack": (20, string(listpack(b"a", b"b", 7)), {b"a", b"b", b"7"}, "listpack", 11),
    "set listpack large": (20, string(listpack(*range(200))), {b"%d" % i for i in range(200)}, "hashtable", 11),
    "zset text": (3, b"\x04" + string("a") + rdb.text_double("2.5") + string("b") + b"\xfe" + string("c") + b"\xff"
                  + string("d") + rdb.text_double("1e2"),
                  [(b"c", float("-inf")), (b"a", 2.5), (b"d", 100.0), (b"b", float("inf"))], "listpack", 1),
    "zset 2": (5, b"\x02" + string("b") + rdb.f64(2.5) + string("a") + rdb.f64(1), [(b"a", 1.0), (b"b", 2.5)], "listpack", 8),
    "zset 2 large": (5, rdb.length(500) + b"".join(string(f"m{i:03}") + rdb.f64(i / 8) for i in reversed(range(500))),
                     [(b"m%03d" % i, i / 8) for i in range(500)], "skiplist", 8),
    "zset ziplist": (12, string(rdb.ziplist(b"a", 1, b"b", b"2.5")), [(b"a", 1.0), (b"b", 2.5)], "listpack", 1),
    "zset listpack": (17, string(listpack(b"a", b"-inf", b"b", 1, b"c", b"2.5")),
                      [(b"a", float("-inf")), (b"b", 1.0), (b"c", 2.5)], "listpack", 10),
    "zset listpack large": (17, string(listpack(*[v for i in range(200) for v in (b"m%03d" % i, i)])),
                            [(b"m%03d" % i, float(i)) for i in range(200)], "skiplist", 10),
    "hash": (4, b"\x02" + b"".join(string(f) + string(v) for f, v in PAIRS), PAIR, "hashtable", 1),
    "hash small": (4, b"\x01" + string("f") + b"\xc0\x07", {b"f": b"7"}, "listpack", 1),
    "hash large": (4, rdb.length(600) + b"".join(string(i) + string(-i) for i in range(600)),
                   {b"%d" % i: b"%d" % -i for i in range(600)}, "hashtable", 1),
    "zipmap": (9, string(rdb.zipmap([(b"foo", b"hi"), (b"b", b"z" * 60)], idle=1)), {b"foo": b"hi", b"b": b"z" * 60},
               "listpack", 1),
    "zipmap long": (9, string(rdb.zipmap([(b"f", b"z" * 300)])), {b"f": b"z" * 300}, "hashtable", 1),
    "hash ziplist": (13, string(rdb.ziplist(b"a", 1, b"b", b"w")), {b"a": b"1", b"b": b"w"}, "listpack", 4),
    "hash listpack": (16, string(listpack(b"a", 1, b"b", b"w")), {b"a": b"1", b"b": b"w"}, "listpack", 10),
    "hash listpack large": (16, string(listpack(*range(2000))), {b"%d" % i: b"%d" % (i + 1) for i in range(0, 2000, 2)},
                            "hashtable", 10),
    "hash metadata": (24, rdb.i64(FUTURE) + b"\x02" + rdb.length(1) + string("f") + string("v") + b"\0" + string("g")
                      + string("w"), {b"f": b"v", b"g": b"w"}, "listpackex", 12),
    "hash metadata pre-GA": (22, b"\x02" + rdb.length(FUTURE) + string("f") + string("v") + b"\0" + string("g") + string("w"),
                             {b"f": b"v", b"g": b"w"}, "listpackex", 12),
    "hash listpackex": (25, rdb.i64(FUTURE) + string(TIMED), {b"f": b"v", b"g": b"w", b"h": b"x"}, "listpackex", 12),
    "hash listpackex pre-GA": (23, string(TIMED), {b"f": b"v", b"g": b"w", b"h": b"x"}, "listpackex", 12),
    "stream": (15, rdb.stream(), [[b"1-0", [b"f", b"v"]], [b"2-0", [b"f", b"w"]]], "stream", 9),
    "stream with a deleted entry": (15, rdb.stream(total=1, deleted=1), [[b"2-0", [b"f", b"w"]]], "stream", 9),
}
OTHER_VALUES = {"hash of Valkey": (22, b"\x02" + string("f") + string("v") + rdb.i64(FUTURE) + string("g") + string("w")
                                   + rdb.i64(-1), {b"f": b"v", b"g": b"w"}, "listpackex", 80)}


@pytest.mark.parametrize("name", VALUES | OTHER_VALUES)
@pytest.mark.parametrize("piece", [1 << 20, 7], ids=["whole", "in pieces"])
def test_a_value_of_every_type(engine, load, name, piece):
    kind, data, expected, enc, version = (VALUES | OTHER_VALUES)[name]
    if piece < 100 and len(data) > 20000:
        pytest.skip("long, and only the way it is cut is another")
    magic = b"VALKEY080" if version == 80 else None
    told = load(rdb.file(b"\xfe\x03\xfb\x02\x00", rdb.key("other", 0, string("x")), rdb.key("k", kind, data),
                         version=version, magic=magic), piece)
    assert value(engine, "k", 3) == expected and told["keys"] == 2
    assert engine.core.call_in(3, "OBJECT", "ENCODING", "k") == enc.encode()
    assert value(engine, "other", 3) == b"x"


@pytest.mark.parametrize("name", VALUES)
def test_a_value_that_is_cut_short_is_refused_and_leaves_nothing(engine, load, name):
    kind, data = VALUES[name][:2]
    engine.call("FLUSHALL")                 # blocks that stay with the engine are there from the first call on
    before = engine.core.allocator_counters()
    for cut in sorted({1, len(data) // 2, len(data) - 1} - {0, len(data)}):
        data_file = rdb.file(rdb.key("k", kind, data), version=12)
        whole = len(data_file) - 9 - len(data)
        with pytest.raises(RdbError, match="Short read|Internal error") as told:
            load(data_file[:whole + cut])
        assert told.value.offset <= whole + cut and engine.call("DBSIZE") == 0
    assert engine.core.allocator_counters()["blocks"] == before["blocks"]


def test_an_old_file_has_no_checksum(engine, load):
    told = load(rdb.file(b"\xfe\0", rdb.key("k", 0, string("v")), b"\xfe\x01", rdb.key("k", 0, string("w")), version=1))
    assert told["keys"] == 2 and told["version"] == 1 and value(engine, "k") == b"v" and value(engine, "k", 1) == b"w"


def test_what_stands_before_and_behind_keys(engine, load):
    module_aux = b"\xf7" + rdb.length(1 << 60) + b"\x02\x01" + b"\x02\x05\x01\x07\x03abcd\x04abcdefgh\x05" + string("s") + b"\0"
    told = load(rdb.file(
        b"\xfa" + string("redis-ver") + string("8.0.0"), b"\xfa" + string("repl-offset") + b"\xc1\x10\x27",
        module_aux, b"\xf5" + string("#!lua name=lib\n"), b"\xf5" + string("#!lua name=two\n"),
        b"\xfe\x00\xfb\x02\x01", b"\xf4\x43\x62\x01\x01", rdb.key("k", 0, string("v"), b"\xfc" + rdb.i64(FUTURE)),
        rdb.key("old", 0, string("v"), b"\xfd" + struct.pack("<i", 2_000_000_000)), module_aux, version=12))
    assert told["aux"] == {b"redis-ver": b"8.0.0", b"repl-offset": b"10000"}
    assert told["functions"] == [b"#!lua name=lib\n", b"#!lua name=two\n"]
    assert engine.call("PEXPIRETIME", "k") == FUTURE and engine.call("PEXPIRETIME", "old") == 2_000_000_000_000


def test_idle_times_and_counters(engine, load):
    data = rdb.file(b"\xfe\0", rdb.key("idle", 0, string("v"), b"\xf8" + rdb.length(1000)), rdb.key("new", 0, string("v")),
                    rdb.key("counted", 0, string("v"), b"\xf9\x64"))
    load(data)
    assert engine.call("OBJECT", "IDLETIME", "idle") == 1000 and engine.call("OBJECT", "IDLETIME", "new") == 0
    engine.call("FLUSHALL")
    engine.set("maxmemory_policy", 2 | 4)
    load(data)
    assert engine.call("OBJECT", "FREQ", "counted") == 100 and engine.call("OBJECT", "FREQ", "idle") == 5


def test_expired_keys_are_dropped_unless_they_are_a_primary_s(engine, load):
    past = b"\xfc" + rdb.i64(START_MS - 1)
    data = rdb.file(b"\xfe\0\xfb\x03\x02", rdb.key("gone", 0, string("v"), past), rdb.key("l", 1, many(["a"]), past),
                    rdb.key("now", 0, string("v"), b"\xfc" + rdb.i64(START_MS)), rdb.key("stays", 0, string("v")))
    told = load(data)
    assert (told["keys"], told["expired"]) == (2, 2) and engine.call("DBSIZE") == 2
    engine.call("FLUSHALL")
    told = load(data, keep_expired=True)
    assert (told["keys"], told["expired"]) == (4, 0) and engine.call("DBSIZE") == 4


def test_field_expiries_work_after_loading(engine, load):
    load(rdb.file(rdb.key("ex", 25, rdb.i64(START_MS + 100) + string(listpack(b"f", b"v", START_MS + 100, b"g", b"w", 0))),
                  rdb.key("ht", 24, rdb.i64(START_MS + 100) + rdb.length(700) + b"".join(
                      rdb.length(1 + i) + string(i) + string("v") for i in range(700))), version=12))
    assert engine.call("HPEXPIRETIME", "ht", "FIELDS", 2, 0, 699) == [START_MS + 100, START_MS + 799]
    assert engine.call("HPEXPIRETIME", "ex", "FIELDS", 2, "f", "g") == [START_MS + 100, -1]
    engine.advance(500)
    engine.core.cron()
    assert value(engine, "ex") == {b"g": b"w"} and engine.call("HLEN", "ht") == 300


def test_keys_without_elements_are_passed_over(engine, load):
    empty = {1: b"\0", 2: b"\0", 4: b"\0", 5: b"\0", 14: b"\0", 18: b"\0", 10: string(rdb.ziplist()),
             13: string(rdb.ziplist()), 16: string(listpack()), 20: string(listpack()), 17: string(listpack()),
             11: string(rdb.intset(2)), 12: string(rdb.ziplist())}
    told = load(rdb.file(*[rdb.key(f"k{kind}", kind, data) for kind, data in empty.items()], rdb.key("full", 0, string("v"))))
    assert told["empty"] == [b"k%d" % kind for kind in empty] and told["keys"] == 1 and engine.call("KEYS", "*") == [b"full"]


def test_stream_groups(engine, load):
    pending = [rdb.stream_id(1), rdb.stream_id(2)]
    groups = (b"\x01" + string("g") + b"\x02\x00" + b"\x02" + b"".join(id + rdb.i64(77) + b"\x03" for id in pending)
              + b"\x02" + string("alice") + rdb.i64(5) + b"\x01" + pending[0] + string("bob") + rdb.i64(6) + b"\x01" + pending[1])
    load(rdb.file(rdb.key("s", 15, rdb.stream(groups=groups))))
    assert engine.core.call_in(0, "XPENDING", "s", "g", resp=2) == [2, b"1-0", b"2-0", [[b"alice", b"1"], [b"bob", b"1"]]]
    about = dict(engine.call("XINFO", "STREAM", "s", "FULL")) if engine.protocol == 3 else None
    if about:
        group = dict(about[b"groups"][0])
        assert group[b"entries-read"] == 2 and group[b"pending"][0] == [b"1-0", b"alice", 77, 3]
        assert dict(group[b"consumers"][1])[b"active-time"] == 6        # older files do not tell it: when it was seen


BROKEN = {                              # name -> (file, kind of the error, its text)
    "nothing": (b"", "short", "Short read"),
    "magic": (b"REDIX0011\xff", "signature", "Wrong signature trying to load DB from file"),
    "version text": (b"REDIS00x1\xff", "signature", "Wrong signature"),
    "newer": (b"REDIS0013\xff", "version", "Can't handle RDB format version 13"),
    "version 0": (b"REDIS0000\xff", "version", "Can't handle RDB format version 0"),
    "newer Valkey": (b"VALKEY081\xff", "version", "Can't handle RDB format version 81"),
    "no end": (b"REDIS0011", "short", "Short read or OOM loading DB"),
    "checksum": (rdb.file(version=11)[:-1] + b"\x01", "checksum", "Wrong RDB checksum expected"),
    "database": (rdb.file(b"\xfe\x10"), "corrupt", "more databases"),
    "twice": (rdb.file(rdb.key("k", 0, string("v")), rdb.key("k", 0, string("w"))), "corrupt", "there twice"),
    "old functions": (rdb.file(b"\xf6"), "corrupt", "Pre-release function format not supported"),
    "type": (rdb.file(rdb.key("k", 8, string("v"))), "corrupt", "Unknown RDB encoding type"),
    "type 26": (rdb.file(rdb.key("k", 26, string("v"))), "corrupt", "Unknown RDB encoding type"),
    "module": (rdb.file(rdb.key("k", 7, b"\x81" + bytes.fromhex("b5eb2dffffddb401") + b"\0")), "corrupt",
               "no matching module type 'test___dt'"),
    "module aux": (rdb.file(b"\xf7\x01\x03\x01\0"), "corrupt", "when_opcode"),
    "length": (rdb.file(b"\xfe\xc0"), "corrupt", "length is expected"),
    "string": (rdb.file(rdb.key("k", 0, b"\xc4")), "corrupt", "Unknown RDB string encoding"),
    "lzf": (rdb.file(rdb.key("k", 0, b"\xc3\x02\x10\xff\xff")), "corrupt", "Invalid LZF"),
    "lzf bomb": (rdb.file(rdb.key("k", 0, b"\xc3\x02\x81" + b"\xff" * 8 + b"\xff\xff")), "corrupt", "Invalid LZF"),
    "huge string": (rdb.file(rdb.key("k", 0, b"\x81" + b"\x7f" * 8)), "short", "Short read"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files(engine, tmp_path, name):
    data, kind, text = BROKEN[name]
    (tmp_path / "dump.rdb").write_bytes(data)
    engine.call("FLUSHALL")
    blocks = engine.core.allocator_counters()["blocks"]
    with open(tmp_path / "dump.rdb", "rb") as opened, pytest.raises(RdbError) as told:
        engine.core.load_rdb(opened.fileno())
    assert told.value.kind == kind and text in str(told.value)
    engine.call("FLUSHALL")
    assert engine.core.allocator_counters()["blocks"] == blocks


def test_a_checksum_of_zero_or_one_that_nobody_wants_passes(engine, load):
    load(rdb.file(rdb.key("k", 0, string("v")), checksum=False))
    wrong = rdb.file(rdb.key("l", 0, string("v")))[:-8] + b"12345678"
    engine.set("rdbchecksum", 0)
    load(wrong)
    engine.set("rdbchecksum", 1)
    engine.core.debug_allowed = "yes"
    engine.call("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1)
    engine.call("DEL", "l")
    load(wrong)
    assert engine.call("DBSIZE") == 2


def test_keys_that_are_there_are_replaced_only_if_asked(engine, load):
    data = rdb.file(b"\xfe\0", rdb.key("k", 1, many(["new"])), rdb.key("l", 0, string("v")))
    engine.call("SET", "k", "old", "EX", 100)
    with pytest.raises(RdbError, match="there twice"):
        load(data)
    engine.call("DEL", "l")
    assert load(data, replace=True)["keys"] == 2
    assert value(engine, "k") == [b"new"] and engine.call("TTL", "k") == -1 and engine.call("DBSIZE") == 2


def test_loading_aside(engine, load):
    data = rdb.file(b"\xfe\0", rdb.key("k", 0, string("new")), b"\xfe\x02", rdb.key("h", 25, rdb.i64(FUTURE) + string(TIMED)),
                    version=12)
    engine.call("SET", "k", "old")
    load(data, staged=True)
    assert value(engine, "k") == b"old" and engine.call("DBSIZE", db=2) == 0
    engine.core.discard_staged()
    with pytest.raises(ValueError):
        engine.core.swap_staged()
    with pytest.raises(RdbError):
        load(data[:-20], staged=True)
    load(data, staged=True)
    watcher = engine.client()
    watcher.call("WATCH", "k")
    watcher.call("MULTI")
    watcher.call("PING")
    engine.core.swap_staged()
    assert "null" in repr(watcher.call("EXEC"))
    assert value(engine, "k") == b"new" and engine.call("HLEN", "h", db=2) == 3
    assert engine.call("HPEXPIRETIME", "h", "FIELDS", 1, "f", db=2) == [FUTURE]


def test_progress_is_told_and_can_stop(engine, load):
    data = rdb.file(*[rdb.key(f"k{i:04}", 0, string("v" * 100)) for i in range(2000)])
    seen = []
    load(data, progress=lambda offset, keys: seen.append((offset, keys)), interval=20_000)
    assert len(seen) > 8 and seen == sorted(seen) and seen[-1][1] > 1500
    engine.call("FLUSHALL")
    with pytest.raises(RdbError) as told:
        load(data, progress=lambda offset, keys: keys > 500, interval=5_000)
    assert told.value.kind == "stopped" and 480 < engine.call("DBSIZE") < 700
    engine.call("FLUSHALL")
    with pytest.raises(ZeroDivisionError):
        load(data, progress=lambda offset, keys: 1 / 0, interval=5_000)


def test_progress_within_one_value_and_commands_meanwhile(engine, load):
    data = rdb.file(rdb.key("big", 1, many(["x" * 1000] * 3000)))
    seen = []

    def progress(offset, keys):
        engine.call("SET", "meanwhile", offset)
        seen.append(keys)

    load(data, progress=progress, interval=100_000)
    assert seen.count(0) > 5 and engine.call("LLEN", "big") == 3000 and engine.call("EXISTS", "meanwhile") == 1


def test_bytes_behind_the_end_stay_with_the_caller(engine, load, tmp_path):
    data, behind = rdb.file(rdb.key("k", 0, string("v"))), b"*1\r\n$4\r\nPING\r\n"
    told = load(data + behind)
    assert told["bytes"] == len(data) and told["rest"] == behind
    engine.call("FLUSHALL")
    (tmp_path / "aof").write_bytes(b"head" + data + behind)
    with open(tmp_path / "aof", "rb") as opened:
        os.lseek(opened.fileno(), 4, os.SEEK_SET)
        engine.core.load_rdb(opened.fileno())
        assert os.read(opened.fileno(), 100) == behind


def test_sources_that_fail(engine, tmp_path):
    def raising(n):
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        engine.core.load_rdb(raising)
    with pytest.raises(ValueError, match="more bytes"):
        engine.core.load_rdb(lambda n: b"x" * (n + 1))
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(RdbError, match="I/O error|Short read"):
            engine.core.load_rdb(folder)
    finally:
        os.close(folder)


def test_from_a_pipe(engine):
    reading, writing = os.pipe()
    os.write(writing, rdb.file(b"\xfe\0\xfb\x0a\x00", rdb.key("k", 0, string("v"))) + b"rest")
    os.close(writing)
    told = engine.core.load_rdb(reading)
    os.close(reading)
    assert told["keys"] == 1 and told["rest"] == b"rest"


def test_settings_choose_encodings(engine, load):
    for name in ("hash_max_listpack_entries", "set_max_listpack_entries", "zset_max_listpack_entries",
                 "set_max_intset_entries"):
        engine.set(name, 1)
    engine.set("list_max_listpack_size", 1)
    load(rdb.file(rdb.key("h", 16, string(listpack(1, 2, 3, 4))), rdb.key("s", 20, string(listpack(1, 2))),
                  rdb.key("z", 17, string(listpack(b"a", 1, b"b", 2))), rdb.key("i", 11, string(rdb.intset(2, 1, 2))),
                  rdb.key("l", 18, b"\x01\x02" + string(listpack(1, 2))),
                  rdb.key("x", 25, rdb.i64(FUTURE) + string(TIMED)), version=12))
    assert [encoding(engine, key) for key in "hszilx"] == ["hashtable", "hashtable", "skiplist", "hashtable", "quicklist",
                                                           "hashtable"]
    assert engine.call("HPEXPIRETIME", "x", "FIELDS", 3, "f", "g", "h") == [FUTURE, FUTURE + 1, -1]


def test_replies_use_the_loaded_values(engine, load):
    load(rdb.file(rdb.key("h", 16, string(listpack(b"f", 1)))))
    assert engine.call("HGETALL", "h") == (Map([(b"f", b"1")]) if engine.protocol == 3 else [b"f", b"1"])
