"""Quicklist: a doubly linked list of listpacks (contract: quicklist.pxd).

Room: structs. User: types/list, for lists too long for one listpack.

    head node <-> node <-> ... <-> tail node            node: prev, next, block, count, front, kind, lzf (32 bytes)
    packed:  [idle front][listpack][idle back]          plain: [u64 length][bytes]
    lzf:     [u64 unpacked length][u64 length][bytes]   of either kind

Invariants: no node is empty; the first and last `depth` nodes are not compressed; only nodes at an end hold idle room.

The ends differ from Redis's: a push at the head writes into idle room before the listpack and moves the header down,
and a pop moves it up, so neither end ever shifts a whole node. Room doubles up to the node's limit and is given back
when the node stops being an end. A walk unpacks a compressed node beside its compressed form, which stays if nothing
is changed. Where nodes break and join is as with Redis: a node takes an element while its bytes, the element's and 8
stay within the limit; a full one is split at the place of an insertion, and the halves joined with what is beside.
"""
from libc.string cimport memcmp, memcpy, memmove
from ..base.codec cimport lzf_compress, lzf_decompress
from ..base.mem cimport (MemFace, mem_alloc, mem_free, mem_good_size, mem_realloc, mem_try_alloc, mem_usable)
from ..base.rp cimport likely, rp_assert, unlikely
from .listpack cimport (LP_AFTER, LP_BEFORE, LP_EMPTY_BYTES, LP_END, LP_HEADER, LP_REPLACE, LP_SAFE_BYTES, LpEnc,
                        LpNeedle, lp_bytes, lp_delete, lp_delete_range, lp_dup, lp_encode_i64, lp_encode_text,
                        lp_encode_write, lp_end, lp_entry_size, lp_first, lp_fit, lp_free, lp_from_bytes, lp_get,
                        lp_insert, lp_last, lp_length, lp_matches, lp_merge, lp_needle, lp_new, lp_prev, lp_seek,
                        lp_set_header, lp_validate_integrity)

cdef enum:
    COUNTED_LIMIT = 8192           # bytes of a node where fill counts elements
    FILL_MAX = 32767
    DEPTH_MAX = 65535
    ENTRY_ESTIMATE = 8             # what an element is taken to need beside its bytes
    FRONT_MAX = 65535
    COMPRESS_MIN = 48              # smaller nodes are not compressed
    COMPRESS_GAIN = 8              # nor those where it saves no more than this

cdef struct QlPlain:
    size_t len
    uint8_t data[1]

cdef struct QlLzf:
    size_t raw_len
    size_t len
    uint8_t data[1]

cdef enum:
    PLAIN_HEADER = sizeof(size_t)
    LZF_HEADER = 2 * sizeof(size_t)


# --- limits

cdef size_t ql_node_limit(int64_t fill) noexcept nogil:
    if fill >= 0:
        return COUNTED_LIMIT
    return <size_t>2048 << (-fill if fill > -5 else 5)


cdef void ql_set_options(Quicklist* q, int64_t fill, int64_t depth) noexcept nogil:
    q.fill = <int32_t>(1 if fill == 0 else -5 if fill < -5 else FILL_MAX if fill > FILL_MAX else fill)
    q.depth = <uint32_t>(0 if depth < 0 else DEPTH_MAX if depth > DEPTH_MAX else depth)


cdef inline bint is_large(const Quicklist* q, size_t n) noexcept nogil:
    """Does an element of n bytes get a node of its own?"""
    if unlikely(q.packed_threshold != 0):
        return n >= q.packed_threshold or n >= LP_SAFE_BYTES
    return n > ql_node_limit(q.fill)


cdef inline bint within(const Quicklist* q, size_t bytes, size_t count) noexcept nogil:
    return bytes <= ql_node_limit(q.fill) and (q.fill < 0 or count <= <size_t>q.fill)


# --- a node's bytes

cdef inline uint8_t* node_lp(const QlNode* node) noexcept nogil:
    return node.block + node.front


cdef size_t node_bytes(const QlNode* node) noexcept nogil:
    """Unpacked bytes of the listpack or element."""
    if node.lzf == QL_LZF_YES:
        return (<QlLzf*>node.block).raw_len
    if node.kind == QL_PLAIN:
        return (<QlPlain*>node.block).len
    return lp_bytes(node_lp(node))


cdef inline bint takes(const Quicklist* q, const QlNode* node, size_t n) noexcept nogil:
    """Is there room for an element of n bytes? node may be NULL."""
    return (node != NULL and node.kind == QL_PACKED
            and within(q, node_bytes(node) + n + ENTRY_ESTIMATE, <size_t>node.count + 1))


cdef void unpack(const QlNode* node, uint8_t* to) noexcept nogil:
    cdef QlLzf* z = <QlLzf*>node.block
    cdef size_t n = lzf_decompress(z.data, z.len, to, z.raw_len)
    rp_assert(n == z.raw_len)


cdef void replace_block(Mem* m, QlNode* node, void* block) noexcept nogil:
    mem_free(m, node.block)
    node.block = <uint8_t*>block
    node.front = 0


