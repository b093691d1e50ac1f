"""Set commands. Room commands; values are those of types/set.

SINTER, SUNION, SDIFF and their STORE forms share one half that finds the operands and one that takes the result: a
Sink, which writes a member into the reply, puts it into a new set, or counts it.

SINTER goes over one operand and looks its members up in the others, smallest first. Which one: that with the least
work, its size times what a look-up in each other costs; so a small intset that is cheap to look into does not drive.
SDIFF goes over the first operand and looks its members up in the others, or takes the others' members out of a copy of
the first, whichever is less work.
"""
from libc.stdint cimport INT64_MAX, int64_t
from ..base.env cimport env_rand_below
from ..base.mem cimport mem_alloc, mem_free
from ..base.rp cimport likely, unlikely
from ..base.sds cimport Slice, slice_of
from ..exec.args cimport (err, i64_or_reply, positive_or_reply, range_or_reply, syntax_error, text_slice,
                           type_or_reply, word_is)
from ..exec.client cimport Ctx
from ..exec.registry cimport bind
from ..exec.scan cimport (Scan, scan_cursor_or_reply, scan_dict, scan_empty, scan_flat_begin, scan_matches,
                          scan_options_or_reply)
from ..keyspace.db cimport (db_add, db_delete, db_discard, db_put, db_read, db_remove, db_unlink, db_write, key_changed,
                            key_event)
from ..keyspace.events cimport EV_GENERIC, EV_SET
from ..keyspace.journal cimport *
from ..proto.errors cimport (E_LIMIT_NEGATIVE, E_NOT_BETWEEN, E_NUMKEYS, E_NUMKEYS_ARGS, E_OOM_ALLOC)
from ..proto.reply cimport (Deferred, Out, OutMark, out_mark, out_rollback, reply_array, reply_bulk, reply_bulk_i64, reply_errorf,
                            reply_int, reply_later, reply_length, reply_null, reply_set)
from ..structs.dict cimport Dict
from ..types.object cimport ENC_HT, ENC_INTSET, NO_EXPIRE, OBJ_SET, Robj, robj_boxed
from ..types.set cimport (SET_ADDED, SET_NO_MEMORY, Set, SetAdded, SetBag, SetEl, SetIter, bag_free, bag_get, el_of_text,
                          el_text, set_add, set_dup, set_entry_text, set_every, set_expect, set_for, set_free, set_has,
                          set_iter, set_iter_end, set_keep, set_next, set_of, set_pop, set_pop_many, set_put,
                          set_random, set_remove, set_sample, set_size)

cdef enum:
    SREM_MAX = 1024             # members of one SREM that leaves for SPOP
    FEW = 32                    # operands without an allocation


# ---------------------------------------------------------------- shared

cdef inline int reply_el(Out* o, const SetEl* el) noexcept nogil:
    if el.s == NULL:
        return reply_bulk_i64(o, el.v)
    return reply_bulk(o, el.s, el.n)


cdef inline void el_of_arg(SetEl* el, Slice arg) noexcept nogil:
    el_of_text(el, arg.ptr, arg.len)


cdef Robj* set_add_key(Ctx* x, Slice key, const Set* s) noexcept nogil:
    cdef Robj* o = robj_boxed(x.mem, key, OBJ_SET, s.enc, s.p, NO_EXPIRE)
    db_add(x.ks, x.db, o)
    return o


cdef void members_gone(Ctx* x, Slice key, Robj* o, const Set* s, int64_t count, const char* event) noexcept nogil:
    """`count` members left the set s of o: the key goes with its last one."""
    cdef bint emptied = set_size(s) == 0
    set_keep(o, s)
    if emptied:
        db_delete(x.ks, x.db, key)
    x.ks.ev.dirty += count - 1
    key_changed(x.ks, x.db, key, EV_SET, event)
    if emptied:
        key_event(x.ks, x.db, key, EV_GENERIC, b"del")


# ---------------------------------------------------------------- members

