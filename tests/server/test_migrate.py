"""MIGRATE: to servers of ours and of others, and to peers that fail at the worst moment."""
import contextlib
import socket
import threading
import time
from types import SimpleNamespace

import pytest
from support import reference
from support.links import in_sync, info
from support.resp import Error, Simple
from support.server import Server, free_port, wait_until

from redispy_server import migrate as migrate_module
from redispy_server.migrate import Migration, Wishes

HOST = "127.0.0.1"
BUSY = "BUSYKEY Target key name already exists."
VALUES = {
    "str": ("SET", "str", "v" * 3000), "int": ("SET", "int", "12345"), "list": ("RPUSH", "list", *range(500)),
    "set": ("SADD", "set", *"abcdef"), "ints": ("SADD", "ints", *range(50)), "zset": ("ZADD", "zset", 1, "a", 2.5, "b"),
    "hash": ("HSET", "hash", "f", "v", "g", "x" * 100), "stream": ("XADD", "stream", "5-1", "f", "v"),
    "hll": ("PFADD", "hll", *range(100)), "bin\r\n\0": ("SET", "bin\r\n\0", b"\xff\0\r\n")}


def migrate(raw, target, key, *more, db=0, timeout=5000):
    return raw.call("MIGRATE", HOST, target.port if hasattr(target, "port") else target, key, db, timeout, *more)


def target_error(text):
    return Error("ERR Target instance replied with error: " + text)


@pytest.fixture
def pair(start):
    """RawClients of a source and of a target server; the target as server, too."""
    source, target = start(), start()
    with source.raw() as a, target.raw() as b:
        yield a, b, target


@pytest.mark.parametrize("real", [pytest.param(r, id=str(r)) for r in reference.every()])
def test_every_type_goes_to_a_real_server(start, real):
    with Server(command=[real.path], enable_debug_command=None) as target, target.raw() as b, start().raw() as a:
        names = [k for k in VALUES if k != "set" or real.version >= (7, 2)]      # listpacks of sets are of RDB 11
        for name in names:
            a.call(*VALUES[name])
        a.call("PEXPIRE", "str", 100000)
        assert migrate(a, target, "", "KEYS", *names, "none", db=3) == Simple("OK")
        assert a.call("DBSIZE") == 0
        b.call("SELECT", 3)
        assert b.call("DBSIZE") == len(names)
        assert b.call("GET", "str") == b"v" * 3000 and b.call("GET", "bin\r\n\0") == b"\xff\0\r\n"
        assert b.call("LRANGE", "list", 0, -1) == [b"%d" % n for n in range(500)]
        assert b.call("ZRANGE", "zset", 0, -1, "WITHSCORES") == [b"a", b"1", b"b", b"2.5"]
        assert b.call("XRANGE", "stream", "-", "+") == [[b"5-1", [b"f", b"v"]]]
        assert 90000 < b.call("PTTL", "str") <= 100000 and b.call("PTTL", "int") == -1


@pytest.mark.parametrize("real", [pytest.param(r, id=str(r)) for r in reference.every()])
def test_a_real_server_migrates_to_us(start, real):
    target = start()
    with Server(command=[real.path], enable_debug_command=None) as source, source.raw() as a, target.raw() as b:
        for command in VALUES.values():
            a.call(*command)
        assert migrate(a, target, "", "KEYS", *VALUES) == Simple("OK")
        assert b.call("DBSIZE") == len(VALUES) and b.call("LLEN", "list") == 500


def test_copy_and_replace(pair):
    a, b, target = pair
    a.call("SET", "k", 1)
    assert migrate(a, target, "k", "COPY") == Simple("OK") and a.call("GET", "k") == b"1"
    assert migrate(a, target, "k") == target_error(BUSY) and a.call("GET", "k") == b"1"
    a.call("SET", "k", 2)
    assert migrate(a, target, "k", "replace", "copy") == Simple("OK") and b.call("GET", "k") == b"2"
    assert migrate(a, target, "k", "REPLACE") == Simple("OK") and a.call("EXISTS", "k") == 0
    assert migrate(a, target, "k", "REPLACE") == Simple("NOKEY")


