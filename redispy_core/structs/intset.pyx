"""Intset: sorted distinct integers in one block (contract: intset.pxd).

Room: structs. User: types/set, as long as all members are integers and few.

    u32 width | u32 length | value ... value        ascending, two's complement, little-endian, `width` bytes each

The width is that of the widest value ever added and never narrows. A value that does not fit the width is larger or
smaller than all present, so widening puts it at an end without a search.
"""
from libc.string cimport memcpy, memmove
from ..base.mem cimport MemFace, mem_alloc, mem_free, mem_good_size, mem_realloc, mem_usable
from ..base.rp cimport rp_mulhi64, rp_store16le, rp_store32le, rp_store64le


cdef inline size_t width_of(int64_t v) noexcept nogil:
    if v == <int16_t>v:
        return 2
    return 4 if v == <int32_t>v else 8


cdef inline void set_head(Intset* s, size_t width, size_t length) noexcept nogil:
    rp_store32le(s.head, <uint32_t>width)
    rp_store32le(s.head + 4, <uint32_t>length)


cdef inline void put(Intset* s, size_t width, size_t i, int64_t v) noexcept nogil:
    cdef uint8_t* p = <uint8_t*>s + INTSET_HEADER + width * i
    if width == 2:
        rp_store16le(p, <uint64_t>v & 0xFFFF)
    elif width == 4:
        rp_store32le(p, <uint32_t>v)
    else:
        rp_store64le(p, <uint64_t>v)


cdef Intset* intset_new(Mem* m) noexcept nogil:
    cdef Intset* s = <Intset*>mem_alloc(m, INTSET_HEADER)
    set_head(s, 2, 0)
    return s


cdef Intset* intset_from_bytes(Mem* m, const void* s, size_t n) noexcept nogil:
    cdef Intset* copy = <Intset*>mem_alloc(m, n)
    memcpy(copy, s, n)
    return copy


cdef Intset* intset_dup(Mem* m, const Intset* s) noexcept nogil:
    return intset_from_bytes(m, s, intset_bytes(s))


cdef void intset_free(Mem* m, Intset* s) noexcept nogil:
    mem_free(m, s)


cdef bint intset_seek(const Intset* s, int64_t v, size_t* i) noexcept nogil:
    cdef size_t low = 0, n = intset_length(s), half
    cdef int64_t x
    i[0] = n
    if n == 0 or v > intset_get(s, n - 1):
        return False
    # Invariant: the first value >= v lies in low .. low + n - 1.
    while n > 1:
        half = n >> 1
        if intset_get(s, low + half - 1) < v:
            low += half
        n -= half
    i[0] = low
    x = intset_get(s, low)
    return x == v


cdef bint intset_find(const Intset* s, int64_t v) noexcept nogil:
    cdef size_t i = 0
    return width_of(v) <= intset_width(s) and intset_seek(s, v, &i)


cdef inline Intset* grow(Mem* m, Intset* s, size_t need) noexcept nogil:
    if need > mem_usable(s):
        return <Intset*>mem_realloc(m, s, need)
    return s


cdef Intset* widen_and_add(Mem* m, Intset* s, int64_t v) noexcept nogil:
    """Adds a value that does not fit the width: it goes before or behind all others."""
    cdef size_t n = intset_length(s), width = width_of(v), i = n
    cdef size_t front = 1 if v < 0 else 0
    cdef int64_t x
    s = grow(m, s, INTSET_HEADER + width * (n + 1))
    # From the top, so that no value is overwritten before it was read.
    while i > 0:
        i -= 1
        x = intset_get(s, i)
        put(s, width, i + front, x)
    put(s, width, 0 if front else n, v)
    set_head(s, width, n + 1)
    return s


cdef Intset* intset_add(Mem* m, Intset* s, int64_t v, bint* added) noexcept nogil:
    cdef size_t width = intset_width(s), n = intset_length(s), i = 0
    cdef uint8_t* p
    added[0] = True
    if width_of(v) > width:
        return widen_and_add(m, s, v)
    if intset_seek(s, v, &i):
        added[0] = False
        return s
    s = grow(m, s, INTSET_HEADER + width * (n + 1))
    p = <uint8_t*>s + INTSET_HEADER + width * i
    memmove(p + width, p, width * (n - i))
    put(s, width, i, v)
    set_head(s, width, n + 1)
    return s


