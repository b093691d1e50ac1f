"""Hash table of pointers (contract: dict.pxd). Used by the keyspace and by every hashed collection.

A bucket is one 64-byte line:

    offset 0   6   12 ... 48      54 55 ... 62   63
          [p0][p1][p2] .. [p8]   [t0 t1 .. t8] [meta]     p: 48-bit pointers, t: 8-bit hash tags

meta = count in the low 4 bits, bit 4 = chained. A chained bucket has 8 entries and slot 8 points to an overflow
bucket of the same form; only the last bucket of a chain may have fewer, so deletion refills from the end. A lookup
compares all tags of a line at once and touches an entry only when its tag is equal.

Index: pos = hash >> 16 (48 bits), bucket = pos * n >> 48. The mapping is monotone: buckets hold consecutive ranges of
hash positions whatever n is. Three things follow.
- Tables may have any size: they grow by half, so memory a key stays between 10 and 12 bytes.
- While rehashing, positions below the frontier live in t[1] and the others in t[0]: one probe, never two.
- A SCAN cursor is a hash position. Every entry that stays in the table has one position, which the cursor passes
  once whatever resizing happens: SCAN's guarantee holds without reversing bits, with no repeated entries but those
  of a bucket split at the cursor.

Rehash is incremental: every insertion, lookup for change and removal moves a bucket. Tables of 1 MB and more are
mapped directly and given back in parts while they are emptied, so neither start nor end of a rehash stalls.

Invariants: see DictFace.check. Hash: SipHash-1-3 with the engine's secret seed.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t, uintptr_t
from libc.string cimport memcmp, memcpy
from ..base.rp cimport likely, unlikely, rp_assert, rp_prefetch
from ..base.mem cimport Mem, MemFace, mem_alloc, mem_init, mem_aligned_calloc, mem_free, mem_map, mem_unmap
from ..base.env cimport Env, env_init, env_rand, env_rand_below, env_seed
from ..base.codec cimport siphash13

cdef extern from *:
    """
    #if defined(__SSE2__)
    #include <emmintrin.h>
    /* bit i set: tag i of the bucket equals tag (entries beyond the count included) */
    static inline unsigned bucket_match(const uint8_t *b, uint8_t tag) {
        __m128i line = _mm_loadu_si128((const __m128i *)(b + 48));
        return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(line, _mm_set1_epi8((char)tag))) >> 6;
    }
    #else
    static inline unsigned bucket_match(const uint8_t *b, uint8_t tag) {
        unsigned mask = 0;
        for (int i = 0; i < 9; i++) mask |= (unsigned)(b[54 + i] == tag) << i;
        return mask;
    }
    #endif
    static inline void *bucket_get(const uint8_t *b, int i) {
        return (void *)(uintptr_t)(rp_load64le(b + 6 * i) & 0xFFFFFFFFFFFFULL);
    }
    static inline void bucket_put(uint8_t *b, int i, const void *p) {
        uint64_t v = (uint64_t)(uintptr_t)p;
        rp_store32le(b + 6 * i, (uint32_t)v);
        rp_store16le(b + 6 * i + 4, (uint16_t)(v >> 32));
    }
    #define HASH_END (1ULL << 48)
    static inline uint64_t bucket_of(uint64_t hash, uint64_t n) {
        return (uint64_t)(((unsigned __int128)(hash >> 16) * n) >> 48);
    }
    /* the smallest 48-bit position that falls into bucket i of n; 2**48 for i == n */
    static inline uint64_t bucket_start(uint64_t i, uint64_t n) {
        return (uint64_t)((((unsigned __int128)i << 48) + n - 1) / n);
    }
    """
    unsigned bucket_match(const uint8_t* b, uint8_t tag) nogil
    void* bucket_get(const uint8_t* b, int i) nogil
    void bucket_put(uint8_t* b, int i, const void* p) nogil
    uint64_t bucket_of(uint64_t hash, uint64_t n) nogil
    uint64_t bucket_start(uint64_t i, uint64_t n) nogil
    const uint64_t END "HASH_END"       # one past the last hash position
    int __builtin_ctz(unsigned x) nogil

cdef enum:
    SLOTS = 9                   # entries of an unchained bucket
    CHAINED = 16                # meta bit
    BUCKET = 64                 # bytes
    MAP_FROM = 1 << 20          # tables of this size are mapped directly
    RELEASE = 1 << 18           # ... and given back in parts of this size
    AT_ONCE = 16                # tables up to this many buckets are rehashed at once
    AVOID_FACTOR = 4            # how far overfull RESIZE_AVOID lets a table become


cdef inline int count_of(const uint8_t* b) noexcept nogil:
    return b[63] & 15


cdef inline bint chained(const uint8_t* b) noexcept nogil:
    return b[63] & CHAINED


cdef inline uint8_t* child_of(const uint8_t* b) noexcept nogil:
    return <uint8_t*>bucket_get(b, 8)


cdef inline void put(uint8_t* b, int i, uint8_t tag, const void* p) noexcept nogil:
    bucket_put(b, i, p)
    b[54 + i] = tag


# ---------------------------------------------------------------- tables

cdef uint8_t* table_alloc(Mem* m, uint64_t n) noexcept nogil:
    if n * BUCKET >= MAP_FROM:
        return <uint8_t*>mem_map(m, n * BUCKET)
    return <uint8_t*>mem_aligned_calloc(m, n * BUCKET, BUCKET)


cdef void table_free(Mem* m, Table* t, uint64_t released) noexcept nogil:
    """Frees a table whose first `released` bytes were given back already."""
    if t.b != NULL:
        if t.n * BUCKET >= MAP_FROM:
            if t.n * BUCKET > released:
                mem_unmap(m, t.b + released, t.n * BUCKET - released)
        else:
            mem_free(m, t.b)
    t.b = NULL
    t.n = 0


cdef void dict_init(Dict* d, const DictType* type, Env* env) noexcept nogil:
    d.t[0].b = d.t[1].b = NULL
    d.t[0].n = d.t[1].n = 0
    d.frontier = 0
    d.used = 0
    d.children = 0
    d.type = type
    d.seed = env.hash_seed
    d.pause = 0
    d.policy = RESIZE_ALLOW


cdef inline uint64_t released_bytes(const Dict* d) noexcept nogil:
    """What rehashing has given back of t[0] already."""
    if d.t[1].b == NULL or d.t[0].n * BUCKET < MAP_FROM:
        return 0
    return d.frontier * BUCKET // RELEASE * RELEASE


cdef void free_chain(Mem* m, Dict* d, uint8_t* b, bint entries) noexcept nogil:
    """Frees the overflow buckets behind b and, if asked, the entries of the whole chain."""
    cdef uint8_t* head = b
    cdef uint8_t* following
    cdef int i
    while True:
        following = child_of(b) if chained(b) else NULL
        if entries and d.type.free_entry != NULL:
            for i in range(count_of(b)):
                d.type.free_entry(m, bucket_get(b, i))
        if b != head:
            mem_free(m, b)
            d.children -= 1
        if following == NULL:
            return
        b = following


cdef void dict_clear(Mem* m, Dict* d) noexcept nogil:
    cdef uint64_t i
    for i in range(d.frontier, d.t[0].n):
        free_chain(m, d, d.t[0].b + i * BUCKET, True)
    for i in range(d.t[1].n):
        free_chain(m, d, d.t[1].b + i * BUCKET, True)
    table_free(m, &d.t[0], released_bytes(d))
    table_free(m, &d.t[1], 0)
    d.frontier = 0
    d.used = 0


cdef bint dict_clear_step(Mem* m, Dict* d, int buckets) noexcept nogil:
    cdef uint8_t* b
    d.pause = 1                             # the dict is given up: nothing may be looked up or moved any more
    while buckets > 0:
        if d.frontier < d.t[0].n:
            b = d.t[0].b + d.frontier * BUCKET
            d.used -= chain_length(b)
            free_chain(m, d, b, True)
            d.frontier += 1
            buckets -= 1
        elif d.t[1].b != NULL:
            finish_rehash(m, d)
        else:
            table_free(m, &d.t[0], 0)
            d.frontier = 0
            return True
    return False


# ---------------------------------------------------------------- lookup

cdef uint64_t dict_hash(const Dict* d, const char* key, size_t n) noexcept nogil:
    return siphash13(key, n, d.seed)


cdef inline uint8_t* home(const Dict* d, uint64_t hash) noexcept nogil:
    """The bucket that holds, or would hold, this hash."""
    cdef uint64_t i = bucket_of(hash, d.t[0].n)
    if unlikely(d.t[1].b != NULL) and i < d.frontier:
        return d.t[1].b + bucket_of(hash, d.t[1].n) * BUCKET
    return d.t[0].b + i * BUCKET


cdef DictPos dict_find_pos(Dict* d, const char* key, size_t n, uint64_t hash) noexcept nogil:
    cdef DictPos p
    cdef uint8_t* b
    cdef unsigned mask
    cdef size_t len
    cdef const char* k
    p.b = p.head = NULL
    p.slot = 0
    if d.used == 0:
        return p
    p.head = b = home(d, hash)
    while True:
        mask = bucket_match(b, <uint8_t>hash) & ((1u << count_of(b)) - 1)
        while mask:
            p.slot = __builtin_ctz(mask)
            k = d.type.key_of(bucket_get(b, p.slot), &len)
            if likely(len == n) and likely(memcmp(k, key, n) == 0):
                p.b = b
                return p
            mask &= mask - 1
        if likely(not chained(b)):
            return p
        b = child_of(b)


cdef void* dict_find(Dict* d, const char* key, size_t n, uint64_t hash) noexcept nogil:
    cdef DictPos p = dict_find_pos(d, key, n, hash)
    return bucket_get(p.b, p.slot) if p.b != NULL else NULL


cdef void* dict_get(DictPos p) noexcept nogil:
    return bucket_get(p.b, p.slot)


cdef void dict_set(DictPos p, void* entry) noexcept nogil:
    bucket_put(p.b, p.slot, entry)


cdef void dict_relink(Dict* d, uint64_t hash, void* old, void* entry) noexcept nogil:
    cdef uint8_t* b = home(d, hash)
    cdef unsigned mask
    while True:
        mask = bucket_match(b, <uint8_t>hash) & ((1u << count_of(b)) - 1)
        while mask:
            if bucket_get(b, __builtin_ctz(mask)) == old:
                bucket_put(b, __builtin_ctz(mask), entry)
                return
            mask &= mask - 1
        rp_assert(chained(b))
        b = child_of(b)


cdef bint dict_holds(const Dict* d, uint64_t hash, const void* entry) noexcept nogil:
    cdef uint8_t* b
    cdef unsigned mask
    if d.used == 0:
        return False
    b = home(d, hash)
    while True:
        mask = bucket_match(b, <uint8_t>hash) & ((1u << count_of(b)) - 1)
        while mask:
            if bucket_get(b, __builtin_ctz(mask)) == entry:
                return True
            mask &= mask - 1
        if not chained(b):
            return False
        b = child_of(b)


cdef void dict_prefetch(const Dict* d, uint64_t hash) noexcept nogil:
    if d.used:
        rp_prefetch(home(d, hash))


cdef void dict_prefetch_entry(const Dict* d, uint64_t hash) noexcept nogil:
    cdef uint8_t* b
    cdef unsigned mask
    cdef char* entry
    if d.used == 0:
        return
    b = home(d, hash)
    mask = bucket_match(b, <uint8_t>hash) & ((1u << count_of(b)) - 1)
    if mask:
        entry = <char*>bucket_get(b, __builtin_ctz(mask))
        rp_prefetch(entry)
        rp_prefetch(entry + 40)             # key and small value may lie over the line's end
    elif chained(b):
        rp_prefetch(child_of(b))


# ---------------------------------------------------------------- change

cdef inline void bucket_add(Mem* m, Dict* d, uint8_t* b, uint8_t tag, const void* entry) noexcept nogil:
    cdef uint8_t* c
    while unlikely(chained(b)):
        b = child_of(b)
    cdef int n = count_of(b)
    if likely(n < SLOTS):
        put(b, n, tag, entry)
        b[63] = n + 1
        return
    c = <uint8_t*>mem_aligned_calloc(m, BUCKET, BUCKET)
    d.children += 1
    put(c, 0, b[54 + 8], bucket_get(b, 8))
    put(c, 1, tag, entry)
    c[63] = 2
    bucket_put(b, 8, c)
    b[63] = 8 | CHAINED


cdef void start_rehash(Mem* m, Dict* d, uint64_t n) noexcept nogil:
    if d.used == 0:
        table_free(m, &d.t[0], 0)
        d.t[0].b = table_alloc(m, n)
        d.t[0].n = n
        return
    d.t[1].b = table_alloc(m, n)
    d.t[1].n = n
    d.frontier = 0
    if d.t[0].n <= AT_ONCE and d.pause == 0:
        dict_rehash_step(m, d, AT_ONCE)


cdef inline void grow_if_full(Mem* m, Dict* d) noexcept nogil:
    cdef uint64_t n = d.t[0].n
    if likely(d.used < n * SLOTS) or d.t[1].b != NULL:
        return
    if d.policy != RESIZE_ALLOW and n != 0 and (d.policy == RESIZE_FORBID or d.used < n * SLOTS * AVOID_FACTOR):
        return
    start_rehash(m, d, n + 1 if n < 3 else n + n // 2)


cdef void dict_insert(Mem* m, Dict* d, uint64_t hash, void* entry) noexcept nogil:
    if unlikely(d.t[1].b != NULL):
        dict_rehash_step(m, d, 1)
    grow_if_full(m, d)
    bucket_add(m, d, home(d, hash), <uint8_t>hash, entry)
    d.used += 1


cdef void* dict_remove_at(Mem* m, Dict* d, DictPos p) noexcept nogil:
    cdef void* entry = bucket_get(p.b, p.slot)
    cdef uint8_t* parent = NULL
    cdef uint8_t* b = p.head
    cdef int last
    while chained(b):                       # the hole is filled from the end of the chain
        parent = b
        b = child_of(b)
    last = count_of(b) - 1
    put(p.b, p.slot, b[54 + last], bucket_get(b, last))
    b[63] = last
    if last == 0 and parent != NULL:
        parent[63] = 8
        mem_free(m, b)
        d.children -= 1
    d.used -= 1
    return entry


cdef void* dict_remove(Mem* m, Dict* d, const char* key, size_t n, uint64_t hash) noexcept nogil:
    if unlikely(d.t[1].b != NULL):
        dict_rehash_step(m, d, 1)
    cdef DictPos p = dict_find_pos(d, key, n, hash)
    if p.b == NULL:
        return NULL
    cdef void* entry = dict_remove_at(m, d, p)
    dict_shrink(m, d)
    return entry


cdef void dict_shrink(Mem* m, Dict* d) noexcept nogil:
    if d.t[1].b != NULL or d.t[0].n <= 1 or d.policy != RESIZE_ALLOW or d.pause:
        return
    if d.used < d.t[0].n:                   # a ninth full
        start_rehash(m, d, d.used // 6 + 1)


cdef void dict_reserve(Mem* m, Dict* d, size_t n) noexcept nogil:
    if d.t[1].b == NULL and n > d.t[0].n * SLOTS:
        start_rehash(m, d, n // 8 + 1)


# ---------------------------------------------------------------- rehash

cdef bint dict_rehashing(const Dict* d) noexcept nogil:
    return d.t[1].b != NULL


cdef void move_bucket(Mem* m, Dict* d, uint8_t* b) noexcept nogil:
    cdef uint8_t* head = b
    cdef void* entry
    cdef const char* key
    cdef uint64_t hash
    cdef size_t n
    cdef int i
    while True:
        for i in range(count_of(b)):
            rp_prefetch(bucket_get(b, i))
        for i in range(count_of(b)):
            entry = bucket_get(b, i)
            key = d.type.key_of(entry, &n)
            hash = siphash13(key, n, d.seed)
            bucket_add(m, d, d.t[1].b + bucket_of(hash, d.t[1].n) * BUCKET, <uint8_t>hash, entry)
        if not chained(b):
            break
        b = child_of(b)
    free_chain(m, d, head, False)
    head[63] = 0


cdef void finish_rehash(Mem* m, Dict* d) noexcept nogil:
    table_free(m, &d.t[0], released_bytes(d))
    d.t[0] = d.t[1]
    d.t[1].b = NULL
    d.t[1].n = 0
    d.frontier = 0


cdef void dict_rehash_step(Mem* m, Dict* d, int buckets) noexcept nogil:
    cdef bint mapped = d.t[0].n * BUCKET >= MAP_FROM
    if d.t[1].b == NULL or d.pause:
        return
    while buckets > 0 and d.frontier < d.t[0].n:
        move_bucket(m, d, d.t[0].b + d.frontier * BUCKET)
        d.frontier += 1
        buckets -= 1
        if mapped and d.frontier * BUCKET % RELEASE == 0:
            mem_unmap(m, d.t[0].b + d.frontier * BUCKET - RELEASE, RELEASE)
    if d.frontier == d.t[0].n:
        finish_rehash(m, d)


# ---------------------------------------------------------------- scan, sample, iterate

cdef int gather(uint8_t* b, void** out, int cap) noexcept nogil:
    """Copies a chain's pointers; what does not fit in cap is left out."""
    cdef int n = 0
    cdef int i
    while True:
        for i in range(count_of(b)):
            if n < cap:
                out[n] = bucket_get(b, i)
                n += 1
        if not chained(b):
            return n
        b = child_of(b)


