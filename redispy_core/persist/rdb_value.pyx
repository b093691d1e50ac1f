"""Values out of RDB bytes (contract: rdb_value.pxd). Room persist: used by rdb_load (files) and commands/restore.

Packed blobs are taken as they are: read into a block of their own, checked, kept. Whatever the settings say, each blob's
framing is checked byte by byte, counts are even where they must be and integer sets are sorted: nothing that comes out
of here can lead a later command astray. What sanitize-dump-payload adds (`deep`) is what only falsifies answers: equal
members, scores out of order. Too many elements for a packed encoding make it a table; then equal ones are refused, too.
Values that are stored element by element are built as commands would build them.

Memory: lengths are held against the bytes that are left before anything is allocated (rdb_source); room is reserved for
no more than RESERVE_MOST elements that have not been read yet.
"""
from libc.math cimport isnan
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memset
from ..base.env cimport Env
from ..base.mem cimport Mem, mem_free
from ..base.rp cimport likely, unlikely
from ..base.sds cimport Sds, Slice, sds_free, slice_of
from ..structs.dict cimport Dict, dict_reserve
from ..structs.intset cimport Intset, intset_length, intset_validate
from ..structs.listpack cimport lp_first, lp_free, lp_get, lp_length, lp_new, lp_next, lp_validate_integrity
from ..structs.quicklist cimport (QL_TAIL, Quicklist, ql_append_listpack, ql_append_plain, ql_free, ql_from_listpack,
                                  ql_new, ql_plain_data, ql_plain_new, ql_push)
from ..types.hash cimport (HASH_ADDED, HASH_NO_MEMORY, HASH_NO_TTL, HashAt, HashPut, hash_dict, hash_expect, hash_find,
                           hash_len, hash_lpx_wrap, hash_put_at, hash_to_table, hash_trim, hash_with_ttl)
from ..types.list cimport list_from_quicklist
from ..types.object cimport (ENC_HT, ENC_INTSET, ENC_LISTPACK, ENC_LISTPACK_EX, ENC_QUICKLIST, ENC_SKIPLIST, ENC_STREAM,
                             INLINE_MAX, OBJ_HASH, OBJ_LIST, OBJ_SET, OBJ_STREAM, OBJ_ZSET, robj_boxed, robj_enc,
                             robj_free, robj_int, robj_shared_string, robj_string)
from ..types.set cimport (SET_ADDED, SET_WAS_THERE, Set, SetAdded, SetEl, el_of_int, el_of_text, set_add, set_for,
                          set_free, set_new, set_size, set_to_table)
from ..types.stream cimport Stream
from ..types.zset cimport (ZADD_ADDED, ZADD_NO_MEMORY, ZaddResult, zset_add, zset_dict, zset_to_skiplist,
                           zset_try_listpack)
from .rdb_format cimport *
from .rdb_packed cimport listpack_distinct, scores_ordered, times_ordered, zipmap_to_listpack, ziplist_to_listpack
from .rdb_source cimport *
from .rdb_stream cimport rdb_read_stream

cdef enum:
    RESERVE_MOST = 1 << 22         # elements that room is made for in advance


cdef void reader_init(RdbReader* r, Mem* m, Env* env) noexcept nogil:
    memset(r, 0, sizeof(RdbReader))
    r.m = m
    r.env = env
    r.version = RDB_VERSION_MAX


cdef void reader_free(RdbReader* r) noexcept nogil:
    text_free(r.m, &r.a)
    text_free(r.m, &r.b)
    source_close(&r.src)


cdef inline Robj* none(RdbReader* r) noexcept nogil:
    """There is nothing in it."""
    r.empty = True
    return NULL


cdef inline Robj* bad(RdbReader* r, const char* why) noexcept nogil:
    source_fail(&r.src, why)
    return NULL


cdef inline Robj* no_memory(RdbReader* r) noexcept nogil:
    source_fault(&r.src, RDB_NO_MEMORY)
    return NULL


