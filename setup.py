"""Build of the compiled modules: every .pyx below redispy_core becomes one extension.

Switches (environment):
  REDISPY_O=1               optimisation level of the C compiler (default 3)
  REDISPY_SANITIZE=address,undefined   sanitizer build; see scripts/sanitize
  REDISPY_DEBUG=1           assertions print the .pyx line, symbols kept
  REDISPY_COVERAGE=1        line tracing for coverage
  REDISPY_MALLOC=libc       do not link mimalloc
  REDISPY_JOBS=N            parallel jobs (default: the number of cores)
"""
import glob
import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
SANITIZE = os.environ.get("REDISPY_SANITIZE", "")
DEBUG = bool(os.environ.get("REDISPY_DEBUG")) or bool(SANITIZE)
COVERAGE = bool(os.environ.get("REDISPY_COVERAGE"))
JOBS = int(os.environ.get("REDISPY_JOBS") or os.cpu_count() or 1)

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "embedsignature": True,
    "linetrace": COVERAGE,
    # An Engine belongs to one thread (checked under REDISPY_DEBUG), and no module has mutable globals.
    "freethreading_compatible": True,
}


def find_mimalloc():
    """(static library, include directory) of an installed cmeel-mimalloc, or None."""
    if SANITIZE or os.environ.get("REDISPY_MALLOC") == "libc":
        return None
    for root in sys.path:
        for lib in glob.glob(os.path.join(root, "cmeel.prefix/lib/mimalloc-*/libmimalloc.a")):
            include = glob.glob(os.path.join(root, "cmeel.prefix/include/mimalloc-*"))
            if include:
                return lib, include[0]
    return None


def extensions():
    compile_args = [f"-O{os.environ.get('REDISPY_O', '3')}", "-fno-strict-aliasing", "-Wno-unused-function", "-Wno-sign-compare"]
    link_args = []
    if SANITIZE:
        compile_args += [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer", "-g", "-O1"]
        link_args += [f"-fsanitize={SANITIZE}"]
    elif DEBUG:
        compile_args += ["-g"]
    macros = [("CYTHON_TRACE_NOGIL", "1")] if COVERAGE else []
    if DEBUG:
        macros.append(("REDISPY_DEBUG", "1"))
    mimalloc = find_mimalloc()
    found = []
    for path in sorted(HERE.glob("redispy_core/**/*.pyx")):
        relative = path.relative_to(HERE)
        name = ".".join(relative.with_suffix("").parts)
        ext = Extension(name, [str(relative)], include_dirs=["redispy_core/base"],
                        depends=["redispy_core/base/rp.h"], define_macros=list(macros),
                        extra_compile_args=list(compile_args), extra_link_args=list(link_args))
        if name == "redispy_core.base.mem" and mimalloc:
            ext.define_macros.append(("REDISPY_MIMALLOC", "1"))
            ext.include_dirs.append(mimalloc[1])
            ext.extra_objects.append(mimalloc[0])
        found.append(ext)
    return found


class ParallelBuildExt(build_ext):
    """build_ext that compiles C on all cores without being asked to."""

    def finalize_options(self):
        super().finalize_options()
        if self.parallel is None:
            self.parallel = JOBS


setup(
    ext_modules=cythonize(extensions(), nthreads=JOBS if JOBS > 1 else 0, compiler_directives=DIRECTIVES,
                          emit_linenums=DEBUG, show_all_warnings=False),
    cmdclass={"build_ext": ParallelBuildExt},
)
