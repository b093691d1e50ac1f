"""Client-side caching, in process: EngineClients track; what they are told lies ready in their output."""
import random

import pytest

from support.engine import make_engine
from support.resp import NULL, NULL_BULK, Error, Map, Push, Set, Simple

OK = Simple("OK")


@pytest.fixture
def core():
    """An engine whose clients speak RESP3: most of tracking is theirs."""
    return make_engine(3)


@pytest.fixture
def a(core):
    return core.client()


@pytest.fixture
def b(core):
    return core.client()


def invalid(*keys):
    return Push([b"invalidate", [key.encode() for key in keys]])


FLUSHED = Push([b"invalidate", NULL])


def told(client):
    """All messages that lie ready."""
    messages = []
    while not client.is_silent():
        messages.append(client.read())
    return messages


def track(client, *options):
    assert client.call("CLIENT", "TRACKING", "ON", *options) == OK


def turn(engine):
    """What the loop does before it sleeps: BCAST is told then."""
    engine.core.before_sleep()


# ---------------------------------------------------------------- keys that were read

def test_the_first_change_of_a_read_key_is_told(core, a, b):
    track(a)
    a.call("GET", "k")
    b.call("SET", "k", 1)
    assert told(a) == [invalid("k")]
    b.call("SET", "k", 2)
    assert told(a) == []
    assert core.core.tracking_counts() == (1, 0, 0, 0)


def test_each_reader_is_told(core, a, b):
    readers = [core.client() for _ in range(20)]
    for reader in readers:
        track(reader)
        reader.call("MGET", "k", "j")
    assert core.core.tracking_counts() == (20, 2, 40, 0)
    core.core.check_tracking()
    b.call("INCR", "k")
    assert [told(reader) for reader in readers] == [[invalid("k")]] * 20
    assert core.core.tracking_counts() == (20, 1, 20, 0)


@pytest.mark.parametrize("command, tracked", [
    ("EXISTS k", True), ("TTL k", True), ("OBJECT ENCODING k", True), ("SORT_RO k", True), ("LPOS k a", True),
    ("SINTERCARD 2 j k", True), ("XREAD STREAMS k 0", True), ("MGET i j k", True), ("TOUCH k", True),
    ("BITFIELD_RO k GET u8 0", True),
    ("GETEX k", False), ("SORT k", False), ("KEYS k", False), ("BITFIELD k GET u8 0", False), ("WATCH k", False),
    ("COMMAND GETKEYS GET k", False), ("SET k 1", False)])
def test_reading_commands_are_those_of_the_table(a, b, command, tracked):
    track(a)
    a.call(*command.split())
    b.call("SET", "k", "v")
    assert told(a) == ([invalid("k")] if tracked else [])


def test_a_read_that_failed_counts(a, b):
    track(a)
    b.call("RPUSH", "k", 1)
    assert isinstance(a.call("GET", "k"), Error)
    b.call("RPUSH", "k", 2)
    assert told(a) == [invalid("k")]


def test_databases_are_not_told_apart(a, b):
    track(a)
    a.call("GET", "k")
    b.call("SELECT", 1)
    b.call("SET", "k", 1)
    assert told(a) == [invalid("k")]


def test_own_changes_follow_the_reply(a):
    track(a)
    a.call("MSET", "x", 1, "y", 2)
    a.call("MGET", "x", "y")
    assert a.call("MSET", "y", 3, "x", 4) == OK
    assert told(a) == [invalid("y"), invalid("x")]
    a.call("GET", "x")
    assert a.call("DEL", "x") == 1
    assert told(a) == [invalid("x")]


def test_messages_of_a_transaction_follow_its_reply(a):
    track(a)
    for command in ("MULTI", "GET x", "SET x 1", "GET x", "INCR x"):
        a.call(*command.split())
    assert a.call("EXEC") == [NULL, OK, b"1", 2]
    assert told(a) == [invalid("x"), invalid("x")]


def test_noloop_keeps_own_changes_quiet(core, a, b):
    track(a, "NOLOOP")
    a.call("MGET", "x", "y")
    b.call("SET", "x", 1)
    assert told(a) == [invalid("x")]
    a.call("SET", "y", 1)
    assert told(a) == []
    assert core.core.tracking_counts()[1:] == (0, 0, 0)


