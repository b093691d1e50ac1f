"""FAILOVER: a primary hands over to one of its replicas, without losing a write.

    no-failover -> waiting-for-sync: writes wait; some replica (or the given one) acknowledges all that there is
                -> failover-in-progress: we follow it, and ask it with PSYNC ... FAILOVER to promote itself
                -> no-failover: the replica's side of ours is connected, or was refused
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from redispy_core.engine import Error, Status, error_text, prefixed

if TYPE_CHECKING:
    from ..server import Server
    from .primary import Peer

NONE, WAITING, HANDING = "no-failover", "waiting-for-sync", "failover-in-progress"


class Failover:
    """The failover of one server, if one is under way."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.engine = server.engine
        self.log = server.log
        self.state = NONE
        self.target: tuple[str, int] | None = None      # the replica that was asked for
        self.force = False
        self._until = 0.0                               # monotonic; 0: no limit

    @property
    def in_progress(self) -> bool:
        """We are asking a replica to take over."""
        return self.state == HANDING

    @property
    def pausing(self) -> bool:
        """Nothing new may enter the stream."""
        return self.state != NONE

    # ---------------------------------------------------------------- FAILOVER

    def command(self, call: Any, *words: bytes) -> Status:
        """FAILOVER [TO host port [FORCE]] [TIMEOUT ms], FAILOVER ABORT."""
        if self.server.config["cluster-enabled"]:
            raise prefixed("ERR", "FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead.")
        if len(words) == 1 and words[0].lower() == b"abort":
            if self.state == NONE:
                raise prefixed("ERR", "No failover in progress.")
            self.abort("Failover manually aborted")
            return Status(b"OK")
        target, force, timeout_ms = self._parse(list(words))
        self._check(target, force, timeout_ms)
        self.target, self.force = target, force
        self._until = time.monotonic() + timeout_ms / 1000 if timeout_ms else 0.0
        self.log("notice", "FAILOVER requested to %s." % (f"{target[0]}:{target[1]}" if target else "any replica"))
        self.state = WAITING
        self.engine.pause("failover")
        self.engine.ask_acks()
        return Status(b"OK")

    @staticmethod
    def _parse(words: list[bytes]) -> tuple[tuple[str, int] | None, bool, int]:
        target, force, timeout_ms = None, False, 0
        while words:
            word = words.pop(0).lower()
            if word == b"timeout" and words and not timeout_ms:
                timeout_ms = _integer(words.pop(0))
                if timeout_ms <= 0:
                    raise prefixed("ERR", "FAILOVER timeout must be greater than 0")
            elif word == b"to" and len(words) >= 2 and target is None:
                target = words.pop(0).decode("utf-8", "replace"), _integer(words.pop(0))
            elif word == b"force" and not force:
                force = True
            else:
                raise Error(error_text("SYNTAX"))
        return target, force, timeout_ms

    def _check(self, target: tuple[str, int] | None, force: bool, timeout_ms: int) -> None:
        primary = self.server.primary
        if self.state != NONE:
            raise prefixed("ERR", "FAILOVER already in progress.")
        if primary.is_replica:
            raise prefixed("ERR", "FAILOVER is not valid when server is a replica.")
        if not primary.replicas:
            raise prefixed("ERR", "FAILOVER requires connected replicas.")
        if force and (target is None or not timeout_ms):
            raise prefixed("ERR", "FAILOVER with force option requires both a timeout and target HOST and IP.")
        if target is not None:
            peer = self._find(target)
            if peer is None:
                raise prefixed("ERR", "FAILOVER target HOST and PORT is not a replica.")
            if peer.state != "online":
                raise prefixed("ERR", "FAILOVER target replica is not online.")

    def _find(self, target: tuple[str, int]) -> Peer | None:
        primary = self.server.primary
        for peer in primary.replicas:
            if primary.address(peer) == target:
                return peer
        return None

    # ---------------------------------------------------------------- steps

    def cron(self) -> None:
        """Ten times a second."""
        if self.state != WAITING:
            return
        ready = self._caught_up()
        if ready is not None:
            self._hand_over(self.server.primary.address(ready))
        elif self._until and time.monotonic() >= self._until:
            if self.force and self.target is not None:
                self.log("notice", "Failover to %s:%d time out exceeded, failing over." % self.target)
                self._hand_over(self.target)
            else:
                self.abort("Replica never caught up before timeout")

    def _caught_up(self) -> Peer | None:
        rows = self.engine.replicas()
        offset = self.engine.stream_offset
        for peer in self.server.primary.in_state("online"):
            row = rows.get(peer.id)
            if row is not None and row["acked"] == offset and self.target in (None, self.server.primary.address(peer)):
                return peer
        self.engine.ask_acks()
        return None

    def _hand_over(self, address: tuple[str, int]) -> None:
        self.target = address
        self.state = HANDING
        self.log("notice", f"Failover target is {address[0]}:{address[1]}, failing over.")
        self.server.replica.follow(*address, failover=True)

    def done(self) -> None:
        """Our link to the new primary stands."""
        if self.state == HANDING:
            self.log("notice", "Failover completed")
            self._end()

    def rejected(self) -> None:
        """The replica did not take over: we go on as the primary."""
        if self.state == HANDING:
            self.abort("the target does not take over")

    def abort(self, reason: str) -> None:
        """Everything as it was."""
        self.log("notice", f"Aborting failover: {reason}")
        if self.state == HANDING:
            self.server.replica.stop_following()
        self._end()

    def _end(self) -> None:
        self.state, self.target, self.force, self._until = NONE, None, False, 0.0
        self.engine.unpause("failover")


def _integer(text: bytes) -> int:
    try:
        return int(text)
    except ValueError:
        raise Error(error_text("NOT_INT")) from None
