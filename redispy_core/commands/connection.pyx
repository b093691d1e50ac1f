"""Connection commands: HELLO, AUTH, SELECT, PING, ECHO, QUIT, RESET and most of CLIENT (contract of the bodies: exec/client's Ctx).

Users and their passwords are exec/acl's. What other rooms keep of a client (MULTI, subscriptions, tracking) they forget
themselves at RESET (exec_on_reset).
"""
from libc.stdint cimport INT32_MAX, INT32_MIN, int64_t, uint64_t
from libc.string cimport strlen
from ..base.num cimport add_overflows
from ..base.sds cimport Sds, Slice, slice_of
from ..exec.acl cimport acl_admit, acl_default_nopass, acl_login, acl_login_failed
from ..exec.args cimport *
from ..exec.client cimport *
from ..exec.dispatch cimport Exec
from ..exec.pause cimport PAUSE_BY_CLIENT, PAUSE_MODE_ALL, PAUSE_MODE_WRITE, pause_clients, unpause_clients
from ..exec.registry cimport bind
from ..keyspace.db cimport Keyspace
from ..proto.errors cimport *
from ..proto.reply cimport *

from ..version import REDIS_VERSION

cdef bytes version_bytes = REDIS_VERSION.encode()
cdef const char* version = version_bytes


cdef inline Exec* exec_of(Ctx* x) noexcept nogil:
    return <Exec*>x.exec


# ---------------------------------------------------------------- who it is

cdef bint login_or_reply(Ctx* x, Slice user, Slice password) noexcept nogil:
    if acl_login(exec_of(x), x.client, user, password):
        return True
    acl_login_failed(exec_of(x), x.client, x.argv[0], user)
    err(x, E_WRONGPASS)
    return False


cdef int auth_command(Ctx* x) noexcept nogil:
    if x.argc > 3:
        return syntax_error(x)
    if x.argc == 2 and acl_default_nopass(exec_of(x)):
        return err(x, E_AUTH_NO_PASSWORD)
    if not login_or_reply(x, x.argv[1] if x.argc == 3 else slice_of(b"default", 7), x.argv[x.argc - 1]):
        return 0
    return reply_ok(x.out)


cdef bint printable(Slice s) noexcept nogil:
    """Names stand in CLIENT LIST's lines: no spaces, nothing beyond '!' to '~'."""
    cdef size_t i
    for i in range(s.len):
        if s.ptr[i] < 33 or s.ptr[i] > 126:
            return False
    return True


# ---------------------------------------------------------------- HELLO

cdef struct Hello:
    int64_t proto                   # 0: as it is
    Slice user
    Slice password
    Slice name
    bint auth
    bint named


cdef bint parse_hello_or_reply(Ctx* x, Hello* h) noexcept nogil:
    cdef int i = 2
    cdef int left
    h.proto = 0
    h.auth = h.named = False
    if x.argc > 1:
        if not i64_or_err(x, x.argv[1], &h.proto, E_PROTO_NOT_INT):
            return False
        if h.proto < 2 or h.proto > 3:
            err(x, E_NOPROTO)
            return False
    while i < x.argc:
        left = x.argc - 1 - i
        if left >= 2 and word_is(x.argv[i], b"auth"):
            h.auth = True
            h.user = x.argv[i + 1]
            h.password = x.argv[i + 2]
            i += 3
        elif left >= 1 and word_is(x.argv[i], b"setname"):
            h.named = True
            h.name = x.argv[i + 1]
            if not printable(h.name):
                err(x, E_CLIENT_NAME)
                return False
            i += 2
        else:
            err_a(x, E_HELLO_OPTION, x.argv[i])
            return False
    return True


