"""Running commands (contract: dispatch.pxd). Room exec, below the command files and above the keyspace.

A request goes: lookup -> arity -> gates -> call. A gate is a state that may refuse a command (not authenticated,
loading, out of memory ...). Each is one bit: a command has the bits that concern it, the server and the client raise
the bits of their states, and only when the two meet are the gates asked, in the order of enum Gate. So the usual
command passes them all in one test.

A pipeline's requests are parsed up to AHEAD at a time; the hash buckets of their first keys and then the keys' blocks
are prefetched, so that the cache misses of a batch overlap instead of following each other.

Time is frozen when a batch of input begins and again after a command that took long, so a command sees one time.
"""
from libc.stdint cimport INT64_MAX, SIZE_MAX, int64_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy, memmove, memset
from ..base.env cimport Env, env_freeze_now, env_ticks_ns
from ..base.mem cimport Mem, mem_alloc, mem_free, mem_realloc
from ..base.rp cimport likely, unlikely, rp_assert, rp_ctz64, rp_ticks
from ..base.sds cimport Slice, sds_free, slice_of
from ..keyspace.db cimport Keyspace, ks_begin_command, ks_remember
from ..keyspace.expire cimport expire_init
from ..keyspace.journal cimport Journal, TO_ALL, TO_AOF, journal_add, journal_begin, journal_arg, journal_flush, journal_key
from ..proto.errors cimport (E_ARITY, E_NOAUTH, E_NO_MULTI, E_PROTO_EXPECTED, E_UNKNOWN_COMMAND, E_UNKNOWN_SUBCOMMAND,
                             Err)
from ..proto.parser cimport (PARSED_COMMAND, PARSED_ERROR, Parsed, ParserLimits, parse_request, parser_rebase,
                             parser_restart, parser_shrink)
from ..proto.reply cimport (Out, OutMark, out_bytes, out_clear, out_init, out_mark, out_rollback, out_written, pool_clear,
                            reply_error, reply_errorf, reply_raw)
from ..structs.dict cimport dict_hash, dict_prefetch, dict_prefetch_entry
from .client cimport (CL_BLOCKED, CL_CACHING, CL_CLOSE_AFTER_REPLY, CL_CLOSE_ASAP, CL_DIRTY_EXEC, CL_FAKE, CL_MULTI,
                      CL_NO_TOUCH, CL_PAUSED, CL_PRIMARY, CL_PUSHING, CL_REPLICA, CL_REPLY_OFF, CL_REPLY_SKIP,
                      CL_REPLY_SKIP_NEXT, CL_RERUN, CL_TRACKING, Client, Ctx, G_ACL, G_MASTERDOWN, G_MISCONF, G_NOAUTH,
                      G_NOREPLICAS, G_NO_MULTI, G_OOM, G_READONLY, client_close, client_free, client_new, client_pending,
                      client_reset_query, clients_free, clients_init)
from .args cimport word_is
from .client_evict cimport count_client
from .registry cimport (CMD_ADMIN, CMD_MAY_REPLICATE, CMD_READONLY, CMD_RUNS_SCRIPT, CMD_SKIP_MONITOR, CMD_TOUCHES_ARBITRARY_KEYS, CMD_WRITE, Command,
                        Registry, registry_lookup, registry_top)
from .stats cimport stats_call, stats_error, stats_reset

cdef enum:
    OWN_BUFFER = 16384          # the least size of a client's own query buffer
    REFREEZE_NS = 1000000       # a command longer than this lets the clock be read again
    NAME_MAX = 128              # bytes of an unknown command's name and arguments that are quoted back
    SCRIPTS_DECIDE = G_OOM | G_MISCONF | G_NOREPLICAS | G_READONLY | G_MASTERDOWN
    SPECIAL_REPLY = CL_REPLY_OFF | CL_REPLY_SKIP | CL_REPLY_SKIP_NEXT | CL_PUSHING | CL_CACHING
    STOP = CL_BLOCKED | CL_PAUSED | CL_CLOSE_ASAP | CL_CLOSE_AFTER_REPLY   # no further request of this client now


