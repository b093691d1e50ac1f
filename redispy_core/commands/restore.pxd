# DUMP payloads, as RESTORE and FUNCTION RESTORE take them.
from ..base.sds cimport Slice
from ..exec.dispatch cimport Exec

cdef int payload_version(Exec* e, Slice payload) noexcept nogil    # of its footer, whose checksum is right; -1: it is none that can be read here. O(length)
