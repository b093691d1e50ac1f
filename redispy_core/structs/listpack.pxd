# Listpack: a block of small values, byte-identical to Redis's, so RDB and DUMP copy it whole.
# A listpack is a plain `uint8_t*` from base/mem:  u32 bytes | u16 count (65535: unknown, walk) | entries | FF
# Positions are pointers to entries; every call that returns the block may have moved it, and all positions with it.
# Text that is a canonical int64 is stored as an integer, whoever passes it in. Input must not point into the block.
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp
from ..base.mem cimport Mem
from ..base.rp cimport rp_load16le, rp_load32le, rp_load64le

cdef enum:
    LP_HEADER = 6
    LP_EMPTY_BYTES = 7             # header and end mark
    LP_END = 0xFF
    LP_COUNT_UNKNOWN = 65535
    LP_NUM_BUF = 24                # room for the text of any integer entry
    LP_SAFE_BYTES = 1 << 30        # no listpack is let grow beyond this
    LP_BEFORE = 0
    LP_AFTER = 1
    LP_REPLACE = 2

cdef struct LpEnt:                 # a value to store: the text s, or the integer v where s is NULL
    const char* s
    size_t len
    int64_t v

cdef struct LpEnc:                 # a value whose encoding has been chosen (lp_encode_*)
    const char* s                  # NULL: integer v
    size_t len
    int64_t v
    size_t body                    # bytes of encoding and data
    size_t size                    # body and backlen: what the entry takes

cdef struct LpNeedle:              # a text to compare with many entries; s stays the caller's
    const char* s
    size_t len
    int64_t v                      # its value, where it is a canonical integer
    bint is_int

ctypedef bint (*lp_entry_fn)(const uint8_t* p, size_t head_count, void* ctx) noexcept nogil

# --- reading: no allocation; leaves are inlined
cdef inline size_t lp_bytes(const uint8_t* lp) noexcept nogil:                  # O(1); the whole block
    return rp_load32le(lp)

cdef inline size_t lp_body_size(const uint8_t* p) noexcept nogil:               # O(1); encoding and data, p not the end mark
    cdef uint8_t b = p[0]
    if b < 0x80:
        return 1
    if b < 0xC0:
        return 1 + (b & 63)
    if b < 0xE0:
        return 2
    if b < 0xF0:
        return 2 + ((<size_t>(b & 15) << 8) | p[1])
    if b == 0xF0:
        return 5 + <size_t>rp_load32le(p + 1)
    return (0x9543 >> ((b - 0xF1) * 4)) & 15                                    # F1..F4: 3, 4, 5, 9

cdef inline int lp_backlen_size(size_t body) noexcept nogil:
    if body <= 127:
        return 1
    if body < 16383:
        return 2
    if body < 2097151:
        return 3
    return 4 if body < 268435455 else 5

cdef inline size_t lp_entry_size(const uint8_t* p) noexcept nogil:              # O(1); all bytes of the entry
    cdef size_t body = lp_body_size(p)
    return body + lp_backlen_size(body)

cdef inline uint8_t* lp_first(const uint8_t* lp) noexcept nogil:                # O(1); NULL when empty
    return <uint8_t*>lp + LP_HEADER if lp[LP_HEADER] != LP_END else NULL

cdef inline uint8_t* lp_end(const uint8_t* lp) noexcept nogil:                  # O(1); the end mark
    return <uint8_t*>lp + rp_load32le(lp) - 1

cdef inline uint8_t* lp_next(const uint8_t* p) noexcept nogil:                  # O(1); NULL after the last
    p += lp_entry_size(p)
    return <uint8_t*>p if p[0] != LP_END else NULL

cdef inline uint8_t* lp_prev(const uint8_t* lp, const uint8_t* p) noexcept nogil:   # O(1); p may be the end mark; NULL before the first
    if p == lp + LP_HEADER:
        return NULL
    cdef const uint8_t* q = p - 1
    cdef size_t back = q[0] & 127
    cdef int shift = 7
    while q[0] & 128:
        q -= 1
        back |= <size_t>(q[0] & 127) << shift
        shift += 7
    return <uint8_t*>(q - back)

