# cython: linetrace=False
"""Lazy freeing (contract: lazyfree.pxd). Room keyspace; db gives values and databases, the engine's loop turns the rest.

    owner:   given --> lazy_hand_over (once a turn) --> queue of the thread
    thread:  frees with a Mem of its own (base/mem, helper) --> done: MemReturns --> lazy_take_back (once a turn)
    owner:   empty spans (Mem.cold) --> hand-over --> thread: gives their pages back --> released --> lazy_take_back

The thread starts with the first hand-over, touches nothing but what it was given, and never needs the GIL (unless the
free() of a value type takes it: whoever waits for the thread gives it up). One lock guards the queues; it is taken once
a turn by the owner and once per RETURN_BLOCKS blocks by the thread. Where no thread can be had, and in builds that trace
lines, the hand-over frees at once.

Measured beside 2 ms of slices in each cron call, main thread and wall clock: FLUSHALL ASYNC of 5 million keys 0.04 s
of CPU and free after 0.26 s, against 1.4 s and 17 s; UNLINK of a hash of a million fields stalls no other client
noticeably, against 40 ms in one piece. Hence a thread, and for values of more than LAZY_EFFORT blocks (keyspace/db);
handing over costs a lock a turn, and a wake-up when the thread sleeps.

Only the owner's counters say what is used: lazy_pending falls when the memory of an object is back in the spans.
"""
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from ..base.mem cimport (Mem, MemReturns, Span, mem_calloc, mem_cold_release, mem_cold_return, mem_cold_take, mem_free,
                         mem_helper_destroy, mem_helper_init, mem_helper_take, mem_returns_link, mem_returns_next,
                         mem_take_back)
from ..base.rp cimport likely, unlikely
from ..structs.dict cimport Dict, dict_clear, dict_clear_step
from ..structs.ebuckets cimport Ebuckets, eb_clear, eb_init
from ..types.object cimport Robj, robj_free

cdef extern from *:
    """
    #include <pthread.h>
    #include <signal.h>
    #include <unistd.h>
    #if defined(CYTHON_TRACE_NOGIL) && CYTHON_TRACE_NOGIL
    #define LAZY_THREADS 0          /* line tracing takes the GIL in every function */
    #else
    #define LAZY_THREADS 1
    #endif
    #define lazy_flag_get(p) __atomic_load_n(p, __ATOMIC_RELAXED)
    #define lazy_flag_set(p, v) __atomic_store_n(p, v, __ATOMIC_RELAXED)
    /* A thread that gets none of the process's signals. */
    static int lazy_spawn(pthread_t *t, void *(*fn)(void *), void *arg) {
        sigset_t all, old;
        int failed;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        failed = pthread_create(t, NULL, fn, arg);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    #if defined(__linux__)
        if (!failed) pthread_setname_np(*t, "lazyfree");
    #endif
        return failed;
    }
    static void lazy_join(pthread_t t) {
        PyThreadState *state = PyGILState_Check() ? PyEval_SaveThread() : NULL;
        pthread_join(t, NULL);
        if (state) PyEval_RestoreThread(state);
    }
    static void lazy_wait_without_gil(pthread_cond_t *cond, pthread_mutex_t *lock) {
        PyThreadState *state = PyGILState_Check() ? PyEval_SaveThread() : NULL;
        pthread_cond_wait(cond, lock);
        if (state) {                /* the GIL comes before the lock: nobody may wait for it holding the lock */
            pthread_mutex_unlock(lock);
            PyEval_RestoreThread(state);
            pthread_mutex_lock(lock);
        }
    }
    static void lazy_write(int fd) { ssize_t n = write(fd, "", 1); (void)n; }
    """
    ctypedef struct pthread_t:
        pass
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_cond_t:
        pass
    int pthread_mutex_init(pthread_mutex_t* lock, void* attributes) nogil
    int pthread_mutex_lock(pthread_mutex_t* lock) nogil
    int pthread_mutex_unlock(pthread_mutex_t* lock) nogil
    int pthread_mutex_destroy(pthread_mutex_t* lock) nogil
    int pthread_cond_init(pthread_cond_t* cond, void* attributes) nogil
    int pthread_cond_wait(pthread_cond_t* cond, pthread_mutex_t* lock) nogil
    int pthread_cond_signal(pthread_cond_t* cond) nogil
    int pthread_cond_destroy(pthread_cond_t* cond) nogil
    int getpid() nogil
    bint LAZY_THREADS
    bint lazy_flag_get(bint* p) nogil
    void lazy_flag_set(bint* p, bint v) nogil
    int lazy_spawn(pthread_t* t, void* (*fn)(void*) noexcept nogil, void* arg) nogil
    void lazy_join(pthread_t t) nogil
    void lazy_wait_without_gil(pthread_cond_t* cond, pthread_mutex_t* lock) nogil
    void lazy_write(int fd) nogil

