"""The slots of keyspace/events shared out among their listeners (contract: listening.pxd). Room exec.

A listener is installed when its first client needs it and taken out with its last. The keyspace sees one function.
"""
from ..base.sds cimport Slice
from .dispatch cimport LISTENERS, Exec, changed_fn, flushed_fn


cdef void tell_changed(void* ctx, int db, Slice key) noexcept nogil:
    cdef Exec* x = <Exec*>ctx
    cdef int i
    for i in range(LISTENERS):
        if x.listening.active & (1u << i):
            x.listening.changed[i](x, db, key)


cdef void tell_flushed(void* ctx, int db) noexcept nogil:
    cdef Exec* x = <Exec*>ctx
    cdef int i
    for i in range(LISTENERS):
        if x.listening.active & (1u << i) and x.listening.flushed[i] != NULL:
            x.listening.flushed[i](x, db)


cdef void listen(Exec* x, Listener who, changed_fn changed, flushed_fn flushed) noexcept nogil:
    x.listening.changed[<int>who] = changed
    x.listening.flushed[<int>who] = flushed
    x.listening.active |= 1u << <int>who
    x.ks.ev.changed = tell_changed
    x.ks.ev.changed_ctx = x
    x.ks.ev.flushed = tell_flushed
    x.ks.ev.flushed_ctx = x


cdef void unlisten(Exec* x, Listener who) noexcept nogil:
    x.listening.active &= ~(1u << <int>who)
    if x.listening.active == 0:
        x.ks.ev.changed = NULL
        x.ks.ev.flushed = NULL
