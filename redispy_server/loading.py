"""Loading at start and on demand: from the RDB file or from the append-only files, with -LOADING for clients meanwhile.

Progress goes to INFO, to the log, and to a bar on an interactive terminal.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from redispy_core.engine import RdbError

if TYPE_CHECKING:
    from .server import Server

HEAD = 1024                     # bytes of an RDB file in which its first fields stand
BAR = 40                        # characters
BAR_AFTER = 0.5                 # seconds: what loads faster needs no bar


class LoadFailed(Exception):
    """The data can't be loaded; the log says why."""


class Stopped(Exception):
    """The server shall end: loading is given up."""


class Progress:
    """How far loading is."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.started = time.time()
        self._show = sys.stdout.isatty()

    def at(self, done: int) -> None:
        """So many bytes are loaded."""
        self.done = done
        seconds = time.time() - self.started
        if self._show and seconds > BAR_AFTER:
            part = min(1.0, done / max(1, self.total))
            full = int(part * BAR)
            sys.stdout.write(f"\r[{'#' * full}{'.' * (BAR - full)}] {part:4.0%} {done >> 20} MB, {self.eta()} s left ")
            sys.stdout.flush()

    def end(self) -> None:
        """Clears the bar."""
        if self._show and time.time() - self.started > BAR_AFTER:
            sys.stdout.write("\r" + " " * (BAR + 40) + "\r")
            sys.stdout.flush()

    def eta(self) -> int:
        """Seconds that are left, by the speed so far."""
        seconds = time.time() - self.started
        return int(seconds * (self.total - self.done) / self.done) if self.done else 1

    def rows(self, used_memory: int) -> list[tuple[str, object]]:
        """INFO's rows."""
        return [("loading_start_time", int(self.started)), ("loading_total_bytes", self.total),
                ("loading_rdb_used_mem", used_memory), ("loading_loaded_bytes", self.done),
                ("loading_loaded_perc", f"{100 * self.done / max(1, self.total):.2f}"),
                ("loading_eta_seconds", max(1, self.eta()))]


