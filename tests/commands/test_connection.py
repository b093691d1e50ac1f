"""HELLO, AUTH, SELECT, PING, QUIT, RESET and CLIENT; pausing of clients."""
import socket

import pytest
from support.resp import NULL, NULL_BULK, Error, Simple

OK = Simple("OK")


@pytest.fixture
def client(engine):
    return engine.client()


def turn(engine):
    """The end of a loop turn: held clients go on, closed ones go."""
    engine.core.before_sleep()
    return engine.core.attend()


def fields(line):
    return dict(pair.split("=", 1) for pair in line.decode().removeprefix("txt:").strip().split(" "))


def info(client):
    return fields(client.call("CLIENT", "INFO"))


# ---------------------------------------------------------------- HELLO, AUTH

def test_hello_switches_the_protocol(engine):
    client = engine.client()
    three = dict(client.call("HELLO", 3))
    assert (three[b"proto"], three[b"server"], three[b"mode"], three[b"role"]) == (3, b"redis", b"standalone", b"master")
    assert three[b"id"] == client.id
    two = client.call("HELLO", 2)
    assert isinstance(two, list) and two[two.index(b"proto") + 1] == 2
    assert client.call("HELLO")[5] == 2


def test_hello_tells_modules_in_both_protocols(engine, client):
    engine.core.set_modules([{"name": "m", "ver": 1}])
    reply = client.call("HELLO", 2)
    assert reply[reply.index(b"modules") + 1] == [[b"name", b"m", b"ver", 1]]
    assert dict(dict(client.call("HELLO", 3))[b"modules"][0]) == {b"name": b"m", b"ver": 1}
    engine.core.set_modules([])
    assert dict(client.call("HELLO", 3))[b"modules"] == []


@pytest.mark.parametrize("request_, text", [
    ("HELLO x", "ERR Protocol version is not an integer or out of range"),
    ("HELLO 4 FOO", "NOPROTO unsupported protocol version"),
    ("HELLO 2 FOO", "ERR Syntax error in HELLO option 'FOO'"),
    ("HELLO 2 AUTH a", "ERR Syntax error in HELLO option 'AUTH'"),
    ("HELLO 2 SETNAME", "ERR Syntax error in HELLO option 'SETNAME'"),
    ("HELLO 3 AUTH nobody x", "WRONGPASS invalid username-password pair or user is disabled."),
    ("HELLO 3 SETNAME a\x7fb", "ERR Client names cannot contain spaces, newlines or special characters."),
])
def test_wrong_hello_changes_nothing(engine, client, request_, text):
    before = info(client)["resp"]
    assert client.call(*request_.split(" ")) == Error(text)
    assert info(client)["resp"] == before and info(client)["name"] == ""


def test_hello_logs_in_and_names(engine):
    engine.core.set_password(b"secret")
    anonymous = Anonymous(engine)
    assert anonymous.call("HELLO", 3).code == "NOAUTH"
    assert anonymous.call("PING").code == "NOAUTH"
    assert anonymous.call("HELLO", 2, "AUTH", "default", "wrong").code == "WRONGPASS"
    assert anonymous.call("HELLO", 2, "AUTH", "default", "secret", "SETNAME", "me")[1] == b"redis"
    assert anonymous.call("CLIENT", "GETNAME") == b"me"


class Anonymous:
    """A client that has not been greeted."""

    def __new__(cls, engine):
        from support.engine import EngineClient
        return EngineClient(engine.core, 2)


def test_auth(engine):
    client = Anonymous(engine)
    assert client.call("AUTH", "x").startswith(b"ERR AUTH <password> called without any password")
    assert client.call("AUTH", "default", "anything") == OK
    assert client.call("AUTH", "nobody", "x").code == "WRONGPASS"
    assert client.call("AUTH", "a", "b", "c") == Error("ERR syntax error")
    engine.core.set_password(b"se\0cret")
    assert client.call("PING") == Simple("PONG")        # who was in stays in
    late = Anonymous(engine)
    assert late.call("PING").code == "NOAUTH"
    for wrong in (b"se", b"se\0cre", b"se\0cretx", b""):
        assert late.call("AUTH", wrong).code == "WRONGPASS"
    assert late.call("AUTH", b"se\0cret") == OK
    assert late.call("PING") == Simple("PONG")


