"""Consumer groups in process: delivery, history, acknowledging, claiming, what is pending, lag, clients that wait."""
import pytest
from support.resp import Error, Map, encode

INVALID_ID = "ERR Invalid stream ID specified as stream command argument"
NOGROUP_READ = "NOGROUP No such key 'x' or consumer group 'g' in XREADGROUP with GROUP option"


def fill(engine, n, key="x"):
    for i in range(1, n + 1):
        engine.call("XADD", key, f"{i}-0", "f", i)


def entry(i):
    return [b"%d-0" % i, [b"f", b"%d" % i]]


def as_dict(reply):
    """A map of either protocol: pairs, or keys and values in turn."""
    return dict(reply) if isinstance(reply[0], tuple) else dict(zip(reply[::2], reply[1::2]))


def read_reply(engine, *streams):
    """What XREADGROUP answers: streams are (key, entries)."""
    return list(streams) if engine.protocol == 3 else [list(s) for s in streams]


def told(engine, *streams):
    """The same as a connection of the tests reads it."""
    return Map(streams) if engine.protocol == 3 else [list(s) for s in streams]


def read(engine, consumer, id=">", *options, group="g", key="x"):
    """The entries that XREADGROUP gives of one stream, None when it gives none."""
    reply = engine.call("XREADGROUP", "GROUP", group, consumer, *options, "STREAMS", key, id)
    return None if reply is None else reply[0][1]


def pending(engine, *more, group="g"):
    """[(id number, consumer, idle, deliveries)]"""
    rows = engine.call("XPENDING", "x", group, "-", "+", 100, *more)
    return [(int(id.split(b"-")[0]), consumer, idle, n) for id, consumer, idle, n in rows]


def groups(engine, key="x"):
    return {g[b"name"]: g for g in map(as_dict, engine.call("XINFO", "GROUPS", key))}


def consumers(engine, group="g"):
    return {c[b"name"]: c for c in map(as_dict, engine.call("XINFO", "CONSUMERS", "x", group))}


def waiting(engine, *argv):
    client = engine.client()
    client.send_bytes(encode(argv))
    assert client.is_silent()
    return client


@pytest.fixture
def group(engine):
    """Five entries, a group g at their beginning."""
    fill(engine, 5)
    engine.call("XGROUP", "CREATE", "x", "g", 0)
    return "g"


# ---------------------------------------------------------------- XGROUP

def test_creating(engine):
    missing = Error("ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the "
                    "MKSTREAM option to create an empty stream automatically.")
    assert engine.ask("XGROUP", "CREATE", "x", "g", "$") == missing and engine.call("EXISTS", "x") == 0
    assert engine.call("XGROUP", "CREATE", "x", "g", "$", "MKSTREAM") == b"OK"
    assert engine.ask("XGROUP", "CREATE", "x", "g", "$") == Error("BUSYGROUP Consumer Group name already exists")
    fill(engine, 3)
    engine.call("XGROUP", "CREATE", "x", "end", "$")
    engine.call("XGROUP", "CREATE", "x", "mid", "2-0", "ENTRIESREAD", 2)
    engine.call("XGROUP", "CREATE", "x", "bold", "0", "ENTRIESREAD", 50)
    found = groups(engine)
    assert list(found) == [b"bold", b"end", b"g", b"mid"]
    assert [found[n][b"last-delivered-id"] for n in (b"end", b"mid")] == [b"3-0", b"2-0"]
    assert [found[n][b"entries-read"] for n in (b"end", b"mid", b"bold")] == [None, 2, 3]
    assert [found[n][b"lag"] for n in (b"end", b"mid", b"bold", b"g")] == [0, 1, 3, 3]


def test_refused_groups(engine, group):
    for argv, text in ((("CREATE", "x", "h", "-"), INVALID_ID),
                       (("create", "x", "h", "$", "FOO"),
                        "ERR unknown subcommand or wrong number of arguments for 'create'. Try XGROUP HELP."),
                       (("CREATE", "x", "h", "$", "ENTRIESREAD", -2),
                        "ERR value for ENTRIESREAD must be positive or -1"),
                       (("SETID", "x", "nog", "$"), "NOGROUP No such consumer group 'nog' for key name 'x'"),
                       (("DELCONSUMER", "x", "nog", "c"), "NOGROUP No such consumer group 'nog' for key name 'x'")):
        assert engine.ask("XGROUP", *argv) == Error(text)


def test_setid_delivers_again(engine, group):
    assert read(engine, "a") == [entry(i) for i in range(1, 6)]
    engine.call("XGROUP", "SETID", "x", "g", "3-0")
    assert read(engine, "b") == [entry(4), entry(5)]
    assert [(id, c, n) for id, c, _, n in pending(engine)] == [(1, b"a", 1), (2, b"a", 1), (3, b"a", 1), (4, b"b", 1),
                                                               (5, b"b", 1)]
    engine.call("XGROUP", "SETID", "x", "g", "-")
    assert len(read(engine, "a")) == 5
    engine.call("XGROUP", "SETID", "x", "g", "+")
    assert read(engine, "a") is None


