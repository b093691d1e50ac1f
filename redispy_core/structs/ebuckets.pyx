"""Expiry buckets (see ebuckets.pxd).

Up to 15 items lie unordered in one bucket; more are spread over buckets in a radix tree. Items have a total order, by
time and then by address, as a 16-byte key; a bucket's key in the tree is a lower bound of its items and lies above all
items of the bucket before. It is cut to the bytes that this needs, so most are 6 to 8 bytes long. The first key is "".

    root --> Rax   ""  -> [n][cap] item item item ...
                   k1  -> [n][cap] item item ...              k1 <= its items < k2

Why not a heap with each item's position in the item: it would need 4 bytes in every field, 16 in a slot to compare
without reading items, an array that doubles, and writes into log n items at each change. Here an item costs 8 bytes in
its bucket and 1 to 5 for free room and its share of the tree (12 to 13 in all at random times, 9 where times ascend),
and items are read only when a bucket is split (once in 8 additions) or the earliest one is looked for. Equal times need
no care: addresses tell the items apart.

Invariants: is_tree says that there are two or more buckets; none is empty; min_ms is the lowest time, INT64_MAX without
items. A bucket that falls below 4 items takes the next one in when both fit well, so that removals in any order leave
no trail of nearly empty buckets.
"""
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from ..base.mem cimport Mem, mem_alloc, mem_free, mem_init, mem_realloc, mem_usable
from ..base.rp cimport rp_assert, rp_store64be
from .rax cimport (RAX_FIRST, RAX_LE, Rax, RaxIter, rax_bytes, rax_find, rax_free, rax_insert, rax_iter_init,
                   rax_iter_set, rax_new, rax_next, rax_remove, rax_seek, rax_size)

cdef enum:
    KEY = 16
    MERGE_BELOW = 4
    MERGE_MAX = 11

cdef struct Bucket:
    uint32_t n
    uint32_t cap
    void* items[1]

cdef struct Stamp:                 # an item with its time, for sorting
    int64_t when_ms
    void* item


# --- buckets ----------------------------------------------------------------------------------------------------------

cdef Bucket* bucket_room(Mem* m, Bucket* b, uint32_t n) noexcept nogil:
    """A bucket with room for n items: b (NULL: a new, empty one), moved if need be. Room grows by two items, as
    allocators round to 16 bytes, and is given back when half of it is free."""
    cdef uint32_t cap = n | 1
    if b != NULL and n <= b.cap and n > b.cap // 2:
        return b
    if b == NULL:
        b = <Bucket*>mem_alloc(m, 8 + 8 * cap)
        b.n = 0
    elif cap != b.cap:
        b = <Bucket*>mem_realloc(m, b, 8 + 8 * cap)
    b.cap = cap
    return b


cdef inline Bucket* bucket_push(Mem* m, Bucket* b, void* item) noexcept nogil:
    b = bucket_room(m, b, b.n + 1 if b != NULL else 1)
    b.items[b.n] = item
    b.n += 1
    return b


cdef inline int bucket_find(const Bucket* b, const void* item) noexcept nogil:
    cdef uint32_t i
    for i in range(b.n):
        if b.items[i] == item:
            return <int>i
    return -1


cdef inline uint32_t bucket_lowest(const Bucket* b, eb_when_fn when, int64_t* when_ms) noexcept nogil:
    cdef uint32_t i, lowest = 0
    cdef int64_t t
    when_ms[0] = when(b.items[0])
    for i in range(1, b.n):
        t = when(b.items[i])
        if t < when_ms[0]:
            when_ms[0] = t
            lowest = i
    return lowest


# --- the order --------------------------------------------------------------------------------------------------------

cdef inline void key_of(char* key, int64_t when_ms, const void* item) noexcept nogil:
    rp_store64be(key, <uint64_t>when_ms ^ (<uint64_t>1 << 63))
    rp_store64be(key + 8, <uint64_t>item)


cdef inline bint stamp_before(const Stamp* a, const Stamp* b) noexcept nogil:
    return a.when_ms < b.when_ms or (a.when_ms == b.when_ms and <uint64_t>a.item < <uint64_t>b.item)


cdef void stamps_sort(Stamp* s, int n) noexcept nogil:
    cdef int i, j
    cdef Stamp x
    for i in range(1, n):
        x = s[i]
        j = i
        while j > 0 and stamp_before(&x, &s[j - 1]):
            s[j] = s[j - 1]
            j -= 1
        s[j] = x


