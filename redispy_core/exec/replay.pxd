# Commands that a file or a primary has: run again, without gates and without replies.
from libc.stdint cimport int64_t
from .client cimport Client
from .dispatch cimport Exec

cdef enum ReplayStop:
    REPLAY_MORE = 0                # the buffer ends inside a command, or with one
    REPLAY_FORMAT = 1              # bytes that are no command
    REPLAY_UNKNOWN = 2             # a command that does not exist: `unknown` is its name

cdef struct Replay:
    Client* client
    int64_t consumed               # bytes run
    int64_t whole                  # ... up to the last command that stood outside a transaction
    int64_t commands
    const int64_t* delay           # microseconds to wait after each command; below 0: one, after so many commands
    ReplayStop stop
    char unknown[64]
    int unknown_len

cdef void replay_begin(Exec* x, Replay* r, const int64_t* delay) noexcept nogil
cdef size_t replay_feed(Exec* x, Replay* r, char* buf, size_t len) noexcept nogil   # runs what is complete; bytes consumed, the rest must come again
cdef bint replay_end(Exec* x, Replay* r) noexcept nogil                             # False: a transaction was left open
