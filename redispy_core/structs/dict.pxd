# Hash table of pointers: buckets of one cache line with hash tags, incremental rehash to any size, cursor scan.
# The dict stores pointers to the caller's entries; DictType tells where an entry's key is. Callers pass the hash
# (dict_hash), so that one computation serves a lookup and an insertion.
from libc.stdint cimport int64_t, uint8_t, uint64_t
from ..base.mem cimport Mem
from ..base.env cimport Env

cdef struct DictType:
    const char* (*key_of)(const void* entry, size_t* n) noexcept nogil
    void (*free_entry)(Mem* m, void* entry) noexcept nogil         # NULL: entries are owned elsewhere

cdef struct Table:
    uint8_t* b                 # n buckets of 64 bytes, or NULL
    uint64_t n

cdef enum ResizePolicy:
    RESIZE_ALLOW = 0           # grow and shrink as load asks
    RESIZE_AVOID = 1           # a child process shares our pages: only grow, and only when far overfull
    RESIZE_FORBID = 2

cdef struct Dict:
    Table t[2]                 # t[1] is in use only while rehashing
    uint64_t frontier          # buckets of t[0] below it have moved to t[1]
    size_t used
    size_t children            # overflow buckets alive
    const DictType* type
    const uint64_t* seed       # SipHash key, owned by Env
    int pause                  # > 0: no rehash step (an iterator is alive)
    ResizePolicy policy

cdef struct DictPos:           # a found entry, valid until the dict changes
    uint8_t* b                 # its bucket, NULL: not found
    uint8_t* head              # first bucket of the chain
    int slot

cdef struct DictIter:          # all entries, no order; the dict must not change meanwhile (rehash is paused)
    Dict* d
    uint64_t bucket
    uint8_t* b
    int table
    int slot

ctypedef void (*dict_each_fn)(void* ctx, void* entry) noexcept nogil

cdef void dict_init(Dict* d, const DictType* type, Env* env) noexcept nogil
cdef void dict_clear(Mem* m, Dict* d) noexcept nogil                       # frees entries and tables, O(n); usable after
cdef bint dict_clear_step(Mem* m, Dict* d, int buckets) noexcept nogil     # dict_clear in slices: frees that many buckets; True when done
cdef uint64_t dict_hash(const Dict* d, const char* key, size_t n) noexcept nogil
cdef void* dict_find(Dict* d, const char* key, size_t n, uint64_t hash) noexcept nogil     # O(1); NULL = absent
cdef DictPos dict_find_pos(Dict* d, const char* key, size_t n, uint64_t hash) noexcept nogil
cdef void* dict_get(DictPos p) noexcept nogil
cdef void dict_set(DictPos p, void* entry) noexcept nogil                  # same key, other address
cdef void dict_insert(Mem* m, Dict* d, uint64_t hash, void* entry) noexcept nogil          # key must be absent; O(1) amortised
cdef void* dict_remove_at(Mem* m, Dict* d, DictPos p) noexcept nogil       # unlinks, does not free the entry
cdef void* dict_remove(Mem* m, Dict* d, const char* key, size_t n, uint64_t hash) noexcept nogil   # NULL = absent
cdef void dict_relink(Dict* d, uint64_t hash, void* old, void* entry) noexcept nogil       # the entry at `old` has moved
cdef bint dict_holds(const Dict* d, uint64_t hash, const void* entry) noexcept nogil       # O(1); the entry is not read: it may be gone
cdef void dict_prefetch(const Dict* d, uint64_t hash) noexcept nogil       # the bucket's line
cdef void dict_prefetch_entry(const Dict* d, uint64_t hash) noexcept nogil # ... then the entry that its tags point to
cdef void dict_rehash_step(Mem* m, Dict* d, int buckets) noexcept nogil    # moves up to that many buckets
cdef bint dict_rehashing(const Dict* d) noexcept nogil
cdef void dict_reserve(Mem* m, Dict* d, size_t n) noexcept nogil           # room for n entries without growing
cdef void dict_shrink(Mem* m, Dict* d) noexcept nogil                      # starts a rehash to a fitting size when sparse
cdef uint64_t dict_scan(Dict* d, uint64_t cursor, dict_each_fn fn, void* ctx) noexcept nogil   # a bucket; 0 begins and ends; fn may delete its entry
cdef void* dict_random(Dict* d, Env* env) noexcept nogil                   # uniform; NULL when empty; O(1) expected
cdef int dict_sample(Dict* d, Env* env, void** out, int n) noexcept nogil  # up to n neighbours from a random place: fast, not uniform
cdef void dict_iter(DictIter* it, Dict* d) noexcept nogil
cdef void* dict_next(DictIter* it) noexcept nogil                          # NULL at the end
cdef void dict_iter_end(DictIter* it) noexcept nogil
cdef size_t dict_bytes(const Dict* d) noexcept nogil                       # tables and overflow buckets, not entries
cdef uint64_t dict_slots(const Dict* d) noexcept nogil                     # entries that fit in both tables' main buckets
