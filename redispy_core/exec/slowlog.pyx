"""The slow log (contract: slowlog.pxd), SLOWLOG and COMMANDLOG. Room exec.

Dispatch compares a command's time with one number, Exec.slow_ns: the smaller of the slow log's threshold and of the
latency monitor's. What reaches it comes to slow_command, which looks at both.

An entry is one block: its arguments, cut as Redis cuts them, the client's address and name. Newest first.

compat: COMMANDLOG is Valkey's name for three logs. Requests and replies are not logged by their size, so its logs
"large-request" and "large-reply" are empty, as they are where their thresholds are not reached.
"""
from libc.stdint cimport INT64_MAX, int64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy
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
    int64_t us
    Slice addr
    Slice name
    int argc
    Slice argv[ARGS_MAX]

cdef struct SlowLog:
    Entry* first
    Entry* last
    int64_t count
    int64_t next_id


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


cdef void log_command(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc, int64_t us) noexcept nogil:
    cdef SlowLog* log = <SlowLog*>x.slowlog
    cdef Entry* e
    if x.caller != NULL and c.flags & CL_FAKE and x.depth > 1:
        c = x.caller                    # who sent the script
    e = new_entry(x, c, cmd, argv, argc)
    e.id = log.next_id
    e.time = x.env.now_ms // 1000
    e.us = us
    e.next = log.first
    log.first = e
    log.next_id += 1
    log.count += 1
    drop_old(x, log, x.env.knobs.slowlog_max_len)


cdef void slow_command(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc, int64_t ns) noexcept nogil:
    cdef int64_t slower_than = x.env.knobs.slowlog_log_slower_than
    cdef const char* event = b"fast-command" if cmd.flags & CMD_FAST else b"command"
    if c.flags & CL_RERUN:
        event = b"command-unblocking"
    latency_add(x, event, ns // 1000000)
    if slower_than >= 0 and ns >= slower_than * 1000 and x.env.knobs.slowlog_max_len \
            and not cmd.flags & CMD_SKIP_SLOWLOG:
        log_command(x, c, cmd, argv, argc, ns // 1000)


cdef void slow_thresholds(Exec* x) noexcept nogil:
    cdef int64_t us = x.env.knobs.slowlog_log_slower_than
    cdef int64_t ms = x.env.knobs.latency_monitor_threshold
    x.slow_ns = INT64_MAX
    if us >= 0 and us < INT64_MAX // 1000:
        x.slow_ns = us * 1000
    if ms and ms < INT64_MAX // 1000000 and ms * 1000000 < x.slow_ns:
        x.slow_ns = ms * 1000000


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
        reply_int(x.out, e.us)
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
    return reply_entries(x, <SlowLog*>(<Exec*>x.exec).slowlog, n)


cdef int slowlog_len_command(Ctx* x) noexcept nogil:
    return reply_int(x.out, (<SlowLog*>(<Exec*>x.exec).slowlog).count)


cdef int slowlog_reset_command(Ctx* x) noexcept nogil:
    drop_old(<Exec*>x.exec, <SlowLog*>(<Exec*>x.exec).slowlog, 0)
    return reply_ok(x.out)


cdef SlowLog* log_or_reply(Ctx* x, Slice type, SlowLog* empty) noexcept nogil:
    """The log of a COMMANDLOG type; `empty` serves for those in which nothing is logged."""
    empty.first = NULL
    empty.count = 0
    if word_is(type, b"slow"):
        return <SlowLog*>(<Exec*>x.exec).slowlog
    if word_is(type, b"large-request") or word_is(type, b"large-reply"):
        return empty
    err(x, E_COMMANDLOG_TYPE)
    return NULL


cdef int commandlog_get_command(Ctx* x) noexcept nogil:
    """COMMANDLOG GET count type."""
    cdef SlowLog empty
    cdef SlowLog* log
    cdef int64_t n
    if not count_or_reply(x, x.argv[2], &n):
        return 0
    log = log_or_reply(x, x.argv[3], &empty)
    return reply_entries(x, log, n) if log != NULL else 0


cdef int commandlog_len_command(Ctx* x) noexcept nogil:
    cdef SlowLog empty
    cdef SlowLog* log = log_or_reply(x, x.argv[2], &empty)
    return reply_int(x.out, log.count) if log != NULL else 0


cdef int commandlog_reset_command(Ctx* x) noexcept nogil:
    cdef SlowLog empty
    cdef SlowLog* log = log_or_reply(x, x.argv[2], &empty)
    if log == NULL:
        return 0
    drop_old(<Exec*>x.exec, log, 0)
    return reply_ok(x.out)


# ---------------------------------------------------------------- for the engine

cdef void slowlog_init(Exec* x) noexcept nogil:
    x.slowlog = mem_calloc(x.mem, sizeof(SlowLog))
    x.slow = slow_command
    slow_thresholds(x)


cdef void slowlog_free(Exec* x) noexcept nogil:
    drop_old(x, <SlowLog*>x.slowlog, 0)
    mem_free(x.mem, x.slowlog)
    x.slowlog = NULL


bind(b"slowlog|get", slowlog_get_command)
bind(b"slowlog|len", slowlog_len_command)
bind(b"slowlog|reset", slowlog_reset_command)
bind(b"commandlog|get", commandlog_get_command)
bind(b"commandlog|len", commandlog_len_command)
bind(b"commandlog|reset", commandlog_reset_command)
