"""Clients that wait (contract: blocked.pxd). Room exec; used by blocking commands, run by dispatch and the engine.

    Waiting --+- keys[db]: dict of WaitKey --- Waiter <-> Waiter <-> ...      FIFO of a key
              +- ready:   WaitKey -> WaitKey   changed since they were served last, in the order of the changes
              +- heap:    Wait, Wait ...       by deadline
              +- resume:  Client -> Client     answered; their kept input goes on before the loop sleeps

A command that finds nothing calls block_on_keys: its arguments are copied into a Wait, the client is CL_BLOCKED, its
input rests. A change of a key somebody waits for (exec/listening) puts it into the ready queue and hangs serve_ready
into Exec.after_unit, so the unit that changed it ends first. Serving goes key by key; of each key the clients waiting
when it began, first come first served, run their command again as long as the key holds what they wait for. A key
that such a run fills (BLMOVE) joins the queue's end. A command that waits again keeps its deadline.

Invariants: a Wait stands in the FIFO of each of its keys once; a WaitKey is in its dict while it has waiters or pins.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy
from ..base.mem cimport Mem, mem_alloc, mem_calloc, mem_free, mem_realloc
from ..base.rp cimport likely, unlikely
from ..base.sds cimport Slice, slice_of
from ..keyspace.db cimport Db, db_expired, ks_begin_command
from ..proto.errors cimport Err
from ..proto.reply cimport OutMark, out_mark, reply_error, reply_null_array
from ..structs.dict cimport (Dict, DictIter, DictType, dict_clear, dict_find, dict_hash, dict_init, dict_insert,
                             dict_iter, dict_iter_end, dict_next, dict_remove)
from ..types.object cimport ObjType, Robj, robj_type
from .client cimport (CL_BLOCKED, CL_CLOSE_ASAP, CL_FAKE, CL_MULTI, CL_PRIMARY, CL_RERUN, CL_RESUME, Client, Ctx,
                     client_pending)
from .dispatch cimport Exec, mute_reply, resume_input, run_known
from .listening cimport LISTEN_BLOCKED, listen, unlisten
from .registry cimport Command, Registry, registry_lookup
from .stats cimport stats_call

cdef struct Waiter:                # one client at one key
    WaitKey* key
    Waiter* prev
    Waiter* next
    Wait* wait

cdef struct Wait:                  # what one client waits for
    Client* client
    Command* cmd
    Slice* argv                    # copied, with the bytes, in one block
    int argc
    ObjType type
    int wake                       # WakeRule
    int64_t deadline_ms            # 0: none
    timeout_fn on_timeout
    Waiter* waiters
    int nkeys
    int place                      # in the heap; -1: no deadline

cdef struct WaitKey:
    Waiter* first
    Waiter* last
    WaitKey* next_ready
    Waiter* cursor                 # the waiter that serving looks at next
    uint64_t count                 # waiters
    uint64_t on_loss               # those with WAKE_ON_LOSS
    int pins                       # in the ready queue, being served
    bint ready                     # in the ready queue
    int db
    size_t len
    char text[1]

cdef struct Waiting:
    Dict* keys                     # of each database
    Wait** heap
    int heap_len
    int heap_cap
    WaitKey* ready_first
    WaitKey* ready_last
    Client* resume_first
    Client* resume_last
    int64_t clients
    int64_t key_count
    int64_t loss_keys              # keys with on_loss


cdef const char* text_of(const void* entry, size_t* n) noexcept nogil:
    n[0] = (<const WaitKey*>entry).len
    return (<WaitKey*>entry).text


cdef DictType wait_keys
wait_keys.key_of = text_of
wait_keys.free_entry = NULL


cdef inline Waiting* room_of(Exec* x) noexcept nogil:
    return <Waiting*>x.waiting


cdef Waiting* open_room(Exec* x) noexcept nogil:
    cdef Waiting* r = <Waiting*>x.waiting
    cdef int i
    if r == NULL:
        r = <Waiting*>mem_calloc(x.mem, sizeof(Waiting))
        r.keys = <Dict*>mem_calloc(x.mem, x.ks.ndbs * sizeof(Dict))
        for i in range(x.ks.ndbs):
            dict_init(&r.keys[i], &wait_keys, x.env)
        x.waiting = r
    return r


# ---------------------------------------------------------------- deadlines

cdef inline bint sooner(const Wait* a, const Wait* b) noexcept nogil:
    if a.deadline_ms != b.deadline_ms:
        return a.deadline_ms < b.deadline_ms
    return a.client.id < b.client.id


cdef void sift(Waiting* r, int i) noexcept nogil:
    """Brings the entry at i to its place, up or down."""
    cdef Wait* w = r.heap[i]
    cdef int child
    while i > 0 and sooner(w, r.heap[(i - 1) // 2]):
        r.heap[i] = r.heap[(i - 1) // 2]
        r.heap[i].place = i
        i = (i - 1) // 2
    while 2 * i + 1 < r.heap_len:
        child = 2 * i + 1
        if child + 1 < r.heap_len and sooner(r.heap[child + 1], r.heap[child]):
            child += 1
        if not sooner(r.heap[child], w):
            break
        r.heap[i] = r.heap[child]
        r.heap[i].place = i
        i = child
    r.heap[i] = w
    w.place = i


cdef void heap_add(Mem* m, Waiting* r, Wait* w) noexcept nogil:
    if r.heap_len == r.heap_cap:
        r.heap_cap = 16 if r.heap_cap == 0 else r.heap_cap * 2
        r.heap = <Wait**>mem_realloc(m, r.heap, r.heap_cap * sizeof(Wait*))
    r.heap[r.heap_len] = w
    r.heap_len += 1
    sift(r, r.heap_len - 1)


cdef void heap_remove(Waiting* r, Wait* w) noexcept nogil:
    cdef int i = w.place
    if i < 0:
        return
    w.place = -1
    r.heap_len -= 1
    if i < r.heap_len:
        r.heap[i] = r.heap[r.heap_len]
        sift(r, i)


# ---------------------------------------------------------------- keys

cdef WaitKey* key_for(Exec* x, Waiting* r, int db, Slice key) noexcept nogil:
    """The WaitKey of a key, made when nobody waited for it."""
    cdef Dict* d = &r.keys[db]
    cdef uint64_t hash = dict_hash(d, key.ptr, key.len)
    cdef WaitKey* k = <WaitKey*>dict_find(d, key.ptr, key.len, hash)
    if k != NULL:
        return k
    k = <WaitKey*>mem_calloc(x.mem, sizeof(WaitKey) + key.len)
    k.db = db
    k.len = key.len
    memcpy(k.text, key.ptr, key.len)
    dict_insert(x.mem, d, hash, k)
    r.key_count += 1
    return k


cdef void drop_key(Exec* x, Waiting* r, WaitKey* k) noexcept nogil:
    """Frees a key that nobody waits for and nothing holds."""
    cdef Dict* d = &r.keys[k.db]
    if k.first != NULL or k.pins:
        return
    dict_remove(x.mem, d, k.text, k.len, dict_hash(d, k.text, k.len))
    mem_free(x.mem, k)
    r.key_count -= 1
    if r.key_count == 0:
        unlisten(x, LISTEN_BLOCKED)


cdef void add_waiter(Waiting* r, WaitKey* k, Waiter* at, Wait* w) noexcept nogil:
    at.key = k
    at.wait = w
    at.next = NULL
    at.prev = k.last
    if k.last != NULL:
        k.last.next = at
    else:
        k.first = at
    k.last = at
    k.count += 1
    if w.wake & WAKE_ON_LOSS:
        k.on_loss += 1
        r.loss_keys += k.on_loss == 1


cdef void remove_waiter(Exec* x, Waiting* r, Waiter* at) noexcept nogil:
    cdef WaitKey* k = at.key
    if k.cursor == at:
        k.cursor = at.next
    if at.prev != NULL:
        at.prev.next = at.next
    else:
        k.first = at.next
    if at.next != NULL:
        at.next.prev = at.prev
    else:
        k.last = at.prev
    k.count -= 1
    if at.wait.wake & WAKE_ON_LOSS:
        k.on_loss -= 1
        r.loss_keys -= k.on_loss == 0
    drop_key(x, r, k)


# ---------------------------------------------------------------- beginning to wait

cdef bint can_block(Ctx* x) noexcept nogil:
    return not x.client.flags & (CL_FAKE | CL_MULTI | CL_PRIMARY) and (<Exec*>x.exec).depth == 1


cdef void copy_arguments(Mem* m, Wait* w, const Slice* argv, int argc) noexcept nogil:
    cdef size_t total = argc * sizeof(Slice)
    cdef char* p
    cdef int i
    for i in range(argc):
        total += argv[i].len
    w.argv = <Slice*>mem_alloc(m, total)
    w.argc = argc
    p = <char*>(w.argv + argc)
    for i in range(argc):
        memcpy(p, argv[i].ptr, argv[i].len)
        w.argv[i] = slice_of(p, argv[i].len)
        p += argv[i].len


cdef Wait* begin_wait(Ctx* x, int64_t deadline_ms, timeout_fn on_timeout) noexcept nogil:
    """The client's Wait, without keys. A command that runs again has one, with its deadline."""
    cdef Exec* e = <Exec*>x.exec
    cdef Client* c = x.client
    cdef Waiting* r = open_room(e)
    cdef Wait* w = <Wait*>c.blocked
    if w == NULL:
        w = <Wait*>mem_calloc(x.mem, sizeof(Wait))
        w.client = c
        w.cmd = registry_lookup(<Registry>e.registry, x.argv, x.argc)
        w.deadline_ms = deadline_ms
        copy_arguments(x.mem, w, x.argv, x.argc)
        c.blocked = w
    w.place = -1
    w.on_timeout = on_timeout
    w.nkeys = 0
    if w.deadline_ms:
        heap_add(x.mem, r, w)
    c.flags |= CL_BLOCKED
    r.clients += 1
    return w


