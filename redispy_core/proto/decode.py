"""RESP bytes -> Python values (proto/replies.py): for calls in process, tests and tools. Not on the data path."""

from __future__ import annotations

from typing import Any

from .replies import Error, Map, Push, Set, Status, Verbatim


def decode(data: bytes) -> Any:
    """The first reply in data; None when data is empty (a command that does not answer)."""
    return decode_at(data, 0)[0] if data else None


def decode_all(data: bytes) -> list[Any]:
    """All replies in data."""
    found, at = [], 0
    while at < len(data):
        value, at = decode_at(data, at)
        found.append(value)
    return found


def decode_at(data: bytes, at: int) -> tuple[Any, int]:
    """(value, position behind it). An error reply is returned, not raised. ValueError if data is cut short."""
    end = data.index(b"\r\n", at)
    kind, line, at = data[at:at + 1], data[at + 1:end], end + 2
    if kind in _LINES:
        return _LINES[kind](line), at
    if kind in b"$=!":
        return _bulk(kind, data, int(line), at)
    if kind in b"*~>%|":
        return _aggregate(kind, data, int(line), at)
    raise ValueError(f"unknown RESP type {kind!r}")


_LINES = {
    b"+": Status,
    b"-": lambda line: Error(line.decode("utf-8", "surrogateescape")),
    b":": int,
    b",": float,
    b"(": int,
    b"#": lambda line: line == b"t",
    b"_": lambda line: None,
}


def _bulk(kind: bytes, data: bytes, n: int, at: int) -> tuple[Any, int]:
    if n < 0:
        return None, at
    body = data[at:at + n]
    if len(body) < n:
        raise ValueError("cut short")
    if kind == b"=":
        return Verbatim(body[4:]), at + n + 2
    return (Error(body.decode()) if kind == b"!" else body), at + n + 2


def _aggregate(kind: bytes, data: bytes, n: int, at: int) -> tuple[Any, int]:
    if n < 0:
        return None, at
    values = []
    for _ in range(n * 2 if kind in b"%|" else n):
        value, at = decode_at(data, at)
        values.append(value)
    if kind == b"|":                          # an attribute stands before the reply that it describes
        return decode_at(data, at)
    if kind == b"%":
        return Map(zip(values[::2], values[1::2])), at
    return {b"*": list, b"~": Set, b">": Push}[kind](values), at
