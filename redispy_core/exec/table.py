"""The one table of commands: what is known of a command before its body runs.

Room exec; read by exec/registry, which copies the rows into C and binds bodies to them. A row without a bound body is
invisible to clients, so every row may stand here from the first day; `owner` names the room in which the body lives.
A row holds facts that a client can read back with COMMAND INFO (arity, flags, ACL categories, key specs, tips) and a
few that it cannot see but can observe (MAY_REPLICATE, PROTECTED, SENTINEL ...). The prose stands in docs.json.

Layout: a row is one call `row(name, arity, flags, group, since, *keys, ...)`, sorted by name within its group.
Arity counts the command's name (CONFIG GET: both words); negative means "at least".
Derived, hence never written in a row: MOVABLEKEYS and the first/last/step triple (from the key specs), the ACL
categories that follow from flags and group (`acl_mask`).

Where Redis and Valkey differ, Redis 7.4 and later decide; rows marked `valkey=True` are Valkey's additions.
Checked against running servers by tests/engine/test_table.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cache


class Flag(IntEnum):
    """Flags of a command. Bits in the order of COMMAND INFO's list; exec/registry.pxd mirrors the values."""
    WRITE = 1 << 0                      # may change the keyspace
    READONLY = 1 << 1                   # reads keys, changes none
    DENYOOM = 1 << 2                    # refused while used memory is above maxmemory
    MODULE = 1 << 3                     # bound by a module
    ADMIN = 1 << 4
    PUBSUB = 1 << 5
    NOSCRIPT = 1 << 6                   # refused in scripts
    BLOCKING = 1 << 7                   # may block the client
    LOADING = 1 << 8                    # allowed while a data set loads
    STALE = 1 << 9                      # allowed on a replica whose link is down and that serves no stale data
    SKIP_MONITOR = 1 << 10              # not fed to MONITOR by call(); the body feeds it
    SKIP_SLOWLOG = 1 << 11
    ASKING = 1 << 12                    # acts as if ASKING had been sent before it
    FAST = 1 << 13                      # O(1) or O(log N)
    NO_AUTH = 1 << 14                   # allowed before authentication
    NO_MANDATORY_KEYS = 1 << 15         # COMMAND GETKEYS may find none
    NO_ASYNC_LOADING = 1 << 16          # refused while a replica loads beside its old data set
    NO_MULTI = 1 << 17                  # refused in MULTI
    MOVABLEKEYS = 1 << 18               # derived: key specs beyond index + range
    ALLOW_BUSY = 1 << 19                # allowed while a script or function overruns its time
    # Below: never reported by COMMAND INFO.
    MAY_REPLICATE = 1 << 20             # not a write, yet may be propagated: waits for CLIENT PAUSE WRITE
    TOUCHES_ARBITRARY_KEYS = 1 << 21    # may delete expired keys of any slot: their DELs are not wrapped in MULTI
    PROTECTED = 1 << 22                 # gated by enable-debug-command or enable-module-command
    SENTINEL = 1 << 23                  # also served by a sentinel
    ONLY_SENTINEL = 1 << 24             # served by a sentinel alone
    EXPERIMENTAL = 1 << 25
    RUNS_SCRIPT = 1 << 26               # the script's own flags decide what may refuse it


class KeyFlag(IntEnum):
    """Flags of a key spec: what happens to the keys that it finds. Bits in the order of COMMAND INFO's list."""
    RO = 1 << 0                         # one of RO RW OW RM: reads the value or its metadata
    RW = 1 << 1                         # reads and modifies
    OW = 1 << 2                         # overwrites whatever stood there
    RM = 1 << 3                         # deletes
    ACCESS = 1 << 4                     # returns, copies or uses user data of the value
    UPDATE = 1 << 5                     # changes user data, perhaps from what stood there
    INSERT = 1 << 6                     # adds data, changes and deletes none
    DELETE = 1 << 7                     # deletes data, changes none
    NOT_KEY = 1 << 8                    # routed like a key, but is none (shard channels)
    INCOMPLETE = 1 << 9                 # the spec may miss keys
    VARIABLE_FLAGS = 1 << 10            # the arguments decide the flags: keys_fn knows them


class Acl(IntEnum):
    """ACL categories, in the order of ACL CAT."""
    KEYSPACE = 1 << 0
    READ = 1 << 1
    WRITE = 1 << 2
    SET = 1 << 3
    SORTEDSET = 1 << 4
    LIST = 1 << 5
    HASH = 1 << 6
    STRING = 1 << 7
    BITMAP = 1 << 8
    HYPERLOGLOG = 1 << 9
    GEO = 1 << 10
    STREAM = 1 << 11
    PUBSUB = 1 << 12
    ADMIN = 1 << 13
    FAST = 1 << 14
    SLOW = 1 << 15
    BLOCKING = 1 << 16
    DANGEROUS = 1 << 17
    CONNECTION = 1 << 18
    TRANSACTION = 1 << 19
    SCRIPTING = 1 << 20


REPORTED_FLAGS = (1 << 20) - 1          # the bits of Flag that COMMAND INFO shows

# The category that a group's commands carry; groups without one are absent.
GROUP_ACL = {
    "string": Acl.STRING, "bitmap": Acl.BITMAP, "hyperloglog": Acl.HYPERLOGLOG, "list": Acl.LIST, "set": Acl.SET,
    "sorted_set": Acl.SORTEDSET, "geo": Acl.GEO, "hash": Acl.HASH, "stream": Acl.STREAM, "generic": Acl.KEYSPACE,
    "connection": Acl.CONNECTION, "pubsub": Acl.PUBSUB, "transactions": Acl.TRANSACTION, "scripting": Acl.SCRIPTING,
}


@dataclass(frozen=True, slots=True)
class Keys:
    """One key spec: where keys begin, how many follow, what happens to them."""
    flags: int                          # KeyFlag mask
    begin: str                          # "index" | "keyword" | "unknown"
    at: int                             # index: position in argv; keyword: where its search begins (< 0: from the end)
    word: str                           # keyword: compared without case; else ""
    find: str                           # "range" | "keynum" | "unknown"
    nums: tuple[int, int, int]          # range: last (relative; < 0: from the end), step, limit (divides what is left
                                        # if last is -1); keynum: position of the count, first key (both relative), step
    note: str                           # shown by COMMAND INFO; "" for none


@dataclass(frozen=True, slots=True)
class Row:
    """One command or subcommand."""
    name: str                           # upper case; a subcommand is "CONFIG|GET"
    arity: int                          # words with the name; negative: at least
    flags: int                          # Flag mask
    group: str                          # a key of GROUP_ACL, or server, cluster, sentinel
    since: str                          # the Redis (or Valkey) version that brought it
    keys: tuple[Keys, ...]
    acl: int                            # Acl mask, complete
    tips: tuple[str, ...]
    owner: str                          # room of the body: commands, exec, script or server
    keys_fn: str                        # extractor for what key specs cannot tell; "" where they suffice
    deprecated: str                     # version, or ""
    replaced_by: str                    # shown by COMMAND DOCS, or ""
    syscmd: bool                        # meant for servers and tests, not for users
    valkey: bool                        # not in Redis


W, R = Flag.WRITE, Flag.READONLY
DENYOOM, ADMIN, PUBSUB, NOSCRIPT, BLOCKING = Flag.DENYOOM, Flag.ADMIN, Flag.PUBSUB, Flag.NOSCRIPT, Flag.BLOCKING
LOADING, STALE, ASKING, FAST, NO_AUTH = Flag.LOADING, Flag.STALE, Flag.ASKING, Flag.FAST, Flag.NO_AUTH
SKIP_MONITOR, SKIP_SLOWLOG, NO_MULTI, ALLOW_BUSY = Flag.SKIP_MONITOR, Flag.SKIP_SLOWLOG, Flag.NO_MULTI, Flag.ALLOW_BUSY
NO_MANDATORY_KEYS, NO_ASYNC_LOADING = Flag.NO_MANDATORY_KEYS, Flag.NO_ASYNC_LOADING
MAY_REPLICATE, TOUCHES_ARBITRARY_KEYS = Flag.MAY_REPLICATE, Flag.TOUCHES_ARBITRARY_KEYS
PROTECTED, SENTINEL, ONLY_SENTINEL = Flag.PROTECTED, Flag.SENTINEL, Flag.ONLY_SENTINEL
EXPERIMENTAL, RUNS_SCRIPT = Flag.EXPERIMENTAL, Flag.RUNS_SCRIPT
LS = LOADING | STALE
NLS = NOSCRIPT | LOADING | STALE

RO, RW, OW, RM = KeyFlag.RO, KeyFlag.RW, KeyFlag.OW, KeyFlag.RM
ACCESS, UPDATE, INSERT, DELETE = KeyFlag.ACCESS, KeyFlag.UPDATE, KeyFlag.INSERT, KeyFlag.DELETE
NOT_KEY, INCOMPLETE, VARIABLE_FLAGS = KeyFlag.NOT_KEY, KeyFlag.INCOMPLETE, KeyFlag.VARIABLE_FLAGS

