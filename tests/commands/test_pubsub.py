"""Publish and subscribe, in process: EngineClients are subscribers, pushes lie ready in their output."""
import random
import re

import pytest

from support.resp import NULL, NULL_BULK, Error, Push, Simple

OK = Simple("OK")


@pytest.fixture
def a(engine):
    return engine.client()


@pytest.fixture
def b(engine):
    return engine.client()


@pytest.fixture
def msg(engine):
    """msg(...): what a subscriber reads."""
    return lambda *parts: (Push if engine.protocol == 3 else list)(p.encode() if isinstance(p, str) else p for p in parts)


@pytest.fixture
def nothing(engine):
    return NULL if engine.protocol == 3 else NULL_BULK


def subscribe(client, *argv):
    """Sends the command and reads one confirmation an argument; the counts that they tell."""
    first = client.call(*argv)
    return [first[2]] + [client.read()[2] for _ in argv[2:]]


# ---------------------------------------------------------------- channels

def test_messages_reach_all_subscribers(a, b, engine, msg):
    publisher = engine.client()
    assert subscribe(a, "SUBSCRIBE", "x", "y", "x") == [1, 2, 2]
    assert a.is_silent()
    assert subscribe(b, "SUBSCRIBE", "x") == [1]
    assert publisher.call("PUBLISH", "x", "hello") == 2
    assert publisher.call("PUBLISH", "y", b"\x00\r\n\xff") == 1
    assert publisher.call("PUBLISH", "z", "nobody") == 0
    assert [a.read(), a.read()] == [msg("message", "x", "hello"), msg("message", "y", b"\x00\r\n\xff")]
    assert b.read() == msg("message", "x", "hello")
    assert a.is_silent() and b.is_silent()


def test_confirmations(a, msg, nothing):
    assert a.call("UNSUBSCRIBE") == msg("unsubscribe", nothing, 0)
    assert a.call("PUNSUBSCRIBE") == msg("punsubscribe", nothing, 0)
    assert a.call("SUNSUBSCRIBE") == msg("sunsubscribe", nothing, 0)
    assert a.call("SUBSCRIBE", "c") == msg("subscribe", "c", 1)
    assert a.call("PSUBSCRIBE", "c*") == msg("psubscribe", "c*", 2)
    assert a.call("SSUBSCRIBE", "c") == msg("ssubscribe", "c", 1)
    assert a.call("UNSUBSCRIBE", "other") == msg("unsubscribe", "other", 2)
    assert a.call("SUNSUBSCRIBE", "other") == msg("sunsubscribe", "other", 1)
    assert a.call("UNSUBSCRIBE") == msg("unsubscribe", "c", 1)
    assert a.call("UNSUBSCRIBE") == msg("unsubscribe", nothing, 1)
    assert a.call("PUNSUBSCRIBE", "c*", "c*") == msg("punsubscribe", "c*", 0)
    assert a.read() == msg("punsubscribe", "c*", 0)
    assert a.call("SUNSUBSCRIBE") == msg("sunsubscribe", "c", 0)
    assert a.call("PING") == Simple("PONG")


def test_leaving_everything(engine, a, b):
    names = [f"c{i}" for i in range(100)]
    subscribe(a, "SUBSCRIBE", *names)
    left = [a.call("UNSUBSCRIBE")] + [a.read() for _ in names[1:]]
    assert sorted(reply[1] for reply in left) == sorted(name.encode() for name in names)
    assert [reply[2] for reply in left] == list(range(99, -1, -1))
    assert b.call("PUBLISH", "c5", "x") == 0
    assert engine.core.topic_counts() == (0, 0, 0)


def test_shard_channels_are_apart(a, b, msg):
    subscribe(a, "SSUBSCRIBE", "c")
    assert b.call("PUBLISH", "c", "1") == 0
    assert b.call("SPUBLISH", "c", "2") == 1
    assert a.read() == msg("smessage", "c", "2")
    subscribe(a, "SUBSCRIBE", "c")
    subscribe(a, "PSUBSCRIBE", "*")
    assert b.call("SPUBLISH", "c", "3") == 1
    assert a.read() == msg("smessage", "c", "3")


# ---------------------------------------------------------------- patterns

PATTERNS = ["*", "c*", "cat", "cat.*", "ca?", "[a-d]at", "c\\*t", "long.prefix.of.a.channel.*", "long.prefix.of.a.channel",
            "", "\x00*", "*.end", "catcatcat"]
CHANNELS = ["cat", "cut", "cat.1", "c*t", "dat", "", "long.prefix.of.a.channel.1", "long.prefix.of.a.channel", "\x00", "x.end",
            "catcatcat", "c", "long.prefix.of.a.channe"]


def glob_fits(pattern, channel):
    """The patterns above as regular expressions."""
    out, i = "", 0
    while i < len(pattern):
        c = pattern[i]
        if c == "\\":
            i += 1
            out += re.escape(pattern[i])
        elif c == "[":
            end = pattern.index("]", i)
            out += pattern[i:end + 1]
            i = end
        else:
            out += {"*": ".*", "?": "."}.get(c, re.escape(c))
        i += 1
    return re.fullmatch(out, channel, re.S) is not None


