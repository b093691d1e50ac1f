"""Readers of arguments (contract: args.pxd). Room exec; used by every command file.

Numbers are Redis's strict forms (base/num); error texts are those of proto/errors. An expiry in any of the four forms
becomes absolute milliseconds, checked for overflow as Redis does: a negative or zero time is refused where it makes no
sense (SET ... EX 0) and means "in the past" where it does (EXPIRE key -1).
"""
from libc.math cimport ceil, isinf, isnan
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t
from libc.string cimport memcmp, strlen
from ..base.num cimport add_overflows, mul_overflows, num_parse_double, num_parse_i64, num_parse_ld
from ..base.sds cimport Slice
from ..proto.errors cimport (E_ARITY, E_INVALID_EXPIRE, E_NOT_FLOAT, E_NOT_INT, E_NOT_POSITIVE, E_SYNTAX,
                             E_TIMEOUT_FLOAT, E_TIMEOUT_NEGATIVE, E_TIMEOUT_RANGE, E_WRONGTYPE, Err)
from ..proto.reply cimport reply_error, reply_errorf
from ..types.object cimport ObjType, Robj, robj_type
from .client cimport Ctx


cdef Slice text_slice(const char* s) noexcept nogil:
    cdef Slice t
    t.ptr = s
    t.len = strlen(s)
    return t


cdef Slice name_of(Ctx* x) noexcept nogil:
    cdef Slice t
    t.ptr = x.name
    t.len = x.name_len
    return t


cdef int err(Ctx* x, Err e) noexcept nogil:
    return reply_error(x.out, e)


cdef int err_a(Ctx* x, Err e, Slice a) noexcept nogil:
    return reply_errorf(x.out, e, a, a)


cdef int wrong_arity(Ctx* x) noexcept nogil:
    return err_a(x, E_ARITY, name_of(x))


cdef int syntax_error(Ctx* x) noexcept nogil:
    return err(x, E_SYNTAX)


cdef bint word_is(Slice s, const char* lower) noexcept nogil:
    cdef size_t i
    cdef unsigned char c
    for i in range(s.len):
        c = s.ptr[i]
        if c >= 65 and c <= 90:
            c += 32
        if c == 0 or c != <unsigned char>lower[i]:
            return False
    return lower[s.len] == 0


cdef bint bytes_equal(Slice a, Slice b) noexcept nogil:
    return a.len == b.len and memcmp(a.ptr, b.ptr, a.len) == 0


cdef bint i64_or_err(Ctx* x, Slice s, int64_t* out, Err e) noexcept nogil:
    if num_parse_i64(s.ptr, s.len, out):
        return True
    err(x, e)
    return False


cdef bint i64_or_reply(Ctx* x, Slice s, int64_t* out) noexcept nogil:
    return i64_or_err(x, s, out, E_NOT_INT)


cdef bint range_or_reply(Ctx* x, Slice s, int64_t low, int64_t high, int64_t* out, Err e) noexcept nogil:
    if num_parse_i64(s.ptr, s.len, out) and out[0] >= low and out[0] <= high:
        return True
    err(x, e)
    return False


cdef bint positive_or_reply(Ctx* x, Slice s, int64_t* out) noexcept nogil:
    return range_or_reply(x, s, 0, INT64_MAX, out, E_NOT_POSITIVE)


cdef bint double_or_reply(Ctx* x, Slice s, double* out) noexcept nogil:
    if num_parse_double(s.ptr, s.len, out):
        return True
    err(x, E_NOT_FLOAT)
    return False


cdef bint ld_or_reply(Ctx* x, Slice s, long double* out) noexcept nogil:
    if num_parse_ld(s.ptr, s.len, out):
        return True
    err(x, E_NOT_FLOAT)
    return False


cdef bint type_or_reply(Ctx* x, const Robj* o, ObjType type) noexcept nogil:
    if o == NULL or robj_type(o) == type:
        return True
    err(x, E_WRONGTYPE)
    return False


# ---------------------------------------------------------------- times

cdef bint expire_word(Slice s, int* form) noexcept nogil:
    if word_is(s, b"ex"):
        form[0] = EXP_GIVEN | EXP_SECONDS
    elif word_is(s, b"px"):
        form[0] = EXP_GIVEN
    elif word_is(s, b"exat"):
        form[0] = EXP_GIVEN | EXP_SECONDS | EXP_ABSOLUTE
    elif word_is(s, b"pxat"):
        form[0] = EXP_GIVEN | EXP_ABSOLUTE
    else:
        return False
    return True


cdef bint when_or_reply(Ctx* x, Slice s, int form, bint allow_past, int64_t* when_ms) noexcept nogil:
    cdef int64_t v
    if not i64_or_reply(x, s, &v):
        return False
    if (v <= 0 and not allow_past) or (form & EXP_SECONDS and mul_overflows(v, 1000, &v)) \
            or (not form & EXP_ABSOLUTE and add_overflows(v, x.env.now_ms, &v)):
        err_a(x, E_INVALID_EXPIRE, name_of(x))
        return False
    when_ms[0] = v if v >= 0 else 0         # the past has no negative times
    return True


cdef bint timeout_or_reply(Ctx* x, Slice s, int64_t* deadline_ms) noexcept nogil:
    cdef long double seconds
    cdef long double ms
    if not num_parse_ld(s.ptr, s.len, &seconds):
        err(x, E_TIMEOUT_FLOAT)
        return False
    if seconds < 0:
        err(x, E_TIMEOUT_NEGATIVE)
        return False
    ms = seconds * 1000
    if ms > <long double>INT64_MAX or <long double>x.env.now_ms + ms > <long double>INT64_MAX:
        err(x, E_TIMEOUT_RANGE)
        return False
    deadline_ms[0] = 0 if ms == 0 else x.env.now_ms + <int64_t>ceil(<double>ms)
    return True
