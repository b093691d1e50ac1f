# The languages of functions: what an engine gives to FUNCTION and FCALL, and what it calls back. An engine is a table of
# C functions, added once at import; nothing in functions.pyx knows one of them.
from libc.stdint cimport int64_t, uint32_t
from ..base.mem cimport Mem
from ..base.sds cimport Slice, slice_of
from ..ext cimport Ctx

cdef enum:
    ENGINES_MAX = 4                 # languages in a process
    WHY_MAX = 1024                  # bytes of what is told of a failed load

cdef struct Library:                # one library in one block, with its name and code
    EngineType* type
    int engine                      # its index
    Mem* mem
    Function* first                 # in the order of registration
    Function* last
    int count
    Library* older                  # of a set, in the order of loading
    Library* newer
    Library* doomed                 # leaves when another takes its place (functions.pyx)
    size_t name_len
    size_t code_len                 # with the first line
    char text[1]                    # name, code

cdef struct Function:               # one function in one block
    Library* library
    Function* next
    int64_t handle                  # the engine's
    uint32_t flags                  # CALL_* (ext)
    bint described
    size_t name_len
    size_t description_len
    char text[1]                    # name, name in lower case, description

cdef struct FunctionCall:           # what FCALL asks for
    const Function* function
    uint32_t flags                  # CALL_* that hold for this call
    Slice* keys
    int nkeys
    Slice* args
    int nargs

cdef struct Failure:                # of a load
    bint compiling                  # else registering
    char why[WHY_MAX]               # ends with NUL

cdef struct EngineType:
    const char* name                # FUNCTION LIST shows it; a library names it behind #!, in any case
    void* (*open)(Ctx* x) noexcept nogil                     # a state of its own; NULL: missing() tells why. [GIL: may take it]
    void (*shut)(void* state) noexcept nogil                 # all its libraries are gone
    Slice (*missing)() noexcept nogil
    size_t (*used)(void* state) noexcept nogil               # bytes; O(1)
    # Runs the code (without its first line, but with the line break) once; it registers functions by library_add.
    # limit_ms: how long it may run, 0: for ever. False: f tells why, and what was registered is forgotten by the caller.
    bint (*load)(void* state, Library* lib, Slice code, int64_t limit_ms, Failure* f) noexcept nogil
    void (*forget)(void* state, int64_t handle) noexcept nogil
    void (*run)(void* state, Ctx* x, const FunctionCall* c) noexcept nogil     # as a unit's script; exactly one reply in x.out

cdef int engine_add(EngineType* type) noexcept nogil                          # at import; its index, -1: there are too many
cdef int engine_count() noexcept nogil
cdef EngineType* engine_at(int i) noexcept nogil
cdef int engine_find(Slice name) noexcept nogil                               # -1: none; any case

cdef Library* library_new(Mem* m, int engine, Slice name, Slice code) noexcept nogil
cdef int library_add(Library* lib, Slice name, int64_t handle, uint32_t flags, const Slice* description) noexcept nogil   # for engines; an Err if refused, else -1. description may be NULL
cdef void library_free(Library* lib, void* state) noexcept nogil              # its functions too; state NULL: the engine has forgotten already
cdef size_t library_bytes(const Library* lib) noexcept nogil                  # O(functions)
cdef bint name_is_valid(Slice name) noexcept nogil                            # letters, digits, underscores

cdef inline Slice library_name(const Library* lib) noexcept nogil:
    return slice_of((<Library*>lib).text, lib.name_len)

cdef inline Slice library_code(const Library* lib) noexcept nogil:
    return slice_of((<Library*>lib).text + lib.name_len, lib.code_len)

cdef inline Slice function_name(const Function* f) noexcept nogil:
    return slice_of((<Function*>f).text, f.name_len)

cdef inline Slice function_lower(const Function* f) noexcept nogil:           # names are the same in any case
    return slice_of((<Function*>f).text + f.name_len, f.name_len)

cdef inline Slice function_description(const Function* f) noexcept nogil:
    return slice_of((<Function*>f).text + 2 * f.name_len, f.description_len)
