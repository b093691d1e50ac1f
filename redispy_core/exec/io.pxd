# Plain sockets: one call a loop turn reads, runs and answers for all that are ready. File descriptors only; accept,
# close and policy stay in the server.
from .client cimport Client
from .dispatch cimport Exec

cdef enum:
    IO_BATCH = 16              # clients that io_read_many takes at once
    BUFFER_SIZE = 262144       # the buffer that all reads share
    READ_SIZE = 65536          # the most that one read takes of it
    WRITE_TURN = 1 << 20       # bytes sent to one client a turn, so that a big reader starves nobody

cdef void io_run_rest(Exec* x) noexcept nogil                        # inside a busy script: what the turn around it has read and not run yet
cdef void io_read_many(Exec* x, Client** ready, int n) noexcept nogil   # io_read for n <= IO_BATCH clients; their keys are fetched together
cdef void io_read_again(Exec* x) noexcept nogil             # clients whose last read filled its buffer
cdef void io_read_later(Exec* x, Client* c) noexcept nogil  # io_read_again will read it, whatever the poller says
cdef void io_read(Exec* x, Client* c) noexcept nogil        # recv into the client's parser and run; marks CL_CLOSE_ASAP at the end of the stream
cdef void io_write(Exec* x, Client* c) noexcept nogil       # sends pending output; CL_WANT_WRITE when the socket is full
cdef void io_write_now(Exec* x, Client* c) noexcept nogil   # io_write, even of the client whose command runs: it has written no reply
cdef char* io_shared_buffer(Exec* x) noexcept nogil         # BUFFER_SIZE bytes, free between reads
cdef void io_feed(Exec* x, Client* c, char* buf, size_t n) noexcept nogil   # counts and runs n > 0 bytes of input, which may stand in the shared buffer
cdef void io_want_write(Exec* x, Client* c) noexcept nogil  # not all could be sent: goes on when the socket is writable
cdef void io_write_again(Exec* x, Client* c) noexcept nogil # enough for this turn, though the socket has room
cdef void io_all_sent(Exec* x, Client* c) noexcept nogil
cdef void io_flush(Exec* x) noexcept nogil                  # io_write for all clients with new output
cdef bint over_output_limit(Exec* x, Client* c) noexcept nogil   # client-output-buffer-limit: True = to be closed
