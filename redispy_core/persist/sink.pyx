"""Sinks (contract: sink.pxd). Room persist; used by rdb_save and aof, in the server's process and in forked children.

Bytes are gathered in one buffer; checksum and system calls take it whole. A child inherits nothing that it must lock:
memory comes from the engine's Mem, of which the child has a copy.

Bringing a big file to disk in one go at its end stalls the machine. So after every `sync_bytes` the kernel is told to
begin writing those, and is waited for with those before: the disk is always busy, and the wait at the end is short.
"""
from libc.errno cimport EAGAIN, EINTR, ENOMEM, ETIMEDOUT, errno
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset
from ..base.codec cimport crc64
from ..base.mem cimport Mem, mem_free, mem_try_alloc, mem_try_realloc
from ..base.rp cimport unlikely

cdef extern from *:
    """
    #include <errno.h>
    #include <fcntl.h>
    #include <poll.h>
    #include <time.h>
    #include <unistd.h>
    static int sink_wait(int fd, int timeout_ms) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        return poll(&p, 1, timeout_ms);
    }
    static void sink_sleep_us(int64_t us) {
        struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
        nanosleep(&t, NULL);
    }
    /* Start writing [from, to) of a file to disk; wait for [before, from). 0, or -1 with errno. */
    static int sink_sync_range(int fd, int64_t before, int64_t from, int64_t to) {
    #if defined(SYNC_FILE_RANGE_WRITE)
        if (sync_file_range(fd, from, to - from, SYNC_FILE_RANGE_WRITE) == 0) {
            if (from == before) return 0;
            return sync_file_range(fd, before, from - before, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE
                                   | SYNC_FILE_RANGE_WAIT_AFTER);
        }
        if (errno != ENOSYS && errno != EINVAL && errno != ESPIPE) return -1;
    #endif
        return fsync(fd);
    }
    static int64_t sink_offset(int fd) { return (int64_t)lseek(fd, 0, SEEK_CUR); }
    """
    int sink_wait(int fd, int timeout_ms) nogil
    void sink_sleep_us(int64_t us) nogil
    int sink_sync_range(int fd, int64_t before, int64_t start, int64_t end) nogil
    int64_t sink_offset(int fd) nogil
    ssize_t write(int fd, const void* p, size_t n) nogil
    int fsync(int fd) nogil


# ---------------------------------------------------------------- life

cdef bint begin(Sink* s, Mem* m, size_t cap) noexcept nogil:
    memset(s, 0, sizeof(Sink))
    s.mem = m
    s.cap = cap
    s.checksum = True
    s.file_start = -1
    s.timeout_ms = -1
    s.next_report = 1
    s.buf = <uint8_t*>mem_try_alloc(m, cap)
    return s.buf != NULL


cdef bint sink_to_memory(Sink* s, Mem* m) noexcept nogil:
    return begin(s, m, SINK_GROWING)


cdef bint sink_to_fds(Sink* s, Mem* m, SinkOut* outs, int nouts) noexcept nogil:
    if not begin(s, m, SINK_BUFFER):
        return False
    s.outs = outs
    s.nouts = nouts
    if nouts == 1:
        s.file_start = sink_offset(outs[0].fd)
    return True


cdef void sink_free(Sink* s) noexcept nogil:
    mem_free(s.mem, s.buf)
    s.buf = NULL


cdef void sink_fail(Sink* s, int error) noexcept nogil:
    if s.error == 0:
        s.error = error


cdef int sink_end(Sink* s) noexcept nogil:
    if s.outs != NULL:
        sink_flush(s)
        if s.sync_end and s.file_start >= 0 and s.error == 0 and fsync(s.outs[0].fd) < 0:
            sink_fail(s, errno)
    return s.error


# ---------------------------------------------------------------- bytes

cdef inline void sum_up(Sink* s) noexcept nogil:
    if s.checksum:
        s.crc = crc64(s.crc, s.buf + s.summed, s.used - s.summed)
    s.summed = s.used


cdef uint64_t sink_crc(Sink* s) noexcept nogil:
    sum_up(s)
    return s.crc


