"""The primary's link of a replica (contract: primary.pxd). Room exec; fed by dispatch with what io has read.

The primary is obeyed: no gate refuses its commands, keys that are past their time are still there for them (the primary
says when they go), nothing is evicted for them, and their replies are dropped; an error among them is a sign that the
data differ, and is logged. A command's bytes count when it has taken effect, those of a transaction with its EXEC; then
they go, as they are, to the replicas of this server: its own log of changes is the same to the byte.

A request that is not whole yet is parsed again from its beginning when more has come: its bytes must stay together.
"""
from libc.stdint cimport int64_t, uint32_t
from ..base.mem cimport mem_calloc, mem_free
from ..base.num cimport num_print_i64
from ..base.rp cimport unlikely
from ..base.sds cimport Sds, Slice, sds_append, sds_free, sds_new
from ..keyspace.db cimport ks_begin_command
from ..keyspace.journal cimport Journal, journal_to_replicas
from ..proto.parser cimport PARSED_COMMAND, PARSED_ERROR, Parsed, ParserLimits, parse_request, parser_restart
from ..proto.reply cimport out_clear, reply_raw
from .args cimport word_is
from .client cimport CL_CLOSE_ASAP, CL_MULTI, CL_PRIMARY, Client, G_ACL, G_NOAUTH, client_close, client_pending
from .dispatch cimport Exec, feed_input, run_command
from .replicas cimport replicas_of


cdef void primary_init(Exec* x) noexcept nogil:
    cdef PrimaryLink* l = <PrimaryLink*>mem_calloc(x.mem, sizeof(PrimaryLink))
    l.db = -1
    x.primary = l
    x.apply = apply


cdef void primary_free(Exec* x) noexcept nogil:
    cdef PrimaryLink* l = primary_of(x)
    sds_free(x.mem, l.held)
    mem_free(x.mem, l)
    x.primary = NULL


cdef void primary_attach(Exec* x, Client* c, int64_t at, int db) noexcept nogil:
    cdef PrimaryLink* l = primary_of(x)
    l.client = c
    l.applied = at
    l.db = db
    l.broken = l.ack = l.waiting = False
    c.flags |= CL_PRIMARY
    c.gates = 0
    c.authenticated = True
    if db > 0:
        c.db = &x.ks.dbs[db]
    x.ks.journal.offset = at


cdef void primary_forget(Exec* x) noexcept nogil:
    cdef PrimaryLink* l = primary_of(x)
    l.client = NULL
    sds_free(x.mem, l.held)
    l.held = NULL


cdef int64_t primary_read_offset(const Exec* x) noexcept nogil:
    cdef PrimaryLink* l = primary_of(x)
    cdef int64_t n = l.applied
    if l.held != NULL:
        n += l.held.len
    if l.client != NULL:
        n += <int64_t>l.client.q.len
    return n


# ---------------------------------------------------------------- the stream

cdef void pass_on(Exec* x, PrimaryLink* l, const char* p, size_t n) noexcept nogil:
    """Bytes that have taken effect: to our own replicas, and counted."""
    cdef Journal* j = &x.ks.journal
    l.applied += n
    journal_to_replicas(j, p, n)
    j.offset = l.applied


cdef void settle(Exec* x, PrimaryLink* l, const char* p, size_t n) noexcept nogil:
    if l.held != NULL and l.held.len:
        pass_on(x, l, l.held.data, l.held.len)
        sds_free(x.mem, l.held)
        l.held = NULL
    if n:
        pass_on(x, l, p, n)
    l.db = l.client.db.id


cdef void hold_back(Exec* x, PrimaryLink* l, const char* p, size_t n) noexcept nogil:
    l.held = sds_append(x.mem, l.held, p, n) if l.held != NULL else sds_new(x.mem, p, n)


cdef inline bint asks_how_far(const Slice* argv, int argc) noexcept nogil:
    return argc >= 2 and word_is(argv[0], b"replconf") and word_is(argv[1], b"getack")


