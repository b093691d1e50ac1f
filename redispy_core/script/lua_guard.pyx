"""Guards before functions of a stock Lua 5.1 that let a script harm the process that runs it.

Room `script`; the runtime calls `lua_guard` on each new state and compiles everything with `lua_load_text`.

- `loadstring`, `load`: Lua takes a chunk that begins with ESC for bytecode, which it does not verify: crafted bytecode
  reads and writes any memory. Here a blank goes before it, so the parser complains of the character as of any other.
- The parser keeps the chunk's name only in a C variable (CVE-2025-49844): a collection may free it. Here an equal
  string is on the stack meanwhile; strings being interned, it is the same one.
- `unpack(t, i, j)`: the count of values overflows an int (CVE-2025-46817).
- A long bracket's `=` are counted in an int (CVE-2025-46819): chunks of 1 GB and more are refused.
- `string.rep`: no hook runs inside, so a script that makes gigabytes cannot be stopped: a limit.
- `find`, `match`, `gmatch`, `gsub`: the matcher recurses once for each repetition and capture in the pattern, and its
  depth has no limit: the C stack overflows. Patterns have one here.

A guard checks the arguments and then calls the original as a C function in its own frame, so that errors, their
positions and the names in them read as ever. The originals need no upvalues; a guard keeps its own as upvalue 1.
"""
from libc.stdint cimport intptr_t
from .luaapi cimport (
    LUA_ERRSYNTAX, LUA_GLOBALSINDEX, LUA_OK, LUA_TFUNCTION, LUA_TNIL, LUA_TTABLE, LuaApi, lua_CFunction, lua_pop,
    lua_State, lua_upvalue, luaapi,
)

cdef enum:
    CHUNK_MAX = 1 << 30                # bytes of source
    REP_MAX = 1 << 29                  # bytes that string.rep makes: 512 MB, a key's largest value by default
    PATTERN_DEPTH_MAX = 2000           # frames of the matcher: some 300 bytes each


cdef inline int original(const LuaApi* lua, lua_State* L) noexcept nogil:
    return lua.tocfunction(L, lua_upvalue(1))(L)


# --- compiling

cdef struct Source:
    const char* s                      # what is left
    size_t n
    bint blank                         # a blank goes first


cdef const char* read_source(lua_State* L, void* data, size_t* n) noexcept nogil:
    cdef Source* source = <Source*>data
    if source.blank:
        source.blank = False
        n[0] = 1
        return b" "
    n[0] = source.n
    source.n = 0
    return source.s if n[0] else NULL


cdef int lua_load_text(const LuaApi* lua, lua_State* L, const char* s, size_t n, const char* name) noexcept nogil:
    cdef Source source
    cdef int status
    if n >= CHUNK_MAX:
        lua.pushstring(L, b"chunk is too large")
        return LUA_ERRSYNTAX
    source.s, source.n, source.blank = s, n, n > 0 and s[0] == 27
    lua.pushstring(L, name)
    status = lua.load(L, read_source, &source, lua.tolstring(L, -1, NULL))
    lua.remove(L, -2)
    return status


cdef int guarded_loadstring(lua_State* L) noexcept nogil:
    """loadstring(text [, name]): a function, or nil and what is wrong. Without a name the text is the name."""
    cdef const LuaApi* lua = luaapi()
    cdef size_t n = 0
    cdef const char* s = lua.L_checklstring(L, 1, &n)
    cdef const char* name = lua.L_optlstring(L, 2, s, NULL)
    return loaded(lua, L, lua_load_text(lua, L, s, n, name))


cdef int loaded(const LuaApi* lua, lua_State* L, int status) noexcept nogil:
    if status == LUA_OK:
        return 1
    lua.pushnil(L)
    lua.insert(L, -2)
    return 2


cdef struct Pieces:
    size_t total
    bint begun                         # a piece has been given to the parser
    bint ended                         # the parser asks again after the end: it is told the same


cdef const char* read_piece(lua_State* L, void* data, size_t* n) noexcept nogil:
    """What the function at index 1 answers; the piece in use is kept at index 3. `load` is on the parser's C stack."""
    cdef const LuaApi* lua = luaapi()
    cdef Pieces* p = <Pieces*>data
    cdef const char* s
    n[0] = 0
    if p.ended:
        return NULL
    if p.begun and lua.toboolean(L, 4):                    # the piece that waits behind the blank
        lua.pushboolean(L, 0)
        lua.replace(L, 4)
        return lua.tolstring(L, 3, n)
    lua.L_checkstack(L, 2, b"too many nested functions")
    lua.pushvalue(L, 1)
    lua.call(L, 0, 1)
    if lua.type(L, -1) == LUA_TNIL:
        lua_pop(lua, L, 1)
        p.ended = True
        return NULL
    if not lua.isstring(L, -1):
        lua.L_error(L, b"reader function must return a string")
    lua.replace(L, 3)
    s = lua.tolstring(L, 3, n)
    p.ended = n[0] == 0
    p.total += n[0]
    if p.total >= CHUNK_MAX:
        lua.L_error(L, b"chunk is too large")
    if not p.begun and n[0] > 0 and s[0] == 27:
        lua.pushboolean(L, 1)
        lua.replace(L, 4)
        s, n[0] = b" ", 1
    p.begun = True
    return s


