"""Hashes (contract: hash.pxd). Room types: used by commands/hashes, persistence and, for field expiry, the keyspace.

listpack      field, value, field, value ..., as Redis has them in memory and in RDB
listpackex    field, value, when_ms (0: none) ..., sorted by when_ms with those without at the end; a new time goes before
              equal ones. Once a listpack has been asked for a field expiry, it stays a listpackex
hashtable     a dict of blocks, one a field:

    [flags 1][field length 1, 2, 4 or 8][value length 1, 2, 4 or 8][when_ms 8 if B_TTL][field bytes][value bytes]

so a field of 16 bytes with a value of 16 takes 35. A value that changes but stays in its size class is written in
place; else the block is replaced. Fields with expiry are in ebuckets too, which hang on the table with the first one.

Sizes above hash-max-listpack-entries/-value turn a listpack into a table, never back.
"""
from libc.stdint cimport UINT32_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy
from ..base.env cimport Env, env_init, env_rand_below, env_seed
from ..base.mem cimport (Mem, mem_alloc, mem_calloc, mem_free, mem_good_size, mem_init, mem_try_alloc,
                         mem_usable)
from ..base.num cimport num_digits10, num_print_i64
from ..base.rp cimport (likely, rp_assert, rp_load16le, rp_load32le, rp_load64le, rp_store16le, rp_store32le,
                        rp_store64le, unlikely)
from ..base.sds cimport Slice, slice_of
from ..structs.dict cimport (Dict, DictPos, DictType, dict_bytes, dict_clear, dict_find, dict_find_pos, dict_get, dict_hash, dict_init,
                             dict_insert, dict_iter, dict_iter_end, dict_next, dict_random, dict_rehash_step,
                             dict_remove, dict_remove_at, dict_reserve, dict_set, dict_shrink)
from ..structs.ebuckets cimport (eb_add, eb_bytes, eb_change, eb_clear, eb_count, eb_init, eb_min, eb_pop_due,
                                 eb_remove)
from ..structs.listpack cimport (LP_BEFORE, LpEnt, lp_batch_append, lp_batch_insert, lp_bytes,
                                 lp_delete_range_at, lp_dup, lp_entry_size, lp_find, lp_first, lp_fit, lp_free, lp_get,
                                 lp_int, lp_length, lp_new, lp_next, lp_prev, lp_replace, lp_replace_i64, lp_safe_to_add,
                                 lp_seek)
from .object cimport (ENC_HT, NO_EXPIRE, OBJ_HASH, TypeOps, enc_name, robj_boxed, robj_dup, robj_free, robj_memory,
                      robj_register, robj_retag, robj_set_ptr)

cdef enum:
    B_FLEN = 3                     # log2 of the bytes of the field's length
    B_VLEN = 12                    # ... of the value's
    B_TTL = 16
    NUM_TEXT = 24                  # room for a printed integer


# ---------------------------------------------------------------- blocks of a table

cdef inline int length_code(size_t n) noexcept nogil:
    if likely(n < 256):
        return 0
    return 1 if n < 65536 else (2 if n <= UINT32_MAX else 3)


cdef inline size_t get_length(const uint8_t* p, int code) noexcept nogil:
    if likely(code == 0):
        return p[0]
    if code == 1:
        return rp_load16le(p)
    return rp_load32le(p) if code == 2 else rp_load64le(p)


cdef inline void put_length(uint8_t* p, int code, size_t n) noexcept nogil:
    if likely(code == 0):
        p[0] = <uint8_t>n
    elif code == 1:
        rp_store16le(p, <uint16_t>n)
    elif code == 2:
        rp_store32le(p, <uint32_t>n)
    else:
        rp_store64le(p, n)


cdef inline size_t block_head(uint8_t flags) noexcept nogil:
    """Bytes before the field's."""
    return 1 + (1 << (flags & B_FLEN)) + (1 << ((flags & B_VLEN) >> 2)) + (8 if flags & B_TTL else 0)


cdef inline uint8_t* block_ttl_at(uint8_t* b) noexcept nogil:
    return b + block_head(b[0]) - 8


cdef inline size_t block_value_len(const uint8_t* b) noexcept nogil:
    return get_length(b + 1 + (1 << (b[0] & B_FLEN)), (b[0] & B_VLEN) >> 2)


cdef const char* block_field(const void* entry, size_t* n) noexcept nogil:
    cdef const uint8_t* b = <const uint8_t*>entry
    n[0] = get_length(b + 1, b[0] & B_FLEN)
    return <const char*>b + block_head(b[0])


