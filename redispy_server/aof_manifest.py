"""The manifest of the append-only files: which file is the base, which are the increments, which may be deleted.

A line per file, `file <name> seq <n> type <b|h|i>`; the layout is Redis's.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from .config_values import quote, split_words

LINE_MAX = 1024


class ManifestError(Exception):
    """What is wrong with a manifest, as the log says it."""


@dataclass
class AofFile:
    """A file named in the manifest."""
    name: str
    seq: int
    kind: str                                   # b base, i increment, h history

    def line(self) -> str:
        """Its line of the manifest."""
        plain = all(33 <= ord(c) < 127 and c not in "\"'\\" for c in self.name)
        return f"file {self.name if plain else quote(self.name)} seq {self.seq} type {self.kind}\n"


@dataclass
class Manifest:
    """The files in the order of their loading."""
    base: AofFile | None = None
    increments: list[AofFile] = field(default_factory=list)
    history: list[AofFile] = field(default_factory=list)
    base_seq: int = 0
    increment_seq: int = 0

    def text(self) -> str:
        """The manifest file's content."""
        files = ([self.base] if self.base else []) + self.history + self.increments
        return "".join(f.line() for f in files)

    def next_base(self, prefix: str, rdb: bool) -> AofFile:
        """The base that a rewrite makes; it replaces the present one, which becomes history."""
        if self.base is not None:
            self.history.insert(0, AofFile(self.base.name, self.base.seq, "h"))
        self.base_seq += 1
        self.base = AofFile(f"{prefix}.{self.base_seq}.base.{'rdb' if rdb else 'aof'}", self.base_seq, "b")
        return self.base

    def next_increment(self, prefix: str) -> AofFile:
        """A new last increment."""
        self.increment_seq += 1
        self.increments.append(AofFile(f"{prefix}.{self.increment_seq}.incr.aof", self.increment_seq, "i"))
        return self.increments[-1]

    def retire_increments(self, *, all_of_them: bool) -> None:
        """The increments are in the base: they become history, but for the last, if that is still appended to."""
        kept = [] if all_of_them else self.increments[-1:]
        for old in self.increments[:len(self.increments) - len(kept)]:
            self.history.insert(0, AofFile(old.name, old.seq, "h"))
        self.increments = kept

    def files(self) -> list[AofFile]:
        """What is loaded, in order."""
        return ([self.base] if self.base else []) + self.increments

    def copy(self) -> Manifest:
        """Another one to try a change on."""
        return Manifest(self.base, list(self.increments), list(self.history), self.base_seq, self.increment_seq)


def _parse_line(line: str) -> AofFile:
    words = split_words(line)
    if words is None or len(words) < 6 or len(words) % 2:
        raise ManifestError("Invalid AOF manifest file format")
    pairs = {name.lower(): value for name, value in zip(words[::2], words[1::2])}
    if not {"file", "seq", "type"} <= pairs.keys():
        raise ManifestError("Invalid AOF manifest file format")
    name = pairs["file"]
    if os.path.basename(name) != name or not name:
        raise ManifestError("File can't be a path, just a filename")
    seq = int(pairs["seq"]) if pairs["seq"].isdigit() else 0
    if seq == 0 or len(pairs["type"]) != 1:
        raise ManifestError("Invalid AOF manifest file format")
    return AofFile(name, seq, pairs["type"])


def parse_manifest(text: str) -> Manifest:
    """The Manifest of a file's content. Raises ManifestError."""
    manifest = Manifest()
    if not text:
        raise ManifestError("Found an empty AOF manifest")
    for line in re.findall(r"[^\n]*\n|[^\n]+\Z", text):
        if line.startswith("#"):
            continue
        if len(line) >= LINE_MAX:
            raise ManifestError("The AOF manifest file contains too long line")
        if not line.strip() or not line.endswith("\n"):
            raise ManifestError("Invalid AOF manifest file format")
        _add(manifest, _parse_line(line))
    return manifest


def _add(manifest: Manifest, found: AofFile) -> None:
    if found.kind == "b":
        if manifest.base is not None:
            raise ManifestError("Found duplicate base file information")
        manifest.base, manifest.base_seq = found, found.seq
    elif found.kind == "h":
        manifest.history.append(found)
    elif found.kind == "i":
        if found.seq <= manifest.increment_seq:
            raise ManifestError("Found a non-monotonic sequence number")
        manifest.increments.append(found)
        manifest.increment_seq = found.seq
    else:
        raise ManifestError("Unknown AOF file type")
