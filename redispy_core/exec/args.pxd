# Arguments of a command. `_or_reply`: False means that the error has been answered.
from libc.stdint cimport int64_t, uint64_t
from ..base.sds cimport Slice
from ..proto.errors cimport Err
from ..types.object cimport ObjType, Robj
from .client cimport Ctx

cdef bint word_is(Slice s, const char* lower) noexcept nogil                        # equal without case; lower must be lower case
cdef bint bytes_equal(Slice a, Slice b) noexcept nogil
cdef bint i64_or_reply(Ctx* x, Slice s, int64_t* out) noexcept nogil                # "value is not an integer or out of range"
cdef bint i64_or_err(Ctx* x, Slice s, int64_t* out, Err e) noexcept nogil           # the same with another error
cdef bint range_or_reply(Ctx* x, Slice s, int64_t low, int64_t high, int64_t* out, Err e) noexcept nogil   # integer in [low, high], else e
cdef bint positive_or_reply(Ctx* x, Slice s, int64_t* out) noexcept nogil           # 0 .. 2**63-1; "value is out of range, must be positive"
cdef bint double_or_reply(Ctx* x, Slice s, double* out) noexcept nogil              # "value is not a valid float"
cdef bint ld_or_reply(Ctx* x, Slice s, long double* out) noexcept nogil
cdef bint type_or_reply(Ctx* x, const Robj* o, ObjType type) noexcept nogil         # WRONGTYPE unless o is NULL or of that type

cdef enum ExpireForm:          # how an expiry is given
    EXP_NONE = 0
    EXP_SECONDS = 1            # bit 0: seconds rather than milliseconds
    EXP_ABSOLUTE = 2           # bit 1: since the epoch rather than from now
    EXP_GIVEN = 4              # EX = GIVEN|SECONDS, PX = GIVEN, EXAT = GIVEN|SECONDS|ABSOLUTE, PXAT = GIVEN|ABSOLUTE
    EXP_KEEPTTL = 8
    EXP_PERSIST = 16

cdef bint expire_word(Slice s, int* form) noexcept nogil                            # EX PX EXAT PXAT -> form; False: another word
cdef bint when_or_reply(Ctx* x, Slice s, int form, bint allow_past, int64_t* when_ms) noexcept nogil   # absolute ms; "invalid expire time in '...' command"
cdef bint timeout_or_reply(Ctx* x, Slice s, int64_t* deadline_ms) noexcept nogil    # blocking commands: seconds (float) -> absolute ms of env's clock, 0 = for ever
cdef int wrong_arity(Ctx* x) noexcept nogil                                         # answers it, returns 0
cdef int syntax_error(Ctx* x) noexcept nogil
cdef int err(Ctx* x, Err e) noexcept nogil                                          # reply_error(x.out, e)
cdef int err_a(Ctx* x, Err e, Slice a) noexcept nogil
cdef Slice text_slice(const char* s) noexcept nogil
cdef Slice name_of(Ctx* x) noexcept nogil                                           # the command's full name
