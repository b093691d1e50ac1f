"""Writing the journal to the append-only file (contract: aof_out.pxd). Room persist; called before the loop sleeps.

All that a turn's clients changed leaves in one write, and with `always` in one sync, before any of their replies. A
short write is taken back by cutting the file, so that it never ends inside a command; what was not written waits.
"""
from libc.errno cimport EINTR, ENOSPC, errno
from libc.stdint cimport int64_t
from posix.unistd cimport fdatasync, ftruncate, usleep, write
from ..base.rp cimport unlikely
from ..base.sds cimport sds_free

cdef enum:
    KEEP = 1 << 22                     # a buffer larger than this is given back once it is written


cdef void aof_out_init(AofOut* a) noexcept nogil:
    a.fd = -1
    a.policy = FSYNC_EVERYSEC
    a.held = a.no_sync = False
    a.delay_us = 0
    a.size = a.written = a.synced = a.syncs = 0


cdef int aof_out_sync(AofOut* a) noexcept nogil:
    cdef int64_t offset = a.written
    while fdatasync(a.fd) != 0:
        if errno != EINTR:
            return errno
    a.synced = offset
    a.syncs += 1
    return 0


cdef int write_all(AofOut* a, const char* p, size_t n) noexcept nogil:
    cdef size_t done = 0
    cdef ssize_t k
    cdef int error
    while done < n:
        k = write(a.fd, p + done, n - done)
        if k >= 0:
            done += k
            if k == 0:
                break
        elif errno != EINTR:
            break
    if done == n:
        a.size += n
        return 0
    error = errno if k < 0 else ENOSPC
    if done and ftruncate(a.fd, a.size) != 0:
        a.size += done                  # it can't be taken back: the rest must follow it
        return -<int>done
    return error


cdef int aof_out_write(AofOut* a, Journal* j) noexcept nogil:
    cdef int error
    cdef size_t rest
    if j.aof == NULL or j.aof.len == 0:
        return 0
    if unlikely(a.delay_us):
        usleep(<unsigned int>a.delay_us)
    error = write_all(a, j.aof.data, j.aof.len)
    if unlikely(error < 0):
        rest = j.aof.len + error
        cut_front(j, rest)
        return ENOSPC
    if unlikely(error):
        return error
    j.aof.len = 0
    if unlikely(j.aof.cap > KEEP):
        sds_free(j.mem, j.aof)
        j.aof = NULL
    a.written = j.offset
    if a.policy == FSYNC_ALWAYS and not a.no_sync:
        return aof_out_sync(a)
    return 0


cdef void cut_front(Journal* j, size_t rest) noexcept nogil:
    """Only the last `rest` bytes are still to be written."""
    cdef size_t i
    cdef size_t gone = j.aof.len - rest
    for i in range(rest):
        j.aof.data[i] = j.aof.data[i + gone]
    j.aof.len = rest
