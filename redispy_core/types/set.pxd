# A set: intset, listpack or hashtable behind one API. A Set is two words by value; a key's is taken with set_of and
# put back with set_keep after a change. Members go in and out as SetEl, text or integer, whichever the encoding has.
from libc.stdint cimport int8_t, int64_t, uint8_t, uint64_t
from ..base.env cimport Env
from ..base.mem cimport Mem
from ..base.num cimport num_parse_i64, num_print_i64
from ..structs.dict cimport Dict, DictIter
from .object cimport Encoding, Robj, robj_enc, robj_ptr, robj_retag, robj_set_ptr, OBJ_SET

cdef struct Set:
    Encoding enc                # ENC_INTSET, ENC_LISTPACK or ENC_HT
    void* p                     # Intset*, listpack, Dict* of entries (set_entry_text); NULL: no set

cdef struct SetEl:              # a member; borrowed bytes. Not to be copied: s may point to text
    const char* s               # NULL: the integer v, not printed yet
    size_t n
    int64_t v
    uint64_t hash               # of the text, if hashed: one for all sets of an engine
    int8_t is_int               # -1: not known yet
    bint hashed
    char[24] text

cdef struct SetIter:
    Encoding enc
    const void* p
    size_t i                    # intset: the next one
    const uint8_t* at           # listpack: the next one, or NULL
    DictIter d

cdef struct SetBag:             # members chosen from a set
    Encoding enc
    int64_t* words              # integers (intset), positions (listpack) or entries (hashtable)
    size_t n
    void* block                 # the listpack that the words point into, owned; or NULL
    bint owned                  # the entries are the bag's

ctypedef enum SetAdded:
    SET_NO_MEMORY = -1          # for a long member; the set is as it was
    SET_WAS_THERE = 0
    SET_ADDED = 1

cdef inline void el_of_text(SetEl* el, const char* s, size_t n) noexcept nogil:
    el.s = s
    el.n = n
    el.is_int = -1
    el.hashed = False

cdef inline void el_of_int(SetEl* el, int64_t v) noexcept nogil:
    el.s = NULL
    el.v = v
    el.is_int = 1
    el.hashed = False

cdef inline bint el_int(SetEl* el) noexcept nogil:                  # is it a canonical integer? Then el.v
    if el.is_int < 0:
        el.is_int = el.n <= 20 and num_parse_i64(el.s, el.n, &el.v)
    return el.is_int

cdef inline const char* el_text(SetEl* el) noexcept nogil:          # its bytes; el.n is valid afterwards
    if el.s == NULL:
        el.n = num_print_i64(el.text, el.v)
        el.s = el.text
    return el.s

cdef inline Set set_of(const Robj* o) noexcept nogil:               # NULL gives no set
    cdef Set s
    s.enc = robj_enc(o) if o != NULL else <Encoding>0
    s.p = robj_ptr(o) if o != NULL else NULL
    return s

cdef inline void set_keep(Robj* o, const Set* s) noexcept nogil:    # o is what set_of was given
    robj_retag(o, OBJ_SET, s.enc)
    robj_set_ptr(o, s.p)

# --- life. Knobs: set-max-intset-entries, set-max-listpack-entries, set-max-listpack-value
cdef Set set_new(Mem* m, Env* e, Encoding enc) noexcept nogil                   # O(1); empty
cdef Set set_for(Mem* m, Env* e, SetEl* first, size_t expected) noexcept nogil  # empty, in the encoding for a first member and so many
cdef void set_expect(Mem* m, Env* e, Set* s, size_t more) noexcept nogil        # so many are about to be added: converts at once if they alone are too many
cdef void set_to_table(Mem* m, Env* e, Set* s, size_t expected) noexcept nogil  # O(n); hashtable with room
cdef void set_free(Mem* m, Set* s) noexcept nogil                               # O(n); leaves no set; NULL is fine
cdef Set set_dup(Mem* m, const Set* s) noexcept nogil                           # O(n)
cdef size_t set_size(const Set* s) noexcept nogil                               # O(1); no set: 0

# --- members. O(1) in a hashtable, O(log n) to find in an intset, else O(n) of a small set
cdef SetAdded set_add(Mem* m, Env* e, Set* s, SetEl* el) noexcept nogil         # converts as the knobs ask
cdef SetAdded set_put(Mem* m, Env* e, Set* s, SetEl* el) noexcept nogil         # the same; no set: makes one
cdef bint set_remove(Mem* m, Set* s, SetEl* el) noexcept nogil                  # False: was no member; never converts
cdef bint set_has(const Set* s, SetEl* el) noexcept nogil
cdef void set_iter(SetIter* it, const Set* s) noexcept nogil                    # the set must not change until set_iter_end
cdef bint set_next(SetIter* it, SetEl* el) noexcept nogil                       # False: no more
cdef void set_iter_end(SetIter* it) noexcept nogil

# --- chance. The set is not empty
cdef void set_random(Env* e, const Set* s, SetEl* el) noexcept nogil            # uniform; O(1), listpack O(n)
cdef void* set_pop(Mem* m, Env* e, Set* s, SetEl* el) noexcept nogil            # takes a uniform member out; mem_free what it returns after the last use of el
cdef void set_every(Mem* m, const Set* s, SetBag* bag) noexcept nogil           # all, borrowed; O(n)
cdef void set_sample(Mem* m, Env* e, const Set* s, size_t count, SetBag* bag) noexcept nogil    # count <= size distinct ones, borrowed; O(count), O(n) when it is a third or more
cdef void set_pop_many(Mem* m, Env* e, Set* s, size_t count, SetBag* bag) noexcept nogil        # count < size distinct ones, taken out
cdef void bag_get(const SetBag* bag, size_t i, SetEl* el) noexcept nogil
cdef void bag_free(Mem* m, SetBag* bag) noexcept nogil

cdef const char* set_entry_text(const void* entry, size_t* n) noexcept nogil    # of a hashtable's entry
