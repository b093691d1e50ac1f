# Running commands: gates, call, unit nesting. Exec is the engine's room of execution, put together by engine.pyx.
from libc.stdint cimport int64_t, uint32_t, uint64_t
from ..base.env cimport Env
from ..base.mem cimport Mem
from ..base.sds cimport Sds, Slice
from ..keyspace.db cimport Keyspace
from ..keyspace.evict cimport EvictState
from ..keyspace.expire cimport ExpireState
from ..proto.reply cimport BlockPool, OutMark
from .client cimport CL_PUBSUB, CL_REPLICA, Client, Clients, Ctx, Gate
from .registry cimport Command, Registry, command_fn
from .stats cimport Stats

cdef enum:
    GATES = 15
    RESET_FNS = 8
    PAUSE_PURPOSES = 3
    LISTENERS = 4
    ROOMS = 8
    SCRIPT_MAY_WRITE = 1 << 30      # among what a script_gates_fn answers

cdef struct PauseState:             # what exec/pause holds back, by purpose
    int64_t until_ms[PAUSE_PURPOSES]
    uint32_t actions[PAUSE_PURPOSES]
    uint32_t all_actions            # of all purposes together
    bint wake                       # a pause ended or was relaxed: clients that were held back can go on

cdef struct OutputLimit:            # client-output-buffer-limit of one class; 0: none
    size_t hard
    size_t soft
    int64_t soft_ms

cdef enum LimitClass:
    LIMIT_NORMAL = 0
    LIMIT_REPLICA = 1
    LIMIT_PUBSUB = 2

cdef enum:
    AHEAD = 16                      # requests of a pipeline that are parsed ahead
    AHEAD_ARGS = 16                 # of at most so many arguments each

cdef struct Ahead:                  # a request parsed ahead of its turn
    Command* cmd
    uint64_t hash                   # of its first key, if it has one
    size_t end                      # where the next request begins
    int argc
    bint has_key
    Slice argv[AHEAD_ARGS]

ctypedef bint (*gate_fn)(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc) noexcept nogil   # True: refused (and answered) or queued

ctypedef uint32_t (*script_gates_fn)(Exec* x, Command* cmd, const Slice* argv, int argc) noexcept nogil   # Gate bits that the script of an EVAL asks for

ctypedef bint (*allow_fn)(const Client* c, const Command* cmd, const Slice* argv, int argc) noexcept nogil
ctypedef void (*client_fn)(Exec* x, Client* c) noexcept nogil

cdef struct DebugState:             # what DEBUG switches
    int allowed                     # enable-debug-command: 0 no, 1 yes, 2 for local connections
    bint cron_paused
    bint scripts_deny_off           # SET-DISABLE-DENY-SCRIPTS
    bint skip_checksum              # SET-SKIP-CHECKSUM-VALIDATION: RESTORE and loading believe the payload
    size_t packed_threshold         # QUICKLIST-PACKED-THRESHOLD; 0: the ordinary one
    int64_t peak_reset_ms           # REPLYBUFFER PEAK-RESET-TIME; -1: never
    bint no_reply_resize
ctypedef void (*changed_fn)(Exec* x, int db, Slice key) noexcept nogil       # after a key's change or deletion
ctypedef void (*flushed_fn)(Exec* x, int db) noexcept nogil                  # a database was emptied; -1: all

cdef struct Listening:              # by Listener (exec/listening)
    changed_fn changed[LISTENERS]
    flushed_fn flushed[LISTENERS]
    uint32_t active                 # bits

cdef struct RunningScript:          # the script or function that runs (room script fills it, through ext)
    bint running
    bint busy                       # over its time: the loop is served, others hear BUSY
    bint killed                     # to be ended as soon as it can be
    bint wrote                      # has run a write command: no longer killable
    bint function                   # FCALL's, not EVAL's

cdef struct ScriptFigures:          # for INFO
    const size_t* vm_used[2]        # memory of the Lua states: EVAL's, functions'; NULL: there is none
    size_t cache_bytes[2]           # of cached scripts, of functions
    int64_t scripts                 # cached
    int64_t functions
    int64_t libraries
    int64_t evicted

cdef struct Room:                   # what an upper room keeps for this engine
    void* state
    void (*free_state)(Exec* x, void* state) noexcept nogil

