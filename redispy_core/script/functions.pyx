"""Functions (contract: functions.pxd): libraries by name, functions by name, FUNCTION and FCALL. Room script.

    Functions -+- live: LibrarySet -+- libraries: dict of Library by its name
               |                    +- functions: dict of Function by its name in lower case
               +- states: one for each language that a library has asked for (engines.pxd)

A library is loaded into its language's state before anything else changes; only if all that is to come with it has been
loaded and no name is taken twice, sets change. So a load that fails leaves what was there. Libraries leave one by one
(the language forgets their functions), or all at once with the states.

What is said here holds for any language. The set is saved as the libraries' code, in the order of loading.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy, memset, strlen
from ..base.env cimport env_ticks_ns
from ..base.mem cimport mem_alloc, mem_calloc, mem_free
from ..base.num cimport glob_match
from ..base.rp cimport rp_ticks, unlikely
from ..base.sds cimport Slice, slice_of
from ..ext cimport (CALL_ALLOW_STALE, CALL_NO_CLUSTER, CALL_READ_ONLY, E_BUSY_SCRIPT, E_ENGINE_NOT_FOUND, E_FCALL_NUMKEYS,
                    E_FUNCTION_COMPILE, E_FUNCTION_EXISTS, E_FUNCTION_FLUSH, E_FUNCTION_LIST_ARGUMENT,
                    E_FUNCTION_LIST_NAME, E_FUNCTION_LOAD_OPTION, E_FUNCTION_NONE, E_FUNCTION_NOT_FOUND,
                    E_FUNCTION_POLICY, E_FUNCTION_REGISTER, E_KEYS_NEGATIVE, E_LIBRARY_EXISTS, E_LIBRARY_HEADER,
                    E_LIBRARY_NAME, E_LIBRARY_NAMED_TWICE, E_LIBRARY_NO_HEADER, E_LIBRARY_NOT_FOUND, E_LIBRARY_OPTION,
                    E_LIBRARY_THERE, E_LIBRARY_UNNAMED, E_NOTBUSY, E_NUMKEYS_ARGS, E_SCRIPT_DENIED, E_SCRIPT_NO_CLUSTER,
                    E_SCRIPT_RO, E_SCRIPT_UNAVAILABLE, E_UNKILLABLE, E_UNKNOWN_SUBCOMMAND_OR_ARITY, ROOM_FUNCTIONS,
                    Command, Ctx, Deferred, Err, Exec, Out, bind, err, err_a, err_text, ext_context, ext_exec,
                    ext_figures, ext_gates_for, ext_in_cluster, ext_is_replay, ext_on_functions, ext_on_script_gates,
                    ext_read_functions, ext_reply_functions, ext_room, ext_room_of, ext_room_set, i64_or_err,
                    reply_array, reply_bulk, reply_bulk_text, reply_errorf, reply_int, reply_later, reply_length,
                    reply_map, reply_null, reply_ok, reply_set, reply_status_n, word_is)
from ..structs.dict cimport (Dict, DictType, dict_clear, dict_find, dict_hash, dict_init, dict_insert, dict_remove)
from .engines cimport (ENGINES_MAX, WHY_MAX, EngineType, Failure, Function, FunctionCall, Library, engine_at,
                       engine_count, engine_find, function_description, function_lower, function_name, library_bytes,
                       library_code, library_free, library_name, library_new, name_is_valid)
from .eval cimport SHEBANG_WORDS, flag_at, flag_name, script_gates, split_words

cdef enum:
    LOAD_MS = 500                   # how long a library may take to register its functions
    NAME_USUAL = 128                # a function's name of that length needs no memory to look it up


# ---------------------------------------------------------------- sets

cdef const char* library_key(const void* entry, size_t* n) noexcept nogil:
    n[0] = (<const Library*>entry).name_len
    return (<Library*>entry).text


cdef const char* function_key(const void* entry, size_t* n) noexcept nogil:
    cdef Slice s = function_lower(<const Function*>entry)
    n[0] = s.len
    return s.ptr


cdef DictType library_type
library_type.key_of = library_key
library_type.free_entry = NULL
cdef DictType function_type
function_type.key_of = function_key
function_type.free_entry = NULL


cdef void set_init(LibrarySet* set, Exec* x) noexcept nogil:
    dict_init(&set.libraries, &library_type, x.env)
    dict_init(&set.functions, &function_type, x.env)
    set.oldest = set.newest = NULL


cdef void* look_up(Dict* d, Slice key) noexcept nogil:
    if d.used == 0:
        return NULL
    return dict_find(d, key.ptr, key.len, dict_hash(d, key.ptr, key.len))


cdef void put_in(Exec* x, Dict* d, Slice key, void* entry) noexcept nogil:
    dict_insert(x.mem, d, dict_hash(d, key.ptr, key.len), entry)


cdef void take_out(Exec* x, Dict* d, Slice key) noexcept nogil:
    dict_remove(x.mem, d, key.ptr, key.len, dict_hash(d, key.ptr, key.len))


cdef void set_add(LibrarySet* set, Exec* x, Library* lib) noexcept nogil:
    """Its names are free. Of names that differ only in case the first is found."""
    cdef Function* f = lib.first
    put_in(x, &set.libraries, library_name(lib), lib)
    while f != NULL:
        if look_up(&set.functions, function_lower(f)) == NULL:
            put_in(x, &set.functions, function_lower(f), f)
        f = f.next
    lib.newer = NULL
    lib.older = set.newest
    if set.newest != NULL:
        set.newest.newer = lib
    else:
        set.oldest = lib
    set.newest = lib


cdef void set_take(LibrarySet* set, Exec* x, Library* lib) noexcept nogil:
    cdef Function* f = lib.first
    take_out(x, &set.libraries, library_name(lib))
    while f != NULL:
        if look_up(&set.functions, function_lower(f)) == f:
            take_out(x, &set.functions, function_lower(f))
        f = f.next
    if lib.newer != NULL:
        lib.newer.older = lib.older
    else:
        set.newest = lib.older
    if lib.older != NULL:
        lib.older.newer = lib.newer
    else:
        set.oldest = lib.newer
    lib.older = lib.newer = NULL


cdef void set_clear(LibrarySet* set, Exec* x) noexcept nogil:
    """The libraries themselves are the caller's."""
    dict_clear(x.mem, &set.libraries)
    dict_clear(x.mem, &set.functions)
    set.oldest = set.newest = NULL


