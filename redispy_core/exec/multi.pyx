"""Transactions (contract: multi.pxd) and their commands. Room exec; dispatch asks gate_queue while a client is in MULTI.

    Client.multi -> Multi -+- queued: Queued, Queued ...          one block a command, in order
                           +- watches: Watch -> Watch ...         of this client
    Exec.watching -> keys[db]: dict of WatchKey --- Watch <-> Watch ...   all that watch the key

MULTI raises G_QUEUE and G_NO_MULTI for its client. What is queued is run by EXEC through dispatch.call: one unit, for
blocked clients and for propagation. States of the server that would refuse a queued command refuse EXEC (queued_gates).

A watched key that changes marks its watchers CL_DIRTY_CAS and frees all they watch: more they need not know. A key that
had expired when it was watched counts as missing, so that its removal is no change (Watch.expired). While nobody
watches, exec/listening does not know this file and a change costs nothing.

Invariants: a client watches a key once; a WatchKey has watchers; Client.watched counts the watches; a client without
queue and watches has no Multi.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy
from ..base.mem cimport Mem, mem_alloc, mem_calloc, mem_free, mem_realloc
from ..base.rp cimport likely, unlikely
from ..base.sds cimport Slice, slice_of
from ..keyspace.db cimport Db, db_expired
from ..proto.errors cimport (E_DISCARD_WITHOUT_MULTI, E_EXECABORT, E_EXECABORT_BECAUSE, E_EXEC_WITHOUT_MULTI,
                             E_NESTED_MULTI, E_WATCH_INSIDE_MULTI)
from ..proto.reply cimport reply_array, reply_errorf, reply_null_array, reply_ok, reply_status_n
from ..structs.dict cimport (Dict, DictIter, DictType, dict_clear, dict_find, dict_hash, dict_init, dict_insert,
                             dict_iter, dict_iter_end, dict_next, dict_remove)
from ..types.object cimport Robj
from .args cimport err
from .client cimport (CL_DIRTY_CAS, CL_DIRTY_EXEC, CL_MULTI, Client, Ctx, G_ACL, G_LOADING, G_MASTERDOWN, G_MISCONF,
                      G_NOREPLICAS, G_NO_MULTI, G_OOM, G_QUEUE, G_READONLY, G_REPLICA_CLIENT, G_ROUTE)
from .dispatch cimport Exec, call, exec_on_reset, gates_of, may_write
from .listening cimport LISTEN_WATCH, listen, unlisten
from .registry cimport CMD_MAY_REPLICATE, CMD_RUNS_SCRIPT, CMD_WRITE, Command, bind

cdef enum:
    ACL_BIT = 2                     # of G_ACL
    QUEUE_BIT = 14                  # of G_QUEUE
    STATES = G_ROUTE | G_OOM | G_MISCONF | G_NOREPLICAS | G_READONLY | G_MASTERDOWN | G_LOADING | G_REPLICA_CLIENT

if 1 << QUEUE_BIT != G_QUEUE or 1 << ACL_BIT != G_ACL:
    raise AssertionError("QUEUE_BIT and ACL_BIT are not the bits of G_QUEUE and G_ACL")

cdef struct Watch:                  # one client at one key
    WatchKey* key
    Watch* prev
    Watch* next
    Watch* other                    # the client's next
    Client* client
    bint expired                    # the key was there and had expired

cdef struct WatchKey:
    Watch* first
    uint64_t count
    int db
    size_t len
    char text[1]

cdef struct Multi:
    Queued** queued
    int cap
    Watch* watches

cdef struct Watching:
    Dict* keys                      # of each database
    int64_t key_count
    int64_t clients


cdef const char* text_of(const void* entry, size_t* n) noexcept nogil:
    n[0] = (<const WatchKey*>entry).len
    return (<WatchKey*>entry).text


cdef DictType watch_keys
watch_keys.key_of = text_of
watch_keys.free_entry = NULL


# ---------------------------------------------------------------- the queue

cdef inline Multi* open_multi(Exec* x, Client* c) noexcept nogil:
    if c.multi == NULL:
        c.multi = mem_calloc(x.mem, sizeof(Multi))
    return <Multi*>c.multi


cdef inline void drop_multi(Exec* x, Client* c) noexcept nogil:
    """Frees a Multi that holds nothing."""
    if c.multi != NULL and (<Multi*>c.multi).queued == NULL and c.watched == 0:
        mem_free(x.mem, c.multi)
        c.multi = NULL


cdef Queued* copy_request(Mem* m, Command* cmd, const Slice* argv, int argc, size_t* bytes) noexcept nogil:
    cdef size_t n = sizeof(Queued) + (argc - 1) * sizeof(Slice)
    cdef Queued* q
    cdef char* p
    cdef int i
    for i in range(argc):
        n += argv[i].len
    q = <Queued*>mem_alloc(m, n)
    q.cmd = cmd
    q.argc = argc
    p = <char*>(&q.argv[argc])
    for i in range(argc):
        memcpy(p, argv[i].ptr, argv[i].len)
        q.argv[i] = slice_of(p, argv[i].len)
        p += argv[i].len
    bytes[0] = n
    return q


cdef void queue_command(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    cdef Multi* t
    cdef size_t bytes
    if c.flags & (CL_DIRTY_CAS | CL_DIRTY_EXEC):
        return                          # it will never run
    t = open_multi(x, c)
    if c.queued == t.cap:
        c.multi_bytes += (t.cap if t.cap else 4) * sizeof(Queued*)
        t.cap = 2 * t.cap if t.cap else 4
        t.queued = <Queued**>mem_realloc(x.mem, t.queued, t.cap * sizeof(Queued*))
    t.queued[c.queued] = copy_request(x.mem, cmd, argv, argc, &bytes)
    c.queued += 1
    c.multi_bytes += bytes
    c.queued_flags |= cmd.flags if may_write(x, cmd, argv, argc) else cmd.flags & ~<uint64_t>(CMD_WRITE | CMD_MAY_REPLICATE)
    c.queued_gates |= gates_of(x, cmd, argv, argc) & (STATES if cmd.flags & (CMD_WRITE | CMD_RUNS_SCRIPT)
                                                      else STATES & ~G_MISCONF)


cdef bint gate_queue(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    if cmd.proc == exec_command:
        return False
    queue_command(x, c, cmd, argv, argc)
    reply_status_n(&c.out, b"QUEUED", 6)
    return True


cdef const Queued* queued_at(const Client* c, int i) noexcept nogil:
    return (<Multi*>c.multi).queued[i]


cdef bint in_exec(const Exec* x, const Client* c) noexcept nogil:
    return c.flags & CL_MULTI and x.depth > 1 and x.caller == c


cdef void leave_multi(Exec* x, Client* c) noexcept nogil:
    """Forgets the queue and the state of MULTI; watches stay."""
    cdef Multi* t = <Multi*>c.multi
    cdef int i
    if t != NULL and t.queued != NULL:
        for i in range(c.queued):
            mem_free(x.mem, t.queued[i])
        mem_free(x.mem, t.queued)
        t.queued = NULL
        t.cap = 0
    c.queued = 0
    c.queued_flags = 0
    c.queued_gates = 0
    c.multi_bytes = c.watched * sizeof(Watch)
    c.flags &= ~<uint64_t>(CL_MULTI | CL_DIRTY_EXEC | CL_DIRTY_CAS)
    c.gates &= ~<uint32_t>(G_QUEUE | G_NO_MULTI)
    drop_multi(x, c)


cdef void discard_transaction(Exec* x, Client* c) noexcept nogil:
    unwatch_all(x, c)
    leave_multi(x, c)


cdef void forget_client(Exec* x, Client* c) noexcept nogil:
    if c.multi != NULL or c.flags & (CL_MULTI | CL_DIRTY_CAS):
        discard_transaction(x, c)


# ---------------------------------------------------------------- watching

cdef Watching* open_room(Exec* x) noexcept nogil:
    cdef Watching* r = <Watching*>x.watching
    cdef int i
    if r == NULL:
        r = <Watching*>mem_calloc(x.mem, sizeof(Watching))
        r.keys = <Dict*>mem_calloc(x.mem, x.ks.ndbs * sizeof(Dict))
        for i in range(x.ks.ndbs):
            dict_init(&r.keys[i], &watch_keys, x.env)
        x.watching = r
    return r


cdef WatchKey* key_for(Exec* x, Watching* r, int db, Slice key, uint64_t hash) noexcept nogil:
    """The WatchKey of a key, made when nobody watched it."""
    cdef Dict* d = &r.keys[db]
    cdef WatchKey* k = <WatchKey*>dict_find(d, key.ptr, key.len, hash)
    if k != NULL:
        return k
    k = <WatchKey*>mem_calloc(x.mem, sizeof(WatchKey) + key.len)
    k.db = db
    k.len = key.len
    memcpy(k.text, key.ptr, key.len)
    dict_insert(x.mem, d, hash, k)
    r.key_count += 1
    return k


cdef bint watches_already(const Client* c, const WatchKey* k) noexcept nogil:
    """Looks through the shorter list: O(min(keys the client watches, clients that watch the key))."""
    cdef Watch* w
    if k.count < <uint64_t>c.watched:
        w = k.first
        while w != NULL and w.client != c:
            w = w.next
    else:
        w = (<Multi*>c.multi).watches
        while w != NULL and w.key != k:
            w = w.other
    return w != NULL


cdef Robj* find_any(Exec* x, Db* db, Slice key, uint64_t hash) noexcept nogil:
    """A key as it stands in the dict, expired or not; nothing is removed."""
    return <Robj*>dict_find(&db.keys, key.ptr, key.len, hash) if db.keys.used else NULL


cdef void watch_key(Exec* x, Client* c, Slice key) noexcept nogil:
    cdef Watching* r = open_room(x)
    cdef uint64_t hash = dict_hash(&c.db.keys, key.ptr, key.len)
    cdef WatchKey* k = key_for(x, r, c.db.id, key, hash)
    cdef Multi* t = open_multi(x, c)
    cdef Robj* o
    cdef Watch* w
    if k.count and watches_already(c, k):
        return
    o = find_any(x, c.db, key, hash)
    w = <Watch*>mem_alloc(x.mem, sizeof(Watch))
    w.key = k
    w.client = c
    w.expired = o != NULL and db_expired(x.ks, o)
    w.prev = NULL
    w.next = k.first
    if k.first != NULL:
        k.first.prev = w
    k.first = w
    k.count += 1
    w.other = t.watches
    t.watches = w
    r.clients += c.watched == 0
    c.watched += 1
    c.multi_bytes += sizeof(Watch)
    listen(x, LISTEN_WATCH, key_changed_while_watched, flushed_while_watched)


cdef void drop_watch(Exec* x, Watch* w) noexcept nogil:
    cdef Watching* r = <Watching*>x.watching
    cdef WatchKey* k = w.key
    cdef Dict* d = &r.keys[k.db]
    if w.prev != NULL:
        w.prev.next = w.next
    else:
        k.first = w.next
    if w.next != NULL:
        w.next.prev = w.prev
    k.count -= 1
    mem_free(x.mem, w)
    if k.count:
        return
    dict_remove(x.mem, d, k.text, k.len, dict_hash(d, k.text, k.len))
    mem_free(x.mem, k)
    r.key_count -= 1
    if r.key_count == 0:
        unlisten(x, LISTEN_WATCH)


cdef void unwatch_all(Exec* x, Client* c) noexcept nogil:
    cdef Multi* t = <Multi*>c.multi
    cdef Watch* w
    if c.watched == 0:
        return
    while t.watches != NULL:
        w = t.watches
        t.watches = w.other
        drop_watch(x, w)
    c.multi_bytes -= c.watched * sizeof(Watch)
    c.watched = 0
    (<Watching*>x.watching).clients -= 1
    drop_multi(x, c)


# ---------------------------------------------------------------- changes of watched keys

cdef void key_changed_while_watched(Exec* x, int db, Slice key) noexcept nogil:
    cdef Dict* d = &(<Watching*>x.watching).keys[db]
    cdef uint64_t hash
    cdef WatchKey* k
    cdef Watch* w
    cdef Watch* following
    cdef bint there
    if d.used == 0:
        return
    hash = dict_hash(d, key.ptr, key.len)
    k = <WatchKey*>dict_find(d, key.ptr, key.len, hash)
    if k == NULL:
        return
    there = find_any(x, &x.ks.dbs[db], key, hash) != NULL
    w = k.first
    while w != NULL:
        following = w.next              # stays: dirty() frees what one client watches, and this is another's
        if w.expired and not there:
            w.expired = False           # gone, as it was when it was watched
        else:
            w.client.flags |= CL_DIRTY_CAS
            unwatch_all(x, w.client)
        w = following


cdef bint changes(Exec* x, Watch* w, Robj* old, Robj* fresh) noexcept nogil:
    """A whole database's content is replaced: what the watched key was and what it will be (NULL: missing)."""
    cdef bint alive = fresh != NULL and not db_expired(x.ks, fresh)
    if w.expired or old == NULL:
        if not alive:
            w.expired = fresh != NULL   # it was missing in effect, and stays so
            return False
    return True


