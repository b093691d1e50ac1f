"""cjson, cmsgpack, struct, bit: recorded answers of real servers, a real server if there is one, and random data.

A case runs in a bare Lua state and is written by cases/show.lua, which the real server runs, too.
"""
import json
import math
import re
import struct
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

pytest.importorskip("lupa", reason="scripts need lupa")
from redispy_core.script.lua_face import LuaError, LuaFace

CASES = Path(__file__).parent / "cases"
SHOW = " ".join(re.sub(r"--.*", "", (CASES / "show.lua").read_text()).split())      # one line: errors name the first


def protected(case):
    return f"{SHOW} return show_all(pcall(function() {case} end))"


def cases():
    for path in sorted(CASES.glob("*.txt")):
        lines = path.read_text().splitlines()[1:]
        for case, answer in zip(lines[::2], lines[1::2], strict=True):
            yield pytest.param(case, answer[4:], id=f"{path.stem}: {case[:60]}")


def on_server(chunk):
    """A script that runs a chunk, whose `...` are the script's arguments."""
    return f"{SHOW} local function all(...) {chunk} end return {{all(unpack(ARGV))}}"


def in_lua(case, *args, face=None, **options):
    """What a case shows in a state of its own, which is checked afterwards."""
    face = face or LuaFace()
    shown, = face.run(protected(case), *args, **options)
    face.check()
    return shown.decode("latin-1")


@pytest.mark.parametrize("case, answer", list(cases()))
def test_answers_are_those_of_real_servers(case, answer):
    assert in_lua(case) == answer


@pytest.mark.compat
def test_a_real_server_answers_the_same(reference):
    different = []
    with reference.client() as client:
        for case, _ in (parameter.values for parameter in cases()):
            client.script_flush()                          # settings of cjson outlast a script
            theirs = client.eval(protected(case), 0)
            theirs = theirs.decode() if isinstance(theirs, bytes) else theirs
            if in_lua(case) != theirs:
                different.append((case, theirs))
    assert different == []


# --- the libraries' tables

def test_what_the_libraries_hold():
    names = LuaFace().run("""
        local found = {}
        for _, library in ipairs({'bit', 'cjson', 'cmsgpack', 'struct'}) do
            local names = {}
            for name in pairs(_G[library]) do names[#names + 1] = name end
            table.sort(names)
            found[library] = table.concat(names, ' ')
        end
        return found""")[0]
    assert names == {
        b"bit": b"arshift band bnot bor bswap bxor lshift rol ror rshift tobit tohex",
        b"cjson": b"_NAME _VERSION decode decode_invalid_numbers decode_max_depth encode encode_invalid_numbers "
                  b"encode_keep_buffer encode_max_depth encode_number_precision encode_sparse_array new null",
        b"cmsgpack": b"_DESCRIPTION _NAME _VERSION pack unpack unpack_limit unpack_one",
        b"struct": b"pack size unpack",
    }


# --- cjson

FACE = LuaFace()
WHOLE = st.integers(-10 ** 14 + 1, 10 ** 14 - 1)
PLACES = st.integers(-10 ** 11, 10 ** 11).map(lambda n: n / 1000)
SCALARS = st.booleans() | WHOLE | PLACES | st.text(max_size=20)
KEYS = st.text(min_size=1, max_size=8)
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner, min_size=1, max_size=5)
                         | st.dictionaries(KEYS, inner, min_size=1, max_size=5), max_leaves=25)


@given(DOCUMENTS, st.booleans(), st.sampled_from([None, 2]))
def test_json_goes_round(document, ascii_only, indent):
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)
    back, = FACE.run("return cjson.encode(cjson.decode((...)))", text.encode())
    FACE.check()
    assert json.loads(back) == document


