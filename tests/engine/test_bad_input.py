"""Whatever a command body does, and whatever memory fails, a client gets an error and everything else goes on."""
import random

import pytest
from support.resp import Error

from redispy_core.engine import NO_REPLY, Engine, ReplyError
from redispy_core.proto.decode import decode_all


def raising(call, *args):
    raise RuntimeError(f"planned: {args}")


def test_an_exception_in_a_python_command_is_an_error_reply():
    engine, log = Engine(), []
    engine.log = lambda level, text: log.append(text)
    engine.bind("ECHO", raising)
    with pytest.raises(ReplyError, match="internal error in 'echo': RuntimeError: planned"):
        engine.call("ECHO", "x")
    assert "Traceback" in log[0] and "raising" in log[0]
    assert engine.call("SET", "k", "v") == b"OK" and engine.call("GET", "k") == b"v"


@pytest.mark.parametrize("result", [object(), {1: object()}, 10**30, [[object()]]])
def test_a_reply_that_has_no_form_is_an_error_and_nothing_half_written_goes_out(result):
    engine = Engine()
    engine.log = lambda level, text: None
    engine.bind("ECHO", lambda call, *args: result)
    client = engine.accept(-1)
    engine.feed(client, b"ECHO x\r\nPING\r\n")
    replies = decode_all(engine.take_output(client))
    assert len(replies) == 2 and "internal error in 'echo'" in str(replies[0]) and replies[1] == b"PONG"


def test_a_python_command_answers_runs_others_and_may_stay_silent():
    engine = Engine()
    engine.bind("ECHO", lambda call, key: [call.name, call.call("INCR", key), call.get(key), None, 1.5, True])
    assert engine.call("ECHO", "n") == [b"echo", 1, b"1", None, 1.5, True]
    engine.bind("ECHO", lambda call, *args: NO_REPLY)
    assert engine.call("ECHO", "n") is None


@pytest.mark.parametrize("argv", [("SET", "k", "x" * 5000), ("APPEND", "k", "x" * 5000), ("SETRANGE", "k", 9000, "x"),
                                  ("SETBIT", "k", 90_000, 1), ("GETSET", "k", "x" * 5000)])
def test_failing_memory_is_an_error_and_the_old_value_stays(argv):
    engine = Engine()
    engine.call("SET", "k", "old value that is long enough not to be an integer")
    engine.fail_allocations(0)
    with pytest.raises(ReplyError, match="^ERR insufficient memory|^ERR string exceeds"):
        engine.call(*argv)
    engine.fail_allocations(-1)
    assert engine.call("GET", "k").startswith(b"old value") and engine.call("STRLEN", "k") == 50
    engine.call(*argv)


def test_a_refused_value_leaves_the_old_expiry():
    engine = Engine()
    engine.call("SET", "k", "old value", "PXAT", 4102444800000)
    engine.fail_allocations(0)
    with pytest.raises(ReplyError, match="^ERR insufficient memory"):
        engine.call("SET", "k", "x" * 5000, "PXAT", 4202444800000)
    engine.fail_allocations(-1)
    assert engine.call("PEXPIRETIME", "k") == 4102444800000 and engine.call("GET", "k") == b"old value"
    engine.call("SET", "k", "new value", "PXAT", 4202444800000)
    assert engine.call("PEXPIRETIME", "k") == 4202444800000


def test_random_requests_never_stop_the_engine(engine):
    rnd = random.Random(3)
    names = [n.replace("|", " ") for n in engine.core.registry.names()
             if not n.startswith(("debug", "shutdown", "command", "client|kill", "client|pause", "client|reply", "monitor"))]
    words = ["", "a", "b", "-1", "0", "1", "9223372036854775807", "1.5", "nan", "inf", "*", "(a", "[b", "+", "-", "$", ">",
             "NX", "XX", "COUNT", "MATCH", "EX", "LIMIT", "WITHSCORES", "STREAMS", "\0\r\n", "x" * 300]
    for _ in range(6000):
        argv = rnd.choice(names).split() + [rnd.choice(words) for _ in range(rnd.randrange(7))]
        engine.core.run_raw(0, rnd.choice((2, 3)), [w.encode() for w in argv])
    assert engine.call("PING") == b"PONG" or engine.ask("PING")