# Hints for clients, in the order in which the row names them.
NONDET = ("nondeterministic_output",)
NONDET_ORDER = ("nondeterministic_output_order",)
REQ_ALL_NODES = ("request_policy:all_nodes",)
REQ_ALL_SHARDS = ("request_policy:all_shards",)
REQ_MULTI_SHARD = ("request_policy:multi_shard",)
REQ_SPECIAL = ("request_policy:special",)
RESP_ALL_SUCCEEDED = ("response_policy:all_succeeded",)
RESP_ONE_SUCCEEDED = ("response_policy:one_succeeded",)
RESP_LOGICAL_AND = ("response_policy:agg_logical_and",)
RESP_MIN = ("response_policy:agg_min",)
RESP_SUM = ("response_policy:agg_sum",)
RESP_SPECIAL = ("response_policy:special",)


def K(flags: int, at: int = 1, last: int = 0, step: int = 1, limit: int = 0, note: str = "") -> Keys:
    """Keys from position `at` to `last` after it."""
    return Keys(int(flags), "index", at, "", "range", (last, step, limit), note)


def KW(flags: int, word: str, at: int, last: int = 0, step: int = 1, limit: int = 0, note: str = "") -> Keys:
    """Keys after the word `word`, which is looked for from position `at`."""
    return Keys(int(flags), "keyword", at, word, "range", (last, step, limit), note)


def KN(flags: int, at: int, count: int = 0, first: int = 1, step: int = 1, note: str = "") -> Keys:
    """As many keys as the number at `at` + `count` says, from `at` + `first`."""
    return Keys(int(flags), "index", at, "", "keynum", (count, first, step), note)


def KX(flags: int, note: str = "") -> Keys:
    """Keys of which only `keys_fn` knows the place."""
    return Keys(int(flags), "unknown", 0, "", "unknown", (0, 0, 0), note)


def acl_mask(flags: int, group: str, explicit: str | None = None) -> int:
    """Acl mask: what follows from the flags, plus `explicit` (names) or, where that is None, the group's category."""
    if explicit is None:
        mask = GROUP_ACL.get(group, 0)
    else:
        mask = sum(Acl[word.upper()] for word in explicit.split())
    if flags & W:
        mask |= Acl.WRITE
    if flags & R and not mask & Acl.SCRIPTING:
        mask |= Acl.READ
    if flags & ADMIN:
        mask |= Acl.ADMIN | Acl.DANGEROUS
    if flags & PUBSUB:
        mask |= Acl.PUBSUB
    if flags & BLOCKING:
        mask |= Acl.BLOCKING
    mask |= Acl.FAST if flags & FAST else Acl.SLOW
    return int(mask)


def keys_move(keys: tuple[Keys, ...]) -> bool:
    """True if first/last/step cannot tell all the keys: COMMAND's "movablekeys"."""
    return any(k.begin != "index" or k.find != "range" or k.flags & INCOMPLETE for k in keys)


def row(name: str, arity: int, flags: int, group: str, since: str, *keys: Keys, acl: str | None = None,
        tips: tuple[str, ...] = (), owner: str = "commands", keys_fn: str = "", deprecated: str = "",
        replaced_by: str = "", syscmd: bool = False, valkey: bool = False) -> Row:
    """A Row, what can be derived filled in. `acl`: categories beyond those of the flags, if not just the group's."""
    if keys_move(keys):
        flags |= Flag.MOVABLEKEYS
    return Row(name, arity, int(flags), group, since, keys, acl_mask(flags, group, acl), tips, owner, keys_fn,
               deprecated, replaced_by, syscmd, valkey)


