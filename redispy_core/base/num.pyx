"""Numbers <-> text as Redis reads and prints them, glob match, overflow-checked arithmetic (see num.pxd).

Doubles are printed by Grisu2 (F. Loitsch, "Printing floating-point numbers quickly and accurately with integers",
PLDI 2010). It always reads back, but in about one case of a thousand it is a digit longer than the shortest text or
ends in the neighbouring digit. Redis prints such digits, so an exact shortest algorithm would differ from it: the
choice of the cached power (the smallest one that lifts the exponent to -60 or more, in steps of 10^8) decides them.

Decimal texts of up to 19 digits and small exponents are read without a library call (Clinger's exact case); the rest
goes through strtod in the C locale, whatever locale the program has set. Nothing here allocates.
"""
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy, memmove, memset
from .rp cimport likely, rp_clz64, rp_mulhi64, unlikely

cdef extern from *:
    """
    #include <errno.h>
    #include <locale.h>
    #include <math.h>
    #if defined(__APPLE__)
    #include <xlocale.h>
    #endif
    static locale_t num_c_locale;
    static int num_locale_setup(void) { num_c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); return 0; }
    /* errno is the caller's: a parse leaves it as it was */
    static double num_strtod(const char *s, char **end) {
        int e = errno; double v = strtod_l(s, end, num_c_locale); errno = e; return v;
    }
    static long double num_strtold(const char *s, char **end) {
        int e = errno; long double v = strtold_l(s, end, num_c_locale); errno = e; return v;
    }
    static int num_format_ld(char *b, size_t n, long double v, int human) {
        return snprintf(b, n, human ? "%.17Lf" : "%.17Lg", v);
    }
    static inline int num_ld_class(long double v) { return isnan(v) ? 1 : isinf(v) ? (v > 0 ? 2 : 3) : 0; }
    #define num_add_overflow(a, b, o) __builtin_add_overflow(a, b, o)
    #define num_mul_overflow(a, b, o) __builtin_mul_overflow(a, b, o)
    static inline uint64_t num_double_bits(double v) { uint64_t b; memcpy(&b, &v, 8); return b; }
    """
    int num_locale_setup() nogil
    double num_strtod(const char* s, char** end) nogil
    long double num_strtold(const char* s, char** end) nogil
    int num_format_ld(char* b, size_t n, long double v, int human) nogil
    int num_ld_class(long double v) nogil
    bint num_add_overflow(int64_t a, int64_t b, int64_t* o) nogil
    bint num_mul_overflow(int64_t a, int64_t b, int64_t* o) nogil
    uint64_t num_double_bits(double v) nogil
    const long double LD_TWO63 "9223372036854775808.0L"

cdef enum:
    CACHED_MIN = -348      # decimal exponent of the first cached power
    CACHED_STEP = 8
    CACHED_COUNT = 87
    GRISU_LOW = -60        # wanted range of the scaled exponent: GRISU_LOW .. -32
    KEEP_DIGITS = 800      # more than 768 significant digits never change a rounding but by "something follows"
    KEEP_LD_DIGITS = 5100  # all that a long double text may have (see num_parse_ld)
    LD_TEXT_MAX = 5119     # compat: Redis refuses longer texts for long doubles
    TEXT_BUF = 5200

# Tables, written once at import and never after.
cdef char PAIRS[200]                        # "00" "01" .. "99"
cdef uint64_t POW10[20]
cdef double POW10_EXACT[23]                 # 10^0 .. 10^22 are exact doubles
cdef uint64_t CACHED_F[CACHED_COUNT]        # 10^k = f * 2^e, f normalised to 64 bits and rounded
cdef int16_t CACHED_E[CACHED_COUNT]


# --- integers: reading

cdef bint num_parse_u64(const char* s, size_t n, uint64_t* out) noexcept nogil:
    cdef uint64_t v = 0
    cdef size_t i
    cdef uint32_t d
    if n == 0 or n > 20:
        return False
    if s[0] == c'0':
        if n != 1:
            return False
        out[0] = 0
        return True
    for i in range(n if n < 20 else 19):
        d = <uint32_t>(<uint8_t>s[i]) - 48
        if d > 9:
            return False
        v = v * 10 + d
    if n == 20:
        d = <uint32_t>(<uint8_t>s[19]) - 48
        if d > 9 or v > 1844674407370955161ULL or (v == 1844674407370955161ULL and d > 5):
            return False
        v = v * 10 + d
    out[0] = v
    return True