cdef void count_error(void* ctx, const char* text, size_t n) noexcept nogil:
    stats_error(&(<Exec*>ctx).stats, text, n)


cdef void exec_init(Exec* x, Mem* m, Env* env, Keyspace* ks, Registry r) noexcept:
    memset(x, 0, sizeof(Exec))
    x.mem = m
    x.env = env
    x.ks = ks
    x.registry = <void*>r
    x.slow_ns = x.large_reply = INT64_MAX
    x.large_request = SIZE_MAX
    clients_init(&x.clients, m, &x.pool)
    stats_reset(&x.stats)
    expire_init(&x.expire)
    ks.ev.deleted = record_deleted
    ks.ev.deleted_ctx = x
    ks.ev.field_deleted = record_field_deleted
    ks.ev.field_deleted_ctx = x
    x.ahead = <Ahead*>mem_alloc(m, AHEAD * sizeof(Ahead))
    x.gate_fns[0] = gate_noauth
    x.gate_fns[1] = gate_no_multi


cdef void exec_on_reset(Exec* x, client_fn fn) noexcept nogil:
    rp_assert(x.resets < RESET_FNS)
    x.on_reset[x.resets] = fn
    x.resets += 1


cdef Client* exec_client(Exec* x, int fd, uint64_t flags, int db) noexcept nogil:
    cdef Client* c = client_new(&x.clients, fd, flags, &x.ks.dbs[db], x.env.now_ms)
    c.out.on_error = count_error
    c.out.ctx = x
    c.authenticated = True
    if not flags & (CL_FAKE | CL_PRIMARY) and x.admit != NULL:
        x.admit(x, c)
    return c


cdef void release_client(Exec* x, Client* c) noexcept nogil:
    cdef int i
    for i in range(x.resets):
        x.on_reset[i](x, c)
    if c.tls != NULL:
        x.tls_end(x, c)
    client_free(&x.clients, c)


cdef void exec_free(Exec* x) noexcept nogil:
    while x.clients.first != NULL:
        release_client(x, x.clients.first)
    sds_free(x.mem, x.modules[0])
    sds_free(x.mem, x.modules[1])
    clients_free(&x.clients)
    pool_clear(x.mem, &x.pool)
    mem_free(x.mem, x.io_buffer)
    mem_free(x.mem, x.ahead)


# ---------------------------------------------------------------- gates

