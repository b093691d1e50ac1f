# The ONE reader of clock, randomness and settings. `now_*` are frozen at the start of a unit of work, so that one
# command sees one time; tests replace the clock and seed.
from libc.stdint cimport int64_t, uint64_t, uint32_t

# All settings that compiled code reads, one int64 each: booleans 0/1, enums by their value, sizes in bytes,
# times in the setting's own unit. Names are the directives with '-' replaced by '_'. Table and defaults: env.pyx.
cdef struct Knobs:
    int64_t databases
    int64_t hz
    int64_t maxmemory
    int64_t maxmemory_policy
    int64_t maxmemory_samples
    int64_t maxmemory_eviction_tenacity
    int64_t maxmemory_clients
    int64_t lfu_log_factor
    int64_t lfu_decay_time
    int64_t active_expire_effort
    int64_t activerehashing
    int64_t lazyfree_lazy_eviction
    int64_t lazyfree_lazy_expire
    int64_t lazyfree_lazy_server_del
    int64_t lazyfree_lazy_user_del
    int64_t lazyfree_lazy_user_flush
    int64_t proto_max_bulk_len
    int64_t proto_inline_max_size
    int64_t client_query_buffer_limit
    int64_t maxclients
    int64_t timeout
    int64_t slowlog_log_slower_than
    int64_t slowlog_max_len
    int64_t commandlog_request_larger_than
    int64_t commandlog_large_request_max_len
    int64_t commandlog_reply_larger_than
    int64_t commandlog_large_reply_max_len
    int64_t latency_monitor_threshold
    int64_t latency_tracking
    int64_t notify_keyspace_events
    int64_t tracking_table_max_keys
    int64_t list_max_listpack_size
    int64_t list_compress_depth
    int64_t hash_max_listpack_entries
    int64_t hash_max_listpack_value
    int64_t set_max_intset_entries
    int64_t set_max_listpack_entries
    int64_t set_max_listpack_value
    int64_t zset_max_listpack_entries
    int64_t zset_max_listpack_value
    int64_t hll_sparse_max_bytes
    int64_t stream_node_max_bytes
    int64_t stream_node_max_entries
    int64_t rdbcompression
    int64_t rdbchecksum
    int64_t sanitize_dump_payload
    int64_t repl_backlog_size
    int64_t replica_read_only
    int64_t replica_serve_stale_data
    int64_t appendonly
    int64_t aof_timestamp_enabled
    int64_t busy_reply_threshold
    int64_t stop_writes_on_bgsave_error
    int64_t min_replicas_to_write
    int64_t min_replicas_max_lag
    int64_t cluster_enabled
    int64_t hide_user_data_from_log
    int64_t replica_ignore_maxmemory
    int64_t acllog_max_len
    int64_t acl_pubsub_default     # 0: allchannels, 1: resetchannels

cdef enum MaxmemoryPolicy:
    POLICY_LRU = 1
    POLICY_LFU = 2
    POLICY_ALLKEYS = 4
    POLICY_TTL = 8
    POLICY_RANDOM = 16
    POLICY_NOEVICTION = 32

cdef struct Env:
    int64_t now_us             # wall clock of this unit, microseconds since the epoch (frozen)
    int64_t now_ms             # the same in milliseconds
    int64_t mono_us            # monotonic clock of this turn
    int64_t offset_us          # tests: added to the wall and monotonic clock
    bint frozen                # tests: the clock stands still but for env_advance
    uint32_t lru_clock         # 24 bits of seconds (as OBJECT IDLETIME needs)
    uint64_t rng[4]            # xoshiro256++ state
    double ns_per_tick         # of rp_ticks, measured
    uint64_t ticks0            # where measuring began
    int64_t ns0
    uint64_t hash_seed[2]      # SipHash key of all dicts
    Knobs knobs

cdef void env_init(Env* e) noexcept nogil                        # defaults, seeds from the system
cdef void env_seed(Env* e, uint64_t seed) noexcept nogil         # tests: deterministic numbers and hash seed
cdef void env_freeze_now(Env* e) noexcept nogil                  # take the clock for the unit that begins
cdef void env_advance_us(Env* e, int64_t us) noexcept nogil      # tests: move the clock
cdef int64_t env_wall_us(Env* e) noexcept nogil                  # the clock right now, for measuring durations of real work
cdef int64_t env_mono_us(Env* e) noexcept nogil
cdef int64_t env_mono_ns(Env* e) noexcept nogil
cdef void env_calibrate(Env* e) noexcept nogil                   # measures rp_ticks again; from cron
cdef inline int64_t env_ticks_ns(const Env* e, uint64_t ticks) noexcept nogil:   # duration of so many rp_ticks
    return <int64_t>(<double>ticks * e.ns_per_tick)
cdef uint64_t env_rand(Env* e) noexcept nogil                    # 64 random bits, O(1)
cdef uint64_t env_rand_below(Env* e, uint64_t n) noexcept nogil  # uniform in [0, n), n > 0
cdef double env_rand_unit(Env* e) noexcept nogil                 # uniform in [0, 1)
cdef void env_secret(Env* e, void* out, size_t n) noexcept nogil   # n bytes that nobody can guess, at most 1024; the seed's while the clock is frozen
cdef int64_t* env_knob(Env* e, const char* name) noexcept nogil  # address of a setting by directive name, or NULL; O(n)