cdef void run_one(Exec* x, PrimaryLink* l, Client* c) noexcept nogil:
    cdef bint loading = x.ks.loading
    if unlikely(asks_how_far(c.parser.argv, c.parser.argc)):
        l.ack = True
        return
    c.last_command = NULL
    x.ks.loading = True                     # nothing is past its time for the primary, nothing is evicted
    ks_begin_command(x.ks)
    run_command(x, c, c.parser.argv, c.parser.argc)
    x.ks.loading = loading
    if unlikely(x.after_unit != NULL):
        x.after_unit(x)
    if c.out.first != NULL:
        if unlikely(c.out.first.data[0] == 45):
            x.applied_error(x, c)
        out_clear(&c.out)


cdef size_t apply(Exec* x, Client* c, char* buf, size_t len) noexcept nogil:
    """Runs the whole requests of buf; their bytes. O(what they do)."""
    cdef PrimaryLink* l = primary_of(x)
    cdef ParserLimits limits
    cdef size_t pos = 0
    cdef size_t done = 0                    # requests behind here were not run
    cdef size_t settled = 0
    cdef size_t missing
    cdef Parsed p
    limits.max_bulk = x.env.knobs.proto_max_bulk_len
    limits.max_inline = x.env.knobs.proto_inline_max_size
    limits.authenticated = True
    if unlikely(x.depth != 0):
        l.waiting = True                    # inside a busy script: the stream goes on behind it
        return 0
    c.gates &= ~<uint32_t>(G_ACL | G_NOAUTH)    # a change of users does not concern it
    parser_restart(&c.parser)
    while pos < len and not c.flags & CL_CLOSE_ASAP:
        p = parse_request(x.mem, &c.parser, buf, len, &pos, &limits)
        if p != PARSED_COMMAND:
            missing = c.parser.missing
            parser_restart(&c.parser)
            c.parser.missing = missing
            if p == PARSED_ERROR:
                l.broken = True
                client_close(&x.clients, c)
            break
        if c.parser.argc:
            run_one(x, l, c)
        done = pos
        if not c.flags & CL_MULTI:
            settle(x, l, buf + settled, done - settled)
            settled = done
    replicas_of(x).received += done
    if done > settled:
        hold_back(x, l, buf + settled, done - settled)
    return done


cdef void primary_resume(Exec* x) noexcept nogil:
    cdef PrimaryLink* l = primary_of(x)
    l.waiting = False
    if l.client != NULL and l.client.q.len and not l.client.flags & CL_CLOSE_ASAP:
        feed_input(x, l.client, l.client.q.data, l.client.q.len)


# ---------------------------------------------------------------- acknowledging

cdef void put_bulk(Client* c, const char* s, size_t n) noexcept nogil:
    cdef char head[24]
    cdef int k
    head[0] = 36
    k = 1 + num_print_i64(head + 1, <int64_t>n)
    head[k] = 13
    head[k + 1] = 10
    reply_raw(&c.out, head, k + 2)
    reply_raw(&c.out, s, n)
    reply_raw(&c.out, b"\r\n", 2)


cdef void put_number(Client* c, int64_t v) noexcept nogil:
    cdef char text[24]
    put_bulk(c, text, num_print_i64(text, v))


cdef void primary_ack(Exec* x, int64_t synced) noexcept nogil:
    cdef PrimaryLink* l = primary_of(x)
    cdef Client* c = l.client
    if c == NULL or c.flags & CL_CLOSE_ASAP:
        return
    l.ack = False
    reply_raw(&c.out, b"*5\r\n" if synced >= 0 else b"*3\r\n", 4)
    put_bulk(c, b"REPLCONF", 8)
    put_bulk(c, b"ACK", 3)
    put_number(c, l.applied)
    if synced >= 0:
        put_bulk(c, b"FACK", 4)
        put_number(c, synced)
    client_pending(&x.clients, c)
