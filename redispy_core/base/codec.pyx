"""Checksums, hashes and LZF (see codec.pxd).

Sources: CRC-16/XMODEM and CRC-64/Jones by their catalogued parameters. CRC-64 takes eight bytes a step through eight
tables; long texts are first folded to 16 bytes by carry-less multiplication where the processor has it (Gopal et al.,
"Fast CRC computation for generic polynomials using PCLMULQDQ instruction"). SHA-1 and SHA-256 as FIPS 180-4 defines them; SipHash-1-3 after Aumasson and Bernstein, "SipHash: a fast
short-input PRF". Tables and round constants are computed at import.

LZF blocks are a sequence of
    000LLLLL                       L+1 literal bytes follow
    LLLooooo o2                    copy L+2 bytes (L = 1..6) from (ooooo<<8 | o2) + 1 bytes back
    111ooooo L2 o2                 copy L2+9 bytes, likewise
The compressor chooses matches and gives up exactly where Redis's writer does, so that equal values have equal dumps.
Its table of positions belongs to the thread. Positions go on counting from call to call, so that what stands there of
earlier texts is below every position of this one, and nothing has to be cleared.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from .rp cimport likely, rp_bswap32, rp_ctz64, rp_load32le, rp_load64le, rp_store64be, unlikely

cdef extern from *:
    """
    static __thread uint32_t lzf_table[65536];
    static __thread uint32_t lzf_base;          /* above every position in the table */
    #define codec_rotl32(x, n) (((uint32_t)(x) << (n)) | ((uint32_t)(x) >> (32 - (n))))
    /* A round each; callers turn the names round instead of the values. */
    #define SHA1_ROUND(a, b, c, d, e, f, w) do { \\
        e += codec_rotl32(a, 5) + (f) + (w); b = codec_rotl32(b, 30); } while (0)
    #define SHA256_ROUND(a, b, c, d, e, f, g, h, w) do { \\
        h += (codec_rotl32(e, 26) ^ codec_rotl32(e, 21) ^ codec_rotl32(e, 7)) + (g ^ (e & (f ^ g))) + (w); d += h; \\
        h += (codec_rotl32(a, 30) ^ codec_rotl32(a, 19) ^ codec_rotl32(a, 10)) + ((a & b) | (c & (a | b))); } while (0)
    #define codec_rotl64(x, n) (((uint64_t)(x) << (n)) | ((uint64_t)(x) >> (64 - (n))))
    #define SIP_ROUND(a, b, c, d) do { \\
        a += b; c += d; b = codec_rotl64(b, 13) ^ a; d = codec_rotl64(d, 16) ^ c; a = codec_rotl64(a, 32); \\
        c += b; a += d; b = codec_rotl64(b, 17) ^ c; d = codec_rotl64(d, 21) ^ a; c = codec_rotl64(c, 32); } while (0)
    #if defined(__x86_64__)
    #include <immintrin.h>
    __attribute__((target("pclmul,sse4.1")))
    static inline __m128i crc64_fold1(__m128i v, __m128i k, __m128i next) {
        return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(v, k, 0x00), _mm_clmulepi64_si128(v, k, 0x11)), next);
    }
    /* Folds n bytes (a multiple of 64, at least 128), begun with crc, to 16 bytes with the same checksum from 0.
       k: multipliers that move the halves of a block 64 bytes on, then 16. */
    __attribute__((target("pclmul,sse4.1")))
    static void crc64_fold(uint64_t crc, const uint8_t *p, size_t n, const uint64_t *k, uint8_t *out) {
        const __m128i *q = (const __m128i *)p;
        const __m128i far = _mm_loadu_si128((const __m128i *)k), near = _mm_loadu_si128((const __m128i *)(k + 2));
        __m128i a = _mm_xor_si128(_mm_loadu_si128(q), _mm_cvtsi64_si128((long long)crc));
        __m128i b = _mm_loadu_si128(q + 1), c = _mm_loadu_si128(q + 2), d = _mm_loadu_si128(q + 3);
        for (q += 4, n -= 64; n >= 64; q += 4, n -= 64) {
            a = crc64_fold1(a, far, _mm_loadu_si128(q));
            b = crc64_fold1(b, far, _mm_loadu_si128(q + 1));
            c = crc64_fold1(c, far, _mm_loadu_si128(q + 2));
            d = crc64_fold1(d, far, _mm_loadu_si128(q + 3));
        }
        b = crc64_fold1(a, near, b);
        c = crc64_fold1(b, near, c);
        d = crc64_fold1(c, near, d);
        _mm_storeu_si128((__m128i *)out, d);
    }
    static int crc64_can_fold(void) { return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1"); }
    #else
    static void crc64_fold(uint64_t crc, const uint8_t *p, size_t n, const uint64_t *k, uint8_t *out) { }
    static int crc64_can_fold(void) { return 0; }
    #endif
    """
    uint32_t lzf_table[65536]
    uint32_t lzf_base
    void crc64_fold(uint64_t crc, const uint8_t* p, size_t n, const uint64_t* k, uint8_t* out) nogil
    bint crc64_can_fold() nogil
    uint32_t codec_rotl32(uint32_t x, int n) nogil
    void SHA1_ROUND(uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e, uint32_t f, uint32_t w) nogil
    void SHA256_ROUND(uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e, uint32_t f, uint32_t g, uint32_t h,
                      uint32_t w) nogil
    void SIP_ROUND(uint64_t a, uint64_t b, uint64_t c, uint64_t d) nogil

cdef enum:
    CRC64_FOLD_MIN = 256                # shorter texts are not worth folding
    LZF_HASH_SIZE = 65536
    LZF_MAX_DISTANCE = 8192
    LZF_MAX_LENGTH = 264
    LZF_MAX_LITERAL = 32
    LZF_MAX_TEXT = 0xFFFF0000
    SHA_BLOCK = 64

# Tables, written once at import and never after.
cdef uint16_t CRC16[256]
cdef uint64_t CRC64[8][256]
cdef uint64_t CRC64_FOLD[4]
cdef bint can_fold
cdef uint32_t SHA256_K[64]
cdef uint32_t SHA256_START[8]


# --- checksums

cdef uint16_t crc16(const char* s, size_t n) noexcept nogil:
    cdef uint16_t crc = 0
    cdef size_t i
    for i in range(n):
        crc = <uint16_t>(crc << 8) ^ CRC16[(crc >> 8) ^ <uint8_t>s[i]]
    return crc


cdef int key_slot(const char* key, size_t n) noexcept nogil:
    # Only what lies between the first '{' and the first '}' behind it is hashed, if that is not empty.
    cdef size_t i = 0, j
    while i < n and key[i] != c'{':
        i += 1
    if i < n:
        j = i + 1
        while j < n and key[j] != c'}':
            j += 1
        if j < n and j > i + 1:
            return crc16(key + i + 1, j - i - 1) & 16383
    return crc16(key, n) & 16383


cdef uint64_t crc64_by_table(uint64_t crc, const uint8_t* p, size_t n) noexcept nogil:
    while n >= 8:
        crc ^= rp_load64le(p)
        crc = (CRC64[7][crc & 255] ^ CRC64[6][(crc >> 8) & 255] ^ CRC64[5][(crc >> 16) & 255]
               ^ CRC64[4][(crc >> 24) & 255] ^ CRC64[3][(crc >> 32) & 255] ^ CRC64[2][(crc >> 40) & 255]
               ^ CRC64[1][(crc >> 48) & 255] ^ CRC64[0][crc >> 56])
        p += 8
        n -= 8
    while n:
        crc = CRC64[0][(crc ^ p[0]) & 255] ^ (crc >> 8)
        p += 1
        n -= 1
    return crc


cdef uint64_t crc64(uint64_t crc, const void* s, size_t n) noexcept nogil:
    cdef const uint8_t* p = <const uint8_t*>s
    cdef uint8_t folded[16]
    cdef size_t most
    if n >= CRC64_FOLD_MIN and can_fold:
        most = n & ~<size_t>63
        crc64_fold(crc, p, most, CRC64_FOLD, folded)
        crc = crc64_by_table(0, folded, 16)
        p += most
        n -= most
    return crc64_by_table(crc, p, n)


# --- SHA

ctypedef void (*sha_block_fn)(uint32_t* state, const uint8_t* p) noexcept nogil


cdef inline uint32_t load32be(const uint8_t* p) noexcept nogil:
    return rp_bswap32(rp_load32le(p))


cdef inline void store32be(uint8_t* p, uint32_t v) noexcept nogil:
    p[0] = <uint8_t>(v >> 24)
    p[1] = <uint8_t>(v >> 16)
    p[2] = <uint8_t>(v >> 8)
    p[3] = <uint8_t>v


cdef inline uint32_t choose(uint32_t x, uint32_t y, uint32_t z) noexcept nogil:
    return (z ^ (x & (y ^ z))) + 0x5A827999U


cdef inline uint32_t parity(uint32_t x, uint32_t y, uint32_t z) noexcept nogil:
    return x ^ y ^ z


cdef inline uint32_t majority(uint32_t x, uint32_t y, uint32_t z) noexcept nogil:
    return ((x & y) | (z & (x | y))) + 0x8F1BBCDCU


cdef void sha1_block(uint32_t* state, const uint8_t* p) noexcept nogil:
    cdef uint32_t w[80]
    cdef uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], k
    cdef int i
    for i in range(16):
        w[i] = load32be(p + 4 * i)
    for i in range(16, 80):
        w[i] = codec_rotl32(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1)
    for i in range(0, 20, 5):
        SHA1_ROUND(a, b, c, d, e, choose(b, c, d), w[i])
        SHA1_ROUND(e, a, b, c, d, choose(a, b, c), w[i + 1])
        SHA1_ROUND(d, e, a, b, c, choose(e, a, b), w[i + 2])
        SHA1_ROUND(c, d, e, a, b, choose(d, e, a), w[i + 3])
        SHA1_ROUND(b, c, d, e, a, choose(c, d, e), w[i + 4])
    for i in range(20, 80, 5):
        if i >= 40 and i < 60:
            SHA1_ROUND(a, b, c, d, e, majority(b, c, d), w[i])
            SHA1_ROUND(e, a, b, c, d, majority(a, b, c), w[i + 1])
            SHA1_ROUND(d, e, a, b, c, majority(e, a, b), w[i + 2])
            SHA1_ROUND(c, d, e, a, b, majority(d, e, a), w[i + 3])
            SHA1_ROUND(b, c, d, e, a, majority(c, d, e), w[i + 4])
            continue
        k = 0x6ED9EBA1U if i < 40 else 0xCA62C1D6U
        SHA1_ROUND(a, b, c, d, e, parity(b, c, d) + k, w[i])
        SHA1_ROUND(e, a, b, c, d, parity(a, b, c) + k, w[i + 1])
        SHA1_ROUND(d, e, a, b, c, parity(e, a, b) + k, w[i + 2])
        SHA1_ROUND(c, d, e, a, b, parity(d, e, a) + k, w[i + 3])
        SHA1_ROUND(b, c, d, e, a, parity(c, d, e) + k, w[i + 4])
    state[0] += a
    state[1] += b
    state[2] += c
    state[3] += d
    state[4] += e


cdef void sha256_block(uint32_t* state, const uint8_t* p) noexcept nogil:
    cdef uint32_t w[64]
    cdef uint32_t a = state[0], b = state[1], c = state[2], d = state[3]
    cdef uint32_t e = state[4], f = state[5], g = state[6], h = state[7], s0, s1
    cdef int i
    for i in range(16):
        w[i] = load32be(p + 4 * i)
    for i in range(16, 64):
        s0 = codec_rotl32(w[i - 15], 25) ^ codec_rotl32(w[i - 15], 14) ^ (w[i - 15] >> 3)
        s1 = codec_rotl32(w[i - 2], 15) ^ codec_rotl32(w[i - 2], 13) ^ (w[i - 2] >> 10)
        w[i] = w[i - 16] + s0 + w[i - 7] + s1
    for i in range(0, 64, 8):
        SHA256_ROUND(a, b, c, d, e, f, g, h, w[i] + SHA256_K[i])
        SHA256_ROUND(h, a, b, c, d, e, f, g, w[i + 1] + SHA256_K[i + 1])
        SHA256_ROUND(g, h, a, b, c, d, e, f, w[i + 2] + SHA256_K[i + 2])
        SHA256_ROUND(f, g, h, a, b, c, d, e, w[i + 3] + SHA256_K[i + 3])
        SHA256_ROUND(e, f, g, h, a, b, c, d, w[i + 4] + SHA256_K[i + 4])
        SHA256_ROUND(d, e, f, g, h, a, b, c, w[i + 5] + SHA256_K[i + 5])
        SHA256_ROUND(c, d, e, f, g, h, a, b, w[i + 6] + SHA256_K[i + 6])
        SHA256_ROUND(b, c, d, e, f, g, h, a, w[i + 7] + SHA256_K[i + 7])
    state[0] += a
    state[1] += b
    state[2] += c
    state[3] += d
    state[4] += e
    state[5] += f
    state[6] += g
    state[7] += h


cdef void sha_run(sha_block_fn block, uint32_t* state, const void* s, size_t n) noexcept nogil:
    """All blocks of s and the padding: 0x80, zeros, the length in bits."""
    cdef const uint8_t* p = <const uint8_t*>s
    cdef uint8_t tail[2 * SHA_BLOCK]
    cdef size_t left = n % SHA_BLOCK, i
    for i in range(n // SHA_BLOCK):
        block(state, p)
        p += SHA_BLOCK
    memset(tail, 0, sizeof(tail))
    if left:
        memcpy(tail, p, left)
    tail[left] = 0x80
    i = SHA_BLOCK if left < SHA_BLOCK - 8 else 2 * SHA_BLOCK
    rp_store64be(tail + i - 8, <uint64_t>n << 3)
    block(state, tail)
    if i > SHA_BLOCK:
        block(state, tail + SHA_BLOCK)


cdef void sha1(const void* s, size_t n, uint8_t* out20) noexcept nogil:
    cdef uint32_t state[5]
    cdef int i
    state[0] = 0x67452301U
    state[1] = 0xEFCDAB89U
    state[2] = 0x98BADCFEU
    state[3] = 0x10325476U
    state[4] = 0xC3D2E1F0U
    sha_run(sha1_block, state, s, n)
    for i in range(5):
        store32be(out20 + 4 * i, state[i])


cdef void sha1_hex(const void* s, size_t n, char* out40) noexcept nogil:
    cdef uint8_t raw[20]
    cdef const char* digits = b"0123456789abcdef"
    cdef int i
    sha1(s, n, raw)
    for i in range(20):
        out40[2 * i] = digits[raw[i] >> 4]
        out40[2 * i + 1] = digits[raw[i] & 15]


cdef void sha256(const void* s, size_t n, uint8_t* out32) noexcept nogil:
    cdef uint32_t state[8]
    cdef int i
    memcpy(state, SHA256_START, 32)
    sha_run(sha256_block, state, s, n)
    for i in range(8):
        store32be(out32 + 4 * i, state[i])


# --- SipHash

cdef inline uint64_t lower8(uint64_t x) noexcept nogil:
    """ASCII-lowercase of eight bytes at once."""
    cdef uint64_t low7 = x & 0x7F7F7F7F7F7F7F7FULL
    cdef uint64_t from_a = low7 + 0x3F3F3F3F3F3F3F3FULL         # top bit: byte >= 'A'
    cdef uint64_t past_z = low7 + 0x2525252525252525ULL         # top bit: byte > 'Z'
    return x | (((from_a ^ past_z) & ~x & 0x8080808080808080ULL) >> 2)


cdef inline uint64_t load_tail(const uint8_t* p, size_t left, size_t n) noexcept nogil:
    """The last left (0..7) bytes of n as the low bytes of a word; loads overlap, none goes outside the text."""
    if left == 0:
        return 0
    if n >= 8:
        return rp_load64le(p + left - 8) >> (8 * (8 - left))
    if left >= 4:
        return rp_load32le(p) | (<uint64_t>rp_load32le(p + left - 4) << (8 * (left - 4)))
    return (p[0] | (<uint64_t>p[left >> 1] << (8 * (left >> 1)))
            | (<uint64_t>p[left - 1] << (8 * (left - 1))))


cdef inline uint64_t siphash(const uint8_t* p, size_t n, const uint64_t* seed, bint nocase) noexcept nogil:
    cdef uint64_t a = seed[0] ^ 0x736F6D6570736575ULL, b = seed[1] ^ 0x646F72616E646F6DULL
    cdef uint64_t c = seed[0] ^ 0x6C7967656E657261ULL, d = seed[1] ^ 0x7465646279746573ULL, m
    cdef size_t left = n & 7
    cdef const uint8_t* end = p + (n - left)
    while p != end:
        m = rp_load64le(p)
        if nocase:
            m = lower8(m)
        d ^= m
        SIP_ROUND(a, b, c, d)
        a ^= m
        p += 8
    m = load_tail(p, left, n)
    if nocase:
        m = lower8(m)
    m |= <uint64_t>n << 56
    d ^= m
    SIP_ROUND(a, b, c, d)
    a ^= m
    c ^= 0xFF
    SIP_ROUND(a, b, c, d)
    SIP_ROUND(a, b, c, d)
    SIP_ROUND(a, b, c, d)
    return a ^ b ^ c ^ d


cdef uint64_t siphash13(const void* s, size_t n, const uint64_t* seed2) noexcept nogil:
    return siphash(<const uint8_t*>s, n, seed2, False)


cdef uint64_t siphash13_nocase(const void* s, size_t n, const uint64_t* seed2) noexcept nogil:
    return siphash(<const uint8_t*>s, n, seed2, True)


# --- LZF

cdef inline uint32_t lzf_head(const uint8_t* p) noexcept nogil:
    return <uint32_t>p[0] << 16 | <uint32_t>p[1] << 8 | p[2]


cdef inline uint32_t lzf_index(uint32_t head) noexcept nogil:
    return ((head >> 8) - 5 * head) & (LZF_HASH_SIZE - 1)


cdef inline size_t lzf_match(const uint8_t* ref, const uint8_t* p, const uint8_t* end) noexcept nogil:
    """Length of the match, of which three bytes are known."""
    cdef size_t limit = <size_t>(end - p) - 2, length = 3
    cdef uint64_t differ
    if limit > LZF_MAX_LENGTH:
        limit = LZF_MAX_LENGTH
    if limit == 17 or limit == 18:         # compat: Redis's writer looks a little further here
        limit = 19
    while length + 8 <= limit:
        differ = rp_load64le(ref + length) ^ rp_load64le(p + length)
        if differ:
            return length + (rp_ctz64(differ) >> 3)
        length += 8
    while length < limit and ref[length] == p[length]:
        length += 1
    return length


cdef inline uint8_t* lzf_put_literals(uint8_t* out, const uint8_t* p, size_t n) noexcept nogil:
    """Writes up to 32 literals; n may be 0."""
    if n:
        out[0] = <uint8_t>(n - 1)
        memcpy(out + 1, p, n)
        out += n + 1
    return out


cdef inline uint8_t* lzf_put_copy(uint8_t* out, size_t back, size_t length) noexcept nogil:
    """Writes a copy of `length` bytes from back + 1 bytes before."""
    length -= 2
    if length < 7:
        out[0] = <uint8_t>((back >> 8) + (length << 5))
        out[1] = <uint8_t>back
        return out + 2
    out[0] = <uint8_t>((back >> 8) + (7 << 5))
    out[1] = <uint8_t>(length - 7)
    out[2] = <uint8_t>back
    return out + 3


cdef size_t lzf_scan(const uint8_t* src, size_t n, uint8_t* dst, size_t cap, uint32_t base) noexcept nogil:
    """Compresses; 0 = does not fit. The table gets base + i for a position i of src; ends where less than three bytes
    are left."""
    cdef const uint8_t* p = src
    cdef const uint8_t* end = src + n
    cdef const uint8_t* last = end - 2 if n > 2 else src    # no position from here on can begin a match
    cdef const uint8_t* literals = src              # those not yet written begin here, 32 at most
    cdef const uint8_t* full                        # where they are 32
    cdef const uint8_t* stop
    cdef uint8_t* out = dst
    cdef uint8_t* limit = dst + cap
    cdef uint32_t head = 0, distance = 0, slot, at
    cdef size_t length
    if n > 2:
        head = <uint32_t>p[0] << 8 | p[1]
    while p < last:
        full = literals + LZF_MAX_LITERAL
        stop = full if full < last else last
        if limit - out - 1 < stop - literals:       # as a literal, the byte there and those behind do not fit
            stop = literals + (limit - out - 1) if limit > out else literals
        while True:
            if p >= stop:
                if stop == full or stop == last:
                    break
                # Only a match helps, and it would need more room than a literal does.
                return 0
            head = (head << 8 | p[2]) & 0xFFFFFF
            slot = lzf_index(head)
            at = base + <uint32_t>(p - src)
            distance = at - lzf_table[slot]
            lzf_table[slot] = at
            # Less than at - base: within this text, and not its first position. (compat: Redis's writer never uses it.)
            if distance <= LZF_MAX_DISTANCE and distance < at - base and lzf_head(p - distance) == head:
                break
            p += 1
        if p >= stop:
            if stop == full:
                out = lzf_put_literals(out, literals, LZF_MAX_LITERAL)
                literals = p
            continue
        length = p - literals
        if out + length + (length != 0) + 4 >= limit:
            return 0
        out = lzf_put_literals(out, literals, length)
        length = lzf_match(p - distance, p, end)
        out = lzf_put_copy(out, distance - 1, length)
        p += length
        literals = p
        if p < last:
            lzf_table[lzf_index(lzf_head(p - 2))] = base + <uint32_t>(p - 2 - src)
            lzf_table[lzf_index(lzf_head(p - 1))] = base + <uint32_t>(p - 1 - src)
            head = <uint32_t>p[0] << 8 | p[1]
    if out + 1 + (p - literals) + 3 > limit:
        return 0
    while end - literals >= LZF_MAX_LITERAL:
        out = lzf_put_literals(out, literals, LZF_MAX_LITERAL)
        literals += LZF_MAX_LITERAL
    return lzf_put_literals(out, literals, end - literals) - dst


cdef size_t lzf_compress(const void* src, size_t n, void* dst, size_t cap) noexcept nogil:
    global lzf_base
    cdef uint32_t base = lzf_base
    if n == 0 or n > LZF_MAX_TEXT:
        return 0
    if base == 0 or base > <uint32_t>-1 - <uint32_t>n:      # the thread's first, or positions come to their end
        memset(lzf_table, 0, sizeof(lzf_table))
        base = LZF_MAX_DISTANCE + 1                         # farther from 0 than a match reaches
    lzf_base = base + <uint32_t>n
    return lzf_scan(<const uint8_t*>src, n, <uint8_t*>dst, cap, base)


cdef size_t lzf_decompress(const void* src, size_t n, void* dst, size_t cap) noexcept nogil:
    cdef const uint8_t* p = <const uint8_t*>src
    cdef const uint8_t* end = p + n
    cdef uint8_t* out = <uint8_t*>dst
    cdef size_t o = 0, length, back, i
    cdef uint8_t control
    while p < end:
        control = p[0]
        p += 1
        if control < LZF_MAX_LITERAL:
            length = control + 1
            if unlikely(<size_t>(end - p) < length or cap - o < length):
                return 0
            memcpy(out + o, p, length)
            p += length
            o += length
            continue
        length = control >> 5
        if length == 7:
            if unlikely(p == end):
                return 0
            length += p[0]
            p += 1
        if unlikely(p == end):
            return 0
        back = (<size_t>(control & 31) << 8 | p[0]) + 1
        p += 1
        length += 2
        if unlikely(back > o or cap - o < length):
            return 0
        if likely(back >= length):
            memcpy(out + o, out + o - back, length)
        else:
            for i in range(length):
                out[o + i] = out[o + i - back]
        o += length
    return o


# --- tables

def _fraction_bits(n, root):
    """First 32 bits of the fraction of n's square (2) or cube (3) root, by integer bisection."""
    low, high = 0, 1 << 40
    while high - low > 1:
        mid = (low + high) // 2
        if mid ** root <= n << (32 * root):
            low = mid
        else:
            high = mid
    return low & 0xFFFFFFFF


def _build_tables():
    global can_fold
    cdef int i, j
    cdef uint16_t a
    cdef uint64_t b
    for i in range(256):
        a = <uint16_t>(i << 8)
        b = i
        for j in range(8):
            a = <uint16_t>((a << 1) ^ (0x1021 if a & 0x8000 else 0))
            b = (b >> 1) ^ (0x95AC9329AC4BC9B5ULL if b & 1 else 0)
        CRC16[i] = a
        CRC64[0][i] = b
    for i in range(256):
        for j in range(1, 8):
            b = CRC64[j - 1][i]
            CRC64[j][i] = CRC64[0][b & 255] ^ (b >> 8)
    # Multipliers x**(bits - 1) mod P, bits reflected: 64 and 16 bytes on, the half that lies ahead first.
    for i, bits in enumerate((512 + 64, 512, 128 + 64, 128)):
        b = 1ULL << 63                              # 1
        for j in range(bits - 1):
            b = (b >> 1) ^ (0x95AC9329AC4BC9B5ULL if b & 1 else 0)
        CRC64_FOLD[i] = b
    can_fold = crc64_can_fold()
    primes = [n for n in range(2, 312) if all(n % d for d in range(2, n))]
    for i in range(64):
        SHA256_K[i] = _fraction_bits(primes[i], 3)
    for i in range(8):
        SHA256_START[i] = _fraction_bits(primes[i], 2)


_build_tables()


# --- Python face, for tests and the Python side (ACL passwords, payloads, slots)

def crc16_of(bytes s):
    """CRC-16/XMODEM of s."""
    return crc16(s, len(s))


def slot_of(bytes key):
    """Cluster slot of a key, 0..16383."""
    return key_slot(key, len(key))


def crc64_of(bytes s, uint64_t crc=0):
    """CRC-64/Jones of s, continued from crc."""
    return crc64(crc, <const char*>s, len(s))


def sha1_of(bytes s):
    """SHA-1 of s, 40 hex digits as bytes."""
    cdef char buf[40]
    sha1_hex(<const char*>s, len(s), buf)
    return buf[:40]


def sha256_of(bytes s):
    """SHA-256 of s, 32 raw bytes."""
    cdef uint8_t buf[32]
    sha256(<const char*>s, len(s), buf)
    return (<char*>buf)[:32]


def siphash13_of(bytes s, uint64_t k0=0, uint64_t k1=0, bint nocase=False):
    """SipHash-1-3 of s under a 128-bit key; nocase: of its ASCII-lowercased text."""
    cdef uint64_t seed[2]
    seed[0] = k0
    seed[1] = k1
    if nocase:
        return siphash13_nocase(<const char*>s, len(s), seed)
    return siphash13(<const char*>s, len(s), seed)


def compress(bytes s, cap=None):
    """LZF block of s of at most cap bytes (default: len(s) - 4, as values are saved), or None when it does not fit."""
    cdef size_t room = max(len(s) - 4, 0) if cap is None else cap
    out = bytearray(room)
    cdef size_t n = lzf_compress(<const char*>s, len(s), <char*>out, room)
    return bytes(out[:n]) if n else None


def decompress(bytes s, size_t size):
    """The size bytes that a block stands for (ValueError when it is corrupt or stands for another number)."""
    out = bytearray(size)
    if lzf_decompress(<const char*>s, len(s), <char*>out, size) != size or size == 0:
        raise ValueError("corrupt LZF block")
    return bytes(out)
