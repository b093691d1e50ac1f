# A key with its value: ONE allocation per key.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy
from ..base.mem cimport Mem
from ..base.sds cimport Sds, Slice
from ..structs.dict cimport DictType

cdef enum ObjType:
    OBJ_STRING = 0
    OBJ_LIST = 1
    OBJ_SET = 2
    OBJ_ZSET = 3
    OBJ_HASH = 4
    OBJ_MODULE = 5
    OBJ_STREAM = 6
    OBJ_TYPES = 7

cdef enum Encoding:
    ENC_RAW = 0                 # bytes, inline or in an Sds
    ENC_INT = 1                 # int64 in the payload word
    ENC_EMBSTR = 2              # up to 44 bytes, always inline
    ENC_LISTPACK = 3
    ENC_QUICKLIST = 4
    ENC_HT = 5
    ENC_INTSET = 6
    ENC_SKIPLIST = 7
    ENC_STREAM = 8
    ENC_LISTPACK_EX = 9         # hash with field expiries in a listpack
    ENC_MODULE = 10

cdef enum:
    INT_TEXT = 24               # room for a printed int64
    NO_EXPIRE = -1
    EMBSTR_MAX = 44             # longest string reported as embstr
    INLINE_MAX = 512            # longest string kept in the key's own block
    LRU_MAX = (1 << 24) - 1

cdef struct Robj:
    uint8_t type_enc            # type low 4 bits, encoding high 4 bits
    uint8_t lru[3]              # 24 bits: seconds, or LFU minutes and counter
    uint8_t flags               # F_* below
    uint8_t rest[1]

cdef enum:
    F_KLEN = 3                  # bytes of the key length: 0: 1, 1: 2, 2: 4
    F_EXPIRE = 4                # an expiry word follows the key length
    F_INLINE = 8                # string bytes behind the key; length before it
    F_VLEN16 = 16               # that length has 2 bytes, else 1

cdef struct TypeOps:                                             # what each collection's room tells of its payload
    void (*free)(Mem* m, Robj* o) noexcept nogil                 # the payload, not the block
    void* (*dup)(Mem* m, const Robj* o) noexcept nogil           # a copy of the payload
    size_t (*memory)(const Robj* o, size_t samples) noexcept nogil   # bytes of the payload; samples elements looked at, 0: all
    size_t (*length)(const Robj* o) noexcept nogil               # elements
    size_t (*effort)(const Robj* o) noexcept nogil               # about how many blocks free() frees

cdef inline ObjType robj_type(const Robj* o) noexcept nogil:
    return <ObjType>(o.type_enc & 15)

cdef inline Encoding robj_enc(const Robj* o) noexcept nogil:
    return <Encoding>(o.type_enc >> 4)

cdef inline void robj_retag(Robj* o, ObjType type, Encoding enc) noexcept nogil:
    o.type_enc = <uint8_t>(type | (enc << 4))

cdef inline uint32_t robj_lru(const Robj* o) noexcept nogil:
    return o.lru[0] | (<uint32_t>o.lru[1] << 8) | (<uint32_t>o.lru[2] << 16)

cdef inline void robj_set_lru(Robj* o, uint32_t v) noexcept nogil:
    o.lru[0] = v & 255
    o.lru[1] = (v >> 8) & 255
    o.lru[2] = (v >> 16) & 255

cdef inline size_t robj_payload_at(const Robj* o) noexcept nogil:
    return 5 + (1 << (o.flags & F_KLEN)) + (8 if o.flags & F_EXPIRE else 0)

cdef inline int64_t robj_word(const Robj* o) noexcept nogil:        # the payload word: integer or pointer
    cdef int64_t v
    memcpy(&v, <const char*>o + robj_payload_at(o), 8)
    return v

cdef inline void robj_set_word(Robj* o, int64_t v) noexcept nogil:
    memcpy(<char*>o + robj_payload_at(o), &v, 8)

cdef inline void* robj_ptr(const Robj* o) noexcept nogil:            # not for inline or int strings
    return <void*>robj_word(o)

cdef inline void robj_set_ptr(Robj* o, void* p) noexcept nogil:
    robj_set_word(o, <int64_t>p)

cdef inline int64_t robj_expire(const Robj* o) noexcept nogil:       # absolute ms, or NO_EXPIRE
    cdef int64_t v
    if not o.flags & F_EXPIRE:
        return NO_EXPIRE
    memcpy(&v, <const char*>o + 5 + (1 << (o.flags & F_KLEN)), 8)
    return v

cdef const char* robj_key(const void* o, size_t* n) noexcept nogil                     # borrowed; O(1)
cdef const char* robj_bytes(const Robj* o, char* scratch, size_t* n) noexcept nogil    # a string's bytes; integers are printed to scratch (INT_TEXT)
cdef size_t robj_strlen(const Robj* o) noexcept nogil

cdef Robj* robj_string(Mem* m, Slice key, const char* s, size_t n, int64_t when_ms) noexcept nogil       # picks int, embstr or raw; try_alloc: NULL when memory fails
cdef bint robj_assign(Mem* m, Robj* o, const char* s, size_t n, int64_t when_ms) noexcept nogil          # overwrite a string in place if its block fits exactly; False: nothing done
cdef Robj* robj_int(Mem* m, Slice key, int64_t v, int64_t when_ms) noexcept nogil
cdef Robj* robj_boxed(Mem* m, Slice key, ObjType type, Encoding enc, void* p, int64_t when_ms) noexcept nogil   # takes p
cdef Robj* robj_rekey(Mem* m, Robj* o, Slice key, int64_t when_ms) noexcept nogil      # same value under another key or expiry; frees the old block, keeps LRU
cdef Robj* robj_set_expire(Mem* m, Robj* o, int64_t when_ms) noexcept nogil            # NO_EXPIRE removes; may move
cdef Robj* robj_editable(Mem* m, Robj* o) noexcept nogil                               # string -> raw in an Sds (robj_ptr); may move
cdef Robj* robj_shared_string(Mem* m, Slice key, Sds* s, int64_t when_ms) noexcept nogil   # raw string that takes s
cdef void robj_register(ObjType type, const TypeOps* ops) noexcept                      # at import of the type's room; ops lives for ever
cdef Robj* robj_dup(Mem* m, const Robj* o, Slice key, int64_t when_ms) noexcept nogil  # a copy under another key
cdef size_t robj_memory(const Robj* o, size_t samples) noexcept nogil                  # bytes of block and payload (MEMORY USAGE)
cdef size_t robj_length(const Robj* o) noexcept nogil                                  # elements; bytes of a string
cdef size_t robj_effort(const Robj* o) noexcept nogil                                  # blocks to free
cdef void robj_free(Mem* m, Robj* o) noexcept nogil                                    # block and payload
cdef const char* enc_name(Encoding enc) noexcept nogil
cdef const char* type_name(ObjType type) noexcept nogil
cdef const DictType* key_dict_type() noexcept nogil                                    # dicts of Robj by key; entries are not owned
cdef const DictType* key_dict_owner_type() noexcept nogil                              # ... and are freed with the dict
