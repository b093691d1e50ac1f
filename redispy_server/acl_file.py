"""Users on disk: `user` lines of the configuration, or the file that aclfile names; ACL LOAD, ACL SAVE, CONFIG REWRITE.

The grammar and the users are the engine's (Engine.acl). A file is read as a whole before anything changes, and written
beside its place and renamed over it, so a crash leaves the old or the new one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from redispy_core.engine import Error, RuleError, Status, Unmatched, error_text, prefixed

from .config_rewrite import write_atomically
from .config_values import quote, to_bytes, to_text

if TYPE_CHECKING:
    from .server import Server

NEW_FILE_MODE = 0o600           # it holds digests of passwords


class UsersError(Exception):
    """The users that the settings ask for cannot be made: the server does not start."""


class AclFile:
    """The users' source of one server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.config = server.config
        self.acl = server.engine.acl
        self.log = server.log
        self.config.on_rewrite("user", self.config_lines)

    @property
    def path(self) -> str:
        """aclfile as it was set, relative to `dir`; "" without one."""
        path: str = self.config["aclfile"] or ""
        return path

    # ---------------------------------------------------------------- start

    def at_start(self) -> None:
        """Makes the users before anybody connects. Raises UsersError."""
        if self.path and self.config.users:
            raise UsersError(
                "Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. "
                "This setup is very likely to lead to configuration errors and security holes, please define either an "
                "ACL file or declare users directly in your redis.conf, but not both.")
        for line in self.config.users:
            self._define([to_bytes(word) for word in line.args])
        if self.path:
            wrong = self.load()
            if wrong:
                raise UsersError(f"Aborting Redis startup because of ACL errors: {wrong}")

    def _define(self, words: list[bytes]) -> None:
        name, *rules = words
        try:
            self.acl.define(name, rules)
        except ValueError:
            self.log("warning", "Spaces not allowed in ACL usernames")
        except RuleError as error:
            reason, rule = error.args
            self.log("warning", f"Error loading ACL rule '{to_text(rule)}' for the user named '{to_text(name)}': {reason}")
        except Unmatched as error:
            self.log("warning", f"Unmatched parenthesis in ACL selector starting at '{to_text(error.args[0])}' of the "
                                f"user named '{to_text(name)}'")
        else:
            return
        raise UsersError("Critical error while loading ACLs. Exiting.")

    # ---------------------------------------------------------------- the file

    def load(self) -> str:
        """Makes the file's users those of the server; what is wrong, and nothing has changed then."""
        try:
            with open(self.path, "rb") as file:
                text = file.read()
        except OSError as error:
            return f"Error loading ACLs, opening file '{self.path}': {error.strerror}"
        users, wrong = self.acl.read_file(self.path, text)
        if not wrong:
            self.acl.replace(users)
        return str(wrong)

    def save(self) -> None:
        """Writes all users to the file. OSError."""
        path = os.path.realpath(self.path)
        try:
            mode = os.stat(path).st_mode & 0o777
        except FileNotFoundError:
            mode = NEW_FILE_MODE
        write_atomically(path, b"".join(line + b"\n" for line in self.acl.lines()), mode)

    def _file_or_error(self) -> None:
        if not self.path:
            raise Error(error_text("ACL_NO_FILE"))

    def load_command(self, call: Any) -> Status:
        """ACL LOAD."""
        self._file_or_error()
        wrong = self.load()
        if wrong:
            raise prefixed("ERR", wrong)
        return Status(b"OK")

    def save_command(self, call: Any) -> Status:
        """ACL SAVE."""
        self._file_or_error()
        try:
            self.save()
        except OSError as error:
            self.log("warning", f"Writing the ACL file for ACL SAVE: {error.strerror}")
            raise Error(error_text("ACL_SAVE")) from None
        return Status(b"OK")

    # ---------------------------------------------------------------- the configuration

    def config_lines(self) -> list[str]:
        """CONFIG REWRITE's `user` lines; none with a file, which has them."""
        if self.path:
            return []
        return [" ".join(_quoted(word) for word in to_text(line).split(" ")) for line in self.acl.lines()]


def _quoted(word: str) -> str:
    """A word as redis.conf reads it back."""
    plain = bool(word) and word.isprintable() and not any(c in "\"'\\" for c in word)
    return word if plain else quote(word)