def test_only_what_arrived_is_deleted(pair):
    a, b, target = pair
    a.call("MSET", *[x for n in range(10) for x in (f"k{n}", n)])
    b.call("MSET", "k3", "_", "k7", "_")
    assert migrate(a, target, "", "KEYS", *[f"k{n}" for n in range(10)]) == target_error(BUSY)
    assert sorted(a.call("KEYS", "*")) == [b"k3", b"k7"]
    assert b.call("DBSIZE") == 10 and b.call("GET", "k3") == b"_"


@pytest.mark.parametrize("key, db, timeout, options, expected", [
    ("s", 0, "x", (), "ERR value is not an integer or out of range"),
    ("s", "x", 10, (), "ERR value is not an integer or out of range"),
    ("s", 0, 10, ("FOO",), "ERR syntax error"),
    ("s", 0, 10, ("AUTH",), "ERR syntax error"),
    ("s", 0, 10, ("AUTH2", "a"), "ERR syntax error"),
    ("none", 0, 10, ("FOO",), "ERR syntax error"),
    ("s", 0, 10, ("KEYS", "s"), "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"),
    ("s", 0, 300, (), "IOERR error or timeout writing to target instance"),
])
def test_errors_before_anything_is_sent(raw, key, db, timeout, options, expected):
    raw.call("SET", "s", "v")
    assert migrate(raw, free_port(), key, *options, db=db, timeout=timeout) == Error(expected)
    assert raw.call("GET", "s") == b"v"


def test_unknown_host(raw):
    raw.call("SET", "s", "v")
    assert raw.call("MIGRATE", "no host", 1, "s", 0, 100) == Error("IOERR error or timeout connecting to the client")


@pytest.mark.parametrize("options", [(), ("KEYS",), ("COPY",)])
def test_no_key(raw, options):
    assert migrate(raw, free_port(), "", *options) == Simple("NOKEY")


def test_authentication(start):
    source, target = start(), start(requirepass="right")
    with source.raw() as a:
        a.call("SET", "k", "v")
        assert migrate(a, target, "k") == target_error("NOAUTH Authentication required.")
        wrong = target_error("WRONGPASS invalid username-password pair or user is disabled.")
        assert migrate(a, target, "k", "AUTH", "wrong") == wrong
        assert migrate(a, target, "k", "AUTH2", "default", "wrong") == wrong
        assert a.call("EXISTS", "k") == 1
        assert migrate(a, target, "k", "COPY", "AUTH2", "default", "right") == Simple("OK")
        assert migrate(a, target, "k", "REPLACE", "AUTH", "right") == Simple("OK")
        assert a.call("EXISTS", "k") == 0
        log = b"".join(word for entry in a.call("SLOWLOG", "GET", -1) for word in entry[3])
        assert b"right" not in log


def test_database_errors_and_changes_of_database(pair):
    a, b, target = pair
    a.call("SET", "k", "v")
    assert migrate(a, target, "k", db=99) == target_error("ERR DB index is out of range") and a.call("EXISTS", "k") == 1
    for db in (5, 5, 0):
        assert migrate(a, target, "k", "COPY", "REPLACE", db=db) == Simple("OK")
    keyspace = b.call("INFO", "keyspace")
    assert b"db5:keys=1" in keyspace and b"db0:keys=1" in keyspace


def test_in_transactions_and_scripts(pair):
    a, b, target = pair
    a.call("SET", "k", "v")
    a.call("MULTI")
    assert migrate(a, target, "k") == Simple("QUEUED")
    assert a.call("EXEC") == [Simple("OK")] and a.call("EXISTS", "k") == 0 and b.call("GET", "k") == b"v"