cdef int64_t block_when(const void* entry) noexcept nogil:
    cdef uint8_t* b = <uint8_t*>entry
    return <int64_t>rp_load64le(block_ttl_at(b)) if b[0] & B_TTL else HASH_NO_TTL


cdef inline void block_value(const uint8_t* b, HashVal* v) noexcept nogil:
    v.s = <const char*>b + block_head(b[0]) + get_length(b + 1, b[0] & B_FLEN)
    v.len = block_value_len(b)


cdef uint8_t* block_new(Mem* m, Slice field, Slice value, int64_t when_ms) noexcept nogil:
    """NULL: no memory."""
    cdef uint8_t flags = length_code(field.len) | length_code(value.len) << 2 | (B_TTL if when_ms else 0)
    cdef size_t head = block_head(flags)
    cdef uint8_t* b = <uint8_t*>mem_try_alloc(m, head + field.len + value.len)
    if unlikely(b == NULL):
        return NULL
    b[0] = flags
    put_length(b + 1, flags & B_FLEN, field.len)
    put_length(b + 1 + (1 << (flags & B_FLEN)), (flags & B_VLEN) >> 2, value.len)
    if when_ms:
        rp_store64le(b + head - 8, <uint64_t>when_ms)
    memcpy(b + head, field.ptr, field.len)
    memcpy(b + head + field.len, value.ptr, value.len)
    return b


cdef bint block_assign(uint8_t* b, Slice value) noexcept nogil:
    """Overwrites the value in place if the block stays the right size for it; False: nothing done."""
    cdef int code = (b[0] & B_VLEN) >> 2
    cdef uint8_t* lens = b + 1 + (1 << (b[0] & B_FLEN))
    cdef size_t old = get_length(lens, code)
    cdef size_t at = block_head(b[0]) + get_length(b + 1, b[0] & B_FLEN)
    if old != value.len:
        if length_code(value.len) != code or mem_good_size(at + value.len) != mem_usable(b):
            return False
        put_length(lens, code, value.len)
    memcpy(b + at, value.ptr, value.len)
    return True


cdef void block_free(Mem* m, void* b) noexcept nogil:
    mem_free(m, b)


cdef DictType field_type
field_type.key_of = block_field
field_type.free_entry = block_free


# ---------------------------------------------------------------- payloads

cdef inline uint8_t* lp_of(const Robj* o) noexcept nogil:
    return <uint8_t*>robj_ptr(o) if robj_enc(o) == ENC_LISTPACK else (<HashTtl*>robj_ptr(o)).body.lp


cdef inline void set_lp(Robj* o, uint8_t* lp) noexcept nogil:
    if robj_enc(o) == ENC_LISTPACK:
        robj_set_ptr(o, lp)
    else:
        (<HashTtl*>robj_ptr(o)).body.lp = lp


cdef inline HashTable* table_of(const Robj* o) noexcept nogil:
    return <HashTable*>robj_ptr(o)


cdef inline int stride(const Robj* o) noexcept nogil:
    return 2 if robj_enc(o) == ENC_LISTPACK else 3


cdef Dict* hash_dict(const Robj* o) noexcept nogil:
    return &table_of(o).d


cdef Robj* hash_new(Mem* m, Slice key, size_t room) noexcept nogil:
    return robj_boxed(m, key, OBJ_HASH, ENC_LISTPACK, lp_new(m, room), NO_EXPIRE)


cdef HashTtl* hash_lpx_wrap(Mem* m, uint8_t* lp) noexcept nogil:
    cdef HashTtl* x = <HashTtl*>mem_alloc(m, sizeof(HashTtl))
    x.tracked_ms = HASH_NO_TTL
    x.body.lp = lp
    return x


cdef Ebuckets* ebuckets_new(Mem* m) noexcept nogil:
    cdef Ebuckets* eb = <Ebuckets*>mem_alloc(m, sizeof(Ebuckets))
    eb_init(eb)
    return eb


cdef Ebuckets* need_fields(Mem* m, Robj* o) noexcept nogil:
    """The index of a table's fields by time, made with the first of them."""
    cdef HashTable* t = table_of(o)
    if t.ttl == NULL:
        t.ttl = <HashTtl*>mem_alloc(m, sizeof(HashTtl))
        t.ttl.tracked_ms = HASH_NO_TTL
        t.ttl.body.fields = ebuckets_new(m)
    return t.ttl.body.fields


# ---------------------------------------------------------------- reading

cdef inline void read_entry(const uint8_t* p, HashVal* v) noexcept nogil:
    v.s = lp_get(p, &v.len, &v.v)


