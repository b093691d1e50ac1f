"""Streams (contract: stream.pxd). Room types: knows no client and no reply; used by commands/streams, RDB, AOF.

A node of the tree is a listpack, its key the 16-byte ID of the node's master entry; the layout is Redis's:

    master   live | deleted | nfields | field ... | 0
    entry    flags | ms - master's | seq - master's | value ...                        | lp-count      flags & SAME
             flags | ms - master's | seq - master's | nfields | field | value | ...    | lp-count

lp-count is the number of elements of its entry before it: the way back. Deleting sets a flag; with its last entry a
node goes. The last node is also reached directly (tail), so that appending and reading what is new need no search. It
grows by halves and gives its spare room back when a node is begun behind it.

Invariants: live and deleted match the flags; length is the sum of live; IDs ascend; tail and tail_id are the tree's
last node. No node is left without a live entry, but a real server's trimming can leave one: it may be loaded.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memset
from ..base.env cimport Knobs
from ..base.mem cimport Mem, mem_alloc, mem_free, mem_realloc, mem_try_alloc, mem_usable
from ..base.rp cimport likely, rp_load16le, unlikely
from ..base.sds cimport Slice, slice_of
from ..structs.listpack cimport (LP_COUNT_UNKNOWN, LP_EMPTY_BYTES, LP_END, LP_HEADER, LP_SAFE_BYTES, LpEnc, lp_bytes,
                                 lp_compare, lp_dup, lp_encode_i64, lp_encode_text, lp_encode_write, lp_end,
                                 lp_entry_size, lp_fit, lp_free, lp_get_text, lp_int, lp_is_int, lp_last, lp_prev,
                                 lp_replace_i64, lp_set_header, lp_validate_integrity)
from ..structs.rax cimport (RAX_FIRST, RAX_LAST, RAX_LE, RAX_LT, RaxIter, rax_bytes, rax_find, rax_free, rax_insert,
                            rax_iter_done, rax_iter_init, rax_new, rax_next, rax_prev, rax_remove, rax_seek, rax_size)
from .object cimport ENC_STREAM, NO_EXPIRE, OBJ_STREAM, Robj, TypeOps, robj_boxed, robj_ptr, robj_register
from .stream_group cimport (ID_BYTES, READ_UNKNOWN, Group, StreamId, group_dup, group_effort, group_free, group_memory,
                            group_new, id_compare, id_equal, id_is_zero, id_less, id_make, id_of_key, id_to_key, id_up,
                            pel_find, pel_remove)

cdef enum:
    DELETED = 1                    # flags of an entry
    SAME = 2
    TEXT_OVERHEAD = 10             # most that encoding and backlen add to a text
    INT_BYTES = 10                 # an encoded integer at most
    ENTRY_BYTES = 48               # the integers of an entry at most
    LARGE = 1 << 16                # bytes from here on are tried for memory first

cdef struct Node:                  # a place in the tree
    char[ID_BYTES] key
    StreamId id
    uint8_t* lp


# ---------------------------------------------------------------- reading a node

cdef inline int64_t take_int(uint8_t** p) noexcept nogil:
    """The integer element at p; p goes to the next."""
    cdef int64_t v
    if likely(p[0][0] < 0x80):
        v = p[0][0]
        p[0] += 2
        return v
    v = lp_int(p[0])
    p[0] += lp_entry_size(p[0])
    return v


cdef inline uint8_t* skip(uint8_t* p, int64_t elements) noexcept nogil:
    while elements > 0:
        p += lp_entry_size(p)
        elements -= 1
    return p


cdef inline uint8_t* live_of(const uint8_t* lp) noexcept nogil:
    """The element that counts the entries alive."""
    return <uint8_t*>lp + LP_HEADER


cdef inline int64_t live_count(const uint8_t* lp) noexcept nogil:
    return lp_int(live_of(lp))


cdef inline int64_t deleted_count(const uint8_t* lp) noexcept nogil:
    return lp_int(skip(live_of(lp), 1))


cdef inline uint8_t* open_master(const uint8_t* lp, uint8_t** fields, int64_t* nfields) noexcept nogil:
    """The first entry of a node; fields and nfields tell of the master entry."""
    cdef uint8_t* p = skip(live_of(lp), 2)
    nfields[0] = take_int(&p)
    fields[0] = p
    return skip(p, nfields[0] + 1)


cdef inline StreamId delta_id(StreamId base, uint8_t** p) noexcept nogil:
    """Reads the two deltas at p."""
    cdef uint64_t ms = base.ms + <uint64_t>take_int(p)
    return id_make(ms, base.seq + <uint64_t>take_int(p))


cdef uint8_t* find_in_node(const Node* n, StreamId id) noexcept nogil:
    """The flags of the live entry with this ID; NULL: none. O(node)."""
    cdef uint8_t* fields
    cdef uint8_t* entry
    cdef int64_t flags, elements, master_fields
    cdef StreamId at
    cdef uint8_t* p = open_master(n.lp, &fields, &master_fields)
    while p[0] != LP_END:
        entry = p
        flags = take_int(&p)
        at = delta_id(n.id, &p)
        if not id_less(at, id):
            return entry if id_equal(at, id) and not flags & DELETED else NULL
        elements = master_fields if flags & SAME else 2 * take_int(&p)
        p = skip(p, elements + 1)
    return NULL


cdef StreamId last_in_node(const Node* n) noexcept nogil:
    """ID of the last entry, deleted or not."""
    cdef uint8_t* p = lp_last(n.lp)
    cdef int64_t back = lp_int(p)
    while back > 0:
        p = lp_prev(n.lp, p)
        back -= 1
    skip_flags(&p)
    return delta_id(n.id, &p)


cdef inline void skip_flags(uint8_t** p) noexcept nogil:
    p[0] += lp_entry_size(p[0])


# ---------------------------------------------------------------- nodes in the tree

cdef inline void at_tail(const Stream* s, Node* n) noexcept nogil:
    n.lp = s.tail
    n.id = s.tail_id
    id_to_key(n.key, n.id)


cdef inline void at_iter(const RaxIter* it, Node* n) noexcept nogil:
    n.lp = <uint8_t*>it.value
    n.id = id_of_key(it.key)
    id_to_key(n.key, n.id)


cdef bint node_for(Mem* m, const Stream* s, StreamId id, Node* n) noexcept nogil:
    """The node that could hold the ID. False: it is before all."""
    cdef char[ID_BYTES] key
    cdef RaxIter it
    cdef bint found
    if s.tail == NULL:
        return False
    if not id_less(id, s.tail_id):
        at_tail(s, n)
        return True
    id_to_key(key, id)
    rax_iter_init(&it, m, s.nodes)
    found = rax_seek(&it, RAX_LE, key, ID_BYTES)
    if found:
        at_iter(&it, n)
    rax_iter_done(&it)
    return found


cdef void find_tail(Mem* m, Stream* s) noexcept nogil:
    cdef RaxIter it
    rax_iter_init(&it, m, s.nodes)
    s.tail = NULL
    if rax_seek(&it, RAX_LAST, NULL, 0):
        s.tail = <uint8_t*>it.value
        s.tail_id = id_of_key(it.key)
    rax_iter_done(&it)


cdef void put_node(Mem* m, Stream* s, Node* n, uint8_t* lp) noexcept nogil:
    """The node's listpack is at lp now."""
    if lp == n.lp:
        return
    if n.lp == s.tail:
        s.tail = lp
    n.lp = lp
    rax_insert(m, s.nodes, n.key, ID_BYTES, lp, NULL)


