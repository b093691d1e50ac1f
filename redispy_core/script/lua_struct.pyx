"""The library `struct` of scripts: pack, unpack, size.

Room `script`; the runtime opens it in each state. The format (www.inf.puc-rio.br/~roberto/struct/, and what Redis 7
and 8 and Valkey 9 do, seen from outside):

    > <          big or little endian; the machine's is little here, whatever it is
    ![n]         alignment to n, a power of two (8)
    x            a zero byte
    b B h H      signed and unsigned 1, 2 bytes
    l L T        signed, unsigned, unsigned 8 bytes
    i[n] I[n]    n bytes (4), at most 32
    f d          float, double
    s            a string up to its zero byte
    c[n]         n bytes of a string (1); c0: all of it, or as many as the number just read says
"""
from libc.limits cimport INT_MAX
from libc.stdint cimport int64_t, intptr_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy, memset
from ..base.rp cimport rp_bswap32, rp_bswap64, rp_load32le, rp_load64le, rp_store32le, rp_store64le
from .lua_buffer cimport LuaBuffer, buffer_add, buffer_begin, buffer_push, buffer_put, buffer_reserve
from .luaapi cimport LUA_GLOBALSINDEX, LuaApi, lua_pop, lua_set_function, lua_State, luaapi

cdef enum:
    INTEGRAL_MAX = 32                  # bytes of an integer
    ALIGNMENT = 8                      # of a bare `!`

cdef struct Format:
    const LuaApi* lua
    lua_State* L
    const char* p                      # next option
    size_t align
    size_t size                        # of the option read last
    char option
    bint big


# --- the format

cdef void format_begin(Format* f, const LuaApi* lua, lua_State* L) noexcept nogil:
    f.lua, f.L, f.align, f.size, f.option, f.big = lua, L, 1, 0, 0, False
    f.p = lua.L_checklstring(L, 1, NULL)


cdef inline bint is_digit(char c) noexcept nogil:
    return c >= c'0' and c <= c'9'


cdef size_t read_count(Format* f, size_t default) noexcept nogil:
    """A number in the format, up to the largest int."""
    cdef int64_t n = 0
    if not is_digit(f.p[0]):
        return default
    while is_digit(f.p[0]):
        n = n * 10 + (f.p[0] - c'0')
        if n > INT_MAX:
            f.lua.L_error(f.L, b"integral size overflow")
        f.p += 1
    return <size_t>n


cdef bint next_option(Format* f) noexcept nogil:
    """Reads an option and its size; False at the format's end. An unknown one has size 0."""
    cdef char c = f.p[0]
    if c == 0:
        return False
    f.p += 1
    f.option = c
    if c == c'b' or c == c'B' or c == c'x':
        f.size = 1
    elif c == c'h' or c == c'H':
        f.size = 2
    elif c == c'f':
        f.size = 4
    elif c == c'l' or c == c'L' or c == c'T' or c == c'd':
        f.size = 8
    elif c == c'c':
        f.size = read_count(f, 1)
    elif c == c'i' or c == c'I':
        f.size = read_count(f, 4)
        if f.size > INTEGRAL_MAX:
            f.lua.L_error(f.L, b"integral size %d is larger than limit of %d", <int>f.size, <int>INTEGRAL_MAX)
    else:
        f.size = 0
    return True


cdef size_t padding(Format* f, size_t offset) noexcept nogil:
    """Bytes before the option just read. compat: for an odd size of i the same masks, though it is no power of two."""
    cdef size_t align = f.size
    if f.option == c'c' or align <= 1:
        return 0
    align = min(align, f.align)
    return (align - (offset & (align - 1))) & (align - 1)


cdef void control(Format* f) noexcept nogil:
    """An option that moves no data, or none at all."""
    if f.option == c'>':
        f.big = True
    elif f.option == c'<':
        f.big = False
    elif f.option == c'!':
        f.align = read_count(f, ALIGNMENT)
        if f.align == 0 or f.align & (f.align - 1):
            f.lua.L_error(f.L, b"alignment %d is not a power of 2", <int>f.align)
    elif f.option != c' ':
        f.lua.L_argerror(f.L, 1, f.lua.pushfstring(f.L, b"invalid format option '%c'", <int>f.option))


# --- numbers

