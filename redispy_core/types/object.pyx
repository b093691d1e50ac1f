"""A key with its value in one block (contract: object.pxd). Room types: knows no client, no reply.

    [type|enc 1][lru 3][flags 1][key length 1, 2 or 4][expiry 8 if F_EXPIRE]
    then   F_INLINE: [value length 1 or 2][key bytes][value bytes]        strings up to INLINE_MAX
    else:            [payload 8: integer or pointer][key bytes]           integers, long strings, collections

Words are unaligned: memcpy compiles to one move on every machine that we build for. A 16-byte key with a 16-byte value
takes 39 bytes, with an integer 30. OBJECT ENCODING's names (int, embstr, raw) follow Redis's rules (44 bytes), not the
place where the bytes lie.

Collections own their payload; their rooms tell how to free it (robj_register).
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memmove
from ..base.rp cimport likely, unlikely, rp_assert, rp_load16le, rp_load32le, rp_store16le, rp_store32le
from ..base.mem cimport Mem, mem_alloc, mem_free, mem_good_size, mem_try_alloc, mem_usable
from ..base.num cimport num_digits10, num_parse_i64, num_print_i64
from ..base.sds cimport SDS_HEADER, Sds, Slice, sds_free, sds_new, sds_try_new
from ..structs.dict cimport DictType

cdef const TypeOps* ops_of[16]


cdef void robj_register(ObjType type, const TypeOps* ops) noexcept:
    ops_of[<int>type] = ops


# ---------------------------------------------------------------- reading

cdef inline size_t key_length(const Robj* o) noexcept nogil:
    cdef int code = o.flags & F_KLEN
    if likely(code == 0):
        return o.rest[0]
    return rp_load16le(o.rest) if code == 1 else rp_load32le(o.rest)


cdef inline size_t key_at(const Robj* o) noexcept nogil:
    if o.flags & F_INLINE:
        return robj_payload_at(o) + (2 if o.flags & F_VLEN16 else 1)
    return robj_payload_at(o) + 8


cdef const char* robj_key(const void* p, size_t* n) noexcept nogil:
    cdef const Robj* o = <const Robj*>p
    n[0] = key_length(o)
    return <const char*>o + key_at(o)


cdef inline size_t inline_length(const Robj* o) noexcept nogil:
    cdef const uint8_t* p = <const uint8_t*>o + robj_payload_at(o)
    return rp_load16le(p) if o.flags & F_VLEN16 else p[0]


cdef const char* robj_bytes(const Robj* o, char* scratch, size_t* n) noexcept nogil:
    cdef Sds* s
    if likely(o.flags & F_INLINE):
        n[0] = inline_length(o)
        return <const char*>o + key_at(o) + key_length(o)
    if robj_enc(o) == ENC_INT:
        n[0] = num_print_i64(scratch, robj_word(o))
        return scratch
    s = <Sds*>robj_ptr(o)
    n[0] = s.len
    return s.data


cdef size_t robj_strlen(const Robj* o) noexcept nogil:
    cdef int64_t v
    if o.flags & F_INLINE:
        return inline_length(o)
    if robj_enc(o) == ENC_INT:
        v = robj_word(o)
        if v < 0:
            return 1 + num_digits10(<uint64_t>0 - <uint64_t>v)
        return num_digits10(<uint64_t>v)
    return (<Sds*>robj_ptr(o)).len


# ---------------------------------------------------------------- building

cdef inline size_t klen_bytes(size_t n) noexcept nogil:
    return 1 if n < 256 else (2 if n < 65536 else 4)


cdef inline Robj* start(Mem* m, Slice key, ObjType type, Encoding enc, int64_t when_ms, size_t tail,
                        bint must) noexcept nogil:
    """A block with its header, key length and expiry; tail = bytes behind those. When memory fails: NULL, or the end
    if it `must` be had, because a change is half done."""
    cdef size_t ks = klen_bytes(key.len)
    cdef size_t n = 5 + ks + tail + (8 if when_ms != NO_EXPIRE else 0)
    cdef Robj* o
    n = n if n > 8 else 8
    o = <Robj*>(mem_alloc(m, n) if must else mem_try_alloc(m, n))
    if unlikely(o == NULL):
        return NULL
    o.type_enc = <uint8_t>(type | (enc << 4))
    o.lru[0] = o.lru[1] = o.lru[2] = 0
    o.flags = 0 if ks == 1 else (1 if ks == 2 else 2)
    if ks == 1:
        o.rest[0] = <uint8_t>key.len
    elif ks == 2:
        rp_store16le(o.rest, <uint16_t>key.len)
    else:
        rp_store32le(o.rest, <uint32_t>key.len)
    if when_ms != NO_EXPIRE:
        o.flags |= F_EXPIRE
        memcpy(o.rest + ks, &when_ms, 8)
    return o


cdef inline void fill_inline(Robj* o, Slice key, const char* s, size_t n) noexcept nogil:
    cdef char* p = <char*>o + robj_payload_at(o)
    o.flags |= F_INLINE
    if n < 256:
        p[0] = <char>n
        p += 1
    else:
        o.flags |= F_VLEN16
        rp_store16le(p, <uint16_t>n)
        p += 2
    memmove(p, key.ptr, key.len)
    memcpy(p + key.len, s, n)


cdef inline Encoding text_encoding(size_t n) noexcept nogil:
    return ENC_EMBSTR if n <= EMBSTR_MAX else ENC_RAW


cdef Robj* inline_string(Mem* m, Slice key, const char* s, size_t n, Encoding enc, int64_t when_ms,
                         bint must) noexcept nogil:
    cdef Robj* o = start(m, key, OBJ_STRING, enc, when_ms, key.len + n + (1 if n < 256 else 2), must)
    if likely(o != NULL):
        fill_inline(o, key, s, n)
    return o


cdef Robj* with_word(Mem* m, Slice key, ObjType type, Encoding enc, int64_t word, int64_t when_ms,
                     bint must) noexcept nogil:
    cdef Robj* o = start(m, key, type, enc, when_ms, 8 + key.len, must)
    if likely(o != NULL):
        robj_set_word(o, word)
        memcpy(<char*>o + robj_payload_at(o) + 8, key.ptr, key.len)
    return o


cdef Robj* robj_int(Mem* m, Slice key, int64_t v, int64_t when_ms) noexcept nogil:
    return with_word(m, key, OBJ_STRING, ENC_INT, v, when_ms, True)


cdef Robj* robj_boxed(Mem* m, Slice key, ObjType type, Encoding enc, void* p, int64_t when_ms) noexcept nogil:
    return with_word(m, key, type, enc, <int64_t>p, when_ms, True)


cdef Robj* robj_shared_string(Mem* m, Slice key, Sds* s, int64_t when_ms) noexcept nogil:
    return with_word(m, key, OBJ_STRING, ENC_RAW, <int64_t>s, when_ms, False)


cdef Robj* robj_string(Mem* m, Slice key, const char* s, size_t n, int64_t when_ms) noexcept nogil:
    cdef int64_t v
    cdef Sds* long_text
    cdef Robj* o
    if n <= 20 and num_parse_i64(s, n, &v):
        return with_word(m, key, OBJ_STRING, ENC_INT, v, when_ms, False)
    if likely(n <= INLINE_MAX):
        return inline_string(m, key, s, n, text_encoding(n), when_ms, False)
    long_text = sds_try_new(m, s, n)
    if long_text == NULL:
        return NULL
    o = robj_shared_string(m, key, long_text, when_ms)
    if o == NULL:
        sds_free(m, long_text)
    return o


cdef inline void stamp(Robj* o, int64_t when_ms) noexcept nogil:
    """Writes the expiry of a block that has room for one; only once the value stands, so a refusal changes nothing."""
    if when_ms != NO_EXPIRE:
        memcpy(o.rest + (1 << (o.flags & F_KLEN)), &when_ms, 8)


cdef bint robj_assign(Mem* m, Robj* o, const char* s, size_t n, int64_t when_ms) noexcept nogil:
    cdef int64_t v
    cdef size_t klen, old
    cdef char* p
    if robj_type(o) != OBJ_STRING or (when_ms != NO_EXPIRE) != ((o.flags & F_EXPIRE) != 0):
        return False
    if n <= 20 and num_parse_i64(s, n, &v):
        if robj_enc(o) != ENC_INT:
            return False
        robj_set_word(o, v)
        stamp(o, when_ms)
        return True
    if not o.flags & F_INLINE or n > INLINE_MAX:
        return False
    old = inline_length(o)
    if old != n:
        if (n < 256) != (not o.flags & F_VLEN16):
            return False
        klen = key_at(o) + key_length(o)
        if mem_good_size(klen + n) != mem_usable(o):
            return False
        p = <char*>o + robj_payload_at(o)
        if n < 256:
            p[0] = <char>n
        else:
            rp_store16le(p, <uint16_t>n)
    robj_retag(o, OBJ_STRING, text_encoding(n))
    memcpy(<char*>o + key_at(o) + key_length(o), s, n)
    stamp(o, when_ms)
    return True


cdef Robj* robj_rekey(Mem* m, Robj* o, Slice key, int64_t when_ms) noexcept nogil:
    cdef Robj* fresh
    cdef size_t n
    cdef const char* s
    if o.flags & F_INLINE:
        s = robj_bytes(o, NULL, &n)
        fresh = inline_string(m, key, s, n, robj_enc(o), when_ms, True)
    else:
        fresh = with_word(m, key, robj_type(o), robj_enc(o), robj_word(o), when_ms, True)
    rp_assert(fresh != NULL)
    robj_set_lru(fresh, robj_lru(o))
    mem_free(m, o)
    return fresh


cdef Robj* robj_set_expire(Mem* m, Robj* o, int64_t when_ms) noexcept nogil:
    cdef Slice key
    if when_ms != NO_EXPIRE and o.flags & F_EXPIRE:
        memcpy(o.rest + (1 << (o.flags & F_KLEN)), &when_ms, 8)
        return o
    if when_ms == NO_EXPIRE and not o.flags & F_EXPIRE:
        return o
    key.ptr = robj_key(o, &key.len)
    return robj_rekey(m, o, key, when_ms)


cdef Robj* robj_editable(Mem* m, Robj* o) noexcept nogil:
    cdef char[INT_TEXT] scratch
    cdef size_t n
    cdef const char* s
    cdef Slice key
    cdef Sds* text
    cdef Robj* fresh
    if robj_enc(o) == ENC_RAW and not o.flags & F_INLINE:
        return o
    s = robj_bytes(o, scratch, &n)
    text = sds_new(m, s, n)
    if robj_enc(o) == ENC_INT:
        robj_retag(o, OBJ_STRING, ENC_RAW)
        robj_set_ptr(o, text)
        return o
    key.ptr = robj_key(o, &key.len)
    fresh = with_word(m, key, OBJ_STRING, ENC_RAW, <int64_t>text, robj_expire(o), True)
    rp_assert(fresh != NULL)
    robj_set_lru(fresh, robj_lru(o))
    mem_free(m, o)
    return fresh


# ---------------------------------------------------------------- by type

cdef inline bint has_sds(const Robj* o) noexcept nogil:
    return robj_enc(o) == ENC_RAW and not o.flags & F_INLINE


cdef Robj* robj_dup(Mem* m, const Robj* o, Slice key, int64_t when_ms) noexcept nogil:
    cdef size_t n
    cdef const char* s
    cdef int64_t word
    cdef Robj* fresh
    if o.flags & F_INLINE:
        s = robj_bytes(o, NULL, &n)
        fresh = inline_string(m, key, s, n, robj_enc(o), when_ms, True)
    else:
        if robj_type(o) != OBJ_STRING:
            word = <int64_t>ops_of[<int>robj_type(o)].dup(m, o)
        elif has_sds(o):
            word = <int64_t>sds_new(m, (<Sds*>robj_ptr(o)).data, (<Sds*>robj_ptr(o)).len)
        else:
            word = robj_word(o)
        fresh = with_word(m, key, robj_type(o), robj_enc(o), word, when_ms, True)
    rp_assert(fresh != NULL)
    robj_set_lru(fresh, robj_lru(o))
    return fresh


cdef size_t robj_memory(const Robj* o, size_t samples) noexcept nogil:
    cdef size_t n = mem_usable(o)
    if robj_type(o) != OBJ_STRING:
        return n + ops_of[<int>robj_type(o)].memory(o, samples)
    return n + mem_usable(robj_ptr(o)) if has_sds(o) else n


cdef size_t robj_length(const Robj* o) noexcept nogil:
    return robj_strlen(o) if robj_type(o) == OBJ_STRING else ops_of[<int>robj_type(o)].length(o)


cdef size_t robj_effort(const Robj* o) noexcept nogil:
    return 1 if robj_type(o) == OBJ_STRING else ops_of[<int>robj_type(o)].effort(o)


cdef void robj_free(Mem* m, Robj* o) noexcept nogil:
    if robj_type(o) == OBJ_STRING:
        if has_sds(o):
            sds_free(m, <Sds*>robj_ptr(o))
    else:
        ops_of[<int>robj_type(o)].free(m, o)
    mem_free(m, o)


cdef void robj_free_entry(Mem* m, void* o) noexcept nogil:
    robj_free(m, <Robj*>o)


cdef DictType keys_borrowed
keys_borrowed.key_of = robj_key
keys_borrowed.free_entry = NULL
cdef DictType keys_owned
keys_owned.key_of = robj_key
keys_owned.free_entry = robj_free_entry


cdef const DictType* key_dict_type() noexcept nogil:
    return &keys_borrowed


cdef const DictType* key_dict_owner_type() noexcept nogil:
    return &keys_owned


cdef const char* enc_name(Encoding enc) noexcept nogil:
    if enc == ENC_RAW: return b"raw"
    if enc == ENC_INT: return b"int"
    if enc == ENC_EMBSTR: return b"embstr"
    if enc == ENC_LISTPACK: return b"listpack"
    if enc == ENC_QUICKLIST: return b"quicklist"
    if enc == ENC_HT: return b"hashtable"
    if enc == ENC_INTSET: return b"intset"
    if enc == ENC_SKIPLIST: return b"skiplist"
    if enc == ENC_STREAM: return b"stream"
    if enc == ENC_LISTPACK_EX: return b"listpackex"
    return b"module"


cdef const char* type_name(ObjType type) noexcept nogil:
    if type == OBJ_STRING: return b"string"
    if type == OBJ_LIST: return b"list"
    if type == OBJ_SET: return b"set"
    if type == OBJ_ZSET: return b"zset"
    if type == OBJ_HASH: return b"hash"
    if type == OBJ_STREAM: return b"stream"
    return b"module"