cdef void drop_node(Mem* m, Stream* s, Node* n) noexcept nogil:
    cdef bint was_tail = n.lp == s.tail
    rax_remove(m, s.nodes, n.key, ID_BYTES, NULL)
    lp_free(m, n.lp)
    if was_tail:
        find_tail(m, s)


cdef void count_in_node(Mem* m, Stream* s, Node* n, int64_t gone) noexcept nogil:
    """So many entries of it were flagged deleted: counts them, or drops the node with the last."""
    cdef int64_t live = live_count(n.lp) - gone
    cdef uint8_t* lp = n.lp
    cdef uint8_t* p
    s.length -= <uint64_t>gone
    if live == 0:
        drop_node(m, s, n)
        return
    p = live_of(lp)
    lp = lp_replace_i64(m, lp, &p, live)
    p = skip(live_of(lp), 1)
    lp = lp_replace_i64(m, lp, &p, lp_int(p) + gone)
    put_node(m, s, n, lp)


cdef void stream_find_first(Mem* m, Stream* s) noexcept nogil:
    cdef StreamIter it
    stream_iter(&it, m, s, id_make(0, 0), id_make(<uint64_t>-1, <uint64_t>-1), False)
    s.first_id = it.id if stream_step(&it) else id_make(0, 0)
    stream_iter_done(&it)


# ---------------------------------------------------------------- making

