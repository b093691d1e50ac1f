# What CLIENT LIST tells of a client; MONITOR, SLOWLOG and ACL LOG show parts of it.
from ..base.sds cimport Sds
from .client cimport Client
from .dispatch cimport Exec

cdef enum:
    ADDR_MAX = 160                  # room for any address text

cdef size_t client_addr(const Client* c, char* buf, bint local) noexcept nogil     # "ip:port", "[v6]:port" or "path:0" of the peer, or our own; "?:0" unknown; a system call
cdef size_t client_flags(const Client* c, char* buf) noexcept nogil                # letters as in CLIENT LIST; at most 24
cdef Sds* client_info(Exec* x, const Client* c, size_t argv_bytes, Sds* to) noexcept nogil    # appends a line without its end; may move `to`; argv_bytes: of the command that runs, if it is c's
