"""HyperLogLog: cardinality of a set in at most 12304 bytes, standard error 0.81 % (see hll.pxd).

    "HYLL" | encoding | 3 zero bytes | cached count, 8 bytes little-endian (top bit: stale) | registers

Dense: 16384 registers of 6 bits, lowest bits first. Sparse: runs that add up to 16384 registers,
    00xxxxxx           ZERO   x+1 registers of 0 (1..64)
    01xxxxxx yyyyyyyy  XZERO  (x << 8 | y) + 1 registers of 0
    1vvvvvxx           VAL    x+1 registers (1..4) of v+1 (1..32)

An element's MurmurHash64A gives the register (14 low bits) and the rank: 1 + the zeros at the low end of the other 50.
The estimator is O. Ertl's "New cardinality estimation algorithms for HyperLogLog sketches" (2017), improved raw form.
Blobs are byte for byte Redis's after the same additions: a run is split around the register, then VALs of one value
are joined among the five runs from the one before on.
"""
from libc.math cimport INFINITY, sqrt
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove, memset
from ..base.mem cimport Mem, MemFace
from ..base.num cimport num_print_u64
from ..base.rp cimport rp_ctz64, rp_load32le, rp_load64le, rp_store64le
from ..base.sds cimport Sds, sds_append, sds_free, sds_new, sds_reserve

cdef enum:
    RANK_BITS = 50             # 64 - HLL_BITS: the largest rank is one more
    SPARSE_MAX_RANK = 32
    ZERO_MAX = 64
    VAL_MAX = 4
    JOIN_SCAN = 5

cdef enum RunKind:
    RUN_ZERO
    RUN_XZERO
    RUN_VAL

cdef struct Run:
    RunKind kind
    int size                   # bytes of the run's code
    int length                 # registers
    int value


# --- hash

cdef uint64_t murmur64a(const void* key, size_t n, uint64_t seed) noexcept nogil:
    """A. Appleby's MurmurHash2 in its 64-bit form, words little-endian."""
    cdef uint64_t mul = 0xC6A4A7935BD1E995ULL, h = seed ^ (n * mul), k
    cdef const uint8_t* p = <const uint8_t*>key
    cdef const uint8_t* end = p + (n & ~<size_t>7)
    cdef size_t i
    while p != end:
        k = rp_load64le(p) * mul
        k ^= k >> 47
        h = (h ^ (k * mul)) * mul
        p += 8
    if n & 7:
        k = 0
        for i in range(n & 7):
            k |= <uint64_t>p[i] << (8 * i)
        h = (h ^ k) * mul
    h = (h ^ (h >> 47)) * mul
    return h ^ (h >> 47)


cdef int hll_register_of(const void* ele, size_t n, int* rank) noexcept nogil:
    cdef uint64_t h = murmur64a(ele, n, 0xADC83B19ULL)
    rank[0] = 1 + rp_ctz64((h >> HLL_BITS) | (<uint64_t>1 << RANK_BITS))
    return <int>(h & (HLL_REGISTERS - 1))


# --- header

cdef Sds* hll_new(Mem* m) noexcept nogil:
    cdef Sds* s = sds_new(m, NULL, HLL_HEADER + 2)
    memcpy(s.data, b"HYLL", 4)
    s.data[4] = HLL_SPARSE
    put_zeros(<uint8_t*>s.data + HLL_HEADER, HLL_REGISTERS)
    return s                               # the cached count of an empty set is right: 0


cdef bint hll_is_valid(const char* p, size_t n) noexcept nogil:
    if n < HLL_HEADER or memcmp(p, b"HYLL", 4) != 0:
        return False
    return p[4] == HLL_SPARSE or (p[4] == HLL_DENSE and n == HLL_DENSE_SIZE)


cdef bint hll_cached(const char* p, uint64_t* out) noexcept nogil:
    cdef uint64_t v = rp_load64le(p + 8)
    if v >> 63:
        return False
    out[0] = v
    return True


cdef void hll_cache(char* p, uint64_t count) noexcept nogil:
    rp_store64le(p + 8, count)


cdef void hll_make_stale(char* p) noexcept nogil:
    p[15] |= <char>0x80


