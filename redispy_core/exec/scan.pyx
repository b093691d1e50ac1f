"""The SCAN family's shared half (contract: scan.pxd). Room exec; used by the command files of keys and collections.

A call walks the dict from the cursor, a bucket at a time, until COUNT entries were seen (before any filter) or
10 * COUNT buckets, so that an iteration over a sparse or much filtered dict stays short, too. The new cursor stands
before the elements in the reply, so the walk first gathers the entries that fit and writes them afterwards: they are
borrowed from the dict, which nothing may change in between but a filter that deletes the entry it refuses. Listeners
of keyspace events therefore must not change the keyspace while they are told.

Cursors are those of structs/dict: hash positions, 0 begins and ends.
"""
from libc.stdint cimport INT64_MAX, UINT64_MAX, int64_t, uint64_t
from ..base.mem cimport Mem, mem_free, mem_realloc
from ..base.rp cimport unlikely
from ..base.sds cimport Slice
from ..proto.errors cimport E_CURSOR, E_NOVALUES
from ..proto.reply cimport Deferred, Out, reply_array, reply_bulk, reply_bulk_text, reply_later
from ..base.num cimport num_print_u64
from ..structs.dict cimport Dict, dict_scan
from ..types.object cimport OBJ_MODULE, OBJ_TYPES, ObjType, type_name
from .args cimport err, i64_or_reply, syntax_error, word_is
from .client cimport Ctx

cdef enum:
    DEFAULT_COUNT = 10
    BUCKETS_PER_COUNT = 10
    FEW = 64                        # entries gathered without an allocation

cdef struct Found:                  # entries that fit, in the order of the walk
    Mem* mem
    void** entries
    size_t n
    size_t cap
    void* few[FEW]

cdef struct Walk:
    const Scan* scan
    scan_filter_fn filter
    void* ctx
    int64_t seen
    Found found


# ---------------------------------------------------------------- arguments

cdef bint parse_cursor(Slice t, uint64_t* out) noexcept nogil:
    """Digits up to 2**64 - 1. compat: white space and a plus sign may precede them (Redis 7.2 and later)."""
    cdef uint64_t v = 0
    cdef size_t i = 0
    cdef int digit
    while i < t.len and (t.ptr[i] == 32 or (t.ptr[i] >= 9 and t.ptr[i] <= 13)):
        i += 1
    if i < t.len and t.ptr[i] == c'+':
        i += 1
    if i == t.len:
        return False
    while i < t.len:
        digit = t.ptr[i] - c'0'
        if digit < 0 or digit > 9 or v > (UINT64_MAX - digit) // 10:
            return False
        v = v * 10 + digit
        i += 1
    out[0] = v
    return True


cdef bint scan_cursor_or_reply(Ctx* x, Slice text, Scan* s) noexcept nogil:
    s.count = DEFAULT_COUNT
    s.pattern.ptr = NULL
    s.pattern.len = 0
    s.type = SCAN_ANY_TYPE
    s.no_values = False
    if parse_cursor(text, &s.cursor):
        return True
    err(x, E_CURSOR)
    return False


cdef int type_by_name(Slice name) noexcept nogil:
    cdef int t
    for t in range(OBJ_TYPES):
        if t != OBJ_MODULE and word_is(name, type_name(<ObjType>t)):
            return t
    return SCAN_NO_TYPE


cdef bint count_or_reply(Ctx* x, Slice text, int64_t* count) noexcept nogil:
    if not i64_or_reply(x, text, count):
        return False
    if count[0] < 1:
        syntax_error(x)
        return False
    return True


cdef bint scan_options_or_reply(Ctx* x, int first, int accepts, Scan* s) noexcept nogil:
    cdef int j = first
    cdef bint pair
    while j < x.argc:
        pair = j + 1 < x.argc
        if pair and word_is(x.argv[j], b"count"):
            if not count_or_reply(x, x.argv[j + 1], &s.count):
                return False
        elif pair and word_is(x.argv[j], b"match"):
            s.pattern = x.argv[j + 1]
            if s.pattern.len == 1 and s.pattern.ptr[0] == c'*':
                s.pattern.ptr = NULL
        elif pair and accepts & SCAN_ACCEPTS_TYPE and word_is(x.argv[j], b"type"):
            s.type = type_by_name(x.argv[j + 1])
        elif word_is(x.argv[j], b"novalues"):
            if not accepts & SCAN_ACCEPTS_NOVALUES:
                err(x, E_NOVALUES)
                return False
            s.no_values = True
            j -= 1
        else:
            syntax_error(x)
            return False
        j += 2
    return True


# ---------------------------------------------------------------- the walk

cdef void gather(Found* f, void* entry) noexcept nogil:
    cdef size_t i
    cdef void** more
    if unlikely(f.n == f.cap):
        more = <void**>mem_realloc(f.mem, NULL if f.entries == f.few else f.entries, 2 * f.cap * sizeof(void*))
        if f.entries == f.few:
            for i in range(f.n):
                more[i] = f.few[i]
        f.entries = more
        f.cap *= 2
    f.entries[f.n] = entry
    f.n += 1


cdef void visit(void* p, void* entry) noexcept nogil:
    cdef Walk* w = <Walk*>p
    w.seen += 1
    if w.filter(w.ctx, w.scan, entry):
        gather(&w.found, entry)


cdef int reply_cursor(Out* o, uint64_t cursor) noexcept nogil:
    cdef char[24] digits
    reply_array(o, 2)
    return reply_bulk(o, digits, num_print_u64(digits, cursor))


cdef int scan_dict(Ctx* x, Dict* d, Scan* s, scan_filter_fn filter, void* ctx, scan_write_fn write,
                   int elements) noexcept nogil:
    cdef Walk w
    cdef size_t i
    cdef int64_t buckets = INT64_MAX if s.count > INT64_MAX // BUCKETS_PER_COUNT else s.count * BUCKETS_PER_COUNT
    w.scan = s
    w.filter = filter
    w.ctx = ctx
    w.seen = 0
    w.found.mem = x.mem
    w.found.entries = w.found.few
    w.found.n = 0
    w.found.cap = FEW
    while True:
        s.cursor = dict_scan(d, s.cursor, visit, &w)
        buckets -= 1
        if s.cursor == 0 or buckets == 0 or w.seen >= s.count:
            break
    reply_cursor(x.out, s.cursor)
    reply_array(x.out, <int64_t>w.found.n * elements)
    for i in range(w.found.n):
        write(x.out, s, w.found.entries[i])
    if w.found.entries != w.found.few:
        mem_free(x.mem, w.found.entries)
    return 0


cdef int scan_empty(Ctx* x) noexcept nogil:
    reply_cursor(x.out, 0)
    return reply_array(x.out, 0)


cdef Deferred scan_flat_begin(Ctx* x) noexcept nogil:
    reply_cursor(x.out, 0)
    return reply_later(x.out)