cdef int sadd_command(Ctx* x) noexcept nogil:
    """SADD key member [member ...]. O(1) a member."""
    cdef Robj* o = db_write(x.ks, x.db, x.argv[1])
    cdef Set s
    cdef SetEl el
    cdef SetAdded added
    cdef int64_t count = 0
    cdef int j
    if not type_or_reply(x, o, OBJ_SET):
        return 0
    el_of_arg(&el, x.argv[2])
    if o == NULL:
        s = set_for(x.mem, x.env, &el, x.argc - 2)
    else:
        s = set_of(o)
        set_expect(x.mem, x.env, &s, x.argc - 2)
    added = set_add(x.mem, x.env, &s, &el)
    count += added == SET_ADDED
    for j in range(3, x.argc):
        if unlikely(added == SET_NO_MEMORY):
            break
        el_of_arg(&el, x.argv[j])
        added = set_add(x.mem, x.env, &s, &el)
        count += added == SET_ADDED
    if o != NULL:
        set_keep(o, &s)
    elif likely(count):
        set_add_key(x, x.argv[1], &s)
    else:
        set_free(x.mem, &s)
    if count:
        x.ks.ev.dirty += count - 1
        key_changed(x.ks, x.db, x.argv[1], EV_SET, b"sadd")
    if unlikely(added == SET_NO_MEMORY):
        return err(x, E_OOM_ALLOC)
    return reply_int(x.out, count)


cdef int srem_command(Ctx* x) noexcept nogil:
    """SREM key member [member ...]. O(1) a member."""
    cdef Robj* o = db_write(x.ks, x.db, x.argv[1])
    cdef Set s
    cdef SetEl el
    cdef int64_t count = 0
    cdef int j
    if not type_or_reply(x, o, OBJ_SET):
        return 0
    if o == NULL:
        return reply_int(x.out, 0)
    s = set_of(o)
    for j in range(2, x.argc):
        el_of_arg(&el, x.argv[j])
        if set_remove(x.mem, &s, &el):
            count += 1
            if set_size(&s) == 0:
                break
    if count:
        members_gone(x, x.argv[1], o, &s, count, b"srem")
    return reply_int(x.out, count)


cdef int smove_command(Ctx* x) noexcept nogil:
    """SMOVE source destination member. O(1)."""
    cdef Robj* src = db_write(x.ks, x.db, x.argv[1])
    cdef Robj* dst = db_write(x.ks, x.db, x.argv[2])
    cdef Set s, d
    cdef SetEl el
    cdef SetAdded added
    if src == NULL:
        return reply_int(x.out, 0)
    if not type_or_reply(x, src, OBJ_SET) or not type_or_reply(x, dst, OBJ_SET):
        return 0
    s = set_of(src)
    el_of_arg(&el, x.argv[3])
    if src == dst:
        return reply_int(x.out, set_has(&s, &el))
    if not set_has(&s, &el):
        return reply_int(x.out, 0)
    d = set_of(dst)
    added = set_put(x.mem, x.env, &d, &el)
    if unlikely(added == SET_NO_MEMORY):
        if dst == NULL:
            set_free(x.mem, &d)
        return err(x, E_OOM_ALLOC)
    if dst != NULL:
        set_keep(dst, &d)
    set_remove(x.mem, &s, &el)
    members_gone(x, x.argv[1], src, &s, 1, b"srem")
    if dst == NULL:
        set_add_key(x, x.argv[2], &d)
    if added == SET_ADDED:
        key_changed(x.ks, x.db, x.argv[2], EV_SET, b"sadd")
    return reply_int(x.out, 1)


cdef int sismember_command(Ctx* x) noexcept nogil:
    """SISMEMBER key member. O(1)."""
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    cdef Set s
    cdef SetEl el
    if not type_or_reply(x, o, OBJ_SET):
        return 0
    s = set_of(o)
    el_of_arg(&el, x.argv[2])
    return reply_int(x.out, set_has(&s, &el))


cdef int smismember_command(Ctx* x) noexcept nogil:
    """SMISMEMBER key member [member ...]. O(1) a member."""
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    cdef Set s
    cdef SetEl el
    cdef int j
    if not type_or_reply(x, o, OBJ_SET):
        return 0
    s = set_of(o)
    reply_array(x.out, x.argc - 2)
    for j in range(2, x.argc):
        el_of_arg(&el, x.argv[j])
        reply_int(x.out, set_has(&s, &el))
    return 0


