# Streams: entries of fields and values by ascending ID, in a radix tree of listpacks laid out as Redis's, with consumer
# groups. n is the number of nodes (listpacks); within a node work is bounded by stream-node-max-bytes and -entries.
from libc.stdint cimport int64_t, uint8_t, uint64_t
from ..base.env cimport Knobs
from ..base.mem cimport Mem
from ..base.sds cimport Slice
from ..structs.listpack cimport LP_NUM_BUF
from ..structs.rax cimport Rax, RaxIter
from .object cimport Robj
from .stream_group cimport Group, StreamId

cdef enum:
    LAG_UNKNOWN = -0x7FFFFFFFFFFFFFFF      # a lag can be negative: ENTRIESREAD is the user's

cdef enum TrimBy:
    TRIM_NONE = 0
    TRIM_MAXLEN = 1
    TRIM_MINID = 2

cdef enum RefPolicy:               # what becomes of the pending entries of an entry that is deleted
    REF_KEEP = 0                   # they stay
    REF_DELETE = 1                 # they go, in all groups
    REF_ACKED = 2                  # the entry is only deleted once every group has acknowledged it

cdef enum AppendResult:
    APPENDED = 0
    APPEND_TOO_LARGE = 1
    APPEND_NO_MEMORY = 2

cdef struct Trim:
    TrimBy by
    bint approx                    # ~: whole nodes only
    int64_t maxlen
    StreamId minid
    int64_t limit                  # entries at most, where approx; 0: any number
    RefPolicy refs

cdef struct Stream:
    Rax* nodes                     # ID of the master entry -> listpack
    Rax* groups                    # name -> Group; NULL: there never was one
    Group* group_list              # all groups, in no order
    uint8_t* tail                  # last node's listpack; NULL: no node
    StreamId tail_id
    uint64_t length                # entries alive
    StreamId last_id               # given last, even if deleted
    StreamId first_id              # of the first entry alive; 0-0: none
    StreamId max_deleted           # highest deleted by XDEL and the like (not by trimming)
    uint64_t entries_added         # ever

cdef struct StreamIter:            # on the caller's stack; not to be copied; the stream must not change meanwhile
    Mem* m
    const Stream* s
    StreamId start
    StreamId end
    bint reverse
    bint seeking                   # `nodes` is in use
    uint8_t* lp                    # node; NULL: the end
    StreamId base                  # ID of its master entry
    uint8_t* master                # its first field
    int64_t master_fields
    uint8_t* p                     # forward: first element not yet read; reverse: lp-count to step from
    bint inside                    # forward: p is within an entry
    StreamId id                    # the entry stood at
    int64_t fields
    int64_t left                   # of them not yet given by stream_field
    bint same                      # names are the master entry's
    uint8_t* name
    uint8_t* value
    char[LP_NUM_BUF] name_text
    char[LP_NUM_BUF] value_text
    RaxIter nodes

# --- making
cdef Stream* stream_new(Mem* m) noexcept nogil
cdef void stream_free(Mem* m, Stream* s) noexcept nogil                                    # O(n)
cdef Stream* stream_dup(Mem* m, const Stream* s) noexcept nogil                            # O(n)
cdef Robj* stream_boxed(Mem* m, Slice key, Stream* s) noexcept nogil                       # takes s
cdef Stream* stream_of(const Robj* o) noexcept nogil

# --- entries
cdef bint stream_next_id(const Stream* s, int64_t now_ms, StreamId* id) noexcept nogil     # XADD's `*`; False: IDs are exhausted
cdef bint stream_next_seq(const Stream* s, uint64_t ms, StreamId* id) noexcept nogil       # XADD's `ms-*`; False: none above the last ID
cdef AppendResult stream_append(Mem* m, const Knobs* k, Stream* s, StreamId id, const Slice* pairs, int64_t fields) noexcept nogil
#   O(1) amortised; pairs: name and value of each field; id must be above last_id; unless APPENDED nothing was done
cdef bint stream_has(Mem* m, const Stream* s, StreamId id) noexcept nogil                  # O(log n)
cdef bint stream_delete(Mem* m, Stream* s, StreamId id) noexcept nogil                     # O(log n); False: no such entry; notes max_deleted
cdef int64_t stream_trim(Mem* m, Stream* s, const Trim* t) noexcept nogil                  # O(deleted); entries deleted
cdef bint stream_last(Mem* m, const Stream* s, StreamId* id) noexcept nogil                # ID of the last entry alive; False: empty

# --- reading, both ends included. Either way start is the lower ID.
cdef void stream_iter(StreamIter* it, Mem* m, const Stream* s, StreamId start, StreamId end, bint reverse) noexcept nogil   # O(log n)
cdef bint stream_step(StreamIter* it) noexcept nogil                                       # to the next entry (id, fields); O(1) amortised; False: the end
cdef void stream_field(StreamIter* it, Slice* name, Slice* value) noexcept nogil           # `fields` times an entry; borrowed until the next call
cdef void stream_iter_done(StreamIter* it) noexcept nogil

# --- groups
cdef Group* stream_group(const Stream* s, Slice name) noexcept nogil                       # O(len); NULL: none
cdef Group* stream_group_add(Mem* m, Stream* s, Slice name, StreamId last_id, int64_t entries_read) noexcept nogil    # NULL: there is one
cdef bint stream_group_delete(Mem* m, Stream* s, Slice name) noexcept nogil                # O(its entries); False: none
cdef bint stream_referenced(const Stream* s, StreamId id) noexcept nogil                   # O(groups); pending somewhere, or not yet delivered to a group
cdef bint stream_release(Mem* m, Stream* s, StreamId id) noexcept nogil                    # O(groups); out of all PELs; False: was in none
cdef int64_t stream_entries_until(const Stream* s, StreamId id) noexcept nogil             # O(1); entries ever added up to id, or READ_UNKNOWN
cdef int64_t stream_lag(const Stream* s, const Group* g) noexcept nogil                    # O(1); entries that the group has not read, or LAG_UNKNOWN
cdef void stream_count_read(const Stream* s, Group* g, StreamId id) noexcept nogil         # O(1); the group is given this entry: last_id, entries_read

# --- loading
cdef bint stream_node_valid(const void* blob, size_t n, bint deep) noexcept nogil          # O(1), deep: O(elements)
cdef bint stream_node_ids(const uint8_t* lp, StreamId base, StreamId* first, StreamId* last, uint64_t* live) noexcept nogil
#   O(elements) of a valid node under that ID: its first and last entry (deleted or not), how many are alive; False: it has none, or IDs do not ascend
cdef void stream_load_node(Mem* m, Stream* s, StreamId id, uint8_t* lp) noexcept nogil     # takes lp; IDs ascend; the counters are the caller's
cdef void stream_find_first(Mem* m, Stream* s) noexcept nogil                              # O(log n); sets first_id
