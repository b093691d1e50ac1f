# The Lua 5.1 C API as a struct of function pointers, found in a shared object that is loaded at run time.
#
# A field is called like the function it points to, without `lua_` (`luaL_` becomes `L_`, `luaopen_` `open_`): the
# reference is chapters 3 and 4 of the Lua 5.1 manual. A line's [errors] says that the function may leave by longjmp:
# frames that it crosses must be plain C (`noexcept nogil`, nothing to clean up). All are cheap pointer calls.
#
# Fields stand in the order of NAMES in the .pyx (a test compares them).
from libc.stdint cimport intptr_t

cdef enum:
    LUA_REGISTRYINDEX = -10000
    LUA_ENVIRONINDEX = -10001
    LUA_GLOBALSINDEX = -10002          # upvalue i (from 1) is at LUA_GLOBALSINDEX - i
    LUA_MULTRET = -1
    LUA_MINSTACK = 20                  # free slots that a lua_CFunction may count on
    LUA_NOREF = -2
    LUA_REFNIL = -1
    LUA_IDSIZE = 60
cdef enum:                             # types
    LUA_TNONE = -1
    LUA_TNIL = 0
    LUA_TBOOLEAN = 1
    LUA_TLIGHTUSERDATA = 2
    LUA_TNUMBER = 3
    LUA_TSTRING = 4
    LUA_TTABLE = 5
    LUA_TFUNCTION = 6
    LUA_TUSERDATA = 7
    LUA_TTHREAD = 8
cdef enum:                             # status of pcall, load, resume
    LUA_OK = 0
    LUA_YIELD = 1
    LUA_ERRRUN = 2
    LUA_ERRSYNTAX = 3
    LUA_ERRMEM = 4
    LUA_ERRERR = 5
cdef enum:                             # gc: what
    LUA_GCSTOP = 0
    LUA_GCRESTART = 1
    LUA_GCCOLLECT = 2
    LUA_GCCOUNT = 3                    # KB in use
    LUA_GCCOUNTB = 4                   # and bytes beyond
    LUA_GCSTEP = 5
    LUA_GCSETPAUSE = 6
    LUA_GCSETSTEPMUL = 7
cdef enum:                             # hooks: events and masks
    LUA_HOOKCALL = 0
    LUA_HOOKRET = 1
    LUA_HOOKLINE = 2
    LUA_HOOKCOUNT = 3
    LUA_HOOKTAILRET = 4
    LUA_MASKCALL = 1
    LUA_MASKRET = 2
    LUA_MASKLINE = 4
    LUA_MASKCOUNT = 8

cdef extern from *:
    """
    typedef struct lua_State lua_State;
    """
    ctypedef struct lua_State:         # opaque, Lua's own
        pass

cdef struct lua_Debug:
    int event
    const char* name                   # getinfo "n"
    const char* namewhat               # "n"
    const char* what                   # "S"
    const char* source                 # "S"
    int currentline                    # "l"
    int nups                           # "u"
    int linedefined                    # "S"
    int lastlinedefined                # "S"
    char short_src[LUA_IDSIZE]         # "S"
    int i_ci                           # Lua's own
    char spare[64]                     # in case that a build of Lua has a longer one

ctypedef int (*lua_CFunction)(lua_State* L) noexcept nogil
ctypedef void (*lua_Hook)(lua_State* L, lua_Debug* ar) noexcept nogil
ctypedef void* (*lua_Alloc)(void* ud, void* p, size_t osize, size_t nsize) noexcept nogil
ctypedef const char* (*lua_Reader)(lua_State* L, void* data, size_t* size) noexcept nogil

