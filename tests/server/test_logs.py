"""The log: levels, line formats, where it goes, and what must never stand in it."""
import os
import re
import socket
import time

import pytest
from redispy_server.logs import Log
from support.resp import Simple

LINE = re.compile(r"^(\d+):([MSXC]) (\d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d{3}) ([.\-*#]) (.*)$")


def lines_of(path):
    return path.read_text().splitlines()


def test_line(tmp_path):
    log = Log("debug", str(tmp_path / "log"))
    for level in ("debug", "verbose", "notice", "warning"):
        log(level, f"of {level}")
    found = [LINE.match(line) for line in lines_of(tmp_path / "log")]
    assert [m[4] + m[5] for m in found] == [".of debug", "-of verbose", "*of notice", "#of warning"]
    assert {m[1] for m in found} == {str(os.getpid())} and {m[2] for m in found} == {"M"}
    stamp = time.mktime(time.strptime(found[0][3].rpartition(".")[0], "%d %b %Y %H:%M:%S"))
    assert abs(stamp - time.time()) < 5
    log.role = "S"
    log("notice", "x")
    assert LINE.match(lines_of(tmp_path / "log")[-1])[2] == "S"


@pytest.mark.parametrize("level, shown", [("debug", 4), ("verbose", 3), ("notice", 2), ("warning", 1), ("nothing", 0)])
def test_levels(tmp_path, level, shown):
    log = Log(level, str(tmp_path / "log"))
    for name in ("debug", "verbose", "notice", "warning"):
        log(name, "x")
    assert (len(lines_of(tmp_path / "log")) if shown else 0) == shown
    assert shown or not (tmp_path / "log").exists()


def test_milliseconds_fit_their_second(tmp_path, monkeypatch):
    log = Log("notice", str(tmp_path / "log"))
    for now in (1000000000.999, 1000000001.0004, 1000000001.5):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        log("notice", "x")
    stamps = [LINE.match(line)[3][-6:] for line in lines_of(tmp_path / "log")]
    assert stamps == ["40.999", "41.000", "41.500"]


@pytest.mark.parametrize("stamps, pattern", [
    ("legacy", r"\d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d{3}"), ("milliseconds", r"\d{13}"),
    ("iso8601", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d")])
def test_formats(tmp_path, stamps, pattern):
    log = Log("notice", str(tmp_path / "log"))
    log.set_format("legacy", stamps)
    log("notice", "plain")
    log.set_format("logfmt", stamps)
    log("warning", 'two\nlines "quoted"')
    first, second = lines_of(tmp_path / "log")
    assert re.fullmatch(rf"{os.getpid()}:M {pattern} \* plain", first)
    assert re.fullmatch(rf'pid={os.getpid()} role=primary timestamp="{pattern}" level=warning '
                        r'message="two lines \'quoted\'"', second)


def test_file_may_be_moved_away(tmp_path):
    path = tmp_path / "log"
    log = Log("notice", str(path))
    log("notice", "one")
    path.rename(tmp_path / "old")
    log("notice", "two")
    assert "one" in (tmp_path / "old").read_text() and "two" in path.read_text()


def test_unwritable_log_stops_nothing(tmp_path):
    log = Log("notice", str(tmp_path / "missing" / "log"))
    log("notice", "x")
    Log("notice", "/dev/full")("notice", "x")


def test_syslog(monkeypatch, tmp_path):
    import syslog
    sent = []
    monkeypatch.setattr(syslog, "openlog", lambda *a: sent.append(a))
    monkeypatch.setattr(syslog, "syslog", lambda *a: sent.append(a))
    log = Log("notice", str(tmp_path / "log"))
    log("notice", "before")
    log.open_syslog("my-redis", "local3")
    log("warning", "after")
    log("debug", "not shown")
    assert sent == [("my-redis", syslog.LOG_PID | syslog.LOG_NDELAY, syslog.LOG_LOCAL3), (syslog.LOG_WARNING, "after")]


def test_server_that_logs_to_syslog_starts(start):
    server = start(syslog_enabled="yes", syslog_ident="redispy-test", syslog_facility="user")
    with server.raw() as raw:
        assert raw.call("PING") == Simple("PONG")


def test_level_and_format_change_at_run_time(start, tmp_path):
    server = start(logfile="server2.log", loglevel="warning")
    path = server.directory / "server2.log"
    assert "Ready to accept" not in (path.read_text() if path.exists() else "")
    with server.raw() as raw:
        raw.pipeline(["CONFIG", "SET", "loglevel", "debug", "log-format", "logfmt"], ["CONFIG", "SET", "loglevel", "nothing"],
                     ["DEBUG", "LOG", "unheard"], ["CONFIG", "SET", "loglevel", "notice"], ["DEBUG", "LOG", "heard"])
    text = path.read_text()
    assert "unheard" not in text and 'level=warning message="DEBUG LOG: heard"' in text


@pytest.mark.parametrize("logo", ["yes", "no"])
def test_start_is_announced(start, logo):
    log = start(always_show_logo=logo, port=None).log
    assert re.search(r" PID: \d+[\s\S]*Server initialized[\s\S]*Ready to accept connections tcp", log)
    assert ("\n PID: " in log) is (logo == "yes")


def test_secrets_are_never_logged(start):
    """Neither at the most talkative level, nor in the slow log or MONITOR."""
    server = start(loglevel="debug", requirepass="pass-one", slowlog_log_slower_than=0)
    with server.raw() as raw, server.raw() as watcher:
        for client in (raw, watcher):
            assert client.call("AUTH", "pass-one") == Simple("OK")
        watcher.call("MONITOR")
        raw.pipeline(["AUTH", "wrong-one"], ["AUTH", "default", "pass-one"], ["HELLO", 2, "AUTH", "default", "pass-one"],
                     ["CONFIG", "SET", "requirepass", "pass-two"], ["CONFIG", "SET", "masterauth", "pass-three"],
                     ["CONFIG", "SET", "tls-key-file-pass", "pass-four"], ["ACL", "SETUSER", "u", ">pass-five"], ["PING"])
        entries = str(raw.call("SLOWLOG", "GET", -1))
        seen = b""
        while b'"PING"' not in seen:
            seen += watcher.socket.recv(65536)
    everything = server.log + entries + seen.decode()
    for secret in ("pass-one", "wrong-one", "pass-two", "pass-three", "pass-four", "pass-five"):
        assert secret not in everything, secret


def test_log_of_a_server_in_the_background_goes_to_its_file(start, tmp_path):
    """The same line reaches the file whatever the folder is at the time."""
    server = start(logfile="relative.log", enable_protected_configs="yes")
    (tmp_path / "elsewhere").mkdir()
    with server.raw() as raw:
        raw.call("CONFIG", "SET", "dir", str(tmp_path / "elsewhere"))
        raw.call("DEBUG", "LOG", "after the move")
    assert "after the move" in (server.directory / "relative.log").read_text()
    assert socket.gethostname() is not None and os.listdir(tmp_path / "elsewhere") == []
