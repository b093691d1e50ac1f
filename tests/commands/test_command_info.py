"""COMMAND and its subcommands; compiled key extraction against the model; HELP of the containers."""
import random
import sys
from pathlib import Path

import pytest
from support.resp import NULL, NULL_ARRAY, NULL_BULK, Error, Set, Simple

from redispy_core.exec.keyspecs import find_keys
from redispy_core.exec.registry import Registry
from redispy_core.exec.table import INCOMPLETE, ROWS, VARIABLE_FLAGS, subcommands

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "engine"))
from keys_model import FUNCTIONS, keys_of  # noqa: E402

NULLS = (NULL, NULL_BULK, NULL_ARRAY)
SPOKEN = ~int(VARIABLE_FLAGS | INCOMPLETE)


@pytest.fixture(scope="module")
def full():
    """A registry in which every row has a body."""
    registry = Registry()
    for row in ROWS:
        if not subcommands(row.name):
            registry.bind_py(row.name, lambda call, *args: None)
    return registry


# ---------------------------------------------------------------- key extraction

def words_for(rng, row):
    """A request of fitting arity with words that matter to key specs strewn in."""
    least = abs(row.arity)
    n = least if row.arity > 0 else least + rng.choice((0, 0, 1, 2, 3, 5, 8))
    telling = ["1", "2", "3", "9", "0", "-1", "x", "STREAMS", "keys", "store", "STOREDIST", "GET", "u8", "SET", "incrby",
               "OVERFLOW", "LIMIT", "BY", "AUTH", "AUTH2", "a", "b", "c", "", "18446744073709551615", "WITHSCORES", "COUNT"]
    telling += [k.word for k in row.keys if k.word] * 3
    head = row.name.lower().split("|")
    return head + [rng.choice(telling) for _ in range(n - len(head))]


@pytest.mark.parametrize("row", [r for r in ROWS if r.keys or r.keys_fn], ids=lambda r: r.name)
def test_keys_agree_with_the_model(full, row):
    rng = random.Random(row.name)
    for _ in range(300):
        argv = words_for(rng, row)
        expected = keys_of(row, argv)
        found = find_keys(full, [word.encode() for word in argv])
        if all(k.flags & 256 for k in row.keys) and not row.keys_fn:
            assert found == "COMMAND_NO_KEYS"
        elif expected is None:
            assert found == "COMMAND_ARGS", argv
        else:
            assert found == [(key.encode(), flags & SPOKEN) for key, flags in expected], argv


def test_every_keys_fn_of_the_table_is_tried():
    assert {r.keys_fn for r in ROWS if r.keys_fn} == set(FUNCTIONS)


@pytest.mark.parametrize("request_, found", [
    ("GET", "COMMAND_ARITY"), ("GET a b", "COMMAND_ARITY"), ("NOSUCH a", "COMMAND_INVALID"),
    ("CONFIG NOSUCH", "COMMAND_INVALID"), ("PING", "COMMAND_NO_KEYS"), ("CONFIG GET", "COMMAND_NO_KEYS"),
    ("MEMORY USAGE", "COMMAND_ARITY"), ("SPUBLISH ch x", "COMMAND_NO_KEYS"),
    ("ZINTERSTORE zz 1443677133621497600 asdf", "COMMAND_ARGS"), ("EVAL x abc", []), ("EVAL x 2 a", []),
    ("XREAD COUNT 1", "COMMAND_ARITY"), ("XREAD STREAMS a b 0 0", [b"a", b"b"]), ("MEMORY USAGE k", [b"k"]),
    ("XGROUP CREATE k g $", [b"k"]), ("MIGRATE h 1  0 9 KEYS a b", [b"a", b"b"]), ("GEORADIUS k 1 2 3 m STORE x", [b"k", b"x"]),
])
def test_known_requests(full, request_, found):
    keys = find_keys(full, [word.encode() for word in request_.split(" ")])
    assert (keys if isinstance(keys, str) else [key for key, _ in keys]) == found


def test_more_keys_than_any_buffer(full):
    names = [b"k%d" % i for i in range(1000)]
    found = find_keys(full, [b"ZUNIONSTORE", b"target", b"1000", *names])
    assert [key for key, _ in found] == [b"target", *names]


# ---------------------------------------------------------------- the commands

def test_getkeys(engine):
    assert engine.ask("COMMAND", "GETKEYS", "SET", "a", "b") == [b"a"]
    flags = engine.ask("COMMAND", "GETKEYSANDFLAGS", "SET", "a", "b", "GET")
    kind = Set if engine.protocol == 3 else list
    assert flags == [[b"a", kind([Simple("RW"), Simple("access"), Simple("update")])]]
    for request, text in (("GET", "Invalid number of arguments specified for command"),
                          ("PING", "The command has no key arguments"), ("NOSUCH", "Invalid command specified")):
        assert engine.ask("COMMAND", "GETKEYS", request) == Error("ERR " + text)
    assert engine.ask("COMMAND", "GETKEYS") == Error("ERR wrong number of arguments for 'command|getkeys' command")