cdef int scard_command(Ctx* x) noexcept nogil:
    """SCARD key. O(1)."""
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    cdef Set s
    if not type_or_reply(x, o, OBJ_SET):
        return 0
    s = set_of(o)
    return reply_int(x.out, set_size(&s))


cdef int reply_all(Ctx* x, const Set* s) noexcept nogil:
    cdef SetIter it
    cdef SetEl el
    reply_set(x.out, set_size(s))
    set_iter(&it, s)
    while set_next(&it, &el):
        reply_el(x.out, &el)
    set_iter_end(&it)
    return 0


cdef int smembers_command(Ctx* x) noexcept nogil:
    """SMEMBERS key. O(n)."""
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    cdef Set s
    if not type_or_reply(x, o, OBJ_SET):
        return 0
    s = set_of(o)
    return reply_all(x, &s)


cdef bint scan_keeps(void* ctx, const Scan* s, void* entry) noexcept nogil:
    cdef size_t n
    cdef const char* text = set_entry_text(entry, &n)
    return scan_matches(s, text, n)


cdef void scan_write(Out* o, const Scan* s, void* entry) noexcept nogil:
    cdef size_t n
    cdef const char* text = set_entry_text(entry, &n)
    reply_bulk(o, text, n)


cdef int sscan_command(Ctx* x) noexcept nogil:
    """SSCAN key cursor [MATCH pattern] [COUNT count]. O(count); a small set comes whole."""
    cdef Scan scan
    cdef Robj* o
    cdef Set s
    cdef SetIter it
    cdef SetEl el
    cdef Deferred length
    cdef int64_t n = 0
    if not scan_cursor_or_reply(x, x.argv[2], &scan):
        return 0
    o = db_read(x.ks, x.db, x.argv[1])
    if o == NULL:
        return scan_empty(x)
    if not type_or_reply(x, o, OBJ_SET) or not scan_options_or_reply(x, 3, 0, &scan):
        return 0
    s = set_of(o)
    if s.enc == ENC_HT:
        return scan_dict(x, <Dict*>s.p, &scan, scan_keeps, NULL, scan_write, 1)
    length = scan_flat_begin(x)
    set_iter(&it, &s)
    while set_next(&it, &el):
        el_text(&el)
        if scan_matches(&scan, el.s, el.n):
            reply_bulk(x.out, el.s, el.n)
            n += 1
    set_iter_end(&it)
    reply_length(x.out, length, c'*', n)
    return 0


# ---------------------------------------------------------------- chance

cdef int reply_bag(Ctx* x, SetBag* bag) noexcept nogil:
    """The members, behind a header that was written already; frees the bag."""
    cdef SetEl el
    cdef size_t i
    for i in range(bag.n):
        bag_get(bag, i, &el)
        reply_el(x.out, &el)
    bag_free(x.mem, bag)
    return 0


cdef void leave_as_srem(Ctx* x, int members) noexcept nogil:
    journal_begin(&x.ks.journal, x.db.id, 2 + members)
    journal_text(&x.ks.journal, b"SREM")
    journal_arg(&x.ks.journal, x.argv[1])


cdef void leave_bag(Ctx* x, const SetBag* bag) noexcept nogil:
    """SREM key member ..., of at most SREM_MAX members each."""
    cdef SetEl el
    cdef size_t i
    for i in range(bag.n):
        if i % SREM_MAX == 0:
            leave_as_srem(x, <int>min(bag.n - i, <size_t>SREM_MAX))
        bag_get(bag, i, &el)
        el_text(&el)
        journal_arg(&x.ks.journal, slice_of(el.s, el.n))


cdef int spop_one(Ctx* x) noexcept nogil:
    cdef Robj* o = db_write(x.ks, x.db, x.argv[1])
    cdef Set s
    cdef SetEl el
    cdef void* owned
    if o == NULL:
        return reply_null(x.out)
    if not type_or_reply(x, o, OBJ_SET):
        return 0
    s = set_of(o)
    owned = set_pop(x.mem, x.env, &s, &el)
    if unlikely(journaling(&x.ks.journal)):
        leave_as_srem(x, 1)
        el_text(&el)
        journal_arg(&x.ks.journal, slice_of(el.s, el.n))
    members_gone(x, x.argv[1], o, &s, 1, b"spop")
    reply_el(x.out, &el)
    mem_free(x.mem, owned)
    return 0


