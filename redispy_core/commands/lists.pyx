"""List commands and their blocking forms.

A blocking command tries like its plain form; when no key has an element it hands over to exec/blocked, which runs it
again when one might. Elements go from the list's memory straight into the reply, so a pop answers before it removes.
"""
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint64_t
from libc.string cimport memcpy
from ..base.num cimport num_print_i64
from ..base.rp cimport likely, unlikely
from ..base.sds cimport Slice, slice_of
from ..exec.args cimport (bytes_equal, err, i64_or_reply, positive_or_reply, range_or_reply, syntax_error, text_slice,
                          timeout_or_reply, type_or_reply, word_is, wrong_arity)
from ..exec.blocked cimport block_on_keys, can_block
from ..exec.client cimport Ctx
from ..exec.dispatch cimport Exec
from ..exec.registry cimport bind
from ..keyspace.db cimport db_add, db_delete, db_read, db_write, key_changed, key_event
from ..keyspace.events cimport EV_GENERIC, EV_LIST
from ..keyspace.journal cimport *
from ..proto.errors cimport (E_COUNT_NEGATIVE, E_COUNT_POSITIVE, E_MAXLEN_NEGATIVE, E_NOT_BETWEEN, E_NO_SUCH_KEY,
                             E_NUMKEYS, E_OOM_ALLOC, E_OUT_OF_RANGE, E_RANK_ZERO)
from ..proto.reply cimport (Deferred, Out, out_room, reply_array, reply_bulk, reply_errorf, reply_int, reply_later,
                            reply_length, reply_null, reply_null_array, reply_ok)
from ..structs.listpack cimport LP_AFTER, LP_BEFORE, LpNeedle, lp_needle
from ..types.list cimport (LIST_HEAD, LIST_TAIL, ListIter, list_close, list_delete, list_delete_range, list_drop,
                           list_find, list_fits, list_get, list_grow, list_index, list_insert, list_length, list_new,
                           list_peek, list_push, list_replace, list_rotate, list_seek, list_set_packed_threshold,
                           list_shrink, list_step)
from ..types.object cimport INT_TEXT, OBJ_LIST, Robj, robj_type

cdef enum:
    SHORT = 1000                # elements below it have their reply written here


# ---------------------------------------------------------------- replies

