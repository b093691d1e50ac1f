"""RDB bytes: window, checksum and primitive encodings (contract: rdb_source.pxd). Room persist.

The window is read front to back and filled again when it is empty; what is left of it then moves to its front. Texts are
handed out where they lie in the window, so that a string is copied once: from the window into its value. A text that
must outlive the next read is held: when the window is filled again, it is copied out first. Bodies longer than the
window go straight to where they belong. The checksum is taken in large pieces before bytes leave the window.

A source in memory is its own window, complete from the start.
"""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memmove, memset
from libc.math cimport INFINITY
from ..base.codec cimport crc64, lzf_decompress
from ..base.mem cimport Mem, mem_free, mem_try_alloc, mem_usable
from ..base.num cimport num_parse_double, num_print_i64
from ..base.rp cimport likely, rp_assert, rp_bswap32, rp_load16le, rp_load32le, rp_load64be, rp_load64le, unlikely
from ..base.sds cimport SDS_HEADER, Sds
from .rdb_format cimport (RDB_DOUBLE_INF, RDB_DOUBLE_MINUS_INF, RDB_DOUBLE_NAN, RDB_LEN_14BIT, RDB_LEN_32BIT,
                          RDB_LEN_64BIT, RDB_LEN_MASK, RDB_LEN_SPECIAL, RDB_STR_INT8, RDB_STR_INT16, RDB_STR_INT32,
                          RDB_STR_LZF)

cdef enum:
    PIECE = 1 << 20                # bytes of a long body that are read, and then summed, at a time
    LZF_MOST = 88                  # bytes of text that a byte of an LZF block stands for, at most


# ---------------------------------------------------------------- the window

cdef bint source_open(RdbSource* s, Mem* m, rdb_fill_fn fill, void* ctx, int64_t size) noexcept nogil:
    memset(s, 0, sizeof(RdbSource))
    s.m = m
    s.buf = <uint8_t*>mem_try_alloc(m, RDB_WINDOW)
    s.p = s.end = s.summed = s.buf
    s.checked = True
    s.fill = fill
    s.ctx = ctx
    s.behind = size
    return s.buf != NULL or source_fault(s, RDB_NO_MEMORY)


cdef void source_memory(RdbSource* s, Mem* m, const void* bytes, size_t n) noexcept nogil:
    memset(s, 0, sizeof(RdbSource))
    s.m = m
    s.p = s.summed = <const uint8_t*>bytes
    s.end = s.p + n
    s.come = n


cdef void source_close(RdbSource* s) noexcept nogil:
    mem_free(s.m, s.buf)
    s.buf = NULL


cdef bint source_fault(RdbSource* s, RdbFault fault) noexcept nogil:
    if s.fault == RDB_FINE:
        s.fault = fault
    s.behind = 0
    s.come -= <uint64_t>(s.end - s.p)                   # the offset stays, but nothing can be read
    s.end = s.p
    return False


cdef bint source_fail(RdbSource* s, const char* why) noexcept nogil:
    if s.fault == RDB_FINE:
        s.why = why
    return source_fault(s, RDB_BAD)


cdef inline void sum_window(RdbSource* s) noexcept nogil:
    """The checksum of what was read so far."""
    if s.checked and s.p != s.summed:
        s.crc = crc64(s.crc, s.summed, s.p - s.summed)
    s.summed = s.p


cdef uint64_t source_sum(RdbSource* s) noexcept nogil:
    sum_window(s)
    return s.crc


cdef bint copy_out(RdbSource* s, RdbText* t) noexcept nogil:
    """A held text gets bytes of its own, unless it has them."""
    if <const uint8_t*>t.ptr < s.buf or <const uint8_t*>t.ptr >= s.buf + RDB_WINDOW:
        return True
    if not text_room(s.m, t, t.len):
        return source_fault(s, RDB_NO_MEMORY)
    memcpy(t.own, t.ptr, t.len)
    t.ptr = t.own
    return True


