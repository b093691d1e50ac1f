"""The library `cjson` of scripts: `encode`, `decode`, `new`, `null` and six settings.

Room `script`; the runtime opens it in each state. Behaviour and error texts are those that scripts find in Redis 7 and
8 and in Valkey 9, seen from outside.

Errors leave by longjmp, so nothing here owns memory: what grows is a userdata that Lua collects. `encode` writes into
one kept as its upvalue 2 (no Lua code runs meanwhile, so two calls never share it); `decode` cuts strings out of the
text and needs a userdata only for one with escapes. Settings are a userdata, upvalue 1 of all functions of a `new()`.

JSON's `null` is a light userdata of NULL. An empty table is `{}`; an array is a table whose keys are all positive
integers, if it is not too sparse. Decoded tables grow as their keys arrive, never presized: the order of `pairs`
depends on it.
"""
from libc.math cimport fabs, floor, isfinite, isnan, llrint, signbit
from libc.stdint cimport int64_t, intptr_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, strcmp, strlen
from ..base.num cimport num_print_i64
from ..base.rp cimport likely
from .lua_buffer cimport LuaBuffer, buffer_add, buffer_begin, buffer_push, buffer_put, buffer_reserve
from .luaapi cimport (
    LUA_GLOBALSINDEX, LUA_TBOOLEAN, LUA_TLIGHTUSERDATA, LUA_TNIL, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, LuaApi,
    lua_CFunction, lua_pop, lua_State, lua_upvalue, luaapi,
)
from .lua_json_decode cimport json_decode

cdef extern from *:
    """
    /* What ends a run of plain bytes in a JSON text being written: quotes, backslash, slash, controls, DEL. */
    static const unsigned char rp_json_special[256] = {
        1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,
        ['"'] = 1, ['/'] = 1, ['\\\\'] = 1, [127] = 1,
    };
    """
    const unsigned char[256] rp_json_special

cdef enum:
    DEPTH = 1000                       # default of both settings of depth
    PRECISION = 14                     # digits of a number, default and most
    SPARSE_RATIO = 2
    SPARSE_SAFE = 10

cdef enum:                             # encode_invalid_numbers
    INVALID_REFUSED = 0
    INVALID_TAKEN = 1
    INVALID_NULL = 2

cdef struct Settings:
    int encode_depth
    int decode_depth
    int precision
    int invalid_encode
    int invalid_decode
    int keep_buffer
    int sparse_convert                 # an object instead of an error
    int sparse_ratio                   # 0: never too sparse
    int sparse_safe                    # up to this length never too sparse


# --- writing

cdef struct Writer:
    const LuaApi* lua
    lua_State* L
    const Settings* settings
    LuaBuffer b
    int depth


cdef void refuse(Writer* w, int i, const char* reason) noexcept nogil:
    w.lua.L_error(w.L, b"Cannot serialise %s: %s", w.lua.typename(w.L, w.lua.type(w.L, i)), reason)


cdef int put_escape(char* to, unsigned char c) noexcept nogil:
    """Returns the length: six bytes at most."""
    cdef char short = c
    if c == 8:
        short = c'b'
    elif c == 9:
        short = c't'
    elif c == 10:
        short = c'n'
    elif c == 12:
        short = c'f'
    elif c == 13:
        short = c'r'
    elif c < 32 or c == 127:
        memcpy(to, b"\\u00", 4)
        to[4] = c'0' + (c >> 4)
        to[5] = c'0' + (c & 15) if (c & 15) < 10 else c'a' + (c & 15) - 10
        return 6
    to[0], to[1] = c'\\', short
    return 2


cdef void put_string(Writer* w, int i) noexcept nogil:
    cdef size_t n = 0
    cdef const char* s = w.lua.tolstring(w.L, i, &n)
    cdef const char* end = s + n
    cdef const char* run
    cdef char* to = buffer_reserve(&w.b, n + 2)
    to[0] = c'"'
    w.b.n += 1
    while True:
        run = s
        while s < end and not rp_json_special[<unsigned char>s[0]]:
            s += 1
        memcpy(w.b.p + w.b.n, run, <size_t>(s - run))
        w.b.n += <size_t>(s - run)
        if s == end:
            break
        to = buffer_reserve(&w.b, <size_t>(end - s) + 7)   # this escape, the rest, the closing quotes
        w.b.n += <size_t>put_escape(to, <unsigned char>s[0])
        s += 1
    w.b.p[w.b.n] = c'"'
    w.b.n += 1


