"""ACL: rules and their canonical form, what is refused where, the log, users that change under their clients."""
import hashlib
import random

import pytest

from support.resp import NULL, NULL_BULK, Closed, Error, Map, Simple

OK, QUEUED = Simple("OK"), Simple("QUEUED")
NO_KEY = Error("NOPERM No permissions to access a key")
NO_CHANNEL = Error("NOPERM No permissions to access a channel")
WRONGPASS = Error("WRONGPASS invalid username-password pair or user is disabled.")
NOAUTH = Error("NOAUTH Authentication required.")
SYNTAX = "Syntax error"
UNKNOWN = "Unknown command or category name in ACL"
REASON = "ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer " \
         "allowed for the following reason: "


def no_command(user, command):
    return Error(f"NOPERM User {user} has no permissions to run the '{command}' command")


def is_null(reply):
    return reply in (NULL, NULL_BULK)


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def fields(reply):
    """A map's pairs as a dict with str keys, in either protocol."""
    pairs = reply if isinstance(reply, Map) else list(zip(reply[::2], reply[1::2]))
    return {name.decode(): value for name, value in pairs}


def user_of(engine, name):
    return fields(engine.ask("ACL", "GETUSER", name))


def setuser(engine, name, *rules):
    assert engine.ask("ACL", "SETUSER", name, *rules) == OK


def dry(engine, user, *request):
    reply = engine.ask("ACL", "DRYRUN", user, *request)
    return True if reply == OK else reply


def log(engine, *count):
    return [fields(entry) for entry in engine.ask("ACL", "LOG", *count)]


@pytest.fixture
def login(engine):
    """login(name, *rules): a client of a user made so, which needs no password."""
    def connect(name, *rules):
        setuser(engine, name, "reset", "on", "nopass", *rules)
        client = engine.client()
        assert client.call("AUTH", name, "any") == OK
        return client
    return connect


# ---------------------------------------------------------------- rules

def test_default_user(engine):
    assert engine.ask("ACL", "LIST") == [b"user default on nopass sanitize-payload ~* &* +@all"]
    assert engine.ask("ACL", "USERS") == [b"default"]
    assert engine.ask("ACL", "WHOAMI") == b"default"
    assert is_null(engine.ask("ACL", "GETUSER", "nosuch"))


def test_new_user_may_do_nothing(engine):
    setuser(engine, "u")
    assert engine.ask("ACL", "LIST")[1] == b"user u off sanitize-payload resetchannels -@all"
    setuser(engine, "u", "on", ">x", "~a", "&b", "+get", "(~c)", "skip-sanitize-payload", "reset")
    assert engine.ask("ACL", "LIST")[1] == b"user u off sanitize-payload resetchannels -@all"


def test_getuser(engine):
    setuser(engine, "u", "on", ">p", "+get", "%R~a", "&c", "(+set ~b)")
    reply = user_of(engine, "u")
    assert list(reply["flags"]) == [b"on", b"sanitize-payload"]
    assert reply["passwords"] == [sha("p").encode()]
    assert (reply["commands"], reply["keys"], reply["channels"]) == (b"-@all +get", b"%R~a", b"&c")
    assert [fields(s) for s in reply["selectors"]] == [{"commands": b"-@all +set", "keys": b"~b", "channels": b""}]


@pytest.mark.parametrize("rules, keys", [
    ("~a %R~b %W~c %RW~d %wr~e", "~a %R~b %W~c ~d ~e"), ("%R~a %W~a", "~a"), ("~a ~a", "~a"), ("~a allkeys", "~*"),
    ("~x %R~*", "~x %R~*"), ("%RW~*", "~*"), ("allkeys resetkeys ~b", "~b"), ("~", "~"), ("%R", "%R~"),
])
def test_key_patterns(engine, rules, keys):
    setuser(engine, "u", *rules.split())
    assert user_of(engine, "u")["keys"] == keys.encode()


@pytest.mark.parametrize("rules, channels", [
    ("&a &b &a", "&a &b"), ("&a allchannels", "&*"), ("&*", "&*"), ("allchannels resetchannels &c", "&c"), ("&", "&"),
])
def test_channel_patterns(engine, rules, channels):
    setuser(engine, "u", *rules.split())
    assert user_of(engine, "u")["channels"] == channels.encode()