cdef int chain_length(uint8_t* b) noexcept nogil:
    cdef int n = count_of(b)
    while chained(b):
        b = child_of(b)
        n += count_of(b)
    return n


cdef void emit(Dict* d, uint8_t* b, dict_each_fn fn, void* ctx) noexcept nogil:
    """Calls fn for a chain through a copy, since fn may delete its entry and so reorder the chain."""
    cdef void* small[64]
    cdef void** all = small
    cdef Mem scratch
    cdef int n = chain_length(b)
    cdef int i
    if n > 64:
        mem_init(&scratch)
        all = <void**>mem_alloc(&scratch, n * sizeof(void*))
    gather(b, all, n)
    for i in range(n):
        fn(ctx, all[i])
    if all != small:
        mem_free(&scratch, all)


cdef uint64_t dict_scan(Dict* d, uint64_t cursor, dict_each_fn fn, void* ctx) noexcept nogil:
    cdef uint64_t i, next, limit
    if d.used == 0 or cursor >= END:
        return 0
    i = bucket_of(cursor << 16, d.t[0].n)
    d.pause += 1
    if d.t[1].b != NULL and i < d.frontier:
        limit = bucket_start(d.frontier, d.t[0].n)
        i = bucket_of(cursor << 16, d.t[1].n)
        next = bucket_start(i + 1, d.t[1].n)
        if next > limit:
            next = limit
        emit(d, d.t[1].b + i * BUCKET, fn, ctx)
    else:
        next = bucket_start(i + 1, d.t[0].n)
        emit(d, d.t[0].b + i * BUCKET, fn, ctx)
    d.pause -= 1
    return 0 if next >= END else next


