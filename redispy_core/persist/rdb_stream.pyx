"""Streams out of RDB bytes (contract: rdb_stream.pxd). Room persist: used by rdb_value.

    <len nodes> nodes times (<string 16-byte ID> <string listpack>)
    <len length> <len ms> <len seq> of the last ID
    from type 2 on: <first ID> <highest deleted ID> <len entries added>
    <len groups> times ( <string name> <last ID>   from type 2 on: <len entries read>
        <len pending> times (16 bytes ID, <i64 delivered>, <len deliveries>)
        <len consumers> times (<string name> <i64 seen>   type 3: <i64 active>   <len pending> times 16 bytes ID) )

Nodes are always checked in depth, and against each other: IDs ascend through the whole stream and end at the last ID
at the latest. The length and the first ID are counted and looked up, not believed: with those, no walk can go astray.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memset
from ..base.mem cimport Mem, mem_free
from ..base.sds cimport slice_of
from ..structs.rax cimport rax_size
from ..types.stream cimport (Stream, stream_entries_until, stream_find_first, stream_free, stream_group_add,
                             stream_load_node, stream_new, stream_node_ids, stream_node_valid)
from ..types.stream_group cimport (ID_BYTES, READ_UNKNOWN, Consumer, Group, StreamId, consumer_add, consumer_find,
                                   group_is_whole, id_less, id_make, id_of_key, pel_adopt, pel_load)
from .rdb_format cimport RDB_STREAM_LISTPACKS, RDB_STREAM_LISTPACKS_3
from .rdb_source cimport (RdbSource, RdbText, source_blob, source_bytes, source_fail, source_i64, source_count,
                          source_len, source_text)

cdef enum:
    NODE_LEAST = 9                 # bytes that a node, group ... takes at least
    GROUP_LEAST = 5
    PENDING_LEAST = 25
    CONSUMER_LEAST = 10


cdef bint read_id(RdbSource* s, StreamId* id) noexcept nogil:
    return source_len(s, &id.ms) and source_len(s, &id.seq)


cdef bint read_raw_id(RdbSource* s, StreamId* id) noexcept nogil:
    cdef char[ID_BYTES] key
    if not source_bytes(s, key, ID_BYTES):
        return False
    id[0] = id_of_key(key)
    return True


cdef bint read_node(RdbSource* s, Mem* m, Stream* st, RdbText* key, StreamId* last) noexcept nogil:
    """last: of the entry before, then of this node's last entry."""
    cdef StreamId base, first, end
    cdef uint8_t* lp
    cdef size_t n
    cdef uint64_t live = 0
    if not source_text(s, key):
        return False
    if key.len != ID_BYTES:
        return source_fail(s, b"Stream node key entry is not the size of a stream ID")
    base = id_of_key(key.ptr)
    lp = source_blob(s, &n)
    if lp == NULL:
        return False
    if not stream_node_valid(lp, n, True):
        mem_free(m, lp)
        return source_fail(s, b"Stream listpack integrity check failed.")
    if not stream_node_ids(lp, base, &first, &end, &live) or (st.tail != NULL and not id_less(last[0], first)) \
            or (st.tail != NULL and not id_less(st.tail_id, base)):
        mem_free(m, lp)
        return source_fail(s, b"Stream listpack integrity check failed: IDs do not ascend")
    stream_load_node(m, st, base, lp)
    st.length += live
    last[0] = end
    return True


cdef bint read_nodes(RdbSource* s, Mem* m, Stream* st, RdbText* key, StreamId* last) noexcept nogil:
    cdef uint64_t n
    if not source_count(s, NODE_LEAST, &n):
        return False
    while n > 0:
        if not read_node(s, m, st, key, last):
            return False
        n -= 1
    return True


