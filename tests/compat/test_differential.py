"""redispy and a real server get the same commands (cases/*.txt) and must give the same replies.

A block that uses a command which the real server has and redispy has not yet (by COMMAND INFO) is skipped, and the
reason names the commands. Names that neither knows are run: they test the errors.
"""
import differ
import known_differences
import pytest
from support.resp import Double

BLOCKS = differ.load()


def names_of(line):
    """What COMMAND INFO may know of a line: the command, `command|subcommand`, what COMMAND GETKEYS asks for."""
    if line.marks & {"raw", "closed"}:
        return []
    words = [word.lower() for word in line.argv]
    asks = words[0] == b"command" and words[1:2] in ([b"getkeys"], [b"getkeysandflags"])
    return words[:1] + [b"|".join(words[:2])] * (len(words) > 1) + words[2:3] * asks


def known_names(server, names):
    """Those of the names that a server knows."""
    with server.raw() as raw:
        rows = raw.call("COMMAND", "INFO", *names)
    return {name for name, row in zip(names, rows, strict=True) if isinstance(row, list)}


@pytest.fixture(scope="session")
def missing(shared_server, shared_reference):
    """Names of the commands and subcommands in the cases that only the reference has."""
    names = sorted({name for block in BLOCKS for line in block.lines for name in names_of(line)})
    return known_names(shared_reference.ready(), names) - known_names(shared_server.ready(), names)


def missing_in(block, missing):
    """Commands that a block lacks, as in the reason of a skip; a container stands for its subcommands."""
    lacking = {name for line in block.lines for name in names_of(line)} & missing
    return sorted(name.decode().upper() for name in lacking if b"|" not in name or name.split(b"|")[0] not in missing)


@pytest.mark.compat
@pytest.mark.parametrize("block", BLOCKS, ids=[f"{block.file}:{block.name}" for block in BLOCKS])
def test_same_replies(block, protocol, server, reference, missing):
    if lacking := missing_in(block, missing):
        pytest.skip(f"not in redispy yet: {', '.join(lacking)}")
    known = known_differences.judge(reference.about)
    differences = differ.run(block, server, reference, protocol, known)
    assert not differences, f"{len(differences)} differ from {reference.about}:\n" + "\n".join(map(str, differences))


@pytest.mark.compat
def test_only_commands_of_the_reference_are_missing(missing):
    """Skipping must not reach what no server has: those lines test the error of an unknown command."""
    assert not missing & {b"foo", b"nosuch", b"foo|bar", b"config|foo", b"client|foo", b""}


# Commands of one family alone, which the other could not answer: their replies are tested in tests/commands.
ONE_FAMILY = {b"commandlog", b"commandlog|get", b"commandlog|help", b"commandlog|len", b"commandlog|reset", b"delifeq",
              b"msetex", b"xackdel", b"xdelex"}


@pytest.mark.compat
def test_every_command_has_a_case(server, reference):
    """What both servers know is compared, in both protocols."""
    with server.raw() as ours, reference.raw() as theirs:
        both = set(ours.call("COMMAND", "LIST")) & set(theirs.call("COMMAND", "LIST"))
    compared = {name for block in BLOCKS for line in block.lines for name in names_of(line)}
    missing = both - compared - ONE_FAMILY
    assert not missing, b" ".join(sorted(missing)).decode()


@pytest.mark.compat
def test_commands_missing_are_named_once():
    [block] = differ.parse("x", """
        GET a
        ACL WHOAMI
        acl users
        CLIENT TRACKING off
        CLIENT ID
        COMMAND GETKEYS EVAL x 0
        XADD x * f v
        @raw "XREAD STREAMS x 0"
    """)
    missing = {b"acl", b"acl|whoami", b"acl|users", b"client|tracking", b"eval", b"xread"}
    assert missing_in(block, missing) == ["ACL", "CLIENT|TRACKING", "EVAL"]


@pytest.mark.compat
@pytest.mark.parametrize("ours, theirs, right", [
    ([b"13.36138933897018433", Double("1")], [b"13.361389338970184", Double("1")], True),
    ([Double("0.00000268220901489")], [Double("2.682209014892578e-6")], True),
    ([b"180", b"a"], [b"180", b"a"], True),
    ([b"13.361389338970184"], [b"13.361389338970185"], False),
    ([b"56.4414"], [b"56.4413"], False),
    ([b"a"], [b"b"], False),
    ([b"1"], [b"1", b"2"], False),
    ([Double("1.5")], [b"1.5"], False),
])
def test_decimals_of_coordinates(ours, theirs, right):
    assert known_differences.has_17_decimals(ours, theirs) is right
