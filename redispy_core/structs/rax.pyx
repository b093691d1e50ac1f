"""Radix tree (see rax.pxd): streams by 128-bit big-endian IDs, groups, pending entries, tracked keys.

One kind of node, exactly as large as its content, changed by realloc:

    [plen u16][meta u16][own value 8, if any][slots 8 x n][first bytes n, ascending][prefix plen]

A node stands for the bytes that lead to it followed by its prefix; a child's first byte is in its parent, the rest in
the child's prefix. Slots are child nodes or, where VALUES is set, the values themselves of keys that end at that byte:
a run of fixed-length keys costs 9 bytes a key, a key that branches off alone 21 and its remaining bytes. A node of
VALUES that gets a longer key below one of its bytes turns all its slots into nodes for good.

Pointers are unaligned (4-byte header), hence the loads by memcpy. Child lookup is memchr over the first bytes.

Invariants: first bytes ascend strictly; a node without children has a value; a node with one child and no value comes
only from keys longer than PREFIX_MAX, which one node cannot hold (removal merges it as soon as the two fit).

An iterator keeps the nodes from the root in frames. `version` tells it that the tree changed shape; it then searches
its key again. Source: D. Morrison, "PATRICIA" (1968); V. Leis et al., "The Adaptive Radix Tree" (2013) for the order of
bytes and pointers in a node.
"""
from libc.stdint cimport int64_t, uint16_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy, memmove
from ..base.mem cimport Mem, mem_alloc, mem_free, mem_init, mem_realloc, mem_usable
from ..base.rp cimport rp_assert, rp_store64be, unlikely

cdef enum:
    HEADER = 4
    PREFIX_MAX = 65535
    HAS_VALUE = 0x8000
    VALUES = 0x4000
    COUNT_MASK = 0x1ff

cdef packed struct RaxNode:
    uint16_t plen
    uint16_t meta              # children, HAS_VALUE, VALUES; the rest follows


# --- fields of a node -------------------------------------------------------------------------------------------------

cdef inline void* load(const char* p) noexcept nogil:
    cdef void* v
    memcpy(&v, p, sizeof(v))
    return v


cdef inline void store(char* p, void* v) noexcept nogil:
    memcpy(p, &v, sizeof(v))


cdef inline RaxNode* load_node(const char* p) noexcept nogil:
    return <RaxNode*>load(p)


cdef inline int count_of(const RaxNode* n) noexcept nogil:
    return n.meta & COUNT_MASK


cdef inline bint has_value(const RaxNode* n) noexcept nogil:
    return (n.meta & HAS_VALUE) != 0


cdef inline bint holds_values(const RaxNode* n) noexcept nogil:
    return (n.meta & VALUES) != 0


cdef inline char* body_of(const RaxNode* n) noexcept nogil:
    return <char*>n + HEADER


cdef inline char* slots_of(const RaxNode* n) noexcept nogil:
    return <char*>n + HEADER + (8 if n.meta & HAS_VALUE else 0)


cdef inline char* slot_of(const RaxNode* n, int i) noexcept nogil:
    return slots_of(n) + 8 * i


cdef inline unsigned char* firsts_of(const RaxNode* n) noexcept nogil:
    return <unsigned char*>slots_of(n) + 8 * count_of(n)


cdef inline char* prefix_of(const RaxNode* n) noexcept nogil:
    return slots_of(n) + 9 * count_of(n)


cdef inline size_t size_of(const RaxNode* n) noexcept nogil:
    return <size_t>(prefix_of(n) - <char*>n) + n.plen


cdef inline int child_at(const RaxNode* n, char byte) noexcept nogil:
    """Index of the child behind this byte, -1 if there is none."""
    cdef const unsigned char* f = firsts_of(n)
    cdef const unsigned char* p = <const unsigned char*>memchr(f, <unsigned char>byte, count_of(n))
    return <int>(p - f) if p != NULL else -1


