# What the files of stream commands share: IDs as arguments and in replies, entries in replies, groups of a key.
from libc.stdint cimport int64_t, uint64_t
from ..base.sds cimport Slice
from ..exec.client cimport Ctx
from ..proto.reply cimport Out
from ..types.stream cimport RefPolicy, Stream, StreamIter
from ..types.stream_group cimport Group, StreamId
from ..types.object cimport Robj

cdef enum:
    ID_TEXT = 42                       # room for a printed ID

# --- IDs
cdef bint id_parse(Slice s, uint64_t seq, StreamId* id) noexcept nogil          # "ms-seq" or "ms" (then seq); False: neither
cdef bint ms_parse(Slice s, uint64_t* ms) noexcept nogil                        # one part of an ID
cdef bint id_or_reply(Ctx* x, Slice s, StreamId* id) noexcept nogil             # a missing seq is 0
cdef bint start_or_reply(Ctx* x, Slice s, StreamId* id) noexcept nogil          # lower end of a range: also -, + and (id
cdef bint end_or_reply(Ctx* x, Slice s, StreamId* id) noexcept nogil            # upper end of a range; a missing seq is the highest
cdef bint edge_or_reply(Ctx* x, Slice s, StreamId* id) noexcept nogil           # an ID, - or +
cdef bint ids_or_reply(Ctx* x, int first, int end) noexcept nogil               # are argv[first:end] IDs?
cdef int id_print(char* text, StreamId id) noexcept nogil                       # ID_TEXT; its length
cdef int reply_id(Out* o, StreamId id) noexcept nogil

# --- entries
cdef void reply_entry(Out* o, StreamIter* it) noexcept nogil                    # [id, [name, value, ...]] of the entry stood at
cdef int64_t reply_range(Ctx* x, const Stream* s, StreamId start, StreamId end, bint reverse, int64_t count) noexcept nogil
#   the entries as an array, count at most (0: all); their number

# --- keys and groups
cdef bint stream_or_reply(Ctx* x, Robj* o, Stream** s) noexcept nogil           # s NULL: o is NULL; False: another type (answered)
cdef bint write_stream_or_reply(Ctx* x, Stream** s) noexcept nogil              # the stream at argv[1] for a change
cdef bint ref_word(Slice s, RefPolicy* refs) noexcept nogil                     # KEEPREF, DELREF, ACKED
cdef void leave_consumer(Ctx* x, Slice key, Slice group, Slice consumer) noexcept nogil                # to the journal: XGROUP CREATECONSUMER
cdef void leave_position(Ctx* x, Slice key, Slice group, const Group* g) noexcept nogil                # XGROUP SETID ... ENTRIESREAD
cdef void leave_claim(Ctx* x, Slice key, Slice group, const Group* g, Slice consumer, StreamId id, int64_t when_ms, uint64_t deliveries) noexcept nogil   # XCLAIM of one entry
cdef void unwatched_change(Ctx* x, Slice key, const char* event) noexcept nogil # a change of groups: dirty and notification; event may be NULL
