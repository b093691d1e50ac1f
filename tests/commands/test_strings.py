"""String commands: options, conditions, expiry, counters, ranges."""
import random

import pytest
from support.resp import NULL, NULL_BULK, Error, Simple

OK = Simple("OK")
LONG = 600                       # longer than what lies beside the key


def null(engine):
    return NULL if engine.protocol == 3 else NULL_BULK


def error(text):
    return Error(text)


SYNTAX = error("ERR syntax error")
NOT_INT = error("ERR value is not an integer or out of range")
NOT_FLOAT = error("ERR value is not a valid float")
WRONGTYPE = error("WRONGTYPE Operation against a key holding the wrong kind of value")


def require(engine, *commands):
    """Leaves a test out while the commands it observes with are not bound."""
    for name in commands:
        if b"unknown command" in engine.wire(name):
            pytest.skip(f"{name} is not bound")


def encoding(engine, key):
    return engine.ask("OBJECT", "ENCODING", key).decode()


# ---------------------------------------------------------------- SET

@pytest.mark.parametrize("value", [b"", b"v", b"\x00\r\n\xff", b"12", b"-9223372036854775808", b"007", b"x" * 44, b"x" * 45,
                                   b"x" * 255, b"x" * 256, b"x" * 512, b"x" * 513, b"x" * 100_000])
def test_set_get_any_value_over_any_other(engine, value):
    for before in (None, b"1", b"abc", b"y" * 300, b"z" * 1000, value):
        if before is not None:
            assert engine.ask("SET", "k", before) == OK
        assert engine.ask("SET", "k", value) == OK
        assert engine.ask("GET", "k") == value
        assert engine.ask("STRLEN", "k") == len(value)
        engine.ask("GETDEL", "k")
    assert engine.ask("GET", "k") is null(engine)


def test_set_conditions(engine):
    assert engine.ask("SET", "k", "a", "XX") is null(engine)
    assert engine.ask("SET", "k", "a", "nx") == OK
    assert engine.ask("SET", "k", "b", "NX") is null(engine)
    assert engine.ask("GET", "k") == b"a"
    assert engine.ask("SET", "k", "b", "XX") == OK
    assert engine.ask("GET", "k") == b"b"


def test_set_if_equal(engine):
    assert engine.ask("SET", "k", "x", "IFEQ", "") is null(engine)
    engine.ask("SET", "k", "12")
    assert engine.ask("SET", "k", "13", "IFEQ", "012") is null(engine)
    assert engine.ask("SET", "k", "13", "ifeq", "12") == OK
    assert engine.ask("SET", "k", "a", "GET", "IFEQ", "14") == b"13"
    assert engine.ask("SET", "k", "a", "IFEQ", "13", "GET", "EX", "10") == b"13"
    assert engine.ask("GET", "k") == b"a"
    engine.advance(10_001)
    assert engine.ask("GET", "k") is null(engine)


def test_set_get_answers_with_the_old_value(engine):
    assert engine.ask("SET", "k", "a", "GET") is null(engine)
    assert engine.ask("SET", "k", "b", "GET", "NX") == b"a"
    assert engine.ask("GET", "k") == b"a"
    assert engine.ask("SET", "k", "b", "GET", "XX") == b"a"
    assert engine.ask("SET", "new", "b", "XX", "GET") is null(engine)
    assert engine.ask("GET", "new") is null(engine)
    engine.ask("SET", "k", "A" * LONG)
    assert engine.ask("SET", "k", "B" * LONG, "GET") == b"A" * LONG      # the old bytes are freed by the change
    assert engine.ask("GETSET", "k", "3") == b"B" * LONG
    assert engine.ask("GETSET", "k", "4") == b"3"                         # an integer is overwritten in place


@pytest.mark.parametrize("options", ["NX XX", "XX NX", "NX IFEQ v", "IFEQ v XX", "IFEQ v IFEQ v", "IFEQ", "EX", "NX EX", "FOO",
                                     "EX 10 PX 10", "EX 10 EXAT 10", "KEEPTTL EX 10", "EX 10 KEEPTTL", "PERSIST", "IFNE v",
                                     "EX 0 PX 10"])
def test_set_options_that_do_not_fit(engine, options):
    assert engine.ask("SET", "k", "v", *options.split()) == SYNTAX
    assert engine.ask("GET", "k") is null(engine)


@pytest.mark.parametrize("options", ["NX NX", "XX XX", "GET GET", "EX 10 EX 20", "KEEPTTL KEEPTTL", "PX abc PX 10"])
def test_set_options_may_be_repeated(engine, options):
    assert engine.ask("SET", "k", "v", *options.split()) != SYNTAX


