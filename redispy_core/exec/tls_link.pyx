"""TLS clients: reading and writing through an SSL object between two memory BIOs (contract: tls_link.pxd). Room exec.

The server makes context and handshake; from then on exec/io sends a client with CL_TLS here where it would call recv
and send itself, so that limits, blocking, pauses, closing and messages between clients are those of plain clients.

    socket -recv-> shared buffer -> incoming BIO -ssl.read-> shared buffer -> io_feed
    Client.out -ssl.write-> outgoing BIO -> bytes -send-> socket; what it does not take stays as `left`

A turn of a client is one recv, one ssl.read a record, and for all its replies together one ssl.write a record (16 KB)
and one send. Output is encrypted only when the socket has taken all that was encrypted before: what a slow reader
leaves stands in Client.out, where output limits see it, but for at most CIPHER_TURN bytes.

The objects are those of `ssl.SSLContext.wrap_bio`; where the SSLObject shows the object that it wraps, as CPython's
does, that one is called, which saves a Python frame a call. The GIL is held by whoever calls the engine.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.buffer cimport PyBUF_READ, PyBUF_WRITE
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.errno cimport EAGAIN, EINTR, errno
from libc.string cimport memcpy
from ..base.rp cimport likely, unlikely
from ..proto.reply cimport Block, Out, out_empty, out_sent
from .client cimport (CL_CLOSE_AFTER_REPLY, CL_CLOSE_ASAP, CL_PEER_CLOSED, CL_READ_AGAIN, Client, client_close,
                      client_pending)
from .dispatch cimport Exec
from .io cimport (BUFFER_SIZE, READ_SIZE, WRITE_TURN, io_all_sent, io_feed, io_read_later, io_shared_buffer,
                  io_want_write, io_write_again)

cdef extern from "<sys/types.h>" nogil:
    ctypedef Py_ssize_t ssize_t

cdef extern from "<sys/socket.h>" nogil:
    ssize_t recv(int fd, void* buf, size_t n, int flags)
    ssize_t send(int fd, const void* buf, size_t n, int flags)
    int MSG_DONTWAIT
    int MSG_NOSIGNAL

cdef extern from *:
    """
    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0
    #endif
    #include <sys/socket.h>
    """

cdef enum:
    RECORD = 16384              # the most that one TLS record carries
    CIPHER_TURN = 8 * RECORD    # encrypted before it is sent

cdef class TlsLink:
    """One client's encryption."""
    cdef object ssl
    cdef object incoming
    cdef object outgoing
    cdef object read            # bound methods, looked up once
    cdef object write
    cdef object put
    cdef object take
    cdef bytes left             # ciphertext that the socket has not taken; None: none
    cdef ssize_t left_at
    cdef bint broken            # TLS has failed: no goodbye
    cdef object want_read       # the exceptions of the ssl module, which is imported with the first TLS client
    cdef object failures


cdef inline TlsLink link_of(Client* c):
    return <TlsLink>c.tls


cdef int tls_attach(Exec* x, Client* c, object ssl, object incoming, object outgoing) except -1:
    cdef TlsLink link = TlsLink.__new__(TlsLink)
    from ssl import SSLError, SSLWantReadError
    inner = getattr(ssl, "_sslobj", ssl)
    link.want_read = SSLWantReadError
    link.failures = (SSLError, OSError, ValueError)
    link.ssl = ssl
    link.incoming = incoming
    link.outgoing = outgoing
    link.read = inner.read
    link.write = inner.write
    link.put = incoming.write
    link.take = outgoing.read
    Py_INCREF(link)
    c.tls = <void*>link
    if incoming.pending or ssl.pending():
        io_read_later(x, c)             # what came with the end of the handshake
    return 0


# ---------------------------------------------------------------- reading

cdef void tls_read(Exec* x, Client* c) noexcept nogil:
    with gil:
        read_link(x, c, link_of(c))


cdef bint receive(Exec* x, Client* c, TlsLink link) except *:
    """What has come goes to the incoming BIO; True: it is the end of the stream."""
    cdef char* buf = io_shared_buffer(x)
    cdef ssize_t n = recv(c.fd, buf, READ_SIZE, MSG_DONTWAIT)
    if n > 0:
        x.stats.reads += 1
        link.put(PyMemoryView_FromMemory(buf, n, PyBUF_READ))
        if unlikely(n == READ_SIZE or c.flags & CL_PEER_CLOSED):
            io_read_later(x, c)
        return False
    if n < 0 and errno == EINTR:
        io_read_later(x, c)
        return False
    return n == 0 or errno != EAGAIN


