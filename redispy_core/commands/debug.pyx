"""DEBUG: what tests and operators need to look inside and to provoke. Compiled where it touches data.

What belongs to the server (the log, replication, files) it does itself: a subcommand unknown here is looked for among
the engine's hooks as "debug|<word>", hook(*args) -> reply. Refused unless enable-debug-command allows it.
"""
from libc.signal cimport SIGSEGV, raise_
from libc.stdint cimport int64_t, uint8_t
from libc.stdio cimport fflush, printf, snprintf, stdout
from libc.string cimport memcpy, memset
from ..base.env cimport env_advance_us
from ..base.mem cimport mem_alloc, mem_free, mem_try_alloc, mem_usable
from ..base.num cimport num_parse_double, num_parse_i64, num_parse_memory, num_print_i64
from ..base.rp cimport rp_assert, rp_panic
from ..base.sds cimport Sds, Slice, sds_append, sds_free, sds_new, slice_of
from ..exec.args cimport *
from ..exec.client cimport CL_FAKE, CL_UNIX, Client, Ctx
from ..exec.client_info cimport ADDR_MAX, client_addr
from ..exec.dispatch cimport Exec
from ..exec.registry cimport bind
from ..keyspace.db cimport *
from ..persist.rdb_format cimport RDB_VERSION_MAX
from ..persist.rdb_save cimport RdbOptions, rdb_options, rdb_save_value
from ..persist.sink cimport Sink, sink_bytes, sink_free, sink_to_memory
from ..proto.errors cimport *
from ..proto.reply cimport *
from ..structs.dict cimport RESIZE_ALLOW, RESIZE_FORBID, Dict, dict_rehashing, dict_reserve, dict_slots
from ..types.object cimport *
from .digest cimport DIGEST, digest_keyspace, digest_value

from ..proto.replies import Error
from .debug_help import HELP_LINES

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int nanosleep(const timespec* wanted, timespec* left)

ctypedef int (*debug_fn)(Ctx* x) noexcept nogil

cdef enum:
    SUBCOMMANDS = 40
    PEAK_RESET_MS = 5000            # REPLYBUFFER PEAK-RESET-TIME RESET

cdef struct Sub:
    const char* word
    int low                         # arguments behind the word
    int high
    debug_fn fn

cdef Sub[SUBCOMMANDS] subs          # filled at import, constant afterwards
cdef int sub_count = 0


cdef void sub(const char* word, int low, int high, debug_fn fn) noexcept:
    global sub_count
    subs[sub_count].word = word
    subs[sub_count].low = low
    subs[sub_count].high = high
    subs[sub_count].fn = fn
    sub_count += 1


cdef inline Exec* exec_of(Ctx* x) noexcept nogil:
    return <Exec*>x.exec


cdef inline int64_t number_of(Slice s) noexcept nogil:
    """Switches are read leniently: what is no number is 0."""
    cdef int64_t v = 0
    num_parse_i64(s.ptr, s.len, &v)
    return v


# ---------------------------------------------------------------- may it, and what is it

cdef bint is_local(const Client* c) noexcept nogil:
    cdef char[ADDR_MAX] buf
    cdef size_t n
    if c.flags & (CL_FAKE | CL_UNIX):
        return True
    n = client_addr(c, buf, False)
    buf[n] = 0
    return starts(buf, b"127.") or starts(buf, b"[::1]") or starts(buf, b"[::ffff:127.")


cdef bint starts(const char* s, const char* begin) noexcept nogil:
    cdef int i = 0
    while begin[i]:
        if s[i] != begin[i]:
            return False
        i += 1
    return True


cdef bint allowed(Ctx* x) noexcept nogil:
    cdef int how = exec_of(x).debug.allowed
    return how == 1 or (how == 2 and is_local(x.client))


cdef int by_hook(Ctx* x) noexcept nogil:
    """A subcommand of the server's. 0: there is none of that name."""
    with gil:
        return run_hook(x)


