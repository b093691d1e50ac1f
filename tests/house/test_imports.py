"""The rooms of the house and the directions between them: every import and cimport is parsed, any other is refused.

A room may import from itself and from the rooms that ALLOWED gives it. Prose about layers leaks; this does not.
"""
import re

import pytest
import source as src

CHAIN = ("base", "structs", "types", "proto", "keyspace", "persist", "exec", "commands", "engine", "ext")
ALLOWED = {room: set(CHAIN[:place]) for place, room in enumerate(CHAIN)}
ALLOWED["script"] = ALLOWED["modules"] = {"ext", "structs", "base"}
ALLOWED["core"] = set(ALLOWED)                          # redispy_core/__init__: the public names
ALLOWED["server"] = {"engine", "ext", "core"}
ALLOWED = {room: rooms | {"version"} for room, rooms in ALLOWED.items()} | {"version": set()}   # two constants, for all
# Parts of the server that are pure: time and bytes are passed in.
PURE = re.compile(r"redispy_server/(cluster|sentinel)/(state|wire)\.py$")
PURE_FORBIDDEN = {"socket", "selectors", "select", "time", "os", "subprocess", "threading", "asyncio", "random", "secrets",
                  "datetime", "signal", "ssl"}

IMPORT = re.compile(r"""(?:^|[;:])[ \t]*(?:
      from[ ]+(?P<module>\.*[\w.]*)[ ]+(?:c?import)\b[ ]*(?P<names>\([^)]*\)|[^\n;]*)
    | (?:c?import)[ ]+(?P<modules>[\w.]+[^\n;]*) )""", re.X | re.M)
DYNAMIC = re.compile(r"(?:import_module|__import__)\s*\(\s*$")


def module_of(path):
    """(dotted name, is a package) of a source file."""
    parts = path.rsplit(".", 1)[0].split("/")
    if parts[-1] == "__init__":
        return ".".join(parts[:-1]), True
    return ".".join(parts), False


def room_of(module):
    """Room of a dotted module name, or None outside the project. Unknown rooms come back by their own name."""
    parts = module.split(".")
    if parts[0] == "redispy_server":
        return "server"
    if parts[0] != "redispy_core":
        return None
    return parts[1] if len(parts) > 1 else "core"


def absolute(module, importer):
    """Resolves leading dots against the importing file."""
    dots = len(module) - len(module.lstrip("."))
    if not dots:
        return module
    name, is_package = module_of(importer)
    base = name.split(".")[:None if is_package and dots == 1 else -(dots - is_package)]
    return ".".join(base + [part for part in [module[dots:]] if part])


def imports(source, known):
    """(line, module) for each module that a source names; `known` holds the project's modules, to tell them from names."""
    for found in IMPORT.finditer(source.code):
        line = source.code.count("\n", 0, found.start()) + 1
        if found["modules"]:
            for part in found["modules"].split(","):
                yield line, part.split()[0]
        else:
            module = absolute(found["module"], source.path)
            yield line, module
            for name in re.findall(r"(\w+)(?:\s+as\s+\w+)?\s*(?:,|$|\))", found["names"].strip("() \n")):
                if f"{module}.{name}" in known:
                    yield line, f"{module}.{name}"
    for literal in source.literals:
        if DYNAMIC.search(literal.before):
            yield literal.line, absolute(literal.text, source.path)


def cimports(source, known):
    """Modules of the project that a source cimports (not: imports), itself left out."""
    own = module_of(source.path)[0]
    lines = source.lines
    return {module for line, module in imports(source, known)
            if module in known and module != own and re.search(r"\bcimport\b", lines[line - 1])}


def violations(sources):
    known = {module_of(source.path)[0] for source in sources}
    found = {}                                          # (path, line, room or module) -> text; a dict keeps one of a kind
    for source in sources:
        room = room_of(module_of(source.path)[0])
        if room not in ALLOWED:
            found[source.path, 0, room] = f"{source.path}: there is no room {room!r}"
            continue
        for line, module in imports(source, known):
            target, place = room_of(module), f"{source.path}:{line}"
            if target not in (None, room, *ALLOWED[room]) and not (target == "core" and names_a_room(source, line)):
                found[source.path, line, target] = f"{place}: {room} may not import {target} ({module})"
            if PURE.search(source.path) and module.split(".")[0] in PURE_FORBIDDEN:
                found[source.path, line, module] = f"{place}: a pure part may not import {module}"
    return list(found.values())


def names_a_room(source, line):
    """Whether the statement at a line takes rooms out of redispy_core (which count for themselves), not public names."""
    statement = source.code.split("\n", line - 1)[-1]
    found = IMPORT.match(statement)
    names = re.findall(r"\w+", re.sub(r"\bas\s+\w+", "", found["names"] or "")) if found else []
    return bool(names) and all(name in ALLOWED for name in names)