cdef enum:
    STEP = 1024                     # buckets of a database between two counts of its keys

cdef struct Corpse:
    Corpse* next
    Robj* value                     # NULL: a database's content, DeadDatabase

cdef struct DeadDatabase:
    Corpse corpse
    Dict keys
    Dict expires
    Ebuckets subexpires

cdef struct LazyThread:
    pthread_t thread
    pthread_mutex_t lock            # of all below, but for `mem`, which is the thread's, and `ready`
    pthread_cond_t work             # something to do: jobs, an end, the end of a pause
    pthread_cond_t rest             # the thread pauses
    Corpse* first                   # jobs
    Corpse* last
    bint working
    bint hold                       # shall pause
    bint paused
    bint stop
    MemReturns* done_first
    MemReturns* done_last
    size_t done                     # objects freed, of done
    Span* cold                      # spans whose pages are to be released
    Span* released                  # ... and have been
    int wake_fd
    int pid                         # of the process that has the thread
    bint ready                      # atomic: done is not empty, or its objects are not counted
    Mem mem
    size_t freed                    # objects since the last publication: the thread's


cdef void lazy_init(Lazyfree* l) noexcept nogil:
    l.first = l.last = NULL
    l.given = l.freed = l.counted_from = l.returned = 0
    l.returns = NULL
    l.thread = NULL
    l.wake_fd = -1


# ---------------------------------------------------------------- giving

cdef void give(Lazyfree* l, Corpse* c, size_t objects) noexcept nogil:
    c.next = NULL
    if l.last != NULL:
        l.last.next = c
    else:
        l.first = c
    l.last = c
    l.given += objects


cdef void lazy_value(Lazyfree* l, Mem* m, Robj* o) noexcept nogil:
    cdef Corpse* c = <Corpse*>mem_calloc(m, sizeof(Corpse))
    c.value = o
    give(l, c, 1)


cdef void take_dict(Dict* to, Dict* d) noexcept nogil:
    to[0] = d[0]
    d.t[0].b = d.t[1].b = NULL
    d.t[0].n = d.t[1].n = 0
    d.frontier = d.used = d.children = 0


cdef void lazy_database(Lazyfree* l, Mem* m, Dict* keys, Dict* expires, Ebuckets* subexpires) noexcept nogil:
    cdef DeadDatabase* c = <DeadDatabase*>mem_calloc(m, sizeof(DeadDatabase))
    cdef size_t objects = keys.used
    take_dict(&c.keys, keys)
    take_dict(&c.expires, expires)
    c.subexpires = subexpires[0]
    eb_init(subexpires)
    give(l, &c.corpse, objects)


# ---------------------------------------------------------------- freeing, on either thread

cdef void free_database(Mem* m, DeadDatabase* c, size_t* freed) noexcept nogil:
    cdef size_t before
    cdef bint done = False
    eb_clear(m, &c.subexpires)
    dict_clear(m, &c.expires)
    while not done:
        before = c.keys.used
        done = dict_clear_step(m, &c.keys, STEP)
        freed[0] += before - c.keys.used


