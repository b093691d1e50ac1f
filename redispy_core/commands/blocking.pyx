"""Commands of blocking itself: CLIENT UNBLOCK."""
from libc.stdint cimport int64_t, uint64_t
from ..exec.args cimport err, i64_or_reply, text_slice, word_is
from ..exec.blocked cimport end_by_error, end_by_timeout
from ..exec.client cimport CL_BLOCKED, Client, Ctx, client_by_id
from ..exec.dispatch cimport Exec
from ..exec.registry cimport bind
from ..proto.errors cimport E_UNBLOCKED, E_UNBLOCK_REASON, E_UNKNOWN_SUBCOMMAND_OR_ARITY
from ..proto.reply cimport reply_errorf, reply_int


cdef int unblock_command(Ctx* x) noexcept nogil:
    """CLIENT UNBLOCK id [TIMEOUT|ERROR]. O(clients)."""
    cdef Exec* e = <Exec*>x.exec
    cdef int64_t id = 0
    cdef bint by_error = False
    cdef Client* c
    if x.argc > 4:
        return reply_errorf(x.out, E_UNKNOWN_SUBCOMMAND_OR_ARITY, x.argv[1], text_slice(b"CLIENT"))
    if x.argc == 4:
        by_error = word_is(x.argv[3], b"error")
        if not by_error and not word_is(x.argv[3], b"timeout"):
            return err(x, E_UNBLOCK_REASON)
    if not i64_or_reply(x, x.argv[2], &id):
        return 0
    c = client_by_id(&e.clients, <uint64_t>id)
    if c == NULL or not c.flags & CL_BLOCKED:
        return reply_int(x.out, 0)
    if by_error:
        end_by_error(e, c, E_UNBLOCKED)
    else:
        end_by_timeout(e, c)
    return reply_int(x.out, 1)


bind(b"client|unblock", unblock_command)
