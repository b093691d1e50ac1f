"""maxmemory for commands and for the loop (contract: memory_limit.pxd). Room exec; keyspace/evict does the evicting.

Setting maxmemory raises the bit G_OOM. dispatch compares used memory before it asks a gate that only this bit concerns,
so a write below the limit pays one comparison, and a server without limit pays nothing. Above the limit the gate evicts;
if that fails, commands with the flag DENYOOM are refused, and EXEC where one of its commands has it. What other commands
allocate (replies, input) is looked at once a loop turn (memory_step), which also goes on with an eviction that ran out
of time.

FLUSHALL and FLUSHDB without ASYNC leave the work to the freeing thread, too: only the client that asked waits until it
is done, the others are served meanwhile. In a transaction, a script, a call in process and where no loop can be woken,
they free at once.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from ..base.env cimport env_mono_us
from ..base.mem cimport mem_alloc, mem_free
from ..base.rp cimport likely, unlikely
from ..base.sds cimport Slice
from ..keyspace.db cimport db_flush
from ..keyspace.evict cimport EVICT_FAIL, evict, evict_excess, evict_forget, evict_init
from ..keyspace.journal cimport TO_ALL, journal_as, journal_force, journaling
from ..keyspace.lazyfree cimport lazy_hand_over, lazy_pending, lazy_take_back
from ..proto.errors cimport E_OOM
from ..proto.reply cimport reply_error, reply_ok
from .blocked cimport block_for, can_block, wake_client
from .client cimport CL_PRIMARY, CL_RERUN, Client, Ctx, G_OOM, client_by_id
from .dispatch cimport Exec
from .latency cimport latency_add
from .registry cimport Command

cdef enum:
    OOM_BIT = 4                     # of G_OOM
    SPANS_A_TURN = 256              # taken back from the freeing thread

if 1 << OOM_BIT != G_OOM:
    raise AssertionError("OOM_BIT is not the bit of G_OOM")

cdef struct FlushWait:              # a client that waits until all that was given before is freed
    uint64_t client
    size_t until                    # Lazyfree.freed
    FlushWait* next


# ---------------------------------------------------------------- the limit

cdef bint memory_exceeded(Exec* x) noexcept nogil:
    cdef int64_t began
    cdef bint failed
    if likely(evict_excess(x.ks) == 0):
        x.evict.failed = False
        return False
    if likely(x.env.knobs.latency_monitor_threshold == 0):
        return evict(&x.evict, x.ks) == EVICT_FAIL
    began = env_mono_us(x.env)
    failed = evict(&x.evict, x.ks) == EVICT_FAIL
    latency_add(x, b"eviction-del", x.evict.deletion_us // 1000)
    latency_add(x, b"eviction-cycle", (env_mono_us(x.env) - began) // 1000)
    return failed


cdef bint gate_oom(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    """Within a unit nothing is evicted: what it began with counts."""
    cdef bint exceeded = x.evict.failed and evict_excess(x.ks) != 0 if x.depth else memory_exceeded(x)
    if likely(not exceeded) or c.flags & CL_PRIMARY:
        return False
    reply_error(&c.out, E_OOM)
    return True


cdef void memory_limit_set(Exec* x) noexcept nogil:
    evict_forget(&x.evict)
    x.evict.failed = False
    if x.env.knobs.maxmemory:
        x.gates |= G_OOM
    else:
        x.gates &= ~<uint32_t>G_OOM


cdef void memory_limit_init(Exec* x) noexcept nogil:
    evict_init(&x.evict)
    x.gate_fns[OOM_BIT] = gate_oom


cdef bint memory_step(Exec* x) noexcept nogil:
    cdef bint more
    if unlikely(x.gates & G_OOM) and unlikely(evict_excess(x.ks) != 0):
        memory_exceeded(x)
    elif unlikely(x.evict.over_since_us != 0):
        evict(&x.evict, x.ks)       # notes that it is over
    lazy_hand_over(&x.ks.lazy, x.mem)
    more = lazy_take_back(&x.ks.lazy, x.mem, SPANS_A_TURN)
    if unlikely(x.flushes != NULL):
        answer_flushes(x)
    return more or x.evict.running


# ---------------------------------------------------------------- FLUSHALL, FLUSHDB

cdef void answer_flushes(Exec* x) noexcept nogil:
    cdef FlushWait* w
    cdef Client* c
    while x.flushes != NULL:
        w = <FlushWait*>x.flushes
        if x.ks.lazy.freed < w.until:
            return
        x.flushes = w.next
        c = client_by_id(&x.clients, w.client)
        mem_free(x.mem, w)
        if c != NULL:
            wake_client(x, c)       # a client that has been unblocked since, and waits for something else, finds nothing


cdef bint still_waits(Exec* x, uint64_t client) noexcept nogil:
    cdef FlushWait* w = <FlushWait*>x.flushes
    while w != NULL and w.client != client:
        w = w.next
    return w != NULL


cdef void unblocked(Exec* x, Client* c) noexcept nogil:
    """CLIENT UNBLOCK: the databases are empty already."""
    reply_ok(&c.out)


cdef int wait_for_thread(Ctx* x) noexcept nogil:
    cdef Exec* e = <Exec*>x.exec
    cdef FlushWait* w = <FlushWait*>mem_alloc(x.mem, sizeof(FlushWait))
    cdef FlushWait** end = <FlushWait**>&e.flushes
    w.client = x.client.id
    w.until = x.ks.lazy.given
    w.next = NULL
    while end[0] != NULL:
        end = &end[0].next
    end[0] = w
    return block_for(x, 0, unblocked)


cdef int flush_databases(Ctx* x, int db, bint lazy) noexcept nogil:
    cdef bint waits = not lazy and can_block(x) and x.ks.lazy.wake_fd >= 0
    cdef int64_t removed
    if x.client.flags & CL_RERUN:
        return block_for(x, 0, unblocked) if still_waits(<Exec*>x.exec, x.client.id) else reply_ok(x.out)
    if x.ks.ev.flushed != NULL:             # before: who watches a key that is not there is not concerned
        x.ks.ev.flushed(x.ks.ev.flushed_ctx, db)
    removed = db_flush(x.ks, db, lazy or waits)
    x.ks.ev.dirty += removed                # before: a save counts what it writes as no longer dirty
    if db < 0 and (<Exec*>x.exec).all_flushed != NULL:
        (<Exec*>x.exec).all_flushed(<Exec*>x.exec)
    journal_force(&x.ks.journal, TO_ALL)    # even when nothing was removed
    if not waits or not removed:
        return reply_ok(x.out)
    if journaling(&x.ks.journal):           # a command that waits leaves only if it says so
        journal_as(&x.ks.journal, x.db.id, x.argv, x.argc)
    return wait_for_thread(x)


cdef void memory_limit_free(Exec* x) noexcept nogil:
    cdef FlushWait* w
    while x.flushes != NULL:
        w = <FlushWait*>x.flushes
        x.flushes = w.next
        mem_free(x.mem, w)
