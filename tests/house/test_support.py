"""The tools that the other tests stand on: reader of replies, server process, reset, cases and their comparison."""
import io
import sys

import differ
import known_differences
import pytest
from support.reference import Reference
from support.reset import SharedServer
from support.resp import (NULL, NULL_ARRAY, NULL_BULK, Attributed, BigNumber, BlobError, Closed, Double, Error, Map, Push,
                          Reader, Set, Simple, Verbatim, describe, encode)
from support.server import Server, ServerFailed, free_port

EVERYTHING = (b"+OK\r\n-ERR no\r\n:-5\r\n$3\r\na\r\n\r\n$-1\r\n*-1\r\n*2\r\n:1\r\n*0\r\n_\r\n#t\r\n,1e+21\r\n(123\r\n=7\r\ntxt:abc\r\n"
              b"!5\r\nERR x\r\n%1\r\n+k\r\n:1\r\n~1\r\n$0\r\n\r\n>1\r\n+p\r\n|1\r\n+a\r\n:1\r\n:2\r\n")
VALUES = [Simple("OK"), Error("ERR no"), -5, b"a\r\n", NULL_BULK, NULL_ARRAY, [1, []], NULL, True, Double("1e+21"),
          BigNumber("123"), Verbatim("txt:abc"), BlobError("ERR x"), Map([(Simple("k"), 1)]), Set([b""]), Push([Simple("p")]),
          Attributed([Map([(Simple("a"), 1)]), 2])]


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_reader_gives_exact_types_however_the_bytes_arrive(chunk):
    stream = io.BytesIO(EVERYTHING)
    reader = Reader(lambda: stream.read(chunk))
    replies, wire = [], b""
    for _ in VALUES:
        replies.append(reader.read())
        wire += reader.taken
    assert [describe(r) for r in replies] == [describe(v) for v in VALUES] and replies == VALUES
    assert [type(r) for r in replies] == [type(v) for v in VALUES]
    assert wire == EVERYTHING
    with pytest.raises(Closed):
        reader.read()


@pytest.mark.parametrize("wire", [b":01\r\n", b":1.5\r\n", b"$03\r\nabc\r\n", b"$3\r\nabcd\r\n", b"hello\r\n", b"*-2\r\n", b"_x\r\n",
                                  b"\r\n"])
def test_reader_refuses_what_is_not_resp(wire):
    with pytest.raises((AssertionError, ValueError)):
        Reader(io.BytesIO(wire).read).read()


def test_replies_of_other_types_are_not_equal():
    for one in range(len(VALUES)):
        for other in range(len(VALUES)):
            assert (describe(VALUES[one]) == describe(VALUES[other])) == (one == other)
    assert Simple("OK") != b"OK" and Error("a") != Simple("a") and Set([1]) != [1] and Error("ERR x").code == "ERR"
    assert encode(["SET", b"k", 1]) == b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n1\r\n"


# --- cases

def test_lines_split_as_in_redis_cli():
    assert differ.split(r'''SET "a b" 'c\'d' e"f "\x00\n\"" "" ''') == [b"SET", b"a b", b"c'd", b'e"f', b'\x00\n"', b""]
    assert differ.split('SET "\u00e9" \u00e9') == [b"SET", "\u00e9".encode(), "\u00e9".encode()]
    for wrong in ('SET "a', 'SET "a"b', "SET 'a"):
        with pytest.raises(ValueError):
            differ.split(wrong)


def test_cases_are_read_into_blocks():
    text = "PING\n# comment\n\n# reset: two\n@client=b @approx TTL k\n@resp3 @unordered GET x\n# resets\n@raw \"a\\r\\n\"\n@closed\n"
    blocks = differ.parse("f", text)
    assert [(block.name, [line.text for line in block.lines]) for block in blocks] == [
        ("start", ["PING"]), ("two", ["TTL k", "GET x"]), ("line 7", ['"a\\r\\n"', "@closed"])]
    first, second = blocks[1].lines
    assert (first.client, first.how, second.how) == ("b", "approx", "unordered")
    assert second.is_for(3) and not second.is_for(2) and first.is_for(2)
    for wrong in ("@huh GET x", "@closed now", "@raw a b", "@client= PING"):
        with pytest.raises(differ.BadCase, match="f:1"):
            differ.parse("f", wrong)


