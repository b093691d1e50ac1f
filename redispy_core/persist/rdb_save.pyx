"""Writing RDB (contract: rdb_save.pxd, layouts: rdb_format.pxd). Room persist; used by the engine and by DUMP.

Small encodings and stream nodes are Redis's bytes already and go out whole. Tables are walked with look-ahead: entries
are fetched from memory some steps before they are written, for a walk of the keyspace is bound by cache misses.

Where a version lacks a type, the value goes out in the plain form that it has: a small set member by member, a hash
field by field. Expiries of fields have no such form: version 12 or nothing.
"""
from libc.stdint cimport INT32_MAX, INT32_MIN, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove, memset, strlen
from ..base.codec cimport crc64, lzf_compress
from ..base.env cimport POLICY_LFU, POLICY_LRU
from ..base.mem cimport mem_free, mem_try_alloc
from ..base.num cimport num_parse_i64, num_print_i64
from ..base.rp cimport (likely, rp_bswap32, rp_prefetch, rp_store16le, rp_store32le, rp_store64be, rp_store64le,
                        unlikely)
from ..base.sds cimport Slice
from ..keyspace.db cimport Db, Keyspace, lfu_counter, lru_idle_ms
from ..structs.dict cimport Dict, DictIter, dict_iter, dict_iter_end, dict_next
from ..structs.ebuckets cimport eb_count
from ..structs.intset cimport Intset, intset_bytes
from ..structs.listpack cimport lp_bytes
from ..structs.quicklist cimport QL_PLAIN, Quicklist, QlNode, QlView, ql_node_view
from ..structs.rax cimport (RAX_FIRST, Rax, RaxIter, rax_iter_done, rax_iter_init, rax_next, rax_seek, rax_size)
from ..structs.skiplist cimport (ZslIter, ZslNode, zsl_iter_next, zsl_iter_start, zsl_last, zsl_length,
                                 zsl_node_member, zsl_node_score)
from ..types.hash cimport (HASH_NO_TTL, HashIter, HashTtl, HashVal, hash_dict, hash_iter, hash_iter_end, hash_len,
                           hash_next, hash_next_ms, hash_read_block, hash_read_place, hash_text)
from ..types.object cimport *
from ..types.set cimport Set, SetEl, SetIter, el_text, set_entry_text, set_iter, set_iter_end, set_next, set_of, set_size
from ..types.stream cimport Stream, stream_of
from ..types.stream_group cimport ID_BYTES, Consumer, Group, Nack, consumer_pending
from ..types.zset cimport Zset
from .rdb_format cimport *
from .sink cimport (Sink, sink_bytes, sink_crc, sink_end, sink_fail, sink_key, sink_put, sink_room, sink_took,
                    sink_try_room)

cdef extern from "<errno.h>" nogil:
    const int ENOTSUP

cdef enum:
    AHEAD = 16                         # entries fetched before they are needed
    LZF_HEAD = 1 + 2 * RDB_MAX_LEN_BYTES


# ---------------------------------------------------------------- lengths and strings

cdef inline size_t len_put(uint8_t* p, uint64_t n) noexcept nogil:
    """Writes a length, up to RDB_MAX_LEN_BYTES; how many."""
    if n < 64:
        p[0] = RDB_LEN_6BIT | <uint8_t>n
        return 1
    if n < 16384:
        p[0] = RDB_LEN_14BIT | <uint8_t>(n >> 8)
        p[1] = <uint8_t>n
        return 2
    if n <= 0xFFFFFFFFULL:
        p[0] = RDB_LEN_32BIT
        rp_store32le(p + 1, rp_bswap32(<uint32_t>n))
        return 5
    p[0] = RDB_LEN_64BIT
    rp_store64be(p + 1, n)
    return 9


cdef inline void put_u8(Sink* s, int v) noexcept nogil:
    sink_room(s, 1)[0] = <uint8_t>v
    sink_took(s, 1)


cdef inline void put_i64(Sink* s, int64_t v) noexcept nogil:
    rp_store64le(sink_room(s, 8), <uint64_t>v)
    sink_took(s, 8)


cdef inline void put_double(Sink* s, double v) noexcept nogil:
    cdef int64_t bits
    memcpy(&bits, &v, 8)
    put_i64(s, bits)


