"""HyperLogLog commands: strings that hold the blobs of structs/hll. Room commands.

A blob may come from a client (SET, APPEND), so each command looks at its header, and says so when its runs turn out to
be broken; nothing has been changed then. The cardinality is cached inside the value: PFCOUNT of one key refreshes it in
place, which is a change (it is persisted and replicated) without a notification.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcmp, memset
from ..base.env cimport env_rand, env_rand_below
from ..base.rp cimport unlikely
from ..base.sds cimport Sds, sds_free
from ..exec.args cimport err, err_a, text_slice, type_or_reply, word_is
from ..exec.client cimport Ctx
from ..exec.registry cimport bind
from ..keyspace.db cimport db_add, db_moved, db_read, db_write, key_changed, key_touched
from ..keyspace.events cimport EV_STRING
from ..keyspace.journal cimport TO_ALL, journal_force
from ..proto.errors cimport (E_HLL_CORRUPT, E_HLL_NOT_SPARSE, E_HLL_SELFTEST, E_HLL_SUBCOMMAND, E_HLL_TYPE,
                             E_KEY_MISSING, E_OOM_ALLOC)
from ..proto.reply cimport reply_array, reply_bulk, reply_int, reply_ok, reply_status
from ..structs.hll cimport (HLL_CORRUPT, HLL_REGISTERS, hll_add, hll_cache, hll_cached, hll_count, hll_count_registers,
                            hll_describe, hll_is_dense, hll_is_valid, hll_make_stale, hll_merge, hll_new, hll_raise,
                            hll_store, hll_to_dense)
from ..types.object cimport (INT_TEXT, NO_EXPIRE, OBJ_STRING, Robj, robj_bytes, robj_editable, robj_ptr, robj_set_ptr,
                             robj_shared_string)


# ---------------------------------------------------------------- values

cdef const char* blob_or_reply(Ctx* x, const Robj* o, size_t* n) noexcept nogil:
    """The bytes of a HyperLogLog; NULL = it is none, and that has been answered."""
    cdef char[INT_TEXT] scratch                        # an integer is never valid, so it is not kept
    cdef const char* p
    if not type_or_reply(x, o, OBJ_STRING):
        return NULL
    p = robj_bytes(o, scratch, n)
    if hll_is_valid(p, n[0]):
        return p
    err(x, E_HLL_TYPE)
    return NULL


cdef Robj* editable(Ctx* x, Robj* o) noexcept nogil:
    """The value as an Sds that may be written to."""
    cdef Robj* fresh = robj_editable(x.mem, o)
    db_moved(x.ks, x.db, o, fresh)
    return fresh


cdef Robj* add_empty_or_reply(Ctx* x) noexcept nogil:
    """A new, empty HyperLogLog at argv[1]."""
    cdef Sds* s = hll_new(x.mem)
    cdef Robj* o = robj_shared_string(x.mem, x.argv[1], s, NO_EXPIRE)
    if unlikely(o == NULL):
        sds_free(x.mem, s)
        err(x, E_OOM_ALLOC)
        return NULL
    db_add(x.ks, x.db, o)
    return o


# ---------------------------------------------------------------- commands

cdef int pfadd_command(Ctx* x) noexcept nogil:
    """PFADD key [element ...]: 1 if the estimate may have changed or the key is new. O(elements)."""
    cdef Robj* o = db_write(x.ks, x.db, x.argv[1])
    cdef int i, result = 0, changes = 0
    cdef size_t n
    cdef Sds* s
    if o == NULL:
        o = add_empty_or_reply(x)
        if o == NULL:
            return 0
        changes = 1
    elif blob_or_reply(x, o, &n) == NULL:
        return 0
    else:
        o = editable(x, o)
    s = <Sds*>robj_ptr(o)
    for i in range(2, x.argc):
        result = hll_add(x.mem, &s, x.argv[i].ptr, x.argv[i].len, x.env.knobs.hll_sparse_max_bytes)
        if result == HLL_CORRUPT:
            break
        changes += result
    robj_set_ptr(o, s)
    if changes:                                        # of elements before a broken run, too
        hll_make_stale(s.data)                         # compat: 0 is not cached for a new one, either
        x.ks.ev.dirty += changes - 1
        key_changed(x.ks, x.db, x.argv[1], EV_STRING, b"pfadd")
    if result == HLL_CORRUPT:
        return err(x, E_HLL_CORRUPT)
    return reply_int(x.out, changes != 0)


cdef int count_one(Ctx* x) noexcept nogil:
    """Of argv[1], from the value's own cache if that is fresh."""
    cdef uint64_t count
    cdef size_t n
    cdef const char* p
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    if o == NULL:
        return reply_int(x.out, 0)
    p = blob_or_reply(x, o, &n)
    if p == NULL:
        return 0
    if hll_cached(p, &count):
        return reply_int(x.out, count)
    if not hll_count(p, n, &count):
        return err(x, E_HLL_CORRUPT)
    journal_force(&x.ks.journal, TO_ALL)               # a read that writes
    hll_cache(<char*>p, count)                         # same length: in place, whatever the string lies in
    x.ks.ev.dirty += 1
    key_touched(x.ks, x.db, x.argv[1])
    return reply_int(x.out, count)


