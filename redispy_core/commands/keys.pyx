"""Commands on keys of any type: DEL, EXISTS, TYPE, RENAME, COPY, MOVE, TOUCH, OBJECT. Room commands.

A value moves between keys and databases with its block: renaming gives it another (the key's bytes are part of it),
moving to another database keeps it. Only COPY duplicates a payload.
"""
from libc.stdint cimport INT32_MAX, INT32_MIN, int64_t
from ..base.env cimport POLICY_LFU, POLICY_LRU
from ..base.sds cimport Slice
from ..exec.args cimport bytes_equal, err, err_a, i64_or_reply, syntax_error, text_slice, word_is
from ..exec.client cimport Ctx
from ..exec.registry cimport bind
from ..keyspace.db cimport (Db, db_add, db_look, db_peek, db_read, db_remove, db_remove_live, db_rename, db_unlink,
                            db_write, key_changed, key_event, key_touched, lfu_counter, lru_idle_ms)
from ..keyspace.events cimport EV_GENERIC
from ..proto.errors cimport (E_COPY_DB_CLUSTER, E_DB_INDEX, E_LFU_NOT_SELECTED, E_LFU_SELECTED, E_NOT_BETWEEN,
                             E_NOT_IN_CLUSTER, E_NO_SUCH_KEY, E_SAME_OBJECT)
from ..proto.reply cimport reply_bulk_text, reply_errorf, reply_int, reply_null, reply_ok, reply_status
from ..types.object cimport (ENC_INT, Robj, enc_name, robj_dup, robj_enc, robj_expire, robj_type, robj_word, type_name)

cdef enum:
    SHARED_INTEGERS = 10000         # integers below are reported as shared


# ---------------------------------------------------------------- DEL, UNLINK, EXISTS, TOUCH, TYPE

cdef int del_generic(Ctx* x, bint lazy) noexcept nogil:
    """key [key ...]. O(keys) and what the values cost to free. A key that expired counts as missing."""
    cdef int64_t deleted = 0
    cdef int j
    for j in range(1, x.argc):
        if db_remove_live(x.ks, x.db, x.argv[j], lazy):
            key_changed(x.ks, x.db, x.argv[j], EV_GENERIC, b"del")
            deleted += 1
    return reply_int(x.out, deleted)


cdef int del_command(Ctx* x) noexcept nogil:
    return del_generic(x, x.env.knobs.lazyfree_lazy_user_del != 0)


cdef int unlink_command(Ctx* x) noexcept nogil:
    return del_generic(x, True)


cdef int exists_command(Ctx* x) noexcept nogil:
    """EXISTS key [key ...]. O(keys). A key given twice counts twice."""
    cdef int64_t found = 0
    cdef int j
    for j in range(1, x.argc):
        if db_look(x.ks, x.db, x.argv[j]) != NULL:
            found += 1
    return reply_int(x.out, found)


cdef int touch_command(Ctx* x) noexcept nogil:
    """TOUCH key [key ...]. O(keys). The one command that CLIENT NO-TOUCH does not keep from touching."""
    cdef int64_t found = 0
    cdef int j
    x.ks.no_touch = False
    for j in range(1, x.argc):
        if db_read(x.ks, x.db, x.argv[j]) != NULL:
            found += 1
    return reply_int(x.out, found)


cdef int type_command(Ctx* x) noexcept nogil:
    """TYPE key. O(1)."""
    cdef Robj* o = db_look(x.ks, x.db, x.argv[1])
    if o == NULL:
        return reply_status(x.out, b"none")
    return reply_status(x.out, type_name(robj_type(o)))


# ---------------------------------------------------------------- RENAME

cdef void rename_key(Ctx* x) noexcept nogil:
    cdef Slice key = x.argv[1]
    cdef Slice to = x.argv[2]
    db_rename(x.ks, x.db, key, to, x.env.knobs.lazyfree_lazy_server_del != 0)
    key_changed(x.ks, x.db, key, EV_GENERIC, b"rename_from")
    key_touched(x.ks, x.db, to)
    key_event(x.ks, x.db, to, EV_GENERIC, b"rename_to")


cdef int rename_command(Ctx* x) noexcept nogil:
    """RENAME key newkey. O(1) beside freeing what newkey held."""
    if db_write(x.ks, x.db, x.argv[1]) == NULL:
        return err(x, E_NO_SUCH_KEY)
    if not bytes_equal(x.argv[1], x.argv[2]):
        db_peek(x.ks, x.db, x.argv[2])      # an expired newkey goes as such
        rename_key(x)
    return reply_ok(x.out)


cdef int renamenx_command(Ctx* x) noexcept nogil:
    """RENAMENX key newkey. O(1)."""
    if db_write(x.ks, x.db, x.argv[1]) == NULL:
        return err(x, E_NO_SUCH_KEY)
    if bytes_equal(x.argv[1], x.argv[2]) or db_write(x.ks, x.db, x.argv[2]) != NULL:
        return reply_int(x.out, 0)
    rename_key(x)
    return reply_int(x.out, 1)


# ---------------------------------------------------------------- COPY, MOVE

cdef bint database_or_reply(Ctx* x, Slice text, Db** db) noexcept nogil:
    cdef int64_t v
    if not i64_or_reply(x, text, &v):
        return False
    if v < INT32_MIN or v > INT32_MAX:
        reply_errorf(x.out, E_NOT_BETWEEN, text_slice(b"-2147483648"), text_slice(b"2147483647"))
        return False
    if v < 0 or v >= x.ks.ndbs:
        err(x, E_DB_INDEX)
        return False
    db[0] = &x.ks.dbs[v]
    return True


