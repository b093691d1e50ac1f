"""Engine: a whole server but for its sockets (sans-IO): bytes in, bytes out, deadlines.

It owns the allocator's count, the environment (clock, seeds, settings), the keyspace, the commands and the clients. The
server's loop calls serve() with what the selector reports, before_sleep() and attend() before it sleeps, and cron() hz
times a second; tests and embedders use call() and feed(). One thread owns an engine.
"""
import ipaddress
import itertools
import os
import socket
import sys
import threading
import traceback

from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove, strlen
from .base.env cimport (Env, env_advance_us, env_calibrate, env_freeze_now, env_init, env_knob, env_mono_ns,
                        env_mono_us, env_seed, env_ticks_ns, env_wall_us)
from .base.mem cimport (Mem, mem_alloc, mem_allocator_name, mem_destroy, mem_free, mem_init, mem_purge, mem_realloc,
                        mem_sample_peak)
from .base.rp cimport RP_DEBUG, RP_TICKS_NAME, likely, rp_ticks, unlikely
from .base.sds cimport Sds, Slice, sds_free, sds_new, slice_of
from .exec.acl cimport Acl, acl_free, acl_init, make_acl
from .exec.blocked cimport (after_turn, block_for, end_all, end_wait, expire_waits, first_deadline, forget_wait,
                            waiting_figures, waiting_free)
from .exec.client cimport (CL_ATTENTION, CL_BLOCKED, CL_CLOSE_AFTER_REPLY, CL_CLOSE_ASAP, CL_FAKE, CL_MONITOR,
                           CL_MULTI, CL_PAUSED, CL_PEER_CLOSED, CL_PRIMARY, CL_PUBSUB, CL_REPLICA, CL_SCRIPT, CL_TLS, CL_UNIX, CL_WANT_WRITE,
                           CL_WRITE_WATCHED, Client, Ctx, G_LOADING, G_MASTERDOWN, G_MISCONF, G_NOAUTH, G_NOREPLICAS, G_READONLY,
                           client_by_fd, client_by_id, client_close,
                           client_memory, client_pending)
from .exec.dispatch cimport (ROOMS, Exec, ScriptFigures, exec_client, exec_free, exec_init, feed_input, release_client, resume_input,
                             run_command)
from .exec.client_evict cimport evict_clients, limit_clients
from .exec.busy cimport busy_init
from .exec.client_info cimport ADDR_MAX, client_addr, client_info
from .exec.clients_cron cimport clients_cron
from .exec.crash_report cimport crash_report_free, crash_report_init
from .exec.io cimport IO_BATCH, io_flush, io_read_again, io_read_many, io_write, io_write_now
from .exec.latency cimport latency_add, latency_events, latency_free
from .exec.memory_limit cimport memory_limit_free, memory_limit_init, memory_limit_set, memory_step
from .exec.monitor cimport monitor_free, monitor_init
from .exec.multi cimport multi_init, multi_free, watching_figures
from .exec.pause cimport (PAUSE_ALL, PAUSE_BY_FAILOVER, PAUSE_BY_SHUTDOWN, PAUSE_MODE_WRITE, PAUSE_WRITE, pause_actions,
                          pause_clients, pause_deadline, pause_step, unpause_clients)
from .exec.pubsub cimport CHANNELS, PATTERNS, SHARDS, pubsub_free, pubsub_init, topic_count
from .exec.primary cimport (PrimaryLink, primary_ack, primary_attach, primary_forget, primary_free, primary_init,
                            primary_of, primary_read_offset, primary_resume)
from .exec.registry cimport Command, Registry
from .exec.replicas cimport (ReplicaLink, Replicas, link_of, replica_attach, replica_begin, replica_behind, replica_link,
                             replica_send, replicas_free, replicas_init, replicas_of, replicas_step, serve_waits,
                             stream_close, stream_open)
from .exec.replay cimport (REPLAY_FORMAT, REPLAY_MORE, REPLAY_UNKNOWN, Replay, replay_begin, replay_end, replay_feed)
from .exec.slowlog cimport slow_thresholds, slowlog_free, slowlog_init
from .exec.states cimport state_set, states_free, states_init
from .exec.stats cimport stats_reset, stats_turn
from .exec.tls_link cimport tls_attach, tls_init
from .exec.tracking cimport (TrackingFigures, tracking_broadcast, tracking_cron, tracking_fault, tracking_figures,
                             tracking_free, tracking_init, tracking_limit)
from .keyspace.db cimport (Db, Keyspace, db_flush, db_peek, dbs_free, dbs_new, dbs_swap, ks_begin_command,
                            ks_forget_own_ttls, ks_free, ks_init)
from .keyspace.backlog cimport backlog_is_open, backlog_resize, backlog_trim, cursor_at, cursor_left
from .keyspace.evict cimport evict_not_counted, evict_over_us
from .keyspace.expire cimport CYCLE_FAST, CYCLE_SLOW, CycleKind, expire_all, expire_cycle
from .keyspace.journal cimport journal_to_replicas
from .keyspace.lazyfree cimport lazy_pending, lazy_take_back, lazy_wake_by
from .persist.aof_out cimport AofOut, AofPolicy, aof_out_init, aof_out_sync, aof_out_write
from .persist.job cimport SaveJob
from .persist.rdb_save cimport RdbOptions, rdb_dump, rdb_options
from .persist.sink cimport Sink, sink_free, sink_to_memory
from .persist.rdb_load cimport RDB_DEEP, RDB_KEEP_EXPIRED, RDB_NO_CHECKSUM, RDB_REPLACE, rdb_load_python
from .proto.errors cimport E_PYTHON, E_UNBLOCKED_ROLE
from .proto.parser cimport parser_rebase
from .proto.reply cimport Block, out_bytes, out_clear, out_empty, out_sent, reply_errorf, reply_object, reply_raw
from .structs.ebuckets cimport eb_count
from .structs.rax cimport rax_size
from .types.object cimport NO_EXPIRE, Robj, robj_expire
from .structs.dict cimport (RESIZE_ALLOW, RESIZE_AVOID, ResizePolicy, dict_bytes, dict_rehash_step, dict_rehashing,
                            dict_shrink, dict_slots)

from .commands import LOADED as _command_files     # importing them binds the compiled bodies
from .proto.decode import decode
from .proto.replies import Error
from .version import REDIS_VERSION

cdef extern from *:
    """
    #if defined(__linux__)
    #include <sys/prctl.h>
    #ifndef PR_SET_THP_DISABLE
    #define PR_SET_THP_DISABLE 41
    #endif
    static int disable_huge_pages(void) { return prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); }
    #else
    static int disable_huge_pages(void) { return 0; }
    #endif
    """
    int disable_huge_pages() nogil

# The server sees this module alone: what it needs of the rooms below is named here.
from .exec.acl_rules import RuleError, Unmatched, check_user_line
from .base import process
from .exec.stats import bucket_bounds
from .persist.job import read_child_info
from .persist.rdb_load import RdbError
from .proto.errors import text as error_text
from .proto.replies import Map, Status, Verbatim

__all__ = ["Engine", "Call", "RdbError", "ReplyError", "BLOCK", "NO_REPLY", "Error", "Map", "Status", "Verbatim",
           "bucket_bounds", "error_text", "prefixed", "process", "RuleError", "Unmatched", "check_user_line"]

ReplyError = Error



def prefixed(code, text):
    """An error of the server's own wording under one of the codes of proto/errors."""
    return Error(f"{code} {text}")


STATES = {"loading": G_LOADING, "misconf": G_MISCONF, "readonly": G_READONLY, "noreplicas": G_NOREPLICAS,
          "masterdown": G_MASTERDOWN}
PAUSES = {"shutdown": PAUSE_BY_SHUTDOWN, "failover": PAUSE_BY_FAILOVER}
NO_REPLY = object()             # a Python body returns it when it answers later, or not at all
BLOCK = object()                # ... when its client waits for Engine.unblock

