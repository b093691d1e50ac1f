"""SLOWLOG and COMMANDLOG, in process: with a threshold of 0 every command is slow."""
import pytest

from support.resp import Error, Simple

OK = Simple("OK")


@pytest.fixture
def a(engine):
    client = engine.client()
    engine.core.set_knob("slowlog-log-slower-than", 0)
    client.call("SLOWLOG", "RESET")
    return client


def logged(client, engine):
    """Arguments of all entries, oldest first; logging stops."""
    engine.core.set_knob("slowlog-log-slower-than", -1)
    return [b" ".join(entry[3]).decode() for entry in reversed(client.call("SLOWLOG", "GET", "-1"))]


def test_off_and_threshold(engine):
    client = engine.client()
    engine.core.set_knob("slowlog-log-slower-than", -1)
    client.call("PING")
    assert client.call("SLOWLOG", "LEN") == 0
    engine.core.set_knob("slowlog-log-slower-than", 10_000_000)
    client.call("PING")
    assert client.call("SLOWLOG", "LEN") == 0
    engine.core.set_knob("slowlog-log-slower-than", 0)
    client.call("PING")
    assert client.call("SLOWLOG", "LEN") == 1


def test_entry(engine, a):
    a.call("CLIENT", "SETNAME", "me")
    a.call("SET", "k", "v")
    number, time, us, argv, addr, name = a.call("SLOWLOG", "GET", "1")[0]
    assert (time, argv, addr, name) == (1_700_000_000, [b"SET", b"k", b"v"], b"?:0", b"me")
    assert 0 <= us < 1_000_000
    assert a.call("SLOWLOG", "GET", "1")[0][0] == number + 1


def test_long_requests_are_cut(engine, a):
    a.call("ECHO", "x" * 128)
    a.call("ECHO", "x" * 129)
    a.call("ECHO", "x" * 100_000)
    for n in (32, 33, 40, 1000):
        a.call("EXISTS", *map(str, range(n - 1)))
    first, second, third, *exists = logged(a, engine)[1:]
    assert first == "ECHO " + "x" * 128
    assert second == "ECHO " + "x" * 128 + "... (1 more bytes)"
    assert third == "ECHO " + "x" * 128 + "... (99872 more bytes)"
    assert exists[0] == "EXISTS " + " ".join(map(str, range(31)))
    for n, text in zip((33, 40, 1000), exists[1:]):
        assert text == "EXISTS " + " ".join(map(str, range(30))) + f" ... ({n - 31} more arguments)"


def test_length_is_bounded(engine, a):
    engine.set("slowlog_max_len", 3)
    for i in range(10):
        a.call("ECHO", str(i))
    assert a.call("SLOWLOG", "LEN") == 3
    newest = a.call("SLOWLOG", "GET", "1")
    engine.set("slowlog_max_len", 0)
    a.call("PING")
    assert a.call("SLOWLOG", "LEN") == 3, "nothing is logged any more, and what was stays"
    engine.core.set_knob("slowlog-log-slower-than", -1)
    assert a.call("SLOWLOG", "GET", "1")[0][0] == newest[0][0] + 1


def test_get_count(engine, a):
    for i in range(20):
        a.call("ECHO", str(i))
    engine.core.set_knob("slowlog-log-slower-than", -1)
    assert [len(a.call("SLOWLOG", "GET", *n)) for n in ([], ["0"], ["1"], ["15"], ["-1"], ["1000"])] == [10, 0, 1, 15, 21, 21]
    for bad in ("-2", "x", "1.5"):
        assert a.call("SLOWLOG", "GET", bad) == Error("ERR count should be greater than or equal to -1")
    assert a.call("SLOWLOG", "GET", "1", "2").code == "ERR"
    assert a.call("SLOWLOG", "RESET") == OK
    assert a.call("SLOWLOG", "GET") == []


def test_secrets_and_what_is_never_logged(engine, a):
    a.call("AUTH", "pass")
    a.call("HELLO", engine.protocol, "AUTH", "user", "pass")
    a.call("NOSUCH", "x")
    a.call("GET")
    a.call("MULTI")
    a.call("SET", "k", "v")
    a.call("EXEC")
    assert logged(a, engine)[1:] == ["AUTH (redacted)", f"HELLO {engine.protocol} AUTH (redacted) (redacted)", "MULTI", "SET k v"]


def test_waiting_is_no_running(engine, a):
    b = engine.client()
    b.send_bytes(b"BLPOP l 0\r\n")
    a.call("PING")
    a.call("RPUSH", "l", "x")
    assert b.read() == [b"l", b"x"]
    assert [line for line in logged(a, engine)[1:] if line != "HELLO 3"] == ["PING", "RPUSH l x", "BLPOP l 0"]