@pytest.mark.parametrize("how, ours, theirs, same", [
    ("exact", Simple("OK"), b"OK", False), ("exact", [1, b"a"], [1, b"a"], True), ("exact", [1], Set([1]), False),
    ("exact", 1, True, False), ("exact", NULL_BULK, NULL_ARRAY, False), ("exact", Double("1.0"), Double("1"), False),
    ("unordered", [b"a", b"b"], [b"b", b"a"], True), ("unordered", [b"a", b"a"], [b"b", b"a"], False),
    ("unordered", [b"0", [b"a", b"b"]], [b"0", [b"b", b"a"]], True),
    ("pairs", [b"a", 1, b"b", 2], [b"b", 2, b"a", 1], True), ("pairs", [b"a", 1, b"b", 2], [b"a", 2, b"b", 1], False),
    ("pairs", Map([(b"a", 1), (b"b", 2)]), Map([(b"b", 2), (b"a", 1)]), True),
    ("pairs", Map([(b"a", 1)]), Map([(b"a", 2)]), False),
    ("approx", 99_800, 100_000, True), ("approx", 50_000, 100_000, False), ("approx", -1, -2, False), ("approx", 99, 100, True),
    ("approx", [1, -1], [1, -1], True), ("approx", NULL_BULK, 1, False), ("approx", b"x", b"y", False), ("approx", 0, 1, False),
    ("shape", b"a", b"b", True), ("shape", b"a", 1, False), ("shape", [b"a", b"b"], [b"c"], True), ("shape", [b"a"], [1], False),
    ("shape", Error("ERR a"), Error("ERR b"), False), ("any", 1, b"x", True),
    ("hello", [b"server", b"a", b"proto", 2], [b"server", b"b", b"proto", 2], True),
    ("hello", [b"server", b"a", b"proto", 2], [b"server", b"a", b"proto", 3], False),
    ("hello", Map([(b"id", 1), (b"proto", 3)]), Map([(b"id", 2), (b"proto", 3)]), True),
])
def test_comparisons(how, ours, theirs, same):
    assert differ.is_same(how, ours, theirs) is same


def test_known_difference_still_checks_our_reply():
    rows = [known_differences.Known("valkey", (9, 0), "GET .*", ":2", ":1", "because"),
            known_differences.Known("valkey", (9, 0), "GET .*", ":3", "$-1", "because")]
    line = differ.parse_line(1, "get x")
    verdict = known_differences.judge(Reference("", "valkey", (9, 1)), rows)
    assert (verdict(line, 1, 2), verdict(line, 2, 2), verdict(line, 5, 5)) == (True, False, None)
    assert (verdict(line, NULL, 3), verdict(line, NULL_BULK, 3), verdict(line, NULL_ARRAY, 3)) == (True, True, False)
    assert verdict(differ.parse_line(1, "gets x"), 1, 2) is None
    for about in ("redis", (9, 1)), ("valkey", (8, 1)):
        assert known_differences.judge(Reference("", *about), rows)(line, 1, 2) is None


def test_differ_finds_a_difference(reference):
    with Server(command=[reference.about.path], maxmemory="100mb") as other:
        block = differ.parse("f", "SET k v\nCONFIG GET maxmemory\nGET k\n@raw \"*1\\r\\n$x\\r\\n\"\n@closed\n")[0]
        found = differ.run(block, other, reference, 2)
    assert [difference.line.text for difference in found] == ["CONFIG GET maxmemory"]


# --- server process

def test_shared_server_is_brought_back(reference):
    shared = SharedServer(lambda: Server(command=[reference.about.path]))
    try:
        with shared.ready().raw() as raw:
            for command in ("SET k v", "CONFIG SET maxmemory 100mb", "ACL SETUSER bob on", "CONFIG SET save 5"):
                raw.call(*command.split())
        shared.check()
        with shared.ready().raw(protocol=3) as raw:
            assert raw.call("DBSIZE") == 0
            assert raw.call("CONFIG", "GET", "maxmemory") == Map([(b"maxmemory", b"0")])
            assert raw.call("ACL", "USERS") == [b"default"]
            first = shared.server
        first.process.kill()
        first.process.wait()
        with pytest.raises(AssertionError, match="ended with status -9"):
            shared.check()
        assert shared.ready() is not first and shared.server.answers()
    finally:
        shared.stop()


def test_restart_keeps_the_data(reference):
    with Server(command=[reference.about.path], appendonly=True, appendfsync="always") as server:
        server.client().set("k", "v")
        server.restart(crash=True)
        assert server.client(protocol=3).get("k") == b"v"
        server.restart(maxmemory="1gb")
        with server.raw() as raw:
            assert raw.call("GET", "k") == b"v"
            assert raw.call("CONFIG", "GET", "maxmemory") == [b"maxmemory", b"1073741824"]
            assert raw.is_silent(0.01)
            raw.send("QUIT")
            assert raw.is_closed()


def test_server_that_misbehaves_fails_the_test(tmp_path):
    def fake(code):
        return Server(command=[sys.executable, "-c", code], directory=tmp_path / str(free_port()))

    with pytest.raises(ServerFailed, match="status 3"):
        fake("import sys; print('why'); sys.exit(3)").start()
    sleeper = fake("import time\ntry:\n    print('up', flush=True); time.sleep(60)\nfinally:\n    print('bye')")
    sleeper.start(wait=False)
    sleeper.wait_for_log("up")
    with pytest.raises(ServerFailed, match="exit status -15"):
        sleeper.stop()
    careless = fake("import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *a: sys.exit(0))\n"
                    "print('Traceback (most recent call last)', flush=True)\ntime.sleep(60)")
    careless.start(wait=False)
    careless.wait_for_log("Traceback")
    with pytest.raises(ServerFailed, match="Traceback"):
        careless.stop()
