"""Saving in a forked child: what it writes, tells and leaves alone, and how it ends."""
import errno
import os
import select
import signal
import socket
import struct
import time

import pytest
from samples import PROSE, fill
from support.engine import make_engine
from support.server import wait_until

from redispy_core.base import codec

SLOW_US = 20_000


@pytest.fixture
def engine():
    made = make_engine(3)
    fill(made)
    return made


class Child:
    """A saving on its way; end() gives (exit status, records)."""

    def __init__(self, engine, fds, kind="rdb", **options):
        self.engine = engine
        self.pid, self.info = engine.core.fork_save(fds, kind, **options)

    def end(self, timeout_s=20):
        end = time.monotonic() + timeout_s
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.002)
        records = []
        try:
            while True:
                records.append(self.engine.core.child_info(self.info))
        except EOFError:
            os.close(self.info)
        return os.waitstatus_to_exitcode(status), records


def check_rdb(data):
    assert data[:5] == b"REDIS" and data[-9] == 0xFF and struct.unpack("<Q", data[-8:])[0] == codec.crc64_of(data[:-8])


def test_file_is_what_the_parent_would_have_written(engine, tmp_path):
    with open(tmp_path / "here", "wb") as here, open(tmp_path / "there", "wb") as there:
        engine.core.save_rdb(here.fileno(), checksum=False)
        status, records = Child(engine, [there.fileno()], checksum=False).end()
    keys = engine.call("DBSIZE")
    size = os.path.getsize(tmp_path / "there")
    assert status == 0 and [r["kind"] for r in records] == ["end"]
    assert (records[0]["keys"], records[0]["bytes"], records[0]["error"]) == (keys, size, 0)
    assert records[0]["cow_bytes"] > 0 or not os.path.exists("/proc/self/smaps_rollup")
    here, there = (tmp_path / "here").read_bytes(), (tmp_path / "there").read_bytes()
    assert here[here.index(b"aof-base"):] == there[there.index(b"aof-base"):]


def test_what_changes_after_the_fork_is_not_saved(engine, tmp_path):
    engine.call("FLUSHALL")
    for i in range(20):
        engine.call("SET", f"key:{i}", "before")
    with open(tmp_path / "f", "wb") as file:
        child = Child(engine, [file.fileno()], key_delay_us=SLOW_US)
        for i in range(20):
            engine.call("SET", f"key:{i}", "behind")
        engine.call("FLUSHALL")
        assert child.end()[0] == 0
    data = (tmp_path / "f").read_bytes()
    check_rdb(data)
    assert data.count(b"before") == 20 and b"behind" not in data


def test_rewrite_in_a_child(engine, tmp_path):
    with open(tmp_path / "here", "wb") as here, open(tmp_path / "there", "wb") as there:
        engine.core.rewrite_aof(here.fileno(), functions=[b"#!lua name=x"], timestamp=True)
        status, records = Child(engine, [there.fileno()], "aof", functions=[b"#!lua name=x"], timestamp=True).end()
    assert status == 0 and records[-1]["keys"] == engine.call("DBSIZE")
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()


def test_full_disk_ends_the_child_with_1(engine):
    fd = os.open("/dev/full", os.O_WRONLY)
    status, records = Child(engine, [fd]).end()
    os.close(fd)
    assert status == 1 and records[-1]["kind"] == "end" and records[-1]["error_name"] == "ENOSPC"


def test_child_is_stopped_silently(engine, tmp_path):
    with open(tmp_path / "f", "wb") as file:
        child = Child(engine, [file.fileno()], key_delay_us=SLOW_US)
        os.kill(child.pid, signal.SIGUSR1)
        status, records = child.end()
    assert status == 255 and records == []


