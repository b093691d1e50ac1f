"""The Lua 5.1 C API, found at run time: the interpreter inside the `lupa` wheel, or any shared object with a Lua 5.1.

Room `script`; whatever runs Lua calls through the struct that `load` fills. lupa's Python side is never imported: its
extension module lupa/lua51.*.so exports the C functions of the interpreter that it carries, and dlopen (RTLD_LOCAL:
another Lua in the process stays apart) with dlsym finds them. That those exports are there and behave is no promise of
lupa's, so `load` checks each symbol and then tries the interpreter: version, number type, errors by longjmp, layout of
lua_Debug, the count hook. Where one is missing, `load` says so and scripting is off; nothing crashes later.

LuaJIT is refused: compiled loops run no hooks, so a script could not be stopped.

A process has one API: `load` works once, later calls find the same. The struct is written then and never again.
"""
from libc.stdlib cimport free, realloc
from libc.string cimport strcmp, strlen, strstr

import importlib.machinery
import importlib.util
import os

cdef extern from "dlfcn.h" nogil:
    int RTLD_NOW
    int RTLD_LOCAL
    void* dlopen(const char* path, int flags)
    void* dlsym(void* handle, const char* name)
    char* dlerror()
    int dlclose(void* handle)

# In the order of LuaApi's fields.
NAMES = (
    "lua_newstate lua_close lua_newthread lua_atpanic lua_getallocf lua_gettop lua_settop lua_pushvalue lua_remove "
    "lua_insert lua_replace lua_checkstack lua_xmove lua_isnumber lua_isstring lua_iscfunction lua_isuserdata "
    "lua_type lua_typename lua_equal lua_rawequal lua_lessthan lua_tonumber lua_tointeger lua_toboolean lua_tolstring "
    "lua_objlen lua_tocfunction lua_touserdata lua_tothread lua_topointer lua_pushnil lua_pushnumber lua_pushinteger "
    "lua_pushlstring lua_pushstring lua_pushfstring lua_pushcclosure lua_pushboolean lua_pushlightuserdata "
    "lua_pushthread lua_gettable lua_getfield lua_rawget lua_rawgeti lua_createtable lua_newuserdata lua_getmetatable "
    "lua_getfenv lua_settable lua_setfield lua_rawset lua_rawseti lua_setmetatable lua_setfenv lua_call lua_pcall "
    "lua_cpcall lua_load lua_resume lua_status lua_gc lua_error lua_next lua_concat lua_getstack lua_getinfo "
    "lua_getlocal lua_getupvalue lua_setupvalue lua_sethook lua_gethook lua_gethookmask lua_gethookcount luaL_error "
    "luaL_argerror luaL_typerror luaL_where luaL_checklstring luaL_optlstring luaL_checknumber luaL_optnumber "
    "luaL_checkinteger luaL_optinteger luaL_checkstack luaL_checktype luaL_checkany luaL_callmeta luaL_getmetafield "
    "luaL_newmetatable luaL_checkudata luaL_loadbuffer luaL_ref luaL_unref luaopen_base luaopen_table luaopen_string "
    "luaopen_math luaopen_os luaopen_debug"
).split()

cdef LuaApi found_api
cdef const LuaApi* found = NULL                            # &found_api once it is whole


cdef const LuaApi* luaapi() noexcept nogil:
    return found


class LuaMissing(Exception):
    """No usable Lua 5.1 was found; the text says why, for the log and for whoever calls EVAL."""


def find():
    """Path of the shared object that carries Lua 5.1, without importing it. Raises LuaMissing."""
    spec = importlib.util.find_spec("lupa")
    if spec is None or not spec.submodule_search_locations:
        raise LuaMissing("scripts need the package lupa (pip install 'lupa>=2.8,<3')")
    for folder in spec.submodule_search_locations:
        for suffix in importlib.machinery.EXTENSION_SUFFIXES:
            path = os.path.join(folder, "lua51" + suffix)
            if os.path.exists(path):
                return path
    raise LuaMissing("the package lupa is here, but brings no Lua 5.1 (lupa>=2.8,<3 does)")


def load(path=None):
    """Makes luaapi() non-NULL and returns the shared object's path; later calls do nothing but that.

    `path` (str) names a shared object instead of lupa's. Raises LuaMissing.
    """
    global found, found_path
    if found != NULL:
        return found_path
    path = path or find()
    cdef void* handle = dlopen(os.fsencode(path), RTLD_NOW | RTLD_LOCAL)
    if handle == NULL:
        raise LuaMissing(f"Lua does not load: {dlerror().decode(errors='replace')}")
    try:
        resolve(&found_api, handle, path)
        found = &found_api                                 # the trial's C functions look for it
        problem = try_out(&found_api)
        if problem:
            raise LuaMissing(f"the Lua in {path} is not usable: {problem}")
    except LuaMissing:
        found = NULL
        dlclose(handle)
        raise
    found_path = path
    return path


found_path = None


cdef resolve(LuaApi* api, void* handle, path):
    cdef void** fields = <void**>api
    if sizeof(LuaApi) != len(NAMES) * sizeof(void*):
        raise LuaMissing("LuaApi and NAMES differ")
    if dlsym(handle, "luaJIT_setmode") != NULL:
        raise LuaMissing(f"{path} is LuaJIT, whose compiled loops cannot be stopped")
    for i, name in enumerate(NAMES):
        fields[i] = dlsym(handle, name.encode())
        if fields[i] == NULL:
            raise LuaMissing(f"{path} does not export {name}")


# --- the trial: steps whose results are known; each answers what is wrong, or NULL

