"""A growing text inside a lua_CFunction, in a userdata (see lua_buffer.pxd).

Room `script`; cjson, cmsgpack and struct write their results into one. A larger userdata is anchored before the next
thing that can fail; the old one is left to the collector.
"""
from libc.string cimport memcpy
from .luaapi cimport LuaApi, lua_State

cdef enum:
    FIRST = 512


cdef void buffer_begin(LuaBuffer* b, const LuaApi* lua, lua_State* L, int anchor) noexcept nogil:
    b.lua, b.L, b.anchor, b.n = lua, L, anchor, 0
    b.p = <char*>lua.touserdata(L, anchor)
    b.room = lua.objlen(L, anchor) if b.p != NULL else 0


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


cdef void buffer_push(LuaBuffer* b) noexcept nogil:
    if b.n:
        b.lua.pushlstring(b.L, b.p, b.n)
    else:
        b.lua.pushlstring(b.L, b"", 0)