cdef int print_number(char* to, double v, int precision) noexcept nogil:
    """As printf's %.<precision>g in the C locale. Returns the length; at most 32."""
    cdef int64_t whole
    cdef int n, i
    if precision == PRECISION and fabs(v) < 1e14 and (v != 0 or not signbit(v)):
        whole = <int64_t>v
        if <double>whole == v:
            return num_print_i64(to, whole)
        if fabs(v) < 1e8 and fabs(v) >= 1e-4:
            n = print_decimal(to, v)
            if n:
                return n
    n = snprintf(to, 32, b"%.*g", precision, v)
    for i in range(n):                                     # the locale's own point
        if to[i] == c',':
            to[i] = c'.'
    return n


cdef int print_decimal(char* to, double v) noexcept nogil:
    """Prints v if it is the double nearest to a decimal with up to 6 places, else 0.

    |v| < 10^8: such a decimal has at most 14 digits, so it is what rounding v to 14 digits gives.
    """
    cdef int64_t scaled = llrint(v * 1e6)
    cdef int64_t whole, rest
    cdef int n = 0, places = 6
    if <double>scaled / 1e6 != v:
        return 0
    if scaled < 0:
        to[0] = c'-'
        n = 1
        scaled = -scaled
    whole, rest = scaled // 1000000, scaled % 1000000
    n += num_print_i64(to + n, whole)
    while rest % 10 == 0:
        rest //= 10
        places -= 1
    to[n] = c'.'
    n += places
    for places in range(places):
        to[n - places] = c'0' + <char>(rest % 10)
        rest //= 10
    return n + 1


cdef void put_number(Writer* w, int i) noexcept nogil:
    cdef double v = w.lua.tonumber(w.L, i)
    cdef const char* text
    if likely(isfinite(v)):
        w.b.n += <size_t>print_number(buffer_reserve(&w.b, 32), v, w.settings.precision)
        return
    if w.settings.invalid_encode == INVALID_REFUSED:
        refuse(w, i, b"must not be NaN or Inf")
    if w.settings.invalid_encode == INVALID_NULL:
        text = b"null"
    elif isnan(v):
        text = b"nan"
    elif v > 0:
        text = b"inf"
    else:
        text = b"-inf"
    buffer_add(&w.b, text, strlen(text))


# --- values

cdef void put_value(Writer* w) noexcept nogil:
    """Writes the value on top of the stack, which stays there."""
    cdef int t = w.lua.type(w.L, -1)
    if t == LUA_TSTRING:
        put_string(w, -1)
    elif t == LUA_TNUMBER:
        put_number(w, -1)
    elif t == LUA_TTABLE:
        put_table(w)
    elif t == LUA_TBOOLEAN:
        if w.lua.toboolean(w.L, -1):
            buffer_add(&w.b, b"true", 4)
        else:
            buffer_add(&w.b, b"false", 5)
    elif t == LUA_TNIL or (t == LUA_TLIGHTUSERDATA and w.lua.touserdata(w.L, -1) == NULL):
        buffer_add(&w.b, b"null", 4)
    else:
        refuse(w, -1, b"type not supported")


cdef int array_length(Writer* w) noexcept nogil:
    """Largest index of the table on top if all its keys are positive integers, else -1. O(entries)."""
    cdef const LuaApi* lua = w.lua
    cdef lua_State* L = w.L
    cdef const Settings* o = w.settings
    cdef double k
    cdef int64_t longest = 0, items = 0
    lua.pushnil(L)
    while lua.next(L, -2):
        k = lua.tonumber(L, -2) if lua.type(L, -2) == LUA_TNUMBER else 0
        if not (k >= 1 and k <= 2147483647.0 and floor(k) == k):
            lua_pop(lua, L, 2)
            return -1
        longest = max(longest, <int64_t>k)
        items += 1
        lua_pop(lua, L, 1)
    if o.sparse_ratio > 0 and longest > items * o.sparse_ratio and longest > o.sparse_safe:
        if not o.sparse_convert:
            refuse(w, -1, b"excessively sparse array")
        return -1
    return <int>longest if items else -1


cdef void put_table(Writer* w) noexcept nogil:
    cdef int length
    w.depth += 1
    if w.depth > w.settings.encode_depth or not w.lua.checkstack(w.L, 4):
        w.lua.L_error(w.L, b"Cannot serialise, excessive nesting (%d)", w.depth)
    length = array_length(w)
    if length > 0:
        put_array(w, length)
    else:
        put_object(w)
    w.depth -= 1


