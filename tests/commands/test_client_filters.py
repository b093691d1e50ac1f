"""Which clients CLIENT LIST and CLIENT KILL mean: the filters of Redis and Valkey."""
import pytest

from support.engine import make_engine
from support.resp import Closed, Error, Simple

OK = Simple("OK")


@pytest.fixture
def crowd():
    """Clients by name: plain; bob, of a library, in database 3; sub, that subscribes; quiet, whom nobody evicts."""
    engine = make_engine(2)
    clients = {name: engine.client() for name in ("plain", "bob", "sub", "quiet")}
    for command in ("CLIENT SETNAME bob", "CLIENT SETINFO LIB-NAME lib", "CLIENT SETINFO LIB-VER 1.2", "SELECT 3"):
        assert clients["bob"].call(*command.split()) == OK
    clients["quiet"].call("CLIENT", "NO-EVICT", "ON")
    clients["quiet"].call("CLIENT", "NO-TOUCH", "ON")
    clients["sub"].call("SUBSCRIBE", "c")
    engine.advance(5000)
    clients["plain"].call("PING")
    engine.clients = clients
    return engine


def listed(crowd, command):
    """Names of the clients that CLIENT LIST tells of, in its order."""
    ids = {client.id: name for name, client in crowd.clients.items()}
    words = [str(crowd.clients[w[1:]].id) if w.startswith("@") else w for w in command.split(" ")]
    reply = crowd.clients["plain"].call("CLIENT", "LIST", *words)
    if isinstance(reply, Error):
        return bytes(reply).decode()
    return " ".join(ids[int(line.split(b" ")[0][3:])] for line in reply.splitlines())


@pytest.mark.parametrize("command, expected", [
    ("ID @bob @plain @bob", "bob plain bob"), ("ID 0", ""), ("ID 99999 @sub", "sub"),
    ("ID @bob @plain TYPE normal", "plain bob"), ("NAME bob ID @bob @plain", "bob"),
    ("TYPE normal", "plain bob quiet"), ("TYPE pubsub", "sub"), ("NOT-TYPE pubsub", "plain bob quiet"),
    ("NAME bob", "bob"), ("NAME nobody", ""), ("NAME ", ""), ("NOT-NAME bob", "plain sub quiet"),
    ("LIB-NAME lib", "bob"), ("NOT-LIB-NAME lib", "plain sub quiet"),
    ("LIB-VER 1.2", "bob"), ("NOT-LIB-VER 1.2", "plain sub quiet"),
    ("DB 3", "bob"), ("DB 0", "plain sub quiet"), ("NOT-DB 3", "plain sub quiet"), ("DB 3 NOT-DB 3", ""),
    ("FLAGS N", "plain bob"), ("FLAGS P", "sub"), ("FLAGS e", "quiet"), ("FLAGS Te", "quiet"), ("FLAGS PT", ""),
    ("NOT-FLAGS P", "plain bob quiet"), ("NOT-FLAGS PT", "plain bob sub quiet"),
    ("USER default", "plain bob sub quiet"), ("NOT-USER default", ""),
    ("SKIPME yes", "bob sub quiet"), ("SKIPME no", "plain bob sub quiet"),
    ("IDLE 5", "bob sub quiet"), ("IDLE 6", ""), ("MAXAGE 5", "plain bob sub quiet"), ("MAXAGE 6", ""),
    ("ADDR ?:0", "plain bob sub quiet"), ("NOT-ADDR ?:0", ""), ("LADDR 1.2.3.4:5", ""), ("IP ?", "plain bob sub quiet"),
    ("NOT-IP ?", ""), ("CAPA r", ""), ("NOT-CAPA r", "plain bob sub quiet"), ("NOT-ID @bob @sub", "plain quiet"),
    ("NAME nobody NAME bob", "bob"), ("NAME bob FLAGS P", "")])
def test_listed(crowd, command, expected):
    assert listed(crowd, command) == expected


@pytest.mark.parametrize("command, error", [
    ("ID x", "Invalid client ID"), ("ID @bob x", "Invalid client ID"), ("ID", "syntax error"),
    ("FOO bar", "syntax error"),
    ("TYPE foo", "Unknown client type 'foo'"), ("NOT-TYPE foo", "Unknown client type 'foo'"), ("NAME", "syntax error"),
    ("USER nobody", "No such user 'nobody'"), ("SKIPME perhaps", "syntax error"), ("NOT-SKIPME yes", "syntax error"),
    ("IDLE x", "idle is not an integer or out of range"), ("IDLE 0", "idle should be greater than 0"),
    ("MAXAGE x", "maxage is not an integer or out of range"), ("MAXAGE 0", "maxage should be greater than 0"),
    ("NOT-IDLE 1", "syntax error"), ("DB x", "DB is not an integer or out of range"), ("NOT-ID x", "syntax error"),
    ("DB 16", "DB number should be between 0 and 15"), ("NOT-DB -1", "NOT-DB number should be between 0 and 15"),
    ("FLAGS Pz", "Unknown flags found in the provided filter: Pz"),
    ("NAME bob NOT-ID 0", "client-id should be greater than 0"),
    ("NOT-FLAGS z", "Unknown flags found in the NOT-FLAGS filter: z"),
    ("CAPA rx", "Unknown capa found in the provided filter: rx"),
    ("NOT-CAPA x", "Unknown capa found in the NOT-CAPA filter: x")])
def test_refused(crowd, command, error):
    assert listed(crowd, command) == f"ERR {error}"


@pytest.mark.parametrize("command, gone", [
    ("ID @bob", "bob"), ("ID @bob @sub ID @quiet", "bob sub quiet"), ("TYPE pubsub", "sub"), ("NAME bob", "bob"),
    ("DB 3 SKIPME no", "bob"), ("NOT-DB 3", "sub quiet"), ("IDLE 5", "bob sub quiet"), ("FLAGS e NAME bob", ""),
    ("NOT-ID @bob @sub", "quiet"), ("MAXAGE 5 TYPE normal", "bob quiet"), ("ADDR 1.2.3.4:5", "")])
def test_killed(crowd, command, gone):
    words = [str(crowd.clients[w[1:]].id) if w.startswith("@") else w for w in command.split()]
    assert crowd.clients["plain"].call("CLIENT", "KILL", *words) == len(gone.split())
    crowd.core.attend()
    left = [name for name in crowd.clients if name not in gone.split()]
    assert listed(crowd, "SKIPME no") == " ".join(left)


def test_the_caller_dies_after_its_reply(crowd):
    me = crowd.clients["plain"]
    assert me.call("CLIENT", "KILL", "ID", me.id, "SKIPME", "no") == 1
    me.send_bytes(b"PING\r\n")
    with pytest.raises((Closed, KeyError)):
        me.read()