def test_expiry_on_access_and_by_the_cycle(core, a, b):
    track(a)
    for _ in range(2):
        b.call("SET", "k", 1, "PX", 50)
        a.call("GET", "k")
        core.advance(100)
        b.call("GET", "k")
        assert told(a) == [invalid("k")]
    b.call("SET", "k", 1, "PX", 50)
    a.call("GET", "k")
    core.advance(100)
    core.core.cron()
    assert told(a) == [invalid("k")]


def test_an_expired_hash_field_is_a_change(core, a, b):
    track(a)
    b.call("HSET", "h", "f", 1, "g", 2)
    b.call("HPEXPIRE", "h", 50, "FIELDS", 1, "f")
    a.call("HGETALL", "h")
    core.advance(100)
    core.core.cron()
    assert told(a) == [invalid("h")]


@pytest.mark.parametrize("flush", ["FLUSHALL", "FLUSHDB", "FLUSHALL ASYNC"])
def test_flushing_tells_null_to_all_who_track(core, a, b, flush):
    c = core.client()
    track(a)
    track(c, "BCAST", "PREFIX", "p")
    a.call("GET", "k")
    b.call("SELECT", 3)
    b.call(*flush.split())
    assert told(a) == [FLUSHED] and told(c) == [FLUSHED] and told(b) == []
    assert core.core.tracking_counts() == (2, 0, 0, 1)
    assert a.call("FLUSHALL") == OK
    assert told(a) == [FLUSHED]


def test_a_blocked_reader_is_told_after_its_reply(a, b):
    track(a)
    b.call("RPUSH", "to", "x")
    a.call("LRANGE", "to", 0, -1)
    a.send_bytes(b"BLMOVE from to LEFT LEFT 0\r\n")
    b.call("RPUSH", "from", "y")
    assert a.read() == b"y"
    assert told(a) == [invalid("to")]


def test_reply_off_does_not_hold_messages_back(a, b):
    track(a)
    a.call("MGET", "k", "j")
    a.send_bytes(b"CLIENT REPLY OFF\r\n")
    b.call("SET", "k", 1)
    a.send_bytes(b"SET j 1\r\n")
    assert told(a) == [invalid("k"), invalid("j")]


# ---------------------------------------------------------------- OPTIN, OPTOUT

def changed(a, b):
    """The keys that a is told of when all of them change."""
    b.call("MSET", "k", 1, "l", 1, "m", 1)
    return [message[1][0].decode() for message in told(a)]


def test_optin_tracks_what_follows_caching_yes(a, b):
    track(a, "OPTIN")
    a.call("GET", "k")
    assert changed(a, b) == []
    for before in ([], ["CLIENT ID"]):
        for command in ["CLIENT CACHING YES", *before, "GET k", "GET l"]:
            a.call(*command.split())
        assert changed(a, b) == ["k"]
    for lost in ("PING", "NOSUCH", "GET"):
        for command in ["CLIENT CACHING YES", lost, "GET k"]:
            a.call(*command.split())
        assert changed(a, b) == []


@pytest.mark.parametrize("commands", [["CLIENT CACHING YES", "MULTI"], ["MULTI", "CLIENT CACHING YES"]])
def test_caching_counts_for_a_whole_transaction(a, b, commands):
    track(a, "OPTIN")
    for command in [*commands, "GET k", "GET l", "EXEC", "GET m"]:
        a.call(*command.split())
    assert changed(a, b) == ["k", "l"]


def test_optout_leaves_out_what_follows_caching_no(a, b):
    track(a, "OPTOUT")
    for command in ["GET m", "CLIENT CACHING NO", "GET k", "GET l"]:
        a.call(*command.split())
    assert changed(a, b) == ["l", "m"]


# ---------------------------------------------------------------- BCAST

def test_broadcast_gathers_keys_by_prefix(core, a, b):
    c = core.client()
    track(a, "BCAST", "PREFIX", "b", "PREFIX", "a")
    track(c, "BCAST")
    b.call("SET", "b2", 1)
    b.call("MSET", "a9", 1, "a1", 1, "b2", 1, "c", 1)
    b.call("DEL", "a9")
    assert told(a) == []
    turn(core)
    assert told(a) == [invalid("a1", "a9"), invalid("b2")]
    assert told(c) == [invalid("a1", "a9", "b2", "c")]
    turn(core)
    assert told(a) == told(c) == []
    assert core.core.tracking_counts() == (2, 0, 0, 3)


