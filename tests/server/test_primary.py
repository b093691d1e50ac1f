"""Real servers as replicas of ours: all data arrive, by the file and by the stream, through cut links and crashes."""
import random
import socket
import threading
import time

import pytest
from support import reference
from support.resp import Error, Simple
from support.server import Server, wait_until

REAL = reference.every()
QUICK = {"repl_diskless_sync_delay": "0", "repl_ping_replica_period": "1"}


def start_replica(start, real, port, **settings):
    known = {"enable_debug_command": None, "shutdown_on_sigterm": None} if real.version < (7, 0) else {}
    return start(command=[real.path], replicaof=["127.0.0.1", port], repl_timeout="20", **{**known, **settings})


def info(server, section):
    with server.raw() as raw:
        text = raw.call("INFO", section).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def is_up(server):
    return info(server, "replication").get("master_link_status") == "up"


def in_sync(primary, *replicas):
    """All replicas are connected and have applied what the primary has written."""
    def check():
        offset = info(primary, "replication")["master_repl_offset"]
        rows = [info(r, "replication") for r in replicas]
        return all(r["master_link_status"] == "up" and r["slave_repl_offset"] == offset for r in rows)
    wait_until(check, 30, "the replicas' offset")


def fill(raw):
    """A bit of everything, in several databases and encodings."""
    commands = [
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
        ["SETBIT", "bits", "1000", "1"], ["INCRBYFLOAT", "float", "3.14"], ["INCR", "counter"],
        ["SELECT", "9"], ["SET", "elsewhere", "1"], ["EXPIRE", "elsewhere", "500"], ["SELECT", "0"],
    ]
    for reply in raw.pipeline(*commands):
        assert not isinstance(reply, Error), reply


def same_data(primary, replica):
    """Key by key; the digest too, where both compute the same."""
    with primary.raw() as a, replica.raw() as b:
        assert info(primary, "keyspace").keys() == info(replica, "keyspace").keys()
        for db in sorted(int(name[2:]) for name in info(primary, "keyspace")):
            a.call("SELECT", db), b.call("SELECT", db)
            keys = sorted(a.call("KEYS", "*"))
            assert keys == sorted(b.call("KEYS", "*"))
            values = a.pipeline(*(["DEBUG", "DIGEST-VALUE", k] for k in keys)) if keys else []
            assert values == (b.pipeline(*(["DEBUG", "DIGEST-VALUE", k] for k in keys)) if keys else [])
            for k in keys:
                assert abs(a.call("PTTL", k) - b.call("PTTL", k)) < 3000


@pytest.fixture(params=REAL, ids=str)
def real(request):
    return request.param


@pytest.mark.parametrize("diskless", ["yes", "no"])
def test_full_sync_then_stream(start, real, diskless):
    primary = start(repl_diskless_sync=diskless, **QUICK)
    with primary.raw() as raw:
        fill(raw)
        replica = start_replica(start, real, primary.port)
        wait_until(lambda: is_up(replica), 30, "the link")
        same_data(primary, replica)
        raw.call("FLUSHALL")
        fill(raw)
        raw.pipeline(["MULTI"], ["INCR", "counter"], ["LPUSH", "l", "in"], ["EXEC"], ["SETEX", "soon", "1", "x"],
                     ["PUBLISH", "ch", "m"])
        with primary.raw() as blocked:
            blocked.send("BLPOP", "queue", "5")
            wait_until(lambda: info(primary, "clients")["blocked_clients"] == "1", what="the wait")
            raw.call("RPUSH", "queue", "1", "2")
            assert blocked.read() == [b"queue", b"1"]
        wait_until(lambda: raw.call("EXISTS", "soon") == 0, what="the expiry")
        assert raw.call("WAIT", "1", "10000") == 1
        in_sync(primary, replica)
        same_data(primary, replica)
        stats = info(primary, "stats")
        assert (stats["sync_full"], stats["sync_partial_ok"]) == ("1", "0")
        assert int(stats["total_net_repl_output_bytes"]) > 0


