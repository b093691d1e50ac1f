"""The data as commands: run again they make the same data, here and in real servers."""
import io
import os

import pytest
import references
from samples import EVERYTHING, EXPIRING, FAR_MS, PERSISTED, fill, keys
from support.engine import make_engine
from support.resp import Reader
from support.server import Server

WHEN_MS = 1_600_000_000_000


@pytest.fixture
def engine():
    made = make_engine(3)
    made.core.debug_allowed = "yes"
    return made


def rewrite(engine, path, **options):
    with open(path, "wb") as file:
        told = engine.core.rewrite_aof(file.fileno(), **options)
    data = path.read_bytes()
    assert told["bytes"] == len(data) == os.path.getsize(path)
    return data


def commands(data):
    stream, found = io.BytesIO(data), []
    reader = Reader(stream.read)
    while stream.tell() < len(data) or reader.buffer:
        found.append(reader.read())
    return found


def digest(engine):
    return bytes(engine.call("DEBUG", "DIGEST"))


def replay(data, engine):
    client = engine.client()
    for command in commands(data):
        reply = client.call(*command)
        assert not isinstance(reply, Exception) and type(reply).__name__ != "Error", (command[:3], reply)


def test_replay_makes_the_same_data(engine, tmp_path):
    fill(engine, EVERYTHING + EXPIRING + PERSISTED)
    fill(engine, EVERYTHING, db=7)
    again = make_engine(3)
    again.core.debug_allowed = "yes"
    replay(rewrite(engine, tmp_path / "f"), again)
    assert digest(again) == digest(engine)
    for db in (0, 7):
        assert keys(again, db) == keys(engine, db)
        for key in keys(engine, db):
            assert again.call("PEXPIRETIME", key, db=db) == engine.call("PEXPIRETIME", key, db=db)
            if key.startswith(b"x:"):
                assert without_times(again.call("XINFO", "STREAM", key, "FULL", "COUNT", 0, db=db)) == \
                    without_times(engine.call("XINFO", "STREAM", key, "FULL", "COUNT", 0, db=db))


def without_times(info):
    """When a consumer was seen and active is not written, nor how the tree is built."""
    if isinstance(info, dict):
        return {k: without_times(v) for k, v in info.items()
                if k not in (b"seen-time", b"active-time", b"radix-tree-keys", b"radix-tree-nodes")}
    return [without_times(v) for v in info] if isinstance(info, list) else info


def test_commands_carry_64_items_at_most(engine, tmp_path):
    for i in range(130):
        fill(engine, [("RPUSH", "l", i), ("SADD", "s", i), ("ZADD", "z", i, i), ("HSET", "h", i, i)])
    shapes = {}
    for command in commands(rewrite(engine, tmp_path / "f"))[1:]:
        shapes.setdefault(command[0], []).append(len(command) - 2)
    assert shapes == {b"RPUSH": [64, 64, 2], b"SADD": [64, 64, 2], b"ZADD": [128, 128, 4], b"HMSET": [128, 128, 4]}


@pytest.mark.parametrize("fill_with, expected", [
    ([("SET", "k", 12, "PXAT", FAR_MS)], ["SET k 12", f"PEXPIREAT k {FAR_MS}"]),
    ([("ZADD", "k", 0.1, "a", "inf", "b", 3, "c")], ["ZADD k 0.1 a 3 c inf b"]),
    ([("HSET", "k", "f", "v", "g", "w"), ("HPEXPIREAT", "k", FAR_MS, "FIELDS", 1, "g")],
     ["HMSET k g w f v", f"HPEXPIREAT k {FAR_MS} FIELDS 1 g"]),
    ([("XADD", "k", "5-1", "f", "v"), ("XADD", "k", "6-1", "f", "w"), ("XDEL", "k", "6-1")],
     ["XADD k 5-1 f v", "XSETID k 6-1 ENTRIESADDED 2 MAXDELETEDID 6-1"]),
    ([("XGROUP", "CREATE", "k", "g", "$", "MKSTREAM"), ("XGROUP", "CREATECONSUMER", "k", "g", "c")],
     ["XADD k MAXLEN 0 0-1 x y", "XSETID k 0-0 ENTRIESADDED 0 MAXDELETEDID 0-0", "XGROUP CREATE k g 0-0 ENTRIESREAD -1",
      "XGROUP CREATECONSUMER k g c"]),
    ([("XADD", "k", "1-1", "f", "v"), ("XGROUP", "CREATE", "k", "g", 0), ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "k", ">")],
     ["XADD k 1-1 f v", "XSETID k 1-1 ENTRIESADDED 1 MAXDELETEDID 0-0", "XGROUP CREATE k g 1-1 ENTRIESREAD 1",
      "XCLAIM k g c 0 1-1 TIME 1700000000000 RETRYCOUNT 1 JUSTID FORCE"]),
])
def test_commands_of_a_value(engine, tmp_path, fill_with, expected):
    fill(engine, fill_with)
    found = [b" ".join(command).decode() for command in commands(rewrite(engine, tmp_path / "f"))]
    assert found == ["SELECT 0", *expected]


def test_head_of_the_file(engine, tmp_path):
    engine.call("SET", "k", "v", db=3)
    data = rewrite(engine, tmp_path / "f", timestamp=True, functions=[b"#!lua name=a", b"#!lua name=b"])
    assert data.startswith(b"#TS:1700000000\r\n*3\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n$12\r\n#!lua name=a\r\n")
    assert [c[:2] for c in commands(data[data.index(b"\n") + 1:])] == [[b"FUNCTION", b"LOAD"]] * 2 + [[b"SELECT", b"3"], [b"SET", b"k"]]
    assert rewrite(make_engine(3), tmp_path / "f") == b""


@pytest.mark.parametrize("depth", [0, 1])
def test_walking_compressed_lists_leaves_nothing_behind(engine, tmp_path, depth):
    engine.set("list_compress_depth", depth)
    fill(engine, [("RPUSH", "l", *[f"element number {i}" for i in range(3000)])])
    blocks = engine.core.allocator_counters()["blocks"]
    data = rewrite(engine, tmp_path / "f")
    assert engine.core.allocator_counters()["blocks"] == blocks
    again = make_engine(3)
    replay(data, again)
    assert again.call("LRANGE", "l", 0, -1) == engine.call("LRANGE", "l", 0, -1)


@pytest.mark.compat
@pytest.mark.parametrize("name", references.parameters())
def test_real_servers_load_it(engine, tmp_path, name):
    about, version = references.take(name)
    fill(engine, EVERYTHING + (EXPIRING if version == 12 else []))
    folder = tmp_path / "appendonlydir"
    folder.mkdir()
    rewrite(engine, folder / "appendonly.aof.1.base.aof", timestamp=True)
    (folder / "appendonly.aof.manifest").write_text("file appendonly.aof.1.base.aof seq 1 type b\n")
    with Server(command=[about.path], directory=tmp_path, appendonly="yes", aof_use_rdb_preamble="no") as server, server.client() as client:
        assert sorted(client.keys()) == keys(engine)
        assert client.execute_command("DEBUG", "DIGEST") == digest(engine)
