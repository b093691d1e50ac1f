"""The log: `pid:role day month year time.ms level message`, Redis's line format, or Valkey's logfmt.

Each line is written and flushed at once. A file is opened for each line, as its owner may move it away at any time.
"""

from __future__ import annotations

import os
import sys
import syslog
import time

LEVELS = {"debug": 0, "verbose": 1, "notice": 2, "warning": 3, "nothing": 4}
NAMES = tuple(LEVELS)
MARKS = ".-*#"
ROLES = {"M": "primary", "S": "replica", "X": "sentinel", "C": "RDB/AOF child"}
_SYSLOG = (syslog.LOG_DEBUG, syslog.LOG_INFO, syslog.LOG_NOTICE, syslog.LOG_WARNING)


class Log:
    """Writes lines to a file or to standard output, and to syslog if asked to."""

    def __init__(self, level: str = "notice", path: str = "") -> None:
        self.level = LEVELS[level]
        self.path = path
        self.role = "M"                     # M primary, S replica, X sentinel, C child
        self.to_syslog = False
        self.logfmt = False
        self.stamps = "legacy"
        self._second = -1                   # of the text below, which is the same for a second
        self._day = ""

    def set_level(self, level: str) -> None:
        """loglevel."""
        self.level = LEVELS[level]

    def set_format(self, lines: str, stamps: str) -> None:
        """log-format, log-timestamp-format."""
        self.logfmt = lines == "logfmt"
        self.stamps = stamps
        self._second = -1

    def open_syslog(self, ident: str, facility: str) -> None:
        """syslog-enabled, syslog-ident, syslog-facility."""
        syslog.openlog(ident, syslog.LOG_PID | syslog.LOG_NDELAY, getattr(syslog, f"LOG_{facility.upper()}"))
        self.to_syslog = True

    def __call__(self, level: str, text: str) -> None:
        rank = LEVELS[level]
        if rank < self.level or rank > 3:
            return
        stamp = self._stamp(time.time())
        if self.logfmt:
            self.raw(f'pid={os.getpid()} role={ROLES[self.role]} timestamp="{stamp}" level={NAMES[rank]} '
                     f'message="{_plain(text)}"\n')
        else:
            self.raw(f"{os.getpid()}:{self.role} {stamp} {MARKS[rank]} {text}\n")
        if self.to_syslog:
            syslog.syslog(_SYSLOG[rank], text)

    def _stamp(self, now: float) -> str:
        second, ms = int(now), int(now * 1000) % 1000
        if self.stamps == "milliseconds":
            return str(int(now * 1000))
        if second != self._second:
            form = "%Y-%m-%dT%H:%M:%S" if self.stamps == "iso8601" else "%d %b %Y %H:%M:%S"
            self._day, self._second = time.strftime(form, time.localtime(second)), second
        if self.stamps == "iso8601":
            zone = time.strftime("%z", time.localtime(second))
            return f"{self._day}.{ms:03d}{zone[:3]}:{zone[3:]}"
        return f"{self._day}.{ms:03d}"

    def raw(self, text: str) -> None:
        """Text as it is, without the line format (the start-up picture)."""
        try:
            if self.path:
                with open(self.path, "a", encoding="utf-8", errors="surrogateescape") as f:
                    f.write(text)
            else:
                sys.stdout.write(text)
                sys.stdout.flush()
        except (OSError, ValueError):
            pass                            # a full disk must not stop the server, nor text that has no encoding


def _plain(text: str) -> str:
    """For the quotes of logfmt: none inside, and one line."""
    return text.replace('"', "'").replace("\n", " ").replace("\r", " ")