def test_journal_says_del(start):
    primary, target = start(appendonly="yes", appendfsync="always", repl_diskless_sync_delay=0), start()
    replica = start(replicaof=[HOST, primary.port])
    with primary.raw() as a, replica.raw() as r:
        wait_until(lambda: info(replica, "replication")["master_link_status"] == "up", 30, "the link")
        a.call("MSET", "x", 1, "y", 2, "z", 3)
        assert migrate(a, target, "", "KEYS", "x", "none", "y") == Simple("OK")
        in_sync(primary, replica)
        assert r.call("KEYS", "*") == [b"z"]
    primary.restart()
    with primary.raw() as a:
        assert a.call("KEYS", "*") == [b"z"]


class Peer:
    """Answers the first bytes of every connection with the same bytes, then closes it or falls silent."""

    def __init__(self, reply, close=True):
        self.reply, self.closes = reply, close
        self.connections = []
        self.socket = socket.create_server((HOST, 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.socket.accept()
                self.connections.append(peer)
                peer.recv(65536)
                peer.sendall(self.reply)
                if self.closes:
                    peer.shutdown(socket.SHUT_WR)       # close() with input unread would take the reply back

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for peer in [self.socket, *self.connections]:
            peer.close()


READING = Error("IOERR error or timeout reading to target instance")


@pytest.mark.parametrize("reply, expected, left", [
    (b"", READING, "st"),
    (b"+OK\r\n", READING, "st"),
    (b"+OK\r\n+OK\r\n+O", READING, "t"),
    (b"+OK\r\n-ERR one\r\n-ERR two\r\n", target_error("ERR one"), "st"),
    (b"+OK\r\n-ERR one\r\n+OK\r\n", target_error("ERR one"), "s"),
    (b"-ERR select\r\n+OK\r\n+OK\r\n", target_error("ERR select"), "st"),
    (b"+OK\r\nrubbish\r\n+OK\r\n", target_error("rubbish"), "s"),
    (b"+" + b"x" * 100000, READING, "st"),
])
@pytest.mark.parametrize("close", [True, False], ids=["closes", "silent"])
def test_broken_peers(raw, reply, expected, left, close):
    raw.call("FLUSHALL")
    raw.call("MSET", "s", 1, "t", 2)
    with Peer(reply, close) as peer:
        assert migrate(raw, peer, "", "KEYS", "s", "t", timeout=150) == expected
        assert "".join(sorted(k.decode() for k in raw.call("KEYS", "*"))) == left


def test_timeout(raw):
    raw.call("SET", "s", 1)
    with Peer(b"", close=False) as peer:
        began = time.monotonic()
        assert migrate(raw, peer, "s", timeout=300) == READING
        assert 0.25 < time.monotonic() - began < 2


def test_connections_are_kept_and_made_anew(start):
    source, target = start(), start()
    with source.raw() as a, target.raw() as b:
        def cached():
            return int(info(source, "stats")["migrate_cached_sockets"])

        a.call("MSET", "j", 1, "k", 2, "l", 3)
        assert cached() == 0
        assert migrate(a, target, "j") == Simple("OK") and cached() == 1
        before = info(target, "stats")["total_connections_received"]
        assert migrate(a, target, "k") == Simple("OK") and cached() == 1
        assert int(info(target, "stats")["total_connections_received"]) == int(before) + 1      # our own INFO
        b.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert migrate(a, target, "l") == Simple("OK"), "a kept connection that was closed meanwhile is replaced"


def test_idle_connections_are_closed(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(migrate_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    migration = Migration(SimpleNamespace(engine=None, config={"tls-cluster": False}, log=None))
    with Peer(b"", close=False) as peer:
        wishes = Wishes(target=(HOST.encode(), b"%d" % peer.port), db=0, seconds=1.0, keys=())
        link = migration._link(wishes)
        now[0] += 9
        migration.cron()
        assert migration._link(wishes) is link and len(migration) == 1
        now[0] += 11
        migration.cron()
        assert len(migration) == 0 and link.socket.fileno() == -1


def test_large_values(pair):
    a, b, target = pair
    for _ in range(20):
        a.call("RPUSH", "big", *[b"x" * 5000] * 200)
    assert migrate(a, target, "big") == Simple("OK")
    assert b.call("LLEN", "big") == 4000 and a.call("EXISTS", "big") == 0
