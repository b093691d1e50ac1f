"""The sandbox (contract: sandbox.pxd). Room script; the runtime opens one in each state, before any script is compiled.

Tables that scripts share are read-only, so that none changes what the next one sees. Stock Lua has no such thing, so a
script is given a face: an empty table whose metatable reads from the real one and refuses to write.

    face {}  --metatable-->  {[1]=TAG, [2]=real, [3]=what getmetatable shows, __index=real, __newindex=refuse}

Nothing hands out the metatable or the real table: getmetatable, setmetatable, rawget, rawset, next, pairs and
table.insert are ours and know faces by TAG, an address that no script can make.

Guards that stand before functions which could harm the process (bytecode, unpack ...) are lua_guard's. What touches
files or environments is not there at all; the collector can be asked to work, but not to stop.

Ours stand before Lua's own functions: they check, and call the original (upvalue 1) as a C function in their frame, so
that its errors read as ever.
"""
from libc.stdint cimport int64_t, intptr_t, uint64_t
from ..base.rp cimport likely, unlikely
from ..ext cimport E_SCRIPT_KILLED, err_text
from .lua_guard cimport lua_guard, lua_load_text
from .luaapi cimport (LUA_GCCOLLECT, LUA_GCCOUNT, LUA_GCCOUNTB, LUA_GCRESTART, LUA_GCSTEP, LUA_GCSTOP, LUA_GLOBALSINDEX,
                      LUA_MULTRET, LUA_OK, LUA_REGISTRYINDEX, LUA_TFUNCTION, LUA_TLIGHTUSERDATA, LUA_TNIL, LUA_TSTRING,
                      LUA_TTABLE, LuaApi, lua_CFunction, lua_pop, lua_set_function, lua_State, lua_upvalue)
from .lualibs cimport lua_open_libs

cdef enum:
    INSERT_FAR = -1000000       # table.insert before that is refused: it would move that many items

cdef char TAG                   # its address marks a face

cdef const LuaApi* lua = NULL   # set once

# What scripts see of Lua's globals, if it is there.
BASE = (b"assert", b"error", b"gcinfo", b"ipairs", b"load", b"loadstring", b"next", b"rawequal", b"rawget", b"rawset",
        b"select", b"setmetatable", b"tonumber", b"tostring", b"type", b"unpack", b"_VERSION", b"coroutine",
        b"string", b"table", b"math", b"cjson", b"cmsgpack", b"struct", b"bit")
cdef const char* base_names[32]
cdef list kept = list(BASE)
cdef int base_count = 0


cdef int build() except -1:
    global base_count
    for name in kept:
        base_names[base_count] = name
        base_count += 1
    return 0

build()


cdef void sandbox_bind(const LuaApi* api) noexcept nogil:
    global lua
    lua = api


cdef inline Sandbox* box_of(lua_State* L) noexcept nogil:
    """Upvalue 1 of the functions that need it."""
    return <Sandbox*>lua.touserdata(L, lua_upvalue(1))


cdef inline int original(lua_State* L) noexcept nogil:
    return lua.tocfunction(L, lua_upvalue(1))(L)


cdef int raise_text(lua_State* L, const char* text) noexcept nogil:
    """An error without a position, as the core of Lua raises it for a C function."""
    lua.pushstring(L, text)
    return lua.error(L)


# ---------------------------------------------------------------- faces

cdef bint push_real(lua_State* L, int i) noexcept nogil:
    """If the value at i is a face: pushes its real table."""
    if not lua.getmetatable(L, i):
        return False
    lua.rawgeti(L, -1, 1)
    if lua.type(L, -1) == LUA_TLIGHTUSERDATA and lua.touserdata(L, -1) == <void*>&TAG:
        lua_pop(lua, L, 1)
        lua.rawgeti(L, -1, 2)
        lua.remove(L, -2)
        return True
    lua_pop(lua, L, 2)
    return False


cdef inline bint is_face(lua_State* L, int i) noexcept nogil:
    if likely(not lua.getmetatable(L, i)):
        return False
    lua_pop(lua, L, 1)
    if push_real(L, i):
        lua_pop(lua, L, 1)
        return True
    return False


cdef int refuse_write(lua_State* L) noexcept nogil:
    """__newindex of faces."""
    return lua.L_error(L, b"Attempt to modify a readonly table")


cdef int refuse(lua_State* L) noexcept nogil:
    return raise_text(L, b"Attempt to modify a readonly table")


