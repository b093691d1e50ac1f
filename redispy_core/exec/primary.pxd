# The link to the primary of a replica: its stream is run as it comes, counted by the byte, and passed on.
from libc.stdint cimport int64_t
from ..base.sds cimport Sds
from .client cimport Client
from .dispatch cimport Exec

cdef struct PrimaryLink:
    Client* client                 # NULL: there is no link now
    int64_t applied                # position in the stream behind the last command that took effect; a transaction counts as a whole
    int db                         # selected in the stream at `applied`; -1: none yet
    Sds* held                      # bytes of a transaction that is not whole yet
    bint ack                       # it has asked how far we are (REPLCONF GETACK)
    bint waiting                   # input has been kept while a script was busy: primary_resume
    bint broken                    # what came was no request: nothing can be continued

cdef inline PrimaryLink* primary_of(const Exec* x) noexcept nogil:
    return <PrimaryLink*>x.primary

cdef void primary_init(Exec* x) noexcept nogil
cdef void primary_free(Exec* x) noexcept nogil
cdef void primary_attach(Exec* x, Client* c, int64_t at, int db) noexcept nogil     # c's input is the stream from position `at` on
cdef void primary_forget(Exec* x) noexcept nogil            # the link is gone; what was applied stays known; before client_free
cdef void primary_ack(Exec* x, int64_t synced) noexcept nogil    # sends REPLCONF ACK; synced: position up to which the file has everything, -1: no file
cdef void primary_resume(Exec* x) noexcept nogil            # outside of commands, when `waiting`
cdef int64_t primary_read_offset(const Exec* x) noexcept nogil   # position behind the last byte that came
