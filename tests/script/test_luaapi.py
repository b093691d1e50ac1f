"""The loader of Lua's C API: what it takes, what it refuses and why."""
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("lupa", reason="scripts need lupa")


def in_a_process(code):
    """Output of Python code in a process of its own: the API is loaded once a process."""
    run = subprocess.run([sys.executable, "-c", "from redispy_core.script import luaapi\n" + code], capture_output=True,
                         text=True, cwd=ROOT, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_fields_of_the_struct_stand_in_the_order_of_the_names():
    text = (ROOT / "redispy_core/script/luaapi.pxd").read_text()
    struct = text.split("cdef struct LuaApi:", 1)[1].split("\ncdef ", 1)[0]
    fields = re.findall(r"^    [^#\n]*?\(\*(\w+)\)", struct, re.M)
    listed = (ROOT / "redispy_core/script/luaapi.pyx").read_text().split("NAMES = (", 1)[1].split(").split", 1)[0]
    names = "".join(re.findall(r'"([^"]*)"', listed)).split()
    prefixes = (("luaL_", "L_"), ("luaopen_", "open_"), ("lua_", ""))
    assert fields == [next(to + n[len(of):] for of, to in prefixes if n.startswith(of)) for n in names]
    assert len(fields) > 90


def test_loading_finds_lupas_lua_without_importing_lupa():
    out = in_a_process("import sys\nprint(luaapi.load()); print(luaapi.load() == luaapi.load(), 'lupa' in sys.modules)")
    assert re.match(r".*lupa/lua51\..*\nTrue False\n", out)


@pytest.mark.parametrize("path, reason", [
    ("'/nowhere/lua.so'", "does not load"),
    ("luaapi.find().replace('lua51', 'lua54')", "does not export lua_"),
    ("luaapi.find().replace('lua51', 'luajit21')", "is LuaJIT"),
    ("luaapi.find().replace('lua51', 'lua52')", "does not export lua_"),
])
def test_another_library_is_refused_with_the_reason_and_the_right_one_still_loads(path, reason):
    out = in_a_process(f"""
try:
    luaapi.load({path})
except luaapi.LuaMissing as problem:
    print(problem)
print('lua51' in luaapi.load())""")
    assert reason in out and out.endswith("True\n")


def test_a_machine_without_lupa_is_told_what_to_install():
    out = in_a_process("""
import importlib.util
importlib.util.find_spec = lambda name: None
try:
    luaapi.load()
except luaapi.LuaMissing as problem:
    print(problem)""")
    assert "pip install 'lupa" in out
