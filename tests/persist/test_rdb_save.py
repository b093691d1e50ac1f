"""RDB files and DUMP payloads: read by real servers, taken apart here, written where writing fails."""
import errno
import os
import struct

import pytest
import references
from samples import CONSUMERS, EVERYTHING, EXPIRING, FAR_MS, HASHES, HUGE, NOISE, PERSISTED, PROSE, SETS, STREAMS, fill, keys
from support.engine import make_engine
from support.server import Server

from redispy_core.base import codec

MARK = b"0123456789abcdef0123456789abcdef01234567"
TABLES = {b"set:table", b"set:long", b"set:numbers", b"h:table", b"h:long", b"h:ex:table", b"h:had:table"}     # in any order


@pytest.fixture
def engine():
    made = make_engine(3)
    made.core.debug_allowed = "yes"
    return made


def save(engine, path, **options):
    """(what save_rdb says, the bytes)."""
    with open(path, "wb") as file:
        told = engine.core.save_rdb(file.fileno(), **options)
    return told, path.read_bytes()


@pytest.fixture(scope="module", params=references.parameters())
def real(request, tmp_path_factory):
    about, version = references.take(request.param)
    with Server(command=[about.path], directory=tmp_path_factory.mktemp("real"), dbfilename="dump.rdb") as server:
        with server.client(socket_timeout=60) as client:
            yield about, version, server, client


# ---------------------------------------------------------------- real servers read it

def digest_of(engine):
    return bytes(engine.call("DEBUG", "DIGEST"))


def load(real, engine, version, **options):
    """Saves, has it checked and loaded by the real server."""
    about, _, server, client = real
    path = server.directory / "dump.rdb"
    save(engine, path, version=version, **options)
    status, text = references.check_rdb(about, path, server.directory)
    assert status == 0 and "Checksum OK" in text, text
    client.execute_command("DEBUG", "RELOAD", "NOSAVE")


@pytest.mark.compat
@pytest.mark.parametrize("version", [10, 11, 12])
@pytest.mark.parametrize("compress", [True, False], ids=["compressed", "plain"])
def test_file_is_read_by_real_servers(real, engine, version, compress):
    about, newest, server, client = real
    if version > newest:
        pytest.skip(f"{about} reads versions up to {newest}")
    fill(engine)
    fill(engine, PERSISTED)
    fill(engine, EXPIRING if version == 12 else ())
    fill(engine, HASHES + SETS, db=9)
    load(real, engine, version, compress=compress)
    assert sorted(client.keys()) == keys(engine)
    different = [key for key in keys(engine) if client.execute_command("DEBUG", "DIGEST-VALUE", key)
                 != list(map(bytes, engine.call("DEBUG", "DIGEST-VALUE", key)))]
    assert different == []
    assert client.execute_command("DEBUG", "DIGEST") == digest_of(engine)
    for key in keys(engine):
        assert client.pexpiretime(key) == engine.call("PEXPIRETIME", key), key


@pytest.mark.compat
def test_what_was_loaded_is_dumped_alike(real, engine):
    """Byte for byte, where nothing depends on the order of a table or on what the server's version lacks."""
    about, version, server, client = real
    fill(engine)
    load(real, engine, version)
    for key in keys(engine):
        theirs, ours = client.dump(key), engine.core.dump(key, version=version)
        if key in TABLES or key == b"set:small" and version == 10:
            assert theirs[0] == ours[0] and (len(theirs) == len(ours) or key == b"set:long"), key
        else:
            assert theirs[:-10] == ours[:-10], key              # Valkey's footers have numbers of their own


@pytest.mark.compat
@pytest.mark.parametrize("version", [0, 10, 11, 12])
def test_dump_is_restored_by_real_servers(real, engine, version):
    about, newest, server, client = real
    if max(version, 11 if version == 0 else 0) > newest:
        pytest.skip(f"{about} reads versions up to {newest}")
    fill(engine)
    fill(engine, EXPIRING if version in (0, 12) and newest >= 12 else ())
    client.flushall()
    for key in keys(engine):
        payload = engine.call("DUMP", key) if version == 0 else engine.core.dump(key, version=version)
        client.restore(key, max(engine.call("PEXPIRETIME", key), 0), payload, absttl=True)
    assert client.execute_command("DEBUG", "DIGEST") == digest_of(engine)


