"""The engine fixture: exact replies, a clock that only advance() moves, clients without sockets."""
import pytest
from support.resp import NULL, NULL_BULK, Error, Simple


def test_replies_in_three_forms(engine, protocol):
    from redispy_core.engine import ReplyError

    assert engine.call("SET", "k", "v") == b"OK" and engine.ask("SET", "k", "v") == Simple("OK")
    assert engine.call("GET", "k") == b"v" and engine.call("GET", "missing") is None
    assert engine.ask("GET", "missing") is (NULL if protocol == 3 else NULL_BULK)
    assert engine.wire("GET", "k") == b"$1\r\nv\r\n"
    assert engine.call("GET", "k", db=1) is None
    assert engine.ask("GET").code == "ERR"
    with pytest.raises(ReplyError, match="wrong number of arguments for 'get'"):
        engine.call("GET")


def test_clock_moves_only_when_told(engine):
    engine.call("SET", "k", "v", "PX", 1000)
    begin = engine.now_ms
    engine.advance(999)
    assert engine.call("GET", "k") == b"v" and engine.now_ms == begin + 999
    engine.advance(2)
    assert engine.call("GET", "k") is None


def test_clients_are_apart(engine):
    one, other = engine.client(), engine.client()
    one.send_bytes(b"*1\r\n$3\r\nGE")
    assert one.is_silent()
    assert isinstance(other.call("GET"), Error)
    one.send_bytes(b"T\r\n")
    assert not one.is_silent() and isinstance(one.read(), Error)
    one.close()
    assert other.call("SET", "k", "v") == Simple("OK")
