# The library `bit` of scripts: operations on 32-bit integers.
from .luaapi cimport LuaApi, lua_State

cdef void lua_open_bit(const LuaApi* lua, lua_State* L) noexcept nogil        # sets the global bit; [errors: memory]
