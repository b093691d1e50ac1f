"""Sorted set commands that work on members: ZADD, ZSCORE, ZRANK, ZPOPMIN, ZRANDMEMBER and their kin, blocking forms.

Ranges are in zset_ranges.pyx, unions and the like in zset_algebra.pyx. Elements go from the set's memory straight into
the reply, so a pop answers before it removes.
"""
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from libc.string cimport memset
from ..base.env cimport env_rand_below
from ..base.mem cimport mem_alloc, mem_calloc, mem_free
from ..base.rp cimport likely, unlikely
from ..base.sds cimport Slice
from ..exec.args cimport (double_or_reply, err, i64_or_reply, range_or_reply, syntax_error, text_slice,
                          timeout_or_reply, type_or_reply, word_is, wrong_arity)
from ..exec.blocked cimport block_on_keys, can_block
from ..exec.client cimport Ctx
from ..exec.registry cimport bind
from ..exec.scan cimport (Scan, scan_cursor_or_reply, scan_dict, scan_empty, scan_flat_begin, scan_matches,
                          scan_options_or_reply)
from ..keyspace.db cimport db_add, db_read, db_write, key_changed
from ..keyspace.events cimport EV_ZSET
from ..keyspace.journal cimport *
from ..proto.errors cimport (E_COUNT_POSITIVE, E_NOT_BETWEEN, E_NOT_POSITIVE, E_NUMKEYS, E_OOM_ALLOC, E_SCORE_NAN,
                             E_VALUE_RANGE, E_ZADD_GT_LT_NX, E_ZADD_INCR, E_ZADD_NX_XX)
from ..proto.reply cimport (Deferred, Out, reply_array, reply_bulk, reply_bulk_double, reply_double, reply_errorf,
                            reply_int, reply_length, reply_null, reply_null_array)
from ..types.object cimport OBJ_ZSET, Robj, robj_free
from ..types.zset cimport *
from .zset_shared cimport reply_element, reply_elements_header, reply_member, reply_pair, removed

cdef enum:
    FEW = 16                    # scores that need no allocation


# ---------------------------------------------------------------- adding

cdef inline bint zadd_word(Slice word, AddPlan* plan) noexcept nogil:
    if word_is(word, b"nx"):
        plan.flags |= ZADD_NX
    elif word_is(word, b"xx"):
        plan.flags |= ZADD_XX
    elif word_is(word, b"gt"):
        plan.flags |= ZADD_GT
    elif word_is(word, b"lt"):
        plan.flags |= ZADD_LT
    elif word_is(word, b"incr"):
        plan.flags |= ZADD_INCR
    elif word_is(word, b"ch"):
        plan.changed = True
    else:
        return False
    return True


cdef bint zadd_plan_or_reply(Ctx* x, AddPlan* plan) noexcept nogil:
    cdef int rest
    plan.flags = 0
    plan.changed = False
    plan.first = 2
    plan.step = 2
    while plan.first < x.argc and x.argv[plan.first].len and x.argv[plan.first].ptr[0] >= c'A' \
            and zadd_word(x.argv[plan.first], plan):
        plan.first += 1
    rest = x.argc - plan.first
    plan.count = rest // 2
    if rest == 0 or rest & 1:
        syntax_error(x)
    elif plan.flags & ZADD_NX and plan.flags & ZADD_XX:
        err(x, E_ZADD_NX_XX)
    elif ((plan.flags & ZADD_NX and plan.flags & (ZADD_GT | ZADD_LT))
          or (plan.flags & ZADD_GT and plan.flags & ZADD_LT)):
        err(x, E_ZADD_GT_LT_NX)
    elif plan.flags & ZADD_INCR and plan.count > 1:
        err(x, E_ZADD_INCR)
    else:
        return True
    return False


cdef int add_reply(Ctx* x, const AddPlan* plan, ZaddResult last, double now, int64_t n) noexcept nogil:
    if last == ZADD_NAN:
        return err(x, E_SCORE_NAN)
    if last == ZADD_NO_MEMORY:
        return err(x, E_OOM_ALLOC)
    if not plan.flags & ZADD_INCR:
        return reply_int(x.out, n)
    return reply_null(x.out) if last == ZADD_REFUSED else reply_double(x.out, now)


cdef inline Slice member_of(Ctx* x, const AddPlan* plan, int i) noexcept nogil:
    return x.argv[plan.first + plan.step * (i + 1) - 1]


cdef Robj* new_for(Ctx* x, const AddPlan* plan) noexcept nogil:
    """An empty sorted set for the elements to be added."""
    cdef size_t longest = 0
    cdef int i
    for i in range(plan.count):
        longest = max(longest, member_of(x, plan, i).len)
    return zset_new_for(x.mem, x.env, x.argv[1], plan.count, longest)