cdef int child_from(const RaxNode* n, char byte) noexcept nogil:
    """Index of the first child whose byte is not smaller."""
    cdef const unsigned char* f = firsts_of(n)
    cdef int lo = 0, hi = count_of(n), mid
    while lo < hi:
        mid = (lo + hi) >> 1
        if f[mid] < <unsigned char>byte:
            lo = mid + 1
        else:
            hi = mid
    return lo


cdef inline size_t common_length(const char* a, size_t alen, const char* b, size_t blen) noexcept nogil:
    cdef size_t n = alen if alen < blen else blen, i = 0
    while i < n and a[i] == b[i]:
        i += 1
    return i


# --- changing a node: each gives the node's new address ---------------------------------------------------------------

cdef RaxNode* node_new(Mem* m, Rax* rt, int count, int flags, const char* prefix, size_t plen) noexcept nogil:
    """A node with room for its value and slots, which the caller fills in."""
    cdef RaxNode* n = <RaxNode*>mem_alloc(m, HEADER + (8 if flags & HAS_VALUE else 0) + 9 * count + plen)
    n.plen = <uint16_t>plen
    n.meta = <uint16_t>(count | flags)
    if plen:
        memcpy(prefix_of(n), prefix, plen)
    rt.bytes += mem_usable(n)
    rt.nodes += 1
    return n


cdef void node_free(Mem* m, Rax* rt, RaxNode* n) noexcept nogil:
    rt.bytes -= mem_usable(n)
    rt.nodes -= 1
    mem_free(m, n)


cdef RaxNode* node_resize(Mem* m, Rax* rt, RaxNode* n, size_t size) noexcept nogil:
    rt.bytes -= mem_usable(n)
    n = <RaxNode*>mem_realloc(m, n, size)
    rt.bytes += mem_usable(n)
    return n


cdef RaxNode* child_insert(Mem* m, Rax* rt, RaxNode* n, int i, char byte, void* slot) noexcept nogil:
    """Moves, from the back: the prefix by 9, later first bytes by 9, earlier ones by 8, later slots by 8."""
    cdef int count = count_of(n)
    cdef char* s
    cdef char* f
    n = node_resize(m, rt, n, size_of(n) + 9)
    s = slots_of(n)
    f = s + 8 * count
    memmove(f + count + 9, f + count, n.plen)
    memmove(f + i + 9, f + i, count - i)
    memmove(f + 8, f, i)
    f[8 + i] = byte
    memmove(s + 8 * (i + 1), s + 8 * i, 8 * (count - i))
    store(s + 8 * i, slot)
    n.meta += 1
    return n


cdef RaxNode* child_remove(Mem* m, Rax* rt, RaxNode* n, int i) noexcept nogil:
    cdef int count = count_of(n)
    cdef size_t size = size_of(n)
    cdef char* s = slots_of(n)
    cdef char* f = s + 8 * count
    memmove(s + 8 * i, s + 8 * (i + 1), 8 * (count - 1 - i))
    memmove(f - 8, f, i)
    memmove(f - 8 + i, f + i + 1, count - 1 - i)
    memmove(f + count - 9, f + count, n.plen)
    n.meta -= 1
    if count == 1:
        n.meta &= <uint16_t>~VALUES
    return node_resize(m, rt, n, size - 9)


cdef RaxNode* value_insert(Mem* m, Rax* rt, RaxNode* n, void* value) noexcept nogil:
    cdef size_t size = size_of(n)
    n = node_resize(m, rt, n, size + 8)
    memmove(body_of(n) + 8, body_of(n), size - HEADER)
    store(body_of(n), value)
    n.meta |= HAS_VALUE
    return n


cdef RaxNode* value_remove(Mem* m, Rax* rt, RaxNode* n) noexcept nogil:
    cdef size_t size = size_of(n)
    memmove(body_of(n), body_of(n) + 8, size - HEADER - 8)
    n.meta &= <uint16_t>~HAS_VALUE
    return node_resize(m, rt, n, size - 8)


