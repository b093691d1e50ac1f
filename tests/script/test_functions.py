"""Functions: loading as a whole or not at all, what a library sees, dumps, files, the journal, figures. Texts of errors
that a real server can be asked for stand in compat/cases/functions.txt."""
import os
import random

import pytest
from redispy_core.proto.replies import Map
from support.engine import make_engine
from support.resp import NULL_BULK, Error, Reader

HELLO = "redis.register_function('hello', function() return 'hello' end)"


def library(name, body=HELLO):
    return f"#!lua name={name}\n{body}"


def functions(*names):
    return "\n".join(f"redis.register_function('{name}', function(keys, args) return '{name}' end)" for name in names)


def load(engine, name, body=HELLO, *options):
    return engine.ask("FUNCTION", "LOAD", *options, library(name, body))


def listed(engine):
    """{library: its functions}"""
    out = {}
    for entry in engine.call("FUNCTION", "LIST"):
        entry = as_dict(entry)
        out[entry[b"library_name"].decode()] = [as_dict(f)[b"name"].decode() for f in entry[b"functions"]]
    return out


def as_dict(reply):
    return dict(reply if isinstance(reply, Map) else zip(reply[::2], reply[1::2]))


def error_of(reply):
    assert isinstance(reply, Error), reply
    return reply.decode("latin-1")


def figures(engine):
    counters = engine.core.counters()
    return counters["number_of_libraries"], counters["number_of_functions"]


def test_a_function_gets_keys_and_arguments(engine):
    load(engine, "lib", "redis.register_function('f', function(keys, args) return {keys, args} end)")
    assert engine.call("FCALL", "F", 1, "a", "b", "c") == [[b"a"], [b"b", b"c"]]


def test_functions_of_a_library_share_its_locals(engine):
    load(engine, "lib", "local n = 0 redis.register_function('f', function() n = n + 1 return n end)"
                        "redis.register_function('g', function() return n end)")
    assert [engine.call("FCALL", name, 0) for name in "ffg"] == [1, 2, 2]


@pytest.mark.parametrize("body", [
    "not Lua", "return 1", "redis.register_function('x', 5)", "redis.register_function('a b', function() end)",
    functions("new") + " redis.call('SET', 'k', 'v')", functions("new", "taken"), functions("new", "TAKEN"),
    functions("new", "new"), functions("new") + " ('x'):rep(2^40)", functions("new") + " local f f = function() f() end f()",
])
def test_a_load_that_fails_leaves_what_was_there(engine, body):
    load(engine, "lib", functions("old"))
    load(engine, "other", functions("taken"))
    error_of(load(engine, "lib", body, "REPLACE"))
    assert listed(engine) == {"lib": ["old"], "other": ["taken"]}
    assert engine.call("FCALL", "old", 0) == b"old" and engine.call("FCALL", "taken", 0) == b"taken"
    assert error_of(engine.ask("FCALL", "new", 0)) == "ERR Function not found"
    assert figures(engine) == (2, 2)
    assert engine.call("EXISTS", "k") == 0


def test_replace_may_keep_and_drop_functions(engine):
    load(engine, "lib", functions("a", "b"))
    load(engine, "lib", functions("b", "c"), "REPLACE")
    assert listed(engine) == {"lib": ["b", "c"]}
    assert error_of(engine.ask("FCALL", "a", 0)) == "ERR Function not found"


def test_while_it_is_loaded_a_library_sees_little_and_later_all(engine):
    load(engine, "lib", "local early = redis redis.register_function('f', function()"
                        " return {type(early.log), type(rawget(early, 'call')), type(redis.call), type(string.rep)} end)")
    assert engine.call("FCALL", "f", 0) == [b"function", b"nil", b"function", b"function"]
    assert "register_function' (a nil value)" in error_of(
        (load(engine, "late", "redis.register_function('late', function() redis.register_function('x', 1) end)"),
         engine.ask("FCALL", "late", 0))[1])


def test_what_a_library_keeps_cannot_register_later(engine):
    load(engine, "lib", "local r = redis redis.register_function('f', function() r.register_function('g', function() end) end)")
    assert "can only be called on FUNCTION LOAD command" in error_of(engine.ask("FCALL", "f", 0))
    assert listed(engine) == {"lib": ["f"]}


def test_globals_are_as_before_after_a_load_that_failed(engine):
    load(engine, "lib", "redis.register_function('f', function() return math.floor(2.5) end)")
    error_of(load(engine, "bad", "nonsense()"))
    assert engine.call("FCALL", "f", 0) == 2


def test_a_library_may_not_take_longer_than_half_a_second():
    from redispy_core.engine import Engine
    engine = Engine()                                   # a clock that runs
    with pytest.raises(Exception, match="FUNCTION LOAD timeout"):
        engine.call("FUNCTION", "LOAD", library("lib", "while true do end"))
    assert engine.call("FUNCTION", "LOAD", library("lib")) == b"lib"
    assert engine.call("FCALL", "hello", 0) == b"hello"


