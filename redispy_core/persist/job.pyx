"""Savings (contract: job.pxd). Room persist: turns the keyword arguments of Engine.save_rdb, rewrite_aof and fork_save
into C structs, runs the saving without the GIL or forks it, and reads the child's records.
"""
import errno as errors
import os

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset
from ..base.env cimport env_mono_us
from ..base.mem cimport Mem, mem_alloc, mem_free
from ..base.sds cimport Slice, slice_of
from ..keyspace.db cimport Keyspace
from ..keyspace.lazyfree cimport lazy_go_on, lazy_hold
from .aof cimport aof_put_array, aof_put_bulk, aof_rewrite_all
from .child cimport CHILD_END, CHILD_OUT, CHILD_PROGRESS, ChildInfo, child_fork
from .rdb_format cimport RDB_EOF_MARK_BYTES, RDB_OP_FUNCTION2, RDB_VERSION_LISTPACKS, RDB_VERSION_MAX
from .rdb_save cimport RDB_LOWEST, rdb_options, rdb_put_string, rdb_save_all
from .sink cimport SINK_SYNC, Sink, SinkOut, sink_bytes, sink_free, sink_put, sink_to_fds

KINDS = {CHILD_PROGRESS: "progress", CHILD_OUT: "descriptor", CHILD_END: "end"}


# ---------------------------------------------------------------- what upper rooms save

cdef void put_before(void* ctx, Sink* s) noexcept nogil:
    cdef Parts* parts = &(<Work*>ctx).parts
    sink_put(s, parts.before.ptr, parts.before.len)


cdef void put_after(void* ctx, Sink* s) noexcept nogil:
    cdef Parts* parts = &(<Work*>ctx).parts
    sink_put(s, parts.after.ptr, parts.after.len)


cdef void put_functions(void* ctx, Sink* s) noexcept nogil:
    cdef Work* w = <Work*>ctx
    cdef unsigned char opcode = RDB_OP_FUNCTION2
    cdef int i
    for i in range(w.parts.nfunctions):
        sink_put(s, &opcode, 1)
        rdb_put_string(s, w.parts.functions[i].ptr, w.parts.functions[i].len, w.rdb.compress)


cdef void put_function_commands(void* ctx, Sink* s) noexcept nogil:
    cdef Work* w = <Work*>ctx
    cdef int i
    for i in range(w.parts.nfunctions):
        aof_put_array(s, 3)
        aof_put_bulk(s, b"FUNCTION", 8)
        aof_put_bulk(s, b"LOAD", 4)
        aof_put_bulk(s, w.parts.functions[i].ptr, w.parts.functions[i].len)


cdef int do_work(void* ctx, Sink* s) noexcept nogil:
    cdef Work* w = <Work*>ctx
    if w.is_aof:
        return aof_rewrite_all(w.ks, s, &w.aof)
    return rdb_save_all(w.ks, s, &w.rdb)


# ---------------------------------------------------------------- the job

