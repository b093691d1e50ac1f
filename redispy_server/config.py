"""The configuration: redis.conf and the command line in, CONFIG GET/SET, numbers for the compiled core.

Stands in the server room; server.py owns one `Config`, loads it, registers callbacks, binds the CONFIG command to it.
settings.py holds the table, config_values.py the types of values, config_rewrite.py writes files. Knows no engine:
numbers go out through `on_number`, effects through `on_apply`. The process is not touched either (no chdir): `dir` is
kept as an absolute path, relative includes are looked up in it.

Invariant: every value has passed its row's kind; a failed `set` leaves all values, numbers and effects as before.
Text in and out is str with surrogate escapes (`to_text`, `to_bytes` of config_values). Reasons are Redis's texts; a
`ConfigSetError` or `RewriteError` carries them without an error code, which the replying side adds.
"""
from __future__ import annotations

import glob
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .config_rewrite import RewriteError, rewrite_file
from .config_values import KINDS, BadValue, Kind, quote, split_words, to_text
from .settings import FILE, HIDDEN, IMMUTABLE, NO_LOADING, OBSOLETE, PROTECTED, SENTINEL_DEFAULTS, SETTINGS, Setting

__all__ = ["ApplyError", "Config", "ConfigError", "ConfigOpenError", "ConfigSetError", "Line", "RewriteError",
           "Startup"]

INCLUDE_DEPTH = 32
_BAD_DIRECTIVE = "Bad directive or wrong number of arguments"
_WRONG_NUMBER = "wrong number of arguments"


class ConfigError(Exception):
    """A configuration the server cannot start with; str() is what goes to stderr before it exits with 1."""

    def __init__(self, reason: str, line: Line | None = None, product: str = "Redis 7.4.0") -> None:
        where = f"Reading the configuration file, at line {line.number}\n>>> '{line.text}'\n" if line else ""
        super().__init__(f"\n*** FATAL CONFIG FILE ERROR ({product}) ***\n{where}{reason}\n")
        self.reason, self.line = reason, line


class ConfigOpenError(ConfigError):
    """A file that cannot be read; str() is a line for the log (stdout), the server exits with 1."""

    def __init__(self, filename: str, error: OSError) -> None:
        self.filename = filename
        super().__init__(f"Fatal error, can't open config file '{filename}': {error.strerror}")
        self.args = (self.reason,)


class ConfigSetError(Exception):
    """CONFIG SET was refused; str() is the text of the error reply. `loading`: say that a data set is loaded."""

    def __init__(self, text: str, loading: bool = False) -> None:
        super().__init__(text)
        self.loading = loading


class ApplyError(Exception):
    """Raised by an apply callback: the new value cannot take effect, for this reason."""


class Line(NamedTuple):
    """A directive as it was read: its words after the name, and where it stood."""
    args: tuple[str, ...]
    number: int
    text: str
    filename: str | None


@dataclass
class Startup:
    """What a command line asks for."""
    action: str = "run"                     # run, version, help, test-memory, check-system
    filename: str | None = None             # absolute path of the configuration file
    sentinel: bool = False
    args: list[str] = field(default_factory=list)      # of an action that is not run


