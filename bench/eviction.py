"""How well keys are chosen for eviction: hit rates of a cache under maxmemory, beside the real servers.

    python bench/eviction.py                        # all servers found, a minute or two each
    python bench/eviction.py --servers redispy,falkordb --requests 400000 --policies allkeys-lru

A server is filled with --capacity keys and its maxmemory set to what it uses then, so that each holds about the same
number of keys, however large its keys are. Then a trace runs as a cache would: GET, and after a miss SET with the same
value. All servers meet the same trace, interleaved in small turns, so time passes alike for all: the LRU clock counts
seconds, hence the trace must take a good many of them. Two traces: `zipf`, a fixed popularity, and `drift`, where the
popular keys change over time. `exact LRU` and `exact LFU` (without decay) are computed for the same number of keys.
"""
from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from pathlib import Path

import servers
from servers import Conn, Running, encode

BATCH = 100                     # requests a turn of one server
VALUE = b"v" * 64


def zipf_trace(rng: random.Random, requests: int, keys: int, skew: float, drift: bool) -> Iterator[int]:
    """Key numbers; with drift, the popularity order shifts by a twentieth of the keys twenty times."""
    weights = list(itertools.accumulate(1 / (i + 1) ** skew for i in range(keys)))
    order = list(range(keys))
    rng.shuffle(order)
    step, shift = max(1, requests // 20), 0
    for begin in range(0, requests, step):
        for rank in rng.choices(range(keys), cum_weights=weights, k=min(step, requests - begin)):
            yield order[(rank + shift) % keys]
        shift += keys // 20 if drift else 0


def exact(trace: list[int], capacity: int, lfu: bool) -> float:
    """Hit rate of a cache that evicts exactly the key used least recently, or least often of those it holds."""
    held: OrderedDict[int, None] = OrderedDict()
    uses: Counter[int] = Counter()
    by_use: dict[int, OrderedDict[int, None]] = {}
    hits = 0
    for key in trace:
        if key in held:
            hits += 1
            held.move_to_end(key)
        if lfu:
            if key in held:
                del by_use[uses[key]][key]
            elif len(held) >= capacity:
                least = min(n for n, keys in by_use.items() if keys)
                victim, _ = by_use[least].popitem(last=False)
                del held[victim], uses[victim]
            uses[key] += 1
            by_use.setdefault(uses[key], OrderedDict())[key] = None
        elif key not in held and len(held) >= capacity:
            held.popitem(last=False)
        held[key] = None
    return hits / len(trace)


class Cache:
    """One server as a cache of about `capacity` keys."""

    def __init__(self, spec: servers.Spec, temp: Path, policy: str, capacity: int, samples: int) -> None:
        self.server = Running(spec, temp)
        self.conn = Conn(self.server.port)
        self.hits = self.requests = 0
        self.conn.load([b"".join(encode("SET", f"fill:{i:010d}", VALUE) for i in range(at, min(at + 1000, capacity)))
                        for at in range(0, capacity, 1000)])
        self.conn.call("CONFIG", "SET", "maxmemory-policy", policy)
        self.conn.call("CONFIG", "SET", "maxmemory-samples", samples)
        self.conn.call("CONFIG", "SET", "maxmemory", int(self.server.info("memory")["used_memory"]))

    def run(self, keys: list[int]) -> None:
        """A turn: all GETs in one pipeline, then the SETs of what was missing."""
        names = [b"key_:%010d" % key for key in keys]
        self.conn.sock.sendall(b"".join(encode("GET", name) for name in names))
        missing = [name for name in names if self.conn.read() is None]
        self.hits += len(names) - len(missing)
        self.requests += len(names)
        self.conn.sock.sendall(b"".join(encode("SET", name, VALUE) for name in missing))
        for _ in missing:
            self.conn.read()

    def held(self) -> int:
        """Keys that it holds now."""
        return int(str(self.conn.call("DBSIZE")))

    def stop(self) -> None:
        """Ends the server."""
        self.conn.sock.close()
        self.server.stop()


def measure(specs: list[servers.Spec], temp: Path, policy: str, trace: list[int], o: argparse.Namespace) -> None:
    """One policy, one trace, all servers in turn; prints a line each. The first tenth fills the caches."""
    caches = [Cache(spec, temp, policy, o.capacity, o.samples) for spec in specs]
    began = time.perf_counter()
    try:
        for at in range(0, len(trace), BATCH):
            if at == len(trace) // 10 // BATCH * BATCH:
                for cache in caches:
                    cache.hits = cache.requests = 0
            for cache in caches:
                cache.run(trace[at:at + BATCH])
            left = began + o.seconds * at / len(trace) - time.perf_counter()
            if left > 0:
                time.sleep(left)
        for cache in caches:
            print(f"    {cache.server.spec.label or cache.server.spec.key:24} {cache.hits / cache.requests * 100:6.2f} %"
                  f"   {cache.held():8} keys held", flush=True)
    finally:
        for cache in caches:
            cache.stop()


def options() -> argparse.Namespace:
    """The command line."""
    p = argparse.ArgumentParser(description="Hit rates under maxmemory, beside the real servers.")
    p.add_argument("--servers", default="", help="parts of names, comma-separated (default: all found)")
    p.add_argument("--server", action="append", default=[], help="NAME=COMMAND: a server of your own")
    p.add_argument("--policies", default="allkeys-lru,allkeys-lfu,allkeys-random")
    p.add_argument("--capacity", type=int, default=20_000, help="keys that fit")
    p.add_argument("--keys", type=int, default=200_000, help="keys of the trace")
    p.add_argument("--requests", type=int, default=600_000)
    p.add_argument("--skew", type=float, default=0.9)
    p.add_argument("--samples", type=int, default=5, help="maxmemory-samples")
    p.add_argument("--seconds", type=float, default=60, help="least duration of a trace")
    p.add_argument("--seed", type=int, default=1)
    return p.parse_args()


def main() -> int:
    """Runs all traces."""
    o = options()
    with tempfile.TemporaryDirectory() as name:
        temp = Path(name)
        try:
            specs = servers.find_servers(temp, o.server, [], o.servers)
            for kind in ("zipf", "drift"):
                trace = list(zipf_trace(random.Random(o.seed), o.requests, o.keys, o.skew, kind == "drift"))
                print(f"{kind}: {o.requests} requests for {o.keys} keys, {o.capacity} fit; "
                      f"exact LRU {exact(trace, o.capacity, False) * 100:.2f} %, "
                      f"exact LFU {exact(trace, o.capacity, True) * 100:.2f} %")
                for policy in o.policies.split(","):
                    print(f"  {policy}")
                    measure(specs, temp, policy, trace, o)
        except servers.BenchError as e:
            print(e, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
