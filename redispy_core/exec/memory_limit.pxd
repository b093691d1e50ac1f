# maxmemory as commands and the loop feel it: eviction before writes, OOM errors, and what is freed on the other thread.
from .client cimport Ctx
from .dispatch cimport Exec

cdef void memory_limit_init(Exec* x) noexcept nogil
cdef void memory_limit_set(Exec* x) noexcept nogil                  # maxmemory or its policy has changed
cdef bint memory_exceeded(Exec* x) noexcept nogil                   # evicts if that is due; True: refuse what may use more memory (also for scripts, before they begin)
cdef bint memory_step(Exec* x) noexcept nogil                       # once a loop turn; True: more to do at once
cdef void memory_limit_free(Exec* x) noexcept nogil
cdef int flush_databases(Ctx* x, int db, bint lazy) noexcept nogil  # FLUSHDB, FLUSHALL (db -1): empties and answers, perhaps when the other thread is done
