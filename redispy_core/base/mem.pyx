"""The counting allocator (see mem.pxd).

Blocks up to SLAB_MAX bytes come from slabs of our own, larger ones from mimalloc, linked statically at build time, or
from libc's malloc where there is none. Measured on a million keys, mimalloc and glibc alone round small blocks to 16
bytes; the 8-byte steps here save 8 to 20 bytes a key, and an allocation costs about as much. Sanitizer builds use
libc for all. Counting uses the usable size, so `used` includes what is rounded up.

Slabs: an arena is a reservation of 64 GB of addresses (not of memory), aligned to its size, so the arena of an
address is one table look-up. It is cut into spans of 64 KB; a span serves one size class:

    [struct Span, 64 bytes][block 0][block 1] ...

Blocks have no header. A free block holds the link to the next free one of its span; blocks never used yet lie behind
`bump`, so a fresh span takes memory only as it fills. A span whose last block is freed goes back to the arena and its
pages to the system, but for a few kept warm. Blocks whose size is a multiple of 64 are aligned to 64.

Threads: a Mem and its blocks belong to its engine's thread. A helper (mem_helper_init) frees blocks on another one
without touching the spans: it chains a span's blocks through the blocks themselves and notes the chain in a table of
its own, found by the span's number. The owner hangs each chain into its span as a whole, so a lock a batch is all the
synchronisation there is, and the owner's own allocations pay one test of a pointer. Counters stay exact: they change
when the owner takes the chains back. Large blocks go straight to the allocator below, whose free may be called from
any thread.
"""
from libc.stdint cimport int64_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uintptr_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset
from .rp cimport likely, unlikely, rp_assert

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
    #ifndef MAP_NORESERVE
    #define MAP_NORESERVE 0
    #endif
    static void *raw_reserve(size_t n) {        /* addresses without memory */
        void *p = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        return p == MAP_FAILED ? NULL : p;
    }
    static int raw_open(void *p, size_t n) { return mprotect(p, n, PROT_READ | PROT_WRITE); }
    static void raw_release(void *p, size_t n) { madvise(p, n, MADV_DONTNEED); }
    #if defined(__SANITIZE_ADDRESS__)
    #define RAW_NO_SLABS 1
    #else
    #define RAW_NO_SLABS 0
    #endif
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
    void* raw_reserve(size_t n) nogil
    int raw_open(void* p, size_t n) nogil
    void raw_release(void* p, size_t n) nogil
    bint RAW_NO_SLABS
    void raw_out_of_memory(size_t n) nogil


cdef enum:
    SPAN_BITS = 16
    SPAN = 1 << SPAN_BITS
    SPAN_HEADER = 64
    ARENA_BITS = 36
    ARENA_TABLE = 2048          # 47 bits of addresses
    SPANS_AN_ARENA = 1 << (ARENA_BITS - SPAN_BITS)
    OPEN_SPANS = 16             # become accessible together: 1 MB
    WARM_SPANS = 16             # free spans that keep their pages
    RETURNS = 512               # chains that a MemReturns has room for at first
    RETURN_BLOCKS = 1 << 16     # blocks after which a helper's returns are due
    PAGE = 4096                 # kept of a cold span for its link; a larger page is simply not released

cdef struct Span:
    void* free                  # chain of freed blocks
    uint32_t bump               # offset of the first block never used
    uint32_t end                # bump's limit
    uint32_t used               # live blocks
    uint16_t size               # bytes a block
    uint8_t cls
    uint8_t listed              # stands in Mem.roomy
    Span* prev
    Span* next
    Arena* arena

cdef struct Arena:
    char* base
    uint32_t next_span          # spans handed out so far
    int warm                    # returned spans that have their pages
    Span* free                  # returned spans, newest first
    Arena* older
    uint32_t* noted             # the helper's: by span number, its chain's place + 1 in the open MemReturns; NULL: none yet

cdef struct Chain:              # blocks of one span that a helper freed
    Span* span
    void* head
    void* tail
    size_t count

cdef struct MemReturns:
    size_t used                 # of large blocks and mappings: what the owner's counters change by (modulo 2**64)
    size_t blocks
    size_t n
    size_t cap
    size_t done                 # chains that the owner has taken
    MemReturns* next
    Chain chains[1]

cdef struct MemHelper:
    MemReturns* open
    size_t freed                # blocks in it
    mem_full_fn full
    void* ctx

cdef Arena* arena_at[ARENA_TABLE]       # by address >> ARENA_BITS


# ---------------------------------------------------------------- slabs