cdef Stream* stream_new(Mem* m) noexcept nogil:
    cdef Stream* s = <Stream*>mem_alloc(m, sizeof(Stream))
    memset(s, 0, sizeof(Stream))
    s.nodes = rax_new(m)
    return s


cdef void free_listpack(void* ctx, void* value) noexcept nogil:
    lp_free(<Mem*>ctx, <uint8_t*>value)


cdef void stream_free(Mem* m, Stream* s) noexcept nogil:
    cdef Group* g = s.group_list
    cdef Group* next
    rax_free(m, s.nodes, free_listpack, m)
    rax_free(m, s.groups, NULL, NULL)
    while g != NULL:
        next = g.next
        group_free(m, g)
        g = next
    mem_free(m, s)


cdef Stream* stream_dup(Mem* m, const Stream* s) noexcept nogil:
    cdef Stream* copy = stream_new(m)
    cdef RaxIter it
    rax_iter_init(&it, m, s.nodes)
    rax_seek(&it, RAX_FIRST, NULL, 0)
    while it.valid:
        stream_load_node(m, copy, id_of_key(it.key), lp_dup(m, <uint8_t*>it.value))
        rax_next(&it)
    rax_iter_done(&it)
    copy.length = s.length
    copy.last_id = s.last_id
    copy.first_id = s.first_id
    copy.max_deleted = s.max_deleted
    copy.entries_added = s.entries_added
    if s.groups == NULL:
        return copy
    rax_iter_init(&it, m, s.groups)
    rax_seek(&it, RAX_FIRST, NULL, 0)
    while it.valid:
        adopt_group(m, copy, slice_of(it.key, it.klen), group_dup(m, <Group*>it.value))
        rax_next(&it)
    rax_iter_done(&it)
    return copy


cdef Robj* stream_boxed(Mem* m, Slice key, Stream* s) noexcept nogil:
    return robj_boxed(m, key, OBJ_STREAM, ENC_STREAM, s, NO_EXPIRE)


cdef Stream* stream_of(const Robj* o) noexcept nogil:
    return <Stream*>robj_ptr(o)


cdef void stream_load_node(Mem* m, Stream* s, StreamId id, uint8_t* lp) noexcept nogil:
    cdef char[ID_BYTES] key
    id_to_key(key, id)
    rax_insert(m, s.nodes, key, ID_BYTES, lp, NULL)
    s.tail = lp
    s.tail_id = id


# ---------------------------------------------------------------- appending

cdef bint stream_next_id(const Stream* s, int64_t now_ms, StreamId* id) noexcept nogil:
    if <uint64_t>now_ms > s.last_id.ms:
        id[0] = id_make(<uint64_t>now_ms, 0)
        return True
    id[0] = s.last_id               # the clock went back, or not on
    return id_up(id)


cdef bint stream_next_seq(const Stream* s, uint64_t ms, StreamId* id) noexcept nogil:
    id[0] = id_make(ms, 0)
    if ms == s.last_id.ms:
        id.seq = s.last_id.seq + 1
        return id.seq != 0
    return ms > s.last_id.ms


cdef inline uint8_t* write_int(uint8_t* p, int64_t v) noexcept nogil:
    cdef LpEnc e
    if likely(<uint64_t>v < 0x80):
        p[0] = <uint8_t>v
        p[1] = 1
        return p + 2
    lp_encode_i64(&e, v)
    lp_encode_write(p, &e)
    return p + e.size


cdef inline uint8_t* write_text(uint8_t* p, Slice s) noexcept nogil:
    cdef LpEnc e
    lp_encode_text(&e, s.ptr, s.len)
    lp_encode_write(p, &e)
    return p + e.size


cdef bint same_fields(const uint8_t* lp, const Slice* pairs, int64_t fields) noexcept nogil:
    """Are the names those of the master entry?"""
    cdef uint8_t* p = skip(live_of(lp), 2)
    cdef int64_t i
    if take_int(&p) != fields:
        return False
    for i in range(fields):
        if not lp_compare(p, pairs[2 * i].ptr, pairs[2 * i].len):
            return False
        p += lp_entry_size(p)
    return True


cdef bint has_room(const Knobs* k, const uint8_t* lp, size_t bytes) noexcept nogil:
    cdef size_t limit = LP_SAFE_BYTES
    if k.stream_node_max_bytes > 0 and k.stream_node_max_bytes < LP_SAFE_BYTES:
        limit = <size_t>k.stream_node_max_bytes
    if lp_bytes(lp) + bytes >= limit:
        return False
    return k.stream_node_max_entries <= 0 or live_count(lp) + deleted_count(lp) < k.stream_node_max_entries