cdef inline Robj* dropped(RdbReader* r, Robj* o) noexcept nogil:
    """A half-read value goes; the fault is set."""
    robj_free(r.m, o)
    return NULL


# ---------------------------------------------------------------- strings

cdef Robj* read_string(RdbReader* r, Slice key, int64_t when_ms) noexcept nogil:
    cdef RdbString h
    cdef Sds* text
    cdef Robj* o
    if not source_string(&r.src, &h):
        return NULL
    if h.kind == RDB_INTEGER:
        return robj_int(r.m, key, h.v, when_ms)
    if likely(h.len <= INLINE_MAX):
        if not source_body_text(&r.src, &h, &r.a):
            return NULL
        o = robj_string(r.m, key, r.a.ptr, r.a.len, when_ms)
        return o if likely(o != NULL) else no_memory(r)
    text = source_sds(&r.src, &h)
    if text == NULL:
        return NULL
    o = robj_shared_string(r.m, key, text, when_ms)
    if o == NULL:
        sds_free(r.m, text)
        return no_memory(r)
    return o


# ---------------------------------------------------------------- packed blobs

cdef uint8_t* read_listpack(RdbReader* r, int stride, const char* why) noexcept nogil:
    """A valid listpack of so many entries an element; NULL: r.empty or a fault."""
    cdef size_t n
    cdef uint8_t* lp = source_blob(&r.src, &n)
    if lp == NULL:
        return NULL
    if unlikely(not lp_validate_integrity(lp, n, True, NULL, NULL) or (stride > 1 and lp_length(lp) % stride != 0)):
        mem_free(r.m, lp)
        source_fail(&r.src, why)
        return NULL
    if unlikely(lp_length(lp) == 0):
        lp_free(r.m, lp)
        r.empty = True
        return NULL
    return lp


cdef uint8_t* read_old(RdbReader* r, bint zipmap, int stride, const char* why) noexcept nogil:
    """A ziplist or zipmap as a listpack; NULL as read_listpack."""
    cdef size_t n
    cdef uint8_t* lp
    cdef uint8_t* blob = source_blob(&r.src, &n)
    if blob == NULL:
        return NULL
    lp = zipmap_to_listpack(r.m, blob, n) if zipmap else ziplist_to_listpack(r.m, blob, n)
    mem_free(r.m, blob)
    if lp == NULL or lp_length(lp) % stride != 0 or (zipmap and lp_length(lp) == 0):
        lp_free(r.m, lp)
        source_fail(&r.src, why)
        return NULL
    if lp_length(lp) == 0:
        lp_free(r.m, lp)
        r.empty = True
        return NULL
    return lp


cdef bint distinct(RdbReader* r, uint8_t* lp, int stride, const char* why) noexcept nogil:
    """False: lp is freed."""
    if likely(listpack_distinct(r.m, r.env, lp, stride)):
        return True
    lp_free(r.m, lp)
    return source_fail(&r.src, why)


# ---------------------------------------------------------------- lists

cdef Quicklist* new_quicklist(RdbReader* r) noexcept nogil:
    return ql_new(r.m, r.env.knobs.list_max_listpack_size, r.env.knobs.list_compress_depth)


cdef Robj* finished(RdbReader* r, Quicklist* q, bint whole, Slice key, int64_t when_ms) noexcept nogil:
    if not whole or q.count == 0:
        ql_free(r.m, q)
        return none(r) if whole else NULL
    return list_from_quicklist(r.m, &r.env.knobs, key, q, when_ms)


cdef bint read_elements(RdbReader* r, Quicklist* q) noexcept nogil:
    cdef uint64_t n
    if not source_count(&r.src, 1, &n):
        return False
    while n > 0:
        if not source_text(&r.src, &r.a):
            return False
        ql_push(r.m, q, QL_TAIL, r.a.ptr, r.a.len)
        n -= 1
    return True