cdef inline int class_of(size_t n) noexcept nogil:
    """8-byte steps up to 128, 16 up to 256, and so on: an eighth of the power of two below."""
    if n <= 128:
        return <int>((n - 1) >> 3) if n else 0
    if n <= 256:
        return 16 + <int>((n - 129) >> 4)
    if n <= 512:
        return 24 + <int>((n - 257) >> 5)
    if n <= 1024:
        return 32 + <int>((n - 513) >> 6)
    if n <= 2048:
        return 40 + <int>((n - 1025) >> 7)
    return 48 + <int>((n - 2049) >> 8)


cdef inline size_t class_size(int cls) noexcept nogil:
    if cls < 16:
        return (cls + 1) * 8
    if cls < 24:
        return 128 + (cls - 15) * 16
    if cls < 32:
        return 256 + (cls - 23) * 32
    if cls < 40:
        return 512 + (cls - 31) * 64
    if cls < 48:
        return 1024 + (cls - 39) * 128
    return 2048 + (cls - 47) * 256


cdef inline Span* span_of(const void* p) noexcept nogil:
    """The span of a block, NULL if it came from the allocator below."""
    cdef uintptr_t a = <uintptr_t>p >> ARENA_BITS
    if unlikely(a >= ARENA_TABLE) or arena_at[a] == NULL:
        return NULL
    return <Span*>(<uintptr_t>p & ~<uintptr_t>(SPAN - 1))


cdef Arena* new_arena(Mem* m) noexcept nogil:
    cdef uintptr_t size = <uintptr_t>1 << ARENA_BITS
    cdef char* p = <char*>raw_reserve(2 * size)
    cdef char* base
    cdef Arena* a
    if p == NULL:
        return NULL
    base = <char*>((<uintptr_t>p + size - 1) & ~(size - 1))
    if base > p:
        munmap(p, base - p)
    munmap(base + size, p + size - base)
    a = <Arena*>calloc(1, sizeof(Arena))
    if a == NULL or <uintptr_t>base >> ARENA_BITS >= ARENA_TABLE:
        munmap(base, size)
        free(a)
        return NULL
    a.base = base
    a.older = m.arenas
    m.arenas = a
    arena_at[<uintptr_t>base >> ARENA_BITS] = a
    return a


cdef Span* fresh_span(Mem* m) noexcept nogil:
    cdef Arena* a = m.arenas
    cdef Span* p = m.cold
    if p != NULL:
        m.cold = p.next
        return p
    while a != NULL:
        if a.free != NULL:
            p = a.free
            a.free = p.next
            if a.warm:
                a.warm -= 1
            return p
        a = a.older
    a = m.arenas
    if a == NULL or a.next_span == SPANS_AN_ARENA:
        a = new_arena(m)
        if a == NULL:
            return NULL
    p = <Span*>(a.base + <size_t>a.next_span * SPAN)
    if a.next_span % OPEN_SPANS == 0 and raw_open(p, OPEN_SPANS * SPAN) != 0:
        return NULL
    a.next_span += 1
    p.arena = a
    return p


cdef inline void unlist(Mem* m, Span* p) noexcept nogil:
    if p.prev != NULL:
        p.prev.next = p.next
    else:
        m.roomy[p.cls] = p.next
    if p.next != NULL:
        p.next.prev = p.prev
    p.listed = False


cdef inline void enlist(Mem* m, Span* p) noexcept nogil:
    p.prev = NULL
    p.next = m.roomy[p.cls]
    if p.next != NULL:
        p.next.prev = p
    m.roomy[p.cls] = p
    p.listed = True


cdef Span* refill(Mem* m, int cls) noexcept nogil:
    """Gives a class a span with room; NULL when there is no address space."""
    cdef Span* p = m.roomy[cls]
    if p != NULL:
        unlist(m, p)
    else:
        p = NULL if m.no_slabs else fresh_span(m)
        if p == NULL:
            m.no_slabs = True
            return NULL
        p.free = NULL
        p.used = 0
        p.size = <uint16_t>class_size(cls)
        p.cls = <uint8_t>cls
        p.listed = False
        p.bump = SPAN_HEADER
        p.end = SPAN_HEADER + (SPAN - SPAN_HEADER) // p.size * p.size
    m.now[cls] = p
    return p


