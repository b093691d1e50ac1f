"""Commands at run time (contract: registry.pxd). Room exec; read by dispatch.

`bind` (compiled bodies, at import of the command files) and `bind_py` (Python callables, per engine) meet the rows of
exec/table here: a row with a body becomes a Command, a row without one is unknown to clients. Lookup hashes the
lower-cased name into a table of pointers; a container's subcommands are compared one by one, there are at most 40.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset, strlen
from ..base.mem cimport Mem, mem_calloc, mem_free, mem_realloc
from ..base.rp cimport likely
from ..base.sds cimport Slice
from .client cimport (G_ACL, G_BUSY, G_LOADING, G_MASTERDOWN, G_MISCONF, G_NOAUTH, G_NOREPLICAS, G_NO_MULTI, G_OOM,
                      G_PAUSED, G_QUEUE, G_READONLY, G_REPLICA_CLIENT, G_ROUTE, G_SUBSCRIBED, Ctx)
from .table import ROWS, Flag, KeyFlag

for flag, value in (("WRITE", CMD_WRITE), ("DENYOOM", CMD_DENYOOM), ("LOADING", CMD_LOADING), ("FAST", CMD_FAST),
                    ("NO_AUTH", CMD_NO_AUTH), ("ALLOW_BUSY", CMD_ALLOW_BUSY), ("MOVABLEKEYS", CMD_MOVABLEKEYS),
                    ("PROTECTED", CMD_PROTECTED), ("STALE", CMD_STALE), ("NO_MULTI", CMD_NO_MULTI),
                    ("RUNS_SCRIPT", CMD_RUNS_SCRIPT)):
    if Flag[flag] != value:
        raise AssertionError(f"registry.CommandFlag and table.Flag differ at {flag}")

cdef enum:
    BINDINGS = 1024

cdef struct Binding:
    const char* name
    command_fn proc

cdef Binding bindings[BINDINGS]             # filled at import, constant afterwards
cdef int binding_count = 0

# Commands that a subscribed RESP2 client may still send, and those that MULTI runs at once (EXEC does, too, but its
# queue's gates are asked then).
SUBSCRIBED_MAY = {"subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe", "ping",
                  "quit", "reset"}
KEYS_FNS = {"": KEYS_BY_SPECS, "set": KEYS_SET, "bitfield": KEYS_BITFIELD, "sort": KEYS_SORT, "sort_ro": KEYS_SORT_RO,
            "migrate": KEYS_MIGRATE}
SECRETS = {"auth": SECRETS_ALL, "hello": SECRETS_HELLO, "config|set": SECRETS_CONFIG, "migrate": SECRETS_MIGRATE,
           "acl|setuser": SECRETS_USERS, "acl|getuser": SECRETS_USERS, "acl|deluser": SECRETS_USERS}
CHANNELS = {"publish": CHANNELS_FIRST, "spublish": CHANNELS_FIRST, "subscribe": CHANNELS_ALL, "ssubscribe": CHANNELS_ALL,
            "psubscribe": CHANNELS_PATTERNS}
SPEC_KINDS = {("index", "range"): SPEC_INDEX_RANGE, ("index", "keynum"): SPEC_INDEX_KEYNUM,
              ("keyword", "range"): SPEC_KEYWORD_RANGE, ("keyword", "keynum"): SPEC_KEYWORD_KEYNUM}
NEVER_QUEUED = {"discard", "multi", "watch", "quit", "reset"}


cdef void bind(const char* name, command_fn proc) noexcept:
    global binding_count
    bindings[binding_count].name = name
    bindings[binding_count].proc = proc
    binding_count += 1


cdef uint64_t name_hash(const char* s, size_t n) noexcept nogil:
    """FNV-1a over the lower-cased text: names are short and come from the table, so no seed is needed."""
    cdef uint64_t h = 0xCBF29CE484222325ULL
    cdef size_t i
    cdef unsigned char c
    for i in range(n):
        c = s[i]
        if c >= 65 and c <= 90:
            c += 32
        h = (h ^ c) * 0x100000001B3ULL
    return h


cdef inline bint same_word(const char* lower, const char* s, size_t n) noexcept nogil:
    cdef size_t i
    cdef unsigned char c
    for i in range(n):
        c = s[i]
        if c >= 65 and c <= 90:
            c += 32
        if c != <unsigned char>lower[i]:
            return False
    return True


cdef Command* registry_top(Registry r, Slice name) noexcept nogil:
    cdef uint64_t i = name_hash(name.ptr, name.len)
    cdef Command* c
    while True:
        c = r.table[i & (r.table_size - 1)]
        if c == NULL:
            return NULL
        if likely(c.name_len == name.len) and likely(same_word(c.name, name.ptr, name.len)):
            return c
        i += 1


cdef Command* registry_lookup(Registry r, const Slice* argv, int argc) noexcept nogil:
    cdef Command* c = registry_top(r, argv[0])
    cdef int i
    if c == NULL or likely(c.nsubs == 0) or argc == 1:
        return c
    for i in range(c.nsubs):
        if c.subs[i].word_len == argv[1].len and same_word(c.subs[i].word, argv[1].ptr, argv[1].len):
            return c.subs[i]
    return NULL


def gates_of(name, flags):
    """Gate bits of the states that can refuse a command with these flags."""
    gates = G_PAUSED | G_QUEUE
    if not flags & CMD_NO_AUTH:
        gates |= G_NOAUTH | G_ACL
    if flags & CMD_NO_MULTI:
        gates |= G_NO_MULTI
    if flags & CMD_DENYOOM:
        gates |= G_OOM
    if flags & CMD_WRITE or name == "ping":
        gates |= G_MISCONF
    if flags & CMD_WRITE:
        gates |= G_NOREPLICAS | G_READONLY
    if name not in SUBSCRIBED_MAY:
        gates |= G_SUBSCRIBED
    if not flags & CMD_STALE:
        gates |= G_MASTERDOWN
    if not flags & CMD_LOADING:
        gates |= G_LOADING
    if not flags & CMD_ALLOW_BUSY:
        gates |= G_BUSY
    if flags & (CMD_WRITE | CMD_READONLY):
        gates |= G_REPLICA_CLIENT | G_ROUTE
    if flags & CMD_RUNS_SCRIPT:             # which of them it asks for: Exec.script_gates
        gates |= G_OOM | G_MISCONF | G_NOREPLICAS | G_READONLY | G_MASTERDOWN
    if name in NEVER_QUEUED:
        gates &= ~G_QUEUE
    return gates


def only_key(row):
    """Command.key_at of a row."""
    if not row.keys and not row.keys_fn:
        return -1
    spec = row.keys[0] if len(row.keys) == 1 else None
    told = spec and (spec.begin, spec.find) == ("index", "range") and spec.nums[0] == 0 \
        and not spec.flags & (KeyFlag.NOT_KEY | KeyFlag.INCOMPLETE | KeyFlag.VARIABLE_FLAGS)
    return spec.at if told else 0


cdef class Registry:
    """The commands of one engine."""

    def __cinit__(self):
        self.rows = {}
        self.ids = {}
        self.alive = []
        self.originals = []
        self.table_size = 2048
        self.table = <Command**>calloc(self.table_size, sizeof(Command*))
        self.cap = COMMANDS_MAX
        self.all = <Command**>calloc(self.cap, sizeof(Command*))
        if self.table == NULL or self.all == NULL:
            raise MemoryError

    def __init__(self):
        bound = {(<bytes>bindings[i].name).decode(): i for i in range(binding_count)}
        self.rows = {row.name.lower(): row for row in ROWS}
        for name, row in self.rows.items():
            if name in bound:
                self.add(row).proc = bindings[<int>bound[name]].proc

    def __dealloc__(self):
        cdef int i
        for i in range(self.count):
            free(self.all[i].stats.hist)
            free(self.all[i].subs)
            free(self.all[i].keys)
            free(self.all[i])
        free(self.all)
        free(self.table)

    cdef Command* add(self, row, name=None) except NULL:
        """The Command of a row, created with its container when new. A container alone has no body."""
        cdef Command* c
        cdef Command* parent = NULL
        full = (name or row.name).lower()
        if full in self.ids:
            return self.all[<int>self.ids[full]]
        self.catalog = None
        if self.count == self.cap:
            raise MemoryError("too many commands")
        if "|" in full:
            container = full.split("|")[0]
            parent = self.add(self.rows[container])
        text = full.encode()
        self.alive.append(text)
        c = <Command*>calloc(1, sizeof(Command))
        if c == NULL:
            raise MemoryError
        c.name = text
        c.name_len = len(text)
        c.word = c.name + (0 if parent == NULL else parent.name_len + 1)
        c.word_len = c.name_len - (c.word - c.name)
        c.id = self.count
        c.arity = row.arity
        c.flags = row.flags
        c.acl = row.acl
        c.gates = gates_of(full, row.flags)
        self.set_keys(c, row)
        self.set_key_specs(c, row)
        c.parent = parent
        self.all[self.count] = c
        self.count += 1
        self.ids[full] = c.id
        self.originals.append((text, row.acl))
        if parent != NULL:
            self.adopt(parent, c)
        else:
            self.insert(c)
        watcher = self.watcher() if self.watcher is not None else None
        if watcher is not None:
            watcher.commands_changed()
        return c

    cdef set_keys(self, Command* c, row):
        """first/last/step from the first key spec when that is an index and a range, as COMMAND INFO reports them."""
        if row.keys and row.keys[0].begin == "index" and row.keys[0].find == "range":
            spec = row.keys[0]
            last, step, limit = spec.nums
            c.first_key = spec.at
            c.last_key = spec.at + last if last >= 0 else last
            c.key_step = step
            for other in row.keys[1:]:              # several ranges in a row: the last one's end
                if other.begin == "index" and other.find == "range" and other.nums[1] == step:
                    c.last_key = other.at + other.nums[0] if other.nums[0] >= 0 else other.nums[0]

    cdef set_key_specs(self, Command* c, row):
        c.keys = <KeySpec*>calloc(max(1, len(row.keys)), sizeof(KeySpec))
        if c.keys == NULL:
            raise MemoryError
        c.nkeys = len(row.keys)
        c.keys_fn = KEYS_FNS[row.keys_fn]
        c.secrets = SECRETS.get(row.name.lower(), SECRETS_NONE)
        c.channels = CHANNELS.get(row.name.lower(), CHANNELS_NONE)
        for i, spec in enumerate(row.keys):
            word = spec.word.lower().encode()
            self.alive.append(word)
            c.keys[i].kind = SPEC_KINDS.get((spec.begin, spec.find), SPEC_UNKNOWN)
            c.keys[i].flags = spec.flags
            c.keys[i].at = spec.at
            c.keys[i].word = word
            for k in range(3):
                c.keys[i].nums[k] = spec.nums[k]
        c.key_at = only_key(row)
        c.key_flags = row.keys[0].flags if c.key_at > 0 else 0

    cdef adopt(self, Command* parent, Command* c):
        cdef Command** grown = <Command**>calloc(parent.nsubs + 1, sizeof(Command*))
        if grown == NULL:
            raise MemoryError
        if parent.nsubs:
            memcpy(grown, parent.subs, parent.nsubs * sizeof(Command*))
        grown[parent.nsubs] = c
        free(parent.subs)
        parent.subs = grown
        parent.nsubs += 1
        self.add_help((<bytes>parent.name).decode())

    cdef add_help(self, str container):
        name = container + "|help"
        if self.help_body is not None and name in self.rows and name not in self.ids:
            self.bind_py(name, self.help_body)

    def bind_help(self, body):
        """Gives every container that has no HELP of its own this one, now and when it gets its first subcommand."""
        self.help_body = body
        for name in list(self.ids):
            if self.all[<int>self.ids[name]].nsubs:
                self.add_help(name)

    cdef int insert(self, Command* c) except -1:
        cdef uint64_t i = name_hash(c.name, c.name_len)
        while self.table[i & (self.table_size - 1)] != NULL:
            i += 1
        self.table[i & (self.table_size - 1)] = c
        return 0

    cdef Command* by_name(self, str name) except? NULL:
        id = self.ids.get(name.lower())
        return NULL if id is None else self.all[<int>id]

    cpdef bind_py(self, str name, callable):
        """Gives a row of the table a body written in Python: callable(call, *args) -> reply."""
        row = self.rows.get(name.lower())
        if row is None:
            raise KeyError(f"no row for command {name}")
        cdef Command* c = self.add(row)
        self.alive.append(callable)
        c.py = <void*>callable
        c.proc = NULL                       # the later body counts

    def add_row(self, row, callable):
        """A command beyond the table (a user's own): its row and its body."""
        if row.name.lower() in self.ids:
            raise ValueError(f"command {row.name} exists")
        self.rows[row.name.lower()] = row
        self.bind_py(row.name, callable)

    def rename(self, str old, str new):
        """rename-command: an empty new name hides the command."""
        cdef Command* c = self.by_name(old)
        if c == NULL or c.parent != NULL:
            raise KeyError(old)
        if new and new.lower() in self.ids:
            raise ValueError(new)
        self.catalog = None
        memset(self.table, 0, self.table_size * sizeof(Command*))
        if new:
            text = new.lower().encode()
            self.alive.append(text)
            c.name = c.word = text
            c.name_len = c.word_len = len(text)
            self.ids[new.lower()] = self.ids.pop(old.lower())
            self.rows[new.lower()] = self.rows.pop(old.lower())
        else:
            del self.ids[old.lower()]
        hidden = set(range(self.count)) - set(self.ids.values())
        for i in range(self.count):
            if self.all[i].parent == NULL and i not in hidden:
                self.insert(self.all[i])

    def has(self, str name):
        """True if clients can call this command (full name, any case)."""
        cdef Command* c = self.by_name(name)
        return c != NULL

    def names(self):
        """Full names of all commands that have a body, and of their containers."""
        return list(self.ids)

    def row(self, str name):
        """The table row of a bound command, or None."""
        return self.rows[name.lower()] if name.lower() in self.ids else None

    def acl_rows(self):
        """[(full name, id, ACL categories)] of all commands, containers first; renamed ones under their old names."""
        return [(name, i, mask) for i, (name, mask) in enumerate(self.originals)]

    def stats(self):
        """[(name, calls, ns, rejected, failed, histogram or None)] of the commands that were called or refused."""
        cdef Command* c
        out = []
        for i in range(self.count):
            c = self.all[i]
            if c.stats.calls or c.stats.rejected:
                hist = [c.stats.hist[k] for k in range(HIST_SIZE)] if c.stats.hist != NULL else None
                out.append(((<bytes>c.name).decode(), c.stats.calls, c.stats.ns, c.stats.rejected, c.stats.failed, hist))
        return out

    def reset_stats(self):
        """Zeroes calls, times and histograms (CONFIG RESETSTAT)."""
        for i in range(self.count):
            free(self.all[i].stats.hist)
            memset(&self.all[i].stats, 0, sizeof(CommandStats))
