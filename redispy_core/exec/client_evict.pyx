"""maxmemory-clients (contract: client_evict.pxd). Room exec; counted where clients are served, evicted by the engine.

Without a limit nothing is counted. With one, a client is counted after its input was run, after its output was sent or
could not be, and by clients_cron. Those that may not be evicted count for nothing: links of replication, and clients
that said CLIENT NO-EVICT. The biggest go first, a class of sizes (powers of two) at a time, in the order in which they
came within a class.
"""
from libc.stdint cimport int64_t
from libc.string cimport memset
from ..base.rp cimport likely
from .client cimport (CL_CLOSE_ASAP, CL_FAKE, CL_MONITOR, CL_NO_EVICT, CL_PRIMARY, CL_REPLICA, Client, Clients,
                      client_close, client_memory)

cdef extern from *:
    int clz "__builtin_clzll"(unsigned long long) nogil

cdef enum:
    CLASSES = 64


cdef bint may_go(const Client* c) noexcept nogil:
    if c.flags & (CL_FAKE | CL_NO_EVICT | CL_PRIMARY | CL_CLOSE_ASAP):
        return False
    return not c.flags & CL_REPLICA or c.flags & CL_MONITOR


cdef void count_client(Clients* t, Client* c) noexcept nogil:
    cdef size_t now = client_memory(c) if may_go(c) else 0
    t.memory += now - c.counted
    c.counted = now


cdef void count_all(Clients* t) noexcept nogil:
    cdef Client* c = t.first
    while c != NULL:
        count_client(t, c)
        c = c.next


cdef void limit_clients(Clients* t, int64_t limit, int64_t maxmemory) noexcept nogil:
    cdef int64_t bytes = limit
    cdef bint had = t.limit != 0
    if limit < 0:
        bytes = maxmemory // 100 * -limit + maxmemory % 100 * -limit // 100
    t.limit = bytes
    if bytes and not had:
        count_all(t)


cdef int64_t evict_clients(Clients* t) noexcept nogil:
    cdef size_t[CLASSES] held
    cdef Client* c
    cdef int64_t gone = 0
    cdef int i
    if likely(t.limit == 0 or t.memory <= t.limit):
        return 0
    count_all(t)
    memset(held, 0, sizeof(held))
    c = t.first
    while c != NULL:
        if c.counted:
            held[CLASSES - 1 - clz(c.counted)] += c.counted
        c = c.next
    for i in range(CLASSES - 1, -1, -1):
        c = t.first if held[i] else NULL
        while c != NULL and t.memory > t.limit:
            if c.counted and CLASSES - 1 - clz(c.counted) == i:
                client_close(t, c)
                count_client(t, c)
                gone += 1
            c = c.next
    return gone
