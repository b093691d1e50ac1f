"""The extension interface (contract: ext.pxd): what rooms above the engine use of it. Script and modules see nothing else.

First version: rooms' own state for an engine, and calling commands from scripts. A call from a script goes through
dispatch.call like any other, so statistics, MONITOR, the slow log and propagation know it; what differs stands here:
a client of its own (CL_FAKE | CL_SCRIPT), the errors of scripts, and states of the server that refuse a write.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset
from .base.mem cimport mem_alloc, mem_calloc, mem_free
from .base.rp cimport likely, unlikely
from .base.sds cimport Slice, slice_of
from .commands.restore cimport payload_version
from .engine cimport Engine
from .engine import set_functions_face
from .exec.acl cimport ACL_OK, AclVerdict, acl_check, acl_denied, acl_reply_denied_in_script
from .exec.acl_log cimport ACL_LUA
from .exec.args cimport err
from .exec.busy cimport busy_turn
from .exec.client cimport (CL_FAKE, CL_NO_TOUCH, CL_PRIMARY, CL_SCRIPT, Client, Ctx, G_ACL, G_LOADING, G_MASTERDOWN, G_MISCONF,
                           G_NOREPLICAS, G_OOM, G_READONLY, G_ROUTE)
from .exec.dispatch cimport GATES, SCRIPT_MAY_WRITE, Exec, ScriptFigures, call, exec_client, release_client, script_gates_fn, set_script_gates
from .exec.memory_limit cimport memory_exceeded
from .exec.registry cimport (CMD_MAY_REPLICATE, CMD_NOSCRIPT, CMD_STALE, CMD_WRITE, Command, Registry, registry_lookup)
from .persist.rdb_format cimport DUMP_FOOTER_BYTES, RDB_OP_FUNCTION2, RDB_OP_FUNCTION_PRE_GA, RDB_VERSION_LISTPACKS
from .persist.rdb_save cimport rdb_put_footer, rdb_put_string
from .persist.rdb_source cimport (RdbSource, RdbText, source_byte, source_left, source_memory, source_text, text_free)
from .persist.sink cimport Sink, sink_free, sink_put, sink_to_memory
from .proto.errors cimport (E_DUMP_WRONG, E_FUNCTION_NOT_ONE, E_FUNCTION_PAYLOAD, E_FUNCTION_PRE_GA, E_OOM_ALLOC,
                            E_SCRIPT_ARITY, E_SCRIPT_DENIED, E_SCRIPT_STALE, E_SCRIPT_UNKNOWN_COMMAND, E_SCRIPT_WRITE,
                            Err)
from .proto.reply cimport BLOCK_SIZE, Out, out_clear, reply_bulk, reply_error

cdef enum:
    MASTERDOWN_BIT = 9              # of G_MASTERDOWN
    ASKED = G_ROUTE | G_OOM | G_MISCONF | G_NOREPLICAS | G_READONLY | G_MASTERDOWN | G_LOADING   # for each call

LEVELS = ("debug", "verbose", "notice", "warning")


# ---------------------------------------------------------------- rooms

cdef void* ext_room_of(Exec* x, ExtRoom room) noexcept nogil:
    return x.rooms[<int>room].state


cdef void* ext_room(Ctx* x, ExtRoom room) noexcept nogil:
    return (<Exec*>x.exec).rooms[<int>room].state


cdef void ext_room_set(Ctx* x, ExtRoom room, void* state, room_free_fn free_state) noexcept nogil:
    cdef Exec* e = <Exec*>x.exec
    e.rooms[<int>room].state = state
    e.rooms[<int>room].free_state = free_state


cdef Exec* ext_exec(object engine) except NULL:
    return &(<Engine?>engine).x


cdef ScriptFigures* ext_figures(Exec* x) noexcept nogil:
    return &x.scripts


cdef bint ext_in_cluster(Ctx* x) noexcept nogil:
    return x.env.knobs.cluster_enabled != 0


cdef bint ext_is_replay(Ctx* x) noexcept nogil:
    return (<Exec*>x.exec).gates & G_LOADING != 0 or x.client.flags & CL_PRIMARY != 0


cdef void ext_log(Exec* x, int level, const char* s, size_t n) noexcept nogil:
    with gil:
        log_text(<Engine>x.engine, level, s[:n])


cdef void log_text(Engine engine, int level, bytes text) noexcept:
    if engine.log is not None:
        engine.log(LEVELS[level], text.decode("utf-8", "backslashreplace"))


# ---------------------------------------------------------------- gates

cdef void ext_on_script_gates(script_gates_fn fn) noexcept:
    set_script_gates(fn)


cdef uint32_t ext_gates_for(uint32_t flags) noexcept nogil:
    cdef uint32_t gates = 0 if flags & CALL_ALLOW_STALE else G_MASTERDOWN
    if flags & CALL_READ_ONLY:
        return gates
    gates |= SCRIPT_MAY_WRITE
    if flags & CALL_COMPAT:
        return gates
    gates |= G_READONLY | G_MISCONF | G_NOREPLICAS
    return gates if flags & CALL_ALLOW_OOM else gates | G_OOM


# ---------------------------------------------------------------- calling

cdef Caller* ext_caller(Ctx* x) noexcept nogil:
    cdef Exec* e = <Exec*>x.exec
    cdef Caller* k = <Caller*>mem_calloc(x.mem, sizeof(Caller))
    k.x = e
    k.client = exec_client(e, -1, CL_FAKE | CL_SCRIPT, x.db.id)
    k.out = &k.client.out
    k.script = &e.script
    return k


cdef void ext_caller_free(Caller* k) noexcept nogil:
    cdef Exec* e = k.x
    release_client(e, k.client)
    mem_free(e.mem, k)


cdef void ext_script_begin(Caller* k, Ctx* x, uint32_t flags, bint function) noexcept nogil:
    cdef Client* c = k.client
    cdef Client* caller = x.client
    c.db = caller.db
    c.acl = caller.acl
    c.gates = caller.gates & G_ACL
    c.flags = CL_FAKE | CL_SCRIPT | (caller.flags & CL_NO_TOUCH)
    c.out.resp = 2
    k.flags = flags
    memset(k.script, 0, sizeof(k.script[0]))
    k.script.running = True
    k.script.function = function
    if unlikely(k.x.gates & G_OOM) and k.x.depth == 1:
        memory_exceeded(k.x)                    # evicts now if ever: what the script begins with counts for all of it
    k.allowed = k.x.ks.journal.allowed


cdef void ext_script_end(Caller* k) noexcept nogil:
    k.script.running = False
    k.x.ks.journal.allowed = k.allowed
    k.client.acl = NULL
    rewind(k.out)


cdef void ext_set_repl(Caller* k, int targets) noexcept nogil:
    k.x.ks.journal.allowed = k.allowed & targets


cdef bint ext_script_busy(Caller* k) noexcept nogil:
    return busy_turn(k.x)


cdef inline void rewind(Out* o) noexcept nogil:
    """Forgets the last reply; keeps the one ordinary block."""
    if likely(o.first == o.last and o.first != NULL and o.first.cap <= BLOCK_SIZE):
        o.pos = o.first.data
    elif o.first != NULL:
        out_clear(o)


cdef inline bint is_named(const Command* cmd, const char* s, size_t n) noexcept nogil:
    cdef size_t i
    cdef unsigned char c
    if cmd.name_len != n:
        return False
    for i in range(n):
        c = s[i]
        if c >= 65 and c <= 90:
            c += 32
        if c != <unsigned char>cmd.name[i]:
            return False
    return True


cdef inline Command* find_command(Caller* k, const Slice* argv, int argc) noexcept nogil:
    """Lua keeps one copy of a string, so a command's name mostly comes from the same address."""
    cdef CachedCommand* at = &k.cache[(<size_t>argv[0].ptr >> 4) & (CALL_CACHE - 1)]
    cdef Command* cmd
    if likely(at.ptr == argv[0].ptr and at.len == argv[0].len and is_named(at.cmd, argv[0].ptr, argv[0].len)):
        return at.cmd
    cmd = registry_lookup(<Registry>k.x.registry, argv, argc)
    if cmd != NULL and cmd.nsubs == 0 and cmd.parent == NULL:
        at.ptr = argv[0].ptr
        at.len = argv[0].len
        at.cmd = cmd
    return cmd


