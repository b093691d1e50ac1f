"""The connection to a primary until the engine has it: plain or TLS, non-blocking."""

from __future__ import annotations

import socket
import ssl

from ..tls import SslParts, Stream


class Channel:
    """Sends and receives plain bytes. Errors are OSError (ssl.SSLError is one)."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext | None = None) -> None:
        self.sock = sock
        self.stream = Stream(context) if context is not None else None

    @property
    def tls(self) -> SslParts | None:
        """What the engine takes over with the socket."""
        return self.stream.handshake.parts if self.stream is not None else None

    def start(self) -> None:
        """The socket is connected."""
        if self.stream is not None:
            self._send(self.stream.start())

    def send(self, data: bytes) -> None:
        """A few bytes, that the socket has room for."""
        self._send(self.stream.send(data) if self.stream is not None else data)

    def _send(self, data: bytes) -> None:
        if data:
            self.sock.sendall(data)

    def receive(self, n: int) -> bytes:
        """What has come; b"": the peer has ended. Raises BlockingIOError."""
        data = self.sock.recv(n)
        if self.stream is None or not data:
            return data
        plain, answer, ended = self.stream.receive(data)
        self._send(answer)
        if not plain and not ended:
            raise BlockingIOError
        return plain
