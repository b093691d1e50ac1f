"""LATENCY, in process: samples are given by Engine.latency_add, time moves by the engine's clock."""
import pytest

from support.resp import Error

from redispy_core.commands import latency_report


@pytest.fixture
def monitored(engine):
    engine.core.set_knob("latency-monitor-threshold", 10)
    return engine


def add(engine, *samples, event="command"):
    """A sample a second."""
    for ms in samples:
        engine.core.latency_add(event, ms)
        engine.advance(1000)


def test_threshold(engine):
    engine.core.latency_add("command", 1000)
    assert engine.call("LATENCY", "LATEST") == []
    engine.core.set_knob("latency-monitor-threshold", 10)
    engine.core.latency_add("command", 9)
    assert engine.call("LATENCY", "LATEST") == []
    engine.core.latency_add("command", 10)
    assert engine.call("LATENCY", "LATEST") == [[b"command", 1_700_000_000, 10, 10]]


def test_latest_and_history(monitored):
    add(monitored, 20, 50, 30)
    add(monitored, 15, event="fork")
    t = 1_700_000_000
    assert monitored.call("LATENCY", "LATEST") == [[b"command", t + 2, 30, 50], [b"fork", t + 3, 15, 15]]
    assert monitored.call("LATENCY", "HISTORY", "command") == [[t, 20], [t + 1, 50], [t + 2, 30]]
    assert monitored.call("LATENCY", "HISTORY", "Command") == []


def test_samples_of_one_second_count_as_the_worst(monitored):
    for ms in (20, 50, 30):
        monitored.core.latency_add("command", ms)
    assert monitored.call("LATENCY", "HISTORY", "command") == [[1_700_000_000, 50]]


def test_ring(monitored):
    add(monitored, *range(10, 310))
    history = monitored.call("LATENCY", "HISTORY", "command")
    assert [ms for _, ms in history] == list(range(150, 310))
    assert [t for t, _ in history] == list(range(1_700_000_140, 1_700_000_300))
    assert monitored.call("LATENCY", "LATEST")[0][2:] == [309, 309]


def test_reset(monitored):
    for event in ("a", "b", "c", "d"):
        monitored.core.latency_add(event, 20)
    assert monitored.call("LATENCY", "RESET", "a", "c", "nosuch", "a") == 2
    assert sorted(e[0] for e in monitored.call("LATENCY", "LATEST")) == [b"b", b"d"]
    assert monitored.call("LATENCY", "RESET") == 2
    assert monitored.call("LATENCY", "LATEST") == []
    assert monitored.call("LATENCY", "RESET") == 0


def test_slow_commands_are_events(engine):
    engine.core.bind("SHUTDOWN", lambda call: sum(range(1_000_000)) and 1)
    engine.core.set_knob("latency-monitor-threshold", 1)
    engine.call("SHUTDOWN")
    (event, _, last, worst), = engine.call("LATENCY", "LATEST")
    assert event == b"command" and 1 <= last == worst < 5000
    engine.core.set_knob("latency-monitor-threshold", 0)
    engine.call("LATENCY", "RESET")
    engine.call("SHUTDOWN")
    assert engine.call("LATENCY", "LATEST") == []


def test_threshold_does_not_switch_the_slow_log_on(engine):
    engine.core.set_knob("slowlog-log-slower-than", -1)
    engine.core.bind("SHUTDOWN", lambda call: sum(range(1_000_000)) and 1)
    engine.core.set_knob("latency-monitor-threshold", 1)
    engine.call("SHUTDOWN")
    assert engine.call("SLOWLOG", "LEN") == 0 and len(engine.call("LATENCY", "LATEST")) == 1


def test_graph(monitored):
    add(monitored, 20, 35, 50, 65, 82, 95, 110, 150, 202)
    text = monitored.call("LATENCY", "GRAPH", "command").decode()
    assert text == ("command - high 202 ms, low 20 ms (all time high 202 ms)\n" + "-" * 80 + "\n"
                    "        #\n"
                    "       #|\n"
                    "    oo#||\n"
                    "__o#|||||\n"
                    "         \n"
                    "987654321\n"
                    "sssssssss\n")
    assert monitored.ask("LATENCY", "GRAPH", "x") == Error("ERR No samples available for event 'x'")


def test_graph_of_many_samples(monitored):
    add(monitored, *[20 + i % 7 for i in range(100)])
    lines = monitored.call("LATENCY", "GRAPH", "command").decode().split("\n")
    assert lines[0] == "command - high 26 ms, low 20 ms (all time high 26 ms)"
    assert max(map(len, lines)) == 80 and len(lines[-2]) == 20


@pytest.mark.parametrize("seconds, text", [(0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h"), (86399, "23h"),
                                           (86400, "1d")])
def test_age(seconds, text):
    assert latency_report.age(seconds) == text


def test_doctor(engine):
    assert b"latency-monitor-threshold" in engine.call("LATENCY", "DOCTOR")
    engine.core.set_knob("latency-monitor-threshold", 10)
    assert b"No latency spikes" in engine.call("LATENCY", "DOCTOR")
    add(engine, 50, 90)
    text = engine.call("LATENCY", "DOCTOR")
    assert b"1. command: 2 spikes, 70 ms on average (mean deviation 20 ms), one in 1.00 s; the worst ever took 90 ms." in text
    assert b"SLOWLOG" in text


def pairs(reply):
    """A map as a dict, of RESP2 or RESP3."""
    return dict(reply if reply and isinstance(reply[0], tuple) else zip(reply[::2], reply[1::2]))


def test_histogram(engine):
    for _ in range(7):
        engine.call("SET", "k", "v")
    engine.call("CLIENT", "ID")
    engine.call("CLIENT", "GETNAME")
    one = pairs(engine.call("LATENCY", "HISTOGRAM", "SET", "nosuch"))
    assert list(one) == [b"set"]
    entry = pairs(one[b"set"])
    steps = pairs(entry[b"histogram_usec"])
    assert entry[b"calls"] == 7 and list(steps) == sorted(steps) and list(steps.values())[-1] == 7
    assert sorted(pairs(engine.call("LATENCY", "HISTOGRAM", "client"))) == [b"client|getname", b"client|id"]
    assert list(pairs(engine.call("LATENCY", "HISTOGRAM", "client|id"))) == [b"client|id"]
    assert {b"set", b"client|id", b"latency|histogram"} <= set(pairs(engine.call("LATENCY", "HISTOGRAM")))
    engine.core.reset_stats()
    assert pairs(engine.call("LATENCY", "HISTOGRAM", "set")) == {}


def test_histogram_steps():
    """Counts up to each power of two of nanoseconds, under the names that Redis gives them."""
    hist = [0] * 512
    hist[latency_bucket(500)] = 1
    hist[latency_bucket(1500)] = 2
    hist[latency_bucket(40_000)] = 3
    hist[latency_bucket(2_000_000)] = 4
    hist[latency_bucket(10 ** 13)] = 5
    steps = latency_report.cumulative(hist)
    assert steps[:-1] == [(1, 1), (2, 3), (66, 6), (2113, 10)] and steps[-1][1] == 15


def latency_bucket(ns):
    return next(i for i in range(512) if latency_report.bucket_bounds(i)[0] <= ns < latency_report.bucket_bounds(i)[1])
