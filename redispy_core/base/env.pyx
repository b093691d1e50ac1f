"""Clock, randomness and settings of one engine (see env.pxd): nothing else below the server reads them.

The clock is taken once a unit of work (`env_freeze_now`), so that all keys of a command see one time. Tests freeze it
and move it by hand. The random generator is xoshiro256++ (Blackman and Vigna, 2018), seeded through splitmix64.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport strcmp
from .rp cimport rp_mulhi64, rp_ticks

cdef extern from *:
    """
    #include <time.h>
    #include <unistd.h>
    #include <fcntl.h>
    static int64_t clock_ns(int which) {
        struct timespec t;
        clock_gettime(which ? CLOCK_MONOTONIC : CLOCK_REALTIME, &t);
        return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    }
    static void system_random(void *out, size_t n) {
        int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
        ssize_t got = fd >= 0 ? read(fd, out, n) : -1;
        if (fd >= 0) close(fd);
        if (got != (ssize_t)n) { int64_t t = clock_ns(0) ^ clock_ns(1) ^ getpid(); memcpy(out, &t, n < 8 ? n : 8); }
    }
    """
    int64_t clock_ns(int which) nogil
    void system_random(void* out, size_t n) nogil

cdef enum:
    CALIBRATE_NS = 100000       # first measurement of rp_ticks; cron refines it

# One row a setting that compiled code reads: name (with '_' for '-') and default.
KNOBS = {
    "databases": 16, "hz": 10, "maxmemory": 0, "maxmemory_policy": POLICY_NOEVICTION, "maxmemory_samples": 5,
    "maxmemory_eviction_tenacity": 10, "maxmemory_clients": 0, "lfu_log_factor": 10, "lfu_decay_time": 1,
    "active_expire_effort": 1, "activerehashing": 1, "lazyfree_lazy_eviction": 0, "lazyfree_lazy_expire": 0,
    "lazyfree_lazy_server_del": 0, "lazyfree_lazy_user_del": 0, "lazyfree_lazy_user_flush": 0,
    "proto_max_bulk_len": 512 << 20, "proto_inline_max_size": 64 << 10, "client_query_buffer_limit": 1 << 30,
    "maxclients": 10000, "timeout": 0, "slowlog_log_slower_than": 10000, "slowlog_max_len": 128,
    "commandlog_request_larger_than": 1 << 20, "commandlog_large_request_max_len": 128,
    "commandlog_reply_larger_than": 1 << 20, "commandlog_large_reply_max_len": 128,
    "latency_monitor_threshold": 0, "latency_tracking": 1, "notify_keyspace_events": 0,
    "tracking_table_max_keys": 1000000, "list_max_listpack_size": -2, "list_compress_depth": 0,
    "hash_max_listpack_entries": 512, "hash_max_listpack_value": 64, "set_max_intset_entries": 512,
    "set_max_listpack_entries": 128, "set_max_listpack_value": 64, "zset_max_listpack_entries": 128,
    "zset_max_listpack_value": 64, "hll_sparse_max_bytes": 3000, "stream_node_max_bytes": 4096,
    "stream_node_max_entries": 100, "rdbcompression": 1, "rdbchecksum": 1, "sanitize_dump_payload": 0,
    "repl_backlog_size": 1 << 20, "replica_read_only": 1, "replica_serve_stale_data": 1, "appendonly": 0,
    "aof_timestamp_enabled": 0, "busy_reply_threshold": 5000, "stop_writes_on_bgsave_error": 1,
    "min_replicas_to_write": 0, "min_replicas_max_lag": 10, "cluster_enabled": 0, "hide_user_data_from_log": 0,
    "replica_ignore_maxmemory": 1,
    "acllog_max_len": 128, "acl_pubsub_default": 1,
}

cdef struct KnobRow:
    const char* name
    size_t offset
    int64_t default

cdef KnobRow knob_rows[128]
cdef int knob_count = 0
cdef list knob_names = []           # keeps the names' bytes alive


cdef int build_knob_rows() except -1:
    """Knobs is a plain run of int64 fields, in the order of its declaration and of KNOBS (checked by a test)."""
    global knob_count
    for i, (name, default) in enumerate(KNOBS.items()):
        text = name.encode()
        knob_names.append(text)
        knob_rows[i].name = text
        knob_rows[i].offset = i * sizeof(int64_t)
        knob_rows[i].default = default
        knob_count = i + 1
    if knob_count * sizeof(int64_t) != sizeof(Knobs):
        raise AssertionError("env.KNOBS and struct Knobs differ")
    return 0

build_knob_rows()


cdef int64_t* env_knob(Env* e, const char* name) noexcept nogil:
    cdef int i
    for i in range(knob_count):
        if strcmp(knob_rows[i].name, name) == 0:
            return <int64_t*>(<char*>&e.knobs + knob_rows[i].offset)
    return NULL


cdef void env_init(Env* e) noexcept nogil:
    cdef int i
    cdef uint64_t[6] seeds
    for i in range(knob_count):
        (<int64_t*>(<char*>&e.knobs + knob_rows[i].offset))[0] = knob_rows[i].default
    system_random(seeds, sizeof(seeds))
    for i in range(4):
        e.rng[i] = seeds[i] | (i == 0)          # xoshiro must not start all zero
    e.hash_seed[0] = seeds[4]
    e.hash_seed[1] = seeds[5]
    e.offset_us = 0
    e.frozen = False
    e.ticks0 = rp_ticks()
    e.ns0 = clock_ns(1)
    while clock_ns(1) - e.ns0 < CALIBRATE_NS:
        pass
    env_calibrate(e)
    env_freeze_now(e)


cdef void env_calibrate(Env* e) noexcept nogil:
    cdef uint64_t ticks = rp_ticks() - e.ticks0
    if ticks:
        e.ns_per_tick = <double>(clock_ns(1) - e.ns0) / <double>ticks


cdef inline uint64_t splitmix(uint64_t* x) noexcept nogil:
    x[0] += 0x9E3779B97F4A7C15ULL
    cdef uint64_t z = x[0]
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL
    return z ^ (z >> 31)


cdef void env_seed(Env* e, uint64_t seed) noexcept nogil:
    cdef int i
    for i in range(4):
        e.rng[i] = splitmix(&seed)


cdef void env_secret(Env* e, void* out, size_t n) noexcept nogil:
    cdef size_t i
    if not e.frozen:
        system_random(out, n)
        return
    for i in range(n):
        (<unsigned char*>out)[i] = env_rand(e) & 255


cdef inline uint64_t rotl(uint64_t x, int k) noexcept nogil:
    return (x << k) | (x >> (64 - k))


cdef uint64_t env_rand(Env* e) noexcept nogil:
    cdef uint64_t* s = e.rng
    cdef uint64_t result = rotl(s[0] + s[3], 23) + s[0]
    cdef uint64_t t = s[1] << 17
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = rotl(s[3], 45)
    return result


cdef uint64_t env_rand_below(Env* e, uint64_t n) noexcept nogil:
    # The bias of multiply-shift is below n / 2**64: far under what any caller could see.
    return rp_mulhi64(env_rand(e), n)


cdef double env_rand_unit(Env* e) noexcept nogil:
    return <double>(env_rand(e) >> 11) * (1.0 / 9007199254740992.0)


cdef void set_now(Env* e, int64_t wall_us, int64_t mono_us) noexcept nogil:
    e.now_us = wall_us
    e.now_ms = wall_us // 1000
    e.mono_us = mono_us
    e.lru_clock = <uint32_t>((e.now_ms // 1000) & 0xFFFFFF)


cdef void env_freeze_now(Env* e) noexcept nogil:
    if e.frozen:
        return
    set_now(e, clock_ns(0) // 1000 + e.offset_us, clock_ns(1) // 1000 + e.offset_us)


cdef void env_advance_us(Env* e, int64_t us) noexcept nogil:
    e.offset_us += us
    set_now(e, e.now_us + us, e.mono_us + us)


cdef int64_t env_wall_us(Env* e) noexcept nogil:
    return e.now_us if e.frozen else clock_ns(0) // 1000 + e.offset_us


cdef int64_t env_mono_us(Env* e) noexcept nogil:
    return e.mono_us if e.frozen else clock_ns(1) // 1000 + e.offset_us


cdef int64_t env_mono_ns(Env* e) noexcept nogil:
    return e.mono_us * 1000 if e.frozen else clock_ns(1) + e.offset_us * 1000
