"""EVAL and its family: values, errors, databases, the cache, memory, states of the server. Texts and conversions that a
real server can be asked for stand in compat/cases/scripting.txt; here is what needs a look inside, or chance."""
import hashlib

import pytest
from redispy_core.script.eval import limit_memory
from support.resp import NULL, NULL_ARRAY, Error


def run(engine, script, *args, keys=0, db=0):
    return engine.call("EVAL", script, keys, *args, db=db)


def error_of(engine, *argv):
    """The text of the error that a command answers."""
    reply = engine.ask(*argv)
    assert isinstance(reply, Error), reply
    return reply.decode("latin-1")


def sha(script):
    return hashlib.sha1(script.encode()).hexdigest()


def test_values_come_back_as_replies(engine):
    assert run(engine, "return {1, 2.9, 'x', {3}, false, nil, 5}") == [1, 2, b"x", [3], None]


def test_keys_and_arguments_are_tables_of_the_script_alone(engine):
    assert run(engine, "KEYS[1] = 'other' KEYS[3] = 'z' return {KEYS[1], #KEYS, ARGV[1], #ARGV}", "a", "b", "c", keys=2) \
        == [b"other", 3, b"c", 1]
    assert run(engine, "return {#KEYS, #ARGV}") == [0, 0]


def test_binary_text_survives(engine):
    text = bytes(range(256))
    assert run(engine, "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])", "k", text, keys=1) == text


def test_commands_see_the_callers_database_and_select_ends_with_the_script(engine):
    engine.call("SET", "k", "five", db=5)
    assert run(engine, "return redis.call('GET', 'k')", db=5) == b"five"
    client = engine.client()
    assert client.call("EVAL", "redis.call('SELECT', 5) return redis.call('GET', 'k')", 0) == b"five"
    assert client.call("DBSIZE") == 0


def test_a_script_is_one_unit_for_clients_that_wait(engine):
    waiting = engine.client()
    waiting.send_bytes(b"*3\r\n$5\r\nBLPOP\r\n$1\r\nl\r\n$1\r\n0\r\n")
    client = engine.client()
    assert client.call("EVAL", "redis.call('RPUSH', 'l', 'a') redis.call('LPUSH', 'l', 'b') return redis.call('LLEN', 'l')", 0) == 2
    assert waiting.read() == [b"l", b"b"]


def test_time_stands_still_in_a_script():
    from redispy_core.engine import Engine
    engine = Engine()                                   # a clock that runs
    script = """
        local before = redis.call('TIME')
        local begin = os.clock()
        while os.clock() - begin < 0.02 do redis.call('PING') end
        local after = redis.call('TIME')
        return {before[1] == after[1], before[2] == after[2]}"""
    assert engine.call("EVAL", script, 0) == [1, 1]


def test_the_reply_of_a_long_command_is_whole(engine):
    items = [b"%d" % i * 40 for i in range(3000)]       # many blocks of output
    for i in range(0, 3000, 500):
        engine.call("RPUSH", "l", *items[i:i + 500])
    assert run(engine, "return redis.call('LRANGE', 'l', 0, -1)") == items
    assert run(engine, "local t = redis.call('LRANGE', 'l', 0, -1) return {#t, t[1], t[3000]}") == [3000, items[0], items[-1]]


def test_a_large_value_passes(engine):
    text = b"x" * 1_000_000
    assert run(engine, "redis.call('SET', 'k', ARGV[1]) return redis.call('GET', 'k')", text) == text
    assert run(engine, "return #redis.call('GET', 'k')") == len(text)
    assert run(engine, "return 1") == 1


def test_many_arguments(engine):
    assert run(engine, "local t = {} for i = 1, 7900 do t[i] = i end return redis.call('RPUSH', 'l', unpack(t))") == 7900
    assert engine.call("LRANGE", "l", -1, -1) == [b"7900"]


def test_errors_name_script_and_line(engine):
    script = "\n\nlocal x = nil\nreturn x.y"
    assert error_of(engine, "EVAL", script, 0) == ("ERR user_script:4: attempt to index local 'x' (a nil value) "
                          f"script: {sha(script)}, on @user_script:4.")


def test_an_error_is_counted_once(engine):
    engine.call("SET", "s", "x")
    engine.core.reset_stats()
    engine.ask("EVAL", "return redis.call('INCR', 's')", 0)
    assert engine.core.error_counts()[0] == {"ERR": 1}
    engine.core.reset_stats()
    engine.ask("EVAL", "redis.pcall('INCR', 's') return 1", 0)
    assert engine.core.error_counts()[0] == {"ERR": 1}
    engine.core.reset_stats()
    engine.ask("EVAL", "return redis.error_reply('MINE it is')", 0)
    assert engine.core.error_counts()[0] == {"MINE": 1}
    stats = {name: (calls, rejected, failed) for name, calls, _, rejected, failed, _ in engine.core.registry.stats()}
    assert stats["eval"] == (1, 0, 1)