cdef inline void emit_short(Out* out, const char* s, size_t n) noexcept nogil:
    """A bulk reply of fewer than SHORT bytes, written in place."""
    cdef char* p = out_room(out, n + 9)
    p[0] = 36                               # '$'
    p += 1
    if n >= 100:
        p[0] = <char>(48 + n // 100)
        p += 1
    if n >= 10:
        p[0] = <char>(48 + n // 10 % 10)
        p += 1
    p[0] = <char>(48 + n % 10)
    p[1] = 13
    p[2] = 10
    memcpy(p + 3, s, n)
    p[n + 3] = 13
    p[n + 4] = 10
    out.pos = p + n + 5


cdef inline void emit(Out* out, const char* s, size_t n, int64_t v) noexcept nogil:
    """An element as list_get tells it: bytes, or (s NULL) the integer v."""
    cdef char[INT_TEXT] text
    if s == NULL:
        emit_short(out, text, num_print_i64(text, v))
    elif likely(n < SHORT):
        emit_short(out, s, n)
    else:
        reply_bulk(out, s, n)


cdef void emit_range(Ctx* x, Robj* o, int64_t start, uint64_t count, int dir) noexcept nogil:
    """Writes count elements, which must be there, from index start on."""
    cdef ListIter it
    cdef const char* s
    cdef size_t n = 0
    cdef int64_t v = 0
    if count == 0 or not list_seek(x.mem, o, start, dir, &it):
        return
    while True:
        s = list_get(x.mem, &it, &n, &v)
        emit(x.out, s, n, v)
        count -= 1
        if count == 0 or not list_step(x.mem, &it):
            break
    list_close(x.mem, &it)


# ---------------------------------------------------------------- shared steps

cdef inline const char* push_event(int where) noexcept nogil:
    return b"lpush" if where == LIST_HEAD else b"rpush"


cdef inline const char* pop_event(int where) noexcept nogil:
    return b"lpop" if where == LIST_HEAD else b"rpop"


cdef bint side_of(Slice s, int* where) noexcept nogil:
    if word_is(s, b"left"):
        where[0] = LIST_HEAD
    elif word_is(s, b"right"):
        where[0] = LIST_TAIL
    else:
        return False
    return True


cdef inline void grow(Ctx* x, Robj* o, const Slice* add, int n) noexcept nogil:
    """Before these texts are added: the encoding that they need."""
    list_grow(x.mem, &x.env.knobs, o, add, n)
    list_set_packed_threshold(o, (<Exec*>x.exec).debug.packed_threshold)


cdef void after_removal(Ctx* x, Slice key, Robj* o, const char* event, int64_t count) noexcept nogil:
    """What every removal ends with: an empty list goes, a short one may change its encoding; `count` changes."""
    cdef bint empty = list_length(o) == 0
    if empty:
        db_delete(x.ks, x.db, key)
    else:
        list_shrink(x.mem, &x.env.knobs, o)
    key_changed(x.ks, x.db, key, EV_LIST, event)
    x.ks.ev.dirty += count - 1
    if empty:
        key_event(x.ks, x.db, key, EV_GENERIC, b"del")


cdef void pop_one(Ctx* x, Slice key, Robj* o, int where) noexcept nogil:
    """Answers with the element at an end and removes it."""
    cdef const char* s = NULL
    cdef size_t n = 0
    cdef int64_t v = 0
    list_peek(o, where, &s, &n, &v)
    emit(x.out, s, n, v)
    list_drop(x.mem, o, where)
    after_removal(x, key, o, pop_event(where), 1)


cdef void pop_many(Ctx* x, Slice key, Robj* o, int where, int64_t count) noexcept nogil:
    """Answers with an array of up to count elements from an end and removes them."""
    cdef int64_t have = <int64_t>list_length(o)
    if count > have:
        count = have
    reply_array(x.out, count)
    if count == 0:
        return
    if where == LIST_HEAD:
        emit_range(x, o, 0, count, 1)
        list_delete_range(x.mem, o, 0, count)
    else:
        emit_range(x, o, -1, count, -1)
        list_delete_range(x.mem, o, -count, count)
    after_removal(x, key, o, pop_event(where), count)


# ---------------------------------------------------------------- LPUSH, LPOP and their kin

cdef int push_generic(Ctx* x, int where, bint only_existing) noexcept nogil:
    cdef int n = x.argc - 2
    cdef int i
    cdef Robj* o = db_write(x.ks, x.db, x.argv[1])
    if o == NULL and only_existing:
        return reply_int(x.out, 0)
    if not type_or_reply(x, o, OBJ_LIST):
        return 0
    if unlikely(not list_fits(x.mem, x.argv + 2, n)):
        return err(x, E_OOM_ALLOC)
    if o == NULL:
        o = list_new(x.mem, x.argv[1], 0)
        db_add(x.ks, x.db, o)
    grow(x, o, x.argv + 2, n)
    for i in range(2, x.argc):
        list_push(x.mem, o, where, x.argv[i].ptr, x.argv[i].len)
    key_changed(x.ks, x.db, x.argv[1], EV_LIST, push_event(where))
    x.ks.ev.dirty += n - 1
    return reply_int(x.out, list_length(o))


cdef int lpush_command(Ctx* x) noexcept nogil:
    """LPUSH key element [element ...]. O(1) an element."""
    return push_generic(x, LIST_HEAD, False)


cdef int rpush_command(Ctx* x) noexcept nogil:
    """RPUSH key element [element ...]. O(1) an element."""
    return push_generic(x, LIST_TAIL, False)


cdef int lpushx_command(Ctx* x) noexcept nogil:
    """LPUSHX key element [element ...]."""
    return push_generic(x, LIST_HEAD, True)


cdef int rpushx_command(Ctx* x) noexcept nogil:
    """RPUSHX key element [element ...]."""
    return push_generic(x, LIST_TAIL, True)


cdef int pop_generic(Ctx* x, int where) noexcept nogil:
    cdef int64_t count = 0
    cdef Robj* o
    if unlikely(x.argc > 3):
        return wrong_arity(x)
    if x.argc == 3 and not positive_or_reply(x, x.argv[2], &count):
        return 0
    o = db_write(x.ks, x.db, x.argv[1])
    if o == NULL:
        return reply_null(x.out) if x.argc == 2 else reply_null_array(x.out)
    if not type_or_reply(x, o, OBJ_LIST):
        return 0
    if x.argc == 2:
        pop_one(x, x.argv[1], o, where)
    else:
        pop_many(x, x.argv[1], o, where, count)
    return 0


cdef int lpop_command(Ctx* x) noexcept nogil:
    """LPOP key [count]. O(count)."""
    return pop_generic(x, LIST_HEAD)


cdef int rpop_command(Ctx* x) noexcept nogil:
    """RPOP key [count]. O(count)."""
    return pop_generic(x, LIST_TAIL)


# ---------------------------------------------------------------- reading

cdef int llen_command(Ctx* x) noexcept nogil:
    """LLEN key. O(1)."""
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_LIST):
        return 0
    return reply_int(x.out, 0 if o == NULL else <int64_t>list_length(o))


cdef int lindex_command(Ctx* x) noexcept nogil:
    """LINDEX key index. O(nodes)."""
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    cdef ListIter it
    cdef const char* s
    cdef size_t n = 0
    cdef int64_t v = 0
    cdef int64_t index = 0
    if o == NULL:
        return reply_null(x.out)
    if not type_or_reply(x, o, OBJ_LIST) or not i64_or_reply(x, x.argv[2], &index):
        return 0
    if not list_seek(x.mem, o, index, 1, &it):
        return reply_null(x.out)
    s = list_get(x.mem, &it, &n, &v)
    emit(x.out, s, n, v)
    list_close(x.mem, &it)
    return 0


cdef bint clip_range(int64_t length, int64_t* start, int64_t* stop) noexcept nogil:
    """Turns start and stop (both included, negative from the end) into indices; False: the range is empty."""
    if start[0] < 0:
        start[0] += length
        if start[0] < 0:
            start[0] = 0
    if stop[0] < 0:
        stop[0] += length
    if start[0] > stop[0] or start[0] >= length:
        return False
    if stop[0] >= length:
        stop[0] = length - 1
    return True


cdef int lrange_command(Ctx* x) noexcept nogil:
    """LRANGE key start stop. O(nodes + elements)."""
    cdef int64_t start = 0
    cdef int64_t stop = 0
    cdef Robj* o
    if not i64_or_reply(x, x.argv[2], &start) or not i64_or_reply(x, x.argv[3], &stop):
        return 0
    o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_LIST):
        return 0
    if o == NULL or not clip_range(<int64_t>list_length(o), &start, &stop):
        return reply_array(x.out, 0)
    reply_array(x.out, stop - start + 1)
    emit_range(x, o, start, stop - start + 1, 1)
    return 0


