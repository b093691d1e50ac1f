"""The engine in the test's own process: no socket, a clock that stands still, seeded chance.

The one place that knows how an Engine is made for tests; its fixture is `engine` (RESP2 and RESP3).
"""
import io

from support.resp import Reader, encode

START_MS = 1_700_000_000_000     # the wall clock at which every such engine begins
SEED = 20_240_229


class TestEngine:
    """An Engine with a frozen clock. Each of call, ask and wire runs a command as a client of its own in a database."""

    __test__ = False

    def __init__(self, protocol=2, **settings):
        from redispy_core.engine import Engine

        self.core = Engine()
        self.core.freeze(START_MS, SEED)
        self.protocol = protocol
        for name, value in settings.items():
            self.set(name, value)

    def call(self, *argv, db=0):
        """The reply as a Python value (bytes, int, list, None ...). Raises ReplyError."""
        return self.core.call_in(db, *argv, resp=self.protocol)

    def wire(self, *argv, db=0):
        """The exact bytes of the reply."""
        return self.core.run_raw(db, self.protocol, [arg if isinstance(arg, bytes) else str(arg).encode() for arg in argv])

    def ask(self, *argv, db=0):
        """The reply with exact types (support.resp); an error is a value."""
        return Reader(io.BytesIO(self.wire(*argv, db=db)).read).read()

    def client(self):
        """A connection without a socket: state of its own (MULTI, SELECT, subscriptions), pushes, protocol errors."""
        return EngineClient(self.core, self.protocol)

    def set(self, name, value):
        """A setting that compiled code reads, as a number: engine.set("hash_max_listpack_entries", 4)."""
        assert self.core.set_knob(name.replace("_", "-"), int(value)), f"no setting {name}"

    def advance(self, ms):
        """Moves the clock, which otherwise stands still."""
        self.core.advance(ms)

    @property
    def now_ms(self):
        return self.core.now_ms


class EngineClient:
    """A client of an Engine, fed by hand."""

    def __init__(self, core, protocol):
        self.core = core
        self.id = core.accept(-1)
        self.reader = Reader(lambda: core.take_output(self.id))
        if protocol == 3:
            self.call("HELLO", 3)

    def send_bytes(self, data):
        self.core.feed(self.id, data)

    def read(self):
        """The next reply or push that lies ready. Raises Closed when there is none (the client waits, or is closed)."""
        return self.reader.read()

    def call(self, *argv):
        self.send_bytes(encode(argv))
        return self.read()

    def is_silent(self):
        """True when no reply lies ready."""
        self.reader.buffer += self.core.take_output(self.id)
        return not self.reader.buffer

    def close(self):
        self.core.close(self.id)
        self.core.attend()


def make_engine(protocol=2, **settings):
    """A fresh TestEngine; settings are those of TestEngine.set."""
    return TestEngine(protocol, **settings)
