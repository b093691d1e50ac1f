"""The library `cmsgpack` of scripts: pack, unpack, unpack_one, unpack_limit.

Room `script`; the runtime opens it in each state. The format is MessagePack's (github.com/msgpack/msgpack, spec.md)
without its binary and extension types; the choices are those that Redis 7 and 8 and Valkey 9 make, seen from outside:

- numbers: the shortest integer if the value is one and fits 64 signed bits, else a float if that loses nothing, else a
  double; the unsigned 64-bit format is read as a signed one
- tables: an array if the keys are 1 .. n, else a map; the 17th level of nesting is nil
- values of other types are nil

Reading pushes two values a level, and Lua's stack ends at 8,000: that bounds the recursion, and errors come at the
depths and with the texts that scripts know.
"""
from libc.math cimport floor
from libc.stdint cimport int16_t, int32_t, int64_t, int8_t, intptr_t, uint32_t, uint64_t
from libc.string cimport memcpy
from ..base.rp cimport rp_load64be, rp_store64be
from .lua_buffer cimport LuaBuffer, buffer_add, buffer_begin, buffer_push, buffer_put, buffer_reserve
from .luaapi cimport (
    LUA_GLOBALSINDEX, LUA_TBOOLEAN, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, LuaApi, lua_pop, lua_set_function, lua_State,
    luaapi,
)

cdef enum:
    NESTING_MAX = 16                   # levels of tables that pack writes

cdef enum:                             # first bytes
    M_MAP = 0x80                       # 0x80 .. 0x8f: of up to 15 pairs
    M_ARRAY = 0x90                     # 0x90 .. 0x9f
    M_STRING = 0xa0                    # 0xa0 .. 0xbf: of up to 31 bytes
    M_NIL = 0xc0
    M_FALSE = 0xc2
    M_TRUE = 0xc3
    M_FLOAT = 0xca
    M_DOUBLE = 0xcb
    M_UINT8 = 0xcc                     # and 16, 32, 64
    M_INT8 = 0xd0                      # and 16, 32, 64
    M_STRING8 = 0xd9                   # and 16, 32
    M_ARRAY16 = 0xdc                   # and 32
    M_MAP16 = 0xde                     # and 32
    M_NEGATIVE = 0xe0                  # 0xe0 .. 0xff: -32 .. -1


# --- writing

cdef void put_head(LuaBuffer* b, int head, uint64_t v, int bytes) noexcept nogil:
    """A first byte and the lower bytes of v, big end first."""
    cdef char* to = buffer_reserve(b, 9)
    rp_store64be(to + 1, v << (64 - 8 * bytes))
    to[0] = <char>head
    b.n += <size_t>(1 + bytes)


cdef void put_integer(LuaBuffer* b, int64_t v) noexcept nogil:
    if v >= 0:
        if v < 128:
            buffer_put(b, <char>v)
        elif v < 1 << 8:
            put_head(b, M_UINT8, <uint64_t>v, 1)
        elif v < 1 << 16:
            put_head(b, M_UINT8 + 1, <uint64_t>v, 2)
        elif v < <int64_t>1 << 32:
            put_head(b, M_UINT8 + 2, <uint64_t>v, 4)
        else:
            put_head(b, M_UINT8 + 3, <uint64_t>v, 8)
    elif v >= -32:
        buffer_put(b, <char>v)
    elif v >= -128:
        put_head(b, M_INT8, <uint64_t>v, 1)
    elif v >= -32768:
        put_head(b, M_INT8 + 1, <uint64_t>v, 2)
    elif v >= -2147483648:
        put_head(b, M_INT8 + 2, <uint64_t>v, 4)
    else:
        put_head(b, M_INT8 + 3, <uint64_t>v, 8)