cdef size_t entry_bound(const Slice* pairs, int64_t fields, bint same) noexcept nogil:
    """At least the bytes of an entry, little more."""
    cdef size_t total = 2 + 2 * INT_BYTES + 2 * 3
    cdef LpEnc e
    cdef int64_t i
    for i in range(2 * fields):
        if i & 1 or not same:
            lp_encode_text(&e, pairs[i].ptr, pairs[i].len)
            total += e.size
    return total


cdef uint8_t* with_room(Mem* m, uint8_t* lp, const Slice* pairs, int64_t fields, bint same,
                        size_t bytes) noexcept nogil:
    """lp with room for the entry, whose texts have that many bytes. Half as much again if it has to move."""
    cdef size_t used = lp_bytes(lp), room = mem_usable(lp), need
    if used + bytes + ENTRY_BYTES + 2 * TEXT_OVERHEAD * <size_t>fields <= room:
        return lp
    need = used + entry_bound(pairs, fields, same)
    if need <= room:
        return lp
    return <uint8_t*>mem_realloc(m, lp, need if need > used + (used >> 1) else used + (used >> 1))


cdef void begin_node(Mem* m, Stream* s, StreamId id, const Slice* pairs, int64_t fields) noexcept nogil:
    """A node behind the last, with its master entry alone."""
    cdef uint8_t* lp
    cdef uint8_t* p
    cdef int64_t i
    cdef Node n
    if s.tail != NULL:
        at_tail(s, &n)
        put_node(m, s, &n, lp_fit(m, s.tail))
    lp = <uint8_t*>mem_alloc(m, LP_EMPTY_BYTES + 3 * 3 + entry_bound(pairs, fields, False))
    p = write_int(write_int(write_int(lp + LP_HEADER, 0), 0), fields)
    for i in range(fields):
        p = write_text(p, pairs[2 * i])
    p = write_int(p, 0)
    p[0] = LP_END
    lp_set_header(lp, p - lp + 1, 4 + fields)
    stream_load_node(m, s, id, lp)


cdef AppendResult append_room(Mem* m, const Slice* pairs, int64_t fields, size_t* bytes) noexcept nogil:
    """Tells the bytes of all texts, and whether they can be stored."""
    cdef size_t total = 0
    cdef void* probe
    cdef int64_t i
    for i in range(2 * fields):
        total += pairs[i].len
    bytes[0] = total
    if likely(total < LARGE):
        return APPENDED
    if total > LP_SAFE_BYTES:
        return APPEND_TOO_LARGE
    probe = mem_try_alloc(m, total + (total >> 1))
    mem_free(m, probe)
    return APPENDED if probe != NULL else APPEND_NO_MEMORY


cdef void write_entry(uint8_t* lp, const Node* n, StreamId id, const Slice* pairs, int64_t fields,
                      bint same) noexcept nogil:
    """Writes the entry at the end of lp, which has room, and the header."""
    cdef int64_t i, elements = fields + 3 if same else 2 * fields + 4
    cdef uint8_t* p = write_int(lp_end(lp), SAME if same else 0)
    p = write_int(write_int(p, <int64_t>(id.ms - n.id.ms)), <int64_t>(id.seq - n.id.seq))
    if not same:
        p = write_int(p, fields)
    for i in range(2 * fields):
        if i & 1 or not same:
            p = write_text(p, pairs[i])
    p = write_int(p, elements)
    p[0] = LP_END
    i = rp_load16le(lp + 4)
    lp_set_header(lp, p - lp + 1, i + elements + 1 if i != LP_COUNT_UNKNOWN else LP_COUNT_UNKNOWN)


cdef AppendResult stream_append(Mem* m, const Knobs* k, Stream* s, StreamId id, const Slice* pairs,
                                int64_t fields) noexcept nogil:
    cdef size_t bytes
    cdef uint8_t* p
    cdef uint8_t* lp
    cdef bint same = True
    cdef Node n
    cdef AppendResult result = append_room(m, pairs, fields, &bytes)
    if unlikely(result != APPENDED):
        return result
    if s.tail == NULL or not has_room(k, s.tail, bytes):
        begin_node(m, s, id, pairs, fields)
    else:
        same = same_fields(s.tail, pairs, fields)
    at_tail(s, &n)
    lp = with_room(m, s.tail, pairs, fields, same, bytes)
    write_entry(lp, &n, id, pairs, fields, same)
    p = live_of(lp)
    if likely(p[0] < 0x7F):
        p[0] += 1                       # one byte up to 127
    else:
        lp = lp_replace_i64(m, lp, &p, lp_int(p) + 1)
    put_node(m, s, &n, lp)
    if s.length == 0:
        s.first_id = id
    s.length += 1
    s.entries_added += 1
    s.last_id = id
    return APPENDED