cdef void reply_hello(Ctx* x) noexcept nogil:
    cdef Exec* e = exec_of(x)
    cdef Sds* modules = e.modules[1 if x.out.resp == 3 else 0]
    reply_map(x.out, 7)
    reply_bulk_text(x.out, b"server")
    reply_bulk_text(x.out, b"redis")
    reply_bulk_text(x.out, b"version")
    reply_bulk_text(x.out, version)
    reply_bulk_text(x.out, b"proto")
    reply_int(x.out, x.out.resp)
    reply_bulk_text(x.out, b"id")
    reply_int(x.out, x.client.id)
    reply_bulk_text(x.out, b"mode")
    reply_bulk_text(x.out, b"cluster" if x.env.knobs.cluster_enabled else b"standalone")
    reply_bulk_text(x.out, b"role")
    reply_bulk_text(x.out, b"replica" if x.ks.replica else b"master")
    reply_bulk_text(x.out, b"modules")
    if modules == NULL:
        reply_array(x.out, 0)
    else:
        reply_raw(x.out, modules.data, modules.len)


cdef int hello_command(Ctx* x) noexcept nogil:
    """HELLO [2|3 [AUTH user password] [SETNAME name]]. Nothing changes unless all of it is right."""
    cdef Hello h
    if not parse_hello_or_reply(x, &h):
        return 0
    if h.auth and not login_or_reply(x, h.user, h.password):
        return 0
    if exec_of(x).login_needed and not x.client.authenticated:
        return err(x, E_NOAUTH_HELLO)
    if h.named:
        sds_assign(x.mem, &x.client.name, h.name)
    if h.proto:
        x.out.resp = <int>h.proto
    reply_hello(x)
    return 0


# ---------------------------------------------------------------- small ones

cdef int select_command(Ctx* x) noexcept nogil:
    cdef int64_t id
    if not i64_or_reply(x, x.argv[1], &id):
        return 0
    if id < INT32_MIN or id > INT32_MAX:
        return reply_errorf(x.out, E_NOT_BETWEEN, text_slice(b"-2147483648"), text_slice(b"2147483647"))
    if x.env.knobs.cluster_enabled and id != 0:
        return err(x, E_SELECT_CLUSTER)
    if id < 0 or id >= x.ks.ndbs:
        return err(x, E_DB_INDEX)
    x.client.db = &x.ks.dbs[id]
    return reply_ok(x.out)


cdef int ping_command(Ctx* x) noexcept nogil:
    if x.argc > 2:
        return wrong_arity(x)
    if x.client.flags & CL_PUBSUB and x.out.resp == 2:      # looks like a message, for the sake of subscribers
        reply_array(x.out, 2)
        reply_bulk_text(x.out, b"pong")
        return reply_bulk(x.out, x.argv[1].ptr, x.argv[1].len) if x.argc == 2 else reply_bulk(x.out, b"", 0)
    if x.argc == 2:
        return reply_bulk(x.out, x.argv[1].ptr, x.argv[1].len)
    return reply_status(x.out, b"PONG")


cdef int echo_command(Ctx* x) noexcept nogil:
    return reply_bulk(x.out, x.argv[1].ptr, x.argv[1].len)


cdef int quit_command(Ctx* x) noexcept nogil:
    x.client.flags |= CL_CLOSE_AFTER_REPLY
    return reply_ok(x.out)


cdef int reset_command(Ctx* x) noexcept nogil:
    """Everything that a client can have changed of its connection, but for the library's name."""
    cdef Exec* e = exec_of(x)
    cdef Client* c = x.client
    cdef int i
    if c.flags & CL_PRIMARY or (c.flags & CL_REPLICA and not c.flags & CL_MONITOR):
        return err(x, E_RESET_INTERNAL)
    for i in range(e.resets):
        e.on_reset[i](e, c)
    c.flags &= ~<uint64_t>(CL_REPLY_OFF | CL_REPLY_SKIP | CL_REPLY_SKIP_NEXT | CL_NO_EVICT | CL_NO_TOUCH)
    c.out.resp = 2
    c.db = &x.ks.dbs[0]
    sds_assign(x.mem, &c.name, slice_of(NULL, 0))
    if not c.flags & CL_FAKE:
        acl_admit(e, c)
    return reply_status(x.out, b"RESET")


# ---------------------------------------------------------------- CLIENT: own state

cdef int client_id_command(Ctx* x) noexcept nogil:
    return reply_int(x.out, x.client.id)


cdef int client_getname_command(Ctx* x) noexcept nogil:
    if x.client.name == NULL:
        return reply_null(x.out)
    return reply_bulk(x.out, x.client.name.data, x.client.name.len)