cdef bint hash_find(const Robj* o, Slice field, HashAt* at) noexcept nogil:
    cdef HashTable* t
    cdef uint8_t* p
    cdef uint8_t* lp
    at.when_ms = HASH_NO_TTL
    if robj_enc(o) == ENC_HT:
        t = table_of(o)
        at.hash = dict_hash(&t.d, field.ptr, field.len)
        at.pos = dict_find_pos(&t.d, field.ptr, field.len, at.hash)
        if at.pos.b == NULL:
            at.p = NULL
            return False
        at.p = p = <uint8_t*>dict_get(at.pos)
        block_value(p, &at.val)
        if unlikely(p[0] & B_TTL):
            at.when_ms = block_when(p)
        return True
    lp = lp_of(o)
    at.p = lp_find(lp, lp_first(lp), field.ptr, field.len, stride(o) - 1) if lp_first(lp) != NULL else NULL
    if at.p == NULL:
        return False
    p = lp_next(at.p)
    read_entry(p, &at.val)
    if robj_enc(o) == ENC_LISTPACK_EX:
        at.when_ms = lp_int(lp_next(p))
    return True


cdef size_t hash_len(const Robj* o) noexcept nogil:
    if robj_enc(o) == ENC_HT:
        return table_of(o).d.used
    return lp_length(lp_of(o)) // stride(o)


cdef int64_t hash_next_ms(const Robj* o) noexcept nogil:
    cdef uint8_t* p
    cdef HashTtl* ttl
    if robj_enc(o) == ENC_HT:
        ttl = table_of(o).ttl
        return eb_min(ttl.body.fields) if ttl != NULL and eb_count(ttl.body.fields) else HASH_NO_TTL
    if robj_enc(o) == ENC_LISTPACK:
        return HASH_NO_TTL
    p = lp_first((<HashTtl*>robj_ptr(o)).body.lp)
    return lp_int(lp_next(lp_next(p))) if p != NULL else HASH_NO_TTL


cdef size_t hash_val_len(const HashVal* v) noexcept nogil:
    if v.s != NULL:
        return v.len
    if v.v < 0:
        return 1 + num_digits10(<uint64_t>0 - <uint64_t>v.v)
    return num_digits10(<uint64_t>v.v)


cdef Slice hash_text(const HashVal* v, char* buf24) noexcept nogil:
    if v.s != NULL:
        return slice_of(v.s, v.len)
    return slice_of(buf24, num_print_i64(buf24, v.v))


cdef void hash_read_block(void* place, HashVal* field, HashVal* val) noexcept nogil:
    field.s = block_field(place, &field.len)
    block_value(<uint8_t*>place, val)


cdef void hash_read_place(const Robj* o, void* place, HashVal* field, HashVal* val, int64_t* when_ms) noexcept nogil:
    cdef uint8_t* p = <uint8_t*>place
    if robj_enc(o) == ENC_HT:
        hash_read_block(place, field, val)
        when_ms[0] = block_when(p)
        return
    read_entry(p, field)
    p = lp_next(p)
    read_entry(p, val)
    when_ms[0] = lp_int(lp_next(p)) if robj_enc(o) == ENC_LISTPACK_EX else HASH_NO_TTL


cdef void hash_iter(HashIter* it, const Robj* o) noexcept nogil:
    it.table = robj_enc(o) == ENC_HT
    if it.table:
        dict_iter(&it.it, &table_of(o).d)
        return
    it.ex = robj_enc(o) == ENC_LISTPACK_EX
    it.next = lp_first(lp_of(o))


cdef bint hash_next(HashIter* it) noexcept nogil:
    cdef uint8_t* p
    if it.table:
        p = <uint8_t*>dict_next(&it.it)
        if p == NULL:
            return False
        it.p = p
        it.field.s = block_field(p, &it.field.len)
        block_value(p, &it.val)
        it.when_ms = block_when(p) if p[0] & B_TTL else HASH_NO_TTL
        return True
    p = it.next
    if p == NULL:
        return False
    it.p = p
    read_entry(p, &it.field)
    p = lp_next(p)
    read_entry(p, &it.val)
    it.when_ms = HASH_NO_TTL
    if it.ex:
        p = lp_next(p)
        it.when_ms = lp_int(p)
    it.next = lp_next(p)
    return True


cdef void hash_iter_end(HashIter* it) noexcept nogil:
    if it.table:
        dict_iter_end(&it.it)


cdef void* hash_random(const Robj* o, Env* env) noexcept nogil:
    cdef size_t n = hash_len(o)
    if n == 0:
        return NULL
    if robj_enc(o) == ENC_HT:
        return dict_random(&table_of(o).d, env)
    return lp_seek(lp_of(o), env_rand_below(env, n) * stride(o))


