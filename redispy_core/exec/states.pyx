"""States of the server that refuse commands (contract: states.pxd). Room exec: gates that answer one error each.

A primary's stream and the append-only file are obeyed in any state: what they bring was accepted before.
"""
from ..base.sds cimport Slice, sds_free, sds_new, slice_of
from ..proto.errors cimport E_LOADING, E_MASTERDOWN, E_MISCONF, E_NOREPLICAS, E_READONLY, Err
from ..proto.reply cimport reply_error, reply_error_text
from .client cimport CL_PRIMARY, Client, G_LOADING, G_MASTERDOWN, G_MISCONF, G_NOREPLICAS, G_READONLY
from .dispatch cimport Exec, gate_fn
from .registry cimport CMD_NO_ASYNC_LOADING, Command


cdef inline bint refuse_with(Client* c, Err e) noexcept nogil:
    if c.flags & CL_PRIMARY:
        return False
    reply_error(&c.out, e)
    return True


cdef bint gate_loading(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    if not x.ks.loading and not cmd.flags & CMD_NO_ASYNC_LOADING:
        return False                        # it goes into databases aside: the old ones are served meanwhile
    return refuse_with(c, E_LOADING)


cdef bint gate_misconf(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    if c.flags & CL_PRIMARY or x.misconf == NULL:
        return refuse_with(c, E_MISCONF)
    reply_error_text(&c.out, x.misconf.data, x.misconf.len)
    return True


cdef bint gate_readonly(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    return refuse_with(c, E_READONLY)


cdef bint gate_noreplicas(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    return refuse_with(c, E_NOREPLICAS)


cdef bint gate_masterdown(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    return refuse_with(c, E_MASTERDOWN)


cdef void install(Exec* x, int gate, gate_fn fn) noexcept nogil:
    cdef int bit = 0
    while not gate >> bit & 1:
        bit += 1
    x.gate_fns[bit] = fn


cdef void states_init(Exec* x) noexcept nogil:
    install(x, G_LOADING, gate_loading)
    install(x, G_MISCONF, gate_misconf)
    install(x, G_READONLY, gate_readonly)
    install(x, G_NOREPLICAS, gate_noreplicas)
    install(x, G_MASTERDOWN, gate_masterdown)


cdef void states_free(Exec* x) noexcept nogil:
    sds_free(x.mem, x.misconf)
    x.misconf = NULL


cdef void state_set(Exec* x, int gate, bint on, Slice text) noexcept nogil:
    if on:
        x.gates |= gate
    else:
        x.gates &= ~gate
    if gate == G_MISCONF:
        sds_free(x.mem, x.misconf)
        x.misconf = sds_new(x.mem, text.ptr, text.len) if text.len else NULL
