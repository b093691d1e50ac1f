"""The counting allocator (see mem.pxd).

Below it lies mimalloc, linked statically at build time (8-byte size classes up to 64 bytes, 12.5 % steps above), or
libc's malloc where there is none and in sanitizer builds. Counting uses the usable size, so `used` includes what the
allocator rounds up.

Threads: a Mem belongs to its engine's thread. A thread that frees in the background has a Mem of its own, whose
(wrapped) `used` the owner adds later.
"""
from libc.stdint cimport int64_t
from .rp cimport unlikely

cdef extern from *:
    """
    #if defined(REDISPY_MIMALLOC)
    #include <mimalloc.h>
    #define raw_malloc(n) mi_malloc(n)
    #define raw_calloc(n) mi_calloc(1, n)
    #define raw_realloc(p, n) mi_realloc(p, n)
    #define raw_free(p) mi_free(p)
    #define raw_usable(p) mi_usable_size(p)
    #define raw_good_size(n) mi_good_size(n)
    #define raw_aligned_calloc(n, a) mi_zalloc_aligned(n, a)
    #define raw_purge(force) mi_collect(force)
    #define RAW_NAME_(a, b) "mimalloc-" #a "." #b
    static const char *raw_name(void) {
        static char text[32];
        int v = mi_version();
        if (v >= 10000) snprintf(text, sizeof text, "mimalloc-%d.%d.%d", v / 10000, v / 100 % 100, v % 100);
        else snprintf(text, sizeof text, "mimalloc-%d.%d.%d", v / 1000, v / 100 % 10, v % 100);
        return text;
    }
    #else
    #include <stdlib.h>
    #if defined(__APPLE__)
    #include <malloc/malloc.h>
    #define raw_usable(p) malloc_size(p)
    #else
    #include <malloc.h>
    #define raw_usable(p) malloc_usable_size((void *)(p))
    #endif
    #define raw_malloc(n) malloc(n)
    #define raw_calloc(n) calloc(1, n)
    #define raw_realloc(p, n) realloc(p, n)
    #define raw_free(p) free(p)
    /* glibc: 16-byte steps less one 8-byte header, 24 at least */
    #define raw_good_size(n) ((n) <= 24 ? 24 : (((n) + 8 + 15) & ~(size_t)15) - 8)
    static void *raw_aligned_calloc(size_t n, size_t a) {
        void *p = NULL;
        if (posix_memalign(&p, a, n)) return NULL;
        return memset(p, 0, n);
    }
    #if defined(__GLIBC__)
    #define raw_purge(force) malloc_trim(0)
    #else
    #define raw_purge(force) ((void)0)
    #endif
    static const char *raw_name(void) { return "libc"; }
    #endif
    #include <sys/mman.h>
    #ifndef MAP_ANONYMOUS
    #define MAP_ANONYMOUS MAP_ANON
    #endif
    static void *raw_map(size_t n) {
        void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return p == MAP_FAILED ? NULL : p;
    }
    static __attribute__((noreturn, cold)) void raw_out_of_memory(size_t n) {
        fprintf(stderr, "Out Of Memory allocating %zu bytes!\\n", n);
        fflush(stderr);
        abort();
    }
    """
    void* raw_malloc(size_t n) nogil
    void* raw_calloc(size_t n) nogil
    void* raw_realloc(void* p, size_t n) nogil
    void raw_free(void* p) nogil
    size_t raw_usable(const void* p) nogil
    size_t raw_good_size(size_t n) nogil
    void* raw_aligned_calloc(size_t n, size_t a) nogil
    void raw_purge(bint force) nogil
    const char* raw_name() nogil
    void* raw_map(size_t n) nogil
    int munmap(void* p, size_t n) nogil
    void raw_out_of_memory(size_t n) nogil


cdef void mem_init(Mem* m) noexcept nogil:
    m.used = 0
    m.peak = 0
    m.blocks = 0
    m.fail_after = -1


cdef inline void* counted(Mem* m, void* p, size_t n) noexcept nogil:
    if unlikely(p == NULL):
        raw_out_of_memory(n)
    m.used += raw_usable(p)
    m.blocks += 1
    return p


cdef inline bint told_to_fail(Mem* m) noexcept nogil:
    if unlikely(m.fail_after >= 0):
        if m.fail_after == 0:
            return True
        m.fail_after -= 1
    return False


cdef void* mem_alloc(Mem* m, size_t n) noexcept nogil:
    return counted(m, raw_malloc(n), n)


cdef void* mem_calloc(Mem* m, size_t n) noexcept nogil:
    return counted(m, raw_calloc(n), n)


cdef void* mem_aligned_calloc(Mem* m, size_t n, size_t align) noexcept nogil:
    return counted(m, raw_aligned_calloc(n, align), n)


cdef void* mem_realloc(Mem* m, void* p, size_t n) noexcept nogil:
    if p == NULL:
        return mem_alloc(m, n)
    cdef size_t before = raw_usable(p)
    cdef void* q = raw_realloc(p, n)
    if unlikely(q == NULL):
        raw_out_of_memory(n)
    m.used += raw_usable(q) - before
    return q


cdef void* mem_try_alloc(Mem* m, size_t n) noexcept nogil:
    if told_to_fail(m):
        return NULL
    cdef void* p = raw_malloc(n)
    if unlikely(p == NULL):
        return NULL
    return counted(m, p, n)


cdef void* mem_try_realloc(Mem* m, void* p, size_t n) noexcept nogil:
    if p == NULL:
        return mem_try_alloc(m, n)
    if told_to_fail(m):
        return NULL
    cdef size_t before = raw_usable(p)
    cdef void* q = raw_realloc(p, n)
    if unlikely(q == NULL):
        return NULL
    m.used += raw_usable(q) - before
    return q


cdef void mem_free(Mem* m, void* p) noexcept nogil:
    if p == NULL:
        return
    m.used -= raw_usable(p)
    m.blocks -= 1
    raw_free(p)


cdef void* mem_map(Mem* m, size_t n) noexcept nogil:
    cdef void* p = raw_map(n)
    if unlikely(p == NULL):
        raw_out_of_memory(n)
    m.used += n
    return p


cdef void mem_unmap(Mem* m, void* p, size_t n) noexcept nogil:
    m.used -= n
    munmap(p, n)


cdef size_t mem_usable(const void* p) noexcept nogil:
    return raw_usable(p)


cdef size_t mem_good_size(size_t n) noexcept nogil:
    return raw_good_size(n)


cdef void mem_sample_peak(Mem* m) noexcept nogil:
    if m.used > m.peak:
        m.peak = m.used


cdef void mem_purge(bint force) noexcept nogil:
    raw_purge(force)


cdef const char* mem_allocator_name() noexcept nogil:
    return raw_name()


cdef class MemFace:
    """A counting allocator for tests: bytes and blocks alive, and failure on demand."""

    def __cinit__(self):
        mem_init(&self.mem)

    @property
    def used(self):
        """Usable bytes of all live blocks."""
        return self.mem.used

    @property
    def blocks(self):
        """Live blocks; 0 after everything was freed."""
        return self.mem.blocks

    @property
    def fail_after(self):
        return self.mem.fail_after

    @fail_after.setter
    def fail_after(self, int64_t n):
        """Let the n-th next client-sized allocation fail (0: the next one; -1: never)."""
        self.mem.fail_after = n


def allocator_name():
    """Name and version of the allocator below, as INFO's mem_allocator reports it."""
    return (<bytes>mem_allocator_name()).decode()
