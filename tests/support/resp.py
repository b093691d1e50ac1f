"""RESP2 and RESP3 on a plain socket, with exact types: what a client library would smooth over stays visible here.

A reply is one of: int, bytes (bulk), list (array), bool, and the classes below. `None` never occurs: the three nulls of
the wire are NULL (`_`), NULL_BULK (`$-1`) and NULL_ARRAY (`*-1`). The classes compare by type and value, so that
`Simple("OK") != b"OK"` and `Map([]) != []`.
"""
import socket

TIMEOUT_S = 10


class Closed(Exception):
    """The server closed the connection (where a reply was expected)."""


class Null:
    def __init__(self, wire):
        self.wire = wire

    def __repr__(self):
        return f"<null {self.wire}>"


NULL, NULL_BULK, NULL_ARRAY = Null("_"), Null("$-1"), Null("*-1")


class _Text(bytes):
    """Bytes with a wire type of their own; may be made from str."""

    def __new__(cls, value=b""):
        return super().__new__(cls, value.encode() if isinstance(value, str) else value)

    def __eq__(self, other):
        return type(self) is type(other) and bytes(self) == bytes(other)

    def __ne__(self, other):
        return not self == other

    __hash__ = bytes.__hash__

    def __repr__(self):
        return f"{type(self).__name__}({bytes(self)!r})"


class Simple(_Text):
    """`+text`"""


class Error(_Text):
    """`-text`; `code` is the first word."""

    @property
    def code(self):
        return bytes(self).split(b" ")[0].decode()


class BlobError(Error):
    """`!n text`"""


class Verbatim(_Text):
    """`=n fmt:text`; the format stands before the colon."""


class BigNumber(_Text):
    """`(digits`"""


class Double(_Text):
    """`,text`: the digits as sent, since how a number is printed matters."""

    def __float__(self):
        return float(bytes(self))


class _Aggregate(list):
    def __eq__(self, other):
        return type(self) is type(other) and list.__eq__(self, other)

    def __ne__(self, other):
        return not self == other

    def __repr__(self):
        return f"{type(self).__name__}({list.__repr__(self)})"


class Map(_Aggregate):
    """`%n`: list of (key, value) pairs in the order sent."""

    def dict(self):
        return dict(self)


class Set(_Aggregate):
    """`~n`"""


class Push(_Aggregate):
    """`>n`"""


class Attributed(_Aggregate):
    """`|n` and the reply behind it: [Map, reply]"""


def encode(argv):
    """A request as a multibulk. Arguments: bytes, str, int, float."""
    parts = [arg if isinstance(arg, bytes) else str(arg).encode() for arg in argv]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


class Reader:
    """Takes bytes from `receive()` (empty at the end) and gives replies. `taken` is the wire form of the last one."""

    def __init__(self, receive):
        self.receive = receive
        self.buffer = b""
        self.taken = b""
        self._record = []

    def _more(self):
        data = self.receive()
        if not data:
            raise Closed(self.buffer)
        self.buffer += data

    def _take(self, count):
        part, self.buffer = self.buffer[:count], self.buffer[count:]
        self._record.append(part)
        return part

    def _line(self):
        while b"\r\n" not in self.buffer:
            self._more()
        return self._take(self.buffer.index(b"\r\n") + 2)[:-2]

    def _block(self, count):
        while len(self.buffer) < count + 2:
            self._more()
        part = self._take(count + 2)
        assert part.endswith(b"\r\n"), f"no CRLF behind {part!r}"
        return part[:-2]

    def read(self):
        """One reply. Raises Closed, and AssertionError on what is not RESP."""
        self._record = []
        reply = self._reply()
        self.taken = b"".join(self._record)
        return reply

    def _reply(self):
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind in SCALARS:
            return SCALARS[kind](rest)
        assert kind in b"$!=*~>%|" and kind, f"not RESP: {line!r}"
        if kind in (b"$", b"*") and rest == b"-1":
            return NULL_BULK if kind == b"$" else NULL_ARRAY
        assert rest.isdigit() and str(int(rest)).encode() == rest, f"bad length in {line!r}"
        if kind in BLOCKS:
            return BLOCKS[kind](self._block(int(rest)))
        if kind in b"%|":
            pairs = Map((self._reply(), self._reply()) for _ in range(int(rest)))
            return pairs if kind == b"%" else Attributed([pairs, self._reply()])
        return AGGREGATES[kind](self._reply() for _ in range(int(rest)))


