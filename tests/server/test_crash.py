"""Crash reports: what the log says when the process dies of a signal, what it keeps to itself, and the watchdog."""
import os
import signal
import time

import pytest
from support.resp import Closed, Error, Simple
from support.server import Server, wait_until

# A sanitizer's own handlers stand in the way of ours.
pytestmark = pytest.mark.skipif("libasan" in os.environ.get("LD_PRELOAD", ""), reason="a sanitizer build")


@pytest.fixture
def doomed():
    """Starts a server that may crash: nothing is checked at its end."""
    servers = []

    def start_server(*arguments, **settings):
        servers.append(Server(*arguments, **settings))
        return servers[-1].start()
    yield start_server
    for server in servers:
        server.close()


def crash(server, *command):
    with server.raw() as raw:
        raw.call("CLIENT", "SETNAME", "victim")
        with pytest.raises((Closed, ConnectionError)):
            raw.call(*command)
    return server.wait()


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT])
def test_report_on_fatal_signals(doomed, number):
    server = doomed()
    with server.raw() as raw:
        raw.pipeline(["SET", "k", "v"], ["SET", "l", "v"])
        server.process.send_signal(number)
        assert server.wait() == -number             # and it dies of that signal
    log = server.log
    for text in ("=== REDIS BUG REPORT START", f"crashed by signal: {int(number)}", "------ STACK TRACE ------",
                 "STACK TRACE DONE", "------ REGISTERS ------", "keys:2\n", "connected_clients:1\n", "redis_version:",
                 f"Sent by process: {os.getpid()}", "BUG REPORT END", "redispy_server/loop.py", "in run"):
        assert text in log, text
    assert log.count("STACK TRACE DONE") == 1


def test_report_names_the_request(doomed):
    server = doomed()
    assert crash(server, "DEBUG", "segfault") == -signal.SIGSEGV
    log = server.log
    assert 'argv[0]: "DEBUG"\nargv[1]: "segfault"\n' in log and 'cmd:"debug"' in log
    assert "redispy_core/commands/debug" in log         # the frame of the module that did it


@pytest.mark.parametrize("command, text", [("assert", "is not true"), ("panic", "called by DEBUG PANIC")])
def test_failed_assertions_are_in_the_report(doomed, tmp_path, command, text):
    path = tmp_path / "the.log"
    server = doomed(logfile=str(path))
    assert crash(server, "DEBUG", command) == -signal.SIGABRT
    log = path.read_text()
    assert "=== ASSERTION FAILED ===" in log and text in log and "crashed by signal: 6" in log
    assert "redispy_server/loop.py" in log              # Python's stack goes to the same place
    assert log.index("Server initialized") < log.index("BUG REPORT START")


def test_exit_on_panic(doomed):
    server = doomed(use_exit_on_panic="yes")
    assert crash(server, "DEBUG", "assert") == 1
    assert "ASSERTION FAILED" in server.log


def test_user_data_is_hidden_if_wanted(doomed):
    server = doomed(hide_user_data_from_log="yes")
    assert crash(server, "DEBUG", "segfault") == -signal.SIGSEGV
    assert 'argv[0]: "DEBUG"\nargv[1]: *redacted*\n' in server.log


def test_reports_can_be_switched_off_and_on(doomed):
    server = doomed(crash_log_enabled="no")
    assert crash(server, "DEBUG", "segfault") == -signal.SIGSEGV
    assert "BUG REPORT" not in server.log and "Fatal Python error" not in server.log
    server = doomed(crash_log_enabled="no")
    with server.raw() as raw:
        assert raw.call("CONFIG", "SET", "crash-log-enabled", "yes") == Simple("OK")
    assert crash(server, "DEBUG", "segfault") == -signal.SIGSEGV
    assert "BUG REPORT START" in server.log
    server = doomed()
    with server.raw() as raw:
        assert raw.call("CONFIG", "SET", "crash-log-enabled", "no") == Simple("OK")
    assert crash(server, "DEBUG", "segfault") == -signal.SIGSEGV
    assert "BUG REPORT" not in server.log


def test_moved_log_is_made_anew(doomed, tmp_path):
    path = tmp_path / "the.log"
    server = doomed(logfile=str(path))
    path.rename(tmp_path / "old.log")
    assert crash(server, "DEBUG", "segfault") == -signal.SIGSEGV
    assert "BUG REPORT START" in path.read_text() and "redispy_server/loop.py" in path.read_text()
    assert "BUG REPORT START" not in (tmp_path / "old.log").read_text()


def test_alarm_writes_the_stack_and_nothing_else(start):
    server = start()
    with server.raw() as raw:
        raw.send("DEBUG", "SLEEP", 0.5)
        time.sleep(0.2)
        server.process.send_signal(signal.SIGALRM)
        server.wait_for_log("Received SIGALRM")
        server.wait_for_log("STACK TRACE DONE")
        server.wait_for_log('argv[1]: "SLEEP"')
        server.wait_for_log("redispy_server/loop.py")
        assert raw.read() == Simple("OK") and raw.call("PING") == Simple("PONG")


def test_watchdog(start):
    server = start()
    with server.raw() as raw:
        assert raw.call("CONFIG", "SET", "watchdog-period", 100) == Simple("OK")
        assert raw.call("CONFIG", "GET", "watchdog-period") == [b"watchdog-period", b"200"]     # two turns of cron
        time.sleep(0.5)
        assert "WATCHDOG" not in server.log
        raw.call("DEBUG", "SLEEP", 0.5)
        server.wait_for_log("WATCHDOG TIMER EXPIRED")
        assert raw.call("CONFIG", "SET", "watchdog-period", 0) == Simple("OK")
        seen = server.log.count("WATCHDOG")
        raw.call("DEBUG", "SLEEP", 0.5)
        assert server.log.count("WATCHDOG") == seen and raw.call("PING") == Simple("PONG")


def test_debug_crashes_need_permission(start):
    server = start(enable_debug_command="no")
    with server.raw() as raw:
        for word in ("SEGFAULT", "PANIC", "ASSERT"):
            assert isinstance(raw.call("DEBUG", word), Error)
        wait_until(lambda: raw.call("PING") == Simple("PONG"))
