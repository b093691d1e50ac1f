"""Bitmap commands: strings as arrays of bits and of small integers. Room commands, on the kernels of structs/bits.

Bit 0 is the top bit of byte 0; what lies behind the end reads as 0. A value that is written to becomes raw, in an Sds
(OBJECT ENCODING raw), even where the bits stay the same; a write behind the end grows it with zeros. An offset may not
reach past proto-max-bulk-len, except in what a primary sends: its limit counts, not ours.

Only a real change counts: SETBIT and BITFIELD are dirty, and notify "setbit", when a bit or the length changed.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memset
from ..base.mem cimport mem_alloc, mem_free
from ..base.num cimport mul_overflows, num_parse_i64
from ..base.rp cimport unlikely
from ..base.sds cimport Sds, Slice, sds_free, sds_try_grow, sds_try_new, slice_of
from ..exec.args cimport err, err_a, i64_or_err, i64_or_reply, syntax_error, text_slice, type_or_reply, word_is
from ..exec.client cimport CL_PRIMARY, Ctx
from ..exec.registry cimport bind
from ..keyspace.db cimport db_add, db_delete, db_moved, db_put, db_read, db_write, key_changed
from ..keyspace.events cimport EV_GENERIC, EV_STRING
from ..proto.errors cimport (E_BIT_ARG, E_BIT_OFFSET, E_BIT_VALUE, E_BITFIELD_OVERFLOW, E_BITFIELD_RO, E_BITFIELD_TYPE,
                             E_BITOP_DIFF, E_BITOP_NOT, E_OOM_ALLOC)
from ..proto.reply cimport reply_array, reply_int, reply_null
from ..structs.bits cimport (BITFIELD_FAIL, BITFIELD_SAT, BITFIELD_WRAP, BITOP_AND, BITOP_ANDOR, BITOP_DIFF,
                             BITOP_DIFF1, BITOP_NOT, BITOP_ONE, BITOP_OR, BITOP_XOR, BitOp, BitOverflow,
                             bits_add_signed, bits_add_unsigned, bits_count, bits_count_range, bits_get,
                             bits_get_signed, bits_get_unsigned, bits_op, bits_pos_range, bits_put, bits_set)
from ..types.object cimport (INT_TEXT, NO_EXPIRE, OBJ_STRING, Robj, robj_bytes, robj_editable, robj_ptr, robj_set_ptr,
                             robj_shared_string)


# ---------------------------------------------------------------- values and offsets

cdef Sds* editable_or_reply(Ctx* x, Robj* o, size_t need, bint* grew) noexcept nogil:
    """The string at argv[1] (o, or NULL: to be made) with at least `need` bytes, to be written to."""
    cdef Sds* s
    cdef Robj* fresh
    grew[0] = True
    if o == NULL:
        s = sds_try_new(x.mem, NULL, need)
        fresh = robj_shared_string(x.mem, x.argv[1], s, NO_EXPIRE) if s != NULL else NULL
        if unlikely(fresh == NULL):
            sds_free(x.mem, s)
            err(x, E_OOM_ALLOC)
            return NULL
        db_add(x.ks, x.db, fresh)
        return s
    fresh = robj_editable(x.mem, o)
    db_moved(x.ks, x.db, o, fresh)
    s = <Sds*>robj_ptr(fresh)
    if s.len >= need:
        grew[0] = False
        return s
    s = sds_try_grow(x.mem, s, need)
    if unlikely(s == NULL):
        err(x, E_OOM_ALLOC)
        return NULL
    robj_set_ptr(fresh, s)
    return s


cdef bint offset_or_reply(Ctx* x, Slice text, int width, int64_t* out) noexcept nogil:
    """A bit offset; with a width also "#n", the n-th field of that width."""
    cdef bint by_width = width > 0 and text.len > 0 and text.ptr[0] == b'#'
    cdef int64_t v
    if by_width:
        text = slice_of(text.ptr + 1, text.len - 1)
    if not i64_or_err(x, text, &v, E_BIT_OFFSET):
        return False
    if (v < 0 or (by_width and mul_overflows(v, width, &v))
            or ((v >> 3) >= x.env.knobs.proto_max_bulk_len and not x.client.flags & CL_PRIMARY)):
        err(x, E_BIT_OFFSET)
        return False
    out[0] = v
    return True


# ---------------------------------------------------------------- single bits

cdef int setbit_command(Ctx* x) noexcept nogil:
    """SETBIT key offset value: the old bit. O(1), O(n) when it grows."""
    cdef int64_t at, on
    cdef int old
    cdef bint grew
    cdef Robj* o
    cdef Sds* s
    if not offset_or_reply(x, x.argv[2], 0, &at) or not i64_or_err(x, x.argv[3], &on, E_BIT_VALUE):
        return 0
    if on != 0 and on != 1:
        return err(x, E_BIT_VALUE)
    o = db_write(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_STRING):
        return 0
    s = editable_or_reply(x, o, (at >> 3) + 1, &grew)
    if s == NULL:
        return 0
    old = bits_set(<uint8_t*>s.data, at, on)
    if grew or old != on:
        key_changed(x.ks, x.db, x.argv[1], EV_STRING, b"setbit")
    return reply_int(x.out, old)


cdef int getbit_command(Ctx* x) noexcept nogil:
    """GETBIT key offset. O(1)."""
    cdef char[INT_TEXT] scratch
    cdef int64_t at
    cdef size_t n
    cdef const char* p
    cdef Robj* o
    if not offset_or_reply(x, x.argv[2], 0, &at):
        return 0
    o = db_read(x.ks, x.db, x.argv[1])
    if o == NULL:
        return reply_int(x.out, 0)
    if not type_or_reply(x, o, OBJ_STRING):
        return 0
    p = robj_bytes(o, scratch, &n)
    return reply_int(x.out, bits_get(<const uint8_t*>p, n, at))


# ---------------------------------------------------------------- counting and finding

cdef bint unit_or_reply(Ctx* x, Slice word, bint* bits) noexcept nogil:
    bits[0] = word_is(word, b"bit")
    if bits[0] or word_is(word, b"byte"):
        return True
    syntax_error(x)
    return False


cdef bint clamp_to_bits(int64_t start, int64_t end, bint bits, size_t n, int64_t* first, int64_t* last) noexcept nogil:
    """First and last bit of start..end, negative from the end, cut to n bytes; False = empty."""
    cdef int64_t total = <int64_t>n << 3 if bits else <int64_t>n
    if start < 0:
        start = start + total if start + total > 0 else 0
    if end < 0:
        end = end + total if end + total > 0 else 0
    if end >= total:
        end = total - 1
    if start > end:
        return False
    first[0] = start if bits else start << 3
    last[0] = end if bits else (end << 3) + 7
    return True


cdef int bitcount_command(Ctx* x) noexcept nogil:
    """BITCOUNT key [start end [BYTE|BIT]]. O(n)."""
    cdef char[INT_TEXT] scratch
    cdef int64_t start = 0, end = -1, first, last
    cdef bint bits = False
    cdef size_t n
    cdef const char* p
    cdef Robj* o
    if x.argc == 4 or x.argc == 5:
        if not i64_or_reply(x, x.argv[2], &start) or not i64_or_reply(x, x.argv[3], &end):
            return 0
        if x.argc == 5 and not unit_or_reply(x, x.argv[4], &bits):
            return 0
    elif x.argc != 2:
        return syntax_error(x)
    o = db_read(x.ks, x.db, x.argv[1])
    if o == NULL:
        return reply_int(x.out, 0)
    if not type_or_reply(x, o, OBJ_STRING):
        return 0
    p = robj_bytes(o, scratch, &n)
    if x.argc == 2:
        return reply_int(x.out, bits_count(<const uint8_t*>p, n))
    # compat: a range that ends before it starts is empty even where clamping would make it the first byte
    if (start < 0 and end < 0 and start > end) or not clamp_to_bits(start, end, bits, n, &first, &last):
        return reply_int(x.out, 0)
    return reply_int(x.out, bits_count_range(<const uint8_t*>p, first, last))


cdef bint bitpos_args_or_reply(Ctx* x, int64_t* bit, int64_t* start, int64_t* end, bint* bits) noexcept nogil:
    if not i64_or_reply(x, x.argv[2], bit):
        return False
    if bit[0] != 0 and bit[0] != 1:
        err(x, E_BIT_ARG)
        return False
    if x.argc > 6:
        syntax_error(x)
        return False
    if x.argc > 3 and not i64_or_reply(x, x.argv[3], start):
        return False
    # compat: the unit is looked at before the end of the range
    if x.argc > 5 and not unit_or_reply(x, x.argv[5], bits):
        return False
    return x.argc <= 4 or i64_or_reply(x, x.argv[4], end)


cdef int bitpos_command(Ctx* x) noexcept nogil:
    """BITPOS key bit [start [end [BYTE|BIT]]]. O(n)."""
    cdef char[INT_TEXT] scratch
    cdef int64_t bit, start = 0, end = -1, first, last, at
    cdef bint bits = False
    cdef size_t n
    cdef const char* p
    cdef Robj* o
    if not bitpos_args_or_reply(x, &bit, &start, &end, &bits):
        return 0
    o = db_read(x.ks, x.db, x.argv[1])
    if o == NULL:
        return reply_int(x.out, -1 if bit else 0)
    if not type_or_reply(x, o, OBJ_STRING):
        return 0
    p = robj_bytes(o, scratch, &n)
    if not clamp_to_bits(start, end, bits, n, &first, &last):
        return reply_int(x.out, -1)
    at = bits_pos_range(<const uint8_t*>p, first, last, bit)
    if at < 0 and bit == 0 and x.argc < 5:
        at = <int64_t>n << 3               # no end was given: the zeros behind the value count
    return reply_int(x.out, at)


# ---------------------------------------------------------------- BITOP

cdef enum:
    BITOP_UNKNOWN = -1

cdef int bitop_named(Slice word) noexcept nogil:
    if word_is(word, b"and"):
        return BITOP_AND
    if word_is(word, b"or"):
        return BITOP_OR
    if word_is(word, b"xor"):
        return BITOP_XOR
    if word_is(word, b"not"):
        return BITOP_NOT
    if word_is(word, b"diff"):
        return BITOP_DIFF
    if word_is(word, b"diff1"):
        return BITOP_DIFF1
    if word_is(word, b"andor"):
        return BITOP_ANDOR
    return BITOP_ONE if word_is(word, b"one") else BITOP_UNKNOWN


cdef bint bitop_count_or_reply(Ctx* x, int op, int count) noexcept nogil:
    """Whether so many sources suit the operation."""
    if op == BITOP_UNKNOWN:
        syntax_error(x)
    elif op == BITOP_NOT and count != 1:
        err(x, E_BITOP_NOT)
    elif op == BITOP_DIFF and count < 2:
        err_a(x, E_BITOP_DIFF, text_slice(b"DIFF"))
    elif op == BITOP_DIFF1 and count < 2:
        err_a(x, E_BITOP_DIFF, text_slice(b"DIFF1"))
    elif op == BITOP_ANDOR and count < 2:
        err_a(x, E_BITOP_DIFF, text_slice(b"ANDOR"))
    else:
        return True
    return False


cdef bint sources_or_reply(Ctx* x, Slice* src, char* texts, int count, size_t* longest) noexcept nogil:
    """The values of argv[3..]; a missing key is empty. texts has INT_TEXT bytes each, for integers."""
    cdef int i
    cdef Robj* o
    longest[0] = 0
    for i in range(count):
        o = db_read(x.ks, x.db, x.argv[3 + i])
        if not type_or_reply(x, o, OBJ_STRING):
            return False
        src[i] = slice_of(NULL, 0)
        if o != NULL:
            src[i].ptr = robj_bytes(o, texts + i * INT_TEXT, &src[i].len)
        if src[i].len > longest[0]:
            longest[0] = src[i].len
    return True


cdef int bitop_store(Ctx* x, BitOp op, const Slice* src, int count, size_t n) noexcept nogil:
    """Replaces the destination by the result of n bytes, or removes it; answers n."""
    cdef Slice key = x.argv[2]
    cdef Sds* s
    cdef Robj* o
    if n == 0:
        if db_write(x.ks, x.db, key) != NULL:
            db_delete(x.ks, x.db, key)
            key_changed(x.ks, x.db, key, EV_GENERIC, b"del")
        return reply_int(x.out, 0)
    s = sds_try_new(x.mem, NULL, n)
    o = robj_shared_string(x.mem, key, s, NO_EXPIRE) if s != NULL else NULL
    if unlikely(o == NULL):
        sds_free(x.mem, s)
        return err(x, E_OOM_ALLOC)
    bits_op(op, src, count, <uint8_t*>s.data, n)
    db_put(x.ks, x.db, o)                  # may free a source: they have been read
    key_changed(x.ks, x.db, key, EV_STRING, b"set")
    return reply_int(x.out, n)


cdef int bitop_command(Ctx* x) noexcept nogil:
    """BITOP operation destkey key [key ...]: the length of the result. O(n * keys)."""
    cdef int op = bitop_named(x.argv[1]), count = x.argc - 3
    cdef Slice* src
    cdef size_t n
    if not bitop_count_or_reply(x, op, count):
        return 0
    src = <Slice*>mem_alloc(x.mem, count * (sizeof(Slice) + INT_TEXT))
    if sources_or_reply(x, src, <char*>(src + count), count, &n):
        bitop_store(x, <BitOp>op, src, count, n)
    mem_free(x.mem, src)
    return 0


# ---------------------------------------------------------------- BITFIELD

cdef enum FieldVerb:
    FIELD_GET
    FIELD_SET
    FIELD_INCRBY

cdef enum:
    FIELDS_INLINE = 16                     # that many operations need no allocation

cdef struct FieldOp:
    FieldVerb verb
    bint is_signed
    int width
    BitOverflow policy
    int64_t at
    int64_t value                          # to set or to add
    bint refused                           # OVERFLOW FAIL: the answer is null
    int64_t answer

cdef struct FieldPlan:                     # a parsed BITFIELD
    FieldOp* ops
    int count
    bint writes
    size_t need                            # bytes that its writes reach


cdef bint overflow_or_reply(Ctx* x, Slice word, BitOverflow* policy) noexcept nogil:
    if word_is(word, b"wrap"):
        policy[0] = BITFIELD_WRAP
    elif word_is(word, b"sat"):
        policy[0] = BITFIELD_SAT
    elif word_is(word, b"fail"):
        policy[0] = BITFIELD_FAIL
    else:
        err(x, E_BITFIELD_OVERFLOW)
        return False
    return True


cdef bint field_type_or_reply(Ctx* x, Slice word, FieldOp* f) noexcept nogil:
    """i1..i64 or u1..u63 (a u64 would not fit a reply); lower case only."""
    cdef int64_t width
    cdef char kind = word.ptr[0] if word.len > 1 else 0
    if (kind == b'i' or kind == b'u') and num_parse_i64(word.ptr + 1, word.len - 1, &width):
        f.is_signed = kind == b'i'
        if 1 <= width and width <= (64 if f.is_signed else 63):
            f.width = <int>width
            return True
    err(x, E_BITFIELD_TYPE)
    return False


cdef bint field_verb(Slice word, int left, FieldVerb* verb) noexcept nogil:
    """GET, SET or INCRBY with enough arguments behind it."""
    if left >= 2 and word_is(word, b"get"):
        verb[0] = FIELD_GET
    elif left >= 3 and word_is(word, b"set"):
        verb[0] = FIELD_SET
    elif left >= 3 and word_is(word, b"incrby"):
        verb[0] = FIELD_INCRBY
    else:
        return False
    return True


cdef bint field_plan_or_reply(Ctx* x, FieldPlan* plan) noexcept nogil:
    cdef BitOverflow policy = BITFIELD_WRAP
    cdef int i = 2
    cdef FieldVerb verb
    cdef FieldOp* f
    while i < x.argc:
        if x.argc - i > 1 and word_is(x.argv[i], b"overflow"):
            if not overflow_or_reply(x, x.argv[i + 1], &policy):
                return False
            i += 2
            continue
        if not field_verb(x.argv[i], x.argc - i - 1, &verb):
            syntax_error(x)
            return False
        f = &plan.ops[plan.count]          # there is room for one in every three arguments
        f.verb = verb
        f.policy = policy
        f.refused = False
        if not field_type_or_reply(x, x.argv[i + 1], f) or not offset_or_reply(x, x.argv[i + 2], f.width, &f.at):
            return False
        i += 3
        if f.verb != FIELD_GET:
            if not i64_or_reply(x, x.argv[i], &f.value):
                return False
            i += 1
            plan.writes = True
            plan.need = max(plan.need, <size_t>((f.at + f.width - 1) >> 3) + 1)
        plan.count += 1
    return True


cdef int64_t field_value(const FieldOp* f, const uint8_t* p, size_t n) noexcept nogil:
    if f.is_signed:
        return bits_get_signed(p, n, f.at, f.width)
    return <int64_t>bits_get_unsigned(p, n, f.at, f.width)


cdef bint field_change(FieldOp* f, uint8_t* p, size_t n, bint grew) noexcept nogil:
    """Runs a SET or INCRBY and leaves the answer in the operation; True = it counts as a change."""
    cdef int64_t old = field_value(f, p, n), fresh = 0
    cdef int64_t base = old if f.verb == FIELD_INCRBY else f.value
    cdef int64_t incr = f.value if f.verb == FIELD_INCRBY else 0
    cdef int over
    if f.is_signed:
        over = bits_add_signed(base, incr, f.width, f.policy, &fresh)
    else:
        over = bits_add_unsigned(<uint64_t>base, incr, f.width, f.policy, <uint64_t*>&fresh)
    f.refused = over != 0 and f.policy == BITFIELD_FAIL
    if f.refused:
        return False
    bits_put(p, f.at, f.width, <uint64_t>fresh)
    f.answer = fresh if f.verb == FIELD_INCRBY else old
    return grew or fresh != old


cdef int fields_answer(Ctx* x, const FieldPlan* plan) noexcept nogil:
    cdef int i
    reply_array(x.out, plan.count)
    for i in range(plan.count):
        if plan.ops[i].refused:
            reply_null(x.out)
        else:
            reply_int(x.out, plan.ops[i].answer)
    return 0


cdef int fields_read(Ctx* x, FieldPlan* plan) noexcept nogil:
    cdef char[INT_TEXT] scratch
    cdef const char* p = NULL
    cdef size_t n = 0
    cdef int i
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_STRING):
        return 0
    if o != NULL:
        p = robj_bytes(o, scratch, &n)
    for i in range(plan.count):
        plan.ops[i].answer = field_value(&plan.ops[i], <const uint8_t*>p, n)
    return fields_answer(x, plan)


cdef int fields_write(Ctx* x, FieldPlan* plan) noexcept nogil:
    """A missing or short value grows first, even if all its operations then fail."""
    cdef Robj* o = db_write(x.ks, x.db, x.argv[1])
    cdef bint grew
    cdef int i, changes = 0
    cdef Sds* s
    if not type_or_reply(x, o, OBJ_STRING):
        return 0
    s = editable_or_reply(x, o, plan.need, &grew)
    if s == NULL:
        return 0
    for i in range(plan.count):
        if plan.ops[i].verb == FIELD_GET:
            plan.ops[i].answer = field_value(&plan.ops[i], <uint8_t*>s.data, s.len)
        elif field_change(&plan.ops[i], <uint8_t*>s.data, s.len, grew):
            changes += 1
    if grew and changes == 0:
        changes = 1                        # Redis forgets this one, and its replicas never hear of it
    if changes:
        x.ks.ev.dirty += changes - 1
        key_changed(x.ks, x.db, x.argv[1], EV_STRING, b"setbit")
    return fields_answer(x, plan)


cdef int bitfield_generic(Ctx* x, bint read_only) noexcept nogil:
    cdef FieldOp[FIELDS_INLINE] few
    cdef FieldPlan plan
    cdef bint many = (x.argc - 2) // 3 > FIELDS_INLINE
    memset(&plan, 0, sizeof(plan))
    plan.ops = <FieldOp*>mem_alloc(x.mem, (x.argc - 2) // 3 * sizeof(FieldOp)) if many else few
    if not field_plan_or_reply(x, &plan):
        pass
    elif not plan.writes:
        fields_read(x, &plan)
    elif read_only:
        err(x, E_BITFIELD_RO)
    else:
        fields_write(x, &plan)
    if many:
        mem_free(x.mem, plan.ops)
    return 0


cdef int bitfield_command(Ctx* x) noexcept nogil:
    """BITFIELD key [GET type offset | [OVERFLOW WRAP|SAT|FAIL] SET|INCRBY type offset value ...]. O(operations)."""
    return bitfield_generic(x, False)


cdef int bitfield_ro_command(Ctx* x) noexcept nogil:
    """BITFIELD_RO key [GET type offset ...]. O(operations)."""
    return bitfield_generic(x, True)


bind(b"setbit", setbit_command)
bind(b"getbit", getbit_command)
bind(b"bitcount", bitcount_command)
bind(b"bitpos", bitpos_command)
bind(b"bitop", bitop_command)
bind(b"bitfield", bitfield_command)
bind(b"bitfield_ro", bitfield_ro_command)
