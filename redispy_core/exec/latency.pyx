"""Latency events (contract: latency.pxd) and LATENCY's plain subcommands; DOCTOR, GRAPH and HISTOGRAM, which are put
into words, stand in commands/latency_report. Room exec.

An event keeps its last SAMPLES samples in a ring; those of one second count as one, the worst. Nothing is allocated
before the first event.
"""
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memset, strcmp, strlen, strncpy
from ..base.mem cimport mem_alloc, mem_calloc, mem_free, mem_realloc
from ..base.sds cimport Slice, slice_of
from ..proto.reply cimport reply_array, reply_bulk_text, reply_int
from .args cimport bytes_equal, text_slice
from .client cimport Ctx
from .dispatch cimport Exec
from .registry cimport bind

cdef enum:
    SAMPLES = 160
    NAME_MAX = 40

cdef struct Sample:
    uint32_t time                   # unix seconds
    uint32_t ms

cdef struct Event:
    char name[NAME_MAX]
    uint32_t worst                  # ever
    int next                        # place of the next sample
    int count
    Sample samples[SAMPLES]

cdef struct Latency:
    Event** events
    int count


cdef Event* find_event(Exec* x, Slice name) noexcept nogil:
    cdef Latency* r = <Latency*>x.latency
    cdef int i
    if r != NULL:
        for i in range(r.count):
            if bytes_equal(text_slice(r.events[i].name), name):
                return r.events[i]
    return NULL


cdef Event* new_event(Exec* x, const char* name) noexcept nogil:
    cdef Latency* r
    cdef Event* e = <Event*>mem_calloc(x.mem, sizeof(Event))
    if x.latency == NULL:
        x.latency = mem_calloc(x.mem, sizeof(Latency))
    r = <Latency*>x.latency
    strncpy(e.name, name, NAME_MAX - 1)
    r.events = <Event**>mem_realloc(x.mem, r.events, (r.count + 1) * sizeof(Event*))
    r.events[r.count] = e
    r.count += 1
    return e


cdef inline Sample* sample_at(Event* e, int i) noexcept nogil:
    """The i-th, oldest first."""
    return &e.samples[(e.next - e.count + i + SAMPLES) % SAMPLES]


cdef void latency_add(Exec* x, const char* event, int64_t ms) noexcept nogil:
    cdef int64_t threshold = x.env.knobs.latency_monitor_threshold
    cdef uint32_t now = <uint32_t>(x.env.now_ms // 1000)
    cdef Event* e
    cdef Sample* last
    if threshold == 0 or ms < threshold:
        return
    e = find_event(x, text_slice(event))
    if e == NULL:
        e = new_event(x, event)
    if <uint32_t>ms > e.worst:
        e.worst = <uint32_t>ms
    if e.count:
        last = sample_at(e, e.count - 1)
        if last.time == now:
            last.ms = <uint32_t>ms if <uint32_t>ms > last.ms else last.ms
            return
    e.samples[e.next].time = now
    e.samples[e.next].ms = <uint32_t>ms
    e.next = (e.next + 1) % SAMPLES
    e.count += e.count < SAMPLES


cdef list latency_events(Exec* x):
    cdef Latency* r = <Latency*>x.latency
    cdef Event* e
    out = []
    if r != NULL:
        for i in range(r.count):
            e = r.events[i]
            out.append(((<bytes>e.name).decode(), e.worst,
                        [(sample_at(e, k).time, sample_at(e, k).ms) for k in range(e.count)]))
    return out


cdef int forget_event(Exec* x, int i) noexcept nogil:
    cdef Latency* r = <Latency*>x.latency
    mem_free(x.mem, r.events[i])
    r.count -= 1
    r.events[i] = r.events[r.count]
    return 1


cdef void latency_free(Exec* x) noexcept nogil:
    cdef Latency* r = <Latency*>x.latency
    if r == NULL:
        return
    while r.count:
        forget_event(x, r.count - 1)
    mem_free(x.mem, r.events)
    mem_free(x.mem, r)
    x.latency = NULL


# ---------------------------------------------------------------- commands

cdef int latency_latest_command(Ctx* x) noexcept nogil:
    """LATENCY LATEST: event, time and milliseconds of its last sample, the worst ever."""
    cdef Latency* r = <Latency*>(<Exec*>x.exec).latency
    cdef Sample* last
    cdef int i
    reply_array(x.out, r.count if r != NULL else 0)
    for i in range(r.count if r != NULL else 0):
        last = sample_at(r.events[i], r.events[i].count - 1)
        reply_array(x.out, 4)
        reply_bulk_text(x.out, r.events[i].name)
        reply_int(x.out, last.time)
        reply_int(x.out, last.ms)
        reply_int(x.out, r.events[i].worst)
    return 0


cdef int latency_history_command(Ctx* x) noexcept nogil:
    """LATENCY HISTORY event: time and milliseconds of its samples, oldest first."""
    cdef Event* e = find_event(<Exec*>x.exec, x.argv[2])
    cdef int i
    reply_array(x.out, e.count if e != NULL else 0)
    for i in range(e.count if e != NULL else 0):
        reply_array(x.out, 2)
        reply_int(x.out, sample_at(e, i).time)
        reply_int(x.out, sample_at(e, i).ms)
    return 0


cdef int latency_reset_command(Ctx* x) noexcept nogil:
    """LATENCY RESET [event ...]: how many were forgotten."""
    cdef Exec* e = <Exec*>x.exec
    cdef Latency* r = <Latency*>e.latency
    cdef int n = 0
    cdef int i, k
    if r != NULL and x.argc == 2:
        n = r.count
        latency_free(e)
    elif r != NULL:
        for i in range(2, x.argc):
            for k in range(r.count):
                if bytes_equal(text_slice(r.events[k].name), x.argv[i]):
                    n += forget_event(e, k)
                    break
    return reply_int(x.out, n)


bind(b"latency|latest", latency_latest_command)
bind(b"latency|history", latency_history_command)
bind(b"latency|reset", latency_reset_command)