cdef void free_corpse(Mem* m, Corpse* c, size_t* freed) noexcept nogil:
    if c.value != NULL:
        robj_free(m, c.value)
        freed[0] += 1
    else:
        free_database(m, <DeadDatabase*>c, freed)
    mem_free(m, c)


# ---------------------------------------------------------------- the thread

cdef void publish(LazyThread* t) noexcept nogil:
    """What was freed so far becomes the owner's to take back; the lock is held."""
    cdef MemReturns* r = mem_helper_take(&t.mem)
    if r != NULL:
        if t.done_last != NULL:
            mem_returns_link(t.done_last, r)
        else:
            t.done_first = r
        t.done_last = r
    t.done += t.freed
    t.freed = 0
    lazy_flag_set(&t.ready, True)


cdef void pause_if_asked(LazyThread* t) noexcept nogil:
    """The lock is held."""
    while t.hold:
        t.paused = True
        pthread_cond_signal(&t.rest)
        pthread_cond_wait(&t.work, &t.lock)
    t.paused = False


cdef void publish_while_freeing(void* ctx) noexcept nogil:
    cdef LazyThread* t = <LazyThread*>ctx
    pthread_mutex_lock(&t.lock)
    publish(t)
    pause_if_asked(t)
    pthread_mutex_unlock(&t.lock)


cdef void release_cold(LazyThread* t) noexcept nogil:
    """The lock is held, but not while the pages go; the owner gives no others before these are back."""
    cdef Span* p = t.cold
    pthread_mutex_unlock(&t.lock)
    mem_cold_release(p)
    pthread_mutex_lock(&t.lock)
    t.cold = NULL
    t.released = p
    lazy_flag_set(&t.ready, True)


cdef void* thread_main(void* arg) noexcept nogil:
    cdef LazyThread* t = <LazyThread*>arg
    cdef Corpse* c
    pthread_mutex_lock(&t.lock)
    while not t.stop:
        pause_if_asked(t)
        if t.cold != NULL:
            release_cold(t)
            continue
        c = t.first
        if c == NULL:
            if t.working:
                t.working = False
                publish(t)
                if t.wake_fd >= 0:
                    lazy_write(t.wake_fd)
            pthread_cond_wait(&t.work, &t.lock)
            continue
        t.first = c.next
        if t.first == NULL:
            t.last = NULL
        t.working = True
        pthread_mutex_unlock(&t.lock)
        free_corpse(&t.mem, c, &t.freed)
        pthread_mutex_lock(&t.lock)
    publish(t)
    pthread_mutex_unlock(&t.lock)
    return NULL


cdef LazyThread* start_thread(Lazyfree* l) noexcept nogil:
    """NULL: there is none to be had."""
    cdef LazyThread* t = <LazyThread*>calloc(1, sizeof(LazyThread))
    if t == NULL:
        return NULL
    pthread_mutex_init(&t.lock, NULL)
    pthread_cond_init(&t.work, NULL)
    pthread_cond_init(&t.rest, NULL)
    mem_helper_init(&t.mem, publish_while_freeing, t)
    t.wake_fd = l.wake_fd
    t.pid = getpid()
    if LAZY_THREADS and lazy_spawn(&t.thread, thread_main, t) == 0:
        return t
    forget_thread(t)
    return NULL


cdef void forget_thread(LazyThread* t) noexcept nogil:
    mem_helper_destroy(&t.mem)
    pthread_mutex_destroy(&t.lock)
    pthread_cond_destroy(&t.work)
    pthread_cond_destroy(&t.rest)
    free(t)


cdef inline void leave_to_parent(Lazyfree* l) noexcept nogil:
    """A child process has no thread; what that was freeing stays as it was."""
    if l.thread != NULL and unlikely(l.thread.pid != getpid()):
        l.thread = NULL


# ---------------------------------------------------------------- the owner's side

cdef void free_here(Lazyfree* l, Mem* m) noexcept nogil:
    cdef Corpse* c
    while l.first != NULL:
        c = l.first
        l.first = c.next
        free_corpse(m, c, &l.freed)
    l.last = NULL


