"""Connection, keyspace, string and bitmap commands as a program calls them: redis-py, RESP2 and RESP3."""
import datetime

import pytest
import redis

# (setup commands, call on the client, expected)
CALLS = [
    ([], lambda r: r.ping(), True),
    ([], lambda r: r.echo("x"), b"x"),
    ([], lambda r: r.set("k", "v"), True),
    (["SET k v"], lambda r: r.set("k", "w", nx=True), None),
    ([], lambda r: r.set("k", "w", xx=True), None),
    (["SET k v"], lambda r: r.set("k", "w", get=True), b"v"),
    (["SET k v EX 100"], lambda r: (r.set("k", "w", keepttl=True), 0 < r.ttl("k") <= 100), (True, True)),
    ([], lambda r: (r.set("k", "v", ex=10), r.set("m", "v", px=10_000), r.ttl("k"), r.ttl("m")), (True, True, 10, 10)),
    ([], lambda r: (r.set("k", "v", exat=4102444800), r.expiretime("k")), (True, 4102444800)),
    ([], lambda r: (r.set("k", "v", pxat=4102444800123), r.pexpiretime("k")), (True, 4102444800123)),
    (["SET k v"], lambda r: (r.get("k"), r.get("missing")), (b"v", None)),
    (["SET k v"], lambda r: (r.getset("k", "w"), r.get("k")), (b"v", b"w")),
    ([], lambda r: (r.setnx("k", "v"), r.setnx("k", "w")), (True, False)),
    ([], lambda r: (r.setex("k", 10, "v"), r.psetex("m", 9000, "v"), r.ttl("k"), r.ttl("m")), (True, True, 10, 9)),
    (["SET k v"], lambda r: (r.getex("k", ex=50), r.ttl("k"), r.getex("k", persist=True), r.ttl("k")), (b"v", 50, b"v", -1)),
    (["SET k v"], lambda r: (r.getdel("k"), r.exists("k")), (b"v", 0)),
    ([], lambda r: (r.mset({"a": 1, "b": 2}), r.mget("a", "b", "c")), (True, [b"1", b"2", None])),
    (["SET b 1"], lambda r: (r.msetnx({"a": 1, "b": 2}), r.msetnx({"c": 1})), (False, True)),
    ([], lambda r: (r.append("k", "ab"), r.append("k", "c"), r.strlen("k")), (2, 3, 3)),
    (["SET k abcdef"], lambda r: (r.getrange("k", 1, -2), r.substr("k", 0, 1)), (b"bcde", b"ab")),
    (["SET k abcdef"], lambda r: (r.setrange("k", 2, "XY"), r.get("k")), (6, b"abXYef")),
    ([], lambda r: (r.incr("n"), r.incrby("n", 10), r.decr("n"), r.decrby("n", 5), r.incrbyfloat("n", 0.5)), (1, 11, 10, 5, 5.5)),
    (["SET a ohmytext", "SET b mynewtext"], lambda r: (r.lcs("a", "b"), r.lcs("a", "b", len=True)), (b"mytext", 6)),
    ([], lambda r: (r.setbit("k", 7, 1), r.getbit("k", 7), r.getbit("k", 100), r.get("k")), (0, 1, 0, b"\x01")),
    (["SET k foobar"], lambda r: (r.bitcount("k"), r.bitcount("k", 1, 1), r.bitcount("k", 5, 30, "BIT")), (26, 6, 17)),
    ([], lambda r: (r.set("k", b"\xff\xf0\x00"), r.bitpos("k", 0), r.bitpos("k", 1, 2), r.bitpos("k", 1, 7, 15, "BIT")), (True, 12, -1, 7)),
    (["SET a abc", "SET b abd"], lambda r: (r.bitop("AND", "d", "a", "b"), r.get("d"), r.bitop("NOT", "d", "a")), (3, b"ab`", 3)),
    ([], lambda r: r.bitfield("k").set("u8", 0, 200).incrby("u8", 0, 100, "SAT").get("i4", 0).execute(), [0, 255, -1]),
    (["SET k a"], lambda r: r.bitfield_ro("k", "u8", 0), [97]),
    (["SET a 1", "SET b 2"], lambda r: (r.delete("a", "b", "c"), r.unlink("a"), r.dbsize()), (2, 0, 0)),
    (["SET a 1"], lambda r: (r.exists("a", "a", "b"), r.touch("a", "b"), r.type("a"), r.type("b")), (2, 1, b"string", b"none")),
    (["SET a 1"], lambda r: (r.rename("a", "b"), r.renamenx("b", "c"), r.keys("*")), (True, True, [b"c"])),
    (["SET a 1"], lambda r: (r.copy("a", "b"), r.copy("a", "b"), r.copy("a", "b", replace=True)), (True, False, True)),
    (["SET a 1"], lambda r: (r.move("a", 3), r.exists("a"), r.swapdb(0, 3), r.get("a")), (True, 0, True, b"1")),
    (["SET a 1"], lambda r: (r.randomkey(), list(r.scan_iter("a*")), r.scan(0, count=10, _type="string")), (b"a", [b"a"], (0, [b"a"]))),
    (["SET a 1"], lambda r: (r.object("encoding", "a"), r.object("idletime", "a"), r.object("refcount", "b")), (b"int", 0, None)),
    (["SET a 1"], lambda r: (r.expire("a", 100), r.expire("a", 50, gt=True), r.pexpire("a", 90_000, lt=True), r.ttl("a")), (True, False, True, 90)),
    (["SET a 1"], lambda r: (r.expireat("a", datetime.datetime(2100, 1, 1)), r.persist("a"), r.pttl("a")), (True, True, -1)),
    (["SET a 1"], lambda r: (r.pexpireat("a", 4102444800000, nx=True), r.pexpireat("a", 1, xx=True), r.exists("a")), (True, True, 0)),
    (["SET a 1"], lambda r: (r.flushdb(asynchronous=True), r.dbsize(), r.flushall()), (True, 0, True)),
    ([], lambda r: len(r.time()), 2),
    (["SET a 1"], lambda r: r.memory_usage("a") > 0, True),
    ([], lambda r: r.memory_stats()["keys.count"], 0),
    ([], lambda r: r.role()[0] in (b"master", "master"), True),
    ([], lambda r: r.lastsave() is not None, True),
    ([], lambda r: b"redispy" in r.lolwut().lower() or b"Redis ver" in r.lolwut(), True),
    ([], lambda r: (r.client_setname("me"), r.client_getname() in (b"me", "me"), r.client_id() > 0), (True, True, True)),
    ([], lambda r: [c["name"] for c in r.client_list() if c["cmd"] == "client|list"] != [], True),
    ([], lambda r: all((r.client_no_evict("ON"), r.client_no_touch("ON"), r.client_pause(1), r.client_unpause())), True),
    ([], lambda r: r.config_get("maxmemory*")["maxmemory"], "0"),
    ([], lambda r: (r.config_set("hz", 20), r.config_get("hz"), r.config_resetstat()), (True, {"hz": "20"}, True)),
    ([], lambda r: r.info("server")["redis_version"][:3], "7.4"),
    ([], lambda r: (r.command_count() > 200, "get" in r.command(), len(r.command_list()) > 200), (True, True, True)),
    ([], lambda r: [k in (b"a", "a") for k in r.command_getkeys("MSET", "a", 1)], [True]),
]


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_call(client, number):
    setup, call, expected = CALLS[number]
    for line in setup:
        client.execute_command(*line.split())
    assert call(client) == expected


def test_pipelines_and_transactions(client):
    with client.pipeline(transaction=True) as pipe:
        pipe.set("k", 1).incr("k").get("k")
        assert pipe.execute() == [True, 2, b"2"]
    with client.pipeline(transaction=False) as pipe:
        for i in range(500):
            pipe.incr("n")
        assert pipe.execute() == list(range(1, 501))


def test_databases_and_errors(client):
    client.set("k", "v")
    with pytest.raises(redis.ResponseError, match="not an integer"):
        client.incr("k")
    with pytest.raises(redis.ResponseError, match="unknown command"):
        client.execute_command("NOSUCH", 1)
    with pytest.raises(redis.ResponseError, match="wrong number of arguments"):
        client.execute_command("GET")
    assert client.get("k") == b"v"