@given(st.floats(allow_nan=False, allow_infinity=False) | PLACES | WHOLE.map(float))
@example(-0.0)
@example(99999999.999999)
@example(0.0001)
@example(0.00009999995)
@example(99999999999999.0)
@example(100000000000000.0)
@example(12345678.1234565)
def test_numbers_have_fourteen_digits(number):
    text, = FACE.run("return cjson.encode(tonumber((...)))", repr(number))
    assert text.decode() == f"{number:.14g}"


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(FINITE, st.sampled_from(["{!r}", "{:.17g}", "{:.3f}", "{:e}", "{:.25e}"]))
@example(5e-324, "{!r}")
@example(1.7976931348623157e308, "{!r}")
@example(9007199254740993.0, "{:.3f}")
def test_numbers_are_read_exactly(number, form):
    text = form.format(number)
    read, = FACE.run("return cjson.decode((...))", text)
    assert math.copysign(1, read) == math.copysign(1, float(text)) and read == float(text)


@given(st.binary(max_size=60))
def test_any_bytes_but_nul_go_through_a_json_string(raw):
    text, back = FACE.run("local text = cjson.encode((...)) return text, cjson.decode(text)", raw)
    assert back == raw and not re.search(rb"[\x00-\x1f\x7f]", text)


MUTATIONS = st.lists(st.tuples(st.integers(0, 200), st.sampled_from('[]{}",:\\u0ntf-+.eE1x\0 \x80')),
                     min_size=1, max_size=4)


def mutated(document, changes):
    text = json.dumps(document)
    for at, character in changes:
        at %= len(text)
        text = text[:at] + character + text[at + (at % 2):]
    return text.encode("latin-1")


@given(st.binary(max_size=40) | st.builds(mutated, DOCUMENTS, MUTATIONS))
def test_no_text_breaks_the_json_reader(text):
    try:
        FACE.run("return cjson.decode((...))", text)
    except LuaError as problem:
        assert re.match(rb"(user_script:1: (Expected|Found|JSON parser))", problem.args[0])
    FACE.check()


@pytest.mark.compat
def test_a_real_server_reads_mutated_json_alike(reference):
    texts = []

    @given(st.builds(mutated, DOCUMENTS, MUTATIONS))
    def collect(text):
        texts.append(text)

    collect()
    case = "local t = {} for i, s in ipairs({...}) do t[i] = show_all(pcall(cjson.decode, s)) end return unpack(t)"
    with reference.client() as client:
        for part in (texts[i:i + 50] for i in range(0, len(texts), 50)):
            theirs = client.eval(on_server(case), 0, *part)
            ours = FACE.run(SHOW + " " + case, *part)
            theirs = [reply if isinstance(reply, bytes) else reply.encode() for reply in theirs]
            assert list(zip(part, ours, strict=True)) == list(zip(part, theirs, strict=True))


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
def test_deep_json_ends_in_an_error_at_any_setting(opening):
    face = LuaFace()
    for setting in (1, 1000, 2147483647):
        with pytest.raises(LuaError, match="too many nested data structures"):
            face.run("cjson.decode_max_depth(tonumber((...))) return cjson.decode((select(2, ...)))", str(setting),
                     opening * 20000)
        face.check()


@pytest.mark.parametrize("table", ["{t}", "{a = t}"])
def test_deep_tables_end_in_an_error_at_any_setting(table):
    face = LuaFace()
    for setting in (1, 1000, 2147483647):
        with pytest.raises(LuaError, match="excessive nesting"):
            face.run(f"cjson.encode_max_depth({setting}) local t = {{}} for i = 1, 20000 do t = {table} end "
                     "return cjson.encode(t)")
        face.check()


def test_large_results_leave_no_buffer_behind():
    face = LuaFace()
    face.run("local s = string.rep('x', 5000000) s = cjson.encode(s) .. cmsgpack.pack(s) .. struct.pack('s', s)")
    face.run("for i = 1, 8 do collectgarbage() end")       # Lua's own buffer shrinks by half each time
    assert face.used() < 100_000


# --- cmsgpack

