"""Listeners: binding, accepting, refusing. The engine reads and writes plain client sockets itself."""

from __future__ import annotations

import errno
import grp
import ipaddress
import os
import socket
import stat
from collections.abc import Callable
from typing import Any

from .loop import Loop

ACCEPTS_A_TURN = 1000


class BindError(Exception):
    """A listening address could not be had."""


def listen_tcp(addresses: list[str], port: int, backlog: int) -> list[tuple[str, socket.socket]]:
    """(address, listening socket) of the addresses; one written "-addr" may be missing. Raises BindError."""
    found: list[tuple[str, socket.socket]] = []
    try:
        for address in addresses:
            optional, host = address.startswith("-"), address.removeprefix("-")
            try:
                found.append((address, _listen_one(host, port, backlog)))
            except OSError as e:
                if optional and e.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT):
                    continue
                raise BindError(f"Could not create server TCP listening socket {host}:{port}: bind: "
                                f"{os.strerror(e.errno) if e.errno else e}") from e
    except BaseException:
        for _, sock in found:
            sock.close()
        raise
    return found


def _listen_one(host: str, port: int, backlog: int) -> socket.socket:
    if host in ("*", ""):
        family, address = socket.AF_INET, "0.0.0.0"
    elif host in ("::", "::*"):
        family, address = socket.AF_INET6, "::"
    else:
        info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        family, address = info[0], str(info[4][0])
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)      # accepted sockets inherit it
        sock.setblocking(False)
        sock.bind((address, port))
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def give_to_group(path: str, name: str) -> None:
    """Hands a unix socket to a group by name or number. Raises BindError."""
    try:
        os.chown(path, -1, int(name) if name.isdigit() else grp.getgrnam(name).gr_gid)
    except (KeyError, OverflowError) as e:
        raise BindError(f"No such group for the unix socket: {name}") from e
    except OSError as e:
        raise BindError(f"Failed giving the unix socket to group {name}: {e.strerror}") from e


def listen_unix(path: str, mode: int, backlog: int, group: str | None = None) -> socket.socket:
    """A listening unix socket; a stale one at the path is removed. Raises BindError."""
    try:
        if os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.bind(path)
        if group:
            give_to_group(path, group)
        if mode:
            os.chmod(path, mode)
        sock.listen(backlog)
        return sock
    except OSError as e:
        raise BindError(f"Failed opening Unix socket: bind: {e.strerror}") from e


def set_keepalive(sock: socket.socket, seconds: int) -> None:
    """tcp-keepalive: probes after `seconds` of silence, three of them, a third of that apart; inherited."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1 if seconds else 0)
    if seconds and hasattr(socket, "TCP_KEEPIDLE"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, seconds)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, seconds // 3))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


def is_loopback(address: Any) -> bool:
    """True for a unix peer and for 127.0.0.0/8 and ::1."""
    if not isinstance(address, tuple):
        return True
    return ipaddress.ip_address(str(address[0]).split("%")[0]).is_loopback


class Listener:
    """Accepts clients of one listening socket and hands them to `take`, (descriptor, address) each."""

    def __init__(self, sock: socket.socket, loop: Loop, *, kind: str, may_connect: Callable[[Any], bytes | None],
                 take: Callable[[int, Any], object], a_turn: Callable[[], int] = lambda: ACCEPTS_A_TURN,
                 place: tuple[str, int] | None = None) -> None:
        self.sock = sock
        self.place = place                                  # (address as in `bind`, port) of a TCP listener
        self.loop = loop
        self.kind = kind                                    # tcp, tls or unix, as INFO names it
        self.may_connect = may_connect
        self.take = take
        self.a_turn = a_turn
        loop.watch(sock.fileno(), self._ready)

    def _ready(self, mask: int) -> None:
        for _ in range(self.a_turn()):
            try:
                fd, address = self.sock._accept()           # type: ignore[attr-defined]  # a number, not an object a client
            except (BlockingIOError, InterruptedError):
                return
            except OSError:                                 # out of descriptors, or the peer has gone
                return
            refusal = self.may_connect(address)
            if refusal is not None:
                self._refuse(fd, refusal)
                continue
            self.take(fd, address)

    def _refuse(self, fd: int, text: bytes) -> None:
        try:
            if self.kind != "tls":                          # there it would have to wait for a handshake
                os.write(fd, text)
        except OSError:
            pass                                            # the peer need not read it
        os.close(fd)

    def close(self) -> None:
        """Stops listening."""
        self.loop.unwatch(self.sock.fileno())
        self.sock.close()
