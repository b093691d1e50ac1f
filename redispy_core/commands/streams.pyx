"""Commands on the entries of streams. Reading many at once is in stream_reads, groups are in stream_groups."""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset
from ..base.num cimport num_parse_i64
from ..base.rp cimport likely, unlikely
from ..base.sds cimport Slice, slice_of
from ..exec.args cimport err, i64_or_reply, syntax_error, word_is, wrong_arity
from ..exec.client cimport CL_PRIMARY, Ctx
from ..exec.registry cimport bind
from ..keyspace.db cimport db_add, db_read, key_changed, key_event
from ..keyspace.events cimport EV_STREAM
from ..keyspace.journal cimport *
from ..proto.errors cimport (E_NO_SUCH_KEY, E_NUMIDS_MATCH, E_NUMIDS_POSITIVE, E_OOM_ALLOC, E_TRIM_BOTH, E_TRIM_LIMIT,
                             E_TRIM_LIMIT_ALONE, E_TRIM_LIMIT_EXACT, E_TRIM_MAXLEN, E_XADD_EXHAUSTED, E_XADD_SMALLER,
                             E_XADD_TOO_LARGE, E_XADD_ZERO, E_XSETID_ADDED, E_XSETID_DELETED, E_XSETID_GIVEN_DELETED,
                             E_XSETID_LENGTH, E_XSETID_TOP)
from ..proto.reply cimport reply_array, reply_int, reply_null, reply_null_array, reply_ok
from ..types.stream cimport (APPEND_TOO_LARGE, APPENDED, AppendResult, REF_ACKED, REF_DELETE, REF_KEEP, RefPolicy,
                             Stream, Trim, TRIM_MAXLEN, TRIM_MINID, TRIM_NONE, stream_append, stream_boxed,
                             stream_delete, stream_free, stream_group, stream_last, stream_new, stream_next_id,
                             stream_next_seq, stream_referenced, stream_release, stream_trim)
from ..types.stream_group cimport Group, StreamId, id_is_max, id_is_zero, id_less, pel_remove
from .stream_shared cimport (end_or_reply, id_or_reply, id_parse, id_print, ID_TEXT, ids_or_reply, ms_parse, ref_word, reply_id,
                             reply_range, start_or_reply, stream_or_reply, unwatched_change, write_stream_or_reply)

cdef enum:
    LIMIT_NODES = 100                  # entries trimmed by ~ without LIMIT: that many full nodes
    LIMIT_UNBOUNDED = 10000            # ... where nodes have no limit of entries
    LIMIT_MAX = 1000000

cdef struct AddArgs:                   # what stands before the fields of XADD, and all of XTRIM
    Trim trim
    bint limit_given
    bint refs_given
    bint no_create
    bint auto_id                       # *
    bint auto_seq                      # ms-*
    StreamId id
    int fields                         # where they begin


# ---------------------------------------------------------------- arguments of XADD and XTRIM

cdef bint trim_or_reply(Ctx* x, int* i, AddArgs* a) noexcept nogil:
    """MAXLEN or MINID at i, with a threshold. i goes behind it."""
    cdef bint by_id = word_is(x.argv[i[0]], b"minid")
    if a.trim.by != TRIM_NONE:
        err(x, E_TRIM_BOTH)
        return False
    a.trim.by = TRIM_MINID if by_id else TRIM_MAXLEN
    i[0] += 1
    if i[0] + 1 < x.argc and x.argv[i[0]].len == 1 and x.argv[i[0]].ptr[0] in b"~=":
        a.trim.approx = x.argv[i[0]].ptr[0] == b"~"
        i[0] += 1
    if by_id:
        if not id_or_reply(x, x.argv[i[0]], &a.trim.minid):
            return False
    else:
        if not i64_or_reply(x, x.argv[i[0]], &a.trim.maxlen):
            return False
        if a.trim.maxlen < 0:
            err(x, E_TRIM_MAXLEN)
            return False
    i[0] += 1
    return True


cdef bint limit_or_reply(Ctx* x, int i, AddArgs* a) noexcept nogil:
    if not i64_or_reply(x, x.argv[i], &a.trim.limit):
        return False
    if a.trim.limit < 0:
        err(x, E_TRIM_LIMIT)
        return False
    a.limit_given = True
    return True


