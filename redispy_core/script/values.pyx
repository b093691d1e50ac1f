"""Values between Redis and Lua (contract: values.pxd). Room script; called by lua.pyx around every redis.call and EVAL.

    RESP              Lua                                       RESP
    :1                number                                    :1, cut towards zero
    $3 abc            string                                    $3 abc
    +OK               {ok="OK"}                                 +OK
    -ERR x            {err="ERR x"}                             -ERR x
    *2 ..             table, items from 1                       *n, up to the first nil
    $-1 *-1           false                                     $-1 (_)
    _                 nil                                       $-1 (_)
    #t #f             true, false (setresp 3)                   :1 and $-1; after setresp(3) #t and #f
    ,1.5              {double=1.5}                              ,1.5
    %n                {map={..}}                                %n
    ~n                {set={x=true}}                            ~n
    (n                {big_number="n"}                          (n
    =n txt:..         {verbatim_string={string=, format=}}      =n

A table is looked at raw: no metatable of a script runs here. What is deeper than Lua's stack allows is an error in its
place. Frames here may be left by longjmp: they hold nothing.
"""
from libc.stdint cimport int64_t, intptr_t
from ..base.num cimport num_parse_double
from ..base.rp cimport likely, unlikely
from ..base.sds cimport slice_of
from ..ext cimport (E_SCRIPT_STACK, Deferred, Out, reply_array, reply_bignum, reply_bool, reply_bulk, reply_double,
                    reply_error, reply_error_text, reply_int, reply_later, reply_length, reply_null, reply_status_n,
                    reply_verbatim)
from .luaapi cimport (LUA_REGISTRYINDEX, LUA_TBOOLEAN, LUA_TNIL, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, LuaApi, lua_pop,
                      lua_State)

cdef extern from *:
    """
    /* As the conversion of the common machines does: what no int64 can hold becomes the least one. */
    static inline long long lua_to_i64(double v) {
        return v >= -9223372036854775808.0 && v < 9223372036854775808.0 ? (long long)v : (-9223372036854775807LL - 1);
    }
    """
    int64_t lua_to_i64(double v) nogil

cdef enum:
    DEEP = 8                    # free stack slots that a level of nesting may need

ctypedef void (*error_fn)(void* ctx, const char* text, size_t n) noexcept nogil

cdef const LuaApi* lua = NULL   # set once


cdef void values_bind(const LuaApi* api) noexcept nogil:
    global lua
    lua = api


# ---------------------------------------------------------------- to Lua

cdef inline const char* line_end(const char* p) noexcept nogil:
    while p[0] != 13:
        p += 1
    return p


cdef inline const char* read_int(const char* p, int64_t* out) noexcept nogil:
    """The integer at p up to its CRLF; where the next thing begins."""
    cdef int64_t v = 0
    cdef bint negative = p[0] == 45
    p += negative
    while p[0] != 13:
        v = v * 10 + (p[0] - 48)
        p += 1
    out[0] = -v if negative else v
    return p + 2


cdef const char* push_array(lua_State* L, const char* p) noexcept nogil:
    cdef int64_t n, i
    p = read_int(p, &n)
    if n < 0:
        lua.pushboolean(L, 0)
        return p
    lua.createtable(L, <int>n, 0)
    for i in range(n):
        p = push_reply(L, p)
        lua.rawseti(L, -2, <int>i + 1)
    return p


cdef const char* push_map(lua_State* L, const char* p) noexcept nogil:
    cdef int64_t n, i
    p = read_int(p, &n)
    lua.createtable(L, 0, 1)
    lua.createtable(L, 0, <int>n)
    for i in range(n):
        p = push_reply(L, p)
        p = push_reply(L, p)
        lua.rawset(L, -3)
    lua.setfield(L, -2, b"map")
    return p


cdef const char* push_set(lua_State* L, const char* p) noexcept nogil:
    cdef int64_t n, i
    p = read_int(p, &n)
    lua.createtable(L, 0, 1)
    lua.createtable(L, 0, <int>n)
    for i in range(n):
        p = push_reply(L, p)
        lua.pushboolean(L, 1)
        lua.rawset(L, -3)
    lua.setfield(L, -2, b"set")
    return p


cdef const char* push_error(lua_State* L, const char* p) noexcept nogil:
    """It has been counted already: the script's own error must not count it again."""
    cdef const char* end = line_end(p)
    lua.createtable(L, 0, 2)
    lua.pushlstring(L, p, end - p)
    lua.setfield(L, -2, b"err")
    lua.pushboolean(L, 1)
    lua.setfield(L, -2, b"ignore_error_stats_update")
    return end + 2


cdef const char* push_field(lua_State* L, const char* p, const char* name) noexcept nogil:
    """{name=the line at p}"""
    cdef const char* end = line_end(p)
    lua.createtable(L, 0, 1)
    lua.pushlstring(L, p, end - p)
    lua.setfield(L, -2, name)
    return end + 2