def test_a_refused_call_counts_as_rejected(engine):
    engine.core.reset_stats()
    engine.ask("EVAL_RO", "return redis.call('SET', 'a', 'b')", 0)
    stats = {name: (calls, rejected, failed) for name, calls, _, rejected, failed, _ in engine.core.registry.stats()}
    assert stats["set"] == (0, 1, 0) and stats["eval_ro"] == (1, 0, 1)
    assert engine.call("EXISTS", "a") == 0


def test_partial_replies_are_not_sent(engine):
    nested = "local t = {} local deepest = t for i = 1, 20000 do deepest[1] = {} deepest = deepest[1] end return t"
    data = engine.wire("EVAL", nested, 0)
    assert data.count(b"*1\r\n") > 1000 and data.endswith(b"-ERR reached lua stack limit\r\n")
    assert run(engine, "return 1") == 1


def test_cyclic_tables_end(engine):
    data = engine.wire("EVAL", "local a = {} a[1] = a return a", 0)
    assert data.endswith(b"-ERR reached lua stack limit\r\n")
    assert engine.wire("EVAL", "local a = {} a.map = {x = a} return a", 0).count(b"reached lua stack limit") == 1


def test_tables_are_read_raw(engine):
    assert run(engine, "return setmetatable({}, {__index = function() error('never') end})") == []


@pytest.mark.parametrize("value, resp2, resp3", [
    ("true", b":1\r\n", b":1\r\n"),
    ("redis.setresp(3) or true", b":1\r\n", b"#t\r\n"),
    ("{double=0.5}", b"$3\r\n0.5\r\n", b",0.5\r\n"),
    ("{map={a=1}}", b"*2\r\n$1\r\na\r\n:1\r\n", b"%1\r\n$1\r\na\r\n:1\r\n"),
    ("{set={a=true}}", b"*1\r\n$1\r\na\r\n", b"~1\r\n$1\r\na\r\n"),
    ("{big_number='1\\r\\n2'}", b"$4\r\n1  2\r\n", b"(1  2\r\n"),
    ("{verbatim_string={format='txt',string='ab'}}", b"$2\r\nab\r\n", b"=6\r\ntxt:ab\r\n"),
    ("{err='a\\r\\nb'}", b"-a  b\r\n", b"-a  b\r\n"),
    ("false", b"$-1\r\n", b"_\r\n"),
])
def test_types_of_both_protocols(engine, value, resp2, resp3):
    assert engine.wire("EVAL", f"return {value}", 0) == (resp2 if engine.protocol == 2 else resp3)


# ---------------------------------------------------------------- the cache

def test_scripts_are_found_by_sha_in_any_case(engine):
    script = "return 'loaded'"
    assert engine.call("SCRIPT", "LOAD", script) == sha(script).encode()
    assert engine.call("EVALSHA", sha(script), 0) == b"loaded"
    assert engine.call("EVALSHA", sha(script).upper(), 0) == b"loaded"
    assert engine.call("SCRIPT", "EXISTS", sha(script), sha("x")) == [1, 0]
    assert engine.call("SCRIPT", "SHOW", sha(script)) == script.encode()


def test_eval_keeps_500_scripts_and_evicts_the_least_used(engine):
    for i in range(500):
        run(engine, f"return {i}")
    run(engine, "return 0")                             # used again
    engine.call("EVALSHA", sha("return 1"), 0)
    run(engine, "return 'new'")
    assert engine.call("SCRIPT", "EXISTS", *(sha(f"return {i}") for i in range(4))) == [1, 1, 0, 1]
    counters = engine.core.counters()
    assert (counters["number_of_cached_scripts"], counters["evicted_scripts"]) == (500, 1)


def test_loaded_scripts_stay(engine):
    run(engine, "return 'kept'")
    engine.call("SCRIPT", "LOAD", "return 'kept'")      # brought by EVAL, loaded later
    engine.call("SCRIPT", "LOAD", "return 'too'")
    run(engine, "return 'too'")                         # loaded, evaluated later
    for i in range(600):
        run(engine, f"return {i}")
    assert engine.call("SCRIPT", "EXISTS", sha("return 'kept'"), sha("return 'too'")) == [1, 1]
    assert engine.core.counters()["number_of_cached_scripts"] == 502


def test_distinct_scripts_do_not_accumulate(engine):
    for i in range(2000):
        run(engine, f"return {i}")
    before = engine.core.counters()
    for i in range(2000, 12000):
        run(engine, f"return {i} -- {i:07}")
    after = engine.core.counters()
    assert after["number_of_cached_scripts"] == 500
    assert after["used_memory_vm_eval"] < 2 * before["used_memory_vm_eval"] + 200_000
    assert after["used_memory_scripts_eval"] < before["used_memory_scripts_eval"] + 50_000