cdef bint read_counters(RdbSource* s, Mem* m, Stream* st, int type, StreamId last) noexcept nogil:
    cdef uint64_t length
    cdef StreamId first
    if not source_len(s, &length) or not read_id(s, &st.last_id):
        return False
    if length != 0 and rax_size(st.nodes) == 0:
        return source_fail(s, b"Stream length inconsistent with rax entries")
    if st.tail != NULL and id_less(st.last_id, last):
        return source_fail(s, b"Stream's last ID is below its last entry's")
    stream_find_first(m, st)
    if type == RDB_STREAM_LISTPACKS:
        st.entries_added = st.length
        return True
    return read_id(s, &first) and read_id(s, &st.max_deleted) and source_len(s, &st.entries_added)


cdef bint read_pending(RdbSource* s, Mem* m, Group* g) noexcept nogil:
    cdef uint64_t n, deliveries
    cdef StreamId id
    cdef int64_t when
    if not source_count(s, PENDING_LEAST, &n):
        return False
    while n > 0:
        if not read_raw_id(s, &id) or not source_i64(s, &when) or not source_len(s, &deliveries):
            return False
        if not pel_load(m, g, id, when, deliveries):
            return source_fail(s, b"Duplicated global PEL entry loading stream consumer group")
        n -= 1
    return True


cdef bint read_consumer(RdbSource* s, Mem* m, Group* g, int type, RdbText* name) noexcept nogil:
    cdef Consumer* c
    cdef StreamId id
    cdef int64_t seen
    cdef uint64_t n
    if not source_text(s, name):
        return False
    if consumer_find(g, slice_of(name.ptr, name.len)) != NULL:
        return source_fail(s, b"Duplicate stream consumer detected")
    c = consumer_add(m, g, slice_of(name.ptr, name.len), 0)
    if not source_i64(s, &seen):
        return False
    c.seen_ms = c.active_ms = seen
    if type >= RDB_STREAM_LISTPACKS_3 and not source_i64(s, &c.active_ms):
        return False
    if not source_count(s, ID_BYTES, &n):
        return False
    while n > 0:
        if not read_raw_id(s, &id):
            return False
        if not pel_adopt(m, g, c, id):
            return source_fail(s, b"Consumer entry not found in group global PEL")
        n -= 1
    return True


cdef bint read_group(RdbSource* s, Mem* m, Stream* st, int type, RdbText* name) noexcept nogil:
    cdef Group* g
    cdef uint64_t n
    cdef uint64_t been_read = 0
    if not source_text(s, name):
        return False
    g = stream_group_add(m, st, slice_of(name.ptr, name.len), id_make(0, 0), READ_UNKNOWN)
    if g == NULL:
        return source_fail(s, b"Duplicated consumer group name in stream")
    if not read_id(s, &g.last_id):
        return False
    if type == RDB_STREAM_LISTPACKS:
        g.entries_read = stream_entries_until(st, g.last_id)
    else:
        if not source_len(s, &been_read):
            return False
        g.entries_read = <int64_t>been_read if <int64_t>been_read >= 0 else READ_UNKNOWN
    if not read_pending(s, m, g) or not source_count(s, CONSUMER_LEAST, &n):
        return False
    while n > 0:
        if not read_consumer(s, m, g, type, name):
            return False
        n -= 1
    return group_is_whole(m, g) or source_fail(s, b"NACK entry without consumer in the stream's group")


cdef bint read_all(RdbSource* s, Mem* m, Stream* st, int type, RdbText* name) noexcept nogil:
    cdef StreamId last
    cdef uint64_t n
    memset(&last, 0, sizeof(last))
    if not read_nodes(s, m, st, name, &last) or not read_counters(s, m, st, type, last):
        return False
    if not source_count(s, GROUP_LEAST, &n):
        return False
    while n > 0:
        if not read_group(s, m, st, type, name):
            return False
        n -= 1
    return True


cdef Stream* rdb_read_stream(RdbSource* s, Mem* m, int type, RdbText* name) noexcept nogil:
    cdef Stream* st = stream_new(m)
    if read_all(s, m, st, type, name):
        return st
    stream_free(m, st)
    return NULL