cdef RaxNode* prefix_drop(Mem* m, Rax* rt, RaxNode* n, size_t drop) noexcept nogil:
    """Without the first `drop` bytes of its prefix."""
    cdef size_t size = size_of(n)
    cdef char* p = prefix_of(n)
    memmove(p, p + drop, n.plen - drop)
    n.plen -= <uint16_t>drop
    return node_resize(m, rt, n, size - drop)


cdef RaxNode* leaf_new(Mem* m, Rax* rt, const char* key, size_t len, void* value) noexcept nogil:
    """What holds one key: a node, above it as many of one child as a very long key needs."""
    cdef size_t above = len // (PREFIX_MAX + 1), from_ = above * (PREFIX_MAX + 1)
    cdef RaxNode* n = node_new(m, rt, 0, HAS_VALUE, key + from_, len - from_)
    cdef RaxNode* up
    store(body_of(n), value)
    while above:
        above -= 1
        from_ -= PREFIX_MAX + 1
        up = node_new(m, rt, 1, 0, key + from_, PREFIX_MAX)
        store(slots_of(up), n)
        firsts_of(up)[0] = <unsigned char>key[from_ + PREFIX_MAX]
        n = up
    return n


cdef void slots_to_nodes(Mem* m, Rax* rt, RaxNode* n) noexcept nogil:
    cdef int i
    cdef char* s
    for i in range(count_of(n)):
        s = slot_of(n, i)
        store(s, leaf_new(m, rt, NULL, 0, load(s)))
    n.meta &= <uint16_t>~VALUES


# --- insertion --------------------------------------------------------------------------------------------------------

cdef RaxNode* attach(Mem* m, Rax* rt, RaxNode* n, const char* p, size_t rem, void* value) noexcept nogil:
    """A new child for the key's remaining bytes p, the first of which n has not."""
    cdef void* slot = value
    if rem == 1 and (count_of(n) == 0 or holds_values(n)):
        n.meta |= VALUES
    else:
        if holds_values(n):
            slots_to_nodes(m, rt, n)
        slot = leaf_new(m, rt, p + 1, rem - 1, value)
    return child_insert(m, rt, n, child_from(n, p[0]), p[0], slot)


cdef RaxNode* split(Mem* m, Rax* rt, RaxNode* n, size_t at, const char* p, size_t rem, void* value) noexcept nogil:
    """Break n's prefix at `at`, where the key's remaining bytes p end or differ: the upper half gets the new value or
    a second child. Gives the upper half."""
    cdef char first = prefix_of(n)[at]
    cdef bint ends = rem == at
    cdef RaxNode* up = node_new(m, rt, 1, HAS_VALUE if ends else 0, prefix_of(n), at)
    if ends:
        store(body_of(up), value)
    firsts_of(up)[0] = <unsigned char>first
    if count_of(n) == 0 and n.plen == at + 1 and (ends or rem == at + 1):
        up.meta |= VALUES
        store(slots_of(up), load(body_of(n)))
        node_free(m, rt, n)
    else:
        store(slots_of(up), prefix_drop(m, rt, n, at + 1))
    return up if ends else attach(m, rt, up, p + at, rem - at, value)


cdef bint put(Mem* m, Rax* rt, const char* p, size_t rem, void* value, bint overwrite, void** old) noexcept nogil:
    cdef char* link = <char*>&rt.root                      # where the pointer to n is stored
    cdef RaxNode* n = rt.root
    cdef char* held = NULL
    cdef size_t same
    cdef int i
    if n == NULL:
        rt.root = leaf_new(m, rt, p, rem, value)
    while n != NULL:
        same = common_length(prefix_of(n), n.plen, p, rem)
        if same < n.plen:
            store(link, split(m, rt, n, same, p, rem, value))
            break
        p += same
        rem -= same
        if rem == 0:
            if has_value(n):
                held = body_of(n)
            else:
                store(link, value_insert(m, rt, n, value))
            break
        i = child_at(n, p[0])
        if i < 0:
            store(link, attach(m, rt, n, p, rem, value))
            break
        link = slot_of(n, i)
        if holds_values(n):
            if rem == 1:
                held = link
                break
            slots_to_nodes(m, rt, n)
        n = load_node(link)
        p += 1
        rem -= 1
    if held != NULL:
        if old != NULL:
            old[0] = load(held)
        if overwrite:
            store(held, value)
        return False
    rt.size += 1
    rt.version += 1
    return True


