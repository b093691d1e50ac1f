# Databases: lookup with expiry on access, add, set, delete, rename, flush; LRU/LFU; what is freed lazily.
from libc.stdint cimport int64_t, uint32_t, uint64_t
from ..base.env cimport Env
from ..base.mem cimport Mem
from ..base.sds cimport Slice
from ..structs.dict cimport Dict
from ..structs.rax cimport Rax
from ..structs.ebuckets cimport Ebuckets
from ..types.object cimport NO_EXPIRE, ObjType, Encoding, Robj
from .events cimport Events, EventClass
from .journal cimport Journal
from .lazyfree cimport Lazyfree

cdef enum:
    KEEP_TTL = -2               # db_set_*: leave the expiry as it is
    LFU_INIT = 5

cdef struct Db:
    Dict keys                   # Robj by key; owns them
    Dict expires                # those that have an expiry
    Ebuckets subexpires         # hashes with field expiries, by the earliest
    int id
    int64_t avg_ttl_ms
    uint64_t expire_cursor      # where the active cycle goes on

cdef struct KeyspaceStats:
    int64_t hits
    int64_t misses
    int64_t expired
    int64_t expired_fields
    int64_t expired_stale_perc_x100
    int64_t expired_time_cap
    int64_t expire_cycle_us
    int64_t evicted

cdef struct Keyspace:
    Mem* mem
    Env* env
    Db* dbs
    int ndbs
    Events ev
    Journal journal
    KeyspaceStats stats
    bint replica                # expired keys are missing here, but only the primary's DEL removes them
    bint loading                # nothing is expired: what was written is restored first; or a primary's command runs, which says what expires
    bint may_expire             # False while writes are paused: expired keys are missing, not removed
    bint no_touch               # this command must not refresh LRU/LFU (CLIENT NO-TOUCH)
    bint active_expire          # DEBUG SET-ACTIVE-EXPIRE
    void (*latency)(void* ctx, const char* event, int64_t ms) noexcept nogil   # hears of slow work while the latency monitor is on; NULL: nobody does
    void* latency_ctx
    Lazyfree lazy               # flushed databases and big values on their way to the thread that frees them
    size_t not_counted          # used memory that maxmemory does not limit, beside the journal's: buffers of replicas; kept by the rooms that own them
    const char* memo_ptr        # hash of the last argument looked up: valid within one command
    size_t memo_len
    uint64_t memo_hash
    Rax* own_ttls               # of a replica: keys (behind the database, 4 bytes) to which its own clients gave a time, which no primary will remove; NULL: none

cdef void ks_init(Keyspace* ks, Mem* m, Env* env, int ndbs) noexcept nogil
cdef void ks_free(Keyspace* ks) noexcept nogil
cdef void ks_begin_command(Keyspace* ks) noexcept nogil                      # forgets the hash memo
cdef void ks_remember(Keyspace* ks, Slice key, uint64_t hash) noexcept nogil # ks_hash(key) was computed ahead
cdef uint64_t ks_hash(Keyspace* ks, Slice key) noexcept nogil

# --- lookups; NULL = missing or expired
cdef Robj* db_read(Keyspace* ks, Db* db, Slice key) noexcept nogil           # counts hit/miss, touches LRU; keymiss event
cdef Robj* db_look(Keyspace* ks, Db* db, Slice key) noexcept nogil           # db_read that does not touch LRU (EXISTS, TTL, TYPE)
cdef Robj* db_write(Keyspace* ks, Db* db, Slice key) noexcept nogil          # for change: touches LRU
cdef Robj* db_peek(Keyspace* ks, Db* db, Slice key) noexcept nogil           # neither counts nor touches (OBJECT, TYPE of SCAN, DEBUG)
cdef void ks_forget_own_ttls(Keyspace* ks) noexcept nogil                     # O(keys)
cdef bint db_expired(Keyspace* ks, const Robj* o) noexcept nogil
cdef bint db_expire_due(Keyspace* ks, Db* db, Robj* o) noexcept nogil        # db_expired, and removes o where that is ours to do
cdef void db_touch(Keyspace* ks, Robj* o) noexcept nogil
cdef int lfu_counter(Keyspace* ks, const Robj* o) noexcept nogil             # decayed access counter 0..255
cdef int64_t lru_idle_ms(Keyspace* ks, const Robj* o) noexcept nogil

