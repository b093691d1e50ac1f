"""Consumer groups of a stream (contract: stream_group.pxd). Room types: used by types/stream and commands on groups.

    Group --- pel:        ID (16 bytes, big-endian) -> Nack --> Consumer
          +-- consumers:  name -> Consumer --- pel: ID -> the same Nack

A pending entry is one Nack in two trees: the group's, which owns it, and that of the consumer it names. A consumer's
tree comes with its first pending entry, so consumers that never read cost a name and two times.

Invariants: the consumers' PELs are disjoint and together the group's; every Nack names the consumer whose PEL has it.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy
from ..base.mem cimport Mem, mem_alloc, mem_free, mem_good_size, mem_usable
from ..base.sds cimport Slice, slice_of
from ..structs.rax cimport (RAX_FIRST, RaxIter, rax_add, rax_bytes, rax_find, rax_free, rax_insert, rax_iter_done,
                            rax_iter_init, rax_new, rax_next, rax_nodes, rax_remove, rax_seek, rax_size)


# ---------------------------------------------------------------- groups

cdef Group* group_new(Mem* m, StreamId last_id, int64_t entries_read) noexcept nogil:
    cdef Group* g = <Group*>mem_alloc(m, sizeof(Group))
    g.last_id = last_id
    g.entries_read = entries_read
    g.pel = rax_new(m)
    g.consumers = rax_new(m)
    g.consumer_bytes = 0
    return g


cdef void free_block(void* ctx, void* value) noexcept nogil:
    mem_free(<Mem*>ctx, value)


cdef void free_consumer(void* ctx, void* value) noexcept nogil:
    cdef Consumer* c = <Consumer*>value
    rax_free(<Mem*>ctx, c.pel, NULL, NULL)
    mem_free(<Mem*>ctx, c)


cdef void group_free(Mem* m, Group* g) noexcept nogil:
    rax_free(m, g.pel, free_block, m)
    rax_free(m, g.consumers, free_consumer, m)
    mem_free(m, g)


cdef Group* group_dup(Mem* m, const Group* g) noexcept nogil:
    cdef Group* copy = group_new(m, g.last_id, g.entries_read)
    cdef RaxIter names
    cdef RaxIter ids
    cdef Consumer* old
    cdef Consumer* c
    cdef Nack* n
    rax_iter_init(&names, m, g.consumers)
    rax_seek(&names, RAX_FIRST, NULL, 0)
    while names.valid:
        old = <Consumer*>names.value
        c = consumer_add(m, copy, slice_of(old.name, old.len), old.seen_ms)
        c.active_ms = old.active_ms
        if old.pel != NULL:
            rax_iter_init(&ids, m, old.pel)
            rax_seek(&ids, RAX_FIRST, NULL, 0)
            while ids.valid:
                n = <Nack*>ids.value
                pel_force(m, copy, c, id_of_key(ids.key), n.delivered_ms, n.deliveries)
                rax_next(&ids)
            rax_iter_done(&ids)
        rax_next(&names)
    rax_iter_done(&names)
    return copy


cdef size_t group_memory(const Group* g) noexcept nogil:
    return (mem_usable(g) + rax_bytes(g.pel) + rax_size(g.pel) * mem_good_size(sizeof(Nack)) + rax_bytes(g.consumers)
            + g.consumer_bytes)


cdef size_t group_effort(const Group* g) noexcept nogil:
    return 2 * rax_size(g.pel) + rax_nodes(g.pel) + 2 * rax_size(g.consumers)


# ---------------------------------------------------------------- consumers

cdef Consumer* consumer_find(const Group* g, Slice name) noexcept nogil:
    cdef void* c = NULL
    return <Consumer*>c if rax_find(g.consumers, name.ptr, name.len, &c) else NULL


cdef Consumer* consumer_add(Mem* m, Group* g, Slice name, int64_t now_ms) noexcept nogil:
    cdef Consumer* c = <Consumer*>mem_alloc(m, sizeof(Consumer) + name.len)
    c.pel = NULL
    c.seen_ms = now_ms
    c.active_ms = NEVER
    c.len = name.len
    memcpy(c.name, name.ptr, name.len)
    rax_insert(m, g.consumers, name.ptr, name.len, c, NULL)
    g.consumer_bytes += mem_usable(c)
    return c


cdef uint64_t consumer_delete(Mem* m, Group* g, Consumer* c) noexcept nogil:
    cdef uint64_t pending = consumer_pending(c)
    cdef RaxIter it
    cdef void* n = NULL
    if pending:
        rax_iter_init(&it, m, c.pel)
        rax_seek(&it, RAX_FIRST, NULL, 0)
        while it.valid:
            rax_remove(m, g.pel, it.key, it.klen, &n)
            mem_free(m, n)
            rax_next(&it)
        rax_iter_done(&it)
    rax_remove(m, g.consumers, c.name, c.len, NULL)
    g.consumer_bytes -= mem_usable(c) + (rax_bytes(c.pel) if c.pel != NULL else 0)
    free_consumer(m, c)
    return pending


# ---------------------------------------------------------------- pending entries

cdef Nack* pel_find(const Group* g, StreamId id) noexcept nogil:
    cdef char[ID_BYTES] key
    cdef void* n = NULL
    if rax_size(g.pel) == 0:
        return NULL
    id_to_key(key, id)
    return <Nack*>n if rax_find(g.pel, key, ID_BYTES, &n) else NULL


cdef void enter(Mem* m, Group* g, Consumer* c, const char* key, Nack* n) noexcept nogil:
    cdef size_t before
    n.consumer = c
    if c.pel == NULL:
        c.pel = rax_new(m)
        g.consumer_bytes += rax_bytes(c.pel)
    before = rax_bytes(c.pel)
    rax_insert(m, c.pel, key, ID_BYTES, n, NULL)
    g.consumer_bytes += rax_bytes(c.pel) - before


cdef void leave(Mem* m, Group* g, Consumer* c, const char* key) noexcept nogil:
    cdef size_t before = rax_bytes(c.pel)
    rax_remove(m, c.pel, key, ID_BYTES, NULL)
    g.consumer_bytes -= before - rax_bytes(c.pel)


cdef Nack* pel_force(Mem* m, Group* g, Consumer* c, StreamId id, int64_t now_ms, uint64_t deliveries) noexcept nogil:
    cdef char[ID_BYTES] key
    cdef Nack* n = <Nack*>mem_alloc(m, sizeof(Nack))
    id_to_key(key, id)
    n.delivered_ms = now_ms
    n.deliveries = deliveries
    rax_insert(m, g.pel, key, ID_BYTES, n, NULL)
    enter(m, g, c, key, n)
    return n


cdef Nack* pel_deliver(Mem* m, Group* g, Consumer* c, StreamId id, int64_t now_ms) noexcept nogil:
    cdef char[ID_BYTES] key
    cdef void* old = NULL
    cdef Nack* n = <Nack*>mem_alloc(m, sizeof(Nack))
    id_to_key(key, id)
    if not rax_add(m, g.pel, key, ID_BYTES, n, &old):       # XGROUP SETID went back: it is pending already
        mem_free(m, n)
        n = <Nack*>old
        if n.consumer != c:
            leave(m, g, n.consumer, key)
            enter(m, g, c, key, n)
    else:
        enter(m, g, c, key, n)
    n.delivered_ms = now_ms
    n.deliveries = 1
    return n


cdef void pel_move(Mem* m, Group* g, StreamId id, Nack* n, Consumer* c) noexcept nogil:
    cdef char[ID_BYTES] key
    if n.consumer == c:
        return
    id_to_key(key, id)
    leave(m, g, n.consumer, key)
    enter(m, g, c, key, n)


cdef bint pel_remove(Mem* m, Group* g, StreamId id) noexcept nogil:
    cdef char[ID_BYTES] key
    cdef void* n = NULL
    if rax_size(g.pel) == 0:
        return False
    id_to_key(key, id)
    if not rax_remove(m, g.pel, key, ID_BYTES, &n):
        return False
    leave(m, g, (<Nack*>n).consumer, key)
    mem_free(m, n)
    return True


# ---------------------------------------------------------------- loading

cdef bint pel_load(Mem* m, Group* g, StreamId id, int64_t delivered_ms, uint64_t deliveries) noexcept nogil:
    cdef char[ID_BYTES] key
    cdef Nack* n = <Nack*>mem_alloc(m, sizeof(Nack))
    id_to_key(key, id)
    n.delivered_ms = delivered_ms
    n.deliveries = deliveries
    n.consumer = NULL
    if rax_add(m, g.pel, key, ID_BYTES, n, NULL):
        return True
    mem_free(m, n)
    return False


cdef bint pel_adopt(Mem* m, Group* g, Consumer* c, StreamId id) noexcept nogil:
    cdef char[ID_BYTES] key
    cdef Nack* n = pel_find(g, id)
    if n == NULL or n.consumer != NULL:
        return False
    id_to_key(key, id)
    enter(m, g, c, key, n)
    return True


cdef bint group_is_whole(Mem* m, const Group* g) noexcept nogil:
    cdef uint64_t owned = 0
    cdef RaxIter it
    rax_iter_init(&it, m, g.consumers)
    rax_seek(&it, RAX_FIRST, NULL, 0)
    while it.valid:
        owned += consumer_pending(<Consumer*>it.value)
        rax_next(&it)
    rax_iter_done(&it)
    return owned == rax_size(g.pel)


# ---------------------------------------------------------------- for the tests' face of streams

cdef check_group(Mem* m, const Group* g):
    """All invariants of a group; O(n). Raises AssertionError."""
    cdef RaxIter names
    cdef RaxIter ids
    cdef Consumer* c
    cdef void* n = NULL
    cdef uint64_t pending = 0
    rax_iter_init(&names, m, g.consumers)
    rax_seek(&names, RAX_FIRST, NULL, 0)
    while names.valid:
        c = <Consumer*>names.value
        if c.name[:c.len] != names.key[:names.klen]:
            raise AssertionError("a consumer under another's name")
        if c.pel != NULL:
            rax_iter_init(&ids, m, c.pel)
            rax_seek(&ids, RAX_FIRST, NULL, 0)
            while ids.valid:
                if ids.klen != ID_BYTES or not rax_find(g.pel, ids.key, ids.klen, &n) or n != ids.value:
                    raise AssertionError("pending for a consumer, not for its group")
                if (<Nack*>n).consumer != c:
                    raise AssertionError("pending for another consumer")
                rax_next(&ids)
            rax_iter_done(&ids)
            pending += c.pel.size
        rax_next(&names)
    rax_iter_done(&names)
    if pending != rax_size(g.pel):
        raise AssertionError(f"{pending} entries pending for consumers, {rax_size(g.pel)} for the group")
