"""Sizes of files and functions, the limits, and the exceptions from them. Run as a program it prints the report.

  sizes.py [--all | --top N] [PATH ...]      PATH: files or folders instead of the whole project
"""
import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import source as src

FUNCTION_WANTED, FUNCTION_LIMIT = 60, 100
FILE_WANTED, FILE_LIMIT = 800, 1500

# "path::function" or "path" -> why it is better long than cut. An entry that is no longer needed is refused.
ALLOWED_FUNCTIONS: dict[str, str] = {}
ALLOWED_FILES: dict[str, str] = {}


def measure(sources):
    """(files, functions): lists of (lines, "path") and (lines, "path::function", first line), longest first."""
    files, functions = [], []
    for source in sources:
        files.append((source.text.count("\n"), source.path))
        if source.path.endswith((".py", ".pyx", ".pxi", ".pxd")):
            functions += [(f.length, f"{source.path}::{f.name}", f.line) for f in src.functions(source)]
    return sorted(files, reverse=True), sorted(functions, reverse=True)


def violations(sources, allowed_functions=ALLOWED_FUNCTIONS, allowed_files=ALLOWED_FILES):
    """Texts of what is over a limit and not allowed, and of allowances that nothing needs."""
    files, functions = measure(sources)
    long_functions = {name: (lines, line) for lines, name, line in functions if lines > FUNCTION_LIMIT}
    long_files = {name: lines for lines, name in files if lines > FILE_LIMIT}
    found = [f"{name} (line {line}) has {lines} lines, the limit is {FUNCTION_LIMIT}"
             for name, (lines, line) in long_functions.items() if name not in allowed_functions]
    found += [f"{name} has {lines} lines, the limit is {FILE_LIMIT}"
              for name, lines in long_files.items() if name not in allowed_files]
    found += [f"{name} is allowed to be long but is not" for name in allowed_functions if name not in long_functions]
    found += [f"{name} is allowed to be long but is not" for name in allowed_files if name not in long_files]
    return found


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0


def report(sources, top):
    """Prints medians, percentiles and the longest files and functions; `!` is over the limit, `+` over what is wanted."""
    files, functions = measure(sources)
    for title, rows, wanted, limit in (("files", files, FILE_WANTED, FILE_LIMIT),
                                       ("functions", functions, FUNCTION_WANTED, FUNCTION_LIMIT)):
        sizes = [row[0] for row in rows]
        over = sum(size > wanted for size in sizes)
        print(f"{len(rows)} {title}, {sum(sizes)} lines; median {percentile(sizes, 0.5)}, p90 {percentile(sizes, 0.9)}, "
              f"longest {max(sizes, default=0)}; over {wanted}: {over}")
        for row in rows[:top]:
            mark = "!" if row[0] > limit else "+" if row[0] > wanted else " "
            print(f"  {mark} {row[0]:5d}  {row[1]}" + (f":{row[2]}" if len(row) > 2 else ""))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--top", type=int, default=15)
    parser.add_argument("paths", nargs="*", type=Path)
    options = parser.parse_args()
    if options.paths:
        names = [p for path in options.paths for p in (path.rglob("*") if path.is_dir() else [path])]
        sources = [src.scan(str(p), p.read_text()) for p in sorted(names) if p.suffix in src.SOURCES and p.is_file()]
    else:
        sources = src.read_all()
    report(sources, None if options.all else options.top)
    problems = violations(sources) if not options.paths else []
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
