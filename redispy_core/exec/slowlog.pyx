"""The slow log and its two siblings (contract: slowlog.pxd), SLOWLOG and COMMANDLOG. Room exec.

Dispatch compares a command's time with one number, Exec.slow_ns: the smaller of the slow log's threshold and of the
latency monitor's; its reply's bytes with Exec.large_reply; and what was read at once, which its request cannot exceed,
with Exec.large_request. What reaches one of them comes to slow_command, which looks at all.

An entry is one block: its arguments, cut as Redis cuts them, the client's address and name. Newest first.

compat: COMMANDLOG is Valkey's name for three logs: "slow", which is SLOWLOG's, "large-request" and "large-reply", whose
entries tell of bytes in place of microseconds. A request's are those of its RESP form, an inline one's likewise.
"""
from libc.stdint cimport INT64_MAX, SIZE_MAX, int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy
from ..base.env cimport Knobs
from ..base.mem cimport Mem, mem_alloc, mem_calloc, mem_free
from ..base.sds cimport Slice, slice_of
from ..proto.errors cimport E_COMMANDLOG_TYPE, E_COUNT_MINUS_ONE, E_UNKNOWN_SUBCOMMAND_OR_ARITY
from ..proto.reply cimport reply_array, reply_bulk, reply_errorf, reply_int, reply_ok
from .args cimport err, range_or_reply, text_slice, word_is
from .client cimport CL_FAKE, CL_RERUN, Client, Ctx
from .client_info cimport ADDR_MAX, client_addr
from .dispatch cimport Exec
from .latency cimport latency_add
from .redact cimport shown
from .registry cimport CMD_FAST, CMD_SKIP_SLOWLOG, Command, bind

cdef enum:
    ARGS_MAX = 32                   # arguments kept; the last place tells how many are left out
    ARG_BYTES = 128                 # of each; behind them, how many are left out
    NOTE = 48                       # room for such a note

cdef struct Entry:                  # one block: the bytes of its slices lie behind argv
    Entry* next
    int64_t id
    int64_t time                    # unix seconds
    int64_t figure                  # microseconds, or bytes
    Slice addr
    Slice name
    int argc
    Slice argv[ARGS_MAX]

cdef struct SlowLog:
    Entry* first
    int64_t count
    int64_t next_id

cdef enum Which:
    LOG_SLOW
    LOG_REQUEST
    LOG_REPLY
    LOGS


# ---------------------------------------------------------------- entries

cdef size_t put_argument(char* p, Slice text) noexcept nogil:
    """The bytes written: the argument, or its beginning and a note."""
    if text.len <= ARG_BYTES:
        memcpy(p, text.ptr, text.len)
        return text.len
    memcpy(p, text.ptr, ARG_BYTES)
    return ARG_BYTES + snprintf(p + ARG_BYTES, NOTE, "... (%zu more bytes)", text.len - ARG_BYTES)


cdef size_t room_for(Command* cmd, const Slice* argv, int argc, int kept) noexcept nogil:
    cdef size_t n = NOTE
    cdef Slice text
    cdef int i
    for i in range(kept):
        text = shown(cmd, argv, argc, i)
        n += text.len if text.len <= ARG_BYTES else ARG_BYTES + NOTE
    return n