cdef bint gate_noauth(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    if not x.login_needed:                      # the password that it lacks is not asked for any more
        return False
    reply_error(&c.out, E_NOAUTH)
    return True


cdef bint gate_no_multi(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    reply_error(&c.out, E_NO_MULTI)
    return True


cdef void refuse(Exec* x, Client* c, Command* cmd) noexcept nogil:
    if cmd != NULL:
        cmd.stats.rejected += 1
    if c.flags & CL_MULTI:
        c.flags |= CL_DIRTY_EXEC


cdef script_gates_fn script_gates = NULL        # set at import, constant afterwards


cdef void set_script_gates(script_gates_fn fn) noexcept:
    global script_gates
    script_gates = fn


cdef uint32_t gates_of(Exec* x, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    if likely(not cmd.flags & CMD_RUNS_SCRIPT) or script_gates == NULL:
        return cmd.gates
    return (cmd.gates & ~<uint32_t>SCRIPTS_DECIDE) | (cmd.gates & script_gates(x, cmd, argv, argc))


cdef bint may_write(Exec* x, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    if not cmd.flags & (CMD_WRITE | CMD_MAY_REPLICATE):
        return False
    if not cmd.flags & CMD_RUNS_SCRIPT or script_gates == NULL:
        return True
    return (script_gates(x, cmd, argv, argc) & SCRIPT_MAY_WRITE) != 0


cdef bint gates_refuse(Exec* x, Client* c, Command* cmd, Slice* argv, int argc) noexcept nogil:
    cdef uint32_t raised = (x.gates | c.gates) & gates_of(x, cmd, argv, argc)
    cdef int64_t errors = c.out.errors
    if unlikely(cmd.proc == x.exec_body):
        return gates_refuse_exec(x, c, cmd, argv, argc)
    if not ask_gates(x, c, cmd, argv, argc, raised):
        return False
    if c.out.errors != errors:
        refuse(x, c, cmd)
    return True


cdef inline bint ask_gates(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc,
                           uint32_t raised) noexcept nogil:
    cdef int i
    while raised:
        i = rp_ctz64(raised)
        raised &= raised - 1
        if x.gate_fns[i] != NULL and x.gate_fns[i](x, c, cmd, argv, argc):
            return True
    return False


# EXEC is refused in words of its own: what the gate (or the arity) answers is written into an output of its own first.

cdef Out aside(Exec* x, Client* c) noexcept nogil:
    """Gives the client another output; its own one."""
    cdef Out own = c.out
    out_init(&c.out, x.mem, &x.pool, own.resp)
    return own


cdef void answer_refused(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc, Out* own) noexcept nogil:
    """Puts the client's own output back; an error that stands in the other one becomes EXEC's."""
    cdef Out other = c.out
    c.out = own[0]
    if other.errors:
        refuse(x, c, cmd)
        x.exec_refused(x, c, cmd, argv, argc, slice_of(other.first.data, other.pos - other.first.data))
    out_clear(&other)


cdef bint gates_refuse_exec(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    cdef uint32_t raised = (x.gates | c.gates) & (cmd.gates | c.queued_gates)
    cdef Out own = aside(x, c)
    cdef bint refused = ask_gates(x, c, cmd, argv, argc, raised)
    answer_refused(x, c, cmd, argv, argc, &own)
    return refused


cdef void refuse_arity(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    cdef Out own
    if cmd.proc == x.exec_body:
        own = aside(x, c)
        reply_errorf(&c.out, E_ARITY, slice_of(cmd.name, cmd.name_len), slice_of(NULL, 0))
        answer_refused(x, c, cmd, argv, argc, &own)
        return
    reply_errorf(&c.out, E_ARITY, slice_of(cmd.name, cmd.name_len), slice_of(NULL, 0))
    refuse(x, c, cmd)


# ---------------------------------------------------------------- unknown commands and arity

cdef inline Slice cut(Slice s, size_t limit) noexcept nogil:
    """What an error quotes of a text: at most `limit` bytes."""
    cdef const void* zero
    s.len = s.len if s.len < limit else limit
    zero = memchr(s.ptr, 0, s.len) if s.len else NULL
    if zero != NULL:                                 # compat: a zero byte ends a quoted text
        s.len = <size_t>(<const char*>zero - s.ptr)
    return s


cdef size_t quote_arguments(char* buf, const Slice* argv, int argc) noexcept nogil:
    """'a' 'b' ... of the arguments until NAME_MAX bytes are full."""
    cdef size_t n = 0
    cdef size_t take
    cdef int i
    for i in range(1, argc):
        if n >= NAME_MAX:
            break
        take = cut(argv[i], NAME_MAX - n).len
        buf[n] = 39
        memcpy(buf + n + 1, argv[i].ptr, take)
        buf[n + take + 1] = 39
        buf[n + take + 2] = 32
        n += take + 3
    return n


cdef void reply_unknown(Exec* x, Client* c, const Slice* argv, int argc) noexcept nogil:
    cdef char quoted[2 * NAME_MAX + 8]
    cdef char upper[NAME_MAX]
    cdef Command* container = registry_top(<Registry>x.registry, argv[0])
    cdef size_t i
    if container == NULL:
        reply_errorf(&c.out, E_UNKNOWN_COMMAND, cut(argv[0], NAME_MAX),
                     slice_of(quoted, quote_arguments(quoted, argv, argc)))
        return
    for i in range(container.name_len):
        upper[i] = container.name[i] - 32 if container.name[i] >= 97 and container.name[i] <= 122 \
            else container.name[i]
    reply_errorf(&c.out, E_UNKNOWN_SUBCOMMAND, cut(argv[1], NAME_MAX), slice_of(upper, container.name_len))


cdef inline bint arity_fits(const Command* cmd, int argc) noexcept nogil:
    return argc == cmd.arity if cmd.arity > 0 else argc >= -cmd.arity


# ---------------------------------------------------------------- call

cdef void run_body(Exec* x, Client* c, Command* cmd, Slice* argv, int argc) noexcept nogil:
    cdef Ctx ctx
    ctx.client = c
    ctx.db = c.db
    ctx.ks = x.ks
    ctx.env = x.env
    ctx.mem = x.mem
    ctx.out = &c.out
    ctx.argv = argv
    ctx.argc = argc
    ctx.name = cmd.name
    ctx.name_len = cmd.name_len
    ctx.exec = x
    if likely(cmd.proc != NULL):
        cmd.proc(&ctx)
    else:
        x.run_python(&ctx, cmd)


cdef void run_recorded(Exec* x, Client* c, Command* cmd, Slice* argv, int argc) noexcept nogil:
    """The body while a file or replicas listen. A command that changed anything leaves as it came, unless it said
    otherwise or others that ran inside it were recorded (EXEC, scripts, Python)."""
    cdef Journal* j = &x.ks.journal
    cdef bint said = j.said
    cdef int force = j.force
    cdef int db = c.db.id
    cdef int64_t dirty = x.ks.ev.dirty
    cdef int64_t calls = j.calls
    if x.depth == 1:
        j.allowed = TO_AOF if c.flags & CL_PRIMARY else TO_ALL
    j.said = False
    j.force = 0
    run_body(x, c, cmd, argv, argc)
    if not j.said and j.calls == calls and not c.flags & CL_BLOCKED:
        if x.ks.ev.dirty != dirty and cmd.flags & CMD_WRITE:
            journal_add(j, db, argv, argc, TO_ALL)
        elif j.force:
            journal_add(j, db, argv, argc, j.force)
    j.calls += j.said or x.ks.ev.dirty != dirty
    j.said = said
    j.force = force
    if x.depth == 1 and j.nops:
        j.apart = cmd.flags & CMD_TOUCHES_ARBITRARY_KEYS != 0
        journal_flush(j, x.env.now_ms)
        c.repl_offset = j.offset


cdef void record_deleted(void* ctx, int db, Slice key, bint lazy) noexcept nogil:
    """A key expired or was evicted here."""
    cdef Exec* x = <Exec*>ctx
    cdef Journal* j = &x.ks.journal
    cdef bint said = j.said
    if j.targets == 0:
        return
    journal_key(j, db, b"UNLINK" if lazy else b"DEL", key)
    j.said = said
    if x.depth == 0:
        journal_flush(j, x.env.now_ms)


cdef void record_field_deleted(void* ctx, int db, Slice key, Slice field) noexcept nogil:
    cdef Exec* x = <Exec*>ctx
    cdef Journal* j = &x.ks.journal
    cdef bint said = j.said
    if j.targets == 0:
        return
    journal_begin(j, db, 3)
    journal_arg(j, slice_of(b"HDEL", 4))
    journal_arg(j, key)
    journal_arg(j, field)
    j.said = said                           # the cycle ends the unit behind a whole hash


cdef void call(Exec* x, Client* c, Command* cmd, Slice* argv, int argc) noexcept nogil:
    cdef Client* outer = x.current
    cdef int64_t errors = c.out.errors
    cdef int64_t written = out_written(&c.out)
    cdef int64_t ns
    cdef uint64_t began, ended
    x.current = c
    began = x.tick
    if x.depth:
        ks_begin_command(x.ks)              # run_command does it for the outermost
        began = 0
    else:
        x.caller = c
        x.command = cmd
        x.argv = argv
        x.argc = argc
    x.depth += 1
    x.ks.no_touch = (c.flags & CL_NO_TOUCH) != 0
    if began == 0:
        began = rp_ticks()
    if unlikely(x.ks.journal.targets != 0):
        run_recorded(x, c, cmd, argv, argc)
    else:
        run_body(x, c, cmd, argv, argc)
    if unlikely(x.caller.flags & CL_TRACKING) and cmd.flags & CMD_READONLY:
        x.remember_reads(x, cmd, argv, argc)
    ended = rp_ticks()
    if x.depth == 1 and x.tick:
        x.tick = ended                      # where the next of the pipeline begins
    ns = env_ticks_ns(x.env, ended - began) + c.blocked_ns
    if unlikely(x.monitor != NULL) and not c.flags & CL_RERUN and not cmd.flags & (CMD_ADMIN | CMD_SKIP_MONITOR):
        x.monitor(x, c, cmd, argv, argc)    # behind the commands that EXEC ran
    if unlikely(c.flags & CL_BLOCKED):
        c.blocked_ns = ns           # counted once, when it has been answered
    else:
        c.blocked_ns = 0
        c.commands += 1
        stats_call(&x.stats, cmd, ns, c.out.errors != errors, x.env.knobs.latency_tracking != 0)
        written = out_written(&c.out) - written
        if unlikely(ns >= x.slow_ns) or unlikely(written >= x.large_reply) or unlikely(x.batch >= x.large_request):
            x.slow(x, c, cmd, argv, argc, ns, written)
    x.depth -= 1
    if unlikely(ns > REFREEZE_NS) and x.depth == 0:      # EXEC and scripts see one time
        env_freeze_now(x.env)
    x.current = outer


cdef void mute_reply(Client* c, OutMark mark) noexcept nogil:
    if c.flags & (CL_REPLY_OFF | CL_REPLY_SKIP):
        out_rollback(&c.out, mark)
    if c.flags & CL_BLOCKED:
        return                      # its reply is still to come
    c.flags &= ~<uint64_t>CL_REPLY_SKIP
    if c.flags & CL_REPLY_SKIP_NEXT:
        c.flags = (c.flags & ~<uint64_t>CL_REPLY_SKIP_NEXT) | CL_REPLY_SKIP


cdef void finish_reply(Exec* x, Client* c, OutMark mark) noexcept nogil:
    if c.flags & (CL_REPLY_OFF | CL_REPLY_SKIP | CL_REPLY_SKIP_NEXT):
        mute_reply(c, mark)
    if c.flags & CL_PUSHING and x.depth == 0:
        c.flags &= ~<uint64_t>CL_PUSHING
        reply_raw(&c.out, x.late.data, x.late.len)
        client_pending(&x.clients, c)
        sds_free(x.mem, x.late)
        x.late = NULL


cdef inline bint pass_in_short(Exec* x, Client* c, Command* cmd, Slice* argv, int argc, uint32_t raised) noexcept nogil:
    """Two gates stand for whole servers and users, and mostly let pass: they are asked without the others."""
    if raised & G_OOM and likely(x.mem.used <= <size_t>x.env.knobs.maxmemory):
        raised &= ~<uint32_t>G_OOM
    return raised == 0 or (raised == G_ACL and x.acl_allows(c, cmd, argv, argc))


cdef inline void end_caching(Client* c, const Command* cmd) noexcept nogil:
    """CLIENT CACHING counts for one command, or one transaction, that is not CLIENT."""
    if c.flags & CL_CACHING and not c.flags & CL_MULTI \
            and (cmd == NULL or cmd.name_len < 7 or memcmp(cmd.name, b"client|", 7) != 0):
        c.flags &= ~<uint64_t>CL_CACHING


cdef inline void pass_gates(Exec* x, Client* c, Command* cmd, Slice* argv, int argc) noexcept nogil:
    cdef uint32_t raised = (x.gates | c.gates) & cmd.gates
    if (likely(raised == 0) or pass_in_short(x, c, cmd, argv, argc, raised)
            or not gates_refuse(x, c, cmd, argv, argc)):
        call(x, c, cmd, argv, argc)


cdef void run_known(Exec* x, Client* c, Command* cmd, Slice* argv, int argc) noexcept nogil:
    cdef OutMark mark = out_mark(&c.out)
    ks_begin_command(x.ks)
    pass_gates(x, c, cmd, argv, argc)
    if unlikely(c.flags & SPECIAL_REPLY):
        finish_reply(x, c, mark)


cdef void run_command(Exec* x, Client* c, Slice* argv, int argc) noexcept nogil:
    ks_begin_command(x.ks)
    run_found(x, c, registry_lookup(<Registry>x.registry, argv, argc), argv, argc)


cdef void run_found(Exec* x, Client* c, Command* cmd, Slice* argv, int argc) noexcept nogil:
    """cmd: what the lookup gave, NULL for an unknown one."""
    cdef OutMark mark = out_mark(&c.out)
    if unlikely(cmd == NULL):
        reply_unknown(x, c, argv, argc)
        refuse(x, c, NULL)
    elif unlikely(not arity_fits(cmd, argc)):
        refuse_arity(x, c, cmd, argv, argc)
    else:
        c.last_command = cmd.name
        c.last_command_len = cmd.name_len
        pass_gates(x, c, cmd, argv, argc)
    if unlikely(c.flags & SPECIAL_REPLY) and not c.held:
        finish_reply(x, c, mark)
        end_caching(c, cmd)
    if unlikely(x.after_unit != NULL) and x.depth == 0 and not c.flags & CL_PRIMARY:
        x.after_unit(x)                     # exec/primary does it itself


# ---------------------------------------------------------------- input

cdef bint is_http(Slice s) noexcept nogil:
    """A browser or another HTTP client that was tricked into talking to us."""
    return word_is(s, b"post") or word_is(s, b"host:")


cdef inline bint may_be_http(Slice s) noexcept nogil:
    return (s.len == 4 and s.ptr[0] | 32 == 112) or (s.len == 5 and s.ptr[0] | 32 == 104)


cdef void protocol_error(Exec* x, Client* c) noexcept nogil:
    cdef Slice got = slice_of(&c.parser.got, 1)
    if c.parser.err == E_PROTO_EXPECTED:
        reply_errorf(&c.out, c.parser.err, got, got)
    else:
        reply_error(&c.out, c.parser.err)
    c.flags |= CL_CLOSE_AFTER_REPLY


cdef inline bint same_command(const Ahead* before, Slice name) noexcept nogil:
    """Pipelines repeat themselves. (A subcommand is looked up anew.)"""
    return (before.cmd != NULL and before.cmd.nsubs == 0 and before.cmd.parent == NULL
            and before.argv[0].len == name.len and memcmp(before.argv[0].ptr, name.ptr, name.len) == 0)


cdef inline void look_ahead(Exec* x, Client* c, Ahead* a, size_t end) noexcept nogil:
    """Takes the request that the parser has just completed; begins to fetch its first key's bucket."""
    cdef Slice key
    memcpy(a.argv, c.parser.argv, c.parser.argc * sizeof(Slice))
    a.argc = c.parser.argc
    a.end = end
    if a > x.ahead and same_command(a - 1, a.argv[0]):
        a.cmd = (a - 1).cmd
    else:
        a.cmd = registry_lookup(<Registry>x.registry, a.argv, a.argc)
    a.has_key = a.cmd != NULL and a.cmd.first_key > 0 and a.cmd.first_key < a.argc
    if a.has_key:
        key = a.argv[a.cmd.first_key]
        a.hash = dict_hash(&c.db.keys, key.ptr, key.len)
        dict_prefetch(&c.db.keys, a.hash)


cdef int run_ahead(Exec* x, Client* c, int n) noexcept nogil:
    """Runs n requests parsed ahead, until the client must stop; how many were run."""
    cdef int i
    cdef Ahead* a
    for i in range(n):
        if x.ahead[i].has_key:
            dict_prefetch_entry(&c.db.keys, x.ahead[i].hash)
    if n > 1:
        x.tick = rp_ticks()                 # one look at the counter a command, not two
    for i in range(n):
        a = &x.ahead[i]
        ks_begin_command(x.ks)
        if a.has_key:
            ks_remember(x.ks, a.argv[a.cmd.first_key], a.hash)
        run_found(x, c, a.cmd, a.argv, a.argc)
        if unlikely(c.flags & STOP):
            n = i + 1
            break
    x.tick = 0
    return n


cdef void run_alone(Exec* x, Client* c) noexcept nogil:
    if is_http(c.parser.argv[0]):
        client_close(&x.clients, c)
    else:
        run_command(x, c, c.parser.argv, c.parser.argc)


cdef int parse_ahead(Exec* x, Client* c, char* buf, size_t len, size_t* pos, Parsed* r, bint* alone) noexcept nogil:
    """Parses up to AHEAD requests into x.ahead; their number. `alone`: one more stands in the parser, to be run by
    itself: it is long, or may be no request at all. An inline request is unescaped in place and cannot be parsed
    twice, so none is parsed behind another that might stop the client."""
    cdef ParserLimits limits
    cdef int n = 0
    limits.max_bulk = x.env.knobs.proto_max_bulk_len
    limits.max_inline = x.env.knobs.proto_inline_max_size
    limits.authenticated = not (c.gates & G_NOAUTH and x.login_needed)
    alone[0] = False
    r[0] = PARSED_COMMAND
    while n < AHEAD and pos[0] < len:
        if n and ((buf[pos[0]] != 42 and c.parser.multibulk == 0) or not limits.authenticated):
            break
        r[0] = parse_request(x.mem, &c.parser, buf, len, pos, &limits)
        if r[0] != PARSED_COMMAND:
            break
        if unlikely(c.parser.argc == 0):
            continue
        if unlikely(c.parser.argc > AHEAD_ARGS) or unlikely(may_be_http(c.parser.argv[0])):
            alone[0] = True
            break
        look_ahead(x, c, &x.ahead[n], pos[0])
        n += 1
    return n


cdef inline void hold(Client* c, const Ahead* a) noexcept nogil:
    """The request goes back to the parser, whose argv had room for it."""
    memcpy(c.parser.argv, a.argv, a.argc * sizeof(Slice))
    c.parser.argc = a.argc


cdef size_t run_buffer(Exec* x, Client* c, char* buf, size_t len) noexcept nogil:
    cdef size_t pos = 0
    cdef Parsed r
    cdef bint alone
    cdef int n
    while pos < len and not c.flags & STOP:
        n = parse_ahead(x, c, buf, len, &pos, &r, &alone)
        n = run_ahead(x, c, n)
        if unlikely(c.out.full):
            x.stats.output_limit_closed += 1
            client_close(&x.clients, c)
        if unlikely(c.flags & STOP):
            parser_restart(&c.parser)       # what was parsed behind it will be parsed again
            if c.held:
                hold(c, &x.ahead[n - 1])
            return x.ahead[n - 1].end
        if unlikely(alone):
            run_alone(x, c)
        elif unlikely(r != PARSED_COMMAND):
            if r == PARSED_ERROR:
                protocol_error(x, c)
                return len
            break
    return pos


cdef void keep_rest(Exec* x, Client* c, char* buf, size_t len, size_t request) noexcept nogil:
    """Moves what is unread, from the beginning of the request that is being read, into the client's own buffer."""
    cdef size_t rest = len - request
    cdef size_t want = rest + c.parser.missing
    cdef char* old = buf + request
    if c.q.data == NULL or c.q.cap < want:
        want = want if want > OWN_BUFFER else OWN_BUFFER
        if buf == c.q.data:
            memmove(buf, old, rest)
            parser_rebase(&c.parser, old, buf)
            old = buf
            c.q.data = <char*>mem_realloc(x.mem, c.q.data, want)
            parser_rebase(&c.parser, old, c.q.data)
        else:
            mem_free(x.mem, c.q.data)
            c.q.data = <char*>mem_alloc(x.mem, want)
            memcpy(c.q.data, old, rest)
            parser_rebase(&c.parser, old, c.q.data)
        c.q.cap = want
    else:
        memmove(c.q.data, old, rest)
        parser_rebase(&c.parser, old, c.q.data)
    c.q.len = rest
    if rest > c.q_peak:
        c.q_peak = rest


cdef void run_and_keep(Exec* x, Client* c, char* buf, size_t len) noexcept nogil:
    """Runs what is complete in buf (c.q.pos bytes of it were parsed before) and keeps the rest."""
    cdef size_t begin = c.q.pos
    cdef size_t done
    c.parser.missing = 0
    c.out.limit = x.limits[<int>limit_class(c)].hard
    x.batch = len
    done = begin + run_buffer(x, c, buf + begin, len - begin)
    if c.flags & (CL_CLOSE_ASAP | CL_CLOSE_AFTER_REPLY):
        client_reset_query(x.mem, c)
        return
    if done == len and c.parser.multibulk == 0 and not c.held:
        c.q.len = c.q.pos = 0               # an own buffer stays: clients_cron frees it when it is not used again
        parser_shrink(x.mem, &c.parser)
        return
    keep_request(x, c, buf, len, done)


cdef void keep_request(Exec* x, Client* c, char* buf, size_t len, size_t done) noexcept nogil:
    """Keeps [begin of the open request, len); q.pos tells how far it is parsed."""
    cdef size_t begin = done
    if (c.parser.multibulk > 0 or c.held) and c.parser.argc > 0:
        begin = c.parser.argv[0].ptr - buf      # headers before the first argument are parsed: they may go
    keep_rest(x, c, buf, len, begin)
    c.q.pos = done - begin


cdef void feed_primary(Exec* x, Client* c, char* buf, size_t len) noexcept nogil:
    """Whole requests go; the bytes of the one that is not whole stay together."""
    cdef size_t done = x.apply(x, c, buf, len)
    c.q.pos = 0
    if done < len:
        keep_rest(x, c, buf, len, done)
    else:
        c.q.len = 0
        parser_shrink(x.mem, &c.parser)
    if c.out.first != NULL:
        client_pending(&x.clients, c)


cdef void feed_input(Exec* x, Client* c, char* buf, size_t len) noexcept nogil:
    """buf is the shared buffer, or c.q.data with len bytes in it when c.q.len was not 0."""
    c.active_ms = x.env.now_ms
    if unlikely(c.flags & CL_PRIMARY):
        feed_primary(x, c, buf, len)
        return
    if c.flags & STOP:
        if buf != c.q.data:
            c.q.pos = 0
            keep_rest(x, c, buf, len, 0)
        else:
            c.q.len = len
        return
    run_and_keep(x, c, buf, len)
    after_input(x, c)


cdef inline void after_input(Exec* x, Client* c) noexcept nogil:
    if likely(c.out.first != NULL):
        client_pending(&x.clients, c)
        if unlikely(c.flags & CL_REPLICA and x.replied != NULL):
            x.replied(x, c)
    elif unlikely(c.flags & CL_CLOSE_AFTER_REPLY):
        client_close(&x.clients, c)
    if unlikely(x.clients.limit != 0):
        count_client(&x.clients, c)


cdef void resume_input(Exec* x, Client* c) noexcept nogil:
    if c.held:
        c.held = False
        run_command(x, c, c.parser.argv, c.parser.argc)
        if c.held:
            return
    if c.q.len and not c.flags & STOP:
        run_and_keep(x, c, c.q.data, c.q.len)
    after_input(x, c)