SECONDS = ["0", "-1", "9223372036854775807", "9223372036854776"]
MILLISECONDS = ["0", "-1", "9223372036854775807"]


@pytest.mark.parametrize("request_, times", [
    ("SET k v EX {}", SECONDS), ("SET k v PX {}", MILLISECONDS), ("SET k v EXAT {}", SECONDS), ("SET k v NX PXAT {} GET", ["0", "-5"]),
    ("SETEX k {} v", SECONDS), ("PSETEX k {} v", MILLISECONDS), ("MSETEX 2 a v k v PX {}", MILLISECONDS),
    ("GETEX there EX {}", SECONDS), ("GETEX there PX {}", MILLISECONDS)])
def test_times_that_make_no_sense(engine, request_, times):
    engine.ask("SET", "there", "v")
    for time in times:
        reply = engine.ask(*request_.format(time).split())
        assert reply == error(f"ERR invalid expire time in '{request_.split()[0].lower()}' command")
    assert engine.ask(*request_.format("1.5").split()) == NOT_INT
    assert engine.ask("MGET", "a", "k", "there") == [null(engine), null(engine), b"v"]


@pytest.mark.parametrize("write, alive_ms", [
    (["SET", "k", "v", "EX", "100"], 100_000), (["SET", "k", "v", "PX", "1500"], 1500), (["SETEX", "k", "7", "v"], 7000),
    (["PSETEX", "k", "7", "v"], 7), (["SET", "k", "v", "EXAT", "1700000003"], 3000), (["SET", "k", "v", "PXAT", "1700000000001"], 1),
    (["MSETEX", "2", "x", "y", "k", "v", "PX", "5"], 5), (["SET", "k", "v", "PXAT", "1"], -1)])
def test_expiry_ends_after_its_last_millisecond(engine, write, alive_ms):
    engine.ask("SET", "k", "before", "EX", "5000")
    assert engine.ask(*write) in (OK, 1)
    if alive_ms >= 0:
        engine.advance(alive_ms)
        assert engine.ask("GET", "k") == b"v"
        engine.advance(1)
    assert engine.ask("GET", "k") is null(engine)


@pytest.mark.parametrize("write, keeps", [
    (["SET", "k", "2"], False), (["SET", "k", "2", "KEEPTTL"], True), (["GETSET", "k", "2"], False), (["MSET", "k", "2"], False),
    (["MSETEX", "1", "k", "2", "KEEPTTL"], True), (["MSETEX", "1", "k", "2"], False), (["INCR", "k"], True),
    (["INCRBYFLOAT", "k", "1"], True), (["APPEND", "k", "x" * LONG], True), (["SETRANGE", "k", "3", "x"], True),
    (["GETEX", "k"], True), (["GETEX", "k", "PERSIST"], False), (["SET", "k", "2", "XX", "GET"], False),
    (["SET", "k", "2", "NX"], True), (["SET", "k", "a" * LONG, "KEEPTTL"], True), (["SETNX", "k", "2"], True)])
@pytest.mark.parametrize("before", ["1", "1.5", "1" * 50, "1" * LONG])
def test_which_writes_keep_the_expiry(engine, write, keeps, before):
    engine.ask("SET", "k", before, "PX", "1000")
    engine.ask(*write)
    engine.advance(1001)
    assert (engine.ask("GET", "k") is null(engine)) == (keeps or write[0] == "INCR" and before != "1")


def test_set_replaces_any_type_and_get_options_refuse_it(engine):
    require(engine, "RPUSH", "TYPE")
    engine.ask("RPUSH", "l", "a")
    for request in ("SET l v GET", "SET l v NX GET", "SET l v IFEQ v", "SET l v XX GET EX 10", "GETSET l v", "GETDEL l", "GET l",
                    "GETEX l", "GETEX l EX 0", "GETEX l EX abc", "GETEX l PERSIST", "DELIFEQ l v", "INCR l", "INCRBYFLOAT l abc",
                    "APPEND l v", "SETRANGE l 0 v", "SETRANGE l 9223372036854775807 v", "STRLEN l", "GETRANGE l 0 1"):
        assert engine.ask(*request.split()) == WRONGTYPE, request
    assert engine.ask("SETRANGE", "l", 0, "") == WRONGTYPE
    assert engine.ask("INCRBY", "l", "abc") == NOT_INT
    assert engine.ask("SETRANGE", "l", "-1", "v") == error("ERR offset is out of range")
    assert engine.ask("SET", "l", "v", "NX") is null(engine)
    assert engine.ask("SETNX", "l", "v") == 0
    assert engine.ask("MGET", "l", "l") == [null(engine)] * 2
    assert engine.ask("TYPE", "l") == Simple("list")
    assert engine.ask("SET", "l", "v") == OK
    assert engine.ask("TYPE", "l") == Simple("string")


