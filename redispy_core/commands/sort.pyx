"""SORT and SORT_RO: the elements of a list, set or sorted set, by themselves or by what other keys hold. Room commands.

The elements are copied into one arena (a list's nodes may be compressed, numbers have no text anywhere), each with what
it is compared by: a number, or text. The sort is a stable merge of pointers. Without sorting (BY a pattern without *)
only the wanted range is read.

Texts compare byte by byte, in any locale. A missing weight counts as 0, or comes before all texts; so does an empty
one count as 0 (compat: Redis, Valkey refuses it).
"""
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy
from ..base.codec cimport key_slot
from ..base.mem cimport Mem, mem_alloc, mem_free, mem_realloc
from ..base.num cimport num_parse_double, num_print_i64
from ..base.rp cimport unlikely
from ..base.sds cimport Slice, slice_of
from ..exec.acl cimport acl_reads_all_keys
from ..exec.args cimport err, i64_or_reply, syntax_error, word_is
from ..exec.client cimport CL_SCRIPT, Ctx
from ..exec.dispatch cimport Exec
from ..exec.registry cimport Command, Registry, bind, registry_lookup
from ..keyspace.db cimport db_put, db_read, db_remove, db_write, key_changed
from ..keyspace.events cimport EV_GENERIC, EV_LIST
from ..proto.errors cimport (E_OOM_ALLOC, E_SORT_BY_ACL, E_SORT_BY_CLUSTER, E_SORT_GET_ACL, E_SORT_GET_CLUSTER,
                             E_SORT_SCORE, E_WRONGTYPE)
from ..proto.reply cimport reply_array, reply_bulk, reply_int, reply_null
from ..types.hash cimport HashAt, hash_find, hash_past, hash_text
from ..types.list cimport (LIST_TAIL, ListIter, list_close, list_fits, list_get, list_grow, list_length, list_new,
                           list_push, list_seek, list_step)
from ..types.object cimport (INT_TEXT, OBJ_HASH, OBJ_LIST, OBJ_SET, OBJ_STRING, OBJ_ZSET, Robj, robj_bytes, robj_free,
                             robj_type)
from ..types.set cimport Set, SetEl, SetIter, el_text, set_iter, set_iter_end, set_next, set_of, set_size
from ..types.zset cimport ZsetItem, ZsetIter, zset_iter, zset_next, zset_size

cdef struct Pattern:
    Slice text
    const char* star                # where the element goes; NULL: nowhere
    const char* tail                # behind it, up to the field or the end
    size_t tail_len
    Slice field                     # of a hash; ptr NULL: the key is a string
    bint self                       # "#"

cdef struct Item:
    const char* s                   # an offset into the arena while that grows
    size_t n
    double score
    const char* weight              # ALPHA and BY; NULL: missing. An offset, too
    size_t weight_len

cdef struct Sort:
    Ctx* x
    bint desc
    bint alpha
    bint unsorted
    bint by_key                     # by what other keys hold
    Pattern by
    Pattern* gets
    int ngets
    Slice store                     # ptr NULL: reply
    int64_t start
    int64_t count                   # < 0: all
    char* arena                     # bytes of the elements
    char* weights                   # ... and of the texts that they are compared by, when done
    size_t used
    size_t cap
    Item* items
    size_t n
    Item** order
    char* key                       # of a look-up
    size_t key_cap


# ---------------------------------------------------------------- options

cdef const char* find(const char* s, size_t n, const char* what, size_t m) noexcept nogil:
    cdef size_t i
    for i in range(n):
        if n - i < m:
            return NULL
        if memcmp(s + i, what, m) == 0:
            return s + i
    return NULL


cdef void pattern_of(Slice text, Pattern* p) noexcept nogil:
    """prefix*suffix or prefix*middle->field. compat: an arrow with nothing behind it is part of the key."""
    cdef const char* end = text.ptr + text.len
    cdef const char* arrow
    p.text = text
    p.self = text.len == 1 and text.ptr[0] == c'#'
    p.field.ptr = NULL
    p.field.len = 0
    p.star = <const char*>memchr(text.ptr, c'*', text.len)
    if p.star == NULL:
        return
    p.tail = p.star + 1
    arrow = find(p.tail, end - p.tail, b"->", 2)
    if arrow != NULL and arrow + 2 < end:
        p.field = slice_of(arrow + 2, end - arrow - 2)
        end = arrow
    p.tail_len = end - p.tail


