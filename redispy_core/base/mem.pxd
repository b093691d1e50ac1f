# The counting allocator: first argument of all that allocates. One Mem an engine; `used` is exact to the usable
# size of each block, so used_memory needs no estimate.
from libc.stdint cimport int64_t

cdef enum:
    SLAB_MAX = 4096        # largest block that the slabs serve
    SLAB_CLASSES = 56

cdef struct Span           # 64 KB of blocks of one size
cdef struct Arena          # a reservation of addresses, cut into spans
cdef struct MemReturns     # blocks that a helper freed, for the owner to take back

ctypedef void (*mem_full_fn)(void* ctx) noexcept nogil

cdef struct MemHelper      # what a Mem that frees for another thread keeps

cdef struct Mem:
    size_t used            # usable bytes of the blocks alive
    size_t peak            # the highest `used` that mem_sample_peak saw
    size_t blocks          # blocks alive: a leak check for tests
    MemHelper* helper      # NULL: an owner
    int64_t fail_after     # tests: try_alloc fails once this many have succeeded; < 0: never
    Span* now[SLAB_CLASSES]       # the span that each size class allocates from
    Span* roomy[SLAB_CLASSES]     # its other spans with room
    Arena* arenas                 # newest first
    Span* cold                    # empty spans whose pages a helper is to release, linked
    bint leave_cold               # ... collect them there
    bint no_slabs          # no address space to be had (or a sanitizer build): all goes to the allocator below

cdef void mem_init(Mem* m) noexcept nogil
cdef void mem_destroy(Mem* m) noexcept nogil                              # gives the address space back; all blocks must be freed
cdef void* mem_alloc(Mem* m, size_t n) noexcept nogil                     # O(1); aborts when there is none
cdef void* mem_calloc(Mem* m, size_t n) noexcept nogil                    # zeroed; aborts
cdef void* mem_realloc(Mem* m, void* p, size_t n) noexcept nogil          # p may be NULL; aborts
cdef void* mem_try_alloc(Mem* m, size_t n) noexcept nogil                 # NULL on failure: client-chosen sizes
cdef void* mem_try_realloc(Mem* m, void* p, size_t n) noexcept nogil      # NULL on failure, p stays
cdef void mem_free(Mem* m, void* p) noexcept nogil                        # NULL is fine
cdef size_t mem_usable(const void* p) noexcept nogil                      # usable bytes of a block
cdef size_t mem_good_size(size_t n) noexcept nogil                        # what mem_alloc(n) would make usable
cdef void* mem_aligned_calloc(Mem* m, size_t n, size_t align) noexcept nogil   # zeroed; free with mem_free
cdef void* mem_map(Mem* m, size_t n) noexcept nogil                        # zeroed pages straight from the system, for big tables
cdef void mem_unmap(Mem* m, void* p, size_t n) noexcept nogil              # n bytes of a mapping, page-aligned, its front part too
cdef void mem_sample_peak(Mem* m) noexcept nogil
cdef void mem_purge(bint force) noexcept nogil                            # give unused pages back to the system
cdef const char* mem_allocator_name() noexcept nogil                      # "mimalloc-3.4" or "libc"

# --- freeing on another thread. A helper is a Mem that frees blocks of one owner, on a thread of its own; the owner
# goes on allocating and freeing meanwhile. What the helper freed reaches the owner as MemReturns, through a lock of the
# caller's. A helper must not allocate from slabs (it does not), nor may two helpers serve one owner.
cdef void mem_helper_init(Mem* h, mem_full_fn full, void* ctx) noexcept nogil   # full: called while freeing, when much has gathered: mem_helper_take is due
cdef void mem_helper_destroy(Mem* h) noexcept nogil                       # all returns must have been taken
cdef MemReturns* mem_helper_take(Mem* h) noexcept nogil                   # what was freed since the last call; NULL: nothing
cdef bint mem_take_back(Mem* m, MemReturns* r, int spans) noexcept nogil  # the owner: so many spans of it; True: done, r is gone
# Giving an empty span's pages back is a system call of some microseconds, so that, too, can be the helper's.
cdef Span* mem_cold_take(Mem* m) noexcept nogil                           # what m.cold has gathered (with m.leave_cold); nobody allocates from these now
cdef void mem_cold_release(Span* p) noexcept nogil                        # on any thread: gives their pages back; O(spans)
cdef void mem_cold_return(Mem* m, Span* p) noexcept nogil                 # the owner: they can be used again; O(spans)
cdef MemReturns* mem_returns_next(MemReturns* r) noexcept nogil
cdef void mem_returns_link(MemReturns* r, MemReturns* next) noexcept nogil  # for lists of them

cdef class MemFace:
    # A Mem for tests and for owners on the Python side.
    cdef Mem mem