cdef bint read_plain_node(RdbReader* r, Quicklist* q) noexcept nogil:
    cdef RdbString h
    cdef uint8_t* block
    if not source_string(&r.src, &h):
        return False
    if h.len == 0:
        return source_fail(&r.src, b"Quicklist integrity check failed: an empty plain node")
    block = ql_plain_new(r.m, h.len)
    if block == NULL:
        return source_fault(&r.src, RDB_NO_MEMORY)
    if not source_body(&r.src, &h, ql_plain_data(block)):
        mem_free(r.m, block)
        return False
    ql_append_plain(r.m, q, block)
    return True


cdef bint read_node(RdbReader* r, Quicklist* q, int type) noexcept nogil:
    cdef uint64_t container = RDB_NODE_PACKED
    cdef uint8_t* lp
    if type == RDB_LIST_QUICKLIST:
        lp = read_old(r, False, 1, b"Ziplist integrity check failed.")
    else:
        if not source_len(&r.src, &container):
            return False
        if container == RDB_NODE_PLAIN:
            return read_plain_node(r, q)
        if container != RDB_NODE_PACKED:
            return source_fail(&r.src, b"Quicklist integrity check failed: unknown container")
        lp = read_listpack(r, 1, b"Listpack integrity check failed.")
    if lp == NULL:
        return r.src.fault == RDB_FINE                  # an empty node is passed over
    ql_append_listpack(r.m, q, lp)
    return True


cdef bint read_nodes(RdbReader* r, Quicklist* q, int type) noexcept nogil:
    cdef uint64_t n
    if not source_count(&r.src, 2, &n):
        return False
    while n > 0:
        if not read_node(r, q, type):
            return False
        n -= 1
    r.empty = False
    return True


cdef Robj* read_list(RdbReader* r, int type, Slice key, int64_t when_ms) noexcept nogil:
    cdef Quicklist* q
    cdef uint8_t* lp
    if type == RDB_LIST_ZIPLIST:
        lp = read_old(r, False, 1, b"List ziplist integrity check failed.")
        if lp == NULL:
            return NULL
        q = ql_from_listpack(r.m, r.env.knobs.list_max_listpack_size, r.env.knobs.list_compress_depth, lp)
        return robj_boxed(r.m, key, OBJ_LIST, ENC_QUICKLIST, q, when_ms)
    q = new_quicklist(r)
    return finished(r, q, read_elements(r, q) if type == RDB_LIST else read_nodes(r, q, type), key, when_ms)


# ---------------------------------------------------------------- sets

cdef Robj* boxed_set(RdbReader* r, const Set* s, Slice key, int64_t when_ms) noexcept nogil:
    return robj_boxed(r.m, key, OBJ_SET, s.enc, s.p, when_ms)


cdef bint read_member(RdbReader* r, SetEl* el) noexcept nogil:
    cdef RdbString h
    if not source_string(&r.src, &h):
        return False
    if h.kind == RDB_INTEGER:
        el_of_int(el, h.v)
        return True
    if not source_body_text(&r.src, &h, &r.a):
        return False
    el_of_text(el, r.a.ptr, r.a.len)
    return True


cdef bint read_members(RdbReader* r, Set* s, uint64_t n) noexcept nogil:
    cdef SetEl el
    cdef SetAdded added
    cdef size_t room = <size_t>(n if n < RESERVE_MOST else RESERVE_MOST)
    s.p = NULL
    while n > 0:
        if not read_member(r, &el):
            return False
        if s.p == NULL:
            s[0] = set_for(r.m, r.env, &el, room)
        added = set_add(r.m, r.env, s, &el)
        if unlikely(added != SET_ADDED):
            if added == SET_WAS_THERE:
                return source_fail(&r.src, b"Duplicate set members detected")
            return source_fault(&r.src, RDB_NO_MEMORY)
        n -= 1
    return True