cdef inline void* slab_alloc(Mem* m, size_t n) noexcept nogil:
    """NULL when the slabs have none; n <= SLAB_MAX."""
    cdef int cls = class_of(n)
    cdef Span* p = m.now[cls]
    cdef void* block
    if unlikely(p == NULL) or unlikely(p.free == NULL and p.bump == p.end):
        p = refill(m, cls)
        if unlikely(p == NULL):
            return NULL
    p.used += 1
    m.used += p.size
    m.blocks += 1
    block = p.free
    if block != NULL:
        memcpy(&p.free, block, sizeof(void*))
        return block
    block = <char*>p + p.bump
    p.bump += p.size
    return block


cdef inline void release_pages(Span* p) noexcept nogil:
    raw_release(<char*>p + PAGE, SPAN - PAGE)           # the first page keeps the link


cdef void return_span(Mem* m, Span* p) noexcept nogil:
    cdef Arena* a = p.arena
    if p.listed:
        unlist(m, p)
    if a.warm >= WARM_SPANS:
        if m.leave_cold:
            p.next = m.cold
            m.cold = p
            return
        release_pages(p)
    else:
        a.warm += 1
    p.next = a.free
    a.free = p


cdef inline void slab_free(Mem* m, Span* p, void* block) noexcept nogil:
    memcpy(block, &p.free, sizeof(void*))
    p.free = block
    p.used -= 1
    m.used -= p.size
    m.blocks -= 1
    if likely(p == m.now[p.cls]):
        return
    if unlikely(p.used == 0):
        return_span(m, p)
    elif not p.listed:
        enlist(m, p)


# ---------------------------------------------------------------- freeing for another thread

cdef void mem_helper_init(Mem* h, mem_full_fn full, void* ctx) noexcept nogil:
    mem_init(h)
    h.no_slabs = True
    h.helper = <MemHelper*>calloc(1, sizeof(MemHelper))
    if h.helper == NULL:
        raw_out_of_memory(sizeof(MemHelper))
    h.helper.full = full
    h.helper.ctx = ctx


cdef void mem_helper_destroy(Mem* h) noexcept nogil:
    rp_assert(h.helper.open == NULL and h.used == 0)
    free(h.helper)
    h.helper = NULL


cdef MemReturns* more_returns(MemReturns* r) noexcept nogil:
    cdef size_t cap = 2 * r.cap if r != NULL else RETURNS
    cdef MemReturns* q = <MemReturns*>realloc(r, sizeof(MemReturns) + cap * sizeof(Chain))
    if q == NULL:
        raw_out_of_memory(cap * sizeof(Chain))
    if r == NULL:
        memset(q, 0, sizeof(MemReturns))
    q.cap = cap
    return q


cdef inline uint32_t* note_of(Span* s) noexcept nogil:
    cdef Arena* a = arena_at[<uintptr_t>s >> ARENA_BITS]
    if unlikely(a.noted == NULL):
        a.noted = <uint32_t*>raw_map(SPANS_AN_ARENA * sizeof(uint32_t))
        if a.noted == NULL:
            raw_out_of_memory(SPANS_AN_ARENA * sizeof(uint32_t))
    return a.noted + (<uintptr_t>s >> SPAN_BITS) % SPANS_AN_ARENA


cdef void helper_free(Mem* h, Span* s, void* block) noexcept nogil:
    cdef MemHelper* q = h.helper
    cdef uint32_t* note = note_of(s)
    cdef Chain* c
    if note[0]:
        c = &q.open.chains[note[0] - 1]
        memcpy(block, &c.head, sizeof(void*))
    else:
        if q.open == NULL or q.open.n == q.open.cap:
            q.open = more_returns(q.open)
        c = &q.open.chains[q.open.n]
        q.open.n += 1
        note[0] = <uint32_t>q.open.n
        c.span = s
        c.tail = block
        c.count = 0
    c.head = block
    c.count += 1
    q.freed += 1
    if unlikely(q.freed == RETURN_BLOCKS):
        q.full(q.ctx)


cdef MemReturns* mem_helper_take(Mem* h) noexcept nogil:
    cdef MemHelper* q = h.helper
    cdef MemReturns* r = q.open
    cdef size_t i
    if r == NULL:
        if h.used == 0 and h.blocks == 0:
            return NULL
        r = more_returns(NULL)
    for i in range(r.n):
        note_of(r.chains[i].span)[0] = 0
    r.used = h.used
    r.blocks = h.blocks
    h.used = h.blocks = 0
    q.open = NULL
    q.freed = 0
    return r