cdef inline void put_len(Sink* s, uint64_t n) noexcept nogil:
    sink_took(s, len_put(sink_room(s, RDB_MAX_LEN_BYTES), n))


cdef void rdb_put_len(Sink* s, uint64_t n) noexcept nogil:
    put_len(s, n)


cdef inline size_t int_put(uint8_t* p, int64_t v) noexcept nogil:
    """Writes an integer in the special form, up to 5 bytes; how many. v fits in 32 bits."""
    if v >= -128 and v <= 127:
        p[0] = RDB_LEN_SPECIAL | RDB_STR_INT8
        p[1] = <uint8_t>v
        return 2
    if v >= -32768 and v <= 32767:
        p[0] = RDB_LEN_SPECIAL | RDB_STR_INT16
        rp_store16le(p + 1, <uint16_t>v)
        return 3
    p[0] = RDB_LEN_SPECIAL | RDB_STR_INT32
    rp_store32le(p + 1, <uint32_t>v)
    return 5


cdef size_t lzf_head(uint8_t* p, size_t packed, size_t n) noexcept nogil:
    cdef size_t at = 1
    p[0] = RDB_LEN_SPECIAL | RDB_STR_LZF
    at += len_put(p + at, packed)
    return at + len_put(p + at, n)


cdef bint put_compressed_far(Sink* s, const char* p, size_t n) noexcept nogil:
    """A text larger than the sink's buffer."""
    cdef uint8_t* room = <uint8_t*>mem_try_alloc(s.mem, n)
    cdef size_t packed = 0
    if room != NULL:
        packed = lzf_compress(p, n, room, n - 4)
    if packed:
        sink_took(s, lzf_head(sink_room(s, LZF_HEAD), packed, n))
        sink_put(s, room, packed)
    mem_free(s.mem, room)
    return packed != 0


cdef bint put_compressed(Sink* s, const char* p, size_t n) noexcept nogil:
    """False: nothing written, it does not get shorter by more than 4 bytes."""
    cdef uint8_t[LZF_HEAD] head
    cdef uint8_t* room = sink_try_room(s, LZF_HEAD + n)
    cdef size_t guess, size, packed
    if room == NULL:
        return s.error == 0 and put_compressed_far(s, p, n)
    guess = lzf_head(head, n - 4, n)
    packed = lzf_compress(p, n, room + guess, n - 4)
    if packed == 0:
        return False
    size = lzf_head(head, packed, n)
    if size != guess:
        memmove(room + size, room + guess, packed)
    memcpy(room, head, size)
    sink_took(s, size + packed)
    return True


cdef inline void put_plain(Sink* s, const char* p, size_t n) noexcept nogil:
    put_len(s, n)
    sink_put(s, p, n)


cdef inline void put_string(Sink* s, const char* p, size_t n, bint compress) noexcept nogil:
    cdef int64_t v
    if n <= RDB_STR_INT_MAX:
        if (n and <uint8_t>p[0] <= c'9' and num_parse_i64(p, n, &v) and v >= INT32_MIN and v <= INT32_MAX):
            sink_took(s, int_put(sink_room(s, 5), v))
            return
    elif compress and n >= RDB_STR_LZF_MIN and put_compressed(s, p, n):
        return
    put_plain(s, p, n)


cdef void rdb_put_string(Sink* s, const char* p, size_t n, bint compress) noexcept nogil:
    put_string(s, p, n, compress)


cdef void put_int_text(Sink* s, int64_t v) noexcept nogil:
    """An integer as the string that it is."""
    cdef char[INT_TEXT] text
    if v >= INT32_MIN and v <= INT32_MAX:
        sink_took(s, int_put(sink_room(s, 5), v))
    else:
        put_plain(s, text, num_print_i64(text, v))


# ---------------------------------------------------------------- tables with look-ahead

cdef struct Ahead:                     # a walk of a dict whose entries come AHEAD steps after they were asked for
    DictIter it
    unsigned i
    void* ring[AHEAD]


cdef void ahead_begin(Ahead* a, Dict* d) noexcept nogil:
    cdef int i
    dict_iter(&a.it, d)
    a.i = 0
    for i in range(AHEAD):
        a.ring[i] = dict_next(&a.it)
        rp_prefetch(a.ring[i])