cdef inline uint8_t* lp_last(const uint8_t* lp) noexcept nogil:                 # O(1); NULL when empty
    return lp_prev(lp, lp_end(lp))

cdef inline bint lp_is_int(const uint8_t* p) noexcept nogil:
    return p[0] < 0x80 or (p[0] & 0xE0) == 0xC0 or p[0] > 0xF0

cdef inline int64_t lp_int(const uint8_t* p) noexcept nogil:                    # the value of an integer entry
    cdef uint8_t b = p[0]
    if b < 0x80:
        return b
    if b < 0xE0:                                                                # 13 bits, sign extended
        return <int64_t>(<int16_t>(<uint16_t>(((b & 31) << 8 | p[1]) << 3)) >> 3)
    if b == 0xF1:
        return <int16_t>rp_load16le(p + 1)
    if b == 0xF2:
        return <int32_t>((<uint32_t>rp_load16le(p + 1) << 8) | (<uint32_t>p[3] << 24)) >> 8
    if b == 0xF3:
        return <int32_t>rp_load32le(p + 1)
    return <int64_t>rp_load64le(p + 1)

cdef inline const char* lp_get(const uint8_t* p, size_t* len, int64_t* v) noexcept nogil:
    # O(1); the bytes and their len, or NULL: an integer, put into v (len untouched)
    cdef uint8_t b = p[0]
    if b & 0xC0 == 0x80:
        len[0] = b & 63
        return <const char*>p + 1
    if b & 0xF0 == 0xE0:
        len[0] = (<size_t>(b & 15) << 8) | p[1]
        return <const char*>p + 2
    if b == 0xF0:
        len[0] = rp_load32le(p + 1)
        return <const char*>p + 5
    v[0] = lp_int(p)
    return NULL

cdef inline bint lp_matches(const uint8_t* p, const LpNeedle* nd) noexcept nogil:   # O(n); is the entry this text?
    cdef size_t n = 0
    cdef int64_t v = 0
    cdef const char* s = lp_get(p, &n, &v)
    if s == NULL:
        return nd.is_int and v == nd.v
    return n == nd.len and memcmp(s, nd.s, n) == 0

cdef void lp_needle(LpNeedle* nd, const char* s, size_t n) noexcept nogil       # prepares s for lp_matches
cdef const char* lp_get_text(const uint8_t* p, char* buf24, size_t* len) noexcept nogil     # O(1); bytes of any entry; integers printed into buf24
cdef size_t lp_length(uint8_t* lp) noexcept nogil                               # O(1); O(n) from 65535 entries (notes the count once it fits again)
cdef uint8_t* lp_seek(uint8_t* lp, int64_t index) noexcept nogil                # O(n) from the nearer end; negative from the tail; NULL out of range
cdef uint8_t* lp_find(const uint8_t* lp, uint8_t* p, const char* s, size_t n, size_t skip) noexcept nogil   # O(n); first entry equal to s at p or after, testing one and passing `skip` unseen; p may be NULL
cdef bint lp_compare(const uint8_t* p, const char* s, size_t n) noexcept nogil  # O(n); does the entry equal this text?
cdef bint lp_safe_to_add(const uint8_t* lp, size_t add) noexcept nogil          # O(1); would add more bytes stay below LP_SAFE_BYTES? lp may be NULL

