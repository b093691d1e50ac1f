"""maxmemory at the server: settings, the log, INFO; what is refused of defragmentation."""
from support.resp import Error, Simple


def info(raw):
    lines = bytes(raw.call("INFO", "everything")).decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def fill(raw, n, size=200):
    raw.pipeline(*(["SET", f"k{i}", "v" * size] for i in range(n)))


def test_lowering_the_limit_evicts_soon_and_is_logged(server, raw):
    fill(raw, 2000)
    used = int(info(raw)["used_memory"])
    raw.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    assert raw.call("CONFIG", "SET", "maxmemory", used - 200_000) == Simple("OK")
    figures = info(raw)
    for _ in range(100):
        if int(figures["used_memory"]) <= used - 190_000:
            break
        figures = info(raw)
    assert int(figures["used_memory"]) <= used - 190_000 and int(figures["evicted_keys"]) > 300
    assert figures["maxmemory"] == str(used - 200_000) and figures["maxmemory_policy"] == "allkeys-lru"
    assert figures["maxmemory_human"].endswith("K") and figures["mem_not_counted_for_evict"] == "0"
    assert "more than the new maxmemory" in server.log


def test_limit_from_the_start(start):
    server = start(maxmemory="3mb", maxmemory_policy="allkeys-random")
    with server.raw() as raw:
        fill(raw, 20_000)
        figures = info(raw)
        assert int(figures["used_memory"]) < 3.2 * 2**20 and int(figures["evicted_keys"]) > 5000
        assert raw.call("DBSIZE") + int(figures["evicted_keys"]) == 20_000
    assert "has no effect" not in server.log


def test_over_the_limit_without_eviction(raw):
    fill(raw, 10)
    raw.call("CONFIG", "SET", "maxmemory", 1)
    assert raw.call("SET", "a", "x") == Error(b"OOM command not allowed when used memory > 'maxmemory'.")
    assert raw.call("DEL", "k1") == 1
    raw.call("CONFIG", "SET", "maxmemory", 0)
    figures = info(raw)
    assert figures["current_eviction_exceeded_time"] == "0" and figures["errorstat_OOM"] == "count=1"


def test_defragmentation_is_refused(raw):
    reply = raw.call("CONFIG", "SET", "activedefrag", "yes")
    assert reply.startswith(b"ERR CONFIG SET failed (possibly related to argument 'activedefrag') - Active defragmentation")
    assert raw.call("CONFIG", "GET", "activedefrag") == [b"activedefrag", b"no"]
    assert raw.call("CONFIG", "SET", "activedefrag", "no") == Simple("OK")


def test_defragmentation_in_a_file_is_turned_off(start):
    server = start(activedefrag="yes")
    with server.raw() as raw:
        assert raw.call("CONFIG", "GET", "activedefrag") == [b"activedefrag", b"no"]
    assert "activedefrag" in server.log
