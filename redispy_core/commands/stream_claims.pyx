"""XCLAIM and XAUTOCLAIM: pending entries change hands. Entries that were deleted leave the PEL on the way."""
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from ..base.mem cimport mem_free, mem_realloc
from ..base.num cimport num_parse_i64
from ..exec.args cimport err_a, range_or_reply, syntax_error, text_slice, word_is
from ..exec.client cimport Ctx
from ..exec.registry cimport bind
from ..keyspace.db cimport db_write
from ..proto.errors cimport E_NOGROUP_KEY, E_XAUTOCLAIM_COUNT, E_XCLAIM_MIN_IDLE, E_XCLAIM_OPTION, E_XCLAIM_VALUE
from ..proto.reply cimport Deferred, Out, out_init, out_splice, reply_array, reply_errorf, reply_later, reply_length
from ..structs.rax cimport RAX_GE, RaxIter, rax_iter_done, rax_iter_init, rax_next, rax_seek
from ..types.stream cimport Stream, StreamIter, stream_group, stream_has, stream_iter, stream_iter_done, stream_step
from ..types.stream_group cimport (ID_BYTES, Consumer, Group, Nack, StreamId, consumer_add, consumer_find, id_less,
                                   id_make, id_of_key, id_to_key, pel_find, pel_force, pel_move, pel_remove)
from .stream_shared cimport (leave_claim, leave_consumer, leave_position, id_or_reply, id_parse, reply_entry, reply_id, start_or_reply, stream_or_reply,
                             unwatched_change)

cdef enum:
    ATTEMPTS = 10                      # PEL entries that XAUTOCLAIM looks at for each that it may claim
    COUNT_DEFAULT = 100

cdef int64_t COUNT_MAX = INT64_MAX // 16

cdef struct ClaimArgs:
    int64_t min_idle_ms
    int64_t when_ms                    # delivery time that claimed entries get
    int64_t deliveries                 # -1: one more than before
    bint force
    bint just_id
    StreamId last_id                   # 0-0: not given


# ---------------------------------------------------------------- arguments

cdef bint min_idle_or_reply(Ctx* x, const char* command, int64_t* ms) noexcept nogil:
    if not num_parse_i64(x.argv[4].ptr, x.argv[4].len, ms):
        err_a(x, E_XCLAIM_MIN_IDLE, text_slice(command))
        return False
    if ms[0] < 0:
        ms[0] = 0
    return True


cdef bint value_or_reply(Ctx* x, int i, const char* option, int64_t* v) noexcept nogil:
    if num_parse_i64(x.argv[i].ptr, x.argv[i].len, v):
        return True
    err_a(x, E_XCLAIM_VALUE, text_slice(option))
    return False


cdef bint claim_options_or_reply(Ctx* x, int i, ClaimArgs* a) noexcept nogil:
    cdef int64_t v = 0
    while i < x.argc:
        if word_is(x.argv[i], b"force"):
            a.force = True
            i += 1
            continue
        if word_is(x.argv[i], b"justid"):
            a.just_id = True
            i += 1
            continue
        if i + 1 < x.argc and word_is(x.argv[i], b"idle"):
            if not value_or_reply(x, i + 1, b"IDLE", &v):
                return False
            a.when_ms = x.env.now_ms - v
        elif i + 1 < x.argc and word_is(x.argv[i], b"time"):
            if not value_or_reply(x, i + 1, b"TIME", &a.when_ms):
                return False
        elif i + 1 < x.argc and word_is(x.argv[i], b"retrycount"):
            if not value_or_reply(x, i + 1, b"RETRYCOUNT", &a.deliveries):
                return False
        elif i + 1 < x.argc and word_is(x.argv[i], b"lastid"):
            if not id_or_reply(x, x.argv[i + 1], &a.last_id):
                return False
        else:
            err_a(x, E_XCLAIM_OPTION, x.argv[i])
            return False
        i += 2
    if a.when_ms < 0 or a.when_ms > x.env.now_ms:
        a.when_ms = x.env.now_ms            # a time to come would let entries never be idle
    return True


