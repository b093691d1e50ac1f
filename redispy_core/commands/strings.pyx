"""Commands on strings: SET and its relatives, GET, counters, ranges. Room commands.

SET, GET, INCR and MSET are what servers are judged by: one lookup each, the block found is handed on, and a value that
fits is written into the block that is there. A body reads its options, looks up, checks the type, changes, tells it
by key_changed, answers. Those that answer with the old value (SET ... GET, GETSET) write the reply before the change,
which may overwrite the bytes, and take it back if memory fails.

An integer is kept as such (ENC_INT) by SET and INCR; APPEND and SETRANGE make the value an editable Sds, reported as
raw; INCRBYFLOAT stores text even when it reads as an integer.
"""
from libc.math cimport isinf, isnan
from libc.stdint cimport INT64_MIN, int64_t
from libc.string cimport memcmp, memcpy, memset
from ..base.num cimport LD_BUF, add_overflows, num_print_i64, num_print_ld
from ..base.rp cimport likely, unlikely
from ..base.sds cimport Sds, Slice, sds_free, sds_try_grow, sds_try_new, slice_of
from ..exec.args cimport *
from ..exec.client cimport CL_PRIMARY, Ctx
from ..exec.registry cimport bind
from ..keyspace.db cimport *
from ..keyspace.events cimport *
from ..keyspace.journal cimport *
from ..proto.errors cimport *
from ..proto.reply cimport *
from ..types.object cimport *


# ---------------------------------------------------------------- options of SET, GETEX and MSETEX

cdef enum:                      # what a command takes
    TAKE_CONDITION = 1          # NX, XX
    TAKE_EQUAL = 2              # IFEQ value
    TAKE_GET = 4
    TAKE_KEEPTTL = 8
    TAKE_PERSIST = 16

cdef enum Condition:
    COND_NONE = 0
    COND_NX = 1                 # only if the key is missing
    COND_XX = 2                 # only if it exists
    COND_IFEQ = 3               # only if it is a string equal to Options.equal

cdef struct Options:
    int form                    # ExpireForm; at most one is given, though perhaps repeatedly
    Condition condition         # the same holds
    bint get
    Slice when                  # argument of the expiry
    Slice equal                 # argument of IFEQ


cdef inline bint take_form(Options* p, int form) noexcept nogil:
    if p.form != EXP_NONE and p.form != form:
        return False
    p.form = form
    return True


cdef inline bint take_condition(Options* p, Condition c) noexcept nogil:
    if p.condition != COND_NONE and p.condition != c:
        return False
    p.condition = c
    return True


cdef bint take_option(Ctx* x, int* i, int takes, Options* p) noexcept nogil:
    """Reads the option at argv[i], and its argument; False: it is unknown or does not fit those before it."""
    cdef Slice word = x.argv[i[0]]
    cdef int form
    if expire_word(word, &form):
        i[0] += 1
        if i[0] == x.argc:
            return False
        p.when = x.argv[i[0]]
        return take_form(p, form)
    if takes & TAKE_CONDITION:
        if word_is(word, b"nx"):
            return take_condition(p, COND_NX)
        if word_is(word, b"xx"):
            return take_condition(p, COND_XX)
    if takes & TAKE_GET and word_is(word, b"get"):
        p.get = True
        return True
    if takes & TAKE_KEEPTTL and word_is(word, b"keepttl"):
        return take_form(p, EXP_KEEPTTL)
    if takes & TAKE_PERSIST and word_is(word, b"persist"):
        return take_form(p, EXP_PERSIST)
    if takes & TAKE_EQUAL and word_is(word, b"ifeq") and p.condition == COND_NONE and i[0] + 1 < x.argc:
        i[0] += 1
        p.equal = x.argv[i[0]]
        return take_condition(p, COND_IFEQ)
    return False


cdef bint options_or_reply(Ctx* x, int i, int takes, Options* p) noexcept nogil:
    """Reads argv[i:]."""
    memset(p, 0, sizeof(Options))
    while i < x.argc:
        if not take_option(x, &i, takes, p):
            syntax_error(x)
            return False
        i += 1
    return True


