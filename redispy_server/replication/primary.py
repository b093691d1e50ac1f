"""What a primary does for its replicas: PSYNC, full and partial; keeping them alive; what they have acknowledged.

A replica's life, `state` in INFO in brackets:

    REPLCONF ...   PSYNC --- its history is ours, and kept ------------------------------------------> +CONTINUE [online]
                     `------ WAITS for a child [wait_bgsave]
                                 `-- child begins: +FULLRESYNC; the stream from here on is kept for it
                                       diskless: FED by the child itself [wait_bgsave], then ONLINE; the stream from its
                                                 first acknowledgement on
                                       disk:     SAVED for [wait_bgsave], then SENT the file [send_bulk], then the stream

A diskless child writes to the replicas' sockets by itself; meanwhile nothing else is sent on them. The engine holds the
stream and sends it (exec/replicas); here are decisions, which cost a replica a little, and a command nothing.
"""

from __future__ import annotations

import array
import fcntl
import os
import secrets
import socket
import termios
import time
from typing import TYPE_CHECKING, Any

from redispy_core.engine import NO_REPLY, Error, Status, error_text, prefixed

from .handshake import request

if TYPE_CHECKING:
    from ..server import Server

OK = Status(b"OK")
REPLICAS = 2                    # of Engine.journal_to
PING = b"*1\r\n$4\r\nping\r\n"
WAITS, SAVED, FED, SENT, ONLINE = "waits", "saved", "fed", "sent", "online"
SHOWN = {WAITS: "wait_bgsave", SAVED: "wait_bgsave", FED: "wait_bgsave", SENT: "send_bulk", ONLINE: "online"}
OLD_RDB = 10                    # RDB version that Redis 7.0 reads
CAPABILITIES = {b"eof", b"psync2"}


class Peer:
    """A client that has said REPLCONF or PSYNC."""

    def __init__(self, client_id: int) -> None:
        self.id = client_id
        self.port = 0
        self.ip = ""
        self.version = ""
        self.capabilities: set[bytes] = set()
        self.rdb_only = False
        self.without_data = False           # rdb-filter-only: what the RDB leaves out
        self.without_functions = False
        self.psync = False
        self.state = ""                     # "": no replica yet
        self.since = 0.0                    # when it began to wait
        self.begin = 0                      # position of the stream that its RDB stands for
        self.streaming = False
        self.unsent = 0                     # bytes that the socket holds, while a child feeds it
        self.moved = 0.0                    # when that changed last

    @property
    def filtered(self) -> tuple[bool, bool]:
        """Replicas that want the same share a child."""
        return self.without_data, self.without_functions


