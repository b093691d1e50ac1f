"""Ours as the replica of real servers: all data arrive, by the file and by the stream, through cut links and crashes."""
import os
import time

import pytest
from support import certificates, reference
from support.links import COMMANDS, Cutter, Load, fill, in_sync, info, same_data, wait_for_link
from support.resp import Error, Simple
from support.server import free_port, wait_until

REAL = reference.every()


@pytest.fixture(params=REAL, ids=str)
def real(request):
    return request.param


@pytest.fixture
def primary_of(start):
    """A real server as a primary."""
    def begin(real, **settings):
        known = {"enable_debug_command": None, "shutdown_on_sigterm": None} if real.version < (7, 0) else {}
        return start(command=[real.path], repl_diskless_sync_delay="0", repl_ping_replica_period="1", **{**known, **settings})
    return begin


@pytest.fixture
def pair(start, primary_of):
    def begin(real, of_primary=None, **settings):
        primary = primary_of(real, **(of_primary or {}))
        replica = start(replicaof=["127.0.0.1", primary.port], **settings)
        wait_for_link(replica)
        return primary, replica
    return begin


@pytest.mark.parametrize("diskless", ["yes", "no"])
@pytest.mark.parametrize("load", ["disabled", "on-empty-db", "swapdb"])
def test_full_sync_then_stream(real, start, primary_of, diskless, load):
    primary = primary_of(real, repl_diskless_sync=diskless)
    with primary.raw() as raw:
        fill(raw)
        replica = start(replicaof=["127.0.0.1", primary.port], repl_diskless_load=load)
        wait_for_link(replica)
        same_data(primary, replica)
        raw.call("FLUSHALL")
        fill(raw)
        raw.pipeline(["MULTI"], ["INCR", "counter"], ["LPUSH", "l", "in"], ["EXEC"], ["SETEX", "soon", "1", "x"],
                     ["EVAL", "redis.call('SET', KEYS[1], 1) redis.call('INCRBY', KEYS[1], 4)", "1", "by-script"],
                     ["SELECT", "3"], ["SET", "three", "3"], ["SWAPDB", "3", "4"], ["SELECT", "0"], ["COPY", "s", "s2"],
                     ["MOVE", "s2", "7"], ["RENAME", "int", "number"], ["RESTORE", "back", "0", raw.call("DUMP", "z")])
        wait_until(lambda: raw.call("EXISTS", "soon") == 0, what="the expiry")
        assert raw.call("WAIT", "1", "10000") == 1
        in_sync(primary, replica)
        same_data(primary, replica)
    assert "Finished with success" in replica.log
    assert "CRITICAL" not in replica.log


def test_what_it_says_of_itself(real, pair):
    primary, replica = pair(real, replica_announce_ip="10.1.1.1", replica_announce_port="1234", replica_priority="7")
    with replica.raw() as raw:
        rows = info(replica, "replication")
        assert list(rows)[:11] == ["role", "master_host", "master_port", "master_link_status", "master_last_io_seconds_ago",
                                   "master_sync_in_progress", "slave_read_repl_offset", "slave_repl_offset",
                                   "slave_priority", "slave_read_only", "replica_announced"]
        assert (rows["role"], rows["master_port"], rows["slave_priority"]) == ("slave", str(primary.port), "7")
        role = raw.call("ROLE")
        assert role[:4] == [b"slave", b"127.0.0.1", primary.port, b"connected"] and role[4] >= 0
        assert b" flags=M " in raw.call("CLIENT", "LIST", "TYPE", "master")
        assert raw.call("SET", "k", "v") == Error("READONLY You can't write against a read only replica.")
        assert raw.call("CONFIG", "GET", "replicaof") == [b"replicaof", f"127.0.0.1 {primary.port}".encode()]
        assert raw.call("REPLICAOF", "127.0.0.1", primary.port) == Simple("OK Already connected to specified master")
        assert raw.call("REPLICAOF", "127.0.0.1", "66000") == Error("ERR Invalid master port")
        assert info(primary, "replication")["slave0"].startswith("ip=10.1.1.1,port=1234,state=online,")
        assert raw.call("CLIENT", "KILL", "TYPE", "master") == 1
    wait_until(lambda: info(primary, "stats")["sync_partial_ok"] == "1", what="the continuation")
    wait_for_link(replica)


