"""Bitmap kernels of SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP and BITFIELD (see bits.pxd).

Bit i of a value is bit 7 - i % 8 of byte i // 8, so that a big-endian word holds the bits in order: the first set bit
is a count of leading zeros, a field is a shift. Counting goes a word at a time (with the popcnt instruction where the
processor has it), searching four words at a time, BITOP by blocks that stay in the first cache over plain byte loops,
which the C compiler turns into vector code.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset
from ..base.rp cimport rp_clz64, rp_load64be, rp_load64le, rp_store64be
from ..base.sds cimport Slice

cdef extern from *:
    """
    #define bits_add_overflow(a, b, o) __builtin_add_overflow(a, b, o)
    static uint64_t bits_count_words_plain(const uint8_t *p, size_t words) {
        uint64_t total = 0, w;
        for (size_t i = 0; i < words; i++) {
            memcpy(&w, p + 8 * i, 8);
            w -= (w >> 1) & 0x5555555555555555ULL;
            w = (w & 0x3333333333333333ULL) + ((w >> 2) & 0x3333333333333333ULL);
            total += (((w + (w >> 4)) & 0x0F0F0F0F0F0F0F0FULL) * 0x0101010101010101ULL) >> 56;
        }
        return total;
    }
    #if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
    __attribute__((target("popcnt"))) static uint64_t bits_count_words_popcnt(const uint8_t *p, size_t words) {
        uint64_t a = 0, b = 0, c = 0, d = 0, w[4];
        size_t i = 0;
        for (; i + 4 <= words; i += 4) {
            memcpy(w, p + 8 * i, 32);
            a += __builtin_popcountll(w[0]); b += __builtin_popcountll(w[1]);
            c += __builtin_popcountll(w[2]); d += __builtin_popcountll(w[3]);
        }
        for (; i < words; i++) { memcpy(w, p + 8 * i, 8); a += __builtin_popcountll(w[0]); }
        return a + b + c + d;
    }
    static uint64_t bits_count_words(const uint8_t *p, size_t words) {
        return __builtin_cpu_supports("popcnt") ? bits_count_words_popcnt(p, words) : bits_count_words_plain(p, words);
    }
    #else
    static uint64_t bits_count_words(const uint8_t *p, size_t words) {
    #if defined(__aarch64__)
        uint64_t total = 0, w;
        for (size_t i = 0; i < words; i++) { memcpy(&w, p + 8 * i, 8); total += __builtin_popcountll(w); }
        return total;
    #else
        return bits_count_words_plain(p, words);
    #endif
    }
    #endif
    """
    uint64_t bits_count_words(const uint8_t* p, size_t words) nogil
    uint64_t bits_count_words_plain(const uint8_t* p, size_t words) nogil
    bint bits_add_overflow(int64_t a, int64_t b, int64_t* o) nogil

cdef enum:
    BLOCK = 2048               # of BITOP: two accumulators and a source within the first cache


# --- counting

cdef inline uint64_t load_part(const uint8_t* p, size_t n) noexcept nogil:
    """The n (0..8) bytes at p as the top of a big-endian word, zeros behind."""
    cdef uint8_t word[8]
    if n >= 8:
        return rp_load64be(p)
    memset(word, 0, 8)
    if n:
        memcpy(word, p, n)
    return rp_load64be(word)


cdef int64_t bits_count(const uint8_t* p, size_t n) noexcept nogil:
    cdef uint64_t total = bits_count_words(p, n >> 3)
    cdef uint64_t rest
    if n & 7:
        rest = load_part(p + (n & ~<size_t>7), n & 7)
        total += bits_count_words_plain(<const uint8_t*>&rest, 1)
    return <int64_t>total


cdef int64_t bits_count_range(const uint8_t* p, uint64_t first, uint64_t last) noexcept nogil:
    if first > last:
        return 0
    cdef uint64_t byte = first >> 3, end = last >> 3
    cdef uint8_t head = 0xFF >> (first & 7), tail = <uint8_t>(0xFF << (7 - (last & 7))), edge
    if byte == end:
        edge = p[byte] & head & tail
        return bits_count(&edge, 1)
    edge = p[byte] & head
    cdef int64_t total = bits_count(p + byte + 1, end - byte - 1) + bits_count(&edge, 1)
    edge = p[end] & tail
    return total + bits_count(&edge, 1)


# --- searching

cdef int64_t bits_pos(const uint8_t* p, size_t n, bint bit) noexcept nogil:
    cdef uint64_t flip = 0 if bit else <uint64_t>-1       # what is searched becomes a 1
    cdef size_t i = 0, left
    cdef uint64_t w
    while n - i >= 32:
        if ((rp_load64le(p + i) ^ flip) | (rp_load64le(p + i + 8) ^ flip)
                | (rp_load64le(p + i + 16) ^ flip) | (rp_load64le(p + i + 24) ^ flip)):
            break
        i += 32
    while i < n:
        left = n - i
        w = load_part(p + i, left) ^ flip
        if left < 8:
            w &= <uint64_t>-1 << (64 - 8 * left)
        if w:
            return <int64_t>(i * 8) + rp_clz64(w)
        i += 8
    return -1


cdef int64_t bits_pos_range(const uint8_t* p, uint64_t first, uint64_t last, bint bit) noexcept nogil:
    if first > last:
        return -1
    cdef uint64_t byte = first >> 3, end = last >> 3
    cdef uint8_t flip = 0 if bit else 0xFF
    cdef uint8_t head = 0xFF >> (first & 7), tail = <uint8_t>(0xFF << (7 - (last & 7))), edge
    cdef int64_t at
    edge = (p[byte] ^ flip) & head
    if byte == end:
        edge &= tail
    at = bits_pos(&edge, 1, True)
    if at >= 0:
        return <int64_t>(byte * 8) + at
    if byte == end:
        return -1
    at = bits_pos(p + byte + 1, end - byte - 1, bit)
    if at >= 0:
        return <int64_t>((byte + 1) * 8) + at
    edge = (p[end] ^ flip) & tail
    at = bits_pos(&edge, 1, True)
    return <int64_t>(end * 8) + at if at >= 0 else -1


# --- BITOP

cdef inline size_t part_of(const Slice* s, size_t start, size_t size) noexcept nogil:
    """Bytes of s that lie in the block of `size` bytes from start on."""
    if s.len <= start:
        return 0
    return s.len - start if s.len - start < size else size


cdef void load_block(const Slice* s, size_t start, uint8_t* dst, size_t size) noexcept nogil:
    cdef size_t have = part_of(s, start, size)
    if have:
        memcpy(dst, s.ptr + start, have)
    memset(dst + have, 0, size - have)


cdef void and_block(uint8_t* dst, const uint8_t* s, size_t have, size_t size) noexcept nogil:
    cdef size_t i
    for i in range(have):
        dst[i] &= s[i]
    memset(dst + have, 0, size - have)


cdef void or_block(uint8_t* dst, const uint8_t* s, size_t have) noexcept nogil:
    cdef size_t i
    for i in range(have):
        dst[i] |= s[i]


cdef void xor_block(uint8_t* dst, const uint8_t* s, size_t have) noexcept nogil:
    cdef size_t i
    for i in range(have):
        dst[i] ^= s[i]


cdef void once_block(uint8_t* once, uint8_t* twice, const uint8_t* s, size_t have) noexcept nogil:
    cdef size_t i
    for i in range(have):
        twice[i] |= once[i] & s[i]
        once[i] |= s[i]


cdef void finish_block(BitOp op, uint8_t* dst, const uint8_t* other, size_t size) noexcept nogil:
    """Join the two halves: the union of the later sources (dst) with the first one, or seen once with seen twice."""
    cdef size_t i
    if op == BITOP_DIFF:
        for i in range(size):
            dst[i] = other[i] & ~dst[i]
    elif op == BITOP_ANDOR:
        for i in range(size):
            dst[i] &= other[i]
    elif op == BITOP_DIFF1 or op == BITOP_ONE:
        for i in range(size):
            dst[i] &= ~other[i]
    elif op == BITOP_NOT:
        for i in range(size):
            dst[i] = ~dst[i]


cdef void op_block(BitOp op, const Slice* src, size_t count, size_t start, uint8_t* dst, size_t size) noexcept nogil:
    cdef uint8_t other[BLOCK]
    cdef size_t k, have
    cdef const uint8_t* s
    cdef bint split = op == BITOP_DIFF or op == BITOP_DIFF1 or op == BITOP_ANDOR
    if split:
        load_block(&src[0], start, other, size)
        memset(dst, 0, size)
    else:
        load_block(&src[0], start, dst, size)
        if op == BITOP_ONE:
            memset(other, 0, size)
    if op == BITOP_NOT:
        count = 1
    for k in range(1, count):
        have = part_of(&src[k], start, size)
        s = <const uint8_t*>src[k].ptr + start if have else other
        if op == BITOP_AND:
            and_block(dst, s, have, size)
        elif op == BITOP_XOR:
            xor_block(dst, s, have)
        elif op == BITOP_ONE:
            once_block(dst, other, s, have)
        else:
            or_block(dst, s, have)
    finish_block(op, dst, other, size)


cdef void bits_op(BitOp op, const Slice* src, size_t count, uint8_t* dst, size_t n) noexcept nogil:
    cdef size_t start = 0, size
    while start < n:
        size = n - start if n - start < BLOCK else BLOCK
        op_block(op, src, count, start, dst + start, size)
        start += size


# --- fields

cdef uint64_t bits_get_unsigned(const uint8_t* p, size_t n, uint64_t offset, int width) noexcept nogil:
    cdef uint64_t byte = offset >> 3, v
    cdef int shift = <int>(offset & 7)
    if byte >= n:
        return 0
    v = load_part(p + byte, n - byte) << shift
    if shift + width > 64 and n - byte > 8:
        v |= p[byte + 8] >> (8 - shift)
    return v >> (64 - width)


cdef int64_t bits_get_signed(const uint8_t* p, size_t n, uint64_t offset, int width) noexcept nogil:
    cdef uint64_t v = bits_get_unsigned(p, n, offset, width) << (64 - width)
    return <int64_t>v >> (64 - width)


cdef void put_in_word(uint8_t* p, int shift, int width, uint64_t v) noexcept nogil:
    """A field that begins at bit `shift` of p[0] and ends within eight bytes; touches no byte behind it."""
    cdef size_t size = (shift + width + 7) >> 3
    cdef uint8_t word[8]
    cdef uint64_t mask = (<uint64_t>-1 >> (64 - width)) << (64 - shift - width)
    cdef uint64_t w = load_part(p, size)
    w = (w & ~mask) | ((v << (64 - shift - width)) & mask)
    rp_store64be(word, w)
    memcpy(p, word, size)


cdef void bits_put(uint8_t* p, uint64_t offset, int width, uint64_t v) noexcept nogil:
    cdef int shift = <int>(offset & 7), tail
    p += offset >> 3
    if shift + width <= 64:
        put_in_word(p, shift, width, v)
        return
    tail = shift + width - 64
    put_in_word(p, shift, 64 - shift, v >> tail)
    put_in_word(p + 8, 0, tail, v)


cdef int bits_add_unsigned(uint64_t value, int64_t incr, int width, BitOverflow policy, uint64_t* out) noexcept nogil:
    cdef uint64_t top = <uint64_t>-1 >> (64 - width), total = value + <uint64_t>incr
    cdef int way = 0
    if value > top or (incr > 0 and <uint64_t>incr > top - value):
        way = 1
    elif incr < 0 and 0 - <uint64_t>incr > value:
        way = -1
    if way == 0 or policy == BITFIELD_WRAP:
        out[0] = total & top
    elif policy == BITFIELD_SAT:
        out[0] = top if way > 0 else 0
    return way


cdef int bits_add_signed(int64_t value, int64_t incr, int width, BitOverflow policy, int64_t* out) noexcept nogil:
    cdef int64_t top = <int64_t>(<uint64_t>-1 >> (65 - width)) if width > 1 else 0
    cdef int64_t bottom = -top - 1, total = 0
    cdef int way = 0
    if bits_add_overflow(value, incr, &total):
        way = 1 if incr > 0 else -1
    elif total > top:
        way = 1
    elif total < bottom:
        # compat: a value to set whose distance from the top is more than 63 bits counts as an overflow upwards.
        way = 1 if value < top - 9223372036854775807LL else -1
    if way == 0:
        out[0] = total
    elif policy == BITFIELD_WRAP:
        out[0] = <int64_t>((<uint64_t>value + <uint64_t>incr) << (64 - width)) >> (64 - width)
    elif policy == BITFIELD_SAT:
        out[0] = top if way > 0 else bottom
    return way


# --- Python face for tests

OPS = {"AND": BITOP_AND, "OR": BITOP_OR, "XOR": BITOP_XOR, "NOT": BITOP_NOT, "DIFF": BITOP_DIFF, "DIFF1": BITOP_DIFF1,
       "ANDOR": BITOP_ANDOR, "ONE": BITOP_ONE}
POLICIES = {"WRAP": BITFIELD_WRAP, "SAT": BITFIELD_SAT, "FAIL": BITFIELD_FAIL}


cdef class BitsFace:
    """A bitmap of fixed size for tests of the kernels."""
    cdef bytearray data

    def __init__(self, data):
        self.data = bytearray(data)

    def __bytes__(self):
        return bytes(self.data)

    cdef uint8_t* ptr(self):
        return <uint8_t*><char*>self.data

    def get(self, uint64_t bit):
        """Bit as 0 or 1; 0 behind the end."""
        return bits_get(self.ptr(), len(self.data), bit)

    def set(self, uint64_t bit, bint on):
        """Set or clear an existing bit; its old value."""
        if bit >> 3 >= len(self.data):
            raise IndexError(bit)
        return bits_set(self.ptr(), bit, on)

    def count(self):
        """Number of set bits."""
        return bits_count(self.ptr(), len(self.data))

    def count_range(self, uint64_t first, uint64_t last):
        """Set bits among first..last (inclusive, existing)."""
        if last >> 3 >= len(self.data):
            raise IndexError(last)
        return bits_count_range(self.ptr(), first, last)

    def pos(self, bint bit):
        """First bit of that value or -1."""
        return bits_pos(self.ptr(), len(self.data), bit)

    def pos_range(self, uint64_t first, uint64_t last, bint bit):
        """First bit of that value among first..last, or -1."""
        if last >> 3 >= len(self.data):
            raise IndexError(last)
        return bits_pos_range(self.ptr(), first, last, bit)

    def get_unsigned(self, uint64_t offset, int width):
        """Field of 1..64 bits."""
        return bits_get_unsigned(self.ptr(), len(self.data), offset, width)

    def get_signed(self, uint64_t offset, int width):
        """Field of 1..64 bits in two's complement."""
        return bits_get_signed(self.ptr(), len(self.data), offset, width)

    def put(self, uint64_t offset, int width, v):
        """Store the low bits of v in an existing field."""
        if (offset + width + 7) >> 3 > len(self.data):
            raise IndexError(offset)
        bits_put(self.ptr(), offset, width, v & 0xFFFFFFFFFFFFFFFF)


