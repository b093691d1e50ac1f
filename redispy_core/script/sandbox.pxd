# What a script may see of Lua: read-only global tables, and safe forms of the library functions that are not.
from libc.stdint cimport uint64_t
from .luaapi cimport LuaApi, lua_State

cdef struct Sandbox:               # kept by the runtime; the functions here find it through the allocator's argument
    uint64_t random                # 48 bits: math.random's state
    bint killed                    # the script is being ended: pcall catches nothing

cdef void sandbox_bind(const LuaApi* api) noexcept nogil                        # before any other; once is enough
cdef void sandbox_open(lua_State* L, Sandbox* box) noexcept nogil               # fresh state: leaves the table of globals on the stack, not yet in force. [errors: memory]
cdef void sandbox_close(lua_State* L) noexcept nogil                            # pops it: from now on scripts see it, and only read. [errors: memory]
cdef void sandbox_protect(lua_State* L) noexcept nogil                          # the table on top is replaced by its read-only face. [errors: memory]
cdef int sandbox_load(lua_State* L, const char* s, size_t n, const char* name) noexcept nogil   # compiles text, never bytecode; pushes the function or the error's text. [errors: memory]