cdef bint rax_insert(Mem* m, Rax* rt, const char* key, size_t len, void* value, void** old) noexcept nogil:
    return put(m, rt, key, len, value, True, old)


cdef bint rax_add(Mem* m, Rax* rt, const char* key, size_t len, void* value, void** old) noexcept nogil:
    return put(m, rt, key, len, value, False, old)


# --- find, remove -----------------------------------------------------------------------------------------------------

cdef bint rax_find(const Rax* rt, const char* key, size_t len, void** value) noexcept nogil:
    cdef RaxNode* n = rt.root
    cdef const char* held
    cdef int i
    while n != NULL:
        if n.plen > len or (n.plen and memcmp(prefix_of(n), key, n.plen) != 0):
            return False
        key += n.plen
        len -= n.plen
        if len == 0:
            if not has_value(n):
                return False
            held = body_of(n)
            break
        i = child_at(n, key[0])
        if i < 0:
            return False
        held = slot_of(n, i)
        key += 1
        len -= 1
        if holds_values(n):
            if len:
                return False
            break
        n = load_node(held)
    if n == NULL:
        return False
    if value != NULL:
        value[0] = load(held)
    return True


cdef void chain_free(Mem* m, Rax* rt, RaxNode* n) noexcept nogil:
    """Free a branch that holds one key."""
    cdef RaxNode* down
    while n != NULL:
        down = load_node(slots_of(n)) if count_of(n) and not holds_values(n) else NULL
        node_free(m, rt, n)
        n = down


cdef void tidy(Mem* m, Rax* rt, char* link) noexcept nogil:
    """Merge the node at link with its child if it has one child and no value of its own."""
    cdef RaxNode* n = load_node(link)
    cdef RaxNode* child
    cdef char first
    cdef char* p
    cdef size_t more = <size_t>n.plen + 1
    if count_of(n) != 1 or has_value(n):
        return
    first = <char>firsts_of(n)[0]
    if holds_values(n):
        if more <= PREFIX_MAX:                             # the slot becomes the node's own value: the same size
            p = prefix_of(n)
            memmove(p - 1, p, n.plen)
            p[n.plen - 1] = first
            n.plen += 1
            n.meta = HAS_VALUE
        return
    child = load_node(slots_of(n))
    if more + child.plen > PREFIX_MAX:
        return
    child = node_resize(m, rt, child, size_of(child) + more)
    p = prefix_of(child)
    memmove(p + more, p, child.plen)
    memcpy(p, prefix_of(n), n.plen)
    p[n.plen] = first
    child.plen += <uint16_t>more
    node_free(m, rt, n)
    store(link, child)


cdef void branch_remove(Mem* m, Rax* rt, char* fork, int at) noexcept nogil:
    """Cut the branch of one key off the last node above it that is needed without it (fork NULL: there is none)."""
    cdef RaxNode* n
    if fork == NULL:
        chain_free(m, rt, rt.root)
        rt.root = NULL
        return
    n = load_node(fork)
    if not holds_values(n):
        chain_free(m, rt, load_node(slot_of(n, at)))
    store(fork, child_remove(m, rt, n, at))
    tidy(m, rt, fork)


