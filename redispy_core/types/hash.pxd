# Hashes: fields with values and, where asked for, an expiry each. Encodings: listpack, listpackex (with expiries),
# hashtable. A change goes in two steps: hash_find, then one of the *_at functions with what it found, so that a
# command that reads and writes looks its field up once. The Robj never moves: its payload word changes.
# Expired fields stay until somebody removes them: this room has no clock, callers compare when_ms (hash_past).
from libc.stdint cimport int64_t, uint8_t, uint64_t
from ..base.env cimport Env
from ..base.mem cimport Mem
from ..base.sds cimport Slice
from ..structs.dict cimport Dict, DictIter, DictPos
from ..structs.ebuckets cimport Ebuckets
from .object cimport ENC_LISTPACK, ENC_LISTPACK_EX, Robj, robj_enc, robj_ptr

cdef enum:
    HASH_NO_TTL = 0                # when_ms of a field without expiry; no expiry at all in hash_next_ms
    HASH_KEEP = -1                 # hash_put_at: leave the expiry as it is

cdef enum HashPut:
    HASH_ADDED = 0
    HASH_UPDATED = 1
    HASH_NO_MEMORY = 2             # nothing was changed

cdef struct HashVal:               # a field or a value; borrowed until the hash changes
    const char* s                  # NULL: the integer v
    size_t len
    int64_t v

cdef struct HashAt:                # what hash_find saw; valid until the hash changes
    uint8_t* p                     # the field's listpack entry or block; NULL: absent
    DictPos pos                    # hashtable
    uint64_t hash                  # hashtable
    int64_t when_ms
    HashVal val

cdef struct HashIter:              # all fields, expired ones too; the hash must not change meanwhile
    DictIter it
    uint8_t* next                  # listpack: the next entry
    bint ex
    bint table
    void* p                        # the place of the current one, for hash_read_place
    HashVal field
    HashVal val
    int64_t when_ms

cdef union HashBody:
    uint8_t* lp                    # listpackex: field, value, when_ms; ascending by when_ms, those without (0) last
    Ebuckets* fields               # hashtable: Field blocks by their time

cdef struct HashTtl:               # payload of ENC_LISTPACK_EX; part of a table that has had a field expiry
    int64_t tracked_ms             # the time that it stands in its database's index with, kept by keyspace/db; HASH_NO_TTL: it does not
    HashBody body

cdef struct HashTable:             # payload of ENC_HT
    Dict d                         # of Field blocks
    HashTtl* ttl                   # NULL: never had one

ctypedef void (*hash_field_fn)(void* ctx, Slice field) noexcept nogil

cdef inline bint hash_past(int64_t when_ms, int64_t now_ms) noexcept nogil:
    return when_ms != HASH_NO_TTL and now_ms > when_ms

cdef inline HashTtl* hash_ttl(const Robj* o) noexcept nogil:                # NULL: it never had a field expiry; o is a hash
    if robj_enc(o) == ENC_LISTPACK:
        return NULL
    if robj_enc(o) == ENC_LISTPACK_EX:
        return <HashTtl*>robj_ptr(o)
    return (<HashTable*>robj_ptr(o)).ttl

# --- reading
cdef bint hash_find(const Robj* o, Slice field, HashAt* at) noexcept nogil              # O(1), listpack O(n); fills at, found or not
cdef size_t hash_len(const Robj* o) noexcept nogil                                      # O(1); expired ones count
cdef int64_t hash_next_ms(const Robj* o) noexcept nogil                                 # O(1); the earliest field expiry or HASH_NO_TTL
cdef size_t hash_val_len(const HashVal* v) noexcept nogil
cdef Slice hash_text(const HashVal* v, char* buf24) noexcept nogil                      # its bytes; an integer is printed into buf24
cdef void hash_iter(HashIter* it, const Robj* o) noexcept nogil
cdef bint hash_next(HashIter* it) noexcept nogil                                        # O(1); False: no more
cdef void hash_iter_end(HashIter* it) noexcept nogil
cdef void* hash_random(const Robj* o, Env* env) noexcept nogil                          # uniform; a place for hash_read_place; NULL: empty
cdef void hash_read_place(const Robj* o, void* place, HashVal* field, HashVal* val, int64_t* when_ms) noexcept nogil
cdef void hash_read_block(void* place, HashVal* field, HashVal* val) noexcept nogil     # ... of a table's place
cdef Dict* hash_dict(const Robj* o) noexcept nogil                                      # of ENC_HT; entries are places

# --- making
cdef Robj* hash_new(Mem* m, Slice key, size_t room) noexcept nogil                      # empty, a listpack with that room; no expiry
cdef HashTtl* hash_lpx_wrap(Mem* m, uint8_t* lp) noexcept nogil                         # takes lp

# --- changing: at comes from hash_find and is spent
cdef HashPut hash_put_at(Mem* m, Env* env, Robj* o, HashAt* at, Slice field, Slice value, int64_t when_ms) noexcept nogil
#   sets the value and the expiry (absolute, HASH_NO_TTL or HASH_KEEP); converts by the knobs. O(1), listpack O(n)
cdef HashPut hash_put(Mem* m, Env* env, Robj* o, Slice field, Slice value) noexcept nogil   # find and put, without expiry
cdef void hash_delete_at(Mem* m, Robj* o, HashAt* at) noexcept nogil                    # the field must be there
cdef bint hash_delete(Mem* m, Robj* o, Slice field) noexcept nogil                      # False: absent
cdef void hash_expire_at(Mem* m, Robj* o, HashAt* at, int64_t when_ms) noexcept nogil   # the field must be there, o be hash_with_ttl; HASH_NO_TTL removes
cdef size_t hash_remove_due(Mem* m, Robj* o, int64_t now_ms, size_t limit, hash_field_fn each, void* ctx) noexcept nogil
#   removes up to limit fields whose time is past, earliest first; each (may be NULL) sees every one before it goes
cdef void hash_with_ttl(Mem* m, Robj* o) noexcept nogil                                 # a listpack becomes a listpackex
cdef void hash_to_table(Mem* m, Env* env, Robj* o, size_t room) noexcept nogil          # any encoding becomes a table with room for so many
cdef void hash_expect(Mem* m, Env* env, Robj* o, size_t fields) noexcept nogil          # so many will be set: a table at once if it must be one
cdef void hash_trim(Mem* m, Robj* o) noexcept nogil                                     # gives a listpack's spare room back
