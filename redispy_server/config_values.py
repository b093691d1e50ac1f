"""Values of settings: from words to Python values, to CONFIG GET text, to numbers, to lines of redis.conf.

Stands below settings.py (the table) and config.py (the mechanism); one `Kind` a type of value. Text is `str` whose
undecodable bytes are surrogate escapes, so that any byte of a file or a command survives a round trip.
Every reason raised here (`BadValue`) is the text that a Redis client or reader of a log sees.
"""
from __future__ import annotations

import locale
import math
import re
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .settings import Setting

INT_MAX, INT_MIN, UINT_MAX = 2**31 - 1, -2**31, 2**32 - 1
LONG_MAX, ULONG_MAX = 2**63 - 1, 2**64 - 1


class BadValue(ValueError):
    """A value that a setting refuses; str() is the reason."""


def to_text(data: bytes | str) -> str:
    """Bytes as text that keeps undecodable bytes; text is returned as it is."""
    return data if isinstance(data, str) else bytes(data).decode("utf-8", "surrogateescape")


def to_bytes(text: bytes | str) -> bytes:
    """The inverse of `to_text`."""
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else bytes(text)


# ---- words and quotes ----

_SPACE = b" \t\n\v\f\r"
_ESCAPES = {ord("n"): b"\n", ord("r"): b"\r", ord("t"): b"\t", ord("b"): b"\b", ord("a"): b"\a"}
_NAMED = {0x5C: "\\\\", 0x22: '\\"', 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x07: "\\a", 0x08: "\\b"}
_HEX = re.compile(rb"[0-9a-fA-F]{2}")


def split_words(line: bytes | str) -> list[str] | None:
    """The words of a line of redis.conf, or None if its quotes are unbalanced. O(n).

    "..." knows \\n \\r \\t \\b \\a \\xHH, any other escaped character is itself; '...' knows only \\'. A quote may open
    in the middle of a word, but a closed one must be followed by white space or the end.
    """
    data, i = to_bytes(line), 0
    words: list[str] = []
    while True:
        while i < len(data) and data[i] in _SPACE:
            i += 1
        if i == len(data):
            return words
        word = bytearray()
        while i < len(data) and data[i] not in _SPACE:
            if data[i] not in b"\"'":
                word.append(data[i])
                i += 1
                continue
            i = _quoted(data, i + 1, data[i], word)
            if i < 0 or (i < len(data) and data[i] not in _SPACE):
                return None
        words.append(to_text(bytes(word)))


def _quoted(data: bytes, i: int, quote: int, word: bytearray) -> int:
    """Append the quoted part that begins at i to word; the position behind its closing quote, or -1."""
    while i < len(data):
        c, follows = data[i], data[i + 1:i + 2]
        if c == quote:
            return i + 1
        if c == 0x5C and quote == 0x22 and follows:
            if follows == b"x" and _HEX.match(data, i + 2):
                word.append(int(data[i + 2:i + 4], 16))
                i += 4
                continue
            word += _ESCAPES.get(follows[0], follows)
            i += 2
        elif c == 0x5C and quote == 0x27 and follows == b"'":
            word += b"'"
            i += 2
        else:
            word.append(c)
            i += 1
    return -1


def quote(text: bytes | str) -> str:
    """Text as one double-quoted word of pure ASCII; split_words gives it back. O(n)."""
    body = (_NAMED.get(c) or (chr(c) if 32 <= c < 127 else f"\\x{c:02x}") for c in to_bytes(text))
    return '"' + "".join(body) + '"'


# ---- numbers ----

_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_MEMORY = re.compile(r"([0-9]*)(b|k|kb|m|mb|g|gb)?", re.I)
_UNITS = {"": 1, "b": 1, "k": 1000, "kb": 1024, "m": 10**6, "mb": 2**20, "g": 10**9, "gb": 2**30}
_MASTER_PORT = re.compile(r"\s*[+-]?[0-9]+")
_DOUBLE = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?inf(inity)?", re.I)