cdef class SaveJob:
    """Made, prepared and run once."""

    def __cinit__(self):
        memset(&self.sink, 0, sizeof(Sink))
        memset(&self.work, 0, sizeof(Work))
        self.outs = NULL
        self.mem = NULL
        self.kept = []

    def __dealloc__(self):
        if self.mem != NULL:
            sink_free(&self.sink)
            mem_free(self.mem, self.outs)
            mem_free(self.mem, self.work.parts.functions)

    cdef Slice hold(self, bytes text):
        self.kept.append(text)
        return slice_of(text, len(text))

    cdef prepare(self, Keyspace* ks, list fds, str kind, dict options):
        """options: as Engine.fork_save tells; those that are left over are refused."""
        if kind not in ("rdb", "aof"):
            raise ValueError(f"no such kind of saving: {kind}")
        if not fds:
            raise ValueError("nowhere to save to")
        options = dict(options)
        self.mem = ks.mem
        self.work.ks = ks
        self.work.is_aof = kind == "aof"
        self.open_sink(fds, options)
        self.take_parts(options)
        if self.work.is_aof:
            self.work.aof.now_ms = ks.env.now_ms
            self.work.aof.timestamp = options.pop("timestamp", False)
            self.work.aof.ctx = &self.work
            self.work.aof.functions = put_function_commands
        else:
            self.take_rdb(options)
        if options:
            raise TypeError(f"unknown options: {', '.join(sorted(options))}")

    cdef open_sink(self, list fds, dict options):
        cdef int i
        self.outs = <SinkOut*>mem_alloc(self.mem, len(fds) * sizeof(SinkOut))
        for i in range(len(fds)):
            self.outs[i].fd = fds[i]
            self.outs[i].error = 0
        if not sink_to_fds(&self.sink, self.mem, self.outs, len(fds)):
            raise MemoryError
        self.sink.sync_bytes = SINK_SYNC if options.pop("incremental_sync", True) else 0
        self.sink.sync_end = options.pop("sync", True)
        self.sink.key_delay_us = options.pop("key_delay_us", 0)
        self.sink.timeout_ms = options.pop("timeout_ms", -1)

    cdef take_parts(self, dict options):
        cdef Parts* parts = &self.work.parts
        sources = list(options.pop("functions", ()))
        parts.functions = <Slice*>mem_alloc(self.mem, (len(sources) + 1) * sizeof(Slice))
        for source in sources:
            parts.functions[parts.nfunctions] = self.hold(source)
            parts.nfunctions += 1

    cdef take_rdb(self, dict options):
        cdef RdbOptions* o = &self.work.rdb
        rdb_options(o, self.work.ks)
        o.version = options.pop("version", RDB_LOWEST)
        if o.version != RDB_LOWEST and not RDB_VERSION_LISTPACKS <= o.version <= RDB_VERSION_MAX:
            raise ValueError(f"RDB version {o.version} can't be written")
        o.compress = options.pop("compress", o.compress)
        o.checksum = options.pop("checksum", o.checksum)
        o.aof_base = options.pop("aof_base", False)
        o.server_version = self.hold(options.pop("server_version", b""))
        o.eof_mark = self.hold(options.pop("eof_mark", b""))
        if o.eof_mark.len not in (0, RDB_EOF_MARK_BYTES):
            raise ValueError(f"an end mark has {RDB_EOF_MARK_BYTES} bytes")
        replication = options.pop("replication", None)
        if replication is not None:
            o.repl_id = self.hold(replication[0])
            o.repl_offset = replication[1]
            o.repl_db = replication[2]
        self.work.parts.before = self.hold(options.pop("aux_before", b""))
        self.work.parts.after = self.hold(options.pop("aux_after", b""))
        o.ctx = &self.work
        o.aux_before = put_before
        o.functions = put_functions
        o.aux_after = put_after

    cdef dict run(self):
        """Saves now. Raises OSError; ENOTSUP: the data can't be written in this form."""
        cdef int64_t began_us = env_mono_us(self.work.ks.env)
        cdef int error
        with nogil:
            error = do_work(&self.work, &self.sink)
        if error:
            raise OSError(error, os.strerror(error))
        return {"keys": self.sink.keys, "bytes": sink_bytes(&self.sink),
                "seconds": (env_mono_us(self.work.ks.env) - began_us) / 1e6}

    cdef tuple fork(self, list keep):
        """(pid, descriptor of the child's records). Raises OSError."""
        cdef int info_fd = -1
        cdef int pid
        cdef int n = len(keep)
        cdef int i
        cdef const char* title = b"redispy-aof-rw" if self.work.is_aof else b"redispy-rdb-bgsv"
        cdef int* fds = <int*>mem_alloc(self.mem, (n + 1) * sizeof(int))
        for i in range(n):
            fds[i] = keep[i]
        with nogil:
            lazy_hold(&self.work.ks.lazy)       # the child must not meet a lock that the freeing thread holds
            pid = child_fork(self.work.ks.env, &self.sink, do_work, &self.work, title, fds, n, &info_fd)
            lazy_go_on(&self.work.ks.lazy)
        mem_free(self.mem, fds)
        if pid < 0:
            raise OSError(-pid, os.strerror(-pid))
        return pid, info_fd


def read_child_info(int fd):
    """The child's next record, None when there is none yet. Raises EOFError when there will be none any more."""
    cdef ChildInfo info
    cdef bytes data
    try:
        data = os.read(fd, sizeof(ChildInfo))
    except BlockingIOError:
        return None
    if len(data) < sizeof(ChildInfo):
        raise EOFError("the child has ended")
    memcpy(&info, <const char*>data, sizeof(ChildInfo))
    return {"kind": KINDS[info.kind], "error": info.error, "error_name": errors.errorcode.get(info.error, ""),
            "keys": info.keys, "bytes": info.bytes, "cow_bytes": info.cow_bytes, "descriptor": info.out}
