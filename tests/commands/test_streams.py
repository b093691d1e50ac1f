"""XADD and what reads, trims and deletes entries, in process: IDs, options, dirty and events, waiting for entries."""
import pytest
from support.resp import NULL, NULL_ARRAY, NULL_BULK, Error, Map, encode

INVALID_ID = "ERR Invalid stream ID specified as stream command argument"
EXHAUSTED = "ERR The stream has exhausted the last possible ID, unable to add more items"
SMALLER = "ERR The ID specified in XADD is equal or smaller than the target stream top item"
TOP = 2 ** 64 - 1
STREAM_EVENTS = 2 | 1024            # Et


def fill(engine, n, key="x", *fields):
    for i in range(1, n + 1):
        engine.call("XADD", key, f"{i}-0", *(fields or ("f", i)))


def entry(i):
    return [b"%d-0" % i, [b"f", b"%d" % i]]


def ids(engine, key="x"):
    return [int(id.split(b"-")[0]) for id, _ in engine.call("XRANGE", key, "-", "+")]


def info(engine, key="x", *more):
    return as_dict(engine, engine.call("XINFO", "STREAM", key, *more))


def as_dict(engine, reply):
    """A map of either protocol."""
    return dict(reply) if engine.protocol == 3 else dict(zip(reply[::2], reply[1::2]))


def nothing(engine):
    return NULL if engine.protocol == 3 else NULL_ARRAY


def waiting(engine, *argv):
    """A client that waits in this command."""
    client = engine.client()
    client.send_bytes(encode(argv))
    assert client.is_silent()
    return client


def read_reply(engine, *streams):
    """What XREAD answers: streams are (key, entries)."""
    return list(streams) if engine.protocol == 3 else [list(s) for s in streams]


def told(engine, *streams):
    """The same as a connection of the tests reads it."""
    return Map(streams) if engine.protocol == 3 else [list(s) for s in streams]


# ---------------------------------------------------------------- XADD

def test_ids_from_the_clock(engine):
    first = engine.call("XADD", "x", "*", "f", "v")
    assert first == b"%d-0" % engine.now_ms
    assert engine.call("XADD", "x", "*", "f", "v") == b"%d-1" % engine.now_ms
    engine.advance(5)
    assert engine.call("XADD", "x", "*", "f", "v") == b"%d-0" % engine.now_ms
    ahead = engine.now_ms + 1000
    engine.call("XADD", "x", f"{ahead}-{TOP}", "f", "v")
    assert engine.call("XADD", "x", "*", "f", "v") == b"%d-0" % (ahead + 1)


@pytest.mark.parametrize("last, given, got", [
    (None, "0-*", b"0-1"), (None, "7-*", b"7-0"), ("5-5", "5-*", b"5-6"), ("5-5", "6-*", b"6-0"), ("5-5", "7", b"7-0"),
    ("5-5", "5-6", b"5-6"), (None, " 007-+1", b"7-1"), (None, f"{TOP}-{TOP}", b"%d-%d" % (TOP, TOP))])
def test_given_ids(engine, last, given, got):
    if last:
        engine.call("XADD", "x", last, "f", "v")
    assert engine.call("XADD", "x", given, "f", "v") == got
    assert engine.call("XRANGE", "x", got, got) == [[got, [b"f", b"v"]]]


@pytest.mark.parametrize("given, text", [
    ("5-5", SMALLER), ("5-4", SMALLER), ("4-*", SMALLER), ("5", SMALLER), ("abc", INVALID_ID), ("5-", INVALID_ID),
    ("-5", INVALID_ID), ("5-1-1", INVALID_ID), ("", INVALID_ID), ("5-x*", INVALID_ID), (f"{TOP + 1}-0", INVALID_ID),
    (f"9-{TOP + 1}", INVALID_ID),
    ("+", INVALID_ID), ("0" * 127 + "9", INVALID_ID), ("0-0", "ERR The ID specified in XADD must be greater than 0-0")])