cdef int guarded_load(lua_State* L) noexcept nogil:
    """load(function [, name]): as loadstring, of what the function answers until nil or an empty string."""
    cdef const LuaApi* lua = luaapi()
    cdef Pieces pieces
    cdef const char* name = lua.L_optlstring(L, 2, b"=(load)", NULL)
    lua.L_checktype(L, 1, LUA_TFUNCTION)
    lua.settop(L, 4)                                       # 3: the piece in use, 4: whether it waits
    lua.pushstring(L, name)
    pieces.total, pieces.begun, pieces.ended = 0, False, False
    return loaded(lua, L, lua.load(L, read_piece, &pieces, lua.tolstring(L, 5, NULL)))


# --- arguments that the originals do not bound

cdef int guarded_unpack(lua_State* L) noexcept nogil:
    """unpack(t [, i [, j]]). i and j are cut to an int as ever; their distance is not."""
    cdef const LuaApi* lua = luaapi()
    cdef int first, last
    lua.L_checktype(L, 1, LUA_TTABLE)
    first = <int>lua.L_optinteger(L, 2, 1)
    last = <int>lua.L_optinteger(L, 3, <int>lua.objlen(L, 1))
    if <intptr_t>last - first >= 0x7fffffff:
        return lua.L_error(L, b"too many results to unpack")
    return original(lua, L)


cdef int guarded_rep(lua_State* L) noexcept nogil:
    """string.rep(s, n)."""
    cdef const LuaApi* lua = luaapi()
    cdef size_t n = 0
    cdef int times
    lua.L_checklstring(L, 1, &n)
    times = <int>lua.L_checkinteger(L, 2)
    if times > 0 and n > REP_MAX // <size_t>times:
        return lua.L_error(L, b"resulting string too large")
    return original(lua, L)


cdef bint pattern_too_deep(const LuaApi* lua, lua_State* L) noexcept nogil:
    """Whether argument 2 may need more frames than allowed: each ( ) * + - ? that is none of a class takes one."""
    cdef size_t n = 0, i, depth = 0
    cdef const char* p = lua.tolstring(L, 2, &n) if lua.isstring(L, 2) else NULL
    if n <= PATTERN_DEPTH_MAX:
        return False
    for i in range(n):
        depth += p[i] == c'(' or p[i] == c')' or p[i] == c'*' or p[i] == c'+' or p[i] == c'-' or p[i] == c'?'
    return depth > PATTERN_DEPTH_MAX


cdef int guarded_match(lua_State* L) noexcept nogil:
    """match, gmatch, gfind, gsub (s, pattern, ...)."""
    cdef const LuaApi* lua = luaapi()
    if pattern_too_deep(lua, L):
        return lua.L_error(L, b"pattern too complex")
    return original(lua, L)


cdef int guarded_find(lua_State* L) noexcept nogil:
    """string.find(s, pattern [, init [, plain]])."""
    cdef const LuaApi* lua = luaapi()
    if not lua.toboolean(L, 4) and pattern_too_deep(lua, L):
        return lua.L_error(L, b"pattern too complex")
    return original(lua, L)


# --- putting them in place

cdef void stand_before(const LuaApi* lua, lua_State* L, const char* name, lua_CFunction guard) noexcept nogil:
    """Wraps field `name` of the table on top, if it is a C function."""
    lua.getfield(L, -1, name)
    if not lua.iscfunction(L, -1):
        lua_pop(lua, L, 1)
        return
    lua.pushcclosure(L, guard, 1)
    lua.setfield(L, -2, name)


cdef void lua_guard(const LuaApi* lua, lua_State* L) noexcept nogil:
    lua.pushvalue(L, LUA_GLOBALSINDEX)
    stand_before(lua, L, b"loadstring", guarded_loadstring)
    stand_before(lua, L, b"load", guarded_load)
    stand_before(lua, L, b"unpack", guarded_unpack)
    lua.getfield(L, -1, b"string")
    stand_before(lua, L, b"rep", guarded_rep)
    stand_before(lua, L, b"find", guarded_find)
    stand_before(lua, L, b"match", guarded_match)
    stand_before(lua, L, b"gmatch", guarded_match)
    stand_before(lua, L, b"gfind", guarded_match)
    stand_before(lua, L, b"gsub", guarded_match)
    lua_pop(lua, L, 2)
