"""The process as its system sees it: background, pid file, title, supervisors, the OOM killer's score."""
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from redispy_server.process import supervisor
from support.resp import Error, RawClient, Simple
from support.server import ROOT, free_port, wait_until

needs_proc = pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="no /proc")


def command_line(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()


def test_daemonize(tmp_path):
    port = free_port()
    done = subprocess.run([sys.executable, "-P", "-m", "redispy_server", "--port", str(port), "--daemonize", "yes", "--dir",
                           str(tmp_path), "--pidfile", str(tmp_path / "pid"), "--logfile", "the.log", "--save", "",
                           "--bind", "127.0.0.1"], env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=30)
    assert done.returncode == 0
    wait_until(lambda: "Ready to accept" in (tmp_path / "the.log").read_text() if (tmp_path / "the.log").exists() else 0,
               what="the start")
    pid = int((tmp_path / "pid").read_text())
    with RawClient(port) as raw:
        assert f"process_id:{pid}\r".encode() in raw.call("INFO", "server")
        assert os.getsid(pid) == pid                            # a session of its own
        raw.send("SHUTDOWN", "NOSAVE")
    wait_until(lambda: not (tmp_path / "pid").exists(), what="the end")
    assert "bye bye" in (tmp_path / "the.log").read_text()


def test_pidfile_that_cannot_be_written(start, tmp_path):
    server = start(pidfile=str(tmp_path / "missing" / "pid"))
    server.wait_for_log("Failed to write PID file: No such file or directory")


@needs_proc
def test_title(start, tmp_path):
    (tmp_path / "redis.conf").write_text("maxclients 100\n")
    server = start(str(tmp_path / "redis.conf"), unixsocket=str(tmp_path / "s"))
    pid = server.process.pid
    assert command_line(pid).split() [0].endswith("/redis-server")
    assert command_line(pid).split()[1:] == [f"127.0.0.1:{server.port}"]
    assert Path(f"/proc/{pid}/comm").read_text() == "redis-server\n"
    with server.raw() as raw:
        template = "T {port} {tls-port} {unixsocket} {config-file} {server-mode}"
        assert raw.call("CONFIG", "SET", "proc-title-template", template) == Simple("OK")
        assert command_line(pid) == f"T {server.port} 0 {tmp_path}/s {tmp_path}/redis.conf"
        assert isinstance(raw.call("CONFIG", "SET", "proc-title-template", "{nonsense}"), Error)
        assert command_line(pid).startswith("T ")
        raw.call("CONFIG", "SET", "proc-title-template", "long " * 2000)      # there is no room for that
        assert command_line(pid).startswith("long long") and raw.call("PING") == Simple("PONG")


@needs_proc
def test_title_may_stay(start):
    server = start(set_proc_title="no")
    assert "redispy_server" in command_line(server.process.pid)


@pytest.mark.parametrize("setting, environment, who", [
    ("no", {}, "no"), ("auto", {}, "no"), ("auto", {"NOTIFY_SOCKET": "/x"}, "systemd"), ("auto", {"UPSTART_JOB": "x"}, "upstart"),
    ("systemd", {}, "systemd")])
def test_supervisor(monkeypatch, setting, environment, who):
    for name in ("NOTIFY_SOCKET", "UPSTART_JOB"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert supervisor(setting) == who


@pytest.mark.parametrize("setting", ["systemd", "auto"])
def test_systemd_is_told(start, tmp_path, setting):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as box:
        box.bind(str(tmp_path / "notify"))
        box.settimeout(10)
        os.environ["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        try:
            server = start(supervised=setting)
        finally:
            del os.environ["NOTIFY_SOCKET"]
        assert b"READY=1" in box.recv(1000)
        with server.raw() as raw:
            assert f"process_supervised:{setting}".encode() in raw.call("INFO", "server") or setting == "auto"
        server.stop()
        assert b"STOPPING=1" in box.recv(1000)


# ---------------------------------------------------------------- OOM score

def score(server):
    return int(Path(f"/proc/{server.process.pid}/oom_score_adj").read_text())


@needs_proc
def test_oom_score(start):
    server = start()
    base = score(server)
    with server.raw() as raw:
        def setting(*pairs):
            return raw.call("CONFIG", "SET", *pairs)
        assert setting("oom-score-adj-values", "10 20 30") == Simple("OK") and score(server) == base
        assert setting("oom-score-adj", "yes") == Simple("OK") and score(server) == base + 10
        assert setting("oom-score-adj-values", "15 20 30") == Simple("OK") and score(server) == base + 15
        assert setting("oom-score-adj", "absolute", "oom-score-adj-values", f"{base + 40} {base + 50} {base + 60}") == Simple("OK")
        assert score(server) == base + 40
        assert setting("oom-score-adj", "no") == Simple("OK") and score(server) == base
        for bad in ("-2001 0 0", "0 0 2001"):
            assert b"must be between -2000 and 2000" in setting("oom-score-adj-values", bad)


@needs_proc
def test_oom_score_from_the_start(start):
    base = int(Path("/proc/self/oom_score_adj").read_text())
    assert score(start(oom_score_adj="relative", oom_score_adj_values=["7", "8", "9"])) == base + 7


@needs_proc
@pytest.mark.skipif(os.geteuid() == 0, reason="root may lower the score")
def test_oom_score_that_is_refused(start):
    server = start()
    with server.raw() as raw:
        raw.call("CONFIG", "SET", "oom-score-adj-values", "-1000 -1000 -1000")
        assert raw.call("CONFIG", "SET", "oom-score-adj", "absolute") == Error(
            "ERR CONFIG SET failed (possibly related to argument 'oom-score-adj') - "
            "Failed to set current oom_score_adj. Check server logs.")
        assert raw.call("CONFIG", "GET", "oom-score-adj") == [b"oom-score-adj", b"no"]
        time.sleep(0)
        assert "cannot be written: Permission denied" in server.log
