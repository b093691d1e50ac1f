"""INFO: one function a section, each a list of (field, value) rows in Redis's order.

A value is text, an integer, or a float that is printed as given. Fields whose feature is not there yet carry the value
that an idle Redis shows; each such row stands with its neighbours, so that a feature's arrival changes one line.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from redispy_core.version import REDIS_VERSION, VERSION

if TYPE_CHECKING:
    from .server import Server

Rows = list[tuple[str, Any]]


def human(n: int) -> str:
    """Bytes as INFO's *_human fields show them: 512B, 1.00K, 2.25M."""
    if n < 1024:
        return f"{n}B"
    for unit, shift in (("K", 10), ("M", 20), ("G", 30), ("T", 40), ("P", 50)):
        if n < 1 << (shift + 10):
            return f"{n / (1 << shift):.2f}{unit}"
    return f"{n}B"


def resident_bytes() -> int:
    """This process's resident set; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def total_memory() -> int:
    """Memory of the machine."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return 0


def server_section(s: Server) -> Rows:
    """# Server"""
    now = time.time()
    uptime = int(now - s.started)
    rows: Rows = [
        ("redis_version", REDIS_VERSION), ("server_name", "redispy"), ("redispy_version", VERSION),
        ("redis_git_sha1", "00000000"), ("redis_git_dirty", 0), ("redis_build_id", s.build_id),
        ("redis_mode", "cluster" if s.config["cluster-enabled"] else "standalone"),
        ("os", f"{platform.system()} {platform.release()} {platform.machine()}"),
        ("arch_bits", 64 if sys.maxsize > 2**32 else 32), ("monotonic_clock", s.facts["monotonic_clock"]),
        ("multiplexing_api", s.loop.poller.name), ("atomicvar_api", "c11-builtin"),
        ("gcc_version", platform.python_compiler().split(" ")[-1].strip("[]() ")), ("process_id", os.getpid()),
        ("process_supervised", s.config["supervised"]), ("run_id", s.run_id), ("tcp_port", s.config["port"] or s.config["tls-port"]),
        ("server_time_usec", int(now * 1_000_000)), ("uptime_in_seconds", uptime),
        ("uptime_in_days", uptime // 86400), ("hz", s.config["hz"]), ("configured_hz", s.config["hz"]),
        ("lru_clock", s.engine.counters()["lru_clock"]), ("executable", s.executable),
        ("config_file", s.config.filename or ""), ("io_threads_active", 0),
    ]
    if s.shutdown.waiting:
        rows.append(("shutdown_in_milliseconds", s.shutdown.left_ms))
    return rows + [(f"listener{i}", text) for i, text in enumerate(s.listener_texts())]


def clients_section(s: Server) -> Rows:
    """# Clients"""
    t = s.engine.client_totals()
    _, keys, keys_on_nokey = s.engine.waiting_counts()
    watching, watched = s.engine.watching_counts()
    tracking, *_ = s.engine.tracking_counts()
    return [
        ("connected_clients", t["connected"]), ("cluster_connections", 0), ("maxclients", s.config["maxclients"]),
        ("client_recent_max_input_buffer", t["max_input"]), ("client_recent_max_output_buffer", t["max_output"]),
        ("blocked_clients", t["blocked"]), ("tracking_clients", tracking), ("pubsub_clients", t["pubsub"]),
        ("watching_clients", watching), ("clients_in_timeout_table", 0), ("total_watched_keys", watched),
        ("total_blocking_keys", keys), ("total_blocking_keys_on_nokey", keys_on_nokey),
    ]


def script_rows(c: dict[str, int]) -> Rows:
    """Memory of the Lua states (apart from used_memory) and of what is cached for them (part of it)."""
    states = c["used_memory_vm_eval"] + c["used_memory_vm_functions"]
    cached = c["used_memory_scripts_eval"] + c["used_memory_functions"]
    eval_rows = ("used_memory_vm_eval", "used_memory_scripts_eval", "number_of_cached_scripts", "number_of_functions",
                 "number_of_libraries", "used_memory_vm_functions")
    rows: Rows = [(name, c[name]) for name in eval_rows]
    rows.insert(1, ("used_memory_lua_human", human(c["used_memory_vm_eval"])))
    return [("used_memory_lua", c["used_memory_vm_eval"]), *rows,
            ("used_memory_vm_total", states), ("used_memory_vm_total_human", human(states)),
            ("used_memory_functions", c["used_memory_functions"]), ("used_memory_scripts", cached),
            ("used_memory_scripts_human", human(cached))]


def memory_section(s: Server) -> Rows:
    """# Memory"""
    c = s.engine.counters()
    tables, rehashing, _ = s.engine.table_memory()
    used, rss, peak = c["used_memory"], resident_bytes(), c["used_memory_peak"]
    clients = s.engine.client_totals()["memory"]
    repl = s.primary.memory_rows()
    overhead = s.engine.startup_memory + tables + clients + repl["clients"] + repl["backlog"]
    dataset = max(0, used - overhead)
    grown = max(1, used - s.engine.startup_memory)
    total, limit = total_memory(), s.config.number("maxmemory")
    return [
        ("used_memory", used), ("used_memory_human", human(used)), ("used_memory_rss", rss),
        ("used_memory_rss_human", human(rss)), ("used_memory_peak", peak), ("used_memory_peak_human", human(peak)),
        ("used_memory_peak_perc", f"{used * 100 / peak:.2f}%"), ("used_memory_overhead", overhead),
        ("used_memory_startup", s.engine.startup_memory), ("used_memory_dataset", dataset),
        ("used_memory_dataset_perc", f"{min(100.0, dataset * 100 / grown):.2f}%"),
        ("allocator_allocated", used), ("allocator_active", used), ("allocator_resident", rss),
        ("allocator_muzzy", 0), ("total_system_memory", total), ("total_system_memory_human", human(total)),
        *script_rows(c), ("maxmemory", limit), ("maxmemory_human", human(limit)),
        ("maxmemory_policy", s.config["maxmemory-policy"]), ("allocator_frag_ratio", "1.00"),
        ("allocator_frag_bytes", 0), ("allocator_rss_ratio", f"{rss / max(1, used):.2f}"),
        ("allocator_rss_bytes", rss - used), ("rss_overhead_ratio", "1.00"), ("rss_overhead_bytes", 0),
        ("mem_fragmentation_ratio", f"{rss / max(1, used):.2f}"), ("mem_fragmentation_bytes", rss - used),
        ("mem_not_counted_for_evict", c["mem_not_counted_for_evict"]), ("mem_replication_backlog", repl["backlog"]),
        ("mem_total_replication_buffers", repl["total"]), ("mem_clients_slaves", repl["clients"]), ("mem_clients_normal", clients), ("mem_cluster_links", 0), ("mem_aof_buffer", 0),
        ("mem_allocator", s.facts["mem_allocator"]), ("mem_overhead_db_hashtable_rehashing", rehashing),
        ("active_defrag_running", 0), ("lazyfree_pending_objects", c["lazyfree_pending_objects"]),
        ("lazyfreed_objects", c["lazyfreed_objects"]),
    ]


def persistence_section(s: Server) -> Rows:
    """# Persistence"""
    saving, aof, child, loading = s.saving, s.aof, s.children.active, s.loading.progress
    rows: Rows = [
        ("loading", int(loading is not None and not s.loading.aside)),
        ("async_loading", int(loading is not None and s.loading.aside)),
        ("current_cow_peak", child.cow_peak if child else 0), ("current_cow_size", child.cow if child else 0),
        ("current_cow_size_age", int(time.monotonic() - child.cow_at) if child else 0),
        ("current_fork_perc", f"{100 * child.keys / max(1, child.keys_total):.2f}" if child else "0.00"),
        ("current_save_keys_processed", child.keys if child else 0),
        ("current_save_keys_total", child.keys_total if child else 0),
        ("rdb_changes_since_last_save", s.engine.counters()["dirty"]),
        ("rdb_bgsave_in_progress", int(s.children.busy("rdb") or s.children.busy("sync"))), ("rdb_last_save_time", saving.last_save),
        ("rdb_last_bgsave_status", "ok" if saving.last_ok else "err"),
        ("rdb_last_bgsave_time_sec", saving.last_seconds),
        ("rdb_current_bgsave_time_sec", child.seconds if child and child.kind in ("rdb", "sync") else -1),
        ("rdb_saves", saving.saves), ("rdb_last_cow_size", saving.last_cow),
        ("rdb_last_load_keys_expired", s.loading.keys_expired), ("rdb_last_load_keys_loaded", s.loading.keys_loaded),
        ("aof_enabled", int(aof.enabled or aof.waiting_first)),
        ("aof_rewrite_in_progress", int(s.children.busy("aof"))), ("aof_rewrite_scheduled", int(aof.scheduled)),
        ("aof_last_rewrite_time_sec", aof.last_seconds),
        ("aof_current_rewrite_time_sec", child.seconds if child and child.kind == "aof" else -1),
        ("aof_last_bgrewrite_status", "ok" if aof.last_ok else "err"), ("aof_rewrites", aof.rewrites),
        ("aof_rewrites_consecutive_failures", aof.failures),
        ("aof_last_write_status", "err" if aof.write_error else "ok"), ("aof_last_cow_size", aof.last_cow),
        ("module_fork_in_progress", 0), ("module_fork_last_cow_size", 0),
    ]
    if aof.fd >= 0:
        rows += aof.rows()
    if loading is not None:
        rows += loading.rows(s.loading.rdb_memory)
    return rows


def stats_section(s: Server) -> Rows:
    """# Stats"""
    c = s.engine.counters()
    channels, patterns, shards = s.engine.topic_counts()
    _, tracked_keys, items, prefixes = s.engine.tracking_counts()
    rate = s.rates
    plain = ("total_connections_received", "total_commands_processed")
    rows: Rows = [(name, c[name]) for name in plain]
    return rows + [
        ("instantaneous_ops_per_sec", rate.per_second("total_commands_processed")),
        ("total_net_input_bytes", c["total_net_input_bytes"]), ("total_net_output_bytes", c["total_net_output_bytes"]),
        ("total_net_repl_input_bytes", c["total_net_repl_input_bytes"]),
        ("total_net_repl_output_bytes", c["total_net_repl_output_bytes"]),
        ("instantaneous_input_kbps", f"{rate.per_second('total_net_input_bytes') / 1024:.2f}"),
        ("instantaneous_output_kbps", f"{rate.per_second('total_net_output_bytes') / 1024:.2f}"),
        ("instantaneous_input_repl_kbps", f"{rate.per_second('total_net_repl_input_bytes') / 1024:.2f}"),
        ("instantaneous_output_repl_kbps", f"{rate.per_second('total_net_repl_output_bytes') / 1024:.2f}"),
        ("rejected_connections", c["rejected_connections"]), ("sync_full", s.primary.full_syncs),
        ("sync_partial_ok", s.primary.partial_syncs), ("sync_partial_err", s.primary.partial_refused), ("expired_subkeys", c["expired_subkeys"]), ("expired_keys", c["expired_keys"]),
        ("expired_stale_perc", f"{c['expired_stale_perc_x100'] / 100:.2f}"),
        ("expired_time_cap_reached_count", c["expired_time_cap_reached_count"]),
        ("expire_cycle_cpu_milliseconds", c["expire_cycle_cpu_milliseconds"]), ("evicted_keys", c["evicted_keys"]),
        ("evicted_clients", c["evicted_clients"]), ("evicted_scripts", c["evicted_scripts"]),
        ("total_eviction_exceeded_time", c["total_eviction_exceeded_time"]),
        ("current_eviction_exceeded_time", c["current_eviction_exceeded_time"]),
        ("keyspace_hits", c["keyspace_hits"]), ("keyspace_misses", c["keyspace_misses"]),
        ("pubsub_channels", channels), ("pubsub_patterns", patterns), ("pubsubshard_channels", shards),
        ("latest_fork_usec", s.children.fork_us), ("total_forks", s.children.forks), ("migrate_cached_sockets", len(s.migration)),
        ("slave_expires_tracked_keys", c["own_ttls"]), ("active_defrag_hits", 0), ("active_defrag_misses", 0),
        ("active_defrag_key_hits", 0), ("active_defrag_key_misses", 0), ("total_active_defrag_time", 0),
        ("current_active_defrag_time", 0), ("tracking_total_keys", tracked_keys), ("tracking_total_items", items),
        ("tracking_total_prefixes", prefixes), ("unexpected_error_replies", c["unexpected_error_replies"]),
        ("total_error_replies", c["total_error_replies"]), ("dump_payload_sanitizations", 0),
        ("total_reads_processed", c["total_reads_processed"]),
        ("total_writes_processed", c["total_writes_processed"]), ("io_threaded_reads_processed", 0),
        ("io_threaded_writes_processed", 0),
        ("client_query_buffer_limit_disconnections", c["client_query_buffer_limit_disconnections"]),
        ("client_output_buffer_limit_disconnections", c["client_output_buffer_limit_disconnections"]),
        ("reply_buffer_shrinks", 0), ("reply_buffer_expands", 0), ("eventloop_cycles", c["eventloop_cycles"]),
        ("eventloop_duration_sum", c["eventloop_duration_sum"]),
        ("eventloop_duration_cmd_sum", c["eventloop_duration_cmd_sum"]),
        ("instantaneous_eventloop_cycles_per_sec", rate.per_second("eventloop_cycles")),
        ("instantaneous_eventloop_duration_usec",
         rate.per_second("eventloop_duration_sum") // max(1, rate.per_second("eventloop_cycles"))),
        *((name, c[name]) for name in ("acl_access_denied_auth", "acl_access_denied_cmd", "acl_access_denied_key",
                                       "acl_access_denied_channel")),
    ]


def replication_section(s: Server) -> Rows:
    """# Replication"""
    stream, ids = s.engine.stream_figures(), s.identity
    role: Rows = s.replica.info_rows() if s.primary.is_replica else [("role", "master")]
    return role + s.primary.info_rows() + [
        ("master_failover_state", s.failover.state), ("master_replid", ids.replid), ("master_replid2", ids.replid2),
        ("master_repl_offset", stream["offset"]), ("second_repl_offset", ids.second_offset),
        ("repl_backlog_active", int(stream["open"])), ("repl_backlog_size", s.config.number("repl-backlog-size")),
        ("repl_backlog_first_byte_offset", stream["first"] + 1 if stream["open"] else 0),
        ("repl_backlog_histlen", stream["offset"] - stream["first"] if stream["open"] else 0),
    ]


def cpu_section(s: Server) -> Rows:
    """# CPU"""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    thread = resource.getrusage(resource.RUSAGE_THREAD) if hasattr(resource, "RUSAGE_THREAD") else own
    return [
        ("used_cpu_sys", f"{own.ru_stime:.6f}"), ("used_cpu_user", f"{own.ru_utime:.6f}"),
        ("used_cpu_sys_children", f"{children.ru_stime:.6f}"), ("used_cpu_user_children", f"{children.ru_utime:.6f}"),
        ("used_cpu_sys_main_thread", f"{thread.ru_stime:.6f}"),
        ("used_cpu_user_main_thread", f"{thread.ru_utime:.6f}"),
    ]


def commandstats_section(s: Server) -> Rows:
    """# Commandstats"""
    return [(f"cmdstat_{name}", f"calls={calls},usec={ns // 1000},usec_per_call={ns / 1000 / max(1, calls):.2f},"
             f"rejected_calls={rejected},failed_calls={failed}")
            for name, calls, ns, rejected, failed, _ in s.engine.registry.stats()]


def errorstats_section(s: Server) -> Rows:
    """# Errorstats"""
    counts, full = s.engine.error_counts()
    if full:
        return [("errorstat_ERRORSTATS_DISABLED", "count=1")]
    return [(f"errorstat_{code}", f"count={n}") for code, n in sorted(counts.items())]


def percentile(hist: list[int], share: float, bounds: Callable[[int], tuple[int, int]]) -> float:
    """Microseconds below which `share` percent of the calls stayed."""
    wanted, seen = sum(hist) * share / 100, 0
    for i, n in enumerate(hist):
        seen += n
        if n and seen >= wanted:
            return bounds(i)[1] / 1000
    return 0.0


def latencystats_section(s: Server) -> Rows:
    """# Latencystats"""
    if not s.config["latency-tracking"]:
        return []
    shares = s.config["latency-tracking-info-percentiles"]
    rows: Rows = []
    for name, calls, _, _, _, hist in s.engine.registry.stats():
        if calls and hist:
            values = ",".join(f"p{share:g}={percentile(hist, share, s.bucket_bounds):.3f}" for share in shares)
            rows.append((f"latency_percentiles_usec_{name}", values))
    return rows


def cluster_section(s: Server) -> Rows:
    """# Cluster"""
    return [("cluster_enabled", int(s.config["cluster-enabled"]))]


def keyspace_section(s: Server) -> Rows:
    """# Keyspace"""
    return [(f"db{i}", f"keys={keys},expires={expires},avg_ttl={ttl},subexpiry={timed}")
            for i, keys, expires, ttl, timed in s.engine.databases()]


def debug_section(s: Server) -> Rows:
    """# Debug: shown only when asked for by name."""
    c = s.engine.counters()
    return [("eventloop_duration_aof_sum", 0), ("eventloop_duration_cron_sum", c["eventloop_duration_cron_sum"]),
            ("eventloop_duration_max", c["eventloop_duration_max"]),
            ("eventloop_cmd_per_cycle_max", c["eventloop_cmd_per_cycle_max"])]


def modules_section(s: Server) -> Rows:
    """# Modules"""
    return []


# Name, function, and in which of default, all and everything a section stands.
SECTIONS: dict[str, tuple[str, Callable[[Any], Rows], bool]] = {
    "server": ("Server", server_section, True), "clients": ("Clients", clients_section, True),
    "memory": ("Memory", memory_section, True), "persistence": ("Persistence", persistence_section, True),
    "stats": ("Stats", stats_section, True), "replication": ("Replication", replication_section, True),
    "cpu": ("CPU", cpu_section, True), "modules": ("Modules", modules_section, True),
    "commandstats": ("Commandstats", commandstats_section, False),
    "errorstats": ("Errorstats", errorstats_section, True),
    "latencystats": ("Latencystats", latencystats_section, False),
    "debug": ("Debug", debug_section, False),
    "cluster": ("Cluster", cluster_section, True), "keyspace": ("Keyspace", keyspace_section, True),
}


def chosen_sections(names: list[str]) -> list[str]:
    """Sections of INFO's arguments (lower case), in INFO's order; unknown ones give none."""
    if not names:
        names = ["default"]
    wanted: set[str] = set()
    for name in names:
        if name in ("all", "everything"):
            wanted.update(n for n in SECTIONS if n != "debug" and (name == "everything" or n != "modules"))
        elif name == "default":
            wanted.update(n for n, (_, _, default) in SECTIONS.items() if default)
        else:
            wanted.add(name)
    return [n for n in SECTIONS if n in wanted]


def info_text(s: Server, names: list[str]) -> str:
    """The text of INFO."""
    parts = []
    for name in chosen_sections(names):
        title, fn, _ = SECTIONS[name]
        parts.append(f"# {title}\r\n" + "".join(f"{field}:{value}\r\n" for field, value in fn(s)))
    return "\r\n".join(parts)


class Rates:
    """Per-second rates over the last 16 samples, as the instantaneous_* fields show them."""

    SAMPLES = 16
    EVERY = 0.099               # seconds

    def __init__(self, read: Callable[[], dict[str, int]]) -> None:
        self._read = read
        self._last: tuple[float, dict[str, int]] = (time.monotonic(), read())
        self._history: list[tuple[float, dict[str, int]]] = []

    def sample(self) -> None:
        """Called by cron; takes a sample every 100 ms."""
        now = time.monotonic()
        if self._history and now - self._history[-1][0] < self.EVERY:
            return
        self._history.append((now, self._read()))
        del self._history[:-self.SAMPLES]

    def per_second(self, name: str) -> int:
        """Growth of a counter a second."""
        if len(self._history) < 2:
            return 0
        (t0, first), (t1, last) = self._history[0], self._history[-1]
        return int(max(0, last[name] - first[name]) / max(0.001, t1 - t0))
