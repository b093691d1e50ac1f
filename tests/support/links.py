"""Servers that replicate: what they say of it, data to fill them with, links that can be cut."""
import random
import socket
import threading
import time

from support.resp import Error, RawClient
from support.server import wait_until


def info(server, section):
    """INFO's fields of a section."""
    with server.raw() as raw:
        text = raw.call("INFO", section).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def is_up(server):
    """Does the stream come?"""
    return info(server, "replication").get("master_link_status") == "up"


def wait_for_link(*replicas):
    for replica in replicas:
        wait_until(lambda r=replica: is_up(r), 30, "the link")


def in_sync(primary, *replicas):
    """Waits until the replicas have applied all that the primary has written."""
    def check():
        offset = info(primary, "replication")["master_repl_offset"]
        rows = [info(r, "replication") for r in replicas]
        return all(r["master_link_status"] == "up" and r["slave_repl_offset"] == offset for r in rows)
    wait_until(check, 30, "the replicas' offset")


def same_data(primary, replica):
    """Asserts that both have the same, key by key."""
    with primary.raw() as a, replica.raw() as b:
        dbs = {name for name in info(primary, "keyspace") if name.startswith("db")}
        assert dbs == {name for name in info(replica, "keyspace") if name.startswith("db")}
        for db in sorted(int(name[2:]) for name in dbs):
            a.call("SELECT", db), b.call("SELECT", db)
            keys = sorted(a.call("KEYS", "*"))
            assert keys == sorted(b.call("KEYS", "*"))
            ask = [["DEBUG", "DIGEST-VALUE", k] for k in keys] + [["PEXPIRETIME", k] for k in keys]
            for words, wanted, got in zip(ask, a.pipeline(*ask), b.pipeline(*ask)):
                assert wanted == got, words
        assert a.call("DEBUG", "DIGEST") == b.call("DEBUG", "DIGEST")


COMMANDS = [
    ["SET", "s", "v"], ["SET", "int", "12345"], ["SET", "ttl", "v", "EX", "1000"], ["SET", "bin", bytes(range(256))],
    ["SET", "long", "x" * 50_000], ["APPEND", "s", "more"], ["SETRANGE", "range", "10", "abc"],
    ["RPUSH", "l", *range(10)], ["RPUSH", "big", *("e" * 100 + str(i) for i in range(300))], ["LPOP", "l", "2"],
    ["SADD", "ints", *range(20)], ["SADD", "words", "a", "b", "c"], ["SADD", "many", *(f"m{i}" for i in range(600))],
    ["SPOP", "many", "5"], ["HSET", "h", "f", "1", "g", "2"], ["HINCRBYFLOAT", "h", "f", "1.5"],
    ["HSET", "wide", *(x for i in range(600) for x in (f"f{i}", i))],
    ["ZADD", "z", "1", "a", "2.5", "b"], ["ZINCRBY", "z", "3", "a"],
    ["ZADD", "tall", *(x for i in range(300) for x in (i * 1.5, f"m{i}"))], ["ZPOPMIN", "tall"],
    ["GEOADD", "geo", "13.361389", "38.115556", "Palermo"], ["PFADD", "hll", "a", "b", "c"],
    ["XADD", "x", "*", "f", "v"], ["XADD", "x", "*", "f", "w"], ["XGROUP", "CREATE", "x", "g", "0"],
    ["XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "x", ">"],
    ["SETBIT", "bits", "1000", "1"], ["INCRBYFLOAT", "float", "3.14"], ["INCR", "counter"], ["SORT", "l", "STORE", "sorted"],
    ["SELECT", "9"], ["SET", "elsewhere", "1"], ["EXPIRE", "elsewhere", "500"], ["SELECT", "0"],
]


def fill(raw):
    """A bit of everything, in two databases and most encodings."""
    for reply in raw.pipeline(*COMMANDS):
        assert not isinstance(reply, Error), reply


class Cutter:
    """Passes bytes between a port of its own and another, in pieces and with delays, until cut() ends the links."""

    def __init__(self, port, delay_s=0.0, piece=65536):
        self.target, self.pairs, self.delay_s, self.piece = port, [], delay_s, piece
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            self.pairs.append((near, far))
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(a, b), daemon=True).start()

    def _pass(self, source, sink):
        try:
            while data := source.recv(self.piece):
                if self.delay_s:
                    time.sleep(self.delay_s)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        """Ends the links of the moment."""
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                end.close()

    def close(self):
        self.listener.close()
        self.cut()


class Load:
    """Random writes by a thread of its own, inside `with`."""

    def __init__(self, port, seed=5):
        self.port, self.seed, self.count = port, seed, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        dice, n = random.Random(self.seed), 0
        try:
            with RawClient(self.port) as raw:
                while not self._stop.is_set():
                    key = f"k{dice.randrange(300)}"
                    raw.pipeline(["SELECT", dice.choice((0, 0, 0, 5))], ["SET", key, dice.randbytes(dice.randrange(500))],
                                 ["INCR", "n"], ["RPUSH", "l", n], ["LTRIM", "l", "-50", "-1"], ["HSET", "h", key, n],
                                 ["PEXPIRE", key, "300000"], ["MULTI"], ["SADD", "u", n], ["ZADD", "z", n, key], ["EXEC"])
                    self.count = n = n + 1
        except Exception:                       # the server was killed: that is what the test wanted
            pass

    def __enter__(self):
        self._thread.start()
        wait_until(lambda: self.count > 10, what="writes")
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
