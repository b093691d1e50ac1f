"""A full synchronisation, on the replica: the primary's file comes, replaces the data, and the stream follows.

Two ways, by repl-diskless-load: into a file that then becomes the RDB file and is loaded; or straight from the socket into
the data set (on-empty-db), or into one aside (swapdb), which takes the old one's place when it is whole. While data are
loaded clients are served as at start, and the primary is told now and then that we live.
"""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING

from ..loading import LoadFailed
from ..saving import remove, sync_directory
from .channel import Channel
from .handshake import Outcome
from .transfer import Transfer, TransferError

if TYPE_CHECKING:
    from .replica import Replica

PIECE = 1 << 18                 # bytes a read
SYNC_EVERY = 8 << 20            # bytes of the file between two syncs: the last one is then short
ALIVE_EVERY = 1.0               # seconds between two empty lines to the primary
LOOK_EVERY = 0.05               # seconds that reading for a load waits before clients are served


class Broken(Exception):
    """The synchronisation failed; str() is for the log."""


class Receiving:
    """One full synchronisation that is under way."""

    def __init__(self, replica: Replica, channel: Channel, outcome: Outcome) -> None:
        self.replica = replica
        self.server = replica.server
        self.engine = replica.engine
        self.config = replica.config
        self.log = replica.log
        self.channel = channel
        self.outcome = outcome
        self.transfer = Transfer()
        self.heard = time.monotonic()
        self.path = ""
        self.file = -1
        self.loading = False
        self._synced = 0
        self._told = 0.0
        self._looked = 0.0              # when clients were served last while loading
        self._ready = b""               # of the file, not taken by the loader yet

    # ---------------------------------------------------------------- receiving

    def take(self, data: bytes) -> bool:
        """Bytes of the primary's; True: all of it is here and loaded. Raises Broken, Stopped."""
        self.heard = time.monotonic()
        try:
            part = self.transfer.feed(data)
        except TransferError as e:
            raise Broken(f"MASTER aborted replication with an error: {e}") from None
        if not self.transfer.begun:
            return False
        if self.file < 0:
            straight = self._straight()
            self._say_what_comes(straight)
            if straight:
                self._load_straight(part)
                return True
            self._open()
        self._write(part)
        self.keep_alive()
        if not self.transfer.done:
            return False
        self._load_file()
        return True

    def _straight(self) -> bool:
        mode = self.config["repl-diskless-load"]
        return mode == "swapdb" or (mode == "on-empty-db" and not self.engine.databases())

    def _say_what_comes(self, straight: bool) -> None:
        where = "to parser" if straight else "to disk"
        if self.transfer.mark:
            self.log("notice", f"MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF {where}")
        else:
            self.log("notice", f"MASTER <-> REPLICA sync: receiving {self.transfer.size} bytes from master {where}")

    def keep_alive(self) -> None:
        """An empty line to the primary, once a second."""
        now = time.monotonic()
        if now - self._told >= ALIVE_EVERY:
            self._told = now
            try:
                self.channel.send(b"\n")
            except OSError:
                pass                        # reading will tell

    # ---------------------------------------------------------------- by a file

    def _open(self) -> None:
        self.path = f"temp-{int(time.time())}.{os.getpid()}.rdb"
        try:
            self.file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        except OSError as e:
            self.path = ""
            raise Broken(f"Opening the temp file needed for MASTER <-> REPLICA synchronization: {e.strerror}") from None

    def _write(self, part: bytes) -> None:
        try:
            view = memoryview(part)
            while view:
                view = view[os.write(self.file, view):]
            if self.transfer.received - self._synced >= SYNC_EVERY:
                os.fsync(self.file)
                self._synced = self.transfer.received
        except OSError as e:
            raise Broken("Write error writing to the DB dump file needed for MASTER <-> REPLICA synchronization: "
                         f"{e.strerror}") from None

    def _load_file(self) -> None:
        final = self.config["dbfilename"]
        try:
            os.fsync(self.file)
            os.close(self.file)
            self.file = -1
            self.replica.end_children()
            os.rename(self.path, final)
            sync_directory(".")
        except OSError as e:
            raise Broken(f"Failed trying to rename the temp DB into {final} in MASTER <-> REPLICA synchronization: "
                         f"{e.strerror}") from None
        self.path = ""
        self.loading = True
        self.replica.before_load()
        self._flush()
        self.log("notice", "MASTER <-> REPLICA sync: Loading DB in memory")
        loading = self.server.loading
        loading.on_step = self.keep_alive
        try:
            loading.rdb_file(final, keep_expired=True)
        except LoadFailed:
            raise Broken("Failed trying to load the MASTER synchronization DB from disk, check server logs.") from None
        finally:
            loading.on_step = None
            if self.config["rdb-del-sync-files"] and not self.config["save"] and not self.config["appendonly"]:
                self.log("notice", "Removing the RDB file obtained from the master. This replica has persistence disabled")
                remove(final)

    def _flush(self) -> None:
        self.log("notice", "MASTER <-> REPLICA sync: Flushing old data")
        self.engine.flush_all(bool(self.config["replica-lazy-flush"]))
        self.engine.flush_functions()

    # ---------------------------------------------------------------- straight

    def _load_straight(self, first: bytes) -> None:
        """From the socket into the data set, or into one aside. The old data survive a failure in the latter case."""
        aside = self.config["repl-diskless-load"] == "swapdb"
        same_history = self.outcome.replid == self.server.identity.replid
        self.loading = True
        self.replica.end_children()
        if not aside:
            self.replica.before_load()
            self._flush()
        self.log("notice", "MASTER <-> REPLICA sync: Loading DB in memory")
        self._ready = first
        loading = self.server.loading
        loading.begin(max(self.transfer.size, 0), aside=aside and same_history)
        loading.on_step = self.keep_alive
        try:
            loading.rdb(self._read, "the primary's file", keep_expired=True, staged=aside)
            while not self.transfer.done:
                if not self._read(PIECE) and not self.transfer.done:
                    raise LoadFailed
            if aside:
                self.replica.before_load()
                self.engine.swap_staged(bool(self.config["replica-lazy-flush"]))
                self.engine.flush_functions()
                loading.take_functions("the primary's file")
        except (LoadFailed, TransferError):
            self.engine.discard_staged()
            if not aside:
                self._flush()
            raise Broken("Failed trying to load the MASTER synchronization DB from socket, check server logs.") from None
        finally:
            loading.on_step = None
            loading.end()

    def _read(self, n: int) -> bytes:
        """Waits for bytes of the file, serving clients; b"": there are no more, or the primary is gone."""
        while not self._ready:
            if self.transfer.done:
                return b""
            ready = select.select([self.channel.sock], [], [], LOOK_EVERY)[0]
            if time.monotonic() - self._looked >= LOOK_EVERY:       # a slow link must not keep clients waiting
                self.server.loading.step(self.transfer.received)
                self._looked = time.monotonic()
            if not ready:
                if time.monotonic() - self.heard > self.config["repl-timeout"]:
                    return b""
                continue
            try:
                data = self.channel.receive(PIECE)
            except (BlockingIOError, InterruptedError):
                continue
            except OSError:
                return b""
            if not data:
                return b""
            self.heard = time.monotonic()
            self._ready = self.transfer.feed(data)
        part, self._ready = self._ready[:n], self._ready[n:]
        return part

    # ---------------------------------------------------------------- the end

    def overdue(self, now: float) -> bool:
        """Has the primary been silent for too long?"""
        return not self.loading and now - self.heard > self.config["repl-timeout"]

    def drop(self) -> None:
        """Nothing of it stays."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1
        if self.path:
            remove(self.path)
            self.path = ""
