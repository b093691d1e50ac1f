"""Keys of a request (contract: keyspecs.pxd). Room exec.

The key specs of the command's row decide. Where one of them cannot (flags that depend on the arguments, unknown
places, an incomplete spec that found something, arguments that do not fit) the row's own extractor does, if it has one.
"""
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, malloc
from ..base.num cimport num_parse_i64
from ..base.sds cimport Slice, slice_of
from .args cimport word_is
from .registry cimport (CMD_NO_MANDATORY_KEYS, KEYS_BITFIELD, KEYS_BY_SPECS, KEYS_MIGRATE, KEYS_SET, KEYS_SORT,
                        KEYS_SORT_RO, SPEC_INDEX_KEYNUM, SPEC_INDEX_RANGE, SPEC_KEYWORD_KEYNUM, SPEC_KEYWORD_RANGE,
                        SPEC_UNKNOWN, Command, KeySpec, Registry, registry_lookup)

from .table import KeyFlag

for flag, value in (("RO", KEY_RO), ("RM", KEY_RM), ("DELETE", KEY_DELETE), ("NOT_KEY", KEY_NOT_KEY),
                    ("INCOMPLETE", KEY_INCOMPLETE), ("VARIABLE_FLAGS", KEY_VARIABLE_FLAGS)):
    if KeyFlag[flag] != value:
        raise AssertionError(f"keyspecs and table.KeyFlag differ at {flag}")

cdef struct Found:
    KeyRef* out
    int cap
    int n


cdef inline void add(Found* f, int pos, uint32_t flags) noexcept nogil:
    if f.n < f.cap:
        f.out[f.n].pos = pos
        f.out[f.n].flags = flags
    f.n += 1


# ---------------------------------------------------------------- specs

cdef int after_word(const KeySpec* k, const Slice* argv, int argc) noexcept nogil:
    """Position behind the keyword, 0: it is not there. Neither the last argument nor, backwards, the first is it."""
    cdef int i = k.at if k.at > 0 else argc + k.at
    while (i < argc - 1) if k.at > 0 else (i > 1):
        if word_is(argv[i], k.word):
            return i + 1
        i += 1 if k.at > 0 else -1
    return 0


cdef bint range_of(const KeySpec* k, const Slice* argv, int argc, int* first, int* end, int* step) noexcept nogil:
    """Keys stand at first, first + step .. end. False: the arguments do not fit."""
    cdef int64_t count
    cdef int last
    if k.kind == SPEC_INDEX_RANGE or k.kind == SPEC_KEYWORD_RANGE:
        last = k.nums[0]
        step[0] = k.nums[1]
        if last >= 0:
            end[0] = first[0] + last
        elif k.nums[2] > 1:
            end[0] = first[0] + (argc - first[0]) // k.nums[2] + last
        else:
            end[0] = argc + last
    else:
        if first[0] + k.nums[0] >= argc:
            return False
        if not num_parse_i64(argv[first[0] + k.nums[0]].ptr, argv[first[0] + k.nums[0]].len, &count):
            return False
        if count <= 0 or count > argc:
            return False
        step[0] = k.nums[2]
        first[0] += k.nums[1]
        end[0] = first[0] + <int>(count - 1) * step[0]
    return end[0] < argc and end[0] >= first[0]


cdef bint by_specs(const Command* cmd, const Slice* argv, int argc, bint channels, Found* f) noexcept nogil:
    """False: the specs cannot tell."""
    cdef const KeySpec* k
    cdef int i, pos, first, end, step
    for i in range(cmd.nkeys):
        k = &cmd.keys[i]
        if ((k.flags & KEY_NOT_KEY) != 0) != channels:
            continue
        if k.flags & KEY_VARIABLE_FLAGS or k.kind == SPEC_UNKNOWN:
            return False
        if k.kind == SPEC_INDEX_RANGE or k.kind == SPEC_INDEX_KEYNUM:
            first = k.at
        else:
            first = after_word(k, argv, argc)
            if first == 0:
                continue
        if first >= argc or k.flags & KEY_INCOMPLETE or not range_of(k, argv, argc, &first, &end, &step):
            return False
        pos = first
        while pos <= end:
            add(f, pos, k.flags)
            pos += step
    return True


# ---------------------------------------------------------------- extractors

cdef void set_keys(const Slice* argv, int argc, Found* f) noexcept nogil:
    """SET reads the old value only with GET."""
    cdef int i
    for i in range(3, argc):
        if word_is(argv[i], b"get"):
            add(f, 1, KEY_RW | KEY_ACCESS | KEY_UPDATE)
            return
    add(f, 1, KEY_OW | KEY_UPDATE)