@pytest.mark.compat
def test_digest_is_the_real_servers(real, engine):
    about, version, server, client = real
    commands = EVERYTHING + (EXPIRING if version == 12 else []) + [("ZADD", "z:scores", 5e8, "a", 123456789012, "b", -7, "c")] * (version > 10)
    client.flushall()
    for command in commands:
        client.execute_command(*command)
    fill(engine, commands)
    assert client.execute_command("DEBUG", "DIGEST") == digest_of(engine)


@pytest.mark.compat
def test_replication_fields_and_end_mark_are_understood(real, engine, tmp_path):
    about, version, server, client = real
    fill(engine, HASHES)
    told, marked = save(engine, tmp_path / "marked", version=10, eof_mark=MARK, replication=(b"f" * 40, 1234, 3), aof_base=True)
    assert told["bytes"] == len(marked) and marked.startswith(b"$EOF:" + MARK + b"\r\n") and marked.endswith(MARK)
    (tmp_path / "dump.rdb").write_bytes(marked[47:-40])
    status, text = references.check_rdb(about, tmp_path / "dump.rdb", tmp_path)
    assert status == 0 and "Checksum OK" in text
    for field in ("repl-stream-db = '3'", f"repl-id = '{'f' * 40}'", "repl-offset = '1234'", "aof-base = '1'"):
        assert field in text


# ---------------------------------------------------------------- payloads seen at a real server

@pytest.mark.parametrize("commands, payload", [
    ("SET k hello", "000568656c6c6f0c00a804ebb69f1ebe43"), ("APPEND k ", "00000c0096ed6880f5553c93"),
    ("SET k -1", "00c0ff0c00c7e54ae47f22038c"), ("SET k -129", "00c17fff0c00dc16b6e8aeaa1ac9"),
    ("SET k 70000", "00c2701101000c00cad23c3e6f1a0bec"), ("SET k 5000000000", "000a353030303030303030300c00a2df3b1584256a6c"),
    ("SET k 007", "00033030370c00b92ed6bbb6432490"), ("SET k " + "a" * 100, "00c3094064016161e057000161610c0023d581c74a476c38"),
    ("SET k " + "abc" * 9, "00c30b1b0361626361e00c020162630c00e3c04bbf403a0ada"),
    ("RPUSH k a 1 -1 hello 300 70000", "1201021e1e00000006008161020101dfff028568656c6c6f06c12c02f270110104ff0c00fa6cfe25de532271"),
    ("SADD k 1 70000 -5", "0b140400000003000000fbffffff01000000701101000c004dd68f0fc008736c"),
    ("SADD k a b 7", "140f0f00000003008161028162020701ff0c00c8dc80abe96f601a"),
    ("HSET k f1 v1 n 10", "10141400000004008266310382763103816e020a01ff0c0040866ea05034f7c1"),
    ("HSET k f v g w\nHPEXPIREAT k 4102444800123 FIELDS 1 f",
     "197bd8c32cbb0300001f1f0000000600816602817602f47bd8c32cbb03000009816702817702" "0001ff0c00568928cbb65a4925"),
    ("ZADD k 1 a 2.5 b -3 c inf d 0.1 e",
     "112a2a0000000a00816302dffd02816502" "83302e31048161020101816202" "83322e3504816402" "83696e6604ff0c00e89bb4f2bfba0000"),
    ("PFADD k a b", "001848594c4c01000000000000000000008071a6844bfb80425a0c0092828dd9dfc188a3"),
    ("GEOADD k 13.361389 38.115556 Palermo", "111a1a00000002008750616c65726d6f08f42a7a0715395c0c0009ff0c00e932bfacb2cf4524"),
    ("SETBIT k 7 1", "0001010c002eb651c2bf6ccfeb"),
    ("XGROUP CREATE k g $ MKSTREAM", "1500000000000000000001016700" "0081ffffffffffffffff00000c00345be72ccd7ab2b2"),
])
def test_payload_is_the_real_servers(engine, commands, payload):
    for command in commands.split("\n"):
        engine.call(*command.split(" "))
    assert engine.core.dump(b"k", version=12).hex() == payload


def test_payload_of_a_small_skiplist_and_tables(engine):
    for knob in ("zset_max_listpack_entries", "set_max_listpack_entries", "hash_max_listpack_entries"):
        engine.set(knob, 0)
    fill(engine, [("ZADD", "z", 1, "a", 2.5, "b"), ("SADD", "s", "b"), ("HSET", "h", "f", "v"), ("HSET", "t", "f", 1, "g", 2),
                  ("HPEXPIREAT", "t", FAR_MS, "FIELDS", 1, "f"), ("HPEXPIREAT", "t", FAR_MS + 9, "FIELDS", 1, "g")])
    assert engine.core.dump(b"z", version=12).hex() == "050201620000000000000440" "0161000000000000f03f" "0c003f1883f9e35cecd8"
    assert engine.core.dump(b"s", version=12)[:-10] == b"\x02\x01\x01b"
    assert engine.core.dump(b"h", version=12).hex() == "04010166" "01760c00668477964bac90b5"
    table = engine.core.dump(b"t", version=12)[:-10]
    assert table[:10] == b"\x18" + struct.pack("<q", FAR_MS) + b"\x02"
    assert sorted([table[10:15], table[15:]]) == [b"\x01\x01f\xc0\x01", b"\x0a\x01g\xc0\x02"]


