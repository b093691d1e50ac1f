"""Memory mode: bytes per key (or item) of each shape of data, by used_memory and by resident set.

Called by versus.py. Each shape gets a fresh server process: read used_memory and VmRSS, load the data through raw
pipelines, settle, read again, divide by the number of keys or items. Settling: touch part of the data, since a lookup
moves a rehash under way one step on; MEMORY PURGE (an error is ignored); wait till both figures stand still.
"""
from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.report import Progress, geometric_mean, number, ratio, table
from bench.servers import Conn, ReplyError, Running, Spec, encode

CHUNK_BYTES = 1 << 18
VALUE_16, VALUE_100 = b"x" * 16, b"x" * 100


@dataclass(frozen=True)
class Shape:
    """commands(n) yields the RESP commands that load n keys or items; share: how many of n make one `unit` (small
    collections of k items: n / k keys); touch(i) is a cheap read that hits the loaded table."""
    title: str
    unit: str
    commands: Callable[[int], Iterator[bytes]]
    touch: Callable[[int], bytes]
    share: int = 1


def _strings(value: Callable[[int], bytes], ttl: bool) -> Callable[[int], Iterator[bytes]]:
    def make(n: int) -> Iterator[bytes]:
        tail = b"$2\r\nEX\r\n$6\r\n864000\r\n" if ttl else b""
        head = b"*%d\r\n$3\r\nSET\r\n$16\r\nkey:" % (5 if ttl else 3)
        for i in range(n):
            data = value(i)
            yield b"%s%012d\r\n$%d\r\n%s\r\n%s" % (head, i, len(data), data, tail)
    return make


def _big(command: bytes, key: bytes, item: Callable[[int], tuple[bytes, ...]],
         batch: int = 50) -> Callable[[int], Iterator[bytes]]:
    """One collection of n items, `batch` of them a command."""
    def make(n: int) -> Iterator[bytes]:
        for at in range(0, n, batch):
            items = [part for i in range(at, min(at + batch, n)) for part in item(i)]
            yield encode(command, key, *items)
    return make


