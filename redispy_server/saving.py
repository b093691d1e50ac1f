"""RDB files: SAVE, BGSAVE, save points, what a failed save means for writes, saving when the server ends.

A file is written under another name, synced, then renamed over the old one, so that a whole one is always there.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from redispy_core.engine import Error, Status, error_text, prefixed

if TYPE_CHECKING:
    from .server import Server

RETRY_SECONDS = 5               # a save point waits that long after a failed save
OK = Status(b"OK")


def sync_directory(path: str) -> None:
    """Makes renames in a directory durable, where the system can do that."""
    try:
        fd = os.open(path or ".", os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError:
        pass                    # some file systems refuse it


def remove_all(paths: list[str]) -> None:
    """Unlinks files."""
    for path in paths:
        remove(path)


def remove(path: str) -> None:
    """Unlinks a file that may be gone already."""
    try:
        os.unlink(path)
    except OSError:
        pass


class Saving:
    """Snapshots of one server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.engine = server.engine
        self.config = server.config
        self.log = server.log
        self.children = server.children
        self.last_save = int(time.time())
        self.last_try = 0.0
        self.last_ok = True
        self.last_seconds = -1
        self.saves = 0
        self.last_cow = 0
        self.scheduled = False              # BGSAVE SCHEDULE waits for another child's end
        self._dirty_before = 0
        self._child_file = ""

    # ---------------------------------------------------------------- files

    @property
    def temporary(self) -> str:
        """The name of a file that SAVE is writing."""
        return f"temp-{os.getpid()}.rdb"

    def save(self, path: str | None = None) -> bool:
        """Writes the file now, while nobody is served; False: it failed, and the log says why."""
        path = path or self.config["dbfilename"]
        temporary = self.temporary
        dirty = self.engine.dirty
        try:
            with open(temporary, "wb", buffering=0) as f:
                self.engine.save_rdb(f.fileno(), **self._options())
            os.rename(temporary, path)
            sync_directory(os.path.dirname(path))
        except OSError as e:
            self.log("warning", f"Error saving DB on disk: {e.strerror}")
            remove(temporary)
            return False
        self.log("notice", "DB saved on disk")
        self._saved(dirty)
        return True

    def _saved(self, dirty: int) -> None:
        self.engine.mark_saved(dirty)
        self.last_save = int(time.time())
        self.saves += 1
        self._settle(True)

    def _settle(self, ok: bool) -> None:
        self.last_ok = ok
        self.server.judge_disk()

    def _options(self) -> dict[str, Any]:
        return {**self.server.primary.save_info(), "sync": True, "incremental_sync": bool(self.config["rdb-save-incremental-fsync"]),
                "key_delay_us": self.config["rdb-key-save-delay"]}

    # ---------------------------------------------------------------- in the background

    def begin(self, version: int = 0) -> None:
        """Forks a child that saves, in an RDB version (0: the lowest that loses nothing). Raises OSError."""
        self.scheduled = False
        self.last_try = time.time()
        self._dirty_before = self.engine.dirty
        temporary = f"temp-bg-{os.getpid()}.rdb"      # until the child's number is known
        began = time.monotonic()
        try:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            try:
                pid = self.children.start("rdb", lambda: self.engine.fork_save([fd], version=version, **self._options()),
                                          lambda code, killer: self._ended(began, code, killer))
                self._child_file = f"temp-{pid}.rdb"
                os.rename(temporary, self._child_file)
            finally:
                os.close(fd)
        except OSError as e:
            remove(temporary)
            self.log("warning", f"Can't save in background: fork: {e.strerror}")
            self._settle(False)
            raise
        self.log("notice", f"Background saving started by pid {pid}")

    def _ended(self, began: float, code: int, killer: int) -> None:
        self.server.primary.saved(self._installed(began, code, killer))

    def _installed(self, began: float, code: int, killer: int) -> bool:
        """The child's file is the current one now; False: it failed."""
        temporary = self._child_file
        child_cow = self.children.last_cow
        self.last_seconds = int(time.monotonic() - began)
        if code == 0 and not killer:
            try:
                os.rename(temporary, self.config["dbfilename"])
                sync_directory(".")
            except OSError as e:
                self.log("warning", f"Error moving temp DB file {temporary} on the final destination: {e.strerror}")
                remove(temporary)
                self._settle(False)
                return False
            self.last_cow = child_cow
            self.log("notice", "Background saving terminated with success")
            self._saved(self._dirty_before)
            return True
        remove(temporary)
        if killer:
            self.log("warning", f"Background saving terminated by signal {killer}")
        else:
            self.log("warning", "Background saving error")
        if killer != 10:                    # SIGUSR1: we ended it ourselves
            self._settle(False)
        return False

    def cron(self) -> None:
        """Starts what is due: a scheduled save, a save point."""
        if self.children.busy():
            return
        if self.scheduled and (time.time() - self.last_try > RETRY_SECONDS or self.last_ok):
            self._try()
            return
        changes = self.engine.dirty
        if not changes:
            return
        now = time.time()
        for seconds, least in self.config["save"]:
            if changes >= least and now - self.last_save > seconds and (self.last_ok or now - self.last_try > RETRY_SECONDS):
                self.log("notice", f"{least} changes in {seconds} seconds. Saving...")
                self._try()
                return

    def _try(self) -> None:
        try:
            self.begin()
        except OSError:
            pass                            # logged; the next turn tries again

    def all_flushed(self) -> None:
        """FLUSHALL has run: what a child saves would bring the keys back."""
        if self.children.busy("rdb") or self.children.busy("sync"):
            self.children.kill()
        if self.config["save"]:
            self.save()

    # ---------------------------------------------------------------- commands

    def save_command(self, call: Any) -> Status:
        """SAVE."""
        if self.children.busy("rdb") or self.children.busy("sync"):
            raise Error(error_text("BGSAVE_IN_PROGRESS"))
        if not self.save():
            raise prefixed("ERR", "")
        return OK

    def bgsave_command(self, call: Any, *options: bytes) -> Status:
        """BGSAVE [SCHEDULE]."""
        schedule = False
        if options:
            if len(options) > 1 or options[0].lower() != b"schedule":
                raise Error(error_text("SYNTAX"))
            schedule = True
        if self.children.busy("rdb") or self.children.busy("sync"):
            raise Error(error_text("BGSAVE_IN_PROGRESS"))
        if self.children.busy():
            if not schedule:
                raise Error(error_text("BGSAVE_OTHER_CHILD"))
            self.scheduled = True
            return Status(b"Background saving scheduled")
        try:
            self.begin()
        except OSError:
            raise prefixed("ERR", "") from None
        return Status(b"Background saving started")

    def reload_command(self, *options: bytes) -> Status:
        """DEBUG RELOAD [MERGE] [NOFLUSH] [NOSAVE]."""
        words = {o.lower() for o in options}
        if words - {b"merge", b"noflush", b"nosave"}:
            raise prefixed("ERR", "DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
        if b"nosave" not in words and not self.save():
            raise prefixed("ERR", "Error trying to save the RDB, check server logs")
        try:
            self.server.loading.reload(flush=b"noflush" not in words, merge=b"merge" in words)
        except self.server.loading.Failed:
            raise prefixed("ERR", "Error trying to load the RDB dump, check server logs.") from None
        self.log("warning", "DB reloaded by DEBUG RELOAD")
        return OK
