"""MONITOR, in process. The clock of the fixture's engine stands at 1,700,000,000 s."""
import pytest

from support.resp import Error, Simple

OK = Simple("OK")


@pytest.fixture
def monitor(engine):
    client = engine.client()
    assert client.call("MONITOR") == OK
    return client


@pytest.fixture
def a(engine):
    return engine.client()


def lines(client):
    """What a monitor has been shown, without the time and the address of clients without a socket."""
    out = []
    while not client.is_silent():
        line = client.read()
        assert isinstance(line, Simple)
        time, _, rest = bytes(line).partition(b" ")
        assert time == b"1700000000.000000"
        if b'"HELLO" "3"' not in rest or b"SETNAME" in rest:     # of the test's own clients
            out.append(rest.replace(b" ?:0]", b"]").decode())
    return out


def test_line(monitor, a):
    a.call("SET", "k", "v")
    a.call("SELECT", "3")
    a.call("get", "k")
    assert lines(monitor) == ['[0] "SET" "k" "v"', '[3] "SELECT" "3"', '[3] "get" "k"']


def test_escapes(monitor, a):
    a.call("ECHO", bytes(range(256)))
    expected = "".join({34: '\\"', 92: "\\\\", 10: "\\n", 13: "\\r", 9: "\\t", 7: "\\a", 8: "\\b"}.get(
        c, chr(c) if 32 <= c < 127 else f"\\x{c:02x}") for c in range(256))
    assert lines(monitor) == [f'[0] "ECHO" "{expected}"']


def test_what_does_not_run_is_not_shown(monitor, a):
    a.call("NOSUCH")
    a.call("GET")
    assert lines(monitor) == []
    a.call("LPUSH", "k", "v")
    a.call("INCR", "k")
    assert lines(monitor) == ['[0] "LPUSH" "k" "v"', '[0] "INCR" "k"'], "failing is running"


def test_administration_is_not_shown(monitor, a):
    a.call("SLOWLOG", "LEN")
    a.call("CLIENT", "LIST")
    a.call("LATENCY", "LATEST")
    a.call("CLIENT", "GETNAME")
    assert lines(monitor) == ['[0] "CLIENT" "GETNAME"']


def test_secrets_are_not_shown(engine, monitor, a):
    engine.core.bind("CONFIG|SET", lambda call, *words: 1)
    engine.core.bind("MIGRATE", lambda call, *words: 1)
    for request in ("AUTH pass", "AUTH user pass", "HELLO 2 AUTH user pass SETNAME auth", "HELLO 3 SETNAME auth",
                    "MIGRATE h 1 auth 0 9 COPY AUTH p KEYS auth x", "MIGRATE h 1 k 0 9 AUTH2 u p"):
        a.call(*request.split())
    red = '"(redacted)"'
    assert lines(monitor) == [
        f'[0] "AUTH" {red}', f'[0] "AUTH" {red} {red}', f'[0] "HELLO" "2" "AUTH" {red} {red} "SETNAME" "auth"',
        '[0] "HELLO" "3" "SETNAME" "auth"', f'[0] "MIGRATE" "h" "1" "auth" "0" "9" "COPY" "AUTH" {red} "KEYS" "auth" "x"',
        f'[0] "MIGRATE" "h" "1" "k" "0" "9" "AUTH2" {red} {red}']


def test_transaction(monitor, a):
    a.call("MULTI")
    a.call("SET", "k", "v")
    a.call("GET", "k")
    assert lines(monitor) == ['[0] "MULTI"']
    a.call("EXEC")
    assert lines(monitor) == ['[0] "SET" "k" "v"', '[0] "GET" "k"', '[0] "EXEC"']
    a.call("EXEC", "x")
    assert lines(monitor) == ['[0] "EXEC" "x"'], "a refused EXEC is shown, since it ends a transaction"


def test_blocking_command_is_shown_once(monitor, a, engine):
    a.send_bytes(b"BLPOP l 0\r\n")
    assert lines(monitor) == ['[0] "BLPOP" "l" "0"']
    engine.call("RPUSH", "l", "x")
    assert a.read() == [b"l", b"x"]
    assert lines(monitor) == ['[0] "RPUSH" "l" "x"']


def test_monitor_sees_itself_but_touches_no_keys(monitor):
    refused = Error("ERR Replica can't interact with the keyspace")
    assert monitor.call("GET", "k") == refused
    assert monitor.call("SET", "k", "v") == refused
    assert monitor.call("PING") == Simple("PONG")
    assert lines(monitor) == ['[0] "PING"']
    monitor.send_bytes(b"MONITOR\r\n")
    assert monitor.is_silent()


def test_reset_and_close_end_it(engine, monitor, a):
    other = engine.client()
    other.call("MONITOR")
    assert b" flags=O " in a.call("CLIENT", "LIST", "ID", str(other.id))
    assert lines(monitor) == []
    assert monitor.call("RESET") == Simple("RESET")
    assert monitor.is_silent()
    assert lines(other) == ['[0] "RESET"']
    assert monitor.call("SET", "k", "v") == OK
    other.close()
    a.call("PING")
    assert monitor.is_silent()


def test_not_within_a_transaction(engine, a):
    a.call("MULTI")
    a.call("MONITOR")
    assert a.call("EXEC") == [Error("ERR MONITOR isn't allowed for DENY BLOCKING client")]
    assert engine.ask("MONITOR") == Error("ERR MONITOR isn't allowed for DENY BLOCKING client")


def test_several_monitors(engine, monitor, a):
    others = [engine.client() for _ in range(20)]
    for other in others:
        other.call("MONITOR")
    a.call("SET", "k", "x" * 100_000)
    for client in [monitor, *others]:
        assert lines(client) == ['[0] "SET" "k" "%s"' % ("x" * 100_000)]
