# The extension interface, C part: what rooms above the engine (script, modules) may use of the rooms below it.
# First version: what scripts need. A command gets a Ctx; its state for an engine is a room (ext_room).
from libc.stdint cimport int64_t, uint32_t, uint64_t
from .base.sds cimport Slice
from .exec.client cimport Client, Ctx
from .exec.dispatch cimport Exec, RunningScript, ScriptFigures, script_gates_fn
from .exec.registry cimport Command, bind
from .exec.args cimport err, err_a, i64_or_err, i64_or_reply, word_is
from .proto.errors cimport Err, err_text
from .proto.errors cimport (
    E_BUSY_FUNCTION, E_GENERAL, E_KEYS_NEGATIVE, E_NOSCRIPT, E_NOTBUSY, E_NUMKEYS_ARGS, E_SCRIPT_ACL_COMMAND, E_SCRIPT_ARG_TYPES,
    E_SCRIPT_BAD_ARGS, E_SCRIPT_COMPILE, E_SCRIPT_DEBUG, E_SCRIPT_DENIED, E_SCRIPT_ERROR, E_SCRIPT_FLUSH, E_SCRIPT_KILLED,
    E_SCRIPT_LOG_ARGS, E_SCRIPT_LOG_LEVEL, E_SCRIPT_LOG_LEVEL_TYPE, E_SCRIPT_NO_ARGS, E_SCRIPT_NO_CLUSTER,
    E_SCRIPT_ONE_ARG, E_SCRIPT_REPL, E_SCRIPT_RESP, E_SCRIPT_RO, E_SCRIPT_RUN, E_SCRIPT_SHA_ARGS, E_SCRIPT_STACK,
    E_SCRIPT_UNAVAILABLE, E_SHEBANG, E_SHEBANG_ENGINE, E_SHEBANG_ENGINE_MISSING, E_SHEBANG_FLAG, E_SHEBANG_OPTION,
    E_UNKILLABLE)
from .proto.errors cimport (
    E_BUSY_SCRIPT, E_DUMP_WRONG, E_ENGINE_NOT_FOUND, E_FCALL_NUMKEYS, E_FUNCTION_COMPILE, E_FUNCTION_EXISTS,
    E_FUNCTION_FLUSH, E_FUNCTION_LIST_ARGUMENT, E_FUNCTION_LIST_NAME, E_FUNCTION_LOAD_OPTION, E_FUNCTION_NONE,
    E_FUNCTION_NOT_FOUND, E_FUNCTION_NOT_ONE, E_FUNCTION_PAYLOAD, E_FUNCTION_POLICY, E_FUNCTION_PRE_GA,
    E_FUNCTION_REGISTER, E_FUNCTION_TIMEOUT, E_FUNCTION_TWICE, E_LIBRARY_EXISTS, E_LIBRARY_HEADER, E_LIBRARY_NAME,
    E_LIBRARY_NAMED_TWICE, E_LIBRARY_NOT_FOUND, E_LIBRARY_NO_HEADER, E_LIBRARY_OPTION, E_LIBRARY_THERE,
    E_LIBRARY_UNNAMED, E_REGISTER_ARGS, E_REGISTER_CALLBACK, E_REGISTER_DESCRIPTION, E_REGISTER_FIRST,
    E_REGISTER_FLAG, E_REGISTER_FLAGS, E_REGISTER_LATE, E_REGISTER_NAME, E_REGISTER_NO_CALLBACK, E_REGISTER_NO_NAME,
    E_REGISTER_SECOND, E_REGISTER_TABLE, E_REGISTER_UNKNOWN, E_UNKNOWN_SUBCOMMAND_OR_ARITY)
from .proto.reply cimport (Block, Deferred, Out, out_mark, out_rollback, OutMark, reply_array, reply_bignum, reply_bool,
                           reply_bulk, reply_bulk_text, reply_double, reply_error, reply_error_text, reply_errorf,
                           reply_int, reply_later, reply_length, reply_map, reply_null, reply_null_array, reply_ok,
                           reply_set, reply_status_n, reply_verbatim)