# ---------------------------------------------------------------- versions

@pytest.mark.parametrize("commands, lowest", [
    ([("SET", "k", "v")], 10), ([("SADD", "k", 1, 2)], 10), ([("SADD", "k", "a")], 11), ([("SADD", "k", "x" * 100)], 10),
    ([("XADD", "k", "1-1", "f", "v")], 10), ([("XGROUP", "CREATE", "k", "g", 0, "MKSTREAM")], 10),
    ([("XGROUP", "CREATE", "k", "g", 0, "MKSTREAM"), ("XGROUP", "CREATECONSUMER", "k", "g", "c")], 11),
    ([("HSET", "k", "f", "v")], 10), ([("HSET", "k", "f", "v"), ("HPEXPIREAT", "k", FAR_MS, "FIELDS", 1, "f")], 12),
])
def test_lowest_version_that_loses_nothing(engine, tmp_path, commands, lowest):
    fill(engine, commands)
    footer = struct.unpack("<H", engine.call("DUMP", "k")[-10:-8])[0]
    assert footer == lowest
    assert save(engine, tmp_path / "f")[1][:9] == b"REDIS%04d" % max(lowest, 11)


def test_field_expiries_are_never_lost(engine, tmp_path):
    fill(engine, EXPIRING)
    assert engine.core.dump(b"h:ex", version=11) is None and engine.core.dump(b"h:ex:table", version=10) is None
    for version in (10, 11):
        with pytest.raises(OSError) as caught:
            save(engine, tmp_path / "f", version=version)
        assert caught.value.errno == errno.ENOTSUP and (tmp_path / "f").read_bytes() == b""
    assert save(engine, tmp_path / "f", version=12)[0]["keys"] == 2


@pytest.mark.parametrize("options", [{"version": 9}, {"version": 13}, {"eof_mark": b"x"}])
def test_wrong_options_are_refused(engine, tmp_path, options):
    with pytest.raises(ValueError):
        save(engine, tmp_path / "f", **options)
    with pytest.raises(TypeError):
        save(engine, tmp_path / "f", no_such_option=1)


# ---------------------------------------------------------------- the file

def test_file_of_an_empty_keyspace(engine, tmp_path):
    told, data = save(engine, tmp_path / "f", aof_base=True)
    assert told["keys"] == 0 and told["bytes"] == len(data)
    assert data.startswith(b"REDIS0011\xfa\x09redis-ver") and b"\xfa\x08aof-base\xc0\x01" in data
    assert data[-9:-8] == b"\xff" and b"\xfe" not in data[-20:]
    assert struct.unpack("<Q", data[-8:])[0] == codec.crc64_of(data[:-8])


def test_checksum_can_be_left_out(engine, tmp_path):
    fill(engine)
    data = save(engine, tmp_path / "f", checksum=False)[1]
    assert data[-9:] == b"\xff" + bytes(8)
    engine.set("rdbchecksum", 0)
    assert save(engine, tmp_path / "f")[1][-8:] == bytes(8)
    assert engine.call("DUMP", "s:short")[-8:] != bytes(8)


def test_compression_follows_the_setting(engine, tmp_path):
    fill(engine)
    small, dump = len(save(engine, tmp_path / "f")[1]), engine.call("DUMP", "s:same")
    engine.set("rdbcompression", 0)
    assert len(save(engine, tmp_path / "f")[1]) > 1.5 * small
    assert len(engine.call("DUMP", "s:same")) == 100_000 + 1 + 5 + 10 > 10 * len(dump)


def test_checksum_and_size_hold_at_every_length(engine, tmp_path):
    """Values that end at, before and behind the buffer's end."""
    for n in (100_000, 262_000, 262_100, 262_144, 262_145, 262_200, HUGE):
        for value in (NOISE, PROSE):
            engine.call("SET", f"{n}:{value[:1]}", value[:n])
    for compress in (True, False):
        told, data = save(engine, tmp_path / "f", compress=compress)
        assert told["bytes"] == len(data) == os.path.getsize(tmp_path / "f")
        assert struct.unpack("<Q", data[-8:])[0] == codec.crc64_of(data[:-8])
        assert data.count(NOISE[:100_000]) == 7


