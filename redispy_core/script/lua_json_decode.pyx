"""JSON text to Lua values: a lexer that names what it finds, and a recursive descent.

Room `script`; `lua_cjson` calls `json_decode`. Error texts carry the name of the token that was found and its place,
counted from 1, as scripts find them in Redis.

The text is a Lua string at index 1 of the stack, which keeps it alive; a NUL follows it, and a NUL inside is the text's
end, so no bound is checked byte by byte. A string is pushed the moment that it is read. What it takes to unfold escapes
goes into a userdata at index 2, as long as the rest of the text, made when the first escape comes.

Recursion is bounded twice: by the setting, and by Lua's stack, which ends at 8,000 slots.
"""
from libc.stdint cimport uint64_t
from libc.string cimport memcpy
from ..base.rp cimport likely
from .luaapi cimport LuaApi, lua_State

cdef extern from *:
    """
    #include <locale.h>
    #include <stdlib.h>
    #if defined(__APPLE__)
    #include <xlocale.h>
    #endif
    static locale_t rp_json_locale;
    static int rp_json_setup(void) { rp_json_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); return 0; }
    static double rp_json_strtod(const char *s, char **end) { return strtod_l(s, end, rp_json_locale); }
    /* What ends a run of plain bytes within a JSON string. */
    static const unsigned char rp_json_stop[256] = { [0] = 1, ['"'] = 1, ['\\\\'] = 1 };
    static const double rp_json_pow10[23] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13,
        1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    """
    int rp_json_setup() nogil
    double rp_json_strtod(const char* s, char** end) nogil
    const unsigned char[256] rp_json_stop
    const double[23] rp_json_pow10

cdef enum Token:
    T_OBJ_BEGIN
    T_OBJ_END
    T_ARR_BEGIN
    T_ARR_END
    T_STRING                           # its value has been pushed
    T_NUMBER                           # in `number`
    T_BOOLEAN                          # in `truth`
    T_NULL
    T_COLON
    T_COMMA
    T_END
    T_ERROR                            # described in `problem`

cdef struct Reader:
    const LuaApi* lua
    lua_State* L
    const char* text
    const char* p                      # next byte to read
    const char* at                     # where the token, or what is wrong with it, begins
    const char* problem
    char* scratch                      # room for a string with escapes, NULL until one comes
    double number
    Token token
    int depth
    int max_depth
    bint truth
    bint odd_numbers                   # nan, inf, hexadecimal, leading zeros and +


cdef const char* token_name(Reader* r) noexcept nogil:
    if r.token == T_OBJ_BEGIN:
        return b"T_OBJ_BEGIN"
    if r.token == T_OBJ_END:
        return b"T_OBJ_END"
    if r.token == T_ARR_BEGIN:
        return b"T_ARR_BEGIN"
    if r.token == T_ARR_END:
        return b"T_ARR_END"
    if r.token == T_STRING:
        return b"T_STRING"
    if r.token == T_NUMBER:
        return b"T_NUMBER"
    if r.token == T_BOOLEAN:
        return b"T_BOOLEAN"
    if r.token == T_NULL:
        return b"T_NULL"
    if r.token == T_COLON:
        return b"T_COLON"
    if r.token == T_COMMA:
        return b"T_COMMA"
    if r.token == T_END:
        return b"T_END"
    return r.problem


cdef void fail(Reader* r, const char* expected) noexcept nogil:
    r.lua.L_error(r.L, b"Expected %s but found %s at character %d", expected, token_name(r), <int>(r.at - r.text) + 1)


cdef inline void wrong(Reader* r, const char* at, const char* problem) noexcept nogil:
    r.token, r.at, r.problem = T_ERROR, at, problem


# --- the lexer

cdef void next_token(Reader* r) noexcept nogil:
    cdef const char* p = r.p
    cdef char c = p[0]
    while c == c' ' or c == c'\n' or c == c'\r' or c == c'\t':
        p += 1
        c = p[0]
    r.at = p
    if c == c'"':
        read_string(r, p)
    elif c == c',':
        r.token, r.p = T_COMMA, p + 1
    elif c == c':':
        r.token, r.p = T_COLON, p + 1
    elif (c >= c'0' and c <= c'9') or c == c'-':
        read_number(r, p)
    elif c == c'{':
        r.token, r.p = T_OBJ_BEGIN, p + 1
    elif c == c'}':
        r.token, r.p = T_OBJ_END, p + 1
    elif c == c'[':
        r.token, r.p = T_ARR_BEGIN, p + 1
    elif c == c']':
        r.token, r.p = T_ARR_END, p + 1
    elif c == 0:
        r.token, r.p = T_END, p
    else:
        read_word(r, p)


cdef bint spells(const char* p, const char* lower) noexcept nogil:
    """Whether the word begins here, in any case."""
    while lower[0]:
        if (p[0] | 0x20) != lower[0]:
            return False
        p += 1
        lower += 1
    return True


