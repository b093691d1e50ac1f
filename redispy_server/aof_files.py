"""The append-only files: opening, loading, syncing, rewriting. The engine appends; this decides where and when.

    <dir>/<appenddirname>/<prefix>.manifest        which files count (aof_manifest)
                          <prefix>.N.base.rdb|aof  the data set at some moment
                          <prefix>.N.incr.aof      what happened since

A rewrite opens a new increment, forks, and when the child has written a new base, the manifest is replaced: at any
moment one manifest is on disk, and all the files that it names are whole.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

from redispy_core.engine import Error, Status, error_text, prefixed

from .aof_manifest import AofFile, Manifest, ManifestError, parse_manifest
from .loading import LoadFailed
from .saving import remove, remove_all, sync_directory

if TYPE_CHECKING:
    from .server import Server

POLICIES = {"no": 0, "always": 1, "everysec": 2}
POSTPONE = 2.0                  # seconds that a write waits for a sync that is under way
BACK_OFF_AFTER = 3              # failed rewrites in a row
BACK_OFF_MAX = 60               # minutes
AOF = 1                         # of Engine.journal_to


class AofFiles:
    """The append-only files of one server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.engine = server.engine
        self.config = server.config
        self.log = server.log
        self.children = server.children
        self.manifest = Manifest()
        self.fd = -1
        self.enabled = False
        self.waiting_first = False          # being enabled: the first rewrite is under way
        self.scheduled = False
        self.base_size = 0                  # bytes of all files when they were rewritten last
        self.other_size = 0                 # bytes of all files but the one that is appended to
        self.last_ok = True                 # rewrite
        self.last_seconds = -1
        self.rewrites = 0
        self.failures = 0
        self.last_cow = 0
        self.write_error = ""
        self.delayed_syncs = 0
        self._retry_at = 0.0
        self._next_try = 0.0                # of a rewrite after several failures; 0: not yet known
        self._postponed_at = 0.0
        self._syncing = False
        self._synced_at = 0.0
        self._synced_offset = -1
        self._sync_error = 0
        self._forked_at = 0                 # offset of the stream when the last rewrite began
        self.engine.hooks["aof_stuck"] = self._stuck

    # ---------------------------------------------------------------- names

    @property
    def prefix(self) -> str:
        """appendfilename."""
        return str(self.config["appendfilename"])

    def path(self, name: str) -> str:
        """Of a file in the directory of append-only files, relative to `dir`."""
        return os.path.join(self.config["appenddirname"], name)

    def _write_manifest(self, manifest: Manifest) -> None:
        final, temporary = self.path(f"{self.prefix}.manifest"), self.path(f"temp-{self.prefix}.manifest")
        with open(temporary, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as f:
            f.write(manifest.text())
            f.flush()
            os.fsync(f.fileno())
        os.rename(temporary, final)
        sync_directory(self.config["appenddirname"])
        self.manifest = manifest

    def drop_history(self) -> None:
        """Deletes what a rewrite has replaced, and then its names. Unlinking big files takes time: a thread does it."""
        if not self.manifest.history or self.config["aof-disable-auto-gc"]:
            return
        paths = [self.path(f.name) for f in self.manifest.history]
        threading.Thread(target=remove_all, args=(paths,), name="aof-unlink", daemon=True).start()
        manifest = self.manifest.copy()
        manifest.history = []
        self._write_manifest(manifest)

    # ---------------------------------------------------------------- loading

    def load(self) -> None:
        """Loads what is on disk and opens the last increment for appending. Raises LoadFailed."""
        try:
            self._read_manifest()
        except ManifestError as e:
            self._fatal_manifest(str(e))
        except OSError as e:
            self.log("warning", f"Fatal error: can't open the AOF manifest: {e.strerror}")
            raise LoadFailed from None
        files = self.manifest.files()
        if files:
            self._load_files(files)
        if not self.config["appendonly"]:
            return                          # switched off meanwhile
        try:
            self._open_last()
        except OSError as e:
            self.log("warning", f"Can't open the append-only file: {e.strerror}")
            raise LoadFailed from None
        self.drop_history()

    def _fatal_manifest(self, reason: str) -> None:
        self.log("warning", "*** FATAL AOF MANIFEST FILE ERROR ***")
        self.log("warning", reason)
        raise LoadFailed

    def _read_manifest(self) -> None:
        path = self.path(f"{self.prefix}.manifest")
        old = self.prefix
        try:
            with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as f:
                self.manifest = parse_manifest(f.read())
        except FileNotFoundError:
            self.manifest = Manifest()
        only_old = (self.manifest.base is not None and self.manifest.base.name == old
                    and not self.manifest.increments and not os.path.exists(self.path(old)))
        if os.path.isfile(old) and (not self.manifest.files() or only_old):
            self._take_over(old)

    def _take_over(self, old: str) -> None:
        """The single file of earlier versions becomes the base."""
        os.makedirs(self.config["appenddirname"], exist_ok=True)
        self._write_manifest(Manifest(base=AofFile(old, 1, "b"), base_seq=1))
        os.rename(old, self.path(old))
        sync_directory(self.config["appenddirname"])
        self.log("notice", f"The append-only file {old} was moved into {self.config['appenddirname']}")

    def _load_files(self, files: list[AofFile]) -> None:
        sizes = []
        for f in files:
            try:
                sizes.append(os.stat(self.path(f.name)).st_size)
            except OSError as e:
                self.log("warning", f"Fatal error: can't open the append log file {f.name} for reading: {e.strerror}")
                raise LoadFailed from None
        began = time.monotonic()
        self.server.loading.begin(sum(sizes))
        try:
            done = 0
            for i, f in enumerate(files):
                start = time.monotonic()
                self._load_file(f, done, last=i == len(files) - 1)
                done += sizes[i]
                kind = "base" if f.kind == "b" else "incr"
                self.log("notice", f"DB loaded from {kind} file {f.name}: {time.monotonic() - start:.3f} seconds")
        finally:
            self.server.loading.end()
        self.log("notice", f"DB loaded from append only file: {time.monotonic() - began:.3f} seconds")
        self.base_size = sizes[0] if files[0].kind == "b" else 0

    def _load_file(self, f: AofFile, done: int, *, last: bool) -> None:
        path = self.path(f.name)
        loading = self.server.loading
        with open(path, "rb", buffering=0) as file:
            offset = 0
            if file.read(5) == b"REDIS":
                self.log("notice", f"Reading RDB base file on AOF loading..." if f.kind == "b" else
                         f"Reading RDB preamble from {f.name}")
                file.seek(0)
                offset = loading.rdb(file.fileno(), path, keep_expired=True, base=done)
            file.seek(offset)
            size = os.fstat(file.fileno()).st_size
            run, whole, _, why, unknown = self.engine.replay(
                file.fileno(), size, lambda n: loading.step(done + offset + n), loading.every)
        if why is None:
            return
        if why == "short":
            self._short(f, path, offset + whole, last=last)
            return
        if why == "unknown":
            self.log("warning", f"Unknown command '{unknown.decode('latin-1')}' reading the append only file {f.name}")
        else:
            self.log("warning", f"Bad file format reading the append only file {f.name}: make a backup of your AOF "
                                "file, then use ./redis-check-aof --fix <filename.manifest>")
        raise LoadFailed

    def _short(self, f: AofFile, path: str, whole: int, *, last: bool) -> None:
        """The file ends inside a command or a transaction."""
        if last and self.config["aof-load-truncated"]:
            self.log("warning", f"{f.name} ends inside a command: it is cut behind the last whole one, at {whole} bytes "
                                "(aof-load-truncated)")
            try:
                os.truncate(path, whole)
                return
            except OSError as e:
                self.log("warning", f"{f.name} can't be cut: {e.strerror}")
        elif not last:
            self.log("warning", f"Fatal error: the truncated file is not the last file: {f.name}")
            raise LoadFailed
        self.log("warning", f"Unexpected end of file reading the append only file {f.name}. You can: 1) Make a backup of "
                            "your AOF file, then use ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can "
                            "set the 'aof-load-truncated' configuration option to yes and restart the server.")
        raise LoadFailed

    # ---------------------------------------------------------------- opening

    def _open_append(self, path: str) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def _open_last(self) -> None:
        """Appends to the last increment; makes what is missing."""
        os.makedirs(self.config["appenddirname"], exist_ok=True)
        manifest = self.manifest.copy()
        if not manifest.files():
            self._make_first_base(manifest)
        if not manifest.increments:
            manifest.next_increment(self.prefix)
        fd = self._open_append(self.path(manifest.increments[-1].name))
        if manifest.text() != self.manifest.text() or not os.path.exists(self.path(f"{self.prefix}.manifest")):
            self._write_manifest(manifest)
        self._use(fd)
        self.other_size = self._size_of([f for f in manifest.files()[:-1]])
        self.base_size = self.other_size + os.fstat(fd).st_size
        self.enabled = True
        self._acknowledge(self.engine.stream_offset)
        self._listen(True)

    def _make_first_base(self, manifest: Manifest) -> None:
        rdb = bool(self.config["aof-use-rdb-preamble"])
        base = manifest.next_base(self.prefix, rdb)
        with open(self.path(base.name), "wb", buffering=0) as f:
            if rdb:
                self.engine.save_rdb(f.fileno(), aof_base=True)
            os.fsync(f.fileno())

    def _size_of(self, files: list[AofFile]) -> int:
        total = 0
        for f in files:
            try:
                total += os.stat(self.path(f.name)).st_size
            except OSError:
                pass                        # gone: it counts no more
        return total

    def _use(self, fd: int) -> None:
        """The engine appends to fd from now on."""
        if self.fd >= 0:
            self._finish_sync()
            os.close(self.fd)
        self.fd = fd
        self.engine.aof_open(fd, os.fstat(fd).st_size, POLICIES[self.config["appendfsync"]])
        self.engine.aof_set(timestamps=bool(self.config["aof-timestamp-enabled"]))
        self._synced_at = time.monotonic()

    def _listen(self, on: bool) -> None:
        self.server.journal_listens(AOF, on)

    # ---------------------------------------------------------------- writing and syncing

    def _stuck(self, error: int) -> None:
        """The engine could not write, or was told to wait."""
        if error:
            self._write_failed(error)
        elif self._syncing:
            now = time.monotonic()
            if not self._postponed_at:
                self._postponed_at = now
            elif now - self._postponed_at >= POSTPONE:
                self.delayed_syncs += 1
                self.log("notice", "Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer "
                                   "without waiting for fsync to complete, this may slow down Redis.")
                self._flush()
        elif time.monotonic() >= self._retry_at:
            self._flush()

    def _flush(self) -> bool:
        """Writes what is pending; False: it failed."""
        self._postponed_at = 0.0
        error = self.engine.aof_flush()
        if error:
            self._write_failed(error)
            return False
        if self.write_error:
            self.log("warning", "AOF write error looks solved, Redis can write again.")
            self.write_error = ""
            self.server.judge_disk()
        if not self._syncing:
            self.engine.aof_set(held=False)
        return True

    def _write_failed(self, error: int) -> None:
        text = os.strerror(error)
        if self.config["appendfsync"] == "always":
            self.log("warning", f"Can't persist AOF for fsync error when the AOF fsync policy is 'always': {text}. "
                                "Exiting...")
            self.server.die(1)
            return
        if text != self.write_error:
            self.log("warning", f"Error writing to the AOF file: {text}")
        self.write_error = text
        self._retry_at = time.monotonic() + 1
        self.engine.aof_set(held=True)
        self.server.judge_disk()

    def _sync_in_thread(self) -> None:
        offset, fd = self.engine.aof_figures()["written"], self.fd
        self._syncing, self._sync_error = True, 0
        self._synced_at = time.monotonic()
        self.engine.aof_set(held=True)

        def work() -> None:
            try:
                os.fdatasync(fd)
                self.engine.aof_synced(offset)
            except OSError as e:
                self._sync_error = e.errno or 5
            self._syncing = False
            self.server.loop.wake()

        self._thread = threading.Thread(target=work, name="aof-fsync", daemon=True)
        self._thread.start()
        self._synced_offset = offset

    def _finish_sync(self) -> None:
        """Waits for a sync that is under way."""
        if self._syncing:
            self._thread.join()

    def before_sleep(self) -> None:
        """After a thread has synced."""
        if not self._syncing and not self.write_error and self._synced_offset >= 0:
            self._synced_offset = -1
            self.engine.aof_set(held=False)
            if self._sync_error:
                self._write_failed(self._sync_error)

    def cron(self) -> None:
        """Syncs every second, tries again what failed, begins the rewrites that are due."""
        if not self.enabled and not self.waiting_first:
            self._begin_scheduled()
            return
        now = time.monotonic()
        if self.write_error and now >= self._retry_at and not self._syncing:
            self._flush()
        figures = self.engine.aof_figures()
        if self.config["appendfsync"] == "everysec" and not self._syncing and now - self._synced_at >= 1 \
                and figures["synced"] < figures["written"] and not self._quiet():
            self._sync_in_thread()
        self._begin_scheduled()
        if self.enabled and not self.children.busy() and self._is_due(figures["size"]):
            self._try_rewrite()

    def _quiet(self) -> bool:
        """no-appendfsync-on-rewrite, and a child is writing."""
        return bool(self.config["no-appendfsync-on-rewrite"]) and self.children.busy()

    def child_changed(self) -> None:
        """A child began or ended."""
        self.engine.aof_set(no_sync=self._quiet())

    def settings_changed(self) -> None:
        """appendfsync, aof-timestamp-enabled."""
        self.engine.aof_set(policy=POLICIES[self.config["appendfsync"]],
                            timestamps=bool(self.config["aof-timestamp-enabled"]))
        if self.fd >= 0 and self.config["appendfsync"] == "always":
            self._finish_sync()                 # what `everysec` had left to be done
            self.engine.aof_sync()

    # ---------------------------------------------------------------- rewriting

    def _is_due(self, size: int) -> bool:
        percent = self.config["auto-aof-rewrite-percentage"]
        total = self.other_size + size
        if not percent or total < self.config["auto-aof-rewrite-min-size"]:
            return False
        growth = total * 100 // max(1, self.base_size) - 100
        if growth < percent or self._holds_back():
            return False
        self.log("notice", f"Starting automatic rewriting of AOF on {growth}% growth")
        return True

    def _holds_back(self) -> bool:
        """Rewrites that fail one after the other are tried less and less often."""
        if self.failures < BACK_OFF_AFTER:
            return False
        now = time.monotonic()
        if not self._next_try:
            minutes = min(BACK_OFF_MAX, 2 ** (self.failures - BACK_OFF_AFTER))
            self._next_try = now + 60 * minutes
            self.log("warning", f"Background AOF rewrite has repeatedly failed {self.failures} times and triggered the "
                                f"limit, will retry in {minutes} minutes")
        return now < self._next_try

    def _begin_scheduled(self) -> None:
        if self.scheduled and not self.children.busy():
            self._try_rewrite()
        elif self.waiting_first and not self.children.busy() and time.monotonic() >= self._retry_at:
            self._try_rewrite()

    def _try_rewrite(self) -> None:
        try:
            self.rewrite()
        except OSError as e:
            self.log("warning", f"Can't rewrite append only file in background: {e.strerror}")
            self._failed()

    def rewrite(self) -> None:
        """Opens a new increment and forks a child that writes a new base. Raises OSError."""
        self.scheduled = False
        os.makedirs(self.config["appenddirname"], exist_ok=True)
        if self.waiting_first:
            fd = self._open_append_new(self.path(f"temp-{self.prefix}.incr"))
        else:
            if self.enabled:
                self.engine.aof_flush()
            manifest = self.manifest.copy()
            name = manifest.next_increment(self.prefix).name if self.enabled else None
            fd = self._open_append_new(self.path(name)) if name else -1
            if name:
                self._write_manifest(manifest)
        if fd >= 0:
            self.other_size += self.engine.aof_figures()["size"] if self.enabled else 0
            self._use(fd)
        if self.waiting_first:
            self._listen(True)
        self._fork()

    def _open_append_new(self, path: str) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def _fork(self) -> None:
        rdb = bool(self.config["aof-use-rdb-preamble"])
        temporary = f"temp-rewriteaof-bg-{os.getpid()}.aof"
        began = time.monotonic()
        self._forked_at = self.engine.stream_offset
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            pid = self.children.start("aof", lambda: self._fork_engine(fd, rdb),
                                      lambda code, killer: self._ended(temporary, rdb, began, code, killer))
        finally:
            os.close(fd)
        self.log("notice", f"Background append only file rewriting started by pid {pid}")

    def _fork_engine(self, fd: int, rdb: bool) -> tuple[int, int]:
        options = {"sync": True, "incremental_sync": bool(self.config["aof-rewrite-incremental-fsync"]),
                   "key_delay_us": self.config["rdb-key-save-delay"]}
        if rdb:
            return self.engine.fork_save([fd], "rdb", aof_base=True, **options)
        return self.engine.fork_save([fd], "aof", timestamp=bool(self.config["aof-timestamp-enabled"]), **options)

    def _ended(self, temporary: str, rdb: bool, began: float, code: int, killer: int) -> None:
        self.last_seconds = int(time.monotonic() - began)
        if code == 0 and not killer:
            try:
                self._install(temporary, rdb)
            except OSError as e:
                self.log("warning", f"Error trying to rename the temporary AOF base file {temporary}: {e.strerror}")
                self._failed()
            else:
                self.last_ok, self.failures = True, 0
                self.rewrites += 1
                self.last_cow = self.children.last_cow
                self.log("notice", "Background AOF rewrite finished successfully")
        elif killer:
            self.log("warning", f"Background AOF rewrite terminated by signal {killer}")
            if killer != 10:
                self._failed()
        else:
            self.log("warning", "Background AOF rewrite terminated with error")
            self._failed()
        remove(temporary)
        if self.waiting_first and not self.last_ok:
            self._retry_at = time.monotonic() + 1

    def _install(self, temporary: str, rdb: bool) -> None:
        """The new base counts from now on; what it holds becomes history."""
        manifest = self.manifest.copy()
        os.rename(temporary, self.path(manifest.next_base(self.prefix, rdb).name))
        if self.waiting_first:
            increment = manifest.next_increment(self.prefix)
            os.rename(self.path(f"temp-{self.prefix}.incr"), self.path(increment.name))
        manifest.retire_increments(all_of_them=not (self.enabled or self.waiting_first))
        self._write_manifest(manifest)
        if self.waiting_first:
            self.waiting_first, self.enabled = False, True
            self._acknowledge(self._forked_at)
        self.drop_history()
        self.other_size = self._size_of(manifest.files()[:-1] if self.enabled else manifest.files())
        self.base_size = self.other_size + (self.engine.aof_figures()["size"] if self.enabled else 0)

    def _acknowledge(self, offset: int) -> None:
        """What the files have up to there is on disk; WAITAOF may believe them from now on."""
        self.engine.aof_synced(offset)
        self.engine.aof_acknowledges(True)

    def _failed(self) -> None:
        self.last_ok = False
        self.failures += 1
        self._next_try = 0.0

    # ---------------------------------------------------------------- on and off at run time

    def enable(self, in_unit: bool = False) -> None:
        """CONFIG SET appendonly yes: the first rewrite makes the files; until it ends, nothing is acknowledged as synced.
        in_unit: a transaction or script is at work, whose changes must not be cut in two by the fork."""
        self.waiting_first = True
        if self.server.loading.progress is not None:
            return                          # cron begins once the data are there
        if self.children.busy("aof"):
            self.log("warning", "Killing running AOF rewrite child to start a new one")
            self.children.kill()
        if self.children.busy():
            self.scheduled = True
            self.log("warning", "AOF was enabled but there is already another background operation. An AOF background was "
                                "scheduled to start when possible.")
            return
        if in_unit:
            self.scheduled = True
            self.log("notice", "AOF was enabled inside a transaction. An AOF background was scheduled to start after it.")
            return
        self._try_rewrite()

    def disable(self) -> None:
        """CONFIG SET appendonly no: what there is is written and synced; the files stay."""
        if self.children.busy("aof"):
            self.log("notice", "Killing running AOF rewrite child")
            self.children.kill()
        if self.waiting_first:
            self.log("notice", "Removing the temp incr aof file")
            remove(self.path(f"temp-{self.prefix}.incr"))
        self._listen(False)
        self.close()
        self.enabled = self.waiting_first = self.scheduled = False
        self.engine.aof_acknowledges(False)

    def close(self) -> None:
        """Writes, syncs and closes."""
        if self.fd < 0:
            return
        self._finish_sync()
        if self.engine.aof_flush() == 0:
            self.engine.aof_sync()
        self.engine.aof_close()
        os.close(self.fd)
        self.fd = -1
        self.write_error = ""
        self.server.judge_disk()

    # ---------------------------------------------------------------- commands

    def bgrewriteaof_command(self, call: Any) -> Status:
        """BGREWRITEAOF."""
        if self.children.busy("aof"):
            raise Error(error_text("AOF_REWRITE_IN_PROGRESS"))
        if self.children.busy() or call.nested:
            self.scheduled = True
            self.failures = 0
            return Status(b"Background append only file rewriting scheduled")
        try:
            self.rewrite()
        except OSError:
            self._failed()
            raise prefixed("ERR", "Can't execute an AOF background rewriting. Please check the server logs for more "
                                  "information.") from None
        return Status(b"Background append only file rewriting started")

    def loadaof_command(self, *options: bytes) -> Status:
        """DEBUG LOADAOF: the files replace what is in memory."""
        if self.enabled:
            self._flush()
        self.engine.flush_all()
        self.engine.flush_functions()
        self.server.journal_listens(AOF, False)
        try:
            self._read_manifest()
            self._load_files(self.manifest.files())
        except (LoadFailed, ManifestError):
            raise prefixed("ERR", "Error trying to load the AOF files, check server logs.") from None
        finally:
            self.server.journal_listens(AOF, self.enabled)
        self.engine.mark_saved(self.engine.dirty)
        self.log("warning", "Append Only File loaded by DEBUG LOADAOF")
        return Status(b"OK")

    def flush_sleep_command(self, *options: bytes) -> Status:
        """DEBUG AOF-FLUSH-SLEEP microseconds."""
        if len(options) != 1 or not options[0].isdigit():
            raise Error(error_text("NOT_INT"))
        self.engine.aof_set(delay_us=int(options[0]))
        return Status(b"OK")

    # ---------------------------------------------------------------- INFO

    def rows(self) -> list[tuple[str, object]]:
        """Of an open file."""
        f = self.engine.aof_figures()
        return [("aof_current_size", self.other_size + f["size"]), ("aof_base_size", self.base_size),
                ("aof_pending_rewrite", int(self.scheduled)), ("aof_buffer_length", f["pending"]),
                ("aof_pending_bio_fsync", int(self._syncing)), ("aof_delayed_fsync", self.delayed_syncs)]
