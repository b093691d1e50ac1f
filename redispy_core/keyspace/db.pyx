"""Databases (contract: db.pxd): dicts of key blocks, expiry on access, LRU/LFU. Room keyspace.

A key's block stands in `keys` and, when it expires, in `expires` too: both dicts use one hash seed, so one hash serves
both. Whoever gives a key another block tells it by db_moved. The hash of the argument looked up last is remembered
within a command, because most commands look a key up and then change it.

Expired: now > when, strictly. A primary removes an expired key on access and propagates the deletion; a replica only
answers that it is missing.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memcpy, memset
from ..base.env cimport Env, POLICY_LFU, env_mono_us, env_rand_unit
from ..base.mem cimport Mem, mem_alloc, mem_calloc, mem_free
from ..base.rp cimport likely, unlikely, rp_assert
from ..base.sds cimport Slice
from ..structs.dict cimport (RESIZE_ALLOW, RESIZE_AVOID, Dict, dict_bytes, dict_clear, dict_find, dict_hash, dict_init,
                             dict_insert, dict_random, dict_relink, dict_remove, dict_slots)
from ..structs.rax cimport rax_free, rax_insert, rax_new
from ..structs.ebuckets cimport eb_add, eb_change, eb_clear, eb_init, eb_remove, eb_replace
from ..types.hash cimport HASH_NO_TTL, HashTtl, hash_next_ms, hash_ttl
from ..types.object cimport (LRU_MAX, NO_EXPIRE, OBJ_HASH, Robj, key_dict_owner_type, key_dict_type, robj_assign, robj_effort,
                             robj_expire, robj_free, robj_key, robj_lru, robj_rekey, robj_set_expire, robj_set_lru,
                             robj_string, robj_type)
from .events cimport EV_EVICTED, EV_EXPIRED, EV_KEYMISS, EV_NEW, EventClass, events_init
from .lazyfree cimport lazy_database, lazy_end, lazy_init, lazy_value
from .journal cimport journal_free, journal_init

cdef enum:
    LAZY_EFFORT = 64            # values of no more blocks are freed at once even when they need not be: handing over costs as much


# ---------------------------------------------------------------- life

cdef Db* dbs_new(Keyspace* ks) noexcept nogil:
    cdef Db* dbs = <Db*>mem_calloc(ks.mem, ks.ndbs * sizeof(Db))
    cdef int i
    for i in range(ks.ndbs):
        dbs[i].id = i
        dict_init(&dbs[i].keys, key_dict_owner_type(), ks.env)
        dict_init(&dbs[i].expires, key_dict_type(), ks.env)
        eb_init(&dbs[i].subexpires)
    return dbs


cdef void ks_init(Keyspace* ks, Mem* m, Env* env, int ndbs) noexcept nogil:
    memset(ks, 0, sizeof(Keyspace))
    ks.mem = m
    ks.env = env
    ks.ndbs = ndbs
    ks.may_expire = True
    ks.active_expire = True
    lazy_init(&ks.lazy)
    events_init(&ks.ev)
    journal_init(&ks.journal, m)
    ks.dbs = dbs_new(ks)


cdef void ks_free(Keyspace* ks) noexcept nogil:
    cdef int i
    for i in range(ks.ndbs):
        eb_clear(ks.mem, &ks.dbs[i].subexpires)
        dict_clear(ks.mem, &ks.dbs[i].expires)
        dict_clear(ks.mem, &ks.dbs[i].keys)
    lazy_end(&ks.lazy, ks.mem)
    mem_free(ks.mem, ks.dbs)
    journal_free(&ks.journal)
    ks_forget_own_ttls(ks)


# A replica that may be written to: what its own clients let expire is its own to remove, since its primary has never
# heard of it (keyspace/expire does). The primary's commands run with `loading` set.

cdef void note_own_ttl(Keyspace* ks, Db* db, Slice key) noexcept nogil:
    cdef char buf[256]
    cdef char* name = buf
    if key.len > 252:
        name = <char*>mem_alloc(ks.mem, key.len + 4)
    memcpy(name, &db.id, 4)
    memcpy(name + 4, key.ptr, key.len)
    if ks.own_ttls == NULL:
        ks.own_ttls = rax_new(ks.mem)
    rax_insert(ks.mem, ks.own_ttls, name, key.len + 4, NULL, NULL)
    if name != buf:
        mem_free(ks.mem, name)


cdef inline bint is_own(const Keyspace* ks) noexcept nogil:
    return unlikely(ks.replica) and not ks.loading


cdef void ks_forget_own_ttls(Keyspace* ks) noexcept nogil:
    rax_free(ks.mem, ks.own_ttls, NULL, NULL)
    ks.own_ttls = NULL


cdef void ks_begin_command(Keyspace* ks) noexcept nogil:
    ks.memo_ptr = NULL


cdef void ks_remember(Keyspace* ks, Slice key, uint64_t hash) noexcept nogil:
    ks.memo_ptr = key.ptr
    ks.memo_len = key.len
    ks.memo_hash = hash


cdef uint64_t ks_hash(Keyspace* ks, Slice key) noexcept nogil:
    if key.ptr != ks.memo_ptr or key.len != ks.memo_len:
        ks.memo_hash = dict_hash(&ks.dbs[0].keys, key.ptr, key.len)
        ks.memo_ptr = key.ptr
        ks.memo_len = key.len
    return ks.memo_hash


# ---------------------------------------------------------------- LRU and LFU

cdef inline uint32_t lfu_minutes(Keyspace* ks) noexcept nogil:
    return <uint32_t>((ks.env.now_ms // 60000) & 0xFFFF)


cdef int lfu_counter(Keyspace* ks, const Robj* o) noexcept nogil:
    cdef uint32_t lru = robj_lru(o)
    cdef int64_t elapsed = (lfu_minutes(ks) - (lru >> 8)) & 0xFFFF
    cdef int64_t periods = elapsed // ks.env.knobs.lfu_decay_time if ks.env.knobs.lfu_decay_time else 0
    cdef int counter = lru & 255
    return 0 if periods > counter else counter - <int>periods


cdef void touch_lfu(Keyspace* ks, Robj* o) noexcept nogil:
    cdef int counter = lfu_counter(ks, o)
    cdef double base = counter - LFU_INIT if counter > LFU_INIT else 0
    if counter < 255 and env_rand_unit(ks.env) < 1.0 / (base * ks.env.knobs.lfu_log_factor + 1):
        counter += 1
    robj_set_lru(o, (lfu_minutes(ks) << 8) | counter)


cdef void db_touch(Keyspace* ks, Robj* o) noexcept nogil:
    if unlikely(ks.env.knobs.maxmemory_policy & POLICY_LFU):
        touch_lfu(ks, o)
    else:
        robj_set_lru(o, ks.env.lru_clock)


cdef inline void touch_new(Keyspace* ks, Robj* o) noexcept nogil:
    if unlikely(ks.env.knobs.maxmemory_policy & POLICY_LFU):
        robj_set_lru(o, (lfu_minutes(ks) << 8) | LFU_INIT)
    else:
        robj_set_lru(o, ks.env.lru_clock)


cdef int64_t lru_idle_ms(Keyspace* ks, const Robj* o) noexcept nogil:
    return <int64_t>((ks.env.lru_clock - robj_lru(o)) & LRU_MAX) * 1000


# ---------------------------------------------------------------- lookup

cdef bint db_expired(Keyspace* ks, const Robj* o) noexcept nogil:
    cdef int64_t when = robj_expire(o)
    return when != NO_EXPIRE and ks.env.now_ms > when and not ks.loading


cdef bint db_expire_due(Keyspace* ks, Db* db, Robj* o) noexcept nogil:
    if likely(not db_expired(ks, o)):
        return False
    if not ks.replica and ks.may_expire:
        db_delete_expired(ks, db, o)
    return True


cdef Robj* live(Keyspace* ks, Db* db, Slice key) noexcept nogil:
    """The key's block; an expired one is removed where that is ours to do."""
    if db.keys.used == 0:
        return NULL
    cdef Robj* o = <Robj*>dict_find(&db.keys, key.ptr, key.len, ks_hash(ks, key))
    if o == NULL or likely(not db_expire_due(ks, db, o)):
        return o
    return NULL


