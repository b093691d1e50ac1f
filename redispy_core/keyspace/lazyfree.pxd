# Freeing what is large on a thread of its own. Values and whole databases are given here by O(1) calls, handed to the
# thread once a loop turn, and their memory comes back to the allocator a little a turn.
from ..base.mem cimport Mem, MemReturns
from ..structs.dict cimport Dict
from ..structs.ebuckets cimport Ebuckets
from ..types.object cimport Robj

cdef struct Corpse             # something given, not yet freed
cdef struct LazyThread         # the thread and what it shares with the owner

cdef struct Lazyfree:
    Corpse* first              # given since the last hand-over, oldest first
    Corpse* last
    size_t given               # objects ever given: values, and the keys of databases
    size_t freed               # those whose memory is back
    size_t counted_from        # `freed` at the last CONFIG RESETSTAT
    MemReturns* returns        # what the thread has freed and the spans do not know yet, oldest first
    size_t returned            # objects that count as freed when `returns` is used up
    LazyThread* thread         # NULL: none yet
    int wake_fd                # written to when the thread has nothing left; -1: nobody sleeps

cdef void lazy_init(Lazyfree* l) noexcept nogil
cdef void lazy_end(Lazyfree* l, Mem* m) noexcept nogil                       # stops the thread, frees what is left; O(what is left)
cdef void lazy_value(Lazyfree* l, Mem* m, Robj* o) noexcept nogil            # takes o, which is in no dict any more; O(1)
cdef void lazy_database(Lazyfree* l, Mem* m, Dict* keys, Dict* expires, Ebuckets* subexpires) noexcept nogil   # takes what they hold and leaves them empty; O(1)
cdef void lazy_hand_over(Lazyfree* l, Mem* m) noexcept nogil                 # starts the thread's work on what was given; O(1)
cdef bint lazy_take_back(Lazyfree* l, Mem* m, int spans) noexcept nogil      # memory that the thread has freed, up to so many spans of it; True: more is there already
cdef void lazy_wake_by(Lazyfree* l, int fd) noexcept nogil                   # a pipe's or socket's writing end, non-blocking; -1: none
cdef inline size_t lazy_pending(const Lazyfree* l) noexcept nogil:           # objects given and not yet freed
    return l.given - l.freed
# --- around fork(): the thread holds no lock of the allocator below, and the child has no thread
cdef void lazy_hold(Lazyfree* l) noexcept nogil                              # waits until it pauses, some ms at most
cdef void lazy_go_on(Lazyfree* l) noexcept nogil                             # in the parent