cdef void sandbox_protect(lua_State* L) noexcept nogil:
    lua.createtable(L, 0, 0)                    # real face
    lua.createtable(L, 3, 2)
    lua.pushlightuserdata(L, &TAG)
    lua.rawseti(L, -2, 1)
    lua.pushvalue(L, -3)
    lua.rawseti(L, -2, 2)
    lua.pushvalue(L, -3)
    lua.setfield(L, -2, b"__index")
    lua_set_function(lua, L, b"__newindex", refuse_write)
    lua.setmetatable(L, -2)
    lua.remove(L, -2)


cdef void show_metatable(lua_State* L) noexcept nogil:
    """The table on top is what getmetatable gives for the face below it; it is popped."""
    sandbox_protect(L)
    lua.getmetatable(L, -2)
    lua.insert(L, -2)
    lua.rawseti(L, -2, 3)
    lua_pop(lua, L, 1)


cdef int our_getmetatable(lua_State* L) noexcept nogil:
    lua.L_checkany(L, 1)
    if not lua.getmetatable(L, 1):
        lua.pushnil(L)
        return 1
    lua.rawgeti(L, -1, 1)
    if lua.type(L, -1) == LUA_TLIGHTUSERDATA and lua.touserdata(L, -1) == <void*>&TAG:
        lua.rawgeti(L, -2, 3)
        return 1
    lua_pop(lua, L, 1)
    lua.L_getmetafield(L, 1, b"__metatable")    # pushes nothing if there is none
    return 1


cdef int our_setmetatable(lua_State* L) noexcept nogil:
    return refuse(L) if is_face(L, 1) else original(L)


cdef int our_rawset(lua_State* L) noexcept nogil:
    return refuse(L) if is_face(L, 1) else original(L)


cdef int our_rawget(lua_State* L) noexcept nogil:
    if push_real(L, 1):
        lua.replace(L, 1)
    return original(L)


cdef int our_next(lua_State* L) noexcept nogil:
    if push_real(L, 1):
        lua.replace(L, 1)
    return original(L)


cdef int our_pairs(lua_State* L) noexcept nogil:
    """Upvalue 1: our next. A face is walked by it, too: the real table is never handed out."""
    lua.L_checktype(L, 1, LUA_TTABLE)
    lua.pushvalue(L, lua_upvalue(1))
    lua.pushvalue(L, 1)
    lua.pushnil(L)
    return 3


cdef int our_insert(lua_State* L) noexcept nogil:
    if is_face(L, 1):
        return refuse(L)
    if lua.gettop(L) == 3 and lua.isnumber(L, 2) and lua.tonumber(L, 2) < INSERT_FAR:
        return lua.L_argerror(L, 2, b"position out of bounds")
    return original(L)


cdef int our_foreach(lua_State* L) noexcept nogil:
    if push_real(L, 1):
        lua.replace(L, 1)
    return original(L)


cdef int missing_global(lua_State* L) noexcept nogil:
    """__index of the real globals. A name that is no text shows as Lua's error would."""
    cdef const char* name = lua.tolstring(L, 2, NULL) if lua.type(L, 2) == LUA_TSTRING else NULL
    if name == NULL:
        name = b"?"
    return lua.L_error(L, b"Script attempted to access nonexistent global variable '%s'", name)


# ---------------------------------------------------------------- calls, chunks, the collector

cdef int raise_killed(lua_State* L) noexcept nogil:
    """The script is being ended: nothing catches that."""
    lua.createtable(L, 0, 3)
    lua.pushstring(L, err_text(E_SCRIPT_KILLED))
    lua.setfield(L, -2, b"err")
    return lua.error(L)


cdef int our_xpcall(lua_State* L) noexcept nogil:
    """xpcall, but the handler runs after the call has been left: Lua runs no hook in a handler of a hook's error, so a
    handler could not be stopped."""
    cdef int status
    lua.L_checkany(L, 2)
    lua.settop(L, 2)
    lua.insert(L, 1)                            # handler, function
    status = lua.pcall(L, 0, LUA_MULTRET, 0)
    if box_of(L).killed:
        return raise_killed(L)
    if status != LUA_OK:
        lua.pushvalue(L, 1)
        lua.insert(L, -2)
        if lua.pcall(L, 1, 1, 0) != LUA_OK:
            lua.pushstring(L, b"error in error handling")
            lua.replace(L, -2)
        if box_of(L).killed:
            return raise_killed(L)
    lua.pushboolean(L, status == LUA_OK)
    lua.replace(L, 1)
    return lua.gettop(L)