cdef int spop_all(Ctx* x) noexcept nogil:
    cdef Robj* o = db_unlink(x.ks, x.db, x.argv[1])
    cdef Set s = set_of(o)
    journal_key(&x.ks.journal, x.db.id, b"UNLINK" if x.env.knobs.lazyfree_lazy_server_del else b"DEL", x.argv[1])
    x.ks.ev.dirty += <int64_t>set_size(&s) - 1
    key_changed(x.ks, x.db, x.argv[1], EV_SET, b"spop")
    key_event(x.ks, x.db, x.argv[1], EV_GENERIC, b"del")
    reply_all(x, &s)
    db_discard(x.ks, o, x.env.knobs.lazyfree_lazy_server_del != 0)
    return 0


cdef int spop_command(Ctx* x) noexcept nogil:
    """SPOP key [count]. O(count); O(n) once in a small set, and when most of a large one goes."""
    cdef int64_t count
    cdef Robj* o
    cdef Set s
    cdef SetBag bag
    if x.argc == 2:
        return spop_one(x)
    if x.argc > 3:
        return syntax_error(x)
    if not positive_or_reply(x, x.argv[2], &count):
        return 0
    o = db_write(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_SET):
        return 0
    s = set_of(o)
    if o == NULL or count == 0:
        return reply_set(x.out, 0)
    if <size_t>count >= set_size(&s):
        return spop_all(x)
    set_pop_many(x.mem, x.env, &s, count, &bag)
    if unlikely(journaling(&x.ks.journal)):
        leave_bag(x, &bag)
    members_gone(x, x.argv[1], o, &s, count, b"spop")
    reply_set(x.out, count)
    return reply_bag(x, &bag)


cdef int random_repeated(Ctx* x, const Set* s, int64_t count) noexcept nogil:
    """`count` members drawn independently. compat: refused where Redis would die of the reply."""
    cdef SetBag bag
    cdef SetEl el
    cdef size_t size = set_size(s)
    cdef int64_t i
    if count >> 32:
        return err(x, E_OOM_ALLOC)
    reply_array(x.out, count)
    if s.enc == ENC_HT or s.enc == ENC_INTSET or count == 1:
        for i in range(count):
            set_random(x.env, s, &el)
            reply_el(x.out, &el)
            if unlikely(x.out.full):        # its client is to be closed for its output
                break
        return 0
    set_every(x.mem, s, &bag)               # a listpack is walked once, not once a member
    for i in range(count):
        bag_get(&bag, env_rand_below(x.env, size), &el)
        reply_el(x.out, &el)
        if unlikely(x.out.full):
            break
    bag_free(x.mem, &bag)
    return 0


cdef int srandmember_count(Ctx* x) noexcept nogil:
    cdef int64_t count
    cdef Robj* o
    cdef Set s
    cdef SetBag bag
    if not i64_or_reply(x, x.argv[2], &count):
        return 0
    if count == -INT64_MAX - 1:
        return reply_errorf(x.out, E_NOT_BETWEEN, text_slice(b"-9223372036854775807"), text_slice(b"9223372036854775807"))
    o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_SET):
        return 0
    if o == NULL or count == 0:
        return reply_array(x.out, 0)
    s = set_of(o)
    if count < 0:
        return random_repeated(x, &s, -count)
    if <size_t>count >= set_size(&s):
        set_every(x.mem, &s, &bag)
    else:
        set_sample(x.mem, x.env, &s, count, &bag)
    reply_array(x.out, bag.n)
    return reply_bag(x, &bag)


