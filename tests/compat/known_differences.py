"""What redispy is known to answer differently from the server it is compared with.

redispy follows Redis 7.4, and in a few rules that came later the newest Redis; the rows say which.

A row holds where a reference gives the named reply to the command; then ours must be the expected one. Replies are
written as support.resp.describe does. Rows are for single facts; a whole field of differences belongs under a mark in
the cases.
"""
import re
from dataclasses import dataclass
from typing import Callable

from support.resp import Double, Map, describe


@dataclass(frozen=True)
class Known:
    reference: str           # "valkey" or "redis"
    since: tuple             # first version of the reference for which the row was seen
    command: str             # full match on the line without its marks, whatever the case of its letters
    theirs: str              # the reference's reply (a regular expression)
    ours: str | tuple | Callable   # the right reply ("$-1" is the null of RESP3, too), several that are all right,
                             # or a function of both replies that says whether ours is right
    why: str


# Valkey made its commands for the expiry of hash fields anew: other texts, another order of checks, other limits.
# Our reply -> the commands that get another one there.
HASH_FIELDS = {
    "-'WRONGTYPE Operation against a key holding the wrong kind of value'": (
        "HEXPIRE s abc FIELDS 1 a", "HEXPIRE s 10 foo 1 a", "HTTL s foo 1 a", "HPERSIST s foo 1 a", "HGETDEL s foo 1 a",
        "HGETEX s foo 1 a",
    ),
    "-'ERR invalid expire time, must be >= 0'": (
        "HEXPIRE nokey -1 FIELDS 1 a", "HGETEX nokey EX -1 FIELDS 1 a", "HSETEX n EX -1 foo 1 2",
    ),
    "-'ERR Mandatory argument FIELDS is missing or not at the right position'": (
        "HEXPIRE nokey 10 foo 1 a", "HEXPIRE nokey 10 NX XX FIELDS 1 a", "HEXPIRE nokey 10 GT LT FIELDS 1 a",
        "HEXPIRE nokey 10 NX foo 1 a", "HTTL nokey foo 1 a", "HPERSIST nokey foo 1 a", "HGETDEL nokey foo 1 a",
        "HGETEX nokey foo 1 a", "HGETEX nokey EX 10 PX 10 FIELDS 1 a", "HGETEX nokey EX 10 PERSIST FIELDS 1 a",
        "HGETEX nokey PERSIST PERSIST FIELDS 1 a", "HGETEX nokey KEEPTTL FIELDS 1 a",
    ),
    "-'ERR The `numfields` parameter must match the number of arguments'": (
        "HEXPIRE nokey 10 FIELDS 2 a", "HEXPIRE nokey 10 FIELDS 2147483648 a", "HEXPIRE nokey 10 FIELDS 1 a b",
        "HEXPIRE nokey 10 FIELDS 1 a NX", "HEXPIRE nokey 10 NX FIELDS 1", "HTTL nokey FIELDS 2 a",
        "HTTL nokey FIELDS 2147483648 a", "HPERSIST nokey FIELDS 2 a", "HGETDEL nokey FIELDS 2 a",
        "HGETDEL nokey FIELDS 1 a b", "HGETEX nokey FIELDS 2 a", "HGETEX nokey FIELDS 1 a EX 10",
        "HGETEX nokey FIELDS 1 a foo", "HGETEX nokey PERSIST FIELDS 1",
    ),
    "-'ERR Parameter `numFields` should be greater than 0'": (
        "HEXPIRE nokey 10 FIELDS 0 a", "HEXPIRE nokey 10 FIELDS x a", "HEXPIRE nokey 10 FIELDS -1 a",
        "HEXPIRE nokey 10 FIELDS 9223372036854775808 a", "HEXPIRE nokey 10 NX FIELDS x",
    ),
    "-\"ERR invalid expire time in 'hexpire' command\"": (
        "HEXPIRE nokey 281474976710656 FIELDS 1 a",
    ),
    "-\"ERR invalid expire time in 'hpexpireat' command\"": (
        "HPEXPIREAT nokey 70368744177664 FIELDS 1 a",
    ),
    "-\"ERR invalid expire time in 'hexpireat' command\"": (
        "HEXPIREAT nokey 70368744178 FIELDS 1 a",
    ),
    "-'ERR Number of fields must be a positive integer'": (
        "HTTL nokey FIELDS 0 a", "HTTL nokey FIELDS x a", "HPERSIST nokey FIELDS 0 a", "HGETDEL nokey FIELDS 0 a",
        "HGETDEL nokey FIELDS x a", "HGETEX nokey FIELDS 0 a", "HGETEX nokey FIELDS x a",
    ),
    "-'ERR value is not an integer or out of range'": (
        "HGETEX nokey EX FIELDS 1 a", "HSETEX s EX abc FIELDS 1 a 1", "HSETEX n EX abc foo bar",
        "HSETEX n EX FIELDS 1 a 1",
    ),
    "-\"ERR wrong number of arguments for 'hgetex' command\"": (
        "HGETEX nokey EX 10 FIELDS", "HGETEX nokey EX 10 foo",
    ),
    "-\"ERR invalid expire time in 'hgetex' command\"": (
        "HGETEX nokey EXAT 70368744178 FIELDS 1 a",
    ),
    "-'ERR unknown argument: foo'": (
        "HSETEX s foo 1 a 1", "HSETEX n foo 1 a 1", "HSETEX n foo EX -1 x",
    ),
    "-'ERR invalid number of fields'": (
        "HSETEX n FIELDS 0 a 1", "HSETEX n FIELDS x a 1", "HSETEX n FIELDS 2147483648 a 1",
    ),
    "-\"ERR wrong number of arguments for 'hsetex' command\"": (
        "HSETEX n FIELDS 2147483647 a 1", "HSETEX n FIELDS 2 a 1", "HSETEX n FIELDS 1 a 1 b",
        "HSETEX n FIELDS 1 a 1 b 2", "HSETEX n FIELDS 1 a 1 EX 10", "HSETEX n FNX EX 10 FIELDS",
    ),
    "-'ERR Only one of FXX or FNX arguments can be specified'": (
        "HSETEX n FNX FXX FIELDS 1 a 1", "HSETEX n FNX FNX FIELDS 1 a 1",
    ),
    "-'ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified'": (
        "HSETEX n EX 10 KEEPTTL FIELDS 1 a 1", "HSETEX n KEEPTTL KEEPTTL FIELDS 1 a 1",
    ),
    "-'ERR unknown argument: PERSIST'": (
        "HSETEX n PERSIST FIELDS 1 a 1",
    ),
    "-'ERR unknown argument: NX'": (
        "HSETEX n NX FIELDS 1 a 1",
    ),
    "-'ERR unknown argument: a'": (
        "HSETEX n EX 10 FNX a b",
    ),
}


