# Clients that are replicas: the stream they are sent, what they have acknowledged, and WAIT for it. The stream stands in
# the backlog (keyspace/backlog), once for all of them. The server decides who becomes one, and how it is brought up.
from libc.stdint cimport int64_t, uint64_t
from ..keyspace.backlog cimport Backlog, Cursor
from ..persist.aof_out cimport AofOut
from .client cimport Client
from .dispatch cimport Exec

cdef struct ReplicaLink:           # Client.replica
    Cursor at                      # what it is to be sent next
    bint sending                   # the stream goes out
    int file_fd                    # a file that goes out before the stream; -1: none
    int64_t file_at
    int64_t file_size
    int64_t acked                  # position that it has applied
    int64_t synced                 # ... that its append-only file has on disk; -1: it has none
    int64_t acked_ms               # when it said so
    int64_t sent                   # bytes of the file and of the stream
    int port                       # REPLCONF listening-port

cdef struct AckWait:               # a client in WAIT or WAITAOF
    Client* client
    int64_t at                     # what it has written is in the stream up to here
    int64_t replicas
    int64_t local
    bint on_disk                   # WAITAOF

cdef struct Replicas:              # Exec.replicas
    Backlog backlog
    Client** links                 # all clients with CL_REPLICA
    int nlinks
    int links_cap
    bint ask                       # REPLCONF GETACK goes out before the loop sleeps
    int64_t flushed_end            # position up to which the replicas have been told that there is something
    AckWait* waits
    int nwaits
    int waits_cap
    int64_t sent                   # bytes of files and of the stream to all of them, ever
    int64_t received               # by a replica from its primary
    const AofOut* aof
    bint aof_counts                # what the append-only file has on disk may be acknowledged

cdef enum SendResult:
    SEND_DONE = 0                  # nothing is left
    SEND_FULL = 1                  # the socket is full
    SEND_TURN = 2                  # it is others' turn
    SEND_FAILED = 3

cdef inline Replicas* replicas_of(const Exec* x) noexcept nogil:
    return <Replicas*>x.replicas

cdef inline ReplicaLink* link_of(const Client* c) noexcept nogil:          # NULL: no replica
    return <ReplicaLink*>c.replica

cdef void replicas_init(Exec* x, const AofOut* aof) noexcept nogil
cdef void replicas_free(Exec* x) noexcept nogil                            # before the clients go

# --- the stream
cdef void stream_open(Exec* x, int64_t at) noexcept nogil                  # an empty backlog at a position; the journal feeds it
cdef void stream_close(Exec* x) noexcept nogil                             # ... no longer; no replica is attached

# --- one replica
cdef ReplicaLink* replica_link(Exec* x, Client* c) noexcept nogil          # the client's, made if it has none (it may still become no replica)
cdef void replica_begin(Exec* x, Client* c) noexcept nogil                 # it is one from now on (CL_REPLICA)
cdef bint replica_attach(Exec* x, Client* c, int64_t at) noexcept nogil    # gets the stream from a position, once `sending`; False: it is not there
cdef void replica_send(Exec* x, Client* c) noexcept nogil                  # the stream goes out from now on
cdef size_t replica_behind(const Exec* x, const Client* c) noexcept nogil  # memory of the stream that it has not read
cdef SendResult replica_write(Exec* x, Client* c) noexcept nogil           # sends file and stream as the socket takes them

cdef bint replica_copy(Exec* x, Client* c) noexcept nogil                  # moves a piece of them into an encrypted client's own output; True: more is left

# --- acknowledgements
cdef void replicas_step(Exec* x) noexcept nogil                            # before replies are sent: GETACK, replicas get what is new
cdef bint serve_waits(Exec* x) noexcept nogil                              # WAITs whose number is reached; True: some were