cdef bint new_id_or_reply(Ctx* x, Slice s, AddArgs* a) noexcept nogil:
    """XADD's ID: *, ms-* or a full one."""
    if s.len == 1 and s.ptr[0] == b"*":
        a.auto_id = True
        return True
    if s.len > 2 and s.ptr[s.len - 1] == b"*" and s.ptr[s.len - 2] == b"-" \
            and ms_parse(slice_of(s.ptr, s.len - 2), &a.id.ms):
        a.auto_seq = True
        return True
    return id_or_reply(x, s, &a.id)


cdef bint check_limit_or_reply(Ctx* x, AddArgs* a) noexcept nogil:
    cdef int64_t entries = x.env.knobs.stream_node_max_entries
    if a.limit_given:
        if a.trim.by == TRIM_NONE:
            err(x, E_TRIM_LIMIT_ALONE)
            return False
        if not a.trim.approx and not x.client.flags & CL_PRIMARY:
            err(x, E_TRIM_LIMIT_EXACT)
            return False
    elif a.trim.approx:
        a.trim.limit = LIMIT_UNBOUNDED
        if entries > 0:
            a.trim.limit = LIMIT_NODES * entries if entries < LIMIT_MAX // LIMIT_NODES else LIMIT_MAX
    return True


cdef bint add_args_or_reply(Ctx* x, bint adding, AddArgs* a) noexcept nogil:
    cdef int i = 2
    cdef Slice s
    memset(a, 0, sizeof(AddArgs))
    while i < x.argc:
        s = x.argv[i]
        if i + 1 < x.argc and (word_is(s, b"maxlen") or word_is(s, b"minid")):
            if not trim_or_reply(x, &i, a):
                return False
        elif i + 1 < x.argc and word_is(s, b"limit"):
            if not limit_or_reply(x, i + 1, a):
                return False
            i += 2
        elif adding and word_is(s, b"nomkstream"):
            a.no_create = True
            i += 1
        elif not a.refs_given and ref_word(s, &a.trim.refs):
            a.refs_given = True
            i += 1
        elif adding:
            if not new_id_or_reply(x, s, a):
                return False
            i += 1
            break
        else:
            syntax_error(x)
            return False
    a.fields = i
    return check_limit_or_reply(x, a)


# ---------------------------------------------------------------- XADD, XTRIM

cdef bint place_or_reply(Ctx* x, const Stream* s, AddArgs* a) noexcept nogil:
    """The ID of the new entry."""
    if unlikely(id_is_max(s.last_id)):
        err(x, E_XADD_EXHAUSTED)
        return False
    if a.auto_id:
        return stream_next_id(s, x.env.now_ms, &a.id)
    if a.auto_seq:
        if stream_next_seq(s, a.id.ms, &a.id):
            return True
    elif id_less(s.last_id, a.id):
        return True
    err(x, E_XADD_SMALLER)
    return False