cdef int run_hook(Ctx* x):
    engine = <object>exec_of(x).engine
    try:
        args = [x.argv[i].ptr[:x.argv[i].len] for i in range(1, x.argc)]
        hook = engine.hooks.get("debug|" + args[0].decode("latin-1").lower())
        if hook is None:
            return 0
        reply_object(x.out, hook(*args[1:]))
    except Error as e:
        reply_object(x.out, e)
    except Exception as e:
        text = f"{type(e).__name__}: {e}".encode("utf-8", "replace")
        reply_errorf(x.out, E_DEBUG_UNAVAILABLE, x.argv[1], slice_of(text, len(text)))
    return 1


cdef int debug_command(Ctx* x) noexcept nogil:
    cdef int i
    cdef int args = x.argc - 2
    if not allowed(x):
        return reply_errorf(x.out, E_DEBUG_DISABLED, text_slice(b"DEBUG"), text_slice(b"enable-debug-command"))
    for i in range(sub_count):
        if word_is(x.argv[1], subs[i].word) and args >= subs[i].low and args <= subs[i].high:
            return subs[i].fn(x)
    if by_hook(x):
        return 0
    return reply_errorf(x.out, E_UNKNOWN_SUBCOMMAND_OR_ARITY, x.argv[1], text_slice(b"DEBUG"))


cdef Robj* peek_or_reply(Ctx* x, Slice key) noexcept nogil:
    """The key's block, be its time over or not."""
    cdef bint loading = x.ks.loading
    cdef Robj* o
    x.ks.loading = True
    o = db_peek(x.ks, x.db, key)
    x.ks.loading = loading
    if o == NULL:
        err(x, E_NO_SUCH_KEY)
    return o


# ---------------------------------------------------------------- time and switches

cdef int debug_sleep(Ctx* x) noexcept nogil:
    """The whole server stands still; under a frozen clock only that moves."""
    cdef double seconds = 0
    cdef timespec t
    num_parse_double(x.argv[2].ptr, x.argv[2].len, &seconds)
    if seconds > 0:
        if x.env.frozen:
            env_advance_us(x.env, <int64_t>(seconds * 1e6))
        else:
            t.tv_sec = <long>seconds
            t.tv_nsec = <long>((seconds - <double>t.tv_sec) * 1e9)
            nanosleep(&t, &t)
    return reply_ok(x.out)


cdef int debug_set_active_expire(Ctx* x) noexcept nogil:
    x.ks.active_expire = number_of(x.argv[2]) != 0
    return reply_ok(x.out)


cdef int debug_pause_cron(Ctx* x) noexcept nogil:
    exec_of(x).debug.cron_paused = number_of(x.argv[2]) != 0
    return reply_ok(x.out)


cdef int debug_deny_scripts(Ctx* x) noexcept nogil:
    exec_of(x).debug.scripts_deny_off = number_of(x.argv[2]) != 0
    return reply_ok(x.out)


cdef int debug_skip_checksum(Ctx* x) noexcept nogil:
    exec_of(x).debug.skip_checksum = number_of(x.argv[2]) != 0
    return reply_ok(x.out)


cdef int debug_dict_resizing(Ctx* x) noexcept nogil:
    cdef int i
    cdef bint may = number_of(x.argv[2]) != 0
    for i in range(x.ks.ndbs):
        x.ks.dbs[i].keys.policy = RESIZE_ALLOW if may else RESIZE_FORBID
        x.ks.dbs[i].expires.policy = RESIZE_ALLOW if may else RESIZE_FORBID
    return reply_ok(x.out)


cdef int debug_packed_threshold(Ctx* x) noexcept nogil:
    """Elements of lists at least this long get a node of their own; 0: as the settings say."""
    cdef int64_t n
    if not num_parse_memory(x.argv[2].ptr, x.argv[2].len, &n) or n < 0 or n >= 0xFFFFFFFFll:
        return err(x, E_PACKED_THRESHOLD)
    exec_of(x).debug.packed_threshold = n
    return reply_ok(x.out)