cdef void put_array(Writer* w, int length) noexcept nogil:
    cdef int64_t i                     # an int would overflow at the longest
    buffer_put(&w.b, c'[')
    for i in range(1, <int64_t>length + 1):
        if i > 1:
            buffer_put(&w.b, c',')
        w.lua.rawgeti(w.L, -1, <int>i)
        put_value(w)
        lua_pop(w.lua, w.L, 1)
    buffer_put(&w.b, c']')


cdef void put_object(Writer* w) noexcept nogil:
    cdef const LuaApi* lua = w.lua
    cdef bint first = True
    cdef int t
    buffer_put(&w.b, c'{')
    lua.pushnil(w.L)
    while lua.next(w.L, -2):
        if not first:
            buffer_put(&w.b, c',')
        first = False
        t = lua.type(w.L, -2)
        if t == LUA_TSTRING:
            put_string(w, -2)
        elif t == LUA_TNUMBER:         # read by value: making it a string would confuse next()
            buffer_put(&w.b, c'"')
            put_number(w, -2)
            buffer_put(&w.b, c'"')
        else:
            refuse(w, -2, b"table key must be a number or string")
        buffer_put(&w.b, c':')
        put_value(w)
        lua_pop(lua, w.L, 1)
    buffer_put(&w.b, c'}')


# --- the functions

cdef inline Settings* settings_of(const LuaApi* lua, lua_State* L) noexcept nogil:
    return <Settings*>lua.touserdata(L, lua_upvalue(1))


cdef int cjson_encode(lua_State* L) noexcept nogil:
    """encode(value)."""
    cdef const LuaApi* lua = luaapi()
    cdef Writer w
    if lua.gettop(L) != 1:
        lua.L_argerror(L, 1, b"expected 1 argument")
    w.lua, w.L, w.settings, w.depth = lua, L, settings_of(lua, L), 0
    buffer_begin(&w.b, lua, L, 2)
    put_value(&w)
    buffer_push(&w.b, w.settings.keep_buffer)
    return 1


cdef int cjson_decode(lua_State* L) noexcept nogil:
    """decode(text)."""
    cdef const LuaApi* lua = luaapi()
    cdef const Settings* settings = settings_of(lua, L)
    if lua.gettop(L) != 1:
        lua.L_argerror(L, 1, b"expected 1 argument")
    lua.L_checklstring(L, 1, NULL)
    json_decode(lua, L, settings.decode_depth, settings.invalid_decode)
    return 1


# --- settings: called without arguments, or with nil, they tell; with a value they set and tell

cdef void at_most(const LuaApi* lua, lua_State* L, int count) noexcept nogil:
    if lua.gettop(L) > count:
        lua.L_argerror(L, count + 1, b"found too many arguments")
    lua.settop(L, count)


cdef void set_number(const LuaApi* lua, lua_State* L, int i, int* value, int least, int most) noexcept nogil:
    """Argument i, if there is one; pushes what holds now."""
    cdef intptr_t v
    if lua.type(L, i) != LUA_TNIL:
        v = lua.L_checkinteger(L, i)
        if v < least or v > most:
            # compat: Redis names the first argument, whichever it is
            lua.L_argerror(L, 1, lua.pushfstring(L, b"expected integer between %d and %d", least, most))
        value[0] = <int>v
    lua.pushinteger(L, value[0])


cdef void set_choice(const LuaApi* lua, lua_State* L, int i, int* value, bint null_too) noexcept nogil:
    """Argument i, a boolean, "off", "on" or, if there is such a choice, "null"; pushes what holds now."""
    cdef const char* s
    if lua.type(L, i) == LUA_TBOOLEAN:
        value[0] = lua.toboolean(L, i)
    elif lua.type(L, i) != LUA_TNIL:
        s = lua.L_checklstring(L, i, NULL)
        if strcmp(s, b"off") == 0:
            value[0] = INVALID_REFUSED
        elif strcmp(s, b"on") == 0:
            value[0] = INVALID_TAKEN
        elif null_too and strcmp(s, b"null") == 0:
            value[0] = INVALID_NULL
        else:
            lua.L_argerror(L, i, lua.pushfstring(L, b"invalid option '%s'", s))
    if value[0] == INVALID_NULL:
        lua.pushstring(L, b"null")
    else:
        lua.pushboolean(L, value[0])


cdef int cjson_encode_max_depth(lua_State* L) noexcept nogil:
    cdef const LuaApi* lua = luaapi()
    at_most(lua, L, 1)
    set_number(lua, L, 1, &settings_of(lua, L).encode_depth, 1, 0x7fffffff)
    return 1