cdef void read_word(Reader* r, const char* p) noexcept nogil:
    # The text ends in a NUL, at which each comparison stops.
    if p[0] == c't' and p[1] == c'r' and p[2] == c'u' and p[3] == c'e':
        r.token, r.truth, r.p = T_BOOLEAN, True, p + 4
    elif p[0] == c'f' and p[1] == c'a' and p[2] == c'l' and p[3] == c's' and p[4] == c'e':
        r.token, r.truth, r.p = T_BOOLEAN, False, p + 5
    elif p[0] == c'n' and p[1] == c'u' and p[2] == c'l' and p[3] == c'l':
        r.token, r.p = T_NULL, p + 4
    elif r.odd_numbers and (p[0] == c'+' or spells(p, b"nan") or spells(p, b"inf")):
        read_any_number(r, p)
    else:
        wrong(r, p, b"invalid token")


cdef bint plain_number(Reader* r, const char* p) noexcept nogil:
    """Reads digits, fraction and exponent if the result is exact: up to 2^53 times or by up to 10^22. Else False."""
    cdef uint64_t mantissa = 0
    cdef int digits = 0, scale = 0, exponent = 0
    cdef bint minus = p[0] == c'-', below = False
    cdef const char* start
    cdef const char* q
    p += minus
    start = p
    while p[0] >= c'0' and p[0] <= c'9':
        mantissa = mantissa * 10 + <uint64_t>(p[0] - c'0')
        p += 1
    digits = <int>(p - start) if p - start < 100 else 100
    if digits == 0 or (start[0] == c'0' and digits > 1) or (p[0] | 0x20) == c'x':
        return False
    if p[0] == c'.':
        p += 1
        start = p
        while p[0] >= c'0' and p[0] <= c'9':
            mantissa = mantissa * 10 + <uint64_t>(p[0] - c'0')
            p += 1
        scale = -<int>(p - start) if p - start < 100 else -100
    if digits - scale > 19:
        return False
    if (p[0] | 0x20) == c'e':
        q = p + 1
        below = q[0] == c'-'
        q += below or q[0] == c'+'
        start = q
        while q[0] >= c'0' and q[0] <= c'9' and q - start < 4:
            exponent = exponent * 10 + (q[0] - c'0')
            q += 1
        if q - start >= 4:
            return False
        if q > start:                                      # else the e belongs to what follows
            scale += -exponent if below else exponent
            p = q
    if mantissa > <uint64_t>1 << 53 or scale < -22 or scale > 22:
        return False
    r.number = <double>mantissa / rp_json_pow10[-scale] if scale < 0 else <double>mantissa * rp_json_pow10[scale]
    if minus:
        r.number = -r.number
    r.token, r.p = T_NUMBER, p
    return True


cdef void read_any_number(Reader* r, const char* p) noexcept nogil:
    """Whatever strtod takes."""
    cdef char* end = NULL
    r.number = rp_json_strtod(p, &end)
    if end == p:
        wrong(r, p, b"invalid number")
    else:
        r.token, r.p = T_NUMBER, end


cdef void read_number(Reader* r, const char* p) noexcept nogil:
    cdef const char* q = p + (p[0] == c'-')
    if likely(plain_number(r, p)):
        return
    if not r.odd_numbers and (spells(q, b"inf") or spells(q, b"nan")
                              or (q[0] == c'0' and ((q[1] | 0x20) == c'x' or (q[1] >= c'0' and q[1] <= c'9')))):
        wrong(r, p, b"invalid number")
    else:
        read_any_number(r, p)


# --- strings

cdef void read_string(Reader* r, const char* p) noexcept nogil:
    cdef const char* start = p + 1
    cdef const char* q = start
    while not rp_json_stop[<unsigned char>q[0]]:
        q += 1
    if likely(q[0] == c'"'):
        r.lua.pushlstring(r.L, start, <size_t>(q - start))
        r.token, r.p = T_STRING, q + 1
    elif q[0] == 0:
        wrong(r, q, b"unexpected end of string")
    else:
        read_escaped(r, start, q)


cdef void read_escaped(Reader* r, const char* start, const char* q) noexcept nogil:
    """A string from `start` whose first escape is at q."""
    cdef char* to
    cdef size_t n = 0
    if r.scratch == NULL:
        r.lua.tolstring(r.L, 1, &n)                        # unfolding makes no string longer
        r.scratch = <char*>r.lua.newuserdata(r.L, n - <size_t>(start - r.text) + 1)
        r.lua.replace(r.L, 2)
    to = r.scratch
    while True:
        n = <size_t>(q - start)
        memcpy(to, start, n)
        to += n
        if q[0] == c'"':
            break
        if q[0] == 0:
            wrong(r, q, b"unexpected end of string")
            return
        start = unescape(r, q, &to)
        if start == NULL:
            return
        q = start
        while not rp_json_stop[<unsigned char>q[0]]:
            q += 1
    r.lua.pushlstring(r.L, r.scratch, <size_t>(to - r.scratch))
    r.token, r.p = T_STRING, q + 1


