"""The languages of functions, and libraries of functions (contract: engines.pxd). Room script.

    functions.pyx --EngineType--> lua_functions.pyx, another language ...
                  <--library_add--

A language is a module that fills an EngineType and calls engine_add when it is imported. Its state is made for an engine
by the first library that asks for it.
"""
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcmp, memcpy, strlen
from ..base.mem cimport Mem, mem_calloc, mem_free, mem_usable
from ..base.sds cimport Slice
from ..ext cimport E_FUNCTION_TWICE, E_LIBRARY_NAME

cdef EngineType* types[ENGINES_MAX]         # set at import, constant afterwards
cdef int ntypes = 0


cdef inline char lower(char c) noexcept nogil:
    return c + 32 if c >= 65 and c <= 90 else c


cdef int engine_add(EngineType* type) noexcept nogil:
    global ntypes
    if ntypes == ENGINES_MAX:
        return -1
    types[ntypes] = type
    ntypes += 1
    return ntypes - 1


cdef int engine_count() noexcept nogil:
    return ntypes


cdef EngineType* engine_at(int i) noexcept nogil:
    return types[i]


cdef int engine_find(Slice name) noexcept nogil:
    cdef int i
    cdef size_t j
    for i in range(ntypes):
        if strlen(types[i].name) != name.len:
            continue
        j = 0
        while j < name.len and lower(name.ptr[j]) == lower(types[i].name[j]):
            j += 1
        if j == name.len:
            return i
    return -1


# ---------------------------------------------------------------- libraries

cdef bint name_is_valid(Slice name) noexcept nogil:
    cdef size_t i
    cdef char c
    for i in range(name.len):
        c = lower(name.ptr[i])
        if not ((c >= 97 and c <= 122) or (c >= 48 and c <= 57) or c == 95):
            return False
    return name.len > 0


cdef Library* library_new(Mem* m, int engine, Slice name, Slice code) noexcept nogil:
    cdef Library* lib = <Library*>mem_calloc(m, sizeof(Library) + name.len + code.len)
    lib.type = types[engine]
    lib.engine = engine
    lib.mem = m
    lib.name_len = name.len
    lib.code_len = code.len
    memcpy(lib.text, name.ptr, name.len)
    memcpy(lib.text + name.len, code.ptr, code.len)
    return lib


cdef int library_add(Library* lib, Slice name, int64_t handle, uint32_t flags, const Slice* description) noexcept nogil:
    """O(functions of the library)"""
    cdef Function* f
    cdef size_t i
    cdef size_t more = description.len if description != NULL else 0
    if not name_is_valid(name):
        return E_LIBRARY_NAME
    f = lib.first
    while f != NULL:
        if f.name_len == name.len and memcmp(f.text, name.ptr, name.len) == 0:
            return E_FUNCTION_TWICE
        f = f.next
    f = <Function*>mem_calloc(lib.mem, sizeof(Function) + 2 * name.len + more)
    f.library = lib
    f.handle = handle
    f.flags = flags
    f.described = description != NULL
    f.name_len = name.len
    f.description_len = more
    memcpy(f.text, name.ptr, name.len)
    for i in range(name.len):
        f.text[name.len + i] = lower(name.ptr[i])
    if more:
        memcpy(f.text + 2 * name.len, description.ptr, more)
    if lib.last != NULL:
        lib.last.next = f
    else:
        lib.first = f
    lib.last = f
    lib.count += 1
    return -1


cdef void library_free(Library* lib, void* state) noexcept nogil:
    cdef Function* f = lib.first
    cdef Function* next
    while f != NULL:
        next = f.next
        if state != NULL:
            lib.type.forget(state, f.handle)
        mem_free(lib.mem, f)
        f = next
    mem_free(lib.mem, lib)


cdef size_t library_bytes(const Library* lib) noexcept nogil:
    cdef size_t n = mem_usable(lib)
    cdef Function* f = lib.first
    while f != NULL:
        n += mem_usable(f)
        f = f.next
    return n