def test_consumers_come_and_go(engine, group):
    assert [engine.call("XGROUP", "CREATECONSUMER", "x", "g", "c") for _ in range(2)] == [1, 0]
    read(engine, "c", ">", "COUNT", 2), read(engine, "d")
    assert engine.call("XGROUP", "DELCONSUMER", "x", "g", "c") == 2
    assert engine.call("XGROUP", "DELCONSUMER", "x", "g", "c") == 0
    assert [id for id, *_ in pending(engine)] == [3, 4, 5]
    assert engine.call("XGROUP", "DESTROY", "x", "g") == 1 and engine.call("XGROUP", "DESTROY", "x", "g") == 0
    assert engine.call("XINFO", "GROUPS", "x") == []


# ---------------------------------------------------------------- XREADGROUP

def test_delivery_and_history(engine, group):
    assert read(engine, "a", ">", "COUNT", 2) == [entry(1), entry(2)]
    assert read(engine, "b") == [entry(3), entry(4), entry(5)]
    assert read(engine, "a") is None
    engine.advance(10)
    assert read(engine, "a", 0) == [entry(1), entry(2)] and read(engine, "a", "1-0") == [entry(2)]
    assert read(engine, "b", 0, "COUNT", 1) == [entry(3)] and read(engine, "c", 0) == []
    assert [(idle, n) for _, _, idle, n in pending(engine)] == [(0, 2), (0, 3), (0, 2), (10, 1), (10, 1)]


def test_history_of_deleted_entries(engine, group):
    read(engine, "a")
    engine.call("XDEL", "x", "2-0")
    engine.advance(5)
    assert read(engine, "a", 0, "COUNT", 2) == [entry(1), [b"2-0", None]]
    assert pending(engine)[:2] == [(1, b"a", 0, 2), (2, b"a", 5, 1)]


def test_noack(engine, group):
    assert read(engine, "a", ">", "NOACK", "COUNT", 2) == [entry(1), entry(2)]
    assert pending(engine) == [] and groups(engine)[b"g"][b"entries-read"] == 2
    assert consumers(engine)[b"a"][b"inactive"] == -1
    read(engine, "a")
    assert consumers(engine)[b"a"][b"inactive"] == 0


def test_several_streams(engine, group):
    fill(engine, 1, "y")
    engine.call("XGROUP", "CREATE", "y", "g", "$")
    reply = engine.call("XREADGROUP", "GROUP", "g", "a", "COUNT", 1, "STREAMS", "x", "y", "x", ">", ">", 0)
    assert reply == read_reply(engine, (b"x", [entry(1)]), (b"x", [entry(1)]))
    assert list(consumers(engine)) == [b"a"] and groups(engine, "y")[b"g"][b"consumers"] == 1


@pytest.mark.parametrize("argv, text", [
    (("STREAMS", "x", ">"), NOGROUP_READ), (("STREAMS", "x", "abc"), NOGROUP_READ),
    (("COUNT", 1, "x", ">"), "ERR syntax error"),
    (("STREAMS", "y", "$"),
     "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by "
     "specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set."),
    (("STREAMS", "x", "y", ">"),
     "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.")])
def test_refused_reads(engine, argv, text):
    engine.call("XGROUP", "CREATE", "y", "g", 0, "MKSTREAM")
    assert engine.ask("XREADGROUP", "GROUP", "g", "c", *argv) == Error(text)
    assert engine.ask("XREADGROUP", "COUNT", 1, "NOACK", "STREAMS", "y", "x", ">", ">") == Error(
        "ERR Missing GROUP option for XREADGROUP")


def test_waiting_as_a_group(engine, group):
    read(engine, "a")
    clients = [waiting(engine, "XREADGROUP", "GROUP", "g", name, "BLOCK", 0, "STREAMS", "x", ">") for name in "ab"]
    engine.call("XADD", "x", "6-0", "f", 6)
    assert clients[0].read() == told(engine, (b"x", [entry(6)])) and clients[1].is_silent()
    engine.call("XADD", "x", "7-0", "f", 7)
    assert clients[1].read() is not None
    assert [c for id, c, _, _ in pending(engine) if id > 5] == [b"a", b"b"]


@pytest.mark.parametrize("loss, text", [
    (("DEL", "x"), NOGROUP_READ), (("XGROUP", "DESTROY", "x", "g"), NOGROUP_READ), (("FLUSHALL",), NOGROUP_READ),
    (("SET", "x", "v"), "WRONGTYPE Operation against a key holding the wrong kind of value"),
    (("RENAME", "other", "x"), NOGROUP_READ)])
