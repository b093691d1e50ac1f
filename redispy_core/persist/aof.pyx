"""Commands that rebuild the keyspace (contract: aof.pxd). Room persist; used by the engine for BGREWRITEAOF without an
RDB preamble.

Per key the command that makes its value, AOF_ITEMS elements at a time, then PEXPIREAT if it has an expiry. Streams: an
XADD per entry, XSETID for the counters, and each group's position, consumers and pending entries (XCLAIM puts one into
the PEL without a delivery).
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, strlen
from ..base.num cimport NUM_BUF, num_print_double, num_print_i64, num_print_u64
from ..base.sds cimport Slice, slice_of
from ..keyspace.db cimport Db, Keyspace
from ..structs.dict cimport DictIter, dict_iter, dict_iter_end, dict_next
from ..structs.rax cimport Rax, RaxIter, RAX_FIRST, rax_iter_done, rax_iter_init, rax_next, rax_seek, rax_size
from ..types.hash cimport HASH_NO_TTL, HashIter, hash_iter, hash_iter_end, hash_len, hash_next, hash_next_ms, hash_text
from ..types.list cimport LIST_HEAD, ListIter, list_close, list_get, list_length, list_seek, list_step
from ..types.object cimport *
from ..types.set cimport Set, SetEl, SetIter, el_text, set_iter, set_iter_end, set_next, set_of, set_size
from ..types.stream cimport (Stream, StreamIter, stream_field, stream_iter, stream_iter_done, stream_of, stream_step)
from ..types.stream_group cimport (Consumer, Group, Nack, StreamId, consumer_pending, id_make, id_of_key)
from ..types.zset cimport ZsetItem, ZsetIter, zset_item_score, zset_iter, zset_next, zset_size
from .sink cimport Sink, sink_end, sink_fail, sink_key, sink_put, sink_room, sink_took

cdef extern from "<errno.h>" nogil:
    const int ENOTSUP

cdef enum:
    ID_TEXT = 48                       # room for a printed StreamId


# ---------------------------------------------------------------- requests

cdef inline void put_head(Sink* s, char mark, int64_t n) noexcept nogil:
    """A line such as "*3" or "$5"."""
    cdef char* p = <char*>sink_room(s, 32)
    cdef int len
    p[0] = mark
    len = 1 + num_print_i64(p + 1, n)
    p[len] = 13
    p[len + 1] = 10
    sink_took(s, len + 2)


cdef inline void put_bulk(Sink* s, const char* p, size_t n) noexcept nogil:
    put_head(s, c'$', <int64_t>n)
    sink_put(s, p, n)
    sink_put(s, b"\r\n", 2)


cdef void aof_put_array(Sink* s, int64_t n) noexcept nogil:
    put_head(s, c'*', n)


cdef void aof_put_bulk(Sink* s, const char* p, size_t n) noexcept nogil:
    put_bulk(s, p, n)


cdef inline void put_word(Sink* s, const char* word) noexcept nogil:
    put_bulk(s, word, strlen(word))


cdef void put_int(Sink* s, int64_t v) noexcept nogil:
    cdef char[INT_TEXT] text
    put_bulk(s, text, num_print_i64(text, v))


cdef void put_id(Sink* s, StreamId id) noexcept nogil:
    cdef char[ID_TEXT] text
    cdef int n = num_print_u64(text, id.ms)
    text[n] = c'-'
    n += 1
    n += num_print_u64(text + n, id.seq)
    put_bulk(s, text, n)


cdef inline void command(Sink* s, int64_t words, const char* name, Slice key) noexcept nogil:
    """The head of a request of so many words, name and key among them."""
    put_head(s, c'*', words)
    put_word(s, name)
    put_bulk(s, key.ptr, key.len)


cdef struct Batch:                     # elements still to come of a value, and of the command begun
    Sink* s
    const char* name
    Slice key
    uint64_t left
    int room
    int words                          # an element's


cdef Batch batch(Sink* s, const char* name, Slice key, uint64_t elements, int words) noexcept nogil:
    cdef Batch b
    b.s = s
    b.name = name
    b.key = key
    b.left = elements
    b.room = 0
    b.words = words
    return b


cdef inline void batch_element(Batch* b) noexcept nogil:
    """An element's words follow: begins a command if the last is full."""
    if b.room == 0:
        b.room = <int>b.left if b.left < AOF_ITEMS else AOF_ITEMS
        command(b.s, 2 + <int64_t>b.room * b.words, b.name, b.key)
    b.room -= 1
    b.left -= 1


# ---------------------------------------------------------------- values