def test_password_taken_away_lets_everybody_in(engine):
    engine.core.set_password(b"x")
    client = Anonymous(engine)
    assert client.call("GET", "k").code == "NOAUTH"
    engine.core.set_password(None)
    assert client.call("GET", "k") is NULL_BULK


# ---------------------------------------------------------------- small ones

def test_ping_echo(engine, client):
    assert client.call("PING") == Simple("PONG")
    assert client.call("PING", "x") == b"x"
    assert client.call("PING", "a", "b") == Error("ERR wrong number of arguments for 'ping' command")
    assert client.call("ECHO", b"a\0b") == b"a\0b"


def test_select(engine, client):
    client.call("SET", "k", "0")
    assert client.call("SELECT", 15) == OK
    assert client.call("GET", "k") in (NULL, NULL_BULK)
    assert info(client)["db"] == "15"
    for bad, text in (("16", "ERR DB index is out of range"), ("-1", "ERR DB index is out of range"),
                      ("x", "ERR value is not an integer or out of range"),
                      ("4294967296", "ERR value is out of range, value must between -2147483648 and 2147483647")):
        assert client.call("SELECT", bad) == Error(text)
    engine.set("cluster-enabled", 1)
    assert client.call("SELECT", 1) == Error("ERR SELECT is not allowed in cluster mode")
    assert client.call("SELECT", 0) == OK


def test_quit_answers_and_stops_reading(engine, client):
    client.send_bytes(b"QUIT\r\nSET k v\r\n")
    assert client.read() == OK and client.is_silent()
    assert engine.call("EXISTS", "k") == 0


def test_reset_forgets_all_but_the_library(engine):
    client = Anonymous(engine)
    for request in ("HELLO 3 SETNAME me", "SELECT 3", "CLIENT NO-EVICT on", "CLIENT NO-TOUCH on",
                    "CLIENT SETINFO lib-name lib"):
        client.call(*request.split())
    assert client.call("RESET") == Simple("RESET")
    now = info(client)
    assert (now["name"], now["db"], now["resp"], now["flags"], now["lib-name"]) == ("", "0", "2", "N", "lib")


def test_reset_logs_out_where_there_is_a_password(engine):
    engine.core.set_password(b"x")
    client = Anonymous(engine)
    client.call("AUTH", "x")
    client.call("RESET")
    assert client.call("PING").code == "NOAUTH"


# ---------------------------------------------------------------- CLIENT

def test_name_and_library(engine, client):
    assert client.call("CLIENT", "GETNAME") in (NULL, NULL_BULK)
    assert client.call("CLIENT", "SETNAME", "me") == OK
    assert client.call("CLIENT", "GETNAME") == b"me"
    for bad in ("a b", "a\n", "\xe9", "\x7f"):
        assert client.call("CLIENT", "SETNAME", bad).startswith(b"ERR Client names cannot")
    assert client.call("CLIENT", "SETINFO", "LIB-VER", "1 2") == Error(
        "ERR LIB-VER cannot contain spaces, newlines or special characters.")
    assert client.call("CLIENT", "SETINFO", "foo", "x") == Error("ERR Unrecognized option 'foo'")
    client.call("CLIENT", "SETINFO", "lib-ver", "1.2")
    assert (info(client)["name"], info(client)["lib-ver"]) == ("me", "1.2")
    client.call("CLIENT", "SETNAME", "")
    assert client.call("CLIENT", "GETNAME") in (NULL, NULL_BULK)


