# Clients whose bytes are encrypted: what exec/io does for plain ones, through an object of Python's ssl module.
from .client cimport Client
from .dispatch cimport Exec

cdef void tls_init(Exec* x) noexcept nogil                               # fills Exec.tls_*
cdef int tls_attach(Exec* x, Client* c, object ssl, object incoming, object outgoing) except -1   # c (CL_TLS) owns them; the handshake is done