cdef void* dict_random(Dict* d, Env* env) noexcept nogil:
    """Rejection sampling: a bucket by chance, then one of `cap` places of it; an empty place means another try."""
    cdef uint8_t* b
    cdef int n, k, tries
    cdef int cap = 2 * SLOTS
    if d.used == 0:
        return NULL
    for tries in range(256):
        b = home(d, env_rand(env))
        n = chain_length(b)
        if unlikely(n > cap):
            cap = n
        k = <int>env_rand_below(env, cap)
        if k < n:
            while k >= count_of(b):
                k -= count_of(b)
                b = child_of(b)
            return bucket_get(b, k)
    cdef void* one                          # nearly empty: the next occupied bucket
    dict_sample(d, env, &one, 1)
    return one


cdef int dict_sample(Dict* d, Env* env, void** out, int n) noexcept nogil:
    cdef uint64_t pos, i
    cdef uint8_t* b
    cdef int got = 0
    if <size_t>n > d.used:
        n = <int>d.used
    pos = env_rand(env) >> 16
    while got < n:
        i = bucket_of(pos << 16, d.t[0].n)
        if d.t[1].b != NULL and i < d.frontier:
            i = bucket_of(pos << 16, d.t[1].n)
            b = d.t[1].b + i * BUCKET
            pos = bucket_start(i + 1, d.t[1].n)
            i = bucket_start(d.frontier, d.t[0].n)
            if pos > i:
                pos = i
        else:
            b = d.t[0].b + i * BUCKET
            pos = bucket_start(i + 1, d.t[0].n)
        got += gather(b, out + got, n - got)
        if pos >= END:
            pos = 0
    return got