cdef int pattern_slot(Slice text) noexcept nogil:
    """The cluster slot of all keys that a pattern can form; -1: they may have several."""
    cdef size_t i, open_ = 0
    cdef bint in_tag = False, seen = False      # compat: only the first brace can begin a tag
    cdef char c
    for i in range(text.len):
        c = text.ptr[i]
        if c == c'*' or c == c'?' or c == c'[' or c == c'\\':
            return -1
        if c == c'{' and not seen:
            in_tag = seen = True
            open_ = i
        elif c == c'}' and in_tag:
            if i > open_ + 1:
                return key_slot(text.ptr, i + 1)
            in_tag = False
    return key_slot(text.ptr, text.len)


cdef inline bint other_slot(Ctx* x, Slice pattern) noexcept nogil:
    return x.env.knobs.cluster_enabled and pattern_slot(pattern) != key_slot(x.argv[1].ptr, x.argv[1].len)


cdef bint may_read_all(Ctx* x) noexcept nogil:
    """BY and GET look into keys that no check of the arguments can know."""
    cdef Command* cmd
    if x.client.acl == NULL:
        return True
    cmd = registry_lookup(<Registry>(<Exec*>x.exec).registry, x.argv, x.argc)
    return cmd != NULL and acl_reads_all_keys(x.client, cmd, x.argv, x.argc)


cdef bint by_or_reply(Ctx* x, Sort* s, Slice text) noexcept nogil:
    pattern_of(text, &s.by)
    if s.by.star == NULL:
        s.unsorted = True                       # compat: even if another BY follows
        return True
    s.by_key = True
    if other_slot(x, text):
        err(x, E_SORT_BY_CLUSTER)
        return False
    if not may_read_all(x):
        err(x, E_SORT_BY_ACL)
        return False
    return True


cdef bint get_or_reply(Ctx* x, Sort* s, Slice text) noexcept nogil:
    if s.gets == NULL:
        s.gets = <Pattern*>mem_alloc(x.mem, x.argc * sizeof(Pattern))
    pattern_of(text, &s.gets[s.ngets])
    if not s.gets[s.ngets].self and other_slot(x, text):
        err(x, E_SORT_GET_CLUSTER)
        return False
    if not may_read_all(x):                     # compat: even for GET #
        err(x, E_SORT_GET_ACL)
        return False
    s.ngets += 1
    return True


cdef bint options_or_reply(Ctx* x, Sort* s, bint read_only) noexcept nogil:
    cdef int j = 2
    cdef int left
    while j < x.argc:
        left = x.argc - j - 1
        if word_is(x.argv[j], b"asc"):
            s.desc = False
        elif word_is(x.argv[j], b"desc"):
            s.desc = True
        elif word_is(x.argv[j], b"alpha"):
            s.alpha = True
        elif word_is(x.argv[j], b"limit") and left >= 2:
            if not i64_or_reply(x, x.argv[j + 1], &s.start) or not i64_or_reply(x, x.argv[j + 2], &s.count):
                return False
            j += 2
        elif word_is(x.argv[j], b"store") and left >= 1 and not read_only:
            s.store = x.argv[j + 1]
            j += 1
        elif word_is(x.argv[j], b"by") and left >= 1:
            if not by_or_reply(x, s, x.argv[j + 1]):
                return False
            j += 1
        elif word_is(x.argv[j], b"get") and left >= 1:
            if not get_or_reply(x, s, x.argv[j + 1]):
                return False
            j += 1
        else:
            syntax_error(x)
            return False
        j += 1
    return True


# ---------------------------------------------------------------- other keys

