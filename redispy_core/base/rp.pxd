# The names of rp.h for Cython: branch hints, assertions, unaligned loads and stores.
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

cdef extern from "rp.h" nogil:
    const bint RP_DEBUG                            # a debug or sanitizer build
    bint likely "rp_likely"(bint x)
    bint unlikely "rp_unlikely"(bint x)
    void rp_prefetch(const void* p)
    int rp_clz64(uint64_t x)                       # x != 0
    int rp_ctz64(uint64_t x)                       # x != 0
    int rp_popcount64(uint64_t x)
    uint64_t rp_bswap64(uint64_t x)
    uint32_t rp_bswap32(uint32_t x)
    uint16_t rp_bswap16(uint16_t x)
    void rp_assert(bint cond)                      # impossible state: prints the place and aborts
    void rp_panic(const char* msg)
    uint64_t rp_ticks()                            # cheap monotonic counter; env_ticks_ns gives its time
    const char* RP_TICKS_NAME
    uint64_t rp_mulhi64(uint64_t a, uint64_t b)    # upper half of the 128-bit product
    uint16_t rp_load16le(const void* p)
    uint32_t rp_load32le(const void* p)
    uint64_t rp_load64le(const void* p)
    void rp_store16le(void* p, uint16_t v)
    void rp_store32le(void* p, uint32_t v)
    void rp_store64le(void* p, uint64_t v)
    uint64_t rp_load64be(const void* p)
    void rp_store64be(void* p, uint64_t v)