# --- dense registers

cdef inline int dense_get(const uint8_t* regs, int index) noexcept nogil:
    cdef int at = index * 6 // 8, shift = index * 6 & 7
    cdef uint32_t two = regs[at]
    if shift > 2:                          # the last register ends with the last byte, so at + 1 exists here
        two |= <uint32_t>regs[at + 1] << 8
    return (two >> shift) & 63


cdef inline void dense_set(uint8_t* regs, int index, int value) noexcept nogil:
    cdef int at = index * 6 // 8, shift = index * 6 & 7
    regs[at] = <uint8_t>((regs[at] & ~(63 << shift)) | (value << shift))
    if shift > 2:
        regs[at + 1] = <uint8_t>((regs[at + 1] & ~(63 >> (8 - shift))) | (value >> (8 - shift)))


cdef void dense_merge(uint8_t* regs, const uint8_t* p) noexcept nogil:
    """Raise one-byte registers to packed ones, three bytes to four registers."""
    cdef int i, k
    cdef uint32_t w
    cdef uint8_t v
    for i in range(0, HLL_REGISTERS, 4):
        w = p[0] | <uint32_t>p[1] << 8 | <uint32_t>p[2] << 16
        for k in range(4):
            v = (w >> (6 * k)) & 63
            regs[i + k] = v if v > regs[i + k] else regs[i + k]
        p += 3


cdef void dense_pack(uint8_t* p, const uint8_t* regs) noexcept nogil:
    cdef int i
    cdef uint32_t w
    for i in range(0, HLL_REGISTERS, 4):
        w = regs[i] | <uint32_t>regs[i + 1] << 6 | <uint32_t>regs[i + 2] << 12 | <uint32_t>regs[i + 3] << 18
        p[0] = <uint8_t>w
        p[1] = <uint8_t>(w >> 8)
        p[2] = <uint8_t>(w >> 16)
        p += 3


# --- sparse runs

cdef inline bint read_run(const uint8_t* p, const uint8_t* end, Run* r) noexcept nogil:
    """The run at p; False = none or only half of one."""
    if p >= end:
        return False
    r.size = 1
    r.value = 0
    if p[0] & 0x80:
        r.kind = RUN_VAL
        r.value = ((p[0] >> 2) & 31) + 1
        r.length = (p[0] & 3) + 1
    elif p[0] & 0x40:
        if p + 1 >= end:
            return False
        r.kind = RUN_XZERO
        r.size = 2
        r.length = ((p[0] & 63) << 8 | p[1]) + 1
    else:
        r.kind = RUN_ZERO
        r.length = (p[0] & 63) + 1
    return True


cdef inline int put_zeros(uint8_t* p, int length) noexcept nogil:
    if length <= ZERO_MAX:
        p[0] = <uint8_t>(length - 1)
        return 1
    p[0] = <uint8_t>(0x40 | ((length - 1) >> 8))
    p[1] = <uint8_t>(length - 1)
    return 2


cdef inline int put_values(uint8_t* p, int value, int length) noexcept nogil:
    p[0] = <uint8_t>(0x80 | (value - 1) << 2 | (length - 1))
    return 1


cdef inline int put_same(uint8_t* p, const Run* r, int length) noexcept nogil:
    """A piece of a run that is split; 0 = nothing left of it."""
    if length == 0:
        return 0
    return put_values(p, r.value, length) if r.kind == RUN_VAL else put_zeros(p, length)


cdef bint sparse_merge(uint8_t* regs, const uint8_t* p, const uint8_t* end) noexcept nogil:
    """Raise one-byte registers; False = the runs are not exactly all registers (some may have been raised)."""
    cdef int i = 0, k
    cdef Run r
    while p < end:
        if not read_run(p, end, &r) or i + r.length > HLL_REGISTERS:
            return False
        if r.kind == RUN_VAL:
            for k in range(i, i + r.length):
                if r.value > regs[k]:
                    regs[k] = <uint8_t>r.value
        i += r.length
        p += r.size
    return i == HLL_REGISTERS