cdef bint merge_or_reply(Ctx* x, uint8_t* regs, bint* dense) noexcept nogil:
    """Registers of the union of argv[1..]; dense = one of them was."""
    cdef int i
    cdef size_t n
    cdef const char* p
    cdef Robj* o
    memset(regs, 0, HLL_REGISTERS)
    dense[0] = False
    for i in range(1, x.argc):
        o = db_read(x.ks, x.db, x.argv[i])
        if o == NULL:
            continue
        p = blob_or_reply(x, o, &n)
        if p == NULL:
            return False
        dense[0] = dense[0] or hll_is_dense(p)
        if not hll_merge(regs, p, n):
            err(x, E_HLL_CORRUPT)
            return False
    return True


cdef int pfcount_command(Ctx* x) noexcept nogil:
    """PFCOUNT key [key ...]: estimated cardinality of the union. O(1) when cached, else O(registers * keys)."""
    cdef uint8_t[HLL_REGISTERS] regs
    cdef bint dense
    if x.argc == 2:
        return count_one(x)
    if not merge_or_reply(x, regs, &dense):
        return 0
    return reply_int(x.out, hll_count_registers(regs))


cdef int pfmerge_command(Ctx* x) noexcept nogil:
    """PFMERGE destkey [sourcekey ...]: destkey becomes the union, itself included. O(registers * keys)."""
    cdef uint8_t[HLL_REGISTERS] regs
    cdef bint dense
    cdef Sds* s
    cdef Robj* o
    if not merge_or_reply(x, regs, &dense):
        return 0
    o = db_write(x.ks, x.db, x.argv[1])
    o = add_empty_or_reply(x) if o == NULL else editable(x, o)
    if o == NULL:
        return 0
    s = <Sds*>robj_ptr(o)
    if not hll_store(x.mem, &s, regs, dense, x.env.knobs.hll_sparse_max_bytes):
        return err(x, E_HLL_CORRUPT)
    robj_set_ptr(o, s)
    key_changed(x.ks, x.db, x.argv[1], EV_STRING, b"pfadd")   # compat: there is no "pfmerge" event
    return reply_ok(x.out)


# ---------------------------------------------------------------- debugging

cdef bint to_dense_or_reply(Ctx* x, Robj** o) noexcept nogil:
    """Makes the value dense; a change only if it was not."""
    cdef Sds* s
    o[0] = editable(x, o[0])
    s = <Sds*>robj_ptr(o[0])
    if hll_is_dense(s.data):
        return True
    if not hll_to_dense(x.mem, &s):
        err(x, E_HLL_CORRUPT)
        return False
    robj_set_ptr(o[0], s)
    x.ks.ev.dirty += 1
    key_touched(x.ks, x.db, x.argv[2])
    return True


cdef int debug_registers(Ctx* x, Robj* o) noexcept nogil:
    cdef uint8_t[HLL_REGISTERS] regs
    cdef int i
    cdef Sds* s
    if not to_dense_or_reply(x, &o):                   # compat: looking at the registers makes them dense
        return 0
    s = <Sds*>robj_ptr(o)
    memset(regs, 0, HLL_REGISTERS)
    hll_merge(regs, s.data, s.len)
    reply_array(x.out, HLL_REGISTERS)
    for i in range(HLL_REGISTERS):
        reply_int(x.out, regs[i])
    return 0


cdef int pfdebug_command(Ctx* x) noexcept nogil:
    """PFDEBUG GETREG|DECODE|ENCODING|TODENSE key: the inside of a value."""
    cdef Robj* o = db_write(x.ks, x.db, x.argv[2])
    cdef size_t n
    cdef bint was_dense
    cdef Sds* text
    cdef const char* p
    if o == NULL:
        return err(x, E_KEY_MISSING)
    p = blob_or_reply(x, o, &n)
    if p == NULL:
        return 0
    was_dense = hll_is_dense(p)
    if word_is(x.argv[1], b"getreg"):
        return debug_registers(x, o)
    if word_is(x.argv[1], b"decode"):
        if was_dense:
            return err(x, E_HLL_NOT_SPARSE)
        text = hll_describe(x.mem, p, n)
        reply_bulk(x.out, text.data, text.len)
        sds_free(x.mem, text)
        return 0
    if word_is(x.argv[1], b"encoding"):
        return reply_status(x.out, b"dense" if was_dense else b"sparse")
    if word_is(x.argv[1], b"todense"):
        return reply_int(x.out, not was_dense) if to_dense_or_reply(x, &o) else 0
    return err_a(x, E_HLL_SUBCOMMAND, x.argv[1])


