"""XINFO: what a stream, its groups and their consumers are."""
from libc.stdint cimport int64_t, uint64_t
from ..exec.args cimport err, i64_or_reply, text_slice, word_is
from ..exec.client cimport Ctx
from ..exec.registry cimport bind
from ..keyspace.db cimport db_read
from ..proto.errors cimport E_NO_SUCH_KEY, E_NOGROUP, E_UNKNOWN_SUBCOMMAND_OR_ARITY
from ..proto.reply cimport Out, reply_array, reply_bulk, reply_bulk_text, reply_errorf, reply_int, reply_map, reply_null
from ..structs.rax cimport (RAX_FIRST, Rax, RaxIter, rax_iter_done, rax_iter_init, rax_next, rax_nodes, rax_seek,
                            rax_size)
from ..types.stream cimport (LAG_UNKNOWN, Stream, StreamIter, stream_group, stream_iter, stream_iter_done, stream_lag,
                             stream_step)
from ..types.stream_group cimport (NEVER, READ_UNKNOWN, Consumer, Group, Nack, StreamId, consumer_pending, id_make,
                                   id_of_key)
from .stream_shared cimport reply_entry, reply_id, reply_range, stream_or_reply

cdef enum:
    FULL_COUNT = 10                    # entries and pending ones that FULL shows


cdef bint stream_there_or_reply(Ctx* x, Stream** s) noexcept nogil:
    if not stream_or_reply(x, db_read(x.ks, x.db, x.argv[2]), s):
        return False
    if s[0] == NULL:
        err(x, E_NO_SUCH_KEY)
    return s[0] != NULL


cdef void field_int(Out* o, const char* name, int64_t v) noexcept nogil:
    reply_bulk_text(o, name)
    reply_int(o, v)


cdef void field_id(Out* o, const char* name, StreamId id) noexcept nogil:
    reply_bulk_text(o, name)
    reply_id(o, id)


cdef void field_name(Out* o, const char* name, size_t n) noexcept nogil:
    reply_bulk_text(o, b"name")
    reply_bulk(o, name, n)


cdef void fields_of_reading(Out* o, const Stream* s, const Group* g) noexcept nogil:
    """entries-read and lag, null where they cannot be told."""
    cdef int64_t lag = stream_lag(s, g)
    reply_bulk_text(o, b"entries-read")
    if g.entries_read != READ_UNKNOWN:
        reply_int(o, g.entries_read)
    else:
        reply_null(o)
    reply_bulk_text(o, b"lag")
    if lag != LAG_UNKNOWN:
        reply_int(o, lag)
    else:
        reply_null(o)


# ---------------------------------------------------------------- XINFO STREAM

cdef void fields_of_stream(Out* o, const Stream* s) noexcept nogil:
    field_int(o, b"length", <int64_t>s.length)
    field_int(o, b"radix-tree-keys", <int64_t>rax_size(s.nodes))
    field_int(o, b"radix-tree-nodes", <int64_t>rax_nodes(s.nodes) + 1)     # compat: an empty tree has its root there
    field_id(o, b"last-generated-id", s.last_id)
    field_id(o, b"max-deleted-entry-id", s.max_deleted)
    field_int(o, b"entries-added", <int64_t>s.entries_added)
    field_id(o, b"recorded-first-entry-id", s.first_id)


cdef void field_end(Ctx* x, const Stream* s, const char* name, bint last) noexcept nogil:
    """The first or last entry, or null."""
    cdef StreamIter it
    reply_bulk_text(x.out, name)
    stream_iter(&it, x.mem, s, id_make(0, 0), id_make(<uint64_t>-1, <uint64_t>-1), last)
    if stream_step(&it):
        reply_entry(x.out, &it)
    else:
        reply_null(x.out)
    stream_iter_done(&it)


cdef void reply_pel(Ctx* x, Rax* pel, int64_t count, bint with_consumer) noexcept nogil:
    """The first pending entries, count at most (0: all)."""
    cdef int64_t n = <int64_t>rax_size(pel) if pel != NULL else 0
    cdef Nack* nack
    cdef RaxIter it
    if count and n > count:
        n = count
    reply_array(x.out, n)
    if n == 0:
        return
    rax_iter_init(&it, x.mem, pel)
    rax_seek(&it, RAX_FIRST, NULL, 0)
    while n:
        nack = <Nack*>it.value
        reply_array(x.out, 4 if with_consumer else 3)
        reply_id(x.out, id_of_key(it.key))
        if with_consumer:
            reply_bulk(x.out, nack.consumer.name, nack.consumer.len)
        reply_int(x.out, nack.delivered_ms)
        reply_int(x.out, <int64_t>nack.deliveries)
        n -= 1
        rax_next(&it)
    rax_iter_done(&it)


cdef void reply_full_consumers(Ctx* x, const Group* g, int64_t count) noexcept nogil:
    cdef Consumer* c
    cdef RaxIter it
    reply_array(x.out, <int64_t>rax_size(g.consumers))
    rax_iter_init(&it, x.mem, g.consumers)
    rax_seek(&it, RAX_FIRST, NULL, 0)
    while it.valid:
        c = <Consumer*>it.value
        reply_map(x.out, 5)
        field_name(x.out, c.name, c.len)
        field_int(x.out, b"seen-time", c.seen_ms)
        field_int(x.out, b"active-time", c.active_ms)
        field_int(x.out, b"pel-count", <int64_t>consumer_pending(c))
        reply_bulk_text(x.out, b"pending")
        reply_pel(x, c.pel, count, False)
        rax_next(&it)
    rax_iter_done(&it)