@pytest.mark.parametrize("rules, commands", [
    ("+@all -@hash -@slow +hget", "+@all -@hash -@slow +hget"), ("+@all -@hash -@slow +hget -@hash", "+@all -@slow +hget -@hash"),
    ("+@all -@hash +@hash", "+@all +@hash"), ("+get -@all", "-@all"), ("-@string +@all", "+@all"), ("allcommands", "+@all"),
    ("+@HASH +@hash", "-@all +@hash"), ("+HGET +hGeT", "-@all +hget"), ("+hget -hset +hset -hget", "-@all +hset -hget"),
    ("+client|list +memory|usage +memory +acl|list -acl", "-@all +client|list +memory -acl"),
    ("+select|0 +select|0 +debug|segfault +debug", "-@all +select|0 +debug"), ("-@dangerous", "-@all -@dangerous"),
    ("+memory +memory|usage -memory|stats +memory", "-@all +memory"), ("+select +select|0", "-@all +select +select|0"),
    ("+get|X +get|x", "-@all +get|x"), ("+get -get", "-@all -get"), ("nocommands +ping allcommands", "+@all"),
])
def test_command_rules(engine, rules, commands):
    setuser(engine, "u", *rules.split())
    assert user_of(engine, "u")["commands"] == commands.encode()


@pytest.mark.parametrize("sign", ["+", "-"])
def test_each_category_is_kept_as_given(engine, sign):
    for category in engine.ask("ACL", "CAT"):
        setuser(engine, "u", "reset", ("-" if sign == "+" else "+") + "@all", sign + "@" + category.decode())
        assert user_of(engine, "u")["commands"].endswith(b" " + sign.encode() + b"@" + category)


@pytest.mark.parametrize("rule, reason", [
    ("foo", SYNTAX), ("~a b", SYNTAX), ("&a b", SYNTAX), ("%X~a", SYNTAX), ("%RR~a", SYNTAX), ("%~a", SYNTAX), ("%", SYNTAX),
    (")", SYNTAX), (" ()", SYNTAX), ("(on)", SYNTAX), ("(>a)", SYNTAX), ("(reset)", SYNTAX), ("((+get))", SYNTAX),
    ("+get|", SYNTAX), ("+memory|", SYNTAX), ("+get|a b", SYNTAX), ("+nosuch", UNKNOWN), ("-nosuch", UNKNOWN), ("+", UNKNOWN),
    ("+@", UNKNOWN), ("+@nosuch", UNKNOWN), ("+memory|nosuch", UNKNOWN), ("-memory|nosuch", UNKNOWN), ("-select|0", UNKNOWN),
    ("+get|a|b", UNKNOWN), ("+|get", UNKNOWN), ("+@read|x", UNKNOWN), ("(+nosuch)", UNKNOWN),
    ("+memory|usage|x", "Allowing first-arg of a subcommand is not supported"),
    ("<nopw", "The password you are trying to remove from the user does not exist"),
    ("!" + sha("x"), "The password you are trying to remove from the user does not exist"),
    ("#abc", "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"),
    ("#" + sha("x").upper(), "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"),
])
def test_wrong_rules_change_nothing(engine, rule, reason):
    setuser(engine, "u", "+get")
    before = engine.wire("ACL", "LIST")
    error = Error(f"ERR Error in ACL SETUSER modifier '{rule}': {reason}")
    assert engine.ask("ACL", "SETUSER", "u", "on", "~k", rule, "+set") == error
    assert engine.ask("ACL", "SETUSER", "other", rule) == error
    assert engine.wire("ACL", "LIST") == before


def test_patterns_after_all_are_refused(engine):
    setuser(engine, "u", "allkeys", "allchannels")
    for rule, kind, hint in (("~a", "allkeys", "resetkeys' to start with an empty list of patterns"),
                             ("&a", "allchannels", "resetchannels' to start with an empty list of channels")):
        assert engine.ask("ACL", "SETUSER", "u", rule) == Error(
            f"ERR Error in ACL SETUSER modifier '{rule}': Adding a pattern after the * pattern (or the '{kind}' flag) is not "
            f"valid and does not have any effect. Try '{hint}")


@pytest.mark.parametrize("words, keys", [
    (["(~a +get )", "( ~b +get )", "(~c"], None), (["(~a", "+get", ")", "(", "~b", ")"], [b"~a", b"~b"]), (["()"], [b""]),
    (["(  ~a   +get  )"], [b"~a"]), (["(~a)", "clearselectors", "(~b)"], [b"~b"]),
])
def test_selectors(engine, words, keys):
    reply = engine.ask("ACL", "SETUSER", "u", *words)
    if keys is None:
        assert reply == Error("ERR Unmatched parenthesis in acl selector starting at '(~c'.")
        assert is_null(engine.ask("ACL", "GETUSER", "u"))
    else:
        assert [fields(s)["keys"] for s in user_of(engine, "u")["selectors"]] == keys


