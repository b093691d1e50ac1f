"""The TLS port as the server sees it: on or off, with which contexts, what becomes of its connections.

tls.py has the machinery. It is imported when a setting asks for TLS, since Python's ssl module takes longer to load
than the rest of a start.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import ssl

    from .server import Server
    from .tls import Acceptor

# Settings that need new contexts when they change.
SETTINGS = ("tls-cert-file", "tls-key-file", "tls-key-file-pass", "tls-client-cert-file", "tls-client-key-file",
            "tls-client-key-file-pass", "tls-dh-params-file", "tls-ca-cert-file", "tls-ca-cert-dir", "tls-protocols",
            "tls-ciphers", "tls-ciphersuites", "tls-auth-clients", "tls-prefer-server-ciphers", "tls-session-caching",
            "tls-session-cache-size", "tls-session-cache-timeout", "tls-replication", "tls-cluster")
PATIENCE_S = 10.0               # for a handshake, if `timeout` is not shorter


class TlsError(Exception):
    """TLS cannot be set up as the settings ask; str() is a line for the log."""


class Contexts(NamedTuple):
    """For those who connect to us, and for our own links; None: TLS is not wanted there."""
    server: ssl.SSLContext | None = None
    client: ssl.SSLContext | None = None


class TlsPort:
    """Contexts of one server, and its connections in their handshake (`len` of them)."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.contexts = Contexts()
        self.acceptor: Acceptor | None = None

    def __len__(self) -> int:
        return len(self.acceptor) if self.acceptor else 0

    def make_contexts(self) -> Contexts:
        """What the settings ask for. Raises TlsError."""
        c = self.server.config
        links = c["tls-replication"] or c["tls-cluster"]
        if not (c["tls-port"] or links):
            return Contexts()
        from . import tls
        return Contexts(tls.server_context(c), tls.client_context(c) if links else None)

    def use(self, contexts: Contexts) -> Contexts:
        """New connections are made with these; gives those used before."""
        before, self.contexts = self.contexts, contexts
        if self.acceptor is not None and contexts.server is not None:
            self.acceptor.context = contexts.server
        return before

    def accept(self, fd: int, address: Any) -> None:
        """A connection to the TLS port: its handshake begins."""
        if self.acceptor is None:
            from .tls import Acceptor
            assert self.contexts.server is not None
            self.acceptor = Acceptor(self.server.loop, self.contexts.server, seconds=self._patience, ready=self._ready,
                                     log=self.server.log)
        self.acceptor.accept(fd, address)

    def _patience(self) -> float:
        timeout = self.server.config["timeout"]
        return min(PATIENCE_S, timeout) if timeout else PATIENCE_S

    def _ready(self, fd: int, address: Any, parts: tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]) -> None:
        refusal = self.server.protected(address)
        if refusal is not None:
            _say_and_close(fd, refusal, parts)
            return
        self.server.engine.accept(fd, tls=parts)
        self.server.loop.watch_client(fd)

    def close(self) -> None:
        """Drops connections whose handshake is not done."""
        if self.acceptor is not None:
            self.acceptor.close()


def _say_and_close(fd: int, text: bytes, parts: tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]) -> None:
    """The last words to a peer that does not become a client; it need not read them."""
    parts[0].write(text)
    try:
        os.write(fd, parts[2].read())
    except OSError:
        pass
    os.close(fd)
