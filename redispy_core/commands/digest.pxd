# What DEBUG DIGEST tells: content alone, the same as that of a real server which holds the same data.
from libc.stdint cimport uint8_t
from ..keyspace.db cimport Keyspace
from ..types.object cimport Robj

cdef enum:
    DIGEST = 20

cdef void digest_value(Keyspace* ks, Robj* o, uint8_t* digest) noexcept nogil          # O(n); goes on from what is in digest
cdef void digest_keyspace(Keyspace* ks, uint8_t* digest) noexcept nogil                # O(n); zeros for no data