cdef size_t boundary(char* key, const Stamp* low, const Stamp* high) noexcept nogil:
    """The shortest key above low and not above high; its length."""
    cdef char below[KEY]
    cdef size_t n = 0
    key_of(below, low.when_ms, low.item)
    key_of(key, high.when_ms, high.item)
    while below[n] == key[n]:
        n += 1
    return n + 1


cdef inline Bucket* seek(RaxIter* it, Mem* m, Ebuckets* eb, const char* key) noexcept nogil:
    """The bucket whose range the key falls into; there always is one, as the first key is empty. With keys this short
    an iterator allocates nothing and needs no end."""
    rax_iter_init(it, m, <Rax*>eb.root)
    rax_seek(it, RAX_LE, key, KEY)
    return <Bucket*>it.value


cdef Bucket* first_bucket(Ebuckets* eb) noexcept nogil:
    cdef void* b = eb.root
    if eb.is_tree:
        rax_find(<Rax*>eb.root, NULL, 0, &b)
    return <Bucket*>b


cdef void find_min(Ebuckets* eb, eb_when_fn when) noexcept nogil:
    if eb.count == 0:
        eb.min_ms = INT64_MAX
    else:
        bucket_lowest(first_bucket(eb), when, &eb.min_ms)


# --- adding -----------------------------------------------------------------------------------------------------------

cdef void split(Mem* m, RaxIter* it, Bucket* b, void* item, int64_t when_ms, eb_when_fn when) noexcept nogil:
    """A full bucket and one more item become two: halves, or, where the item is the last of all, a full one and a new
    one, so that ascending times leave full buckets."""
    cdef Stamp s[EB_BUCKET_MAX + 1]
    cdef char key[KEY]
    cdef Bucket* high = NULL
    cdef Rax* rt = it.rt
    cdef int i, left = (EB_BUCKET_MAX + 1) // 2
    cdef size_t len
    for i in range(EB_BUCKET_MAX):
        s[i] = Stamp(when(b.items[i]), b.items[i])
    s[EB_BUCKET_MAX] = Stamp(when_ms, item)
    stamps_sort(s, EB_BUCKET_MAX + 1)
    if s[EB_BUCKET_MAX].item == item and not rax_next(it):
        left = EB_BUCKET_MAX
    else:
        key_of(key, when_ms, item)
        rax_seek(it, RAX_LE, key, KEY)
    high = bucket_room(m, NULL, EB_BUCKET_MAX + 1 - left)
    for i in range(left, EB_BUCKET_MAX + 1):
        high.items[high.n] = s[i].item
        high.n += 1
    if left < EB_BUCKET_MAX:
        for i in range(left):
            b.items[i] = s[i].item
        b.n = left
        b = bucket_room(m, b, left)
        rax_iter_set(it, b)
    len = boundary(key, &s[left - 1], &s[left])
    rax_insert(m, rt, key, len, high, NULL)


cdef void eb_add(Mem* m, Ebuckets* eb, void* item, int64_t when_ms, eb_when_fn when) noexcept nogil:
    cdef Bucket* b = <Bucket*>eb.root
    cdef Rax* rt
    cdef RaxIter it
    cdef char key[KEY]
    eb.count += 1
    rp_assert(eb.count != 0)
    if when_ms < eb.min_ms:
        eb.min_ms = when_ms
    if not eb.is_tree:
        if b == NULL or b.n < EB_BUCKET_MAX:
            eb.root = bucket_push(m, b, item)
            return
        rt = rax_new(m)
        rax_insert(m, rt, NULL, 0, b, NULL)
        eb.root = rt
        eb.is_tree = True
    key_of(key, when_ms, item)
    b = seek(&it, m, eb, key)
    if b.n < EB_BUCKET_MAX:
        rax_iter_set(&it, bucket_push(m, b, item))
    else:
        split(m, &it, b, item, when_ms, when)


# --- removing ---------------------------------------------------------------------------------------------------------

cdef void absorb_next(Mem* m, RaxIter* it, Bucket* b) noexcept nogil:
    """Bucket b, at which the iterator stands, takes in the next one if there is one and both fit well."""
    cdef RaxIter after
    cdef Bucket* other
    cdef uint32_t i
    rax_iter_init(&after, m, it.rt)
    if rax_seek(&after, RAX_LE, it.key, it.klen) and rax_next(&after):
        other = <Bucket*>after.value
        if b.n + other.n <= MERGE_MAX:
            b = bucket_room(m, b, b.n + other.n)
            for i in range(other.n):
                b.items[b.n] = other.items[i]
                b.n += 1
            rax_iter_set(it, b)
            mem_free(m, other)
            rax_remove(m, it.rt, after.key, after.klen, NULL)