cdef const char* unescape(Reader* r, const char* p, char** to) noexcept nogil:
    """Writes what the escape at p stands for and returns where it ends; NULL: `problem` says what is wrong."""
    cdef char c = p[1]
    if c == c'u':
        return unescape_unicode(r, p, to)
    if c == c'n':
        c = c'\n'
    elif c == c't':
        c = c'\t'
    elif c == c'r':
        c = c'\r'
    elif c == c'b':
        c = 8
    elif c == c'f':
        c = 12
    elif c != c'"' and c != c'\\' and c != c'/':
        wrong(r, p, b"invalid escape code")
        return NULL
    to[0][0] = c
    to[0] += 1
    return p + 2


cdef int hex4(const char* p) noexcept nogil:
    """Value of four hexadecimal digits, or -1."""
    cdef int v = 0, i
    cdef char c
    for i in range(4):
        c = p[i]
        if c >= c'0' and c <= c'9':
            v = v * 16 + c - c'0'
        elif (c | 0x20) >= c'a' and (c | 0x20) <= c'f':
            v = v * 16 + (c | 0x20) - c'a' + 10
        else:
            return -1
    return v


cdef const char* unescape_unicode(Reader* r, const char* p, char** to) noexcept nogil:
    cdef int code = hex4(p + 2), low
    cdef const char* end = p + 6
    cdef char* t = to[0]
    if code >= 0xD800 and code <= 0xDFFF:                  # the first of a pair must come first, the second must follow
        low = hex4(end + 2) if code < 0xDC00 and end[0] == c'\\' and end[1] == c'u' else -1
        code = 0x10000 + ((code & 0x3FF) << 10) + (low & 0x3FF) if low >= 0xDC00 and low <= 0xDFFF else -1
        end += 6
    if code < 0:
        wrong(r, p, b"invalid unicode escape code")
        return NULL
    if code < 0x80:
        t[0] = <char>code
        to[0] = t + 1
    elif code < 0x800:
        t[0], t[1] = <char>(0xC0 | code >> 6), <char>(0x80 | (code & 0x3F))
        to[0] = t + 2
    elif code < 0x10000:
        t[0], t[1], t[2] = <char>(0xE0 | code >> 12), <char>(0x80 | (code >> 6 & 0x3F)), <char>(0x80 | (code & 0x3F))
        to[0] = t + 3
    else:
        t[0], t[1] = <char>(0xF0 | code >> 18), <char>(0x80 | (code >> 12 & 0x3F))
        t[2], t[3] = <char>(0x80 | (code >> 6 & 0x3F)), <char>(0x80 | (code & 0x3F))
        to[0] = t + 4
    return end


# --- values

cdef void descend(Reader* r) noexcept nogil:
    r.depth += 1
    if r.depth > r.max_depth or not r.lua.checkstack(r.L, 4):
        r.lua.L_error(r.L, b"Found too many nested data structures (%d) at character %d", r.depth,
                      <int>(r.at - r.text) + 1)


cdef void push_value(Reader* r) noexcept nogil:
    """Pushes the value that begins with the token just read."""
    if r.token == T_STRING:
        return
    if r.token == T_NUMBER:
        r.lua.pushnumber(r.L, r.number)
    elif r.token == T_OBJ_BEGIN:
        push_object(r)
    elif r.token == T_ARR_BEGIN:
        push_array(r)
    elif r.token == T_BOOLEAN:
        r.lua.pushboolean(r.L, r.truth)
    elif r.token == T_NULL:
        r.lua.pushlightuserdata(r.L, NULL)
    else:
        fail(r, b"value")


cdef void push_object(Reader* r) noexcept nogil:
    descend(r)
    r.lua.createtable(r.L, 0, 0)
    next_token(r)
    if r.token != T_OBJ_END:
        while True:
            if r.token != T_STRING:
                fail(r, b"object key string")
            next_token(r)
            if r.token != T_COLON:
                fail(r, b"colon")
            next_token(r)
            push_value(r)
            r.lua.rawset(r.L, -3)
            next_token(r)
            if r.token == T_OBJ_END:
                break
            if r.token != T_COMMA:
                fail(r, b"comma or object end")
            next_token(r)
    r.depth -= 1


cdef void push_array(Reader* r) noexcept nogil:
    cdef int i = 0
    descend(r)
    r.lua.createtable(r.L, 0, 0)
    next_token(r)
    if r.token != T_ARR_END:
        while True:
            push_value(r)
            i += 1
            r.lua.rawseti(r.L, -2, i)
            next_token(r)
            if r.token == T_ARR_END:
                break
            if r.token != T_COMMA:
                fail(r, b"comma or array end")
            next_token(r)
    r.depth -= 1


cdef void json_decode(const LuaApi* lua, lua_State* L, int max_depth, bint odd_numbers) noexcept nogil:
    cdef Reader r
    cdef size_t n = 0
    r.lua, r.L, r.scratch, r.depth, r.max_depth, r.odd_numbers = lua, L, NULL, 0, max_depth, odd_numbers
    r.text = r.p = lua.tolstring(L, 1, &n)
    if n >= 2 and (not r.text[0] or not r.text[1]):
        lua.L_error(L, b"JSON parser does not support UTF-16 or UTF-32")
    lua.pushnil(L)                                         # index 2: the scratch
    next_token(&r)
    push_value(&r)
    next_token(&r)
    if r.token != T_END:
        fail(&r, b"the end")


rp_json_setup()
