"""EVAL, EVALSHA, SCRIPT and the cache of scripts (contract: eval.pxd). Room script.

    Scripts -+- by_sha:  dict of Script by its 20 bytes       EVALSHA
             +- by_body: the same by their text               EVAL: a known text needs no SHA1
             +- newest .. oldest: what EVAL brought           beyond EVICTABLE_MAX the oldest goes

A Script is one block with its text. SCRIPT LOAD takes a script out of the list: it stays until SCRIPT FLUSH, which
closes the whole Lua state. The state is made by the first script and not before.

The first line of a script may name its flags (#!lua flags=no-writes,...); they decide which states of the server refuse
it as a whole (script_gates). A script without such a line is judged call by call.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy, strlen
from ..base.codec cimport sha1, sha1_hex
from ..base.mem cimport mem_alloc, mem_calloc, mem_free, mem_usable
from ..base.rp cimport likely, unlikely
from ..base.sds cimport Slice, slice_of
from ..ext cimport (CALL_ALLOW_OOM, CALL_ALLOW_STALE, CALL_COMPAT, CALL_CROSS_SLOTS, CALL_NO_CLUSTER, CALL_READ_ONLY,
                    E_BUSY_FUNCTION, E_KEYS_NEGATIVE, E_NOSCRIPT, E_NOTBUSY, E_NUMKEYS_ARGS, E_SCRIPT_COMPILE,
                    E_SCRIPT_DEBUG, E_SCRIPT_DENIED, E_SCRIPT_FLUSH, E_SCRIPT_NO_CLUSTER, E_SCRIPT_RO,
                    E_SCRIPT_UNAVAILABLE, E_SHEBANG, E_SHEBANG_ENGINE, E_SHEBANG_ENGINE_MISSING, E_SHEBANG_FLAG,
                    E_SHEBANG_OPTION, E_UNKILLABLE, ROOM_SCRIPTS, Command, Ctx, Err, Exec, bind, err, err_a,
                    ext_exec, ext_figures, ext_gates_for, ext_in_cluster, ext_room, ext_room_of,
                    ext_room_set, i64_or_reply, reply_array, reply_bulk, reply_int, reply_ok, word_is)
from ..structs.dict cimport (Dict, DictType, dict_clear, dict_find, dict_hash, dict_init, dict_insert, dict_remove)
from .lua cimport (LuaCall, LuaRuntime, lua_compile, lua_forget, lua_missing, lua_open, lua_run, lua_shut)
from .luaapi cimport LUA_NOREF

cdef enum:
    EVICTABLE_MAX = 500             # scripts that EVAL brought and that stay
    SHEBANG_MAX = 1024              # bytes of the first line

cdef struct Flag:
    const char* name
    uint32_t bit

cdef Flag[5] FLAGS
FLAGS[0] = Flag(b"no-writes", CALL_READ_ONLY)
FLAGS[1] = Flag(b"allow-oom", CALL_ALLOW_OOM)
FLAGS[2] = Flag(b"allow-stale", CALL_ALLOW_STALE)
FLAGS[3] = Flag(b"no-cluster", CALL_NO_CLUSTER)
FLAGS[4] = Flag(b"allow-cross-slot-keys", CALL_CROSS_SLOTS)


# ---------------------------------------------------------------- the cache

cdef const char* sha_of(const void* entry, size_t* n) noexcept nogil:
    n[0] = 20
    return <const char*>(<const Script*>entry).sha


cdef const char* body_of(const void* entry, size_t* n) noexcept nogil:
    n[0] = (<const Script*>entry).len
    return (<Script*>entry).body


cdef DictType sha_type
sha_type.key_of = sha_of
sha_type.free_entry = NULL
cdef DictType body_type
body_type.key_of = body_of
body_type.free_entry = NULL


cdef Scripts* scripts_of(Ctx* x) noexcept nogil:
    cdef Scripts* s = <Scripts*>ext_room(x, ROOM_SCRIPTS)
    if unlikely(s == NULL):
        s = <Scripts*>mem_calloc(x.mem, sizeof(Scripts))
        s.x = <Exec*>x.exec
        dict_init(&s.by_sha, &sha_type, x.env)
        dict_init(&s.by_body, &body_type, x.env)
        ext_room_set(x, ROOM_SCRIPTS, s, free_scripts)
    return s


cdef Script* script_find(Scripts* s, const uint8_t* sha) noexcept nogil:
    if s.by_sha.used == 0:
        return NULL
    return <Script*>dict_find(&s.by_sha, <const char*>sha, 20, dict_hash(&s.by_sha, <const char*>sha, 20))


cdef Script* script_find_body(Scripts* s, Slice body) noexcept nogil:
    if s.by_body.used == 0:
        return NULL
    return <Script*>dict_find(&s.by_body, body.ptr, body.len, dict_hash(&s.by_body, body.ptr, body.len))


cdef void leave_list(Scripts* s, Script* k) noexcept nogil:
    if k.newer != NULL:
        k.newer.older = k.older
    else:
        s.newest = k.older
    if k.older != NULL:
        k.older.newer = k.newer
    else:
        s.oldest = k.newer
    s.evictable -= 1


cdef void enter_list(Scripts* s, Script* k) noexcept nogil:
    k.newer = NULL
    k.older = s.newest
    if s.newest != NULL:
        s.newest.newer = k
    else:
        s.oldest = k
    s.newest = k
    s.evictable += 1


cdef inline void used_now(Scripts* s, Script* k) noexcept nogil:
    if not k.stays and s.newest != k:
        leave_list(s, k)
        enter_list(s, k)


cdef void count(Scripts* s, int64_t bytes, int scripts) noexcept nogil:
    ext_figures(s.x).cache_bytes[0] += bytes
    ext_figures(s.x).scripts += scripts


cdef void drop_script(Scripts* s, Script* k) noexcept nogil:
    """k stands in no list. Its Lua function goes with it."""
    dict_remove(s.x.mem, &s.by_sha, <const char*>k.sha, 20, dict_hash(&s.by_sha, <const char*>k.sha, 20))
    dict_remove(s.x.mem, &s.by_body, k.body, k.len, dict_hash(&s.by_body, k.body, k.len))
    lua_forget(s.rt, k.ref)
    count(s, -<int64_t>mem_usable(k), -1)
    mem_free(s.x.mem, k)


cdef void evict(Scripts* s) noexcept nogil:
    cdef Script* k
    while s.evictable > EVICTABLE_MAX:
        k = s.oldest
        leave_list(s, k)
        drop_script(s, k)
        ext_figures(s.x).evicted += 1


cdef bint open_runtime(Ctx* x, Scripts* s) noexcept nogil:
    """False: there is no Lua, and the client knows."""
    if likely(s.rt != NULL):
        return True
    s.rt = lua_open(x, False, NULL)
    if s.rt == NULL:
        err_a(x, E_SCRIPT_UNAVAILABLE, lua_missing())
        return False
    ext_figures(s.x).vm_used[0] = &s.rt.mem.used
    return True


cdef Script* add_script(Ctx* x, Scripts* s, Slice body) noexcept nogil:
    """Compiles and caches a new script; NULL: the error has been answered. O(length)."""
    cdef size_t skip = 0
    cdef int64_t flags = shebang_flags(x, body, &skip)
    cdef Script* k
    cdef int ref
    if flags < 0 or not open_runtime(x, s):
        return NULL
    ref = lua_compile(s.rt, slice_of(body.ptr + skip, body.len - skip), b"@user_script")
    if ref == LUA_NOREF:
        err_a(x, E_SCRIPT_COMPILE, slice_of(s.rt.problem, strlen(s.rt.problem)))
        return NULL
    k = <Script*>mem_calloc(x.mem, sizeof(Script) + body.len)
    k.ref = ref
    k.flags = <uint32_t>flags
    k.len = body.len
    memcpy(k.body, body.ptr, body.len)
    sha1(body.ptr, body.len, k.sha)
    sha1_hex(body.ptr, body.len, k.hexa)
    dict_insert(x.mem, &s.by_sha, dict_hash(&s.by_sha, <const char*>k.sha, 20), k)
    dict_insert(x.mem, &s.by_body, dict_hash(&s.by_body, k.body, k.len), k)
    count(s, mem_usable(k), 1)
    enter_list(s, k)
    evict(s)
    return k


cdef void free_list(Scripts* s) noexcept nogil:
    """Frees all scripts and their state; the dicts are empty afterwards."""
    cdef DictType owning
    cdef Exec* x = s.x
    if s.rt != NULL:
        ext_figures(x).vm_used[0] = NULL
        lua_shut(s.rt)
        s.rt = NULL
    dict_clear(x.mem, &s.by_body)
    owning.key_of = sha_of
    owning.free_entry = mem_free
    s.by_sha.type = &owning
    dict_clear(x.mem, &s.by_sha)
    s.by_sha.type = &sha_type
    s.newest = s.oldest = NULL
    s.evictable = 0
    ext_figures(x).cache_bytes[0] = 0
    ext_figures(x).scripts = 0


cdef void free_scripts(Exec* x, void* state) noexcept nogil:
    free_list(<Scripts*>state)
    mem_free(x.mem, state)


# ---------------------------------------------------------------- the first line

cdef int split_words(char* line, size_t n, Slice* words) noexcept nogil:
    """Words between blanks, quotes taken off, in place; their number, -1: unbalanced quotes or too many."""
    cdef size_t i = 0, out = 0
    cdef int count = 0
    cdef char quote
    while True:
        while i < n and (line[i] == 32 or line[i] == 9 or line[i] == 13):
            i += 1
        if i == n:
            return count
        if count == SHEBANG_WORDS:
            return -1
        words[count].ptr = line + out
        words[count].len = out
        while i < n and line[i] != 32 and line[i] != 9 and line[i] != 13:
            quote = line[i]
            if quote != 34 and quote != 39:
                line[out] = line[i]
                out += 1
                i += 1
                continue
            i += 1
            while i < n and line[i] != quote:
                line[out] = line[i]
                out += 1
                i += 1
            if i == n:
                return -1
            i += 1
            if i < n and line[i] != 32 and line[i] != 9 and line[i] != 13:
                return -1
        words[count].len = out - words[count].len
        count += 1


cdef int64_t complain(Ctx* x, Err e, Slice what) noexcept nogil:
    if x != NULL:
        err_a(x, e, what)
    return -1


cdef uint32_t flag_bit(Slice name) noexcept nogil:
    cdef int i
    for i in range(5):
        if strlen(FLAGS[i].name) == name.len and memcmp(FLAGS[i].name, name.ptr, name.len) == 0:
            return FLAGS[i].bit
    return 0


cdef const char* flag_name(int i) noexcept nogil:
    return FLAGS[i].name if i < 5 else NULL


cdef uint32_t flag_at(int i) noexcept nogil:
    return FLAGS[i].bit


cdef int64_t read_flags(Ctx* x, Slice list) noexcept nogil:
    """a,b,c -> bits; -1: one is unknown."""
    cdef int64_t flags = 0
    cdef const char* comma
    cdef Slice name
    cdef uint32_t bit
    if list.len == 0:
        return 0
    while True:
        comma = <const char*>memchr(list.ptr, 44, list.len)
        name = slice_of(list.ptr, <size_t>(comma - list.ptr) if comma != NULL else list.len)
        bit = flag_bit(name)
        if bit == 0:
            return complain(x, E_SHEBANG_FLAG, name)
        flags |= bit
        if comma == NULL:
            return flags
        list = slice_of(comma + 1, list.len - name.len - 1)


cdef int64_t shebang_flags(Ctx* x, Slice body, size_t* skip) noexcept nogil:
    """#!lua [flags=a,b] and a line break, which stays so that lines keep their numbers."""
    cdef char[SHEBANG_MAX] line
    cdef Slice[SHEBANG_WORDS] words
    cdef const char* end
    cdef int64_t flags = 0, more
    cdef int n, i
    skip[0] = 0
    if body.len < 2 or body.ptr[0] != c'#' or body.ptr[1] != c'!':
        return CALL_COMPAT
    end = <const char*>memchr(body.ptr, 10, body.len)
    if end == NULL or end - body.ptr >= SHEBANG_MAX:
        return complain(x, E_SHEBANG, body)
    skip[0] = end - body.ptr
    memcpy(line, body.ptr, skip[0])
    n = split_words(line, skip[0], words)
    if n < 1:
        return complain(x, E_SHEBANG_ENGINE_MISSING, body)
    if words[0].len != 5 or memcmp(words[0].ptr, b"#!lua", 5) != 0:
        return complain(x, E_SHEBANG_ENGINE, words[0])
    for i in range(1, n):
        if words[i].len < 6 or memcmp(words[i].ptr, b"flags=", 6) != 0:
            return complain(x, E_SHEBANG_OPTION, words[i])
        more = read_flags(x, slice_of(words[i].ptr + 6, words[i].len - 6))
        if more < 0:
            return -1
        flags |= more
    return flags


