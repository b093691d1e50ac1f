"""Runs the same commands against two servers and compares their replies, in RESP2 and in RESP3.

A file of cases (cases/*.txt) holds one command a line, quoted as in redis-cli ("..." with \\n \\r \\t \\xHH, '...'):

    # reset: SET with options         a new block: both servers are flushed, new connections, this name in reports
    SET k v EX 10                     a command; replies must be the same to the byte
    @approx PTTL k                    a mark changes how the replies are compared (below), beating the table
    @client=b GET k                   on a second connection of the block, made when first named
    @raw "PING\\r\\n"                   these bytes as they are, then one reply is read
    @closed                           whether the servers close the connection now
    # anything else                   a comment; so are blank lines

Marks: @unordered (elements in any order), @pairs (a flat or RESP3 map in any order), @approx (numbers, 2 % or 2,000
apart), @shape (only the types), @any (the reply is read and forgotten), @resp2 / @resp3 (the line is for one protocol).
Run as a program it compares two executables: differ.py OURS THEIRS [CASES.txt ...]; `-` is redispy.

COMPARISON gives the same to commands whose answer cannot be equal twice. What the two servers are known to answer
differently stands in known_differences.py.
"""
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.resp import Closed, Error, Map, Simple, describe

FOLDER = Path(__file__).resolve().parent / "cases"
MARKS = {"unordered", "pairs", "approx", "shape", "any", "raw", "closed", "resp2", "resp3"}
CLOSED = Simple("(connection closed)")

# First words of a command (longest match) -> how its replies are compared when the line has no mark.
COMPARISON = {
    "TTL": "approx", "PTTL": "approx", "EXPIRETIME": "approx", "PEXPIRETIME": "approx", "HTTL": "approx", "HPTTL": "approx",
    "HEXPIRETIME": "approx", "HPEXPIRETIME": "approx",
    "TIME": "shape", "LASTSAVE": "shape", "OBJECT IDLETIME": "shape", "OBJECT FREQ": "shape", "MEMORY USAGE": "shape",
    "DUMP": "shape", "RANDOMKEY": "shape", "SPOP": "shape", "SRANDMEMBER": "shape", "HRANDFIELD": "shape",
    "ZRANDMEMBER": "shape", "CLIENT ID": "shape", "CLIENT LIST": "shape", "CLIENT INFO": "shape", "INFO": "shape",
    "ACL GENPASS": "shape", "SCAN": "unordered", "SSCAN": "unordered", "HSCAN": "unordered", "ZSCAN": "unordered",
    "HELLO": "hello", "KEYS": "unordered", "SMEMBERS": "unordered", "SINTER": "unordered", "SUNION": "unordered",
    "SDIFF": "unordered", "HKEYS": "unordered", "HVALS": "unordered", "HGETALL": "pairs", "CONFIG GET": "pairs",
    "PUBSUB CHANNELS": "unordered", "PUBSUB SHARDCHANNELS": "unordered", "ACL USERS": "unordered", "ACL CAT": "unordered",
}


class BadCase(Exception):
    """A file of cases that cannot be read; the text names file and line."""


@dataclass
class Line:
    """One request of a case. `text` is the line without its marks."""
    number: int
    text: str
    argv: list
    marks: set
    client: str = "a"

    @property
    def how(self):
        """The comparison: a mark of the line, else the table's, else "exact"."""
        for mark in ("unordered", "pairs", "approx", "shape", "any"):
            if mark in self.marks:
                return mark
        words = [arg.decode("latin-1").upper() for arg in self.argv[:2]]
        return COMPARISON.get(" ".join(words)) or COMPARISON.get(words[0] if words else "") or "exact"

    def is_for(self, protocol):
        return not self.marks & {"resp2", "resp3"} or f"resp{protocol}" in self.marks


@dataclass
class Block:
    """The lines between two resets."""
    file: str
    name: str
    lines: list = field(default_factory=list)


