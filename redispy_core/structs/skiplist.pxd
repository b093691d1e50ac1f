# Ordered set of (score, member): O(log n) by score, by member order and by rank. Elements are ordered by score, then
# by member bytes, then by member length. A node is one allocation and holds its member's bytes; its address stays the
# same from insertion to removal, whatever happens to its score, so that a dict can point at it.
# Scores are never NaN (the caller refuses them). At most 2^32 - 2 elements.
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy
from ..base.mem cimport Mem

cdef enum:
    ZSL_MAX_LEVELS = 32
    ZSL_NODE_BASE = 16         # score 8, word 8
    ZSL_LINK_SIZE = 12         # next 8, span 4
    ZSL_LEN_LONG = 2047        # in meta: the length does not fit, 8 bytes before the member hold it
    ZSL_CHUNK = 32

cdef packed struct ZslLink:
    void* next                 # a ZslNode*
    uint32_t span              # elements between here and next, next counted; to the end where next is NULL

cdef packed struct ZslNode:
    double score
    uint64_t word              # levels - 1: 5 bits, member length (or ZSL_LEN_LONG): 11, next at level 0: 48
    ZslLink link[1]            # levels 1 and up, then the member

cdef struct Zsl:
    ZslNode* head              # a node without member; moves when the list gets higher
    size_t bytes               # usable bytes of all its blocks
    uint32_t length
    uint32_t levels            # in use, >= 1

cdef struct ZslScoreRange:
    double min
    double max
    bint min_ex                # exclusive
    bint max_ex

cdef enum ZslLexKind:
    ZLEX_NEG_INF = 0           # "-"
    ZLEX_INCL = 1              # "[member"
    ZLEX_EXCL = 2              # "(member"
    ZLEX_POS_INF = 3           # "+"

cdef struct ZslLexRange:
    const char* min
    size_t min_len
    const char* max
    size_t max_len
    int min_kind
    int max_kind

cdef struct ZslIter:           # lives on the caller's stack, owns nothing; any change of the list ends it
    Zsl* z
    ZslNode* node              # forward: the next one to give
    uint32_t rank              # backward: rank of buf[0]
    int n                      # backward: nodes in buf that are still to be given
    int chunk
    bint reverse
    ZslNode* buf[ZSL_CHUNK]

ctypedef void (*zsl_drop_fn)(void* ctx, ZslNode* node) noexcept nogil

# --- nodes: score and member (borrowed, lives as long as the node)
cdef inline ZslNode* zsl_next(const ZslNode* n) noexcept nogil:                                     # NULL at the end
    return <ZslNode*>(n.word & <uint64_t>0xffffffffffff)

cdef inline double zsl_node_score(const ZslNode* n) noexcept nogil:
    return n.score

cdef inline const char* zsl_node_member(const ZslNode* n, size_t* len) noexcept nogil:
    cdef const char* p = <const char*>n + ZSL_NODE_BASE + ZSL_LINK_SIZE * (n.word >> 59)
    cdef size_t k = n.word >> 48 & ZSL_LEN_LONG
    if k == ZSL_LEN_LONG:
        memcpy(&k, p, sizeof(k))
        p += sizeof(k)
    len[0] = k
    return p

# --- life
cdef Zsl* zsl_new(Mem* m) noexcept nogil
cdef void zsl_free(Mem* m, Zsl* z) noexcept nogil                        # O(n); NULL is fine
# --- change
cdef ZslNode* zsl_insert(Mem* m, Zsl* z, double score, const char* member, size_t len, uint64_t rnd) noexcept nogil
#   O(log n); copies member; rnd: 64 random bits for the height. The element must not be there. NULL when memory fails
cdef bint zsl_update(Zsl* z, ZslNode* n, double score) noexcept nogil
#   O(1) where the score grows and the order stays, else O(log n); True = its place changed
cdef bint zsl_delete(Mem* m, Zsl* z, double score, const char* member, size_t len) noexcept nogil
#   O(log n); False = not there
cdef void zsl_delete_node(Mem* m, Zsl* z, ZslNode* n) noexcept nogil     # O(log n); frees n
cdef void zsl_unlink(Zsl* z, ZslNode* n) noexcept nogil
cdef void zsl_node_free(Mem* m, Zsl* z, ZslNode* n) noexcept nogil
#   O(log n) unlink, then n is the caller's until the free: POPMIN and POPMAX reply with it in between
cdef uint32_t zsl_delete_score_range(Mem* m, Zsl* z, const ZslScoreRange* r, zsl_drop_fn cb, void* ctx) noexcept nogil
cdef uint32_t zsl_delete_lex_range(Mem* m, Zsl* z, const ZslLexRange* r, zsl_drop_fn cb, void* ctx) noexcept nogil
cdef uint32_t zsl_delete_rank_range(Mem* m, Zsl* z, int64_t first, int64_t last, zsl_drop_fn cb,
                                    void* ctx) noexcept nogil