def test_cut_links_are_continued_where_they_stopped(real, start, primary_of):
    primary = primary_of(real, repl_backlog_size="50mb")
    cutter = Cutter(primary.port, piece=777)
    try:
        replica = start(replicaof=["127.0.0.1", cutter.port])
        wait_for_link(replica)
        with Load(primary.port):
            for i in range(4):
                time.sleep(0.3)
                cutter.cut()
                wait_until(lambda n=i: int(info(primary, "stats")["sync_partial_ok"]) > n, 30, "the continuation")
        in_sync(primary, replica)
        same_data(primary, replica)
        assert info(primary, "stats")["sync_full"] == "1"
    finally:
        cutter.close()


def test_restart_continues_from_the_file(real, pair):
    primary, replica = pair(real, save=["3600", "1"])
    with primary.raw() as raw:
        fill(raw)
        in_sync(primary, replica)
        replica.stop()
        raw.call("INCR", "counter")
        replica.start()
        wait_for_link(replica)
        in_sync(primary, replica)
        same_data(primary, replica)
    assert info(primary, "stats")["sync_partial_ok"] == "1"


def test_killed_primary_comes_back(real, pair):
    primary, replica = pair(real, of_primary={"save": ["3600", "1"]})
    with primary.raw() as raw:
        fill(raw)
        raw.call("SAVE")
        raw.call("SET", "lost", "1")
        in_sync(primary, replica)
    with Load(primary.port):
        primary.kill()
    wait_until(lambda: info(replica, "replication")["master_link_status"] == "down", what="the loss")
    with replica.raw() as raw:
        assert raw.call("GET", "lost") == b"1"              # stale data are served
        assert raw.call("ROLE")[3:] in ([b"connect", -1], [b"connecting", -1])
        assert int(info(replica, "replication")["master_link_down_since_seconds"]) >= 0
        raw.call("CONFIG", "SET", "replica-serve-stale-data", "no")
        assert raw.call("GET", "lost") == Error("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set "
                                                "to 'no'.")
        primary.start()
        wait_for_link(replica)
        in_sync(primary, replica)
        same_data(primary, replica)
        assert raw.call("EXISTS", "lost") == 0


def test_promotion_and_return(real, pair):
    primary, replica = pair(real)
    with primary.raw() as one, replica.raw() as two:
        fill(one)
        one.call("CONFIG", "SET", "repl-ping-replica-period", "1000")     # a ping behind the promotion would be lost
        in_sync(primary, replica)
        before = info(replica, "replication")
        assert two.call("REPLICAOF", "NO", "ONE") == Simple("OK")
        rows = info(replica, "replication")
        assert (rows["role"], rows["master_replid2"]) == ("master", before["master_replid"])
        assert int(rows["second_repl_offset"]) == int(before["slave_repl_offset"]) + 1
        assert two.call("SET", "mine", "1") == Simple("OK")
        assert one.call("REPLICAOF", "127.0.0.1", replica.port) == Simple("OK")
        wait_for_link(primary)
        in_sync(replica, primary)
        same_data(replica, primary)
        assert info(replica, "stats")["sync_partial_ok"] == "1"
        one.call("REPLICAOF", "NO", "ONE")
        two.call("REPLICAOF", "127.0.0.1", primary.port)
        wait_for_link(replica)
        one.call("INCR", "counter")
        in_sync(primary, replica)
        same_data(primary, replica)


def test_chain(real, start, primary_of):
    """The stream goes on to a replica of ours, to the byte; it also continues there after the middle one is promoted."""
    primary = primary_of(real)
    middle = start(replicaof=["127.0.0.1", primary.port], repl_diskless_sync_delay="0")
    wait_for_link(middle)
    last = primary_of(real, replicaof=["127.0.0.1", middle.port])
    wait_for_link(last)
    with primary.raw() as raw, middle.raw() as mid:
        fill(raw)
        raw.pipeline(["MULTI"], ["INCR", "counter"], ["LPUSH", "l", "in"], ["EXEC"])
        in_sync(primary, middle, last)
        same_data(primary, last)
        assert info(last, "replication")["master_replid"] == info(primary, "replication")["master_replid"]
        mid.call("REPLICAOF", "NO", "ONE")
        mid.call("SET", "after", "1")
        wait_for_link(last)
        in_sync(middle, last)
        same_data(middle, last)
    assert info(middle, "stats")["sync_partial_ok"] == "1"


