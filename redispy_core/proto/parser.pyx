"""Request parser (contract: parser.pxd): RESP arrays of bulk strings and inline commands.

Sans-IO: it is given a buffer and a position, and stops anywhere. State between calls is in Parser alone; argument
slices point into the caller's buffer, who tells when that moves (parser_rebase). Limits and texts are Redis's:
the count and bulk headers must end within max_inline bytes; the two bytes behind a bulk body are skipped unread.
"""
from libc.stdint cimport int64_t
from libc.string cimport memchr, memcpy
from ..base.rp cimport likely, unlikely
from ..base.mem cimport Mem, MemFace, mem_alloc, mem_free, mem_realloc
from ..base.num cimport num_parse_i64
from ..base.sds cimport Slice
from .errors cimport (E_PROTO_BULK, E_PROTO_BULK_STRING, E_PROTO_EXPECTED, E_PROTO_INLINE, E_PROTO_MBULK_STRING,
                      E_PROTO_MULTIBULK, E_PROTO_QUOTES, E_PROTO_UNAUTH_BULK, E_PROTO_UNAUTH_MBULK, Err, err_text)

cdef enum:
    ARGV_FIRST = 8              # slots allocated at first
    ARGV_KEEP = 64              # slots kept between requests
    UNAUTH_ARGS = 10
    UNAUTH_BULK = 16384
    INT_MAX = 2147483647
    LINE_MORE = 0               # read_length: the line is not complete
    LINE_OK = 1
    LINE_BAD = 2


cdef void parser_init(Parser* p) noexcept nogil:
    p.argv = NULL
    p.argc = 0
    p.argv_cap = 0
    p.multibulk = 0
    p.bulk = -1
    p.missing = 0
    p.got = 0


cdef void parser_free(Mem* m, Parser* p) noexcept nogil:
    mem_free(m, p.argv)
    parser_init(p)


cdef void parser_shrink(Mem* m, Parser* p) noexcept nogil:
    if p.argv_cap > ARGV_KEEP and p.multibulk == 0:
        mem_free(m, p.argv)
        p.argv = NULL
        p.argv_cap = 0
        p.argc = 0


cdef void parser_rebase(Parser* p, const char* old, const char* fresh) noexcept nogil:
    cdef int i
    for i in range(p.argc):
        p.argv[i].ptr = fresh + (p.argv[i].ptr - old)


cdef inline void grow_argv(Mem* m, Parser* p) noexcept nogil:
    p.argv_cap = ARGV_FIRST if p.argv_cap == 0 else p.argv_cap * 2
    p.argv = <Slice*>mem_realloc(m, p.argv, p.argv_cap * sizeof(Slice))


cdef inline Parsed fail(Parser* p, Err e) noexcept nogil:
    p.err = e
    return PARSED_ERROR


cdef inline int read_length(const char* buf, size_t len, size_t* pos, int64_t* out) noexcept nogil:
    """The integer of a header line at pos (behind its type byte); pos moves behind the line only on LINE_OK."""
    cdef size_t i = pos[0] + 1
    cdef int64_t v = 0
    cdef const char* end
    cdef unsigned c
    if likely(i + 2 < len):                       # plain digits, the common case, without looking for the end first
        c = <unsigned>buf[i] - 48
        if c >= 1 and c <= 9:
            while c <= 9 and v < INT_MAX:
                v = v * 10 + c
                i += 1
                if i + 1 >= len:
                    break
                c = <unsigned>buf[i] - 48
            if i + 1 < len and buf[i] == 13:
                out[0] = v
                pos[0] = i + 2
                return LINE_OK
    i = pos[0] + 1
    if i >= len:
        return LINE_MORE
    end = <const char*>memchr(buf + i, 13, len - i)
    if end == NULL or end + 1 >= buf + len:
        return LINE_MORE
    if not num_parse_i64(buf + i, end - (buf + i), out):
        return LINE_BAD
    pos[0] = (end - buf) + 2
    return LINE_OK