cdef void inflate(Mem* m, Quicklist* q, QlNode* node) noexcept nogil:
    """Makes the node uncompressed for good; positions in it stay valid as offsets."""
    cdef uint8_t* block
    cdef size_t n
    if node.lzf != QL_LZF_YES:
        return
    n = node_bytes(node)
    if node.kind == QL_PLAIN:
        block = <uint8_t*>mem_alloc(m, PLAIN_HEADER + n)
        (<QlPlain*>block).len = n
        unpack(node, (<QlPlain*>block).data)
    elif q.open == node and q.raw != NULL:
        block = q.raw
        q.raw = NULL
    else:
        block = <uint8_t*>mem_alloc(m, n)
        unpack(node, block)
    replace_block(m, node, block)
    node.lzf = QL_LZF_NO
    if q.open == node:
        mem_free(m, q.raw)
        q.raw = NULL
        q.open = NULL


cdef void deflate(Mem* m, Quicklist* q, QlNode* node) noexcept nogil:
    """Compresses the node if that pays."""
    cdef const uint8_t* src
    cdef QlLzf* z
    cdef size_t n
    if node.lzf != QL_LZF_NO:
        return
    n = node_bytes(node)
    if n < COMPRESS_MIN:
        return
    src = node_lp(node) if node.kind == QL_PACKED else (<QlPlain*>node.block).data
    z = <QlLzf*>mem_try_alloc(m, LZF_HEADER + n)
    if z == NULL:
        return
    z.raw_len = n
    z.len = lzf_compress(src, n, z.data, n - COMPRESS_GAIN)
    if z.len == 0:
        node.lzf = QL_LZF_VAIN
        mem_free(m, z)
        return
    cdef QlLzf* tight = <QlLzf*>mem_alloc(m, LZF_HEADER + z.len)
    memcpy(tight, z, LZF_HEADER + z.len)
    mem_free(m, z)
    replace_block(m, node, tight)
    node.lzf = QL_LZF_YES


cdef void tidy(Mem* m, Quicklist* q, QlNode* changed) noexcept nogil:
    """O(depth). After a change of the chain or of the node `changed` (or NULL): ends uncompressed, the rest not."""
    cdef QlNode* a = q.head
    cdef QlNode* b = q.tail
    cdef uint32_t i = 0
    cdef bint near = False
    if a == NULL:
        return
    if q.depth == 0:
        # Nodes compressed under an earlier setting come to the ends.
        inflate(m, q, a)
        inflate(m, q, b)
        return
    while i < q.depth:
        inflate(m, q, a)
        inflate(m, q, b)
        near = near or changed == a or changed == b
        if a == b or a.next == b:
            return
        a = a.next
        b = b.prev
        i += 1
    # An insertion can bring two nodes, so two may have left the ends.
    deflate(m, q, a)
    deflate(m, q, b)
    if a != b:
        deflate(m, q, a.next)
        deflate(m, q, b.prev)
    if changed != NULL and not near:
        deflate(m, q, changed)


cdef void ql_close(Mem* m, Quicklist* q) noexcept nogil:
    cdef QlNode* node = q.open
    if likely(node == NULL):
        return
    q.open = NULL
    if q.raw != NULL:
        mem_free(m, q.raw)
        q.raw = NULL
    else:
        tidy(m, q, node)


cdef const uint8_t* peek_raw(Mem* m, Quicklist* q, QlNode* node) noexcept nogil:
    """The listpack or element of a node, for reading."""
    if node.lzf != QL_LZF_YES:
        return node_lp(node) if node.kind == QL_PACKED else (<QlPlain*>node.block).data
    if q.open != node or q.raw == NULL:
        ql_close(m, q)
        q.raw = <uint8_t*>mem_alloc(m, node_bytes(node))
        q.open = node
        unpack(node, q.raw)
    return q.raw


cdef void own(Mem* m, Quicklist* q, QlNode* node) noexcept nogil:
    """Readies a packed node for lp_* calls that change it: uncompressed, at the start of its block."""
    inflate(m, q, node)
    node.lzf = QL_LZF_NO
    if node.front != 0:
        memmove(node.block, node_lp(node), lp_bytes(node_lp(node)))
        node.front = 0


cdef void trim(Mem* m, QlNode* node) noexcept nogil:
    """Gives the idle room of a packed node back."""
    cdef size_t n
    if node.kind != QL_PACKED or node.lzf == QL_LZF_YES:
        return
    n = lp_bytes(node_lp(node))
    if mem_good_size(n) < mem_usable(node.block):
        replace_block(m, node, lp_from_bytes(m, node_lp(node), n))


# --- the chain

cdef QlNode* node_new(Mem* m, uint8_t* block, int kind, uint32_t count) noexcept nogil:
    cdef QlNode* node = <QlNode*>mem_alloc(m, sizeof(QlNode))
    node.block = block
    node.count = count
    node.front = 0
    node.kind = <uint8_t>kind
    node.lzf = QL_LZF_NO
    return node


cdef void link_node(Mem* m, Quicklist* q, QlNode* node, QlNode* prev, QlNode* next) noexcept nogil:
    """Puts a node between two neighbours (NULL: at an end). The end that it displaces is trimmed."""
    node.prev = prev
    node.next = next
    if prev != NULL:
        prev.next = node
        if next == NULL:
            trim(m, prev)
    else:
        q.head = node
    if next != NULL:
        next.prev = node
        if prev == NULL:
            trim(m, next)
    else:
        q.tail = node
    q.nodes += 1


cdef void unlink_node(Mem* m, Quicklist* q, QlNode* node) noexcept nogil:
    """Takes a node out of the chain and frees it with its block (which may be NULL); elements are the caller's."""
    if q.open == node:
        mem_free(m, q.raw)
        q.raw = NULL
        q.open = NULL
    if node.prev != NULL:
        node.prev.next = node.next
    else:
        q.head = node.next
    if node.next != NULL:
        node.next.prev = node.prev
    else:
        q.tail = node.prev
    q.nodes -= 1
    mem_free(m, node.block)
    mem_free(m, node)


