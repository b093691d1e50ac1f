"""The grammar of ACL rules and what they make of a user. Room exec; compiled to C by exec/acl, asked by commands/acl.

A User is plain data: password digests, a root Selector and further ones. `apply` takes one rule after the other, as ACL
SETUSER, an ACL file and `user` lines give them; `lines` and the `*_text` methods write the canonical form back, which
gives the same user again. Whoever changes a user works on a copy and swaps it in when all rules were right.

The commands of a selector are a base (+@all or -@all) and the rules since, each name once: a later rule for a name
takes the place of an earlier one, and a command's rule the place of those for its subcommands and first arguments.
`Commands.allowed` replays them into one bit a command.

compat: texts, what is kept of a rule and in which order are Redis 8's. Only the first argument of a command is an
exception: +get|x with a space in x is refused here, since it could not be read back.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

from ..base.codec import sha256_of
from .table import ROWS, Acl

READ, WRITE = 1, 2
SPACES = b" \t\n\v\f\r\0"
CATEGORIES = {category.name.lower().encode(): int(category) for category in Acl}

SYNTAX = "Syntax error"
UNKNOWN = "Unknown command or category name in ACL"
AFTER_ALL_KEYS = ("Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any "
                  "effect. Try 'resetkeys' to start with an empty list of patterns")
AFTER_ALL_CHANNELS = ("Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have "
                      "any effect. Try 'resetchannels' to start with an empty list of channels")
NO_SUCH_PASSWORD = "The password you are trying to remove from the user does not exist"
BAD_HASH = "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
FIRST_ARG_OF_SUBCOMMAND = "Allowing first-arg of a subcommand is not supported"


class RuleError(Exception):
    """A rule that cannot be applied: the reason in Redis's words."""


class Unmatched(Exception):
    """A selector that is not closed; begins with the text it was raised with."""


def name_is_valid(name: bytes) -> bool:
    """Whether a user may be called so."""
    return not any(c in SPACES for c in name)


def text_of(raw: bytes) -> str:
    """Bytes as they appear in a message: up to the first zero byte."""
    return raw.split(b"\0")[0].decode("utf-8", "surrogateescape")


# ---------------------------------------------------------------- commands

class Commands:
    """Names of commands as rules know them: full, lower case, those of the table even where rename-command hid them.

    rows: (full name, bit, categories) of every command and subcommand."""

    def __init__(self, rows: Iterable[tuple[bytes, int, int]]) -> None:
        self.bits: dict[bytes, int] = {}            # full name -> mask: the command and its subcommands
        self.ids: dict[bytes, int] = {}
        self.containers: set[bytes] = set()
        self.categories = dict.fromkeys(CATEGORIES, 0)
        for name, bit, mask in rows:
            self.ids[name] = bit
            self.bits[name] = self.bits.get(name, 0) | 1 << bit
            container = name.partition(b"|")[0]
            if container != name:
                self.containers.add(container)
                self.bits[container] = self.bits.get(container, 0) | 1 << bit
            for category, flag in CATEGORIES.items():
                if mask & flag:
                    self.categories[category] |= 1 << bit

    def split(self, rule: bytes, allow: bool) -> tuple[bytes, bytes | None]:
        """(command, first argument or None) of a rule without its sign. RuleError."""
        lower = rule.lower()
        if lower in self.bits:
            return lower, None
        name, bar, first = lower.partition(b"|")
        if not bar or not allow or name not in self.bits:
            raise RuleError(UNKNOWN)
        if not first:
            raise RuleError(SYNTAX)
        container, _, _ = first.partition(b"|")
        if name + b"|" + container in self.bits and container != first:
            raise RuleError(FIRST_ARG_OF_SUBCOMMAND)
        if name in self.containers or b"|" in first:
            raise RuleError(UNKNOWN)
        if any(c in SPACES for c in first):
            raise RuleError(SYNTAX)
        return name, first

    def allowed(self, selector: Selector, everything: int) -> tuple[int, dict[int, list[bytes]]]:
        """(mask of the commands that may run, command -> first arguments with which it may, too). Names that no longer
        exist are passed over. O(rules)."""
        mask = everything if selector.all_commands else 0
        firsts: dict[int, list[bytes]] = {}
        for rule in selector.rules:
            allow, name = rule[:1] == b"+", rule[1:]
            if name[:1] == b"@":
                touched = self.categories[name[1:]]
            elif name in self.bits:
                touched = self.bits[name]
            else:
                command, _, first = name.partition(b"|")
                if command in self.ids:
                    firsts.setdefault(self.ids[command], []).append(first)
                continue
            mask = mask | touched if allow else mask & ~touched
            for bit in [bit for bit in firsts if touched >> bit & 1]:
                del firsts[bit]
        return mask, firsts


