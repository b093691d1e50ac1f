"""Eviction (contract: evict.pxd). Room keyspace; exec/memory_limit calls it before writes and once a loop turn.

Before each eviction `maxmemory-samples` keys of every database are sampled (all keys, or those with an expiry), and
the best of them join a pool of EVICT_POOL candidates; the one with the highest rank goes. Rank: seconds since the last
access (LRU), 255 less the decayed access counter (LFU), how soon it expires (TTL). The random policies take a random
key of one database after the other.

A candidate is remembered by address and hash. Before it goes, its dict is asked whether it still holds that address,
and its rank is computed again: a key that was deleted, rewritten into another block, or used since does not go for what
it was.

Samples are neighbours in the table, which is ordered by hash, so their ages are independent; they begin at a random
place of a bucket, else the last entries of full buckets would never be seen.

Values that are freed lazily are still in used memory when the next key is chosen, so what they will free is guessed and
deducted until the thread is done; else one large value too many would empty the keyspace.

The approximation follows Redis's documentation of maxmemory-policy; LFU is of keyspace/db.
"""
from libc.math cimport pow
from libc.stdint cimport UINT64_MAX, int64_t, uint64_t
from ..base.env cimport (POLICY_ALLKEYS, POLICY_LFU, POLICY_NOEVICTION, POLICY_RANDOM, POLICY_TTL, env_mono_us,
                         env_rand_below)
from ..base.mem cimport mem_usable
from ..base.rp cimport likely, rp_prefetch
from ..structs.dict cimport Dict, dict_hash, dict_holds, dict_random, dict_sample
from ..types.object cimport LRU_MAX, Robj, robj_expire, robj_key, robj_lru, robj_memory
from .db cimport Db, Keyspace, db_evict, lfu_counter
from .lazyfree cimport lazy_hand_over, lazy_pending, lazy_take_back

cdef extern from "<unistd.h>" nogil:
    int usleep(unsigned int us)

cdef enum:
    SAMPLES_MAX = 64
    PROMISE_SAMPLES = 8         # elements looked at to guess what a value will free
    SPREAD = 8                  # places beyond the samples among which they begin: a bucket's entries less one
    CHECK_EVERY = 16            # evictions between two looks at the clock
    TENACITY_ENDLESS = 100
    TAKE_BACK = 1 << 10         # spans that the freeing thread gives back at a time
    PAUSE_US = 50               # between two looks at what the freeing thread has given back


cdef void evict_init(EvictState* s) noexcept nogil:
    s.n = s.next_db = 0
    s.running = s.failed = False
    s.over_since_us = s.over_us = s.deletion_us = s.promised = 0
    s.tenacity = -1
    s.slice_us = 0


cdef void evict_forget(EvictState* s) noexcept nogil:
    s.n = 0


cdef size_t evict_not_counted(const Keyspace* ks) noexcept nogil:
    return ks.not_counted + (mem_usable(ks.journal.aof) if ks.journal.aof != NULL else 0)


cdef size_t evict_excess(const Keyspace* ks) noexcept nogil:
    cdef size_t limit = <size_t>ks.env.knobs.maxmemory
    if likely(limit == 0 or ks.mem.used <= limit):
        return 0
    limit += evict_not_counted(ks)
    return ks.mem.used - limit if ks.mem.used > limit else 0


cdef inline bint ours_to_evict(const Keyspace* ks) noexcept nogil:
    """A replica waits for its primary's deletions; while writes are paused, or a data set is loaded, nothing goes."""
    return not ks.loading and ks.may_expire and not (ks.replica and ks.env.knobs.replica_ignore_maxmemory)


# ---------------------------------------------------------------- candidates

cdef inline uint64_t rank_of(Keyspace* ks, const Robj* o) noexcept nogil:
    cdef int64_t policy = ks.env.knobs.maxmemory_policy
    if policy & POLICY_LFU:
        return 255 - lfu_counter(ks, o)
    if policy & POLICY_TTL:
        return UINT64_MAX - <uint64_t>robj_expire(o)
    return (ks.env.lru_clock - robj_lru(o)) & LRU_MAX


