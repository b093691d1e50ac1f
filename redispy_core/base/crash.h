/* Signal handlers that write a crash report, and that of the watchdog (included by process.pyx alone).
 *
 * Everything below `handler` is async-signal-safe: write(2), open(2) and what glibc's backtrace does once it is loaded.
 * No allocation, no stdio, no locale. What the report tells of the engine comes from the callback `tell`, which reads
 * plain memory. When the report is written the signal is raised again for whoever stood there before: Python's
 * faulthandler, which adds the Python stack, and then the system's default, which ends the process.
 */
#ifndef REDISPY_CRASH_H
#define REDISPY_CRASH_H
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__GLIBC__) || defined(__APPLE__)
#include <execinfo.h>
#define CRASH_BACKTRACE 1
#endif
#if defined(__linux__)
#include <ucontext.h>
#endif

#define CRASH_FRAMES 100
#define CRASH_SIGNALS 5

typedef void (*crash_tell_fn)(int fd, void *ctx, int hide);

static struct {
    char path[4096];                    /* the log; empty: standard output */
    char product[128];
    char facts[4096];                   /* text that was true at the start */
    crash_tell_fn tell;
    void *ctx;
    int hide;                           /* hide-user-data-from-log */
    int exit_on_panic;
    int python_fd;                      /* where faulthandler writes: made to mean the log; -1: none */
    int installed, watching;
    volatile sig_atomic_t busy;
    struct sigaction previous[CRASH_SIGNALS], previous_alarm;
} crash = {.python_fd = -1};

static const int crash_signals[CRASH_SIGNALS] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

/* ---- writing ---- */

static void crash_bytes(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t done = write(fd, p, n);
        if (done < 0) { if (errno == EINTR) continue; return; }
        p += done;
        n -= (size_t)done;
    }
}

static void crash_text_c(int fd, const char *s) { crash_bytes(fd, s, strlen(s)); }

static void crash_int_c(int fd, long long v)
{
    char buf[24];
    int i = sizeof buf;
    unsigned long long u = v < 0 ? 0ull - (unsigned long long)v : (unsigned long long)v;
    do { buf[--i] = (char)('0' + u % 10); u /= 10; } while (u);
    if (v < 0) buf[--i] = '-';
    crash_bytes(fd, buf + i, sizeof buf - (size_t)i);
}

static void crash_hex(int fd, unsigned long long v, int digits)
{
    char buf[16];
    for (int i = digits; i--; v >>= 4) buf[i] = "0123456789abcdef"[v & 15];
    crash_bytes(fd, buf, (size_t)digits);
}

static void crash_bytes_c(int fd, const char *p, size_t n)       /* quoted, what is not printable as \xHH */
{
    crash_bytes(fd, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c == '"' || c == '\\') { char two[2] = {'\\', (char)c}; crash_bytes(fd, two, 2); }
        else if (c >= 32 && c < 127) crash_bytes(fd, p + i, 1);
        else { crash_bytes(fd, "\\x", 2); crash_hex(fd, c, 2); }
    }
    crash_bytes(fd, "\"", 1);
}

static void crash_stamp(int fd)                                  /* localtime is not safe here: seconds will do */
{
    crash_int_c(fd, getpid());
    crash_text_c(fd, ":signal-handler (");
    crash_int_c(fd, (long long)time(NULL));
    crash_text_c(fd, ") ");
}

/* ---- the processor's state ---- */

