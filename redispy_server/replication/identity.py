"""Which history of changes this server's data set is a point of: replication ids and offset. Used by both sides.

A history has an id of 40 digits; its bytes are counted. The second id is the history that this one continues: a replica
of that one, not further than `second_offset`, has the same data, and need not be sent all of them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import NamedTuple

ID_DIGITS = 40
NO_ID = "0" * ID_DIGITS


class Saved(NamedTuple):
    """The point of a history that an RDB file holds the data of."""

    replid: str
    offset: int
    db: int                         # selected in the stream; -1: none


def new_id() -> str:
    """40 random digits."""
    return secrets.token_hex(ID_DIGITS // 2)


class Identity:
    """The ids of one server. The offset is kept where the bytes are counted: `read_offset` tells it."""

    def __init__(self, read_offset: Callable[[], int]) -> None:
        self._read_offset = read_offset
        self.replid = new_id()
        self.replid2 = NO_ID
        self.second_offset = -1     # first position of replid's own: replid2 holds before it

    @property
    def offset(self) -> int:
        """Bytes of the history so far."""
        return self._read_offset()

    def new(self) -> None:
        """Another history: nobody can continue from the old one."""
        self.adopt(new_id())

    def adopt(self, replid: str) -> None:
        """The data came from a primary, whole, with its id."""
        self.replid = replid
        self.forget_second()

    def forget_second(self) -> None:
        """No other id is known."""
        self.replid2, self.second_offset = NO_ID, -1

    def shift(self, replid: str | None = None) -> None:
        """From here on the history has another id: a new one (promotion), or what the primary says that it has now."""
        self.replid2, self.second_offset = self.replid, self.offset + 1
        self.replid = replid or new_id()

    def knows(self, replid: str, position: int) -> bool:
        """Is that replica's next position one of this history? (Whether its bytes are kept is another question.)"""
        wanted = replid.lower()
        return wanted == self.replid or (self.replid2 != NO_ID and wanted == self.replid2
                                         and position <= self.second_offset)

    def to_aux(self, db: int) -> tuple[bytes, int, int]:
        """Engine.save_rdb's option `replication`, with the database selected in the stream."""
        return self.replid.encode(), self.offset, db

    @staticmethod
    def from_aux(aux: dict[bytes, bytes]) -> Saved | None:
        """What a loaded file says; None if it says nothing, or nothing whole."""
        try:
            replid, offset = aux[b"repl-id"].decode(), int(aux[b"repl-offset"])
            db = int(aux.get(b"repl-stream-db", b"-1"))
        except (KeyError, ValueError):
            return None
        return Saved(replid, offset, db) if len(replid) == ID_DIGITS else None

    def continue_from(self, saved: Saved) -> None:
        """A primary that was restarted: its old replicas may go on from what it had saved."""
        self.replid2, self.second_offset = saved.replid, saved.offset + 1
