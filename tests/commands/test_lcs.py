"""LCS against a plain table of lengths, and its options."""
import random

import pytest
from support.resp import Error, Map


def table(a, b):
    rows = [[0] * (len(b) + 1)]
    for x in a:
        above, row = rows[-1], [0]
        for j, y in enumerate(b):
            row.append(above[j] + 1 if x == y else max(row[j], above[j + 1]))
        rows.append(row)
    return rows


def expected(a, b):
    """(the subsequence, its runs [[from, to], [from, to], length] from the last)"""
    rows, i, j = table(a, b), len(a), len(b)
    text, runs = [], []
    while i and j:
        if a[i - 1] == b[j - 1]:
            i, j = i - 1, j - 1
            text.append(a[i])
            if runs and runs[-1][0][0] == i + 1 and runs[-1][1][0] == j + 1:
                runs[-1] = [[i, runs[-1][0][1]], [j, runs[-1][1][1]], runs[-1][2] + 1]
            else:
                runs.append([[i, i], [j, j], 1])
        elif rows[i - 1][j] > rows[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return bytes(reversed(text)), runs


def as_dict(reply):
    return dict(reply) if isinstance(reply, Map) else dict(zip(reply[::2], reply[1::2]))


@pytest.mark.parametrize("letters", [b"ab", b"acgt", bytes(range(256))])
@pytest.mark.parametrize("size", [3, 63, 65, 130])
def test_random_strings(engine, letters, size):
    chance = random.Random(size)
    for _ in range(12):
        a, b = (bytes(chance.choices(letters, k=chance.randint(0, size))) for _ in range(2))
        engine.ask("MSET", "a", a, "b", b)
        text, runs = expected(a, b)
        assert engine.ask("LCS", "a", "b") == text
        assert engine.ask("LCS", "a", "b", "LEN") == len(text)
        assert as_dict(engine.ask("LCS", "a", "b", "IDX", "WITHMATCHLEN")) == {b"matches": runs, b"len": len(text)}
        assert as_dict(engine.ask("LCS", "a", "b", "IDX", "MINMATCHLEN", 3)) == {
            b"matches": [run[:2] for run in runs if run[2] >= 3], b"len": len(text)}


def test_known_reply(engine):
    engine.ask("MSET", "a", "ohmytext", "b", "mynewtext")
    head = b"%2" if engine.protocol == 3 else b"*4"
    assert engine.wire("LCS", "a", "b", "IDX", "MINMATCHLEN", "4", "WITHMATCHLEN") == (
        head + b"\r\n$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n$3\r\nlen\r\n:6\r\n")


def test_integers_and_missing_keys(engine):
    engine.ask("MSET", "n", "12345", "m", "-2345")
    assert engine.ask("LCS", "n", "m") == b"2345"
    assert engine.ask("LCS", "n", "n", "LEN") == 5
    assert engine.ask("LCS", "n", "missing") == b""
    assert as_dict(engine.ask("LCS", "missing", "missing", "IDX")) == {b"matches": [], b"len": 0}


@pytest.mark.parametrize("options, text", [
    ("FOO", "ERR syntax error"), ("MINMATCHLEN", "ERR syntax error"), ("LEN IDX FOO", "ERR syntax error"),
    ("IDX MINMATCHLEN x FOO", "ERR value is not an integer or out of range"),
    ("LEN IDX", "ERR If you want both the length and indexes, please just use IDX.")])
def test_errors(engine, options, text):
    assert engine.ask("LCS", "a", "b", *options.split()) == Error(text)


def test_too_much_work_is_refused(engine):
    engine.set("proto_max_bulk_len", 1 << 20)
    for size, fits in ((2048, True), (4096, False)):
        engine.ask("MSET", "a", "x" * size, "b", "x" * 4096)
        reply = engine.ask("LCS", "a", "b", "LEN")
        assert reply == (size if fits else Error(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"))


def test_long_strings(engine):
    engine.ask("MSET", "a", "ab" * 5000, "b", "ba" * 5000)
    assert engine.ask("LCS", "a", "b") == b"ba" * 4999 + b"b"
    assert as_dict(engine.ask("LCS", "a", "b", "IDX")) == {b"matches": [[[1, 9999], [0, 9998]]], b"len": 9999}