cdef Robj* db_peek(Keyspace* ks, Db* db, Slice key) noexcept nogil:
    return live(ks, db, key)


cdef inline Robj* counted(Keyspace* ks, Db* db, Slice key) noexcept nogil:
    cdef Robj* o = live(ks, db, key)
    if o == NULL:
        ks.stats.misses += 1
        if unlikely(ks.env.knobs.notify_keyspace_events & EV_KEYMISS):
            key_event(ks, db, key, EV_KEYMISS, b"keymiss")
        return NULL
    ks.stats.hits += 1
    return o


cdef Robj* db_look(Keyspace* ks, Db* db, Slice key) noexcept nogil:
    return counted(ks, db, key)


cdef Robj* db_read(Keyspace* ks, Db* db, Slice key) noexcept nogil:
    cdef Robj* o = counted(ks, db, key)
    if o != NULL and not ks.no_touch:
        db_touch(ks, o)
    return o


cdef Robj* db_write(Keyspace* ks, Db* db, Slice key) noexcept nogil:
    cdef Robj* o = live(ks, db, key)
    if o != NULL and not ks.no_touch:
        db_touch(ks, o)
    elif o == NULL and is_own(ks):
        make_way(ks, db, key)
    return o


cdef void make_way(Keyspace* ks, Db* db, Slice key) noexcept nogil:
    """A replica's own client is about to write a key that is past its time: it goes before another takes its place."""
    cdef Robj* o = <Robj*>dict_find(&db.keys, key.ptr, key.len, ks_hash(ks, key))
    if o != NULL:
        db_delete_expired(ks, db, o)