# ---------------------------------------------------------------- GET's relatives

def test_getdel(engine):
    assert engine.ask("GETDEL", "k") is null(engine)
    engine.ask("SET", "k", "v" * LONG, "EX", "10")
    assert engine.ask("GETDEL", "k") == b"v" * LONG
    assert engine.ask("GETDEL", "k") is null(engine)


def test_getex(engine):
    assert engine.ask("GETEX", "k", "EX", "0") is null(engine)      # the key is looked at before the time
    assert engine.ask("GETEX", "k", "FOO") == SYNTAX
    engine.ask("SET", "k", "v")
    assert engine.ask("GETEX", "k", "EX", "abc") == NOT_INT
    for bad in ("EX", "EX 10 PERSIST", "PERSIST EX 10", "EX 1 PX 1", "KEEPTTL", "NX", "GET", "IFEQ v"):
        assert engine.ask("GETEX", "k", *bad.split()) == SYNTAX, bad
    assert engine.ask("GETEX", "k", "PX", "5") == b"v"
    assert engine.ask("GETEX", "k", "PERSIST") == b"v"
    engine.advance(6)
    assert engine.ask("GETEX", "k", "EXAT", "1700000100") == b"v"
    engine.advance(100_000)
    assert engine.ask("GET", "k") is null(engine)


def test_getex_with_a_time_in_the_past_deletes(engine):
    for at in (1, engine.now_ms):
        engine.ask("SET", "k", "v" * LONG)
        assert engine.ask("GETEX", "k", "PXAT", at) == b"v" * LONG
        assert engine.ask("SETNX", "k", "w") == 1


def test_delifeq(engine):
    assert engine.ask("DELIFEQ", "k", "v") == 0
    engine.ask("SET", "k", "12")
    assert engine.ask("DELIFEQ", "k", "1") == 0
    assert engine.ask("DELIFEQ", "k", "012") == 0
    assert engine.ask("DELIFEQ", "k", "12") == 1
    assert engine.ask("GET", "k") is null(engine)


# ---------------------------------------------------------------- several keys

def test_mset_last_of_a_key_given_twice_wins(engine):
    assert engine.ask("MSET", "a", "1", "b", "x" * LONG, "a", "y") == OK
    assert engine.ask("MGET", "a", "b", "c", "a") == [b"y", b"x" * LONG, null(engine), b"y"]
    assert engine.ask("MSET", "a", "1", "b") == error("ERR wrong number of arguments for 'mset' command")
    assert engine.ask("MSETNX", "a", "1", "b") == error("ERR wrong number of arguments for 'msetnx' command")


def test_msetnx_is_all_or_nothing(engine):
    assert engine.ask("MSETNX", "a", "1", "a", "2") == 1
    assert engine.ask("MSETNX", "b", "1", "a", "3") == 0
    assert engine.ask("MGET", "a", "b") == [b"2", null(engine)]


def test_msetex(engine):
    assert engine.ask("MSETEX", "2", "a", "1", "b", "2", "XX") == 0
    assert engine.ask("MSETEX", "2", "a", "1", "b", "2", "NX", "PX", "100") == 1
    assert engine.ask("MSETEX", "2", "a", "3", "c", "4", "NX") == 0
    assert engine.ask("MSETEX", "2", "a", "3", "b", "4", "XX", "KEEPTTL") == 1
    assert engine.ask("MGET", "a", "b", "c") == [b"3", b"4", null(engine)]
    assert engine.ask("MSETEX", "2", "a", "NX", "c", "XX") == 1     # words among the pairs are no options
    engine.advance(101)
    assert engine.ask("MGET", "a", "b", "c") == [b"NX", null(engine), b"XX"]


@pytest.mark.parametrize("numkeys", ["0", "-1", "abc", "1.5", "2147483648", "9223372036854775808", ""])
def test_msetex_count_is_no_count(engine, numkeys):
    assert engine.ask("MSETEX", numkeys, "a", "1") == error("ERR invalid numkeys value or out of range")