cdef void drop_bucket(Mem* m, RaxIter* it, Bucket* b) noexcept nogil:
    """Remove an empty bucket from the tree; the first key stays and gets the next bucket."""
    cdef void* other
    mem_free(m, b)
    if it.klen:
        rax_remove(m, it.rt, it.key, it.klen, NULL)
        return
    rax_next(it)
    other = it.value
    rax_remove(m, it.rt, it.key, it.klen, NULL)
    rax_insert(m, it.rt, NULL, 0, other, NULL)


cdef void leave_tree(Mem* m, Ebuckets* eb) noexcept nogil:
    cdef Bucket* b = first_bucket(eb)
    rax_free(m, <Rax*>eb.root, NULL, NULL)
    eb.root = b
    eb.is_tree = False


cdef void take(Mem* m, Ebuckets* eb, RaxIter* it, Bucket* b, uint32_t i) noexcept nogil:
    """Take item i out of bucket b, at which the iterator stands where there is a tree."""
    eb.count -= 1
    b.n -= 1
    b.items[i] = b.items[b.n]
    if not eb.is_tree:
        if b.n == 0:
            mem_free(m, b)
            eb.root = NULL
        else:
            eb.root = bucket_room(m, b, b.n)
        return
    if b.n == 0:
        drop_bucket(m, it, b)
    else:
        b = bucket_room(m, b, b.n)
        rax_iter_set(it, b)
        if b.n < MERGE_BELOW:
            absorb_next(m, it, b)
    if rax_size(it.rt) == 1:
        leave_tree(m, eb)


cdef bint eb_remove(Mem* m, Ebuckets* eb, void* item, int64_t when_ms, eb_when_fn when) noexcept nogil:
    cdef Bucket* b = <Bucket*>eb.root
    cdef RaxIter it
    cdef char key[KEY]
    cdef int i
    if b == NULL:
        return False
    if eb.is_tree:
        key_of(key, when_ms, item)
        b = seek(&it, m, eb, key)
    i = bucket_find(b, item)
    if i >= 0:
        take(m, eb, &it, b, <uint32_t>i)
        if when_ms == eb.min_ms:
            find_min(eb, when)
    return i >= 0


cdef void eb_change(Mem* m, Ebuckets* eb, void* item, int64_t old_ms, int64_t new_ms, eb_when_fn when) noexcept nogil:
    rp_assert(eb_remove(m, eb, item, old_ms, when))
    eb_add(m, eb, item, new_ms, when)


cdef bint eb_replace(Mem* m, Ebuckets* eb, void* old, void* item, int64_t when_ms, eb_when_fn when) noexcept nogil:
    if not eb_remove(m, eb, old, when_ms, when):
        return False
    eb_add(m, eb, item, when_ms, when)
    return True


# --- the earliest -----------------------------------------------------------------------------------------------------

cdef void* eb_first(Ebuckets* eb, eb_when_fn when) noexcept nogil:
    cdef Bucket* b = first_bucket(eb)
    cdef int64_t when_ms
    return b.items[bucket_lowest(b, when, &when_ms)] if b != NULL else NULL


cdef void* eb_pop_due(Mem* m, Ebuckets* eb, int64_t now_ms, eb_when_fn when) noexcept nogil:
    cdef RaxIter it
    cdef Bucket* b
    cdef int64_t when_ms
    cdef uint32_t i
    cdef void* item
    if eb.count == 0 or eb.min_ms > now_ms:
        return NULL
    b = first_bucket(eb)
    if eb.is_tree:
        rax_iter_init(&it, m, <Rax*>eb.root)
        rax_seek(&it, RAX_FIRST, NULL, 0)
    i = bucket_lowest(b, when, &when_ms)
    item = b.items[i]
    take(m, eb, &it, b, i)
    find_min(eb, when)
    return item


cdef uint32_t eb_expire(Mem* m, Ebuckets* eb, int64_t now_ms, uint32_t max_items, eb_when_fn when, eb_expire_fn cb,
                        void* ctx) noexcept nogil:
    cdef uint32_t n = 0
    cdef void* item
    while n < max_items:
        item = eb_pop_due(m, eb, now_ms, when)
        if item == NULL:
            break
        n += 1
        cb(ctx, item)
    return n


# --- all --------------------------------------------------------------------------------------------------------------

cdef void eb_init(Ebuckets* eb) noexcept nogil:
    eb.root = NULL
    eb.min_ms = INT64_MAX
    eb.count = 0
    eb.is_tree = False


