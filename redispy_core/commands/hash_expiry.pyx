"""Commands on the expiry of hash fields: HEXPIRE and HTTL with their kin, HPERSIST, HGETEX, HSETEX, HGETDEL. Room
commands.

Times are kept as absolute milliseconds below 2**46. A time that is not in the future deletes the field at once, except
on a replica, which waits for the primary's HDEL, and while nothing may expire. An expired field counts as missing; the
commands that only look at times leave it where it is.
"""
from libc.stdint cimport INT32_MAX, int64_t, uint8_t
from ..base.mem cimport mem_calloc, mem_free
from ..base.num cimport add_overflows, mul_overflows, num_parse_i64
from ..base.rp cimport unlikely
from ..base.sds cimport Slice
from ..exec.args cimport (EXP_ABSOLUTE, EXP_GIVEN, EXP_KEEPTTL, EXP_NONE, EXP_PERSIST, EXP_SECONDS, err, err_a,
                          expire_word, i64_or_reply, name_of, type_or_reply, word_is, wrong_arity)
from ..exec.client cimport Ctx
from ..exec.registry cimport bind
from ..keyspace.db cimport db_add, db_delete, db_read, db_subexpiry, db_write, key_changed, key_event
from ..keyspace.events cimport EV_GENERIC, EV_HASH
from ..keyspace.subexpire cimport field_due, field_past, subexpire_settle
from ..keyspace.journal cimport *
from ..proto.errors cimport (E_EXPIRE_NEGATIVE, E_FIELDS_COUNT, E_FIELDS_GREATER, E_FIELDS_INVALID, E_FIELDS_MISSING,
                             E_FIELDS_POSITIVE, E_HSETEX_ARG, E_HSETEX_CONDITION, E_HSETEX_TTL, E_INVALID_EXPIRE,
                             E_OOM_ALLOC, Err)
from ..proto.reply cimport reply_array, reply_bulk, reply_bulk_i64, reply_int, reply_null
from ..types.hash cimport (HASH_KEEP, HASH_NO_MEMORY, HASH_NO_TTL, HashAt, HashVal, hash_delete,
                           hash_delete_at, hash_expire_at, hash_find, hash_len, hash_new, hash_put_at, hash_with_ttl)
from ..types.object cimport OBJ_HASH, Robj, robj_free

cdef enum:
    WHEN_MAX = 0x3FFFFFFFFFFF       # compat: the latest time that Redis takes

cdef enum Outcome:                  # of one field
    NO_FIELD = -2
    NO_EXPIRY = -1
    REFUSED = 0                     # by NX, XX, GT or LT
    DONE = 1
    DELETED = 2

cdef enum Condition:
    ALWAYS
    IF_NONE                         # NX
    IF_ANY                          # XX
    IF_LATER                        # GT: none counts as endless
    IF_EARLIER                      # LT

cdef struct Fields:                 # FIELDS numfields field ...
    int first
    int count


# ---------------------------------------------------------------- arguments

cdef bint fields_or_reply(Ctx* x, int at, Err bad_count, Fields* f) noexcept nogil:
    """`FIELDS n f1 .. fn` from argv[at] to the end."""
    cdef int64_t n
    if at + 1 >= x.argc:
        wrong_arity(x)
        return False
    if not word_is(x.argv[at], b"fields"):
        err(x, E_FIELDS_MISSING)
        return False
    if not num_parse_i64(x.argv[at + 1].ptr, x.argv[at + 1].len, &n) or n < 1:
        err(x, bad_count)
        return False
    if n != x.argc - at - 2:
        err(x, E_FIELDS_COUNT)
        return False
    f.first = at + 2
    f.count = <int>n
    return True


cdef bint when_or_error(Ctx* x, Slice s, int form, int64_t* when_ms) noexcept nogil:
    cdef int64_t v
    if not i64_or_reply(x, s, &v):
        return False
    if v < 0:
        err(x, E_EXPIRE_NEGATIVE)
        return False
    if (form & EXP_SECONDS and mul_overflows(v, 1000, &v)) \
            or (not form & EXP_ABSOLUTE and add_overflows(v, x.env.now_ms, &v)) or v > <int64_t>WHEN_MAX:
        err_a(x, E_INVALID_EXPIRE, name_of(x))
        return False
    when_ms[0] = v
    return True


