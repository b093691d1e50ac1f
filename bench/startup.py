"""Start mode: time to PONG, idle memory, and what many idle connections cost.

Called by versus.py. The time from fork to the first PONG is the median of --rounds starts. Then on one more server:
resident set at rest; latency of one active connection; --connections idle ones are opened, each having sent one PING;
when the server has settled, its growth, the CPU it uses at rest, and the latency of the active connection again.
"""
from __future__ import annotations

import argparse
import gc
import resource
import time
from pathlib import Path

from bench.memory import settle
from bench.report import Progress, median, number, ratio, table, with_spread
from bench.servers import BenchError, Conn, ReplyError, Running, Spec, encode

SPARE_FILES = 300                                       # open files beside the connections, in client and server
LATENCY_REQUESTS = 7000                                 # in each of LATENCY_RUNS, of which the median is taken
LATENCY_RUNS = 3
BATCH = 100                                             # connections opened before their replies are awaited
REDIS_MAXCLIENTS = 10000                                # the default that must be raised for as many connections


def allowed_connections(wanted: int) -> int:
    """Raises the soft limit of open files as far as needed and allowed; servers inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = wanted + SPARE_FILES
    top = need if hard == resource.RLIM_INFINITY else min(need, hard)
    if soft != resource.RLIM_INFINITY and soft < top:
        resource.setrlimit(resource.RLIMIT_NOFILE, (top, hard))
        soft = top
    return wanted if soft == resource.RLIM_INFINITY else min(wanted, soft - SPARE_FILES)


def percentile(values: list[int], share: float) -> float:
    """Nearest-rank percentile of a list, which is sorted in place."""
    values.sort()
    return float(values[min(len(values) - 1, int(len(values) * share))])


def latencies_us(port: int) -> tuple[float, float]:
    """(p50, p99), the median of several runs: a single one may meet a slice given to another process."""
    runs = [latency_run_us(port, LATENCY_REQUESTS) for _ in range(LATENCY_RUNS)]
    return median([p50 for p50, _ in runs]), median([p99 for _, p99 in runs])


def latency_run_us(port: int, count: int) -> tuple[float, float]:
    """(p50, p99) of GET on one connection, one at a time."""
    request, took = encode("GET", "bench:key"), []
    with Conn(port) as conn:
        conn.call("SET", "bench:key", "xxx")
        sock = conn.sock
        gc.disable()
        try:
            for _ in range(count):
                began = time.perf_counter_ns()
                sock.sendall(request)
                sock.recv(64)
                took.append(time.perf_counter_ns() - began)
        finally:
            gc.enable()
    return percentile(took, 0.5) / 1000, percentile(took, 0.99) / 1000


def open_idle(port: int, count: int) -> list[Conn]:
    """Idle connections, accepted for certain: each has had a PONG."""
    conns: list[Conn] = []
    try:
        while len(conns) < count:
            batch = [Conn(port) for _ in range(min(BATCH, count - len(conns)))]
            conns += batch
            for conn in batch:
                conn.sock.sendall(b"*1\r\n$4\r\nPING\r\n")
            for conn in batch:
                if conn.read() != b"PONG":
                    raise ReplyError("no PONG")
    except BaseException:
        close_all(conns)
        raise
    return conns


def close_all(conns: list[Conn]) -> None:
    for conn in conns:
        conn.sock.close()


def idle_cpu_percent(server: Running, seconds: float = 2.0) -> float:
    """Share of a core that the server uses when nothing happens."""
    began, before = time.perf_counter(), server.cpu()
    time.sleep(seconds)
    return (server.cpu() - before) / (time.perf_counter() - began) * 100


def connections_cost(spec: Spec, temp: Path, count: int) -> dict:
    """Memory, CPU and latency of one server before and with `count` idle connections."""
    extra = ["--maxclients", str(count + 100)] if count + 10 > REDIS_MAXCLIENTS else []
    with Running(spec, temp, extra) as server:
        settle(server)
        cell: dict = {"idle_cpu": idle_cpu_percent(server)}
        cell["p50_alone"], cell["p99_alone"] = latencies_us(server.port)
        used, rss = settle(server)
        cell["idle_rss"] = rss
        conns = open_idle(server.port, count)
        try:
            time.sleep(2.5)                             # servers shrink the buffers of connections idle for 2 s
            used_with, rss_with = settle(server)
            cell["conn_used"], cell["conn_rss"] = (used_with - used) / count, (rss_with - rss) / count
            cell["idle_cpu_with"] = idle_cpu_percent(server)
            cell["p50_with"], cell["p99_with"] = latencies_us(server.port)
            conns[0].sock.sendall(b"*1\r\n$4\r\nPING\r\n")
            if conns[0].read() != b"PONG":
                raise ReplyError("an idle connection does not answer any more")
        finally:
            close_all(conns)
    return cell


def run(specs: list[Spec], temp: Path, o: argparse.Namespace, progress: Progress) -> list[dict]:
    """One row: the figures of each server. Lowers o.connections to what the limit of open files allows."""
    count = allowed_connections(o.connections)
    if count < 1:
        raise BenchError("the limit of open files leaves no room for connections")
    if count < o.connections:
        progress.note(f"limit of open files: {count} connections instead of {o.connections}")
        o.connections = count
    progress.start(o.rounds * len(specs) + len(specs))
    cells: dict[str, dict] = {spec.key: {"start_ms": [], "refused": ""} for spec in specs}
    for spec in specs:
        with Running(spec, temp):                       # the first start reads the program from disk: not counted
            pass
    for _ in range(o.rounds):
        for spec in specs:
            progress.step(f"start {spec.key}")
            with Running(spec, temp) as server:
                cells[spec.key]["start_ms"].append(server.start_seconds * 1000)
    for spec in specs:
        progress.step(f"{count} connections {spec.key}")
        try:
            cells[spec.key].update(connections_cost(spec, temp, count))
        except (ReplyError, OSError) as error:
            cells[spec.key]["refused"] = str(error) or type(error).__name__
    return [{"connections": count, "cells": cells}]


FIGURES = [
    ("idle_rss", "resident set at rest, MB", 1 / 1024 / 1024),
    ("conn_rss", "resident set per idle connection, bytes", 1),
    ("conn_used", "used_memory per idle connection, bytes", 1),
    ("idle_cpu", "CPU at rest, % of a core", 1),
    ("idle_cpu_with", "CPU at rest with idle connections, %", 1),
    ("p50_alone", "GET latency p50, µs", 1),
    ("p99_alone", "GET latency p99, µs", 1),
    ("p50_with", "GET latency p50 with idle connections, µs", 1),
    ("p99_with", "GET latency p99 with idle connections, µs", 1),
]


def markdown(result: dict) -> str:
    """One table, figures down and servers across, each product with a ratio to the best reference."""
    servers, row = result["servers"], result["rows"][0]
    products, cells = [s for s in servers if not s["reference"]], row["cells"]
    labels = {s["key"]: s["label"] for s in servers}

    def line(title: str, values: dict[str, float | None], texts: list[str]) -> list[str]:
        known = [value for s in servers if s["reference"] and (value := values[s["key"]])]
        base = min(known) if known else None
        return [title, *texts, *[ratio(values[s["key"]], base) for s in products]]

    rows = [line("start to PONG, ms", {key: median(cell["start_ms"]) for key, cell in cells.items()},
                 [with_spread(cells[s["key"]]["start_ms"]) for s in servers])]
    for name, title, factor in FIGURES:
        values = {key: cell[name] * factor if name in cell else None for key, cell in cells.items()}
        texts = ["-" if (value := values[s["key"]]) is None else number(value) for s in servers]
        rows.append(line(title, values, texts))
    parts = [f"## Start, and {row['connections']} idle connections (lower is better)\n",
             table(["figure", *labels.values(), *[f"{s['label']} / best" for s in products]], rows)]
    refused = [f"- {labels[key]}: {cell['refused']}" for key, cell in cells.items() if cell["refused"]]
    return "\n".join(parts + (["\n## Not measured\n", *refused] if refused else [])) + "\n"
