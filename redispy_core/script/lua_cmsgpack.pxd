# The library `cmsgpack` of scripts: Lua values to MessagePack and back.
from .luaapi cimport LuaApi, lua_State

cdef void lua_open_cmsgpack(const LuaApi* lua, lua_State* L) noexcept nogil   # sets the global cmsgpack; [errors: memory]
