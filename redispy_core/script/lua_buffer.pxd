# A growing text inside a lua_CFunction: the bytes are a userdata that stands at a place of Lua's choosing to collect, so
# an error that leaves by longjmp loses nothing.
from libc.string cimport memcpy
from ..base.rp cimport unlikely
from .luaapi cimport LuaApi, lua_State

cdef struct LuaBuffer:
    const LuaApi* lua
    lua_State* L
    int anchor                         # stack index or upvalue where the userdata stands; holds nil before the first
    char* p
    size_t n
    size_t room

# Begins an empty text; takes over the room of a userdata that stands at `anchor` already. Nothing is allocated.
cdef void buffer_begin(LuaBuffer* b, const LuaApi* lua, lua_State* L, int anchor) noexcept nogil
cdef void buffer_grow(LuaBuffer* b, size_t more) noexcept nogil              # amortised O(1) a byte; [errors: memory]
# Pushes the text as a string. O(n). [errors: memory]
cdef void buffer_push(LuaBuffer* b) noexcept nogil

# Makes room for `more` bytes: they may then be written at p + n. [errors: memory]
cdef inline char* buffer_reserve(LuaBuffer* b, size_t more) noexcept nogil:
    if unlikely(b.room - b.n < more):
        buffer_grow(b, more)
    return b.p + b.n

cdef inline void buffer_put(LuaBuffer* b, char c) noexcept nogil:
    buffer_reserve(b, 1)[0] = c
    b.n += 1

cdef inline void buffer_add(LuaBuffer* b, const void* s, size_t n) noexcept nogil:
    memcpy(buffer_reserve(b, n), s, n)
    b.n += n
