# A client: connection state, buffers, database, protocol. And Ctx, all that a command is given.
from libc.stdint cimport int64_t, uint32_t, uint64_t
from ..base.env cimport Env
from ..base.mem cimport Mem
from ..base.sds cimport Sds, Slice
from ..keyspace.db cimport Db, Keyspace
from ..proto.parser cimport Parser
from ..proto.reply cimport BlockPool, Out

cdef enum ClientFlag:
    CL_FAKE = 1 << 0               # no connection: Engine.call, AOF loading
    CL_UNIX = 1 << 1               # unix socket
    CL_TLS = 1 << 2                # bytes go through Client.tls (exec/tls_link)
    CL_CLOSE_AFTER_REPLY = 1 << 3
    CL_CLOSE_ASAP = 1 << 4         # to be closed at the end of this turn
    CL_PENDING_WRITE = 1 << 5      # stands in the list of clients with output
    CL_WANT_WRITE = 1 << 6         # the socket was full: the server waits for it to become writable
    CL_REPLY_OFF = 1 << 7
    CL_REPLY_SKIP = 1 << 8         # this command's reply is dropped
    CL_REPLY_SKIP_NEXT = 1 << 9    # the next one's
    CL_NO_EVICT = 1 << 10
    CL_NO_TOUCH = 1 << 11
    CL_BLOCKED = 1 << 12           # waits: parsing pauses
    CL_MULTI = 1 << 13
    CL_DIRTY_EXEC = 1 << 14        # a queued command was refused
    CL_DIRTY_CAS = 1 << 15         # a watched key changed
    CL_PUBSUB = 1 << 16
    CL_MONITOR = 1 << 17
    CL_REPLICA = 1 << 18
    CL_PRIMARY = 1 << 19
    CL_TRACKING = 1 << 20
    CL_PAUSED = 1 << 21            # CLIENT PAUSE holds its command back
    CL_PUSHING = 1 << 22           # messages to it wait for the end of its own command (exec/push)
    CL_ATTENTION = 1 << 23         # stands in the list of clients that the server must look at
    CL_READ_AGAIN = 1 << 27        # its socket has more to read: an edge-triggered poller will not say so again
    CL_WRITE_WATCHED = 1 << 24     # the server's selector watches for writability
    CL_PEER_CLOSED = 1 << 28       # the peer sends no more: read until its end is reached
    CL_RERUN = 1 << 25             # a command that waited runs again
    CL_RESUME = 1 << 26            # stands in the list of clients whose kept input is to be run
    CL_CACHING = 1 << 29           # CLIENT CACHING was said: it counts for the next command
    CL_SCRIPT = 1 << 30            # runs the commands of scripts (with CL_FAKE)

cdef enum Gate:                    # states that may refuse a command; checked in this order
    G_NOAUTH = 1 << 0
    G_NO_MULTI = 1 << 1
    G_ACL = 1 << 2
    G_ROUTE = 1 << 3
    G_OOM = 1 << 4
    G_MISCONF = 1 << 5
    G_NOREPLICAS = 1 << 6
    G_READONLY = 1 << 7
    G_SUBSCRIBED = 1 << 8
    G_MASTERDOWN = 1 << 9
    G_LOADING = 1 << 10
    G_BUSY = 1 << 11
    G_REPLICA_CLIENT = 1 << 12
    G_PAUSED = 1 << 13
    G_QUEUE = 1 << 14              # MULTI: queue instead of running

cdef struct QueryBuffer:           # what of a request has come already, when it is not complete
    char* data
    size_t len
    size_t pos
    size_t cap