cdef Robj* db_random(Keyspace* ks, Db* db) noexcept nogil:
    cdef Robj* o
    cdef int tries = 0
    cdef Slice key
    while True:
        o = <Robj*>dict_random(&db.keys, ks.env)
        if o == NULL or not db_expired(ks, o):
            return o
        if ks.replica or not ks.may_expire:
            tries += 1
            if tries == 100:                # all keys may be expired and not ours to remove
                return o
            continue
        key.ptr = robj_key(o, &key.len)
        db_delete_expired(ks, db, o)


# ---------------------------------------------------------------- change

cdef inline Slice key_of(const Robj* o) noexcept nogil:
    cdef Slice key
    key.ptr = robj_key(o, &key.len)
    return key


cdef int64_t sub_when(const void* o) noexcept nogil:
    return hash_ttl(<const Robj*>o).tracked_ms


cdef void db_subexpiry(Keyspace* ks, Db* db, Robj* o) noexcept nogil:
    cdef HashTtl* s = hash_ttl(o)
    cdef int64_t was, next
    if likely(s == NULL):
        return
    was = s.tracked_ms
    next = hash_next_ms(o)
    if next == was:
        return
    s.tracked_ms = next
    if was == HASH_NO_TTL:
        eb_add(ks.mem, &db.subexpires, o, next, sub_when)
    elif next == HASH_NO_TTL:
        eb_remove(ks.mem, &db.subexpires, o, was, sub_when)
    else:
        eb_change(ks.mem, &db.subexpires, o, was, next, sub_when)


cdef inline void track(Keyspace* ks, Db* db, Robj* o) noexcept nogil:
    if robj_type(o) == OBJ_HASH:
        db_subexpiry(ks, db, o)


cdef void untrack(Keyspace* ks, Db* db, Robj* o) noexcept nogil:
    cdef HashTtl* s
    if likely(robj_type(o) != OBJ_HASH):
        return
    s = hash_ttl(o)
    if s != NULL and s.tracked_ms != HASH_NO_TTL:
        eb_remove(ks.mem, &db.subexpires, o, s.tracked_ms, sub_when)
        s.tracked_ms = HASH_NO_TTL


cdef void retrack(Keyspace* ks, Db* db, Robj* old, Robj* o) noexcept nogil:
    """The key's block has moved; old is dead."""
    cdef HashTtl* s
    if likely(robj_type(o) != OBJ_HASH):
        return
    s = hash_ttl(o)
    if s != NULL and s.tracked_ms != HASH_NO_TTL:
        eb_replace(ks.mem, &db.subexpires, old, o, s.tracked_ms, sub_when)