# ---------------------------------------------------------------- EVAL

cdef inline int nibble(unsigned char c) noexcept nogil:
    if c >= 48 and c <= 57:
        return c - 48
    c |= 32
    return c - 87 if c >= 97 and c <= 102 else -1


cdef bint read_sha(Slice text, uint8_t* sha) noexcept nogil:
    cdef int i, high, low
    if text.len != 40:
        return False
    for i in range(20):
        high = nibble(text.ptr[2 * i])
        low = nibble(text.ptr[2 * i + 1])
        if high < 0 or low < 0:
            return False
        sha[i] = high << 4 | low
    return True


cdef Script* find_requested(Scripts* s, bint by_sha, Slice text) noexcept nogil:
    cdef uint8_t[20] sha
    if not by_sha:
        return script_find_body(s, text)
    return script_find(s, sha) if read_sha(text, sha) else NULL


cdef bint may_run(Ctx* x, const Script* k, bint read_only) noexcept nogil:
    """False: answered."""
    if k.flags & CALL_COMPAT:
        return True
    if unlikely(read_only and not k.flags & CALL_READ_ONLY):
        err(x, E_SCRIPT_RO)
        return False
    if unlikely(k.flags & CALL_NO_CLUSTER) and ext_in_cluster(x):
        err(x, E_SCRIPT_NO_CLUSTER)
        return False
    return True


