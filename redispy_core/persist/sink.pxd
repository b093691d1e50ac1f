# Where saved bytes go: a buffer that grows, or a buffer before files, pipes and sockets. Counts, sums (CRC-64) and
# syncs on the way. Errors stick: after the first, bytes are dropped and sink_end tells it.
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy
from ..base.mem cimport Mem

cdef enum:
    SINK_BUFFER = 256 << 10        # bytes gathered before they are written
    SINK_GROWING = 512             # first size of a growing buffer
    SINK_SYNC = 4 << 20            # what incremental fsync waits for
    SINK_SMALL = 64                # sink_room gives up to that many bytes

cdef struct SinkOut:               # a descriptor that all bytes go to
    int fd
    int error                      # errno of what ended it; 0: all is well

cdef struct Sink:                  # the caller owns it; sink_free frees the buffer
    Mem* mem
    uint8_t* buf
    size_t used
    size_t cap
    size_t summed                  # bytes at the front of buf that crc covers
    uint64_t crc                   # of all bytes up to there, if checksum
    bint checksum
    uint64_t flushed               # bytes that have left buf
    int error                      # errno of the first failure that ended the saving; 0: none
    SinkOut* outs                  # borrowed; NULL: buf grows
    int nouts
    int timeout_ms                 # how long a full pipe or socket may stay full
    size_t sync_bytes              # of a file: bring to disk after so many bytes; 0: never
    bint sync_end                  # of a file: fsync at the end
    int64_t file_start             # its offset at the beginning; -1: no file
    uint64_t synced                # bytes whose way to disk has begun
    uint64_t keys                  # keys begun, counted by who saves
    uint64_t next_report
    void (*progress)(void* ctx, Sink* s) noexcept nogil     # every PROGRESS_KEYS keys, or NULL
    void* progress_ctx
    int64_t key_delay_us           # wait after each key; negative: 1 us after so many keys. DEBUG and tests

cdef enum:
    PROGRESS_KEYS = 1024

# --- life
cdef bint sink_to_memory(Sink* s, Mem* m) noexcept nogil                              # False: no memory
cdef bint sink_to_fds(Sink* s, Mem* m, SinkOut* outs, int nouts) noexcept nogil       # borrows outs; False: no memory
cdef int sink_end(Sink* s) noexcept nogil                                             # writes what is left, syncs; 0 or errno
cdef void sink_free(Sink* s) noexcept nogil

# --- bytes
cdef void sink_flush(Sink* s) noexcept nogil                                          # to the descriptors
cdef uint8_t* sink_make_room(Sink* s) noexcept nogil
cdef uint8_t* sink_try_room(Sink* s, size_t n) noexcept nogil                         # n bytes in one piece to write to, then sink_took; NULL: not to be had
cdef void sink_put_far(Sink* s, const void* p, size_t n) noexcept nogil
cdef uint64_t sink_crc(Sink* s) noexcept nogil                                        # of all bytes so far
cdef void sink_fail(Sink* s, int error) noexcept nogil
cdef void sink_key_far(Sink* s) noexcept nogil

cdef inline uint8_t* sink_room(Sink* s, size_t n) noexcept nogil:                     # n <= SINK_SMALL bytes to write to, then sink_took; never NULL
    if s.cap - s.used >= n:
        return s.buf + s.used
    return sink_make_room(s)

cdef inline void sink_took(Sink* s, size_t n) noexcept nogil:
    s.used += n

cdef inline void sink_put(Sink* s, const void* p, size_t n) noexcept nogil:           # copies
    if s.cap - s.used >= n:
        memcpy(s.buf + s.used, p, n)
        s.used += n
    else:
        sink_put_far(s, p, n)

cdef inline uint64_t sink_bytes(const Sink* s) noexcept nogil:                        # written so far
    return s.flushed + s.used

cdef inline bint sink_key(Sink* s) noexcept nogil:                                    # a key begins; False: an error has ended it all
    s.keys += 1
    if s.keys >= s.next_report:
        sink_key_far(s)
    return s.error == 0
