"""The tables of what is measured: request loads for the throughput mode, and how their data is set up.

A Load is either a native test of redis-benchmark (native=True, the name goes to -t), a command line given to
redis-benchmark, or a unit of several commands sent by our own client (unit). In commands __rand_int__ stands for a
12-digit number below --keyspace, as redis-benchmark has it. Set-up templates are Python formats of {i}, the running
number: Fill("ZADD z {i} member:{i:012d}", 10000). To add a load, add a row. Beware that integers with leading zeros
are refused where a command wants an integer: __rand_int__ fits into keys, members, values and scores.
"""
from __future__ import annotations

import shlex
from dataclasses import dataclass, field

from bench.servers import BenchError, encode, parse_named

CHUNK = 4000                                            # commands in one pipelined write of a set-up
KEYSPACE, REQUESTS = "keyspace", "requests"             # counts that follow the options


@dataclass(frozen=True)
class Fill:
    """count times the template; count is a number, 'keyspace' or 'requests' (that many and some to spare)."""
    template: str
    count: int | str = 1

    def number(self, keyspace: int, requests: int) -> int:
        if self.count == KEYSPACE:
            return keyspace
        return requests + 2000 if self.count == REQUESTS else int(self.count)


@dataclass(frozen=True)
class Load:
    """One row. weight divides --requests for heavy commands; readonly loads keep their data between rounds; filled
    ones must not answer nil or empty; subscribers is the number of connections that listen on `channel`; tracking turns
    on client-side caching: `own`, of the clients that send the load, or `other`, of one that has read all keys before."""
    name: str
    command: str
    fills: tuple[Fill, ...] = ()
    native: bool = False
    weight: int = 1
    readonly: bool = False
    filled: bool = False
    subscribers: int = 0
    tracking: str = ""
    unit: tuple[str, ...] = field(default=())


def payload(fill: Fill, keyspace: int, requests: int) -> list[bytes]:
    """The RESP bytes of a set-up step, in chunks of CHUNK commands."""
    count, args = fill.number(keyspace, requests), shlex.split(fill.template)
    if not any("{" in arg for arg in args):
        return [encode(*args) * min(CHUNK, count - at) for at in range(0, count, CHUNK)]
    make = [arg.format if "{" in arg else (lambda i, fixed=arg: fixed) for arg in args]
    return [b"".join(encode(*[part(i=i) for part in make]) for i in range(at, min(at + CHUNK, count)))
            for at in range(0, count, CHUNK)]


STRINGS = Fill("SET key:{i:012d} xxx", KEYSPACE)
LIST_600 = Fill("RPUSH mylist element:{i:012d}", 600)
LIST_MANY = Fill("RPUSH mylist xxx", REQUESTS)
ZSET_10K = Fill("ZADD zset {i} member:{i:012d}", 10000)
SMALL_ZSETS = tuple(Fill(f"ZADD zset:{{i:012d}} {j} member:{j}", KEYSPACE) for j in range(5))
SMALL_HASHES = (Fill("HSET hash:{i:012d} name alice age {i} city paris mail a@example.org visits 12", KEYSPACE),)
SETS_AB = (Fill("SADD set:a {i}", 300), Fill("SADD set:b member:{i}", 200), Fill("SADD set:b {i}", 100))
STREAM = Fill("XADD stream * sensor 17 value {i}", REQUESTS)
GEO = Fill("GEOADD places {i}e-3 {i}e-3 place:{i}", 10000)

