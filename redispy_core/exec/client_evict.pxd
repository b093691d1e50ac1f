# maxmemory-clients: the memory of all clients has a limit; beyond it the biggest are closed.
from libc.stdint cimport int64_t
from .client cimport Client, Clients

cdef void limit_clients(Clients* t, int64_t limit, int64_t maxmemory) noexcept nogil   # limit: maxmemory-clients, bytes or, below 0, a percentage of maxmemory; O(clients) when a limit begins
cdef void count_client(Clients* t, Client* c) noexcept nogil       # its memory may have changed; only while Clients.limit; O(blocks of its output)
cdef int64_t evict_clients(Clients* t) noexcept nogil              # how many are closed; O(1) unless the limit is exceeded, then O(clients)