cdef Condition condition_of(Slice s) noexcept nogil:
    if word_is(s, b"nx"):
        return IF_NONE
    if word_is(s, b"xx"):
        return IF_ANY
    if word_is(s, b"gt"):
        return IF_LATER
    return IF_EARLIER if word_is(s, b"lt") else ALWAYS


cdef bint allowed(Condition c, int64_t old_ms, int64_t new_ms) noexcept nogil:
    if c == IF_NONE:
        return old_ms == HASH_NO_TTL
    if c == IF_ANY:
        return old_ms != HASH_NO_TTL
    if c == IF_LATER:
        return old_ms != HASH_NO_TTL and new_ms > old_ms
    return c == ALWAYS or old_ms == HASH_NO_TTL or new_ms < old_ms


cdef int reply_missing(Ctx* x, int count) noexcept nogil:
    """The answer for a missing key: every field is missing."""
    cdef int i
    reply_array(x.out, count)
    for i in range(count):
        reply_int(x.out, NO_FIELD)
    return 0


cdef int reply_nulls(Ctx* x, int count) noexcept nogil:
    cdef int i
    reply_array(x.out, count)
    for i in range(count):
        reply_null(x.out)
    return 0


# ---------------------------------------------------------------- shared

cdef inline bint deletes_at_once(Ctx* x, int64_t when_ms) noexcept nogil:
    return when_ms <= x.env.now_ms and not x.ks.replica and x.ks.may_expire and not x.ks.loading


cdef int expire_field(Ctx* x, Robj* o, HashAt* at, int64_t when_ms) noexcept nogil:
    """Gives a field that is there a time, or deletes it for one that is past."""
    if deletes_at_once(x, when_ms):
        hash_delete_at(x.mem, o, at)
        return DELETED
    hash_expire_at(x.mem, o, at, when_ms)
    return DONE


cdef void finish(Ctx* x, Robj* o, int64_t changed, const char* event) noexcept nogil:
    """After `changed` fields were changed or deleted: the index, events, and the key itself when no field is left."""
    cdef bint empty = hash_len(o) == 0
    if empty:
        db_delete(x.ks, x.db, x.argv[1])
    else:
        db_subexpiry(x.ks, x.db, o)
    x.ks.ev.dirty += changed - 1
    key_changed(x.ks, x.db, x.argv[1], EV_HASH, event)
    if empty:
        key_event(x.ks, x.db, x.argv[1], EV_GENERIC, b"del")


# ---------------------------------------------------------------- what leaves: the fields that were changed

cdef uint8_t* marks_of(Ctx* x) noexcept nogil:
    """A mark for each argument; NULL while nobody listens."""
    return <uint8_t*>mem_calloc(x.mem, x.argc) if unlikely(journaling(&x.ks.journal)) else NULL


cdef inline void mark(uint8_t* marks, int i) noexcept nogil:
    if unlikely(marks != NULL):
        marks[i] = 1


cdef void leave_deleted(Ctx* x, uint8_t* marks) noexcept nogil:
    """HDEL key field of each marked field; the marks go."""
    cdef int i
    if marks == NULL:
        return
    journal_silent(&x.ks.journal)
    for i in range(x.argc):
        if marks[i]:
            journal_begin(&x.ks.journal, x.db.id, 3)
            journal_text(&x.ks.journal, b"HDEL")
            journal_arg(&x.ks.journal, x.argv[1])
            journal_arg(&x.ks.journal, x.argv[i])
    mem_free(x.mem, marks)


