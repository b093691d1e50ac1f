# What the bytes of an RDB file and of a DUMP payload are called: shared by the writer (rdb_save) and the reader
# (rdb_load). Names and numbers alone.
#
#   "REDIS" + 4 digits of the version
#   250 AUX <string name> <string value> ...   247 module data   245 function library ...
#   per database that is not empty:  254 <len number>  251 <len keys> <len keys with an expiry>
#       per key:  [252 <i64 ms>] [248 <len idle seconds> | 249 <u8 counter>] <type u8> <string key> <value>
#   247 module data ...  255  <u64 LE CRC-64 of all before it; 0: not computed>
#
#   DUMP payload:  <type u8> <value> <u16 LE version> <u64 LE CRC-64 of all before it>

cdef enum RdbVersion:
    RDB_VERSION_MIN = 1
    RDB_VERSION_CHECKSUM = 5           # the first with a checksum at the end
    RDB_VERSION_LISTPACKS = 10         # Redis 7.0: listpacks, streams with counters, functions
    RDB_VERSION_SET_LISTPACK = 11      # Redis 7.2, Valkey: small sets, consumers' active times
    RDB_VERSION_FIELD_EXPIRY = 12      # Redis 7.4: hash fields with expiries, slot sizes
    RDB_VERSION_MAX = 12

cdef enum RdbOpcode:
    RDB_OP_SLOT_INFO = 244             # <len slot> <len keys> <len keys with an expiry>; before the slot's first key
    RDB_OP_FUNCTION2 = 245             # <string source of a library>
    RDB_OP_FUNCTION_PRE_GA = 246       # of release candidates of 7.0: refused
    RDB_OP_MODULE_AUX = 247            # <len module id> <len 2> <len when> tagged items, RDB_MODULE_EOF
    RDB_OP_IDLE = 248                  # <len seconds>: LRU of the next key
    RDB_OP_FREQ = 249                  # <u8 counter>: LFU of the next key
    RDB_OP_AUX = 250                   # <string name> <string value>
    RDB_OP_RESIZEDB = 251              # <len keys> <len keys with an expiry>
    RDB_OP_EXPIRETIME_MS = 252         # <i64 LE ms>: of the next key
    RDB_OP_EXPIRETIME = 253            # <i32 LE seconds>: of the next key
    RDB_OP_SELECTDB = 254              # <len number>
    RDB_OP_EOF = 255

cdef enum RdbType:
    RDB_STRING = 0                     # <string>
    RDB_LIST = 1                       # <len n>, n times <string>
    RDB_SET = 2                        # <len n>, n times <string>
    RDB_ZSET = 3                       # <len n>, n times <string member> <text score>
    RDB_HASH = 4                       # <len n>, n times <string field> <string value>
    RDB_ZSET_2 = 5                     # <len n>, n times <string member> <f64 LE score>; highest first
    RDB_MODULE_PRE_GA = 6              # refused
    RDB_MODULE_2 = 7                   # <len module id> tagged items, RDB_MODULE_EOF
    RDB_HASH_ZIPMAP = 9                # <string blob>, as all below where nothing else is said
    RDB_LIST_ZIPLIST = 10
    RDB_SET_INTSET = 11
    RDB_ZSET_ZIPLIST = 12              # member, score; ascending
    RDB_HASH_ZIPLIST = 13              # field, value
    RDB_LIST_QUICKLIST = 14            # <len n>, n times <string ziplist>
    RDB_STREAM_LISTPACKS = 15          # streams: rdb_save's save_stream tells the layout
    RDB_HASH_LISTPACK = 16             # field, value
    RDB_ZSET_LISTPACK = 17             # member, score; ascending
    RDB_LIST_QUICKLIST_2 = 18          # <len n>, n times <len RdbContainer> <string>
    RDB_STREAM_LISTPACKS_2 = 19        # with the first and last deleted ID, entries added, entries read
    RDB_SET_LISTPACK = 20
    RDB_STREAM_LISTPACKS_3 = 21        # with the consumers' active times
    RDB_HASH_METADATA_PRE_GA = 22      # <len n>, n times <len when_ms or 0> <string field> <string value>
    RDB_HASH_LISTPACK_EX_PRE_GA = 23   # <string blob> as 25
    RDB_HASH_METADATA = 24             # <i64 LE first> <len n>, n times <len t> <string field> <string value>; t = 0: no expiry, else when_ms = first + t - 1
    RDB_HASH_LISTPACK_EX = 25          # <i64 LE first, 0: none> <string blob>: field, value, when_ms (0: none); ascending, those without last
    RDB_TYPE_MAX = 25

cdef enum RdbContainer:                # of a node in RDB_LIST_QUICKLIST_2
    RDB_NODE_PLAIN = 1                 # the string is the element
    RDB_NODE_PACKED = 2                # the string is a listpack

cdef enum RdbLen:                      # first byte of <len>: its upper two bits, or all
    RDB_LEN_6BIT = 0x00                # the length is in the low 6 bits
    RDB_LEN_14BIT = 0x40               # ... and in one byte more, most significant first
    RDB_LEN_32BIT = 0x80               # 4 bytes BE follow
    RDB_LEN_64BIT = 0x81               # 8 bytes BE follow
    RDB_LEN_SPECIAL = 0xC0             # no length: RDB_STR_* in the low 6 bits says how the string is stored
    RDB_LEN_MASK = 0xC0

cdef enum RdbString:                   # a <string> that does not begin with its length
    RDB_STR_INT8 = 0                   # i8: its decimal text
    RDB_STR_INT16 = 1                  # i16 LE
    RDB_STR_INT32 = 2                  # i32 LE
    RDB_STR_LZF = 3                    # <len compressed> <len text> LZF block

cdef enum RdbTextDouble:               # first byte of a text score: its length, or
    RDB_DOUBLE_NAN = 253
    RDB_DOUBLE_INF = 254
    RDB_DOUBLE_MINUS_INF = 255

cdef enum RdbModuleItem:               # tags in module data
    RDB_MODULE_EOF = 0
    RDB_MODULE_SINT = 1                # <len>
    RDB_MODULE_UINT = 2                # <len>
    RDB_MODULE_FLOAT = 3               # f32 LE
    RDB_MODULE_DOUBLE = 4              # f64 LE
    RDB_MODULE_STRING = 5              # <string>

cdef enum RdbAuxWhen:                  # of RDB_OP_MODULE_AUX
    RDB_AUX_BEFORE = 1
    RDB_AUX_AFTER = 2

cdef enum:
    RDB_MAGIC_BYTES = 9                # "REDIS" and the version
    RDB_CHECKSUM_BYTES = 8
    DUMP_FOOTER_BYTES = 10             # version and checksum
    RDB_EOF_MARK_BYTES = 40            # of a stream without a size: "$EOF:<mark>\r\n" RDB <mark>
    RDB_MAX_LEN_BYTES = 9              # the longest <len>
    RDB_STR_INT_MAX = 11               # longest text that is stored as an integer
    RDB_STR_LZF_MIN = 21               # shortest text that compression is tried on
    RDB_FIELD_EXPIRE_MAX = 0xFFFFFFFFFFFF
