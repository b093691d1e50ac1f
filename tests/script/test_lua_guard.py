"""What a stock Lua 5.1 lets a script do to the process, refused: with the texts of a real server where it has one."""
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("lupa", reason="scripts need lupa")
from redispy_core.script.lua_face import LuaError, LuaFace

ROOT = Path(__file__).resolve().parents[2]
DEEP_PATTERN = "return string.{}(string.rep('a', 220000), string.rep('a?', 220000) .. 'b'{})"


@pytest.fixture
def lua():
    face = LuaFace()
    yield face
    face.check()


def error_of(face, code, *args, **options):
    with pytest.raises(LuaError) as caught:
        face.run(code, *args, **options)
    return caught.value.args[0].decode()


def test_check_finds_a_write_beyond_a_block():
    face = LuaFace()
    face.spoil()
    with pytest.raises(AssertionError):
        face.check()


BYTECODE = "string.dump(function() return 1 end)"


@pytest.mark.parametrize("code, name", [
    (f"return loadstring({BYTECODE})", '[string "\x1bLuaQ"]'),
    (f"return loadstring({BYTECODE}, '=given')", "given"),
    (f"return load(function() return {BYTECODE} end)", "(load)"),
    (f"local t = {{{BYTECODE}}} return load(function() return table.remove(t) end, '@f')", "f"),
    ("local t = {'aL', string.char(27)} return load(function() return table.remove(t) end, '@f')", "f"),
])
def test_bytecode_is_a_syntax_error(lua, code, name):
    assert lua.run(code) == [None, f"{name}:1: unexpected symbol near 'char(27)'".encode()]


def test_bytecode_is_no_script(lua):
    bytecode, = lua.run(f"return {BYTECODE}")
    assert "unexpected symbol near 'char(27)'" in error_of(lua, bytecode)


def test_a_stock_lua_takes_bytecode():
    assert LuaFace(guarded=False).run(f"return loadstring({BYTECODE})()") == [1.0]


@pytest.mark.parametrize("code, expected", [
    ("return loadstring('return 1 + 1')()", [2.0]),
    ("return loadstring('return ...', 'n')(5, 6)", [5.0, 6.0]),
    ("return loadstring('')()", []),
    ("return loadstring('x = = 1')", [None, b"[string \"x = = 1\"]:1: unexpected symbol near '='"]),
    ("return loadstring('x = = 1', '=n')", [None, b"n:1: unexpected symbol near '='"]),
    ("return loadstring('x = \\0', 'n\\0m')", [None, b"[string \"n\"]:1: unexpected symbol"]),
    ("y = 3 return loadstring('return y')()", [3.0]),
    ("local t = {'1', '1 + ', 'return '} return load(function() return table.remove(t) end)()", [2.0]),
    ("local t = {'x', '', '1', 'return '} return load(function() return table.remove(t) end)()", [1.0]),
    ("return load(function() end)()", []),
    ("return load(function() return {} end)", [None, b"s:1: reader function must return a string"]),
    ("return load(function() error('no') end)", [None, b"s:1: no"]),
    ("return load(function() error({1}) end)", [None, {1.0: 1.0}]),
    ("return pcall(load, 'x')", [False, b"bad argument #1 to '?' (function expected, got string)"]),
    ("return pcall(loadstring)", [False, b"bad argument #1 to '?' (string expected, got no value)"]),
])
def test_load_and_loadstring_still_load(lua, code, expected):
    assert lua.run(code, name=b"@s") == expected


# The parser has the name when it asks for the second piece.
NAME_IN_USE = """
    local calls = 0
    return select(2, load(function()
        calls = calls + 1
        if calls == 1 then return ' ' end
        collectgarbage()
        for i = 1, 9 do local s = 'xxxxxx' .. i end
        return '= '
    end))"""


def test_a_chunks_name_lives_while_it_is_parsed(lua):
    assert lua.run(NAME_IN_USE) == [b"(load):1: unexpected symbol near '='"]


