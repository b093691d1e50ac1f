"""COMMAND and its subcommands, and the HELP of every container: all told by the table's rows (exec/command_info).

Rare and large replies, hence Python. Only commands that have a body are visible.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..base.num import glob
from ..exec.command_info import Catalog
from ..exec.keyspecs import find_keys
from ..exec.table import Keys, Row, key_flag_names
from ..proto.errors import text as error_text
from ..proto.replies import Error, Set, Status

Reply = Any


def current_names(registry: Any) -> dict[str, str]:
    """What the commands of the table are called, containers without their subcommands: rename-command changes it."""
    return {registry.row(name).name.lower(): name for name in registry.names() if "|" not in name}


def visible_rows(registry: Any) -> list[Row]:
    """The rows that clients can call, under the names that they can call them by."""
    called = current_names(registry)
    rows = []
    for name in registry.names():
        container, bar, word = name.partition("|")
        if bar and container not in called:
            continue                                    # its container was renamed to nothing
        shown = (called[container] + bar + word if bar else name).upper()
        row = registry.row(name)
        rows.append(row if row.name == shown else replace(row, name=shown))
    return rows


def catalog_of(engine: Any) -> Catalog:
    """The engine's catalogue, made anew when the commands have changed."""
    registry = engine.registry
    if registry.catalog is None:
        registry.catalog = Catalog(visible_rows(registry))
    found: Catalog = registry.catalog
    return found


def command(call: Any) -> Reply:
    """COMMAND."""
    return catalog_of(call.engine).command()


def command_count(call: Any) -> Reply:
    """COMMAND COUNT."""
    return catalog_of(call.engine).count()


def command_info(call: Any, *names: bytes) -> Reply:
    """COMMAND INFO [name ...]."""
    return catalog_of(call.engine).info(list(names))


def command_docs(call: Any, *names: bytes) -> Reply:
    """COMMAND DOCS [name ...]."""
    return catalog_of(call.engine).docs(list(names))


def command_list(call: Any, *words: bytes) -> Reply:
    """COMMAND LIST [FILTERBY kind value]."""
    try:
        return catalog_of(call.engine).names(list(words), lambda pattern, name: glob(pattern, name, True))
    except ValueError:
        raise Error(error_text("SYNTAX")) from None


def keys_or_error(call: Any, request: tuple[bytes, ...]) -> list[tuple[bytes, int]]:
    """The keys of a full command with their flags; raises the error reply."""
    found = find_keys(call.engine.registry, list(request))
    if isinstance(found, str):
        raise Error(error_text(found))
    keys: list[tuple[bytes, int]] = found
    return keys


def command_getkeys(call: Any, *request: bytes) -> Reply:
    """COMMAND GETKEYS command [arg ...]."""
    return [key for key, _ in keys_or_error(call, request)]


def command_getkeysandflags(call: Any, *request: bytes) -> Reply:
    """COMMAND GETKEYSANDFLAGS command [arg ...]."""
    return [[key, Set(Status(word.encode()) for word in flag_words(flags))]
            for key, flags in keys_or_error(call, request)]


def flag_words(flags: int) -> list[str]:
    """The names of a KeyFlag mask."""
    return key_flag_names(Keys(flags, "unknown", 0, "", "unknown", (0, 0, 0), ""))


def container_help(call: Any) -> Reply:
    """<container> HELP."""
    container = current_names(call.engine.registry)[call.name.partition("|")[0]]
    return catalog_of(call.engine).help(container)


BODIES = {
    "COMMAND": command,
    "COMMAND|COUNT": command_count,
    "COMMAND|INFO": command_info,
    "COMMAND|DOCS": command_docs,
    "COMMAND|LIST": command_list,
    "COMMAND|GETKEYS": command_getkeys,
    "COMMAND|GETKEYSANDFLAGS": command_getkeysandflags,
}
HELP = container_help