def test_commandlog(engine, a):
    a.call("ECHO", "x")
    engine.core.set_knob("slowlog-log-slower-than", -1)
    assert [e[3][0] for e in a.call("COMMANDLOG", "GET", "-1", "slow")] == [b"ECHO", b"SLOWLOG"]
    assert a.call("COMMANDLOG", "LEN", "SLOW") == 2
    assert a.call("COMMANDLOG", "LEN", "large-request") == 0
    assert a.call("COMMANDLOG", "GET", "x", "slow") == Error("ERR count should be greater than or equal to -1")
    assert a.call("COMMANDLOG", "GET", "1", "x") == Error(
        "ERR type should be one of the following: slow, large-request, large-reply")
    assert a.call("COMMANDLOG", "RESET", "slow") == OK
    assert a.call("SLOWLOG", "LEN") == 0


def test_large_requests(engine, a):
    engine.core.set_knob("commandlog-request-larger-than", 39)
    for value in ("v", "a" * 11, "a" * 12, "a" * 300):
        a.call("SET", "k", value)
    entries = a.call("COMMANDLOG", "GET", -1, "large-request")
    assert [e[2] for e in entries] == [328, 39]             # as RESP; newest first
    assert entries[1][3] == [b"SET", b"k", b"a" * 12] and entries[0][3][2] == b"a" * 128 + b"... (172 more bytes)"
    assert a.call("COMMANDLOG", "LEN", "large-request") == 3        # this was one, too
    a.send_bytes(b"PING\r\n" * 20)                          # a large batch of small requests
    assert [a.read() for _ in range(20)] == [Simple("PONG")] * 20
    assert a.call("COMMANDLOG", "LEN", "large-request") == 4
    engine.core.set_knob("commandlog-request-larger-than", -1)
    assert a.call("COMMANDLOG", "RESET", "large-request") == OK
    a.call("SET", "k", "a" * 1000)
    assert a.call("COMMANDLOG", "LEN", "large-request") == 0


def test_large_replies(engine, a):
    a.call("SET", "k", "v" * 100_000)
    engine.core.set_knob("commandlog-reply-larger-than", 100)
    for argv in (["GET", "k"], ["GET", "missing"], ["STRLEN", "k"], ["GETRANGE", "k", 0, 93]):
        a.call(*argv)
    entries = a.call("COMMANDLOG", "GET", -1, "large-reply")
    assert [(e[2], e[3][0]) for e in entries] == [(101, b"GETRANGE"), (100_011, b"GET")]
    engine.core.set_knob("commandlog-large-reply-max-len", 1)
    for _ in range(3):
        a.call("GET", "k")
    assert a.call("COMMANDLOG", "LEN", "large-reply") == 1
    engine.core.set_knob("commandlog-large-reply-max-len", 0)
    a.call("COMMANDLOG", "RESET", "large-reply")
    a.call("GET", "k")
    assert a.call("COMMANDLOG", "LEN", "large-reply") == 0
    engine.core.set_knob("commandlog-reply-larger-than", -1)


def test_sizes_of_commands_within_a_transaction(engine, a):
    """EXEC itself is in no log; what it ran is."""
    engine.core.set_knob("commandlog-reply-larger-than", 300)
    a.call("SET", "k", "v" * 400)
    a.call("MULTI")
    a.call("GET", "k")
    a.call("GET", "k")
    a.call("EXEC")
    assert [e[3] for e in a.call("COMMANDLOG", "GET", -1, "large-reply")] == [[b"GET", b"k"]] * 2
    engine.core.set_knob("commandlog-reply-larger-than", 1 << 20)


def test_logs_are_apart(engine, a):
    engine.core.set_knob("commandlog-reply-larger-than", 0)
    a.call("ECHO", "x")
    assert a.call("COMMANDLOG", "LEN", "slow") > 0
    a.call("COMMANDLOG", "RESET", "large-reply")
    assert a.call("COMMANDLOG", "LEN", "slow") > 0 and a.call("SLOWLOG", "LEN") > 0
    engine.core.set_knob("commandlog-reply-larger-than", 1 << 20)


def test_memory_is_given_back(engine, a):
    engine.set("slowlog_max_len", 50)
    used = engine.core.counters()["used_memory"]
    for _ in range(500):
        a.call("ECHO", "x" * 1000)
    assert engine.core.counters()["used_memory"] - used < 100_000
    a.call("SLOWLOG", "RESET")
    assert engine.core.counters()["used_memory"] - used < 20_000
