"""Lists (contract: list.pxd). Room types: knows no client and no reply; used by commands/lists, SORT, RDB.

    listpack    one block, while it holds at most list-max-listpack-size (elements if positive, 4..64 KB for -1..-5)
    quicklist   structs/quicklist, nodes of that size, list-compress-depth of them uncompressed at each end

Conversions are those of Redis 7.2: before texts are added the bytes of the listpack and of all the texts are compared
with the limit, so a conversion can come an element early, and comes even if nothing is added then (LINSERT without a
pivot). After removals and LSET a quicklist of one packed node turns back when that is at most half of the limit; when
loaded, if it is within the limit.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from ..base.env cimport Env, Knobs, env_init
from ..base.mem cimport Mem, MemFace, mem_free, mem_try_alloc, mem_usable
from ..base.rp cimport likely, unlikely
from ..base.sds cimport Slice, slice_of
from ..structs.listpack cimport (LP_AFTER, LP_BEFORE, LP_REPLACE, LpNeedle, lp_append, lp_append_i64, lp_bytes,
                                 lp_delete, lp_delete_range, lp_dup, lp_entry_size, lp_first, lp_fit, lp_free, lp_get,
                                 lp_insert, lp_last, lp_length, lp_matches, lp_needle, lp_new, lp_prepend,
                                 lp_prepend_i64, lp_prev, lp_seek, lp_validate_integrity)
from ..structs.quicklist cimport (QL_PACKED, QlView, Quicklist, ql_close, ql_delete, ql_delete_range, ql_drop, ql_dup,
                                  ql_find, ql_free, ql_from_listpack, ql_insert, ql_length, ql_memory, ql_node_limit,
                                  ql_node_view, ql_peek, ql_push, ql_push_i64, ql_replace, ql_rotate, ql_seek,
                                  ql_set_options, ql_take_listpack)
from .object cimport (ENC_QUICKLIST, NO_EXPIRE, OBJ_LIST, TypeOps, robj_boxed, robj_free, robj_ptr, robj_register,
                      robj_retag, robj_set_ptr)

cdef enum:
    LARGE = 1 << 16                # elements from here on are tried for memory first
    HALF = 2                       # a quicklist must shrink to limit / HALF


# ---------------------------------------------------------------- making

cdef Robj* list_new(Mem* m, Slice key, size_t room) noexcept nogil:
    return robj_boxed(m, key, OBJ_LIST, ENC_LISTPACK, lp_new(m, room), NO_EXPIRE)


cdef bint list_fits(Mem* m, const Slice* add, int n) noexcept nogil:
    cdef size_t large = 0
    cdef void* probe
    cdef int i
    for i in range(n):
        if unlikely(add[i].len >= LARGE):
            large += add[i].len
    if likely(large == 0):
        return True
    probe = mem_try_alloc(m, large)
    if probe == NULL:
        return False
    mem_free(m, probe)
    return True


cdef inline uint8_t* lp_of(const Robj* o) noexcept nogil:
    return <uint8_t*>robj_ptr(o)


cdef inline Quicklist* ql_of(const Robj* o) noexcept nogil:
    return <Quicklist*>robj_ptr(o)


# ---------------------------------------------------------------- conversions

cdef inline bint exceeds(int64_t fill, size_t bytes, size_t count, int part) noexcept nogil:
    """Is this more than a node may hold, or than 1/part of it?"""
    cdef size_t most
    if fill < 0:
        return bytes > ql_node_limit(fill) // part
    if part == 1 and bytes > ql_node_limit(fill):
        return True
    most = 1 if fill == 0 else <size_t>fill
    return count > most // part


cdef void to_quicklist(Mem* m, const Knobs* k, Robj* o) noexcept nogil:
    cdef Quicklist* q = ql_from_listpack(m, k.list_max_listpack_size, k.list_compress_depth, lp_of(o))
    robj_set_ptr(o, q)
    robj_retag(o, OBJ_LIST, ENC_QUICKLIST)


cdef void list_grow(Mem* m, const Knobs* k, Robj* o, const Slice* add, int n) noexcept nogil:
    cdef size_t bytes = 0
    cdef int i
    if robj_enc(o) != ENC_LISTPACK:
        if unlikely(ql_of(o).fill != k.list_max_listpack_size or ql_of(o).depth != k.list_compress_depth):
            ql_set_options(ql_of(o), k.list_max_listpack_size, k.list_compress_depth)
        return
    for i in range(n):
        bytes += add[i].len
    if unlikely(exceeds(k.list_max_listpack_size, lp_bytes(lp_of(o)) + bytes, lp_length(lp_of(o)) + n, 1)):
        to_quicklist(m, k, o)


cdef void list_set_packed_threshold(Robj* o, size_t bytes) noexcept nogil:
    if robj_enc(o) != ENC_LISTPACK:
        ql_of(o).packed_threshold = bytes


cdef void to_listpack(Mem* m, const Knobs* k, Robj* o, int part) noexcept nogil:
    """A quicklist of one packed node within limit/part becomes a listpack."""
    cdef Quicklist* q = ql_of(o)
    cdef QlView view
    cdef uint8_t* lp
    if q.nodes != 1 or q.head.kind != QL_PACKED:
        return
    ql_node_view(q.head, &view)
    if exceeds(k.list_max_listpack_size, view.raw_len, q.count, part):
        return
    lp = ql_take_listpack(m, q)
    robj_set_ptr(o, lp)
    robj_retag(o, OBJ_LIST, ENC_LISTPACK)


cdef void list_shrink(Mem* m, const Knobs* k, Robj* o) noexcept nogil:
    if robj_enc(o) != ENC_LISTPACK:
        to_listpack(m, k, o, HALF)


# ---------------------------------------------------------------- ends

cdef void list_push(Mem* m, Robj* o, int where, const char* s, size_t n) noexcept nogil:
    cdef uint8_t* lp
    if robj_enc(o) != ENC_LISTPACK:
        ql_push(m, ql_of(o), where, s, n)
        return
    lp = lp_prepend(m, lp_of(o), s, n) if where == LIST_HEAD else lp_append(m, lp_of(o), s, n)
    robj_set_ptr(o, lp)


cdef bint list_peek(const Robj* o, int where, const char** s, size_t* n, int64_t* v) noexcept nogil:
    cdef uint8_t* p
    if robj_enc(o) != ENC_LISTPACK:
        return ql_peek(ql_of(o), where, s, n, v)
    p = lp_first(lp_of(o)) if where == LIST_HEAD else lp_last(lp_of(o))
    if p == NULL:
        return False
    s[0] = lp_get(p, n, v)
    return True


cdef void list_drop(Mem* m, Robj* o, int where) noexcept nogil:
    cdef uint8_t* lp
    if robj_enc(o) != ENC_LISTPACK:
        ql_drop(m, ql_of(o), where)
        return
    lp = lp_of(o)
    robj_set_ptr(o, lp_delete(m, lp, lp_first(lp) if where == LIST_HEAD else lp_last(lp), NULL))


cdef void rotate_listpack(Mem* m, Robj* o, int source) noexcept nogil:
    """The element is a part of the block that changes, so its text goes over a copy."""
    cdef uint8_t* lp = lp_of(o)
    cdef uint8_t* p = lp_first(lp) if source == LIST_HEAD else lp_last(lp)
    cdef size_t n = 0
    cdef int64_t v = 0
    cdef const char* s = lp_get(p, &n, &v)
    cdef Slice kept = slice_of(NULL, 0)
    cdef uint8_t* copy
    if s == NULL:
        lp = lp_delete(m, lp, p, NULL)
        lp = lp_append_i64(m, lp, v) if source == LIST_HEAD else lp_prepend_i64(m, lp, v)
    else:
        copy = lp_append(m, lp_new(m, n + 16), s, n)
        kept.ptr = lp_get(lp_first(copy), &kept.len, &v)
        lp = lp_delete(m, lp, p, NULL)
        lp = lp_append(m, lp, kept.ptr, kept.len) if source == LIST_HEAD else lp_prepend(m, lp, kept.ptr, kept.len)
        lp_free(m, copy)
    robj_set_ptr(o, lp)


cdef void list_rotate(Mem* m, Robj* o, int source, int target) noexcept nogil:
    if source == target:
        return
    if robj_enc(o) != ENC_LISTPACK:
        ql_rotate(m, ql_of(o), source)
    else:
        rotate_listpack(m, o, source)


cdef uint64_t list_length(const Robj* o) noexcept nogil:
    return lp_length(lp_of(o)) if robj_enc(o) == ENC_LISTPACK else ql_length(ql_of(o))


# ---------------------------------------------------------------- places

cdef bint list_seek(Mem* m, Robj* o, int64_t index, int dir, ListIter* it) noexcept nogil:
    it.o = o
    it.dir = dir
    if robj_enc(o) != ENC_LISTPACK:
        it.lp = NULL
        it.q = ql_of(o)
        return ql_seek(m, it.q, index, dir, &it.it)
    it.q = NULL
    it.lp = lp_of(o)
    it.p = lp_seek(it.lp, index)
    it.index = index if index >= 0 else index + <int64_t>lp_length(it.lp)
    return it.p != NULL


cdef bint list_step_far(Mem* m, ListIter* it) noexcept nogil:
    it.p = lp_prev(it.lp, it.p)
    it.index -= 1
    return it.p != NULL


cdef bint list_find(Mem* m, ListIter* it, const LpNeedle* nd, uint64_t most) noexcept nogil:
    cdef uint64_t seen = 0
    if it.q != NULL:
        return ql_find(m, it.q, &it.it, nd, most)
    while most == 0 or seen < most:
        if lp_matches(it.p, nd):
            return True
        seen += 1
        if not list_step(m, it):
            return False
    return False


cdef int64_t list_index(const ListIter* it) noexcept nogil:
    return it.it.index if it.q != NULL else it.index


cdef void list_close(Mem* m, ListIter* it) noexcept nogil:
    if it.q != NULL:
        ql_close(m, it.q)


cdef bint list_delete(Mem* m, ListIter* it) noexcept nogil:
    cdef uint8_t* next = NULL
    if it.q != NULL:
        return ql_delete(m, it.q, &it.it)
    it.lp = lp_delete(m, it.lp, it.p, &next)
    robj_set_ptr(it.o, it.lp)
    if it.dir > 0:
        it.p = next
        return next != NULL
    it.p = lp_last(it.lp) if next == NULL else lp_prev(it.lp, next)
    it.index -= 1
    return it.p != NULL


cdef void list_insert(Mem* m, ListIter* it, int where, const char* s, size_t n) noexcept nogil:
    if it.q != NULL:
        ql_insert(m, it.q, &it.it, where, s, n)
    else:
        robj_set_ptr(it.o, lp_insert(m, it.lp, it.p, where, s, n, NULL))


cdef void list_replace(Mem* m, ListIter* it, const char* s, size_t n) noexcept nogil:
    if it.q != NULL:
        ql_replace(m, it.q, &it.it, s, n)
    else:
        robj_set_ptr(it.o, lp_insert(m, it.lp, it.p, LP_REPLACE, s, n, NULL))


cdef uint64_t list_delete_range(Mem* m, Robj* o, int64_t start, uint64_t count) noexcept nogil:
    cdef uint8_t* lp
    cdef uint64_t before
    if robj_enc(o) != ENC_LISTPACK:
        return ql_delete_range(m, ql_of(o), start, count)
    lp = lp_of(o)
    before = lp_length(lp)
    lp = lp_delete_range(m, lp, start, count)
    robj_set_ptr(o, lp)
    return before - lp_length(lp)


# ---------------------------------------------------------------- saving and loading

cdef void settle(Mem* m, const Knobs* k, Robj* o) noexcept nogil:
    """Gives a list that was loaded the encoding for its size."""
    if robj_enc(o) != ENC_LISTPACK:
        to_listpack(m, k, o, 1)
    elif exceeds(k.list_max_listpack_size, lp_bytes(lp_of(o)), lp_length(lp_of(o)), 1):
        to_quicklist(m, k, o)


cdef Robj* list_from_listpack(Mem* m, const Knobs* k, Slice key, uint8_t* lp, int64_t when_ms) noexcept nogil:
    cdef Robj* o = robj_boxed(m, key, OBJ_LIST, ENC_LISTPACK, lp, when_ms)
    settle(m, k, o)
    return o


cdef Robj* list_from_quicklist(Mem* m, const Knobs* k, Slice key, Quicklist* q, int64_t when_ms) noexcept nogil:
    cdef Robj* o = robj_boxed(m, key, OBJ_LIST, ENC_QUICKLIST, q, when_ms)
    settle(m, k, o)
    return o


# ---------------------------------------------------------------- what types/object asks

cdef void list_free(Mem* m, Robj* o) noexcept nogil:
    if robj_enc(o) == ENC_LISTPACK:
        lp_free(m, lp_of(o))
    else:
        ql_free(m, ql_of(o))


cdef void* list_dup(Mem* m, const Robj* o) noexcept nogil:
    return <void*>lp_dup(m, lp_of(o)) if robj_enc(o) == ENC_LISTPACK else <void*>ql_dup(m, ql_of(o))


cdef size_t list_memory(const Robj* o, size_t samples) noexcept nogil:
    return mem_usable(robj_ptr(o)) if robj_enc(o) == ENC_LISTPACK else ql_memory(ql_of(o), samples)


cdef size_t list_elements(const Robj* o) noexcept nogil:
    return list_length(o)


cdef size_t list_effort(const Robj* o) noexcept nogil:
    return 1 if robj_enc(o) == ENC_LISTPACK else ql_of(o).nodes


cdef TypeOps list_ops
list_ops.free = list_free
list_ops.dup = list_dup
list_ops.memory = list_memory
list_ops.length = list_elements
list_ops.effort = list_effort
robj_register(OBJ_LIST, &list_ops)


# ---------------------------------------------------------------- the face for tests

cdef class ListFace:
    """A list for tests: values go in as bytes, come out as bytes. check() raises AssertionError."""
    cdef Robj* o
    cdef Env env
    cdef readonly MemFace mem

    def __cinit__(self, int64_t fill=-2, int64_t depth=0):
        self.mem = MemFace()
        env_init(&self.env)
        self.set_knobs(fill, depth)
        self.o = list_new(&self.mem.mem, slice_of(b"key", 3), 0)

    def __dealloc__(self):
        robj_free(&self.mem.mem, self.o)

    def __len__(self):
        return list_length(self.o)

    def set_knobs(self, int64_t fill, int64_t depth):
        self.env.knobs.list_max_listpack_size = fill
        self.env.knobs.list_compress_depth = depth

    @property
    def encoding(self):
        return "listpack" if robj_enc(self.o) == ENC_LISTPACK else "quicklist"

    cdef grow(self, bytes v):
        cdef Slice s = slice_of(v, len(v))
        list_grow(&self.mem.mem, &self.env.knobs, self.o, &s, 1)

    def push(self, int where, bytes v):
        self.grow(v)
        list_push(&self.mem.mem, self.o, where, v, len(v))

    def pop(self, int where):
        cdef const char* s = NULL
        cdef size_t n = 0
        cdef int64_t v = 0
        if not list_peek(self.o, where, &s, &n, &v):
            return None
        out = str(v).encode() if s == NULL else s[:n]
        list_drop(&self.mem.mem, self.o, where)
        list_shrink(&self.mem.mem, &self.env.knobs, self.o)
        return out

    def rotate(self, int source, int target):
        list_rotate(&self.mem.mem, self.o, source, target)

    cdef value(self, ListIter* it):
        cdef size_t n = 0
        cdef int64_t v = 0
        cdef const char* s = list_get(&self.mem.mem, it, &n, &v)
        return str(v).encode() if s == NULL else s[:n]

    def walk(self, int64_t start=0, int dir=1):
        """Values from an index on, in direction 1 or -1."""
        cdef ListIter it
        out = []
        cdef bint more = list_seek(&self.mem.mem, self.o, start, dir, &it)
        cdef int64_t index = list_index(&it) if more else 0
        while more:
            assert list_index(&it) == index
            out.append(self.value(&it))
            more = list_step(&self.mem.mem, &it)
            index += dir
        list_close(&self.mem.mem, &it)
        return out

    def find(self, bytes s, int64_t start=0, int dir=1, uint64_t most=0):
        cdef ListIter it
        cdef LpNeedle nd
        lp_needle(&nd, s, len(s))
        cdef bint hit = list_seek(&self.mem.mem, self.o, start, dir, &it)
        hit = hit and list_find(&self.mem.mem, &it, &nd, most)
        list_close(&self.mem.mem, &it)
        return list_index(&it) if hit else None

    def remove(self, bytes s, size_t count, int dir=1):
        """Deletes up to count elements equal to s; how many."""
        cdef ListIter it
        cdef LpNeedle nd
        cdef size_t gone = 0
        lp_needle(&nd, s, len(s))
        cdef bint more = list_seek(&self.mem.mem, self.o, 0 if dir > 0 else -1, dir, &it)
        while more and gone < count and list_find(&self.mem.mem, &it, &nd, 0):
            more = list_delete(&self.mem.mem, &it)
            gone += 1
        list_close(&self.mem.mem, &it)
        list_shrink(&self.mem.mem, &self.env.knobs, self.o)
        return gone

    def insert(self, int64_t index, bint after, bytes v):
        cdef ListIter it
        self.grow(v)
        if not list_seek(&self.mem.mem, self.o, index, 1, &it):
            raise IndexError(index)
        list_insert(&self.mem.mem, &it, LP_AFTER if after else LP_BEFORE, v, len(v))

    def replace(self, int64_t index, bytes v):
        cdef ListIter it
        self.grow(v)
        if not list_seek(&self.mem.mem, self.o, index, 1, &it):
            raise IndexError(index)
        list_replace(&self.mem.mem, &it, v, len(v))
        list_shrink(&self.mem.mem, &self.env.knobs, self.o)

    def delete_range(self, int64_t start, uint64_t count):
        gone = list_delete_range(&self.mem.mem, self.o, start, count)
        list_shrink(&self.mem.mem, &self.env.knobs, self.o)
        return gone

    def dup(self):
        """The values of a copy, which is freed."""
        cdef Robj* own = self.o
        cdef Robj* copy = robj_boxed(&self.mem.mem, slice_of(b"copy", 4), OBJ_LIST, robj_enc(own),
                                     list_dup(&self.mem.mem, own), NO_EXPIRE)
        self.o = copy
        try:
            return self.walk()
        finally:
            self.o = own
            robj_free(&self.mem.mem, copy)

    def memory(self):
        return list_memory(self.o, 0)

    def check(self):
        """All that holds between calls: the encoding suits the size, blobs are valid. O(n)."""
        cdef Quicklist* q
        cdef size_t total = 0
        cdef uint8_t* lp
        if robj_enc(self.o) == ENC_LISTPACK:
            lp = lp_of(self.o)
            assert lp_validate_integrity(lp, lp_bytes(lp), True, NULL, NULL)
            return
        q = ql_of(self.o)
        assert q.open == NULL and q.raw == NULL, "a walk was not closed"
        node = q.head
        while node != NULL:
            total += node.count
            node = node.next
        assert total == q.count