cdef void join_values(Sds* s, size_t at) noexcept nogil:
    """Join neighbouring VALs of one value from the run at `at` on, as far as they fit into one code."""
    cdef uint8_t* p = <uint8_t*>s.data + at
    cdef uint8_t* end = <uint8_t*>s.data + s.len
    cdef int left = JOIN_SCAN
    cdef Run r, behind
    while left > 0 and read_run(p, end, &r):
        left -= 1
        if (r.kind == RUN_VAL and read_run(p + 1, end, &behind) and behind.kind == RUN_VAL
                and behind.value == r.value and r.length + behind.length <= VAL_MAX):
            put_values(p, r.value, r.length + behind.length)
            memmove(p + 1, p + 2, end - p - 2)
            end -= 1
            s.len -= 1
            continue
        p += r.size


cdef int sparse_raise(Mem* m, Sds** s, int index, int rank, size_t sparse_max) noexcept nogil:
    """hll_raise on a sparse blob; ranks above 32 and too long results make it dense."""
    cdef uint8_t* p = <uint8_t*>s[0].data + HLL_HEADER
    cdef uint8_t* end = <uint8_t*>s[0].data + s[0].len
    cdef uint8_t* before = p               # the run before the one that holds the register
    cdef uint8_t pieces[6]
    cdef int first = 0, size
    cdef size_t at
    cdef Run r
    if rank > SPARSE_MAX_RANK:
        return promote(m, s, index, rank)
    while read_run(p, end, &r) and first + r.length <= index:
        before = p
        first += r.length
        p += r.size
    if not read_run(p, end, &r):
        return HLL_CORRUPT
    if r.value >= rank:
        return 0
    size = put_same(pieces, &r, index - first)
    size += put_values(pieces + size, rank, 1)
    size += put_same(pieces + size, &r, first + r.length - 1 - index)
    if size > r.size and s[0].len + size - r.size > sparse_max:
        return promote(m, s, index, rank)
    at = before - <uint8_t*>s[0].data
    first = <int>(p - <uint8_t*>s[0].data)
    if size > r.size:
        s[0] = sds_reserve(m, s[0], size - r.size)
    p = <uint8_t*>s[0].data + first
    memmove(p + size, p + r.size, s[0].len - first - r.size)
    memcpy(p, pieces, size)
    s[0].len += size - r.size
    join_values(s[0], at)
    hll_make_stale(s[0].data)
    return 1


cdef int promote(Mem* m, Sds** s, int index, int rank) noexcept nogil:
    if not hll_to_dense(m, s):
        return HLL_CORRUPT
    return hll_raise(m, s, index, rank, 0)


# --- both encodings

cdef bint hll_to_dense(Mem* m, Sds** s) noexcept nogil:
    cdef uint8_t regs[HLL_REGISTERS]
    cdef Sds* dense
    if hll_is_dense(s[0].data):
        return True
    memset(regs, 0, HLL_REGISTERS)
    if not hll_merge(regs, s[0].data, s[0].len):
        return False
    dense = sds_new(m, NULL, HLL_DENSE_SIZE)
    memcpy(dense.data, s[0].data, HLL_HEADER)
    dense.data[4] = HLL_DENSE
    dense_pack(<uint8_t*>dense.data + HLL_HEADER, regs)
    sds_free(m, s[0])
    s[0] = dense
    return True


cdef int hll_raise(Mem* m, Sds** s, int index, int rank, size_t sparse_max) noexcept nogil:
    if not hll_is_dense(s[0].data):
        return sparse_raise(m, s, index, rank, sparse_max)
    cdef uint8_t* regs = <uint8_t*>s[0].data + HLL_HEADER
    if dense_get(regs, index) >= rank:
        return 0
    dense_set(regs, index, rank)
    hll_make_stale(s[0].data)
    return 1


cdef int hll_add(Mem* m, Sds** s, const void* ele, size_t n, size_t sparse_max) noexcept nogil:
    cdef int rank, index = hll_register_of(ele, n, &rank)
    return hll_raise(m, s, index, rank, sparse_max)


cdef bint hll_merge(uint8_t* regs, const char* p, size_t n) noexcept nogil:
    if hll_is_dense(p):
        dense_merge(regs, <const uint8_t*>p + HLL_HEADER)
        return True
    return sparse_merge(regs, <const uint8_t*>p + HLL_HEADER, <const uint8_t*>p + n)


