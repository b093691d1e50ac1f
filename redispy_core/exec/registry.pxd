# Commands at run time: the rows of exec/table with their bodies, looked up by name.
from libc.stdint cimport int64_t, uint32_t, uint64_t
from ..base.mem cimport Mem
from ..base.sds cimport Slice
from .client cimport Ctx

cdef enum CommandFlag:             # mirrors table.Flag (checked at import)
    CMD_WRITE = 1 << 0
    CMD_READONLY = 1 << 1
    CMD_DENYOOM = 1 << 2
    CMD_MODULE = 1 << 3
    CMD_ADMIN = 1 << 4
    CMD_PUBSUB = 1 << 5
    CMD_NOSCRIPT = 1 << 6
    CMD_BLOCKING = 1 << 7
    CMD_LOADING = 1 << 8
    CMD_STALE = 1 << 9
    CMD_SKIP_MONITOR = 1 << 10
    CMD_SKIP_SLOWLOG = 1 << 11
    CMD_ASKING = 1 << 12
    CMD_FAST = 1 << 13
    CMD_NO_AUTH = 1 << 14
    CMD_NO_MANDATORY_KEYS = 1 << 15
    CMD_NO_ASYNC_LOADING = 1 << 16
    CMD_NO_MULTI = 1 << 17
    CMD_MOVABLEKEYS = 1 << 18
    CMD_ALLOW_BUSY = 1 << 19
    CMD_MAY_REPLICATE = 1 << 20
    CMD_TOUCHES_ARBITRARY_KEYS = 1 << 21
    CMD_PROTECTED = 1 << 22
    CMD_RUNS_SCRIPT = 1 << 26

ctypedef int (*command_fn)(Ctx* x) noexcept nogil

cdef enum KeysFn:                  # extractors for what key specs cannot tell (exec/keyspecs)
    KEYS_BY_SPECS = 0
    KEYS_SET = 1
    KEYS_BITFIELD = 2
    KEYS_SORT = 3
    KEYS_SORT_RO = 4
    KEYS_MIGRATE = 5

cdef enum SecretsFn:               # which arguments are secrets (exec/redact)
    SECRETS_NONE = 0
    SECRETS_ALL = 1                # AUTH
    SECRETS_USERS = 2              # ACL SETUSER and others: all behind the subcommand
    SECRETS_HELLO = 3
    SECRETS_CONFIG = 4             # CONFIG SET
    SECRETS_MIGRATE = 5

cdef enum ChannelsFn:              # where channels stand that need permission (exec/acl)
    CHANNELS_NONE = 0
    CHANNELS_FIRST = 1             # PUBLISH: the first argument
    CHANNELS_ALL = 2               # SUBSCRIBE: all arguments
    CHANNELS_PATTERNS = 3          # PSUBSCRIBE: all, and they are patterns

cdef enum:
    COMMANDS_MAX = 1024            # commands and subcommands of an engine; a multiple of 64

cdef enum SpecKind:                # how a key spec finds its keys
    SPEC_INDEX_RANGE = 0
    SPEC_INDEX_KEYNUM = 1
    SPEC_KEYWORD_RANGE = 2
    SPEC_KEYWORD_KEYNUM = 3
    SPEC_UNKNOWN = 4

cdef struct KeySpec:               # a table.Keys
    SpecKind kind
    uint32_t flags                 # table.KeyFlag
    int at                         # position, or where the keyword's search begins (< 0: from the end)
    const char* word               # keyword, lower case
    int nums[3]                    # range: last, step, limit; keynum: count's position, first, step

cdef enum:
    HIST_SIZE = 512                # latency histogram: 8 steps a power of two of nanoseconds

cdef struct CommandStats:
    int64_t calls
    int64_t ns
    int64_t rejected
    int64_t failed
    uint32_t* hist                 # HIST_SIZE counters, allocated with the first call

cdef struct Command:
    const char* name               # full name, lower case
    size_t name_len
    const char* word               # the word to match: the name, or the subcommand's part of it
    size_t word_len
    int id                         # position in the registry
    int arity
    uint64_t flags
    uint64_t acl                   # ACL categories
    uint32_t gates                 # Gate bits that can refuse it
    command_fn proc
    void* py                       # Python callable (borrowed, kept alive by Registry); NULL for compiled ones
    Command* parent
    Command** subs                 # of a container
    int nsubs
    int first_key                  # simple key range: 0 = none or by key specs
    int last_key
    int key_step
    KeySpec* keys
    int nkeys
    KeysFn keys_fn
    int key_at                     # where the only key stands, if its spec tells all of it; 0: no such key, -1: no keys at all
    uint32_t key_flags             # of that key
    SecretsFn secrets
    ChannelsFn channels
    CommandStats stats

cdef class Registry:
    cdef Mem* mem
    cdef Command** table           # open addressing by name hash, power of two
    cdef int table_size
    cdef Command** all             # by id; owns them
    cdef int count
    cdef int cap
    cdef dict rows                 # full name (lower case str) -> Row
    cdef dict ids                  # full name -> id
    cdef list originals            # (full name before rename-command, ACL categories) by id
    cdef public object watcher     # weak reference to whom commands_changed() tells of a new command, or None
    cdef list alive                # bytes and callables that Commands point to
    cdef public object help_body   # body of every container's HELP that has none of its own
    cdef public object catalog     # what COMMAND tells, built when asked; None after a change of the commands
    cdef Command* add(self, row, name=*) except NULL
    cdef set_keys(self, Command* c, row)
    cdef set_key_specs(self, Command* c, row)
    cdef add_help(self, str container)
    cdef adopt(self, Command* parent, Command* c)
    cdef int insert(self, Command* c) except -1
    cdef Command* by_name(self, str name) except? NULL
    cpdef bind_py(self, str name, callable)

cdef Command* registry_lookup(Registry r, const Slice* argv, int argc) noexcept nogil       # command or subcommand; NULL: unknown
cdef Command* registry_top(Registry r, Slice name) noexcept nogil                           # without looking at subcommands
cdef void bind(const char* name, command_fn proc) noexcept                                  # at import: a compiled body for every registry
cdef uint64_t name_hash(const char* s, size_t n) noexcept nogil
