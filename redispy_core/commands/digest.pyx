"""Digests of values and of the whole data set (contract: digest.pxd). Used by DEBUG DIGEST and DIGEST-VALUE.

Two steps make them up. `add` XORs the SHA-1 of a text into the digest: for what has no order. `follow` does so and then
replaces the digest by its own SHA-1: for what has. The digest does not depend on encodings.

    value      follow(type, 4 bytes BE), then
               string: follow(text)                   set:  add(member)
               list:   follow(element)                zset: add(of: follow(member), follow(score))
               stream: per entry follow("ms.seq"),    hash: add(of: follow(field), follow(value), add("!!hexpire!!")
                       follow(name), follow(value)              where it has an expiry)
               add("!!expire!!") if the key has an expiry
    keyspace   per database that is not empty: follow(number, 4 bytes BE), then
               per key: add(of: follow(key), value)

Found out, and compared in the tests, by asking Redis 8.2; Valkey and older Redis leave "!!hexpire!!" out, Redis 7.0
prints scores otherwise.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset
from ..base.codec cimport sha1
from ..base.num cimport NUM_BUF, num_print_i64, num_print_shortest, num_print_u64
from ..base.rp cimport rp_bswap32, rp_store32le
from ..base.sds cimport Slice
from ..keyspace.db cimport Db, Keyspace, db_expired
from ..structs.dict cimport DictIter, dict_iter, dict_iter_end, dict_next
from ..types.hash cimport HASH_NO_TTL, HashIter, hash_iter, hash_iter_end, hash_next, hash_past, hash_text
from ..types.list cimport ListIter, list_close, list_get, list_seek, list_step
from ..types.object cimport *
from ..types.set cimport Set, SetEl, SetIter, el_text, set_iter, set_iter_end, set_next, set_of
from ..types.stream cimport StreamIter, stream_field, stream_iter, stream_iter_done, stream_of, stream_step
from ..types.stream_group cimport id_make
from ..types.zset cimport ZsetItem, ZsetIter, zset_item_score, zset_iter, zset_next


cdef void add(uint8_t* digest, const void* s, size_t n) noexcept nogil:
    cdef uint8_t[DIGEST] one
    cdef int i
    sha1(s, n, one)
    for i in range(DIGEST):
        digest[i] ^= one[i]


cdef void follow(uint8_t* digest, const void* s, size_t n) noexcept nogil:
    cdef uint8_t[DIGEST] old
    cdef int i
    add(digest, s, n)
    for i in range(DIGEST):
        old[i] = digest[i]
    sha1(old, DIGEST, digest)


cdef void follow_number(uint8_t* digest, uint32_t v) noexcept nogil:
    cdef uint8_t[4] bytes
    rp_store32le(bytes, rp_bswap32(v))
    follow(digest, bytes, 4)


# ---------------------------------------------------------------- values

cdef void digest_list(Keyspace* ks, Robj* o, uint8_t* digest) noexcept nogil:
    cdef ListIter it
    cdef char[INT_TEXT] text
    cdef size_t n = 0
    cdef int64_t v = 0
    cdef const char* p
    cdef bint more = list_seek(ks.mem, o, 0, 1, &it)
    while more:
        p = list_get(ks.mem, &it, &n, &v)
        if p == NULL:
            n = num_print_i64(text, v)
            p = text
        follow(digest, p, n)
        more = list_step(ks.mem, &it)
    list_close(ks.mem, &it)


cdef void digest_set(const Robj* o, uint8_t* digest) noexcept nogil:
    cdef Set set = set_of(o)
    cdef SetIter it
    cdef SetEl el
    set_iter(&it, &set)
    while set_next(&it, &el):
        el_text(&el)
        add(digest, el.s, el.n)
    set_iter_end(&it)


cdef void digest_zset(const Robj* o, uint8_t* digest) noexcept nogil:
    cdef ZsetIter it
    cdef ZsetItem item
    cdef uint8_t[DIGEST] one
    cdef char[NUM_BUF] text
    cdef double score
    zset_iter(&it, o, 0, -1, False)
    while zset_next(&it, &item):
        memset(one, 0, DIGEST)
        follow(one, item.member, item.len)
        score = zset_item_score(&item)
        follow(one, text, num_print_shortest(text, score))
        add(digest, one, DIGEST)


cdef void digest_hash(Keyspace* ks, const Robj* o, uint8_t* digest) noexcept nogil:
    cdef HashIter it
    cdef uint8_t[DIGEST] one
    cdef char[24] text
    cdef Slice part
    hash_iter(&it, o)
    while hash_next(&it):
        if hash_past(it.when_ms, ks.env.now_ms):
            continue
        memset(one, 0, DIGEST)
        part = hash_text(&it.field, text)
        follow(one, part.ptr, part.len)
        part = hash_text(&it.val, text)
        follow(one, part.ptr, part.len)
        if it.when_ms != HASH_NO_TTL:
            add(one, b"!!hexpire!!", 11)
        add(digest, one, DIGEST)
    hash_iter_end(&it)


cdef void digest_stream(Keyspace* ks, const Robj* o, uint8_t* digest) noexcept nogil:
    cdef StreamIter it
    cdef Slice name, value
    cdef char[2 * INT_TEXT] text
    cdef int n
    cdef int64_t i
    stream_iter(&it, ks.mem, stream_of(o), id_make(0, 0), id_make(<uint64_t>-1, <uint64_t>-1), False)
    while stream_step(&it):
        n = num_print_u64(text, it.id.ms)
        text[n] = c'.'
        n += 1
        n += num_print_u64(text + n, it.id.seq)
        follow(digest, text, n)
        for i in range(it.fields):
            stream_field(&it, &name, &value)
            follow(digest, name.ptr, name.len)
            follow(digest, value.ptr, value.len)
    stream_iter_done(&it)


cdef void digest_value(Keyspace* ks, Robj* o, uint8_t* digest) noexcept nogil:
    cdef char[INT_TEXT] scratch
    cdef size_t n
    cdef const char* s
    cdef ObjType type = robj_type(o)
    follow_number(digest, type)
    if type == OBJ_STRING:
        s = robj_bytes(o, scratch, &n)
        follow(digest, s, n)
    elif type == OBJ_LIST:
        digest_list(ks, o, digest)
    elif type == OBJ_SET:
        digest_set(o, digest)
    elif type == OBJ_ZSET:
        digest_zset(o, digest)
    elif type == OBJ_HASH:
        digest_hash(ks, o, digest)
    elif type == OBJ_STREAM:
        digest_stream(ks, o, digest)
    else:
        n = robj_length(o)
        follow(digest, &n, sizeof(n))
    if robj_expire(o) != NO_EXPIRE:
        add(digest, b"!!expire!!", 10)


# ---------------------------------------------------------------- the data set

cdef void digest_db(Keyspace* ks, Db* db, uint8_t* digest) noexcept nogil:
    cdef uint8_t[DIGEST] one
    cdef DictIter it
    cdef Robj* o
    cdef const char* key
    cdef size_t n
    cdef bint empty = True
    dict_iter(&it, &db.keys)
    while True:
        o = <Robj*>dict_next(&it)
        if o == NULL:
            break
        if db_expired(ks, o):
            continue
        if empty:
            empty = False
            follow_number(digest, <uint32_t>db.id)
        memset(one, 0, DIGEST)
        key = robj_key(o, &n)
        follow(one, key, n)
        digest_value(ks, o, one)
        add(digest, one, DIGEST)
    dict_iter_end(&it)


cdef void digest_keyspace(Keyspace* ks, uint8_t* digest) noexcept nogil:
    cdef int i
    memset(digest, 0, DIGEST)
    for i in range(ks.ndbs):
        if ks.dbs[i].keys.used:
            digest_db(ks, &ks.dbs[i], digest)
