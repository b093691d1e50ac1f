# Loading RDB files: magic, opcodes, keys into databases, checksum.
from libc.stdint cimport int64_t, uint64_t
from ..base.mem cimport Mem
from ..base.sds cimport Slice
from ..keyspace.db cimport Db, Keyspace
from ..types.object cimport Robj
from .rdb_source cimport RdbText
from .rdb_value cimport RdbReader

cdef enum:
    RDB_WAITING = 16               # keys read ahead of their insertion: their places in the table are on the way

cdef enum RdbLoadFlag:
    RDB_KEEP_EXPIRED = 1           # replicas, AOF bases: expired keys are kept
    RDB_REPLACE = 2                # a key that is there already is replaced; else it is an error
    RDB_NO_CHECKSUM = 4
    RDB_DEEP = 8                   # sanitize-dump-payload yes

cdef enum RdbOutcome:              # why a load ended; the first are RdbFault's
    RDB_DONE = 0
    RDB_WRONG_MAGIC = 16
    RDB_WRONG_VERSION = 17
    RDB_WRONG_SUM = 18

cdef struct RdbWaiting:
    Robj* o
    uint64_t hash

cdef struct RdbHooks:              # what the owner hears; each may be NULL. They run without the GIL
    void* ctx
    bint (*progress)(void* ctx, uint64_t offset, uint64_t keys) noexcept nogil       # False: stop
    bint (*aux)(void* ctx, Slice name, Slice value) noexcept nogil
    bint (*function)(void* ctx, Slice code) noexcept nogil
    void (*skipped)(void* ctx, Slice key) noexcept nogil                             # a key without elements

cdef struct RdbLoad:
    RdbReader r                    # r.src is opened by the caller
    Keyspace* ks
    Db* dbs                        # ks.dbs, or a set to be swapped in
    Db* db
    int flags
    RdbHooks hooks
    uint64_t interval              # bytes between two calls of progress
    uint64_t next_progress
    const int64_t* delay_us        # key-load-delay, read anew for each key; NULL: none
    int64_t now_ms                 # expiry is judged by it
    RdbText key
    RdbWaiting waiting[RDB_WAITING]
    int waits
    int64_t when_ms                # of the next key
    int64_t idle_s                 # -1: not given
    int freq                       # likewise
    uint64_t keys                  # inserted
    uint64_t expired               # dropped
    uint64_t empty
    uint64_t want_sum              # RDB_WRONG_SUM: what the file says, and what it is
    uint64_t have_sum

cdef void rdb_load_init(RdbLoad* l, Keyspace* ks) noexcept nogil
cdef int rdb_load(RdbLoad* l) noexcept nogil                           # O(bytes); 0, an RdbFault or an RdbOutcome. What was inserted until then stays
cdef void rdb_load_free(RdbLoad* l) noexcept nogil                     # closes the source
cdef void rdb_set_age(Keyspace* ks, Robj* o, int64_t idle_s, int freq) noexcept nogil    # LRU or LFU of a loaded key, as maxmemory-policy asks; < 0: as a new one
cdef object rdb_load_python(Keyspace* ks, Db* dbs, object source, const int64_t* delay_us, dict options)
#   needs the GIL; source: a descriptor or a callable read(n) -> bytes; Engine.load_rdb tells of options and result