cdef void set_free(LibrarySet* set, Functions* s, bint states_too) noexcept nogil:
    """Frees all libraries; states_too: their languages' states will be closed and need not forget one by one."""
    cdef Library* lib = set.oldest
    cdef Library* next
    set_clear(set, s.x)
    while lib != NULL:
        next = lib.newer
        library_free(lib, NULL if states_too else s.states[lib.engine])
        lib = next


# ---------------------------------------------------------------- an engine's

cdef Functions* functions_of(Ctx* x) noexcept nogil:
    cdef Functions* s = <Functions*>ext_room(x, ROOM_FUNCTIONS)
    if unlikely(s == NULL):
        s = <Functions*>mem_calloc(x.mem, sizeof(Functions))
        s.x = <Exec*>x.exec
        set_init(&s.live, s.x)
        ext_room_set(x, ROOM_FUNCTIONS, s, free_functions)
        ext_figures(s.x).vm_used[1] = &s.vm_used
    return s


cdef void free_functions(Exec* x, void* state) noexcept nogil:
    functions_flush(<Functions*>state)
    ext_figures(x).vm_used[1] = NULL
    mem_free(x.mem, state)


cdef void measure(Functions* s) noexcept nogil:
    """INFO's figure of the states."""
    cdef size_t n = 0
    cdef int i
    for i in range(engine_count()):
        if s.states[i] != NULL:
            n += engine_at(i).used(s.states[i])
    s.vm_used = n