def test_info_line(engine, client):
    order = ("id addr laddr fd name age idle flags db sub psub ssub multi watch qbuf qbuf-free argv-mem multi-mem rbs rbp "
             "obl oll omem tot-mem events cmd user redir resp lib-name lib-ver io-thread tot-net-in tot-net-out tot-cmds")
    engine.advance(5000)
    line = client.call("CLIENT", "INFO")
    assert list(fields(line)) == order.split()
    assert fields(line)["age"] == "5"
    assert fields(line) | {"cmd": "client|info", "qbuf": "26", "argv-mem": "10", "multi": "-1", "redir": "-1",
                           "user": "default", "events": "r", "idle": "0"} == fields(line)
    assert int(fields(line)["tot-net-in"]) >= 26
    other = fields(engine.client().call("CLIENT", "LIST", "ID", client.id))
    assert (other["qbuf"], other["argv-mem"], other["cmd"]) == ("0", "0", "client|info")


def test_list_filters(engine, client):
    other = engine.client()

    def ids(*words):
        lines = client.call("CLIENT", "LIST", *words).removeprefix(b"txt:").splitlines()
        return [int(fields(line)["id"]) for line in lines]
    assert ids() == ids("TYPE", "normal") == [client.id, other.id]
    assert ids("ID", other.id, 999, client.id) == [other.id, client.id]
    assert ids("TYPE", "pubsub") == ids("TYPE", "replica") == ids("TYPE", "master") == []
    assert client.call("CLIENT", "LIST", "TYPE", "x") == Error("ERR Unknown client type 'x'")
    assert client.call("CLIENT", "LIST", "ID", "1", "x") == Error("ERR Invalid client ID")
    for bad in (("ID",), ("TYPE",), ("TYPE", "normal", "x"), ("FOO",)):
        assert client.call("CLIENT", "LIST", *bad) == Error("ERR syntax error")


def test_flags_no_evict_no_touch(engine, client):
    client.call("CLIENT", "NO-EVICT", "ON")
    client.call("CLIENT", "no-touch", "on")
    assert info(client)["flags"] == "eT"
    client.call("CLIENT", "NO-EVICT", "off")
    assert info(client)["flags"] == "T"
    assert client.call("CLIENT", "NO-TOUCH", "x") == Error("ERR syntax error")


def test_no_touch_keeps_the_idle_time(engine, client):
    client.call("SET", "k", "v")
    engine.advance(10_000)
    client.call("CLIENT", "NO-TOUCH", "on")
    client.call("GET", "k")
    assert engine.call("OBJECT", "IDLETIME", "k") == 10
    client.call("CLIENT", "NO-TOUCH", "off")
    client.call("GET", "k")
    assert engine.call("OBJECT", "IDLETIME", "k") == 0


def test_reply_modes(engine, client):
    def replies(*requests):
        client.send_bytes("".join(request + "\r\n" for request in requests).encode())
        found = []
        while not client.is_silent():
            found.append(client.read())
        return found
    pong = Simple("PONG")
    assert replies("CLIENT REPLY OFF", "PING", "FOO", "CLIENT REPLY SKIP", "CLIENT REPLY ON", "PING") == [OK, pong]
    assert replies("CLIENT REPLY SKIP", "PING 1", "PING 2") == [b"2"]
    assert replies("CLIENT REPLY SKIP", "CLIENT REPLY SKIP", "PING 1", "PING 2") == [b"2"]
    assert replies("CLIENT REPLY SKIP", "CLIENT REPLY ON", "PING") == [OK, pong]
    assert replies("CLIENT REPLY OFF", "RESET", "PING") == [Simple("RESET"), pong]
    assert replies("CLIENT REPLY x") == [Error("ERR syntax error")]


# ---------------------------------------------------------------- CLIENT KILL

@pytest.mark.parametrize("words, text", [
    ("1.2.3.4:5", "ERR No such client"), ("ID 0", "ERR client-id should be greater than 0"),
    ("ID x", "ERR client-id should be greater than 0"), ("ID 1 x", "ERR syntax error"),
    ("TYPE x", "ERR Unknown client type 'x'"), ("USER x", "ERR No such user 'x'"), ("SKIPME x", "ERR syntax error"),
    ("MAXAGE x", "ERR maxage is not an integer or out of range"), ("MAXAGE 0", "ERR maxage should be greater than 0"),
    ("FOO x", "ERR syntax error"),
])
def test_wrong_kill(engine, client, words, text):
    assert client.call("CLIENT", "KILL", *words.split()) == Error(text)


