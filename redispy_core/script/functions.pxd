# The libraries of functions of an engine; FUNCTION, FCALL and FCALL_RO.
from libc.stdint cimport int64_t, uint64_t
from ..base.sds cimport Slice
from ..ext cimport Ctx, Exec
from ..structs.dict cimport Dict
from .engines cimport ENGINES_MAX, Failure, Function, Library

cdef struct LibrarySet:             # libraries whose functions have different names
    Dict libraries                  # by name
    Dict functions                  # of all of them, by name in lower case
    Library* oldest
    Library* newest

cdef struct Functions:              # what the room keeps for an engine
    Exec* x
    LibrarySet live
    void* states[ENGINES_MAX]       # NULL: not needed yet
    size_t vm_used                  # of all states, for INFO
    const Function* running         # NULL: none
    const Slice* argv               # of its FCALL
    int argc
    uint64_t began                  # rp_ticks

cdef struct Problem:                # why libraries can't be loaded
    int e                           # an Err; -1: all is well
    Slice what                      # for its %s: in failure.why, or for ever
    Failure failure

cdef enum Policy:                   # of FUNCTION RESTORE, and of loading files
    POLICY_APPEND = 0               # a library that is there already is an error
    POLICY_REPLACE = 1
    POLICY_FLUSH = 2

cdef Functions* functions_of(Ctx* x) noexcept nogil                               # made when first asked for
cdef Function* function_find(Functions* s, Slice name) noexcept nogil             # O(length); NULL: none. Any case
cdef void functions_flush(Functions* s) noexcept nogil                            # O(functions); the states are closed