def test_losing_what_is_waited_for(engine, group, loss, text):
    engine.call("XADD", "other", "9-9", "f", "v")
    read(engine, "a")
    reader = waiting(engine, "XREAD", "BLOCK", 0, "STREAMS", "x", "99-0")
    client = waiting(engine, "XREADGROUP", "GROUP", "g", "a", "BLOCK", 0, "STREAMS", "x", ">")
    engine.call(*loss)
    assert client.read() == Error(text) and reader.is_silent()


def test_history_does_not_wait(engine, group):
    client = engine.client()
    assert client.call("XREADGROUP", "GROUP", "g", "a", "BLOCK", 0, "STREAMS", "x", 0) == told(engine, (b"x", []))


# ---------------------------------------------------------------- XACK, XACKDEL, XPENDING

def test_acknowledging(engine, group):
    read(engine, "a")
    assert engine.call("XACK", "x", "g", "1-0", "1-0", "9-0", "3-0") == 2
    assert [id for id, *_ in pending(engine)] == [2, 4, 5]
    assert engine.ask("XACK", "x", "g", "2-0", "x") == Error(INVALID_ID)
    assert [id for id, *_ in pending(engine)] == [2, 4, 5]
    assert engine.call("XACK", "x", "nog", "2-0") == 0 and engine.call("XACK", "missing", "g", "x") == 0


def test_acknowledging_and_deleting(engine, group):
    engine.call("XGROUP", "CREATE", "x", "h", 0)
    read(engine, "a"), read(engine, "a", group="h")
    engine.call("XACK", "x", "h", "1-0")
    assert engine.call("XACKDEL", "x", "g", "ACKED", "IDS", 3, "1-0", "2-0", "9-0") == [1, 2, -1]
    assert engine.call("XACKDEL", "x", "g", "DELREF", "IDS", 2, "3-0", "2-0") == [1, -1]
    assert engine.call("XACKDEL", "x", "g", "IDS", 1, "4-0") == [1]
    assert [id for id, _ in engine.call("XRANGE", "x", "-", "+")] == [b"2-0", b"5-0"]
    assert [id for id, *_ in pending(engine)] == [5] and [id for id, *_ in pending(engine, group="h")] == [2, 4, 5]
    assert engine.call("XACKDEL", "x", "h", "ACKED", "IDS", 2, "4-0", "5-0") == [1, 2]
    assert engine.call("XACKDEL", "x", "nog", "IDS", 1, "5-0") == [-1]


def test_pending(engine, group):
    assert engine.call("XPENDING", "x", "g") == [0, None, None, None]
    read(engine, "a", ">", "COUNT", 2)
    engine.advance(100)
    read(engine, "b")
    assert engine.call("XPENDING", "x", "g") == [5, b"1-0", b"5-0", [[b"a", b"2"], [b"b", b"3"]]]
    assert pending(engine, "a") == [(1, b"a", 100, 1), (2, b"a", 100, 1)] and pending(engine, "nobody") == []
    assert [row[0] for row in engine.call("XPENDING", "x", "g", "IDLE", 50, "-", "+", 9)] == [b"1-0", b"2-0"]
    assert [row[0] for row in engine.call("XPENDING", "x", "g", "(1-0", "(4-0", 9)] == [b"2-0", b"3-0"]
    assert engine.call("XPENDING", "x", "g", "-", "+", 0) == [] == engine.call("XPENDING", "x", "g", "-", "+", -3)
    for argv in (("-",), ("-", "+"), ("IDLE", 5, "-", "+"), ("IDLE", 0, "-", "+", 10, "a", "b")):
        assert engine.ask("XPENDING", "x", "g", *argv) == Error("ERR syntax error")
    assert engine.ask("XPENDING", "x", "nog") == Error("NOGROUP No such key 'x' or consumer group 'nog'")


# ---------------------------------------------------------------- claiming

def test_claiming(engine, group):
    read(engine, "a", ">", "COUNT", 3)
    engine.advance(100)
    assert engine.call("XCLAIM", "x", "g", "b", 101, "1-0") == []
    assert engine.call("XCLAIM", "x", "g", "b", 100, "1-0", "4-0", "9-0") == [entry(1)]
    assert engine.call("XCLAIM", "x", "g", "b", 0, "2-0", "JUSTID") == [b"2-0"]
    assert engine.call("XCLAIM", "x", "g", "b", 0, "4-0", "FORCE", "JUSTID", "RETRYCOUNT", 7, "IDLE", 30) == [b"4-0"]
    assert pending(engine) == [(1, b"b", 0, 2), (2, b"b", 0, 1), (3, b"a", 100, 1), (4, b"b", 30, 7)]
    assert engine.call("XCLAIM", "x", "g", "c", 0, "3-0", "TIME", engine.now_ms + 999, "LASTID", "8-0") == [entry(3)]
    assert pending(engine, "c") == [(3, b"c", 0, 2)] and groups(engine)[b"g"][b"last-delivered-id"] == b"8-0"