def test_patterns(a, b, msg):
    assert subscribe(a, "PSUBSCRIBE", *PATTERNS) == list(range(1, len(PATTERNS) + 1))
    for channel in CHANNELS:
        fitting = [p for p in PATTERNS if glob_fits(p, channel)]
        assert b.call("PUBLISH", channel, "m") == len(fitting)
        got = [a.read() for _ in fitting]
        assert sorted(got) == sorted(msg("pmessage", p, channel, "m") for p in fitting)
    assert a.is_silent()


def test_channel_and_pattern_of_one_client(a, b, msg):
    subscribe(a, "PSUBSCRIBE", "c*")
    subscribe(a, "SUBSCRIBE", "cat")
    assert b.call("PUBLISH", "cat", "m") == 2
    assert [a.read(), a.read()] == [msg("message", "cat", "m"), msg("pmessage", "c*", "cat", "m")]


# ---------------------------------------------------------------- subscribed clients

def test_resp2_subscribers_are_restricted(engine, a, msg):
    subscribe(a, "SUBSCRIBE", "c")
    if engine.protocol == 3:
        assert a.call("GET", "k") == NULL
        assert a.call("PING") == Simple("PONG")
        return
    refused = "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
    assert a.call("GET", "k") == Error(refused % "get")
    assert a.call("CLIENT", "INFO") == Error(refused % "client|info")
    assert a.call("PING") == [b"pong", b""]
    assert a.call("PING", "x") == [b"pong", b"x"]
    assert subscribe(a, "PSUBSCRIBE", "*") == [2]
    assert a.call("RESET") == Simple("RESET")
    assert a.call("PING") == Simple("PONG")
    subscribe(a, "SSUBSCRIBE", "c")
    assert a.call("GET", "k") == Error(refused % "get")
    assert a.call("SUNSUBSCRIBE") == msg("sunsubscribe", "c", 0)
    assert a.call("GET", "k") == NULL_BULK
    subscribe(a, "SUBSCRIBE", "c")
    assert a.call("QUIT") == OK


def test_restriction_follows_the_protocol(engine):
    client = engine.client()
    if engine.protocol == 2:
        client.call("HELLO", "3")
    client.call("SUBSCRIBE", "c")
    client.call("HELLO", "2")
    assert client.call("GET", "k").code == "ERR"


def test_reset_and_close_leave_quietly(engine, a, b):
    for client in (a, b):
        subscribe(client, "SUBSCRIBE", "c", "d")
        subscribe(client, "PSUBSCRIBE", "c*")
        subscribe(client, "SSUBSCRIBE", "c")
    assert engine.core.topic_counts() == (2, 1, 1)
    assert a.call("RESET") == Simple("RESET")
    assert a.is_silent()
    b.close()
    assert engine.core.topic_counts() == (0, 0, 0)
    assert engine.call("PUBLISH", "c", "x") == 0


def test_client_list_shows_subscriptions(engine, a):
    watcher = engine.client()
    subscribe(a, "SUBSCRIBE", "c", "d", "e")
    subscribe(a, "PSUBSCRIBE", "c*", "d*")
    subscribe(a, "SSUBSCRIBE", "c")
    line = watcher.call("CLIENT", "LIST", "ID", str(a.id))
    assert b" flags=P " in line and b" sub=3 psub=2 ssub=1 " in line
    assert watcher.call("CLIENT", "LIST", "TYPE", "pubsub").count(b"\n") == 1


def test_pubsub_command(a, b):
    subscribe(a, "SUBSCRIBE", "cat", "dog")
    subscribe(a, "PSUBSCRIBE", "c*", "d*")
    subscribe(b, "PSUBSCRIBE", "c*")
    subscribe(a, "SSUBSCRIBE", "fish")
    b.call("RESET")
    assert sorted(b.call("PUBSUB", "CHANNELS")) == [b"cat", b"dog"]
    assert b.call("PUBSUB", "CHANNELS", "c*") == [b"cat"]
    assert b.call("PUBSUB", "NUMSUB") == []
    assert b.call("PUBSUB", "NUMSUB", "cat", "x") == [b"cat", 1, b"x", 0]
    assert b.call("PUBSUB", "NUMPAT") == 2
    assert b.call("PUBSUB", "SHARDCHANNELS") == [b"fish"]
    assert b.call("PUBSUB", "SHARDNUMSUB", "fish", "cat") == [b"fish", 1, b"cat", 0]
    assert b.call("PUBSUB", "CHANNELS", "a", "b").code == "ERR"


# ---------------------------------------------------------------- messages to oneself

def test_message_to_oneself_comes_behind_the_reply(engine, msg):
    if engine.protocol == 2:
        pytest.skip("a RESP2 subscriber cannot publish")
    a = engine.client()
    subscribe(a, "SUBSCRIBE", "c")
    assert a.call("PUBLISH", "c", "m") == 1
    assert a.read() == msg("message", "c", "m")
    a.call("MULTI")
    for request in (("PING", "x"), ("PUBLISH", "c", "1"), ("PUBLISH", "c", "2"), ("PING", "y")):
        a.call(*request)
    assert a.call("EXEC") == [b"x", 1, 1, b"y"]
    assert [a.read(), a.read()] == [msg("message", "c", "1"), msg("message", "c", "2")]


