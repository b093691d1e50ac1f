"""RESTORE: errors and their order, options, expiry, what is refused in a payload, what real servers dump."""
import random

import pytest
import rdb_bytes as rdb
from rdb_bytes import FUTURE, dump, listpack, many, string
from support import reference as reference_server
from support.engine import START_MS, make_engine
from support.resp import Error, encode
from support.server import Server
from test_rdb_load import VALUES, value

GOOD = dump(0, string("v"))
BAD = "ERR Bad data format"
WRONG = "ERR DUMP payload version or checksum are wrong"


@pytest.fixture
def engine(protocol):
    """Its log is kept: refused payloads are told there."""
    engine = make_engine(protocol)
    engine.logged = []
    engine.core.log = lambda level, text: engine.logged.append(text)
    engine.core.debug_allowed = "yes"
    return engine


@pytest.mark.parametrize("argv, reply", [
    (("a", "abc", "junk"), "BUSYKEY Target key name already exists."),
    (("a", "0", GOOD, "IDLETIME", "1"), "BUSYKEY Target key name already exists."),
    (("z", "abc", "junk"), "ERR value is not an integer or out of range"),
    (("z", "-1", "junk"), "ERR Invalid TTL value, must be >= 0"),
    (("a", "-1", "junk", "REPLACE"), "ERR Invalid TTL value, must be >= 0"),
    (("z", "0", "junk"), WRONG),
    (("z", "0", ""), WRONG),
    (("z", "0", GOOD[:-1] + b"x"), WRONG),
    (("z", "0", dump(0, string("v"), 13)), WRONG),
    (("z", "0", dump(0, string("v"), 79)), WRONG),
    (("z", "0", dump(0, string("v"), 81)), WRONG),
    (("z", "0", rdb.struct.pack("<HQ", 11, rdb.crc64(b"\x0b\0"))), BAD),
    (("z", "0", GOOD, "FOO"), "ERR syntax error"),
    (("z", "0", GOOD, "IDLETIME"), "ERR syntax error"),
    (("z", "0", GOOD, "IDLETIME", "x"), "ERR value is not an integer or out of range"),
    (("z", "0", GOOD, "IDLETIME", "-1"), "ERR Invalid IDLETIME value, must be >= 0"),
    (("z", "0", GOOD, "FREQ", "x"), "ERR value is not an integer or out of range"),
    (("z", "0", GOOD, "FREQ", "-1"), "ERR Invalid FREQ value, must be >= 0 and <= 255"),
    (("z", "0", GOOD, "FREQ", "256"), "ERR Invalid FREQ value, must be >= 0 and <= 255"),
    (("z", "0", GOOD, "FREQ", "1", "IDLETIME", "1"), "ERR syntax error"),
    (("z", "0", GOOD, "IDLETIME", "1", "FREQ", "1"), "ERR syntax error"),
    (("z", "0"), "ERR wrong number of arguments for 'restore' command"),
])
def test_errors(engine, argv, reply):
    engine.call("SET", "a", "old")
    assert engine.ask("RESTORE", *argv) == Error(reply)
    assert engine.call("GET", "a") == b"old" and engine.call("DBSIZE") == 1


@pytest.mark.parametrize("name", VALUES)
def test_a_payload_of_every_type(engine, name):
    kind, data, expected, enc, version = VALUES[name]
    assert engine.call("RESTORE", "k", 0, dump(kind, data, version)) == b"OK"
    assert value(engine, "k") == expected and engine.call("OBJECT", "ENCODING", "k") == enc.encode()
    again = engine.call("DUMP", "k")
    digest = engine.call("DEBUG", "DIGEST-VALUE", "k")
    assert engine.call("RESTORE", "k", 0, again, "REPLACE") == b"OK"
    assert engine.call("DEBUG", "DIGEST-VALUE", "k") == digest


def test_restore_asking_is_the_same(engine):
    assert engine.call("RESTORE-ASKING", "k", 0, GOOD) == b"OK" and engine.call("GET", "k") == b"v"