# ---------------------------------------------------------------- reading

cdef void open_node(StreamIter* it, StreamId id, uint8_t* lp) noexcept nogil:
    it.lp = lp
    it.base = id
    it.p = open_master(lp, &it.master, &it.master_fields)
    if it.reverse:
        it.p = lp_last(lp)
    it.inside = False


cdef void stream_iter(StreamIter* it, Mem* m, const Stream* s, StreamId start, StreamId end,
                      bint reverse) noexcept nogil:
    cdef char[ID_BYTES] key
    cdef StreamId near = end if reverse else start
    it.m = m
    it.s = s
    it.start = start
    it.end = end
    it.reverse = reverse
    it.seeking = False
    it.lp = NULL
    if s.tail == NULL or id_less(end, start):
        return
    if not id_less(near, s.tail_id):
        open_node(it, s.tail_id, s.tail)
        return
    it.seeking = True
    rax_iter_init(&it.nodes, m, s.nodes)
    id_to_key(key, near)
    if rax_seek(&it.nodes, RAX_LE, key, ID_BYTES) or (not reverse and rax_seek(&it.nodes, RAX_FIRST, NULL, 0)):
        open_node(it, id_of_key(it.nodes.key), <uint8_t*>it.nodes.value)


cdef void stream_iter_done(StreamIter* it) noexcept nogil:
    if it.seeking:
        rax_iter_done(&it.nodes)


cdef void other_node(StreamIter* it) noexcept nogil:
    """The neighbour of the node that was read to its end, or lp = NULL."""
    cdef char[ID_BYTES] key
    cdef bint found
    if it.seeking:
        found = rax_prev(&it.nodes) if it.reverse else rax_next(&it.nodes)
    elif not it.reverse:
        found = False                   # began in the last node
    else:
        it.seeking = True
        rax_iter_init(&it.nodes, it.m, it.s.nodes)
        id_to_key(key, it.base)
        found = rax_seek(&it.nodes, RAX_LT, key, ID_BYTES)
    it.lp = NULL
    if found:
        open_node(it, id_of_key(it.nodes.key), <uint8_t*>it.nodes.value)


cdef inline bint stand(StreamIter* it, uint8_t* p, int64_t flags) noexcept nogil:
    """At the entry whose flags and ID have been read; p is behind its deltas."""
    it.same = (flags & SAME) != 0
    it.fields = it.master_fields if it.same else take_int(&p)
    it.left = it.fields
    it.name = it.master
    it.value = p
    return True


cdef bint step_forward(StreamIter* it) noexcept nogil:
    cdef int64_t flags, elements
    cdef uint8_t* p
    while it.lp != NULL:
        p = it.p
        if it.inside:
            p = skip(it.value, (it.left if it.same else 2 * it.left) + 1)
        while p[0] != LP_END:
            flags = take_int(&p)
            it.id = delta_id(it.base, &p)
            if flags & DELETED or id_less(it.id, it.start):
                elements = it.master_fields if flags & SAME else 2 * take_int(&p)
                p = skip(p, elements + 1)
                continue
            if id_less(it.end, it.id):
                it.lp = NULL
                return False
            it.inside = True
            return stand(it, p, flags)
        other_node(it)
    return False


cdef bint step_back(StreamIter* it) noexcept nogil:
    cdef int64_t flags, back
    cdef uint8_t* entry
    cdef uint8_t* p
    while it.lp != NULL:
        back = lp_int(it.p)
        while back != 0:                # 0: the master entry
            entry = it.p
            while back > 0:
                entry = lp_prev(it.lp, entry)
                back -= 1
            it.p = lp_prev(it.lp, entry)
            p = entry
            flags = take_int(&p)
            it.id = delta_id(it.base, &p)
            if id_less(it.id, it.start):
                it.lp = NULL
                return False
            if not flags & DELETED and not id_less(it.end, it.id):
                return stand(it, p, flags)
            back = lp_int(it.p)
        other_node(it)
    return False


cdef bint stream_step(StreamIter* it) noexcept nogil:
    return step_back(it) if it.reverse else step_forward(it)


