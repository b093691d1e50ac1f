"""kill -9 at random moments under a write load: what was acknowledged is there after the restart.

One connection writes rounds of commands on keys of every type; round i adds i everywhere. After a crash each key must
hold exactly the rounds 1..m, the same m for all keys that one transaction changed, with m between the last round that
was acknowledged (and, with everysec, older than two seconds) and the last that was sent.

REDISPY_CRASH_ROUNDS sets the number of crashes (default 6 a policy); a full disk is a limit on the size of files.
"""
import os
import random
import resource
import threading
import time

import pytest
from support.resp import Closed, Error, RawClient
from support.server import Server

ROUNDS = int(os.environ.get("REDISPY_CRASH_ROUNDS", "6"))
LOST_S = 2.0


def commands(i):
    """Round i: plain commands, then a transaction."""
    return [["INCR", "count"], ["RPUSH", "list", i], ["SADD", "set", i], ["ZADD", "zset", i, i], ["HSET", "hash", i, i],
            ["XADD", "stream", f"{i}-1", "f", i], ["SET", f"key:{i % 50}", i, "EX", 1000],
            ["MULTI"], ["INCR", "together"], ["RPUSH", "together:list", i], ["EXEC"]]


class Writer(threading.Thread):
    """Sends rounds until the server dies."""

    def __init__(self, port, begin):
        super().__init__(daemon=True)
        self.port, self.sent, self.acked = port, begin - 1, begin - 1
        self.times = []                             # when each round was acknowledged
        self.refused = None

    def run(self):
        try:
            with RawClient(self.port, timeout_s=20) as client:
                while True:
                    self.sent += 1
                    for reply in client.pipeline(*commands(self.sent)):
                        if isinstance(reply, Error):
                            self.refused = reply
                            return
                    self.acked = self.sent
                    self.times.append(time.monotonic())
        except (OSError, Closed, AssertionError):
            pass


def held(client):
    """The number of whole rounds in each key; asserts that a key holds exactly 1..m."""
    n = int(client.call("GET", "count") or 0)
    expected = [str(i).encode() for i in range(1, n + 1)]
    rounds = {"count": n, "list": client.call("LLEN", "list"), "set": client.call("SCARD", "set"),
              "zset": client.call("ZCARD", "zset"), "hash": client.call("HLEN", "hash"),
              "stream": client.call("XLEN", "stream"), "together": int(client.call("GET", "together") or 0)}
    assert client.call("LRANGE", "list", 0, n - 1 if n else 0)[:n] == expected[:rounds["list"]][:n]
    assert rounds["together"] == client.call("LLEN", "together:list")
    return rounds


def check(client, writer, oldest_kept):
    rounds = held(client)
    assert min(rounds.values()) >= oldest_kept, (rounds, oldest_kept, writer.sent)
    assert max(rounds.values()) <= writer.sent, (rounds, writer.sent)
    return rounds


def level(client, rounds):
    """Completes the round that the crash cut off, so that the next one begins with all keys alike."""
    top = max(rounds.values())
    for i in range(min(rounds.values()) + 1, top + 1):
        for command in commands(i)[:7]:
            name = {"count": "count", "list": "list", "set": "set", "zset": "zset", "hash": "hash", "stream": "stream"}.get(
                command[1])
            if name and rounds[name] < i:
                client.call(*command)
        if rounds["together"] < i:
            client.call("INCR", "together")
            client.call("RPUSH", "together:list", i)
    return top


def disturb(server, chance):
    """Something else that is under way when the crash comes."""
    what = chance.choice(["nothing", "BGSAVE", "BGREWRITEAOF", "BGREWRITEAOF"])
    if what != "nothing":
        with RawClient(server.port, timeout_s=20) as client:
            client.call(what)


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_kill(start, policy):
    chance = random.Random(2024)
    server = start(appendonly=True, appendfsync=policy, rdb_key_save_delay=100)
    begin = 1
    for _ in range(ROUNDS):
        writer = Writer(server.port, begin)
        writer.start()
        time.sleep(chance.uniform(0.02, 0.25))
        disturb(server, chance)
        time.sleep(chance.uniform(0, 0.15))
        server.kill()
        killed = time.monotonic()
        writer.join(10)
        assert writer.refused is None
        server.start()
        kept = writer.acked
        if policy == "everysec":
            kept = begin - 1 + sum(1 for t in writer.times if t < killed - LOST_S)
        with RawClient(server.port, timeout_s=20) as client:
            begin = level(client, check(client, writer, kept)) + 1


def test_full_disk(start):
    """Writes are refused once the file can't grow, reads are not; nothing acknowledged is lost, and it goes on later."""
    server = start(appendonly=True, appendfsync="everysec", auto_aof_rewrite_percentage=0)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    writer = Writer(server.port, 1)
    writer.start()
    writer.join(30)
    assert writer.refused is not None and writer.refused.startswith(b"MISCONF Errors writing to the AOF file: ")
    with RawClient(server.port, timeout_s=20) as client:
        before = held(client)
        assert b"aof_last_write_status:err" in client.call("INFO", "persistence")
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        end = time.monotonic() + 10
        while isinstance(client.call("SET", "again", 1), Error) and time.monotonic() < end:
            time.sleep(0.05)
        assert client.call("GET", "again") == b"1"
    time.sleep(1.5)
    server.kill()
    server.start()
    with RawClient(server.port, timeout_s=20) as client:
        assert held(client) == before and client.call("GET", "again") == b"1"


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_cut_tail(start, cut):
    """A file that ends inside a command is cut behind the last whole one."""
    server = start(appendonly=True, appendfsync="always")
    with RawClient(server.port) as client:
        for i in range(1, 6):
            client.pipeline(*commands(i))
    server.kill()
    path = server.directory / "appendonlydir" / "appendonly.aof.1.incr.aof"
    os.truncate(path, path.stat().st_size - cut)
    server.start()
    with RawClient(server.port) as client:
        rounds = held(client)
        assert min(rounds.values()) >= 4 and rounds["count"] == 5
        assert rounds["together"] == (5 if cut == 0 else 4)


def test_flipped_bytes_are_explained(tmp_path):
    """A file that is no longer one: the server says what is wrong and does not start; it never crashes."""
    chance = random.Random(7)
    server = Server(directory=tmp_path, appendonly=True, appendfsync="always").start()
    with RawClient(server.port) as client:
        for i in range(1, 6):
            client.pipeline(*commands(i))
    server.kill()
    path = tmp_path / "appendonlydir" / "appendonly.aof.1.incr.aof"
    whole = path.read_bytes()
    for _ in range(8):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        again = Server(directory=tmp_path, appendonly=True).start(wait=False)
        end = time.monotonic() + 20
        while again.is_running() and not again.answers() and time.monotonic() < end:
            time.sleep(0.01)
        if again.is_running():
            assert again.answers()                  # the damage lies in a value, or at the end: it loads
        else:
            assert "reading the append only file" in again.log
        again.kill()
