"""A Lua state that runs scripts (contract: lua.pxd). Room script; eval.pyx and the functions' file use it.

    lua_run -> pcall(run_protected) -> the script -> redis.call -> ext_call -> the reply as Lua values
                    |                     |
               handler: error table    hook, every HOOK_COUNT instructions: time limit, kill

All of Lua happens inside that one protected call, so an error of any kind, also of memory, ends there by longjmp. Every
frame in between is plain C that owns nothing: what a frame needs beyond its stack belongs to the runtime (argv, numbers,
gathered, the client's output) or to Lua. The GIL is taken only to let the server's loop turn and to log.

Memory comes from an allocator of the state's own; it says no above memory_limit, which Lua turns into an error.
"""
from libc.stdint cimport int64_t, intptr_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, memset, strlen
from ..base.codec cimport sha1_hex
from ..base.env cimport env_rand, env_ticks_ns
from ..base.mem cimport (Mem, mem_alloc, mem_calloc, mem_destroy, mem_free, mem_init, mem_try_alloc, mem_try_realloc)
from ..base.num cimport num_print_double, num_print_i64
from ..base.rp cimport likely, rp_ticks, unlikely
from ..base.sds cimport Slice, slice_of
from ..ext cimport (E_GENERAL, E_SCRIPT_ACL_COMMAND, E_SCRIPT_ARG_TYPES, E_SCRIPT_BAD_ARGS, E_SCRIPT_ERROR, E_SCRIPT_KILLED,
                    E_SCRIPT_LOG_ARGS, E_SCRIPT_LOG_LEVEL, E_SCRIPT_LOG_LEVEL_TYPE, E_SCRIPT_NO_ARGS, E_SCRIPT_ONE_ARG,
                    E_SCRIPT_REPL, E_SCRIPT_RESP, E_SCRIPT_RUN, E_SCRIPT_SHA_ARGS, Block, Caller, Ctx, Err, Out,
                    OutMark, err_text, ext_call, ext_caller, ext_caller_free, ext_log, ext_may_run, ext_script_begin,
                    ext_script_busy, ext_script_end, ext_set_repl, out_mark, out_rollback, reply_errorf)
from .luaapi cimport (LUA_GCCOLLECT, LUA_GLOBALSINDEX, LUA_MASKCOUNT, LUA_MASKLINE, LUA_NOREF, LUA_OK, LUA_REGISTRYINDEX,
                      LUA_TBOOLEAN, LUA_TFUNCTION, LUA_TNIL, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, LuaApi, lua_Alloc, lua_CFunction,
                      lua_Debug, lua_pop, lua_set_function, lua_State, lua_upvalue, luaapi)
from .luaapi import LuaMissing, load
from .sandbox cimport sandbox_bind, sandbox_close, sandbox_load, sandbox_open
from .values cimport push_reply, reply_error_once, reply_value, values_bind
from ..version import REDIS_VERSION

cdef extern from "<unistd.h>" nogil:
    long sysconf(int name)
    int _SC_PHYS_PAGES
    int _SC_PAGESIZE

cdef enum:
    HOOK_COUNT = 100000         # instructions between two looks at the clock
    NUMBER_MAX = 32             # bytes of a number's text
    ARGV_USUAL = 64             # room for so many arguments stays
    LEAST_LIMIT = 1 << 26

cdef const LuaApi* lua = NULL   # set once
cdef bytes why_missing = b""
cdef const char* why_ptr = why_missing
cdef bytes version_text = REDIS_VERSION.encode()
cdef const char* version_ptr = version_text
cdef int version_number = 0


cdef int build() except -1:
    global version_number
    major, minor, patch = (int(part) for part in REDIS_VERSION.split("."))
    version_number = (major << 16) | (minor << 8) | patch

build()


cdef void find_lua() noexcept:
    """Loads Lua once for the process; what hinders it is kept for the error reply."""
    global lua, why_missing, why_ptr
    if lua != NULL:
        return
    try:
        load()
        lua = luaapi()
        sandbox_bind(lua)
        values_bind(lua)
    except LuaMissing as e:
        why_missing = str(e).encode()
        why_ptr = why_missing


cdef Slice lua_missing() noexcept nogil:
    return slice_of(why_ptr, strlen(why_ptr))


# ---------------------------------------------------------------- memory