cdef int zadd_elements(Ctx* x, const AddPlan* plan, const double* scores) noexcept nogil:
    cdef Robj* o = db_write(x.ks, x.db, x.argv[1])
    cdef bint fresh = o == NULL
    cdef int64_t added = 0, updated = 0
    cdef double now = 0
    cdef ZaddResult last = ZADD_REFUSED
    cdef int i
    if not type_or_reply(x, o, OBJ_ZSET):
        return 0
    if fresh:
        if plan.flags & ZADD_XX:
            return add_reply(x, plan, ZADD_REFUSED, 0, 0)
        o = new_for(x, plan)
    for i in range(plan.count):
        last = zset_add(x.mem, x.env, o, scores[i], member_of(x, plan, i), plan.flags, &now)
        added += last == ZADD_ADDED
        updated += last == ZADD_UPDATED
        if unlikely(last == ZADD_NO_MEMORY):
            break
    if fresh:
        if unlikely(added == 0):
            robj_free(x.mem, o)
        else:
            db_add(x.ks, x.db, o)
    if added or updated:
        x.ks.ev.dirty += added + updated - 1
        key_changed(x.ks, x.db, x.argv[1], EV_ZSET, b"zincr" if plan.flags & ZADD_INCR else b"zadd")
    return add_reply(x, plan, last, now, added + updated if plan.changed else added)


cdef int add_generic(Ctx* x, const AddPlan* plan) noexcept nogil:
    """All scores must be numbers before the first element is added."""
    cdef double few[FEW]
    cdef double* scores = few
    cdef int i
    if plan.count > FEW:
        scores = <double*>mem_alloc(x.mem, plan.count * sizeof(double))
    for i in range(plan.count):
        if not double_or_reply(x, x.argv[plan.first + 2 * i], &scores[i]):
            break
    else:
        zadd_elements(x, plan, scores)
    if plan.count > FEW:
        mem_free(x.mem, scores)
    return 0


cdef int zadd_command(Ctx* x) noexcept nogil:
    """ZADD key [NX|XX] [GT|LT] [CH] [INCR] score member [score member ...]. O(log n) an element."""
    cdef AddPlan plan
    if not zadd_plan_or_reply(x, &plan):
        return 0
    return add_generic(x, &plan)


cdef int zincrby_command(Ctx* x) noexcept nogil:
    """ZINCRBY key increment member. O(log n)."""
    cdef AddPlan plan
    plan.flags = ZADD_INCR
    plan.changed = False
    plan.first = plan.step = 2
    plan.count = 1
    return add_generic(x, &plan)


cdef int zrem_command(Ctx* x) noexcept nogil:
    """ZREM key member [member ...]. O(log n) a member."""
    cdef Robj* o = db_write(x.ks, x.db, x.argv[1])
    cdef int64_t n = 0
    cdef int i
    if o == NULL:
        return reply_int(x.out, 0)
    if not type_or_reply(x, o, OBJ_ZSET):
        return 0
    for i in range(2, x.argc):
        n += zset_remove(x.mem, o, x.argv[i])
    if n:
        removed(x, x.argv[1], o, n, b"zrem")
    return reply_int(x.out, n)


# ---------------------------------------------------------------- looking at members

cdef int zcard_command(Ctx* x) noexcept nogil:
    """ZCARD key. O(1)."""
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_ZSET):
        return 0
    return reply_int(x.out, zset_size(o) if o != NULL else 0)


cdef inline int reply_score_of(Ctx* x, const Robj* o, Slice member) noexcept nogil:
    cdef double score
    if o == NULL or not zset_score(o, member, &score):
        return reply_null(x.out)
    return reply_double(x.out, score)


cdef int zscore_command(Ctx* x) noexcept nogil:
    """ZSCORE key member. O(1)."""
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_ZSET):
        return 0
    return reply_score_of(x, o, x.argv[2])


cdef int zmscore_command(Ctx* x) noexcept nogil:
    """ZMSCORE key member [member ...]. O(members)."""
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    cdef int i
    if not type_or_reply(x, o, OBJ_ZSET):
        return 0
    reply_array(x.out, x.argc - 2)
    for i in range(2, x.argc):
        reply_score_of(x, o, x.argv[i])
    return 0