@dataclass
class _Hook:
    """An effect of one setting (fn(old, new)) or of several (fn())."""
    names: tuple[str, ...]
    call: Callable[..., None]
    group: bool

    def run(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        self.call() if self.group else self.call(old[self.names[0]], new[self.names[0]])


class Config:
    """All settings of one server.

    `config["name"]` is a Python value (bool, int, str, None when unset, tuples for lists), `text` what CONFIG GET
    shows, `number` what the core is given. Names are case-insensitive and may be aliases; others raise KeyError.
    """

    def __init__(self, *, version: str = "7.4.0", product: str = "Redis", sentinel: bool = False,
                 table: Iterable[Setting] = SETTINGS, directory: str | None = None) -> None:
        self.product = f"{product} {version}"
        self.filename: str | None = None              # what `rewrite` writes
        self.sentinel = False
        self.rows: dict[str, Setting] = {}            # by name, in table order
        self.values: dict[str, Any] = {}
        self.defaults: dict[str, Any] = {}
        self.users: list[Line] = []
        self.renames: list[Line] = []
        self.modules: list[Line] = []
        self.sentinel_lines: list[Line] = []
        self.module_settings: dict[str, Line] = {}    # `module.name value` lines that no row has claimed
        # Both answer a reason to refuse, or None: words of a user line; old and new name of a command.
        self.check_user: Callable[[Sequence[str]], str | None] | None = None
        self.check_rename: Callable[[str, str], str | None] | None = None
        self.on_number: Callable[[str, int], object] | None = None
        self.rewriters: dict[str, Callable[[], list[str]]] = {}
        self._names: dict[str, str] = {}
        self._hooks: dict[str, list[_Hook]] = {}
        self._save_read = False
        self._depth = 0
        for row in table:
            self.add(row)
        if "dir" in self.rows:
            self.values["dir"] = self.defaults["dir"] = os.path.abspath(directory or os.getcwd())
        if sentinel:
            self.become_sentinel()

    def add(self, row: Setting) -> None:
        """One more setting, of an extension say; it takes the value a file gave it. ValueError: a name is taken."""
        for name in row.names:
            if name in self._names:
                raise ValueError(f"setting {name} exists")
        self._names.update(dict.fromkeys(row.names, row.name))
        self.rows[row.name] = row
        self.values[row.name] = self.defaults[row.name] = row.default
        for name in row.names:
            line = self.module_settings.pop(name, None)
            if line:
                self._load_setting(row, line)

    def become_sentinel(self) -> None:
        """Sentinel mode: other defaults, `sentinel` lines are taken. Before anything is loaded."""
        self.sentinel = True
        self.values.update(SENTINEL_DEFAULTS)
        self.defaults.update(SENTINEL_DEFAULTS)

    # ---- reading values ----

    def row(self, name: bytes | str) -> Setting:
        """The row of a name or alias. KeyError."""
        return self.rows[self._names[to_text(name).lower()]]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, (str, bytes)) and to_text(name).lower() in self._names

    def __getitem__(self, name: str) -> Any:
        return self.values[self.row(name).name]

    def text(self, name: str) -> str:
        """The canonical text, as CONFIG GET gives it."""
        row = self.row(name)
        return KINDS[row.kind].text(row, self.values[row.name])

    def number(self, name: str) -> int:
        """The int64 of a bool, int, memory, enum or mask; a percentage is negative. TypeError for other settings."""
        row = self.row(name)
        return KINDS[row.kind].number(row, self.values[row.name])

    def numeric_names(self) -> list[str]:
        """Names that have a number, in table order."""
        return [row.name for row in self.rows.values() if KINDS[row.kind].numeric]

    def push_numbers(self) -> None:
        """Give every number to `on_number`."""
        for name in self.numeric_names():
            self._push(name)

    def _push(self, name: str) -> None:
        row = self.rows[name]
        if self.on_number and KINDS[row.kind].numeric:
            self.on_number(name, KINDS[row.kind].number(row, self.values[name]))

    def get(self, patterns: Iterable[bytes | str]) -> list[tuple[str, str]]:
        """CONFIG GET: (name, text) of every name and alias that matches a glob; no name twice. O(names * patterns).

        An exact name is answered as it was typed; hidden settings answer to exact names only.
        """
        found: dict[str, tuple[str, str]] = {}
        for pattern in map(to_text, patterns):
            lower = pattern.lower()
            if not any(c in lower for c in "*?["):
                if lower in self._names:
                    found.setdefault(lower, (pattern, self.text(lower)))
                continue
            for row in self.rows.values():
                if not HIDDEN & row.flags:
                    for name in row.names:
                        if name not in found and glob_match(lower, name):
                            found[name] = name, self.text(name)
        return list(found.values())

    # ---- CONFIG SET ----

    def on_apply(self, name: str, call: Callable[[Any, Any], None]) -> None:
        """call(old, new) when `set` has changed the value; ApplyError refuses, and must leave things as they were.

        Called with the values exchanged to roll back when a later effect refuses. Bounds have been checked before."""
        name = self.row(name).name
        self._hooks.setdefault(name, []).append(_Hook((name,), call, False))

    def on_apply_group(self, names: Iterable[str], call: Callable[[], None]) -> None:
        """call() once when `set` has changed any of these settings; otherwise as `on_apply`."""
        hook = _Hook(tuple(self.row(name).name for name in names), call, True)
        for name in hook.names:
            self._hooks.setdefault(name, []).append(hook)

    def set(self, pairs: Iterable[tuple[bytes | str, bytes | str]], *, loading: bool = False,
            local: bool = False) -> None:
        """CONFIG SET: all of the pairs or none. Raises ConfigSetError.

        `loading`: a data set is being loaded. `local`: the client is on this machine (protected settings).
        """
        wanted = [(to_text(name), to_text(value)) for name, value in pairs]
        self._check_settable([name for name, _ in wanted], loading, local)
        before = dict(self.values)
        asked: dict[str, str] = {}                   # name -> as the client wrote it
        try:
            for typed, value in wanted:
                row = self.row(typed)
                asked[row.name] = typed
                self.values[row.name] = self._parse_set(row, value)
        except BadValue as error:
            self.values.update(before)
            raise _refused(typed, str(error)) from None
        self._apply({name: typed for name, typed in asked.items()
                     if before[name] != self.values[name] or FILE & self.rows[name].flags}, before)

    def _check_settable(self, names: list[str], loading: bool, local: bool) -> None:
        level = self.values.get("enable-protected-configs", "no")
        seen: set[str] = set()
        for typed in names:
            if typed not in self:
                raise ConfigSetError(f"Unknown option or number of arguments for CONFIG SET - '{typed}'")
            flags = self.row(typed).flags
            if IMMUTABLE & flags:
                raise _refused(typed, "can't set immutable config")
            if PROTECTED & flags and not (level == "yes" or (level == "local" and local)):
                raise _refused(typed, "can't set protected config")
            if loading and NO_LOADING & flags:
                raise ConfigSetError("Redis is loading the dataset in memory", loading=True)
            # compat: a name and its alias in one command are no duplicates, the later one counts
            if typed.lower() in seen:
                raise _refused(typed, "duplicate parameter")
            seen.add(typed.lower())

    def _parse_set(self, row: Setting, value: str) -> Any:
        kind = KINDS[row.kind]
        # compat: words of one value are parted by single spaces, so "900  1" has an empty word and is refused
        args = (value.split(" ") if value else []) if kind.words else [value]
        return self._parse(row, kind, args)

    def _parse(self, row: Setting, kind: Kind, args: Sequence[str]) -> Any:
        if row.kind == "dir":
            return self._directory(args[0])
        return kind.parse(row, args, self.values[row.name])

    def _directory(self, path: str) -> str:
        """An absolute path of a directory that can be entered. BadValue with the system's reason."""
        try:
            if not path or "\0" in path:
                raise FileNotFoundError(2, os.strerror(2))
            full = os.path.realpath(os.path.join(self.values["dir"], path))
            os.stat(os.path.join(full, "."))
        except OSError as error:
            raise BadValue(error.strerror) from None
        return full

    def _apply(self, changed: dict[str, str], before: dict[str, Any]) -> None:
        """Numbers first, since effects may need them in place; then each effect once; all undone if one refuses."""
        done: list[_Hook] = []
        after = dict(self.values)
        try:
            for name in changed:
                self._push(name)
            for name in changed:
                for hook in self._hooks.get(name, ()):
                    if not any(hook is other for other in done):
                        done.append(hook)
                        hook.run(before, self.values)
        except BaseException as error:
            self.values.update(before)
            for other in changed:
                self._push(other)
            for hook in reversed(done[:-1] if isinstance(error, ApplyError) else done):
                _undo(hook, after, before)
            if isinstance(error, ApplyError):
                raise _refused(changed[name], str(error)) from None
            raise

    def assign(self, name: str, *args: bytes | str) -> None:
        """Change a value from inside (REPLICAOF, an ACL change): words as in a file, flags ignored, no effects run.

        Raises BadValue."""
        row = self.row(name)
        self.values[row.name] = self._parse(row, KINDS[row.kind], [to_text(word) for word in args])
        self._push(row.name)

    # ---- loading ----

    def load_argv(self, argv: Sequence[str], *, program: str = "redis-server",
                  stdin: Callable[[], bytes] | None = None) -> Startup:
        """Take the command line (without the program's name) as redis-server does. Raises ConfigError.

        A first word that is no option names the file; `-` first or last means standard input; options are
        `--name value ...` or "--name value". Unless the action is `run`, nothing has been loaded.
        """
        argv = [to_text(word) for word in argv]
        first = argv[0] if argv else ""
        actions = {"-v": "version", "--version": "version", "-h": "help", "--help": "help",
                   "--test-memory": "test-memory", "--check-system": "check-system"}
        if first in actions and (actions[first] in ("version", "test-memory") or len(argv) == 1):
            return Startup(actions[first], args=list(argv[1:]))
        if not self.sentinel and ("--sentinel" in argv or "redis-sentinel" in os.path.basename(program)):
            self.become_sentinel()
        startup = Startup(sentinel=self.sentinel)
        text = b""
        if first and not first.startswith("-"):
            startup.filename = self.filename = os.path.abspath(first)
            text = read_file(startup.filename)
            argv = argv[1:]
        reads_stdin = [word == "-" for word in argv[:1] + argv[-1:]]
        if any(reads_stdin):
            argv = argv[1:] if reads_stdin[0] else argv[:-1]
            text += (stdin or sys.stdin.buffer.read)()
        if argv and argv != [""]:
            text += b"\n" + "\n".join(options_as_lines(argv)).encode("utf-8", "surrogateescape")
        self.load_text(text, startup.filename)
        return startup

    def load_file(self, filename: str) -> None:
        """Read a file and remember it for `rewrite`. Raises ConfigError."""
        self.filename = os.path.abspath(filename)
        self.load_text(read_file(self.filename), self.filename)

    def load_text(self, text: bytes | str, filename: str | None = None) -> None:
        """Take the text of a redis.conf, then push all numbers. Raises ConfigError (values are then half loaded)."""
        self._save_read = False
        self._load(text, filename)
        if self.values.get("cluster-enabled") and self.values.get("replicaof"):
            raise self._fatal("replicaof directive not allowed in cluster mode")
        self._check_logfile()
        self.push_numbers()

    def unclaimed(self) -> list[Line]:
        """Lines `module.name value` that no extension has claimed: the server refuses to start with any."""
        return list(self.module_settings.values())

    def _fatal(self, reason: str, line: Line | None = None) -> ConfigError:
        return ConfigError(reason, line, self.product)

    def _check_logfile(self) -> None:
        logfile = self.values.get("logfile")
        if not logfile:
            return
        try:
            with open(os.path.join(self.values["dir"], logfile), "ab"):
                pass
        except OSError as error:
            raise self._fatal(f"Can't open the log file: {error.strerror}") from None

    def _load(self, text: bytes | str, filename: str | None) -> None:
        for number, raw in enumerate(to_text(text).split("\n"), 1):
            shown = raw.strip(" \t\r\n")
            if not shown or shown.startswith("#"):
                continue
            words = split_words(shown)
            if words is None:
                raise self._fatal("Unbalanced quotes in configuration line", Line((), number, shown, filename))
            if words:
                self._load_line(words[0].lower(), Line(tuple(words[1:]), number, shown, filename))

    def _load_line(self, name: str, line: Line) -> None:
        if name in self._names:
            self._load_setting(self.row(name), line)
        elif name in _DIRECTIVES and len(line.args) in _DIRECTIVES[name][0]:
            _DIRECTIVES[name][1](self, line)
        elif name in OBSOLETE and len(line.args) == 1:
            return
        elif "." in name and name not in _DIRECTIVES:
            if not line.args:
                raise self._fatal("Module config specified without value", line)
            self.module_settings[name] = line
        else:
            raise self._fatal(_BAD_DIRECTIVE, line)

    def _load_setting(self, row: Setting, line: Line) -> None:
        kind, args = KINDS[row.kind], line.args
        if kind.words and len(args) == 1 and args[0]:
            args = tuple(args[0].split(" "))
        if not kind.words and len(args) != 1:
            raise self._fatal(_WRONG_NUMBER, line)
        try:
            value = self._parse(row, kind, args)
        except BadValue as error:
            raise self._fatal(str(error), line) from None
        if row.kind == "save":
            # The first save line drops the default, the next ones add; an empty value drops all.
            held = self.values["save"] if self._save_read else ()
            value = () if args == ("",) else held + value
            self._save_read = True
        self.values[row.name] = value

    def _load_include(self, line: Line) -> None:
        path = os.path.join(self.values["dir"], line.args[0])
        if self._depth == INCLUDE_DEPTH:
            raise self._fatal("include directives are nested too deeply", line)
        self._depth += 1
        try:
            for name in sorted(glob.glob(path)) if glob.has_magic(path) else [path]:
                self._load(read_file(name, line.args[0] if name == path else name), name)
        finally:
            self._depth -= 1

    def _load_user(self, line: Line) -> None:
        name = line.args[0]
        if any(other.args[0] == name for other in self.users):
            raise self._fatal(f"Error in user declaration '{name}': Duplicate user found. "
                              "A user can only be defined once in config files", line)
        reason = self.check_user(line.args) if self.check_user else None
        if reason:
            raise self._fatal(reason, line)
        self.users.append(line)

    def _load_rename(self, line: Line) -> None:
        reason = self.check_rename(line.args[0], line.args[1]) if self.check_rename else None
        if reason:
            raise self._fatal(reason, line)
        self.renames.append(line)

    def _load_sentinel(self, line: Line) -> None:
        if not self.sentinel:
            raise self._fatal("sentinel directive while not in sentinel mode", line)
        self.sentinel_lines.append(line)

    # ---- CONFIG REWRITE ----

    def on_rewrite(self, name: str, lines: Callable[[], list[str]]) -> None:
        """Whole lines of a directive without a value: user, loadmodule, sentinel. Without it, the file's stay."""
        self.rewriters[name] = lines

    def rewrite(self, path: str | None = None, *, force_all: bool = False) -> None:
        """CONFIG REWRITE: bring the file up to date, atomically. Raises RewriteError.

        `force_all` writes settings that have their default, too.
        """
        path = path or self.filename
        if path is None:
            raise RewriteError("The server is running without a config file")
        wanted: dict[str, list[tuple[str, bool]]] = {}
        for row in self.rows.values():
            wanted[row.name] = KINDS[row.kind].lines(row, self.values[row.name], self.defaults[row.name], force_all)
        for name, lines in self.rewriters.items():
            wanted[name] = [(line, True) for line in lines()]
        rewrite_file(path, wanted, self._names)