cdef struct LposOpts:
    int64_t rank
    int64_t count               # -1: none given, 0: all
    int64_t maxlen              # 0: all


cdef bint invertible_or_reply(Ctx* x, Slice s, int64_t* v) noexcept nogil:
    """An integer whose negative is one, too."""
    if not i64_or_reply(x, s, v):
        return False
    if v[0] == INT64_MIN:
        reply_errorf(x.out, E_NOT_BETWEEN, text_slice(b"-9223372036854775807"), text_slice(b"9223372036854775807"))
        return False
    return True


cdef bint lpos_rank_or_reply(Ctx* x, Slice s, int64_t* rank) noexcept nogil:
    if not invertible_or_reply(x, s, rank):
        return False
    if rank[0] == 0:
        err(x, E_RANK_ZERO)
        return False
    return True


cdef bint lpos_options_or_reply(Ctx* x, LposOpts* o) noexcept nogil:
    cdef int i = 3
    o.rank = 1
    o.count = -1
    o.maxlen = 0
    while i < x.argc:
        if i + 1 < x.argc and word_is(x.argv[i], b"rank"):
            if not lpos_rank_or_reply(x, x.argv[i + 1], &o.rank):
                return False
        elif i + 1 < x.argc and word_is(x.argv[i], b"count"):
            if not range_or_reply(x, x.argv[i + 1], 0, INT64_MAX, &o.count, E_COUNT_NEGATIVE):
                return False
        elif i + 1 < x.argc and word_is(x.argv[i], b"maxlen"):
            if not range_or_reply(x, x.argv[i + 1], 0, INT64_MAX, &o.maxlen, E_MAXLEN_NEGATIVE):
                return False
        else:
            syntax_error(x)
            return False
        i += 2
    return True