cdef inline Dict* evictable(Keyspace* ks, Db* db) noexcept nogil:
    return &db.keys if ks.env.knobs.maxmemory_policy & POLICY_ALLKEYS else &db.expires


cdef void offer(EvictState* s, Keyspace* ks, Db* db, Robj* o) noexcept nogil:
    """Puts a key into the pool if it deserves a place there."""
    cdef uint64_t rank = rank_of(ks, o)
    cdef size_t len
    cdef const char* key
    cdef int i
    if s.n == EVICT_POOL and rank <= s.pool[0].rank:
        return
    for i in range(s.n):
        if s.pool[i].o == o:
            return
    if s.n == EVICT_POOL:
        i = 0
        while i + 1 < s.n and s.pool[i + 1].rank < rank:
            s.pool[i] = s.pool[i + 1]
            i += 1
    else:
        i = s.n
        while i > 0 and s.pool[i - 1].rank >= rank:
            s.pool[i] = s.pool[i - 1]
            i -= 1
        s.n += 1
    key = robj_key(o, &len)
    s.pool[i].rank = rank
    s.pool[i].o = o
    s.pool[i].db = db.id
    s.pool[i].hash = dict_hash(&db.keys, key, len)


cdef void sample(EvictState* s, Keyspace* ks, Db* db) noexcept nogil:
    cdef void* found[SAMPLES_MAX + SPREAD]
    cdef int n = <int>ks.env.knobs.maxmemory_samples
    cdef int got = dict_sample(evictable(ks, db), ks.env, found, n + SPREAD)
    cdef int begin = <int>env_rand_below(ks.env, got - n + 1) if got > n else 0
    cdef int end = begin + n if begin + n < got else got
    cdef int i
    for i in range(begin, end):
        rp_prefetch(found[i])
    for i in range(begin, end):
        offer(s, ks, db, <Robj*>found[i])


cdef Robj* best_candidate(EvictState* s, Keyspace* ks, Db** db, uint64_t* hash) noexcept nogil:
    """Takes the pool's best that is what it was; NULL: none left."""
    cdef Candidate* c
    while s.n:
        s.n -= 1
        c = &s.pool[s.n]
        db[0] = &ks.dbs[c.db]
        hash[0] = c.hash
        if dict_holds(evictable(ks, db[0]), c.hash, c.o) and rank_of(ks, c.o) >= c.rank:
            return c.o
    return NULL


cdef Robj* ranked_key(EvictState* s, Keyspace* ks, Db** db, uint64_t* hash) noexcept nogil:
    cdef Robj* o = NULL
    cdef int first = 0
    cdef int i, at
    while o == NULL and first >= 0:
        first = -1
        for i in range(ks.ndbs):
            at = (s.next_db + i) % ks.ndbs
            if evictable(ks, &ks.dbs[at]).used:
                first = at if first < 0 else first
                sample(s, ks, &ks.dbs[at])
        s.next_db = first + 1               # of keys of one rank, each database's come first in turn
        o = best_candidate(s, ks, db, hash)
    return o


cdef Robj* random_key(EvictState* s, Keyspace* ks, Db** db, uint64_t* hash) noexcept nogil:
    cdef int i
    cdef Robj* o
    cdef size_t len
    cdef const char* key
    for i in range(ks.ndbs):
        db[0] = &ks.dbs[s.next_db % ks.ndbs]
        s.next_db = (s.next_db + 1) % ks.ndbs
        o = <Robj*>dict_random(evictable(ks, db[0]), ks.env)
        if o != NULL:
            key = robj_key(o, &len)
            hash[0] = dict_hash(&db[0].keys, key, len)
            return o
    return NULL


# ---------------------------------------------------------------- evicting

cdef inline int64_t excess_now(EvictState* s, Keyspace* ks) noexcept nogil:
    """Bytes over the limit, without those that the freeing thread is about to free."""
    if s.promised and lazy_pending(&ks.lazy) == 0:
        s.promised = 0
    return <int64_t>evict_excess(ks) - s.promised


