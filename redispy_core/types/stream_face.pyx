"""A stream for tests (types/stream with its groups): values go in as bytes, come out as bytes; IDs are (ms, seq)."""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from ..base.env cimport Env, env_init
from ..base.mem cimport MemFace, mem_alloc, mem_free
from ..base.sds cimport Slice, slice_of
from ..structs.listpack cimport lp_bytes, lp_from_bytes
from ..structs.rax cimport RAX_FIRST, RaxIter, rax_iter_done, rax_iter_init, rax_next, rax_seek, rax_size
from .object cimport Robj, robj_effort, robj_free, robj_length, robj_memory
from .stream cimport (APPENDED, LAG_UNKNOWN, RefPolicy, Stream, StreamIter, Trim, TrimBy, stream_append, stream_boxed,
                      stream_count_read, stream_delete, stream_dup, stream_field, stream_find_first, stream_group,
                      stream_group_add, stream_group_delete, stream_has, stream_iter, stream_iter_done, stream_lag,
                      stream_last, stream_load_node, stream_new, stream_next_id, stream_node_valid, stream_step,
                      stream_trim)
from .stream_group cimport (Consumer, Group, Nack, StreamId, check_group, consumer_add, consumer_delete, consumer_find,
                            group_is_whole, id_make, id_of_key, pel_adopt, pel_deliver, pel_find, pel_load, pel_move,
                            pel_remove)

MAX = 2 ** 64 - 1


cdef StreamId id_from(pair):
    return id_make(pair[0], pair[1])


cdef pair_of(StreamId id):
    return id.ms, id.seq


def node_valid(bytes blob, bint deep=True):
    return stream_node_valid(<const char*>blob, len(blob), deep)


