# Counters of the engine: commands, errors, traffic.
from libc.stdint cimport int64_t, uint64_t
from ..base.mem cimport Mem
from .registry cimport Command

cdef enum:
    ERROR_CODES = 128          # distinct error codes that are counted apart
    ERROR_CODE_MAX = 40        # bytes of a code

cdef struct ErrorCount:
    char code[ERROR_CODE_MAX]
    int len
    int64_t count

cdef struct Stats:
    int64_t commands
    int64_t errors
    int64_t connections
    int64_t rejected_connections
    int64_t net_in
    int64_t net_out
    int64_t reads
    int64_t writes
    int64_t unexpected_errors
    int64_t query_limit_closed
    int64_t output_limit_closed
    int64_t evicted_clients
    int64_t cycles             # event loop turns
    int64_t cycle_ns
    int64_t cycle_max_ns
    int64_t cycle_max_commands
    int64_t commands_before    # commands up to the end of the last turn
    int64_t cron_ns
    int64_t command_ns
    int64_t peak_input         # largest query buffer lately
    int64_t peak_output
    ErrorCount by_code[ERROR_CODES]
    int codes
    bint codes_full            # more distinct codes than ERROR_CODES: counting them apart has stopped

cdef void stats_reset(Stats* s) noexcept nogil
cdef void stats_error(Stats* s, const char* text, size_t n) noexcept nogil              # counts an error reply by its code
cdef void stats_call(Stats* s, Command* c, int64_t ns, bint failed, bint histogram) noexcept nogil
cdef void stats_turn(Stats* s, int64_t ns) noexcept nogil                               # a turn of the event loop has ended
