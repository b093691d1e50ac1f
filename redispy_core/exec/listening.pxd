# Who listens to changes of keys: the slots of keyspace/events shared by WATCH, blocked clients, tracking and modules.
# While nobody listens the slots are NULL, and a change costs one test.
from .dispatch cimport Exec, changed_fn, flushed_fn

cdef enum Listener:
    LISTEN_WATCH = 0           # exec/multi
    LISTEN_BLOCKED = 1         # exec/blocked
    LISTEN_TRACKING = 2        # exec/tracking
    LISTEN_MODULE = 3          # ext

cdef void listen(Exec* x, Listener who, changed_fn changed, flushed_fn flushed) noexcept nogil    # O(1); flushed may be NULL; again: no effect
cdef void unlisten(Exec* x, Listener who) noexcept nogil                                          # O(1); the slots become NULL with the last one
