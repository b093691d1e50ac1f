"""The event loop: one thread, one engine. Per turn: wait, serve what is ready, timers, before-sleep, attend.

The loop knows descriptors and times; what stands behind a descriptor that is no client's is a handler's business.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import select
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from .poller import READ, WRITE, best_poller

CLOSE, WATCH_WRITE, UNWATCH_WRITE = 0, 1, 2     # Engine.attend's actions
MAX_WAIT = 1.0                                  # seconds: an idle loop still looks around


class Loop:
    """Waits for descriptors and times."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.poller = best_poller()
        self.handlers: dict[int, Callable[[int], None]] = {}
        self.on_close: Callable[[int], None] = os.close
        self.before_sleep: list[Callable[[], None]] = []     # run each turn before replies are sent
        self.running = False
        self._signalled: deque[Callable[[], None]] = deque()  # run in the loop: a handler may interrupt anything
        self._timers: list[tuple[float, int, Callable[[], float | None]]] = []
        self._order = itertools.count()
        self._wake_in, self._wake_out = socket.socketpair()
        for end in (self._wake_in, self._wake_out):
            end.setblocking(False)
        self.watch(self._wake_in.fileno(), self._drain)
        engine.wake_by(self._wake_out.fileno())

    # ---------------------------------------------------------------- descriptors

    def watch(self, fd: int, handler: Callable[[int], None], mask: int = READ) -> None:
        """Calls handler(mask) when fd is ready."""
        self.handlers[fd] = handler
        self.poller.add(fd, mask)

    def unwatch(self, fd: int) -> None:
        """Forgets fd."""
        if self.handlers.pop(fd, None) is not None:
            self.poller.remove(fd)

    def watch_client(self, fd: int) -> None:
        """A client's socket: the engine reads it itself, and remembers what it has left unread."""
        self.poller.add(fd, self.poller.edge | READ)

    # ---------------------------------------------------------------- times

    def call_later(self, seconds: float, fn: Callable[[], float | None]) -> None:
        """Calls fn once after that many seconds; what it returns, if not None, is the time until the next call."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), fn))

    def _run_timers(self, now: float) -> None:
        while self._timers and self._timers[0][0] <= now:
            _, _, fn = heapq.heappop(self._timers)
            again = fn()
            if again is not None:
                heapq.heappush(self._timers, (time.monotonic() + again, next(self._order), fn))

    # ---------------------------------------------------------------- signals

    def on_signal(self, number: int, fn: Callable[[], None]) -> None:
        """Calls fn in the loop soon after the signal."""
        signal.signal(number, lambda *_: self._signalled.append(fn))
        signal.set_wakeup_fd(self._wake_out.fileno(), warn_on_full_buffer=False)

    @contextlib.contextmanager
    def signals_in_thread(self, fn: Callable[[int], None]) -> Iterator[None]:
        """While this thread is busy inside the body, fn(number) is called in another for each signal that comes."""
        done, tell = socket.socketpair()

        def watch() -> None:
            while True:
                ready, _, _ = select.select([self._wake_in, done], [], [])
                if done in ready:
                    return
                for number in self._wake_in.recv(64):
                    fn(number)

        watcher = threading.Thread(target=watch, name="signals", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            tell.close()
            watcher.join()
            done.close()

    def wake(self) -> None:
        """Ends the current wait; from any thread."""
        try:
            self._wake_out.send(b"\0")
        except BlockingIOError:
            pass                                # it is awake already

    def _drain(self, mask: int) -> None:
        try:
            while self._wake_in.recv(4096):
                pass
        except BlockingIOError:
            pass
        while self._signalled:
            self._signalled.popleft()()

    # ---------------------------------------------------------------- turning

    def run(self) -> None:
        """Turns until stop()."""
        self.running = True
        engine, wait, timers = self.engine, self.poller.wait, self._timers
        serve, before_sleep, monotonic = engine.serve, engine.before_sleep, time.monotonic
        handlers, hooks = self.handlers, self.before_sleep
        timeout, more = 0.0, 0
        while self.running:
            events = wait(timeout)
            if events or more & 2:
                for fd, mask in serve(events):
                    handler = handlers.get(fd)
                    if handler is not None:
                        handler(mask)
            now = monotonic()
            if timers and timers[0][0] <= now:
                self._run_timers(now)
                now = monotonic()
            for hook in hooks:
                hook()
            more = before_sleep()
            if more & 1:
                self._attend()
            timeout = min(MAX_WAIT, timers[0][0] - now) if timers else MAX_WAIT
            if more & 4:
                timeout = min(timeout, self._until_deadline())
            if timeout < 0 or more & 2:
                timeout = 0.0

    def _until_deadline(self) -> float:
        """Seconds until a waiting client's time is over; those whose time it is are answered in the next turn."""
        left = self.engine.next_deadline()
        if left is None:
            return MAX_WAIT
        if left == 0:
            self.engine.expire_blocked()
        return float(left) / 1000

    def turn(self) -> None:
        """One turn that does not wait: used while something long goes on (loading)."""
        events = self.poller.wait(0)
        for fd, mask in self.engine.serve(events):
            handler = self.handlers.get(fd)
            if handler is not None:
                handler(mask)
        if self.engine.before_sleep() & 1:
            self._attend()

    def _attend(self) -> None:
        for fd, action in self.engine.attend():
            if action == CLOSE:
                self.poller.remove(fd)
                self.on_close(fd)
            else:
                self.poller.change(fd, self.poller.edge | (READ | WRITE if action == WATCH_WRITE else READ))

    def stop(self) -> None:
        """Ends run() after the current turn."""
        self.running = False

    def close(self) -> None:
        """Gives the descriptors back."""
        signal.set_wakeup_fd(-1)
        self.engine.wake_by(-1)
        self.poller.close()
        self._wake_in.close()
        self._wake_out.close()