def table_commands() -> Commands:
    """The commands of the table: for rules that are read before there is an engine."""
    return Commands((row.name.lower().encode(), i, row.acl) for i, row in enumerate(ROWS))


# ---------------------------------------------------------------- users

@dataclass
class Selector:
    """What one set of permissions allows. A request must be allowed by one selector in all its parts."""
    all_commands: bool = False
    rules: list[bytes] = field(default_factory=list)            # b"+get", b"-@write", b"+select|0"
    all_keys: bool = False
    keys: dict[bytes, int] = field(default_factory=dict)        # pattern -> READ | WRITE
    all_channels: bool = False
    channels: dict[bytes, None] = field(default_factory=dict)

    def apply(self, rule: bytes, commands: Commands) -> bool:
        """False: no rule of a selector. RuleError."""
        word, sign = rule.lower(), rule[:1]
        plain = PLAIN_RULES.get(word)
        if plain is not None:
            plain(self)
        elif sign in (b"~", b"%"):
            self.add_keys(rule)
        elif sign == b"&":
            self.add_channel(rule[1:])
        elif sign in (b"+", b"-") and rule[1:2] == b"@":
            if word[2:] not in CATEGORIES:
                raise RuleError(UNKNOWN)
            self.add_rule(sign, word[1:])
        elif sign in (b"+", b"-"):
            command, first = commands.split(rule[1:], sign == b"+")
            self.add_rule(sign, command if first is None else command + b"|" + first)
        else:
            return False
        return True

    def base(self, everything: bool) -> None:
        """+@all or -@all: what was ruled before is void."""
        self.all_commands = everything
        self.rules = []

    def add_rule(self, sign: bytes, name: bytes) -> None:
        """A rule for a command or category, behind those that it leaves in force."""
        inner = name + b"|"
        self.rules = [r for r in self.rules if r[1:] != name and not r[1:].startswith(inner)]
        self.rules.append(sign + name)

    def add_keys(self, rule: bytes) -> None:
        """~pattern or %RW~pattern."""
        flags, pattern = READ | WRITE, rule[1:]
        if rule[:1] == b"%":
            letters, _, pattern = pattern.partition(b"~")
            if letters.upper() not in KEY_LETTERS:
                raise RuleError(SYNTAX)
            flags = KEY_LETTERS[letters.upper()]
        if self.all_keys:
            raise RuleError(AFTER_ALL_KEYS)
        if any(c in SPACES for c in pattern):
            raise RuleError(SYNTAX)
        self.keys[pattern] = self.keys.get(pattern, 0) | flags

    def add_channel(self, pattern: bytes) -> None:
        """&pattern."""
        if self.all_channels:
            raise RuleError(AFTER_ALL_CHANNELS)
        if any(c in SPACES for c in pattern):
            raise RuleError(SYNTAX)
        self.channels[pattern] = None

    def set_all_keys(self, everything: bool) -> None:
        """allkeys, resetkeys."""
        self.all_keys = everything
        self.keys = {}

    def set_all_channels(self, everything: bool) -> None:
        """allchannels, resetchannels."""
        self.all_channels = everything
        self.channels = {}

    def commands_text(self) -> bytes:
        """As in ACL GETUSER: -@all +get."""
        return b" ".join([b"+@all" if self.all_commands else b"-@all", *self.rules])

    def keys_text(self) -> bytes:
        """~a %R~b; ~* for all."""
        return b"~*" if self.all_keys else b" ".join(KEY_SIGNS[flags] + p for p, flags in self.keys.items())

    def channels_text(self) -> bytes:
        """&a &b; &* for all."""
        return b"&*" if self.all_channels else b" ".join(b"&" + p for p in self.channels)

    def text(self) -> bytes:
        """The rules that make this selector of an empty one."""
        channels = self.channels_text()
        if not self.all_channels:
            channels = b"resetchannels " + channels if channels else b"resetchannels"
        keys = self.keys_text()
        return b" ".join([keys] * bool(keys) + [channels, self.commands_text()])