cdef inline void* ahead_next(Ahead* a) noexcept nogil:
    """NULL at the end."""
    cdef void* entry = a.ring[a.i % AHEAD]
    cdef void* far
    if likely(entry != NULL):
        far = dict_next(&a.it) if a.ring[(a.i + AHEAD - 1) % AHEAD] != NULL else NULL
        rp_prefetch(far)
        a.ring[a.i % AHEAD] = far
        a.i += 1
    return entry


cdef inline void* ahead_peek(const Ahead* a, unsigned steps) noexcept nogil:
    """What will come after so many steps, or NULL; steps < AHEAD."""
    return a.ring[(a.i + steps) % AHEAD]


cdef void ahead_end(Ahead* a) noexcept nogil:
    dict_iter_end(&a.it)


# ---------------------------------------------------------------- values

cdef void save_string(Sink* s, const Robj* o, bint compress) noexcept nogil:
    cdef char[INT_TEXT] scratch
    cdef size_t n
    cdef const char* p
    if robj_enc(o) == ENC_INT:
        put_int_text(s, robj_word(o))
        return
    p = robj_bytes(o, scratch, &n)
    put_string(s, p, n, compress)


cdef inline void save_listpack(Sink* s, const uint8_t* lp, bint compress) noexcept nogil:
    put_string(s, <const char*>lp, lp_bytes(lp), compress)


cdef void save_node(Sink* s, const QlNode* node, bint compress) noexcept nogil:
    """What is compressed in memory stays as it is."""
    cdef QlView v
    ql_node_view(node, &v)
    put_len(s, RDB_NODE_PLAIN if v.kind == QL_PLAIN else RDB_NODE_PACKED)
    if v.lzf:
        sink_took(s, lzf_head(sink_room(s, LZF_HEAD), v.len, v.raw_len))
        sink_put(s, v.data, v.len)
    else:
        put_string(s, <const char*>v.data, v.len, compress)


cdef void save_list(Sink* s, const Robj* o, bint compress) noexcept nogil:
    cdef Quicklist* q
    cdef QlNode* node
    if robj_enc(o) == ENC_LISTPACK:
        put_len(s, 1)
        put_len(s, RDB_NODE_PACKED)
        save_listpack(s, <uint8_t*>robj_ptr(o), compress)
        return
    q = <Quicklist*>robj_ptr(o)
    put_len(s, q.nodes)
    node = q.head
    while node != NULL:
        rp_prefetch(node.next)
        save_node(s, node, compress)
        node = node.next


cdef void save_set_plain(Sink* s, const Robj* o, bint compress) noexcept nogil:
    cdef Set set = set_of(o)
    cdef SetIter it
    cdef SetEl el
    put_len(s, set_size(&set))
    set_iter(&it, &set)
    while set_next(&it, &el):
        el_text(&el)
        put_string(s, el.s, el.n, compress)
    set_iter_end(&it)


cdef void save_set_table(Sink* s, const Robj* o, bint compress) noexcept nogil:
    cdef Dict* d = <Dict*>robj_ptr(o)
    cdef Ahead a
    cdef void* entry
    cdef size_t n
    cdef const char* p
    put_len(s, d.used)
    ahead_begin(&a, d)
    while True:
        entry = ahead_next(&a)
        if entry == NULL:
            break
        p = set_entry_text(entry, &n)
        put_string(s, p, n, compress)
    ahead_end(&a)


cdef void save_zset(Sink* s, const Robj* o, bint compress) noexcept nogil:
    """From the highest score down: a reader that inserts in this order puts each at the front."""
    cdef Zset* z = <Zset*>robj_ptr(o)
    cdef ZslIter it
    cdef ZslNode* node
    cdef size_t n
    cdef const char* p
    put_len(s, zsl_length(z.zsl))
    zsl_iter_start(&it, z.zsl, zsl_last(z.zsl), zsl_length(z.zsl) - 1, True)
    while True:
        node = zsl_iter_next(&it)
        if node == NULL:
            break
        p = zsl_node_member(node, &n)
        put_string(s, p, n, compress)
        put_double(s, zsl_node_score(node))