cdef int our_pcall(lua_State* L) noexcept nogil:
    """pcall, but an error table of redis.call becomes its text. compat: Redis 7"""
    cdef int status
    if lua.gettop(L) == 0:
        lua.pushnil(L)                          # to call nothing is an error that is caught, too
    status = lua.pcall(L, lua.gettop(L) - 1, LUA_MULTRET, 0)
    if box_of(L).killed:
        return raise_killed(L)
    if status != LUA_OK and lua.type(L, -1) == LUA_TTABLE:
        lua.pushstring(L, b"err")
        lua.rawget(L, -2)
        if lua.type(L, -1) == LUA_TNIL:
            lua_pop(lua, L, 1)
        else:
            lua.replace(L, -2)
    lua.pushboolean(L, status == LUA_OK)
    lua.insert(L, 1)
    return lua.gettop(L)


cdef int sandbox_load(lua_State* L, const char* s, size_t n, const char* name) noexcept nogil:
    """Nothing is collected meanwhile: the parser is done with the text before anything else runs."""
    cdef int status
    lua.gc(L, LUA_GCSTOP, 0)
    status = lua_load_text(lua, L, s, n, name)
    lua.gc(L, LUA_GCRESTART, 0)
    return status


cdef int our_collectgarbage(lua_State* L) noexcept nogil:
    """count, collect and step; what would change the collector for the scripts after this one does nothing."""
    cdef size_t n = 7
    cdef const char* what = lua.L_optlstring(L, 1, b"collect", &n)
    cdef int used
    if n == 5 and what[0] == c'c':              # count
        used = lua.gc(L, LUA_GCCOUNT, 0)
        lua.pushnumber(L, used + lua.gc(L, LUA_GCCOUNTB, 0) / 1024.0)
    elif n == 4 and what[2] == c'e':            # step
        lua.pushboolean(L, lua.gc(L, LUA_GCSTEP, 0))
    elif n == 7 and what[0] == c'c':            # collect
        lua.gc(L, LUA_GCCOLLECT, 0)
        lua.pushnumber(L, 0)
    elif (n == 4 and what[0] == c's') or (n == 7 and what[0] == c'r') or (n >= 8 and what[0] == c's'):
        lua.pushnumber(L, 0)                    # stop, restart, setpause, setstepmul
    else:
        lua.pushfstring(L, b"invalid option '%s'", what)
        return lua.L_argerror(L, 1, lua.tolstring(L, -1, NULL))
    return 1


# ---------------------------------------------------------------- chance

cdef enum:
    RANDOM_MAX = 2147483647

cdef int our_random(lua_State* L) noexcept nogil:
    """The 48-bit congruential generator of POSIX's lrand48: a seed gives the same numbers everywhere. compat"""
    cdef Sandbox* box = box_of(L)
    cdef double r
    cdef int low, high
    box.random = (box.random * 0x5DEECE66DULL + 0xB) & 0xFFFFFFFFFFFFULL
    r = <double>((box.random >> 17) % RANDOM_MAX) / RANDOM_MAX
    if lua.gettop(L) == 0:
        lua.pushnumber(L, r)
        return 1
    if lua.gettop(L) > 2:
        return lua.L_error(L, b"wrong number of arguments")
    low = 1
    high = <int>lua.L_checkinteger(L, 1)
    if lua.gettop(L) == 2:
        low = high
        high = <int>lua.L_checkinteger(L, 2)
    if low > high:
        return lua.L_argerror(L, lua.gettop(L), b"interval is empty")
    lua.pushnumber(L, <double><int64_t>(r * (<double>high - low + 1)) + low)
    return 1


cdef int our_randomseed(lua_State* L) noexcept nogil:
    box_of(L).random = (<uint64_t><unsigned int>lua.L_checkinteger(L, 1) << 16) | 0x330E
    return 0


# ---------------------------------------------------------------- opening

cdef void open_library(lua_State* L, lua_CFunction open, const char* name) noexcept nogil:
    lua.pushcclosure(L, open, 0)
    lua.pushstring(L, name)
    lua.call(L, 1, 0)


cdef void stand_before(lua_State* L, const char* name, lua_CFunction f) noexcept nogil:
    """f, with the function of that name in the table on top as its upvalue, takes its place."""
    lua.getfield(L, -1, name)
    lua.pushcclosure(L, f, 1)
    lua.setfield(L, -2, name)