_DIRECTIVES: dict[str, tuple[Iterable[int], Callable[[Config, Line], None]]] = {
    # name: (numbers of words it takes, what is done)
    "include": (range(1, 2), Config._load_include),
    "user": (range(1, sys.maxsize), Config._load_user),
    "rename-command": (range(2, 3), Config._load_rename),
    "loadmodule": (range(1, sys.maxsize), lambda config, line: config.modules.append(line)),
    "sentinel": (range(1, sys.maxsize), Config._load_sentinel),
}


def _refused(typed: str, reason: str) -> ConfigSetError:
    return ConfigSetError(f"CONFIG SET failed (possibly related to argument '{typed}') - {reason}")


def _undo(hook: _Hook, after: dict[str, Any], before: dict[str, Any]) -> None:
    """Back to what held before. It held, so a refusal now is no news for the client, who hears of the first one."""
    try:
        hook.run(after, before)
    except ApplyError:
        pass


def read_file(path: str, shown: str | None = None) -> bytes:
    """Bytes of a configuration file. ConfigOpenError names `shown` or the path."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ConfigOpenError(shown or path, error) from None


def options_as_lines(words: Sequence[str]) -> list[str]:
    """Lines of redis.conf for the options of a command line, as redis-server forms them.

    A word beginning with -- is an option, unless the word before is one without a value: then it is that one's value
    (--save and --sentinel never take such a value). Values are quoted; "--name value" in one word is taken as it is.
    """
    lines: list[list[str]] = []
    waiting = ""                                     # the option that may take a -- word as its value
    for word in words:
        if word.startswith("--") and (not waiting or waiting == "save"):
            name = word[2:]
            inside = name.split()
            waiting = (inside[0] if inside else "--") if len(inside) < 2 else ""
            if waiting.lower() in ("save", "sentinel"):
                waiting = "save" if waiting.lower() == "save" else ""
            lines.append([name])
        else:
            waiting = ""
            lines = lines or [[]]
            lines[-1].append(quote(word))
    return [_option_line(line) for line in lines]


def _option_line(words: list[str]) -> str:
    if words == ["save"]:
        return 'save ""'
    return "" if words == ["sentinel"] else " ".join(words)


def glob_match(pattern: str, name: str) -> bool:
    """Glob with * ? [a-c] [^a] and backslash escapes. O(pattern * name), whatever the pattern."""
    tokens = _glob_tokens(pattern)
    at, here, star, mark = 0, 0, -1, 0
    while here < len(name):
        token = tokens[at] if at < len(tokens) else None
        if token is not None and token == "*":
            star, mark = at, here
            at += 1
        elif isinstance(token, tuple) and (name[here] in token[0]) != token[1]:
            at, here = at + 1, here + 1
        elif star >= 0:
            mark += 1
            at, here = star + 1, mark
        else:
            return False
    return all(token == "*" for token in tokens[at:])


def _glob_tokens(pattern: str) -> list[str | tuple[str, bool]]:
    """"*", or (characters, whether all but these match)."""
    tokens: list[str | tuple[str, bool]] = []
    i = 0
    while i < len(pattern):
        c = pattern[i]
        if c == "*":
            tokens.append("*")
        elif c == "?":
            tokens.append(("", True))
        elif c == "[":
            i, members, inverted = _glob_class(pattern, i + 1)
            tokens.append((members, inverted))
        else:
            if c == "\\" and i + 1 < len(pattern):
                i += 1
            tokens.append((pattern[i], False))
        i += 1
    return tokens


def _glob_class(pattern: str, i: int) -> tuple[int, str, bool]:
    """(index of the closing bracket or of the last character, members, inverted) of the class that begins at i."""
    inverted = pattern.startswith("^", i)
    i += inverted
    members = ""
    while i < len(pattern) and pattern[i] != "]":
        if pattern[i] == "\\" and i + 1 < len(pattern):
            i += 1
            members += pattern[i]
        elif pattern[i + 1:i + 2] == "-" and i + 2 < len(pattern):
            low, high = sorted((pattern[i], pattern[i + 2]))
            # Names are ASCII, a wider range needs no more members.
            members += "".join(map(chr, range(ord(low), min(ord(high), 127) + 1)))
            i += 2
        else:
            members += pattern[i]
        i += 1
    return i, members, inverted