cdef inline void put_hash_val(Sink* s, const HashVal* v, bint compress) noexcept nogil:
    if v.s != NULL:
        put_string(s, v.s, v.len, compress)
    else:
        put_int_text(s, v.v)


cdef void save_hash_table(Sink* s, const Robj* o, bint compress, bint expiries) noexcept nogil:
    cdef int64_t first = hash_next_ms(o)
    cdef Ahead a
    cdef void* place
    cdef HashVal field, val
    cdef int64_t when_ms = HASH_NO_TTL
    if expiries:
        put_i64(s, first)
    put_len(s, hash_len(o))
    ahead_begin(&a, hash_dict(o))
    while True:
        place = ahead_next(&a)
        if place == NULL:
            break
        if expiries:
            hash_read_place(o, place, &field, &val, &when_ms)
            put_len(s, <uint64_t>(when_ms - first + 1) if when_ms != HASH_NO_TTL else 0)
        else:
            hash_read_block(place, &field, &val)
        put_hash_val(s, &field, compress)
        put_hash_val(s, &val, compress)
    ahead_end(&a)


cdef void save_hash_plain(Sink* s, const Robj* o, bint compress) noexcept nogil:
    cdef HashIter it
    put_len(s, hash_len(o))
    hash_iter(&it, o)
    while hash_next(&it):
        put_hash_val(s, &it.field, compress)
        put_hash_val(s, &it.val, compress)
    hash_iter_end(&it)


# ---------------------------------------------------------------- streams
#
#   <len nodes> nodes times <string 16-byte ID> <string listpack>
#   <len length> <ID last>   and from version 2 on: <ID first> <ID highest deleted> <len entries added>
#   <len groups> groups times
#       <string name> <ID last>   2: <len entries read>
#       <len pending> pending times: 16 bytes ID, <i64 LE delivered ms> <len deliveries>
#       <len consumers> consumers times
#           <string name> <i64 LE seen ms>   3: <i64 LE active ms>
#           <len pending> pending times: 16 bytes ID
#   An ID is <len ms> <len seq> where no bytes are named.

cdef inline void put_id(Sink* s, uint64_t ms, uint64_t seq) noexcept nogil:
    put_len(s, ms)
    put_len(s, seq)


cdef void save_pending(Sink* s, Rax* pel, bint whole) noexcept nogil:
    """whole: with what the group knows of each entry."""
    cdef RaxIter it
    cdef Nack* nack
    put_len(s, rax_size(pel) if pel != NULL else 0)
    if pel == NULL:
        return
    rax_iter_init(&it, s.mem, pel)
    rax_seek(&it, RAX_FIRST, NULL, 0)
    while it.valid:
        sink_put(s, it.key, ID_BYTES)
        if whole:
            nack = <Nack*>it.value
            put_i64(s, nack.delivered_ms)
            put_len(s, nack.deliveries)
        rax_next(&it)
    rax_iter_done(&it)


cdef void save_consumers(Sink* s, const Group* g, int type, bint compress) noexcept nogil:
    cdef RaxIter it
    cdef Consumer* c
    put_len(s, rax_size(g.consumers))
    rax_iter_init(&it, s.mem, g.consumers)
    rax_seek(&it, RAX_FIRST, NULL, 0)
    while it.valid:
        c = <Consumer*>it.value
        put_string(s, it.key, it.klen, compress)
        put_i64(s, c.seen_ms)
        if type == RDB_STREAM_LISTPACKS_3:
            put_i64(s, c.active_ms)
        save_pending(s, c.pel, False)
        rax_next(&it)
    rax_iter_done(&it)


cdef void save_groups(Sink* s, const Stream* st, int type, bint compress) noexcept nogil:
    cdef RaxIter it
    cdef Group* g
    put_len(s, rax_size(st.groups) if st.groups != NULL else 0)
    if st.groups == NULL:
        return
    rax_iter_init(&it, s.mem, st.groups)
    rax_seek(&it, RAX_FIRST, NULL, 0)
    while it.valid:
        g = <Group*>it.value
        put_string(s, it.key, it.klen, compress)
        put_id(s, g.last_id.ms, g.last_id.seq)
        put_len(s, <uint64_t>g.entries_read)
        save_pending(s, g.pel, True)
        save_consumers(s, g, type, compress)
        rax_next(&it)
    rax_iter_done(&it)