def packed(number):
    """MessagePack of a number as cmsgpack chooses."""
    if number == int(number) and -2 ** 63 <= number < 2 ** 63:
        n = int(number)
        if -32 <= n < 128:
            return struct.pack("b", n)
        forms = [(0xcc, "B"), (0xcd, "H"), (0xce, "I"), (0xcf, "Q")] if n >= 0 else \
            [(0xd0, "b"), (0xd1, "h"), (0xd2, "i"), (0xd3, "q")]
        for head, form in forms:
            try:
                return struct.pack(">B" + form, head, n)
            except struct.error:
                pass
    try:
        single = struct.pack(">f", number)
    except OverflowError:
        return b"\xcb" + struct.pack(">d", number)
    return b"\xca" + single if struct.unpack(">f", single)[0] == number else b"\xcb" + struct.pack(">d", number)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-2 ** 64, 2 ** 64).map(float)
       | st.integers(-70000, 70000).map(float) | st.floats(width=32, allow_nan=False, allow_infinity=False))
@example(-0.0)
@example(2.0 ** 63)
@example(-(2.0 ** 63))
@example(4294967296.0)
def test_numbers_are_packed_in_the_shortest_form_and_come_back(number):
    text, back = FACE.run("local s = cmsgpack.pack(tonumber((...))) return s, cmsgpack.unpack(s)", repr(number))
    assert text == packed(number) and back == number


@given(DOCUMENTS)
def test_messagepack_goes_round(document):
    back, = FACE.run("return cjson.encode(cmsgpack.unpack(cmsgpack.pack(cjson.decode((...)))))", json.dumps(document))
    FACE.check()
    assert json.loads(back) == document


@given(st.binary(max_size=40) | st.builds(lambda head, rest: bytes([head]) + rest, st.integers(0x80, 0xdf),
                                          st.binary(max_size=20)))
@example(b"\xdd\xff\xff\xff\xff" + b"\xdf\xff\xff\xff\xff" * 3)
@example(b"\xdb\xff\xff\xff\xff")
def test_no_text_breaks_the_messagepack_reader(text):
    for call in ("unpack(...)", "unpack_one((...), 1)", "unpack_limit((...), 3)"):
        try:
            FACE.run("return cmsgpack." + call, text)
        except LuaError as problem:
            assert re.search(rb"Missing bytes|Bad data format|table index is|Start offset", problem.args[0])
        FACE.check()


@pytest.mark.parametrize("opening", [b"\x91", b"\x81", b"\x81\x01", b"\xdc\xff\xff", b"\xdf\xff\xff\xff\xff"])
def test_deep_messagepack_ends_in_an_error(opening):
    face = LuaFace()
    with pytest.raises(LuaError, match="stack overflow"):
        face.run("return cmsgpack.unpack((...))", opening * 20000)
    face.check()


# --- struct

FORMS = {"b": st.integers(-128, 127), "B": st.integers(0, 255), "h": st.integers(-32768, 32767),
         "H": st.integers(0, 65535), "i": st.integers(-2 ** 31, 2 ** 31 - 1), "I": st.integers(0, 2 ** 32 - 1),
         "l": st.integers(-2 ** 53, 2 ** 53), "L": st.integers(0, 2 ** 53), "d": st.floats(allow_nan=False),
         "f": st.floats(width=32, allow_nan=False), "x": st.none()}
FIELDS = st.lists(st.sampled_from(sorted(FORMS)).flatmap(lambda form: st.tuples(st.just(form), FORMS[form])),
                  max_size=12)


def plain(number):
    return {math.inf: "1e999", -math.inf: "-1e999"}.get(number, repr(number))


@given(FIELDS, st.sampled_from("<>"))
def test_struct_packs_as_pythons_struct(fields, order):
    form = order + "".join(name for name, _ in fields)
    values = [value for name, value in fields if name != "x"]
    standard = struct.pack(form.replace("l", "q").replace("L", "Q"), *values)
    got, size, *back = FACE.run("""
        local form, values = (...), {select(2, ...)}
        for i = 1, #values do values[i] = tonumber(values[i]) end
        local text = struct.pack(form, unpack(values))
        return text, struct.size(form), struct.unpack(form, text)""", form, *map(plain, values))
    assert got == standard and size == len(standard) and back == [*values, len(standard) + 1]


