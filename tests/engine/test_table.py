"""The command table, its documentation and the replies made of them; with real servers where installed."""

from __future__ import annotations

import ast
import fnmatch
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keys_model import FUNCTIONS, keys_of
from real_servers import Connection, installed, product, running
from redispy_core.exec import docs as docs_module
from redispy_core.exec import table
from redispy_core.exec.command_info import Catalog
from redispy_core.exec.docs import docs_reply, load_docs, parse_syntax, usage
from redispy_core.exec.table import (ROWS, Acl, Flag, KeyFlag, Row, acl_names, find, flag_names, legacy_range,
                                     rows_by_name, subcommands)
from redispy_core.proto.replies import Map, Set, Status

MODES = KeyFlag.RO | KeyFlag.RW | KeyFlag.OW | KeyFlag.RM


def glob(pattern: bytes, name: bytes) -> bool:
    return fnmatch.fnmatchcase(name.decode().lower(), pattern.decode().lower())


# ---------------------------------------------------------------- rows

def test_names_are_unique_and_upper_case() -> None:
    assert len(rows_by_name()) == len(ROWS)
    assert all(re.fullmatch(r"[A-Z_]+(-[A-Z]+)*(\|[A-Z]+(-[A-Z]+)*)?", r.name) for r in ROWS)


def test_every_subcommand_has_a_container_of_its_group() -> None:
    for r in ROWS:
        parent, bar, _ = r.name.partition("|")
        if bar:
            assert rows_by_name()[parent].group == r.group


def test_containers_take_subcommands_alone_except_command() -> None:
    containers = [r for r in ROWS if subcommands(r.name)]
    assert {r.name for r in containers if r.arity != -2} == {"COMMAND"}
    assert all(not r.keys for r in containers)
    assert all(any(sub.name == r.name + "|HELP" for sub in subcommands(r.name)) for r in containers)


def test_arity_counts_the_name() -> None:
    for r in ROWS:
        assert abs(r.arity) >= len(r.name.split("|")) and r.arity != 0


def test_arity_covers_the_keys_that_must_be_there() -> None:
    for r in ROWS:
        for k in r.keys[:1]:
            if k.begin == "index" and not k.flags & KeyFlag.NOT_KEY and r.name not in ("CLUSTERSCAN",):
                assert abs(r.arity) > k.at, r.name


@pytest.mark.parametrize("r", ROWS, ids=lambda r: r.name)
def test_row_is_well_formed(r: Row) -> None:
    assert not (r.flags & Flag.WRITE and r.flags & Flag.READONLY)
    assert re.fullmatch(r"\d+\.\d+\.\d+", r.since)
    assert r.group in {*table.GROUP_ACL, "server", "cluster", "sentinel"}
    assert r.owner in {"commands", "exec", "script", "server"}
    assert not r.keys_fn or r.keys_fn in FUNCTIONS
    assert bool(r.deprecated) == bool(r.replaced_by)
    assert bool(r.acl & Acl.FAST) != bool(r.acl & Acl.SLOW)
    assert all(re.fullmatch(r"nondeterministic_output(_order)?|(request|response)_policy:[a-z_]+", tip)
               for tip in r.tips)
    for k in r.keys:
        mode = k.flags & MODES
        assert bool(k.flags & KeyFlag.NOT_KEY) != (mode in (KeyFlag.RO, KeyFlag.RW, KeyFlag.OW, KeyFlag.RM))
        assert (k.begin == "unknown") == (k.find == "unknown")
        assert (k.begin == "keyword") == bool(k.word) and k.word == k.word.upper()
        assert k.at != 0 or k.begin == "unknown"
        if k.find == "range":
            assert k.nums[1] >= 1 and k.nums[2] >= 0
        elif k.find == "keynum":
            assert k.nums[1] > k.nums[0] >= 0 and k.nums[2] >= 1
        if k.flags & (KeyFlag.INCOMPLETE | KeyFlag.VARIABLE_FLAGS) or k.begin == "unknown":
            assert r.keys_fn


