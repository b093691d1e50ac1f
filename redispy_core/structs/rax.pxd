# Radix tree: byte keys of any length (the empty one too, and prefixes of each other) to void* values (NULL is a value),
# in memcmp order. Costs are O(key length), whatever the number of keys. The tree owns its copies of the keys, never
# what the values point to.
from libc.stdint cimport int64_t, uint64_t
from ..base.mem cimport Mem

cdef struct RaxNode            # opaque

cdef struct Rax:
    RaxNode* root              # NULL when empty
    uint64_t size              # keys
    uint64_t nodes             # allocations
    size_t bytes               # usable bytes of all its blocks, this one too
    uint64_t version           # counts changes of shape: iterators find their place again when it moved

cdef enum:
    RAX_FRAMES = 20            # keys shorter than that make an iterator allocate nothing
    RAX_KEY = 128

cdef enum RaxSeek:
    RAX_EQ = 0
    RAX_GE = 1
    RAX_GT = 2
    RAX_LE = 3
    RAX_LT = 4
    RAX_FIRST = 5
    RAX_LAST = 6

cdef struct RaxFrame:
    RaxNode* node
    size_t klen                # length of the key up to and with the node's prefix
    int at                     # child followed; -1: at the node's own value

cdef struct RaxIter:           # on the caller's stack; not to be copied (it points into itself)
    Mem* m
    Rax* rt
    bint valid                 # stands at a key; read key, klen, value then
    char* key                  # the iterator's own, until the next step
    size_t klen
    void* value
    uint64_t version
    size_t key_cap
    int depth
    int frame_cap
    RaxFrame* frames
    RaxFrame frames_here[RAX_FRAMES]
    char key_here[RAX_KEY]

ctypedef void (*rax_free_fn)(void* ctx, void* value) noexcept nogil

cdef Rax* rax_new(Mem* m) noexcept nogil
cdef void rax_free(Mem* m, Rax* rt, rax_free_fn cb, void* ctx) noexcept nogil
#   O(n), no recursion; cb (may be NULL) gets each value; NULL rt is fine
cdef bint rax_insert(Mem* m, Rax* rt, const char* key, size_t len, void* value, void** old) noexcept nogil
#   True = a new key; False = it was there, its value replaced and put into old (may be NULL)
cdef bint rax_add(Mem* m, Rax* rt, const char* key, size_t len, void* value, void** old) noexcept nogil
#   the same, but a key that is there keeps its value
cdef bint rax_find(const Rax* rt, const char* key, size_t len, void** value) noexcept nogil         # value may be NULL
cdef bint rax_remove(Mem* m, Rax* rt, const char* key, size_t len, void** old) noexcept nogil
#   False = not there; old may be NULL
cdef inline uint64_t rax_size(const Rax* rt) noexcept nogil:
    return rt.size
cdef inline uint64_t rax_nodes(const Rax* rt) noexcept nogil:
    return rt.nodes
cdef inline size_t rax_bytes(const Rax* rt) noexcept nogil:
    return rt.bytes
# --- iterators: seek, then step. All give `valid`. The tree may change between two steps (the present key may go):
# a step then goes to the neighbour of the key it stood at, by a new search.
cdef void rax_iter_init(RaxIter* it, Mem* m, Rax* rt) noexcept nogil
cdef void rax_iter_done(RaxIter* it) noexcept nogil                              # frees what long keys made it allocate
cdef bint rax_seek(RaxIter* it, int op, const char* key, size_t len) noexcept nogil
#   op: RaxSeek; key is not read for RAX_FIRST, RAX_LAST
cdef bint rax_next(RaxIter* it) noexcept nogil                                   # amortised O(1)
cdef bint rax_prev(RaxIter* it) noexcept nogil
cdef void rax_iter_set(RaxIter* it, void* value) noexcept nogil
#   replaces the present key's value; only before any change of shape since the last seek or step