cdef uint8_t* ql_plain_new(Mem* m, size_t n) noexcept nogil:
    cdef QlPlain* block = <QlPlain*>mem_try_alloc(m, PLAIN_HEADER + n)
    if block != NULL:
        block.len = n
    return <uint8_t*>block


cdef uint8_t* ql_plain_data(uint8_t* block) noexcept nogil:
    return (<QlPlain*>block).data


cdef QlNode* plain_node(Mem* m, const char* s, size_t n) noexcept nogil:
    cdef QlPlain* block = <QlPlain*>mem_alloc(m, PLAIN_HEADER + n)
    block.len = n
    memcpy(block.data, s, n)
    return node_new(m, <uint8_t*>block, QL_PLAIN, 1)


cdef QlNode* packed_node(Mem* m, const LpEnc* e) noexcept nogil:
    cdef size_t n = LP_EMPTY_BYTES + e.size
    cdef uint8_t* lp = <uint8_t*>mem_alloc(m, n)
    lp_set_header(lp, n, 1)
    lp_encode_write(lp + LP_HEADER, e)
    lp[n - 1] = LP_END
    return node_new(m, lp, QL_PACKED, 1)


cdef QlNode* node_of(Mem* m, const Quicklist* q, const char* s, size_t n) noexcept nogil:
    cdef LpEnc e
    if is_large(q, n):
        return plain_node(m, s, n)
    lp_encode_text(&e, s, n)
    return packed_node(m, &e)


# --- the list

cdef Quicklist* ql_new(Mem* m, int64_t fill, int64_t depth) noexcept nogil:
    cdef Quicklist* q = <Quicklist*>mem_alloc(m, sizeof(Quicklist))
    q.head = q.tail = q.open = NULL
    q.raw = NULL
    q.count = q.nodes = 0
    q.packed_threshold = 0
    ql_set_options(q, fill, depth)
    return q


cdef void ql_free(Mem* m, Quicklist* q) noexcept nogil:
    cdef QlNode* node
    cdef QlNode* next
    if q == NULL:
        return
    node = q.head
    while node != NULL:
        next = node.next
        mem_free(m, node.block)
        mem_free(m, node)
        node = next
    mem_free(m, q.raw)
    mem_free(m, q)


cdef Quicklist* ql_dup(Mem* m, const Quicklist* q) noexcept nogil:
    cdef Quicklist* copy = ql_new(m, q.fill, q.depth)
    cdef QlNode* node = q.head
    cdef QlNode* twin
    cdef uint8_t* block
    cdef QlView view
    copy.packed_threshold = q.packed_threshold
    while node != NULL:
        if node.kind == QL_PACKED and node.lzf != QL_LZF_YES:
            block = lp_dup(m, node_lp(node))
        else:
            ql_node_view(node, &view)
            block = <uint8_t*>mem_alloc(m, view.len + (view.data - node.block))
            memcpy(block, node.block, view.len + (view.data - node.block))
        twin = node_new(m, block, node.kind, node.count)
        twin.lzf = node.lzf
        link_node(m, copy, twin, copy.tail, NULL)
        node = node.next
    copy.count = q.count
    tidy(m, copy, NULL)
    return copy


cdef Quicklist* ql_from_listpack(Mem* m, int64_t fill, int64_t depth, uint8_t* lp) noexcept nogil:
    cdef Quicklist* q = ql_new(m, fill, depth)
    ql_append_listpack(m, q, lp)
    return q


cdef uint8_t* ql_take_listpack(Mem* m, Quicklist* q) noexcept nogil:
    cdef QlNode* node = q.head
    cdef uint8_t* lp
    if node == NULL:
        ql_free(m, q)
        return lp_new(m, 0)
    if node.next != NULL or node.kind != QL_PACKED:
        return NULL
    own(m, q, node)
    lp = lp_fit(m, node.block)
    node.block = NULL
    ql_free(m, q)
    return lp


cdef size_t ql_memory(const Quicklist* q, size_t samples) noexcept nogil:
    cdef size_t seen = 0, sum = 0
    cdef QlNode* node = q.head
    while node != NULL and (samples == 0 or seen < samples):
        sum += mem_usable(node) + mem_usable(node.block)
        seen += 1
        node = node.next
    if seen != 0 and seen < q.nodes:
        sum = <size_t>(<double>sum / seen * q.nodes)
    if q.raw != NULL:
        sum += mem_usable(q.raw)
    return sum + mem_usable(q)


# --- the ends

cdef void make_room(Mem* m, Quicklist* q, QlNode* node, size_t add, bint at_front) noexcept nogil:
    """Gets `add` idle bytes before or behind the listpack of an end node: by sliding it, if much is idle, else by
    a larger block. A sole node keeps some of its idle room at the other side."""
    cdef const uint8_t* lp = node_lp(node)
    cdef uint8_t* block = node.block
    cdef size_t n = lp_bytes(lp), usable = mem_usable(block), limit = ql_node_limit(q.fill)
    cdef size_t need = n + add, want, front
    cdef bint slide = need <= usable and (usable - need >= usable >> 2 or usable >= limit)
    if not slide:
        want = need if need >= limit else (need * 2 if need * 2 < limit else limit)
        block = <uint8_t*>mem_alloc(m, want)
        usable = mem_usable(block)
    front = 0
    if at_front:
        front = usable - n
        if slide and q.nodes == 1:
            front -= (usable - need) >> 2
        if front > FRONT_MAX:
            front = FRONT_MAX
    elif slide and q.nodes == 1:
        front = (usable - need) >> 2
        if front > FRONT_MAX:
            front = FRONT_MAX
    memmove(block + front, lp, n)
    if not slide:
        mem_free(m, node.block)
        node.block = block
    node.front = <uint16_t>front