cdef int srandmember_command(Ctx* x) noexcept nogil:
    """SRANDMEMBER key [count]. O(1), O(|count|) with a count; negative: with repetitions."""
    cdef Robj* o
    cdef Set s
    cdef SetEl el
    if x.argc == 3:
        return srandmember_count(x)
    if x.argc > 3:
        return syntax_error(x)
    o = db_read(x.ks, x.db, x.argv[1])
    if o == NULL:
        return reply_null(x.out)
    if not type_or_reply(x, o, OBJ_SET):
        return 0
    s = set_of(o)
    set_random(x.env, &s, &el)
    return reply_el(x.out, &el)


# ---------------------------------------------------------------- algebra: operands and results

cdef struct Operands:
    Set* sets                       # a missing key: no set
    int n
    Set[FEW] few

cdef enum SinkKind:
    SINK_REPLY
    SINK_STORE
    SINK_COUNT

cdef struct Sink:
    Ctx* x
    SinkKind kind
    Set to                          # SINK_STORE: the result
    bint failed                     # no memory for a member
    int64_t n
    int64_t limit                   # SINK_COUNT: enough

ctypedef void (*algebra_fn)(Ctx* x, Operands* ops, Sink* sink) noexcept nogil


cdef inline bint emit(Sink* sink, SetEl* el) noexcept nogil:
    """A member of the result, which must not come twice unless it is stored; False: no more are wanted."""
    sink.n += 1
    if sink.kind == SINK_REPLY:
        reply_el(sink.x.out, el)
    elif sink.kind == SINK_STORE:
        if unlikely(set_put(sink.x.mem, sink.x.env, &sink.to, el) == SET_NO_MEMORY):
            sink.failed = True
            return False
    return sink.n < sink.limit


cdef void emit_all(Sink* sink, const Set* s) noexcept nogil:
    cdef SetIter it
    cdef SetEl el
    set_iter(&it, s)
    while set_next(&it, &el) and emit(sink, &el):
        pass
    set_iter_end(&it)


cdef bint operands_or_reply(Ctx* x, int first, int n, Operands* ops) noexcept nogil:
    """All keys are looked at, so that a wrong type is seen behind a missing key, too."""
    cdef Robj* o
    cdef int j
    ops.n = n
    ops.sets = &ops.few[0] if n <= FEW else <Set*>mem_alloc(x.mem, n * sizeof(Set))
    for j in range(n):
        o = db_read(x.ks, x.db, x.argv[first + j])
        if not type_or_reply(x, o, OBJ_SET):
            operands_free(x, ops)
            return False
        ops.sets[j] = set_of(o)
    return True


cdef void operands_free(Ctx* x, Operands* ops) noexcept nogil:
    if ops.sets != &ops.few[0]:
        mem_free(x.mem, ops.sets)


cdef inline void sink_init(Ctx* x, Sink* sink, SinkKind kind) noexcept nogil:
    sink.x = x
    sink.kind = kind
    sink.to = set_of(NULL)
    sink.failed = False
    sink.n = 0
    sink.limit = INT64_MAX


cdef int reply_result(Ctx* x, algebra_fn algebra) noexcept nogil:
    """key [key ...]"""
    cdef Operands ops
    cdef Sink sink
    cdef OutMark before
    cdef Deferred length
    if not operands_or_reply(x, 1, x.argc - 1, &ops):
        return 0
    sink_init(x, &sink, SINK_REPLY)
    before = out_mark(x.out)
    length = reply_later(x.out)
    algebra(x, &ops, &sink)
    operands_free(x, &ops)
    if unlikely(sink.failed):
        out_rollback(x.out, before)
        return err(x, E_OOM_ALLOC)
    reply_length(x.out, length, c'~', sink.n)
    return 0