cdef Robj* read_set(RdbReader* r, Slice key, int64_t when_ms) noexcept nogil:
    cdef uint64_t n
    cdef Set s
    if not source_count(&r.src, 1, &n):
        return NULL
    if n == 0:
        return none(r)
    if not read_members(r, &s, n):
        set_free(r.m, &s)
        return NULL
    return boxed_set(r, &s, key, when_ms)


cdef Robj* read_intset(RdbReader* r, Slice key, int64_t when_ms) noexcept nogil:
    cdef size_t n
    cdef Set s
    s.enc = ENC_INTSET
    s.p = source_blob(&r.src, &n)
    if s.p == NULL:
        return NULL
    if not intset_validate(s.p, n, True):
        mem_free(r.m, s.p)
        return bad(r, b"Intset integrity check failed.")
    n = intset_length(<Intset*>s.p)
    if n == 0:
        set_free(r.m, &s)
        return none(r)
    if <int64_t>n > r.env.knobs.set_max_intset_entries:
        set_to_table(r.m, r.env, &s, n)
    return boxed_set(r, &s, key, when_ms)


cdef Robj* read_set_listpack(RdbReader* r, Slice key, int64_t when_ms) noexcept nogil:
    cdef Set s
    cdef uint8_t* lp = read_listpack(r, 1, b"Set listpack integrity check failed.")
    cdef bint many
    if lp == NULL:
        return NULL
    s.enc = ENC_LISTPACK
    s.p = lp
    many = <int64_t>lp_length(lp) > r.env.knobs.set_max_listpack_entries
    if (many or r.deep) and not distinct(r, lp, 1, b"Set listpack with dup elements"):
        return NULL
    if many:
        set_to_table(r.m, r.env, &s, set_size(&s))
    return boxed_set(r, &s, key, when_ms)


# ---------------------------------------------------------------- sorted sets

cdef Robj* new_zset(RdbReader* r, uint8_t* lp, Slice key, int64_t when_ms) noexcept nogil:
    return robj_boxed(r.m, key, OBJ_ZSET, ENC_LISTPACK, lp, when_ms)


cdef bint read_pairs(RdbReader* r, Robj* o, uint64_t n, bint text_scores) noexcept nogil:
    cdef double score
    cdef ZaddResult done
    cdef bint whole
    while n > 0:
        if not source_text(&r.src, &r.a):
            return False
        source_hold(&r.src, &r.a)
        whole = source_text_double(&r.src, &score) if text_scores else source_double(&r.src, &score)
        source_release(&r.src)
        if not whole:
            return False
        if unlikely(isnan(score)):
            return source_fail(&r.src, b"Zset with NAN score detected")
        done = zset_add(r.m, r.env, o, score, slice_of(r.a.ptr, r.a.len), 0, NULL)
        if unlikely(done != ZADD_ADDED):
            if done == ZADD_NO_MEMORY:
                return source_fault(&r.src, RDB_NO_MEMORY)
            return source_fail(&r.src, b"Duplicate zset fields detected")
        n -= 1
    return True


cdef Robj* read_zset(RdbReader* r, int type, Slice key, int64_t when_ms) noexcept nogil:
    cdef uint64_t n
    cdef Robj* o
    if not source_count(&r.src, 2 if type == RDB_ZSET else 9, &n):
        return NULL
    if n == 0:
        return none(r)
    o = new_zset(r, lp_new(r.m, 0), key, when_ms)
    zset_to_skiplist(r.m, r.env, o)
    dict_reserve(r.m, zset_dict(o), <size_t>(n if n < RESERVE_MOST else RESERVE_MOST))
    if not read_pairs(r, o, n, type == RDB_ZSET):
        return dropped(r, o)
    zset_try_listpack(r.m, r.env, o)
    return o