cdef int eval_generic(Ctx* x, bint by_sha, bint read_only) noexcept nogil:
    """script|sha1 numkeys [key ...] [arg ...]"""
    cdef Scripts* s = scripts_of(x)
    cdef Script* k
    cdef LuaCall c
    cdef int64_t keys
    if unlikely(s.x.script.running):
        return err(x, E_SCRIPT_DENIED)          # DEBUG lets scripts call what they may not: not that
    if by_sha and x.argv[1].len != 40:
        return err(x, E_NOSCRIPT)
    if not i64_or_reply(x, x.argv[2], &keys):
        return 0
    if keys > x.argc - 3:
        return err(x, E_NUMKEYS_ARGS)
    if keys < 0:
        return err(x, E_KEYS_NEGATIVE)
    k = find_requested(s, by_sha, x.argv[1])
    if unlikely(k == NULL):
        if by_sha:
            return err(x, E_NOSCRIPT)
        k = add_script(x, s, x.argv[1])
        if k == NULL:
            return 0
    else:
        used_now(s, k)
    if not may_run(x, k, read_only):
        return 0
    c.ref = k.ref
    c.name = k.hexa
    c.name_len = 40
    c.flags = k.flags | CALL_READ_ONLY if read_only else k.flags
    c.keys = x.argv + 3
    c.nkeys = <int>keys
    c.args = c.keys + keys
    c.nargs = x.argc - 3 - <int>keys
    c.as_arguments = False
    lua_run(s.rt, x, &c)
    return 0


