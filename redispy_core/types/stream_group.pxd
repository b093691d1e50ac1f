# Consumer groups of a stream: last delivered ID, pending entries (PEL) by ID, consumers by name. Knows nothing of entries.
from libc.stdint cimport int64_t, uint64_t
from ..base.mem cimport Mem
from ..base.rp cimport rp_load64be, rp_store64be
from ..base.sds cimport Slice
from ..structs.rax cimport Rax

cdef enum:
    ID_BYTES = 16                  # of an ID as a key: ms and seq, big-endian, so that memcmp orders IDs
    READ_UNKNOWN = -1              # Group.entries_read: cannot be told
    NEVER = -1                     # Consumer.active_ms: nothing was delivered yet

cdef struct StreamId:
    uint64_t ms
    uint64_t seq

cdef struct Consumer:              # owned by its group; the name is embedded
    Rax* pel                       # ID -> Nack of the group's PEL; NULL while nothing was ever pending
    int64_t seen_ms                # last attempt to read or claim
    int64_t active_ms              # last delivery or claim; NEVER
    size_t len
    char name[1]

cdef struct Nack:                  # an entry delivered and not acknowledged; owned by Group.pel
    int64_t delivered_ms
    uint64_t deliveries
    Consumer* consumer

cdef struct Group:
    StreamId last_id               # delivered last
    int64_t entries_read           # entries ever added up to last_id, or READ_UNKNOWN
    Rax* pel                       # ID -> Nack; owns them
    Rax* consumers                 # name -> Consumer; owns them
    size_t consumer_bytes          # of all consumers and their PELs
    Group* prev                    # the stream's other groups, kept by types/stream
    Group* next

# --- IDs
cdef inline int id_compare(StreamId a, StreamId b) noexcept nogil:
    if a.ms != b.ms:
        return -1 if a.ms < b.ms else 1
    return 0 if a.seq == b.seq else (-1 if a.seq < b.seq else 1)

cdef inline bint id_less(StreamId a, StreamId b) noexcept nogil:
    return a.ms < b.ms or (a.ms == b.ms and a.seq < b.seq)

cdef inline bint id_equal(StreamId a, StreamId b) noexcept nogil:
    return a.ms == b.ms and a.seq == b.seq

cdef inline bint id_is_zero(StreamId a) noexcept nogil:
    return a.ms == 0 and a.seq == 0

cdef inline bint id_is_max(StreamId a) noexcept nogil:
    return a.ms & a.seq == <uint64_t>-1

cdef inline StreamId id_make(uint64_t ms, uint64_t seq) noexcept nogil:
    cdef StreamId id
    id.ms = ms
    id.seq = seq
    return id

cdef inline bint id_up(StreamId* id) noexcept nogil:               # the next ID; False (unchanged): there is none
    if id_is_max(id[0]):
        return False
    id.seq += 1
    if id.seq == 0:
        id.ms += 1
    return True

cdef inline bint id_down(StreamId* id) noexcept nogil:             # the ID before; False (unchanged): there is none
    if id_is_zero(id[0]):
        return False
    if id.seq == 0:
        id.ms -= 1
    id.seq -= 1
    return True

cdef inline void id_to_key(char* key, StreamId id) noexcept nogil:  # ID_BYTES
    rp_store64be(key, id.ms)
    rp_store64be(key + 8, id.seq)

cdef inline StreamId id_of_key(const char* key) noexcept nogil:
    return id_make(rp_load64be(key), rp_load64be(key + 8))

# --- groups
cdef Group* group_new(Mem* m, StreamId last_id, int64_t entries_read) noexcept nogil
cdef void group_free(Mem* m, Group* g) noexcept nogil                                  # O(n), with consumers and PEL
cdef Group* group_dup(Mem* m, const Group* g) noexcept nogil                           # O(n)
cdef size_t group_memory(const Group* g) noexcept nogil                                # O(1)
cdef size_t group_effort(const Group* g) noexcept nogil                                # O(1); about how many blocks it has

# --- consumers
cdef Consumer* consumer_find(const Group* g, Slice name) noexcept nogil                # O(len); NULL: none
cdef Consumer* consumer_add(Mem* m, Group* g, Slice name, int64_t now_ms) noexcept nogil   # the name must be new
cdef uint64_t consumer_delete(Mem* m, Group* g, Consumer* c) noexcept nogil            # O(its pending); its pending entries go too, their number
cdef inline uint64_t consumer_pending(const Consumer* c) noexcept nogil:
    return c.pel.size if c.pel != NULL else 0

# --- pending entries
cdef Nack* pel_find(const Group* g, StreamId id) noexcept nogil                        # O(1); NULL: not pending
cdef Nack* pel_deliver(Mem* m, Group* g, Consumer* c, StreamId id, int64_t now_ms) noexcept nogil
#   O(1); pending for c from now on, delivered once, whoever had it before
cdef Nack* pel_force(Mem* m, Group* g, Consumer* c, StreamId id, int64_t now_ms, uint64_t deliveries) noexcept nogil
#   O(1); for XCLAIM FORCE: id must not be pending
cdef void pel_move(Mem* m, Group* g, StreamId id, Nack* n, Consumer* c) noexcept nogil # O(1); now pending for c; times and count stay
cdef bint pel_remove(Mem* m, Group* g, StreamId id) noexcept nogil                     # O(1); False: was not pending

# --- loading: first the group's PEL, then the consumers'
cdef bint pel_load(Mem* m, Group* g, StreamId id, int64_t delivered_ms, uint64_t deliveries) noexcept nogil    # pending for nobody yet; False: is there already
cdef bint pel_adopt(Mem* m, Group* g, Consumer* c, StreamId id) noexcept nogil         # False: not loaded, or another's
cdef bint group_is_whole(Mem* m, const Group* g) noexcept nogil                        # O(consumers); has every pending entry its consumer?

cdef check_group(Mem* m, const Group* g)                                               # tests: all invariants, O(n); AssertionError
