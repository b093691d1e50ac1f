"""What a server shows to strangers: who may connect, which commands there are, what may be set from outside."""
import os
import socket

import pytest
from support.resp import Closed, Error, RawClient, Simple


def outside_address():
    """An address of this machine that is not loopback, or None. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = probe.getsockname()[0]
    return None if address.startswith("127.") else address


ADDRESS = outside_address()
needs_address = pytest.mark.skipif(ADDRESS is None, reason="no address but loopback")


def from_outside(server):
    return RawClient(server.port, host=ADDRESS)


@needs_address
def test_protected_mode_turns_strangers_away(start):
    server = start(bind=["127.0.0.1", ADDRESS])
    with from_outside(server) as stranger, server.raw() as local:
        reply = stranger.read()
        assert isinstance(reply, Error) and reply.startswith(b"DENIED Redis is running in protected mode")
        with pytest.raises(Closed):
            stranger.read()
        assert local.call("CONFIG", "SET", "protected-mode", "no") == Simple("OK")
        with from_outside(server) as welcome:
            assert welcome.call("PING") == Simple("PONG")
        local.pipeline(["CONFIG", "SET", "protected-mode", "yes"], ["CONFIG", "SET", "requirepass", "x"])
        with from_outside(server) as asked:
            assert asked.call("PING").code == "NOAUTH"


def test_default_addresses_and_protected_mode(start):
    server = start(bind=None)
    with server.raw() as raw:
        assert raw.call("CONFIG", "GET", "bind") == [b"bind", b"* -::*"]
        assert raw.call("CONFIG", "GET", "protected-mode") == [b"protected-mode", b"yes"]


def test_renamed_and_removed_commands(start, tmp_path):
    (tmp_path / "redis.conf").write_text('rename-command FLUSHALL hidden-flush\nrename-command KEYS ""\n')
    server = start(str(tmp_path / "redis.conf"))
    with server.raw() as raw:
        assert raw.call("FLUSHALL").startswith(b"ERR unknown command 'FLUSHALL'")
        assert raw.call("KEYS", "*").startswith(b"ERR unknown command 'KEYS'")
        assert raw.call("HIDDEN-FLUSH") == Simple("OK")


DEBUG_REFUSED = b"ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\""


@pytest.mark.parametrize("setting", ["no", "local", "yes"])
def test_debug_command(start, setting):
    server = start(enable_debug_command=setting, bind=["127.0.0.1"] + [ADDRESS] * bool(ADDRESS), protected_mode="no")
    with server.raw() as raw:
        reply = raw.call("DEBUG", "SLEEP", 0)
        assert (reply == Simple("OK")) is (setting != "no") and (setting != "no" or reply.startswith(DEBUG_REFUSED))
        assert raw.call("CONFIG", "SET", "enable-debug-command", "yes") == Error(
            "ERR CONFIG SET failed (possibly related to argument 'enable-debug-command') - can't set immutable config")
    if ADDRESS:
        with from_outside(server) as stranger:
            assert (stranger.call("DEBUG", "SLEEP", 0) == Simple("OK")) is (setting == "yes")


@pytest.mark.parametrize("setting", ["no", "local", "yes"])
def test_protected_settings(start, setting):
    server = start(enable_protected_configs=setting, bind=["127.0.0.1"] + [ADDRESS] * bool(ADDRESS), protected_mode="no")
    with server.raw() as raw:
        for name, value in (("dir", str(server.directory)), ("dbfilename", "x.rdb")):
            reply = raw.call("CONFIG", "SET", name, value)
            assert (reply == Simple("OK")) is (setting != "no")
            assert setting != "no" or reply.endswith(b"can't set protected config")
    if ADDRESS:
        with from_outside(server) as stranger:
            assert (stranger.call("CONFIG", "SET", "dbfilename", "y.rdb") == Simple("OK")) is (setting == "yes")


def test_unix_peers_are_local(start, tmp_path):
    server = start(enable_debug_command="local", enable_protected_configs="local", unixsocket=str(tmp_path / "s"))
    with server.raw(path=str(tmp_path / "s")) as raw:
        assert raw.call("DEBUG", "SLEEP", 0) == Simple("OK")
        assert raw.call("CONFIG", "SET", "dbfilename", "y.rdb") == Simple("OK")


@pytest.mark.parametrize("request_text", [b"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET k v\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_browsers_are_cut_off_before_their_body(server, request_text):
    with server.raw() as raw, socket.create_connection(("127.0.0.1", server.port), 10) as browser:
        browser.sendall(request_text)
        got = b""
        try:
            while data := browser.recv(4096):
                got += data
        except ConnectionError:
            pass
        assert b"+OK" not in got
        assert raw.call("EXISTS", "k") == 0


def test_files_of_the_server_are_its_owners(start, tmp_path):
    server = start(unixsocket=str(tmp_path / "s"), unixsocketperm="700")
    assert os.stat(tmp_path / "s").st_mode & 0o777 == 0o700 and server.is_running()