cdef int64_t find_positions(Ctx* x, Robj* o, const LposOpts* opts) noexcept nogil:
    """Writes the indices of the matches that are asked for; how many."""
    cdef ListIter it
    cdef LpNeedle nd
    cdef int dir = 1 if opts.rank > 0 else -1
    cdef int64_t skip = (opts.rank if opts.rank > 0 else -opts.rank) - 1
    cdef int64_t length = <int64_t>list_length(o)
    cdef int64_t seen = 0
    cdef int64_t found = 0
    cdef int64_t at
    cdef bint more = list_seek(x.mem, o, 0 if dir > 0 else -1, dir, &it)
    lp_needle(&nd, x.argv[2].ptr, x.argv[2].len)
    while more and (opts.maxlen == 0 or seen < opts.maxlen):
        if not list_find(x.mem, &it, &nd, <uint64_t>(opts.maxlen - seen) if opts.maxlen else 0):
            break
        at = list_index(&it)
        seen = at + 1 if dir > 0 else length - at
        if skip:
            skip -= 1
        else:
            reply_int(x.out, at)
            found += 1
            if opts.count == -1 or found == opts.count:
                break
        more = list_step(x.mem, &it)
    list_close(x.mem, &it)
    return found


cdef int lpos_command(Ctx* x) noexcept nogil:
    """LPOS key element [RANK rank] [COUNT matches] [MAXLEN length]. O(n)."""
    cdef LposOpts opts
    cdef Deferred head
    cdef Robj* o
    if not lpos_options_or_reply(x, &opts):
        return 0
    o = db_read(x.ks, x.db, x.argv[1])
    if o == NULL:
        return reply_null(x.out) if opts.count == -1 else reply_array(x.out, 0)
    if not type_or_reply(x, o, OBJ_LIST):
        return 0
    if opts.count == -1:
        if find_positions(x, o, &opts) == 0:
            reply_null(x.out)
        return 0
    head = reply_later(x.out)
    reply_length(x.out, head, 42, find_positions(x, o, &opts))      # '*'
    return 0


# ---------------------------------------------------------------- changes inside

cdef int lset_command(Ctx* x) noexcept nogil:
    """LSET key index element. O(nodes)."""
    cdef ListIter it
    cdef int64_t index = 0
    cdef Robj* o = db_write(x.ks, x.db, x.argv[1])
    if o == NULL:
        return err(x, E_NO_SUCH_KEY)
    if not type_or_reply(x, o, OBJ_LIST) or not i64_or_reply(x, x.argv[2], &index):
        return 0
    if unlikely(not list_fits(x.mem, x.argv + 3, 1)):
        return err(x, E_OOM_ALLOC)
    grow(x, o, x.argv + 3, 1)
    if not list_seek(x.mem, o, index, 1, &it):
        return err(x, E_OUT_OF_RANGE)
    list_replace(x.mem, &it, x.argv[3].ptr, x.argv[3].len)
    list_shrink(x.mem, &x.env.knobs, o)
    key_changed(x.ks, x.db, x.argv[1], EV_LIST, b"lset")
    return reply_ok(x.out)


cdef int linsert_command(Ctx* x) noexcept nogil:
    """LINSERT key BEFORE|AFTER pivot element. O(n)."""
    cdef ListIter it
    cdef LpNeedle nd
    cdef int where = LP_AFTER
    cdef Robj* o
    if word_is(x.argv[2], b"before"):
        where = LP_BEFORE
    elif not word_is(x.argv[2], b"after"):
        return syntax_error(x)
    o = db_write(x.ks, x.db, x.argv[1])
    if o == NULL:
        return reply_int(x.out, 0)
    if not type_or_reply(x, o, OBJ_LIST):
        return 0
    if unlikely(not list_fits(x.mem, x.argv + 4, 1)):
        return err(x, E_OOM_ALLOC)
    grow(x, o, x.argv + 4, 1)
    lp_needle(&nd, x.argv[3].ptr, x.argv[3].len)
    list_seek(x.mem, o, 0, 1, &it)
    if not list_find(x.mem, &it, &nd, 0):
        list_close(x.mem, &it)
        return reply_int(x.out, -1)
    list_insert(x.mem, &it, where, x.argv[4].ptr, x.argv[4].len)
    key_changed(x.ks, x.db, x.argv[1], EV_LIST, b"linsert")
    return reply_int(x.out, list_length(o))


