"""Loading RDB files (contract: rdb_load.pxd). Room persist: used by Engine.load_rdb.

    magic and version | 250 AUX ... | per database: 254, 251, keys with their prefixes | 255 | checksum

Tables get their size from opcode 251. A key that was read waits for RDB_WAITING others before it goes into its table:
meanwhile the line that it goes to is fetched. Keys with an expiry that is past are read and dropped, unless a primary
will say when they go (RDB_KEEP_EXPIRED).

Whoever watches (progress) is called between reads of the source, so also within a very large value, and between keys.
"""
import os
import stat

from libc.errno cimport EINTR, errno
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset
from posix.unistd cimport read, usleep
from ..base.env cimport POLICY_LFU, env_freeze_now
from ..base.mem cimport Mem
from ..base.rp cimport likely, rp_load32le, rp_load64le, unlikely
from ..base.sds cimport Slice, slice_of
from ..keyspace.db cimport LFU_INIT, Db, Keyspace, db_put, db_subexpiry
from ..structs.dict cimport dict_find, dict_hash, dict_insert, dict_prefetch, dict_reserve
from ..types.object cimport (LRU_MAX, NO_EXPIRE, OBJ_HASH, Robj, robj_expire, robj_free, robj_key, robj_set_lru,
                             robj_type)
from .rdb_format cimport *
from .rdb_source cimport *
from .rdb_value cimport (RDB_VERSION_VALKEY, RdbReader, rdb_module_name, rdb_read_value, rdb_skip_module, reader_free,
                         reader_init)

cdef enum:
    KEY_LEAST = 3                  # bytes that a key with its value takes at least
    RESERVE_UNKNOWN = 1 << 26      # keys that room is made for when nobody knows how much will come


# ---------------------------------------------------------------- keys