def test_expired_keys_are_missing_until_the_primary_says_so(real, pair):
    primary, replica = pair(real)
    with primary.raw() as one, replica.raw() as two:
        one.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        one.pipeline(["SET", "k", "v", "PX", "30"], ["SET", "stays", "v"], ["RPUSH", "l", "a"], ["PEXPIRE", "l", "30"])
        in_sync(primary, replica)
        time.sleep(0.1)
        assert two.pipeline(["STRLEN", "k"], ["EXISTS", "k"], ["TTL", "k"], ["DBSIZE"], ["KEYS", "*"]) == [
            0, 0, -2, 3, [b"stays"]]
        assert one.call("EXISTS", "k") == 0                 # now it goes, everywhere
        in_sync(primary, replica)
        assert two.call("DBSIZE") == 2


def test_clients_that_wait_are_sent_away(real, start, primary_of):
    primary, replica = primary_of(real), start()
    with replica.raw() as raw, replica.raw() as waiting:
        waiting.send("BLPOP", "q", "0")
        wait_until(lambda: info(replica, "clients")["blocked_clients"] == "1", what="the wait")
        assert raw.call("SLAVEOF", "127.0.0.1", primary.port) == Simple("OK")
        assert waiting.read() == Error("UNBLOCKED force unblock from blocking operation, instance state changed "
                                       "(master -> replica?)")
        assert waiting.is_closed()
        wait_for_link(replica)


def test_published_messages_arrive(real, pair):
    primary, replica = pair(real)
    with primary.raw() as one, replica.raw() as two:
        two.call("SUBSCRIBE", "ch")
        one.call("PUBLISH", "ch", "hello")
        assert two.read() == [b"message", b"ch", b"hello"]


def test_password_and_user(real, start, primary_of):
    primary = primary_of(real, requirepass="secret")
    replica = start(replicaof=["127.0.0.1", primary.port], masterauth="wrong")
    replica.wait_for_log("Unable to AUTH to MASTER")
    with replica.raw() as raw:
        raw.call("CONFIG", "SET", "masterauth", "secret")
    wait_for_link(replica)


def test_rewritten_settings_and_own_aof(real, pair):
    primary, replica = pair(real, appendonly=True)
    with primary.raw() as one:
        fill(one)
        in_sync(primary, replica)
        wait_until(lambda: info(replica, "persistence")["aof_rewrite_in_progress"] == "0", what="the rewrite")
        one.pipeline(*(c for c in COMMANDS if c[0] in ("SET", "RPUSH")))
        in_sync(primary, replica)
        replica.restart()
        wait_for_link(replica)
        in_sync(primary, replica)
        same_data(primary, replica)


def test_cut_in_the_middle_of_the_file(real, start, primary_of):
    primary = primary_of(real)
    with primary.raw() as raw:
        fill(raw)
        raw.pipeline(*(["SET", f"k{i}", os.urandom(10_000)] for i in range(500)))
    cutter = Cutter(primary.port, delay_s=0.01, piece=65536)
    try:
        replica = start(replicaof=["127.0.0.1", cutter.port])
        wait_until(lambda: int(info(replica, "replication").get("master_sync_read_bytes", 0)) > 100_000, 20, "some of the file")
        cutter.cut()
        cutter.delay_s = 0
        wait_for_link(replica)
        same_data(primary, replica)
        assert not list(replica.directory.glob("temp-*.rdb"))
    finally:
        cutter.close()


