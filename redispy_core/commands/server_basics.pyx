"""Commands on whole databases, and TIME: DBSIZE, FLUSHDB, FLUSHALL, SWAPDB. Room commands."""
from libc.stdint cimport INT32_MAX, INT32_MIN, int64_t
from ..base.env cimport env_wall_us
from ..exec.args cimport err, err_a, range_or_reply, syntax_error, text_slice, word_is
from ..exec.blocked cimport databases_swapped
from ..exec.client cimport Ctx
from ..exec.dispatch cimport Exec
from ..exec.memory_limit cimport flush_databases
from ..exec.multi cimport watched_databases_swap
from ..exec.registry cimport bind
from ..keyspace.db cimport db_swap
from ..proto.errors cimport E_DB_FIRST, E_DB_INDEX, E_DB_SECOND, E_NOT_IN_CLUSTER
from ..proto.reply cimport reply_array, reply_bulk_i64, reply_int, reply_ok


cdef int dbsize_command(Ctx* x) noexcept nogil:
    """DBSIZE. O(1). Keys that have expired count until they are removed."""
    return reply_int(x.out, x.db.keys.used)


# ---------------------------------------------------------------- FLUSHDB, FLUSHALL

cdef bint lazy_or_reply(Ctx* x, bint* lazy) noexcept nogil:
    """[ASYNC | SYNC]; neither: lazyfree-lazy-user-flush."""
    if x.argc > 2 or (x.argc == 2 and not word_is(x.argv[1], b"sync") and not word_is(x.argv[1], b"async")):
        syntax_error(x)
        return False
    lazy[0] = x.env.knobs.lazyfree_lazy_user_flush != 0 if x.argc == 1 else word_is(x.argv[1], b"async")
    return True


cdef int flush_generic(Ctx* x, int db) noexcept nogil:
    """db -1: all. O(keys); lazily O(1): another thread frees them."""
    cdef bint lazy
    return flush_databases(x, db, lazy) if lazy_or_reply(x, &lazy) else 0


cdef int flushdb_command(Ctx* x) noexcept nogil:
    return flush_generic(x, x.db.id)


cdef int flushall_command(Ctx* x) noexcept nogil:
    return flush_generic(x, -1)


# ---------------------------------------------------------------- SWAPDB

cdef int swapdb_command(Ctx* x) noexcept nogil:
    """SWAPDB index1 index2. O(1) beside what watchers and blocked clients of the two databases cost."""
    cdef int64_t a, b
    if x.env.knobs.cluster_enabled:
        return err_a(x, E_NOT_IN_CLUSTER, text_slice(b"SWAPDB"))
    if not range_or_reply(x, x.argv[1], INT32_MIN, INT32_MAX, &a, E_DB_FIRST) \
            or not range_or_reply(x, x.argv[2], INT32_MIN, INT32_MAX, &b, E_DB_SECOND):
        return 0
    if a < 0 or a >= x.ks.ndbs or b < 0 or b >= x.ks.ndbs:
        return err(x, E_DB_INDEX)
    if a != b:
        watched_databases_swap(<Exec*>x.exec, <int>a, <int>b)
        db_swap(x.ks, <int>a, <int>b)
        databases_swapped(<Exec*>x.exec, <int>a, <int>b)
    x.ks.ev.dirty += 1
    return reply_ok(x.out)


# ---------------------------------------------------------------- TIME

cdef int time_command(Ctx* x) noexcept nogil:
    """TIME. Seconds and microseconds; inside a script or a transaction that of its beginning."""
    cdef int64_t us = x.env.now_us if (<Exec*>x.exec).depth > 1 else env_wall_us(x.env)
    reply_array(x.out, 2)
    reply_bulk_i64(x.out, us // 1000000)
    return reply_bulk_i64(x.out, us % 1000000)


bind(b"dbsize", dbsize_command)
bind(b"flushdb", flushdb_command)
bind(b"flushall", flushall_command)
bind(b"swapdb", swapdb_command)
bind(b"time", time_command)