cdef void count_libraries(Functions* s) noexcept nogil:
    """INFO's figures. O(functions): only FUNCTION's writes call it."""
    cdef Library* lib = s.live.oldest
    cdef size_t n = 0
    cdef int64_t functions = 0
    while lib != NULL:
        n += library_bytes(lib)
        functions += lib.count
        lib = lib.newer
    ext_figures(s.x).cache_bytes[1] = n
    ext_figures(s.x).functions = functions
    ext_figures(s.x).libraries = <int64_t>s.live.libraries.used
    measure(s)


cdef void functions_flush(Functions* s) noexcept nogil:
    cdef int i
    set_free(&s.live, s, True)
    for i in range(engine_count()):
        if s.states[i] != NULL:
            engine_at(i).shut(s.states[i])
            s.states[i] = NULL
    count_libraries(s)


cdef Function* function_find(Functions* s, Slice name) noexcept nogil:
    cdef char[NAME_USUAL] usual
    cdef char* low = usual
    cdef size_t i
    cdef Function* f
    if s == NULL or s.live.functions.used == 0:
        return NULL
    if name.len > NAME_USUAL:
        low = <char*>mem_alloc(s.x.mem, name.len)
    for i in range(name.len):
        low[i] = name.ptr[i] + 32 if name.ptr[i] >= 65 and name.ptr[i] <= 90 else name.ptr[i]
    f = <Function*>look_up(&s.live.functions, slice_of(low, name.len))
    if low != usual:
        mem_free(s.x.mem, low)
    return f


# ---------------------------------------------------------------- loading

cdef struct Header:                 # of a library: #!engine name=library
    int engine
    Slice name                      # in line
    size_t skip                     # bytes of the code before the line break
    char* line                      # freed by the caller


cdef bint fails(Problem* p, Err e, Slice what) noexcept nogil:
    """False, and why; `what` is copied."""
    cdef size_t n = what.len if what.len < WHY_MAX else WHY_MAX
    p.e = e
    if n and what.ptr != p.failure.why:
        memcpy(p.failure.why, what.ptr, n)
    p.what = slice_of(p.failure.why, n)
    return False


cdef bint read_words(Header* h, const Slice* words, int n, Problem* p) noexcept nogil:
    cdef bint named = False
    cdef int i
    if n < 1 or words[0].len < 2:
        return fails(p, E_LIBRARY_HEADER, slice_of(NULL, 0))
    for i in range(1, n):
        if words[i].len < 5 or not word_is(slice_of(words[i].ptr, 5), b"name="):
            return fails(p, E_LIBRARY_OPTION, words[i])
        if named:
            return fails(p, E_LIBRARY_NAMED_TWICE, slice_of(NULL, 0))
        named = True
        h.name = slice_of(words[i].ptr + 5, words[i].len - 5)
    if not named:
        return fails(p, E_LIBRARY_UNNAMED, slice_of(NULL, 0))
    if not name_is_valid(h.name):
        return fails(p, E_LIBRARY_NAME, slice_of(NULL, 0))
    h.engine = engine_find(slice_of(words[0].ptr + 2, words[0].len - 2))
    if h.engine < 0:
        return fails(p, E_ENGINE_NOT_FOUND, slice_of(words[0].ptr + 2, words[0].len - 2))
    return True


cdef bint read_header(Exec* x, Slice code, Header* h, Problem* p) noexcept nogil:
    cdef Slice[SHEBANG_WORDS] words
    cdef const char* end
    h.line = NULL
    h.skip = 0
    h.engine = -1
    if code.len < 2 or code.ptr[0] != c'#' or code.ptr[1] != c'!':
        return fails(p, E_LIBRARY_NO_HEADER, slice_of(NULL, 0))
    end = <const char*>memchr(code.ptr, 10, code.len)
    if end == NULL:
        return fails(p, E_LIBRARY_HEADER, slice_of(NULL, 0))
    h.skip = end - code.ptr
    h.line = <char*>mem_alloc(x.mem, h.skip)
    memcpy(h.line, code.ptr, h.skip)
    return read_words(h, words, split_words(h.line, h.skip, words), p)


