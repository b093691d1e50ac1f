# Active expiry: removes keys whose time has come though nobody asks for them, within a budget.
from libc.stdint cimport int64_t
from .db cimport Keyspace

cdef enum CycleKind:
    CYCLE_SLOW = 0             # from cron, up to 25 % of the CPU (more with active-expire-effort)
    CYCLE_FAST = 1             # before sleeping, 1 ms at most, only when the slow one did not finish

cdef struct ExpireState:
    int next_db
    bint timed_out             # the last cycle ran into its budget
    int64_t last_fast_us
    double stale_perc          # running estimate of expired keys that still take memory

cdef void expire_init(ExpireState* s) noexcept nogil
cdef void expire_cycle(ExpireState* s, Keyspace* ks, CycleKind kind) noexcept nogil
cdef int64_t expire_all(Keyspace* ks) noexcept nogil                   # removes all expired keys; how many. O(keys with expiry)
