"""Commands of an append-only file, run again (contract: replay.pxd). Room exec; called by the engine while it loads.

The client is a CL_FAKE one that must be obeyed (CL_PRIMARY): no gate refuses it, nothing blocks, no reply is kept, and
transactions queue and run as ever. Only arrays of bulk strings are commands here; lines that begin with # are comments.
"""
from libc.stdint cimport int64_t
from libc.string cimport memchr, memcpy
from posix.unistd cimport usleep
from ..base.rp cimport unlikely
from ..base.sds cimport Slice
from ..keyspace.db cimport ks_begin_command
from ..proto.parser cimport PARSED_COMMAND, PARSED_MORE, Parsed, ParserLimits, parse_request, parser_restart
from ..proto.reply cimport out_clear
from .client cimport CL_FAKE, CL_MULTI, CL_PRIMARY, Client
from .dispatch cimport Exec, exec_client, release_client, run_known
from .registry cimport Command, Registry, registry_lookup

cdef enum:
    COMMENT_MAX = 1024             # longest line of a comment


cdef void replay_begin(Exec* x, Replay* r, const int64_t* delay) noexcept nogil:
    r.client = exec_client(x, -1, CL_FAKE | CL_PRIMARY, 0)
    r.client.gates = 0
    r.client.authenticated = True
    r.consumed = r.whole = r.commands = 0
    r.stop = REPLAY_MORE
    r.delay = delay
    r.unknown_len = 0


cdef bint skip_comment(const char* buf, size_t len, size_t* pos, Replay* r) noexcept nogil:
    """True: a whole comment stood there."""
    cdef const char* end = <const char*>memchr(buf + pos[0], 10, len - pos[0])
    if end == NULL:
        if len - pos[0] > COMMENT_MAX:
            r.stop = REPLAY_FORMAT
        return False
    pos[0] = end - buf + 1
    return True


cdef bint run_one(Exec* x, Replay* r) noexcept nogil:
    cdef Client* c = r.client
    cdef Command* cmd = registry_lookup(<Registry>x.registry, c.parser.argv, c.parser.argc)
    cdef Slice name = c.parser.argv[0]
    if unlikely(cmd != NULL and not (c.parser.argc == cmd.arity if cmd.arity > 0 else c.parser.argc >= -cmd.arity)):
        r.stop = REPLAY_FORMAT
        return False
    if unlikely(cmd == NULL):
        r.stop = REPLAY_UNKNOWN
        r.unknown_len = <int>min(name.len, sizeof(r.unknown))
        memcpy(r.unknown, name.ptr, r.unknown_len)
        return False
    run_known(x, c, cmd, c.parser.argv, c.parser.argc)
    if c.out.first != NULL:
        out_clear(&c.out)
    r.commands += 1
    if unlikely(r.delay[0] > 0):
        usleep(<unsigned int>r.delay[0])
    elif unlikely(r.delay[0] < 0) and r.commands % -r.delay[0] == 0:
        usleep(1)
    return True


cdef size_t replay_feed(Exec* x, Replay* r, char* buf, size_t len) noexcept nogil:
    cdef ParserLimits limits
    cdef Client* c = r.client
    cdef size_t pos = 0
    cdef size_t done = 0
    cdef Parsed p
    limits.max_bulk = x.env.knobs.proto_max_bulk_len
    limits.max_inline = x.env.knobs.proto_inline_max_size
    limits.authenticated = True
    while pos < len:
        if buf[pos] == 35:
            if not skip_comment(buf, len, &pos, r):
                break
        elif buf[pos] != 42:
            r.stop = REPLAY_FORMAT
            break
        else:
            p = parse_request(x.mem, &c.parser, buf, len, &pos, &limits)
            if p != PARSED_COMMAND:
                r.stop = REPLAY_MORE if p == PARSED_MORE else REPLAY_FORMAT
                parser_restart(&c.parser)       # the command comes again with what follows it
                break
            if c.parser.argc == 0:
                r.stop = REPLAY_FORMAT
                break
            if not run_one(x, r):
                break
        r.consumed += pos - done
        done = pos
        if not c.flags & CL_MULTI:
            r.whole = r.consumed
    return done


cdef bint replay_end(Exec* x, Replay* r) noexcept nogil:
    cdef bint closed = not r.client.flags & CL_MULTI
    release_client(x, r.client)
    r.client = NULL
    return closed