cdef int64_t pull(RdbSource* s, uint8_t* to, size_t n) noexcept nogil:
    """Bytes put to `to`, at least one; 0: none, the fault is set."""
    cdef int64_t got
    if s.fill == NULL or s.fault != RDB_FINE or s.behind == 0:
        source_fault(s, RDB_SHORT)
        return 0
    if s.behind > 0 and <uint64_t>n > <uint64_t>s.behind:
        n = <size_t>s.behind
    got = s.fill(s.ctx, to, n)
    if unlikely(got <= 0):
        source_fault(s, RDB_SHORT if got == 0 else <RdbFault>(-got))
        return 0
    s.come += <uint64_t>got
    if s.behind > 0:
        s.behind -= got
    return got


cdef bint source_more(RdbSource* s, size_t n) noexcept nogil:
    cdef size_t rest = s.end - s.p
    cdef int64_t got
    cdef int i
    if unlikely(s.buf == NULL or s.fault != RDB_FINE):
        return source_fault(s, RDB_SHORT)
    rp_assert(n <= RDB_WINDOW)
    for i in range(s.holds):
        if not copy_out(s, s.held[i]):
            return False
    sum_window(s)
    if rest != 0:
        memmove(s.buf, s.p, rest)
    s.p = s.summed = s.buf
    s.end = s.buf + rest
    while <size_t>(s.end - s.p) < n:
        got = pull(s, <uint8_t*>s.end, RDB_WINDOW - <size_t>(s.end - s.buf))
        if got == 0:
            return False
        s.end += got
    return True


cdef bint source_bytes(RdbSource* s, void* to, size_t n) noexcept nogil:
    cdef uint8_t* at = <uint8_t*>to
    cdef size_t have = s.end - s.p
    cdef int64_t got
    if likely(have >= n):
        memcpy(at, s.p, n)
        s.p += n
        return True
    if n <= RDB_WINDOW // 2:
        if not source_more(s, n):
            return False
        memcpy(at, s.p, n)
        s.p += n
        return True
    memcpy(at, s.p, have)
    s.p = s.end
    sum_window(s)
    at += have
    n -= have
    while n > 0:
        got = pull(s, at, n if n < PIECE else PIECE)
        if got == 0:
            return False
        if s.checked:
            s.crc = crc64(s.crc, at, <size_t>got)
        at += got
        n -= <size_t>got
    return True


cdef bint source_skip(RdbSource* s, uint64_t n) noexcept nogil:
    cdef size_t have
    if n > source_left(s):
        return source_fault(s, RDB_SHORT)
    while n > 0:
        if not source_need(s, 1):
            return False
        have = s.end - s.p
        have = have if have < n else <size_t>n
        s.p += have
        n -= have
    return True


# ---------------------------------------------------------------- numbers

cdef bint len_or_special(RdbSource* s, uint64_t* n, bint* special) noexcept nogil:
    """A <len>, or how a string is stored in another way."""
    cdef int b = source_byte(s)
    special[0] = False
    if b < 0:
        return False
    if b & RDB_LEN_MASK == RDB_LEN_SPECIAL:
        special[0] = True
        n[0] = b & 63
    elif b & RDB_LEN_MASK == RDB_LEN_14BIT:
        n[0] = <uint64_t>(b & 63) << 8
        b = source_byte(s)
        n[0] |= <uint64_t>b
        return b >= 0
    elif b == RDB_LEN_32BIT:
        if not source_need(s, 4):
            return False
        n[0] = rp_bswap32(rp_load32le(s.p))
        s.p += 4
    elif b == RDB_LEN_64BIT:
        if not source_need(s, 8):
            return False
        n[0] = rp_load64be(s.p)
        s.p += 8
    elif b < 64:
        n[0] = b
    else:
        return source_fail(s, b"Unknown length encoding")
    return True