cdef const char* push_double(lua_State* L, const char* p) noexcept nogil:
    cdef const char* end = line_end(p)
    cdef double v
    if not num_parse_double(p, end - p, &v):
        v = 0.0
        v = v / v                       # nan
    lua.createtable(L, 0, 1)
    lua.pushnumber(L, v)
    lua.setfield(L, -2, b"double")
    return end + 2


cdef const char* push_verbatim(lua_State* L, const char* p) noexcept nogil:
    cdef int64_t n
    p = read_int(p, &n)
    lua.createtable(L, 0, 1)
    lua.createtable(L, 0, 2)
    lua.pushlstring(L, p + 4, n - 4)
    lua.setfield(L, -2, b"string")
    lua.pushlstring(L, p, 3)
    lua.setfield(L, -2, b"format")
    lua.setfield(L, -2, b"verbatim_string")
    return p + n + 2


cdef const char* push_after_attribute(lua_State* L, const char* p) noexcept nogil:
    """Attributes are not shown to scripts: the reply behind them."""
    cdef int64_t n, i
    p = read_int(p, &n)
    for i in range(2 * n):
        p = push_reply(L, p)
        lua_pop(lua, L, 1)
    return push_reply(L, p)


cdef const char* push_rare(lua_State* L, const char* p) noexcept nogil:
    """The types of RESP3."""
    cdef char kind = p[0]
    p += 1
    if kind == c'_':
        lua.pushnil(L)
        return p + 2
    if kind == c'#':
        lua.pushboolean(L, p[0] == c't')
        return p + 3
    if kind == c',':
        return push_double(L, p)
    if kind == c'(':
        return push_field(L, p, b"big_number")
    if kind == c'=':
        return push_verbatim(L, p)
    if kind == c'%':
        return push_map(L, p)
    if kind == c'~':
        return push_set(L, p)
    if kind == c'|':
        return push_after_attribute(L, p)
    return push_array(L, p)             # '>'


cdef const char* push_reply(lua_State* L, const char* p) noexcept nogil:
    cdef char kind = p[0]
    cdef int64_t n
    if kind == c'$':
        p = read_int(p + 1, &n)
        if n < 0:
            lua.pushboolean(L, 0)
            return p
        lua.pushlstring(L, p, n)
        return p + n + 2
    if kind == c':':
        p = read_int(p + 1, &n)
        lua.pushnumber(L, <double>n)
        return p
    if kind == c'+':
        return push_field(L, p + 1, b"ok")
    if kind == c'-':
        return push_error(L, p + 1)
    lua.L_checkstack(L, DEEP, b"reply is nested too deeply")
    if kind == c'*':
        return push_array(L, p + 1)
    return push_rare(L, p)


# ---------------------------------------------------------------- from Lua

cdef bint has_field(lua_State* L, const char* name, int type) noexcept nogil:
    """Pushes the field of the table on top if it is of the type; else nothing."""
    lua.pushstring(L, name)
    lua.rawget(L, -2)
    if lua.type(L, -1) == type:
        return True
    lua_pop(lua, L, 1)
    return False


cdef void reply_error_table(lua_State* L, Out* out) noexcept nogil:
    """The text is on top, the table below it. Errors that a command made were counted when they were made."""
    cdef size_t n
    cdef const char* s = lua.tolstring(L, -1, &n)
    lua.pushstring(L, b"ignore_error_stats_update")
    lua.rawget(L, -3)
    reply_error_once(out, s, n, lua.type(L, -1) == LUA_TBOOLEAN and lua.toboolean(L, -1))
    lua_pop(lua, L, 2)


cdef void reply_error_once(Out* out, const char* s, size_t n, bint counted) noexcept nogil:
    cdef error_fn counter = out.on_error
    if counted:
        out.on_error = NULL
    reply_error_text(out, s, n)
    out.on_error = counter


cdef void reply_text_field(lua_State* L, Out* out, bint status) noexcept nogil:
    """A status or big number: the text on top, its line breaks made spaces. Pops it."""
    cdef size_t n, i
    cdef const char* s = lua.tolstring(L, -1, &n)
    cdef char* mine = NULL
    for i in range(n):
        if s[i] == 13 or s[i] == 10:
            break
    else:
        i = n
    if i < n:
        mine = <char*>lua.newuserdata(L, n)
        for i in range(n):
            mine[i] = 32 if s[i] == 13 or s[i] == 10 else s[i]
        s = mine
    if status:
        reply_status_n(out, s, n)
    else:
        reply_bignum(out, s, n)
    lua_pop(lua, L, 2 if mine != NULL else 1)