cdef bint rax_remove(Mem* m, Rax* rt, const char* key, size_t len, void** old) noexcept nogil:
    cdef char* link = <char*>&rt.root
    cdef char* fork = NULL                                 # link to the last node with another child or a value
    cdef RaxNode* n = rt.root
    cdef char* held = NULL
    cdef int i = -1, at = -1
    while n != NULL:
        if n.plen > len or (n.plen and memcmp(prefix_of(n), key, n.plen) != 0):
            return False
        key += n.plen
        len -= n.plen
        if len == 0:
            if not has_value(n):
                return False
            held = body_of(n)
            break
        i = child_at(n, key[0])
        if i < 0 or (holds_values(n) and len != 1):
            return False
        if count_of(n) > 1 or has_value(n):
            fork = link
            at = i
        link = slot_of(n, i)
        if holds_values(n):
            held = link
            break
        n = load_node(link)
        key += 1
        len -= 1
    if held == NULL:
        return False
    if old != NULL:
        old[0] = load(held)
    if held == body_of(n) and has_value(n) and count_of(n):
        store(link, value_remove(m, rt, n))
        tidy(m, rt, link)
    else:
        branch_remove(m, rt, fork, at)
    rt.size -= 1
    rt.version += 1
    return True


# --- life -------------------------------------------------------------------------------------------------------------

cdef Rax* rax_new(Mem* m) noexcept nogil:
    cdef Rax* rt = <Rax*>mem_alloc(m, sizeof(Rax))
    rt.root = NULL
    rt.size = 0
    rt.nodes = 0
    rt.version = 0
    rt.bytes = mem_usable(rt)
    return rt


cdef void rax_free(Mem* m, Rax* rt, rax_free_fn cb, void* ctx) noexcept nogil:
    """Children last to first; on the way down the slot that was followed keeps the parent's address, so that no stack
    is needed however deep the tree is."""
    cdef RaxNode* n
    cdef RaxNode* up = NULL
    cdef RaxNode* child
    cdef char* s
    cdef int i
    if rt == NULL:
        return
    n = rt.root
    while n != NULL:
        if count_of(n) and not holds_values(n):
            s = slot_of(n, count_of(n) - 1)
            child = load_node(s)
            store(s, up)
            up = n
            n = child
            continue
        if cb != NULL:
            for i in range(count_of(n)):
                cb(ctx, load(slot_of(n, i)))
            if has_value(n):
                cb(ctx, load(body_of(n)))
        mem_free(m, n)
        n = up
        if n != NULL:
            up = load_node(slot_of(n, count_of(n) - 1))
            n.meta -= 1                                    # slots stay where they are
    mem_free(m, rt)


# --- iterators --------------------------------------------------------------------------------------------------------

cdef void rax_iter_init(RaxIter* it, Mem* m, Rax* rt) noexcept nogil:
    it.m = m
    it.rt = rt
    it.valid = False
    it.key = it.key_here
    it.key_cap = RAX_KEY
    it.klen = 0
    it.value = NULL
    it.version = rt.version
    it.frames = it.frames_here
    it.frame_cap = RAX_FRAMES
    it.depth = 0


cdef void rax_iter_done(RaxIter* it) noexcept nogil:
    if it.key != it.key_here:
        mem_free(it.m, it.key)
    if it.frames != it.frames_here:
        mem_free(it.m, it.frames)
    it.key = it.key_here
    it.frames = it.frames_here
    it.valid = False


cdef void grow_key(RaxIter* it, size_t need) noexcept nogil:
    cdef char* fresh = <char*>mem_alloc(it.m, need * 2)
    memcpy(fresh, it.key, it.klen)
    if it.key != it.key_here:
        mem_free(it.m, it.key)
    it.key = fresh
    it.key_cap = need * 2


cdef inline void append(RaxIter* it, const char* p, size_t n) noexcept nogil:
    if unlikely(it.klen + n > it.key_cap):
        grow_key(it, it.klen + n)
    if n:
        memmove(it.key + it.klen, p, n)
    it.klen += n