EPOLLIN, EPOLLOUT = 1, 4
TRACKING_KEYS = 1000            # forgotten at once when tracking-table-max-keys is lowered; cron does the rest
REHASH_US = 1000                # spent on idle rehashing a cron call, as activerehashing allows
TRACKING_US = 2000              # spent on the table of tracked keys a cron call
READ_BACK = 4096                # spans that reading the figures takes back from the freeing thread


cdef int run_python(Ctx* x, Command* cmd) noexcept nogil:
    with gil:
        run_python_body(x, cmd)
    return 0


cdef bint turn(Exec* x) noexcept nogil:
    with gil:
        return python_turn(<Engine>x.engine)


cdef bint python_turn(Engine engine) noexcept:
    """Lets the server's loop turn while a script is busy (hook "busy_turn"); True: the script is to be ended."""
    hook = engine.hooks.get("busy_turn")
    try:
        return hook is not None and bool(hook())
    except Exception:
        engine.report(f"Exception while a script was busy: {traceback.format_exc()}")
        return False


cdef void all_flushed(Exec* x) noexcept with gil:
    """Tells the server: what a child is saving is out of date."""
    hook = (<Engine>x.engine).hooks.get("flushall")
    if hook is not None:
        hook()


cdef run_python_body(Ctx* x, Command* cmd):
    """Runs a Python body; whatever it raises becomes an error reply, never more."""
    cdef Engine engine = <Engine>(<Exec*>x.exec).engine
    cdef bytes text
    first = 2 if cmd.parent != NULL else 1
    call = Call(engine, x.client.id, x.db.id, (<bytes>cmd.name).decode(), (<Exec*>x.exec).depth > 1,
                (x.client.flags & CL_SCRIPT) != 0)
    args = [x.argv[i].ptr[:x.argv[i].len] for i in range(first, x.argc)]
    try:
        result = (<object>cmd.py)(call, *args)
        if result is BLOCK:
            block_for(x, 0, NULL)
        elif result is not NO_REPLY:
            reply_object(x.out, result)
    except Error as e:
        reply_object(x.out, e)
    except Exception as e:
        engine.report(f"Exception in command '{call.name}': {traceback.format_exc()}")
        text = f"{type(e).__name__}: {e}".encode()
        reply_errorf(x.out, E_PYTHON, slice_of(cmd.name, cmd.name_len), slice_of(text, len(text)))


cdef object functions_face = None         # set at import by the room of scripts


def set_functions_face(face):
    """Who knows the libraries of functions: face.sources(engine), face.load(engine, codes, replace), face.flush(engine)."""
    global functions_face
    functions_face = face


def bind_python_bodies(registry):
    """Gives an engine's registry what the command files have in Python: BODIES, name -> body(call, *args), and HELP."""
    for module in _command_files:
        for name, body in getattr(module, "BODIES", {}).items():
            registry.bind_py(name, body)
        if hasattr(module, "HELP"):
            registry.bind_help(module.HELP)


class Call:
    """What a command written in Python is given: who calls, and the engine to act on."""

    __slots__ = ("engine", "client_id", "db", "name", "nested", "in_script")

    def __init__(self, engine, client_id, db, name, nested=False, in_script=False):
        self.nested = nested                # runs inside EXEC, a script or another command
        self.in_script = in_script
        self.engine = engine
        self.client_id = client_id
        self.db = db
        self.name = name

    def call(self, *argv):
        """Runs another command in the caller's database; its reply, or ReplyError."""
        return self.engine.call_in(self.db, *argv)

    def get(self, key):
        """The string at key, or None."""
        return self.call(b"GET", key)


