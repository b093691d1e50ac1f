# The journal's bytes on their way into the append-only file's descriptor.
from libc.stdint cimport int64_t
from ..keyspace.journal cimport Journal

cdef enum AofPolicy:                   # appendfsync
    FSYNC_NO = 0
    FSYNC_ALWAYS = 1                   # before the replies are sent
    FSYNC_EVERYSEC = 2                 # by a thread of the server

cdef struct AofOut:
    int fd                             # -1: no file is open
    AofPolicy policy
    bint held                          # a thread is syncing, or the last write failed: the server decides what to do
    int64_t delay_us                   # DEBUG AOF-FLUSH-SLEEP: before each write
    bint no_sync                       # a child is at work (no-appendfsync-on-rewrite)
    int64_t size                       # bytes of the file
    int64_t written                    # replication offset up to which the file has everything
    int64_t synced                     # ... and is on disk
    int64_t syncs

cdef void aof_out_init(AofOut* a) noexcept nogil
cdef int aof_out_write(AofOut* a, Journal* j) noexcept nogil      # all that is pending, and the sync of `always`; 0, or errno: what could not be written stays in the journal
cdef int aof_out_sync(AofOut* a) noexcept nogil                   # 0 or errno