def test_eval_and_functions_have_states_of_their_own(engine):
    load(engine, "lib", "redis.register_function('f', function() return KEYS == nil end)")
    engine.call("EVAL", "return KEYS[1]", 1, "k")
    assert "KEYS" in error_of(engine.ask("FCALL", "f", 0))
    engine.call("SCRIPT", "FLUSH")
    assert listed(engine) == {"lib": ["f"]}


@pytest.mark.parametrize("flags, command, refused", [
    ("", "FCALL", False), ("", "FCALL_RO", True), ("'no-writes'", "FCALL_RO", False), ("'allow-oom'", "FCALL_RO", True),
])
def test_fcall_ro_wants_no_writes(engine, flags, command, refused):
    load(engine, "lib", "redis.register_function{function_name='f', callback=function() return 1 end, flags={%s}}" % flags)
    reply = engine.ask(command, "f", 0)
    assert (error_of(reply).startswith("ERR Can not execute a script with write flag")) if refused else reply == 1


def test_without_memory_the_flags_decide(engine):
    for name, flags in (("plain", ""), ("reads", "'no-writes'"), ("greedy", "'allow-oom'")):
        load(engine, name, "redis.register_function{function_name='%s', flags={%s}, callback=function() return 1 end}"
             % (name, flags))
    engine.set("maxmemory", 1)
    assert error_of(engine.ask("FCALL", "plain", 0)).startswith("OOM")
    assert engine.call("FCALL", "reads", 0) == engine.call("FCALL", "greedy", 0) == 1
    assert error_of(load(engine, "more")).startswith("OOM")


def test_flush_gives_all_memory_back(engine):
    empty = engine.core.counters()
    for i in range(50):
        load(engine, f"lib{i}", functions(f"f{i}", f"g{i}"))
    full = engine.core.counters()
    assert figures(engine) == (50, 100) and full["used_memory_functions"] > 50 * 100
    assert full["used_memory_vm_functions"] > 20_000
    engine.call("FUNCTION", "FLUSH")
    after = engine.core.counters()
    assert figures(engine) == (0, 0) and listed(engine) == {}
    assert after["used_memory_functions"] == empty["used_memory_functions"] == 0
    assert after["used_memory_vm_functions"] == 0


def test_deleted_functions_are_forgotten_by_lua(engine):
    load(engine, "stays", functions("f"))
    for i in range(300):
        load(engine, "lib", functions("g") + "--" + "x" * 2000)
        engine.call("FUNCTION", "DELETE", "lib")
    assert engine.core.counters()["used_memory_vm_functions"] < 1 << 20
    assert listed(engine) == {"stays": ["f"]}


def test_flushall_leaves_functions(engine):
    load(engine, "lib")
    engine.call("FLUSHALL")
    assert listed(engine) == {"lib": ["hello"]}


# ---------------------------------------------------------------- dumps

def test_what_is_dumped_can_be_restored(engine):
    load(engine, "one", functions("a", "b"))
    load(engine, "two", functions("c"))
    payload = engine.call("FUNCTION", "DUMP")
    engine.call("FUNCTION", "FLUSH")
    engine.call("FUNCTION", "RESTORE", payload)
    assert listed(engine) == {"one": ["a", "b"], "two": ["c"]}
    assert engine.call("FUNCTION", "DUMP") == payload


@pytest.mark.parametrize("policy, there, after", [
    ("APPEND", {"x": ["q"]}, {"x": ["q"], "one": ["a"], "two": ["b"]}),
    ("APPEND", {"one": ["q"]}, "ERR Library one already exists"),
    ("APPEND", {"x": ["b"]}, "ERR Function b already exists"),
    ("REPLACE", {"one": ["q"], "x": ["r"]}, {"x": ["r"], "one": ["a"], "two": ["b"]}),
    ("REPLACE", {"one": ["b"]}, {"one": ["a"], "two": ["b"]}),
    ("REPLACE", {"one": ["q"], "x": ["b"]}, "ERR Function b already exists"),
    ("FLUSH", {"one": ["q"], "x": ["b"]}, {"one": ["a"], "two": ["b"]}),
])
def test_policies_of_restore(engine, policy, there, after):
    load(engine, "one", functions("a"))
    load(engine, "two", functions("b"))
    payload = engine.call("FUNCTION", "DUMP")
    engine.call("FUNCTION", "FLUSH")
    for name, names in there.items():
        load(engine, name, functions(*names))
    reply = engine.ask("FUNCTION", "RESTORE", payload, policy)
    if isinstance(after, str):
        assert error_of(reply) == after
        after = there
    assert listed(engine) == after
    for name in [n for names in after.values() for n in names]:
        assert engine.call("FCALL", name, 0) == name.encode()


