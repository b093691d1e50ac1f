"""LATENCY DOCTOR, GRAPH and HISTOGRAM: what exec/latency and exec/stats have counted, put into words and pictures."""

from __future__ import annotations

from typing import Any

from ..exec.stats import bucket_bounds
from ..proto.errors import text as error_text
from ..proto.replies import Error, Map, Verbatim

Reply = Any

COLUMNS = 80                    # of a graph; more samples go on below
ROWS = 4
LEVELS = "_o#"                  # heights within a row
UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
FIRST_POWER, LAST_POWER = 10, 40    # HISTOGRAM's steps: 2**10 ns, about a microsecond, and each double of it

# What can be done about an event, by the beginning of its name.
ADVICE = {
    "command": "Slow commands: SLOWLOG GET names them. Prefer commands that take a part of a collection to those that "
               "take all of it, and SCAN to KEYS.",
    "fast-command": "Even commands of constant time were slow: other processes may compete for the processor, or memory "
                    "may be swapped out.",
    "fork": "Forking copies the page tables: it is slower the more memory is in use and on some virtual machines.",
    "aof": "Writing the append-only file waits for the disk: a faster one, appendfsync everysec or no, and "
           "no-appendfsync-on-rewrite yes shorten it.",
    "expire": "Many keys expire at once: spread their times to live.",
    "evict": "Keys are evicted to stay within maxmemory: more memory, or smaller values, make it rarer.",
    "rdb": "Deleting a large file takes the file system long.",
}


# ---------------------------------------------------------------- GRAPH

def age(seconds: int) -> str:
    """How long ago, in the largest unit that fits: 5s, 12m, 3h, 2d."""
    for size, letter in UNITS:
        if seconds >= size or size == 1:
            return f"{seconds // size}{letter}"
    return ""


def heights(values: list[int]) -> list[int]:
    """Each value as one of ROWS * len(LEVELS) levels, the least 0."""
    low, high, levels = min(values), max(values), ROWS * len(LEVELS)
    return [min(levels - 1, (v - low) * levels // (high - low)) if high > low else 0 for v in values]


def picture(bars: list[int], labels: list[str]) -> list[str]:
    """Rows of bars, tallest first, an empty one, and the labels written downwards."""
    lines = []
    for row in reversed(range(ROWS)):
        at = [bar - row * len(LEVELS) for bar in bars]
        lines.append("".join(" " if a < 0 else LEVELS[a] if a < len(LEVELS) else "|" for a in at))
    lines.append(" " * len(bars))
    for k in range(max(map(len, labels))):
        lines.append("".join(label[k] if k < len(label) else " " for label in labels))
    return lines


def latency_graph(call: Any, event: bytes) -> Reply:
    """LATENCY GRAPH event."""
    for name, worst, samples in call.engine.latency_events():
        if name.encode() == event:
            break
    else:
        raise Error(error_text("NO_SAMPLES", event.decode("utf-8", "replace")))
    values = [ms for _, ms in samples]
    now = call.engine.now_ms // 1000
    lines = [f"{name} - high {max(values)} ms, low {min(values)} ms (all time high {worst} ms)", "-" * COLUMNS]
    bars = heights(values)
    labels = [age(max(0, now - when)) for when, _ in samples]
    for at in range(0, len(bars), COLUMNS):
        lines += picture(bars[at:at + COLUMNS], labels[at:at + COLUMNS])
    return Verbatim("".join(line + "\n" for line in lines).encode())


# ---------------------------------------------------------------- DOCTOR

def describe(name: str, worst: int, samples: list[tuple[int, int]]) -> str:
    """One event in a line."""
    values = [ms for _, ms in samples]
    average = sum(values) / len(values)
    deviation = sum(abs(v - average) for v in values) / len(values)
    line = f"{name}: {len(values)} spikes, {average:.0f} ms on average (mean deviation {deviation:.0f} ms)"
    if len(samples) > 1:
        line += f", one in {(samples[-1][0] - samples[0][0]) / (len(samples) - 1):.2f} s"
    return line + f"; the worst ever took {worst} ms."


def latency_doctor(call: Any) -> Reply:
    """LATENCY DOCTOR."""
    events = call.engine.latency_events()
    if not events:
        if call.engine.knob("latency-monitor-threshold") == 0:
            text = ("The latency monitor is off. CONFIG SET latency-monitor-threshold <milliseconds> lets it collect what "
                    "takes at least that long.\n")
        else:
            text = "No latency spikes were seen so far.\n"
        return Verbatim(text.encode())
    lines = ["Latency spikes were seen in this server:", ""]
    lines += [f"{i}. {describe(*event)}" for i, event in enumerate(events, 1)]
    advice = [text for start, text in ADVICE.items() if any(name.startswith(start) for name, _, _ in events)]
    if advice:
        lines += ["", "What can be done:", ""] + [f"- {text}" for text in advice]
    return Verbatim(("\n".join(lines) + "\n").encode())


# ---------------------------------------------------------------- HISTOGRAM

def cumulative(hist: list[int]) -> list[tuple[int, int]]:
    """[(microseconds, calls that took no longer)], a step where the number grows.

    compat: Redis's histogram has 128 steps a power of two and names a step by its upper end, hence 33 and 66."""
    steps = []
    seen, at = 0, 0
    for power in range(FIRST_POWER, LAST_POWER + 1):
        before = seen
        while at < len(hist) and (bucket_bounds(at)[1] <= 1 << power or power == LAST_POWER):
            seen += hist[at]
            at += 1
        if seen > before:
            steps.append((((1 << power) + (1 << (power - 7)) - 1) // 1000, seen))
    return steps


def latency_histogram(call: Any, *names: bytes) -> Reply:
    """LATENCY HISTOGRAM [command ...]; a container stands for its subcommands, unknown names for nothing."""
    known = {name: (calls, hist) for name, calls, _, _, _, hist in call.engine.registry.stats() if calls and hist}
    wanted = []
    for asked in names:
        name = asked.decode("utf-8", "replace").lower()
        wanted += [name] if name in known else [other for other in known if other.startswith(name + "|")]
    return Map((name, Map([("calls", known[name][0]), ("histogram_usec", Map(cumulative(known[name][1])))]))
               for name in (wanted if names else known))


BODIES = {"LATENCY|DOCTOR": latency_doctor, "LATENCY|GRAPH": latency_graph, "LATENCY|HISTOGRAM": latency_histogram}