cdef int client_setname_command(Ctx* x) noexcept nogil:
    if not printable(x.argv[2]):
        return err(x, E_CLIENT_NAME)
    sds_assign(x.mem, &x.client.name, x.argv[2])
    return reply_ok(x.out)


cdef int client_setinfo_command(Ctx* x) noexcept nogil:
    cdef Sds** slot
    if word_is(x.argv[2], b"lib-name"):
        slot = &x.client.lib_name
    elif word_is(x.argv[2], b"lib-ver"):
        slot = &x.client.lib_ver
    else:
        return err_a(x, E_CLIENT_OPTION, x.argv[2])
    if not printable(x.argv[3]):
        return err_a(x, E_CLIENT_INFO_VALUE, x.argv[2])
    sds_assign(x.mem, slot, x.argv[3])
    return reply_ok(x.out)


cdef int switch_flag(Ctx* x, uint64_t flag) noexcept nogil:
    if word_is(x.argv[2], b"on"):
        x.client.flags |= flag
    elif word_is(x.argv[2], b"off"):
        x.client.flags &= ~flag
    else:
        return syntax_error(x)
    return reply_ok(x.out)


cdef int client_no_evict_command(Ctx* x) noexcept nogil:
    return switch_flag(x, CL_NO_EVICT)


cdef int client_no_touch_command(Ctx* x) noexcept nogil:
    return switch_flag(x, CL_NO_TOUCH)


cdef int client_reply_command(Ctx* x) noexcept nogil:
    """Dispatch drops the replies; here only the mode changes."""
    cdef Client* c = x.client
    if word_is(x.argv[2], b"on"):
        c.flags &= ~<uint64_t>(CL_REPLY_OFF | CL_REPLY_SKIP | CL_REPLY_SKIP_NEXT)
        return reply_ok(x.out)
    if word_is(x.argv[2], b"off"):
        c.flags |= CL_REPLY_OFF
        return 0
    if word_is(x.argv[2], b"skip"):
        if not c.flags & CL_REPLY_OFF:
            c.flags |= CL_REPLY_SKIP_NEXT
        return 0
    return syntax_error(x)


# ---------------------------------------------------------------- CLIENT PAUSE

cdef int client_pause_command(Ctx* x) noexcept nogil:
    """CLIENT PAUSE milliseconds [WRITE | ALL]."""
    cdef int64_t ms
    cdef uint32_t actions = PAUSE_MODE_ALL
    if x.argc > 4:
        return reply_errorf(x.out, E_UNKNOWN_SUBCOMMAND_OR_ARITY, x.argv[1], text_slice(b"CLIENT"))
    if x.argc == 4:
        if word_is(x.argv[3], b"write"):
            actions = PAUSE_MODE_WRITE
        elif not word_is(x.argv[3], b"all"):
            return err(x, E_PAUSE_MODE)
    if not i64_or_err(x, x.argv[2], &ms, E_TIMEOUT_INT):
        return 0
    if ms < 0:
        return err(x, E_TIMEOUT_NEGATIVE)
    if add_overflows(ms, x.env.now_ms, &ms):
        return err(x, E_TIMEOUT_RANGE)
    pause_clients(exec_of(x), PAUSE_BY_CLIENT, ms, actions)
    return reply_ok(x.out)


cdef int client_unpause_command(Ctx* x) noexcept nogil:
    unpause_clients(exec_of(x), PAUSE_BY_CLIENT)
    return reply_ok(x.out)


bind(b"hello", hello_command)
bind(b"auth", auth_command)
bind(b"select", select_command)
bind(b"ping", ping_command)
bind(b"echo", echo_command)
bind(b"quit", quit_command)
bind(b"reset", reset_command)
bind(b"client|id", client_id_command)
bind(b"client|getname", client_getname_command)
bind(b"client|setname", client_setname_command)
bind(b"client|setinfo", client_setinfo_command)
bind(b"client|no-evict", client_no_evict_command)
bind(b"client|no-touch", client_no_touch_command)
bind(b"client|reply", client_reply_command)
bind(b"client|pause", client_pause_command)
bind(b"client|unpause", client_unpause_command)