cdef void dict_iter(DictIter* it, Dict* d) noexcept nogil:
    it.d = d
    it.table = 0
    it.bucket = d.frontier
    it.b = NULL
    it.slot = 0
    d.pause += 1


cdef void* dict_next(DictIter* it) noexcept nogil:
    cdef Table* t
    while True:
        if it.b != NULL:
            if it.slot < count_of(it.b):
                it.slot += 1
                return bucket_get(it.b, it.slot - 1)
            it.b = child_of(it.b) if chained(it.b) else NULL
            it.slot = 0
            continue
        t = &it.d.t[it.table]
        if it.bucket < t.n:
            it.b = t.b + it.bucket * BUCKET
            rp_prefetch(it.b + BUCKET)
            it.bucket += 1
        elif it.table == 0:
            it.table = 1
            it.bucket = 0
        else:
            return NULL


cdef void dict_iter_end(DictIter* it) noexcept nogil:
    it.d.pause -= 1


cdef size_t dict_bytes(const Dict* d) noexcept nogil:
    return (d.t[0].n + d.t[1].n + d.children) * BUCKET - released_bytes(d)


cdef uint64_t dict_slots(const Dict* d) noexcept nogil:
    return (d.t[0].n + d.t[1].n) * SLOTS


# ---------------------------------------------------------------- test face

