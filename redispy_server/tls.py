"""TLS: contexts made of the settings, handshakes beside the loop, streams for links that we open ourselves.

A handshake is a small state machine on two memory BIOs: bytes in, bytes out, no waiting. When it is done the engine
takes the connection with its SSL object (Engine.accept) and treats it as any client's. Connections whose handshake
does not come to its end are closed when the server's patience (tls_port.py) is over.

Contexts: `server_context` and `client_context` make one of the settings, or raise TlsError with a line for the log.
The client's is for links to other servers (tls-replication, tls-cluster); its certificate is tls-client-cert-file's, or
the server's own. Changed settings make new contexts; connections keep those that they began with.

What Python's ssl module has no name for (TLS 1.3 suites, the session cache) is set through OpenSSL itself, if the
SSL_CTX behind a context can be told for certain; see _native.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable
from typing import Any

from .config import Config
from .loop import Loop
from .poller import READ, WRITE
from .tls_port import TlsError

CHECK_SECONDS = 0.5             # how often half-open connections are looked at, while there are any
READ_BYTES = 16384

PROTOCOLS = {"tlsv1": ssl.OP_NO_TLSv1, "tlsv1.1": ssl.OP_NO_TLSv1_1, "tlsv1.2": ssl.OP_NO_TLSv1_2,
             "tlsv1.3": ssl.OP_NO_TLSv1_3}
VERSIONS = {"tlsv1": ssl.TLSVersion.TLSv1, "tlsv1.1": ssl.TLSVersion.TLSv1_1, "tlsv1.2": ssl.TLSVersion.TLSv1_2,
            "tlsv1.3": ssl.TLSVersion.TLSv1_3}
VERIFY = {"yes": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "no": ssl.CERT_NONE}

Address = Any
SslParts = tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]


def reason_of(error: Exception) -> str:
    """OpenSSL's or the system's words, without Python's decoration."""
    if isinstance(error, ssl.SSLError):
        return (getattr(error, "reason", None) or str(error)).lower().replace("_", " ")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)


# ---------------------------------------------------------------- contexts

def server_context(config: Config) -> ssl.SSLContext:
    """The context of the TLS port. Raises TlsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_pair(context, config, "tls-cert-file", "tls-key-file", "tls-key-file-pass")
    _common(context, config)
    context.verify_mode = VERIFY[config["tls-auth-clients"]]
    context.options |= getattr(ssl, "OP_NO_RENEGOTIATION", 0)
    if config["tls-prefer-server-ciphers"]:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if config["tls-dh-params-file"]:
        with _blame(f"Failed to load the DH parameters of {config['tls-dh-params-file']}"):
            context.load_dh_params(config["tls-dh-params-file"])
    _session_cache(context, config)
    return context


def client_context(config: Config) -> ssl.SSLContext:
    """The context of links to other servers: their certificate must be signed by our CA; names are not compared, as
    servers are known by address. Raises TlsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    _common(context, config)
    if config["tls-client-cert-file"]:
        _load_pair(context, config, "tls-client-cert-file", "tls-client-key-file", "tls-client-key-file-pass")
    else:
        _load_pair(context, config, "tls-cert-file", "tls-key-file", "tls-key-file-pass")
    return context


def _common(context: ssl.SSLContext, config: Config) -> None:
    ca_file, ca_dir = config["tls-ca-cert-file"] or None, config["tls-ca-cert-dir"] or None
    if ca_file or ca_dir:
        with _blame("Failed to load the CA certificates of tls-ca-cert-file or tls-ca-cert-dir"):
            context.load_verify_locations(ca_file, ca_dir)
    elif config["tls-auth-clients"] != "no" or config["tls-replication"] or config["tls-cluster"]:
        raise TlsError("tls-ca-cert-file or tls-ca-cert-dir is needed to check the certificates of clients "
                       "(tls-auth-clients), of tls-replication and of tls-cluster")
    _set_protocols(context, config["tls-protocols"] or "TLSv1.2 TLSv1.3")
    if config["tls-ciphers"]:
        with _blame(f"Failed to set tls-ciphers to {config['tls-ciphers']}"):
            context.set_ciphers(config["tls-ciphers"])
    if config["tls-ciphersuites"]:
        set_ciphersuites(context, config["tls-ciphersuites"])