cdef Intset* intset_remove_at(Mem* m, Intset* s, size_t i, size_t count) noexcept nogil:
    cdef size_t width = intset_width(s), n = intset_length(s)
    cdef uint8_t* p = <uint8_t*>s + INTSET_HEADER + width * i
    memmove(p, p + width * count, width * (n - i - count))
    set_head(s, width, n - count)
    cdef size_t need = intset_bytes(s)
    cdef Intset* tight
    if mem_usable(s) > need + (need >> 3) + 24 and mem_good_size(need) < mem_usable(s):
        tight = intset_dup(m, s)
        mem_free(m, s)
        return tight
    return s


cdef Intset* intset_remove(Mem* m, Intset* s, int64_t v, bint* removed) noexcept nogil:
    cdef size_t i = 0
    removed[0] = width_of(v) <= intset_width(s) and intset_seek(s, v, &i)
    return intset_remove_at(m, s, i, 1) if removed[0] else s


cdef int64_t intset_random(const Intset* s, uint64_t r) noexcept nogil:
    return intset_get(s, rp_mulhi64(r, intset_length(s)))


cdef int64_t intset_min(const Intset* s) noexcept nogil:
    return intset_get(s, 0)


cdef int64_t intset_max(const Intset* s) noexcept nogil:
    return intset_get(s, intset_length(s) - 1)


cdef bint intset_validate(const void* blob, size_t n, bint deep) noexcept nogil:
    cdef const Intset* s = <const Intset*>blob
    cdef size_t width, i
    if n < INTSET_HEADER:
        return False
    width = intset_width(s)
    if width != 2 and width != 4 and width != 8:
        return False
    if intset_bytes(s) != n:
        return False
    if deep:
        for i in range(1, intset_length(s)):
            if intset_get(s, i - 1) >= intset_get(s, i):
                return False
    return True


# --- the face for tests

def validate(bytes blob, bint deep=True):
    """Is the blob a well-formed intset? Deep also checks the order. O(n)."""
    return intset_validate(<const char*>blob, len(blob), deep)


cdef class IntsetFace:
    """An intset for tests; check() raises AssertionError when an invariant is broken."""
    cdef Intset* s
    cdef readonly MemFace mem

    def __cinit__(self, blob=None, MemFace mem=None):
        self.mem = mem if mem is not None else MemFace()
        if blob is None:
            self.s = intset_new(&self.mem.mem)
        else:
            if not validate(blob):
                raise ValueError("corrupt intset")
            self.s = intset_from_bytes(&self.mem.mem, <const char*>(<bytes>blob), len(blob))

    def __dealloc__(self):
        if self.s != NULL:
            intset_free(&self.mem.mem, self.s)

    def __len__(self):
        return intset_length(self.s)

    def __bytes__(self):
        return (<const char*>self.s)[:intset_bytes(self.s)]

    def __contains__(self, int64_t v):
        return intset_find(self.s, v)

    def values(self):
        """All members, ascending."""
        return [intset_get(self.s, i) for i in range(intset_length(self.s))]

    def width(self):
        return intset_width(self.s)

    def usable(self):
        """Usable bytes of the block."""
        return mem_usable(self.s)

    def add(self, int64_t v):
        """True if v was not a member."""
        cdef bint added = False
        self.s = intset_add(&self.mem.mem, self.s, v, &added)
        return added

    def remove(self, int64_t v):
        """True if v was a member."""
        cdef bint removed = False
        self.s = intset_remove(&self.mem.mem, self.s, v, &removed)
        return removed

    def remove_at(self, size_t i, size_t count):
        assert i + count <= intset_length(self.s)
        self.s = intset_remove_at(&self.mem.mem, self.s, i, count)

    def seek(self, int64_t v):
        """(is a member, index of it or where it would go)."""
        cdef size_t i = 0
        cdef bint there = intset_seek(self.s, v, &i)
        return there, i

    def random(self, uint64_t r):
        return intset_random(self.s, r)

    def min(self):
        return intset_min(self.s)

    def max(self):
        return intset_max(self.s)

    def dup(self):
        cdef IntsetFace face = IntsetFace(mem=self.mem)
        intset_free(&self.mem.mem, face.s)
        face.s = intset_dup(&self.mem.mem, self.s)
        return face

    def check(self):
        """Asserts all invariants, O(n): framing, strict order, the block holds the blob."""
        cdef size_t n = intset_bytes(self.s)
        assert mem_usable(self.s) >= n
        assert intset_validate(self.s, n, True)
