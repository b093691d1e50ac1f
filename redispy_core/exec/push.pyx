"""Out-of-band messages (contract: push.pxd). Room exec; used by pubsub, monitor and tracking.

A RESP2 message and the RESP3 push differ in their first byte alone, so a message is serialised once and copied to each
of its receivers. A receiver without pending output gets a small block for it, not one of the ordinary size: a message
to 10,000 idle clients must not cost 10,000 ordinary blocks.

Only the client whose request runs can have messages that wait (Exec.late): a unit has one caller. Dispatch adds them
behind its reply.
"""
from libc.string cimport memcpy
from ..base.rp cimport likely, unlikely
from ..base.sds cimport Slice, sds_append, sds_new, slice_of
from ..proto.reply cimport out_room, out_room_small
from .client cimport (CL_CLOSE_ASAP, CL_PUSHING, CL_REPLY_OFF, CL_REPLY_SKIP, Client, client_close, client_pending)
from .dispatch cimport Exec
from .io cimport over_output_limit


cdef bint is_muted(const Exec* x, const Client* c) noexcept nogil:
    return c.flags & (CL_REPLY_OFF | CL_REPLY_SKIP) and x.depth > 0 and c == x.caller


cdef void defer(Exec* x, Client* c, Slice head, Slice tail, bint as_push) noexcept nogil:
    cdef size_t begin
    if x.late == NULL:
        x.late = sds_new(x.mem, NULL, 0)
    begin = x.late.len
    x.late = sds_append(x.mem, x.late, head.ptr, head.len)
    if tail.len:
        x.late = sds_append(x.mem, x.late, tail.ptr, tail.len)
    if as_push:
        x.late.data[begin] = 62
    c.flags |= CL_PUSHING


cdef void deliver(Exec* x, Client* c, Slice head, Slice tail, bint as_push) noexcept nogil:
    cdef int blocks = c.out.blocks
    cdef char* p
    if unlikely(c.flags & CL_CLOSE_ASAP):
        return
    if unlikely(x.depth and c == x.caller):
        defer(x, c, head, tail, as_push)
        return
    if likely(blocks == 0):
        p = out_room_small(&c.out, head.len + tail.len)
    else:
        p = out_room(&c.out, head.len + tail.len)
    memcpy(p, head.ptr, head.len)
    if tail.len:
        memcpy(p + head.len, tail.ptr, tail.len)
    if as_push:
        p[0] = 62
    c.out.pos = p + head.len + tail.len
    client_pending(&x.clients, c)
    if unlikely(blocks != 0 and c.out.blocks != blocks) and over_output_limit(x, c):
        x.stats.output_limit_closed += 1        # it reads too slowly: no need to wait for the end of the turn
        client_close(&x.clients, c)


cdef void push_message(Exec* x, Client* c, Slice head, Slice tail) noexcept nogil:
    deliver(x, c, head, tail, c.out.resp == 3)


cdef void push_line(Exec* x, Client* c, Slice line) noexcept nogil:
    deliver(x, c, line, slice_of(NULL, 0), False)
