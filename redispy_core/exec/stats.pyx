"""Counters (contract: stats.pxd). Room exec; INFO, LATENCY HISTOGRAM and CONFIG RESETSTAT read them.

The latency histogram has eight steps a power of two of nanoseconds: 12 % wide, 2 KB a command that was called.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc
from libc.string cimport memcmp, memcpy, memset
from ..base.rp cimport likely, rp_clz64
from .registry cimport HIST_SIZE, Command


cdef void stats_reset(Stats* s) noexcept nogil:
    memset(s, 0, sizeof(Stats))


cdef void stats_error(Stats* s, const char* text, size_t n) noexcept nogil:
    cdef size_t len = 0
    cdef int i
    s.errors += 1
    while len < n and text[len] != 32 and len < ERROR_CODE_MAX:
        len += 1
    for i in range(s.codes):
        if s.by_code[i].len == <int>len and memcmp(s.by_code[i].code, text, len) == 0:
            s.by_code[i].count += 1
            return
    if s.codes == ERROR_CODES:
        s.codes_full = True
        return
    memcpy(s.by_code[s.codes].code, text, len)
    s.by_code[s.codes].len = <int>len
    s.by_code[s.codes].count = 1
    s.codes += 1


cdef inline int bucket_of(uint64_t ns) noexcept nogil:
    cdef int e
    if ns < 8:
        return <int>ns
    e = 63 - rp_clz64(ns)
    return (e - 2) * 8 + <int>((ns >> (e - 3)) & 7)


cdef void stats_call(Stats* s, Command* c, int64_t ns, bint failed, bint histogram) noexcept nogil:
    s.commands += 1
    s.command_ns += ns
    c.stats.calls += 1
    c.stats.ns += ns
    c.stats.failed += failed
    if histogram:
        if c.stats.hist == NULL:
            c.stats.hist = <uint32_t*>calloc(HIST_SIZE, sizeof(uint32_t))
            if c.stats.hist == NULL:
                return
        c.stats.hist[bucket_of(ns)] += 1


cdef void stats_turn(Stats* s, int64_t ns) noexcept nogil:
    s.cycles += 1
    s.cycle_ns += ns
    if ns > s.cycle_max_ns:
        s.cycle_max_ns = ns
    if s.commands - s.commands_before > s.cycle_max_commands:
        s.cycle_max_commands = s.commands - s.commands_before
    s.commands_before = s.commands


def bucket_bounds(int i):
    """[low, high) nanoseconds of histogram bucket i."""
    if i < 8:
        return i, i + 1
    e = i // 8 + 2
    low = (1 << e) + ((i % 8) << (e - 3))
    return low, low + (1 << (e - 3))