cdef void grow_frames(RaxIter* it) noexcept nogil:
    cdef RaxFrame* fresh = <RaxFrame*>mem_alloc(it.m, sizeof(RaxFrame) * it.frame_cap * 2)
    memcpy(fresh, it.frames, sizeof(RaxFrame) * it.depth)
    if it.frames != it.frames_here:
        mem_free(it.m, it.frames)
    it.frames = fresh
    it.frame_cap *= 2


cdef inline void push(RaxIter* it, RaxNode* n) noexcept nogil:
    """Enter a node: its prefix joins the key."""
    append(it, prefix_of(n), n.plen)
    if unlikely(it.depth == it.frame_cap):
        grow_frames(it)
    it.frames[it.depth].node = n
    it.frames[it.depth].klen = it.klen
    it.frames[it.depth].at = -1
    it.depth += 1


cdef inline RaxNode* follow(RaxIter* it, int i) noexcept nogil:
    """Go to child i of the last frame: the child's node, or NULL when the slot is a value and the iterator stands."""
    cdef RaxFrame* f = &it.frames[it.depth - 1]
    f.at = i
    it.klen = f.klen
    append(it, <const char*>firsts_of(f.node) + i, 1)
    if not holds_values(f.node):
        return load_node(slot_of(f.node, i))
    it.value = load(slot_of(f.node, i))
    return NULL


cdef inline bint stand_at_own(RaxIter* it) noexcept nogil:
    cdef RaxFrame* f = &it.frames[it.depth - 1]
    f.at = -1
    it.klen = f.klen
    it.value = load(body_of(f.node))
    return True


cdef bint enter_lowest(RaxIter* it, RaxNode* n) noexcept nogil:
    """Stand at the first key of a branch; NULL: stands already."""
    while n != NULL:
        push(it, n)
        if has_value(n):
            return stand_at_own(it)
        n = follow(it, 0)
    return True


cdef bint enter_highest(RaxIter* it, RaxNode* n) noexcept nogil:
    while n != NULL:
        push(it, n)
        if count_of(n) == 0:
            return stand_at_own(it)
        n = follow(it, count_of(n) - 1)
    return True


cdef bint advance(RaxIter* it) noexcept nogil:
    """To the first key behind all that the last frame's present child (or own value, at = -1) covers."""
    cdef RaxFrame* f
    while it.depth:
        f = &it.frames[it.depth - 1]
        if f.at + 1 < count_of(f.node):
            return enter_lowest(it, follow(it, f.at + 1))
        it.depth -= 1
    return False


cdef bint retreat(RaxIter* it) noexcept nogil:
    """To the last key before the last frame's present child or own value."""
    cdef RaxFrame* f
    while it.depth:
        f = &it.frames[it.depth - 1]
        if f.at > 0:
            return enter_highest(it, follow(it, f.at - 1))
        if f.at == 0 and has_value(f.node):
            return stand_at_own(it)
        it.depth -= 1
    return False


cdef bint go_beyond(RaxIter* it, RaxNode* n, bint up) noexcept nogil:
    """The key sought lies before branch n, which has not been entered."""
    return enter_lowest(it, n) if up else retreat(it)


cdef bint go_within(RaxIter* it, RaxNode* n, bint up) noexcept nogil:
    """The key sought lies behind branch n, which has not been entered."""
    return advance(it) if up else enter_highest(it, n)


