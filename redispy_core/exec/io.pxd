# Plain sockets: one call a loop turn reads, runs and answers for all that are ready. File descriptors only; accept,
# close and policy stay in the server.
from .client cimport Client
from .dispatch cimport Exec

cdef void io_read(Exec* x, Client* c) noexcept nogil        # recv into the client's parser and run; marks CL_CLOSE_ASAP at the end of the stream
cdef void io_write(Exec* x, Client* c) noexcept nogil       # sends pending output; CL_WANT_WRITE when the socket is full
cdef void io_flush(Exec* x) noexcept nogil                  # io_write for all clients with new output
cdef bint over_output_limit(Exec* x, Client* c) noexcept nogil   # client-output-buffer-limit: True = to be closed
