"""Listpack: many small values in one block (contract: listpack.pxd).

Room: structs. Users: types/list, set, zset, hash, stream; structs/quicklist.

    u32 total bytes | u16 count | entry ... entry | FF          entry = encoding and data (the body) | backlen
    0xxxxxxx  0..127                        10xxxxxx  string of 0..63
    110xxxxx  13-bit integer                1110xxxx  string of 64..4095
    F0 u32    string of 4096 and more       F1 F2 F3 F4  integer of 16, 24, 32, 64 bits

Backlen is the body's length in 7-bit groups, most significant first, every group but the first flagged 0x80, so it
reads backwards. Integers always take the smallest encoding that holds them.

Memory: a block is asked for exactly; what the allocator rounds up to is used before it is moved again, so n appends
cost O(log n) moves. It is shrunk when more than an eighth (and 24 bytes) would lie idle.
"""
from libc.stdint cimport UINT32_MAX
from libc.string cimport memcmp, memcpy, memmove
from ..base.mem cimport MemFace, mem_alloc, mem_free, mem_good_size, mem_realloc, mem_usable
from ..base.num cimport num_parse_i64, num_print_i64
from ..base.rp cimport likely, rp_assert, rp_store16le, rp_store32le, rp_store64le, unlikely


# --- reading

cdef const char* lp_get_text(const uint8_t* p, char* buf24, size_t* len) noexcept nogil:
    cdef int64_t v = 0
    cdef const char* s = lp_get(p, len, &v)
    if s == NULL:
        len[0] = num_print_i64(buf24, v)
        return buf24
    return s


cdef size_t lp_length(uint8_t* lp) noexcept nogil:
    cdef size_t n = rp_load16le(lp + 4)
    if likely(n != LP_COUNT_UNKNOWN):
        return n
    n = 0
    cdef const uint8_t* p = lp + LP_HEADER
    while p[0] != LP_END:
        p += lp_entry_size(p)
        n += 1
    if n < LP_COUNT_UNKNOWN:
        rp_store16le(lp + 4, <uint16_t>n)
    return n


cdef uint8_t* lp_seek(uint8_t* lp, int64_t index) noexcept nogil:
    cdef int64_t n = rp_load16le(lp + 4)
    cdef uint8_t* p
    if likely(n != LP_COUNT_UNKNOWN):
        if index < 0:
            index += n
        if index < 0 or index >= n:
            return NULL
        if index > n >> 1:
            index -= n
    if index >= 0:
        p = lp_first(lp)
        while index > 0 and p != NULL:
            p = lp_next(p)
            index -= 1
        return p
    p = lp_end(lp)
    while index < 0 and p != NULL:
        p = lp_prev(lp, p)
        index += 1
    return p


cdef inline bint could_be_int(const char* s, size_t n) noexcept nogil:
    """Rejects nearly all text by its first byte and length before the parser looks at it."""
    if n - 1 >= 20:
        return False
    return (<uint8_t>s[0] - 48) <= 9 and s[0] >= 48 or s[0] == 45


cdef inline bint text_to_int(const char* s, size_t n, int64_t* v) noexcept nogil:
    return could_be_int(s, n) and num_parse_i64(s, n, v)


cdef void lp_needle(LpNeedle* nd, const char* s, size_t n) noexcept nogil:
    nd.s = s
    nd.len = n
    nd.v = 0
    nd.is_int = text_to_int(s, n, &nd.v)


cdef bint lp_compare(const uint8_t* p, const char* s, size_t n) noexcept nogil:
    cdef LpNeedle nd
    lp_needle(&nd, s, n)
    return lp_matches(p, &nd)


cdef inline uint8_t* pass_entries(uint8_t* p, size_t skip) noexcept nogil:
    """Steps over skip entries; stays at the end mark."""
    while skip > 0 and p[0] != LP_END:
        p += lp_entry_size(p)
        skip -= 1
    return p


