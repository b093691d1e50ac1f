# Clients that wait: on keys of a database, for a time, or for something that an upper room reports. A wait ends by the
# command being RUN AGAIN, by its time running out, or by force.
from libc.stdint cimport int64_t
from ..base.sds cimport Slice
from ..proto.errors cimport Err
from ..types.object cimport ObjType
from .client cimport Client, Ctx
from .dispatch cimport Exec

cdef enum WakeRule:                # bits: when else than at a value of the wanted type a client is woken
    WAKE_ON_LOSS = 1               # the key was deleted or has become another type (groups of streams)
    WAKE_ON_ANY = 2                # any change (modules)

ctypedef void (*timeout_fn)(Exec* x, Client* c) noexcept nogil     # writes the reply of a wait whose time ran out

# --- for commands
cdef bint can_block(Ctx* x) noexcept nogil                 # False in MULTI, scripts and calls in process: answer at once
cdef int block_on_keys(Ctx* x, ObjType type, const Slice* keys, int nkeys, int64_t deadline_ms, timeout_fn on_timeout,
                       int wake) noexcept nogil            # O(nkeys); writes nothing; arguments are copied; deadline 0: none; on_timeout NULL: null array; returns 0
cdef int block_for(Ctx* x, int64_t deadline_ms, timeout_fn on_timeout) noexcept nogil   # waits for wake_client or end_wait alone

# --- ending waits
cdef void wake_client(Exec* x, Client* c) noexcept nogil   # O(nkeys); outside of commands: runs its command again
cdef void end_wait(Exec* x, Client* c, bint failed) noexcept nogil     # O(nkeys); the caller has written the reply
cdef void end_by_timeout(Exec* x, Client* c) noexcept nogil
cdef void end_by_error(Exec* x, Client* c, Err e) noexcept nogil
cdef void end_all(Exec* x, Err e) noexcept nogil           # every waiting client (a primary becomes a replica)
cdef void forget_wait(Exec* x, Client* c) noexcept nogil   # before client_free: no reply

# --- changes beyond single keys (those come by exec/listening)
cdef void key_lost(Exec* x, int db, Slice key) noexcept nogil          # what the key's clients wait as is gone, the key is not (a group of a stream)
cdef void databases_swapped(Exec* x, int a, int b) noexcept nogil      # O(keys waited for in both)

# --- for the engine
cdef void after_turn(Exec* x) noexcept nogil               # before sleeping: serves what became ready outside of commands, goes on with kept input
cdef int64_t first_deadline(Exec* x) noexcept nogil        # O(1); wall clock in ms, or -1
cdef void expire_waits(Exec* x) noexcept nogil             # ends the waits whose time (env.now_ms) is over
cdef void waiting_free(Exec* x) noexcept nogil
cdef void waiting_figures(Exec* x, int64_t* clients, int64_t* keys, int64_t* nokey) noexcept nogil   # blocked_clients, total_blocking_keys, total_blocking_keys_on_nokey
