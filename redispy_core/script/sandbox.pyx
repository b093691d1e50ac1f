"""The sandbox (contract: sandbox.pxd). Room script; the runtime opens one in each state, before any script is compiled.

Tables that scripts share are read-only, so that none changes what the next one sees. Stock Lua has no such thing, so a
script is given a face: an empty table whose metatable reads from the real one and refuses to write.

    face {}  --metatable-->  {[1]=TAG, [2]=real, [3]=what getmetatable shows, __index=real, __newindex=refuse}

Nothing hands out the metatable or the real table: getmetatable, setmetatable, rawget, rawset, next, pairs and
table.insert are ours and know faces by TAG, an address that no script can make.

Holes of a stock Lua 5.1.5 that are closed here: unpack with a huge range writes behind the stack; load and loadstring
take bytecode, which nothing verifies; the parser does not anchor a chunk's name, so a collection while it compiles
frees it (CVE-2025-49844); a pattern with very many items overflows the C stack; string.rep and table.insert run for
ages without a hook. What touches files, environments or the collector's settings is not there at all.
"""
from libc.stdint cimport int64_t, intptr_t, uint64_t
from libc.string cimport memcpy, strlen
from ..base.rp cimport likely, unlikely
from .luaapi cimport (LUA_GCCOLLECT, LUA_GCCOUNT, LUA_GCCOUNTB, LUA_GCRESTART, LUA_GCSTEP, LUA_GCSTOP, LUA_GLOBALSINDEX,
                      LUA_MULTRET, LUA_OK, LUA_REGISTRYINDEX, LUA_TFUNCTION, LUA_TLIGHTUSERDATA, LUA_TNIL, LUA_TSTRING,
                      LUA_TTABLE, LuaApi, lua_CFunction, lua_pop, lua_set_function, lua_State, lua_upvalue)

cdef enum:
    ESCAPE = 27                 # the first byte of bytecode
    UNPACK_MAX = 7990           # values; the C stack of Lua ends at 8000
    PATTERN_MAX = 4000          # items of a pattern that may recurse
    INSERT_FAR = -1000000       # table.insert before that is refused
    REP_SMALL = 512

cdef char TAG                   # its address marks a face

cdef const LuaApi* lua = NULL   # set once, as the stock functions below
cdef lua_CFunction stock_setmetatable, stock_rawset, stock_rawget, stock_next, stock_find, stock_match, stock_gmatch
cdef lua_CFunction stock_gsub, stock_insert, stock_foreach

# What scripts see of the base library, if Lua has it; ours replace some of them.
BASE = (b"assert", b"error", b"gcinfo", b"ipairs", b"rawequal", b"select", b"tonumber", b"tostring", b"type", b"xpcall",
        b"_VERSION", b"coroutine", b"string", b"table", b"math")
cdef const char* base_names[16]
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
    return refuse(L) if is_face(L, 1) else stock_setmetatable(L)


cdef int our_rawset(lua_State* L) noexcept nogil:
    return refuse(L) if is_face(L, 1) else stock_rawset(L)


cdef int our_rawget(lua_State* L) noexcept nogil:
    if push_real(L, 1):
        lua.replace(L, 1)
    return stock_rawget(L)


cdef int our_next(lua_State* L) noexcept nogil:
    if push_real(L, 1):
        lua.replace(L, 1)
    return stock_next(L)


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
    return stock_insert(L)


cdef int our_foreach(lua_State* L) noexcept nogil:
    if push_real(L, 1):
        lua.replace(L, 1)
    return stock_foreach(L)


cdef int missing_global(lua_State* L) noexcept nogil:
    """__index of the real globals. A name that is no text shows as Lua's error would."""
    cdef const char* name = lua.tolstring(L, 2, NULL) if lua.type(L, 2) == LUA_TSTRING else NULL
    if name == NULL:
        name = b"?"
    return lua.L_error(L, b"Script attempted to access nonexistent global variable '%s'", name)


# ---------------------------------------------------------------- calls, chunks

cdef int our_pcall(lua_State* L) noexcept nogil:
    """pcall, but an error table of redis.call becomes its text. compat: Redis 7"""
    cdef int status
    if lua.gettop(L) == 0:
        lua.pushnil(L)                          # to call nothing is an error that is caught, too
    status = lua.pcall(L, lua.gettop(L) - 1, LUA_MULTRET, 0)
    if box_of(L).killed:
        return raise_text(L, b"Script killed by user with SCRIPT KILL...")
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


