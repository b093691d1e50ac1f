# The keyspace as RDB bytes, a value as a DUMP payload. Layouts: rdb_format.
from libc.stdint cimport int64_t, uint64_t
from ..base.sds cimport Slice
from ..keyspace.db cimport Keyspace
from ..types.object cimport Robj
from .sink cimport Sink

cdef enum:
    RDB_LOWEST = 0                     # version: the lowest that loses nothing of the value (rdb_dump) or keyspace

ctypedef void (*rdb_part_fn)(void* ctx, Sink* s) noexcept nogil

cdef struct RdbOptions:
    int version                        # 10, 11, 12 or RDB_LOWEST
    bint compress
    bint checksum
    bint aof_base                      # the beginning of an append-only file
    bint lru                           # idle times go along
    bint lfu                           # access counters go along
    int64_t now_ms
    int64_t used_memory
    Slice server_version               # of the field redis-ver
    Slice repl_id                      # 40 digits; len 0: there is no replication
    int64_t repl_offset
    int64_t repl_db                    # database last selected in the replication stream
    Slice eof_mark                     # RDB_EOF_MARK_BYTES: sent before and after, for a reader who is not told the size; len 0: none
    void* ctx                          # of the functions below; each may be NULL
    rdb_part_fn aux_before             # what upper rooms save before the keys, functions among it ...
    rdb_part_fn functions
    rdb_part_fn aux_after              # ... and behind them
    bint (*module_value)(void* ctx, Sink* s, const Robj* o) noexcept nogil     # writes RDB_MODULE_2's data; False: can't

cdef void rdb_options(RdbOptions* opt, const Keyspace* ks) noexcept nogil                  # as the settings ask
cdef int rdb_save_all(Keyspace* ks, Sink* s, const RdbOptions* opt) noexcept nogil         # O(n); 0 or errno; ENOTSUP: the version can't carry it
cdef int rdb_type_of(const Robj* o, int version) noexcept nogil                            # RDB_*; -1: the version can't carry it
cdef int rdb_lowest_version(const Robj* o) noexcept nogil                                  # O(1)
cdef bint rdb_save_value(Sink* s, const Robj* o, const RdbOptions* opt, int version) noexcept nogil    # what stands behind type and key; False: can't
cdef bint rdb_dump(Sink* s, const Robj* o, const RdbOptions* opt) noexcept nogil           # DUMP payload; False: can't

# --- for the hooks
cdef void rdb_put_len(Sink* s, uint64_t n) noexcept nogil
cdef void rdb_put_string(Sink* s, const char* p, size_t n, bint compress) noexcept nogil
cdef void rdb_put_aux(Sink* s, const char* name, const char* value, size_t n) noexcept nogil   # O(n); name ends with NUL
cdef void rdb_put_footer(Sink* s, int version) noexcept nogil                              # DUMP's; s sums
