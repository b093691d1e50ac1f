# Reading a stream's value.
from ..base.mem cimport Mem
from ..types.stream cimport Stream
from .rdb_source cimport RdbSource, RdbText

cdef Stream* rdb_read_stream(RdbSource* s, Mem* m, int type, RdbText* name) noexcept nogil
#   type: RDB_STREAM_LISTPACKS and its successors; name: for scratch, free to use. NULL: the source's fault tells why
