# HyperLogLog in Redis's byte form, held in a growable string. A blob may come from a client: wherever it turns out to
# be corrupt (sparse runs that don't add up to all registers), the function says so and has changed nothing.
from libc.stdint cimport int64_t, uint8_t, uint64_t
from ..base.mem cimport Mem
from ..base.sds cimport Sds

cdef enum:
    HLL_BITS = 14                          # of the hash that choose the register
    HLL_REGISTERS = 16384
    HLL_HEADER = 16
    HLL_DENSE_SIZE = 12304                 # header and 16384 registers of 6 bits
    HLL_DENSE = 0                          # encodings: byte 4 of the blob
    HLL_SPARSE = 1
    HLL_CORRUPT = -1

cdef Sds* hll_new(Mem* m) noexcept nogil                                # O(1) empty, sparse, owned by the caller
cdef bint hll_is_valid(const char* p, size_t n) noexcept nogil          # O(1) magic, encoding, size of a dense one
cdef inline bint hll_is_dense(const char* p) noexcept nogil:
    return p[4] == HLL_DENSE

# Of an element: its register, and in rank what the register must hold at least.
cdef int hll_register_of(const void* ele, size_t n, int* rank) noexcept nogil
# 1 = a register rose (the cached count is then marked stale), 0 = none, HLL_CORRUPT. May move *s, may make it dense:
# when the whole blob would outgrow sparse_max bytes or a rank exceeds 32. Dense O(1), sparse O(size).
cdef int hll_add(Mem* m, Sds** s, const void* ele, size_t n, size_t sparse_max) noexcept nogil
cdef int hll_raise(Mem* m, Sds** s, int index, int rank, size_t sparse_max) noexcept nogil   # the same for a register
cdef bint hll_to_dense(Mem* m, Sds** s) noexcept nogil                  # O(registers); moves *s; False = corrupt

# Raise each of regs[16384] to what the blob holds; False = corrupt.
cdef bint hll_merge(uint8_t* regs, const char* p, size_t n) noexcept nogil
# Raise the registers of *s to regs; `dense`: make it dense first. Marks the cached count stale. False = corrupt.
cdef bint hll_store(Mem* m, Sds** s, const uint8_t* regs, bint dense, size_t sparse_max) noexcept nogil

cdef bint hll_count(const char* p, size_t n, uint64_t* out) noexcept nogil  # O(registers); False = corrupt
cdef uint64_t hll_count_registers(const uint8_t* regs) noexcept nogil           # O(registers) of one byte each
cdef bint hll_cached(const char* p, uint64_t* out) noexcept nogil               # O(1); False = stale
cdef void hll_cache(char* p, uint64_t count) noexcept nogil                     # O(1)
cdef void hll_make_stale(char* p) noexcept nogil                                # O(1)
# Text of a sparse blob's runs, "Z:7292 v:1,1 z:64" as PFDEBUG DECODE answers; owned by the caller; stops at a cut run.
cdef Sds* hll_describe(Mem* m, const char* p, size_t n) noexcept nogil
