# Housekeeping of clients: idle time, buffers that are too large, soft output limits, recent peaks.
from libc.stdint cimport int64_t
from .dispatch cimport Exec

cdef void clients_cron(Exec* x) noexcept nogil      # a share of the clients, so that each is seen about once a second
