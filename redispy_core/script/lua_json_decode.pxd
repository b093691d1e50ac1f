# JSON text to Lua values: the reading half of `cjson`.
from .luaapi cimport LuaApi, lua_State

# Pushes the value of the text (a string) at index 1, where the stack ends. O(n). [errors: bad JSON, memory]
cdef void json_decode(const LuaApi* lua, lua_State* L, int max_depth, bint odd_numbers) noexcept nogil
