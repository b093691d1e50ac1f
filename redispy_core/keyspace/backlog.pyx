"""The replication backlog (contract: backlog.pxd). Room keyspace; fed by the journal, read by exec/replicas.

    first -> block -> block -> block = last        readers: 0      2      1
             ^ begin                  ^ end                        ^ a cursor: (block, pos)

A block is freed when it is the first, no cursor stands in it, and the history is long enough without it. So a slow
replica keeps what it has not read, and all replicas together cost what the slowest of them keeps. A block is a
sixteenth of the history at most: a small backlog does not become much longer than it was asked to be.

Invariants: first.begin == begin; every block but the last is full to `used`; block.next.begin == block.begin +
block.used; memory == the sum of what the blocks take.
"""
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset
from ..base.mem cimport Mem, mem_alloc, mem_destroy, mem_free, mem_init, mem_usable

cdef enum:
    LEAST_BLOCK = 1024


cdef void backlog_init(Backlog* b, Mem* m) noexcept nogil:
    memset(b, 0, sizeof(Backlog))
    b.mem = m


cdef void add_block(Backlog* b) noexcept nogil:
    cdef size_t header = sizeof(BacklogBlock)
    cdef size_t bytes = b.size // 16
    cdef BacklogBlock* block
    bytes = LEAST_BLOCK if bytes < LEAST_BLOCK else BACKLOG_BLOCK if bytes > BACKLOG_BLOCK else bytes
    block = <BacklogBlock*>mem_alloc(b.mem, bytes)
    block.next = NULL
    block.begin = b.end
    block.memory_before = b.memory_made
    block.readers = 0
    block.cap = bytes - header
    block.used = 0
    b.memory += mem_usable(block)
    b.memory_made += mem_usable(block)
    if b.last != NULL:
        b.last.next = block
    else:
        b.first = block
    b.last = block


cdef void drop_first(Backlog* b) noexcept nogil:
    cdef BacklogBlock* block = b.first
    b.first = block.next
    if b.first == NULL:
        b.last = NULL
    b.begin += block.used
    b.memory -= mem_usable(block)
    mem_free(b.mem, block)


cdef void backlog_open(Backlog* b, int64_t at, size_t size) noexcept nogil:
    b.begin = b.end = at
    b.size = size
    add_block(b)


cdef void backlog_close(Backlog* b) noexcept nogil:
    while b.first != NULL:
        drop_first(b)


cdef bint backlog_trim(Backlog* b) noexcept nogil:
    cdef int left = BACKLOG_TRIM
    while b.first != b.last and b.first.readers == 0 and <size_t>(b.end - b.begin) - b.first.used >= b.size:
        if left == 0:
            return True
        left -= 1
        drop_first(b)
    return False


cdef void backlog_append_far(Backlog* b, const char* p, size_t n) noexcept nogil:
    cdef size_t room
    while n:
        room = b.last.cap - b.last.used
        if room == 0:
            add_block(b)
            backlog_trim(b)
            continue
        room = room if room < n else n
        memcpy(b.last.data + b.last.used, p, room)
        b.last.used += room
        b.end += room
        p += room
        n -= room


cdef void backlog_resize(Backlog* b, size_t size) noexcept nogil:
    b.size = size
    if b.first != NULL:
        backlog_trim(b)


# ---------------------------------------------------------------- cursors

cdef bint cursor_place(Backlog* b, Cursor* c, int64_t at) noexcept nogil:
    cdef BacklogBlock* block = b.first
    if block == NULL or at < b.begin or at > b.end:
        return False
    if at == b.end:
        block = b.last
    while block.begin + <int64_t>block.used < at:
        block = block.next
    block.readers += 1
    c.block = block
    c.pos = <size_t>(at - block.begin)
    return True


cdef void cursor_release(Backlog* b, Cursor* c) noexcept nogil:
    if c.block == NULL:
        return
    c.block.readers -= 1
    c.block = NULL
    backlog_trim(b)


cdef void cursor_advance(Cursor* c, size_t n) noexcept nogil:
    cdef BacklogBlock* block = c.block
    c.pos += n
    while c.pos >= block.used and block.next != NULL:
        c.pos -= block.used
        block = block.next
    if block != c.block:
        c.block.readers -= 1
        block.readers += 1
        c.block = block


# ---------------------------------------------------------------- for tests

cdef class BacklogFace:
    """A backlog with numbered cursors."""
    cdef Mem mem
    cdef Backlog b
    cdef Cursor[8] cursors

    def __cinit__(self):
        mem_init(&self.mem)
        backlog_init(&self.b, &self.mem)
        memset(self.cursors, 0, sizeof(self.cursors))

    def __dealloc__(self):
        for i in range(8):
            cursor_release(&self.b, &self.cursors[i])
        backlog_close(&self.b)
        mem_destroy(&self.mem)

    def begin(self, int64_t at, size_t size):
        """An empty history of at most `size` bytes (more while cursors keep them), its first byte at position `at`."""
        backlog_open(&self.b, at, size)

    def append(self, bytes data):
        """Adds to the stream."""
        backlog_append_far(&self.b, data, len(data))

    def resize(self, size_t size):
        """repl-backlog-size."""
        backlog_resize(&self.b, size)

    def place(self, int i, int64_t at):
        """Cursor i stands at a position from now on; False: that is not in the history."""
        cursor_release(&self.b, &self.cursors[i])
        return cursor_place(&self.b, &self.cursors[i], at)

    def release(self, int i):
        """Cursor i stands nowhere."""
        cursor_release(&self.b, &self.cursors[i])

    def read(self, int i, size_t n):
        """Up to n bytes at cursor i, which moves on."""
        cdef Cursor* c = &self.cursors[i]
        parts = []
        while n and cursor_left(&self.b, c):
            cursor_advance(c, 0)
            take = min(n, c.block.used - c.pos)
            parts.append((<char*>c.block.data + c.pos)[:take])
            cursor_advance(c, take)
            n -= take
        return b"".join(parts)

    def figures(self):
        """(first position, end, memory, bytes of memory that each cursor keeps)."""
        return self.b.begin, self.b.end, self.b.memory, [cursor_memory(&self.b, &self.cursors[i]) for i in range(8)]

    def check(self):
        """All invariants. O(blocks)."""
        cdef BacklogBlock* block = self.b.first
        cdef size_t memory = 0
        cdef int64_t at = self.b.begin
        standing = [<size_t>self.cursors[i].block for i in range(8)]
        while block != NULL:
            assert block.begin == at
            assert block.used <= block.cap
            assert block.used == block.cap or block == self.b.last
            assert block.readers == standing.count(<size_t>block)
            assert block.memory_before == self.b.memory_made - <int64_t>(self.b.memory - memory)
            memory += mem_usable(block)
            at += block.used
            block = block.next
        assert memory == self.b.memory
        assert self.b.first == NULL or at == self.b.end
