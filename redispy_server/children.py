"""The forked child of the server: at most one at a time, saving an RDB file, rewriting the AOF, or feeding replicas.

The engine forks; here the child is watched: what it reports through its pipe, and how it ends.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

from .logs import Log
from .loop import Loop

KILLED = 255                    # exit status of a child that was told to stop


class Child:
    """A child that runs."""

    def __init__(self, kind: str, pid: int, info_fd: int, keys_total: int, on_end: Callable[[int, int], None]) -> None:
        self.kind = kind                    # rdb, aof, sync
        self.pid = pid
        self.info_fd = info_fd
        self.started = time.monotonic()
        self.on_end = on_end                # (exit status, signal)
        self.keys_total = keys_total
        self.keys = 0
        self.cow = 0                        # bytes no longer shared, as told last
        self.cow_peak = 0
        self.cow_at = self.started
        self.error = 0                      # errno that it told
        self.outs: dict[int, int] = {}      # index of a descriptor -> errno that ended it, 0: it has everything

    @property
    def seconds(self) -> int:
        """How long it has been running."""
        return int(time.monotonic() - self.started)


class Children:
    """Starts the child, reads its reports, reaps it."""

    def __init__(self, engine: Any, loop: Loop, log: Log) -> None:
        self.engine = engine
        self.loop = loop
        self.log = log
        self.active: Child | None = None
        self.forks = 0
        self.fork_us = 0                    # of the last fork
        self.last_cow = 0                   # of the last child
        self.ended_outs: dict[int, int] = {}    # Child.outs of the last child
        self.on_change: list[Callable[[], None]] = []   # a child began or ended

    def busy(self, kind: str | None = None) -> bool:
        """Does a child (of that kind) run?"""
        return self.active is not None and kind in (None, self.active.kind)

    def start(self, kind: str, fork: Callable[[], tuple[int, int]], on_end: Callable[[int, int], None]) -> int:
        """Forks by calling fork() -> (pid, descriptor of the reports); the pid. Raises OSError."""
        keys = sum(row[1] for row in self.engine.databases())
        began = time.perf_counter()
        pid, info_fd = fork()
        self.fork_us = int((time.perf_counter() - began) * 1e6)
        self.forks += 1
        self.engine.latency_add("fork", self.fork_us // 1000)
        self.engine.set_resize_avoid(True)
        self.active = Child(kind, pid, info_fd, keys, on_end)
        self.loop.watch(info_fd, lambda mask: self._read_reports())
        for tell in self.on_change:
            tell()
        return int(pid)

    def _read_reports(self) -> None:
        child = self.active
        while child is not None:
            try:
                report = self.engine.child_info(child.info_fd)
            except EOFError:
                self.loop.unwatch(child.info_fd)
                return
            if report is None:
                return
            if report["kind"] == "descriptor":
                child.outs[report["descriptor"]] = report["error"]
                continue
            child.keys = report["keys"]
            child.error = report["error"]
            if report["cow_bytes"]:
                child.cow, child.cow_at = report["cow_bytes"], time.monotonic()
                child.cow_peak = max(child.cow_peak, child.cow)

    def poll(self) -> None:
        """Reaps the child if it has ended."""
        child = self.active
        if child is None:
            return
        self._read_reports()
        try:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = child.pid, 1 << 8
        if pid:
            self._ended(child, status)

    def _ended(self, child: Child, status: int) -> None:
        self._read_reports()
        self.loop.unwatch(child.info_fd)
        os.close(child.info_fd)
        self.active = None
        self.last_cow = child.cow_peak
        self.ended_outs = child.outs
        self.engine.set_resize_avoid(False)
        killer = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0
        if code == KILLED:
            killer = signal.SIGUSR1
        if code == 0 and not killer:
            mb = 1 << 20
            self.log("notice", f"Fork CoW for {'AOF rewrite' if child.kind == 'aof' else 'RDB'}: current "
                               f"{child.cow // mb} MB, peak {child.cow_peak // mb} MB, average {child.cow // mb} MB")
        child.on_end(code, killer)
        for tell in self.on_change:
            tell()

    def kill(self) -> None:
        """Ends the child at once, and waits for that."""
        child = self.active
        if child is None:
            return
        os.kill(child.pid, signal.SIGUSR1)
        try:
            _, status = os.waitpid(child.pid, 0)
        except ChildProcessError:
            status = KILLED << 8
        self._ended(child, status)
