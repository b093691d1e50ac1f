"""MONITOR (contract: monitor.pxd). Room exec; dispatch feeds it through Exec.monitor, which is NULL while nobody looks.

A line is written once for all monitors: +<seconds>.<microseconds> [<db> <address>|lua|unix:<path>] "argument" ...
Like a replica, a monitor may not touch the keyspace (G_REPLICA_CLIENT).
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy
from ..base.env cimport env_wall_us
from ..base.mem cimport mem_calloc, mem_free, mem_realloc
from ..base.sds cimport Sds, Slice, sds_append, sds_free, sds_new, sds_reserve, slice_of
from ..proto.errors cimport E_DENY_BLOCKING, E_REPLICA_KEYSPACE
from ..proto.reply cimport reply_error, reply_ok
from .args cimport err_a, text_slice
from .client cimport CL_FAKE, CL_MONITOR, CL_UNIX, Client, Ctx, G_REPLICA_CLIENT
from .client_info cimport ADDR_MAX, client_addr
from .dispatch cimport Exec, exec_on_reset
from .push cimport push_line
from .redact cimport shown
from .registry cimport Command, bind

cdef enum:
    REPLICA_CLIENT_BIT = 12         # of G_REPLICA_CLIENT

if 1 << REPLICA_CLIENT_BIT != G_REPLICA_CLIENT:
    raise AssertionError("REPLICA_CLIENT_BIT is not the bit of G_REPLICA_CLIENT")

cdef struct Monitors:
    Client** clients
    int count
    int cap


# ---------------------------------------------------------------- the line

cdef inline char escape_letter(unsigned char c) noexcept nogil:
    """The letter behind the backslash of what has a short escape, or 0."""
    if c == 92 or c == 34:
        return c
    if c == 10:
        return 110                  # n
    if c == 13:
        return 114                  # r
    if c == 9:
        return 116                  # t
    if c == 7:
        return 97                   # a
    return 98 if c == 8 else 0      # b


cdef Sds* append_quoted(Exec* x, Sds* s, Slice text) noexcept nogil:
    """ "text" with escapes; at most four bytes a byte."""
    cdef const char* hexa = b"0123456789abcdef"
    cdef char* p
    cdef unsigned char c
    cdef char letter
    cdef size_t i
    s = sds_reserve(x.mem, s, 4 * text.len + 3)
    p = s.data + s.len
    p[0] = 32
    p[1] = 34
    p += 2
    for i in range(text.len):
        c = <unsigned char>text.ptr[i]
        letter = escape_letter(c)
        if letter:
            p[0] = 92
            p[1] = letter
            p += 2
        elif c >= 32 and c < 127:
            p[0] = c
            p += 1
        else:
            p[0] = 92
            p[1] = 120
            p[2] = hexa[c >> 4]
            p[3] = hexa[c & 15]
            p += 4
    p[0] = 34
    s.len = p + 1 - s.data
    return s


cdef size_t origin(Exec* x, const Client* c, char* buf) noexcept nogil:
    """Who sent it. buf: ADDR_MAX + 8."""
    cdef size_t n
    if c.flags & CL_FAKE and x.depth > 1:       # a script
        memcpy(buf, b"lua", 3)
        return 3
    if not c.flags & CL_UNIX:
        return client_addr(c, buf, False)
    memcpy(buf, b"unix:", 5)
    n = 5 + client_addr(c, buf + 5, False)
    return n - 2 if n > 7 and buf[n - 2] == 58 else n   # the path without its ":0"


cdef void feed(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    cdef Monitors* r = <Monitors*>x.monitors
    cdef char[64] head
    cdef char[ADDR_MAX + 8] who
    cdef int64_t us = env_wall_us(x.env)
    cdef Sds* s = sds_new(x.mem, NULL, 0)
    cdef int n = snprintf(head, sizeof(head), "+%lld.%06lld [%d ", <long long>(us // 1000000),
                          <long long>(us % 1000000), c.db.id)
    cdef int i
    s = sds_append(x.mem, s, head, n)
    s = sds_append(x.mem, s, who, origin(x, c, who))
    s = sds_append(x.mem, s, b"]", 1)
    for i in range(argc):
        s = append_quoted(x, s, shown(cmd, argv, argc, i))
    s = sds_append(x.mem, s, b"\r\n", 2)
    for i in range(r.count):
        push_line(x, r.clients[i], slice_of(s.data, s.len))
    sds_free(x.mem, s)


# ---------------------------------------------------------------- who looks

cdef void forget_client(Exec* x, Client* c) noexcept nogil:
    cdef Monitors* r = <Monitors*>x.monitors
    cdef int i
    if not c.flags & CL_MONITOR:
        return
    c.flags &= ~<uint64_t>CL_MONITOR
    c.gates &= ~<uint32_t>G_REPLICA_CLIENT
    for i in range(r.count):
        if r.clients[i] == c:
            r.count -= 1
            r.clients[i] = r.clients[r.count]
            break
    if r.count == 0:
        x.monitor = NULL


cdef int monitor_command(Ctx* x) noexcept nogil:
    """MONITOR. No reply at all where it monitors already."""
    cdef Exec* e = <Exec*>x.exec
    cdef Monitors* r = <Monitors*>e.monitors
    if x.client.flags & CL_FAKE or e.depth > 1:
        return err_a(x, E_DENY_BLOCKING, text_slice(b"MONITOR"))
    if x.client.flags & CL_MONITOR:
        return 0
    if r.count == r.cap:
        r.cap = 2 * r.cap if r.cap else 4
        r.clients = <Client**>mem_realloc(x.mem, r.clients, r.cap * sizeof(Client*))
    r.clients[r.count] = x.client
    r.count += 1
    x.client.flags |= CL_MONITOR
    x.client.gates |= G_REPLICA_CLIENT
    e.monitor = feed
    return reply_ok(x.out)


cdef bint gate_replica_client(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    reply_error(&c.out, E_REPLICA_KEYSPACE)
    return True


cdef int monitor_count(const Exec* x) noexcept nogil:
    return (<const Monitors*>x.monitors).count


cdef void monitor_init(Exec* x) noexcept nogil:
    x.monitors = mem_calloc(x.mem, sizeof(Monitors))
    x.gate_fns[REPLICA_CLIENT_BIT] = gate_replica_client
    exec_on_reset(x, forget_client)


cdef void monitor_free(Exec* x) noexcept nogil:
    mem_free(x.mem, (<Monitors*>x.monitors).clients)
    mem_free(x.mem, x.monitors)
    x.monitors = NULL


bind(b"monitor", monitor_command)
