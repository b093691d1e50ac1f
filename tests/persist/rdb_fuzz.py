"""Damaged payloads and files: RESTORE or loading either refuses them, or gives a value that every command can work on.

  python tests/persist/rdb_fuzz.py [--seed N] [--seconds N | --steps N]

What must never happen: a crash, an exception, a step that takes long, memory that stays behind. A failing step is
printed with its seed and payload, so that it can be run again. scripts/sanitize runs it with the sanitizers on.
"""
import argparse
import random
import struct
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1]),
                    str(Path(__file__).resolve().parent)]

import rdb_bytes as rdb
from support.engine import START_MS, TestEngine
from test_rdb_load import OTHER_VALUES, VALUES, reader

from redispy_core.engine import RdbError, ReplyError

STEP_S = 5                              # longer than that is a hang
LIMIT_BYTES = 1 << 28                   # no damaged payload of some KB may lead to more
SMALL_KNOBS = ("hash_max_listpack_entries", "set_max_listpack_entries", "zset_max_listpack_entries",
               "set_max_intset_entries", "stream_node_max_entries")

TRAFFIC = {
    b"string": ["GET k", "STRLEN k", "APPEND k x", "SETRANGE k 3 yy", "GETRANGE k 0 -1", "BITCOUNT k", "INCR k", "PFADD k a b",
                "PFCOUNT k", "SETBIT k 70 1", "BITFIELD k GET u8 0", "LCS k k LEN"],
    b"list": ["LLEN k", "LRANGE k 0 -1", "LRANGE k 2 9", "LINDEX k -1", "LPOS k a COUNT 0", "RPUSH k x y z", "LPUSH k x 1",
              "LSET k 0 q", "LINSERT k BEFORE x w", "LREM k 0 x", "LTRIM k 1 -2", "LMOVE k k LEFT RIGHT", "LPOP k 3", "RPOP k",
              "SORT k ALPHA"],
    b"set": ["SCARD k", "SMEMBERS k", "SISMEMBER k a", "SRANDMEMBER k 3", "SRANDMEMBER k -7", "SADD k x 1 zz 99999999999",
             "SREM k a 1", "SSCAN k 0 COUNT 100", "SPOP k", "SPOP k 2", "SDIFF k k2", "SUNION k k2", "SINTER k k",
             "SUNIONSTORE k2 k", "SMOVE k k2 b"],
    b"zset": ["ZCARD k", "ZRANGE k 0 -1 WITHSCORES", "ZREVRANGE k 0 3", "ZRANGEBYSCORE k -inf 5", "ZRANGEBYLEX k - +",
              "ZCOUNT k (1 +inf", "ZLEXCOUNT k [a [z", "ZRANK k a", "ZSCORE k b", "ZADD k 3 x 1 a", "ZINCRBY k 2 b",
              "ZRANDMEMBER k 3 WITHSCORES", "ZSCAN k 0", "ZREM k a", "ZREMRANGEBYRANK k 0 0", "ZREMRANGEBYSCORE k 2 3",
              "ZPOPMIN k", "ZPOPMAX k", "ZUNIONSTORE k2 2 k k", "ZINTER 2 k k", "ZREMRANGEBYLEX k [b [c"],
    b"hash": ["HLEN k", "HGETALL k", "HGET k a", "HSET k a 1 x y", "HSET k zz 77777777777", "HDEL k b", "HRANDFIELD k 3 WITHVALUES",
              "HRANDFIELD k -5", "HSCAN k 0", "HINCRBY k n 3", "HSTRLEN k a", "HEXPIRE k 100 FIELDS 2 a f", "HPTTL k FIELDS 2 a f",
              "HPERSIST k FIELDS 1 f", "HGETDEL k FIELDS 1 g", "HKEYS k", "HVALS k"],
    b"stream": ["XLEN k", "XRANGE k - +", "XREVRANGE k + - COUNT 3", "XINFO STREAM k FULL", "XINFO GROUPS k", "XADD k * a b",
                "XADD k * f v g w", "XDEL k 1-0", "XREAD STREAMS k 0", "XGROUP CREATE k new 0", "XREADGROUP GROUP new me STREAMS k >",
                "XPENDING k new - + 10", "XAUTOCLAIM k new you 0 0", "XACK k new 2-0", "XREADGROUP GROUP g alice STREAMS k 0",
                "XTRIM k MAXLEN 3", "XTRIM k MINID 2", "XCLAIM k g bob 0 1-0", "XGROUP DELCONSUMER k g alice", "XSETID k 99999-1"],
}
ALWAYS = ["TYPE k", "OBJECT ENCODING k", "DUMP k", "COPY k k3 REPLACE", "DEBUG DIGEST-VALUE k", "MEMORY USAGE k SAMPLES 0", "RENAME k k4",
          "RENAME k4 k"]


