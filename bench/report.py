"""Numbers into text: medians and spread, Markdown tables, the heading with machine and versions, progress on stderr.

Used by every mode; knows nothing of servers or loads. result dictionaries of the modes go to JSON as they are.
"""
from __future__ import annotations

import datetime
import math
import os
import platform
import statistics
import sys
import time
from pathlib import Path


def median(values: list[float]) -> float:
    return float(statistics.median(values))


def spread(values: list[float]) -> float:
    """Half the range as a share of the median: 0.03 says that the rounds lay within about 3 % of it."""
    middle = median(values)
    return (max(values) - min(values)) / 2 / middle if middle else 0.0


def geometric_mean(values: list[float]) -> float:
    return math.exp(sum(math.log(value) for value in values) / len(values))


def number(value: float) -> str:
    """Three significant digits, thousands with blanks: 0.614, 8.21, 152, 1 234 567."""
    if value == 0:
        return "0"
    if math.isinf(value) or math.isnan(value):
        return "-"
    size = math.floor(math.log10(abs(float(f"{value:.2e}"))))       # of the rounded value: 9.996 is 10.0
    return f"{value:,.{max(0, 2 - size)}f}".replace(",", " ")


def with_spread(values: list[float]) -> str:
    """'0.614 ±3%', or '-' without values; the spread is left out for a single round."""
    if not values:
        return "-"
    text = number(median(values))
    return text if len(values) < 2 else f"{text} ±{spread(values):.0%}"


def ratio(value: float | None, base: float | None) -> str:
    return "-" if value is None or not base else f"{value / base:.2f}"


def table(headings: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, first column to the left, others to the right, padded to be read as plain text too."""
    cells = [headings, *rows]
    widths = [max(3, *(len(row[at]) for row in cells)) for at in range(len(headings))]

    def line(row: list[str]) -> str:
        first, *others = zip(row, widths)
        parts = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
        return "| " + " | ".join(parts) + " |"

    rule = "|" + "|".join("-" * (width + 1) + ("-" if at == 0 else ":") for at, width in enumerate(widths)) + "|"
    return "\n".join([line(headings), rule, *(line(row) for row in rows)])


def machine() -> dict[str, str]:
    """What the figures depend on: processor, cores, memory, kernel, Python, date."""
    model, memory = platform.processor() or platform.machine(), ""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.lower().startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
        kilobytes = int(Path("/proc/meminfo").read_text().split()[1])
        memory = f", {kilobytes / 1024 / 1024:.0f} GB"
    except (OSError, IndexError, ValueError):
        pass
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return {
        "machine": f"{model}, {os.cpu_count()} cores{memory}",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "date": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        "load average at the start": load,
    }


def heading(title: str, facts: dict[str, str]) -> str:
    """Title and the list of facts."""
    return f"# {title}\n\n" + "\n".join(f"- {name}: {value}" for name, value in facts.items()) + "\n"


class Progress:
    """What is going on, on stderr: one line rewritten on a terminal, otherwise a line every ten seconds."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet, self.tty = quiet, sys.stderr.isatty()
        self.total = self.done = 0
        self.began = self.last = time.monotonic()

    def start(self, total: int) -> None:
        self.total, self.done, self.began = total, 0, time.monotonic()

    def step(self, text: str) -> None:
        """Called before each piece of work."""
        self.done += 1
        passed = time.monotonic() - self.began
        left = passed / (self.done - 1) * (self.total - self.done + 1) if self.done > 1 else 0.0
        self._show(f"[{self.done}/{self.total}] {text}" + (f"  ~{left:.0f} s left" if left else ""))

    def _show(self, text: str) -> None:
        if self.quiet:
            return
        if self.tty:
            print(f"\r\x1b[K{text[:118]}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self.last > 10 or self.done == 1:
            print(text, file=sys.stderr, flush=True)
            self.last = time.monotonic()

    def finish(self) -> None:
        if self.tty and not self.quiet:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """A line that stays."""
        self.finish()
        print(text, file=sys.stderr, flush=True)