def test_valkey_s_type_22_is_told_by_the_version(engine):
    pairs = b"\x02" + string("f") + string("v") + rdb.i64(FUTURE) + string("g") + string("w") + rdb.i64(-1)
    engine.call("RESTORE", "k", 0, dump(22, pairs, 80))
    assert engine.call("HPEXPIRETIME", "k", "FIELDS", 2, "f", "g") == [FUTURE, -1]
    assert engine.ask("RESTORE", "l", 0, dump(22, pairs[:-8] + rdb.i64(-2), 80)) == Error(BAD)
    assert engine.ask("RESTORE", "l", 0, dump(22, pairs, 12)) == Error(BAD)
    engine.call("RESTORE", "past", 0, dump(22, b"\x01" + string("f") + string("v") + rdb.i64(0), 80))
    assert value(engine, "past") in ({}, None)


def test_times(engine):
    engine.call("RESTORE", "k", 100, GOOD)
    assert engine.call("PEXPIRETIME", "k") == START_MS + 100
    engine.call("RESTORE", "k", FUTURE, GOOD, "ABSTTL", "REPLACE")
    assert engine.call("PEXPIRETIME", "k") == FUTURE
    engine.call("RESTORE", "k", 0, GOOD, "ABSTTL", "REPLACE")
    assert engine.call("PEXPIRETIME", "k") == -1
    engine.call("RESTORE", "k", 2**63 - 1, GOOD, "ABSTTL", "REPLACE")
    assert engine.call("PEXPIRETIME", "k") == 2**63 - 1
    assert engine.call("RESTORE", "k", 2**63 - 1, GOOD, "REPLACE") == b"OK" and engine.call("EXISTS", "k") == 0


def test_a_value_that_is_past_on_arrival(engine):
    engine.call("SET", "k", "old")
    dirty = engine.core.dirty
    assert engine.call("RESTORE", "new", START_MS, GOOD, "ABSTTL") == b"OK"
    assert engine.core.dirty == dirty and engine.call("EXISTS", "new") == 0
    assert engine.call("RESTORE", "k", 5, GOOD, "ABSTTL", "REPLACE") == b"OK"
    assert engine.core.dirty == dirty + 1 and engine.call("EXISTS", "k") == 0


@pytest.mark.parametrize("lazy, verb", [(0, b"DEL"), (1, b"UNLINK")])
def test_how_it_leaves_for_the_append_only_file(engine, lazy, verb):
    def left(*argv):
        engine.call("RESTORE", *argv)
        return engine.core.take_aof()

    engine.set("lazyfree_lazy_server_del", lazy)
    engine.core.journal_to(1)
    engine.call("SET", "k", "old")
    engine.core.take_aof()
    assert left("a", 0, GOOD) == encode(("RESTORE", "a", "0", GOOD))
    assert left("a", 100, GOOD, "REPLACE") == encode(("RESTORE", "a", START_MS + 100, GOOD, "REPLACE", "ABSTTL"))
    assert left("a", FUTURE, GOOD, "ABSTTL", "REPLACE") == encode(("RESTORE", "a", FUTURE, GOOD, "ABSTTL", "REPLACE"))
    assert left("gone", 5, GOOD, "ABSTTL") == b""
    assert left("k", 5, GOOD, "ABSTTL", "REPLACE") == encode((verb, "k"))


def test_an_expired_key_does_not_stand_in_the_way(engine):
    engine.call("SET", "k", "old", "PX", 10)
    engine.advance(50)
    assert engine.call("RESTORE", "k", 0, GOOD) == b"OK" and engine.call("GET", "k") == b"v"


def test_idle_time_and_counter(engine):
    engine.call("RESTORE", "k", 0, GOOD, "IDLETIME", 1000)
    assert engine.call("OBJECT", "IDLETIME", "k") == 1000
    engine.call("RESTORE", "k", 0, GOOD, "REPLACE", "FREQ", 100)
    assert engine.call("OBJECT", "IDLETIME", "k") == 0
    engine.set("maxmemory_policy", 2 | 4)
    engine.call("RESTORE", "k", 0, GOOD, "REPLACE", "FREQ", 100)
    assert engine.call("OBJECT", "FREQ", "k") == 100
    engine.call("RESTORE", "k", 0, GOOD, "REPLACE", "IDLETIME", 100)
    assert engine.call("OBJECT", "FREQ", "k") == 5


