"""What leaves through the journal: the commands that repeat a change, in the form that the append-only format asks for.

A case is a list of commands and what they leave, each a line of words. `<ms>` stands for the absolute time that follows
from the frozen clock and the number behind it.
"""
import pytest
from support.engine import START_MS as NOW
from support.engine import make_engine


def parse(stream):
    """RESP arrays of bulk strings -> lines of words."""
    lines, at = [], 0
    while at < len(stream):
        assert stream[at:at + 1] == b"*", stream[at:at + 40]
        end = stream.index(b"\r\n", at)
        words, count = [], int(stream[at + 1:end])
        at = end + 2
        for _ in range(count):
            end = stream.index(b"\r\n", at)
            n = int(stream[at + 1:end])
            words.append(stream[end + 2:end + 2 + n].decode())
            at = end + 4 + n
        lines.append(" ".join(words))
    return lines


@pytest.fixture
def journal():
    """run(*commands) -> the lines that left; the client is the engine's own, in database 0."""
    engine = make_engine(2).core

    def run(*commands):
        for command in commands:
            run.replies.append(engine.run_raw(0, 2, [w.encode() for w in command.split(" ")]))
        return parse(engine.take_aof())

    run.engine, run.replies = engine, []
    engine.journal_to(1)
    run("SET warm up")
    return run


def ms(delta):
    return str(NOW + delta)


CASES = [
    # as it came
    ("SET a 1", ["SET a 1"]), ("SET a 1 NX", ["SET a 1 NX"]), ("SET a 1 KEEPTTL", ["SET a 1 KEEPTTL"]),
    ("MSET a 1 b 2", ["MSET a 1 b 2"]), ("INCR n", ["INCR n"]), ("APPEND a x", ["APPEND a x"]),
    ("SETBIT b 7 1", ["SETBIT b 7 1"]), ("RPUSH l a b", ["RPUSH l a b"]), ("SADD s a", ["SADD s a"]),
    ("ZADD z 1 a", ["ZADD z 1 a"]), ("HSET h f v", ["HSET h f v"]), ("PFADD p a b", ["PFADD p a b"]),
    ("XADD x 1-1 f v", ["XADD x 1-1 f v"]), ("FLUSHALL", ["FLUSHALL"]), ("FLUSHDB ASYNC", ["FLUSHDB ASYNC"]),
    # nothing changed, nothing leaves
    ("GET a", []), ("DEL nothing", []), ("SET a 1 XX", []), ("EXPIRE nothing 10", []), ("PERSIST warm", []),
    ("HDEL h f", []), ("LPOP l", []), ("EXEC", []), ("GETEX warm", []), ("SETRANGE nothing 0 ", []),
    # times become absolute
    ("SET a 1 EX 10", [f"SET a 1 PXAT {ms(10000)}"]), ("SET a 1 PX 10 NX", [f"SET a 1 PXAT {ms(10)}"]),
    ("SETEX a 10 1", [f"SET a 1 PXAT {ms(10000)}"]), ("PSETEX a 10 1", [f"SET a 1 PXAT {ms(10)}"]),
    ("EXPIRE warm 10", [f"PEXPIREAT warm {ms(10000)}"]), ("PEXPIRE warm 10 NX", [f"PEXPIREAT warm {ms(10)} NX"]),
    ("EXPIREAT warm 1700000100", ["PEXPIREAT warm 1700000100000"]), ("EXPIRE warm -1", ["DEL warm"]),
    ("GETEX warm EX 10", [f"PEXPIREAT warm {ms(10000)}"]), ("GETEX warm EXAT 1", ["DEL warm"]),
    ("MSETEX 1 a 1 EX 10", [f"MSETEX 1 a 1 PXAT {ms(10000)}"]),
    # reads that change
    ("GETDEL warm", ["DEL warm"]), ("GETSET warm 2", ["SET warm 2"]), ("SET warm 2 GET", ["SET warm 2"]),
    ("SET warm 2 XX GET", ["SET warm 2 XX"]),
    # results instead of sums
    ("INCRBYFLOAT n 1.5", ["SET n 1.5 KEEPTTL"]), ("HINCRBYFLOAT h f 1.5", ["HSET h f 1.5"]),
]


