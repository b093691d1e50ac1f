# The cache of scripts, and the commands EVAL, EVALSHA and SCRIPT.
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from ..base.env cimport Env
from ..base.mem cimport Mem
from ..base.sds cimport Slice
from ..ext cimport Command, Ctx, Exec
from ..structs.dict cimport Dict
from .lua cimport LuaRuntime

cdef enum:
    SHEBANG_WORDS = 16

cdef struct Script:                 # one cached script, with its text
    uint8_t sha[20]
    char hexa[40]                   # the same as text
    int ref                         # compiled, in the runtime's registry
    uint32_t flags                  # CALL_*
    bint stays                      # loaded by SCRIPT LOAD: never evicted
    Script* newer                   # of those that EVAL brought, by their last use
    Script* older
    size_t len
    char body[1]

cdef struct Scripts:                # what the room keeps for an engine
    Exec* x
    LuaRuntime* rt                  # NULL: not needed yet, or flushed
    Dict by_sha
    Dict by_body
    Script* newest
    Script* oldest
    int64_t evictable               # scripts in that list

cdef Scripts* scripts_of(Ctx* x) noexcept nogil                               # made when first asked for
cdef Script* script_find(Scripts* s, const uint8_t* sha) noexcept nogil       # O(1); NULL: none
cdef Script* script_find_body(Scripts* s, Slice body) noexcept nogil          # O(length)
cdef int64_t shebang_flags(Ctx* x, Slice body, size_t* skip) noexcept nogil   # CALL_* flags, and where the text for Lua begins; -1: answered (x may be NULL: then silent)
cdef int split_words(char* line, size_t n, Slice* words) noexcept nogil       # between blanks, quotes taken off, in place; their number, -1: unbalanced, or more than SHEBANG_WORDS
cdef uint32_t flag_bit(Slice name) noexcept nogil                             # CALL_* of a flag's name; 0: unknown
cdef const char* flag_name(int i) noexcept nogil                              # NULL behind the last
cdef uint32_t flag_at(int i) noexcept nogil
cdef uint32_t script_gates(Exec* x, Command* cmd, const Slice* argv, int argc) noexcept nogil   # Gate bits that the script of an EVAL asks for