# ---------------------------------------------------------------- conversions

cdef void hash_with_ttl(Mem* m, Robj* o) noexcept nogil:
    cdef uint8_t* lp
    cdef uint8_t* to
    cdef uint8_t* p
    cdef LpEnt[3] e
    cdef int i
    if robj_enc(o) != ENC_LISTPACK:
        return
    lp = <uint8_t*>robj_ptr(o)
    to = lp_new(m, lp_bytes(lp) + lp_length(lp))          # a time of 0 takes 2 bytes a field
    e[2].s = NULL
    e[2].v = HASH_NO_TTL
    p = lp_first(lp)
    while p != NULL:
        for i in range(2):
            e[i].s = lp_get(p, &e[i].len, &e[i].v)
            p = lp_next(p)
        to = lp_batch_append(m, to, e, 3)
    lp_free(m, lp)
    robj_set_ptr(o, hash_lpx_wrap(m, to))
    robj_retag(o, OBJ_HASH, ENC_LISTPACK_EX)


cdef HashTable* table_new(Mem* m) noexcept nogil:
    cdef HashTable* t = <HashTable*>mem_alloc(m, sizeof(HashTable))
    t.ttl = NULL
    return t


cdef void table_add(Mem* m, HashTable* t, Slice field, Slice value, int64_t when_ms) noexcept nogil:
    """A field from a hash that exists already: memory is taken for granted."""
    cdef uint64_t hash = dict_hash(&t.d, field.ptr, field.len)
    cdef uint8_t* b
    if unlikely(dict_find(&t.d, field.ptr, field.len, hash) != NULL):   # a listpack of another's may hold a field twice
        return
    b = block_new(m, field, value, when_ms)
    rp_assert(b != NULL)
    dict_insert(m, &t.d, hash, b)
    if when_ms:
        eb_add(m, t.ttl.body.fields, b, when_ms, block_when)


cdef void hash_to_table(Mem* m, Env* env, Robj* o, size_t room) noexcept nogil:
    cdef HashTable* t
    cdef HashIter it
    cdef char[NUM_TEXT] fbuf
    cdef char[NUM_TEXT] vbuf
    cdef uint8_t* lp
    if robj_enc(o) == ENC_HT:
        return
    t = table_new(m)
    dict_init(&t.d, &field_type, env)
    dict_reserve(m, &t.d, room if room > hash_len(o) else hash_len(o))
    lp = lp_of(o)
    if robj_enc(o) == ENC_LISTPACK_EX:
        t.ttl = <HashTtl*>robj_ptr(o)
    hash_iter(&it, o)
    if t.ttl != NULL:
        t.ttl.body.fields = ebuckets_new(m)
    while hash_next(&it):
        table_add(m, t, hash_text(&it.field, fbuf), hash_text(&it.val, vbuf), it.when_ms)
    lp_free(m, lp)
    robj_set_ptr(o, t)
    robj_retag(o, OBJ_HASH, ENC_HT)


cdef void hash_expect(Mem* m, Env* env, Robj* o, size_t fields) noexcept nogil:
    if unlikely(<int64_t>fields > env.knobs.hash_max_listpack_entries):
        hash_to_table(m, env, o, fields)


cdef void hash_trim(Mem* m, Robj* o) noexcept nogil:
    if robj_enc(o) != ENC_HT:
        set_lp(o, lp_fit(m, lp_of(o)))


# ---------------------------------------------------------------- change: listpack and listpackex

cdef uint8_t* place_for(uint8_t* lp, int64_t when_ms) noexcept nogil:
    """The entry that a field of that time goes before; NULL: the end."""
    cdef uint8_t* p
    cdef uint8_t* w
    cdef int64_t t
    if when_ms == HASH_NO_TTL:
        return NULL
    p = lp_first(lp)
    while p != NULL:
        w = lp_next(lp_next(p))
        t = lp_int(w)
        if t == HASH_NO_TTL or t >= when_ms:
            return p
        p = lp_next(w)
    return NULL


cdef uint8_t* insert_triple(Mem* m, uint8_t* lp, const LpEnt* e) noexcept nogil:
    cdef uint8_t* p = place_for(lp, e[2].v)
    if p == NULL:
        return lp_batch_append(m, lp, e, 3)
    return lp_batch_insert(m, lp, p, LP_BEFORE, e, 3, NULL)


cdef inline LpEnt text_ent(Slice s) noexcept nogil:
    cdef LpEnt e
    e.s = s.ptr
    e.len = s.len
    e.v = 0
    return e