@pytest.mark.parametrize("command, leaves", CASES, ids=[c for c, _ in CASES])
def test_one_command(journal, command, leaves):
    assert journal(command) == leaves


SEQUENCES = [
    (["SADD s a", "SPOP s"], ["SADD s a", "SREM s a"]),
    (["SADD s a b", "SPOP s 5"], ["SADD s a b", "DEL s"]),
    (["RPUSH l a b c", "LMPOP 1 l LEFT COUNT 2"], ["RPUSH l a b c", "LPOP l 2"]),
    (["RPUSH l a b c", "BLPOP none l 0"], ["RPUSH l a b c", "LPOP l"]),
    (["RPUSH l a", "BLMOVE l m LEFT RIGHT 0"], ["RPUSH l a", "LMOVE l m LEFT RIGHT"]),
    (["RPUSH l a", "BRPOPLPUSH l m 0"], ["RPUSH l a", "RPOPLPUSH l m"]),
    (["ZADD z 1 a 2 b", "BZPOPMAX z 0"], ["ZADD z 1 a 2 b", "ZPOPMAX z"]),
    (["ZADD z 1 a 2 b", "ZMPOP 1 z MIN COUNT 9"], ["ZADD z 1 a 2 b", "ZPOPMIN z 2"]),
    (["HSET h f v g w", "HEXPIRE h 10 NX FIELDS 3 f none g"],
     ["HSET h f v g w", f"HPEXPIREAT h {ms(10000)} NX FIELDS 2 f g"]),
    (["HSET h f v g w i x", "HPEXPIREAT h 1 FIELDS 2 f g"],
     ["HSET h f v g w i x", "MULTI", "HDEL h f", "HDEL h g", "EXEC"]),
    (["HSET h f 1", "HPEXPIRE h 50 FIELDS 1 f", "HINCRBYFLOAT h f 1"],
     ["HSET h f 1", f"HPEXPIREAT h {ms(50)} FIELDS 1 f", "MULTI", "HSET h f 2",
      f"HPEXPIREAT h {ms(50)} FIELDS 1 f", "EXEC"]),
    (["HSET h f v", "HGETDEL h FIELDS 2 none f"], ["HSET h f v", "HDEL h f"]),
    (["HSETEX h PX 50 FIELDS 1 f v"], [f"HSETEX h PXAT {ms(50)} FIELDS 1 f v"]),
    (["HSETEX h PX 50 FIELDS 1 f v", "HGETEX h PERSIST FIELDS 1 f"],
     [f"HSETEX h PXAT {ms(50)} FIELDS 1 f v", "HPERSIST h FIELDS 1 f"]),
    (["PFADD p a", "PFCOUNT p", "PFCOUNT p"], ["PFADD p a", "PFCOUNT p"]),
    (["XADD x * f v"], [f"XADD x {NOW}-0 f v"]),
    (["XADD x 5-* f v", "XADD x MAXLEN ~ 1 6-0 f v"], ["XADD x 5-0 f v", "XADD x MAXLEN = 2 6-0 f v"]),
    (["XADD x 5-0 f v", "XADD x MINID ~ 6 7-0 f v"], ["XADD x 5-0 f v", "XADD x MINID = 5-0 7-0 f v"]),
    (["XADD x 1-1 f v", "XGROUP CREATE x g 0", "XREADGROUP GROUP g c STREAMS x >"],
     ["XADD x 1-1 f v", "XGROUP CREATE x g 0", "MULTI",
      f"XCLAIM x g c 0 1-1 TIME {ms(0)} RETRYCOUNT 1 FORCE JUSTID LASTID 1-1",
      "XGROUP SETID x g 1-1 ENTRIESREAD 1", "EXEC"]),
    (["XADD x 1-1 f v", "XGROUP CREATE x g 0", "XGROUP CREATECONSUMER x g c",
      "XREADGROUP GROUP g c NOACK STREAMS x >"],
     ["XADD x 1-1 f v", "XGROUP CREATE x g 0", "XGROUP CREATECONSUMER x g c", "XGROUP SETID x g 1-1 ENTRIESREAD 1"]),
]