NUMBER = re.compile(rb"-?\d+(\.\d+)?(e-?\d+)?")


# Valkey took "Redis" out of the texts of script errors, and the SHA1 from their end.
SCRIPT_WORDS = ((r"script: [0-9a-f]{40}, on", "script: on"), ("Unknown Redis command", "Unknown command"),
                ("calling Redis command", "calling command"), ("This Redis command", "This Valkey command"),
                ("this redis lib call", "this call"), ("Lua redis lib command arguments", "Command arguments"),
                (r"redis\.(log|setresp|set_repl|acl_check_cmd)\(\)", r"server.\1()"),
                (r"NOSCRIPT No matching script\. Please use EVAL\.", "NOSCRIPT No matching script."))


def says_it_as_redis(ours, theirs):
    """Our text with Valkey's words in place of Redis's is theirs."""
    text = describe(ours)
    for redis, valkey in SCRIPT_WORDS:
        text = re.sub(redis, valkey, text)
    return text == describe(theirs)


def has_17_decimals(ours, theirs):
    """Whether our reply is theirs with every number that has a fraction or an exponent printed to 17 decimals."""
    if isinstance(theirs, list):
        return type(ours) is type(theirs) and len(ours) == len(theirs) and all(map(has_17_decimals, ours, theirs))
    if describe(ours) == describe(theirs):
        return True
    if type(ours) is not type(theirs) or type(theirs) not in (bytes, Double) or not NUMBER.fullmatch(theirs):
        return False
    return bytes(ours) == format(float(bytes(theirs)), ".17f").rstrip("0").rstrip(".").encode()


def plain_users(reply):
    """What ACL LIST or GETUSER says, without the flag of payloads and the databases, which one of the two servers lacks."""
    if isinstance(reply, bytes):
        return type(reply)(bytes(reply).replace(b" skip-sanitize-payload", b"").replace(b" sanitize-payload", b""))
    if isinstance(reply, Map):
        return Map((name, plain_users(value)) for name, value in reply if name != b"databases")
    if not isinstance(reply, list):
        return reply
    kept = [item for i, item in enumerate(reply) if item not in (b"databases", b"sanitize-payload", b"skip-sanitize-payload")
            and (i == 0 or reply[i - 1] != b"databases")]
    return type(reply)(map(plain_users, kept))


