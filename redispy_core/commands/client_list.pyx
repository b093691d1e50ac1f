"""CLIENT LIST, INFO and KILL, and the filters that say which clients are meant. Room commands.

Redis knows ID, TYPE, USER, ADDR, LADDR, SKIPME and MAXAGE for KILL, and TYPE or ID for LIST; the others, and all NOT-
forms, are Valkey's, for both commands. A filter that is given twice counts as it was given last, but for ids, which add
up. CLIENT LIST ID with nothing but ids answers in their order, each as often as it was named.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memchr, memset, strlen
from ..base.mem cimport mem_alloc, mem_free
from ..base.num cimport num_parse_i64, num_print_i64
from ..base.sds cimport Sds, Slice, sds_append, sds_free, sds_new, slice_of
from ..exec.acl cimport acl_user_exists
from ..exec.args cimport bytes_equal, err, err_a, i64_or_err, syntax_error, word_is
from ..exec.client cimport (CL_CLOSE_AFTER_REPLY, CL_CLOSE_ASAP, CL_FAKE, CL_MONITOR, CL_PRIMARY, CL_PUBSUB, CL_REPLICA,
                            Client, Ctx, client_by_id, client_close)
from ..exec.client_info cimport ADDR_MAX, client_addr, client_flags, client_info
from ..exec.dispatch cimport Exec
from ..exec.registry cimport bind
from ..proto.errors cimport (E_CLIENT_ID_INVALID, E_CLIENT_ID_POSITIVE, E_CLIENT_TYPE, E_FILTER_CAPA, E_FILTER_DB_INT,
                             E_FILTER_DB_RANGE, E_FILTER_FLAGS, E_FILTER_NOT_CAPA, E_FILTER_NOT_DB_RANGE,
                             E_FILTER_NOT_FLAGS, E_IDLE_INT, E_IDLE_POSITIVE, E_MAXAGE_INT, E_MAXAGE_POSITIVE,
                             E_NO_SUCH_CLIENT, E_NO_SUCH_USER, E_SYNTAX, Err)
from ..proto.reply cimport reply_int, reply_ok, reply_verbatim

cdef const char* FLAG_LETTERS = b"bcdeirtuxABEIMNOPRSTU"
cdef const char* CAPA_LETTERS = b"r"

cdef enum ClientType:
    TYPE_ANY = -1
    TYPE_NORMAL = 0
    TYPE_REPLICA = 1
    TYPE_PUBSUB = 2
    TYPE_PRIMARY = 3
    TYPE_UNKNOWN = 4


cdef ClientType type_of_word(Slice s) noexcept nogil:
    if word_is(s, b"normal"):
        return TYPE_NORMAL
    if word_is(s, b"replica") or word_is(s, b"slave"):
        return TYPE_REPLICA
    if word_is(s, b"pubsub"):
        return TYPE_PUBSUB
    if word_is(s, b"master") or word_is(s, b"primary"):
        return TYPE_PRIMARY
    return TYPE_UNKNOWN


cdef ClientType type_of_client(const Client* c) noexcept nogil:
    if c.flags & CL_PRIMARY:
        return TYPE_PRIMARY
    if c.flags & CL_REPLICA and not c.flags & CL_MONITOR:
        return TYPE_REPLICA
    return TYPE_PUBSUB if c.flags & CL_PUBSUB else TYPE_NORMAL


cdef inline Exec* exec_of(Ctx* x) noexcept nogil:
    return <Exec*>x.exec


# ---------------------------------------------------------------- filters

cdef enum TextFilter:               # those that compare texts
    F_USER = 0
    F_ADDR = 1
    F_LADDR = 2
    F_NAME = 3
    F_FLAGS = 4
    F_LIB_NAME = 5
    F_LIB_VER = 6
    F_CAPA = 7
    F_IP = 8
    TEXT_FILTERS = 9

cdef const char* text_words[TEXT_FILTERS]
text_words[:] = [b"user", b"addr", b"laddr", b"name", b"flags", b"lib-name", b"lib-ver", b"capa", b"ip"]

cdef struct Asked:                  # of one kind of filter, the plain ones or the NOT- ones
    int64_t* ids
    int count
    int type                        # ClientType
    int64_t db                      # -1: any
    Slice text[TEXT_FILTERS]        # ptr NULL: any

cdef struct Filters:
    Asked want
    Asked never
    int64_t max_age                 # seconds; 0: any
    int64_t idle                    # likewise
    bint skip_me


cdef void open_filters(Ctx* x, Filters* f, bint skip_me) noexcept nogil:
    memset(f, 0, sizeof(Filters))
    f.want.type = f.never.type = TYPE_ANY
    f.want.db = f.never.db = -1
    f.want.ids = <int64_t*>mem_alloc(x.mem, 2 * x.argc * sizeof(int64_t))
    f.never.ids = f.want.ids + x.argc
    f.skip_me = skip_me


cdef bint positive_or_err(Ctx* x, Slice s, int64_t* out, Err bad, Err low) noexcept nogil:
    if not i64_or_err(x, s, out, bad):
        return False
    if out[0] < 1:
        err(x, low)
        return False
    return True


cdef int take_ids(Ctx* x, Asked* a, int i, bint never) noexcept nogil:
    """All integers from argument i on; how many arguments, 0: the error has been answered."""
    cdef int64_t id
    cdef int first = i
    while i < x.argc and num_parse_i64(x.argv[i].ptr, x.argv[i].len, &id):
        if id < 1:
            err(x, E_CLIENT_ID_POSITIVE)
            return 0
        a.ids[a.count] = id
        a.count += 1
        i += 1
    if i == first:
        err(x, E_SYNTAX if never else E_CLIENT_ID_POSITIVE)
    return i - first


cdef bint letters_known(Slice s, const char* known) noexcept nogil:
    cdef size_t i
    for i in range(s.len):
        if memchr(known, s.ptr[i], strlen(known)) == NULL:
            return False
    return True


cdef bint text_or_reply(Ctx* x, Asked* a, int which, Slice value, bint never) noexcept nogil:
    if which == F_USER and not acl_user_exists(exec_of(x), value):
        err_a(x, E_NO_SUCH_USER, value)
        return False
    if which == F_FLAGS and not letters_known(value, FLAG_LETTERS):
        err_a(x, E_FILTER_NOT_FLAGS if never else E_FILTER_FLAGS, value)
        return False
    if which == F_CAPA and not letters_known(value, CAPA_LETTERS):
        err_a(x, E_FILTER_NOT_CAPA if never else E_FILTER_CAPA, value)
        return False
    a.text[which] = value
    if value.ptr == NULL:
        a.text[which].ptr = b""
    return True


cdef bint db_or_reply(Ctx* x, Asked* a, Slice value, bint never) noexcept nogil:
    cdef char[24] buf
    if not i64_or_err(x, value, &a.db, E_FILTER_DB_INT):
        return False
    if a.db < 0 or a.db >= x.ks.ndbs:
        err_a(x, E_FILTER_NOT_DB_RANGE if never else E_FILTER_DB_RANGE,
              slice_of(buf, num_print_i64(buf, x.ks.ndbs - 1)))
        return False
    return True


cdef int asked_or_reply(Ctx* x, Asked* a, int i, Slice word, bint never) noexcept nogil:
    """A filter that has a NOT- form too: how many arguments it took, 0: the error has been answered."""
    cdef Slice value = x.argv[i + 1]
    cdef int which
    if word_is(word, b"id"):
        which = take_ids(x, a, i + 1, never)
        return which + 1 if which else 0
    if word_is(word, b"type"):
        a.type = type_of_word(value)
        if a.type == TYPE_UNKNOWN:
            err_a(x, E_CLIENT_TYPE, value)
        return 2 if a.type != TYPE_UNKNOWN else 0
    if word_is(word, b"db"):
        return 2 if db_or_reply(x, a, value, never) else 0
    for which in range(TEXT_FILTERS):
        if word_is(word, text_words[which]):
            return 2 if text_or_reply(x, a, which, value, never) else 0
    syntax_error(x)
    return 0


cdef inline bint is_not_form(Slice word) noexcept nogil:
    return word.len > 4 and word_is(slice_of(word.ptr, 4), b"not-")


cdef int filter_or_reply(Ctx* x, Filters* f, int i) noexcept nogil:
    cdef Slice word = x.argv[i]
    cdef Slice value
    if i + 1 == x.argc:
        syntax_error(x)
        return 0
    value = x.argv[i + 1]
    if word_is(word, b"maxage"):
        return 2 if positive_or_err(x, value, &f.max_age, E_MAXAGE_INT, E_MAXAGE_POSITIVE) else 0
    if word_is(word, b"idle"):
        return 2 if positive_or_err(x, value, &f.idle, E_IDLE_INT, E_IDLE_POSITIVE) else 0
    if word_is(word, b"skipme") and (word_is(value, b"yes") or word_is(value, b"no")):
        f.skip_me = word_is(value, b"yes")
        return 2
    if is_not_form(word):
        return asked_or_reply(x, &f.never, i, slice_of(word.ptr + 4, word.len - 4), True)
    return asked_or_reply(x, &f.want, i, word, False)


cdef bint filters_or_reply(Ctx* x, Filters* f) noexcept nogil:
    cdef int i = 2
    cdef int took
    while i < x.argc:
        took = filter_or_reply(x, f, i)
        if took == 0:
            return False
        i += took
    return True


# ---------------------------------------------------------------- which clients are meant

cdef Slice user_of(const Client* c) noexcept nogil:
    return slice_of(c.user.data, c.user.len) if c.user != NULL else slice_of(b"default", 7)


cdef Slice ip_of(Slice addr) noexcept nogil:
    """Without the port, and without the brackets of IPv6."""
    while addr.len and addr.ptr[addr.len - 1] != 58:
        addr.len -= 1
    addr.len -= addr.len > 0
    if addr.len > 1 and addr.ptr[0] == 91:
        return slice_of(addr.ptr + 1, addr.len - 2)
    return addr


cdef bint has_letters(const Client* c, Slice letters) noexcept nogil:
    cdef char[32] own
    cdef size_t n = client_flags(c, own)
    cdef size_t i
    for i in range(letters.len):
        if memchr(own, letters.ptr[i], n) == NULL:
            return False
    return True


cdef bint text_fits(const Client* c, int which, Slice s) noexcept nogil:
    cdef char[ADDR_MAX] buf
    cdef const Sds* own
    if which == F_USER:
        return c.authenticated and bytes_equal(s, user_of(c))
    if which == F_ADDR or which == F_LADDR:
        return bytes_equal(s, slice_of(buf, client_addr(c, buf, which == F_LADDR)))
    if which == F_IP:
        return bytes_equal(s, ip_of(slice_of(buf, client_addr(c, buf, False))))
    if which == F_FLAGS:
        return has_letters(c, s)
    if which == F_CAPA:
        return s.len == 0           # there is no capability that a client could have announced
    own = c.name if which == F_NAME else c.lib_name if which == F_LIB_NAME else c.lib_ver
    return own != NULL and bytes_equal(s, slice_of(own.data, own.len))


cdef bint id_among(const Asked* a, uint64_t id) noexcept nogil:
    cdef int i
    for i in range(a.count):
        if <uint64_t>a.ids[i] == id:
            return True
    return False


cdef bint is_meant(Ctx* x, const Client* c, const Filters* f) noexcept nogil:
    cdef int i
    if c.flags & (CL_FAKE | CL_CLOSE_ASAP) or (f.skip_me and c == x.client):
        return False
    if (f.want.count and not id_among(&f.want, c.id)) or id_among(&f.never, c.id):
        return False
    if (f.want.type != TYPE_ANY and type_of_client(c) != f.want.type) or type_of_client(c) == f.never.type:
        return False
    if (f.want.db >= 0 and c.db.id != f.want.db) or c.db.id == f.never.db:
        return False
    if f.max_age and (x.env.now_ms - c.created_ms) // 1000 < f.max_age:
        return False
    if f.idle and (x.env.now_ms - c.active_ms) // 1000 < f.idle:
        return False
    for i in range(TEXT_FILTERS):
        if f.want.text[i].ptr != NULL and not text_fits(c, i, f.want.text[i]):
            return False
        if f.never.text[i].ptr != NULL and text_fits(c, i, f.never.text[i]):
            return False
    return True


# ---------------------------------------------------------------- CLIENT INFO and LIST

cdef int reply_info_text(Ctx* x, Sds* s) noexcept nogil:
    reply_verbatim(x.out, s.data, s.len, b"txt")
    sds_free(x.mem, s)
    return 0


cdef Sds* info_line(Ctx* x, Client* c, Sds* s) noexcept nogil:
    cdef size_t bytes = 0
    cdef int i
    for i in range(x.argc):
        bytes += x.argv[i].len
    return sds_append(x.mem, client_info(exec_of(x), c, bytes, s), b"\n", 1)


cdef int client_info_command(Ctx* x) noexcept nogil:
    return reply_info_text(x, info_line(x, x.client, sds_new(x.mem, NULL, 0)))


cdef bint only_ids(Ctx* x) noexcept nogil:
    """CLIENT LIST ID id ..., without filters of Valkey's behind the ids."""
    cdef int64_t id
    cdef int i = 3
    if x.argc < 4 or not word_is(x.argv[2], b"id"):
        return False
    while i < x.argc and num_parse_i64(x.argv[i].ptr, x.argv[i].len, &id):
        i += 1
    return i < 4 or i == x.argc or not is_filter_word(x.argv[i])


