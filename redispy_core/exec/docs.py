"""What COMMAND DOCS says of a command: prose and syntax from docs.json, facts from the row.

Room exec; called by command_info. docs.json is read on the first call, not at start.

docs.json: {name: {"summary": text, "complexity": text, "history": [[version, change], ...], "args": syntax}}, sorted;
all but the summary may be absent. The syntax is compact and is expanded into COMMAND DOCS's tree of arguments here:

    name            a string argument; name:t of another type, t = i integer, d double, k key, p pattern, t unix-time
    name@n          a key argument (or of the type given) to which the n-th key spec applies
    name~text       shown to users as text instead of its name
    TOKEN           a pure token, by default called token; name=TOKEN or name='token' otherwise
    TOKEN name      an argument behind a word; a pure token that only stands before an argument is written TOKEN,
    name=<a|b>      one of these                name=(a b)      these in sequence
    x+              once or more                x++             the same, its token repeated too
    x{6.2.0}        since that version          x{!6.2.0}       deprecated since
    [x]             optional

Marks follow in the order :type ~text @spec {since} {!deprecated} + .
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, TypedDict

from ..proto.replies import Map, Set, Status
from .table import Row, rows_by_name, subcommands

TYPES = {"i": "integer", "d": "double", "k": "key", "p": "pattern", "t": "unix-time", "s": "string"}


class Doc(TypedDict, total=False):
    """An entry of docs.json."""
    summary: str
    complexity: str
    history: list[list[str]]
    args: str


class Arg(TypedDict, total=False):
    """A node of the argument tree; the keys are COMMAND DOCS's, in its order."""
    name: str
    type: str
    display_text: str
    key_spec_index: int
    token: str
    since: str
    deprecated_since: str
    flags: list[str]
    arguments: list[Any]


ARG_ORDER = ("name", "type", "display_text", "key_spec_index", "token", "since", "deprecated_since", "flags",
             "arguments")


@cache
def load_docs() -> dict[str, Doc]:
    """docs.json by upper-case name; read once."""
    text = Path(__file__).with_name("docs.json").read_text("utf-8")
    docs: dict[str, Doc] = json.loads(text)
    return docs


_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_TOKEN = re.compile(r"[A-Z][A-Z0-9_-]*|'[^']*'")
_MARK = re.compile(r":(?P<type>[idkpts])|~(?P<text>[a-z0-9:_-]+)|@(?P<spec>\d+)"
                   r"|\{(?P<since>[\d.]+)\}|\{!(?P<gone>[\d.]+)\}|(?P<more>\+\+?)")