cdef uint64_t to_bits(double v) noexcept nogil:
    """The integer part of v; beyond 64 bits what the x86-64 makes of it, on all machines."""
    if v < 0:
        return <uint64_t>1 << 63 if v < -9223372036854775808.0 else <uint64_t><int64_t>v
    if v < 18446744073709551616.0:
        return <uint64_t>v
    return 0 if v == v else <uint64_t>1 << 63


cdef void store_integer(char* to, uint64_t v, size_t size, bint big) noexcept nogil:
    """Bytes beyond the eighth are 0, of negative numbers too."""
    cdef size_t i
    for i in range(size):
        to[size - 1 - i if big else i] = <char>v
        v >>= 8


cdef double load_integer(const char* s, size_t size, bint big, bint is_signed) noexcept nogil:
    """Of more than eight bytes the lower eight."""
    cdef uint64_t v = 0, mask
    cdef size_t i
    for i in range(size):
        v = v << 8 | <unsigned char>s[i if big else size - 1 - i]
    if not is_signed:
        return <double>v
    mask = ~<uint64_t>0 << ((size * 8 - 1) & 63)           # compat: sizes beyond 8 have the sign of size - 8
    if v & mask:
        v |= mask
    return <double><int64_t>v


cdef void store_float(char* to, double v, bint big) noexcept nogil:
    cdef float single = <float>v
    cdef uint32_t bits
    memcpy(&bits, &single, 4)
    rp_store32le(to, rp_bswap32(bits) if big else bits)


cdef double load_float(const char* s, bint big) noexcept nogil:
    cdef uint32_t bits = rp_load32le(s)
    cdef float single
    bits = rp_bswap32(bits) if big else bits
    memcpy(&single, &bits, 4)
    return single


cdef void store_double(char* to, double v, bint big) noexcept nogil:
    cdef uint64_t bits
    memcpy(&bits, &v, 8)
    rp_store64le(to, rp_bswap64(bits) if big else bits)


cdef double load_double(const char* s, bint big) noexcept nogil:
    cdef uint64_t bits = rp_load64le(s)
    cdef double v
    bits = rp_bswap64(bits) if big else bits
    memcpy(&v, &bits, 8)
    return v


cdef inline bint is_signed(char option) noexcept nogil:
    return option == c'b' or option == c'h' or option == c'l' or option == c'i'


cdef inline bint is_integer(char c) noexcept nogil:
    return is_signed(c) or c == c'B' or c == c'H' or c == c'L' or c == c'T' or c == c'I'


# --- pack

cdef void pack_string(Format* f, LuaBuffer* b, int arg) noexcept nogil:
    """s or c."""
    cdef size_t n = 0
    cdef const char* s = f.lua.L_checklstring(f.L, arg, &n)
    if f.option == c'c':
        f.size = f.size if f.size else n
        if n < f.size:
            f.lua.L_argerror(f.L, arg + 1, b"string too short")     # compat: it is the argument before
        buffer_add(b, s, f.size)
    else:
        buffer_add(b, s, n)
        buffer_put(b, 0)


cdef bint pack_number(Format* f, LuaBuffer* b, int arg) noexcept nogil:
    """False: the option takes no number."""
    cdef double v
    if not is_integer(f.option) and f.option != c'f' and f.option != c'd':
        return False
    v = f.lua.L_checknumber(f.L, arg)
    cdef char* to = buffer_reserve(b, f.size)
    if f.option == c'f':
        store_float(to, v, f.big)
    elif f.option == c'd':
        store_double(to, v, f.big)
    else:
        store_integer(to, to_bits(v), f.size, f.big)
    b.n += f.size
    return True


cdef int struct_pack(lua_State* L) noexcept nogil:
    """pack(format, ...)."""
    cdef const LuaApi* lua = luaapi()
    cdef Format f
    cdef LuaBuffer b
    cdef int arg = 2
    cdef size_t pad
    format_begin(&f, lua, L)
    lua.pushnil(L)                                         # what is read where an argument is missing
    buffer_begin(&b, lua, L, 1)
    while next_option(&f):
        pad = padding(&f, b.n)
        memset(buffer_reserve(&b, pad), 0, pad)
        b.n += pad
        if f.option == c'x':
            buffer_put(&b, 0)
        elif f.option == c's' or f.option == c'c':
            pack_string(&f, &b, arg)
            arg += 1
        elif pack_number(&f, &b, arg):
            arg += 1
        else:
            control(&f)
    buffer_push(&b, True)
    return 1