def test_names(engine):
    for name in ("a b", "a\0b", "a\tb"):
        assert engine.ask("ACL", "SETUSER", name) == Error("ERR Usernames can't contain spaces or null characters")
    setuser(engine, b"\xff")
    setuser(engine, "")
    assert engine.ask("ACL", "USERS") == [b"", b"default", b"\xff"]
    assert engine.ask("ACL", "DELUSER", b"\xff", "", "nosuch") == 2


def test_lines_make_the_same_users_again(engine):
    """Random rules: what ACL LIST says, applied to a new user, gives the same line and the same verdicts."""
    rng = random.Random(5)
    rules = ["on", "off", "nopass", "resetpass", ">a", ">b", "<a", "~a*", "%R~b?", "%W~b?", "allkeys", "resetkeys", "&x", "&y*",
             "allchannels", "resetchannels", "+@all", "-@all", "+get", "-get", "+@read", "-@write", "+memory", "-memory|usage",
             "+memory|stats", "+select|0", "+select|1", "-select", "clearselectors", "skip-sanitize-payload", "sanitize-payload",
             "(+@read ~r)", "(+set %W~b1 &z)", "(allkeys -@all +get)", "+@hash", "-@fast"]
    requests = [("get", "a1"), ("set", "b1", "x"), ("set", "b1", "x", "get"), ("memory", "stats"), ("memory", "usage", "r"),
                ("select", "0"), ("select", "2"), ("publish", "y1", "m"), ("hget", "r", "f"), ("mget", "a1", "r")]
    for _ in range(150):
        for rule in rng.choices(rules, k=rng.randrange(1, 12)):
            engine.ask("ACL", "SETUSER", "u", rule)                 # some are refused: that is fine
        line = engine.ask("ACL", "LIST")[1]
        assert line.startswith(b"user u ")
        setuser(engine, "v", "reset", *line.split(b" ")[2:])
        assert engine.ask("ACL", "LIST")[2] == line.replace(b"user u ", b"user v ")
        for request in requests:
            ours, again = dry(engine, "u", *request), dry(engine, "v", *request)
            assert ours == again if ours is True else ours.replace(b"User u", b"User v") == again, (line, request)


# ---------------------------------------------------------------- logging in

def test_passwords(engine):
    client = engine.client()
    setuser(engine, "u", ">one")
    assert client.call("AUTH", "u", "one") == WRONGPASS, "off"
    setuser(engine, "u", "on", ">two", "#" + sha("three"), "+acl")
    for password in ("one", "two", "three"):
        assert client.call("AUTH", "u", password) == OK
    setuser(engine, "u", "<one", "!" + sha("two"))
    for user, password in (("u", "one"), ("u", "two"), ("u", ""), ("nosuch", "three"), ("u\0", "three")):
        assert client.call("AUTH", user, password) == WRONGPASS
    assert client.call("ACL", "WHOAMI") == b"u", "a refused login changes nothing"
    setuser(engine, "u", "nopass")
    assert client.call("AUTH", "u", "anything") == OK
    setuser(engine, "u", "resetpass")
    assert client.call("AUTH", "u", "anything") == WRONGPASS


def test_password_of_the_default_user(engine):
    early = engine.client()
    engine.core.set_password(b"secret")
    late = engine.client()
    assert early.call("PING") == Simple("PONG"), "was authenticated before"
    assert late.call("PING") == NOAUTH and late.call("ACL", "WHOAMI") == NOAUTH
    assert late.call("AUTH", "wrong") == WRONGPASS
    assert engine.ask("ACL", "LIST")[0] == f"user default on sanitize-payload #{sha('secret')} ~* &* +@all".encode()
    setuser(engine, "default", "nopass")
    assert late.call("PING") == Simple("PONG")
    assert late.call("AUTH", "x").startswith(b"ERR AUTH <password> called without any password")
    setuser(engine, "default", ">other")
    assert late.call("PING") == NOAUTH, "never logged in"
    assert late.call("AUTH", "other") == OK and late.call("PING") == Simple("PONG")


def test_default_user_off(engine):
    setuser(engine, "admin", "on", ">p", "+@all")
    setuser(engine, "default", "off")
    client = engine.client()
    if engine.protocol == 2:
        assert client.call("PING") == NOAUTH
        assert client.call("AUTH", "default", "") == WRONGPASS
    assert client.call("HELLO", "2", "AUTH", "admin", "p")[0] == b"server"
    assert client.call("ACL", "WHOAMI") == b"admin"
    assert client.call("RESET") == Simple("RESET")
    assert client.call("PING") == NOAUTH


