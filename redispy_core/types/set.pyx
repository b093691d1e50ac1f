"""Sets (contract: set.pxd). Room types: knows no client, no reply.

    intset      all members are integers, up to set-max-intset-entries
    listpack    up to set-max-listpack-entries, each of up to set-max-listpack-value bytes; no order
    hashtable   structs/dict of entries, one allocation a member:

        [length 1][bytes]  |  [254][length 4][bytes]  |  [255][length 8][bytes]

Conversions go up only, from an intset to a listpack if that has room, else to a hashtable; they are Redis's (7.2 and
later). A set made by commands that store a result starts as if its members came one by one.

Chance: one member is uniform in every encoding (dict_random). Distinct members: a shuffle of the first `count` of an
array of all, or, for few of a large hashtable, random ones with repeated ones thrown away. Many members leave a small
encoding in one pass that chooses and copies what stays; they leave a hashtable one by one, unless most of them go: then
what stays is chosen and moves to a new table.
"""
from libc.string cimport memcpy, memset
from ..base.env cimport env_init, env_knob, env_rand, env_rand_below, env_seed
from ..base.mem cimport MemFace, mem_alloc, mem_calloc, mem_free, mem_try_alloc, mem_usable
from ..base.num cimport num_digits10
from ..base.rp cimport likely, unlikely, rp_assert, rp_load32le, rp_load64le, rp_store32le, rp_store64le
from ..structs.dict cimport (DictType, dict_bytes, dict_clear, dict_find, dict_hash, dict_init, dict_insert, dict_iter,
                             dict_iter_end, dict_next, dict_random, dict_remove, dict_reserve, dict_sample)
from ..structs.intset cimport (Intset, intset_add, intset_dup, intset_find, intset_free, intset_get, intset_length,
                               intset_max, intset_min, intset_new, intset_random, intset_remove, intset_remove_at,
                               intset_validate)
from ..structs.listpack cimport (LP_HEADER, lp_append, lp_append_i64, lp_bytes, lp_delete, lp_dup, lp_end,
                                 lp_entry_size, lp_find, lp_first, lp_fit, lp_free, lp_get, lp_length, lp_new,
                                 lp_next, lp_safe_to_add, lp_seek, lp_set_header, lp_validate_integrity)
from .object cimport (ENC_HT, ENC_INTSET, ENC_LISTPACK, INT_TEXT, TypeOps, enc_name, robj_register)

cdef enum:
    MEDIUM = 254                # first byte of an entry: a length of 4 bytes follows
    LONG = 255                  # ... of 8 bytes
    INTSET_MOST = 1 << 30       # members of an intset, whatever the knob says
    LP_ENTRY_EXTRA = 11         # bytes of a listpack entry beside the text, at most


# ---------------------------------------------------------------- entries of a hashtable

cdef const char* set_entry_text(const void* entry, size_t* n) noexcept nogil:
    cdef const uint8_t* p = <const uint8_t*>entry
    if likely(p[0] < MEDIUM):
        n[0] = p[0]
        return <const char*>p + 1
    if p[0] == MEDIUM:
        n[0] = rp_load32le(p + 1)
        return <const char*>p + 5
    n[0] = rp_load64le(p + 1)
    return <const char*>p + 9


cdef void* entry_new(Mem* m, const char* s, size_t n) noexcept nogil:
    """NULL when memory fails."""
    cdef size_t head = 1 if n < MEDIUM else 5
    cdef uint8_t* p
    if unlikely(n >> 32):
        head = 9
    p = <uint8_t*>mem_try_alloc(m, head + n)
    if unlikely(p == NULL):
        return NULL
    if likely(head == 1):
        p[0] = <uint8_t>n
    elif head == 5:
        p[0] = MEDIUM
        rp_store32le(p + 1, n)
    else:
        p[0] = LONG
        rp_store64le(p + 1, n)
    memcpy(p + head, s, n)
    return p