cdef void insert_within_limit(Keyspace* ks, Dict* d, uint64_t hash, Robj* o) noexcept nogil:
    """dict_insert; a table that would grow beyond maxmemory waits until it is far overfull: its growth alone would
    evict many keys."""
    cdef size_t limit = <size_t>ks.env.knobs.maxmemory + ks.not_counted
    cdef bint waits = d.policy == RESIZE_ALLOW and d.used >= dict_slots(d) and d.used > 0 \
        and ks.mem.used + dict_bytes(d) * 3 // 2 > limit
    if waits:
        d.policy = RESIZE_AVOID
    dict_insert(ks.mem, d, hash, o)
    if waits:
        d.policy = RESIZE_ALLOW


cdef inline void insert(Keyspace* ks, Dict* d, uint64_t hash, Robj* o) noexcept nogil:
    if unlikely(ks.env.knobs.maxmemory != 0):
        insert_within_limit(ks, d, hash, o)
    else:
        dict_insert(ks.mem, d, hash, o)


cdef void add_hashed(Keyspace* ks, Db* db, Robj* o, uint64_t hash) noexcept nogil:
    touch_new(ks, o)
    insert(ks, &db.keys, hash, o)
    if robj_expire(o) != NO_EXPIRE:
        insert(ks, &db.expires, hash, o)
        if is_own(ks):
            note_own_ttl(ks, db, key_of(o))
    track(ks, db, o)
    if unlikely(ks.env.knobs.notify_keyspace_events & EV_NEW):
        key_event(ks, db, key_of(o), EV_NEW, b"new")


cdef void db_add(Keyspace* ks, Db* db, Robj* o) noexcept nogil:
    cdef Slice key = key_of(o)
    add_hashed(ks, db, o, dict_hash(&db.keys, key.ptr, key.len))


cdef void replace_at(Keyspace* ks, Db* db, uint64_t hash, Robj* old, Robj* o) noexcept nogil:
    """o takes the place of old, which is freed."""
    cdef bint had = robj_expire(old) != NO_EXPIRE
    cdef bint has = robj_expire(o) != NO_EXPIRE
    cdef Slice key = key_of(o)
    robj_set_lru(o, robj_lru(old))
    dict_relink(&db.keys, hash, old, o)
    if has and is_own(ks):
        note_own_ttl(ks, db, key)
    if had and has:
        dict_relink(&db.expires, hash, old, o)
    elif has:
        insert(ks, &db.expires, hash, o)
    elif had:
        dict_remove(ks.mem, &db.expires, key.ptr, key.len, hash)
    untrack(ks, db, old)
    track(ks, db, o)
    db_discard(ks, old, ks.env.knobs.lazyfree_lazy_server_del != 0)


cdef bint db_set_string_at(Keyspace* ks, Db* db, Slice key, Robj* old, const char* s, size_t n,
                           int64_t when_ms) noexcept nogil:
    cdef Robj* o
    if when_ms == KEEP_TTL:
        when_ms = robj_expire(old) if old != NULL else NO_EXPIRE
    if old != NULL and likely(robj_assign(ks.mem, old, s, n, when_ms)):
        if when_ms != NO_EXPIRE and is_own(ks):
            note_own_ttl(ks, db, key)
        return True
    o = robj_string(ks.mem, key, s, n, when_ms)
    if unlikely(o == NULL):
        return False
    if old == NULL:
        add_hashed(ks, db, o, ks_hash(ks, key))
    else:
        replace_at(ks, db, ks_hash(ks, key), old, o)
    return True


cdef bint db_set_string(Keyspace* ks, Db* db, Slice key, const char* s, size_t n, int64_t when_ms) noexcept nogil:
    return db_set_string_at(ks, db, key, db_write(ks, db, key), s, n, when_ms)


cdef void db_put(Keyspace* ks, Db* db, Robj* o) noexcept nogil:
    cdef Slice key = key_of(o)
    cdef uint64_t hash = dict_hash(&db.keys, key.ptr, key.len)
    cdef Robj* old = <Robj*>dict_find(&db.keys, key.ptr, key.len, hash)
    if old == NULL:
        db_add(ks, db, o)
    else:
        replace_at(ks, db, hash, old, o)


