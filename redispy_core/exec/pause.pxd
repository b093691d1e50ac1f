# Pausing clients: CLIENT PAUSE, and for the time of a shutdown or failover. Clients that are held back keep their
# request (Client.held) and go on from the loop, never inside the command that ends the pause.
from libc.stdint cimport int64_t, uint32_t
from .dispatch cimport Exec

cdef enum PausePurpose:
    PAUSE_BY_CLIENT = 0             # CLIENT PAUSE
    PAUSE_BY_SHUTDOWN = 1
    PAUSE_BY_FAILOVER = 2

cdef enum PauseAction:
    PAUSE_ALL = 1                   # every command of ordinary clients
    PAUSE_WRITE = 2                 # writes, and what may be propagated
    PAUSE_EXPIRE = 4                # expired keys are missing but not removed
    PAUSE_EVICT = 8
    PAUSE_REPLICA = 16              # what the primary sends is not applied
    PAUSE_MODE_ALL = 1 | 4 | 8 | 16
    PAUSE_MODE_WRITE = 2 | 4 | 8 | 16

cdef void pause_clients(Exec* x, PausePurpose why, int64_t until_ms, uint32_t actions) noexcept nogil   # a pause of that purpose that still lasts is never weakened or shortened
cdef void unpause_clients(Exec* x, PausePurpose why) noexcept nogil
cdef uint32_t pause_actions(const Exec* x) noexcept nogil               # PauseAction bits in force
cdef int64_t pause_deadline(const Exec* x) noexcept nogil               # when pause_step has something to do, absolute ms; 0: never
cdef void pause_step(Exec* x) noexcept nogil                            # once a loop turn: ends what is over, lets held clients go on