cdef void save_stream(Sink* s, const Stream* st, int type, bint compress) noexcept nogil:
    cdef RaxIter it
    put_len(s, rax_size(st.nodes))
    rax_iter_init(&it, s.mem, st.nodes)
    rax_seek(&it, RAX_FIRST, NULL, 0)
    while it.valid:
        put_plain(s, it.key, it.klen)
        save_listpack(s, <uint8_t*>it.value, compress)
        rax_next(&it)
    rax_iter_done(&it)
    put_len(s, st.length)
    put_id(s, st.last_id.ms, st.last_id.seq)
    put_id(s, st.first_id.ms, st.first_id.seq)
    put_id(s, st.max_deleted.ms, st.max_deleted.seq)
    put_len(s, st.entries_added)
    save_groups(s, st, type, compress)


# ---------------------------------------------------------------- which form

cdef inline int hash_type(const Robj* o, int version) noexcept nogil:
    cdef bint expiries = hash_next_ms(o) != HASH_NO_TTL
    if expiries and version < RDB_VERSION_FIELD_EXPIRY:
        return -1
    if robj_enc(o) == ENC_LISTPACK:
        return RDB_HASH_LISTPACK
    if robj_enc(o) == ENC_LISTPACK_EX:
        return RDB_HASH_LISTPACK_EX if version >= RDB_VERSION_FIELD_EXPIRY else RDB_HASH
    return RDB_HASH_METADATA if expiries else RDB_HASH


cdef inline int set_type(const Robj* o, int version) noexcept nogil:
    if robj_enc(o) == ENC_INTSET:
        return RDB_SET_INTSET
    if robj_enc(o) == ENC_LISTPACK and version >= RDB_VERSION_SET_LISTPACK:
        return RDB_SET_LISTPACK
    return RDB_SET


cdef int rdb_type_of(const Robj* o, int version) noexcept nogil:
    cdef ObjType type = robj_type(o)
    if type == OBJ_STRING:
        return RDB_STRING
    if type == OBJ_HASH:
        return hash_type(o, version)
    if type == OBJ_SET:
        return set_type(o, version)
    if type == OBJ_ZSET:
        return RDB_ZSET_LISTPACK if robj_enc(o) == ENC_LISTPACK else RDB_ZSET_2
    if type == OBJ_LIST:
        return RDB_LIST_QUICKLIST_2
    if type == OBJ_STREAM:
        return RDB_STREAM_LISTPACKS_3 if version >= RDB_VERSION_SET_LISTPACK else RDB_STREAM_LISTPACKS_2
    return RDB_MODULE_2


cdef bint has_consumers(const Stream* st) noexcept nogil:
    cdef Group* g = st.group_list
    while g != NULL:
        if rax_size(g.consumers):
            return True
        g = g.next
    return False


cdef int rdb_lowest_version(const Robj* o) noexcept nogil:
    cdef ObjType type = robj_type(o)
    if type == OBJ_HASH and hash_next_ms(o) != HASH_NO_TTL:
        return RDB_VERSION_FIELD_EXPIRY
    if type == OBJ_SET and robj_enc(o) == ENC_LISTPACK:
        return RDB_VERSION_SET_LISTPACK
    if type == OBJ_STREAM and has_consumers(stream_of(o)):
        return RDB_VERSION_SET_LISTPACK
    return RDB_VERSION_LISTPACKS


cdef void save_hash(Sink* s, const Robj* o, int type, bint compress) noexcept nogil:
    if type == RDB_HASH_LISTPACK:
        save_listpack(s, <uint8_t*>robj_ptr(o), compress)
    elif type == RDB_HASH_LISTPACK_EX:
        put_i64(s, hash_next_ms(o))
        save_listpack(s, (<HashTtl*>robj_ptr(o)).body.lp, compress)
    elif robj_enc(o) == ENC_HT:
        save_hash_table(s, o, compress, type == RDB_HASH_METADATA)
    else:
        save_hash_plain(s, o, compress)


