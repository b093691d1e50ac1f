"""Bitmap kernels against Python's big integers."""
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redispy_core.structs import bits
from redispy_core.structs.bits import BitsFace

RUNS = st.builds(lambda a, n, b, m: a + b"\0" * n + b + b"\xff" * m,
                 st.binary(max_size=9), st.integers(0, 80), st.binary(max_size=9), st.integers(0, 80))
DATA = st.one_of(st.binary(max_size=90), RUNS)


def text(data):
    return "".join(f"{byte:08b}" for byte in data)


@given(DATA)
def test_count_and_position(data):
    face, model = BitsFace(data), text(data)
    assert face.count() == model.count("1")
    assert face.pos(True) == model.find("1")
    assert face.pos(False) == model.find("0")
    assert bits.count_portable(data) == model[:len(data) // 8 * 64].count("1")


@given(DATA, st.data())
def test_ranges(data, draw):
    if not data:
        return
    face, model = BitsFace(data), text(data)
    first = draw.draw(st.integers(0, len(model) - 1))
    last = draw.draw(st.integers(0, len(model) - 1))
    part = model[first:last + 1]
    assert face.count_range(first, last) == part.count("1")
    for bit in "01":
        at = part.find(bit)
        assert face.pos_range(first, last, bit == "1") == (first + at if at >= 0 else -1)


@pytest.mark.parametrize("n", [0, 1, 7, 8, 31, 32, 33, 63, 64, 65, 100, 1000])
@pytest.mark.parametrize("bit", [0, 1])
def test_position_in_a_long_run(n, bit):
    run = (b"\0" if bit else b"\xff") * n
    assert BitsFace(run).pos(bit) == -1
    assert BitsFace(run + (b"\x01" if bit else b"\xfe")).pos(bit) == 8 * n + 7


@given(DATA, st.integers(0, 2000), st.booleans())
def test_get_and_set(data, bit, on):
    face, model = BitsFace(data), list(text(data))
    inside = bit < len(model)
    assert face.get(bit) == (int(model[bit]) if inside else 0)
    if inside:
        assert face.set(bit, on) == int(model[bit])
        model[bit] = str(int(on))
        assert text(bytes(face)) == "".join(model)


def bitop_model(name, sources):
    n = max(map(len, sources))
    first, *others = [int.from_bytes(s.ljust(n, b"\0"), "big") for s in sources]
    union = 0
    for o in others:
        union |= o
    if name == "NOT":
        out = first ^ (1 << 8 * n) - 1
    elif name == "DIFF":
        out = first & ~union
    elif name == "DIFF1":
        out = union & ~first
    elif name == "ANDOR":
        out = first & union
    elif name == "ONE":
        once = twice = 0
        for v in (first, *others):
            twice |= once & v
            once |= v
        out = once & ~twice
    else:
        out = first
        for o in others:
            out = out & o if name == "AND" else out | o if name == "OR" else out ^ o
    return out.to_bytes(n, "big")


@given(st.sampled_from(["AND", "OR", "XOR", "DIFF", "DIFF1", "ANDOR", "ONE"]), st.lists(DATA, min_size=1, max_size=6))
def test_bitop(name, sources):
    assert bits.bitop(name, sources) == bitop_model(name, sources)


@given(DATA)
def test_bitop_not(data):
    assert bits.bitop("NOT", [data]) == bitop_model("NOT", [data])


@pytest.mark.parametrize("name", ["AND", "OR", "XOR", "DIFF", "DIFF1", "ANDOR", "ONE", "NOT"])
@pytest.mark.parametrize("sizes", [(5000, 100, 2048), (2048, 4096, 2049), (10, 7000), (4097, 0, 4095, 2047)])
def test_bitop_over_many_blocks(name, sizes):
    rnd = random.Random(str((name, sizes)))
    sources = [rnd.randbytes(n) for n in sizes]
    if name == "NOT":
        sources = sources[:1]
    assert bits.bitop(name, sources) == bitop_model(name, sources)


# --- fields

@given(DATA, st.integers(0, 800), st.integers(1, 64))
def test_get_field(data, offset, width):
    part = (text(data) + "0" * 900)[offset:offset + width]
    v = int(part, 2)
    assert BitsFace(data).get_unsigned(offset, width) == v
    assert BitsFace(data).get_signed(offset, width) == v - (1 << width if part[0] == "1" else 0)


@given(st.binary(min_size=8, max_size=40), st.data())
def test_put_field_touches_nothing_else(data, draw):
    width = draw.draw(st.integers(1, 64))
    offset = draw.draw(st.integers(0, 8 * len(data) - width))
    v = draw.draw(st.integers(-2 ** 63, 2 ** 64 - 1))
    face, model = BitsFace(data), text(data)
    face.put(offset, width, v)
    field = f"{v & (1 << width) - 1:0{width}b}"
    assert text(bytes(face)) == model[:offset] + field + model[offset + width:]


@given(st.integers(1, 64), st.data(), st.sampled_from(["WRAP", "SAT", "FAIL"]), st.booleans())
def test_field_arithmetic(width, draw, policy, signed):
    low, high = (-(1 << width - 1), (1 << width - 1) - 1) if signed else (0, (1 << width) - 1)
    near = st.one_of(st.integers(low, high), st.sampled_from([low, high, 0 if signed else high // 2]))
    value = draw.draw(near)
    incr = draw.draw(st.one_of(st.integers(-2 ** 63, 2 ** 63 - 1), st.integers(-3, 3)))
    total = value + incr
    way = 1 if total > high else -1 if total < low else 0
    if way == 0:
        want = total
    elif policy == "SAT":
        want = high if way > 0 else low
    elif policy == "WRAP":
        want = (total - low) % (1 << width) + low
    else:
        want = None
    assert bits.field_add(signed, value, incr, width, policy) == (way, want)


@pytest.mark.parametrize("signed,value,width,policy,want", [
    (False, 257, 8, "WRAP", (1, 1)), (False, 257, 8, "SAT", (1, 255)), (False, -1, 8, "WRAP", (1, 255)),
    (False, -1, 8, "SAT", (1, 255)), (False, -1, 8, "FAIL", (1, None)), (True, 128, 8, "WRAP", (1, -128)),
    (True, 128, 8, "SAT", (1, 127)), (True, -129, 8, "WRAP", (-1, 127)), (True, -129, 8, "SAT", (-1, -128)),
    (True, -2 ** 63, 8, "SAT", (1, 127)), (True, 127 - 2 ** 63, 8, "SAT", (1, 127)),
    (True, 128 - 2 ** 63, 8, "SAT", (-1, -128)),
    (True, -2 ** 63, 64, "SAT", (0, -2 ** 63)), (True, -1, 1, "WRAP", (0, -1)), (True, 1, 1, "SAT", (1, 0))])
def test_setting_a_value_that_does_not_fit(signed, value, width, policy, want):
    assert bits.field_add(signed, value, 0, width, policy) == want