cdef Slice look_up(Sort* s, const Pattern* p, const char* el, size_t n, char* scratch) noexcept nogil:
    """What a pattern gives for an element, borrowed; ptr NULL: nothing. scratch: INT_TEXT bytes."""
    cdef Slice found = slice_of(el, n)
    cdef Slice key
    cdef size_t prefix
    cdef HashAt at
    cdef Robj* o
    if p.self:
        return found
    found.ptr = NULL
    if p.star == NULL:
        return found
    prefix = p.star - p.text.ptr
    key.len = prefix + n + p.tail_len
    if key.len > s.key_cap:
        s.key = <char*>mem_realloc(s.x.mem, s.key, 2 * key.len)
        s.key_cap = 2 * key.len
    key.ptr = s.key
    memcpy(s.key, p.text.ptr, prefix)
    memcpy(s.key + prefix, el, n)
    memcpy(s.key + prefix + n, p.tail, p.tail_len)
    s.x.ks.memo_ptr = NULL                      # the buffer held another key before
    o = db_read(s.x.ks, s.x.db, key)
    s.x.ks.memo_ptr = NULL
    if o == NULL:
        return found
    if p.field.ptr == NULL:
        if robj_type(o) == OBJ_STRING:
            found.ptr = robj_bytes(o, scratch, &found.len)
    elif robj_type(o) == OBJ_HASH and hash_find(o, p.field, &at) and not hash_past(at.when_ms, s.x.env.now_ms):
        found = hash_text(&at.val, scratch)
    return found


# ---------------------------------------------------------------- loading

cdef size_t keep_text(Sort* s, const char* text, size_t n) noexcept nogil:
    """Copies bytes into the arena; their offset."""
    cdef size_t at = s.used
    if s.cap - at < n or s.arena == NULL:
        s.cap = 2 * (at + n) + 256
        s.arena = <char*>mem_realloc(s.x.mem, s.arena, s.cap)
    memcpy(s.arena + at, text, n)
    s.used += n
    return at


cdef inline void load(Sort* s, const char* text, size_t n) noexcept nogil:
    cdef Item* item = &s.items[s.n]
    item.s = <const char*>keep_text(s, text, n)
    item.n = n
    s.n += 1


cdef inline void load_int(Sort* s, int64_t v) noexcept nogil:
    cdef char[INT_TEXT] text
    load(s, text, num_print_i64(text, v))


cdef void load_list(Sort* s, Robj* o, int64_t first, int64_t count) noexcept nogil:
    """From its tail where it is to stay in descending order."""
    cdef bint back = s.desc and s.unsorted
    cdef ListIter it
    cdef const char* text
    cdef size_t n = 0
    cdef int64_t v = 0
    if count == 0 or not list_seek(s.x.mem, o, -1 - first if back else first, -1 if back else 1, &it):
        return
    while True:
        text = list_get(s.x.mem, &it, &n, &v)
        if text != NULL:
            load(s, text, n)
        else:
            load_int(s, v)
        count -= 1
        if count == 0 or not list_step(s.x.mem, &it):
            break
    list_close(s.x.mem, &it)


cdef void load_set(Sort* s, Robj* o, int64_t first, int64_t count) noexcept nogil:
    cdef Set from_ = set_of(o)
    cdef SetIter it
    cdef SetEl el
    set_iter(&it, &from_)
    while count > 0 and set_next(&it, &el):
        if first > 0:
            first -= 1
            continue
        el_text(&el)
        load(s, el.s, el.n)
        count -= 1
    set_iter_end(&it)


cdef void load_zset(Sort* s, Robj* o, int64_t first, int64_t count) noexcept nogil:
    """By score; descending only where that order is to stay."""
    cdef ZsetIter it
    cdef ZsetItem item
    zset_iter(&it, o, first, count, s.desc and s.unsorted)
    while zset_next(&it, &item):
        load(s, item.member, item.len)


cdef size_t length_of(const Robj* o) noexcept nogil:
    cdef Set s
    if o == NULL:
        return 0
    if robj_type(o) == OBJ_LIST:
        return list_length(o)
    if robj_type(o) == OBJ_ZSET:
        return zset_size(o)
    s = set_of(o)
    return set_size(&s)


cdef void wanted(const Sort* s, int64_t length, int64_t* first, int64_t* count) noexcept nogil:
    """LIMIT, cut to what there is."""
    first[0] = min(max(s.start, 0), length)
    count[0] = length - first[0]
    if s.count >= 0 and s.count < count[0]:
        count[0] = s.count


cdef void load_elements(Sort* s, Robj* o) noexcept nogil:
    """All elements, or those that are wanted when the order stays."""
    cdef int64_t length = length_of(o)
    cdef int64_t first = 0, count = length
    cdef size_t i
    if s.unsorted:
        wanted(s, length, &first, &count)
    s.items = <Item*>mem_alloc(s.x.mem, (count + 1) * sizeof(Item))
    if count == 0:
        return
    if robj_type(o) == OBJ_LIST:
        load_list(s, o, first, count)
    elif robj_type(o) == OBJ_ZSET:
        load_zset(s, o, first, count)
    else:
        load_set(s, o, first, count)
    for i in range(s.n):
        s.items[i].s = s.arena + <size_t>s.items[i].s