cdef int store_result(Ctx* x, algebra_fn algebra, const char* event) noexcept nogil:
    """destination key [key ...]. An empty result deletes the destination."""
    cdef Slice key = x.argv[1]
    cdef Operands ops
    cdef Sink sink
    if not operands_or_reply(x, 2, x.argc - 2, &ops):
        return 0
    sink_init(x, &sink, SINK_STORE)
    algebra(x, &ops, &sink)
    operands_free(x, &ops)
    if unlikely(sink.failed):
        set_free(x.mem, &sink.to)
        return err(x, E_OOM_ALLOC)
    if sink.to.p != NULL:
        db_write(x.ks, x.db, key)           # an expired destination goes as such
        db_put(x.ks, x.db, robj_boxed(x.mem, key, OBJ_SET, sink.to.enc, sink.to.p, NO_EXPIRE))
        key_changed(x.ks, x.db, key, EV_SET, event)
    elif db_write(x.ks, x.db, key) != NULL:
        db_remove(x.ks, x.db, key, x.env.knobs.lazyfree_lazy_server_del != 0)
        key_changed(x.ks, x.db, key, EV_GENERIC, b"del")
    return reply_int(x.out, set_size(&sink.to))


# ---------------------------------------------------------------- algebra: intersection

cdef inline int64_t probe_cost(const Set* s) noexcept nogil:
    """What a look-up costs, roughly: a hash and a bucket; a binary search; a walk."""
    if s.enc == ENC_HT:
        return 8
    if s.enc == ENC_INTSET:
        return 3
    return 4 + set_size(s) // 4


cdef void smallest_first(Set* sets, int n) noexcept nogil:
    cdef Set s
    cdef int i, k
    for i in range(1, n):
        s = sets[i]
        k = i
        while k > 0 and set_size(&sets[k - 1]) > set_size(&s):
            sets[k] = sets[k - 1]
            k -= 1
        sets[k] = s


cdef void choose_driver(Set* sets, int n) noexcept nogil:
    """Brings the operand to go over to the front."""
    cdef int64_t total = 0, cost, best_cost = INT64_MAX
    cdef int best = 0
    cdef int i
    cdef Set s
    for i in range(n):
        total += probe_cost(&sets[i])
    for i in range(n):
        cost = <int64_t>set_size(&sets[i]) * (total - probe_cost(&sets[i]))
        if cost < best_cost:
            best = i
            best_cost = cost
    s = sets[best]
    for i in range(best, 0, -1):
        sets[i] = sets[i - 1]
    sets[0] = s


cdef inline bint in_all(const Set* sets, int n, SetEl* el) noexcept nogil:
    cdef int i
    for i in range(n):
        if not set_has(&sets[i], el):
            return False
    return True


cdef void intersect(Ctx* x, Operands* ops, Sink* sink) noexcept nogil:
    """O(size of one operand * operands)."""
    cdef SetIter it
    cdef SetEl el
    smallest_first(ops.sets, ops.n)
    if set_size(&ops.sets[0]) == 0:
        return
    if ops.n > 1:
        choose_driver(ops.sets, ops.n)
    set_iter(&it, &ops.sets[0])
    while set_next(&it, &el):
        if in_all(ops.sets + 1, ops.n - 1, &el) and not emit(sink, &el):
            break
    set_iter_end(&it)


cdef int sinter_command(Ctx* x) noexcept nogil:
    """SINTER key [key ...]."""
    return reply_result(x, intersect)


cdef int sinterstore_command(Ctx* x) noexcept nogil:
    """SINTERSTORE destination key [key ...]."""
    return store_result(x, intersect, b"sinterstore")


cdef int sintercard_command(Ctx* x) noexcept nogil:
    """SINTERCARD numkeys key [key ...] [LIMIT limit]."""
    cdef int64_t keys
    cdef int64_t limit = 0
    cdef int j
    cdef Operands ops
    cdef Sink sink
    if not range_or_reply(x, x.argv[1], 1, INT64_MAX, &keys, E_NUMKEYS):
        return 0
    if keys > x.argc - 2:
        return err(x, E_NUMKEYS_ARGS)
    j = 2 + <int>keys
    while j < x.argc:
        if not word_is(x.argv[j], b"limit") or j + 1 == x.argc:
            return syntax_error(x)
        if not range_or_reply(x, x.argv[j + 1], 0, INT64_MAX, &limit, E_LIMIT_NEGATIVE):
            return 0
        j += 2
    if not operands_or_reply(x, 2, <int>keys, &ops):
        return 0
    sink_init(x, &sink, SINK_COUNT)
    if limit:
        sink.limit = limit
    intersect(x, &ops, &sink)
    operands_free(x, &ops)
    return reply_int(x.out, sink.n)