cdef void entry_free(Mem* m, void* entry) noexcept nogil:
    mem_free(m, entry)


cdef DictType entries_owned
entries_owned.key_of = set_entry_text
entries_owned.free_entry = entry_free
cdef DictType entries_borrowed
entries_borrowed.key_of = set_entry_text
entries_borrowed.free_entry = NULL


cdef inline void el_of_entry(SetEl* el, const void* entry) noexcept nogil:
    el.s = set_entry_text(entry, &el.n)
    el.is_int = -1
    el.hashed = False


cdef inline uint64_t el_hash(SetEl* el, const Dict* d) noexcept nogil:
    if not el.hashed:
        el_text(el)
        el.hash = dict_hash(d, el.s, el.n)
        el.hashed = True
    return el.hash


cdef inline void* table_find(Dict* d, SetEl* el) noexcept nogil:
    cdef uint64_t hash = el_hash(el, d)
    return dict_find(d, el.s, el.n, hash)


cdef SetAdded table_add(Mem* m, Dict* d, SetEl* el) noexcept nogil:
    cdef void* entry
    if table_find(d, el) != NULL:
        return SET_WAS_THERE
    entry = entry_new(m, el.s, el.n)
    if unlikely(entry == NULL):
        return SET_NO_MEMORY
    dict_insert(m, d, el.hash, entry)
    return SET_ADDED


cdef void* table_take(Mem* m, Dict* d, Env* e) noexcept nogil:
    """A random entry, unlinked."""
    cdef void* entry = dict_random(d, e)
    cdef size_t n
    cdef const char* s = set_entry_text(entry, &n)
    return dict_remove(m, d, s, n, dict_hash(d, s, n))


cdef Dict* table_like(Mem* m, const Dict* of) noexcept nogil:
    """An empty table with another's hash seed."""
    cdef Dict* d = <Dict*>mem_calloc(m, sizeof(Dict))
    d.type = &entries_owned
    d.seed = of.seed
    return d


cdef void table_free(Mem* m, Dict* d) noexcept nogil:
    dict_clear(m, d)
    mem_free(m, d)


# ---------------------------------------------------------------- entries of a listpack

cdef inline void el_of_lp(SetEl* el, const uint8_t* p) noexcept nogil:
    el.s = lp_get(p, &el.n, &el.v)
    el.is_int = el.s == NULL
    el.hashed = False


cdef inline uint8_t* listpack_find(const Set* s, SetEl* el) noexcept nogil:
    cdef uint8_t* lp = <uint8_t*>s.p
    cdef uint8_t* first = lp_first(lp)
    if first == NULL:
        return NULL
    el_text(el)
    return lp_find(lp, first, el.s, el.n, 0)


cdef inline bint fits_listpack(Env* e, const uint8_t* lp, size_t entries, size_t longest, size_t bytes) noexcept nogil:
    """May one more member come to so many, if the longest of all has that length?"""
    return <int64_t>entries < e.knobs.set_max_listpack_entries and <int64_t>longest <= e.knobs.set_max_listpack_value \
        and lp_safe_to_add(lp, bytes)


cdef inline void listpack_append(Mem* m, Set* s, SetEl* el) noexcept nogil:
    if el_int(el):
        s.p = lp_append_i64(m, <uint8_t*>s.p, el.v)
    else:
        s.p = lp_append(m, <uint8_t*>s.p, el.s, el.n)
    rp_assert(s.p != NULL)


cdef SetAdded listpack_add(Mem* m, Env* e, Set* s, SetEl* el) noexcept nogil:
    cdef uint8_t* lp = <uint8_t*>s.p
    if listpack_find(s, el) != NULL:
        return SET_WAS_THERE
    if likely(fits_listpack(e, lp, lp_length(lp), el.n, el.n + LP_ENTRY_EXTRA)):
        listpack_append(m, s, el)
        return SET_ADDED
    set_to_table(m, e, s, set_size(s) + 1)
    return table_add(m, <Dict*>s.p, el)


