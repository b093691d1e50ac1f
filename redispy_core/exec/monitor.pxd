# MONITOR: clients that are shown every command that runs.
from .dispatch cimport Exec

cdef void monitor_init(Exec* x) noexcept nogil
cdef void monitor_free(Exec* x) noexcept nogil          # after all clients are gone
cdef int monitor_count(const Exec* x) noexcept nogil
