"""The table of settings: every directive of redis.conf that has a value, one row each.

Read by config.py (mechanism) and by whoever lists settings; the types of values are in config_values.py. Facts: what
CONFIG GET and SET of Redis 7.4 take and answer; Valkey's additional names are accepted too. Directives without a value
(include, user, rename-command, loadmodule, sentinel) are config.py's business. To add a setting, add a row.
"""
from __future__ import annotations

import enum
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .config_values import (INT_MAX, INT_MIN, LONG_MAX, UINT_MAX, ULONG_MAX, check_hostname, check_locale,
                            check_node_name, check_shutdown, check_title, file_name, ip_address)

KB, MB, GB = 2**10, 2**20, 2**30


class Flag(enum.Flag):
    """Without a flag a setting may be changed while the server runs, and CONFIG GET * shows it."""
    NONE = 0
    IMMUTABLE = enum.auto()      # at start only
    PROTECTED = enum.auto()      # CONFIG SET needs enable-protected-configs
    NO_LOADING = enum.auto()     # CONFIG SET is refused while a data set is loaded
    SENSITIVE = enum.auto()      # its value stays out of logs
    HIDDEN = enum.auto()         # debugging: only an exact name shows it
    FILE = enum.auto()           # names a file with more settings in it: takes effect even if it is set as it was


NONE, IMMUTABLE, PROTECTED = Flag.NONE, Flag.IMMUTABLE, Flag.PROTECTED
NO_LOADING, SENSITIVE, HIDDEN, FILE = Flag.NO_LOADING, Flag.SENSITIVE, Flag.HIDDEN, Flag.FILE


@dataclass(frozen=True, slots=True)
class Setting:
    """One directive. `default` is a value (as config[name] gives it), None meaning unset; bounds are inclusive."""
    name: str
    kind: str                                        # a key of config_values.KINDS
    default: Any
    aliases: tuple[str, ...] = ()
    low: int = 0
    high: int = 0
    choices: tuple[tuple[str, int], ...] = ()        # enums: names and numbers, in the order of error texts
    flags: Flag = NONE
    clamp: tuple[int, int] | None = None             # accepted values are moved into this range
    check: Callable[[Any], None] | None = None       # raises BadValue for more than the kind refuses
    always: bool = False                             # CONFIG REWRITE writes it even if it has its default

    @property
    def names(self) -> tuple[str, ...]:
        """The name and its aliases."""
        return (self.name, *self.aliases)


def _bool(name: str, default: bool, **more: Any) -> Setting:
    return Setting(name, "bool", default, **more)


def _int(name: str, default: int, low: int, high: int, **more: Any) -> Setting:
    return Setting(name, "uint" if low >= 0 else "int", default, low=low, high=high, **more)


def _octal(name: str, default: int, low: int, high: int, **more: Any) -> Setting:
    return Setting(name, "octal", default, low=low, high=high, **more)


def _memory(name: str, default: int, low: int, high: int, **more: Any) -> Setting:
    return Setting(name, "memory", default, low=low, high=high, **more)


def _percent(name: str, default: int, low: int, high: int, **more: Any) -> Setting:
    return Setting(name, "percent", default, low=low, high=high, **more)


def _text(name: str, default: str | None, **more: Any) -> Setting:
    return Setting(name, "string", default, **more)


def _enum(name: str, default: str, names: str | dict[str, int], **more: Any) -> Setting:
    """Names as one text are numbered from 0."""
    table = names if isinstance(names, dict) else {word: i for i, word in enumerate(names.split())}
    return Setting(name, "enum", default, choices=tuple(table.items()), **more)


def _signals(name: str) -> Setting:
    return Setting(name, "multi-enum", ("default",), check=check_shutdown,
                   choices=(("default", 0), ("save", 1), ("nosave", 2), ("now", 4), ("force", 8)))


# The numbers are those of the compiled core: LRU 1, LFU 2, all keys 4, TTL 8, random 16, none 32.
MAXMEMORY_POLICIES = {"volatile-lru": 1, "volatile-lfu": 2, "volatile-random": 16, "volatile-ttl": 8,
                      "allkeys-lru": 1 | 4, "allkeys-lfu": 2 | 4, "allkeys-random": 16 | 4, "noeviction": 32}

