"""DEBUG."""
import itertools
import signal
import subprocess
import sys

import pytest
from support.resp import NULL, NULL_BULK, Double, Error, Map, Set, Simple, Verbatim

OK = Simple("OK")


@pytest.fixture
def engine(engine):
    engine.core.debug_allowed = "yes"
    return engine


def test_refused_unless_allowed(engine):
    engine.core.debug_allowed = "no"
    assert engine.ask("DEBUG", "SLEEP", 0) == Error(
        'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a local '
        "connection, otherwise you need to set this option in the configuration file, and then restart the server.")
    engine.core.debug_allowed = "local"
    assert engine.ask("DEBUG", "SLEEP", 0) == OK        # a call in process
    stranger = engine.client()                          # without an address: not known to be local
    assert stranger.call("DEBUG", "SLEEP", 0).startswith(b"ERR DEBUG command not allowed")
    with pytest.raises(ValueError):
        engine.core.debug_allowed = "maybe"


@pytest.mark.parametrize("words", ["FOO", "SLEEP", "SLEEP 1 2", "HELP x", "POPULATE", "POPULATE 1 a 2 x", "REPLYBUFFER foo 1",
                                   "PROTOCOL", "OBJECT", "CHANGE-REPL-ID"])
def test_unknown_or_wrong_number(engine, words):
    word = words.split()[0]
    assert engine.ask("DEBUG", *words.split()) == Error(
        f"ERR unknown subcommand or wrong number of arguments for '{word}'. Try DEBUG HELP.")


def test_sleep_moves_a_frozen_clock_alone(engine):
    before = engine.now_ms
    assert engine.ask("DEBUG", "SLEEP", "1.5") == OK
    assert engine.now_ms == before + 1500
    for harmless in ("x", "-1", "nan"):
        assert engine.ask("DEBUG", "SLEEP", harmless) == OK
    assert engine.now_ms == before + 1500


