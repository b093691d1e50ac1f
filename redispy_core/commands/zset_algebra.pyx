"""Unions, intersections and differences of sorted sets and sets: ZUNION, ZINTER, ZDIFF, their STORE forms, ZINTERCARD.

Sources are looked at from the smallest to the largest, which also fixes the order in which scores are added up. A set's
members have score 1. Results are gathered as a skiplist under the destination's key, or under none to be answered.
"""
from libc.math cimport isnan
from libc.stdint cimport INT64_MAX, int64_t
from ..base.mem cimport mem_alloc, mem_free
from ..base.num cimport num_parse_double
from ..base.rp cimport unlikely
from ..base.sds cimport Slice, slice_of
from ..exec.args cimport err, err_a, i64_or_reply, name_of, range_or_reply, syntax_error, word_is
from ..exec.client cimport Ctx
from ..exec.registry cimport bind
from ..keyspace.db cimport db_read
from ..proto.errors cimport E_INPUT_KEYS, E_LIMIT_NEGATIVE, E_OOM_ALLOC, E_WEIGHT, E_WRONGTYPE
from ..proto.reply cimport reply_int
from ..types.object cimport ENC_SKIPLIST, OBJ_SET, OBJ_ZSET, Robj, robj_free, robj_type
from ..types.set cimport (Set, SetEl, SetIter, el_of_text, el_text, set_has, set_iter, set_iter_end, set_next, set_of,
                          set_size)
from ..types.zset cimport *
from .zset_shared cimport put_result, reply_element, reply_elements_header

cdef enum:
    FEW = 8                     # sources that need no allocation

cdef enum Aggregate:
    SUM
    MIN
    MAX

cdef enum Operation:
    UNION
    INTER
    DIFF
    INTERCARD

cdef struct Source:
    Robj* o                     # NULL: a missing key
    bint is_set
    Set set
    int64_t size
    double weight

cdef struct Plan:
    Operation op
    bint storing
    bint with_scores
    Aggregate how
    int64_t limit               # INTERCARD; 0: none
    Source* src
    int n
    Robj* acc                   # the result
    bint failed                 # no memory for a member
    Source[FEW] few

cdef struct Walk:               # over the members of a source
    bint is_set
    double weight
    ZsetIter z
    ZsetItem item
    SetIter s
    SetEl el


# ---------------------------------------------------------------- sources

cdef void walk_start(Walk* w, Source* s) noexcept nogil:
    w.is_set = s.is_set
    w.weight = s.weight
    if s.is_set:
        set_iter(&w.s, &s.set)
    else:
        zset_iter(&w.z, s.o, 0, -1, False)


cdef bint walk_next(Walk* w, Slice* member, double* score) noexcept nogil:
    """The next member and its weighted score; False: there is none."""
    if w.is_set:
        if not set_next(&w.s, &w.el):
            return False
        member.ptr = el_text(&w.el)
        member.len = w.el.n
        score[0] = w.weight
    else:
        if not zset_next(&w.z, &w.item):
            return False
        member[0] = slice_of(w.item.member, w.item.len)
        score[0] = w.weight * zset_item_score(&w.item)
    if unlikely(isnan(score[0])):       # 0 times infinity
        score[0] = 0
    return True


cdef void walk_end(Walk* w) noexcept nogil:
    if w.is_set:
        set_iter_end(&w.s)


cdef bint source_score(Source* s, Slice member, double* score) noexcept nogil:
    """The weighted score; False: no member."""
    cdef SetEl el
    if s.o == NULL:
        return False
    if s.is_set:
        el_of_text(&el, member.ptr, member.len)
        score[0] = s.weight
        return set_has(&s.set, &el)
    if not zset_score(s.o, member, score):
        return False
    score[0] *= s.weight
    return True


cdef inline double aggregate(Aggregate how, double a, double b) noexcept nogil:
    if how == SUM:
        a += b
        return 0 if unlikely(isnan(a)) else a       # inf - inf
    if how == MIN:
        return b if b < a else a
    return b if b > a else a


cdef void sort_by_size(Plan* p, int first) noexcept nogil:
    """Insertion sort: equal sizes keep their order."""
    cdef int i, j
    cdef Source s
    for i in range(first + 1, p.n):
        s = p.src[i]
        j = i
        while j > first and p.src[j - 1].size > s.size:
            p.src[j] = p.src[j - 1]
            j -= 1
        p.src[j] = s


# ---------------------------------------------------------------- operations

cdef inline void keep(Ctx* x, Plan* p, double score, Slice member) noexcept nogil:
    if unlikely(zset_add(x.mem, x.env, p.acc, score, member, 0, NULL) == ZADD_NO_MEMORY):
        p.failed = True


