"""Uses an installed redispy once: imports every module, starts `redispy-server`, pings, writes, stops it by SIGTERM.

Run by wheel-check with the Python of a clean environment, outside the checkout. Standard library only.
"""
import importlib
import importlib.metadata
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WAIT_S = 30
TALK = b"PING\r\nSET wheel round\r\nGET wheel\r\n"
ANSWER = b"+PONG\r\n+OK\r\n$5\r\nround\r\n"


def check_modules():
    """Imports all modules of both packages; they must be the installed ones, with the files that `ext` users need."""
    count = 0
    for package in ("redispy_core", "redispy_server"):
        top = importlib.import_module(package)
        assert str(Path(top.__file__).resolve()).startswith(str(Path(sys.prefix).resolve())), top.__file__
        for module in pkgutil.walk_packages(top.__path__, package + "."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
                count += 1
    shipped = {path.suffix for path in importlib.metadata.files("redispy-server")}
    assert {".pxd", ".h", ".so"} <= shipped, shipped
    assert ".c" not in shipped, "generated C does not belong into the wheel"
    return count


def talk(port):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(TALK)
        received = b""
        while len(received) < len(ANSWER):
            part = connection.recv(4096)
            if not part:
                break
            received += part
    assert received == ANSWER, received


def wait_until_it_listens(server, port):
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the server does not listen (status {server.poll()})")


def check_server(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [os.path.join(sys.prefix, "bin", "redispy-server"), "--port", str(port), "--dir", folder, "--save", ""]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        wait_until_it_listens(server, port)
        talk(port)
        server.send_signal(signal.SIGTERM)
        status = server.wait(timeout=WAIT_S)
        assert status == 0, f"exit status {status} after SIGTERM"
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()


if __name__ == "__main__":
    modules = check_modules()
    with tempfile.TemporaryDirectory() as scratch:
        check_server(scratch)
    print(f"{modules} modules imported, server answered and stopped cleanly")