cdef bint num_parse_i64(const char* s, size_t n, int64_t* out) noexcept nogil:
    cdef uint64_t v
    if n == 0:
        return False
    if s[0] == c'-':
        if not num_parse_u64(s + 1, n - 1, &v) or v == 0 or v > 9223372036854775808ULL:
            return False
        out[0] = <int64_t>(0 - v)
        return True
    if not num_parse_u64(s, n, &v) or v > 9223372036854775807ULL:
        return False
    out[0] = <int64_t>v
    return True


cdef bint num_parse_memory(const char* s, size_t n, int64_t* out) noexcept nogil:
    cdef size_t i = 0
    cdef int64_t v = 0, unit = 1
    while i < n and <uint8_t>(s[i] - 48) <= 9:
        if num_mul_overflow(v, 10, &v) or num_add_overflow(v, s[i] - 48, &v):
            return False
        i += 1
    # compat: no digits at all are 0, with a suffix or without.
    if n - i > 2:
        return False
    if n - i > 0:
        unit = memory_unit(s[i] | 0x20, n - i == 2, (s[n - 1] | 0x20) == c'b')
    if unit == 0 or num_mul_overflow(v, unit, &v):
        return False
    out[0] = v
    return True


cdef int64_t memory_unit(char letter, bint two, bint ends_in_b) noexcept nogil:
    """The factor of a suffix such as k or kb; 0 = no such suffix."""
    cdef int64_t base = 1000
    if two:
        if not ends_in_b:
            return 0
        base = 1024
    if letter == c'b':
        return 0 if two else 1
    if letter == c'k':
        return base
    if letter == c'm':
        return base * base
    if letter == c'g':
        return base * base * base
    return 0


# --- floating point: reading

cdef struct FloatText:
    # What a text consists of; `digits` points at its first significant digit.
    bint negative
    bint hexadecimal
    bint infinite
    const char* digits
    const char* end            # behind the last digit (before the exponent)
    int64_t point              # digits before the decimal point, counted from `digits` (<= 0: zeros follow the point)
    int64_t significant        # digits from the first nonzero one on
    int64_t exponent           # the written one, limited to +-10^7


cdef inline int hex_digit(char c) noexcept nogil:
    if c >= c'0' and c <= c'9':
        return c - c'0'
    c |= 0x20
    if c >= c'a' and c <= c'f':
        return c - c'a' + 10
    return -1


cdef inline bint is_digit_of(const FloatText* t, char c) noexcept nogil:
    if t.hexadecimal:
        return hex_digit(c) >= 0
    return c >= c'0' and c <= c'9'


cdef bint same_word(const char* s, size_t n, const char* word, size_t wlen) noexcept nogil:
    cdef size_t i
    if n != wlen:
        return False
    for i in range(n):
        if (s[i] | 0x20) != word[i]:
            return False
    return True


cdef bint scan_exponent(const char* s, const char* end, int64_t* out) noexcept nogil:
    """The number behind e or p: sign and at least one digit up to the end."""
    cdef bint negative = False
    cdef int64_t v = 0
    if s < end and (s[0] == c'+' or s[0] == c'-'):
        negative = s[0] == c'-'
        s += 1
    if s == end:
        return False
    while s < end:
        if s[0] < c'0' or s[0] > c'9':
            return False
        if v < 1000000:
            v = v * 10 + (s[0] - c'0')
        s += 1
    out[0] = -v if negative else v
    return True


cdef bint scan_float(const char* s, size_t n, FloatText* t) noexcept nogil:
    """Take a text apart; False = not a number as strtod knows it, or not-a-number, or anything before or behind."""
    cdef const char* end = s + n
    cdef bint dot = False, any_digit = False
    memset(t, 0, sizeof(FloatText))
    if s < end and (s[0] == c'+' or s[0] == c'-'):
        t.negative = s[0] == c'-'
        s += 1
    if same_word(s, end - s, b"inf", 3) or same_word(s, end - s, b"infinity", 8):
        t.infinite = True
        return True
    if end - s > 2 and s[0] == c'0' and (s[1] | 0x20) == c'x':
        t.hexadecimal = True
        s += 2
    while s < end:
        if s[0] == c'.':
            if dot:
                return False
            dot = True
        elif is_digit_of(t, s[0]):
            any_digit = True
            if t.significant == 0 and s[0] != c'0':
                t.digits = s
            if t.digits != NULL:
                t.significant += 1
                t.point += 0 if dot else 1
            elif dot:
                t.point -= 1
        else:
            break
        s += 1
    if not any_digit:
        return False
    t.end = s
    if s == end:
        return True
    if (s[0] | 0x20) != (c'p' if t.hexadecimal else c'e'):
        return False
    return scan_exponent(s + 1, end, &t.exponent)


