"""The propagation point (contract: journal.pxd). Room keyspace; fed by exec's call(), by expiry and by eviction.

A unit is what one request does with all that runs inside it: the commands of EXEC or of a script, keys that turned out
to be expired, evictions before it. Its ops are encoded once, into `unit`. When the unit ends they go to the
append-only file's buffer and to the replicas' stream; more than one go between MULTI and EXEC.

Both streams see the same bytes, so one `db` tells which database is selected in both. Where they differ (an op for one
of them alone), the next op selects again.

Source of what is recorded for which command: the propagation table of Redis's append-only format; each command says
its own form where it is not the verbatim one.
"""
from libc.stdint cimport int64_t
from libc.string cimport memset, strlen
from ..base.mem cimport Mem, mem_free, mem_realloc
from ..base.num cimport num_print_i64
from ..base.rp cimport likely, unlikely
from ..base.sds cimport Sds, Slice, sds_append, sds_free, sds_new, slice_of

cdef enum:
    KEEP = 1 << 16              # a unit's buffer larger than this is given back


cdef void journal_init(Journal* j, Mem* m) noexcept nogil:
    memset(j, 0, sizeof(Journal))
    j.mem = m
    j.allowed = TO_ALL
    j.db = -1
    j.aof_second = -1


cdef void journal_free(Journal* j) noexcept nogil:
    sds_free(j.mem, j.unit)
    sds_free(j.mem, j.aof)
    mem_free(j.mem, j.ops)
    j.unit = j.aof = NULL
    j.ops = NULL


# ---------------------------------------------------------------- encoding

cdef inline void put(Journal* j, const char* p, size_t n) noexcept nogil:
    j.unit = sds_append(j.mem, j.unit, p, n)


cdef void put_header(Journal* j, char kind, int64_t n) noexcept nogil:
    cdef char buf[32]
    cdef int len
    buf[0] = kind
    len = 1 + num_print_i64(buf + 1, n)
    buf[len] = 13
    buf[len + 1] = 10
    put(j, buf, len + 2)


cdef void put_bulk(Journal* j, const char* p, size_t n) noexcept nogil:
    put_header(j, 36, n)
    put(j, p, n)
    put(j, b"\r\n", 2)


cdef void put_select(Journal* j, int db) noexcept nogil:
    cdef char buf[24]
    put_header(j, 42, 2)
    put_bulk(j, b"SELECT", 6)
    put_bulk(j, buf, num_print_i64(buf, db))


cdef bint open_op(Journal* j, int db, int targets) noexcept nogil:
    """A new op of the unit, its database selected; False when it reaches nobody."""
    targets &= j.targets & j.allowed
    if targets == 0:
        return False
    if j.unit == NULL:
        j.unit = sds_new(j.mem, NULL, 256)
        j.unit.len = 0
    if j.nops == j.cap:
        j.cap = j.cap * 2 if j.cap else 8
        j.ops = <JournalOp*>mem_realloc(j.mem, j.ops, j.cap * sizeof(JournalOp))
    j.ops[j.nops].at = j.unit.len
    j.ops[j.nops].targets = targets
    j.nops += 1
    if j.db != db:
        put_select(j, db)
        j.db = db
    if targets != j.targets:
        j.db = -1                       # the other stream has not seen this
    return True


# ---------------------------------------------------------------- recording

cdef void journal_begin(Journal* j, int db, int argc) noexcept nogil:
    j.said = True
    j.muted = not open_op(j, db, TO_ALL)
    if not j.muted:
        put_header(j, 42, argc)


cdef void journal_arg(Journal* j, Slice s) noexcept nogil:
    if likely(not j.muted):
        put_bulk(j, s.ptr, s.len)


cdef void journal_arg_i64(Journal* j, int64_t v) noexcept nogil:
    cdef char buf[24]
    if likely(not j.muted):
        put_bulk(j, buf, num_print_i64(buf, v))


