# A script that overruns its time: the loop is served meanwhile, and most commands hear BUSY.
from .dispatch cimport Exec

cdef void busy_init(Exec* x) noexcept nogil
cdef bint busy_turn(Exec* x) noexcept nogil     # serves the loop once; True: the script is to be ended