def test_claiming_what_is_deleted(engine, group):
    read(engine, "a")
    engine.call("XDEL", "x", "2-0")
    assert engine.call("XCLAIM", "x", "g", "b", 0, "1-0", "2-0") == [entry(1)]
    assert [id for id, *_ in pending(engine)] == [1, 3, 4, 5]


@pytest.mark.parametrize("argv, text", [
    (("b", "x", "1-0"), "ERR Invalid min-idle-time argument for XCLAIM"),
    (("b", 0, "1-0", "FOO"), "ERR Unrecognized XCLAIM option 'FOO'"),
    (("b", 0, "1-0", "IDLE"), "ERR Unrecognized XCLAIM option 'IDLE'"),
    (("b", 0, "1-0", "IDLE", "x"), "ERR Invalid IDLE option argument for XCLAIM")])
def test_refused_claims(engine, group, argv, text):
    assert engine.ask("XCLAIM", "x", "g", *argv) == Error(text)
    assert consumers(engine) == {}


def test_autoclaim_is_an_iterator(engine, group):
    read(engine, "a")
    engine.call("XDEL", "x", "3-0")
    assert engine.call("XAUTOCLAIM", "x", "g", "b", 0, "-", "COUNT", 2) == [b"3-0", [entry(1), entry(2)], []]
    assert engine.call("XAUTOCLAIM", "x", "g", "b", 0, "3-0", "COUNT", 2, "JUSTID") == [b"5-0", [b"4-0"], [b"3-0"]]
    assert engine.call("XAUTOCLAIM", "x", "g", "b", 0, "(4-0") == [b"0-0", [entry(5)], []]
    assert [(c, n) for _, c, _, n in pending(engine)] == [(b"b", 2), (b"b", 2), (b"b", 1), (b"b", 2)]
    assert engine.call("XAUTOCLAIM", "x", "g", "b", 5000, 0) == [b"0-0", [], []]
    for count in (0, -1, "x", 2 ** 60):
        assert engine.ask("XAUTOCLAIM", "x", "g", "b", 0, 0, "COUNT", count) == Error("ERR COUNT must be > 0")


def test_autoclaim_looks_at_ten_times_its_count(engine):
    fill(engine, 40)
    engine.call("XGROUP", "CREATE", "x", "g", 0)
    engine.call("XREADGROUP", "GROUP", "g", "a", "STREAMS", "x", ">")
    assert engine.call("XAUTOCLAIM", "x", "g", "b", 1000, 0, "COUNT", 2) == [b"21-0", [], []]


# ---------------------------------------------------------------- lag, times, changes

def test_lag(engine, group):
    def state():
        g = groups(engine)[b"g"]
        return g[b"entries-read"], g[b"lag"]

    assert state() == (None, 5)
    read(engine, "a", ">", "COUNT", 1)
    assert state() == (1, 4)
    engine.call("XDEL", "x", "3-0")
    assert state() == (1, None)
    read(engine, "a")
    assert state() == (5, 0)
    engine.call("XADD", "x", "6-0", "f", 6)
    assert state() == (5, 1)


def test_times_of_consumers(engine, group):
    engine.call("XGROUP", "CREATECONSUMER", "x", "g", "a")
    engine.advance(50)
    assert (consumers(engine)[b"a"][b"idle"], consumers(engine)[b"a"][b"inactive"]) == (50, -1)
    read(engine, "a")
    engine.advance(30)
    read(engine, "a", 0)
    assert (consumers(engine)[b"a"][b"idle"], consumers(engine)[b"a"][b"inactive"]) == (0, 30)


def test_xinfo_full(engine, group):
    read(engine, "a", ">", "COUNT", 2), read(engine, "b", ">", "COUNT", 1)
    full = as_dict(engine.call("XINFO", "STREAM", "x", "FULL", "COUNT", 2))
    g = as_dict(full[b"groups"][0])
    now = engine.now_ms
    assert g[b"pel-count"] == 3 and g[b"pending"] == [[b"1-0", b"a", now, 1], [b"2-0", b"a", now, 1]]
    assert [as_dict(c) for c in g[b"consumers"]] == [
        {b"name": b"a", b"seen-time": now, b"active-time": now, b"pel-count": 2,
         b"pending": [[b"1-0", now, 1], [b"2-0", now, 1]]},
        {b"name": b"b", b"seen-time": now, b"active-time": now, b"pel-count": 1, b"pending": [[b"3-0", now, 1]]}]
