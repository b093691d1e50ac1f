# What upper rooms may hear of a change: one slot each, NULL while nobody listens.
from libc.stdint cimport int64_t
from ..base.sds cimport Slice

cdef enum EventClass:          # bits of notify-keyspace-events
    NOTIFY_KEYSPACE = 1        # K
    NOTIFY_KEYEVENT = 2        # E
    EV_GENERIC = 4             # g
    EV_STRING = 8              # $
    EV_LIST = 16               # l
    EV_SET = 32                # s
    EV_HASH = 64               # h
    EV_ZSET = 128              # z
    EV_EXPIRED = 256           # x
    EV_EVICTED = 512           # e
    EV_STREAM = 1024           # t
    EV_KEYMISS = 2048          # m
    EV_MODULE = 4096           # d
    EV_NEW = 8192              # n

cdef struct Events:
    int64_t dirty                                                                     # changes since the last save
    bint own_work                                                                     # what changes now is no command's doing: expiry, eviction
    void (*changed)(void* ctx, int db, Slice key) noexcept nogil                      # WATCH, tracking, blocked clients
    void* changed_ctx
    void (*flushed)(void* ctx, int db) noexcept nogil                                 # a database is about to be emptied; -1: all
    void* flushed_ctx
    void (*notify)(void* ctx, int event_class, const char* event, int db, Slice key) noexcept nogil   # keyspace notification
    void* notify_ctx
    void (*deleted)(void* ctx, int db, Slice key, bint lazy) noexcept nogil           # expired or evicted here: to be propagated as DEL/UNLINK
    void* deleted_ctx
    void (*field_deleted)(void* ctx, int db, Slice key, Slice field) noexcept nogil   # a hash field expired here: to be propagated as HDEL
    void* field_deleted_ctx

cdef void events_init(Events* ev) noexcept nogil