cdef void reply_full_groups(Ctx* x, const Stream* s, int64_t count) noexcept nogil:
    cdef Group* g
    cdef RaxIter it
    reply_array(x.out, <int64_t>rax_size(s.groups) if s.groups != NULL else 0)
    if s.groups == NULL:
        return
    rax_iter_init(&it, x.mem, s.groups)
    rax_seek(&it, RAX_FIRST, NULL, 0)
    while it.valid:
        g = <Group*>it.value
        reply_map(x.out, 7)
        field_name(x.out, it.key, it.klen)
        field_id(x.out, b"last-delivered-id", g.last_id)
        fields_of_reading(x.out, s, g)
        field_int(x.out, b"pel-count", <int64_t>rax_size(g.pel))
        reply_bulk_text(x.out, b"pending")
        reply_pel(x, g.pel, count, True)
        reply_bulk_text(x.out, b"consumers")
        reply_full_consumers(x, g, count)
        rax_next(&it)
    rax_iter_done(&it)


cdef bint full_or_reply(Ctx* x, bint* full, int64_t* count) noexcept nogil:
    """[FULL [COUNT n]] behind the key."""
    full[0] = x.argc > 3
    count[0] = FULL_COUNT
    if x.argc == 3 or (x.argc == 4 and word_is(x.argv[3], b"full")):
        return True
    if x.argc == 6 and word_is(x.argv[3], b"full") and word_is(x.argv[4], b"count"):
        if not i64_or_reply(x, x.argv[5], count):
            return False
        if count[0] < 0:
            count[0] = FULL_COUNT
        return True
    reply_errorf(x.out, E_UNKNOWN_SUBCOMMAND_OR_ARITY, x.argv[1], text_slice(b"XINFO"))
    return False


cdef int xinfo_stream_command(Ctx* x) noexcept nogil:
    """XINFO STREAM key [FULL [COUNT n]]. O(log S), FULL O(what it shows)."""
    cdef int64_t count = 0
    cdef bint full = False
    cdef Stream* s
    if not stream_there_or_reply(x, &s) or not full_or_reply(x, &full, &count):
        return 0
    reply_map(x.out, 9 if full else 10)
    fields_of_stream(x.out, s)
    if full:
        reply_bulk_text(x.out, b"entries")
        reply_range(x, s, id_make(0, 0), id_make(<uint64_t>-1, <uint64_t>-1), False, count)
        reply_bulk_text(x.out, b"groups")
        reply_full_groups(x, s, count)
        return 0
    field_int(x.out, b"groups", <int64_t>rax_size(s.groups) if s.groups != NULL else 0)
    field_end(x, s, b"first-entry", False)
    field_end(x, s, b"last-entry", True)
    return 0


# ---------------------------------------------------------------- XINFO GROUPS, CONSUMERS

cdef int xinfo_groups_command(Ctx* x) noexcept nogil:
    """XINFO GROUPS key. O(groups)."""
    cdef Stream* s
    cdef Group* g
    cdef RaxIter it
    if not stream_there_or_reply(x, &s):
        return 0
    if s.groups == NULL:
        return reply_array(x.out, 0)
    reply_array(x.out, <int64_t>rax_size(s.groups))
    rax_iter_init(&it, x.mem, s.groups)
    rax_seek(&it, RAX_FIRST, NULL, 0)
    while it.valid:
        g = <Group*>it.value
        reply_map(x.out, 6)
        field_name(x.out, it.key, it.klen)
        field_int(x.out, b"consumers", <int64_t>rax_size(g.consumers))
        field_int(x.out, b"pending", <int64_t>rax_size(g.pel))
        field_id(x.out, b"last-delivered-id", g.last_id)
        fields_of_reading(x.out, s, g)
        rax_next(&it)
    rax_iter_done(&it)
    return 0


cdef inline int64_t since(Ctx* x, int64_t ms) noexcept nogil:
    return x.env.now_ms - ms if x.env.now_ms > ms else 0


cdef int xinfo_consumers_command(Ctx* x) noexcept nogil:
    """XINFO CONSUMERS key group. O(consumers)."""
    cdef Consumer* c
    cdef Stream* s
    cdef Group* g
    cdef RaxIter it
    if not stream_there_or_reply(x, &s):
        return 0
    g = stream_group(s, x.argv[3])
    if g == NULL:
        return reply_errorf(x.out, E_NOGROUP, x.argv[3], x.argv[2])
    reply_array(x.out, <int64_t>rax_size(g.consumers))
    rax_iter_init(&it, x.mem, g.consumers)
    rax_seek(&it, RAX_FIRST, NULL, 0)
    while it.valid:
        c = <Consumer*>it.value
        reply_map(x.out, 4)
        field_name(x.out, c.name, c.len)
        field_int(x.out, b"pending", <int64_t>consumer_pending(c))
        field_int(x.out, b"idle", since(x, c.seen_ms))
        field_int(x.out, b"inactive", since(x, c.active_ms) if c.active_ms != NEVER else NEVER)
        rax_next(&it)
    rax_iter_done(&it)
    return 0


bind(b"xinfo|stream", xinfo_stream_command)
bind(b"xinfo|groups", xinfo_groups_command)
bind(b"xinfo|consumers", xinfo_consumers_command)
