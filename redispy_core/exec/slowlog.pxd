# The last commands that took longer than slowlog-log-slower-than, or whose request or reply was large.
from libc.stdint cimport int64_t
from .dispatch cimport Exec

cdef void slowlog_init(Exec* x) noexcept nogil
cdef void slowlog_free(Exec* x) noexcept nogil
cdef void slow_thresholds(Exec* x) noexcept nogil       # a threshold of it or of the latency monitor has changed