@dataclass
class Difference:
    line: Line
    ours: object
    theirs: object

    def __str__(self):
        return f"line {self.line.number}: {self.line.text}\n  ours:\n{describe(self.ours, '    ')}\n  theirs:\n{describe(self.theirs, '    ')}"


# --- reading cases

ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "a": b"\a", "b": b"\b"}
TOKEN = re.compile(r"""\s*(?: "(?P<double>(?:\\.|[^"\\])*)"(?=\s|$) | '(?P<single>(?:\\'|[^'])*)'(?=\s|$) | (?P<bare>[^\s"'][^\s]*) )""",
                   re.X | re.S)


def unescape(text):
    def one(found):
        body = found[1]
        return bytes([int(body[1:], 16)]).decode("latin-1") if len(body) == 3 else ESCAPES.get(body, body.encode()).decode("latin-1")

    return re.sub(r"\\(x[0-9a-fA-F]{2}|.)", one, text.encode().decode("latin-1"), flags=re.S).encode("latin-1")


def split(text):
    """Arguments of a line, quoted as in redis-cli. Raises ValueError on unbalanced quotes."""
    argv, at = [], 0
    text = text.rstrip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if not found:
            raise ValueError(f"unbalanced quotes in {text!r}")
        if found["double"] is not None:
            argv.append(unescape(found["double"]))
        elif found["single"] is not None:
            argv.append(found["single"].replace("\\'", "'").encode())
        else:
            argv.append(found["bare"].encode())
        at = found.end()
    return argv


def parse_line(number, text):
    marks, client = set(), "a"
    while text.startswith("@"):
        mark, _, text = text.partition(" ")
        name, _, value = mark[1:].partition("=")
        text = text.lstrip()
        if name == "client" and value:
            client = value
        elif name in MARKS and not value:
            marks.add(name)
        else:
            raise ValueError(f"unknown mark {mark}")
    argv = split(text)
    if ("raw" in marks and len(argv) != 1) or ("closed" in marks) == bool(argv):
        raise ValueError("@raw takes one string, @closed nothing, all else a command")
    return Line(number, text or "@closed", argv, marks, client)


def parse(file, text):
    """Blocks of a file of cases. Raises BadCase."""
    blocks = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        title = re.match(r"#\s*resets?\b:?\s*(.*)", line)
        if title:
            blocks.append(Block(file, title[1] or f"line {number}"))
        elif line and not line.startswith("#"):
            if not blocks:
                blocks.append(Block(file, "start"))
            try:
                blocks[-1].lines.append(parse_line(number, line))
            except ValueError as reason:
                raise BadCase(f"{file}:{number}: {reason}") from None
    return [block for block in blocks if block.lines]


def load(folder=FOLDER):
    """All blocks of all files of a folder."""
    return [block for path in sorted(folder.glob("*.txt")) for block in parse(path.stem, path.read_text())]


# --- comparing

def shape(reply):
    """A reply with every value replaced by its type. Lists keep their shape only by the types that occur in them."""
    if isinstance(reply, list):
        return [type(reply).__name__, sorted({repr(shape(element)) for element in reply})]
    return type(reply).__name__


def in_order(reply):
    """A reply with the elements of every array and set sorted by their description."""
    if isinstance(reply, list):
        return type(reply)(sorted(map(in_order, reply), key=describe)) if not isinstance(reply, Map) else Map(
            sorted(((in_order(k), in_order(v)) for k, v in reply), key=lambda pair: describe(list(pair))))
    return reply


def as_pairs(reply):
    """A flat array of pairs as a sorted list of pairs; anything else sorted."""
    if type(reply) is list and len(reply) % 2 == 0:
        return sorted(([k, v] for k, v in zip(reply[::2], reply[1::2])), key=describe)
    return in_order(reply)


