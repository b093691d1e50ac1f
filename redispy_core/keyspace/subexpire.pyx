"""Expiry of hash fields (contract: subexpire.pxd). Room keyspace; called by the hash commands and by the active cycle.

A primary removes a due field when it is read, and without that from the cycle; each leaves as an HDEL for the journal.
A replica, and a server whose writes are paused, only answers that it is missing. Of several fields that go at once
there is one `hexpired` event, then `del` if none is left.
"""
from libc.stdint cimport int64_t
from ..base.env cimport env_mono_us
from ..base.sds cimport Slice
from ..structs.ebuckets cimport eb_first, eb_min
from ..types.hash cimport HashAt, hash_delete_at, hash_len, hash_past, hash_remove_due, hash_ttl
from ..types.object cimport Robj, robj_key
from .db cimport Db, Keyspace, db_delete, db_subexpiry, key_event, key_touched, ks_begin_command
from .events cimport EV_GENERIC, EV_HASH
from .journal cimport journal_flush

cdef enum:
    BATCH = 512                    # fields between two looks at the clock

cdef struct Where:
    Keyspace* ks
    Db* db
    Slice key


cdef bint field_past(Keyspace* ks, int64_t when_ms) noexcept nogil:
    return hash_past(when_ms, ks.env.now_ms) and not ks.loading


cdef inline bint ours(Keyspace* ks) noexcept nogil:
    return not ks.replica and ks.may_expire


cdef void report(void* ctx, Slice field) noexcept nogil:
    cdef Where* w = <Where*>ctx
    w.ks.stats.expired_fields += 1
    if w.ks.ev.field_deleted != NULL:
        w.ks.ev.field_deleted(w.ks.ev.field_deleted_ctx, w.db.id, w.key, field)


cdef bint field_due(Keyspace* ks, Db* db, Slice key, Robj* o, Slice field, HashAt* at, bint* removed) noexcept nogil:
    cdef Where w
    if not field_past(ks, at.when_ms):
        return False
    if ours(ks):
        w.ks = ks
        w.db = db
        w.key = key
        report(&w, field)
        hash_delete_at(ks.mem, o, at)
        removed[0] = True
    return True


cdef Robj* subexpire_settle(Keyspace* ks, Db* db, Slice key, Robj* o) noexcept nogil:
    ks.ev.own_work = True
    key_touched(ks, db, key)
    ks.ev.own_work = False
    key_event(ks, db, key, EV_HASH, b"hexpired")
    if hash_len(o):
        db_subexpiry(ks, db, o)
        return o
    key_event(ks, db, key, EV_GENERIC, b"del")
    db_delete(ks, db, key)
    return NULL


cdef Robj* subexpire_hash(Keyspace* ks, Db* db, Slice key, Robj* o) noexcept nogil:
    cdef Where w
    if not ours(ks):
        return o
    w.ks = ks
    w.db = db
    w.key = key
    if hash_remove_due(ks.mem, o, ks.env.now_ms, <size_t>-1, report, &w) == 0:
        return o
    return subexpire_settle(ks, db, key, o)


cdef int64_t tracked(const void* o) noexcept nogil:
    return hash_ttl(<const Robj*>o).tracked_ms


cdef bint subexpire_cycle(Keyspace* ks, Db* db, int64_t deadline_us) noexcept nogil:
    cdef Where w
    cdef Robj* o
    cdef size_t removed = 0
    w.ks = ks
    w.db = db
    while eb_min(&db.subexpires) < ks.env.now_ms:
        ks_begin_command(ks)                # the hash remembered may be another key's that lay at this address
        o = <Robj*>eb_first(&db.subexpires, tracked)
        w.key.ptr = robj_key(o, &w.key.len)
        removed += hash_remove_due(ks.mem, o, ks.env.now_ms, BATCH, report, &w)
        subexpire_settle(ks, db, w.key, o)
        journal_flush(&ks.journal, ks.env.now_ms)       # a hash is a unit
        if removed >= BATCH:
            if env_mono_us(ks.env) > deadline_us:
                return False
            removed = 0
    return True