cdef bint copy_options_or_reply(Ctx* x, Db** to, bint* replace) noexcept nogil:
    cdef int j = 3
    to[0] = x.db
    replace[0] = False
    while j < x.argc:
        if word_is(x.argv[j], b"replace"):
            replace[0] = True
            j += 1
        elif word_is(x.argv[j], b"db") and j + 1 < x.argc:
            if not database_or_reply(x, x.argv[j + 1], to):
                return False
            j += 2
        else:
            syntax_error(x)
            return False
    return True


cdef int copy_command(Ctx* x) noexcept nogil:
    """COPY key newkey [DB index] [REPLACE]. O(elements); the copy keeps the expiry."""
    cdef Db* to
    cdef bint replace
    cdef Robj* o
    cdef Slice newkey = x.argv[2]
    if not copy_options_or_reply(x, &to, &replace):
        return 0
    if x.env.knobs.cluster_enabled and (x.db.id != 0 or to.id != 0):
        return err(x, E_COPY_DB_CLUSTER)
    if to == x.db and bytes_equal(x.argv[1], newkey):
        return err(x, E_SAME_OBJECT)
    o = db_read(x.ks, x.db, x.argv[1])
    if o == NULL:
        return reply_int(x.out, 0)
    if db_write(x.ks, to, newkey) != NULL:
        if not replace:
            return reply_int(x.out, 0)
    db_remove(x.ks, to, newkey, x.env.knobs.lazyfree_lazy_server_del != 0)
    db_add(x.ks, to, robj_dup(x.mem, o, newkey, robj_expire(o)))
    key_changed(x.ks, to, newkey, EV_GENERIC, b"copy_to")
    return reply_int(x.out, 1)


cdef int move_command(Ctx* x) noexcept nogil:
    """MOVE key db. O(1); the key's block goes over as it is."""
    cdef Db* to
    cdef Slice key = x.argv[1]
    if x.env.knobs.cluster_enabled:
        return err_a(x, E_NOT_IN_CLUSTER, text_slice(b"MOVE"))
    if not database_or_reply(x, x.argv[2], &to):
        return 0
    if to == x.db:
        return err(x, E_SAME_OBJECT)
    if db_write(x.ks, x.db, key) == NULL or db_write(x.ks, to, key) != NULL:
        return reply_int(x.out, 0)
    db_remove(x.ks, to, key, False)         # one that expired, but is not ours to remove as such
    db_add(x.ks, to, db_unlink(x.ks, x.db, key))
    key_changed(x.ks, x.db, key, EV_GENERIC, b"move_from")
    key_touched(x.ks, to, key)
    key_event(x.ks, to, key, EV_GENERIC, b"move_to")
    return reply_int(x.out, 1)


# ---------------------------------------------------------------- OBJECT

cdef Robj* inspected(Ctx* x) noexcept nogil:
    """The value that OBJECT asks for: counted as a lookup, neither touched nor reported as a miss. NULL: answered."""
    cdef Robj* o = db_peek(x.ks, x.db, x.argv[2])
    if o == NULL:
        x.ks.stats.misses += 1
        reply_null(x.out)
    else:
        x.ks.stats.hits += 1
    return o


cdef int object_encoding_command(Ctx* x) noexcept nogil:
    cdef Robj* o = inspected(x)
    return 0 if o == NULL else reply_bulk_text(x.out, enc_name(robj_enc(o)))


cdef int object_refcount_command(Ctx* x) noexcept nogil:
    """compat: values have one owner here. Redis 7 shares small integers unless a key needs an LRU clock of its own."""
    cdef Robj* o = inspected(x)
    cdef bint own_clock = x.env.knobs.maxmemory != 0 and x.env.knobs.maxmemory_policy & (POLICY_LRU | POLICY_LFU) != 0
    if o == NULL:
        return 0
    if robj_enc(o) == ENC_INT and not own_clock and robj_word(o) >= 0 and robj_word(o) < SHARED_INTEGERS:
        return reply_int(x.out, INT32_MAX)
    return reply_int(x.out, 1)


cdef int object_idletime_command(Ctx* x) noexcept nogil:
    """Seconds since the last access."""
    cdef Robj* o = inspected(x)
    if o == NULL:
        return 0
    if x.env.knobs.maxmemory_policy & POLICY_LFU:
        return err(x, E_LFU_SELECTED)
    return reply_int(x.out, lru_idle_ms(x.ks, o) // 1000)


cdef int object_freq_command(Ctx* x) noexcept nogil:
    """The access counter, 0..255, as it has decayed until now."""
    cdef Robj* o = inspected(x)
    if o == NULL:
        return 0
    if not x.env.knobs.maxmemory_policy & POLICY_LFU:
        return err(x, E_LFU_NOT_SELECTED)
    return reply_int(x.out, lfu_counter(x.ks, o))


bind(b"del", del_command)
bind(b"unlink", unlink_command)
bind(b"exists", exists_command)
bind(b"touch", touch_command)
bind(b"type", type_command)
bind(b"rename", rename_command)
bind(b"renamenx", renamenx_command)
bind(b"copy", copy_command)
bind(b"move", move_command)
bind(b"object|encoding", object_encoding_command)
bind(b"object|refcount", object_refcount_command)
bind(b"object|idletime", object_idletime_command)
bind(b"object|freq", object_freq_command)