ROWS: tuple[Row, ...] = (
    # string
    row("APPEND", 3, W | DENYOOM | FAST, "string", "2.0.0", K(RW | INSERT)),
    row("DECR", 2, W | DENYOOM | FAST, "string", "1.0.0", K(RW | ACCESS | UPDATE)),
    row("DECRBY", 3, W | DENYOOM | FAST, "string", "1.0.0", K(RW | ACCESS | UPDATE)),
    row("DELIFEQ", 3, W | FAST, "string", "9.0.0", K(RM | DELETE), valkey=True),
    row("GET", 2, R | FAST, "string", "1.0.0", K(RO | ACCESS)),
    row("GETDEL", 2, W | FAST, "string", "6.2.0", K(RW | ACCESS | DELETE)),
    row("GETEX", -2, W | FAST, "string", "6.2.0", K(RW | ACCESS | UPDATE, note="the expiry changes, hence an update")),
    row("GETRANGE", 4, R, "string", "2.4.0", K(RO | ACCESS)),
    row("GETSET", 3, W | DENYOOM | FAST, "string", "1.0.0", K(RW | ACCESS | UPDATE), deprecated="6.2.0",
        replaced_by="`SET` with `GET`"),
    row("INCR", 2, W | DENYOOM | FAST, "string", "1.0.0", K(RW | ACCESS | UPDATE)),
    row("INCRBY", 3, W | DENYOOM | FAST, "string", "1.0.0", K(RW | ACCESS | UPDATE)),
    row("INCRBYFLOAT", 3, W | DENYOOM | FAST, "string", "2.6.0", K(RW | ACCESS | UPDATE)),
    row("LCS", -3, R, "string", "7.0.0", K(RO | ACCESS, 1, 1)),
    row("MGET", -2, R | FAST, "string", "1.0.0", K(RO | ACCESS, 1, -1), tips=REQ_MULTI_SHARD),
    row("MSET", -3, W | DENYOOM, "string", "1.0.1", K(OW | UPDATE, 1, -1, 2),
        tips=REQ_MULTI_SHARD + RESP_ALL_SUCCEEDED),
    row("MSETEX", -4, W | DENYOOM, "string", "9.1.0", KN(OW | UPDATE, 1, 0, 1, 2),
        tips=REQ_MULTI_SHARD + RESP_ALL_SUCCEEDED, valkey=True),
    row("MSETNX", -3, W | DENYOOM, "string", "1.0.1", K(OW | INSERT, 1, -1, 2)),
    row("PSETEX", 4, W | DENYOOM, "string", "2.6.0", K(OW | UPDATE), deprecated="2.6.12",
        replaced_by="`SET` with `PX`"),
    row("SET", -3, W | DENYOOM, "string", "1.0.0",
        K(RW | ACCESS | UPDATE | VARIABLE_FLAGS, note="with GET the old value is read too"), keys_fn="set"),
    row("SETEX", 4, W | DENYOOM, "string", "2.0.0", K(OW | UPDATE), deprecated="2.6.12", replaced_by="`SET` with `EX`"),
    row("SETNX", 3, W | DENYOOM | FAST, "string", "1.0.0", K(OW | INSERT), deprecated="2.6.12",
        replaced_by="`SET` with `NX`"),
    row("SETRANGE", 4, W | DENYOOM, "string", "2.2.0", K(RW | UPDATE)),
    row("STRLEN", 2, R | FAST, "string", "2.2.0", K(RO)),
    row("SUBSTR", 4, R, "string", "1.0.0", K(RO | ACCESS), deprecated="2.0.0", replaced_by="`GETRANGE`"),
    # bitmap
    row("BITCOUNT", -2, R, "bitmap", "2.6.0", K(RO | ACCESS)),
    row("BITFIELD", -2, W | DENYOOM, "bitmap", "3.2.0",
        K(RW | ACCESS | UPDATE | VARIABLE_FLAGS, note="reads or writes, by its operations"), keys_fn="bitfield"),
    row("BITFIELD_RO", -2, R | FAST, "bitmap", "6.0.0", K(RO | ACCESS)),
    row("BITOP", -4, W | DENYOOM, "bitmap", "2.6.0", K(OW | UPDATE, 2), K(RO | ACCESS, 3, -1)),
    row("BITPOS", -3, R, "bitmap", "2.8.7", K(RO | ACCESS)),
    row("GETBIT", 3, R | FAST, "bitmap", "2.2.0", K(RO | ACCESS)),
    row("SETBIT", 4, W | DENYOOM, "bitmap", "2.2.0", K(RW | ACCESS | UPDATE)),
    # hyperloglog
    row("PFADD", -2, W | DENYOOM | FAST, "hyperloglog", "2.8.9", K(RW | INSERT)),
    row("PFCOUNT", -2, R | MAY_REPLICATE, "hyperloglog", "2.8.9",
        K(RW | ACCESS, 1, -1, note="may refresh the cached count inside the value")),
    row("PFDEBUG", 3, W | DENYOOM | ADMIN, "hyperloglog", "2.8.9", K(RW | ACCESS, 2), syscmd=True),
    row("PFMERGE", -2, W | DENYOOM, "hyperloglog", "2.8.9", K(RW | ACCESS | INSERT), K(RO | ACCESS, 2, -1)),
    row("PFSELFTEST", 1, ADMIN, "hyperloglog", "2.8.9", syscmd=True),
    # list
    row("BLMOVE", 6, W | DENYOOM | BLOCKING, "list", "6.2.0", K(RW | ACCESS | DELETE), K(RW | INSERT, 2)),
    row("BLMPOP", -5, W | BLOCKING, "list", "7.0.0", KN(RW | ACCESS | DELETE, 2)),
    row("BLPOP", -3, W | BLOCKING, "list", "2.0.0", K(RW | ACCESS | DELETE, 1, -2)),
    row("BRPOP", -3, W | BLOCKING, "list", "2.0.0", K(RW | ACCESS | DELETE, 1, -2)),
    row("BRPOPLPUSH", 4, W | DENYOOM | BLOCKING, "list", "2.2.0", K(RW | ACCESS | DELETE), K(RW | INSERT, 2),
        deprecated="6.2.0", replaced_by="`BLMOVE` with `RIGHT` and `LEFT`"),
    row("LINDEX", 3, R, "list", "1.0.0", K(RO | ACCESS)),
    row("LINSERT", 5, W | DENYOOM, "list", "2.2.0", K(RW | INSERT)),
    row("LLEN", 2, R | FAST, "list", "1.0.0", K(RO)),
    row("LMOVE", 5, W | DENYOOM, "list", "6.2.0", K(RW | ACCESS | DELETE), K(RW | INSERT, 2)),
    row("LMPOP", -4, W, "list", "7.0.0", KN(RW | ACCESS | DELETE, 1)),
    row("LPOP", -2, W | FAST, "list", "1.0.0", K(RW | ACCESS | DELETE)),
    row("LPOS", -3, R, "list", "6.0.6", K(RO | ACCESS)),
    row("LPUSH", -3, W | DENYOOM | FAST, "list", "1.0.0", K(RW | INSERT)),
    row("LPUSHX", -3, W | DENYOOM | FAST, "list", "2.2.0", K(RW | INSERT)),
    row("LRANGE", 4, R, "list", "1.0.0", K(RO | ACCESS)),
    row("LREM", 4, W, "list", "1.0.0", K(RW | DELETE)),
    row("LSET", 4, W | DENYOOM, "list", "1.0.0", K(RW | UPDATE)),
    row("LTRIM", 4, W, "list", "1.0.0", K(RW | DELETE)),
    row("RPOP", -2, W | FAST, "list", "1.0.0", K(RW | ACCESS | DELETE)),
    row("RPOPLPUSH", 3, W | DENYOOM, "list", "1.2.0", K(RW | ACCESS | DELETE), K(RW | INSERT, 2), deprecated="6.2.0",
        replaced_by="`LMOVE` with `RIGHT` and `LEFT`"),
    row("RPUSH", -3, W | DENYOOM | FAST, "list", "1.0.0", K(RW | INSERT)),
    row("RPUSHX", -3, W | DENYOOM | FAST, "list", "2.2.0", K(RW | INSERT)),
    # set
    row("SADD", -3, W | DENYOOM | FAST, "set", "1.0.0", K(RW | INSERT)),
    row("SCARD", 2, R | FAST, "set", "1.0.0", K(RO)),
    row("SDIFF", -2, R, "set", "1.0.0", K(RO | ACCESS, 1, -1), tips=NONDET_ORDER),
    row("SDIFFSTORE", -3, W | DENYOOM, "set", "1.0.0", K(OW | UPDATE), K(RO | ACCESS, 2, -1)),
    row("SINTER", -2, R, "set", "1.0.0", K(RO | ACCESS, 1, -1), tips=NONDET_ORDER),
    row("SINTERCARD", -3, R, "set", "7.0.0", KN(RO | ACCESS, 1)),
    row("SINTERSTORE", -3, W | DENYOOM, "set", "1.0.0", K(OW | UPDATE), K(RO | ACCESS, 2, -1)),
    row("SISMEMBER", 3, R | FAST, "set", "1.0.0", K(RO)),
    row("SMEMBERS", 2, R, "set", "1.0.0", K(RO | ACCESS), tips=NONDET_ORDER),
    row("SMISMEMBER", -3, R | FAST, "set", "6.2.0", K(RO | ACCESS)),
    row("SMOVE", 4, W | FAST, "set", "1.0.0", K(RW | ACCESS | DELETE), K(RW | INSERT, 2)),
    row("SPOP", -2, W | FAST, "set", "1.0.0", K(RW | ACCESS | DELETE), tips=NONDET),
    row("SRANDMEMBER", -2, R, "set", "1.0.0", K(RO | ACCESS), tips=NONDET),
    row("SREM", -3, W | FAST, "set", "1.0.0", K(RW | DELETE)),
    row("SSCAN", -3, R, "set", "2.8.0", K(RO | ACCESS), tips=NONDET),
    row("SUNION", -2, R, "set", "1.0.0", K(RO | ACCESS, 1, -1), tips=NONDET_ORDER),
    row("SUNIONSTORE", -3, W | DENYOOM, "set", "1.0.0", K(OW | UPDATE), K(RO | ACCESS, 2, -1)),
    # sorted set
    row("BZMPOP", -5, W | BLOCKING, "sorted_set", "7.0.0", KN(RW | ACCESS | DELETE, 2)),
    row("BZPOPMAX", -3, W | BLOCKING | FAST, "sorted_set", "5.0.0", K(RW | ACCESS | DELETE, 1, -2)),
    row("BZPOPMIN", -3, W | BLOCKING | FAST, "sorted_set", "5.0.0", K(RW | ACCESS | DELETE, 1, -2)),
    row("ZADD", -4, W | DENYOOM | FAST, "sorted_set", "1.2.0", K(RW | UPDATE)),
    row("ZCARD", 2, R | FAST, "sorted_set", "1.2.0", K(RO)),
    row("ZCOUNT", 4, R | FAST, "sorted_set", "2.0.0", K(RO | ACCESS)),
    row("ZDIFF", -3, R, "sorted_set", "6.2.0", KN(RO | ACCESS, 1)),
    row("ZDIFFSTORE", -4, W | DENYOOM, "sorted_set", "6.2.0", K(OW | UPDATE), KN(RO | ACCESS, 2)),
    row("ZINCRBY", 4, W | DENYOOM | FAST, "sorted_set", "1.2.0", K(RW | ACCESS | UPDATE)),
    row("ZINTER", -3, R, "sorted_set", "6.2.0", KN(RO | ACCESS, 1)),
    row("ZINTERCARD", -3, R, "sorted_set", "7.0.0", KN(RO | ACCESS, 1)),
    row("ZINTERSTORE", -4, W | DENYOOM, "sorted_set", "2.0.0", K(OW | UPDATE), KN(RO | ACCESS, 2)),
    row("ZLEXCOUNT", 4, R | FAST, "sorted_set", "2.8.9", K(RO | ACCESS)),
    row("ZMPOP", -4, W, "sorted_set", "7.0.0", KN(RW | ACCESS | DELETE, 1)),
    row("ZMSCORE", -3, R | FAST, "sorted_set", "6.2.0", K(RO | ACCESS)),
    row("ZPOPMAX", -2, W | FAST, "sorted_set", "5.0.0", K(RW | ACCESS | DELETE)),
    row("ZPOPMIN", -2, W | FAST, "sorted_set", "5.0.0", K(RW | ACCESS | DELETE)),
    row("ZRANDMEMBER", -2, R, "sorted_set", "6.2.0", K(RO | ACCESS), tips=NONDET),
    row("ZRANGE", -4, R, "sorted_set", "1.2.0", K(RO | ACCESS)),
    row("ZRANGEBYLEX", -4, R, "sorted_set", "2.8.9", K(RO | ACCESS), deprecated="6.2.0",
        replaced_by="`ZRANGE` with `BYLEX`"),
    row("ZRANGEBYSCORE", -4, R, "sorted_set", "1.0.5", K(RO | ACCESS), deprecated="6.2.0",
        replaced_by="`ZRANGE` with `BYSCORE`"),
    row("ZRANGESTORE", -5, W | DENYOOM, "sorted_set", "6.2.0", K(OW | UPDATE), K(RO | ACCESS, 2)),
    row("ZRANK", -3, R | FAST, "sorted_set", "2.0.0", K(RO | ACCESS)),
    row("ZREM", -3, W | FAST, "sorted_set", "1.2.0", K(RW | DELETE)),
    row("ZREMRANGEBYLEX", 4, W, "sorted_set", "2.8.9", K(RW | DELETE)),
    row("ZREMRANGEBYRANK", 4, W, "sorted_set", "2.0.0", K(RW | DELETE)),
    row("ZREMRANGEBYSCORE", 4, W, "sorted_set", "1.2.0", K(RW | DELETE)),
    row("ZREVRANGE", -4, R, "sorted_set", "1.2.0", K(RO | ACCESS), deprecated="6.2.0",
        replaced_by="`ZRANGE` with `REV`"),
    row("ZREVRANGEBYLEX", -4, R, "sorted_set", "2.8.9", K(RO | ACCESS), deprecated="6.2.0",
        replaced_by="`ZRANGE` with `REV` and `BYLEX`"),
    row("ZREVRANGEBYSCORE", -4, R, "sorted_set", "2.2.0", K(RO | ACCESS), deprecated="6.2.0",
        replaced_by="`ZRANGE` with `REV` and `BYSCORE`"),
    row("ZREVRANK", -3, R | FAST, "sorted_set", "2.0.0", K(RO | ACCESS)),
    row("ZSCAN", -3, R, "sorted_set", "2.8.0", K(RO | ACCESS), tips=NONDET),
    row("ZSCORE", 3, R | FAST, "sorted_set", "1.2.0", K(RO | ACCESS)),
    row("ZUNION", -3, R, "sorted_set", "6.2.0", KN(RO | ACCESS, 1)),
    row("ZUNIONSTORE", -4, W | DENYOOM, "sorted_set", "2.0.0", K(OW | UPDATE), KN(RO | ACCESS, 2)),
    # geo
    row("GEOADD", -5, W | DENYOOM, "geo", "3.2.0", K(RW | UPDATE)),
    row("GEODIST", -4, R, "geo", "3.2.0", K(RO | ACCESS)),
    row("GEOHASH", -2, R, "geo", "3.2.0", K(RO | ACCESS)),
    row("GEOPOS", -2, R, "geo", "3.2.0", K(RO | ACCESS)),
    row("GEORADIUS", -6, W | DENYOOM, "geo", "3.2.0", K(RO | ACCESS), KW(OW | UPDATE, "STORE", 6),
        KW(OW | UPDATE, "STOREDIST", 6), deprecated="6.2.0",
        replaced_by="`GEOSEARCH` or `GEOSEARCHSTORE` with `BYRADIUS`"),
    row("GEORADIUS_RO", -6, R, "geo", "3.2.10", K(RO | ACCESS), deprecated="6.2.0",
        replaced_by="`GEOSEARCH` with `BYRADIUS`"),
    row("GEORADIUSBYMEMBER", -5, W | DENYOOM, "geo", "3.2.0", K(RO | ACCESS), KW(OW | UPDATE, "STORE", 5),
        KW(OW | UPDATE, "STOREDIST", 5), deprecated="6.2.0",
        replaced_by="`GEOSEARCH` or `GEOSEARCHSTORE` with `BYRADIUS` and `FROMMEMBER`"),
    row("GEORADIUSBYMEMBER_RO", -5, R, "geo", "3.2.10", K(RO | ACCESS), deprecated="6.2.0",
        replaced_by="`GEOSEARCH` with `BYRADIUS` and `FROMMEMBER`"),
    row("GEOSEARCH", -7, R, "geo", "6.2.0", K(RO | ACCESS)),
    row("GEOSEARCHSTORE", -8, W | DENYOOM, "geo", "6.2.0", K(OW | UPDATE), K(RO | ACCESS, 2)),
    # hash
    row("HDEL", -3, W | FAST, "hash", "2.0.0", K(RW | DELETE)),
    row("HEXISTS", 3, R | FAST, "hash", "2.0.0", K(RO)),
    row("HEXPIRE", -6, W | FAST, "hash", "7.4.0", K(RW | UPDATE)),
    row("HEXPIREAT", -6, W | FAST, "hash", "7.4.0", K(RW | UPDATE)),
    row("HEXPIRETIME", -5, R | FAST, "hash", "7.4.0", K(RO | ACCESS)),
    row("HGET", 3, R | FAST, "hash", "2.0.0", K(RO | ACCESS)),
    row("HGETALL", 2, R, "hash", "2.0.0", K(RO | ACCESS), tips=NONDET_ORDER),
    row("HGETDEL", -5, W | FAST, "hash", "8.0.0", K(RW | ACCESS | DELETE)),
    row("HGETEX", -5, W | FAST, "hash", "8.0.0",
        K(RW | ACCESS | UPDATE, note="field expiries change, hence an update")),
    row("HINCRBY", 4, W | DENYOOM | FAST, "hash", "2.0.0", K(RW | ACCESS | UPDATE)),
    row("HINCRBYFLOAT", 4, W | DENYOOM | FAST, "hash", "2.6.0", K(RW | ACCESS | UPDATE)),
    row("HKEYS", 2, R, "hash", "2.0.0", K(RO | ACCESS), tips=NONDET_ORDER),
    row("HLEN", 2, R | FAST, "hash", "2.0.0", K(RO)),
    row("HMGET", -3, R | FAST, "hash", "2.0.0", K(RO | ACCESS)),
    row("HMSET", -4, W | DENYOOM | FAST, "hash", "2.0.0", K(RW | UPDATE), deprecated="4.0.0",
        replaced_by="`HSET`, which takes several fields"),
    row("HPERSIST", -5, W | FAST, "hash", "7.4.0", K(RW | UPDATE)),
    row("HPEXPIRE", -6, W | FAST, "hash", "7.4.0", K(RW | UPDATE)),
    row("HPEXPIREAT", -6, W | FAST, "hash", "7.4.0", K(RW | UPDATE)),
    row("HPEXPIRETIME", -5, R | FAST, "hash", "7.4.0", K(RO | ACCESS)),
    row("HPTTL", -5, R | FAST, "hash", "7.4.0", K(RO | ACCESS), tips=NONDET),
    row("HRANDFIELD", -2, R, "hash", "6.2.0", K(RO | ACCESS), tips=NONDET),
    row("HSCAN", -3, R, "hash", "2.8.0", K(RO | ACCESS), tips=NONDET),
    row("HSET", -4, W | DENYOOM | FAST, "hash", "2.0.0", K(RW | UPDATE)),
    row("HSETEX", -6, W | DENYOOM | FAST, "hash", "8.0.0", K(RW | UPDATE)),
    row("HSETNX", 4, W | DENYOOM | FAST, "hash", "2.0.0", K(RW | INSERT)),
    row("HSTRLEN", 3, R | FAST, "hash", "3.2.0", K(RO)),
    row("HTTL", -5, R | FAST, "hash", "7.4.0", K(RO | ACCESS), tips=NONDET),
    row("HVALS", 2, R, "hash", "2.0.0", K(RO | ACCESS), tips=NONDET_ORDER),
    # stream
    row("XACK", -4, W | FAST, "stream", "5.0.0", K(RW | UPDATE)),
    row("XACKDEL", -6, W | FAST, "stream", "8.2.0", K(RW | UPDATE | DELETE)),
    row("XADD", -5, W | DENYOOM | FAST, "stream", "5.0.0", K(RW | UPDATE, note="update, since it may trim as well"),
        tips=NONDET),
    row("XAUTOCLAIM", -6, W | FAST, "stream", "6.2.0", K(RW | DELETE), tips=NONDET),
    row("XCLAIM", -6, W | FAST, "stream", "5.0.0", K(RW | UPDATE), tips=NONDET),
    row("XDEL", -3, W | FAST, "stream", "5.0.0", K(RW | DELETE)),
    row("XDELEX", -5, W | FAST, "stream", "8.2.0", K(RW | DELETE)),
    row("XGROUP", -2, 0, "stream", "5.0.0", acl=""),
    row("XGROUP|CREATE", -5, W | DENYOOM, "stream", "5.0.0", K(RW | INSERT, 2)),
    row("XGROUP|CREATECONSUMER", 5, W | DENYOOM, "stream", "6.2.0", K(RW | INSERT, 2)),
    row("XGROUP|DELCONSUMER", 5, W, "stream", "5.0.0", K(RW | DELETE, 2)),
    row("XGROUP|DESTROY", 4, W, "stream", "5.0.0", K(RW | DELETE, 2)),
    row("XGROUP|HELP", 2, LS, "stream", "5.0.0"),
    row("XGROUP|SETID", -5, W, "stream", "5.0.0", K(RW | UPDATE, 2)),
    row("XINFO", -2, 0, "stream", "5.0.0", acl=""),
    row("XINFO|CONSUMERS", 4, R, "stream", "5.0.0", K(RO | ACCESS, 2), tips=NONDET),
    row("XINFO|GROUPS", 3, R, "stream", "5.0.0", K(RO | ACCESS, 2)),
    row("XINFO|HELP", 2, LS, "stream", "5.0.0"),
    row("XINFO|STREAM", -3, R, "stream", "5.0.0", K(RO | ACCESS, 2)),
    row("XLEN", 2, R | FAST, "stream", "5.0.0", K(RO)),
    row("XPENDING", -3, R, "stream", "5.0.0", K(RO | ACCESS), tips=NONDET),
    row("XRANGE", -4, R, "stream", "5.0.0", K(RO | ACCESS)),
    row("XREAD", -4, R | BLOCKING, "stream", "5.0.0", KW(RO | ACCESS, "STREAMS", 1, -1, 1, 2)),
    row("XREADGROUP", -7, W | BLOCKING, "stream", "5.0.0", KW(RO | ACCESS, "STREAMS", 4, -1, 1, 2)),
    row("XREVRANGE", -4, R, "stream", "5.0.0", K(RO | ACCESS)),
    row("XSETID", -3, W | DENYOOM | FAST, "stream", "5.0.0", K(RW | UPDATE)),
    row("XTRIM", -4, W, "stream", "5.0.0", K(RW | DELETE), tips=NONDET),
    # generic
    row("COPY", -3, W | DENYOOM, "generic", "6.2.0", K(RO | ACCESS), K(OW | UPDATE, 2)),
    row("DEL", -2, W, "generic", "1.0.0", K(RM | DELETE, 1, -1), tips=REQ_MULTI_SHARD + RESP_SUM),
    row("DUMP", 2, R, "generic", "2.6.0", K(RO | ACCESS), tips=NONDET),
    row("EXISTS", -2, R | FAST, "generic", "1.0.0", K(RO, 1, -1), tips=REQ_MULTI_SHARD + RESP_SUM),
    row("EXPIRE", -3, W | FAST, "generic", "1.0.0", K(RW | UPDATE)),
    row("EXPIREAT", -3, W | FAST, "generic", "1.2.0", K(RW | UPDATE)),
    row("EXPIRETIME", 2, R | FAST, "generic", "7.0.0", K(RO | ACCESS)),
    row("KEYS", 2, R, "generic", "1.0.0", acl="dangerous keyspace", tips=REQ_ALL_SHARDS + NONDET_ORDER),
    row("MIGRATE", -6, W, "generic", "2.6.0", K(RW | ACCESS | DELETE, 3),
        KW(RW | ACCESS | DELETE | INCOMPLETE, "KEYS", -2, -1), acl="dangerous keyspace", tips=NONDET, owner="server",
        keys_fn="migrate"),
    row("MOVE", 3, W | FAST, "generic", "1.0.0", K(RW | ACCESS | UPDATE)),
    row("OBJECT", -2, 0, "generic", "2.2.3", acl=""),
    row("OBJECT|ENCODING", 3, R, "generic", "2.2.3", K(RO, 2), tips=NONDET),
    row("OBJECT|FREQ", 3, R, "generic", "4.0.0", K(RO, 2), tips=NONDET),
    row("OBJECT|HELP", 2, LS, "generic", "6.2.0"),
    row("OBJECT|IDLETIME", 3, R, "generic", "2.2.3", K(RO, 2), tips=NONDET),
    row("OBJECT|REFCOUNT", 3, R, "generic", "2.2.3", K(RO, 2), tips=NONDET),
    row("PERSIST", 2, W | FAST, "generic", "2.2.0", K(RW | UPDATE)),
    row("PEXPIRE", -3, W | FAST, "generic", "2.6.0", K(RW | UPDATE)),
    row("PEXPIREAT", -3, W | FAST, "generic", "2.6.0", K(RW | UPDATE)),
    row("PEXPIRETIME", 2, R | FAST, "generic", "7.0.0", K(RO | ACCESS)),
    row("PTTL", 2, R | FAST, "generic", "2.6.0", K(RO | ACCESS), tips=NONDET),
    row("RANDOMKEY", 1, R | TOUCHES_ARBITRARY_KEYS, "generic", "1.0.0", tips=REQ_ALL_SHARDS + RESP_SPECIAL + NONDET),
    row("RENAME", 3, W, "generic", "1.0.0", K(RW | ACCESS | DELETE), K(OW | UPDATE, 2)),
    row("RENAMENX", 3, W | FAST, "generic", "1.0.0", K(RW | ACCESS | DELETE), K(OW | INSERT, 2)),
    row("RESTORE", -4, W | DENYOOM, "generic", "2.6.0", K(OW | UPDATE), acl="dangerous keyspace"),
    row("SCAN", -2, R | TOUCHES_ARBITRARY_KEYS, "generic", "2.8.0", tips=NONDET + REQ_SPECIAL + RESP_SPECIAL),
    row("SORT", -2, W | DENYOOM, "generic", "1.0.0", K(RO | ACCESS),
        KX(RO | ACCESS, note="keys named by BY and GET come out of the elements"),
        KX(OW | UPDATE, note="STORE may stand anywhere among the options"), acl="dangerous list set sortedset",
        keys_fn="sort"),
    row("SORT_RO", -2, R, "generic", "7.0.0", K(RO | ACCESS),
        KX(RO | ACCESS, note="keys named by BY and GET come out of the elements"), acl="dangerous list set sortedset",
        keys_fn="sort_ro"),
    row("TOUCH", -2, R | FAST, "generic", "3.2.1", K(RO, 1, -1), tips=REQ_MULTI_SHARD + RESP_SUM),
    row("TTL", 2, R | FAST, "generic", "1.0.0", K(RO | ACCESS), tips=NONDET),
    row("TYPE", 2, R | FAST, "generic", "1.0.0", K(RO)),
    row("UNLINK", -2, W | FAST, "generic", "4.0.0", K(RM | DELETE, 1, -1), tips=REQ_MULTI_SHARD + RESP_SUM),
    row("WAIT", 3, BLOCKING, "generic", "3.0.0", acl="connection", tips=REQ_ALL_SHARDS + RESP_MIN, owner="exec"),
    row("WAITAOF", 4, BLOCKING, "generic", "7.2.0", acl="connection", tips=REQ_ALL_SHARDS + RESP_MIN, owner="exec"),
    # connection
    row("AUTH", -2, NLS | FAST | NO_AUTH | ALLOW_BUSY | SENTINEL, "connection", "1.0.0"),
    row("CLIENT", -2, SENTINEL, "connection", "2.4.0", acl=""),
    row("CLIENT|CACHING", 3, NLS | SENTINEL, "connection", "6.0.0", owner="exec"),
    row("CLIENT|CAPA", -3, NLS | ALLOW_BUSY, "connection", "8.0.0", valkey=True),
    row("CLIENT|GETNAME", 2, NLS | SENTINEL, "connection", "2.6.9"),
    row("CLIENT|GETREDIR", 2, NLS | SENTINEL, "connection", "6.0.0", owner="exec"),
    row("CLIENT|HELP", 2, LS | SENTINEL, "connection", "5.0.0"),
    row("CLIENT|ID", 2, NLS | SENTINEL, "connection", "5.0.0"),
    row("CLIENT|IMPORT-SOURCE", 3, NLS, "connection", "8.1.0", valkey=True),
    row("CLIENT|INFO", 2, NLS | SENTINEL, "connection", "6.2.0", tips=NONDET),
    row("CLIENT|KILL", -3, ADMIN | NLS | SENTINEL, "connection", "2.4.0"),
    row("CLIENT|LIST", -2, ADMIN | NLS | SENTINEL, "connection", "2.4.0", tips=NONDET),
    row("CLIENT|NO-EVICT", 3, ADMIN | NLS | SENTINEL, "connection", "7.0.0"),
    row("CLIENT|NO-TOUCH", 3, NLS, "connection", "7.2.0"),
    row("CLIENT|PAUSE", -3, ADMIN | NLS | SENTINEL, "connection", "3.0.0"),
    row("CLIENT|REPLY", 3, NLS | SENTINEL, "connection", "3.2.0"),
    row("CLIENT|SETINFO", 4, NLS | SENTINEL, "connection", "7.2.0", tips=REQ_ALL_NODES + RESP_ALL_SUCCEEDED),
    row("CLIENT|SETNAME", 3, NLS | SENTINEL, "connection", "2.6.9", tips=REQ_ALL_NODES + RESP_ALL_SUCCEEDED),
    row("CLIENT|TRACKING", -3, NLS | SENTINEL, "connection", "6.0.0", owner="exec"),
    row("CLIENT|TRACKINGINFO", 2, NLS | SENTINEL, "connection", "6.2.0", owner="exec"),
    row("CLIENT|UNBLOCK", -3, ADMIN | NLS | SENTINEL, "connection", "5.0.0"),
    row("CLIENT|UNPAUSE", 2, ADMIN | NLS | SENTINEL, "connection", "6.2.0"),
    row("ECHO", 2, LS | FAST, "connection", "1.0.0"),
    row("HELLO", -1, NLS | FAST | NO_AUTH | ALLOW_BUSY | SENTINEL, "connection", "6.0.0"),
    row("PING", -1, FAST | SENTINEL, "connection", "1.0.0", tips=REQ_ALL_SHARDS + RESP_ALL_SUCCEEDED),
    row("QUIT", -1, NLS | FAST | NO_AUTH | ALLOW_BUSY, "connection", "1.0.0", deprecated="7.2.0",
        replaced_by="closing the connection"),
    row("RESET", 1, NLS | FAST | NO_AUTH | ALLOW_BUSY, "connection", "6.2.0"),
    row("SELECT", 2, LS | FAST, "connection", "1.0.0"),
    # pubsub
    row("PSUBSCRIBE", -2, PUBSUB | NLS | SENTINEL, "pubsub", "2.0.0", owner="exec"),
    row("PUBLISH", 3, PUBSUB | LS | FAST | MAY_REPLICATE | SENTINEL, "pubsub", "2.0.0", owner="exec"),
    row("PUBSUB", -2, 0, "pubsub", "2.8.0", acl="", owner="exec"),
    row("PUBSUB|CHANNELS", -2, PUBSUB | LS, "pubsub", "2.8.0", owner="exec"),
    row("PUBSUB|HELP", 2, LS, "pubsub", "6.2.0", acl="", owner="exec"),
    row("PUBSUB|NUMPAT", 2, PUBSUB | LS, "pubsub", "2.8.0", owner="exec"),
    row("PUBSUB|NUMSUB", -2, PUBSUB | LS, "pubsub", "2.8.0", owner="exec"),
    row("PUBSUB|SHARDCHANNELS", -2, PUBSUB | LS, "pubsub", "7.0.0", owner="exec"),
    row("PUBSUB|SHARDNUMSUB", -2, PUBSUB | LS, "pubsub", "7.0.0", owner="exec"),
    row("PUNSUBSCRIBE", -1, PUBSUB | NLS | SENTINEL, "pubsub", "2.0.0", owner="exec"),
    row("SPUBLISH", 3, PUBSUB | LS | FAST | MAY_REPLICATE, "pubsub", "7.0.0", K(NOT_KEY), owner="exec"),
    row("SSUBSCRIBE", -2, PUBSUB | NLS, "pubsub", "7.0.0", K(NOT_KEY, 1, -1), owner="exec"),
    row("SUBSCRIBE", -2, PUBSUB | NLS | SENTINEL, "pubsub", "2.0.0", owner="exec"),
    row("SUNSUBSCRIBE", -1, PUBSUB | NLS, "pubsub", "7.0.0", K(NOT_KEY, 1, -1), owner="exec"),
    row("UNSUBSCRIBE", -1, PUBSUB | NLS | SENTINEL, "pubsub", "2.0.0", owner="exec"),
    # transactions
    row("DISCARD", 1, NLS | FAST | ALLOW_BUSY, "transactions", "2.0.0", owner="exec"),
    row("EXEC", 1, NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG, "transactions", "1.2.0", owner="exec"),
    row("MULTI", 1, NLS | FAST | ALLOW_BUSY, "transactions", "1.2.0", owner="exec"),
    row("UNWATCH", 1, NLS | FAST | ALLOW_BUSY, "transactions", "2.2.0", owner="exec"),
    row("WATCH", -2, NLS | FAST | ALLOW_BUSY, "transactions", "2.2.0", K(RO, 1, -1), owner="exec"),
    # scripting
    row("EVAL", -3, NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | MAY_REPLICATE | RUNS_SCRIPT, "scripting", "2.6.0",
        KN(RW | ACCESS | UPDATE, 2, note="what the script does is unknown: read and write assumed"), owner="script"),
    row("EVAL_RO", -3, R | NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | RUNS_SCRIPT, "scripting", "7.0.0",
        KN(RO | ACCESS, 2, note="what the script reads is unknown: all keys assumed"), owner="script"),
    row("EVALSHA", -3, NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | MAY_REPLICATE | RUNS_SCRIPT, "scripting", "2.6.0",
        KN(RW | ACCESS | UPDATE, 2), owner="script"),
    row("EVALSHA_RO", -3, R | NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | RUNS_SCRIPT, "scripting", "7.0.0",
        KN(RO | ACCESS, 2), owner="script"),
    row("FCALL", -3, NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | MAY_REPLICATE | RUNS_SCRIPT, "scripting", "7.0.0",
        KN(RW | ACCESS | UPDATE, 2, note="what the function does is unknown: read and write assumed"), owner="script"),
    row("FCALL_RO", -3, R | NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | RUNS_SCRIPT, "scripting", "7.0.0",
        KN(RO | ACCESS, 2, note="what the function reads is unknown: all keys assumed"), owner="script"),
    row("FUNCTION", -2, 0, "scripting", "7.0.0", acl="", owner="script"),
    row("FUNCTION|DELETE", 3, W | NOSCRIPT, "scripting", "7.0.0", tips=REQ_ALL_SHARDS + RESP_ALL_SUCCEEDED,
        owner="script"),
    row("FUNCTION|DUMP", 2, NOSCRIPT, "scripting", "7.0.0", owner="script"),
    row("FUNCTION|FLUSH", -2, W | NOSCRIPT, "scripting", "7.0.0", tips=REQ_ALL_SHARDS + RESP_ALL_SUCCEEDED,
        owner="script"),
    row("FUNCTION|HELP", 2, LS, "scripting", "7.0.0", owner="script"),
    row("FUNCTION|KILL", 2, NOSCRIPT | ALLOW_BUSY, "scripting", "7.0.0", tips=REQ_ALL_SHARDS + RESP_ONE_SUCCEEDED,
        owner="script"),
    row("FUNCTION|LIST", -2, NOSCRIPT, "scripting", "7.0.0", tips=NONDET_ORDER, owner="script"),
    row("FUNCTION|LOAD", -3, W | DENYOOM | NOSCRIPT, "scripting", "7.0.0", tips=REQ_ALL_SHARDS + RESP_ALL_SUCCEEDED,
        owner="script"),
    row("FUNCTION|RESTORE", -3, W | DENYOOM | NOSCRIPT, "scripting", "7.0.0", tips=REQ_ALL_SHARDS + RESP_ALL_SUCCEEDED,
        owner="script"),
    row("FUNCTION|STATS", 2, NOSCRIPT | ALLOW_BUSY, "scripting", "7.0.0", tips=NONDET + REQ_ALL_SHARDS + RESP_SPECIAL,
        owner="script"),
    row("SCRIPT", -2, 0, "scripting", "2.6.0", acl="", owner="script"),
    row("SCRIPT|DEBUG", 3, NOSCRIPT, "scripting", "3.2.0", owner="script"),
    row("SCRIPT|EXISTS", -3, NOSCRIPT, "scripting", "2.6.0", tips=REQ_ALL_SHARDS + RESP_LOGICAL_AND, owner="script"),
    row("SCRIPT|FLUSH", -2, NOSCRIPT, "scripting", "2.6.0", tips=REQ_ALL_NODES + RESP_ALL_SUCCEEDED, owner="script"),
    row("SCRIPT|HELP", 2, LS, "scripting", "5.0.0", owner="script"),
    row("SCRIPT|KILL", 2, NOSCRIPT | ALLOW_BUSY, "scripting", "2.6.0", tips=REQ_ALL_SHARDS + RESP_ONE_SUCCEEDED,
        owner="script"),
    row("SCRIPT|LOAD", 3, NOSCRIPT | STALE, "scripting", "2.6.0", tips=REQ_ALL_NODES + RESP_ALL_SUCCEEDED,
        owner="script"),
    row("SCRIPT|SHOW", 3, NOSCRIPT | STALE, "scripting", "8.0.0", owner="script", valkey=True),
    # server
    row("ACL", -2, SENTINEL, "server", "6.0.0", owner="exec"),
    row("ACL|CAT", -2, NLS | SENTINEL, "server", "6.0.0", owner="exec"),
    row("ACL|DELUSER", -3, ADMIN | NLS | SENTINEL, "server", "6.0.0", tips=REQ_ALL_NODES + RESP_ALL_SUCCEEDED,
        owner="exec"),
    row("ACL|DRYRUN", -4, ADMIN | NLS | SENTINEL, "server", "7.0.0", owner="exec"),
    row("ACL|GENPASS", -2, NLS | SENTINEL, "server", "6.0.0", owner="exec"),
    row("ACL|GETUSER", 3, ADMIN | NLS | SENTINEL, "server", "6.0.0", owner="exec"),
    row("ACL|HELP", 2, LS | SENTINEL, "server", "6.0.0", owner="exec"),
    row("ACL|LIST", 2, ADMIN | NLS | SENTINEL, "server", "6.0.0", owner="exec"),
    row("ACL|LOAD", 2, ADMIN | NLS | SENTINEL, "server", "6.0.0", owner="exec"),
    row("ACL|LOG", -2, ADMIN | NLS | SENTINEL, "server", "6.0.0", owner="exec"),
    row("ACL|SAVE", 2, ADMIN | NLS | SENTINEL, "server", "6.0.0", tips=REQ_ALL_NODES + RESP_ALL_SUCCEEDED,
        owner="exec"),
    row("ACL|SETUSER", -3, ADMIN | NLS | SENTINEL, "server", "6.0.0", tips=REQ_ALL_NODES + RESP_ALL_SUCCEEDED,
        owner="exec"),
    row("ACL|USERS", 2, ADMIN | NLS | SENTINEL, "server", "6.0.0", owner="exec"),
    row("ACL|WHOAMI", 2, NLS | SENTINEL, "server", "6.0.0", owner="exec"),
    row("BGREWRITEAOF", 1, ADMIN | NOSCRIPT | NO_ASYNC_LOADING, "server", "1.0.0", owner="server"),
    row("BGSAVE", -1, ADMIN | NOSCRIPT | NO_ASYNC_LOADING, "server", "1.0.0", owner="server"),
    row("COMMAND", -1, LS | SENTINEL, "server", "2.8.13", acl="connection", tips=NONDET_ORDER, owner="exec"),
    row("COMMANDLOG", -2, 0, "server", "8.1.0", owner="exec", valkey=True),
    row("COMMANDLOG|GET", 4, ADMIN | LS, "server", "8.1.0", tips=REQ_ALL_NODES + NONDET, owner="exec", valkey=True),
    row("COMMANDLOG|HELP", 2, LS, "server", "8.1.0", owner="exec", valkey=True),
    row("COMMANDLOG|LEN", 3, ADMIN | LS, "server", "8.1.0", tips=REQ_ALL_NODES + RESP_SUM + NONDET, owner="exec",
        valkey=True),
    row("COMMANDLOG|RESET", 3, ADMIN | LS, "server", "8.1.0", tips=REQ_ALL_NODES + RESP_ALL_SUCCEEDED, owner="exec",
        valkey=True),
    row("COMMAND|COUNT", 2, LS | SENTINEL, "server", "2.8.13", acl="connection", owner="exec"),
    row("COMMAND|DOCS", -2, LS | SENTINEL, "server", "7.0.0", acl="connection", tips=NONDET_ORDER, owner="exec"),
    row("COMMAND|GETKEYS", -3, LS | SENTINEL, "server", "2.8.13", acl="connection", owner="exec"),
    row("COMMAND|GETKEYSANDFLAGS", -3, LS | SENTINEL, "server", "7.0.0", acl="connection", owner="exec"),
    row("COMMAND|HELP", 2, LS | SENTINEL, "server", "5.0.0", acl="connection", owner="exec"),
    row("COMMAND|INFO", -2, LS | SENTINEL, "server", "2.8.13", acl="connection", tips=NONDET_ORDER, owner="exec"),
    row("COMMAND|LIST", -2, LS | SENTINEL, "server", "7.0.0", acl="connection", tips=NONDET_ORDER, owner="exec"),
    row("CONFIG", -2, 0, "server", "2.0.0"),
    row("CONFIG|GET", -3, ADMIN | NLS, "server", "2.0.0"),
    row("CONFIG|HELP", 2, LS, "server", "5.0.0"),
    row("CONFIG|RESETSTAT", 2, ADMIN | NLS, "server", "2.0.0", tips=REQ_ALL_NODES + RESP_ALL_SUCCEEDED),
    row("CONFIG|REWRITE", 2, ADMIN | NLS, "server", "2.8.0", tips=REQ_ALL_NODES + RESP_ALL_SUCCEEDED),
    row("CONFIG|SET", -4, ADMIN | NLS, "server", "2.0.0", tips=REQ_ALL_NODES + RESP_ALL_SUCCEEDED),
    row("DBSIZE", 1, R | FAST, "server", "1.0.0", acl="keyspace", tips=REQ_ALL_SHARDS + RESP_SUM),
    row("DEBUG", -2, ADMIN | NLS | PROTECTED, "server", "1.0.0", syscmd=True),
    row("FAILOVER", -1, ADMIN | NOSCRIPT | STALE, "server", "6.2.0", owner="server"),
    row("FLUSHALL", -1, W, "server", "1.0.0", acl="dangerous keyspace", tips=REQ_ALL_SHARDS + RESP_ALL_SUCCEEDED),
    row("FLUSHDB", -1, W, "server", "1.0.0", acl="dangerous keyspace", tips=REQ_ALL_SHARDS + RESP_ALL_SUCCEEDED),
    row("INFO", -1, LS | SENTINEL, "server", "1.0.0", acl="dangerous", tips=NONDET + REQ_ALL_SHARDS + RESP_SPECIAL),
    row("LASTSAVE", 1, LS | FAST, "server", "1.0.0", acl="admin dangerous", tips=NONDET, owner="server"),
    row("LATENCY", -2, 0, "server", "2.8.13"),
    row("LATENCY|DOCTOR", 2, ADMIN | NLS, "server", "2.8.13", tips=NONDET + REQ_ALL_NODES + RESP_SPECIAL),
    row("LATENCY|GRAPH", 3, ADMIN | NLS, "server", "2.8.13", tips=NONDET + REQ_ALL_NODES + RESP_SPECIAL),
    row("LATENCY|HELP", 2, LS, "server", "2.8.13"),
    row("LATENCY|HISTOGRAM", -2, ADMIN | NLS, "server", "7.0.0", tips=NONDET + REQ_ALL_NODES + RESP_SPECIAL),
    row("LATENCY|HISTORY", 3, ADMIN | NLS, "server", "2.8.13", tips=NONDET + REQ_ALL_NODES + RESP_SPECIAL),
    row("LATENCY|LATEST", 2, ADMIN | NLS, "server", "2.8.13", tips=NONDET + REQ_ALL_NODES + RESP_SPECIAL),
    row("LATENCY|RESET", -2, ADMIN | NLS, "server", "2.8.13", tips=REQ_ALL_NODES + RESP_SUM),
    row("LOLWUT", -1, R | FAST, "server", "5.0.0"),
    row("MEMORY", -2, 0, "server", "4.0.0"),
    row("MEMORY|DOCTOR", 2, 0, "server", "4.0.0", tips=NONDET + REQ_ALL_SHARDS + RESP_SPECIAL),
    row("MEMORY|HELP", 2, LS, "server", "4.0.0"),
    row("MEMORY|MALLOC-STATS", 2, 0, "server", "4.0.0", tips=NONDET + REQ_ALL_SHARDS + RESP_SPECIAL),
    row("MEMORY|PURGE", 2, 0, "server", "4.0.0", tips=REQ_ALL_SHARDS + RESP_ALL_SUCCEEDED),
    row("MEMORY|STATS", 2, 0, "server", "4.0.0", tips=NONDET + REQ_ALL_SHARDS + RESP_SPECIAL),
    row("MEMORY|USAGE", -3, R, "server", "4.0.0", K(RO, 2)),
    row("MODULE", -2, 0, "server", "4.0.0", owner="server"),
    row("MODULE|HELP", 2, LS, "server", "5.0.0", owner="server"),
    row("MODULE|LIST", 2, ADMIN | NOSCRIPT, "server", "4.0.0", tips=NONDET_ORDER, owner="server"),
    row("MODULE|LOAD", -3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | PROTECTED, "server", "4.0.0", owner="server"),
    row("MODULE|LOADEX", -3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | PROTECTED, "server", "7.0.0", owner="server"),
    row("MODULE|UNLOAD", 3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | PROTECTED, "server", "4.0.0", owner="server"),
    row("MONITOR", 1, ADMIN | NLS, "server", "1.0.0", owner="exec"),
    row("PSYNC", -3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI, "server", "2.8.0", owner="server"),
    row("REPLCONF", -1, ADMIN | NLS | ALLOW_BUSY, "server", "3.0.0", owner="server", syscmd=True),
    row("REPLICAOF", 3, ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING, "server", "5.0.0", owner="server"),
    row("RESTORE-ASKING", -4, W | DENYOOM | ASKING, "server", "3.0.0", K(OW | UPDATE), acl="dangerous keyspace",
        syscmd=True),
    row("ROLE", 1, NLS | FAST | SENTINEL, "server", "2.8.12", acl="admin dangerous", owner="server"),
    row("SAVE", 1, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI, "server", "1.0.0", owner="server"),
    row("SFLUSH", -3, W | EXPERIMENTAL, "server", "8.0.0", acl="dangerous keyspace"),
    row("SHUTDOWN", -1, ADMIN | NLS | NO_MULTI | ALLOW_BUSY | SENTINEL, "server", "1.0.0", owner="server"),
    row("SLAVEOF", 3, ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING, "server", "1.0.0", owner="server",
        deprecated="5.0.0", replaced_by="`REPLICAOF`"),
    row("SLOWLOG", -2, 0, "server", "2.2.12", owner="exec"),
    row("SLOWLOG|GET", -2, ADMIN | LS, "server", "2.2.12", tips=REQ_ALL_NODES + NONDET, owner="exec"),
    row("SLOWLOG|HELP", 2, LS, "server", "6.2.0", owner="exec"),
    row("SLOWLOG|LEN", 2, ADMIN | LS, "server", "2.2.12", tips=REQ_ALL_NODES + RESP_SUM + NONDET, owner="exec"),
    row("SLOWLOG|RESET", 2, ADMIN | LS, "server", "2.2.12", tips=REQ_ALL_NODES + RESP_ALL_SUCCEEDED, owner="exec"),
    row("SWAPDB", 3, W | FAST, "server", "4.0.0", acl="dangerous keyspace"),
    row("SYNC", 1, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI, "server", "1.0.0", owner="server"),
    row("TIME", 1, LS | FAST, "server", "2.6.0", tips=NONDET),
    # cluster
    row("ASKING", 1, FAST, "cluster", "3.0.0", acl="connection", owner="server"),
    row("CLUSTER", -2, 0, "cluster", "3.0.0", owner="server"),
    row("CLUSTERSCAN", -2, R, "cluster", "9.1.0", K(NOT_KEY), acl="keyspace", tips=NONDET + REQ_SPECIAL + RESP_SPECIAL,
        owner="server", valkey=True),
    row("CLUSTER|ADDSLOTS", -3, ADMIN | STALE | NO_ASYNC_LOADING, "cluster", "3.0.0", owner="server"),
    row("CLUSTER|ADDSLOTSRANGE", -4, ADMIN | STALE | NO_ASYNC_LOADING, "cluster", "7.0.0", owner="server"),
    row("CLUSTER|BUMPEPOCH", 2, ADMIN | STALE | NO_ASYNC_LOADING, "cluster", "3.0.0", tips=NONDET, owner="server"),
    row("CLUSTER|CANCELSLOTMIGRATIONS", 2, ADMIN | STALE | NO_ASYNC_LOADING, "cluster", "9.0.0", owner="server",
        valkey=True),
    row("CLUSTER|COUNT-FAILURE-REPORTS", 3, ADMIN | STALE, "cluster", "3.0.0", tips=NONDET, owner="server"),
    row("CLUSTER|COUNTKEYSINSLOT", 3, STALE, "cluster", "3.0.0", owner="server"),
    row("CLUSTER|DELSLOTS", -3, ADMIN | STALE | NO_ASYNC_LOADING, "cluster", "3.0.0", owner="server"),
    row("CLUSTER|DELSLOTSRANGE", -4, ADMIN | STALE | NO_ASYNC_LOADING, "cluster", "7.0.0", owner="server"),
    row("CLUSTER|FAILOVER", -2, ADMIN | STALE | NO_ASYNC_LOADING, "cluster", "3.0.0", owner="server"),
    row("CLUSTER|FLUSHSLOT", -3, W | ADMIN | NO_ASYNC_LOADING, "cluster", "9.0.0", acl="keyspace", owner="server",
        valkey=True),
    row("CLUSTER|FLUSHSLOTS", 2, ADMIN | STALE | NO_ASYNC_LOADING, "cluster", "3.0.0", owner="server"),
    row("CLUSTER|FORGET", 3, ADMIN | STALE | NO_ASYNC_LOADING, "cluster", "3.0.0", owner="server"),
    row("CLUSTER|GETKEYSINSLOT", 4, STALE, "cluster", "3.0.0", tips=NONDET, owner="server"),
    row("CLUSTER|GETSLOTMIGRATIONS", 2, ADMIN | STALE | NO_ASYNC_LOADING, "cluster", "9.0.0", owner="server",
        valkey=True),
    row("CLUSTER|HELP", 2, LS, "cluster", "5.0.0", owner="server"),
    row("CLUSTER|INFO", 2, STALE, "cluster", "3.0.0", tips=NONDET, owner="server"),
    row("CLUSTER|KEYSLOT", 3, STALE, "cluster", "3.0.0", owner="server"),
    row("CLUSTER|LINKS", 2, STALE, "cluster", "7.0.0", tips=NONDET, owner="server"),
    row("CLUSTER|MEET", -4, ADMIN | STALE | NO_ASYNC_LOADING, "cluster", "3.0.0", owner="server"),
    row("CLUSTER|MIGRATESLOTS", -4, ADMIN | STALE | NO_ASYNC_LOADING, "cluster", "9.0.0", owner="server", valkey=True),
    row("CLUSTER|MYID", 2, STALE, "cluster", "3.0.0", owner="server"),
    row("CLUSTER|MYSHARDID", 2, STALE, "cluster", "7.2.0", tips=NONDET, owner="server"),
    row("CLUSTER|NODES", 2, STALE, "cluster", "3.0.0", tips=NONDET, owner="server"),
    row("CLUSTER|REPLICAS", 3, ADMIN | STALE, "cluster", "5.0.0", tips=NONDET, owner="server"),
    row("CLUSTER|REPLICATE", 3, ADMIN | STALE | NO_ASYNC_LOADING, "cluster", "3.0.0", owner="server"),
    row("CLUSTER|RESET", -2, ADMIN | NOSCRIPT | STALE, "cluster", "3.0.0", owner="server"),
    row("CLUSTER|SAVECONFIG", 2, ADMIN | STALE | NO_ASYNC_LOADING, "cluster", "3.0.0", owner="server"),
    row("CLUSTER|SET-CONFIG-EPOCH", 3, ADMIN | STALE | NO_ASYNC_LOADING, "cluster", "3.0.0", owner="server"),
    row("CLUSTER|SETSLOT", -4, ADMIN | STALE | NO_ASYNC_LOADING, "cluster", "3.0.0", owner="server"),
    row("CLUSTER|SHARDS", 2, LS, "cluster", "7.0.0", tips=NONDET, owner="server"),
    row("CLUSTER|SLAVES", 3, ADMIN | STALE, "cluster", "3.0.0", tips=NONDET, owner="server", deprecated="5.0.0",
        replaced_by="`CLUSTER REPLICAS`"),
    row("CLUSTER|SLOT-STATS", -4, LS, "cluster", "8.2.0", tips=NONDET + REQ_ALL_SHARDS, owner="server"),
    row("CLUSTER|SLOTS", 2, LS, "cluster", "3.0.0", tips=NONDET, owner="server", deprecated="7.0.0",
        replaced_by="`CLUSTER SHARDS`"),
    row("CLUSTER|SYNCSLOTS", -3, ADMIN | STALE | NO_ASYNC_LOADING, "cluster", "9.0.0", owner="server", syscmd=True,
        valkey=True),
    row("READONLY", 1, LS | FAST, "cluster", "3.0.0", acl="connection", owner="server"),
    row("READWRITE", 1, LS | FAST, "cluster", "3.0.0", acl="connection", owner="server"),
    # sentinel
    row("SENTINEL", -2, ADMIN | ONLY_SENTINEL, "sentinel", "2.8.4", owner="server"),
    row("SENTINEL|CKQUORUM", 3, ADMIN | ONLY_SENTINEL, "sentinel", "2.8.4", owner="server"),
    row("SENTINEL|CONFIG", -4, ADMIN | ONLY_SENTINEL, "sentinel", "6.2.0", owner="server"),
    row("SENTINEL|DEBUG", -2, ADMIN | ONLY_SENTINEL, "sentinel", "7.0.0", owner="server"),
    row("SENTINEL|FAILOVER", 3, ADMIN | ONLY_SENTINEL, "sentinel", "2.8.4", owner="server"),
    row("SENTINEL|FLUSHCONFIG", 2, ADMIN | ONLY_SENTINEL, "sentinel", "2.8.4", owner="server"),
    row("SENTINEL|GET-MASTER-ADDR-BY-NAME", 3, ADMIN | ONLY_SENTINEL, "sentinel", "2.8.4", owner="server"),
    row("SENTINEL|GET-PRIMARY-ADDR-BY-NAME", 3, ADMIN | ONLY_SENTINEL, "sentinel", "8.0.0", owner="server",
        valkey=True),
    row("SENTINEL|HELP", 2, LS | ONLY_SENTINEL, "sentinel", "6.2.0", owner="server"),
    row("SENTINEL|INFO-CACHE", -3, ADMIN | ONLY_SENTINEL, "sentinel", "3.2.0", owner="server"),
    row("SENTINEL|IS-MASTER-DOWN-BY-ADDR", 6, ADMIN | ONLY_SENTINEL, "sentinel", "2.8.4", owner="server"),
    row("SENTINEL|IS-PRIMARY-DOWN-BY-ADDR", 6, ADMIN | ONLY_SENTINEL, "sentinel", "8.0.0", owner="server", valkey=True),
    row("SENTINEL|MASTER", 3, ADMIN | ONLY_SENTINEL, "sentinel", "2.8.4", owner="server"),
    row("SENTINEL|MASTERS", 2, ADMIN | ONLY_SENTINEL, "sentinel", "2.8.4", owner="server"),
    row("SENTINEL|MONITOR", 6, ADMIN | ONLY_SENTINEL, "sentinel", "2.8.4", owner="server"),
    row("SENTINEL|MYID", 2, ADMIN | ONLY_SENTINEL, "sentinel", "6.2.0", owner="server"),
    row("SENTINEL|PENDING-SCRIPTS", 2, ADMIN | ONLY_SENTINEL, "sentinel", "2.8.4", owner="server"),
    row("SENTINEL|PRIMARIES", 2, ADMIN | ONLY_SENTINEL, "sentinel", "8.0.0", owner="server", valkey=True),
    row("SENTINEL|PRIMARY", 3, ADMIN | ONLY_SENTINEL, "sentinel", "8.0.0", owner="server", valkey=True),
    row("SENTINEL|REMOVE", 3, ADMIN | ONLY_SENTINEL, "sentinel", "2.8.4", owner="server"),
    row("SENTINEL|REPLICAS", 3, ADMIN | ONLY_SENTINEL, "sentinel", "5.0.0", owner="server"),
    row("SENTINEL|RESET", 3, ADMIN | ONLY_SENTINEL, "sentinel", "2.8.4", owner="server"),
    row("SENTINEL|SENTINELS", 3, ADMIN | ONLY_SENTINEL, "sentinel", "2.8.4", owner="server"),
    row("SENTINEL|SET", -5, ADMIN | ONLY_SENTINEL, "sentinel", "2.8.4", owner="server"),
    row("SENTINEL|SIMULATE-FAILURE", -3, ADMIN | ONLY_SENTINEL, "sentinel", "3.2.0", owner="server"),
    row("SENTINEL|SLAVES", 3, ADMIN | ONLY_SENTINEL, "sentinel", "2.8.0", owner="server", deprecated="5.0.0",
        replaced_by="`SENTINEL REPLICAS`"),
)