cdef struct Client:
    int fd                         # -1: none
    uint64_t id
    uint64_t flags                 # ClientFlag
    uint32_t gates                 # Gate bits that this client's own state raises
    Db* db
    bint authenticated
    Parser parser
    QueryBuffer q
    Out out
    Sds* name
    Sds* lib_name
    Sds* lib_ver
    Sds* user
    const char* last_command       # full name of the command run last, or NULL
    size_t last_command_len
    int64_t created_ms
    int64_t active_ms              # last interaction
    int64_t soft_limit_since_ms    # when the output first exceeded the soft limit; 0: it does not
    int64_t net_in
    int64_t net_out
    int64_t commands
    int64_t repl_offset
    int64_t blocked_ns             # time spent so far on the command that waits
    size_t argv_bytes              # bytes of the current command's arguments
    size_t q_peak                  # the most its own query buffer held since clients_cron saw it last
    bint held                      # parser.argv is a request that waits to be run (again): its bytes are kept
    int channels                   # subscriptions (kept by exec/pubsub)
    int patterns
    int shard_channels
    int queued                     # commands queued in MULTI, and what they are (kept by exec/multi)
    uint64_t queued_flags          # CMD_* of all of them
    uint32_t queued_gates          # Gate bits that concern them: EXEC is refused where one of them would be
    size_t multi_bytes
    int watched                    # keys watched
    int prefixes                   # of CLIENT TRACKING BCAST
    uint64_t redirect              # client that gets the invalidations; 0: itself (kept by exec/tracking)
    size_t counted                 # of its memory, what stands in Clients.memory
    Client* prev                   # list of all clients
    Client* next
    Client* next_pending           # list of clients with output
    Client* next_attention
    Client* next_again
    void* multi                    # queued commands and watched keys (exec/multi)
    void* blocked                  # what it waits for (exec/blocked)
    Client* next_resume            # list of clients that waited and go on with their input
    void* pubsub                   # subscriptions (exec/pubsub)
    void* tracking                 # client-side caching (exec/tracking)
    void* acl                      # user (exec/acl)
    void* tls                      # TlsLink of a CL_TLS client (exec/tls_link); owned

cdef struct Clients:               # all clients of an engine
    Client** by_fd
    int fd_cap
    Client** by_id                 # open addressing by the id's low bits; those that are not CL_FAKE
    size_t id_cap                  # a power of two
    Client* first
    Client* last
    size_t count
    size_t connected               # those that are not CL_FAKE
    uint64_t next_id
    Client* pending                # with output to send
    Client* cron_next              # who clients_cron looks at next
    Client* again                  # with CL_READ_AGAIN
    size_t memory                  # of the clients that may be evicted; kept while there is a limit (exec/client_evict)
    size_t limit                   # maxmemory-clients in bytes; 0: none
    Client* attention              # to be closed, or to be watched for writability (or no longer)
    Mem* mem
    BlockPool* pool

cdef struct Ctx:                   # all that a command is given
    Client* client
    Db* db
    Keyspace* ks
    Env* env
    Mem* mem
    Out* out
    Slice* argv
    int argc
    const char* name               # full name, lower case: "get", "client|list"
    size_t name_len
    void* exec                     # the engine room, for commands of the exec room alone

cdef void clients_init(Clients* t, Mem* m, BlockPool* pool) noexcept nogil
cdef void clients_free(Clients* t) noexcept nogil
cdef Client* client_new(Clients* t, int fd, uint64_t flags, Db* db, int64_t now_ms) noexcept nogil
cdef void client_free(Clients* t, Client* c) noexcept nogil
cdef Client* client_by_fd(Clients* t, int fd) noexcept nogil                     # NULL: none; O(1)
cdef Client* client_by_id(Clients* t, uint64_t id) noexcept nogil                # NULL: none, or CL_FAKE; O(1)
cdef void client_reset_query(Mem* m, Client* c) noexcept nogil                   # drops unread input
cdef void client_pending(Clients* t, Client* c) noexcept nogil                   # it has output: send it this turn; O(1)
cdef void client_attention(Clients* t, Client* c) noexcept nogil                 # the server must look at it before it sleeps; O(1)
cdef void client_close(Clients* t, Client* c) noexcept nogil                     # closed at the end of this turn
cdef size_t client_memory(const Client* c) noexcept nogil                       # all that it makes us keep; O(blocks of its output)
cdef void sds_assign(Mem* m, Sds** slot, Slice text) noexcept nogil              # empty text: NULL
