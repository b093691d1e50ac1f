# Packed blobs of untrusted origin: checks, and the encodings of older versions as listpacks.
from libc.stdint cimport int64_t, uint8_t, uint64_t
from ..base.env cimport Env
from ..base.mem cimport Mem

cdef uint8_t* ziplist_to_listpack(Mem* m, const void* blob, size_t n) noexcept nogil    # O(n); a new listpack; NULL: corrupt, or no memory
cdef uint8_t* zipmap_to_listpack(Mem* m, const void* blob, size_t n) noexcept nogil     # likewise: field, value ...
cdef bint listpack_distinct(Mem* m, Env* e, const uint8_t* lp, int stride) noexcept nogil   # O(n); is every stride-th entry of a valid listpack, from the first on, another value?
cdef bint scores_ordered(const uint8_t* lp) noexcept nogil                              # O(n); member, score ...: numbers, ascending by (score, member)
cdef bint times_ordered(const uint8_t* lp) noexcept nogil                               # O(n); field, value, when ...: integers in range, ascending, 0 last
