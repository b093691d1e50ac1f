"""Files and functions stay small enough to read. Limits and exceptions: sizes.py; `scripts/house` prints the report."""
import sizes
import source as src

BODY = "    x = 1\n"


def test_nothing_is_over_its_limit():
    assert sizes.violations(src.read_all()) == []


def test_tests_are_measured_too():
    assert sizes.violations(src.read_all(packages=("tests", "scripts", "bench")), {}, {}) == []


def test_long_function_is_refused_and_may_be_allowed():
    sample = src.scan("redispy_core/x.pyx", "cdef int f(int a,\n           int b) noexcept nogil:\n" + BODY * 120)
    assert sizes.violations([sample], {}, {}) == ["redispy_core/x.pyx::f (line 1) has 122 lines, the limit is 100"]
    assert sizes.violations([sample], {"redispy_core/x.pyx::f": "a table"}, {}) == []
    assert sizes.violations([], {"redispy_core/x.pyx::f": "a table"}, {}) != []


def test_long_file_is_refused():
    assert sizes.violations([src.scan("redispy_core/x.py", "x = 1\n" * 1501)], {}, {}) != []
    assert sizes.violations([src.scan("redispy_core/x.py", "x = 1\n" * 1500)], {}, {}) == []


def test_functions_of_cython_are_seen_with_their_lengths():
    text = '''
cdef inline int64_t* find(Dict* d, const char* key) except? NULL:
    """Doc with def inside:
def not_a_function(x):
    """
    cdef int x = f(1)
    if x:
        return NULL

    # last comment

cdef class Face:
    cdef int number
    cdef public object other
    cpdef bint check(self):
        return True
    @property
    def value(self): return 1
cdef int declared(int x) noexcept nogil
ctypedef int (*callback)(int) noexcept nogil
async def later():
    pass
'''
    found = {f.name: (f.line, f.length) for f in src.functions(src.scan("a.pyx", text))}
    assert found == {"find": (2, 7), "check": (15, 2), "value": (18, 1), "later": (21, 2)}
