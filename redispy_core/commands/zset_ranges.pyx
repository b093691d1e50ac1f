"""Ranges of sorted sets by rank, score and member: ZRANGE and its older forms, ZRANGESTORE, ZCOUNT, ZREMRANGEBY*."""
from libc.math cimport isnan
from libc.stdint cimport int64_t
from libc.stdlib cimport strtod
from libc.string cimport memchr, memcpy
from ..base.num cimport num_parse_double
from ..base.rp cimport unlikely
from ..base.sds cimport Slice, slice_of
from ..exec.args cimport err, i64_or_reply, syntax_error, type_or_reply, word_is
from ..exec.client cimport Ctx
from ..exec.registry cimport bind
from ..keyspace.db cimport db_read, db_write
from ..proto.errors cimport E_MIN_MAX_FLOAT, E_MIN_MAX_LEX, E_OOM_ALLOC, E_ZRANGE_LIMIT, E_ZRANGE_WITHSCORES
from ..proto.reply cimport Deferred, reply_array, reply_int, reply_later, reply_length
from ..structs.skiplist cimport (ZLEX_EXCL, ZLEX_INCL, ZLEX_NEG_INF, ZLEX_POS_INF, ZslLexRange, ZslScoreRange)
from ..types.object cimport ENC_LISTPACK, OBJ_ZSET, Robj, robj_free
from ..types.zset cimport *
from .zset_shared cimport put_result, removed, reply_element, reply_elements_header

cdef enum:
    LONGEST_NUMBER = 512


# ---------------------------------------------------------------- bounds

cdef bint huge_or_tiny(const char* s, size_t n, double* out) noexcept nogil:
    """Decimal numbers beyond a double's range become infinite or 0."""
    cdef char[LONGEST_NUMBER] text
    cdef char* end
    cdef size_t i
    if n == 0 or n >= LONGEST_NUMBER:
        return False
    for i in range(n):
        if not (c'0' <= s[i] <= c'9' or s[i] == c'.' or s[i] == c'+' or s[i] == c'-' or s[i] | 32 == c'e'):
            return False
    memcpy(text, s, n)
    text[n] = 0
    out[0] = strtod(text, &end)
    return end == text + n


cdef bint score_bound(Slice s, double* out, bint* exclusive) noexcept nogil:
    """A number, "(" before it for exclusive. compat: white space may precede it, it ends at a NUL, none at all is 0
    (Redis 7; Redis 8 refuses white space, Valkey 9 all three)."""
    cdef const char* nul
    exclusive[0] = s.len > 0 and s.ptr[0] == c'('
    if exclusive[0]:
        s = slice_of(s.ptr + 1, s.len - 1)
    nul = <const char*>memchr(s.ptr, 0, s.len) if s.len else NULL
    if nul != NULL:
        s.len = nul - s.ptr
    if s.len == 0:
        out[0] = 0
        return True
    while s.len and (s.ptr[0] == 32 or 9 <= s.ptr[0] <= 13):
        s = slice_of(s.ptr + 1, s.len - 1)
    return num_parse_double(s.ptr, s.len, out) or huge_or_tiny(s.ptr, s.len, out)


cdef bint score_range_or_reply(Ctx* x, Slice lo, Slice hi, ZslScoreRange* r) noexcept nogil:
    if score_bound(lo, &r.min, &r.min_ex) and score_bound(hi, &r.max, &r.max_ex):
        return True
    err(x, E_MIN_MAX_FLOAT)
    return False


cdef bint lex_bound(Slice s, const char** text, size_t* n, int* kind) noexcept nogil:
    """"-", "+", "[member" or "(member"."""
    if s.len == 0:
        return False
    text[0] = s.ptr + 1
    n[0] = s.len - 1
    if s.ptr[0] == c'[':
        kind[0] = ZLEX_INCL
    elif s.ptr[0] == c'(':
        kind[0] = ZLEX_EXCL
    elif s.ptr[0] == c'-' and s.len == 1:
        kind[0] = ZLEX_NEG_INF
    elif s.ptr[0] == c'+' and s.len == 1:
        kind[0] = ZLEX_POS_INF
    else:
        return False
    return True


cdef bint lex_range_or_reply(Ctx* x, Slice lo, Slice hi, ZslLexRange* r) noexcept nogil:
    if lex_bound(lo, &r.min, &r.min_len, &r.min_kind) and lex_bound(hi, &r.max, &r.max_len, &r.max_kind):
        return True
    err(x, E_MIN_MAX_LEX)
    return False


cdef bint clamp_ranks(int64_t* first, int64_t* last, int64_t size) noexcept nogil:
    """Ranks, negative ones from the end, cut to the set; False: none are left."""
    if first[0] < 0:
        first[0] = first[0] + size if first[0] + size > 0 else 0
    if last[0] < 0:
        last[0] += size
    if last[0] >= size:
        last[0] = size - 1
    return first[0] <= last[0]


# ---------------------------------------------------------------- ranges

cdef enum By:
    BY_ANY                      # ZRANGE: an option tells, else by rank
    BY_RANK
    BY_SCORE
    BY_LEX

