# Bitmap kernels over plain bytes; bit 0 is the top bit of byte 0. Nothing allocates; callers clamp ranges and
# grow values.
from libc.stdint cimport int64_t, uint8_t, uint64_t
from ..base.sds cimport Slice

cdef enum BitOp:
    BITOP_AND
    BITOP_OR
    BITOP_XOR
    BITOP_NOT              # of the first source alone
    BITOP_DIFF             # in the first and in none of the others
    BITOP_DIFF1            # in one of the others and not in the first
    BITOP_ANDOR            # in the first and in one of the others
    BITOP_ONE              # in exactly one source

cdef enum BitOverflow:
    BITFIELD_WRAP
    BITFIELD_SAT
    BITFIELD_FAIL

cdef inline int bits_get(const uint8_t* p, size_t n, uint64_t bit) noexcept nogil:     # O(1); 0 behind the end
    return (p[bit >> 3] >> (7 - (bit & 7))) & 1 if (bit >> 3) < n else 0

cdef inline int bits_set(uint8_t* p, uint64_t bit, bint on) noexcept nogil:     # O(1); the old bit; must exist
    cdef int shift = 7 - <int>(bit & 7), old = (p[bit >> 3] >> shift) & 1
    p[bit >> 3] = <uint8_t>((p[bit >> 3] & ~(1 << shift)) | (<int>on << shift))
    return old

cdef int64_t bits_count(const uint8_t* p, size_t n) noexcept nogil                     # O(n) set bits
# Set bits among first..last (inclusive; all must exist); 0 if first > last.
cdef int64_t bits_count_range(const uint8_t* p, uint64_t first, uint64_t last) noexcept nogil
# O(n) first such bit or -1; what lies behind the end is the caller's rule.
cdef int64_t bits_pos(const uint8_t* p, size_t n, bint bit) noexcept nogil
# The same within first..last; the position counts from bit 0 of p.
cdef int64_t bits_pos_range(const uint8_t* p, uint64_t first, uint64_t last, bint bit) noexcept nogil
# O(n * count); n = longest source, shorter ones end in zeros; dst overlaps none of them; count >= 1.
cdef void bits_op(BitOp op, const Slice* src, size_t count, uint8_t* dst, size_t n) noexcept nogil

# --- fields of 1..64 bits at any bit offset, big-endian; O(1)
# Reading: zeros behind the end.
cdef uint64_t bits_get_unsigned(const uint8_t* p, size_t n, uint64_t offset, int width) noexcept nogil
cdef int64_t bits_get_signed(const uint8_t* p, size_t n, uint64_t offset, int width) noexcept nogil
# Stores the low bits of v; all bytes of the field must exist.
cdef void bits_put(uint8_t* p, uint64_t offset, int width, uint64_t v) noexcept nogil
# value + incr as a field: 0, or the direction of the overflow (1, -1). out = the result to store; FAIL leaves it
# untouched on overflow. SET is incr = 0 with any value.
cdef int bits_add_unsigned(uint64_t value, int64_t incr, int width, BitOverflow policy, uint64_t* out) noexcept nogil
cdef int bits_add_signed(int64_t value, int64_t incr, int width, BitOverflow policy, int64_t* out) noexcept nogil