cdef void write_string(Sink* s, const Robj* o, Slice key) noexcept nogil:
    cdef char[INT_TEXT] scratch
    cdef size_t n
    cdef const char* p = robj_bytes(o, scratch, &n)
    command(s, 3, b"SET", key)
    put_bulk(s, p, n)


cdef void write_list(Keyspace* ks, Sink* s, Robj* o, Slice key) noexcept nogil:
    cdef ListIter it
    cdef Batch b = batch(s, b"RPUSH", key, list_length(o), 1)
    cdef size_t n = 0
    cdef int64_t v = 0
    cdef const char* p
    cdef bint more = list_seek(ks.mem, o, 0, 1, &it)
    while more:
        batch_element(&b)
        p = list_get(ks.mem, &it, &n, &v)
        if p != NULL:
            put_bulk(s, p, n)
        else:
            put_int(s, v)
        more = list_step(ks.mem, &it)
    list_close(ks.mem, &it)


cdef void write_set(Sink* s, const Robj* o, Slice key) noexcept nogil:
    cdef Set set = set_of(o)
    cdef SetIter it
    cdef SetEl el
    cdef Batch b = batch(s, b"SADD", key, set_size(&set), 1)
    set_iter(&it, &set)
    while set_next(&it, &el):
        batch_element(&b)
        el_text(&el)
        put_bulk(s, el.s, el.n)
    set_iter_end(&it)


cdef void write_zset(Sink* s, const Robj* o, Slice key) noexcept nogil:
    cdef ZsetIter it
    cdef ZsetItem item
    cdef char[NUM_BUF] text
    cdef Batch b = batch(s, b"ZADD", key, zset_size(o), 2)
    zset_iter(&it, o, 0, -1, False)
    while zset_next(&it, &item):
        batch_element(&b)
        put_bulk(s, text, num_print_double(text, zset_item_score(&item)))
        put_bulk(s, item.member, item.len)


cdef void write_hash(Sink* s, const Robj* o, Slice key) noexcept nogil:
    cdef HashIter it
    cdef char[24] text
    cdef Slice part
    cdef Batch b = batch(s, b"HMSET", key, hash_len(o), 2)
    hash_iter(&it, o)
    while hash_next(&it):
        batch_element(&b)
        part = hash_text(&it.field, text)
        put_bulk(s, part.ptr, part.len)
        part = hash_text(&it.val, text)
        put_bulk(s, part.ptr, part.len)
    hash_iter_end(&it)
    if hash_next_ms(o) == HASH_NO_TTL:
        return
    hash_iter(&it, o)
    while hash_next(&it):
        if it.when_ms != HASH_NO_TTL:
            command(s, 6, b"HPEXPIREAT", key)
            put_int(s, it.when_ms)
            put_word(s, b"FIELDS")
            put_word(s, b"1")
            part = hash_text(&it.field, text)
            put_bulk(s, part.ptr, part.len)
    hash_iter_end(&it)


# ---------------------------------------------------------------- streams

cdef void write_entries(Keyspace* ks, Sink* s, const Stream* st, Slice key) noexcept nogil:
    cdef StreamIter it
    cdef Slice name, value
    cdef int64_t i, fields
    stream_iter(&it, ks.mem, st, id_make(0, 0), id_make(<uint64_t>-1, <uint64_t>-1), False)
    while stream_step(&it):
        fields = it.fields
        command(s, 3 + 2 * fields, b"XADD", key)
        put_id(s, it.id)
        for i in range(fields):
            stream_field(&it, &name, &value)
            put_bulk(s, name.ptr, name.len)
            put_bulk(s, value.ptr, value.len)
    stream_iter_done(&it)


cdef void write_pending(Keyspace* ks, Sink* s, Consumer* c, Slice key, Slice group) noexcept nogil:
    cdef RaxIter it
    cdef Nack* nack
    rax_iter_init(&it, ks.mem, c.pel)
    rax_seek(&it, RAX_FIRST, NULL, 0)
    while it.valid:
        nack = <Nack*>it.value
        command(s, 12, b"XCLAIM", key)
        put_bulk(s, group.ptr, group.len)
        put_bulk(s, c.name, c.len)
        put_word(s, b"0")
        put_id(s, id_of_key(it.key))
        put_word(s, b"TIME")
        put_int(s, nack.delivered_ms)
        put_word(s, b"RETRYCOUNT")
        put_int(s, <int64_t>nack.deliveries)
        put_word(s, b"JUSTID")
        put_word(s, b"FORCE")
        rax_next(&it)
    rax_iter_done(&it)