# ---------------------------------------------------------------- intset

cdef inline size_t int_length(int64_t v) noexcept nogil:
    return num_digits10(<uint64_t>v) if v >= 0 else 1 + num_digits10(<uint64_t>0 - <uint64_t>v)


cdef void to_listpack(Mem* m, Set* s) noexcept nogil:
    cdef Intset* from_ = <Intset*>s.p
    cdef size_t i
    cdef size_t n = intset_length(from_)
    s.p = lp_new(m, 0)
    s.enc = ENC_LISTPACK
    for i in range(n):
        s.p = lp_append_i64(m, <uint8_t*>s.p, intset_get(from_, i))
    intset_free(m, from_)


cdef SetAdded text_to_intset(Mem* m, Env* e, Set* s, SetEl* el) noexcept nogil:
    """A member that is no integer comes: the intset becomes something else."""
    cdef Intset* i = <Intset*>s.p
    cdef size_t n = intset_length(i)
    cdef size_t longest = el.n
    if n:
        longest = max(longest, max(int_length(intset_min(i)), int_length(intset_max(i))))
    if fits_listpack(e, NULL, n, longest, (n + 1) * (longest + LP_ENTRY_EXTRA)):
        to_listpack(m, s)
        listpack_append(m, s, el)
        return SET_ADDED
    set_to_table(m, e, s, n + 1)
    return table_add(m, <Dict*>s.p, el)


cdef inline int64_t intset_limit(Env* e) noexcept nogil:
    return min(e.knobs.set_max_intset_entries, <int64_t>INTSET_MOST)


cdef SetAdded integers_add(Mem* m, Env* e, Set* s, SetEl* el) noexcept nogil:
    cdef bint added = False
    if unlikely(not el_int(el)):
        return text_to_intset(m, e, s, el)
    s.p = intset_add(m, <Intset*>s.p, el.v, &added)
    if not added:
        return SET_WAS_THERE
    if unlikely(<int64_t>intset_length(<Intset*>s.p) > intset_limit(e)):
        set_to_table(m, e, s, intset_length(<Intset*>s.p))
    return SET_ADDED


# ---------------------------------------------------------------- life

cdef Set set_new(Mem* m, Env* e, Encoding enc) noexcept nogil:
    cdef Set s
    s.enc = enc
    if enc == ENC_INTSET:
        s.p = intset_new(m)
    elif enc == ENC_LISTPACK:
        s.p = lp_new(m, 0)
    else:
        s.p = mem_alloc(m, sizeof(Dict))
        dict_init(<Dict*>s.p, &entries_owned, e)
    return s


cdef Set set_for(Mem* m, Env* e, SetEl* first, size_t expected) noexcept nogil:
    cdef Set s
    if el_int(first) and <int64_t>expected <= e.knobs.set_max_intset_entries:
        return set_new(m, e, ENC_INTSET)
    if <int64_t>expected <= e.knobs.set_max_listpack_entries:
        return set_new(m, e, ENC_LISTPACK)
    s = set_new(m, e, ENC_HT)
    dict_reserve(m, <Dict*>s.p, expected)
    return s


cdef void set_expect(Mem* m, Env* e, Set* s, size_t more) noexcept nogil:
    if s.enc == ENC_LISTPACK and <int64_t>more > e.knobs.set_max_listpack_entries \
            or s.enc == ENC_INTSET and <int64_t>more > e.knobs.set_max_intset_entries:
        set_to_table(m, e, s, max(more, set_size(s)))