cdef int our_unpack(lua_State* L) noexcept nogil:
    cdef double first, last
    cdef int i, n
    lua.L_checktype(L, 1, LUA_TTABLE)
    first = lua.L_optnumber(L, 2, 1.0)
    last = lua.L_checknumber(L, 3) if lua.type(L, 3) > LUA_TNIL else <double>lua.objlen(L, 1)
    if not first <= last:
        return 0
    if last - first >= UNPACK_MAX or first < -2147483648.0 or last > 2147483646.0:
        return lua.L_error(L, b"too many results to unpack")
    n = <int>(last - first) + 1
    if not lua.checkstack(L, n):
        return lua.L_error(L, b"too many results to unpack")
    for i in range(n):
        lua.rawgeti(L, 1, <int>first + i)
    return n


cdef struct Chunk:
    const char* s
    size_t n
    bint begun

cdef const char* read_chunk(lua_State* L, void* data, size_t* n) noexcept nogil:
    """Text as it is. What looks like bytecode gets a space in front: then it is a syntax error."""
    cdef Chunk* c = <Chunk*>data
    cdef const char* s = c.s
    if not c.begun:
        c.begun = True
        if c.n and s[0] == ESCAPE:
            n[0] = 1
            return b" "
    n[0] = c.n
    c.n = 0
    return s if n[0] else NULL


cdef int sandbox_load(lua_State* L, const char* s, size_t n, const char* name) noexcept nogil:
    """Nothing is collected meanwhile, and the name stands on the stack: the parser keeps a bare pointer to it."""
    cdef Chunk c
    cdef int status
    c.s = s
    c.n = n
    c.begun = False
    lua.pushstring(L, name)
    lua.gc(L, LUA_GCSTOP, 0)
    status = lua.load(L, read_chunk, &c, name)
    lua.gc(L, LUA_GCRESTART, 0)
    lua.remove(L, -2)
    return status


cdef int load_result(lua_State* L, int status) noexcept nogil:
    """The function; or nil and the error."""
    if status == LUA_OK:
        return 1
    lua.pushnil(L)
    lua.insert(L, -2)
    return 2


cdef int our_loadstring(lua_State* L) noexcept nogil:
    cdef size_t n
    cdef const char* s = lua.L_checklstring(L, 1, &n)
    cdef const char* name = lua.L_optlstring(L, 2, s, NULL)
    return load_result(L, sandbox_load(L, s, n, name))


cdef const char* read_function(lua_State* L, void* data, size_t* n) noexcept nogil:
    """The next piece from the function at 1; kept at 3 while the parser reads it."""
    cdef bint* begun = <bint*>data
    cdef const char* s
    lua.L_checkstack(L, 2, b"too many nested functions")
    lua.pushvalue(L, 1)
    lua.call(L, 0, 1)
    if lua.type(L, -1) == LUA_TNIL:
        lua_pop(lua, L, 1)
        n[0] = 0
        return NULL
    if not lua.isstring(L, -1):
        lua.L_error(L, b"reader function must return a string")
    lua.replace(L, 3)
    s = lua.tolstring(L, 3, n)
    if n[0] and not begun[0]:
        begun[0] = True
        if s[0] == ESCAPE:                      # as read_chunk: no bytecode
            lua.pushstring(L, b" ")
            lua.pushvalue(L, 3)
            lua.concat(L, 2)
            lua.replace(L, 3)
            s = lua.tolstring(L, 3, n)
    return s


cdef int our_load(lua_State* L) noexcept nogil:
    cdef const char* name
    cdef bint begun = False
    lua.L_checktype(L, 1, LUA_TFUNCTION)
    name = lua.L_optlstring(L, 2, b"=(load)", NULL)
    lua.settop(L, 3)
    lua.pushstring(L, name)                     # anchors it, as sandbox_load
    return load_result(L, lua.load(L, read_function, &begun, name))


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


# ---------------------------------------------------------------- strings

cdef int our_rep(lua_State* L) noexcept nogil:
    cdef size_t n, i
    cdef const char* s = lua.L_checklstring(L, 1, &n)
    cdef double times = lua.L_checknumber(L, 2)
    cdef char[REP_SMALL] small
    cdef char* p = small
    cdef size_t total
    if not times >= 1 or n == 0:
        lua.pushlstring(L, b"", 0)
        return 1
    if times * n > 4e15:
        return lua.L_error(L, b"resulting string too large")
    total = <size_t>times * n
    if total > REP_SMALL:
        p = <char*>lua.newuserdata(L, total)
    memcpy(p, s, n)
    i = n
    while i < total:                            # what is there already is copied behind itself
        n = i if i <= total - i else total - i
        memcpy(p + i, p, n)
        i += n
    lua.pushlstring(L, p, total)
    return 1