cdef void write_consumers(Keyspace* ks, Sink* s, const Group* g, Slice key, Slice group) noexcept nogil:
    cdef RaxIter it
    cdef Consumer* c
    rax_iter_init(&it, ks.mem, g.consumers)
    rax_seek(&it, RAX_FIRST, NULL, 0)
    while it.valid:
        c = <Consumer*>it.value
        if consumer_pending(c):
            write_pending(ks, s, c, key, group)
        else:
            put_head(s, c'*', 5)
            put_word(s, b"XGROUP")
            put_word(s, b"CREATECONSUMER")
            put_bulk(s, key.ptr, key.len)
            put_bulk(s, group.ptr, group.len)
            put_bulk(s, c.name, c.len)
        rax_next(&it)
    rax_iter_done(&it)


cdef void write_groups(Keyspace* ks, Sink* s, const Stream* st, Slice key) noexcept nogil:
    cdef RaxIter it
    cdef Group* g
    rax_iter_init(&it, ks.mem, st.groups)
    rax_seek(&it, RAX_FIRST, NULL, 0)
    while it.valid:
        g = <Group*>it.value
        put_head(s, c'*', 7)
        put_word(s, b"XGROUP")
        put_word(s, b"CREATE")
        put_bulk(s, key.ptr, key.len)
        put_bulk(s, it.key, it.klen)
        put_id(s, g.last_id)
        put_word(s, b"ENTRIESREAD")
        put_int(s, g.entries_read)
        write_consumers(ks, s, g, key, slice_of(it.key, it.klen))
        rax_next(&it)
    rax_iter_done(&it)


cdef void write_stream(Keyspace* ks, Sink* s, const Stream* st, Slice key) noexcept nogil:
    if st.length:
        write_entries(ks, s, st, key)
    else:
        # A stream without entries is left by adding one and trimming it away.
        command(s, 7, b"XADD", key)
        put_word(s, b"MAXLEN")
        put_word(s, b"0")
        put_word(s, b"0-1")
        put_word(s, b"x")
        put_word(s, b"y")
    command(s, 7, b"XSETID", key)
    put_id(s, st.last_id)
    put_word(s, b"ENTRIESADDED")
    put_int(s, <int64_t>st.entries_added)
    put_word(s, b"MAXDELETEDID")
    put_id(s, st.max_deleted)
    if st.groups != NULL:
        write_groups(ks, s, st, key)


# ---------------------------------------------------------------- keys

cdef bint aof_rewrite_value(Keyspace* ks, Sink* s, Robj* o, const AofOptions* opt) noexcept nogil:
    cdef ObjType type = robj_type(o)
    cdef int64_t when_ms = robj_expire(o)
    cdef Slice key
    key.ptr = robj_key(o, &key.len)
    if type == OBJ_STRING:
        write_string(s, o, key)
    elif type == OBJ_LIST:
        write_list(ks, s, o, key)
    elif type == OBJ_SET:
        write_set(s, o, key)
    elif type == OBJ_ZSET:
        write_zset(s, o, key)
    elif type == OBJ_HASH:
        write_hash(s, o, key)
    elif type == OBJ_STREAM:
        write_stream(ks, s, stream_of(o), key)
    elif opt.module_value == NULL or not opt.module_value(opt.ctx, s, o):
        return False
    if when_ms != NO_EXPIRE:
        command(s, 3, b"PEXPIREAT", key)
        put_int(s, when_ms)
    return True


cdef void write_db(Keyspace* ks, Db* db, Sink* s, const AofOptions* opt) noexcept nogil:
    cdef DictIter it
    cdef Robj* o
    put_head(s, c'*', 2)
    put_word(s, b"SELECT")
    put_int(s, db.id)
    dict_iter(&it, &db.keys)
    while s.error == 0:
        o = <Robj*>dict_next(&it)
        if o == NULL:
            break
        sink_key(s)
        if not aof_rewrite_value(ks, s, o, opt):
            sink_fail(s, ENOTSUP)
    dict_iter_end(&it)


cdef int aof_rewrite_all(Keyspace* ks, Sink* s, const AofOptions* opt) noexcept nogil:
    cdef char[INT_TEXT] text
    cdef int i
    s.checksum = False
    if opt.timestamp:
        sink_put(s, b"#TS:", 4)
        sink_put(s, text, num_print_i64(text, opt.now_ms // 1000))
        sink_put(s, b"\r\n", 2)
    if opt.functions != NULL:
        opt.functions(opt.ctx, s)
    for i in range(ks.ndbs):
        if ks.dbs[i].keys.used and s.error == 0:
            write_db(ks, &ks.dbs[i], s, opt)
    return sink_end(s)
