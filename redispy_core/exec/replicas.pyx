"""Replicas (contract: replicas.pxd). Room exec; exec/io sends for them, redispy_server/replication decides.

A unit's ops leave the journal into the backlog. Once a loop turn the replicas are put among the clients with output;
exec/io sends a replica its own output first, then a file if there is one (an RDB that was saved for it), then the stream
straight out of the shared blocks.

A replica's own output is what the server wrote for it. What a command of its made is answered to nobody: a replica
that sends such commands is no replica, and is closed.

WAIT stands in a list; acknowledgements and syncs are compared with it once a turn.
"""
from libc.errno cimport EAGAIN, EINTR, EIO, errno
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from libc.string cimport memset
from ..base.mem cimport mem_calloc, mem_free, mem_realloc
from ..base.rp cimport likely
from ..base.sds cimport Slice
from ..keyspace.backlog cimport (Backlog, BacklogBlock, backlog_append_far, backlog_close, backlog_init,
                                 backlog_is_open, backlog_open, cursor_advance, cursor_left, cursor_memory,
                                 cursor_place, cursor_release)
from ..keyspace.journal cimport journal_to_replicas
from ..persist.aof_out cimport AofOut
from ..proto.errors cimport (E_TIMEOUT_INT, E_TIMEOUT_NEGATIVE, E_TIMEOUT_RANGE, E_WAITAOF_LOCAL, E_WAITAOF_OFF,
                             E_WAITAOF_REPLICA, E_WAIT_REPLICA)
from ..proto.reply cimport out_bytes, out_room, reply_array, reply_int, reply_raw
from .args cimport err, i64_or_err, i64_or_reply, positive_or_reply, range_or_reply
from .blocked cimport block_for, can_block, wake_client
from .client cimport (CL_BLOCKED, CL_CLOSE_AFTER_REPLY, CL_CLOSE_ASAP, CL_REPLICA, Client, Ctx, G_REPLICA_CLIENT,
                      client_pending)
from .dispatch cimport Exec, exec_on_reset
from .registry cimport bind

cdef extern from *:
    """
    #include <errno.h>
    #include <sys/socket.h>
    #include <sys/types.h>
    #include <sys/uio.h>
    #include <unistd.h>
    #if defined(__linux__)
    #include <sys/sendfile.h>
    #endif
    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0
    #endif
    static ssize_t stream_send(int fd, struct iovec *v, int n) {
        struct msghdr h;
        memset(&h, 0, sizeof h);
        h.msg_iov = v;
        h.msg_iovlen = n;
        return sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    /* Bytes of a file into a socket, as many as it takes at once; -1: errno. */
    static ssize_t file_send(int fd, int file, int64_t at, size_t n) {
    #if defined(__linux__)
        off_t offset = (off_t)at;
        return sendfile(fd, file, &offset, n);
    #else
        char buf[65536];
        ssize_t got = pread(file, buf, n < sizeof buf ? n : sizeof buf, (off_t)at);
        if (got <= 0) return got;
        return send(fd, buf, got, MSG_DONTWAIT | MSG_NOSIGNAL);
    #endif
    }
    """
    struct iovec:
        void* iov_base
        size_t iov_len
    ssize_t stream_send(int fd, iovec* v, int n) nogil
    ssize_t file_send(int fd, int file, int64_t at, size_t n) nogil
    int close(int fd) nogil
    ssize_t pread(int fd, void* p, size_t n, int64_t at) nogil

cdef enum:
    IOV = 64                    # blocks a sendmsg
    TURN = 1 << 20              # bytes sent to one replica a turn
    FILE_PIECE = 1 << 18
    COPY = 1 << 16              # bytes that an encrypted client is given at once

cdef const char* getack = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n"

cdef enum:
    GETACK_BYTES = 37


# ---------------------------------------------------------------- the stream

cdef void take_stream(void* ctx, const char* p, size_t n) noexcept nogil:
    """The journal's feed."""
    backlog_append_far(<Backlog*>ctx, p, n)


cdef void stream_open(Exec* x, int64_t at) noexcept nogil:
    cdef Replicas* r = replicas_of(x)
    backlog_open(&r.backlog, at, <size_t>x.env.knobs.repl_backlog_size)
    r.flushed_end = at
    x.ks.journal.offset = at
    x.ks.journal.feed = take_stream
    x.ks.journal.feed_ctx = &r.backlog
    x.ks.journal.db = -1


