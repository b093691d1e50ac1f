# Latency events: what took longer than latency-monitor-threshold, kept by the name of the event.
from libc.stdint cimport int64_t
from .dispatch cimport Exec

cdef void latency_add(Exec* x, const char* event, int64_t ms) noexcept nogil    # a sample, if it reaches the threshold; O(events)
cdef void latency_free(Exec* x) noexcept nogil
cdef list latency_events(Exec* x)                       # [(name, highest ms ever, [(unix seconds, ms) ..., oldest first])]
