"""Copies what the project consists of (tracked files and new ones that are not ignored) to another folder.

  copy_sources.py DESTINATION

Files that have not changed keep their time, so an incremental build over there stays one; files that are gone here go
there too, built ones stay. Without git (an unpacked archive) everything but hidden folders and builds is copied.
"""
import filecmp
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILT = {".so", ".c", ".o", ".pyc"}
SKIPPED = {"build", "dist", "__pycache__"}


def project_files():
    """Paths of the project's files, relative to ROOT."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        return set(files_below(ROOT))
    return {name for name in names if name and (ROOT / name).is_file()}


def files_below(folder):
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in parts)
        if path.is_file() and not hidden and not SKIPPED & set(parts) and path.suffix not in BUILT:
            yield str(path.relative_to(folder))


def copy_to(destination):
    """Returns the number of files copied."""
    wanted = project_files()
    destination.mkdir(parents=True, exist_ok=True)
    for name in set(files_below(destination)) - wanted:
        (destination / name).unlink()
    copied = 0
    for name in wanted:
        source, target = ROOT / name, destination / name
        if target.exists() and filecmp.cmp(source, target, shallow=False):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        copied += 1
    return copied


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    copy_to(Path(sys.argv[1]).resolve())
