"""Commands on consumer groups: XGROUP, XACK, XPENDING. Claiming is in stream_claims, delivering in stream_reads."""
from libc.stdint cimport int64_t, uint64_t
from ..base.sds cimport Slice
from ..exec.args cimport err, i64_or_reply, syntax_error, text_slice, word_is
from ..exec.blocked cimport key_lost
from ..exec.client cimport Ctx
from ..exec.dispatch cimport Exec
from ..exec.registry cimport bind
from ..keyspace.db cimport db_add, db_read, db_write, key_touched
from ..proto.errors cimport (E_BUSYGROUP, E_ENTRIES_READ, E_NOGROUP, E_NOGROUP_KEY, E_UNKNOWN_SUBCOMMAND_OR_ARITY,
                             E_XGROUP_KEY)
from ..proto.reply cimport (Deferred, reply_array, reply_bulk, reply_bulk_i64, reply_errorf, reply_int, reply_later,
                            reply_length, reply_null, reply_null_array, reply_ok)
from ..structs.rax cimport (RAX_FIRST, RAX_GE, RAX_LAST, Rax, RaxIter, rax_iter_done, rax_iter_init, rax_next,
                            rax_seek, rax_size)
from ..types.stream cimport Stream, stream_boxed, stream_group, stream_group_add, stream_group_delete, stream_new
from ..types.stream_group cimport (ID_BYTES, READ_UNKNOWN, Consumer, Group, Nack, StreamId, consumer_add,
                                   consumer_delete, consumer_find, consumer_pending, id_less, id_make, id_of_key,
                                   id_to_key, pel_remove)
from .stream_shared cimport (edge_or_reply, end_or_reply, id_or_reply, id_parse, ids_or_reply, reply_id,
                             start_or_reply, stream_or_reply, unwatched_change, write_stream_or_reply)


# ---------------------------------------------------------------- XGROUP

cdef struct GroupArgs:
    bint make                          # MKSTREAM
    int64_t entries_read


cdef bint group_args_or_reply(Ctx* x, bint creating, GroupArgs* a) noexcept nogil:
    cdef int i = 5
    a.make = False
    a.entries_read = READ_UNKNOWN
    while i < x.argc:
        if creating and word_is(x.argv[i], b"mkstream"):
            a.make = True
            i += 1
        elif i + 1 < x.argc and word_is(x.argv[i], b"entriesread"):
            if not i64_or_reply(x, x.argv[i + 1], &a.entries_read):
                return False
            if a.entries_read < READ_UNKNOWN:
                err(x, E_ENTRIES_READ)
                return False
            i += 2
        else:
            reply_errorf(x.out, E_UNKNOWN_SUBCOMMAND_OR_ARITY, x.argv[1], text_slice(b"XGROUP"))
            return False
    return True


cdef bint key_stream_or_reply(Ctx* x, Stream** s) noexcept nogil:
    """The stream at argv[2], which must be there."""
    if not stream_or_reply(x, db_write(x.ks, x.db, x.argv[2]), s):
        return False
    if s[0] == NULL:
        err(x, E_XGROUP_KEY)
    return s[0] != NULL


cdef bint key_group_or_reply(Ctx* x, Stream** s, Group** g) noexcept nogil:
    """The stream at argv[2] and its group argv[3]."""
    if not key_stream_or_reply(x, s):
        return False
    g[0] = stream_group(s[0], x.argv[3])
    if g[0] == NULL:
        reply_errorf(x.out, E_NOGROUP, x.argv[3], x.argv[2])
    return g[0] != NULL


cdef inline bint is_dollar(Slice s) noexcept nogil:
    return s.len == 1 and s.ptr[0] == b"$"


cdef inline int64_t bounded(const Stream* s, int64_t entries_read) noexcept nogil:
    return entries_read if entries_read < <int64_t>s.entries_added else <int64_t>s.entries_added


