"""Bringing a running server back to the state after its start, between tests that share it."""
from support.resp import Closed, Error, Map, Simple

# Each undoes something that a test may have done. A server without the command is fine: nothing can have been done then.
UNDO = [
    ("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"),
    ("CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes"),
    ("REPLICAOF", "NO", "ONE"),
    ("SCRIPT", "FLUSH"),
    ("FUNCTION", "FLUSH"),
    ("DEBUG", "SET-ACTIVE-EXPIRE", "1"),
    ("LATENCY", "RESET"),
    ("ACL", "LOG", "RESET"),
    ("SLOWLOG", "RESET"),
    ("CONFIG", "RESETSTAT"),
]
# Settings that belong to the process or answer differently each time.
FIXED = {b"port", b"dir", b"bind", b"pidfile", b"logfile", b"unixsocket", b"databases", b"replicaof", b"slaveof"}


class Reset:
    """Remembers the settings and users of a fresh server; restore() brings them back and empties the data set."""

    def __init__(self, server):
        with server.raw() as raw:
            self.settings = read_settings(raw)
            self.users = read_users(raw)

    def restore(self, server):
        """Raises AssertionError when the data cannot be flushed or a setting cannot be set back."""
        with server.raw() as raw:
            for setting, value in self.changed(raw):
                reply = raw.call("CONFIG", "SET", setting, value)
                assert reply == Simple("OK"), f"CONFIG SET {setting!r} {value!r}: {reply}"
            extra = [user for user in read_users(raw) if user not in self.users]
            if extra:
                raw.call("ACL", "DELUSER", *extra)
            raw.pipeline(*UNDO)
            reply = raw.call("FLUSHALL")
            assert reply == Simple("OK"), f"FLUSHALL: {reply}"

    def changed(self, raw):
        now = read_settings(raw)
        return [(name, value) for name, value in self.settings.items() if name not in FIXED and now.get(name, value) != value]


def read_settings(raw):
    reply = raw.call("CONFIG", "GET", "*")
    if isinstance(reply, Error):
        return {}
    return reply.dict() if isinstance(reply, Map) else dict(zip(reply[::2], reply[1::2]))


def read_users(raw):
    reply = raw.call("ACL", "USERS")
    return [] if isinstance(reply, Error) else list(reply)


class SharedServer:
    """One server for many tests. `ready()` gives it in its first state and starts a new one after a crash."""

    def __init__(self, make):
        self.make = make
        self.server = None

    def ready(self):
        if self.server is None:
            self.server = self.make().start()
            self.reset = Reset(self.server)
        self.reset.restore(self.server)
        return self.server

    def check(self):
        """After a test: the server must still answer and its log be clean. Else it goes, and the test is told why."""
        try:
            if not self.server.is_running():
                raise AssertionError(f"the server ended with status {self.server.process.poll()}\n{self.server.story()}")
            assert self.server.answers(), f"the server does not answer any more\n{self.server.story()}"
            self.server.check_log()
        except (AssertionError, OSError, Closed):
            self.server.close()
            self.server = None
            raise

    def stop(self):
        if self.server is not None:
            try:
                self.server.stop()
            finally:
                self.server.close()
