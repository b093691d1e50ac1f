"""Lua as a language of functions (contract: EngineType of engines.pxd). Room script.

A state of its own, opened as EVAL's. While a library is loaded, the face of its globals reads from another table, that
holds nothing but `redis` with register_function, log and constants; afterwards the same closures see the whole sandbox:

    face of globals --__index--> api {redis = face {register_function, log, ...}}     while loading
                                 globals {redis = face {call, ...}, string, ...}      else

A library has nothing that catches errors while it is loaded, so one error ends it, that of the time limit too.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport strlen
from ..base.env cimport env_ticks_ns
from ..base.mem cimport mem_calloc, mem_free
from ..base.rp cimport rp_ticks
from ..base.sds cimport Slice, slice_of
from ..ext cimport (E_FUNCTION_TIMEOUT, E_GENERAL, E_REGISTER_ARGS, E_REGISTER_CALLBACK, E_REGISTER_DESCRIPTION,
                    E_REGISTER_FIRST, E_REGISTER_FLAG, E_REGISTER_FLAGS, E_REGISTER_LATE, E_REGISTER_NAME,
                    E_REGISTER_NO_CALLBACK, E_REGISTER_NO_NAME, E_REGISTER_SECOND, E_REGISTER_TABLE,
                    E_REGISTER_UNKNOWN, Ctx, Err, err_text)
from .engines cimport (WHY_MAX, EngineType, Failure, FunctionCall, Library, engine_add, function_name, library_add)
from .eval cimport flag_bit
from .lua cimport (LuaCall, LuaRuntime, lua_compile, lua_forget, lua_missing, lua_open, lua_run, lua_runtime_of, lua_shut,
                   lua_try)
from .luaapi cimport (LUA_GLOBALSINDEX, LUA_MASKCOUNT, LUA_NOREF, LUA_OK, LUA_REGISTRYINDEX, LUA_TFUNCTION, LUA_TNIL,
                      LUA_TSTRING, LUA_TTABLE, LuaApi, lua_Debug, lua_Hook, lua_pop, lua_State, lua_upvalue, luaapi)
from .sandbox cimport sandbox_protect

cdef enum:
    HOOK_COUNT = 100000             # instructions between two looks at the clock
    NAME_AT = 2                     # stack slots of register_function
    CALLBACK_AT = 3
    DESCRIPTION_AT = 4

cdef struct LuaFunctions:
    LuaRuntime* rt
    int api_ref                     # registry reference: the globals of a library that is loaded
    int code_ref                    # the chunk to run
    Library* loading                # NULL: none
    Failure* failure
    bint failed
    uint64_t began                  # rp_ticks
    int64_t limit_ms

cdef const LuaApi* lua = NULL       # set by the first state

# What redis has while a library is loaded, beside register_function; what functions do not have of EVAL's.
cdef const char* SHARED[7]
SHARED[0] = b"log"
SHARED[1] = b"LOG_DEBUG"
SHARED[2] = b"LOG_VERBOSE"
SHARED[3] = b"LOG_NOTICE"
SHARED[4] = b"LOG_WARNING"
SHARED[5] = b"REDIS_VERSION"
SHARED[6] = b"REDIS_VERSION_NUM"
cdef const char* WITHOUT[3]
WITHOUT[0] = b"breakpoint"
WITHOUT[1] = b"debug"
WITHOUT[2] = b"replicate_commands"


# ---------------------------------------------------------------- errors

cdef int raise_named(lua_State* L, Err e) noexcept nogil:
    """{err=text}"""
    lua.createtable(L, 0, 1)
    lua.pushstring(L, err_text(e))
    lua.setfield(L, -2, b"err")
    return lua.error(L)


# ---------------------------------------------------------------- register_function

cdef uint32_t read_flags(lua_State* L, int at) noexcept nogil:
    """The list at `at` as bits. [errors]"""
    cdef uint32_t flags = 0, bit
    cdef size_t n
    cdef const char* s
    cdef int i = 1
    while True:
        lua.rawgeti(L, at, i)
        if lua.type(L, -1) == LUA_TNIL:
            lua_pop(lua, L, 1)
            return flags
        bit = 0
        if lua.type(L, -1) == LUA_TSTRING:
            s = lua.tolstring(L, -1, &n)
            bit = flag_bit(slice_of(s, n))
        if bit == 0:
            raise_named(L, E_REGISTER_FLAG)
        flags |= bit
        lua_pop(lua, L, 1)
        i += 1


cdef bint is_field(const char* s, size_t n, const char* lower) noexcept nogil:
    cdef size_t i
    cdef char c
    if strlen(lower) != n:
        return False
    for i in range(n):
        c = s[i]
        if c >= 65 and c <= 90:
            c += 32
        if c != lower[i]:
            return False
    return True


cdef int take_text(lua_State* L, int at, Err wrong) noexcept nogil:
    """The value on top, a text or number, goes to `at`. [errors]"""
    if not lua.isstring(L, -1):
        return raise_named(L, wrong)
    lua.replace(L, at)
    return 0


cdef uint32_t read_named(lua_State* L) noexcept nogil:
    """The table at 1: name, callback and description go to their slots; the flags. [errors]"""
    cdef uint32_t flags = 0
    cdef size_t n
    cdef const char* s
    lua.pushnil(L)
    while lua.next(L, 1):
        if lua.type(L, -2) != LUA_TSTRING:
            raise_named(L, E_REGISTER_UNKNOWN)
        s = lua.tolstring(L, -2, &n)
        if is_field(s, n, b"function_name"):
            take_text(L, NAME_AT, E_REGISTER_NAME)
        elif is_field(s, n, b"description"):
            take_text(L, DESCRIPTION_AT, E_REGISTER_DESCRIPTION)
        elif is_field(s, n, b"callback"):
            if lua.type(L, -1) != LUA_TFUNCTION:
                raise_named(L, E_REGISTER_CALLBACK)
            lua.replace(L, CALLBACK_AT)
        elif is_field(s, n, b"flags"):
            if lua.type(L, -1) != LUA_TTABLE:
                raise_named(L, E_REGISTER_FLAGS)
            flags = read_flags(L, lua.gettop(L))
            lua_pop(lua, L, 1)
        else:
            raise_named(L, E_REGISTER_UNKNOWN)
    if lua.type(L, NAME_AT) == LUA_TNIL:
        raise_named(L, E_REGISTER_NO_NAME)
    if lua.type(L, CALLBACK_AT) == LUA_TNIL:
        raise_named(L, E_REGISTER_NO_CALLBACK)
    return flags


cdef void read_positional(lua_State* L) noexcept nogil:
    """(name, callback) go to their slots. [errors]"""
    if not lua.isstring(L, 1):
        raise_named(L, E_REGISTER_FIRST)
    if lua.type(L, 2) != LUA_TFUNCTION:
        raise_named(L, E_REGISTER_SECOND)
    lua.pushnil(L)
    lua.insert(L, 1)                            # nil, name, callback


cdef int redis_register_function(lua_State* L) noexcept nogil:
    """(name, callback), or {function_name=, callback=, description=, flags=}"""
    cdef LuaFunctions* s = <LuaFunctions*>lua.touserdata(L, lua_upvalue(1))
    cdef int n = lua.gettop(L)
    cdef int refused, ref
    cdef uint32_t flags = 0
    cdef Slice name, description
    if s.loading == NULL:
        return raise_named(L, E_REGISTER_LATE)
    if n < 1 or n > 2:
        return raise_named(L, E_REGISTER_ARGS)
    if n == 1 and lua.type(L, 1) != LUA_TTABLE:
        return raise_named(L, E_REGISTER_TABLE)
    if n == 1:
        lua.settop(L, DESCRIPTION_AT)
        flags = read_named(L)
    else:
        read_positional(L)
        lua.settop(L, DESCRIPTION_AT)
    name.ptr = lua.tolstring(L, NAME_AT, &name.len)
    description.ptr = lua.tolstring(L, DESCRIPTION_AT, &description.len)
    lua.pushvalue(L, CALLBACK_AT)
    ref = lua.L_ref(L, LUA_REGISTRYINDEX)
    refused = library_add(s.loading, name, ref, flags, &description if description.ptr != NULL else NULL)
    if refused >= 0:
        lua.L_unref(L, LUA_REGISTRYINDEX, ref)
        return raise_named(L, <Err>refused)
    return 0


# ---------------------------------------------------------------- opening

cdef void push_real_redis(LuaFunctions* s, lua_State* L) noexcept nogil:
    """The table behind the face of redis."""
    lua.rawgeti(L, LUA_REGISTRYINDEX, s.rt.globals_ref)
    lua.getfield(L, -1, b"redis")
    lua.getmetatable(L, -1)
    lua.getfield(L, -1, b"__index")
    lua.insert(L, -4)
    lua_pop(lua, L, 3)


cdef void set_strict(LuaFunctions* s, lua_State* L) noexcept nogil:
    """The table on top gets the metatable of the globals: what is not there is an error."""
    lua.rawgeti(L, LUA_REGISTRYINDEX, s.rt.globals_ref)
    lua.getmetatable(L, -1)
    lua.remove(L, -2)
    lua.setmetatable(L, -2)


cdef int open_protected(lua_State* L) noexcept nogil:
    cdef LuaFunctions* s = <LuaFunctions*>lua.touserdata(L, 1)
    cdef int i
    lua.settop(L, 0)
    lua.createtable(L, 0, 1)                    # 1: api
    lua.createtable(L, 0, 16)                   # 2: its redis
    push_real_redis(s, L)                       # 3
    for i in range(7):
        lua.getfield(L, 3, SHARED[i])
        lua.setfield(L, 2, SHARED[i])
    for i in range(3):
        lua.pushnil(L)
        lua.setfield(L, 3, WITHOUT[i])
    lua.settop(L, 2)
    lua.pushlightuserdata(L, s)
    lua.pushcclosure(L, redis_register_function, 1)
    lua.setfield(L, 2, b"register_function")
    set_strict(s, L)
    sandbox_protect(L)
    lua.setfield(L, 1, b"redis")
    set_strict(s, L)
    s.api_ref = lua.L_ref(L, LUA_REGISTRYINDEX)
    return 0


cdef void* open_state(Ctx* x) noexcept nogil:
    global lua
    cdef LuaFunctions* s
    cdef LuaRuntime* rt = lua_open(x, True, NULL)
    if rt == NULL:
        return NULL
    lua = luaapi()
    s = <LuaFunctions*>mem_calloc(x.mem, sizeof(LuaFunctions))
    s.rt = rt
    rt.owner = s
    if not lua_try(rt, open_protected, s):
        shut_state(s)
        return NULL
    return s


cdef void shut_state(void* state) noexcept nogil:
    cdef LuaFunctions* s = <LuaFunctions*>state
    cdef LuaRuntime* rt = s.rt
    mem_free(rt.caller.x.mem, s)
    lua_shut(rt)


cdef size_t state_used(void* state) noexcept nogil:
    return (<LuaFunctions*>state).rt.mem.used


# ---------------------------------------------------------------- loading

cdef void load_hook(lua_State* L, lua_Debug* ar) noexcept nogil:
    cdef LuaFunctions* s = <LuaFunctions*>lua_runtime_of(L).owner
    if s.limit_ms and env_ticks_ns(s.rt.caller.x.env, rp_ticks() - s.began) >= s.limit_ms * 1000000:
        raise_named(L, E_FUNCTION_TIMEOUT)


cdef void read_globals_from(lua_State* L, int ref) noexcept nogil:
    """The face of the globals shows the table of that reference. No memory is needed: the field exists."""
    lua.pushvalue(L, LUA_GLOBALSINDEX)
    lua.getmetatable(L, -1)
    lua.rawgeti(L, LUA_REGISTRYINDEX, ref)
    lua.setfield(L, -2, b"__index")
    lua_pop(lua, L, 2)


cdef void keep_error(LuaFunctions* s, lua_State* L) noexcept nogil:
    """What is on top, as the load's failure."""
    cdef const char* text = b"?"
    if lua.type(L, -1) == LUA_TTABLE:
        lua.pushstring(L, b"err")
        lua.rawget(L, -2)
        if lua.isstring(L, -1):
            text = lua.tolstring(L, -1, NULL)
        snprintf(s.failure.why, WHY_MAX, b"%s", text)
        return
    if lua.isstring(L, -1):
        text = lua.tolstring(L, -1, NULL)
    snprintf(s.failure.why, WHY_MAX, err_text(E_GENERAL), text)


