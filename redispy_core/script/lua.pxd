# A Lua state that runs scripts: made, filled with the sandbox and the redis library, called, stopped.
# An engine may have two: EVAL's and, for functions, one more; each has its memory apart.
from libc.stdint cimport int64_t, uint32_t, uint64_t
from ..base.mem cimport Mem
from ..base.sds cimport Slice
from ..ext cimport Caller, Ctx
from .luaapi cimport LuaApi, lua_CFunction, lua_State
from .sandbox cimport Sandbox

cdef enum:
    NAME_MAX = 256                  # bytes of a script's name in error replies
    COMPILE_ERROR_MAX = 1024

cdef struct LuaRuntime:
    lua_State* L
    Mem mem                         # Lua's own memory: mem.used is the state's size
    size_t memory_limit             # beyond it a script ends with "not enough memory"
    Caller* caller                  # its client and what it may do
    Sandbox box
    bint functions                  # the state of FUNCTION, not EVAL's
    bint open                       # the state is complete
    void* owner                     # of functions: who opened it (lua_functions)
    int resp                        # redis.setresp of the script that runs
    bint stopping                   # the hook runs at each line
    uint64_t began                  # rp_ticks
    int globals_ref                 # registry references: the real table of globals,
    int run_ref                     # the protected body of lua_run,
    int handler_ref                 # the error handler
    Slice* argv                     # arguments of redis.call
    int argv_cap
    char* numbers                   # texts of its numbers, as many
    char* gathered                  # a reply of several blocks, in one
    char name[NAME_MAX]             # of the script that runs
    char problem[COMPILE_ERROR_MAX] # why lua_compile failed

cdef struct LuaCall:                # what lua_run is to run
    int ref                         # registry reference of the function
    const char* name                # shown in errors: the SHA1, or the function's name
    size_t name_len
    uint32_t flags                  # CALL_* (ext)
    Slice* keys
    int nkeys
    Slice* args
    int nargs
    bint as_arguments               # keys and args are handed to the function; else they are the globals KEYS and ARGV

# Called for a new state with the table of real globals on top, before the sandbox closes: adds what it likes. [errors]
ctypedef void (*lua_extend_fn)(LuaRuntime* rt, lua_State* L) noexcept nogil

cdef LuaRuntime* lua_open(Ctx* x, bint functions, lua_extend_fn extend) noexcept nogil   # NULL: there is no Lua (lua_missing tells why)
cdef void lua_shut(LuaRuntime* rt) noexcept nogil
cdef Slice lua_missing() noexcept nogil                                      # why lua_open fails
cdef int lua_compile(LuaRuntime* rt, Slice body, const char* chunkname) noexcept nogil   # reference, or LUA_NOREF and rt.problem
cdef bint lua_try(LuaRuntime* rt, lua_CFunction body, void* ud) noexcept nogil   # body(ud as a light userdata) in protected mode; False: the error is in rt.problem
cdef void lua_forget(LuaRuntime* rt, int ref) noexcept nogil                 # gives a reference back
cdef void lua_run(LuaRuntime* rt, Ctx* x, const LuaCall* c) noexcept nogil   # runs it; exactly one reply in x.out
cdef LuaRuntime* lua_runtime_of(lua_State* L) noexcept nogil