cdef void* allocate(void* ud, void* p, size_t osize, size_t nsize) noexcept nogil:
    cdef LuaRuntime* rt = <LuaRuntime*>ud
    if nsize == 0:
        mem_free(&rt.mem, p)
        return NULL
    if unlikely(nsize > osize and rt.mem.used + nsize - osize > rt.memory_limit):
        return NULL
    if p == NULL:
        return mem_try_alloc(&rt.mem, nsize)
    return mem_try_realloc(&rt.mem, p, nsize)


cdef LuaRuntime* lua_runtime_of(lua_State* L) noexcept nogil:
    cdef void* ud
    lua.getallocf(L, &ud)
    return <LuaRuntime*>ud


cdef size_t default_limit() noexcept nogil:
    """Half of the machine's memory: a script that wants more is a mistake."""
    cdef size_t n = <size_t>sysconf(_SC_PHYS_PAGES) * <size_t>sysconf(_SC_PAGESIZE) // 2
    return n if n > LEAST_LIMIT else LEAST_LIMIT


# ---------------------------------------------------------------- opening

cdef struct Opening:
    LuaRuntime* rt
    lua_extend_fn extend


cdef int open_protected(lua_State* L) noexcept nogil:
    cdef Opening* o = <Opening*>lua.touserdata(L, 1)
    cdef LuaRuntime* rt = o.rt
    lua.settop(L, 0)
    sandbox_open(L, &rt.box)
    open_redis(rt, L)
    if o.extend != NULL:
        o.extend(rt, L)
    lua.pushvalue(L, -1)
    rt.globals_ref = lua.L_ref(L, LUA_REGISTRYINDEX)
    sandbox_close(L)
    lua.pushcclosure(L, run_protected, 0)
    rt.run_ref = lua.L_ref(L, LUA_REGISTRYINDEX)
    lua.pushcclosure(L, handle_error, 0)
    rt.handler_ref = lua.L_ref(L, LUA_REGISTRYINDEX)
    return 0


cdef LuaRuntime* lua_open(Ctx* x, bint functions, lua_extend_fn extend) noexcept nogil:
    cdef LuaRuntime* rt
    cdef Opening o
    if lua == NULL:
        with gil:
            find_lua()
        if lua == NULL:
            return NULL
    rt = <LuaRuntime*>mem_calloc(x.mem, sizeof(LuaRuntime))
    mem_init(&rt.mem)
    rt.memory_limit = default_limit()
    rt.functions = functions
    rt.caller = ext_caller(x)
    rt.box.random = env_rand(x.env) & 0xFFFFFFFFFFFFULL
    rt.L = lua.newstate(allocate, rt)
    o.rt = rt
    o.extend = extend
    if rt.L == NULL or lua.cpcall(rt.L, open_protected, &o) != LUA_OK:
        lua_shut(rt)
        return NULL
    lua.sethook(rt.L, hook, LUA_MASKCOUNT, HOOK_COUNT)
    rt.open = True
    return rt


cdef void lua_shut(LuaRuntime* rt) noexcept nogil:
    cdef Mem* m = rt.caller.x.mem
    if rt.L != NULL:
        lua.close(rt.L)
    mem_free(m, rt.argv)
    mem_free(m, rt.numbers)
    mem_free(m, rt.gathered)
    mem_destroy(&rt.mem)
    ext_caller_free(rt.caller)
    mem_free(m, rt)


# ---------------------------------------------------------------- compiling

cdef struct Compiling:
    LuaRuntime* rt
    Slice body
    const char* chunkname
    int ref


cdef int compile_protected(lua_State* L) noexcept nogil:
    cdef Compiling* c = <Compiling*>lua.touserdata(L, 1)
    lua.settop(L, 0)
    if sandbox_load(L, c.body.ptr, c.body.len, c.chunkname) != LUA_OK:
        return lua.error(L)
    c.ref = lua.L_ref(L, LUA_REGISTRYINDEX)
    return 0


cdef int lua_compile(LuaRuntime* rt, Slice body, const char* chunkname) noexcept nogil:
    cdef Compiling c
    c.rt = rt
    c.body = body
    c.chunkname = chunkname
    c.ref = LUA_NOREF
    return c.ref if lua_try(rt, compile_protected, &c) else LUA_NOREF