cdef class Engine:
    """One server's memory, keyspace, commands and clients."""

    def __cinit__(self, int databases=16):
        mem_init(&self.mem)
        env_init(&self.env)
        self.env.knobs.databases = databases
        ks_init(&self.ks, &self.mem, &self.env, databases)
        self.registry = Registry()
        exec_init(&self.x, &self.mem, &self.env, &self.ks, self.registry)
        self.x.engine = <void*>self
        self.x.run_python = run_python
        self.x.turn = turn
        busy_init(&self.x)
        self.x.all_flushed = all_flushed
        acl_init(&self.x)
        multi_init(&self.x)
        pubsub_init(&self.x)
        monitor_init(&self.x)
        slowlog_init(&self.x)
        tls_init(&self.x)
        self.ks.latency = keyspace_latency
        self.ks.latency_ctx = &self.x
        tracking_init(&self.x)
        memory_limit_init(&self.x)
        states_init(&self.x)
        aof_out_init(&self.aof)
        primary_init(&self.x)
        self.x.applied_error = applied_error
        replicas_init(&self.x, &self.aof)
        self.x.replied = replica_replied
        self.acl = make_acl(&self.x, self.registry)
        bind_python_bodies(self.registry)
        self.own = exec_client(&self.x, -1, CL_FAKE, 0)
        self.hooks = {}
        self.kept = []
        self.thread = threading.get_ident()
        self.startup_memory = self.mem.used

    def __dealloc__(self):
        rooms_free(&self.x)
        crash_report_free(&self.x)
        self.ks.latency = NULL
        self.discard_staged(False)
        waiting_free(&self.x)
        replicas_free(&self.x)
        exec_free(&self.x)
        primary_free(&self.x)
        memory_limit_free(&self.x)
        acl_free(&self.x)
        multi_free(&self.x)
        pubsub_free(&self.x)
        monitor_free(&self.x)
        slowlog_free(&self.x)
        tracking_free(&self.x)
        states_free(&self.x)
        latency_free(&self.x)
        ks_free(&self.ks)
        mem_destroy(&self.mem)

    cdef int check_thread(self) except -1:
        """Debug builds: an engine belongs to the thread that made it."""
        if RP_DEBUG and threading.get_ident() != self.thread:
            raise RuntimeError("an Engine is used by the thread that made it, and by no other")
        return 0

    def tell_of_crashes(self):
        """Crash reports of this process tell of this engine from now on."""
        crash_report_init(&self.x)

    def report(self, text):
        """Hands a warning to the server's log, or to stderr."""
        if self.log is not None:
            self.log("warning", text)
        else:
            print(text, file=sys.stderr)

    # ------------------------------------------------------------ clients

    def accept(self, int fd, bint unix=False, tls=None):
        """Takes a connected non-blocking socket; the client's id. tls: (ssl.SSLObject, its incoming and outgoing
        MemoryBIO) of a connection whose handshake is done."""
        cdef uint64_t flags = (CL_UNIX if unix else 0) | (CL_TLS if tls is not None else 0)
        cdef Client* c = exec_client(&self.x, fd, flags, 0)
        self.x.stats.connections += 1
        if tls is not None:
            tls_attach(&self.x, c, tls[0], tls[1], tls[2])
        return c.id

    def serve(self, list events):
        """One turn's ready descriptors [(fd, mask)]: reads, runs, gathers replies. Those that are no client's, back."""
        cdef int fd, mask
        cdef Client* c
        cdef Client* ready[IO_BATCH]
        cdef int n = 0
        self.check_thread()
        others = []
        # A busy script inside serves what the turn around it has not come to: the iterator is shared.
        left = iter(events) if self.unserved is None else itertools.chain(self.unserved, events)
        self.unserved = left
        self.x.turn_began = rp_ticks()
        env_freeze_now(&self.env)
        if unlikely(self.x.clients.again != NULL):
            io_read_again(&self.x)
        for fd, mask in left:
            c = client_by_fd(&self.x.clients, fd)
            if c == NULL:
                others.append((fd, mask))
                continue
            if unlikely(mask & EPOLLOUT):
                io_write(&self.x, c)
            if mask & ~EPOLLOUT:
                if unlikely(mask & ~(EPOLLIN | EPOLLOUT)):
                    c.flags |= CL_PEER_CLOSED       # the end may stand behind data: no edge will tell of it
                ready[n] = c
                n += 1
                if n == IO_BATCH:
                    io_read_many(&self.x, ready, n)
                    n = 0
        if n:
            io_read_many(&self.x, ready, n)
        if likely(self.x.depth == 0):
            self.unserved = None
        return others

    def before_sleep(self):
        """Fast expiry, clients that waited, all pending replies. Bits: 1: attend() has something to do, 2: serve() has,
        do not wait, 4: next_deadline() bounds the wait."""
        cdef bint more
        if unlikely(self.x.depth):              # inside a busy script: its unit has not ended
            io_flush(&self.x)
            return 0
        if unlikely(self.kept):
            self.feed_kept()
        timed_expiry(&self.x, CYCLE_FAST)
        more = memory_step(&self.x)
        pause_step(&self.x)
        after_turn(&self.x)
        if unlikely(primary_of(&self.x).waiting):
            primary_resume(&self.x)
        tracking_broadcast(&self.x)
        if self.ks.journal.aof != NULL and self.ks.journal.aof.len and self.aof.fd >= 0:
            self.append_aof()                       # before the replies
        if unlikely(primary_of(&self.x).ack):
            self.primary_ack()
        if unlikely(serve_waits(&self.x)):
            after_turn(&self.x)                     # they go on with what they had sent behind
            if self.ks.journal.aof != NULL and self.ks.journal.aof.len and self.aof.fd >= 0:
                self.append_aof()
        replicas_step(&self.x)
        io_flush(&self.x)
        self.x.stats.evicted_clients += evict_clients(&self.x.clients)
        if self.x.turn_began:
            stats_turn(&self.x.stats, env_ticks_ns(&self.env, rp_ticks() - self.x.turn_began))
            self.x.turn_began = 0
        return ((self.x.clients.attention != NULL) + 2 * (more or self.x.clients.again != NULL)
                + 4 * (first_deadline(&self.x) >= 0 or pause_deadline(&self.x) != 0))

    def attend(self):
        """[(fd, action)]: clients that the server must close (0), watch for writing (1) or no longer (2). Closed
        clients are gone from the engine when this returns."""
        cdef Client* c
        actions = []
        while self.x.clients.attention != NULL:
            c = self.x.clients.attention
            self.x.clients.attention = c.next_attention
            c.flags &= ~<uint64_t>CL_ATTENTION
            if c.flags & CL_CLOSE_ASAP:
                actions.append((c.fd, 0))
                self.forget(c)
            elif c.flags & CL_WANT_WRITE and not c.flags & CL_WRITE_WATCHED:
                c.flags |= CL_WRITE_WATCHED
                actions.append((c.fd, 1))
            elif c.flags & CL_WRITE_WATCHED and not c.flags & CL_WANT_WRITE:
                c.flags &= ~<uint64_t>CL_WRITE_WATCHED
                actions.append((c.fd, 2))
        return actions

    cdef forget(self, Client* c):
        hook = self.hooks.get("client_closed")
        if hook is not None:
            hook(c.id, c.fd)
        if unlikely(primary_of(&self.x).client == c):
            broken = primary_of(&self.x).broken
            primary_forget(&self.x)
            self.hooks["primary_lost"](c.fd, broken)
        if c.replica != NULL:
            hook = self.hooks.get("replica_closed")
            if hook is not None:
                hook(c.id)
        forget_wait(&self.x, c)
        release_client(&self.x, c)

    def feed(self, uint64_t client_id, bytes data):
        """Bytes of a client whose socket the server reads itself, or of a test's client."""
        cdef Client* c = client_by_id(&self.x.clients, client_id)
        cdef char* copy
        self.check_thread()
        if c == NULL:
            raise KeyError(client_id)
        if unlikely(self.x.depth) and c == self.x.caller:
            self.kept.append((client_id, data))         # its request is being run: before_sleep() feeds it
            return
        env_freeze_now(&self.env)
        self.x.stats.net_in += len(data)
        c.net_in += len(data)
        if c.q.len == 0:
            copy = <char*>mem_alloc(&self.mem, len(data) + 1)
            memcpy(copy, <const char*>data, len(data))
            feed_input(&self.x, c, copy, len(data))
            mem_free(&self.mem, copy)
            return
        append_input(&self.mem, c, data, len(data))
        feed_input(&self.x, c, c.q.data, c.q.len)

    cdef feed_kept(self):
        kept, self.kept = self.kept, []
        for client_id, data in kept:
            if client_by_id(&self.x.clients, client_id) != NULL:
                self.feed(client_id, data)

    def take_output(self, uint64_t client_id):
        """The client's pending replies as bytes; they are gone from the engine then."""
        cdef Client* c = client_by_id(&self.x.clients, client_id)
        if c == NULL:
            raise KeyError(client_id)
        text = gather_output(c)
        out_clear(&c.out)
        c.net_out += len(text)
        self.x.stats.net_out += len(text)
        return text

    def unblock(self, uint64_t client_id, reply):
        """Answers a client whose command returned BLOCK."""
        cdef Client* c = client_by_id(&self.x.clients, client_id)
        if c != NULL and c.flags & CL_BLOCKED:
            reply_object(&c.out, reply)
            end_wait(&self.x, c, isinstance(reply, Error))

    def close(self, uint64_t client_id):
        """Lets attend() close a client."""
        cdef Client* c = client_by_id(&self.x.clients, client_id)
        if c != NULL:
            client_close(&self.x.clients, c)

    # ------------------------------------------------------------ the journal

    def journal_to(self, int targets):
        """Who is told of changes from now on: 1 the append-only file (take_aof), 2 replicas, 3 both, 0 nobody."""
        self.ks.journal.targets = targets
        self.ks.journal.db = -1

    def take_aof(self):
        """What is to be appended to the file, as bytes; it is gone from the engine then."""
        cdef Sds* s = self.ks.journal.aof
        if s == NULL or s.len == 0:
            return b""
        text = s.data[:s.len]
        s.len = 0
        return text

    # ------------------------------------------------------------ the append-only file

    cdef append_aof(self):
        """Writes what is pending, or asks the server what to do when that fails or has to wait."""
        cdef int error = 0
        if not self.aof.held:
            error = aof_out_write(&self.aof, &self.ks.journal)
            if likely(error == 0):
                return
        self.hooks["aof_stuck"](error)

    def aof_open(self, int fd, int64_t size, int policy):
        """Appends to this descriptor from now on; the next command selects its database. The server keeps it open."""
        self.aof.fd = fd
        self.aof.size = size
        self.aof.policy = <AofPolicy>policy
        self.aof.held = False
        self.ks.journal.db = -1
        self.ks.journal.aof_second = -1

    def aof_close(self):
        """No file from now on; what was not written is dropped."""
        self.aof.fd = -1
        self.take_aof()

    def aof_set(self, *, policy=None, held=None, no_sync=None, timestamps=None, delay_us=None):
        """appendfsync (0 no, 1 always, 2 everysec); writing waits for the hook; no sync; aof-timestamp-enabled; a
        wait before each write."""
        if delay_us is not None:
            self.aof.delay_us = delay_us
        if policy is not None:
            self.aof.policy = <AofPolicy><int>policy
        if held is not None:
            self.aof.held = held
        if no_sync is not None:
            self.aof.no_sync = no_sync
        if timestamps is not None:
            self.ks.journal.timestamps = timestamps

    def aof_flush(self):
        """Writes what is pending now; 0 or errno."""
        return aof_out_write(&self.aof, &self.ks.journal)

    def aof_sync(self):
        """Syncs the file now; 0 or errno."""
        return aof_out_sync(&self.aof)

    def aof_synced(self, int64_t offset):
        """A thread of the server has synced what stood in the file at that offset."""
        if offset > self.aof.synced:
            self.aof.synced = offset

    def aof_figures(self):
        """size of the file, bytes that wait to be written, offsets written and synced, syncs so far."""
        cdef Sds* s = self.ks.journal.aof
        return {"size": self.aof.size, "pending": s.len if s != NULL else 0, "buffer": s.cap if s != NULL else 0,
                "written": self.aof.written, "synced": self.aof.synced, "syncs": self.aof.syncs}

    def replay(self, int fd, int64_t size, progress=None, int64_t every=2 << 20):
        """Runs the commands of an open file from its position on: (bytes run, bytes up to the last command outside a
        transaction, commands, None | 'format' | 'unknown' | 'short', name of an unknown command). progress(bytes) is
        called now and then; it may raise. O(file)."""
        cdef Replay r
        cdef size_t cap = 1 << 20, have = 0, used
        cdef char* buf = <char*>mem_alloc(&self.mem, cap)
        cdef int64_t told = 0
        cdef size_t step = max(1024, min(every, 1 << 20))
        cdef bint closed
        replay_begin(&self.x, &r, <const int64_t*>&self.key_load_delay)
        try:
            while r.stop == REPLAY_MORE:
                if have == cap:
                    cap *= 2
                    buf = <char*>mem_realloc(&self.mem, buf, cap)
                n = os.readv(fd, [<char[:min(cap - have, step)]>(buf + have)])
                if n == 0:
                    break
                have += n
                env_freeze_now(&self.env)
                used = replay_feed(&self.x, &r, buf, have)
                memmove(buf, buf + used, have - used)
                have -= used
                if progress is not None and r.consumed - told >= every:
                    told = r.consumed
                    progress(r.consumed)
        finally:
            mem_free(&self.mem, buf)
            closed = replay_end(&self.x, &r)
        why = ("format" if r.stop == REPLAY_FORMAT else "unknown" if r.stop == REPLAY_UNKNOWN
               else "short" if have or not closed else None)
        return r.consumed, r.whole, r.commands, why, r.unknown[:r.unknown_len]

    # ------------------------------------------------------------ a replica's primary

    def set_replica(self, bint on):
        """A replica leaves expired keys to its primary."""
        self.ks.replica = on
        if not on:
            ks_forget_own_ttls(&self.ks)

    def primary_attach(self, int fd, int64_t at, int db, tls=None):
        """A connected non-blocking socket brings the primary's stream from position `at` on, in that database (-1: it
        will say which); tls as for accept. The client's id. When it is lost, hooks["primary_lost"](fd, broken: nothing
        can be continued) is called."""
        cdef Client* c = exec_client(&self.x, fd, CL_PRIMARY | (CL_TLS if tls is not None else 0), 0)
        if tls is not None:
            tls_attach(&self.x, c, tls[0], tls[1], tls[2])
        primary_attach(&self.x, c, at, db)
        return c.id

    def primary_ack(self):
        """Tells the primary how far we are."""
        primary_ack(&self.x, self.aof.synced if self.aof.fd >= 0 else -1)

    def primary_figures(self):
        """The link's client (0: there is none), the position applied, the position read, the database, and when something
        came last."""
        cdef PrimaryLink* l = primary_of(&self.x)
        return {"client": l.client.id if l.client != NULL else 0, "applied": l.applied,
                "read": primary_read_offset(&self.x), "db": l.db,
                "heard_ms": l.client.active_ms if l.client != NULL else 0}

    def primary_place(self, int64_t at, int db):
        """Where the data of this server stand in the primary's stream, while there is no link."""
        cdef PrimaryLink* l = primary_of(&self.x)
        l.applied = self.ks.journal.offset = at
        l.db = db

    def end_waits(self):
        """All clients that wait are told that they can't here any longer, and closed."""
        cdef Client* c = self.x.clients.first
        waiting = []
        while c != NULL:
            if c.flags & CL_BLOCKED:
                waiting.append(c.id)
            c = c.next
        end_all(&self.x, E_UNBLOCKED_ROLE)
        for client_id in waiting:
            c = client_by_id(&self.x.clients, client_id)
            if c != NULL:
                c.flags |= CL_CLOSE_AFTER_REPLY
                client_pending(&self.x.clients, c)

    # ------------------------------------------------------------ replicas

    def stream_open(self, int64_t at):
        """Keeps the replicas' stream from now on, repl-backlog-size bytes of it; its first byte is at position `at`."""
        if not backlog_is_open(&replicas_of(&self.x).backlog):
            stream_open(&self.x, at)

    def stream_close(self):
        """Forgets the stream; replicas are no longer attached to it."""
        stream_close(&self.x)

    def stream_figures(self):
        """Position behind the last byte, of the first that is kept; database last selected in it (-1: none); the memory
        that it takes; bytes sent to replicas, and received from a primary."""
        cdef Replicas* r = replicas_of(&self.x)
        return {"open": backlog_is_open(&r.backlog), "offset": self.ks.journal.offset, "first": r.backlog.begin,
                "db": self.ks.journal.db, "memory": r.backlog.memory, "sent": r.sent, "received": r.received}

    @property
    def stream_offset(self):
        """Bytes of the stream so far. Without one, and with an append-only file: commands."""
        return self.ks.journal.offset

    def stream_feed(self, bytes data):
        """Appends to the stream what concerns no database: PING, and a replica what its primary has sent."""
        journal_to_replicas(&self.ks.journal, data, len(data))

    def stream_select_again(self):
        """The next command in the stream selects its database."""
        self.ks.journal.db = -1

    def stream_resize(self):
        """repl-backlog-size has changed."""
        backlog_resize(&replicas_of(&self.x).backlog, <size_t>self.env.knobs.repl_backlog_size)

    def stream_trim(self):
        """Frees history that is too much, a piece."""
        backlog_trim(&replicas_of(&self.x).backlog)

    cdef ReplicaLink* link(self, uint64_t client_id) except NULL:
        cdef Client* c = client_by_id(&self.x.clients, client_id)
        if c == NULL:
            raise KeyError(client_id)
        return replica_link(&self.x, c)

    def replica_known(self, uint64_t client_id):
        """A client has told what only replicas tell: its end will be told to the hook "replica_closed"."""
        self.link(client_id)

    def replica_begin(self, uint64_t client_id):
        """A client is a replica from now on: it gets what the server sends, and no replies."""
        self.link(client_id)
        replica_begin(&self.x, client_by_id(&self.x.clients, client_id))

    def replica_attach(self, uint64_t client_id, int64_t at):
        """The stream from position `at` on is kept for a replica; False: that is not there any more."""
        self.link(client_id)
        return replica_attach(&self.x, client_by_id(&self.x.clients, client_id), at)

    def replica_send(self, uint64_t client_id):
        """A replica is sent the stream from now on, behind its file."""
        self.link(client_id)
        replica_send(&self.x, client_by_id(&self.x.clients, client_id))

    def replica_send_file(self, uint64_t client_id, int fd, int64_t size):
        """A replica is sent a file, and then the stream. The descriptor becomes the engine's."""
        cdef ReplicaLink* l = self.link(client_id)
        l.file_fd = fd
        l.file_at = 0
        l.file_size = size
        replica_send(&self.x, client_by_id(&self.x.clients, client_id))

    def replica_say(self, uint64_t client_id, bytes data):
        """Sends a replica a line outside of the stream, at once; False: its socket is full or broken."""
        cdef Client* c = client_by_id(&self.x.clients, client_id)
        if c == NULL or c.flags & CL_CLOSE_ASAP:
            return False
        reply_raw(&c.out, data, len(data))
        io_write_now(&self.x, c)
        return out_empty(&c.out) and not c.flags & CL_CLOSE_ASAP

    def replica_acked(self, uint64_t client_id, int64_t offset, int64_t synced):
        """REPLCONF ACK offset [FACK synced]. The time counts even if the offset is an old one."""
        cdef ReplicaLink* l = self.link(client_id)
        l.acked = max(l.acked, offset)
        if synced >= 0:
            l.synced = max(l.synced, synced)
        l.acked_ms = self.env.now_ms

    def ask_acks(self):
        """REPLCONF GETACK goes into the stream before the loop sleeps."""
        replicas_of(&self.x).ask = True

    def replicas(self):
        """{client id: its figures} of all replicas: attached, sending, file_left, acked, synced, lag_ms, memory, left (bytes
        of the stream to be sent), address, fd."""
        cdef Replicas* r = replicas_of(&self.x)
        cdef ReplicaLink* l
        found = {}
        for i in range(r.nlinks):
            l = link_of(r.links[i])
            found[r.links[i].id] = {
                "attached": l.at.block != NULL, "sending": l.sending,
                "file_left": l.file_size - l.file_at if l.file_fd >= 0 else 0, "acked": l.acked, "synced": l.synced,
                "lag_ms": max(0, env_wall_us(&self.env) // 1000 - l.acked_ms), "memory": replica_behind(&self.x, r.links[i]),
                "client_memory": client_memory(r.links[i]), "left": cursor_left(&r.backlog, &l.at), "fd": r.links[i].fd,
                "closing": (r.links[i].flags & CL_CLOSE_ASAP) != 0, "sent": l.sent}
        return found

    def replica_count(self):
        """Clients that are replicas. O(1)."""
        return replicas_of(&self.x).nlinks

    def aof_acknowledges(self, bint on):
        """WAITAOF believes what the append-only file has synced (not before the first rewrite has ended)."""
        replicas_of(&self.x).aof_counts = on

    def client_line(self, uint64_t client_id):
        """A client as CLIENT LIST shows it, or ""."""
        cdef Client* c = client_by_id(&self.x.clients, client_id)
        cdef Sds* s
        if c == NULL:
            return ""
        s = client_info(&self.x, c, 0, sds_new(&self.mem, NULL, 0))
        text = s.data[:s.len].decode("utf-8", "replace")
        sds_free(&self.mem, s)
        return text

    def client_address(self, uint64_t client_id):
        """The peer's "ip:port", "" if there is no such client."""
        cdef char[ADDR_MAX] buf
        cdef Client* c = client_by_id(&self.x.clients, client_id)
        return buf[:client_addr(c, buf, False)].decode() if c != NULL else ""

    def client_is_tls(self, uint64_t client_id):
        """Are a client's bytes encrypted?"""
        cdef Client* c = client_by_id(&self.x.clients, client_id)
        return c != NULL and c.flags & CL_TLS != 0

    def client_has_output(self, uint64_t client_id):
        """Are there replies that were not sent yet?"""
        cdef Client* c = client_by_id(&self.x.clients, client_id)
        return c != NULL and not out_empty(&c.out)

    def client_flags(self, uint64_t client_id):
        """(is a replica, is the primary's link) of a client."""
        cdef Client* c = client_by_id(&self.x.clients, client_id)
        return (c != NULL and c.flags & CL_REPLICA != 0, c != NULL and c.flags & CL_PRIMARY != 0)

    # ------------------------------------------------------------ states

    def set_state(self, str name, bint on, str text=""):
        """Raises or lowers a state that refuses commands: loading, misconf (with its own error text, if any), readonly,
        noreplicas, masterdown."""
        said = text.encode()
        state_set(&self.x, STATES[name], on, slice_of(said, len(said)))

    def set_loading(self, bint on, bint aside=False):
        """The data set is being loaded: commands are refused, nothing expires, nothing is recorded as a change. aside:
        the old one is served meanwhile, but for commands that could not stand the exchange."""
        self.ks.loading = on and not aside
        self.set_state("loading", on)

    def expire_all(self):
        """Removes what has expired, all of it at once, and tells of it as always; how many keys."""
        env_freeze_now(&self.env)
        return expire_all(&self.ks)

    def flush_all(self, bint lazy=False):
        """Empties all databases, telling nobody but those who watch or track keys."""
        if self.ks.ev.flushed != NULL:
            self.ks.ev.flushed(self.ks.ev.flushed_ctx, -1)
        db_flush(&self.ks, -1, lazy)

    def mark_saved(self, int64_t dirty):
        """So many of the changes counted in `dirty` are in a file now."""
        self.ks.ev.dirty -= dirty

    # ------------------------------------------------------------ calls in process

    def call(self, *argv):
        """Runs a command in database 0 of this process; the decoded reply (RESP3). Raises ReplyError."""
        return self.call_in(0, *argv)

    def call_in(self, int db, *argv, int resp=3):
        """call() in another database or protocol."""
        texts = [a if isinstance(a, bytes) else str(a).encode() for a in argv]
        value = decode(self.run_raw(db, resp, texts))
        if isinstance(value, Error):
            raise value
        return value

    def run_raw(self, int db, int resp, list texts):
        """The raw reply of a command given as a list of bytes."""
        self.check_thread()
        cdef Client* c = exec_client(&self.x, -1, CL_FAKE, db)
        cdef Slice* argv = <Slice*>mem_alloc(&self.mem, len(texts) * sizeof(Slice) + 1)
        cdef bytes t
        c.out.resp = resp
        for i, t in enumerate(texts):
            argv[i] = slice_of(t, len(t))
        if self.x.depth == 0:
            env_freeze_now(&self.env)
        run_command(&self.x, c, argv, <int>len(texts))
        reply = gather_output(c)
        mem_free(&self.mem, argv)
        release_client(&self.x, c)
        return reply

    # ------------------------------------------------------------ time

    def cron(self):
        """Housekeeping, `hz` times a second: expiry, rehashing, freeing, clients."""
        cdef uint64_t began = rp_ticks()
        env_freeze_now(&self.env)
        if self.x.debug.cron_paused:
            return
        if self.x.turn_began == 0:
            self.x.turn_began = began
        env_calibrate(&self.env)
        mem_sample_peak(&self.mem)
        timed_expiry(&self.x, CYCLE_SLOW)
        self.rehash_idle()
        memory_step(&self.x)
        expire_waits(&self.x)
        clients_cron(&self.x)
        tracking_cron(&self.x, TRACKING_US)
        self.x.stats.cron_ns += env_ticks_ns(&self.env, rp_ticks() - began)

    def next_deadline(self):
        """Milliseconds from now until a blocked client's time is over or a pause ends (rounded up, 0: it is over), when
        expire_blocked() and before_sleep() must run; None: nothing has a limit. O(1)."""
        cdef int64_t when_ms = first_deadline(&self.x)
        cdef int64_t pause_ms = pause_deadline(&self.x)
        cdef int64_t left_us
        if pause_ms and (when_ms < 0 or pause_ms < when_ms):
            when_ms = pause_ms
        if when_ms < 0:
            return None
        left_us = when_ms * 1000 - env_wall_us(&self.env)
        return (left_us + 999) // 1000 if left_us > 0 else 0

    def expire_blocked(self):
        """Answers the blocked clients whose time is over; before_sleep() then sends the replies."""
        env_freeze_now(&self.env)
        expire_waits(&self.x)

    cdef rehash_idle(self):
        cdef int i
        cdef Db* db
        cdef int64_t end = env_mono_us(&self.env) + REHASH_US
        for i in range(self.ks.ndbs):
            db = &self.ks.dbs[i]
            dict_shrink(&self.mem, &db.keys)
            dict_shrink(&self.mem, &db.expires)
            if self.env.knobs.activerehashing and env_mono_us(&self.env) < end:
                rehash_for(&self.mem, db, end, &self.env)

    def freeze(self, int64_t now_ms, uint64_t seed=1):
        """Tests: the clock stands at now_ms until advance(); numbers come from the seed."""
        self.env.frozen = True
        env_advance_us(&self.env, now_ms * 1000 - self.env.now_us)
        env_seed(&self.env, seed)
        if not self.databases():                # no key stands in a bucket yet
            self.env.hash_seed[0] = self.env.hash_seed[1] = seed

    def fail_allocations(self, int64_t after):
        """Tests: allocations of client-chosen sizes fail after so many more (0: the next one; -1: never)."""
        self.mem.fail_after = after

    def advance(self, int64_t ms):
        """Tests: moves the frozen clock."""
        env_advance_us(&self.env, ms * 1000)

    @property
    def dirty(self):
        """Changes of keys since the last save."""
        return self.ks.ev.dirty

    @property
    def script_is_busy(self):
        """True in a turn of the loop that a script lets happen because it overran its time."""
        return bool(self.x.script.running and self.x.script.busy)

    @property
    def now_ms(self):
        """The wall clock of this turn in milliseconds."""
        return self.env.now_ms

    # ------------------------------------------------------------ loading

    def load_rdb(self, source, *, bint staged=False, bint keep_expired=False, bint replace=False, progress=None,
                 int64_t interval=2 << 20):
        """Loads an RDB file from a descriptor (from where it stands; a regular file is left behind the RDB) or from a
        callable read(n) that waits for 1 to n bytes (b"": the end).

        staged: into databases aside, for swap_staged() or discard_staged(). keep_expired: for a replica, or an AOF's
        base. replace: a key that is there already is replaced, else it is an error. progress(bytes read, keys) is
        called every `interval` bytes; what it returns true for ends the load. sanitize-dump-payload, rdbchecksum and
        DEBUG SET-SKIP-CHECKSUM-VALIDATION hold.

        Returns {"keys", "expired" (dropped), "empty": [keys without elements, skipped], "aux": {name: value},
        "functions": [code], "version", "bytes", "rest": bytes that were read behind the RDB}. RdbError: what was
        inserted until then stays (staged: is discarded)."""
        cdef Db* dbs = self.ks.dbs
        self.check_thread()
        flags = RDB_KEEP_EXPIRED if keep_expired else 0
        flags |= RDB_REPLACE if replace else 0
        flags |= RDB_DEEP if self.env.knobs.sanitize_dump_payload == 1 else 0
        flags |= RDB_NO_CHECKSUM if self.x.debug.skip_checksum or not self.env.knobs.rdbchecksum else 0
        if staged:
            self.discard_staged(False)
            dbs = self.staged = dbs_new(&self.ks)
        env_freeze_now(&self.env)
        try:
            return rdb_load_python(&self.ks, dbs, source, <int64_t*>&self.key_load_delay,
                                   {"flags": flags, "progress": progress, "interval": interval})
        except BaseException as e:
            if isinstance(e, RdbError) and e.reason:
                self.report(e.reason)
            if staged:
                self.discard_staged(False)
            raise

    def swap_staged(self, bint lazy=True):
        """What load_rdb() staged becomes the live databases; the old ones are freed, lazily or at once. Watchers and
        caches of clients are told that all is gone."""
        if self.staged == NULL:
            raise ValueError("nothing is staged")
        if self.ks.ev.flushed != NULL:
            self.ks.ev.flushed(self.ks.ev.flushed_ctx, -1)
        dbs_swap(&self.ks, self.staged)
        self.discard_staged(lazy)

    def discard_staged(self, bint lazy=True):
        """Frees what load_rdb() staged, if there is something."""
        if self.staged != NULL:
            dbs_free(&self.ks, self.staged, lazy)
            self.staged = NULL

    # ------------------------------------------------------------ libraries of functions

    def function_sources(self):
        """The code of all libraries of functions, as it was loaded: [bytes]. What is saved carries it along."""
        return functions_face.sources(self) if functions_face is not None else []

    def load_functions(self, codes, bint replace=False):
        """Loads libraries of functions, all or none. replace: those of the same name leave, else they are an error.
        Why it failed, as an error reply's text, or None."""
        return functions_face.load(self, list(codes), replace) if functions_face is not None and codes else None

    def flush_functions(self):
        """All libraries of functions leave."""
        if functions_face is not None:
            functions_face.flush(self)

    # ------------------------------------------------------------ settings

    def set_knob(self, str name, int64_t value):
        """Sets what compiled code knows of a setting; False if it does not know it."""
        text = name.replace("-", "_").encode()
        cdef int64_t* slot = env_knob(&self.env, text)
        if slot == NULL:
            return False
        slot[0] = value
        if name in ("slowlog-log-slower-than", "latency-monitor-threshold", "commandlog-request-larger-than",
                    "commandlog-reply-larger-than"):
            slow_thresholds(&self.x)
        elif name in ("maxmemory", "maxmemory-policy"):
            memory_limit_set(&self.x)
            limit_clients(&self.x.clients, self.env.knobs.maxmemory_clients, self.env.knobs.maxmemory)
        elif name == "maxmemory-clients":
            limit_clients(&self.x.clients, self.env.knobs.maxmemory_clients, self.env.knobs.maxmemory)
        elif name == "tracking-table-max-keys":
            tracking_limit(&self.x, TRACKING_KEYS)
        return True

    def knob(self, str name):
        """The number behind a setting."""
        text = name.replace("-", "_").encode()
        cdef int64_t* slot = env_knob(&self.env, text)
        if slot == NULL:
            raise KeyError(name)
        return slot[0]

    @property
    def not_counted(self):
        """Used memory that maxmemory does not limit, beside the append-only file's buffer: those of replicas."""
        return self.ks.not_counted

    @not_counted.setter
    def not_counted(self, size_t n):
        self.ks.not_counted = n

    def wake_by(self, int fd):
        """A byte is written to this non-blocking descriptor when another thread has work for before_sleep(); -1: none."""
        lazy_wake_by(&self.ks.lazy, fd)

    def set_password(self, password):
        """requirepass: the default user's password; None or empty: none is needed."""
        self.acl.set_password(password)

    def set_output_limit(self, int limit_class, size_t hard, size_t soft, int64_t soft_seconds):
        """client-output-buffer-limit of class 0 normal, 1 replica, 2 pubsub."""
        self.x.limits[limit_class].hard = hard
        self.x.limits[limit_class].soft = soft
        self.x.limits[limit_class].soft_ms = soft_seconds * 1000

    def bind(self, str name, body):
        """Gives a row of the command table a Python body: body(call, *args) -> reply."""
        self.registry.bind_py(name, body)

    # ------------------------------------------------------------ figures

    def counters(self):
        """Plain figures for INFO: name -> int."""
        cdef Exec* x = &self.x
        cdef int64_t over_us = evict_over_us(&x.evict, &self.ks)
        lazy_take_back(&self.ks.lazy, &self.mem, READ_BACK)
        return {
            "used_memory": self.mem.used, "used_memory_peak": max(self.mem.peak, self.mem.used),
            "total_connections_received": x.stats.connections, "rejected_connections": x.stats.rejected_connections,
            "total_commands_processed": x.stats.commands, "total_error_replies": x.stats.errors,
            "unexpected_error_replies": x.stats.unexpected_errors,
            "total_net_input_bytes": x.stats.net_in, "total_net_output_bytes": x.stats.net_out,
            "total_reads_processed": x.stats.reads, "total_writes_processed": x.stats.writes,
            "client_query_buffer_limit_disconnections": x.stats.query_limit_closed,
            "client_output_buffer_limit_disconnections": x.stats.output_limit_closed,
            "evicted_clients": x.stats.evicted_clients,
            "eventloop_duration_cron_sum": x.stats.cron_ns // 1000,
            "eventloop_duration_max": x.stats.cycle_max_ns // 1000,
            "eventloop_cmd_per_cycle_max": x.stats.cycle_max_commands,
            "eventloop_cycles": x.stats.cycles, "eventloop_duration_sum": x.stats.cycle_ns // 1000,
            "eventloop_duration_cmd_sum": x.stats.command_ns // 1000,
            "keyspace_hits": self.ks.stats.hits, "keyspace_misses": self.ks.stats.misses,
            "expired_keys": self.ks.stats.expired, "expired_subkeys": self.ks.stats.expired_fields,
            "evicted_keys": self.ks.stats.evicted, "mem_not_counted_for_evict": evict_not_counted(&self.ks),
            "current_eviction_exceeded_time": over_us // 1000,
            "total_eviction_exceeded_time": (x.evict.over_us + over_us) // 1000,
            "expired_stale_perc_x100": self.ks.stats.expired_stale_perc_x100,
            "expired_time_cap_reached_count": self.ks.stats.expired_time_cap,
            "expire_cycle_cpu_milliseconds": self.ks.stats.expire_cycle_us // 1000,
            "lazyfree_pending_objects": lazy_pending(&self.ks.lazy),
            "lazyfreed_objects": self.ks.lazy.freed - self.ks.lazy.counted_from,
            "own_ttls": rax_size(self.ks.own_ttls) if self.ks.own_ttls != NULL else 0,
            **script_counters(x), "dirty": self.ks.ev.dirty, "lru_clock": self.env.lru_clock,
            "total_net_repl_input_bytes": replicas_of(x).received, "total_net_repl_output_bytes": replicas_of(x).sent,
            **{f"acl_access_denied_{reason}": count for reason, count in self.acl.denied().items()},
        }

    def waiting_counts(self):
        """(clients that wait, keys that are waited for, those of them whose loss wakes, too)."""
        cdef int64_t clients, keys, nokey
        waiting_figures(&self.x, &clients, &keys, &nokey)
        return clients, keys, nokey

    def latency_add(self, str event, int64_t ms):
        """A latency sample of the server's own work (fork, aof-write ...); kept if it reaches the threshold."""
        name = event.encode()
        latency_add(&self.x, name, ms)

    def latency_events(self):
        """[(event, highest ms ever, [(unix seconds, ms) ..., oldest first])]."""
        return latency_events(&self.x)

    def topic_counts(self):
        """(channels, patterns, shard channels) that somebody subscribes to."""
        return topic_count(&self.x, CHANNELS), topic_count(&self.x, PATTERNS), topic_count(&self.x, SHARDS)

    def watching_counts(self):
        """(clients that watch keys, keys that are watched)."""
        cdef int64_t clients, keys
        watching_figures(&self.x, &clients, &keys)
        return clients, keys

    def tracking_counts(self):
        """(clients that track, keys remembered, readers of all of them, prefixes of BCAST)."""
        cdef TrackingFigures f = tracking_figures(&self.x)
        return f.clients, f.keys, f.items, f.prefixes

    def check_tracking(self):
        """Tests: raises AssertionError if an invariant of client-side caching is broken. O(all that is tracked)."""
        cdef const char* fault = tracking_fault(&self.x)
        if fault != NULL:
            raise AssertionError((<bytes>fault).decode())

    def error_counts(self):
        """({code: replies}, True if there were too many distinct codes to count them apart)."""
        counts = {}
        for i in range(self.x.stats.codes):
            code = self.x.stats.by_code[i].code[:self.x.stats.by_code[i].len]
            counts[code.decode("latin-1")] = self.x.stats.by_code[i].count
        return counts, self.x.stats.codes_full

    def client_count(self):
        """Connected clients, without those of this process."""
        return self.x.clients.connected

    def client_totals(self):
        """Sums over the connected clients for INFO."""
        cdef Client* c = self.x.clients.first
        totals = {"connected": 0, "blocked": 0, "memory": 0, "max_input": 0, "max_output": 0, "monitors": 0,
                  "pubsub": 0, "replicas": 0}
        while c != NULL:
            if not c.flags & CL_FAKE:
                totals["connected"] += not c.flags & CL_REPLICA or c.flags & CL_MONITOR != 0
                totals["blocked"] += (c.flags & (CL_BLOCKED | CL_PAUSED)) != 0
                totals["pubsub"] += (c.flags & CL_PUBSUB) != 0
                totals["memory" if not c.flags & CL_REPLICA else "replicas"] += client_memory(c)
                totals["max_input"] = max(totals["max_input"], c.q.cap)
                totals["max_output"] = max(totals["max_output"], out_bytes(&c.out))
            c = c.next
        return totals

    def databases(self):
        """[(id, keys, keys with expiry, average TTL in ms, hashes with field expiries)] of those that hold keys."""
        return [(i, self.ks.dbs[i].keys.used, self.ks.dbs[i].expires.used, self.ks.dbs[i].avg_ttl_ms,
                 eb_count(&self.ks.dbs[i].subexpires))
                for i in range(self.ks.ndbs) if self.ks.dbs[i].keys.used]

    def table_memory(self):
        """(bytes of all key tables, bytes of those being rehashed, databases being rehashed)."""
        cdef Db* db
        cdef size_t total = 0
        cdef size_t rehashing = 0
        cdef int count = 0
        for i in range(self.ks.ndbs):
            db = &self.ks.dbs[i]
            total += dict_bytes(&db.keys) + dict_bytes(&db.expires)
            if dict_rehashing(&db.keys):
                rehashing += dict_bytes(&db.keys)
                count += 1
        return total, rehashing, count

    def reset_stats(self):
        """CONFIG RESETSTAT."""
        stats_reset(&self.x.stats)
        self.registry.reset_stats()
        replicas_of(&self.x).sent = replicas_of(&self.x).received = 0
        self.x.scripts.evicted = 0
        self.ks.stats.hits = self.ks.stats.misses = self.ks.stats.expired = self.ks.stats.evicted = 0
        self.ks.stats.expired_stale_perc_x100 = self.ks.stats.expired_time_cap = 0
        self.ks.stats.expire_cycle_us = self.ks.stats.expired_fields = 0
        self.ks.lazy.counted_from = self.ks.lazy.freed
        self.x.evict.over_us = 0
        self.mem.peak = self.mem.used

    def client_is_local(self, uint64_t client_id):
        """True for a client of this process, of a unix socket or of the loopback interface."""
        cdef Client* c = client_by_id(&self.x.clients, client_id)
        if c == NULL or c.flags & (CL_FAKE | CL_UNIX):
            return True
        with socket.socket(fileno=os.dup(c.fd)) as sock:
            address = sock.getpeername()[0].split("%")[0]
        return ipaddress.ip_address(address).is_loopback

    def count_rejected(self):
        """A connection was refused for maxclients."""
        self.x.stats.rejected_connections += 1

    def purge(self):
        """Gives unused pages back to the system."""
        mem_purge(True)

    @staticmethod
    def disable_thp():
        """disable-thp: no transparent huge pages for this process; they cost memory here and copy time after a fork."""
        disable_huge_pages()

    @staticmethod
    def facts():
        """What the build is made of: allocator and clock names for INFO."""
        return {"mem_allocator": (<bytes>mem_allocator_name()).decode(),
                "monotonic_clock": (<bytes>RP_TICKS_NAME).decode()}

    def set_resize_avoid(self, bint avoid):
        """While a child process shares our memory, dicts grow only when far overfull."""
        for i in range(self.ks.ndbs):
            self.ks.dbs[i].keys.policy = RESIZE_AVOID if avoid else RESIZE_ALLOW
            self.ks.dbs[i].expires.policy = RESIZE_AVOID if avoid else RESIZE_ALLOW

    # ------------------------------------------------------------ memory by parts

    def memory_by_database(self):
        """[(id, keys, bytes of the table of keys, of that of expiries)] of databases with keys, or with a table still."""
        return [(i, self.ks.dbs[i].keys.used, dict_bytes(&self.ks.dbs[i].keys), dict_bytes(&self.ks.dbs[i].expires))
                for i in range(self.ks.ndbs) if dict_slots(&self.ks.dbs[i].keys)]

    def allocator_counters(self):
        """What the allocator counts: bytes in use, their peak, blocks."""
        return {"used": self.mem.used, "peak": max(self.mem.peak, self.mem.used), "blocks": self.mem.blocks}

    # ------------------------------------------------------------ DEBUG, HELLO, pauses

    @property
    def debug_allowed(self):
        """enable-debug-command: "no", "local" or "yes"."""
        return ("no", "yes", "local")[self.x.debug.allowed]

    @debug_allowed.setter
    def debug_allowed(self, value):
        self.x.debug.allowed = ("no", "yes", "local").index(value)

    @property
    def cron_paused(self):
        """DEBUG PAUSE-CRON: the server's own timed work rests too."""
        return self.x.debug.cron_paused

    def set_modules(self, list modules):
        """What HELLO tells of modules: a reply (proto/replies), usually a list of maps."""
        cdef Client* c
        for i in range(2):
            c = exec_client(&self.x, -1, CL_FAKE, 0)
            c.out.resp = 2 + i
            reply_object(&c.out, modules)
            text = gather_output(c)
            release_client(&self.x, c)
            sds_free(&self.mem, self.x.modules[i])
            self.x.modules[i] = sds_new(&self.mem, <const char*>text, len(text)) if modules else NULL

    def pause(self, str why, int64_t ms=-1):
        """Holds writes, expiry and eviction back for a "shutdown" or a "failover", for so long or (-1) until unpause()."""
        pause_clients(&self.x, PAUSES[why], env_wall_us(&self.env) // 1000 + ms if ms >= 0 else INT64_MAX, PAUSE_MODE_WRITE)

    def unpause(self, str why):
        """Ends what pause() began."""
        unpause_clients(&self.x, PAUSES[why])

    def pause_state(self):
        """("all", "write" or None, when before_sleep() must run for it in ms of now_ms, or 0): what is held back."""
        cdef uint32_t actions = pause_actions(&self.x)
        mode = "all" if actions & PAUSE_ALL else "write" if actions & PAUSE_WRITE else None
        return mode, pause_deadline(&self.x)

    # ------------------------------------------------------------ saving

    def save_rdb(self, int fd, **options):
        """Writes the data to a descriptor as RDB, here and now: {"keys", "bytes", "seconds"}. Raises OSError.

        Options: version 10 to 12 (0: the lowest that the data need), compress, checksum, aof_base; replication=(id,
        offset, database); functions=[code], function_sources() if not given; aux_before, aux_after: RDB records; eof_mark: 40 bytes, sent
        before and after; sync: fsync at the end, incremental_sync: on the way; timeout_ms: how long a pipe or socket
        may stay full; key_delay_us: wait after each key."""
        return self.saving([fd], "rdb", options).run()

    def rewrite_aof(self, int fd, **options):
        """Writes the commands that make the data; save_rdb's reply. Options: timestamp, and save_rdb's functions, sync,
        incremental_sync, timeout_ms, key_delay_us."""
        return self.saving([fd], "aof", options).run()

    def time_left_ms(self, bytes key, int db=0):
        """Milliseconds (at least 1) until the key expires, 0 if it does not, None if there is no such key. No access."""
        cdef Robj* o
        if not 0 <= db < self.ks.ndbs:
            raise ValueError("no such database")
        if self.x.depth == 0:
            env_freeze_now(&self.env)
        ks_begin_command(&self.ks)
        o = db_peek(&self.ks, &self.ks.dbs[db], slice_of(key, len(key)))
        if o == NULL:
            return None
        return 0 if robj_expire(o) == NO_EXPIRE else max(robj_expire(o) - self.env.now_ms, 1)

    def dump(self, bytes key, int db=0, int version=0):
        """DUMP's payload in an RDB version (0: the lowest that loses nothing). None: no such key, or it can't be written
        in that version."""
        cdef Sink s
        cdef RdbOptions opt
        cdef Robj* o
        if not 0 <= db < self.ks.ndbs or version not in (0, 10, 11, 12):
            raise ValueError("no such database or RDB version")
        env_freeze_now(&self.env)
        ks_begin_command(&self.ks)
        o = db_peek(&self.ks, &self.ks.dbs[db], slice_of(key, len(key)))
        rdb_options(&opt, &self.ks)
        opt.version = version
        if o == NULL or not sink_to_memory(&s, &self.mem):
            return None
        payload = (<char*>s.buf)[:s.used] if rdb_dump(&s, o, &opt) else None
        sink_free(&s)
        return payload

    def fork_save(self, fds, str kind="rdb", keep=(), **options):
        """Saves in a child process, as of now: (its pid, descriptor for child_info()). kind: "rdb" or "aof", options as
        above. The bytes go to every one of fds; all other descriptors are closed in the child, but those in keep.

        The child exits with 0, or 1 if it failed; SIGUSR1 ends it with 255. The caller waits for it, closes the
        descriptors here and calls set_resize_avoid. Raises OSError."""
        return self.saving(list(fds), kind, options).fork(list(keep))

    cdef SaveJob saving(self, list fds, str kind, dict options):
        cdef SaveJob job = SaveJob()
        self.check_thread()
        env_freeze_now(&self.env)
        if kind != "aof":
            options.setdefault("server_version", REDIS_VERSION.encode())
        if "functions" not in options:
            options["functions"] = self.function_sources()
        job.prepare(&self.ks, fds, kind, options)
        return job

    @staticmethod
    def child_info(int info_fd):
        """The child's next record, None if there is none yet: {"kind": "progress", "descriptor" (what became of fds[i])
        or "end", "error": errno, "keys", "bytes", "cow_bytes" ...}. Raises EOFError after the last."""
        return read_child_info(info_fd)


# ---------------------------------------------------------------- helpers without self

cdef dict script_counters(const Exec* x):
    cdef const ScriptFigures* s = &x.scripts
    return {
        "used_memory_vm_eval": s.vm_used[0][0] if s.vm_used[0] != NULL else 0,
        "used_memory_vm_functions": s.vm_used[1][0] if s.vm_used[1] != NULL else 0,
        "used_memory_scripts_eval": s.cache_bytes[0], "used_memory_functions": s.cache_bytes[1],
        "number_of_cached_scripts": s.scripts, "number_of_functions": s.functions,
        "number_of_libraries": s.libraries, "evicted_scripts": s.evicted,
    }


cdef void rooms_free(Exec* x) noexcept nogil:
    cdef int i
    for i in range(ROOMS):
        if x.rooms[i].state != NULL:
            x.rooms[i].free_state(x, x.rooms[i].state)
            x.rooms[i].state = NULL


cdef void timed_expiry(Exec* x, CycleKind kind) noexcept nogil:
    """An active expiry cycle; a long one is a latency event."""
    cdef int64_t us = x.ks.stats.expire_cycle_us
    expire_cycle(&x.expire, x.ks, kind)
    if unlikely(x.env.knobs.latency_monitor_threshold != 0):
        latency_add(x, b"expire-cycle", (x.ks.stats.expire_cycle_us - us) // 1000)


cdef void applied_error(Exec* x, Client* c) noexcept with gil:
    """A command of the primary failed here."""
    command = (<bytes>c.last_command[:c.last_command_len]).decode() if c.last_command != NULL else "<unknown>"
    said = gather_output(c)[1:].split(b"\r\n")[0].decode("utf-8", "replace")
    x.stats.unexpected_errors += 1
    (<Engine>x.engine).report(f"== CRITICAL == This replica is sending an error to its master: '{said}' after processing "
                              f"the command '{command}'")


cdef void replica_replied(Exec* x, Client* c) noexcept nogil:
    with gil:
        tell_replied(<Engine>x.engine, c)
    out_clear(&c.out)
    client_close(&x.clients, c)


cdef tell_replied(Engine engine, Client* c):
    """A replica that makes us reply is none, or a broken one."""
    command = (<bytes>c.last_command[:c.last_command_len]).decode() if c.last_command != NULL else "NULL"
    text = gather_output(c)
    if text.startswith(b"-"):
        said = text[1:].split(b"\r\n")[0].decode("utf-8", "replace")
        engine.report(f"== CRITICAL == This master is sending an error to its replica: '{said}' after processing the "
                      f"command '{command}'")
    engine.report(f"Replica generated a reply to command '{command}', disconnecting it: {engine.client_line(c.id)}")


cdef void keyspace_latency(void* ctx, const char* event, int64_t ms) noexcept nogil:
    latency_add(<Exec*>ctx, event, ms)


cdef bytes gather_output(Client* c):
    cdef Block* b = c.out.first
    cdef size_t n
    parts = []
    while b != NULL:
        n = <size_t>(c.out.pos - b.data) if b == c.out.last else b.used
        parts.append(b.data[:n])
        b = b.next
    return b"".join(parts)[c.out.sent:]


cdef void append_input(Mem* m, Client* c, const char* s, size_t n) noexcept nogil:
    cdef char* old = c.q.data
    if c.q.cap - c.q.len < n:
        c.q.cap = c.q.len + n
        c.q.data = <char*>mem_realloc(m, c.q.data, c.q.cap)
        parser_rebase(&c.parser, old, c.q.data)
    memcpy(c.q.data + c.q.len, s, n)
    c.q.len += n


cdef void rehash_for(Mem* m, Db* db, int64_t end, Env* env) noexcept nogil:
    while (dict_rehashing(&db.keys) or dict_rehashing(&db.expires)) and env_mono_us(env) < end:
        dict_rehash_step(m, &db.keys, 16)
        dict_rehash_step(m, &db.expires, 16)
