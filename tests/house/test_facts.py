"""Below the server nobody reads the world: clock, randomness, environment and files come through base/env and the Engine."""
import re

import pytest
import source as src

READER = re.compile(r"redispy_core/base/env\.\w+$")
FORBIDDEN = {
    "clock": r"\b(?:c?import)\s+(?:time|datetime)\b|\bfrom\s+(?:time|datetime|libc\.time|posix\.time)\s+c?import\b"
             r"|\b(?:clock_gettime|gettimeofday|mach_absolute_time|__rdtsc|perf_counter|monotonic)\s*\(|\btime\s*\(\s*NULL",
    "randomness": r"\b(?:c?import)\s+(?:random|secrets|uuid)\b|\bfrom\s+(?:random|secrets|uuid)\s+c?import\b"
                  r"|(?<![\w.])(?<!def )(?:s?rand|s?random|[dlm]rand48|getrandom|getentropy|arc4random\w*)\s*\(|\burandom\b",
    "environment": r"\benviron\b|\b(?:secure_)?getenv\b",
    "files": r"(?<![\w.])f?open(?:at)?\s*\(|\b(?:os|io|codecs|gzip)\.open\s*\(|\.(?:read|write)_(?:text|bytes)\s*\("
             r"|\bfrom\s+posix\.fcntl\s+cimport\b[^\n]*\bopen\b",
}
FORBIDDEN = {what: re.compile(pattern) for what, pattern in FORBIDDEN.items()}

# (path, what) -> why this file must.
ALLOWED: dict[tuple[str, str], str] = {
    ("redispy_core/base/rp.h", "clock"): "rp_ticks, for durations; env turns ticks into time",
    ("redispy_core/base/crash.h", "files"): "a signal handler opens the log",
    ("redispy_core/base/process.pyx", "environment"): "moves it away from where the title goes",
    ("redispy_core/base/crash.h", "clock"): "a signal handler tells when it was",
    ("redispy_core/persist/child.pyx", "files"): "/proc/self: the memory that a child has made its own",
    ("redispy_core/exec/docs.py", "files"): "docs.json of the package, on the first COMMAND DOCS",
}


def violations(sources, allowed=ALLOWED):
    found, used = [], set()
    for source in sources:
        if READER.match(source.path):
            continue
        texts = [(0, source.code)] + [(line - 1, c_text.code) for line, c_text in src.verbatim_c(source)]
        for offset, code in texts:
            for what, pattern in FORBIDDEN.items():
                for match in pattern.finditer(code):
                    used.add((source.path, what))
                    if (source.path, what) not in allowed:
                        line = offset + code.count("\n", 0, match.start()) + 1
                        found.append(f"{source.path}:{line}: reads {what} (`{match[0].strip()}`)")
    return found + [f"allowed but gone: {key}" for key in allowed if key not in used]


def test_only_env_reads_the_world():
    assert violations(src.read_all(packages=("redispy_core",))) == []


@pytest.mark.parametrize("text", [
    "import time\n", "from libc.time cimport time\n", "    from datetime import timedelta\n", "import random\n",
    "from libc.stdlib cimport rand\nx = rand()\n", "x = os.urandom(8)\n", "y = os.environ['A']\n", "getenv('A')\n",
    "with open(path) as f: pass\n", "os.open(path, 0)\n", "Path('x').read_text()\n",
    'cdef extern from *:\n    """\n    static long now(void) { return time(NULL); }\n    """\n',
])
def test_reading_the_world_is_refused(text):
    assert violations([src.scan("redispy_core/types/x.pyx", text)], {}) != []


@pytest.mark.parametrize("path, text", [
    ("redispy_core/base/env.pyx", "from posix.time cimport clock_gettime\n"),
    ("redispy_core/types/x.pyx", '"""Never import time."""\n# import time\nx = "open("\n'),
    ("redispy_core/types/x.pyx", "when_ms = env.now_ms\ntime_us = 3\nenv_rand(e)\nis_open(x)\ndlopen(x)\nself.random(3)\ndef random(self):\n"),
    ("redispy_core/types/x.pyx", "cdef uint64_t random_index(int n)\nopening = 1\nexpire_time(x)\n"),
])
def test_other_code_passes(path, text):
    assert violations([src.scan(path, text)], {}) == []