cdef bint read_exact(const FloatText* t, double* out) noexcept nogil:
    """Clinger's case: an integer below 2^53 times or divided by a power of ten that is exact; one rounding."""
    cdef uint64_t v = 0
    cdef const char* p = t.digits
    cdef int64_t e = t.exponent + t.point - t.significant
    if t.hexadecimal or t.significant > 18 or e < -22 or e > 22:
        return False
    while p < t.end:
        if p[0] != c'.':
            v = v * 10 + <uint64_t>(p[0] - c'0')
        p += 1
    if v > 9007199254740992ULL:
        return False
    cdef double d = <double>v
    if e < 0:
        d /= POW10_EXACT[-e]
    else:
        d *= POW10_EXACT[e]
    out[0] = -d if t.negative else d
    return True


cdef void rewrite_float(const FloatText* t, int64_t keep, char* buf) noexcept nogil:
    """The same number for strtod in bounded space: at most `keep` digits, then a 1 if a digit of the rest is not 0."""
    cdef const char* p = t.digits
    cdef int64_t kept = 0, e
    cdef bint rest = False
    if t.negative:
        buf[0] = c'-'
        buf += 1
    if t.hexadecimal:
        buf[0] = c'0'
        buf[1] = c'x'
        buf += 2
    while p < t.end:
        if p[0] != c'.':
            if kept < keep:
                buf[0] = p[0]
                buf += 1
                kept += 1
            elif p[0] != c'0':
                rest = True
                break
        p += 1
    if rest:
        buf[0] = c'1'
        buf += 1
        kept += 1
    e = t.point - kept
    e = t.exponent + (e * 4 if t.hexadecimal else e)
    buf[0] = c'p' if t.hexadecimal else c'e'
    buf[1 + num_print_i64(buf + 1, e)] = 0


cdef bint num_parse_double(const char* s, size_t n, double* out) noexcept nogil:
    cdef FloatText t
    cdef char buf[KEEP_DIGITS + 40]
    cdef double v
    if not scan_float(s, n, &t):
        return False
    if t.infinite:
        v = num_strtod("inf", NULL)
    elif t.significant == 0:
        v = 0.0
    elif likely(read_exact(&t, out)):
        return True
    else:
        rewrite_float(&t, KEEP_DIGITS, buf)
        v = num_strtod(buf, NULL)
        # Too large and too small are no numbers; a denormal result is one.
        if v == 0 or v - v != 0:
            return False
        out[0] = v
        return True
    out[0] = -v if t.negative else v
    return True


cdef bint num_parse_ld(const char* s, size_t n, long double* out) noexcept nogil:
    cdef FloatText t
    cdef char buf[TEXT_BUF]
    cdef long double v
    if n > LD_TEXT_MAX or not scan_float(s, n, &t):
        return False
    if t.infinite:
        v = num_strtold("inf", NULL)
        out[0] = -v if t.negative else v
        return True
    if t.significant == 0:
        v = 0.0
        out[0] = -v if t.negative else v
        return True
    rewrite_float(&t, KEEP_LD_DIGITS, buf)
    v = num_strtold(buf, NULL)
    if v == 0 or num_ld_class(v) != 0:
        return False
    out[0] = v
    return True


# --- integers: printing

cdef int num_digits10(uint64_t v) noexcept nogil:
    # 1233/4096 is a little above log10(2): the estimate is right or one too small.
    cdef int t
    v |= 1
    t = (64 - rp_clz64(v)) * 1233 >> 12
    return t + (v >= POW10[t])


cdef inline void put_digits(char* end, uint64_t v) noexcept nogil:
    """Write v so that it ends before `end`."""
    cdef uint64_t q
    while v >= 100:
        q = v // 100
        end -= 2
        memcpy(end, &PAIRS[(v - q * 100) * 2], 2)
        v = q
    if v >= 10:
        memcpy(end - 2, &PAIRS[v * 2], 2)
    else:
        (end - 1)[0] = <char>(c'0' + v)


