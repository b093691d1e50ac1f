"""Pausing clients (contract: pause.pxd). Room exec; called by CLIENT PAUSE, the engine's loop turn and the server.

While an action that holds commands back is in force, the server raises the bit G_PAUSED, so commands pay nothing
otherwise. The gate marks the client CL_PAUSED and `held`: dispatch stops parsing it and keeps the bytes of the request.
It stands behind all gates that refuse with an error, so wrong requests are answered at once.

Several purposes may pause at the same time; the union of their actions counts.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from ..base.rp cimport likely
from ..base.sds cimport Slice
from .client cimport CL_FAKE, CL_PAUSED, CL_PRIMARY, CL_REPLICA, CL_RERUN, Client, G_PAUSED
from .dispatch cimport PAUSE_PURPOSES, Exec, may_write, resume_input
from .registry cimport CMD_MAY_REPLICATE, CMD_WRITE, Command

cdef enum:
    PAUSED_BIT = 13                 # of G_PAUSED

if 1 << PAUSED_BIT != G_PAUSED:
    raise AssertionError("PAUSED_BIT is not the bit of G_PAUSED")


cdef bint gate_paused(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    if c.flags & (CL_FAKE | CL_REPLICA | CL_PRIMARY | CL_RERUN):
        return False                    # calls in process cannot wait; replication links must not; a rerun was let in before
    if not x.pause.all_actions & PAUSE_ALL:
        if cmd.proc == x.exec_body:         # EXEC is what it will run
            if not c.queued_flags & (CMD_WRITE | CMD_MAY_REPLICATE):
                return False
        elif not may_write(x, cmd, argv, argc):
            return False
    c.flags |= CL_PAUSED
    c.held = True
    return True


cdef void apply_pauses(Exec* x) noexcept nogil:
    """Recomputes the union and raises or lowers the gate."""
    cdef uint32_t actions = 0
    cdef int i
    for i in range(PAUSE_PURPOSES):
        if x.pause.until_ms[i] > x.env.now_ms:
            actions |= x.pause.actions[i]
        else:
            x.pause.until_ms[i] = 0
            x.pause.actions[i] = 0
    if x.pause.all_actions & ~actions & (PAUSE_ALL | PAUSE_WRITE):
        x.pause.wake = True
    x.pause.all_actions = actions
    x.ks.may_expire = not actions & PAUSE_EXPIRE
    x.gate_fns[PAUSED_BIT] = gate_paused
    if actions & (PAUSE_ALL | PAUSE_WRITE):
        x.gates |= G_PAUSED
    else:
        x.gates &= ~<uint32_t>G_PAUSED


cdef void pause_clients(Exec* x, PausePurpose why, int64_t until_ms, uint32_t actions) noexcept nogil:
    if x.pause.until_ms[<int>why] > x.env.now_ms:
        actions |= x.pause.actions[<int>why]
        if x.pause.until_ms[<int>why] > until_ms:
            until_ms = x.pause.until_ms[<int>why]
    x.pause.until_ms[<int>why] = until_ms
    x.pause.actions[<int>why] = actions
    apply_pauses(x)


cdef void unpause_clients(Exec* x, PausePurpose why) noexcept nogil:
    x.pause.until_ms[<int>why] = 0
    apply_pauses(x)


cdef uint32_t pause_actions(const Exec* x) noexcept nogil:
    return x.pause.all_actions


cdef int64_t pause_deadline(const Exec* x) noexcept nogil:
    cdef int64_t first = 0
    cdef int i
    if x.pause.wake:
        return x.env.now_ms
    for i in range(PAUSE_PURPOSES):
        if x.pause.until_ms[i] and (first == 0 or x.pause.until_ms[i] < first):
            first = x.pause.until_ms[i]
    return first


cdef void pause_step(Exec* x) noexcept nogil:
    cdef Client* c
    if likely(x.pause.all_actions == 0 and not x.pause.wake):
        return
    apply_pauses(x)
    if not x.pause.wake:
        return
    x.pause.wake = False
    c = x.clients.first
    while c != NULL:                    # commands free no client: those to be closed wait for the end of the turn
        if c.flags & CL_PAUSED:
            c.flags &= ~<uint64_t>CL_PAUSED
            resume_input(x, c)
        c = c.next