cdef bint fits_listpack(const Env* env, const uint8_t* lp, Slice field, Slice value) noexcept nogil:
    cdef size_t limit = <size_t>env.knobs.hash_max_listpack_value
    return field.len <= limit and value.len <= limit and lp_safe_to_add(lp, field.len + value.len + 32)


cdef void put_pair(Mem* m, Robj* o, HashAt* at, Slice field, Slice value) noexcept nogil:
    """listpack: replaces or appends."""
    cdef uint8_t* lp = <uint8_t*>robj_ptr(o)
    cdef uint8_t* p
    cdef LpEnt[2] e
    if at.p != NULL:
        p = lp_next(at.p)
        lp = lp_replace(m, lp, &p, value.ptr, value.len)
    else:
        e[0] = text_ent(field)
        e[1] = text_ent(value)
        lp = lp_batch_append(m, lp, e, 2)
    robj_set_ptr(o, lp)


cdef void put_triple(Mem* m, Robj* o, HashAt* at, Slice field, Slice value, int64_t when_ms) noexcept nogil:
    """listpackex: a field whose time stays keeps its place."""
    cdef uint8_t* lp = lp_of(o)
    cdef uint8_t* p
    cdef LpEnt[3] e
    if at.p != NULL and when_ms == at.when_ms:
        p = lp_next(at.p)
        set_lp(o, lp_replace(m, lp, &p, value.ptr, value.len))
        return
    if at.p != NULL:
        p = at.p
        lp = lp_delete_range_at(m, lp, &p, 3)
    e[0] = text_ent(field)
    e[1] = text_ent(value)
    e[2].s = NULL
    e[2].len = 0
    e[2].v = when_ms
    set_lp(o, insert_triple(m, lp, e))


cdef bint keeps_place(uint8_t* lp, const uint8_t* p, int64_t when_ms) noexcept nogil:
    """May the triple at p take that time where it stands?"""
    cdef uint8_t* q
    cdef int64_t t
    if when_ms == HASH_NO_TTL:
        return False
    q = lp_next(lp_next(lp_next(p)))
    if q != NULL:
        t = lp_int(lp_next(lp_next(q)))
        if t != HASH_NO_TTL and t < when_ms:
            return False
    if p == lp_first(lp):
        return True
    t = lp_int(lp_prev(lp, p))
    return t != HASH_NO_TTL and t < when_ms


cdef void expire_triple(Mem* m, Robj* o, HashAt* at, int64_t when_ms) noexcept nogil:
    cdef uint8_t* lp = lp_of(o)
    cdef uint8_t* p = at.p
    cdef uint8_t* w = lp_next(lp_next(p))
    cdef size_t n
    cdef char[256] small
    cdef char* copy = small
    cdef LpEnt[3] e
    cdef int i
    if keeps_place(lp, p, when_ms):
        set_lp(o, lp_replace_i64(m, lp, &w, when_ms))
        return
    n = w - p
    if n > sizeof(small):
        copy = <char*>mem_alloc(m, n)
    memcpy(copy, p, n)
    lp = lp_delete_range_at(m, lp, &p, 3)
    p = <uint8_t*>copy
    for i in range(2):
        e[i].s = lp_get(p, &e[i].len, &e[i].v)
        p += lp_entry_size(p)
    e[2].s = NULL
    e[2].v = when_ms
    set_lp(o, insert_triple(m, lp, e))
    if copy != small:
        mem_free(m, copy)


# ---------------------------------------------------------------- change: table

cdef HashPut put_block(Mem* m, Robj* o, HashAt* at, Slice field, Slice value, int64_t when_ms) noexcept nogil:
    cdef HashTable* t = table_of(o)
    cdef uint8_t* b
    if at.p != NULL and when_ms == at.when_ms and likely(block_assign(at.p, value)):
        dict_rehash_step(m, &t.d, 1)
        return HASH_UPDATED
    b = block_new(m, field, value, when_ms)
    if unlikely(b == NULL):
        return HASH_NO_MEMORY
    if at.p == NULL:
        dict_insert(m, &t.d, at.hash, b)
        if unlikely(when_ms != HASH_NO_TTL):
            eb_add(m, need_fields(m, o), b, when_ms, block_when)
        return HASH_ADDED
    relocate(m, o, at, b, when_ms)
    dict_rehash_step(m, &t.d, 1)
    return HASH_UPDATED


cdef void relocate(Mem* m, Robj* o, HashAt* at, uint8_t* b, int64_t when_ms) noexcept nogil:
    """Block b with time when_ms takes the place of at.p, which is freed."""
    if at.when_ms != HASH_NO_TTL:
        eb_remove(m, need_fields(m, o), at.p, at.when_ms, block_when)
    if when_ms != HASH_NO_TTL:
        eb_add(m, need_fields(m, o), b, when_ms, block_when)
    dict_set(at.pos, b)
    mem_free(m, at.p)


