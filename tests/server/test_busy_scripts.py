"""Scripts that overrun busy-reply-threshold: others are served meanwhile, with BUSY, and can end them."""
import time

import pytest
from support.resp import Error, Simple
from support.server import wait_until

ENDLESS = "while true do end"
BUSY = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."


@pytest.fixture
def busy(start):
    """A server with a short limit."""
    return start(busy_reply_threshold=10)


def run_busy(server, script, *arguments, behind=()):
    """A client whose script runs and is busy; `behind` is sent in the same breath."""
    runner = server.raw()
    runner.send("EVAL", script, *(arguments or (0,)))
    for command in behind:
        runner.send(*command)
    with server.raw() as client:
        wait_until(lambda: is_busy(client), what="BUSY")
    return runner


def is_busy(client):
    return client.call("PING") == Error(BUSY)


@pytest.mark.parametrize("script", [
    ENDLESS,
    "local f = function() while true do redis.call('PING') end end while true do pcall(f) end",
    "while true do pcall(function() while true do end end) end",
    "coroutine.wrap(function() while true do pcall(function() while true do end end) end end)()",
    "while true do xpcall(function() while true do end end, function() while true do end end) end",
    "local f f = function() pcall(f) pcall(f) while true do end end f()",
])
def test_kill_ends_a_script_that_has_not_written(busy, script):
    runner = run_busy(busy, script, behind=[("PING",)])
    with busy.raw() as client:
        assert client.call("SCRIPT", "KILL") == Simple("OK")
        assert runner.read().startswith(b"ERR Script killed by user with SCRIPT KILL... script: ")
        assert runner.read() == Simple("PONG")          # what stood behind it is run
        assert client.call("PING") == Simple("PONG")
        assert client.call("SCRIPT", "KILL") == Error("NOTBUSY No scripts in execution right now.")
        assert client.call("EVAL", "return 1", 0) == 1


def test_a_script_that_wrote_ends_by_itself(busy):
    script = "redis.call('SET', 'k', 1) local t = os.clock() while os.clock() - t < 0.5 do end return redis.call('GET', 'k')"
    runner = run_busy(busy, script)
    with busy.raw() as client:
        assert client.call("SCRIPT", "KILL").code == "UNKILLABLE"
        assert client.call("GET", "k") == Error(BUSY)
        assert client.call("FUNCTION", "KILL").code in ("BUSY", "ERR")
        assert runner.read() == b"1"
        assert client.call("GET", "k") == b"1"


def test_shutdown_without_saving_ends_any_script(busy):
    runner = run_busy(busy, "redis.call('SET', 'k', 1) while true do pcall(function() while true do end end) end")
    with busy.raw() as client:
        assert client.call("SHUTDOWN") == Error(BUSY)
        client.send("SHUTDOWN", "NOSAVE")
        busy.wait()
    runner.close()


def test_commands_that_busy_servers_allow(busy):
    runner = run_busy(busy, ENDLESS)
    with busy.raw() as client:
        assert client.call("MULTI") == Simple("OK")
        assert client.call("GET", "k") == Error(BUSY)
        assert client.call("EXEC").code == "EXECABORT"
        assert client.call("HELLO", 3).dict()[b"proto"] == 3
        client.call("SCRIPT", "KILL")
    runner.read()


def test_many_clients_of_one_turn(busy):
    """Clients whose requests came together with the script's are served while it runs."""
    clients = [busy.raw() for _ in range(40)]
    with busy.raw() as runner:
        runner.send("EVAL", ENDLESS, 0)
        for client in clients:
            client.send("GET", "k")
        for client in clients:
            client.read()
        wait_until(lambda: is_busy(clients[0]), what="BUSY")
        assert all(is_busy(client) for client in clients)
        assert clients[-1].call("SCRIPT", "KILL") == Simple("OK")
        runner.read()
        assert all(client.call("PING") == Simple("PONG") for client in clients)
    for client in clients:
        client.close()


def test_clients_come_and_go_meanwhile(busy):
    runner = run_busy(busy, ENDLESS)
    for _ in range(20):
        with busy.raw() as client:
            assert is_busy(client)
    with busy.raw() as client:
        client.call("SCRIPT", "KILL")
        runner.read()
        wait_until(lambda: b"connected_clients:2\r\n" in client.call("INFO", "clients"), what="the others to be gone")


def test_the_scripts_own_client_may_leave(busy):
    runner = run_busy(busy, ENDLESS)
    runner.send("PING")
    runner.close()
    with busy.raw() as client:
        assert is_busy(client)
        time.sleep(0.05)
        assert client.call("SCRIPT", "KILL") == Simple("OK")
        wait_until(lambda: client.call("PING") == Simple("PONG"), what="the end of the script")
        wait_until(lambda: b"connected_clients:1\r\n" in client.call("INFO", "clients"), what="its client to be gone")


def test_waiting_clients_are_served_when_the_script_has_ended(busy):
    with busy.raw() as waiting, busy.raw() as client:
        waiting.send("BLPOP", "l", 0)
        wait_until(lambda: b"blocked_clients:1\r\n" in client.call("INFO", "clients"), what="a blocked client")
        script = "redis.call('RPUSH', 'l', 1) local t = os.clock() while os.clock() - t < 0.3 do end redis.call('LPUSH', 'l', 2)"
        runner = run_busy(busy, script)
        assert waiting.is_silent(0.05)
        assert waiting.read() == [b"l", b"2"]
        runner.read()


def test_time_and_expiry_stand_still_in_a_busy_script(busy):
    script = """
        redis.call('SET', 'k', 'v', 'PX', 50)
        local before = redis.call('TIME')
        local t = os.clock() while os.clock() - t < 0.4 do end
        local after = redis.call('TIME')
        return {redis.call('EXISTS', 'k'), before[1] == after[1], before[2] == after[2]}"""
    runner = run_busy(busy, script)
    assert runner.read() == [1, 1, 1]
    with busy.raw() as client:
        assert client.call("EXISTS", "k") == 0


def test_a_script_inside_a_transaction(busy):
    runner = busy.raw()
    for command in (("MULTI",), ("SET", "a", 1), ("EVAL", ENDLESS, 0), ("GET", "a"), ("EXEC",)):
        runner.send(*command)
    with busy.raw() as client:
        wait_until(lambda: is_busy(client), what="BUSY")
        assert client.call("SCRIPT", "KILL") == Simple("OK")
        for _ in range(4):
            runner.read()
        first, second, third = runner.read()
        assert (first, third) == (Simple("OK"), b"1") and second.startswith(b"ERR Script killed")


def test_no_limit_no_busy_server(start):
    server = start(busy_reply_threshold=0)
    with server.raw() as runner, server.raw() as client:
        runner.send("EVAL", "local t = os.clock() while os.clock() - t < 0.3 do end return 1", 0)
        time.sleep(0.05)
        assert client.call("PING") == Simple("PONG")
        assert runner.read() == 1
