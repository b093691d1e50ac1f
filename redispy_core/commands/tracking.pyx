"""CLIENT TRACKING, CACHING, TRACKINGINFO, GETREDIR: client-side caching, kept by exec/tracking. Room commands."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memset
from ..base.sds cimport Slice, slice_of
from ..exec.args cimport err, i64_or_reply, syntax_error, word_is
from ..exec.client cimport CL_CACHING, Client, Ctx, client_by_id
from ..exec.dispatch cimport Exec
from ..exec.registry cimport bind
from ..exec.tracking cimport (TRACK_BCAST, TRACK_BROKEN, TRACK_NOLOOP, TRACK_OPTIN, TRACK_OPTOUT, tracking_join,
                              tracking_mode, tracking_overlap, tracking_prefix, tracking_prefix_count,
                              tracking_start, tracking_stop)
from ..proto.errors cimport (E_CACHING_MODE, E_CACHING_NO, E_CACHING_YES, E_REDIRECT_ONE, E_REDIRECT_UNKNOWN,
                             E_TRACKING_BCAST_OPT, E_TRACKING_OPT_BOTH, E_TRACKING_PREFIX, E_TRACKING_PREFIX_EXISTING,
                             E_TRACKING_PREFIX_GIVEN, E_TRACKING_SWITCH_BCAST, E_TRACKING_SWITCH_OPT)
from ..proto.reply cimport (reply_array, reply_bulk, reply_bulk_text, reply_errorf, reply_int, reply_map, reply_ok,
                            reply_set)


# ---------------------------------------------------------------- CLIENT TRACKING

cdef struct Wish:                   # the options of CLIENT TRACKING
    int modes
    uint64_t redirect
    int prefixes                    # how many; they stand behind the word PREFIX


cdef bint is_prefix_word(Ctx* x, int i) noexcept nogil:
    return word_is(x.argv[i], b"prefix") and i + 1 < x.argc


cdef bint parse_redirect_or_reply(Ctx* x, Slice text, Wish* w) noexcept nogil:
    cdef int64_t id
    if w.redirect:
        err(x, E_REDIRECT_ONE)
        return False
    if not i64_or_reply(x, text, &id):
        return False
    if client_by_id(&(<Exec*>x.exec).clients, <uint64_t>id) == NULL:
        err(x, E_REDIRECT_UNKNOWN)
        return False
    w.redirect = <uint64_t>id
    return True


cdef bint parse_wish_or_reply(Ctx* x, Wish* w) noexcept nogil:
    cdef int i = 3
    memset(w, 0, sizeof(Wish))
    while i < x.argc:
        if word_is(x.argv[i], b"redirect") and i + 1 < x.argc:
            i += 1
            if not parse_redirect_or_reply(x, x.argv[i], w):
                return False
        elif word_is(x.argv[i], b"bcast"):
            w.modes |= TRACK_BCAST
        elif word_is(x.argv[i], b"optin"):
            w.modes |= TRACK_OPTIN
        elif word_is(x.argv[i], b"optout"):
            w.modes |= TRACK_OPTOUT
        elif word_is(x.argv[i], b"noloop"):
            w.modes |= TRACK_NOLOOP
        elif is_prefix_word(x, i):
            i += 1
            w.prefixes += 1
        else:
            syntax_error(x)
            return False
        i += 1
    return True


cdef bint modes_fit_or_reply(Ctx* x, const Wish* w) noexcept nogil:
    cdef int had = tracking_mode(x.client)
    cdef int opts = TRACK_OPTIN | TRACK_OPTOUT
    if w.prefixes and not w.modes & TRACK_BCAST:
        err(x, E_TRACKING_PREFIX)
    elif had and (had ^ w.modes) & TRACK_BCAST:
        err(x, E_TRACKING_SWITCH_BCAST)
    elif w.modes & TRACK_BCAST and w.modes & opts:
        err(x, E_TRACKING_BCAST_OPT)
    elif w.modes & opts == opts:
        err(x, E_TRACKING_OPT_BOTH)
    elif (had & TRACK_OPTIN and w.modes & TRACK_OPTOUT) or (had & TRACK_OPTOUT and w.modes & TRACK_OPTIN):
        err(x, E_TRACKING_SWITCH_OPT)
    else:
        return True
    return False


cdef bint overlap(Slice a, Slice b) noexcept nogil:
    return memcmp(a.ptr, b.ptr, a.len if a.len < b.len else b.len) == 0


cdef int next_prefix(Ctx* x, int i) noexcept nogil:
    """Position of the first prefix from argument i on; argc: none. The options are known to be right."""
    while i < x.argc:
        if is_prefix_word(x, i):
            return i + 1
        i += 2 if word_is(x.argv[i], b"redirect") else 1
    return x.argc


cdef bint prefixes_fit_or_reply(Ctx* x) noexcept nogil:
    cdef int i = next_prefix(x, 3)
    cdef int j
    cdef Slice own
    while i < x.argc:
        own = tracking_overlap(x.client, x.argv[i])
        if own.ptr != NULL:
            reply_errorf(x.out, E_TRACKING_PREFIX_EXISTING, x.argv[i], own)
            return False
        j = next_prefix(x, i + 1)
        while j < x.argc:
            if overlap(x.argv[i], x.argv[j]):
                reply_errorf(x.out, E_TRACKING_PREFIX_GIVEN, x.argv[i], x.argv[j])
                return False
            j = next_prefix(x, j + 1)
        i = next_prefix(x, i + 1)
    return True


cdef int client_tracking_command(Ctx* x) noexcept nogil:
    """CLIENT TRACKING ON|OFF [REDIRECT id] [BCAST] [PREFIX p ...] [OPTIN] [OPTOUT] [NOLOOP]."""
    cdef Exec* e = <Exec*>x.exec
    cdef Wish w
    cdef int i
    if not parse_wish_or_reply(x, &w):
        return 0
    if word_is(x.argv[2], b"off"):
        tracking_stop(e, x.client)
        return reply_ok(x.out)
    if not word_is(x.argv[2], b"on"):
        return syntax_error(x)
    if not modes_fit_or_reply(x, &w) or (w.modes & TRACK_BCAST and not prefixes_fit_or_reply(x)):
        return 0
    tracking_start(e, x.client, w.modes, w.redirect)
    if w.modes & TRACK_BCAST and w.prefixes == 0:
        tracking_join(e, x.client, slice_of(b"", 0))
    i = next_prefix(x, 3) if w.prefixes else x.argc
    while i < x.argc:
        tracking_join(e, x.client, x.argv[i])
        i = next_prefix(x, i + 1)
    return reply_ok(x.out)


cdef int client_caching_command(Ctx* x) noexcept nogil:
    """CLIENT CACHING YES|NO. Counts for the next command, or for a whole transaction."""
    cdef int modes = tracking_mode(x.client)
    if modes == 0:
        return err(x, E_CACHING_MODE)
    if word_is(x.argv[2], b"yes"):
        if not modes & TRACK_OPTIN:
            return err(x, E_CACHING_YES)
    elif word_is(x.argv[2], b"no"):
        if not modes & TRACK_OPTOUT:
            return err(x, E_CACHING_NO)
    else:
        return syntax_error(x)
    x.client.flags |= CL_CACHING
    return reply_ok(x.out)


cdef int client_getredir_command(Ctx* x) noexcept nogil:
    return reply_int(x.out, <int64_t>x.client.redirect if tracking_mode(x.client) else -1)


# ---------------------------------------------------------------- CLIENT TRACKINGINFO

cdef void reply_modes(Ctx* x) noexcept nogil:
    cdef const char* words[8]
    cdef int modes = tracking_mode(x.client)
    cdef int n = 1
    cdef int i
    words[0] = b"on" if modes else b"off"
    if modes & TRACK_BCAST:
        words[n] = b"bcast"
        n += 1
    if modes & (TRACK_OPTIN | TRACK_OPTOUT):
        words[n] = b"optin" if modes & TRACK_OPTIN else b"optout"
        n += 1
        if x.client.flags & CL_CACHING:
            words[n] = b"caching-yes" if modes & TRACK_OPTIN else b"caching-no"
            n += 1
    if modes & TRACK_NOLOOP:
        words[n] = b"noloop"
        n += 1
    if modes & TRACK_BROKEN:
        words[n] = b"broken_redirect"
        n += 1
    reply_set(x.out, n)
    for i in range(n):
        reply_bulk_text(x.out, words[i])


cdef void reply_prefixes(Ctx* x) noexcept nogil:
    cdef uint32_t n = tracking_prefix_count(x.client)
    cdef uint32_t i
    cdef Slice p
    reply_array(x.out, n)
    for i in range(n):
        p = tracking_prefix(x.client, i)
        reply_bulk(x.out, p.ptr, p.len)


cdef int client_trackinginfo_command(Ctx* x) noexcept nogil:
    reply_map(x.out, 3)
    reply_bulk_text(x.out, b"flags")
    reply_modes(x)
    reply_bulk_text(x.out, b"redirect")
    client_getredir_command(x)
    reply_bulk_text(x.out, b"prefixes")
    reply_prefixes(x)
    return 0


bind(b"client|tracking", client_tracking_command)
bind(b"client|caching", client_caching_command)
bind(b"client|trackinginfo", client_trackinginfo_command)
bind(b"client|getredir", client_getredir_command)