cdef bint open_state(Ctx* x, Functions* s, int engine, Problem* p) noexcept nogil:
    if s.states[engine] == NULL:
        s.states[engine] = engine_at(engine).open(x)
        if s.states[engine] == NULL:
            return fails(p, E_SCRIPT_UNAVAILABLE, engine_at(engine).missing())
    return True


cdef bint names_are_free(LibrarySet* set, Library* lib, Problem* p) noexcept nogil:
    """Functions of libraries that leave (doomed is not NULL) do not count."""
    cdef Function* f = lib.first
    cdef Function* other
    while f != NULL:
        other = <Function*>look_up(&set.functions, function_lower(f))
        if other != NULL and other.library.doomed == NULL:
            return fails(p, E_FUNCTION_EXISTS, function_name(f))
        f = f.next
    return True


cdef bint run_code(Functions* s, Library* lib, size_t skip, int64_t limit_ms, Problem* p) noexcept nogil:
    cdef Slice code = library_code(lib)
    if not lib.type.load(s.states[lib.engine], lib, slice_of(code.ptr + skip, code.len - skip), limit_ms, &p.failure):
        return fails(p, E_FUNCTION_COMPILE if p.failure.compiling else E_FUNCTION_REGISTER,
                     slice_of(p.failure.why, strlen(p.failure.why)))
    if lib.count == 0:
        return fails(p, E_FUNCTION_NONE, slice_of(NULL, 0))
    return True


cdef bint load_into(Ctx* x, Functions* s, LibrarySet* set, Slice code, int64_t limit_ms, bint replace, Problem* p,
                    Slice* name) noexcept nogil:
    """One library more, or in the place of another of its name. False: nothing has changed but p."""
    cdef Header h
    cdef Library* lib = NULL
    cdef Library* old = NULL
    p.e = -1
    if read_header(s.x, code, &h, p):
        old = <Library*>look_up(&set.libraries, h.name)
        if old != NULL and not replace:
            fails(p, E_LIBRARY_EXISTS, h.name)
        elif open_state(x, s, h.engine, p):
            lib = library_new(x.mem, h.engine, h.name, code)
    mem_free(x.mem, h.line)
    if lib == NULL:
        return False
    if not run_code(s, lib, h.skip, limit_ms, p):
        library_free(lib, s.states[lib.engine])
        return False
    if old != NULL:
        old.doomed = lib
    if not names_are_free(set, lib, p):
        if old != NULL:
            old.doomed = NULL
        library_free(lib, s.states[lib.engine])
        return False
    if old != NULL:
        set_take(set, s.x, old)
        library_free(old, s.states[old.engine])
    set_add(set, s.x, lib)
    name[0] = library_name(lib)
    return True


cdef bint join(Functions* s, LibrarySet* more, Policy policy, Problem* p) noexcept nogil:
    """The libraries of `more` come to the live ones; it is empty then. False: nothing has changed but p."""
    cdef Library* lib = more.oldest
    cdef Library* old
    cdef Library* next
    cdef bint fine = True
    while lib != NULL and fine:                         # who leaves?
        old = <Library*>look_up(&s.live.libraries, library_name(lib))
        if old != NULL and policy == POLICY_APPEND:
            fine = fails(p, E_LIBRARY_THERE, library_name(lib))
        elif old != NULL:
            old.doomed = lib
        lib = lib.newer
    lib = more.oldest
    while lib != NULL and fine and policy != POLICY_FLUSH:
        fine = names_are_free(&s.live, lib, p)
        lib = lib.newer
    if fine and policy == POLICY_FLUSH:
        set_free(&s.live, s, False)
    lib = s.live.oldest
    while lib != NULL:
        next = lib.newer
        if lib.doomed != NULL and fine:
            set_take(&s.live, s.x, lib)
            library_free(lib, s.states[lib.engine])
        else:
            lib.doomed = NULL
        lib = next
    lib = more.oldest
    while lib != NULL and fine:
        next = lib.newer
        set_add(&s.live, s.x, lib)
        lib = next
    if fine:
        set_clear(more, s.x)
    return fine