cdef int debug_replybuffer(Ctx* x) noexcept nogil:
    cdef int64_t ms
    if word_is(x.argv[2], b"resizing"):
        exec_of(x).debug.no_reply_resize = number_of(x.argv[3]) == 0
        return reply_ok(x.out)
    if not word_is(x.argv[2], b"peak-reset-time"):
        return reply_errorf(x.out, E_UNKNOWN_SUBCOMMAND_OR_ARITY, x.argv[1], text_slice(b"DEBUG"))
    if word_is(x.argv[3], b"never"):
        ms = -1
    elif word_is(x.argv[3], b"reset"):
        ms = PEAK_RESET_MS
    elif not i64_or_reply(x, x.argv[3], &ms):
        return 0
    exec_of(x).debug.peak_reset_ms = ms
    return reply_ok(x.out)


# ---------------------------------------------------------------- values

cdef size_t saved_length(Ctx* x, const Robj* o) noexcept nogil:
    """Bytes that the value takes in RDB."""
    cdef Sink s
    cdef RdbOptions opt
    cdef size_t n = 0
    rdb_options(&opt, x.ks)
    if sink_to_memory(&s, x.mem):
        s.checksum = False
        rdb_save_value(&s, o, &opt, RDB_VERSION_MAX)
        n = sink_bytes(&s)
        sink_free(&s)
    return n