def test_set_active_expire(engine):
    engine.call("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    engine.call("SET", "k", "v", "PX", 10)
    engine.advance(20)
    engine.core.cron()
    assert engine.call("DBSIZE") == 1
    engine.call("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    engine.core.cron()
    assert engine.call("DBSIZE") == 0


def test_pause_cron(engine):
    engine.call("SET", "k", "v", "PX", 10)
    engine.call("DEBUG", "PAUSE-CRON", 1)
    engine.advance(20)
    engine.core.cron()
    assert engine.core.cron_paused and engine.call("DBSIZE") == 1
    engine.call("DEBUG", "PAUSE-CRON", 0)
    engine.core.cron()
    assert engine.call("DBSIZE") == 0


def test_object(engine):
    for value, encoding in (("12", b"int"), ("x", b"embstr"), ("x" * 100, b"raw")):
        engine.call("SET", "k", value)
        engine.advance(3000)
        text = engine.ask("DEBUG", "OBJECT", "k")
        assert isinstance(text, Simple) and text.startswith(b"Value at:0x")
        assert b" refcount:1 encoding:" + encoding + b" " in text and text.endswith(b"lru_seconds_idle:3")
    assert engine.ask("DEBUG", "OBJECT", "missing") == Error("ERR no such key")


def test_sdslen(engine):
    engine.call("SET", "key", "x" * 1000)
    text = engine.call("DEBUG", "SDSLEN", "key").decode()
    lengths = dict(pair.replace(" ", "").split(":") for pair in text.split(","))
    assert (lengths["key_sds_len"], lengths["val_sds_len"]) == ("3", "1000")
    engine.call("SET", "n", "1")
    assert engine.ask("DEBUG", "SDSLEN", "n") == Error("ERR Not an sds encoded string.")


# ---------------------------------------------------------------- digests

FILL = [("SET", "s", "v"), ("SET", "n", 12), ("SET", "long", "x" * 1000), ("RPUSH", "l", "a", "b", "c"),
        ("SADD", "set", "a", "b", "1"), ("HSET", "h", "f", 1, "g", 2), ("ZADD", "z", 1, "a", 2, "b"),
        ("XADD", "x", "1-1", "f", "v")]


def has(engine, command):
    return engine.core.registry.has(command)


def digest(engine):
    return bytes(engine.call("DEBUG", "DIGEST"))


def test_digest_does_not_depend_on_order(engine):
    assert digest(engine) == b"0" * 40
    commands = [c for c in FILL if has(engine, c[0])]
    for c in commands:
        engine.call(*c)
    first = digest(engine)
    assert len(first) == 40 and first != b"0" * 40
    engine.call("FLUSHALL")
    assert digest(engine) == b"0" * 40
    for c in reversed(commands):
        engine.call(*c)
    assert digest(engine) == first


@pytest.mark.parametrize("change", [("SET", "s", "w"), ("SET", "new", "v"), ("DEL", "s"), ("EXPIRE", "s", 100), ("RPUSH", "l", "d"),
                                    ("LSET", "l", 0, "b"), ("SADD", "set", "c"), ("HSET", "h", "f", 2), ("ZADD", "z", 3, "a"),
                                    ("XADD", "x", "2-1", "f", "v")])
def test_digest_sees_every_change(engine, change):
    if not has(engine, change[0]):
        pytest.skip(f"no {change[0]} yet")
    for c in FILL:
        if has(engine, c[0]):
            engine.call(*c)
    before = digest(engine)
    engine.call(*change)
    assert digest(engine) != before


def test_digest_tells_databases_and_keys_apart(engine):
    found = set()
    for key, value, db in itertools.product("ab", "ab", (0, 1)):
        engine.call("SET", key, value, db=db)
        found.add(digest(engine))
        engine.call("FLUSHALL")
    assert len(found) == 8


def test_digest_ignores_encoding_and_expired_keys(engine):
    engine.call("SET", "k", "1")
    as_int = digest(engine)
    engine.call("SET", "k", "x")
    engine.call("SETRANGE", "k", 0, "1")
    assert engine.call("OBJECT", "ENCODING", "k") == b"raw" and digest(engine) == as_int
    engine.call("SET", "gone", "v", "PX", 5)
    engine.advance(10)
    assert digest(engine) == as_int and engine.call("DBSIZE") == 2


def test_digest_leaves_no_traces(engine):
    for c in FILL:
        if has(engine, c[0]):
            engine.call(*c)
    engine.advance(5000)
    before = engine.core.counters()
    digest(engine)
    engine.call("DEBUG", "DIGEST-VALUE", "s", "missing", "l")
    after = engine.core.counters()
    assert [after[k] for k in ("keyspace_hits", "keyspace_misses", "dirty")] == \
        [before[k] for k in ("keyspace_hits", "keyspace_misses", "dirty")]
    assert engine.call("OBJECT", "IDLETIME", "s") == 5


def test_digest_value(engine):
    engine.call("SET", "a", "v")
    engine.call("SET", "b", "v")
    engine.call("SET", "c", "w")
    a, b, c, none = engine.ask("DEBUG", "DIGEST-VALUE", "a", "b", "c", "none")
    assert a == b != c and none == Simple("0" * 40)
    assert engine.ask("DEBUG", "DIGEST-VALUE") == []


# ---------------------------------------------------------------- POPULATE, tables

def test_populate(engine):
    assert engine.ask("DEBUG", "POPULATE", 3) == OK
    assert sorted(engine.call("KEYS", "*")) == [b"key:0", b"key:1", b"key:2"] and engine.call("GET", "key:2") == b"value:2"
    engine.call("DEBUG", "POPULATE", 1, "p", 3)
    engine.call("DEBUG", "POPULATE", 1, "q", 10)
    assert engine.call("MGET", "p:0", "q:0") == [b"val", b"value:0\0\0\0"]
    engine.call("SET", "key:0", "mine")
    engine.call("DEBUG", "POPULATE", 2)
    assert engine.call("GET", "key:0") == b"mine"
    for bad in ((-1,), ("x",), (1, "p", -1), (1, "p", "x")):
        assert engine.ask("DEBUG", "POPULATE", *bad) == Error("ERR value is out of range, must be positive")
    before = engine.core.counters()["dirty"]
    engine.call("DEBUG", "POPULATE", 1000, "z")
    assert engine.core.counters()["dirty"] == before and engine.call("DBSIZE") == 1005


def test_htstats(engine):
    engine.call("DEBUG", "POPULATE", 100)
    text = engine.ask("DEBUG", "HTSTATS", 0)
    assert isinstance(text, Verbatim if engine.protocol == 3 else bytes)
    assert b"[Dictionary HT]\n" in text and b"table size: " in text and b"number of elements: 100\n" in text
    assert text.endswith(b"[Expires HT]\n")
    assert b"buckets" in engine.call("DEBUG", "HTSTATS", 0, "full")
    assert engine.call("DEBUG", "HTSTATS", 9) == b"[Dictionary HT]\n[Expires HT]\n"
    assert engine.ask("DEBUG", "HTSTATS", 99) == Error("ERR Out of range database")
    assert engine.ask("DEBUG", "HTSTATS", "x") == Error("ERR value is not an integer or out of range")
    assert engine.ask("DEBUG", "HTSTATS-KEY", "none") == Error("ERR no such key")
    assert engine.ask("DEBUG", "HTSTATS-KEY", "key:0").startswith(b"ERR The value stored at the specified key is not")


def test_htstats_of_a_key(engine):
    if not has(engine, "HSET"):
        pytest.skip("no HSET yet")
    for i in range(1000):
        engine.call("HSET", "h", i, i)
    assert b"number of elements: 1000\n" in engine.call("DEBUG", "HTSTATS-KEY", "h", "full")


def test_dict_resizing(engine):
    engine.call("DEBUG", "DICT-RESIZING", 0)
    for i in range(200):
        engine.call("SET", i, i)
    text = engine.call("DEBUG", "HTSTATS", 0)
    engine.call("DEBUG", "DICT-RESIZING", 1)
    for i in range(200):
        engine.call("SET", -i, i)
    assert engine.call("DEBUG", "HTSTATS", 0) != text


# ---------------------------------------------------------------- replies, settings, the end

def test_protocol(engine):
    three = engine.protocol == 3
    expected = {
        "string": b"Hello World", "integer": 12345, "double": Double("3.141") if three else b"3.141",
        "null": NULL if three else NULL_BULK, "array": [0, 1, 2], "set": Set([0, 1, 2]) if three else [0, 1, 2],
        "map": Map([(0, False), (1, True), (2, False)]) if three else [0, 0, 1, 1, 2, 0], "true": True if three else 1,
        "false": False if three else 0}
    for name, value in expected.items():
        assert engine.ask("DEBUG", "PROTOCOL", name) == value, name
    assert engine.wire("DEBUG", "PROTOCOL", "verbatim").endswith(b"This is a verbatim\nstring\r\n")
    assert engine.wire("DEBUG", "PROTOCOL", "bignum")[:1] == (b"(" if three else b"$")
    assert engine.wire("DEBUG", "PROTOCOL", "attrib").startswith(b"|1\r\n" if three else b"$39\r\n")
    assert (b">2\r\n" in engine.wire("DEBUG", "PROTOCOL", "push")) == three
    assert engine.ask("DEBUG", "PROTOCOL", "x").startswith(b"ERR Wrong protocol type name.")


def test_error_and_log(engine):
    assert engine.ask("DEBUG", "ERROR", "FOO bar\nbaz") == Error("FOO bar baz")
    lines = []
    engine.core.log = lambda level, text: lines.append(text)
    assert engine.ask("DEBUG", "LOG", "hello") == OK and lines == ["DEBUG LOG: hello"]


@pytest.mark.parametrize("words", ["QUICKLIST-PACKED-THRESHOLD 100b", "QUICKLIST-PACKED-THRESHOLD 0", "REPLYBUFFER peak-reset-time 100",
                                   "REPLYBUFFER PEAK-RESET-TIME never", "REPLYBUFFER resizing 0", "LEAK x",
                                   "SET-DISABLE-DENY-SCRIPTS 1", "SET-SKIP-CHECKSUM-VALIDATION 1"])
def test_switches_are_taken(engine, words):
    assert engine.ask("DEBUG", *words.split()) == OK


@pytest.mark.parametrize("words", ["QUICKLIST-PACKED-THRESHOLD x", "QUICKLIST-PACKED-THRESHOLD 4294967295",
                                   "REPLYBUFFER peak-reset-time x"])
def test_switches_are_checked(engine, words):
    assert engine.ask("DEBUG", *words.split()).code == "ERR"


def test_server_adds_subcommands(engine):
    from redispy_core.engine import ReplyError
    seen = []

    def reload(*args):
        seen.append(args)
        if args:
            raise ReplyError("ERR no")
        return b"done"
    engine.core.hooks["debug|reload"] = reload
    assert engine.ask("DEBUG", "Reload") == b"done"
    assert engine.ask("DEBUG", "RELOAD", "x") == Error("ERR no") and seen == [(), (b"x",)]
    engine.core.hooks["debug|reload"] = lambda: 1 // 0
    assert engine.ask("DEBUG", "RELOAD") == Error("ERR RELOAD failed: ZeroDivisionError: integer division or modulo by zero")


def test_help_names_what_there_is(engine):
    lines = engine.call("DEBUG", "HELP")
    words = {line.split()[0] for line in lines[1:] if not line.startswith(b" ")}
    of_the_server = {b"CHANGE-REPL-ID", b"CONFIG-REWRITE-FORCE-ALL"}
    engine.core.log = lambda level, text: None
    for word in words - of_the_server - {b"ASSERT", b"PANIC", b"SEGFAULT"}:
        tries = ([], ["0"], ["resizing", "0"])
        replies = [engine.wire("DEBUG", word, *arguments) for arguments in tries]
        assert not all(reply.startswith(b"-ERR unknown") for reply in replies), word


@pytest.mark.parametrize("word, number", [("ASSERT", signal.SIGABRT), ("PANIC", signal.SIGABRT),
                                          ("SEGFAULT", signal.SIGSEGV)])
def test_ends_of_the_process(engine, word, number):
    code = ("from redispy_core.engine import Engine; e = Engine(); e.debug_allowed = 'yes'; "
            f"e.call('DEBUG', '{word}')")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -number or "AddressSanitizer" in done.stderr
    assert word == "SEGFAULT" or "ASSERTION FAILED" in done.stderr
