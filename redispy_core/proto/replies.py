"""Python's view of replies: what a command written in Python returns, and what Engine.call gives back.

None is a null, int an integer, bytes or str a bulk string, float a double, bool a boolean, list or tuple an array,
dict or Map a map. The classes below stand for the RESP types that Python has no type for.
"""

from typing import Any


class Status(bytes):
    """A simple string: Status(b"OK")."""

    __slots__ = ()


class Verbatim(bytes):
    """A verbatim text (RESP3), a bulk string in RESP2."""

    __slots__ = ()


class Map(list[Any]):
    """A map as a list of (key, value) pairs, in order."""

    __slots__ = ()


class Set(list[Any]):
    """A set (RESP3), an array in RESP2."""

    __slots__ = ()


class Push(list[Any]):
    """An out-of-band message (RESP3), an array in RESP2."""

    __slots__ = ()


class Error(Exception):
    """An error reply: its text begins with the code, as in Error("ERR syntax error")."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Error) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))
