"""Clients (contract: client.pxd): creation, tables, buffers. Room exec; knows sockets only as numbers.

An idle client owns its struct and nothing else: input is read into the engine's shared buffer and kept here only when
it ends inside a request; output blocks come from the pool and go back when sent.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset
from ..base.mem cimport Mem, mem_calloc, mem_free, mem_realloc
from ..base.sds cimport Sds, Slice, sds_free, sds_new
from ..keyspace.db cimport Db
from ..proto.parser cimport parser_free, parser_init
from ..proto.reply cimport BlockPool, out_clear, out_init, out_memory


cdef enum:
    SUBSCRIPTION = 64           # bytes that one subscription or tracked prefix takes, with its share of the tables


cdef void clients_init(Clients* t, Mem* m, BlockPool* pool) noexcept nogil:
    memset(t, 0, sizeof(Clients))
    t.mem = m
    t.pool = pool
    t.next_id = 1


cdef void clients_free(Clients* t) noexcept nogil:
    while t.first != NULL:
        client_free(t, t.first)
    mem_free(t.mem, t.by_fd)
    mem_free(t.mem, t.by_id)
    t.by_fd = t.by_id = NULL


cdef void index_fd(Clients* t, int fd, Client* c) noexcept nogil:
    cdef int cap = t.fd_cap
    if fd >= cap:
        while fd >= cap:
            cap = 64 if cap == 0 else cap * 2
        t.by_fd = <Client**>mem_realloc(t.mem, t.by_fd, cap * sizeof(Client*))
        memset(t.by_fd + t.fd_cap, 0, (cap - t.fd_cap) * sizeof(Client*))
        t.fd_cap = cap
    t.by_fd[fd] = c


cdef void put_id(Clients* t, Client* c) noexcept nogil:
    cdef size_t i = c.id & (t.id_cap - 1)
    while t.by_id[i] != NULL:
        i = (i + 1) & (t.id_cap - 1)
    t.by_id[i] = c


cdef void index_id(Clients* t, Client* c) noexcept nogil:
    """Ids are given in a row, so that the low bits of those alive spread evenly. At most half full."""
    cdef Client** old = t.by_id
    cdef size_t cap = t.id_cap
    cdef size_t i
    if 2 * t.connected >= cap:
        t.id_cap = 2 * cap if cap else 64
        t.by_id = <Client**>mem_calloc(t.mem, t.id_cap * sizeof(Client*))
        for i in range(cap):
            if old[i] != NULL:
                put_id(t, old[i])
        mem_free(t.mem, old)
    put_id(t, c)


cdef void unindex_id(Clients* t, Client* c) noexcept nogil:
    """What stands behind it moves up, unless it stands where it belongs."""
    cdef size_t mask = t.id_cap - 1
    cdef size_t gap = c.id & mask
    cdef size_t i
    while t.by_id[gap] != c:
        gap = (gap + 1) & mask
    i = (gap + 1) & mask
    while t.by_id[i] != NULL:
        if ((i - t.by_id[i].id) & mask) >= ((i - gap) & mask):
            t.by_id[gap] = t.by_id[i]
            gap = i
        i = (i + 1) & mask
    t.by_id[gap] = NULL


cdef Client* client_new(Clients* t, int fd, uint64_t flags, Db* db, int64_t now_ms) noexcept nogil:
    cdef Client* c = <Client*>mem_calloc(t.mem, sizeof(Client))
    c.fd = fd
    c.id = t.next_id
    t.next_id += 1
    c.flags = flags
    c.db = db
    c.created_ms = c.active_ms = now_ms
    parser_init(&c.parser)
    out_init(&c.out, t.mem, t.pool, 2)
    c.prev = t.last
    if t.last != NULL:
        t.last.next = c
    else:
        t.first = c
    t.last = c
    t.count += 1
    if not flags & CL_FAKE:
        index_id(t, c)
        t.connected += 1
    if fd >= 0:
        index_fd(t, fd, c)
    return c


cdef void unlist_pending(Clients* t, Client* c) noexcept nogil:
    cdef Client** slot = &t.pending
    while slot[0] != NULL and slot[0] != c:
        slot = &slot[0].next_pending
    if slot[0] == c:
        slot[0] = c.next_pending


cdef void unlist_attention(Clients* t, Client* c) noexcept nogil:
    cdef Client** slot = &t.attention
    while slot[0] != NULL and slot[0] != c:
        slot = &slot[0].next_attention
    if slot[0] == c:
        slot[0] = c.next_attention


cdef void unlist_again(Clients* t, Client* c) noexcept nogil:
    cdef Client** slot = &t.again
    while slot[0] != NULL and slot[0] != c:
        slot = &slot[0].next_again
    if slot[0] == c:
        slot[0] = c.next_again


cdef void client_free(Clients* t, Client* c) noexcept nogil:
    if c.flags & CL_PENDING_WRITE:
        unlist_pending(t, c)
    if c.flags & CL_ATTENTION:
        unlist_attention(t, c)
    if c.flags & CL_READ_AGAIN:
        unlist_again(t, c)
    if t.cron_next == c:
        t.cron_next = c.next
    if c.fd >= 0:
        t.by_fd[c.fd] = NULL
    if c.prev != NULL:
        c.prev.next = c.next
    else:
        t.first = c.next
    if c.next != NULL:
        c.next.prev = c.prev
    else:
        t.last = c.prev
    t.count -= 1
    t.memory -= c.counted
    if not c.flags & CL_FAKE:
        unindex_id(t, c)
        t.connected -= 1
    parser_free(t.mem, &c.parser)
    mem_free(t.mem, c.q.data)
    out_clear(&c.out)
    sds_free(t.mem, c.name)
    sds_free(t.mem, c.lib_name)
    sds_free(t.mem, c.lib_ver)
    sds_free(t.mem, c.user)
    mem_free(t.mem, c)


cdef Client* client_by_fd(Clients* t, int fd) noexcept nogil:
    return t.by_fd[fd] if fd >= 0 and fd < t.fd_cap else NULL


cdef Client* client_by_id(Clients* t, uint64_t id) noexcept nogil:
    cdef size_t i = id & (t.id_cap - 1)
    if t.id_cap == 0:
        return NULL
    while t.by_id[i] != NULL and t.by_id[i].id != id:
        i = (i + 1) & (t.id_cap - 1)
    return t.by_id[i]


cdef void client_reset_query(Mem* m, Client* c) noexcept nogil:
    mem_free(m, c.q.data)
    memset(&c.q, 0, sizeof(c.q))


cdef void client_pending(Clients* t, Client* c) noexcept nogil:
    if not c.flags & (CL_PENDING_WRITE | CL_FAKE):
        c.flags |= CL_PENDING_WRITE
        c.next_pending = t.pending
        t.pending = c


cdef void client_attention(Clients* t, Client* c) noexcept nogil:
    if not c.flags & (CL_ATTENTION | CL_FAKE):
        c.flags |= CL_ATTENTION
        c.next_attention = t.attention
        t.attention = c


cdef void client_close(Clients* t, Client* c) noexcept nogil:
    c.flags |= CL_CLOSE_ASAP
    client_attention(t, c)


cdef size_t client_memory(const Client* c) noexcept nogil:
    """What a subscription or a watched key costs is in the rooms' own keeping: SUBSCRIPTION is about right."""
    cdef size_t n = sizeof(Client) + c.q.cap + out_memory(&c.out) + c.parser.argv_cap * sizeof(Slice) + c.multi_bytes
    return n + (c.channels + c.patterns + c.shard_channels + c.prefixes) * SUBSCRIPTION


cdef void sds_assign(Mem* m, Sds** slot, Slice text) noexcept nogil:
    sds_free(m, slot[0])
    slot[0] = sds_new(m, text.ptr, text.len) if text.len else NULL
