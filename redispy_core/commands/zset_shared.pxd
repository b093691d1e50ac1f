# What the files of sorted set commands share: replies with elements, and what follows a removal. All inline.
from ..exec.client cimport Ctx
from ..base.sds cimport Slice
from ..keyspace.db cimport db_add, db_delete, db_put, db_write, key_changed, key_event
from ..keyspace.events cimport EV_GENERIC, EV_ZSET
from ..proto.reply cimport Out, reply_array, reply_bulk, reply_double, reply_int
from ..types.object cimport Robj
from ..types.zset cimport ZsetItem, zset_item_score, zset_size, zset_try_listpack

cdef inline void reply_member(Out* out, const ZsetItem* e) noexcept nogil:
    reply_bulk(out, e.member, e.len)


cdef inline void reply_element(Out* out, const ZsetItem* e, bint with_score) noexcept nogil:
    """The member; with its score RESP3 makes a pair of them."""
    if with_score and out.resp > 2:
        reply_array(out, 2)
    reply_bulk(out, e.member, e.len)
    if with_score:
        reply_double(out, zset_item_score(e))


cdef inline void reply_pair(Out* out, const ZsetItem* e) noexcept nogil:
    reply_array(out, 2)
    reply_bulk(out, e.member, e.len)
    reply_double(out, zset_item_score(e))


cdef inline int reply_elements_header(Out* out, size_t n, bint with_scores) noexcept nogil:
    return reply_array(out, 2 * n if with_scores and out.resp < 3 else n)


cdef inline void removed(Ctx* x, Slice key, Robj* o, size_t n, const char* event) noexcept nogil:
    """Tells that n > 0 elements have left; an emptied set goes."""
    cdef bint gone = zset_size(o) == 0
    if gone:
        db_delete(x.ks, x.db, key)
    x.ks.ev.dirty += n - 1
    key_changed(x.ks, x.db, key, EV_ZSET, event)
    if gone:
        key_event(x.ks, x.db, key, EV_GENERIC, b"del")


cdef inline int put_result(Ctx* x, Robj* o, Slice to, const char* event) noexcept nogil:
    """Stores a finished sorted set under its key, or (NULL) removes the key `to`; answers the size."""
    if o != NULL:
        zset_try_listpack(x.mem, x.env, o)
        db_put(x.ks, x.db, o)
        key_changed(x.ks, x.db, to, EV_ZSET, event)
        return reply_int(x.out, zset_size(o))
    if db_write(x.ks, x.db, to) != NULL:
        db_delete(x.ks, x.db, to)
        key_changed(x.ks, x.db, to, EV_GENERIC, b"del")
    return reply_int(x.out, 0)
