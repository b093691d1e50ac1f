"""Commands that go over a whole database: KEYS, SCAN, RANDOMKEY. Room commands; the walk of SCAN is exec/scan's."""
from libc.stdint cimport int64_t
from ..base.num cimport glob_match
from ..base.sds cimport Slice
from ..exec.client cimport Ctx
from ..exec.registry cimport bind
from ..exec.scan cimport (SCAN_ACCEPTS_TYPE, SCAN_ANY_TYPE, Scan, scan_cursor_or_reply, scan_dict, scan_matches,
                          scan_options_or_reply)
from ..keyspace.db cimport db_expire_due, db_expired, db_random
from ..proto.reply cimport Deferred, Out, reply_bulk, reply_later, reply_length, reply_null
from ..structs.dict cimport DictIter, dict_iter, dict_iter_end, dict_next
from ..types.object cimport Robj, robj_key, robj_type


cdef int keys_command(Ctx* x) noexcept nogil:
    """KEYS pattern. O(keys). Expired keys are left out, but not removed."""
    cdef DictIter it
    cdef Slice pattern = x.argv[1]
    cdef bint every = pattern.len == 1 and pattern.ptr[0] == c'*'
    cdef Deferred length = reply_later(x.out)
    cdef int64_t found = 0
    cdef Slice key
    cdef Robj* o
    dict_iter(&it, &x.db.keys)
    while True:
        o = <Robj*>dict_next(&it)
        if o == NULL or x.out.full:
            break
        key.ptr = robj_key(o, &key.len)
        if (every or glob_match(pattern.ptr, pattern.len, key.ptr, key.len, False)) and not db_expired(x.ks, o):
            reply_bulk(x.out, key.ptr, key.len)
            found += 1
    dict_iter_end(&it)
    reply_length(x.out, length, c'*', found)
    return 0


cdef bint fits(void* ctx, const Scan* s, void* entry) noexcept nogil:
    """Type, then pattern, then time: what the options leave out is not looked at further, and so not removed."""
    cdef Ctx* x = <Ctx*>ctx
    cdef Robj* o = <Robj*>entry
    cdef Slice key
    if s.type != SCAN_ANY_TYPE and <int>robj_type(o) != s.type:
        return False
    key.ptr = robj_key(o, &key.len)
    return scan_matches(s, key.ptr, key.len) and not db_expire_due(x.ks, x.db, o)


cdef void write_key(Out* o, const Scan* s, void* entry) noexcept nogil:
    cdef size_t n
    cdef const char* key = robj_key(entry, &n)
    reply_bulk(o, key, n)


cdef int scan_command(Ctx* x) noexcept nogil:
    """SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]. O(count).

    compat: an unknown type is no error, nothing fits it; clients ask for types of modules that may not be loaded.
    """
    cdef Scan s
    if not scan_cursor_or_reply(x, x.argv[1], &s) or not scan_options_or_reply(x, 2, SCAN_ACCEPTS_TYPE, &s):
        return 0
    return scan_dict(x, &x.db.keys, &s, fits, x, write_key, 1)


cdef int randomkey_command(Ctx* x) noexcept nogil:
    """RANDOMKEY. O(1) expected."""
    cdef size_t n
    cdef const char* key
    cdef Robj* o = db_random(x.ks, x.db)
    if o == NULL:
        return reply_null(x.out)
    key = robj_key(o, &n)
    return reply_bulk(x.out, key, n)


bind(b"keys", keys_command)
bind(b"scan", scan_command)
bind(b"randomkey", randomkey_command)
