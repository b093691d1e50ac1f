# The library `cmsgpack` of scripts: Lua values to MessagePack and back.
from .luaapi cimport LuaApi, lua_State

# Sets the global cmsgpack. [errors: memory]
cdef void lua_open_cmsgpack(const LuaApi* lua, lua_State* L) noexcept nogil