cdef bint mark_watchers(Exec* x, int db, Db* then) noexcept nogil:
    """Marks those whose keys of db change when it is emptied (then NULL) or becomes another; True if there are any."""
    cdef Dict* d = &(<Watching*>x.watching).keys[db]
    cdef DictIter it
    cdef WatchKey* k
    cdef Watch* w
    cdef Robj* old
    cdef Robj* fresh
    cdef Slice key
    cdef uint64_t hash
    cdef bint found = False
    dict_iter(&it, d)
    while True:
        k = <WatchKey*>dict_next(&it)
        if k == NULL:
            break
        key = slice_of(k.text, k.len)
        hash = dict_hash(d, k.text, k.len)
        old = find_any(x, &x.ks.dbs[db], key, hash)
        fresh = find_any(x, then, key, hash) if then != NULL else NULL
        w = k.first
        while w != NULL:
            if changes(x, w, old, fresh):
                w.client.flags |= CL_DIRTY_CAS
                found = True
            w = w.next
    dict_iter_end(&it)
    return found


cdef void free_marked(Exec* x) noexcept nogil:
    """Clients that were marked while their dict was walked watch nothing more."""
    cdef Client* c = x.clients.first
    while c != NULL:
        if c.watched and c.flags & CL_DIRTY_CAS:
            unwatch_all(x, c)
        c = c.next


