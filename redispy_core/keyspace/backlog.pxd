# The replicas' stream in blocks: once in memory, read by all replicas, its last repl-backlog-size bytes kept for those
# that come back. Positions count the bytes of the stream from its beginning.
from libc.stdint cimport int64_t
from ..base.mem cimport Mem

cdef enum:
    BACKLOG_BLOCK = 16384          # bytes of a block, header included
    BACKLOG_TRIM = 2048            # blocks that one call frees at most

cdef struct BacklogBlock:
    BacklogBlock* next
    int64_t begin                  # position of its first byte
    int64_t memory_before          # of all blocks made before it
    int readers                    # cursors that stand in it
    size_t cap
    size_t used
    char data[1]

cdef struct Cursor:                # where a reader stands; it keeps the blocks from there on
    BacklogBlock* block            # NULL: nowhere
    size_t pos

cdef struct Backlog:
    Mem* mem
    BacklogBlock* first            # NULL: closed
    BacklogBlock* last
    int64_t begin                  # position of the oldest byte
    int64_t end                    # ... behind the newest
    size_t size                    # bytes of history to keep
    size_t memory                  # of all blocks
    int64_t memory_made            # of all blocks that ever were

cdef void backlog_init(Backlog* b, Mem* m) noexcept nogil
cdef void backlog_open(Backlog* b, int64_t at, size_t size) noexcept nogil             # an empty history that begins at a position
cdef void backlog_close(Backlog* b) noexcept nogil                                     # frees all; no cursor stands in it
cdef void backlog_append_far(Backlog* b, const char* p, size_t n) noexcept nogil
cdef void backlog_resize(Backlog* b, size_t size) noexcept nogil                       # what is too much goes with time
cdef bint backlog_trim(Backlog* b) noexcept nogil                                      # frees up to BACKLOG_TRIM blocks; True: more could go

cdef bint cursor_place(Backlog* b, Cursor* c, int64_t at) noexcept nogil               # O(blocks); False: those bytes are not there
cdef void cursor_release(Backlog* b, Cursor* c) noexcept nogil                         # stands nowhere from now on
cdef void cursor_advance(Cursor* c, size_t n) noexcept nogil                           # n bytes are read; O(blocks passed)

cdef inline bint backlog_is_open(const Backlog* b) noexcept nogil:
    return b.first != NULL

cdef inline int64_t cursor_at(const Cursor* c) noexcept nogil:                         # the position
    return c.block.begin + <int64_t>c.pos

cdef inline size_t cursor_left(const Backlog* b, const Cursor* c) noexcept nogil:      # bytes still to read
    return <size_t>(b.end - cursor_at(c)) if c.block != NULL else 0

cdef inline size_t cursor_memory(const Backlog* b, const Cursor* c) noexcept nogil:    # of the blocks that it keeps
    return <size_t>(b.memory_made - c.block.memory_before) if c.block != NULL else 0
