"""Busy scripts (contract: busy.pxd). Room exec; the script room calls busy_turn from its hook, through ext.

A turn of the loop inside a running command. First what the outer turn has read of other clients is run (they would wait
for the script's end otherwise), then the loop turns. The inner turn has a buffer and a read-ahead of its own, leaves the
script's caller alone, frees no client, expires nothing and wakes nobody; the clock that the script sees stands still.
"""
from libc.stdint cimport int64_t, uint32_t
from ..base.env cimport Env
from ..base.mem cimport mem_alloc, mem_free
from ..base.sds cimport Slice
from ..proto.errors cimport E_BUSY_FUNCTION, E_BUSY_SCRIPT
from ..proto.reply cimport reply_error
from .client cimport Client, G_BUSY
from .dispatch cimport AHEAD, Ahead, Exec
from .io cimport io_run_rest
from .registry cimport Command

cdef enum:
    BUSY_BIT = 11                   # of G_BUSY

if 1 << BUSY_BIT != G_BUSY:
    raise AssertionError("BUSY_BIT is not the bit of G_BUSY")


cdef bint gate_busy(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    reply_error(&c.out, E_BUSY_FUNCTION if x.script.function else E_BUSY_SCRIPT)
    return True


cdef bint busy_turn(Exec* x) noexcept nogil:
    cdef Env* e = x.env
    cdef int64_t now_us = e.now_us, now_ms = e.now_ms, mono_us = e.mono_us
    cdef uint32_t lru_clock = e.lru_clock
    cdef char* buffer = x.io_buffer
    cdef Ahead* ahead = x.ahead
    cdef size_t batch = x.batch
    cdef bint end = False
    if x.turn == NULL:
        return x.script.killed
    x.script.busy = True
    x.gates |= G_BUSY
    x.io_buffer = NULL
    x.ahead = <Ahead*>mem_alloc(x.mem, AHEAD * sizeof(Ahead))
    io_run_rest(x)
    end = x.turn(x)
    mem_free(x.mem, x.ahead)
    mem_free(x.mem, x.io_buffer)
    x.ahead = ahead
    x.io_buffer = buffer
    x.batch = batch
    x.gates &= ~<uint32_t>G_BUSY
    e.now_us = now_us
    e.now_ms = now_ms
    e.mono_us = mono_us
    e.lru_clock = lru_clock
    if end:
        x.script.killed = True
    return x.script.killed


cdef void busy_init(Exec* x) noexcept nogil:
    x.gate_fns[BUSY_BIT] = gate_busy