cdef void leave_timed(Ctx* x, uint8_t* marks, int64_t when_ms, const char* condition) noexcept nogil:
    """HPEXPIREAT key when [condition] FIELDS n field ..., or HPERSIST for HASH_NO_TTL; the marks go."""
    cdef Journal* j = &x.ks.journal
    cdef bint timed = when_ms != HASH_NO_TTL
    cdef int i
    cdef int n = 0
    if marks == NULL:
        return
    journal_silent(j)
    for i in range(x.argc):
        n += marks[i]
    if n:
        journal_begin(j, x.db.id, 4 + n + timed + (condition != NULL))
        journal_text(j, b"HPEXPIREAT" if timed else b"HPERSIST")
        journal_arg(j, x.argv[1])
        if timed:
            journal_arg_i64(j, when_ms)
        if condition != NULL:
            journal_text(j, condition)
        journal_text(j, b"FIELDS")
        journal_arg_i64(j, n)
        for i in range(x.argc):
            if marks[i]:
                journal_arg(j, x.argv[i])
    mem_free(x.mem, marks)


cdef inline const char* condition_text(Condition c) noexcept nogil:
    if c == ALWAYS:
        return NULL
    return b"NX" if c == IF_NONE else b"XX" if c == IF_ANY else b"GT" if c == IF_LATER else b"LT"


# ---------------------------------------------------------------- HEXPIRE, HPEXPIRE, HEXPIREAT, HPEXPIREAT

cdef int expire_one(Ctx* x, Robj* o, Slice field, Condition c, int64_t when_ms) noexcept nogil:
    cdef HashAt at
    if not hash_find(o, field, &at) or field_past(x.ks, at.when_ms):
        return NO_FIELD
    if not allowed(c, at.when_ms, when_ms):
        return REFUSED
    return expire_field(x, o, &at, when_ms)


cdef int hexpire_generic(Ctx* x, int form) noexcept nogil:
    cdef Condition c
    cdef Fields f
    cdef int64_t when_ms
    cdef int64_t changed = 0
    cdef int i, done
    cdef uint8_t* marks
    cdef const char* event = b"hexpire"
    cdef Robj* o = db_write(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_HASH) or not when_or_error(x, x.argv[2], form, &when_ms):
        return 0
    c = condition_of(x.argv[3])
    if not fields_or_reply(x, 3 if c == ALWAYS else 4, E_FIELDS_GREATER, &f):
        return 0
    if o == NULL:
        return reply_missing(x, f.count)
    hash_with_ttl(x.mem, o)
    marks = marks_of(x)
    reply_array(x.out, f.count)
    for i in range(f.first, x.argc):
        done = expire_one(x, o, x.argv[i], c, when_ms)
        changed += done > 0
        if done > 0:
            mark(marks, i)
        if done == DELETED:
            event = b"hdel"
        reply_int(x.out, done)
    if deletes_at_once(x, when_ms):
        leave_deleted(x, marks)
    else:
        leave_timed(x, marks, when_ms, condition_text(c))
    if changed:
        finish(x, o, changed, event)
    return 0


cdef int hexpire_command(Ctx* x) noexcept nogil:
    return hexpire_generic(x, EXP_SECONDS)


cdef int hpexpire_command(Ctx* x) noexcept nogil:
    return hexpire_generic(x, EXP_NONE)


cdef int hexpireat_command(Ctx* x) noexcept nogil:
    return hexpire_generic(x, EXP_SECONDS | EXP_ABSOLUTE)


cdef int hpexpireat_command(Ctx* x) noexcept nogil:
    return hexpire_generic(x, EXP_ABSOLUTE)


# ---------------------------------------------------------------- HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME, HPERSIST

cdef int httl_generic(Ctx* x, int form) noexcept nogil:
    cdef Fields f
    cdef HashAt at
    cdef int64_t v
    cdef int i
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_HASH) or not fields_or_reply(x, 2, E_FIELDS_POSITIVE, &f):
        return 0
    if o == NULL:
        return reply_missing(x, f.count)
    reply_array(x.out, f.count)
    for i in range(f.first, x.argc):
        if not hash_find(o, x.argv[i], &at) or field_past(x.ks, at.when_ms):
            v = NO_FIELD
        elif at.when_ms == HASH_NO_TTL:
            v = NO_EXPIRY
        else:
            v = at.when_ms if form & EXP_ABSOLUTE else at.when_ms - x.env.now_ms
            if form & EXP_SECONDS:
                v = (v + 999) // 1000
        reply_int(x.out, v)
    return 0