cdef int block_for(Ctx* x, int64_t deadline_ms, timeout_fn on_timeout) noexcept nogil:
    begin_wait(x, deadline_ms, on_timeout)
    return 0


cdef int block_on_keys(Ctx* x, ObjType type, const Slice* keys, int nkeys, int64_t deadline_ms, timeout_fn on_timeout,
                       int wake) noexcept nogil:
    cdef Exec* e = <Exec*>x.exec
    cdef Wait* w = begin_wait(x, deadline_ms, on_timeout)
    cdef Waiting* r = room_of(e)
    cdef WaitKey* k
    cdef int i
    w.type = type
    w.wake = wake
    w.waiters = <Waiter*>mem_alloc(x.mem, nkeys * sizeof(Waiter))
    for i in range(nkeys):
        k = key_for(e, r, x.db.id, keys[i])
        if k.last != NULL and k.last.wait == w:
            continue                    # the same key again
        add_waiter(r, k, &w.waiters[w.nkeys], w)
        w.nkeys += 1
    listen(e, LISTEN_BLOCKED, key_changed_while_waiting, flushed_while_waiting)
    return 0


# ---------------------------------------------------------------- ending a wait

cdef void leave(Exec* x, Wait* w) noexcept nogil:
    """Takes the client out of all queues; its Wait stays."""
    cdef Waiting* r = room_of(x)
    cdef int i
    for i in range(w.nkeys):
        remove_waiter(x, r, &w.waiters[i])
    w.nkeys = 0
    mem_free(x.mem, w.waiters)
    w.waiters = NULL
    heap_remove(r, w)
    w.client.flags &= ~<uint64_t>CL_BLOCKED
    r.clients -= 1