cdef int lrem_command(Ctx* x) noexcept nogil:
    """LREM key count element. O(n)."""
    cdef ListIter it
    cdef LpNeedle nd
    cdef int64_t count = 0
    cdef uint64_t most
    cdef int64_t removed = 0
    cdef bint more
    cdef Robj* o
    if not invertible_or_reply(x, x.argv[2], &count):
        return 0
    o = db_write(x.ks, x.db, x.argv[1])
    if o == NULL:
        return reply_int(x.out, 0)
    if not type_or_reply(x, o, OBJ_LIST):
        return 0
    most = <uint64_t>(count if count > 0 else -count)
    lp_needle(&nd, x.argv[3].ptr, x.argv[3].len)
    more = list_seek(x.mem, o, 0 if count >= 0 else -1, 1 if count >= 0 else -1, &it)
    while more and (most == 0 or <uint64_t>removed < most) and list_find(x.mem, &it, &nd, 0):
        more = list_delete(x.mem, &it)
        removed += 1
    list_close(x.mem, &it)
    if removed:
        after_removal(x, x.argv[1], o, b"lrem", removed)
    return reply_int(x.out, removed)


cdef int ltrim_command(Ctx* x) noexcept nogil:
    """LTRIM key start stop. O(elements removed)."""
    cdef int64_t start = 0
    cdef int64_t stop = 0
    cdef int64_t length
    cdef Robj* o
    if not i64_or_reply(x, x.argv[2], &start) or not i64_or_reply(x, x.argv[3], &stop):
        return 0
    o = db_write(x.ks, x.db, x.argv[1])
    if o == NULL:
        return reply_ok(x.out)
    if not type_or_reply(x, o, OBJ_LIST):
        return 0
    length = <int64_t>list_length(o)
    if not clip_range(length, &start, &stop):
        start = length
        stop = length - 1
    list_delete_range(x.mem, o, 0, start)
    list_delete_range(x.mem, o, -(length - 1 - stop), length - 1 - stop)
    after_removal(x, x.argv[1], o, b"ltrim", start + length - 1 - stop)
    return reply_ok(x.out)


# ---------------------------------------------------------------- moving

cdef void move_element(Ctx* x, Slice source, Slice target, Robj* from_o, Robj* to_o, int from_end,
                       int to_end) noexcept nogil:
    """Moves an element between two lists (to_o NULL: made here) and answers with it. One change for dirty."""
    cdef char[INT_TEXT] text
    cdef const char* s = NULL
    cdef size_t n = 0
    cdef int64_t v = 0
    cdef Slice element
    list_peek(from_o, from_end, &s, &n, &v)
    if s == NULL:
        n = num_print_i64(text, v)
        s = text
    element = slice_of(s, n)
    if to_o == NULL:
        to_o = list_new(x.mem, target, 0)
        db_add(x.ks, x.db, to_o)
    grow(x, to_o, &element, 1)
    list_push(x.mem, to_o, to_end, s, n)
    emit(x.out, s, n, 0)
    list_drop(x.mem, from_o, from_end)
    key_changed(x.ks, x.db, target, EV_LIST, push_event(to_end))
    after_removal(x, source, from_o, pop_event(from_end), 0)


cdef void rotate_list(Ctx* x, Slice key, Robj* o, int from_end, int to_end) noexcept nogil:
    cdef const char* s = NULL
    cdef size_t n = 0
    cdef int64_t v = 0
    list_peek(o, from_end, &s, &n, &v)
    emit(x.out, s, n, v)
    list_rotate(x.mem, o, from_end, to_end)
    key_changed(x.ks, x.db, key, EV_LIST, push_event(to_end))
    key_event(x.ks, x.db, key, EV_LIST, pop_event(from_end))


