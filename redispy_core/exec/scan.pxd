# What SCAN, SSCAN, HSCAN and ZSCAN share: cursor, options, the walk over a dict and the reply.
# A body: scan_cursor_or_reply, then the lookup (missing: scan_empty), then scan_options_or_reply, then one of
# scan_dict for a dict or scan_flat_begin .. reply_length(out, later, '*', n) for a small encoding, which goes whole.
from libc.stdint cimport int64_t, uint64_t
from ..base.num cimport glob_match
from ..base.sds cimport Slice
from ..proto.reply cimport Deferred, Out
from ..structs.dict cimport Dict
from .client cimport Ctx

cdef enum ScanAccepts:              # options beside MATCH and COUNT
    SCAN_ACCEPTS_TYPE = 1           # SCAN
    SCAN_ACCEPTS_NOVALUES = 2       # HSCAN

cdef enum ScanType:                 # Scan.type when it is no ObjType
    SCAN_ANY_TYPE = -1
    SCAN_NO_TYPE = -2               # a name that no type has: nothing fits

cdef struct Scan:
    uint64_t cursor
    int64_t count
    Slice pattern                   # ptr NULL: everything fits
    int type                        # ObjType or ScanType
    bint no_values

cdef inline bint scan_matches(const Scan* s, const char* text, size_t n) noexcept nogil:
    return s.pattern.ptr == NULL or glob_match(s.pattern.ptr, s.pattern.len, text, n, False)

ctypedef bint (*scan_filter_fn)(void* ctx, const Scan* s, void* entry) noexcept nogil   # is the entry to be in the reply? May delete it from the dict if not
ctypedef void (*scan_write_fn)(Out* o, const Scan* s, void* entry) noexcept nogil       # writes what scan_dict was told an entry takes

cdef bint scan_cursor_or_reply(Ctx* x, Slice text, Scan* s) noexcept nogil              # sets all fields; False: answered
cdef bint scan_options_or_reply(Ctx* x, int first, int accepts, Scan* s) noexcept nogil # from argv[first] on; False: answered
cdef int scan_empty(Ctx* x) noexcept nogil                                              # the reply for a missing key
cdef int scan_dict(Ctx* x, Dict* d, Scan* s, scan_filter_fn filter, void* ctx, scan_write_fn write, int elements) noexcept nogil   # walks and answers; elements an entry: 1, or 2 with values
cdef Deferred scan_flat_begin(Ctx* x) noexcept nogil                                    # cursor 0; elements follow, then reply_length