class SyntaxParser:
    """Recursive descent over one syntax string; ValueError with the place if it does not fit the grammar above."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def parse(self) -> list[Arg]:
        args = self._sequence("")
        if self.at != len(self.text):
            raise self._error("unexpected text")
        return args

    def _error(self, what: str) -> ValueError:
        return ValueError(f"{what} at {self.at} in {self.text!r}")

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def _accept(self, char: str) -> bool:
        if self.text.startswith(char, self.at):
            self.at += len(char)
            return True
        return False

    def _expect(self, char: str) -> None:
        if not self._accept(char):
            raise self._error(f"no {char!r}")

    def _sequence(self, end: str) -> list[Arg]:
        args: list[Arg] = []
        while True:
            self._take(_SPACE)
            self._accept(",")
            self._take(_SPACE)
            if self.at == len(self.text) or (end and self.text.startswith(end, self.at)):
                return args
            args.append(self._element())

    def _element(self) -> Arg:
        if not self._accept("["):
            return self._bare([])
        arg = self._bare(["optional"])
        self._expect("]")
        return arg

    def _bare(self, flags: list[str]) -> Arg:
        """One argument without its brackets."""
        arg: Arg = {}
        token = self._take(_TOKEN)
        if token:
            arg["token"] = token[0].strip("'")
            if not re.match(r" [a-z]", self.text[self.at:]):
                arg["name"] = arg["display_text"] = arg["token"].lower()
                arg["type"] = "pure-token"
                return self._marks(arg, flags)
            self._take(_SPACE)
        name = self._take(_NAME)
        if not name:
            raise self._error("no argument")
        arg["name"] = name[0]
        if self._accept("="):
            self._after_equals(arg)
        else:
            arg["type"] = "string"
            arg["display_text"] = arg["name"]
        return self._marks(arg, flags)

    def _after_equals(self, arg: Arg) -> None:
        if self._accept("("):
            arg["type"] = "block"
            arg["arguments"] = self._sequence(")")
            self._expect(")")
        elif self._accept("<"):
            arg["type"] = "oneof"
            arg["arguments"] = [self._element()]
            while self._accept("|"):
                arg["arguments"].append(self._element())
            self._expect(">")
        else:
            token = self._take(_TOKEN)
            if not token:
                raise self._error("no group or token")
            arg["type"] = "pure-token"
            arg["token"] = token[0].strip("'")
            arg["display_text"] = arg["name"]

    def _marks(self, arg: Arg, flags: list[str]) -> Arg:
        while mark := self._take(_MARK):
            kind, value = mark.lastgroup, mark[mark.lastgroup or 0]
            if kind == "type":
                arg["type"] = TYPES[value]
            elif kind == "text":
                arg["display_text"] = value
            elif kind == "spec":
                arg["key_spec_index"] = int(value)
                if arg["type"] == "string":
                    arg["type"] = "key"
            elif kind == "since":
                arg["since"] = value
            elif kind == "gone":
                arg["deprecated_since"] = value
            else:
                flags += ["multiple"] if value == "+" else ["multiple", "multiple_token"]
        if flags:
            arg["flags"] = flags
        return arg


def parse_syntax(text: str) -> list[Arg]:
    """The argument tree of a syntax string."""
    return SyntaxParser(text).parse()


def usage(args: list[Arg]) -> str:
    """A tree as one line for people: `<key> [NX | XX] [EX <seconds>]`."""
    return " ".join(_usage(arg) for arg in args)


def _usage(arg: Arg) -> str:
    kind = arg["type"]
    if kind == "pure-token":
        text = arg["token"] or '""'
    elif kind == "oneof":
        text = " | ".join(_usage(sub) for sub in arg["arguments"])
    elif kind == "block":
        text = usage(arg["arguments"])
    else:
        text = f"<{arg['display_text']}>"
    flags = arg.get("flags", [])
    if kind == "oneof" and ("optional" not in flags or "token" in arg or "multiple" in flags):
        text = f"({text})"
    if "token" in arg and kind != "pure-token":
        if "multiple" in flags and "multiple_token" not in flags:
            text = f"{text} [{text} ...]"
        text = f"{arg['token']} {text}"
        if "multiple_token" in flags:
            text = f"{text} [{text} ...]"
    elif "multiple" in flags:
        text = f"{text} [{text} ...]"
    return f"[{text}]" if "optional" in flags else text


def args_reply(args: list[Arg]) -> list[Map]:
    """An argument tree as COMMAND DOCS sends it."""
    return [_arg_reply(arg) for arg in args]


def _arg_reply(arg: Arg) -> Map:
    pairs = Map()
    for key in ARG_ORDER:
        if key not in arg:
            continue
        value: Any = arg[key]                           # type: ignore[literal-required]
        if key == "flags":
            value = Set(Status(flag.encode()) for flag in value)
        elif key == "arguments":
            value = args_reply(value)
        elif isinstance(value, str):
            value = value.encode()
        pairs.append((key.encode(), value))
    return pairs


def doc_reply(row: Row, doc: Doc, module: str = "", children: list[tuple[bytes, Map]] | None = None) -> Map:
    """COMMAND DOCS's map for one command; `children`: (name, map) of its visible subcommands."""
    pairs = Map()

    def put(key: str, value: str) -> None:
        if value:
            pairs.append((key.encode(), value.encode()))

    put("summary", doc.get("summary", ""))
    put("since", row.since)
    put("group", row.group.replace("_", "-"))
    put("complexity", doc.get("complexity", ""))
    put("module", module)
    marks = [Status(b"deprecated")] if row.deprecated else []
    if row.syscmd:
        marks.append(Status(b"syscmd"))
    if marks:
        pairs.append((b"doc_flags", Set(marks)))
    put("deprecated_since", row.deprecated)
    put("replaced_by", row.replaced_by)
    if "history" in doc:
        pairs.append((b"history", Set([version.encode(), change.encode()] for version, change in doc["history"])))
    if "args" in doc:
        pairs.append((b"arguments", args_reply(parse_syntax(doc["args"]))))
    if children:
        pairs.append((b"subcommands", Map(children)))
    return pairs


def docs_reply(name: str) -> Map | None:
    """COMMAND DOCS's map for a row of the table with all its subcommands; None for an unknown name."""
    row = rows_by_name().get(name.upper())
    if row is None:
        return None
    docs = load_docs()
    children = [(sub.name.lower().encode(), doc_reply(sub, docs.get(sub.name, {}))) for sub in subcommands(row.name)]
    return doc_reply(row, docs.get(row.name, {}), "", children)