cdef bint move_or_reply(Ctx* x, Robj* from_o, int from_end, int to_end) noexcept nogil:
    """From argv[1], which is from_o, to argv[2]. Answers in any case; False: with an error."""
    cdef Robj* to_o
    if not type_or_reply(x, from_o, OBJ_LIST):
        return False
    if bytes_equal(x.argv[1], x.argv[2]):
        rotate_list(x, x.argv[1], from_o, from_end, to_end)
        return True
    to_o = db_write(x.ks, x.db, x.argv[2])
    if not type_or_reply(x, to_o, OBJ_LIST):
        return False
    move_element(x, x.argv[1], x.argv[2], from_o, to_o, from_end, to_end)
    return True


cdef int move_generic(Ctx* x, int from_end, int to_end) noexcept nogil:
    cdef Robj* o = db_write(x.ks, x.db, x.argv[1])
    if o == NULL:
        return reply_null(x.out)
    move_or_reply(x, o, from_end, to_end)
    return 0


cdef int lmove_command(Ctx* x) noexcept nogil:
    """LMOVE source destination LEFT|RIGHT LEFT|RIGHT. O(1)."""
    cdef int from_end = 0
    cdef int to_end = 0
    if not side_of(x.argv[3], &from_end) or not side_of(x.argv[4], &to_end):
        return syntax_error(x)
    return move_generic(x, from_end, to_end)


cdef int rpoplpush_command(Ctx* x) noexcept nogil:
    """RPOPLPUSH source destination. O(1)."""
    return move_generic(x, LIST_TAIL, LIST_HEAD)


cdef int blocking_move(Ctx* x, int from_end, int to_end, Slice timeout) noexcept nogil:
    cdef int64_t deadline_ms = 0
    cdef Robj* o
    if not timeout_or_reply(x, timeout, &deadline_ms):
        return 0
    o = db_write(x.ks, x.db, x.argv[1])
    if o == NULL:
        if not can_block(x):
            return reply_null(x.out)
        return block_on_keys(x, OBJ_LIST, x.argv + 1, 1, deadline_ms, NULL, 0)
    if move_or_reply(x, o, from_end, to_end) and unlikely(journaling(&x.ks.journal)):
        leave_as_move(x)
    return 0


cdef void leave_as_move(Ctx* x) noexcept nogil:
    """LMOVE or RPOPLPUSH: the same without the timeout."""
    cdef int i
    journal_begin(&x.ks.journal, x.db.id, x.argc - 1)
    journal_text(&x.ks.journal, b"LMOVE" if x.argc == 6 else b"RPOPLPUSH")
    for i in range(1, x.argc - 1):
        journal_arg(&x.ks.journal, x.argv[i])


cdef int blmove_command(Ctx* x) noexcept nogil:
    """BLMOVE source destination LEFT|RIGHT LEFT|RIGHT timeout. O(1)."""
    cdef int from_end = 0
    cdef int to_end = 0
    if not side_of(x.argv[3], &from_end) or not side_of(x.argv[4], &to_end):
        return syntax_error(x)
    return blocking_move(x, from_end, to_end, x.argv[5])


cdef int brpoplpush_command(Ctx* x) noexcept nogil:
    """BRPOPLPUSH source destination timeout. O(1)."""
    return blocking_move(x, LIST_TAIL, LIST_HEAD, x.argv[3])


# ---------------------------------------------------------------- popping from one of several keys

cdef int blocking_pop(Ctx* x, int where) noexcept nogil:
    cdef int64_t deadline_ms = 0
    cdef Robj* o
    cdef int i
    if not timeout_or_reply(x, x.argv[x.argc - 1], &deadline_ms):
        return 0
    for i in range(1, x.argc - 1):
        o = db_write(x.ks, x.db, x.argv[i])
        if o == NULL:
            continue
        if not type_or_reply(x, o, OBJ_LIST):
            return 0
        reply_array(x.out, 2)
        reply_bulk(x.out, x.argv[i].ptr, x.argv[i].len)
        journal_key(&x.ks.journal, x.db.id, b"LPOP" if where == LIST_HEAD else b"RPOP", x.argv[i])
        pop_one(x, x.argv[i], o, where)
        return 0
    if not can_block(x):
        return reply_null_array(x.out)
    return block_on_keys(x, OBJ_LIST, x.argv + 1, x.argc - 2, deadline_ms, NULL, 0)


