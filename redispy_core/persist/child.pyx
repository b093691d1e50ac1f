"""Forked children that save (contract: child.pxd). Room persist; the engine forks, the server watches the process.

The child is one thread with the memory of the parent. It runs no Python: locks that other threads held at the fork stay
held in it for ever, and Python objects would be written to by being counted. It closes what it does not need. A socket
or listener that stayed open here would keep a connection from ending, or a port from being bound again, as long as the
child lives; and epoll goes on reporting a closed descriptor while a copy is open.
"""
from libc.errno cimport EPIPE, errno
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memset
from ..base.env cimport Env, env_mono_us
from .sink cimport Sink, sink_bytes

cdef extern from *:
    """
    #include <errno.h>
    #include <fcntl.h>
    #include <signal.h>
    #include <string.h>
    #include <sys/resource.h>
    #include <unistd.h>
    #if defined(__linux__)
    #include <sys/prctl.h>
    #include <sys/syscall.h>
    #endif
    static void child_stop(int sig) { (void)sig; _exit(255); }

    /* Handlers of the parent (Python's write into its wake-up pipe) are no use here. */
    static void child_signals(void) {
        struct sigaction sa;
        for (int sig = 1; sig < NSIG; sig++)
            if (sigaction(sig, NULL, &sa) == 0 && (sa.sa_flags & SA_SIGINFO || (sa.sa_handler != SIG_IGN && sa.sa_handler != SIG_DFL)))
                signal(sig, SIG_DFL);
        memset(&sa, 0, sizeof(sa));
        sa.sa_handler = child_stop;
        sigaction(SIGUSR1, &sa, NULL);
        signal(SIGINT, SIG_IGN);            /* a terminal's ^C goes to the parent, too, who decides */
        signal(SIGPIPE, SIG_IGN);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
    }
    static void child_block_signals(sigset_t *old) {
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, old);
    }
    static void child_restore_signals(const sigset_t *old) { sigprocmask(SIG_SETMASK, old, NULL); }

    static void child_close_between(int first, int last) {
        if (first > last) return;
    #if defined(SYS_close_range)
        if (syscall(SYS_close_range, (unsigned)first, (unsigned)last, 0) == 0) return;
    #endif
        struct rlimit limit;
        long end = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 65536 ? (long)limit.rlim_cur : 65536;
        for (long fd = first; fd <= last && fd < end; fd++) close((int)fd);
    }
    static void child_title(const char *title) {
    #if defined(__linux__)
        prctl(PR_SET_NAME, title, 0, 0, 0);
    #else
        (void)title;
    #endif
    }
    static int child_pipe(int *ends) {
        if (pipe(ends) < 0) return -1;
        fcntl(ends[0], F_SETFD, FD_CLOEXEC);
        fcntl(ends[1], F_SETFD, FD_CLOEXEC);
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        return 0;
    }
    /* Bytes of memory that this process alone has written to; -1: the system does not tell. */
    static int64_t child_private_dirty(void) {
        char text[4096];
        ssize_t n;
        int fd = open("/proc/self/smaps_rollup", O_RDONLY);
        if (fd < 0) return -1;
        n = read(fd, text, sizeof(text) - 1);
        close(fd);
        if (n <= 0) return -1;
        text[n] = 0;
        char *at = strstr(text, "Private_Dirty:");
        int64_t kb = 0;
        if (at == NULL) return -1;
        for (at += 14; *at == ' '; at++) {}
        for (; *at >= '0' && *at <= '9'; at++) kb = kb * 10 + (*at - '0');
        return kb * 1024;
    }
    """
    ctypedef struct sigset_t:
        pass
    void child_signals() nogil
    void child_block_signals(sigset_t* old) nogil
    void child_restore_signals(const sigset_t* old) nogil
    void child_close_between(int first, int last) nogil
    void child_title(const char* title) nogil
    int child_pipe(int* ends) nogil
    int64_t child_private_dirty() nogil
    int fork() nogil
    void _exit(int status) nogil
    int close(int fd) nogil
    ssize_t write(int fd, const void* p, size_t n) nogil