@pytest.mark.parametrize("rest", ["2 a 1", "2147483647 a 1", "1 a 1 b", "1 a 1 NX XX", "1 a 1 EX 1 KEEPTTL", "1 a 1 EX", "1 a 1 GET",
                                  "1 a 1 IFEQ 1", "1 a 1 PERSIST"])
def test_msetex_syntax(engine, rest):
    assert engine.ask("MSETEX", *rest.split()) == SYNTAX
    assert engine.ask("GET", "a") is null(engine)


# ---------------------------------------------------------------- counters

def test_counters(engine):
    assert [engine.ask(*c.split()) for c in ("INCR n", "INCRBY n 10", "DECR n", "DECRBY n 3", "DECRBY n -5", "INCRBY n -20")] == [
        1, 11, 10, 7, 12, -8]
    assert engine.ask("GET", "n") == b"-8"
    assert engine.ask("DECR", "new") == -1


@pytest.mark.parametrize("text", ["", " 1", "1 ", "+1", "01", "-0", "1.0", "1e3", "0x10", "abc", "9223372036854775808", "1\x00"])
def test_what_counts_as_no_integer(engine, text):
    engine.ask("SET", "n", text)
    assert engine.ask("INCR", "n") == NOT_INT
    assert engine.ask("INCRBY", "m", text) == NOT_INT
    assert engine.ask("GET", "n") == text.encode()


def test_counters_refuse_overflow_and_change_nothing(engine):
    overflow = error("ERR increment or decrement would overflow")
    for text in ("9223372036854775807", "9223372036854775807 as text"):
        engine.ask("SET", "n", "9223372036854775807")
        if "text" in text:
            engine.ask("SETRANGE", "n", 0, "9")
        assert engine.ask("INCR", "n") == overflow
        assert engine.ask("GET", "n") == b"9223372036854775807"
    engine.ask("SET", "n", "-9223372036854775808")
    assert engine.ask("DECR", "n") == overflow
    assert engine.ask("DECRBY", "n", "-9223372036854775808") == error("ERR decrement would overflow")
    assert engine.ask("INCRBY", "n", "9223372036854775807") == -1


@pytest.mark.parametrize("start, by, result", [
    ("0", "0.1", "0.1"), ("10.50", "0.1", "10.6"), ("5.0e3", "2.0e2", "5200"), ("3.0", "1.25", "4.25"),
    ("1", "-1.1", "-0.1"), ("17179869184", "1.5", "17179869185.5"), ("0x10", "1", "17"), ("0", "1e17", "100000000000000000"),
    ("0", "-0", "0"), ("1.5", "1.5", "3")])
def test_incrbyfloat(engine, start, by, result):
    engine.ask("SET", "f", start)
    assert engine.ask("INCRBYFLOAT", "f", by) == result.encode()
    assert engine.ask("GET", "f") == result.encode()


def test_incrbyfloat_refuses(engine):
    for text in ("abc", "", " 1", "1 ", "nan", "1e5000", "1\x002"):
        assert engine.ask("INCRBYFLOAT", "f", text) == NOT_FLOAT, text
        engine.ask("SET", "f", text)
        assert engine.ask("INCRBYFLOAT", "f", "1") == NOT_FLOAT, text
        engine.ask("GETDEL", "f")
    too_much = error("ERR increment would produce NaN or Infinity")
    assert engine.ask("INCRBYFLOAT", "f", "inf") == too_much
    assert len(engine.ask("INCRBYFLOAT", "f", "1e4932")) == 4933       # longer than what lies beside the key
    assert engine.ask("INCRBYFLOAT", "f", "1e4932") == too_much
    assert len(engine.ask("GET", "f")) == 4933


# ---------------------------------------------------------------- encodings

def test_encodings(engine):
    require(engine, "OBJECT")
    for write, expected in (("SET k 12", "int"), ("SET k abc", "embstr"), (f"SET k {'x' * 44}", "embstr"), (f"SET k {'x' * 45}", "raw"),
                            ("SET k 007", "embstr"), ("SET k 9223372036854775808", "embstr"), ("APPEND k 1", "raw"),
                            ("GETSET k 5", "int"), ("SETRANGE k 0 6", "raw"), ("INCR k", "int"), ("INCRBYFLOAT k 1", "embstr"),
                            ("DECR k", "int"), ("APPEND new 12", "int"), ("MSET k 5", "int"), ("SETEX k 10 5", "int")):
        engine.ask(*write.split())
        assert encoding(engine, write.split()[1]) == expected, write
    engine.ask("SETRANGE", "range", 0, "12")
    assert encoding(engine, "range") == "raw"
    engine.ask("SET", "k", "12")
    engine.ask("SETRANGE", "k", 0, "")
    assert encoding(engine, "k") == "int"
    engine.ask("APPEND", "k", "")
    assert encoding(engine, "k") == "raw"