cdef void reply_map_field(lua_State* L, Out* out, int resp) noexcept nogil:
    """The table on top becomes a map."""
    cdef Deferred d = reply_later(out)
    cdef int64_t n = 0
    lua.pushnil(L)
    while lua.next(L, -2):
        lua.pushvalue(L, -2)                    # a copy of the key: converting a key in place confuses next()
        reply_value(L, out, resp)
        reply_value(L, out, resp)
        n += 1
    reply_length(out, d, c'%', n)
    lua_pop(lua, L, 1)


cdef void reply_set_field(lua_State* L, Out* out, int resp) noexcept nogil:
    cdef Deferred d = reply_later(out)
    cdef int64_t n = 0
    lua.pushnil(L)
    while lua.next(L, -2):
        lua_pop(lua, L, 1)
        lua.pushvalue(L, -1)
        reply_value(L, out, resp)
        n += 1
    reply_length(out, d, c'~', n)
    lua_pop(lua, L, 1)


cdef bint reply_verbatim_field(lua_State* L, Out* out) noexcept nogil:
    """The table on top holds string and format. Pops it in any case; False: it is no verbatim string."""
    cdef size_t n, fn
    cdef const char* s
    cdef const char* f
    cdef char[4] ext
    cdef int i
    if not has_field(L, b"format", LUA_TSTRING):
        lua_pop(lua, L, 1)
        return False
    f = lua.tolstring(L, -1, &fn)
    for i in range(3):                          # short ones are filled up, long ones cut
        ext[i] = f[i] if <size_t>i < fn and f[i] != 13 and f[i] != 10 else 32
    lua_pop(lua, L, 1)
    if not has_field(L, b"string", LUA_TSTRING):
        lua_pop(lua, L, 1)
        return False
    s = lua.tolstring(L, -1, &n)
    reply_verbatim(out, s, n, ext)
    lua_pop(lua, L, 2)
    return True


cdef bint reply_special(lua_State* L, Out* out, int resp) noexcept nogil:
    """A table that stands for another type, in the order in which they are looked for. Leaves the table."""
    if has_field(L, b"err", LUA_TSTRING):
        reply_error_table(L, out)
        return True
    if has_field(L, b"ok", LUA_TSTRING):
        reply_text_field(L, out, True)
        return True
    if has_field(L, b"double", LUA_TNUMBER):
        reply_double(out, lua.tonumber(L, -1))
        lua_pop(lua, L, 1)
        return True
    if has_field(L, b"map", LUA_TTABLE):
        reply_map_field(L, out, resp)
        return True
    if has_field(L, b"set", LUA_TTABLE):
        reply_set_field(L, out, resp)
        return True
    if has_field(L, b"big_number", LUA_TSTRING):
        reply_text_field(L, out, False)
        return True
    return has_field(L, b"verbatim_string", LUA_TTABLE) and reply_verbatim_field(L, out)


cdef bint is_plain_array(lua_State* L) noexcept nogil:
    """The table on top has nothing behind its last item: no fields to look for. O(1)."""
    cdef size_t n = lua.objlen(L, -1)
    if n:
        lua.pushnumber(L, <double>n)
    else:
        lua.pushnil(L)
    if not lua.next(L, -2):
        return True
    lua_pop(lua, L, 2)
    return False


cdef void reply_items(lua_State* L, Out* out, int resp) noexcept nogil:
    """The table on top as an array, up to its first nil."""
    cdef size_t n = lua.objlen(L, -1)
    cdef size_t i
    cdef int count = 1
    cdef Deferred d
    for i in range(n):                          # usually all items are there, and the length can stand first
        lua.rawgeti(L, -1, <int>i + 1)
        if lua.type(L, -1) == LUA_TNIL:
            lua_pop(lua, L, 1)
            n = i
            break
        lua_pop(lua, L, 1)
    reply_array(out, n)
    for i in range(n):
        lua.rawgeti(L, -1, <int>i + 1)
        reply_value(L, out, resp)


cdef void reply_table(lua_State* L, Out* out, int resp) noexcept nogil:
    if not lua.checkstack(L, DEEP):
        reply_error(out, E_SCRIPT_STACK)
    elif is_plain_array(L) or not reply_special(L, out, resp):
        reply_items(L, out, resp)


cdef void reply_value(lua_State* L, Out* out, int resp) noexcept nogil:
    cdef int type = lua.type(L, -1)
    cdef size_t n
    cdef const char* s
    if type == LUA_TSTRING:
        s = lua.tolstring(L, -1, &n)
        reply_bulk(out, s, n)
    elif type == LUA_TNUMBER:
        reply_int(out, lua_to_i64(lua.tonumber(L, -1)))
    elif type == LUA_TTABLE:
        reply_table(L, out, resp)
    elif type == LUA_TBOOLEAN and resp > 2:
        reply_bool(out, lua.toboolean(L, -1))
    elif type == LUA_TBOOLEAN and lua.toboolean(L, -1):
        reply_int(out, 1)
    else:
        reply_null(out)
    lua_pop(lua, L, 1)