cdef void push_new(Mem* m, Quicklist* q, int where, QlNode* node) noexcept nogil:
    if where == QL_HEAD:
        link_node(m, q, node, NULL, q.head)
    else:
        link_node(m, q, node, q.tail, NULL)
    q.count += 1
    tidy(m, q, NULL)


cdef void push_packed(Mem* m, Quicklist* q, int where, const LpEnc* e, size_t n) noexcept nogil:
    cdef QlNode* node = q.head if where == QL_HEAD else q.tail
    cdef uint8_t* lp
    cdef size_t bytes
    if unlikely(not takes(q, node, n)):
        push_new(m, q, where, packed_node(m, e))
        return
    bytes = lp_bytes(node_lp(node))
    if where == QL_HEAD:
        if node.front < e.size:
            make_room(m, q, node, e.size, True)
        node.front -= <uint16_t>e.size
        lp = node_lp(node)
        lp_encode_write(lp + LP_HEADER, e)
    else:
        if node.front + bytes + e.size > mem_usable(node.block):
            make_room(m, q, node, e.size, False)
        lp = node_lp(node)
        lp_encode_write(lp + bytes - 1, e)
        lp[bytes + e.size - 1] = LP_END
    node.count += 1
    node.lzf = QL_LZF_NO
    lp_set_header(lp, bytes + e.size, node.count)
    q.count += 1


cdef void ql_push(Mem* m, Quicklist* q, int where, const char* s, size_t n) noexcept nogil:
    cdef LpEnc e
    if unlikely(is_large(q, n)):
        push_new(m, q, where, plain_node(m, s, n))
        return
    lp_encode_text(&e, s, n)
    push_packed(m, q, where, &e, n)


cdef void ql_push_i64(Mem* m, Quicklist* q, int where, int64_t v) noexcept nogil:
    cdef LpEnc e
    lp_encode_i64(&e, v)
    push_packed(m, q, where, &e, e.body)


cdef bint ql_peek(const Quicklist* q, int where, const char** s, size_t* n, int64_t* v) noexcept nogil:
    cdef QlNode* node = q.head if where == QL_HEAD else q.tail
    cdef const uint8_t* lp
    if node == NULL:
        return False
    if node.kind == QL_PLAIN:
        n[0] = (<QlPlain*>node.block).len
        s[0] = <const char*>(<QlPlain*>node.block).data
        return True
    lp = node_lp(node)
    s[0] = lp_get(lp_first(lp) if where == QL_HEAD else lp_last(lp), n, v)
    return True


cdef void relax(Mem* m, QlNode* node, size_t bytes) noexcept nogil:
    """After pops: a block that is three quarters idle is changed for one half as large."""
    cdef uint8_t* block
    if bytes * 4 >= mem_usable(node.block) or mem_usable(node.block) < 512:
        return
    block = <uint8_t*>mem_alloc(m, bytes * 2)
    memcpy(block, node_lp(node), bytes)
    replace_block(m, node, block)


cdef void ql_drop(Mem* m, Quicklist* q, int where) noexcept nogil:
    cdef QlNode* node = q.head if where == QL_HEAD else q.tail
    cdef uint8_t* lp
    cdef size_t size, bytes
    q.count -= 1
    if node.count == 1:
        unlink_node(m, q, node)
        tidy(m, q, NULL)
        return
    lp = node_lp(node)
    bytes = lp_bytes(lp)
    node.count -= 1
    node.lzf = QL_LZF_NO
    if where == QL_HEAD:
        size = lp_entry_size(lp + LP_HEADER)
        if node.front + size <= FRONT_MAX:
            node.front += <uint16_t>size
        else:
            memmove(node.block + LP_HEADER, lp + LP_HEADER + size, bytes - LP_HEADER - size)
            node.front = 0
        lp = node_lp(node)
    else:
        size = lp_end(lp) - lp_last(lp)
        lp[bytes - size - 1] = LP_END
    lp_set_header(lp, bytes - size, node.count)
    relax(m, node, bytes - size)


cdef void ql_rotate(Mem* m, Quicklist* q, int source) noexcept nogil:
    cdef QlNode* node = q.head if source == QL_HEAD else q.tail
    cdef int to = QL_TAIL if source == QL_HEAD else QL_HEAD
    cdef const char* s = NULL
    cdef char* copy
    cdef char[256] buf
    cdef size_t n = 0
    cdef int64_t v = 0
    if q.count < 2:
        return
    ql_peek(q, source, &s, &n, &v)
    if s == NULL:
        ql_drop(m, q, source)
        ql_push_i64(m, q, to, v)
        return
    copy = buf
    if n > sizeof(buf):
        copy = <char*>mem_alloc(m, n)
    memcpy(copy, s, n)
    ql_drop(m, q, source)
    ql_push(m, q, to, copy, n)
    if n > sizeof(buf):
        mem_free(m, copy)


# --- places

