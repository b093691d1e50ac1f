# Client-side caching: which clients may hold which keys in a cache of their own, and telling them when those change.
from libc.stdint cimport int64_t, uint32_t, uint64_t
from ..base.sds cimport Slice
from .client cimport Client
from .dispatch cimport Exec

cdef enum TrackMode:               # how a client tracks; 0 while it does not
    TRACK_ON = 1 << 0
    TRACK_BCAST = 1 << 1           # told of every changed key with one of its prefixes
    TRACK_OPTIN = 1 << 2           # only keys read right after CLIENT CACHING YES
    TRACK_OPTOUT = 1 << 3          # all keys but those read right after CLIENT CACHING NO
    TRACK_NOLOOP = 1 << 4          # not told of its own changes
    TRACK_BROKEN = 1 << 5          # the client that it redirects to is gone

cdef struct TrackingFigures:
    int64_t clients                # that track now
    int64_t keys                   # remembered
    int64_t items                  # keys times the clients that have read them
    int64_t prefixes

cdef int tracking_mode(const Client* c) noexcept nogil                    # bits of TrackMode
cdef void tracking_start(Exec* x, Client* c, int modes, uint64_t redirect) noexcept nogil   # or changes modes; redirect 0: to itself
cdef void tracking_stop(Exec* x, Client* c) noexcept nogil                # O(its prefixes); the keys that it has read stay remembered
cdef void tracking_join(Exec* x, Client* c, Slice prefix) noexcept nogil  # a prefix of BCAST; again: no effect; O(prefixes)
cdef uint32_t tracking_prefix_count(const Client* c) noexcept nogil
cdef Slice tracking_prefix(const Client* c, uint32_t i) noexcept nogil    # in their order
cdef Slice tracking_overlap(const Client* c, Slice text) noexcept nogil   # a prefix of the client's that begins with text, or the other way round; ptr NULL: none; O(log prefixes)
cdef TrackingFigures tracking_figures(const Exec* x) noexcept nogil       # O(1)
cdef void tracking_broadcast(Exec* x) noexcept nogil                      # before the loop sleeps: what BCAST gathered; O(1) if nothing
cdef void tracking_limit(Exec* x, int keys) noexcept nogil                # forgets up to so many keys more than tracking-table-max-keys allows, telling their readers
cdef void tracking_cron(Exec* x, int64_t budget_us) noexcept nogil        # the limit; forgets clients that are gone; frees what FLUSHALL left

cdef const char* tracking_fault(Exec* x) noexcept nogil                   # tests: which invariant is broken; NULL: none; O(all)

# --- for the engine
cdef void tracking_init(Exec* x) noexcept nogil
cdef void tracking_free(Exec* x) noexcept nogil                           # after all clients are gone