def alive(engine):
    turn(engine)
    return {int(fields(line)["id"]) for line in engine.call("CLIENT", "LIST").splitlines()}


def test_kill_by_filters(engine, client):
    others = [engine.client() for _ in range(4)]
    assert client.call("CLIENT", "KILL", "ID", 999) == 0
    assert client.call("CLIENT", "KILL", "ID", others[0].id) == 1
    assert alive(engine) == {client.id} | {o.id for o in others[1:]}
    assert client.call("CLIENT", "KILL", "TYPE", "pubsub") == 0
    engine.advance(10_000)
    young = engine.client()
    assert client.call("CLIENT", "KILL", "MAXAGE", 5) == 3
    assert alive(engine) == {client.id, young.id}
    assert client.call("CLIENT", "KILL", "USER", "default", "ADDR", "nowhere:1") == 0
    assert client.call("CLIENT", "KILL", "USER", "default") == 1
    assert alive(engine) == {client.id}


def test_kill_of_oneself_is_answered_first(engine, client):
    assert client.call("CLIENT", "KILL", "ID", client.id) == 0          # SKIPME is the default
    client.send_bytes(b"CLIENT KILL ID %d SKIPME no\r\nSET k v\r\n" % client.id)
    assert client.read() == 1 and client.is_silent()
    assert engine.call("EXISTS", "k") == 0


@pytest.mark.parametrize("family, address", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"),
                                             (socket.AF_UNIX, "sock")])
def test_addresses(engine, tmp_path, family, address):
    here = str(tmp_path / address) if family == socket.AF_UNIX else (address, 0)
    try:
        with socket.socket(family) as listener:
            listener.bind(here)
            listener.listen()
            check_addresses(engine, listener, family)
    except OSError as e:
        pytest.skip(str(e))


def check_addresses(engine, listener, family):
    with socket.socket(family) as ours:
        ours.connect(listener.getsockname())
        theirs, _ = listener.accept()
        with theirs:
            id = engine.core.accept(theirs.fileno(), unix=family == socket.AF_UNIX)
            shown = fields(engine.call("CLIENT", "LIST", "ID", id))
            if family == socket.AF_UNIX:
                expected = [listener.getsockname() + ":0"] * 2
            else:
                form = "[{}]:{}" if family == socket.AF_INET6 else "{}:{}"
                expected = [form.format(*end.getsockname()[:2]) for end in (ours, theirs)]
            assert [shown["addr"], shown["laddr"]] == expected
            assert shown["flags"] == ("U" if family == socket.AF_UNIX else "N")
            assert engine.call("CLIENT", "KILL", "LADDR", expected[1], "ADDR", "x:1") == 0
            assert engine.call("CLIENT", "KILL", expected[0]) == b"OK"
            assert engine.core.before_sleep() and engine.core.attend() == [(theirs.fileno(), 0)]


# ---------------------------------------------------------------- CLIENT PAUSE

@pytest.mark.parametrize("words, text", [
    ("x", "ERR timeout is not an integer or out of range"), ("-1", "ERR timeout is negative"),
    ("9223372036854775807", "ERR timeout is out of range"), ("x FOO", "ERR CLIENT PAUSE mode must be WRITE or ALL"),
    ("1 ALL x", "ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP."),
])
def test_wrong_pause(engine, client, words, text):
    assert client.call("CLIENT", "PAUSE", *words.split()) == Error(text)