cdef void save_set(Sink* s, const Robj* o, int type, bint compress) noexcept nogil:
    if type == RDB_SET_INTSET:
        put_string(s, <const char*>robj_ptr(o), intset_bytes(<Intset*>robj_ptr(o)), compress)
    elif type == RDB_SET_LISTPACK:
        save_listpack(s, <uint8_t*>robj_ptr(o), compress)
    elif robj_enc(o) == ENC_HT:
        save_set_table(s, o, compress)
    else:
        save_set_plain(s, o, compress)


cdef inline bint save_value(Sink* s, const Robj* o, int type, const RdbOptions* opt) noexcept nogil:
    cdef bint compress = opt.compress
    if type == RDB_STRING:
        save_string(s, o, compress)
    elif robj_type(o) == OBJ_HASH:
        save_hash(s, o, type, compress)
    elif robj_type(o) == OBJ_SET:
        save_set(s, o, type, compress)
    elif type == RDB_ZSET_LISTPACK:
        save_listpack(s, <uint8_t*>robj_ptr(o), compress)
    elif type == RDB_ZSET_2:
        save_zset(s, o, compress)
    elif type == RDB_LIST_QUICKLIST_2:
        save_list(s, o, compress)
    elif robj_type(o) == OBJ_STREAM:
        save_stream(s, stream_of(o), type, compress)
    else:
        return opt.module_value != NULL and opt.module_value(opt.ctx, s, o)
    return True


cdef bint rdb_save_value(Sink* s, const Robj* o, const RdbOptions* opt, int version) noexcept nogil:
    cdef int type = rdb_type_of(o, version)
    return type >= 0 and save_value(s, o, type, opt)


# ---------------------------------------------------------------- DUMP

cdef void rdb_put_footer(Sink* s, int version) noexcept nogil:
    rp_store16le(sink_room(s, 2), <uint16_t>version)
    sink_took(s, 2)
    put_i64(s, <int64_t>sink_crc(s))


cdef bint rdb_dump(Sink* s, const Robj* o, const RdbOptions* opt) noexcept nogil:
    cdef int version = opt.version if opt.version != RDB_LOWEST else rdb_lowest_version(o)
    cdef int type = rdb_type_of(o, version)
    if type < 0:
        return False
    put_u8(s, type)
    if not save_value(s, o, type, opt):
        return False
    rdb_put_footer(s, version)
    return s.error == 0


# ---------------------------------------------------------------- the file

cdef void rdb_options(RdbOptions* opt, const Keyspace* ks) noexcept nogil:
    memset(opt, 0, sizeof(RdbOptions))
    opt.compress = ks.env.knobs.rdbcompression != 0
    opt.checksum = ks.env.knobs.rdbchecksum != 0
    opt.lru = ks.env.knobs.maxmemory_policy & POLICY_LRU != 0
    opt.lfu = ks.env.knobs.maxmemory_policy & POLICY_LFU != 0
    opt.now_ms = ks.env.now_ms
    opt.used_memory = <int64_t>ks.mem.used


cdef int version_for(const Keyspace* ks, const RdbOptions* opt) noexcept nogil:
    """RDB_LOWEST is answered without looking at every key: 11 loses nothing but expiries of fields. 0: can't."""
    cdef int i
    cdef bint expiries = False
    for i in range(ks.ndbs):
        expiries = expiries or eb_count(&ks.dbs[i].subexpires) != 0
    if opt.version == RDB_LOWEST:
        return RDB_VERSION_FIELD_EXPIRY if expiries else RDB_VERSION_SET_LISTPACK
    if opt.version < RDB_VERSION_LISTPACKS or opt.version > RDB_VERSION_MAX:
        return 0
    return 0 if expiries and opt.version < RDB_VERSION_FIELD_EXPIRY else opt.version


cdef void rdb_put_aux(Sink* s, const char* name, const char* value, size_t n) noexcept nogil:
    put_u8(s, RDB_OP_AUX)
    put_string(s, name, strlen(name), False)
    put_string(s, value, n, False)


cdef void put_aux_int(Sink* s, const char* name, int64_t v) noexcept nogil:
    cdef char[INT_TEXT] text
    rdb_put_aux(s, name, text, num_print_i64(text, v))