cdef uint8_t* find_short(uint8_t* p, const char* s, size_t n, size_t skip) noexcept nogil:
    """lp_find of a text below 64 bytes that is no integer: its length and last byte tell most entries apart."""
    cdef uint8_t head = <uint8_t>(0x80 | n)
    cdef uint8_t last = <uint8_t>s[n - 1] if n != 0 else head
    while p[0] != LP_END:
        if p[0] == head and p[n] == last and memcmp(p + 1, s, n) == 0:
            return p
        p = pass_entries(p + lp_entry_size(p), skip)
    return NULL


cdef uint8_t* lp_find(const uint8_t* lp, uint8_t* p, const char* s, size_t n, size_t skip) noexcept nogil:
    cdef LpNeedle nd
    lp_needle(&nd, s, n)
    if p == NULL:
        return NULL
    if n < 64 and not nd.is_int:
        return find_short(p, s, n, skip)
    while p[0] != LP_END:
        if lp_matches(p, &nd):
            return p
        p = pass_entries(p + lp_entry_size(p), skip)
    return NULL


cdef bint lp_safe_to_add(const uint8_t* lp, size_t add) noexcept nogil:
    cdef size_t have = lp_bytes(lp) if lp != NULL else 0
    return add <= LP_SAFE_BYTES and have + add <= LP_SAFE_BYTES


# --- encoding

cdef void lp_encode_i64(LpEnc* e, int64_t v) noexcept nogil:
    e.s = NULL
    e.v = v
    if 0 <= v <= 127:
        e.body = 1
    elif -4096 <= v <= 4095:
        e.body = 2
    elif -32768 <= v <= 32767:
        e.body = 3
    elif -8388608 <= v <= 8388607:
        e.body = 4
    elif v == <int32_t>v:
        e.body = 5
    else:
        e.body = 9
    e.size = e.body + 1


cdef void lp_encode_text(LpEnc* e, const char* s, size_t n) noexcept nogil:
    cdef int64_t v = 0
    if text_to_int(s, n, &v):
        lp_encode_i64(e, v)
        return
    e.s = s
    if unlikely(s == NULL):
        e.s = b""                                  # NULL would mark an integer
    e.len = n
    e.body = n + (1 if n < 64 else 2 if n < 4096 else 5)
    e.size = e.body + lp_backlen_size(e.body)


cdef inline void encode_ent(LpEnc* e, const LpEnt* ent) noexcept nogil:
    if ent.s != NULL:
        lp_encode_text(e, ent.s, ent.len)
    else:
        lp_encode_i64(e, ent.v)


cdef void write_int(uint8_t* p, int64_t v, size_t body) noexcept nogil:
    if body == 1:
        p[0] = <uint8_t>v
    elif body == 2:
        p[0] = <uint8_t>(0xC0 | ((v >> 8) & 31))
        p[1] = <uint8_t>v
    elif body == 3:
        p[0] = 0xF1
        rp_store16le(p + 1, <uint16_t>v)
    elif body == 4:
        p[0] = 0xF2
        rp_store16le(p + 1, <uint16_t>v)
        p[3] = <uint8_t>(v >> 16)
    elif body == 5:
        p[0] = 0xF3
        rp_store32le(p + 1, <uint32_t>v)
    else:
        p[0] = 0xF4
        rp_store64le(p + 1, <uint64_t>v)


cdef inline void write_backlen(uint8_t* p, size_t body) noexcept nogil:
    cdef int i = lp_backlen_size(body) - 1
    while i > 0:
        p[i] = <uint8_t>(body & 127) | 128
        body >>= 7
        i -= 1
    p[0] = <uint8_t>body


cdef void lp_encode_write(uint8_t* p, const LpEnc* e) noexcept nogil:
    if e.s == NULL:
        write_int(p, e.v, e.body)
        p[e.body] = <uint8_t>e.body
        return
    if e.len < 64:
        p[0] = <uint8_t>(0x80 | e.len)
        memcpy(p + 1, e.s, e.len)
    elif e.len < 4096:
        p[0] = <uint8_t>(0xE0 | (e.len >> 8))
        p[1] = <uint8_t>e.len
        memcpy(p + 2, e.s, e.len)
    else:
        p[0] = 0xF0
        rp_store32le(p + 1, <uint32_t>e.len)
        memcpy(p + 5, e.s, e.len)
    write_backlen(p + e.body, e.body)