@pytest.mark.parametrize("diskless", ["yes", "no"])
def test_all_replicas_at_once(start, diskless):
    if len(REAL) < 2:
        pytest.skip("fewer than two real servers")
    primary = start(repl_diskless_sync=diskless, repl_diskless_sync_delay="2",
                    repl_diskless_sync_max_replicas=str(len(REAL)))
    with primary.raw() as raw:
        fill(raw)
        replicas = [start_replica(start, real, primary.port) for real in REAL]
        for i in range(200):
            raw.call("SET", f"k{i}", "v" * i)
        for replica in replicas:
            wait_until(lambda r=replica: is_up(r), 30, "the link")
        assert raw.call("WAIT", str(len(REAL)), "10000") == len(REAL)
        in_sync(primary, *replicas)
        for replica in replicas:
            same_data(primary, replica)
        role = raw.call("ROLE")
        assert role[0] == b"master" and sorted(r[1] for r in role[2]) == sorted(str(r.port).encode() for r in replicas)


class Cutter:
    """Passes bytes between a port of its own and another, until cut() ends the links of the moment."""

    def __init__(self, port):
        self.target, self.pairs = port, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            self.pairs.append((near, far))
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(a, b), daemon=True).start()

    @staticmethod
    def _pass(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass

    def cut(self):
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for s in pair:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                s.close()

    def close(self):
        self.listener.close()
        self.cut()


def write_load(port, stop, counts):
    """Random writes until told to stop."""
    from support.resp import RawClient
    dice, n = random.Random(5), 0
    with RawClient(port) as raw:
        while not stop.is_set():
            key = f"k{dice.randrange(300)}"
            raw.pipeline(["SET", key, dice.randbytes(dice.randrange(500))], ["INCR", "n"], ["RPUSH", "l", n],
                         ["LTRIM", "l", "-50", "-1"], ["HSET", "h", key, n], ["EXPIRE", key, "1000"])
            n += 6
    counts.append(n)


def test_cut_link_is_continued_where_it_stopped(start, real):
    primary = start(repl_backlog_size="50mb", **QUICK)
    cutter = Cutter(primary.port)
    stop, counts = threading.Event(), []
    writer = threading.Thread(target=write_load, args=(primary.port, stop, counts))
    try:
        replica = start_replica(start, real, cutter.port)
        wait_until(lambda: is_up(replica), 30, "the link")
        writer.start()
        for i in range(3):
            time.sleep(0.3)
            cutter.cut()
            wait_until(lambda n=i: int(info(primary, "stats")["sync_partial_ok"]) > n, 30, "the continuation")
        stop.set()
        writer.join()
        in_sync(primary, replica)
        same_data(primary, replica)
        assert info(primary, "stats")["sync_full"] == "1"
    finally:
        stop.set()
        cutter.close()


def test_history_that_is_too_short_means_a_full_sync(start, real):
    primary = start(repl_backlog_size="16kb", **QUICK)
    cutter = Cutter(primary.port)
    try:
        replica = start_replica(start, real, cutter.port)
        wait_until(lambda: is_up(replica), 30, "the link")
        with primary.raw() as raw:
            cutter.cut()
            raw.pipeline(*(["SET", f"k{i}", "v" * 1000] for i in range(300)))
        wait_until(lambda: info(primary, "stats")["sync_full"] == "2", 30, "the second full sync")
        in_sync(primary, replica)
        same_data(primary, replica)
        assert info(primary, "stats")["sync_partial_err"] != "0" or info(primary, "stats")["sync_partial_ok"] == "0"
    finally:
        cutter.close()


def test_replica_that_is_killed_comes_back(start, real):
    primary = start(**QUICK)
    with primary.raw() as raw:
        fill(raw)
        replica = start_replica(start, real, primary.port)
        wait_until(lambda: is_up(replica), 30, "the link")
        replica.kill()
        wait_until(lambda: info(primary, "replication")["connected_slaves"] == "0", what="the loss")
        raw.call("SET", "meanwhile", "1")
        replica.start()
        wait_until(lambda: is_up(replica), 30, "the link")
        in_sync(primary, replica)
        same_data(primary, replica)


def test_raw_sync_gets_a_file_and_the_stream(start):
    primary = start(**QUICK)
    with primary.raw() as raw, socket.create_connection(("127.0.0.1", primary.port)) as link:
        raw.call("SET", "k", "v")
        link.sendall(b"SYNC\r\n")
        reader = link.makefile("rb")
        line = b"\n"
        while line == b"\n":
            line = reader.readline()
        assert line[:1] == b"$"
        assert reader.read(int(line[1:]))[:5] == b"REDIS"
        raw.call("SELECT", "3")
        raw.call("SET", "a", "b", "PX", "100000")
        assert reader.read(23) == b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"
        assert reader.readline() == b"*5\r\n"
        rows = info(primary, "replication")
        assert rows["connected_slaves"] == "1" and rows["slave0"].startswith("ip=127.0.0.1,port=0,state=online,")
        link.sendall(b"*1\r\n$4\r\nPING\r\n")
        wait_until(lambda: info(primary, "replication")["connected_slaves"] == "0", what="its end")
    assert "Replica generated a reply to command 'ping', disconnecting it" in primary.log


def test_replica_may_not_touch_keys(start):
    primary = start(**QUICK)
    with primary.raw() as raw, primary.raw() as link:
        link.send("SYNC")
        wait_until(lambda: b"state=online" in raw.call("INFO", "replication"), what="the sync")
        link.send("GET", "k")
        wait_until(lambda: info(primary, "replication")["connected_slaves"] == "0", what="its end")
    assert "Replica can't interact with the keyspace" in primary.log


def test_few_good_replicas_refuse_writes(start, real):
    primary = start(min_replicas_to_write="1", **QUICK)
    with primary.raw() as raw:
        assert raw.call("SET", "k", "v").code == "NOREPLICAS"
        assert raw.call("EXISTS", "k") == 0
        replica = start_replica(start, real, primary.port)
        wait_until(lambda: raw.call("SET", "k", "v") == Simple("OK"), 30, "a good replica")
        assert info(primary, "replication")["min_slaves_good_slaves"] == "1"
        replica.kill()
        wait_until(lambda: isinstance(raw.call("SET", "k", "v"), Error), what="the loss")
        raw.call("CONFIG", "SET", "min-replicas-to-write", "0")
        assert raw.call("SET", "k", "v") == Simple("OK")


def test_restarted_primary_continues_its_history(start, real):
    primary = start(save=["3600", "1"], **QUICK)
    with primary.raw() as raw:
        fill(raw)
        replica = start_replica(start, real, primary.port)
        wait_until(lambda: is_up(replica), 30, "the link")
        raw.call("SET", "k", "v")
        in_sync(primary, replica)
    before = info(primary, "replication")
    primary.restart()
    wait_until(lambda: is_up(replica) and info(primary, "replication")["connected_slaves"] == "1", 30, "the link")
    after = info(primary, "replication")
    assert after["master_replid2"] == before["master_replid"]
    assert info(primary, "stats")["sync_partial_ok"] == "1"
    in_sync(primary, replica)
    same_data(primary, replica)


def test_wait_and_its_errors(start):
    primary = start(**QUICK)
    with primary.raw() as raw:
        raw.call("SET", "k", "v")
        assert raw.call("WAIT", "0", "0") == 0
        assert raw.call("WAIT", "1", "20") == 0
        assert raw.call("WAIT", "1", "-1") == Error("ERR timeout is negative")
        assert raw.call("WAIT", "x", "1") == Error("ERR value is not an integer or out of range")
        assert raw.call("WAIT", "1", "x") == Error("ERR timeout is not an integer or out of range")
        assert raw.pipeline(["MULTI"], ["WAIT", "5", "0"], ["EXEC"])[2] == [0]
        assert raw.call("WAITAOF", "2", "0", "0") == Error("ERR value is out of range, value must between 0 and 1")
        assert raw.call("WAITAOF", "0", "-1", "0") == Error("ERR value is out of range, must be positive")
        assert raw.call("WAITAOF", "1", "0", "0") == Error("ERR WAITAOF cannot be used when numlocal is set but appendonly "
                                                           "is disabled.")
        assert raw.call("WAITAOF", "0", "1", "20") == [0, 0]


def test_waitaof_waits_for_the_disk(start):
    primary = start(appendonly="yes", appendfsync="everysec")
    with primary.raw() as raw:
        raw.call("SET", "k", "v")
        assert raw.call("WAITAOF", "1", "0", "0") == [1, 0]
        raw.call("CONFIG", "SET", "appendfsync", "always")
        assert raw.pipeline(["INCR", "n"], ["WAITAOF", "1", "0", "0"]) == [1, [1, 0]]
        raw.call("CONFIG", "SET", "appendfsync", "no")
        raw.call("INCR", "n")
        assert raw.call("WAITAOF", "1", "0", "30") == [0, 0]
        raw.send("WAITAOF", "1", "0", "0")
        wait_until(lambda: info(primary, "clients")["blocked_clients"] == "1", what="the wait")
        with primary.raw() as other:
            other.call("CONFIG", "SET", "appendonly", "no")
        assert raw.read().code == "ERR"


def test_backlog_goes_when_nobody_needs_it(start):
    primary = start(repl_backlog_ttl="1", **QUICK)
    with primary.raw() as raw:
        with primary.raw() as link:
            link.send("SYNC")
            wait_until(lambda: b"state=online" in raw.call("INFO", "replication"), what="the sync")
            assert raw.call("CLIENT", "KILL", "TYPE", "replica") == 1
        before = info(primary, "replication")
        assert before["repl_backlog_active"] == "1"
        wait_until(lambda: info(primary, "replication")["repl_backlog_active"] == "0", what="the backlog's end")
        assert info(primary, "replication")["master_replid"] != before["master_replid"]
        assert raw.call("SET", "k", "v") == Simple("OK")


def test_shutdown_waits_for_a_replica(start):
    primary = start(shutdown_timeout="20", repl_timeout="100", **QUICK)
    with primary.raw() as raw, primary.raw() as link, primary.raw() as ender:
        link.send("SYNC")
        wait_until(lambda: b"state=online" in raw.call("INFO", "replication"), what="the sync")
        raw.call("SET", "k", "v")
        ender.send("SHUTDOWN")
        wait_until(lambda: b"shutdown_in_milliseconds" in raw.call("INFO", "server"), what="the wait")
        assert raw.call("SHUTDOWN", "ABORT") == Simple("OK")
        assert ender.read() == Error("ERR Errors trying to SHUTDOWN. Check logs.")
        assert raw.call("SET", "k", "w") == Simple("OK")
        ender.send("SHUTDOWN")
        wait_until(lambda: b"shutdown_in_milliseconds" in raw.call("INFO", "server"), what="the wait")
        offset = info(primary, "replication")["master_repl_offset"]
        link.send("REPLCONF", "ACK", offset)
        assert primary.wait() == 0
    assert "1 of 1 replicas are in sync when shutting down." in primary.log


def test_limits_of_a_slow_replica(start):
    primary = start(client_output_buffer_limit=["replica", "1mb", "0", "0"], repl_backlog_size="16kb", **QUICK)
    with primary.raw() as raw, primary.raw() as link:
        link.send("SYNC")
        wait_until(lambda: b"state=online" in raw.call("INFO", "replication"), what="the sync")
        for i in range(200):
            raw.pipeline(*(["SET", f"k{j}", "v" * 10_000] for j in range(10)))
            if info(primary, "replication")["connected_slaves"] == "0":
                break
        assert info(primary, "replication")["connected_slaves"] == "0"
        assert info(primary, "stats")["client_output_buffer_limit_disconnections"] == "1"
        wait_until(lambda: int(info(primary, "memory")["mem_total_replication_buffers"]) < 100_000, what="the freeing")