cdef bint is_filter_word(Slice word) noexcept nogil:
    cdef int i
    if is_not_form(word):
        word = slice_of(word.ptr + 4, word.len - 4)
    for i in range(TEXT_FILTERS):
        if word_is(word, text_words[i]):
            return True
    return (word_is(word, b"id") or word_is(word, b"type") or word_is(word, b"db") or word_is(word, b"skipme")
            or word_is(word, b"maxage") or word_is(word, b"idle"))


cdef int list_ids(Ctx* x) noexcept nogil:
    cdef Sds* s
    cdef Client* c
    cdef int64_t id
    cdef int i
    for i in range(3, x.argc):
        if not i64_or_err(x, x.argv[i], &id, E_CLIENT_ID_INVALID):
            return 0
    s = sds_new(x.mem, NULL, 0)
    for i in range(3, x.argc):
        num_parse_i64(x.argv[i].ptr, x.argv[i].len, &id)
        c = client_by_id(&exec_of(x).clients, id)
        if c != NULL and not c.flags & CL_FAKE:
            s = info_line(x, c, s)
    return reply_info_text(x, s)


cdef int client_list_command(Ctx* x) noexcept nogil:
    """CLIENT LIST [ID id ...] | [filter value ...]."""
    cdef Client* c = exec_of(x).clients.first
    cdef Filters f
    cdef Sds* s
    if only_ids(x):
        return list_ids(x)
    open_filters(x, &f, False)
    if filters_or_reply(x, &f):
        s = sds_new(x.mem, NULL, 0)
        while c != NULL:
            if is_meant(x, c, &f):
                s = info_line(x, c, s)
            c = c.next
        reply_info_text(x, s)
    mem_free(x.mem, f.want.ids)
    return 0