cdef void lp_set_header(uint8_t* lp, size_t bytes, size_t count) noexcept nogil:
    rp_store32le(lp, <uint32_t>bytes)
    rp_store16le(lp + 4, <uint16_t>(count if count < LP_COUNT_UNKNOWN else LP_COUNT_UNKNOWN))


# --- making and freeing

cdef uint8_t* lp_new(Mem* m, size_t room) noexcept nogil:
    cdef uint8_t* lp = <uint8_t*>mem_alloc(m, room if room > LP_EMPTY_BYTES else <size_t>LP_EMPTY_BYTES)
    lp_set_header(lp, LP_EMPTY_BYTES, 0)
    lp[LP_HEADER] = LP_END
    return lp


cdef uint8_t* lp_from_bytes(Mem* m, const void* s, size_t n) noexcept nogil:
    cdef uint8_t* lp = <uint8_t*>mem_alloc(m, n)
    memcpy(lp, s, n)
    return lp


cdef uint8_t* lp_dup(Mem* m, const uint8_t* lp) noexcept nogil:
    return lp_from_bytes(m, lp, lp_bytes(lp))


cdef void lp_free(Mem* m, uint8_t* lp) noexcept nogil:
    mem_free(m, lp)


cdef uint8_t* shrink(Mem* m, uint8_t* lp, size_t need) noexcept nogil:
    """Moves to a block of `need` bytes: a realloc may keep up to half a block idle (mimalloc does)."""
    cdef uint8_t* tight = <uint8_t*>mem_alloc(m, need)
    memcpy(tight, lp, need)
    mem_free(m, lp)
    return tight


cdef uint8_t* lp_fit(Mem* m, uint8_t* lp) noexcept nogil:
    cdef size_t need = lp_bytes(lp)
    if mem_good_size(need) < mem_usable(lp):
        return shrink(m, lp, need)
    return lp


cdef uint8_t* lp_reserve(Mem* m, uint8_t* lp, size_t add) noexcept nogil:
    cdef size_t need = lp_bytes(lp) + add
    if need > mem_usable(lp):
        return <uint8_t*>mem_realloc(m, lp, need)
    return lp


# --- changing

cdef uint8_t* splice(Mem* m, uint8_t* lp, size_t off, size_t cut, size_t add) noexcept nogil:
    """Makes `cut` bytes at off into `add` bytes to be written. The total is set, the count is the caller's."""
    cdef size_t total = lp_bytes(lp)
    cdef size_t need = total - cut + add
    if unlikely(need > UINT32_MAX):
        return NULL
    if add > cut and need > mem_usable(lp):
        lp = <uint8_t*>mem_realloc(m, lp, need)
    if add != cut:
        memmove(lp + off + add, lp + off + cut, total - off - cut)
    if add < cut and mem_usable(lp) > need + (need >> 3) + 24 and mem_good_size(need) < mem_usable(lp):
        lp = shrink(m, lp, need)
    rp_store32le(lp, <uint32_t>need)
    return lp


cdef inline void count_add(uint8_t* lp, size_t n) noexcept nogil:
    cdef size_t have = rp_load16le(lp + 4)
    if have != LP_COUNT_UNKNOWN:
        have += n
        rp_store16le(lp + 4, <uint16_t>(have if have < LP_COUNT_UNKNOWN else LP_COUNT_UNKNOWN))


cdef inline void count_sub(uint8_t* lp, size_t n) noexcept nogil:
    cdef size_t have = rp_load16le(lp + 4)
    if have != LP_COUNT_UNKNOWN:
        rp_store16le(lp + 4, <uint16_t>(have - n))