cdef void take_chain(Mem* m, Chain* c) noexcept nogil:
    cdef Span* p = c.span
    p.used -= <uint32_t>c.count
    m.used -= c.count * p.size
    m.blocks -= c.count
    if p != m.now[p.cls]:
        if p.used == 0:
            return_span(m, p)
            return
        if not p.listed:
            enlist(m, p)
    memcpy(c.tail, &p.free, sizeof(void*))
    p.free = c.head


cdef bint mem_take_back(Mem* m, MemReturns* r, int spans) noexcept nogil:
    m.used += r.used
    m.blocks += r.blocks
    r.used = r.blocks = 0
    while r.done < r.n:
        if spans == 0:
            return False
        spans -= 1
        take_chain(m, &r.chains[r.done])
        r.done += 1
    free(r)
    return True


cdef Span* mem_cold_take(Mem* m) noexcept nogil:
    cdef Span* p = m.cold
    m.cold = NULL
    return p


cdef void mem_cold_release(Span* p) noexcept nogil:
    while p != NULL:
        release_pages(p)
        p = p.next


cdef void mem_cold_return(Mem* m, Span* p) noexcept nogil:
    cdef Span* next
    while p != NULL:
        next = p.next
        p.next = p.arena.free
        p.arena.free = p
        p = next


cdef MemReturns* mem_returns_next(MemReturns* r) noexcept nogil:
    return r.next


cdef void mem_returns_link(MemReturns* r, MemReturns* next) noexcept nogil:
    r.next = next


# ---------------------------------------------------------------- the allocator

cdef void mem_init(Mem* m) noexcept nogil:
    memset(m, 0, sizeof(Mem))
    m.fail_after = -1
    m.no_slabs = RAW_NO_SLABS


cdef void mem_destroy(Mem* m) noexcept nogil:
    cdef Arena* a
    while m.arenas != NULL:
        a = m.arenas
        m.arenas = a.older
        arena_at[<uintptr_t>a.base >> ARENA_BITS] = NULL
        munmap(a.base, <size_t>1 << ARENA_BITS)
        if a.noted != NULL:
            munmap(a.noted, SPANS_AN_ARENA * sizeof(uint32_t))
        free(a)
    mem_init(m)


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
    cdef void* p
    if likely(n <= SLAB_MAX):
        p = slab_alloc(m, n)
        if likely(p != NULL):
            return p
    return counted(m, raw_malloc(n), n)


cdef void* mem_calloc(Mem* m, size_t n) noexcept nogil:
    cdef void* p
    if n <= SLAB_MAX:
        p = slab_alloc(m, n)
        if likely(p != NULL):
            return memset(p, 0, n)
    return counted(m, raw_calloc(n), n)


cdef void* mem_aligned_calloc(Mem* m, size_t n, size_t align) noexcept nogil:
    if n <= SLAB_MAX and align == 64 and n % 64 == 0 and not m.no_slabs:
        return mem_calloc(m, n)
    return counted(m, raw_aligned_calloc(n, align), n)


cdef void* mem_try_alloc(Mem* m, size_t n) noexcept nogil:
    cdef void* p
    if told_to_fail(m):
        return NULL
    if likely(n <= SLAB_MAX):
        p = slab_alloc(m, n)
        if likely(p != NULL):
            return p
    p = raw_malloc(n)
    return NULL if unlikely(p == NULL) else counted(m, p, n)


cdef void* move_block(Mem* m, Span* s, void* p, size_t n) noexcept nogil:
    """Realloc of a slab's block, or of a large block that becomes small; NULL: no memory."""
    cdef size_t old = s.size if s != NULL else raw_usable(p)
    cdef void* q
    if s != NULL and n <= SLAB_MAX and class_of(n) == s.cls:
        return p
    q = slab_alloc(m, n) if n <= SLAB_MAX else NULL
    if q == NULL:
        q = raw_malloc(n)
        if unlikely(q == NULL):
            return NULL
        counted(m, q, n)
    memcpy(q, p, old if old < n else n)
    mem_free(m, p)
    return q


cdef void* mem_try_realloc(Mem* m, void* p, size_t n) noexcept nogil:
    cdef size_t before
    cdef Span* s
    cdef void* q
    if p == NULL:
        return mem_try_alloc(m, n)
    if told_to_fail(m):
        return NULL
    s = span_of(p)
    if s != NULL or (n <= SLAB_MAX and not m.no_slabs):
        return move_block(m, s, p, n)
    before = raw_usable(p)
    q = raw_realloc(p, n)
    if likely(q != NULL):
        m.used += raw_usable(q) - before
    return q