cdef void eb_clear(Mem* m, Ebuckets* eb) noexcept nogil:
    cdef RaxIter it
    cdef bint ok
    if eb.is_tree:
        rax_iter_init(&it, m, <Rax*>eb.root)
        ok = rax_seek(&it, RAX_FIRST, NULL, 0)
        while ok:
            mem_free(m, it.value)
            ok = rax_next(&it)
        rax_free(m, <Rax*>eb.root, NULL, NULL)
    else:
        mem_free(m, eb.root)
    eb_init(eb)


cdef inline bint bucket_each(Bucket* b, eb_each_fn cb, void* ctx) noexcept nogil:
    cdef uint32_t i
    for i in range(b.n):
        if cb(ctx, b.items[i]):
            return True
    return False


cdef bint eb_each(Mem* m, Ebuckets* eb, eb_each_fn cb, void* ctx) noexcept nogil:
    cdef RaxIter it
    cdef bint ok, stopped = False
    if not eb.is_tree:
        return eb.root != NULL and bucket_each(<Bucket*>eb.root, cb, ctx)
    rax_iter_init(&it, m, <Rax*>eb.root)
    ok = rax_seek(&it, RAX_FIRST, NULL, 0)
    while ok and not stopped:
        stopped = bucket_each(<Bucket*>it.value, cb, ctx)
        ok = rax_next(&it)
    return stopped


cdef size_t eb_bytes(Mem* m, Ebuckets* eb) noexcept nogil:
    cdef RaxIter it
    cdef bint ok
    cdef size_t total
    if not eb.is_tree:
        return mem_usable(eb.root) if eb.root != NULL else 0
    total = rax_bytes(<Rax*>eb.root)
    rax_iter_init(&it, m, <Rax*>eb.root)
    ok = rax_seek(&it, RAX_FIRST, NULL, 0)
    while ok:
        total += mem_usable(it.value)
        ok = rax_next(&it)
    return total


# --- test face --------------------------------------------------------------------------------------------------------

cdef struct Item:
    int64_t when_ms
    int64_t name


cdef int64_t item_when(const void* item) noexcept nogil:
    return (<const Item*>item).when_ms


cdef void face_expired(void* ctx, void* item) noexcept with gil:
    (<EbucketsFace>ctx).expired(<Item*>item)


cdef bint face_each(void* ctx, void* item) noexcept with gil:
    (<list>ctx).append(((<Item*>item).when_ms, (<Item*>item).name))
    return False


cdef bint face_first_only(void* ctx, void* item) noexcept with gil:
    (<list>ctx).append((<Item*>item).name)
    return True