cdef int rank_generic(Ctx* x, bint reverse) noexcept nogil:
    cdef bint with_score = x.argc > 3
    cdef int64_t rank = -1
    cdef double score = 0
    cdef Robj* o
    if x.argc > 4:
        return wrong_arity(x)
    if with_score and not word_is(x.argv[3], b"withscore"):
        return syntax_error(x)
    o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_ZSET):
        return 0
    if o != NULL:
        rank = zset_rank(o, x.argv[2], reverse, &score)
    if rank < 0:
        return reply_null_array(x.out) if with_score else reply_null(x.out)
    if with_score:
        reply_array(x.out, 2)
    reply_int(x.out, rank)
    return reply_double(x.out, score) if with_score else 0


cdef int zrank_command(Ctx* x) noexcept nogil:
    """ZRANK key member [WITHSCORE]. O(log n)."""
    return rank_generic(x, False)


cdef int zrevrank_command(Ctx* x) noexcept nogil:
    """ZREVRANK key member [WITHSCORE]. O(log n)."""
    return rank_generic(x, True)


cdef bint scan_keeps(void* ctx, const Scan* s, void* entry) noexcept nogil:
    cdef ZsetItem e
    zset_entry(entry, &e)
    return scan_matches(s, e.member, e.len)


cdef void scan_write(Out* o, const Scan* s, void* entry) noexcept nogil:
    cdef ZsetItem e
    zset_entry(entry, &e)
    reply_member(o, &e)
    reply_bulk_double(o, e.score)


cdef int zscan_command(Ctx* x) noexcept nogil:
    """ZSCAN key cursor [MATCH pattern] [COUNT count]. O(count); a small set comes whole."""
    cdef Scan scan
    cdef ZsetIter it
    cdef ZsetItem e
    cdef Deferred length
    cdef int64_t n = 0
    cdef Robj* o
    if not scan_cursor_or_reply(x, x.argv[2], &scan):
        return 0
    o = db_read(x.ks, x.db, x.argv[1])
    if o == NULL:
        return scan_empty(x)
    if not type_or_reply(x, o, OBJ_ZSET) or not scan_options_or_reply(x, 3, 0, &scan):
        return 0
    if zset_dict(o) != NULL:
        return scan_dict(x, zset_dict(o), &scan, scan_keeps, NULL, scan_write, 2)
    length = scan_flat_begin(x)
    zset_iter(&it, o, 0, -1, False)
    while zset_next(&it, &e):
        if scan_matches(&scan, e.member, e.len):
            reply_member(x.out, &e)
            reply_bulk_double(x.out, zset_item_score(&e))
            n += 2
    reply_length(x.out, length, c'*', n)
    return 0


# ---------------------------------------------------------------- popping

cdef enum PopForm:              # how elements are answered
    POP_FLAT                    # one after the other
    POP_PAIRS


cdef void pop_elements(Ctx* x, Slice key, Robj* o, bint highest, int64_t n, PopForm form) noexcept nogil:
    """Answers the n <= size outermost elements, without a header, and removes them."""
    cdef ZsetIter it
    cdef ZsetItem e
    cdef int64_t size = zset_size(o)
    zset_iter(&it, o, 0, n, highest)
    while zset_next(&it, &e):
        if form == POP_PAIRS:
            reply_pair(x.out, &e)
        else:
            reply_member(x.out, &e)
            reply_double(x.out, zset_item_score(&e))
    zset_remove_rank(x.mem, o, size - n if highest else 0, size - 1 if highest else n - 1)
    removed(x, key, o, n, b"zpopmax" if highest else b"zpopmin")


cdef int pop_generic(Ctx* x, bint highest) noexcept nogil:
    cdef int64_t count = 1
    cdef bint pairs = x.argc == 3 and x.out.resp > 2
    cdef Robj* o
    if x.argc > 3:
        return syntax_error(x)
    if x.argc == 3 and not range_or_reply(x, x.argv[2], 0, INT64_MAX, &count, E_NOT_POSITIVE):
        return 0
    o = db_write(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_ZSET):
        return 0
    if o == NULL or count == 0:
        return reply_array(x.out, 0)
    count = min(count, <int64_t>zset_size(o))
    reply_array(x.out, count if pairs else 2 * count)
    pop_elements(x, x.argv[1], o, highest, count, POP_PAIRS if pairs else POP_FLAT)
    return 0


cdef int zpopmin_command(Ctx* x) noexcept nogil:
    """ZPOPMIN key [count]. O(log n + count)."""
    return pop_generic(x, False)


cdef int zpopmax_command(Ctx* x) noexcept nogil:
    """ZPOPMAX key [count]. O(log n + count)."""
    return pop_generic(x, True)


