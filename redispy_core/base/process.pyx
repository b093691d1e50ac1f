"""Crash reports, the watchdog's stack traces, and the title of the process (contract: process.pxd). Room base.

The handlers are C (crash.h). Here is what the server calls once at the start. Python's faulthandler must have been
enabled before install(), with the descriptor that it is given: it then writes its part behind ours.

The title is written over the memory in which the kernel keeps the process's arguments and, behind them, its
environment, as programs do that show a title in ps; the environment is copied away first.
"""
cdef extern from *:
    """
    #include <stdlib.h>
    #include <string.h>
    #if defined(__linux__)
    #include <sys/prctl.h>
    #endif
    extern char **environ;

    static char *title_area = NULL;
    static size_t title_room = 0;

    /* The strings of environ that stand right behind the arguments join the area, copied elsewhere before. */
    static void title_take(char *begin, char *end)
    {
        char **copy;
        int n = 0, joins = 1;
        title_area = begin;
        while (environ && environ[n]) n++;
        copy = malloc(((size_t)n + 1) * sizeof *copy);
        if (copy == NULL) { title_room = (size_t)(end - begin); return; }
        for (int i = 0; i < n; i++) {
            copy[i] = environ[i];
            if (joins && environ[i] == end) {
                size_t len = strlen(environ[i]) + 1;
                char *moved = malloc(len);
                if (moved == NULL) { joins = 0; continue; }
                memcpy(moved, environ[i], len);
                copy[i] = moved;
                end += len;
            }
        }
        copy[n] = NULL;
        environ = copy;
        title_room = (size_t)(end - begin);
    }

    static void title_write(const char *text, size_t n)
    {
        if (title_room == 0) return;
        if (n > title_room - 1) n = title_room - 1;
        memcpy(title_area, text, n);
        memset(title_area + n, 0, title_room - n);
    }

    static void title_short(const char *name)
    {
    #if defined(__linux__)
        prctl(PR_SET_NAME, name, 0, 0, 0);
    #else
        (void)name;
    #endif
    }
    """
    void title_take(char* begin, char* end) nogil
    void title_write(const char* text, size_t n) nogil
    void title_short(const char* name) nogil
    const size_t title_room

cdef extern from "crash.h" nogil:
    struct CrashState "crash":
        pass
    void crash_text_c(int fd, const char* s)
    void crash_int_c(int fd, long long v)
    void crash_bytes_c(int fd, const char* p, size_t n)
    void crash_handle(int on)
    void crash_watch()
    void crash_set_text(char* to, size_t room, const char* text)

cdef extern from *:
    """
    static void crash_set_path(const char *s) { crash_set_text(crash.path, sizeof crash.path, s); }
    static void crash_set_product(const char *s) { crash_set_text(crash.product, sizeof crash.product, s); }
    static void crash_set_facts(const char *s) { crash_set_text(crash.facts, sizeof crash.facts, s); }
    static void crash_set_tell(void *fn, void *ctx) { crash.tell = NULL; crash.ctx = ctx; crash.tell = (crash_tell_fn)fn; }
    static void *crash_ctx(void) { return crash.ctx; }
    static void crash_set_flags(int hide, int exit_on_panic) { crash.hide = hide; crash.exit_on_panic = exit_on_panic; }
    static void crash_set_python_fd(int fd) { crash.python_fd = fd; }
    """
    void crash_set_path(const char* s) nogil
    void crash_set_product(const char* s) nogil
    void crash_set_facts(const char* s) nogil
    void crash_set_tell(void* fn, void* ctx) nogil
    void* crash_ctx() nogil
    void crash_set_flags(int hide, int exit_on_panic) nogil
    void crash_set_python_fd(int fd) nogil


cdef void crash_tell(crash_tell_fn fn, void* ctx) noexcept nogil:
    crash_set_tell(<void*>fn, ctx)


cdef void* crash_told() noexcept nogil:
    return crash_ctx()


cdef void crash_text(int fd, const char* text) noexcept nogil:
    crash_text_c(fd, text)


cdef void crash_int(int fd, long long v) noexcept nogil:
    crash_int_c(fd, v)


cdef void crash_quoted(int fd, const char* p, size_t n) noexcept nogil:
    crash_bytes_c(fd, p, n)


def describe(bytes log_path, bytes product, bytes facts, int python_fd=-1):
    """Where a report goes (empty: standard output), whose it is, and text for its end."""
    crash_set_path(log_path)
    crash_set_product(product)
    crash_set_facts(facts)
    crash_set_python_fd(python_fd)


def switch(bint hide_user_data, bint exit_on_panic):
    """hide-user-data-from-log; use-exit-on-panic: a failed assertion exits with 1 in place of dying by SIGABRT."""
    crash_set_flags(hide_user_data, exit_on_panic)


def report_crashes(bint on):
    """crash-log-enabled: whether the fatal signals write a report."""
    crash_handle(on)


def report_alarms():
    """SIGALRM, sent by a timer (watchdog-period) or by anybody, writes the stack and changes nothing else."""
    crash_watch()


def take_title_area(size_t begin, size_t end):
    """Makes the memory ours in which the system keeps the arguments (addresses), and the environment behind them."""
    if title_room == 0 and begin and end > begin:
        title_take(<char*>begin, <char*>end)


def set_title(bytes text, bytes name):
    """What ps shows: the line, cut to the room there is; and the short name of at most 15 bytes."""
    title_write(text, len(text))
    title_short(name)