cdef int blpop_command(Ctx* x) noexcept nogil:
    """BLPOP key [key ...] timeout. O(keys)."""
    return blocking_pop(x, LIST_HEAD)


cdef int brpop_command(Ctx* x) noexcept nogil:
    """BRPOP key [key ...] timeout. O(keys)."""
    return blocking_pop(x, LIST_TAIL)


cdef struct MpopOpts:
    int keys                    # index of the first key
    int nkeys
    int where
    int64_t count


cdef bint mpop_options_or_reply(Ctx* x, int at, MpopOpts* o) noexcept nogil:
    """numkeys key [key ...] LEFT|RIGHT [COUNT count], numkeys standing at argv[at]."""
    cdef int64_t nkeys = 0
    cdef int side
    o.count = 1
    if not range_or_reply(x, x.argv[at], 1, INT64_MAX, &nkeys, E_NUMKEYS):
        return False
    if nkeys > x.argc or at + 1 + nkeys >= x.argc:
        syntax_error(x)
        return False
    o.keys = at + 1
    o.nkeys = <int>nkeys
    side = o.keys + o.nkeys
    if not side_of(x.argv[side], &o.where):
        syntax_error(x)
        return False
    if x.argc == side + 1:
        return True
    if x.argc != side + 3 or not word_is(x.argv[side + 1], b"count"):
        syntax_error(x)
        return False
    return range_or_reply(x, x.argv[side + 2], 1, INT64_MAX, &o.count, E_COUNT_POSITIVE)


cdef bint mpop_or_reply(Ctx* x, const MpopOpts* opts) noexcept nogil:
    """True when it has answered: popped from the first list that has elements, or met another type."""
    cdef Robj* o
    cdef int i
    for i in range(opts.keys, opts.keys + opts.nkeys):
        o = db_write(x.ks, x.db, x.argv[i])
        if o == NULL:
            continue
        if not type_or_reply(x, o, OBJ_LIST):
            return True
        reply_array(x.out, 2)
        reply_bulk(x.out, x.argv[i].ptr, x.argv[i].len)
        journal_key_n(&x.ks.journal, x.db.id, b"LPOP" if opts.where == LIST_HEAD else b"RPOP", x.argv[i],
                      min(opts.count, <int64_t>list_length(o)))
        pop_many(x, x.argv[i], o, opts.where, opts.count)
        return True
    return False


cdef int lmpop_command(Ctx* x) noexcept nogil:
    """LMPOP numkeys key [key ...] LEFT|RIGHT [COUNT count]. O(keys + count)."""
    cdef MpopOpts opts
    if not mpop_options_or_reply(x, 1, &opts) or mpop_or_reply(x, &opts):
        return 0
    return reply_null_array(x.out)


cdef int blmpop_command(Ctx* x) noexcept nogil:
    """BLMPOP timeout numkeys key [key ...] LEFT|RIGHT [COUNT count]. O(keys + count)."""
    cdef MpopOpts opts
    cdef int64_t deadline_ms = 0
    if not mpop_options_or_reply(x, 2, &opts) or not timeout_or_reply(x, x.argv[1], &deadline_ms):
        return 0
    if mpop_or_reply(x, &opts):
        return 0
    if not can_block(x):
        return reply_null_array(x.out)
    return block_on_keys(x, OBJ_LIST, x.argv + opts.keys, opts.nkeys, deadline_ms, NULL, 0)


bind(b"lpush", lpush_command)
bind(b"rpush", rpush_command)
bind(b"lpushx", lpushx_command)
bind(b"rpushx", rpushx_command)
bind(b"lpop", lpop_command)
bind(b"rpop", rpop_command)
bind(b"llen", llen_command)
bind(b"lindex", lindex_command)
bind(b"lrange", lrange_command)
bind(b"lpos", lpos_command)
bind(b"lset", lset_command)
bind(b"linsert", linsert_command)
bind(b"lrem", lrem_command)
bind(b"ltrim", ltrim_command)
bind(b"lmove", lmove_command)
bind(b"rpoplpush", rpoplpush_command)
bind(b"lmpop", lmpop_command)
bind(b"blpop", blpop_command)
bind(b"brpop", brpop_command)
bind(b"blmove", blmove_command)
bind(b"brpoplpush", brpoplpush_command)
bind(b"blmpop", blmpop_command)