cdef uint8_t* insert_at(Mem* m, uint8_t* lp, size_t off, const LpEnc* e) noexcept nogil:
    lp = splice(m, lp, off, 0, e.size)
    if unlikely(lp == NULL):
        return NULL
    lp_encode_write(lp + off, e)
    count_add(lp, 1)
    return lp


cdef uint8_t* lp_append(Mem* m, uint8_t* lp, const char* s, size_t n) noexcept nogil:
    cdef LpEnc e
    lp_encode_text(&e, s, n)
    return insert_at(m, lp, lp_bytes(lp) - 1, &e)


cdef uint8_t* lp_append_i64(Mem* m, uint8_t* lp, int64_t v) noexcept nogil:
    cdef LpEnc e
    lp_encode_i64(&e, v)
    return insert_at(m, lp, lp_bytes(lp) - 1, &e)


cdef uint8_t* lp_prepend(Mem* m, uint8_t* lp, const char* s, size_t n) noexcept nogil:
    cdef LpEnc e
    lp_encode_text(&e, s, n)
    return insert_at(m, lp, LP_HEADER, &e)


cdef uint8_t* lp_prepend_i64(Mem* m, uint8_t* lp, int64_t v) noexcept nogil:
    cdef LpEnc e
    lp_encode_i64(&e, v)
    return insert_at(m, lp, LP_HEADER, &e)


cdef uint8_t* put(Mem* m, uint8_t* lp, uint8_t* p, int where, const LpEnc* e, uint8_t** at) noexcept nogil:
    cdef size_t off = p - lp
    if where == LP_AFTER:
        off += lp_entry_size(p)
    if where == LP_REPLACE:
        lp = splice(m, lp, off, lp_entry_size(p), e.size)
        if likely(lp != NULL):
            lp_encode_write(lp + off, e)
    else:
        lp = insert_at(m, lp, off, e)
    if at != NULL and lp != NULL:
        at[0] = lp + off
    return lp


cdef uint8_t* lp_insert(Mem* m, uint8_t* lp, uint8_t* p, int where, const char* s, size_t n,
                        uint8_t** at) noexcept nogil:
    cdef LpEnc e
    lp_encode_text(&e, s, n)
    return put(m, lp, p, where, &e, at)


cdef uint8_t* lp_insert_i64(Mem* m, uint8_t* lp, uint8_t* p, int where, int64_t v, uint8_t** at) noexcept nogil:
    cdef LpEnc e
    lp_encode_i64(&e, v)
    return put(m, lp, p, where, &e, at)


cdef uint8_t* lp_replace(Mem* m, uint8_t* lp, uint8_t** p, const char* s, size_t n) noexcept nogil:
    return lp_insert(m, lp, p[0], LP_REPLACE, s, n, p)


cdef uint8_t* lp_replace_i64(Mem* m, uint8_t* lp, uint8_t** p, int64_t v) noexcept nogil:
    return lp_insert_i64(m, lp, p[0], LP_REPLACE, v, p)


cdef uint8_t* batch_at(Mem* m, uint8_t* lp, size_t off, const LpEnt* ents, size_t count) noexcept nogil:
    cdef LpEnc e
    cdef size_t i, add = 0
    for i in range(count):
        encode_ent(&e, &ents[i])
        add += e.size
    lp = splice(m, lp, off, 0, add)
    if unlikely(lp == NULL):
        return NULL
    for i in range(count):
        encode_ent(&e, &ents[i])
        lp_encode_write(lp + off, &e)
        off += e.size
    count_add(lp, count)
    return lp


cdef uint8_t* lp_batch_append(Mem* m, uint8_t* lp, const LpEnt* ents, size_t count) noexcept nogil:
    return batch_at(m, lp, lp_bytes(lp) - 1, ents, count)


cdef uint8_t* lp_batch_insert(Mem* m, uint8_t* lp, uint8_t* p, int where, const LpEnt* ents, size_t count,
                              uint8_t** at) noexcept nogil:
    cdef size_t off = p - lp
    if where == LP_AFTER:
        off += lp_entry_size(p)
    lp = batch_at(m, lp, off, ents, count)
    if at != NULL and lp != NULL:
        at[0] = lp + off
    return lp