cdef bint only_reads(const Slice* argv, int argc) noexcept nogil:
    """Whether BITFIELD's operations are all GET."""
    cdef bint reads = True
    cdef int left
    cdef int i = 2
    while i < argc:
        left = argc - 1 - i
        if left >= 2 and word_is(argv[i], b"get"):
            i += 3
        elif left >= 3 and (word_is(argv[i], b"set") or word_is(argv[i], b"incrby")):
            reads = False
            i += 4
        elif left >= 1 and word_is(argv[i], b"overflow"):
            i += 2
        else:
            return False
    return reads


cdef void sort_keys(const Slice* argv, int argc, Found* f) noexcept nogil:
    """SORT's key, and the last STORE's. STORE's name is looked at as an option again, as Redis does."""
    cdef int store = 0
    cdef int i = 2
    add(f, 1, KEY_RO | KEY_ACCESS)
    while i < argc:
        if word_is(argv[i], b"store") and i + 1 < argc:
            store = i + 1
        if word_is(argv[i], b"limit"):
            i += 2
        elif word_is(argv[i], b"get") or word_is(argv[i], b"by"):
            i += 1
        i += 1
    if store:
        add(f, store, KEY_OW | KEY_UPDATE)


cdef bint migrate_keys(const Slice* argv, int argc, Found* f) noexcept nogil:
    """MIGRATE's key at 3, or all after KEYS if that one is empty."""
    cdef int first = 3
    cdef int end = 4
    cdef int i = 6
    while i < argc:
        if word_is(argv[i], b"keys"):
            if argv[3].len:
                return False
            first = i + 1
            end = argc
            break
        if word_is(argv[i], b"auth"):
            i += 1
        elif word_is(argv[i], b"auth2"):
            i += 2
        i += 1
    for i in range(first, end):
        add(f, i, KEY_RW | KEY_ACCESS | KEY_DELETE)
    return True


cdef bint by_function(const Command* cmd, const Slice* argv, int argc, Found* f) noexcept nogil:
    if cmd.keys_fn == KEYS_SET:
        set_keys(argv, argc, f)
    elif cmd.keys_fn == KEYS_BITFIELD:
        add(f, 1, KEY_RO | KEY_ACCESS if only_reads(argv, argc) else KEY_RW | KEY_ACCESS | KEY_UPDATE)
    elif cmd.keys_fn == KEYS_SORT:
        sort_keys(argv, argc, f)
    elif cmd.keys_fn == KEYS_SORT_RO:
        add(f, 1, KEY_RO | KEY_ACCESS)
    elif cmd.keys_fn == KEYS_MIGRATE:
        return migrate_keys(argv, argc, f)
    else:
        return False
    return True


# ---------------------------------------------------------------- the contract

cdef int command_keys(const Command* cmd, const Slice* argv, int argc, KeyRef* out, int cap) noexcept nogil:
    cdef Found f
    f.out = out
    f.cap = cap
    f.n = 0
    if not by_specs(cmd, argv, argc, False, &f):
        f.n = 0
        if not by_function(cmd, argv, argc, &f):
            f.n = 0
    if f.n == 0 and command_has_keys(cmd) and not cmd.flags & CMD_NO_MANDATORY_KEYS:
        return KEYS_INVALID
    return f.n


cdef int command_channels(const Command* cmd, const Slice* argv, int argc, KeyRef* out, int cap) noexcept nogil:
    cdef Found f
    f.out = out
    f.cap = cap
    f.n = 0
    return f.n if by_specs(cmd, argv, argc, True, &f) else KEYS_INVALID


cdef bint command_has_keys(const Command* cmd) noexcept nogil:
    cdef int i
    for i in range(cmd.nkeys):
        if not cmd.keys[i].flags & KEY_NOT_KEY:
            return True
    return cmd.keys_fn != KEYS_BY_SPECS


def find_keys(Registry r, list request):
    """The keys of a request (list of bytes): [(key, KeyFlag mask)], or the name of the error in proto/errors."""
    cdef int argc = <int>len(request)
    cdef Slice* argv = <Slice*>malloc((argc + 1) * sizeof(Slice))
    cdef KeyRef* refs = <KeyRef*>malloc((argc + 1) * sizeof(KeyRef))
    cdef Command* cmd
    cdef int n
    cdef bytes word
    try:
        if argv == NULL or refs == NULL:
            raise MemoryError
        for i, word in enumerate(request):
            argv[i] = slice_of(word, len(word))
        cmd = registry_lookup(r, argv, argc)
        if cmd == NULL:
            return "COMMAND_INVALID"
        if not command_has_keys(cmd):
            return "COMMAND_NO_KEYS"
        if (argc != cmd.arity) if cmd.arity > 0 else (argc < -cmd.arity):
            return "COMMAND_ARITY"
        n = command_keys(cmd, argv, argc, refs, argc)
        if n == KEYS_INVALID:
            return "COMMAND_ARGS"
        return [(request[refs[i].pos], refs[i].flags & ~(KEY_INCOMPLETE | KEY_VARIABLE_FLAGS)) for i in range(n)]
    finally:
        free(argv)
        free(refs)