# ---------------------------------------------------------------- self test

cdef enum:
    TEST_ROUNDS = 10
    TEST_ELEMENTS = 1000000
    TEST_SPARSE_MAX = 3000

cdef bint registers_hold(Ctx* x, Sds** s, int writes, int max_rank) noexcept nogil:
    """Random raises, then every register against an array of bytes."""
    cdef uint8_t[HLL_REGISTERS] expected
    cdef uint8_t[HLL_REGISTERS] found
    cdef int i, at, rank
    memset(expected, 0, HLL_REGISTERS)
    memset(found, 0, HLL_REGISTERS)
    for i in range(writes):
        at = <int>env_rand_below(x.env, HLL_REGISTERS)
        rank = 1 + <int>env_rand_below(x.env, max_rank)
        if hll_raise(x.mem, s, at, rank, TEST_SPARSE_MAX) != (rank > expected[at]):
            return False
        if rank > expected[at]:
            expected[at] = <uint8_t>rank
    return hll_merge(found, s[0].data, s[0].len) and memcmp(found, expected, HLL_REGISTERS) == 0


cdef const char* registers_fault(Ctx* x) noexcept nogil:
    """Both encodings, and the way from one to the other."""
    cdef int i
    cdef bint good = True
    cdef Sds* s
    for i in range(TEST_ROUNDS):
        s = hll_new(x.mem)
        good = good and registers_hold(x, &s, 200, 32) and not hll_is_dense(s.data)
        sds_free(x.mem, s)
        s = hll_new(x.mem)
        good = good and registers_hold(x, &s, HLL_REGISTERS, 51) and hll_is_dense(s.data)
        sds_free(x.mem, s)
    if not good:
        return b"a register does not hold its value"
    return NULL


cdef const char* estimate_fault(const Sds* sparse, const Sds* dense, int64_t real) noexcept nogil:
    """Both encodings' estimates at a known cardinality; 6 standard errors of 0.81 % and one element are allowed."""
    cdef uint64_t a = 0, b = 0
    cdef int64_t away
    if not hll_count(sparse.data, sparse.len, &a) or not hll_count(dense.data, dense.len, &b) or a != b:
        return b"the encodings disagree"
    away = <int64_t>b - real if <int64_t>b > real else real - <int64_t>b
    if away > 1 + real * 486 // 10000:
        return b"the estimate is too far away"
    return NULL


cdef const char* estimates_fault(Ctx* x, Sds** sparse, Sds** dense) noexcept nogil:
    """The estimate at every power of ten, with elements that no other run uses."""
    cdef uint64_t element = env_rand(x.env)
    cdef int64_t real, check_at = 10
    cdef const char* fault
    hll_to_dense(x.mem, dense)
    for real in range(1, TEST_ELEMENTS + 1):
        element += 1
        if hll_add(x.mem, sparse, &element, 8, TEST_SPARSE_MAX) != hll_add(x.mem, dense, &element, 8, TEST_SPARSE_MAX):
            return b"the encodings disagree"
        if real == check_at:
            check_at *= 10
            fault = estimate_fault(sparse[0], dense[0], real)
            if fault != NULL:
                return fault
    return NULL


cdef int pfselftest_command(Ctx* x) noexcept nogil:
    """PFSELFTEST: registers and estimates against what they must be. A tenth of a second."""
    cdef const char* fault = registers_fault(x)
    cdef Sds* sparse
    cdef Sds* dense
    if fault == NULL:
        sparse = hll_new(x.mem)
        dense = hll_new(x.mem)
        fault = estimates_fault(x, &sparse, &dense)
        sds_free(x.mem, sparse)
        sds_free(x.mem, dense)
    if fault != NULL:
        return err_a(x, E_HLL_SELFTEST, text_slice(fault))
    return reply_ok(x.out)


bind(b"pfadd", pfadd_command)
bind(b"pfcount", pfcount_command)
bind(b"pfmerge", pfmerge_command)
bind(b"pfdebug", pfdebug_command)
bind(b"pfselftest", pfselftest_command)