def parse_integer(text: str) -> int | None:
    """A strict decimal 64-bit integer (no sign +, blanks or leading zeros), or None."""
    if not _INTEGER.fullmatch(text) or len(text) > 20:
        return None
    value = int(text)
    return value if -2**63 <= value <= LONG_MAX else None


def parse_memory(text: str) -> int | None:
    """Bytes of `100`, `10k` (10^3), `10kb` (2^10), `1m`, `1mb`, `1g`, `1gb`, any case; "" is 0; else None."""
    found = _MEMORY.fullmatch(text)
    if not found or len(found[1]) > 20:
        return None
    value = int(found[1] or 0) * _UNITS[(found[2] or "").lower()]
    return value if value <= ULONG_MAX else None


def memory_text(value: int) -> str:
    """Bytes in the largest unit that divides them: 1gb, 100mb, 4kb, 3000."""
    for unit, size in (("gb", 2**30), ("mb", 2**20), ("kb", 2**10)):
        if value and value % size == 0:
            return f"{value // size}{unit}"
    return str(value)


def _bounded(value: int, row: Setting) -> int:
    if not row.low <= value <= row.high:
        show = "{:o}" if row.kind == "octal" else "{:d}"
        raise BadValue(f"argument must be between {show.format(row.low)} and {show.format(row.high)} inclusive")
    return max(row.clamp[0], min(value, row.clamp[1])) if row.clamp else value


# ---- kinds ----

Lines = list[tuple[str, bool]]

class Kind:
    """How values of one type behave. `words` is False where exactly one argument is taken."""
    words = False
    numeric = False

    def parse(self, row: Setting, args: Sequence[str], current: Any) -> Any:
        """The value that args ask for; `current` is the value before. Raises BadValue."""
        raise NotImplementedError

    def text(self, row: Setting, value: Any) -> str:
        """What CONFIG GET answers."""
        return "" if value is None else str(value)

    def number(self, row: Setting, value: Any) -> int:
        """What the compiled core is given, an int64."""
        raise TypeError(f"{row.name} has no numeric image")

    def lines(self, row: Setting, value: Any, default: Any, every: bool) -> Lines:
        """Lines of CONFIG REWRITE, each with whether it is written even if the file has no such line."""
        return [(f"{row.name} {self.text(row, value)}", every or value != default or bool(row.always))]


class Numeric(Kind):
    numeric = True

    def number(self, row: Setting, value: Any) -> int:
        return max(-2**63, min(int(value), LONG_MAX))


class Bool(Numeric):
    def parse(self, row: Setting, args: Sequence[str], current: Any) -> Any:
        if args[0].lower() not in ("yes", "no"):
            raise BadValue("argument must be 'yes' or 'no'")
        return args[0].lower() == "yes"

    def text(self, row: Setting, value: Any) -> str:
        return "yes" if value else "no"


class Int(Numeric):
    def parse(self, row: Setting, args: Sequence[str], current: Any) -> Any:
        value = parse_integer(args[0])
        if value is None:
            raise BadValue("argument couldn't be parsed into an integer")
        return _bounded(value, row)


class Octal(Numeric):
    def parse(self, row: Setting, args: Sequence[str], current: Any) -> Any:
        if not re.fullmatch(r"[0-7]{0,12}", args[0]):
            raise BadValue("argument couldn't be parsed as an octal number")
        return _bounded(int(args[0] or "0", 8), row)

    def text(self, row: Setting, value: Any) -> str:
        return f"{value:o}"


class Memory(Numeric):
    def parse(self, row: Setting, args: Sequence[str], current: Any) -> Any:
        value = parse_memory(args[0])
        if value is None:
            raise BadValue("argument must be a memory value")
        return _bounded(value, row)

    def lines(self, row: Setting, value: Any, default: Any, every: bool) -> Lines:
        return [(f"{row.name} {memory_text(value)}", every or value != default)]


