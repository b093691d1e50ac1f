"""Hash commands but those on field expiries (hash_expiry). Room commands.

A field whose time is past counts as missing where a single one is asked for, and goes with that (field_due); HLEN
counts it, HSET and HDEL find it: looking would cost more than it is worth, as in Redis.
"""
from libc.float cimport LDBL_MAX
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint64_t
from ..base.env cimport env_rand_below
from ..base.mem cimport mem_alloc, mem_calloc, mem_free
from ..base.num cimport LD_BUF, add_overflows, num_parse_i64, num_parse_ld, num_print_i64, num_print_ld
from ..base.rp cimport likely, unlikely
from ..base.sds cimport Slice, slice_of
from ..exec.args cimport (err, i64_or_reply, ld_or_reply, syntax_error, type_or_reply, word_is, wrong_arity)
from ..exec.client cimport Ctx
from ..exec.registry cimport bind
from ..exec.scan cimport (SCAN_ACCEPTS_NOVALUES, Scan, scan_cursor_or_reply, scan_dict, scan_empty, scan_flat_begin,
                          scan_matches, scan_options_or_reply)
from ..keyspace.db cimport db_add, db_delete, db_read, db_subexpiry, db_write, key_changed, key_event
from ..keyspace.events cimport EV_GENERIC, EV_HASH
from ..keyspace.subexpire cimport field_due, field_past, subexpire_hash, subexpire_settle
from ..keyspace.journal cimport *
from ..proto.errors cimport (E_HASH_NOT_FLOAT, E_HASH_NOT_INT, E_HASH_VALUE_NAN, E_NAN_INF, E_NOT_BETWEEN, E_OOM_ALLOC,
                             E_OVERFLOW, E_VALUE_RANGE)
from ..proto.reply cimport (Deferred, Out, reply_array, reply_bulk, reply_bulk_i64, reply_errorf, reply_int,
                            reply_length, reply_map, reply_null, reply_ok)
from ..types.hash cimport (HASH_ADDED, HASH_KEEP, HASH_NO_MEMORY, HASH_NO_TTL, HashAt, HashIter, HashPut, HashVal,
                           hash_delete_at, hash_dict, hash_expect, hash_find, hash_iter, hash_iter_end, hash_len,
                           hash_new, hash_next, hash_next_ms, hash_past, hash_put, hash_put_at, hash_random,
                           hash_read_block, hash_read_place, hash_text, hash_trim, hash_val_len)
from ..types.object cimport ENC_HT, INT_TEXT, OBJ_HASH, Robj, robj_enc, robj_free

cdef enum:
    ROOM_A_PAIR = 6                # listpack bytes beside a field's and a value's own

cdef enum Parts:                   # of a field in a reply
    FIELDS = 1
    VALUES = 2


cdef inline int reply_val(Out* o, const HashVal* v) noexcept nogil:
    if v.s != NULL:
        return reply_bulk(o, v.s, v.len)
    return reply_bulk_i64(o, v.v)


# ---------------------------------------------------------------- HSET, HSETNX

cdef Robj* new_hash(Ctx* x, size_t room) noexcept nogil:
    return hash_new(x.mem, x.argv[1], room)


cdef size_t pairs_room(Ctx* x, int first) noexcept nogil:
    """Listpack bytes that the pairs from argv[first] on take at most; 0 when they won't make a listpack anyway."""
    cdef size_t n = 0
    cdef int i
    if (x.argc - first) // 2 > x.env.knobs.hash_max_listpack_entries:
        return 0
    for i in range(first, x.argc):
        if <int64_t>x.argv[i].len > x.env.knobs.hash_max_listpack_value:
            return 0
        n += x.argv[i].len + ROOM_A_PAIR // 2
    return n