cdef void put_number(LuaBuffer* b, double v) noexcept nogil:
    cdef float single = <float>v
    cdef uint32_t bits32
    cdef uint64_t bits64
    if v >= -9223372036854775808.0 and v < 9223372036854775808.0 and <double><int64_t>v == v:
        put_integer(b, <int64_t>v)
    elif <double>single == v:
        memcpy(&bits32, &single, 4)
        put_head(b, M_FLOAT, bits32, 4)
    else:
        memcpy(&bits64, &v, 8)
        put_head(b, M_DOUBLE, bits64, 8)


cdef void put_length(LuaBuffer* b, size_t n, int fixed, size_t fixed_room, int head) noexcept nogil:
    """The head of an array or a map; `head` takes 16 bits, the next one 32."""
    if n < fixed_room:
        buffer_put(b, <char>(fixed | <int>n))
    elif n < 1 << 16:
        put_head(b, head, n, 2)
    else:
        put_head(b, head + 1, n, 4)


cdef void put_string(LuaBuffer* b, int i) noexcept nogil:
    cdef size_t n = 0
    cdef const char* s = b.lua.tolstring(b.L, i, &n)
    if n >= 32 and n < 256:
        put_head(b, M_STRING8, n, 1)
    else:
        put_length(b, n, M_STRING, 32, M_STRING8 + 1)
    buffer_add(b, s, n)


cdef void put_value(LuaBuffer* b, int i, int level) noexcept nogil:
    """Writes the value at stack index i."""
    cdef int t = b.lua.type(b.L, i)
    if t == LUA_TSTRING:
        put_string(b, i)
    elif t == LUA_TNUMBER:
        put_number(b, b.lua.tonumber(b.L, i))
    elif t == LUA_TBOOLEAN:
        buffer_put(b, <char>M_TRUE if b.lua.toboolean(b.L, i) else <char>M_FALSE)
    elif t == LUA_TTABLE and level < NESTING_MAX:
        b.lua.L_checkstack(b.L, 4, b"too deep to pack")
        b.lua.pushvalue(b.L, i)
        put_table(b, level)
        lua_pop(b.lua, b.L, 1)
    else:
        buffer_put(b, <char>M_NIL)


cdef bint is_array(LuaBuffer* b, size_t* count) noexcept nogil:
    """Whether the keys of the table on top are 1 .. count; counts all entries in any case. O(entries)."""
    cdef double k, longest = 0
    cdef bint indexes = True
    count[0] = 0
    b.lua.pushnil(b.L)
    while b.lua.next(b.L, -2):
        lua_pop(b.lua, b.L, 1)
        count[0] += 1
        k = b.lua.tonumber(b.L, -1) if b.lua.type(b.L, -1) == LUA_TNUMBER else 0
        if k >= 1 and floor(k) == k:
            longest = max(longest, k)
        else:
            indexes = False
    return indexes and longest == <double>count[0]


cdef void put_table(LuaBuffer* b, int level) noexcept nogil:
    """The table on top, which stays there."""
    cdef size_t count = 0, i
    if is_array(b, &count):
        put_length(b, count, M_ARRAY, 16, M_ARRAY16)
        for i in range(1, count + 1):
            b.lua.rawgeti(b.L, -1, <int>i)
            put_value(b, b.lua.gettop(b.L), level + 1)
            lua_pop(b.lua, b.L, 1)
        return
    put_length(b, count, M_MAP, 16, M_MAP16)
    b.lua.pushnil(b.L)
    while b.lua.next(b.L, -2):
        i = <size_t>b.lua.gettop(b.L)
        put_value(b, <int>i - 1, level + 1)
        put_value(b, <int>i, level + 1)
        lua_pop(b.lua, b.L, 1)


cdef int cmsgpack_pack(lua_State* L) noexcept nogil:
    """pack(value, ...): one text of all values."""
    cdef const LuaApi* lua = luaapi()
    cdef LuaBuffer b
    cdef int count = lua.gettop(L), i
    if count == 0:
        return lua.L_argerror(L, 0, b"MessagePack pack needs input.")
    if not lua.checkstack(L, count):                       # compat: half of the stack
        return lua.L_argerror(L, 0, b"Too many arguments for MessagePack pack.")
    buffer_begin(&b, lua, L, 1)
    for i in range(1, count + 1):
        put_value(&b, i, 0)
    buffer_push(&b, True)
    return 1