cdef bint source_len_far(RdbSource* s, uint64_t* n) noexcept nogil:
    cdef bint special
    if not len_or_special(s, n, &special):
        return False
    return not special or source_fail(s, b"A length is expected, not an encoded string")


cdef bint source_count(RdbSource* s, size_t each, uint64_t* n) noexcept nogil:
    if not source_len(s, n):
        return False
    return n[0] <= source_left(s) // each or source_fault(s, RDB_SHORT)


cdef bint source_i64(RdbSource* s, int64_t* v) noexcept nogil:
    if not source_need(s, 8):
        return False
    v[0] = <int64_t>rp_load64le(s.p)
    s.p += 8
    return True


cdef bint source_double(RdbSource* s, double* v) noexcept nogil:
    cdef uint64_t bits
    if not source_need(s, 8):
        return False
    bits = rp_load64le(s.p)
    memcpy(v, &bits, 8)
    s.p += 8
    return True


cdef bint source_text_double(RdbSource* s, double* v) noexcept nogil:
    cdef int n = source_byte(s)
    if n < 0:
        return False
    if n == RDB_DOUBLE_INF or n == RDB_DOUBLE_MINUS_INF:
        v[0] = INFINITY if n == RDB_DOUBLE_INF else -INFINITY
        return True
    if n == RDB_DOUBLE_NAN:
        return source_fail(s, b"Zset with NAN score detected")
    if not source_need(s, n):
        return False
    s.p += n
    return num_parse_double(<const char*>s.p - n, n, v) or source_fail(s, b"A score is no number")


# ---------------------------------------------------------------- strings

cdef bint integer_head(RdbSource* s, RdbString* h, int code) noexcept nogil:
    cdef int n = 1 if code == RDB_STR_INT8 else (2 if code == RDB_STR_INT16 else 4)
    cdef char[24] text
    if not source_need(s, n):
        return False
    if n == 1:
        h.v = <int8_t>s.p[0]
    elif n == 2:
        h.v = <int16_t>rp_load16le(s.p)
    else:
        h.v = <int32_t>rp_load32le(s.p)
    s.p += n
    h.kind = RDB_INTEGER
    h.len = num_print_i64(text, h.v)
    return True


cdef bint special_head(RdbSource* s, RdbString* h, uint64_t code) noexcept nogil:
    cdef uint64_t packed, n
    if code == RDB_STR_INT8 or code == RDB_STR_INT16 or code == RDB_STR_INT32:
        return integer_head(s, h, <int>code)
    if code != RDB_STR_LZF:
        return source_fail(s, b"Unknown RDB string encoding type")
    if not source_len(s, &packed) or not source_len(s, &n):
        return False
    if packed > source_left(s):
        return source_fault(s, RDB_SHORT)
    if n == 0 or n // LZF_MOST > packed:
        return source_fail(s, b"Invalid LZF compressed string")
    h.kind = RDB_COMPRESSED
    h.len = <size_t>n
    h.packed = <size_t>packed
    return True


cdef bint source_string(RdbSource* s, RdbString* h) noexcept nogil:
    cdef uint64_t n
    cdef bint special
    if likely(s.p < s.end and s.p[0] < 64 and <size_t>(s.end - s.p) > s.p[0]):
        h.kind = RDB_PLAIN
        h.len = s.p[0]
        s.p += 1
        return True
    if not len_or_special(s, &n, &special):
        return False
    if special:
        return special_head(s, h, n)
    h.kind = RDB_PLAIN
    h.len = <size_t>n
    return n <= source_left(s) or source_fault(s, RDB_SHORT)


