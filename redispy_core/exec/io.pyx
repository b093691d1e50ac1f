"""Reading and writing of plain sockets (contract: io.pxd). Room exec; the engine calls it once a loop turn.

Input goes to one buffer shared by all clients; what is not complete moves to the client's own. A long argument is read
straight into the client's buffer. The requests of several ready clients are read before the first one runs, so that
the cache misses of their keys overlap. A read that fills its buffer is repeated in the next turn (CL_READ_AGAIN):
with that, an edge-triggered poller loses nothing and saves the kernel a look at every socket. Output leaves by one send,
or one sendmsg when it stands in several blocks. Clients with CL_TLS go the same ways; exec/tls_link does their reading
and writing.
"""
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy
from ..base.mem cimport mem_alloc, mem_realloc
from ..base.rp cimport likely, unlikely
from ..proto.parser cimport parser_rebase
from ..proto.reply cimport BLOCK_SIZE, Block, out_bytes, out_empty, out_memory, out_sent
from ..base.sds cimport Slice
from ..structs.dict cimport dict_hash, dict_prefetch, dict_prefetch_entry
from .client cimport (CL_PEER_CLOSED, CL_READ_AGAIN, CL_CLOSE_AFTER_REPLY, CL_CLOSE_ASAP, CL_FAKE, CL_PENDING_WRITE, CL_PRIMARY,
                      CL_REPLICA, CL_TLS, CL_WANT_WRITE, CL_WRITE_WATCHED, Client, client_attention, client_close,
                      client_pending)
from .client_evict cimport count_client
from .replicas cimport SEND_DONE, SEND_FULL, SEND_TURN, SendResult, replica_behind, replica_copy, replica_write
from .dispatch cimport Exec, OutputLimit, feed_input, limit_class

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
    READ_LEAST = 16384          # the least worth a read
    OWN_READ = 16384            # room made in a client's own buffer
    IOV = 64                    # blocks a sendmsg


# ---------------------------------------------------------------- reading

cdef void make_room(Exec* x, Client* c) noexcept nogil:
    """Room in the client's own buffer: what the open argument lacks, or a fair read."""
    cdef size_t want = c.parser.missing if c.parser.missing > OWN_READ else OWN_READ
    if c.q.cap - c.q.len >= want or (c.q.len > OWN_READ and c.parser.missing and c.q.cap - c.q.len >= c.parser.missing):
        return                      # a long argument gets no more room than it needs
    if want < c.q.len and c.parser.missing <= OWN_READ:
        want = c.q.len              # many small arguments: double
    grow_query(x, c, want)


cdef void grow_query(Exec* x, Client* c, size_t want) noexcept nogil:
    cdef char* old = c.q.data
    c.q.data = <char*>mem_realloc(x.mem, c.q.data, c.q.len + want)
    c.q.cap = c.q.len + want
    if old != NULL:
        parser_rebase(&c.parser, old, c.q.data)


cdef bint over_query_limit(Exec* x, Client* c) noexcept nogil:
    if c.q.len > c.q_peak:
        c.q_peak = c.q.len
    if <int64_t>c.q.len <= x.env.knobs.client_query_buffer_limit or c.flags & CL_PRIMARY:
        return False
    x.stats.query_limit_closed += 1
    return True


cdef void io_read_later(Exec* x, Client* c) noexcept nogil:
    if not c.flags & CL_READ_AGAIN:
        c.flags |= CL_READ_AGAIN
        c.next_again = x.clients.again
        x.clients.again = c


cdef ssize_t receive(Exec* x, Client* c, char* buf, size_t room) noexcept nogil:
    """recv with book-keeping; 0: nothing came, or the client is to be closed."""
    cdef ssize_t n = recv(c.fd, buf, room, MSG_DONTWAIT)
    if unlikely(n <= 0):
        if n == 0 or (errno != EAGAIN and errno != EINTR):
            client_close(&x.clients, c)
        elif errno == EINTR:
            io_read_later(x, c)
        return 0
    x.stats.reads += 1
    x.stats.net_in += n
    c.net_in += n
    if unlikely(<size_t>n == room or c.flags & CL_PEER_CLOSED):
        io_read_later(x, c)
    return n


cdef inline bint readable(const Client* c) noexcept nogil:
    return not c.flags & (CL_CLOSE_ASAP | CL_CLOSE_AFTER_REPLY)


cdef char* io_shared_buffer(Exec* x) noexcept nogil:
    if unlikely(x.io_buffer == NULL):
        x.io_buffer = <char*>mem_alloc(x.mem, BUFFER_SIZE)
    return x.io_buffer


cdef inline void check_query(Exec* x, Client* c) noexcept nogil:
    if unlikely(c.q.len) and not c.flags & CL_CLOSE_ASAP and over_query_limit(x, c):
        client_close(&x.clients, c)


