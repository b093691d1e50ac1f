# Requests: multibulk and inline, resumable at any byte. Arguments are slices of the caller's buffer.
from libc.stdint cimport int64_t
from ..base.mem cimport Mem
from ..base.sds cimport Slice
from .errors cimport Err

cdef enum Parsed:
    PARSED_COMMAND = 0         # argv[0..argc) is a request; argc may be 0 (an empty line): nothing to do
    PARSED_MORE = 1            # the buffer ends inside a request; `missing` tells a lower bound of what is needed
    PARSED_ERROR = 2           # protocol error `err`: answer, then close

cdef struct ParserLimits:
    int64_t max_bulk           # proto-max-bulk-len
    int64_t max_inline         # proto-inline-max-size
    bint authenticated         # False: 10 arguments of 16 KB at most

cdef struct Parser:
    Slice* argv
    int argc
    int argv_cap
    int64_t multibulk          # arguments still to come; 0: between requests
    int64_t bulk               # length of the argument being read; -1: its header comes next
    size_t missing
    Err err
    char got                   # the character that PROTO_EXPECTED complains about

cdef void parser_init(Parser* p) noexcept nogil
cdef void parser_free(Mem* m, Parser* p) noexcept nogil
cdef Parsed parse_request(Mem* m, Parser* p, char* buf, size_t len, size_t* pos, const ParserLimits* limits) noexcept nogil   # O(bytes); advances pos; may unescape inline text in buf
cdef inline void parser_restart(Parser* p) noexcept nogil:   # forgets the request being read: its bytes will come again
    p.multibulk = 0
    p.bulk = -1
    p.argc = 0
cdef void parser_rebase(Parser* p, const char* old, const char* fresh) noexcept nogil   # the buffer moved inside a request
cdef void parser_shrink(Mem* m, Parser* p) noexcept nogil                              # gives a long argv back
cdef int split_quoted(char* line, size_t n, Slice* out, int cap) noexcept nogil        # words of a line, quotes resolved in place; -1: unbalanced
