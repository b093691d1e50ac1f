"""The log, in Redis's line format: `pid:role day month year time.ms level message`."""

from __future__ import annotations

import os
import sys
import syslog
import time

LEVELS = {"debug": 0, "verbose": 1, "notice": 2, "warning": 3, "nothing": 4}
MARKS = ".-*#"
_SYSLOG = (syslog.LOG_DEBUG, syslog.LOG_INFO, syslog.LOG_NOTICE, syslog.LOG_WARNING)


class Log:
    """Writes lines to a file or to standard output, each flushed at once, and to syslog if asked to."""

    def __init__(self, level: str = "notice", path: str = "") -> None:
        self.level = LEVELS[level]
        self.path = path
        self.role = "M"                     # M primary, S replica, X sentinel, C child
        self.to_syslog = False

    def set_level(self, level: str) -> None:
        """loglevel."""
        self.level = LEVELS[level]

    def open_syslog(self, ident: str, facility: str) -> None:
        """syslog-enabled, syslog-ident, syslog-facility."""
        syslog.openlog(ident, syslog.LOG_PID | syslog.LOG_NDELAY, getattr(syslog, f"LOG_{facility.upper()}"))
        self.to_syslog = True

    def __call__(self, level: str, text: str) -> None:
        rank = LEVELS[level]
        if rank < self.level:
            return
        now = time.time()
        stamp = time.strftime("%d %b %Y %H:%M:%S", time.localtime(now))
        line = f"{os.getpid()}:{self.role} {stamp}.{int(now * 1000) % 1000:03d} {MARKS[rank]} {text}\n"
        self.raw(line)
        if self.to_syslog:
            syslog.syslog(_SYSLOG[rank], text)

    def raw(self, text: str) -> None:
        """Text as it is, without the line format (the start-up picture, crash reports)."""
        try:
            if self.path:
                with open(self.path, "a", encoding="utf-8", errors="surrogateescape") as f:
                    f.write(text)
            else:
                sys.stdout.write(text)
                sys.stdout.flush()
        except OSError:
            pass                            # a full disk must not stop the server