cdef struct Trial:
    const char* problem
    int hooks                                              # calls of the count hook


cdef try_out(const LuaApi* lua):
    """What is wrong with the interpreter, or None. A state of its own is made and closed."""
    cdef Trial trial = Trial(problem=NULL, hooks=0)
    cdef lua_State* L = lua.newstate(plain_alloc, NULL)
    if L == NULL:
        return "no state could be made"
    status = lua.cpcall(L, run_trial, &trial)
    lua.close(L)
    if status != LUA_OK:
        return f"a protected call ended with {status}"
    return trial.problem.decode() if trial.problem != NULL else None


cdef void* plain_alloc(void* ud, void* p, size_t osize, size_t nsize) noexcept nogil:
    if nsize == 0:
        free(p)
        return NULL
    return realloc(p, nsize)


cdef int run_trial(lua_State* L) noexcept nogil:
    cdef const LuaApi* lua = luaapi()
    cdef Trial* trial = <Trial*>lua.touserdata(L, 1)
    lua.pushcclosure(L, lua.open_base, 0)
    lua.pushstring(L, b"")
    lua.call(L, 1, 0)
    trial.problem = try_version(lua, L)
    if trial.problem == NULL:
        trial.problem = try_values(lua, L)
    if trial.problem == NULL:
        trial.problem = try_errors(lua, L)
    if trial.problem == NULL:
        trial.problem = try_hook(lua, L, trial)
    return 0


cdef const char* try_version(const LuaApi* lua, lua_State* L) noexcept nogil:
    lua.getfield(L, LUA_GLOBALSINDEX, b"_VERSION")
    if lua.type(L, -1) != LUA_TSTRING or strcmp(lua.tolstring(L, -1, NULL), b"Lua 5.1") != 0:
        return b"its version is not 5.1"
    lua.getfield(L, LUA_GLOBALSINDEX, b"jit")
    if lua.type(L, -1) != LUA_TNIL:
        return b"it is LuaJIT"
    lua_pop(lua, L, 2)
    return NULL


cdef const char* try_values(const LuaApi* lua, lua_State* L) noexcept nogil:
    """Numbers are doubles, integers as wide as pointers, strings hold any byte."""
    cdef size_t n = 0
    lua.pushnumber(L, 0.1)
    lua.pushinteger(L, (<intptr_t>1) << 40)
    lua.pushlstring(L, b"a\0b", 3)
    lua.tolstring(L, -1, &n)
    if lua.tonumber(L, -3) != 0.1 or lua.tonumber(L, -2) != 1099511627776.0 or n != 3:
        return b"its numbers or strings are of another kind"
    lua.createtable(L, 1, 1)
    lua.insert(L, -2)
    lua.rawseti(L, -2, 1)
    lua.rawgeti(L, -1, 1)
    if lua.objlen(L, -2) != 1 or lua.objlen(L, -1) != 3 or lua.gettop(L) < 4:
        return b"its tables are of another kind"
    lua_pop(lua, L, 4)
    return NULL


cdef int raise_error(lua_State* L) noexcept nogil:
    return luaapi().L_error(L, b"%s %d", b"trial", 7)


cdef const char* try_errors(const LuaApi* lua, lua_State* L) noexcept nogil:
    """A C function's error ends in pcall with its text; a syntax error has the chunk's name."""
    lua.pushcclosure(L, raise_error, 0)
    if lua.pcall(L, 0, 0, 0) != LUA_ERRRUN or strcmp(lua.tolstring(L, -1, NULL), b"trial 7") != 0:
        return b"errors do not come back"
    if lua.L_loadbuffer(L, b"x = = 1", 7, b"=trial") != LUA_ERRSYNTAX:
        return b"syntax errors do not come back"
    if strstr(lua.tolstring(L, -1, NULL), b"trial:1:") == NULL:
        return b"chunks have other names"
    lua_pop(lua, L, 2)
    return NULL


cdef void stop_at_once(lua_State* L, lua_Debug* ar) noexcept nogil:
    """Notes in the trial (at registry[1]) that it ran where it should; then an error leaves the endless loop."""
    cdef const LuaApi* lua = luaapi()
    cdef Trial* trial
    lua.rawgeti(L, LUA_REGISTRYINDEX, 1)
    trial = <Trial*>lua.touserdata(L, -1)
    lua_pop(lua, L, 1)
    if ar.event == LUA_HOOKCOUNT and lua.getinfo(L, b"Sl", ar) and ar.currentline == 2 \
            and strcmp(ar.what, b"main") == 0 \
            and strcmp(ar.source, b"=trial") == 0 and strcmp(ar.short_src, b"trial") == 0:
        trial.hooks += 1
    lua.L_error(L, b"stop")


cdef const char* try_hook(const LuaApi* lua, lua_State* L, Trial* trial) noexcept nogil:
    """The count hook stops an endless loop, and lua_Debug has the layout that is assumed here."""
    cdef const char* endless = b"local i = 0\nwhile true do i = i + 1 end"
    lua.pushlightuserdata(L, trial)
    lua.rawseti(L, LUA_REGISTRYINDEX, 1)
    if lua.L_loadbuffer(L, endless, strlen(endless), b"=trial") != LUA_OK:
        return b"a chunk does not compile"
    lua.sethook(L, stop_at_once, LUA_MASKCOUNT, 1000)
    if lua.pcall(L, 0, 0, 0) != LUA_ERRRUN or trial.hooks != 1:
        return b"the count hook does not work"
    lua.sethook(L, NULL, 0, 0)
    lua_pop(lua, L, 1)
    return NULL
