"""Keyspace notifications, in process. What each command tells is compared with real servers: compat/cases/notifications.txt."""
import pytest

from support.resp import Push, Simple

CLASSES = {"K": 1, "E": 2, "g": 4, "$": 8, "l": 16, "s": 32, "h": 64, "z": 128, "x": 256, "e": 512, "t": 1024, "m": 2048,
           "d": 4096, "n": 8192}
CLASSES["A"] = sum(CLASSES[c] for c in "g$lshzxetd")


def notify(engine, letters):
    engine.set("notify_keyspace_events", sum(CLASSES[c] for c in letters))


@pytest.fixture
def listener(engine):
    client = engine.client()
    client.call("PSUBSCRIBE", "__key*")
    return client


def told(listener):
    """[(channel, payload)] of all messages that lie ready."""
    out = []
    while not listener.is_silent():
        message = listener.read()
        assert list(message[:2]) == [b"pmessage", b"__key*"]
        out.append((message[2].decode("latin-1"), message[3].decode("latin-1")))
    return out


def test_off_by_default(engine, listener):
    engine.call("SET", "k", "v")
    assert told(listener) == []


@pytest.mark.parametrize("letters, expected", [
    ("KA", [("__keyspace@0__:k", "set")]),
    ("EA", [("__keyevent@0__:set", "k")]),
    ("KE$", [("__keyspace@0__:k", "set"), ("__keyevent@0__:set", "k")]),
    ("KEl", []), ("A", []), ("KE", []),
])
def test_kinds(engine, listener, letters, expected):
    notify(engine, letters)
    engine.call("SET", "k", "v")
    assert told(listener) == expected


@pytest.mark.parametrize("letter, expected", [
    ("$", ["set", "append"]), ("l", ["lpush", "lpop"]), ("s", ["sadd", "srem"]), ("g", ["del", "del", "expire", "del"]),
    ("m", ["keymiss"]), ("n", ["new", "new", "new"]), ("x", []), ("A", ["set", "append", "lpush", "lpop", "del", "sadd", "srem",
                                                                     "del", "expire", "del"])])
def test_classes(engine, listener, letter, expected):
    notify(engine, "E" + letter)
    for request in (("SET", "k", "v"), ("APPEND", "k", "v"), ("LPUSH", "l", "a"), ("LPOP", "l"), ("SADD", "s", "a"),
                    ("SREM", "s", "a"), ("EXPIRE", "k", "100"), ("DEL", "k"), ("GET", "k")):
        engine.call(*request)
    assert [channel.split(":")[1] for channel, _ in told(listener)] == expected


def test_database_and_bytes_of_the_key(engine, listener):
    notify(engine, "KEA")
    key = bytes(range(256))
    engine.call("SET", key, "v", db=3)
    text = key.decode("latin-1")
    assert told(listener) == [("__keyspace@3__:" + text, "set"), ("__keyevent@3__:set", text)]


def test_expiry(engine, listener):
    notify(engine, "Ex")
    engine.call("SET", "k", "v", "PX", "10")
    engine.call("SET", "j", "v", "PX", "10")
    engine.advance(11)
    assert engine.call("GET", "k") is None
    assert told(listener) == [("__keyevent@0__:expired", "k")]
    engine.core.cron()
    assert told(listener) == [("__keyevent@0__:expired", "j")]


def test_one_channel_alone(engine):
    notify(engine, "KEA")
    client = engine.client()
    client.call("SUBSCRIBE", "__keyspace@0__:k")
    engine.call("SET", "j", "v")
    engine.call("SET", "k", "v")
    assert client.read()[1:] == [b"__keyspace@0__:k", b"set"]
    assert client.is_silent()


def test_long_keys_do_not_keep_their_memory(engine, listener):
    notify(engine, "KEA")
    engine.call("SET", "k" * 3_000_000, "v")
    assert len(told(listener)) == 2
    engine.call("DEL", "k" * 3_000_000)
    told(listener)
    assert engine.core.counters()["used_memory"] < engine.core.startup_memory + 600_000


def test_order_within_a_transaction(engine, listener):
    notify(engine, "EA")
    client = engine.client()
    for request in (("MULTI",), ("SET", "a", "1"), ("LPUSH", "b", "1"), ("DEL", "a"), ("EXEC",)):
        client.call(*request)
    assert told(listener) == [("__keyevent@0__:set", "a"), ("__keyevent@0__:lpush", "b"), ("__keyevent@0__:del", "a")]


def test_own_changes_come_behind_the_reply(engine):
    if engine.protocol == 2:
        pytest.skip("a RESP2 subscriber cannot change keys")
    notify(engine, "EA")
    client = engine.client()
    client.call("SUBSCRIBE", "__keyevent@0__:set")
    assert client.call("SET", "k", "v") == Simple("OK")
    assert client.read() == Push([b"message", b"__keyevent@0__:set", b"k"])