def _set_protocols(context: ssl.SSLContext, text: str) -> None:
    wanted = text.lower().split()
    if not wanted or set(wanted) - set(PROTOCOLS):
        raise TlsError("tls-protocols takes a list of TLSv1, TLSv1.1, TLSv1.2 and TLSv1.3")
    import warnings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)     # who asks for old versions knows what they are
        context.minimum_version = VERSIONS[min(wanted, key=list(VERSIONS).index)]
        context.maximum_version = VERSIONS[max(wanted, key=list(VERSIONS).index)]
        for name, off in PROTOCOLS.items():
            if name not in wanted:
                context.options |= off
            else:
                context.options &= ~off


def _load_pair(context: ssl.SSLContext, config: Config, cert: str, key: str, password: str) -> None:
    if not config[cert]:
        raise TlsError(f"{cert} is not set: TLS needs a certificate")
    if not config[key]:
        raise TlsError(f"{key} is not set: TLS needs the certificate's private key")
    for name in (cert, key):
        with _blame(f"Failed to read {name} {config[name]}"), open(config[name], "rb"):
            pass
    with _blame(f"Failed to load the certificate of {config[cert]} with the key of {config[key]}"):
        # A function, so that OpenSSL does not ask the terminal for the password of an encrypted key.
        context.load_cert_chain(config[cert], config[key], lambda: config[password] or "")


class _blame:
    """Turns what OpenSSL or the system say into a TlsError that begins with a text of ours."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, (OSError, ValueError, TypeError)):     # ssl.SSLError is an OSError
            raise TlsError(f"{self.text}: {reason_of(error)}") from error


# ---------------------------------------------------------------- what the ssl module has no name for

SESS_CACHE_SIZE, SESS_CACHE_MODE = 42, 44                           # SSL_CTX_ctrl
SESS_CACHE_OFF, SESS_CACHE_SERVER = 0, 2


class _Native:
    """OpenSSL's functions on the SSL_CTX behind one context."""

    def __init__(self, library: Any, pointer: Any) -> None:
        self.library = library
        self.pointer = pointer

    def ciphersuites(self, names: str) -> bool:
        """Whether OpenSSL accepts these names."""
        return bool(self.library.SSL_CTX_set_ciphersuites(self.pointer, names.encode()))

    def session_cache(self, mode: int, size: int, seconds: int) -> None:
        """Mode (bits of SSL_SESS_CACHE_*), entries, and lifetime."""
        import ctypes
        for command, value in ((SESS_CACHE_MODE, mode), (SESS_CACHE_SIZE, size)):
            self.library.SSL_CTX_ctrl(self.pointer, command, ctypes.c_long(value), None)
        self.library.SSL_CTX_set_timeout(self.pointer, ctypes.c_long(seconds))


def _native(context: ssl.SSLContext) -> _Native | None:
    """CPython keeps the SSL_CTX* right behind the object's head (3.10 to 3.14). Used only after a proof: an option that
    is switched through Python must be seen to change through the pointer, and to change back. None: not here."""
    import sys
    if sys.implementation.name != "cpython" or not (3, 10) <= sys.version_info[:2] <= (3, 14):
        return None
    try:
        import _ssl
        import ctypes
        library = ctypes.CDLL(_ssl.__file__)                        # finds the libssl that it is linked with
        options = library.SSL_CTX_get_options
        options.restype, options.argtypes = ctypes.c_uint64, [ctypes.c_void_p]
        library.SSL_CTX_set_ciphersuites.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        library.SSL_CTX_ctrl.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]
        library.SSL_CTX_set_timeout.argtypes = [ctypes.c_void_p, ctypes.c_long]
        address = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
    except (ImportError, OSError, AttributeError):
        return None
    if not address or address % 8 or not _readable(address, 4096):
        return None
    before = context.options
    try:
        for value in (before ^ ssl.OP_NO_TICKET, before):
            context.options = value
            if options(address) != int(context.options) & (1 << 64) - 1:
                return None
    finally:
        context.options = before
    return _Native(library, address)


