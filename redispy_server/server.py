"""The server: the only place where engine, loop, listeners, settings and files are put together."""

from __future__ import annotations

import os
import resource
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from redispy_core.engine import (Engine, Error, Map, Status, Verbatim, bucket_bounds, error_text,
                                 prefixed)
from redispy_core.version import REDIS_VERSION, VERSION

from . import info
from .config import ApplyError, Config, ConfigSetError, RewriteError
from .connection import (BindError, Listener, give_to_group, is_loopback, listen_tcp, listen_unix,
                         set_keepalive)
from .acl_file import AclFile
from .aof_files import AofFiles
from .children import Children
from .loading import Loading, Stopped
from .logs import Log
from .loop import Loop
from .migrate import Migration
from .replication.failover import Failover
from .replication.identity import Identity
from .replication.primary import Primary
from .replication.replica import Replica
from .process import Process
from .tls_port import SETTINGS as TLS_SETTINGS
from .tls_port import TlsError, TlsPort
from .saving import Saving
from .shutdown import Shutdown

OK = Status(b"OK")
PORTS = {"tcp": "port", "tls": "tls-port"}
NO_PORT = "Unable to listen on this port. Check server logs."
RESERVED_FDS = 32               # descriptors kept for listeners, files and the log


class Server:
    """One running server."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.log = Log(config["loglevel"], self._log_path())
        self.log.set_format(config["log-format"], config["log-timestamp-format"])
        if config["syslog-enabled"]:
            self.log.open_syslog(config["syslog-ident"], config["syslog-facility"])
        self.engine = Engine(config["databases"])
        self.engine.log = self.log
        self.loop = Loop(self.engine)
        self.loop.on_close = os.close
        self.tls = TlsPort(self)
        self.process = Process(self)
        self.listeners: list[Listener] = []
        self.started = time.time()
        self.run_id = secrets.token_hex(20)
        self.identity = Identity(lambda: self.engine.stream_offset)
        self.build_id = secrets.token_hex(8)
        self.executable = os.path.realpath(sys.argv[0])
        self.abort_script = False               # SHUTDOWN NOSAVE came while a script was busy
        self.engine.hooks["busy_turn"] = self._busy_turn
        self.facts = self.engine.facts()
        self.bucket_bounds = bucket_bounds
        self.rates = info.Rates(self.engine.counters)
        self.exit_code = 0
        self.running = False                # clients are served
        self.stopping = False
        self._in_unit = False                   # a transaction or script sets settings
        self._listening = 0                 # bits of Engine.journal_to
        self.children = Children(self.engine, self.loop, self.log)
        self.children.on_change.append(self._child_changed)
        self.loading = Loading(self)
        self.failover = Failover(self)
        self.primary = Primary(self)
        self.replica = Replica(self)
        self.saving = Saving(self)
        self.aof = AofFiles(self)
        self.migration = Migration(self)
        self.shutdown = Shutdown(self)
        self.acl_file = AclFile(self)
        self._unix_path: str | None = None
        self._push_settings()
        self._hook_settings()
        self._bind_commands()

    def _log_path(self) -> str:
        path: str = self.config["logfile"] or ""
        return os.path.join(self.config["dir"], path) if path else ""

    # ---------------------------------------------------------------- settings

    def _push_settings(self) -> None:
        self.config.on_number = self.engine.set_knob
        self.config.push_numbers()
        self.engine.set_password(_secret(self.config["requirepass"]))
        self.engine.key_load_delay = self.config["key-load-delay"]
        self.engine.debug_allowed = self.config["enable-debug-command"]
        self._push_output_limits()

    def _push_output_limits(self) -> None:
        for limit_class, (hard, soft, seconds) in enumerate(self.config["client-output-buffer-limit"]):
            self.engine.set_output_limit(limit_class, hard, soft, seconds)

    def _hook_settings(self) -> None:
        on = self.config.on_apply
        self.process.hook_settings()
        on("loglevel", lambda old, new: self.log.set_level(new))
        self.config.on_apply_group(("log-format", "log-timestamp-format"), lambda: self.log.set_format(
            self.config["log-format"], self.config["log-timestamp-format"]))
        on("requirepass", lambda old, new: self.engine.set_password(_secret(new)))
        on("client-output-buffer-limit", lambda old, new: self._push_output_limits())
        on("dir", lambda old, new: os.chdir(new))
        on("maxmemory", lambda old, new: self._tell_excess(new))
        on("activedefrag", lambda old, new: _refuse_defrag(new))
        on("maxclients", lambda old, new: self._raise_fd_limit(new, must=True))
        self.config.on_apply_group(["save", "stop-writes-on-bgsave-error"], self.judge_disk)
        self.config.on_apply_group(["appendfsync", "aof-timestamp-enabled"], self.aof.settings_changed)
        on("no-appendfsync-on-rewrite", lambda old, new: self.aof.child_changed())
        on("aof-disable-auto-gc", lambda old, new: self.aof.drop_history())
        on("key-load-delay", lambda old, new: setattr(self.engine, "key_load_delay", new))
        on("repl-backlog-size", lambda old, new: self.engine.stream_resize())
        self.config.on_apply_group(["min-replicas-to-write", "min-replicas-max-lag"], self.primary.judge_lag)
        self.config.on_apply_group(["replica-read-only", "replica-serve-stale-data"], self.replica.judge)
        on("appendonly", lambda old, new: self._switch_aof(new))
        on("bind", lambda old, new: self._rebind("Failed to bind to specified addresses.", "tcp", "tls"))
        on("unixsocketgroup", lambda old, new: self._regroup(new))
        on("port", lambda old, new: self._rebind(NO_PORT, "tcp"))
        self.config.on_apply_group(("tls-port", *TLS_SETTINGS), self._retls)

    def _tell_excess(self, limit: int) -> None:
        """Keys are evicted at the end of this turn, if the policy allows it."""
        used = self.engine.counters()["used_memory"]
        if 0 < limit < used:
            policy = self.config["maxmemory-policy"]
            self.log("warning", f"WARNING: {used} bytes are in use, more than the new maxmemory of {limit}: keys will "
                                f"be evicted or writes refused, as maxmemory-policy {policy} says")

    def _rebind(self, refusal_text: str, *kinds: str) -> None:
        """Opens what is new before it closes what is no longer wanted; what stays is not touched."""
        mine = [x for x in self.listeners if x.kind in kinds]
        kept = {(x.kind, x.place) for x in mine}
        wanted = [(kind, (str(a), self.config[PORTS[kind]])) for kind in kinds if self.config[PORTS[kind]]
                  for a in self.config["bind"]]
        try:
            for kind in kinds:
                self._listen(kind, [place[0] for k, place in wanted if k == kind and (k, place) not in kept])
        except BindError as e:
            self.log("warning", str(e))
            for listener in [x for x in self.listeners if x not in mine and x.kind in kinds]:
                self._unlisten(listener)
            raise ApplyError(refusal_text) from e
        for listener in mine:
            if (listener.kind, listener.place) not in wanted:
                self._unlisten(listener)

    def _regroup(self, name: str | None) -> None:
        """The unix socket goes to another group; without a name it stays with its last one."""
        if name and self._unix_path:
            try:
                give_to_group(self._unix_path, name)
            except BindError as e:
                raise ApplyError(str(e)) from e

    def _unlisten(self, listener: Listener) -> None:
        listener.close()
        self.listeners.remove(listener)

    def _raise_fd_limit(self, clients: int, *, must: bool = False) -> None:
        """Makes room for that many clients' descriptors; lowers maxclients where the system refuses."""
        wanted = clients + RESERVED_FDS
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY or soft >= wanted:
            return
        for limit in (wanted, hard):
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, max(limit, hard)))
                break
            except (ValueError, OSError):
                continue
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft >= wanted:
            return
        if must:
            raise ApplyError("The operating system is not able to handle the specified number of clients, try with "
                             f"{soft - RESERVED_FDS}")
        self.log("warning", f"maxclients lowered from {clients} to {soft - RESERVED_FDS}: the limit of open files "
                            f"is {soft}")
        self.config.assign("maxclients", str(soft - RESERVED_FDS))

    def _child_changed(self) -> None:
        if self.children.active is not None:
            self.process.oom.of_child(self.children.active.pid)

    # ---------------------------------------------------------------- durability

    def journal_listens(self, target: int, on: bool) -> None:
        """The append-only file (1) or replicas (2) are to hear of changes, or no longer."""
        self._listening = self._listening | target if on else self._listening & ~target
        self.engine.journal_to(self._listening)

    def judge_disk(self) -> None:
        """Refuses writes while they can't be made durable, as the settings ask."""
        if self.aof.write_error:
            self.engine.set_state("misconf", True, error_text("MISCONF_AOF", self.aof.write_error))
        else:
            c = self.config
            self.engine.set_state("misconf", bool(c["save"] and c["stop-writes-on-bgsave-error"]
                                                  and not self.saving.last_ok))

    def _switch_aof(self, on: bool) -> None:
        if on and not self.aof.enabled:
            self.aof.enable(in_unit=self._in_unit)
        elif not on:
            self.aof.disable()

    def die(self, code: int) -> None:
        """Ends the process at once: going on would break a promise."""
        self.log("warning", "The server ends now")
        os._exit(code)

    # ---------------------------------------------------------------- listening

    def _listen(self, kind: str, addresses: list[str]) -> None:
        """Opens the TCP ports of a kind, tcp or tls."""
        port = self.config[PORTS[kind]]
        for address, sock in listen_tcp(addresses, port, self.config["tcp-backlog"]):
            set_keepalive(sock, self.config["tcp-keepalive"])
            self._add_listener(kind, sock, (address, port))

    def _add_listener(self, kind: str, sock: socket.socket, place: tuple[str, int] | None = None) -> None:
        take: dict[str, Callable[[int, Any], object]] = {"tcp": self._take, "unix": self._take_unix,
                                                         "tls": self.tls.accept}
        limit = {}
        may_connect = self._may_connect
        if kind == "tls":
            limit["a_turn"] = lambda: int(self.config["max-new-tls-connections-per-cycle"])
            may_connect = lambda address: self._crowded()   # protected-mode answers when the handshake is done
        self.listeners.append(Listener(sock, self.loop, kind=kind, may_connect=may_connect, take=take[kind],
                                       place=place, **limit))

    def _take(self, fd: int, address: Any) -> None:
        self.engine.accept(fd)
        self.loop.watch_client(fd)

    def _take_unix(self, fd: int, address: Any) -> None:
        self.engine.accept(fd, True)
        self.loop.watch_client(fd)

    def _retls(self) -> None:
        """Makes what the tls-* settings say so, or leaves all as it was."""
        try:
            contexts = self.tls.make_contexts()
        except TlsError as e:
            self.log("warning", str(e))
            raise ApplyError("Unable to update TLS configuration. Check server logs.") from e
        before = self.tls.use(contexts)
        try:
            self._rebind(NO_PORT, "tls")
        except ApplyError:
            self.tls.use(before)
            raise

    def open_listeners(self) -> None:
        """Binds all that the settings ask for. Raises BindError, TlsError."""
        self.tls.use(self.tls.make_contexts())
        for kind, port in PORTS.items():
            if self.config[port]:
                self._listen(kind, [str(a) for a in self.config["bind"]])
        path = self.config["unixsocket"]
        if path:
            sock = listen_unix(path, self.config["unixsocketperm"], self.config["tcp-backlog"],
                               self.config["unixsocketgroup"])
            self._unix_path = path
            self._add_listener("unix", sock)
        if not self.listeners:
            raise BindError("Configured to not listen anywhere, exiting.")

    def _may_connect(self, address: Any) -> bytes | None:
        """The text that refuses a new connection, or None."""
        return self._crowded() or self.protected(address)

    def _crowded(self) -> bytes | None:
        if self.engine.client_count() + len(self.tls) >= self.config["maxclients"]:
            self.engine.count_rejected()
            return refusal("MAXCLIENTS")
        return None

    def protected(self, address: Any) -> bytes | None:
        """The text that protected-mode has for a peer from elsewhere, or None."""
        if self.config["protected-mode"] and self.engine.acl.default_nopass and not is_loopback(address):
            return refusal("PROTECTED_MODE")
        return None

    def _listens(self, kind: str) -> bool:
        return any(x.kind == kind for x in self.listeners)

    def listener_texts(self) -> list[str]:
        """INFO's listenerN values."""
        texts = []
        addresses = "".join(f",bind={a}" for a in self.config["bind"])
        if self._listens("tcp"):
            texts.append(f"name=tcp{addresses},port={self.config['port']}")
        if self._unix_path:
            texts.append(f"name=unix,bind={self._unix_path}")
        if self._listens("tls"):
            texts.append(f"name=tls{addresses},port={self.config['tls-port']}")
        return texts

    # ---------------------------------------------------------------- commands of the server

    def _bind_commands(self) -> None:
        bodies: dict[str, Callable[..., Any]] = {
            "INFO": self._info, "CONFIG|GET": self._config_get, "CONFIG|SET": self._config_set,
            "CONFIG|REWRITE": self._config_rewrite, "CONFIG|RESETSTAT": self._config_resetstat,
            "SHUTDOWN": self.shutdown.command, "LASTSAVE": lambda call: self.saving.last_save,
            "SAVE": self.saving.save_command, "BGSAVE": self.saving.bgsave_command,
            "BGREWRITEAOF": self.aof.bgrewriteaof_command, "MIGRATE": self.migration.command,
            "REPLCONF": self.primary.replconf_command, "PSYNC": self.primary.psync_command,
            "SYNC": self.primary.sync_command, "ROLE": self._role,
            "REPLICAOF": self.replica.command, "SLAVEOF": self.replica.command, "FAILOVER": self.failover.command,
            "ACL|LOAD": self.acl_file.load_command, "ACL|SAVE": self.acl_file.save_command}
        for name, body in bodies.items():
            self.engine.bind(name, body)
        self.engine.hooks["debug|change-repl-id"] = self.primary.change_id_command
        self.engine.hooks["debug|replicate"] = self.primary.replicate_command
        self.engine.hooks["flushall"] = self.saving.all_flushed
        self.engine.hooks["debug|reload"] = self.saving.reload_command
        self.engine.hooks["debug|aof-flush-sleep"] = self.aof.flush_sleep_command
        self.engine.hooks["debug|loadaof"] = self.aof.loadaof_command
        self.engine.hooks["debug|config-rewrite-force-all"] = lambda: self._config_rewrite(None, force_all=True)
        for line in self.config.renames:
            self.engine.registry.rename(*line.args[:2])

    def _role(self, call: Any) -> list[Any]:
        return self.replica.role() if self.primary.is_replica else self.primary.role()

    def _info(self, call: Any, *names: bytes) -> Verbatim:
        return Verbatim(info.info_text(self, [n.decode("utf-8", "replace").lower() for n in names]).encode())

    def _config_get(self, call: Any, *patterns: bytes) -> Map:
        return Map((name.encode(), value.encode("utf-8", "surrogateescape"))
                   for name, value in self.config.get(patterns))

    def _config_set(self, call: Any, *words: bytes) -> Status:
        if len(words) % 2:
            raise Error(error_text("SYNTAX") if len(words) > 1 else error_text("ARITY", "config|set"))
        self._in_unit = call.nested
        try:
            self.config.set(list(zip(words[::2], words[1::2])), local=self.engine.client_is_local(call.client_id),
                            loading=self.loading.progress is not None)
        except ConfigSetError as e:
            raise prefixed("LOADING" if e.loading else "ERR", e) from None
        return OK

    def _config_rewrite(self, call: Any, force_all: bool = False) -> Status:
        try:
            self.config.rewrite(force_all=force_all)
        except RewriteError as e:
            self.log("warning", f"CONFIG REWRITE failed: {e}")
            raise prefixed("ERR", e) from None
        self.log("notice", "CONFIG REWRITE executed with success.")
        return OK

    def _config_resetstat(self, call: Any) -> Status:
        self.engine.reset_stats()
        self.primary.reset_stats()
        self.rates = info.Rates(self.engine.counters)
        return OK

    def _busy_turn(self) -> bool:
        """A turn of the loop while a script is busy; True: the script is to be ended."""
        self.loop.turn()
        return self.abort_script

    # ---------------------------------------------------------------- life

    def _cron(self) -> float:
        self.engine.cron()
        if not self.engine.cron_paused:
            self.children.poll()
            self.saving.cron()
            self.aof.cron()
            self.primary.cron()
            self.migration.cron()
            self.failover.cron()
            self.replica.cron()
            self.shutdown.act()
        self.process.reports.watchdog()
        self.rates.sample()
        return 1.0 / int(self.config["hz"])

    def start(self) -> None:
        """Makes the users, binds, announces itself, prepares timers and signals. Raises BindError, UsersError."""
        os.chdir(self.config["dir"])
        self.acl_file.at_start()
        self._raise_fd_limit(self.config["maxclients"])
        self.open_listeners()
        self._announce()
        self._warn_without_effect()
        self.loop.on_signal(signal.SIGTERM, lambda: self.shutdown.on_signal("SIGTERM"))
        self.loop.on_signal(signal.SIGINT, lambda: self.shutdown.on_signal("SIGINT"))
        self.loop.on_signal(signal.SIGCHLD, self.children.poll)
        self.children.on_change.append(self.aof.child_changed)
        self.loop.before_sleep.append(self.aof.before_sleep)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        self.primary.judge_lag()
        self.loop.call_later(0, self._cron)
        self.process.start(info.info_text(self, ["server"]))

    def _warn_without_effect(self) -> None:
        """Settings that are understood and stored, and do nothing in this version: nobody shall rely on them."""
        c = self.config
        asked = {
            "cluster-enabled": c["cluster-enabled"],
            "loadmodule": c.modules,
        }
        for name, value in asked.items():
            if value:
                self.log("warning", f"{name} is set but has no effect in redispy {VERSION}")
        if c["activedefrag"]:
            self.log("warning", "activedefrag needs Redis's own allocator: it is turned off")
            c.assign("activedefrag", "no")

    def _announce(self) -> None:
        where = f"Port: {self.config['port'] or self.config['tls-port']}"
        logo = f"redispy {VERSION} (Redis {REDIS_VERSION} compatible)\n {where}\n PID: {os.getpid()}\n"
        if self.config["always-show-logo"] or (not self.log.path and not self.log.to_syslog and sys.stdout.isatty()):
            self.log.raw(logo)
        else:
            self.log("notice", f"redispy {VERSION}, {where}, PID: {os.getpid()}")
        self.log("notice", "Server initialized")

    def ready(self) -> None:
        """Says that clients are served from now on."""
        for kind in ("tcp", "unix", "tls"):
            if self._listens(kind):
                self.log("notice", f"Ready to accept connections {kind}")
        self.process.tell("STATUS=Ready to accept connections\nREADY=1\n")

    def run(self) -> int:
        """Loads what is on disk, then serves until a signal or SHUTDOWN; the exit status."""
        try:
            self.loading.at_start()
        except self.loading.Failed:
            return 1
        except Stopped:
            self._finish()
            return self.exit_code
        self.running = True
        self.replica.at_start(self.loading.aux)
        self.ready()
        self.loop.run()
        self._finish()
        return self.exit_code

    def stop(self) -> None:
        """Ends run() soon."""
        self.stopping = True
        self.loop.stop()
        self.loop.wake()

    def _finish(self) -> None:
        for listener in self.listeners:
            listener.close()
        self.tls.close()
        self.migration.close()
        if self._unix_path:
            _remove(self._unix_path)
        self.process.stop()
        self.process.tell("STOPPING=1\n")
        self.log("warning", "Redis is now ready to exit, bye bye...")
        self.loop.close()


def refusal(name: str) -> bytes:
    """An error reply as bytes, for a connection that does not become a client."""
    return f"-{error_text(name)}\r\n".encode()


def _refuse_defrag(wanted: bool) -> None:
    """The reply of a server that was built with another allocator."""
    if wanted:
        raise ApplyError("Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified "
                         "Jemalloc like the one shipped by default with the Redis source distribution")


def _secret(text: str | None) -> bytes | None:
    return text.encode("utf-8", "surrogateescape") if text else None


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass                    # gone already, or not ours to remove