def test_damaged_payloads_change_nothing(engine):
    load(engine, "lib", functions("a"))
    payload = engine.call("FUNCTION", "DUMP")
    rng = random.Random(7)
    for _ in range(300):
        damaged = bytearray(payload)
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        assert "DUMP payload version or checksum are wrong" in error_of(engine.ask("FUNCTION", "RESTORE", damaged, "FLUSH"))
    engine.core.debug_allowed = "yes"
    engine.call("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1)
    for _ in range(300):
        damaged = bytearray(payload)
        damaged[rng.randrange(len(damaged) - 10)] = rng.randrange(256)
        engine.ask("FUNCTION", "RESTORE", damaged[:-10][:rng.randrange(len(damaged))] + damaged[-10:], "REPLACE")
    for names in listed(engine).values():                # whatever came in is whole
        for name in names:
            engine.ask("FCALL", name, 0)


# ---------------------------------------------------------------- journal, files

def lines(stream):
    import io
    reader, out = Reader(io.BytesIO(stream).read), []
    while True:
        try:
            out.append(reader.read())
        except Exception:
            return out


def test_libraries_leave_as_they_came_and_calls_by_their_effects():
    engine = make_engine(2)
    core = engine.core
    core.journal_to(1)
    engine.call("SET", "warm", "up")
    core.take_aof()
    code = library("lib", "redis.register_function('f', function(k) redis.call('INCR', k[1]) end) " + HELLO).encode()
    engine.call("FUNCTION", "LOAD", "REPLACE", code)
    payload = engine.call("FUNCTION", "DUMP")
    engine.call("FCALL", "f", 1, "n")
    engine.call("FCALL", "hello", 0)
    engine.ask("FUNCTION", "LOAD", "nonsense")
    engine.call("FUNCTION", "DELETE", "lib")
    engine.call("FUNCTION", "RESTORE", payload)
    engine.call("FUNCTION", "FLUSH", "ASYNC")
    assert lines(core.take_aof()) == [
        [b"FUNCTION", b"LOAD", b"REPLACE", code], [b"INCR", b"n"], [b"FUNCTION", b"DELETE", b"lib"],
        [b"FUNCTION", b"RESTORE", payload], [b"FUNCTION", b"FLUSH", b"ASYNC"]]


@pytest.mark.parametrize("kind", ["rdb", "aof"])
def test_files_carry_the_libraries(tmp_path, kind):
    engine = make_engine(2)
    load(engine, "one", functions("a"))
    load(engine, "two", functions("b"))
    path = tmp_path / "file"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    (engine.core.save_rdb if kind == "rdb" else engine.core.rewrite_aof)(fd)
    os.lseek(fd, 0, os.SEEK_SET)
    other = make_engine(2)
    if kind == "rdb":
        codes = other.core.load_rdb(fd)["functions"]
        assert other.core.load_functions(codes) is None
    else:
        for command in lines(path.read_bytes()):
            other.call(*command)
    os.close(fd)
    assert other.core.function_sources() == engine.core.function_sources() == [
        library("one", functions("a")).encode(), library("two", functions("b")).encode()]
    assert other.call("FCALL", "b", 0) == b"b"


def test_loading_all_or_nothing():
    engine = make_engine(2)
    load(engine, "lib", functions("a"))
    new = [library("x", functions("b")).encode(), library("lib", functions("c")).encode()]
    assert engine.core.load_functions(new) == "ERR Library lib already exists"
    assert listed(engine) == {"lib": ["a"]}
    assert engine.core.load_functions(new, replace=True) is None
    assert listed(engine) == {"x": ["b"], "lib": ["c"]}
    assert "not found" in engine.core.load_functions([b"#!cobol name=y\n"])
    engine.core.flush_functions()
    assert listed(engine) == {} and engine.core.function_sources() == []


def test_a_server_keeps_functions_over_a_restart(start):
    server = start(appendonly="yes")
    with server.raw() as client:
        client.call("FUNCTION", "LOAD", library("lib"))
        client.call("DEBUG", "RELOAD")
        assert client.call("FCALL", "hello", 0) == b"hello"
    server.restart()
    with server.raw() as client:
        assert client.call("FCALL", "hello", 0) == b"hello"


def test_a_busy_function_is_shown_and_killed(start):
    from support.server import wait_until
    server = start(busy_reply_threshold=10)
    busy = "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
    with server.raw() as runner, server.raw() as client:
        client.call("FUNCTION", "LOAD", library("lib", "redis.register_function('f', function() while true do end end)"))
        runner.send("FCALL", "f", 1, "k", "a")
        wait_until(lambda: client.call("PING") == Error(busy), what="BUSY")
        running = client.call("FUNCTION", "STATS")[1]
        assert running[:4] == [b"name", b"f", b"command", [b"FCALL", b"f", b"1", b"k", b"a"]] and running[5] > 0
        assert client.call("SCRIPT", "KILL") == client.call("FUNCTION", "LIST") == Error(busy)
        client.call("FUNCTION", "KILL")
        assert "killed" in error_of(runner.read())
        assert client.call("FUNCTION", "STATS")[1] == NULL_BULK