cdef void set_to_table(Mem* m, Env* e, Set* s, size_t expected) noexcept nogil:
    cdef Set to
    cdef SetIter it
    cdef SetEl el
    if s.enc == ENC_HT:
        return
    to = set_new(m, e, ENC_HT)
    dict_reserve(m, <Dict*>to.p, expected)
    set_iter(&it, s)
    while set_next(&it, &el):                           # a listpack of another's may hold a member twice
        rp_assert(table_add(m, <Dict*>to.p, &el) != SET_NO_MEMORY)
    set_iter_end(&it)
    set_free(m, s)
    s[0] = to


cdef void set_free(Mem* m, Set* s) noexcept nogil:
    if s.p == NULL:
        return
    if s.enc == ENC_INTSET:
        intset_free(m, <Intset*>s.p)
    elif s.enc == ENC_LISTPACK:
        lp_free(m, <uint8_t*>s.p)
    else:
        table_free(m, <Dict*>s.p)
    s.p = NULL


cdef Dict* table_dup(Mem* m, Dict* of) noexcept nogil:
    cdef Dict* d = table_like(m, of)
    cdef DictIter it
    cdef void* entry
    cdef void* copy
    cdef const char* s
    cdef size_t n
    dict_reserve(m, d, of.used)
    dict_iter(&it, of)
    while True:
        entry = dict_next(&it)
        if entry == NULL:
            break
        s = set_entry_text(entry, &n)
        copy = entry_new(m, s, n)
        rp_assert(copy != NULL)
        dict_insert(m, d, dict_hash(d, s, n), copy)
    dict_iter_end(&it)
    return d


cdef Set set_dup(Mem* m, const Set* s) noexcept nogil:
    cdef Set copy
    copy.enc = s.enc
    if s.enc == ENC_INTSET:
        copy.p = intset_dup(m, <const Intset*>s.p)
    elif s.enc == ENC_LISTPACK:
        copy.p = lp_dup(m, <const uint8_t*>s.p)
    else:
        copy.p = table_dup(m, <Dict*>s.p)
    return copy


cdef size_t set_size(const Set* s) noexcept nogil:
    if s.p == NULL:
        return 0
    if s.enc == ENC_HT:
        return (<const Dict*>s.p).used
    if s.enc == ENC_INTSET:
        return intset_length(<const Intset*>s.p)
    return lp_length(<uint8_t*>s.p)


# ---------------------------------------------------------------- members

cdef SetAdded set_add(Mem* m, Env* e, Set* s, SetEl* el) noexcept nogil:
    if likely(s.enc == ENC_HT):
        return table_add(m, <Dict*>s.p, el)
    if s.enc == ENC_LISTPACK:
        return listpack_add(m, e, s, el)
    return integers_add(m, e, s, el)


cdef SetAdded set_put(Mem* m, Env* e, Set* s, SetEl* el) noexcept nogil:
    if s.p == NULL:
        s[0] = set_for(m, e, el, 1)
    return set_add(m, e, s, el)


cdef bint set_remove(Mem* m, Set* s, SetEl* el) noexcept nogil:
    cdef uint8_t* p
    cdef void* entry
    cdef uint64_t hash
    cdef bint removed = False
    if likely(s.enc == ENC_HT):
        hash = el_hash(el, <Dict*>s.p)
        entry = dict_remove(m, <Dict*>s.p, el.s, el.n, hash)
        mem_free(m, entry)
        return entry != NULL
    if s.enc == ENC_INTSET:
        if el_int(el):
            s.p = intset_remove(m, <Intset*>s.p, el.v, &removed)
        return removed
    p = listpack_find(s, el)
    if p == NULL:
        return False
    s.p = lp_delete(m, <uint8_t*>s.p, p, NULL)
    return True


cdef bint set_has(const Set* s, SetEl* el) noexcept nogil:
    if s.p == NULL:
        return False
    if likely(s.enc == ENC_HT):
        return table_find(<Dict*>s.p, el) != NULL
    if s.enc == ENC_INTSET:
        return el_int(el) and intset_find(<const Intset*>s.p, el.v)
    return listpack_find(s, el) != NULL