cdef struct Reading:                # libraries that come one after the other
    Ctx* x
    Functions* s
    LibrarySet set
    int64_t limit_ms
    Problem* p


cdef int read_one(void* ctx, Slice code) noexcept nogil:
    cdef Reading* r = <Reading*>ctx
    cdef Slice name
    return -1 if load_into(r.x, r.s, &r.set, code, r.limit_ms, False, r.p, &name) else r.p.e


cdef void begin_reading(Reading* r, Ctx* x, Functions* s, int64_t limit_ms, Problem* p) noexcept nogil:
    r.x = x
    r.s = s
    r.limit_ms = limit_ms
    r.p = p
    p.e = -1
    p.what = slice_of(NULL, 0)
    set_init(&r.set, s.x)


# ---------------------------------------------------------------- FCALL

cdef bint may_run(Ctx* x, const Function* f, bint read_only) noexcept nogil:
    """False: answered."""
    if unlikely(read_only and not f.flags & CALL_READ_ONLY):
        err(x, E_SCRIPT_RO)
        return False
    if unlikely(f.flags & CALL_NO_CLUSTER) and ext_in_cluster(x):
        err(x, E_SCRIPT_NO_CLUSTER)
        return False
    return True


cdef int fcall_generic(Ctx* x, bint read_only) noexcept nogil:
    """function numkeys [key ...] [arg ...]"""
    cdef Functions* s = <Functions*>ext_room(x, ROOM_FUNCTIONS)
    cdef Function* f = function_find(s, x.argv[1])
    cdef FunctionCall c
    cdef int64_t keys
    if unlikely((<Exec*>x.exec).script.running):
        return err(x, E_SCRIPT_DENIED)          # DEBUG lets scripts call what they may not: not that
    if f == NULL:
        return err(x, E_FUNCTION_NOT_FOUND)
    if not i64_or_err(x, x.argv[2], &keys, E_FCALL_NUMKEYS):
        return 0
    if keys > x.argc - 3:
        return err(x, E_NUMKEYS_ARGS)
    if keys < 0:
        return err(x, E_KEYS_NEGATIVE)
    if not may_run(x, f, read_only):
        return 0
    c.function = f
    c.flags = f.flags
    c.keys = x.argv + 3
    c.nkeys = <int>keys
    c.args = c.keys + keys
    c.nargs = x.argc - 3 - <int>keys
    s.running = f
    s.argv = x.argv
    s.argc = x.argc
    s.began = rp_ticks()
    f.library.type.run(s.states[f.library.engine], x, &c)
    s.running = NULL
    measure(s)
    return 0


cdef int fcall_command(Ctx* x) noexcept nogil:
    return fcall_generic(x, False)


cdef int fcall_ro_command(Ctx* x) noexcept nogil:
    return fcall_generic(x, True)