def test_count_list_and_all_agree(engine):
    names = engine.ask("COMMAND", "LIST")
    top = [name for name in names if b"|" not in name]
    assert engine.ask("COMMAND", "COUNT") == len(top) == len(engine.ask("COMMAND"))
    assert {entry[0] for entry in engine.ask("COMMAND")} == set(top)
    assert {b"get", b"client", b"client|list", b"command|help"} <= set(names)
    assert b"sentinel" not in names                     # no body, not visible


def test_list_filters(engine):
    def listed(*words):
        return set(engine.ask("COMMAND", "LIST", "FILTERBY", *words))
    assert listed("PATTERN", "GET") == {b"get"}
    assert {b"client|list", b"client"} <= listed("PATTERN", "cli*")
    assert listed("PATTERN", "nosuch*") == listed("ACLCAT", "nosuch") == listed("MODULE", "nosuch") == set()
    assert b"get" in listed("aclcat", "string") and b"ping" not in listed("aclcat", "string")
    for bad in (("x",), ("FILTERBY", "x"), ("FILTERBY", "x", "y")):
        assert engine.ask("COMMAND", "LIST", *bad) == Error("ERR syntax error")


def test_info(engine):
    entries = engine.ask("COMMAND", "INFO", "get", "nosuch", "CLIENT|LIST", "get|x", "")
    assert entries[0][:2] == [b"get", 2] and entries[2][0] == b"client|list"
    assert all(entries[i] in NULLS for i in (1, 3, 4))


def test_docs(engine):
    docs = engine.call("COMMAND", "DOCS", "set", "nosuch")
    names = [name for name, _ in docs] if engine.protocol == 3 else docs[::2]
    assert names == [b"set"]


def test_unknown_subcommand(engine):
    assert engine.ask("COMMAND", "FOO") == Error("ERR unknown subcommand 'FOO'. Try COMMAND HELP.")


def test_catalogue_follows_the_registry(engine):
    count = engine.call("COMMAND", "COUNT")
    engine.core.bind("SAVE", lambda call: b"")
    assert engine.call("COMMAND", "COUNT") == count + 1
    engine.core.registry.rename("save", "KEEP")
    assert engine.ask("COMMAND", "INFO", "keep", "save")[0][0] == b"keep"
    engine.core.registry.rename("keep", "")
    assert engine.call("COMMAND", "COUNT") == count


def test_renamed_container_keeps_its_subcommands(engine):
    engine.core.registry.rename("client", "CNT")
    names = set(engine.call("COMMAND", "LIST"))
    assert {b"cnt", b"cnt|list"} <= names and b"client|list" not in names
    assert engine.call("CNT", "HELP")[0].startswith(b"CNT <subcommand>")
    engine.core.registry.rename("cnt", "")
    assert b"client|list" not in set(engine.call("COMMAND", "LIST"))


# ---------------------------------------------------------------- HELP, Python bodies

def test_every_container_has_help(engine):
    names = engine.call("COMMAND", "LIST")
    containers = {name.split(b"|")[0] for name in names if b"|" in name}
    assert {b"client", b"command", b"memory", b"object"} <= containers
    for container in containers:
        lines = engine.ask(container, "HELP")
        assert isinstance(lines[0], Simple) and lines[0].startswith(container.upper() + b" <subcommand>")
        assert lines[-2] == Simple("HELP")
        assert engine.ask(container, "HELP", "x").startswith(b"ERR wrong number of arguments for")


def test_help_comes_with_the_first_subcommand(engine):
    engine.core.bind("CLUSTER|MYID", lambda call: [])
    assert engine.call("CLUSTER", "HELP")[1] == b"MYID"


def test_later_body_wins(engine):
    assert engine.call("ROLE") == [b"master", 0, []]
    engine.core.bind("ROLE", lambda call: [b"slave"])
    assert engine.call("ROLE") == [b"slave"]


def test_error_with_any_bytes(engine):
    from redispy_core.engine import ReplyError

    def body(call, word):
        raise ReplyError("ERR no " + word.decode("utf-8", "surrogateescape"))
    engine.core.bind("SAVE|X" if engine.core.registry.has("SAVE|X") else "BGSAVE", body)
    assert engine.ask("BGSAVE", b"\xff") == Error(b"ERR no \xff")
