# The library `cjson` of scripts: JSON to Lua values and back.
from .luaapi cimport LuaApi, lua_State

cdef void lua_open_cjson(const LuaApi* lua, lua_State* L) noexcept nogil      # sets the global cjson; [errors: memory]