cdef void flushed_while_watched(Exec* x, int db) noexcept nogil:
    cdef bint found = False
    cdef int i
    for i in range(x.ks.ndbs):
        if (db < 0 or i == db) and mark_watchers(x, i, NULL):
            found = True
    if found:
        free_marked(x)


cdef void watched_databases_swap(Exec* x, int a, int b) noexcept nogil:
    cdef Watching* r = <Watching*>x.watching
    cdef bint one, other
    if likely(r == NULL or r.key_count == 0):
        return
    one = mark_watchers(x, a, &x.ks.dbs[b])
    other = mark_watchers(x, b, &x.ks.dbs[a])
    if one or other:
        free_marked(x)


cdef bint watched_has_expired(Exec* x, Client* c) noexcept nogil:
    """A key that was alive when it was watched is expired now, though nobody has removed it yet. O(watched)."""
    cdef Watch* w = (<Multi*>c.multi).watches if c.watched else NULL
    cdef WatchKey* k
    cdef Db* db
    cdef Robj* o
    while w != NULL:
        k = w.key
        db = &x.ks.dbs[k.db]
        if not w.expired:
            o = find_any(x, db, slice_of(k.text, k.len), dict_hash(&db.keys, k.text, k.len))
            if o != NULL and db_expired(x.ks, o):
                return True
        w = w.other
    return False


