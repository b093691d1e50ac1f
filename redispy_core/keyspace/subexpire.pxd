# Expiry of hash fields: on access, and actively from the index that each database keeps (Db.subexpires).
# A command: hash_find; if field_due says that the field's time is past, it counts as missing; when it has been taken
# out, subexpire_settle ends that before anything else is looked at.
from libc.stdint cimport int64_t
from ..base.sds cimport Slice
from ..types.hash cimport HashAt
from ..types.object cimport Robj
from .db cimport Db, Keyspace

cdef bint field_past(Keyspace* ks, int64_t when_ms) noexcept nogil                                  # is a field of that time missing?
cdef bint field_due(Keyspace* ks, Db* db, Slice key, Robj* o, Slice field, HashAt* at, bint* removed) noexcept nogil   # field_past, and removes it where that is ours to do (sets removed, spends at)
cdef Robj* subexpire_settle(Keyspace* ks, Db* db, Slice key, Robj* o) noexcept nogil                # after fields were removed as expired: event, index; NULL: the hash was empty and is gone
cdef Robj* subexpire_hash(Keyspace* ks, Db* db, Slice key, Robj* o) noexcept nogil                  # removes all due fields of a hash; NULL: gone
cdef bint subexpire_cycle(Keyspace* ks, Db* db, int64_t deadline_us) noexcept nogil                 # removes due fields of all hashes; False when the budget ran out