def test_databases_and_expiries(engine, tmp_path):
    engine.call("SET", "a", 1, "PXAT", FAR_MS)
    engine.call("SET", "b", 2, db=300 % 16)
    data = save(engine, tmp_path / "f", checksum=False)[1]
    body = data[data.index(b"\xfe"):]
    assert body == (b"\xfe\x00\xfb\x01\x01\xfc" + struct.pack("<q", FAR_MS) + b"\x00\x01a\xc0\x01"
                    b"\xfe\x0c\xfb\x01\x00\x00\x01b\xc0\x02\xff" + bytes(8))


@pytest.mark.parametrize("policy, prefix", [(1, b"\xf8\x40\x64"), (2, b"\xf9\x05"), (16, b"")], ids=["lru", "lfu", "random"])
def test_access_times_go_along_where_the_policy_needs_them(engine, tmp_path, policy, prefix):
    engine.set("maxmemory_policy", policy)
    engine.call("SET", "a", 1)
    if policy == 1:
        engine.advance(100_000)
    data = save(engine, tmp_path / "f", checksum=False)[1]
    assert data.endswith(b"\xfb\x01\x00" + prefix + b"\x00\x01a\xc0\x01\xff" + bytes(8))


def test_functions_and_records_of_upper_rooms(engine, tmp_path):
    engine.call("SET", "a", 1)
    data = save(engine, tmp_path / "f", functions=[b"#!lua name=x", b"y" * 100], aux_before=b"<before>", aux_after=b"<after>",
                checksum=False, compress=False)[1]
    begin = data.index(b"<before>")
    assert data[begin:] == (b"<before>\xf5\x0c#!lua name=x\xf5\x40\x64" + b"y" * 100 + b"\xfe\x00\xfb\x01\x00\x00\x01a\xc0\x01<after>\xff"
                            + bytes(8))


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_compressed_nodes_of_lists_are_saved_as_they_are(real, engine, depth):
    engine.set("list_compress_depth", depth)
    fill(engine, [("RPUSH", "l", *[f"element number {i}" for i in range(5000)])])
    load(real, engine, 10, compress=False)
    assert real[3].lrange("l", 0, -1) == engine.call("LRANGE", "l", 0, -1)


# ---------------------------------------------------------------- where writing fails

def test_full_disk_is_an_error(engine):
    fill(engine)
    fd = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(OSError) as caught:
            engine.core.save_rdb(fd)
        assert caught.value.errno == errno.ENOSPC
    finally:
        os.close(fd)


@pytest.mark.parametrize("reader, expected", [("gone", errno.EPIPE), ("asleep", errno.ETIMEDOUT)])
def test_pipe_that_nobody_reads_is_an_error(engine, reader, expected):
    fill(engine)
    out, into = os.pipe()
    os.set_blocking(into, False)
    if reader == "gone":
        os.close(out)
    with pytest.raises(OSError) as caught:
        engine.core.save_rdb(into, timeout_ms=20)
    assert caught.value.errno == expected
    os.close(into)
    if reader == "asleep":
        os.close(out)


def test_saving_needs_no_memory_of_its_own(engine, tmp_path):
    fill(engine)
    blocks = engine.core.allocator_counters()["blocks"]
    for _ in range(3):
        save(engine, tmp_path / "f")
        engine.call("DUMP", "x:groups")
        assert engine.core.allocator_counters()["blocks"] == blocks


@pytest.mark.parametrize("after", range(8))
def test_dump_without_memory(engine, after):
    fill(engine, [("RPUSH", "l", *[PROSE[i:i + 300] for i in range(0, 30000, 300)])])
    whole = engine.core.dump(b"l")
    engine.core.fail_allocations(after)
    got = engine.core.dump(b"l")
    engine.core.fail_allocations(-1)
    assert got is None or got == whole
    assert after > 0 or got is None
    assert engine.core.dump(b"l") == whole


def test_serialized_length_is_the_payloads(engine):
    fill(engine, STREAMS + CONSUMERS + HASHES)
    for key in keys(engine):
        text = engine.call("DEBUG", "OBJECT", key)
        told = int(dict(f.split(b":", 1) for f in text.split()[2:])[b"serializedlength"])
        assert told == len(engine.core.dump(key, version=12)) - 11
    assert engine.call("DUMP", "missing") is None
