"""Packed blobs of untrusted origin (contract: rdb_packed.pxd). Room persist: used by rdb_value.

    ziplist   u32 bytes | u32 offset of the last entry | u16 count (65535: unknown) | entry ... | FF
              entry: [bytes of the entry before: u8 < 254, or FE and u32][encoding][data]
    zipmap    u8 count (>= 254: unknown) | (len field | len idle value, idle bytes) ... | FF
              len: u8 < 254, or FE and u32

Both are only ever read: what they hold becomes a listpack at once. Every byte of their framing is checked on the way,
the way back (length of the entry before, offset of the last one) and the count as well.
"""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset
from ..base.codec cimport siphash13
from ..base.env cimport Env
from ..base.mem cimport Mem, mem_destroy, mem_free, mem_init, mem_try_alloc
from ..base.num cimport num_parse_double, num_parse_i64
from ..base.rp cimport rp_bswap32, rp_load16le, rp_load32le, rp_load64le
from ..structs.listpack cimport (LP_END, LP_HEADER, LP_NUM_BUF, lp_append, lp_append_i64, lp_bytes, lp_entry_size,
                                 lp_fit, lp_free, lp_get, lp_get_text, lp_int, lp_is_int, lp_new)
from ..structs.skiplist cimport zsl_member_cmp
from .rdb_format cimport RDB_FIELD_EXPIRE_MAX

cdef enum:
    ZL_HEADER = 10
    ZL_END = 255
    ZL_FAR = 254                   # a length of 4 bytes follows
    ZL_COUNT_UNKNOWN = 65535
    SMALL_TABLE = 512              # places of a table on the stack

cdef struct Entry:                 # of a ziplist
    const char* s                  # NULL: the integer v
    size_t len
    int64_t v
    size_t size                    # bytes of the whole entry


# ---------------------------------------------------------------- ziplists

cdef inline int64_t int24(const uint8_t* p) noexcept nogil:
    return <int32_t>(<uint32_t>rp_load16le(p) << 8 | <uint32_t>p[2] << 24) >> 8


cdef size_t integer_bytes(uint8_t code) noexcept nogil:
    """Bytes of data of an integer's encoding; 0: no such encoding."""
    if code == 0xC0:
        return 2
    if code == 0xD0:
        return 4
    if code == 0xE0:
        return 8
    return 3 if code == 0xF0 else (1 if code == 0xFE else 0)


cdef bint integer_entry(const uint8_t* p, size_t room, Entry* e) noexcept nogil:
    cdef size_t n = integer_bytes(p[0])
    e.s = NULL
    e.len = 0
    if 0xF1 <= p[0] <= 0xFD:
        e.v = p[0] - 0xF1
        e.size = 1
        return True
    if n == 0 or room < 1 + n:
        return False
    e.size = 1 + n
    if n == 1:
        e.v = <int8_t>p[1]
    elif n == 2:
        e.v = <int16_t>rp_load16le(p + 1)
    elif n == 3:
        e.v = int24(p + 1)
    elif n == 4:
        e.v = <int32_t>rp_load32le(p + 1)
    else:
        e.v = <int64_t>rp_load64le(p + 1)
    return True


cdef bint entry_body(const uint8_t* p, size_t room, Entry* e) noexcept nogil:
    """Encoding and data at p; e.size = their bytes."""
    cdef size_t head
    if room == 0:
        return False
    if p[0] >= 0xC0:
        return integer_entry(p, room, e)
    if p[0] < 0x40:
        head = 1
        e.len = p[0]
    elif p[0] < 0x80:
        head = 2
        if room < head:
            return False
        e.len = (<size_t>(p[0] & 63) << 8) | p[1]
    else:
        head = 5
        if p[0] != 0x80 or room < head:
            return False
        e.len = rp_bswap32(rp_load32le(p + 1))
    if e.len > room - head:
        return False
    e.s = <const char*>p + head
    e.size = head + e.len
    return True


cdef bint entry_at(const uint8_t* p, size_t room, size_t before, Entry* e) noexcept nogil:
    """The entry at p within room bytes; before: bytes of the one before it."""
    cdef size_t head = 1
    cdef size_t told
    if room == 0 or p[0] == ZL_END:
        return False
    told = p[0]
    if p[0] == ZL_FAR:
        head = 5
        if room < head:
            return False
        told = rp_load32le(p + 1)
    if told != before or not entry_body(p + head, room - head, e):
        return False
    e.size += head
    return True