cdef void hand_over(Lazyfree* l, Mem* m) noexcept nogil:
    cdef LazyThread* t
    leave_to_parent(l)
    if l.thread == NULL:
        l.thread = start_thread(l)
        if l.thread == NULL:
            free_here(l, m)
            return
    t = l.thread
    m.leave_cold = True
    pthread_mutex_lock(&t.lock)
    if l.first != NULL:
        if t.last != NULL:
            t.last.next = l.first
        else:
            t.first = l.first
        t.last = l.last
    if t.cold == NULL and t.released == NULL:
        t.cold = mem_cold_take(m)
    pthread_cond_signal(&t.work)
    pthread_mutex_unlock(&t.lock)
    l.first = l.last = NULL


cdef void lazy_hand_over(Lazyfree* l, Mem* m) noexcept nogil:
    if unlikely(l.first != NULL) or unlikely(m.cold != NULL):
        hand_over(l, m)


cdef void fetch(Lazyfree* l, Mem* m) noexcept nogil:
    """What the thread has published becomes l.returns; those are used up."""
    cdef LazyThread* t = l.thread
    cdef Span* released
    pthread_mutex_lock(&t.lock)
    l.returns = t.done_first
    l.returned = t.done
    t.done_first = t.done_last = NULL
    t.done = 0
    released = t.released
    t.released = NULL
    lazy_flag_set(&t.ready, False)
    pthread_mutex_unlock(&t.lock)
    mem_cold_return(m, released)


cdef bint take_back(Lazyfree* l, Mem* m, int spans) noexcept nogil:
    cdef MemReturns* next
    if l.returns == NULL and l.returned == 0:
        fetch(l, m)
    while l.returns != NULL:
        next = mem_returns_next(l.returns)
        if not mem_take_back(m, l.returns, spans):
            return True
        l.returns = next
        if next != NULL:
            return True
    l.freed += l.returned
    l.returned = 0
    return lazy_flag_get(&l.thread.ready)


cdef bint lazy_take_back(Lazyfree* l, Mem* m, int spans) noexcept nogil:
    if likely(l.thread == NULL) or likely(l.returns == NULL and not lazy_flag_get(&l.thread.ready)):
        return False
    return take_back(l, m, spans)


cdef void lazy_wake_by(Lazyfree* l, int fd) noexcept nogil:
    l.wake_fd = fd
    if l.thread != NULL:
        pthread_mutex_lock(&l.thread.lock)
        l.thread.wake_fd = fd
        pthread_mutex_unlock(&l.thread.lock)


cdef void lazy_end(Lazyfree* l, Mem* m) noexcept nogil:
    cdef LazyThread* t
    leave_to_parent(l)
    t = l.thread
    if t != NULL:
        pthread_mutex_lock(&t.lock)
        t.stop = True
        t.hold = False
        pthread_cond_signal(&t.work)
        pthread_mutex_unlock(&t.lock)
        lazy_join(t.thread)
        mem_cold_return(m, t.cold)
        while lazy_take_back(l, m, 1 << 30):
            pass
        m.leave_cold = False
        mem_cold_return(m, mem_cold_take(m))
        if t.first != NULL:
            t.last.next = l.first
            l.first = t.first
        forget_thread(t)
        l.thread = NULL
    free_here(l, m)


cdef void lazy_hold(Lazyfree* l) noexcept nogil:
    cdef LazyThread* t
    leave_to_parent(l)
    t = l.thread
    if t == NULL:
        return
    pthread_mutex_lock(&t.lock)
    t.hold = True
    pthread_cond_signal(&t.work)
    while not t.paused:
        lazy_wait_without_gil(&t.rest, &t.lock)
    pthread_mutex_unlock(&t.lock)


cdef void lazy_go_on(Lazyfree* l) noexcept nogil:
    cdef LazyThread* t = l.thread
    if t == NULL:
        return
    pthread_mutex_lock(&t.lock)
    t.hold = False
    pthread_cond_signal(&t.work)
    pthread_mutex_unlock(&t.lock)