cdef Entry* new_entry(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    cdef int kept = argc if argc <= ARGS_MAX else ARGS_MAX - 1
    cdef char[ADDR_MAX] addr
    cdef size_t addr_len = client_addr(c, addr, False)
    cdef size_t name_len = c.name.len if c.name != NULL else 0
    cdef Entry* e = <Entry*>mem_alloc(x.mem, sizeof(Entry) + room_for(cmd, argv, argc, kept) + addr_len + name_len)
    cdef char* p = <char*>(e + 1)
    cdef size_t n
    cdef int i
    for i in range(kept):
        n = put_argument(p, shown(cmd, argv, argc, i))
        e.argv[i] = slice_of(p, n)
        p += n
    e.argc = kept
    if kept < argc:
        n = snprintf(p, NOTE, "... (%d more arguments)", argc - kept)
        e.argv[kept] = slice_of(p, n)
        e.argc += 1
        p += n
    memcpy(p, addr, addr_len)
    e.addr = slice_of(p, addr_len)
    p += addr_len
    if name_len:
        memcpy(p, c.name.data, name_len)
    e.name = slice_of(p, name_len)
    return e


cdef void drop_old(Exec* x, SlowLog* log, int64_t keep) noexcept nogil:
    """Keeps the newest; O(kept) when something goes."""
    cdef Entry* e = log.first
    cdef Entry* old
    cdef int64_t i
    if log.count <= keep:
        return
    log.count = keep
    if keep == 0:
        old = log.first
        log.first = NULL
    else:
        for i in range(1, keep):
            e = e.next
        old = e.next
        e.next = NULL
    while old != NULL:
        e = old.next
        mem_free(x.mem, old)
        old = e


cdef inline SlowLog* log_of(Exec* x, Which which) noexcept nogil:
    return <SlowLog*>x.slowlog + <int>which


cdef void log_command(Exec* x, Which which, Client* c, Command* cmd, const Slice* argv, int argc, int64_t figure,
                      int64_t keep) noexcept nogil:
    cdef SlowLog* log = log_of(x, which)
    cdef Entry* e
    if keep == 0:
        return
    if x.caller != NULL and c.flags & CL_FAKE and x.depth > 1:
        c = x.caller                    # who sent the script
    e = new_entry(x, c, cmd, argv, argc)
    e.id = log.next_id
    e.time = x.env.now_ms // 1000
    e.figure = figure
    e.next = log.first
    log.first = e
    log.next_id += 1
    log.count += 1
    drop_old(x, log, keep)


cdef int64_t request_bytes(const Slice* argv, int argc) noexcept nogil:
    """What a request takes as RESP. O(argc)."""
    cdef int64_t n = num_digits(argc) + 3
    cdef int i
    for i in range(argc):
        n += num_digits(argv[i].len) + argv[i].len + 5
    return n


cdef int num_digits(uint64_t v) noexcept nogil:
    cdef int n = 1
    while v >= 10:
        v //= 10
        n += 1
    return n


cdef void slow_command(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc, int64_t ns,
                       int64_t reply_bytes) noexcept nogil:
    cdef Knobs* k = &x.env.knobs
    cdef const char* event = b"fast-command" if cmd.flags & CMD_FAST else b"command"
    cdef int64_t bytes
    if ns >= x.slow_ns:
        if c.flags & CL_RERUN:
            event = b"command-unblocking"
        latency_add(x, event, ns // 1000000)
    if cmd.flags & CMD_SKIP_SLOWLOG:
        return
    if k.slowlog_log_slower_than >= 0 and ns >= k.slowlog_log_slower_than * 1000:
        log_command(x, LOG_SLOW, c, cmd, argv, argc, ns // 1000, k.slowlog_max_len)
    if x.batch >= x.large_request:
        bytes = request_bytes(argv, argc)
        if bytes >= k.commandlog_request_larger_than:
            log_command(x, LOG_REQUEST, c, cmd, argv, argc, bytes, k.commandlog_large_request_max_len)
    if reply_bytes >= x.large_reply:
        log_command(x, LOG_REPLY, c, cmd, argv, argc, reply_bytes, k.commandlog_large_reply_max_len)


cdef void slow_thresholds(Exec* x) noexcept nogil:
    cdef int64_t us = x.env.knobs.slowlog_log_slower_than
    cdef int64_t ms = x.env.knobs.latency_monitor_threshold
    cdef int64_t bytes = x.env.knobs.commandlog_request_larger_than
    x.slow_ns = INT64_MAX
    if us >= 0 and us < INT64_MAX // 1000:
        x.slow_ns = us * 1000
    if ms and ms < INT64_MAX // 1000000 and ms * 1000000 < x.slow_ns:
        x.slow_ns = ms * 1000000
    x.large_request = bytes if bytes >= 0 else SIZE_MAX
    bytes = x.env.knobs.commandlog_reply_larger_than
    x.large_reply = bytes if bytes >= 0 else INT64_MAX


# ---------------------------------------------------------------- commands

cdef bint count_or_reply(Ctx* x, Slice text, int64_t* n) noexcept nogil:
    return range_or_reply(x, text, -1, INT64_MAX, n, E_COUNT_MINUS_ONE)


cdef int reply_entries(Ctx* x, const SlowLog* log, int64_t n) noexcept nogil:
    """The n newest; -1: all. O(n)."""
    cdef Entry* e = log.first
    cdef int i
    if n < 0 or n > log.count:
        n = log.count
    reply_array(x.out, n)
    while n:
        reply_array(x.out, 6)
        reply_int(x.out, e.id)
        reply_int(x.out, e.time)
        reply_int(x.out, e.figure)
        reply_array(x.out, e.argc)
        for i in range(e.argc):
            reply_bulk(x.out, e.argv[i].ptr, e.argv[i].len)
        reply_bulk(x.out, e.addr.ptr, e.addr.len)
        reply_bulk(x.out, e.name.ptr, e.name.len)
        e = e.next
        n -= 1
    return 0


cdef int slowlog_get_command(Ctx* x) noexcept nogil:
    """SLOWLOG GET [count = 10]."""
    cdef int64_t n = 10
    if x.argc > 3:
        return reply_errorf(x.out, E_UNKNOWN_SUBCOMMAND_OR_ARITY, x.argv[1], text_slice(b"SLOWLOG"))
    if x.argc == 3 and not count_or_reply(x, x.argv[2], &n):
        return 0
    return reply_entries(x, log_of(<Exec*>x.exec, LOG_SLOW), n)


cdef int slowlog_len_command(Ctx* x) noexcept nogil:
    return reply_int(x.out, log_of(<Exec*>x.exec, LOG_SLOW).count)


cdef int slowlog_reset_command(Ctx* x) noexcept nogil:
    drop_old(<Exec*>x.exec, log_of(<Exec*>x.exec, LOG_SLOW), 0)
    return reply_ok(x.out)


cdef SlowLog* log_or_reply(Ctx* x, Slice type) noexcept nogil:
    """The log of a COMMANDLOG type."""
    cdef Exec* e = <Exec*>x.exec
    if word_is(type, b"slow"):
        return log_of(e, LOG_SLOW)
    if word_is(type, b"large-request"):
        return log_of(e, LOG_REQUEST)
    if word_is(type, b"large-reply"):
        return log_of(e, LOG_REPLY)
    err(x, E_COMMANDLOG_TYPE)
    return NULL


cdef int commandlog_get_command(Ctx* x) noexcept nogil:
    """COMMANDLOG GET count type."""
    cdef SlowLog* log
    cdef int64_t n
    if not count_or_reply(x, x.argv[2], &n):
        return 0
    log = log_or_reply(x, x.argv[3])
    return reply_entries(x, log, n) if log != NULL else 0


cdef int commandlog_len_command(Ctx* x) noexcept nogil:
    cdef SlowLog* log = log_or_reply(x, x.argv[2])
    return reply_int(x.out, log.count) if log != NULL else 0


cdef int commandlog_reset_command(Ctx* x) noexcept nogil:
    cdef SlowLog* log = log_or_reply(x, x.argv[2])
    if log == NULL:
        return 0
    drop_old(<Exec*>x.exec, log, 0)
    return reply_ok(x.out)


# ---------------------------------------------------------------- for the engine

cdef void slowlog_init(Exec* x) noexcept nogil:
    x.slowlog = mem_calloc(x.mem, LOGS * sizeof(SlowLog))
    x.slow = slow_command
    slow_thresholds(x)


cdef void slowlog_free(Exec* x) noexcept nogil:
    cdef int i
    for i in range(LOGS):
        drop_old(x, log_of(x, <Which>i), 0)
    mem_free(x.mem, x.slowlog)
    x.slowlog = NULL


bind(b"slowlog|get", slowlog_get_command)
bind(b"slowlog|len", slowlog_len_command)
bind(b"slowlog|reset", slowlog_reset_command)
bind(b"commandlog|get", commandlog_get_command)
bind(b"commandlog|len", commandlog_len_command)
bind(b"commandlog|reset", commandlog_reset_command)