class Loading:
    """Loads the data set of one server."""

    Failed = LoadFailed

    def __init__(self, server: Server) -> None:
        self.server = server
        self.engine = server.engine
        self.config = server.config
        self.log = server.log
        self.progress: Progress | None = None
        self.keys_loaded = 0
        self.keys_expired = 0
        self.rdb_memory = 0
        self.aux: dict[bytes, bytes] = {}
        self.functions: list[bytes] = []    # of the last RDB, until they are loaded
        self.on_step: Callable[[], None] | None = None
        self.aside = False                  # the old data are served meanwhile

    # ---------------------------------------------------------------- framing

    def begin(self, total: int, *, aside: bool = False) -> None:
        """Commands are refused from now on; aside: only those that could not stand the exchange of the data."""
        self.progress = Progress(total)
        self.aside = aside
        self.engine.set_loading(True, aside)

    def end(self) -> None:
        """The data are there."""
        if self.progress is not None:
            self.progress.end()
        self.progress = None
        self.engine.set_loading(False)

    def step(self, done: int) -> None:
        """Told by the loader now and then: serves clients, and gives up if the server shall end."""
        if self.progress is not None:
            self.progress.at(done)
        if self.on_step is not None:
            self.on_step()
        self.server.loop.turn()
        if self.server.stopping:
            raise Stopped

    @property
    def every(self) -> int:
        """Bytes between two steps."""
        return int(self.config["loading-process-events-interval-bytes"])

    # ---------------------------------------------------------------- RDB

    def rdb(self, source: int | Callable[[int], bytes], path: str, *, keep_expired: bool = False, merge: bool = False,
            base: int = 0, staged: bool = False) -> int:
        """Loads RDB bytes from the descriptor's position, or by a reader; the offset behind them. Raises LoadFailed."""
        try:
            result = self.engine.load_rdb(source, staged=staged, progress=lambda done, keys: self.step(base + done), interval=self.every,
                                          keep_expired=keep_expired, replace=merge)
        except RdbError as e:
            self.log("warning", f"RDB CRC error: {e}" if e.kind == "checksum" else str(e))
            self.log("warning", f"Failed trying to load {path}" if self.server.running
                     else "Terminating server after rdb file reading failure.")
            raise LoadFailed from None
        self.keys_loaded, self.keys_expired = result["keys"], result["expired"]
        self.functions = result["functions"]
        if not staged:
            self.take_functions(path, merge)
        self._tell_aux(result["aux"])
        for key in result["empty"]:
            self.log("notice", f"rdbLoadObject skipping empty key: {key.decode('utf-8', 'replace')}")
        if result["empty"]:
            self.log("warning", f"Done loading RDB, keys loaded: {self.keys_loaded}, keys expired: {self.keys_expired}, "
                                f"empty keys skipped: {len(result['empty'])}.")
        else:
            self.log("notice", f"Done loading RDB, keys loaded: {self.keys_loaded}, keys expired: {self.keys_expired}.")
        return os.lseek(source, 0, os.SEEK_CUR) if isinstance(source, int) else result["bytes"]

    def take_functions(self, path: str, merge: bool = False) -> None:
        """Loads the libraries of functions that came with the keys. Raises LoadFailed."""
        why = self.engine.load_functions(self.functions, merge)
        self.functions = []
        if why is not None:
            self.log("warning", f"Failed creating the functions library: {why.removeprefix('ERR ')}")
            self.log("warning", f"Failed trying to load {path}" if self.server.running
                     else "Terminating server after rdb file reading failure.")
            raise LoadFailed

    def _tell_aux(self, aux: dict[bytes, bytes]) -> None:
        self.aux = aux
        if b"redis-ver" in aux:
            self.log("notice", f"Loading RDB produced by version {aux[b'redis-ver'].decode('utf-8', 'replace')}")
        if aux.get(b"ctime", b"").isdigit():
            self.log("notice", f"RDB age {max(0, int(time.time()) - int(aux[b'ctime']))} seconds")
        if aux.get(b"used-mem", b"").isdigit():
            self.rdb_memory = int(aux[b"used-mem"])
            self.log("notice", f"RDB memory usage when created {self.rdb_memory / (1 << 20):.2f} Mb")

    def rdb_file(self, path: str, *, merge: bool = False, keep_expired: bool = False) -> bool:
        """Loads a file; False: there is none. Raises LoadFailed."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as e:
            self.log("warning", f"Fatal error loading the DB, check server logs. Exiting. ({path}: {e.strerror})")
            raise LoadFailed from None
        began = time.monotonic()
        self.begin(os.fstat(fd).st_size)
        try:
            self.rdb(fd, path, merge=merge, keep_expired=keep_expired)
        finally:
            self.end()
            os.close(fd)
        self.log("notice", f"DB loaded from disk: {time.monotonic() - began:.3f} seconds")
        return True

    def reload(self, *, flush: bool, merge: bool) -> None:
        """DEBUG RELOAD: the file replaces, or joins, what is there. Raises LoadFailed."""
        if flush:
            self.engine.flush_all()
            self.engine.flush_functions()
        if not self.rdb_file(self.config["dbfilename"], merge=merge):
            raise LoadFailed
        self.engine.mark_saved(self.engine.dirty)

    # ---------------------------------------------------------------- at start

    def at_start(self) -> None:
        """Loads what is on disk. Raises LoadFailed, Stopped."""
        if self.config["appendonly"]:
            self.server.aof.load()
        else:
            self._rdb_at_start(self.config["dbfilename"])
        self.engine.mark_saved(self.engine.dirty)

    def _rdb_at_start(self, path: str) -> None:
        """A replica keeps what has expired, for its primary to delete. A primary that goes on with its history has to tell
        its replicas of that: the keys expire when the history is open."""
        primary = not self.config["replicaof"]
        if not self.rdb_file(path, keep_expired=not primary or names_history(path)) or not primary:
            return
        self.server.primary.restore(self.aux)
        self.keys_expired += self.engine.expire_all()


def names_history(path: str) -> bool:
    """Does an RDB file tell of a replication history, in its first fields?"""
    try:
        with open(path, "rb") as f:
            return b"repl-id" in f.read(HEAD)
    except OSError:
        return False