cdef int write_all(Sink* s, int fd, const uint8_t* p, size_t n) noexcept nogil:
    """0 or errno."""
    cdef ssize_t done
    cdef int ready
    while n:
        done = write(fd, p, n)
        if done > 0:
            p += done
            n -= <size_t>done
            continue
        if done < 0 and errno == EINTR:
            continue
        if done < 0 and errno != EAGAIN:
            return errno
        ready = sink_wait(fd, s.timeout_ms)
        if ready == 0:
            return ETIMEDOUT
        if ready < 0 and errno != EINTR:
            return errno
    return 0


cdef void send_out(Sink* s, const uint8_t* p, size_t n) noexcept nogil:
    """To every descriptor that is left; the saving fails when none is."""
    cdef int i
    cdef int left = 0
    cdef int error = 0
    for i in range(s.nouts):
        if s.outs[i].error == 0:
            s.outs[i].error = write_all(s, s.outs[i].fd, p, n)
            left += s.outs[i].error == 0
        if s.outs[i].error:
            error = s.outs[i].error
    if left == 0:
        sink_fail(s, error)


cdef void sync_some(Sink* s) noexcept nogil:
    cdef uint64_t before = s.synced - s.sync_bytes if s.synced >= s.sync_bytes else 0
    if sink_sync_range(s.outs[0].fd, s.file_start + <int64_t>before, s.file_start + <int64_t>s.synced,
                       s.file_start + <int64_t>s.flushed) < 0:
        sink_fail(s, errno)
    s.synced = s.flushed


cdef void sent(Sink* s, size_t n) noexcept nogil:
    s.flushed += n
    if s.sync_bytes and s.file_start >= 0 and s.flushed - s.synced >= s.sync_bytes and s.error == 0:
        sync_some(s)


cdef void sink_flush(Sink* s) noexcept nogil:
    sum_up(s)
    if s.used and s.error == 0:
        send_out(s, s.buf, s.used)
    sent(s, s.used)
    s.used = 0
    s.summed = 0


cdef bint grow(Sink* s, size_t n) noexcept nogil:
    """Room for n more in a growing buffer. When there is no memory, what was gathered is dropped and s has an error."""
    cdef size_t cap = s.cap
    cdef uint8_t* buf
    if s.error == 0:
        while cap - s.used < n:
            cap *= 2
        buf = <uint8_t*>mem_try_realloc(s.mem, s.buf, cap)
        if buf != NULL:
            s.buf = buf
            s.cap = cap
            return True
        sink_fail(s, ENOMEM)
    s.flushed += s.used
    s.used = 0
    s.summed = 0
    return False


cdef uint8_t* sink_make_room(Sink* s) noexcept nogil:
    if s.outs != NULL:
        sink_flush(s)
    else:
        grow(s, SINK_SMALL)             # if it fails, the buffer is empty: there is room
    return s.buf + s.used


cdef uint8_t* sink_try_room(Sink* s, size_t n) noexcept nogil:
    if s.cap - s.used >= n:
        return s.buf + s.used
    if s.outs == NULL:
        return s.buf + s.used if grow(s, n) else NULL
    if n > s.cap:
        return NULL
    sink_flush(s)
    return s.buf


cdef void sink_put_far(Sink* s, const void* p, size_t n) noexcept nogil:
    if s.outs == NULL:
        if not grow(s, n):
            s.flushed += n
            return
    else:
        sink_flush(s)
        if n >= s.cap // 2:
            if s.checksum:
                s.crc = crc64(s.crc, p, n)
            if s.error == 0:
                send_out(s, <const uint8_t*>p, n)
            sent(s, n)
            return
    memcpy(s.buf + s.used, p, n)
    s.used += n


# ---------------------------------------------------------------- keys

cdef void sink_key_far(Sink* s) noexcept nogil:
    """Waits and reports. next_report stays at the next key while waiting is asked for."""
    if unlikely(s.key_delay_us > 0):
        sink_sleep_us(s.key_delay_us)
    elif unlikely(s.key_delay_us < 0) and s.keys % <uint64_t>(-s.key_delay_us) == 0:
        sink_sleep_us(1)
    if s.progress != NULL and (s.key_delay_us != 0 or s.keys % PROGRESS_KEYS == 0):
        s.progress(s.progress_ctx, s)
    s.next_report = s.keys + 1 if s.key_delay_us else s.keys - s.keys % PROGRESS_KEYS + PROGRESS_KEYS