cdef inline bint expiry_or_reply(Ctx* x, const Options* p, int64_t* when_ms) noexcept nogil:
    """The expiry to store: absolute ms, NO_EXPIRE or KEEP_TTL."""
    when_ms[0] = KEEP_TTL if p.form & EXP_KEEPTTL else NO_EXPIRE
    return not p.form & EXP_GIVEN or when_or_reply(x, p.when, p.form, False, when_ms)


# ---------------------------------------------------------------- helpers

cdef inline bint is_int(const Robj* o) noexcept nogil:
    return o.type_enc == (OBJ_STRING | (ENC_INT << 4))


cdef inline int reply_string(Ctx* x, const Robj* o) noexcept nogil:
    cdef char[INT_TEXT] scratch
    cdef size_t n
    cdef const char* s = robj_bytes(o, scratch, &n)
    return reply_bulk(x.out, s, n)


cdef inline int reply_old(Ctx* x, const Robj* o) noexcept nogil:
    return reply_null(x.out) if o == NULL else reply_string(x, o)


cdef bint is_equal(const Robj* o, Slice s) noexcept nogil:
    cdef char[INT_TEXT] scratch
    cdef size_t n
    cdef const char* t = robj_bytes(o, scratch, &n)
    return n == s.len and memcmp(t, s.ptr, n) == 0


cdef bint holds(const Options* p, const Robj* old) noexcept nogil:
    if p.condition == COND_NONE:
        return True
    if p.condition == COND_NX:
        return old == NULL
    if p.condition == COND_XX:
        return old != NULL
    return old != NULL and is_equal(old, p.equal)


cdef inline bint store(Ctx* x, Slice key, Robj* old, Slice value, int form, int64_t when_ms) noexcept nogil:
    """Sets key, which db_write or db_read found as old, and tells it; False: no memory, nothing has changed."""
    if unlikely(not db_set_string_at(x.ks, x.db, key, old, value.ptr, value.len, when_ms)):
        return False
    key_changed(x.ks, x.db, key, EV_STRING, b"set")
    if unlikely(form & EXP_GIVEN):
        key_event(x.ks, x.db, key, EV_GENERIC, b"expire")
    return True


cdef bint fits_or_reply(Ctx* x, size_t size, size_t extra) noexcept nogil:
    """proto-max-bulk-len holds for values that grow, too; a primary's word is obeyed."""
    if x.client.flags & CL_PRIMARY or (size + extra >= size
                                       and size + extra <= <size_t>x.env.knobs.proto_max_bulk_len):
        return True
    err(x, E_TOO_LONG)
    return False


# ---------------------------------------------------------------- SET and its relatives

cdef int set_command(Ctx* x) noexcept nogil:
    """SET key value [NX|XX|IFEQ v] [GET] [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL]. O(1)."""
    if unlikely(x.argc != 3):
        return set_with_options(x)
    if unlikely(not store(x, x.argv[1], db_write(x.ks, x.db, x.argv[1]), x.argv[2], 0, NO_EXPIRE)):
        return err(x, E_OOM_ALLOC)
    return reply_ok(x.out)


cdef int set_with_options(Ctx* x) noexcept nogil:
    cdef Options p
    cdef int64_t when
    cdef Robj* old
    if not options_or_reply(x, 3, TAKE_CONDITION | TAKE_EQUAL | TAKE_GET | TAKE_KEEPTTL, &p) \
            or not expiry_or_reply(x, &p, &when):
        return 0
    if p.get:
        return set_and_get(x, &p, when)
    old = db_write(x.ks, x.db, x.argv[1])
    if p.condition == COND_IFEQ and not type_or_reply(x, old, OBJ_STRING):
        return 0
    if not holds(&p, old):
        return reply_null(x.out)
    if not store(x, x.argv[1], old, x.argv[2], p.form, when):
        return err(x, E_OOM_ALLOC)
    if unlikely(journaling(&x.ks.journal)) and (p.condition == COND_IFEQ or not says_pxat(&p)):
        leave_as_set(x, &p, x.argv[2], when)
    return reply_ok(x.out)