cdef void check_pattern(lua_State* L) noexcept nogil:
    """The matcher recurses at each of these; Lua's own check came with 5.2."""
    cdef size_t n, i
    cdef int found = 0
    cdef const char* p = lua.tolstring(L, 2, &n) if lua.isstring(L, 2) else NULL
    if p == NULL or n <= PATTERN_MAX:
        return
    for i in range(n):
        found += p[i] == c'?' or p[i] == c'*' or p[i] == c'+' or p[i] == c'-' or p[i] == c'(' or p[i] == c')'
    if found > PATTERN_MAX:
        lua.L_error(L, b"pattern too complex")


cdef int our_find(lua_State* L) noexcept nogil:
    check_pattern(L)
    return stock_find(L)


cdef int our_match(lua_State* L) noexcept nogil:
    check_pattern(L)
    return stock_match(L)


cdef int our_gmatch(lua_State* L) noexcept nogil:
    check_pattern(L)
    return stock_gmatch(L)


cdef int our_gsub(lua_State* L) noexcept nogil:
    check_pattern(L)
    return stock_gsub(L)


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


cdef lua_CFunction stock(lua_State* L, const char* name) noexcept nogil:
    """The C function of a name in the table on top."""
    cdef lua_CFunction f
    lua.getfield(L, -1, name)
    f = lua.tocfunction(L, -1)
    lua_pop(lua, L, 1)
    return f


cdef void set_with_box(lua_State* L, const char* name, lua_CFunction f, Sandbox* box) noexcept nogil:
    lua.pushlightuserdata(L, box)
    lua.pushcclosure(L, f, 1)
    lua.setfield(L, -2, name)


cdef void replace_base(lua_State* L, Sandbox* box) noexcept nogil:
    """On top: the real globals. Takes what ours call from Lua's globals."""
    global stock_setmetatable, stock_rawset, stock_rawget, stock_next
    lua.pushvalue(L, LUA_GLOBALSINDEX)
    stock_setmetatable = stock(L, b"setmetatable")
    stock_rawset = stock(L, b"rawset")
    stock_rawget = stock(L, b"rawget")
    stock_next = stock(L, b"next")
    lua_pop(lua, L, 1)
    lua_set_function(lua, L, b"getmetatable", our_getmetatable)
    lua_set_function(lua, L, b"setmetatable", our_setmetatable)
    lua_set_function(lua, L, b"rawset", our_rawset)
    lua_set_function(lua, L, b"rawget", our_rawget)
    lua_set_function(lua, L, b"next", our_next)
    lua.getfield(L, -1, b"next")
    lua.pushcclosure(L, our_pairs, 1)
    lua.setfield(L, -2, b"pairs")
    lua_set_function(lua, L, b"unpack", our_unpack)
    lua_set_function(lua, L, b"loadstring", our_loadstring)
    lua_set_function(lua, L, b"load", our_load)
    lua_set_function(lua, L, b"collectgarbage", our_collectgarbage)
    set_with_box(L, b"pcall", our_pcall, box)


cdef void replace_libraries(lua_State* L, Sandbox* box) noexcept nogil:
    """On top: the real globals, with the libraries that scripts see."""
    global stock_find, stock_match, stock_gmatch, stock_gsub, stock_insert, stock_foreach
    lua.getfield(L, -1, b"string")
    stock_find = stock(L, b"find")
    stock_match = stock(L, b"match")
    stock_gmatch = stock(L, b"gmatch")
    stock_gsub = stock(L, b"gsub")
    lua_set_function(lua, L, b"rep", our_rep)
    lua_set_function(lua, L, b"find", our_find)
    lua_set_function(lua, L, b"match", our_match)
    lua_set_function(lua, L, b"gmatch", our_gmatch)
    lua_set_function(lua, L, b"gfind", our_gmatch)
    lua_set_function(lua, L, b"gsub", our_gsub)
    lua_pop(lua, L, 1)
    lua.getfield(L, -1, b"table")
    stock_insert = stock(L, b"insert")
    stock_foreach = stock(L, b"foreach")
    lua_set_function(lua, L, b"insert", our_insert)
    lua_set_function(lua, L, b"foreach", our_foreach)
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