cdef void set_iter(SetIter* it, const Set* s) noexcept nogil:
    it.enc = s.enc
    it.p = s.p
    it.i = 0
    it.at = NULL
    if s.p == NULL:
        return
    if s.enc == ENC_LISTPACK:
        it.at = lp_first(<const uint8_t*>s.p)
    elif s.enc == ENC_HT:
        dict_iter(&it.d, <Dict*>s.p)


cdef bint set_next(SetIter* it, SetEl* el) noexcept nogil:
    cdef void* entry
    if it.p == NULL:
        return False
    if likely(it.enc == ENC_HT):
        entry = dict_next(&it.d)
        if entry == NULL:
            return False
        el_of_entry(el, entry)
        return True
    if it.enc == ENC_INTSET:
        if it.i == intset_length(<const Intset*>it.p):
            return False
        el_of_int(el, intset_get(<const Intset*>it.p, it.i))
        it.i += 1
        return True
    if it.at == NULL:
        return False
    el_of_lp(el, it.at)
    it.at = lp_next(it.at)
    return True


cdef void set_iter_end(SetIter* it) noexcept nogil:
    if it.p != NULL and it.enc == ENC_HT:
        dict_iter_end(&it.d)


# ---------------------------------------------------------------- chance

cdef void set_random(Env* e, const Set* s, SetEl* el) noexcept nogil:
    if likely(s.enc == ENC_HT):
        el_of_entry(el, dict_random(<Dict*>s.p, e))
    elif s.enc == ENC_INTSET:
        el_of_int(el, intset_random(<const Intset*>s.p, env_rand(e)))
    else:
        el_of_lp(el, lp_seek(<uint8_t*>s.p, env_rand_below(e, lp_length(<uint8_t*>s.p))))


cdef void* set_pop(Mem* m, Env* e, Set* s, SetEl* el) noexcept nogil:
    cdef void* entry = NULL
    cdef uint8_t* p
    cdef size_t i
    if likely(s.enc == ENC_HT):
        entry = table_take(m, <Dict*>s.p, e)
        el_of_entry(el, entry)
    elif s.enc == ENC_INTSET:
        i = env_rand_below(e, intset_length(<Intset*>s.p))
        el_of_int(el, intset_get(<Intset*>s.p, i))
        s.p = intset_remove_at(m, <Intset*>s.p, i, 1)
    else:
        p = lp_seek(<uint8_t*>s.p, env_rand_below(e, lp_length(<uint8_t*>s.p)))
        el_of_lp(el, p)
        if el.s != NULL:
            entry = entry_new(m, el.s, el.n)
            rp_assert(entry != NULL)
            el_of_entry(el, entry)
        s.p = lp_delete(m, <uint8_t*>s.p, p, NULL)
    return entry


cdef void bag_get(const SetBag* bag, size_t i, SetEl* el) noexcept nogil:
    if bag.enc == ENC_HT:
        el_of_entry(el, <void*>bag.words[i])
    elif bag.enc == ENC_INTSET:
        el_of_int(el, bag.words[i])
    else:
        el_of_lp(el, <uint8_t*>bag.words[i])


cdef void bag_free(Mem* m, SetBag* bag) noexcept nogil:
    cdef size_t i
    if bag.owned:
        for i in range(bag.n):
            mem_free(m, <void*>bag.words[i])
    mem_free(m, bag.block)
    mem_free(m, bag.words)
    bag.words = NULL


cdef inline void bag_init(Mem* m, SetBag* bag, Encoding enc, size_t room) noexcept nogil:
    bag.enc = enc
    bag.n = 0
    bag.words = <int64_t*>mem_alloc(m, (room + 1) * sizeof(int64_t))
    bag.block = NULL
    bag.owned = False


cdef inline void bag_push(SetBag* bag, int64_t word) noexcept nogil:
    bag.words[bag.n] = word
    bag.n += 1