cdef bint hll_store(Mem* m, Sds** s, const uint8_t* regs, bint dense, size_t sparse_max) noexcept nogil:
    cdef uint8_t own[HLL_REGISTERS]
    cdef int i
    if dense and not hll_to_dense(m, s):
        return False
    # Read it all first: a corrupt blob must be seen before anything changes.
    memcpy(own, regs, HLL_REGISTERS)
    if not hll_merge(own, s[0].data, s[0].len):
        return False
    for i in range(HLL_REGISTERS):
        if hll_is_dense(s[0].data):
            dense_pack(<uint8_t*>s[0].data + HLL_HEADER, own)
            break
        if regs[i]:
            sparse_raise(m, s, i, regs[i], sparse_max)
    hll_make_stale(s[0].data)
    return True


# --- estimator

cdef double sigma(double x) noexcept nogil:
    """x + sum of x^(2^k) * 2^(k-1): what the registers still at 0 contribute."""
    cdef double y = 1, z = x, before
    if x == 1:
        return INFINITY
    while True:
        x *= x
        before = z
        z += x * y
        y += y
        if z == before:
            return z


cdef double tau(double x) noexcept nogil:
    """(1 - x - sum of (1 - x^(2^-k))^2 * 2^-k) / 3: what the registers at the limit contribute."""
    cdef double y = 1, z = 1 - x, before
    if x == 0 or x == 1:
        return 0
    while True:
        x = sqrt(x)
        before = z
        y *= 0.5
        z -= (1 - x) * (1 - x) * y
        if z == before:
            return z / 3


cdef uint64_t estimate(const int* histogram) noexcept nogil:
    """Cardinality from the numbers of registers of each value (64 of them)."""
    cdef double m = HLL_REGISTERS, z, e
    cdef int k
    z = m * tau((m - histogram[RANK_BITS + 1]) / m)
    for k in range(RANK_BITS, 0, -1):
        z = (z + histogram[k]) * 0.5
    z += m * sigma(histogram[0] / m)
    e = 0.721347520444481703680 * m * m / z           # 1 / (2 ln 2)
    if e >= 9223372036854775807.0:                    # only a forged blob; compat: this is what the division yields
        return <uint64_t>1 << 63
    return <uint64_t>(e + 0.5)


cdef uint64_t hll_count_registers(const uint8_t* regs) noexcept nogil:
    cdef int histogram[4][64]
    cdef int i, k
    # Four tables, so that equal neighbours don't wait for one another's store.
    memset(histogram, 0, sizeof(histogram))
    for i in range(0, HLL_REGISTERS, 4):
        for k in range(4):
            histogram[k][regs[i + k] & 63] += 1
    for i in range(64):
        histogram[0][i] += histogram[1][i] + histogram[2][i] + histogram[3][i]
    return estimate(histogram[0])


cdef bint hll_count(const char* p, size_t n, uint64_t* out) noexcept nogil:
    cdef uint8_t regs[HLL_REGISTERS]
    cdef int histogram[64]
    cdef const uint8_t* q = <const uint8_t*>p + HLL_HEADER
    cdef const uint8_t* end = <const uint8_t*>p + n
    cdef int total = 0
    cdef Run r
    if hll_is_dense(p):
        memset(regs, 0, HLL_REGISTERS)
        dense_merge(regs, q)
        out[0] = hll_count_registers(regs)
        return True
    memset(histogram, 0, sizeof(histogram))
    while q < end:
        if not read_run(q, end, &r) or total + r.length > HLL_REGISTERS:
            return False
        histogram[r.value] += r.length
        total += r.length
        q += r.size
    if total != HLL_REGISTERS:
        return False
    out[0] = estimate(histogram)
    return True


# --- debugging

