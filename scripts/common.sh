# Shared by the scripts of this folder (sourced, bash): where the project is, which Python to use, how to prepare.
# The work itself is done by prepare.py; this part only finds an interpreter that can run it.

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
VENV=${REDISPY_VENV:-$ROOT/.venv}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# help_asked ARG...: prints the comment at the head of the running script and exits when the first argument asks for it.
help_asked() {
    case "${1:-}" in
        --help|-h)
            sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p;};}' "$0"
            exit 0 ;;
    esac
}

is_good_python() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# Sets PYTHON to the first interpreter of version 3.11 or newer: $PYTHON, the environment's own, then those on PATH.
find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} "$VENV/bin/python" python3 python3.14 python3.13 python3.12 python3.11 python; do
        if command -v "$candidate" >/dev/null 2>&1 && is_good_python "$candidate"; then
            PYTHON=$candidate
            return
        fi
    done
    die "Python 3.11 or newer is needed and none was found (looked at \$PYTHON, python3, python3.11 ... python3.14).
Install one, for example:  Debian/Ubuntu: sudo apt install python3 python3-venv python3-dev
                           Fedora: sudo dnf install python3 python3-devel      macOS: brew install python"
}

# prepare WHAT...: environment, packages and compiled modules, as far as they are not there yet. Talks on stderr only.
prepare() {
    find_python
    REDISPY_VENV=$VENV "$PYTHON" "$ROOT/scripts/prepare.py" "$@" >&2 </dev/null
    PYTHON=$VENV/bin/python
    export PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}"
}