cdef uint8_t* appended(Mem* m, uint8_t* lp, const char* s, size_t len, int64_t v) noexcept nogil:
    """NULL: no room; lp is freed then."""
    cdef uint8_t* longer = lp_append_i64(m, lp, v) if s == NULL else lp_append(m, lp, s, len)
    if longer == NULL:
        lp_free(m, lp)
    return longer


cdef uint8_t* ziplist_to_listpack(Mem* m, const void* blob, size_t n) noexcept nogil:
    cdef const uint8_t* zl = <const uint8_t*>blob
    cdef size_t at = ZL_HEADER, last = ZL_HEADER, before = 0, count = 0
    cdef Entry e
    cdef uint8_t* lp
    if n < ZL_HEADER + 1 or rp_load32le(zl) != n or zl[n - 1] != ZL_END:
        return NULL
    lp = lp_new(m, n)
    while at < n - 1:
        if not entry_at(zl + at, n - 1 - at, before, &e):
            lp_free(m, lp)
            return NULL
        lp = appended(m, lp, e.s, e.len, e.v)
        if lp == NULL:
            return NULL
        last = at
        before = e.size
        at += e.size
        count += 1
    if rp_load32le(zl + 4) != last or (rp_load16le(zl + 8) != count and rp_load16le(zl + 8) != ZL_COUNT_UNKNOWN):
        lp_free(m, lp)
        return NULL
    return lp_fit(m, lp)


# ---------------------------------------------------------------- zipmaps

cdef size_t zipmap_len(const uint8_t* p, size_t room, size_t* n) noexcept nogil:
    """Bytes that a length takes; 0: corrupt."""
    if room == 0 or p[0] == ZL_END:
        return 0
    if p[0] < ZL_FAR:
        n[0] = p[0]
        return 1
    if room < 5:
        return 0
    n[0] = rp_load32le(p + 1)
    return 5


cdef size_t zipmap_text(const uint8_t* p, size_t room, bint is_value, const char** s, size_t* n) noexcept nogil:
    """Bytes that a field or value takes with its length; 0: corrupt."""
    cdef size_t head = zipmap_len(p, room, n)
    cdef size_t idle = 0
    if head == 0:
        return 0
    if is_value:
        if room <= head:
            return 0
        idle = p[head]
        head += 1
    if n[0] > room - head or idle > room - head - n[0]:
        return 0
    s[0] = <const char*>p + head
    return head + n[0] + idle


cdef uint8_t* zipmap_to_listpack(Mem* m, const void* blob, size_t n) noexcept nogil:
    cdef const uint8_t* zm = <const uint8_t*>blob
    cdef size_t at = 1, texts = 0, size, len = 0
    cdef const char* s = NULL
    cdef uint8_t* lp
    if n < 2 or zm[n - 1] != ZL_END:
        return NULL
    lp = lp_new(m, n)
    while at < n - 1:
        size = zipmap_text(zm + at, n - 1 - at, texts & 1, &s, &len)
        if size == 0:
            lp_free(m, lp)
            return NULL
        lp = appended(m, lp, s, len, 0)
        if lp == NULL:
            return NULL
        at += size
        texts += 1
    if texts & 1 or (zm[0] < ZL_FAR and zm[0] != texts >> 1):
        lp_free(m, lp)
        return NULL
    return lp_fit(m, lp)


# ---------------------------------------------------------------- checks of listpacks

cdef inline const char* value_of(const uint8_t* p, size_t* n, int64_t* v) noexcept nogil:
    """lp_get, with the text of an integer as one: another writer may have stored it so."""
    cdef const char* s = lp_get(p, n, v)
    if s != NULL and n[0] != 0 and n[0] <= 20 and (c'0' <= s[0] <= c'9' or s[0] == c'-') and num_parse_i64(s, n[0], v):
        return NULL
    return s


cdef inline bint same_value(const uint8_t* a, const uint8_t* b) noexcept nogil:
    cdef size_t na = 0, nb = 0
    cdef int64_t va = 0, vb = 0
    cdef const char* sa = value_of(a, &na, &va)
    cdef const char* sb = value_of(b, &nb, &vb)
    if sa == NULL or sb == NULL:
        return sa == sb and va == vb
    return zsl_member_cmp(sa, na, sb, nb) == 0