def test_refused_ids(engine, given, text):
    engine.call("XADD", "x", "5-5", "f", "v")
    assert engine.ask("XADD", "x", given, "f", "v") == Error(text)
    assert engine.call("XLEN", "x") == 1
    if text != SMALLER:
        assert engine.ask("XADD", "missing", given, "f", "v") == Error(text) and engine.call("EXISTS", "missing") == 0


def test_ids_run_out(engine):
    engine.call("XADD", "x", f"1-{TOP}", "f", "v")
    assert engine.ask("XADD", "x", "1-*", "f", "v") == Error(SMALLER)
    engine.call("XADD", "x", f"{TOP}-{TOP}", "f", "v")
    for id in ("*", f"{TOP}-*", "1-1"):
        assert engine.ask("XADD", "x", id, "f", "v") == Error(EXHAUSTED)


def test_fields_of_all_sorts(engine):
    fields = [b"a", b"1", b"", b"", b"a", b"-5", b"long" * 2000, b"007", b"7", b"9223372036854775807", b"n",
              b"x" * 5000]
    engine.call("XADD", "x", "1-1", *fields)
    engine.call("XADD", "x", "1-2", *fields)
    engine.call("XADD", "x", "1-3", *fields[:2])
    expected = [[b"1-1", fields], [b"1-2", fields], [b"1-3", fields[:2]]]
    assert engine.call("XRANGE", "x", "-", "+") == expected
    assert engine.call("XREVRANGE", "x", "+", "-") == expected[::-1]


def test_nomkstream(engine):
    assert engine.ask("XADD", "x", "NOMKSTREAM", "*", "f", "v") == (NULL if engine.protocol == 3 else NULL_BULK)
    assert engine.call("EXISTS", "x") == 0
    engine.call("XADD", "x", "1-1", "f", "v")
    assert engine.call("XADD", "x", "nomkstream", "2-2", "f", "v") == b"2-2"


@pytest.mark.parametrize("options, left", [
    (("MAXLEN", 3), [9, 10, 11]), (("MAXLEN", "=", 3), [9, 10, 11]), (("MAXLEN", "~", 3), [7, 8, 9, 10, 11]),
    (("MAXLEN", "~", 4), [7, 8, 9, 10, 11]), (("MAXLEN", 0), []), (("MINID", 5), [5, 6, 7, 8, 9, 10, 11]),
    (("MINID", "~", 5), [4, 5, 6, 7, 8, 9, 10, 11]), (("MAXLEN", "~", 0, "LIMIT", 5), [4, 5, 6, 7, 8, 9, 10, 11]),
    (("MAXLEN", "~", 0, "LIMIT", 0), []), (("KEEPREF", "MAXLEN", 2), [10, 11])])
def test_adding_trims(engine, options, left):
    engine.set("stream_node_max_entries", 3)
    fill(engine, 10)
    engine.call("XADD", "x", *options, "11-0", "f", 11)
    assert ids(engine) == left
    assert engine.call("XLEN", "x") == len(left) and info(engine)[b"entries-added"] == 11


def test_approximate_trimming_without_limit_takes_a_hundred_nodes(engine):
    engine.set("stream_node_max_entries", 1)
    fill(engine, 102)
    assert engine.call("XTRIM", "x", "MAXLEN", "~", 1) == 100
    assert engine.call("XTRIM", "x", "MAXLEN", "~", 1) == 1


@pytest.mark.parametrize("options, text", [
    (("MAXLEN", -1), "ERR The MAXLEN argument must be >= 0."),
    (("MAXLEN", "x"), "ERR value is not an integer or out of range"),
    (("MINID", "x"), INVALID_ID),
    (("MAXLEN", 5, "MINID", 5), "ERR syntax error, MAXLEN and MINID options at the same time are not compatible"),
    (("MAXLEN", 5, "LIMIT", 5), "ERR syntax error, LIMIT cannot be used without the special ~ option"),
    (("LIMIT", 5), "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"),
    (("MAXLEN", "~", 5, "LIMIT", -1), "ERR The LIMIT argument must be >= 0.")])
