# A value out of RDB bytes, in the encoding that the settings ask for.
from libc.stdint cimport int64_t, uint64_t
from ..base.env cimport Env
from ..base.mem cimport Mem
from ..base.sds cimport Slice
from ..types.object cimport Robj
from .rdb_source cimport RdbSource, RdbText

cdef enum:
    RDB_VERSION_VALKEY = 80        # of Valkey 9, whose type 22 is another than Redis's

cdef enum RdbValueType:
    RDB_VALKEY_HASH_TTL = 22       # <len n>, n times <string field> <string value> <i64 when_ms, -1: none>

cdef struct RdbReader:
    RdbSource src
    Mem* m
    Env* env                       # its knobs choose encodings
    int version                    # of the file or payload
    bint deep                      # sanitize-dump-payload: equal members in packed blobs are looked for, too
    bint empty                     # no value and no fault: it has no elements
    uint64_t module                # whose data was met: its id; 0: none
    RdbText a                      # scratch
    RdbText b

cdef void reader_init(RdbReader* r, Mem* m, Env* env) noexcept nogil               # src is opened by the caller
cdef void reader_free(RdbReader* r) noexcept nogil                                 # closes src
cdef Robj* rdb_read_value(RdbReader* r, int type, Slice key, int64_t when_ms) noexcept nogil
#   O(bytes); the key's block with its value; NULL: r.src.fault, or r.empty. key's bytes must not lie in the source's window
cdef bint rdb_skip_module(RdbSource* s) noexcept nogil                             # tagged items up to and with their end
cdef void rdb_module_name(char* name9, uint64_t id) noexcept nogil                 # the 9 characters that a module's id stands for
