"""No script harms the process, and none leaves anything behind for the next one."""
import pytest
from support.resp import Error


def run(engine, script, *args):
    return engine.call("EVAL", script, 0, *args)


def refused(engine, script):
    reply = engine.ask("EVAL", script, 0)
    assert isinstance(reply, Error), reply
    return reply.decode("latin-1")


READ_ONLY = "Attempt to modify a readonly table"
TABLES = ("_G", "redis", "string", "table", "math", "coroutine", "os", "cjson", "getmetatable(_G)", "getmetatable('')",
          "getmetatable('').__index")


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("write", ["{}.x = 1", "{}[1] = 1", "rawset({}, 'x', 1)", "table.insert({}, 1)",
                                   "setmetatable({}, {{}})", "local t = {} t.len = 5", "for k in pairs({}) do ({})[k] = 1 end"])
def test_shared_tables_cannot_be_written(engine, table, write):
    if "pairs" in write and table == "getmetatable(_G)":
        pytest.skip("nothing but a function in it")
    assert READ_ONLY in refused(engine, write.format(table, table) if "local" not in write else f"local t = {table} t.len = 5")


@pytest.mark.parametrize("write", ["redis = 1", "KEYS = 1", "_G = 1", "x = 1", "function f() end", "string = {}"])
def test_globals_cannot_be_written(engine, write):
    assert READ_ONLY in refused(engine, write)


@pytest.mark.parametrize("way", [
    "local _, t = pairs({0}) return rawequal(t, {0})", "local f, t = pairs({0}) return rawequal(t, {0})",
])
@pytest.mark.parametrize("table", ["redis", "string", "_G"])
def test_no_way_leads_to_the_real_table(engine, way, table):
    assert run(engine, way.format(table)) == 1


@pytest.mark.parametrize("attempt", [
    "for k, v in pairs(_G) do if type(v) == 'table' and k ~= 'KEYS' and k ~= 'ARGV' then v.hacked = 1 end end",
    "local _, t = next(_G) string.gsub('a', 'a', function() redis.hacked = 1 end)",
    "local t = {} for k, v in pairs(redis) do t[k] = v end setmetatable(t, {__index = redis}) t.hacked = 1 redis.hacked = 1",
    "getmetatable(redis).__index.hacked = 1",
    "getmetatable(_G).__newindex = nil",
    "getmetatable(_G).__metatable.x = 1",
    "xpcall(function() hacked = 1 end, function(e) redis.hacked = e end) error('end')",
    "coroutine.wrap(function() hacked = 1 end)()",
    "loadstring('hacked = 1')()",
    "loadstring('redis.hacked = 1')()",
    "table.foreach(redis, function(k, v) redis[k] = nil end)",
    "table.sort(_G, function() hacked = 1 end) hacked = 1",
])
def test_escapes_leave_nothing_behind(engine, attempt):
    refused(engine, attempt)
    assert run(engine, "return {tostring(rawget(_G, 'hacked')), tostring(redis.hacked), type(redis.call)}") \
        == [b"nil", b"nil", b"function"]


def test_metatables_of_basic_types_cannot_be_changed(engine):
    for value in ("''", "1", "nil", "true", "print_ or _G"):
        engine.ask("EVAL", f"local m = getmetatable({value}) if m then m.__index = function() return 'hacked' end end", 0)
    assert run(engine, "return {('x').y == nil, ('x'):upper()}") == [1, b"X"]


def test_walking_shared_tables_shows_them(engine):
    assert run(engine, "local t = {} for k in pairs(os) do t[#t + 1] = k end return t") == [b"clock"]
    assert run(engine, "local n = 0 for k, v in pairs(redis) do n = n + 1 end return n > 15") == 1
    assert run(engine, "return {next(os)}")[0] == b"clock"
    assert run(engine, "local t = {} for k, v in pairs({a = 1, 5}) do t[#t + 1] = tostring(k) end return t") == [b"1", b"a"]


@pytest.mark.parametrize("name", ["dofile", "loadfile", "print", "require", "module", "package", "io", "debug", "newproxy",
                                  "getfenv", "setfenv"])
def test_what_reaches_outside_is_not_there(engine, name):
    assert f"nonexistent global variable '{name}'" in refused(engine, f"return {name}('x')")


@pytest.mark.parametrize("name", ["execute", "exit", "getenv", "remove", "rename", "setlocale", "tmpname", "time"])
def test_os_has_the_clock_alone(engine, name):
    assert f"attempt to call field '{name}'" in refused(engine, f"os.{name}('x')")


# ---------------------------------------------------------------- holes of a stock Lua 5.1

