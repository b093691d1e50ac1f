"""Readiness of file descriptors: epoll where there is one, else the best selector that Python has.

Both speak in epoll's bits (READ, WRITE) and give [(fd, mask)], which the engine takes as it is.
"""

from __future__ import annotations

import select
import selectors
from typing import Protocol

READ = 1
WRITE = 4


class Poller(Protocol):
    """What the loop asks of either implementation."""

    name: str
    edge: int                   # or-ed to a mask: report a readiness once, not as long as it lasts; 0: cannot

    def add(self, fd: int, mask: int) -> None: ...
    def change(self, fd: int, mask: int) -> None: ...
    def remove(self, fd: int) -> None: ...
    def wait(self, timeout: float) -> list[tuple[int, int]]: ...
    def close(self) -> None: ...


class EpollPoller:
    """Linux."""

    name = "epoll"
    edge = getattr(select, "EPOLLET", 0) | getattr(select, "EPOLLRDHUP", 0)   # and the peer's end beside its last data

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.add = self._epoll.register
        self.change = self._epoll.modify
        self.remove = self._epoll.unregister
        self.wait = self._epoll.poll            # the bound method itself: one Python call less a turn
        self.close = self._epoll.close


class SelectorPoller:
    """Everything else: kqueue, poll or select through the selectors module."""

    edge = 0

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.name = type(self._selector).__name__.removesuffix("Selector").lower()
        self.close = self._selector.close

    @staticmethod
    def _events(mask: int) -> int:
        return (selectors.EVENT_READ if mask & READ else 0) | (selectors.EVENT_WRITE if mask & WRITE else 0)

    def add(self, fd: int, mask: int) -> None:
        self._selector.register(fd, self._events(mask))

    def change(self, fd: int, mask: int) -> None:
        self._selector.modify(fd, self._events(mask))

    def remove(self, fd: int) -> None:
        self._selector.unregister(fd)

    def wait(self, timeout: float) -> list[tuple[int, int]]:
        ready = self._selector.select(timeout)
        return [(key.fd, (READ if events & selectors.EVENT_READ else 0) |
                 (WRITE if events & selectors.EVENT_WRITE else 0)) for key, events in ready]


def best_poller() -> Poller:
    """The cheapest poller of this system."""
    return EpollPoller() if hasattr(select, "epoll") else SelectorPoller()
