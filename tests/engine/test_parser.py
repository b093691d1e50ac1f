"""The request parser: any split of the input, limits and their texts, and bytes of every kind."""
import random

import pytest
from hypothesis import given, settings, strategies as st

from redispy_core.proto.parser import ParserFace

ARGS = st.lists(st.binary(max_size=40), min_size=1, max_size=8)


def encode(args):
    return b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in args)


def feed_split(parser, data, cuts):
    found, begin = [], 0
    for cut in sorted({c % (len(data) + 1) for c in cuts}) + [len(data)]:
        found += parser.feed(data[begin:cut])
        begin = cut
    return found


@given(st.lists(ARGS, min_size=1, max_size=6), st.lists(st.integers(0, 10**6), max_size=8))
def test_requests_come_out_whole_however_the_bytes_arrive(requests, cuts):
    data = b"".join(encode(args) for args in requests)
    parser = ParserFace()
    assert feed_split(parser, data, cuts) == requests
    assert parser.error is None


def test_a_byte_at_a_time():
    parser = ParserFace()
    data = encode([b"SET", b"k" * 300, b"\r\n\0$*"]) + b"PING a\r\n" + b"*0\r\n*-1\r\n\r\n" + encode([b"GET", b""])
    found = [request for i in range(len(data)) for request in parser.feed(data[i:i + 1])]
    assert [r for r in found if r] == [[b"SET", b"k" * 300, b"\r\n\0$*"], [b"PING", b"a"], [b"GET", b""]]


@pytest.mark.parametrize("data,text", [
    (b"*x\r\n", "invalid multibulk length"), (b"*+1\r\n", "invalid multibulk length"),
    (b"*2147483648\r\n", "invalid multibulk length"), (b"*01\r\n", "invalid multibulk length"),
    (b"*" + b"1" * 70_000, "too big mbulk count string"), (b"*1\r\n$" + b"1" * 70_000, "too big bulk count string"),
    (b"*1\r\nPING\r\n", "expected '$', got 'P'"), (b"*1\r\n:4\r\n", "expected '$', got ':'"),
    (b"*1\r\n$x\r\n", "invalid bulk length"), (b"*1\r\n$-1\r\n", "invalid bulk length"),
    (b"*1\r\n$536870913\r\n", "invalid bulk length"), (b"a" * 70_000, "too big inline request"),
    (b'set "a\r\n', "unbalanced quotes in request"), (b'set "a"b\r\n', "unbalanced quotes in request"),
    (b"set 'a\r\n", "unbalanced quotes in request")])
def test_protocol_errors(data, text):
    parser = ParserFace()
    assert parser.feed(data) == [] and parser.error == f"ERR Protocol error: {text}"
    assert parser.feed(b"PING\r\n") == [], "nothing is read after an error"


@pytest.mark.parametrize("data,text", [
    (b"*11\r\n", "unauthenticated multibulk length"), (b"*1\r\n$16385\r\n", "unauthenticated bulk length")])
def test_limits_before_authentication(data, text):
    parser = ParserFace(authenticated=False)
    assert parser.feed(data) == [] and parser.error == f"ERR Protocol error: {text}"
    assert ParserFace().feed(data) == []


@pytest.mark.parametrize("line,words", [
    (b"PING", [b"PING"]), (b"  set  a   b ", [b"set", b"a", b"b"]), (b'set "a b" \'c d\'', [b"set", b"a b", b"c d"]),
    (rb'echo "\x41\n\r\t\a\b\\\"\q"', [b"echo", b'A\n\r\t\a\b\\"q']), (rb"echo '\x41\n' 'it\'s'", [b"echo", rb"\x41\n", b"it's"]),
    (b'set k ""', [b"set", b"k", b""]), (b"", []), (b'a"b c"', [b"ab c"])])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_inline(line, words, end):
    assert ParserFace().feed(line + end) == [words]


@settings(max_examples=300)
@given(st.lists(st.one_of(st.binary(max_size=30), ARGS.map(encode),
                          st.sampled_from([b"*", b"$", b"\r\n", b"*3\r\n", b"$5\r\n", b"-1", b"\0", b'"'])), max_size=12),
       st.lists(st.integers(0, 10**4), max_size=6))
def test_any_bytes_end_in_requests_or_an_error(pieces, cuts):
    parser = ParserFace(max_bulk=1000)
    data = b"".join(pieces)
    for request in feed_split(parser, data, cuts):
        assert sum(map(len, request)) <= len(data)


def test_truncated_and_flipped_requests_never_disturb_memory():
    rnd = random.Random(7)
    whole = b"".join(encode([b"SET", b"key:%d" % i, b"v" * (i % 50)]) for i in range(60))
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(rnd.randrange(6)):
            data[rnd.randrange(len(data))] = rnd.randrange(256)
        parser = ParserFace()
        feed_split(parser, bytes(data[:rnd.randrange(len(data))]), [rnd.randrange(10**4) for _ in range(5)])
        memory = parser.memory
        del parser
        assert memory.blocks == 0
