# The keys of a request, from its command's key specs: for COMMAND GETKEYS, ACL, cluster slots, tracking.
from libc.stdint cimport uint32_t
from ..base.sds cimport Slice
from .registry cimport Command

cdef enum:
    KEYS_INVALID = -1              # the arguments name their keys wrongly
    KEY_RO = 1 << 0                # mirrors table.KeyFlag (checked at import)
    KEY_RW = 1 << 1
    KEY_OW = 1 << 2
    KEY_RM = 1 << 3
    KEY_ACCESS = 1 << 4
    KEY_UPDATE = 1 << 5
    KEY_INSERT = 1 << 6
    KEY_DELETE = 1 << 7
    KEY_NOT_KEY = 1 << 8           # a shard channel
    KEY_INCOMPLETE = 1 << 9
    KEY_VARIABLE_FLAGS = 1 << 10

cdef struct KeyRef:
    int pos                        # in argv
    uint32_t flags                 # KEY_*

# How many keys a request of fitting arity has, or KEYS_INVALID; the first `cap` of them go to out. O(keys), and
# O(arguments) where a keyword is looked for; no allocation. cap = argc is always enough.
cdef int command_keys(const Command* cmd, const Slice* argv, int argc, KeyRef* out, int cap) noexcept nogil
cdef int command_channels(const Command* cmd, const Slice* argv, int argc, KeyRef* out, int cap) noexcept nogil   # likewise, what specs of KEY_NOT_KEY find
cdef bint command_has_keys(const Command* cmd) noexcept nogil       # some requests of it have keys; O(specs)