cdef bint unpack(RdbSource* s, const RdbString* h, void* to) noexcept nogil:
    cdef uint8_t* block = NULL
    cdef const uint8_t* at
    cdef bint whole
    if h.packed <= RDB_WINDOW or s.buf == NULL:
        if not source_need(s, h.packed):
            return False
        at = s.p
        s.p += h.packed
    else:
        at = block = <uint8_t*>mem_try_alloc(s.m, h.packed)
        if block == NULL:
            return source_fault(s, RDB_NO_MEMORY)
        if not source_bytes(s, block, h.packed):
            mem_free(s.m, block)
            return False
    whole = lzf_decompress(at, h.packed, to, h.len) == h.len
    mem_free(s.m, block)
    return whole or source_fail(s, b"Invalid LZF compressed string")


cdef bint source_body(RdbSource* s, const RdbString* h, void* to) noexcept nogil:
    cdef char[24] text
    if likely(h.kind == RDB_PLAIN):
        return source_bytes(s, to, h.len)
    if h.kind == RDB_COMPRESSED:
        return unpack(s, h, to)
    num_print_i64(text, h.v)
    memcpy(to, text, h.len)
    return True


cdef bint text_room(Mem* m, RdbText* t, size_t n) noexcept nogil:
    if n <= t.cap and t.own != NULL:
        return True
    text_free(m, t)
    t.cap = n if n > 256 else 256
    t.own = <char*>mem_try_alloc(m, t.cap)
    if t.own == NULL:
        t.cap = 0
    return t.own != NULL


cdef void text_free(Mem* m, RdbText* t) noexcept nogil:
    mem_free(m, t.own)
    t.own = NULL
    t.cap = 0


cdef bint source_body_text(RdbSource* s, const RdbString* h, RdbText* t) noexcept nogil:
    t.len = h.len
    if likely(h.kind == RDB_PLAIN and (h.len <= RDB_WINDOW or s.buf == NULL)):
        if not source_need(s, h.len):
            return False
        t.ptr = <const char*>s.p
        s.p += h.len
        return True
    if h.kind == RDB_INTEGER:
        num_print_i64(t.num, h.v)
        t.ptr = t.num
        return True
    if not text_room(s.m, t, h.len):
        return source_fault(s, RDB_NO_MEMORY)
    t.ptr = t.own
    return source_body(s, h, t.own)


cdef bint source_text(RdbSource* s, RdbText* t) noexcept nogil:
    cdef RdbString h
    return source_string(s, &h) and source_body_text(s, &h, t)


cdef bint source_text_kept(RdbSource* s, RdbText* t) noexcept nogil:
    if not source_text(s, t):
        return False
    if t.ptr == t.own or t.ptr == t.num:
        return True
    if not text_room(s.m, t, t.len):
        return source_fault(s, RDB_NO_MEMORY)
    memcpy(t.own, t.ptr, t.len)
    t.ptr = t.own
    return True


cdef bint source_skip_string(RdbSource* s) noexcept nogil:
    cdef RdbString h
    if not source_string(s, &h):
        return False
    if h.kind == RDB_INTEGER:
        return True
    return source_skip(s, h.packed if h.kind == RDB_COMPRESSED else h.len)


cdef uint8_t* source_blob(RdbSource* s, size_t* n) noexcept nogil:
    cdef RdbString h
    cdef uint8_t* block
    if not source_string(s, &h):
        return NULL
    block = <uint8_t*>mem_try_alloc(s.m, h.len if h.len != 0 else 1)
    if block == NULL:
        source_fault(s, RDB_NO_MEMORY)
        return NULL
    if not source_body(s, &h, block):
        mem_free(s.m, block)
        return NULL
    n[0] = h.len
    return block


cdef Sds* source_sds(RdbSource* s, const RdbString* h) noexcept nogil:
    cdef Sds* text = <Sds*>mem_try_alloc(s.m, SDS_HEADER + h.len)
    if text == NULL:
        source_fault(s, RDB_NO_MEMORY)
        return NULL
    text.len = h.len
    text.cap = mem_usable(text) - SDS_HEADER
    if not source_body(s, h, text.data):
        mem_free(s.m, text)
        return NULL
    return text