cdef void db_moved(Keyspace* ks, Db* db, Robj* old, Robj* o) noexcept nogil:
    cdef Slice key
    cdef uint64_t hash
    if old == o:
        return
    key = key_of(o)
    hash = dict_hash(&db.keys, key.ptr, key.len)
    dict_relink(&db.keys, hash, old, o)
    if robj_expire(o) != NO_EXPIRE:
        dict_relink(&db.expires, hash, old, o)
    retrack(ks, db, old, o)


cdef Robj* db_set_expire(Keyspace* ks, Db* db, Robj* o, int64_t when_ms) noexcept nogil:
    cdef bint had = robj_expire(o) != NO_EXPIRE
    cdef Slice key = key_of(o)
    cdef uint64_t hash
    cdef Robj* fresh
    if when_ms != NO_EXPIRE and is_own(ks):
        note_own_ttl(ks, db, key)
    if had and when_ms != NO_EXPIRE:
        return robj_set_expire(ks.mem, o, when_ms)      # does not move
    if not had and when_ms == NO_EXPIRE:
        return o
    hash = dict_hash(&db.keys, key.ptr, key.len)
    if had:
        dict_remove(ks.mem, &db.expires, key.ptr, key.len, hash)
    fresh = robj_set_expire(ks.mem, o, when_ms)
    dict_relink(&db.keys, hash, o, fresh)
    if when_ms != NO_EXPIRE:
        insert(ks, &db.expires, hash, fresh)
    retrack(ks, db, o, fresh)
    return fresh


cdef Robj* db_unlink(Keyspace* ks, Db* db, Slice key) noexcept nogil:
    cdef uint64_t hash = ks_hash(ks, key)
    cdef Robj* o = <Robj*>dict_remove(ks.mem, &db.keys, key.ptr, key.len, hash)
    if o == NULL:
        return NULL
    if robj_expire(o) != NO_EXPIRE:
        dict_remove(ks.mem, &db.expires, key.ptr, key.len, hash)
    untrack(ks, db, o)
    return o


cdef bint db_delete(Keyspace* ks, Db* db, Slice key) noexcept nogil:
    cdef Robj* o = db_unlink(ks, db, key)
    if o == NULL:
        return False
    ks.memo_ptr = NULL                      # the key's bytes may lie in the block that goes
    robj_free(ks.mem, o)
    return True


cdef void db_discard(Keyspace* ks, Robj* o, bint lazy) noexcept nogil:
    if likely(not lazy) or robj_effort(o) <= LAZY_EFFORT:
        robj_free(ks.mem, o)
    else:
        lazy_value(&ks.lazy, ks.mem, o)


cdef bint db_remove(Keyspace* ks, Db* db, Slice key, bint lazy) noexcept nogil:
    cdef Robj* o = db_unlink(ks, db, key)
    if o == NULL:
        return False
    db_discard(ks, o, lazy)
    return True


cdef Robj* db_rename(Keyspace* ks, Db* db, Slice key, Slice to, bint lazy) noexcept nogil:
    cdef Robj* o = db_unlink(ks, db, key)
    rp_assert(o != NULL)
    db_remove(ks, db, to, lazy)
    o = robj_rekey(ks.mem, o, to, robj_expire(o))
    db_add(ks, db, o)
    return o


cdef void report_expired(Keyspace* ks, Db* db, Slice key) noexcept nogil:
    ks.stats.expired += 1
    if ks.ev.deleted != NULL:
        ks.ev.deleted(ks.ev.deleted_ctx, db.id, key, ks.env.knobs.lazyfree_lazy_expire != 0)
    ks.ev.own_work = True
    key_touched(ks, db, key)
    ks.ev.own_work = False
    key_event(ks, db, key, EV_EXPIRED, b"expired")


