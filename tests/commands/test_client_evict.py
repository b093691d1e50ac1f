"""maxmemory-clients, and replies that the output limit stops, in process."""
import pytest

from support.engine import make_engine
from support.resp import Simple

OK = Simple("OK")
KB = 1 << 10


@pytest.fixture
def core():
    return make_engine(2)


def turn(engine):
    """What the loop does before it sleeps; clients that are to be closed are gone then."""
    engine.core.before_sleep()
    engine.core.attend()


def alive(engine, clients):
    present = {int(line.split()[0][3:]) for line in engine.call("CLIENT", "LIST").splitlines()}
    return [client.id in present for client in clients]


def holding(engine, size):
    """A client in the middle of an argument, whose query buffer takes `size` bytes or little more."""
    client = engine.client()
    client.send_bytes(b"*2\r\n$%d\r\n" % size + b"v" * size)
    return client


def memory(engine, client):
    line = engine.call("CLIENT", "LIST", "ID", client.id)
    return int(line.split(b"tot-mem=")[1].split()[0])


def test_the_biggest_go_first_and_no_more_than_needed(core):
    sizes = [100 * KB, 400 * KB, 100 * KB, 1600 * KB, 400 * KB]
    clients = [holding(core, size) for size in sizes]
    total = sum(memory(core, client) for client in clients)
    core.set("maxmemory_clients", total)
    turn(core)
    assert alive(core, clients) == [True] * 5
    core.set("maxmemory_clients", total - 1600 * KB)
    turn(core)
    assert alive(core, clients) == [True, True, True, False, True]
    core.set("maxmemory_clients", total - 1900 * KB)
    turn(core)
    assert alive(core, clients) == [True, False, True, False, True]
    assert core.core.counters()["evicted_clients"] == 2


def test_a_percentage_of_maxmemory(core):
    core.set("maxmemory", 4000 * KB)
    core.set("maxmemory_clients", -10)
    small, big = holding(core, 100 * KB), holding(core, 500 * KB)
    turn(core)
    assert alive(core, [small, big]) == [True, False]
    core.set("maxmemory", 500 * KB)
    turn(core)
    assert alive(core, [small]) == [False]


def test_no_evict_spares_until_it_is_taken_back(core):
    client = core.client()
    assert client.call("CLIENT", "NO-EVICT", "ON") == OK
    core.set("maxmemory_clients", 64 * KB)
    core.call("SET", "big", "x" * 200_000)
    client.send_bytes(b"GET big\r\n" * 3)
    turn(core)
    assert alive(core, [client]) == [True]
    client.send_bytes(b"CLIENT NO-EVICT OFF\r\n")
    turn(core)
    assert alive(core, [client]) == [False]


@pytest.mark.parametrize("command", ["SUBSCRIBE {}", "PSUBSCRIBE {}*", "SSUBSCRIBE {}", "WATCH {}",
                                     "CLIENT TRACKING ON BCAST PREFIX {:06d}"])
def test_what_a_client_makes_us_remember_counts(core, command):
    client, modest = core.client(), core.client()
    modest.call("SUBSCRIBE", "only")
    core.set("maxmemory_clients", 200 * KB)
    for i in range(5000):
        client.send_bytes(command.format(i).encode() + b"\r\n")
        core.core.take_output(client.id)
        if i % 100 == 0:
            turn(core)
            if not alive(core, [client])[0]:
                break
    assert alive(core, [client, modest]) == [False, True]


def test_queued_commands_count(core):
    client = core.client()
    client.call("MULTI")
    core.set("maxmemory_clients", 200 * KB)
    for _ in range(3):
        assert client.call("SET", "k", "x" * 50_000) == Simple("QUEUED")
        turn(core)
    client.send_bytes(b"SET k " + b"x" * 50_000 + b"\r\n")
    turn(core)
    assert alive(core, [client]) == [False]


@pytest.mark.parametrize("fill, command", [
    ("HSET k a b", "HRANDFIELD k -999999999"), ("SADD k a b", "SRANDMEMBER k -999999999"),
    ("SADD k 1 2", "SRANDMEMBER k -999999999"), ("ZADD k 1 a", "ZRANDMEMBER k -999999999")])
def test_a_reply_beyond_the_limit_is_not_written(core, fill, command):
    core.core.set_output_limit(0, 1_000_000, 0, 0)
    core.call(*fill.split())
    client = core.client()
    client.send_bytes(command.encode() + b"\r\nSET after 1\r\n")
    assert core.core.counters()["used_memory_peak"] < 8_000_000
    turn(core)
    assert alive(core, [client]) == [False]
    assert core.call("GET", "after") is None


def test_a_transaction_beyond_the_limit_runs_to_its_end(core):
    core.core.set_output_limit(0, 100_000, 0, 0)
    core.call("SET", "big", "x" * 60_000)
    client = core.client()
    client.send_bytes(b"MULTI\r\nGET big\r\nGET big\r\nGET big\r\nSET after 1\r\nEXEC\r\n")
    turn(core)
    assert alive(core, [client]) == [False]
    assert core.call("GET", "after") == b"1"