cdef bint lua_try(LuaRuntime* rt, lua_CFunction body, void* ud) noexcept nogil:
    cdef const char* text = b"?"
    if likely(lua.cpcall(rt.L, body, ud) == LUA_OK):
        return True
    if lua.type(rt.L, -1) == LUA_TTABLE:
        lua.getfield(rt.L, -1, b"err")
    if lua.isstring(rt.L, -1):
        text = lua.tolstring(rt.L, -1, NULL)
    snprintf(rt.problem, COMPILE_ERROR_MAX, b"%s", text)
    lua.settop(rt.L, 0)
    return False


cdef void lua_forget(LuaRuntime* rt, int ref) noexcept nogil:
    lua.L_unref(rt.L, LUA_REGISTRYINDEX, ref)


# ---------------------------------------------------------------- time and kill

cdef void stop_script(LuaRuntime* rt, lua_State* L) noexcept nogil:
    """From now on every line raises: a script that catches errors cannot go on."""
    cdef const char* text = err_text(E_SCRIPT_KILLED)
    rt.box.killed = True
    if not rt.stopping:
        rt.stopping = True
        lua.sethook(rt.L, hook, LUA_MASKLINE | LUA_MASKCOUNT, 1)
    lua.sethook(L, hook, LUA_MASKLINE | LUA_MASKCOUNT, 1)
    raise_error(L, text, strlen(text))