def test_runs_do_not_leak(engine):
    engine.call("SET", "x", 0)
    for _ in range(1000):
        run(engine, "return redis.call('INCR', KEYS[1])", "x", keys=1)
    used = engine.core.counters()["used_memory_vm_eval"]
    blocks = engine.core.allocator_counters()["blocks"]
    for _ in range(5000):
        run(engine, "return redis.call('INCR', KEYS[1])", "x", keys=1)
        engine.ask("EVAL", "return redis.call('LPUSH', KEYS[1], 'a')", 1, "x")
        engine.ask("EVAL", "error({})", 0)
    assert engine.core.counters()["used_memory_vm_eval"] < used + 60_000
    assert engine.core.allocator_counters()["blocks"] < blocks + 50


@pytest.mark.parametrize("how", [(), ("SYNC",), ("async",)])
def test_flush_forgets_all_and_the_state(engine, how):
    run(engine, "return 1")
    engine.call("SCRIPT", "LOAD", "return 2")
    assert engine.call("SCRIPT", "FLUSH", *how) == b"OK"
    counters = engine.core.counters()
    assert counters["number_of_cached_scripts"] == counters["used_memory_vm_eval"] == counters["used_memory_scripts_eval"] == 0
    assert engine.call("SCRIPT", "EXISTS", sha("return 1"), sha("return 2")) == [0, 0]
    assert run(engine, "return 1") == 1


def test_a_state_is_made_by_the_first_script(engine):
    assert engine.core.counters()["used_memory_vm_eval"] == 0
    engine.call("SCRIPT", "EXISTS", sha("x"))
    assert engine.core.counters()["used_memory_vm_eval"] == 0
    run(engine, "return 1")
    assert 0 < engine.core.counters()["used_memory_vm_eval"] < 100_000


def test_what_does_not_compile_is_not_cached(engine):
    assert isinstance(engine.ask("EVAL", "x x", 0), Error)
    assert engine.core.counters()["number_of_cached_scripts"] == 0


def test_engines_are_apart():
    from redispy_core.engine import Engine
    one, two = Engine(), Engine()
    one.call("EVAL", "redis.call('SET', 'k', 'one')", 0)
    assert two.call("EVAL", "return redis.call('GET', 'k')", 0) is None
    assert one.call("EVAL", "return redis.call('GET', 'k')", 0) == b"one"
    assert two.call("SCRIPT", "EXISTS", sha("redis.call('SET', 'k', 'one')")) == [0]


# ---------------------------------------------------------------- limits

def test_memory_has_a_limit(engine):
    run(engine, "return 1")
    limit_memory(engine.core, 4_000_000)
    error = error_of(engine, "EVAL", "local t = {} while true do t[#t + 1] = string.rep('x', 1000) .. #t end", 0)
    assert "not enough memory" in error
    assert run(engine, "return 1") == 1
    assert run(engine, "local ok, e = pcall(function() local s = 'x' while true do s = s .. s end end) return e") == b"not enough memory"
    caught = "local n = 0 for i = 1, 20 do if not pcall(string.rep, 'x', 8000000) then n = n + 1 end end return n"
    assert run(engine, caught) == 20


def test_memory_limit_holds_while_a_reply_is_read(engine):
    engine.call("RPUSH", "l", *(b"%01000d" % i for i in range(3000)))
    run(engine, "return 1")
    limit_memory(engine.core, 2_000_000)
    error = error_of(engine, "EVAL", "return redis.call('LRANGE', 'l', 0, -1)", 0)
    assert "not enough memory" in error
    error = error_of(engine, "EVAL", "return #ARGV", 0, b"x" * 3_000_000)
    assert "not enough memory" in error
    assert engine.call("LLEN", "l") == 3000
    assert run(engine, "return redis.call('LLEN', 'l')") == 3000


@pytest.mark.parametrize("script", [
    "local function f() return 1 + f() end return f()",
    "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k .. 'x'] end return t.a",
    "local f f = function() return (string.gsub('a', 'a', f)) end return f()",
    "return tostring(setmetatable({}, {__tostring = function(t) return tostring(t) end}))",
    "local f f = function() coroutine.wrap(f)() end f()",
])
def test_recursion_has_a_limit(engine, script):
    assert isinstance(engine.ask("EVAL", script, 0), Error)
    assert run(engine, "return 1") == 1


# ---------------------------------------------------------------- flags and states

@pytest.mark.parametrize("command", ["EVAL", "EVAL_RO"])
def test_a_script_that_declares_no_writes_may_not_write(engine, command):
    error = error_of(engine, command, "#!lua flags=no-writes\nreturn redis.call('SET', 'a', 'b')", 0)
    assert error.startswith("ERR Write commands are not allowed from read-only scripts. script:")


