"""What Redis 7.4, which redispy follows, is known to answer differently from the server it is compared with.

A row holds where a reference gives the named reply to the command; then ours must be the expected one. Replies are
written as support.resp.describe does. Rows are for single facts; a whole field of differences belongs under a mark in
the cases.
"""
import re
from dataclasses import dataclass

from support.resp import describe


@dataclass(frozen=True)
class Known:
    reference: str           # "valkey" or "redis"
    since: tuple             # first version of the reference for which the row was seen
    command: str             # full match on the line without its marks, whatever the case of its letters
    theirs: str              # the reference's reply (a regular expression)
    ours: str                # the right reply; "$-1" stands for the null of RESP3, too
    why: str


TEXT = "one text for all such cases there"
KNOWN = [
    Known("valkey", (9, 0), r"BITCOUNT k 0", r":26", "-'ERR syntax error'", "a start without an end is allowed there"),
    Known("valkey", (9, 0), r"BITCOUNT l 0", r"-'WRONGTYPE.*", "-'ERR syntax error'", "a start without an end is allowed there"),
    Known("valkey", (9, 0), r"CLIENT KILL ID abc", r"-'ERR syntax error'", "-'ERR client-id should be greater than 0'", TEXT),
    Known("valkey", (9, 0), r"CLIENT LIST ID abc", r"-'ERR syntax error'", "-'ERR Invalid client ID'", TEXT),
    Known("valkey", (9, 0), r"CLIENT UNBLOCK 999999 ERROR x", r":0",
          "-\"ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP.\"", "ignored there"),
    Known("valkey", (9, 0), r'"SET k .*"a.*"b.*"', r"\+'OK'", "-'ERR Protocol error: unbalanced quotes in request'",
          "anything may follow a closing quote there"),
    Known("valkey", (9, 0), r"READONLY", r"\+'OK'", "-'ERR This instance has cluster support disabled'",
          "accepted without a cluster there"),
    Known("valkey", (9, 0), r"SORT e", r"-\"ERR One or more.*", "*2\n  $''\n  $'1'", "an empty string counts as 0 in Redis"),
    Known("valkey", (9, 0), r"MULTI", r"-\"ERR Command 'multi' not.*", "-'ERR MULTI calls can not be nested'", TEXT),
    Known("valkey", (9, 0), r"WATCH a", r"-\"ERR Command 'watch' not.*", "-'ERR WATCH inside MULTI is not allowed'", TEXT),
    Known("valkey", (9, 0), r"SHUTDOWN", r"-\"ERR Command 'shutdown' not.*", "-'ERR Command not allowed inside a transaction'",
          TEXT),
    Known("valkey", (8, 0), r"OBJECT ENCODING e45", r"\$'embstr'", "$'raw'", "objects embed more bytes there"),
    Known("redis", (8, 0), r"OBJECT ENCODING e44", r"\$'raw'", "$'embstr'", "objects embed fewer bytes there"),
    Known("valkey", (8, 0), r"SCAN 0 TYPE (foo|\"\")", r"-\"?'?ERR unknown type name.*", "*2\n  $'0'\n  *0",
          "a type that nothing has is an error there"),
    Known("valkey", (9, 0), r"GETEX missing EX (abc|0)", r"-.*", "$-1", "the time is looked at before the key there"),
]


def judge(about, known=None):
    """A function for differ.run: True or False for a reply that a row knows (ours is right or not), None for all others."""
    rows = [row for row in (KNOWN if known is None else known) if row.reference == about.name and row.since <= about.version]

    def verdict(line, ours, theirs):
        for row in rows:
            if re.fullmatch(row.command, line.text, re.I) and re.fullmatch(row.theirs, describe(theirs), re.S):
                return describe(ours) in (("$-1", "_") if row.ours == "$-1" else (row.ours,))
        return None

    return verdict
