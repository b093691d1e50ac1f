# Which arguments of a request are secrets: MONITOR, SLOWLOG and other logs show REDACTED instead.
from ..base.sds cimport Slice
from .registry cimport Command

cdef Slice shown(const Command* cmd, const Slice* argv, int argc, int i) noexcept nogil    # argument i, or "(redacted)"; O(arguments) for the few commands that carry secrets, else O(1)
