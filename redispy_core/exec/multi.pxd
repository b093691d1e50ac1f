# Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH. What a client has queued, and the keys that clients watch.
from libc.stdint cimport int64_t
from ..base.sds cimport Slice
from .client cimport Client
from .dispatch cimport Exec
from .registry cimport Command

cdef struct Queued:                # a command in MULTI: one block, its arguments' bytes behind argv
    Command* cmd
    int argc
    Slice argv[1]

cdef const Queued* queued_at(const Client* c, int i) noexcept nogil          # O(1); i < c.queued; lives until EXEC or DISCARD
cdef bint in_exec(const Exec* x, const Client* c) noexcept nogil             # EXEC runs the client's queue
cdef void discard_transaction(Exec* x, Client* c) noexcept nogil             # O(queued + watched): neither in MULTI nor watching
cdef void watched_databases_swap(Exec* x, int a, int b) noexcept nogil       # before the swap; O(keys watched in both)

# --- for the engine
cdef void multi_init(Exec* x) noexcept nogil
cdef void multi_free(Exec* x) noexcept nogil                                 # after all clients are gone
cdef void watching_figures(const Exec* x, int64_t* clients, int64_t* keys) noexcept nogil   # watching_clients, total_watched_keys