cdef void io_feed(Exec* x, Client* c, char* buf, size_t n) noexcept nogil:
    c.net_in += n
    x.stats.net_in += n
    if c.q.len == 0:
        feed_input(x, c, buf, n)
    else:
        make_room(x, c)
        if c.q.cap - c.q.len < n:
            grow_query(x, c, n)
        memcpy(c.q.data + c.q.len, buf, n)
        c.q.len += n
        if over_query_limit(x, c):
            client_close(&x.clients, c)
        else:
            feed_input(x, c, c.q.data, c.q.len)
    check_query(x, c)


cdef void io_read(Exec* x, Client* c) noexcept nogil:
    cdef ssize_t n
    if not readable(c):
        return
    if unlikely(x.depth) and c == x.caller:      # what it sent before is being run
        io_read_later(x, c)
        return
    if unlikely(c.flags & CL_TLS):
        x.tls_read(x, c)
        return
    if c.q.len == 0:
        n = receive(x, c, io_shared_buffer(x), READ_SIZE)
        if n:
            feed_input(x, c, x.io_buffer, n)
    else:
        make_room(x, c)
        n = receive(x, c, c.q.data + c.q.len, c.q.cap - c.q.len)
        if n:
            c.q.len += n
            if over_query_limit(x, c):
                client_close(&x.clients, c)
            else:
                feed_input(x, c, c.q.data, c.q.len)
    check_query(x, c)


cdef void io_read_again(Exec* x) noexcept nogil:
    """Inside a busy script: those, too, that the outer turn has not come to."""
    cdef Client** end = &x.clients.again
    cdef Client* c
    while end[0] != NULL:
        end = &end[0].next_again
    end[0] = x.read_again
    x.read_again = x.clients.again
    x.clients.again = NULL
    while x.read_again != NULL:
        c = x.read_again
        x.read_again = c.next_again
        c.flags &= ~<uint64_t>CL_READ_AGAIN
        io_read(x, c)


cdef const char* skip_bulk(const char* p, const char* end, Slice* out) noexcept nogil:
    """Behind the bulk string at p, which goes to out; NULL if there is none whole."""
    cdef size_t n = 0
    if p == NULL or p >= end or p[0] != c'$':
        return NULL
    p += 1
    while p < end and p[0] >= c'0' and p[0] <= c'9' and n < READ_SIZE:
        n = n * 10 + (p[0] - c'0')
        p += 1
    p += 2
    if <size_t>(end - p) < n or p > end:
        return NULL
    out.ptr = p
    out.len = n
    return p + n + 2


cdef uint64_t fetch_first_key(Exec* x, Client* c, const char* buf, size_t len) noexcept nogil:
    """The hash of what is most likely the first request's key, its bucket being fetched; 0: none found."""
    cdef const char* end = buf + len
    cdef const char* p = buf
    cdef Slice word
    cdef uint64_t hash
    if buf[0] != c'*':
        return 0
    while p < end and p[0] != c'\n':
        p += 1
    p = skip_bulk(p + 1, end, &word)
    if skip_bulk(p, end, &word) == NULL:
        return 0
    hash = dict_hash(&c.db.keys, word.ptr, word.len)
    dict_prefetch(&c.db.keys, hash)
    return hash


cdef struct Batch:               # what io_read_many has read and not run yet
    Client** ready
    char* at[IO_BATCH]
    ssize_t got[IO_BATCH]       # bytes; -1: to be read by itself, when the shared buffer is free again
    int n
    int next
    int next_alone


cdef void run_batch(Exec* x, Batch* b) noexcept nogil:
    """From where it stands: a busy script inside runs the rest."""
    cdef int i
    while b.next < b.n:
        i = b.next
        b.next += 1
        if b.got[i] > 0:
            feed_input(x, b.ready[i], b.at[i], b.got[i])
            check_query(x, b.ready[i])
    while b.next_alone < b.n:
        i = b.next_alone
        b.next_alone += 1
        if b.got[i] < 0:
            io_read(x, b.ready[i])


cdef void io_run_rest(Exec* x) noexcept nogil:
    if x.reading != NULL:
        run_batch(x, <Batch*>x.reading)


cdef void io_read_many(Exec* x, Client** ready, int n) noexcept nogil:
    cdef char* buf = io_shared_buffer(x)
    cdef Batch b
    cdef void* outer = x.reading
    cdef uint64_t hash[IO_BATCH]
    cdef size_t used = 0
    cdef int i
    cdef Client* c
    b.ready = ready
    b.n = n
    b.next = b.next_alone = 0
    for i in range(n):
        c = ready[i]
        b.got[i] = 0
        hash[i] = 0
        if c.q.len or not readable(c) or c.flags & CL_TLS or BUFFER_SIZE - used < READ_LEAST \
                or unlikely(x.depth and c == x.caller):
            b.got[i] = -1
            continue
        b.at[i] = buf + used
        b.got[i] = receive(x, c, b.at[i], READ_SIZE if BUFFER_SIZE - used > READ_SIZE else BUFFER_SIZE - used)
        if b.got[i] and n > 1:
            hash[i] = fetch_first_key(x, c, b.at[i], b.got[i])
        used = (used + b.got[i] + 63) & ~<size_t>63
    for i in range(n):
        if hash[i]:
            dict_prefetch_entry(&ready[i].db.keys, hash[i])
    x.reading = &b
    run_batch(x, &b)
    x.reading = outer


