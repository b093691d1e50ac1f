"""Commands on keys of any type, in process: replies, errors and their order, expiry kept or lost, LRU and LFU."""
import random

import pytest
from support.resp import NULL, NULL_BULK, Error, Simple


def missing(protocol):
    return NULL if protocol == 3 else NULL_BULK


def fill(engine, *keys, db=0):
    for key in keys:
        engine.call("SET", key, b"v-" + key.encode(), db=db)


# --- DEL, UNLINK, EXISTS, TOUCH, TYPE

@pytest.mark.parametrize("command", ["DEL", "UNLINK"])
def test_del_counts_what_was_there(engine, command):
    fill(engine, "a", "b", "c")
    assert engine.call(command, "a", "missing", "a", "c") == 2
    assert engine.call("DBSIZE") == 1 and engine.call("GET", "a") is None and engine.call("GET", "b") == b"v-b"


@pytest.mark.parametrize("command", ["DEL", "UNLINK"])
def test_del_of_an_expired_key_finds_nothing(engine, command):
    fill(engine, "a")
    engine.call("PEXPIRE", "a", 5)
    engine.advance(6)
    assert engine.call("DBSIZE") == 1
    assert engine.call(command, "a") == 0 and engine.call("DBSIZE") == 0


def test_exists_and_touch_count_repeated_keys(engine):
    fill(engine, "a", "b")
    for command in ("EXISTS", "TOUCH"):
        assert engine.call(command, "a", "a", "missing", "b") == 3
        assert engine.call(command, "missing") == 0


def test_type(engine):
    fill(engine, "a")
    assert engine.ask("TYPE", "a") == Simple("string") and engine.ask("TYPE", "missing") == Simple("none")


# --- RENAME

def test_rename_moves_value_and_expiry(engine):
    fill(engine, "a", "b")
    engine.call("PEXPIRE", "a", 5000)
    engine.call("PEXPIRE", "b", 9000)
    assert engine.ask("RENAME", "a", "b") == Simple("OK")
    assert engine.call("GET", "b") == b"v-a" and engine.call("PTTL", "b") == 5000 and engine.call("DBSIZE") == 1
    fill(engine, "c")
    engine.call("RENAME", "c", "b")
    assert engine.call("PTTL", "b") == -1, "the target's expiry must not survive"
    engine.advance(10_000)
    assert engine.call("GET", "b") == b"v-c"


def test_rename_keeps_every_form_of_a_string(engine):
    for value in (b"12345", b"short", b"x" * 44, b"x" * 45, b"y" * 512, b"z" * 513, b"w" * 100_000):
        for key, to in (("k", "a-much-longer-name" * 20), ("long" * 70, "k2"), ("k", "n" * 70_000)):
            engine.call("SET", key, value)
            before = engine.call("OBJECT", "ENCODING", key)
            engine.call("RENAME", key, to)
            assert engine.call("GET", to) == value and engine.call("OBJECT", "ENCODING", to) == before
            engine.call("DEL", to)
    assert engine.call("DBSIZE") == 0


def test_rename_to_itself_and_of_nothing(engine):
    fill(engine, "a")
    engine.call("PEXPIRE", "a", 100)
    assert engine.ask("RENAME", "a", "a") == Simple("OK") and engine.call("RENAMENX", "a", "a") == 0
    assert engine.call("GET", "a") == b"v-a" and engine.call("PTTL", "a") == 100
    for command in ("RENAME", "RENAMENX"):
        assert engine.ask(command, "missing", "missing") == Error("ERR no such key")


def test_renamenx_refuses_only_a_living_target(engine):
    fill(engine, "a", "b")
    engine.call("PEXPIRE", "b", 5)
    assert engine.call("RENAMENX", "a", "b") == 0 and engine.call("GET", "b") == b"v-b"
    engine.advance(6)
    assert engine.call("RENAMENX", "a", "b") == 1 and engine.call("GET", "b") == b"v-a"
    assert engine.call("PTTL", "b") == -1


# --- COPY, MOVE, SWAPDB

def test_copy_is_independent_and_keeps_the_expiry(engine):
    for n, value in enumerate((b"1", b"text", b"m" * 300, b"l" * 3000)):
        engine.call("SET", "a", value)
        engine.call("PEXPIRE", "a", 5000)
        assert engine.call("COPY", "a", f"b{n}", "DB", 3) == 1
        engine.call("SET", "a", "other")
        assert engine.call("GET", f"b{n}", db=3) == value and engine.call("PTTL", f"b{n}", db=3) == 5000


