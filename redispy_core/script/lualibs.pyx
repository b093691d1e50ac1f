"""Opens the libraries of scripts in a new state (see lualibs.pxd).

Room `script`; the runtime calls this, and makes the tables read-only afterwards.
"""
from .lua_bit cimport lua_open_bit
from .lua_cjson cimport lua_open_cjson
from .lua_cmsgpack cimport lua_open_cmsgpack
from .lua_struct cimport lua_open_struct
from .luaapi cimport LuaApi, lua_State


cdef void lua_open_libs(const LuaApi* lua, lua_State* L) noexcept nogil:
    lua_open_cjson(lua, L)
    lua_open_cmsgpack(lua, L)
    lua_open_struct(lua, L)
    lua_open_bit(lua, L)