cdef class StreamFace:
    """check() raises AssertionError when an invariant is broken."""
    cdef Robj* o
    cdef Stream* s
    cdef Env env
    cdef readonly MemFace mem

    def __cinit__(self, int64_t max_entries=100, int64_t max_bytes=4096):
        self.mem = MemFace()
        env_init(&self.env)
        self.set_knobs(max_entries, max_bytes)
        self.take(stream_new(&self.mem.mem))

    cdef take(self, Stream* s):
        self.s = s
        self.o = stream_boxed(&self.mem.mem, slice_of(b"key", 3), s)

    def __dealloc__(self):
        robj_free(&self.mem.mem, self.o)

    def __len__(self):
        return robj_length(self.o)

    def set_knobs(self, int64_t max_entries, int64_t max_bytes):
        self.env.knobs.stream_node_max_entries = max_entries
        self.env.knobs.stream_node_max_bytes = max_bytes

    def become_copy(self):
        """Continues on a copy of the stream; the original is freed."""
        cdef Stream* copy = stream_dup(&self.mem.mem, self.s)
        robj_free(&self.mem.mem, self.o)
        self.take(copy)

    def memory(self, size_t samples=0):
        return robj_memory(self.o, samples)

    def effort(self):
        return robj_effort(self.o)

    # --- entries
    def add(self, id, list fields):
        """Appends an entry of names and values in turn. True: done."""
        cdef Slice* pairs = <Slice*>mem_alloc(&self.mem.mem, len(fields) * sizeof(Slice) + 1)
        cdef int64_t i
        for i in range(len(fields)):
            pairs[i] = slice_of(<bytes>fields[i], len(fields[i]))
        done = stream_append(&self.mem.mem, &self.env.knobs, self.s, id_from(id), pairs, len(fields) // 2) == APPENDED
        mem_free(&self.mem.mem, pairs)
        return done

    def next_id(self, int64_t now_ms):
        cdef StreamId id
        return pair_of(id) if stream_next_id(self.s, now_ms, &id) else None

    def range(self, start=(0, 0), end=(MAX, MAX), bint reverse=False, count=None, read=None):
        """[(id, [name, value, ...])]; `read` fields of each entry are looked at, all unless given."""
        cdef StreamIter it
        cdef Slice name, value
        cdef int64_t i
        out = []
        stream_iter(&it, &self.mem.mem, self.s, id_from(start), id_from(end), reverse)
        while (count is None or len(out) < count) and stream_step(&it):
            fields = []
            for i in range(it.fields if read is None else min(read, it.fields)):
                stream_field(&it, &name, &value)
                fields += [name.ptr[:name.len], value.ptr[:value.len]]
            out.append((pair_of(it.id), fields))
        stream_iter_done(&it)
        return out

    def has(self, id):
        return stream_has(&self.mem.mem, self.s, id_from(id))

    def delete(self, id):
        return stream_delete(&self.mem.mem, self.s, id_from(id))

    def trim(self, int by, bint approx=False, int64_t maxlen=0, minid=(0, 0), int64_t limit=0, int refs=0):
        cdef Trim t
        t.by = <TrimBy>by
        t.approx = approx
        t.maxlen = maxlen
        t.minid = id_from(minid)
        t.limit = limit
        t.refs = <RefPolicy>refs
        return stream_trim(&self.mem.mem, self.s, &t)

    def last(self):
        cdef StreamId id
        return pair_of(id) if stream_last(&self.mem.mem, self.s, &id) else None

    @property
    def state(self):
        """(last_id, first_id, max_deleted, entries_added)"""
        return pair_of(self.s.last_id), pair_of(self.s.first_id), pair_of(self.s.max_deleted), self.s.entries_added

    def nodes(self):
        """[(id, bytes of the listpack)]"""
        cdef RaxIter it
        out = []
        rax_iter_init(&it, &self.mem.mem, self.s.nodes)
        rax_seek(&it, RAX_FIRST, NULL, 0)
        while it.valid:
            out.append((pair_of(id_of_key(it.key)), (<char*>it.value)[:lp_bytes(<uint8_t*>it.value)]))
            rax_next(&it)
        rax_iter_done(&it)
        return out

    # --- groups
    cdef Group* group(self, bytes name) except NULL:
        cdef Group* g = stream_group(self.s, slice_of(name, len(name)))
        if g == NULL:
            raise KeyError(name)
        return g

    cdef Consumer* consumer(self, Group* g, bytes name) except NULL:
        cdef Slice s = slice_of(name, len(name))
        cdef Consumer* c = consumer_find(g, s)
        return c if c != NULL else consumer_add(&self.mem.mem, g, s, 0)

    def group_add(self, bytes name, id=(0, 0), int64_t entries_read=-1):
        return stream_group_add(&self.mem.mem, self.s, slice_of(name, len(name)), id_from(id), entries_read) != NULL

    def group_delete(self, bytes name):
        return stream_group_delete(&self.mem.mem, self.s, slice_of(name, len(name)))

    def deliver(self, bytes group, bytes consumer, id, int64_t now_ms=0):
        cdef Group* g = self.group(group)
        stream_count_read(self.s, g, id_from(id))
        pel_deliver(&self.mem.mem, g, self.consumer(g, consumer), id_from(id), now_ms)

    def claim(self, bytes group, bytes consumer, id):
        cdef Group* g = self.group(group)
        cdef Nack* n = pel_find(g, id_from(id))
        if n != NULL:
            pel_move(&self.mem.mem, g, id_from(id), n, self.consumer(g, consumer))
        return n != NULL

    def ack(self, bytes group, id):
        return pel_remove(&self.mem.mem, self.group(group), id_from(id))

    def consumer_delete(self, bytes group, bytes consumer):
        cdef Group* g = self.group(group)
        return consumer_delete(&self.mem.mem, g, self.consumer(g, consumer))

    def load_pending(self, bytes group, id, int64_t delivered_ms=0, uint64_t deliveries=1):
        return pel_load(&self.mem.mem, self.group(group), id_from(id), delivered_ms, deliveries)

    def adopt(self, bytes group, bytes consumer, id):
        cdef Group* g = self.group(group)
        return pel_adopt(&self.mem.mem, g, self.consumer(g, consumer), id_from(id))

    def is_whole(self, bytes group):
        return group_is_whole(&self.mem.mem, self.group(group))

    def load_nodes(self, list nodes, state, uint64_t length):
        """Takes nodes as nodes() gives them, and the counters."""
        cdef bytes blob
        for id, blob in nodes:
            stream_load_node(&self.mem.mem, self.s, id_from(id), lp_from_bytes(&self.mem.mem, <char*>blob, len(blob)))
        self.s.length = length
        self.s.last_id = id_from(state[0])
        self.s.max_deleted = id_from(state[2])
        self.s.entries_added = state[3]
        stream_find_first(&self.mem.mem, self.s)

    def pending(self, bytes group):
        """{id: consumer}"""
        cdef RaxIter it
        cdef Consumer* c
        out = {}
        rax_iter_init(&it, &self.mem.mem, self.group(group).pel)
        rax_seek(&it, RAX_FIRST, NULL, 0)
        while it.valid:
            c = (<Nack*>it.value).consumer
            out[pair_of(id_of_key(it.key))] = c.name[:c.len]
            rax_next(&it)
        rax_iter_done(&it)
        return out

    def lag(self, bytes group):
        lag = stream_lag(self.s, self.group(group))
        return None if lag == LAG_UNKNOWN else lag

    def check(self):
        """All invariants, O(n)."""
        cdef Group* g = self.s.group_list
        cdef Group* before = NULL
        cdef uint64_t groups = 0
        nodes = self.nodes()
        for _, blob in nodes:
            assert node_valid(blob), "a node's listpack is broken"
        entries = self.range()
        ids = [id for id, _ in entries]
        assert ids == sorted(set(ids)), "IDs do not ascend"
        assert len(ids) == self.s.length, "length"
        assert pair_of(self.s.first_id) == (ids[0] if ids else (0, 0)), "first_id"
        assert not ids or max(ids) <= pair_of(self.s.last_id), "last_id"
        assert entries[::-1] == self.range(reverse=True), "backward is not forward reversed"
        assert (self.s.tail != NULL) == bool(nodes), "tail"
        if nodes:
            assert pair_of(self.s.tail_id) == nodes[len(nodes) - 1][0], "tail_id"
            assert (<char*>self.s.tail)[:lp_bytes(self.s.tail)] == nodes[len(nodes) - 1][1], "tail is not the last node"
        while g != NULL:
            assert g.prev == before, "list of groups"
            check_group(&self.mem.mem, g)
            before = g
            g = g.next
            groups += 1
        assert groups == (rax_size(self.s.groups) if self.s.groups != NULL else 0), "groups"