cdef void set_every(Mem* m, const Set* s, SetBag* bag) noexcept nogil:
    cdef DictIter it
    cdef void* entry
    cdef uint8_t* p
    cdef size_t i
    cdef size_t n = set_size(s)
    bag_init(m, bag, s.enc, n)
    if s.enc == ENC_INTSET:
        for i in range(n):
            bag_push(bag, intset_get(<const Intset*>s.p, i))
    elif s.enc == ENC_LISTPACK:
        p = lp_first(<const uint8_t*>s.p)
        while p != NULL:
            bag_push(bag, <int64_t>p)
            p = lp_next(p)
    else:
        dict_iter(&it, <Dict*>s.p)
        for i in range(n):
            bag_push(bag, <int64_t>dict_next(&it))
        dict_iter_end(&it)


cdef void shuffle(Env* e, SetBag* bag, size_t count) noexcept nogil:
    """A uniform choice of `count` words, in random order, comes to the front."""
    cdef size_t i, k
    cdef int64_t word
    for i in range(count):
        k = i + env_rand_below(e, bag.n - i)
        word = bag.words[k]
        bag.words[k] = bag.words[i]
        bag.words[i] = word


cdef bint note(int64_t* seen, size_t mask, int64_t word) noexcept nogil:
    """Open addressing over mask + 1 places; False: it was there."""
    cdef size_t i = (<uint64_t>word * <uint64_t>0x9E3779B97F4A7C15) >> 20 & mask
    while seen[i] != 0:
        if seen[i] == word:
            return False
        i = (i + 1) & mask
    seen[i] = word
    return True


cdef void sample_table(Mem* m, Env* e, Dict* d, size_t count, SetBag* bag) noexcept nogil:
    """Few of many: random entries until enough are distinct."""
    cdef size_t places = 4
    cdef int64_t* seen
    cdef int64_t entry
    while places < 2 * count:
        places *= 2
    seen = <int64_t*>mem_calloc(m, places * sizeof(int64_t))
    bag_init(m, bag, ENC_HT, count)
    while bag.n < count:
        entry = <int64_t>dict_random(d, e)
        if note(seen, places - 1, entry):
            bag_push(bag, entry)
    mem_free(m, seen)


cdef void set_sample(Mem* m, Env* e, const Set* s, size_t count, SetBag* bag) noexcept nogil:
    if s.enc == ENC_HT and count < set_size(s) // 3:
        sample_table(m, e, <Dict*>s.p, count, bag)
        return
    set_every(m, s, bag)
    shuffle(e, bag, count)
    bag.n = count


# ---------------------------------------------------------------- taking many out

cdef inline bint chosen(Env* e, size_t* need, size_t left) noexcept nogil:
    """Is the next one of `left` among the `need` that are still to be chosen of them?"""
    if env_rand_below(e, left) >= need[0]:
        return False
    need[0] -= 1
    return True


cdef void pop_many_ints(Mem* m, Env* e, Set* s, size_t count, SetBag* bag) noexcept nogil:
    cdef Intset* old = <Intset*>s.p
    cdef Intset* kept = intset_new(m)
    cdef size_t n = intset_length(old)
    cdef size_t i
    cdef bint added
    for i in range(n):
        if chosen(e, &count, n - i):
            bag_push(bag, intset_get(old, i))
        else:
            kept = intset_add(m, kept, intset_get(old, i), &added)
    intset_free(m, old)
    s.p = kept


cdef void pop_many_listpack(Mem* m, Env* e, Set* s, size_t count, SetBag* bag) noexcept nogil:
    cdef uint8_t* old = <uint8_t*>s.p
    cdef uint8_t* kept = lp_new(m, lp_bytes(old))
    cdef uint8_t* to = kept + LP_HEADER
    cdef uint8_t* p = lp_first(old)
    cdef size_t n = lp_length(old)
    cdef size_t stay = n - count
    cdef size_t i, size
    for i in range(n):
        size = lp_entry_size(p)
        if chosen(e, &count, n - i):
            bag_push(bag, <int64_t>p)
        else:
            memcpy(to, p, size)
            to += size
        p += size
    to[0] = 0xFF
    lp_set_header(kept, to + 1 - kept, stay)
    bag.block = old
    s.p = lp_fit(m, kept)


