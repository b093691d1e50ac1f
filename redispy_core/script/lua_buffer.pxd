# A growing text inside a lua_CFunction: its bytes are a userdata, anchored in an upvalue of that function, which Lua
# collects; so an error that leaves by longjmp loses nothing.
from libc.string cimport memcpy
from ..base.rp cimport unlikely
from .luaapi cimport LuaApi, lua_State

cdef struct LuaBuffer:
    const LuaApi* lua
    lua_State* L
    int anchor                         # the upvalue; nil, or a userdata
    char* p                            # never NULL
    size_t n
    size_t room

# Begins an empty text in the room that the function's last call left in its upvalue number `upvalue`. No
# Lua code may run before buffer_push: it could call the function again. [errors: memory]
cdef void buffer_begin(LuaBuffer* b, const LuaApi* lua, lua_State* L, int upvalue) noexcept nogil
cdef void buffer_grow(LuaBuffer* b, size_t more) noexcept nogil              # amortised O(1) a byte; [errors: memory]
# Pushes the text as a string; the room stays for the next call if wanted and not large. O(n). [errors: memory]
cdef void buffer_push(LuaBuffer* b, bint keep) noexcept nogil

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