KEY_LETTERS = {b"R": READ, b"W": WRITE, b"RW": READ | WRITE, b"WR": READ | WRITE}
KEY_SIGNS = {READ: b"%R~", WRITE: b"%W~", READ | WRITE: b"~"}
PLAIN_RULES = {
    b"allkeys": lambda s: s.set_all_keys(True), b"~*": lambda s: s.set_all_keys(True),
    b"resetkeys": lambda s: s.set_all_keys(False),
    b"allchannels": lambda s: s.set_all_channels(True), b"&*": lambda s: s.set_all_channels(True),
    b"resetchannels": lambda s: s.set_all_channels(False),
    b"allcommands": lambda s: s.base(True), b"+@all": lambda s: s.base(True),
    b"nocommands": lambda s: s.base(False), b"-@all": lambda s: s.base(False),
}


@dataclass
class User:
    """One user. `open_channels`: what acl-pubsub-default gives to what is new."""
    name: bytes
    on: bool = False
    nopass: bool = False
    sanitize: bool = True
    passwords: list[bytes] = field(default_factory=list)        # SHA-256 as 64 hexadecimal digits
    root: Selector = field(default_factory=Selector)
    selectors: list[Selector] = field(default_factory=list)

    @classmethod
    def new(cls, name: bytes, open_channels: bool) -> User:
        """A user as ACL SETUSER makes it: off, without any rights."""
        return cls(name, root=Selector(all_channels=open_channels))

    @classmethod
    def default(cls) -> User:
        """The default user of a server on which nothing was configured: may do all, without a password."""
        return cls(b"default", on=True, nopass=True,
                   root=Selector(all_commands=True, all_keys=True, all_channels=True))

    def copy(self) -> User:
        """Shares nothing with this one."""
        return deepcopy(self)

    def apply(self, rule: bytes, commands: Commands, open_channels: bool) -> None:
        """One rule. RuleError; the user is then as before, but for a selector's."""
        word, sign = rule.lower(), rule[:1]
        if not rule or self.root.apply(rule, commands):
            return
        if word in (b"on", b"off"):
            self.on = word == b"on"
        elif word in (b"nopass", b"resetpass"):
            self.nopass, self.passwords = word == b"nopass", []
        elif word in (b"sanitize-payload", b"skip-sanitize-payload"):
            self.sanitize = word == b"sanitize-payload"
        elif word == b"clearselectors":
            self.selectors = []
        elif word == b"reset":
            vars(self).update(vars(User.new(self.name, open_channels)))
        elif sign in (b">", b"<", b"#", b"!"):
            self.change_password(sign, rule[1:])
        elif sign == b"(" and rule[-1:] == b")":
            self.selectors.append(parse_selector(rule, commands, open_channels))
        else:
            raise RuleError(SYNTAX)

    def change_password(self, sign: bytes, secret: bytes) -> None:
        """> and < name a password, # and ! its digest."""
        if sign in (b"#", b"!"):
            if len(secret) != 64 or any(c not in b"0123456789abcdef" for c in secret):
                raise RuleError(BAD_HASH)
            digest = secret
        else:
            digest = sha256_of(secret).hex().encode()
        if sign in (b">", b"#"):
            self.nopass = False
            if digest not in self.passwords:
                self.passwords.append(digest)
        elif digest in self.passwords:
            self.passwords.remove(digest)
        else:
            raise RuleError(NO_SUCH_PASSWORD)

    def flags(self) -> list[bytes]:
        """As in ACL GETUSER."""
        return ([b"on" if self.on else b"off"] + [b"nopass"] * self.nopass
                + [b"sanitize-payload" if self.sanitize else b"skip-sanitize-payload"])

    def line(self) -> bytes:
        """The user as ACL LIST, files and the configuration have it."""
        words = [b"user", self.name, *self.flags(), *(b"#" + digest for digest in self.passwords), self.root.text()]
        return b" ".join(words + [b"(" + s.text() + b")" for s in self.selectors])