def test_broadcast_without_own_changes(core, a, b):
    track(a, "BCAST", "NOLOOP")
    a.call("SET", "own", 1)
    b.call("SET", "other", 1)
    b.call("SET", "both", 1)
    a.call("SET", "both", 1)
    a.call("SET", "both2", 1)
    b.call("SET", "both2", 1)
    turn(core)
    assert told(a) == [invalid("both2", "other")]
    a.call("SET", "own", 1)
    turn(core)
    assert told(a) == []


def test_broadcast_of_an_expired_own_key(core, a):
    track(a, "BCAST", "NOLOOP")
    a.call("SET", "k", 1, "PX", 10)
    turn(core)
    core.advance(50)
    assert a.call("GET", "k") == NULL
    turn(core)
    assert told(a) == [invalid("k")]


def test_prefixes_add_up_in_order(a):
    track(a, "BCAST", "PREFIX", "m")
    track(a, "BCAST", "PREFIX", "z", "PREFIX", "b")
    info = dict(a.call("CLIENT", "TRACKINGINFO"))
    assert info[b"prefixes"] == [b"b", b"m", b"z"]
    track(a, "BCAST")
    assert dict(a.call("CLIENT", "TRACKINGINFO"))[b"prefixes"] == [b"", b"b", b"m", b"z"]


@pytest.mark.parametrize("had, given, text", [
    ([], ["ab", "a"], "Prefix 'ab' overlaps with another provided prefix 'a'"),
    ([], ["a", "abc"], "Prefix 'a' overlaps with another provided prefix 'abc'"),
    ([], ["a", "a"], "Prefix 'a' overlaps with another provided prefix 'a'"),
    ([], ["x", ""], "Prefix 'x' overlaps with another provided prefix ''"),
    (["foo", "bar"], ["f"], "Prefix 'f' overlaps with an existing prefix 'foo'"),
    (["foo", "bar"], ["barb"], "Prefix 'barb' overlaps with an existing prefix 'bar'"),
    (["foo", "bar"], ["foo"], "Prefix 'foo' overlaps with an existing prefix 'foo'"),
    (["foo", "fop"], ["fo"], "Prefix 'fo' overlaps with an existing prefix 'foo'"),
    ([""], ["q"], "Prefix 'q' overlaps with an existing prefix ''")])
def test_prefixes_of_a_client_must_not_overlap(core, a, had, given, text):
    def options(prefixes):
        return [word for prefix in prefixes for word in ("PREFIX", prefix)]

    if had:
        track(a, "BCAST", *options(had))
    reply = a.call("CLIENT", "TRACKING", "ON", "BCAST", *options(given))
    assert reply == Error(f"ERR {text}. Prefixes for a single client must not overlap.")
    assert core.core.tracking_counts()[3] == len(had)


def test_many_prefixes_of_many_clients(core):
    chance = random.Random(7)
    clients = [core.client() for _ in range(12)]
    own = {}
    for client in clients:
        own[client.id] = {f"{chance.randrange(100):03d}" for _ in range(30)}
        for prefix in chance.sample(sorted(own[client.id]), len(own[client.id])):
            track(client, "BCAST", "PREFIX", prefix)
        core.core.check_tracking()
    writer = core.client()
    for key in (f"{i:03d}{'x' * (i % 9)}" for i in range(0, 100, 3)):
        writer.call("SET", key, 1)
    turn(core)
    for client in clients:
        heard = {key.decode() for message in told(client) for key in message[1]}
        assert {key[:3] for key in heard} == {p for p in own[client.id] if int(p) % 3 == 0}
    for client in chance.sample(clients, 12):
        client.close()
        core.core.check_tracking()
    assert core.core.tracking_counts() == (0, 0, 0, 0)


# ---------------------------------------------------------------- redirection

def test_redirection_to_a_resp2_subscriber(core, b):
    a, to = core.client(), core.client()
    for client in (a, to):
        client.call("HELLO", 2)
    track(a, "REDIRECT", to.id)
    a.call("GET", "k")
    b.call("SET", "k", 1)
    assert told(to) == []                       # it reads no messages
    to.call("SUBSCRIBE", "__redis__:invalidate")
    a.call("GET", "k")
    b.call("SET", "k", 1)
    assert told(to) == [[b"message", b"__redis__:invalidate", [b"k"]]]
    b.call("FLUSHALL")
    assert told(to) == [[b"message", b"__redis__:invalidate", NULL_BULK]]
    assert told(a) == []