cdef bint group_or_reply(Ctx* x, Stream** s, Group** g) noexcept nogil:
    if not stream_or_reply(x, db_write(x.ks, x.db, x.argv[1]), s):
        return False
    g[0] = stream_group(s[0], x.argv[2]) if s[0] != NULL else NULL
    if g[0] == NULL:
        reply_errorf(x.out, E_NOGROUP_KEY, x.argv[1], x.argv[2])
    return g[0] != NULL


cdef Consumer* claimant(Ctx* x, Group* g) noexcept nogil:
    cdef Consumer* c = consumer_find(g, x.argv[3])
    if c == NULL:
        c = consumer_add(x.mem, g, x.argv[3], x.env.now_ms)
        leave_consumer(x, x.argv[1], x.argv[2], x.argv[3])
        unwatched_change(x, x.argv[1], b"xgroup-createconsumer")
    c.seen_ms = x.env.now_ms
    return c


cdef void take(Ctx* x, Stream* s, Group* g, Consumer* c, StreamId id, Nack* n, const ClaimArgs* a) noexcept nogil:
    """The entry is the consumer's now, and answered."""
    cdef StreamIter it
    pel_move(x.mem, g, id, n, c)
    n.delivered_ms = a.when_ms
    if a.deliveries >= 0:
        n.deliveries = <uint64_t>a.deliveries
    elif not a.just_id:
        n.deliveries += 1
    c.active_ms = x.env.now_ms
    leave_claim(x, x.argv[1], x.argv[2], g, x.argv[3], id, n.delivered_ms, n.deliveries)
    x.ks.ev.dirty += 1
    if a.just_id:
        reply_id(x.out, id)
        return
    stream_iter(&it, x.mem, s, id, id, False)
    stream_step(&it)
    reply_entry(x.out, &it)
    stream_iter_done(&it)


# ---------------------------------------------------------------- XCLAIM

cdef bint claim_one(Ctx* x, Stream* s, Group* g, Consumer* c, StreamId id, const ClaimArgs* a) noexcept nogil:
    """True: claimed and answered."""
    cdef Nack* n = pel_find(g, id)
    if not stream_has(x.mem, s, id):
        if n != NULL:
            leave_claim(x, x.argv[1], x.argv[2], g, x.argv[3], id, n.delivered_ms, n.deliveries)
            pel_remove(x.mem, g, id)
            x.ks.ev.dirty += 1
        return False
    if n == NULL:
        if not a.force:
            return False
        n = pel_force(x.mem, g, c, id, a.when_ms, 1)
    elif a.min_idle_ms and x.env.now_ms - n.delivered_ms < a.min_idle_ms:
        return False
    take(x, s, g, c, id, n, a)
    return True


cdef int xclaim_command(Ctx* x) noexcept nogil:
    """XCLAIM key group consumer min-idle-time id [...] [IDLE ms|TIME ms] [RETRYCOUNT n] [FORCE] [JUSTID] [LASTID id].
    O(log N) an entry."""
    cdef int64_t claimed = 0
    cdef Deferred header
    cdef ClaimArgs a
    cdef Consumer* c
    cdef StreamId id
    cdef Stream* s
    cdef Group* g
    cdef int i, end = 5
    if not group_or_reply(x, &s, &g) or not min_idle_or_reply(x, b"XCLAIM", &a.min_idle_ms):
        return 0
    while end < x.argc and id_parse(x.argv[end], 0, &id):
        end += 1
    a.when_ms = x.env.now_ms
    a.deliveries = -1
    a.force = a.just_id = False
    a.last_id = id_make(0, 0)
    if not claim_options_or_reply(x, end, &a):
        return 0
    if id_less(g.last_id, a.last_id):
        g.last_id = a.last_id
        leave_position(x, x.argv[1], x.argv[2], g)
        x.ks.ev.dirty += 1
    c = claimant(x, g)
    header = reply_later(x.out)
    for i in range(5, end):
        id_parse(x.argv[i], 0, &id)
        claimed += claim_one(x, s, g, c, id, &a)
    reply_length(x.out, header, b"*", claimed)
    return 0


# ---------------------------------------------------------------- XAUTOCLAIM

cdef struct GoneIds:                   # deleted entries met on the way
    StreamId* ids
    int64_t n
    int64_t cap


