# Values between Redis and Lua: replies (RESP) to Lua values, Lua values to replies.
from .luaapi cimport LuaApi, lua_State
from ..ext cimport Out

cdef void values_bind(const LuaApi* api) noexcept nogil                       # before any other; once is enough
cdef const char* push_reply(lua_State* L, const char* p) noexcept nogil       # one reply at p onto the stack; where it ends. O(length) [errors]
cdef void reply_value(lua_State* L, Out* out, int resp) noexcept nogil        # the value on top as a reply, popped; resp: the script's. O(size) [errors]
cdef void reply_error_once(Out* out, const char* s, size_t n, bint counted) noexcept nogil   # an error reply; counted: it is in the statistics already
