"""The README files: their Python runs, their links and the files of the map exist."""
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ["README.md", "redispy_core/README.md", "bench/README.md", "CHANGELOG.md"]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.S | re.M)
LINK = re.compile(r"\]\(([^)#\s]+)\)")
CORE = ROOT / "redispy_core"
EXAMPLES = BLOCK.findall((ROOT / "README.md").read_text("utf-8"))


def missing_links(path):
    """Targets of a document's links into the repository that are not there."""
    targets = LINK.findall(path.read_text("utf-8"))
    return [t for t in targets if "://" not in t and not (path.parent / t).exists()]


def map_entries(text):
    """(room or "", file) of each row of the map's tables."""
    room = None
    for line in text.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("#").strip()
            room = ("" if heading == "the top" else heading) if line.startswith("### ") else None
        elif room is not None and line.startswith("| `"):
            for name in re.findall(r"`([^`]+)`", line.split("|")[1]):
                yield room, name


def absent(entries, folder=CORE):
    """Those entries that name no module."""
    return [f"{room}/{name}" for room, name in entries
            if not any((folder / room / f"{name}.{kind}").is_file() for kind in ("pyx", "py", "pxd"))]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    assert missing_links(ROOT / document) == []


def test_readme_has_examples():
    assert len(EXAMPLES) >= 2


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_runs(example, tmp_path):
    done = subprocess.run([sys.executable, "-c", example], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_map_names_files_that_exist():
    entries = list(map_entries((CORE / "README.md").read_text("utf-8")))
    assert len(entries) > 60
    assert absent(entries) == []


def test_checks_bite(tmp_path):
    (tmp_path / "a.md").write_text("[b](b.md) [web](https://example.org) [self](a.md#part)\n")
    assert missing_links(tmp_path / "a.md") == ["b.md"]
    entries = list(map_entries("### base\n\n| `mem`, `gone` | x |\n\n## Other\n\n| `dict` | x |\n### the top\n| `engine` | x |\n"))
    assert entries == [("base", "mem"), ("base", "gone"), ("", "engine")]
    assert absent(entries) == ["base/gone"]
