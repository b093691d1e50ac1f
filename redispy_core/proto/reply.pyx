"""Reply writers (contract: reply.pxd).

A client's output is a chain of blocks; ordinary ones come from the engine's pool and return there once sent, so an idle
client owns none and a busy loop reuses the same warm few. A value larger than a block gets a block of its own.

A length known only later (reply_later) leaves a gap of GAP bytes; reply_length writes the header at the gap's end and
moves the rest of that block forward over what is left of it, at most one block's bytes.
"""
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memmove, strlen
from ..base.rp cimport likely, unlikely, rp_assert
from ..base.mem cimport Mem, mem_alloc, mem_free
from ..base.num cimport num_digits10, num_print_double, num_print_i64
from ..base.sds cimport Slice
from .errors cimport Err, err_text
from .replies import Error, Map, Push, Set, Status, Verbatim

cdef enum:
    HEADER = 24                 # bytes of a Block before data
    GAP = 24
    SMALL_BLOCK = 256           # the least that out_room_small allocates


# ---------------------------------------------------------------- blocks

cdef void out_init(Out* o, Mem* m, BlockPool* pool, int resp) noexcept nogil:
    o.pos = o.end = NULL
    o.first = o.last = NULL
    o.sent = 0
    o.closed_bytes = 0
    o.blocks = 0
    o.resp = resp
    o.limit = 0
    o.full = False
    o.errors = 0
    o.m = m
    o.pool = pool
    o.on_error = NULL
    o.ctx = NULL


cdef char* out_grow(Out* o, size_t n) noexcept nogil:
    cdef Block* b
    if o.last != NULL:
        if unlikely(o.limit != 0) and (o.full or o.closed_bytes + (o.pos - o.last.data) > o.limit) and o.last.cap >= n:
            o.full = True               # nobody will read it: the last block is written again and again
            o.pos = o.last.data
            return o.pos
        o.last.used = o.pos - o.last.data
        o.closed_bytes += o.last.used
    if n <= BLOCK_SIZE - HEADER and o.pool.free != NULL:
        b = o.pool.free
        o.pool.free = b.next
        o.pool.count -= 1
    else:
        b = <Block*>mem_alloc(o.m, HEADER + n if n > BLOCK_SIZE - HEADER else BLOCK_SIZE)
        b.cap = n if n > BLOCK_SIZE - HEADER else BLOCK_SIZE - HEADER
    b.next = NULL
    b.used = 0
    if o.last == NULL:
        o.first = b
    else:
        o.last.next = b
    o.last = b
    o.blocks += 1
    o.pos = b.data
    o.end = b.data + b.cap
    return o.pos


cdef char* out_room_small(Out* o, size_t n) noexcept nogil:
    cdef size_t size = SMALL_BLOCK if HEADER + n <= SMALL_BLOCK else HEADER + n
    cdef Block* b
    if o.last != NULL or size >= BLOCK_SIZE:
        return out_room(o, n)
    b = <Block*>mem_alloc(o.m, size)
    b.cap = size - HEADER
    b.next = NULL
    b.used = 0
    o.first = o.last = b
    o.blocks = 1
    o.pos = b.data
    o.end = b.data + b.cap
    return o.pos


cdef inline void release(Out* o, Block* b) noexcept nogil:
    o.blocks -= 1
    if b.cap == BLOCK_SIZE - HEADER and o.pool.count < POOL_MAX:
        b.next = o.pool.free
        o.pool.free = b
        o.pool.count += 1
    else:
        mem_free(o.m, b)


cdef void pool_clear(Mem* m, BlockPool* pool) noexcept nogil:
    cdef Block* b
    while pool.free != NULL:
        b = pool.free
        pool.free = b.next
        mem_free(m, b)
    pool.count = 0


cdef void out_clear(Out* o) noexcept nogil:
    cdef Block* b
    while o.first != NULL:
        b = o.first
        o.first = b.next
        release(o, b)
    o.last = NULL
    o.pos = o.end = NULL
    o.sent = 0
    o.closed_bytes = 0
    o.full = False


cdef size_t out_bytes(const Out* o) noexcept nogil:
    if o.last == NULL:
        return 0
    return o.closed_bytes + (o.pos - o.last.data) - o.sent


cdef size_t out_memory(const Out* o) noexcept nogil:
    cdef size_t n = 0
    cdef const Block* b = o.first
    while b != NULL:
        n += HEADER + b.cap
        b = b.next
    return n


cdef OutMark out_mark(Out* o) noexcept nogil:
    cdef OutMark mark
    mark.last = o.last
    mark.used = o.pos - o.last.data if o.last != NULL else 0
    return mark


cdef void out_rollback(Out* o, OutMark mark) noexcept nogil:
    cdef Block* b
    cdef Block* following
    o.full = o.full and o.last == mark.last     # else nothing that stays was written over
    if mark.last == NULL:
        out_clear(o)
        return
    if o.last != mark.last:
        b = mark.last.next
        while b != NULL:
            following = b.next
            release(o, b)
            b = following
        mark.last.next = NULL
        o.last = mark.last
        o.closed_bytes = 0
        b = o.first
        while b != o.last:
            o.closed_bytes += b.used
            b = b.next
    o.pos = o.last.data + mark.used
    o.end = o.last.data + o.last.cap