def same_users(ours, theirs):
    """Whether the replies tell of the same users; ours with the flag."""
    return b"sanitize-payload" in str(describe(ours)).encode() and describe(plain_users(ours)) == describe(plain_users(theirs))


TEXT = "one text for all such cases there"
UNKNOWN_TYPE = ("-\"ERR unknown type name 'foo'\"", "-\"ERR unknown type name ''\"")
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
    Known("valkey", (9, 0), r"GETEX missing EX (abc|0)", r"-.*", "$-1", "the time is looked at before the key there"),
    Known("valkey", (9, 0), r"CLIENT PAUSE 10 WRITE X", r"\+'OK'",
          "-\"ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.\"", "ignored there"),
    Known("valkey", (9, 0), r"CLIENT LIST ID (0|-1)", r"-'ERR client-id.*", ("$''", "='txt:'"), "refused there"),
    Known("valkey", (9, 0), r"CLIENT LIST ID 1 2 x", r"-'ERR syntax error'", "-'ERR Invalid client ID'", TEXT),
    Known("valkey", (9, 0), r"OBJECT ENCODING tx", r"\$'listpack'", "$'listpackex'", "no such encoding there"),
    Known("valkey", (9, 0), r"OBJECT ENCODING t[yz]", r"\$'hashtable'", "$'listpackex'", "no such encoding there"),
    *(Known("valkey", (9, 0), re.escape(command), r".*", ours, "other commands for the expiry of hash fields there")
      for ours, commands in HASH_FIELDS.items() for command in commands),
    *(Known(name, since, r"(GETRANGE|SUBSTR) k (0|-1[12]|-9223372036854775808) (-1[17]|-9223372036854775808)",
            r"\$'[0T]'", "$''", "a range before the start is empty in the newest Redis; it was the first byte")
      for name, since in (("redis", (7, 0)), ("valkey", (9, 0)))),
    Known("redis", (7, 0), r'SCAN 0 TYPE (foo|"")', r"\*2\n  \$'0'\n  \*0", UNKNOWN_TYPE,
          "a type that nothing has is an error in Valkey and in the newest Redis"),
    Known("valkey", (8, 0), r"ACL (LIST|GETUSER u3)", r".*", same_users, "users have no flag for payloads there"),
    Known("redis", (8, 2), r"GEO(POS|RADIUS|SEARCH).*", r"\*.*", has_17_decimals,
          "coordinates are printed with the fewest digits there"),
    Known("valkey", (9, 0), r"EVAL \"return redis\.call\('(config|object)','nosuch'.*", "-.*unknown subcommand.*",
          lambda ours, theirs: "Unknown Redis command called from script" in describe(ours),
          "Valkey names the subcommand that it does not know"),
    Known("valkey", (9, 0), r'EVAL "return server" 0', r"\*0",
          lambda ours, theirs: "nonexistent global variable 'server'" in describe(ours), "server is Valkey's other name for redis"),
    Known("valkey", (9, 0), r'(EVAL|SCRIPT LOAD) "#!.*', ":1|-'ERR Unknown lua .*|-\"ERR Could not find .*",
          lambda ours, theirs: describe(ours) == describe(theirs) or "Unexpected engine in script" in describe(ours),
          "Valkey looks an engine up by its name"),
    Known("valkey", (9, 0), r"(EVAL|EVAL_RO|EVALSHA) .*|EXEC", ".*", says_it_as_redis, "Valkey's words in the errors of scripts"),
    Known("valkey", (9, 0), r"(FUNCTION|FCALL|FCALL_RO) .*", "-.*",
          lambda ours, theirs: describe(ours).startswith("-"), "Valkey's words in the errors of functions"),
]


def judge(about, known=None):
    """A function for differ.run: True or False for a reply that a row knows (ours is right or not), None for all others."""
    rows = [row for row in (KNOWN if known is None else known) if row.reference == about.name and row.since <= about.version]

    def verdict(line, ours, theirs):
        for row in rows:
            if re.fullmatch(row.command, line.text, re.I) and re.fullmatch(row.theirs, describe(theirs), re.S):
                if callable(row.ours):
                    return row.ours(ours, theirs)
                right = (row.ours,) if isinstance(row.ours, str) else row.ours
                return describe(ours) in right + ("_",) * ("$-1" in right)
        return None

    return verdict
