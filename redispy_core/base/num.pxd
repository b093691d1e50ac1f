# Numbers <-> text exactly as Redis reads and prints them, glob match, overflow-checked arithmetic. No allocation.
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    NUM_BUF = 352          # a buffer that holds any number printed here (long double %.17Lf of the largest value is cut)
    LD_BUF = 5120          # room for any finite long double printed with %.17Lf

# --- reading: True if the WHOLE text is one number in Redis's strict form (no spaces, no leading '+', no leading zeros for integers)
cdef bint num_parse_i64(const char* s, size_t n, int64_t* out) noexcept nogil          # "-1", "0", "42"; not "+1", "01", "-0", ""
cdef bint num_parse_u64(const char* s, size_t n, uint64_t* out) noexcept nogil
cdef bint num_parse_double(const char* s, size_t n, double* out) noexcept nogil        # what Redis's string2d / getDoubleFromObject takes: inf, +inf, -inf, exponents, hex floats; not nan, not "", no surrounding space
cdef bint num_parse_ld(const char* s, size_t n, long double* out) noexcept nogil       # for INCRBYFLOAT: long double, same strictness, no nan
cdef bint num_parse_memory(const char* s, size_t n, int64_t* out) noexcept nogil       # "100mb", "1k", "2GB", "5": k=1000, kb=1024 ...
# --- printing: returns the length written (no NUL counted, a NUL is written)
cdef int num_print_i64(char* buf, int64_t v) noexcept nogil                            # <= 20 chars; the fast path of every integer reply
cdef int num_print_u64(char* buf, uint64_t v) noexcept nogil
cdef int num_print_double(char* buf, double v) noexcept nogil                          # shortest text that reads back (scores, RESP3 doubles): 3, 2.5, 1e+21, inf, -inf, nan
cdef int num_print_shortest(char* buf, double v) noexcept nogil                        # the same, but integers get an exponent as other numbers do: 1e+17
cdef int num_print_ld(char* buf, long double v, bint human) noexcept nogil             # human: %.17Lf, trailing zeros cut (INCRBYFLOAT); else %.17Lg. buf: LD_BUF
cdef int num_digits10(uint64_t v) noexcept nogil                                       # decimal digits of v (0 -> 1)
cdef int num_human_bytes(char* buf, uint64_t n) noexcept nogil                         # "512B", "1.00K", "2.25M": INFO's *_human
# --- glob
cdef bint glob_match(const char* p, size_t plen, const char* s, size_t slen, bint nocase) noexcept nogil   # *, ?, [a-z], [^..], \x; bounded work, no exponential blow-up
# --- arithmetic
cdef bint add_overflows(int64_t a, int64_t b, int64_t* out) noexcept nogil             # True = overflow, out untouched
cdef bint mul_overflows(int64_t a, int64_t b, int64_t* out) noexcept nogil
