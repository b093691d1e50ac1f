# Where RDB bytes come from: a window over a file descriptor, a callback or memory, with the running checksum. It reads
# the primitive encodings (<len>, <string>, numbers); no key, no value. A reader that returns False or NULL has set
# `fault`, which stays: all later reads fail too. Lengths are compared with what is left before anything is allocated.
from libc.stdint cimport int64_t, uint8_t, uint64_t
from ..base.mem cimport Mem
from ..base.rp cimport likely
from ..base.sds cimport Sds

cdef enum:
    RDB_WINDOW = 1 << 18           # bytes of the window: it stays in the processor's cache
    RDB_HELD = 3                   # texts that can be held at a time

cdef enum RdbMost:
    RDB_UNKNOWN_MOST = 0x4000000000   # 256 GB: bytes that are taken for possible where nobody knows how much will come

cdef enum RdbFault:
    RDB_FINE = 0
    RDB_SHORT = 1                  # the input ended too early
    RDB_BAD = 2                    # bytes that make no sense: `why`
    RDB_NO_MEMORY = 3
    RDB_READ = 4                   # reading failed: errno is in `error`
    RDB_STOPPED = 5                # the owner wanted no more

ctypedef int64_t (*rdb_fill_fn)(void* ctx, uint8_t* to, size_t n) noexcept nogil    # waits for 1..n bytes; 0: the end; < 0: a negative RdbFault

cdef struct RdbText:               # a string that was read; valid until the next read, held: until released
    const char* ptr
    size_t len
    char* own                      # its own bytes, where the window does not hold them
    size_t cap
    char[24] num                   # text of an integer

cdef enum RdbStringKind:
    RDB_PLAIN = 0
    RDB_INTEGER = 1
    RDB_COMPRESSED = 2

cdef struct RdbString:             # head of a <string>
    RdbStringKind kind
    size_t len                     # bytes of the text
    size_t packed                  # bytes of the LZF block
    int64_t v                      # integer

cdef struct RdbSource:
    const uint8_t* p               # next byte
    const uint8_t* end             # of the window
    Mem* m
    uint8_t* buf                   # the window; NULL: the input is in memory
    const uint8_t* summed          # the checksum covers all before
    uint64_t crc
    bint checked                   # is the checksum wanted?
    uint64_t come                  # bytes of the input up to `end`
    int64_t behind                 # bytes that will come behind `end`; -1: unknown
    rdb_fill_fn fill
    void* ctx
    RdbText* held[RDB_HELD]
    int holds
    RdbFault fault
    int error                      # errno of RDB_READ
    const char* why                # of RDB_BAD

cdef bint source_open(RdbSource* s, Mem* m, rdb_fill_fn fill, void* ctx, int64_t size) noexcept nogil   # size of all that fill will give, -1: unknown; False: no memory
cdef void source_memory(RdbSource* s, Mem* m, const void* bytes, size_t n) noexcept nogil               # borrowed; no checksum
cdef void source_close(RdbSource* s) noexcept nogil
cdef bint source_fail(RdbSource* s, const char* why) noexcept nogil                # RDB_BAD, if nothing failed before; returns False
cdef bint source_fault(RdbSource* s, RdbFault fault) noexcept nogil                # likewise
cdef bint source_more(RdbSource* s, size_t n) noexcept nogil                       # makes n <= RDB_WINDOW bytes contiguous at p
cdef uint64_t source_sum(RdbSource* s) noexcept nogil                              # checksum of all that was read; O(unsummed)

cdef inline uint64_t source_offset(const RdbSource* s) noexcept nogil:             # bytes read
    return s.come - <uint64_t>(s.end - s.p)

cdef inline uint64_t source_left(const RdbSource* s) noexcept nogil:               # bytes that can still be read; unknown: very many
    if s.behind < 0:
        return RDB_UNKNOWN_MOST
    return <uint64_t>(s.end - s.p) + <uint64_t>s.behind

cdef inline bint source_need(RdbSource* s, size_t n) noexcept nogil:               # n <= RDB_WINDOW
    return likely(<size_t>(s.end - s.p) >= n) or source_more(s, n)

cdef inline int source_byte(RdbSource* s) noexcept nogil:                          # -1: fault
    if not source_need(s, 1):
        return -1
    s.p += 1
    return (s.p - 1)[0]

cdef inline void source_hold(RdbSource* s, RdbText* t) noexcept nogil:             # t outlives the next reads
    s.held[s.holds] = t
    s.holds += 1

cdef inline void source_release(RdbSource* s) noexcept nogil:                      # the text held last
    s.holds -= 1

# --- primitives
cdef bint source_len_far(RdbSource* s, uint64_t* n) noexcept nogil
cdef inline bint source_len(RdbSource* s, uint64_t* n) noexcept nogil:             # a <len>
    if likely(s.p < s.end and s.p[0] < 64):
        n[0] = s.p[0]
        s.p += 1
        return True
    return source_len_far(s, n)

cdef bint source_count(RdbSource* s, size_t each, uint64_t* n) noexcept nogil      # a <len> of items of at least `each` bytes: refused if they can't be there
cdef bint source_i64(RdbSource* s, int64_t* v) noexcept nogil                      # 8 bytes LE
cdef bint source_double(RdbSource* s, double* v) noexcept nogil                    # 8 bytes LE
cdef bint source_text_double(RdbSource* s, double* v) noexcept nogil               # the form of old sorted sets; NaN is refused
cdef bint source_bytes(RdbSource* s, void* to, size_t n) noexcept nogil
cdef bint source_skip(RdbSource* s, uint64_t n) noexcept nogil

# --- strings: by head and body, or whole
cdef bint source_string(RdbSource* s, RdbString* h) noexcept nogil                 # the head; a body of h.len bytes can be there
cdef bint source_body(RdbSource* s, const RdbString* h, void* to) noexcept nogil   # h.len bytes
cdef bint source_body_text(RdbSource* s, const RdbString* h, RdbText* t) noexcept nogil
cdef bint source_text(RdbSource* s, RdbText* t) noexcept nogil                     # O(1) but for compressed and very long ones
cdef bint source_text_kept(RdbSource* s, RdbText* t) noexcept nogil                # the same in bytes of its own: valid until t is read into again
cdef bint source_skip_string(RdbSource* s) noexcept nogil
cdef uint8_t* source_blob(RdbSource* s, size_t* n) noexcept nogil                  # a block of the caller's, to be freed with mem_free
cdef Sds* source_sds(RdbSource* s, const RdbString* h) noexcept nogil              # the body; the caller's
cdef void text_free(Mem* m, RdbText* t) noexcept nogil