cdef void pop_most(Mem* m, Env* e, Set* s, size_t stay, SetBag* bag) noexcept nogil:
    """What stays is chosen and moves to a new table."""
    cdef Dict* old = <Dict*>s.p
    cdef Dict* kept = table_like(m, old)
    cdef const char* text
    cdef size_t i, n
    set_every(m, s, bag)
    shuffle(e, bag, stay)
    dict_reserve(m, kept, stay)
    for i in range(stay):
        text = set_entry_text(<void*>bag.words[i], &n)
        dict_insert(m, kept, dict_hash(kept, text, n), <void*>bag.words[i])
    for i in range(stay, bag.n):
        bag.words[i - stay] = bag.words[i]
    bag.n -= stay
    bag.owned = True
    old.type = &entries_borrowed
    table_free(m, old)
    s.p = kept


cdef void set_pop_many(Mem* m, Env* e, Set* s, size_t count, SetBag* bag) noexcept nogil:
    cdef size_t stay = set_size(s) - count
    cdef size_t i
    if s.enc == ENC_HT and stay < count // 2:
        pop_most(m, e, s, stay, bag)
        return
    bag_init(m, bag, s.enc, count)
    if s.enc == ENC_INTSET:
        pop_many_ints(m, e, s, count, bag)
    elif s.enc == ENC_LISTPACK:
        pop_many_listpack(m, e, s, count, bag)
    else:
        bag.owned = True
        for i in range(count):
            bag_push(bag, <int64_t>table_take(m, <Dict*>s.p, e))


# ---------------------------------------------------------------- what the keyspace asks of a type

cdef void op_free(Mem* m, Robj* o) noexcept nogil:
    cdef Set s = set_of(o)
    set_free(m, &s)


cdef void* op_dup(Mem* m, const Robj* o) noexcept nogil:
    cdef Set s = set_of(o)
    s = set_dup(m, &s)
    return s.p


cdef size_t table_memory(Dict* d, size_t samples) noexcept nogil:
    cdef DictIter it
    cdef size_t bytes = 0
    cdef size_t seen = 0
    cdef void* entry
    dict_iter(&it, d)
    while samples == 0 or seen < samples:
        entry = dict_next(&it)
        if entry == NULL:
            break
        bytes += mem_usable(entry)
        seen += 1
    dict_iter_end(&it)
    if seen:
        bytes = <size_t>(<double>bytes / seen * d.used)
    return mem_usable(d) + dict_bytes(d) + bytes


cdef size_t op_memory(const Robj* o, size_t samples) noexcept nogil:
    cdef Set s = set_of(o)
    return table_memory(<Dict*>s.p, samples) if s.enc == ENC_HT else mem_usable(s.p)


cdef size_t op_length(const Robj* o) noexcept nogil:
    cdef Set s = set_of(o)
    return set_size(&s)


cdef size_t op_effort(const Robj* o) noexcept nogil:
    cdef Set s = set_of(o)
    return set_size(&s) if s.enc == ENC_HT else 1


cdef TypeOps ops
ops.free = op_free
ops.dup = op_dup
ops.memory = op_memory
ops.length = op_length
ops.effort = op_effort
robj_register(OBJ_SET, &ops)


# ---------------------------------------------------------------- test face

