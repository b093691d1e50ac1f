"""A server that follows another: REPLICAOF, the link to the primary, what becomes of it, ROLE and INFO of a replica.

    (not active) --follow--> connect -> connecting -> handshake --+CONTINUE---------------> connected
                                ^                         `--+FULLRESYNC--> sync (the file) ---^  |
                                `-------------------- anything fails, the link is lost -----------'

Here are sockets and times; what is said stands in handshake, how the file comes in transfer and receiving. When the link
stands its socket is the engine's, which reads, runs, counts and passes on what the primary sends (exec/primary).

As long as we know where our data stand in a history (`resumable`: the engine tells the position, the identity the
history) we ask to go on from there, be it after a lost link, a restart, or another primary's promotion.
"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Any

from redispy_core.engine import Error, Status, error_text, prefixed
from redispy_core.version import REDIS_VERSION

from ..loading import Stopped
from ..poller import READ, WRITE
from ..tls import client_context
from ..tls_port import TlsError
from .channel import Channel
from .handshake import Handshake, Outcome, Wishes
from .identity import Saved
from .receiving import Broken, Receiving

if TYPE_CHECKING:
    from ..server import Server

OK = Status(b"OK")
CONNECT, CONNECTING, HANDSHAKE, SYNC, CONNECTED = "connect", "connecting", "handshake", "sync", "connected"
PIECE = 1 << 18                 # bytes a read of the primary's file


class Replica:
    """Whom one server follows, if it does."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.engine = server.engine
        self.config = server.config
        self.loop = server.loop
        self.log = server.log
        self.address: tuple[str, int] | None = None     # of the primary
        self.state = CONNECT
        self.resumable = False
        self.handshake: Handshake | None = None
        self.receiving: Receiving | None = None
        self._channel: Channel | None = None            # until the engine has it
        self._fd = -1                                   # of the link that the engine has
        self._client = 0
        self._since = 0.0                               # when connecting began
        self._down_since: float | None = None
        self._failover = False                          # the next handshake asks the primary to be one
        self._acked = 0.0
        self.engine.hooks["primary_lost"] = self._lost

    # ---------------------------------------------------------------- what others ask

    @property
    def active(self) -> bool:
        """Does this server follow another?"""
        return self.address is not None

    @property
    def link_up(self) -> bool:
        """Does the stream come?"""
        return self.state == CONNECTED

    def save_info(self) -> tuple[bytes, int, int] | None:
        """The history that the data are of, for an RDB file; None: it is not known."""
        figures = self.engine.primary_figures()
        if not self.resumable and not self._client:
            return None
        return self.server.identity.replid.encode(), figures["applied"], max(0, figures["db"])

    def send_ack(self, client_id: int) -> None:
        """The primary asks how far we are."""
        if client_id == self._client:
            self.engine.primary_ack()

    # ---------------------------------------------------------------- REPLICAOF

    def command(self, call: Any, host: bytes, port: bytes) -> Status:
        """REPLICAOF host port | NO ONE."""
        if self.config["cluster-enabled"]:
            raise prefixed("ERR", "REPLICAOF not allowed in cluster mode.")
        if self.server.failover.pausing:
            raise prefixed("ERR", "REPLICAOF not allowed while failing over.")
        asker = self.engine.client_line(call.client_id).strip()
        if host.lower() == b"no" and port.lower() == b"one":
            if self.active:
                self.promote()
                self.log("notice", f"MASTER MODE enabled (user request from '{asker}')")
            return OK
        if self.engine.client_flags(call.client_id)[0]:
            raise prefixed("ERR", "Command is not valid when client is a replica.")
        number = _port(port)
        name = host.decode("utf-8", "surrogateescape")
        if self.address is not None and self.address[0].lower() == name.lower() and self.address[1] == number:
            self.log("notice", "REPLICAOF would result into synchronization with the master we are already connected with. "
                               "No operation performed.")
            return Status(b"OK Already connected to specified master")
        self.follow(name, number)
        self.log("notice", f"REPLICAOF {name}:{number} enabled (user request from '{asker}')")
        return OK

    def follow(self, host: str, port: int, failover: bool = False) -> None:
        """Becomes a replica, or one of another primary."""
        was_primary = not self.active
        self._leave()
        self.address = host, port
        self._failover = failover
        if was_primary:
            self._keep_own_history()
        self.engine.end_waits()
        self._down_since = None
        self._take_role()
        self._connect()

    def _keep_own_history(self) -> None:
        """The new primary may be a replica of ours that was promoted: then it can go on from where we are."""
        self.log("notice", "Before turning into a replica, using my own master parameters to synthesize a cached master: "
                           "I may be able to synchronize with the new master with just a partial transfer.")
        figures = self.engine.stream_figures()
        self.engine.primary_place(figures["offset"], figures["db"])
        self.resumable = True

    def promote(self) -> None:
        """Becomes a primary; the data stay, and are the begin of a new history."""
        if not self.active:
            return
        self._leave()
        self.address = None
        self.resumable = False
        identity = self.server.identity
        identity.shift()
        self.log("notice", f"Setting secondary replication ID to {identity.replid2}, valid up to offset: "
                           f"{identity.second_offset}. New replication ID is {identity.replid}")
        self.server.primary.disconnect()
        self.engine.stream_select_again()
        self._take_role()
        if self.config["appendonly"] and not self.server.aof.enabled and not self.server.aof.waiting_first:
            self.server.aof.enable()

    stop_following = promote

    def _take_role(self) -> None:
        """What the rest of the server has to know."""
        self.engine.set_replica(self.active)
        self.log.role = "S" if self.active else "M"
        self.config.assign("replicaof", *([self.address[0], str(self.address[1])] if self.address else ["no", "one"]))
        self.server.primary.listen()
        self.judge()

    def judge(self) -> None:
        """Which commands are refused because of whom we follow."""
        self.engine.set_state("readonly", self.active and bool(self.config["replica-read-only"]))
        self.engine.set_state("masterdown", self.active and not self.link_up
                              and not self.config["replica-serve-stale-data"])

    def at_start(self, aux: dict[bytes, bytes]) -> None:
        """After loading: follows whom the settings name, from where the file's data stand."""
        if not self.config["replicaof"]:
            return
        self.address = self.config["replicaof"][0], self.config["replicaof"][1]
        saved: Saved | None = self.server.identity.from_aux(aux) if not self.config["appendonly"] else None
        if saved is not None:
            self.server.identity.adopt(saved.replid)
            self.server.primary.open_stream(saved.offset)
            self.engine.primary_place(saved.offset, saved.db)
            self.resumable = True
        self._take_role()

    # ---------------------------------------------------------------- connecting

    def _state(self, state: str) -> None:
        self.state = state
        self.judge()

    def _connect(self) -> None:
        assert self.address is not None
        host, port = self.address
        self.log("notice", f"Connecting to MASTER {host}:{port}")
        try:
            family, kind, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            sock = socket.socket(family, kind)
            sock.setblocking(False)
            self._channel = Channel(sock, client_context(self.config) if self.config["tls-replication"] else None)
            if self.config["bind-source-addr"]:
                sock.bind((self.config["bind-source-addr"], 0))
            sock.connect(where)
        except BlockingIOError:
            pass
        except (OSError, TlsError) as e:
            self.log("warning", f"Unable to connect to MASTER: {getattr(e, 'strerror', None) or e}")
            self._fall_back()
            return
        self._since = time.monotonic()
        self._state(CONNECTING)
        self.loop.watch(sock.fileno(), self._ready, READ | WRITE)
        self.log("notice", "MASTER <-> REPLICA sync started")

    def _wishes(self) -> Wishes:
        c = self.config
        at = self.engine.primary_figures()["applied"]
        replid = self.server.identity.replid if self.resumable else "?"
        user = c["masteruser"] or None
        return Wishes(port=c["replica-announce-port"] or (c["tls-port"] if c["tls-replication"] else 0) or c["port"],
                      announce_ip=c["replica-announce-ip"] or None, user=user, password=c["masterauth"] or None,
                      replid=replid, offset=at if self.resumable else -2, failover=self._failover, version=REDIS_VERSION)

    def _fall_back(self) -> None:
        """The attempt is over; the next one begins within a second."""
        self._close()
        if self._down_since is None:
            self._down_since = time.monotonic()
        self._state(CONNECT)

    def _close(self) -> None:
        if self.receiving is not None:
            self.receiving.drop()
        if self._channel is not None:
            self.loop.unwatch(self._channel.sock.fileno())
            self._channel.sock.close()
        self._channel = self.handshake = self.receiving = None

    def _leave(self) -> None:
        """Ends the link, whatever its state."""
        self._close()
        if self._client:
            self.engine.close(self._client)
            self._client = 0
        self.state = CONNECT

    # ---------------------------------------------------------------- talking

    def _ready(self, mask: int) -> None:
        """The socket of an attempt can be read or written."""
        channel = self._channel
        assert channel is not None
        try:
            if self.state == CONNECTING:
                self._connected(channel)
                return
            data = channel.receive(PIECE)
            if not data:
                raise ConnectionResetError("the primary closed the connection")
            if self.receiving is not None:
                self._receive(data)
            else:
                self._talk(data)
        except (BlockingIOError, InterruptedError):
            pass
        except Broken as e:
            self.log("warning", str(e))
            self._fall_back()
        except OSError as e:
            self.log("warning", f"I/O error with MASTER: {e.strerror or e}")
            self._fall_back()
        except Stopped:
            self._close()

    def _connected(self, channel: Channel) -> None:
        sock = channel.sock
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self.log("warning", f"Error condition on socket for SYNC: {os.strerror(error)}")
            self._fall_back()
            return
        self.log("notice", "Non blocking connect for SYNC fired the event.")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.loop.poller.change(sock.fileno(), READ)
        self._state(HANDSHAKE)
        self.handshake = Handshake(self._wishes())
        channel.start()
        channel.send(self.handshake.begin(time.monotonic()))

    def _talk(self, data: bytes) -> None:
        assert self.handshake is not None and self._channel is not None
        out = self.handshake.feed(data, time.monotonic())
        for level, text in self.handshake.notes:
            self.log(level, text)
        self.handshake.notes.clear()
        if out:
            self._channel.send(out)
        outcome = self.handshake.outcome
        if outcome is None:
            return
        rest = self.handshake.rest
        if outcome.kind == "continue":
            self._continue(outcome, rest)
        elif outcome.kind == "full":
            self._begin_full(outcome, rest)
        else:
            self._refused(outcome)

    def _refused(self, outcome: Outcome) -> None:
        if outcome.kind == "failed":
            self.log("warning", outcome.text)
        failover, self._failover = self._failover, False
        self._fall_back()
        if failover:
            self.server.failover.rejected()

    def _continue(self, outcome: Outcome, rest: bytes) -> None:
        """Our place in the history is the primary's, too."""
        identity, primary = self.server.identity, self.server.primary
        self.log("notice", "Successful partial resynchronization with master.")
        if outcome.replid is not None and outcome.replid != identity.replid:
            old = identity.replid
            identity.shift(outcome.replid)
            self.log("notice", f"Master replication ID changed to {identity.replid} (was {old})")
            primary.disconnect()
        figures = self.engine.primary_figures()
        if not self.engine.stream_figures()["open"]:
            primary.open_stream(figures["applied"])
        self.log("notice", "MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.")
        self._stand(figures["applied"], figures["db"], rest)

    def _stand(self, at: int, db: int, rest: bytes) -> None:
        """The socket is the engine's from now on: the stream comes."""
        channel, self._channel, self.handshake, self.receiving = self._channel, None, None, None
        assert channel is not None
        sock = channel.sock
        self.loop.unwatch(sock.fileno())
        if self.config["repl-disable-tcp-nodelay"]:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        self._fd = sock.detach()
        self._client = self.engine.primary_attach(self._fd, at, db, channel.tls)
        self.resumable = True
        self._down_since = None
        failover, self._failover = self._failover, False
        self._state(CONNECTED)
        if rest:
            self.engine.feed(self._client, rest)
        self.engine.primary_ack()
        self._acked = time.monotonic()
        self.loop.watch_client(self._fd)
        if failover:
            self.server.failover.done()

    # ---------------------------------------------------------------- full synchronisation

    def _begin_full(self, outcome: Outcome, rest: bytes) -> None:
        assert self._channel is not None
        if outcome.replid:
            self.log("notice", f"Full resync from master: {outcome.replid}:{outcome.offset}")
        failover, self._failover = self._failover, False
        if failover:
            self.server.failover.done()         # it is the primary now, though it could not go on from where we were
        self.receiving = Receiving(self, self._channel, outcome)
        self._state(SYNC)
        if rest:
            self._receive(rest)

    def _receive(self, data: bytes) -> None:
        receiving, channel = self.receiving, self._channel
        assert receiving is not None and channel is not None
        if receiving.loading:
            return                              # the loader reads by itself
        self.loop.poller.change(channel.sock.fileno(), 0)
        done = receiving.take(data)
        if not done:
            self.loop.poller.change(channel.sock.fileno(), READ)
            return
        self._loaded(receiving)

    def end_children(self) -> None:
        """What a child is saving is of no use any more."""
        if self.server.children.busy("rdb"):
            self.log("notice", "Replica is about to load the RDB file received from the master, but there is a pending RDB "
                               "child running. Killing process to avoid mixing files.")
            self.server.children.kill()

    def before_load(self) -> None:
        """The old data go: nobody may continue from them. Until now another primary could have had us continue."""
        if self.resumable:
            self.log("notice", "Discarding previously cached master state.")
            self.resumable = False
        self.server.aof.disable()
        self.server.primary.disconnect()
        self.server.primary.close_stream()

    def _loaded(self, receiving: Receiving) -> None:
        """The primary's data are ours."""
        outcome, identity = receiving.outcome, self.server.identity
        known = outcome.offset >= 0 and outcome.replid is not None
        at = outcome.offset if known else 0
        if known:
            identity.adopt(str(outcome.replid))
        else:
            identity.new()
        self.server.primary.open_stream(at)
        saved = identity.from_aux(self.server.loading.aux)
        self._stand(at, saved.db if saved is not None else 0, receiving.transfer.rest)
        self.resumable = known
        self.log("notice", "MASTER <-> REPLICA sync: Finished with success")
        if self.config["appendonly"]:
            self.server.aof.enable()

    # ---------------------------------------------------------------- the link

    def _lost(self, fd: int, broken: bool) -> None:
        """The engine has closed the link's socket."""
        if not self._client:
            return                              # we ended it ourselves
        self._client = 0
        self.log("notice", "Connection with master lost.")
        if broken:
            self.resumable = False
        if self.resumable:
            self.log("notice", "Caching the disconnected master state.")
        if self._down_since is None:
            self._down_since = time.monotonic()
        self._state(CONNECT)
        self.log("notice", f"Reconnecting to MASTER {self._name()}")
        self.loop.call_later(0, self._reconnect)

    def _reconnect(self) -> None:
        if self.active and self.state == CONNECT and not self.server.stopping:
            self._connect()

    def _name(self) -> str:
        return f"{self.address[0]}:{self.address[1]}" if self.address else ""

    def cron(self) -> None:
        """A few times a second: acknowledges, reconnects, notices silence."""
        if not self.active or self.server.loading.progress is not None:
            return
        now = time.monotonic()
        if self.state == CONNECTED:
            self._watch_link(now)
        elif self.state == CONNECTING and now - self._since > self.config["repl-timeout"]:
            self.log("warning", "Timeout connecting to the MASTER...")
            self._fall_back()
        elif self.handshake is not None and self.handshake.overdue(now, self.config["repl-timeout"]):
            self.log("warning", "Timeout connecting to the MASTER...")
            self._fall_back()
        elif self.receiving is not None and self.receiving.overdue(now):
            self.log("warning", "Timeout receiving bulk data from MASTER... If the problem persists try to set the "
                                "'repl-timeout' parameter in redis.conf to a larger value.")
            self._fall_back()
        if now - self._acked >= 1:
            self._acked = now
            self._each_second()

    def _each_second(self) -> None:
        if self.state == CONNECTED:
            self.engine.primary_ack()
        elif self.state == CONNECT:
            self._connect()

    def _watch_link(self, now: float) -> None:
        heard_ms = self.engine.primary_figures()["heard_ms"]
        if time.time() * 1000 - heard_ms > self.config["repl-timeout"] * 1000:
            self.log("warning", "MASTER timeout: no data nor PING received...")
            self.engine.close(self._client)

    # ---------------------------------------------------------------- ROLE, INFO

    def role(self) -> list[Any]:
        """ROLE's reply of a replica."""
        assert self.address is not None
        figures = self.engine.primary_figures()
        return [b"slave", self.address[0].encode("utf-8", "surrogateescape"), self.address[1], self.state.encode(),
                figures["applied"] if self.state == CONNECTED else -1]

    def info_rows(self) -> list[tuple[str, Any]]:
        """INFO's rows of a replica, up to those that a primary has, too."""
        assert self.address is not None
        figures, now = self.engine.primary_figures(), time.monotonic()
        known = self.resumable or self.state == CONNECTED
        heard = max(0, int(time.time() - figures["heard_ms"] / 1000)) if self.state == CONNECTED else -1
        rows: list[tuple[str, Any]] = [
            ("role", "slave"), ("master_host", self.address[0]), ("master_port", self.address[1]),
            ("master_link_status", "up" if self.state == CONNECTED else "down"), ("master_last_io_seconds_ago", heard),
            ("master_sync_in_progress", int(self.state == SYNC)),
            ("slave_read_repl_offset", figures["read"] if known else 1),
            ("slave_repl_offset", figures["applied"] if known else 1)]
        if self.receiving is not None:
            rows += self._sync_rows(self.receiving, now)
        if self.state != CONNECTED:
            rows.append(("master_link_down_since_seconds",
                         int(now - self._down_since) if self._down_since is not None else -1))
        c = self.config
        return rows + [("slave_priority", c["replica-priority"]), ("slave_read_only", int(c["replica-read-only"])),
                       ("replica_announced", int(c["replica-announced"]))]

    @staticmethod
    def _sync_rows(receiving: Receiving, now: float) -> list[tuple[str, Any]]:
        transfer = receiving.transfer
        total = max(0, transfer.size)
        part = 100 * transfer.received / total if total else 0.0
        return [("master_sync_total_bytes", total), ("master_sync_read_bytes", transfer.received),
                ("master_sync_left_bytes", total - transfer.received), ("master_sync_perc", f"{part:.2f}"),
                ("master_sync_last_io_seconds_ago", int(now - receiving.heard))]


def _port(text: bytes) -> int:
    """REPLICAOF's port. Raises Error."""
    try:
        number = int(text)
    except ValueError:
        raise Error(error_text("NOT_INT")) from None
    if not 0 <= number <= 65535:
        raise prefixed("ERR", "Invalid master port")
    return number