def test_writes_say_so_in_their_key_specs() -> None:
    """A read-only command touches keys read-only (PFCOUNT's cache aside); a write has a key that it changes
    (XREADGROUP changes only the group)."""
    for r in ROWS:
        changed = any(k.flags & (KeyFlag.RW | KeyFlag.OW | KeyFlag.RM) for k in r.keys)
        if r.flags & Flag.READONLY:
            assert not changed or r.name == "PFCOUNT", r.name
        elif r.flags & Flag.WRITE and r.keys:
            assert changed or r.name == "XREADGROUP", r.name


def test_reported_flags_are_the_lowest_bits() -> None:
    assert [int(f) for f in Flag] == [1 << i for i in range(len(Flag))]
    assert table.REPORTED_FLAGS == sum(f for f in Flag if f <= Flag.ALLOW_BUSY)
    assert [int(c) for c in Acl] == [1 << i for i in range(len(Acl))]


def test_derived_columns() -> None:
    by_name = rows_by_name()
    assert legacy_range(by_name["GET"]) == (1, 1, 1)
    assert legacy_range(by_name["MSET"]) == (1, -1, 2)
    assert legacy_range(by_name["BITOP"]) == (2, -1, 1)
    assert legacy_range(by_name["BLMOVE"]) == (1, 2, 1)
    assert legacy_range(by_name["XREAD"]) == (0, 0, 0)
    assert "movablekeys" in flag_names(by_name["MIGRATE"]) and "movablekeys" not in flag_names(by_name["SET"])
    assert acl_names(by_name["SORT_RO"].acl) == ["read", "set", "sortedset", "list", "slow", "dangerous"]
    assert acl_names(by_name["EVAL_RO"].acl) == ["slow", "scripting"]
    assert flag_names(by_name["PUBLISH"]) == ["pubsub", "loading", "stale", "fast"]


def test_find() -> None:
    by_name = rows_by_name()
    assert find("config", "Get") is by_name["CONFIG|GET"]
    assert find("get", "x") is by_name["GET"]
    assert find("config") is by_name["CONFIG"]
    assert find("config", "nope") is None and find("nope") is None