@pytest.mark.parametrize("commands, leaves", SEQUENCES, ids=[c[-1] for c, _ in SEQUENCES])
def test_sequence(journal, commands, leaves):
    assert journal(*commands) == leaves


def test_geoadd_leaves_as_zadd(journal):
    assert journal("GEOADD g XX 1 1 a") == []
    assert journal("GEOADD g CH 13.361389 38.115556 a") == ["zadd g CH 3479099956230698 a"]


def test_spop_leaves_in_batches(journal):
    members = [str(i) for i in range(5000)]
    journal("SADD s " + " ".join(members))
    lines = journal("SPOP s 3000")
    assert (lines[0], lines[-1]) == ("MULTI", "EXEC")
    gone = [line.split(" ")[2:] for line in lines[1:-1]]
    assert [len(g) for g in gone] == [1024, 1024, 952]
    assert {m for g in gone for m in g} | {m.decode() for m in journal.engine.call("SMEMBERS", "s")} == set(members)


def test_transaction_of_one_write_leaves_as_that_write(journal):
    client = journal.engine.accept(-1)
    journal.engine.feed(client, b"MULTI\r\nSET a 1\r\nEXEC\r\n")
    assert parse(journal.engine.take_aof()) == ["SET a 1"]
    journal.engine.feed(client, b"MULTI\r\nGET a\r\nEXEC\r\n")
    assert parse(journal.engine.take_aof()) == []
    journal.engine.feed(client, b"MULTI\r\nSELECT 3\r\nSET a 1\r\nEXEC\r\n")
    assert parse(journal.engine.take_aof()) == ["SELECT 3", "SET a 1"]


def test_selects_when_the_database_changes(journal):
    engine = journal.engine
    engine.run_raw(2, 2, [b"SET", b"a", b"1"])
    engine.run_raw(2, 2, [b"SET", b"a", b"2"])
    engine.run_raw(0, 2, [b"SET", b"a", b"3"])
    assert parse(engine.take_aof()) == ["SELECT 2", "SET a 1", "SET a 2", "SELECT 0", "SET a 3"]


def test_expired_key_leaves_before_the_command(journal):
    journal("SET n 5 PX 10")
    journal.engine.advance(20)
    assert journal("INCR n") == ["MULTI", "DEL n", "INCR n", "EXEC"]
    journal("SET n 5 PX 10")
    journal.engine.advance(20)
    assert journal("GET n") == ["DEL n"]


def test_active_expiry_leaves(journal):
    journal("SET n 5 PX 10", "HSET h f v g w i x", "HPEXPIRE h 10 FIELDS 2 f g")
    journal.engine.advance(20)
    for _ in range(10):
        journal.engine.cron()
    lines = journal()
    unit = lines.index("MULTI")
    assert sorted(lines[unit + 1:unit + 3]) == ["HDEL h f", "HDEL h g"] and lines[unit + 3] == "EXEC"
    assert "DEL n" in lines and len(lines) == 5


def test_woken_client_leaves_behind_the_waker(journal):
    engine = journal.engine
    waiting, pushing = engine.accept(-1), engine.accept(-1)
    engine.feed(waiting, b"BLPOP l 0\r\n")
    engine.feed(pushing, b"RPUSH l a b\r\n")
    engine.before_sleep()
    assert parse(engine.take_aof()) == ["RPUSH l a b", "LPOP l"]


def test_python_command_leaves_by_its_effects(journal):
    def body(call, key):
        call.call("INCR", key)
        call.call("INCR", key)
        return 1

    journal.engine.bind("LASTSAVE", lambda call: body(call, "k"))
    assert journal("LASTSAVE") == ["MULTI", "INCR k", "INCR k", "EXEC"]


def test_nobody_listens(journal):
    journal.engine.journal_to(0)
    assert journal("SET a 1") == []
    journal.engine.journal_to(1)
    assert journal("SET a 1") == ["SELECT 0", "SET a 1"]
