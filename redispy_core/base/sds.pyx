"""Length-prefixed growable bytes (see sds.pxd): values that are edited in place, and buffers.

Growth: twice the wanted length up to 1 MB, then 1 MB more, so appends are amortised O(1) a byte and a large value
wastes at most 1 MB.
"""
from libc.string cimport memcpy, memset
from .mem cimport Mem, mem_alloc, mem_free, mem_realloc, mem_try_alloc, mem_try_realloc, mem_usable

cdef enum:
    PREALLOC_MAX = 1024 * 1024


cdef inline void fill_new(Sds* x, const char* s, size_t n) noexcept nogil:
    x.len = n
    x.cap = mem_usable(x) - SDS_HEADER
    if s != NULL:
        memcpy(x.data, s, n)
    else:
        memset(x.data, 0, n)


cdef Sds* sds_new(Mem* m, const char* s, size_t n) noexcept nogil:
    cdef Sds* x = <Sds*>mem_alloc(m, SDS_HEADER + n)
    fill_new(x, s, n)
    return x


cdef Sds* sds_try_new(Mem* m, const char* s, size_t n) noexcept nogil:
    cdef Sds* x = <Sds*>mem_try_alloc(m, SDS_HEADER + n)
    if x != NULL:
        fill_new(x, s, n)
    return x


cdef void sds_free(Mem* m, Sds* s) noexcept nogil:
    mem_free(m, s)


cdef inline size_t grown(size_t wanted) noexcept nogil:
    return wanted * 2 if wanted < PREALLOC_MAX else wanted + PREALLOC_MAX


cdef Sds* sds_reserve(Mem* m, Sds* s, size_t extra) noexcept nogil:
    if s.cap - s.len >= extra:
        return s
    s = <Sds*>mem_realloc(m, s, SDS_HEADER + grown(s.len + extra))
    s.cap = mem_usable(s) - SDS_HEADER
    return s


cdef Sds* sds_append(Mem* m, Sds* s, const char* p, size_t n) noexcept nogil:
    s = sds_reserve(m, s, n)
    memcpy(s.data + s.len, p, n)
    s.len += n
    return s


cdef Sds* sds_try_grow(Mem* m, Sds* s, size_t len) noexcept nogil:
    cdef Sds* t
    if len > s.cap:
        t = <Sds*>mem_try_realloc(m, s, SDS_HEADER + grown(len))
        if t == NULL:
            return NULL
        s = t
        s.cap = mem_usable(s) - SDS_HEADER
    if len > s.len:
        memset(s.data + s.len, 0, len - s.len)
    s.len = len
    return s


cdef Sds* sds_fit(Mem* m, Sds* s) noexcept nogil:
    if s.cap - s.len < 16:
        return s
    s = <Sds*>mem_realloc(m, s, SDS_HEADER + s.len)
    s.cap = mem_usable(s) - SDS_HEADER
    return s