cdef void stream_close(Exec* x) noexcept nogil:
    cdef Replicas* r = replicas_of(x)
    cdef int i
    for i in range(r.nlinks):
        cursor_release(&r.backlog, &link_of(r.links[i]).at)
        link_of(r.links[i]).sending = False
    x.ks.journal.feed = NULL
    backlog_close(&r.backlog)
    count_memory(x)


cdef void count_memory(Exec* x) noexcept nogil:
    """maxmemory limits the history that was asked for, not what slow replicas keep beyond it."""
    cdef Replicas* r = replicas_of(x)
    cdef size_t size = r.backlog.size
    x.ks.not_counted = r.backlog.memory - size if r.backlog.memory > size else 0


# ---------------------------------------------------------------- one replica

cdef ReplicaLink* replica_link(Exec* x, Client* c) noexcept nogil:
    cdef ReplicaLink* l = link_of(c)
    if l == NULL:
        l = <ReplicaLink*>mem_calloc(x.mem, sizeof(ReplicaLink))
        l.file_fd = -1
        l.synced = -1
        c.replica = l
    return l


cdef void replica_begin(Exec* x, Client* c) noexcept nogil:
    cdef Replicas* r = replicas_of(x)
    replica_link(x, c).acked_ms = x.env.now_ms
    if c.flags & CL_REPLICA:
        return
    c.flags |= CL_REPLICA
    c.gates |= G_REPLICA_CLIENT
    if r.nlinks == r.links_cap:
        r.links_cap = 2 * r.links_cap if r.links_cap else 4
        r.links = <Client**>mem_realloc(x.mem, r.links, r.links_cap * sizeof(Client*))
    r.links[r.nlinks] = c
    r.nlinks += 1


cdef bint replica_attach(Exec* x, Client* c, int64_t at) noexcept nogil:
    cdef Replicas* r = replicas_of(x)
    cursor_release(&r.backlog, &link_of(c).at)
    return cursor_place(&r.backlog, &link_of(c).at, at)


cdef void replica_send(Exec* x, Client* c) noexcept nogil:
    link_of(c).sending = True
    client_pending(&x.clients, c)


cdef void drop(Replicas* r, Client* c) noexcept nogil:
    cdef int i
    for i in range(r.nlinks):
        if r.links[i] == c:
            r.nlinks -= 1
            r.links[i] = r.links[r.nlinks]
            return


cdef void forget_ack_wait(Replicas* r, Client* c) noexcept nogil:
    cdef int i
    for i in range(r.nwaits):
        if r.waits[i].client == c:
            r.nwaits -= 1
            r.waits[i] = r.waits[r.nwaits]
            return


cdef void forget_client(Exec* x, Client* c) noexcept nogil:
    cdef Replicas* r = replicas_of(x)
    cdef ReplicaLink* l = link_of(c)
    forget_ack_wait(r, c)
    if l == NULL:
        return
    drop(r, c)
    cursor_release(&r.backlog, &l.at)
    if l.file_fd >= 0:
        close(l.file_fd)
    mem_free(x.mem, l)
    c.replica = NULL


cdef size_t replica_behind(const Exec* x, const Client* c) noexcept nogil:
    if c.replica == NULL:
        return 0
    return cursor_memory(&replicas_of(x).backlog, &link_of(c).at)


# ---------------------------------------------------------------- sending

cdef inline SendResult failure() noexcept nogil:
    return SEND_FULL if errno == EAGAIN or errno == EINTR else SEND_FAILED


cdef SendResult write_file(Client* c, ReplicaLink* l, size_t* total) noexcept nogil:
    cdef ssize_t n
    while l.file_at < l.file_size:
        if total[0] >= TURN:
            return SEND_TURN
        n = l.file_size - l.file_at if l.file_size - l.file_at < FILE_PIECE else FILE_PIECE
        n = file_send(c.fd, l.file_fd, l.file_at, n)
        if n < 0:
            return failure()
        if n == 0:
            return SEND_FAILED          # the file has become shorter
        l.file_at += n
        total[0] += n
    close(l.file_fd)
    l.file_fd = -1
    return SEND_DONE


cdef SendResult write_stream(Client* c, ReplicaLink* l, size_t* total) noexcept nogil:
    cdef iovec v[IOV]
    cdef BacklogBlock* block
    cdef ssize_t n
    cdef int i
    while True:
        cursor_advance(&l.at, 0)
        block = l.at.block
        if l.at.pos == block.used:
            return SEND_DONE
        if total[0] >= TURN:
            return SEND_TURN
        i = 0
        while block != NULL and i < IOV:
            v[i].iov_base = block.data
            v[i].iov_len = block.used
            block = block.next
            i += 1
        v[0].iov_base = <char*>v[0].iov_base + l.at.pos
        v[0].iov_len -= l.at.pos
        n = stream_send(c.fd, v, i)
        if n < 0:
            return failure()
        cursor_advance(&l.at, n)
        total[0] += n