cdef struct Exec:
    Mem* mem
    Env* env
    Keyspace* ks
    Clients clients
    BlockPool pool
    Stats stats
    ExpireState expire
    EvictState evict
    void* registry                  # Registry (borrowed)
    void* engine                    # Engine (borrowed), for Python bodies
    int (*run_python)(Ctx* x, Command* cmd) noexcept nogil
    gate_fn gate_fns[GATES]         # by bit number of Gate; NULL: that state never refuses
    uint32_t gates                  # Gate bits that the server's state raises
    Client* current                 # whose command runs
    int depth                       # nesting of call: EXEC, scripts
    bint login_needed               # a client has to log in before it may do anything (exec/acl)
    OutputLimit limits[3]
    Ahead* ahead                    # AHEAD of them
    uint64_t tick                   # rp_ticks at the end of the pipeline's last command; 0: outside a pipeline
    uint64_t turn_began             # rp_ticks when this turn's work began; 0: not yet
    char* io_buffer                 # shared by all reads
    bint paused_reads
    void (*after_unit)(Exec* x) noexcept nogil      # serves keys that became ready (exec/blocked); NULL while there are none
    void (*monitor)(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc) noexcept nogil   # MONITOR's feed; NULL while nobody looks
    void (*slow)(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc, int64_t ns, int64_t reply_bytes) noexcept nogil   # a command reached one of the next three
    int64_t slow_ns                 # threshold; INT64_MAX: never
    size_t large_request            # threshold of bytes read at once, which bounds a request's; SIZE_MAX: never
    int64_t large_reply             # threshold of a reply's bytes; INT64_MAX: never
    size_t batch                    # bytes of the input that is being run
    PauseState pause
    DebugState debug
    Sds* modules[2]                 # HELLO's list of modules, written for RESP2 and RESP3; NULL: none
    client_fn admit                 # a new connection, or one after RESET: its user (exec/acl)
    allow_fn acl_allows             # whether G_ACL's gate would let a request pass; changes nothing
    void* acl                       # users (exec/acl)
    void* acl_log                   # exec/acl_log; NULL before the first entry
    client_fn on_reset[RESET_FNS]   # RESET: what each room forgets of a client
    int resets
    Listening listening             # who hears of changed keys (exec/listening)
    void* waiting                   # clients that wait, and the keys they wait for (exec/blocked); NULL before the first
    Sds* late                       # messages to it that wait for the end of its command (exec/push); NULL: none
    Client* caller                  # whose request runs, while depth > 0: the outermost `current`
    const Command* command          # that request, for a crash report
    const Slice* argv
    int argc
    client_fn tls_read              # what exec/io does for plain clients, for those with CL_TLS (exec/tls_link)
    client_fn tls_write
    client_fn tls_end               # the client goes: says goodbye to its peer, frees the link
    command_fn exec_body            # EXEC: the gates of the commands that it is to run are asked for it, too
    void (*exec_refused)(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc, Slice text) noexcept nogil   # EXEC was refused with this reply: discards and answers
    void* pubsub                    # channels and patterns with subscribers (exec/pubsub)
    void* monitors                  # clients that monitor (exec/monitor)
    void* slowlog                   # exec/slowlog
    void* latency                   # exec/latency; NULL before the first event
    void (*all_flushed)(Exec* x) noexcept nogil     # FLUSHALL has run
    Sds* misconf                    # why writes are refused, when not for the usual reason (exec/states)
    void* watching                  # keys that clients watch (exec/multi); NULL before the first
    void* tracking                  # client-side caching (exec/tracking)
    void (*remember_reads)(Exec* x, Command* cmd, const Slice* argv, int argc) noexcept nogil    # a command that reads was run for a caller with CL_TRACKING
    void* flushes                   # clients whose FLUSHALL waits for the freeing thread (exec/memory_limit), oldest first
    RunningScript script
    ScriptFigures scripts
    bint (*turn)(Exec* x) noexcept nogil             # serves the loop once while a script is busy; True: end the script; NULL: no loop
    void* reading                   # input that has been taken from sockets and waits to be run (exec/io)
    Client* read_again              # clients that are being read again, after the one whose turn it is
    Room rooms[ROOMS]

cdef inline LimitClass limit_class(const Client* c) noexcept nogil:
    if c.flags & CL_REPLICA:
        return LIMIT_REPLICA
    return LIMIT_PUBSUB if c.flags & CL_PUBSUB else LIMIT_NORMAL

cdef void exec_init(Exec* x, Mem* m, Env* env, Keyspace* ks, Registry r) noexcept
cdef void exec_free(Exec* x) noexcept nogil
cdef void exec_on_reset(Exec* x, client_fn fn) noexcept nogil                                    # fn also runs for clients that have nothing to forget
cdef Client* exec_client(Exec* x, int fd, uint64_t flags, int db) noexcept nogil                 # a new client, its errors counted; a connection belongs to the default user
cdef void run_command(Exec* x, Client* c, Slice* argv, int argc) noexcept nogil                  # lookup, gates, call
cdef void run_known(Exec* x, Client* c, Command* cmd, Slice* argv, int argc) noexcept nogil      # gates, call; for a command that was looked up before
cdef uint32_t gates_of(Exec* x, Command* cmd, const Slice* argv, int argc) noexcept nogil        # the gates that can refuse it: for EVAL its script decides
cdef bint may_write(Exec* x, Command* cmd, const Slice* argv, int argc) noexcept nogil             # it, or the script that it runs
cdef void set_script_gates(script_gates_fn fn) noexcept                                            # at import, by room script
cdef void call(Exec* x, Client* c, Command* cmd, Slice* argv, int argc) noexcept nogil           # the body, with statistics
cdef size_t run_buffer(Exec* x, Client* c, char* buf, size_t len) noexcept nogil                 # parses and runs all complete requests; bytes consumed
cdef void feed_input(Exec* x, Client* c, char* buf, size_t len) noexcept nogil                   # bytes from outside, rest kept
cdef void resume_input(Exec* x, Client* c) noexcept nogil                                        # a client that was blocked or paused goes on with its kept input
cdef void refuse(Exec* x, Client* c, Command* cmd) noexcept nogil                                # book-keeping of a refusal (cmd may be NULL)
cdef void release_client(Exec* x, Client* c) noexcept nogil                                         # every room forgets it, then it is freed
cdef void mute_reply(Client* c, OutMark mark) noexcept nogil                                      # CLIENT REPLY OFF and SKIP: forgets what was written since mark