cdef Robj* set_pairs(Ctx* x, Robj* o, int first, int64_t* added) noexcept nogil:
    """Sets the pairs from argv[first] on; NULL: no memory, answered (what was set before stays)."""
    cdef bint fresh = o == NULL
    cdef HashPut done = HASH_ADDED
    cdef int i
    if fresh:
        o = new_hash(x, pairs_room(x, first))
    hash_expect(x.mem, x.env, o, (x.argc - first) // 2)
    added[0] = 0
    for i in range(first, x.argc, 2):
        done = hash_put(x.mem, x.env, o, x.argv[i], x.argv[i + 1])
        if unlikely(done == HASH_NO_MEMORY):
            break
        added[0] += done == HASH_ADDED
    if fresh:
        if hash_len(o) == 0:
            robj_free(x.mem, o)
            err(x, E_OOM_ALLOC)
            return NULL
        hash_trim(x.mem, o)
        db_add(x.ks, x.db, o)
    else:
        db_subexpiry(x.ks, x.db, o)
    if unlikely(done == HASH_NO_MEMORY):
        key_changed(x.ks, x.db, x.argv[1], EV_HASH, b"hset")
        err(x, E_OOM_ALLOC)
        return NULL
    return o


cdef bint hset_generic(Ctx* x, int64_t* added) noexcept nogil:
    cdef Robj* o
    if x.argc % 2:
        wrong_arity(x)
        return False
    o = db_write(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_HASH) or set_pairs(x, o, 2, added) == NULL:
        return False
    x.ks.ev.dirty += x.argc // 2 - 2
    key_changed(x.ks, x.db, x.argv[1], EV_HASH, b"hset")
    return True


cdef int hset_command(Ctx* x) noexcept nogil:
    cdef int64_t added
    return reply_int(x.out, added) if hset_generic(x, &added) else 0


cdef int hmset_command(Ctx* x) noexcept nogil:
    cdef int64_t added
    return reply_ok(x.out) if hset_generic(x, &added) else 0


cdef bint find_live(Ctx* x, Robj** o, Slice field, HashAt* at) noexcept nogil:
    """hash_find for a change: an expired field goes (and the hash with it: o NULL) or is at least not found."""
    cdef bint removed = False
    if o[0] == NULL or not hash_find(o[0], field, at):
        return False
    if likely(not field_due(x.ks, x.db, x.argv[1], o[0], field, at, &removed)):
        return True
    if removed:
        o[0] = subexpire_settle(x.ks, x.db, x.argv[1], o[0])
        if o[0] != NULL:
            hash_find(o[0], field, at)
    return False


cdef bint put_or_reply(Ctx* x, Robj* o, HashAt* at, Slice field, Slice value, int64_t when_ms) noexcept nogil:
    """Sets a field that find_live has looked for; makes the hash if o is NULL."""
    cdef bint fresh = o == NULL
    if fresh:
        o = new_hash(x, 0)
        hash_find(o, field, at)
    if hash_put_at(x.mem, x.env, o, at, field, value, when_ms) == HASH_NO_MEMORY:
        if fresh:
            robj_free(x.mem, o)
        err(x, E_OOM_ALLOC)
        return False
    if fresh:
        db_add(x.ks, x.db, o)
    else:
        db_subexpiry(x.ks, x.db, o)
    return True


cdef int hsetnx_command(Ctx* x) noexcept nogil:
    cdef HashAt at
    cdef Robj* o = db_write(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_HASH):
        return 0
    if find_live(x, &o, x.argv[2], &at):
        return reply_int(x.out, 0)
    if put_or_reply(x, o, &at, x.argv[2], x.argv[3], HASH_NO_TTL):
        key_changed(x.ks, x.db, x.argv[1], EV_HASH, b"hset")
        reply_int(x.out, 1)
    return 0


# ---------------------------------------------------------------- HINCRBY, HINCRBYFLOAT

cdef int hincrby_command(Ctx* x) noexcept nogil:
    cdef int64_t by, v = 0
    cdef HashAt at
    cdef char[INT_TEXT] text
    cdef bint found
    cdef Robj* o
    if not i64_or_reply(x, x.argv[3], &by):
        return 0
    o = db_write(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_HASH):
        return 0
    found = find_live(x, &o, x.argv[2], &at)
    if found:
        if at.val.s == NULL:
            v = at.val.v
        elif not num_parse_i64(at.val.s, at.val.len, &v):
            return err(x, E_HASH_NOT_INT)
    if add_overflows(v, by, &v):
        return err(x, E_OVERFLOW)
    if put_or_reply(x, o, &at, x.argv[2], slice_of(text, num_print_i64(text, v)), HASH_KEEP if found else HASH_NO_TTL):
        key_changed(x.ks, x.db, x.argv[1], EV_HASH, b"hincrby")
        reply_int(x.out, v)
    return 0


cdef void leave_as_hset(Ctx* x, Slice value, int64_t when_ms) noexcept nogil:
    """The result: other machines may round otherwise. HSET takes a field's expiry away, so that follows."""
    cdef Journal* j = &x.ks.journal
    journal_begin(j, x.db.id, 4)
    journal_text(j, b"HSET")
    journal_arg(j, x.argv[1])
    journal_arg(j, x.argv[2])
    journal_arg(j, value)
    if when_ms == HASH_NO_TTL:
        return
    journal_begin(j, x.db.id, 6)
    journal_text(j, b"HPEXPIREAT")
    journal_arg(j, x.argv[1])
    journal_arg_i64(j, when_ms)
    journal_text(j, b"FIELDS")
    journal_text(j, b"1")
    journal_arg(j, x.argv[2])


cdef int hincrbyfloat_command(Ctx* x) noexcept nogil:
    cdef long double by, v = 0
    cdef HashAt at
    cdef char[LD_BUF] text
    cdef size_t n
    cdef bint found
    cdef Robj* o
    if not ld_or_reply(x, x.argv[3], &by):
        return 0
    if by != by or by > LDBL_MAX or by < -LDBL_MAX:
        return err(x, E_HASH_VALUE_NAN)
    o = db_write(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_HASH):
        return 0
    found = find_live(x, &o, x.argv[2], &at)
    if found:
        if at.val.s == NULL:
            v = at.val.v
        elif not num_parse_ld(at.val.s, at.val.len, &v):
            return err(x, E_HASH_NOT_FLOAT)
    v += by
    if v != v or v > LDBL_MAX or v < -LDBL_MAX:
        return err(x, E_NAN_INF)
    n = num_print_ld(text, v, True)
    if put_or_reply(x, o, &at, x.argv[2], slice_of(text, n), HASH_KEEP if found else HASH_NO_TTL):
        if unlikely(journaling(&x.ks.journal)):
            leave_as_hset(x, slice_of(text, n), at.when_ms if found else HASH_NO_TTL)
        key_changed(x.ks, x.db, x.argv[1], EV_HASH, b"hincrbyfloat")
        reply_bulk(x.out, text, n)
    return 0


# ---------------------------------------------------------------- HGET, HMGET, HEXISTS, HSTRLEN

cdef int hget_command(Ctx* x) noexcept nogil:
    cdef HashAt at
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_HASH):
        return 0
    if find_live(x, &o, x.argv[2], &at):
        return reply_val(x.out, &at.val)
    return reply_null(x.out)