cdef void rdb_set_age(Keyspace* ks, Robj* o, int64_t idle_s, int freq) noexcept nogil:
    cdef uint32_t minutes
    if ks.env.knobs.maxmemory_policy & POLICY_LFU:
        minutes = <uint32_t>((ks.env.now_ms // 60000) & 0xFFFF)
        robj_set_lru(o, minutes << 8 | <uint32_t>(freq if freq >= 0 else LFU_INIT))
        return
    if idle_s < 0:
        robj_set_lru(o, ks.env.lru_clock)
        return
    if idle_s > LRU_MAX // 2:                           # the clock goes round: no more can be told apart
        idle_s = LRU_MAX // 2
    robj_set_lru(o, (ks.env.lru_clock - <uint32_t>idle_s) & LRU_MAX)


cdef bint insert_one(RdbLoad* l, Robj* o, uint64_t hash) noexcept nogil:
    cdef size_t n
    cdef const char* key = robj_key(o, &n)
    if unlikely(dict_find(&l.db.keys, key, n, hash) != NULL):
        if not l.flags & RDB_REPLACE:
            robj_free(l.ks.mem, o)
            return source_fail(&l.r.src, b"Internal error: a key is there twice")
        db_put(l.ks, l.db, o)
        l.keys += 1
        return True
    dict_insert(l.ks.mem, &l.db.keys, hash, o)
    if robj_expire(o) != NO_EXPIRE:
        dict_insert(l.ks.mem, &l.db.expires, hash, o)
    if robj_type(o) == OBJ_HASH:
        db_subexpiry(l.ks, l.db, o)
    l.keys += 1
    return True


cdef bint insert_waiting(RdbLoad* l) noexcept nogil:
    cdef int i
    cdef bint fine = True
    for i in range(l.waits):
        if likely(fine):
            fine = insert_one(l, l.waiting[i].o, l.waiting[i].hash)
        else:
            robj_free(l.ks.mem, l.waiting[i].o)
    l.waits = 0
    return fine


cdef inline bint insert_later(RdbLoad* l, Robj* o) noexcept nogil:
    cdef RdbWaiting* w
    if l.waits == RDB_WAITING and not insert_waiting(l):
        robj_free(l.ks.mem, o)
        return False
    w = &l.waiting[l.waits]
    w.o = o
    w.hash = dict_hash(&l.db.keys, l.key.ptr, l.key.len)
    dict_prefetch(&l.db.keys, w.hash)
    l.waits += 1
    return True


cdef bint watch(RdbLoad* l) noexcept nogil:
    """Tells the owner how far the load is, when it is time to."""
    cdef uint64_t offset = source_offset(&l.r.src)
    if likely(offset < l.next_progress):
        return True
    l.next_progress = offset + l.interval
    if l.hooks.progress == NULL or l.hooks.progress(l.hooks.ctx, offset, l.keys + l.waits):
        return True
    return source_fault(&l.r.src, RDB_STOPPED)


cdef inline void forget_prefixes(RdbLoad* l) noexcept nogil:
    l.when_ms = NO_EXPIRE
    l.idle_s = -1
    l.freq = -1


cdef bint load_key(RdbLoad* l, int type) noexcept nogil:
    cdef Robj* o
    cdef Slice key
    if not source_text_kept(&l.r.src, &l.key):
        return False
    key = slice_of(l.key.ptr, l.key.len)
    o = rdb_read_value(&l.r, type, key, l.when_ms)
    if unlikely(o == NULL):
        if not l.r.empty:
            return False
        l.empty += 1
        if l.hooks.skipped != NULL:
            l.hooks.skipped(l.hooks.ctx, key)
    elif unlikely(l.when_ms != NO_EXPIRE and l.when_ms < l.now_ms and not l.flags & RDB_KEEP_EXPIRED):
        robj_free(l.ks.mem, o)
        l.expired += 1
    else:
        rdb_set_age(l.ks, o, l.idle_s, l.freq)
        if not insert_later(l, o):
            return False
    forget_prefixes(l)
    if unlikely(l.delay_us != NULL and l.delay_us[0] != 0):
        usleep(<uint32_t>l.delay_us[0])
    return watch(l)


# ---------------------------------------------------------------- opcodes

cdef bint load_prefix(RdbLoad* l, int op) noexcept nogil:
    """What stands before a key and tells of it."""
    cdef uint64_t n
    cdef int b
    if op == RDB_OP_EXPIRETIME_MS:
        return source_i64(&l.r.src, &l.when_ms)
    if op == RDB_OP_EXPIRETIME:
        if not source_need(&l.r.src, 4):
            return False
        l.when_ms = <int64_t><int32_t>rp_load32le(l.r.src.p) * 1000
        l.r.src.p += 4
        return True
    if op == RDB_OP_IDLE:
        if not source_len(&l.r.src, &n):
            return False
        l.idle_s = <int64_t>n if n < LRU_MAX else LRU_MAX
        return True
    b = source_byte(&l.r.src)
    l.freq = b
    return b >= 0


cdef bint load_select(RdbLoad* l) noexcept nogil:
    cdef uint64_t id
    if not source_len(&l.r.src, &id):
        return False
    if id >= <uint64_t>l.ks.ndbs:
        return source_fail(&l.r.src, b"Data file was created with more databases than the server has")
    if not insert_waiting(l):
        return False
    l.db = &l.dbs[id]
    return True


cdef bint load_sizes(RdbLoad* l) noexcept nogil:
    cdef uint64_t keys, expires, most
    if not source_len(&l.r.src, &keys) or not source_len(&l.r.src, &expires):
        return False
    most = source_left(&l.r.src) // KEY_LEAST if l.r.src.behind >= 0 else RESERVE_UNKNOWN
    keys = keys if keys < most else most
    expires = expires if expires < keys else keys
    if not insert_waiting(l):
        return False
    dict_reserve(l.ks.mem, &l.db.keys, <size_t>(l.db.keys.used + keys))
    if expires:
        dict_reserve(l.ks.mem, &l.db.expires, <size_t>(l.db.expires.used + expires))
    return True


cdef bint load_aux(RdbLoad* l) noexcept nogil:
    cdef RdbText* name = &l.r.a
    cdef RdbText* value = &l.r.b
    if not source_text_kept(&l.r.src, name) or not source_text(&l.r.src, value):
        return False
    if l.hooks.aux == NULL or l.hooks.aux(l.hooks.ctx, slice_of(name.ptr, name.len), slice_of(value.ptr, value.len)):
        return True
    return source_fault(&l.r.src, RDB_STOPPED)


cdef bint load_function(RdbLoad* l) noexcept nogil:
    if not source_text(&l.r.src, &l.r.a):
        return False
    if l.hooks.function == NULL or l.hooks.function(l.hooks.ctx, slice_of(l.r.a.ptr, l.r.a.len)):
        return True
    return source_fault(&l.r.src, RDB_STOPPED)


cdef bint load_module_aux(RdbLoad* l) noexcept nogil:
    """Data that a module keeps beside the keys: nobody here can use it."""
    cdef uint64_t id, tag, when
    if not source_len(&l.r.src, &id) or not source_len(&l.r.src, &tag) or not source_len(&l.r.src, &when):
        return False
    if tag != RDB_MODULE_UINT:
        return source_fail(&l.r.src, b"bad when_opcode of a module's AUX data")
    return rdb_skip_module(&l.r.src)


cdef bint load_slot_info(RdbLoad* l) noexcept nogil:
    cdef uint64_t n
    return source_len(&l.r.src, &n) and source_len(&l.r.src, &n) and source_len(&l.r.src, &n)


cdef bint load_op(RdbLoad* l, int op) noexcept nogil:
    if op == RDB_OP_EXPIRETIME_MS or op == RDB_OP_EXPIRETIME or op == RDB_OP_IDLE or op == RDB_OP_FREQ:
        return load_prefix(l, op)
    if op == RDB_OP_SELECTDB:
        return load_select(l)
    if op == RDB_OP_RESIZEDB:
        return load_sizes(l)
    if op == RDB_OP_AUX:
        return load_aux(l)
    if op == RDB_OP_FUNCTION2:
        return load_function(l)
    if op == RDB_OP_FUNCTION_PRE_GA:
        return source_fail(&l.r.src, b"Pre-release function format not supported.")
    if op == RDB_OP_MODULE_AUX:
        return load_module_aux(l)
    if op == RDB_OP_SLOT_INFO:
        return load_slot_info(l)
    return load_key(l, op)


# ---------------------------------------------------------------- the file

cdef int load_magic(RdbLoad* l) noexcept nogil:
    """RDB_DONE, a fault, or what is wrong with the first bytes."""
    cdef const uint8_t* p
    cdef int digits, i
    cdef int version = 0
    if not source_need(&l.r.src, RDB_MAGIC_BYTES):
        return l.r.src.fault
    p = l.r.src.p
    l.r.src.p += RDB_MAGIC_BYTES
    if memcmp(p, b"REDIS", 5) == 0:
        digits = 4
    elif memcmp(p, b"VALKEY", 6) == 0:
        digits = 3
    else:
        return RDB_WRONG_MAGIC
    for i in range(RDB_MAGIC_BYTES - digits, RDB_MAGIC_BYTES):
        if not c'0' <= p[i] <= c'9':
            return RDB_WRONG_MAGIC
        version = version * 10 + p[i] - c'0'
    l.r.version = version
    if digits == 3:
        return RDB_DONE if version == RDB_VERSION_VALKEY else RDB_WRONG_VERSION
    return RDB_DONE if RDB_VERSION_MIN <= version <= RDB_VERSION_MAX else RDB_WRONG_VERSION


cdef int load_sum(RdbLoad* l) noexcept nogil:
    if l.r.version < RDB_VERSION_CHECKSUM:
        return RDB_DONE
    l.have_sum = source_sum(&l.r.src)
    if not source_i64(&l.r.src, <int64_t*>&l.want_sum):
        return l.r.src.fault
    if l.want_sum == 0 or not l.r.src.checked or l.want_sum == l.have_sum:
        return RDB_DONE
    return RDB_WRONG_SUM


cdef int load_all(RdbLoad* l) noexcept nogil:
    cdef int op
    cdef int done = load_magic(l)
    if done != RDB_DONE:
        return done
    while True:
        op = source_byte(&l.r.src)
        if op < 0:
            return l.r.src.fault
        if op == RDB_OP_EOF:
            break
        if unlikely(not load_op(l, op)):
            return l.r.src.fault
    if not insert_waiting(l):
        return l.r.src.fault
    return load_sum(l)


cdef void rdb_load_init(RdbLoad* l, Keyspace* ks) noexcept nogil:
    memset(l, 0, sizeof(RdbLoad))
    reader_init(&l.r, ks.mem, ks.env)
    l.ks = ks
    l.dbs = ks.dbs
    l.now_ms = ks.env.now_ms
    l.interval = 2 << 20
    l.next_progress = l.interval
    forget_prefixes(l)


cdef int rdb_load(RdbLoad* l) noexcept nogil:
    cdef int done
    l.db = l.dbs
    l.r.deep = l.flags & RDB_DEEP != 0
    l.r.src.checked = not l.flags & RDB_NO_CHECKSUM
    done = load_all(l)
    while l.waits > 0:
        l.waits -= 1
        robj_free(l.ks.mem, l.waiting[l.waits].o)
    return done


cdef void rdb_load_free(RdbLoad* l) noexcept nogil:
    text_free(l.ks.mem, &l.key)
    reader_free(&l.r)


# ---------------------------------------------------------------- from Python

class RdbError(Exception):
    """A file that cannot be loaded. kind: "short", "corrupt", "memory", "read", "stopped", "signature", "version" or
    "checksum"; offset: bytes read until then; reason: what makes no sense there, or ""."""

    def __init__(self, kind, text, offset, reason=""):
        super().__init__(text)
        self.kind = kind
        self.offset = offset
        self.reason = reason


cdef class Loading:
    """What a load from Python keeps: its source, its callbacks and what they raised."""
    cdef RdbLoad l
    cdef int fd
    cdef object read_
    cdef object progress
    cdef object raised
    cdef dict aux
    cdef list functions
    cdef list skipped

    def __cinit__(self):
        self.fd = -1
        self.aux = {}
        self.functions = []
        self.skipped = []


cdef int64_t fill_fd(void* ctx, uint8_t* to, size_t n) noexcept nogil:
    cdef RdbLoad* l = <RdbLoad*>ctx
    cdef ssize_t got
    if not watch(l):
        return -<int64_t>RDB_STOPPED
    while True:
        got = read((<Loading>l.hooks.ctx).fd, to, n)
        if got >= 0:
            return got
        if errno != EINTR:
            l.r.src.error = errno
            return -<int64_t>RDB_READ


cdef int64_t fill_python(void* ctx, uint8_t* to, size_t n) noexcept with gil:
    cdef RdbLoad* l = <RdbLoad*>ctx
    cdef Loading self = <Loading>l.hooks.ctx
    cdef bytes piece
    cdef const char* p
    if not watch(l):
        return -<int64_t>RDB_STOPPED
    try:
        piece = self.read_(n)
        if len(piece) > n:
            raise ValueError("more bytes than were asked for")
    except BaseException as e:
        self.raised = e
        return -<int64_t>RDB_STOPPED
    p = piece
    memcpy(to, p, len(piece))
    return len(piece)


cdef bint told_progress(void* ctx, uint64_t offset, uint64_t keys) noexcept with gil:
    cdef Loading self = <Loading>ctx
    try:
        return not self.progress(offset, keys)
    except BaseException as e:
        self.raised = e
        return False


cdef bint told_aux(void* ctx, Slice name, Slice value) noexcept with gil:
    (<Loading>ctx).aux[name.ptr[:name.len]] = value.ptr[:value.len]
    return True


cdef bint told_function(void* ctx, Slice code) noexcept with gil:
    (<Loading>ctx).functions.append(code.ptr[:code.len])
    return True


cdef void told_skipped(void* ctx, Slice key) noexcept with gil:
    (<Loading>ctx).skipped.append(key.ptr[:key.len])


cdef object error_of(RdbLoad* l, int outcome):
    cdef char[9] name
    offset = source_offset(&l.r.src)
    if outcome == RDB_WRONG_MAGIC:
        return RdbError("signature", "Wrong signature trying to load DB from file", offset)
    if outcome == RDB_WRONG_VERSION:
        return RdbError("version", f"Can't handle RDB format version {l.r.version}", offset)
    if outcome == RDB_WRONG_SUM:
        return RdbError("checksum", f"Wrong RDB checksum expected: ({l.want_sum:x}) but got ({l.have_sum:x}). Aborting now.",
                        offset)
    if outcome == RDB_BAD:
        why = (<bytes>l.r.src.why).decode()
        if l.r.module:
            rdb_module_name(name, l.r.module)
            why += f" '{name[:9].decode()}'"
        return RdbError("corrupt", f"Internal error in RDB reading offset {offset} -> {why}", offset, why)
    if outcome == RDB_READ:
        return RdbError("read", f"I/O error reading RDB at offset {offset}: {os.strerror(l.r.src.error)}", offset)
    if outcome == RDB_STOPPED:
        return RdbError("stopped", f"Loading was stopped at offset {offset}", offset)
    kind = "memory" if outcome == RDB_NO_MEMORY else "short"
    return RdbError(kind, f"Short read or OOM loading DB at offset {offset}. Unrecoverable error, aborting now.", offset)


cdef int64_t size_of(int fd) except? -2:
    """Bytes from here to the end of a regular file; -1: not to be told."""
    about = os.fstat(fd)
    if not stat.S_ISREG(about.st_mode):
        return -1
    return max(about.st_size - os.lseek(fd, 0, os.SEEK_CUR), 0)


cdef rdb_load_python(Keyspace* ks, Db* dbs, object source, const int64_t* delay_us, dict options):
    cdef Loading self = Loading()
    cdef RdbLoad* l = &self.l
    cdef int outcome
    cdef int64_t size = -1
    rdb_load_init(l, ks)
    l.dbs = dbs
    l.flags = options["flags"]
    l.delay_us = delay_us
    l.interval = l.next_progress = options["interval"]
    l.hooks.ctx = <void*>self
    l.hooks.aux = told_aux
    l.hooks.function = told_function
    l.hooks.skipped = told_skipped
    self.progress = options["progress"]
    if self.progress is not None:
        l.hooks.progress = told_progress
    if callable(source):
        self.read_ = source
        source_open(&l.r.src, ks.mem, fill_python, l, -1)
    else:
        self.fd = source
        size = size_of(source)
        source_open(&l.r.src, ks.mem, fill_fd, l, size)
    try:
        with nogil:
            outcome = rdb_load(l)
        if self.raised is not None:
            raise self.raised
        if outcome != RDB_DONE:
            raise error_of(l, outcome)
        if size >= 0:
            os.lseek(self.fd, -(l.r.src.end - l.r.src.p), os.SEEK_CUR)
        return {"keys": l.keys, "expired": l.expired, "empty": self.skipped, "aux": self.aux,
                "functions": self.functions, "version": l.r.version, "bytes": source_offset(&l.r.src),
                "rest": l.r.src.p[:l.r.src.end - l.r.src.p]}
    finally:
        rdb_load_free(l)
