"""What the files of stream commands share (contract: stream_shared.pxd)."""
from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport strtoull
from libc.string cimport memchr, memcpy
from ..base.num cimport num_parse_i64, num_parse_u64, num_print_u64
from ..base.rp cimport likely
from ..base.sds cimport Slice, slice_of
from ..exec.args cimport err, type_or_reply, word_is
from ..exec.client cimport Ctx
from ..keyspace.db cimport db_write, key_event
from ..keyspace.events cimport EV_STREAM
from ..keyspace.journal cimport *
from ..proto.errors cimport E_STREAM_END, E_STREAM_ID, E_STREAM_START
from ..proto.reply cimport Deferred, Out, reply_array, reply_bulk, reply_later, reply_length
from ..types.object cimport OBJ_STREAM, Robj
from ..types.stream cimport (REF_ACKED, REF_DELETE, REF_KEEP, RefPolicy, Stream, StreamIter, stream_field, stream_iter,
                             stream_iter_done, stream_of, stream_step)
from ..types.stream_group cimport Group, StreamId, id_down, id_make, id_up

cdef enum:
    ID_MAX_LEN = 127                   # longer texts are no IDs
    MINUS = 45
    PLUS = 43
    PARENTHESIS = 40

cdef uint64_t TOP = <uint64_t>-1


# ---------------------------------------------------------------- IDs

cdef bint lenient_u64(const char* s, size_t n, uint64_t* out) noexcept nogil:
    # compat: what is no plain number is read as C reads an unsigned one: leading blanks, +, zeros, even a minus.
    global errno
    cdef char[ID_MAX_LEN + 1] text
    cdef char* end = text
    cdef int64_t v
    if n == 0 or (num_parse_i64(s, n, &v) and v < 0):
        return False
    memcpy(text, s, n)
    text[n] = 0
    errno = 0
    out[0] = strtoull(text, &end, 10)
    return errno == 0 and end != text and end[0] == 0


cdef inline bint part_parse(const char* s, size_t n, uint64_t* out) noexcept nogil:
    return num_parse_u64(s, n, out) or lenient_u64(s, n, out)


cdef bint ms_parse(Slice s, uint64_t* ms) noexcept nogil:
    return s.len <= ID_MAX_LEN and part_parse(s.ptr, s.len, ms)


cdef bint id_parse(Slice s, uint64_t seq, StreamId* id) noexcept nogil:
    cdef const char* dash
    cdef const char* nul
    if s.len == 0 or s.len > ID_MAX_LEN:
        return False
    nul = <const char*>memchr(s.ptr, 0, s.len)
    if nul != NULL:
        s.len = nul - s.ptr            # compat: an ID ends at a NUL
    dash = <const char*>memchr(s.ptr, MINUS, s.len)
    if dash == NULL:
        id.seq = seq
        return part_parse(s.ptr, s.len, &id.ms)
    return part_parse(s.ptr, dash - s.ptr, &id.ms) and part_parse(dash + 1, s.ptr + s.len - dash - 1, &id.seq)


cdef bint id_or_reply(Ctx* x, Slice s, StreamId* id) noexcept nogil:
    if id_parse(s, 0, id):
        return True
    err(x, E_STREAM_ID)
    return False


cdef bint bound_or_reply(Ctx* x, Slice s, uint64_t seq, StreamId* id) noexcept nogil:
    if s.len == 1 and s.ptr[0] == MINUS:
        id[0] = id_make(0, 0)
    elif s.len == 1 and s.ptr[0] == PLUS:
        id[0] = id_make(TOP, TOP)
    elif not id_parse(s, seq, id):
        err(x, E_STREAM_ID)
        return False
    return True


cdef inline bint is_open(Slice s) noexcept nogil:
    return s.len > 1 and s.ptr[0] == PARENTHESIS


cdef bint start_or_reply(Ctx* x, Slice s, StreamId* id) noexcept nogil:
    if not is_open(s):
        return bound_or_reply(x, s, 0, id)
    if not id_parse(slice_of(s.ptr + 1, s.len - 1), 0, id):
        err(x, E_STREAM_ID)
        return False
    if not id_up(id):
        err(x, E_STREAM_START)
        return False
    return True


cdef bint end_or_reply(Ctx* x, Slice s, StreamId* id) noexcept nogil:
    if not is_open(s):
        return bound_or_reply(x, s, TOP, id)
    if not id_parse(slice_of(s.ptr + 1, s.len - 1), TOP, id):
        err(x, E_STREAM_ID)
        return False
    if not id_down(id):
        err(x, E_STREAM_END)
        return False
    return True


cdef bint edge_or_reply(Ctx* x, Slice s, StreamId* id) noexcept nogil:
    return bound_or_reply(x, s, 0, id)


