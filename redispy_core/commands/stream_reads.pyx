"""XREAD and XREADGROUP: several streams at once, waiting for entries to come.

All arguments and keys are looked at before anything is served. A wait runs the command again (exec/blocked); `$` means
the last ID of now, so it is replaced by that ID in the arguments that are kept. `+` stays: the last entry of then.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset
from ..base.mem cimport mem_alloc, mem_free
from ..base.num cimport add_overflows
from ..base.rp cimport unlikely
from ..base.sds cimport Slice, slice_of
from ..exec.args cimport err, err_a, i64_or_err, i64_or_reply, syntax_error, text_slice, word_is
from ..exec.blocked cimport WAKE_ON_LOSS, block_on_keys, can_block
from ..exec.client cimport Ctx
from ..exec.registry cimport bind
from ..keyspace.db cimport db_read
from ..keyspace.journal cimport journal_silent
from ..proto.errors cimport (E_NOGROUP_READ, E_TIMEOUT_INT, E_TIMEOUT_NEGATIVE, E_TIMEOUT_RANGE, E_XREAD_NEW,
                             E_XREAD_OPTION, E_XREAD_UNBALANCED, E_XREADGROUP_ID, E_XREADGROUP_NO_GROUP,
                             E_XREADGROUP_UNBALANCED)
from ..proto.reply cimport Deferred, reply_array, reply_bulk, reply_errorf, reply_later, reply_length, reply_null_array
from ..structs.rax cimport RAX_GE, RaxIter, rax_iter_done, rax_iter_init, rax_next, rax_seek
from ..types.object cimport OBJ_STREAM
from ..types.stream cimport (Stream, StreamIter, stream_count_read, stream_group, stream_iter, stream_iter_done,
                             stream_step)
from ..types.stream_group cimport (ID_BYTES, Consumer, Group, Nack, StreamId, consumer_add, consumer_find, id_is_max,
                                   id_less, id_make, id_of_key, id_to_key, id_up, pel_deliver)
from .stream_shared cimport (ID_TEXT, id_or_reply, id_print, leave_claim, leave_consumer, leave_position, reply_entry,
                             reply_id, stream_or_reply, unwatched_change)

cdef enum:
    FEW = 8                            # streams served without an allocation

cdef enum ReadWhat:
    READ_AFTER = 0                     # what is behind an ID; with a group: that part of the consumer's history
    READ_NEW = 1                       # >
    READ_LAST = 2                      # +

cdef struct ReadStream:
    Stream* s                          # NULL: missing
    Group* g                           # of XREADGROUP
    ReadWhat what
    bint now                           # $
    StreamId after

cdef struct ReadArgs:
    int64_t count                      # 0: all
    int64_t deadline_ms                # 0: none
    bint block
    bint no_ack
    bint grouped                       # this is XREADGROUP
    int group                          # argument; 0: not given
    int keys                           # where they begin; 0: not given
    int n
    ReadStream* streams
    ReadStream[FEW] few


# ---------------------------------------------------------------- arguments

cdef bint block_or_reply(Ctx* x, Slice s, ReadArgs* a) noexcept nogil:
    cdef int64_t ms = 0
    if not i64_or_err(x, s, &ms, E_TIMEOUT_INT):
        return False
    if ms < 0:
        err(x, E_TIMEOUT_NEGATIVE)
        return False
    if ms and add_overflows(x.env.now_ms, ms, &ms):
        err(x, E_TIMEOUT_RANGE)
        return False
    a.block = True
    a.deadline_ms = ms
    return True


cdef bint keys_or_reply(Ctx* x, int first, ReadArgs* a) noexcept nogil:
    if (x.argc - first) & 1:
        err(x, E_XREADGROUP_UNBALANCED if a.grouped else E_XREAD_UNBALANCED)
        return False
    a.keys = first
    a.n = (x.argc - first) // 2
    return True


cdef bint refused_of_xread(Ctx* x, const ReadArgs* a, const char* option) noexcept nogil:
    if not a.grouped:
        err_a(x, E_XREAD_OPTION, text_slice(option))
    return not a.grouped


cdef bint options_or_reply(Ctx* x, ReadArgs* a) noexcept nogil:
    cdef int i = 1
    while i < x.argc and not a.keys:
        if i + 1 < x.argc and word_is(x.argv[i], b"block"):
            if not block_or_reply(x, x.argv[i + 1], a):
                return False
            i += 2
        elif i + 1 < x.argc and word_is(x.argv[i], b"count"):
            if not i64_or_reply(x, x.argv[i + 1], &a.count):
                return False
            if a.count < 0:
                a.count = 0
            i += 2
        elif i + 1 < x.argc and word_is(x.argv[i], b"streams"):
            if not keys_or_reply(x, i + 1, a):
                return False
        elif i + 2 < x.argc and word_is(x.argv[i], b"group"):
            if refused_of_xread(x, a, b"GROUP"):
                return False
            a.group = i + 1
            i += 3
        elif word_is(x.argv[i], b"noack"):
            if refused_of_xread(x, a, b"NOACK"):
                return False
            a.no_ack = True
            i += 1
        else:
            break
    if not a.keys:
        syntax_error(x)
    elif a.grouped and not a.group:
        err(x, E_XREADGROUP_NO_GROUP)
    return a.keys and (a.group or not a.grouped)


cdef bint position_or_reply(Ctx* x, Slice id, const ReadArgs* a, ReadStream* r) noexcept nogil:
    """Where to read from, once key and group are known to be there."""
    cdef char c = id.ptr[0] if id.len == 1 else 0
    if (c == b"$" or c == b"+") and a.grouped:
        reply_errorf(x.out, E_XREADGROUP_ID, id, id)
        return False
    if c == b"$":
        r.now = True
        r.after = r.s.last_id if r.s != NULL else id_make(0, 0)
        return True
    if c == b"+":
        r.what = READ_LAST
        return True
    if c == b">":
        r.what = READ_NEW
        if not a.grouped:
            err(x, E_XREAD_NEW)
        return a.grouped
    if not id_or_reply(x, id, &r.after):
        return False
    if a.grouped and id_is_max(r.after):
        r.what = READ_NEW               # compat: > is the highest ID
    return True


cdef bint streams_or_reply(Ctx* x, ReadArgs* a) noexcept nogil:
    cdef ReadStream* r
    cdef int i
    a.streams = &a.few[0] if a.n <= FEW else <ReadStream*>mem_alloc(x.mem, a.n * sizeof(ReadStream))
    memset(a.streams, 0, a.n * sizeof(ReadStream))
    for i in range(a.n):
        r = &a.streams[i]
        if not stream_or_reply(x, db_read(x.ks, x.db, x.argv[a.keys + i]), &r.s):
            return False
        if a.grouped:
            r.g = stream_group(r.s, x.argv[a.group]) if r.s != NULL else NULL
            if r.g == NULL:
                reply_errorf(x.out, E_NOGROUP_READ, x.argv[a.keys + i], x.argv[a.group])
                return False
        if not position_or_reply(x, x.argv[a.keys + a.n + i], a, r):
            return False
    return True


# ---------------------------------------------------------------- serving

cdef struct Serving:                   # the reply as far as it is written
    Deferred header
    int64_t served


cdef void begin_stream(Ctx* x, Serving* v, Slice key) noexcept nogil:
    if v.served == 0:
        v.header = reply_later(x.out)
    v.served += 1
    if x.out.resp < 3:
        reply_array(x.out, 2)
    reply_bulk(x.out, key.ptr, key.len)


cdef void serve_entries(Ctx* x, const ReadArgs* a, ReadStream* r, Consumer* c, Slice key, Serving* v) noexcept nogil:
    """Entries behind an ID. Those of a group are delivered to consumer c."""
    cdef StreamId start = r.g.last_id if r.g != NULL else r.after
    cdef StreamId top = id_make(<uint64_t>-1, <uint64_t>-1)
    cdef int64_t n = 0, count = a.count
    cdef Deferred header
    cdef StreamIter it
    if r.what == READ_LAST:
        start = id_make(0, 0)
        count = 1
    elif not id_less(start, r.s.last_id) or not id_up(&start):
        return
    stream_iter(&it, x.mem, r.s, start, top, r.what == READ_LAST)
    if stream_step(&it):
        begin_stream(x, v, key)
        header = reply_later(x.out)
        while True:
            reply_entry(x.out, &it)
            n += 1
            if c != NULL:
                stream_count_read(r.s, r.g, it.id)
                if not a.no_ack:
                    pel_deliver(x.mem, r.g, c, it.id, x.env.now_ms)
                    leave_claim(x, key, x.argv[a.group], r.g, x.argv[a.group + 1], it.id, x.env.now_ms, 1)
            if n == count or not stream_step(&it):
                break
        reply_length(x.out, header, b"*", n)
    stream_iter_done(&it)
    if n and c != NULL:
        leave_position(x, key, x.argv[a.group], r.g)
        unwatched_change(x, key, NULL)
        if not a.no_ack:
            c.active_ms = x.env.now_ms


cdef void serve_pending(Ctx* x, Stream* s, StreamId id, Nack* nack) noexcept nogil:
    """[id, fields], which counts as a delivery, or [id, null] where the entry is deleted."""
    cdef StreamIter it
    stream_iter(&it, x.mem, s, id, id, False)
    if stream_step(&it):
        reply_entry(x.out, &it)
        nack.delivered_ms = x.env.now_ms
        nack.deliveries += 1
    else:
        reply_array(x.out, 2)
        reply_id(x.out, id)
        reply_null_array(x.out)
    stream_iter_done(&it)


cdef void serve_history(Ctx* x, const ReadArgs* a, ReadStream* r, Consumer* c, Slice key, Serving* v) noexcept nogil:
    """What is pending for the consumer behind an ID."""
    cdef char[ID_BYTES] text
    cdef StreamId start = r.after
    cdef Deferred header
    cdef int64_t n = 0
    cdef RaxIter it
    begin_stream(x, v, key)
    if c.pel == NULL or not id_up(&start):
        reply_array(x.out, 0)
        return
    header = reply_later(x.out)
    id_to_key(text, start)
    rax_iter_init(&it, x.mem, c.pel)
    rax_seek(&it, RAX_GE, text, ID_BYTES)
    while it.valid and (a.count == 0 or n < a.count):
        serve_pending(x, r.s, id_of_key(it.key), <Nack*>it.value)
        n += 1
        rax_next(&it)
    rax_iter_done(&it)
    reply_length(x.out, header, b"*", n)


cdef Consumer* consumer_for(Ctx* x, Group* g, Slice group, Slice name, Slice key, bint noack) noexcept nogil:
    """The consumer, seen now; made when it is new. What it is given makes it elsewhere, too, but with NOACK."""
    cdef Consumer* c = consumer_find(g, name)
    if c == NULL:
        c = consumer_add(x.mem, g, name, x.env.now_ms)
        if noack:
            leave_consumer(x, key, group, name)
        else:
            journal_silent(&x.ks.journal)
        unwatched_change(x, key, b"xgroup-createconsumer")
    c.seen_ms = x.env.now_ms
    return c


cdef bint serve(Ctx* x, ReadArgs* a) noexcept nogil:
    """Answers with what there is. False: nothing, and nothing written."""
    cdef Consumer* c = NULL
    cdef ReadStream* r
    cdef Serving v
    cdef Slice key
    cdef int i
    v.served = 0
    for i in range(a.n):
        r = &a.streams[i]
        key = x.argv[a.keys + i]
        if r.s == NULL:
            continue
        if a.grouped:
            c = consumer_for(x, r.g, x.argv[a.group], x.argv[a.group + 1], key, a.no_ack)
        if a.grouped and r.what != READ_NEW:
            serve_history(x, a, r, c, key, &v)
        else:
            serve_entries(x, a, r, c, key, &v)
    if v.served:
        reply_length(x.out, v.header, b"%" if x.out.resp > 2 else b"*", v.served)
    return v.served != 0


# ---------------------------------------------------------------- waiting

cdef int wait(Ctx* x, ReadArgs* a) noexcept nogil:
    """Waits for the keys; `$` is kept as the ID it stands for."""
    cdef Slice* given = <Slice*>mem_alloc(x.mem, a.n * (sizeof(Slice) + ID_TEXT))
    cdef char* texts = <char*>(given + a.n)
    cdef Slice* ids = &x.argv[a.keys + a.n]
    cdef int i
    for i in range(a.n):
        given[i] = ids[i]
        if a.streams[i].now:
            ids[i] = slice_of(texts + i * ID_TEXT, id_print(texts + i * ID_TEXT, a.streams[i].after))
    block_on_keys(x, OBJ_STREAM, &x.argv[a.keys], a.n, a.deadline_ms, NULL, WAKE_ON_LOSS if a.grouped else 0)
    for i in range(a.n):
        ids[i] = given[i]
    mem_free(x.mem, given)
    return 0


cdef int read_generic(Ctx* x, bint grouped) noexcept nogil:
    cdef ReadArgs a
    memset(&a, 0, sizeof(ReadArgs) - sizeof(a.few))
    a.grouped = grouped
    if not options_or_reply(x, &a):
        return 0
    if streams_or_reply(x, &a) and not serve(x, &a):
        if a.block and can_block(x):
            wait(x, &a)
        else:
            reply_null_array(x.out)
    if unlikely(a.streams != NULL and a.streams != &a.few[0]):
        mem_free(x.mem, a.streams)
    return 0


cdef int xread_command(Ctx* x) noexcept nogil:
    """XREAD [COUNT n] [BLOCK ms] STREAMS key [...] id|$|+ [...]. O(log S + N) a stream."""
    return read_generic(x, False)


cdef int xreadgroup_command(Ctx* x) noexcept nogil:
    """XREADGROUP GROUP group consumer [COUNT n] [BLOCK ms] [NOACK] STREAMS key [...] id|> [...]. As XREAD."""
    return read_generic(x, True)


bind(b"xread", xread_command)
bind(b"xreadgroup", xreadgroup_command)