SETTINGS: tuple[Setting, ...] = (
    # Process and log
    _bool("daemonize", False, flags=IMMUTABLE),
    _bool("always-show-logo", False, flags=IMMUTABLE),
    _bool("set-proc-title", True, flags=IMMUTABLE),
    _bool("jemalloc-bg-thread", True),
    _bool("syslog-enabled", False, flags=IMMUTABLE),
    _bool("crash-log-enabled", True),
    _bool("crash-memcheck-enabled", True),
    _bool("use-exit-on-panic", False, flags=HIDDEN),
    _bool("disable-thp", True, flags=IMMUTABLE),
    _bool("hide-user-data-from-log", False),
    _bool("enable-debug-assert", False, flags=IMMUTABLE | HIDDEN),
    _text("pidfile", None, flags=IMMUTABLE),
    _text("syslog-ident", "redis", flags=IMMUTABLE),
    _text("server-cpulist", None, aliases=("server_cpulist",), flags=IMMUTABLE),
    _text("bio-cpulist", None, aliases=("bio_cpulist",), flags=IMMUTABLE),
    _text("aof-rewrite-cpulist", None, aliases=("aof_rewrite_cpulist",), flags=IMMUTABLE),
    _text("bgsave-cpulist", None, aliases=("bgsave_cpulist",), flags=IMMUTABLE),
    _text("ignore-warnings", ""),
    _text("proc-title-template", "{title} {listen-addr} {server-mode}", check=check_title),
    _text("logfile", "", flags=IMMUTABLE),
    _text("locale-collate", "", check=check_locale),
    _text("debug-context", "", flags=HIDDEN),
    _text("availability-zone", ""),
    _enum("supervised", "no", "upstart systemd auto no", flags=IMMUTABLE),
    _enum("syslog-facility", "local0", "user local0 local1 local2 local3 local4 local5 local6 local7", flags=IMMUTABLE),
    _enum("loglevel", "notice", "debug verbose notice warning nothing"),
    _enum("oom-score-adj", "no", {"no": 0, "yes": 1, "relative": 1, "absolute": 2}),
    _enum("propagation-error-behavior", "ignore", "ignore panic panic-on-replicas"),
    _signals("shutdown-on-sigint"),
    _signals("shutdown-on-sigterm"),
    _enum("log-format", "legacy", "legacy logfmt"),
    _enum("log-timestamp-format", "legacy", "legacy iso8601 milliseconds"),
    _int("watchdog-period", 0, 0, INT_MAX, flags=HIDDEN),
    _int("shutdown-timeout", 10, 0, INT_MAX),
    Setting("oom-score-adj-values", "oom-values", (0, 200, 800)),
    # Network and clients
    _bool("io-threads-do-reads", False, flags=IMMUTABLE),
    _bool("protected-mode", True),
    _bool("extended-redis-compatibility", False),
    _text("unixsocket", None, flags=IMMUTABLE),
    _text("bind-source-addr", None),
    _text("unixsocketgroup", None),
    _int("port", 6379, 0, 65535),
    _int("io-threads", 1, 1, 128, flags=IMMUTABLE),
    _int("tcp-keepalive", 300, 0, INT_MAX),
    _int("timeout", 0, 0, INT_MAX),
    _int("tcp-backlog", 511, 0, INT_MAX, flags=IMMUTABLE),
    _int("maxclients", 10000, 1, UINT_MAX),
    _octal("unixsocketperm", 0, 0, 0o777, flags=IMMUTABLE),
    _int("socket-mark-id", 0, 0, UINT_MAX, flags=IMMUTABLE),
    _int("max-new-connections-per-cycle", 10, 1, 1000),
    _int("max-new-tls-connections-per-cycle", 1, 1, 1000),
    _memory("proto-max-bulk-len", 512 * MB, MB, LONG_MAX),
    _int("tracking-table-max-keys", 1000000, 0, LONG_MAX),
    _memory("client-query-buffer-limit", GB, MB, LONG_MAX),
    _percent("maxmemory-clients", 0, -100, LONG_MAX),
    _int("events-per-io-thread", 2, 0, INT_MAX),
    _int("prefetch-batch-max-size", 16, 0, 128),
    Setting("client-output-buffer-limit", "buffer-limits", ((0, 0, 0), (256 * MB, 64 * MB, 60), (32 * MB, 8 * MB, 60))),
    Setting("notify-keyspace-events", "notify", 0),
    Setting("bind", "bind", ("*", "-::*")),
    # Permissions
    _text("aclfile", "", flags=IMMUTABLE),
    _text("requirepass", None, flags=SENSITIVE),
    _enum("acl-pubsub-default", "resetchannels", "allchannels resetchannels"),
    _enum("enable-protected-configs", "no", "no yes local", flags=IMMUTABLE),
    _enum("enable-debug-command", "no", "no yes local", flags=IMMUTABLE),
    _enum("enable-module-command", "no", "no yes local", flags=IMMUTABLE),
    _int("acllog-max-len", 128, 0, LONG_MAX),
    # TLS
    _bool("tls-cluster", False),
    _bool("tls-replication", False),
    _bool("tls-prefer-server-ciphers", False),
    _bool("tls-session-caching", True),
    _text("tls-cert-file", None, flags=FILE),
    _text("tls-key-file", None, flags=FILE),
    _text("tls-key-file-pass", None, flags=SENSITIVE),
    _text("tls-client-cert-file", None, flags=FILE),
    _text("tls-client-key-file", None, flags=FILE),
    _text("tls-client-key-file-pass", None, flags=SENSITIVE),
    _text("tls-dh-params-file", None, flags=FILE),
    _text("tls-ca-cert-file", None, flags=FILE),
    _text("tls-ca-cert-dir", None, flags=FILE),
    _text("tls-protocols", None),
    _text("tls-ciphers", None),
    _text("tls-ciphersuites", None),
    _enum("tls-auth-clients", "yes", "no yes optional"),
    _int("tls-port", 0, 0, 65535),
    _int("tls-session-cache-size", 20480, 0, INT_MAX),
    _int("tls-session-cache-timeout", 300, 0, INT_MAX),
    # Memory and expiry
    _bool("activerehashing", True),
    _bool("dynamic-hz", True),
    _bool("lazyfree-lazy-eviction", False),
    _bool("lazyfree-lazy-expire", False),
    _bool("lazyfree-lazy-server-del", False),
    _bool("lazyfree-lazy-user-del", False),
    _bool("lazyfree-lazy-user-flush", False),
    _bool("activedefrag", False),
    _enum("maxmemory-policy", "noeviction", MAXMEMORY_POLICIES),
    _int("databases", 16, 1, INT_MAX, flags=IMMUTABLE),
    _int("active-defrag-cycle-min", 1, 1, 99),
    _int("active-defrag-cycle-max", 25, 1, 99),
    _int("active-defrag-threshold-lower", 10, 0, 1000),
    _int("active-defrag-threshold-upper", 100, 0, 1000),
    _int("lfu-log-factor", 10, 0, INT_MAX),
    _int("lfu-decay-time", 1, 0, INT_MAX),
    _int("maxmemory-samples", 5, 1, 64),
    _int("maxmemory-eviction-tenacity", 10, 0, 100),
    _int("active-expire-effort", 1, 1, 10),
    _int("hz", 10, 0, INT_MAX, clamp=(1, 500)),
    _int("active-defrag-max-scan-fields", 1000, 1, LONG_MAX),
    _memory("maxmemory", 0, 0, ULONG_MAX),
    _memory("active-defrag-ignore-bytes", 100 * MB, 1, LONG_MAX),
    # Sizes of encodings
    _int("list-max-listpack-size", -2, INT_MIN, INT_MAX, aliases=("list-max-ziplist-size",)),
    _int("list-compress-depth", 0, 0, INT_MAX),
    _int("stream-node-max-entries", 100, 0, LONG_MAX),
    _int("hash-max-listpack-entries", 512, 0, LONG_MAX, aliases=("hash-max-ziplist-entries",)),
    _int("set-max-intset-entries", 512, 0, LONG_MAX),
    _int("set-max-listpack-entries", 128, 0, LONG_MAX),
    _int("set-max-listpack-value", 64, 0, LONG_MAX),
    _int("zset-max-listpack-entries", 128, 0, LONG_MAX, aliases=("zset-max-ziplist-entries",)),
    _memory("hash-max-listpack-value", 64, 0, LONG_MAX, aliases=("hash-max-ziplist-value",)),
    _memory("stream-node-max-bytes", 4 * KB, 0, LONG_MAX),
    _memory("zset-max-listpack-value", 64, 0, LONG_MAX, aliases=("zset-max-ziplist-value",)),
    _memory("hll-sparse-max-bytes", 3000, 0, LONG_MAX),
    # Statistics and scripts
    _bool("latency-tracking", True),
    _int("slowlog-max-len", 128, 0, LONG_MAX, aliases=("commandlog-slow-execution-max-len",)),
    _int("busy-reply-threshold", 5000, 0, LONG_MAX, aliases=("lua-time-limit",)),
    _int("slowlog-log-slower-than", 10000, -1, LONG_MAX, aliases=("commandlog-execution-slower-than",)),
    _int("commandlog-request-larger-than", MB, -1, LONG_MAX),
    _int("commandlog-large-request-max-len", 128, 0, LONG_MAX),
    _int("commandlog-reply-larger-than", MB, -1, LONG_MAX),
    _int("commandlog-large-reply-max-len", 128, 0, LONG_MAX),
    _int("latency-monitor-threshold", 0, 0, LONG_MAX),
    Setting("latency-tracking-info-percentiles", "percentiles", (50.0, 99.0, 99.9), always=True),
    _bool("lua-enable-deprecated-api", False, flags=IMMUTABLE | HIDDEN),
    # RDB
    _bool("rdbchecksum", True, flags=IMMUTABLE),
    _bool("rdbcompression", True),
    _bool("rdb-del-sync-files", False),
    _bool("stop-writes-on-bgsave-error", True),
    _bool("rdb-save-incremental-fsync", True),
    _text("dbfilename", "dump.rdb", flags=PROTECTED, check=file_name("dbfilename", may_be_empty=True)),
    _enum("sanitize-dump-payload", "no", "no yes clients"),
    _int("rdb-key-save-delay", 0, INT_MIN, INT_MAX, flags=HIDDEN),
    _int("key-load-delay", 0, INT_MIN, INT_MAX, flags=HIDDEN),
    _int("loading-process-events-interval-bytes", 2 * MB, 1024, INT_MAX, flags=HIDDEN),
    Setting("dir", "dir", None, flags=PROTECTED | NO_LOADING, always=True),
    Setting("save", "save", ((3600, 1), (300, 100), (60, 10000)), always=True),
    # AOF
    _bool("aof-rewrite-incremental-fsync", True),
    _bool("no-appendfsync-on-rewrite", False),
    _bool("aof-load-truncated", True),
    _bool("aof-use-rdb-preamble", True),
    _bool("aof-timestamp-enabled", False),
    _bool("appendonly", False),
    _bool("aof-disable-auto-gc", False, flags=HIDDEN),
    _text("appendfilename", "appendonly.aof", flags=IMMUTABLE, check=file_name("appendfilename")),
    _text("appenddirname", "appendonlydir", flags=IMMUTABLE, check=file_name("appenddirname", "dirname")),
    _enum("appendfsync", "everysec", "everysec always no"),
    _int("auto-aof-rewrite-percentage", 100, 0, INT_MAX),
    _memory("auto-aof-rewrite-min-size", 64 * MB, 0, LONG_MAX),
    # Replication
    _bool("repl-disable-tcp-nodelay", False),
    _bool("repl-diskless-sync", True),
    _bool("replica-lazy-flush", False, aliases=("slave-lazy-flush",)),
    _bool("replica-serve-stale-data", True, aliases=("slave-serve-stale-data",)),
    _bool("replica-read-only", True, aliases=("slave-read-only",)),
    _bool("replica-ignore-maxmemory", True, aliases=("slave-ignore-maxmemory",)),
    _bool("replica-announced", True),
    _bool("replica-ignore-disk-write-errors", False),
    _bool("dual-channel-replication-enabled", False),
    _text("replica-announce-ip", None, aliases=("slave-announce-ip",)),
    _text("masteruser", None, aliases=("primaryuser",), flags=SENSITIVE),
    _text("masterauth", None, aliases=("primaryauth",), flags=SENSITIVE),
    _enum("repl-diskless-load", "disabled", "disabled on-empty-db swapdb", flags=NO_LOADING),
    _int("replica-priority", 100, 0, INT_MAX, aliases=("slave-priority",)),
    _int("repl-diskless-sync-delay", 5, 0, INT_MAX),
    _int("replica-announce-port", 0, 0, 65535, aliases=("slave-announce-port",)),
    _int("repl-timeout", 60, 1, INT_MAX),
    _int("repl-ping-replica-period", 10, 1, INT_MAX, aliases=("repl-ping-slave-period",)),
    _int("min-replicas-to-write", 0, 0, INT_MAX, aliases=("min-slaves-to-write",)),
    _int("min-replicas-max-lag", 10, 0, INT_MAX, aliases=("min-slaves-max-lag",)),
    _int("repl-diskless-sync-max-replicas", 0, 0, INT_MAX),
    _memory("repl-backlog-size", MB, 1, LONG_MAX, clamp=(16 * KB, LONG_MAX)),
    _int("repl-backlog-ttl", 3600, 0, LONG_MAX),
    Setting("replicaof", "replicaof", None, aliases=("slaveof",), flags=IMMUTABLE),
    # Cluster
    _bool("cluster-require-full-coverage", True),
    _bool("cluster-replica-no-failover", False, aliases=("cluster-slave-no-failover",)),
    _bool("cluster-enabled", False, flags=IMMUTABLE),
    _bool("cluster-allow-reads-when-down", False),
    _bool("cluster-allow-pubsubshard-when-down", True),
    _bool("cluster-allow-replica-migration", True),
    _bool("cluster-slot-stats-enabled", False),
    _text("cluster-announce-ip", None),
    _text("cluster-config-file", "nodes.conf", flags=IMMUTABLE),
    _text("cluster-announce-hostname", None, check=check_hostname),
    _text("cluster-announce-human-nodename", None, check=check_node_name),
    _text("cluster-announce-client-ipv4", None, check=ip_address(socket.AF_INET, "IPv4")),
    _text("cluster-announce-client-ipv6", None, check=ip_address(socket.AF_INET6, "IPv6")),
    _enum("cluster-preferred-endpoint-type", "ip", "ip hostname unknown-endpoint"),
    _int("cluster-replica-validity-factor", 10, 0, INT_MAX, aliases=("cluster-slave-validity-factor",)),
    _int("cluster-migration-barrier", 1, 0, INT_MAX),
    _int("cluster-port", 0, 0, 65535, flags=IMMUTABLE),
    _int("cluster-announce-bus-port", 0, 0, 65535),
    _int("cluster-announce-port", 0, 0, 65535),
    _int("cluster-announce-tls-port", 0, 0, 65535),
    _int("cluster-node-timeout", 15000, 0, LONG_MAX),
    _int("cluster-ping-interval", 0, 0, LONG_MAX, flags=HIDDEN),
    _memory("cluster-link-sendbuf-limit", 0, 0, ULONG_MAX),
    _int("cluster-blacklist-ttl", 60, 0, ULONG_MAX),
)

# Accepted in a file and forgotten: names that once had a meaning.
OBSOLETE = frozenset({"list-max-ziplist-entries", "list-max-ziplist-value"})

# What differs in sentinel mode.
SENTINEL_DEFAULTS = {"port": 26379, "protected-mode": False}
