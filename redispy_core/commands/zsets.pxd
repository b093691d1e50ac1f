# ZADD's second half, for GEOADD too.
from ..exec.client cimport Ctx

cdef struct AddPlan:            # a parsed ZADD
    int flags                   # ZaddFlag
    bint changed                # CH
    int first                   # index of the first element's first argument
    int step                    # arguments an element; the member is the last of them
    int count                   # elements

cdef int zadd_elements(Ctx* x, const AddPlan* plan, const double* scores) noexcept nogil    # adds and answers