cdef int httl_command(Ctx* x) noexcept nogil:
    return httl_generic(x, EXP_SECONDS)


cdef int hpttl_command(Ctx* x) noexcept nogil:
    return httl_generic(x, EXP_NONE)


cdef int hexpiretime_command(Ctx* x) noexcept nogil:
    return httl_generic(x, EXP_SECONDS | EXP_ABSOLUTE)


cdef int hpexpiretime_command(Ctx* x) noexcept nogil:
    return httl_generic(x, EXP_ABSOLUTE)


cdef int hpersist_command(Ctx* x) noexcept nogil:
    cdef Fields f
    cdef HashAt at
    cdef int64_t changed = 0
    cdef int i
    cdef Robj* o = db_write(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_HASH) or not fields_or_reply(x, 2, E_FIELDS_POSITIVE, &f):
        return 0
    if o == NULL:
        return reply_missing(x, f.count)
    reply_array(x.out, f.count)
    for i in range(f.first, x.argc):
        if not hash_find(o, x.argv[i], &at) or field_past(x.ks, at.when_ms):
            reply_int(x.out, NO_FIELD)
        elif at.when_ms == HASH_NO_TTL:
            reply_int(x.out, NO_EXPIRY)
        else:
            hash_expire_at(x.mem, o, &at, HASH_NO_TTL)
            changed += 1
            reply_int(x.out, DONE)
    if changed:
        finish(x, o, changed, b"hpersist")
    return 0


# ---------------------------------------------------------------- HGETEX, HGETDEL

cdef bint hgetex_options(Ctx* x, int* form, int64_t* when_ms, int* at) noexcept nogil:
    form[0] = EXP_NONE
    at[0] = 2
    if word_is(x.argv[2], b"persist"):
        form[0] = EXP_PERSIST
        at[0] = 3
    elif expire_word(x.argv[2], form):
        at[0] = 4
        return when_or_error(x, x.argv[3], form[0], when_ms)
    return True


cdef int hgetex_command(Ctx* x) noexcept nogil:
    cdef Fields f
    cdef HashAt at
    cdef int64_t when_ms = HASH_NO_TTL
    cdef int64_t changed = 0
    cdef int form, first, i
    cdef uint8_t* marks
    cdef bint removed = False
    cdef const char* event = b"hpersist"
    cdef Robj* o = db_write(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_HASH) or not hgetex_options(x, &form, &when_ms, &first) \
            or not fields_or_reply(x, first, E_FIELDS_POSITIVE, &f):
        return 0
    if o == NULL:
        return reply_nulls(x, f.count)
    if form & EXP_GIVEN:
        event = b"hdel" if deletes_at_once(x, when_ms) else b"hexpire"
        hash_with_ttl(x.mem, o)
    marks = marks_of(x)
    reply_array(x.out, f.count)
    for i in range(f.first, x.argc):
        if not hash_find(o, x.argv[i], &at) or field_due(x.ks, x.db, x.argv[1], o, x.argv[i], &at, &removed):
            reply_null(x.out)
            continue
        reply_val(x, &at.val)
        if form & EXP_GIVEN:
            expire_field(x, o, &at, when_ms)
            mark(marks, i)
            changed += 1
        elif form & EXP_PERSIST and at.when_ms != HASH_NO_TTL:
            hash_expire_at(x.mem, o, &at, HASH_NO_TTL)
            mark(marks, i)
            changed += 1
    if form & EXP_GIVEN and deletes_at_once(x, when_ms):
        leave_deleted(x, marks)
    else:
        leave_timed(x, marks, when_ms, NULL)
    if removed:
        settle_removed(x, &o, changed)
    if changed:
        finish(x, o, changed, event)
    return 0


cdef void settle_removed(Ctx* x, Robj** o, int64_t changed) noexcept nogil:
    """Expired fields went. An emptied hash is left to finish() when that follows."""
    if changed and hash_len(o[0]) == 0:
        key_event(x.ks, x.db, x.argv[1], EV_HASH, b"hexpired")
    else:
        o[0] = subexpire_settle(x.ks, x.db, x.argv[1], o[0])


