"""Throughput mode: server CPU per request and requests per second, in alternating rounds.

Called by versus.py. All servers run at once and are measured in turn (A, B, C, then B, C, A ...), so that slow drifts
of the machine meet all alike. One run: empty, set up, wait till the server rests, read its CPU clock, redis-benchmark,
read the clock again. The number of requests is a multiple of clients x depth, hence exactly what redis-benchmark sends.
"""
from __future__ import annotations

import csv
import io
import random
import re
import selectors
import shlex
import socket
import subprocess
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from bench import loads as tables
from bench.report import Progress, geometric_mean, median, table, with_spread
from bench.servers import BenchError, Conn, ReplyError, Running, encode, has_error


class Unsupported(Exception):
    """The server answers this load with an error (or with nothing where there must be something)."""


@dataclass
class Options:
    benchmark: str
    clients: int
    keyspace: int
    requests: int
    data_size: int
    rounds: int
    depths: list[int]
    more: list[str] = field(default_factory=list)       # further arguments of redis-benchmark


@dataclass
class Cell:
    """Figures of one server for one load and depth, one entry a round."""
    cpu_us: list[float] = field(default_factory=list)
    rps: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    refused: str = ""


def request_count(wanted: int, depth: int, clients: int) -> int:
    """The multiple of clients x depth nearest to the wanted number, at least one."""
    step = clients * depth
    return max(1, round(wanted / step)) * step


def parse_csv(text: str) -> list[dict[str, str]]:
    """Rows of redis-benchmark --csv: with a heading since 6.2, before that 'test,rps' alone."""
    rows = [row for row in csv.reader(io.StringIO(text)) if len(row) >= 2]
    if rows and rows[0][0] == "test":
        return [dict(zip(rows[0], row)) for row in rows[1:]]
    return [{"test": row[0], "rps": row[1]} for row in rows]


def benchmark_argv(load: tables.Load, port: int, depth: int, count: int, o: Options) -> list[str]:
    """The command line of redis-benchmark for one run."""
    argv = [o.benchmark, "-h", "127.0.0.1", "-p", str(port), "-c", str(o.clients), "-n", str(count), "-P", str(depth),
            "-r", str(o.keyspace), "-d", str(o.data_size), "--csv", *o.more]
    argv += ["--enable-tracking"] if load.tracking == "own" else []
    return argv + (["-t", load.name] if load.native else shlex.split(load.command))


def run_benchmark(load: tables.Load, port: int, depth: int, count: int, o: Options) -> dict[str, str]:
    """One run; returns its CSV row. Raises Unsupported on an error reply."""
    done = subprocess.run(benchmark_argv(load, port, depth, count, o), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=600)
    error = re.search(r"Error from server: (.*)", done.stderr + done.stdout)
    if error:
        raise Unsupported(error.group(1).strip())
    rows = parse_csv(done.stdout)
    if done.returncode or not rows:
        if not done.returncode and load.native:
            raise BenchError(f"no test {load.name!r} in bench/loads.py and in {o.benchmark} -t")
        raise BenchError(f"{o.benchmark} failed for {load.name}: {done.stderr.strip()[-300:] or done.returncode}")
    if len(rows) > 1:
        raise BenchError(f"test {load.name!r} is several: name one of {', '.join(row['test'] for row in rows)}")
    return rows[0]


def run_units(load: tables.Load, port: int, depth: int, count: int, o: Options) -> dict[str, str]:
    """A load of several commands a request, by our own client: each connection has `depth` units under way.

    Every unit must have a reply of one length, taken from the first answer; so the bytes tell when all are in.
    """
    rng = random.Random(17)

    def unit() -> bytes:
        key = f"{rng.randrange(o.keyspace):012d}"
        return b"".join(encode(*shlex.split(text.replace("__rand_int__", key))) for text in load.unit)

    batches = [b"".join(unit() for _ in range(depth)) for _ in range(200)]
    with Conn(port) as conn:
        conn.sock.sendall(unit() + encode("ECHO", "~end~"))
        first = b""
        while not first.endswith(b"$5\r\n~end~\r\n"):
            first += conn.sock.recv(65536) or b"-closed\r\n$5\r\n~end~\r\n"
    if has_error(first):
        raise Unsupported(first[first.index(b"-"):][:80].decode(errors="replace"))
    size = (len(first) - len(b"$5\r\n~end~\r\n")) * depth
    selector, left = selectors.DefaultSelector(), count // depth
    waiting: dict[Any, int] = {}
    for _ in range(o.clients):
        sock = socket.create_connection(("127.0.0.1", port), 60)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(sock, selectors.EVENT_READ)
        waiting[sock] = 0
    started, busy = time.perf_counter(), 0
    try:
        for sock in waiting:
            if left:
                sock.sendall(batches[left % 200])
                waiting[sock], left, busy = size, left - 1, busy + 1
        while busy:
            for key, _ in selector.select(60) or _stalled(load):
                peer: Any = key.fileobj
                data = peer.recv(1 << 18)
                waiting[peer] -= len(data)
                if not data or waiting[peer] < 0 or has_error(data):
                    raise Unsupported(f"unlike the first reply: {data[:60]!r}")
                if waiting[peer] == 0 and left:
                    peer.sendall(batches[left % 200])
                    waiting[peer], left = size, left - 1
                elif waiting[peer] == 0:
                    busy -= 1
    finally:
        elapsed = time.perf_counter() - started
        selector.close()
        for sock in waiting:
            sock.close()
    return {"rps": str(count / elapsed)}