cdef void save_head(Sink* s, const RdbOptions* opt, int version) noexcept nogil:
    cdef char[RDB_MAGIC_BYTES] magic
    memcpy(magic, b"REDIS0000", RDB_MAGIC_BYTES)
    magic[7] = 48 + version // 10
    magic[8] = 48 + version % 10
    sink_put(s, magic, RDB_MAGIC_BYTES)
    rdb_put_aux(s, b"redis-ver", opt.server_version.ptr, opt.server_version.len)
    put_aux_int(s, b"redis-bits", 8 * sizeof(void*))
    put_aux_int(s, b"ctime", opt.now_ms // 1000)
    put_aux_int(s, b"used-mem", opt.used_memory)
    if opt.repl_id.len:
        put_aux_int(s, b"repl-stream-db", opt.repl_db)
        rdb_put_aux(s, b"repl-id", opt.repl_id.ptr, opt.repl_id.len)
        put_aux_int(s, b"repl-offset", opt.repl_offset)
    put_aux_int(s, b"aof-base", opt.aof_base)
    if opt.aux_before != NULL:
        opt.aux_before(opt.ctx, s)
    if opt.functions != NULL:
        opt.functions(opt.ctx, s)


cdef bint save_key(Keyspace* ks, Sink* s, const Robj* o, const RdbOptions* opt, int version) noexcept nogil:
    cdef int type = rdb_type_of(o, version)
    cdef int64_t when_ms = robj_expire(o)
    cdef size_t n
    cdef const char* key
    if unlikely(type < 0):
        return False
    if when_ms != NO_EXPIRE:
        put_u8(s, RDB_OP_EXPIRETIME_MS)
        put_i64(s, when_ms)
    if opt.lru:
        put_u8(s, RDB_OP_IDLE)
        put_len(s, <uint64_t>(lru_idle_ms(ks, o) // 1000))
    elif opt.lfu:
        put_u8(s, RDB_OP_FREQ)
        put_u8(s, lfu_counter(ks, o))
    put_u8(s, type)
    key = robj_key(o, &n)
    put_string(s, key, n, opt.compress)
    return save_value(s, o, type, opt)


cdef inline void fetch_payload(const Robj* o) noexcept nogil:
    """The block of o is in the cache already."""
    if o != NULL and not o.flags & F_INLINE and robj_enc(o) != ENC_INT:
        rp_prefetch(robj_ptr(o))


cdef void save_db(Keyspace* ks, Db* db, Sink* s, const RdbOptions* opt, int version) noexcept nogil:
    cdef Ahead a
    cdef Robj* o
    put_u8(s, RDB_OP_SELECTDB)
    put_len(s, db.id)
    put_u8(s, RDB_OP_RESIZEDB)
    put_len(s, db.keys.used)
    put_len(s, db.expires.used)
    ahead_begin(&a, &db.keys)
    while sink_key(s):
        o = <Robj*>ahead_next(&a)
        if o == NULL:
            s.keys -= 1
            break
        fetch_payload(<Robj*>ahead_peek(&a, AHEAD // 2))
        if unlikely(not save_key(ks, s, o, opt, version)):
            sink_fail(s, ENOTSUP)
    ahead_end(&a)


cdef int rdb_save_all(Keyspace* ks, Sink* s, const RdbOptions* opt) noexcept nogil:
    cdef int i
    cdef uint64_t crc = 0
    cdef int version = version_for(ks, opt)
    if version == 0:
        sink_fail(s, ENOTSUP)
        return s.error
    s.checksum = False                                  # of the RDB alone, not of the mark
    if opt.eof_mark.len:
        sink_put(s, b"$EOF:", 5)
        sink_put(s, opt.eof_mark.ptr, opt.eof_mark.len)
        sink_put(s, b"\r\n", 2)
    sink_crc(s)
    s.checksum = opt.checksum
    save_head(s, opt, version)
    for i in range(ks.ndbs):
        if ks.dbs[i].keys.used and s.error == 0:
            save_db(ks, &ks.dbs[i], s, opt, version)
    if opt.aux_after != NULL and s.error == 0:
        opt.aux_after(opt.ctx, s)
    put_u8(s, RDB_OP_EOF)
    if opt.checksum:
        crc = sink_crc(s)
    put_i64(s, <int64_t>crc)
    sink_put(s, opt.eof_mark.ptr, opt.eof_mark.len)
    return sink_end(s)