static unsigned long long crash_counter(void *uc)                /* where it happened; 0: unknown */
{
#if defined(__linux__) && defined(__x86_64__)
    return (unsigned long long)((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP];
#elif defined(__linux__) && defined(__aarch64__)
    return (unsigned long long)((ucontext_t *)uc)->uc_mcontext.pc;
#else
    (void)uc;
    return 0;
#endif
}

static void crash_register(int fd, const char *name, unsigned long long v, int last)
{
    crash_text_c(fd, name);
    crash_bytes(fd, ":", 1);
    crash_hex(fd, v, 16);
    crash_bytes(fd, last ? "\n" : " ", 1);
}

static void crash_registers(int fd, void *uc)
{
#if defined(__linux__) && defined(__x86_64__)
    static const struct { const char *name; int at; } r[] = {
        {"RAX", REG_RAX}, {"RBX", REG_RBX}, {"RCX", REG_RCX}, {"RDX", REG_RDX}, {"RDI", REG_RDI}, {"RSI", REG_RSI},
        {"RBP", REG_RBP}, {"RSP", REG_RSP}, {"R8 ", REG_R8}, {"R9 ", REG_R9}, {"R10", REG_R10}, {"R11", REG_R11},
        {"R12", REG_R12}, {"R13", REG_R13}, {"R14", REG_R14}, {"R15", REG_R15}, {"RIP", REG_RIP}, {"EFL", REG_EFL}};
    const int n = sizeof r / sizeof *r;
    for (int i = 0; i < n; i++)
        crash_register(fd, r[i].name, (unsigned long long)((ucontext_t *)uc)->uc_mcontext.gregs[r[i].at],
                       i % 4 == 3 || i == n - 1);
#elif defined(__linux__) && defined(__aarch64__)
    char name[4] = "X00";
    for (int i = 0; i < 31; i++) {
        name[1] = (char)('0' + i / 10);
        name[2] = (char)('0' + i % 10);
        crash_register(fd, name, (unsigned long long)((ucontext_t *)uc)->uc_mcontext.regs[i], i % 4 == 3 || i == 30);
    }
    crash_register(fd, "SP ", (unsigned long long)((ucontext_t *)uc)->uc_mcontext.sp, 0);
    crash_register(fd, "PC ", (unsigned long long)((ucontext_t *)uc)->uc_mcontext.pc, 1);
#else
    (void)uc;
    crash_text_c(fd, "not known on this system\n");
#endif
}

static void crash_stack(int fd, void *uc)
{
    crash_text_c(fd, "\n------ STACK TRACE ------\n");
    if (crash_counter(uc)) {
        crash_text_c(fd, "at 0x");
        crash_hex(fd, crash_counter(uc), 16);
        crash_text_c(fd, "\n");
    }
#if defined(CRASH_BACKTRACE)
    void *frames[CRASH_FRAMES];
    backtrace_symbols_fd(frames, backtrace(frames, CRASH_FRAMES), fd);
#else
    crash_text_c(fd, "no backtrace on this system\n");
#endif
    crash_text_c(fd, "------ STACK TRACE DONE ------\n");
}

/* ---- handlers ---- */

static int crash_open(void)
{
    int fd = *crash.path ? open(crash.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644) : STDOUT_FILENO;
    return fd < 0 ? STDERR_FILENO : fd;
}

static void crash_reason(int fd, int sig, siginfo_t *info, void *uc)
{
#if defined(SI_QUEUE)
    if (sig == SIGABRT && info->si_code == SI_QUEUE && info->si_pid == getpid() && info->si_value.sival_ptr) {
        crash_stamp(fd);                                         /* rp_assert_failed tells what it was */
        crash_text_c(fd, (const char *)info->si_value.sival_ptr);
    }
#endif
    crash_stamp(fd);
    crash_text_c(fd, crash.product);
    crash_text_c(fd, " crashed by signal: ");
    crash_int_c(fd, sig);
    crash_text_c(fd, ", si_code: ");
    crash_int_c(fd, info->si_code);
    crash_text_c(fd, "\n");
    if (info->si_code <= 0) {
        crash_text_c(fd, "Sent by process: ");
        crash_int_c(fd, info->si_pid);
        crash_text_c(fd, ", user: ");
        crash_int_c(fd, info->si_uid);
    } else {
        crash_text_c(fd, "Accessing address: 0x");
        crash_hex(fd, (unsigned long long)(uintptr_t)info->si_addr, 16);
    }
    crash_text_c(fd, "\n");
    (void)uc;
}

static void crash_handler(int sig, siginfo_t *info, void *uc)
{
    int i, fd;
    for (i = 0; crash_signals[i] != sig; i++) { }
    if (crash.busy) {                                            /* a fault while reporting one: enough */
        signal(sig, SIG_DFL);
        raise(sig);
        return;
    }
    crash.busy = 1;
    fd = crash_open();
    crash_text_c(fd, "\n=== REDIS BUG REPORT START ===\n");
    crash_reason(fd, sig, info, uc);
    crash_stack(fd, uc);
    crash_text_c(fd, "\n------ REGISTERS ------\n");
    crash_registers(fd, uc);
    if (crash.hide) crash_text_c(fd, "User data is not shown, as hide-user-data-from-log asks\n");
    if (crash.tell) crash.tell(fd, crash.ctx, crash.hide);
    crash_text_c(fd, "\n------ FACTS ------\n");
    crash_text_c(fd, crash.facts);
    crash_text_c(fd, "\n=== REDIS BUG REPORT END, the Python stack may follow ===\n\n");
    if (crash.exit_on_panic && info->si_code < 0) _exit(1);
    if (crash.python_fd >= 0) dup2(fd, crash.python_fd);
    sigaction(sig, &crash.previous[i], NULL);
    crash.busy = 0;
    raise(sig);                                                  /* comes when this handler has returned */
}

static void crash_alarm(int sig, siginfo_t *info, void *uc)
{
    int saved = errno;
    int fd = crash_open();
    crash_text_c(fd, "\n--- ");
    crash_stamp(fd);
    crash_text_c(fd, info->si_code == SI_USER ? "Received SIGALRM ---\n" : "WATCHDOG TIMER EXPIRED ---\n");
    crash_stack(fd, uc);
    if (crash.tell) crash.tell(fd, crash.ctx, crash.hide);
    if (crash.python_fd >= 0) dup2(fd, crash.python_fd);
    if (!(crash.previous_alarm.sa_flags & SA_SIGINFO) && crash.previous_alarm.sa_handler != SIG_DFL
        && crash.previous_alarm.sa_handler != SIG_IGN)
        crash.previous_alarm.sa_handler(sig);                    /* faulthandler's: the Python stack */
    crash_text_c(fd, "------\n");
    if (*crash.path && fd > STDERR_FILENO) close(fd);
    errno = saved;
}

static void crash_warm_up(void)
{
#if defined(CRASH_BACKTRACE)
    void *one[1];
    backtrace(one, 1);                                           /* loads the unwinder, which allocates */
#endif
}

static void crash_handle(int on)
{
    struct sigaction act;
    if (on == crash.installed) return;
    memset(&act, 0, sizeof act);
    sigemptyset(&act.sa_mask);
    act.sa_flags = SA_SIGINFO | SA_ONSTACK;
    act.sa_sigaction = crash_handler;
    crash_warm_up();
    for (int i = 0; i < CRASH_SIGNALS; i++) {
        if (on) sigaction(crash_signals[i], &act, &crash.previous[i]);
        else sigaction(crash_signals[i], &crash.previous[i], NULL);
    }
    crash.installed = on;
}

static void crash_watch(void)
{
    struct sigaction act;
    if (crash.watching) return;
    memset(&act, 0, sizeof act);
    sigemptyset(&act.sa_mask);
    act.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    act.sa_sigaction = crash_alarm;
    crash_warm_up();
    sigaction(SIGALRM, &act, &crash.previous_alarm);
    crash.watching = 1;
}

static void crash_set_text(char *to, size_t room, const char *text)
{
    size_t n = strlen(text);
    if (n >= room) n = room - 1;
    memcpy(to, text, n);
    to[n] = 0;
}
#endif