cdef void db_delete_expired(Keyspace* ks, Db* db, Robj* o) noexcept nogil:
    cdef Slice key = key_of(o)
    cdef uint64_t hash = dict_hash(&db.keys, key.ptr, key.len)
    cdef bint timed = ks.env.knobs.latency_monitor_threshold != 0 and ks.latency != NULL
    cdef int64_t began_us = env_mono_us(ks.env) if timed else 0
    dict_remove(ks.mem, &db.expires, key.ptr, key.len, hash)
    dict_remove(ks.mem, &db.keys, key.ptr, key.len, hash)
    untrack(ks, db, o)
    report_expired(ks, db, key)
    db_discard(ks, o, ks.env.knobs.lazyfree_lazy_expire != 0)
    if timed:
        ks.latency(ks.latency_ctx, b"expire-del", (env_mono_us(ks.env) - began_us) // 1000)


cdef int64_t db_evict(Keyspace* ks, Db* db, Robj* o, uint64_t hash) noexcept nogil:
    cdef Slice key = key_of(o)
    cdef bint lazy = ks.env.knobs.lazyfree_lazy_eviction != 0
    cdef int64_t freed = ks.mem.used
    if robj_expire(o) != NO_EXPIRE:
        dict_remove(ks.mem, &db.expires, key.ptr, key.len, hash)
    dict_remove(ks.mem, &db.keys, key.ptr, key.len, hash)
    untrack(ks, db, o)
    freed -= ks.mem.used
    ks.stats.evicted += 1
    if ks.ev.deleted != NULL:
        ks.ev.deleted(ks.ev.deleted_ctx, db.id, key, lazy)
    ks.ev.own_work = True
    key_touched(ks, db, key)
    ks.ev.own_work = False
    key_event(ks, db, key, EV_EVICTED, b"evicted")
    freed += ks.mem.used
    db_discard(ks, o, lazy)
    return freed - <int64_t>ks.mem.used


cdef bint db_remove_live(Keyspace* ks, Db* db, Slice key, bint lazy) noexcept nogil:
    cdef Robj* o = db_unlink(ks, db, key)
    cdef bint was_live
    if o == NULL:
        return False
    was_live = ks.replica or not ks.may_expire or not db_expired(ks, o)
    if not was_live:
        report_expired(ks, db, key)
    db_discard(ks, o, lazy)
    return was_live


# ---------------------------------------------------------------- whole databases

cdef void empty(Keyspace* ks, Db* db, bint lazy) noexcept nogil:
    if lazy and db.keys.used:
        lazy_database(&ks.lazy, ks.mem, &db.keys, &db.expires, &db.subexpires)
    else:
        eb_clear(ks.mem, &db.subexpires)
        dict_clear(ks.mem, &db.expires)
        dict_clear(ks.mem, &db.keys)
    db.avg_ttl_ms = 0
    db.expire_cursor = 0


cdef int64_t db_flush(Keyspace* ks, int id, bint lazy) noexcept nogil:
    cdef int64_t removed = 0
    cdef int i
    if id < 0:
        ks_forget_own_ttls(ks)
    for i in range(ks.ndbs):
        if id < 0 or i == id:
            removed += ks.dbs[i].keys.used
            empty(ks, &ks.dbs[i], lazy)
    return removed


cdef void dbs_free(Keyspace* ks, Db* dbs, bint lazy) noexcept nogil:
    cdef int i
    for i in range(ks.ndbs):
        empty(ks, &dbs[i], lazy)
    mem_free(ks.mem, dbs)


cdef void dbs_swap(Keyspace* ks, Db* dbs) noexcept nogil:
    cdef int i
    cdef Db one
    for i in range(ks.ndbs):
        one = ks.dbs[i]
        ks.dbs[i] = dbs[i]
        dbs[i] = one


cdef void db_swap(Keyspace* ks, int a, int b) noexcept nogil:
    cdef Db one = ks.dbs[a]
    ks.dbs[a] = ks.dbs[b]
    ks.dbs[b] = one
    ks.dbs[a].id = a
    ks.dbs[b].id = b


# ---------------------------------------------------------------- events

cdef void key_event(Keyspace* ks, Db* db, Slice key, EventClass event_class, const char* event) noexcept nogil:
    if ks.env.knobs.notify_keyspace_events & event_class and ks.ev.notify != NULL:
        ks.ev.notify(ks.ev.notify_ctx, event_class, event, db.id, key)


cdef void key_touched(Keyspace* ks, Db* db, Slice key) noexcept nogil:
    if unlikely(ks.ev.changed != NULL):
        ks.ev.changed(ks.ev.changed_ctx, db.id, key)


cdef void key_changed(Keyspace* ks, Db* db, Slice key, EventClass event_class, const char* event) noexcept nogil:
    ks.ev.dirty += 1
    key_touched(ks, db, key)
    if unlikely(ks.env.knobs.notify_keyspace_events != 0):
        key_event(ks, db, key, event_class, event)