class Percent(Memory):
    """Bytes, or a share of another setting: kept, and given to the core, as the negative percentage."""

    def parse(self, row: Setting, args: Sequence[str], current: Any) -> Any:
        share = re.fullmatch(r"([0-9]{1,18})%", args[0])
        if share and int(share[1]) > 100:
            raise BadValue("percentage argument must be less or equal to 100")
        value = -int(share[1]) if share else parse_memory(args[0])
        if value is None:
            raise BadValue("argument must be a memory or percent value")
        return _bounded(value, row)

    def text(self, row: Setting, value: Any) -> str:
        return f"{-value}%" if value < 0 else str(value)

    def lines(self, row: Setting, value: Any, default: Any, every: bool) -> Lines:
        text = self.text(row, value) if value < 0 else memory_text(value)
        return [(f"{row.name} {text}", every or value != default)]


class Enum(Numeric):
    """One name of the row's table; the value is the first name with the same number (yes for relative)."""

    def parse(self, row: Setting, args: Sequence[str], current: Any) -> Any:
        return enum_name(row, enum_number(row, args[0]))

    def number(self, row: Setting, value: Any) -> int:
        return enum_number(row, value)


class MultiEnum(Numeric):
    """Several names of the row's table, kept as a tuple in table order; the number is their union."""
    words = True

    def parse(self, row: Setting, args: Sequence[str], current: Any) -> Any:
        if not args:
            raise BadValue(_one_of(row))
        bits = 0
        for name in args:
            bits |= enum_number(row, name)
        value = tuple(name for name, bit in row.choices if bit and bits & bit) or (enum_name(row, 0),)
        if row.check:
            row.check(value)
        return value

    def text(self, row: Setting, value: Any) -> str:
        return " ".join(value)

    def number(self, row: Setting, value: Any) -> int:
        return sum(enum_number(row, name) for name in value)


def _one_of(row: Setting) -> str:
    return "argument(s) must be one of the following: " + ", ".join(name for name, _ in row.choices)


def enum_number(row: Setting, name: str) -> int:
    """The number of a name of the row's table; BadValue lists the table."""
    for candidate, number in row.choices:
        if candidate == name.lower():
            return number
    raise BadValue(_one_of(row))


def enum_name(row: Setting, number: int) -> str:
    """The first name with that number."""
    return next(name for name, candidate in row.choices if candidate == number)


class String(Kind):
    """Text; where the row's default is None, empty means unset."""

    def parse(self, row: Setting, args: Sequence[str], current: Any) -> Any:
        if row.check:
            row.check(args[0])
        return None if row.default is None and args[0] == "" else args[0]

    def lines(self, row: Setting, value: Any, default: Any, every: bool) -> Lines:
        if value is None:
            return []
        return [(f"{row.name} {quote(value)}", every or value != default or bool(row.always))]


class Bind(Kind):
    words = True
    LIMIT = 16

    def parse(self, row: Setting, args: Sequence[str], current: Any) -> Any:
        addresses = tuple(word for word in args if word)
        if len(addresses) > self.LIMIT:
            raise BadValue("Too many bind addresses specified.")
        return addresses

    def text(self, row: Setting, value: Any) -> str:
        return " ".join(value)

    def lines(self, row: Setting, value: Any, default: Any, every: bool) -> Lines:
        # compat: the default is removed from the file, even where it was written out
        return [] if value == default else [(f"{row.name} {' '.join(value) or quote('')}", True)]


class Save(Kind):
    """Pairs (seconds, changes). In a file lines add up; the first one drops the default (see Config)."""
    words = True

    def parse(self, row: Setting, args: Sequence[str], current: Any) -> Any:
        if len(args) == 1 and args[0] == "":
            return ()
        if len(args) % 2:
            raise BadValue("Invalid save parameters")
        numbers = [parse_strtol(word) for word in args]
        pairs = tuple(zip(numbers[::2], numbers[1::2]))
        if any(s is None or n is None or s < 1 or n < 0 for s, n in pairs):
            raise BadValue("Invalid save parameters")
        return pairs

    def text(self, row: Setting, value: Any) -> str:
        return " ".join(f"{seconds} {changes}" for seconds, changes in value)

    def lines(self, row: Setting, value: Any, default: Any, every: bool) -> Lines:
        return [(f"save {seconds} {changes}", True) for seconds, changes in value] or [('save ""', True)]