cdef void out_sent(Out* o, size_t n) noexcept nogil:
    cdef Block* b
    cdef size_t used
    n += o.sent
    while o.first != NULL:
        b = o.first
        used = <size_t>(o.pos - b.data) if b == o.last else b.used
        if n < used:
            break
        n -= used
        if b == o.last:
            out_clear(o)
            return
        o.first = b.next
        o.closed_bytes -= used
        release(o, b)
    o.sent = n


cdef void out_splice(Out* o, Out* tail) noexcept nogil:
    if tail.first == NULL:
        return
    if o.last != NULL:
        o.last.used = o.pos - o.last.data
        o.closed_bytes += o.last.used
        o.last.next = tail.first
    else:
        o.first = tail.first
    o.closed_bytes += tail.closed_bytes
    o.last = tail.last
    o.pos = tail.pos
    o.end = tail.end
    o.blocks += tail.blocks
    tail.first = tail.last = NULL
    tail.pos = tail.end = NULL
    tail.closed_bytes = 0
    tail.blocks = 0


# ---------------------------------------------------------------- writers

cdef inline void put_header(Out* o, char kind, int64_t n) noexcept nogil:
    cdef char* p = out_room(o, 32)
    p[0] = kind
    if likely(n >= 0 and n < 10):
        p[1] = 48 + <char>n
        p += 2
    else:
        p += 1 + num_print_i64(p + 1, n)
    p[0] = 13
    p[1] = 10
    o.pos = p + 2


cdef int reply_raw(Out* o, const char* s, size_t n) noexcept nogil:
    memcpy(out_room(o, n), s, n)
    o.pos += n
    return 0


cdef int reply_ok(Out* o) noexcept nogil:
    memcpy(out_room(o, 5), b"+OK\r\n", 5)
    o.pos += 5
    return 0


cdef int reply_status_n(Out* o, const char* s, size_t n) noexcept nogil:
    cdef char* p = out_room(o, n + 3)
    p[0] = 43
    memcpy(p + 1, s, n)
    p[n + 1] = 13
    p[n + 2] = 10
    o.pos += n + 3
    return 0


cdef int reply_status(Out* o, const char* s) noexcept nogil:
    return reply_status_n(o, s, strlen(s))


cdef int reply_int(Out* o, int64_t v) noexcept nogil:
    put_header(o, 58, v)
    return 0


cdef int reply_bool(Out* o, bint v) noexcept nogil:
    if o.resp < 3:
        return reply_int(o, v)
    return reply_raw(o, b"#t\r\n" if v else b"#f\r\n", 4)


cdef int reply_bulk(Out* o, const char* s, size_t n) noexcept nogil:
    cdef char* p = out_room(o, n + 32)
    p[0] = 36
    if likely(n < 10):
        p[1] = 48 + <char>n
        p += 2
    else:
        p += 1 + num_print_i64(p + 1, <int64_t>n)
    p[0] = 13
    p[1] = 10
    memcpy(p + 2, s, n)
    p += n + 2
    p[0] = 13
    p[1] = 10
    o.pos = p + 2
    return 0


cdef int reply_bulk_text(Out* o, const char* s) noexcept nogil:
    return reply_bulk(o, s, strlen(s))


cdef int reply_bulk_i64(Out* o, int64_t v) noexcept nogil:
    cdef char[24] text
    return reply_bulk(o, text, num_print_i64(text, v))


cdef int reply_bulk_double(Out* o, double v) noexcept nogil:
    cdef char[64] text
    return reply_bulk(o, text, num_print_double(text, v))


cdef int reply_double(Out* o, double v) noexcept nogil:
    cdef char* p
    if o.resp < 3:
        return reply_bulk_double(o, v)
    p = out_room(o, 64)
    p[0] = 44
    p += 1 + num_print_double(p + 1, v)
    p[0] = 13
    p[1] = 10
    o.pos = p + 2
    return 0


cdef int reply_bignum(Out* o, const char* s, size_t n) noexcept nogil:
    if o.resp < 3:
        return reply_bulk(o, s, n)
    reply_raw(o, b"(", 1)
    reply_raw(o, s, n)
    return reply_raw(o, b"\r\n", 2)


cdef int reply_verbatim(Out* o, const char* s, size_t n, const char* ext) noexcept nogil:
    if o.resp < 3:
        return reply_bulk(o, s, n)
    put_header(o, 61, n + 4)
    reply_raw(o, ext, 3)
    reply_raw(o, b":", 1)
    reply_raw(o, s, n)
    return reply_raw(o, b"\r\n", 2)


cdef int reply_null(Out* o) noexcept nogil:
    if o.resp < 3:
        return reply_raw(o, b"$-1\r\n", 5)
    return reply_raw(o, b"_\r\n", 3)


