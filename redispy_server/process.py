"""The server as a process: background, pid file, supervisors, title, the OOM killer's score, crash reports, watchdog.

Each is switched by settings and knows no client. The signal handlers that write reports are compiled (base/process);
what is done here is done at the start or by CONFIG SET.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

from redispy_core.engine import process
from redispy_core.version import REDIS_VERSION, VERSION

from .config import ApplyError

if TYPE_CHECKING:
    from .server import Server

OOM_FILE = "/proc/self/oom_score_adj"
PRIMARY, REPLICA, CHILD = 0, 1, 2                # places in oom-score-adj-values
DEFAULT_PIDFILE = "/var/run/redis.pid"          # compat: of a server in the background that was given none


def daemonize() -> None:
    """Leaves the terminal: the parent ends, the child has its own session and no standard streams."""
    if os.fork():
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    if null > 2:
        os.close(null)


# ---------------------------------------------------------------- supervisors

def supervisor(setting: str) -> str:
    """Who supervises us: "systemd", "upstart" or "no"; `auto` asks the environment."""
    found = "upstart" if os.environ.get("UPSTART_JOB") else "systemd" if os.environ.get("NOTIFY_SOCKET") else "no"
    return found if setting == "auto" else setting


def tell_supervisor(setting: str, text: str) -> bool:
    """Tells systemd (READY=1, STATUS=..., STOPPING=1); upstart hears of READY alone. False: it cannot be told."""
    who = supervisor(setting)
    if who == "upstart":
        if "READY=1" in text and os.environ.pop("UPSTART_JOB", ""):
            signal.raise_signal(signal.SIGSTOP)         # upstart waits for it and continues us
            return True
        return False
    address = os.environ.get("NOTIFY_SOCKET", "")
    if who != "systemd" or address[:1] not in ("/", "@") or len(address) < 2:
        return False
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("\0" + address[1:] if address[0] == "@" else address)
        sock.sendall(text.encode())
        return True
    return False


# ---------------------------------------------------------------- title

def program_name() -> str:
    """The path that we were started by. Ours shows as redis-server, which scripts look for."""
    folder, name = os.path.split(sys.argv[0])
    known = name in ("__main__.py", "redispy-server") or not name
    return os.path.join(folder, "redis-server") if known else sys.argv[0]


def argument_area() -> tuple[int, int]:
    """Where the system keeps our arguments, from and to; zeros where it does not tell."""
    try:
        with open("/proc/self/stat", "rb") as f:
            fields = f.read().rpartition(b")")[2].split()
    except OSError:
        return 0, 0
    return (int(fields[45]), int(fields[46])) if len(fields) > 46 else (0, 0)


def title_of(server: Server, name: str) -> str:
    """proc-title-template with its places filled."""
    c = server.config
    port = c["port"] or c["tls-port"]
    where = f"{c['bind'][0] if c['bind'] else '*'}:{port}" if port else c["unixsocket"] or ""
    mode = "[sentinel]" if c.sentinel else "[cluster]" if c["cluster-enabled"] else ""
    values = {"title": name, "listen-addr": where, "server-mode": mode, "port": str(c["port"]),
              "tls-port": str(c["tls-port"]), "unixsocket": c["unixsocket"] or "", "config-file": c.filename or ""}
    text: str = c["proc-title-template"]
    for place, value in values.items():
        text = text.replace("{" + place + "}", value)
    return text.rstrip()


def set_title(server: Server, name: str | None = None) -> None:
    """Shows the title, of a child under the name of what it does; nothing where set-proc-title is off."""
    if server.config["set-proc-title"]:
        process.take_title_area(*argument_area())
        process.set_title(title_of(server, name or program_name()).encode("utf-8", "surrogateescape"),
                          (name or "redis-server").encode()[:15])


# ---------------------------------------------------------------- out of memory

class OomScore:
    """oom-score-adj: whom the kernel kills first. Values are added to the score that we were started with (relative,
    yes) or taken as they are (absolute)."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.base: int | None = None            # the score while the setting is off

    def of_child(self, pid: int) -> None:
        """Gives a child that was forked its score; it need not do anything itself."""
        if self.base is not None:
            with contextlib.suppress(ApplyError):
                self.apply(CHILD, pid)

    def apply(self, place: int = PRIMARY, pid: int | None = None) -> None:
        """Writes the score of this role. Raises ApplyError."""
        mode, values = self.server.config["oom-score-adj"], self.server.config["oom-score-adj-values"]
        if mode == "no":
            if self.base is not None:
                self._write(self.base)
                self.base = None
            return
        try:
            if self.base is None:
                with open(OOM_FILE, encoding="ascii") as f:
                    self.base = int(f.read())
        except (OSError, ValueError) as e:
            raise self._refused(e) from e
        score = values[place] + (0 if mode == "absolute" else self.base)
        self._write(max(-1000, min(1000, score)), OOM_FILE if pid is None else f"/proc/{pid}/oom_score_adj")

    def _write(self, score: int, path: str = OOM_FILE) -> None:
        try:
            with open(path, "w", encoding="ascii") as f:
                f.write(str(score))
        except OSError as e:
            raise self._refused(e) from e

    def _refused(self, error: Exception) -> ApplyError:
        self.server.log("warning", f"oom_score_adj cannot be written: {getattr(error, 'strerror', None) or error}")
        return ApplyError("Failed to set current oom_score_adj. Check server logs.")