# ---------------------------------------------------------------- writing

cdef bint over_output_limit(Exec* x, Client* c) noexcept nogil:
    cdef OutputLimit* limit = &x.limits[<int>limit_class(c)]
    cdef size_t hard = limit.hard
    cdef size_t used
    if likely(hard == 0 and limit.soft == 0) or c.flags & CL_FAKE or (c.out.first == NULL and c.replica == NULL):
        return False
    used = out_memory(&c.out)
    if c.out.first != NULL and c.out.first.cap < BLOCK_SIZE:        # the first ordinary block is every client's due
        used -= BLOCK_SIZE if used > BLOCK_SIZE else used
    if unlikely(c.flags & CL_REPLICA):
        used += replica_behind(x, c)
        if hard and hard < <size_t>x.env.knobs.repl_backlog_size:
            hard = <size_t>x.env.knobs.repl_backlog_size    # the history is kept anyway
    if hard and used >= hard:
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


cdef void io_want_write(Exec* x, Client* c) noexcept nogil:
    c.flags |= CL_WANT_WRITE
    if not c.flags & CL_WRITE_WATCHED:
        client_attention(&x.clients, c)


cdef void io_write_again(Exec* x, Client* c) noexcept nogil:
    """The socket has room, so an edge-triggered poller has nothing new to tell: it must be asked anew."""
    c.flags &= ~<uint64_t>CL_WRITE_WATCHED
    io_want_write(x, c)


cdef void io_all_sent(Exec* x, Client* c) noexcept nogil:
    c.soft_limit_since_ms = 0
    if unlikely(c.flags & CL_WANT_WRITE):
        c.flags &= ~<uint64_t>CL_WANT_WRITE
        client_attention(&x.clients, c)
    if unlikely(c.flags & CL_CLOSE_AFTER_REPLY):
        client_close(&x.clients, c)


cdef void io_write(Exec* x, Client* c) noexcept nogil:
    if unlikely(x.depth) and c == x.caller and not c.flags & CL_TLS:
        c.flags &= ~<uint64_t>CL_WANT_WRITE     # its reply is being written: when it is done
        client_pending(&x.clients, c)
        return
    io_write_now(x, c)


cdef void io_write_now(Exec* x, Client* c) noexcept nogil:
    cdef ssize_t n
    cdef size_t total = 0
    if c.fd < 0 or c.flags & CL_CLOSE_ASAP:
        return
    if unlikely(c.flags & CL_TLS):
        if c.flags & CL_REPLICA and replica_copy(x, c):
            x.tls_write(x, c)
            if not c.flags & (CL_WANT_WRITE | CL_CLOSE_ASAP):
                io_write_again(x, c)
        else:
            x.tls_write(x, c)
        return
    while not out_empty(&c.out):
        n = send_some(c)
        x.stats.writes += 1
        if unlikely(n < 0):
            if errno == EINTR:
                continue
            if errno == EAGAIN:
                io_want_write(x, c)
            else:
                client_close(&x.clients, c)
            return
        out_sent(&c.out, n)
        c.net_out += n
        x.stats.net_out += n
        total += n
        if total >= WRITE_TURN and not out_empty(&c.out):
            io_write_again(x, c)
            return
    if unlikely(c.flags & CL_REPLICA):
        write_replica(x, c)
    else:
        io_all_sent(x, c)


cdef void write_replica(Exec* x, Client* c) noexcept nogil:
    """A file or the stream, behind its own output."""
    cdef SendResult result = replica_write(x, c)
    if result == SEND_DONE:
        io_all_sent(x, c)
    elif result == SEND_FULL:
        io_want_write(x, c)
    elif result == SEND_TURN:
        io_write_again(x, c)
    else:
        client_close(&x.clients, c)


cdef void io_flush(Exec* x) noexcept nogil:
    cdef Client* c
    cdef bint caller = False
    while x.clients.pending != NULL:
        c = x.clients.pending
        x.clients.pending = c.next_pending
        c.flags &= ~<uint64_t>CL_PENDING_WRITE
        if unlikely(x.depth) and c == x.caller:
            caller = True
            continue
        if unlikely(c.flags & CL_REPLICA or c.out.blocks > 1 or (c.out.blocks and c.out.first.cap > BLOCK_SIZE)) \
                and over_output_limit(x, c):
            x.stats.output_limit_closed += not c.flags & CL_CLOSE_ASAP      # else it is closed already, and counted
            client_close(&x.clients, c)
        elif not c.flags & CL_WANT_WRITE:
            io_write(x, c)
        if unlikely(x.clients.limit != 0):
            count_client(&x.clients, c)
    if unlikely(caller):
        client_pending(&x.clients, x.caller)
