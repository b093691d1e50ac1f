# The libraries that scripts have beside Lua's own: cjson, cmsgpack, struct, bit. Each has its file, and its own
# lua_open_<name> there; none calls back into Lua, knows the server or owns memory outside Lua's.
from .luaapi cimport LuaApi, lua_State

cdef void lua_open_libs(const LuaApi* lua, lua_State* L) noexcept nogil       # sets the four globals; [errors: memory]