def _readable(address: int, size: int) -> bool:
    """Whether the system says that memory is there; True where it does not tell."""
    try:
        with open("/proc/self/maps", encoding="ascii", errors="replace") as lines:
            for line in lines:
                begin, _, end = line.split(" ", 1)[0].partition("-")
                if int(begin, 16) <= address < int(end, 16):
                    return line.split(" ", 2)[1].startswith("r")
            return False
    except OSError:
        return True


def set_ciphersuites(context: ssl.SSLContext, names: str) -> None:
    """tls-ciphersuites: what TLS 1.3 may use. Raises TlsError."""
    setter = getattr(context, "set_ciphersuites", None)             # Python 3.15
    if setter is not None:
        with _blame(f"Failed to set tls-ciphersuites to {names}"):
            setter(names)
        return
    native = _native(context)
    if native is None:
        raise TlsError("tls-ciphersuites cannot be set with this build of Python")
    if not native.ciphersuites(names):
        raise TlsError(f"Failed to set tls-ciphersuites to {names}")


def _session_cache(context: ssl.SSLContext, config: Config) -> None:
    """With caching, sessions are resumed by ticket and by number; without, not at all."""
    caching = config["tls-session-caching"]
    if not caching:
        context.num_tickets = 0
        context.options |= ssl.OP_NO_TICKET
    size, seconds = config["tls-session-cache-size"], config["tls-session-cache-timeout"]
    if caching and (size, seconds) == (20480, 300):
        return                                                      # OpenSSL's own size; its time is 300 s for TLS 1.2
    native = _native(context)
    if native is not None:
        native.session_cache(SESS_CACHE_SERVER if caching else SESS_CACHE_OFF, size, seconds)


# ---------------------------------------------------------------- handshakes

class Handshake:
    """Bytes in, bytes out, until both sides agree. Of either side."""

    def __init__(self, context: ssl.SSLContext, *, server_side: bool, name: str | None = None) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.ssl = context.wrap_bio(self.incoming, self.outgoing, server_side, name)
        self.done = False

    def step(self, data: bytes = b"") -> bytes:
        """Takes what has come (b"": nothing yet), gives what is to be sent. Raises ssl.SSLError; `farewell` then has
        what tells the peer."""
        if data:
            self.incoming.write(data)
        try:
            self.ssl.do_handshake()
            self.done = True
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def farewell(self) -> bytes:
        """The alert of a failed handshake."""
        return self.outgoing.read()

    @property
    def parts(self) -> SslParts:
        """What Engine.accept takes."""
        return self.ssl, self.incoming, self.outgoing


class Stream:
    """An encrypted link for code that sends and receives bytes itself: `receive` and `send` turn one side into the
    other, whether the handshake is done yet or not. For links to other servers, and for tests."""

    def __init__(self, context: ssl.SSLContext, *, server_side: bool = False, name: str | None = None) -> None:
        self.handshake = Handshake(context, server_side=server_side, name=name)
        self.waiting: list[bytes] = []                  # plain bytes that wait for the handshake

    def start(self) -> bytes:
        """The first bytes to send."""
        return self.handshake.step()

    def receive(self, data: bytes) -> tuple[bytes, bytes, bool]:
        """(plain bytes that came, bytes to send now, whether the peer has ended) of encrypted bytes. ssl.SSLError."""
        h = self.handshake
        answer = b""
        if not h.done:
            answer = h.step(data)
            if not h.done:
                return b"", answer, False
            waiting, self.waiting = self.waiting, []
            for text in waiting:
                answer += self.send(text)
        else:
            h.incoming.write(data)
        plain = []
        ended = False
        try:
            while True:
                part = h.ssl.read(1 << 16)
                if not part:
                    ended = True
                    break
                plain.append(part)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            ended = True
        return b"".join(plain), answer + h.outgoing.read(), ended

    def send(self, text: bytes) -> bytes:
        """The encrypted form; b"" while the handshake is not done, whose end sends it."""
        if not self.handshake.done:
            self.waiting.append(text)
            return b""
        view, at = memoryview(text), 0
        while at < len(view):
            at += self.handshake.ssl.write(view[at:at + READ_BYTES])
        return self.handshake.outgoing.read()