def test_unpack_counts_without_overflow(lua):
    for i, j in ((-2147483648, 2147483647), (1, 2147483647), (-1, 2147483647), (-2147483648, 0), (1, 8000)):
        assert error_of(lua, f"return unpack({{}}, {i}, {j})") == "user_script:1: too many results to unpack"
    assert lua.run("return select('#', unpack({}, 1, 7000))") == [7000.0]
    assert lua.run("return unpack({1, 2, 3})") == [1.0, 2.0, 3.0]
    assert lua.run("return unpack({1, 2, 3}, 2)") == [2.0, 3.0]
    assert lua.run("return unpack({1, 2, 3}, 3, 2)") == []
    assert lua.run("return unpack({1}, 2147483647, 2147483647)") == [None]
    assert lua.run("return unpack({}, 0, 1e15)") == []          # cut to an int, as a real server does
    assert "bad argument #1 to 'unpack' (table expected, got no value)" in error_of(lua, "return unpack()")
    assert "bad argument #2 to 'unpack' (number expected, got string)" in error_of(lua, "return unpack({}, 'a')")


def test_rep_has_a_limit(lua):
    assert error_of(lua, "return ('x'):rep(1e9)") == "user_script:1: resulting string too large"
    assert error_of(lua, "return ('x'):rep(536870913)") == "user_script:1: resulting string too large"
    assert error_of(lua, "return (('x'):rep(1e6)):rep(1e6)") == "user_script:1: resulting string too large"
    assert lua.run("return ('ab'):rep(3), ('x'):rep(-1), ('x'):rep(0)") == [b"ababab", b"", b""]
    assert lua.run("return (''):rep(1e6)") == [b""]
    assert "bad argument #1 to 'rep' (string expected, got no value)" in error_of(lua, "return string.rep()")


@pytest.mark.parametrize("function, rest", [("find", ""), ("find", ", 1, false"), ("match", ""), ("gsub", ", ''")])
def test_a_pattern_does_not_exhaust_the_stack(lua, function, rest):
    assert error_of(lua, DEEP_PATTERN.format(function, rest)) == "user_script:1: pattern too complex"


def test_a_pattern_does_not_exhaust_the_stack_in_gmatch(lua):
    assert "pattern too complex" in error_of(lua, "for w in string.gmatch('a', string.rep('a-', 9000)) do end")


def test_a_stock_lua_dies_of_a_pattern():
    code = "from redispy_core.script.lua_face import LuaFace\n" \
        f"LuaFace(guarded=False).run({DEEP_PATTERN.format('find', '')!r})"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode < 0


def test_long_patterns_that_do_not_recurse_are_fine(lua):
    assert lua.run("return string.find('x' .. ('ab'):rep(5000), ('ab'):rep(5000))") == [2.0, 10001.0]
    assert lua.run("return string.find(('a?'):rep(5000), ('a?'):rep(5000), 1, true)") == [1.0, 10000.0]
    assert lua.run("return #string.match(('a'):rep(900), ('a?'):rep(900))") == [900.0]
    assert lua.run("return string.gsub('hello', 'l+', string.upper)") == [b"heLLo", 1.0]
    assert lua.run("local t = {} for k, v in string.gmatch('a=1, b=2', '(%w)=(%w)') do t[k] = v end return t") == \
        [{b"a": b"1", b"b": b"2"}]


def test_nested_coroutines_end_in_an_error(lua):
    assert lua.run("local function f() return coroutine.wrap(f)() end return pcall(f)")[1].endswith(b"C stack overflow")


@pytest.mark.parametrize("count", [20, 60, 120, 190])
def test_variadic_functions_of_many_parameters_stay_on_their_stack(lua, count):
    parameters = ", ".join(f"a{i}" for i in range(count))
    lua.run(f"""
        local function f({parameters}, ...) return 1 end
        local function deep(d) if d > 0 then return 1 + deep(d - 1) end local x = f() return x end
        for d = 1, 40 do coroutine.wrap(deep)(d) end""")


def test_memory_that_runs_out_while_compiling_is_an_error(lua):
    code = "return select(2, loadstring('return ' .. string.rep('{1, ', 150) .. string.rep('}', 150), 'n'))"
    for spare in range(0, 40000, 1500):
        try:
            lua.run(code, limit=lua.used() + spare)
        except LuaError as problem:
            assert problem.args[0] == b"not enough memory"
        lua.check()
