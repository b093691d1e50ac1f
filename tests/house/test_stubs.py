"""Types: mypy --strict over the server and the stubs, and the stubs of the compiled modules against the modules."""
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STUBS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "redispy_core").rglob("*.pyi"))
SERVER = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "redispy_server").rglob("*.py"))


# What Cython adds to every module and class, and __init__, whose arguments it does not tell.
CYTHONS_OWN = r"""
.*\.__(reduce|setstate)_cython__
.*\.__test__
.*\.__pyx_.*
.*\.__init__
"""


def mypy(*arguments, cwd=ROOT, module="mypy"):
    done = subprocess.run([sys.executable, "-m", module, *map(str, arguments)], cwd=cwd, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def strict(paths, cwd=ROOT):
    """Errors of mypy --strict; compiled modules that have no stub count as untyped."""
    if not paths:
        return 0, ""
    return mypy("--strict", "--ignore-missing-imports", "--no-error-summary", "--hide-error-context", *paths, cwd=cwd)


def test_stubs_are_typed_strictly():
    status, output = strict(STUBS)
    assert status == 0, output


@pytest.mark.slow
def test_server_is_typed_strictly():
    status, output = strict(SERVER)
    assert status == 0, output


def stubtest(module, folder, cwd=ROOT):
    """Differences between a stub and its module: names missing on either side, other parameters."""
    (folder / "allowed").write_text(CYTHONS_OWN)
    return mypy("--concise", "--ignore-positional-only", "--ignore-disjoint-bases", "--ignore-unused-allowlist",
                "--allowlist", folder / "allowed", module, cwd=cwd, module="mypy.stubtest")


@pytest.mark.parametrize("stub", STUBS)
def test_stub_says_what_the_module_has(stub, tmp_path):
    status, output = stubtest(stub.removesuffix(".pyi").replace("/", "."), tmp_path)
    assert status == 0, output


def test_strict_check_bites(tmp_path):
    (tmp_path / "sample.py").write_text("def f(x):\n    return x\n")
    status, output = strict(["sample.py"], cwd=tmp_path)
    assert status == 1 and "missing a type annotation" in output


def test_stub_check_bites(tmp_path):
    (tmp_path / "sample.py").write_text("def f(x: int) -> int:\n    return x\n")
    (tmp_path / "sample.pyi").write_text("def g(x: int) -> int: ...\n")
    status, output = stubtest("sample", tmp_path, cwd=tmp_path)
    assert status == 1 and "sample.g" in output and "sample.f" in output