cdef inline bint says_pxat(const Options* p) noexcept nogil:
    """The expiry is given as it is to leave."""
    return p.form & (EXP_GIVEN | EXP_ABSOLUTE | EXP_SECONDS) == EXP_GIVEN | EXP_ABSOLUTE


cdef void leave_as_set(Ctx* x, const Options* p, Slice value, int64_t when) noexcept nogil:
    """SET key value with an absolute expiry, without GET and a condition that was judged here."""
    cdef Journal* j = &x.ks.journal
    cdef bint keep = p.form & EXP_KEEPTTL != 0
    cdef bint timed = p.form & EXP_GIVEN != 0
    cdef bint asks = not timed and (p.condition == COND_NX or p.condition == COND_XX)
    journal_begin(j, x.db.id, 3 + keep + 2 * timed + asks)
    journal_text(j, b"SET")
    journal_arg(j, x.argv[1])
    journal_arg(j, value)
    if asks:
        journal_text(j, b"NX" if p.condition == COND_NX else b"XX")
    if keep:
        journal_text(j, b"KEEPTTL")
    if timed:
        journal_text(j, b"PXAT")
        journal_arg_i64(j, when)


cdef int set_and_get(Ctx* x, const Options* p, int64_t when) noexcept nogil:
    """SET with GET, and GETSET: the reply is the old value, whether the condition holds or not."""
    cdef Robj* old = db_read(x.ks, x.db, x.argv[1])
    cdef OutMark mark
    if not type_or_reply(x, old, OBJ_STRING):
        return 0
    mark = out_mark(x.out)
    reply_old(x, old)
    if not holds(p, old):
        return 0
    if not store(x, x.argv[1], old, x.argv[2], p.form, when):
        out_rollback(x.out, mark)
        return err(x, E_OOM_ALLOC)
    if unlikely(journaling(&x.ks.journal)):
        leave_as_set(x, p, x.argv[2], when)
    return 0


cdef int getset_command(Ctx* x) noexcept nogil:
    """GETSET key value. O(1)."""
    cdef Options p
    memset(&p, 0, sizeof(p))
    return set_and_get(x, &p, NO_EXPIRE)


cdef int setnx_command(Ctx* x) noexcept nogil:
    """SETNX key value. O(1)."""
    cdef Robj* old = db_write(x.ks, x.db, x.argv[1])
    if old != NULL:
        return reply_int(x.out, 0)
    if not store(x, x.argv[1], NULL, x.argv[2], 0, NO_EXPIRE):
        return err(x, E_OOM_ALLOC)
    return reply_int(x.out, 1)


cdef int setex_generic(Ctx* x, int form) noexcept nogil:
    cdef Options p
    cdef int64_t when
    if not when_or_reply(x, x.argv[2], form, False, &when):
        return 0
    if not store(x, x.argv[1], db_write(x.ks, x.db, x.argv[1]), x.argv[3], form, when):
        return err(x, E_OOM_ALLOC)
    if unlikely(journaling(&x.ks.journal)):
        memset(&p, 0, sizeof(p))
        p.form = form
        leave_as_set(x, &p, x.argv[3], when)
    return reply_ok(x.out)


cdef int setex_command(Ctx* x) noexcept nogil:
    """SETEX key seconds value. O(1)."""
    return setex_generic(x, EXP_GIVEN | EXP_SECONDS)


cdef int psetex_command(Ctx* x) noexcept nogil:
    """PSETEX key milliseconds value. O(1)."""
    return setex_generic(x, EXP_GIVEN)


# ---------------------------------------------------------------- GET and its relatives

cdef int get_command(Ctx* x) noexcept nogil:
    """GET key. O(1)."""
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    if o == NULL:
        return reply_null(x.out)
    if unlikely(not type_or_reply(x, o, OBJ_STRING)):
        return 0
    return reply_string(x, o)