def test_handlers_of_the_parent_do_not_run_in_the_child(engine, tmp_path):
    """Python's would write into the wake-up descriptor that parent and child share."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    before = signal.set_wakeup_fd(theirs.fileno())
    handler = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with open(tmp_path / "f", "wb") as file:
            child = Child(engine, [file.fileno()], key_delay_us=SLOW_US)
            os.kill(child.pid, signal.SIGINT)               # for the parent to decide about
            time.sleep(0.02)
            assert os.waitpid(child.pid, os.WNOHANG) == (0, 0)
            os.kill(child.pid, signal.SIGTERM)
            assert child.end()[0] == -signal.SIGTERM
        assert not select.select([ours], [], [], 0)[0]
        os.kill(os.getpid(), signal.SIGTERM)                # the parent's mask is what it was
        assert select.select([ours], [], [], 5)[0]
    finally:
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGTERM, handler)
        ours.close()
        theirs.close()


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="no /proc here")
def test_child_keeps_only_the_descriptors_that_it_needs(engine, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener, open(tmp_path / "f", "wb") as file, open(os.devnull) as kept:
        child = Child(engine, [file.fileno()], key_delay_us=SLOW_US, keep=[kept.fileno()])
        place = f"/proc/{child.pid}/fd"
        wait_until(lambda: str(listener.fileno()) not in os.listdir(place))
        left = set(map(int, os.listdir(place))) - {0, 1, 2}
        assert {file.fileno(), kept.fileno()} < left and len(left) == 3
        with open(f"/proc/{child.pid}/comm") as comm:
            assert comm.read().startswith("redispy-rdb")
        os.kill(child.pid, signal.SIGUSR1)
        child.end()


def test_progress_is_told(tmp_path):
    from redispy_core.engine import Engine

    core = Engine()
    for i in range(40):
        core.call("SET", f"key:{i}", "v")
    with open(tmp_path / "f", "wb") as file:
        child = Child(type("E", (), {"core": core}), [file.fileno()], key_delay_us=30_000)
        assert core.child_info(child.info) is None
        status, records = child.end()
    assert status == 0 and [r["kind"] for r in records] == ["progress", "end"]
    assert 25 <= records[0]["keys"] < 40 and records[0]["cow_bytes"] >= 0 and records[1]["keys"] == 40


# ---------------------------------------------------------------- without a disk

MARK = b"m" * 40


def drain(fds):
    """Everything that comes out of several descriptors until they end."""
    found = {fd: b"" for fd in fds}
    left = list(fds)
    while left:
        for fd in select.select(left, [], [], 20)[0]:
            data = os.read(fd, 1 << 16)
            found[fd] += data
            if not data:
                left.remove(fd)
    return [found[fd] for fd in fds]


def test_pipe_with_an_end_mark(engine):
    out, into = os.pipe()
    child = Child(engine, [into], eof_mark=MARK)
    os.close(into)
    (data,) = drain([out])
    status, records = child.end()
    os.close(out)
    assert status == 0 and [(r["kind"], r["error"]) for r in records] == [("descriptor", 0), ("end", 0)]
    assert data.startswith(b"$EOF:" + MARK + b"\r\n") and data.endswith(MARK) and records[-1]["bytes"] == len(data)
    check_rdb(data[47:-40])


def test_several_sockets_of_which_one_fails(engine):
    engine.call("SET", "large", PROSE * 20)
    pairs = [socket.socketpair() for _ in range(3)]
    for _, theirs in pairs:
        theirs.setblocking(False)
    child = Child(engine, [theirs.fileno() for _, theirs in pairs], eof_mark=MARK, compress=False)
    for _, theirs in pairs:
        theirs.close()
    pairs[1][0].close()
    first, last = drain([pairs[0][0].fileno(), pairs[2][0].fileno()])
    status, records = child.end()
    assert status == 0 and first == last
    check_rdb(first[47:-40])
    assert [(r["kind"], r["descriptor"], r["error"] in (errno.EPIPE, errno.ECONNRESET)) for r in records] == [
        ("descriptor", 0, False), ("descriptor", 1, True), ("descriptor", 2, False), ("end", 0, False)]
    for ours in (pairs[0][0], pairs[2][0]):
        ours.close()


def test_socket_that_stays_full_is_given_up(engine):
    engine.call("SET", "large", PROSE * 20)
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    child = Child(engine, [theirs.fileno()], compress=False, timeout_ms=50)
    status, records = child.end()
    assert status == 1 and [r["error_name"] for r in records] == ["ETIMEDOUT", "ETIMEDOUT"]
    ours.close()
    theirs.close()


@pytest.mark.parametrize("fds, kind, expected", [([], "rdb", ValueError), ([1], "other", ValueError), (["x"], "rdb", TypeError)])
def test_wrong_arguments(engine, fds, kind, expected):
    with pytest.raises(expected):
        engine.core.fork_save(fds, kind)