class Primary:
    """The replicas of one server, which may be a replica itself."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.engine = server.engine
        self.config = server.config
        self.log = server.log
        self.identity = server.identity
        self.peers: dict[int, Peer] = {}
        self.full_syncs = 0
        self.partial_syncs = 0
        self.partial_refused = 0
        self._alone_since = time.monotonic()
        self._pinged = time.monotonic()
        self._second = 0.0
        self._saves_for_replicas = False    # the child that writes a file was started for replicas
        self.engine.hooks["replica_closed"] = self._closed

    def reset_stats(self) -> None:
        """CONFIG RESETSTAT."""
        self.full_syncs = self.partial_syncs = self.partial_refused = 0

    # ---------------------------------------------------------------- who is who

    @property
    def is_replica(self) -> bool:
        """Does this server follow another?"""
        return self.server.replica.active

    @property
    def replicas(self) -> list[Peer]:
        """Those that are replicas, oldest first."""
        return [p for p in self.peers.values() if p.state]

    def in_state(self, *states: str) -> list[Peer]:
        """Replicas in one of some states."""
        return [p for p in self.peers.values() if p.state in states]

    def _peer(self, client_id: int) -> Peer:
        peer = self.peers.get(client_id)
        if peer is None:
            peer = self.peers[client_id] = Peer(client_id)
            self.engine.replica_known(client_id)
        return peer

    def name(self, peer: Peer) -> str:
        """A replica for the log: address and port as it announced them, or as we see it."""
        ip = peer.ip or self.engine.client_address(peer.id).rpartition(":")[0]
        return f"{ip}:{peer.port}" if peer.port else f"client id #{peer.id}"

    # ---------------------------------------------------------------- the stream

    def open_stream(self, at: int | None = None) -> None:
        """Keeps the history from now on."""
        self.engine.stream_open(self.engine.stream_offset if at is None else at)
        self.listen()

    def listen(self) -> None:
        """A primary's changes go into the stream while it is kept; a replica's stream is its primary's."""
        self.server.journal_listens(REPLICAS, bool(self.engine.stream_figures()["open"]) and not self.is_replica)

    def close_stream(self) -> None:
        """Forgets the history."""
        self.engine.stream_close()
        self.server.journal_listens(REPLICAS, False)

    def save_info(self) -> dict[str, Any]:
        """What a saved RDB tells of the history, as an option of Engine.save_rdb."""
        figures = self.engine.stream_figures()
        if self.is_replica:
            info: tuple[bytes, int, int] | None = self.server.replica.save_info()
            return {"replication": info} if info else {}
        if not figures["open"]:
            return {}
        return {"replication": self.identity.to_aux(max(0, figures["db"]))}

    def restore(self, aux: dict[bytes, bytes]) -> None:
        """After loading at start: replicas of the server that wrote the file may go on."""
        saved = self.identity.from_aux(aux)
        if saved is not None:
            self.identity.continue_from(saved)
            self.open_stream(saved.offset)

    # ---------------------------------------------------------------- REPLCONF

    def replconf_command(self, call: Any, *words: bytes) -> Any:
        """REPLCONF option value [option value ...]."""
        if len(words) % 2:
            raise Error(error_text("SYNTAX"))
        reply: Any = OK
        for option, value in zip(words[::2], words[1::2]):
            name = option.lower()
            if name == b"ack":
                self._acked(call, words)
                return NO_REPLY
            if name == b"getack":
                if self.is_replica:
                    self.server.replica.send_ack(call.client_id)
                return NO_REPLY
            self._set_option(self._peer(call.client_id), name, option, value)
        return reply

    def _set_option(self, peer: Peer, name: bytes, option: bytes, value: bytes) -> None:
        if name == b"listening-port":
            peer.port = integer(value)
        elif name == b"ip-address":
            if len(value) > 255:
                raise prefixed("ERR", f"REPLCONF ip-address provided by replica instance is too long: {len(value)} bytes")
            peer.ip = value.decode("utf-8", "replace")
        elif name == b"capa":
            if value.lower() in CAPABILITIES:
                peer.capabilities.add(value.lower())
        elif name == b"version":
            peer.version = value.decode("utf-8", "replace")
        elif name == b"rdb-only":
            peer.rdb_only = integer(value) == 1
        elif name == b"rdb-filter-only":
            self._set_filter(peer, value)
        elif name not in (b"rdb-channel", b"main-ch-client-id"):
            raise Error(error_text("REPLCONF_OPTION", option.decode("utf-8", "replace")))

    @staticmethod
    def _set_filter(peer: Peer, value: bytes) -> None:
        """Only these parts: today there are functions."""
        peer.without_data = peer.without_functions = True
        for word in value.split():
            if word.lower() != b"functions":
                raise prefixed("ERR", f"Unsupported rdb-filter-only option: {word.decode('utf-8', 'replace')}")
            peer.without_functions = False

    def _acked(self, call: Any, words: tuple[bytes, ...]) -> None:
        peer = self.peers.get(call.client_id)
        if peer is None or not peer.state:
            return
        try:
            offset = int(words[1])
            synced = int(words[3]) if len(words) > 3 and words[2].lower() == b"fack" else -1
        except ValueError:
            return
        self.engine.replica_acked(peer.id, offset, synced)
        if peer.state == ONLINE and not peer.streaming and not peer.rdb_only:
            self._stream(peer)

    # ---------------------------------------------------------------- PSYNC, SYNC

    def psync_command(self, call: Any, replid: bytes, offset: bytes, *rest: bytes) -> Any:
        """PSYNC replid offset [FAILOVER]."""
        if self.engine.client_flags(call.client_id)[0]:
            return NO_REPLY
        if rest and rest[0].lower() == b"failover":
            self._promote(replid.decode("latin-1"))
        try:
            position = integer(offset)
        except Error:
            self.log("notice", f"Replica {self.name(self._peer(call.client_id))} asks for synchronization but with a wrong "
                               "offset")
            raise
        self._may_sync(call)
        peer = self._peer(call.client_id)
        peer.psync = True
        if not self._continue(peer, replid.decode("latin-1"), position):
            if replid != b"?":
                self.partial_refused += 1
            self._full(peer)
        return NO_REPLY

    def sync_command(self, call: Any, *rest: bytes) -> Any:
        """SYNC: PSYNC's older form, which tells neither id nor offset."""
        if self.engine.client_flags(call.client_id)[0]:
            return NO_REPLY
        self._may_sync(call)
        peer = self._peer(call.client_id)
        peer.psync = False
        self._full(peer)
        return NO_REPLY

    def _promote(self, replid: str) -> None:
        """PSYNC ... FAILOVER: our primary hands over to us."""
        if not self.is_replica:
            raise prefixed("ERR", "PSYNC FAILOVER can't be sent to a master.")
        if replid.lower() != self.identity.replid:
            raise prefixed("ERR", "PSYNC FAILOVER replid must match my replid.")
        self.log("warning", "Failover request received for replid %s." % replid)
        self.server.replica.promote()

    def _may_sync(self, call: Any) -> None:
        if self.server.failover.in_progress:
            raise Error(error_text("NOMASTERLINK", "failing over"))
        if self.is_replica and not self.server.replica.link_up:
            raise Error(error_text("NOMASTERLINK", "not connected with my master"))
        if self.engine.client_has_output(call.client_id):
            raise Error(error_text("SYNC_OUTPUT"))
        peer = self.peers.get(call.client_id)
        if peer is not None and any(peer.filtered) and b"eof" not in peer.capabilities:
            raise Error(error_text("FILTER_NEEDS_EOF"))
        self.log("notice", f"Replica {self.name(self._peer(call.client_id))} asks for synchronization")

    def _continue(self, peer: Peer, replid: str, position: int) -> bool:
        """Partial resynchronization, if that is possible."""
        figures = self.engine.stream_figures()
        if not self.identity.knows(replid, position):
            if replid == "?":
                self.log("notice", f"Full resync requested by replica {self.name(peer)}")
            elif replid.lower() == self.identity.replid2:
                self.log("notice", f"Partial resynchronization not accepted: Requested offset for second ID was {position}, "
                                   f"but I can reply up to {self.identity.second_offset}")
            else:
                self.log("notice", "Partial resynchronization not accepted: Replication ID mismatch (Replica asked for "
                                   f"'{replid}', my replication IDs are '{self.identity.replid}' and "
                                   f"'{self.identity.replid2}')")
            return False
        if not figures["open"] or not figures["first"] <= position - 1 <= figures["offset"]:
            self.log("notice", f"Unable to partial resync with replica {self.name(peer)} for lack of backlog (Replica request "
                               f"was: {position}).")
            return False
        self._begin(peer)
        line = f"+CONTINUE {self.identity.replid}\r\n" if b"psync2" in peer.capabilities else "+CONTINUE\r\n"
        if not self.engine.replica_say(peer.id, line.encode()):
            self.engine.close(peer.id)
            return True
        self.engine.replica_attach(peer.id, position - 1)
        peer.state = ONLINE
        self._stream(peer)
        self.partial_syncs += 1
        self.log("notice", f"Partial resynchronization request from {self.name(peer)} accepted. Sending "
                           f"{figures['offset'] - position + 1} bytes of backlog starting from offset {position}.")
        self.judge_lag()
        return True

    def _begin(self, peer: Peer) -> None:
        self.engine.replica_begin(peer.id)
        if self.config["repl-disable-tcp-nodelay"]:
            self._with_socket(peer, lambda s: s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0))

    def _with_socket(self, peer: Peer, act: Any) -> None:
        row = self.engine.replicas().get(peer.id)
        if row is None or row["fd"] < 0:
            return
        try:
            with socket.socket(fileno=os.dup(row["fd"])) as s:
                act(s)
        except OSError:
            pass                            # it has gone

    def _full(self, peer: Peer) -> None:
        """Full resynchronization: it waits for a child that it can share, or for one of its own."""
        self.full_syncs += 1
        self._begin(peer)
        peer.state, peer.since = WAITS, time.monotonic()
        if not self.engine.stream_figures()["open"]:
            self.identity.new()
            self.open_stream()
            self.log("notice", f"Replication backlog created, my new replication IDs are '{self.identity.replid}' and "
                               f"'{self.identity.replid2}'")
        children = self.server.children
        if children.busy("sync"):
            self.log("notice", "Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC")
        elif children.busy("rdb"):
            self._join(peer)
        elif self.config["repl-diskless-sync"] and b"eof" in peer.capabilities and self.config["repl-diskless-sync-delay"]:
            self.log("notice", "Delay next BGSAVE for diskless SYNC")
        elif children.busy():
            self.log("notice", "No BGSAVE in progress, but another BG operation is active. BGSAVE for replication delayed")
        else:
            self.start_sync()

    def _join(self, peer: Peer) -> None:
        """The running BGSAVE will do, if the stream since it began has been kept for another replica."""
        for other in self.in_state(SAVED):
            if other.capabilities <= peer.capabilities and other.filtered == peer.filtered \
                    and self.engine.replica_attach(peer.id, other.begin):
                peer.begin = other.begin
                if self._announce(peer):
                    peer.state = SAVED
                    self.log("notice", "Waiting for end of BGSAVE for SYNC")
                return
        self.log("notice", "Can't attach the replica to the current BGSAVE. Waiting for next BGSAVE for SYNC")

    # ---------------------------------------------------------------- full synchronization

    def start_sync(self) -> None:
        """Forks for replicas that wait, if it is time to and nothing else runs."""
        waiting = self.in_state(WAITS)
        if not waiting or self.server.children.busy() or self.server.loading.progress is not None:
            return
        waiting = [p for p in waiting if p.filtered == waiting[0].filtered]
        everyone_reads_marks = all(b"eof" in p.capabilities for p in waiting)
        diskless = (self.config["repl-diskless-sync"] or any(waiting[0].filtered)) and everyone_reads_marks \
            and not any(self.engine.client_is_tls(p.id) for p in waiting)       # the child can't encrypt
        if self.config["repl-diskless-sync"] and not self._is_time(waiting):
            return
        self.log("notice", f"Starting BGSAVE for SYNC with target: {'replicas sockets' if diskless else 'disk'}")
        self.engine.stream_select_again()
        try:
            if diskless:
                self._fork_to_sockets(waiting)
            else:
                self._fork_to_disk(waiting)
        except OSError as e:
            self.log("warning", f"BGSAVE for replication failed: {e.strerror}")
            for peer in waiting:
                self.engine.replica_say(peer.id, f"-{error_text('SYNC_FORK')}\r\n".encode())
                self.engine.close(peer.id)

    def _is_time(self, waiting: list[Peer]) -> bool:
        most = self.config["repl-diskless-sync-max-replicas"]
        longest = time.monotonic() - min(p.since for p in waiting)
        return bool(longest >= self.config["repl-diskless-sync-delay"] or 0 < most <= len(waiting))

    def _announce(self, peer: Peer) -> bool:
        """+FULLRESYNC; False: it can't be told, and is closed."""
        line = f"+FULLRESYNC {self.identity.replid} {peer.begin}\r\n" if peer.psync else ""
        if line and not self.engine.replica_say(peer.id, line.encode()):
            self.engine.close(peer.id)
            peer.state = ""
            return False
        return True

    def _attach(self, peer: Peer) -> bool:
        peer.begin = self.engine.stream_offset
        return bool(self.engine.replica_attach(peer.id, peer.begin)) and self._announce(peer)

    def _rdb_version(self, waiting: list[Peer]) -> int:
        """What all of them can read. A replica of an old version does not tell that it is one, a new one does. Fields with
        an expiry exist in the newest format alone."""
        timed = any(row[4] for row in self.engine.databases())
        return 0 if timed or all(p.version for p in waiting) else OLD_RDB

    def _fork_to_disk(self, waiting: list[Peer]) -> None:
        self.server.saving.begin(version=self._rdb_version(waiting))
        self._saves_for_replicas = True
        for peer in waiting:
            if self._attach(peer):
                peer.state = SAVED

    def _fork_to_sockets(self, waiting: list[Peer]) -> None:
        fed = [p for p in waiting if self._attach(p)]
        if not fed:
            return
        rows = self.engine.replicas()
        mark = secrets.token_hex(20).encode()
        options: dict[str, Any] = {
            "eof_mark": mark, "timeout_ms": self.config["repl-timeout"] * 1000,
            "key_delay_us": self.config["rdb-key-save-delay"], "sync": False, "incremental_sync": False}
        options["replication"] = self.identity.to_aux(0)
        options["version"] = self._rdb_version(fed)
        if fed[0].without_functions:
            options["functions"] = []
        fds = [rows[p.id]["fd"] for p in fed]
        pid = self.server.children.start("sync", lambda: self.engine.fork_save(fds, "rdb", **options),
                                         lambda code, killer: self._fed(fed, code, killer))
        for peer in fed:
            peer.state, peer.unsent, peer.moved = FED, 0, time.monotonic()
        self.log("notice", f"Background RDB transfer started by pid {pid}")

    def _fed(self, fed: list[Peer], code: int, killer: int) -> None:
        """The diskless child has ended."""
        outs = self.server.children.ended_outs
        fine = code == 0 and not killer
        left = []
        for i, peer in enumerate(fed):
            if peer.state != FED or peer.id not in self.peers:
                continue
            if fine and outs.get(i, 0) == 0:
                left.append(peer)
                continue
            if outs.get(i, 0):
                self.log("warning", f"Diskless rdb transfer to replica {self.name(peer)} failed: {os.strerror(outs[i])}")
            self._cut(peer)
        if fine:
            self.log("notice", f"Diskless rdb transfer, done reading from pipe, {len(left)} replicas still up.")
            self.log("notice", "Background RDB transfer terminated with success")
        elif killer:
            self.log("warning", f"Background transfer terminated by signal {killer}")
        else:
            self.log("warning", "Background transfer error")
        for peer in left:
            peer.state = ONLINE
            self.log("notice", f"Streamed replica with replica {self.name(peer)} via socket. Waiting for REPLCONF ACK from "
                               "replica to enable streaming")
            self.engine.replica_acked(peer.id, 0, -1)       # its time for the first one begins
        self.judge_lag()

    def _cut(self, peer: Peer) -> None:
        """Ends the connection, even while a child has a copy of the socket."""
        self._with_socket(peer, lambda s: s.shutdown(socket.SHUT_RDWR))
        self.engine.close(peer.id)
        self._left(peer)

    def _left(self, peer: Peer) -> None:
        """It is a replica no longer; a child that feeds nobody is stopped."""
        fed, saved = peer.state == FED, peer.state == SAVED
        peer.state = ""
        if saved and not self.in_state(SAVED) and not self.config["save"] and self._saves_for_replicas \
                and self.server.children.busy("rdb"):
            self.log("notice", "Nobody waits for the RDB file any more: killing the child that writes it")
            self.server.children.kill()
        if fed and not self.in_state(FED) and self.server.children.busy("sync"):
            self.log("notice", "Diskless rdb transfer, last replica dropped, killing fork child.")
            self.server.children.kill()

    def saved(self, ok: bool) -> None:
        """A BGSAVE has ended."""
        self._saves_for_replicas = False
        for peer in self.in_state(SAVED):
            if not ok:
                self.log("warning", "SYNC failed. BGSAVE child returned an error")
                self._cut(peer)
                continue
            try:
                fd = os.open(self.config["dbfilename"], os.O_RDONLY | os.O_CLOEXEC)
            except OSError as e:
                self.log("warning", f"SYNC failed. Can't open/stat DB after BGSAVE: {e.strerror}")
                self._cut(peer)
                continue
            size = os.fstat(fd).st_size
            self.engine.replica_say(peer.id, b"$%d\r\n" % size)
            peer.state = SENT
            self.engine.replica_send_file(peer.id, fd, size)

    def _stream(self, peer: Peer) -> None:
        """It gets the stream from now on."""
        peer.streaming = True
        self.engine.replica_send(peer.id)
        self.log("notice", f"Synchronization with replica {self.name(peer)} succeeded")
        self.judge_lag()

    def _closed(self, client_id: int) -> None:
        """A client that was known as a replica, or as one to be, is gone."""
        peer = self.peers.pop(client_id, None)
        if peer is None or not peer.state:
            return
        self.log("notice", f"Connection with replica {self.name(peer)} lost.")
        self._left(peer)
        if not self.replicas:
            self._alone_since = time.monotonic()
        self.judge_lag()

    # ---------------------------------------------------------------- time

    def cron(self) -> None:
        """Ten times a second or so."""
        if not self.peers and not self.engine.stream_figures()["open"]:
            return
        now = time.monotonic()
        self._watch_files()
        self.start_sync()
        self.engine.stream_trim()
        if now - self._second < 1:
            return
        self._second = now
        self._ping(now)
        self._drop_silent()
        self._keep_alive()
        self._drop_stream(now)
        self.judge_lag()

    def _watch_files(self) -> None:
        """Who has the whole file is online."""
        sent = self.in_state(SENT)
        if not sent:
            return
        rows = self.engine.replicas()
        for peer in sent:
            row = rows.get(peer.id)
            if row is not None and row["file_left"] == 0:
                peer.state = ONLINE
                if peer.rdb_only:
                    self._cut(peer)
                    continue
                self.engine.replica_acked(peer.id, 0, -1)
                self._stream(peer)

    def _ping(self, now: float) -> None:
        if now - self._pinged < self.config["repl-ping-replica-period"] or self.is_replica or not self.replicas:
            return
        if self.engine.pause_state()[0] is not None:
            return                          # the offset must come to rest
        self._pinged = now
        self.engine.stream_feed(PING)

    def _drop_silent(self) -> None:
        limit = self.config["repl-timeout"] * 1000
        rows = self.engine.replicas()
        for peer in self.replicas:
            row = rows.get(peer.id)
            if row is None or row["lag_ms"] <= limit:
                continue
            if peer.state == ONLINE:
                self.log("warning", f"Disconnecting timedout replica (streaming sync): {self.name(peer)}")
                self._cut(peer)
        for peer in self.in_state(FED):
            self._drop_stuck(peer)

    def _drop_stuck(self, peer: Peer) -> None:
        """A replica that takes nothing of what a child sends would hold up the others for ever."""
        now = time.monotonic()
        unsent = self.unsent_bytes(peer)
        if unsent == 0 or unsent != peer.unsent:
            peer.unsent, peer.moved = unsent, now
        elif now - peer.moved > self.config["repl-timeout"]:
            self.log("warning", f"Disconnecting timedout replica (full sync): {self.name(peer)}")
            self._cut(peer)

    def unsent_bytes(self, peer: Peer) -> int:
        """What a replica's socket holds and the replica has not acknowledged."""
        row = self.engine.replicas().get(peer.id)
        if row is None or row["fd"] < 0:
            return 0
        count = array.array("i", [0])
        try:
            fcntl.ioctl(row["fd"], termios.TIOCOUTQ, count)
        except OSError:
            return 0                        # this system does not tell
        return count[0]

    def _keep_alive(self) -> None:
        """A line end tells those who wait for a child that we are alive."""
        for peer in self.in_state(WAITS, SAVED):
            self.engine.replica_say(peer.id, b"\n")

    def _drop_stream(self, now: float) -> None:
        ttl = self.config["repl-backlog-ttl"]
        if self.replicas or not ttl or self.is_replica or now - self._alone_since <= ttl:
            return
        self.identity.new()
        self.close_stream()
        self.log("notice", f"Replication backlog freed after {ttl} seconds without connected replicas.")

    def judge_lag(self) -> None:
        """Refuses writes while too few replicas keep up (min-replicas-to-write)."""
        wanted = self.config["min-replicas-to-write"]
        if not wanted or not self.config["min-replicas-max-lag"] or self.is_replica:
            self.engine.set_state("noreplicas", False)
        else:
            self.engine.set_state("noreplicas", self.good_replicas() < wanted)

    def good_replicas(self) -> int:
        """Replicas that have acknowledged something lately."""
        limit = self.config["min-replicas-max-lag"]
        rows = self.engine.replicas()
        return sum(p.state == ONLINE and p.id in rows and rows[p.id]["lag_ms"] // 1000 <= limit for p in self.replicas)

    def lagging(self) -> list[str]:
        """A line for each replica that has not acknowledged all that there is."""
        offset, rows = self.engine.stream_offset, self.engine.replicas()
        behind = [(p, rows[p.id]) for p in self.replicas if p.id in rows and rows[p.id]["acked"] != offset]
        return [f"Lagging replica {self.name(p)} reported offset {offset - row['acked']} behind master, lag="
                f"{row['lag_ms'] // 1000}, state={SHOWN[p.state]}." for p, row in behind]

    # ---------------------------------------------------------------- commands and figures

    def change_id_command(self, *words: bytes) -> Status:
        """DEBUG CHANGE-REPL-ID."""
        self.log("notice", "Changing replication IDs after receiving change-repl-id")
        self.identity.new()
        return OK

    def replicate_command(self, *words: bytes) -> Status:
        """DEBUG REPLICATE: sends replicas a command that is not run here, so that their data differ."""
        self.engine.stream_feed(request(*words))
        return OK

    def disconnect(self) -> None:
        """All replicas shall ask again: our history has changed."""
        for peer in self.replicas:
            self._cut(peer)

    def role(self) -> list[Any]:
        """ROLE's reply of a primary."""
        self._watch_files()
        rows = self.engine.replicas()
        replicas = [[self.address(p)[0].encode(), str(self.address(p)[1]).encode(), str(rows[p.id]["acked"]).encode()]
                    for p in self.in_state(ONLINE) if p.id in rows]
        return [b"master", self.engine.stream_offset, replicas]

    def address(self, peer: Peer) -> tuple[str, int]:
        """Where a replica can be reached."""
        return peer.ip or self.engine.client_address(peer.id).rpartition(":")[0], peer.port

    def info_rows(self) -> list[tuple[str, Any]]:
        """Of INFO replication: the replicas."""
        self._watch_files()
        rows = self.engine.replicas()
        found = [p for p in self.replicas if p.id in rows]
        result: list[tuple[str, Any]] = [("connected_slaves", len(found))]
        if self.config["min-replicas-to-write"] and self.config["min-replicas-max-lag"]:
            result.append(("min_slaves_good_slaves", self.good_replicas()))
        for i, peer in enumerate(found):
            ip, port = self.address(peer)
            row = rows[peer.id]
            lag = row["lag_ms"] // 1000 if peer.state == ONLINE else 0
            result.append((f"slave{i}", f"ip={ip},port={port},state={SHOWN[peer.state]},offset={row['acked']},lag={lag}"))
        return result

    def memory_rows(self) -> dict[str, int]:
        """mem_replication_backlog, mem_total_replication_buffers, mem_clients_slaves."""
        total = self.engine.stream_figures()["memory"]
        size = self.config["repl-backlog-size"]
        own = sum(row["client_memory"] for row in self.engine.replicas().values())
        backlog = min(total, size)
        return {"backlog": backlog, "total": total, "clients": own + (total - backlog if self.peers else 0)}


def integer(text: bytes) -> int:
    """A whole number of an argument."""
    try:
        return int(text)
    except ValueError:
        raise Error(error_text("NOT_INT")) from None