def test_refused_trimming(engine, options, text):
    assert engine.ask("XADD", "x", *options, "1-1", "f", "v") == Error(text)
    assert engine.ask("XTRIM", "x", *options) == Error(text)
    assert engine.call("EXISTS", "x") == 0


def test_arity_and_type(engine):
    engine.call("SET", "s", "v")
    arity = Error("ERR wrong number of arguments for 'xadd' command")
    for argv in (("x", "1-1", "f"), ("x", "1-1", "f", "v", "g"), ("x", "MAXLEN", 5, "1-1", "f")):
        assert engine.ask("XADD", *argv) == arity
    for argv in (("XADD", "s", "1-1", "f", "v"), ("XLEN", "s"), ("XRANGE", "s", "-", "+"), ("XDEL", "s", "1-1"),
                 ("XTRIM", "s", "MAXLEN", 1), ("XREAD", "STREAMS", "s", 0), ("XSETID", "s", "1-1"),
                 ("XINFO", "STREAM", "s"),
                 ("XDELEX", "s", "IDS", 1, "1-1"), ("XACK", "s", "g", "1-1"), ("XGROUP", "CREATE", "s", "g", 0)):
        assert engine.ask(*argv) == Error("WRONGTYPE Operation against a key holding the wrong kind of value")


# ---------------------------------------------------------------- ranges

@pytest.mark.parametrize("start, end, found", [
    ("-", "+", [1, 2, 3, 4]), (2, 3, [2, 3]), ("(2", "+", [3, 4]), ("(2-0", "+", [3, 4]), ("-", "(3-0", [1, 2]),
    (9, "+", []),
    ("+", "-", []), (3, 2, []), ("2-0", "2", [2]), ("-", 0, [])])
def test_ranges(engine, start, end, found):
    engine.set("stream_node_max_entries", 2)
    fill(engine, 4)
    assert engine.call("XRANGE", "x", start, end) == [entry(i) for i in found]
    assert engine.call("XREVRANGE", "x", end, start) == [entry(i) for i in found[::-1]]
    assert engine.call("XRANGE", "x", start, end, "COUNT", 1) == [entry(i) for i in found[:1]]


def test_counts_of_ranges(engine):
    fill(engine, 3)
    assert engine.ask("XRANGE", "x", "-", "+", "COUNT", 0) == nothing(engine)
    assert engine.ask("XRANGE", "missing", "-", "+", "COUNT", 0) == []
    assert engine.call("XRANGE", "x", "-", "+", "count", 9, "COUNT", 2) == [entry(1), entry(2)]


def test_refused_ranges(engine):
    for argv, text in ((("(-", "+"), INVALID_ID), (("-", "x"), INVALID_ID),
                       ((f"({TOP}-{TOP}", "+"), "ERR invalid start ID for the interval"),
                       (("-", "(0-0"), "ERR invalid end ID for the interval"),
                       (("-", "+", "COUNT"), "ERR syntax error"),
                       (("-", "+", "LIMIT", 1), "ERR syntax error")):
        assert engine.ask("XRANGE", "x", *argv) == Error(text)


# ---------------------------------------------------------------- deleting

def test_deleting(engine):
    engine.set("stream_node_max_entries", 2)
    fill(engine, 5)
    assert engine.call("XDEL", "x", "1-0", "4-0", "4-0", "9-9") == 2
    assert ids(engine) == [2, 3, 5] and engine.call("XLEN", "x") == 3
    state = info(engine)
    assert state[b"max-deleted-entry-id"] == b"4-0" and state[b"recorded-first-entry-id"] == b"2-0"
    assert engine.ask("XDEL", "x", "2-0", "x") == Error(INVALID_ID) and engine.call("XLEN", "x") == 3
    assert engine.call("XDEL", "x", 2, 3, 5) == 3
    assert engine.call("XLEN", "x") == 0 and engine.call("EXISTS", "x") == 1
    assert info(engine)[b"recorded-first-entry-id"] == b"0-0" and info(engine)[b"first-entry"] is None
    assert engine.ask("XADD", "x", "5-0", "f", "v") == Error(SMALLER)


