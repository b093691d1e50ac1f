"""The engine's part of a crash report (contract: crash_report.pxd). Room exec.

Called by a signal handler (base/process) while anything may be half done: it reads plain numbers and the request that
was running, follows no chain that could be broken, and locks nothing.
"""
from libc.stdint cimport int64_t
from ..base.process cimport crash_int, crash_quoted, crash_tell, crash_text, crash_told
from ..base.sds cimport Slice
from .client cimport Client
from .dispatch cimport Exec
from .redact cimport shown

cdef enum:
    ARGS_SHOWN = 64
    BYTES_SHOWN = 256           # of each argument


cdef void show_number(int fd, const char* name, int64_t v) noexcept nogil:
    crash_text(fd, name)
    crash_text(fd, b":")
    crash_int(fd, v)
    crash_text(fd, b"\n")


cdef void show_argument(int fd, int i, Slice text, bint hide) noexcept nogil:
    crash_text(fd, b"argv[")
    crash_int(fd, i)
    crash_text(fd, b"]: ")
    if hide:
        crash_text(fd, b"*redacted*")
    else:
        crash_quoted(fd, text.ptr, text.len if text.len < BYTES_SHOWN else <size_t>BYTES_SHOWN)
        if text.len > BYTES_SHOWN:
            crash_text(fd, b" of bytes: ")
            crash_int(fd, text.len)
    crash_text(fd, b"\n")


cdef void show_request(int fd, Exec* x, bint hide) noexcept nogil:
    cdef Client* c = x.current
    cdef int i
    if x.depth <= 0 or c == NULL or x.caller == NULL:
        return
    crash_text(fd, b"\n------ CURRENT CLIENT ------\n")
    show_number(fd, b"id", x.caller.id)
    show_number(fd, b"fd", x.caller.fd)
    show_number(fd, b"db", x.caller.db.id)
    show_number(fd, b"resp", x.caller.out.resp)
    show_number(fd, b"flags", <int64_t>x.caller.flags)
    if c.last_command != NULL:
        crash_text(fd, b"cmd:")
        crash_quoted(fd, c.last_command, c.last_command_len)
        crash_text(fd, b"\n")
    show_number(fd, b"argc", x.argc)
    for i in range(x.argc if x.argc < ARGS_SHOWN else <int>ARGS_SHOWN):
        show_argument(fd, i, shown(x.command, x.argv, x.argc, i), i > 0 and hide)


cdef void tell(int fd, void* ctx, int hide) noexcept nogil:
    cdef Exec* x = <Exec*>ctx
    cdef int64_t keys = 0
    cdef int i
    show_request(fd, x, hide)
    crash_text(fd, b"\n------ FIGURES ------\n")
    for i in range(x.ks.ndbs):
        keys += x.ks.dbs[i].keys.used
    show_number(fd, b"used_memory", x.mem.used)
    show_number(fd, b"used_memory_peak", x.mem.peak if x.mem.peak > x.mem.used else x.mem.used)
    show_number(fd, b"connected_clients", x.clients.connected)
    show_number(fd, b"total_connections_received", x.stats.connections)
    show_number(fd, b"total_commands_processed", x.stats.commands)
    show_number(fd, b"keys", keys)
    show_number(fd, b"nesting", x.depth)


cdef void crash_report_init(Exec* x) noexcept nogil:
    crash_tell(tell, x)


cdef void crash_report_free(Exec* x) noexcept nogil:
    if crash_told() == x:
        crash_tell(NULL, NULL)
