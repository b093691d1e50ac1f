"""ACL LOG (contract: acl_log.pxd) and its command. Room exec; exec/acl adds the entries.

An entry like one of the SCANNED newest (same reason, context, object and user) that was refused less than GROUPED_MS
ago is counted there, and that entry becomes the newest. acllog-max-len bounds the entries when one is added.
"""
from libc.stdint cimport int64_t
from ..base.mem cimport Mem, mem_calloc, mem_free
from ..base.sds cimport Sds, Slice, sds_free, sds_new, slice_of
from ..proto.errors cimport E_UNKNOWN_SUBCOMMAND_OR_ARITY
from ..proto.reply cimport (reply_array, reply_bulk, reply_bulk_text, reply_double, reply_errorf, reply_int, reply_map,
                            reply_ok)
from .args cimport bytes_equal, i64_or_reply, text_slice, word_is
from .client cimport Client, Ctx
from .client_info cimport client_info
from .dispatch cimport Exec
from .registry cimport bind

cdef enum:
    GROUPED_MS = 60000
    SCANNED = 10
    SHOWN = 10                      # entries that ACL LOG without a number shows

cdef struct Entry:
    Entry* next
    int64_t id
    int64_t count
    int64_t created_ms
    int64_t updated_ms
    AclReason reason
    AclContext context
    Sds* object
    Sds* user
    Sds* client                     # its line of CLIENT LIST

cdef struct AclLog:
    Entry* first
    int64_t count
    int64_t next_id

cdef const char* reasons[4]
cdef const char* contexts[4]
reasons[:] = ["command", "key", "channel", "auth"]
contexts[:] = ["toplevel", "multi", "lua", "module"]


cdef inline Slice all_of(const Sds* s) noexcept nogil:
    return slice_of(s.data, s.len)


cdef void free_entry(Mem* m, Entry* e) noexcept nogil:
    sds_free(m, e.object)
    sds_free(m, e.user)
    sds_free(m, e.client)
    mem_free(m, e)


cdef void keep_newest(Mem* m, AclLog* log, int64_t keep) noexcept nogil:
    cdef Entry** slot = &log.first
    cdef Entry* e
    while slot[0] != NULL and keep > 0:
        slot = &slot[0].next
        keep -= 1
    while slot[0] != NULL:
        e = slot[0]
        slot[0] = e.next
        free_entry(m, e)
        log.count -= 1


cdef Entry* take_alike(AclLog* log, int64_t now_ms, AclReason reason, AclContext context, Slice object,
                       Slice user) noexcept nogil:
    """An entry that stands for this refusal, too, taken out of the list; NULL: there is none."""
    cdef Entry** slot = &log.first
    cdef Entry* e
    cdef int i
    for i in range(SCANNED):
        e = slot[0]
        if e == NULL:
            break
        if (e.reason == reason and e.context == context and now_ms - e.updated_ms <= GROUPED_MS
                and bytes_equal(all_of(e.object), object) and bytes_equal(all_of(e.user), user)):
            slot[0] = e.next
            log.count -= 1
            return e
        slot = &e.next
    return NULL


cdef void acl_log_add(Exec* x, Client* c, AclReason reason, AclContext context, Slice object, Slice user) noexcept nogil:
    cdef AclLog* log = <AclLog*>x.acl_log
    cdef Entry* e
    if log == NULL:
        log = <AclLog*>mem_calloc(x.mem, sizeof(AclLog))
        x.acl_log = log
    e = take_alike(log, x.env.now_ms, reason, context, object, user)
    if e == NULL:
        e = <Entry*>mem_calloc(x.mem, sizeof(Entry))
        e.id = log.next_id
        log.next_id += 1
        e.reason = reason
        e.context = context
        e.object = sds_new(x.mem, object.ptr, object.len)
        e.user = sds_new(x.mem, user.ptr, user.len)
        e.created_ms = x.env.now_ms
    sds_free(x.mem, e.client)
    e.client = client_info(x, x.caller if x.caller != NULL and x.depth else c, 0, sds_new(x.mem, NULL, 0))
    e.count += 1
    e.updated_ms = x.env.now_ms
    e.next = log.first
    log.first = e
    log.count += 1
    keep_newest(x.mem, log, x.env.knobs.acllog_max_len)


cdef void acl_log_free(Exec* x) noexcept nogil:
    if x.acl_log != NULL:
        keep_newest(x.mem, <AclLog*>x.acl_log, 0)
        mem_free(x.mem, x.acl_log)
        x.acl_log = NULL


# ---------------------------------------------------------------- the command

cdef void reply_entry(Ctx* x, const Entry* e) noexcept nogil:
    reply_map(x.out, 10)
    reply_bulk_text(x.out, b"count")
    reply_int(x.out, e.count)
    reply_bulk_text(x.out, b"reason")
    reply_bulk_text(x.out, reasons[<int>e.reason])
    reply_bulk_text(x.out, b"context")
    reply_bulk_text(x.out, contexts[<int>e.context])
    reply_bulk_text(x.out, b"object")
    reply_bulk(x.out, e.object.data, e.object.len)
    reply_bulk_text(x.out, b"username")
    reply_bulk(x.out, e.user.data, e.user.len)
    reply_bulk_text(x.out, b"age-seconds")
    reply_double(x.out, <double>(x.env.now_ms - e.updated_ms) / 1000)
    reply_bulk_text(x.out, b"client-info")
    reply_bulk(x.out, e.client.data, e.client.len)
    reply_bulk_text(x.out, b"entry-id")
    reply_int(x.out, e.id)
    reply_bulk_text(x.out, b"timestamp-created")
    reply_int(x.out, e.created_ms)
    reply_bulk_text(x.out, b"timestamp-last-updated")
    reply_int(x.out, e.updated_ms)


cdef int acl_log_command(Ctx* x) noexcept nogil:
    """ACL LOG [count | RESET]. O(count)."""
    cdef AclLog* log = <AclLog*>(<Exec*>x.exec).acl_log
    cdef Entry* e = log.first if log != NULL else NULL
    cdef int64_t n = SHOWN
    if x.argc > 3:
        return reply_errorf(x.out, E_UNKNOWN_SUBCOMMAND_OR_ARITY, x.argv[1], text_slice(b"ACL"))
    if x.argc == 3 and word_is(x.argv[2], b"reset"):
        if log != NULL:
            keep_newest(x.mem, log, 0)
        return reply_ok(x.out)
    if x.argc == 3 and not i64_or_reply(x, x.argv[2], &n):
        return 0
    n = 0 if n < 0 or log == NULL else n if n < log.count else log.count
    reply_array(x.out, n)
    while n:
        reply_entry(x, e)
        e = e.next
        n -= 1
    return 0


bind(b"acl|log", acl_log_command)