cdef int load_protected(lua_State* L) noexcept nogil:
    cdef LuaFunctions* s = <LuaFunctions*>lua.touserdata(L, 1)
    cdef lua_Hook hook = lua.gethook(L)
    cdef int count = lua.gethookcount(L)
    lua.settop(L, 0)
    lua.rawgeti(L, LUA_REGISTRYINDEX, s.code_ref)
    read_globals_from(L, s.api_ref)
    lua.sethook(L, load_hook, LUA_MASKCOUNT, HOOK_COUNT)
    s.failed = lua.pcall(L, 0, 0, 0) != LUA_OK
    lua.sethook(L, hook, LUA_MASKCOUNT, count)
    read_globals_from(L, s.rt.globals_ref)
    if s.failed:
        keep_error(s, L)
    return 0


cdef bint load(void* state, Library* lib, Slice code, int64_t limit_ms, Failure* f) noexcept nogil:
    cdef LuaFunctions* s = <LuaFunctions*>state
    cdef bint whole
    s.code_ref = lua_compile(s.rt, code, b"@user_function")
    if s.code_ref == LUA_NOREF:
        f.compiling = True
        snprintf(f.why, WHY_MAX, b"%s", s.rt.problem)
        return False
    f.compiling = False
    s.failure = f
    s.limit_ms = limit_ms
    s.began = rp_ticks()
    s.loading = lib
    whole = lua_try(s.rt, load_protected, s)
    s.loading = NULL
    lua_forget(s.rt, s.code_ref)
    if not whole:
        snprintf(f.why, WHY_MAX, err_text(E_GENERAL), s.rt.problem)
    return whole and not s.failed


cdef void forget(void* state, int64_t handle) noexcept nogil:
    lua_forget((<LuaFunctions*>state).rt, <int>handle)


# ---------------------------------------------------------------- running

cdef void run(void* state, Ctx* x, const FunctionCall* c) noexcept nogil:
    cdef LuaFunctions* s = <LuaFunctions*>state
    cdef Slice name = function_name(c.function)
    cdef LuaCall call
    call.ref = <int>c.function.handle
    call.name = name.ptr
    call.name_len = name.len
    call.flags = c.flags
    call.keys = c.keys
    call.nkeys = c.nkeys
    call.args = c.args
    call.nargs = c.nargs
    call.as_arguments = True
    lua_run(s.rt, x, &call)


cdef EngineType LUA
LUA.name = b"LUA"
LUA.open = open_state
LUA.shut = shut_state
LUA.missing = lua_missing
LUA.used = state_used
LUA.load = load
LUA.forget = forget
LUA.run = run
engine_add(&LUA)
