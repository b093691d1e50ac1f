"""Who may connect, how long and how much: limits of connections and buffers, addresses, hostile peers."""
import contextlib
import os
import socket
import stat
import time

import pytest
from support.resp import Closed, Error, RawClient, Simple
from support.server import free_port, wait_until

from redispy_server.connection import BindError, is_loopback, listen_tcp


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def alone(raw):
    """Waits until no other client is connected: the start's own probe goes away in its time."""
    wait_until(lambda: b"connected_clients:1\r\n" in raw.call("INFO", "clients"), what="the end of the others")


def send_until_cut(raw, *argv, times):
    """A peer that does not read; the server may close the connection meanwhile."""
    with contextlib.suppress(OSError):
        for _ in range(times):
            raw.send(*argv)


def test_maxclients(start):
    server = start(maxclients=3)
    with server.raw() as a:
        alone(a)
        with server.raw() as b, server.raw() as c:
            assert b.call("PING") == c.call("PING") == Simple("PONG")
            with server.raw() as refused:
                assert refused.read() == Error("ERR max number of clients reached") and refused.is_closed()
            assert b"rejected_connections:1\r\n" in a.call("INFO", "stats")
            assert a.call("CONFIG", "SET", "maxclients", 10) == Simple("OK")
            with server.raw() as more:
                assert more.call("PING") == Simple("PONG")


def test_idle_clients_are_closed_after_the_timeout(start):
    server = start(timeout=1)
    with server.raw() as idle, server.raw() as waiting, server.raw() as busy:
        waiting.send("BLPOP", "l", 0)
        begin = time.monotonic()
        while not idle.is_closed(0.2):
            assert busy.call("PING") == Simple("PONG")
            assert time.monotonic() - begin < 8
        assert busy.call("PING") == Simple("PONG")
        assert busy.call("RPUSH", "l", "x") == 1
        assert waiting.read() == [b"l", b"x"], "a client that waits is not idle"


def test_port_and_addresses_change_at_run_time(start):
    server = start()
    other = free_port()
    with server.raw() as raw:
        assert raw.call("CONFIG", "SET", "port", other) == Simple("OK")
        with RawClient(other) as there:
            assert there.call("PING") == Simple("PONG")
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", server.port), 1).close()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            reply = raw.call("CONFIG", "SET", "port", taken.getsockname()[1])
        assert "Unable to listen on this port" in str(reply)
        assert raw.call("CONFIG", "GET", "port") == [b"port", str(other).encode()]
        assert raw.call("CONFIG", "SET", "bind", "192.0.2.1").code == "ERR"
        assert raw.call("CONFIG", "SET", "bind", "127.0.0.1 -192.0.2.1") == Simple("OK")
        raw.call("CONFIG", "SET", "port", server.port)


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback here")
def test_several_addresses_and_ipv6(start):
    server = start(bind=["127.0.0.1", "::1"])
    for host in ("127.0.0.1", "::1"):
        with RawClient(server.port, host=host) as raw:
            assert raw.call("PING") == Simple("PONG")


def test_an_address_that_is_not_there():
    with pytest.raises(BindError, match="192.0.2.1"):
        listen_tcp(["192.0.2.1"], free_port(), 5)
    assert listen_tcp(["-192.0.2.1"], free_port(), 5) == []


@pytest.mark.parametrize("address,local", [("", True), (("127.0.0.9", 1), True), (("::1", 1, 0, 0), True),
                                           (("192.0.2.7", 1), False), (("fe80::1%eth0", 1, 0, 2), False)])
def test_loopback_peers(address, local):
    assert is_loopback(address) is local


def test_unix_socket_permissions(start, tmp_path):
    path = tmp_path / "s"
    start(unixsocket=str(path), unixsocketperm="700")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o700


def test_unix_socket_group(start, tmp_path):
    path = tmp_path / "s"
    own = os.getegid()
    server = start(unixsocket=str(path), unixsocketgroup=str(own))
    assert os.stat(path).st_gid == own
    with server.raw() as raw:
        assert raw.call("CONFIG", "SET", "unixsocketgroup", "no such group").code == "ERR"
        assert raw.call("CONFIG", "GET", "unixsocketgroup") == [b"unixsocketgroup", b"%d" % own]
        if os.geteuid() == 0:
            assert raw.call("CONFIG", "SET", "unixsocketgroup", own + 1) == Simple("OK")
            assert os.stat(path).st_gid == own + 1


def test_query_buffer_limit(start):
    server = start(client_query_buffer_limit="1mb")
    with server.raw() as raw, server.raw() as other:
        raw.send_bytes(b"*2\r\n$4\r\nECHO\r\n$2000000\r\n" + b"x" * 1_500_000)
        assert raw.is_closed()
        assert b"client_query_buffer_limit_disconnections:1" in other.call("INFO", "stats")


def test_output_buffer_limits(start):
    server = start(client_output_buffer_limit=["normal", "2mb", "0", "0"])
    with server.raw() as slow, server.raw() as other:
        other.call("SET", "k", "x" * 1_000_000)
        slow.pipeline(["GET", "k"])
        send_until_cut(slow, "GET", "k", times=40)
        wait_until(lambda: b"client_output_buffer_limit_disconnections:1" in other.call("INFO", "stats"), what="the cut")


def test_soft_output_limit(start):
    server = start(client_output_buffer_limit=["normal", "0", "1mb", "1"])
    with server.raw() as slow, server.raw() as other:
        other.call("SET", "k", "x" * 1_000_000)
        send_until_cut(slow, "GET", "k", times=40)
        other.call("PING")
        assert b"connected_clients:2" in other.call("INFO", "clients"), "the soft limit lets a second pass"
        alone(other)


def test_a_half_closed_connection_gets_its_replies(server):
    with server.raw() as raw, server.raw() as other:
        raw.send_bytes(b"SET k v\r\nGET k\r\n")
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.read() == Simple("OK") and raw.read() == b"v" and raw.is_closed()
        assert other.call("GET", "k") == b"v"


@pytest.mark.parametrize("line", [b"POST / HTTP/1.1\r\n", b"Host: localhost\r\n", b"*1\r\n$4\r\nPoSt\r\n"])
def test_http_is_cut_off_silently(server, line):
    with server.raw() as raw:
        raw.send_bytes(line + b"SET k v\r\n")
        assert raw.is_closed()
    with server.raw() as raw:
        assert raw.call("EXISTS", "k") == 0


def test_a_protocol_error_is_answered_and_ends_the_connection(server):
    with server.raw() as raw, server.raw() as other:
        raw.send_bytes(b"*1\r\n$4\r\nPING\r\n*1\r\nPING\r\nSET k v\r\n")
        assert raw.read() == Simple("PONG")
        assert raw.read() == Error("ERR Protocol error: expected '$', got 'P'") and raw.is_closed()
        assert other.call("EXISTS", "k") == 0


def test_clients_that_vanish_leave_nothing_behind(server):
    with server.raw() as other:
        for _ in range(50):
            with server.raw() as raw:
                raw.send_bytes(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n" + b"x" * 100_000)
        alone(other)


def test_large_values_and_long_pipelines(server):
    with server.raw() as raw:
        value = os.urandom(5_000_000)
        assert raw.call("SET", "big", value) == Simple("OK") and raw.call("GET", "big") == value
        replies = raw.pipeline(*(["SET", f"k{i}", i] for i in range(20_000)))
        assert replies == [Simple("OK")] * 20_000
        try:
            assert raw.call("GET", "k19999") == b"19999"
        except Closed:
            pytest.fail("the connection must live")
