"""Data of every type and encoding, the same for an Engine and for a real server: commands, the keys they make."""
import random

FAR_MS = 4_102_444_800_000          # an expiry that no clock of a test reaches
HUGE = 300_000                      # bytes: more than a sink gathers before it writes

_rnd = random.Random(11)
NOISE = _rnd.randbytes(HUGE)
PROSE = b" ".join(_rnd.choice([b"alpha", b"beta", b"gamma", b"delta", b"epsilon"]) for _ in range(HUGE // 6))
EDGES = (-1, 0, 1, 127, 128, 255, 256, 4095, 4096, 32767, 32768, -32769, 2**31 - 1, 2**31, -2**31, -2**31 - 1, 2**63 - 1, -2**63)


def numbered(n, *patterns):
    return [p.format(i) for i in range(n) for p in patterns]


STRINGS = [
    ("SET", "s:empty", ""), ("SET", "s:short", "hello"), ("SET", "s:zeros", "007"), ("SET", "s:minus", "-0"), ("SET", "s:plus", "+1"),
    ("SET", "s:12", "123456789012"), ("SET", "s:20", "x" * 20), ("SET", "s:21", "x" * 21), ("SET", "s:binary", bytes(range(256)) * 3),
    ("SET", "s:63", NOISE[:63]), ("SET", "s:64", NOISE[:64]), ("SET", "s:16383", NOISE[:16383]), ("SET", "s:16384", NOISE[:16384]),
    ("SET", "s:noise", NOISE), ("SET", "s:prose", PROSE), ("SET", "s:same", "a" * 100_000), ("APPEND", "s:raw", "12"),
    ("SET", "s:expires", "v", "PXAT", FAR_MS), ("SETBIT", "s:bit", 7, 1), ("PFADD", "s:hll", *numbered(20, "e{}")),
    ("PFADD", "s:dense", *numbered(3000, "e{}")),
    *[("SET", f"s:int:{v}", v) for v in EDGES],
]
LISTS = [
    ("RPUSH", "l:small", "a", 1, -1, "hello", 300, 70000, ""), ("RPUSH", "l:ints", *EDGES),
    ("RPUSH", "l:quick", *numbered(4000, "element number {}")), ("RPUSH", "l:plain", "a", NOISE[:9000], "b", PROSE[:20000]),
    ("RPUSH", "l:one", PROSE[:9000]),
]
SETS = [
    ("SADD", "set:int16", 1, 2, 300), ("SADD", "set:int32", 1, 70000, -5), ("SADD", "set:int64", 5_000_000_000, 1),
    ("SADD", "set:ints", *range(500)), ("SADD", "set:small", "a", "b", 7, "-12"), ("SADD", "set:table", *numbered(200, "member:{}")),
    ("SADD", "set:long", "x" * 100, PROSE[:3000]), ("SADD", "set:numbers", *range(600)),
]
ZSETS = [
    ("ZADD", "z:small", 1, "a", 2.5, "b", -3, "c", "inf", "d", "-inf", "e", 0.5, 7),
    ("ZADD", "z:table", *[v for i in range(300) for v in (i * 37 % 101 - 50, f"member:{i}")]),
    ("ZADD", "z:long", 1, "x" * 100, 2, PROSE[:3000]), ("GEOADD", "z:geo", 13.361389, 38.115556, "Palermo"),
]
HASHES = [
    ("HSET", "h:small", "f1", "v1", "n", 10, "", ""), ("HSET", "h:table", *numbered(600, "field:{}", "{}")),
    ("HSET", "h:long", "f", PROSE[:3000], "x" * 70, 5),
]
EXPIRING = [                                    # version 12 alone
    ("HSET", "h:ex", "f", "v", "g", "w", 1, 2), ("HPEXPIREAT", "h:ex", FAR_MS + 5, "FIELDS", 1, "f"),
    ("HPEXPIREAT", "h:ex", FAR_MS, "FIELDS", 1, 1),
    ("HSET", "h:ex:table", *numbered(600, "field:{}", "{}")),
    ("HPEXPIREAT", "h:ex:table", FAR_MS + 1000, "FIELDS", 2, "field:7", "field:9"), ("HPEXPIREAT", "h:ex:table", FAR_MS, "FIELDS", 1, "field:8"),
]
PERSISTED = [                                   # had expiries once
    ("HSET", "h:had", "f", "v", "g", 7), ("HPEXPIREAT", "h:had", FAR_MS, "FIELDS", 1, "f"), ("HPERSIST", "h:had", "FIELDS", 1, "f"),
    ("HSET", "h:had:table", *numbered(600, "field:{}", "{}")), ("HPEXPIREAT", "h:had:table", FAR_MS, "FIELDS", 1, "field:3"),
    ("HPERSIST", "h:had:table", "FIELDS", 1, "field:3"),
]
STREAMS = [
    ("XADD", "x:small", "1000-1", "f1", "v1", "f2", "v2"), ("XADD", "x:small", "1001-0", "f1", "v3", "f2", "v4"),
    ("XADD", "x:small", "1002-5", "other", "x"), ("XDEL", "x:small", "1001-0"),
    *[("XADD", "x:long", f"{5 + i}-{i}", "sensor", i % 7, "text", f"value {i}") for i in range(250)],
    ("XADD", "x:empty", "5-5", "f", "v"), ("XDEL", "x:empty", "5-5"), ("XGROUP", "CREATE", "x:group", "g", "$", "MKSTREAM"),
]
CONSUMERS = [
    *[("XADD", "x:groups", f"{i}-0", "f", i) for i in range(1, 40)],
    ("XGROUP", "CREATE", "x:groups", "g1", 0), ("XGROUP", "CREATE", "x:groups", "g2", "5-0"), ("XGROUP", "CREATE", "x:groups", "g3", "$"),
    ("XREADGROUP", "GROUP", "g1", "alice", "COUNT", 7, "STREAMS", "x:groups", ">"),
    ("XREADGROUP", "GROUP", "g1", "bob", "COUNT", 3, "STREAMS", "x:groups", ">"),
    ("XACK", "x:groups", "g1", "2-0", "9-0"), ("XGROUP", "CREATECONSUMER", "x:groups", "g1", "idle"),
    ("XGROUP", "CREATECONSUMER", "x:groups", "g2", "c" * 30), ("XCLAIM", "x:groups", "g1", "carol", 0, "3-0", "4-0"),
]
EVERYTHING = STRINGS + LISTS + SETS + ZSETS + HASHES + STREAMS + CONSUMERS


def fill(engine, commands=tuple(EVERYTHING), db=0):
    for command in commands:
        engine.call(*command, db=db)


def keys(engine, db=0):
    return sorted(engine.call("KEYS", "*", db=db))
