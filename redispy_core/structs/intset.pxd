# Intset: sorted distinct integers in one block, byte-identical to Redis's:  u32 width (2, 4, 8) | u32 length | values LE.
# An Intset* IS the blob: intset_bytes() bytes from its address are what RDB writes.
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from ..base.mem cimport Mem
from ..base.rp cimport rp_load16le, rp_load32le, rp_load64le

cdef enum:
    INTSET_HEADER = 8

cdef struct Intset:
    uint8_t head[8]                # width, length, little-endian; the values follow

cdef inline size_t intset_length(const Intset* s) noexcept nogil:               # O(1)
    return rp_load32le(s.head + 4)

cdef inline size_t intset_width(const Intset* s) noexcept nogil:                # O(1); 2, 4 or 8
    return rp_load32le(s.head)

cdef inline size_t intset_bytes(const Intset* s) noexcept nogil:                # O(1); the whole blob
    return INTSET_HEADER + intset_width(s) * intset_length(s)

cdef inline int64_t intset_get(const Intset* s, size_t i) noexcept nogil:       # O(1); the i-th smallest, i < length
    cdef const uint8_t* p = <const uint8_t*>s + INTSET_HEADER
    cdef size_t width = intset_width(s)
    if width == 2:
        return <int16_t>rp_load16le(p + 2 * i)
    if width == 4:
        return <int32_t>rp_load32le(p + 4 * i)
    return <int64_t>rp_load64le(p + 8 * i)

cdef Intset* intset_new(Mem* m) noexcept nogil                                  # O(1); empty, width 2
cdef Intset* intset_from_bytes(Mem* m, const void* s, size_t n) noexcept nogil  # O(n); a copy of a validated blob
cdef Intset* intset_dup(Mem* m, const Intset* s) noexcept nogil                 # O(n); tight copy
cdef void intset_free(Mem* m, Intset* s) noexcept nogil                         # NULL is fine
cdef Intset* intset_add(Mem* m, Intset* s, int64_t v, bint* added) noexcept nogil       # O(n); takes any int64, widens if needed; may move s
cdef Intset* intset_remove(Mem* m, Intset* s, int64_t v, bint* removed) noexcept nogil  # O(n); may move s; never narrows
cdef Intset* intset_remove_at(Mem* m, Intset* s, size_t i, size_t count) noexcept nogil # O(n); i + count <= length; may move s
cdef bint intset_find(const Intset* s, int64_t v) noexcept nogil                # O(log n)
cdef bint intset_seek(const Intset* s, int64_t v, size_t* i) noexcept nogil     # O(log n); *i = index of v, or where it would go
cdef int64_t intset_random(const Intset* s, uint64_t r) noexcept nogil          # O(1); the member that 64 random bits choose; not empty
cdef int64_t intset_min(const Intset* s) noexcept nogil                         # O(1); not empty
cdef int64_t intset_max(const Intset* s) noexcept nogil                         # O(1); not empty
cdef bint intset_validate(const void* s, size_t n, bint deep) noexcept nogil    # O(1), deep O(n): framing; sorted and distinct