cdef Robj* read_zset_packed(RdbReader* r, int type, Slice key, int64_t when_ms) noexcept nogil:
    cdef uint8_t* lp
    cdef Robj* o
    cdef bint many
    if type == RDB_ZSET_ZIPLIST:
        lp = read_old(r, False, 2, b"Zset ziplist integrity check failed.")
    else:
        lp = read_listpack(r, 2, b"Zset listpack integrity check failed.")
    if lp == NULL:
        return NULL
    many = <int64_t>(lp_length(lp) >> 1) > r.env.knobs.zset_max_listpack_entries
    if (many or r.deep or type == RDB_ZSET_ZIPLIST) and not distinct(r, lp, 2, b"Zset listpack with dup elements"):
        return NULL
    if r.deep and not scores_ordered(lp):
        lp_free(r.m, lp)
        return bad(r, b"Zset listpack integrity check failed: scores")
    o = new_zset(r, lp, key, when_ms)
    if many:
        zset_to_skiplist(r.m, r.env, o)
    return o


# ---------------------------------------------------------------- hashes

cdef Robj* new_hash(RdbReader* r, uint64_t n, Slice key, int64_t when_ms) noexcept nogil:
    """Empty, with room for so many fields."""
    cdef Robj* o = robj_boxed(r.m, key, OBJ_HASH, ENC_LISTPACK, lp_new(r.m, 0), when_ms)
    hash_expect(r.m, r.env, o, <size_t>(n if n < RESERVE_MOST else RESERVE_MOST))
    return o


cdef bint put_field(RdbReader* r, Robj* o, int64_t when_ms) noexcept nogil:
    """The field a with the value b."""
    cdef HashAt at
    cdef HashPut done
    cdef Slice field = slice_of(r.a.ptr, r.a.len)
    if unlikely(hash_find(o, field, &at)):
        return source_fail(&r.src, b"Duplicate hash fields detected")
    done = hash_put_at(r.m, r.env, o, &at, field, slice_of(r.b.ptr, r.b.len), when_ms)
    return likely(done == HASH_ADDED) or source_fault(&r.src, RDB_NO_MEMORY)


cdef inline bint read_pair(RdbReader* r) noexcept nogil:
    cdef bint whole
    if not source_text(&r.src, &r.a):
        return False
    source_hold(&r.src, &r.a)
    whole = source_text(&r.src, &r.b)
    source_release(&r.src)
    return whole


cdef bint read_fields(RdbReader* r, Robj* o, uint64_t n) noexcept nogil:
    while n > 0:
        if not read_pair(r) or not put_field(r, o, HASH_NO_TTL):
            return False
        n -= 1
    return True


cdef bint read_when_before(RdbReader* r, int type, int64_t first_ms, int64_t* when_ms) noexcept nogil:
    """The expiry before a field: absolute, or from the first one on."""
    cdef uint64_t t
    if not source_len(&r.src, &t):
        return False
    if t != 0 and type == RDB_HASH_METADATA:
        t = t + <uint64_t>first_ms - 1
    if t > <uint64_t>RDB_FIELD_EXPIRE_MAX:
        return source_fail(&r.src, b"invalid expireAt time of a hash field")
    when_ms[0] = <int64_t>t
    return True


cdef bint read_timed_fields(RdbReader* r, Robj* o, uint64_t n, int type, int64_t first_ms) noexcept nogil:
    cdef int64_t when_ms
    while n > 0:
        if not read_when_before(r, type, first_ms, &when_ms) or not read_pair(r) or not put_field(r, o, when_ms):
            return False
        n -= 1
    return True


cdef bint read_valkey_fields(RdbReader* r, Robj* o, uint64_t n) noexcept nogil:
    cdef int64_t when_ms
    cdef bint whole
    while n > 0:
        if not read_pair(r):
            return False
        source_hold(&r.src, &r.a)
        source_hold(&r.src, &r.b)
        whole = source_i64(&r.src, &when_ms)
        source_release(&r.src)
        source_release(&r.src)
        if not whole:
            return False
        if when_ms < -1 or when_ms > <int64_t>RDB_FIELD_EXPIRE_MAX:
            return source_fail(&r.src, b"invalid expireAt time of a hash field")
        if when_ms == 0:
            when_ms = 1                                 # 0 says that there is none, here
        if not put_field(r, o, HASH_NO_TTL if when_ms < 0 else when_ms):
            return False
        n -= 1
    return True