cdef void stream_field(StreamIter* it, Slice* name, Slice* value) noexcept nogil:
    cdef uint8_t* p
    if it.same:
        p = it.name
        it.name += lp_entry_size(p)
    else:
        p = it.value
        it.value += lp_entry_size(p)
    name.ptr = lp_get_text(p, it.name_text, &name.len)
    value.ptr = lp_get_text(it.value, it.value_text, &value.len)
    it.value += lp_entry_size(it.value)
    it.left -= 1


cdef bint stream_has(Mem* m, const Stream* s, StreamId id) noexcept nogil:
    cdef Node n
    if s.length == 0 or id_less(id, s.first_id) or id_less(s.last_id, id):
        return False
    return node_for(m, s, id, &n) and find_in_node(&n, id) != NULL


cdef bint stream_last(Mem* m, const Stream* s, StreamId* id) noexcept nogil:
    cdef StreamIter it
    cdef bint found
    stream_iter(&it, m, s, id_make(0, 0), id_make(<uint64_t>-1, <uint64_t>-1), True)
    found = stream_step(&it)
    if found:
        id[0] = it.id
    stream_iter_done(&it)
    return found


# ---------------------------------------------------------------- deleting

cdef bint stream_delete(Mem* m, Stream* s, StreamId id) noexcept nogil:
    cdef uint8_t* entry
    cdef Node n
    if s.length == 0 or id_less(id, s.first_id) or not node_for(m, s, id, &n):
        return False
    entry = find_in_node(&n, id)
    if entry == NULL:
        return False
    entry[0] |= DELETED
    count_in_node(m, s, &n, 1)
    if id_less(s.max_deleted, id):
        s.max_deleted = id
    if id_equal(id, s.first_id):
        stream_find_first(m, s)
    return True


cdef bint trim_goes_on(const Stream* s, const Trim* t, int64_t gone, StreamId id) noexcept nogil:
    """Is the entry, the next in order, to be trimmed when `gone` of its node are already?"""
    if t.by == TRIM_MAXLEN:
        return <int64_t>s.length - gone > t.maxlen
    return id_less(id, t.minid)


cdef int64_t trim_node(Mem* m, Stream* s, Node* n, const Trim* t, bint* more) noexcept nogil:
    """Deletes entries from the node's first on. more: the next node may have some."""
    cdef uint8_t* fields
    cdef uint8_t* entry
    cdef int64_t flags, elements, master_fields, gone = 0
    cdef StreamId id
    cdef uint8_t* p = open_master(n.lp, &fields, &master_fields)
    more[0] = True
    while p[0] != LP_END:
        entry = p
        flags = take_int(&p)
        id = delta_id(n.id, &p)
        if not flags & DELETED:
            if not trim_goes_on(s, t, gone, id):
                more[0] = False
                break
            if t.refs == REF_DELETE:
                stream_release(m, s, id)
            if t.refs != REF_ACKED or not stream_referenced(s, id):
                entry[0] |= DELETED
                gone += 1
        elements = master_fields if flags & SAME else 2 * take_int(&p)
        p = skip(p, elements + 1)
    if gone:
        count_in_node(m, s, n, gone)
    return gone


cdef inline bint trims_whole(const Stream* s, const Trim* t, const Node* n, int64_t live) noexcept nogil:
    if t.refs != REF_KEEP:
        return False
    if t.by == TRIM_MAXLEN:
        return <int64_t>s.length - live >= t.maxlen
    return id_less(last_in_node(n), t.minid)


cdef int64_t stream_trim(Mem* m, Stream* s, const Trim* t) noexcept nogil:
    # compat: with ~ and a policy on references Redis 8.2 trims nothing: it never drops a whole node then.
    cdef int64_t live, gone = 0
    cdef bint more = True
    cdef RaxIter it
    cdef Node n
    if t.by == TRIM_NONE or (t.by == TRIM_MAXLEN and <int64_t>s.length <= t.maxlen):
        return 0
    rax_iter_init(&it, m, s.nodes)
    rax_seek(&it, RAX_FIRST, NULL, 0)
    while it.valid and more:
        if t.by == TRIM_MAXLEN and <int64_t>s.length <= t.maxlen:
            break
        at_iter(&it, &n)
        live = live_count(n.lp)
        if t.approx and t.limit and gone + live > t.limit:
            break
        if trims_whole(s, t, &n, live):
            drop_node(m, s, &n)
            s.length -= <uint64_t>live
            gone += live
        elif t.approx:
            break
        else:
            gone += trim_node(m, s, &n, t, &more)
        rax_next(&it)
    rax_iter_done(&it)
    if gone:
        stream_find_first(m, s)
    return gone