cdef void expire_block(Mem* m, Robj* o, HashAt* at, int64_t when_ms) noexcept nogil:
    cdef uint8_t* b = at.p
    cdef Slice field
    cdef HashVal v
    if at.when_ms == when_ms:
        return
    if at.when_ms != HASH_NO_TTL and when_ms != HASH_NO_TTL:
        rp_store64le(block_ttl_at(b), <uint64_t>when_ms)
        eb_change(m, need_fields(m, o), b, at.when_ms, when_ms, block_when)
        return
    field.ptr = block_field(b, &field.len)
    block_value(b, &v)
    b = block_new(m, field, slice_of(v.s, v.len), when_ms)
    rp_assert(b != NULL)
    relocate(m, o, at, b, when_ms)


# ---------------------------------------------------------------- change: any encoding

cdef HashPut hash_put_at(Mem* m, Env* env, Robj* o, HashAt* at, Slice field, Slice value, int64_t when_ms) noexcept nogil:
    cdef HashPut done
    if when_ms == HASH_KEEP:
        when_ms = at.when_ms
    if robj_enc(o) == ENC_HT:
        return put_block(m, o, at, field, value, when_ms)
    if unlikely(not fits_listpack(env, lp_of(o), field, value)):
        hash_to_table(m, env, o, 0)
        hash_find(o, field, at)
        return put_block(m, o, at, field, value, when_ms)
    if when_ms != HASH_NO_TTL and robj_enc(o) == ENC_LISTPACK:
        hash_with_ttl(m, o)
        hash_find(o, field, at)
    done = HASH_UPDATED if at.p != NULL else HASH_ADDED
    if robj_enc(o) == ENC_LISTPACK:
        put_pair(m, o, at, field, value)
    else:
        put_triple(m, o, at, field, value, when_ms)
    if done == HASH_ADDED and unlikely(<int64_t>hash_len(o) > env.knobs.hash_max_listpack_entries):
        hash_to_table(m, env, o, 0)
    return done


cdef HashPut hash_put(Mem* m, Env* env, Robj* o, Slice field, Slice value) noexcept nogil:
    cdef HashAt at
    hash_find(o, field, &at)
    return hash_put_at(m, env, o, &at, field, value, HASH_NO_TTL)


cdef void hash_delete_at(Mem* m, Robj* o, HashAt* at) noexcept nogil:
    cdef HashTable* t
    cdef uint8_t* p = at.p
    if robj_enc(o) != ENC_HT:
        set_lp(o, lp_delete_range_at(m, lp_of(o), &p, stride(o)))
        return
    t = table_of(o)
    if at.when_ms != HASH_NO_TTL:
        eb_remove(m, t.ttl.body.fields, p, at.when_ms, block_when)
    dict_remove_at(m, &t.d, at.pos)
    mem_free(m, p)
    dict_rehash_step(m, &t.d, 1)
    dict_shrink(m, &t.d)


cdef bint hash_delete(Mem* m, Robj* o, Slice field) noexcept nogil:
    cdef HashAt at
    if not hash_find(o, field, &at):
        return False
    hash_delete_at(m, o, &at)
    return True


cdef void hash_expire_at(Mem* m, Robj* o, HashAt* at, int64_t when_ms) noexcept nogil:
    if robj_enc(o) == ENC_HT:
        expire_block(m, o, at, when_ms)
    else:
        expire_triple(m, o, at, when_ms)


cdef size_t remove_due_triples(Mem* m, Robj* o, int64_t now_ms, size_t limit, hash_field_fn each,
                               void* ctx) noexcept nogil:
    cdef uint8_t* lp = lp_of(o)
    cdef uint8_t* p = lp_first(lp)
    cdef HashVal f
    cdef char[NUM_TEXT] buf
    cdef size_t n = 0
    while p != NULL and n < limit and hash_past(lp_int(lp_next(lp_next(p))), now_ms):
        if each != NULL:
            read_entry(p, &f)
            each(ctx, hash_text(&f, buf))
        p = lp_next(lp_next(lp_next(p)))
        n += 1
    if n:
        p = lp_first(lp)
        set_lp(o, lp_delete_range_at(m, lp, &p, 3 * n))
    return n