def test_login_commands_need_no_right(login):
    client = login("u")
    assert client.call("PING") == no_command("u", "ping")
    assert client.call("AUTH", "u", "x") == OK
    assert not isinstance(client.call("HELLO"), Error)
    assert client.call("RESET") == Simple("RESET")
    assert client.call("ACL", "WHOAMI") == b"default"


def test_last_auth_of_hello_counts(engine):
    setuser(engine, "a", "on", ">p", "+@all")
    setuser(engine, "b", "on", ">p", "+@all")
    client = engine.client()
    client.call("HELLO", "2", "AUTH", "a", "wrong", "AUTH", "b", "p")
    assert client.call("ACL", "WHOAMI") == b"b"
    assert client.call("HELLO", "2", "AUTH", "a", "p", "SETNAME", "x", "AUTH", "a", "wrong") == WRONGPASS
    assert client.call("ACL", "WHOAMI") == b"b" and is_null(client.call("CLIENT", "GETNAME"))


# ---------------------------------------------------------------- the check

def test_commands_and_subcommands(engine):
    setuser(engine, "u", "+@all", "-memory|usage", "-debug", "+debug|object", "+select|0", "-select")
    assert dry(engine, "u", "memory", "stats") is True
    assert dry(engine, "u", "memory", "usage", "k") == b"User u has no permissions to run the 'memory|usage' command"
    assert dry(engine, "u", "debug", "OBJECT", "k") is True
    assert dry(engine, "u", "debug", "sleep", "0") == b"User u has no permissions to run the 'debug' command"
    assert dry(engine, "u", "select", "0") == b"User u has no permissions to run the 'select' command", "-select came later"


@pytest.mark.parametrize("request_, verdict", [
    ("get r", True), ("get w", "w"), ("get x", "x"), ("set w v", True), ("set r v", "r"), ("set w v get", "w"), ("set b v get", True),
    ("getset w v", "w"), ("append w v", True), ("exists r", True), ("exists w", True), ("exists x", "x"), ("strlen w", True),
    ("copy r w", True), ("copy w r", "w"), ("mget r b x", "x"), ("bitfield r get u4 0", True), ("bitfield w set u4 0 1", "w"),
    ("sort r store w", True), ("sort r store r", "r"), ("bitop and w r b", True), ("bitop and r r", "r"), ("rename b b2", True),
    ("georadius r 1 1 1 m store w", True), ("georadius r 1 1 1 m store r", "r"), ("xread streams r b 0 0", True), ("keys *", True),
    ("xread streams r w 0 0", "w"), ("lmpop 2 b x left", "x"), ("zunionstore w 2 r b", True), ("zunionstore w 2 r x", "x"),
    ("object encoding w", True), ("object encoding x", "x"), ("memory usage x", "x"), ("pfcount r", True), ("flushall", True),
])
def test_keys_by_what_is_done_to_them(engine, request_, verdict):
    setuser(engine, "u", "+@all", "%R~r*", "%W~w*", "~b*")
    expected = verdict if verdict is True else f"User u has no permissions to access the '{verdict}' key".encode()
    assert dry(engine, "u", *request_.split()) == expected


def test_rights_of_two_patterns_do_not_add_up(engine):
    setuser(engine, "u", "+@all", "%R~a*", "%W~ab*")
    assert dry(engine, "u", "getset", "abc", "x") != True  # noqa: E712  (a bytes text)
    assert dry(engine, "u", "get", "abc") is True and dry(engine, "u", "append", "abc", "x") is True


PATTERNS = ["k", "k*", "key:1*", "key:12345*", "key:123456789*", "*", "*9", "k?y:[12]*", "k\\*", "", "exactly8", "12345678",
            "123456789", "a*b*c", "[k]*"]


def test_compiled_patterns_match_as_globs_do(engine):
    from redispy_core.base.num import glob
    keys = ["", "k", "key:1", "key:12345", "key:123456", "key:1234567890", "12345678", "123456789", "1234567", "k*", "exactly8",
            "abc", "axxbyyc", "kay:2", "key:", "x9", "\0", "k\0y"]
    for pattern in PATTERNS:
        setuser(engine, "u", "reset", "+@all", "%R~" + pattern, "&" + pattern)
        for key in keys:
            fits = glob(pattern.encode(), key.encode(), False)
            assert (dry(engine, "u", "get", key) is True) == fits, (pattern, key)
            assert (dry(engine, "u", "publish", key, "m") is True) == (fits or pattern == "*"), (pattern, key)
            assert (dry(engine, "u", "psubscribe", key) is True) == ((key == pattern or pattern == "*")), (pattern, key)


