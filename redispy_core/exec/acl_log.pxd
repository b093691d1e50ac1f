# ACL LOG: refusals, newest first; those alike within a minute are one entry.
from ..base.sds cimport Slice
from .client cimport Client
from .dispatch cimport Exec

cdef enum AclContext:
    ACL_TOPLEVEL = 0
    ACL_MULTI = 1
    ACL_LUA = 2
    ACL_MODULE = 3

cdef enum AclReason:
    ACL_BY_COMMAND = 0
    ACL_BY_KEY = 1
    ACL_BY_CHANNEL = 2
    ACL_BY_AUTH = 3

# A refusal of c's request (or of one that runs on its behalf); object: what it was about. Copies. O(entries) where some
# must go, else O(1).
cdef void acl_log_add(Exec* x, Client* c, AclReason reason, AclContext context, Slice object, Slice user) noexcept nogil
cdef void acl_log_free(Exec* x) noexcept nogil