def test_resp2_without_redirection_is_told_nothing(core, b):
    a = core.client()
    a.call("HELLO", 2)
    track(a)
    a.call("GET", "k")
    a.call("SUBSCRIBE", "__redis__:invalidate")
    b.call("SET", "k", 1)
    assert told(a) == []


def test_redirection_to_a_resp3_client(core, a, b):
    to = core.client()
    track(a, "REDIRECT", to.id)
    assert a.call("CLIENT", "GETREDIR") == to.id
    a.call("GET", "k")
    b.call("SET", "k", 1)
    assert told(to) == [invalid("k")] and told(a) == []
    track(a)
    assert a.call("CLIENT", "GETREDIR") == 0


def test_a_redirection_that_breaks(core, a, b):
    to = core.client()
    track(a, "REDIRECT", to.id)
    a.call("MGET", "k", "j")
    to.close()
    assert b"flags=t " in a.call("CLIENT", "INFO")
    b.call("SET", "k", 1)
    broken = Push([b"tracking-redir-broken", to.id])
    assert told(a) == [broken]
    b.call("FLUSHALL")
    assert told(a) == [broken]
    info = a.call("CLIENT", "INFO")
    assert b"flags=tR " in info and b"redir=%d " % to.id in info
    assert dict(a.call("CLIENT", "TRACKINGINFO"))[b"flags"] == Set([b"on", b"broken_redirect"])
    track(a)
    assert b"flags=t " in a.call("CLIENT", "INFO")


# ---------------------------------------------------------------- states and errors

def test_info_of_modes(engine):
    client = engine.client()
    expected = (Map if engine.protocol == 3 else list)
    flags = (Set if engine.protocol == 3 else list)

    def info(words, redirect=0, prefixes=()):
        rows = [(b"flags", flags(w.encode() for w in words.split())), (b"redirect", redirect),
                (b"prefixes", [p.encode() for p in prefixes])]
        return expected(rows) if engine.protocol == 3 else [part for row in rows for part in row]

    assert client.call("CLIENT", "TRACKINGINFO") == info("off", -1)
    assert client.call("CLIENT", "GETREDIR") == -1
    for options, words in [("", "on"), ("NOLOOP", "on noloop"), ("OPTIN", "on optin"),
                           ("OPTOUT NOLOOP", "on optout noloop")]:
        track(client, *options.split())
        assert client.call("CLIENT", "TRACKINGINFO") == info(words)
        client.call("CLIENT", "TRACKING", "OFF")
    track(client, "OPTIN")
    client.call("CLIENT", "CACHING", "YES")
    assert client.call("CLIENT", "TRACKINGINFO") == info("on optin caching-yes")
    client.call("CLIENT", "TRACKING", "OFF")
    track(client, "BCAST", "PREFIX", "p")
    assert client.call("CLIENT", "TRACKINGINFO") == info("on bcast", prefixes=["p"])
    assert b"flags=tB " in client.call("CLIENT", "INFO")


SWITCH = ("You can't switch {} before disabling tracking for this client, and then re-enabling it with a different "
          "mode.")


@pytest.mark.parametrize("before, command, text", [
    ("", "TRACKING FOO", "syntax error"),
    ("", "TRACKING ON FOO", "syntax error"),
    ("", "TRACKING ON REDIRECT", "syntax error"),
    ("", "TRACKING ON PREFIX", "syntax error"),
    ("", "TRACKING ON REDIRECT x", "value is not an integer or out of range"),
    ("", "TRACKING ON REDIRECT 0", "The client ID you want redirect to does not exist"),
    ("", "TRACKING OFF REDIRECT 99999", "The client ID you want redirect to does not exist"),
    ("", "TRACKING ON REDIRECT ME REDIRECT ME", "A client can only redirect to a single other client"),
    ("", "TRACKING ON PREFIX a", "PREFIX option requires BCAST mode to be enabled"),
    ("", "TRACKING ON BCAST OPTIN", "OPTIN and OPTOUT are not compatible with BCAST"),
    ("", "TRACKING ON OPTIN OPTOUT", "You can't specify both OPTIN mode and OPTOUT mode"),
    ("ON", "TRACKING ON BCAST", SWITCH.format("BCAST mode on/off")),
    ("ON BCAST", "TRACKING ON", SWITCH.format("BCAST mode on/off")),
    ("ON OPTIN", "TRACKING ON OPTOUT", SWITCH.format("OPTIN/OPTOUT mode")),
    ("", "CACHING YES", "CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT "
                        "mode enabled"),
    ("ON", "CACHING FOO", "syntax error"),
    ("ON", "CACHING YES", "CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode."),
    ("ON OPTIN", "CACHING NO", "CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")])