# ---------------------------------------------------------------- groups

cdef Group* stream_group(const Stream* s, Slice name) noexcept nogil:
    cdef void* g = NULL
    return <Group*>g if s.groups != NULL and rax_find(s.groups, name.ptr, name.len, &g) else NULL


cdef void adopt_group(Mem* m, Stream* s, Slice name, Group* g) noexcept nogil:
    if s.groups == NULL:
        s.groups = rax_new(m)
    rax_insert(m, s.groups, name.ptr, name.len, g, NULL)
    g.prev = NULL
    g.next = s.group_list
    if g.next != NULL:
        g.next.prev = g
    s.group_list = g


cdef Group* stream_group_add(Mem* m, Stream* s, Slice name, StreamId last_id, int64_t entries_read) noexcept nogil:
    cdef Group* g
    if stream_group(s, name) != NULL:
        return NULL
    g = group_new(m, last_id, entries_read)
    adopt_group(m, s, name, g)
    return g


cdef bint stream_group_delete(Mem* m, Stream* s, Slice name) noexcept nogil:
    cdef Group* g = stream_group(s, name)
    if g == NULL:
        return False
    rax_remove(m, s.groups, name.ptr, name.len, NULL)
    if g.prev != NULL:
        g.prev.next = g.next
    else:
        s.group_list = g.next
    if g.next != NULL:
        g.next.prev = g.prev
    group_free(m, g)
    return True


cdef bint stream_referenced(const Stream* s, StreamId id) noexcept nogil:
    cdef Group* g = s.group_list
    while g != NULL:
        if id_less(g.last_id, id) or pel_find(g, id) != NULL:
            return True
        g = g.next
    return False


cdef bint stream_release(Mem* m, Stream* s, StreamId id) noexcept nogil:
    cdef Group* g = s.group_list
    cdef bint any = False
    while g != NULL:
        any |= pel_remove(m, g, id)
        g = g.next
    return any


cdef inline bint deleted_from(const Stream* s, StreamId id) noexcept nogil:
    """May an entry at id or behind it have been deleted that lies behind the first entry alive?"""
    if s.length == 0 or id_is_zero(s.max_deleted) or id_less(s.max_deleted, s.first_id):
        return False
    return not id_less(s.max_deleted, id)


cdef int64_t stream_entries_until(const Stream* s, StreamId id) noexcept nogil:
    cdef int order
    if s.entries_added == 0:
        return 0
    if s.length == 0 and not id_less(s.last_id, id):
        return <int64_t>s.entries_added
    if id_equal(id, s.last_id):
        return <int64_t>s.entries_added
    if id_less(s.last_id, id):
        return READ_UNKNOWN
    if not id_is_zero(id) and id_less(id, s.max_deleted):
        return READ_UNKNOWN
    order = id_compare(id, s.first_id)
    if order <= 0 and id_less(s.max_deleted, s.first_id):
        return <int64_t>(s.entries_added - s.length) + (order == 0)
    return READ_UNKNOWN


cdef int64_t stream_lag(const Stream* s, const Group* g) noexcept nogil:
    cdef int64_t until
    if s.entries_added == 0 or s.length == 0:
        return 0
    if id_less(g.last_id, s.first_id) and id_less(s.max_deleted, s.first_id):
        return <int64_t>s.length
    if g.entries_read != READ_UNKNOWN and not deleted_from(s, g.last_id):
        return <int64_t>s.entries_added - g.entries_read
    until = stream_entries_until(s, g.last_id)
    return <int64_t>s.entries_added - until if until != READ_UNKNOWN else LAG_UNKNOWN


cdef void stream_count_read(const Stream* s, Group* g, StreamId id) noexcept nogil:
    if g.entries_read != READ_UNKNOWN and not id_less(g.last_id, s.first_id) and not deleted_from(s, g.last_id):
        g.entries_read += 1
    elif s.entries_added:
        g.entries_read = stream_entries_until(s, id)
    g.last_id = id


# ---------------------------------------------------------------- untrusted nodes

cdef bint ints_follow(uint8_t** p, int64_t* out, int n) noexcept nogil:
    """Reads n integers; False: something else stands there. Nothing is read beyond the end mark."""
    cdef int i
    for i in range(n):
        if p[0][0] == LP_END or not lp_is_int(p[0]):
            return False
        out[i] = lp_int(p[0])
        p[0] += lp_entry_size(p[0])
    return True