cdef bint seek_node(const Quicklist* q, int64_t index, QlIter* it) noexcept nogil:
    """Sets node, idx and index, from the nearer end."""
    cdef int64_t n = <int64_t>q.count, first
    cdef QlNode* node
    if index < 0:
        index += n
    if index < 0 or index >= n:
        return False
    if index < n >> 1:
        node = q.head
        first = 0
        while index >= first + node.count:
            first += node.count
            node = node.next
    else:
        node = q.tail
        first = n - node.count
        while index < first:
            node = node.prev
            first -= node.count
    it.node = node
    it.idx = <uint32_t>(index - first)
    it.index = index
    return True


cdef bint ql_seek(Mem* m, Quicklist* q, int64_t index, int dir, QlIter* it) noexcept nogil:
    cdef QlNode* node
    cdef uint8_t* lp
    if not seek_node(q, index, it):
        return False
    node = it.node
    it.dir = 1 if dir >= 0 else -1
    it.off = 0
    if node.kind == QL_PACKED:
        lp = <uint8_t*>peek_raw(m, q, node)
        # Counted by the node: a header of an unknown count would be walked from the head.
        it.off = lp_seek(lp, <int64_t>it.idx - node.count if it.idx > node.count >> 1 else <int64_t>it.idx) - lp
    return True


cdef bint enter(Mem* m, Quicklist* q, QlIter* it, QlNode* node) noexcept nogil:
    """Goes to a node's first element in the iterator's direction; False: there is no node."""
    cdef const uint8_t* lp
    if node == NULL:
        return False
    it.node = node
    it.idx = 0 if it.dir > 0 else node.count - 1
    it.off = 0
    if node.kind == QL_PACKED:
        lp = peek_raw(m, q, node)
        it.off = LP_HEADER if it.dir > 0 else lp_last(lp) - lp
    return True


cdef bint ql_step_far(Mem* m, Quicklist* q, QlIter* it) noexcept nogil:
    cdef const uint8_t* lp
    cdef bint last = it.idx + 1 >= it.node.count if it.dir > 0 else it.idx == 0
    if last:
        if not enter(m, q, it, it.node.next if it.dir > 0 else it.node.prev):
            return False
    else:
        lp = peek_raw(m, q, it.node)
        if it.dir > 0:
            it.off += lp_entry_size(lp + it.off)
        else:
            it.off = lp_prev(lp, lp + it.off) - lp
        it.idx += it.dir
    it.index += it.dir
    return True


cdef const char* ql_get_far(Mem* m, Quicklist* q, QlIter* it, size_t* n, int64_t* v) noexcept nogil:
    cdef const uint8_t* raw = peek_raw(m, q, it.node)
    if it.node.kind == QL_PLAIN:
        n[0] = node_bytes(it.node)
        return <const char*>raw
    return lp_get(raw + it.off, n, v)


cdef bint matches(Mem* m, Quicklist* q, QlIter* it, const LpNeedle* nd) noexcept nogil:
    if it.node.kind == QL_PLAIN:
        return (node_bytes(it.node) == nd.len
                and memcmp(peek_raw(m, q, it.node), nd.s, nd.len) == 0)
    return lp_matches(peek_raw(m, q, it.node) + it.off, nd)


cdef bint ql_find(Mem* m, Quicklist* q, QlIter* it, const LpNeedle* nd, uint64_t most) noexcept nogil:
    cdef uint64_t left = most if most != 0 else q.count
    while True:
        if matches(m, q, it, nd):
            return True
        left -= 1
        if left == 0 or not ql_step(m, q, it):
            return False


# --- changes inside

cdef void own_in_walk(Mem* m, Quicklist* q, QlNode* node) noexcept nogil:
    """own(), and the node is compressed again only when the walk ends or unpacks another."""
    if q.open != node:
        ql_close(m, q)
    own(m, q, node)
    if q.depth != 0:
        q.open = node


cdef bint ql_delete(Mem* m, Quicklist* q, QlIter* it) noexcept nogil:
    cdef QlNode* node = it.node
    cdef QlNode* beside = node.next if it.dir > 0 else node.prev
    cdef uint8_t* next = NULL
    q.count -= 1
    if it.dir < 0:
        it.index -= 1
    if node.count == 1:
        unlink_node(m, q, node)
        tidy(m, q, NULL)
        return enter(m, q, it, beside)
    own_in_walk(m, q, node)
    node.block = lp_delete(m, node.block, node.block + it.off, &next)
    node.count -= 1
    if it.dir > 0:
        return True if next != NULL else enter(m, q, it, beside)
    if it.idx == 0:
        return enter(m, q, it, beside)
    it.idx -= 1
    it.off = lp_prev(node.block, node.block + it.off) - node.block
    return True


cdef uint64_t ql_delete_range(Mem* m, Quicklist* q, int64_t start, uint64_t count) noexcept nogil:
    cdef QlIter it
    cdef QlNode* node
    cdef QlNode* next
    cdef QlNode* first = NULL
    cdef QlNode* last = NULL
    cdef uint64_t gone = 0
    cdef uint32_t idx, n
    if count == 0 or not seek_node(q, start, &it):
        return 0
    node = it.node
    idx = it.idx
    while node != NULL and gone < count:
        next = node.next
        n = node.count - idx
        if n > count - gone:
            n = <uint32_t>(count - gone)
        gone += n
        if n == node.count:
            unlink_node(m, q, node)
        else:
            own(m, q, node)
            # The tail part by a negative index: it is nearer to the end.
            node.block = lp_delete_range(m, node.block, <int64_t>idx - node.count, n)
            node.count -= n
            if first == NULL:
                first = node
            else:
                last = node
        idx = 0
        node = next
    q.count -= gone
    tidy(m, q, first)
    if last != NULL:
        tidy(m, q, last)
    return gone


