"""MEMORY USAGE and PURGE, LOLWUT, ROLE. The reports of MEMORY are in memory_report.py.

What a key takes is exact: block and payload are asked of the allocator. Its share of the tables is that of a slot in
a bucket, since the tables' size does not follow single keys.
"""
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.string cimport strlen
from ..base.env cimport env_rand_below
from ..base.mem cimport mem_purge
from ..base.sds cimport Sds, sds_append, sds_free, sds_new
from ..exec.args cimport *
from ..exec.client cimport Ctx
from ..exec.registry cimport bind
from ..keyspace.db cimport db_peek
from ..proto.errors cimport *
from ..proto.reply cimport *
from ..types.object cimport NO_EXPIRE, Robj, robj_expire, robj_memory

from ..version import REDIS_VERSION

cdef enum:
    SLOT_BYTES = 8              # a bucket's cache line among its entries
    SAMPLES = 5                 # elements looked at unless the caller says otherwise
    ART_ROWS = 12
    ART_COLUMNS = 40

cdef bytes farewell_bytes = b"\nRedis ver. " + REDIS_VERSION.encode() + b"\n"
cdef const char* farewell = farewell_bytes


cdef int memory_usage_command(Ctx* x) noexcept nogil:
    """MEMORY USAGE key [SAMPLES count]; count 0: all elements."""
    cdef int64_t samples = SAMPLES
    cdef int i = 3
    cdef size_t bytes
    cdef Robj* o
    while i < x.argc:
        if i + 1 == x.argc or not word_is(x.argv[i], b"samples"):
            return syntax_error(x)
        if not i64_or_reply(x, x.argv[i + 1], &samples):
            return 0
        if samples < 0:
            return syntax_error(x)
        i += 2
    o = db_peek(x.ks, x.db, x.argv[2])
    if o == NULL:
        return reply_null(x.out)
    bytes = robj_memory(o, samples) + SLOT_BYTES
    if robj_expire(o) != NO_EXPIRE:
        bytes += SLOT_BYTES
    return reply_int(x.out, bytes)


cdef int memory_purge_command(Ctx* x) noexcept nogil:
    mem_purge(True)
    return reply_ok(x.out)


cdef Sds* hills(Ctx* x, Sds* s) noexcept nogil:
    """A range of hills under stars: a random walk, drawn row by row from the sky down."""
    cdef int[ART_COLUMNS] height
    cdef char[ART_COLUMNS + 1] line
    cdef int row, column
    cdef int h = 2 + <int>env_rand_below(x.env, 4)
    for column in range(ART_COLUMNS):
        h += <int>env_rand_below(x.env, 3) - 1
        h = 1 if h < 1 else ART_ROWS - 4 if h > ART_ROWS - 4 else h
        height[column] = h
    for row in range(ART_ROWS, 0, -1):
        for column in range(ART_COLUMNS):
            if height[column] == row:
                line[column] = 94                           # ^
            elif height[column] > row:
                line[column] = 58 if env_rand_below(x.env, 3) else 46
            else:
                line[column] = 32 if env_rand_below(x.env, 24) else 42
        line[ART_COLUMNS] = 10
        s = sds_append(x.mem, s, line, ART_COLUMNS + 1)
    return s


cdef int lolwut_command(Ctx* x) noexcept nogil:
    """LOLWUT [VERSION number] [anything]: a drawing, and the version that most callers are after."""
    cdef int64_t version
    cdef Sds* s
    if x.argc > 2 and word_is(x.argv[1], b"version") and not i64_or_reply(x, x.argv[2], &version):
        return 0
    s = hills(x, sds_new(x.mem, NULL, 0))
    s = sds_append(x.mem, s, farewell, strlen(farewell))
    reply_verbatim(x.out, s.data, s.len, b"txt")
    sds_free(x.mem, s)
    return 0


cdef int role_command(Ctx* x) noexcept nogil:
    """ROLE of a server without replication: who replicates binds a body of its own."""
    reply_array(x.out, 3)
    reply_bulk_text(x.out, b"master")
    reply_int(x.out, 0)
    return reply_array(x.out, 0)


bind(b"memory|usage", memory_usage_command)
bind(b"memory|purge", memory_purge_command)
bind(b"lolwut", lolwut_command)
bind(b"role", role_command)