cdef bint ids_or_reply(Ctx* x, int first, int end) noexcept nogil:
    cdef StreamId id
    cdef int i
    for i in range(first, end):
        if not id_or_reply(x, x.argv[i], &id):
            return False
    return True


cdef int id_print(char* text, StreamId id) noexcept nogil:
    cdef int n = num_print_u64(text, id.ms)
    text[n] = MINUS
    return n + 1 + num_print_u64(text + n + 1, id.seq)


cdef int reply_id(Out* o, StreamId id) noexcept nogil:
    cdef char[ID_TEXT] text
    return reply_bulk(o, text, id_print(text, id))


# ---------------------------------------------------------------- entries

cdef void reply_entry(Out* o, StreamIter* it) noexcept nogil:
    cdef Slice name, value
    cdef int64_t i
    reply_array(o, 2)
    reply_id(o, it.id)
    reply_array(o, 2 * it.fields)
    for i in range(it.fields):
        stream_field(it, &name, &value)
        reply_bulk(o, name.ptr, name.len)
        reply_bulk(o, value.ptr, value.len)


cdef int64_t reply_range(Ctx* x, const Stream* s, StreamId start, StreamId end, bint reverse,
                         int64_t count) noexcept nogil:
    cdef Deferred later = reply_later(x.out)
    cdef int64_t n = 0
    cdef StreamIter it
    stream_iter(&it, x.mem, s, start, end, reverse)
    while (count <= 0 or n < count) and stream_step(&it):
        reply_entry(x.out, &it)
        n += 1
    stream_iter_done(&it)
    reply_length(x.out, later, b'*', n)
    return n


# ---------------------------------------------------------------- keys and groups

cdef bint stream_or_reply(Ctx* x, Robj* o, Stream** s) noexcept nogil:
    s[0] = NULL
    if not type_or_reply(x, o, OBJ_STREAM):
        return False
    if o != NULL:
        s[0] = stream_of(o)
    return True


cdef bint write_stream_or_reply(Ctx* x, Stream** s) noexcept nogil:
    return stream_or_reply(x, db_write(x.ks, x.db, x.argv[1]), s)


cdef bint ref_word(Slice s, RefPolicy* refs) noexcept nogil:
    if word_is(s, b"keepref"):
        refs[0] = REF_KEEP
    elif word_is(s, b"delref"):
        refs[0] = REF_DELETE
    elif word_is(s, b"acked"):
        refs[0] = REF_ACKED
    else:
        return False
    return True


cdef void unwatched_change(Ctx* x, Slice key, const char* event) noexcept nogil:
    # compat: changes of groups neither break WATCH nor invalidate what clients keep.
    x.ks.ev.dirty += 1
    if event != NULL:
        key_event(x.ks, x.db, key, EV_STREAM, event)


# ---------------------------------------------------------------- what leaves

cdef void say_id(Journal* j, StreamId id) noexcept nogil:
    cdef char[ID_TEXT] text
    journal_arg(j, slice_of(text, id_print(text, id)))


cdef void leave_consumer(Ctx* x, Slice key, Slice group, Slice consumer) noexcept nogil:
    cdef Journal* j = &x.ks.journal
    if likely(not journaling(j)):
        return
    journal_begin(j, x.db.id, 5)
    journal_text(j, b"XGROUP")
    journal_text(j, b"CREATECONSUMER")
    journal_arg(j, key)
    journal_arg(j, group)
    journal_arg(j, consumer)


cdef void leave_position(Ctx* x, Slice key, Slice group, const Group* g) noexcept nogil:
    cdef Journal* j = &x.ks.journal
    if likely(not journaling(j)):
        return
    journal_begin(j, x.db.id, 7)
    journal_text(j, b"XGROUP")
    journal_text(j, b"SETID")
    journal_arg(j, key)
    journal_arg(j, group)
    say_id(j, g.last_id)
    journal_text(j, b"ENTRIESREAD")
    journal_arg_i64(j, g.entries_read)


cdef void leave_claim(Ctx* x, Slice key, Slice group, const Group* g, Slice consumer, StreamId id, int64_t when_ms,
                      uint64_t deliveries) noexcept nogil:
    """An entry's new owner, with time and count as they are; the receiver drops it where the entry is no more."""
    cdef Journal* j = &x.ks.journal
    if likely(not journaling(j)):
        return
    journal_begin(j, x.db.id, 14)
    journal_text(j, b"XCLAIM")
    journal_arg(j, key)
    journal_arg(j, group)
    journal_arg(j, consumer)
    journal_text(j, b"0")
    say_id(j, id)
    journal_text(j, b"TIME")
    journal_arg_i64(j, when_ms)
    journal_text(j, b"RETRYCOUNT")
    journal_arg_i64(j, <int64_t>deliveries)
    journal_text(j, b"FORCE")
    journal_text(j, b"JUSTID")
    journal_text(j, b"LASTID")
    say_id(j, g.last_id)