def test_copy_replaces_only_when_told(engine):
    fill(engine, "a", "b")
    engine.call("PEXPIRE", "b", 5000)
    assert engine.call("COPY", "a", "b") == 0 and engine.call("GET", "b") == b"v-b"
    assert engine.call("COPY", "a", "b", "REPLACE") == 1
    assert engine.call("GET", "b") == b"v-a" and engine.call("PTTL", "b") == -1
    engine.call("PEXPIRE", "b", 5)
    engine.advance(6)
    assert engine.call("COPY", "a", "b") == 1, "an expired target is none"
    assert engine.call("COPY", "missing", "b", "REPLACE") == 0 and engine.call("GET", "b") == b"v-a"


def test_copy_of_an_object_on_itself(engine):
    fill(engine, "a")
    same = Error("ERR source and destination objects are the same")
    assert engine.ask("COPY", "a", "a") == same and engine.ask("COPY", "a", "a", "DB", 0, "REPLACE") == same
    assert engine.ask("COPY", "missing", "missing") == same
    assert engine.call("COPY", "a", "a", "DB", 1) == 1


NOT_INT = "ERR value is not an integer or out of range"
OUT_OF_INT = "ERR value is out of range, value must between -2147483648 and 2147483647"
DB_RANGE = "ERR DB index is out of range"


@pytest.mark.parametrize("argv, text", [
    ("COPY a b DB", "ERR syntax error"), ("COPY a b FOO", "ERR syntax error"), ("COPY a a FOO", "ERR syntax error"),
    ("COPY a b DB x FOO", NOT_INT), ("COPY missing b DB x", NOT_INT), ("COPY a b DB 16", DB_RANGE),
    ("COPY a b DB -1", DB_RANGE), ("COPY a b DB 16 DB 0", DB_RANGE), ("COPY a b DB 4294967296", OUT_OF_INT),
    ("MOVE a x", NOT_INT), ("MOVE a 16", DB_RANGE), ("MOVE a -1", DB_RANGE), ("MOVE a 4294967297", OUT_OF_INT),
    ("MOVE a 99999999999999999999", NOT_INT), ("MOVE missing 0", "ERR source and destination objects are the same"),
    ("SWAPDB 0 16", DB_RANGE), ("SWAPDB -1 0", DB_RANGE), ("SWAPDB x 99", "ERR invalid first DB index"),
    ("SWAPDB 99 x", "ERR invalid second DB index"), ("SWAPDB 4294967296 0", "ERR invalid first DB index"),
    ("FLUSHDB NOW", "ERR syntax error"), ("FLUSHALL SYNC ASYNC", "ERR syntax error"),
])
def test_refusals_change_nothing(engine, argv, text):
    fill(engine, "a")
    assert engine.ask(*argv.split()) == Error(text)
    assert engine.call("GET", "a") == b"v-a" and engine.call("DBSIZE") == 1 and engine.call("DBSIZE", db=1) == 0


def test_a_cluster_has_one_database(engine):
    engine.set("cluster_enabled", 1)
    fill(engine, "a")
    assert engine.ask("MOVE", "a", "x") == Error("ERR MOVE is not allowed in cluster mode")
    assert engine.ask("SWAPDB", 0, 0) == Error("ERR SWAPDB is not allowed in cluster mode")
    refused = Error("ERR Copying to another database is not allowed in cluster mode")
    assert engine.ask("COPY", "a", "b", "DB", 1) == refused
    assert engine.call("COPY", "a", "b", "DB", 0) == 1


def test_move(engine):
    fill(engine, "a", "b")
    fill(engine, "b", db=2)
    engine.call("PEXPIRE", "a", 5000)
    assert [engine.call("MOVE", key, 2) for key in ("a", "b", "missing")] == [1, 0, 0]
    assert engine.call("EXISTS", "a") == 0 and engine.call("GET", "a", db=2) == b"v-a"
    engine.advance(5001)
    assert engine.call("GET", "a", db=2) is None
    engine.call("PEXPIRE", "b", 5, db=2)
    engine.advance(6)
    assert engine.call("MOVE", "b", 2) == 1, "an expired target is none"


def test_swapdb_swaps_keys_and_expiries(engine):
    fill(engine, "a", "b")
    fill(engine, "c", db=1)
    engine.call("PEXPIRE", "a", 100)
    assert engine.ask("SWAPDB", 1, 0) == Simple("OK")
    assert [engine.call("DBSIZE", db=db) for db in (0, 1)] == [1, 2] and engine.call("GET", "c") == b"v-c"
    engine.advance(101)
    assert engine.call("EXISTS", "a", db=1) == 0
    assert engine.ask("SWAPDB", 1, 1) == Simple("OK") and engine.call("EXISTS", "b", db=1) == 1


# --- whole databases

