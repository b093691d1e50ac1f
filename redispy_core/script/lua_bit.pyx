"""The library `bit` of scripts: tobit tohex bnot band bor bxor lshift rshift arshift rol ror bswap.

Room `script`; the runtime opens it in each state. Semantics are those of BitOp 1.0 (bitop.luajit.org/semantics.html):
arguments are taken modulo 2^32, results are signed, of a shift's count the low five bits count.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memcpy
from ..base.rp cimport rp_bswap32
from .luaapi cimport LUA_GLOBALSINDEX, LUA_TNONE, LuaApi, lua_set_function, lua_State, luaapi


cdef uint32_t bits_at(const LuaApi* lua, lua_State* L, int i) noexcept nogil:
    """Argument i as 32 bits: adding 2^52 + 2^51 rounds to an integer (half to even) and leaves it in the low bits."""
    cdef double v = lua.L_checknumber(L, i) + 6755399441055744.0
    cdef uint64_t bits
    memcpy(&bits, &v, 8)
    return <uint32_t>bits


cdef inline int answer(const LuaApi* lua, lua_State* L, uint32_t v) noexcept nogil:
    lua.pushnumber(L, <int32_t>v)
    return 1


cdef int bit_tobit(lua_State* L) noexcept nogil:
    cdef const LuaApi* lua = luaapi()
    return answer(lua, L, bits_at(lua, L, 1))


cdef int bit_bnot(lua_State* L) noexcept nogil:
    cdef const LuaApi* lua = luaapi()
    return answer(lua, L, ~bits_at(lua, L, 1))


cdef int bit_bswap(lua_State* L) noexcept nogil:
    cdef const LuaApi* lua = luaapi()
    return answer(lua, L, rp_bswap32(bits_at(lua, L, 1)))


cdef int bit_band(lua_State* L) noexcept nogil:
    cdef const LuaApi* lua = luaapi()
    cdef uint32_t v = bits_at(lua, L, 1)
    cdef int i
    for i in range(2, lua.gettop(L) + 1):
        v &= bits_at(lua, L, i)
    return answer(lua, L, v)


cdef int bit_bor(lua_State* L) noexcept nogil:
    cdef const LuaApi* lua = luaapi()
    cdef uint32_t v = bits_at(lua, L, 1)
    cdef int i
    for i in range(2, lua.gettop(L) + 1):
        v |= bits_at(lua, L, i)
    return answer(lua, L, v)


cdef int bit_bxor(lua_State* L) noexcept nogil:
    cdef const LuaApi* lua = luaapi()
    cdef uint32_t v = bits_at(lua, L, 1)
    cdef int i
    for i in range(2, lua.gettop(L) + 1):
        v ^= bits_at(lua, L, i)
    return answer(lua, L, v)


cdef int bit_lshift(lua_State* L) noexcept nogil:
    cdef const LuaApi* lua = luaapi()
    cdef uint32_t v = bits_at(lua, L, 1)
    return answer(lua, L, v << (bits_at(lua, L, 2) & 31))


cdef int bit_rshift(lua_State* L) noexcept nogil:
    cdef const LuaApi* lua = luaapi()
    cdef uint32_t v = bits_at(lua, L, 1)
    return answer(lua, L, v >> (bits_at(lua, L, 2) & 31))


cdef int bit_arshift(lua_State* L) noexcept nogil:
    cdef const LuaApi* lua = luaapi()
    cdef int32_t v = <int32_t>bits_at(lua, L, 1)
    return answer(lua, L, <uint32_t>(v >> (bits_at(lua, L, 2) & 31)))


cdef inline uint32_t rotate(uint32_t v, uint32_t n) noexcept nogil:
    return v << (n & 31) | v >> (-n & 31)


cdef int bit_rol(lua_State* L) noexcept nogil:
    cdef const LuaApi* lua = luaapi()
    cdef uint32_t v = bits_at(lua, L, 1)
    return answer(lua, L, rotate(v, bits_at(lua, L, 2)))


cdef int bit_ror(lua_State* L) noexcept nogil:
    cdef const LuaApi* lua = luaapi()
    cdef uint32_t v = bits_at(lua, L, 1)
    return answer(lua, L, rotate(v, <uint32_t>0 - bits_at(lua, L, 2)))


cdef int bit_tohex(lua_State* L) noexcept nogil:
    """tohex(x [, digits]): a negative number of digits asks for capitals."""
    cdef const LuaApi* lua = luaapi()
    cdef uint32_t v = bits_at(lua, L, 1)
    cdef int32_t digits = 8 if lua.type(L, 2) == LUA_TNONE else <int32_t>bits_at(lua, L, 2)
    cdef const char* figures = b"0123456789abcdef"
    cdef char[8] text
    cdef int i
    if digits < 0:
        figures = b"0123456789ABCDEF"
        digits = -digits if digits > -8 else 8
    digits = min(digits, 8)
    for i in range(digits):
        text[digits - 1 - i] = figures[v & 15]
        v >>= 4
    lua.pushlstring(L, text, <size_t>digits)
    return 1


cdef void lua_open_bit(const LuaApi* lua, lua_State* L) noexcept nogil:
    lua.createtable(L, 0, 12)
    lua_set_function(lua, L, b"tobit", bit_tobit)
    lua_set_function(lua, L, b"tohex", bit_tohex)
    lua_set_function(lua, L, b"bnot", bit_bnot)
    lua_set_function(lua, L, b"band", bit_band)
    lua_set_function(lua, L, b"bor", bit_bor)
    lua_set_function(lua, L, b"bxor", bit_bxor)
    lua_set_function(lua, L, b"lshift", bit_lshift)
    lua_set_function(lua, L, b"rshift", bit_rshift)
    lua_set_function(lua, L, b"arshift", bit_arshift)
    lua_set_function(lua, L, b"rol", bit_rol)
    lua_set_function(lua, L, b"ror", bit_ror)
    lua_set_function(lua, L, b"bswap", bit_bswap)
    lua.setfield(L, LUA_GLOBALSINDEX, b"bit")