cdef enum Direction:
    ANY_DIRECTION               # ZRANGE: REV tells
    FORWARD
    BACKWARD

cdef struct Span:               # a parsed range
    By by
    Direction direction
    bint with_scores
    bint storing
    int64_t skip
    int64_t limit               # -1: all
    int64_t first               # BY_RANK
    int64_t last
    ZslScoreRange scores
    ZslLexRange lex


cdef bint span_options_or_reply(Ctx* x, int at, Span* s) noexcept nogil:
    while at < x.argc:
        if not s.storing and word_is(x.argv[at], b"withscores"):
            s.with_scores = True
        elif word_is(x.argv[at], b"limit") and at + 2 < x.argc:
            if not i64_or_reply(x, x.argv[at + 1], &s.skip) or not i64_or_reply(x, x.argv[at + 2], &s.limit):
                return False
            at += 2
        elif s.direction == ANY_DIRECTION and word_is(x.argv[at], b"rev"):
            s.direction = BACKWARD
        elif s.by == BY_ANY and word_is(x.argv[at], b"bylex"):
            s.by = BY_LEX
        elif s.by == BY_ANY and word_is(x.argv[at], b"byscore"):
            s.by = BY_SCORE
        else:
            syntax_error(x)
            return False
        at += 1
    if s.direction == ANY_DIRECTION:
        s.direction = FORWARD
    if s.by == BY_ANY:
        s.by = BY_RANK
    return True


cdef bint span_or_reply(Ctx* x, int at, Span* s) noexcept nogil:
    """Bounds at argv[at] and argv[at + 1], options behind them; s.by, s.direction and s.storing are set."""
    cdef Slice lo = x.argv[at], hi = x.argv[at + 1]
    s.with_scores = False
    s.skip = 0
    s.limit = -1
    if not span_options_or_reply(x, at + 2, s):
        return False
    if s.limit != -1 and s.by == BY_RANK:
        err(x, E_ZRANGE_LIMIT)
        return False
    if s.with_scores and s.by == BY_LEX:
        err(x, E_ZRANGE_WITHSCORES)
        return False
    if s.by == BY_RANK:
        return i64_or_reply(x, lo, &s.first) and i64_or_reply(x, hi, &s.last)
    if s.direction == BACKWARD:
        lo, hi = hi, lo
    return (score_range_or_reply(x, lo, hi, &s.scores) if s.by == BY_SCORE
            else lex_range_or_reply(x, lo, hi, &s.lex))


cdef void span_start(ZsetIter* it, const Robj* o, Span* s) noexcept nogil:
    cdef bint backward = s.direction == BACKWARD
    if s.by == BY_SCORE:
        zset_iter_score(it, o, &s.scores, s.skip, s.limit, backward)
    elif s.by == BY_LEX:
        zset_iter_lex(it, o, &s.lex, s.skip, s.limit, backward)
    else:
        if not clamp_ranks(&s.first, &s.last, zset_size(o)):
            s.first = s.last + 1
        zset_iter(it, o, s.first, s.last - s.first + 1, backward)


cdef int range_generic(Ctx* x, By by, Direction direction) noexcept nogil:
    cdef Span s
    cdef ZsetIter it
    cdef ZsetItem e
    cdef Deferred length
    cdef int64_t n = 0
    cdef Robj* o
    s.by = by
    s.direction = direction
    s.storing = False
    if not span_or_reply(x, 2, &s):
        return 0
    o = db_read(x.ks, x.db, x.argv[1])
    if o == NULL:
        return reply_array(x.out, 0)
    if not type_or_reply(x, o, OBJ_ZSET):
        return 0
    span_start(&it, o, &s)
    if s.by == BY_RANK:
        reply_elements_header(x.out, it.left, s.with_scores)
        while zset_next(&it, &e):
            reply_element(x.out, &e, s.with_scores)
        return 0
    length = reply_later(x.out)
    while zset_next(&it, &e):
        reply_element(x.out, &e, s.with_scores)
        n += 1
    reply_length(x.out, length, c'*', 2 * n if s.with_scores and x.out.resp < 3 else n)
    return 0


cdef int zrange_command(Ctx* x) noexcept nogil:
    """ZRANGE key start stop [BYSCORE|BYLEX] [REV] [LIMIT offset count] [WITHSCORES]. O(log n + m)."""
    return range_generic(x, BY_ANY, ANY_DIRECTION)


cdef int zrevrange_command(Ctx* x) noexcept nogil:
    """ZREVRANGE key start stop [WITHSCORES]. O(log n + m)."""
    return range_generic(x, BY_RANK, BACKWARD)


cdef int zrangebyscore_command(Ctx* x) noexcept nogil:
    """ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]. O(log n + m)."""
    return range_generic(x, BY_SCORE, FORWARD)


cdef int zrevrangebyscore_command(Ctx* x) noexcept nogil:
    """ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]. O(log n + m)."""
    return range_generic(x, BY_SCORE, BACKWARD)