def test_the_table_imports_nothing_but_the_standard_library() -> None:
    tree = ast.parse(Path(table.__file__).read_text("utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules == {"__future__", "dataclasses", "enum", "functools"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]


# ---------------------------------------------------------------- the model of key extraction

@pytest.mark.parametrize("request_, keys", [
    ("GET a", "a:RO ACCESS"), ("MGET a b c", "a:RO ACCESS,b:RO ACCESS,c:RO ACCESS"),
    ("MSET a 1 b 2", "a:OW UPDATE,b:OW UPDATE"), ("SET a 1", "a:OW UPDATE"), ("SET a 1 GET", "a:RW ACCESS UPDATE"),
    ("XREAD COUNT 2 STREAMS a b 0 0", "a:RO ACCESS,b:RO ACCESS"), ("EVAL x 0 a", ""),
    ("EVAL x 1 a b", "a:RW ACCESS UPDATE"), ("ZUNIONSTORE d 2 a b WEIGHTS 1 2", "d:OW UPDATE,a:RO ACCESS,b:RO ACCESS"),
    ("SORT a BY STORE STORE d", "a:RO ACCESS,d:OW UPDATE"), ("BLPOP a b 0", "a:RW ACCESS DELETE,b:RW ACCESS DELETE"),
    ("GEORADIUS a 1 2 3 m STORE d", "a:RO ACCESS,d:OW UPDATE"), ("OBJECT ENCODING a", "a:RO"),
    ("BITFIELD a GET u8 0", "a:RO ACCESS"), ("BITFIELD a SET u8 0 1", "a:RW ACCESS UPDATE"),
])
def test_keys_model(request_: str, keys: str) -> None:
    argv = request_.split()
    row = find(*argv[:2])
    assert row is not None
    found = keys_of(row, argv)
    assert found is not None
    assert ",".join(f"{key}:{' '.join(f.name for f in KeyFlag if flags & f)}" for key, flags in found) == keys


def test_keys_model_refuses_what_does_not_fit() -> None:
    by_name = rows_by_name()
    assert keys_of(by_name["ZUNION"], ["ZUNION", "3", "a", "b"]) is None
    assert keys_of(by_name["LMPOP"], ["LMPOP", "x", "a", "LEFT"]) is None
    assert keys_of(by_name["XREAD"], ["XREAD", "COUNT", "1", "a"]) is None


# ---------------------------------------------------------------- documentation

def test_every_row_is_documented_and_nothing_else() -> None:
    assert set(load_docs()) == set(rows_by_name())


def test_docs_file_is_sorted_one_command_a_line() -> None:
    text = Path(docs_module.__file__).with_name("docs.json").read_text("utf-8")
    docs = json.loads(text)
    lines = [json.dumps(name) + ": " + json.dumps(docs[name], sort_keys=True, ensure_ascii=False)
             for name in sorted(docs)]
    assert text == "{\n" + ",\n".join(lines) + "\n}\n"


def arguments(args: list[Any]) -> Iterator[Any]:
    for arg in args:
        yield arg
        yield from arguments(arg.get("arguments", []))


@pytest.mark.parametrize("r", ROWS, ids=lambda r: r.name)
def test_doc_fits_its_row(r: Row) -> None:
    doc = load_docs()[r.name]
    assert set(doc) <= {"summary", "complexity", "history", "args"}
    assert 10 <= len(doc["summary"]) <= 120 and not doc["summary"].endswith(".")
    versions = [tuple(map(int, version.split("."))) for version, _ in doc.get("history", [])]
    assert versions == sorted(versions)
    args = list(arguments(parse_syntax(doc.get("args", ""))))
    specs = {arg["key_spec_index"] for arg in args if "key_spec_index" in arg}
    real = {i for i, k in enumerate(r.keys) if not k.flags & KeyFlag.NOT_KEY}
    assert specs == real
    # Words that must be there are counted by the arity.
    if r.arity > 0:
        assert not any("optional" in arg.get("flags", ()) for arg in args)


def test_syntax_trees() -> None:
    assert parse_syntax("key@0 [EX seconds:i{2.6.12}]") == [
        {"name": "key", "type": "key", "display_text": "key", "key_spec_index": 0},
        {"name": "seconds", "type": "integer", "display_text": "seconds", "token": "EX", "since": "2.6.12",
         "flags": ["optional"]}]
    (one,) = parse_syntax("[op=<equal='='|CH|b=(N n~shown+)>{!7.0.0}++]")
    assert one["type"] == "oneof" and one["flags"] == ["optional", "multiple", "multiple_token"]
    assert one["deprecated_since"] == "7.0.0"
    assert [sub["type"] for sub in one["arguments"]] == ["pure-token", "pure-token", "block"]
    assert one["arguments"][0] == {"name": "equal", "type": "pure-token", "token": "=", "display_text": "equal"}
    assert one["arguments"][2]["arguments"][0]["display_text"] == "shown"
    assert [arg["type"] for arg in parse_syntax("NODE, node-id NODE node-id")] == ["pure-token", "string", "string"]


@pytest.mark.parametrize("text", ["[a", "a=", "<a|b>", "a=<b", "a)", "a:x y", "X=", "a@"])
def test_bad_syntax_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_syntax(text)


def test_usage() -> None:
    assert usage(parse_syntax(load_docs()["LPOS"]["args"])) == \
        "<key> <element> [RANK <rank>] [COUNT <num-matches>] [MAXLEN <len>]"
    assert usage(parse_syntax("mode=<A|B> [P p++] [c=<X|Y>] k+")) == "(A | B) [P <p> [P <p> ...]] [X | Y] <k> [<k> ...]"


def test_docs_reply_order() -> None:
    reply = docs_reply("rpoplpush")
    assert reply is not None
    assert [key for key, _ in reply] == [b"summary", b"since", b"group", b"complexity", b"doc_flags",
                                         b"deprecated_since", b"replaced_by", b"arguments"]
    assert dict(reply)[b"doc_flags"] == Set([Status(b"deprecated")])
    acl = docs_reply("ACL")
    assert acl is not None and dict(acl)[b"subcommands"][0][0] == b"acl|cat"
    assert docs_reply("nope") is None


# ---------------------------------------------------------------- COMMAND

def small() -> Catalog:
    names = ["GET", "SORT", "XREAD", "CONFIG|GET", "CONFIG|HELP", "GEOADD"]
    return Catalog([rows_by_name()[name] for name in names], modules={"GEOADD": "globe"})


def test_count_and_info_see_only_bound_rows() -> None:
    catalog = small()
    assert catalog.count() == 5
    assert catalog.info([b"set", b"config|set", b"get|x"]) == [None, None, None]
    reply: Any = catalog.info([b"Get"])
    assert reply[0][:6] == [b"get", 2, [b"readonly", b"fast"], 1, 1, 1]
    config: Any = catalog.info([b"CONFIG"])
    assert [sub[0] for sub in config[0][9]] == [b"config|get", b"config|help"]
    assert catalog.info([]) == catalog.command()


def test_info_types() -> None:
    entry: Any = small().info([b"xread"])
    assert [type(part) for part in entry[0]] == [bytes, int, Set, int, int, int, Set, Set, Set, Set]
    assert type(entry[0][2][0]) is Status and type(entry[0][6][0]) is Status
    assert entry[0][8] == [Map([
        (b"flags", [b"RO", b"access"]),
        (b"begin_search", [(b"type", b"keyword"), (b"spec", [(b"keyword", b"STREAMS"), (b"startfrom", 1)])]),
        (b"find_keys", [(b"type", b"range"), (b"spec", [(b"lastkey", -1), (b"keystep", 1), (b"limit", 2)])])])]


def test_list_filters() -> None:
    catalog = small()
    everything = [b"get", b"sort", b"xread", b"config|get", b"config|help", b"geoadd", b"config"]
    assert catalog.names([], glob) == everything
    assert catalog.names([b"filterby", b"aclcat", b"GEO"], glob) == [b"geoadd"]
    assert catalog.names([b"FILTERBY", b"ACLCAT", b"@geo"], glob) == []
    assert catalog.names([b"FILTERBY", b"PATTERN", b"CONFIG|*"], glob) == [b"config|get", b"config|help"]
    assert catalog.names([b"FILTERBY", b"MODULE", b"GLOBE"], glob) == [b"geoadd"]
    assert catalog.names([b"FILTERBY", b"MODULE", b""], glob) == []
    for args in ([b"X"], [b"FILTERBY", b"ACLCAT"], [b"FILTERBY", b"X", b"Y"], [b"FILTERBY", b"PATTERN", b"a", b"b"]):
        with pytest.raises(ValueError):
            catalog.names(args, glob)


def test_docs_of_a_module_command() -> None:
    reply: Any = small().docs([b"GEOADD", b"nope"])
    assert [name for name, _ in reply] == [b"geoadd"]
    assert dict(reply[0][1])[b"module"] == b"globe"


def test_help_lists_visible_subcommands_with_help_last() -> None:
    lines: Any = small().help("config")
    assert lines[0] == b"CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    assert lines[1] == b"GET <parameter> [<parameter> ...]" and lines[2].startswith(b"    ")
    assert lines[-2] == b"HELP" and all(type(line) is Status for line in lines)
    assert len(lines) == 5
    assert b"(no subcommand)" in Catalog(ROWS).help("COMMAND")


# ---------------------------------------------------------------- real servers

# Where the table differs on purpose: {server: {reason: "command:field ..."}}. A field is arity, flags, range, acl,
# tips, keys or args.
KNOWN = {
    "redis 7.0": {
        "blocking inside scripts was refused until 7.2": "wait:flags blpop:flags brpop:flags blmove:flags "
        "brpoplpush:flags bzpopmin:flags bzpopmax:flags",
        "WAIT joined @blocking later": "wait:acl",
        "WITHSCORE came in 7.2": "zrank:arity zrevrank:arity",
        "a command without arguments has keys to ask for since 7.2": "command|getkeys:arity "
        "command|getkeysandflags:arity",
        "allowed while loading since 7.2": "cluster|slots:flags cluster|shards:flags",
        "tips were completed later": "acl|setuser:tips acl|save:tips acl|deluser:tips randomkey:tips "
        "latency|reset:tips config|resetstat:tips config|rewrite:tips scan:tips msetnx:tips client|setname:tips",
        "overwrites since 7.2": "sinterstore:keys",
    },
    "valkey 9.1": {
        "named skip_commandlog there": "exec:flags",
        "Valkey refuses transactions in transactions by a flag": "watch:flags multi:flags client|reply:flags",
        "Valkey allows more while a script is busy": "select:flags client|no-touch:flags client|setinfo:flags "
        "client|getname:flags client|id:flags client|setname:flags client|no-evict:flags client|caching:flags "
        "client|getredir:flags",
        "Valkey allows more while loading or stale": "cluster|myid:flags cluster|myshardid:flags cluster|info:flags "
        "cluster|nodes:flags memory|malloc-stats:flags memory|purge:flags script|exists:flags script|flush:flags",
        "Valkey: CLUSTER REPLICATE NO ONE, SCRIPT DEBUG with an engine": "cluster|replicate:arity "
        "script|debug:arity cluster|replicate:args script|debug:args",
        "Valkey gives no tip": "httl:tips hpttl:tips",
        "another view of what HSETEX does": "hsetex:keys",
        "Valkey's GEORADIUS has variable flags and uses the last STORE": "georadius:keys georadiusbymember:keys",
        "Valkey names the arguments of field expiry otherwise": "httl:args hpttl:args hgetex:args hgetdel:args "
        "hsetex:args hpexpire:args hpexpireat:args hexpireat:args hpexpiretime:args hexpiretime:args hpersist:args",
        "options of one of the two": "xtrim:args xadd:args zscan:args geosearch:args geosearchstore:args shutdown:args "
        "bitcount:args set:args client|kill:args client|list:args cluster|setslot:args bitop:args bgsave:args",
    },
}


SERVERS: list[str | None] = [*installed()] or [None]


@pytest.fixture(scope="module", params=SERVERS, ids=lambda path: Path(path).name if path else "none")
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    if request.param is None:
        pytest.skip("no real server is installed")
    with running(request.param, tmp_path_factory.mktemp("real")) as connection:
        yield connection


def flatten(entries: Any) -> dict[str, Any]:
    """COMMAND's entries with their subcommands' by name, without what modules brought."""
    found = {}
    for entry in entries:
        if b"module" not in entry[2]:
            found[entry[0].decode()] = entry
            found.update(flatten(entry[9]))
    return found


def facts(entry: Any) -> dict[str, Any]:
    """A COMMAND INFO entry's fields, ready to be compared: no order where there is none, no notes."""
    specs = []
    for spec in entry[8]:
        spec = dict(spec)
        specs.append((sorted(spec[b"flags"]), spec[b"begin_search"], spec[b"find_keys"]))
    return {"arity": entry[1], "flags": sorted(entry[2]), "range": entry[3:6], "acl": sorted(entry[6]),
            "tips": entry[7], "keys": specs}


def known_differences(server: str) -> set[str]:
    return {word for words in KNOWN.get(server, {}).values() for word in words.split()}


@pytest.mark.compat
def test_rows_equal_command_info(real: Connection) -> None:
    server = product(real)
    theirs, ours = flatten(real("COMMAND")), flatten(Catalog(ROWS).command())
    differing = {}
    for name in sorted(theirs.keys() & ours.keys()):
        a, b = facts(ours[name]), facts(theirs[name])
        differing.update({f"{name}:{field}": (a[field], b[field]) for field in a if a[field] != b[field]})
    unexpected = {key: value for key, value in differing.items() if key not in known_differences(server)}
    assert not unexpected
    assert len(theirs.keys() & ours.keys()) > 350
    assert not theirs.keys() - ours.keys()


@pytest.mark.compat
def test_known_differences_are_still_real(real: Connection) -> None:
    server = product(real)
    theirs, ours = flatten(real("COMMAND")), flatten(Catalog(ROWS).command())
    for word in known_differences(server):
        name, field = word.split(":")
        if field != "args":
            assert facts(ours[name])[field] != facts(theirs[name])[field], word


@pytest.mark.compat
def test_info_has_the_types_of_a_real_reply(real: Connection) -> None:
    def types(x: Any) -> Any:
        if isinstance(x, Map):
            return Map, [(key, types(value)) for key, value in x if key != b"notes"]
        if isinstance(x, list):
            return type(x), [types(item) for item in x]
        return type(x)

    server = product(real)
    for name in ("get", "sort", "xread", "eval", "migrate", "dbsize", "config|get"):
        theirs: Any = real("COMMAND", "INFO", name)
        ours: Any = Catalog(ROWS).info([name.encode()])
        until = 9 if server.startswith("valkey") else 10            # there the subcommands are an array
        if name in ("migrate",) and server == "redis 7.0":
            continue                                                # tips differ in number
        assert types(ours[0][:until]) == types(theirs[0][:until]), name


@pytest.mark.compat
def test_argument_trees_equal_command_docs(real: Connection) -> None:
    """Of 8.2, and of Valkey where it did not go its own way; earlier servers show no display_text."""
    server = product(real)
    if server not in ("redis 8.2", "valkey 9.1"):
        pytest.skip("another version of the syntax")

    def collect(docs: Any) -> Iterator[tuple[str, Any]]:
        for name, doc in docs:
            fields = dict(doc)
            if fields[b"group"] != b"module":
                yield name.decode(), fields
                yield from collect(fields.get(b"subcommands", []))

    ours = dict(collect(Catalog(ROWS).docs([])))
    differing = set()
    for name, doc in collect(real("COMMAND", "DOCS")):
        for field in (b"since", b"group", b"doc_flags", b"deprecated_since"):
            if server == "redis 8.2":                               # Valkey took some deprecations back
                assert ours[name].get(field) == doc.get(field), (name, field)
        if ours[name].get(b"arguments") != doc.get(b"arguments"):
            differing.add(name + ":args")
    assert differing == {word for word in known_differences(server) if word.endswith(":args")}


WORDS = {
    "SORT": "STORE LIMIT GET BY ALPHA d 1", "SORT_RO": "STORE LIMIT GET BY d 1", "SET": "GET EX 1 NX",
    "MIGRATE": "KEYS AUTH AUTH2 COPY k REPLACE", "BITFIELD": "GET SET INCRBY OVERFLOW WRAP u8 0",
    "XREAD": "STREAMS a COUNT 1", "GEORADIUS": "STORE STOREDIST d e COUNT 1",
    "GEORADIUSBYMEMBER": "STORE STOREDIST d e COUNT 1",
}


def some_request(r: Row, rnd: random.Random) -> list[str]:
    """A request of fitting arity, its words mostly senseless, its number of keys mostly sensible."""
    argv = r.name.split("|")
    words = WORDS.get(r.name, "a b c 0 1 2 3 -1 STORE GET KEYS x").split()
    more = rnd.choice((0, 0, 1, 2, 3, 4, 6, 9)) if r.arity < 0 else 0
    argv += [rnd.choice(words) for _ in range(abs(r.arity) - len(argv) + more)]
    for k in r.keys:
        if k.find == "keynum" and k.at + k.nums[0] < len(argv) and rnd.random() < 0.7:
            argv[k.at + k.nums[0]] = str(rnd.randint(0, 4))
    if r.name == "XREADGROUP":
        argv[1:4] = ["GROUP", "g", "c"]                 # elsewhere the server finds keys in malformed requests
    return argv


@pytest.mark.compat
def test_keys_model_equals_getkeys(real: Connection) -> None:
    """Key specs and keys_fn together find what COMMAND GETKEYSANDFLAGS finds."""
    rnd = random.Random(8)
    known = known_differences(product(real))
    listed: Any = real("COMMAND", "LIST")
    for r in ROWS:
        name = r.name.lower()
        if not r.keys or name.encode() not in listed or {name + ":keys", name + ":arity"} & known:
            continue
        for _ in range(60 if r.keys_fn or r.flags & Flag.MOVABLEKEYS else 3):
            argv = some_request(r, rnd)
            reply: Any = real("COMMAND", "GETKEYSANDFLAGS", *argv)
            theirs = None if isinstance(reply, Exception) else [(key.decode(), {f.upper() for f in flags})
                                                                for key, flags in reply]
            found = keys_of(r, argv)
            ours = None if found is None else [
                (key, {f.name.encode() for f in KeyFlag if flags & f and f < KeyFlag.NOT_KEY}) for key, flags in found]
            assert ours == theirs, argv
