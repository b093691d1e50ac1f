"""CPU per request of encrypted connections: redispy beside the redis-server on PATH, if that is built with TLS.

A sibling of versus.py with the same way to measure (throughput.py): both servers listen on a plain port, through which
they are prepared, and on a TLS port, to which redis-benchmark --tls goes. Certificates are made for the run, with the
openssl command; both servers get the same and check the client's.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench import loads, report, servers, throughput, versus
from bench.servers import BenchError, Running, Spec, free_port


def make_certificates(folder: Path) -> dict[str, str]:
    """An authority, and one certificate that serves both sides: setting of redis-server -> file."""
    ca_key, ca, key, cert, request = (str(folder / name) for name in
                                      ("ca.key", "ca.crt", "node.key", "node.crt", "node.csr"))
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for argv in (["req", "-x509", *curve, "-keyout", ca_key, "-out", ca, "-subj", "/CN=bench", "-days", "2"],
                 ["req", *curve, "-keyout", key, "-out", request, "-subj", "/CN=127.0.0.1"],
                 ["x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-out", cert,
                  "-days", "2"]):
        done = subprocess.run(["openssl", *argv], capture_output=True, text=True)
        if done.returncode:
            raise BenchError(f"openssl {argv[0]}: {done.stderr.strip()[-300:]}")
    return {"tls-cert-file": cert, "tls-key-file": key, "tls-ca-cert-file": ca}


def start(spec: Spec, temp: Path, files: dict[str, str]) -> Running | None:
    """The server with a TLS port, or None if it cannot have one."""
    port = free_port()
    extra = ["--tls-port", str(port)] + [word for name, path in files.items() for word in ("--" + name, path)]
    try:
        running = Running(spec, temp, extra)
    except BenchError:
        return None
    running.load_port = port
    return running


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tls.py", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--tests", default="set,get", metavar="NAMES", help="as of versus.py (default set,get)")
    add("--pipeline", default="1,16", metavar="DEPTHS", help="pipeline depths (default 1,16)")
    add("--clients", type=int, default=50, metavar="N", help="connections (default 50)")
    add("--keyspace", type=int, default=100000, metavar="N", help="number of different keys (default 100000)")
    add("--requests", type=int, default=50000, metavar="N", help="requests a run at depth 1, five times as many from 8")
    add("--rounds", type=int, default=5, metavar="N", help="alternating rounds, of which the median is shown")
    add("--data-size", type=int, default=3, metavar="BYTES", help="value size (default 3)")
    add("--servers", default="redispy,redis-path", metavar="PART,PART", help="as of versus.py")
    add("--server", action="append", default=[], metavar="NAME=COMMAND", help="as of versus.py")
    add("--benchmark", default="redis-benchmark", metavar="PROGRAM", help="a redis-benchmark with --tls")
    add("--json", metavar="OUT", help="write every single figure")
    add("--quiet", action="store_true", help="no progress on stderr")
    parser.set_defaults(pin=None, no_pin=False, mode="throughput", reference=[])
    return parser


def run(o: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="versus-tls-") as name, contextlib.ExitStack() as stack:
        temp = Path(name)
        files = make_certificates(temp)
        specs = servers.find_servers(temp, o.server, o.reference, o.servers)
        pinning = versus.set_cores(o, specs)
        running = [server for server in (start(spec, temp, files) for spec in specs) if server]
        for server in running:
            stack.enter_context(server)
        more = ["--tls", "--cacert", files["tls-ca-cert-file"], "--cert", files["tls-cert-file"],
                "--key", files["tls-key-file"]]
        depths = [int(depth) for depth in o.pipeline.split(",")]
        options = throughput.Options(o.benchmark, o.clients, o.keyspace, o.requests, o.data_size, o.rounds, depths, more)
        progress = report.Progress(o.quiet)
        mode = throughput.Throughput(running, loads.choose(o.tests, [], []), options, progress)
        mode.run()
        progress.finish()
        used = [server.spec for server in running]
        shown = [{"key": s.key, "label": s.label or s.key, "version": s.version, "reference": s.reference} for s in used]
        result = {"mode": "tls", "facts": versus.facts_of(o, used, pinning), "servers": shown,
                  "rows": throughput.rows_of(mode.cells)}
        print(report.heading("redispy and redis-server over TLS", result["facts"]) + "\n" + throughput.markdown(result))
        if o.json:
            Path(o.json).write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(run(build_parser().parse_args()))
    except BenchError as error:
        print(f"tls.py: {error}", file=sys.stderr)
        sys.exit(2)