cdef int xgroup_create_command(Ctx* x) noexcept nogil:
    """XGROUP CREATE key group id|$ [MKSTREAM] [ENTRIESREAD n]. O(1)."""
    cdef StreamId id = id_make(0, 0)
    cdef GroupArgs a
    cdef Stream* s
    cdef bint missing
    if not group_args_or_reply(x, True, &a) or not stream_or_reply(x, db_write(x.ks, x.db, x.argv[2]), &s):
        return 0
    missing = s == NULL
    if missing and not a.make:
        return err(x, E_XGROUP_KEY)
    if is_dollar(x.argv[4]):
        if not missing:
            id = s.last_id
    elif not id_or_reply(x, x.argv[4], &id):
        return 0
    if missing:
        s = stream_new(x.mem)
        db_add(x.ks, x.db, stream_boxed(x.mem, x.argv[2], s))
        key_touched(x.ks, x.db, x.argv[2])
    if stream_group_add(x.mem, s, x.argv[3], id, bounded(s, a.entries_read)) == NULL:
        return err(x, E_BUSYGROUP)
    unwatched_change(x, x.argv[2], b"xgroup-create")
    return reply_ok(x.out)


cdef int xgroup_setid_command(Ctx* x) noexcept nogil:
    """XGROUP SETID key group id|$ [ENTRIESREAD n]. O(1)."""
    cdef StreamId id
    cdef GroupArgs a
    cdef Stream* s
    cdef Group* g
    if not group_args_or_reply(x, False, &a) or not key_group_or_reply(x, &s, &g):
        return 0
    if is_dollar(x.argv[4]):
        id = s.last_id
    elif not edge_or_reply(x, x.argv[4], &id):
        return 0
    g.last_id = id
    g.entries_read = bounded(s, a.entries_read)
    unwatched_change(x, x.argv[2], b"xgroup-setid")
    return reply_ok(x.out)


cdef int xgroup_destroy_command(Ctx* x) noexcept nogil:
    """XGROUP DESTROY key group. O(N), N what is pending. Clients that wait as this group get an error."""
    cdef Stream* s
    if not key_stream_or_reply(x, &s):
        return 0
    if not stream_group_delete(x.mem, s, x.argv[3]):
        return reply_int(x.out, 0)
    unwatched_change(x, x.argv[2], b"xgroup-destroy")
    key_lost(<Exec*>x.exec, x.db.id, x.argv[2])
    return reply_int(x.out, 1)


cdef int xgroup_createconsumer_command(Ctx* x) noexcept nogil:
    """XGROUP CREATECONSUMER key group consumer. O(1)."""
    cdef Stream* s
    cdef Group* g
    if not key_group_or_reply(x, &s, &g):
        return 0
    if consumer_find(g, x.argv[4]) != NULL:
        return reply_int(x.out, 0)
    consumer_add(x.mem, g, x.argv[4], x.env.now_ms)
    unwatched_change(x, x.argv[2], b"xgroup-createconsumer")
    return reply_int(x.out, 1)


cdef int xgroup_delconsumer_command(Ctx* x) noexcept nogil:
    """XGROUP DELCONSUMER key group consumer. O(N), N what is pending for it."""
    cdef uint64_t pending
    cdef Consumer* c
    cdef Stream* s
    cdef Group* g
    if not key_group_or_reply(x, &s, &g):
        return 0
    c = consumer_find(g, x.argv[4])
    if c == NULL:
        return reply_int(x.out, 0)
    pending = consumer_delete(x.mem, g, c)
    unwatched_change(x, x.argv[2], b"xgroup-delconsumer")
    return reply_int(x.out, <int64_t>pending)


# ---------------------------------------------------------------- XACK

cdef int xack_command(Ctx* x) noexcept nogil:
    """XACK key group id [id ...]. O(1) an entry."""
    cdef StreamId id
    cdef Stream* s
    cdef Group* g
    cdef int64_t n = 0
    cdef int i
    if not write_stream_or_reply(x, &s):
        return 0
    g = stream_group(s, x.argv[2]) if s != NULL else NULL
    if g == NULL:
        return reply_int(x.out, 0)
    if not ids_or_reply(x, 3, x.argc):
        return 0
    for i in range(3, x.argc):
        id_parse(x.argv[i], 0, &id)
        n += pel_remove(x.mem, g, id)
    x.ks.ev.dirty += n
    return reply_int(x.out, n)


# ---------------------------------------------------------------- XPENDING

cdef struct PendingArgs:
    bint ranged
    int64_t min_idle_ms
    StreamId start
    StreamId end
    int64_t count
    int consumer                       # argument; 0: not given


