"""How the server ends: SHUTDOWN, SIGTERM, SIGINT. What must be on disk is written first; if that fails, it goes on."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

from redispy_core.engine import BLOCK, NO_REPLY, Error, Status, error_text, prefixed

from .saving import remove

if TYPE_CHECKING:
    from .server import Server

OK = Status(b"OK")
FAILED = "Errors trying to SHUTDOWN. Check logs."


class Shutdown:
    """The end of one server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.log = server.log
        self.requested: tuple[str, set[str]] | None = None       # a signal that cron has not acted on yet
        self.waiting = False                    # for replicas
        self.words: set[str] = set()            # what was asked for, while waiting
        self.until = 0.0
        self.waiters: list[int] = []            # clients in SHUTDOWN

    # ---------------------------------------------------------------- SHUTDOWN

    def command(self, call: Any, *options: bytes) -> Any:
        """SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE] [ABORT]."""
        words = {o.decode("utf-8", "replace").lower() for o in options}
        if words - {"nosave", "save", "now", "force", "abort"} or {"nosave", "save"} <= words \
                or ("abort" in words and len(words) > 1):
            raise Error(error_text("SYNTAX"))
        if "abort" in words:
            if self.requested is None and not self.waiting:
                raise Error(error_text("NO_SHUTDOWN"))
            self.requested = None
            self.log("notice", "Shutdown manually aborted.")
            self._cancel()
            return OK
        if self.server.engine.script_is_busy:
            if "nosave" not in words:
                raise Error(error_text("BUSY_SCRIPT"))
            self.server.abort_script = True     # it is ended wherever it is, and no turn of the loop follows
        elif call.in_script:
            raise Error(error_text("SYNTAX"))
        self.log("notice", "User requested shutdown...")
        if self._must_wait(words):
            self.waiters.append(call.client_id)
            return BLOCK
        if not self._finish(words):
            raise prefixed("ERR", FAILED)
        return NO_REPLY

    def on_signal(self, name: str) -> None:
        """SIGTERM, SIGINT: as shutdown-on-sigterm and -sigint say."""
        self.log("warning", f"Received {name} scheduling shutdown...")
        self.requested = name, set(self.server.config[f"shutdown-on-{name.lower()}"]) - {"default"}
        if not self.server.running:
            self.act()                          # cron does not run while the data set loads

    def act(self) -> None:
        """Does what a signal asked for; ends the wait for replicas."""
        if self.requested is not None:
            _, words = self.requested
            self.requested = None
            self.log("notice", "User requested shutdown...")
            if not self._must_wait(words):
                self._finish(words)
        elif self.waiting and (time.monotonic() >= self.until or not self.server.primary.lagging()):
            self._finish(self.words)

    # ---------------------------------------------------------------- replicas

    def _must_wait(self, words: set[str]) -> bool:
        """Lets replicas catch up first, for shutdown-timeout at most; no write comes in meanwhile."""
        if "now" in words:
            return False
        if self.waiting:
            return True
        seconds = self.server.config["shutdown-timeout"]
        if not seconds or not self.server.primary.lagging():
            return False
        self.log("notice", "Waiting for replicas before shutting down.")
        self.waiting, self.words, self.until = True, words, time.monotonic() + seconds
        self.server.engine.pause("shutdown")
        self.server.engine.ask_acks()
        return True

    @property
    def left_ms(self) -> int:
        """Milliseconds until replicas are waited for no longer."""
        return max(0, int((self.until - time.monotonic()) * 1000))

    def _cancel(self) -> None:
        """The server goes on; who asked for its end is told so."""
        if not self.waiting:
            return
        self.waiting = False
        self.server.engine.unpause("shutdown")
        waiters, self.waiters = self.waiters, []
        for client_id in waiters:
            self.server.engine.unblock(client_id, prefixed("ERR", FAILED))

    def _finish(self, words: set[str]) -> bool:
        """Ends the server now; False: it can't."""
        self._tell_of_replicas()
        if self.prepare(words):
            self.server.stop()
            return True
        self.log("warning", "Errors trying to shut down the server. Check the logs for more information.")
        self._cancel()
        return False

    def _tell_of_replicas(self) -> None:
        primary = self.server.primary
        behind = primary.lagging()
        for text in behind:
            self.log("notice", text)
        if primary.replicas:
            total = len(primary.replicas)
            self.log("warning" if behind else "notice",
                     f"{total - len(behind)} of {total} replicas are in sync when shutting down.")

    # ---------------------------------------------------------------- steps

    def prepare(self, words: set[str]) -> bool:
        """Brings what must be on disk there; False: the server goes on."""
        server = self.server
        force = "force" in words
        if server.loading.progress is not None:
            words = words - {"save"} | {"nosave"}               # what is half loaded must not replace the file
        server.children.kill()
        if not self._end_aof(force) or not self._save(words, force):
            return False
        return True

    def _end_aof(self, force: bool) -> bool:
        aof = self.server.aof
        if aof.waiting_first:
            if not force:
                self.log("warning", "Writing initial AOF, can't exit.")
                return False
            self.log("warning", "Writing initial AOF, exit anyway.")
        if aof.enabled:
            self.log("notice", "Calling fsync() on the AOF file.")
        aof.close()
        return True

    def _insist(self, number: int) -> None:
        """A signal while the last snapshot is written (in another thread: this one is busy)."""
        if number == signal.SIGINT:
            self.log("warning", "You insist... exiting now.")
            remove(self.server.saving.temporary)
            os._exit(1)

    def _save(self, words: set[str], force: bool) -> bool:
        server = self.server
        if "nosave" in words or not (server.config["save"] or "save" in words):
            return True
        self.log("notice", "Saving the final RDB snapshot before exiting.")
        with server.loop.signals_in_thread(self._insist):
            saved = server.saving.save()
        if saved:
            return True
        if force:
            self.log("warning", "Error trying to save the DB, exit anyway.")
            return True
        self.log("warning", "Error trying to save the DB, can't exit.")
        return False
