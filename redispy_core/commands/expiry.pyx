"""Commands on a key's time to live: EXPIRE and its kin, TTL and its kin, PERSIST. Room commands.

Times are kept as absolute milliseconds. A time that is not in the future deletes the key at once, except on a replica,
which waits for the primary's DEL, and while nothing may expire (loading).
"""
from libc.stdint cimport int64_t
from ..base.rp cimport unlikely
from ..base.sds cimport Slice
from ..exec.args cimport EXP_ABSOLUTE, EXP_GIVEN, EXP_SECONDS, err, err_a, when_or_reply, word_is
from ..exec.client cimport Ctx
from ..exec.registry cimport bind
from ..keyspace.db cimport db_look, db_remove, db_set_expire, db_write, key_changed
from ..keyspace.events cimport EV_GENERIC
from ..keyspace.journal cimport *
from ..proto.errors cimport E_EXPIRE_GT_LT, E_EXPIRE_NX, E_UNSUPPORTED_OPTION
from ..proto.reply cimport reply_int
from ..types.object cimport NO_EXPIRE, Robj, robj_expire

cdef enum Condition:
    IF_NONE = 1                     # NX: only when there is no expiry
    IF_ANY = 2                      # XX: only when there is one
    IF_LATER = 4                    # GT: only when the new one is later; none counts as endless
    IF_EARLIER = 8                  # LT


# ---------------------------------------------------------------- EXPIRE

cdef bint conditions_or_reply(Ctx* x, int* conditions) noexcept nogil:
    cdef int c = 0
    cdef int j
    for j in range(3, x.argc):
        if word_is(x.argv[j], b"nx"):
            c |= IF_NONE
        elif word_is(x.argv[j], b"xx"):
            c |= IF_ANY
        elif word_is(x.argv[j], b"gt"):
            c |= IF_LATER
        elif word_is(x.argv[j], b"lt"):
            c |= IF_EARLIER
        else:
            err_a(x, E_UNSUPPORTED_OPTION, x.argv[j])
            return False
    if c & IF_NONE and c != IF_NONE:
        err(x, E_EXPIRE_NX)
        return False
    if c & IF_LATER and c & IF_EARLIER:
        err(x, E_EXPIRE_GT_LT)
        return False
    conditions[0] = c
    return True


cdef bint allowed(int conditions, int64_t old_ms, int64_t new_ms) noexcept nogil:
    if conditions & IF_NONE and old_ms != NO_EXPIRE:
        return False
    if conditions & IF_ANY and old_ms == NO_EXPIRE:
        return False
    if conditions & IF_LATER and (old_ms == NO_EXPIRE or new_ms <= old_ms):
        return False
    return not (conditions & IF_EARLIER and old_ms != NO_EXPIRE and new_ms >= old_ms)


cdef void leave_as_pexpireat(Ctx* x, int64_t when_ms) noexcept nogil:
    cdef Journal* j = &x.ks.journal
    cdef int i
    journal_begin(j, x.db.id, x.argc)
    journal_text(j, b"PEXPIREAT")
    journal_arg(j, x.argv[1])
    journal_arg_i64(j, when_ms)
    for i in range(3, x.argc):
        journal_arg(j, x.argv[i])


cdef int expire_generic(Ctx* x, int form) noexcept nogil:
    """key time [NX|XX|GT|LT]. O(1). Options are judged before the time, the time before the key."""
    cdef int conditions
    cdef int64_t when_ms
    cdef Robj* o
    cdef Slice key = x.argv[1]
    if not conditions_or_reply(x, &conditions) or not when_or_reply(x, x.argv[2], form, True, &when_ms):
        return 0
    o = db_write(x.ks, x.db, key)
    if o == NULL or not allowed(conditions, robj_expire(o), when_ms):
        return reply_int(x.out, 0)
    if when_ms <= x.env.now_ms and not x.ks.replica and x.ks.may_expire and not x.ks.loading:
        journal_key(&x.ks.journal, x.db.id, b"UNLINK" if x.env.knobs.lazyfree_lazy_expire else b"DEL", key)
        db_remove(x.ks, x.db, key, x.env.knobs.lazyfree_lazy_expire != 0)
        key_changed(x.ks, x.db, key, EV_GENERIC, b"del")
        return reply_int(x.out, 1)
    if unlikely(journaling(&x.ks.journal)):
        leave_as_pexpireat(x, when_ms)
    db_set_expire(x.ks, x.db, o, when_ms)
    key_changed(x.ks, x.db, key, EV_GENERIC, b"expire")
    return reply_int(x.out, 1)


cdef int expire_command(Ctx* x) noexcept nogil:
    return expire_generic(x, EXP_GIVEN | EXP_SECONDS)


cdef int expireat_command(Ctx* x) noexcept nogil:
    return expire_generic(x, EXP_GIVEN | EXP_SECONDS | EXP_ABSOLUTE)


cdef int pexpire_command(Ctx* x) noexcept nogil:
    return expire_generic(x, EXP_GIVEN)


cdef int pexpireat_command(Ctx* x) noexcept nogil:
    return expire_generic(x, EXP_GIVEN | EXP_ABSOLUTE)


cdef int persist_command(Ctx* x) noexcept nogil:
    """PERSIST key. O(1)."""
    cdef Robj* o = db_write(x.ks, x.db, x.argv[1])
    if o == NULL or robj_expire(o) == NO_EXPIRE:
        return reply_int(x.out, 0)
    db_set_expire(x.ks, x.db, o, NO_EXPIRE)
    key_changed(x.ks, x.db, x.argv[1], EV_GENERIC, b"persist")
    return reply_int(x.out, 1)


# ---------------------------------------------------------------- TTL

cdef inline int64_t rounded_seconds(int64_t ms) noexcept nogil:
    return ms // 1000 + (1 if ms % 1000 >= 500 else 0)


cdef int ttl_generic(Ctx* x, int form) noexcept nogil:
    """-2: no such key, -1: no expiry, else the time. O(1)."""
    cdef Robj* o = db_look(x.ks, x.db, x.argv[1])
    cdef int64_t ms
    if o == NULL:
        return reply_int(x.out, -2)
    ms = robj_expire(o)
    if ms == NO_EXPIRE:
        return reply_int(x.out, -1)
    if not form & EXP_ABSOLUTE:
        ms -= x.env.now_ms
    return reply_int(x.out, rounded_seconds(ms) if form & EXP_SECONDS else ms)


cdef int ttl_command(Ctx* x) noexcept nogil:
    return ttl_generic(x, EXP_SECONDS)


cdef int pttl_command(Ctx* x) noexcept nogil:
    return ttl_generic(x, 0)


cdef int expiretime_command(Ctx* x) noexcept nogil:
    return ttl_generic(x, EXP_SECONDS | EXP_ABSOLUTE)


cdef int pexpiretime_command(Ctx* x) noexcept nogil:
    return ttl_generic(x, EXP_ABSOLUTE)


bind(b"expire", expire_command)
bind(b"expireat", expireat_command)
bind(b"pexpire", pexpire_command)
bind(b"pexpireat", pexpireat_command)
bind(b"persist", persist_command)
bind(b"ttl", ttl_command)
bind(b"pttl", pttl_command)
bind(b"expiretime", expiretime_command)
bind(b"pexpiretime", pexpiretime_command)