cdef int hmget_command(Ctx* x) noexcept nogil:
    cdef HashAt at
    cdef int i
    cdef bint removed = False
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_HASH):
        return 0
    reply_array(x.out, x.argc - 2)
    for i in range(2, x.argc):
        if o != NULL and hash_find(o, x.argv[i], &at) \
                and not field_due(x.ks, x.db, x.argv[1], o, x.argv[i], &at, &removed):
            reply_val(x.out, &at.val)
        else:
            reply_null(x.out)
    if removed:
        subexpire_settle(x.ks, x.db, x.argv[1], o)
    return 0


cdef int hexists_command(Ctx* x) noexcept nogil:
    cdef HashAt at
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_HASH):
        return 0
    return reply_int(x.out, find_live(x, &o, x.argv[2], &at))


cdef int hstrlen_command(Ctx* x) noexcept nogil:
    cdef HashAt at
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_HASH):
        return 0
    return reply_int(x.out, <int64_t>hash_val_len(&at.val) if find_live(x, &o, x.argv[2], &at) else 0)


# ---------------------------------------------------------------- HLEN, HGETALL, HKEYS, HVALS

cdef int hlen_command(Ctx* x) noexcept nogil:
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_HASH):
        return 0
    return reply_int(x.out, <int64_t>hash_len(o) if o != NULL else 0)