cdef int num_print_u64(char* buf, uint64_t v) noexcept nogil:
    if v < 10:
        buf[0] = <char>(c'0' + v)
        buf[1] = 0
        return 1
    cdef int n = num_digits10(v)
    buf[n] = 0
    put_digits(buf + n, v)
    return n


cdef int num_print_i64(char* buf, int64_t v) noexcept nogil:
    if v >= 0:
        return num_print_u64(buf, <uint64_t>v)
    buf[0] = c'-'
    return num_print_u64(buf + 1, 0 - <uint64_t>v) + 1


# --- doubles: printing

cdef inline uint64_t mul_rounded(uint64_t a, uint64_t b) noexcept nogil:
    """Upper half of the product, rounded to nearest."""
    return rp_mulhi64(a, b) + ((a * b) >> 63)


cdef inline void round_last(char* last, uint64_t delta, uint64_t rest, uint64_t unit, uint64_t goal) noexcept nogil:
    """Lower the last digit while that brings the number nearer to the goal and keeps it above the lower bound."""
    while rest < goal and delta - rest >= unit and (rest + unit < goal or goal - rest > rest + unit - goal):
        last[0] -= 1
        rest += unit


cdef int grisu_digits(char* d, uint64_t high, uint64_t delta, uint64_t goal, int shift, int* k) noexcept nogil:
    """Digits of the shortest number in (high - delta, high], nearest to high - goal; adds the decimal exponent to k.

    The arguments are fixed-point numbers with `shift` fraction bits.
    """
    cdef uint64_t one = <uint64_t>1 << shift
    cdef uint64_t fraction = high & (one - 1)
    cdef uint32_t whole = <uint32_t>(high >> shift)
    cdef int left = num_digits10(whole), n = 0
    cdef uint64_t rest
    cdef uint32_t q, div
    while left > 0:
        left -= 1
        div = <uint32_t>POW10[left]
        q = whole // div
        whole -= q * div
        if q or n:
            d[n] = <char>(c'0' + q)
            n += 1
        rest = (<uint64_t>whole << shift) + fraction
        if rest <= delta:
            k[0] += left
            round_last(d + n - 1, delta, rest, <uint64_t>div << shift, goal)
            return n
    while True:
        fraction *= 10
        delta *= 10
        goal *= 10
        left -= 1
        q = <uint32_t>(fraction >> shift)
        fraction &= one - 1
        if q or n:
            d[n] = <char>(c'0' + q)
            n += 1
        if fraction < delta:
            k[0] += left
            round_last(d + n - 1, delta, fraction, one, goal)
            return n


cdef int grisu(char* d, double v, int* k) noexcept nogil:
    """Digits of v > 0 (at most 17) and the decimal exponent of the last one."""
    cdef uint64_t bits = num_double_bits(v), f = bits & 0xFFFFFFFFFFFFFULL, high, low, mid, c
    cdef int biased = <int>(bits >> 52) & 0x7FF, e = -1074, i, move
    if biased:
        f |= <uint64_t>1 << 52
        e = biased - 1075
    # The neighbours' midpoints, both with the exponent of the normalised upper one.
    high = 2 * f + 1
    low = 4 * f - 1 if f == <uint64_t>1 << 52 else (2 * f - 1) << 1
    move = rp_clz64(high)
    high <<= move
    low <<= move - 1
    mid = f << rp_clz64(f)
    e += -1 - move
    # The first cached power with e + its exponent + 64 >= GRISU_LOW; one step is 26.6 bits.
    i = (GRISU_LOW - 64 - e - CACHED_E[0]) * 4096 // 108853 - 1
    if i < 0:
        i = 0
    while CACHED_E[i] + e + 64 < GRISU_LOW:
        i += 1
    c = CACHED_F[i]
    mid = mul_rounded(mid, c)
    high = mul_rounded(high, c) - 1
    low = mul_rounded(low, c) + 1
    k[0] = -(CACHED_MIN + i * CACHED_STEP)
    return grisu_digits(d, high, high - low, high - mid, -(CACHED_E[i] + e + 64), k)