cdef bint score_of(const char* text, size_t n, double* score) noexcept nogil:
    score[0] = 0
    return n == 0 or num_parse_double(text, n, score)


cdef bint load_weights(Sort* s) noexcept nogil:
    """What the elements are compared by; False: something is no number."""
    cdef char[INT_TEXT] scratch
    cdef Item* item
    cdef Slice weight
    cdef size_t i
    cdef char* elements = s.arena
    if s.by_key and s.alpha:
        s.arena = NULL                          # the weights get an arena of their own: the elements must not move
        s.used = s.cap = 0
    for i in range(s.n):
        item = &s.items[i]
        weight = slice_of(item.s, item.n)
        if s.by_key:
            weight = look_up(s, &s.by, item.s, item.n, scratch)
        item.weight_len = weight.len
        item.weight = NULL
        item.score = 0
        if weight.ptr == NULL:
            continue
        if not s.alpha:
            if not score_of(weight.ptr, weight.len, &item.score):
                return False
        elif s.by_key:
            item.weight = <const char*>(keep_text(s, weight.ptr, weight.len) + 1)
        else:
            item.weight = weight.ptr
    if s.by_key and s.alpha:
        for i in range(s.n):
            if s.items[i].weight != NULL:
                s.items[i].weight = s.arena + (<size_t>s.items[i].weight - 1)
        s.weights = s.arena
        s.arena = elements
    return True


# ---------------------------------------------------------------- sorting

cdef inline int compare_bytes(const char* a, size_t an, const char* b, size_t bn) noexcept nogil:
    cdef int c = memcmp(a, b, an if an < bn else bn)
    if c:
        return c
    return (an > bn) - (an < bn)


cdef inline int compare(const Sort* s, const Item* a, const Item* b) noexcept nogil:
    """Equal numbers are ordered by the elements, equal texts of other keys not at all."""
    if not s.alpha:
        if a.score != b.score:
            return 1 if a.score > b.score else -1
        return compare_bytes(a.s, a.n, b.s, b.n)
    if a.weight == NULL or b.weight == NULL:
        return (a.weight != NULL) - (b.weight != NULL)
    return compare_bytes(a.weight, a.weight_len, b.weight, b.weight_len)


cdef void merge(const Sort* s, Item** from_, Item** to, size_t low, size_t mid, size_t high) noexcept nogil:
    cdef size_t i = low, k = mid, at
    cdef int sign = -1 if s.desc else 1
    for at in range(low, high):
        if i < mid and (k == high or sign * compare(s, from_[i], from_[k]) <= 0):
            to[at] = from_[i]
            i += 1
        else:
            to[at] = from_[k]
            k += 1


cdef void sort_items(Sort* s) noexcept nogil:
    """Bottom-up merge sort, O(n log n); leaves s.order."""
    cdef Item** a = <Item**>mem_alloc(s.x.mem, (s.n + 1) * sizeof(Item*))
    cdef Item** b
    cdef Item** swap
    cdef size_t width = 1
    cdef size_t i
    for i in range(s.n):
        a[i] = &s.items[i]
    s.order = a
    if s.unsorted:
        return
    b = <Item**>mem_alloc(s.x.mem, (s.n + 1) * sizeof(Item*))
    while width < s.n:
        i = 0
        while i < s.n:
            merge(s, a, b, i, min(i + width, s.n), min(i + 2 * width, s.n))
            i += 2 * width
        swap = a
        a = b
        b = swap
        width *= 2
    s.order = a
    mem_free(s.x.mem, b)


# ---------------------------------------------------------------- results

cdef int reply_items(Sort* s, int64_t first, int64_t count) noexcept nogil:
    cdef char[INT_TEXT] scratch
    cdef Slice value
    cdef int64_t i
    cdef int g
    reply_array(s.x.out, count * max(s.ngets, 1))
    for i in range(first, first + count):
        if s.ngets == 0:
            reply_bulk(s.x.out, s.order[i].s, s.order[i].n)
        for g in range(s.ngets):
            value = look_up(s, &s.gets[g], s.order[i].s, s.order[i].n, scratch)
            if value.ptr == NULL:
                reply_null(s.x.out)
            else:
                reply_bulk(s.x.out, value.ptr, value.len)
    return 0