cdef int reply_val(Ctx* x, const HashVal* v) noexcept nogil:
    if v.s != NULL:
        return reply_bulk(x.out, v.s, v.len)
    return reply_bulk_i64(x.out, v.v)


cdef int hgetdel_command(Ctx* x) noexcept nogil:
    cdef Fields f
    cdef HashAt at
    cdef int64_t changed = 0
    cdef int i
    cdef uint8_t* marks
    cdef bint removed = False
    cdef Robj* o = db_write(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_HASH) or not fields_or_reply(x, 2, E_FIELDS_POSITIVE, &f):
        return 0
    if o == NULL:
        return reply_nulls(x, f.count)
    marks = marks_of(x)
    reply_array(x.out, f.count)
    for i in range(f.first, x.argc):
        if not hash_find(o, x.argv[i], &at) or field_due(x.ks, x.db, x.argv[1], o, x.argv[i], &at, &removed):
            reply_null(x.out)
            continue
        reply_val(x, &at.val)
        hash_delete_at(x.mem, o, &at)
        mark(marks, i)
        changed += 1
    leave_deleted(x, marks)
    if removed:
        settle_removed(x, &o, changed)
    if changed:
        finish(x, o, changed, b"hdel")
    return 0


# ---------------------------------------------------------------- HSETEX

cdef struct SetEx:
    bint if_none                    # FNX: only if no field exists
    bint if_all                     # FXX: only if all do
    int form
    int64_t when_ms
    int first                       # argument: the first field
    int count


cdef bint hsetex_word(Ctx* x, int* i, SetEx* s) noexcept nogil:
    """An option at argv[i], which moves behind it."""
    cdef Slice word = x.argv[i[0]]
    cdef int form
    if word_is(word, b"fnx") or word_is(word, b"fxx"):
        if s.if_none or s.if_all:
            err(x, E_HSETEX_CONDITION)
            return False
        s.if_none = word_is(word, b"fnx")
        s.if_all = not s.if_none
    elif word_is(word, b"keepttl") or expire_word(word, &form):
        if s.form != EXP_NONE:
            err(x, E_HSETEX_TTL)
            return False
        s.form = EXP_KEEPTTL
        if not word_is(word, b"keepttl"):
            s.form = form
            i[0] += 1
            if i[0] >= x.argc:
                wrong_arity(x)
                return False
            if not when_or_error(x, x.argv[i[0]], form, &s.when_ms):
                return False
    else:
        err_a(x, E_HSETEX_ARG, word)
        return False
    i[0] += 1
    return True


cdef bint hsetex_options(Ctx* x, SetEx* s) noexcept nogil:
    cdef int64_t n
    cdef int i = 2
    s.if_none = s.if_all = False
    s.form = EXP_NONE
    s.when_ms = HASH_NO_TTL
    while i < x.argc and not word_is(x.argv[i], b"fields"):
        if not hsetex_word(x, &i, s):
            return False
    if i + 1 >= x.argc:
        wrong_arity(x)
        return False
    if not num_parse_i64(x.argv[i + 1].ptr, x.argv[i + 1].len, &n) or n < 1 or n > INT32_MAX:
        err(x, E_FIELDS_INVALID)
        return False
    if 2 * n != x.argc - i - 2:
        wrong_arity(x)
        return False
    s.first = i + 2
    s.count = <int>n
    return True


cdef bint condition_holds(Ctx* x, Robj* o, const SetEx* s, bint* removed) noexcept nogil:
    cdef HashAt at
    cdef int i
    cdef bint there
    if not s.if_none and not s.if_all:
        return True
    for i in range(s.first, x.argc, 2):
        there = o != NULL and hash_find(o, x.argv[i], &at) \
            and not field_due(x.ks, x.db, x.argv[1], o, x.argv[i], &at, removed)
        if there != s.if_all:
            return False
    return True