cdef bint search(RaxIter* it, const char* p, size_t rem, bint up, bint* exact) noexcept nogil:
    """Stand at the key, or else at its neighbour above (up) or below. p may be the iterator's own key: what is written
    there before the search has finished with p are the same bytes."""
    cdef RaxNode* n = it.rt.root
    cdef size_t same
    cdef int i
    exact[0] = False
    while n != NULL:
        same = common_length(prefix_of(n), n.plen, p, rem)
        if same < n.plen:
            if same == rem or <unsigned char>p[same] < <unsigned char>prefix_of(n)[same]:
                return go_beyond(it, n, up)
            return go_within(it, n, up)
        p += same
        rem -= same
        push(it, n)
        if rem == 0:
            if has_value(n):
                exact[0] = True
                return stand_at_own(it)
            return advance(it) if up else retreat(it)
        i = child_from(n, p[0])
        if i == count_of(n) or firsts_of(n)[i] != <unsigned char>p[0]:
            it.frames[it.depth - 1].at = i - 1 if up else i
            return advance(it) if up else retreat(it)
        n = follow(it, i)
        p += 1
        rem -= 1
        if n == NULL:                                      # stands at a key of all bytes so far
            exact[0] = rem == 0
            return advance(it) if up and rem else True
    return False


cdef bint rax_seek(RaxIter* it, int op, const char* key, size_t len) noexcept nogil:
    cdef bint exact = False, up = op == RAX_GE or op == RAX_GT or op == RAX_EQ
    it.version = it.rt.version
    it.depth = 0
    it.klen = 0
    if it.rt.root == NULL:
        it.valid = False
    elif op == RAX_FIRST:
        it.valid = enter_lowest(it, it.rt.root)
    elif op == RAX_LAST:
        it.valid = enter_highest(it, it.rt.root)
    else:
        it.valid = search(it, key, len, up, &exact)
        if op == RAX_EQ:
            it.valid = exact
        elif exact and op == RAX_GT:
            it.valid = advance(it)
        elif exact and op == RAX_LT:
            it.valid = retreat(it)
    return it.valid


cdef bint rax_next(RaxIter* it) noexcept nogil:
    if not it.valid:
        return False
    if unlikely(it.version != it.rt.version):
        return rax_seek(it, RAX_GT, it.key, it.klen)
    it.valid = advance(it)
    return it.valid


cdef bint rax_prev(RaxIter* it) noexcept nogil:
    if not it.valid:
        return False
    if unlikely(it.version != it.rt.version):
        return rax_seek(it, RAX_LT, it.key, it.klen)
    it.valid = retreat(it)
    return it.valid


cdef void rax_iter_set(RaxIter* it, void* value) noexcept nogil:
    cdef RaxFrame* f = &it.frames[it.depth - 1]
    rp_assert(it.valid and it.version == it.rt.version)
    store(body_of(f.node) if f.at < 0 else slot_of(f.node, f.at), value)
    it.value = value


# --- test face --------------------------------------------------------------------------------------------------------

cdef void collect_value(void* ctx, void* value) noexcept with gil:
    (<list>ctx).append(<size_t>value)