cdef int64_t evict_one(EvictState* s, Keyspace* ks) noexcept nogil:
    """Bytes freed, or promised to be; -1: there is no key to evict."""
    cdef bint timed = ks.env.knobs.latency_monitor_threshold != 0
    cdef size_t given = ks.lazy.given
    cdef int64_t began = 0
    cdef int64_t promise = 0
    cdef int64_t freed
    cdef Db* db
    cdef uint64_t hash
    cdef Robj* o
    if ks.env.knobs.maxmemory_policy & POLICY_RANDOM:
        o = random_key(s, ks, &db, &hash)
    else:
        o = ranked_key(s, ks, &db, &hash)
    if o == NULL:
        return -1
    if timed:
        began = env_mono_us(ks.env)
    if ks.env.knobs.lazyfree_lazy_eviction:
        promise = robj_memory(o, PROMISE_SAMPLES)
    freed = db_evict(ks, db, o, hash)
    if ks.lazy.given != given:
        s.promised += promise
        freed += promise
    if timed:
        began = env_mono_us(ks.env) - began
        if began > s.deletion_us:
            s.deletion_us = began
    return freed if freed > 0 else 0


cdef bint freed_elsewhere(Keyspace* ks, int64_t deadline_us) noexcept nogil:
    """Waits for the freeing thread; True: that kept the limit, or may yet."""
    while evict_excess(ks):
        if not lazy_pending(&ks.lazy):
            return False
        if env_mono_us(ks.env) > deadline_us:
            return True
        lazy_hand_over(&ks.lazy, ks.mem)
        if not lazy_take_back(&ks.lazy, ks.mem, TAKE_BACK):
            usleep(PAUSE_US)
    return True


cdef int64_t slice_us(EvictState* s, int64_t tenacity) noexcept nogil:
    if tenacity != s.tenacity:
        s.tenacity = tenacity
        if tenacity >= TENACITY_ENDLESS:
            s.slice_us = <int64_t>1 << 60
        else:
            s.slice_us = 50 * tenacity if tenacity <= 10 else <int64_t>(500 * pow(1.15, tenacity - 10))
    return s.slice_us


cdef EvictResult reduce(EvictState* s, Keyspace* ks, int64_t deadline_us) noexcept nogil:
    """Evicts until as many bytes are free as were too many: what the reports of evictions take does not count, else
    clients that are told of them would cause more."""
    cdef int64_t excess = excess_now(s, ks)
    cdef int64_t freed
    cdef int done = 0
    while excess > 0 and excess_now(s, ks) > 0:
        freed = evict_one(s, ks)
        if freed < 0:
            if not freed_elsewhere(ks, deadline_us):
                return EVICT_FAIL
            break
        excess -= freed
        done += 1
        if done % CHECK_EVERY == 0:
            lazy_hand_over(&ks.lazy, ks.mem)
            lazy_take_back(&ks.lazy, ks.mem, TAKE_BACK)
            if env_mono_us(ks.env) > deadline_us:
                break
    return EVICT_RUNNING if excess > 0 and excess_now(s, ks) > 0 else EVICT_OK


cdef EvictResult evict(EvictState* s, Keyspace* ks) noexcept nogil:
    cdef EvictResult r = EVICT_OK
    cdef int64_t now
    s.deletion_us = 0
    if evict_excess(ks) and ours_to_evict(ks):
        now = env_mono_us(ks.env)
        if s.over_since_us == 0:
            s.over_since_us = now
        if ks.env.knobs.maxmemory_policy & POLICY_NOEVICTION:
            lazy_hand_over(&ks.lazy, ks.mem)
            lazy_take_back(&ks.lazy, ks.mem, TAKE_BACK)
            r = EVICT_FAIL if evict_excess(ks) else EVICT_OK
        else:
            r = reduce(s, ks, now + slice_us(s, ks.env.knobs.maxmemory_eviction_tenacity))
    if r == EVICT_OK and s.over_since_us:
        s.over_us += env_mono_us(ks.env) - s.over_since_us
        s.over_since_us = 0
    s.running = r == EVICT_RUNNING
    s.failed = r == EVICT_FAIL
    return r


cdef int64_t evict_over_us(const EvictState* s, Keyspace* ks) noexcept nogil:
    return env_mono_us(ks.env) - s.over_since_us if s.over_since_us else 0