# ---------------------------------------------------------------- commands

cdef int multi_command(Ctx* x) noexcept nogil:
    if x.client.flags & CL_MULTI:
        return err(x, E_NESTED_MULTI)
    x.client.flags |= CL_MULTI
    x.client.gates |= G_QUEUE | G_NO_MULTI
    return reply_ok(x.out)


cdef int discard_command(Ctx* x) noexcept nogil:
    if not x.client.flags & CL_MULTI:
        return err(x, E_DISCARD_WITHOUT_MULTI)
    discard_transaction(<Exec*>x.exec, x.client)
    return reply_ok(x.out)


cdef int watch_command(Ctx* x) noexcept nogil:
    """WATCH key ... O(keys), and what watches_already takes."""
    cdef int i
    if x.client.flags & CL_MULTI:
        return err(x, E_WATCH_INSIDE_MULTI)
    if not x.client.flags & CL_DIRTY_CAS:           # else the transaction will not run anyway
        for i in range(1, x.argc):
            watch_key(<Exec*>x.exec, x.client, x.argv[i])
    return reply_ok(x.out)


cdef int unwatch_command(Ctx* x) noexcept nogil:
    unwatch_all(<Exec*>x.exec, x.client)
    x.client.flags &= ~<uint64_t>CL_DIRTY_CAS
    return reply_ok(x.out)


