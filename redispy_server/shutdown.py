"""How the server ends: SHUTDOWN, SIGTERM, SIGINT. What must be on disk is written first; if that fails, it goes on."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

from redispy_core.engine import NO_REPLY, Error, Status, error_text, prefixed

from .saving import remove

if TYPE_CHECKING:
    from .server import Server

OK = Status(b"OK")


class Shutdown:
    """The end of one server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.log = server.log
        self.requested: tuple[str, set[str]] | None = None       # a signal that cron has not acted on yet

    # ---------------------------------------------------------------- SHUTDOWN

    def command(self, call: Any, *options: bytes) -> Any:
        """SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE] [ABORT]."""
        words = {o.decode("utf-8", "replace").lower() for o in options}
        if words - {"nosave", "save", "now", "force", "abort"} or {"nosave", "save"} <= words \
                or ("abort" in words and len(words) > 1):
            raise Error(error_text("SYNTAX"))
        if "abort" in words:
            if self.requested is None:
                raise Error(error_text("NO_SHUTDOWN"))
            self.requested = None
            self.log("notice", "Shutdown manually aborted.")
            return OK
        if self.server.engine.script_is_busy:
            if "nosave" not in words:
                raise Error(error_text("BUSY_SCRIPT"))
            self.server.abort_script = True     # it is ended wherever it is, and no turn of the loop follows
        elif call.in_script:
            raise Error(error_text("SYNTAX"))
        self.log("notice", "User requested shutdown...")
        if not self.prepare(words):
            raise prefixed("ERR", "Errors trying to SHUTDOWN. Check logs.")
        self.server.stop()
        return NO_REPLY

    def on_signal(self, name: str) -> None:
        """SIGTERM, SIGINT: as shutdown-on-sigterm and -sigint say."""
        self.log("warning", f"Received {name} scheduling shutdown...")
        self.requested = name, set(self.server.config[f"shutdown-on-{name.lower()}"]) - {"default"}
        if not self.server.running:
            self.act()                          # cron does not run while the data set loads

    def act(self) -> None:
        """Does what a signal asked for."""
        if self.requested is None:
            return
        _, words = self.requested
        self.requested = None
        self.log("notice", "User requested shutdown...")
        if self.prepare(words):
            self.server.stop()
        else:
            self.log("warning", "Errors trying to shut down the server. Check the logs for more information.")

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
