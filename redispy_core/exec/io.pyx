"""Reading and writing of plain sockets (contract: io.pxd). Room exec; the engine calls it once a loop turn.

Input goes to one buffer shared by all clients; what is not complete moves to the client's own. A long argument is read
straight into the client's buffer. Output leaves by one send, or one writev when it stands in several blocks.
"""
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy
from ..base.mem cimport mem_alloc, mem_realloc
from ..base.rp cimport likely, unlikely
from ..proto.parser cimport parser_rebase
from ..proto.reply cimport Block, out_bytes, out_empty, out_memory, out_sent
from .client cimport (CL_CLOSE_AFTER_REPLY, CL_CLOSE_ASAP, CL_FAKE, CL_PENDING_WRITE, CL_PRIMARY, CL_PUBSUB,
                      CL_REPLICA, CL_TLS, CL_WANT_WRITE, CL_WRITE_WATCHED, Client, client_attention, client_close)
from .dispatch cimport LIMIT_NORMAL, LIMIT_PUBSUB, LIMIT_REPLICA, Exec, OutputLimit, feed_input

cdef extern from "<sys/types.h>" nogil:
    ctypedef Py_ssize_t ssize_t

cdef extern from "<sys/socket.h>" nogil:
    ssize_t recv(int fd, void* buf, size_t n, int flags)
    ssize_t send(int fd, const void* buf, size_t n, int flags)
    int MSG_DONTWAIT
    int MSG_NOSIGNAL

cdef extern from "<sys/uio.h>" nogil:
    struct iovec:
        void* iov_base
        size_t iov_len

cdef extern from *:
    """
    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0
    #endif
    #include <sys/uio.h>
    #include <sys/socket.h>
    static ssize_t send_blocks(int fd, struct iovec *v, int n) {
        struct msghdr h;
        memset(&h, 0, sizeof h);
        h.msg_iov = v;
        h.msg_iovlen = n;
        return sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    """
    ssize_t send_blocks(int fd, iovec* v, int n) nogil

cdef enum:
    READ_SIZE = 65536           # the shared buffer
    OWN_READ = 16384            # room made in a client's own buffer
    IOV = 64                    # blocks a sendmsg
    WRITE_TURN = 1 << 20        # bytes sent to one client a turn, so that a big reader starves nobody


# ---------------------------------------------------------------- reading

cdef void make_room(Exec* x, Client* c) noexcept nogil:
    """Room in the client's own buffer: what the open argument lacks, or a fair read."""
    cdef size_t want = c.parser.missing if c.parser.missing > OWN_READ else OWN_READ
    cdef char* old = c.q.data
    if c.q.cap - c.q.len >= want:
        return
    if want < c.q.len and c.parser.missing <= OWN_READ:
        want = c.q.len              # many small arguments: double
    c.q.data = <char*>mem_realloc(x.mem, c.q.data, c.q.len + want)
    c.q.cap = c.q.len + want
    if old != NULL:
        parser_rebase(&c.parser, old, c.q.data)


cdef inline void note_input(Exec* x, Client* c, ssize_t n) noexcept nogil:
    x.stats.reads += 1
    x.stats.net_in += n
    c.net_in += n


cdef bint over_query_limit(Exec* x, Client* c) noexcept nogil:
    if c.q.len > c.q_peak:
        c.q_peak = c.q.len
    if <int64_t>c.q.len <= x.env.knobs.client_query_buffer_limit or c.flags & CL_PRIMARY:
        return False
    x.stats.query_limit_closed += 1
    return True


cdef void io_read(Exec* x, Client* c) noexcept nogil:
    cdef ssize_t n
    cdef char* buf
    cdef size_t room
    if c.flags & (CL_CLOSE_ASAP | CL_CLOSE_AFTER_REPLY | CL_TLS):
        return
    if likely(c.q.len == 0):
        if unlikely(x.io_buffer == NULL):
            x.io_buffer = <char*>mem_alloc(x.mem, READ_SIZE)
        buf = x.io_buffer
        room = READ_SIZE
    else:
        make_room(x, c)
        buf = c.q.data + c.q.len
        room = c.q.cap - c.q.len
    n = recv(c.fd, buf, room, MSG_DONTWAIT)
    if unlikely(n <= 0):
        if n < 0 and (errno == EAGAIN or errno == EINTR):
            return
        client_close(&x.clients, c)
        return
    note_input(x, c, n)
    if c.q.len == 0:
        feed_input(x, c, buf, n)
    else:
        c.q.len += n
        feed_input(x, c, c.q.data, c.q.len)
    if unlikely(c.q.len) and over_query_limit(x, c):
        client_close(&x.clients, c)