cdef QlNode* split(Mem* m, Quicklist* q, QlNode* node, uint32_t idx, size_t off) noexcept nogil:
    """Cuts an owned packed node before its element idx (neither first nor past the last), which begins at off.
    Returns the new node with the right part."""
    cdef uint8_t* lp = node.block
    cdef size_t n = lp_bytes(lp)
    cdef uint8_t* right = <uint8_t*>mem_alloc(m, n - off + LP_HEADER)
    memcpy(right + LP_HEADER, lp + off, n - off)
    lp_set_header(right, n - off + LP_HEADER, node.count - idx)
    cdef QlNode* twin = node_new(m, right, QL_PACKED, node.count - idx)
    lp[off] = LP_END
    lp_set_header(lp, off + 1, idx)
    node.count = idx
    node.block = lp_fit(m, lp)
    link_node(m, q, twin, node, node.next)
    return twin


cdef bint join(Mem* m, Quicklist* q, QlNode* a, QlNode* b) noexcept nogil:
    """Appends b's elements to a, its left neighbour, and frees b, if one node may hold both."""
    if a == NULL or b == NULL or a.kind != QL_PACKED or b.kind != QL_PACKED:
        return False
    if not within(q, node_bytes(a) + node_bytes(b) - LP_EMPTY_BYTES, <size_t>a.count + b.count):
        return False
    own(m, q, a)
    own(m, q, b)
    a.block = lp_merge(m, a.block, b.block)
    a.count += b.count
    b.block = NULL
    unlink_node(m, q, b)
    return True


cdef void put_into(Mem* m, Quicklist* q, QlNode* node, size_t off, const char* s, size_t n) noexcept nogil:
    """Inserts into a packed node that takes it, before the entry (or end mark) at off."""
    own(m, q, node)
    node.block = lp_insert(m, node.block, node.block + off, LP_BEFORE, s, n, NULL)
    node.count += 1


cdef void insert_inside(Mem* m, Quicklist* q, QlNode* node, uint32_t idx, size_t off, const char* s,
                        size_t n) noexcept nogil:
    """Inserts before element idx, which is not the first, of a packed node that has no room or must not take it."""
    cdef QlNode* right
    cdef QlNode* fresh = NULL
    own(m, q, node)
    right = split(m, q, node, idx, off)
    if not is_large(q, n) and takes(q, node, n):
        put_into(m, q, node, lp_bytes(node.block) - 1, s, n)
    elif not is_large(q, n) and takes(q, right, n):
        put_into(m, q, right, LP_HEADER, s, n)
    else:
        fresh = node_of(m, q, s, n)
        link_node(m, q, fresh, node, right)
    if join(m, q, node.prev, node):
        node = right.prev if fresh == NULL else fresh.prev
    join(m, q, right, right.next)
    tidy(m, q, node)
    tidy(m, q, right)
    if fresh != NULL:
        tidy(m, q, fresh)


cdef void ql_insert(Mem* m, Quicklist* q, QlIter* it, int where, const char* s, size_t n) noexcept nogil:
    cdef QlNode* node = it.node
    cdef bint after = where == LP_AFTER
    cdef bint large = is_large(q, n)
    cdef bint edge = it.idx + 1 == node.count if after else it.idx == 0
    cdef QlNode* beside = node.next if after else node.prev
    cdef size_t off = it.off
    if after and node.kind == QL_PACKED:
        off += lp_entry_size(peek_raw(m, q, node) + off)
    ql_close(m, q)
    q.count += 1
    if not large and takes(q, node, n):
        put_into(m, q, node, off, s, n)
    elif not edge:
        insert_inside(m, q, node, it.idx + (1 if after else 0), off, s, n)
        return
    elif not large and takes(q, beside, n):
        node = beside
        put_into(m, q, node, LP_HEADER if after else node_bytes(node) - 1, s, n)
    else:
        node = node_of(m, q, s, n)
        link_node(m, q, node, it.node if after else beside, beside if after else it.node)
    tidy(m, q, node)


cdef void replace_sole(Mem* m, Quicklist* q, QlNode* node, const char* s, size_t n) noexcept nogil:
    """Gives a node of one element another one, of either kind."""
    cdef QlNode* fresh = node_of(m, q, s, n)
    replace_block(m, node, fresh.block)
    node.kind = fresh.kind
    node.lzf = QL_LZF_NO
    mem_free(m, fresh)
    tidy(m, q, node)


cdef void ql_replace(Mem* m, Quicklist* q, QlIter* it, const char* s, size_t n) noexcept nogil:
    cdef QlNode* node = it.node
    cdef size_t old
    if node.count == 1:
        ql_close(m, q)
        replace_sole(m, q, node, s, n)
        return
    old = lp_entry_size(peek_raw(m, q, node) + it.off)
    if not is_large(q, n) and within(q, node_bytes(node) - old + n + ENTRY_ESTIMATE, node.count):
        own_in_walk(m, q, node)
        node.block = lp_insert(m, node.block, node.block + it.off, LP_REPLACE, s, n, NULL)
    else:
        ql_insert(m, q, it, LP_AFTER, s, n)
        ql_seek(m, q, it.index, 1, it)
        ql_delete(m, q, it)
    ql_close(m, q)