class Pending:
    """A connection whose handshake is going on."""

    __slots__ = ("fd", "address", "handshake", "unsent", "deadline", "mask")

    def __init__(self, fd: int, address: Address, handshake: Handshake, deadline: float) -> None:
        self.fd = fd
        self.address = address
        self.handshake = handshake
        self.unsent = b""
        self.deadline = deadline
        self.mask = READ


class Acceptor:
    """Leads new connections through their handshake and hands them to `ready`."""

    def __init__(self, loop: Loop, context: ssl.SSLContext, *, seconds: Callable[[], float],
                 ready: Callable[[int, Address, SslParts], None], log: Callable[[str, str], None]) -> None:
        self.loop = loop
        self.context = context                          # replaced when settings change
        self.seconds = seconds
        self.ready = ready
        self.log = log
        self.open: dict[int, Pending] = {}              # by descriptor

    def __len__(self) -> int:
        return len(self.open)

    def accept(self, fd: int, address: Address) -> None:
        """Takes a connected socket."""
        os.set_blocking(fd, False)
        pending = Pending(fd, address, Handshake(self.context, server_side=True),
                          time.monotonic() + self.seconds())
        if not self.open:
            self.loop.call_later(CHECK_SECONDS, self._check)
        self.open[fd] = pending
        self.loop.watch(fd, lambda mask: self._on_ready(pending, mask))
        self._on_ready(pending, READ)                   # often the first bytes are there already

    def _on_ready(self, p: Pending, mask: int) -> None:
        try:
            if p.unsent:
                self._send(p, b"")
            if mask & ~WRITE and not p.handshake.done:
                data = os.read(p.fd, READ_BYTES)
                if not data:
                    raise ConnectionError("the connection ended")
                self._send(p, p.handshake.step(data))
        except BlockingIOError:
            return
        except (OSError, ValueError) as e:              # ssl.SSLError is an OSError
            self._fail(p, e)
            return
        if p.handshake.done and not p.unsent:
            self._finish(p)

    def _send(self, p: Pending, text: bytes) -> None:
        """What the socket does not take makes the loop watch for writing."""
        p.unsent += text
        if p.unsent:
            try:
                p.unsent = p.unsent[os.write(p.fd, p.unsent):]
            except BlockingIOError:
                pass
        wanted = READ if not p.unsent else WRITE if p.handshake.done else READ | WRITE
        if wanted != p.mask:
            p.mask = wanted
            self.loop.poller.change(p.fd, wanted)

    def _finish(self, p: Pending) -> None:
        del self.open[p.fd]
        self.loop.unwatch(p.fd)
        self.ready(p.fd, p.address, p.handshake.parts)

    def _fail(self, p: Pending, error: Exception) -> None:
        self.log("verbose", f"Error accepting a client connection: {reason_of(error)} (addr={_shown(p.address)})")
        try:
            os.write(p.fd, p.handshake.farewell())
        except OSError:
            pass                                        # it need not hear of it
        self._drop(p)

    def _drop(self, p: Pending) -> None:
        del self.open[p.fd]
        self.loop.unwatch(p.fd)
        os.close(p.fd)

    def _check(self) -> float | None:
        """Closes what takes too long; None when nothing is open."""
        now = time.monotonic()
        for p in [p for p in self.open.values() if p.deadline <= now]:
            self.log("verbose", f"Closing a connection whose TLS handshake did not end (addr={_shown(p.address)})")
            self._drop(p)
        return CHECK_SECONDS if self.open else None

    def close(self) -> None:
        """Drops all that is open."""
        for p in list(self.open.values()):
            self._drop(p)


def _shown(address: Address) -> str:
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address)
