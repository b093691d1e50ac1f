"""The server: the only place where engine, loop, listeners, settings and files are put together."""

from __future__ import annotations

import os
import resource
import secrets
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from redispy_core.engine import (NO_REPLY, Engine, Error, Map, Status, Verbatim, bucket_bounds, error_text,
                                 prefixed)
from redispy_core.version import REDIS_VERSION, VERSION

from . import info
from .config import ApplyError, Config, ConfigSetError, RewriteError
from .connection import (BindError, Listener, is_loopback, listen_tcp, listen_unix,
                         set_keepalive)
from .logs import Log
from .loop import Loop

OK = Status(b"OK")
RESERVED_FDS = 32               # descriptors kept for listeners, files and the log


class Server:
    """One running server."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.log = Log(config["loglevel"], self._log_path())
        self.engine = Engine(config["databases"])
        self.engine.log = self.log
        self.loop = Loop(self.engine)
        self.loop.on_close = os.close
        self.listeners: list[Listener] = []
        self.started = time.time()
        self.run_id = secrets.token_hex(20)
        self.replid = secrets.token_hex(20)
        self.build_id = secrets.token_hex(8)
        self.executable = os.path.realpath(sys.argv[0])
        self.abort_script = False               # SHUTDOWN NOSAVE came while a script was busy
        self.engine.hooks["busy_turn"] = self._busy_turn
        self.facts = self.engine.facts()
        self.bucket_bounds = bucket_bounds
        self.rates = info.Rates(self.engine.counters)
        self.exit_code = 0
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
        self.engine.debug_allowed = self.config["enable-debug-command"]
        self._push_output_limits()

    def _push_output_limits(self) -> None:
        for limit_class, (hard, soft, seconds) in enumerate(self.config["client-output-buffer-limit"]):
            self.engine.set_output_limit(limit_class, hard, soft, seconds)

    def _hook_settings(self) -> None:
        on = self.config.on_apply
        on("loglevel", lambda old, new: self.log.set_level(new))
        on("requirepass", lambda old, new: self.engine.set_password(_secret(new)))
        on("client-output-buffer-limit", lambda old, new: self._push_output_limits())
        on("dir", lambda old, new: os.chdir(new))
        on("maxclients", lambda old, new: self._raise_fd_limit(new, must=True))
        on("bind", lambda old, new: self._rebind("Failed to bind to specified addresses."))
        on("port", lambda old, new: self._rebind("Unable to listen on this port. Check server logs."))

    def _rebind(self, refusal_text: str) -> None:
        """Opens what is new before it closes what is no longer wanted; what stays is not touched."""
        tcp = [x for x in self.listeners if not x.unix]
        kept = {x.place for x in tcp}
        wanted = [(str(a), self.config["port"]) for a in self.config["bind"]] if self.config["port"] else []
        try:
            self._listen([address for address, port in wanted if (address, port) not in kept])
        except BindError as e:
            self.log("warning", str(e))
            raise ApplyError(refusal_text) from e
        for listener in tcp:
            if listener.place not in wanted:
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

    # ---------------------------------------------------------------- listening

    def _listen(self, addresses: list[str]) -> None:
        port = self.config["port"]
        for address, sock in listen_tcp(addresses, port, self.config["tcp-backlog"]):
            set_keepalive(sock, self.config["tcp-keepalive"])
            self.listeners.append(Listener(sock, self.loop, self.engine, unix=False, may_connect=self._may_connect,
                                           place=(address, port)))

    def open_listeners(self) -> None:
        """Binds all that the settings ask for. Raises BindError."""
        if self.config["port"]:
            self._listen([str(a) for a in self.config["bind"]])
        path = self.config["unixsocket"]
        if path:
            sock = listen_unix(path, self.config["unixsocketperm"], self.config["tcp-backlog"])
            self._unix_path = path
            self.listeners.append(Listener(sock, self.loop, self.engine, unix=True, may_connect=self._may_connect))
        if not self.listeners:
            raise BindError("Configured to not listen anywhere, exiting.")

    def _may_connect(self, address: Any) -> bytes | None:
        """The text that refuses a new connection, or None."""
        if self.engine.client_count() >= self.config["maxclients"]:
            self.engine.count_rejected()
            return refusal("MAXCLIENTS")
        if self.config["protected-mode"] and not self.config["requirepass"] and not is_loopback(address):
            return refusal("PROTECTED_MODE")
        return None

    def listener_texts(self) -> list[str]:
        """INFO's listenerN values."""
        texts = []
        tcp = [x for x in self.listeners if not x.unix]
        if tcp:
            addresses = "".join(f",bind={a}" for a in self.config["bind"])
            texts.append(f"name=tcp{addresses},port={self.config['port']}")
        if self._unix_path:
            texts.append(f"name=unix,bind={self._unix_path}")
        return texts

    # ---------------------------------------------------------------- commands of the server

    def _bind_commands(self) -> None:
        bodies: dict[str, Callable[..., Any]] = {
            "INFO": self._info, "CONFIG|GET": self._config_get, "CONFIG|SET": self._config_set,
            "CONFIG|REWRITE": self._config_rewrite, "CONFIG|RESETSTAT": self._config_resetstat,
            "SHUTDOWN": self._shutdown, "LASTSAVE": lambda call: int(self.started)}
        for name, body in bodies.items():
            self.engine.bind(name, body)
        for line in self.config.renames:
            self.engine.registry.rename(*line.args[:2])

    def _info(self, call: Any, *names: bytes) -> Verbatim:
        return Verbatim(info.info_text(self, [n.decode("utf-8", "replace").lower() for n in names]).encode())

    def _config_get(self, call: Any, *patterns: bytes) -> Map:
        return Map((name.encode(), value.encode("utf-8", "surrogateescape"))
                   for name, value in self.config.get(patterns))

    def _config_set(self, call: Any, *words: bytes) -> Status:
        if len(words) % 2:
            raise Error(error_text("SYNTAX") if len(words) > 1 else error_text("ARITY", "config|set"))
        try:
            self.config.set(list(zip(words[::2], words[1::2])), local=self.engine.client_is_local(call.client_id))
        except ConfigSetError as e:
            raise prefixed("LOADING" if e.loading else "ERR", e) from None
        return OK

    def _config_rewrite(self, call: Any) -> Status:
        try:
            self.config.rewrite()
        except RewriteError as e:
            self.log("warning", f"CONFIG REWRITE failed: {e}")
            raise prefixed("ERR", e) from None
        self.log("notice", "CONFIG REWRITE executed with success.")
        return OK

    def _config_resetstat(self, call: Any) -> Status:
        self.engine.reset_stats()
        self.rates = info.Rates(self.engine.counters)
        return OK

    def _busy_turn(self) -> bool:
        """A turn of the loop while a script is busy; True: the script is to be ended."""
        self.loop.turn()
        return self.abort_script

    def _shutdown(self, call: Any, *options: bytes) -> Any:
        words = {o.decode("utf-8", "replace").lower() for o in options}
        if words - {"nosave", "save", "now", "force", "abort"} or {"nosave", "save"} <= words \
                or ("abort" in words and len(words) > 1):
            raise Error(error_text("SYNTAX"))
        if "abort" in words:
            raise Error(error_text("NO_SHUTDOWN"))
        if self.engine.script_is_busy:
            if "nosave" not in words:
                raise Error(error_text("BUSY_SCRIPT"))
            self.abort_script = True
        self.log("notice", "User requested shutdown...")
        self.stop()
        return NO_REPLY

    # ---------------------------------------------------------------- life

    def _cron(self) -> float:
        self.engine.cron()
        self.rates.sample()
        return 1.0 / int(self.config["hz"])

    def _on_signal(self, name: str) -> None:
        self.log("warning", f"Received {name} scheduling shutdown...")
        self.stop()

    def start(self) -> None:
        """Binds, announces itself, prepares timers and signals. Raises BindError."""
        os.chdir(self.config["dir"])
        self._raise_fd_limit(self.config["maxclients"])
        self.open_listeners()
        self._announce()
        self._warn_without_effect()
        self.loop.on_signal(signal.SIGTERM, lambda: self._on_signal("SIGTERM"))
        self.loop.on_signal(signal.SIGINT, lambda: self._on_signal("SIGINT"))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        self.loop.call_later(0, self._cron)
        if self.config["pidfile"]:
            self._write_pidfile()

    def _warn_without_effect(self) -> None:
        """Settings that are understood and stored, and do nothing in this version: nobody shall rely on them."""
        c = self.config
        asked = {
            "maxmemory": c["maxmemory"], "appendonly": c["appendonly"], "user": c.users, "aclfile": c["aclfile"],
            "tls-port": c["tls-port"], "replicaof": c["replicaof"], "cluster-enabled": c["cluster-enabled"],
            "loadmodule": c.modules,
        }
        for name, value in asked.items():
            if value:
                self.log("warning", f"{name} is set but has no effect in redispy {VERSION}")
        if c["save"]:
            self.log("warning", f"redispy {VERSION} keeps data in memory only: save points are ignored")

    def _announce(self) -> None:
        where = f"Port: {self.config['port']}"
        logo = f"redispy {VERSION} (Redis {REDIS_VERSION} compatible)\n {where}\n PID: {os.getpid()}\n"
        if self.config["always-show-logo"] or sys.stdout.isatty():
            self.log.raw(logo)
        else:
            self.log("notice", f"redispy {VERSION}, {where}, PID: {os.getpid()}")
        self.log("notice", "Server initialized")

    def ready(self) -> None:
        """Says that clients are served from now on."""
        if any(not x.unix for x in self.listeners):
            self.log("notice", "Ready to accept connections tcp")
        if self._unix_path:
            self.log("notice", "Ready to accept connections unix")

    def _write_pidfile(self) -> None:
        try:
            with open(self.config["pidfile"], "w", encoding="ascii") as f:
                f.write(f"{os.getpid()}\n")
        except OSError as e:
            self.log("warning", f"Failed to write PID file: {e.strerror}")

    def run(self) -> int:
        """Serves until a signal or SHUTDOWN; the exit status."""
        self.ready()
        self.loop.run()
        self._finish()
        return self.exit_code

    def stop(self) -> None:
        """Ends run() soon."""
        self.loop.stop()
        self.loop.wake()

    def _finish(self) -> None:
        for listener in self.listeners:
            listener.close()
        for path in (self._unix_path, self.config["pidfile"]):
            if path:
                _remove(path)
        self.log("warning", "Redis is now ready to exit, bye bye...")
        self.loop.close()


def refusal(name: str) -> bytes:
    """An error reply as bytes, for a connection that does not become a client."""
    return f"-{error_text(name)}\r\n".encode()


def _secret(text: str | None) -> bytes | None:
    return text.encode("utf-8", "surrogateescape") if text else None


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass                    # gone already, or not ours to remove
