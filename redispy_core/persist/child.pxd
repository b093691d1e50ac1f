# Saving in a forked child: it sees the data as they are at the fork, writes, tells how far it is, and ends.
from libc.stdint cimport int32_t, int64_t
from ..base.env cimport Env
from .sink cimport Sink

cdef enum ChildInfoKind:
    CHILD_PROGRESS = 1             # now and then
    CHILD_OUT = 2                  # at the end, one for each descriptor: `error` is what ended it, 0: it has everything
    CHILD_END = 3                  # the last: done, or `error`

cdef enum:
    CHILD_KILLED = 255             # exit status after SIGUSR1: told to stop, nothing to report

cdef packed struct ChildInfo:      # a record in the pipe; shorter than PIPE_BUF, so that it comes whole
    int32_t kind
    int32_t error
    int64_t keys
    int64_t bytes
    int64_t cow_bytes              # memory that parent and child no longer share
    int64_t cow_us                 # what it cost to find that out
    int64_t out                    # CHILD_OUT: index of the descriptor

ctypedef int (*child_work_fn)(void* ctx, Sink* s) noexcept nogil          # 0 or errno

cdef int child_fork(Env* env, Sink* s, child_work_fn work, void* ctx, const char* title, const int* keep, int nkeep,
                    int* info_fd) noexcept nogil
#   O(pages). Parent: the child's pid, or -errno; *info_fd is the end to read ChildInfo from, not blocking. Child: does
#   not return; exits with 0, 1 or CHILD_KILLED. All descriptors but s's, the first three and `keep` are closed in it
