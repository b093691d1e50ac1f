"""DUMP: a value as bytes that RESTORE takes, here or in another server."""
from ..exec.args cimport *
from ..exec.client cimport Ctx
from ..exec.registry cimport bind
from ..keyspace.db cimport db_look, db_read
from ..persist.rdb_save cimport RdbOptions, rdb_dump, rdb_options
from ..persist.sink cimport Sink, sink_free, sink_to_memory
from ..proto.errors cimport *
from ..proto.reply cimport *
from ..types.object cimport Robj


cdef int dump_command(Ctx* x) noexcept nogil:
    """DUMP key. O(size of the value)."""
    cdef Sink s
    cdef RdbOptions opt
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    if o == NULL:
        return reply_null(x.out)
    rdb_options(&opt, x.ks)
    if sink_to_memory(&s, x.mem):
        if rdb_dump(&s, o, &opt):
            reply_bulk(x.out, <const char*>s.buf, s.used)
            sink_free(&s)
            return 0
        sink_free(&s)
    return err(x, E_OOM_ALLOC)


bind(b"dump", dump_command)