cdef size_t hash_remove_due(Mem* m, Robj* o, int64_t now_ms, size_t limit, hash_field_fn each, void* ctx) noexcept nogil:
    cdef HashTable* t
    cdef Slice field
    cdef uint8_t* b
    cdef size_t n = 0
    if robj_enc(o) == ENC_LISTPACK:
        return 0
    if robj_enc(o) == ENC_LISTPACK_EX:
        return remove_due_triples(m, o, now_ms, limit, each, ctx)
    t = table_of(o)
    while t.ttl != NULL and n < limit:
        b = <uint8_t*>eb_pop_due(m, t.ttl.body.fields, now_ms - 1, block_when)
        if b == NULL:
            break
        field.ptr = block_field(b, &field.len)
        if each != NULL:
            each(ctx, field)
        dict_remove(m, &t.d, field.ptr, field.len, dict_hash(&t.d, field.ptr, field.len))
        mem_free(m, b)
        n += 1
    return n


# ---------------------------------------------------------------- the type's operations

cdef void hash_free(Mem* m, Robj* o) noexcept nogil:
    cdef HashTable* t
    if robj_enc(o) != ENC_HT:
        lp_free(m, lp_of(o))
        if robj_enc(o) == ENC_LISTPACK_EX:
            mem_free(m, robj_ptr(o))
        return
    t = table_of(o)
    if t.ttl != NULL:
        eb_clear(m, t.ttl.body.fields)
        mem_free(m, t.ttl.body.fields)
        mem_free(m, t.ttl)
    dict_clear(m, &t.d)
    mem_free(m, t)


cdef void* table_dup(Mem* m, const Robj* o) noexcept nogil:
    cdef HashTable* old = table_of(o)
    cdef HashTable* t = <HashTable*>mem_calloc(m, sizeof(HashTable))
    cdef HashIter it
    t.d.type = old.d.type
    t.d.seed = old.d.seed
    dict_reserve(m, &t.d, old.d.used)
    if old.ttl != NULL and eb_count(old.ttl.body.fields):
        t.ttl = <HashTtl*>mem_calloc(m, sizeof(HashTtl))
        t.ttl.body.fields = ebuckets_new(m)
    hash_iter(&it, o)
    while hash_next(&it):
        table_add(m, t, slice_of(it.field.s, it.field.len), slice_of(it.val.s, it.val.len), it.when_ms)
    hash_iter_end(&it)
    return t


cdef void* hash_dup(Mem* m, const Robj* o) noexcept nogil:
    if robj_enc(o) == ENC_LISTPACK:
        return lp_dup(m, lp_of(o))
    if robj_enc(o) == ENC_LISTPACK_EX:
        return hash_lpx_wrap(m, lp_dup(m, lp_of(o)))
    return table_dup(m, o)


cdef size_t hash_memory(const Robj* o, size_t samples) noexcept nogil:
    cdef HashTable* t
    cdef DictIter it
    cdef Mem scratch
    cdef size_t n, looked = 0, bytes = 0
    cdef void* b
    if robj_enc(o) != ENC_HT:
        n = mem_usable(lp_of(o))
        return n + mem_usable(robj_ptr(o)) if robj_enc(o) == ENC_LISTPACK_EX else n
    t = table_of(o)
    n = mem_usable(t) + dict_bytes(&t.d)
    if t.ttl != NULL:
        mem_init(&scratch)
        n += mem_usable(t.ttl) + mem_usable(t.ttl.body.fields) + eb_bytes(&scratch, t.ttl.body.fields)
    dict_iter(&it, &t.d)
    b = dict_next(&it)
    while b != NULL and (samples == 0 or looked < samples):
        bytes += mem_usable(b)
        looked += 1
        b = dict_next(&it)
    dict_iter_end(&it)
    if looked < t.d.used:
        bytes = <size_t>(<double>bytes / looked * t.d.used)
    return n + bytes


cdef size_t hash_effort(const Robj* o) noexcept nogil:
    return table_of(o).d.used if robj_enc(o) == ENC_HT else 1


cdef TypeOps ops
ops.free = hash_free
ops.dup = hash_dup
ops.memory = hash_memory
ops.length = hash_len
ops.effort = hash_effort
robj_register(OBJ_HASH, &ops)


# ---------------------------------------------------------------- test face

cdef void face_removed(void* ctx, Slice field) noexcept with gil:
    (<list>ctx).append(field.ptr[:field.len])


cdef object val_bytes(const HashVal* v):
    cdef char[NUM_TEXT] buf
    cdef Slice s = hash_text(v, buf)
    return s.ptr[:s.len]