cdef int debug_object(Ctx* x) noexcept nogil:
    cdef char[256] buf
    cdef int n
    cdef Robj* o = peek_or_reply(x, x.argv[2])
    if o == NULL:
        return 0
    n = snprintf(buf, sizeof(buf), b"Value at:%p refcount:1 encoding:%s serializedlength:%zu lru:%u "
                 b"lru_seconds_idle:%lld", <void*>o, enc_name(robj_enc(o)), saved_length(x, o), robj_lru(o),
                 <long long>(lru_idle_ms(x.ks, o) // 1000))
    return reply_status_n(x.out, buf, n)


cdef int debug_sdslen(Ctx* x) noexcept nogil:
    cdef char[256] buf
    cdef int n
    cdef size_t key_len, value_len
    cdef size_t spare = 0
    cdef size_t taken = 0
    cdef Sds* s
    cdef Robj* o = peek_or_reply(x, x.argv[2])
    if o == NULL:
        return 0
    if robj_type(o) != OBJ_STRING or robj_enc(o) == ENC_INT:
        return err(x, E_NOT_SDS)
    robj_key(o, &key_len)
    value_len = robj_strlen(o)
    if not o.flags & F_INLINE:
        s = <Sds*>robj_ptr(o)
        spare = s.cap - s.len
        taken = mem_usable(s)
    n = snprintf(buf, sizeof(buf), b"key_sds_len:%zu, key_sds_avail:%d, key_zmalloc: %zu, val_sds_len:%zu, "
                 b"val_sds_avail:%zu, val_zmalloc: %zu", key_len, 0, mem_usable(o), value_len, spare, taken)
    return reply_status_n(x.out, buf, n)


cdef int debug_listpack(Ctx* x) noexcept nogil:
    cdef Robj* o = peek_or_reply(x, x.argv[2])
    if o == NULL:
        return 0
    if robj_enc(o) != ENC_LISTPACK and robj_enc(o) != ENC_LISTPACK_EX:
        return err(x, E_NOT_LISTPACK)
    printf(b"%s of %zu elements in %zu bytes\n", enc_name(robj_enc(o)), robj_length(o), robj_memory(o, 0))
    fflush(stdout)
    return reply_status(x.out, b"Listpack structure printed on stdout")


# ---------------------------------------------------------------- digests

cdef int reply_digest(Ctx* x, const uint8_t* digest) noexcept nogil:
    cdef char[2 * DIGEST] hex
    cdef const char* digits = b"0123456789abcdef"
    cdef int i
    for i in range(DIGEST):
        hex[2 * i] = digits[digest[i] >> 4]
        hex[2 * i + 1] = digits[digest[i] & 15]
    return reply_status_n(x.out, hex, 2 * DIGEST)


cdef struct Quiet:                  # what reading would change, to be put back
    KeyspaceStats stats
    bint may_expire
    bint no_touch


cdef Quiet look_quietly(Keyspace* ks) noexcept nogil:
    cdef Quiet q
    q.stats = ks.stats
    q.may_expire = ks.may_expire
    q.no_touch = ks.no_touch
    ks.may_expire = False
    ks.no_touch = True
    return q


cdef void look_ended(Keyspace* ks, const Quiet* q) noexcept nogil:
    ks.stats = q.stats
    ks.may_expire = q.may_expire
    ks.no_touch = q.no_touch
    ks_begin_command(ks)


cdef int debug_digest(Ctx* x) noexcept nogil:
    """One digest of all databases, the same for the same content; 0 for none."""
    cdef uint8_t[DIGEST] sum
    cdef Quiet q = look_quietly(x.ks)
    digest_keyspace(x.ks, sum)
    look_ended(x.ks, &q)
    return reply_digest(x, sum)


cdef int debug_digest_value(Ctx* x) noexcept nogil:
    cdef uint8_t[DIGEST] digest
    cdef Quiet q = look_quietly(x.ks)
    cdef Robj* o
    cdef int i
    reply_array(x.out, x.argc - 2)
    for i in range(2, x.argc):
        memset(digest, 0, DIGEST)
        ks_begin_command(x.ks)
        o = db_peek(x.ks, x.db, x.argv[i])
        if o != NULL:
            digest_value(x.ks, o, digest)
        reply_digest(x, digest)
    look_ended(x.ks, &q)
    return 0


# ---------------------------------------------------------------- tables

cdef Sds* table_text(Ctx* x, Sds* s, const Dict* d, bint full) noexcept nogil:
    cdef char[256] buf
    cdef int n
    if d.used == 0 and d.t[0].n == 0:
        return s
    n = snprintf(buf, sizeof(buf), b"Hash table 0 stats (main hash table):\n table size: %llu\n"
                 b" number of elements: %zu\n", <unsigned long long>(dict_slots(d)), d.used)
    s = sds_append(x.mem, s, buf, n)
    if full:
        n = snprintf(buf, sizeof(buf), b" top-level buckets: %llu\n child buckets: %zu\n",
                     <unsigned long long>d.t[0].n, d.children)
        s = sds_append(x.mem, s, buf, n)
    if dict_rehashing(d):
        n = snprintf(buf, sizeof(buf), b"Hash table 1 stats (rehashing target):\n top-level buckets: %llu\n"
                     b" rehashing index: %llu\n", <unsigned long long>d.t[1].n, <unsigned long long>d.frontier)
        s = sds_append(x.mem, s, buf, n)
    return s


cdef int debug_htstats_key(Ctx* x) noexcept nogil:
    """Of a set or hash in its hashtable encoding: that payload begins with the Dict."""
    cdef Sds* s
    cdef Robj* o = peek_or_reply(x, x.argv[2])
    if o == NULL:
        return 0
    if robj_enc(o) != ENC_HT:
        return err(x, E_NOT_HASHTABLE)
    s = table_text(x, sds_new(x.mem, NULL, 0), <Dict*>robj_ptr(o), x.argc == 4 and word_is(x.argv[3], b"full"))
    reply_verbatim(x.out, s.data, s.len, b"txt")
    sds_free(x.mem, s)
    return 0


cdef int debug_htstats(Ctx* x) noexcept nogil:
    cdef int64_t id
    cdef Sds* s
    cdef bint full = x.argc == 4 and word_is(x.argv[3], b"full")
    if not i64_or_reply(x, x.argv[2], &id):
        return 0
    if id < 0 or id >= x.ks.ndbs:
        return err(x, E_DB_OUT_OF_RANGE)
    s = table_text(x, sds_new(x.mem, b"[Dictionary HT]\n", 16), &x.ks.dbs[id].keys, full)
    s = table_text(x, sds_append(x.mem, s, b"[Expires HT]\n", 13), &x.ks.dbs[id].expires, full)
    reply_verbatim(x.out, s.data, s.len, b"txt")
    sds_free(x.mem, s)
    return 0


# ---------------------------------------------------------------- POPULATE

cdef bint populate_one(Ctx* x, Slice prefix, int64_t i, char* value, size_t size) noexcept nogil:
    """False: no memory. `value` has room for size bytes, or for "value:<i>" when size is 0."""
    cdef char[24] digits
    cdef int n = num_print_i64(digits, i)
    cdef char* key = <char*>mem_alloc(x.mem, prefix.len + n + 2)
    cdef char[32] text
    cdef size_t len = 6 + n
    cdef Slice k
    cdef bint ok = True
    memcpy(key, prefix.ptr, prefix.len)
    key[prefix.len] = 58
    memcpy(key + prefix.len + 1, digits, n)
    k = slice_of(key, prefix.len + 1 + n)
    ks_begin_command(x.ks)
    if db_write(x.ks, x.db, k) == NULL:
        memcpy(text, b"value:", 6)
        memcpy(text + 6, digits, n)
        if size == 0:
            ok = db_set_string(x.ks, x.db, k, text, len, NO_EXPIRE)
        else:
            memset(value, 0, size)
            memcpy(value, text, len if len < size else size)
            ok = db_set_string(x.ks, x.db, k, value, size, NO_EXPIRE)
        key_touched(x.ks, x.db, k)
    ks_begin_command(x.ks)
    mem_free(x.mem, key)
    return ok


cdef int debug_populate(Ctx* x) noexcept nogil:
    """DEBUG POPULATE count [prefix] [size]: keys prefix:0 .. with value:0 .., padded with NULs or cut to size; those
    that exist stay."""
    cdef int64_t count
    cdef int64_t size = 0
    cdef int64_t i = 0
    cdef char* value = NULL
    cdef Slice prefix = x.argv[3] if x.argc > 3 else text_slice(b"key")
    if not positive_or_reply(x, x.argv[2], &count):
        return 0
    if x.argc > 4:
        if not positive_or_reply(x, x.argv[4], &size):
            return 0
        value = <char*>mem_try_alloc(x.mem, size + 1)
        if value == NULL:
            return err(x, E_OOM_ALLOC)
    if count < (1 << 28):
        dict_reserve(x.mem, &x.db.keys, count)
    while i < count and populate_one(x, prefix, i, value, size):
        i += 1
    mem_free(x.mem, value)
    return reply_ok(x.out) if i == count else err(x, E_OOM_ALLOC)


# ---------------------------------------------------------------- PROTOCOL, ERROR

cdef int protocol_array(Ctx* x) noexcept nogil:
    cdef int i
    for i in range(3):
        reply_int(x.out, i)
    return 0


cdef int protocol_map(Ctx* x) noexcept nogil:
    cdef int i
    reply_map(x.out, 3)
    for i in range(3):
        reply_int(x.out, i)
        reply_bool(x.out, i == 1)
    return 0


cdef int protocol_attribute(Ctx* x) noexcept nogil:
    if x.out.resp == 3:
        reply_attribute(x.out, 1)
        reply_bulk_text(x.out, b"key-popularity")
        reply_array(x.out, 2)
        reply_bulk_text(x.out, b"key:123")
        reply_int(x.out, 90)
    return reply_bulk_text(x.out, b"Some real reply following the attribute")


cdef int protocol_push(Ctx* x) noexcept nogil:
    if x.out.resp == 2:
        return err(x, E_PROTOCOL_RESP2)
    reply_bulk_text(x.out, b"Some real reply following the push reply")
    reply_push(x.out, 2)
    reply_bulk_text(x.out, b"server-cpu-usage")
    return reply_int(x.out, 42)


cdef int debug_protocol(Ctx* x) noexcept nogil:
    """A reply of each type, for the tests of client libraries."""
    cdef Slice name = x.argv[2]
    if word_is(name, b"string"):
        return reply_bulk_text(x.out, b"Hello World")
    if word_is(name, b"integer"):
        return reply_int(x.out, 12345)
    if word_is(name, b"double"):
        return reply_double(x.out, 3.141)
    if word_is(name, b"null"):
        return reply_null(x.out)
    if word_is(name, b"array"):
        reply_array(x.out, 3)
        return protocol_array(x)
    if word_is(name, b"set"):
        reply_set(x.out, 3)
        return protocol_array(x)
    if word_is(name, b"map"):
        return protocol_map(x)
    if word_is(name, b"attrib"):
        return protocol_attribute(x)
    if word_is(name, b"push"):
        return protocol_push(x)
    if word_is(name, b"true") or word_is(name, b"false"):
        return reply_bool(x.out, word_is(name, b"true"))
    if word_is(name, b"verbatim"):
        return reply_verbatim(x.out, b"This is a verbatim\nstring", 25, b"txt")
    if word_is(name, b"bignum"):
        return reply_bignum(x.out, b"1234567999999999999999999999999999999", 37)
    return err(x, E_PROTOCOL_TYPE)


cdef int debug_error(Ctx* x) noexcept nogil:
    return reply_error_text(x.out, x.argv[2].ptr, x.argv[2].len)


# ---------------------------------------------------------------- the end of the server, and the rest

cdef int debug_assert(Ctx* x) noexcept nogil:
    rp_assert(1 == 2)
    return 0


cdef int debug_panic(Ctx* x) noexcept nogil:
    rp_panic(b"called by DEBUG PANIC")
    return 0


cdef int debug_segfault(Ctx* x) noexcept nogil:
    raise_(SIGSEGV)
    return 0


cdef int debug_leak(Ctx* x) noexcept nogil:
    """Loses a copy of the argument: tells whether a leak checker works."""
    sds_new(x.mem, x.argv[2].ptr, x.argv[2].len)
    return reply_ok(x.out)


cdef int debug_structsize(Ctx* x) noexcept nogil:
    cdef char[128] buf
    cdef int n = snprintf(buf, sizeof(buf), b"bits:%zu robj:%zu dict:%zu client:%zu ", 8 * sizeof(void*), sizeof(Robj),
                          sizeof(Dict), sizeof(Client))
    return reply_bulk(x.out, buf, n)


cdef int debug_log(Ctx* x) noexcept nogil:
    with gil:
        write_log(x)
    return reply_ok(x.out)


cdef write_log(Ctx* x):
    (<object>exec_of(x).engine).report("DEBUG LOG: " + x.argv[2].ptr[:x.argv[2].len].decode("utf-8", "replace"))


cdef int debug_help(Ctx* x) noexcept nogil:
    with gil:
        write_help(x)
    return 0


cdef write_help(Ctx* x):
    reply_object(x.out, HELP_LINES)


sub(b"sleep", 1, 1, debug_sleep)
sub(b"set-active-expire", 1, 1, debug_set_active_expire)
sub(b"pause-cron", 1, 1, debug_pause_cron)
sub(b"set-disable-deny-scripts", 1, 1, debug_deny_scripts)
sub(b"set-skip-checksum-validation", 1, 1, debug_skip_checksum)
sub(b"dict-resizing", 1, 1, debug_dict_resizing)
sub(b"quicklist-packed-threshold", 1, 1, debug_packed_threshold)
sub(b"replybuffer", 2, 2, debug_replybuffer)
sub(b"object", 1, 1, debug_object)
sub(b"sdslen", 1, 1, debug_sdslen)
sub(b"listpack", 1, 1, debug_listpack)
sub(b"digest", 0, 0, debug_digest)
sub(b"digest-value", 0, 1 << 30, debug_digest_value)
sub(b"htstats", 1, 2, debug_htstats)
sub(b"htstats-key", 1, 2, debug_htstats_key)
sub(b"populate", 1, 3, debug_populate)
sub(b"protocol", 1, 1, debug_protocol)
sub(b"error", 1, 1, debug_error)
sub(b"assert", 0, 0, debug_assert)
sub(b"panic", 0, 0, debug_panic)
sub(b"segfault", 0, 0, debug_segfault)
sub(b"leak", 1, 1, debug_leak)
sub(b"structsize", 0, 0, debug_structsize)
sub(b"log", 1, 1, debug_log)
sub(b"help", 0, 0, debug_help)
bind(b"debug", debug_command)
