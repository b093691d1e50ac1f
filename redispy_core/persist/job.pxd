# One saving as the engine's Python side asks for it: options, descriptors and borrowed texts, held until it is done.
from ..base.mem cimport Mem
from ..base.sds cimport Slice
from ..keyspace.db cimport Keyspace
from .aof cimport AofOptions
from .rdb_save cimport RdbOptions
from .sink cimport Sink, SinkOut

cdef struct Parts:                 # what upper rooms save; bytes of Python's that the job keeps alive
    Slice* functions
    int nfunctions
    Slice before                   # RDB records before and behind the keys
    Slice after

cdef struct Work:
    Keyspace* ks
    bint is_aof
    RdbOptions rdb
    AofOptions aof
    Parts parts

cdef class SaveJob:
    cdef Mem* mem
    cdef Work work
    cdef Sink sink
    cdef SinkOut* outs
    cdef object kept
    cdef Slice hold(self, bytes text)
    cdef open_sink(self, list fds, dict options)
    cdef take_parts(self, dict options)
    cdef take_rdb(self, dict options)
    cdef prepare(self, Keyspace* ks, list fds, str kind, dict options)
    cdef dict run(self)                                    # in this process
    cdef tuple fork(self, list keep)                       # (pid, info_fd)
