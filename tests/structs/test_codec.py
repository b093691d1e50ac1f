"""Checksums, hashes and LZF against catalogued check values, hashlib and plain models."""
import hashlib
import random
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from redispy_core.base import codec

CHECK = b"123456789"


def test_crc16_check_value():
    assert codec.crc16_of(CHECK) == 0x31C3
    assert codec.crc16_of(b"") == 0


@pytest.mark.parametrize("key,slot", [(b"foo", 12182), (b"bar", 5061), (b"hello", 866), (CHECK, 12739), (b"", 0)])
def test_known_slots(key, slot):
    assert codec.slot_of(key) == slot


@pytest.mark.parametrize("key,hashed", [(b"{user1000}.following", b"user1000"), (b"foo{}{bar}", b"foo{}{bar}"),
                                        (b"foo{{bar}}zap", b"{bar"), (b"foo{bar}{zap}", b"bar"), (b"}{a}", b"a"),
                                        (b"{", b"{"), (b"a{b", b"a{b"), (b"{}", b"{}"), (b"x}y", b"x}y")])
def test_hash_tags(key, hashed):
    assert codec.slot_of(key) == codec.crc16_of(hashed) % 16384


def test_crc64_check_value():
    assert codec.crc64_of(CHECK) == 0xE9C6D914C4B8D9CA
    assert codec.crc64_of(b"") == 0


def crc64_model(s, crc=0):
    for byte in s:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x95AC9329AC4BC9B5 if crc & 1 else 0)
    return crc


@given(st.binary(max_size=60), st.integers(0, 2 ** 64 - 1), st.integers(0, 60))
def test_crc64_by_bits_and_in_pieces(s, start, cut):
    want = crc64_model(s, start)
    assert codec.crc64_of(s, start) == want
    assert codec.crc64_of(s[cut:], codec.crc64_of(s[:cut], start)) == want


@pytest.mark.parametrize("n", list(range(0, 130)) + [1000, 4096, 65537])
def test_sha(n):
    s = random.Random(n).randbytes(n)
    assert codec.sha1_of(s).decode() == hashlib.sha1(s).hexdigest()
    assert codec.sha256_of(s) == hashlib.sha256(s).digest()


# --- SipHash

M64 = 2 ** 64 - 1


def siphash13_model(s, k0, k1):
    def rotl(x, n):
        return (x << n | x >> (64 - n)) & M64

    def a_round(v):
        a, b, c, d = v
        a, c = (a + b) & M64, (c + d) & M64
        b, d, a = rotl(b, 13) ^ a, rotl(d, 16) ^ c, rotl(a, 32)
        c, a = (c + b) & M64, (a + d) & M64
        return [a, rotl(b, 17) ^ c, rotl(c, 32), rotl(d, 21) ^ a]

    v = [k ^ m for k, m in zip((k0, k1, k0, k1), (0x736F6D6570736575, 0x646F72616E646F6D,
                                                  0x6C7967656E657261, 0x7465646279746573))]
    padded = s + b"\0" * (7 - len(s) % 8) + bytes([len(s) & 255])
    for i in range(0, len(padded), 8):
        m = int.from_bytes(padded[i:i + 8], "little")
        v[3] ^= m
        v = a_round(v)
        v[0] ^= m
    v[2] ^= 255
    for _ in range(3):
        v = a_round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


@given(st.binary(max_size=40), st.integers(0, M64), st.integers(0, M64))
def test_siphash_against_the_model(s, k0, k1):
    assert codec.siphash13_of(s, k0, k1) == siphash13_model(s, k0, k1)
    assert codec.siphash13_of(s, k0, k1, True) == siphash13_model(s.lower(), k0, k1)


@pytest.mark.parametrize("byte", range(256))
def test_only_ascii_capitals_are_folded(byte):
    for n in (1, 2, 3, 5, 8, 11):
        s = bytes([byte]) * n
        assert codec.siphash13_of(s, 1, 2, True) == codec.siphash13_of(s.lower(), 1, 2)


@pytest.mark.skipif(sys.hash_info.algorithm != "siphash13", reason="this Python hashes otherwise")
def test_siphash_against_pythons_own():
    texts = [b"x" * n for n in range(1, 40)]
    code = "print([hash(b'x' * n) & 2**64 - 1 for n in range(1, 40)])"
    out = subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": "0"}, capture_output=True, check=True)
    assert eval(out.stdout) == [codec.siphash13_of(s) for s in texts]