cdef uint32_t gates(Exec* x, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    """What the script or function asked for declares. Nothing for one that will not run."""
    cdef Function* f
    if cmd.name[0] != c'f':
        return script_gates(x, cmd, argv, argc)
    f = function_find(<Functions*>ext_room_of(x, ROOM_FUNCTIONS), argv[1])
    return ext_gates_for(f.flags if f != NULL else CALL_READ_ONLY | CALL_ALLOW_STALE)


# ---------------------------------------------------------------- FUNCTION: what changes libraries

cdef int answer_problem(Ctx* x, const Problem* p) noexcept nogil:
    return reply_errorf(x.out, <Err>p.e, p.what, slice_of(NULL, 0))


cdef int too_many(Ctx* x) noexcept nogil:
    return reply_errorf(x.out, E_UNKNOWN_SUBCOMMAND_OR_ARITY, x.argv[1], slice_of(b"FUNCTION", 8))


cdef bint is_denied(Ctx* x) noexcept nogil:
    """Inside a script, where only DEBUG lets it come: what runs must stay."""
    if unlikely((<Exec*>x.exec).script.running):
        err(x, E_SCRIPT_DENIED)
        return True
    return False


cdef void changed(Ctx* x, Functions* s) noexcept nogil:
    """The command leaves as it came."""
    count_libraries(s)
    x.ks.ev.dirty += 1


cdef int64_t load_limit(Ctx* x) noexcept nogil:
    """What a file or a primary brings was in time where it was loaded first."""
    return 0 if ext_is_replay(x) else LOAD_MS


cdef int function_load_command(Ctx* x) noexcept nogil:
    """FUNCTION LOAD [REPLACE] code. O(length)"""
    cdef Functions* s = functions_of(x)
    cdef Problem p
    cdef Slice name
    cdef bint replace = False
    cdef int i
    if is_denied(x):
        return 0
    for i in range(2, x.argc - 1):
        if not word_is(x.argv[i], b"replace"):
            return err_a(x, E_FUNCTION_LOAD_OPTION, x.argv[i])
        replace = True
    if not load_into(x, s, &s.live, x.argv[x.argc - 1], load_limit(x), replace, &p, &name):
        measure(s)
        return answer_problem(x, &p)
    changed(x, s)
    return reply_bulk(x.out, name.ptr, name.len)


cdef int function_delete_command(Ctx* x) noexcept nogil:
    """FUNCTION DELETE library. O(functions)"""
    cdef Functions* s = functions_of(x)
    cdef Library* lib = <Library*>look_up(&s.live.libraries, x.argv[2])
    if is_denied(x):
        return 0
    if lib == NULL:
        return err(x, E_LIBRARY_NOT_FOUND)
    set_take(&s.live, s.x, lib)
    library_free(lib, s.states[lib.engine])
    changed(x, s)
    return reply_ok(x.out)


cdef int function_flush_command(Ctx* x) noexcept nogil:
    """FUNCTION FLUSH [ASYNC|SYNC]. O(functions) either way: a state has no part that could be left for later."""
    cdef Functions* s = functions_of(x)
    if x.argc > 3:
        return too_many(x)
    if x.argc == 3 and not word_is(x.argv[2], b"sync") and not word_is(x.argv[2], b"async"):
        return err(x, E_FUNCTION_FLUSH)
    if is_denied(x):
        return 0
    functions_flush(s)
    changed(x, s)
    return reply_ok(x.out)


cdef int function_restore_command(Ctx* x) noexcept nogil:
    """FUNCTION RESTORE payload [FLUSH|APPEND|REPLACE]. O(length). All libraries come, or none."""
    cdef Functions* s = functions_of(x)
    cdef Policy policy = POLICY_APPEND
    cdef Problem p
    cdef Reading r
    cdef int refused
    if x.argc > 4:
        return too_many(x)
    if x.argc == 4:
        if word_is(x.argv[3], b"flush"):
            policy = POLICY_FLUSH
        elif word_is(x.argv[3], b"replace"):
            policy = POLICY_REPLACE
        elif not word_is(x.argv[3], b"append"):
            return err(x, E_FUNCTION_POLICY)
    if is_denied(x):
        return 0
    begin_reading(&r, x, s, load_limit(x), &p)
    refused = ext_read_functions(x, x.argv[2], read_one, &r)
    if refused >= 0 and p.e < 0:
        p.e = refused
    if p.e >= 0 or not join(s, &r.set, policy, &p):
        set_free(&r.set, s, False)
        measure(s)
        return answer_problem(x, &p)
    changed(x, s)
    return reply_ok(x.out)


# ---------------------------------------------------------------- FUNCTION: what looks at them

cdef int function_dump_command(Ctx* x) noexcept nogil:
    """FUNCTION DUMP. O(length of all)"""
    cdef Functions* s = functions_of(x)
    cdef Library* lib = s.live.oldest
    cdef Slice* codes = <Slice*>mem_alloc(x.mem, (s.live.libraries.used + 1) * sizeof(Slice))
    cdef int n = 0
    while lib != NULL:
        codes[n] = library_code(lib)
        n += 1
        lib = lib.newer
    ext_reply_functions(x, codes, n)
    mem_free(x.mem, codes)
    return 0


cdef void list_function(Out* out, const Function* f) noexcept nogil:
    cdef Slice s = function_description(f)
    cdef const char* flag
    cdef int n = 0, i = 0
    reply_map(out, 3)
    reply_bulk_text(out, b"name")
    reply_bulk(out, function_name(f).ptr, f.name_len)
    reply_bulk_text(out, b"description")
    if f.described:
        reply_bulk(out, s.ptr, s.len)
    else:
        reply_null(out)
    reply_bulk_text(out, b"flags")
    while flag_name(i) != NULL:
        n += f.flags & flag_at(i) != 0
        i += 1
    reply_set(out, n)
    for i in range(i):
        flag = flag_name(i)
        if f.flags & flag_at(i):
            reply_status_n(out, flag, strlen(flag))


cdef void list_library(Out* out, const Library* lib, bint with_code) noexcept nogil:
    cdef Function* f = lib.first
    reply_map(out, 4 if with_code else 3)
    reply_bulk_text(out, b"library_name")
    reply_bulk(out, library_name(lib).ptr, lib.name_len)
    reply_bulk_text(out, b"engine")
    reply_bulk_text(out, lib.type.name)
    reply_bulk_text(out, b"functions")
    reply_array(out, lib.count)
    while f != NULL:
        list_function(out, f)
        f = f.next
    if with_code:
        reply_bulk_text(out, b"library_code")
        reply_bulk(out, library_code(lib).ptr, lib.code_len)


cdef int function_list_command(Ctx* x) noexcept nogil:
    """FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE]. O(functions)"""
    cdef Library* lib = functions_of(x).live.oldest
    cdef Slice pattern
    cdef bint with_code = False
    cdef Deferred length
    cdef int64_t n = 0
    cdef int i = 2
    pattern.ptr = NULL
    while i < x.argc:
        if not with_code and word_is(x.argv[i], b"withcode"):
            with_code = True
        elif pattern.ptr == NULL and word_is(x.argv[i], b"libraryname"):
            i += 1
            if i >= x.argc:
                return err(x, E_FUNCTION_LIST_NAME)
            pattern = x.argv[i]
        else:
            return err_a(x, E_FUNCTION_LIST_ARGUMENT, x.argv[i])
        i += 1
    length = reply_later(x.out)
    while lib != NULL:
        if pattern.ptr == NULL or glob_match(pattern.ptr, pattern.len, lib.text, lib.name_len, True):
            list_library(x.out, lib, with_code)
            n += 1
        lib = lib.newer
    reply_length(x.out, length, c'*', n)
    return 0


cdef void show_running(Ctx* x, Functions* s) noexcept nogil:
    cdef int i
    if s.running == NULL:
        reply_null(x.out)
        return
    reply_map(x.out, 3)
    reply_bulk_text(x.out, b"name")
    reply_bulk(x.out, function_name(s.running).ptr, s.running.name_len)
    reply_bulk_text(x.out, b"command")
    reply_array(x.out, s.argc)
    for i in range(s.argc):
        reply_bulk(x.out, s.argv[i].ptr, s.argv[i].len)
    reply_bulk_text(x.out, b"duration_ms")
    reply_int(x.out, env_ticks_ns(x.env, rp_ticks() - s.began) // 1000000)


cdef int function_stats_command(Ctx* x) noexcept nogil:
    """FUNCTION STATS. O(libraries)"""
    cdef Functions* s = functions_of(x)
    cdef int64_t[ENGINES_MAX] libraries
    cdef int64_t[ENGINES_MAX] functions
    cdef Library* lib = s.live.oldest
    cdef int i
    if s.x.script.running and not s.x.script.function:
        return err(x, E_BUSY_SCRIPT)
    memset(libraries, 0, sizeof(libraries))
    memset(functions, 0, sizeof(functions))
    while lib != NULL:
        libraries[lib.engine] += 1
        functions[lib.engine] += lib.count
        lib = lib.newer
    reply_map(x.out, 2)
    reply_bulk_text(x.out, b"running_script")
    show_running(x, s)
    reply_bulk_text(x.out, b"engines")
    reply_map(x.out, engine_count())
    for i in range(engine_count()):
        reply_bulk_text(x.out, engine_at(i).name)
        reply_map(x.out, 2)
        reply_bulk_text(x.out, b"libraries_count")
        reply_int(x.out, libraries[i])
        reply_bulk_text(x.out, b"functions_count")
        reply_int(x.out, functions[i])
    return 0


cdef int function_kill_command(Ctx* x) noexcept nogil:
    cdef Functions* s = functions_of(x)
    if not s.x.script.running:
        return err(x, E_NOTBUSY)
    if not s.x.script.function:
        return err(x, E_BUSY_SCRIPT)
    if s.x.script.wrote:
        return err(x, E_UNKILLABLE)
    s.x.script.killed = True
    return reply_ok(x.out)


# ---------------------------------------------------------------- what the engine's owner asks

class Face:
    """Libraries of an Engine, for saving and loading; called by it."""

    @staticmethod
    def sources(engine):
        """The code of all libraries, in the order of loading: a list of bytes."""
        cdef Functions* s = <Functions*>ext_room_of(ext_exec(engine), ROOM_FUNCTIONS)
        cdef Library* lib = s.live.oldest if s != NULL else NULL
        codes = []
        while lib != NULL:
            codes.append(library_code(lib).ptr[:lib.code_len])
            lib = lib.newer
        return codes

    @staticmethod
    def load(engine, list codes, bint replace):
        """Loads all libraries or none; why not, as text, or None. replace: those of the same name leave."""
        cdef Ctx x
        cdef Functions* s
        cdef Problem p
        cdef Reading r
        cdef Slice code
        ext_context(ext_exec(engine), &x)
        s = functions_of(&x)
        begin_reading(&r, &x, s, 0, &p)
        for text in codes:
            code = slice_of(<bytes?>text, len(text))
            if p.e < 0:
                read_one(&r, code)
        if p.e >= 0 or not join(s, &r.set, POLICY_REPLACE if replace else POLICY_APPEND, &p):
            set_free(&r.set, s, False)
            count_libraries(s)
            text = err_text(<Err>p.e).decode()
            return text.replace("%s", p.what.ptr[:p.what.len].decode("utf-8", "replace") if p.what.len else "")
        count_libraries(s)
        return None

    @staticmethod
    def flush(engine):
        """All libraries leave."""
        cdef Functions* s = <Functions*>ext_room_of(ext_exec(engine), ROOM_FUNCTIONS)
        if s != NULL:
            functions_flush(s)


ext_on_functions(Face)
ext_on_script_gates(gates)
bind(b"fcall", fcall_command)
bind(b"fcall_ro", fcall_ro_command)
bind(b"function|load", function_load_command)
bind(b"function|delete", function_delete_command)
bind(b"function|flush", function_flush_command)
bind(b"function|restore", function_restore_command)
bind(b"function|dump", function_dump_command)
bind(b"function|list", function_list_command)
bind(b"function|stats", function_stats_command)
bind(b"function|kill", function_kill_command)