# --- nodes, for saving and loading

cdef void ql_node_view(const QlNode* node, QlView* view) noexcept nogil:
    view.kind = node.kind
    view.lzf = node.lzf == QL_LZF_YES
    view.raw_len = node_bytes(node)
    view.len = view.raw_len
    if view.lzf:
        view.data = (<QlLzf*>node.block).data
        view.len = (<QlLzf*>node.block).len
    elif node.kind == QL_PLAIN:
        view.data = (<QlPlain*>node.block).data
    else:
        view.data = node_lp(node)


cdef const uint8_t* ql_node_bytes(Mem* m, Quicklist* q, QlNode* node, size_t* n) noexcept nogil:
    n[0] = node_bytes(node)
    return peek_raw(m, q, node)


cdef bint ql_append_listpack(Mem* m, Quicklist* q, uint8_t* lp) noexcept nogil:
    cdef size_t n = lp_length(lp)
    if n == 0:
        lp_free(m, lp)
        return False
    link_node(m, q, node_new(m, lp, QL_PACKED, <uint32_t>n), q.tail, NULL)
    q.count += n
    tidy(m, q, NULL)
    return True


cdef void ql_append_plain(Mem* m, Quicklist* q, uint8_t* block) noexcept nogil:
    push_new(m, q, QL_TAIL, node_new(m, block, QL_PLAIN, 1))


# --- the face for tests

