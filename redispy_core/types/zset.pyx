"""Sorted sets (contract: zset.pxd). Room types: knows no client, no reply.

    listpack    member, score, member, score ... ascending by (score, member): as in Redis, so RDB and DUMP copy it whole.
                Scores are integers where they are ones of less than 2**52, else the shortest text that reads back
    skiplist    a dict that points at the nodes of a skip list: one allocation an element

A listpack becomes a skiplist when a member longer than zset-max-listpack-value or one more than
zset-max-listpack-entries is added; a skiplist never goes back by itself, but results of commands that store are made
skiplists and then made small. The height of a node is drawn from its member's hash in the dict: it is keyed, and one
computation serves both.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.math cimport isnan
from libc.string cimport memcpy
from ..base.env cimport Env, env_init, env_rand_below
from ..base.mem cimport Mem, MemFace, mem_alloc, mem_free, mem_usable
from ..base.num cimport NUM_BUF, num_parse_double, num_print_double
from ..base.rp cimport likely, rp_assert, rp_prefetch, unlikely
from ..base.sds cimport Slice, slice_of
from ..structs.dict cimport (Dict, DictType, dict_bytes, dict_clear, dict_find, dict_hash, dict_init, dict_insert,
                             dict_random, dict_remove, dict_reserve)
from ..structs.listpack cimport *
from ..structs.skiplist cimport *
from .object cimport (ENC_LISTPACK, ENC_SKIPLIST, NO_EXPIRE, OBJ_ZSET, TypeOps, robj_boxed, robj_dup, robj_enc,
                      robj_free, robj_ptr, robj_register, robj_retag, robj_set_ptr)

# ---------------------------------------------------------------- the two payloads

cdef inline bint is_small(const Robj* o) noexcept nogil:
    return robj_enc(o) == ENC_LISTPACK


cdef inline uint8_t* lp_of(const Robj* o) noexcept nogil:
    return <uint8_t*>robj_ptr(o)


cdef inline Zset* big_of(const Robj* o) noexcept nogil:
    return <Zset*>robj_ptr(o)


cdef const char* node_key(const void* node, size_t* n) noexcept nogil:
    return zsl_node_member(<const ZslNode*>node, n)


cdef DictType node_type
node_type.key_of = node_key
node_type.free_entry = NULL     # the list frees its nodes


cdef Zset* big_new(Mem* m, Env* e) noexcept nogil:
    cdef Zset* z = <Zset*>mem_alloc(m, sizeof(Zset))
    dict_init(&z.dict, &node_type, e)
    z.zsl = zsl_new(m)
    return z


cdef void big_free(Mem* m, Zset* z) noexcept nogil:
    dict_clear(m, &z.dict)
    zsl_free(m, z.zsl)
    mem_free(m, z)


cdef inline uint64_t hash_of(Zset* z, Slice member) noexcept nogil:
    return dict_hash(&z.dict, member.ptr, member.len)


cdef inline ZslNode* find_node(Zset* z, Slice member) noexcept nogil:
    return <ZslNode*>dict_find(&z.dict, member.ptr, member.len, hash_of(z, member))


cdef bint big_insert(Mem* m, Zset* z, double score, Slice member, uint64_t hash) noexcept nogil:
    """The member must be new. False: no memory."""
    cdef ZslNode* n = zsl_insert(m, z.zsl, score, member.ptr, member.len, hash)
    if unlikely(n == NULL):
        return False
    dict_insert(m, &z.dict, hash, n)
    return True


cdef double zset_lp_score(const uint8_t* p) noexcept nogil:
    cdef size_t n = 0
    cdef int64_t v = 0
    cdef double score = 0
    cdef const char* s = lp_get(p, &n, &v)
    if s == NULL:
        return <double>v
    num_parse_double(s, n, &score)
    return score


cdef inline void item_of_pair(const uint8_t* p, ZsetItem* out) noexcept nogil:
    out.member = lp_get_text(p, out.text, &out.len)
    out.at = p + lp_entry_size(p)


cdef inline void item_of_node(const ZslNode* n, ZsetItem* out) noexcept nogil:
    out.member = zsl_node_member(n, &out.len)
    out.score = n.score
    out.at = NULL


cdef inline uint8_t* next_pair(const uint8_t* p) noexcept nogil:
    p += lp_entry_size(p)
    return lp_next(p)


cdef inline uint8_t* prev_pair(const uint8_t* lp, const uint8_t* p) noexcept nogil:
    p = lp_prev(lp, p)
    return lp_prev(lp, p) if p != NULL else NULL


cdef inline uint8_t* last_pair(const uint8_t* lp) noexcept nogil:
    return prev_pair(lp, lp_end(lp))


cdef inline uint8_t* find_pair(const uint8_t* lp, Slice member) noexcept nogil:
    return lp_find(lp, lp_first(lp), member.ptr, member.len, 1)


# ---------------------------------------------------------------- life

cdef Robj* zset_new(Mem* m, Env* e, Slice key, Encoding enc) noexcept nogil:
    cdef void* p = <void*>lp_new(m, 0) if enc == ENC_LISTPACK else <void*>big_new(m, e)
    cdef Robj* o = robj_boxed(m, key, OBJ_ZSET, enc, p, NO_EXPIRE)
    rp_assert(o != NULL)
    return o


cdef Robj* zset_new_for(Mem* m, Env* e, Slice key, size_t count, size_t longest) noexcept nogil:
    if <int64_t>count <= e.knobs.zset_max_listpack_entries and <int64_t>longest <= e.knobs.zset_max_listpack_value:
        return zset_new(m, e, key, ENC_LISTPACK)
    return zset_new(m, e, key, ENC_SKIPLIST)


cdef void zset_to_skiplist(Mem* m, Env* e, Robj* o) noexcept nogil:
    cdef uint8_t* lp
    cdef uint8_t* p
    cdef Zset* z
    cdef ZsetItem item
    cdef Slice member
    if not is_small(o):
        return
    lp = lp_of(o)
    z = big_new(m, e)
    dict_reserve(m, &z.dict, lp_length(lp) // 2 + 1)
    p = lp_first(lp)
    while p != NULL:
        item_of_pair(p, &item)
        member = slice_of(item.member, item.len)
        if likely(find_node(z, member) == NULL):        # a listpack of another's may hold a member twice
            rp_assert(big_insert(m, z, zset_lp_score(item.at), member, hash_of(z, member)))
        p = next_pair(p)
    lp_free(m, lp)
    robj_retag(o, OBJ_ZSET, ENC_SKIPLIST)
    robj_set_ptr(o, z)


cdef uint8_t* append_pair(Mem* m, uint8_t* lp, double score, Slice member) noexcept nogil:
    cdef char[NUM_BUF] text
    cdef LpEnt pair[2]
    pair_of(score, member, pair, text)
    return lp_batch_append(m, lp, pair, 2)


cdef void zset_try_listpack(Mem* m, Env* e, Robj* o) noexcept nogil:
    cdef Zset* z
    cdef ZslNode* n
    cdef uint8_t* lp
    cdef size_t total = 0
    cdef Slice member
    if is_small(o):
        return
    z = big_of(o)
    if <int64_t>z.zsl.length > e.knobs.zset_max_listpack_entries:
        return
    n = zsl_first(z.zsl)
    while n != NULL:
        member.ptr = zsl_node_member(n, &member.len)
        total += member.len + 48
        if <int64_t>member.len > e.knobs.zset_max_listpack_value or not lp_safe_to_add(NULL, total):
            return
        n = zsl_next(n)
    lp = lp_new(m, 0)
    n = zsl_first(z.zsl)
    while n != NULL:
        member.ptr = zsl_node_member(n, &member.len)
        lp = append_pair(m, lp, n.score, member)
        n = zsl_next(n)
    big_free(m, z)
    robj_retag(o, OBJ_ZSET, ENC_LISTPACK)
    robj_set_ptr(o, lp)


cdef size_t zset_size(const Robj* o) noexcept nogil:
    return lp_length(lp_of(o)) >> 1 if is_small(o) else big_of(o).zsl.length


cdef Dict* zset_dict(const Robj* o) noexcept nogil:
    return NULL if is_small(o) else &big_of(o).dict


cdef void zset_entry(const void* entry, ZsetItem* out) noexcept nogil:
    item_of_node(<const ZslNode*>entry, out)


# ---------------------------------------------------------------- adding

cdef inline void pair_of(double score, Slice member, LpEnt* pair, char* text) noexcept nogil:
    """Member and score as a listpack holds them; text: NUM_BUF bytes, alive as long as pair."""
    pair[0].s = member.ptr if member.ptr != NULL else text
    pair[0].len = member.len
    pair[1].s = NULL
    pair[1].v = 0
    if -4503599627370496.0 < score < 4503599627370496.0 and <double><int64_t>score == score:
        pair[1].v = <int64_t>score
    else:
        pair[1].s = text
        pair[1].len = num_print_double(text, score)


cdef inline bint pair_follows(const uint8_t* p, double score, Slice member) noexcept nogil:
    """Does the pair at p stand behind (score, member)?"""
    cdef char[LP_NUM_BUF] text
    cdef size_t n
    cdef const char* s
    cdef double at = zset_lp_score(p + lp_entry_size(p))
    if at != score:
        return at > score
    s = lp_get_text(p, text, &n)
    return zsl_member_cmp(s, n, member.ptr, member.len) > 0


cdef uint8_t* insert_pair(Mem* m, uint8_t* lp, double score, Slice member) noexcept nogil:
    """The new block; NULL: no room, lp untouched."""
    cdef char[NUM_BUF] text
    cdef LpEnt pair[2]
    cdef uint8_t* p = last_pair(lp)
    pair_of(score, member, pair, text)
    if p == NULL or not pair_follows(p, score, member):
        return lp_batch_append(m, lp, pair, 2)
    p = lp_first(lp)
    while not pair_follows(p, score, member):
        p = next_pair(p)
    return lp_batch_insert(m, lp, p, LP_BEFORE, pair, 2, NULL)


cdef uint8_t* move_pair(Mem* m, uint8_t* lp, uint8_t* p, double score, Slice member) noexcept nogil:
    """Another score for the member at p; in place where the order stays."""
    cdef char[NUM_BUF] text
    cdef LpEnt pair[2]
    cdef uint8_t* before = prev_pair(lp, p)
    cdef uint8_t* behind = next_pair(p)
    if (before == NULL or not pair_follows(before, score, member)) and (behind == NULL
                                                                        or pair_follows(behind, score, member)):
        pair_of(score, member, pair, text)
        p += lp_entry_size(p)
        if pair[1].s == NULL:
            return lp_replace_i64(m, lp, &p, pair[1].v)
        return lp_replace(m, lp, &p, text, pair[1].len)
    lp = lp_delete_range_at(m, lp, &p, 2)
    return insert_pair(m, lp, score, member)


cdef inline ZaddResult judge(double old, double* score, int flags) noexcept nogil:
    """What ZADD does to a member of score old; *score becomes the new one."""
    if flags & ZADD_NX:
        return ZADD_REFUSED
    if flags & ZADD_INCR:
        score[0] += old
        if unlikely(isnan(score[0])):
            return ZADD_NAN
    if (flags & ZADD_GT and score[0] <= old) or (flags & ZADD_LT and score[0] >= old):
        return ZADD_REFUSED
    return ZADD_SAME if score[0] == old else ZADD_UPDATED


cdef inline void tell(double* now, double score) noexcept nogil:
    if now != NULL:
        now[0] = score


cdef ZaddResult add_small(Mem* m, Env* e, Robj* o, double score, Slice member, int flags, double* now) noexcept nogil:
    cdef uint8_t* lp = lp_of(o)
    cdef uint8_t* p = find_pair(lp, member)
    cdef ZaddResult result
    if p != NULL:
        result = judge(zset_lp_score(p + lp_entry_size(p)), &score, flags)
        if result == ZADD_UPDATED:
            robj_set_ptr(o, move_pair(m, lp, p, score, member))
        tell(now, score)
        return result
    if flags & ZADD_XX:
        return ZADD_REFUSED
    if (<int64_t>(lp_length(lp) >> 1) >= e.knobs.zset_max_listpack_entries
            or <int64_t>member.len > e.knobs.zset_max_listpack_value or not lp_safe_to_add(lp, member.len + 48)):
        zset_to_skiplist(m, e, o)
        return add_big(m, o, score, member, flags, now)
    robj_set_ptr(o, insert_pair(m, lp, score, member))
    tell(now, score)
    return ZADD_ADDED


cdef ZaddResult add_big(Mem* m, Robj* o, double score, Slice member, int flags, double* now) noexcept nogil:
    cdef Zset* z = big_of(o)
    cdef uint64_t hash = hash_of(z, member)
    cdef ZslNode* n = <ZslNode*>dict_find(&z.dict, member.ptr, member.len, hash)
    cdef ZaddResult result
    if n != NULL:
        result = judge(n.score, &score, flags)
        if result == ZADD_UPDATED:
            zsl_update(z.zsl, n, score)
        tell(now, score)
        return result
    if flags & ZADD_XX:
        return ZADD_REFUSED
    if unlikely(not big_insert(m, z, score, member, hash)):
        return ZADD_NO_MEMORY
    tell(now, score)
    return ZADD_ADDED


cdef ZaddResult zset_add(Mem* m, Env* e, Robj* o, double score, Slice member, int flags, double* now) noexcept nogil:
    if is_small(o):
        return add_small(m, e, o, score, member, flags, now)
    return add_big(m, o, score, member, flags, now)


# ---------------------------------------------------------------- one member

cdef bint zset_score(const Robj* o, Slice member, double* score) noexcept nogil:
    cdef uint8_t* p
    cdef ZslNode* n
    if is_small(o):
        p = find_pair(lp_of(o), member)
        if p == NULL:
            return False
        score[0] = zset_lp_score(p + lp_entry_size(p))
        return True
    n = find_node(big_of(o), member)
    if n == NULL:
        return False
    score[0] = n.score
    return True


cdef bint zset_remove(Mem* m, Robj* o, Slice member) noexcept nogil:
    cdef uint8_t* p
    cdef ZslNode* n
    cdef Zset* z
    if is_small(o):
        p = find_pair(lp_of(o), member)
        if p == NULL:
            return False
        robj_set_ptr(o, lp_delete_range_at(m, lp_of(o), &p, 2))
        return True
    z = big_of(o)
    n = <ZslNode*>dict_remove(m, &z.dict, member.ptr, member.len, hash_of(z, member))
    if n == NULL:
        return False
    zsl_delete_node(m, z.zsl, n)
    return True


cdef int64_t rank_small(uint8_t* lp, Slice member, double* score) noexcept nogil:
    cdef uint8_t* p = lp_first(lp)
    cdef LpNeedle nd
    cdef int64_t rank = 0
    lp_needle(&nd, member.ptr, member.len)
    while p != NULL:
        if lp_matches(p, &nd):
            score[0] = zset_lp_score(p + lp_entry_size(p))
            return rank
        rank += 1
        p = next_pair(p)
    return -1


cdef int64_t zset_rank(const Robj* o, Slice member, bint reverse, double* score) noexcept nogil:
    cdef int64_t rank
    cdef ZslNode* n
    if is_small(o):
        rank = rank_small(lp_of(o), member, score)
    else:
        n = find_node(big_of(o), member)
        rank = zsl_rank(big_of(o).zsl, n) if n != NULL else -1
        if n != NULL:
            score[0] = n.score
    return rank if rank < 0 or not reverse else <int64_t>zset_size(o) - 1 - rank


cdef bint zset_at(const Robj* o, int64_t rank, ZsetItem* out) noexcept nogil:
    cdef uint8_t* p
    cdef ZslNode* n
    if rank < 0 or rank >= <int64_t>zset_size(o):
        return False
    if is_small(o):
        p = lp_seek(lp_of(o), rank * 2)
        item_of_pair(p, out)
    else:
        n = zsl_at(big_of(o).zsl, rank)
        item_of_node(n, out)
    return True


cdef void zset_random(Env* e, const Robj* o, ZsetItem* out) noexcept nogil:
    if is_small(o):
        zset_at(o, env_rand_below(e, zset_size(o)), out)
    else:
        item_of_node(<ZslNode*>dict_random(&big_of(o).dict, e), out)


# ---------------------------------------------------------------- walking

cdef inline bint pair_in_score(const uint8_t* p, const ZslScoreRange* r) noexcept nogil:
    cdef double score = zset_lp_score(p + lp_entry_size(p))
    return zsl_score_ge_min(score, r) and zsl_score_le_max(score, r)


cdef bint pair_in_lex(const uint8_t* p, const ZslLexRange* r) noexcept nogil:
    cdef char[LP_NUM_BUF] text
    cdef size_t n
    cdef const char* s = lp_get_text(p, text, &n)
    return zsl_lex_ge_min(s, n, r) and zsl_lex_le_max(s, n, r)


cdef inline bint pair_fits(const uint8_t* p, const ZslScoreRange* scores, const ZslLexRange* lex) noexcept nogil:
    return pair_in_score(p, scores) if scores != NULL else pair_in_lex(p, lex)


cdef uint8_t* first_fitting(const uint8_t* lp, const ZslScoreRange* scores, const ZslLexRange* lex,
                            bint reverse) noexcept nogil:
    """The first pair from the end asked for that lies in the range, or NULL."""
    cdef uint8_t* p = last_pair(lp) if reverse else lp_first(lp)
    while p != NULL and not pair_fits(p, scores, lex):
        p = prev_pair(lp, p) if reverse else next_pair(p)
    return p


cdef void iter_start(ZsetIter* it, const Robj* o, int64_t skip, int64_t limit, bint reverse) noexcept nogil:
    it.lp = lp_of(o) if is_small(o) else NULL
    it.p = NULL
    it.left = limit if skip >= 0 else 0
    it.scores = NULL
    it.lex = NULL
    it.reverse = reverse


cdef void zset_iter(ZsetIter* it, const Robj* o, int64_t skip, int64_t limit, bint reverse) noexcept nogil:
    cdef int64_t size = zset_size(o), rank
    iter_start(it, o, skip, limit, reverse)
    if skip < 0 or skip >= size:
        it.left = 0
        return
    rank = size - 1 - skip if reverse else skip
    if it.lp != NULL:
        it.p = lp_seek(it.lp, rank * 2)
    else:
        zsl_iter_start(&it.zi, big_of(o).zsl, zsl_at(big_of(o).zsl, rank), <uint32_t>rank, reverse)


cdef void iter_pairs(ZsetIter* it, int64_t skip) noexcept nogil:
    it.p = first_fitting(it.lp, it.scores, it.lex, it.reverse)
    while skip > 0 and it.p != NULL:                    # zset_next looks at the range again
        it.p = prev_pair(it.lp, it.p) if it.reverse else next_pair(it.p)
        skip -= 1


cdef void iter_nodes(ZsetIter* it, Zsl* z, ZslNode* n, uint32_t rank, int64_t skip) noexcept nogil:
    """From n on, whose rank is given, without the first `skip`."""
    cdef int64_t at = rank
    if n != NULL and skip > 0:
        at = -1 if skip > z.length else (at - skip if it.reverse else at + skip)
        n = zsl_at(z, at)
    zsl_iter_start(&it.zi, z, n, <uint32_t>at, it.reverse)


cdef void zset_iter_score(ZsetIter* it, const Robj* o, const ZslScoreRange* r, int64_t skip, int64_t limit,
                          bint reverse) noexcept nogil:
    cdef uint32_t rank = 0
    cdef Zsl* z
    cdef ZslNode* n
    iter_start(it, o, skip, limit, reverse)
    it.scores = r
    if it.left == 0:
        return
    if it.lp != NULL:
        iter_pairs(it, skip)
        return
    z = big_of(o).zsl
    n = zsl_last_in_score(z, r, &rank) if reverse else zsl_first_in_score(z, r, &rank)
    iter_nodes(it, z, n, rank, skip)


cdef void zset_iter_lex(ZsetIter* it, const Robj* o, const ZslLexRange* r, int64_t skip, int64_t limit,
                        bint reverse) noexcept nogil:
    cdef uint32_t rank = 0
    cdef Zsl* z
    cdef ZslNode* n
    iter_start(it, o, skip, limit, reverse)
    it.lex = r
    if it.left == 0:
        return
    if it.lp != NULL:
        iter_pairs(it, skip)
        return
    z = big_of(o).zsl
    n = zsl_last_in_lex(z, r, &rank) if reverse else zsl_first_in_lex(z, r, &rank)
    iter_nodes(it, z, n, rank, skip)


cdef inline bint node_fits(const ZsetIter* it, const ZsetItem* e) noexcept nogil:
    """Has the walk not left the range? Only the far bound can end it."""
    if it.scores != NULL:
        return zsl_score_ge_min(e.score, it.scores) if it.reverse else zsl_score_le_max(e.score, it.scores)
    if it.lex != NULL:
        return (zsl_lex_ge_min(e.member, e.len, it.lex) if it.reverse else zsl_lex_le_max(e.member, e.len, it.lex))
    return True


cdef bint next_pair_of(ZsetIter* it, ZsetItem* out) noexcept nogil:
    if it.p == NULL or ((it.scores != NULL or it.lex != NULL) and not pair_fits(it.p, it.scores, it.lex)):
        it.left = 0
        return False
    item_of_pair(it.p, out)
    if it.reverse:
        it.p = prev_pair(it.lp, it.p)
    else:
        it.p = lp_next(out.at)
    return True


cdef bint zset_next(ZsetIter* it, ZsetItem* out) noexcept nogil:
    cdef ZslNode* n
    if it.left == 0:
        return False
    it.left -= 1                                        # a limit below 0 never gets there
    if it.lp != NULL:
        return next_pair_of(it, out)
    n = zsl_iter_next(&it.zi)
    if n != NULL:
        item_of_node(n, out)
        if not it.reverse:
            rp_prefetch(it.zi.node)
        if likely(node_fits(it, out)):
            return True
    it.left = 0
    return False


# ---------------------------------------------------------------- counting and removing

cdef int64_t count_pairs(uint8_t* p, const ZslScoreRange* scores, const ZslLexRange* lex) noexcept nogil:
    cdef int64_t n = 0
    while p != NULL and pair_fits(p, scores, lex):
        n += 1
        p = next_pair(p)
    return n


cdef int64_t zset_count_score(const Robj* o, const ZslScoreRange* r) noexcept nogil:
    if is_small(o):
        return count_pairs(first_fitting(lp_of(o), r, NULL, False), r, NULL)
    return zsl_count_score(big_of(o).zsl, r)


cdef int64_t zset_count_lex(const Robj* o, const ZslLexRange* r) noexcept nogil:
    if is_small(o):
        return count_pairs(first_fitting(lp_of(o), NULL, r, False), NULL, r)
    return zsl_count_lex(big_of(o).zsl, r)


cdef struct Drop:
    Mem* m
    Dict* d


cdef void drop_node(void* ctx, ZslNode* n) noexcept nogil:
    cdef Drop* drop = <Drop*>ctx
    cdef size_t len
    cdef const char* member = zsl_node_member(n, &len)
    dict_remove(drop.m, drop.d, member, len, dict_hash(drop.d, member, len))


cdef int64_t remove_pairs(Mem* m, Robj* o, const ZslScoreRange* scores, const ZslLexRange* lex) noexcept nogil:
    cdef uint8_t* p = first_fitting(lp_of(o), scores, lex, False)
    cdef int64_t n = count_pairs(p, scores, lex)
    if n:
        robj_set_ptr(o, lp_delete_range_at(m, lp_of(o), &p, 2 * n))
    return n


cdef int64_t zset_remove_rank(Mem* m, Robj* o, int64_t first, int64_t last) noexcept nogil:
    cdef Drop drop
    cdef ZslNode* n
    cdef Zset* z
    if is_small(o):
        robj_set_ptr(o, lp_delete_range(m, lp_of(o), first * 2, (last - first + 1) * 2))
        return last - first + 1
    z = big_of(o)
    drop.m = m
    drop.d = &z.dict
    if first == last:                                   # POPMIN, POPMAX: one way down instead of two
        n = zsl_at(z.zsl, first)
        drop_node(&drop, n)
        zsl_delete_node(m, z.zsl, n)
        return 1
    return zsl_delete_rank_range(m, z.zsl, first, last, drop_node, &drop)


cdef int64_t zset_remove_score(Mem* m, Robj* o, const ZslScoreRange* r) noexcept nogil:
    cdef Drop drop
    if is_small(o):
        return remove_pairs(m, o, r, NULL)
    drop.m = m
    drop.d = &big_of(o).dict
    return zsl_delete_score_range(m, big_of(o).zsl, r, drop_node, &drop)


cdef int64_t zset_remove_lex(Mem* m, Robj* o, const ZslLexRange* r) noexcept nogil:
    cdef Drop drop
    if is_small(o):
        return remove_pairs(m, o, NULL, r)
    drop.m = m
    drop.d = &big_of(o).dict
    return zsl_delete_lex_range(m, big_of(o).zsl, r, drop_node, &drop)


# ---------------------------------------------------------------- as a type

cdef void free_payload(Mem* m, Robj* o) noexcept nogil:
    if is_small(o):
        lp_free(m, lp_of(o))
    else:
        big_free(m, big_of(o))


cdef void* dup_payload(Mem* m, const Robj* o) noexcept nogil:
    cdef Zset* from_z
    cdef Zset* z
    cdef ZslNode* n
    cdef Slice member
    if is_small(o):
        return lp_dup(m, lp_of(o))
    from_z = big_of(o)
    z = <Zset*>mem_alloc(m, sizeof(Zset))
    z.dict = from_z.dict                                # type and seed
    z.dict.t[0].b = z.dict.t[1].b = NULL
    z.dict.t[0].n = z.dict.t[1].n = 0
    z.dict.frontier = z.dict.used = z.dict.children = 0
    z.dict.pause = 0
    z.zsl = zsl_new(m)
    dict_reserve(m, &z.dict, from_z.zsl.length)
    n = zsl_first(from_z.zsl)
    while n != NULL:
        member.ptr = zsl_node_member(n, &member.len)
        rp_assert(big_insert(m, z, n.score, member, hash_of(z, member)))
        n = zsl_next(n)
    return z


cdef size_t memory_of(const Robj* o, size_t samples) noexcept nogil:
    if is_small(o):
        return mem_usable(lp_of(o))
    return mem_usable(big_of(o)) + dict_bytes(&big_of(o).dict) + zsl_bytes(big_of(o).zsl)


cdef size_t effort_of(const Robj* o) noexcept nogil:
    return 1 if is_small(o) else big_of(o).zsl.length


cdef TypeOps zset_ops
zset_ops.free = free_payload
zset_ops.dup = dup_payload
zset_ops.memory = memory_of
zset_ops.length = zset_size
zset_ops.effort = effort_of
robj_register(OBJ_ZSET, &zset_ops)


# ---------------------------------------------------------------- Python face for tests

cdef ZslScoreRange score_range(double lo, double hi, bint lo_ex, bint hi_ex):
    return ZslScoreRange(lo, hi, lo_ex, hi_ex)


cdef ZslLexRange lex_range(bytes lo, bytes hi) except *:
    cdef ZslLexRange r
    kinds = {b"-": ZLEX_NEG_INF, b"[": ZLEX_INCL, b"(": ZLEX_EXCL, b"+": ZLEX_POS_INF}
    r.min_kind = kinds[lo[:1]]
    r.max_kind = kinds[hi[:1]]
    r.min = <const char*>lo + 1
    r.min_len = len(lo) - 1
    r.max = <const char*>hi + 1
    r.max_len = len(hi) - 1
    return r


cdef class ZsetFace:
    """A sorted set for tests; check() raises AssertionError when an invariant is broken."""
    cdef Robj* o
    cdef Env env
    cdef readonly MemFace mem

    def __cinit__(self, int entries=128, int value=64):
        self.mem = MemFace()
        env_init(&self.env)
        self.env.knobs.zset_max_listpack_entries = entries
        self.env.knobs.zset_max_listpack_value = value
        self.o = zset_new_for(&self.mem.mem, &self.env, slice_of(b"key", 3), 0, 0)

    def __dealloc__(self):
        robj_free(&self.mem.mem, self.o)

    def __len__(self):
        return zset_size(self.o)

    @property
    def encoding(self):
        return "listpack" if is_small(self.o) else "skiplist"

    @property
    def listpack(self):
        """The bytes of the listpack."""
        assert is_small(self.o)
        return (<const char*>lp_of(self.o))[:lp_bytes(lp_of(self.o))]

    @property
    def memory(self):
        return memory_of(self.o, 0)

    def add(self, bytes member, double score, int flags=0):
        """(ZaddResult, score afterwards or None)."""
        cdef double now = float("nan")
        cdef ZaddResult r = zset_add(&self.mem.mem, &self.env, self.o, score, slice_of(member, len(member)), flags, &now)
        return <int>r, None if isnan(now) else now

    def score(self, bytes member):
        cdef double v
        return v if zset_score(self.o, slice_of(member, len(member)), &v) else None

    def remove(self, bytes member):
        return zset_remove(&self.mem.mem, self.o, slice_of(member, len(member)))

    def rank(self, bytes member, bint reverse=False):
        """(rank, score), or None."""
        cdef double v = 0
        cdef int64_t rank = zset_rank(self.o, slice_of(member, len(member)), reverse, &v)
        return None if rank < 0 else (rank, v)

    def at(self, int64_t rank):
        cdef ZsetItem e
        return pair_of_item(&e) if zset_at(self.o, rank, &e) else None

    def random(self):
        cdef ZsetItem e
        zset_random(&self.env, self.o, &e)
        return pair_of_item(&e)

    def walk(self, int64_t skip=0, int64_t limit=-1, bint reverse=False):
        """[(member, score)] by rank."""
        cdef ZsetIter it
        zset_iter(&it, self.o, skip, limit, reverse)
        return gather(&it)

    def by_score(self, double lo, double hi, bint lo_ex=False, bint hi_ex=False, int64_t skip=0, int64_t limit=-1,
                 bint reverse=False):
        cdef ZslScoreRange r = score_range(lo, hi, lo_ex, hi_ex)
        cdef ZsetIter it
        zset_iter_score(&it, self.o, &r, skip, limit, reverse)
        return gather(&it)

    def by_lex(self, bytes lo, bytes hi, int64_t skip=0, int64_t limit=-1, bint reverse=False):
        cdef ZslLexRange r = lex_range(lo, hi)
        cdef ZsetIter it
        zset_iter_lex(&it, self.o, &r, skip, limit, reverse)
        return gather(&it)

    def count_score(self, double lo, double hi, bint lo_ex=False, bint hi_ex=False):
        cdef ZslScoreRange r = score_range(lo, hi, lo_ex, hi_ex)
        return zset_count_score(self.o, &r)

    def count_lex(self, bytes lo, bytes hi):
        cdef ZslLexRange r = lex_range(lo, hi)
        return zset_count_lex(self.o, &r)

    def remove_rank(self, int64_t first, int64_t last):
        return zset_remove_rank(&self.mem.mem, self.o, first, last)

    def remove_score(self, double lo, double hi, bint lo_ex=False, bint hi_ex=False):
        cdef ZslScoreRange r = score_range(lo, hi, lo_ex, hi_ex)
        return zset_remove_score(&self.mem.mem, self.o, &r)

    def remove_lex(self, bytes lo, bytes hi):
        cdef ZslLexRange r = lex_range(lo, hi)
        return zset_remove_lex(&self.mem.mem, self.o, &r)

    def to_skiplist(self):
        zset_to_skiplist(&self.mem.mem, &self.env, self.o)

    def try_listpack(self):
        zset_try_listpack(&self.mem.mem, &self.env, self.o)

    def dup(self):
        """Replaces the set by a copy of it, and frees the original."""
        cdef Robj* copy = robj_dup(&self.mem.mem, self.o, slice_of(b"key", 3), NO_EXPIRE)
        robj_free(&self.mem.mem, self.o)
        self.o = copy

    def check(self):
        """All invariants, O(n log n)."""
        cdef ZsetIter it
        cdef ZsetItem e
        cdef size_t n = 0
        cdef ZslNode* node
        last = None
        zset_iter(&it, self.o, 0, -1, False)
        while zset_next(&it, &e):
            now = (zset_item_score(&e), e.member[:e.len])
            assert last is None or last < now, (last, now)
            assert now[0] == now[0]
            last = now
            n += 1
            if not is_small(self.o):
                node = find_node(big_of(self.o), slice_of(e.member, e.len))
                assert node != NULL and zsl_node_member(node, &e.len) == e.member
            else:
                assert e.len <= <size_t>self.env.knobs.zset_max_listpack_value
        assert n == zset_size(self.o)
        if is_small(self.o):
            assert lp_length(lp_of(self.o)) == 2 * n <= <size_t>self.env.knobs.zset_max_listpack_entries * 2
            assert lp_validate_integrity(lp_of(self.o), lp_bytes(lp_of(self.o)), True, NULL, NULL)
        else:
            assert big_of(self.o).dict.used == n
        n = self.mem.mem.used - memory_of(self.o, 0) - mem_usable(self.o)
        assert n <= (0 if is_small(self.o) else dict_bytes(&big_of(self.o).dict) // 4)  # tables' blocks are rounded up


cdef pair_of_item(const ZsetItem* e):
    return e.member[:e.len], zset_item_score(e)


cdef list gather(ZsetIter* it):
    cdef ZsetItem e
    out = []
    while zset_next(it, &e):
        out.append(pair_of_item(&e))
    return out