def test_many_keys(engine):
    setuser(engine, "u", "+@all", "~k*")
    assert dry(engine, "u", "mget", *[f"k{i}" for i in range(500)]) is True
    assert dry(engine, "u", "mget", *[f"k{i}" for i in range(500)], "x") == b"User u has no permissions to access the 'x' key"
    assert dry(engine, "u", "eval", "", "-1", "x") in (True, Error("ERR Command 'eval' not found"))


def test_selectors_are_alternatives(login):
    client = login("u", "(+@write ~w*)", "(+@read ~r*)")
    assert client.call("PING") == no_command("u", "ping")
    assert client.call("SET", "w1", "x") == OK and is_null(client.call("GET", "r1"))
    assert client.call("GET", "w1") == NO_KEY and client.call("SET", "r1", "x") == NO_KEY
    assert client.call("COPY", "r1", "w1") == NO_KEY


def test_refusal_names_what_came_nearest(engine, login):
    client = login("u", "+mget", "~key", "(+mget ~key ~other)")
    assert client.call("GET", "key") == no_command("u", "get")
    assert log(engine)[0]["object"] == b"get"
    for keys in (["other", "some"], ["key", "other", "some"]):
        engine.ask("ACL", "LOG", "RESET")
        assert client.call("MGET", *keys) == NO_KEY
        assert log(engine)[0]["object"] == b"some"


def test_channels(login):
    client = login("u", "+@pubsub", "&foo", "&bar:*")
    assert client.call("PUBLISH", "foo", "m") == 0 and client.call("SPUBLISH", "bar:1", "m") == 0
    for request in (("PUBLISH", "zap", "m"), ("SPUBLISH", "zap", "m"), ("SUBSCRIBE", "foo", "zap"), ("SSUBSCRIBE", "zap"),
                    ("PSUBSCRIBE", "bar:1"), ("PSUBSCRIBE", "*")):
        assert client.call(*request) == NO_CHANNEL
    assert client.call("PSUBSCRIBE", "bar:*")[2] == 1
    assert client.call("PUNSUBSCRIBE", "whatever")[2] == 1


def test_arity_and_unknown_commands_come_first(login):
    client = login("u")
    assert client.call("GET") == Error("ERR wrong number of arguments for 'get' command")
    assert client.call("NOSUCH").startswith(b"ERR unknown command")
    assert client.call("MEMORY", "NOSUCH").startswith(b"ERR unknown subcommand")


@pytest.mark.parametrize("rules, allowed", [
    (["+sort", "~l"], False), (["+sort", "~l", "~v*"], False), (["+sort", "~l", "%W~*"], False), (["+sort", "~l", "%R~*"], True),
    (["+sort", "~l", "(~* +get)"], False), (["(+sort ~*)"], True),
])
def test_sort_by_and_get_need_every_key(engine, login, rules, allowed):
    engine.call("RPUSH", "l", "1")
    engine.call("SET", "v1", "5")
    client = login("u", *rules)
    assert client.call("SORT", "l") == [b"1"] and client.call("SORT", "l", "BY", "nosort") == [b"1"]
    for option, sorted_ in (("BY", b"1"), ("GET", b"5")):
        assert client.call("SORT", "l", option, "v*") == (
            [sorted_] if allowed else Error(f"ERR {option} option of SORT denied due to insufficient ACL permissions."))


def test_renamed_commands_keep_their_names_in_rules(engine):
    engine.core.registry.rename("GET", "fetch")
    setuser(engine, "u", "+get", "~*")
    assert dry(engine, "u", "fetch", "k") is True
    assert engine.ask("ACL", "SETUSER", "u", "+fetch").startswith(b"ERR Error in ACL SETUSER modifier '+fetch'")


def test_commands_that_come_later(engine):
    from dataclasses import replace
    registry = engine.core.registry
    row = replace(registry.row("get"), name="LATE")
    for name, rules in (("all", "+@all"), ("but", "+@all -@read"), ("none", "-@all"), ("read", "-@all +@read")):
        setuser(engine, name, "~*", *rules.split())
    registry.add_row(row, lambda call, key: key)
    assert [dry(engine, name, "late", "k") is True for name in ("all", "but", "none", "read")] == [True, False, False, True]


def test_clients_of_this_process_may_do_all(engine):
    setuser(engine, "default", "resetkeys", "-@all")
    assert engine.call("SET", "k", "v") in (b"OK", OK)
    assert engine.ask("ACL", "WHOAMI") == b"default"


# ---------------------------------------------------------------- transactions and blocking