def test_crc64_is_the_same_in_pieces():
    """Short pieces go through the tables, long ones are folded."""
    data = random.Random(3).randbytes(5000)
    for n in [*range(0, 700, 7), 255, 256, 257, 319, 320, 1024, 4999, 5000]:
        by_bytes = 0
        for at in range(0, n, 13):
            by_bytes = codec.crc64_of(data[at:min(at + 13, n)], by_bytes)
        assert codec.crc64_of(data[:n]) == by_bytes
        assert codec.crc64_of(data[n:], codec.crc64_of(data[:n])) == codec.crc64_of(data)


# --- LZF

def unlzf_model(s):
    out, i = bytearray(), 0
    while i < len(s):
        c = s[i]
        i += 1
        if c < 32:
            out += s[i:i + c + 1]
            i += c + 1
            continue
        n = c >> 5
        if n == 7:
            n += s[i]
            i += 1
        start = len(out) - ((c & 31) << 8 | s[i]) - 1
        i += 1
        for k in range(n + 2):
            out.append(out[start + k])
    return bytes(out)


def words(seed, n):
    rnd = random.Random(seed)
    pool = [rnd.randbytes(rnd.randrange(1, 30)) for _ in range(12)]
    out = b""
    while len(out) < n:
        out += rnd.choice(pool)
    return out[:n]


TEXTS = st.one_of(st.binary(max_size=300), st.text("ab", max_size=600).map(str.encode),
                  st.builds(words, st.integers(0, 999), st.integers(0, 3000)),
                  st.builds(lambda s, k: s * k, st.binary(max_size=40), st.integers(0, 40)))


@settings(max_examples=300, deadline=None)
@given(TEXTS)
@example(b"a" * 300)
@example(b"abc" * 7)
def test_lzf_round_trip(s):
    packed = codec.compress(s, len(s) + len(s) // 32 + 8)
    assert (packed is None) == (s == b"")
    if packed:
        assert unlzf_model(packed) == s
        assert codec.decompress(packed, len(s)) == s
        tight = codec.compress(s)
        assert tight is None or (tight == packed and len(tight) <= len(s) - 4)


@given(TEXTS, st.integers(0, 400))
def test_lzf_keeps_within_its_room(s, cap):
    packed = codec.compress(s, cap)
    assert packed is None or (len(packed) <= cap and unlzf_model(packed) == s)


def test_lzf_leaves_nothing_behind():
    texts = [words(k, 1 + 400 * k) for k in range(60)]
    first = [codec.compress(s) for s in texts]
    assert [codec.compress(s) for s in reversed(texts)] == first[::-1]


# Blocks seen in the dumps of a real server.
@pytest.mark.parametrize("text,block", [
    (b"a" * 100, "016161e05700016161"), (b"hello hello hello hello hello world", "0668656c6c6f2068e00e0504776f726c64"),
    (b"abcdefghij" * 9 + b"xyz", "0a6162636465666768696a61e046090278797a"), (bytes(range(40)), None)])
def test_blocks_are_the_servers(text, block):
    packed = codec.compress(text)
    assert (packed and packed.hex()) == block


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 80))
def test_hostile_blocks_are_bounded(s, size):
    try:
        got = codec.decompress(s, size)
    except ValueError:
        return
    assert len(got) == size and got == unlzf_model(s)


@settings(deadline=None)
@given(TEXTS, st.data())
def test_damaged_blocks_never_overrun(s, data):
    packed = codec.compress(s, len(s) + len(s) // 32 + 8)
    if not packed:
        return
    i = data.draw(st.integers(0, len(packed) - 1))
    damaged = packed[:i] + bytes([data.draw(st.integers(0, 255))]) + packed[i + 1:]
    for block in (damaged, packed[:i]):
        try:
            assert len(codec.decompress(block, len(s))) == len(s)
        except ValueError:
            pass


@pytest.mark.parametrize("block", [b"", b"\x00", b"\x20\x00", b"\xe0", b"\xe0\x00", b"\x00a\x20\x01", b"\x00a\x3f\xff",
                                   b"\x05abc"])
def test_corrupt_blocks(block):
    with pytest.raises(ValueError):
        codec.decompress(block, 3)