def test_subscribing_within_a_transaction(engine, a, msg):
    a.call("MULTI")
    a.call("SUBSCRIBE", "c")
    a.call("PUBLISH", "c", "m")
    assert a.call("EXEC") == [msg("subscribe", "c", 1), 1]
    assert a.read() == msg("message", "c", "m")


@pytest.mark.parametrize("mode", ["OFF", "SKIP"])
def test_silenced_replies_do_not_silence_messages(engine, a, b, msg, mode):
    a.send_bytes(b"CLIENT REPLY %s\r\nSUBSCRIBE c\r\n" % mode.encode())
    assert a.read() == msg("subscribe", "c", 1)
    assert b.call("PUBLISH", "c", "m") == 1
    assert a.read() == msg("message", "c", "m")
    if mode == "OFF":
        a.send_bytes(b"UNSUBSCRIBE\r\nUNSUBSCRIBE\r\nSET k v\r\n")
        assert a.read()[2] == 0 and a.read()[2] == 0
        assert a.is_silent()


# ---------------------------------------------------------------- many

def test_many_subscribers_of_one_channel(engine, msg):
    clients = [engine.client() for _ in range(2000)]
    for client in clients:
        subscribe(client, "SUBSCRIBE", "c")
    before = engine.core.counters()["used_memory"]
    publisher = engine.client()
    assert publisher.call("PUBLISH", "c", "m" * 100) == 2000
    assert engine.core.counters()["used_memory"] - before < 2000 * 600
    assert all(client.read() == msg("message", "c", "m" * 100) for client in clients)
    for client in clients[::2]:
        client.close()
    assert publisher.call("PUBLISH", "c", "x") == 1000


def test_output_limit_closes_slow_subscribers(engine, a, b):
    engine.core.set_output_limit(2, 200_000, 0, 0)
    subscribe(a, "SUBSCRIBE", "c")
    subscribe(b, "SUBSCRIBE", "c")
    for _ in range(400):
        engine.call("PUBLISH", "c", "x" * 1000)
        b.is_silent()
        b.reader.buffer = b""
    engine.core.attend()
    assert engine.call("PUBLISH", "c", "x") == 1
    assert engine.core.counters()["client_output_buffer_limit_disconnections"] == 1


def test_output_limit_over_time(engine, a):
    engine.core.set_output_limit(2, 0, 50_000, 2)
    subscribe(a, "SUBSCRIBE", "c")
    for _ in range(100):
        engine.call("PUBLISH", "c", "x" * 1000)
    engine.core.before_sleep()
    engine.advance(1500)
    engine.core.cron()
    engine.core.attend()
    assert engine.call("PUBSUB", "NUMSUB", "c") == [b"c", 1]
    engine.advance(1000)
    engine.core.cron()
    engine.core.attend()
    assert engine.call("PUBSUB", "NUMSUB", "c") == [b"c", 0]


def test_random_steps_against_a_model(engine, msg):
    """Clients come, go, subscribe and leave at random; a model knows who gets what."""
    rng = random.Random(7)
    publisher = engine.client()
    people = {}
    kinds = {"": "SUBSCRIBE", "P": "PSUBSCRIBE", "S": "SSUBSCRIBE"}
    for step in range(1500):
        action = rng.random()
        if action < 0.05 or not people:
            people[engine.client()] = {kind: set() for kind in kinds}
        client = rng.choice(list(people))
        kind, name = rng.choice(list(kinds)), rng.choice(["a", "b", "c*", "*", "ab", "c*d"])
        mine = people[client]
        if action < 0.07:
            client.close()
            del people[client]
        elif action < 0.45:
            mine[kind].add(name)
            client.call(kinds[kind], name)
        elif action < 0.65:
            mine[kind].discard(name)
            client.call(kinds[kind].replace("SUB", "UNSUB", 1) if kind != "S" else "SUNSUBSCRIBE", name)
        elif action < 0.68:
            for name in list(mine[""]) or [None]:
                client.read() if name != next(iter(mine[""]), None) else client.call("UNSUBSCRIBE")
            mine[""] = set()
        else:
            channel, shard = rng.choice(["a", "ab", "c1d", "x"]), rng.random() < 0.3
            expected = {c: [msg("smessage" if shard else "message", channel, str(step))] if channel in subs["S" if shard else ""]
                        else [] for c, subs in people.items()}
            for c, subs in people.items():
                for pattern in sorted(subs["P"]) if not shard else ():
                    if glob_fits(pattern, channel):
                        expected[c].append(msg("pmessage", pattern, channel, str(step)))
            assert publisher.call("SPUBLISH" if shard else "PUBLISH", channel, str(step)) == sum(map(len, expected.values()))
            for c, messages in expected.items():
                assert sorted(c.read() for _ in messages) == sorted(messages)
                assert c.is_silent()
        assert engine.core.topic_counts() == tuple(len(set().union(*(s[k] for s in people.values()))) for k in ("", "P", "S"))
