"""The process as its users see it: start, arguments, configuration file, stop. And that the fixtures work on it."""
import signal

import pytest
from support.resp import Closed, Error, Map, Simple
from support.server import Server, ServerFailed, wait_until


def test_client_of_either_protocol_stores_and_reads(client, protocol):
    assert client.ping() is True
    assert client.set("k", b"\x00\xff") is True
    assert client.get("k") == b"\x00\xff"
    assert client.execute_command("HELLO")[b"proto" if protocol == 3 else 4 + 1] == protocol


def test_raw_connections_show_their_protocol(raw, raw3):
    assert raw.wire("GET", "missing") == b"$-1\r\n"
    assert raw3.wire("GET", "missing") == b"_\r\n"
    assert raw.pipeline(["SET", "k", 1], ["INCR", "k"], ["GET"])[:2] == [Simple("OK"), 2]
    assert isinstance(raw3.call("CONFIG", "GET", "maxmemory"), Map)


def test_tests_do_not_see_each_other(server):
    """Two halves of one: whichever runs first, the data set and the settings are fresh."""
    with server.raw() as raw:
        assert raw.call("DBSIZE") == 0
        assert raw.call("CONFIG", "GET", "maxmemory") == [b"maxmemory", b"0"]
        assert raw.pipeline(["SET", "k", "v"], ["CONFIG", "SET", "maxmemory", "200mb"]) == [Simple("OK")] * 2


def test_tests_do_not_see_each_other_again(server):
    test_tests_do_not_see_each_other(server)


def test_arguments_and_configuration_file(start, tmp_path):
    (tmp_path / "redis.conf").write_text('# a comment\nmaxmemory 50mb\nhz 20\nrequirepass "se cret"\n')
    server = start(str(tmp_path / "redis.conf"), maxmemory="60mb")
    with server.raw() as raw:
        assert raw.call("GET", "k").code == "NOAUTH"
        assert raw.call("AUTH", "se cret") == Simple("OK")
        assert raw.call("CONFIG", "GET", "maxmemory") == [b"maxmemory", b"62914560"]
        assert raw.call("CONFIG", "GET", "hz") == [b"hz", b"20"]


def test_unix_socket(start, tmp_path):
    server = start(unixsocket=str(tmp_path / "s"))
    with server.raw(path=str(tmp_path / "s")) as raw:
        assert raw.call("PING") == Simple("PONG")


def test_port_in_use_ends_the_start(start):
    server = start()
    with pytest.raises(ServerFailed, match="ended at start"):
        Server(port=server.port).start()


def test_unknown_setting_ends_the_start():
    with pytest.raises(ServerFailed, match="ended at start"):
        Server(no_such_setting="1").start()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_server_with_clients_connected_and_blocked(start, number):
    server = start()
    with server.raw() as raw, server.raw() as blocked:
        assert raw.call("PING") == Simple("PONG")
        blocked.send("BLPOP", "l", 0)
        wait_until(lambda: b"blocked_clients:1" in raw.call("INFO", "clients"), what="the client's wait")
        server.process.send_signal(number)
        assert server.wait() == 0
        with pytest.raises((Closed, ConnectionError)):
            raw.call("PING")


def test_shutdown_command(start):
    server = start()
    with server.raw() as raw:
        assert isinstance(raw.call("SHUTDOWN", "FOO"), Error)
        with pytest.raises(Closed):
            raw.call("SHUTDOWN", "NOSAVE")
    assert server.wait() == 0


def test_rewrite_with_all_defaults(start, tmp_path):
    (tmp_path / "redis.conf").write_text("hz 20\n")
    server = start(str(tmp_path / "redis.conf"))
    with server.raw() as raw:
        assert raw.call("DEBUG", "CONFIG-REWRITE-FORCE-ALL") == Simple("OK")
    lines = (tmp_path / "redis.conf").read_text().splitlines()
    assert {"hz 20", "maxclients 10000", "tls-auth-clients yes"} <= set(lines)
