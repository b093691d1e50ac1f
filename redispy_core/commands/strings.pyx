"""String commands."""
from libc.stdint cimport int64_t
from ..base.sds cimport Slice
from ..exec.args cimport *
from ..exec.client cimport Ctx
from ..exec.registry cimport bind
from ..keyspace.db cimport *
from ..keyspace.events cimport *
from ..proto.errors cimport *
from ..proto.reply cimport *
from ..types.object cimport *

cdef int set_command(Ctx* x) noexcept nogil:
    db_set_string(x.ks, x.db, x.argv[1], x.argv[2].ptr, x.argv[2].len, NO_EXPIRE)
    key_changed(x.ks, x.db, x.argv[1], EV_STRING, b"set")
    return reply_ok(x.out)

cdef int get_command(Ctx* x) noexcept nogil:
    cdef char[INT_TEXT] scratch
    cdef size_t n
    cdef const char* s
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    if o == NULL:
        return reply_null(x.out)
    if not type_or_reply(x, o, OBJ_STRING):
        return 0
    s = robj_bytes(o, scratch, &n)
    return reply_bulk(x.out, s, n)

bind(b"set", set_command)
bind(b"get", get_command)
