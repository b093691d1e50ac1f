"""MIGRATE: moves keys to another server, over a connection that is kept for a while.

Keys go as RESTORE commands, one after another without waiting; then their replies are read. A key is deleted here when,
and only when, the other side has said that it has it: whatever breaks in between leaves a key on both sides rather than
on none. The server stands still meanwhile, so that nobody sees or changes a key on its way; `timeout` bounds each pause
of the other side.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from redispy_core.engine import Error, Status, error_text, prefixed

from .tls import client_context
from .tls_port import TlsError

if TYPE_CHECKING:
    from .server import Server

OK, NOKEY = Status(b"OK"), Status(b"NOKEY")
IDLE_SECONDS = 10               # after which a cached connection is closed
MAX_CACHED = 64
DEFAULT_TIMEOUT_MS = 1000       # instead of one that is not positive
MAX_LINE = 1 << 16              # longer "replies" are not of a server


class LinkError(Exception):
    """The connection failed: where, and whether the other side was just silent for too long."""

    def __init__(self, stage: str, silent: bool) -> None:
        super().__init__(stage)
        self.stage = stage
        self.silent = silent


@dataclass
class Wishes:
    """The arguments of MIGRATE."""

    target: tuple[bytes, bytes]
    db: int
    seconds: float
    keys: tuple[bytes, ...]
    copy: bool = False
    replace: bool = False
    auth: tuple[bytes, ...] = ()


@dataclass
class Outcome:
    """What the other side said. `moved` grows as replies come in, and counts even if the connection breaks then."""

    sent: list[bytes] = field(default_factory=list)
    moved: list[bytes] = field(default_factory=list)
    refusal: bytes | None = None            # the first error reply


class Link:
    """A connection to another server."""

    def __init__(self, target: tuple[bytes, bytes], seconds: float, context: ssl.SSLContext | None) -> None:
        self.db: int | None = None          # selected there; None: unknown
        self.used = time.monotonic()
        self._input = b""
        try:
            self.socket = socket.create_connection((target[0].decode(), _port(target[1])), seconds)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context is not None:
                self.socket = context.wrap_socket(self.socket)
        except ConnectionRefusedError as e:
            raise LinkError("writing to target instance", silent=False) from e
        except (OSError, ValueError, OverflowError) as e:
            raise LinkError("connecting to the client", isinstance(e, TimeoutError)) from e

    def close(self) -> None:
        self.socket.close()

    def send(self, *argv: bytes) -> None:
        """Sends a command; LinkError if nothing of it goes for the time that the socket allows."""
        left = memoryview(_request(argv))
        try:
            while left:
                left = left[self.socket.send(left):]
        except OSError as e:
            raise LinkError("writing to target instance", isinstance(e, TimeoutError)) from e

    def read_line(self) -> bytes:
        """The next reply, if it is one of a single line as those of AUTH, SELECT and RESTORE are."""
        while (end := self._input.find(b"\r\n")) < 0:
            try:
                more = self.socket.recv(MAX_LINE)
            except OSError as e:
                raise LinkError("reading to target instance", isinstance(e, TimeoutError)) from e
            self._input += more
            if not more or len(self._input) > MAX_LINE:
                raise LinkError("reading to target instance", silent=False)
        line, self._input = self._input[:end], self._input[end + 2:]
        return line


class Migration:
    """MIGRATE of one server, and its connections."""

    def __init__(self, server: Server) -> None:
        self.engine = server.engine
        self.config = server.config
        self.log = server.log
        self._links: dict[tuple[bytes, bytes], Link] = {}

    def __len__(self) -> int:
        return len(self._links)

    def cron(self) -> None:
        """Closes connections that nobody has used for a while."""
        if self._links:
            now = time.monotonic()
            for target in [t for t, link in self._links.items() if now - link.used > IDLE_SECONDS]:
                self._drop(target)

    def close(self) -> None:
        """Closes all connections."""
        for target in list(self._links):
            self._drop(target)

    def command(self, call: Any, host: bytes, port: bytes, key: bytes, db: bytes, timeout: bytes,
                *options: bytes) -> Status:
        """MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH password | AUTH2 user password] [KEYS key ...]"""
        wishes = _options(key, options)
        wishes.target = (host, port)
        timeout_ms = _integer(timeout)
        wishes.db = _integer(db)
        wishes.seconds = (timeout_ms if timeout_ms > 0 else DEFAULT_TIMEOUT_MS) / 1000
        wishes.keys = tuple(k for k in wishes.keys if self.engine.time_left_ms(k, call.db) is not None)
        if not wishes.keys:
            return NOKEY
        outcome = Outcome()
        try:
            self._exchange_twice(call, wishes, outcome)
        except LinkError as e:
            raise prefixed("IOERR", f"error or timeout {e.stage}") from None
        finally:
            if outcome.moved and not wishes.copy:
                call.call(b"DEL", *outcome.moved)
        if outcome.refusal is not None:
            raise prefixed("ERR", f"Target instance replied with error: {outcome.refusal.decode('utf-8', 'replace')}")
        return OK

    # ---------------------------------------------------------------- keys

    def _payloads(self, call: Any, wishes: Wishes) -> Iterator[tuple[bytes, bytes, bytes]]:
        """(key, milliseconds to live or 0, value) of the keys that are there, one at a time."""
        for key in wishes.keys:
            payload = self.engine.dump(key, call.db)
            ttl_ms = self.engine.time_left_ms(key, call.db)
            if payload is not None and ttl_ms is not None:
                yield key, b"%d" % ttl_ms, payload

    # ---------------------------------------------------------------- the conversation

    def _exchange_twice(self, call: Any, wishes: Wishes, outcome: Outcome) -> None:
        """A cached connection may have been closed by the other side: then once more, on a new one."""
        cached = wishes.target in self._links
        try:
            self._exchange(call, wishes, outcome)
        except LinkError as e:
            self._drop(wishes.target)
            if not cached or e.silent or outcome.moved or outcome.refusal is not None:
                raise
            outcome.sent.clear()
            try:
                self._exchange(call, wishes, outcome)
            except LinkError:
                self._drop(wishes.target)
                raise

    def _exchange(self, call: Any, wishes: Wishes, outcome: Outcome) -> None:
        link = self._link(wishes)
        restore = b"RESTORE-ASKING" if self.config["cluster-enabled"] else b"RESTORE"
        before = []
        if wishes.auth:
            link.send(b"AUTH", *wishes.auth)
            before.append("auth")
        if link.db != wishes.db:
            link.send(b"SELECT", b"%d" % wishes.db)
            before.append("select")
        for key, ttl_ms, payload in self._payloads(call, wishes):
            link.send(restore, key, ttl_ms, payload, *((b"REPLACE",) if wishes.replace else ()))
            outcome.sent.append(key)
        link.db = None
        failed_before = 0
        for _ in before:
            failed_before += self._refused(link, outcome)
        for key in outcome.sent:
            if not self._refused(link, outcome) and not failed_before:
                outcome.moved.append(key)
        if outcome.refusal is None:
            link.db = wishes.db

    def _refused(self, link: Link, outcome: Outcome) -> bool:
        line = link.read_line()
        if line.startswith(b"+"):
            return False
        if outcome.refusal is None:
            outcome.refusal = line[1:] if line.startswith(b"-") else line
        return True

    def _link(self, wishes: Wishes) -> Link:
        link = self._links.get(wishes.target)
        if link is None:
            if len(self._links) >= MAX_CACHED:
                self._drop(next(iter(self._links)))
            link = self._links[wishes.target] = Link(wishes.target, wishes.seconds, self._context())
        link.used = time.monotonic()
        link.socket.settimeout(wishes.seconds)
        return link

    def _context(self) -> ssl.SSLContext | None:
        """Servers of a cluster speak TLS with each other if tls-cluster says so."""
        if not self.config["tls-cluster"]:
            return None
        try:
            return client_context(self.config)
        except TlsError as e:
            self.log("warning", str(e))
            raise LinkError("connecting to the client", silent=False) from e

    def _drop(self, target: tuple[bytes, bytes]) -> None:
        link = self._links.pop(target, None)
        if link is not None:
            link.close()


def _options(key: bytes, words: tuple[bytes, ...]) -> Wishes:
    wishes = Wishes(target=(b"", b""), db=0, seconds=0.0, keys=(key,))
    i = 0
    while i < len(words):
        word, left = words[i].lower(), len(words) - i - 1
        if word == b"copy":
            wishes.copy = True
        elif word == b"replace":
            wishes.replace = True
        elif word in (b"auth", b"auth2") and left >= (n := 1 if word == b"auth" else 2):
            wishes.auth = words[i + 1:i + 1 + n]
            i += n
        elif word == b"keys":
            if key:
                raise prefixed("ERR", "When using MIGRATE KEYS option, the key argument must be set to the empty string")
            wishes.keys = words[i + 1:]
            break
        else:
            raise Error(error_text("SYNTAX"))
        i += 1
    return wishes


def _integer(text: bytes) -> int:
    """A 64-bit integer as commands take it."""
    try:
        value = int(text)
    except ValueError:
        value = 1 << 64
    if b"%d" % value != text or not -(1 << 63) <= value < 1 << 63:
        raise Error(error_text("NOT_INT"))
    return value


def _port(text: bytes) -> int:
    """A port number; 0, where nobody listens, if it is none."""
    return int(text) if text.isdigit() else 0


def _request(argv: tuple[bytes, ...]) -> bytes:
    parts = [b"*%d\r\n" % len(argv)]
    for word in argv:
        parts += (b"$%d\r\n" % len(word), word, b"\r\n")
    return b"".join(parts)