def _integer(text):
    assert str(int(text)).encode() == text, f"bad integer {text!r}"
    return int(text)


def _null(text):
    assert text == b"", f"bad null {text!r}"
    return NULL


SCALARS = {b"+": Simple, b"-": Error, b":": _integer, b"_": _null, b",": Double, b"(": BigNumber,
           b"#": {b"t": True, b"f": False}.__getitem__}
BLOCKS = {b"$": bytes, b"!": BlobError, b"=": Verbatim}
AGGREGATES = {b"*": list, b"~": Set, b">": Push}


def describe(reply, indent=""):
    """A reply as text, one line an element, the wire type first: for messages and for comparing exactly."""
    if isinstance(reply, (list, _Aggregate)):
        mark = {Map: "%", Set: "~", Push: ">", Attributed: "|"}.get(type(reply), "*")
        elements = [part for pair in reply for part in pair] if isinstance(reply, Map) else reply
        return "\n".join([f"{indent}{mark}{len(reply)}"] + [describe(part, indent + "  ") for part in elements])
    if isinstance(reply, Null):
        return indent + reply.wire
    if isinstance(reply, bool):
        return indent + ("#t" if reply else "#f")
    if isinstance(reply, int):
        return f"{indent}:{reply}"
    mark = {Simple: "+", Error: "-", BlobError: "!", Verbatim: "=", BigNumber: "(", Double: ","}.get(type(reply), "$")
    return indent + mark + repr(bytes(reply))[1:]


class RawClient:
    """One connection. `call` sends a command and reads one reply; `send` and `read` are the halves of it."""

    def __init__(self, port=None, protocol=2, host="127.0.0.1", path=None, timeout_s=TIMEOUT_S):
        if path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout_s)
            self.socket.connect(path)
        else:
            self.socket = socket.create_connection((host, port), timeout=timeout_s)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = Reader(self._receive)
        self.protocol = 2
        if protocol != 2:
            self.hello(protocol)

    def _receive(self):
        try:
            return self.socket.recv(65536)
        except ConnectionResetError:
            return b""

    def hello(self, protocol, *more):
        """HELLO; returns its reply."""
        reply = self.call("HELLO", protocol, *more)
        assert not isinstance(reply, Error), reply
        self.protocol = protocol
        return reply

    def send_bytes(self, data):
        self.socket.sendall(data)

    def send(self, *argv):
        """Sends a command without reading anything."""
        self.send_bytes(encode(argv))

    def read(self, timeout_s=None):
        """The next reply or push. Raises Closed, TimeoutError."""
        if timeout_s is None:
            return self.reader.read()
        before = self.socket.gettimeout()
        self.socket.settimeout(timeout_s)
        try:
            return self.reader.read()
        finally:
            self.socket.settimeout(before)

    def call(self, *argv):
        """Sends a command and returns the next thing that comes."""
        self.send(*argv)
        return self.read()

    def wire(self, *argv):
        """Sends a command and returns the exact bytes of the reply."""
        self.call(*argv)
        return self.reader.taken

    def pipeline(self, *commands):
        """Sends commands (sequences of arguments) in one write and returns their replies."""
        self.send_bytes(b"".join(map(encode, commands)))
        return [self.read() for _ in commands]

    def is_silent(self, seconds=0.1):
        """True when nothing comes for that long. What came stays readable."""
        try:
            if self.reader.buffer:
                return False
            self.socket.settimeout(seconds)
            self.reader._more()
            return False
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(TIMEOUT_S)

    def is_closed(self, seconds=1.0):
        """True when the server closes the connection within that time; what it sends before is read away."""
        self.socket.settimeout(seconds)
        try:
            while self._receive():
                pass
            return True
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(TIMEOUT_S)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
