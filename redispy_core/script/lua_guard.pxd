# What a stock Lua 5.1 lets a script do to the process that runs it, closed: bytecode, a chunk's name freed while it is
# parsed, endless `unpack` and `string.rep`, patterns that recurse through the C stack.
from .luaapi cimport LuaApi, lua_State

# Replaces the functions in the state's globals and in the table `string`: call after base, table and string have been
# opened, before the sandbox hides or freezes anything. O(1). [errors: memory]
cdef void lua_guard(const LuaApi* lua, lua_State* L) noexcept nogil

# Compiles n bytes and pushes the function, or an error text; answers LUA_OK, LUA_ERRSYNTAX or LUA_ERRMEM. The way to
# compile anything of a client's: never bytecode, the name anchored. O(n). [errors: memory]
cdef int lua_load_text(const LuaApi* lua, lua_State* L, const char* s, size_t n, const char* name) noexcept nogil
