# Out-of-band messages: what a client gets without having asked (pub/sub, keyspace notifications, invalidations).
from ..base.sds cimport Slice
from .client cimport Client
from .dispatch cimport Exec

# head and tail together are one message in RESP2 form; a RESP3 client gets it as a push. O(bytes). A message to the
# client whose command runs comes behind that command's reply. CLIENT REPLY OFF does not hold messages back.
cdef void push_message(Exec* x, Client* c, Slice head, Slice tail) noexcept nogil
cdef void push_line(Exec* x, Client* c, Slice line) noexcept nogil # the same bytes in either protocol (MONITOR)
cdef bint is_muted(const Exec* x, const Client* c) noexcept nogil  # the reply that its command writes now will be dropped
