# States of the server that refuse commands: loading, unable to save, a replica ...
from ..base.sds cimport Slice
from .dispatch cimport Exec

cdef void states_init(Exec* x) noexcept nogil
cdef void states_free(Exec* x) noexcept nogil
cdef void state_set(Exec* x, int gate, bint on, Slice text) noexcept nogil   # gate: a G_ bit; text: of G_MISCONF, empty for the usual one