# ---------------------------------------------------------------- parts

@pytest.mark.parametrize("start, end, expected", [
    (0, 3, b"This"), (-3, -1, b"ing"), (0, -1, b"This is a string"), (10, 100, b"string"), (5, 3, b""), (-1, -5, b""),
    (16, 16, b""), (100, 200, b""), (-100, 3, b"This"), (0, -17, b""), (-100, -99, b""), (-100, -101, b""), (1, -100, b""),
    (-2**63, 2**63 - 1, b"This is a string"), (2**63 - 1, 2**63 - 1, b""), (-2**63, -2**63, b"")])
def test_getrange(engine, start, end, expected):
    engine.ask("SET", "k", "This is a string")
    assert engine.ask("GETRANGE", "k", start, end) == expected
    assert engine.ask("SUBSTR", "k", start, end) == expected
    assert engine.ask("GETRANGE", "missing", start, end) == b""


def test_getrange_of_an_integer_and_of_nothing(engine):
    engine.ask("SET", "k", "-1234")
    assert engine.ask("GETRANGE", "k", 1, -2) == b"123"
    engine.ask("SET", "k", "")
    assert engine.ask("GETRANGE", "k", 0, 0) == b""
    assert engine.ask("GETRANGE", "missing", "a", 1) == NOT_INT


def test_values_do_not_grow_beyond_the_limit(engine):
    too_long = error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
    engine.set("proto_max_bulk_len", 1 << 20)
    assert engine.ask("SETRANGE", "k", (1 << 20) - 1, "x") == 1 << 20
    assert engine.ask("SETRANGE", "k", 1 << 20, "x") == too_long
    assert engine.ask("SETRANGE", "k", 2**63 - 1, "x") == too_long
    assert engine.ask("SETRANGE", "k", 2**63 - 1, "") == 1 << 20
    assert engine.ask("APPEND", "k", "x") == too_long
    assert engine.ask("APPEND", "k", "") == 1 << 20
    assert engine.ask("SETRANGE", "missing", 1 << 20, "x") == too_long
    assert engine.ask("GET", "missing") is null(engine)


def test_setrange_of_nothing_makes_no_key(engine):
    assert engine.ask("SETRANGE", "k", 5, "") == 0
    assert engine.ask("GET", "k") is null(engine)
    assert engine.ask("APPEND", "k", "") == 0
    assert engine.ask("GET", "k") == b""


class Model:
    """What the commands do, on a dict."""

    def __init__(self):
        self.data = {}

    def append(self, key, text):
        self.data[key] = self.data.get(key, b"") + text
        return len(self.data[key])

    def setrange(self, key, at, text):
        old = self.data.get(key, b"")
        if text:
            old = old.ljust(at, b"\0")
            self.data[key] = old = old[:at] + text + old[at + len(text):]
        return len(old)

    def set(self, key, text):
        self.data[key] = text
        return OK

    def getdel(self, key):
        return self.data.pop(key, None)

    def incrby(self, key, by):
        try:
            old = self.data.get(key, b"0")
            if str(int(old)).encode() != old or abs(int(old)) > 2**62:
                raise ValueError
        except ValueError:
            return NOT_INT
        self.data[key] = str(int(old) + by).encode()
        return int(old) + by


def test_random_edits_agree_with_a_model(engine):
    chance = random.Random(7)
    model = Model()
    sizes = [0, 1, 5, 19, 44, 45, 200, 256, 512, 513, 3000]
    for _ in range(3000):
        key = chance.choice("abc")
        kind = chance.choice(["append", "setrange", "set", "getdel", "incrby"])
        text = bytes(chance.choices(b"0123456789ab", k=chance.choice(sizes)))
        args = {"append": (text,), "setrange": (chance.choice(sizes), text), "set": (chance.choice([text, b"12", b"-7"]),),
                "getdel": (), "incrby": (chance.randint(-9, 9),)}[kind]
        before = model.data.get(key)
        expected = getattr(model, kind)(key, *args)
        if kind == "incrby" and before is not None and expected == NOT_INT and len(before) > 18:
            model.data[key] = before
            continue
        assert engine.ask(kind, key, *args) == (null(engine) if expected is None else expected)
        value = engine.ask("GET", key)
        assert value == (model.data[key] if key in model.data else null(engine))
        assert engine.ask("STRLEN", key) == len(model.data.get(key, b""))