cdef struct FaceEntry:
    size_t n
    char key[1]


cdef const char* face_key(const void* entry, size_t* n) noexcept nogil:
    n[0] = (<FaceEntry*>entry).n
    return (<FaceEntry*>entry).key


cdef void face_free(Mem* m, void* entry) noexcept nogil:
    mem_free(m, entry)


cdef DictType face_type
face_type.key_of = face_key
face_type.free_entry = face_free


cdef void face_collect(void* ctx, void* entry) noexcept nogil:
    with gil:
        (<list>ctx).append((<FaceEntry*>entry).key[:(<FaceEntry*>entry).n])


cdef class DictFace:
    """A set of byte strings over a Dict, for tests."""
    cdef readonly MemFace memory
    cdef Env env
    cdef Dict d

    def __cinit__(self, uint64_t seed=1):
        self.memory = MemFace()
        env_init(&self.env)
        env_seed(&self.env, seed)
        self.env.hash_seed[0] = seed
        dict_init(&self.d, &face_type, &self.env)

    def __dealloc__(self):
        dict_clear(&self.memory.mem, &self.d)

    def __len__(self):
        return self.d.used

    def __contains__(self, bytes key):
        return dict_find(&self.d, key, len(key), dict_hash(&self.d, key, len(key))) != NULL

    def add(self, bytes key):
        """True if the key was absent. O(1) amortised."""
        if key in self:
            return False
        cdef FaceEntry* e = <FaceEntry*>mem_alloc(&self.memory.mem, sizeof(FaceEntry) + len(key))
        e.n = len(key)
        memcpy(e.key, <const char*>key, e.n)
        dict_insert(&self.memory.mem, &self.d, dict_hash(&self.d, key, len(key)), e)
        return True

    def move_entry(self, bytes key):
        """Gives the key's entry another address, as a value that outgrows its block does."""
        cdef uint64_t hash = dict_hash(&self.d, key, len(key))
        cdef FaceEntry* old = <FaceEntry*>dict_find(&self.d, key, len(key), hash)
        cdef FaceEntry* e = <FaceEntry*>mem_alloc(&self.memory.mem, sizeof(FaceEntry) + len(key))
        e.n = old.n
        memcpy(e.key, old.key, old.n)
        dict_relink(&self.d, hash, old, e)
        mem_free(&self.memory.mem, old)

    def holds(self, bytes key):
        """Looks the entry up by its address alone, as who kept that would."""
        cdef uint64_t hash = dict_hash(&self.d, key, len(key))
        cdef void* e = dict_find(&self.d, key, len(key), hash)
        assert not dict_holds(&self.d, hash, <char*>e + 1)
        return dict_holds(&self.d, hash, e)

    def discard(self, bytes key):
        """True if the key was there. O(1)."""
        cdef void* e = dict_remove(&self.memory.mem, &self.d, key, len(key), dict_hash(&self.d, key, len(key)))
        mem_free(&self.memory.mem, e)
        return e != NULL

    def scan(self, uint64_t cursor):
        """(next cursor, keys of one bucket)."""
        found = []
        cursor = dict_scan(&self.d, cursor, face_collect, <void*>found)
        return cursor, found

    def __iter__(self):
        cdef DictIter it
        cdef FaceEntry* e
        found = []
        dict_iter(&it, &self.d)
        while True:
            e = <FaceEntry*>dict_next(&it)
            if e == NULL:
                break
            found.append(e.key[:e.n])
        dict_iter_end(&it)
        return iter(found)

    def random(self):
        """A uniformly chosen key, None when empty."""
        cdef FaceEntry* e = <FaceEntry*>dict_random(&self.d, &self.env)
        return None if e == NULL else e.key[:e.n]

    def sample(self, int n):
        """Up to n keys from one place."""
        cdef void* out[64]
        cdef int got = dict_sample(&self.d, &self.env, out, min(n, 64))
        return [(<FaceEntry*>out[i]).key[:(<FaceEntry*>out[i]).n] for i in range(got)]

    def clear(self):
        dict_clear(&self.memory.mem, &self.d)

    def clear_in_slices(self, int buckets):
        """The number of slices it took."""
        slices = 1
        while not dict_clear_step(&self.memory.mem, &self.d, buckets):
            slices += 1
        self.d.pause = 0
        return slices

    def rehash(self, int buckets):
        dict_rehash_step(&self.memory.mem, &self.d, buckets)

    def shrink(self):
        dict_shrink(&self.memory.mem, &self.d)

    def set_policy(self, int policy):
        self.d.policy = <ResizePolicy>policy

    @property
    def rehashing(self):
        return dict_rehashing(&self.d)

    @property
    def buckets(self):
        """(buckets of the table, buckets of the table being filled)."""
        return self.d.t[0].n, self.d.t[1].n

    @property
    def bytes(self):
        return dict_bytes(&self.d)

    def check(self):
        """All invariants, O(n): chains packed, tags true, each entry in the table and bucket of its hash, counters."""
        cdef int table, children = 0
        cdef uint64_t i
        cdef size_t seen = 0
        cdef uint8_t* b
        for table in range(2):
            for i in range(self.d.frontier if table == 0 else 0, self.d.t[table].n):
                b = self.d.t[table].b + i * BUCKET
                while True:
                    assert count_of(b) == 8 if chained(b) else count_of(b) <= SLOTS
                    seen += count_of(b)
                    self.check_bucket(table, i, b)
                    if not chained(b):
                        break
                    b = child_of(b)
                    children += 1
                    assert count_of(b) > 0
        assert seen == self.d.used, (seen, self.d.used)
        assert children == <int>self.d.children
        assert self.d.t[1].b != NULL or self.d.frontier == 0

    cdef check_bucket(self, int table, uint64_t i, uint8_t* b):
        cdef int k
        cdef FaceEntry* e
        cdef uint64_t hash
        for k in range(count_of(b)):
            e = <FaceEntry*>bucket_get(b, k)
            hash = dict_hash(&self.d, e.key, e.n)
            assert b[54 + k] == (hash & 0xFF)
            assert bucket_of(hash, self.d.t[table].n) == i
            if self.d.t[1].b != NULL:
                assert (bucket_of(hash, self.d.t[0].n) < self.d.frontier) == (table == 1)
