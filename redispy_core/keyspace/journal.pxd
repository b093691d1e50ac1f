# THE propagation point: what a unit of execution changed leaves here, as the commands that repeat it, for the
# append-only file and for replicas. Nothing is recorded while nobody listens.
from libc.stdint cimport int64_t
from ..base.mem cimport Mem
from ..base.sds cimport Sds, Slice

cdef enum JournalTarget:
    TO_AOF = 1
    TO_REPLICAS = 2
    TO_ALL = 3

cdef struct JournalOp:
    size_t at                       # where it begins in the unit's bytes
    int targets

cdef struct Journal:
    Mem* mem
    int targets                     # who listens; 0: nobody
    int allowed                     # whom the running unit may reach: a script chooses (redis.set_repl), a primary's stream is forwarded as it is
    int db                          # selected in the stream; -1: the next op begins with SELECT
    Sds* unit                       # ops of the unit that runs, as RESP
    JournalOp* ops
    int nops
    int cap
    bint apart                      # the unit's ops have nothing to do with each other: not between MULTI and EXEC
    bint muted                      # the op that is being written reaches nobody
    bint said                       # the running command has told how it leaves: not as it came
    int force                       # targets that get the running command though it changed nothing
    int64_t calls                   # commands recorded so far: who runs others does not leave beside them
    Sds* aof                        # to be written to the file
    bint timestamps                 # aof-timestamp-enabled
    int64_t aof_second              # of the last timestamp in the file
    int64_t offset                  # bytes of the replicas' stream so far
    void (*feed)(void* ctx, const char* p, size_t n) noexcept nogil     # takes the replicas' stream
    void* feed_ctx

cdef void journal_init(Journal* j, Mem* m) noexcept nogil
cdef void journal_free(Journal* j) noexcept nogil

# --- what commands say. A command that says nothing leaves as it came, if it changed anything.
cdef inline bint journaling(const Journal* j) noexcept nogil:
    return j.targets != 0

cdef void journal_begin(Journal* j, int db, int argc) noexcept nogil          # leaves as this instead: argc arguments follow; may be said several times
cdef void journal_arg(Journal* j, Slice s) noexcept nogil
cdef void journal_arg_i64(Journal* j, int64_t v) noexcept nogil
cdef void journal_text(Journal* j, const char* s) noexcept nogil              # a word with a zero at its end
cdef void journal_as(Journal* j, int db, const Slice* argv, int argc) noexcept nogil   # journal_begin with all arguments
cdef void journal_key(Journal* j, int db, const char* verb, Slice key) noexcept nogil  # journal_begin of: verb key

cdef void journal_key_n(Journal* j, int db, const char* verb, Slice key, int64_t n) noexcept nogil   # verb key n

cdef inline void journal_silent(Journal* j) noexcept nogil:                   # does not leave at all
    j.said = True

cdef inline void journal_force(Journal* j, int targets) noexcept nogil:       # leaves as it came though it changed nothing
    j.force |= targets

# --- for exec
cdef void journal_add(Journal* j, int db, const Slice* argv, int argc, int targets) noexcept nogil   # records a command
cdef void journal_flush(Journal* j, int64_t now_ms) noexcept nogil            # the unit ends: its ops go to whom they concern
cdef void journal_to_replicas(Journal* j, const char* p, size_t n) noexcept nogil   # bytes that concern the stream alone (PING, a primary's own)