# --- changes. None of them calls key_changed: the command does, once a key.
cdef void db_add(Keyspace* ks, Db* db, Robj* o) noexcept nogil               # takes o; the key must be absent ("new" event)
cdef bint db_set_string(Keyspace* ks, Db* db, Slice key, const char* s, size_t n, int64_t when_ms) noexcept nogil   # overwrite any type; when_ms: absolute, NO_EXPIRE or KEEP_TTL; False: no memory
cdef bint db_set_string_at(Keyspace* ks, Db* db, Slice key, Robj* old, const char* s, size_t n, int64_t when_ms) noexcept nogil   # the same when db_write(key) gave old (NULL: missing)
cdef void db_put(Keyspace* ks, Db* db, Robj* o) noexcept nogil               # takes o, replacing any value of its key
cdef void db_moved(Keyspace* ks, Db* db, Robj* old, Robj* o) noexcept nogil  # robj_* gave the key another block (old is dead already)
cdef void db_subexpiry(Keyspace* ks, Db* db, Robj* o) noexcept nogil          # the earliest field expiry of hash o may have changed; O(1) if not
cdef Robj* db_set_expire(Keyspace* ks, Db* db, Robj* o, int64_t when_ms) noexcept nogil   # NO_EXPIRE removes; may move o
cdef Robj* db_unlink(Keyspace* ks, Db* db, Slice key) noexcept nogil         # out of the dicts, not freed; NULL = missing (no expiry check)
cdef bint db_delete(Keyspace* ks, Db* db, Slice key) noexcept nogil          # frees; False = missing (no expiry check)
cdef bint db_remove(Keyspace* ks, Db* db, Slice key, bint lazy) noexcept nogil   # db_unlink and db_discard; False = missing
cdef bint db_remove_live(Keyspace* ks, Db* db, Slice key, bint lazy) noexcept nogil   # DEL: a key that expired goes as such, and is False unless only a DEL may remove it here
cdef void db_discard(Keyspace* ks, Robj* o, bint lazy) noexcept nogil        # frees what db_unlink gave; lazy: a big value on the other thread
cdef Robj* db_rename(Keyspace* ks, Db* db, Slice key, Slice to, bint lazy) noexcept nogil   # key must be there, `to` another key whose value goes; keeps the expiry
cdef void db_delete_expired(Keyspace* ks, Db* db, Robj* o) noexcept nogil    # with statistics, event and propagation
cdef int64_t db_evict(Keyspace* ks, Db* db, Robj* o, uint64_t hash) noexcept nogil   # likewise; bytes freed at once, without what the reports took
cdef Robj* db_random(Keyspace* ks, Db* db) noexcept nogil                    # a live key, uniform; NULL when empty
cdef int64_t db_flush(Keyspace* ks, int id, bint lazy) noexcept nogil        # id -1: all; keys removed
cdef void db_swap(Keyspace* ks, int a, int b) noexcept nogil
cdef Db* dbs_new(Keyspace* ks) noexcept nogil                                # a second, empty set of databases, to be filled and swapped in
cdef void dbs_swap(Keyspace* ks, Db* dbs) noexcept nogil                     # exchanges the contents with the live ones; O(databases)
cdef void dbs_free(Keyspace* ks, Db* dbs, bint lazy) noexcept nogil          # with all keys
cdef void key_changed(Keyspace* ks, Db* db, Slice key, EventClass event_class, const char* event) noexcept nogil   # dirty, WATCH, tracking, blocked clients, notification
cdef void key_event(Keyspace* ks, Db* db, Slice key, EventClass event_class, const char* event) noexcept nogil     # a further notification only
cdef void key_touched(Keyspace* ks, Db* db, Slice key) noexcept nogil        # WATCH, tracking, blocked clients only