cdef bint pass_follow(uint8_t** p, int64_t n) noexcept nogil:
    while n > 0:
        if p[0][0] == LP_END:
            return False
        p[0] += lp_entry_size(p[0])
        n -= 1
    return n == 0


cdef bint entry_valid(uint8_t** p, int64_t master_fields, int64_t* flags) noexcept nogil:
    cdef int64_t[3] head
    cdef int64_t fields, count, elements
    if p[0][0] >= 0x80 or not ints_follow(p, head, 3):     # deleting sets a bit of the flags where they are
        return False
    flags[0] = head[0]
    if head[0] & SAME:
        fields = master_fields
        elements = fields
    else:
        if not ints_follow(p, &fields, 1) or fields < 0 or fields > LP_SAFE_BYTES:
            return False
        elements = 2 * fields
    if not pass_follow(p, elements) or not ints_follow(p, &count, 1):
        return False
    return count == (elements + 3 if head[0] & SAME else elements + 4)


cdef bint stream_node_valid(const void* blob, size_t n, bint deep) noexcept nogil:
    cdef uint8_t* p = <uint8_t*>blob + LP_HEADER
    cdef int64_t[3] master
    cdef int64_t flags, zero, live = 0, deleted = 0
    if not lp_validate_integrity(blob, n, deep, NULL, NULL):
        return False
    if not deep:
        return True
    if not ints_follow(&p, master, 3) or master[2] < 0 or not pass_follow(&p, master[2]):
        return False
    if not ints_follow(&p, &zero, 1) or zero != 0:
        return False
    while p[0] != LP_END:
        if not entry_valid(&p, master[2], &flags):
            return False
        if flags & DELETED:
            deleted += 1
        else:
            live += 1
    return live == master[0] and deleted == master[1]


cdef bint stream_node_ids(const uint8_t* lp, StreamId base, StreamId* first, StreamId* last, uint64_t* live) noexcept nogil:
    cdef uint8_t* fields
    cdef int64_t flags, elements, master_fields
    cdef StreamId id
    cdef bint any = False
    cdef uint8_t* p = open_master(lp, &fields, &master_fields)
    live[0] = <uint64_t>live_count(lp)
    while p[0] != LP_END:
        flags = take_int(&p)
        id = delta_id(base, &p)
        if any and not id_less(last[0], id):
            return False
        if not any:
            first[0] = id
        any = True
        last[0] = id
        elements = master_fields if flags & SAME else 2 * take_int(&p)
        p = skip(p, elements + 1)
    return any


# ---------------------------------------------------------------- as a value

cdef void value_free(Mem* m, Robj* o) noexcept nogil:
    stream_free(m, stream_of(o))


cdef void* value_dup(Mem* m, const Robj* o) noexcept nogil:
    return stream_dup(m, stream_of(o))


cdef size_t value_memory(const Robj* o, size_t samples) noexcept nogil:
    """The nodes' listpacks are estimated from the first ones, the last taken as it is; all else is exact."""
    cdef Stream* s = stream_of(o)
    cdef Group* g = s.group_list
    cdef size_t total = mem_usable(s) + rax_bytes(s.nodes), seen = 0, bytes = 0
    cdef uint64_t others = rax_size(s.nodes) - 1
    cdef RaxIter it
    if s.tail != NULL:
        total += mem_usable(s.tail)
        rax_iter_init(&it, NULL, s.nodes)       # keys of 16 bytes: the iterator allocates nothing
        rax_seek(&it, RAX_FIRST, NULL, 0)
        while it.valid and seen < others and (samples == 0 or seen < samples):
            bytes += mem_usable(it.value)
            seen += 1
            rax_next(&it)
        rax_iter_done(&it)
        if seen:
            total += <size_t>(<double>bytes / <double>seen * <double>others)
    if s.groups != NULL:
        total += rax_bytes(s.groups)
    while g != NULL:
        total += group_memory(g)
        g = g.next
    return total


cdef size_t value_length(const Robj* o) noexcept nogil:
    return stream_of(o).length


cdef size_t value_effort(const Robj* o) noexcept nogil:
    cdef Stream* s = stream_of(o)
    cdef Group* g = s.group_list
    cdef size_t total = rax_size(s.nodes)
    while g != NULL:
        total += 1 + group_effort(g)
        g = g.next
    return total


cdef TypeOps stream_ops
stream_ops.free = value_free
stream_ops.dup = value_dup
stream_ops.memory = value_memory
stream_ops.length = value_length
stream_ops.effort = value_effort
robj_register(OBJ_STREAM, &stream_ops)