cdef int getdel_command(Ctx* x) noexcept nogil:
    """GETDEL key. O(1)."""
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_STRING):
        return 0
    reply_old(x, o)
    if o != NULL:
        journal_key(&x.ks.journal, x.db.id, b"DEL", x.argv[1])
        db_delete(x.ks, x.db, x.argv[1])
        key_changed(x.ks, x.db, x.argv[1], EV_GENERIC, b"del")
    return 0


cdef int getex_command(Ctx* x) noexcept nogil:
    """GETEX key [EX s|PX ms|EXAT s|PXAT ms|PERSIST]. O(1). The time is looked at after the key's type."""
    cdef Options p
    cdef int64_t when
    cdef Robj* o
    if not options_or_reply(x, 2, TAKE_PERSIST, &p):
        return 0
    o = db_read(x.ks, x.db, x.argv[1])
    if o == NULL:
        return reply_null(x.out)
    if not type_or_reply(x, o, OBJ_STRING) or not expiry_or_reply(x, &p, &when):
        return 0
    reply_string(x, o)
    if p.form & EXP_GIVEN and when <= x.env.now_ms and not x.ks.replica:
        journal_key(&x.ks.journal, x.db.id, b"UNLINK" if x.env.knobs.lazyfree_lazy_expire else b"DEL", x.argv[1])
        db_delete(x.ks, x.db, x.argv[1])
        key_changed(x.ks, x.db, x.argv[1], EV_GENERIC, b"del")
    elif p.form & EXP_GIVEN:
        journal_key_n(&x.ks.journal, x.db.id, b"PEXPIREAT", x.argv[1], when)
        db_set_expire(x.ks, x.db, o, when)
        key_changed(x.ks, x.db, x.argv[1], EV_GENERIC, b"expire")
    elif p.form & EXP_PERSIST and robj_expire(o) != NO_EXPIRE:
        journal_key(&x.ks.journal, x.db.id, b"PERSIST", x.argv[1])
        db_set_expire(x.ks, x.db, o, NO_EXPIRE)
        key_changed(x.ks, x.db, x.argv[1], EV_GENERIC, b"persist")
    return 0


cdef int delifeq_command(Ctx* x) noexcept nogil:
    """DELIFEQ key value. O(1)."""
    cdef Robj* o = db_write(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_STRING):
        return 0
    if o == NULL or not is_equal(o, x.argv[2]):
        return reply_int(x.out, 0)
    # journal: goes out as DEL
    db_delete(x.ks, x.db, x.argv[1])
    key_changed(x.ks, x.db, x.argv[1], EV_GENERIC, b"del")
    return reply_int(x.out, 1)


# ---------------------------------------------------------------- several keys

cdef int mget_command(Ctx* x) noexcept nogil:
    """MGET key [key ...]. O(N). A key of another type counts as missing."""
    cdef Robj* o
    cdef int i
    reply_array(x.out, x.argc - 1)
    for i in range(1, x.argc):
        o = db_read(x.ks, x.db, x.argv[i])
        if o == NULL or unlikely(robj_type(o) != OBJ_STRING):
            reply_null(x.out)
        else:
            reply_string(x, o)
    return 0


cdef bint store_pairs(Ctx* x, int first, int64_t n, int form, int64_t when_ms) noexcept nogil:
    """Sets n pairs from argv[first]. A key may come twice, so each is looked up anew. False: memory failed; the pairs
    before it are set, and told."""
    cdef int i
    for i in range(first, first + 2 * <int>n, 2):
        if unlikely(not store(x, x.argv[i], db_write(x.ks, x.db, x.argv[i]), x.argv[i + 1], form, when_ms)):
            return False
    return True


cdef bint all_hold(Ctx* x, int first, int64_t n, const Options* p) noexcept nogil:
    cdef int i
    if p.condition == COND_NONE:
        return True
    for i in range(first, first + 2 * <int>n, 2):
        if not holds(p, db_write(x.ks, x.db, x.argv[i])):
            return False
    return True