cdef int cjson_decode_max_depth(lua_State* L) noexcept nogil:
    cdef const LuaApi* lua = luaapi()
    at_most(lua, L, 1)
    set_number(lua, L, 1, &settings_of(lua, L).decode_depth, 1, 0x7fffffff)
    return 1


cdef int cjson_encode_number_precision(lua_State* L) noexcept nogil:
    cdef const LuaApi* lua = luaapi()
    at_most(lua, L, 1)
    set_number(lua, L, 1, &settings_of(lua, L).precision, 1, PRECISION)
    return 1


cdef int cjson_encode_keep_buffer(lua_State* L) noexcept nogil:
    cdef const LuaApi* lua = luaapi()
    at_most(lua, L, 1)
    set_choice(lua, L, 1, &settings_of(lua, L).keep_buffer, False)
    return 1


cdef int cjson_encode_invalid_numbers(lua_State* L) noexcept nogil:
    cdef const LuaApi* lua = luaapi()
    at_most(lua, L, 1)
    set_choice(lua, L, 1, &settings_of(lua, L).invalid_encode, True)
    return 1


cdef int cjson_decode_invalid_numbers(lua_State* L) noexcept nogil:
    cdef const LuaApi* lua = luaapi()
    at_most(lua, L, 1)
    set_choice(lua, L, 1, &settings_of(lua, L).invalid_decode, False)
    return 1


cdef int cjson_encode_sparse_array(lua_State* L) noexcept nogil:
    """encode_sparse_array([convert [, ratio [, safe]]])."""
    cdef const LuaApi* lua = luaapi()
    cdef Settings* settings = settings_of(lua, L)
    at_most(lua, L, 3)
    set_choice(lua, L, 1, &settings.sparse_convert, False)
    set_number(lua, L, 2, &settings.sparse_ratio, 0, 0x7fffffff)
    set_number(lua, L, 3, &settings.sparse_safe, 0, 0x7fffffff)
    return 3


# --- opening

cdef void add(const LuaApi* lua, lua_State* L, const char* name, lua_CFunction f) noexcept nogil:
    """Adds f to the table on top, with the settings below it as upvalue 1 and an empty buffer as upvalue 2."""
    lua.pushvalue(L, -2)
    lua.pushnil(L)
    lua.pushcclosure(L, f, 2)
    lua.setfield(L, -2, name)


cdef int cjson_new(lua_State* L) noexcept nogil:
    """new(): a library of its own settings."""
    cdef const LuaApi* lua = luaapi()
    cdef Settings* o = <Settings*>lua.newuserdata(L, sizeof(Settings))
    o.encode_depth = o.decode_depth = DEPTH
    o.precision = PRECISION
    o.invalid_encode, o.invalid_decode = INVALID_REFUSED, INVALID_TAKEN
    o.keep_buffer = True
    o.sparse_convert, o.sparse_ratio, o.sparse_safe = False, SPARSE_RATIO, SPARSE_SAFE
    lua.createtable(L, 0, 0)
    add(lua, L, b"encode", cjson_encode)
    add(lua, L, b"decode", cjson_decode)
    add(lua, L, b"encode_sparse_array", cjson_encode_sparse_array)
    add(lua, L, b"encode_max_depth", cjson_encode_max_depth)
    add(lua, L, b"decode_max_depth", cjson_decode_max_depth)
    add(lua, L, b"encode_number_precision", cjson_encode_number_precision)
    add(lua, L, b"encode_keep_buffer", cjson_encode_keep_buffer)
    add(lua, L, b"encode_invalid_numbers", cjson_encode_invalid_numbers)
    add(lua, L, b"decode_invalid_numbers", cjson_decode_invalid_numbers)
    add(lua, L, b"new", cjson_new)
    lua.pushlightuserdata(L, NULL)
    lua.setfield(L, -2, b"null")
    lua.pushstring(L, b"cjson")
    lua.setfield(L, -2, b"_NAME")
    lua.pushstring(L, b"2.1.0")                            # compat: the version that scripts find in Redis
    lua.setfield(L, -2, b"_VERSION")
    return 1


cdef void lua_open_cjson(const LuaApi* lua, lua_State* L) noexcept nogil:
    lua.pushcclosure(L, cjson_new, 0)
    lua.call(L, 0, 1)
    lua.setfield(L, LUA_GLOBALSINDEX, b"cjson")
