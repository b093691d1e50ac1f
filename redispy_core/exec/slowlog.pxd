# The slow log: the last commands that took longer than slowlog-log-slower-than.
from libc.stdint cimport int64_t
from .dispatch cimport Exec

cdef void slowlog_init(Exec* x) noexcept nogil
cdef void slowlog_free(Exec* x) noexcept nogil
cdef void slow_thresholds(Exec* x) noexcept nogil       # slowlog-log-slower-than or latency-monitor-threshold has changed
