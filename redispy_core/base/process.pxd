# The crash report: what a signal handler writes to the log before the process dies. One a process. Writers below are
# async-signal-safe, for the callback that tells of the engine.
ctypedef void (*crash_tell_fn)(int fd, void* ctx, int hide) noexcept nogil       # reads plain memory only; hide: no user's data

cdef void crash_tell(crash_tell_fn fn, void* ctx) noexcept nogil                 # NULL: nothing to tell; the last engine that asks is told of
cdef void* crash_told() noexcept nogil                                           # its ctx
cdef void crash_text(int fd, const char* text) noexcept nogil
cdef void crash_int(int fd, long long v) noexcept nogil
cdef void crash_quoted(int fd, const char* p, size_t n) noexcept nogil