cdef void unite(Ctx* x, Plan* p) noexcept nogil:
    cdef Walk w
    cdef Slice member
    cdef double score, before
    cdef int i
    sort_by_size(p, 0)
    for i in range(p.n):
        if p.src[i].size == 0:
            continue
        walk_start(&w, &p.src[i])
        while walk_next(&w, &member, &score):
            if zset_score(p.acc, member, &before):
                score = aggregate(p.how, before, score)
            keep(x, p, score, member)
        walk_end(&w)


cdef int64_t intersect(Ctx* x, Plan* p, int64_t limit) noexcept nogil:
    """Into the result if there is one; the number of members, no more than limit (0: all)."""
    cdef Walk w
    cdef Slice member
    cdef double score, other = 0
    cdef int64_t found = 0
    cdef int i
    sort_by_size(p, 0)
    if p.src[0].size == 0:
        return 0
    walk_start(&w, &p.src[0])
    while walk_next(&w, &member, &score):
        for i in range(1, p.n):
            if not source_score(&p.src[i], member, &other):
                break
            score = aggregate(p.how, score, other)
        else:
            found += 1
            if p.acc != NULL:
                keep(x, p, score, member)
            if found == limit:
                break
    walk_end(&w)
    return found


cdef void subtract_by_lookup(Ctx* x, Plan* p) noexcept nogil:
    """Every member of the first source is looked for in the others."""
    cdef Walk w
    cdef Slice member
    cdef double score, other
    cdef int i
    walk_start(&w, &p.src[0])
    while walk_next(&w, &member, &score):
        for i in range(p.n - 1, 0, -1):                 # the largest first
            if source_score(&p.src[i], member, &other):
                break
        else:
            keep(x, p, score, member)
    walk_end(&w)


cdef void subtract_by_removal(Ctx* x, Plan* p) noexcept nogil:
    """The first source is copied, and the members of the others are taken out."""
    cdef Walk w
    cdef Slice member
    cdef double score
    cdef int i
    for i in range(p.n):
        if p.src[i].size == 0 or (i and zset_size(p.acc) == 0):
            continue
        walk_start(&w, &p.src[i])
        while walk_next(&w, &member, &score):
            if i:
                zset_remove(x.mem, p.acc, member)
            else:
                keep(x, p, score, member)
        walk_end(&w)


cdef void subtract(Ctx* x, Plan* p) noexcept nogil:
    cdef int64_t total = 0
    cdef int i
    if p.src[0].size == 0:
        return
    for i in range(p.n):
        total += p.src[i].size
        if i and p.src[i].o == p.src[0].o:              # nothing can be left
            return
    sort_by_size(p, 1)
    if p.src[0].size * p.n // 2 <= total:
        subtract_by_lookup(x, p)
    else:
        subtract_by_removal(x, p)


# ---------------------------------------------------------------- arguments

cdef bint weights_or_reply(Ctx* x, Plan* p, int at) noexcept nogil:
    cdef int i
    for i in range(p.n):
        if not num_parse_double(x.argv[at + i].ptr, x.argv[at + i].len, &p.src[i].weight):
            err(x, E_WEIGHT)
            return False
    return True


cdef bint aggregate_named(Slice word, Aggregate* how) noexcept nogil:
    if word_is(word, b"sum"):
        how[0] = SUM
    elif word_is(word, b"min"):
        how[0] = MIN
    elif word_is(word, b"max"):
        how[0] = MAX
    else:
        return False
    return True


cdef bint options_or_reply(Ctx* x, Plan* p, int at) noexcept nogil:
    cdef bint weighs = p.op == UNION or p.op == INTER
    while at < x.argc:
        if weighs and x.argc - at > p.n and word_is(x.argv[at], b"weights"):
            if not weights_or_reply(x, p, at + 1):
                return False
            at += p.n + 1
        elif weighs and x.argc - at > 1 and word_is(x.argv[at], b"aggregate") \
                and aggregate_named(x.argv[at + 1], &p.how):
            at += 2
        elif not p.storing and p.op != INTERCARD and word_is(x.argv[at], b"withscores"):
            p.with_scores = True
            at += 1
        elif p.op == INTERCARD and x.argc - at > 1 and word_is(x.argv[at], b"limit"):
            if not range_or_reply(x, x.argv[at + 1], 0, INT64_MAX, &p.limit, E_LIMIT_NEGATIVE):
                return False
            at += 2
        else:
            syntax_error(x)
            return False
    return True


cdef bint sources_or_reply(Ctx* x, Plan* p, int at) noexcept nogil:
    cdef int i
    cdef Source* s
    for i in range(p.n):
        s = &p.src[i]
        s.o = db_read(x.ks, x.db, x.argv[at + i])
        s.weight = 1
        s.size = 0
        s.is_set = False
        if s.o == NULL:
            continue
        if robj_type(s.o) == OBJ_SET:
            s.is_set = True
            s.set = set_of(s.o)
            s.size = set_size(&s.set)
        elif robj_type(s.o) == OBJ_ZSET:
            s.size = zset_size(s.o)
        else:
            err(x, E_WRONGTYPE)
            return False
    return True


