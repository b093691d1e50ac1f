"""LCS, the longest common subsequence of two strings. Room commands.

L(i, j) is the length of the longest common subsequence of a[:i] and b[:j]. Along a row it grows by 0 or 1, so a row is
kept as one bit a byte of b, 1 where it does not grow, and computed 64 columns at a time (Hyyro, "Bit-parallel LCS
length computation revisited", 2004): with m the columns where b has a[i-1], row i = (v + (v & m)) | (v & ~m) of row
v = i - 1. The way back from the corner needs nothing else: where the bytes differ, L(i-1, j) > L(i, j-1) exactly if
row i grows at j. Only every sqrt(len(a))-th row is kept; those between are computed again, a window at a time, when
the way back comes to them.

proto-max-bulk-len bounds the bits of all rows, kept or not, as it bounds the time: some seconds of a table of lengths,
less than one here.
"""
from libc.math cimport sqrt
from libc.stdint cimport int16_t, int64_t, uint64_t
from libc.string cimport memcpy, memset
from ..base.mem cimport mem_free, mem_try_alloc
from ..base.rp cimport rp_popcount64
from ..base.sds cimport Slice
from ..exec.args cimport err, i64_or_reply, syntax_error, word_is
from ..exec.client cimport Ctx
from ..exec.registry cimport bind
from ..keyspace.db cimport db_read
from ..proto.errors cimport E_LCS_BOTH, E_LCS_MEMORY, E_LCS_TOO_LONG, E_LCS_TYPES, E_OOM_ALLOC
from ..proto.reply cimport Deferred, reply_array, reply_bulk, reply_int, reply_later, reply_length, reply_map
from ..types.object cimport INT_TEXT, OBJ_STRING, Robj, robj_bytes, robj_type

cdef struct Lcs:
    Slice a
    Slice b
    size_t words                # of a row
    size_t step                 # rows 0, step, 2 * step ... are kept in marks
    uint64_t* marks
    uint64_t* window            # rows window_from + 1 ... window_from + step
    size_t window_from
    uint64_t* masks             # a row for each distinct byte of a: where b has it
    int16_t classes[256]        # byte -> row of masks, -1: not in a
    uint64_t* block             # what is to be freed

cdef struct Run:                # a stretch that both strings share
    size_t a                    # where it begins
    size_t b
    size_t n

cdef struct LcsOptions:
    bint len
    bint idx
    bint with_length
    int64_t min_length


cdef int classify(Lcs* t) noexcept nogil:
    """Numbers the distinct bytes of a."""
    cdef size_t i
    cdef int n = 0
    cdef unsigned char c
    memset(t.classes, 0xFF, sizeof(t.classes))
    for i in range(t.a.len):
        c = t.a.ptr[i]
        if t.classes[c] < 0:
            t.classes[c] = n
            n += 1
    return n