def test_multi_queues_only_what_is_allowed(login):
    client = login("u", "+multi", "+exec", "+get", "~a")
    assert client.call("MULTI") == OK
    assert client.call("GET", "x") == NO_KEY
    assert client.call("EXEC") == Error("EXECABORT Transaction discarded because of previous errors.")


@pytest.mark.parametrize("rule, request_, reason", [
    ("-get", ("GET", "a"), "no permission to execute the command or subcommand"),
    ("resetkeys", ("GET", "a"), "no permission to touch the specified keys"),
    ("resetchannels", ("PUBLISH", "c", "m"), "no permission to access one of the channels used as arguments"),
])
def test_exec_checks_again(engine, login, rule, request_, reason):
    client = login("u", "+multi", "+exec", "+get", "+publish", "~a", "&c")
    client.call("MULTI")
    assert client.call(*request_) == QUEUED
    setuser(engine, "u", rule)
    assert client.call("EXEC") == [Error("NOPERM " + REASON + reason)]
    assert log(engine)[0]["context"] == b"multi"


def test_exec_itself_may_be_refused(engine, login):
    client = login("u", "+multi", "+exec", "+get", "~*")
    client.call("MULTI")
    client.call("GET", "a")
    setuser(engine, "u", "-exec")
    assert client.call("EXEC") == Error("EXECABORT Transaction discarded because of: NOPERM User u has no permissions to run the "
                                        "'exec' command")
    assert is_null(client.call("GET", "a"))


def test_user_can_change_inside_a_transaction(engine, login):
    setuser(engine, "weak", "on", "nopass", "+ping")
    client = login("u", "+@all", "~*")
    client.call("MULTI")
    for request in (("AUTH", "weak", "x"), ("GET", "k"), ("PING",)):
        assert client.call(*request) == QUEUED
    assert client.call("EXEC") == [OK, Error("NOPERM " + REASON + "no permission to execute the command or subcommand"),
                                   Simple("PONG")]


def test_waiting_command_is_checked_when_it_wakes(engine, login):
    client = login("u", "+@all", "~*")
    client.send_bytes(b"*3\r\n$5\r\nBLPOP\r\n$1\r\nl\r\n$1\r\n0\r\n")
    assert client.is_silent()
    setuser(engine, "u", "resetkeys")
    engine.call("RPUSH", "l", "x")
    assert client.read() == NO_KEY
    assert engine.call("LLEN", "l") == 1
    stats = {name: (calls, rejected) for name, calls, _, rejected, _, _ in engine.core.registry.stats()}
    assert stats["blpop"] == (0, 1)


# ---------------------------------------------------------------- users that change

def is_gone(engine, client):
    engine.core.attend()
    try:
        return client.call("PING") is None
    except (Closed, KeyError):
        return True


def test_deleted_users_clients_are_closed(engine, login):
    gone, stays = login("u", "+@all"), login("v", "+@all")
    assert engine.ask("ACL", "DELUSER", "u", "nosuch") == 1
    assert is_gone(engine, gone) and not is_gone(engine, stays)
    assert engine.ask("ACL", "DELUSER", "v", "default") == Error("ERR The 'default' user cannot be removed")
    assert not is_gone(engine, stays)


def test_user_that_deletes_itself_gets_the_reply(engine, login):
    client = login("u", "+@all", "~*")
    client.call("MULTI")
    client.call("ACL", "DELUSER", "u")
    client.call("SET", "k", "v")
    reply = client.call("EXEC")
    assert reply[0] == 1 and reply[1].startswith(b"NOPERM"), "nothing runs as a deleted user"
    assert engine.call("EXISTS", "k") == 0


@pytest.mark.parametrize("subscribe, rules, cut", [
    (("SUBSCRIBE", "foo:1"), "resetchannels", True), (("SSUBSCRIBE", "foo:1"), "resetchannels", True),
    (("PSUBSCRIBE", "bar:*"), "resetchannels", True), (("PSUBSCRIBE", "bar:*"), "resetchannels &bar:1", True),
    (("SUBSCRIBE", "foo:1"), "resetchannels &foo:*", False), (("SUBSCRIBE", "foo:1"), "allchannels", False),
    (("PSUBSCRIBE", "bar:*"), "&other", False), (("PSUBSCRIBE", "bar:*"), "resetchannels (&bar:*)", False),
    (("SUBSCRIBE", "foo:1", "bar:2"), "resetchannels &foo:1", True), (("SUBSCRIBE", "foo:1"), "reset", True),
    (("SUBSCRIBE", "foo:1"), "-@all off", False),
])
def test_subscribers_that_lose_a_channel_are_cut_off(engine, login, subscribe, rules, cut):
    client = login("u", "+@all", "&foo:1", "&bar:*")
    client.call(*subscribe)
    setuser(engine, "u", *rules.split())
    closing = [fd for fd, action in engine.core.attend() if action == 0]
    assert bool(closing) == cut


