"""Skip list with spans: the ordered half of a big sorted set (types/zset holds the dict that points at the nodes).

    node   [score f64][levels-1 5 bits, len 11, next 48][link 1: next 8, span 4][link 2] ... [len 8 if >= 2047][member]

A node has k levels with probability (3/4)(1/4)^(k-1); a link at level 1 or higher counts the elements it jumps over,
which makes ranks O(log n); level 0 always jumps over one and needs no count. Allocators round to 16 bytes: hence the
48-bit pointer (asserted), by which the three in four nodes of one level take 32 bytes with a member of 16, not 48; all
nodes 37 on average. There are no backward pointers: they would cost 8 bytes an element, while a reverse iterator that
goes down by rank once for 32 elements and walks them forward is as fast (1000 elements: 17 against 15 ns an element
forward in a list of 10^5, 160 against 155 in one of 10^6). Searches prefetch the node that the next lower level would
look at while the present one is compared: insertion takes a quarter less.

Invariants: order strictly ascending by (score, member); level i holds exactly the nodes with more than i levels, in
the order of level 0; span(link) = rank(next) - rank(node), and length - rank(node) where next is NULL, the head having
rank 0 and elements counting from 1; the highest level in use is not empty unless it is the only one.

Source: W. Pugh, "Skip Lists: A Probabilistic Alternative to Balanced Trees" (1990), and his "A Skip List Cookbook" for
positions. A new node is at most one level higher than the list, so that the head grows with the list.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy
from ..base.mem cimport Mem, mem_alloc, mem_free, mem_init, mem_realloc, mem_try_alloc, mem_usable
from ..base.rp cimport likely, rp_assert, rp_ctz64, rp_prefetch, unlikely

cdef enum Kind:                # which nodes lie before a key
    BEFORE_ELEMENT             # (score, member) smaller
    SCORE_LT
    SCORE_LE
    LEX_LT
    LEX_LE
    ALL
    NONE

cdef struct Key:
    double score
    const char* member
    size_t len

cdef struct Path:              # the last node before a key, and its rank, at each level
    ZslNode* at[ZSL_MAX_LEVELS]
    uint32_t rank[ZSL_MAX_LEVELS]


# --- nodes ------------------------------------------------------------------------------------------------------------

cdef inline uint32_t node_levels(const ZslNode* n) noexcept nogil:
    return <uint32_t>(n.word >> 59) + 1


cdef inline size_t node_size(uint32_t levels, size_t len) noexcept nogil:
    return ZSL_NODE_BASE + ZSL_LINK_SIZE * (levels - 1) + (len if len < ZSL_LEN_LONG else len + 8)


cdef inline void node_init(ZslNode* n, uint32_t levels, size_t len) noexcept nogil:
    n.word = (<uint64_t>(levels - 1) << 11 | (len if len < ZSL_LEN_LONG else <size_t>ZSL_LEN_LONG)) << 48


cdef inline void set_next(ZslNode* n, const ZslNode* nxt) noexcept nogil:
    n.word = n.word >> 48 << 48 | <uint64_t>nxt


cdef ZslNode* node_new(Mem* m, Zsl* z, uint32_t levels, double score, const char* member, size_t len) noexcept nogil:
    cdef ZslNode* n = <ZslNode*>mem_try_alloc(m, node_size(levels, len))
    cdef char* p
    if unlikely(n == NULL):
        return NULL
    rp_assert(<uint64_t>n >> 48 == 0)
    n.score = score
    node_init(n, levels, len)
    p = <char*>n + ZSL_NODE_BASE + ZSL_LINK_SIZE * (levels - 1)
    if unlikely(len >= ZSL_LEN_LONG):
        memcpy(p, &len, 8)
        p += 8
    if len:
        memcpy(p, member, len)
    z.bytes += mem_usable(n)
    return n


cdef void zsl_node_free(Mem* m, Zsl* z, ZslNode* n) noexcept nogil:
    z.bytes -= mem_usable(n)
    mem_free(m, n)


cdef inline Key node_key(const ZslNode* n) noexcept nogil:
    cdef Key k
    k.score = n.score
    k.member = zsl_node_member(n, &k.len)
    return k


cdef inline int bytes_cmp(const char* a, size_t alen, const char* b, size_t blen) noexcept nogil:
    cdef size_t both = alen if alen < blen else blen
    cdef int c = memcmp(a, b, both) if both else 0
    return c if c else (alen > blen) - (alen < blen)


cdef inline int node_lex_cmp(const ZslNode* n, const Key* k) noexcept nogil:
    cdef size_t len
    cdef const char* p = zsl_node_member(n, &len)
    return bytes_cmp(p, len, k.member, k.len)


cdef inline bint lies_before(const ZslNode* n, const Key* k, int kind) noexcept nogil:
    if kind == BEFORE_ELEMENT:
        return n.score < k.score or (n.score == k.score and node_lex_cmp(n, k) < 0)
    if kind == SCORE_LT:
        return n.score < k.score
    if kind == SCORE_LE:
        return n.score <= k.score
    if kind == LEX_LT:
        return node_lex_cmp(n, k) < 0
    if kind == LEX_LE:
        return node_lex_cmp(n, k) <= 0
    return kind == ALL


# --- going down -------------------------------------------------------------------------------------------------------

cdef inline void descend_inline(const Zsl* z, const Key* k, int kind, Path* p) noexcept nogil:
    cdef ZslNode* x = z.head
    cdef ZslNode* nxt
    cdef uint32_t rank = 0
    cdef int i
    for i in range(<int>z.levels - 2, -1, -1):             # link[i] is level i + 1
        nxt = <ZslNode*>x.link[i].next
        rp_prefetch(x.link[i - 1].next if i else zsl_next(x))
        while nxt != NULL and lies_before(nxt, k, kind):
            rank += x.link[i].span
            x = nxt
            nxt = <ZslNode*>x.link[i].next
            rp_prefetch(x.link[i - 1].next if i else zsl_next(x))
        p.at[i + 1] = x
        p.rank[i + 1] = rank
    nxt = zsl_next(x)
    while nxt != NULL and lies_before(nxt, k, kind):
        rank += 1
        x = nxt
        nxt = zsl_next(x)
    p.at[0] = x
    p.rank[0] = rank


cdef void descend_element(const Zsl* z, const Key* k, Path* p) noexcept nogil:
    descend_inline(z, k, BEFORE_ELEMENT, p)


cdef void descend(const Zsl* z, const Key* k, int kind, Path* p) noexcept nogil:
    descend_inline(z, k, kind, p)


cdef void descend_rank(const Zsl* z, uint32_t before, Path* p) noexcept nogil:
    """The path behind the first `before` elements. Reads spans only: nodes that it does not stop at stay cold."""
    cdef ZslNode* x = z.head
    cdef uint32_t rank = 0
    cdef int i
    for i in range(<int>z.levels - 2, -1, -1):
        while x.link[i].next != NULL and rank + x.link[i].span <= before:
            rank += x.link[i].span
            x = <ZslNode*>x.link[i].next
        p.at[i + 1] = x
        p.rank[i + 1] = rank
    while rank < before:
        rank += 1
        x = zsl_next(x)
    p.at[0] = x
    p.rank[0] = rank


# --- life -------------------------------------------------------------------------------------------------------------

cdef Zsl* zsl_new(Mem* m) noexcept nogil:
    cdef Zsl* z = <Zsl*>mem_alloc(m, sizeof(Zsl))
    z.head = <ZslNode*>mem_alloc(m, node_size(1, 0))
    z.head.score = 0
    node_init(z.head, 1, 0)
    z.length = 0
    z.levels = 1
    z.bytes = mem_usable(z) + mem_usable(z.head)
    return z


cdef void zsl_free(Mem* m, Zsl* z) noexcept nogil:
    cdef ZslNode* n
    cdef ZslNode* nxt
    if z == NULL:
        return
    n = z.head
    while n != NULL:
        nxt = zsl_next(n)
        rp_prefetch(nxt)
        mem_free(m, n)
        n = nxt
    mem_free(m, z)


# --- change -----------------------------------------------------------------------------------------------------------

cdef void raise_to(Zsl* z, uint32_t levels) noexcept nogil:
    while z.levels < levels:
        z.head.link[z.levels - 1].next = NULL
        z.head.link[z.levels - 1].span = z.length
        z.levels += 1


cdef void link_node(Zsl* z, ZslNode* n) noexcept nogil:
    cdef Path p
    cdef Key k = node_key(n)
    cdef uint32_t levels = node_levels(n), before, i
    cdef ZslNode* x
    raise_to(z, levels)
    descend_element(z, &k, &p)
    set_next(n, zsl_next(p.at[0]))
    set_next(p.at[0], n)
    for i in range(1, levels):
        x = p.at[i]
        before = p.rank[0] - p.rank[i]
        n.link[i - 1].next = x.link[i - 1].next
        n.link[i - 1].span = x.link[i - 1].span - before
        x.link[i - 1].next = n
        x.link[i - 1].span = before + 1
    for i in range(levels, z.levels):
        p.at[i].link[i - 1].span += 1
    z.length += 1


cdef void lower_empty_levels(Zsl* z) noexcept nogil:
    while z.levels > 1 and z.head.link[z.levels - 2].next == NULL:
        z.levels -= 1


cdef void unlink_at(Zsl* z, ZslNode* n, Path* p) noexcept nogil:
    cdef uint32_t levels = node_levels(n), i
    set_next(p.at[0], zsl_next(n))
    for i in range(1, levels):
        p.at[i].link[i - 1].next = n.link[i - 1].next
        p.at[i].link[i - 1].span += n.link[i - 1].span - 1
    for i in range(levels, z.levels):
        p.at[i].link[i - 1].span -= 1
    z.length -= 1
    lower_empty_levels(z)


cdef ZslNode* zsl_insert(Mem* m, Zsl* z, double score, const char* member, size_t len, uint64_t rnd) noexcept nogil:
    cdef uint32_t levels = 1 + (rp_ctz64(rnd) >> 1 if rnd else 31)
    cdef ZslNode* n
    cdef ZslNode* n_next
    if levels > z.levels + 1:
        levels = z.levels + 1
    if levels > ZSL_MAX_LEVELS:
        levels = ZSL_MAX_LEVELS
    rp_assert(z.length < <uint32_t>0xfffffffe)
    n = node_new(m, z, levels, score, member, len)
    if unlikely(n == NULL):
        return NULL
    if unlikely(levels > node_levels(z.head)):
        z.bytes -= mem_usable(z.head)
        z.head = <ZslNode*>mem_realloc(m, z.head, node_size(levels, 0))
        z.bytes += mem_usable(z.head)
        n_next = zsl_next(z.head)
        node_init(z.head, levels, 0)
        set_next(z.head, n_next)
    link_node(z, n)
    return n


cdef void zsl_unlink(Zsl* z, ZslNode* n) noexcept nogil:
    cdef Path p
    cdef Key k
    if zsl_next(z.head) == n:                                   # POPMIN: every path begins at the head
        descend_rank(z, 0, &p)
    elif zsl_next(n) == NULL:                                   # POPMAX: compare no members
        descend_rank(z, z.length - 1, &p)
    else:
        k = node_key(n)
        descend_element(z, &k, &p)
    rp_assert(zsl_next(p.at[0]) == n)
    unlink_at(z, n, &p)


cdef void zsl_delete_node(Mem* m, Zsl* z, ZslNode* n) noexcept nogil:
    zsl_unlink(z, n)
    zsl_node_free(m, z, n)


cdef bint zsl_delete(Mem* m, Zsl* z, double score, const char* member, size_t len) noexcept nogil:
    cdef Path p
    cdef Key k = Key(score, member, len)
    cdef ZslNode* n
    descend_element(z, &k, &p)
    n = zsl_next(p.at[0])
    if n == NULL or n.score != score or node_lex_cmp(n, &k) != 0:
        return False
    unlink_at(z, n, &p)
    zsl_node_free(m, z, n)
    return True


cdef bint zsl_update(Zsl* z, ZslNode* n, double score) noexcept nogil:
    cdef Path p
    cdef Key k = node_key(n), fresh = k
    fresh.score = score
    if score >= n.score:
        if zsl_next(n) == NULL or not lies_before(zsl_next(n), &fresh, BEFORE_ELEMENT):
            n.score = score
            return False
        descend_element(z, &k, &p)
    else:
        descend_element(z, &k, &p)
        if p.at[0] == z.head or lies_before(p.at[0], &fresh, BEFORE_ELEMENT):
            n.score = score
            return False
    rp_assert(zsl_next(p.at[0]) == n)
    unlink_at(z, n, &p)
    n.score = score
    link_node(z, n)
    return True


cdef uint32_t cut(Mem* m, Zsl* z, Path* lo, Path* hi, zsl_drop_fn cb, void* ctx) noexcept nogil:
    """Remove all behind path lo up to the end of path hi. The list is whole again before the first callback."""
    cdef uint32_t count, left, i
    cdef ZslNode* n
    cdef ZslNode* nxt
    cdef ZslLink* a
    cdef ZslLink* b
    if hi.rank[0] <= lo.rank[0]:
        return 0
    count = hi.rank[0] - lo.rank[0]
    for i in range(1, z.levels):
        a = &lo.at[i].link[i - 1]
        b = &hi.at[i].link[i - 1]
        a.span = hi.rank[i] + b.span - lo.rank[i] - count
        a.next = b.next
    n = zsl_next(lo.at[0])
    set_next(lo.at[0], zsl_next(hi.at[0]))
    z.length -= count
    lower_empty_levels(z)
    for left in range(count):
        nxt = zsl_next(n)
        rp_prefetch(nxt)
        if cb != NULL:
            cb(ctx, n)
        zsl_node_free(m, z, n)
        n = nxt
    return count


# --- ranges -----------------------------------------------------------------------------------------------------------

cdef void path_below_score(const Zsl* z, const ZslScoreRange* r, Path* p) noexcept nogil:
    cdef Key k = Key(r.min, NULL, 0)
    descend(z, &k, SCORE_LE if r.min_ex else SCORE_LT, p)


cdef void path_through_score(const Zsl* z, const ZslScoreRange* r, Path* p) noexcept nogil:
    cdef Key k = Key(r.max, NULL, 0)
    descend(z, &k, SCORE_LT if r.max_ex else SCORE_LE, p)


cdef void path_below_lex(const Zsl* z, const ZslLexRange* r, Path* p) noexcept nogil:
    cdef Key k = Key(0, r.min, r.min_len)
    cdef int kind = NONE
    if r.min_kind == ZLEX_INCL:
        kind = LEX_LT
    elif r.min_kind == ZLEX_EXCL:
        kind = LEX_LE
    elif r.min_kind == ZLEX_POS_INF:
        kind = ALL
    descend(z, &k, kind, p)


cdef void path_through_lex(const Zsl* z, const ZslLexRange* r, Path* p) noexcept nogil:
    cdef Key k = Key(0, r.max, r.max_len)
    cdef int kind = NONE
    if r.max_kind == ZLEX_INCL:
        kind = LEX_LE
    elif r.max_kind == ZLEX_EXCL:
        kind = LEX_LT
    elif r.max_kind == ZLEX_POS_INF:
        kind = ALL
    descend(z, &k, kind, p)


cdef inline void put_rank(uint32_t* out, uint32_t rank) noexcept nogil:
    if out != NULL:
        out[0] = rank


cdef ZslNode* zsl_first_in_score(const Zsl* z, const ZslScoreRange* r, uint32_t* rank) noexcept nogil:
    cdef Path p
    cdef ZslNode* n
    path_below_score(z, r, &p)
    n = zsl_next(p.at[0])
    if n == NULL or not zsl_score_le_max(n.score, r):
        return NULL
    put_rank(rank, p.rank[0])
    return n


cdef ZslNode* zsl_last_in_score(const Zsl* z, const ZslScoreRange* r, uint32_t* rank) noexcept nogil:
    cdef Path p
    path_through_score(z, r, &p)
    if p.at[0] == z.head or not zsl_score_ge_min(p.at[0].score, r):
        return NULL
    put_rank(rank, p.rank[0] - 1)
    return p.at[0]


cdef ZslNode* zsl_first_in_lex(const Zsl* z, const ZslLexRange* r, uint32_t* rank) noexcept nogil:
    cdef Path p
    cdef Key k
    path_below_lex(z, r, &p)
    if zsl_next(p.at[0]) == NULL:
        return NULL
    k = node_key(zsl_next(p.at[0]))
    if not zsl_lex_le_max(k.member, k.len, r):
        return NULL
    put_rank(rank, p.rank[0])
    return zsl_next(p.at[0])


cdef ZslNode* zsl_last_in_lex(const Zsl* z, const ZslLexRange* r, uint32_t* rank) noexcept nogil:
    cdef Path p
    cdef Key k
    path_through_lex(z, r, &p)
    if p.at[0] == z.head:
        return NULL
    k = node_key(p.at[0])
    if not zsl_lex_ge_min(k.member, k.len, r):
        return NULL
    put_rank(rank, p.rank[0] - 1)
    return p.at[0]


cdef uint32_t zsl_count_score(const Zsl* z, const ZslScoreRange* r) noexcept nogil:
    cdef Path lo, hi
    path_below_score(z, r, &lo)
    path_through_score(z, r, &hi)
    return hi.rank[0] - lo.rank[0] if hi.rank[0] > lo.rank[0] else 0


cdef uint32_t zsl_count_lex(const Zsl* z, const ZslLexRange* r) noexcept nogil:
    cdef Path lo, hi
    path_below_lex(z, r, &lo)
    path_through_lex(z, r, &hi)
    return hi.rank[0] - lo.rank[0] if hi.rank[0] > lo.rank[0] else 0


cdef uint32_t zsl_delete_score_range(Mem* m, Zsl* z, const ZslScoreRange* r, zsl_drop_fn cb, void* ctx) noexcept nogil:
    cdef Path lo, hi
    path_below_score(z, r, &lo)
    path_through_score(z, r, &hi)
    return cut(m, z, &lo, &hi, cb, ctx)


cdef uint32_t zsl_delete_lex_range(Mem* m, Zsl* z, const ZslLexRange* r, zsl_drop_fn cb, void* ctx) noexcept nogil:
    cdef Path lo, hi
    path_below_lex(z, r, &lo)
    path_through_lex(z, r, &hi)
    return cut(m, z, &lo, &hi, cb, ctx)


cdef uint32_t zsl_delete_rank_range(Mem* m, Zsl* z, int64_t first, int64_t last, zsl_drop_fn cb,
                                    void* ctx) noexcept nogil:
    cdef Path lo, hi
    if first < 0:
        first = 0
    if last >= <int64_t>z.length:
        last = <int64_t>z.length - 1
    if first > last:
        return 0
    descend_rank(z, <uint32_t>first, &lo)
    descend_rank(z, <uint32_t>(last + 1), &hi)
    return cut(m, z, &lo, &hi, cb, ctx)


cdef int zsl_member_cmp(const char* a, size_t alen, const char* b, size_t blen) noexcept nogil:
    return bytes_cmp(a, alen, b, blen)


cdef bint zsl_lex_ge_min(const char* s, size_t n, const ZslLexRange* r) noexcept nogil:
    if r.min_kind == ZLEX_NEG_INF:
        return True
    if r.min_kind == ZLEX_POS_INF:
        return False
    return bytes_cmp(s, n, r.min, r.min_len) >= (r.min_kind == ZLEX_EXCL)


cdef bint zsl_lex_le_max(const char* s, size_t n, const ZslLexRange* r) noexcept nogil:
    if r.max_kind == ZLEX_NEG_INF:
        return False
    if r.max_kind == ZLEX_POS_INF:
        return True
    return bytes_cmp(r.max, r.max_len, s, n) >= (r.max_kind == ZLEX_EXCL)


# --- find and walk ----------------------------------------------------------------------------------------------------

cdef ZslNode* zsl_find(const Zsl* z, double score, const char* member, size_t len) noexcept nogil:
    cdef Path p
    cdef Key k = Key(score, member, len)
    cdef ZslNode* n
    descend_element(z, &k, &p)
    n = zsl_next(p.at[0])
    return n if n != NULL and n.score == score and node_lex_cmp(n, &k) == 0 else NULL


cdef uint32_t zsl_rank(const Zsl* z, const ZslNode* n) noexcept nogil:
    cdef Path p
    cdef Key k = node_key(n)
    descend_element(z, &k, &p)
    rp_assert(zsl_next(p.at[0]) == n)
    return p.rank[0]


cdef ZslNode* zsl_at(const Zsl* z, int64_t rank) noexcept nogil:
    cdef Path p
    if rank < 0 or rank >= <int64_t>z.length:
        return NULL
    descend_rank(z, <uint32_t>(rank + 1), &p)
    return p.at[0]


cdef ZslNode* zsl_last(const Zsl* z) noexcept nogil:
    return zsl_at(z, <int64_t>z.length - 1)


cdef ZslNode* zsl_prev(const Zsl* z, const ZslNode* n) noexcept nogil:
    cdef Path p
    cdef Key k = node_key(n)
    descend_element(z, &k, &p)
    return p.at[0] if p.at[0] != z.head else NULL


cdef void zsl_iter_start(ZslIter* it, Zsl* z, ZslNode* n, uint32_t rank, bint reverse) noexcept nogil:
    it.z = z
    it.node = n
    it.reverse = reverse
    it.rank = rank if n != NULL else 0
    it.n = 1 if n != NULL else 0
    it.buf[0] = n
    it.chunk = 4                                           # short ranges pay for few nodes, long ones for whole chunks


cdef ZslNode* zsl_iter_refill(ZslIter* it) noexcept nogil:
    cdef ZslNode* n
    cdef int i, k = it.chunk
    if it.rank == 0:
        return NULL
    if <uint32_t>k > it.rank:
        k = <int>it.rank
    it.rank -= k
    n = zsl_at(it.z, it.rank)
    for i in range(k):
        it.buf[i] = n
        n = zsl_next(n)
    if it.chunk < ZSL_CHUNK:
        it.chunk *= 2
    it.n = k - 1
    return it.buf[k - 1]


# --- test face --------------------------------------------------------------------------------------------------------

cdef void collect_dropped(void* ctx, ZslNode* n) noexcept with gil:
    cdef size_t len
    cdef const char* p = zsl_node_member(n, &len)
    (<list>ctx).append((n.score, p[:len]))


cdef class SkiplistFace:
    """A skip list of (score, member) for tests: scores are floats, members bytes, ranks count from 0.

    Heights come from a generator seeded with `seed`. Lookups of what is not there give None or False.
    """
    cdef Mem mem
    cdef Zsl* z
    cdef uint64_t seed

    def __cinit__(self, uint64_t seed=1):
        mem_init(&self.mem)
        self.seed = seed
        self.z = zsl_new(&self.mem)

    def __dealloc__(self):
        zsl_free(&self.mem, self.z)

    cdef uint64_t rnd(self) noexcept nogil:
        self.seed += <uint64_t>0x9e3779b97f4a7c15
        cdef uint64_t x = self.seed
        x = (x ^ (x >> 30)) * <uint64_t>0xbf58476d1ce4e5b9
        x = (x ^ (x >> 27)) * <uint64_t>0x94d049bb133111eb
        return x ^ (x >> 31)

    cdef ZslNode* node(self, double score, bytes member) except NULL:
        cdef ZslNode* n = zsl_find(self.z, score, member, len(member))
        if n == NULL:
            raise KeyError((score, member))
        return n

    cdef tuple pair(self, const ZslNode* n):
        cdef size_t len
        cdef const char* p
        if n == NULL:
            return None
        p = zsl_node_member(n, &len)
        return n.score, p[:len]

    def __len__(self):
        return zsl_length(self.z)

    def __contains__(self, item):
        cdef bytes member = item[1]
        return zsl_find(self.z, item[0], member, len(member)) != NULL

    @property
    def bytes_used(self):
        """What the list counts; equals `mem_used`."""
        return zsl_bytes(self.z)

    @property
    def mem_used(self):
        return self.mem.used

    @property
    def blocks(self):
        return self.mem.blocks

    @property
    def levels(self):
        return self.z.levels

    def fail_after(self, int64_t n):
        """Let the n-th next insertion fail for want of memory."""
        self.mem.fail_after = n

    def insert(self, double score, bytes member, rnd=None):
        """Add an element that is not there; its node's address, or None when memory failed."""
        cdef ZslNode* n = zsl_insert(&self.mem, self.z, score, member, len(member), self.rnd() if rnd is None else rnd)
        return <size_t>n if n != NULL else None

    def address(self, double score, bytes member):
        return <size_t>self.node(score, member)

    def delete(self, double score, bytes member):
        return zsl_delete(&self.mem, self.z, score, member, len(member))

    def delete_node(self, double score, bytes member):
        zsl_delete_node(&self.mem, self.z, self.node(score, member))

    def pop(self, bint highest):
        """Take the lowest or highest element out, as ZPOPMIN and ZPOPMAX do."""
        cdef ZslNode* n = zsl_last(self.z) if highest else zsl_first(self.z)
        if n == NULL:
            return None
        zsl_unlink(self.z, n)
        out = self.pair(n)
        zsl_node_free(&self.mem, self.z, n)
        return out

    def update(self, double score, bytes member, double fresh):
        """Give an element another score: (True if its place changed, address of its node)."""
        cdef ZslNode* n = self.node(score, member)
        return zsl_update(self.z, n, fresh), <size_t>n

    def rank(self, double score, bytes member):
        return zsl_rank(self.z, self.node(score, member))

    def prev(self, double score, bytes member):
        return self.pair(zsl_prev(self.z, self.node(score, member)))

    def at(self, int64_t rank):
        return self.pair(zsl_at(self.z, rank))

    def ends(self):
        return self.pair(zsl_first(self.z)), self.pair(zsl_last(self.z))

    def walk(self, int64_t rank, bint reverse, limit=None):
        """The elements from a rank on, in either direction."""
        cdef ZslIter it
        cdef ZslNode* n
        zsl_iter_start(&it, self.z, zsl_at(self.z, rank), rank, reverse)
        out = []
        while limit is None or len(out) < limit:
            n = zsl_iter_next(&it)
            if n == NULL:
                break
            out.append(self.pair(n))
        return out

    def walk_sum(self, int64_t rank, bint reverse, int64_t limit):
        """Sum of the scores of up to limit elements from a rank on, without Python objects (for timing)."""
        cdef ZslIter it
        cdef ZslNode* n
        cdef double s = 0
        cdef int64_t i
        with nogil:
            zsl_iter_start(&it, self.z, zsl_at(self.z, rank), rank, reverse)
            for i in range(limit):
                n = zsl_iter_next(&it)
                if n == NULL:
                    break
                s += n.score
        return s

    def fill(self, int64_t n, int64_t spread):
        """Insert n elements with 16-byte members and pseudo-random scores below spread (for timing)."""
        cdef int64_t i
        cdef uint64_t r
        cdef char buf[17]
        with nogil:
            for i in range(n):
                r = self.rnd()
                member_of(i, buf)
                zsl_insert(&self.mem, self.z, <double>(r % <uint64_t>spread), buf, 16, r * 31 ^ r >> 7)

    def in_score(self, double lo, double hi, bint lo_ex=False, bint hi_ex=False):
        """(first, its rank, last, its rank, count) of a score range."""
        cdef ZslScoreRange r = ZslScoreRange(lo, hi, lo_ex, hi_ex)
        cdef uint32_t a = 0, b = 0
        first = self.pair(zsl_first_in_score(self.z, &r, &a))
        last = self.pair(zsl_last_in_score(self.z, &r, &b))
        return first, a, last, b, zsl_count_score(self.z, &r)

    def in_lex(self, bytes lo, bytes hi):
        """(first, its rank, last, its rank, count) of a range written as ZRANGEBYLEX writes it."""
        cdef ZslLexRange r = lex_range(lo, hi)
        cdef uint32_t a = 0, b = 0
        first = self.pair(zsl_first_in_lex(self.z, &r, &a))
        last = self.pair(zsl_last_in_lex(self.z, &r, &b))
        return first, a, last, b, zsl_count_lex(self.z, &r)

    def delete_score(self, double lo, double hi, bint lo_ex=False, bint hi_ex=False):
        """The elements removed, in order."""
        cdef ZslScoreRange r = ZslScoreRange(lo, hi, lo_ex, hi_ex)
        cdef list out = []
        cdef uint32_t n = zsl_delete_score_range(&self.mem, self.z, &r, collect_dropped, <void*>out)
        assert n == len(out)
        return out

    def delete_lex(self, bytes lo, bytes hi):
        cdef ZslLexRange r = lex_range(lo, hi)
        cdef list out = []
        cdef uint32_t n = zsl_delete_lex_range(&self.mem, self.z, &r, collect_dropped, <void*>out)
        assert n == len(out)
        return out

    def delete_rank(self, int64_t first, int64_t last):
        cdef list out = []
        cdef uint32_t n = zsl_delete_rank_range(&self.mem, self.z, first, last, collect_dropped, <void*>out)
        assert n == len(out)
        return out

    def steps(self, double score, bytes member):
        """Nodes compared on the way to an element's place: the cost that O(log n) speaks of."""
        cdef Key k = Key(score, member, len(member))
        cdef ZslNode* x = self.z.head
        cdef ZslNode* nxt
        cdef int i, n = 0
        for i in range(<int>self.z.levels - 1, -1, -1):
            while True:
                nxt = <ZslNode*>(x.link[i - 1].next if i else zsl_next(x))
                n += 1
                if nxt == NULL or not lies_before(nxt, &k, BEFORE_ELEMENT):
                    break
                x = nxt
        return n

    def check(self):
        """Verify every invariant; O(n levels). Raises AssertionError."""
        cdef ZslNode* n = zsl_next(self.z.head)
        cdef Key k
        cdef size_t total = mem_usable(self.z) + mem_usable(self.z.head)
        cdef uint32_t count = 0, i
        assert 1 <= self.z.levels <= node_levels(self.z.head) <= ZSL_MAX_LEVELS
        while n != NULL:
            count += 1
            total += mem_usable(n)
            k = node_key(n)
            assert mem_usable(n) >= node_size(node_levels(n), k.len)
            assert node_levels(n) <= self.z.levels
            assert zsl_next(n) == NULL or not lies_before(zsl_next(n), &k, BEFORE_ELEMENT)
            assert zsl_next(n) == NULL or zsl_next(n).score != n.score or node_lex_cmp(zsl_next(n), &k) > 0
            n = zsl_next(n)
        assert count == self.z.length
        assert total == self.z.bytes == self.mem.used and self.mem.blocks == count + 2
        for i in range(1, self.z.levels):
            self.check_level(i)
        assert self.z.levels == 1 or self.z.head.link[self.z.levels - 2].next != NULL

    cdef int check_level(self, uint32_t level) except -1:
        """Level `level` holds exactly the nodes that are high enough, and its spans count level 0."""
        cdef ZslNode* at = self.z.head
        cdef ZslNode* n = zsl_next(self.z.head)
        cdef uint32_t jumped = 0
        while n != NULL:
            jumped += 1
            if node_levels(n) > level:
                assert at.link[level - 1].next == <void*>n
                assert at.link[level - 1].span == jumped
                at = n
                jumped = 0
            n = zsl_next(n)
        assert at.link[level - 1].next == NULL and at.link[level - 1].span == jumped
        return 0


cdef void member_of(int64_t i, char* buf) noexcept nogil:
    """A 16-byte member: "member:" and nine digits."""
    cdef int j
    memcpy(buf, b"member:000000000", 17)
    for j in range(15, 6, -1):
        buf[j] = 48 + i % 10
        i //= 10


cdef ZslLexRange lex_range(bytes lo, bytes hi) except *:
    kinds = {b"-": ZLEX_NEG_INF, b"[": ZLEX_INCL, b"(": ZLEX_EXCL, b"+": ZLEX_POS_INF}
    cdef ZslLexRange r
    r.min_kind = kinds[lo[:1]]
    r.max_kind = kinds[hi[:1]]
    r.min = <const char*>lo + 1
    r.min_len = len(lo) - 1
    r.max = <const char*>hi + 1
    r.max_len = len(hi) - 1
    return r
