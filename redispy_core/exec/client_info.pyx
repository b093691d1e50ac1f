"""A client in one line of text (contract: client_info.pxd). Room exec; for CLIENT LIST, CLIENT INFO, MONITOR and logs.

Addresses are not kept: the socket is asked when somebody looks. The fields and their order are Redis's; those that
speak of its fixed reply buffer (rbs, rbp, obl) tell of the first output block, omem and oll of the blocks behind it.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, strlen
from ..base.num cimport num_print_i64
from ..base.sds cimport Sds, Slice, sds_append
from ..proto.reply cimport out_bytes, out_memory
from .client cimport (CL_BLOCKED, CL_CLOSE_AFTER_REPLY, CL_CLOSE_ASAP, CL_DIRTY_CAS, CL_FAKE, CL_MONITOR, CL_MULTI,
                      CL_NO_EVICT, CL_NO_TOUCH, CL_PAUSED, CL_PRIMARY, CL_PUBSUB, CL_REPLICA, CL_TRACKING, CL_UNIX,
                      CL_WRITE_WATCHED, Client, client_memory)
from .dispatch cimport Exec
from .tracking cimport TRACK_BCAST, TRACK_BROKEN, tracking_mode

cdef extern from *:
    """
    #include <sys/socket.h>
    #include <sys/un.h>
    #include <netinet/in.h>
    #include <arpa/inet.h>
    /* The text of a socket's address; 0: there is none (an unnamed or closed peer). */
    static int socket_text(int fd, int local, char *buf, int cap) {
        union { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; struct sockaddr_un un; } a;
        char ip[INET6_ADDRSTRLEN];
        socklen_t n = sizeof a;
        memset(&a, 0, sizeof a);
        if ((local ? getsockname(fd, &a.any, &n) : getpeername(fd, &a.any, &n)) != 0)
            return 0;
        if (a.any.sa_family == AF_INET && inet_ntop(AF_INET, &a.v4.sin_addr, ip, sizeof ip))
            return snprintf(buf, cap, "%s:%d", ip, ntohs(a.v4.sin_port));
        if (a.any.sa_family == AF_INET6 && inet_ntop(AF_INET6, &a.v6.sin6_addr, ip, sizeof ip))
            return snprintf(buf, cap, "[%s]:%d", ip, ntohs(a.v6.sin6_port));
        if (a.any.sa_family == AF_UNIX && a.un.sun_path[0])
            return snprintf(buf, cap, "%.*s:0", (int)sizeof a.un.sun_path, a.un.sun_path);
        return 0;
    }
    """
    int socket_text(int fd, bint local, char* buf, int cap) nogil


cdef size_t client_addr(const Client* c, char* buf, bint local) noexcept nogil:
    cdef int n = 0
    if c.fd >= 0:                       # the peer of a unix socket has no name: the path of ours stands for both
        n = socket_text(c.fd, local or (c.flags & CL_UNIX) != 0, buf, ADDR_MAX)
    if n == 0:
        memcpy(buf, b"?:0", 4)
        return 3
    return n


cdef size_t client_flags(const Client* c, char* buf) noexcept nogil:
    cdef size_t n = 0
    cdef uint64_t f = c.flags
    n = letter(buf, n, f & CL_MONITOR, 79)                          # O
    n = letter(buf, n, f & CL_REPLICA if not f & CL_MONITOR else 0, 83)   # S
    n = letter(buf, n, f & CL_PRIMARY, 77)                          # M
    n = letter(buf, n, f & CL_PUBSUB, 80)                           # P
    n = letter(buf, n, f & CL_MULTI, 120)                           # x
    n = letter(buf, n, f & (CL_BLOCKED | CL_PAUSED), 98)            # b
    n = letter(buf, n, f & CL_TRACKING, 116)                        # t
    n = letter(buf, n, tracking_mode(c) & TRACK_BROKEN, 82)         # R
    n = letter(buf, n, tracking_mode(c) & TRACK_BCAST, 66)          # B
    n = letter(buf, n, f & CL_DIRTY_CAS, 100)                       # d
    n = letter(buf, n, f & CL_CLOSE_AFTER_REPLY, 99)                # c
    n = letter(buf, n, f & CL_CLOSE_ASAP, 65)                       # A
    n = letter(buf, n, f & CL_UNIX, 85)                             # U
    n = letter(buf, n, f & CL_NO_EVICT, 101)                        # e
    n = letter(buf, n, f & CL_NO_TOUCH, 84)                         # T
    return letter(buf, n, n == 0, 78)                               # N


cdef inline size_t letter(char* buf, size_t n, uint64_t yes, char which) noexcept nogil:
    buf[n] = which
    return n + (yes != 0)


cdef Sds* text(Exec* x, Sds* s, const char* name, const char* p, size_t n) noexcept nogil:
    s = sds_append(x.mem, s, name, strlen(name))
    return sds_append(x.mem, s, p, n)


cdef Sds* number(Exec* x, Sds* s, const char* name, int64_t v) noexcept nogil:
    cdef char[24] buf
    return text(x, s, name, buf, num_print_i64(buf, v))


cdef Sds* sds_field(Exec* x, Sds* s, const char* name, const Sds* v) noexcept nogil:
    if v == NULL:
        return text(x, s, name, b"", 0)
    return text(x, s, name, v.data, v.len)


cdef size_t held_bytes(const Client* c) noexcept nogil:
    cdef size_t n = 0
    cdef int i
    for i in range(c.parser.argc):
        n += c.parser.argv[i].len
    return n


cdef Sds* who(Exec* x, const Client* c, Sds* s) noexcept nogil:
    """id to ssub: who it is and what state it is in."""
    cdef char[ADDR_MAX] buf
    s = number(x, s, b"id=", c.id)
    s = text(x, s, b" addr=", buf, client_addr(c, buf, False))
    s = text(x, s, b" laddr=", buf, client_addr(c, buf, True))
    s = number(x, s, b" fd=", c.fd)
    s = sds_field(x, s, b" name=", c.name)
    s = number(x, s, b" age=", (x.env.now_ms - c.created_ms) // 1000)
    s = number(x, s, b" idle=", (x.env.now_ms - c.active_ms) // 1000)
    s = text(x, s, b" flags=", buf, client_flags(c, buf))
    s = number(x, s, b" db=", c.db.id)
    s = number(x, s, b" sub=", c.channels)
    s = number(x, s, b" psub=", c.patterns)
    s = number(x, s, b" ssub=", c.shard_channels)
    s = number(x, s, b" multi=", c.queued if c.flags & CL_MULTI else -1)
    return number(x, s, b" watch=", c.watched)


cdef Sds* buffers(Exec* x, const Client* c, size_t argv_bytes, Sds* s) noexcept nogil:
    """qbuf to tot-mem. The client whose command runs has its input in the shared buffer, or a rest in its own."""
    cdef bint runs = c == x.current and not c.flags & CL_FAKE
    cdef size_t used = x.batch if runs else c.q.len
    cdef size_t args = held_bytes(c) if c.held else argv_bytes if runs else 0
    cdef size_t first = c.out.first.cap if c.out.first != NULL else 0
    cdef size_t pending = out_bytes(&c.out)
    cdef bint one = c.out.blocks <= 1
    s = number(x, s, b" qbuf=", used)
    s = number(x, s, b" qbuf-free=", c.q.cap - c.q.len)
    s = number(x, s, b" argv-mem=", args)
    s = number(x, s, b" multi-mem=", c.multi_bytes)
    s = number(x, s, b" rbs=", first)
    s = number(x, s, b" rbp=", pending if pending < first else first)
    s = number(x, s, b" obl=", pending if one else first)
    s = number(x, s, b" oll=", 0 if one else c.out.blocks - 1)
    s = number(x, s, b" omem=", 0 if one else <int64_t>(out_memory(&c.out) - first))
    return number(x, s, b" tot-mem=", client_memory(c) + args)


cdef Sds* client_info(Exec* x, const Client* c, size_t argv_bytes, Sds* s) noexcept nogil:
    s = buffers(x, c, argv_bytes, who(x, c, s))
    s = text(x, s, b" events=", b"rw", 2 if c.flags & CL_WRITE_WATCHED else 1)
    if c.last_command == NULL:
        s = text(x, s, b" cmd=", b"NULL", 4)
    else:
        s = text(x, s, b" cmd=", c.last_command, c.last_command_len)
    if c.user == NULL:
        s = text(x, s, b" user=", b"default", 7)
    else:
        s = sds_field(x, s, b" user=", c.user)
    s = number(x, s, b" redir=", <int64_t>c.redirect if c.flags & CL_TRACKING else -1)
    s = number(x, s, b" resp=", c.out.resp)
    s = sds_field(x, s, b" lib-name=", c.lib_name)
    s = sds_field(x, s, b" lib-ver=", c.lib_ver)
    s = number(x, s, b" io-thread=", 0)
    s = number(x, s, b" tot-net-in=", c.net_in)
    s = number(x, s, b" tot-net-out=", c.net_out)
    return number(x, s, b" tot-cmds=", c.commands)