cdef int reply_null_array(Out* o) noexcept nogil:
    if o.resp < 3:
        return reply_raw(o, b"*-1\r\n", 5)
    return reply_raw(o, b"_\r\n", 3)


cdef int reply_array(Out* o, int64_t n) noexcept nogil:
    put_header(o, 42, n)
    return 0


cdef int reply_map(Out* o, int64_t pairs) noexcept nogil:
    if o.resp < 3:
        put_header(o, 42, pairs * 2)
    else:
        put_header(o, 37, pairs)
    return 0


cdef int reply_set(Out* o, int64_t n) noexcept nogil:
    put_header(o, 42 if o.resp < 3 else 126, n)
    return 0


cdef int reply_push(Out* o, int64_t n) noexcept nogil:
    put_header(o, 42 if o.resp < 3 else 62, n)
    return 0


cdef int reply_attribute(Out* o, int64_t pairs) noexcept nogil:
    rp_assert(o.resp >= 3)
    put_header(o, 124, pairs)
    return 0


cdef Deferred reply_later(Out* o) noexcept nogil:
    cdef Deferred d
    out_room(o, GAP)
    d.block = o.last
    d.at = o.pos - o.last.data
    o.pos += GAP
    return d


cdef void reply_length(Out* o, Deferred d, char kind, int64_t n) noexcept nogil:
    cdef char[GAP] header
    cdef size_t len, used, behind
    cdef char* p = d.block.data + d.at
    if unlikely(o.full):
        return                          # the gap may be overwritten
    if o.resp < 3:
        n = n * 2 if kind == 37 else n
        kind = 42
    header[0] = kind
    len = 1 + num_print_i64(header + 1, n)
    header[len] = 13
    header[len + 1] = 10
    len += 2
    memcpy(p, header, len)
    used = <size_t>(o.pos - o.last.data) if d.block == o.last else d.block.used
    behind = used - d.at - GAP
    memmove(p + len, p + GAP, behind)
    if d.block == o.last:
        o.pos -= GAP - len
    else:
        d.block.used -= GAP - len
        o.closed_bytes -= GAP - len


# ---------------------------------------------------------------- errors

cdef int reply_error_text(Out* o, const char* s, size_t n) noexcept nogil:
    cdef char* p = out_room(o, n + 3)
    cdef size_t i
    p[0] = 45
    for i in range(n):
        p[i + 1] = s[i] if s[i] != 13 and s[i] != 10 else 32
    p[n + 1] = 13
    p[n + 2] = 10
    o.pos += n + 3
    o.errors += 1
    if o.on_error != NULL:
        o.on_error(o.ctx, p + 1, n)
    return 0


cdef int reply_error(Out* o, Err e) noexcept nogil:
    cdef const char* text = err_text(e)
    return reply_error_text(o, text, strlen(text))


cdef int reply_errorf(Out* o, Err e, Slice a, Slice b) noexcept nogil:
    cdef const char* text = err_text(e)
    cdef size_t n = strlen(text)
    cdef char* buf = <char*>mem_alloc(o.m, n + a.len + b.len + 1)
    cdef size_t i = 0
    cdef size_t len = 0
    cdef bint second = False
    cdef Slice s
    while i < n:
        if text[i] == 37 and text[i + 1] == 115:       # %s
            s = b if second else a
            memcpy(buf + len, s.ptr, s.len)
            len += s.len
            second = True
            i += 2
        else:
            buf[len] = text[i]
            len += 1
            i += 1
    reply_error_text(o, buf, len)
    mem_free(o.m, buf)
    return 0


# ---------------------------------------------------------------- Python values

cdef int reply_sequence(Out* o, values) except -1:
    for value in values:
        reply_object(o, value)
    return 0


cdef int reply_pairs(Out* o, pairs) except -1:
    reply_map(o, len(pairs))
    for key, value in pairs:
        reply_object(o, key)
        reply_object(o, value)
    return 0


cdef int reply_object(Out* o, object value) except -1:
    cdef bytes text
    if value is None:
        return reply_null(o)
    if isinstance(value, Status):
        return reply_status_n(o, <bytes>value, len(value))
    if isinstance(value, Verbatim):
        return reply_verbatim(o, <bytes>value, len(value), b"txt")
    if isinstance(value, Error):
        text = str(value).encode("utf-8", "surrogateescape")
        return reply_error_text(o, text, len(text))
    if isinstance(value, bool):
        return reply_bool(o, value)
    if isinstance(value, int):
        return reply_int(o, value)
    if isinstance(value, float):
        return reply_double(o, value)
    if isinstance(value, (bytes, str)):
        text = value if isinstance(value, bytes) else (<str>value).encode()
        return reply_bulk(o, text, len(text))
    if isinstance(value, Map):
        return reply_pairs(o, value)
    if isinstance(value, dict):
        return reply_pairs(o, value.items())
    if isinstance(value, Set):
        reply_set(o, len(value))
    elif isinstance(value, Push):
        reply_push(o, len(value))
    else:
        reply_array(o, len(value))
    return reply_sequence(o, value)
