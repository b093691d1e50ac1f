"""Housekeeping of clients (contract: clients_cron.pxd). Room exec; the engine's cron calls it `hz` times a second.

A client's own query buffer is kept between requests, since who once sent half a request will do so again. It is freed
after two idle seconds, and shrunk to what was lately needed when it is much larger than that; room made for a long
argument that is on its way stays until the client falls idle.
"""
from libc.stdint cimport int64_t
from ..base.mem cimport mem_free, mem_realloc
from ..proto.parser cimport parser_rebase
from ..proto.reply cimport out_bytes, out_empty
from .client cimport (CL_BLOCKED, CL_FAKE, CL_MONITOR, CL_PAUSED, CL_PRIMARY, CL_PUBSUB, CL_REPLICA, Client, client_close,
                      client_reset_query)
from .client_evict cimport count_client
from .dispatch cimport Exec
from .io cimport over_output_limit

cdef enum:
    LEAST = 16                  # clients a call, however few there are
    IDLE_MS = 2000              # after which an unused query buffer goes
    SHRINK_FROM = 32768         # larger ones are shrunk while the client is active
    SHRINK_TO = 256             # at least


cdef bint idle_too_long(Exec* x, Client* c) noexcept nogil:
    cdef int64_t limit = x.env.knobs.timeout * 1000
    return limit != 0 and x.env.now_ms - c.active_ms > limit and not c.flags & (CL_BLOCKED | CL_PAUSED | CL_PUBSUB |
                                                                                CL_REPLICA | CL_PRIMARY | CL_MONITOR)


cdef void fit_query_buffer(Exec* x, Client* c) noexcept nogil:
    cdef size_t want = c.q_peak if c.q_peak > SHRINK_TO else SHRINK_TO
    cdef char* old = c.q.data
    cdef bint idle = x.env.now_ms - c.active_ms > IDLE_MS
    if c.q.cap == 0:
        return
    if c.q.len == 0 and idle and not c.held:
        client_reset_query(x.mem, c)
    elif c.q.cap > SHRINK_FROM and c.q.cap > 2 * want and (idle or c.parser.bulk <= <int64_t>want):
        want = want if want > c.q.len else c.q.len
        c.q.data = <char*>mem_realloc(x.mem, old, want)
        c.q.cap = want
        parser_rebase(&c.parser, old, c.q.data)
    c.q_peak = c.q.len


cdef void clients_cron(Exec* x) noexcept nogil:
    cdef size_t n = x.clients.count // x.env.knobs.hz
    cdef Client* c
    n = n if n > LEAST else LEAST
    if n > x.clients.count:
        n = x.clients.count
    while n:
        n -= 1
        if x.clients.cron_next == NULL:
            x.clients.cron_next = x.clients.first
        c = x.clients.cron_next
        x.clients.cron_next = c.next
        if c.flags & CL_FAKE:
            continue
        fit_query_buffer(x, c)
        if x.clients.limit:
            count_client(&x.clients, c)
        if idle_too_long(x, c) or (not out_empty(&c.out) and over_output_limit(x, c)):
            client_close(&x.clients, c)