cdef bint append_or_reply(Ctx* x, Stream* s, AddArgs* a) noexcept nogil:
    cdef AppendResult result
    if not place_or_reply(x, s, a):
        return False
    result = stream_append(x.mem, &x.env.knobs, s, a.id, &x.argv[a.fields], (x.argc - a.fields) // 2)
    if likely(result == APPENDED):
        return True
    err(x, E_XADD_TOO_LARGE if result == APPEND_TOO_LARGE else E_OOM_ALLOC)
    return False


cdef void say_trim(Ctx* x, const Stream* s, const AddArgs* a) noexcept nogil:
    """What an approximate threshold came to: four words, with what becomes of references."""
    cdef Journal* j = &x.ks.journal
    cdef char[ID_TEXT] text
    if a.trim.by == TRIM_MAXLEN or s.length == 0:
        journal_text(j, b"MAXLEN")
        journal_text(j, b"=")
        journal_arg_i64(j, a.trim.maxlen if not a.trim.approx else <int64_t>s.length)
    else:
        journal_text(j, b"MINID")
        journal_text(j, b"=")
        journal_arg(j, slice_of(text, id_print(text, a.trim.minid if not a.trim.approx else s.first_id)))


cdef void say_refs(Ctx* x, const AddArgs* a) noexcept nogil:
    cdef RefPolicy refs = a.trim.refs
    if a.refs_given:
        journal_text(&x.ks.journal, b"DELREF" if refs == REF_DELETE else b"ACKED" if refs == REF_ACKED else b"KEEPREF")


cdef void leave_as_xadd(Ctx* x, const Stream* s, const AddArgs* a) noexcept nogil:
    cdef Journal* j = &x.ks.journal
    cdef char[ID_TEXT] text
    cdef int i
    cdef bint trims = a.trim.by != TRIM_NONE
    journal_begin(j, x.db.id, 3 + a.no_create + a.refs_given + 3 * trims + x.argc - a.fields)
    journal_text(j, b"XADD")
    journal_arg(j, x.argv[1])
    if a.no_create:
        journal_text(j, b"NOMKSTREAM")
    say_refs(x, a)
    if trims:
        say_trim(x, s, a)
    journal_arg(j, slice_of(text, id_print(text, a.id)))
    for i in range(a.fields, x.argc):
        journal_arg(j, x.argv[i])


cdef void leave_as_xtrim(Ctx* x, const Stream* s, const AddArgs* a) noexcept nogil:
    journal_begin(&x.ks.journal, x.db.id, 5 + a.refs_given)
    journal_text(&x.ks.journal, b"XTRIM")
    journal_arg(&x.ks.journal, x.argv[1])
    say_trim(x, s, a)
    say_refs(x, a)


cdef int xadd_command(Ctx* x) noexcept nogil:
    """XADD key [NOMKSTREAM] [KEEPREF|DELREF|ACKED] [MAXLEN|MINID [=|~] threshold [LIMIT n]] *|id field value [...].
    O(1) and what is trimmed."""
    cdef AddArgs a
    cdef Stream* s
    cdef bint missing
    if not add_args_or_reply(x, True, &a):
        return 0
    if x.argc - a.fields < 2 or (x.argc - a.fields) & 1:
        return wrong_arity(x)
    if unlikely(not a.auto_id and not a.auto_seq and id_is_zero(a.id)):
        return err(x, E_XADD_ZERO)
    if not write_stream_or_reply(x, &s):
        return 0
    missing = s == NULL
    if missing:
        if a.no_create:
            return reply_null(x.out)
        s = stream_new(x.mem)
    if not append_or_reply(x, s, &a):
        if missing:
            stream_free(x.mem, s)
        return 0
    if missing:
        db_add(x.ks, x.db, stream_boxed(x.mem, x.argv[1], s))
    key_changed(x.ks, x.db, x.argv[1], EV_STREAM, b"xadd")
    if a.trim.by != TRIM_NONE and stream_trim(x.mem, s, &a.trim):
        key_event(x.ks, x.db, x.argv[1], EV_STREAM, b"xtrim")
    if unlikely(journaling(&x.ks.journal)) and (a.auto_id or a.auto_seq or a.trim.approx):
        leave_as_xadd(x, s, &a)
    return reply_id(x.out, a.id)


cdef int xtrim_command(Ctx* x) noexcept nogil:
    """XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT n] [KEEPREF|DELREF|ACKED]. O(N), N the entries that go."""
    cdef AddArgs a
    cdef Stream* s
    cdef int64_t n
    if not add_args_or_reply(x, False, &a):
        return 0
    if a.trim.by == TRIM_NONE:
        return syntax_error(x)
    if not write_stream_or_reply(x, &s):
        return 0
    n = stream_trim(x.mem, s, &a.trim) if s != NULL else 0
    if n:
        if unlikely(journaling(&x.ks.journal)) and a.trim.approx:
            leave_as_xtrim(x, s, &a)
        x.ks.ev.dirty += n - 1
        key_changed(x.ks, x.db, x.argv[1], EV_STREAM, b"xtrim")
    return reply_int(x.out, n)


# ---------------------------------------------------------------- reading

cdef int xlen_command(Ctx* x) noexcept nogil:
    """XLEN key. O(1)."""
    cdef Stream* s
    if not stream_or_reply(x, db_read(x.ks, x.db, x.argv[1]), &s):
        return 0
    return reply_int(x.out, <int64_t>s.length if s != NULL else 0)


cdef int range_generic(Ctx* x, bint reverse) noexcept nogil:
    cdef StreamId start, end
    cdef int64_t count = -1
    cdef bint counted = False
    cdef Stream* s
    cdef int i
    cdef int first = 3 if reverse else 2
    if not start_or_reply(x, x.argv[first], &start) or not end_or_reply(x, x.argv[5 - first], &end):
        return 0
    for i in range(4, x.argc, 2):
        if i + 1 == x.argc or not word_is(x.argv[i], b"count"):
            return syntax_error(x)
        if not i64_or_reply(x, x.argv[i + 1], &count):
            return 0
        counted = True
    if not stream_or_reply(x, db_read(x.ks, x.db, x.argv[1]), &s):
        return 0
    if s == NULL:
        return reply_array(x.out, 0)
    if counted and count <= 0:
        return reply_null_array(x.out)          # compat: none wanted is a null, none there an empty array
    reply_range(x, s, start, end, reverse, count)
    return 0


cdef int xrange_command(Ctx* x) noexcept nogil:
    """XRANGE key start end [COUNT n]. O(log S + N)."""
    return range_generic(x, False)


cdef int xrevrange_command(Ctx* x) noexcept nogil:
    """XREVRANGE key end start [COUNT n]. O(log S + N)."""
    return range_generic(x, True)


# ---------------------------------------------------------------- deleting

cdef inline void entries_deleted(Ctx* x, int64_t n, int64_t dirty) noexcept nogil:
    if n:
        x.ks.ev.dirty -= 1
        key_changed(x.ks, x.db, x.argv[1], EV_STREAM, b"xdel")
    x.ks.ev.dirty += dirty


cdef int xdel_command(Ctx* x) noexcept nogil:
    """XDEL key id [id ...]. O(log S) an entry."""
    cdef StreamId id
    cdef Stream* s
    cdef int64_t n = 0
    cdef int i
    if not write_stream_or_reply(x, &s):
        return 0
    if s == NULL:
        return reply_int(x.out, 0)
    if not ids_or_reply(x, 2, x.argc):
        return 0
    for i in range(2, x.argc):
        id_parse(x.argv[i], 0, &id)
        n += stream_delete(x.mem, s, id)
    entries_deleted(x, n, n)
    return reply_int(x.out, n)


cdef struct IdBlock:                   # [KEEPREF|DELREF|ACKED] IDS n id [id ...]
    RefPolicy refs
    int first
    int end


cdef bint id_block_or_reply(Ctx* x, int i, IdBlock* b) noexcept nogil:
    cdef bint refs_given = False
    cdef int64_t n = 0
    b.refs = REF_KEEP
    b.first = b.end = 0
    while i < x.argc:
        if not refs_given and ref_word(x.argv[i], &b.refs):
            refs_given = True
            i += 1
        elif i + 2 < x.argc and word_is(x.argv[i], b"ids"):
            if not num_parse_i64(x.argv[i + 1].ptr, x.argv[i + 1].len, &n) or n <= 0:
                err(x, E_NUMIDS_POSITIVE)
                return False
            if n > x.argc - i - 2:
                err(x, E_NUMIDS_MATCH)
                return False
            b.first = i + 2
            b.end = b.first + <int>n
            i = b.end
        else:
            syntax_error(x)
            return False
    if b.end == 0:
        syntax_error(x)
        return False
    return True


cdef int all_absent(Ctx* x, const IdBlock* b) noexcept nogil:
    cdef int i
    reply_array(x.out, b.end - b.first)
    for i in range(b.first, b.end):
        reply_int(x.out, -1)
    return 0


cdef int xdelex_command(Ctx* x) noexcept nogil:
    """XDELEX key [KEEPREF|DELREF|ACKED] IDS n id [id ...]. O(log S + groups) an entry. Each: 1 deleted, 2 still awaits
    acknowledgement, -1 absent."""
    cdef StreamId id
    cdef IdBlock b
    cdef Stream* s
    cdef int64_t n = 0
    cdef bint gone
    cdef int i
    if not id_block_or_reply(x, 2, &b) or not write_stream_or_reply(x, &s):
        return 0
    if s == NULL:
        return all_absent(x, &b)
    if not ids_or_reply(x, b.first, b.end):
        return 0
    reply_array(x.out, b.end - b.first)
    for i in range(b.first, b.end):
        id_parse(x.argv[i], 0, &id)
        if b.refs == REF_ACKED and stream_referenced(s, id):
            reply_int(x.out, 2)
            continue
        if b.refs == REF_DELETE:
            stream_release(x.mem, s, id)
        gone = stream_delete(x.mem, s, id)
        n += gone
        reply_int(x.out, 1 if gone else -1)
    entries_deleted(x, n, n)
    return 0


cdef int xackdel_command(Ctx* x) noexcept nogil:
    """XACKDEL key group [KEEPREF|DELREF|ACKED] IDS n id [id ...]. O(log S + groups) an entry. Each: 1 acknowledged and
    deleted, 2 acknowledged, but others still have to, -1 was not pending."""
    cdef StreamId id
    cdef IdBlock b
    cdef Stream* s
    cdef Group* g
    cdef int64_t acked = 0, gone = 0
    cdef int i
    if not id_block_or_reply(x, 3, &b) or not write_stream_or_reply(x, &s):
        return 0
    g = stream_group(s, x.argv[2]) if s != NULL else NULL
    if g == NULL:
        return all_absent(x, &b)
    if not ids_or_reply(x, b.first, b.end):
        return 0
    reply_array(x.out, b.end - b.first)
    for i in range(b.first, b.end):
        id_parse(x.argv[i], 0, &id)
        if not pel_remove(x.mem, g, id):
            reply_int(x.out, -1)
            continue
        acked += 1
        if b.refs == REF_ACKED and stream_referenced(s, id):
            reply_int(x.out, 2)
            continue
        if b.refs == REF_DELETE:
            stream_release(x.mem, s, id)
        gone += stream_delete(x.mem, s, id)
        reply_int(x.out, 1)
    entries_deleted(x, gone, acked)
    return 0


# ---------------------------------------------------------------- XSETID

cdef struct SetIdArgs:
    int64_t added                      # -1: not given
    StreamId deleted                   # 0-0: not given


cdef bint set_id_args_or_reply(Ctx* x, const StreamId* id, SetIdArgs* a) noexcept nogil:
    cdef int i
    a.added = -1
    a.deleted.ms = a.deleted.seq = 0
    for i in range(3, x.argc, 2):
        if i + 1 < x.argc and word_is(x.argv[i], b"entriesadded"):
            if not i64_or_reply(x, x.argv[i + 1], &a.added):
                return False
            if a.added < 0:
                err(x, E_XSETID_ADDED)
                return False
        elif i + 1 < x.argc and word_is(x.argv[i], b"maxdeletedid"):
            if not id_or_reply(x, x.argv[i + 1], &a.deleted):
                return False
            if id_less(id[0], a.deleted):
                err(x, E_XSETID_GIVEN_DELETED)
                return False
        else:
            syntax_error(x)
            return False
    return True


cdef int xsetid_command(Ctx* x) noexcept nogil:
    """XSETID key last-id [ENTRIESADDED n] [MAXDELETEDID id]. O(1)."""
    cdef StreamId id, top
    cdef SetIdArgs a
    cdef Stream* s
    if not id_or_reply(x, x.argv[2], &id) or not set_id_args_or_reply(x, &id, &a) or not write_stream_or_reply(x, &s):
        return 0
    if s == NULL:
        return err(x, E_NO_SUCH_KEY)
    if id_less(id, s.max_deleted):
        return err(x, E_XSETID_DELETED)
    if s.length and stream_last(x.mem, s, &top):
        if id_less(id, top):
            return err(x, E_XSETID_TOP)
        if a.added != -1 and a.added < <int64_t>s.length:
            return err(x, E_XSETID_LENGTH)
    s.last_id = id
    if a.added != -1:
        s.entries_added = <uint64_t>a.added
    if not id_is_zero(a.deleted):
        s.max_deleted = a.deleted
    unwatched_change(x, x.argv[1], b"xsetid")
    return reply_ok(x.out)


bind(b"xadd", xadd_command)
bind(b"xtrim", xtrim_command)
bind(b"xlen", xlen_command)
bind(b"xrange", xrange_command)
bind(b"xrevrange", xrevrange_command)
bind(b"xdel", xdel_command)
bind(b"xdelex", xdelex_command)
bind(b"xackdel", xackdel_command)
bind(b"xsetid", xsetid_command)