# ---------------------------------------------------------------- writing

cdef inline OutputLimit* limit_of(Exec* x, Client* c) noexcept nogil:
    if c.flags & CL_REPLICA:
        return &x.limits[<int>LIMIT_REPLICA]
    return &x.limits[<int>LIMIT_PUBSUB] if c.flags & CL_PUBSUB else &x.limits[<int>LIMIT_NORMAL]


cdef bint over_output_limit(Exec* x, Client* c) noexcept nogil:
    cdef OutputLimit* limit = limit_of(x, c)
    cdef size_t used
    if likely(limit.hard == 0 and limit.soft == 0) or c.flags & CL_FAKE:
        return False
    used = out_memory(&c.out)
    if limit.hard and used >= limit.hard:
        return True
    if limit.soft == 0 or used < limit.soft:
        c.soft_limit_since_ms = 0
        return False
    if c.soft_limit_since_ms == 0:
        c.soft_limit_since_ms = x.env.now_ms
        return False
    return x.env.now_ms - c.soft_limit_since_ms > limit.soft_ms


cdef ssize_t send_some(Client* c) noexcept nogil:
    cdef iovec v[IOV]
    cdef Block* b = c.out.first
    cdef int n = 0
    if likely(b == c.out.last):
        return send(c.fd, b.data + c.out.sent, (c.out.pos - b.data) - c.out.sent, MSG_DONTWAIT | MSG_NOSIGNAL)
    while b != NULL and n < IOV:
        v[n].iov_base = b.data
        v[n].iov_len = <size_t>(c.out.pos - b.data) if b == c.out.last else b.used
        b = b.next
        n += 1
    v[0].iov_base = <char*>v[0].iov_base + c.out.sent
    v[0].iov_len -= c.out.sent
    return send_blocks(c.fd, v, n)


cdef inline void want_write(Exec* x, Client* c) noexcept nogil:
    c.flags |= CL_WANT_WRITE
    if not c.flags & CL_WRITE_WATCHED:
        client_attention(&x.clients, c)


cdef inline void all_sent(Exec* x, Client* c) noexcept nogil:
    c.soft_limit_since_ms = 0
    if unlikely(c.flags & CL_WANT_WRITE):
        c.flags &= ~<uint64_t>CL_WANT_WRITE
        client_attention(&x.clients, c)
    if unlikely(c.flags & CL_CLOSE_AFTER_REPLY):
        client_close(&x.clients, c)


cdef void io_write(Exec* x, Client* c) noexcept nogil:
    cdef ssize_t n
    cdef size_t total = 0
    if c.fd < 0 or c.flags & (CL_CLOSE_ASAP | CL_TLS):
        return
    while not out_empty(&c.out):
        n = send_some(c)
        x.stats.writes += 1
        if unlikely(n < 0):
            if errno == EINTR:
                continue
            if errno == EAGAIN:
                want_write(x, c)
            else:
                client_close(&x.clients, c)
            return
        out_sent(&c.out, n)
        c.net_out += n
        x.stats.net_out += n
        total += n
        if total >= WRITE_TURN and not out_empty(&c.out):
            want_write(x, c)
            return
    all_sent(x, c)


cdef void io_flush(Exec* x) noexcept nogil:
    cdef Client* c
    while x.clients.pending != NULL:
        c = x.clients.pending
        x.clients.pending = c.next_pending
        c.flags &= ~<uint64_t>CL_PENDING_WRITE
        if not c.flags & CL_WANT_WRITE:
            io_write(x, c)
        if unlikely(not out_empty(&c.out)) and over_output_limit(x, c):
            x.stats.output_limit_closed += 1
            client_close(&x.clients, c)