def test_xdelex_keeps_what_groups_have_not_acknowledged(engine):
    fill(engine, 4)
    engine.call("XGROUP", "CREATE", "x", "g", 0)
    engine.call("XREADGROUP", "GROUP", "g", "c", "COUNT", 3, "STREAMS", "x", ">")
    engine.call("XACK", "x", "g", "1-0")
    assert engine.call("XDELEX", "x", "ACKED", "IDS", 4, "1-0", "2-0", "4-0", "9-0") == [1, 2, 2, 2]
    assert engine.call("XDELEX", "x", "IDS", 2, "2-0", "1-0") == [1, -1]
    assert engine.call("XPENDING", "x", "g")[0] == 2
    assert engine.call("XDELEX", "x", "DELREF", "IDS", 2, "3-0", "2-0") == [1, -1]
    assert engine.call("XPENDING", "x", "g")[0] == 0 and ids(engine) == [4]
    assert engine.call("XDELEX", "missing", "IDS", 2, "1-0", "x") == [-1, -1]


@pytest.mark.parametrize("argv, text", [
    (("IDS", 0, "1-1"), "ERR Number of IDs must be a positive integer"),
    (("IDS", "x", "1-1"), "ERR Number of IDs must be a positive integer"),
    (("IDS", 2, "1-1"), "ERR The `numids` parameter must match the number of arguments"),
    (("IDS", 1, "1-1", "2-2"), "ERR syntax error"), (("FOO", "IDS", 1, "1-1"), "ERR syntax error"),
    (("KEEPREF", "ACKED", "IDS", 1, "1-1"), "ERR syntax error")])
def test_refused_blocks_of_ids(engine, argv, text):
    assert engine.ask("XDELEX", "x", *argv) == Error(text)
    assert engine.ask("XACKDEL", "x", "g", *argv) == Error(text)


def test_xsetid(engine):
    fill(engine, 3)
    engine.call("XDEL", "x", "2-0")
    assert engine.call("XSETID", "x", "9-9", "ENTRIESADDED", 20, "MAXDELETEDID", "5-0") == b"OK"
    state = info(engine)
    assert state[b"last-generated-id"] == b"9-9" and state[b"max-deleted-entry-id"] == b"5-0"
    assert state[b"entries-added"] == 20
    for argv, text in ((("4-0",), "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"),
                       (("9-9", "MAXDELETEDID", "10-0"),
                        "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id"),
                       (("9-9", "ENTRIESADDED", 1),
                        "ERR The entries_added specified in XSETID is smaller than the target stream length"),
                       (("9-9", "ENTRIESADDED", -1), "ERR entries_added must be positive"),
                       (("9-9", "FOO"), "ERR syntax error")):
        assert engine.ask("XSETID", "x", *argv) == Error(text)
    assert engine.ask("XSETID", "missing", "1-1") == Error("ERR no such key")
    engine.call("XADD", "y", "5-0", "f", "v")
    assert engine.ask("XSETID", "y", "4-0") == Error(
        "ERR The ID specified in XSETID is smaller than the target stream top item")


# ---------------------------------------------------------------- XREAD

def test_xread_of_several_streams(engine):
    fill(engine, 3)
    fill(engine, 2, "y")
    assert engine.call("XREAD", "COUNT", 2, "STREAMS", "x", "missing", "y", 0, 0, "1-0") == read_reply(
        engine, (b"x", [entry(1), entry(2)]), (b"y", [entry(2)]))
    assert engine.call("XREAD", "STREAMS", "x", "y", "+", "+") == read_reply(
        engine, (b"x", [entry(3)]), (b"y", [entry(2)]))
    for id in ("$", "3-0", f"{TOP}-{TOP}"):
        assert engine.ask("XREAD", "STREAMS", "x", id) == nothing(engine)
    engine.call("XDEL", "x", "3-0")
    assert engine.ask("XREAD", "STREAMS", "x", "2-0") == nothing(engine)