def parse_selector(rule: bytes, commands: Commands, open_channels: bool) -> Selector:
    """A selector of its text in parentheses. RuleError."""
    selector = Selector(all_channels=open_channels)
    for part in rule[1:-1].split(b" "):
        if part and not selector.apply(part, commands):
            raise RuleError(SYNTAX)
    return selector


def merge_selectors(words: Sequence[bytes]) -> list[bytes]:
    """Rules with the words of each selector joined: a word that begins with ( takes all up to one that ends with ).
    Unmatched carries the first word of a selector that is not closed."""
    rules: list[bytes] = []
    began: bytes | None = None
    for word in words:
        if began is not None:
            rules[-1] += b" " + word
        else:
            rules.append(word)
            began = word if word[:1] == b"(" else None
        if began is not None and word[-1:] == b")":
            began = None
    if began is not None:
        raise Unmatched(began)
    return rules


# ---------------------------------------------------------------- files

def read_file(name: str, text: bytes, commands: Commands, open_channels: bool) -> tuple[dict[bytes, User], str]:
    """The users of an ACL file (name: for messages) and what is wrong with it ("" when nothing is; the users count only
    then). A file without a default user means one as of a server without configuration."""
    users: dict[bytes, User] = {}
    wrong: list[str] = []
    for number, raw in enumerate(text.split(b"\n"), 1):
        line = raw.split(b"\0")[0].strip(b" \t\r\n")
        if line:
            wrong += read_line(f"{name}:{number}", number, line.split(b" "), users, commands, open_channels)
    if wrong:
        return users, "".join(wrong) + ("WARNING: ACL errors detected, no change to the previously active ACL rules was "
                                        "performed")
    users.setdefault(b"default", User.default())
    return users, ""


def read_line(where: str, number: int, words: list[bytes], users: dict[bytes, User], commands: Commands,
              open_channels: bool) -> list[str]:
    """Adds the user of one line; what is wrong with it."""
    if words[0] != b"user" or len(words) < 2:
        return [f"{where} should start with user keyword followed by the username. "]
    name = words[1]
    if not name_is_valid(name):
        return [f"'{where}: username '{text_of(name)}' contains invalid characters. "]
    if name in users:
        return [f"WARNING: Duplicate user '{text_of(name)}' found on line {number}. "]
    user = users[name] = User.new(name, open_channels)
    try:
        rules = merge_selectors(words[2:])
    except Unmatched:
        return [f"{where}: Unmatched parenthesis in selector definition."]
    wrong = []
    told = False                            # compat: one reason a line, but every unknown command
    for rule in rules:
        try:
            user.apply(rule, commands, open_channels)
        except RuleError as error:
            reason = str(error)
            if reason == UNKNOWN:
                wrong.append(f"{where}: Error in applying operation '{text_of(rule)}': {reason}. ")
            elif not told:
                wrong.append(f"{where}: {reason}. ")
                told = True
    return wrong


def check_user_line(words: Sequence[bytes]) -> str | None:
    """Why a `user` line of redis.conf (without that word) is wrong, as far as its grammar tells: commands that nobody
    knows may come with an extension."""
    user, commands = User.new(words[0], False), table_commands()
    reason = None
    try:
        for rule in merge_selectors(words[1:]):
            try:
                user.apply(rule, commands, False)
            except RuleError as error:
                reason = str(error)
                if reason != UNKNOWN:
                    break
                reason = None
    except Unmatched:
        reason = "Unmatched parenthesis in selector definition"
    return reason and f"Error in user declaration '{text_of(words[0])}': {reason}"
