"""ACL: the administration of users (exec/acl and exec/acl_rules do the work). Rare and textual, hence Python.

ACL LOG and WHOAMI stand in exec; ACL LOAD and SAVE are the server's, which has the file.
"""

from __future__ import annotations

from typing import Any

from ..exec.acl_rules import RuleError, Selector, Unmatched, name_is_valid, text_of
from ..exec.table import Acl
from ..proto.errors import text as error_text
from ..proto.replies import Error, Map, Set, Status

Reply = Any

OK = Status(b"OK")
GENPASS_BITS = 256
GENPASS_MAX = 4096


def unknown_or_arity(word: str) -> Error:
    """A subcommand with more arguments than it takes."""
    return Error(error_text("UNKNOWN_SUBCOMMAND_OR_ARITY", word, "ACL"))


def setuser(call: Any, name: bytes, *rules: bytes) -> Reply:
    """ACL SETUSER name [rule ...]."""
    if not name_is_valid(name):
        raise Error(error_text("ACL_USERNAME"))
    try:
        call.engine.acl.setuser(name, rules)
    except Unmatched as error:
        raise Error(error_text("ACL_UNMATCHED", text_of(error.args[0]))) from None
    except RuleError as error:
        reason, rule = error.args
        raise Error(error_text("ACL_MODIFIER", text_of(rule), reason)) from None
    return OK


def deluser(call: Any, *names: bytes) -> Reply:
    """ACL DELUSER name ...; how many there were."""
    if b"default" in names:
        raise Error(error_text("ACL_DEFAULT"))
    return sum(call.engine.acl.delete(name) for name in names)


def selector_rows(selector: Selector) -> list[tuple[bytes, Reply]]:
    """What GETUSER tells of the root and of each selector."""
    return [(b"commands", selector.commands_text()), (b"keys", selector.keys_text()),
            (b"channels", selector.channels_text())]


def getuser(call: Any, name: bytes) -> Reply:
    """ACL GETUSER name."""
    user = call.engine.acl.get(name)
    if user is None:
        return None
    return Map([(b"flags", Set(user.flags())), (b"passwords", list(user.passwords)),
                *selector_rows(user.root), (b"selectors", [Map(selector_rows(s)) for s in user.selectors])])


def list_users(call: Any) -> Reply:
    """ACL LIST."""
    return call.engine.acl.lines()


def users(call: Any) -> Reply:
    """ACL USERS."""
    return call.engine.acl.names()


def cat(call: Any, *category: bytes) -> Reply:
    """ACL CAT [category]."""
    if len(category) > 1:
        raise unknown_or_arity("CAT")
    if not category:
        return [c.name.lower().encode() for c in Acl]
    found = call.engine.acl.category(category[0].lower())
    if found is None:
        raise Error(error_text("ACL_CATEGORY", text_of(category[0])))
    return found


def genpass(call: Any, *bits: bytes) -> Reply:
    """ACL GENPASS [bits]: hexadecimal digits."""
    if len(bits) > 1:
        raise unknown_or_arity("GENPASS")
    wanted = GENPASS_BITS
    if bits:
        try:
            wanted = int(bits[0])
        except ValueError:
            wanted = None
        if wanted is None or str(wanted).encode() != bits[0] or not -2**63 <= wanted < 2**63:
            raise Error(error_text("NOT_INT"))
    if not 0 < wanted <= GENPASS_MAX:
        raise Error(error_text("ACL_GENPASS"))
    digits = (wanted + 3) // 4
    return call.engine.acl.secret((digits + 1) // 2).hex()[:digits]


def dryrun(call: Any, name: bytes, *request: bytes) -> Reply:
    """ACL DRYRUN name command [arg ...]: OK, or why not."""
    shown = text_of(name)
    if call.engine.acl.get(name) is None:
        raise Error(error_text("ACL_DRYRUN_USER", shown))
    found = call.engine.acl.dry_run(name, list(request))
    if found is None:
        return OK
    kind, what = found
    if kind in ("ACL_DRYRUN_COMMAND", "ARITY"):
        raise Error(error_text(kind, text_of(what)))
    verb = "run" if kind == "command" else "access"
    return f"User {shown} has no permissions to {verb} the '".encode("utf-8", "surrogateescape") + what + f"' {kind}".encode()


BODIES = {
    "ACL|SETUSER": setuser, "ACL|DELUSER": deluser, "ACL|GETUSER": getuser, "ACL|LIST": list_users, "ACL|USERS": users,
    "ACL|CAT": cat, "ACL|GENPASS": genpass, "ACL|DRYRUN": dryrun,
}