cdef inline bint some_past(Ctx* x, const Robj* o) noexcept nogil:
    return hash_past(hash_next_ms(o), x.env.now_ms)


cdef size_t live_fields(Ctx* x, const Robj* o) noexcept nogil:
    cdef HashIter it
    cdef size_t n = 0
    if likely(not some_past(x, o)):
        return hash_len(o)
    hash_iter(&it, o)
    while hash_next(&it):
        n += not field_past(x.ks, it.when_ms)
    hash_iter_end(&it)
    return n


cdef int all_generic(Ctx* x, int parts) noexcept nogil:
    cdef HashIter it
    cdef int64_t n
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_HASH):
        return 0
    n = live_fields(x, o) if o != NULL else 0
    if parts == FIELDS | VALUES:
        reply_map(x.out, n)
    else:
        reply_array(x.out, n)
    if n == 0:
        return 0
    hash_iter(&it, o)
    while hash_next(&it):
        if field_past(x.ks, it.when_ms):
            continue
        if parts & FIELDS:
            reply_val(x.out, &it.field)
        if parts & VALUES:
            reply_val(x.out, &it.val)
    hash_iter_end(&it)
    return 0


cdef int hgetall_command(Ctx* x) noexcept nogil:
    return all_generic(x, FIELDS | VALUES)


cdef int hkeys_command(Ctx* x) noexcept nogil:
    return all_generic(x, FIELDS)


cdef int hvals_command(Ctx* x) noexcept nogil:
    return all_generic(x, VALUES)


# ---------------------------------------------------------------- HDEL

cdef int hdel_command(Ctx* x) noexcept nogil:
    cdef HashAt at
    cdef int i
    cdef int64_t deleted = 0
    cdef Robj* o = db_write(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_HASH):
        return 0
    for i in range(2, x.argc):
        if o != NULL and hash_find(o, x.argv[i], &at):
            hash_delete_at(x.mem, o, &at)
            deleted += 1
    if deleted:
        after_removal(x, o, deleted)
    return reply_int(x.out, deleted)


cdef void after_removal(Ctx* x, Robj* o, int64_t fields) noexcept nogil:
    """Fields were deleted: events, the index, and the key itself when none is left."""
    cdef bint empty = hash_len(o) == 0
    x.ks.ev.dirty += fields - 1
    if empty:
        db_delete(x.ks, x.db, x.argv[1])
    else:
        db_subexpiry(x.ks, x.db, o)
    key_changed(x.ks, x.db, x.argv[1], EV_HASH, b"hdel")
    if empty:
        key_event(x.ks, x.db, x.argv[1], EV_GENERIC, b"del")


# ---------------------------------------------------------------- HRANDFIELD

cdef struct Draw:                  # what HRANDFIELD has to write
    Ctx* x
    Robj* o
    bint with_values


cdef void write_drawn(Draw* d, void* place) noexcept nogil:
    cdef HashVal field, val
    cdef int64_t when_ms
    hash_read_place(d.o, place, &field, &val, &when_ms)
    if d.with_values and d.x.out.resp == 3:
        reply_array(d.x.out, 2)
    reply_val(d.x.out, &field)
    if d.with_values:
        reply_val(d.x.out, &val)


