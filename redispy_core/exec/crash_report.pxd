# What a crash report tells of an engine.
from .dispatch cimport Exec

cdef void crash_report_init(Exec* x) noexcept nogil         # reports tell of this engine from now on
cdef void crash_report_free(Exec* x) noexcept nogil
