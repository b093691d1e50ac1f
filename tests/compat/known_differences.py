"""What Redis 7.4, which redispy follows, is known to answer differently from the server it is compared with.

A row: reference (name, and the versions it holds for), the command line as a regular expression, what Redis 7.4 answers
(as support.resp.describe writes it; None: not checked), and why. Rows are for single facts; a whole field of differences
belongs under a mark in the cases.
"""
import re
from dataclasses import dataclass

from support.resp import describe


@dataclass(frozen=True)
class Known:
    reference: str           # "valkey" or "redis"
    since: tuple             # first version of the reference that differs
    command: str             # full match on the line without its marks, whatever the case of its letters
    expected: str | None     # describe() of the right reply, or None
    why: str
    until: tuple = (999,)    # first version that agrees again
    protocol: int | None = None


KNOWN: list[Known] = []


def judge(about, protocol, known=None):
    """A function for differ.run: True and False for lines that a row knows, None for all others."""
    rows = [row for row in (KNOWN if known is None else known)
            if row.reference == about.name and row.since <= about.version < row.until and row.protocol in (None, protocol)]

    def verdict(line, ours, _theirs):
        for row in rows:
            if re.fullmatch(row.command, line.text, re.I):
                return row.expected is None or describe(ours) == row.expected
        return None

    return verdict