# ---------------------------------------------------------------- CLIENT KILL

cdef int64_t kill_meant(Ctx* x, const Filters* f) noexcept nogil:
    """The caller, if it is among them, still gets its reply."""
    cdef Client* c = exec_of(x).clients.first
    cdef int64_t killed = 0
    while c != NULL:
        if is_meant(x, c, f):
            killed += 1
            if c == x.client:
                c.flags |= CL_CLOSE_AFTER_REPLY
            else:
                client_close(&exec_of(x).clients, c)
        c = c.next
    return killed


cdef int client_kill_command(Ctx* x) noexcept nogil:
    """CLIENT KILL addr | filter value ..."""
    cdef Filters f
    cdef int64_t killed
    open_filters(x, &f, x.argc != 3)
    if x.argc == 3:                 # the old form
        f.want.text[<int>F_ADDR] = x.argv[2]
        killed = kill_meant(x, &f)
        if killed:
            reply_ok(x.out)
        else:
            err(x, E_NO_SUCH_CLIENT)
    elif filters_or_reply(x, &f):
        reply_int(x.out, kill_meant(x, &f))
    mem_free(x.mem, f.want.ids)
    return 0


bind(b"client|info", client_info_command)
bind(b"client|list", client_list_command)
bind(b"client|kill", client_kill_command)