def test_events_watch_and_blocked_clients(engine):
    engine.set("notify_keyspace_events", 0x3FFF)
    listener, watcher, waiting = engine.client(), engine.client(), engine.client()
    listener.call("PSUBSCRIBE", "__keyevent@0__:*")
    engine.call("RESTORE", "k", 0, GOOD)
    engine.call("RESTORE", "k", 0, GOOD, "REPLACE")
    engine.call("RESTORE", "k", 5, GOOD, "ABSTTL", "REPLACE")
    engine.call("RESTORE", "k", 5, GOOD, "ABSTTL", "REPLACE")
    told = [listener.read()[2] for _ in range(5)]
    assert [event.split(b":")[1] for event in told] == [b"new", b"restore", b"new", b"restore", b"del"]
    assert listener.is_silent()
    watcher.call("WATCH", "l")
    watcher.call("MULTI")
    watcher.call("PING")
    waiting.send_bytes(encode(("BLPOP", "l", 0)))
    engine.call("RESTORE", "l", 0, dump(1, many(["a", "b"])))
    assert "null" in repr(watcher.call("EXEC"))
    assert waiting.read() == [b"l", b"a"]
    assert engine.call("LRANGE", "l", 0, -1) == [b"b"]


def test_the_checksum_may_be_skipped_but_not_the_version(engine):
    engine.call("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1)
    assert engine.call("RESTORE", "k", 0, GOOD[:-8] + b"12345678") == b"OK"
    assert engine.ask("RESTORE", "k", 0, dump(0, string("v"), 13), "REPLACE") == Error(WRONG)


def test_bytes_behind_the_value_do_not_matter(engine):
    assert engine.call("RESTORE", "k", 0, dump(0, string("v") + b"zzz")) == b"OK"


def hash_24(*fields, first=FUTURE):
    """fields: (name, value, <len> before them)."""
    return dump(24, rdb.i64(first) + rdb.length(len(fields))
                + b"".join(rdb.length(t) + string(f) + string(v) for f, v, t in fields), 12)


def zl(*values, **how):
    return string(rdb.ziplist(*values, **how))


def changed(blob, at, byte):
    return blob[:at] + bytes([byte]) + blob[at + 1:]


ZIPLIST = rdb.ziplist(b"a", b"b", b"c", b"d")
LISTPACK = listpack(b"a", b"b", b"c", b"d")
PENDING = rdb.stream_id(1) + rdb.i64(7) + b"\x01"
REFUSED = {                             # in every mode: it would harm whoever works on the value, or real servers refuse it, too
    "ziplist bytes": dump(13, string(changed(ZIPLIST, 0, 99))),
    "ziplist last": dump(13, zl(b"a", b"b", tail=11)),
    "ziplist count": dump(13, zl(b"a", b"b", count=3)),
    "ziplist length before too long": dump(10, string(changed(ZIPLIST, 13, 9))),
    "ziplist length before too short": dump(10, string(changed(ZIPLIST, 13, 2))),
    "ziplist entry too long": dump(10, string(changed(ZIPLIST, 11, 63))),
    "ziplist encoding": dump(10, string(changed(ZIPLIST, 11, 0x86))),
    "ziplist end": dump(10, string(ZIPLIST[:-1] + b"\xfe")),
    "ziplist uneven": dump(13, zl(b"a", b"b", b"c")),
    "ziplist equal fields": dump(13, zl(b"a", 1, b"a", 2)),
    "ziplist equal members": dump(12, zl(b"a", 1, b"a", 2)),
    "zipmap empty": dump(9, b"\x02\0\xff"),
    "zipmap count": dump(9, string(rdb.zipmap([(b"a", b"b")], count=2))),
    "zipmap length": dump(9, string(b"\x01\x7fa\x01\0b\xff")),
    "zipmap far length": dump(9, string(b"\x01\xfe\xff\xff\xff\xffa\x01\0b\xff")),
    "zipmap idle bytes": dump(9, string(b"\x01\x01a\x01\x7fb\xff")),
    "zipmap field alone": dump(9, string(b"\x01\x01a\xff")),
    "zipmap equal fields": dump(9, string(rdb.zipmap([(b"a", b"b"), (b"a", b"c")]))),
    "listpack bytes": dump(16, string(changed(LISTPACK, 0, 99))),
    "listpack count": dump(16, string(listpack(b"a", b"b", count=4))),
    "listpack back length": dump(16, string(changed(LISTPACK, 8, 3))),
    "listpack entry too long": dump(16, string(changed(LISTPACK, 6, 0xBF))),
    "listpack long entry cut": dump(16, string(changed(LISTPACK, 15, 0xF0))),
    "listpack bytes behind the end": dump(20, string(changed(LISTPACK, 9, 0xFF))),
    "listpack uneven": dump(16, string(listpack(b"a", b"b", b"c"))),
    "listpack no triples": dump(25, rdb.i64(FUTURE) + string(listpack(b"a", b"b", FUTURE, b"c")), 12),
    "listpack empty": dump(16, string(listpack())),
    "listpack of nothing": dump(16, b"\0"),
    "listpack text as time": dump(25, rdb.i64(FUTURE) + string(listpack(b"f", b"v", b"zz")), 12),
    "listpack time too large": dump(23, string(listpack(b"f", b"v", 1 << 48)), 12),
    "listpack time negative": dump(23, string(listpack(b"f", b"v", -1)), 12),
    "listpack times out of order": dump(23, string(listpack(b"f", b"v", FUTURE + 1, b"g", b"w", FUTURE)), 12),
    "listpack time behind none": dump(23, string(listpack(b"f", b"v", 0, b"g", b"w", FUTURE)), 12),
    "hash time too large": hash_24((b"f", b"v", (1 << 48) - FUTURE + 2)),
    "hash time around": hash_24((b"f", b"v", 1), first=-5),
    "hash equal fields": dump(4, b"\x02" + (string("f") + string("v")) * 2),
    "hash equal fields with times": hash_24((b"f", b"v", 1), (b"f", b"v", 2)),
    "hash without fields": dump(4, b"\0"),
    "hash of encoded length": dump(4, b"\xc0\x21"),
    "intset width": dump(11, string(changed(rdb.intset(2, 1, 2), 0, 3))),
    "intset length": dump(11, string(changed(rdb.intset(2, 1, 2), 4, 9))),
    "intset order": dump(11, string(rdb.intset(2, 5, 3))),
    "intset empty": dump(11, string(rdb.intset(2))),
    "set equal members": dump(2, many(["a", "b", "a"])),
    "set of very many": dump(2, b"\x81" + b"\x02" * 8 + string("a")),
    "list of very many": dump(1, b"\x80\xff\xff\xff\xff" + string("a")),
    "zset no number": dump(5, b"\x01" + string("a") + rdb.f64(float("nan"))),
    "zset no text number": dump(3, b"\x01" + string("a") + b"\xfd"),
    "zset bad text": dump(3, b"\x01" + string("a") + rdb.text_double("xxx")),
    "zset equal members": dump(5, b"\x02" + (string("a") + rdb.f64(1)) * 2),
    "quicklist container": dump(18, b"\x01\x03" + string("a")),
    "quicklist empty plain": dump(18, b"\x01\x01\0"),
    "quicklist of empty ones": dump(14, many([rdb.ziplist()])),
    "type": dump(8, string("v")),
    "module": dump(7, b"\x81" + bytes.fromhex("b5eb2dffffddb401") + b"\0"),
    "string too long": dump(0, b"\x81" + b"\x7f" * 8),
    "stream id": dump(15, b"\x01" + string("short") + string(listpack(1)) + b"\0\0\0\0"),
    "stream node": dump(15, b"\x01" + string(rdb.stream_id(1)) + string(listpack()) + b"\0\0\0\0"),
    "stream node counts": dump(15, rdb.stream(entries=((1, 0, (b"v",)),)).replace(b"\x01\x01\x00\x01\x01\x01", b"\x02\x01\x00\x01\x01\x01")),
    "stream ids descend": dump(15, rdb.stream(entries=((2, 0, (b"v",)), (1, 0, (b"w",))))),
    "stream last id": dump(15, rdb.stream(last=(1, 0))),
    "stream length of nothing": dump(15, b"\0\x05\x01\0\0"),
    "stream nodes equal": dump(15, b"\x02" + rdb.stream()[1:].split(b"\x02\x02")[0] * 2),
    "stream consumers equal": dump(15, rdb.stream(groups=b"\x01" + string("g") + b"\0\0\0\x02" + (string("c") + rdb.i64(1) + b"\0") * 2)),
    "stream groups equal": dump(15, rdb.stream(groups=b"\x02" + (string("g") + b"\0\0\0\0") * 2)),
    "stream pending of nobody": dump(15, rdb.stream(groups=b"\x01" + string("g") + b"\0\0\x01" + PENDING + b"\0")),
    "stream pending twice": dump(15, rdb.stream(groups=b"\x01" + string("g") + b"\0\0\x02" + PENDING * 2 + b"\0")),
    "stream pending of a consumer alone": dump(15, rdb.stream(groups=b"\x01" + string("g") + b"\0\0\0\x01" + string("c")
                                                              + rdb.i64(1) + b"\x01" + rdb.stream_id(1))),
}
TOLERATED = {                           # unless payloads are sanitized
    "set equal members": dump(20, string(listpack(b"a", b"b", b"a"))),
    "hash equal fields": dump(16, string(listpack(b"a", 1, b"a", 2))),
    "zset equal members": dump(17, string(listpack(b"a", 1, b"a", 2))),
    "zset order": dump(17, string(listpack(b"a", 5, b"b", 2))),
    "zset no number": dump(17, string(listpack(b"a", b"xx"))),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_payloads(engine, name):
    engine.call("SET", "k", "old")
    engine.ask("RESTORE", "k", 0, REFUSED[name], "REPLACE")
    blocks = engine.core.allocator_counters()["blocks"]
    assert engine.ask("RESTORE", "k", 0, REFUSED[name], "REPLACE") == Error(BAD)
    assert engine.call("GET", "k") == b"old" and engine.core.allocator_counters()["blocks"] == blocks
    assert all("Internal error in RDB reading offset" in line for line in engine.logged)


@pytest.mark.parametrize("name", TOLERATED)
def test_payloads_that_only_falsify_answers(engine, name):
    assert engine.call("RESTORE", "k", 0, TOLERATED[name]) == b"OK"
    for mode in (1, 2):
        engine.set("sanitize_dump_payload", mode)
        assert engine.ask("RESTORE", "l", 0, TOLERATED[name]) == Error(BAD)
    engine.set("sanitize_dump_payload", 0)
    for knob in ("set", "hash", "zset"):
        engine.set(f"{knob}_max_listpack_entries", 1)
    refused = engine.ask("RESTORE", "l", 0, TOLERATED[name]) == Error(BAD)
    assert refused == ("equal" in name)


def test_equal_members_of_a_listpack_do_no_harm_later(engine):
    engine.call("RESTORE", "s", 0, TOLERATED["set equal members"])
    engine.call("RESTORE", "h", 0, TOLERATED["hash equal fields"])
    engine.call("RESTORE", "z", 0, TOLERATED["zset equal members"])
    assert engine.call("SCARD", "s") == 3 and set(engine.call("SDIFF", "s")) == {b"a", b"b"}
    for i in range(600):
        engine.call("SADD", "s", f"m{i}")
        engine.call("HSET", "h", f"f{i}", i)
        engine.call("ZADD", "z", i, f"m{i}")
    assert engine.call("SCARD", "s") == 602 and engine.call("HLEN", "h") == 601 and engine.call("ZCARD", "z") == 601
    assert len(engine.call("SRANDMEMBER", "s", 600)) == 600
    for key, command in (("s", "SREM"), ("h", "HDEL"), ("z", "ZREM")):
        engine.call(command, key, "a", "b", *[f"m{i}" for i in range(600)], *[f"f{i}" for i in range(600)])
        assert engine.call("EXISTS", key) == 0


def test_failing_memory_is_an_error(engine):
    big = dump(0, string(b"x" * 100_000))
    engine.call("RESTORE", "other", 0, big)
    engine.core.fail_allocations(0)
    assert engine.ask("RESTORE", "k", 0, big) == Error(BAD)
    engine.core.fail_allocations(-1)
    assert engine.call("EXISTS", "k") == 0


# ---------------------------------------------------------------- what real servers dump

def fill(call, rnd, field_expiries):
    """A key of every type and encoding, by commands that all servers know."""
    pairs = [v for i in range(700) for v in (f"f{i}", f"v{i}")]
    scores = [v for i in range(700) for v in (i * 1.7 - 500, f"m{i}")]
    noise = bytes(rnd.randrange(256) for _ in range(3000))
    for key, text in {"int": 12345, "i8": -7, "i64": 5000000000, "007": "007", "short": "hello", "lzf": "abc" * 1000,
                      "noise": noise, "empty": "", "large": noise * 30, "k" * 300: "v"}.items():
        call("SET", key, text)
    call("SET", "expiring", "v", "PXAT", FUTURE)
    call("PFADD", "hll", *range(200))
    call("RPUSH", "list", "a", 1, -1, "hello", 300, 70000, "x" * 70)
    call("RPUSH", "list:long", *[f"elem{i}" for i in range(3000)])
    call("RPUSH", "list:large", "a", "y" * 9000, "b", "z" * 20000)
    call("SADD", "set:16", 1, 2, 300)
    call("SADD", "set:64", 1, 5000000000)
    call("SADD", "set", "a", "b", 7)
    call("SADD", "set:long", *[f"m{i}" for i in range(700)])
    call("ZADD", "zset", 1, "a", 2.5, "b", "-inf", "c", 0.1, "d", 1e300, "e")
    call("ZADD", "zset:long", *scores)
    call("HSET", "hash", "f1", "v1", "n", 10)
    call("HSET", "hash:long", *pairs)
    if field_expiries:
        call("HSET", "hash:ttl", "f", "v", "g", "w")
        call("HPEXPIREAT", "hash:ttl", FUTURE, "FIELDS", 1, "f")
        call("HSET", "hash:ttl:long", *pairs)
        call("HPEXPIREAT", "hash:ttl:long", FUTURE + 9, "FIELDS", 3, "f1", "f2", "f699")
    for i in range(250):
        call("XADD", "stream", f"{1000 + i}-{i % 3}", "f1", f"v{i}", "f2", i)
    call("XADD", "stream", "2000-0", "other", "x")
    call("XDEL", "stream", "1003-0")
    call("XGROUP", "CREATE", "stream", "g", "1010-0")
    call("XREADGROUP", "GROUP", "g", "alice", "COUNT", 5, "STREAMS", "stream", ">")
    call("XGROUP", "CREATE", "stream:empty", "g", "$", "MKSTREAM")


@pytest.fixture(params=reference_server.every(), ids=str)
def real(request):
    """Each real server that is installed, of any age."""
    server = Server(command=[request.param.path]).start()
    yield server
    server.stop()
    server.close()


def test_files_and_payloads_of_real_servers(real, tmp_path):
    with real.raw() as source:
        has_field_expiries = isinstance(source.call("COMMAND", "INFO", "HPEXPIREAT")[0], list)
        fill(source.call, random.Random(1), has_field_expiries)
        by_commands, by_file, by_payloads = make_engine(), make_engine(), make_engine()
        fill(by_commands.call, random.Random(1), has_field_expiries)
        source.call("SAVE")
        folder = source.call("CONFIG", "GET", "dir")[1].decode()
        with open(f"{folder}/dump.rdb", "rb") as opened:
            told = by_file.core.load_rdb(opened.fileno())
        for key in source.call("KEYS", "*"):
            when = max(source.call("PEXPIRETIME", key), 0)
            by_payloads.call("RESTORE", key, when, source.call("DUMP", key), "ABSTTL")
    assert told["keys"] == by_commands.call("DBSIZE")
    digests = set()
    for engine in (by_commands, by_file, by_payloads):
        engine.core.debug_allowed = "yes"
        digests.add(engine.call("DEBUG", "DIGEST"))
    assert len(digests) == 1