# ---------------------------------------------------------------- algebra: union and difference

cdef void unite(Ctx* x, Operands* ops, Sink* sink) noexcept nogil:
    """O(members of all)."""
    cdef Sink all
    cdef int i, last = 0, present = 0
    for i in range(ops.n):
        if ops.sets[i].p != NULL:
            present += 1
            last = i
    if present == 1:
        emit_all(sink, &ops.sets[last])
    elif sink.kind == SINK_STORE:
        for i in range(ops.n):
            emit_all(sink, &ops.sets[i])
    elif present:                           # a member counts once: gather them first
        sink_init(x, &all, SINK_STORE)
        for i in range(ops.n):
            emit_all(&all, &ops.sets[i])
        sink.failed = all.failed
        emit_all(sink, &all.to)
        set_free(x.mem, &all.to)


cdef void subtract_by_lookup(Operands* ops, Sink* sink) noexcept nogil:
    """O(first * operands), less when the others have much of it."""
    cdef SetIter it
    cdef SetEl el
    cdef int i
    set_iter(&it, &ops.sets[0])
    while set_next(&it, &el):
        i = ops.n - 1
        while i > 0 and not set_has(&ops.sets[i], &el):
            i -= 1
        if i == 0:
            emit(sink, &el)
    set_iter_end(&it)


cdef void subtract_by_removal(Ctx* x, Operands* ops, Sink* sink) noexcept nogil:
    """O(members of all)."""
    cdef Set rest = set_dup(x.mem, &ops.sets[0])
    cdef SetIter it
    cdef SetEl el
    cdef int i
    for i in range(1, ops.n):
        set_iter(&it, &ops.sets[i])
        while set_size(&rest) and set_next(&it, &el):
            set_remove(x.mem, &rest, &el)
        set_iter_end(&it)
    emit_all(sink, &rest)
    set_free(x.mem, &rest)


cdef void subtract(Ctx* x, Operands* ops, Sink* sink) noexcept nogil:
    cdef int64_t by_lookup = 0, by_removal = 0
    cdef int64_t first = set_size(&ops.sets[0])
    cdef int i
    if first == 0:
        return
    for i in range(1, ops.n):
        if ops.sets[i].p == ops.sets[0].p:
            return                          # less itself
        if ops.sets[i].p != NULL:
            by_lookup += first * probe_cost(&ops.sets[i])
            by_removal += <int64_t>set_size(&ops.sets[i]) * probe_cost(&ops.sets[0])
    by_removal += first * 2 * 8             # a copy, and its end
    if by_lookup <= by_removal:
        smallest_first(ops.sets + 1, ops.n - 1)     # looked up from the largest down
        subtract_by_lookup(ops, sink)
    else:
        subtract_by_removal(x, ops, sink)


cdef int sunion_command(Ctx* x) noexcept nogil:
    """SUNION key [key ...]."""
    return reply_result(x, unite)


cdef int sunionstore_command(Ctx* x) noexcept nogil:
    """SUNIONSTORE destination key [key ...]."""
    return store_result(x, unite, b"sunionstore")


cdef int sdiff_command(Ctx* x) noexcept nogil:
    """SDIFF key [key ...]."""
    return reply_result(x, subtract)


cdef int sdiffstore_command(Ctx* x) noexcept nogil:
    """SDIFFSTORE destination key [key ...]."""
    return store_result(x, subtract, b"sdiffstore")


bind(b"sadd", sadd_command)
bind(b"srem", srem_command)
bind(b"smove", smove_command)
bind(b"sismember", sismember_command)
bind(b"smismember", smismember_command)
bind(b"scard", scard_command)
bind(b"smembers", smembers_command)
bind(b"sscan", sscan_command)
bind(b"spop", spop_command)
bind(b"srandmember", srandmember_command)
bind(b"sinter", sinter_command)
bind(b"sinterstore", sinterstore_command)
bind(b"sintercard", sintercard_command)
bind(b"sunion", sunion_command)
bind(b"sunionstore", sunionstore_command)
bind(b"sdiff", sdiff_command)
bind(b"sdiffstore", sdiffstore_command)
