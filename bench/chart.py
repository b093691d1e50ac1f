"""Charts of results: grouped bars, one colour a server, as PNG. Needs matplotlib, imported when a chart is drawn.

Tests and shapes differ by orders of magnitude, so throughput and memory are drawn as multiples of the best reference,
whose own figure stands under each group; figures of the start mode are drawn as they are.
Called by versus.py --png; also redraws a saved result: python bench/chart.py RESULT.json OUT.png
"""
from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench.report import median, number
from bench.servers import BenchError

PRODUCT_COLOURS = ["#c6302b", "#e8853b", "#8c2d5a"]
REFERENCE_COLOURS = ["#9aa5b1", "#5f7d95", "#c3c9d0", "#3e5366"]

# A panel: (title, names of groups, {server key: values, None where there is no figure}, drawn as multiples?).
Panel = tuple[str, list[str], dict[str, list[float | None]], bool]


def require() -> None:
    """Raises BenchError with what to do when matplotlib is missing."""
    try:
        import matplotlib                               # noqa: F401
    except ImportError:
        raise BenchError("--png needs matplotlib: pip install matplotlib (or redispy-server[bench])") from None


def panels(result: dict) -> list[Panel]:
    """What there is to draw, by mode."""
    keys, rows = [s["key"] for s in result["servers"]], result["rows"]
    if result["mode"] == "throughput":
        found = []
        for depth in sorted({row["depth"] for row in rows}):
            mine = [row for row in rows if row["depth"] == depth]
            found.append((f"server CPU per request, pipeline depth {depth}: multiples of the best reference "
                          "(its µs below; lower is better)",
                          [row["test"] for row in mine],
                          {key: [median(row["cells"][key]["cpu_us"]) if row["cells"][key]["cpu_us"] else None
                                 for row in mine] for key in keys}, True))
        return found
    if result["mode"] == "memory":
        return [(f"{title} per key or item: multiples of the best reference (its bytes below; lower is better)",
                 [row["shape"] for row in rows], {key: [row["cells"][key][name] for row in rows] for key in keys}, True)
                for name, title in (("used", "used_memory"), ("rss", "resident set"))]
    cells, count = rows[0]["cells"], rows[0]["connections"]

    def group(title: str, names: dict[str, tuple[str, float]]) -> Panel:
        return title, list(names), {key: [cells[key][name] * factor if name in cells[key] else None
                                          for name, factor in names.values()] for key in keys}, False

    start: Panel = ("start to PONG, ms", [""], {key: [median(cells[key]["start_ms"])] for key in keys}, False)
    return [start, group("resident set at rest, MB", {"": ("idle_rss", 1 / 1024 / 1024)}),
            group(f"bytes per connection, {count} idle", {"resident set": ("conn_rss", 1),
                                                          "used_memory": ("conn_used", 1)}),
            group("GET latency, µs", {"p50": ("p50_alone", 1), "p99": ("p99_alone", 1),
                                      f"p50, {count} idle": ("p50_with", 1), f"p99, {count} idle": ("p99_with", 1)})]


def colours(servers: list[dict]) -> dict[str, str]:
    """Warm colours for products, greys for references."""
    warm, grey = iter(PRODUCT_COLOURS * 9), iter(REFERENCE_COLOURS * 9)
    return {s["key"]: next(grey if s["reference"] else warm) for s in servers}


def as_multiples(panel: Panel, servers: list[dict]) -> Panel:
    """Each group divided by its best reference, whose figure joins the group's name; as it is where there is none."""
    title, groups, values, _ = panel
    bases: list[float | None] = []
    for at in range(len(groups)):
        known = [value for s in servers if s["reference"] and (value := values[s["key"]][at]) and value > 0]
        bases.append(min(known) if known else None)
    if not any(bases):
        return panel
    names = [f"{name} ({number(base)})" if base else name for name, base in zip(groups, bases)]
    divided = {key: [value / base if value is not None and base else None for value, base in zip(row, bases)]
               for key, row in values.items()}
    return title, names, divided, True


def draw_panel(axes: Any, panel: Panel, servers: list[dict]) -> None:
    """Grouped bars from zero; a line at 1 where they are multiples."""
    if panel[3]:
        panel = as_multiples(panel, servers)
        axes.axhline(1, color="#333333", linewidth=0.8, linestyle="--")
    title, groups, values, _ = panel
    palette, width = colours(servers), 0.8 / len(servers)
    for at, server in enumerate(servers):
        places = [x + (at - (len(servers) - 1) / 2) * width for x in range(len(groups))]
        axes.bar(places, [value or 0 for value in values[server["key"]]], width * 0.92,
                 label=server["label"], color=palette[server["key"]])
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.set_title(title, loc="left", fontsize=10)
    turn = 45 if len(groups) > 6 else 0
    axes.set_xticks(range(len(groups)), groups, rotation=turn, ha="right" if turn else "center", fontsize=8)
    axes.tick_params(axis="y", labelsize=8)
    axes.grid(axis="y", linewidth=0.4, alpha=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def draw(result: dict, path: str) -> None:
    """Writes the PNG; raises BenchError without matplotlib or without figures."""
    require()
    if not result["rows"]:
        raise BenchError("nothing was measured: no chart")
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    drawn = panels(result)
    across = 2 if result["mode"] == "start" else 1
    down = -(-len(drawn) // across)
    wide = 10 if across == 2 else max(9, min(24, 1 + 0.15 * len(drawn[0][1]) * (len(result["servers"]) + 1)))
    figure, grid = pyplot.subplots(down, across, figsize=(wide, 3.6 * down + 0.8), squeeze=False)
    for axes, panel in zip(grid.flat, drawn):
        draw_panel(axes, panel, result["servers"])
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", ncols=len(labels), fontsize=8, frameon=False)
    facts = result["facts"]
    figure.text(0.01, 0.005, f"{facts['machine']}; {facts['kernel']}; {facts['date']}", fontsize=7, color="#666666")
    figure.tight_layout(rect=(0, 0.02, 1, 1 - 0.3 / (3.6 * down + 0.8)))
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        draw(json.loads(Path(sys.argv[1]).read_text()), sys.argv[2])
    except BenchError as error:
        sys.exit(f"chart.py: {error}")
