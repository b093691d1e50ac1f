"""Starting and stopping a server process for tests: redispy, or any other that takes redis-server's arguments.

    with Server(appendonly="yes", save=["900", "1"]) as server:
        assert server.raw().call("PING") == Simple("PONG")

Each keyword is a setting (`_` for `-`; bool becomes yes/no; a list several words; None leaves a default of this class
out); positional arguments go to the command line as they are, first. REDISPY_TEST_SERVER names another command to test
in place of redispy.
"""
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from support.resp import Closed, Error, RawClient, Simple

ROOT = Path(__file__).resolve().parents[2]
START_S, STOP_S = 60, 20
DEFAULTS = {"bind": "127.0.0.1", "save": "", "enable-debug-command": "yes", "shutdown-on-sigterm": "default"}
# Lines in a log that no test may cause.
CRASH_MARKS = ("Traceback (most recent call last)", "BUG REPORT START", "AddressSanitizer", "runtime error:", "rp_assert",
               "Exception ignored in")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def default_command():
    other = os.environ.get("REDISPY_TEST_SERVER")
    return shlex.split(other) if other else [sys.executable, "-P", "-m", "redispy_server"]


def words(value):
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    if isinstance(value, (list, tuple)):
        return [str(part) for part in value]
    return [str(value)]


class ServerFailed(AssertionError):
    """The server did not start, did not stop cleanly, or logged what it must not."""


class Server:
    """A server process with a folder of its own. Start it by `with` or start(); stop() asserts a clean exit."""

    def __init__(self, *arguments, command=None, directory=None, env=None, port=None, **settings):
        self.command = command or default_command()
        self.arguments = list(arguments)
        self.settings = {**DEFAULTS, **{name.replace("_", "-"): value for name, value in settings.items()}}
        self.env = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
                        **(env or {}))
        self._scratch = None if directory else tempfile.TemporaryDirectory(prefix="redispy-test-")
        self.directory = Path(directory or self._scratch.name)
        self.chooses_port = port is None
        self.port = port or free_port()
        self.process = None
        self._log_start = 0

    # --- life

    def command_line(self):
        line = [*self.command, *self.arguments, "--port", str(self.port), "--dir", str(self.directory)]
        for name, value in self.settings.items():
            if value is not None:
                line += ["--" + name, *words(value)]
        return line

    def start(self, wait=True):
        """Starts the process and waits until it answers PING (an error such as NOAUTH is an answer, LOADING is not)."""
        assert self.process is None or self.process.poll() is not None, "already running"
        self.directory.mkdir(parents=True, exist_ok=True)
        for attempts_left in (2, 1, 0):
            self._log_start = len(self.log)
            with open(self.log_path, "ab") as log:
                self.process = subprocess.Popen(self.command_line(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                cwd=self.directory, env=self.env)
            try:
                if wait:
                    self.wait_until_ready()
                return self
            except ServerFailed:
                # Between free_port() and bind() another process may have taken it.
                if not (self.chooses_port and attempts_left and "in use" in self.log[self._log_start:]):
                    raise
                self.port = free_port()

    def wait_until_ready(self, timeout_s=START_S):
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise ServerFailed(f"the server ended at start with status {self.process.returncode}\n{self.story()}")
            if self.answers():
                return
            time.sleep(0.01)
        self.kill()
        raise ServerFailed(f"the server did not answer within {timeout_s} s\n{self.story()}")

    def answers(self):
        """Whether this process answers a PING now (not another one that has the port)."""
        try:
            with RawClient(self.port, timeout_s=1) as client:
                reply, info = client.pipeline(["PING"], ["INFO", "server"])
        except (OSError, Closed, AssertionError):
            return False
        if isinstance(info, bytes) and b"process_id:" in info and f"process_id:{self.process.pid}\r".encode() not in info:
            return False
        return reply == Simple("PONG") or isinstance(reply, Error) and reply.code not in ("LOADING", "MASTERDOWN")

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, expect_status=0):
        """SIGTERM; asserts that the server ends in time, with that status, and without a crash mark in its log."""
        if self.process is None:
            return
        was_running = self.is_running()
        if was_running:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerFailed(f"the server did not end within {STOP_S} s of SIGTERM\n{self.story()}") from None
        self.process = None
        if status != expect_status:
            raise ServerFailed(f"exit status {status}" + ("" if was_running else ", before it was told to") + f"\n{self.story()}")
        self.check_log()

    def wait(self, timeout_s=STOP_S):
        """Waits for an end that the test itself has caused (SHUTDOWN, a signal); returns the exit status."""
        status = self.process.wait(timeout=timeout_s)
        self.process = None
        return status

    def kill(self):
        """SIGKILL, as a crash; the folder stays for a restart."""
        if self.is_running():
            self.process.kill()
        if self.process is not None:
            self.process.wait()
        self.process = None

    def restart(self, *, crash=False, **settings):
        """Stops (or kills) and starts again in the same folder, with settings changed as given."""
        self.kill() if crash else self.stop()
        self.settings.update({name.replace("_", "-"): value for name, value in settings.items()})
        return self.start()

    def close(self):
        """Ends the process without asking anything of it and removes the folder."""
        self.kill()
        if self._scratch:
            self._scratch.cleanup()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.stop()
        finally:
            self.close()

    # --- log

    @property
    def log_path(self):
        return self.directory / "server.log"

    @property
    def log(self):
        """Everything that this folder's servers wrote to stdout and stderr."""
        try:
            return self.log_path.read_text(errors="replace")
        except OSError:
            return ""

    def wait_for_log(self, text, timeout_s=10):
        """Waits until the log of the current process contains a text."""
        end = time.monotonic() + timeout_s
        while text not in self.log[self._log_start:]:
            if time.monotonic() > end:
                raise ServerFailed(f"{text!r} did not appear in the log\n{self.story()}")
            time.sleep(0.01)

    def check_log(self):
        marks = [mark for mark in CRASH_MARKS if mark in self.log[self._log_start:]]
        if marks:
            raise ServerFailed(f"the log contains {marks}\n{self.story()}")

    def story(self):
        return f"command: {shlex.join(self.command_line())}\nlog:\n{self.log[-6000:]}"

    # --- clients

    def raw(self, protocol=2, **options):
        """A RawClient: exact types."""
        return RawClient(self.port, protocol, **options)

    def client(self, protocol=2, **options):
        """A redis-py client that neither retries nor decodes, unless told to."""
        options = {"socket_timeout": 10, "retry": Retry(NoBackoff(), 0), **options}
        return redis.Redis(host="127.0.0.1", port=self.port, protocol=protocol, **options)


def wait_until(condition, timeout_s=10, what="the condition"):
    """Polls until condition() is true and returns its value."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {timeout_s} s")
        time.sleep(0.005)