cdef struct LuaApi:
    # states
    lua_State* (*newstate)(lua_Alloc f, void* ud) noexcept nogil   # NULL: no memory
    void (*close)(lua_State* L) noexcept nogil
    lua_State* (*newthread)(lua_State* L) noexcept nogil   # [errors]
    lua_CFunction (*atpanic)(lua_State* L, lua_CFunction f) noexcept nogil
    lua_Alloc (*getallocf)(lua_State* L, void** ud) noexcept nogil
    # the stack
    int (*gettop)(lua_State* L) noexcept nogil
    void (*settop)(lua_State* L, int i) noexcept nogil
    void (*pushvalue)(lua_State* L, int i) noexcept nogil
    void (*remove)(lua_State* L, int i) noexcept nogil
    void (*insert)(lua_State* L, int i) noexcept nogil
    void (*replace)(lua_State* L, int i) noexcept nogil
    int (*checkstack)(lua_State* L, int n) noexcept nogil   # [errors: memory]
    void (*xmove)(lua_State* a, lua_State* b, int n) noexcept nogil
    # reading
    int (*isnumber)(lua_State* L, int i) noexcept nogil
    int (*isstring)(lua_State* L, int i) noexcept nogil
    int (*iscfunction)(lua_State* L, int i) noexcept nogil
    int (*isuserdata)(lua_State* L, int i) noexcept nogil
    int (*type)(lua_State* L, int i) noexcept nogil
    const char* (*typename)(lua_State* L, int t) noexcept nogil
    int (*equal)(lua_State* L, int a, int b) noexcept nogil   # [errors]
    int (*rawequal)(lua_State* L, int a, int b) noexcept nogil
    int (*lessthan)(lua_State* L, int a, int b) noexcept nogil   # [errors]
    double (*tonumber)(lua_State* L, int i) noexcept nogil
    intptr_t (*tointeger)(lua_State* L, int i) noexcept nogil
    int (*toboolean)(lua_State* L, int i) noexcept nogil
    # tolstring: a number becomes a string in place, which confuses next() [errors: memory]
    const char* (*tolstring)(lua_State* L, int i, size_t* n) noexcept nogil
    size_t (*objlen)(lua_State* L, int i) noexcept nogil                      # raw: table, string, userdata
    lua_CFunction (*tocfunction)(lua_State* L, int i) noexcept nogil
    void* (*touserdata)(lua_State* L, int i) noexcept nogil
    lua_State* (*tothread)(lua_State* L, int i) noexcept nogil
    const void* (*topointer)(lua_State* L, int i) noexcept nogil
    # pushing
    void (*pushnil)(lua_State* L) noexcept nogil
    void (*pushnumber)(lua_State* L, double v) noexcept nogil
    void (*pushinteger)(lua_State* L, intptr_t v) noexcept nogil
    void (*pushlstring)(lua_State* L, const char* s, size_t n) noexcept nogil   # [errors: memory]
    void (*pushstring)(lua_State* L, const char* s) noexcept nogil   # [errors: memory]
    const char* (*pushfstring)(lua_State* L, const char* fmt, ...) noexcept nogil   # [errors: memory] %s %f %d %p %c
    void (*pushcclosure)(lua_State* L, lua_CFunction f, int upvalues) noexcept nogil   # [errors: memory]
    void (*pushboolean)(lua_State* L, int v) noexcept nogil
    void (*pushlightuserdata)(lua_State* L, void* p) noexcept nogil
    int (*pushthread)(lua_State* L) noexcept nogil
    # tables and metatables: get
    void (*gettable)(lua_State* L, int i) noexcept nogil   # [errors]
    void (*getfield)(lua_State* L, int i, const char* k) noexcept nogil   # [errors]
    void (*rawget)(lua_State* L, int i) noexcept nogil
    void (*rawgeti)(lua_State* L, int i, int n) noexcept nogil
    void (*createtable)(lua_State* L, int narr, int nrec) noexcept nogil   # [errors: memory]
    void* (*newuserdata)(lua_State* L, size_t n) noexcept nogil   # [errors: memory]
    int (*getmetatable)(lua_State* L, int i) noexcept nogil
    void (*getfenv)(lua_State* L, int i) noexcept nogil
    # and set
    void (*settable)(lua_State* L, int i) noexcept nogil   # [errors]
    void (*setfield)(lua_State* L, int i, const char* k) noexcept nogil   # [errors]
    void (*rawset)(lua_State* L, int i) noexcept nogil   # [errors: memory]
    void (*rawseti)(lua_State* L, int i, int n) noexcept nogil   # [errors: memory]
    int (*setmetatable)(lua_State* L, int i) noexcept nogil
    int (*setfenv)(lua_State* L, int i) noexcept nogil
    # calling and loading
    void (*call)(lua_State* L, int nargs, int nresults) noexcept nogil   # [errors]
    int (*pcall)(lua_State* L, int nargs, int nresults, int errfunc) noexcept nogil
    int (*cpcall)(lua_State* L, lua_CFunction f, void* ud) noexcept nogil
    # load and L_loadbuffer take bytecode, too: see lua_guard
    int (*load)(lua_State* L, lua_Reader f, void* data, const char* chunkname) noexcept nogil
    int (*resume)(lua_State* L, int nargs) noexcept nogil
    int (*status)(lua_State* L) noexcept nogil
    int (*gc)(lua_State* L, int what, int data) noexcept nogil
    int (*error)(lua_State* L) noexcept nogil   # [errors] always
    int (*next)(lua_State* L, int i) noexcept nogil   # [errors: a key that is not there]
    void (*concat)(lua_State* L, int n) noexcept nogil   # [errors]
    # debugging
    int (*getstack)(lua_State* L, int level, lua_Debug* ar) noexcept nogil
    int (*getinfo)(lua_State* L, const char* what, lua_Debug* ar) noexcept nogil
    const char* (*getlocal)(lua_State* L, const lua_Debug* ar, int n) noexcept nogil
    const char* (*getupvalue)(lua_State* L, int i, int n) noexcept nogil
    const char* (*setupvalue)(lua_State* L, int i, int n) noexcept nogil
    int (*sethook)(lua_State* L, lua_Hook f, int mask, int count) noexcept nogil
    lua_Hook (*gethook)(lua_State* L) noexcept nogil
    int (*gethookmask)(lua_State* L) noexcept nogil
    int (*gethookcount)(lua_State* L) noexcept nogil
    # the auxiliary library
    int (*L_error)(lua_State* L, const char* fmt, ...) noexcept nogil   # [errors] always; formats of pushfstring
    int (*L_argerror)(lua_State* L, int i, const char* text) noexcept nogil   # [errors] always
    int (*L_typerror)(lua_State* L, int i, const char* expected) noexcept nogil   # [errors] always
    void (*L_where)(lua_State* L, int level) noexcept nogil   # [errors: memory]
    const char* (*L_checklstring)(lua_State* L, int i, size_t* n) noexcept nogil   # [errors]
    const char* (*L_optlstring)(lua_State* L, int i, const char* d, size_t* n) noexcept nogil   # [errors]
    double (*L_checknumber)(lua_State* L, int i) noexcept nogil   # [errors]
    double (*L_optnumber)(lua_State* L, int i, double d) noexcept nogil   # [errors]
    intptr_t (*L_checkinteger)(lua_State* L, int i) noexcept nogil   # [errors]
    intptr_t (*L_optinteger)(lua_State* L, int i, intptr_t d) noexcept nogil   # [errors]
    void (*L_checkstack)(lua_State* L, int n, const char* text) noexcept nogil   # [errors]
    void (*L_checktype)(lua_State* L, int i, int t) noexcept nogil   # [errors]
    void (*L_checkany)(lua_State* L, int i) noexcept nogil   # [errors]
    int (*L_callmeta)(lua_State* L, int i, const char* event) noexcept nogil   # [errors]
    int (*L_getmetafield)(lua_State* L, int i, const char* event) noexcept nogil   # [errors: memory]
    int (*L_newmetatable)(lua_State* L, const char* name) noexcept nogil   # [errors: memory]
    void* (*L_checkudata)(lua_State* L, int i, const char* name) noexcept nogil   # [errors]
    int (*L_loadbuffer)(lua_State* L, const char* s, size_t n, const char* chunkname) noexcept nogil
    int (*L_ref)(lua_State* L, int t) noexcept nogil   # [errors: memory]
    void (*L_unref)(lua_State* L, int t, int ref) noexcept nogil
    # Lua's own libraries; called as C functions, the name as their argument
    int (*open_base)(lua_State* L) noexcept nogil
    int (*open_table)(lua_State* L) noexcept nogil
    int (*open_string)(lua_State* L) noexcept nogil
    int (*open_math)(lua_State* L) noexcept nogil
    int (*open_os)(lua_State* L) noexcept nogil
    int (*open_debug)(lua_State* L) noexcept nogil

cdef const LuaApi* luaapi() noexcept nogil      # NULL until load() has found one; the same for the whole process

# What the manual defines as macros.
cdef inline void lua_pop(const LuaApi* lua, lua_State* L, int n) noexcept nogil:
    lua.settop(L, -n - 1)

cdef inline int lua_upvalue(int i) noexcept nogil:
    return LUA_GLOBALSINDEX - i

cdef inline void lua_set_function(const LuaApi* lua, lua_State* L, const char* name, lua_CFunction f) noexcept nogil:
    # Puts f into the table on top. [errors: memory]
    lua.pushcclosure(L, f, 0)
    lua.setfield(L, -2, name)