cdef inline uint64_t hash_of(Env* e, const uint8_t* p) noexcept nogil:
    cdef size_t n = 0
    cdef int64_t v = 0
    cdef const char* s = value_of(p, &n, &v)
    return siphash13(s, n, e.hash_seed) if s != NULL else siphash13(&v, sizeof(v), e.hash_seed)


cdef bint distinct_in(Env* e, const uint8_t* lp, int stride, uint32_t* table, size_t mask) noexcept nogil:
    """table: places for offsets, all 0; more than there are values."""
    cdef const uint8_t* p = lp + LP_HEADER
    cdef size_t at
    cdef int i
    while p[0] != LP_END:
        at = hash_of(e, p) & mask
        while table[at] != 0:
            if same_value(lp + table[at], p):
                return False
            at = (at + 1) & mask
        table[at] = <uint32_t>(p - lp)
        for i in range(stride):
            p += lp_entry_size(p)
    return True


cdef bint listpack_distinct(Mem* m, Env* e, const uint8_t* lp, int stride) noexcept nogil:
    cdef uint32_t[SMALL_TABLE] small
    cdef uint32_t* table = small
    cdef size_t count = 0, places = 16
    cdef const uint8_t* p = lp + LP_HEADER
    cdef bint distinct
    while p[0] != LP_END:
        count += 1
        p += lp_entry_size(p)
    while places < count // stride * 2:
        places *= 2
    if places > SMALL_TABLE:
        table = <uint32_t*>mem_try_alloc(m, places * sizeof(uint32_t))
        if table == NULL:
            return False
    memset(table, 0, places * sizeof(uint32_t))
    distinct = distinct_in(e, lp, stride, table, places - 1)
    if table != small:
        mem_free(m, table)
    return distinct


cdef bint score_at(const uint8_t* p, double* score) noexcept nogil:
    cdef size_t n = 0
    cdef int64_t v = 0
    cdef const char* s = lp_get(p, &n, &v)
    score[0] = <double>v
    return s == NULL or num_parse_double(s, n, score)


cdef bint scores_ordered(const uint8_t* lp) noexcept nogil:
    cdef const uint8_t* p = lp + LP_HEADER
    cdef const uint8_t* member
    cdef const uint8_t* before = NULL
    cdef double score = 0, last = 0
    cdef char[LP_NUM_BUF] a
    cdef char[LP_NUM_BUF] b
    cdef const char* sa
    cdef const char* sb
    cdef size_t na, nb
    while p[0] != LP_END:
        member = p
        p += lp_entry_size(p)
        if not score_at(p, &score):
            return False
        if before != NULL and score <= last:
            sa = lp_get_text(before, a, &na)
            sb = lp_get_text(member, b, &nb)
            if score < last or zsl_member_cmp(sa, na, sb, nb) >= 0:
                return False
        before = member
        last = score
        p += lp_entry_size(p)
    return True


cdef bint times_ordered(const uint8_t* lp) noexcept nogil:
    cdef const uint8_t* p = lp + LP_HEADER
    cdef int64_t when, last = 0
    cdef bint ended = False                             # a field without a time was seen
    while p[0] != LP_END:
        p += lp_entry_size(p)
        p += lp_entry_size(p)
        if not lp_is_int(p):
            return False
        when = lp_int(p)
        if when < 0 or when > <int64_t>RDB_FIELD_EXPIRE_MAX or (when != 0 and (ended or when < last)):
            return False
        ended = when == 0
        last = when
        p += lp_entry_size(p)
    return True


# ---------------------------------------------------------------- for tests

def listpack_of(str kind, bytes blob):
    """The listpack that a "ziplist" or "zipmap" becomes; None: it is corrupt."""
    cdef Mem m
    cdef uint8_t* lp
    mem_init(&m)
    if kind == "ziplist":
        lp = ziplist_to_listpack(&m, <const char*>blob, len(blob))
    else:
        lp = zipmap_to_listpack(&m, <const char*>blob, len(blob))
    if lp == NULL:
        left = m.blocks
        mem_destroy(&m)
        assert left == 0
        return None
    out = (<const char*>lp)[:lp_bytes(lp)]
    lp_free(&m, lp)
    mem_destroy(&m)
    return out