def test_errors(a, before, command, text):
    if before:
        a.call("CLIENT", "TRACKING", *before.split())
    words = [str(a.id) if word == "ME" else word for word in command.split()]
    assert a.call("CLIENT", *words) == Error(f"ERR {text}")


def test_who_stops_and_goes_on_hears_of_what_it_has_read(core, a, b):
    track(a)
    a.call("GET", "k")
    assert a.call("CLIENT", "TRACKING", "OFF") == OK
    assert core.core.tracking_counts() == (0, 1, 1, 0)
    track(a)
    b.call("SET", "k", 1)
    assert told(a) == [invalid("k")]
    a.call("GET", "k")
    a.call("CLIENT", "TRACKING", "OFF")
    track(a, "BCAST", "PREFIX", "z")
    b.call("SET", "k", 1)
    assert told(a) == []


@pytest.mark.parametrize("end", ["reset", "close"])
def test_reset_and_close_forget_everything(core, b, end):
    empty = core.core.tracking_counts()
    for round_ in range(3):
        clients = [core.client() for _ in range(10)]
        for i, client in enumerate(clients):
            track(client, *(["BCAST"] if i % 3 == 0 else []))
            client.call("MGET", *range(50), f"own{i}")
        assert core.core.tracking_counts()[:2] == (10, 56)
        core.core.check_tracking()
        for client in clients:
            client.call("RESET") if end == "reset" else client.close()
            core.core.check_tracking()
        if round_ == 1:
            b.call("FLUSHALL")
        core.core.cron()
        core.core.check_tracking()
        assert core.core.tracking_counts() == empty


def test_a_seat_is_not_given_to_another_while_entries_name_it(core, b):
    old, stays = core.client(), core.client()
    for client in (old, stays):
        track(client)
        client.call("GET", "k")
    old.close()
    young = core.client()
    track(young)
    b.call("SET", "k", 1)
    assert told(young) == [] and told(stays) == [invalid("k")]
    core.core.cron()
    core.core.check_tracking()


# ---------------------------------------------------------------- the table's limit

def test_the_table_keeps_its_limit(core, a):
    core.set("tracking_table_max_keys", 10)
    track(a)
    lost = set()
    for i in range(100):
        a.call("GET", f"key{i}")
        lost |= {message[1][0] for message in told(a)}
        core.core.check_tracking()
    assert core.core.tracking_counts()[1:3] == (10, 10)
    assert len(lost) == 90


def test_lowering_the_limit_tells_the_readers(core, a):
    track(a)
    a.call("MGET", *range(2500))
    core.set("tracking_table_max_keys", 500)
    core.core.cron()
    assert core.core.tracking_counts()[1] == 500
    assert len(told(a)) == 2000
    core.set("tracking_table_max_keys", 0)          # none
    a.call("MGET", *range(2500))
    assert core.core.tracking_counts()[1] == 2500


# ---------------------------------------------------------------- a model

def test_against_a_model(core):
    """Random readers and writers; each reader must be told of exactly the keys that it has read since it was told."""
    chance = random.Random(42)
    clients = [core.client() for _ in range(8)]
    known = {client.id: set() for client in clients}
    expected = {client.id: [] for client in clients}
    for client in clients:
        track(client)
    for step in range(3000):
        client, key = chance.choice(clients), f"k{chance.randrange(40)}"
        if chance.random() < 0.6:
            client.send_bytes(b"GET %s\r\n" % key.encode())
            known[client.id].add(key)
        elif chance.random() < 0.97:
            client.send_bytes(b"SET %s %d\r\n" % (key.encode(), step))
            for other, keys in known.items():
                if key in keys:
                    keys.remove(key)
                    expected[other].append(invalid(key))
        else:
            clients.remove(client)
            client.close()
            del known[client.id]
            clients.append(core.client())
            known[clients[-1].id], expected[clients[-1].id] = set(), []
            track(clients[-1])
            core.core.cron()
        if step % 100 == 0:
            core.core.check_tracking()
            for each in clients:
                assert [message for message in told(each) if isinstance(message, Push)] == expected[each.id]
                expected[each.id].clear()
    assert core.core.tracking_counts()[2] == sum(len(keys) for keys in known.values())
