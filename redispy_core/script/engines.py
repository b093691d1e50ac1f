"""The languages that scripts and libraries of functions can be written in, by the word behind `#!`.

Room script. EVAL knows `lua` alone; FUNCTION LOAD asks here for the engine of a library. An engine gives three compiled
functions to its users (for Lua in lua.pxd), so that a second language needs no change in the commands:

    open    lua_open(x, functions, extend)    a state of its own; `extend` puts further names among its globals
    try     lua_try(rt, body, ud)             runs a C function in it, protected: to compile and run a library, say
    run     lua_run(rt, x, call)              runs a registered function as a unit's script: time limit, kill, errors,
                                              effects and reply are those of EVAL; KEYS and ARGV are its arguments

The state of functions is apart from that of EVAL: SCRIPT FLUSH closes the one, FUNCTION FLUSH the other. INFO reads
their figures at index 1 of ScriptFigures; FUNCTION KILL sets RunningScript.killed where RunningScript.function is set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from .luaapi import LuaMissing, load


@dataclass(frozen=True)
class ScriptEngine:
    """One language."""
    word: str                               # behind #! in the first line of a library
    name: str                               # as FUNCTION LIST and FUNCTION STATS show it
    missing: Callable[[], str | None]       # why it cannot be used here; None: it can


def lua_missing() -> str | None:
    """Why there is no Lua 5.1, or None."""
    try:
        load()
    except LuaMissing as e:
        return str(e)
    return None


ENGINES = {engine.word: engine for engine in (ScriptEngine("lua", "LUA", lua_missing),)}