# --- reading

cdef struct Reader:
    const LuaApi* lua
    lua_State* L
    const char* p
    size_t left


cdef const char* take(Reader* r, size_t n) noexcept nogil:
    """The next n bytes; an error if there are fewer."""
    cdef const char* s = r.p
    if n > r.left:
        r.lua.L_error(r.L, b"Missing bytes in input.")
    r.p += n
    r.left -= n
    return s


cdef uint64_t take_integer(Reader* r, int bytes) noexcept nogil:
    """Big end first."""
    cdef const char* s = take(r, <size_t>bytes)
    cdef uint64_t v = 0
    cdef int i
    if bytes == 8:
        return rp_load64be(s)
    for i in range(bytes):
        v = v << 8 | <unsigned char>s[i]
    return v


cdef void push_string(Reader* r, size_t n) noexcept nogil:
    r.lua.pushlstring(r.L, take(r, n), n)


cdef void push_array(Reader* r, size_t n) noexcept nogil:
    cdef size_t i
    r.lua.L_checkstack(r.L, 2, b"in function mp_decode_to_lua_array")
    r.lua.createtable(r.L, 0, 0)
    for i in range(1, n + 1):
        r.lua.pushnumber(r.L, <double>i)
        push_value(r)
        r.lua.rawset(r.L, -3)


cdef void push_map(Reader* r, size_t n) noexcept nogil:
    cdef size_t i
    r.lua.createtable(r.L, 0, 0)
    for i in range(n):
        push_value(r)
        push_value(r)
        r.lua.rawset(r.L, -3)                              # complains of the keys nil and NaN


cdef void push_sized(Reader* r, int c) noexcept nogil:
    """What a first byte 0xc0 .. 0xdf begins."""
    cdef const LuaApi* lua = r.lua
    cdef uint64_t bits
    cdef uint32_t bits32
    cdef double v
    cdef float single
    if c == M_NIL:
        lua.pushnil(r.L)
    elif c == M_TRUE or c == M_FALSE:
        lua.pushboolean(r.L, c == M_TRUE)
    elif c == M_FLOAT:
        bits32 = <uint32_t>take_integer(r, 4)
        memcpy(&single, &bits32, 4)
        lua.pushnumber(r.L, single)
    elif c == M_DOUBLE:
        bits = take_integer(r, 8)
        memcpy(&v, &bits, 8)
        lua.pushnumber(r.L, v)
    elif c >= M_UINT8 and c < M_INT8:
        lua.pushnumber(r.L, <double><int64_t>take_integer(r, 1 << (c - M_UINT8)))
    elif c == M_INT8:
        lua.pushnumber(r.L, <int8_t>take_integer(r, 1))
    elif c == M_INT8 + 1:
        lua.pushnumber(r.L, <int16_t>take_integer(r, 2))
    elif c == M_INT8 + 2:
        lua.pushnumber(r.L, <int32_t>take_integer(r, 4))
    elif c == M_INT8 + 3:
        lua.pushnumber(r.L, <double><int64_t>take_integer(r, 8))
    elif c >= M_STRING8 and c < M_ARRAY16:
        push_string(r, <size_t>take_integer(r, 1 << (c - M_STRING8)))
    elif c == M_ARRAY16 or c == M_ARRAY16 + 1:
        push_array(r, <size_t>take_integer(r, 2 << (c - M_ARRAY16)))
    elif c == M_MAP16 or c == M_MAP16 + 1:
        push_map(r, <size_t>take_integer(r, 2 << (c - M_MAP16)))
    else:
        lua.L_error(r.L, b"Bad data format in input.")     # binary, extensions, the unused byte