cdef class RaxFace:
    """A radix tree from bytes to non-negative integers (held in the pointers) for tests."""
    cdef Mem mem
    cdef Rax* rt
    cdef size_t longest            # of all keys ever inserted

    def __cinit__(self):
        mem_init(&self.mem)
        self.longest = 0
        self.rt = rax_new(&self.mem)

    def __dealloc__(self):
        rax_free(&self.mem, self.rt, NULL, NULL)

    def __len__(self):
        return rax_size(self.rt)

    @property
    def nodes(self):
        return rax_nodes(self.rt)

    @property
    def bytes_used(self):
        return rax_bytes(self.rt)

    @property
    def blocks(self):
        return self.mem.blocks

    def insert(self, bytes key, size_t value, bint overwrite=True):
        """None for a new key, else the value that it had; a key that is there keeps it where overwrite is False."""
        cdef void* old = NULL
        cdef bint fresh
        self.longest = max(self.longest, <size_t>len(key))
        if overwrite:
            fresh = rax_insert(&self.mem, self.rt, key, len(key), <void*>value, &old)
        else:
            fresh = rax_add(&self.mem, self.rt, key, len(key), <void*>value, &old)
        return None if fresh else <size_t>old

    def find(self, bytes key):
        cdef void* value = NULL
        return <size_t>value if rax_find(self.rt, key, len(key), &value) else None

    def remove(self, bytes key):
        """The value that the key had, or None."""
        cdef void* old = NULL
        return <size_t>old if rax_remove(&self.mem, self.rt, key, len(key), &old) else None

    def clear(self):
        """Free the tree and begin an empty one: the values seen by the callback. No iterator may be alive."""
        cdef list out = []
        cdef size_t left
        rax_free(&self.mem, self.rt, collect_value, <void*>out)
        left = self.mem.blocks + self.mem.used
        self.rt = rax_new(&self.mem)
        assert left == 0
        return out

    def iterate(self):
        return RaxIterFace(self)

    def fill_ids(self, int64_t n, int64_t ms_step, int64_t per_ms):
        """Insert n big-endian stream IDs (for timing and memory), per_ms sequence numbers each ms_step milliseconds."""
        cdef int64_t i
        cdef char key[16]
        with nogil:
            for i in range(n):
                rp_store64be(key, <uint64_t>(<int64_t>1700000000000 + i // per_ms * ms_step))
                rp_store64be(key + 8, <uint64_t>(i % per_ms))
                rax_insert(&self.mem, self.rt, key, 16, <void*>i, NULL)

    def walk_count(self, bint reverse=False):
        """Number of keys that an iterator sees from end to end (for timing)."""
        cdef RaxIter it
        cdef int64_t n = 0
        cdef bint ok
        with nogil:
            rax_iter_init(&it, &self.mem, self.rt)
            ok = rax_seek(&it, RAX_LAST if reverse else RAX_FIRST, NULL, 0)
            while ok:
                n += 1
                ok = rax_prev(&it) if reverse else rax_next(&it)
            rax_iter_done(&it)
        return n

    def check(self):
        """Verify every invariant; O(n). Raises AssertionError."""
        cdef list stack = [<size_t>self.rt.root] if self.rt.root != NULL else []
        cdef size_t total = mem_usable(self.rt), k
        cdef uint64_t keys = 0, nodes = 0
        cdef RaxNode* n
        cdef int i
        while stack:
            k = stack.pop()
            n = <RaxNode*>k
            nodes += 1
            total += mem_usable(n)
            assert mem_usable(n) >= size_of(n) and count_of(n) <= 256
            for i in range(1, count_of(n)):
                assert firsts_of(n)[i - 1] < firsts_of(n)[i]
            keys += has_value(n)
            assert count_of(n) or (has_value(n) and not holds_values(n))
            if holds_values(n):
                keys += count_of(n)
                assert count_of(n) > 1 or has_value(n) or self.longest > PREFIX_MAX
            else:
                stack.extend([<size_t>load(slot_of(n, i)) for i in range(count_of(n))])
                assert count_of(n) != 1 or has_value(n) or self.longest > PREFIX_MAX
        assert keys == self.rt.size and nodes == self.rt.nodes
        assert total == self.rt.bytes


cdef class RaxIterFace:
    """An iterator for tests: seek, next and prev give (key, value), or None where there is no such key."""
    cdef RaxFace tree
    cdef RaxIter it

    def __init__(self, RaxFace tree):
        self.tree = tree
        rax_iter_init(&self.it, &tree.mem, tree.rt)

    def __dealloc__(self):
        if self.tree is not None:
            rax_iter_done(&self.it)

    cdef object here(self, bint ok):
        assert ok == self.it.valid
        return (self.it.key[:self.it.klen], <size_t>self.it.value) if ok else None

    def seek(self, str op, bytes key=b""):
        ops = {"=": RAX_EQ, ">=": RAX_GE, ">": RAX_GT, "<=": RAX_LE, "<": RAX_LT, "^": RAX_FIRST, "$": RAX_LAST}
        return self.here(rax_seek(&self.it, ops[op], key, len(key)))

    def next(self):
        return self.here(rax_next(&self.it))

    def prev(self):
        return self.here(rax_prev(&self.it))

    def set(self, size_t value):
        rax_iter_set(&self.it, <void*>value)