def test_rules_take_effect_at_once(engine, login):
    client = login("u", "+get", "~a")
    assert client.call("GET", "b") == NO_KEY
    setuser(engine, "u", "allkeys", "allchannels", "allcommands")
    assert is_null(client.call("GET", "b")) and client.call("PING") == Simple("PONG")
    setuser(engine, "u", "-ping")
    assert client.call("PING") == no_command("u", "ping")
    setuser(engine, "u", "off")
    assert is_null(client.call("GET", "b")), "who is logged in stays"


def test_clients_are_known_by_their_user(engine, login):
    client = login("u", "+@all")
    assert b" user=u " in client.call("CLIENT", "INFO")
    other = engine.client()
    assert other.call("CLIENT", "KILL", "USER", "u") == 1
    assert other.call("CLIENT", "KILL", "USER", "nosuch") == Error("ERR No such user 'nosuch'")


def test_many_users_come_and_go(engine):
    """Names in the dict survive its growth; memory comes back."""
    names = [f"u{i}" for i in range(300)]
    for i, name in enumerate(names):
        setuser(engine, name, "on", f">{i}", f"~{i}:*", "+get", "(+set &x)")
    client = engine.client()
    assert all(client.call("AUTH", f"u{i}", str(i)) == OK for i in range(300))
    client.close()
    assert engine.ask("ACL", "DELUSER", *names) == 300
    assert engine.ask("ACL", "USERS") == [b"default"]
    before = engine.core.counters()["used_memory"]
    for _ in range(3):
        for name in names:
            setuser(engine, name, "on", ">p", "~a*", "~b*", "&c", "+@read", "+select|0", "(+set &x)", "(~y)")
            setuser(engine, name, "reset")
        assert engine.ask("ACL", "DELUSER", *names) == 300
    assert abs(engine.core.counters()["used_memory"] - before) < 8192, "but for the dict's table, all is given back"


# ---------------------------------------------------------------- the log

def test_log_entry(engine, login):
    client = login("u", "+set")
    assert client.call("SET", "k", "v") == NO_KEY
    engine.advance(1500)
    entry, = log(engine)
    age = entry.pop("age-seconds")
    assert float(age) == 1.5
    assert b" cmd=set user=u " in entry.pop("client-info")
    assert entry == {"count": 1, "reason": b"key", "context": b"toplevel", "object": b"k", "username": b"u", "entry-id": 0,
                     "timestamp-created": engine.now_ms - 1500, "timestamp-last-updated": engine.now_ms - 1500}


def test_log_reasons_and_counters(engine, login):
    client = login("u", "+get", "+publish", "+multi")
    for request in (("PING",), ("GET", "k"), ("PUBLISH", "c", "m"), ("Auth", "nosuch", "x"), ("HELLO", "2", "AUTH", "u2", "x")):
        client.call(*request)
    assert [(e["reason"], e["object"], e["username"]) for e in log(engine)] == [
        (b"auth", b"HELLO", b"u2"), (b"auth", b"Auth", b"nosuch"), (b"channel", b"c", b"u"), (b"key", b"k", b"u"),
        (b"command", b"ping", b"u")]
    counters = engine.core.counters()
    assert [counters[f"acl_access_denied_{what}"] for what in ("auth", "cmd", "key", "channel")] == [2, 1, 1, 1]
    engine.core.reset_stats()
    assert engine.core.counters()["acl_access_denied_auth"] == 2, "CONFIG RESETSTAT leaves them"


def test_log_groups_what_is_alike_for_a_minute(engine, login):
    client = login("u", "+get", "+multi")
    for key in ("a", "b", "a"):
        client.call("GET", key)
        engine.advance(1)
    assert [(e["object"], e["count"], e["entry-id"]) for e in log(engine)] == [(b"a", 2, 0), (b"b", 1, 1)]
    engine.advance(60_000)
    client.call("GET", "a")
    assert [(e["object"], e["count"]) for e in log(engine)] == [(b"a", 1), (b"a", 2), (b"b", 1)]
    client.call("MULTI")
    client.call("GET", "a")
    assert [(e["context"], e["count"]) for e in log(engine, 2)] == [(b"multi", 1), (b"toplevel", 1)]


def test_log_looks_for_the_same_among_the_ten_newest(engine, login):
    client = login("u", "+get")
    for i in range(10):
        client.call("GET", f"k{i}")
    client.call("GET", "k0")
    assert log(engine, 1)[0]["count"] == 2
    for i in range(1, 12):
        client.call("GET", f"n{i}")
    client.call("GET", "k0")
    assert log(engine, 1)[0]["count"] == 1


