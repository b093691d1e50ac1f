# Lists: a listpack while small, a quicklist beyond list-max-listpack-size. Functions take the list's Robj; its payload
# word may change, its block does not move. Bytes handed out are borrowed until the next call on the list; text passed
# in must not point into it.
from libc.stdint cimport int64_t, uint8_t, uint64_t
from ..base.env cimport Knobs
from ..base.mem cimport Mem
from ..base.sds cimport Slice
from ..structs.listpack cimport LpNeedle, lp_get, lp_next
from ..structs.quicklist cimport QL_HEAD, QL_TAIL, QlIter, Quicklist, ql_get, ql_step
from .object cimport ENC_LISTPACK, Robj, robj_enc

cdef enum:
    LIST_HEAD = QL_HEAD
    LIST_TAIL = QL_TAIL

cdef struct ListIter:              # a place in a list; spent by any change not made through it
    Robj* o
    uint8_t* lp                    # listpack, or NULL
    Quicklist* q                   # quicklist, or NULL
    uint8_t* p                     # the entry in the listpack
    int dir                        # 1: towards the tail, -1: towards the head
    int64_t index                  # of the element in a listpack; q: in it
    QlIter it

# --- making
cdef Robj* list_new(Mem* m, Slice key, size_t room) noexcept nogil               # O(1); empty, not yet in a database; room for that many bytes (0: none)
cdef bint list_fits(Mem* m, const Slice* add, int n) noexcept nogil              # O(n); False: memory for such elements can't be had

# --- conversions
cdef void list_grow(Mem* m, const Knobs* k, Robj* o, const Slice* add, int n) noexcept nogil     # O(n); before these texts are added: a listpack that would be too large becomes a quicklist
cdef void list_set_packed_threshold(Robj* o, size_t bytes) noexcept nogil         # O(1); DEBUG: elements this long get nodes of their own in a quicklist; 0: as ever
cdef void list_shrink(Mem* m, const Knobs* k, Robj* o) noexcept nogil            # O(1); after removals and replacements: a quicklist of one node that is at most half full becomes a listpack

# --- ends: O(1) amortised, O(n) bytes moved at the head of a listpack
cdef void list_push(Mem* m, Robj* o, int where, const char* s, size_t n) noexcept nogil      # after list_grow
cdef bint list_peek(const Robj* o, int where, const char** s, size_t* n, int64_t* v) noexcept nogil  # False: empty; *s NULL: integer v
cdef void list_drop(Mem* m, Robj* o, int where) noexcept nogil                   # removes what list_peek showed
cdef void list_rotate(Mem* m, Robj* o, int source, int target) noexcept nogil    # moves the element at one end to an end of the same list
cdef uint64_t list_length(const Robj* o) noexcept nogil                          # O(1)

# --- places: seek O(nodes) or O(n) in a listpack, steps O(1)
cdef bint list_seek(Mem* m, Robj* o, int64_t index, int dir, ListIter* it) noexcept nogil    # negative from the tail; False: out of range
cdef bint list_step_far(Mem* m, ListIter* it) noexcept nogil                     # list_step's rarer half
cdef bint list_find(Mem* m, ListIter* it, const LpNeedle* nd, uint64_t most) noexcept nogil  # goes on to the first equal element, looking at no more than `most` (0: all), the present one included; False: none
cdef int64_t list_index(const ListIter* it) noexcept nogil                       # O(1); 0 = head
cdef void list_close(Mem* m, ListIter* it) noexcept nogil                        # ends a walk
cdef bint list_delete(Mem* m, ListIter* it) noexcept nogil                       # O(node); goes on to the next in its direction; False: none
cdef void list_insert(Mem* m, ListIter* it, int where, const char* s, size_t n) noexcept nogil   # O(node); LP_BEFORE or LP_AFTER; after list_grow; `it` is spent
cdef void list_replace(Mem* m, ListIter* it, const char* s, size_t n) noexcept nogil             # O(node); after list_grow; `it` is spent
cdef uint64_t list_delete_range(Mem* m, Robj* o, int64_t start, uint64_t count) noexcept nogil   # O(nodes); negative start from the tail; how many went

# --- for saving and loading
cdef Robj* list_from_listpack(Mem* m, const Knobs* k, Slice key, uint8_t* lp, int64_t when_ms) noexcept nogil    # takes a valid lp
cdef Robj* list_from_quicklist(Mem* m, const Knobs* k, Slice key, Quicklist* q, int64_t when_ms) noexcept nogil  # takes q; a sole packed node becomes a listpack

cdef inline bint list_step(Mem* m, ListIter* it) noexcept nogil:                 # O(1); False: no more elements this way
    if it.q != NULL:
        return ql_step(m, it.q, &it.it)
    if it.dir < 0:
        return list_step_far(m, it)
    it.p = lp_next(it.p)
    it.index += 1
    return it.p != NULL

cdef inline const char* list_get(Mem* m, ListIter* it, size_t* n, int64_t* v) noexcept nogil:    # O(1); bytes, or NULL: integer v
    if it.q != NULL:
        return ql_get(m, it.q, &it.it, n, v)
    return lp_get(it.p, n, v)