LOADS = [
    # name, command (of a native test: what it sends, for the probe), set-up
    Load("ping_inline", "PING", native=True, readonly=True),
    Load("ping_mbulk", "PING", native=True, readonly=True),
    Load("set", "SET key:__rand_int__ xxx", native=True),
    Load("get", "GET key:__rand_int__", (STRINGS,), native=True, readonly=True, filled=True),
    Load("incr", "INCR counter:__rand_int__", native=True),
    Load("lpush", "LPUSH mylist xxx", native=True),
    Load("rpush", "RPUSH mylist xxx", native=True),
    Load("lpop", "LPOP mylist", (LIST_MANY,), native=True, filled=True),
    Load("rpop", "RPOP mylist", (LIST_MANY,), native=True, filled=True),
    Load("sadd", "SADD myset element:__rand_int__", native=True),
    Load("hset", "HSET myhash element:__rand_int__ xxx", native=True),
    Load("spop", "SPOP myset", (Fill("SADD myset element:{i:012d}", REQUESTS),), native=True, filled=True),
    Load("zadd", "ZADD myzset __rand_int__ element:__rand_int__", native=True),
    Load("zpopmin", "ZPOPMIN myzset", (Fill("ZADD myzset {i} element:{i:012d}", REQUESTS),), native=True, filled=True),
    Load("mset", "MSET" + " key:__rand_int__ xxx" * 10, native=True, weight=4),
    # strings, bitmaps, HyperLogLog
    Load("set_ex", "SET key:__rand_int__ xxx EX 1000"),
    Load("setnx", "SETNX key:__rand_int__ xxx", (STRINGS,)),
    Load("set_1k", "SET key:__rand_int__ " + "x" * 1024),
    Load("get_1k", "GET key:__rand_int__", (Fill("SET key:{i:012d} " + "x" * 1024, KEYSPACE),), readonly=True,
         filled=True),
    Load("get_miss", "GET nokey:__rand_int__", (STRINGS,), readonly=True),
    Load("mget_10", "MGET" + " key:__rand_int__" * 10, (STRINGS,), weight=4, readonly=True, filled=True),
    Load("append", "APPEND key:__rand_int__ x", (STRINGS,)),
    Load("getrange", "GETRANGE key:__rand_int__ 0 1", (STRINGS,), readonly=True, filled=True),
    Load("setbit", "SETBIT bits:__rand_int__ 7 1"),
    Load("bitcount_64k", "BITCOUNT bits", (Fill("APPEND bits " + "7" * 64, 1024),), weight=10, readonly=True,
         filled=True),
    Load("pfadd", "PFADD hll element:__rand_int__"),
    Load("pfcount", "PFCOUNT hll", (Fill("PFADD hll element:{i}", 10000),), readonly=True, filled=True),
    # lists
    Load("lrange_100", "LRANGE mylist 0 99", (LIST_600,), weight=5, readonly=True, filled=True),
    Load("lrange_300", "LRANGE mylist 0 299", (LIST_600,), weight=10, readonly=True, filled=True),
    Load("lrange_600", "LRANGE mylist 0 599", (LIST_600,), weight=20, readonly=True, filled=True),
    Load("lindex", "LINDEX mylist 300", (LIST_600,), readonly=True, filled=True),
    Load("lmove", "LMOVE mylist mylist LEFT RIGHT", (LIST_600,), filled=True),
    # sets
    Load("sismember", "SISMEMBER myset element:__rand_int__", (Fill("SADD myset element:{i:012d}", KEYSPACE),),
         readonly=True),
    Load("smembers_100", "SMEMBERS myset", (Fill("SADD myset element:{i:012d}", 100),), weight=5, readonly=True,
         filled=True),
    Load("srandmember", "SRANDMEMBER myset", (Fill("SADD myset element:{i:012d}", KEYSPACE),), readonly=True,
         filled=True),
    Load("sinter", "SINTER set:a set:b", SETS_AB, weight=10, readonly=True, filled=True),
    Load("sunion", "SUNION set:a set:b", SETS_AB, weight=20, readonly=True, filled=True),
    # sorted sets, geo
    Load("zincrby", "ZINCRBY zset 1 member:__rand_int__", (Fill("ZADD zset {i} member:{i:012d}", KEYSPACE),)),
    Load("zscore", "ZSCORE zset:__rand_int__ member:3", SMALL_ZSETS, readonly=True, filled=True),
    Load("zrank", "ZRANK zset member:__rand_int__", (Fill("ZADD zset {i} member:{i:012d}", KEYSPACE),), readonly=True),
    Load("zrange", "ZRANGE zset 5000 5009", (ZSET_10K,), weight=2, readonly=True, filled=True),
    Load("zrange_rev", "ZRANGE zset 5000 5009 REV WITHSCORES", (ZSET_10K,), weight=2, readonly=True, filled=True),
    Load("zrangebyscore", "ZRANGEBYSCORE zset 5000 5009 WITHSCORES", (ZSET_10K,), weight=2, readonly=True, filled=True),
    Load("zcount", "ZCOUNT zset 100 9000", (ZSET_10K,), readonly=True, filled=True),
    Load("geoadd", "GEOADD places 13.__rand_int__ 38.__rand_int__ place:__rand_int__"),
    Load("geosearch", "GEOSEARCH places FROMLONLAT 5 5 BYRADIUS 10 km ASC COUNT 10", (GEO,), weight=10, readonly=True,
         filled=True),
    Load("geodist", "GEODIST places place:17 place:4242 km", (GEO,), readonly=True, filled=True),
    # hashes
    Load("hget", "HGET hash:__rand_int__ city", SMALL_HASHES, readonly=True, filled=True),
    Load("hgetall", "HGETALL hash:__rand_int__", SMALL_HASHES, weight=2, readonly=True, filled=True),
    Load("hmget", "HMGET hash:__rand_int__ name age mail", SMALL_HASHES, readonly=True, filled=True),
    Load("hset_small", "HSET hash:__rand_int__ visits 13 seen yes", SMALL_HASHES),
    Load("hincrby", "HINCRBY hash:__rand_int__ visits 1", SMALL_HASHES),
    # streams
    Load("xadd", "XADD stream * sensor 17 value __rand_int__"),
    Load("xadd_maxlen", "XADD stream MAXLEN ~ 10000 * sensor 17 value __rand_int__"),
    Load("xrange_10", "XRANGE stream - + COUNT 10", (Fill("XADD stream * sensor 17 value {i}", 10000),), weight=2,
         readonly=True, filled=True),
    Load("xread_10", "XREAD COUNT 10 STREAMS stream 0", (Fill("XADD stream * sensor 17 value {i}", 10000),), weight=2,
         readonly=True, filled=True),
    Load("xreadgroup", "XREADGROUP GROUP group consumer COUNT 1 STREAMS stream >",
         (STREAM, Fill("XGROUP CREATE stream group 0")), weight=2, filled=True),
    # keys, publish/subscribe, scripts, transactions
    Load("exists", "EXISTS key:__rand_int__", (STRINGS,), readonly=True),
    Load("expire", "EXPIRE key:__rand_int__ 1000", (STRINGS,)),
    Load("ttl", "TTL key:__rand_int__", (Fill("SET key:{i:012d} xxx EX 10000", KEYSPACE),), readonly=True),
    Load("del", "DEL key:__rand_int__", (STRINGS,)),
    Load("scan_10", "SCAN __rand_int__ COUNT 10", (STRINGS,), weight=2, readonly=True),
    Load("sort_100", "SORT mylist", (Fill("RPUSH mylist {i}", 100),), weight=10, readonly=True, filled=True),
    Load("publish", "PUBLISH channel message:__rand_int__"),
    Load("publish_1", "PUBLISH channel message:__rand_int__", subscribers=1),
    Load("publish_5", "PUBLISH channel message:__rand_int__", weight=4, subscribers=5),
    Load("publish_1000", "PUBLISH channel message:__rand_int__", weight=200, subscribers=1000),
    Load("eval_get", "EVAL \"return redis.call('GET', KEYS[1])\" 1 key:__rand_int__", (STRINGS,), readonly=True,
         filled=True),
    Load("multi_exec", "", (STRINGS,), weight=5, unit=(
        "MULTI", "SET key:__rand_int__ xxx", "GET key:__rand_int__", "EXISTS key:__rand_int__", "EXEC")),
    Load("multi_set_10", "", weight=10, unit=("MULTI", *["SET key:__rand_int__ xxx"] * 10, "EXEC")),
    # client-side caching
    Load("get_tracked", "GET key:__rand_int__", (STRINGS,), readonly=True, filled=True, tracking="own"),
    Load("set_tracked", "SET key:__rand_int__ xxx", (STRINGS,), tracking="other"),
]