cdef void run_queued(Exec* x, Client* c) noexcept nogil:
    cdef Multi* t = <Multi*>c.multi
    cdef int64_t errors = c.out.errors
    cdef Queued* q
    cdef int i
    reply_array(&c.out, c.queued)
    for i in range(c.queued):
        q = t.queued[i]
        if unlikely((x.gates | c.gates) & q.cmd.gates & G_ACL) and x.gate_fns[ACL_BIT] != NULL \
                and x.gate_fns[ACL_BIT](x, c, q.cmd, q.argv, q.argc):
            errors += 1                 # permissions have changed since it was queued: EXEC counts as failed
            continue
        call(x, c, q.cmd, q.argv, q.argc)
    c.out.errors = errors               # those of the commands are not EXEC's


cdef int exec_command(Ctx* x) noexcept nogil:
    """EXEC. O(watched) beside its commands. An error of one of them does not keep the others from running."""
    cdef Exec* e = <Exec*>x.exec
    cdef Client* c = x.client
    if not c.flags & CL_MULTI:
        return err(x, E_EXEC_WITHOUT_MULTI)
    if c.flags & CL_DIRTY_EXEC:
        discard_transaction(e, c)
        return err(x, E_EXECABORT)
    if c.flags & CL_DIRTY_CAS or watched_has_expired(e, c):
        discard_transaction(e, c)
        return reply_null_array(x.out)
    unwatch_all(e, c)
    run_queued(e, c)
    leave_multi(e, c)
    return 0


cdef void exec_refused(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc, Slice text) noexcept nogil:
    """text: the refusal as a reply. The code of a general error is left out."""
    text = slice_of(text.ptr + 1, text.len - 3)
    if text.len > 4 and text.ptr[0] == 69 and text.ptr[1] == 82 and text.ptr[2] == 82 and text.ptr[3] == 32:
        text = slice_of(text.ptr + 4, text.len - 4)
    discard_transaction(x, c)
    reply_errorf(&c.out, E_EXECABORT_BECAUSE, text, slice_of(NULL, 0))
    if x.monitor != NULL:
        x.monitor(x, c, cmd, argv, argc)


# ---------------------------------------------------------------- for the engine

cdef void multi_init(Exec* x) noexcept nogil:
    x.gate_fns[QUEUE_BIT] = gate_queue
    x.exec_body = exec_command
    x.exec_refused = exec_refused
    exec_on_reset(x, forget_client)


cdef void multi_free(Exec* x) noexcept nogil:
    cdef Watching* r = <Watching*>x.watching
    cdef int i
    if r == NULL:
        return
    for i in range(x.ks.ndbs):
        dict_clear(x.mem, &r.keys[i])
    mem_free(x.mem, r.keys)
    mem_free(x.mem, r)
    x.watching = NULL


cdef void watching_figures(const Exec* x, int64_t* clients, int64_t* keys) noexcept nogil:
    cdef const Watching* r = <const Watching*>x.watching
    clients[0] = r.clients if r != NULL else 0
    keys[0] = r.key_count if r != NULL else 0


bind(b"multi", multi_command)
bind(b"exec", exec_command)
bind(b"discard", discard_command)
bind(b"watch", watch_command)
bind(b"unwatch", unwatch_command)
