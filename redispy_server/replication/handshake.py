"""What a replica and its primary say to each other before the stream flows, as a state table: bytes in, bytes out.

No sockets and no clock: whoever has them calls begin(), feed() and overdue(). Beside the lines that are expected the
primary may send empty ones at any time, to show that it is alive.

    ping -> [auth] -> port -> [ip] -> capa -> [version] -> psync -> an outcome
                                                              \\-> sync (a primary without PSYNC) -> an outcome

What comes behind the line that decides stays in `rest`: the transfer of a file, or the stream.
"""

from __future__ import annotations

from dataclasses import dataclass, field

LINE_MAX = 1 << 16
TOLERATED = (b"-NOAUTH", b"-NOPERM")        # answers to PING: it is alive
TOLERATED_TEXT = b"operation not permitted"


@dataclass(frozen=True)
class Wishes:
    """What a replica tells of itself, and what it asks for."""

    port: int
    announce_ip: str | None = None
    user: str | None = None
    password: str | None = None
    replid: str = "?"                   # the history that it has, up to `offset`; "?": none
    offset: int = -2
    version: str = ""                   # ours; the primary then knows which files we can read
    failover: bool = False              # its primary shall become the replica: the place that it asks for is its own


@dataclass(frozen=True)
class Outcome:
    """How a handshake ended. kind: "full" (a file follows; offset -1: it is not known), "continue" (the stream goes on at
    the place asked for; replid: the history's new id, if it is told), "retry" (later, with the same wishes), "failed"."""

    kind: str
    replid: str | None = None
    offset: int = -1
    text: str = ""


def request(*words: bytes | str | int) -> bytes:
    """A request as RESP."""
    texts = [w if isinstance(w, bytes) else str(w).encode("utf-8", "surrogateescape") for w in words]
    return b"*%d\r\n" % len(texts) + b"".join(b"$%d\r\n%s\r\n" % (len(t), t) for t in texts)


@dataclass
class Handshake:
    """One attempt."""

    wishes: Wishes
    heard: float = 0.0                  # when something came last
    state: str = "connecting"
    outcome: Outcome | None = None
    rest: bytes = b""
    notes: list[tuple[str, str]] = field(default_factory=list)      # (level, text) for the log, taken by the caller
    _buffer: bytes = b""
    _expected: list[str] = field(default_factory=list)

    # ---------------------------------------------------------------- driving

    def begin(self, now: float) -> bytes:
        """The connection stands; what is to be sent."""
        self.heard = now
        self.state = "ping"
        return request("PING")

    def feed(self, data: bytes, now: float) -> bytes:
        """Takes what came; what is to be sent now. `outcome` may be there then."""
        self.heard = now
        self._buffer += data
        out = b""
        while self.outcome is None:
            line, found, behind = self._buffer.partition(b"\n")
            if not found:
                if len(self._buffer) > LINE_MAX:
                    self._fail("the primary's answer has no end")
                return out
            self._buffer = behind
            line = line.rstrip(b"\r")
            if line:
                out += getattr(self, "_" + self.state)(line) or b""
        self.rest, self._buffer = self._buffer, b""
        return out

    def overdue(self, now: float, timeout: float) -> bool:
        """Has the primary been silent for longer than that?"""
        return self.outcome is None and now - self.heard > timeout

    # ---------------------------------------------------------------- states

    def _ping(self, line: bytes) -> bytes:
        if line.startswith(b"-") and not line.startswith(TOLERATED) and TOLERATED_TEXT not in line:
            self._fail(f"Error reply to PING from master: '{text_of(line)}'")
            return b""
        if not line.startswith((b"+", b"-")):
            self._fail(f"unexpected reply to PING from master: '{text_of(line)}'")
            return b""
        self.notes.append(("notice", "Master replied to PING, replication can continue..."))
        w = self.wishes
        out = b""
        if w.password is not None:
            out += request("AUTH", *([w.user] if w.user else []), w.password)
            self._expected.append("auth")
        out += request("REPLCONF", "listening-port", w.port)
        self._expected.append("port")
        if w.announce_ip:
            out += request("REPLCONF", "ip-address", w.announce_ip)
            self._expected.append("ip")
        out += request("REPLCONF", "capa", "eof", "capa", "psync2")
        self._expected.append("capa")
        if w.version:
            out += request("REPLCONF", "version", w.version)
            self._expected.append("version")
        self.state = self._expected.pop(0)
        return out

    def _auth(self, line: bytes) -> bytes:
        if line.startswith(b"-"):
            self._fail(f"Unable to AUTH to MASTER: {text_of(line)}")
            return b""
        return self._next()

    def _port(self, line: bytes) -> bytes:
        return self._configured(line, "listening-port")

    def _ip(self, line: bytes) -> bytes:
        return self._configured(line, "ip-address")

    def _capa(self, line: bytes) -> bytes:
        return self._configured(line, "capa")

    def _version(self, line: bytes) -> bytes:
        return self._next()                 # most primaries do not know it

    def _configured(self, line: bytes, what: str) -> bytes:
        """An answer to REPLCONF: an old primary may not know it, which does no harm."""
        if line.startswith(b"-"):
            self.notes.append(("notice", f"(Non critical) Master does not understand REPLCONF {what}: {text_of(line)}"))
        return self._next()

    def _next(self) -> bytes:
        if self._expected:
            self.state = self._expected.pop(0)
            return b""
        w = self.wishes
        self.state = "psync"
        if w.replid == "?":
            self.notes.append(("notice", "Partial resynchronization not possible (no cached master)"))
        else:
            self.notes.append(("notice", f"Trying a partial resynchronization (request {w.replid}:{w.offset + 1})."))
        return request("PSYNC", w.replid, w.offset + 1, *(["FAILOVER"] if w.failover else []))

    def _psync(self, line: bytes) -> bytes:
        words = line.split()
        if words[0] == b"+FULLRESYNC":
            self._full(words)
        elif words[0] == b"+CONTINUE":
            replid = words[1].decode("latin-1").lower() if len(words) > 1 and len(words[1]) == 40 else None
            self.outcome = Outcome("continue", replid)
        elif line.startswith((b"-NOMASTERLINK", b"-LOADING")):
            self.notes.append(("notice", f"Master is currently unable to PSYNC but should be in the future: {text_of(line)}"))
            self.outcome = Outcome("retry", text=text_of(line))
        elif self.wishes.failover:
            self._fail(f"Failover target rejected psync request: {text_of(line)}")
        else:
            if not line.startswith(b"-ERR"):
                self.notes.append(("warning", f"Unexpected reply to PSYNC from master: {text_of(line)}"))
            else:
                self.notes.append(("notice", f"Master does not support PSYNC or is in error state (reply: {text_of(line)})"))
            self.notes.append(("notice", "Retrying with SYNC..."))
            self.outcome = Outcome("full")
            return b"SYNC\r\n"
        return b""

    def _full(self, words: list[bytes]) -> None:
        if len(words) != 3 or len(words[1]) != 40 or not words[2].isdigit():
            self.notes.append(("warning", "Master replied with wrong +FULLRESYNC syntax."))
            self.outcome = Outcome("full")          # the file can be used all the same
            return
        self.outcome = Outcome("full", words[1].decode("latin-1").lower(), int(words[2]))

    def _fail(self, text: str) -> None:
        self.outcome = Outcome("failed", text=text)


def text_of(line: bytes) -> str:
    """A line for the log."""
    return line.decode("utf-8", "replace")
