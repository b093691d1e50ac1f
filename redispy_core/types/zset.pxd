# A sorted set: listpack or skiplist with dict behind one API. All functions take the key's Robj, whose payload word and
# encoding they change in place: the block itself never moves. Members go in as borrowed bytes.
from libc.stdint cimport int64_t, uint8_t, uint64_t
from ..base.env cimport Env
from ..base.mem cimport Mem
from ..base.sds cimport Slice
from ..structs.dict cimport Dict
from ..structs.skiplist cimport Zsl, ZslIter, ZslLexRange, ZslScoreRange
from .object cimport Encoding, Robj

cdef struct Zset:               # payload of ENC_SKIPLIST
    Dict dict                   # of the list's nodes, by member; the list owns them
    Zsl* zsl

cdef enum ZaddFlag:             # conditions and meaning of a score
    ZADD_INCR = 1               # it is added to the present one
    ZADD_NX = 2
    ZADD_XX = 4
    ZADD_GT = 8
    ZADD_LT = 16

cdef enum ZaddResult:
    ZADD_REFUSED = 0            # by a condition
    ZADD_SAME = 1               # the member had that score
    ZADD_ADDED = 2
    ZADD_UPDATED = 3
    ZADD_NAN = 4                # inf - inf; nothing changed
    ZADD_NO_MEMORY = 5          # nothing changed

cdef struct ZsetItem:           # an element; borrowed, valid until the sorted set changes. Not to be copied
    const char* member
    size_t len
    double score                # zset_item_score
    const uint8_t* at           # listpack: the score's entry, not read yet
    char[24] text

cdef struct ZsetIter:           # lives on the caller's stack, owns nothing; any change ends it
    uint8_t* lp                 # NULL: skiplist
    uint8_t* p                  # listpack: the next member's entry, or NULL
    ZslIter zi
    int64_t left                # elements still to be given at most; < 0: no limit
    const ZslScoreRange* scores # where to stop, or NULL
    const ZslLexRange* lex
    bint reverse

# --- life. Knobs: zset-max-listpack-entries, zset-max-listpack-value
cdef Robj* zset_new(Mem* m, Env* e, Slice key, Encoding enc) noexcept nogil                       # O(1); empty
cdef Robj* zset_new_for(Mem* m, Env* e, Slice key, size_t count, size_t longest) noexcept nogil   # empty, in the encoding for so many members of so many bytes
cdef void zset_to_skiplist(Mem* m, Env* e, Robj* o) noexcept nogil                                # O(n log n); nothing if it is one
cdef void zset_try_listpack(Mem* m, Env* e, Robj* o) noexcept nogil                               # O(n); a finished result becomes a listpack if the knobs allow
cdef size_t zset_size(const Robj* o) noexcept nogil                                               # O(1)
cdef Dict* zset_dict(const Robj* o) noexcept nogil                                                # for ZSCAN; entries: zset_entry; NULL: listpack
cdef void zset_entry(const void* entry, ZsetItem* out) noexcept nogil

# --- members. O(log n), zset_score O(1); listpack O(n)
cdef ZaddResult zset_add(Mem* m, Env* e, Robj* o, double score, Slice member, int flags, double* now) noexcept nogil
#   ZADD's rules; score is no NaN; *now (may be NULL) = the score afterwards, where the member is there. Converts as the knobs ask
cdef bint zset_score(const Robj* o, Slice member, double* score) noexcept nogil                   # False: no member
cdef bint zset_remove(Mem* m, Robj* o, Slice member) noexcept nogil                               # False: was no member; never converts
cdef int64_t zset_rank(const Robj* o, Slice member, bint reverse, double* score) noexcept nogil   # from 0; -1: no member
cdef bint zset_at(const Robj* o, int64_t rank, ZsetItem* out) noexcept nogil                      # ascending rank; False: outside
cdef void zset_random(Env* e, const Robj* o, ZsetItem* out) noexcept nogil                        # uniform; not empty; O(1), listpack O(n)

# --- ranges. O(log n + what is passed), listpack O(n)
cdef int64_t zset_count_score(const Robj* o, const ZslScoreRange* r) noexcept nogil
cdef int64_t zset_count_lex(const Robj* o, const ZslLexRange* r) noexcept nogil
cdef int64_t zset_remove_rank(Mem* m, Robj* o, int64_t first, int64_t last) noexcept nogil        # inclusive, within the set; how many
cdef int64_t zset_remove_score(Mem* m, Robj* o, const ZslScoreRange* r) noexcept nogil
cdef int64_t zset_remove_lex(Mem* m, Robj* o, const ZslLexRange* r) noexcept nogil
cdef void zset_iter(ZsetIter* it, const Robj* o, int64_t skip, int64_t limit, bint reverse) noexcept nogil
cdef void zset_iter_score(ZsetIter* it, const Robj* o, const ZslScoreRange* r, int64_t skip, int64_t limit, bint reverse) noexcept nogil
cdef void zset_iter_lex(ZsetIter* it, const Robj* o, const ZslLexRange* r, int64_t skip, int64_t limit, bint reverse) noexcept nogil
#   in the order asked for, without the first `skip` (< 0: gives nothing), at most `limit` (< 0: all); the range is kept by address
cdef bint zset_next(ZsetIter* it, ZsetItem* out) noexcept nogil                                   # False: no more

cdef double zset_lp_score(const uint8_t* p) noexcept nogil                                        # of a score's entry in a listpack

cdef inline double zset_item_score(const ZsetItem* e) noexcept nogil:
    return e.score if e.at == NULL else zset_lp_score(e.at)