REGISTRY = {load.name: load for load in LOADS}
DEFAULT = ("set,get,incr,mset,lpush,lpop,sadd,hset,zadd,hgetall,zrange,zrangebyscore,lrange_100,sinter,geosearch,pfadd,"
           "xadd,xreadgroup,publish,eval_get,multi_exec")
QUICK = "set,get,incr,hgetall,zrange,multi_exec"


def parse_fill(text: str) -> tuple[str, Fill]:
    """--setup 'NAME=COUNT*TEMPLATE' -> (NAME, Fill)."""
    name, rest = parse_named(text, "--setup")
    count, sep, template = rest.partition("*")
    count = count.strip()
    if not sep or not (count.isdigit() or count in (KEYSPACE, REQUESTS)):
        raise BenchError(f"--setup wants NAME=COUNT*COMMAND with COUNT a number, keyspace or requests, not {text!r}")
    return name, Fill(template.strip(), int(count) if count.isdigit() else count)


def choose(tests: str, own: list[str], setups: list[str]) -> list[Load]:
    """The loads of --tests, --load and --setup; a name outside the table goes to redis-benchmark -t as it is."""
    fills: dict[str, list[Fill]] = {}
    for text in setups:
        name, fill = parse_fill(text)
        fills.setdefault(name, []).append(fill)
    names = [name.strip().lower() for name in tests.split(",") if name.strip()]
    if names == ["all"]:
        names = list(REGISTRY)
    chosen = [REGISTRY.get(name) or Load(name, "", native=True) for name in dict.fromkeys(names)]
    for text in own:
        name, command = parse_named(text, "--load")
        chosen.append(Load(name, command, tuple(fills.pop(name, ()))))
    if fills:
        raise BenchError(f"--setup without a --load of that name: {', '.join(fills)}")
    return chosen


def probe(load: Load) -> list[list[str]]:
    """The commands to try once before measuring: a place-holder is replaced by 1."""
    texts = load.unit or ((load.command,) if load.command else ())
    return [shlex.split(text.replace("__rand_int__", "000000000001")) for text in texts]