cdef bint push(Sort* s, Robj* o, Slice value) noexcept nogil:
    if value.ptr == NULL:
        value = slice_of(b"", 0)                # a missing value is stored as an empty one
    if unlikely(not list_fits(s.x.mem, &value, 1)):
        return False
    list_grow(s.x.mem, &s.x.env.knobs, o, &value, 1)
    list_push(s.x.mem, o, LIST_TAIL, value.ptr, value.len)
    return True


cdef bint fill_list(Sort* s, Robj* o, int64_t first, int64_t count) noexcept nogil:
    """False: no memory for a value."""
    cdef char[INT_TEXT] scratch
    cdef int64_t i
    cdef int g
    for i in range(first, first + count):
        if s.ngets == 0 and not push(s, o, slice_of(s.order[i].s, s.order[i].n)):
            return False
        for g in range(s.ngets):
            if not push(s, o, look_up(s, &s.gets[g], s.order[i].s, s.order[i].n, scratch)):
                return False
    return True


cdef int store_items(Sort* s, int64_t first, int64_t count) noexcept nogil:
    """The result becomes a list; an empty one deletes the destination."""
    cdef Ctx* x = s.x
    cdef Robj* old
    cdef Robj* o
    if count == 0:
        if db_write(x.ks, x.db, s.store) != NULL:
            db_remove(x.ks, x.db, s.store, x.env.knobs.lazyfree_lazy_server_del != 0)
            key_changed(x.ks, x.db, s.store, EV_GENERIC, b"del")
        return reply_int(x.out, 0)
    o = list_new(x.mem, s.store, 0)
    if unlikely(not fill_list(s, o, first, count)):
        robj_free(x.mem, o)
        return err(x, E_OOM_ALLOC)
    db_write(x.ks, x.db, s.store)               # an expired destination goes as such
    db_put(x.ks, x.db, o)
    count *= max(s.ngets, 1)
    x.ks.ev.dirty += count - 1
    key_changed(x.ks, x.db, s.store, EV_LIST, b"sortstore")
    return reply_int(x.out, count)


# ---------------------------------------------------------------- the commands

cdef int sort_key(Sort* s) noexcept nogil:
    cdef Ctx* x = s.x
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    cdef int64_t first = 0, count
    if o != NULL and robj_type(o) != OBJ_LIST and robj_type(o) != OBJ_SET and robj_type(o) != OBJ_ZSET:
        return err(x, E_WRONGTYPE)
    if s.unsorted and o != NULL and robj_type(o) == OBJ_SET \
            and (s.store.ptr != NULL or x.client.flags & CL_SCRIPT):
        s.unsorted = s.by_key = False           # compat: what is stored, or what a script sees, shall not depend on chance
        s.alpha = True
    load_elements(s, o)
    if not s.unsorted and not load_weights(s):
        return err(x, E_SORT_SCORE)
    sort_items(s)
    count = s.n
    if not s.unsorted:
        wanted(s, s.n, &first, &count)
    if s.store.ptr != NULL:
        return store_items(s, first, count)
    return reply_items(s, first, count)


cdef int sort_generic(Ctx* x, bint read_only) noexcept nogil:
    """key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC|DESC] [ALPHA] [STORE destination]"""
    cdef Sort s
    s.x = x
    s.desc = s.alpha = s.unsorted = s.by_key = False
    s.gets = NULL
    s.ngets = 0
    s.store.ptr = NULL
    s.start = 0
    s.count = -1
    s.arena = s.weights = s.key = NULL
    s.used = s.cap = s.key_cap = s.n = 0
    s.items = NULL
    s.order = NULL
    if options_or_reply(x, &s, read_only):
        sort_key(&s)
    mem_free(x.mem, s.gets)
    mem_free(x.mem, s.arena)
    mem_free(x.mem, s.weights)
    mem_free(x.mem, s.key)
    mem_free(x.mem, s.items)
    mem_free(x.mem, s.order)
    return 0


cdef int sort_command(Ctx* x) noexcept nogil:
    """SORT. O(n log n) and a look-up an element for BY, one a result for each GET."""
    return sort_generic(x, False)


cdef int sort_ro_command(Ctx* x) noexcept nogil:
    """SORT_RO: SORT without STORE."""
    return sort_generic(x, True)


bind(b"sort", sort_command)
bind(b"sort_ro", sort_ro_command)