cdef bint pending_args_or_reply(Ctx* x, PendingArgs* a) noexcept nogil:
    cdef int i = 3
    a.ranged = x.argc > 3
    a.min_idle_ms = 0
    a.consumer = 0
    if not a.ranged:
        return True
    if word_is(x.argv[3], b"idle") and x.argc > 4:
        if not i64_or_reply(x, x.argv[4], &a.min_idle_ms):
            return False
        i = 5
    if x.argc < i + 3 or x.argc > 9:
        syntax_error(x)
        return False
    if not i64_or_reply(x, x.argv[i + 2], &a.count):
        return False
    if x.argc > i + 3:
        a.consumer = i + 3
    return start_or_reply(x, x.argv[i], &a.start) and end_or_reply(x, x.argv[i + 1], &a.end)


cdef void reply_summary(Ctx* x, const Group* g) noexcept nogil:
    """[how many, lowest ID, highest ID, [[consumer, how many], ...]]"""
    cdef Deferred header
    cdef int64_t n = 0
    cdef Consumer* c
    cdef RaxIter it
    reply_array(x.out, 4)
    reply_int(x.out, <int64_t>rax_size(g.pel))
    if rax_size(g.pel) == 0:
        reply_null(x.out)
        reply_null(x.out)
        reply_null_array(x.out)
        return
    rax_iter_init(&it, x.mem, g.pel)
    rax_seek(&it, RAX_FIRST, NULL, 0)
    reply_id(x.out, id_of_key(it.key))
    rax_seek(&it, RAX_LAST, NULL, 0)
    reply_id(x.out, id_of_key(it.key))
    rax_iter_done(&it)
    header = reply_later(x.out)
    rax_iter_init(&it, x.mem, g.consumers)
    rax_seek(&it, RAX_FIRST, NULL, 0)
    while it.valid:
        c = <Consumer*>it.value
        if consumer_pending(c):
            n += 1
            reply_array(x.out, 2)
            reply_bulk(x.out, c.name, c.len)
            reply_bulk_i64(x.out, <int64_t>consumer_pending(c))
        rax_next(&it)
    rax_iter_done(&it)
    reply_length(x.out, header, b"*", n)


cdef void reply_pending(Ctx* x, Rax* pel, const PendingArgs* a) noexcept nogil:
    """[[id, consumer, ms since its delivery, deliveries], ...]"""
    cdef Deferred header = reply_later(x.out)
    cdef char[ID_BYTES] text
    cdef int64_t idle, n = 0
    cdef Nack* nack
    cdef StreamId id
    cdef RaxIter it
    id_to_key(text, a.start)
    rax_iter_init(&it, x.mem, pel)
    rax_seek(&it, RAX_GE, text, ID_BYTES)
    while it.valid and n < a.count:
        id = id_of_key(it.key)
        if id_less(a.end, id):
            break
        nack = <Nack*>it.value
        idle = x.env.now_ms - nack.delivered_ms
        if idle >= a.min_idle_ms or a.min_idle_ms == 0:
            n += 1
            reply_array(x.out, 4)
            reply_id(x.out, id)
            reply_bulk(x.out, nack.consumer.name, nack.consumer.len)
            reply_int(x.out, idle if idle > 0 else 0)
            reply_int(x.out, <int64_t>nack.deliveries)
        rax_next(&it)
    rax_iter_done(&it)
    reply_length(x.out, header, b"*", n)


cdef int xpending_command(Ctx* x) noexcept nogil:
    """XPENDING key group [[IDLE ms] start end count [consumer]]. O(log N + count), without a range O(consumers)."""
    cdef PendingArgs a
    cdef Consumer* c
    cdef Stream* s
    cdef Group* g
    cdef Rax* pel
    if not pending_args_or_reply(x, &a) or not stream_or_reply(x, db_read(x.ks, x.db, x.argv[1]), &s):
        return 0
    g = stream_group(s, x.argv[2]) if s != NULL else NULL
    if g == NULL:
        return reply_errorf(x.out, E_NOGROUP_KEY, x.argv[1], x.argv[2])
    if not a.ranged:
        reply_summary(x, g)
        return 0
    pel = g.pel
    if a.consumer:
        c = consumer_find(g, x.argv[a.consumer])
        pel = c.pel if c != NULL else NULL
    if pel == NULL:
        return reply_array(x.out, 0)
    reply_pending(x, pel, &a)
    return 0


bind(b"xgroup|create", xgroup_create_command)
bind(b"xgroup|setid", xgroup_setid_command)
bind(b"xgroup|destroy", xgroup_destroy_command)
bind(b"xgroup|createconsumer", xgroup_createconsumer_command)
bind(b"xgroup|delconsumer", xgroup_delconsumer_command)
bind(b"xack", xack_command)
bind(b"xpending", xpending_command)