cdef Parsed start_multibulk(Parser* p, char* buf, size_t len, size_t* pos,
                            const ParserLimits* limits) noexcept nogil:
    cdef int64_t n = 0
    cdef int got = read_length(buf, len, pos, &n)
    if got == LINE_MORE:
        p.missing = 1
        return fail(p, E_PROTO_MBULK_STRING) if <int64_t>(len - pos[0]) > limits.max_inline else PARSED_MORE
    if got == LINE_BAD or n > INT_MAX:
        return fail(p, E_PROTO_MULTIBULK)
    if n > UNAUTH_ARGS and not limits.authenticated:
        return fail(p, E_PROTO_UNAUTH_MBULK)
    p.argc = 0
    p.multibulk = n if n > 0 else 0
    p.bulk = -1
    return PARSED_COMMAND


cdef Parsed start_bulk(Parser* p, char* buf, size_t len, size_t* pos, const ParserLimits* limits) noexcept nogil:
    cdef int64_t n = 0
    cdef int got
    if pos[0] >= len:
        p.missing = 1
        return PARSED_MORE
    if unlikely(buf[pos[0]] != 36):               # '$'
        if memchr(buf + pos[0], 13, len - pos[0]) == NULL:
            p.missing = 1
            return fail(p, E_PROTO_BULK_STRING) if <int64_t>(len - pos[0]) > limits.max_inline else PARSED_MORE
        p.got = buf[pos[0]]
        return fail(p, E_PROTO_EXPECTED)
    got = read_length(buf, len, pos, &n)
    if got == LINE_MORE:
        p.missing = 1
        return fail(p, E_PROTO_BULK_STRING) if <int64_t>(len - pos[0]) > limits.max_inline else PARSED_MORE
    if got == LINE_BAD or n < 0 or n > limits.max_bulk:
        return fail(p, E_PROTO_BULK)
    if n > UNAUTH_BULK and not limits.authenticated:
        return fail(p, E_PROTO_UNAUTH_BULK)
    p.bulk = n
    return PARSED_COMMAND


cdef Parsed parse_multibulk(Mem* m, Parser* p, char* buf, size_t len, size_t* pos,
                            const ParserLimits* limits) noexcept nogil:
    cdef Parsed r
    cdef size_t n
    while p.multibulk > 0:
        if p.bulk < 0:
            r = start_bulk(p, buf, len, pos, limits)
            if r != PARSED_COMMAND:
                return r
        n = <size_t>p.bulk
        if unlikely(len - pos[0] < n + 2):
            p.missing = n + 2 - (len - pos[0])
            return PARSED_MORE
        if unlikely(p.argc == p.argv_cap):
            grow_argv(m, p)
        p.argv[p.argc].ptr = buf + pos[0]
        p.argv[p.argc].len = n
        p.argc += 1
        pos[0] += n + 2
        p.multibulk -= 1
        p.bulk = -1
    return PARSED_COMMAND


# ---------------------------------------------------------------- inline requests

cdef inline int hex_value(char c) noexcept nogil:
    if c >= 48 and c <= 57:
        return c - 48
    if c >= 97 and c <= 102:
        return c - 87
    if c >= 65 and c <= 70:
        return c - 55
    return -1


cdef inline char escaped(char c) noexcept nogil:
    if c == 110: return 10          # \n
    if c == 114: return 13          # \r
    if c == 116: return 9           # \t
    if c == 98: return 8            # \b
    if c == 97: return 7            # \a
    return c


cdef inline bint is_space(char c) noexcept nogil:
    return c == 32 or (c >= 9 and c <= 13) or c == 0


cdef Py_ssize_t read_quoted(char* s, size_t n, size_t i, char* out, size_t* len) noexcept nogil:
    """Resolves a quoted run that begins at s[i]; position behind the closing quote, or -1."""
    cdef char quote = s[i]
    i += 1
    while i < n:
        if quote == 34 and s[i] == 92 and i + 3 < n and s[i + 1] == 120 and hex_value(s[i + 2]) >= 0 \
                and hex_value(s[i + 3]) >= 0:
            out[len[0]] = <char>(hex_value(s[i + 2]) * 16 + hex_value(s[i + 3]))
            i += 4
        elif quote == 34 and s[i] == 92 and i + 1 < n:
            out[len[0]] = escaped(s[i + 1])
            i += 2
        elif quote == 39 and s[i] == 92 and i + 1 < n and s[i + 1] == 39:
            out[len[0]] = 39
            i += 2
        elif s[i] == quote:
            if i + 1 < n and not is_space(s[i + 1]):
                return -1
            return i + 1
        else:
            out[len[0]] = s[i]
            i += 1
        len[0] += 1
    return -1