#   O(log n + removed), inclusive ranks clipped to the list; cb (may be NULL) sees each node, ascending, after it has
#   left the list and before it is freed; it must not change this list. Returns how many
# --- find; ranks count from 0
cdef ZslNode* zsl_find(const Zsl* z, double score, const char* member, size_t len) noexcept nogil   # O(log n) or NULL
cdef uint32_t zsl_rank(const Zsl* z, const ZslNode* n) noexcept nogil                               # O(log n)
cdef ZslNode* zsl_at(const Zsl* z, int64_t rank) noexcept nogil                                # O(log n); NULL outside
cdef ZslNode* zsl_first_in_score(const Zsl* z, const ZslScoreRange* r, uint32_t* rank) noexcept nogil
cdef ZslNode* zsl_last_in_score(const Zsl* z, const ZslScoreRange* r, uint32_t* rank) noexcept nogil
cdef ZslNode* zsl_first_in_lex(const Zsl* z, const ZslLexRange* r, uint32_t* rank) noexcept nogil
cdef ZslNode* zsl_last_in_lex(const Zsl* z, const ZslLexRange* r, uint32_t* rank) noexcept nogil
#   O(log n); NULL when the range is empty; rank (may be NULL) is set where a node is found
cdef uint32_t zsl_count_score(const Zsl* z, const ZslScoreRange* r) noexcept nogil                  # O(log n)
cdef uint32_t zsl_count_lex(const Zsl* z, const ZslLexRange* r) noexcept nogil                      # O(log n)
cdef inline uint32_t zsl_length(const Zsl* z) noexcept nogil:
    return z.length
cdef inline size_t zsl_bytes(const Zsl* z) noexcept nogil:                                          # all its blocks
    return z.bytes
# --- walk
cdef inline ZslNode* zsl_first(const Zsl* z) noexcept nogil:
    return zsl_next(z.head)
cdef ZslNode* zsl_last(const Zsl* z) noexcept nogil                      # O(log n); NULL when empty
cdef ZslNode* zsl_prev(const Zsl* z, const ZslNode* n) noexcept nogil    # O(log n): for runs use a reverse iterator
cdef void zsl_iter_start(ZslIter* it, Zsl* z, ZslNode* n, uint32_t rank, bint reverse) noexcept nogil
#   O(1): begins at n (NULL: gives nothing), whose rank matters for reverse only
cdef ZslNode* zsl_iter_refill(ZslIter* it) noexcept nogil
cdef inline ZslNode* zsl_iter_next(ZslIter* it) noexcept nogil:          # amortised O(1) both ways; NULL at the end
    cdef ZslNode* n = it.node
    if it.reverse:
        if it.n == 0:
            return zsl_iter_refill(it)
        it.n -= 1
        return it.buf[it.n]
    if n != NULL:
        it.node = zsl_next(n)
    return n
# --- bounds, for the small encoding too
cdef inline bint zsl_score_ge_min(double s, const ZslScoreRange* r) noexcept nogil:
    return s > r.min or (s == r.min and not r.min_ex)
cdef inline bint zsl_score_le_max(double s, const ZslScoreRange* r) noexcept nogil:
    return s < r.max or (s == r.max and not r.max_ex)
cdef int zsl_member_cmp(const char* a, size_t alen, const char* b, size_t blen) noexcept nogil    # memcmp, then length
cdef bint zsl_lex_ge_min(const char* s, size_t n, const ZslLexRange* r) noexcept nogil
cdef bint zsl_lex_le_max(const char* s, size_t n, const ZslLexRange* r) noexcept nogil