cdef class SetFace:
    """A set that never becomes a key, for tests."""
    cdef readonly MemFace memory
    cdef Env env
    cdef Set s

    def __cinit__(self, uint64_t seed=1, **knobs):
        self.memory = MemFace()
        env_init(&self.env)
        env_seed(&self.env, seed)
        for name, value in knobs.items():
            self.knob(name, value)

    def __dealloc__(self):
        set_free(&self.memory.mem, &self.s)

    def knob(self, str name, int64_t value):
        """knob("listpack_entries", 4)"""
        text = f"set_max_{name}".encode()
        env_knob(&self.env, text)[0] = value

    def __len__(self):
        return set_size(&self.s)

    def __contains__(self, bytes text):
        cdef SetEl el
        el_of_text(&el, text, len(text))
        return set_has(&self.s, &el)

    def has_int(self, int64_t v):
        """Looks an integer up that was never text."""
        cdef SetEl el
        el_of_int(&el, v)
        return set_has(&self.s, &el)

    def add(self, bytes text):
        """SetAdded as a number."""
        cdef SetEl el
        el_of_text(&el, text, len(text))
        return <int>set_put(&self.memory.mem, &self.env, &self.s, &el)

    def expect(self, size_t more):
        set_expect(&self.memory.mem, &self.env, &self.s, more)

    def remove(self, bytes text):
        """True if it was a member."""
        cdef SetEl el
        if self.s.p == NULL:
            return False
        el_of_text(&el, text, len(text))
        return set_remove(&self.memory.mem, &self.s, &el)

    def __iter__(self):
        cdef SetIter it
        cdef SetEl el
        found = []
        set_iter(&it, &self.s)
        while set_next(&it, &el):
            el_text(&el)
            found.append(el.s[:el.n])
        set_iter_end(&it)
        return iter(found)

    def random(self):
        cdef SetEl el
        set_random(&self.env, &self.s, &el)
        el_text(&el)
        return el.s[:el.n]

    def pop(self):
        cdef SetEl el
        cdef void* owned = set_pop(&self.memory.mem, &self.env, &self.s, &el)
        el_text(&el)
        text = el.s[:el.n]
        mem_free(&self.memory.mem, owned)
        return text

    cdef list emptied(self, SetBag* bag):
        cdef SetEl el
        found = []
        for i in range(bag.n):
            bag_get(bag, i, &el)
            el_text(&el)
            found.append(el.s[:el.n])
        bag_free(&self.memory.mem, bag)
        return found

    def sample(self, size_t count):
        """`count` distinct members."""
        cdef SetBag bag
        set_sample(&self.memory.mem, &self.env, &self.s, count, &bag)
        return self.emptied(&bag)

    def pop_many(self, size_t count):
        """`count` distinct members, taken out."""
        cdef SetBag bag
        assert count < set_size(&self.s)
        set_pop_many(&self.memory.mem, &self.env, &self.s, count, &bag)
        return self.emptied(&bag)

    def dup(self):
        """Makes the set its own copy."""
        cdef Set copy = set_dup(&self.memory.mem, &self.s)
        set_free(&self.memory.mem, &self.s)
        self.s = copy

    def clear(self):
        set_free(&self.memory.mem, &self.s)

    def blocks(self):
        return self.memory.mem.blocks

    def fail_after(self, int64_t n):
        self.memory.mem.fail_after = n

    @property
    def encoding(self):
        return None if self.s.p == NULL else enc_name(self.s.enc).decode()

    def check(self):
        """All invariants, O(n): the block is well formed, members are distinct and found, the count is right."""
        if self.s.p == NULL:
            return
        if self.s.enc == ENC_INTSET:
            assert intset_validate(self.s.p, 8 + rp_load32le(self.s.p) * len(self), True)
        elif self.s.enc == ENC_LISTPACK:
            assert lp_validate_integrity(self.s.p, lp_bytes(<uint8_t*>self.s.p), True, NULL, NULL)
        else:
            assert self.s.enc == ENC_HT and (<Dict*>self.s.p).type == &entries_owned
            assert (<Dict*>self.s.p).pause == 0
        members = list(self)
        assert len(members) == len(self) == len(set(members))
        for member in members:
            assert member in self