cdef int split_quoted(char* line, size_t n, Slice* out, int cap) noexcept nogil:
    cdef size_t i = 0
    cdef size_t len
    cdef Py_ssize_t at
    cdef char* word
    cdef int count = 0
    while True:
        while i < n and is_space(line[i]):
            i += 1
        if i >= n:
            return count
        word = line + i                 # the resolved word is never longer than its source: written in place
        len = 0
        while i < n and not is_space(line[i]):
            if line[i] == 34 or line[i] == 39:
                at = read_quoted(line, n, i, word, &len)
                if at < 0:
                    return -1
                i = <size_t>at
                break                   # a closing quote ends the word
            word[len] = line[i]
            len += 1
            i += 1
        if count < cap:
            out[count].ptr = word
            out[count].len = len
        count += 1


cdef Parsed parse_inline(Mem* m, Parser* p, char* buf, size_t len, size_t* pos,
                         const ParserLimits* limits) noexcept nogil:
    cdef char* line = buf + pos[0]
    cdef char* end = <char*>memchr(line, 10, len - pos[0])
    cdef size_t n
    cdef int words
    if end == NULL:
        p.missing = 1
        return fail(p, E_PROTO_INLINE) if <int64_t>(len - pos[0]) > limits.max_inline else PARSED_MORE
    pos[0] = (end - buf) + 1
    n = end - line
    if n and line[n - 1] == 13:
        n -= 1
    words = <int>(n // 2 + 1)               # no line has more words
    while p.argv_cap < words:
        grow_argv(m, p)
    words = split_quoted(line, n, p.argv, p.argv_cap)
    if words < 0:
        return fail(p, E_PROTO_QUOTES)
    p.argc = words
    return PARSED_COMMAND


cdef Parsed parse_request(Mem* m, Parser* p, char* buf, size_t len, size_t* pos,
                          const ParserLimits* limits) noexcept nogil:
    cdef Parsed r
    if p.multibulk == 0:
        p.argc = 0
        if buf[pos[0]] != 42:               # '*'
            return parse_inline(m, p, buf, len, pos, limits)
        r = start_multibulk(p, buf, len, pos, limits)
        if r != PARSED_COMMAND:
            return r
    return parse_multibulk(m, p, buf, len, pos, limits)


# ---------------------------------------------------------------- test face

cdef class ParserFace:
    """Feeds bytes in pieces and gathers requests, for tests."""
    cdef readonly MemFace memory
    cdef Parser p
    cdef ParserLimits limits
    cdef bytearray buffer
    cdef size_t pos
    cdef readonly str error

    def __cinit__(self, max_bulk=512 << 20, max_inline=65536, authenticated=True):
        self.memory = MemFace()
        parser_init(&self.p)
        self.limits.max_bulk = max_bulk
        self.limits.max_inline = max_inline
        self.limits.authenticated = authenticated
        self.buffer = bytearray()
        self.pos = 0
        self.error = None

    def __dealloc__(self):
        parser_free(&self.memory.mem, &self.p)

    def feed(self, bytes data):
        """The requests (lists of bytes) completed by data; `error` is set at a protocol error, after which it stops."""
        cdef char* old = self.buffer
        cdef char* buf
        cdef Parsed r
        found = []
        self.buffer += data
        buf = self.buffer
        parser_rebase(&self.p, old, buf)
        while self.error is None and self.pos < <size_t>len(self.buffer):
            r = parse_request(&self.memory.mem, &self.p, buf, len(self.buffer), &self.pos, &self.limits)
            if r == PARSED_MORE:
                break
            if r == PARSED_ERROR:
                self.error = (<bytes>err_text(self.p.err)).decode().replace("%s", chr(self.p.got & 255))
                break
            found.append([self.p.argv[i].ptr[:self.p.argv[i].len] for i in range(self.p.argc)])
        return found