@pytest.mark.parametrize("how", [[], ["SYNC"], ["async"]])
@pytest.mark.parametrize("lazy", [0, 1])
def test_flush(engine, how, lazy):
    engine.set("lazyfree_lazy_user_flush", lazy)
    for n in range(300):
        engine.call("SET", f"k{n}", "x" * n, db=n % 3)
        engine.call("PEXPIRE", f"k{n}", 100 + n, db=n % 3)
    assert engine.ask("FLUSHDB", *how, db=1) == Simple("OK")
    assert [engine.call("DBSIZE", db=db) for db in range(4)] == [100, 0, 100, 0]
    engine.call("SET", "k1", "new", db=1)
    engine.advance(10_000)
    engine.core.cron()
    assert engine.call("GET", "k1", db=1) == b"new" and engine.call("PTTL", "k1", db=1) == -1
    fill(engine, "a")
    assert engine.ask("FLUSHALL", *how) == Simple("OK")
    assert [engine.call("DBSIZE", db=db) for db in range(4)] == [0, 0, 0, 0] and engine.call("RANDOMKEY") is None


def test_time_is_the_clock(engine):
    engine.advance(1_234)
    assert engine.call("TIME") == [b"%d" % (engine.now_ms // 1000), b"%d" % (engine.now_ms % 1000 * 1000)]


# --- OBJECT

def test_object_of_nothing_is_null(engine, protocol):
    for command in ("ENCODING", "REFCOUNT", "IDLETIME", "FREQ"):
        assert engine.ask("OBJECT", command, "missing") is missing(protocol)


@pytest.mark.parametrize("value, encoding", [(b"1", b"int"), (b"-9223372036854775808", b"int"), (b"01", b"embstr"),
                                             (b"9223372036854775808", b"embstr"), (b"x" * 44, b"embstr"),
                                             (b"x" * 45, b"raw")])
def test_object_encoding(engine, value, encoding):
    engine.call("SET", "k", value)
    assert engine.call("OBJECT", "encoding", "k") == encoding


def test_object_refcount_of_small_integers(engine):
    lru, ttl = 1, 8
    for value, count in (("0", 2147483647), ("9999", 2147483647), ("10000", 1), ("-1", 1), ("x", 1)):
        engine.call("SET", "k", value)
        assert engine.call("OBJECT", "REFCOUNT", "k") == count
    engine.call("SET", "k", 5)
    for policy, limit, count in ((lru, 0, 2147483647), (lru, 1 << 30, 1), (ttl, 1 << 30, 2147483647)):
        engine.set("maxmemory_policy", policy)
        engine.set("maxmemory", limit)
        assert engine.call("OBJECT", "REFCOUNT", "k") == count


def test_object_idletime_grows_until_a_touch(engine):
    fill(engine, "a")
    engine.advance(7_000)
    for looking in (("EXISTS", "a"), ("TYPE", "a"), ("TTL", "a"), ("OBJECT", "ENCODING", "a"), ("SCAN", "0"),
                    ("KEYS", "*"), ("RANDOMKEY",)):
        engine.call(*looking)
        assert engine.call("OBJECT", "IDLETIME", "a") == 7, looking
    for touching in (("TOUCH", "a"), ("GET", "a"), ("EXPIRE", "a", 100), ("PERSIST", "a"), ("COPY", "a", "b")):
        engine.call(*touching)
        assert engine.call("OBJECT", "IDLETIME", "a") == 0, touching
        engine.advance(7_000)
        assert engine.call("OBJECT", "IDLETIME", "a") == 7
    assert engine.ask("OBJECT", "FREQ", "a").startswith(b"ERR An LFU maxmemory policy is not selected")


def test_no_touch_spares_all_but_touch(engine):
    fill(engine, "a")
    quiet = engine.client()
    assert quiet.call("CLIENT", "NO-TOUCH", "ON") == Simple("OK")
    engine.advance(7_000)
    quiet.call("GET", "a")
    quiet.call("EXPIRE", "a", 100)
    assert engine.call("OBJECT", "IDLETIME", "a") == 7
    quiet.call("TOUCH", "a")
    assert engine.call("OBJECT", "IDLETIME", "a") == 0


def test_clients_see_a_swap_and_a_flush_at_once(engine):
    one, other = engine.client(), engine.client()
    other.call("SELECT", 1)
    one.call("SET", "a", "first")
    other.call("SET", "b", "second")
    one.call("SWAPDB", 0, 1)
    assert one.call("KEYS", "*") == [b"b"] and other.call("KEYS", "*") == [b"a"]
    one.call("FLUSHDB")
    assert one.call("DBSIZE") == 0 and other.call("DBSIZE") == 1
    one.call("FLUSHALL")
    assert other.call("DBSIZE") == 0


def test_object_freq_grows_and_decays(engine):
    engine.set("maxmemory_policy", 2)
    fill(engine, "a")
    assert engine.call("OBJECT", "FREQ", "a") == 5
    for _ in range(3000):
        engine.call("TOUCH", "a")
    high = engine.call("OBJECT", "FREQ", "a")
    assert 10 < high < 255
    engine.advance(3 * 60_000)
    assert engine.call("OBJECT", "FREQ", "a") == high - 3
    engine.advance(300 * 60_000)
    assert engine.call("OBJECT", "FREQ", "a") == 0
    assert engine.ask("OBJECT", "IDLETIME", "a").startswith(b"ERR An LFU maxmemory policy is selected")


# --- against a model

class Model:
    """What the databases hold: db -> key -> [value, when or None]."""

    def __init__(self, databases):
        self.dbs = [{} for _ in range(databases)]
        self.now = 0

    def living(self, db):
        self.dbs[db] = {k: v for k, v in self.dbs[db].items() if v[1] is None or v[1] >= self.now}
        return self.dbs[db]

    def run(self, db, name, *args):
        """The expected reply."""
        keys = self.living(db)
        return getattr(self, {"DEL": "delete", "UNLINK": "delete"}.get(name, name.lower()))(db, keys, *args)

    def set(self, db, keys, key, value):
        keys[key] = [value, None]
        return Simple("OK")

    def get(self, db, keys, key):
        return keys[key][0] if key in keys else None

    def delete(self, db, keys, *names):
        return sum(keys.pop(name, None) is not None for name in names)

    def exists(self, db, keys, *names):
        return sum(name in keys for name in names)

    def rename(self, db, keys, key, to):
        if key not in keys:
            return Error("ERR no such key")
        keys[to] = keys.pop(key)
        return Simple("OK")

    def renamenx(self, db, keys, key, to):
        if key not in keys:
            return Error("ERR no such key")
        if to in keys:
            return 0
        keys[to] = keys.pop(key)
        return 1

    def copy(self, db, keys, key, to, word, index, *replace):
        target = self.living(index)
        if (db, key) == (index, to):
            return Error("ERR source and destination objects are the same")
        if key not in keys or to in target and not replace:
            return 0
        target[to] = list(keys[key])
        return 1

    def move(self, db, keys, key, index):
        target = self.living(index)
        if db == index:
            return Error("ERR source and destination objects are the same")
        if key not in keys or key in target:
            return 0
        target[key] = keys.pop(key)
        return 1

    def pexpire(self, db, keys, key, ms):
        if key not in keys:
            return 0
        keys[key][1] = self.now + ms
        if ms <= 0:
            del keys[key]
        return 1

    def persist(self, db, keys, key):
        if key not in keys or keys[key][1] is None:
            return 0
        keys[key][1] = None
        return 1

    def pttl(self, db, keys, key):
        return -2 if key not in keys else -1 if keys[key][1] is None else keys[key][1] - self.now

    def swapdb(self, db, keys, a, b):
        self.dbs[a], self.dbs[b] = self.dbs[b], self.dbs[a]
        return Simple("OK")

    def flushdb(self, db, keys, how):
        keys.clear()
        return Simple("OK")

    def keys(self, db, keys, pattern):
        return sorted(keys)


def random_command(rng, db, databases):
    """A command as (name, args); db -> few keys, so that they meet."""
    def key():
        return b"key-%d" % rng.randrange(12)

    def some_db():
        return rng.randrange(databases)

    value = rng.choice([b"%d" % rng.randrange(100_000), b"v" * rng.randrange(60), b"w" * rng.randrange(600)])
    return rng.choice([
        ("SET", key(), value), ("SET", key(), value), ("SET", key(), value), ("GET", key()), ("DEL", key(), key()),
        ("UNLINK", key()), ("EXISTS", key(), key()), ("RENAME", key(), key()), ("RENAMENX", key(), key()),
        ("COPY", key(), key(), "DB", some_db()), ("COPY", key(), key(), "DB", some_db(), "REPLACE"),
        ("MOVE", key(), some_db()), ("PEXPIRE", key(), rng.randrange(-3, 60)), ("PEXPIRE", key(), rng.randrange(60)),
        ("PERSIST", key()), ("PTTL", key()), ("PTTL", key()), ("KEYS", "*"),
    ] + [("SWAPDB", some_db(), some_db()), ("FLUSHDB", rng.choice(["SYNC", "ASYNC"]))] * (rng.random() < 0.05))


@pytest.mark.parametrize("seed", range(4))
def test_random_commands_agree_with_a_model(engine, seed):
    rng = random.Random(seed)
    databases = 3
    model = Model(databases)
    for step in range(2500):
        db = rng.randrange(databases)
        if rng.random() < 0.2:
            ms = rng.randrange(10)
            engine.advance(ms)
            model.now += ms
        name, *args = random_command(rng, db, databases)
        expected = model.run(db, name, *args)
        got = engine.ask(name, *args, db=db)
        got = sorted(got) if name == "KEYS" else None if got in (NULL, NULL_BULK) else got
        assert got == expected, (step, name, args)
    for db in range(databases):
        assert sorted(engine.call("KEYS", "*", db=db)) == sorted(model.living(db))
