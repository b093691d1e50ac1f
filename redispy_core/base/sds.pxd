# Length-prefixed growable bytes: [len 8][cap 8][bytes]. An Sds* is owned by one place; functions that may move it
# return the new address.
from libc.stdint cimport int64_t
from .mem cimport Mem

cdef struct Slice:              # borrowed bytes
    const char* ptr
    size_t len

cdef struct Sds:
    size_t len
    size_t cap                  # bytes that fit without moving
    char data[1]

cdef enum:
    SDS_HEADER = 16

cdef Sds* sds_new(Mem* m, const char* s, size_t n) noexcept nogil               # exact capacity; s may be NULL (zeroed)
cdef Sds* sds_try_new(Mem* m, const char* s, size_t n) noexcept nogil           # NULL when memory fails
cdef void sds_free(Mem* m, Sds* s) noexcept nogil
cdef Sds* sds_append(Mem* m, Sds* s, const char* p, size_t n) noexcept nogil    # amortised O(n); doubles up to 1 MB, then +1 MB
cdef Sds* sds_try_grow(Mem* m, Sds* s, size_t len) noexcept nogil               # len bytes, new ones zeroed; NULL when memory fails, s stays
cdef Sds* sds_reserve(Mem* m, Sds* s, size_t extra) noexcept nogil              # room for extra more bytes
cdef Sds* sds_fit(Mem* m, Sds* s) noexcept nogil                                # gives spare capacity back
cdef inline Slice slice_of(const char* p, size_t n) noexcept nogil:
    cdef Slice s
    s.ptr = p
    s.len = n
    return s
