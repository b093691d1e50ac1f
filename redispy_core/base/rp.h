/* What Cython cannot say: branch hints, assertions, byte order. Included by every room, knows nothing of Redis. */
#ifndef REDISPY_RP_H
#define REDISPY_RP_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef REDISPY_DEBUG
#define RP_DEBUG 1
#else
#define RP_DEBUG 0
#endif
#define rp_likely(x) __builtin_expect(!!(x), 1)
#define rp_unlikely(x) __builtin_expect(!!(x), 0)
#define rp_prefetch(p) __builtin_prefetch(p)
#define rp_clz64(x) __builtin_clzll(x)
#define rp_ctz64(x) __builtin_ctzll(x)
#define rp_popcount64(x) __builtin_popcountll(x)
#define rp_bswap64(x) __builtin_bswap64(x)
#define rp_bswap32(x) __builtin_bswap32(x)
#define rp_bswap16(x) __builtin_bswap16(x)

/* An impossible state: say where, stop at once. Never for anything that a client can cause. The text goes with the
 * signal, so that a crash report (base/crash.h) can show it, whichever module's copy of this function it comes from. */
#define rp_assert(cond) \
    do { if (rp_unlikely(!(cond))) rp_assert_failed(#cond, __FILE__, __LINE__); } while (0)
#define rp_panic(msg) rp_assert_failed(msg, __FILE__, __LINE__)

static inline __attribute__((noreturn, unused, cold)) void
rp_assert_failed(const char *cond, const char *file, int line)
{
    static char text[512];
    snprintf(text, sizeof text, "=== ASSERTION FAILED ===\n==> %s:%d '%s' is not true\n", file, line, cond);
    fputs(text, stderr);
    fflush(stderr);
#if defined(__GLIBC__)
    pthread_sigqueue(pthread_self(), SIGABRT, (union sigval){.sival_ptr = text});
#endif
    abort();
}

/* A cheap monotonic counter: the time stamp counter where there is one, else nanoseconds. Env turns it into time. */
#if defined(__x86_64__)
#include <x86intrin.h>
static inline __attribute__((unused)) uint64_t rp_ticks(void) { return __rdtsc(); }
#define RP_TICKS_NAME "X86 TSC"
#elif defined(__aarch64__)
static inline __attribute__((unused)) uint64_t rp_ticks(void)
{
    uint64_t t;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(t));
    return t;
}
#define RP_TICKS_NAME "ARM CNTVCT"
#else
#include <time.h>
static inline __attribute__((unused)) uint64_t rp_ticks(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
#define RP_TICKS_NAME "POSIX clock_gettime"
#endif

static inline __attribute__((unused)) uint64_t rp_mulhi64(uint64_t a, uint64_t b)
{
    return (uint64_t)(((unsigned __int128)a * b) >> 64);
}

/* Unaligned loads and stores: memcpy compiles to one move. Little-endian variants swap on big-endian machines. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define RP_LE16(x) __builtin_bswap16(x)
#define RP_LE32(x) __builtin_bswap32(x)
#define RP_LE64(x) __builtin_bswap64(x)
#define RP_BE64(x) (x)
#else
#define RP_LE16(x) (x)
#define RP_LE32(x) (x)
#define RP_LE64(x) (x)
#define RP_BE64(x) __builtin_bswap64(x)
#endif
static inline __attribute__((unused)) uint16_t rp_load16le(const void *p) { uint16_t v; memcpy(&v, p, 2); return RP_LE16(v); }
static inline __attribute__((unused)) uint32_t rp_load32le(const void *p) { uint32_t v; memcpy(&v, p, 4); return RP_LE32(v); }
static inline __attribute__((unused)) uint64_t rp_load64le(const void *p) { uint64_t v; memcpy(&v, p, 8); return RP_LE64(v); }
static inline __attribute__((unused)) void rp_store16le(void *p, uint16_t v) { v = RP_LE16(v); memcpy(p, &v, 2); }
static inline __attribute__((unused)) void rp_store32le(void *p, uint32_t v) { v = RP_LE32(v); memcpy(p, &v, 4); }
static inline __attribute__((unused)) void rp_store64le(void *p, uint64_t v) { v = RP_LE64(v); memcpy(p, &v, 8); }
static inline __attribute__((unused)) uint64_t rp_load64be(const void *p) { uint64_t v; memcpy(&v, p, 8); return RP_BE64(v); }
static inline __attribute__((unused)) void rp_store64be(void *p, uint64_t v) { v = RP_BE64(v); memcpy(p, &v, 8); }
#endif