cdef Sds* hll_describe(Mem* m, const char* p, size_t n) noexcept nogil:
    cdef Sds* out = sds_new(m, NULL, 0)
    cdef const uint8_t* q = <const uint8_t*>p + HLL_HEADER
    cdef const uint8_t* end = <const uint8_t*>p + n
    cdef char text[64]
    cdef int size
    cdef Run r
    while read_run(q, end, &r):
        size = 0
        if out.len:
            text[0] = c' '
            size = 1
        text[size] = c'v' if r.kind == RUN_VAL else c'Z' if r.kind == RUN_XZERO else c'z'
        text[size + 1] = c':'
        size += 2
        if r.kind == RUN_VAL:
            size += num_print_u64(text + size, r.value)
            text[size] = c','
            size += 1
        size += num_print_u64(text + size, r.length)
        out = sds_append(m, out, text, size)
        q += r.size
    return out


# --- Python face for tests

cdef class HllFace:
    """A HyperLogLog for tests. Corrupt blobs raise ValueError."""
    cdef MemFace memory
    cdef Sds* s
    cdef public size_t sparse_max

    def __init__(self, MemFace memory, size_t sparse_max=3000, blob=None):
        self.memory = memory
        self.sparse_max = sparse_max
        if blob is None:
            self.s = hll_new(&memory.mem)
            return
        if not hll_is_valid(blob, len(blob)):
            raise ValueError("not a HyperLogLog")
        self.s = sds_new(&memory.mem, blob, len(blob))

    def __dealloc__(self):
        if self.memory is not None:
            sds_free(&self.memory.mem, self.s)

    def __bytes__(self):
        return (<char*>self.s.data)[:self.s.len]

    @property
    def dense(self):
        return bool(hll_is_dense(self.s.data))

    def add(self, bytes ele):
        """Did a register rise?"""
        return self._checked(hll_add(&self.memory.mem, &self.s, <const char*>ele, len(ele), self.sparse_max))

    def raise_register(self, int index, int rank):
        """Set one register (0..16383) to at least rank (1..51); did it rise?"""
        return self._checked(hll_raise(&self.memory.mem, &self.s, index, rank, self.sparse_max))

    def _checked(self, int result):
        if result == HLL_CORRUPT:
            raise ValueError("corrupt HyperLogLog")
        return bool(result)

    def to_dense(self):
        """Change the encoding."""
        if not hll_to_dense(&self.memory.mem, &self.s):
            raise ValueError("corrupt HyperLogLog")

    def registers(self):
        """The 16384 registers, a byte each."""
        cdef uint8_t regs[HLL_REGISTERS]
        memset(regs, 0, HLL_REGISTERS)
        if not hll_merge(regs, self.s.data, self.s.len):
            raise ValueError("corrupt HyperLogLog")
        return (<char*>regs)[:HLL_REGISTERS]

    def store(self, bytes regs, bint dense=False):
        """Raise all registers to those given."""
        assert len(regs) == HLL_REGISTERS
        if not hll_store(&self.memory.mem, &self.s, <const uint8_t*><const char*>regs, dense, self.sparse_max):
            raise ValueError("corrupt HyperLogLog")

    def count(self):
        """Estimate; fills the cache."""
        cdef uint64_t v
        if not hll_cached(self.s.data, &v):
            if not hll_count(self.s.data, self.s.len, &v):
                raise ValueError("corrupt HyperLogLog")
            hll_cache(self.s.data, v)
        return v

    def cached(self):
        """The cached count or None when it is stale."""
        cdef uint64_t v
        return v if hll_cached(self.s.data, &v) else None

    def describe(self):
        """Text of the sparse runs."""
        cdef Sds* text = hll_describe(&self.memory.mem, self.s.data, self.s.len)
        try:
            return (<char*>text.data)[:text.len]
        finally:
            sds_free(&self.memory.mem, text)

    def check(self):
        """Invariants: a valid header, runs that add up, neighbours joined only within the limits, room."""
        assert hll_is_valid(self.s.data, self.s.len)
        assert self.s.len <= self.s.cap
        assert self.dense or self.s.len <= max(self.sparse_max, 18)
        assert max(self.registers()) <= RANK_BITS + 1


def count_registers(bytes regs):
    """Estimate from 16384 one-byte registers."""
    assert len(regs) == HLL_REGISTERS
    return hll_count_registers(<const uint8_t*><const char*>regs)


def register_of(bytes ele):
    """(register, rank) of an element."""
    cdef int rank, index = hll_register_of(<const char*>ele, len(ele), &rank)
    return index, rank