@given(st.text("bBhHlLTiIfdscx<>!0123456789 =zn-", max_size=14), st.binary(max_size=40), st.integers(-3, 50))
def test_no_format_breaks_struct(form, data, position):
    for case in ("struct.unpack((...), (select(2, ...)), tonumber((select(3, ...))))", "struct.size((...))",
                 "struct.pack((...), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14)"):
        try:
            FACE.run("return " + case, form, data, str(position))
        except LuaError as problem:
            assert re.search(rb"bad argument|integral size|alignment|unfinished|previous size", problem.args[0])
        FACE.check()


@pytest.mark.compat
def test_a_real_server_takes_the_same_formats(reference):
    calls = []

    @given(st.text("bBhHlLTiIfdscx<>!0123456789 =z", min_size=1, max_size=10), st.binary(min_size=8, max_size=40))
    def collect(form, data):
        calls.extend((form.encode(), data))

    collect()
    case = "local t = {} for i = 1, select('#', ...), 2 do local f, d = select(i, ...) t[#t + 1] = " \
        "show_all(pcall(struct.unpack, f, d)) .. show_all(pcall(struct.size, f)) .. " \
        "show_all(pcall(struct.pack, f, 1, -2, 3.5, 'abcdefgh', '5', 6, 7, 8, 9, 10)) end return unpack(t)"
    with reference.client() as client:
        theirs = client.eval(on_server(case), 0, *calls)
    theirs = [reply if isinstance(reply, bytes) else reply.encode() for reply in theirs]
    assert list(zip(calls[::2], calls[1::2], FACE.run(SHOW + " " + case, *calls), strict=True)) == \
        list(zip(calls[::2], calls[1::2], theirs, strict=True))


# --- bit

def signed(n):
    n &= 0xffffffff
    return n - (n >> 31 << 32)


BITS = st.integers(-2 ** 31, 2 ** 32 - 1)


@given(BITS, BITS, st.integers(0, 100))
def test_bit_operations(a, b, n):
    u, k = a & 0xffffffff, n & 31
    wanted = [a, ~a, a & b, a | b, a ^ b, u << k, u >> k, signed(a) >> k,
              u << k | u >> (32 - k), u >> k | u << (32 - k),
              int.from_bytes(u.to_bytes(4, "little"), "big")]
    got = FACE.run("""
        local a, b, n = tonumber((...)), tonumber((select(2, ...))), tonumber((select(3, ...)))
        return bit.tobit(a), bit.bnot(a), bit.band(a, b), bit.bor(a, b), bit.bxor(a, b), bit.lshift(a, n),
            bit.rshift(a, n), bit.arshift(a, n), bit.rol(a, n), bit.ror(a, n), bit.bswap(a), bit.tohex(a)""",
                   str(a), str(b), str(n))
    assert got == [*map(signed, wanted), f"{u:08x}".encode()]


# --- memory

WORK = """
    local d = cjson.decode('{"a":[1,2,{"b":"\\\\u00e9 and a longer text"}],"c":"' .. string.rep('x', 3000) .. '\\\\n"}')
    local s = cjson.encode(d) .. cmsgpack.pack(d, s) .. struct.pack('>is', 5, string.rep('y', 3000))
    return #s, cmsgpack.unpack(cmsgpack.pack(d)).a[1], (struct.unpack('s', 'abc\\0'))"""


def test_memory_that_runs_out_is_an_error_and_no_more():
    face = LuaFace()
    whole = face.run(WORK)
    failed = 0
    for spare in list(range(0, 60000, 600)):
        try:
            assert face.run(WORK, limit=face.used() + spare) == whole
        except LuaError as problem:
            assert problem.args[0] == b"not enough memory"
            failed += 1
        face.check()
        face.run("collectgarbage()")
    assert failed > 5 and face.run(WORK) == whole