cdef void note_gone(Ctx* x, GoneIds* gone, StreamId id) noexcept nogil:
    if gone.n == gone.cap:
        gone.cap = 2 * gone.cap if gone.cap else 16
        gone.ids = <StreamId*>mem_realloc(x.mem, gone.ids, <size_t>gone.cap * sizeof(StreamId))
    gone.ids[gone.n] = id
    gone.n += 1


cdef StreamId claim_idle(Ctx* x, Stream* s, Group* g, Consumer* c, StreamId start, int64_t count, const ClaimArgs* a,
                         GoneIds* gone) noexcept nogil:
    """Claims from start on and answers with an array. Where to go on; 0-0: the PEL's end."""
    cdef Deferred header = reply_later(x.out)
    cdef int64_t attempts = count * ATTEMPTS if count < INT64_MAX // ATTEMPTS else INT64_MAX
    cdef int64_t claimed = 0
    cdef char[ID_BYTES] text
    cdef StreamId id
    cdef Nack* n
    cdef RaxIter it
    id_to_key(text, start)
    rax_iter_init(&it, x.mem, g.pel)
    rax_seek(&it, RAX_GE, text, ID_BYTES)
    while it.valid and attempts and count:
        attempts -= 1
        id = id_of_key(it.key)
        n = <Nack*>it.value
        if not stream_has(x.mem, s, id):
            leave_claim(x, x.argv[1], x.argv[2], g, x.argv[3], id, n.delivered_ms, n.deliveries)
            pel_remove(x.mem, g, id)
            x.ks.ev.dirty += 1
            note_gone(x, gone, id)
            count -= 1
        elif not a.min_idle_ms or x.env.now_ms - n.delivered_ms >= a.min_idle_ms:
            take(x, s, g, c, id, n, a)
            claimed += 1
            count -= 1
        rax_next(&it)
    id = id_of_key(it.key) if it.valid else id_make(0, 0)
    rax_iter_done(&it)
    reply_length(x.out, header, b"*", claimed)
    return id


cdef int reply_autoclaim(Ctx* x, Stream* s, Group* g, StreamId start, int64_t count, const ClaimArgs* a) noexcept nogil:
    """[ID to go on at, what was claimed, IDs of deleted entries]. The first is known last."""
    cdef Consumer* c = claimant(x, g)
    cdef Out* out = x.out
    cdef GoneIds gone
    cdef StreamId next
    cdef Out rest
    cdef int64_t i
    gone.ids = NULL
    gone.n = gone.cap = 0
    out_init(&rest, out.m, out.pool, out.resp)
    x.out = &rest
    next = claim_idle(x, s, g, c, start, count, a, &gone)
    reply_array(&rest, gone.n)
    for i in range(gone.n):
        reply_id(&rest, gone.ids[i])
    mem_free(x.mem, gone.ids)
    x.out = out
    reply_array(out, 3)
    reply_id(out, next)
    out_splice(out, &rest)
    return 0


cdef int xautoclaim_command(Ctx* x) noexcept nogil:
    """XAUTOCLAIM key group consumer min-idle-time start [COUNT n] [JUSTID]. O(count)."""
    cdef int64_t count = COUNT_DEFAULT
    cdef StreamId start
    cdef ClaimArgs a
    cdef Stream* s
    cdef Group* g
    cdef int i = 6
    a.when_ms = x.env.now_ms
    a.deliveries = -1
    a.just_id = False
    if not min_idle_or_reply(x, b"XAUTOCLAIM", &a.min_idle_ms) or not start_or_reply(x, x.argv[5], &start):
        return 0
    while i < x.argc:
        if i + 1 < x.argc and word_is(x.argv[i], b"count"):
            if not range_or_reply(x, x.argv[i + 1], 1, COUNT_MAX, &count, E_XAUTOCLAIM_COUNT):
                return 0
            i += 2
        elif word_is(x.argv[i], b"justid"):
            a.just_id = True
            i += 1
        else:
            return syntax_error(x)
    if not group_or_reply(x, &s, &g):
        return 0
    return reply_autoclaim(x, s, g, start, count, &a)


bind(b"xclaim", xclaim_command)
bind(b"xautoclaim", xautoclaim_command)