cdef int eval_command(Ctx* x) noexcept nogil:
    return eval_generic(x, False, False)


cdef int evalsha_command(Ctx* x) noexcept nogil:
    return eval_generic(x, True, False)


cdef int eval_ro_command(Ctx* x) noexcept nogil:
    return eval_generic(x, False, True)


cdef int evalsha_ro_command(Ctx* x) noexcept nogil:
    return eval_generic(x, True, True)


cdef uint32_t script_gates(Exec* x, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    """What the script asked for declares. Nothing for one that will not run."""
    cdef Scripts* s = <Scripts*>ext_room_of(x, ROOM_SCRIPTS)
    cdef bint by_sha = cmd.name_len >= 7
    cdef Script* k = find_requested(s, by_sha, argv[1]) if s != NULL else NULL
    cdef int64_t flags
    cdef size_t skip
    if k != NULL:
        return ext_gates_for(k.flags)
    flags = shebang_flags(NULL, argv[1], &skip) if not by_sha else -1
    return ext_gates_for(<uint32_t>flags if flags >= 0 else CALL_READ_ONLY | CALL_ALLOW_STALE)


# ---------------------------------------------------------------- SCRIPT

cdef int script_load_command(Ctx* x) noexcept nogil:
    """SCRIPT LOAD script. O(length). It stays until SCRIPT FLUSH."""
    cdef Scripts* s = scripts_of(x)
    cdef Script* k = script_find_body(s, x.argv[2])
    if k == NULL:
        k = add_script(x, s, x.argv[2])
        if k == NULL:
            return 0
    if not k.stays:
        leave_list(s, k)
        k.stays = True
    return reply_bulk(x.out, k.hexa, 40)


cdef int script_exists_command(Ctx* x) noexcept nogil:
    cdef Scripts* s = scripts_of(x)
    cdef int i
    reply_array(x.out, x.argc - 2)
    for i in range(2, x.argc):
        reply_int(x.out, find_requested(s, True, x.argv[i]) != NULL)
    return 0


cdef int script_show_command(Ctx* x) noexcept nogil:
    """SCRIPT SHOW sha1: the script's text. (Valkey)"""
    cdef Script* k = find_requested(scripts_of(x), True, x.argv[2])
    return reply_bulk(x.out, k.body, k.len) if k != NULL else err(x, E_NOSCRIPT)


cdef int script_flush_command(Ctx* x) noexcept nogil:
    """SCRIPT FLUSH [ASYNC|SYNC]. O(scripts) either way: a Lua state has no part that could be left for later."""
    cdef Scripts* s = scripts_of(x)
    if x.argc > 3 or (x.argc == 3 and not word_is(x.argv[2], b"sync") and not word_is(x.argv[2], b"async")):
        return err(x, E_SCRIPT_FLUSH)
    if s.x.script.running:
        return err(x, E_SCRIPT_DENIED)
    free_list(s)
    return reply_ok(x.out)


cdef int script_kill_command(Ctx* x) noexcept nogil:
    cdef Scripts* s = scripts_of(x)
    if not s.x.script.running:
        return err(x, E_NOTBUSY)
    if s.x.script.function:
        return err(x, E_BUSY_FUNCTION)
    if s.x.script.wrote:
        return err(x, E_UNKILLABLE)
    s.x.script.killed = True
    return reply_ok(x.out)


cdef int script_debug_command(Ctx* x) noexcept nogil:
    """SCRIPT DEBUG YES|SYNC|NO. There is no debugger: scripts run as ever."""
    if word_is(x.argv[2], b"yes") or word_is(x.argv[2], b"sync") or word_is(x.argv[2], b"no"):
        return reply_ok(x.out)
    return err(x, E_SCRIPT_DEBUG)


def limit_memory(engine, size_t limit):
    """Tests: the memory that the engine's EVAL state may use from now on, in bytes. It must exist."""
    cdef Scripts* s = <Scripts*>ext_room_of(ext_exec(engine), ROOM_SCRIPTS)
    if s == NULL or s.rt == NULL:
        raise RuntimeError("the engine has run no script yet")
    s.rt.memory_limit = limit


bind(b"eval", eval_command)
bind(b"eval_ro", eval_ro_command)
bind(b"evalsha", evalsha_command)
bind(b"evalsha_ro", evalsha_ro_command)
bind(b"script|load", script_load_command)
bind(b"script|exists", script_exists_command)
bind(b"script|show", script_show_command)
bind(b"script|flush", script_flush_command)
bind(b"script|kill", script_kill_command)
bind(b"script|debug", script_debug_command)