cdef void free_wait(Exec* x, Client* c) noexcept nogil:
    cdef Wait* w = <Wait*>c.blocked
    mem_free(x.mem, w.argv)
    mem_free(x.mem, w)
    c.blocked = NULL
    c.blocked_ns = 0


cdef void answered(Exec* x, Client* c) noexcept nogil:
    """Its reply is to be sent, and its kept input goes on before the loop sleeps."""
    cdef Waiting* r = room_of(x)
    client_pending(&x.clients, c)
    if c.flags & CL_RESUME:
        return
    c.flags |= CL_RESUME
    c.next_resume = NULL
    if r.resume_last != NULL:
        r.resume_last.next_resume = c
    else:
        r.resume_first = c
    r.resume_last = c


cdef void end_wait(Exec* x, Client* c, bint failed) noexcept nogil:
    cdef Wait* w = <Wait*>c.blocked
    if w == NULL or not c.flags & CL_BLOCKED:
        return
    leave(x, w)
    c.commands += 1
    stats_call(&x.stats, w.cmd, c.blocked_ns, failed, x.env.knobs.latency_tracking != 0)
    free_wait(x, c)
    answered(x, c)


cdef void end_by_timeout(Exec* x, Client* c) noexcept nogil:
    cdef OutMark mark = out_mark(&c.out)
    cdef Wait* w = <Wait*>c.blocked
    if w == NULL or not c.flags & CL_BLOCKED:
        return
    if w.on_timeout != NULL:
        w.on_timeout(x, c)
    else:
        reply_null_array(&c.out)
    end_wait(x, c, False)
    mute_reply(c, mark)