cdef void log_slow(LuaRuntime* rt) noexcept nogil:
    cdef char[NAME_MAX + 128] text
    cdef int n = snprintf(text, sizeof(text), b"Slow script detected: it runs for %lld ms already, and SCRIPT KILL (or "
                          b"FUNCTION KILL) can end it. Its name: %s",
                          <long long>(env_ticks_ns(rt.caller.x.env, rp_ticks() - rt.began) // 1000000), rt.name)
    ext_log(rt.caller.x, 3, text, n)


cdef void hook(lua_State* L, lua_Debug* ar) noexcept nogil:
    cdef LuaRuntime* rt = lua_runtime_of(L)
    cdef int64_t limit_ms = rt.caller.x.env.knobs.busy_reply_threshold
    if not rt.caller.script.running:
        return
    if not rt.caller.script.killed:
        if limit_ms == 0 or env_ticks_ns(rt.caller.x.env, rp_ticks() - rt.began) < limit_ms * 1000000:
            return
        if not rt.caller.script.busy:
            log_slow(rt)
        if not ext_script_busy(rt.caller):
            return
    stop_script(rt, L)


# ---------------------------------------------------------------- errors

cdef int raise_error(lua_State* L, const char* text, size_t n) noexcept nogil:
    """{err=text}"""
    lua.createtable(L, 0, 3)
    lua.pushlstring(L, text, n)
    lua.setfield(L, -2, b"err")
    return lua.error(L)


cdef int raise_named(lua_State* L, Err e) noexcept nogil:
    cdef const char* text = err_text(e)
    return raise_error(L, text, strlen(text))


cdef int raise_for(lua_State* L, Err e, const char* function) noexcept nogil:
    """The text names the function."""
    lua.pushfstring(L, err_text(e), function)
    return raise_error(L, lua.tolstring(L, -1, NULL), lua.objlen(L, -1))


cdef const char* plain_text(lua_State* L) noexcept nogil:
    """What is at 1 as tostring() without metamethods shows it."""
    cdef int type = lua.type(L, 1)
    if lua.isstring(L, 1):
        return lua.tolstring(L, 1, NULL)
    if type == LUA_TBOOLEAN:
        lua.pushstring(L, b"false")
        if lua.toboolean(L, 1):
            lua.pushstring(L, b"true")
        return lua.tolstring(L, -1, NULL)
    if type <= LUA_TNIL:
        return b"nil"
    return lua.pushfstring(L, b"%s: %p", lua.typename(L, type), lua.topointer(L, 1))


cdef void error_text(lua_State* L) noexcept nogil:
    """What is at 1 becomes an error table there: its text with a code."""
    cdef const char* text
    if lua.type(L, 1) == LUA_TTABLE:
        lua.pushstring(L, b"err")
        lua.rawget(L, 1)
        if lua.isstring(L, -1):
            return
        text = b"unknown error"
    else:
        text = plain_text(L)
    lua.createtable(L, 0, 3)
    lua.pushfstring(L, err_text(E_GENERAL), text)
    lua.setfield(L, -2, b"err")
    lua.replace(L, 1)


cdef int handle_error(lua_State* L) noexcept nogil:
    """Runs where the error was raised: says in which chunk and line."""
    cdef lua_Debug ar
    cdef int level = 1
    lua.settop(L, 1)
    error_text(L)
    lua.settop(L, 1)
    if lua.getstack(L, level, &ar):
        lua.getinfo(L, b"nSl", &ar)
        if ar.what[0] == c'C' and lua.getstack(L, 2, &ar):
            lua.getinfo(L, b"nSl", &ar)
        if ar.source != NULL and ar.currentline > 0:
            lua.pushstring(L, b"source")
            lua.pushstring(L, ar.source)
            lua.rawset(L, 1)                    # raw: the table may be a script's, with a metatable
            lua.pushstring(L, b"line")
            lua.pushnumber(L, ar.currentline)
            lua.rawset(L, 1)
    return 1


cdef Slice field(lua_State* L, const char* name) noexcept nogil:
    """A text or number of the table at 1; left on the stack."""
    cdef size_t n = 0
    cdef const char* s
    lua.pushstring(L, name)
    lua.rawget(L, 1)
    s = lua.tolstring(L, -1, &n)
    return slice_of(s, n)


cdef int answer_protected(lua_State* L) noexcept nogil:
    """1: the error, 2: the call's Answer. Writes the reply."""
    cdef Answer* a = <Answer*>lua.touserdata(L, 2)
    cdef Slice text, source, line
    cdef bint counted = False
    text = field(L, b"err")
    source = field(L, b"source")
    line = field(L, b"line")
    lua.pushstring(L, b"ignore_error_stats_update")
    lua.rawget(L, 1)
    counted = lua.type(L, -1) == LUA_TBOOLEAN and lua.toboolean(L, -1)
    if text.ptr == NULL:
        text = slice_of(b"", 0)
    lua.pushlstring(L, text.ptr, text.len)
    if source.ptr != NULL and line.ptr != NULL:
        lua.pushfstring(L, err_text(E_SCRIPT_ERROR), b"", a.rt.name, source.ptr, line.ptr)
        lua.concat(L, 2)
    text.ptr = lua.tolstring(L, -1, &text.len)
    reply_error_once(a.out, text.ptr, text.len, counted)
    return 0


cdef struct Answer:
    LuaRuntime* rt
    Out* out


cdef void answer_error(LuaRuntime* rt, Out* out) noexcept nogil:
    """The error is on top of the stack."""
    cdef lua_State* L = rt.L
    cdef Answer a
    cdef const char* s = b"execution failure"
    a.rt = rt
    a.out = out
    if lua.type(L, -1) == LUA_TTABLE and lua.checkstack(L, 4):
        lua.pushcclosure(L, answer_protected, 0)
        lua.insert(L, -2)
        lua.pushlightuserdata(L, &a)
        if lua.pcall(L, 2, 0, 0) == LUA_OK:
            return
    if lua.type(L, -1) == LUA_TSTRING:
        s = lua.tolstring(L, -1, NULL)
    reply_errorf(out, E_SCRIPT_RUN, slice_of(rt.name, strlen(rt.name)), slice_of(s, strlen(s)))


# ---------------------------------------------------------------- running

cdef struct Running:
    LuaRuntime* rt
    const LuaCall* c
    Out* out


cdef void push_slices(lua_State* L, const Slice* s, int n) noexcept nogil:
    cdef int i
    lua.createtable(L, n, 0)
    for i in range(n):
        lua.pushlstring(L, s[i].ptr, s[i].len)
        lua.rawseti(L, -2, i + 1)


cdef int run_protected(lua_State* L) noexcept nogil:
    cdef Running* r = <Running*>lua.touserdata(L, 1)
    cdef const LuaCall* c = r.c
    if c.as_arguments:
        lua.rawgeti(L, LUA_REGISTRYINDEX, c.ref)
        push_slices(L, c.keys, c.nkeys)
        push_slices(L, c.args, c.nargs)
        lua.call(L, 2, 1)
    else:
        lua.rawgeti(L, LUA_REGISTRYINDEX, r.rt.globals_ref)
        lua.pushlstring(L, b"KEYS", 4)
        push_slices(L, c.keys, c.nkeys)
        lua.rawset(L, -3)
        lua.pushlstring(L, b"ARGV", 4)
        push_slices(L, c.args, c.nargs)
        lua.rawset(L, -3)
        lua.rawgeti(L, LUA_REGISTRYINDEX, c.ref)
        lua.call(L, 0, 1)
    reply_value(L, r.out, r.rt.resp)
    return 0


cdef void lua_run(LuaRuntime* rt, Ctx* x, const LuaCall* c) noexcept nogil:
    cdef lua_State* L = rt.L
    cdef Running r
    cdef OutMark mark = out_mark(x.out)
    cdef int64_t errors = x.out.errors
    cdef size_t n = c.name_len if c.name_len < NAME_MAX else NAME_MAX - 1
    memcpy(rt.name, c.name, n)
    rt.name[n] = 0
    r.rt = rt
    r.c = c
    r.out = x.out
    rt.resp = 2
    rt.box.killed = False
    rt.began = rp_ticks()
    ext_script_begin(rt.caller, x, c.flags, rt.functions)
    lua.rawgeti(L, LUA_REGISTRYINDEX, rt.handler_ref)
    lua.rawgeti(L, LUA_REGISTRYINDEX, rt.run_ref)
    lua.pushlightuserdata(L, &r)
    if unlikely(lua.pcall(L, 1, 0, 1) != LUA_OK):
        out_rollback(x.out, mark)
        x.out.errors = errors
        answer_error(rt, x.out)
    lua.settop(L, 0)
    if unlikely(rt.mem.used > rt.memory_limit // 2):
        lua.gc(L, LUA_GCCOLLECT, 0)             # Lua itself does not when memory fails
    ext_script_end(rt.caller)
    if unlikely(rt.stopping):
        rt.stopping = False
        lua.sethook(L, hook, LUA_MASKCOUNT, HOOK_COUNT)
    if unlikely(rt.gathered != NULL):
        mem_free(x.mem, rt.gathered)
        rt.gathered = NULL
    if unlikely(rt.argv_cap > ARGV_USUAL):
        set_argv_room(rt, ARGV_USUAL)


# ---------------------------------------------------------------- redis.call

cdef inline LuaRuntime* own_runtime(lua_State* L) noexcept nogil:
    """Upvalue 1 of the functions of the redis library."""
    return <LuaRuntime*>lua.touserdata(L, lua_upvalue(1))


cdef void set_argv_room(LuaRuntime* rt, int argc) noexcept nogil:
    cdef Mem* m = rt.caller.x.mem
    mem_free(m, rt.argv)
    mem_free(m, rt.numbers)
    rt.argv = <Slice*>mem_alloc(m, argc * sizeof(Slice))
    rt.numbers = <char*>mem_alloc(m, argc * NUMBER_MAX)
    rt.argv_cap = argc


cdef Slice number_text(LuaRuntime* rt, lua_State* L, int i) noexcept nogil:
    """As Redis writes a number of a script: a whole one without exponent, else the shortest text that reads back."""
    cdef double v = lua.tonumber(L, i + 1)
    cdef char* p = rt.numbers + i * NUMBER_MAX
    if -9.2e18 < v < 9.2e18 and v == <double><int64_t>v:
        return slice_of(p, num_print_i64(p, <int64_t>v))
    if v != v:
        return slice_of(p, snprintf(p, NUMBER_MAX, b"%f", v))
    return slice_of(p, num_print_double(p, v))


cdef bint read_arguments(LuaRuntime* rt, lua_State* L, int argc) noexcept nogil:
    """Arguments as slices of Lua's own strings, which the stack keeps; False: one is neither text nor number."""
    cdef int i, type
    cdef Slice* s
    if unlikely(argc > rt.argv_cap):
        set_argv_room(rt, 2 * argc if argc > ARGV_USUAL else ARGV_USUAL)
    for i in range(argc):
        s = &rt.argv[i]
        type = lua.type(L, i + 1)
        if likely(type == LUA_TSTRING):
            s.ptr = lua.tolstring(L, i + 1, &s.len)
        elif type == LUA_TNUMBER:
            s[0] = number_text(rt, L, i)
        else:
            return False
    return True


cdef const char* whole_reply(LuaRuntime* rt, Out* out) noexcept nogil:
    """The reply in one piece."""
    cdef Block* b = out.first
    cdef size_t n = 0
    cdef size_t used
    cdef Mem* m = rt.caller.x.mem
    if likely(b == out.last):
        return b.data
    while b != NULL:
        n += <size_t>(out.pos - b.data) if b == out.last else b.used
        b = b.next
    mem_free(m, rt.gathered)
    rt.gathered = <char*>mem_alloc(m, n)
    n = 0
    b = out.first
    while b != NULL:
        used = <size_t>(out.pos - b.data) if b == out.last else b.used
        memcpy(rt.gathered + n, b.data, used)
        n += used
        b = b.next
    return rt.gathered


cdef inline int call_generic(lua_State* L, bint protected) noexcept nogil:
    cdef LuaRuntime* rt = own_runtime(L)
    cdef int argc = lua.gettop(L)
    cdef const char* p
    cdef Err e
    if unlikely(argc == 0 or not read_arguments(rt, L, argc)):
        e = E_SCRIPT_ARG_TYPES if argc else E_SCRIPT_NO_ARGS
        return push_failure(L, e) if protected else raise_named(L, e)
    ext_call(rt.caller, rt.argv, argc)
    if unlikely(rt.caller.out.pos == NULL or rt.caller.out.pos == rt.caller.out.first.data):
        lua.pushnil(L)                                  # a command that does not answer
        return 1
    p = whole_reply(rt, rt.caller.out)
    push_reply(L, p)
    if unlikely(p[0] == c'-') and not protected:
        return lua.error(L)
    return 1


cdef int push_failure(lua_State* L, Err e) noexcept nogil:
    lua.createtable(L, 0, 1)
    lua.pushstring(L, err_text(e))
    lua.setfield(L, -2, b"err")
    return 1


cdef int redis_call(lua_State* L) noexcept nogil:
    return call_generic(L, False)


cdef int redis_pcall(lua_State* L) noexcept nogil:
    return call_generic(L, True)


# ---------------------------------------------------------------- the rest of the redis library

cdef int single_field(lua_State* L, const char* name) noexcept nogil:
    """{name=argument}, or the error table that says that there must be one text."""
    if lua.gettop(L) != 1 or lua.type(L, 1) != LUA_TSTRING:
        return push_failure(L, E_SCRIPT_BAD_ARGS)
    lua.createtable(L, 0, 1)
    lua.pushvalue(L, 1)
    lua.setfield(L, -2, name)
    return 1


cdef int redis_status_reply(lua_State* L) noexcept nogil:
    return single_field(L, b"ok")


cdef int redis_error_reply(lua_State* L) noexcept nogil:
    """A text without a code gets the general one; a leading '-' is no part of it."""
    cdef size_t n, i
    cdef const char* s
    if lua.gettop(L) != 1 or lua.type(L, 1) != LUA_TSTRING:
        return push_failure(L, E_SCRIPT_BAD_ARGS)
    s = lua.tolstring(L, 1, &n)
    if n and s[0] == c'-':
        lua.pushlstring(L, s + 1, n - 1)
        lua.replace(L, 1)
        s = lua.tolstring(L, 1, &n)
    for i in range(n):
        if s[i] == 32:
            return single_field(L, b"err")
    lua.pushfstring(L, err_text(E_GENERAL), s)
    lua.replace(L, 1)
    return single_field(L, b"err")


cdef int redis_sha1hex(lua_State* L) noexcept nogil:
    cdef char[40] digest
    cdef size_t n = 0
    cdef const char* s
    if lua.gettop(L) != 1:
        return raise_named(L, E_SCRIPT_SHA_ARGS)
    s = lua.tolstring(L, 1, &n)                         # neither text nor number: NULL, 0
    sha1_hex(s, n, digest)
    lua.pushlstring(L, digest, 40)
    return 1


cdef int redis_log(lua_State* L) noexcept nogil:
    cdef int n = lua.gettop(L)
    cdef int i, level
    cdef int parts = 0
    cdef size_t len
    cdef const char* s
    if n < 2:
        return raise_for(L, E_SCRIPT_LOG_ARGS, b"redis.log")
    if not lua.isnumber(L, 1):
        return raise_named(L, E_SCRIPT_LOG_LEVEL_TYPE)
    level = <int>lua.tointeger(L, 1)
    if level < 0 or level > 3:
        return raise_named(L, E_SCRIPT_LOG_LEVEL)
    lua.L_checkstack(L, n + 2, b"too many arguments")
    for i in range(2, n + 1):
        if lua.isstring(L, i):                          # others are left out
            if parts:
                lua.pushlstring(L, b" ", 1)
            lua.pushvalue(L, i)
            if parts:
                lua.concat(L, 3)
            parts += 1
    if parts:
        s = lua.tolstring(L, -1, &len)
        ext_log(own_runtime(L).caller.x, level, s, len)
    return 0


cdef int redis_setresp(lua_State* L) noexcept nogil:
    cdef LuaRuntime* rt = own_runtime(L)
    cdef intptr_t resp
    if lua.gettop(L) != 1:
        return raise_for(L, E_SCRIPT_ONE_ARG, b"redis.setresp")
    resp = lua.tointeger(L, 1)
    if resp != 2 and resp != 3:
        return raise_named(L, E_SCRIPT_RESP)
    rt.resp = <int>resp
    rt.caller.client.out.resp = <int>resp
    return 0


cdef int redis_set_repl(lua_State* L) noexcept nogil:
    cdef intptr_t flags
    if lua.gettop(L) != 1:
        return raise_for(L, E_SCRIPT_ONE_ARG, b"redis.set_repl")
    flags = lua.tointeger(L, 1)
    if flags < 0 or flags > 3:
        return raise_named(L, E_SCRIPT_REPL)
    ext_set_repl(own_runtime(L).caller, <int>flags)
    return 0


cdef int redis_replicate_commands(lua_State* L) noexcept nogil:
    """Effects are what is replicated, always."""
    lua.pushboolean(L, 1)
    return 1


cdef int redis_breakpoint(lua_State* L) noexcept nogil:
    """There is no debugger."""
    lua.pushboolean(L, 0)
    return 1


cdef int redis_debug(lua_State* L) noexcept nogil:
    return 0


cdef int redis_acl_check_cmd(lua_State* L) noexcept nogil:
    cdef LuaRuntime* rt = own_runtime(L)
    cdef int argc = lua.gettop(L)
    cdef int may
    if argc == 0:
        return raise_named(L, E_SCRIPT_NO_ARGS)
    if not read_arguments(rt, L, argc):
        return raise_named(L, E_SCRIPT_ARG_TYPES)
    may = ext_may_run(rt.caller, rt.argv, argc)
    if may < 0:
        return raise_named(L, E_SCRIPT_ACL_COMMAND)
    lua.pushboolean(L, may)
    return 1


cdef void add(LuaRuntime* rt, lua_State* L, const char* name, lua_CFunction f) noexcept nogil:
    lua.pushlightuserdata(L, rt)
    lua.pushcclosure(L, f, 1)
    lua.setfield(L, -2, name)


cdef void add_number(lua_State* L, const char* name, double v) noexcept nogil:
    lua.pushnumber(L, v)
    lua.setfield(L, -2, name)


cdef void open_redis(LuaRuntime* rt, lua_State* L) noexcept nogil:
    """On top: the table of globals."""
    lua.createtable(L, 0, 32)
    add(rt, L, b"call", redis_call)
    add(rt, L, b"pcall", redis_pcall)
    add(rt, L, b"error_reply", redis_error_reply)
    add(rt, L, b"status_reply", redis_status_reply)
    add(rt, L, b"sha1hex", redis_sha1hex)
    add(rt, L, b"log", redis_log)
    add(rt, L, b"setresp", redis_setresp)
    add(rt, L, b"set_repl", redis_set_repl)
    add(rt, L, b"replicate_commands", redis_replicate_commands)
    add(rt, L, b"breakpoint", redis_breakpoint)
    add(rt, L, b"debug", redis_debug)
    add(rt, L, b"acl_check_cmd", redis_acl_check_cmd)
    add_number(L, b"LOG_DEBUG", 0)
    add_number(L, b"LOG_VERBOSE", 1)
    add_number(L, b"LOG_NOTICE", 2)
    add_number(L, b"LOG_WARNING", 3)
    add_number(L, b"REPL_NONE", 0)
    add_number(L, b"REPL_AOF", 1)
    add_number(L, b"REPL_SLAVE", 2)
    add_number(L, b"REPL_REPLICA", 2)
    add_number(L, b"REPL_ALL", 3)
    add_number(L, b"REDIS_VERSION_NUM", version_number)
    lua.pushstring(L, version_ptr)
    lua.setfield(L, -2, b"REDIS_VERSION")
    lua.setfield(L, -2, b"redis")