def seeds(engine):
    """(type and value, version) of all handmade values, and of values that the product saves itself."""
    found = [(bytes([kind]) + data, version) for kind, data, _, _, version in (VALUES | OTHER_VALUES).values()
             if len(data) < 10_000]
    groups = (b"\x01" + rdb.string("g") + b"\x02\x00\x02" + b"\x02" + b"".join(
        rdb.stream_id(i) + rdb.i64(77) + b"\x03" for i in (1, 2))
        + b"\x02" + rdb.string("alice") + rdb.i64(5) + rdb.i64(5) + b"\x01" + rdb.stream_id(1)
        + rdb.string("bob") + rdb.i64(6) + rdb.i64(-1) + b"\x01" + rdb.stream_id(2))
    counters = b"\x01\x00\x00\x00\x02"
    found.append((b"\x15" + rdb.stream()[:-1] + counters + groups, 11))
    engine.call("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
    for i in range(12):
        engine.call("XADD", "s", f"{i + 1}-{i}", "f", i, "g", f"v{i}")
        engine.call("HSET", "h", f"f{i}", "v" * i)
        engine.call("ZADD", "z", i / 3, f"m{i}")
        engine.call("SADD", "t", f"m{i}")
        engine.call("RPUSH", "l", f"elem{i}", i)
    engine.call("XREADGROUP", "GROUP", "g", "alice", "COUNT", 4, "STREAMS", "s", ">")
    engine.call("XDEL", "s", "3-2")
    engine.call("HEXPIRE", "h", 1000, "FIELDS", 2, "f1", "f5")
    engine.call("PFADD", "p", *range(40))
    for knob in (None, *SMALL_KNOBS):
        if knob:
            engine.set(knob, 4)
        for key in "shztlp":
            payload = engine.call("DUMP", key)
            found.append((payload[:-10], struct.unpack("<H", payload[-10:-8])[0]))
            engine.call("RESTORE", key, 0, payload, "REPLACE")
    engine.call("FLUSHALL")
    return found


def damaged(rnd, data, others):
    data = bytearray(data)
    for _ in range(rnd.choice((1, 1, 1, 2, 3, 8))):
        at = rnd.randrange(len(data) + 1)
        how = rnd.randrange(9)
        if how < 4 and at < len(data):
            data[at] = rnd.choice((rnd.randrange(256), data[at] ^ 1 << rnd.randrange(8), rnd.choice(b"\0\1\x7f\x80\x81\xc0\xc3\xfe\xff")))
        elif how == 4:
            data[at:at] = bytes(rnd.randrange(256) for _ in range(rnd.randrange(1, 9)))
        elif how == 5:
            del data[at:at + rnd.randrange(1, 9)]
        elif how == 6:
            del data[at:]
        elif how == 7:
            other = rnd.choice(others)
            cut = rnd.randrange(len(other))
            data[at:] = other[cut:]
        else:
            data[at:at] = data[at:at + rnd.randrange(1, 40)]
    return bytes(data)


class Fuzzer:
    """step() damages one payload or file and works on what comes of it."""

    def __init__(self, seed):
        self.seed = seed
        self.rnd = random.Random(seed)
        self.engine = TestEngine()
        self.engine.core.log = lambda level, text: None
        self.engine.core.debug_allowed = "yes"
        self.payloads = seeds(self.engine)
        self.bodies = [body for body, _ in self.payloads]
        self.ask("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1)
        self.counts = {"refused": 0, "restored": 0, "loaded": 0, "files": 0}
        self.baseline = None
        self.last = b""

    def ask(self, *argv):
        try:
            return self.engine.core.call_in(0, *argv, resp=self.rnd.choice((2, 3)))
        except ReplyError as e:
            return e

    def traffic(self):
        kind = self.ask("TYPE", "k")
        commands = TRAFFIC.get(kind, [])
        for line in [*ALWAYS, *self.rnd.choices(commands, k=len(commands)), *ALWAYS] if commands else []:
            self.ask(*line.split())

    def restore(self):
        body, version = self.rnd.choice(self.payloads)
        self.last = damaged(self.rnd, body, self.bodies) + struct.pack("<HQ", version, 0)
        reply = self.ask("RESTORE", "k", self.rnd.choice((0, 0, 500)), self.last, "REPLACE")
        self.counts["refused" if isinstance(reply, ReplyError) else "restored"] += 1
        self.traffic()

    def load(self):
        parts = []
        for i, (body, version) in enumerate(self.rnd.sample(self.payloads, 4)):
            parts += [bytes([254, i % 2]), b"\xfb\x02\x01"] if self.rnd.randrange(2) else []
            prefix = self.rnd.choice((b"", b"\xfc" + rdb.i64(START_MS + 99), b"\xf8\x09", b"\xf9\x07", b"\xfa\x01a\x01b", b"\xf5\x01c"))
            parts.append(prefix + body[:1] + rdb.string(f"k{i}") + body[1:])
        self.last = damaged(self.rnd, b"REDIS0012" + b"".join(parts) + b"\xff" + bytes(8), self.bodies)
        self.counts["files"] += 1
        try:
            self.engine.core.load_rdb(reader(self.last, self.rnd.choice((1, 13, 1 << 20))), replace=self.rnd.randrange(2))
            self.counts["loaded"] += 1
        except RdbError:
            pass
        if self.ask("EXISTS", "k1") == 1:
            self.ask("RENAME", "k1", "k")
        self.traffic()

    def step(self):
        state = self.rnd.getstate()
        for knob in SMALL_KNOBS:
            self.engine.set(knob, self.rnd.choice((2, 128)))
        self.engine.set("sanitize_dump_payload", self.rnd.randrange(3))
        began = time.monotonic()
        try:
            self.rnd.choice((self.restore, self.restore, self.load))()
            self.engine.advance(200)
            self.engine.core.cron()
            peak = self.engine.core.allocator_counters()["used"]
            self.ask("FLUSHALL")
            self.check(time.monotonic() - began, peak)
        except BaseException:
            print(f"seed {self.seed}, {self.counts}, last: {self.last.hex()}\nstate: {hash(state)}", file=sys.stderr)
            raise

    def check(self, seconds, peak):
        blocks = self.engine.core.allocator_counters()["blocks"]
        if self.baseline is None:
            self.baseline = blocks
        assert blocks <= self.baseline + 16, f"{blocks - self.baseline} blocks stay behind"
        self.baseline = max(self.baseline, blocks)
        assert seconds < STEP_S, f"a step took {seconds:.1f} s"
        assert peak < LIMIT_BYTES, f"{peak} bytes in use"


def run(seed, seconds=None, steps=None):
    """The counts of what happened."""
    fuzzer = Fuzzer(seed)
    end = time.monotonic() + seconds if seconds else None
    done = 0
    while (end is None or time.monotonic() < end) and (steps is None or done < steps):
        fuzzer.step()
        done += 1
    return fuzzer.counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--steps", type=int)
    options = parser.parse_args()
    if options.seconds is None and options.steps is None:
        options.seconds = 60
    print(f"seed {options.seed}", flush=True)
    print(run(options.seed, options.seconds, options.steps))


if __name__ == "__main__":
    main()