cdef void push_value(Reader* r) noexcept nogil:
    cdef int c
    r.lua.L_checkstack(r.L, 1, b"too many return values at once; use unpack_one or unpack_limit instead.")
    c = <unsigned char>take(r, 1)[0]
    if c < M_MAP:
        r.lua.pushnumber(r.L, c)
    elif c >= M_NEGATIVE:
        r.lua.pushnumber(r.L, c - 256)
    elif c >= M_NIL:
        push_sized(r, c)
    elif c >= M_STRING:
        push_string(r, <size_t>(c & 31))
    elif c >= M_ARRAY:
        push_array(r, <size_t>(c & 15))
    else:
        push_map(r, <size_t>(c & 15))


cdef int unpack_from(const LuaApi* lua, lua_State* L, int64_t limit, int64_t offset) noexcept nogil:
    """The values of the text at index 1 from an offset on. limit 0 and offset 0: all of them, and nothing else; else as
    many as the limit says, and before them the offset of what follows, -1 at the end.
    """
    cdef Reader r
    cdef size_t n = 0
    cdef int count = 0
    cdef bint everything = limit == 0 and offset == 0
    r.lua, r.L = lua, L
    r.p = lua.L_checklstring(L, 1, &n)
    if offset < 0 or limit < 0:                            # compat: it is the length that is called a limit
        return lua.L_error(L, b"Invalid request to unpack with offset of %d and limit of %d.", <int>offset, <int>n)
    if offset > <int64_t>n:
        return lua.L_error(L, b"Start offset %d greater than input length %d.", <int>offset, <int>n)
    r.p += offset
    r.left = n - <size_t>offset
    while r.left > 0 and (everything or count < limit):
        push_value(&r)
        count += 1
    if everything:
        return count
    lua.L_checkstack(L, 1, b"too many return values at once; use unpack_one or unpack_limit instead.")
    lua.pushinteger(L, <intptr_t>(n - r.left) if r.left else -1)
    lua.insert(L, -count - 1)
    return count + 1


cdef int cmsgpack_unpack(lua_State* L) noexcept nogil:
    """unpack(text)."""
    return unpack_from(luaapi(), L, 0, 0)


cdef int cmsgpack_unpack_one(lua_State* L) noexcept nogil:
    """unpack_one(text [, offset])."""
    cdef const LuaApi* lua = luaapi()
    cdef int64_t offset = lua.L_optinteger(L, 2, 0)
    return unpack_from(lua, L, 1, offset)


cdef int cmsgpack_unpack_limit(lua_State* L) noexcept nogil:
    """unpack_limit(text, limit [, offset])."""
    cdef const LuaApi* lua = luaapi()
    cdef int64_t limit = lua.L_checkinteger(L, 2)
    cdef int64_t offset = lua.L_optinteger(L, 3, 0)
    return unpack_from(lua, L, limit, offset)


cdef void add_text(const LuaApi* lua, lua_State* L, const char* name, const char* text) noexcept nogil:
    lua.pushstring(L, text)
    lua.setfield(L, -2, name)


cdef void lua_open_cmsgpack(const LuaApi* lua, lua_State* L) noexcept nogil:
    lua.createtable(L, 0, 8)
    lua.pushnil(L)                                         # the buffer, upvalue 1
    lua.pushcclosure(L, cmsgpack_pack, 1)
    lua.setfield(L, -2, b"pack")
    lua_set_function(lua, L, b"unpack", cmsgpack_unpack)
    lua_set_function(lua, L, b"unpack_one", cmsgpack_unpack_one)
    lua_set_function(lua, L, b"unpack_limit", cmsgpack_unpack_limit)
    add_text(lua, L, b"_NAME", b"cmsgpack")
    add_text(lua, L, b"_VERSION", b"lua-cmsgpack 0.4.0")   # compat: the version that scripts find in Redis
    add_text(lua, L, b"_DESCRIPTION", b"MessagePack for Lua")
    lua.setfield(L, LUA_GLOBALSINDEX, b"cmsgpack")