def is_near(ours, theirs):
    if isinstance(ours, list) and type(ours) is type(theirs) and len(ours) == len(theirs):
        return all(is_near(a, b) for a, b in zip(ours, theirs))
    if type(ours) is not type(theirs) or isinstance(ours, (bool, Error)):
        return describe(ours) == describe(theirs)
    try:
        a, b = float(ours), float(theirs)
    except (TypeError, ValueError):
        return describe(ours) == describe(theirs)
    if min(a, b) < 0 or a < 10 and b < 10:
        return a == b                                # -1 and -2 are answers of their own
    return abs(a - b) <= max(2000, 0.02 * max(a, b)) if max(a, b) > 1000 else abs(a - b) <= 2


VARIABLE_HELLO = {b"server", b"version", b"id", b"modules", b"availability_zone"}


def without_identity(reply):
    """HELLO's reply without the fields that name the server and the connection."""
    pairs = reply if isinstance(reply, Map) else list(zip(reply[::2], reply[1::2])) if isinstance(reply, list) else None
    return reply if pairs is None else type(reply)([[k, v] if type(reply) is list else (k, v)
                                                    for k, v in pairs if k not in VARIABLE_HELLO])


NORMALISERS = {"exact": lambda r: r, "unordered": in_order, "pairs": as_pairs, "hello": without_identity, "shape": shape}


def is_same(how, ours, theirs):
    """Whether two replies agree under a comparison."""
    if how == "any":
        return True
    if isinstance(ours, Error) or isinstance(theirs, Error):
        return describe(ours) == describe(theirs)
    if how == "approx":
        return is_near(ours, theirs)
    if how == "shape":
        return shape(ours) == shape(theirs)
    return describe(NORMALISERS[how](ours)) == describe(NORMALISERS[how](theirs))


# --- running

class Side:
    """The connections of one block to one server."""

    def __init__(self, server, protocol):
        self.server, self.protocol, self.clients = server, protocol, {}
        with server.raw() as raw:
            reply = raw.call("FLUSHALL")
            assert reply == Simple("OK"), f"FLUSHALL: {reply}"

    def client(self, name):
        if name not in self.clients:
            self.clients[name] = self.server.raw(self.protocol)
        return self.clients[name]

    def ask(self, line):
        """The reply to a line; CLOSED when the connection ends instead."""
        client = self.client(line.client)
        try:
            if "closed" in line.marks:
                return client.is_closed(0.5)
            client.send_bytes(line.argv[0]) if "raw" in line.marks else client.send(*line.argv)
            return client.read()
        except (Closed, ConnectionError, BrokenPipeError):
            return CLOSED

    def close(self):
        for client in self.clients.values():
            client.close()


def run(block, ours, theirs, protocol, known=lambda line, ours, theirs: None):
    """Differences between two Servers over a block.

    known(line, ours, theirs) may answer True (an accepted difference), False (accepted, but ours is not as expected) or
    None (not known).
    """
    sides = Side(ours, protocol), Side(theirs, protocol)
    differences = []
    try:
        for line in block.lines:
            if line.is_for(protocol):
                a, b = (side.ask(line) for side in sides)
                verdict = known(line, a, b)
                if verdict is False or verdict is None and not is_same(line.how, a, b):
                    differences.append(Difference(line, a, b))
    finally:
        for side in sides:
            side.close()
    return differences


def main(arguments):
    """differ.py OURS THEIRS [CASES.txt ...]: compares two server executables; `-` is redispy."""
    from support.server import Server

    if len(arguments) < 2:
        sys.exit(main.__doc__)
    blocks = [block for name in arguments[2:] for block in parse(Path(name).stem, Path(name).read_text())] or load()
    commands = [None if name == "-" else [name] for name in arguments[:2]]
    found = 0
    with Server(command=commands[0]) as ours, Server(command=commands[1]) as theirs:
        for block in blocks:
            for protocol in (2, 3):
                for difference in run(block, ours, theirs, protocol):
                    found += 1
                    print(f"{block.file}:{block.name} RESP{protocol} {difference}")
    print(f"{found} differences in {sum(len(block.lines) for block in blocks)} lines")


if __name__ == "__main__":
    main(sys.argv[1:])