cdef read_link(Exec* x, Client* c, TlsLink link):
    """Receives, decrypts all complete records, runs the requests in them."""
    cdef char* buf
    cdef size_t used = 0
    cdef ssize_t got
    cdef bint ended = receive(x, c, link)
    buf = io_shared_buffer(x)
    try:
        while link.incoming.pending:
            if BUFFER_SIZE - used < RECORD:
                io_read_later(x, c)
                break
            got = link.read(RECORD, PyMemoryView_FromMemory(buf + used, RECORD, PyBUF_WRITE))
            if got == 0:
                ended = True            # the peer has said goodbye
                break
            used += got
    except link.want_read:
        pass                            # the last record is not complete
    except link.failures:
        ended = link.broken = True      # what stands before the fault is run nevertheless
    if used:
        io_feed(x, c, buf, used)
    if ended:
        write_link(x, c, link)          # what was asked before the end is answered; or an alert
        client_close(&x.clients, c)
    elif link.outgoing.pending:
        client_pending(&x.clients, c)   # an answer to a change of keys


# ---------------------------------------------------------------- writing

cdef void tls_write(Exec* x, Client* c) noexcept nogil:
    with gil:
        write_link(x, c, link_of(c))


cdef int send_left(Exec* x, Client* c, TlsLink link) except -2:
    """1: the socket has taken all ciphertext; 0: it is full; -1: it is broken."""
    cdef ssize_t n
    while True:
        if link.left is None:
            if not link.outgoing.pending:
                return 1
            link.left = link.take()
            link.left_at = 0
        n = send(c.fd, PyBytes_AS_STRING(link.left) + link.left_at, PyBytes_GET_SIZE(link.left) - link.left_at,
                 MSG_DONTWAIT | MSG_NOSIGNAL)
        x.stats.writes += 1
        if n < 0:
            if errno == EINTR:
                continue
            return 0 if errno == EAGAIN else -1
        link.left_at += n
        if link.left_at == PyBytes_GET_SIZE(link.left):
            link.left = None


cdef size_t gather(Out* o, char* buf) noexcept nogil:
    """Copies the beginning of an output of several blocks, at most a record, into buf."""
    cdef Block* b = o.first
    cdef size_t skip = o.sent
    cdef size_t n = 0
    cdef size_t part
    while b != NULL and n < RECORD:
        part = (<size_t>(o.pos - b.data) if b == o.last else b.used) - skip
        if part > RECORD - n:
            part = RECORD - n
        memcpy(buf + n, b.data + skip, part)
        n += part
        skip = 0
        b = b.next
    return n


cdef size_t encrypt_some(Exec* x, Client* c, TlsLink link) except? 0:
    """Encrypts the next record of the client's output; its bytes."""
    cdef Out* o = &c.out
    cdef char* text = o.first.data + o.sent
    cdef size_t n = <size_t>(o.pos - text) if o.first == o.last else o.first.used - o.sent
    if n < RECORD and o.first != o.last:
        text = io_shared_buffer(x)
        n = gather(o, text)
    elif n > RECORD:
        n = RECORD
    n = link.write(PyMemoryView_FromMemory(text, n, PyBUF_READ))
    out_sent(o, n)
    c.net_out += n
    x.stats.net_out += n
    return n


cdef write_link(Exec* x, Client* c, TlsLink link):
    cdef size_t total = 0
    cdef size_t limit = CIPHER_TURN
    cdef int state
    try:
        while True:
            while total < limit and not out_empty(&c.out) and link.left is None and not link.broken:
                total += encrypt_some(x, c, link)
            state = send_left(x, c, link)
            if state < 0:
                client_close(&x.clients, c)
                return
            if state == 0:
                io_want_write(x, c)
                return
            if total >= WRITE_TURN and not out_empty(&c.out):
                io_write_again(x, c)
                return
            if out_empty(&c.out) or link.broken:
                break
            limit = total + CIPHER_TURN
    except link.failures:
        link.broken = True
        client_close(&x.clients, c)
        return
    io_all_sent(x, c)


# ---------------------------------------------------------------- the end

cdef void tls_end(Exec* x, Client* c) noexcept nogil:
    with gil:
        end_link(x, c)


cdef end_link(Exec* x, Client* c):
    """Says goodbye if nothing is in its way. Never waits: the peer may have gone long ago."""
    cdef TlsLink link = link_of(c)
    c.tls = NULL
    Py_DECREF(link)
    if link.broken or link.left is not None or c.fd < 0:
        return
    try:
        link.ssl.unwrap()
    except link.failures:
        pass                            # it waits for the peer's goodbye, which nobody will read
    try:
        send_left(x, c, link)
    except link.failures:
        pass


cdef void tls_init(Exec* x) noexcept nogil:
    x.tls_read = tls_read
    x.tls_write = tls_write
    x.tls_end = tls_end