cdef int blocking_pop(Ctx* x, bint highest) noexcept nogil:
    cdef int64_t deadline_ms = 0
    cdef Robj* o
    cdef int i
    if not timeout_or_reply(x, x.argv[x.argc - 1], &deadline_ms):
        return 0
    for i in range(1, x.argc - 1):
        o = db_write(x.ks, x.db, x.argv[i])
        if o == NULL:
            continue
        if not type_or_reply(x, o, OBJ_ZSET):
            return 0
        reply_array(x.out, 3)
        reply_bulk(x.out, x.argv[i].ptr, x.argv[i].len)
        journal_key(&x.ks.journal, x.db.id, b"ZPOPMAX" if highest else b"ZPOPMIN", x.argv[i])
        pop_elements(x, x.argv[i], o, highest, 1, POP_FLAT)
        return 0
    if not can_block(x):
        return reply_null_array(x.out)
    return block_on_keys(x, OBJ_ZSET, x.argv + 1, x.argc - 2, deadline_ms, NULL, 0)


cdef int bzpopmin_command(Ctx* x) noexcept nogil:
    """BZPOPMIN key [key ...] timeout. O(keys + log n)."""
    return blocking_pop(x, False)


cdef int bzpopmax_command(Ctx* x) noexcept nogil:
    """BZPOPMAX key [key ...] timeout. O(keys + log n)."""
    return blocking_pop(x, True)


cdef struct MpopPlan:
    int keys                    # index of the first key
    int nkeys
    bint highest
    int64_t count


cdef bint mpop_plan_or_reply(Ctx* x, int at, MpopPlan* plan) noexcept nogil:
    """numkeys key [key ...] MIN|MAX [COUNT count], numkeys standing at argv[at]."""
    cdef int64_t nkeys = 0
    cdef int side
    plan.count = 1
    if not range_or_reply(x, x.argv[at], 1, INT64_MAX, &nkeys, E_NUMKEYS):
        return False
    if nkeys > x.argc or at + 1 + nkeys >= x.argc:
        syntax_error(x)
        return False
    plan.keys = at + 1
    plan.nkeys = <int>nkeys
    side = plan.keys + plan.nkeys
    plan.highest = word_is(x.argv[side], b"max")
    if not plan.highest and not word_is(x.argv[side], b"min"):
        syntax_error(x)
        return False
    if side + 2 < x.argc and word_is(x.argv[side + 1], b"count"):
        if not range_or_reply(x, x.argv[side + 2], 1, INT64_MAX, &plan.count, E_COUNT_POSITIVE):
            return False
        side += 2
    if side + 1 == x.argc:
        return True
    syntax_error(x)
    return False


cdef bint mpop_or_reply(Ctx* x, const MpopPlan* plan) noexcept nogil:
    """Pops from the first key that has something; False: none has, and nothing has been answered."""
    cdef Robj* o
    cdef Slice key
    cdef int64_t n
    cdef int i
    for i in range(plan.nkeys):
        key = x.argv[plan.keys + i]
        o = db_write(x.ks, x.db, key)
        if o == NULL:
            continue
        if not type_or_reply(x, o, OBJ_ZSET):
            return True
        n = min(plan.count, <int64_t>zset_size(o))
        reply_array(x.out, 2)
        reply_bulk(x.out, key.ptr, key.len)
        reply_array(x.out, n)
        journal_key_n(&x.ks.journal, x.db.id, b"ZPOPMAX" if plan.highest else b"ZPOPMIN", key, n)
        pop_elements(x, key, o, plan.highest, n, POP_PAIRS)
        return True
    return False


cdef int zmpop_command(Ctx* x) noexcept nogil:
    """ZMPOP numkeys key [key ...] MIN|MAX [COUNT count]. O(keys + log n + count)."""
    cdef MpopPlan plan
    if not mpop_plan_or_reply(x, 1, &plan) or mpop_or_reply(x, &plan):
        return 0
    return reply_null_array(x.out)


cdef int bzmpop_command(Ctx* x) noexcept nogil:
    """BZMPOP timeout numkeys key [key ...] MIN|MAX [COUNT count]. O(keys + log n + count)."""
    cdef MpopPlan plan
    cdef int64_t deadline_ms = 0
    if not mpop_plan_or_reply(x, 2, &plan) or not timeout_or_reply(x, x.argv[1], &deadline_ms):
        return 0
    if mpop_or_reply(x, &plan):
        return 0
    if not can_block(x):
        return reply_null_array(x.out)
    return block_on_keys(x, OBJ_ZSET, x.argv + plan.keys, plan.nkeys, deadline_ms, NULL, 0)


# ---------------------------------------------------------------- chance