cdef void end_by_error(Exec* x, Client* c, Err e) noexcept nogil:
    cdef OutMark mark = out_mark(&c.out)
    if c.blocked == NULL or not c.flags & CL_BLOCKED:
        return
    reply_error(&c.out, e)
    end_wait(x, c, True)
    mute_reply(c, mark)


cdef void end_all(Exec* x, Err e) noexcept nogil:
    cdef Client* c = x.clients.first
    while c != NULL:
        end_by_error(x, c, e)
        c = c.next


cdef void forget_wait(Exec* x, Client* c) noexcept nogil:
    cdef Waiting* r = room_of(x)
    cdef Client** slot
    cdef Client* before = NULL
    if c.blocked != NULL:
        if c.flags & CL_BLOCKED:
            leave(x, <Wait*>c.blocked)
        free_wait(x, c)
    if not c.flags & CL_RESUME:
        return
    slot = &r.resume_first
    while slot[0] != c:
        before = slot[0]
        slot = &before.next_resume
    slot[0] = c.next_resume
    if r.resume_last == c:
        r.resume_last = before
    c.flags &= ~<uint64_t>CL_RESUME


cdef void wake_client(Exec* x, Client* c) noexcept nogil:
    cdef Wait* w = <Wait*>c.blocked
    if w == NULL or not c.flags & CL_BLOCKED:
        return
    leave(x, w)
    c.flags |= CL_RERUN
    run_known(x, c, w.cmd, w.argv, w.argc)
    c.flags &= ~<uint64_t>CL_RERUN
    if c.flags & CL_BLOCKED:
        return                          # nothing for it after all
    free_wait(x, c)
    answered(x, c)


# ---------------------------------------------------------------- readiness

cdef void mark_ready(Exec* x, WaitKey* k) noexcept nogil:
    cdef Waiting* r = room_of(x)
    if k.ready:
        return
    k.ready = True
    k.pins += 1
    k.next_ready = NULL
    if r.ready_last != NULL:
        r.ready_last.next_ready = k
    else:
        r.ready_first = k
    r.ready_last = k
    x.after_unit = serve_ready


cdef void key_changed_while_waiting(Exec* x, int db, Slice key) noexcept nogil:
    cdef Dict* d = &room_of(x).keys[db]
    cdef WaitKey* k
    if d.used == 0:
        return
    k = <WaitKey*>dict_find(d, key.ptr, key.len, dict_hash(d, key.ptr, key.len))
    if k != NULL:
        mark_ready(x, k)


cdef void mark_database(Exec* x, int db, bint lost_only) noexcept nogil:
    cdef Dict* d = &room_of(x).keys[db]
    cdef DictIter it
    cdef WaitKey* k
    if d.used == 0:
        return
    dict_iter(&it, d)
    while True:
        k = <WaitKey*>dict_next(&it)
        if k == NULL:
            break
        if not lost_only or k.on_loss:
            mark_ready(x, k)
    dict_iter_end(&it)