cdef Robj* read_hash(RdbReader* r, int type, Slice key, int64_t when_ms) noexcept nogil:
    cdef uint64_t n
    cdef int64_t first_ms = 0
    cdef bint whole
    cdef bint valkey = r.version >= RDB_VERSION_VALKEY
    cdef Robj* o
    if type == RDB_HASH_METADATA and not source_i64(&r.src, &first_ms):
        return NULL
    if not source_count(&r.src, 2, &n):
        return NULL
    if n == 0:
        return none(r)
    o = new_hash(r, n, key, when_ms)
    if type == RDB_HASH:
        whole = read_fields(r, o, n)
    elif valkey and type == RDB_VALKEY_HASH_TTL:
        whole = read_valkey_fields(r, o, n)
    else:
        hash_with_ttl(r.m, o)
        whole = read_timed_fields(r, o, n, type, first_ms)
    if not whole:
        return dropped(r, o)
    hash_trim(r.m, o)
    return o


cdef bint any_longer(const uint8_t* lp, int64_t limit) noexcept nogil:
    """Is there a text of more bytes?"""
    cdef const uint8_t* p = lp_first(lp)
    cdef size_t n = 0
    cdef int64_t v = 0
    while p != NULL:
        if lp_get(p, &n, &v) != NULL and <int64_t>n > limit:
            return True
        p = lp_next(p)
    return False