def test_read_only_form_needs_a_script_that_promises(engine):
    assert error_of(engine, "EVAL_RO", "#!lua\nreturn 1", 0) == "ERR Can not execute a script with write flag using *_ro command."
    assert engine.call("EVAL_RO", "#!lua flags=no-writes\nreturn 1", 0) == 1
    assert engine.call("EVAL_RO", "return 1", 0) == 1


def test_line_numbers_count_the_first_line(engine):
    error = error_of(engine, "EVAL", "#!lua\n\nerror('x')", 0)
    assert "user_script:3: x" in error


def test_a_pause_of_writes_holds_back_scripts_that_may_write(engine):
    clients = {script: engine.client() for script in ("return 1", "#!lua\nreturn 1", "#!lua flags=no-writes\nreturn 1")}
    engine.call("CLIENT", "PAUSE", 100000, "WRITE")
    for script, client in clients.items():
        client.send_bytes(b"*3\r\n$4\r\nEVAL\r\n$%d\r\n%s\r\n$1\r\n0\r\n" % (len(script), script.encode()))
    assert [client.is_silent() for client in clients.values()] == [True, True, False]


def test_blocking_commands_answer_at_once(engine):
    assert run(engine, "return redis.call('BLPOP', 'nolist', 0)") is None
    assert run(engine, "return redis.call('XREAD', 'BLOCK', 0, 'STREAMS', 's', '$')") is None


def test_scripts_in_transactions(engine):
    client = engine.client()
    client.call("MULTI")
    client.call("EVAL", "return redis.call('INCR', KEYS[1])", 1, "n")
    client.call("EVAL", "return redis.call('INCR', KEYS[1])", 1, "n")
    assert client.call("EXEC") == [1, 2]


def test_a_watched_key_changed_by_a_script(engine):
    client = engine.client()
    client.call("WATCH", "k")
    run(engine, "redis.call('SET', 'k', 1)")
    client.call("MULTI")
    client.call("PING")
    assert client.call("EXEC") in (NULL, NULL_ARRAY)


def test_scripts_may_not_run_scripts(engine):
    for command in ("EVAL", "EVALSHA", "SCRIPT"):
        error = error_of(engine, "EVAL", f"return redis.call('{command}', 'LOAD', 0)", 0)
        assert error.startswith("ERR This Redis command is not allowed from script"), command


def test_python_commands_run_in_scripts(engine):
    def body(call, *args):
        return [call.db, *args]
    engine.core.bind("LOLWUT", body)
    assert run(engine, "return redis.call('LOLWUT', 'a', 1)", db=3) == [3, b"a", b"1"]


def test_random_numbers_differ_between_engines_and_repeat_by_seed():
    from redispy_core.engine import Engine
    engines = [Engine(), Engine()]
    assert len({e.call("EVAL", "return tostring(math.random())", 0) for e in engines}) == 2
    seeded = "math.randomseed(ARGV[1]) return {math.random(1000000), math.random(1000000)}"
    assert engines[0].call("EVAL", seeded, 0, 7) == engines[1].call("EVAL", seeded, 0, 7)


def test_log_reaches_the_servers_log(engine):
    lines = []
    engine.core.log = lambda level, text: lines.append((level, text))
    run(engine, "redis.log(redis.LOG_WARNING, 'hello', 5, {}, 'there')")
    assert lines == [("warning", "hello 5 there")]


def test_effects_kept_back_end_with_the_script(engine):
    assert run(engine, "redis.set_repl(redis.REPL_NONE) return redis.call('SET', 'a', 1).ok") == b"OK"
    assert run(engine, "return redis.set_repl(redis.REPL_AOF)") is None


def test_a_script_may_do_what_its_caller_may(engine):
    engine.call("ACL", "SETUSER", "bob", "on", "nopass", "+@scripting", "+set", "~x*")
    client = engine.client()
    client.call("AUTH", "bob", "any")
    assert client.call("EVAL", "return redis.call('SET', 'xx', 1).ok", 0) == b"OK"
    for call in ("'SET', 'yy', 1", "'HSET', 'xx', 'f', 1"):
        assert client.call("EVAL", f"return redis.call({call})", 0).startswith(b"ERR ACL failure in script: ")
    asked = "return {redis.acl_check_cmd(ARGV[1], ARGV[2], 1, 1) and 1 or 0}"
    assert [client.call("EVAL", asked, 0, *what)[0] for what in (("SET", "xx"), ("HSET", "xx"), ("SET", "yy"))] == [1, 0, 0]
    assert engine.call("EVAL", "return redis.call('HSET', 'h', 'f', 1)", 0) == 1
    assert b"$3\r\nlua\r\n" in engine.wire("ACL", "LOG")