cdef bint hsetex_put(Ctx* x, Robj* o, const SetEx* s, bint* removed) noexcept nogil:
    """Sets all fields, or deletes them for a time that is past. False: no memory (what was set before stays)."""
    cdef HashAt at
    cdef int i
    cdef int64_t when_ms = HASH_KEEP if s.form & EXP_KEEPTTL else s.when_ms
    for i in range(s.first, x.argc, 2):
        if s.form & EXP_GIVEN and deletes_at_once(x, when_ms):
            hash_delete(x.mem, o, x.argv[i])
            continue
        if hash_find(o, x.argv[i], &at) and s.form & EXP_KEEPTTL \
                and field_due(x.ks, x.db, x.argv[1], o, x.argv[i], &at, removed) and removed[0]:
            hash_find(o, x.argv[i], &at)        # an expired field does not hand its time on
        if hash_put_at(x.mem, x.env, o, &at, x.argv[i], x.argv[i + 1], when_ms) == HASH_NO_MEMORY:
            return False
    return True


cdef void leave_as_hsetex(Ctx* x, const SetEx* s) noexcept nogil:
    """With an absolute time, or an HDEL of each field for one that is past."""
    cdef Journal* j = &x.ks.journal
    cdef uint8_t* marks
    cdef int i
    if deletes_at_once(x, s.when_ms):
        marks = marks_of(x)
        for i in range(s.first, x.argc, 2):
            mark(marks, i)
        leave_deleted(x, marks)
        return
    journal_begin(j, x.db.id, 6 + 2 * s.count)
    journal_text(j, b"HSETEX")
    journal_arg(j, x.argv[1])
    journal_text(j, b"PXAT")
    journal_arg_i64(j, s.when_ms)
    journal_text(j, b"FIELDS")
    journal_arg_i64(j, s.count)
    for i in range(s.first, x.argc):
        journal_arg(j, x.argv[i])


cdef int hsetex_command(Ctx* x) noexcept nogil:
    cdef SetEx s
    cdef Robj* o
    cdef bint ok, fresh
    cdef bint removed = False
    if not hsetex_options(x, &s):
        return 0
    o = db_write(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_HASH):
        return 0
    if not condition_holds(x, o, &s, &removed):
        if removed:
            subexpire_settle(x.ks, x.db, x.argv[1], o)
        return reply_int(x.out, 0)
    fresh = o == NULL
    if fresh:
        o = hash_new(x.mem, x.argv[1], 0)
    ok = hsetex_put(x, o, &s, &removed)
    if removed:
        key_event(x.ks, x.db, x.argv[1], EV_HASH, b"hexpired")
    if fresh and not (hash_len(o) == 0 and not ok):
        db_add(x.ks, x.db, o)
    elif fresh:
        robj_free(x.mem, o)
        return err(x, E_OOM_ALLOC)
    if s.form & EXP_GIVEN and unlikely(journaling(&x.ks.journal)):
        leave_as_hsetex(x, &s)
    hsetex_finish(x, o, &s)
    return reply_int(x.out, 1) if ok else err(x, E_OOM_ALLOC)


cdef void hsetex_finish(Ctx* x, Robj* o, const SetEx* s) noexcept nogil:
    cdef bint past = s.form & EXP_GIVEN and deletes_at_once(x, s.when_ms)
    if past:
        key_event(x.ks, x.db, x.argv[1], EV_HASH, b"hset")
        finish(x, o, s.count, b"hdel")
        return
    db_subexpiry(x.ks, x.db, o)
    x.ks.ev.dirty += s.count - 1
    key_changed(x.ks, x.db, x.argv[1], EV_HASH, b"hset")
    if s.form & EXP_GIVEN:
        key_event(x.ks, x.db, x.argv[1], EV_HASH, b"hexpire")


bind(b"hexpire", hexpire_command)
bind(b"hpexpire", hpexpire_command)
bind(b"hexpireat", hexpireat_command)
bind(b"hpexpireat", hpexpireat_command)
bind(b"httl", httl_command)
bind(b"hpttl", hpttl_command)
bind(b"hexpiretime", hexpiretime_command)
bind(b"hpexpiretime", hpexpiretime_command)
bind(b"hpersist", hpersist_command)
bind(b"hgetex", hgetex_command)
bind(b"hgetdel", hgetdel_command)
bind(b"hsetex", hsetex_command)