def bitop(str name, list sources):
    """BITOP's result over byte strings: as long as the longest."""
    cdef Slice slices[64]
    cdef size_t i
    cdef bytes s
    cdef BitOp op = OPS[name]
    if not 1 <= len(sources) <= 64:
        raise ValueError("1 to 64 sources")
    for i in range(len(sources)):
        s = sources[i]
        slices[i].ptr = s
        slices[i].len = len(s)
    out = bytearray(max(map(len, sources)))
    bits_op(op, slices, len(sources), <uint8_t*><char*>out, len(out))
    return bytes(out)


def field_add(bint signed, value, int64_t incr, int width, str policy):
    """(direction of overflow, result or None when it failed) of value + incr in a field."""
    cdef uint64_t u = 0
    cdef int64_t i = 0
    cdef int way
    if signed:
        way = bits_add_signed(value, incr, width, POLICIES[policy], &i)
        return way, None if way and policy == "FAIL" else i
    way = bits_add_unsigned(value & 0xFFFFFFFFFFFFFFFF, incr, width, POLICIES[policy], &u)
    return way, None if way and policy == "FAIL" else u


def count_portable(bytes s):
    """Set bits of whole words, by the way that needs no special instruction."""
    return bits_count_words_plain(<const uint8_t*><const char*>s, len(s) // 8)
