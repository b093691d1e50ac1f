# Quicklist: a doubly linked list of listpacks, the encoding of long lists. O(1) at both ends, interior nodes tight and
# LZF-compressed on demand. A walk may unpack ONE compressed node into a buffer of the list: call ql_close after it.
# Bytes handed out are borrowed until the next call on the list. Text passed in must not point into the list.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from ..base.mem cimport Mem
from .listpack cimport LpNeedle, lp_entry_size, lp_get

cdef enum:
    QL_HEAD = 0
    QL_TAIL = 1
    QL_PLAIN = 1                   # node kinds, by RDB's numbers: one element, too large for a listpack
    QL_PACKED = 2

cdef struct QlNode:                # 32 bytes
    QlNode* prev
    QlNode* next
    uint8_t* block                 # packed: listpack at block + front; plain: QlPlain; lzf: QlLzf
    uint32_t count                 # elements
    uint16_t front                 # idle bytes before the listpack: room for pushes at the head
    uint8_t kind
    uint8_t lzf                    # QL_LZF_NO, _YES, _VAIN

cdef enum:
    QL_LZF_NO = 0
    QL_LZF_YES = 1                 # block is compressed
    QL_LZF_VAIN = 2                # as it is now, compression saves nothing

cdef struct Quicklist:
    QlNode* head
    QlNode* tail
    uint64_t count                 # elements
    uint64_t nodes
    QlNode* open                   # the node that a walk has unpacked (raw set) or changed (raw NULL: to be compressed again)
    uint8_t* raw                   # the unpacked bytes of `open`
    size_t packed_threshold        # tests: elements this long are plain nodes; 0: as fill says. May be set at any time
    int32_t fill                   # list-max-listpack-size: > 0 elements a node (and 8 KB), -1..-5: 4, 8, 16, 32, 64 KB
    uint32_t depth                 # list-compress-depth: nodes at each end that stay uncompressed; 0: all

cdef struct QlIter:                # a place in the list; spent by any change not made through it
    QlNode* node
    size_t off                     # of the entry in the listpack
    uint32_t idx                   # of the element in the node
    int dir                        # 1: towards the tail, -1: towards the head
    int64_t index                  # of the element in the list, 0 = head

cdef struct QlView:                # a node as RDB saves it; lzf: data is compressed
    int kind
    bint lzf
    const uint8_t* data
    size_t len
    size_t raw_len                 # bytes once unpacked

# --- the list
cdef Quicklist* ql_new(Mem* m, int64_t fill, int64_t depth) noexcept nogil      # O(1); settings are clamped as Redis does
cdef void ql_free(Mem* m, Quicklist* q) noexcept nogil                          # O(nodes); NULL is fine
cdef void ql_set_options(Quicklist* q, int64_t fill, int64_t depth) noexcept nogil      # O(1); bears on later changes
cdef Quicklist* ql_dup(Mem* m, const Quicklist* q) noexcept nogil               # O(bytes); compressed nodes stay so
cdef Quicklist* ql_from_listpack(Mem* m, int64_t fill, int64_t depth, uint8_t* lp) noexcept nogil   # O(1); takes lp, even when it is full
cdef uint8_t* ql_take_listpack(Mem* m, Quicklist* q) noexcept nogil             # one packed node (or none): its listpack, and q is freed; else NULL and q stays
cdef size_t ql_memory(const Quicklist* q, size_t samples) noexcept nogil        # O(samples) usable bytes, extrapolated; samples 0: exact, O(nodes)
cdef size_t ql_node_limit(int64_t fill) noexcept nogil                          # bytes that a node of this fill may hold
cdef inline uint64_t ql_length(const Quicklist* q) noexcept nogil:              # O(1)
    return q.count

# --- the ends: O(1) amortised
cdef void ql_push(Mem* m, Quicklist* q, int where, const char* s, size_t n) noexcept nogil
cdef void ql_push_i64(Mem* m, Quicklist* q, int where, int64_t v) noexcept nogil
cdef bint ql_peek(const Quicklist* q, int where, const char** s, size_t* n, int64_t* v) noexcept nogil  # False: empty; *s NULL: integer v
cdef void ql_drop(Mem* m, Quicklist* q, int where) noexcept nogil               # removes what ql_peek showed; the list must not be empty
cdef void ql_rotate(Mem* m, Quicklist* q, int source) noexcept nogil            # moves the element at `source` to the other end

# --- places: seek O(nodes), steps O(1)
cdef bint ql_seek(Mem* m, Quicklist* q, int64_t index, int dir, QlIter* it) noexcept nogil      # negative from the tail; False: out of range
cdef bint ql_step_far(Mem* m, Quicklist* q, QlIter* it) noexcept nogil          # ql_step's rare half
cdef const char* ql_get_far(Mem* m, Quicklist* q, QlIter* it, size_t* n, int64_t* v) noexcept nogil
cdef bint ql_find(Mem* m, Quicklist* q, QlIter* it, const LpNeedle* nd, uint64_t most) noexcept nogil   # goes on to the first equal element, looking at no more than `most` (0: all), the present one included; False: none
cdef void ql_close(Mem* m, Quicklist* q) noexcept nogil                         # ends a walk: frees the unpacked copy, compresses again
cdef bint ql_delete(Mem* m, Quicklist* q, QlIter* it) noexcept nogil            # O(node); goes on to the next in its direction; False: none
cdef void ql_insert(Mem* m, Quicklist* q, QlIter* it, int where, const char* s, size_t n) noexcept nogil    # O(node); LP_BEFORE or LP_AFTER; `it` is spent
cdef void ql_replace(Mem* m, Quicklist* q, QlIter* it, const char* s, size_t n) noexcept nogil  # O(node); `it` is spent
cdef uint64_t ql_delete_range(Mem* m, Quicklist* q, int64_t start, uint64_t count) noexcept nogil   # O(nodes); negative start from the tail; how many went

cdef inline bint ql_step(Mem* m, Quicklist* q, QlIter* it) noexcept nogil:     # O(1); False: no more elements this way
    if it.dir < 0 or it.node.lzf == QL_LZF_YES or it.idx + 1 >= it.node.count:
        return ql_step_far(m, q, it)
    it.off += lp_entry_size(it.node.block + it.node.front + it.off)
    it.idx += 1
    it.index += 1
    return True

cdef inline const char* ql_get(Mem* m, Quicklist* q, QlIter* it, size_t* n, int64_t* v) noexcept nogil:    # O(1); bytes, or NULL: integer v
    if it.node.lzf == QL_LZF_YES or it.node.kind == QL_PLAIN:
        return ql_get_far(m, q, it, n, v)
    return lp_get(it.node.block + it.node.front + it.off, n, v)

# --- nodes, for saving and loading
cdef void ql_node_view(const QlNode* node, QlView* view) noexcept nogil         # O(1); as it lies in memory
cdef const uint8_t* ql_node_bytes(Mem* m, Quicklist* q, QlNode* node, size_t* n) noexcept nogil     # the listpack or element, unpacked if need be
cdef bint ql_append_listpack(Mem* m, Quicklist* q, uint8_t* lp) noexcept nogil  # takes a valid lp as a node; False: it was empty and is freed
cdef uint8_t* ql_plain_new(Mem* m, size_t n) noexcept nogil                     # block for an element of n bytes, to be filled at ql_plain_data; NULL when memory fails
cdef uint8_t* ql_plain_data(uint8_t* block) noexcept nogil
cdef void ql_append_plain(Mem* m, Quicklist* q, uint8_t* block) noexcept nogil  # takes the block as a node