cdef void flushed_while_waiting(Exec* x, int db) noexcept nogil:
    cdef int i
    for i in range(x.ks.ndbs):
        if db < 0 or i == db:
            mark_database(x, i, True)


cdef void key_lost(Exec* x, int db, Slice key) noexcept nogil:
    if x.waiting != NULL:
        key_changed_while_waiting(x, db, key)


cdef void databases_swapped(Exec* x, int a, int b) noexcept nogil:
    if x.waiting != NULL:
        mark_database(x, a, False)
        mark_database(x, b, False)


# ---------------------------------------------------------------- serving

cdef inline bint is_wanted(const Wait* w, const Robj* o) noexcept nogil:
    if o != NULL and (robj_type(o) == w.type or w.wake & WAKE_ON_ANY):
        return True
    return (w.wake & WAKE_ON_LOSS) != 0


cdef void serve_key(Exec* x, WaitKey* k) noexcept nogil:
    """Runs the commands of those who wait now; who waits again stands behind them."""
    cdef Db* db = &x.ks.dbs[k.db]
    cdef uint64_t left = k.count
    cdef Wait* w
    cdef Robj* o
    k.cursor = k.first
    while left and k.cursor != NULL:
        w = k.cursor.wait
        k.cursor = k.cursor.next
        left -= 1
        ks_begin_command(x.ks)
        o = <Robj*>dict_find(&db.keys, k.text, k.len, dict_hash(&db.keys, k.text, k.len))
        if o != NULL and db_expired(x.ks, o):
            o = NULL                    # who accesses it removes it
        if o == NULL and k.on_loss == 0:
            break
        if is_wanted(w, o) and not w.client.flags & CL_CLOSE_ASAP:
            wake_client(x, w.client)
    k.cursor = NULL
    ks_begin_command(x.ks)


cdef void serve_ready(Exec* x) noexcept nogil:
    cdef Waiting* r = room_of(x)
    cdef WaitKey* k
    while r.ready_first != NULL:
        k = r.ready_first
        r.ready_first = k.next_ready
        if r.ready_first == NULL:
            r.ready_last = NULL
        k.ready = False
        serve_key(x, k)
        k.pins -= 1
        drop_key(x, r, k)
    x.after_unit = NULL


# ---------------------------------------------------------------- for the engine

cdef void after_turn(Exec* x) noexcept nogil:
    cdef Waiting* r = room_of(x)
    cdef Client* c
    if likely(r == NULL):
        return
    if x.after_unit != NULL:
        x.after_unit(x)
    while r.resume_first != NULL:
        c = r.resume_first
        r.resume_first = c.next_resume
        if r.resume_first == NULL:
            r.resume_last = NULL
        c.flags &= ~<uint64_t>CL_RESUME
        resume_input(x, c)


cdef int64_t first_deadline(Exec* x) noexcept nogil:
    cdef Waiting* r = room_of(x)
    return r.heap[0].deadline_ms if r != NULL and r.heap_len else -1


cdef void expire_waits(Exec* x) noexcept nogil:
    cdef Waiting* r = room_of(x)
    while r != NULL and r.heap_len and r.heap[0].deadline_ms <= x.env.now_ms:
        end_by_timeout(x, r.heap[0].client)


cdef void waiting_figures(Exec* x, int64_t* clients, int64_t* keys, int64_t* nokey) noexcept nogil:
    cdef Waiting* r = room_of(x)
    clients[0] = r.clients if r != NULL else 0
    keys[0] = r.key_count if r != NULL else 0
    nokey[0] = r.loss_keys if r != NULL else 0


cdef void waiting_free(Exec* x) noexcept nogil:
    cdef Waiting* r = room_of(x)
    cdef Client* c = x.clients.first
    cdef int i
    if r == NULL:
        return
    while c != NULL:
        forget_wait(x, c)
        c = c.next
    serve_ready(x)                      # nobody waits: it frees the keys
    for i in range(x.ks.ndbs):
        dict_clear(x.mem, &r.keys[i])
    mem_free(x.mem, r.keys)
    mem_free(x.mem, r.heap)
    mem_free(x.mem, r)
    x.waiting = NULL
