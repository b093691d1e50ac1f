"""A bare Lua state with the libraries of this room, for tests: no server, no sandbox, no commands.

Its allocator counts, may be given a limit, and puts a mark behind every block: a write beyond a block's end, by Lua or
by a library here, is found by `check()` or when the block is freed. Freed memory is overwritten.
"""
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset
from .lua_guard cimport lua_guard, lua_load_text
from .luaapi cimport (
    LUA_MULTRET, LUA_OK, LUA_TBOOLEAN, LUA_TLIGHTUSERDATA, LUA_TNIL, LUA_TNUMBER, LUA_TSTRING,
    LUA_TTABLE, LuaApi, lua_CFunction, lua_pop, lua_State, luaapi,
)
from .lualibs cimport lua_open_libs

from . import luaapi as loader

cdef enum:
    MARK_BYTES = 64
    MARK = 0xA5
    FREED = 0xDD

cdef struct Block:
    Block* prev
    Block* next
    size_t n

cdef struct Heap:
    Block* first
    size_t used
    size_t limit                                           # 0: none
    size_t overruns


cdef bint block_whole(Block* b) noexcept nogil:
    cdef unsigned char* mark = <unsigned char*>(b + 1) + b.n
    cdef int i
    for i in range(MARK_BYTES):
        if mark[i] != MARK:
            return False
    return True


cdef void heap_free(Heap* h, Block* b) noexcept nogil:
    if not block_whole(b):
        h.overruns += 1
    if b.prev != NULL:
        b.prev.next = b.next
    else:
        h.first = b.next
    if b.next != NULL:
        b.next.prev = b.prev
    h.used -= b.n
    memset(b, FREED, sizeof(Block) + b.n)                  # whoever still looks at it sees rubbish
    free(b)


cdef void* heap_alloc(Heap* h, size_t n) noexcept nogil:
    cdef Block* b
    if h.limit and h.used + n > h.limit:
        return NULL
    b = <Block*>malloc(sizeof(Block) + n + MARK_BYTES)
    if b == NULL:
        return NULL
    b.n, b.prev, b.next = n, NULL, h.first
    memset(<char*>(b + 1) + n, MARK, MARK_BYTES)
    if h.first != NULL:
        h.first.prev = b
    h.first = b
    h.used += n
    return b + 1


cdef void* lua_heap(void* ud, void* p, size_t osize, size_t nsize) noexcept nogil:
    cdef Heap* h = <Heap*>ud
    cdef void* moved
    if nsize == 0:
        if p != NULL:
            heap_free(h, <Block*>p - 1)
        return NULL
    moved = heap_alloc(h, nsize)
    if moved == NULL and nsize <= osize:
        return p                                           # Lua counts on shrinking to succeed
    if p != NULL and moved != NULL:
        memcpy(moved, p, min(osize, nsize))
        heap_free(h, <Block*>p - 1)
    return moved


cdef void* plain_heap(void* ud, void* p, size_t osize, size_t nsize) noexcept nogil:
    if nsize == 0:
        free(p)
        return NULL
    return realloc(p, nsize)


class LuaError(Exception):
    """An error that a script did not catch; args[0] holds its text as bytes."""


cdef class LuaFace:
    """`run` executes a chunk. `guarded=False` leaves the stock functions as they are; `watched=False` takes memory from
    libc as it is, for measurements: `limit`, `used` and `check` know nothing of it then.
    """
    cdef const LuaApi* lua
    cdef lua_State* L
    cdef Heap heap

    def __cinit__(self, bint guarded=True, bint watched=True):
        loader.load()
        self.lua = luaapi()
        memset(&self.heap, 0, sizeof(self.heap))
        self.L = self.lua.newstate(lua_heap if watched else plain_heap, &self.heap)
        self.add(self.lua.open_base, b"")
        self.add(self.lua.open_table, b"table")
        self.add(self.lua.open_string, b"string")
        self.add(self.lua.open_math, b"math")
        if guarded:
            lua_guard(self.lua, self.L)
        lua_open_libs(self.lua, self.L)

    def __dealloc__(self):
        if self.L != NULL:
            self.lua.close(self.L)

    cdef add(self, lua_CFunction f, const char* name):
        self.lua.pushcclosure(self.L, f, 0)
        self.lua.pushstring(self.L, name)
        self.lua.call(self.L, 1, 0)

    def run(self, code, *args, size_t limit=0, name=b"@user_script"):
        """List of what the chunk returns; `args` (str or bytes) are its `...`. LuaError if it fails.

        Numbers come as float, strings as bytes, tables as dict, light userdata as Ellipsis, others as the type.
        `limit` bounds the memory of the state while it runs, in bytes.
        """
        code = code.encode() if isinstance(code, str) else code
        cdef int status = lua_load_text(self.lua, self.L, code, len(code), name)
        if status == LUA_OK:
            assert self.lua.checkstack(self.L, len(args))
            for arg in args:
                arg = arg.encode() if isinstance(arg, str) else arg
                self.lua.pushlstring(self.L, arg, len(arg))
            self.heap.limit = limit
            status = self.lua.pcall(self.L, len(args), LUA_MULTRET, 0)
            self.heap.limit = 0
        try:
            if status != LUA_OK:
                raise LuaError(self.value(-1, 0))
            self.lua.checkstack(self.L, 250)
            return [self.value(i + 1, 0) for i in range(self.lua.gettop(self.L))]
        finally:
            self.lua.settop(self.L, 0)

    cdef value(self, int i, int depth):
        cdef size_t n = 0
        cdef const char* s
        cdef int t = self.lua.type(self.L, i)
        if t == LUA_TNIL:
            return None
        if t == LUA_TBOOLEAN:
            return bool(self.lua.toboolean(self.L, i))
        if t == LUA_TNUMBER:
            return self.lua.tonumber(self.L, i)
        if t == LUA_TSTRING:
            s = self.lua.tolstring(self.L, i, &n)
            return s[:n]
        if t == LUA_TLIGHTUSERDATA:
            return ...
        if t == LUA_TTABLE and depth < 50:
            return self.table(i, depth)
        return self.lua.typename(self.L, t).decode()

    cdef table(self, int i, int depth):
        found = {}
        i = i if i > 0 else self.lua.gettop(self.L) + 1 + i
        self.lua.pushnil(self.L)
        while self.lua.next(self.L, i):
            found[self.value(-2, depth + 1)] = self.value(-1, depth + 1)
            lua_pop(self.lua, self.L, 1)
        return found

    def used(self):
        """Bytes that the state holds."""
        return self.heap.used

    def spoil(self):
        """Writes one byte beyond a block's end, for a test of check()."""
        (<unsigned char*>(self.heap.first + 1))[self.heap.first.n] = 0

    def check(self):
        """Asserts that no block was written beyond its end; O(blocks)."""
        cdef Block* b = self.heap.first
        while b != NULL:
            assert block_whole(b)
            b = b.next
        assert self.heap.overruns == 0
        assert self.lua.gettop(self.L) == 0