cdef void journal_text(Journal* j, const char* s) noexcept nogil:
    journal_arg(j, slice_of(s, strlen(s)))


cdef void journal_as(Journal* j, int db, const Slice* argv, int argc) noexcept nogil:
    cdef int i
    journal_begin(j, db, argc)
    for i in range(argc):
        journal_arg(j, argv[i])


cdef void journal_key(Journal* j, int db, const char* verb, Slice key) noexcept nogil:
    journal_begin(j, db, 2)
    journal_text(j, verb)
    journal_arg(j, key)


cdef void journal_key_n(Journal* j, int db, const char* verb, Slice key, int64_t n) noexcept nogil:
    journal_begin(j, db, 3)
    journal_text(j, verb)
    journal_arg(j, key)
    journal_arg_i64(j, n)


cdef void journal_add(Journal* j, int db, const Slice* argv, int argc, int targets) noexcept nogil:
    cdef int i
    if not open_op(j, db, targets):
        return
    put_header(j, 42, argc)
    for i in range(argc):
        put_bulk(j, argv[i].ptr, argv[i].len)


# ---------------------------------------------------------------- leaving

cdef void journal_to_replicas(Journal* j, const char* p, size_t n) noexcept nogil:
    if n == 0 or j.feed == NULL:
        return
    j.offset += n
    j.feed(j.feed_ctx, p, n)


cdef void append_aof(Journal* j, const char* p, size_t n) noexcept nogil:
    j.aof = sds_append(j.mem, j.aof, p, n) if j.aof != NULL else sds_new(j.mem, p, n)


cdef void send(Journal* j, int target, const char* p, size_t n) noexcept nogil:
    if target == TO_AOF:
        append_aof(j, p, n)
    else:
        journal_to_replicas(j, p, n)


cdef void stamp(Journal* j, int64_t second) noexcept nogil:
    """The line of aof-timestamp-enabled, before the first command of a second."""
    cdef char buf[40]
    cdef int n
    if second == j.aof_second:
        return
    j.aof_second = second
    buf[0], buf[1], buf[2], buf[3] = 35, 84, 83, 58       # "#TS:"
    n = 4 + num_print_i64(buf + 4, second)
    buf[n] = 13
    buf[n + 1] = 10
    append_aof(j, buf, n + 2)


cdef void send_unit(Journal* j, int target, int64_t now_ms) noexcept nogil:
    """The unit's ops that concern a target, in a transaction if they are several and belong together."""
    cdef int i
    cdef int count = 0
    cdef size_t end
    cdef bint wrap
    for i in range(j.nops):
        count += (j.ops[i].targets & target) != 0
    if count == 0:
        return
    if target == TO_AOF and j.timestamps:
        stamp(j, now_ms // 1000)
    wrap = count > 1 and not j.apart
    if wrap:
        send(j, target, b"*1\r\n$5\r\nMULTI\r\n", 15)
    if likely(count == j.nops):
        send(j, target, j.unit.data, j.unit.len)
    else:
        for i in range(j.nops):
            if j.ops[i].targets & target:
                end = j.ops[i + 1].at if i + 1 < j.nops else j.unit.len
                send(j, target, j.unit.data + j.ops[i].at, end - j.ops[i].at)
    if wrap:
        send(j, target, b"*1\r\n$4\r\nEXEC\r\n", 14)


cdef void journal_flush(Journal* j, int64_t now_ms) noexcept nogil:
    if j.nops:
        send_unit(j, TO_AOF, now_ms)
        send_unit(j, TO_REPLICAS, now_ms)
        if j.feed == NULL:
            j.offset += 1               # without a stream it still tells what the file has (WAITAOF)
        j.nops = 0
        j.unit.len = 0
        if unlikely(j.unit.cap > KEEP):
            sds_free(j.mem, j.unit)
            j.unit = NULL
    j.apart = False
    j.allowed = TO_ALL
