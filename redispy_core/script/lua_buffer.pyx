"""A growing text inside a lua_CFunction, in a userdata (see lua_buffer.pxd).

Room `script`; cjson, cmsgpack and struct write their results into one. A larger userdata is anchored before the next
thing that can fail; the old one is left to the collector.
"""
from libc.string cimport memcpy
from .luaapi cimport LuaApi, lua_State, lua_upvalue

cdef enum:
    FIRST = 512
    KEPT = 1 << 16                     # bytes; larger ones are left to the collector


cdef void buffer_begin(LuaBuffer* b, const LuaApi* lua, lua_State* L, int upvalue) noexcept nogil:
    b.lua, b.L, b.anchor, b.n = lua, L, lua_upvalue(upvalue), 0
    b.p = <char*>lua.touserdata(L, b.anchor)
    b.room = lua.objlen(L, b.anchor) if b.p != NULL else 0
    if b.p == NULL:
        buffer_grow(b, 1)


cdef void buffer_grow(LuaBuffer* b, size_t more) noexcept nogil:
    cdef size_t room = b.room * 2 if b.room else FIRST
    cdef char* p
    while room - b.n < more:
        room *= 2
    p = <char*>b.lua.newuserdata(b.L, room)
    if b.n:
        memcpy(p, b.p, b.n)
    b.lua.replace(b.L, b.anchor)
    b.p, b.room = p, room


cdef void buffer_push(LuaBuffer* b, bint keep) noexcept nogil:
    b.lua.pushlstring(b.L, b.p, b.n)
    if not keep or b.room > KEPT:
        b.lua.pushnil(b.L)
        b.lua.replace(b.L, b.anchor)
