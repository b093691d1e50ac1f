"""RESTORE and RESTORE-ASKING: a value out of a DUMP payload. Room commands.

    payload   <type u8> <value> <u16 version> <u64 CRC-64 of all before it>

Nothing in the keyspace changes before the whole value has been read and checked.
"""
from libc.stdint cimport INT64_MAX, int64_t, uint8_t
from ..base.codec cimport crc64
from ..base.rp cimport rp_load16le, rp_load64le, unlikely
from ..base.sds cimport Slice
from ..exec.acl cimport acl_sanitizes
from ..exec.args cimport err, i64_or_reply, syntax_error, word_is
from ..exec.client cimport CL_PRIMARY, Ctx
from ..exec.dispatch cimport Exec
from ..exec.registry cimport bind
from ..keyspace.db cimport db_add, db_remove, db_write, key_changed
from ..keyspace.events cimport EV_GENERIC
from ..keyspace.journal cimport *
from ..persist.rdb_format cimport DUMP_FOOTER_BYTES, RDB_CHECKSUM_BYTES, RDB_VERSION_MAX
from ..persist.rdb_load cimport rdb_set_age
from ..persist.rdb_source cimport RDB_BAD, source_byte, source_memory, source_offset
from ..persist.rdb_value cimport RDB_VERSION_VALKEY, RdbReader, rdb_read_value, reader_free, reader_init
from ..proto.errors cimport E_BUSYKEY, E_DUMP_BAD, E_DUMP_WRONG, E_RESTORE_FREQ, E_RESTORE_IDLETIME, E_RESTORE_TTL
from ..proto.reply cimport reply_ok
from ..types.object cimport NO_EXPIRE, Robj, robj_free

cdef enum:
    SANITIZE_YES = 1                # sanitize-dump-payload
    SANITIZE_CLIENTS = 2

cdef struct Options:
    bint replace
    bint absolute
    int64_t idle_s                  # -1: not given
    int64_t freq                    # likewise
    int64_t ttl                     # as given
    int64_t when_ms


# ---------------------------------------------------------------- arguments

cdef bint options_or_reply(Ctx* x, Options* o) noexcept nogil:
    cdef int j = 4
    cdef bint more
    o.replace = o.absolute = False
    o.idle_s = o.freq = -1
    while j < x.argc:
        more = j + 1 < x.argc
        if word_is(x.argv[j], b"replace"):
            o.replace = True
        elif word_is(x.argv[j], b"absttl"):
            o.absolute = True
        elif more and o.freq == -1 and word_is(x.argv[j], b"idletime"):
            j += 1
            if not i64_or_reply(x, x.argv[j], &o.idle_s):
                return False
            if o.idle_s < 0:
                err(x, E_RESTORE_IDLETIME)
                return False
        elif more and o.idle_s == -1 and word_is(x.argv[j], b"freq"):
            j += 1
            if not i64_or_reply(x, x.argv[j], &o.freq):
                return False
            if o.freq < 0 or o.freq > 255:
                err(x, E_RESTORE_FREQ)
                return False
        else:
            syntax_error(x)
            return False
        j += 1
    return True


cdef bint time_or_reply(Ctx* x, Options* o) noexcept nogil:
    if not i64_or_reply(x, x.argv[2], &o.ttl):
        return False
    if o.ttl < 0:
        err(x, E_RESTORE_TTL)
        return False
    o.when_ms = o.ttl
    if o.ttl == 0:
        o.when_ms = NO_EXPIRE
    elif not o.absolute:            # compat: a sum beyond the largest time is a past one
        o.when_ms = 0 if o.ttl > INT64_MAX - x.env.now_ms else o.ttl + x.env.now_ms
    return True


# ---------------------------------------------------------------- the payload

cdef int payload_version(Exec* e, Slice payload) noexcept nogil:
    """-1: it is none that can be read here."""
    cdef const uint8_t* foot
    cdef int version
    if payload.len < DUMP_FOOTER_BYTES:
        return -1
    foot = <const uint8_t*>payload.ptr + payload.len - DUMP_FOOTER_BYTES
    version = rp_load16le(foot)
    if version > RDB_VERSION_MAX and version != RDB_VERSION_VALKEY:
        return -1
    if e.debug.skip_checksum or rp_load64le(foot + 2) == crc64(0, payload.ptr, payload.len - RDB_CHECKSUM_BYTES):
        return version
    return -1