cdef Robj* hash_of_listpack(RdbReader* r, uint8_t* lp, int type, Slice key, int64_t when_ms) noexcept nogil:
    """Equal fields of the old encodings have been looked for; a zipmap's texts may be long."""
    cdef bint timed = type == RDB_HASH_LISTPACK_EX or type == RDB_HASH_LISTPACK_EX_PRE_GA
    cdef bint known = type == RDB_HASH_ZIPMAP or type == RDB_HASH_ZIPLIST
    cdef int stride = 3 if timed else 2
    cdef bint many = <int64_t>(lp_length(lp) // stride) > r.env.knobs.hash_max_listpack_entries
    cdef Robj* o
    many = many or (type == RDB_HASH_ZIPMAP and any_longer(lp, r.env.knobs.hash_max_listpack_value))
    if (many or r.deep) and not known and not distinct(r, lp, stride, b"Hash listpack with dup elements"):
        return NULL
    if timed:
        o = robj_boxed(r.m, key, OBJ_HASH, ENC_LISTPACK_EX, hash_lpx_wrap(r.m, lp), when_ms)
    else:
        o = robj_boxed(r.m, key, OBJ_HASH, ENC_LISTPACK, lp, when_ms)
    if many:
        hash_to_table(r.m, r.env, o, 0)
    return o


cdef Robj* read_hash_packed(RdbReader* r, int type, Slice key, int64_t when_ms) noexcept nogil:
    cdef uint8_t* lp
    if type == RDB_HASH_LISTPACK:
        lp = read_listpack(r, 2, b"Hash listpack integrity check failed.")
        return hash_of_listpack(r, lp, type, key, when_ms) if lp != NULL else NULL
    if type == RDB_HASH_ZIPMAP:
        lp = read_old(r, True, 2, b"Zipmap integrity check failed.")
    else:
        lp = read_old(r, False, 2, b"Hash ziplist integrity check failed.")
    if lp == NULL or not distinct(r, lp, 2, b"Hash ziplist integrity check failed: dup elements"):
        return NULL
    return hash_of_listpack(r, lp, type, key, when_ms)


cdef Robj* read_hash_timed(RdbReader* r, int type, Slice key, int64_t when_ms) noexcept nogil:
    cdef int64_t first_ms
    cdef uint8_t* lp
    if type == RDB_HASH_LISTPACK_EX and not source_i64(&r.src, &first_ms):
        return NULL
    lp = read_listpack(r, 3, b"Hash listpackex integrity check failed.")
    if lp == NULL:
        return NULL
    if not times_ordered(lp):
        lp_free(r.m, lp)
        return bad(r, b"Hash listpackex integrity check failed: times")
    return hash_of_listpack(r, lp, type, key, when_ms)


# ---------------------------------------------------------------- streams, modules

cdef Robj* read_stream(RdbReader* r, int type, Slice key, int64_t when_ms) noexcept nogil:
    cdef Stream* s = rdb_read_stream(&r.src, r.m, type, &r.a)
    return robj_boxed(r.m, key, OBJ_STREAM, ENC_STREAM, s, when_ms) if s != NULL else NULL


cdef bint rdb_skip_module(RdbSource* s) noexcept nogil:
    cdef uint64_t tag, n
    while True:
        if not source_len(s, &tag):
            return False
        if tag == RDB_MODULE_EOF:
            return True
        if tag == RDB_MODULE_SINT or tag == RDB_MODULE_UINT:
            if not source_len(s, &n):
                return False
        elif tag == RDB_MODULE_FLOAT or tag == RDB_MODULE_DOUBLE:
            if not source_skip(s, 4 if tag == RDB_MODULE_FLOAT else 8):
                return False
        elif tag != RDB_MODULE_STRING:
            return source_fail(s, b"Unknown tag in a module's data")
        elif not source_skip_string(s):
            return False


cdef void rdb_module_name(char* name9, uint64_t id) noexcept nogil:
    cdef const char* letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    cdef int i
    for i in range(9):
        name9[i] = letters[(id >> (58 - 6 * i)) & 63]


cdef Robj* read_module(RdbReader* r) noexcept nogil:
    cdef uint64_t id
    if not source_len(&r.src, &id):
        return NULL
    r.module = id
    return bad(r, b"The RDB file contains module data that can't be loaded: no matching module type")


# ---------------------------------------------------------------- by type

cdef Robj* rdb_read_value(RdbReader* r, int type, Slice key, int64_t when_ms) noexcept nogil:
    r.empty = False
    if type == RDB_STRING:
        return read_string(r, key, when_ms)
    if type == RDB_LIST or type == RDB_LIST_ZIPLIST or type == RDB_LIST_QUICKLIST or type == RDB_LIST_QUICKLIST_2:
        return read_list(r, type, key, when_ms)
    if type == RDB_SET:
        return read_set(r, key, when_ms)
    if type == RDB_SET_INTSET:
        return read_intset(r, key, when_ms)
    if type == RDB_SET_LISTPACK:
        return read_set_listpack(r, key, when_ms)
    if type == RDB_ZSET or type == RDB_ZSET_2:
        return read_zset(r, type, key, when_ms)
    if type == RDB_ZSET_ZIPLIST or type == RDB_ZSET_LISTPACK:
        return read_zset_packed(r, type, key, when_ms)
    if type == RDB_HASH or type == RDB_HASH_METADATA or type == RDB_HASH_METADATA_PRE_GA:
        return read_hash(r, type, key, when_ms)
    if type == RDB_HASH_ZIPMAP or type == RDB_HASH_ZIPLIST or type == RDB_HASH_LISTPACK:
        return read_hash_packed(r, type, key, when_ms)
    if type == RDB_HASH_LISTPACK_EX or type == RDB_HASH_LISTPACK_EX_PRE_GA:
        return read_hash_timed(r, type, key, when_ms)
    if type == RDB_STREAM_LISTPACKS or type == RDB_STREAM_LISTPACKS_2 or type == RDB_STREAM_LISTPACKS_3:
        return read_stream(r, type, key, when_ms)
    if type == RDB_MODULE_2:
        return read_module(r)
    return bad(r, b"Unknown RDB encoding type")
