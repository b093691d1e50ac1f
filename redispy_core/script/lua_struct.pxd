# The library `struct` of scripts: Lua values to and from packed binary data.
from .luaapi cimport LuaApi, lua_State

cdef void lua_open_struct(const LuaApi* lua, lua_State* L) noexcept nogil     # sets the global struct; [errors: memory]
