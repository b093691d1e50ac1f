# Eviction: removes keys while more memory is used than maxmemory allows, as maxmemory-policy says.
from libc.stdint cimport int64_t, uint64_t
from ..types.object cimport Robj
from .db cimport Keyspace

cdef enum:
    EVICT_POOL = 16

cdef enum EvictResult:
    EVICT_OK = 0               # within the limit, or eviction is not ours to do now
    EVICT_RUNNING = 1          # over it; the time of one call (maxmemory-eviction-tenacity) is used up: call again
    EVICT_FAIL = 2             # over it, and there is nothing to evict

cdef struct Candidate:
    uint64_t rank              # how much it deserves to go, as the policy counts
    uint64_t hash
    Robj* o                    # not to be read before dict_holds says that it is still there
    int db

cdef struct EvictState:
    Candidate pool[EVICT_POOL]     # lowest rank first
    int n
    int next_db                # the databases take turns
    bint running               # the last call ended with EVICT_RUNNING
    bint failed                # ... EVICT_FAIL
    int64_t over_since_us      # since when the limit is exceeded; 0: it is not
    int64_t over_us            # total of the times before
    int64_t promised           # bytes that the freeing thread will free of evicted values
    int64_t deletion_us        # the longest deletion of the last call, while latency is monitored
    int64_t tenacity           # the setting that slice_us was computed for
    int64_t slice_us

cdef void evict_init(EvictState* s) noexcept nogil
cdef size_t evict_not_counted(const Keyspace* ks) noexcept nogil                  # used memory that maxmemory does not limit: buffers of replicas and of the append-only file; O(1)
cdef size_t evict_excess(const Keyspace* ks) noexcept nogil                       # bytes over the limit; O(1)
cdef EvictResult evict(EvictState* s, Keyspace* ks) noexcept nogil                # samples and removes until the limit is kept or the time is over
cdef void evict_forget(EvictState* s) noexcept nogil                              # the policy changed: the candidates' ranks mean nothing any more
cdef int64_t evict_over_us(const EvictState* s, Keyspace* ks) noexcept nogil      # for how long the limit has been exceeded now; 0: it is not
