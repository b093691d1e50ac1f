"""The replies of COMMAND and of every container's HELP, built from rows as Python objects (proto/replies).

Room exec; the registry makes a Catalog of the rows that have a body and asks it. Nothing here is on the data path.
COMMAND INFO's layout is Redis 7's: name, arity, flags, first, last, step, ACL categories, tips, key specs,
subcommands; flags, categories, tips, specs and subcommands are sets, flags and categories simple strings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..proto.replies import Map, Set, Status
from .docs import Doc, doc_reply, load_docs, parse_syntax, usage
from .table import Acl, Keys, Row, acl_names, flag_names, key_flag_names, legacy_range, rows_by_name

Reply = Any                                             # whatever proto/replies names


def wire_name(row: Row) -> bytes:
    """A row's name as clients see it: lower case, container and subcommand joined by a bar."""
    return row.name.lower().encode()


def _statuses(words: Iterable[str]) -> Set:
    return Set(Status(word.encode()) for word in words)


def key_spec_reply(k: Keys) -> Map:
    """One key spec of COMMAND INFO."""
    begin = find = Map()
    if k.begin == "index":
        begin = Map([(b"index", k.at)])
    elif k.begin == "keyword":
        begin = Map([(b"keyword", k.word.encode()), (b"startfrom", k.at)])
    if k.find == "range":
        find = Map(zip((b"lastkey", b"keystep", b"limit"), k.nums))
    elif k.find == "keynum":
        find = Map(zip((b"keynumidx", b"firstkey", b"keystep"), k.nums))
    pairs = Map([(b"notes", k.note.encode())] if k.note else [])
    pairs.append((b"flags", _statuses(key_flag_names(k))))
    pairs.append((b"begin_search", Map([(b"type", k.begin.encode()), (b"spec", begin)])))
    pairs.append((b"find_keys", Map([(b"type", k.find.encode()), (b"spec", find)])))
    return pairs


def row_reply(row: Row, children: Iterable[Row] = ()) -> list[Reply]:
    """COMMAND INFO's entry for a row and its visible subcommands."""
    return [wire_name(row), row.arity, _statuses(flag_names(row)), *legacy_range(row),
            _statuses("@" + name for name in acl_names(row.acl)), Set(tip.encode() for tip in row.tips),
            Set(key_spec_reply(k) for k in row.keys), Set(row_reply(child) for child in children)]


class Catalog:
    """The commands that clients can see, and what is told of them.

    rows: those with a body; a container need not be among them if one of its subcommands is.
    modules: module names by row name, for rows that a module brought. docs: entries beside those of docs.json.
    """

    def __init__(self, rows: Iterable[Row], modules: Mapping[str, str] | None = None,
                 docs: Mapping[str, Doc] | None = None) -> None:
        self.rows: dict[str, Row] = {row.name: row for row in rows}
        self.modules = modules or {}
        self.more_docs = docs or {}
        self.children: dict[str, list[Row]] = {}
        for row in list(self.rows.values()):
            parent, bar, _ = row.name.partition("|")
            if bar:
                self.children.setdefault(parent, []).append(row)
                if parent not in self.rows:
                    self.rows[parent] = rows_by_name()[parent]
        self.top = [row for name, row in self.rows.items() if "|" not in name]

    def _find(self, name: bytes) -> Row | None:
        return self.rows.get(name.decode("utf-8", "replace").upper())

    def _doc(self, row: Row) -> Doc:
        return self.more_docs.get(row.name) or load_docs().get(row.name) or {}

    def _entry(self, row: Row) -> list[Reply]:
        return row_reply(row, self.children.get(row.name, ()))

    def command(self) -> Reply:
        """COMMAND: an entry for every command."""
        return [self._entry(row) for row in self.top]

    def info(self, names: list[bytes]) -> Reply:
        """COMMAND INFO [name ...]: an entry or null a name; all without names."""
        if not names:
            return self.command()
        found = [self._find(name) for name in names]
        return [self._entry(row) if row else None for row in found]

    def count(self) -> Reply:
        """COMMAND COUNT: subcommands do not count."""
        return len(self.top)

    def names(self, args: list[bytes], glob: Callable[[bytes, bytes], bool]) -> Reply:
        """COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern], subcommands too.

        glob(pattern, name) matches without regard to case. ValueError: the arguments are a syntax error.
        """
        keep = self._filter(args, glob)
        return [wire_name(row) for row in self.rows.values() if keep(row)]

    def _filter(self, args: list[bytes], glob: Callable[[bytes, bytes], bool]) -> Callable[[Row], bool]:
        if not args:
            return lambda row: True
        if len(args) != 3 or args[0].upper() != b"FILTERBY":
            raise ValueError("syntax error")
        kind, word = args[1].upper(), args[2]
        text = word.decode("utf-8", "replace").upper()
        if kind == b"MODULE":
            return lambda row: self.modules.get(row.name, "").upper() == text != ""
        if kind == b"ACLCAT":
            mask = next((category for category in Acl if category.name == text), 0)
            return lambda row: bool(row.acl & mask)
        if kind == b"PATTERN":
            return lambda row: glob(word, wire_name(row))
        raise ValueError("syntax error")

    def docs(self, names: list[bytes]) -> Reply:
        """COMMAND DOCS [name ...]: a map from names to what is said of them; unknown names are left out."""
        rows = [row for name in names if (row := self._find(name))] if names else self.top
        return Map((wire_name(row), self._docs_of(row)) for row in rows)

    def _docs_of(self, row: Row) -> Map:
        children = [(wire_name(child), self._docs_of(child)) for child in self.children.get(row.name, ())]
        return doc_reply(row, self._doc(row), self.modules.get(row.name, ""), children)

    def help(self, container: str) -> Reply:
        """<container> HELP: the lines that explain its visible subcommands, HELP itself last."""
        parent = self.rows[container.upper()]
        lines = [f"{parent.name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
        if parent.arity == -1:
            lines += ["(no subcommand)", "    " + self._doc(parent).get("summary", "") + "."]
        children = self.children.get(parent.name, [])
        for child in sorted(children, key=lambda row: (row.name.endswith("|HELP"), row.name)):
            doc = self._doc(child)
            word = child.name.partition("|")[2]
            lines.append(" ".join(filter(None, (word, usage(parse_syntax(doc.get("args", "")))))))
            lines.append("    " + doc.get("summary", "") + ".")
        return [Status(line.encode()) for line in lines]