cdef enum ExtRoom:
    ROOM_SCRIPTS = 0
    ROOM_FUNCTIONS = 1

ctypedef void (*room_free_fn)(Exec* x, void* state) noexcept nogil

cdef enum CallFlag:                # what a script may do (Caller.flags)
    CALL_READ_ONLY = 1             # no write commands
    CALL_ALLOW_STALE = 2
    CALL_ALLOW_OOM = 4
    CALL_NO_CLUSTER = 8
    CALL_CROSS_SLOTS = 16
    CALL_COMPAT = 32               # without a shebang line: each command is judged by itself

cdef enum:
    CALL_CACHE = 64

cdef struct CachedCommand:         # found for a name at this address (verified before use)
    const char* ptr
    size_t len
    Command* cmd

cdef struct Caller:                # runs commands for scripts: a client of its own in an engine
    Exec* x
    Client* client
    Out* out                       # the last call's reply
    uint32_t flags                 # CallFlag of the script that runs
    RunningScript* script
    int allowed                    # journal targets that the unit may reach anyway
    CachedCommand cache[CALL_CACHE]

cdef void* ext_room(Ctx* x, ExtRoom room) noexcept nogil                       # NULL: nothing kept yet
cdef void ext_room_set(Ctx* x, ExtRoom room, void* state, room_free_fn free_state) noexcept nogil
cdef void* ext_room_of(Exec* x, ExtRoom room) noexcept nogil
cdef void ext_on_script_gates(script_gates_fn fn) noexcept                     # at import: tells the Gate bits of a request that runs a script
cdef uint32_t ext_gates_for(uint32_t flags) noexcept nogil                     # Gate bits that a script with these CallFlags asks for
cdef Exec* ext_exec(object engine) except NULL                                 # of an Engine
cdef ScriptFigures* ext_figures(Exec* x) noexcept nogil
cdef bint ext_in_cluster(Ctx* x) noexcept nogil
cdef bint ext_is_replay(Ctx* x) noexcept nogil                                 # the request comes from a file or a primary
cdef void ext_log(Exec* x, int level, const char* s, size_t n) noexcept nogil  # 0 debug .. 3 warning; takes the GIL

cdef Caller* ext_caller(Ctx* x) noexcept nogil                                 # a new one, the engine's; freed with ext_caller_free
cdef void ext_caller_free(Caller* k) noexcept nogil
cdef void ext_script_begin(Caller* k, Ctx* x, uint32_t flags, bint function) noexcept nogil   # the unit's script: x.client's database, RESP2
cdef void ext_script_end(Caller* k) noexcept nogil
cdef void ext_set_repl(Caller* k, int targets) noexcept nogil                  # effects from now on: 1 AOF, 2 replicas, 3 both, 0 nowhere
cdef bint ext_script_busy(Caller* k) noexcept nogil                            # serves the loop once; True: end the script
cdef bint ext_call(Caller* k, Slice* argv, int argc) noexcept nogil            # O(command); the reply in k.out; False: refused (an error stands there)
cdef int ext_may_run(Caller* k, const Slice* argv, int argc) noexcept nogil    # ACL: 1 yes, 0 no, -1 no such command

# Libraries of functions as RDB bytes, and where the rooms below find those of an engine.
cdef int ext_reply_functions(Ctx* x, const Slice* codes, int n) noexcept nogil  # answers a payload: a record each, and DUMP's footer. O(bytes)
ctypedef int (*each_code_fn)(void* ctx, Slice code) noexcept nogil             # an Err, or -1: go on
cdef int ext_read_functions(Ctx* x, Slice payload, each_code_fn each, void* ctx) noexcept nogil   # hands out the records; an Err, or -1: all went well
cdef void ext_context(Exec* x, Ctx* ctx) noexcept nogil                        # what is not done for a command: as the engine's own client
cdef int ext_on_functions(object face) except -1                               # at import: what Engine.function_sources and its like ask