cdef int zrangebylex_command(Ctx* x) noexcept nogil:
    """ZRANGEBYLEX key min max [LIMIT offset count]. O(log n + m)."""
    return range_generic(x, BY_LEX, FORWARD)


cdef int zrevrangebylex_command(Ctx* x) noexcept nogil:
    """ZREVRANGEBYLEX key max min [LIMIT offset count]. O(log n + m)."""
    return range_generic(x, BY_LEX, BACKWARD)


cdef int zrangestore_command(Ctx* x) noexcept nogil:
    """ZRANGESTORE dst src min max [BYSCORE|BYLEX] [REV] [LIMIT offset count]. O(log n + m log m)."""
    cdef Span s
    cdef ZsetIter it
    cdef ZsetItem e
    cdef Robj* o
    cdef Robj* to
    s.by = BY_ANY
    s.direction = ANY_DIRECTION
    s.storing = True
    if not span_or_reply(x, 3, &s):
        return 0
    o = db_read(x.ks, x.db, x.argv[2])
    if o == NULL:
        return put_result(x, NULL, x.argv[1], b"zrangestore")
    if not type_or_reply(x, o, OBJ_ZSET):
        return 0
    to = zset_new(x.mem, x.env, x.argv[1], ENC_LISTPACK)
    span_start(&it, o, &s)
    while zset_next(&it, &e):
        if unlikely(zset_add(x.mem, x.env, to, zset_item_score(&e), slice_of(e.member, e.len), 0, NULL)
                    == ZADD_NO_MEMORY):
            robj_free(x.mem, to)
            return err(x, E_OOM_ALLOC)
    if zset_size(to) == 0:
        robj_free(x.mem, to)
        to = NULL
    return put_result(x, to, x.argv[1], b"zrangestore")


# ---------------------------------------------------------------- counting and removing

cdef int zcount_command(Ctx* x) noexcept nogil:
    """ZCOUNT key min max. O(log n)."""
    cdef ZslScoreRange r
    cdef Robj* o
    if not score_range_or_reply(x, x.argv[2], x.argv[3], &r):
        return 0
    o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_ZSET):
        return 0
    return reply_int(x.out, zset_count_score(o, &r) if o != NULL else 0)


cdef int zlexcount_command(Ctx* x) noexcept nogil:
    """ZLEXCOUNT key min max. O(log n)."""
    cdef ZslLexRange r
    cdef Robj* o
    if not lex_range_or_reply(x, x.argv[2], x.argv[3], &r):
        return 0
    o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_ZSET):
        return 0
    return reply_int(x.out, zset_count_lex(o, &r) if o != NULL else 0)


cdef int remove_generic(Ctx* x, By by, const char* event) noexcept nogil:
    cdef Span s
    cdef int64_t n = 0
    cdef Robj* o
    s.by = by
    if by == BY_RANK:
        if not i64_or_reply(x, x.argv[2], &s.first) or not i64_or_reply(x, x.argv[3], &s.last):
            return 0
    elif by == BY_SCORE:
        if not score_range_or_reply(x, x.argv[2], x.argv[3], &s.scores):
            return 0
    elif not lex_range_or_reply(x, x.argv[2], x.argv[3], &s.lex):
        return 0
    o = db_write(x.ks, x.db, x.argv[1])
    if o == NULL:
        return reply_int(x.out, 0)
    if not type_or_reply(x, o, OBJ_ZSET):
        return 0
    if by == BY_RANK:
        if clamp_ranks(&s.first, &s.last, zset_size(o)):
            n = zset_remove_rank(x.mem, o, s.first, s.last)
    elif by == BY_SCORE:
        n = zset_remove_score(x.mem, o, &s.scores)
    else:
        n = zset_remove_lex(x.mem, o, &s.lex)
    if n:
        removed(x, x.argv[1], o, n, event)
    return reply_int(x.out, n)


cdef int zremrangebyrank_command(Ctx* x) noexcept nogil:
    """ZREMRANGEBYRANK key start stop. O(log n + m)."""
    return remove_generic(x, BY_RANK, b"zremrangebyrank")


cdef int zremrangebyscore_command(Ctx* x) noexcept nogil:
    """ZREMRANGEBYSCORE key min max. O(log n + m)."""
    return remove_generic(x, BY_SCORE, b"zremrangebyscore")


cdef int zremrangebylex_command(Ctx* x) noexcept nogil:
    """ZREMRANGEBYLEX key min max. O(log n + m)."""
    return remove_generic(x, BY_LEX, b"zremrangebylex")


bind(b"zrange", zrange_command)
bind(b"zrevrange", zrevrange_command)
bind(b"zrangebyscore", zrangebyscore_command)
bind(b"zrevrangebyscore", zrevrangebyscore_command)
bind(b"zrangebylex", zrangebylex_command)
bind(b"zrevrangebylex", zrevrangebylex_command)
bind(b"zrangestore", zrangestore_command)
bind(b"zcount", zcount_command)
bind(b"zlexcount", zlexcount_command)
bind(b"zremrangebyrank", zremrangebyrank_command)
bind(b"zremrangebyscore", zremrangebyscore_command)
bind(b"zremrangebylex", zremrangebylex_command)
