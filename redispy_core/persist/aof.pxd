# The keyspace as the commands that make it: the base of an append-only file in command form.
from libc.stdint cimport int64_t
from ..keyspace.db cimport Keyspace
from ..types.object cimport Robj
from .rdb_save cimport rdb_part_fn
from .sink cimport Sink

cdef enum:
    AOF_ITEMS = 64                     # most elements that one command carries

cdef struct AofOptions:
    int64_t now_ms
    bint timestamp                     # begin with a line "#TS:<seconds>"
    void* ctx                          # of the functions below; each may be NULL
    rdb_part_fn functions              # writes the commands that load the function libraries
    bint (*module_value)(void* ctx, Sink* s, const Robj* o) noexcept nogil     # writes the value's commands; False: can't

cdef int aof_rewrite_all(Keyspace* ks, Sink* s, const AofOptions* opt) noexcept nogil      # O(n); 0 or errno; ENOTSUP: a value has no commands
cdef bint aof_rewrite_value(Keyspace* ks, Sink* s, Robj* o, const AofOptions* opt) noexcept nogil   # with its expiry; False: can't

# --- for the hooks
cdef void aof_put_array(Sink* s, int64_t n) noexcept nogil
cdef void aof_put_bulk(Sink* s, const char* p, size_t n) noexcept nogil