cdef void log_refusal(Exec* e, const char* why, size_t offset) noexcept with gil:
    (<object>e.engine).report(f"Internal error in RDB reading offset {offset} -> {(<bytes>why).decode()}")


cdef bint sanitizes(Ctx* x) noexcept nogil:
    if x.env.knobs.sanitize_dump_payload == SANITIZE_CLIENTS:
        return not x.client.flags & CL_PRIMARY and acl_sanitizes(x.client)
    return x.env.knobs.sanitize_dump_payload == SANITIZE_YES


cdef Robj* value_or_reply(Ctx* x, int64_t when_ms) noexcept nogil:
    cdef Exec* e = <Exec*>x.exec
    cdef RdbReader r
    cdef Robj* o = NULL
    cdef int version = payload_version(e, x.argv[3])
    cdef int type
    if version < 0:
        err(x, E_DUMP_WRONG)
        return NULL
    reader_init(&r, x.mem, x.env)
    r.version = version
    r.deep = sanitizes(x)
    source_memory(&r.src, x.mem, x.argv[3].ptr, x.argv[3].len - DUMP_FOOTER_BYTES)
    type = source_byte(&r.src)
    if type >= 0:
        o = rdb_read_value(&r, type, x.argv[1], when_ms)
    if o == NULL:
        if r.src.fault == RDB_BAD:
            log_refusal(e, r.src.why, source_offset(&r.src))
        err(x, E_DUMP_BAD)
    reader_free(&r)
    return o


# ---------------------------------------------------------------- the command

cdef void leave_with_absolute_time(Ctx* x, int64_t when_ms) noexcept nogil:
    cdef Journal* j = &x.ks.journal
    cdef int i
    journal_begin(j, x.db.id, x.argc + 1)
    journal_arg(j, x.argv[0])
    journal_arg(j, x.argv[1])
    journal_arg_i64(j, when_ms)
    for i in range(3, x.argc):
        journal_arg(j, x.argv[i])
    journal_text(j, b"ABSTTL")


cdef int put(Ctx* x, Robj* o, const Options* opt) noexcept nogil:
    cdef Slice key = x.argv[1]
    cdef bint removed = False
    cdef bint past = opt.when_ms != NO_EXPIRE and opt.when_ms <= x.env.now_ms
    if opt.replace:
        removed = db_remove(x.ks, x.db, key, x.env.knobs.lazyfree_lazy_server_del != 0)
    if past and not x.ks.replica and x.ks.may_expire:
        robj_free(x.mem, o)
        if removed:
            journal_key(&x.ks.journal, x.db.id, b"UNLINK" if x.env.knobs.lazyfree_lazy_server_del else b"DEL", key)
            key_changed(x.ks, x.db, key, EV_GENERIC, b"del")
        return reply_ok(x.out)
    if unlikely(journaling(&x.ks.journal)) and opt.ttl != 0 and not opt.absolute:
        leave_with_absolute_time(x, opt.when_ms)
    db_add(x.ks, x.db, o)
    rdb_set_age(x.ks, o, opt.idle_s, <int>opt.freq)
    key_changed(x.ks, x.db, key, EV_GENERIC, b"restore")
    return reply_ok(x.out)


cdef int restore_command(Ctx* x) noexcept nogil:
    """RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ counter]. O(bytes)."""
    cdef Options opt
    cdef Robj* o
    if not options_or_reply(x, &opt):
        return 0
    if not opt.replace and db_write(x.ks, x.db, x.argv[1]) != NULL:
        return err(x, E_BUSYKEY)
    if not time_or_reply(x, &opt):
        return 0
    o = value_or_reply(x, opt.when_ms)
    return put(x, o, &opt) if o != NULL else 0


bind(b"restore", restore_command)
bind(b"restore-asking", restore_command)
