"""Active expiry (contract: expire.pxd). Room keyspace; called from the engine's cron and before sleeping.

Each database's `expires` dict is walked with a cursor of its own, a bucket at a time, so a full round visits every key
with a TTL once. A database is left when few of the keys seen lately were stale (10 % less the effort), and taken up
again at the same place in the next cycle. The budget is checked every few buckets. Before that, hash fields whose time
has come are removed (subexpire).

A replica removes nothing but what its own clients gave a time to.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy
from ..base.env cimport env_freeze_now, env_mono_us
from ..base.rp cimport unlikely
from ..base.sds cimport Slice, slice_of
from ..structs.dict cimport dict_find, dict_scan
from ..structs.rax cimport RAX_FIRST, RaxIter, rax_iter_done, rax_iter_init, rax_next, rax_remove, rax_seek
from ..types.object cimport NO_EXPIRE, Robj, robj_expire
from .db cimport Db, Keyspace, db_delete_expired, db_expired, ks_begin_command, ks_forget_own_ttls, ks_hash
from .subexpire cimport subexpire_cycle

cdef enum:
    KEYS_PER_LOOP = 20
    SLOW_PERC = 25
    FAST_US = 1000
    ACCEPTABLE_STALE = 10
    CHECK_EVERY = 4             # loops between two looks at the clock

cdef struct Round:
    Keyspace* ks
    Db* db
    int64_t sampled
    int64_t expired
    int64_t ttl_sum
    int64_t ttl_samples


cdef void expire_init(ExpireState* s) noexcept nogil:
    s.next_db = 0
    s.timed_out = False
    s.last_fast_us = 0
    s.stale_perc = 0


cdef void visit(void* ctx, void* entry) noexcept nogil:
    cdef Round* r = <Round*>ctx
    cdef Robj* o = <Robj*>entry
    cdef int64_t left = robj_expire(o) - r.ks.env.now_ms
    r.sampled += 1
    if left < 0:
        r.expired += 1
        db_delete_expired(r.ks, r.db, o)
    else:
        r.ttl_sum += left
        r.ttl_samples += 1


cdef inline void learn_avg_ttl(Db* db, Round* r) noexcept nogil:
    cdef int64_t avg
    if r.ttl_samples:
        avg = r.ttl_sum // r.ttl_samples
        db.avg_ttl_ms = avg if db.avg_ttl_ms == 0 else (db.avg_ttl_ms * 49 + avg) // 50


cdef bint expire_db(Keyspace* ks, Db* db, int effort, int64_t deadline_us, Round* total) noexcept nogil:
    """False when the budget ran out."""
    cdef Round r
    cdef int loops = 0
    cdef int buckets
    r.ks = ks
    r.db = db
    while db.expires.used:
        r.sampled = r.expired = r.ttl_sum = r.ttl_samples = 0
        buckets = 0
        while r.sampled < KEYS_PER_LOOP + 5 * effort and buckets < 20 * (KEYS_PER_LOOP + 5 * effort):
            db.expire_cursor = dict_scan(&db.expires, db.expire_cursor, visit, &r)
            buckets += 1
            if db.expire_cursor == 0 or db.expires.used == 0:
                break
        learn_avg_ttl(db, &r)
        total.sampled += r.sampled
        total.expired += r.expired
        loops += 1
        if loops % CHECK_EVERY == 0 and env_mono_us(ks.env) > deadline_us:
            return False
        if r.sampled and r.expired * 100 <= r.sampled * (ACCEPTABLE_STALE - effort):
            return True
        if r.sampled == 0 and db.expire_cursor == 0:
            return True
    return True


cdef bint fast_is_due(ExpireState* s, Keyspace* ks, int64_t budget, int64_t now) noexcept nogil:
    cdef int effort = <int>ks.env.knobs.active_expire_effort - 1
    if not s.timed_out and s.stale_perc < ACCEPTABLE_STALE - effort:
        return False
    return now >= s.last_fast_us + budget * 2


cdef bint own_is_done(Keyspace* ks, const RaxIter* it) noexcept nogil:
    """The key at the iterator is removed if its time is over; True: nothing of it is left to be watched."""
    cdef uint32_t id
    cdef Slice key
    cdef Robj* o
    cdef Db* db
    memcpy(&id, it.key, 4)
    db = &ks.dbs[id]
    key = slice_of(it.key + 4, it.klen - 4)
    ks_begin_command(ks)
    o = <Robj*>dict_find(&db.keys, key.ptr, key.len, ks_hash(ks, key))
    if o == NULL or robj_expire(o) == NO_EXPIRE:
        return True
    if not db_expired(ks, o):
        return False
    db_delete_expired(ks, db, o)
    return True


cdef void expire_own(Keyspace* ks, int64_t until_us) noexcept nogil:
    """A replica's own keys with a time (Keyspace.own_ttls). O(them), until the time is up."""
    cdef RaxIter it
    cdef bint found
    cdef int n = 0
    rax_iter_init(&it, ks.mem, ks.own_ttls)
    found = rax_seek(&it, RAX_FIRST, NULL, 0)
    while found:
        if own_is_done(ks, &it):
            rax_remove(ks.mem, ks.own_ttls, it.key, it.klen, NULL)
        n += 1
        if n % 64 == 0 and env_mono_us(ks.env) > until_us:
            break
        found = rax_next(&it)
    rax_iter_done(&it)
    if ks.own_ttls.size == 0:
        ks_forget_own_ttls(ks)


