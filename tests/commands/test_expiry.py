"""EXPIRE, TTL and their kin, in process: forms of time, conditions, limits, and when a key is gone."""
import pytest
from support.resp import Error

FORMS = {"EXPIRE": (1000, False), "PEXPIRE": (1, False), "EXPIREAT": (1000, True), "PEXPIREAT": (1, True)}


def when(engine, ms_from_now, command):
    """The argument by which `command` means that time."""
    unit, absolute = FORMS[command]
    return (ms_from_now + (engine.now_ms if absolute else 0)) // unit


@pytest.fixture
def key(engine):
    engine.call("SET", "k", "v")
    return "k"


@pytest.mark.parametrize("command", FORMS)
def test_forms_of_time(engine, key, command):
    assert engine.call(command, key, when(engine, 50_000, command)) == 1
    assert engine.call("PTTL", key) == 50_000 and engine.call("TTL", key) == 50
    assert engine.call("PEXPIRETIME", key) == engine.now_ms + 50_000
    assert engine.call("EXPIRETIME", key) == engine.now_ms // 1000 + 50
    assert engine.call(command, "missing", when(engine, 50_000, command)) == 0


def test_a_key_is_gone_after_its_last_millisecond(engine, key):
    engine.call("PEXPIRE", key, 100)
    engine.advance(100)
    assert engine.call("PTTL", key) == 0 and engine.call("TTL", key) == 0 and engine.call("GET", key) == b"v"
    engine.advance(1)
    assert engine.call("TTL", key) == -2 and engine.call("DBSIZE") == 0


@pytest.mark.parametrize("ms, seconds", [(1499, 1), (1500, 2), (499, 0), (500, 1), (2000, 2)])
def test_seconds_are_rounded(engine, key, ms, seconds):
    engine.call("PEXPIRE", key, ms)
    assert engine.call("TTL", key) == seconds
    assert engine.call("EXPIRETIME", key) == engine.now_ms // 1000 + seconds


def test_missing_and_endless(engine, key):
    for command in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"):
        assert engine.call(command, "missing") == -2 and engine.call(command, key) == -1


@pytest.mark.parametrize("command", FORMS)
@pytest.mark.parametrize("ms", [0, -1000, -5_000_000])
def test_the_past_deletes(engine, key, command, ms):
    assert engine.call(command, key, when(engine, ms, command)) == 1
    assert engine.call("DBSIZE") == 0 and engine.call(command, key, when(engine, ms, command)) == 0


def test_persist(engine, key):
    assert engine.call("PERSIST", key) == 0 and engine.call("PERSIST", "missing") == 0
    engine.call("PEXPIRE", key, 100)
    assert engine.call("PERSIST", key) == 1 and engine.call("PERSIST", key) == 0
    engine.advance(1000)
    assert engine.call("GET", key) == b"v"


# old and new time from now in ms (None: no expiry) -> the conditions under which it is set
CASES = [
    (None, 5000, {"", "NX", "LT"}), (5000, 9000, {"", "XX", "GT", "XX GT"}), (5000, 3000, {"", "XX", "LT", "XX LT"}),
    (5000, 5000, {"", "XX"}), (None, -5, {"", "NX", "LT"}), (5000, -5, {"", "XX", "LT", "XX LT"}),
]
CONDITIONS = ["", "NX", "XX", "GT", "LT", "XX GT", "XX LT"]


@pytest.mark.parametrize("old, new, allowed", CASES)
@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditions(engine, key, old, new, allowed, condition):
    if old is not None:
        engine.call("PEXPIRE", key, old)
    expected = condition in allowed
    assert engine.call("PEXPIRE", key, new, *condition.lower().split()) == expected
    left = -2 if expected and new < 0 else new if expected else -1 if old is None else old
    assert engine.call("PTTL", key) == left


NX = "ERR NX and XX, GT or LT options at the same time are not compatible"
GT = "ERR GT and LT options at the same time are not compatible"
NOT_INT = "ERR value is not an integer or out of range"


@pytest.mark.parametrize("argv, text", [
    ("10 NX XX", NX), ("10 NX GT", NX), ("10 LT NX", NX), ("10 GT LT", GT), ("10 XX GT LT", GT), ("x NX XX", NX),
    ("10 FOO", "ERR Unsupported option FOO"), ("x FOO", "ERR Unsupported option FOO"),
    ("10 NX XX FOO", "ERR Unsupported option FOO"), ("x", NOT_INT), ("1.5", NOT_INT), ("9223372036854775808", NOT_INT),
])
def test_refusals_in_order(engine, key, argv, text):
    for name in (key, "missing"):
        assert engine.ask("EXPIRE", name, *argv.split()) == Error(text)
    assert engine.call("TTL", key) == -1


@pytest.mark.parametrize("command, bad", [
    ("EXPIRE", "9223372036854776"), ("EXPIRE", "-9223372036854776"), ("EXPIRE", "9223370399119966"),
    ("EXPIREAT", "9223372036854776"), ("EXPIREAT", "-9223372036854776"), ("PEXPIRE", "9223372036854775807"),
])
def test_times_beyond_64_bits(engine, key, command, bad):
    text = f"ERR invalid expire time in '{command.lower()}' command"
    assert engine.ask(command, key, bad) == Error(text) and engine.ask(command, "missing", bad) == Error(text)
    assert engine.call("TTL", key) == -1


def test_the_last_representable_times(engine, key):
    assert engine.call("PEXPIREAT", key, 2**63 - 1) == 1
    assert engine.call("PEXPIRETIME", key) == 2**63 - 1 and engine.call("EXPIRETIME", key) == 9223372036854776
    assert engine.call("PEXPIREAT", key, -2**63) == 1 and engine.call("EXISTS", key) == 0


def test_expire_does_not_bring_a_key_back(engine, key):
    engine.call("PEXPIRE", key, 10)
    engine.advance(11)
    assert engine.call("EXPIRE", key, 100) == 0 and engine.call("PERSIST", key) == 0 and engine.call("EXISTS", key) == 0


def test_values_survive_every_change_of_expiry(engine):
    for value in (b"7", b"short", b"x" * 45, b"y" * 600, b"z" * 70_000):
        engine.call("SET", "k", value)
        for command in ("PEXPIRE k 1000", "PEXPIRE k 2000", "PERSIST k", "EXPIRE k 7", "PERSIST k"):
            assert engine.call(*command.split()) == 1
            assert engine.call("GET", "k") == value
    engine.core.cron()
    assert engine.call("DBSIZE") == 1