cdef bint lcs_begin_or_reply(Ctx* x, Lcs* t) noexcept nogil:
    """Takes the memory and fills the masks."""
    cdef size_t i, total
    cdef int c
    cdef int classes = classify(t)
    if (t.a.len | t.b.len) >> 32:
        err(x, E_LCS_TOO_LONG)
        return False
    t.words = (t.b.len + 63) // 64
    if t.words * 8 * t.a.len > <size_t>x.env.knobs.proto_max_bulk_len:
        err(x, E_LCS_MEMORY)
        return False
    t.step = <size_t>sqrt(<double>t.a.len) + 1
    total = (classes + t.a.len // t.step + 1 + t.step) * t.words * 8
    t.block = <uint64_t*>mem_try_alloc(x.mem, total if total else 8)
    if t.block == NULL:
        err(x, E_OOM_ALLOC)
        return False
    t.masks = t.block
    t.marks = t.masks + classes * t.words
    t.window = t.marks + (t.a.len // t.step + 1) * t.words
    memset(t.masks, 0, classes * t.words * 8)
    for i in range(t.b.len):
        c = t.classes[<unsigned char>t.b.ptr[i]]
        if c >= 0:
            t.masks[c * t.words + i // 64] |= <uint64_t>1 << (i % 64)
    return True


cdef inline void next_row(const uint64_t* v, uint64_t* out, const uint64_t* mask, size_t words) noexcept nogil:
    cdef uint64_t carry = 0
    cdef uint64_t sum, match
    cdef size_t i
    for i in range(words):
        match = v[i] & mask[i]
        sum = v[i] + match + carry
        carry = sum < match or (carry and sum == match)
        out[i] = sum | (v[i] & ~mask[i])


cdef inline const uint64_t* mask_of(const Lcs* t, size_t i) noexcept nogil:
    return t.masks + t.classes[<unsigned char>t.a.ptr[i]] * t.words


cdef size_t lcs_fill(Lcs* t) noexcept nogil:
    """Computes the marks; the length of the longest common subsequence. O(len(a) * len(b) / 64)."""
    cdef uint64_t* row = t.window
    cdef size_t i
    cdef size_t n = 0
    memset(row, 0xFF, t.words * 8)
    for i in range(t.a.len):
        if i % t.step == 0:
            memcpy(t.marks + i // t.step * t.words, row, t.words * 8)
        next_row(row, row, mask_of(t, i), t.words)
    for i in range(t.words):
        n += rp_popcount64(~row[i])
    t.window_from = t.a.len
    return n


cdef void load_window(Lcs* t, size_t i) noexcept nogil:
    """Computes the rows up to i again, from the mark before it."""
    cdef const uint64_t* above = t.marks + (i - 1) // t.step * t.words
    cdef uint64_t* row = t.window
    cdef size_t k
    t.window_from = (i - 1) // t.step * t.step
    for k in range(t.window_from, i):
        next_row(above, row, mask_of(t, k), t.words)
        above = row
        row += t.words


cdef inline bint grows(Lcs* t, size_t i, size_t j) noexcept nogil:
    """Whether row i grows at column j. O(1) for rows that go down by one at most."""
    if i <= t.window_from:
        load_window(t, i)
    return not (t.window[(i - t.window_from - 1) * t.words + (j - 1) // 64] >> ((j - 1) % 64)) & 1


cdef void lcs_text(Lcs* t, char* text, size_t n) noexcept nogil:
    """The subsequence itself: n bytes, found from the end."""
    cdef size_t i = t.a.len
    cdef size_t j = t.b.len
    while i and j:
        if t.a.ptr[i - 1] == t.b.ptr[j - 1]:
            i -= 1
            j -= 1
            n -= 1
            text[n] = t.a.ptr[i]
        elif grows(t, i, j):
            i -= 1
        else:
            j -= 1


cdef int64_t reply_run(Ctx* x, const Run* run, const LcsOptions* p) noexcept nogil:
    """[[from, to] in a, [from, to] in b, length if asked for]; how many elements were written, 0 or 1."""
    if run.n == 0 or <int64_t>run.n < p.min_length:
        return 0
    reply_array(x.out, 3 if p.with_length else 2)
    reply_array(x.out, 2)
    reply_int(x.out, run.a)
    reply_int(x.out, run.a + run.n - 1)
    reply_array(x.out, 2)
    reply_int(x.out, run.b)
    reply_int(x.out, run.b + run.n - 1)
    if p.with_length:
        reply_int(x.out, run.n)
    return 1


cdef void reply_runs(Ctx* x, Lcs* t, const LcsOptions* p) noexcept nogil:
    """The runs, last one first."""
    cdef Deferred header = reply_later(x.out)
    cdef size_t i = t.a.len
    cdef size_t j = t.b.len
    cdef int64_t count = 0
    cdef Run run
    run.a = run.b = run.n = 0
    while i and j:
        if t.a.ptr[i - 1] == t.b.ptr[j - 1]:
            if run.n and (run.a != i or run.b != j):
                count += reply_run(x, &run, p)
                run.n = 0
            i -= 1
            j -= 1
            run.a = i
            run.b = j
            run.n += 1
        elif grows(t, i, j):
            i -= 1
        else:
            j -= 1
    count += reply_run(x, &run, p)
    reply_length(x.out, header, 42, count)


cdef bint lcs_options_or_reply(Ctx* x, LcsOptions* p) noexcept nogil:
    cdef int i = 3
    memset(p, 0, sizeof(LcsOptions))
    while i < x.argc:
        if word_is(x.argv[i], b"idx"):
            p.idx = True
        elif word_is(x.argv[i], b"len"):
            p.len = True
        elif word_is(x.argv[i], b"withmatchlen"):
            p.with_length = True
        elif word_is(x.argv[i], b"minmatchlen") and i + 1 < x.argc:
            i += 1
            if not i64_or_reply(x, x.argv[i], &p.min_length):
                return False
        else:
            syntax_error(x)
            return False
        i += 1
    if p.idx and p.len:
        err(x, E_LCS_BOTH)
        return False
    return True


cdef Slice text_of(const Robj* o, char* scratch) noexcept nogil:
    cdef Slice s
    s.ptr = NULL
    s.len = 0
    if o != NULL:
        s.ptr = robj_bytes(o, scratch, &s.len)
    return s


cdef void reply_subsequence(Ctx* x, Lcs* t, size_t n) noexcept nogil:
    cdef char* text = <char*>mem_try_alloc(x.mem, n if n else 1)
    if text == NULL:
        err(x, E_OOM_ALLOC)
        return
    lcs_text(t, text, n)
    reply_bulk(x.out, text, n)
    mem_free(x.mem, text)


cdef int lcs_command(Ctx* x) noexcept nogil:
    """LCS key1 key2 [LEN] [IDX] [MINMATCHLEN n] [WITHMATCHLEN]. O(N*M)."""
    cdef char[INT_TEXT] scratch_a
    cdef char[INT_TEXT] scratch_b
    cdef LcsOptions p
    cdef Lcs t
    cdef size_t n
    cdef Robj* a = db_read(x.ks, x.db, x.argv[1])
    cdef Robj* b = db_read(x.ks, x.db, x.argv[2])
    if (a != NULL and robj_type(a) != OBJ_STRING) or (b != NULL and robj_type(b) != OBJ_STRING):
        return err(x, E_LCS_TYPES)
    if not lcs_options_or_reply(x, &p):
        return 0
    t.a = text_of(a, scratch_a)
    t.b = text_of(b, scratch_b)
    if not lcs_begin_or_reply(x, &t):
        return 0
    n = lcs_fill(&t)
    if p.len:
        reply_int(x.out, n)
    elif p.idx:
        reply_map(x.out, 2)
        reply_bulk(x.out, b"matches", 7)
        reply_runs(x, &t, &p)
        reply_bulk(x.out, b"len", 3)
        reply_int(x.out, n)
    else:
        reply_subsequence(x, &t, n)
    mem_free(x.mem, t.block)
    return 0


bind(b"lcs", lcs_command)