cdef bint refuse_call(Caller* k, Command* cmd, Err e) noexcept nogil:
    if cmd != NULL:
        cmd.stats.rejected += 1
    reply_error(k.out, e)
    return False


cdef bint user_may_not(Caller* k, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    cdef int at = 0
    cdef AclVerdict v = acl_check(k.client, cmd, argv, argc, &at)
    if likely(v == ACL_OK):
        return False
    acl_denied(k.x, k.x.caller, v, ACL_LUA, cmd, argv, at)
    acl_reply_denied_in_script(k.out, k.client, v, cmd)
    cmd.stats.rejected += 1
    return True


cdef bint gates_refuse(Caller* k, Command* cmd, const Slice* argv, int argc, uint32_t raised) noexcept nogil:
    """Asks the gates of server and user; a refusal is in the output."""
    cdef Exec* x = k.x
    cdef int i
    if k.flags & CALL_ALLOW_OOM or k.script.wrote:
        raised &= ~<uint32_t>G_OOM              # half a script is worse than too much memory
    for i in range(GATES):
        if raised & (1u << i) and x.gate_fns[i] != NULL and x.gate_fns[i](x, k.client, cmd, argv, argc):
            cmd.stats.rejected += 1
            if i == MASTERDOWN_BIT:
                rewind(k.out)
                reply_error(k.out, E_SCRIPT_STALE)
            return True
    return False


cdef bint ext_call(Caller* k, Slice* argv, int argc) noexcept nogil:
    """The writes of all calls of a script leave as one unit, less those that redis.set_repl keeps back."""
    cdef Exec* x = k.x
    cdef Command* cmd = find_command(k, argv, argc)
    cdef uint32_t raised
    rewind(k.out)
    if unlikely(cmd == NULL):
        return refuse_call(k, NULL, E_SCRIPT_UNKNOWN_COMMAND)
    if unlikely(argc != cmd.arity if cmd.arity > 0 else argc < -cmd.arity):
        return refuse_call(k, cmd, E_SCRIPT_ARITY)
    if unlikely(cmd.flags & CMD_NOSCRIPT) and not x.debug.scripts_deny_off:
        return refuse_call(k, cmd, E_SCRIPT_DENIED)
    if unlikely(k.client.gates & G_ACL) and user_may_not(k, cmd, argv, argc):
        return False
    if cmd.flags & (CMD_WRITE | CMD_MAY_REPLICATE):
        if unlikely(k.flags & CALL_READ_ONLY):
            return refuse_call(k, cmd, E_SCRIPT_WRITE)
    raised = (x.gates | k.client.gates) & cmd.gates & ASKED
    if unlikely(raised) and gates_refuse(k, cmd, argv, argc, raised):
        return False
    if cmd.flags & CMD_WRITE:
        k.script.wrote = True
    call(x, k.client, cmd, argv, argc)
    return True


cdef int ext_may_run(Caller* k, const Slice* argv, int argc) noexcept nogil:
    cdef Command* cmd = registry_lookup(<Registry>k.x.registry, argv, argc)
    cdef int at = 0
    if cmd == NULL:
        return -1
    return acl_check(k.client, cmd, argv, argc, &at) == ACL_OK


# ---------------------------------------------------------------- libraries of functions

cdef int ext_reply_functions(Ctx* x, const Slice* codes, int n) noexcept nogil:
    cdef Sink s
    cdef unsigned char opcode = RDB_OP_FUNCTION2
    cdef int i
    if not sink_to_memory(&s, x.mem):
        return err(x, E_OOM_ALLOC)
    for i in range(n):
        sink_put(&s, &opcode, 1)
        rdb_put_string(&s, codes[i].ptr, codes[i].len, x.env.knobs.rdbcompression != 0)
    rdb_put_footer(&s, RDB_VERSION_LISTPACKS)
    if s.error:
        err(x, E_OOM_ALLOC)
    else:
        reply_bulk(x.out, <const char*>s.buf, s.used)
    sink_free(&s)
    return 0


cdef int ext_read_functions(Ctx* x, Slice payload, each_code_fn each, void* ctx) noexcept nogil:
    cdef RdbSource src
    cdef RdbText text
    cdef int refused = -1
    cdef int op
    if payload_version(<Exec*>x.exec, payload) < 0:
        return E_DUMP_WRONG
    memset(&text, 0, sizeof(text))
    source_memory(&src, x.mem, payload.ptr, payload.len - DUMP_FOOTER_BYTES)
    while refused < 0 and source_left(&src):
        op = source_byte(&src)
        if op == RDB_OP_FUNCTION_PRE_GA:
            refused = E_FUNCTION_PRE_GA
        elif op != RDB_OP_FUNCTION2:
            refused = E_FUNCTION_NOT_ONE
        elif not source_text(&src, &text):
            refused = E_FUNCTION_PAYLOAD
        else:
            refused = each(ctx, slice_of(text.ptr, text.len))
    text_free(x.mem, &text)
    return refused


cdef void ext_context(Exec* x, Ctx* ctx) noexcept nogil:
    with gil:
        fill_context((<Engine>x.engine).own, x, ctx)


cdef void fill_context(Client* c, Exec* x, Ctx* ctx) noexcept:
    memset(ctx, 0, sizeof(Ctx))
    ctx.client = c
    ctx.db = c.db
    ctx.ks = x.ks
    ctx.env = x.env
    ctx.mem = x.mem
    ctx.out = &c.out
    ctx.exec = x


cdef int ext_on_functions(object face) except -1:
    set_functions_face(face)
    return 0