cdef enum:
    INFO_US = 1000000              # between two reports
    COW_SHARE = 100                # at most one part in so many of the time goes into measuring memory
    FD_MAX = 0x7FFFFFFF

cdef struct Reporter:
    Env* env
    int fd
    int64_t next_us
    int64_t next_cow_us
    ChildInfo info


cdef void measure(Reporter* r) noexcept nogil:
    """Reading page tables costs more the more memory there is: seldom, if it is slow."""
    cdef int64_t began = env_mono_us(r.env)
    cdef int64_t cow = child_private_dirty()
    if cow >= 0:
        r.info.cow_bytes = cow
    r.info.cow_us = env_mono_us(r.env) - began
    r.next_cow_us = began + r.info.cow_us * COW_SHARE


cdef void tell(Reporter* r, Sink* s, int kind, int error, int64_t out) noexcept nogil:
    r.info.kind = kind
    r.info.error = error
    r.info.keys = <int64_t>s.keys
    r.info.bytes = <int64_t>sink_bytes(s)
    r.info.out = out
    if write(r.fd, &r.info, sizeof(ChildInfo)) < 0 and errno == EPIPE:
        _exit(1)                        # the parent is gone: nobody waits for what is saved


cdef void report(void* ctx, Sink* s) noexcept nogil:
    cdef Reporter* r = <Reporter*>ctx
    cdef int64_t now_us = env_mono_us(r.env)
    if now_us < r.next_us:
        return
    r.next_us = now_us + INFO_US
    if now_us >= r.next_cow_us:
        measure(r)
    tell(r, s, CHILD_PROGRESS, 0, 0)




cdef int next_kept(int above, const Sink* s, const int* keep, int nkeep, int info) noexcept nogil:
    """The lowest descriptor above one that stays open, or FD_MAX."""
    cdef int best = info if info > above else FD_MAX
    cdef int i
    for i in range(s.nouts):
        if s.outs[i].fd > above and s.outs[i].fd < best:
            best = s.outs[i].fd
    for i in range(nkeep):
        if keep[i] > above and keep[i] < best:
            best = keep[i]
    return best


cdef void close_others(const Sink* s, const int* keep, int nkeep, int info) noexcept nogil:
    cdef int fd = 2
    cdef int following
    while fd != FD_MAX:
        following = next_kept(fd, s, keep, nkeep, info)
        child_close_between(fd + 1, FD_MAX if following == FD_MAX else following - 1)
        fd = following


cdef void run(Env* env, Sink* s, child_work_fn work, void* ctx, int info_fd) noexcept nogil:
    """The child's life."""
    cdef Reporter r
    cdef int i
    cdef int error
    memset(&r, 0, sizeof(r))
    r.env = env
    r.fd = info_fd
    r.next_us = env_mono_us(r.env) + INFO_US
    s.progress = report
    s.progress_ctx = &r
    error = work(ctx, s)
    measure(&r)
    if s.nouts > 1 or s.file_start < 0:
        for i in range(s.nouts):
            tell(&r, s, CHILD_OUT, s.outs[i].error, i)
    tell(&r, s, CHILD_END, error, 0)
    _exit(0 if error == 0 else 1)


cdef int child_fork(Env* env, Sink* s, child_work_fn work, void* ctx, const char* title, const int* keep, int nkeep,
                    int* info_fd) noexcept nogil:
    cdef int ends[2]
    cdef sigset_t old
    cdef int pid
    cdef int error
    if child_pipe(ends) < 0:
        return -errno
    child_block_signals(&old)                       # none may reach the parent's handlers in the child
    pid = fork()
    if pid == 0:
        child_signals()
        child_title(title)
        close_others(s, keep, nkeep, ends[1])
        run(env, s, work, ctx, ends[1])
    error = errno
    child_restore_signals(&old)
    close(ends[1])
    if pid < 0:
        close(ends[0])
        return -error
    info_fd[0] = ends[0]
    return pid
