# Expiry buckets: opaque items in the order of their expiry time, for hash fields and for the hashes that have such
# fields. Items are the owner's; each keeps its own time, which `when` reads back. An item is in the index once, with
# the time that it was added with: to change it, give the item its new time and call eb_change with the old one.
from libc.stdint cimport int64_t, uint32_t
from ..base.mem cimport Mem

cdef enum:
    EB_BUCKET_MAX = 15             # items a bucket: 128 bytes when full

ctypedef int64_t (*eb_when_fn)(const void* item) noexcept nogil
ctypedef void (*eb_expire_fn)(void* ctx, void* item) noexcept nogil
ctypedef bint (*eb_each_fn)(void* ctx, void* item) noexcept nogil         # True = stop

cdef struct Ebuckets:              # 24 bytes, embedded in its owner
    void* root                     # NULL, one bucket, or a Rax of buckets
    int64_t min_ms
    uint32_t count
    uint32_t is_tree

cdef void eb_init(Ebuckets* eb) noexcept nogil
cdef void eb_clear(Mem* m, Ebuckets* eb) noexcept nogil                   # O(n / 10); forgets all items, empty again
cdef void eb_add(Mem* m, Ebuckets* eb, void* item, int64_t when_ms, eb_when_fn when) noexcept nogil   # O(log n)
cdef bint eb_remove(Mem* m, Ebuckets* eb, void* item, int64_t when_ms, eb_when_fn when) noexcept nogil
#   O(log n); when_ms: the time it was added with; False = not there. The item itself is not read
cdef void eb_change(Mem* m, Ebuckets* eb, void* item, int64_t old_ms, int64_t new_ms, eb_when_fn when) noexcept nogil
#   O(log n); the item must be there and carry new_ms already
cdef bint eb_replace(Mem* m, Ebuckets* eb, void* old, void* item, int64_t when_ms, eb_when_fn when) noexcept nogil
#   O(log n); the item moved in memory: old is not read; False = old is not there (nothing changed)
cdef void* eb_first(Ebuckets* eb, eb_when_fn when) noexcept nogil         # O(1): an item with the lowest time, or NULL
cdef void* eb_pop_due(Mem* m, Ebuckets* eb, int64_t now_ms, eb_when_fn when) noexcept nogil
#   O(1) amortised: takes out an item with the lowest time if that is <= now_ms, else NULL
cdef uint32_t eb_expire(Mem* m, Ebuckets* eb, int64_t now_ms, uint32_t max_items, eb_when_fn when, eb_expire_fn cb,
                        void* ctx) noexcept nogil
#   pops up to max_items due ones, earliest first; cb gets each after it has left and may add, remove or free items of
#   this index. Returns how many
cdef bint eb_each(Mem* m, Ebuckets* eb, eb_each_fn cb, void* ctx) noexcept nogil
#   O(n): all items, bucket by bucket in the order of time; cb must not change the index. True = it stopped
cdef size_t eb_bytes(Mem* m, Ebuckets* eb) noexcept nogil                 # O(n / 10): bytes of its blocks
cdef inline uint32_t eb_count(const Ebuckets* eb) noexcept nogil:
    return eb.count
cdef inline int64_t eb_min(const Ebuckets* eb) noexcept nogil:            # O(1); INT64_MAX when empty
    return eb.min_ms