# --- making and freeing
cdef uint8_t* lp_new(Mem* m, size_t room) noexcept nogil                        # O(1); empty; room for that many bytes (0: just the empty one)
cdef uint8_t* lp_from_bytes(Mem* m, const void* s, size_t n) noexcept nogil     # O(n); a copy of a validated blob
cdef uint8_t* lp_dup(Mem* m, const uint8_t* lp) noexcept nogil                  # O(n); tight copy
cdef void lp_free(Mem* m, uint8_t* lp) noexcept nogil                           # NULL is fine
cdef uint8_t* lp_fit(Mem* m, uint8_t* lp) noexcept nogil                        # may move; gives all spare room back
cdef uint8_t* lp_reserve(Mem* m, uint8_t* lp, size_t add) noexcept nogil        # may move; room for add more bytes

# --- changing: O(bytes behind the place); returns the block, which may have moved; NULL (block untouched) beyond 4 GB
cdef uint8_t* lp_append(Mem* m, uint8_t* lp, const char* s, size_t n) noexcept nogil
cdef uint8_t* lp_append_i64(Mem* m, uint8_t* lp, int64_t v) noexcept nogil
cdef uint8_t* lp_prepend(Mem* m, uint8_t* lp, const char* s, size_t n) noexcept nogil
cdef uint8_t* lp_prepend_i64(Mem* m, uint8_t* lp, int64_t v) noexcept nogil
cdef uint8_t* lp_insert(Mem* m, uint8_t* lp, uint8_t* p, int where, const char* s, size_t n, uint8_t** at) noexcept nogil   # LP_BEFORE / AFTER / REPLACE p; *at = the new entry (at may be NULL)
cdef uint8_t* lp_insert_i64(Mem* m, uint8_t* lp, uint8_t* p, int where, int64_t v, uint8_t** at) noexcept nogil
cdef uint8_t* lp_replace(Mem* m, uint8_t* lp, uint8_t** p, const char* s, size_t n) noexcept nogil      # *p follows the entry; no move if the size stays
cdef uint8_t* lp_replace_i64(Mem* m, uint8_t* lp, uint8_t** p, int64_t v) noexcept nogil
cdef uint8_t* lp_batch_append(Mem* m, uint8_t* lp, const LpEnt* ents, size_t count) noexcept nogil      # one growth for all
cdef uint8_t* lp_batch_insert(Mem* m, uint8_t* lp, uint8_t* p, int where, const LpEnt* ents, size_t count, uint8_t** at) noexcept nogil   # BEFORE or AFTER; *at = the first of them
cdef uint8_t* lp_delete(Mem* m, uint8_t* lp, uint8_t* p, uint8_t** next) noexcept nogil                 # *next = the entry behind, NULL at the end (next may be NULL)
cdef uint8_t* lp_delete_range(Mem* m, uint8_t* lp, int64_t index, size_t count) noexcept nogil          # by index, negative from the tail; stops at the end
cdef uint8_t* lp_delete_range_at(Mem* m, uint8_t* lp, uint8_t** p, size_t count) noexcept nogil         # *p = the entry behind, NULL at the end
cdef uint8_t* lp_merge(Mem* m, uint8_t* first, uint8_t* second) noexcept nogil                          # takes both; first's entries, then second's; NULL: both untouched

# --- untrusted bytes
cdef bint lp_validate_integrity(const void* s, size_t n, bint deep, lp_entry_fn fn, void* ctx) noexcept nogil   # O(1), deep O(n): every byte of the framing; fn (may be NULL) sees each entry and can refuse
cdef bint lp_validate_next(const uint8_t* lp, size_t n, uint8_t** p) noexcept nogil                     # checks the entry at *p and steps over it (NULL at the end mark); False: corrupt

# --- for owners that place entries themselves (quicklist)
cdef void lp_encode_text(LpEnc* e, const char* s, size_t n) noexcept nogil      # chooses the encoding
cdef void lp_encode_i64(LpEnc* e, int64_t v) noexcept nogil
cdef void lp_encode_write(uint8_t* p, const LpEnc* e) noexcept nogil            # writes e.size bytes
cdef void lp_set_header(uint8_t* lp, size_t bytes, size_t count) noexcept nogil # count of 65535 and more: unknown