@cache
def rows_by_name() -> dict[str, Row]:
    """Every row by its upper-case name, subcommands as "CONFIG|GET"."""
    return {r.name: r for r in ROWS}


@cache
def _children() -> dict[str, tuple[Row, ...]]:
    found: dict[str, list[Row]] = {}
    for r in ROWS:
        parent, bar, _ = r.name.partition("|")
        if bar:
            found.setdefault(parent, []).append(r)
    return {parent: tuple(rows) for parent, rows in found.items()}


def subcommands(name: str) -> tuple[Row, ...]:
    """The subcommand rows of a container, in table order; () for other commands."""
    return _children().get(name.upper(), ())


def find(*words: str) -> Row | None:
    """The row for a request's first words in any case: find("config", "get"), find("get"). A container with an unknown
    second word is None; second words of other commands are their arguments."""
    name = words[0].upper()
    if len(words) > 1 and name in _children():
        name += "|" + words[1].upper()
    return rows_by_name().get(name)


def legacy_range(r: Row) -> tuple[int, int, int]:
    """COMMAND's (first, last, step): the hull of the index + range specs; (0, 0, 0) without any."""
    first = last = step = 0
    for k in r.keys:
        if k.begin != "index" or k.find != "range":
            continue
        end = k.at + k.nums[0] if k.nums[0] >= 0 else k.nums[0]
        if not first:
            first, last, step = k.at, end, k.nums[1]
        else:
            first = min(first, k.at)
            last = max(last, end) if (last < 0) == (end < 0) else min(last, end)
    return first, last, step


def flag_names(r: Row) -> list[str]:
    """The flags that COMMAND INFO reports, in its order."""
    return [f.name.lower() for f in Flag if r.flags & f & REPORTED_FLAGS and f.name]


def key_flag_names(k: Keys) -> list[str]:
    """The flags of a key spec as COMMAND INFO spells them: RO RW OW RM in capitals, the others not."""
    return [f.name if f <= KeyFlag.RM else f.name.lower() for f in KeyFlag if k.flags & f and f.name]


def acl_names(mask: int) -> list[str]:
    """The names of a mask's ACL categories in ACL CAT's order, without the "@"."""
    return [c.name.lower() for c in Acl if mask & c and c.name]