def test_write_pause_holds_writes_alone(engine, client):
    writer = engine.client()
    client.call("SET", "k", "0")
    assert client.call("CLIENT", "PAUSE", 60_000, "WRITE") == OK
    writer.send_bytes(b"GET k\r\nSET k\r\nSET k 1\r\nGET k\r\n")
    assert writer.read() == b"0"
    assert writer.read().code == "ERR"                  # wrong requests are answered at once
    assert writer.is_silent()
    shown = fields(client.call("CLIENT", "LIST", "ID", writer.id))
    assert (shown["flags"], shown["cmd"], engine.core.client_totals()["blocked"]) == ("b", "set", 1)
    writer.send_bytes(b"SET k 2\r\nGET k\r\n")          # what comes later waits behind it
    assert client.call("GET", "k") == b"0"
    assert client.call("CLIENT", "UNPAUSE") == OK
    assert writer.is_silent()                           # not inside the command that ends the pause
    turn(engine)
    assert [writer.read() for _ in range(4)] == [OK, b"1", OK, b"2"]
    assert engine.core.client_totals()["blocked"] == 0


def test_pause_of_all_ends_in_time(engine, client):
    other = engine.client()
    client.call("CLIENT", "PAUSE", 100)
    for c in (client, other):
        c.send_bytes(b"PING\r\n")
    engine.advance(99)
    turn(engine)
    assert client.is_silent() and other.is_silent()
    assert engine.core.pause_state() == ("all", engine.now_ms + 1)
    engine.advance(1)
    turn(engine)
    assert client.read() == other.read() == Simple("PONG")
    assert engine.core.pause_state() == (None, 0)


def test_unpause_is_held_by_a_pause_of_all(engine, client):
    client.call("CLIENT", "PAUSE", 100, "ALL")
    client.send_bytes(b"CLIENT UNPAUSE\r\n")
    turn(engine)
    assert client.is_silent()
    engine.advance(100)
    turn(engine)
    assert client.read() == OK


def test_a_pause_is_never_weakened(engine, client):
    other = engine.client()
    client.send_bytes(b"CLIENT PAUSE 100 ALL\r\n")
    assert engine.call("CLIENT", "PAUSE", 10, "WRITE") == b"OK"
    engine.advance(50)
    turn(engine)
    other.send_bytes(b"GET k\r\n")
    assert other.is_silent()
    engine.advance(50)
    turn(engine)
    assert other.read() in (NULL, NULL_BULK)


@pytest.mark.parametrize("cut", range(1, 30))
def test_held_request_that_came_in_pieces(engine, client, cut):
    request = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\nabc\r\n"
    engine.call("CLIENT", "PAUSE", 1000, "WRITE")
    client.send_bytes(request[:cut])
    client.send_bytes(request[cut:])
    client.send_bytes(request.replace(b"abc", b"def") + b"*2\r\n$3\r\nGET\r\n")
    assert client.is_silent()
    engine.call("CLIENT", "UNPAUSE")
    turn(engine)
    assert [client.read(), client.read()] == [OK, OK]
    client.send_bytes(b"$1\r\nk\r\n")
    assert client.read() == b"def"


def test_skipped_reply_stays_skipped_over_a_pause(engine, client):
    engine.call("CLIENT", "PAUSE", 1000, "WRITE")
    client.send_bytes(b"CLIENT REPLY SKIP\r\nSET k 1\r\nPING\r\n")
    engine.call("CLIENT", "UNPAUSE")
    turn(engine)
    assert client.read() == Simple("PONG")


def test_held_client_can_be_killed(engine, client):
    held = engine.client()
    client.call("CLIENT", "PAUSE", 1000, "WRITE")
    held.send_bytes(b"SET k v\r\n")
    assert client.call("CLIENT", "KILL", "ID", held.id) == 1
    assert alive(engine) == {client.id}
    client.call("CLIENT", "UNPAUSE")
    turn(engine)
    assert engine.call("EXISTS", "k") == 0


def test_keys_expire_for_readers_but_stay_while_paused(engine, client):
    client.call("SET", "k", "v", "PX", 10)
    client.call("CLIENT", "PAUSE", 1000, "WRITE")
    engine.advance(20)
    assert client.call("GET", "k") in (NULL, NULL_BULK)
    engine.core.cron()
    assert engine.core.counters()["expired_keys"] == 0
    client.call("CLIENT", "UNPAUSE")
    assert client.call("GET", "k") in (NULL, NULL_BULK)
    assert engine.core.counters()["expired_keys"] == 1