def _stalled(load: tables.Load) -> list:
    raise BenchError(f"{load.name}: no reply within 60 s")


class Listeners:
    """Connections that throw away what comes, in a thread: subscribers of `channel`, and a reader of all keys that
    tracks them and is told of their changes."""

    def __init__(self, port: int, subscribers: int, tracked: int) -> None:
        self.conns = [Conn(port) for _ in range(subscribers + (tracked > 0))]
        for conn in self.conns[:subscribers]:
            conn.call("SUBSCRIBE", "channel")
        if tracked:
            reader = self.conns[-1]
            for command in (("HELLO", "3"), ("CLIENT", "TRACKING", "ON")):
                reader.sock.sendall(encode(*command))
                time.sleep(0.05)
            for at in range(0, tracked, 1000):
                keys = [f"key:{i:012d}" for i in range(at, min(at + 1000, tracked))]
                reader.sock.sendall(encode("EXISTS", *keys))
            time.sleep(0.3)
        self.stopping = False
        self.thread = threading.Thread(target=self._drain, daemon=True)
        self.thread.start()

    def _drain(self) -> None:
        with selectors.DefaultSelector() as selector:
            for conn in self.conns:
                selector.register(conn.sock, selectors.EVENT_READ)
            while not self.stopping:
                for key, _ in selector.select(0.2):
                    peer: Any = key.fileobj
                    if not peer.recv(1 << 20):
                        return

    def close(self) -> None:
        self.stopping = True
        self.thread.join()
        for conn in self.conns:
            conn.sock.close()


def is_empty(reply: object) -> bool:
    """Nil, an empty string, zero or an empty array, or an array of nothing else."""
    if isinstance(reply, list):
        return all(is_empty(item) for item in reply)
    return not reply


def processed_commands(server: Running) -> int:
    """The server's own count of commands; 0 when it does not tell."""
    return int(server.info("stats").get("total_commands_processed", 0))


class Throughput:
    """The whole mode: run() fills cells[(load name, depth)][server key]."""

    def __init__(self, servers: list[Running], chosen: list[tables.Load], o: Options, progress: Progress) -> None:
        self.servers, self.loads, self.o, self.progress = servers, chosen, o, progress
        self.cells: dict[tuple[str, int], dict[str, Cell]] = {}
        self.payloads: dict[tuple[tables.Fill, int], list[bytes]] = {}

    def run(self) -> None:
        total = len(self.loads) * len(self.o.depths) * self.o.rounds * len(self.servers)
        self.progress.start(total)
        for load in self.loads:
            self.ready: set[str] = set()                # servers that hold the data of a readonly load
            self.payloads.clear()
            for depth in self.o.depths:
                self._measure(load, depth)

    def _measure(self, load: tables.Load, depth: int) -> None:
        wanted = self.o.requests * (1 if depth < 8 else 5) // load.weight
        count = request_count(wanted, depth, self.o.clients)
        cells = self.cells[load.name, depth] = {server.spec.key: Cell() for server in self.servers}
        for round_no in range(self.o.rounds):
            first = round_no % len(self.servers)        # another begins each round, so that no place has an advantage
            for server in self.servers[first:] + self.servers[:first]:
                cell = cells[server.spec.key]
                self.progress.step(f"{load.name} P={depth} round {round_no + 1} {server.spec.label}")
                if cell.refused:
                    continue
                try:
                    self._prepare(server, load, count)
                    self._once(server, load, depth, count, cell)
                except (Unsupported, ReplyError) as error:
                    cells[server.spec.key] = Cell(refused=str(error))

    def _prepare(self, server: Running, load: tables.Load, count: int) -> None:
        """Empties the server, loads the data and tries the command once."""
        key = server.spec.key
        if load.readonly and key in self.ready:
            return
        with server.conn() as conn:
            conn.call("FLUSHALL")
            for fill in load.fills:
                at = fill, fill.number(self.o.keyspace, count)
                if at not in self.payloads:
                    self.payloads[at] = tables.payload(fill, self.o.keyspace, count)
                conn.load(self.payloads[at])
            replies = [conn.call(*args) for args in tables.probe(load)]
        if load.filled and is_empty(replies):
            raise Unsupported("empty reply where data was expected")
        self.ready.add(key)

    def _once(self, server: Running, load: tables.Load, depth: int, count: int, cell: Cell) -> None:
        tracked = self.o.keyspace if load.tracking == "other" else 0
        listeners = Listeners(server.port, load.subscribers, tracked) if load.subscribers or tracked else None
        try:
            processed = processed_commands(server)
            server.quiesce()
            before = server.cpu()
            row = (run_units if load.unit else run_benchmark)(load, server.load_port, depth, count, self.o)
            used = server.cpu() - before
            processed = processed_commands(server) - processed
        finally:
            if listeners:
                listeners.close()
        if 0 < processed < count * len(load.unit or "1"):
            raise Unsupported(f"processed {processed} commands of {count}")
        cell.cpu_us.append(used / count * 1e6)
        cell.rps.append(float(row["rps"]))
        for name, values in (("p50_latency_ms", cell.p50_ms), ("p99_latency_ms", cell.p99_ms)):
            if name in row:
                values.append(float(row[name]))


