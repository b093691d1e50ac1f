# Replies: RESP2 and RESP3 writers into a client's output, a chain of blocks. No Python object a reply.
from libc.stdint cimport int64_t, uint32_t
from ..base.mem cimport Mem
from ..base.sds cimport Slice
from .errors cimport Err

cdef enum:
    BLOCK_SIZE = 16384         # bytes of an ordinary block, header included
    POOL_MAX = 64              # free blocks kept by an engine

cdef struct Block:
    Block* next
    size_t cap                 # bytes of data
    size_t used                # valid once the block is closed; the open one is counted by Out.pos
    char data[1]

cdef struct BlockPool:         # free ordinary blocks, most recently used first
    Block* free
    int count

cdef struct Out:
    char* pos                  # next byte to write; NULL: no block
    char* end
    Block* first
    Block* last
    size_t sent                # bytes of the first block that the socket has taken
    size_t closed_bytes        # bytes in all blocks but the last, less `sent` of dropped ones
    int blocks
    int resp                   # 2 or 3
    size_t limit               # bytes beyond which no more is kept; 0: none
    bint full                  # the limit was exceeded: what is written since is lost, the client is to be closed
    int64_t errors             # error replies written
    Mem* m
    BlockPool* pool
    void (*on_error)(void* ctx, const char* text, size_t n) noexcept nogil   # statistics; may be NULL
    void* ctx

cdef struct OutMark:           # a place to roll back to
    Block* last
    size_t used

cdef struct Deferred:          # a length to be filled in later
    Block* block
    size_t at

cdef char* out_grow(Out* o, size_t n) noexcept nogil                    # a new block with room for n

cdef inline char* out_room(Out* o, size_t n) noexcept nogil:            # n contiguous bytes; the writer advances o.pos
    if o.pos != NULL and <size_t>(o.end - o.pos) >= n:
        return o.pos
    return out_grow(o, n)

cdef char* out_room_small(Out* o, size_t n) noexcept nogil              # out_room; an empty output gets a block little larger than n

cdef inline bint out_empty(const Out* o) noexcept nogil:
    return o.first == NULL

cdef inline size_t out_written(const Out* o) noexcept nogil:            # grows by what is written until out_sent; O(1)
    return o.closed_bytes + <size_t>(o.pos - o.last.data) if o.last != NULL else o.closed_bytes

cdef void out_init(Out* o, Mem* m, BlockPool* pool, int resp) noexcept nogil
cdef void out_clear(Out* o) noexcept nogil                              # drops all output, blocks go to the pool
cdef size_t out_bytes(const Out* o) noexcept nogil                      # bytes not yet sent; O(1)
cdef size_t out_memory(const Out* o) noexcept nogil                     # bytes of all blocks
cdef OutMark out_mark(Out* o) noexcept nogil
cdef void out_rollback(Out* o, OutMark mark) noexcept nogil             # forgets what was written since
cdef void out_sent(Out* o, size_t n) noexcept nogil                     # the socket took n bytes
cdef void out_splice(Out* o, Out* tail) noexcept nogil                  # moves tail's output behind o's
cdef void pool_clear(Mem* m, BlockPool* pool) noexcept nogil

cdef int reply_raw(Out* o, const char* s, size_t n) noexcept nogil      # bytes that are RESP already
cdef int reply_ok(Out* o) noexcept nogil
cdef int reply_status(Out* o, const char* s) noexcept nogil             # +s
cdef int reply_status_n(Out* o, const char* s, size_t n) noexcept nogil
cdef int reply_int(Out* o, int64_t v) noexcept nogil
cdef int reply_bool(Out* o, bint v) noexcept nogil                      # RESP2: :1 / :0
cdef int reply_bulk(Out* o, const char* s, size_t n) noexcept nogil
cdef int reply_bulk_text(Out* o, const char* s) noexcept nogil
cdef int reply_bulk_i64(Out* o, int64_t v) noexcept nogil
cdef int reply_bulk_double(Out* o, double v) noexcept nogil
cdef int reply_double(Out* o, double v) noexcept nogil                  # RESP2: bulk
cdef int reply_bignum(Out* o, const char* s, size_t n) noexcept nogil   # RESP2: bulk
cdef int reply_verbatim(Out* o, const char* s, size_t n, const char* ext) noexcept nogil   # RESP2: bulk
cdef int reply_null(Out* o) noexcept nogil                              # $-1 or _
cdef int reply_null_array(Out* o) noexcept nogil                        # *-1 or _
cdef int reply_array(Out* o, int64_t n) noexcept nogil                  # header; n elements follow
cdef int reply_map(Out* o, int64_t pairs) noexcept nogil                # RESP2: array of 2n
cdef int reply_set(Out* o, int64_t n) noexcept nogil                    # RESP2: array
cdef int reply_push(Out* o, int64_t n) noexcept nogil                   # RESP2: array
cdef int reply_attribute(Out* o, int64_t pairs) noexcept nogil          # RESP3 only
cdef Deferred reply_later(Out* o) noexcept nogil                        # header whose length comes when known
cdef void reply_length(Out* o, Deferred d, char kind, int64_t n) noexcept nogil   # kind '*', '%' or '~' (n pairs for '%'); RESP2 downgrades
cdef int reply_error(Out* o, Err e) noexcept nogil
cdef int reply_errorf(Out* o, Err e, Slice a, Slice b) noexcept nogil   # %s places filled in turn; line breaks become spaces
cdef int reply_error_text(Out* o, const char* s, size_t n) noexcept nogil   # text with its code, without "-"
cdef int reply_object(Out* o, object value) except -1                   # a Python reply (proto/replies.py); needs the GIL