cdef class EbucketsFace:
    """Expiry buckets of integers for tests: each name has one time; times are milliseconds."""
    cdef Mem mem
    cdef Mem items_mem
    cdef Ebuckets eb
    cdef dict items                # name -> address of its Item
    cdef object on_expired
    cdef list log

    def __cinit__(self):
        mem_init(&self.mem)
        mem_init(&self.items_mem)
        eb_init(&self.eb)
        self.items = {}

    def __dealloc__(self):
        cdef size_t a
        eb_clear(&self.mem, &self.eb)
        if self.items:
            for a in self.items.values():
                mem_free(&self.items_mem, <void*>a)

    cdef Item* item(self, name) except NULL:
        cdef size_t a = self.items[name]
        return <Item*>a

    cdef Item* item_new(self, int64_t name, int64_t when_ms):
        cdef Item* item = <Item*>mem_alloc(&self.items_mem, sizeof(Item))
        item.when_ms = when_ms
        item.name = name
        self.items[name] = <size_t>item
        return item

    cdef object expired(self, Item* item):
        name, when_ms = item.name, item.when_ms
        self.log.append((when_ms, name))
        del self.items[name]
        mem_free(&self.items_mem, item)
        if self.on_expired is not None:
            self.on_expired(name, when_ms)

    def __len__(self):
        return eb_count(&self.eb)

    @property
    def blocks(self):
        return self.mem.blocks

    @property
    def bytes_used(self):
        n = eb_bytes(&self.mem, &self.eb)
        assert n == self.mem.used
        return n

    def add(self, int64_t name, int64_t when_ms):
        eb_add(&self.mem, &self.eb, self.item_new(name, when_ms), when_ms, item_when)

    def remove_stranger(self, int64_t when_ms):
        """Try to take out an item that is not in the index."""
        cdef Item item = Item(when_ms, -1)
        return eb_remove(&self.mem, &self.eb, &item, when_ms, item_when)

    def remove(self, int64_t name):
        cdef Item* item = self.item(name)
        cdef bint found = eb_remove(&self.mem, &self.eb, item, item.when_ms, item_when)
        if found:
            del self.items[name]
            mem_free(&self.items_mem, item)
        return found

    def change(self, int64_t name, int64_t when_ms):
        cdef Item* item = self.item(name)
        cdef int64_t old = item.when_ms
        item.when_ms = when_ms
        eb_change(&self.mem, &self.eb, item, old, when_ms, item_when)

    def move(self, int64_t name):
        """Give an item another address, as a reallocated hash field has."""
        cdef Item* old = self.item(name)
        cdef Item* item = self.item_new(name, old.when_ms)
        cdef bint found = eb_replace(&self.mem, &self.eb, old, item, old.when_ms, item_when)
        mem_free(&self.items_mem, old)
        return found

    def min(self):
        return eb_min(&self.eb)

    def first(self):
        cdef Item* item = <Item*>eb_first(&self.eb, item_when)
        return (item.when_ms, item.name) if item != NULL else None

    def expire(self, int64_t now_ms, uint32_t max_items=0xffffffff, on_expired=None):
        """Expire what is due: (time, name) in the order of the callbacks. on_expired(name, time) may call in."""
        self.log = []
        self.on_expired = on_expired
        n = eb_expire(&self.mem, &self.eb, now_ms, max_items, item_when, face_expired, <void*>self)
        assert n == len(self.log)
        return self.log

    def all(self):
        cdef list out = []
        assert not eb_each(&self.mem, &self.eb, face_each, <void*>out)
        return out

    def first_of_all(self):
        cdef list out = []
        return out if eb_each(&self.mem, &self.eb, face_first_only, <void*>out) else None

    def clear(self):
        eb_clear(&self.mem, &self.eb)
        for name in list(self.items):
            mem_free(&self.items_mem, self.item(name))
        self.items.clear()

    def check(self):
        """Verify every invariant; O(n). Raises AssertionError."""
        cdef RaxIter it
        cdef bint ok
        cdef uint32_t total = 0
        cdef int64_t lowest = INT64_MAX
        buckets = []
        assert eb_count(&self.eb) == len(self.items)
        if self.eb.is_tree:
            rax_iter_init(&it, &self.mem, <Rax*>self.eb.root)
            ok = rax_seek(&it, RAX_FIRST, NULL, 0)
            while ok:
                buckets.append((it.key[:it.klen], <size_t>it.value))
                ok = rax_next(&it)
            assert len(buckets) >= 2
        elif self.eb.root != NULL:
            buckets.append((b"", <size_t>self.eb.root))
        for i, (low, where) in enumerate(buckets):
            high = buckets[i + 1][0] if i + 1 < len(buckets) else None
            keys = self.bucket_keys(<size_t>where)
            assert low <= min(keys) and (high is None or max(keys) < high) and (low == b"") == (i == 0)
            total += <uint32_t>len(keys)
        for where in self.items.values():
            lowest = min(lowest, (<Item*><size_t>where).when_ms)
        assert total == self.eb.count and lowest == self.eb.min_ms
        assert eb_bytes(&self.mem, &self.eb) == self.mem.used
        return len(buckets)

    cdef list bucket_keys(self, size_t where):
        cdef Bucket* b = <Bucket*>where
        cdef char key[KEY]
        cdef uint32_t i
        assert 1 <= b.n <= b.cap <= EB_BUCKET_MAX and mem_usable(b) >= 8 + 8 * b.cap
        out = []
        for i in range(b.n):
            assert self.items[(<Item*>b.items[i]).name] == <size_t>b.items[i]
            key_of(key, (<Item*>b.items[i]).when_ms, b.items[i])
            out.append(key[:KEY])
        return out


def churn(int64_t n, int64_t spread, bint ascending=False, bint remove=False):
    """For timing: n items are added, and removed in another order. Bytes an item in the full index."""
    cdef Mem m
    cdef Ebuckets eb
    cdef Item* items
    cdef int64_t i
    cdef uint64_t r = <uint64_t>88172645463325252
    mem_init(&m)
    eb_init(&eb)
    items = <Item*>mem_alloc(&m, sizeof(Item) * n)
    for i in range(n):
        r ^= r << 13
        r ^= r >> 7
        r ^= r << 17
        items[i].when_ms = <int64_t>1700000000000 + (i if ascending else <int64_t>(r % <uint64_t>spread))
        eb_add(&m, &eb, &items[i], items[i].when_ms, item_when)
    size = eb_bytes(&m, &eb)
    if remove:
        for i in range(n):
            rp_assert(eb_remove(&m, &eb, &items[i * 7919 % n], items[i * 7919 % n].when_ms, item_when))
    eb_clear(&m, &eb)
    mem_free(&m, items)
    assert m.blocks == 0 and m.used == 0
    return size / n