@pytest.mark.parametrize("load", ["on-empty-db", "swapdb"])
def test_serves_while_it_loads_from_the_socket(real, start, primary_of, load):
    primary = primary_of(real)
    with primary.raw() as raw:
        raw.pipeline(*(["SET", f"k{i}", os.urandom(10_000)] for i in range(500)))
    cutter = Cutter(primary.port, delay_s=0.02, piece=65536)
    try:
        replica = start(repl_diskless_load=load)
        with replica.raw() as raw:
            if load == "swapdb":
                raw.call("SET", "old", "1")
            raw.call("REPLICAOF", "127.0.0.1", cutter.port)
            wait_until(lambda: info(replica, "persistence")["loading"] == "1", 20, "loading")
            assert raw.call("GET", "old").code == "LOADING"
            cutter.cut()
            wait_until(lambda: info(replica, "persistence")["loading"] == "0", 20, "the end of loading")
            assert raw.call("EXISTS", "old") == (load == "swapdb")
            cutter.delay_s = 0
            wait_for_link(replica)
            assert raw.call("EXISTS", "old") == 0
            same_data(primary, replica)
    finally:
        cutter.close()


def test_over_tls(tmp_path, start):
    """Both sides ours: the listening ports of the others are plain."""
    try:
        certs = certificates.make(tmp_path)
    except FileNotFoundError:
        pytest.skip("no openssl command")
    primary = start(tls_port=free_port(), repl_diskless_sync="no", repl_diskless_sync_delay="0", **certs.server_settings())
    with primary.raw() as raw:
        fill(raw)
        for load in ("disabled", "swapdb"):
            replica = start(replicaof=["127.0.0.1", primary.settings["tls-port"]], tls_replication=True, tls_port=free_port(),
                            repl_diskless_load=load, **certs.server_settings())
            wait_for_link(replica)
            raw.pipeline(*COMMANDS)
            in_sync(primary, replica)
            same_data(primary, replica)
            with replica.raw() as two:
                assert two.call("CLIENT", "KILL", "TYPE", "master") == 1
            wait_until(lambda: info(primary, "stats")["sync_partial_ok"] != "0", what="the continuation")
            wait_for_link(replica)
            raw.call("CONFIG", "RESETSTAT")


@pytest.mark.parametrize("load", ["disabled", "swapdb"])
def test_functions_come_with_the_data(start, load):
    code = ("#!lua name={0}\nredis.register_function{{function_name='{0}', callback=function() return '{0}' end, "
            "flags={{'no-writes'}}}}")
    primary = start(repl_diskless_sync_delay="0")
    with primary.raw() as one:
        one.call("FUNCTION", "LOAD", code.format("before"))
        replica = start(repl_diskless_load=load)
        with replica.raw() as two:
            two.call("FUNCTION", "LOAD", code.format("own"))
            two.call("REPLICAOF", "127.0.0.1", primary.port)
            wait_for_link(replica)
            one.call("FUNCTION", "LOAD", code.format("behind"))
            in_sync(primary, replica)
            assert two.pipeline(*(["FCALL", name, "0"] for name in ("before", "behind"))) == [b"before", b"behind"]
            assert isinstance(two.call("FCALL", "own", "0"), Error)


def test_replica_that_may_be_written_to(start):
    """What its own clients gave a time to goes by itself; what the primary gave one to stays until the primary says so."""
    primary = start(repl_diskless_sync_delay="0")
    replica = start(replicaof=["127.0.0.1", primary.port], replica_read_only=False)
    wait_for_link(replica)
    with primary.raw() as one, replica.raw() as two:
        one.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        one.call("SET", "theirs", "v", "PX", "50")
        in_sync(primary, replica)
        two.pipeline(["SET", "own", "v", "PX", "50"], ["SET", "kept", "v"], ["PEXPIRE", "kept", "50"],
                     ["SET", "later", "v", "EX", "1000"])
        assert info(replica, "stats")["slave_expires_tracked_keys"] == "3"
        wait_until(lambda: two.call("DBSIZE") == 2, what="the expiry")
        assert two.pipeline(["EXISTS", "theirs"], ["EXISTS", "later"], ["SET", "theirs", "new"], ["DBSIZE"]) == [
            0, 1, Simple("OK"), 2]
        assert info(replica, "stats")["slave_expires_tracked_keys"] == "1"
        two.call("REPLICAOF", "NO", "ONE")
        assert info(replica, "stats")["slave_expires_tracked_keys"] == "0"