cdef void draw_header(Draw* d, int64_t n) noexcept nogil:
    reply_array(d.x.out, n * 2 if d.with_values and d.x.out.resp == 2 else n)


cdef int64_t gather(Draw* d, void** places) noexcept nogil:
    cdef HashIter it
    cdef int64_t n = 0
    hash_iter(&it, d.o)
    while hash_next(&it):
        if not field_past(d.x.ks, it.when_ms):
            places[n] = it.p
            n += 1
    hash_iter_end(&it)
    return n


cdef void draw_repeated(Draw* d, int64_t count) noexcept nogil:
    """count fields, each drawn anew; stops when the client is to be closed for its output."""
    cdef void** places = NULL
    cdef int64_t n = 0
    if robj_enc(d.o) != ENC_HT or some_past(d.x, d.o):
        places = <void**>mem_alloc(d.x.mem, hash_len(d.o) * sizeof(void*))
        n = gather(d, places)
        if n == 0:
            count = 0
    draw_header(d, count)
    while count > 0 and not d.x.out.full:
        write_drawn(d, places[env_rand_below(d.x.env, n)] if places != NULL else hash_random(d.o, d.x.env))
        count -= 1
    mem_free(d.x.mem, places)


cdef void draw_few(Draw* d, int64_t count) noexcept nogil:
    """count different fields, far fewer than a table has: drawn at random, those seen already thrown back."""
    cdef uint64_t mask = 7
    cdef uint64_t i
    cdef void** seen
    cdef void* place
    while mask < 2 * <uint64_t>count:
        mask = 2 * mask + 1
    seen = <void**>mem_calloc(d.x.mem, (mask + 1) * sizeof(void*))
    draw_header(d, count)
    while count > 0:
        place = hash_random(d.o, d.x.env)
        i = (<uint64_t>place >> 3) * <uint64_t>0x9E3779B97F4A7C15 >> 20 & mask
        while seen[i] != NULL and seen[i] != place:
            i = (i + 1) & mask
        if seen[i] == NULL:
            seen[i] = place
            write_drawn(d, place)
            count -= 1
    mem_free(d.x.mem, seen)


cdef void draw_different(Draw* d, int64_t count) noexcept nogil:
    cdef void** places
    cdef int64_t n = <int64_t>hash_len(d.o)
    cdef int64_t i
    if robj_enc(d.o) == ENC_HT and count < n // 3 and not some_past(d.x, d.o):
        draw_few(d, count)
        return
    places = <void**>mem_alloc(d.x.mem, n * sizeof(void*))
    n = gather(d, places)
    if count > n:
        count = n
    draw_header(d, count)
    for i in range(n):
        if <int64_t>env_rand_below(d.x.env, n - i) < count:     # certain once as many are wanted as are left
            write_drawn(d, places[i])
            count -= 1
            if count == 0:
                break
    mem_free(d.x.mem, places)


