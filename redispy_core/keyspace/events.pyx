"""Slots through which upper rooms hear of changes (contract: events.pxd). Room keyspace; filled by exec."""
from libc.string cimport memset


cdef void events_init(Events* ev) noexcept nogil:
    memset(ev, 0, sizeof(Events))