# --- unpack

cdef void unpack_counted(Format* f, int* results, const char* s, size_t room) noexcept nogil:
    """c0: the number on top says how many bytes; the string takes its place."""
    if results[0] == 0 or not f.lua.isnumber(f.L, -1):
        f.lua.L_error(f.L, b"format 'c0' needs a previous size")
    f.size = <size_t>to_bits(f.lua.tonumber(f.L, -1))
    if f.size > room:
        f.lua.L_argerror(f.L, 2, b"data string too short")
    lua_pop(f.lua, f.L, 1)
    results[0] -= 1


cdef bint unpack_one(Format* f, int* results, const char* s, size_t room) noexcept nogil:
    """Pushes what the option reads at s, where `room` bytes are left; corrects f.size. False: it reads nothing."""
    cdef const char* end
    if f.option == c's':
        end = <const char*>memchr(s, 0, room)
        if end == NULL:
            f.lua.L_error(f.L, b"unfinished string in data")
        f.lua.pushlstring(f.L, s, <size_t>(end - s))
        f.size = <size_t>(end - s) + 1
    elif f.option == c'c':
        if f.size == 0:
            unpack_counted(f, results, s, room)
        f.lua.pushlstring(f.L, s, f.size)
    elif f.option == c'f':
        f.lua.pushnumber(f.L, load_float(s, f.big))
    elif f.option == c'd':
        f.lua.pushnumber(f.L, load_double(s, f.big))
    elif is_integer(f.option):
        f.lua.pushnumber(f.L, load_integer(s, f.size, f.big, is_signed(f.option)))
    else:
        return False
    return True


cdef int struct_unpack(lua_State* L) noexcept nogil:
    """unpack(format, data [, position]): the values, and the position behind them."""
    cdef const LuaApi* lua = luaapi()
    cdef Format f
    cdef size_t n = 0, at, pad
    cdef const char* s
    cdef int results = 0
    format_begin(&f, lua, L)
    s = lua.L_checklstring(L, 2, &n)
    at = <size_t>lua.L_optinteger(L, 3, 1)
    if at == 0:
        lua.L_argerror(L, 3, b"offset must be 1 or greater")
    at -= 1                                                # a negative position has become one beyond any data
    lua.settop(L, 2)
    while next_option(&f):
        at += padding(&f, at)
        if at > n or f.size > n - at:
            lua.L_argerror(L, 2, b"data string too short")
        lua.L_checkstack(L, 2, b"too many results")
        if unpack_one(&f, &results, s + at, n - at):
            results += 1
        elif f.option != c'x':
            control(&f)
        at += f.size
    lua.pushinteger(L, <intptr_t>(at + 1))
    return results + 1


# --- size

cdef int struct_size(lua_State* L) noexcept nogil:
    """size(format)."""
    cdef const LuaApi* lua = luaapi()
    cdef Format f
    cdef size_t total = 0
    cdef char c
    format_begin(&f, lua, L)
    while next_option(&f):
        total += padding(&f, total) + f.size
        c = f.option
        if c == c's':
            lua.L_argerror(L, 1, b"option 's' has no fixed size")
        elif c == c'c' and f.size == 0:
            lua.L_argerror(L, 1, b"option 'c0' has no fixed size")
        elif not (is_digit(c) or ((c | 0x20) >= c'a' and (c | 0x20) <= c'z')):
            control(&f)                                    # compat: unknown letters and digits pass
    lua.pushinteger(L, <intptr_t>total)
    return 1


cdef void lua_open_struct(const LuaApi* lua, lua_State* L) noexcept nogil:
    lua.createtable(L, 0, 3)
    lua.pushnil(L)                                         # the buffer, upvalue 1
    lua.pushcclosure(L, struct_pack, 1)
    lua.setfield(L, -2, b"pack")
    lua_set_function(lua, L, b"unpack", struct_unpack)
    lua_set_function(lua, L, b"size", struct_size)
    lua.setfield(L, LUA_GLOBALSINDEX, b"struct")