def cycles(sources):
    """Lists of modules that cimport each other in a ring (strongly connected components of more than one module)."""
    known = {module_of(source.path)[0] for source in sources}
    edges = {}
    for source in sources:
        if source.path.endswith((".pyx", ".pxd", ".pxi")):
            edges.setdefault(module_of(source.path)[0], set()).update(cimports(source, known))
    reach = {}
    for start in edges:
        seen, todo = set(), [start]
        while todo:
            for following in edges.get(todo.pop(), ()):
                if following not in seen:
                    seen.add(following)
                    todo.append(following)
        reach[start] = seen
    rings = {tuple(sorted(m for m in reach[start] if start in reach.get(m, ()))) for start in edges if start in reach[start]}
    return sorted(rings)


def test_every_import_goes_in_an_allowed_direction():
    assert violations(src.read_all(suffixes=src.PYTHON_LIKE)) == []


def test_no_modules_cimport_each_other():
    assert cycles(src.read_all(suffixes=src.PYTHON_LIKE)) == []


def sample(*files):
    return [src.scan(path, text) for path, text in files]


@pytest.mark.parametrize("path, text", [
    ("redispy_core/structs/dict.pyx", "from ..types.object cimport Robj\n"),
    ("redispy_core/structs/dict.pxd", "from redispy_core.types.object cimport Robj\n"),
    ("redispy_core/structs/dict.pyx", "from .. import types\n"),
    ("redispy_core/structs/dict.pyx", "cimport redispy_core.proto.reply as r\n"),
    ("redispy_core/base/__init__.py", "from ..structs import dict\n"),
    ("redispy_core/base/mem.pyx", "def f():\n    from ..structs.dict import X\n"),
    ("redispy_core/exec/table.py", "import os, redispy_core.commands.strings\n"),
    ("redispy_core/exec/table.py", "import importlib\nimportlib.import_module('redispy_server.config')\n"),
    ("redispy_core/modules/ts_commands.py", "from ..keyspace.db import X\n"),
    ("redispy_core/script/functions.py", "from ..modules import ts_commands\n"),
    ("redispy_core/engine.pyx", "from .ext import command\n"),
    ("redispy_core/types/zset.pyx", "from redispy_core import Engine\n"),
    ("redispy_core/types/zset.pyx", "x = 1; from ..engine import Engine\n"),
    ("redispy_core/newroom/x.py", "\n"),
    ("redispy_core/version.py", "from .base import env\n"),
    ("redispy_server/server.py", "from redispy_core.base.mem import MemFace\n"),
    ("redispy_server/cluster/state.py", "import time\n"),
])
def test_wrong_direction_is_refused(path, text):
    sources = sample((path, text), ("redispy_core/types/__init__.py", ""), ("redispy_core/structs/dict.pxd", ""))
    assert len(violations(sources)) == 1


@pytest.mark.parametrize("path, text", [
    ("redispy_core/structs/dict.pyx", "from ..base.mem cimport (Mem,\n    mem_alloc)\nfrom . import intset\n"),
    ("redispy_core/types/zset.pyx", '"""Doc.\n\nfrom ..engine import Engine\n"""\n# from ..ext import x\n'),
    ("redispy_core/structs/dict.pyx", "cdef extern from \"rp.h\" nogil:\n    void f()\nfrom libc.stdint cimport int64_t\n"),
    ("redispy_core/commands/zsets.pyx", "from redispy_core cimport base\nfrom ..exec.client cimport Ctx\n"),
    ("redispy_core/__init__.py", "from .engine import Engine\nfrom .ext import command, ReplyError\n"),
    ("redispy_core/modules/search/index.pyx", "from ...structs.rax cimport Rax\nfrom ..sketches cimport x\n"),
    ("redispy_server/server.py", "from redispy_core import Engine\nfrom redispy_core.ext import command\nfrom .loop import Loop\n"),
    ("redispy_server/cluster/bus.py", "import time, socket\n"),
    ("redispy_server/info.py", "from redispy_core.version import VERSION\n"),
])
def test_allowed_direction_passes(path, text):
    assert violations(sample((path, text), ("redispy_core/base/__init__.py", ""))) == []


def test_ring_of_cimports_is_found():
    ring = sample(("redispy_core/types/hash.pxd", "from .object cimport Robj\n"),
                  ("redispy_core/types/object.pyx", "from ..types.hash cimport Hash\n"),
                  ("redispy_core/types/list.pyx", "from . cimport object\n"))
    assert cycles(ring) == [("redispy_core.types.hash", "redispy_core.types.object")]
    assert cycles(ring[:1] + ring[2:]) == []
    own = sample(("redispy_core/types/hash.pyx", "from .hash cimport Hash\n"), ("redispy_core/types/hash.pxd", "\n"))
    assert cycles(own) == []