cdef int put_exponent_form(char* buf, const char* d, int n, int e) noexcept nogil:
    cdef char* p = buf
    p[0] = d[0]
    p += 1
    if n > 1:
        p[0] = c'.'
        memcpy(p + 1, d + 1, n - 1)
        p += n
    p[0] = c'e'
    p[1] = c'-' if e < 0 else c'+'
    p += 2
    return <int>(p - buf) + num_print_u64(p, <uint64_t>(-e if e < 0 else e))


cdef int put_digits_form(char* buf, const char* d, int n, int k) noexcept nogil:
    """d * 10^k: zeros behind for 0 <= k < 8; a point for k > -7 or 4 digits around it; else the exponent form."""
    cdef int e = k + n - 1, whole = n + k
    if k >= 0 and k < 8:
        memcpy(buf, d, n)
        memset(buf + n, c'0', k)
        return n + k
    if k >= 0 or (k <= -7 and (e >= 4 or e <= -4)):
        return put_exponent_form(buf, d, n, e)
    if whole > 0:
        memcpy(buf, d, whole)
        buf[whole] = c'.'
        memcpy(buf + whole + 1, d + whole, n - whole)
        return n + 1
    buf[0] = c'0'
    buf[1] = c'.'
    memset(buf + 2, c'0', -whole)
    memcpy(buf + 2 - whole, d, n)
    return 2 - whole + n


cdef int num_print_shortest(char* buf, double v) noexcept nogil:
    cdef char d[24]
    cdef int n, k
    cdef int sign = 0
    if unlikely(v - v != 0):
        if v != v:
            memcpy(buf, b"nan", 4)
            return 3
        memcpy(buf, b"-inf" if v < 0 else b"inf", 5 if v < 0 else 4)
        return 4 if v < 0 else 3
    if num_double_bits(v) >> 63:
        buf[0] = c'-'
        sign = 1
        v = -v
    if v == 0:
        memcpy(buf + sign, b"0", 2)
        return sign + 1
    n = grisu(d, v, &k)
    n = sign + put_digits_form(buf + sign, d, n, k)
    buf[n] = 0
    return n


cdef int num_print_double(char* buf, double v) noexcept nogil:
    cdef int64_t whole
    if -4611686018427387904.0 <= v <= 4611686018427387904.0:
        whole = <int64_t>v
        if <double>whole == v and (whole != 0 or num_double_bits(v) == 0):
            return num_print_i64(buf, whole)
    return num_print_shortest(buf, v)


cdef int point_of_locale(char* buf, int n) noexcept nogil:
    """The text with '.' for whatever the program's locale puts between the digits; its new length."""
    cdef int i = 1 if buf[0] == c'-' else 0, j
    while i < n and c'0' <= buf[i] <= c'9':
        i += 1
    if i == n or buf[i] == c'.' or buf[i] == c'e':
        return n
    j = i
    while j < n and not (c'0' <= buf[j] <= c'9'):
        j += 1
    buf[i] = c'.'
    memmove(buf + i + 1, buf + j, n - j + 1)
    return n - (j - i - 1)


cdef int num_print_ld(char* buf, long double v, bint human) noexcept nogil:
    cdef int n, kind = num_ld_class(v)
    if kind:
        memcpy(buf, b"nan" if kind == 1 else b"inf" if kind == 2 else b"-inf", 5 if kind == 3 else 4)
        return 4 if kind == 3 else 3
    if -LD_TWO63 < v < LD_TWO63 and <long double><int64_t>v == v and (human or v != 0):
        return num_print_i64(buf, <int64_t>v)
    n = point_of_locale(buf, num_format_ld(buf, LD_BUF, v, human))
    if human:
        if memchr(buf, c'.', n) != NULL:
            while buf[n - 1] == c'0':
                n -= 1
            if buf[n - 1] == c'.':
                n -= 1
        buf[n] = 0
        if n == 2 and buf[0] == c'-' and buf[1] == c'0':
            memcpy(buf, b"0", 2)
            n = 1
    return n