cdef void expire_cycle(ExpireState* s, Keyspace* ks, CycleKind kind) noexcept nogil:
    cdef int effort = <int>ks.env.knobs.active_expire_effort - 1
    cdef int64_t begin = env_mono_us(ks.env)
    cdef int64_t budget = (SLOW_PERC + 2 * effort) * 1000000 // ks.env.knobs.hz // 100
    cdef int i
    cdef Db* db
    cdef Round total
    cdef double stale
    if unlikely(ks.replica) and ks.own_ttls != NULL and kind == CYCLE_SLOW and not ks.loading:
        expire_own(ks, begin + budget)
    if ks.replica or ks.loading or not ks.may_expire or not ks.active_expire:
        return
    if kind == CYCLE_FAST:
        budget = FAST_US + FAST_US // 4 * effort
        if not fast_is_due(s, ks, budget, begin):
            return
        s.last_fast_us = begin
    s.timed_out = False
    total.sampled = total.expired = 0
    for i in range(ks.ndbs):
        db = &ks.dbs[s.next_db % ks.ndbs]
        if not subexpire_cycle(ks, db, begin + budget) or not expire_db(ks, db, effort, begin + budget, &total):
            s.timed_out = True
            ks.stats.expired_time_cap += 1
            break
        s.next_db = (s.next_db + 1) % ks.ndbs
    stale = <double>total.expired * 100 / <double>total.sampled if total.sampled else 0
    s.stale_perc = stale * 0.05 + s.stale_perc * 0.95
    ks.stats.expired_stale_perc_x100 = <int64_t>(s.stale_perc * 100)
    ks.stats.expire_cycle_us += env_mono_us(ks.env) - begin


cdef void visit_all(void* ctx, void* entry) noexcept nogil:
    cdef Round* r = <Round*>ctx
    if robj_expire(<Robj*>entry) < r.ks.env.now_ms:
        r.expired += 1
        db_delete_expired(r.ks, r.db, <Robj*>entry)


cdef int64_t expire_all(Keyspace* ks) noexcept nogil:
    cdef Round r
    cdef uint64_t cursor
    cdef int i
    r.ks = ks
    r.expired = 0
    for i in range(ks.ndbs):
        r.db = &ks.dbs[i]
        cursor = 0
        while r.db.expires.used:
            cursor = dict_scan(&r.db.expires, cursor, visit_all, &r)
            if cursor == 0:
                break
    return r.expired