cdef uint8_t* cut_at(Mem* m, uint8_t* lp, size_t off, size_t cut, size_t n, uint8_t** next) noexcept nogil:
    count_sub(lp, n)
    lp = splice(m, lp, off, cut, 0)
    if next != NULL:
        next[0] = lp + off if lp[off] != LP_END else NULL
    return lp


cdef uint8_t* lp_delete(Mem* m, uint8_t* lp, uint8_t* p, uint8_t** next) noexcept nogil:
    return cut_at(m, lp, p - lp, lp_entry_size(p), 1, next)


cdef uint8_t* lp_delete_range_at(Mem* m, uint8_t* lp, uint8_t** p, size_t count) noexcept nogil:
    cdef uint8_t* q = p[0]
    cdef size_t n = 0
    while n < count and q[0] != LP_END:
        q += lp_entry_size(q)
        n += 1
    return cut_at(m, lp, p[0] - lp, q - p[0], n, p)


cdef uint8_t* lp_delete_range(Mem* m, uint8_t* lp, int64_t index, size_t count) noexcept nogil:
    cdef uint8_t* p = lp_seek(lp, index)
    if p == NULL or count == 0:
        return lp
    return lp_delete_range_at(m, lp, &p, count)


cdef uint8_t* lp_merge(Mem* m, uint8_t* first, uint8_t* second) noexcept nogil:
    cdef size_t a = lp_bytes(first), b = lp_bytes(second)
    cdef size_t na = rp_load16le(first + 4), nb = rp_load16le(second + 4)
    cdef size_t total = a + b - LP_EMPTY_BYTES
    if total > UINT32_MAX:
        return NULL
    cdef uint8_t* lp
    if a >= b:
        lp = <uint8_t*>mem_realloc(m, first, total)
        memcpy(lp + a - 1, second + LP_HEADER, b - LP_HEADER)
        mem_free(m, second)
    else:
        lp = <uint8_t*>mem_realloc(m, second, total)
        memmove(lp + a - 1, lp + LP_HEADER, b - LP_HEADER)
        memcpy(lp, first, a - 1)
        mem_free(m, first)
    # An unknown count stays unknown: either summand is 65535 then, and so the sum is no less.
    lp_set_header(lp, total, na + nb)
    return lp


# --- untrusted bytes

cdef size_t checked_entry_size(const uint8_t* p, size_t room) noexcept nogil:
    """Bytes of the entry at p, if it is well formed and lies within room bytes; else 0."""
    cdef uint8_t b = p[0]
    cdef uint8_t want[5]
    if b > 0xF4:
        return 0
    if (b & 0xF0) == 0xE0 and room < 2 or b == 0xF0 and room < 5:
        return 0
    cdef size_t body = lp_body_size(p)
    cdef size_t back = lp_backlen_size(body)
    if body >= room or back > room - body:
        return 0
    write_backlen(want, body)
    if memcmp(want, p + body, back) != 0:
        return 0
    return body + back


cdef bint lp_validate_next(const uint8_t* lp, size_t n, uint8_t** p) noexcept nogil:
    cdef size_t off = p[0] - lp
    if off < LP_HEADER or off >= n:
        return False
    if p[0][0] == LP_END:
        p[0] = NULL
        return off == n - 1
    cdef size_t size = checked_entry_size(p[0], n - off)
    # The end mark follows at the earliest, so a last entry that ends the block is corrupt.
    if size == 0 or off + size >= n:
        return False
    p[0] += size
    return True


cdef bint lp_validate_integrity(const void* s, size_t n, bint deep, lp_entry_fn fn, void* ctx) noexcept nogil:
    cdef const uint8_t* lp = <const uint8_t*>s
    if n < LP_EMPTY_BYTES or lp_bytes(lp) != n or lp[n - 1] != LP_END:
        return False
    if not deep:
        return True
    cdef size_t claimed = rp_load16le(lp + 4)
    cdef size_t count = 0
    cdef uint8_t* p = <uint8_t*>lp + LP_HEADER
    cdef uint8_t* entry
    while True:
        entry = p
        if not lp_validate_next(lp, n, &p):
            return False
        if p == NULL:
            return claimed == LP_COUNT_UNKNOWN or claimed == count
        if fn != NULL and not fn(entry, claimed, ctx):
            return False
        count += 1