cdef struct Ranks:              # a set of ranks, open addressing
    uint32_t* slot              # rank + 1; 0: free
    uint64_t mask


cdef bint add_rank(Ranks* ranks, uint32_t rank) noexcept nogil:
    """False: it was there."""
    cdef uint64_t i = rank * <uint64_t>0x9E3779B97F4A7C15 >> 20 & ranks.mask
    while ranks.slot[i]:
        if ranks.slot[i] == rank + 1:
            return False
        i = (i + 1) & ranks.mask
    ranks.slot[i] = rank + 1
    return True


cdef void random_few(Ctx* x, const Robj* o, int64_t count, bint with_scores) noexcept nogil:
    """Distinct elements, much fewer than there are: ranks are drawn until enough differ. O(count log n)."""
    cdef Ranks ranks
    cdef ZsetItem e
    cdef uint32_t rank
    ranks.mask = 16
    while ranks.mask < <uint64_t>count * 2:
        ranks.mask *= 2
    ranks.slot = <uint32_t*>mem_calloc(x.mem, ranks.mask * sizeof(uint32_t))
    ranks.mask -= 1
    while count:
        rank = <uint32_t>env_rand_below(x.env, zset_size(o))
        if add_rank(&ranks, rank):
            zset_at(o, rank, &e)
            reply_element(x.out, &e, with_scores)
            count -= 1
    mem_free(x.mem, ranks.slot)


cdef void random_many(Ctx* x, const Robj* o, int64_t count, bint with_scores) noexcept nogil:
    """Distinct elements in their order: each is taken with the chance that fills the count. O(n)."""
    cdef ZsetIter it
    cdef ZsetItem e
    cdef int64_t left = zset_size(o)
    zset_iter(&it, o, 0, -1, False)
    while count and zset_next(&it, &e):
        if <int64_t>env_rand_below(x.env, left) < count:
            reply_element(x.out, &e, with_scores)
            count -= 1
        left -= 1


cdef int random_count(Ctx* x, const Robj* o, int64_t count, bint with_scores) noexcept nogil:
    cdef ZsetItem e
    cdef int64_t size
    if o == NULL or count == 0:
        return reply_array(x.out, 0)
    size = zset_size(o)
    if count < 0:
        reply_elements_header(x.out, -count, with_scores)
        while count < 0 and not x.out.full:     # full: its client is to be closed for its output
            zset_random(x.env, o, &e)
            reply_element(x.out, &e, with_scores)
            count += 1
        return 0
    count = min(count, size)
    reply_elements_header(x.out, count, with_scores)
    if zset_dict(o) != NULL and count < size // 3:
        random_few(x, o, count, with_scores)
    else:
        random_many(x, o, count, with_scores)
    return 0


cdef int zrandmember_command(Ctx* x) noexcept nogil:
    """ZRANDMEMBER key [count [WITHSCORES]]. O(1), O(|count| log n) with a count; negative: with repetitions."""
    cdef int64_t count
    cdef bint with_scores = x.argc == 4
    cdef ZsetItem e
    cdef Robj* o
    if x.argc > 2:
        if not i64_or_reply(x, x.argv[2], &count):
            return 0
        if count == -INT64_MAX - 1:
            return reply_errorf(x.out, E_NOT_BETWEEN, text_slice(b"-9223372036854775807"),
                                text_slice(b"9223372036854775807"))
        if x.argc > 4 or (with_scores and not word_is(x.argv[3], b"withscores")):
            return syntax_error(x)
        if with_scores and (count < -(INT64_MAX // 2) or count > INT64_MAX // 2):
            return err(x, E_VALUE_RANGE)
    o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_ZSET):
        return 0
    if x.argc > 2:
        return random_count(x, o, count, with_scores)
    if o == NULL:
        return reply_null(x.out)
    zset_random(x.env, o, &e)
    reply_member(x.out, &e)
    return 0


bind(b"zadd", zadd_command)
bind(b"zincrby", zincrby_command)
bind(b"zrem", zrem_command)
bind(b"zcard", zcard_command)
bind(b"zscore", zscore_command)
bind(b"zmscore", zmscore_command)
bind(b"zrank", zrank_command)
bind(b"zrevrank", zrevrank_command)
bind(b"zscan", zscan_command)
bind(b"zpopmin", zpopmin_command)
bind(b"zpopmax", zpopmax_command)
bind(b"bzpopmin", bzpopmin_command)
bind(b"bzpopmax", bzpopmax_command)
bind(b"zmpop", zmpop_command)
bind(b"bzmpop", bzmpop_command)
bind(b"zrandmember", zrandmember_command)