cdef SendResult replica_write(Exec* x, Client* c) noexcept nogil:
    cdef Replicas* r = replicas_of(x)
    cdef ReplicaLink* l = link_of(c)
    cdef size_t total = 0
    cdef SendResult result = SEND_DONE
    if l == NULL:
        return SEND_DONE
    if l.file_fd >= 0:
        result = write_file(c, l, &total)
    if result == SEND_DONE and l.sending and l.at.block != NULL:
        result = write_stream(c, l, &total)
    l.sent += total
    r.sent += total
    c.net_out += total
    x.stats.net_out += total
    x.stats.writes += total != 0
    return result


cdef size_t copy_file(Client* c, ReplicaLink* l) noexcept nogil:
    cdef size_t left = l.file_size - l.file_at
    cdef char* room = out_room(&c.out, COPY)
    cdef ssize_t n = pread(l.file_fd, room, left if left < COPY else COPY, l.file_at)
    if n <= 0:
        c.flags |= CL_CLOSE_AFTER_REPLY         # the file has become shorter
        return 0
    c.out.pos += n
    l.file_at += n
    if l.file_at == l.file_size:
        close(l.file_fd)
        l.file_fd = -1
    return n


cdef size_t copy_stream(Replicas* r, Client* c, ReplicaLink* l) noexcept nogil:
    cdef size_t n = 0
    cdef size_t part
    cursor_advance(&l.at, 0)
    while n < COPY and cursor_left(&r.backlog, &l.at):
        part = l.at.block.used - l.at.pos
        reply_raw(&c.out, l.at.block.data + l.at.pos, part)
        cursor_advance(&l.at, part)
        n += part
    return n


cdef bint replica_copy(Exec* x, Client* c) noexcept nogil:
    cdef Replicas* r = replicas_of(x)
    cdef ReplicaLink* l = link_of(c)
    cdef bint streams = l.sending and l.at.block != NULL
    cdef size_t n = 0
    if out_bytes(&c.out) < COPY:
        if l.file_fd >= 0:
            n = copy_file(c, l)
        elif streams:
            n = copy_stream(r, c, l)
        l.sent += n
        r.sent += n
    return n != 0 and (l.file_fd >= 0 or (streams and cursor_left(&r.backlog, &l.at) != 0))


# ---------------------------------------------------------------- before the loop sleeps

cdef void replicas_step(Exec* x) noexcept nogil:
    cdef Replicas* r = replicas_of(x)
    cdef int i
    if likely(not backlog_is_open(&r.backlog)):
        return
    if r.ask:
        r.ask = False
        if r.nlinks and not x.ks.replica:
            journal_to_replicas(&x.ks.journal, getack, GETACK_BYTES)
    if r.flushed_end == r.backlog.end:
        return
    r.flushed_end = r.backlog.end
    count_memory(x)
    for i in range(r.nlinks):
        if link_of(r.links[i]).at.block != NULL:
            client_pending(&x.clients, r.links[i])


# ---------------------------------------------------------------- WAIT

cdef int64_t count_acked(const Exec* x, int64_t at, bint on_disk) noexcept nogil:
    cdef Replicas* r = replicas_of(x)
    cdef ReplicaLink* l
    cdef int64_t n = 0
    cdef int i
    for i in range(r.nlinks):
        l = link_of(r.links[i])
        if l.sending and not r.links[i].flags & CL_CLOSE_ASAP:
            n += (l.synced if on_disk else l.acked) >= at
    return n


cdef inline int64_t count_local(const Exec* x, int64_t at) noexcept nogil:
    cdef Replicas* r = replicas_of(x)
    return r.aof_counts and r.aof.synced >= at


cdef inline bint reached(const Exec* x, const AckWait* w) noexcept nogil:
    if not w.on_disk:
        return count_acked(x, w.at, False) >= w.replicas
    if w.local and not x.env.knobs.appendonly:
        return True                     # it was switched off: the command says so
    return count_local(x, w.at) >= w.local and count_acked(x, w.at, True) >= w.replicas