cdef int mset_command(Ctx* x) noexcept nogil:
    """MSET key value [key value ...]. O(N)."""
    if unlikely(x.argc & 1 == 0):
        return wrong_arity(x)
    if unlikely(not store_pairs(x, 1, x.argc // 2, 0, NO_EXPIRE)):
        return err(x, E_OOM_ALLOC)
    return reply_ok(x.out)


cdef int msetnx_command(Ctx* x) noexcept nogil:
    """MSETNX key value [key value ...]. O(N). All or, if one of the keys exists, none."""
    cdef Options p
    if x.argc & 1 == 0:
        return wrong_arity(x)
    memset(&p, 0, sizeof(p))
    p.condition = COND_NX
    if not all_hold(x, 1, x.argc // 2, &p):
        return reply_int(x.out, 0)
    if not store_pairs(x, 1, x.argc // 2, 0, NO_EXPIRE):
        return err(x, E_OOM_ALLOC)
    return reply_int(x.out, 1)


cdef void leave_as_msetex(Ctx* x, int n, int64_t when) noexcept nogil:
    cdef Journal* j = &x.ks.journal
    cdef int i
    journal_begin(j, x.db.id, 2 * n + 4)
    for i in range(2 * n + 2):
        journal_arg(j, x.argv[i])
    journal_text(j, b"PXAT")
    journal_arg_i64(j, when)


cdef int msetex_command(Ctx* x) noexcept nogil:
    """MSETEX numkeys key value [key value ...] [NX|XX] [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL]. O(N)."""
    cdef Options p
    cdef int64_t n, when
    if not range_or_reply(x, x.argv[1], 1, 0x7FFFFFFF, &n, E_NUMKEYS_RANGE):
        return 0
    if n > (x.argc - 2) // 2:
        return syntax_error(x)
    if not options_or_reply(x, <int>(2 + 2 * n), TAKE_CONDITION | TAKE_KEEPTTL, &p) or not expiry_or_reply(x, &p, &when):
        return 0
    if not all_hold(x, 2, n, &p):
        return reply_int(x.out, 0)
    if not store_pairs(x, 2, n, p.form, when):
        return err(x, E_OOM_ALLOC)
    if p.form & EXP_GIVEN and unlikely(journaling(&x.ks.journal)):
        leave_as_msetex(x, <int>n, when)
    return reply_int(x.out, 1)


# ---------------------------------------------------------------- counters

cdef bint incr_text_or_reply(Ctx* x, Robj* o, int64_t by, int64_t* v) noexcept nogil:
    """INCR of a key that is missing or holds its number as text; it is an integer from then on."""
    cdef char[INT_TEXT] text
    cdef size_t n
    cdef const char* s
    v[0] = 0
    if o != NULL:
        if not type_or_reply(x, o, OBJ_STRING):
            return False
        s = robj_bytes(o, text, &n)
        if not i64_or_reply(x, slice_of(s, n), v):
            return False
    if add_overflows(v[0], by, v):
        err(x, E_OVERFLOW)
        return False
    if unlikely(not db_set_string_at(x.ks, x.db, x.argv[1], o, text, num_print_i64(text, v[0]), KEEP_TTL)):
        err(x, E_OOM_ALLOC)
        return False
    return True


cdef int incr_generic(Ctx* x, int64_t by) noexcept nogil:
    cdef Robj* o = db_write(x.ks, x.db, x.argv[1])
    cdef int64_t v
    if likely(o != NULL and is_int(o)):
        if unlikely(add_overflows(robj_word(o), by, &v)):
            return err(x, E_OVERFLOW)
        robj_set_word(o, v)
    elif not incr_text_or_reply(x, o, by, &v):
        return 0
    key_changed(x.ks, x.db, x.argv[1], EV_STRING, b"incrby")
    return reply_int(x.out, v)


cdef int incr_command(Ctx* x) noexcept nogil:
    """INCR key. O(1)."""
    return incr_generic(x, 1)


cdef int decr_command(Ctx* x) noexcept nogil:
    """DECR key. O(1)."""
    return incr_generic(x, -1)


cdef int incrby_command(Ctx* x) noexcept nogil:
    """INCRBY key increment. O(1)."""
    cdef int64_t by
    if not i64_or_reply(x, x.argv[2], &by):
        return 0
    return incr_generic(x, by)


cdef int decrby_command(Ctx* x) noexcept nogil:
    """DECRBY key decrement. O(1)."""
    cdef int64_t by
    if not i64_or_reply(x, x.argv[2], &by):
        return 0
    if by == INT64_MIN:
        return err(x, E_DECR_OVERFLOW)
    return incr_generic(x, -by)


cdef bint put_text(Ctx* x, Robj* old, char* s, size_t n) noexcept nogil:
    """Stores s as text even if it reads as an integer, keeping the expiry. False: no memory."""
    # compat: the encoding of INCRBYFLOAT's 2 is embstr. A text that starts with a letter is never taken for an integer.
    cdef char first = s[0]
    cdef size_t length
    cdef Robj* o
    s[0] = 120
    o = robj_string(x.mem, x.argv[1], s, n, robj_expire(old) if old != NULL else NO_EXPIRE)
    s[0] = first
    if o == NULL:
        return False
    (<char*>robj_bytes(o, NULL, &length))[0] = first
    db_put(x.ks, x.db, o)
    return True


cdef int incrbyfloat_command(Ctx* x) noexcept nogil:
    """INCRBYFLOAT key increment. O(1). In long double, printed without an exponent."""
    cdef char[INT_TEXT] scratch
    cdef char[LD_BUF] text
    cdef const char* s
    cdef size_t n
    cdef long double value = 0
    cdef long double by
    cdef Options p
    cdef Robj* o = db_write(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_STRING):
        return 0
    if o != NULL:
        s = robj_bytes(o, scratch, &n)
        if not ld_or_reply(x, slice_of(s, n), &value):
            return 0
    if not ld_or_reply(x, x.argv[2], &by):
        return 0
    value += by
    if isnan(value) or isinf(value):
        return err(x, E_NAN_INF)
    n = num_print_ld(text, value, True)
    if not put_text(x, o, text, n):
        return err(x, E_OOM_ALLOC)
    if unlikely(journaling(&x.ks.journal)):     # the result: other machines may round otherwise
        memset(&p, 0, sizeof(p))
        p.form = EXP_KEEPTTL
        leave_as_set(x, &p, slice_of(text, n), KEEP_TTL)
    key_changed(x.ks, x.db, x.argv[1], EV_STRING, b"incrbyfloat")
    return reply_bulk(x.out, text, n)


# ---------------------------------------------------------------- parts of a string

cdef int strlen_command(Ctx* x) noexcept nogil:
    """STRLEN key. O(1)."""
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_STRING):
        return 0
    return reply_int(x.out, 0 if o == NULL else <int64_t>robj_strlen(o))


cdef int getrange_command(Ctx* x) noexcept nogil:
    """GETRANGE key start end; SUBSTR is its old name. O(N), N the bytes returned."""
    # compat: an end before the first byte gives nothing, as since Redis 8; earlier versions gave the first byte.
    cdef char[INT_TEXT] scratch
    cdef int64_t start, end, len
    cdef const char* s
    cdef size_t n
    cdef Robj* o
    if not i64_or_reply(x, x.argv[2], &start) or not i64_or_reply(x, x.argv[3], &end):
        return 0
    o = db_read(x.ks, x.db, x.argv[1])
    if o == NULL:
        return reply_bulk(x.out, b"", 0)
    if not type_or_reply(x, o, OBJ_STRING):
        return 0
    s = robj_bytes(o, scratch, &n)
    len = <int64_t>n
    if start < 0 and end < 0 and start > end:
        return reply_bulk(x.out, b"", 0)
    if start < 0:
        start = start + len if start + len > 0 else 0
    if end < 0:
        end += len
    if end >= len:
        end = len - 1
    if end < 0 or start > end:
        return reply_bulk(x.out, b"", 0)
    return reply_bulk(x.out, s + start, end - start + 1)


cdef Sds* editable_or_reply(Ctx* x, Robj** o, size_t len) noexcept nogil:
    """The bytes of string o to be edited, grown to at least len (new ones are zero). NULL: no memory, unchanged."""
    cdef Robj* old = o[0]
    cdef Sds* text
    cdef Sds* grown
    o[0] = robj_editable(x.mem, old)
    db_moved(x.ks, x.db, old, o[0])
    text = <Sds*>robj_ptr(o[0])
    if len > text.len:
        grown = sds_try_grow(x.mem, text, len)
        if grown == NULL:
            err(x, E_OOM_ALLOC)
            return NULL
        robj_set_ptr(o[0], grown)
        return grown
    return text


cdef int append_command(Ctx* x) noexcept nogil:
    """APPEND key value. O(1) amortised over the bytes."""
    cdef Slice more = x.argv[2]
    cdef Robj* o = db_write(x.ks, x.db, x.argv[1])
    cdef size_t len
    cdef Sds* text
    if o == NULL:
        len = more.len
        if not db_set_string_at(x.ks, x.db, x.argv[1], NULL, more.ptr, len, NO_EXPIRE):
            return err(x, E_OOM_ALLOC)
    else:
        if not type_or_reply(x, o, OBJ_STRING):
            return 0
        len = robj_strlen(o)
        if not fits_or_reply(x, len, more.len):
            return 0
        text = editable_or_reply(x, &o, len + more.len)
        if text == NULL:
            return 0
        memcpy(text.data + len, more.ptr, more.len)
        len += more.len
    key_changed(x.ks, x.db, x.argv[1], EV_STRING, b"append")
    return reply_int(x.out, len)


cdef bint add_zeros(Ctx* x, size_t len) noexcept nogil:
    """A new key of len zero bytes. False: no memory."""
    cdef Robj* o
    cdef Sds* text = sds_try_new(x.mem, NULL, len)
    if text == NULL:
        return False
    o = robj_shared_string(x.mem, x.argv[1], text, NO_EXPIRE)
    if o == NULL:
        sds_free(x.mem, text)
        return False
    db_add(x.ks, x.db, o)
    return True


cdef int setrange_command(Ctx* x) noexcept nogil:
    """SETRANGE key offset value. O(N), N the bytes written or filled with zeroes."""
    cdef Slice part = x.argv[3]
    cdef int64_t offset
    cdef size_t len
    cdef Sds* text
    cdef Robj* o
    if not i64_or_reply(x, x.argv[2], &offset):
        return 0
    if offset < 0:
        return err(x, E_OFFSET_RANGE)
    o = db_write(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_STRING):
        return 0
    len = 0 if o == NULL else robj_strlen(o)
    if part.len == 0:
        return reply_int(x.out, len)
    if not fits_or_reply(x, <size_t>offset, part.len):
        return 0
    if o == NULL:
        len = <size_t>offset + part.len
        if not add_zeros(x, len):
            return err(x, E_OOM_ALLOC)
        o = db_peek(x.ks, x.db, x.argv[1])
    elif <size_t>offset + part.len > len:
        len = <size_t>offset + part.len
    text = editable_or_reply(x, &o, len)
    if text == NULL:
        return 0
    memcpy(text.data + offset, part.ptr, part.len)
    key_changed(x.ks, x.db, x.argv[1], EV_STRING, b"setrange")
    return reply_int(x.out, len)


bind(b"set", set_command)
bind(b"getset", getset_command)
bind(b"setnx", setnx_command)
bind(b"setex", setex_command)
bind(b"psetex", psetex_command)
bind(b"get", get_command)
bind(b"getdel", getdel_command)
bind(b"getex", getex_command)
bind(b"delifeq", delifeq_command)
bind(b"mget", mget_command)
bind(b"mset", mset_command)
bind(b"msetnx", msetnx_command)
bind(b"msetex", msetex_command)
bind(b"incr", incr_command)
bind(b"decr", decr_command)
bind(b"incrby", incrby_command)
bind(b"decrby", decrby_command)
bind(b"incrbyfloat", incrbyfloat_command)
bind(b"strlen", strlen_command)
bind(b"getrange", getrange_command)
bind(b"substr", getrange_command)
bind(b"append", append_command)
bind(b"setrange", setrange_command)