@pytest.mark.parametrize("argv, text", [
    (("STREAMS", "x", "y", 0),
     "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified."),
    (("COUNT", 5, "x", 0), "ERR syntax error"),
    (("COUNT", "x", "STREAMS", "x", 0), "ERR value is not an integer or out of range"),
    (("BLOCK", -1, "STREAMS", "x", 0), "ERR timeout is negative"),
    (("BLOCK", "x", "STREAMS", "x", 0), "ERR timeout is not an integer or out of range"),
    (("BLOCK", 2 ** 63 - 1, "STREAMS", "x", 0), "ERR timeout is out of range"), (("STREAMS", "x", "-"), INVALID_ID),
    (("NOACK", "STREAMS", "x", 0), "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.")])
def test_refused_xread(engine, argv, text):
    assert engine.ask("XREAD", *argv) == Error(text)


def test_waiting_for_an_entry(engine):
    fill(engine, 2, "y")
    client = waiting(engine, "XREAD", "BLOCK", 0, "STREAMS", "x", "y", "$", "$")
    engine.call("XDEL", "y", "1-0")
    engine.call("SET", "x", "text")
    engine.call("DEL", "x")
    assert client.is_silent()
    engine.call("XADD", "y", "3-0", "f", "3")
    assert client.read() == told(engine, (b"y", [entry(3)]))


def test_all_who_wait_get_the_entry(engine):
    clients = [waiting(engine, "XREAD", "BLOCK", 0, "STREAMS", "x", id) for id in ("$", "0", "+", "5-0")]
    engine.call("XADD", "x", "1-0", "f", "1")
    assert [c.read() for c in clients[:3]] == [told(engine, (b"x", [entry(1)]))] * 3
    assert clients[3].is_silent()


def test_a_wait_ends_with_its_time(engine):
    client = waiting(engine, "XREAD", "BLOCK", 50, "STREAMS", "x", "$")
    engine.advance(49)
    engine.core.cron()
    assert client.is_silent()
    engine.advance(2)
    engine.core.cron()
    assert client.read() == nothing(engine)


def test_no_wait_where_something_is_there(engine):
    fill(engine, 1)
    client = engine.client()
    assert client.call("XREAD", "BLOCK", 0, "STREAMS", "x", 0) == told(engine, (b"x", [entry(1)]))
    assert client.call("XREAD", "BLOCK", 0, "STREAMS", "x", "+") == told(engine, (b"x", [entry(1)]))


# ---------------------------------------------------------------- the rest

