# The engine: memory, environment, keyspace, commands and clients of one server, without sockets.
from .base.env cimport Env
from .base.mem cimport Mem
from .exec.acl cimport Acl
from .exec.client cimport Client
from .exec.dispatch cimport Exec
from .exec.registry cimport Registry
from .persist.aof_out cimport AofOut
from .keyspace.db cimport Db, Keyspace
from .persist.job cimport SaveJob

cdef class Engine:
    cdef Mem mem
    cdef Env env
    cdef Keyspace ks
    cdef AofOut aof
    cdef Exec x
    cdef readonly Registry registry
    cdef readonly Acl acl
    cdef Client* own                # runs Engine.call
    cdef public object log          # callable(level, text) or None
    cdef readonly object hooks      # what the server hangs in: name -> callable
    cdef unsigned long thread       # owner thread
    cdef readonly size_t startup_memory
    cdef object unserved            # iterator over the events of the turn that is under way, or None
    cdef list kept                  # input of a client whose script is busy
    cdef Db* staged                 # databases that were loaded and not swapped in yet, or NULL
    cdef public long long key_load_delay    # microseconds a key, while loading
    cdef object __weakref__
    cdef int check_thread(self) except -1
    cdef forget(self, Client* c)
    cdef feed_kept(self)
    cdef append_aof(self)
    cdef rehash_idle(self)
    cdef SaveJob saving(self, list fds, str kind, dict options)