cdef class QuicklistFace:
    """A quicklist for tests. Values go in as bytes (int: pushes only), come out as int or bytes.

    check() raises AssertionError when an invariant is broken.
    """
    cdef Quicklist* q
    cdef readonly MemFace mem

    def __cinit__(self, int64_t fill=-2, int64_t depth=0, size_t threshold=0, MemFace mem=None):
        self.mem = mem if mem is not None else MemFace()
        self.q = ql_new(&self.mem.mem, fill, depth)
        self.q.packed_threshold = threshold

    def __dealloc__(self):
        ql_free(&self.mem.mem, self.q)

    def __len__(self):
        return ql_length(self.q)

    def push(self, int where, v):
        if isinstance(v, int):
            ql_push_i64(&self.mem.mem, self.q, where, v)
        else:
            ql_push(&self.mem.mem, self.q, where, v, len(v))

    def peek(self, int where):
        """The value at an end, or None."""
        cdef const char* s = NULL
        cdef size_t n = 0
        cdef int64_t v = 0
        if not ql_peek(self.q, where, &s, &n, &v):
            return None
        return v if s == NULL else s[:n]

    def pop(self, int where):
        """Takes the value at an end; None when empty."""
        v = self.peek(where)
        if v is not None:
            ql_drop(&self.mem.mem, self.q, where)
        return v

    def rotate(self, int source):
        ql_rotate(&self.mem.mem, self.q, source)

    cdef object value(self, QlIter* it):
        cdef size_t n = 0
        cdef int64_t v = 0
        cdef const char* s = ql_get(&self.mem.mem, self.q, it, &n, &v)
        return v if s == NULL else s[:n]

    def walk(self, int64_t start=0, int dir=1):
        """Values from an index on, in direction 1 or -1."""
        cdef QlIter it
        out = []
        cdef bint more = ql_seek(&self.mem.mem, self.q, start, dir, &it)
        cdef int64_t index = it.index if more else 0
        while more:
            assert it.index == index
            out.append(self.value(&it))
            more = ql_step(&self.mem.mem, self.q, &it)
            index += dir
        ql_close(&self.mem.mem, self.q)
        return out

    def get(self, int64_t index):
        """Value at an index; IndexError outside."""
        cdef QlIter it
        if not ql_seek(&self.mem.mem, self.q, index, 1, &it):
            raise IndexError(index)
        v = self.value(&it)
        ql_close(&self.mem.mem, self.q)
        return v

    def find(self, bytes s, int64_t start=0, int dir=1, uint64_t most=0):
        """Index of the first element equal to s, or None."""
        cdef QlIter it
        cdef LpNeedle nd
        lp_needle(&nd, s, len(s))
        cdef bint hit = ql_seek(&self.mem.mem, self.q, start, dir, &it)
        hit = hit and ql_find(&self.mem.mem, self.q, &it, &nd, most)
        ql_close(&self.mem.mem, self.q)
        return it.index if hit else None

    def remove(self, bytes s, size_t count, int dir=1):
        """Deletes up to count elements equal to s along a walk; returns the indices where they were met."""
        cdef QlIter it
        cdef LpNeedle nd
        met = []
        lp_needle(&nd, s, len(s))
        cdef bint more = ql_seek(&self.mem.mem, self.q, 0 if dir > 0 else -1, dir, &it)
        while more and len(met) < count:
            if not ql_find(&self.mem.mem, self.q, &it, &nd, 0):
                break
            met.append(it.index)
            more = ql_delete(&self.mem.mem, self.q, &it)
        ql_close(&self.mem.mem, self.q)
        return met

    def delete_some(self, list keep, int dir=1):
        """One walk that deletes where keep (a bool per step) is False; returns the values met."""
        cdef QlIter it
        out = []
        cdef bint more = ql_seek(&self.mem.mem, self.q, 0 if dir > 0 else -1, dir, &it)
        for k in keep:
            if not more:
                break
            out.append(self.value(&it))
            if k:
                more = ql_step(&self.mem.mem, self.q, &it)
            else:
                more = ql_delete(&self.mem.mem, self.q, &it)
        ql_close(&self.mem.mem, self.q)
        return out

    def insert(self, int64_t index, int where, bytes v):
        """Inserts before (0) or after (1) the element at an index."""
        cdef QlIter it
        if not ql_seek(&self.mem.mem, self.q, index, 1, &it):
            raise IndexError(index)
        ql_insert(&self.mem.mem, self.q, &it, where, v, len(v))

    def replace(self, int64_t index, bytes v):
        cdef QlIter it
        if not ql_seek(&self.mem.mem, self.q, index, 1, &it):
            raise IndexError(index)
        ql_replace(&self.mem.mem, self.q, &it, v, len(v))

    def delete_range(self, int64_t start, uint64_t count):
        """How many elements went."""
        return ql_delete_range(&self.mem.mem, self.q, start, count)

    def dup(self):
        cdef QuicklistFace face = QuicklistFace(mem=self.mem)
        ql_free(&self.mem.mem, face.q)
        face.q = ql_dup(&self.mem.mem, self.q)
        return face

    def set_options(self, int64_t fill, int64_t depth):
        ql_set_options(self.q, fill, depth)

    def options(self):
        return self.q.fill, self.q.depth

    def nodes(self):
        """[(kind, elements, unpacked bytes, is compressed)], head to tail."""
        out = []
        cdef QlView view
        cdef QlNode* node = self.q.head
        while node != NULL:
            ql_node_view(node, &view)
            out.append((view.kind, node.count, view.raw_len, bool(view.lzf)))
            node = node.next
        return out

    def blobs(self):
        """[(kind, listpack or element)] as RDB saves them."""
        out = []
        cdef size_t n = 0
        cdef const uint8_t* p
        cdef QlNode* node = self.q.head
        while node != NULL:
            p = ql_node_bytes(&self.mem.mem, self.q, node, &n)
            out.append((node.kind, (<const char*>p)[:n]))
            node = node.next
        ql_close(&self.mem.mem, self.q)
        return out

    def append_listpack(self, bytes blob):
        return ql_append_listpack(&self.mem.mem, self.q,
                                  lp_from_bytes(&self.mem.mem, <const char*>blob, len(blob)))

    def append_plain(self, bytes s):
        """False when memory fails."""
        cdef uint8_t* block = ql_plain_new(&self.mem.mem, len(s))
        if block == NULL:
            return False
        memcpy(ql_plain_data(block), <const char*>s, len(s))
        ql_append_plain(&self.mem.mem, self.q, block)
        return True

    def to_listpack(self):
        """The sole packed node's listpack (the quicklist starts anew), or None."""
        cdef int fill = self.q.fill, depth = <int>self.q.depth
        cdef uint8_t* lp = ql_take_listpack(&self.mem.mem, self.q)
        if lp == NULL:
            return None
        blob = (<const char*>lp)[:lp_bytes(lp)]
        self.q = ql_from_listpack(&self.mem.mem, fill, depth, lp)
        return blob

    def memory(self, size_t samples=0):
        return ql_memory(self.q, samples)

    def check(self, bint strict=True):
        """Asserts all invariants, O(n). strict: nodes respect fill and depth (not so with loaded or re-set ones)."""
        cdef Quicklist* q = self.q
        cdef QlNode* node = q.head
        cdef QlNode* prev = NULL
        cdef uint64_t count = 0, nodes = 0
        cdef bint seen_open = q.open == NULL
        while node != NULL:
            assert node.prev == prev and node.count > 0
            seen_open = seen_open or q.open == node
            self.check_node(node, nodes, strict)
            count += node.count
            nodes += 1
            prev = node
            node = node.next
        assert q.tail == prev and q.count == count and q.nodes == nodes
        assert seen_open and (q.open != NULL or q.raw == NULL)

    cdef check_node(self, QlNode* node, uint64_t place, bint strict):
        cdef Quicklist* q = self.q
        cdef size_t n = node_bytes(node), usable = mem_usable(node.block)
        cdef bint end = node.prev == NULL or node.next == NULL
        cdef bint near = place < q.depth or place + q.depth >= q.nodes
        cdef uint8_t* lp
        if node.kind == QL_PLAIN:
            assert node.count == 1 and node.front == 0
            assert not strict or is_large(q, n)
        if node.lzf == QL_LZF_YES:
            assert not end and node.front == 0 and usable >= LZF_HEADER + (<QlLzf*>node.block).len
            assert (<QlLzf*>node.block).len + COMPRESS_GAIN <= n and n >= COMPRESS_MIN
            assert not strict or not near
        elif strict and q.depth != 0 and not near and q.open != node:
            assert n < COMPRESS_MIN or node.lzf == QL_LZF_VAIN
        if node.kind == QL_PACKED:
            if node.lzf != QL_LZF_YES:
                assert node.front + n <= usable
                assert end or usable <= n + n // 4 + 64, "idle room inside"
            lp = <uint8_t*>mem_alloc(&self.mem.mem, n)
            if node.lzf == QL_LZF_YES:
                unpack(node, lp)
            else:
                memcpy(lp, node_lp(node), n)
            ok = lp_validate_integrity(lp, n, True, NULL, NULL) and lp_length(lp) == node.count
            lp_free(&self.mem.mem, lp)
            assert ok
            assert not strict or node.count == 1 or within(q, n - ENTRY_ESTIMATE, node.count)