def _small(command: bytes, per_key: int, item: Callable[[int], tuple[bytes, ...]]) -> Callable[[int], Iterator[bytes]]:
    """n / per_key collections of per_key items each."""
    def make(n: int) -> Iterator[bytes]:
        for i in range(n // per_key):
            items = [part for j in range(per_key) for part in item(i * per_key + j)]
            yield encode(command, b"key:%012d" % i, *items)
    return make


def _touch_key(i: int) -> bytes:
    return b"*2\r\n$6\r\nEXISTS\r\n$16\r\nkey:%012d\r\n" % i


def _touch(command: bytes, key: bytes, item: Callable[[int], bytes]) -> Callable[[int], bytes]:
    return lambda i: encode(command, key, item(i))


def _member(i: int) -> bytes:
    return b"member:%012d" % i


def _stream(n: int) -> Iterator[bytes]:
    for i in range(n):
        yield encode(b"XADD", b"big", b"%d-0" % (1700000000000 + i), b"sensor", b"17", b"value", b"%d" % i)


def _spread_int(i: int) -> bytes:
    """Distinct integers up to 2^31, in no order."""
    return b"%d" % (i * 2654435761 % (1 << 31))


ANY_KEY: Callable[[int], bytes] = lambda i: b"*2\r\n$6\r\nEXISTS\r\n$3\r\nbig\r\n"

SHAPES = {
    "small-int": Shape("string, integer < 10000", "key",
                       _strings(lambda i: b"%d" % (i % 10000), False), _touch_key),
    "small-int-ttl": Shape("string, integer, with TTL", "key",
                           _strings(lambda i: b"%d" % (i % 10000), True), _touch_key),
    "value-16": Shape("string of 16 bytes", "key", _strings(lambda i: VALUE_16, False), _touch_key),
    "value-16-ttl": Shape("string of 16 bytes, with TTL", "key", _strings(lambda i: VALUE_16, True), _touch_key),
    "value-100": Shape("string of 100 bytes", "key", _strings(lambda i: VALUE_100, False), _touch_key),
    "value-100-ttl": Shape("string of 100 bytes, with TTL", "key", _strings(lambda i: VALUE_100, True), _touch_key),
    "big-hash": Shape("one hash, fields of 18, values of 16 bytes", "field",
                      _big(b"HSET", b"big", lambda i: (b"field:%012d" % i, VALUE_16)),
                      _touch(b"HEXISTS", b"big", lambda i: b"field:%012d" % i)),
    "big-set": Shape("one set of 19-byte strings", "member", _big(b"SADD", b"big", lambda i: (_member(i),)),
                     _touch(b"SISMEMBER", b"big", _member)),
    "big-set-int": Shape("one set of integers", "member", _big(b"SADD", b"big", lambda i: (_spread_int(i),)),
                         _touch(b"SISMEMBER", b"big", _spread_int)),
    "big-zset": Shape("one sorted set, 19-byte members", "member",
                      _big(b"ZADD", b"big", lambda i: (b"%d" % i, _member(i))), _touch(b"ZSCORE", b"big", _member)),
    "big-list": Shape("one list of 16-byte items", "item", _big(b"RPUSH", b"big", lambda i: (VALUE_16,)), ANY_KEY),
    "big-stream": Shape("one stream, entries of 2 fields", "entry", _stream, ANY_KEY),
    "small-hashes": Shape("hashes of 5 fields", "key",
                          _small(b"HSET", 5, lambda i: (b"field:%d" % (i % 5), b"value:%06d" % (i % 1000000))),
                          _touch_key, 5),
    "small-sets": Shape("sets of 10 strings", "key", _small(b"SADD", 10, lambda i: (b"m:%06d" % (i % 1000000),)),
                        _touch_key, 10),
    "small-sets-int": Shape("sets of 10 integers", "key", _small(b"SADD", 10, lambda i: (b"%d" % (i % 30000),)),
                            _touch_key, 10),
    "small-zsets": Shape("sorted sets of 10", "key",
                         _small(b"ZADD", 10, lambda i: (b"%d" % i, b"m:%06d" % (i % 1000000))), _touch_key, 10),
    "small-lists": Shape("lists of 10", "key", _small(b"RPUSH", 10, lambda i: (b"item:%06d" % (i % 1000000),)),
                         _touch_key, 10),
}


def chunks(commands: Iterator[bytes]) -> list[bytes]:
    """Commands joined to pieces of about CHUNK_BYTES."""
    pieces, part, size = [], [], 0
    for command in commands:
        part.append(command)
        size += len(command)
        if size >= CHUNK_BYTES:
            pieces.append(b"".join(part))
            part, size = [], 0
    return pieces + [b"".join(part)] if part else pieces


def used_memory(server: Running) -> int:
    return int(server.info("memory")["used_memory"])


def settle(server: Running, limit_s: float = 15.0) -> tuple[int, int]:
    """(used_memory, resident set) once neither has moved by more than 64 kB in three looks."""
    with server.conn() as conn:
        try:
            conn.call("MEMORY", "PURGE")
        except ReplyError:
            pass
    deadline, still, last = time.monotonic() + limit_s, 0, (0, 0)
    while still < 3 and time.monotonic() < deadline:
        time.sleep(0.15)
        now = used_memory(server), server.rss()
        still = still + 1 if max(abs(now[0] - last[0]), abs(now[1] - last[1])) <= 65536 else 0
        last = now
    return last


def measure(spec: Spec, temp: Path, shape: Shape, n: int, data: list[bytes], touches: list[bytes]) -> dict:
    """One shape on a fresh server: bytes per unit by both measures, and the seconds that loading took."""
    with Running(spec, temp) as server:
        used_before, rss_before = settle(server)
        with Conn(server.port) as conn:
            began = time.perf_counter()
            conn.load(data)
            seconds = time.perf_counter() - began
            conn.load(touches)
        used, rss = settle(server)
    units = n // shape.share
    return {"used": (used - used_before) / units, "rss": (rss - rss_before) / units, "load_s": seconds, "refused": ""}


def run(specs: list[Spec], temp: Path, o: argparse.Namespace, progress: Progress) -> list[dict]:
    """All chosen shapes on all servers; an interrupt ends it with the rows so far."""
    parts = [part.strip() for part in o.shapes.split(",") if part.strip()]
    names = [name for name in SHAPES if not parts or name in parts or any(p not in SHAPES and p in name for p in parts)]
    progress.start(len(names) * len(specs))
    rows: list[dict] = []
    try:
        for name in names:
            rows.append(row_of(name, specs, temp, o.keys, progress))
    except KeyboardInterrupt:
        progress.note("interrupted: showing what was measured")
        o.interrupted = True
    return rows


def row_of(name: str, specs: list[Spec], temp: Path, n: int, progress: Progress) -> dict:
    """One shape on every server; the bytes to load are built once for all."""
    shape, cells = SHAPES[name], {}
    data = chunks(shape.commands(n))
    touches = chunks(shape.touch(i) for i in range(min(n // shape.share, n // 2)))
    for spec in specs:
        progress.step(f"{name} {spec.key}")
        try:
            cells[spec.key] = measure(spec, temp, shape, n, data, touches)
        except ReplyError as error:
            cells[spec.key] = {"used": None, "rss": None, "load_s": None, "refused": str(error)}
    return {"shape": name, "title": shape.title, "unit": shape.unit, "cells": cells}


def best(row: dict, measure_name: str, servers: list[dict]) -> tuple[float, str] | None:
    """(bytes, key) of the reference that needs least."""
    values = [(row["cells"][s["key"]][measure_name], s["key"]) for s in servers
              if s["reference"] and row["cells"][s["key"]][measure_name]]
    return min(values) if values else None


def markdown(result: dict) -> str:
    """A table for each measure, with a ratio to the best reference for each product, and the geometric means."""
    servers = result["servers"]
    products = [s for s in servers if not s["reference"]]
    labels = {s["key"]: s["label"] for s in servers}
    parts = []
    for name, title in (("used", "used_memory"), ("rss", "resident set")):
        rows: list[list[str]] = []
        ratios: dict[str, list[float]] = {s["key"]: [] for s in products}
        for row in result["rows"]:
            least = best(row, name, servers)
            base = least[0] if least else None
            values = [row["cells"][s["key"]][name] for s in servers]
            for s in products:
                mine = row["cells"][s["key"]][name]
                if mine and mine > 0 and base and base > 0:
                    ratios[s["key"]].append(mine / base)
            rows.append([f"{row['shape']}: {row['title']}", row["unit"],
                         *["-" if value is None else number(value) for value in values],
                         labels[least[1]] if least else "-",
                         *[ratio(row["cells"][s["key"]][name], base) for s in products]])
        parts.append(f"## Bytes per key or item, {title} (lower is better)\n")
        parts.append(table(["shape", "per", *labels.values(), "best reference",
                            *[f"{s['label']} / best" for s in products]], rows) + "\n")
        parts += [f"- {labels[key]}: {geometric_mean(values):.2f} of the best reference (geometric mean)\n"
                  for key, values in ratios.items() if values]
    refused = [f"- {row['shape']}, {labels[key]}: {cell['refused']}"
               for row in result["rows"] for key, cell in row["cells"].items() if cell["refused"]]
    return "\n".join(parts + (["## Not measured\n", *refused] if refused else [])) + "\n"