def test_copies_are_independent(engine):
    fill(engine, 5)
    engine.call("XGROUP", "CREATE", "x", "g", 0)
    engine.call("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">")
    engine.call("COPY", "x", "y")
    engine.call("XDEL", "x", "3-0"), engine.call("XACK", "x", "g", "1-0")
    assert ids(engine, "y") == [1, 2, 3, 4, 5] and engine.call("XPENDING", "y", "g")[0] == 5
    assert engine.call("OBJECT", "ENCODING", "y") == b"stream" and engine.call("TYPE", "y") == b"stream"
    assert engine.call("MEMORY", "USAGE", "y") > 300


def test_xinfo_stream(engine):
    fill(engine, 2)
    state = info(engine)
    assert state[b"length"] == 2 and state[b"radix-tree-keys"] == 1 and state[b"radix-tree-nodes"] == 2
    assert state[b"first-entry"] == entry(1) and state[b"last-entry"] == entry(2) and state[b"groups"] == 0
    assert info(engine, "x", "FULL", "COUNT", 1)[b"entries"] == [entry(1)]
    assert info(engine, "x", "FULL", "COUNT", 0)[b"entries"] == [entry(1), entry(2)]
    assert engine.ask("XINFO", "STREAM", "x", "FULL", "COUNT") == Error(
        "ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.")
    assert engine.ask("XINFO", "STREAM", "missing") == Error("ERR no such key")


# ---------------------------------------------------------------- what a change tells

CHANGES = [   # command -> dirty, events; after five entries and a group that has read three of them
    (("XADD", "x", "9-0", "f", "v"), 1, ["xadd"]), (("XADD", "x", "MAXLEN", 1, "9-0", "f", "v"), 1, ["xadd", "xtrim"]),
    (("XTRIM", "x", "MAXLEN", 3), 2, ["xtrim"]), (("XTRIM", "x", "MAXLEN", 9), 0, []),
    (("XDEL", "x", "1-0", "2-0", "9-0"), 2, ["xdel"]), (("XDEL", "x", "9-0"), 0, []),
    (("XSETID", "x", "9-0"), 1, ["xsetid"]), (("XACK", "x", "g", "1-0", "2-0"), 2, []),
    (("XCLAIM", "x", "g", "c", 0, "1-0", "2-0"), 2, []),
    (("XCLAIM", "x", "g", "d", 0, "9-0"), 1, ["xgroup-createconsumer"]),
    (("XAUTOCLAIM", "x", "g", "d", 0, 0), 4, ["xgroup-createconsumer"]),
    (("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">"), 1, []),
    (("XREADGROUP", "GROUP", "g", "d", "NOACK", "STREAMS", "x", ">"), 2, ["xgroup-createconsumer"]),
    (("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", 0), 0, []),
    (("XGROUP", "CREATE", "x", "h", 0), 1, ["xgroup-create"]), (("XGROUP", "DESTROY", "x", "g"), 1, ["xgroup-destroy"]),
    (("XGROUP", "SETID", "x", "g", 0), 1, ["xgroup-setid"]),
    (("XGROUP", "DELCONSUMER", "x", "g", "c"), 1, ["xgroup-delconsumer"]),
    (("XGROUP", "CREATECONSUMER", "x", "g", "c"), 0, []),
    (("XDELEX", "x", "IDS", 2, "1-0", "9-0"), 1, ["xdel"]), (("XDELEX", "x", "IDS", 1, "9-0"), 0, []),
    (("XACKDEL", "x", "g", "IDS", 2, "1-0", "9-0"), 1, ["xdel"]),
    (("XACKDEL", "x", "g", "ACKED", "IDS", 1, "4-0"), 0, [])]


@pytest.mark.parametrize("argv, dirty, events", CHANGES, ids=[" ".join(map(str, row[0])) for row in CHANGES])
def test_what_a_change_tells(engine, argv, dirty, events):
    fill(engine, 5)
    engine.call("XGROUP", "CREATE", "x", "g", 0)
    engine.call("XREADGROUP", "GROUP", "g", "c", "COUNT", 3, "STREAMS", "x", ">")
    engine.set("notify_keyspace_events", STREAM_EVENTS)
    listener = engine.client()
    listener.call("PSUBSCRIBE", "__key*")
    before = engine.core.counters()["dirty"]
    engine.call(*argv)
    assert engine.core.counters()["dirty"] - before == dirty
    told_events = []
    while not listener.is_silent():
        told_events.append(listener.read()[2].decode().split(":")[1])
    assert told_events == events


@pytest.mark.parametrize("argv, dirty, events", CHANGES, ids=[" ".join(map(str, row[0])) for row in CHANGES])
def test_changes_of_entries_alone_break_watch(engine, argv, dirty, events):
    fill(engine, 5)
    engine.call("XGROUP", "CREATE", "x", "g", 0)
    engine.call("XREADGROUP", "GROUP", "g", "c", "COUNT", 3, "STREAMS", "x", ">")
    watcher = engine.client()
    watcher.call("WATCH", "x")
    engine.call(*argv)
    watcher.call("MULTI"), watcher.call("PING")
    broken = watcher.call("EXEC") == nothing(engine)
    assert broken == bool(set(events) & {"xadd", "xtrim", "xdel"})