def test_log_length(engine, login):
    client = login("u", "+get")
    for i in range(30):
        client.call("GET", f"k{i}")
    assert len(log(engine)) == 10 and len(log(engine, 100)) == 30 and len(log(engine, 0)) == 0 and log(engine, -1) == []
    engine.set("acllog_max_len", 5)
    assert len(log(engine, 100)) == 30, "cut when one is added"
    client.call("GET", "x")
    assert [e["object"] for e in log(engine, 100)] == [b"x", b"k29", b"k28", b"k27", b"k26"]
    engine.set("acllog_max_len", 0)
    client.call("GET", "y")
    assert log(engine) == []
    assert engine.ask("ACL", "LOG", "RESET") == OK
    assert engine.ask("ACL", "LOG", "x") == Error("ERR value is not an integer or out of range")
    assert engine.ask("ACL", "LOG", "1", "2") == Error("ERR unknown subcommand or wrong number of arguments for 'LOG'. Try ACL HELP.")


# ---------------------------------------------------------------- the others

def test_cat(engine):
    assert engine.ask("ACL", "CAT")[:3] == [b"keyspace", b"read", b"write"] and len(engine.ask("ACL", "CAT")) == 21
    strings = engine.ask("ACL", "CAT", "STRING")
    assert b"get" in strings and b"lpush" not in strings
    assert b"client|list" in engine.ask("ACL", "CAT", "dangerous")
    assert engine.ask("ACL", "CAT", "nosuch") == Error("ERR Unknown category 'nosuch'")
    assert engine.ask("ACL", "CAT", "a", "b") == Error("ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.")


def test_genpass(engine):
    for bits, digits in (((), 64), (("1",), 1), (("4",), 1), (("5",), 2), (("4096",), 1024)):
        password = engine.ask("ACL", "GENPASS", *bits)
        assert len(password) == digits and not set(password) - set(b"0123456789abcdef")
    assert engine.ask("ACL", "GENPASS") != engine.ask("ACL", "GENPASS")
    for bits in ("0", "-236", "4097"):
        assert engine.ask("ACL", "GENPASS", bits) == Error(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096")
    for bits in ("x", "1_0", " 5", "+5", "9223372036854775808"):
        assert engine.ask("ACL", "GENPASS", bits) == Error("ERR value is not an integer or out of range")


def test_dryrun_errors(engine):
    setuser(engine, "u", "+@all", "~v")
    assert dry(engine, "nosuch", "get", "v") == Error("ERR User 'nosuch' not found")
    assert dry(engine, "u", "nosuch", "v") == Error("ERR Command 'nosuch' not found")
    assert dry(engine, "u", "set", "v") == Error("ERR wrong number of arguments for 'set' command")
    assert dry(engine, "u", "set", "v", "v") is True
    assert engine.call("EXISTS", "v") == 0


def test_load_and_save_need_a_file(engine):
    assert engine.ask("ACL", "FOO") == Error("ERR unknown subcommand 'FOO'. Try ACL HELP.")
    assert engine.ask("ACL", "HELP", "x") == Error("ERR wrong number of arguments for 'acl|help' command")
    assert b"SETUSER" in b" ".join(engine.ask("ACL", "HELP"))


def test_new_users_follow_acl_pubsub_default(engine):
    engine.set("acl_pubsub_default", 0)
    setuser(engine, "u", "(~x)")
    assert user_of(engine, "u")["channels"] == b"&*"
    assert fields(user_of(engine, "u")["selectors"][0])["channels"] == b"&*"
    engine.set("acl_pubsub_default", 1)
    assert user_of(engine, "u")["channels"] == b"&*"
    setuser(engine, "u", "reset")
    assert user_of(engine, "u")["channels"] == b""


def test_payloads_of_users_are_sanitized_or_not(engine, login):
    from redispy_core.base.codec import crc64_of
    engine.call("HSET", "h", "fielda", "1", "fieldb", "2")
    body = engine.call("DUMP", "h")[:-8].replace(b"fieldb", b"fielda")          # a field twice
    payload = body + crc64_of(body).to_bytes(8, "little")
    engine.set("sanitize_dump_payload", 2)
    careful, trusted = login("u", "+@all", "~*"), login("v", "+@all", "~*", "skip-sanitize-payload")
    assert careful.call("RESTORE", "k", "0", payload) == Error("ERR Bad data format")
    assert trusted.call("RESTORE", "k", "0", payload) == OK
