"""The file that a primary sends at a full synchronisation: its frame, as a state table. Bytes in, bytes of the file out.

    $<length>\\r\\n<bytes>                        of known length; the stream follows at once
    $EOF:<40 characters>\\r\\n<bytes><the same>   without: the end is where the mark stands, and nothing follows unasked

Before the first byte of either the primary sends empty lines to show that it is alive.
"""

from __future__ import annotations

MARK = 40                               # characters of a mark
HEADER_MAX = 1 << 10


class TransferError(Exception):
    """The primary sends no file; str() tells what it sent."""


class Transfer:
    """One file that is being received."""

    def __init__(self) -> None:
        self.size = -1                  # bytes of the file; -1: not known (yet)
        self.mark = b""
        self.received = 0               # bytes of the file so far
        self.begun = False              # the header is there
        self.done = False
        self.rest = b""                 # what came behind the file
        self._tail = b""

    def feed(self, data: bytes) -> bytes:
        """Takes what came; what of it is the file's. Raises TransferError."""
        if not self.begun:
            self._tail += data
            if not self._header():
                return b""
            data, self._tail = self._tail, b""
        part = self._to_mark(data) if self.mark else self._to_size(data)
        self.received += len(part)
        return part

    def _header(self) -> bool:
        """Takes the header off what has come; False: it is not whole."""
        self._tail = self._tail.lstrip(b"\r\n") if self._tail[:1] in (b"\r", b"\n") else self._tail
        line, found, behind = self._tail.partition(b"\n")
        if not found:
            if len(line) > HEADER_MAX:
                raise TransferError("a line without end")
            return False
        line = line.rstrip(b"\r")
        if line.startswith(b"$EOF:") and len(line) == 5 + MARK:
            self.mark = line[5:]
        elif line.startswith(b"$") and line[1:].isdigit():
            self.size = int(line[1:])
        else:
            raise TransferError(line.decode("utf-8", "replace"))
        self.begun = True
        self._tail = behind
        return True

    def _to_size(self, data: bytes) -> bytes:
        part = data[:self.size - self.received]
        if self.received + len(part) == self.size:
            self.done = True
            self.rest += data[len(part):]
        return part

    def _to_mark(self, data: bytes) -> bytes:
        """The last bytes are held back as long as they could be the mark."""
        if self.done:
            self.rest += data
            return b""
        data = self._tail + data
        self._tail = data[-MARK:]
        if self._tail == self.mark:
            self.done = True
        return data[:-MARK] if len(data) > MARK else b""