@pytest.mark.parametrize("script", [
    "return unpack({}, 0, 2^31 - 1)", "return unpack({}, -2^31, 2^31 - 1)", "return unpack({}, 1, 1e7)",
    "local t = {} for i = 1, 10 do t[i] = i end return unpack(t, -1e6, 1e6)",
])
def test_unpack_has_a_bound(engine, script):
    assert "too many results to unpack" in refused(engine, script)


def test_bytecode_is_refused(engine):
    assert "attempt to call a nil value" in refused(engine, "return loadstring(string.dump(function() return 1 end))()")
    pieces = ("local s, n = string.dump(function() return 1 end), 0 "
              "return load(function() n = n + 1 return n <= #s and s:sub(n, n) or nil end)()")
    assert "attempt to call a nil value" in refused(engine, pieces)
    assert "unexpected symbol near" in refused(engine, "\x1bLuaQ\0\1\4\4\4\10\0")


def test_chunk_names_outlive_parsing(engine):
    """The parser holds a bare pointer to the name: collections while it compiles must not free it."""
    script = """
        local body = string.rep('local x = "' .. string.rep('y', 50) .. '" ', 100)
        local errors = {}
        for i = 1, 300 do
            local name = '=name' .. i .. string.rep('z', i)
            local parts, n = {}, 0
            local f = load(function()
                n = n + 1
                collectgarbage('step') collectgarbage()
                local garbage = string.rep('g', i) .. n
                return n < 4 and (body .. '\\n') or nil
            end, '=load' .. i .. string.rep('q', i))
            local g, e = loadstring(body .. ' error', name)
            errors[i] = e
            name = nil
        end
        return {#errors, errors[300]:sub(1, 8)}"""
    assert run(engine, script)[0] == 300


@pytest.mark.parametrize("script", [
    "return string.find(string.rep('a', 1000000), string.rep('a?', 1000000))",
    "return string.match(string.rep('a', 100000), string.rep('(', 100000))",
    "return (string.gsub(string.rep('a', 1000000), string.rep('a-', 1000000), ''))",
    "for w in string.gmatch(string.rep('a', 1000000), string.rep('a*', 1000000)) do return w end",
    "return ('a'):find(string.rep('a?', 1000000))",
])
def test_patterns_have_a_bound(engine, script):
    assert "pattern too complex" in refused(engine, script)


def test_repetition_has_a_bound(engine):
    assert "too large" in refused(engine, "return string.rep('xxxxxxxx', 2^30)")
    assert run(engine, "return #string.rep('', 2^30)") == 0
    assert run(engine, "return string.rep('ab', 3)") == b"ababab"


def test_insert_far_in_front_is_refused(engine):
    assert "position out of bounds" in refused(engine, "table.insert({}, -2^31 + 5, 1)")
    assert run(engine, "local t = {1, 2} table.insert(t, 1, 0) return t") == [0, 1, 2]


@pytest.mark.parametrize("script", [
    "return loadstring('return ' .. string.rep('(', 100000))()",
    "return loadstring('return ' .. string.rep('{', 100000))()",
    "return loadstring(string.rep('a.', 100000) .. 'b()')()",
    "return loadstring(string.rep('do ', 100000))()",
    "return loadstring('return ' .. string.rep('-', 1) .. string.rep('not ', 100000) .. '1')()",
    "return loadstring('local a = 1 a = ' .. string.rep('a..', 100000) .. 'a')()",
    "return loadstring(string.rep('function f() ', 100000))()",
])
def test_nesting_of_source_has_a_bound(engine, script):
    refused(engine, script)
    assert run(engine, "return 1") == 1


def test_the_collector_cannot_be_stopped(engine):
    used = engine.core.counters
    run(engine, "collectgarbage('stop') collectgarbage('setpause', 100000) return 1")
    for _ in range(300):
        run(engine, "local t = {} for i = 1, 1000 do t[i] = 'x' .. i end return 1")
    assert used()["used_memory_vm_eval"] < 2_000_000


def test_errors_of_the_error_handler_are_contained(engine):
    refused(engine, "error(setmetatable({}, {__newindex = function() error('in') end, __index = function() error('in') end}))")
    refused(engine, "local e = setmetatable({}, {__tostring = function() error('in') end}) error(e)")
    refused(engine, "error(redis)")
    refused(engine, "error(coroutine.create(function() end))")
    assert run(engine, "return 1") == 1


def test_a_pcall_inside_a_coroutine_inside_a_pcall(engine):
    script = """
        local function deep(n)
            if n == 0 then return redis.call('NOSUCH') end
            local ok, e = pcall(coroutine.wrap(function() return deep(n - 1) end))
            error(e)
        end
        local ok, e = pcall(deep, 20)
        return e"""
    assert run(engine, script).endswith(b"ERR Unknown Redis command called from script")