cdef int count_or_reply(Ctx* x, int at) noexcept nogil:
    """numkeys at argv[at], with so many keys behind it; 0: answered."""
    cdef int64_t n
    if not i64_or_reply(x, x.argv[at], &n):
        return 0
    if n < 1:
        err_a(x, E_INPUT_KEYS, name_of(x))
        return 0
    if n > x.argc - at - 1:
        syntax_error(x)
        return 0
    return <int>n


cdef int answer(Ctx* x, Plan* p) noexcept nogil:
    cdef ZsetIter it
    cdef ZsetItem e
    reply_elements_header(x.out, zset_size(p.acc), p.with_scores)
    zset_iter(&it, p.acc, 0, -1, False)
    while zset_next(&it, &e):
        reply_element(x.out, &e, p.with_scores)
    robj_free(x.mem, p.acc)
    return 0


cdef int run(Ctx* x, Plan* p, const char* event) noexcept nogil:
    cdef Slice key = x.argv[1] if p.storing else slice_of(NULL, 0)
    if p.op == INTERCARD:
        p.acc = NULL
        return reply_int(x.out, intersect(x, p, p.limit))
    p.acc = zset_new(x.mem, x.env, key, ENC_SKIPLIST)
    if p.op == UNION:
        unite(x, p)
    elif p.op == INTER:
        intersect(x, p, 0)
    else:
        subtract(x, p)
    if unlikely(p.failed):
        robj_free(x.mem, p.acc)
        return err(x, E_OOM_ALLOC)
    if not p.storing:
        return answer(x, p)
    if zset_size(p.acc) == 0:
        robj_free(x.mem, p.acc)
        p.acc = NULL
    return put_result(x, p.acc, key, event)


cdef int algebra(Ctx* x, Operation op, const char* event) noexcept nogil:
    """event: what a stored result is told as; NULL: it is answered."""
    cdef Plan p
    cdef int at = 2 if event != NULL else 1
    p.n = count_or_reply(x, at)
    if p.n == 0:
        return 0
    p.op = op
    p.storing = event != NULL
    p.with_scores = False
    p.how = SUM
    p.limit = 0
    p.failed = False
    p.src = &p.few[0]
    if p.n > FEW:
        p.src = <Source*>mem_alloc(x.mem, p.n * sizeof(Source))
    if sources_or_reply(x, &p, at + 1) and options_or_reply(x, &p, at + 1 + p.n):
        run(x, &p, event)
    if p.n > FEW:
        mem_free(x.mem, p.src)
    return 0


cdef int zunion_command(Ctx* x) noexcept nogil:
    """ZUNION numkeys key [key ...] [WEIGHTS w ...] [AGGREGATE SUM|MIN|MAX] [WITHSCORES]. O(n + m log m)."""
    return algebra(x, UNION, NULL)


cdef int zunionstore_command(Ctx* x) noexcept nogil:
    """ZUNIONSTORE dst numkeys key [key ...] [WEIGHTS w ...] [AGGREGATE SUM|MIN|MAX]. O(n + m log m)."""
    return algebra(x, UNION, b"zunionstore")


cdef int zinter_command(Ctx* x) noexcept nogil:
    """ZINTER numkeys key [key ...] [WEIGHTS w ...] [AGGREGATE SUM|MIN|MAX] [WITHSCORES]. O(n k + m log m)."""
    return algebra(x, INTER, NULL)


cdef int zinterstore_command(Ctx* x) noexcept nogil:
    """ZINTERSTORE dst numkeys key [key ...] [WEIGHTS w ...] [AGGREGATE SUM|MIN|MAX]. O(n k + m log m)."""
    return algebra(x, INTER, b"zinterstore")


cdef int zintercard_command(Ctx* x) noexcept nogil:
    """ZINTERCARD numkeys key [key ...] [LIMIT limit]. O(n k)."""
    return algebra(x, INTERCARD, NULL)


cdef int zdiff_command(Ctx* x) noexcept nogil:
    """ZDIFF numkeys key [key ...] [WITHSCORES]. O(n k + m log m)."""
    return algebra(x, DIFF, NULL)


cdef int zdiffstore_command(Ctx* x) noexcept nogil:
    """ZDIFFSTORE dst numkeys key [key ...]. O(n k + m log m)."""
    return algebra(x, DIFF, b"zdiffstore")


bind(b"zunion", zunion_command)
bind(b"zunionstore", zunionstore_command)
bind(b"zinter", zinter_command)
bind(b"zinterstore", zinterstore_command)
bind(b"zintercard", zintercard_command)
bind(b"zdiff", zdiff_command)
bind(b"zdiffstore", zdiffstore_command)