# ---------------------------------------------------------------- crash reports, watchdog

class Reports:
    """What signals make the process write to its log."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.fd = -1                            # kept open for faulthandler, which must not open anything
        self.armed = False                      # the watchdog's timer runs

    def start(self, facts: str) -> None:
        """Installs the handlers; `facts` end a report."""
        path = self.server.log.path
        try:
            self.fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644) if path else os.dup(1)
        except OSError:
            self.fd = -1
        process.describe(os.fsencode(path), f"Redis {REDIS_VERSION} (redispy {VERSION})".encode(),
                         facts.replace("\r\n", "\n").encode("utf-8", "replace"), self.fd)
        self.server.engine.tell_of_crashes()
        self.switch()
        self.enable(self.server.config["crash-log-enabled"])
        if self.fd >= 0 and hasattr(faulthandler, "register"):
            faulthandler.register(signal.SIGALRM, file=self.fd, all_threads=False)
        process.report_alarms()

    def enable(self, on: bool) -> None:
        """crash-log-enabled."""
        if on and self.fd >= 0:
            faulthandler.enable(file=self.fd, all_threads=True)
        process.report_crashes(on)
        if not on:
            faulthandler.disable()

    def switch(self) -> None:
        """hide-user-data-from-log, use-exit-on-panic."""
        c = self.server.config
        process.switch(c["hide-user-data-from-log"], c["use-exit-on-panic"])

    def watchdog(self) -> None:
        """Called by cron, the setting's hook too: a turn that takes longer than watchdog-period lets SIGALRM come."""
        period = self.server.config["watchdog-period"]
        if period or self.armed:
            signal.setitimer(signal.ITIMER_REAL, period / 1000)
            self.armed = bool(period)

    def set_watchdog(self) -> None:
        """watchdog-period: not shorter than two turns of cron, or an idle server would be reported."""
        c = self.server.config
        least = 2 * 1000 // int(c["hz"])
        if 0 < c["watchdog-period"] < least:
            c.assign("watchdog-period", str(least))
        self.watchdog()


# ---------------------------------------------------------------- all together

class Process:
    """What server.py calls of all this."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.oom = OomScore(server)
        self.reports = Reports(server)
        self.pidfile = ""                       # the one that was written

    def hook_settings(self) -> None:
        """Effects of CONFIG SET."""
        c = self.server.config
        c.on_apply("proc-title-template", lambda old, new: set_title(self.server))
        c.on_apply_group(("oom-score-adj", "oom-score-adj-values"), self.set_oom_score)
        c.on_apply("crash-log-enabled", lambda old, new: self.reports.enable(new))
        c.on_apply_group(("hide-user-data-from-log", "use-exit-on-panic"), self.reports.switch)
        c.on_apply("watchdog-period", lambda old, new: self.reports.set_watchdog())

    def start(self, facts: str) -> None:
        """At the start, when the ports are open."""
        c = self.server.config
        path = c["pidfile"] or (DEFAULT_PIDFILE if c["daemonize"] else "")
        if path:
            self._write_pidfile(path)
        set_title(self.server)
        if c["oom-score-adj"] != "no":
            with contextlib.suppress(ApplyError):
                self.set_oom_score()
        self.reports.start(facts)
        self.reports.set_watchdog()

    def set_oom_score(self) -> None:
        """For the role that we have now. Raises ApplyError."""
        self.oom.apply(REPLICA if self.server.log.role == "S" else PRIMARY)

    def _write_pidfile(self, path: str) -> None:
        try:
            with open(path, "w", encoding="ascii") as f:
                f.write(f"{os.getpid()}\n")
            self.pidfile = path
        except OSError as e:
            self.server.log("warning", f"Failed to write PID file: {e.strerror}")

    def tell(self, text: str) -> bool:
        """A message for the supervisor."""
        return tell_supervisor(self.server.config["supervised"], text)

    def stop(self) -> None:
        """The server ends in good order."""
        if self.reports.armed:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if self.pidfile:
            with contextlib.suppress(OSError):
                os.unlink(self.pidfile)