cdef class HashFace:
    """A hash by itself for tests: bytes to bytes, times in ms (0: none)."""
    cdef Mem mem
    cdef Env env
    cdef Robj* o
    cdef object source             # of a copy: its dict's seed lies there

    def __cinit__(self, int64_t entries=128, int64_t value=64, uint64_t seed=1):
        mem_init(&self.mem)
        env_init(&self.env)
        env_seed(&self.env, seed)
        self.env.knobs.hash_max_listpack_entries = entries
        self.env.knobs.hash_max_listpack_value = value
        self.o = hash_new(&self.mem, slice_of(b"key", 3), 0)

    def __dealloc__(self):
        if self.o != NULL:
            robj_free(&self.mem, self.o)

    def free(self):
        """Frees all; the blocks that are still alive (0 unless something leaks)."""
        robj_free(&self.mem, self.o)
        self.o = NULL
        return self.mem.blocks

    def __len__(self):
        return hash_len(self.o)

    @property
    def encoding(self):
        return (<bytes>enc_name(robj_enc(self.o))).decode()

    @property
    def next_ms(self):
        return hash_next_ms(self.o)

    def get(self, bytes field):
        """(value, when_ms) or None."""
        cdef HashAt at
        if not hash_find(self.o, slice_of(field, len(field)), &at):
            return None
        value = val_bytes(&at.val)
        assert hash_val_len(&at.val) == len(value)
        return value, at.when_ms

    def set(self, bytes field, bytes value, int64_t when_ms=HASH_NO_TTL):
        """True if the field is new."""
        cdef HashAt at
        cdef HashPut done
        hash_find(self.o, slice_of(field, len(field)), &at)
        done = hash_put_at(&self.mem, &self.env, self.o, &at, slice_of(field, len(field)),
                           slice_of(value, len(value)), when_ms)
        if done == HASH_NO_MEMORY:
            raise MemoryError
        return done == HASH_ADDED

    def fail_after(self, int64_t n):
        """The next n allocations of client-chosen size succeed, the others fail; < 0: none fails."""
        self.mem.fail_after = n

    def delete(self, bytes field):
        return hash_delete(&self.mem, self.o, slice_of(field, len(field)))

    def expire(self, bytes field, int64_t when_ms):
        cdef HashAt at
        hash_with_ttl(&self.mem, self.o)
        if not hash_find(self.o, slice_of(field, len(field)), &at):
            return False
        hash_expire_at(&self.mem, self.o, &at, when_ms)
        return True

    def remove_due(self, int64_t now_ms, size_t limit=1 << 30):
        """The fields removed, in their order."""
        cdef list gone = []
        cdef size_t n = hash_remove_due(&self.mem, self.o, now_ms, limit, face_removed, <void*>gone)
        assert n == len(gone)
        return gone

    def items(self):
        """[(field, value, when_ms)] as they lie."""
        cdef HashIter it
        out = []
        hash_iter(&it, self.o)
        while hash_next(&it):
            out.append((val_bytes(&it.field), val_bytes(&it.val), it.when_ms))
        hash_iter_end(&it)
        return out

    def random(self):
        cdef HashVal field, val
        cdef int64_t when_ms
        cdef void* place = hash_random(self.o, &self.env)
        if place == NULL:
            return None
        hash_read_place(self.o, place, &field, &val, &when_ms)
        return val_bytes(&field), val_bytes(&val), when_ms

    def copy(self):
        """A HashFace with a copy; its memory is counted here."""
        cdef HashFace other = HashFace()
        robj_free(&other.mem, other.o)
        other.env = self.env
        other.o = robj_dup(&other.mem, self.o, slice_of(b"copy", 4), NO_EXPIRE)
        other.source = self
        return other

    @property
    def bytes_used(self):
        cdef int64_t unseen = <int64_t>self.mem.used - <int64_t>robj_memory(self.o, 0)
        assert 0 <= unseen <= 64 + self.mem.used // 8      # big dict tables are rounded up by the allocator
        return self.mem.used

    def check(self):
        """Verifies every invariant; O(n). Raises AssertionError."""
        cdef HashAt at
        items = self.items()
        timed = [when_ms for _, _, when_ms in items if when_ms]
        assert len(items) == len(self) == len({f for f, _, _ in items})
        assert self.next_ms == (min(timed) if timed else 0)
        for field, value, when_ms in items:
            assert self.get(field) == (value, when_ms)
        if self.encoding == "hashtable":
            ttl = table_of(self.o).ttl
            assert len(timed) == (eb_count(ttl.body.fields) if ttl != NULL else 0)
        else:
            assert len(items) <= self.env.knobs.hash_max_listpack_entries
            assert all(max(len(f), len(v)) <= self.env.knobs.hash_max_listpack_value for f, v, _ in items)
            times = [when_ms or 1 << 62 for _, _, when_ms in items]
            assert times == sorted(times)
            assert not timed or self.encoding == "listpackex"
        assert self.bytes_used