cdef bint draw_arguments(Ctx* x, int64_t* count, bint* with_values) noexcept nogil:
    if not i64_or_reply(x, x.argv[2], count):
        return False
    if count[0] == INT64_MIN:
        reply_errorf(x.out, E_NOT_BETWEEN, slice_of(b"-9223372036854775807", 20), slice_of(b"9223372036854775807", 19))
        return False
    with_values[0] = x.argc == 4
    if x.argc > 4 or (x.argc == 4 and not word_is(x.argv[3], b"withvalues")):
        syntax_error(x)
        return False
    if with_values[0] and (count[0] < -(INT64_MAX // 2) or count[0] > INT64_MAX // 2):
        err(x, E_VALUE_RANGE)
        return False
    return True


cdef int hrandfield_command(Ctx* x) noexcept nogil:
    cdef Draw d
    cdef int64_t count = 0
    cdef bint one = x.argc == 2
    cdef Robj* o
    d.x = x
    d.with_values = False
    if not one and not draw_arguments(x, &count, &d.with_values):
        return 0
    o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_HASH):
        return 0
    if o != NULL:
        o = subexpire_hash(x.ks, x.db, x.argv[1], o)
    if o == NULL or (one and live_fields(x, o) == 0):
        return reply_null(x.out) if one else reply_array(x.out, 0)
    d.o = o
    if one:
        draw_one(&d)
    elif count < 0:
        draw_repeated(&d, -count)
    elif count == 0:
        reply_array(x.out, 0)
    else:
        draw_different(&d, count)
    return 0


cdef void draw_one(Draw* d) noexcept nogil:
    """A field by itself; the hash has a live one."""
    cdef HashVal field, val
    cdef int64_t when_ms
    while True:
        hash_read_place(d.o, hash_random(d.o, d.x.env), &field, &val, &when_ms)
        if not field_past(d.x.ks, when_ms):
            reply_val(d.x.out, &field)
            return


# ---------------------------------------------------------------- HSCAN

cdef struct ScanCtx:
    Ctx* x
    Robj* o


cdef bint scan_filter(void* ctx, const Scan* s, void* entry) noexcept nogil:
    cdef ScanCtx* c = <ScanCtx*>ctx
    cdef HashVal field, val
    cdef int64_t when_ms
    hash_read_place(c.o, entry, &field, &val, &when_ms)
    return not field_past(c.x.ks, when_ms) and scan_matches(s, field.s, field.len)


cdef void scan_field(Out* out, const Scan* s, void* entry) noexcept nogil:
    cdef HashVal field, val
    hash_read_block(entry, &field, &val)
    reply_val(out, &field)
    if not s.no_values:
        reply_val(out, &val)


cdef int scan_listpack(Ctx* x, Robj* o, Scan* s) noexcept nogil:
    cdef HashIter it
    cdef char[INT_TEXT] buf
    cdef Slice field
    cdef int64_t n = 0
    cdef Deferred later = scan_flat_begin(x)
    hash_iter(&it, o)
    while hash_next(&it):
        field = hash_text(&it.field, buf)
        if field_past(x.ks, it.when_ms) or not scan_matches(s, field.ptr, field.len):
            continue
        reply_val(x.out, &it.field)
        n += 1
        if not s.no_values:
            reply_val(x.out, &it.val)
            n += 1
    hash_iter_end(&it)
    reply_length(x.out, later, c'*', n)
    return 0


cdef int hscan_command(Ctx* x) noexcept nogil:
    cdef Scan s
    cdef ScanCtx c
    if not scan_cursor_or_reply(x, x.argv[2], &s):
        return 0
    c.x = x
    c.o = db_read(x.ks, x.db, x.argv[1])
    if c.o == NULL:
        return scan_empty(x)
    if not type_or_reply(x, c.o, OBJ_HASH) or not scan_options_or_reply(x, 3, SCAN_ACCEPTS_NOVALUES, &s):
        return 0
    if robj_enc(c.o) != ENC_HT:
        return scan_listpack(x, c.o, &s)
    return scan_dict(x, hash_dict(c.o), &s, scan_filter, &c, scan_field, 1 if s.no_values else 2)


bind(b"hset", hset_command)
bind(b"hmset", hmset_command)
bind(b"hsetnx", hsetnx_command)
bind(b"hincrby", hincrby_command)
bind(b"hincrbyfloat", hincrbyfloat_command)
bind(b"hget", hget_command)
bind(b"hmget", hmget_command)
bind(b"hexists", hexists_command)
bind(b"hstrlen", hstrlen_command)
bind(b"hlen", hlen_command)
bind(b"hgetall", hgetall_command)
bind(b"hkeys", hkeys_command)
bind(b"hvals", hvals_command)
bind(b"hdel", hdel_command)
bind(b"hrandfield", hrandfield_command)
bind(b"hscan", hscan_command)