cdef void set_with_box(lua_State* L, const char* name, lua_CFunction f, Sandbox* box) noexcept nogil:
    lua.pushlightuserdata(L, box)
    lua.pushcclosure(L, f, 1)
    lua.setfield(L, -2, name)


cdef void replace_base(lua_State* L, Sandbox* box) noexcept nogil:
    """On top: the real globals, with what scripts see of Lua's."""
    lua_set_function(lua, L, b"getmetatable", our_getmetatable)
    stand_before(L, b"setmetatable", our_setmetatable)
    stand_before(L, b"rawset", our_rawset)
    stand_before(L, b"rawget", our_rawget)
    stand_before(L, b"next", our_next)
    lua.getfield(L, -1, b"next")
    lua.pushcclosure(L, our_pairs, 1)
    lua.setfield(L, -2, b"pairs")
    lua_set_function(lua, L, b"collectgarbage", our_collectgarbage)
    set_with_box(L, b"pcall", our_pcall, box)
    set_with_box(L, b"xpcall", our_xpcall, box)


cdef void replace_libraries(lua_State* L, Sandbox* box) noexcept nogil:
    lua.getfield(L, -1, b"table")
    stand_before(L, b"insert", our_insert)
    stand_before(L, b"foreach", our_foreach)
    lua_pop(lua, L, 1)
    lua.getfield(L, -1, b"math")
    set_with_box(L, b"random", our_random, box)
    set_with_box(L, b"randomseed", our_randomseed, box)
    lua_pop(lua, L, 1)


cdef void add_os(lua_State* L) noexcept nogil:
    """os.clock, and nothing else of os."""
    open_library(L, lua.open_os, b"os")
    lua.createtable(L, 0, 1)
    lua.getfield(L, LUA_GLOBALSINDEX, b"os")
    lua.getfield(L, -1, b"clock")
    lua.setfield(L, -3, b"clock")
    lua_pop(lua, L, 1)
    lua.setfield(L, -2, b"os")


cdef void sandbox_open(lua_State* L, Sandbox* box) noexcept nogil:
    cdef int i
    open_library(L, lua.open_base, b"")
    open_library(L, lua.open_table, b"table")
    open_library(L, lua.open_string, b"string")
    open_library(L, lua.open_math, b"math")
    lua_guard(lua, L)
    lua_open_libs(lua, L)
    lua.createtable(L, 0, 40)
    for i in range(base_count):
        lua.getfield(L, LUA_GLOBALSINDEX, base_names[i])
        lua.setfield(L, -2, base_names[i])
    add_os(L)
    replace_base(L, box)
    replace_libraries(L, box)


cdef void protect_tables(lua_State* L) noexcept nogil:
    """Each table among the globals on top becomes its face."""
    lua.pushnil(L)
    while lua.next(L, -2):
        if lua.type(L, -1) == LUA_TTABLE:
            sandbox_protect(L)
            lua.pushvalue(L, -2)
            lua.insert(L, -2)
            lua.rawset(L, -4)                   # an existing key: next() goes on
        else:
            lua_pop(lua, L, 1)


cdef void show_string_metatable(lua_State* L) noexcept nogil:
    """Methods of strings read the real table; what getmetatable("") shows is a face of its own. On top: the globals."""
    lua.pushstring(L, b"")
    if lua.getmetatable(L, -1):                 # .. "" {__index=real string library}
        lua.createtable(L, 0, 1)
        lua.getfield(L, -4, b"string")
        lua.setfield(L, -2, b"__index")
        sandbox_protect(L)
        lua.setfield(L, -2, b"__metatable")
        lua_pop(lua, L, 1)
    lua_pop(lua, L, 1)


cdef void sandbox_close(lua_State* L) noexcept nogil:
    protect_tables(L)
    show_string_metatable(L)
    lua.createtable(L, 0, 1)                    # real globals: reading what is not there is an error
    lua_set_function(lua, L, b"__index", missing_global)
    lua.setmetatable(L, -2)
    lua.pushvalue(L, -1)
    sandbox_protect(L)                          # real face
    lua.createtable(L, 0, 1)
    lua_set_function(lua, L, b"__index", missing_global)
    show_metatable(L)
    lua.pushvalue(L, -1)
    lua.setfield(L, -3, b"_G")
    lua.replace(L, LUA_GLOBALSINDEX)
    lua_pop(lua, L, 1)