cdef void* mem_realloc(Mem* m, void* p, size_t n) noexcept nogil:
    cdef int64_t fail_after = m.fail_after
    cdef void* q
    m.fail_after = -1                   # only client-sized allocations are told to fail
    q = mem_try_realloc(m, p, n)
    m.fail_after = fail_after
    if unlikely(q == NULL):
        raw_out_of_memory(n)
    return q


cdef void mem_free(Mem* m, void* p) noexcept nogil:
    cdef Span* s
    if p == NULL:
        return
    s = span_of(p)
    if likely(s != NULL):
        if unlikely(m.helper != NULL):
            helper_free(m, s, p)
        else:
            slab_free(m, s, p)
        return
    m.used -= raw_usable(p)
    m.blocks -= 1
    raw_free(p)


cdef size_t mem_usable(const void* p) noexcept nogil:
    cdef Span* s = span_of(p)
    return s.size if s != NULL else raw_usable(p)


cdef size_t mem_good_size(size_t n) noexcept nogil:
    if n <= SLAB_MAX and not RAW_NO_SLABS:
        return class_size(class_of(n))
    return raw_good_size(n)


cdef void* mem_map(Mem* m, size_t n) noexcept nogil:
    cdef void* p = raw_map(n)
    if unlikely(p == NULL):
        raw_out_of_memory(n)
    m.used += n
    return p


cdef void mem_unmap(Mem* m, void* p, size_t n) noexcept nogil:
    m.used -= n
    munmap(p, n)


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

    def __dealloc__(self):
        if self.mem.blocks == 0:            # else an owner that is freed later still has blocks here
            mem_destroy(&self.mem)

    @property
    def used(self):
        """Usable bytes of all live blocks."""
        return self.mem.used

    @property
    def blocks(self):
        """Live blocks; 0 after everything was freed."""
        return self.mem.blocks

    @property
    def slabs(self):
        """Whether small blocks come from slabs; in sanitizer builds all come from libc."""
        return not self.mem.no_slabs

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


cdef class MemHelperFace:
    """A helper of a MemFace for tests: the owner allocates, another thread frees, the owner takes back."""
    cdef readonly MemFace owner
    cdef Mem mem
    cdef size_t full

    def __cinit__(self, MemFace owner):
        self.owner = owner
        mem_helper_init(&self.mem, count_full, <void*>self)

    def __dealloc__(self):
        mem_helper_destroy(&self.mem)

    @property
    def was_full(self):
        """How often much had gathered."""
        return self.full

    def fill(self, sizes):
        """Blocks of these sizes, each full of its own mark; their addresses."""
        blocks = []
        for i, n in enumerate(sizes):
            p = <char*>mem_alloc(&self.owner.mem, n)
            memset(p, i % 251, n)
            blocks.append((<uintptr_t>p, n, i % 251))
        return blocks

    def check(self, list blocks):
        """Each block still has its mark."""
        cdef size_t k
        for address, n, mark in blocks:
            p = <unsigned char*><uintptr_t>address
            for k in range(n):
                assert p[k] == mark, (n, k)

    def owner_free(self, list blocks):
        for address, _, _ in blocks:
            mem_free(&self.owner.mem, <void*><uintptr_t>address)

    def free(self, list blocks):
        """Frees them as the helper, without the GIL: beside what the owner does meanwhile."""
        cdef size_t n = len(blocks)
        cdef size_t i
        cdef void** all = <void**>calloc(n + 1, sizeof(void*))
        for i in range(n):
            all[i] = <void*><uintptr_t>blocks[i][0]
        with nogil:
            for i in range(n):
                mem_free(&self.mem, all[i])
        free(all)

    def take(self):
        """What was freed, for take_back; None: nothing."""
        cdef MemReturns* r = mem_helper_take(&self.mem)
        return <uintptr_t>r if r != NULL else None

    def take_back(self, returns, int spans=1 << 30):
        """True when the owner has all of it."""
        return mem_take_back(&self.owner.mem, <MemReturns*><uintptr_t>returns, spans)

    def release_cold(self):
        """What a helper does with empty spans that the owner leaves to it; how many there were."""
        cdef Span* p
        cdef size_t n = 0
        cdef Span* cold
        self.owner.mem.leave_cold = True
        cold = p = mem_cold_take(&self.owner.mem)
        while p != NULL:
            p = p.next
            n += 1
        with nogil:
            mem_cold_release(cold)
        mem_cold_return(&self.owner.mem, cold)
        return n


cdef void count_full(void* ctx) noexcept nogil:
    with gil:
        (<MemHelperFace>ctx).full += 1