cdef int stand_in_line(Ctx* x, const AckWait* w, int64_t deadline_ms) noexcept nogil:
    """Waits; asks the replicas what they have."""
    cdef Exec* e = <Exec*>x.exec
    cdef Replicas* r = replicas_of(e)
    block_for(x, deadline_ms, waitaof_timeout if w.on_disk else wait_timeout)
    if r.nwaits == r.waits_cap:
        r.waits_cap = 2 * r.waits_cap if r.waits_cap else 8
        r.waits = <AckWait*>mem_realloc(x.mem, r.waits, r.waits_cap * sizeof(AckWait))
    r.waits[r.nwaits] = w[0]
    r.nwaits += 1
    r.ask = True
    return 0


cdef bint deadline_or_reply(Ctx* x, Slice s, int64_t* when_ms) noexcept nogil:
    """Milliseconds from now as an absolute time; 0 stays 0: for ever."""
    if not i64_or_err(x, s, when_ms, E_TIMEOUT_INT):
        return False
    if when_ms[0] < 0:
        err(x, E_TIMEOUT_NEGATIVE)
        return False
    if when_ms[0] > INT64_MAX - x.env.now_ms:
        err(x, E_TIMEOUT_RANGE)
        return False
    when_ms[0] += x.env.now_ms if when_ms[0] else 0
    return True


cdef void wait_timeout(Exec* x, Client* c) noexcept nogil:
    reply_int(&c.out, count_acked(x, c.repl_offset, False))


cdef void waitaof_timeout(Exec* x, Client* c) noexcept nogil:
    reply_array(&c.out, 2)
    reply_int(&c.out, count_local(x, c.repl_offset))
    reply_int(&c.out, count_acked(x, c.repl_offset, True))


cdef int wait_command(Ctx* x) noexcept nogil:
    """WAIT numreplicas timeout. O(replicas)."""
    cdef Exec* e = <Exec*>x.exec
    cdef AckWait w
    cdef int64_t when_ms
    if x.ks.replica:
        return err(x, E_WAIT_REPLICA)
    if not i64_or_reply(x, x.argv[1], &w.replicas) or not deadline_or_reply(x, x.argv[2], &when_ms):
        return 0
    w.client = x.client
    w.at = x.client.repl_offset
    w.local = 0
    w.on_disk = False
    if reached(e, &w) or not can_block(x):
        return reply_int(x.out, count_acked(e, w.at, False))
    return stand_in_line(x, &w, when_ms)


cdef int waitaof_command(Ctx* x) noexcept nogil:
    """WAITAOF numlocal numreplicas timeout. O(replicas)."""
    cdef Exec* e = <Exec*>x.exec
    cdef AckWait w
    cdef int64_t when_ms
    if not range_or_reply(x, x.argv[1], 0, 1, &w.local, E_WAITAOF_LOCAL) \
            or not positive_or_reply(x, x.argv[2], &w.replicas) or not deadline_or_reply(x, x.argv[3], &when_ms):
        return 0
    if x.ks.replica:
        return err(x, E_WAITAOF_REPLICA)
    if w.local and not x.env.knobs.appendonly:
        return err(x, E_WAITAOF_OFF)
    w.client = x.client
    w.at = x.client.repl_offset
    w.on_disk = True
    if can_block(x) and not reached(e, &w):
        return stand_in_line(x, &w, when_ms)
    waitaof_timeout(e, x.client)
    return 0


cdef bint serve_waits(Exec* x) noexcept nogil:
    cdef Replicas* r = replicas_of(x)
    cdef int n = r.nwaits
    cdef int kept = 0
    cdef int i
    cdef Client* c
    if likely(n == 0):
        return False
    for i in range(n):
        c = r.waits[i].client
        if c.blocked == NULL or not c.flags & CL_BLOCKED:
            continue                    # its time was over
        if reached(x, &r.waits[i]):
            wake_client(x, c)
        else:
            r.waits[kept] = r.waits[i]
            kept += 1
    r.nwaits = kept
    return kept < n


# ---------------------------------------------------------------- life

cdef void replicas_init(Exec* x, const AofOut* aof) noexcept nogil:
    cdef Replicas* r = <Replicas*>mem_calloc(x.mem, sizeof(Replicas))
    backlog_init(&r.backlog, x.mem)
    r.aof = aof
    x.replicas = r
    exec_on_reset(x, forget_client)


cdef void replicas_free(Exec* x) noexcept nogil:
    cdef Replicas* r = replicas_of(x)
    while r.nlinks:
        forget_client(x, r.links[0])
    r.nwaits = 0
    backlog_close(&r.backlog)
    mem_free(x.mem, r.links)
    mem_free(x.mem, r.waits)


bind(b"wait", wait_command)
bind(b"waitaof", waitaof_command)