cdef int num_human_bytes(char* buf, uint64_t n) noexcept nogil:
    cdef const char* units = b"KMGTP"
    cdef int i, size
    cdef uint64_t hundredths
    cdef double d
    for i in range(4, -1, -1):
        if n >> (10 * (i + 1)) and not (i == 4 and n >> 60):
            # Two decimals rounded as printf does it: to nearest, a tie to even.
            d = <double>n / <double>(<uint64_t>1 << (10 * (i + 1))) * 100.0
            hundredths = <uint64_t>d
            if d - <double>hundredths > 0.5 or (d - <double>hundredths == 0.5 and hundredths & 1):
                hundredths += 1
            size = num_print_u64(buf, hundredths // 100)
            buf[size] = c'.'
            memcpy(buf + size + 1, &PAIRS[(hundredths % 100) * 2], 2)
            buf[size + 3] = units[i]
            buf[size + 4] = 0
            return size + 4
        if i == 4 and n >> 60:
            break
    size = num_print_u64(buf, n)
    memcpy(buf + size, b"B", 2)
    return size + 1


# --- glob

cdef inline uint8_t fold(char c, bint nocase) noexcept nogil:
    cdef uint8_t u = <uint8_t>c
    if nocase and u >= 65 and u <= 90:
        return u + 32
    return u


cdef bint class_match(const char* p, const char* end, uint8_t raw, bint nocase, const char** after) noexcept nogil:
    """Does the byte belong to the class whose first byte behind '[' is p? `after` = behind the class.

    compat: the end of the pattern closes a class; a range takes ANY third byte as its end, so "[a-]" is the range
    from a to ']' and unclosed; reversed ranges are turned round; "[]" is empty; an escaped byte keeps its case.
    """
    cdef bint negate = False, hit = False
    cdef uint8_t low, high, c = fold(<char>raw, nocase)
    if p < end and p[0] == c'^':
        negate = True
        p += 1
    while p < end:
        if p[0] == c'\\' and end - p >= 2:
            p += 1
            hit = hit or <uint8_t>p[0] == raw
        elif p[0] == c']':
            p += 1
            break
        elif end - p >= 3 and p[1] == c'-':
            low = <uint8_t>p[0]
            high = <uint8_t>p[2]
            if low > high:
                low, high = high, low
            low = fold(<char>low, nocase)
            high = fold(<char>high, nocase)
            hit = hit or (low <= c <= high)
            p += 2
        else:
            hit = hit or fold(p[0], nocase) == c
        p += 1
    after[0] = p
    return hit != negate


cdef inline bint one_match(const char* p, const char* end, uint8_t c, bint nocase, const char** after) noexcept nogil:
    """Does the item at p, which stands for exactly one byte, take c?"""
    if p[0] == c'?':
        after[0] = p + 1
        return True
    if p[0] == c'[':
        return class_match(p + 1, end, c, nocase, after)
    if p[0] == c'\\' and end - p >= 2:
        p += 1
    after[0] = p + 1
    return fold(p[0], nocase) == fold(<char>c, nocase)


cdef enum:
    GLOB_STARS = 1000


cdef bint glob_match(const char* p, size_t plen, const char* s, size_t slen, bint nocase) noexcept nogil:
    """An item behind a '*' that fails moves only the last '*' on: O(plen * slen) at worst."""
    cdef const char* pend = p + plen
    cdef const char* send = s + slen
    cdef const char* star = NULL           # behind the last '*'
    cdef const char* star_s = NULL         # where the text for `star` begins
    cdef const char* after
    cdef int stars = 0
    if slen == 0:
        return plen == 0                   # compat: even "*" does not match nothing; who wants it asks apart
    while s < send:
        if p < pend and p[0] == c'*':
            stars += 1
            if stars > GLOB_STARS:
                return False               # compat: Redis gives up on such patterns
            p += 1
            while p < pend and p[0] == c'*':
                p += 1
            if p == pend:
                return True
            star = p
            star_s = s
        elif p < pend and one_match(p, pend, <uint8_t>s[0], nocase, &after):
            p = after
            s += 1
        elif star == NULL:
            return False
        else:
            star_s += 1
            if not nocase and star[0] != c'?' and star[0] != c'[' and star[0] != c'\\':
                star_s = <const char*>memchr(star_s, <uint8_t>star[0], send - star_s)
                if star_s == NULL:
                    return False
            p = star
            s = star_s
    while p < pend and p[0] == c'*':
        p += 1
    return p == pend


# --- arithmetic

cdef bint add_overflows(int64_t a, int64_t b, int64_t* out) noexcept nogil:
    cdef int64_t v
    if num_add_overflow(a, b, &v):
        return True
    out[0] = v
    return False


cdef bint mul_overflows(int64_t a, int64_t b, int64_t* out) noexcept nogil:
    cdef int64_t v
    if num_mul_overflow(a, b, &v):
        return True
    out[0] = v
    return False


# --- tables

def _build_tables():
    cdef int i
    cdef object ten = 10, k, e, f, top, bottom       # Python's unbounded integers
    num_locale_setup()
    for i in range(100):
        PAIRS[2 * i] = <char>(48 + i // 10)
        PAIRS[2 * i + 1] = <char>(48 + i % 10)
    for i in range(20):
        POW10[i] = ten ** i
    for i in range(23):
        POW10_EXACT[i] = ten ** i
    for i in range(CACHED_COUNT):
        k = CACHED_MIN + i * CACHED_STEP
        top, bottom = (ten ** k, 1) if k >= 0 else (1, ten ** -k)
        e = top.bit_length() - bottom.bit_length() - 64
        if (top << max(-e, 0)) // (bottom << max(e, 0)) >> 64:
            e += 1
        top, bottom = top << max(-e, 0), bottom << max(e, 0)
        f = (2 * top + bottom) // (2 * bottom)
        if f >> 64:
            f, e = f >> 1, e + 1
        if not f >> 63:
            e -= 1
            f = (4 * top + bottom) // (2 * bottom)
        CACHED_F[i] = f
        CACHED_E[i] = e


_build_tables()


# --- Python face, for tests and for the few callers on the Python side

def parse_i64(bytes s):
    """The strict integer in s, or None."""
    cdef int64_t v
    return v if num_parse_i64(s, len(s), &v) else None


def parse_u64(bytes s):
    """The strict unsigned integer in s, or None."""
    cdef uint64_t v
    return v if num_parse_u64(s, len(s), &v) else None


def parse_double(bytes s):
    """The float that the whole of s is, or None."""
    cdef double v
    return v if num_parse_double(s, len(s), &v) else None


def parse_ld(bytes s, bint human=True):
    """The long double that the whole of s is, printed again (bytes), or None."""
    cdef long double v
    cdef char buf[LD_BUF]
    cdef int n
    if not num_parse_ld(s, len(s), &v):
        return None
    n = num_print_ld(buf, v, human)
    return buf[:n]


def add_ld(bytes a, bytes b):
    """Sum of two long double texts as INCRBYFLOAT prints it, or None when one is no number."""
    cdef long double x, y
    cdef char buf[LD_BUF]
    cdef int n
    if not num_parse_ld(a, len(a), &x) or not num_parse_ld(b, len(b), &y):
        return None
    n = num_print_ld(buf, x + y, True)
    return buf[:n]


def parse_memory(bytes s):
    """Bytes that a text such as b"100mb" means, or None."""
    cdef int64_t v
    return v if num_parse_memory(s, len(s), &v) else None


def print_i64(int64_t v):
    """Decimal text of v as bytes; the NUL behind it is checked."""
    cdef char buf[NUM_BUF]
    cdef int n = num_print_i64(buf, v)
    assert buf[n] == 0
    return buf[:n]


def print_u64(uint64_t v):
    """Decimal text of v as bytes."""
    cdef char buf[NUM_BUF]
    cdef int n = num_print_u64(buf, v)
    assert buf[n] == 0
    return buf[:n]


def print_double(double v):
    """Text of a score or RESP3 double as bytes."""
    cdef char buf[NUM_BUF]
    cdef int n = num_print_double(buf, v)
    assert buf[n] == 0
    return buf[:n]


def digits10(uint64_t v):
    """Number of decimal digits of v."""
    return num_digits10(v)


def human_bytes(uint64_t v):
    """Text of a number of bytes as INFO's *_human fields have it."""
    cdef char buf[NUM_BUF]
    cdef int n = num_human_bytes(buf, v)
    assert buf[n] == 0
    return buf[:n]


def glob(bytes pattern, bytes text, bint nocase=False):
    """Does the whole text match the pattern?"""
    return bool(glob_match(pattern, len(pattern), text, len(text), nocase))


def add_i64(int64_t a, int64_t b):
    """a + b, or None on overflow."""
    cdef int64_t v
    return None if add_overflows(a, b, &v) else v


def mul_i64(int64_t a, int64_t b):
    """a * b, or None on overflow."""
    cdef int64_t v
    return None if mul_overflows(a, b, &v) else v