# --- the face for tests

cdef bint count_entry(const uint8_t* p, size_t head_count, void* ctx) noexcept nogil:
    (<size_t*>ctx)[0] += 1
    return True


def validate(bytes blob, bint deep=True):
    """Number of entries of a well-formed blob, or None when it is corrupt (shallow check: 0 or None). O(n)."""
    cdef size_t n = 0
    cdef const char* s = blob
    if not lp_validate_integrity(s, len(blob), deep, count_entry, &n):
        return None
    return n


cdef class ListpackFace:
    """A listpack for tests. Values go in as bytes or int, come out as int (integer entries) or bytes.

    check() raises AssertionError when an invariant is broken.
    """
    cdef uint8_t* lp
    cdef readonly MemFace mem

    def __cinit__(self, blob=None, size_t room=0, MemFace mem=None):
        self.mem = mem if mem is not None else MemFace()
        if blob is None:
            self.lp = lp_new(&self.mem.mem, room)
        else:
            if validate(blob) is None:
                raise ValueError("corrupt listpack")
            self.lp = lp_from_bytes(&self.mem.mem, <const char*>(<bytes>blob), len(blob))

    def __dealloc__(self):
        if self.lp != NULL:
            lp_free(&self.mem.mem, self.lp)

    cdef object value(self, const uint8_t* p):
        cdef size_t n = 0
        cdef int64_t v = 0
        cdef const char* s = lp_get(p, &n, &v)
        return v if s == NULL else s[:n]

    cdef uint8_t* at(self, int64_t index) except NULL:
        cdef uint8_t* p = lp_seek(self.lp, index)
        if p == NULL:
            raise IndexError(index)
        return p

    cdef object index_of(self, const uint8_t* p):
        cdef int64_t i = 0
        cdef uint8_t* q = self.lp + LP_HEADER
        if p == NULL:
            return None
        while q != p:
            q += lp_entry_size(q)
            i += 1
        return i

    def __len__(self):
        return lp_length(self.lp)

    def __bytes__(self):
        return (<const char*>self.lp)[:lp_bytes(self.lp)]

    def usable(self):
        """Usable bytes of the block."""
        return mem_usable(self.lp)

    def values(self):
        """All values, first to last."""
        out = []
        cdef uint8_t* p = lp_first(self.lp)
        while p != NULL:
            out.append(self.value(p))
            p = lp_next(p)
        return out

    def values_backwards(self):
        """All values, last to first."""
        out = []
        cdef uint8_t* p = lp_last(self.lp)
        while p != NULL:
            out.append(self.value(p))
            p = lp_prev(self.lp, p)
        return out

    def get(self, int64_t index):
        """Value at an index (negative from the tail); IndexError outside."""
        return self.value(self.at(index))

    def text(self, int64_t index):
        """Bytes of the entry at an index, integers printed."""
        cdef char[LP_NUM_BUF] buf
        cdef size_t n = 0
        cdef const char* s = lp_get_text(self.at(index), buf, &n)
        return s[:n]

    def compare(self, int64_t index, bytes s):
        return lp_compare(self.at(index), s, len(s))

    def find(self, bytes s, size_t skip=0, int64_t start=0):
        """Index of the first entry equal to s from start, or None."""
        return self.index_of(lp_find(self.lp, lp_seek(self.lp, start), s, len(s), skip))

    def append(self, v):
        if isinstance(v, int):
            self.lp = lp_append_i64(&self.mem.mem, self.lp, v)
        else:
            self.lp = lp_append(&self.mem.mem, self.lp, v, len(v))

    def prepend(self, v):
        if isinstance(v, int):
            self.lp = lp_prepend_i64(&self.mem.mem, self.lp, v)
        else:
            self.lp = lp_prepend(&self.mem.mem, self.lp, v, len(v))

    def insert(self, int64_t index, int where, v):
        """Inserts before (0) or after (1), or replaces (2), the entry at an index; returns the new entry's index."""
        cdef uint8_t* p = self.at(index)
        cdef uint8_t* at = NULL
        if isinstance(v, int):
            self.lp = lp_insert_i64(&self.mem.mem, self.lp, p, where, v, &at)
        else:
            self.lp = lp_insert(&self.mem.mem, self.lp, p, where, v, len(v), &at)
        return self.index_of(at)

    def replace(self, int64_t index, v):
        """Replaces the entry at an index; returns its index."""
        cdef uint8_t* p = self.at(index)
        if isinstance(v, int):
            self.lp = lp_replace_i64(&self.mem.mem, self.lp, &p, v)
        else:
            self.lp = lp_replace(&self.mem.mem, self.lp, &p, v, len(v))
        return self.index_of(p)

    def batch(self, list values, index=None, int where=LP_BEFORE):
        """Appends all values, or inserts them at an index; returns the first one's index (None for an append)."""
        cdef size_t i, n = len(values)
        cdef uint8_t* p = self.at(index) if index is not None else NULL
        cdef LpEnt* ents = <LpEnt*>mem_alloc(&self.mem.mem, n * sizeof(LpEnt) + 1)
        for i in range(n):
            ents[i].s = NULL
            if isinstance(values[i], int):
                ents[i].v = values[i]
            else:
                ents[i].s = values[i]
                ents[i].len = len(values[i])
        if p == NULL:
            self.lp = lp_batch_append(&self.mem.mem, self.lp, ents, n)
        else:
            self.lp = lp_batch_insert(&self.mem.mem, self.lp, p, where, ents, n, &p)
        mem_free(&self.mem.mem, ents)
        return self.index_of(p)

    def delete(self, int64_t index):
        """Deletes the entry at an index; returns the index of the one behind, or None."""
        cdef uint8_t* p = self.at(index)
        self.lp = lp_delete(&self.mem.mem, self.lp, p, &p)
        return self.index_of(p)

    def delete_range(self, int64_t index, size_t count):
        self.lp = lp_delete_range(&self.mem.mem, self.lp, index, count)

    def delete_range_at(self, int64_t index, size_t count):
        """Deletes count entries from an index; returns the index of the one behind, or None."""
        cdef uint8_t* p = self.at(index)
        self.lp = lp_delete_range_at(&self.mem.mem, self.lp, &p, count)
        return self.index_of(p)

    def merge(self, ListpackFace other):
        """Takes the other's entries behind its own; the other is empty afterwards. Both must share one MemFace."""
        assert other.mem is self.mem and other is not self
        self.lp = lp_merge(&self.mem.mem, self.lp, other.lp)
        other.lp = lp_new(&self.mem.mem, 0)

    def dup(self):
        cdef ListpackFace face = ListpackFace(mem=self.mem)
        lp_free(&self.mem.mem, face.lp)
        face.lp = lp_dup(&self.mem.mem, self.lp)
        return face

    def fit(self):
        self.lp = lp_fit(&self.mem.mem, self.lp)

    def reserve(self, size_t add):
        self.lp = lp_reserve(&self.mem.mem, self.lp, add)

    def safe_to_add(self, size_t add):
        return lp_safe_to_add(self.lp, add)

    def check(self):
        """Asserts all invariants, O(n): framing, count, both directions agree, spare room bounded."""
        cdef size_t n = 0, bytes_ = lp_bytes(self.lp)
        assert mem_usable(self.lp) >= bytes_
        assert lp_validate_integrity(self.lp, bytes_, True, count_entry, &n)
        cdef size_t head = rp_load16le(self.lp + 4)
        assert head == n or head == LP_COUNT_UNKNOWN
        forward = self.values()
        assert len(forward) == n
        assert forward == self.values_backwards()[::-1]