def rows_of(cells: dict[tuple[str, int], dict[str, Cell]]) -> list[dict]:
    """The rows of the result: test, depth and each server's figures."""
    return [{"test": name, "depth": depth, "cells": {key: asdict(cell) for key, cell in by_server.items()}}
            for (name, depth), by_server in cells.items()]


def best_reference(cells: dict[str, dict], servers: list[dict]) -> tuple[str, float] | None:
    """(key, CPU per request) of the reference with the lowest median; None when none has figures."""
    medians = [(median(cells[s["key"]]["cpu_us"]), s["key"]) for s in servers
               if s["reference"] and cells[s["key"]]["cpu_us"]]
    return (min(medians)[1], min(medians)[0]) if medians else None


def product_ratio(row: dict, key: str, servers: list[dict]) -> float | None:
    """CPU per request of a server as a multiple of the best reference's; None without figures of both."""
    best, values = best_reference(row["cells"], servers), row["cells"][key]["cpu_us"]
    return median(values) / best[1] if best and values else None


def markdown(result: dict) -> str:
    """CPU and rate tables, a summary of the ratios, and the reasons of every '-'."""
    servers, rows = result["servers"], result["rows"]
    products = [s for s in servers if not s["reference"]]
    labels = {s["key"]: s["label"] for s in servers}
    cpu_rows, rate_rows = [], []
    for row in rows:
        cells, first = row["cells"], [row["test"], str(row["depth"])]
        best = best_reference(cells, servers)
        ratios = [product_ratio(row, s["key"], servers) for s in products]
        cpu_rows.append(first + [with_spread(cells[s["key"]]["cpu_us"]) for s in servers]
                        + [labels[best[0]] if best else "-"] + ["-" if r is None else f"{r:.2f}" for r in ratios])
        rate_rows.append(first + [with_spread(cells[s["key"]]["rps"]) for s in servers])
    titles = [s["label"] for s in servers]
    parts = [
        "## Server CPU per request, microseconds (lower is better)\n",
        table(["test", "P", *titles, "best reference", *[f"{s['label']} / best" for s in products]], cpu_rows),
        "\n## Requests per second (higher is better; bounded by the client where the server has idle time)\n",
        table(["test", "P", *titles], rate_rows), "", *_summary(result, products)]
    refused = [f"- {row['test']} P={row['depth']}, {labels[key]}: {cell['refused']}"
               for row in rows for key, cell in row["cells"].items() if cell["refused"]]
    if refused:
        parts += ["\n## Not measured\n", *refused]
    return "\n".join(parts) + "\n"


def _summary(result: dict, products: list[dict]) -> list[str]:
    """Geometric mean of the ratios by depth, and the worst rows."""
    lines = []
    for product in products:
        ratios = [(product_ratio(row, product["key"], result["servers"]), row) for row in result["rows"]]
        known = [(value, row) for value, row in ratios if value]
        for depth in sorted({row["depth"] for _, row in known}):
            values = [value for value, row in known if row["depth"] == depth]
            lines.append(f"- {product['label']}, P={depth}: CPU per request is {geometric_mean(values):.2f} of the "
                         f"best reference's (geometric mean of {len(values)}), better in {sum(v < 1 for v in values)}")
        worst = sorted(known, key=lambda pair: -pair[0])[:5]
        if worst:
            lines.append("- furthest behind: " + ", ".join(
                f"{row['test']} P={row['depth']} {value:.2f}" for value, row in worst))
    return ["## Summary\n", *lines] if lines else []