def parse_strtol(text: str) -> int | None:
    """A decimal number that may have a sign and leading zeros, or None."""
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else None


class BufferLimits(Kind):
    """((hard, soft, seconds) of normal, replica, pubsub clients). Each group of four words changes one class."""
    words = True
    CLASSES = {"normal": 0, "slave": 1, "replica": 1, "pubsub": 2}
    SHOWN, WRITTEN = ("normal", "slave", "pubsub"), ("normal", "replica", "pubsub")

    def parse(self, row: Setting, args: Sequence[str], current: Any) -> Any:
        args = [] if list(args) == [""] else args
        if len(args) % 4:
            raise BadValue("Wrong number of arguments in buffer limit configuration.")
        value = list(current)
        for name, hard, soft, seconds in zip(*[iter(args)] * 4):
            if name.lower() not in self.CLASSES:
                raise BadValue("Invalid client class specified in buffer limit configuration.")
            limits = parse_memory(hard), parse_memory(soft), parse_strtol(seconds)
            if limits[0] is None or limits[1] is None or limits[2] is None or limits[2] < 0:
                raise BadValue("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
            value[self.CLASSES[name.lower()]] = limits
        return tuple(value)

    def text(self, row: Setting, value: Any) -> str:
        return " ".join(f"{name} {h} {s} {t}" for name, (h, s, t) in zip(self.SHOWN, value))

    def lines(self, row: Setting, value: Any, default: Any, every: bool) -> Lines:
        return [(f"{row.name} {name} {memory_text(now[0])} {memory_text(now[1])} {now[2]}", every or now != before)
                for name, now, before in zip(self.WRITTEN, value, default)]


class OomValues(Kind):
    words = True

    def parse(self, row: Setting, args: Sequence[str], current: Any) -> Any:
        if len(args) != 3:
            raise BadValue("wrong number of arguments")
        values = tuple(parse_strtol(word) for word in args)
        if any(v is None or not -2000 <= v <= 2000 for v in values):
            raise BadValue(f"Invalid {row.name}, elements must be between -2000 and 2000.")
        return values

    def text(self, row: Setting, value: Any) -> str:
        return " ".join(map(str, value))


class Percentiles(Kind):
    words = True

    def parse(self, row: Setting, args: Sequence[str], current: Any) -> Any:
        args = [] if list(args) == [""] else args
        if not all(_DOUBLE.fullmatch(word) for word in args):
            raise BadValue(f"Invalid {row.name} parameters")
        values = tuple(map(float, args))
        if not all(math.isfinite(v) and 0 <= v <= 100 for v in values):
            raise BadValue(f"{row.name} parameters should sit between [0.0,100.0]")
        return values

    def text(self, row: Setting, value: Any) -> str:
        return " ".join(f"{v:.6f}".rstrip("0").rstrip(".") for v in value)

    def lines(self, row: Setting, value: Any, default: Any, every: bool) -> Lines:
        return [(f"{row.name} {self.text(row, value) or quote('')}", True)]


NOTIFY_BITS = {"K": 1, "E": 2, "g": 4, "$": 8, "l": 16, "s": 32, "h": 64, "z": 128, "x": 256, "e": 512, "t": 1024,
               "m": 2048, "d": 4096, "n": 8192}
NOTIFY_ALL = sum(NOTIFY_BITS[c] for c in "g$lshzxetd")


class Notify(Numeric):
    """The mask of keyspace events."""

    def parse(self, row: Setting, args: Sequence[str], current: Any) -> Any:
        mask = 0
        for c in args[0]:
            if c != "A" and c not in NOTIFY_BITS:
                raise BadValue("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
            mask |= NOTIFY_ALL if c == "A" else NOTIFY_BITS[c]
        return mask

    def text(self, row: Setting, value: Any) -> str:
        # compat: n is not shown beside A (7.0, 8.2)
        everything = bool(value & NOTIFY_ALL == NOTIFY_ALL)
        letters = "KEm" if everything else "g$lshzxetdnKEm"
        return "A" * everything + "".join(c for c in letters if value & NOTIFY_BITS[c])

    def lines(self, row: Setting, value: Any, default: Any, every: bool) -> Lines:
        letters = self.text(row, value)
        if value & NOTIFY_BITS["n"] and "n" not in letters:
            letters += "n"           # what is not shown must not be lost by a restart
        return [(f"{row.name} {quote(letters)}", every or value != default)]


class ReplicaOf(Kind):
    """(host, port), or None for a primary."""
    words = True

    def parse(self, row: Setting, args: Sequence[str], current: Any) -> Any:
        if len(args) != 2:
            raise BadValue("wrong number of arguments")
        host, port = args
        if (host.lower(), port.lower()) == ("no", "one"):
            return None
        if not _MASTER_PORT.fullmatch(port) or not 0 <= int(port) <= 65535:
            raise BadValue("Invalid master port")
        return host, int(port)

    def text(self, row: Setting, value: Any) -> str:
        return f"{value[0]} {value[1]}" if value else ""

    def lines(self, row: Setting, value: Any, default: Any, every: bool) -> Lines:
        return [(f"{row.name} {self.text(row, value)}", True)] if value else []


KINDS: dict[str, Kind] = {
    "bool": Bool(), "int": Int(), "uint": Int(), "octal": Octal(), "memory": Memory(), "percent": Percent(),
    "enum": Enum(), "multi-enum": MultiEnum(), "string": String(), "bind": Bind(), "save": Save(),
    "buffer-limits": BufferLimits(), "oom-values": OomValues(), "percentiles": Percentiles(), "notify": Notify(),
    "replicaof": ReplicaOf(), "dir": String(),
}


# ---- what single settings refuse ----

def file_name(name: str, what: str = "filename", may_be_empty: bool = False) -> Callable[[str], None]:
    """A check: no directory part; not empty unless told."""
    def check(value: str) -> None:
        if value == "" and not may_be_empty:
            raise BadValue(f"{name} can't be empty")
        if "/" in value:
            raise BadValue(f"{name} can't be a path, just a {what}")
    return check


def check_hostname(value: str) -> None:
    if len(to_bytes(value)) >= 256:
        raise BadValue("Hostnames must be less than 256 characters")
    if not re.fullmatch(r"[A-Za-z0-9.-]*", value):
        raise BadValue("Hostnames may only contain alphanumeric characters, hyphens or dots")


def check_node_name(value: str) -> None:
    if any(c in "!#$%&()*+:;<>?@[]^{|}~" for c in value):
        raise BadValue("Announced human node name contained invalid character")


def check_shutdown(names: Iterable[str]) -> None:
    if {"save", "nosave"} <= set(names):
        raise BadValue("shutdown options SAVE and NOSAVE can't be used simultaneously")


TITLE_WORDS = ("title", "listen-addr", "server-mode", "port", "tls-port", "config-file", "unixsocket")


def check_title(value: str) -> None:
    """Some text, and every { opens one of TITLE_WORDS."""
    if not value or "{" in re.sub(r"\{(%s)\}" % "|".join(TITLE_WORDS), "", value):
        raise BadValue("template format is invalid or contains unknown variables")


def check_locale(value: str) -> None:
    if not value:
        return
    before = locale.setlocale(locale.LC_COLLATE)
    try:
        locale.setlocale(locale.LC_COLLATE, value)
    except (locale.Error, ValueError):
        raise BadValue("Invalid locale name") from None
    finally:
        locale.setlocale(locale.LC_COLLATE, before)


def ip_address(family: int, label: str) -> Callable[[str], None]:
    """A check: empty or an address of that family."""
    def check(value: str) -> None:
        try:
            if value:
                socket.inet_pton(family, value)
        except (OSError, ValueError):
            raise BadValue(f"Invalid {label} address") from None
    return check
