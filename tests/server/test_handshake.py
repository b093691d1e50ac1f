"""What replica and primary say before the stream flows, without sockets: the handshake's table and the file's frame."""
import pytest

from redispy_server.replication.handshake import Handshake, Outcome, Wishes, request
from redispy_server.replication.transfer import Transfer, TransferError

ID = "0123456789" * 4
MARK = b"m" * 40
CAPA = request("REPLCONF", "capa", "eof", "capa", "psync2")


def up_to_psync(wishes):
    """A handshake that waits for PSYNC's answer."""
    shake = Handshake(wishes)
    assert shake.begin(0) == request("PING")
    out = shake.feed(b"+PONG\r\n", 0)
    answers = out.count(b"REPLCONF") + out.count(b"AUTH")
    psync = shake.feed(b"+OK\r\n" * answers, 0)
    assert shake.state == "psync"
    return shake, out, psync


def test_says_who_it_is_and_asks_for_all():
    _, out, psync = up_to_psync(Wishes(port=7000))
    assert out == request("REPLCONF", "listening-port", 7000) + CAPA
    assert psync == request("PSYNC", "?", -1)


def test_says_all_that_it_is_told_to():
    _, out, psync = up_to_psync(
        Wishes(port=7000, announce_ip="10.1.1.1", user="u", password="p", replid=ID, offset=99,
               version="8.2.0", failover=True))
    assert out == (request("AUTH", "u", "p") + request("REPLCONF", "listening-port", 7000)
                   + request("REPLCONF", "ip-address", "10.1.1.1") + CAPA + request("REPLCONF", "version", "8.2.0"))
    assert psync == request("PSYNC", ID, 100, "FAILOVER")


def test_password_without_user():
    assert up_to_psync(Wishes(port=1, password="p"))[1].startswith(request("AUTH", "p"))


@pytest.mark.parametrize("answer", [b"+PONG", b"-NOAUTH Authentication required.", b"-NOPERM no", b"-ERR operation not permitted"])
def test_a_primary_that_answers_ping_is_alive(answer):
    shake = Handshake(Wishes(port=1))
    shake.begin(0)
    assert shake.feed(answer + b"\r\n", 0)
    assert shake.outcome is None


@pytest.mark.parametrize("answer", [b"-ERR unknown", b"-LOADING", b":1", b"$3"])
def test_other_answers_to_ping_end_it(answer):
    shake = Handshake(Wishes(port=1))
    shake.begin(0)
    assert shake.feed(answer + b"\r\n", 0) == b""
    assert shake.outcome.kind == "failed"


def test_refused_password_ends_it():
    shake = Handshake(Wishes(port=1, password="p"))
    shake.begin(0)
    shake.feed(b"+PONG\r\n", 0)
    shake.feed(b"-WRONGPASS no\r\n", 0)
    assert shake.outcome.kind == "failed" and "Unable to AUTH to MASTER" in shake.outcome.text


def test_a_primary_that_does_not_know_replconf_does_no_harm():
    shake = Handshake(Wishes(port=1, version="1"))
    shake.begin(0)
    shake.feed(b"+PONG\r\n", 0)
    assert shake.feed(b"-ERR unknown\r\n" * 3, 0) == request("PSYNC", "?", -1)


@pytest.mark.parametrize("line, outcome", [
    (f"+FULLRESYNC {ID} 123", Outcome("full", ID, 123)),
    (f"+FULLRESYNC {ID.upper()} 0", Outcome("full", ID, 0)),
    ("+FULLRESYNC x y", Outcome("full")),
    ("+CONTINUE", Outcome("continue")),
    (f"+CONTINUE {ID}", Outcome("continue", ID)),
    ("-NOMASTERLINK Can't SYNC", Outcome("retry", text="-NOMASTERLINK Can't SYNC")),
    ("-LOADING x", Outcome("retry", text="-LOADING x")),
])
def test_answers_to_psync(line, outcome):
    shake, _, _ = up_to_psync(Wishes(port=1))
    assert shake.feed(b"\n\n" + line.encode() + b"\r\nthe rest", 0) == b""
    assert shake.outcome == outcome
    assert shake.rest == b"the rest"


@pytest.mark.parametrize("line", [b"-ERR unknown command", b"+WHAT", b":0"])
def test_a_primary_without_psync_is_asked_for_sync(line):
    shake, _, _ = up_to_psync(Wishes(port=1))
    assert shake.feed(line + b"\r\n", 0) == b"SYNC\r\n"
    assert shake.outcome == Outcome("full")


def test_a_failover_that_is_refused_is_not_tried_otherwise():
    shake, _, _ = up_to_psync(Wishes(port=1, replid=ID, offset=1, failover=True))
    assert shake.feed(b"-ERR no\r\n", 0) == b""
    assert shake.outcome.kind == "failed"


def test_every_split_of_the_answers_gives_the_same():
    text = b"+PONG\r\n\n+OK\r\n\n+OK\r\n\n+FULLRESYNC " + ID.encode() + b" 7\r\n$EOF"
    for cut in range(len(text)):
        shake = Handshake(Wishes(port=1))
        shake.begin(0)
        said = shake.feed(text[:cut], 0)
        more = b"" if shake.outcome else shake.feed(text[cut:], 0)
        assert shake.outcome == Outcome("full", ID, 7)
        assert (said + more).count(b"PSYNC") == 1


def test_silence_ends_it_and_an_empty_line_does_not():
    shake = Handshake(Wishes(port=1))
    shake.begin(100)
    assert not shake.overdue(110, 10) and shake.overdue(111, 10)
    shake.feed(b"\n", 111)
    assert not shake.overdue(120, 10)


def test_endless_line():
    shake = Handshake(Wishes(port=1))
    shake.begin(0)
    shake.feed(b"+" * 70000, 0)
    assert shake.outcome.kind == "failed"


# ---------------------------------------------------------------- the file's frame

@pytest.mark.parametrize("frame, rest", [
    (b"$11\r\nhello world*1\r\n", b"*1\r\n"),
    (b"\n\n\n$11\r\nhello world", b""),
    (b"\n$EOF:" + MARK + b"\r\nhello world" + MARK, b""),
])
def test_file_in_every_split(frame, rest):
    for step in (1, 3, 7, 39, 40, 41, 1000):
        transfer = Transfer()
        got = b"".join(transfer.feed(frame[i:i + step]) for i in range(0, len(frame), step))
        assert (got, transfer.done, transfer.rest) == (b"hello world", True, rest)
        assert transfer.received == 11


def test_mark_inside_the_file_is_not_its_end_when_more_follows_at_once():
    transfer = Transfer()
    got = transfer.feed(b"$EOF:" + MARK + b"\r\n" + b"m" * 50 + b"x" + MARK)
    assert got == b"m" * 50 + b"x" and transfer.done


def test_file_that_ends_early_is_not_done():
    transfer = Transfer()
    transfer.feed(b"$12\r\nhello world")
    assert not transfer.done


def test_empty_file():
    transfer = Transfer()
    assert transfer.feed(b"$0\r\nrest") == b"" and transfer.done and transfer.rest == b"rest"


@pytest.mark.parametrize("line", [b"-ERR BGSAVE failed\r\n", b"$x\r\n", b"$EOF:short\r\n", b"+OK\r\n", b"x" * 2000])
def test_what_is_no_file_is_refused(line):
    with pytest.raises(TransferError):
        Transfer().feed(line)
