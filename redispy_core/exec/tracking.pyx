"""Client-side caching (contract: tracking.pxd). Room exec; the commands are in commands/tracking.

    Exec.tracking -> Room -+- table: dict of Tracked        [count][key length][key][seat, seat ... ascending]
                           +- seats: Client* by seat number      a client keeps its seat as long as it lives
                           +- rows: (want, mask, Prefix) ...     of BCAST, in the order of the prefixes
    Client.tracking -> Track: modes, seat, prefixes

A key that a tracking client reads is remembered with the client's seat; its first change afterwards is told to all its
readers and the entry goes. Keys of all databases are one: tracking knows names alone. Readers are numbers of 4 bytes
instead of client ids, found in an array. The seat of a client that has gone is empty, and given away again only after
a sweep over the table (a part of it each cron call) has taken the number out of every entry.

BCAST remembers nothing of reads. Changed keys gather at each prefix that they begin with, with the client that changed
them last, until the loop goes to sleep. A row holds the first eight bytes of its prefix, as in exec/pubsub.

While nobody tracks and the table is empty, exec/listening does not know this file, and a change costs nothing.
Invariants: seats in a Tracked ascend, at least one; items is their sum; a Prefix has clients.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove, memset
from ..base.env cimport env_mono_us
from ..base.mem cimport Mem, mem_alloc, mem_calloc, mem_free, mem_realloc
from ..base.num cimport num_print_i64
from ..base.rp cimport likely, rp_load64le, unlikely
from ..base.sds cimport Sds, Slice, sds_append, sds_free, sds_new, sds_reserve, slice_of
from ..structs.dict cimport (Dict, DictType, dict_clear, dict_clear_step, dict_find, dict_find_pos, dict_get, dict_hash,
                             dict_init, dict_insert, dict_random, dict_relink, dict_remove, dict_remove_at, dict_scan,
                             dict_shrink, DictPos)
from ..structs.rax cimport (Rax, RAX_FIRST, RaxIter, rax_free, rax_insert, rax_iter_done, rax_iter_init, rax_new,
                            rax_next, rax_seek)
from .args cimport text_slice
from .client cimport (CL_CACHING, CL_PUBSUB, CL_TRACKING, Client, client_by_id)
from .dispatch cimport Exec, exec_on_reset
from .keyspecs cimport KEYS_INVALID, KeyRef, command_keys
from .listening cimport LISTEN_TRACKING, listen, unlisten
from .push cimport push_message
from .registry cimport CMD_NOSCRIPT, Command

cdef enum:
    SCRATCH_MAX = 64 * 1024         # a buffer that grew larger is given back
    KEYS_HERE = 64                  # keys of a request without an allocation
    SWEEP_STEP = 64                 # buckets between two looks at the clock

cdef enum SeatState:
    SEAT_FREE = 0
    SEAT_TAKEN = 1
    SEAT_LEFT = 2                   # its client is gone; entries may still have its number
    SEAT_SWEPT = 3                  # likewise, and a sweep is under way that began after that

cdef struct Seat:
    Client* client                  # NULL unless SEAT_TAKEN
    SeatState state

cdef struct Tracked:
    uint32_t count
    uint32_t len
    char text[1]                    # the key, then the seats at the next multiple of four

cdef struct Member:                 # a client at a prefix
    Client* client
    uint32_t at                     # in its Track's prefixes

cdef struct Prefix:
    Member* members
    uint32_t count
    uint32_t cap
    Rax* changed                    # keys since the last broadcast, to the id of who changed them last; NULL: none
    size_t len
    char text[1]

cdef struct Row:
    uint64_t want                   # the prefix's first eight bytes
    uint64_t mask                   # 0xff for each that it has
    Prefix* prefix

cdef struct Membership:
    Prefix* prefix
    uint32_t at                     # in its members

cdef struct Track:                  # of a client
    int modes                       # TrackMode
    uint32_t seat
    Membership* prefixes           # in their order
    uint32_t count

cdef struct Room:
    Dict table
    Dict grave                      # a table that FLUSHALL emptied, freed by cron
    int64_t items
    int64_t clients                 # that track now
    Seat* seats
    uint32_t seat_count
    uint32_t seat_cap
    uint32_t free                   # seats below seat_count that nobody has
    uint32_t left                   # seats that wait for a sweep
    bint sweeping
    uint64_t cursor                 # of the sweep
    Row* rows
    uint32_t row_count
    uint32_t row_cap
    bint gathered                   # some prefix has changed keys
    Sds* scratch                    # the message being written


cdef const char* key_of(const void* entry, size_t* n) noexcept nogil:
    n[0] = (<const Tracked*>entry).len
    return (<Tracked*>entry).text


cdef void free_tracked(Mem* m, void* entry) noexcept nogil:
    mem_free(m, entry)


cdef DictType tracked_keys
tracked_keys.key_of = key_of
tracked_keys.free_entry = free_tracked


cdef inline Room* room_of(const Exec* x) noexcept nogil:
    return <Room*>x.tracking


cdef inline Track* track_of(const Client* c) noexcept nogil:
    return <Track*>c.tracking


cdef int tracking_mode(const Client* c) noexcept nogil:
    return track_of(c).modes if c.tracking != NULL else 0


cdef TrackingFigures tracking_figures(const Exec* x) noexcept nogil:
    cdef TrackingFigures f
    cdef const Room* r = room_of(x)
    f.clients = r.clients
    f.keys = r.table.used
    f.items = r.items
    f.prefixes = r.row_count
    return f


cdef void hear_or_rest(Exec* x, Room* r) noexcept nogil:
    """Listens to changes while somebody tracks or something is remembered."""
    if r.clients or r.table.used:
        listen(x, LISTEN_TRACKING, key_changed_while_tracked, flushed_while_tracked)
    else:
        unlisten(x, LISTEN_TRACKING)


# ---------------------------------------------------------------- seats

cdef void take_seat(Exec* x, Room* r, Client* c) noexcept nogil:
    cdef uint32_t i = 0 if r.free else r.seat_count
    while i < r.seat_count and r.seats[i].state != SEAT_FREE:
        i += 1
    if i < r.seat_count:
        r.free -= 1
    else:
        if i == r.seat_cap:
            r.seat_cap = 2 * r.seat_cap if r.seat_cap else 8
            r.seats = <Seat*>mem_realloc(x.mem, r.seats, r.seat_cap * sizeof(Seat))
        r.seat_count += 1
    r.seats[i].client = c
    r.seats[i].state = SEAT_TAKEN
    track_of(c).seat = i


cdef void leave_seat(Exec* x, Room* r, uint32_t seat) noexcept nogil:
    r.seats[seat].client = NULL
    if r.table.used == 0:
        r.seats[seat].state = SEAT_FREE
        r.free += 1
        drop_free_seats(x, r)
        return
    r.seats[seat].state = SEAT_LEFT
    r.left += 1


cdef void drop_free_seats(Exec* x, Room* r) noexcept nogil:
    while r.seat_count and r.seats[r.seat_count - 1].state == SEAT_FREE:
        r.seat_count -= 1
        r.free -= 1
    if r.seat_count == 0 and r.seat_cap:
        mem_free(x.mem, r.seats)
        r.seats = NULL
        r.seat_cap = 0


# ---------------------------------------------------------------- messages

cdef inline Slice all_of(const Sds* s) noexcept nogil:
    return slice_of(s.data, s.len)


cdef Sds* scratch_of(Exec* x, Room* r) noexcept nogil:
    cdef Sds* s = r.scratch
    r.scratch = NULL
    if s == NULL:
        return sds_new(x.mem, NULL, 0)
    s.len = 0
    return s


cdef void keep_scratch(Exec* x, Room* r, Sds* s) noexcept nogil:
    if r.scratch != NULL or s.cap > SCRATCH_MAX:
        sds_free(x.mem, s)
    else:
        r.scratch = s


cdef Sds* put_header(Mem* m, Sds* s, char kind, int64_t n) noexcept nogil:
    cdef char[32] head
    cdef int used
    head[0] = kind
    used = 1 + num_print_i64(head + 1, n)
    head[used] = 13
    head[used + 1] = 10
    return sds_append(m, s, head, used + 2)


cdef Sds* put_bulk(Mem* m, Sds* s, const char* text, size_t len) noexcept nogil:
    s = put_header(m, sds_reserve(m, s, len + 32), 36, len)
    s = sds_append(m, s, text, len)
    return sds_append(m, s, b"\r\n", 2)


cdef void tell_broken(Exec* x, Client* c) noexcept nogil:
    cdef Room* r = room_of(x)
    cdef Sds* s
    track_of(c).modes |= TRACK_BROKEN
    if c.out.resp < 3:
        return                          # RESP2 has no way to say it
    s = put_header(x.mem, scratch_of(x, r), 58, c.redirect)
    push_message(x, c, text_slice(b"*2\r\n$21\r\ntracking-redir-broken\r\n"), all_of(s))
    keep_scratch(x, r, s)


cdef void send_invalid(Exec* x, Client* c, Slice keys) noexcept nogil:
    """keys: an array of keys, or null, as RESP; for the client c or the one that it redirects to."""
    cdef Client* to = c
    if c.redirect:
        to = client_by_id(&x.clients, c.redirect)
        if unlikely(to == NULL):
            tell_broken(x, c)
            return
    if to.out.resp >= 3:
        push_message(x, to, text_slice(b"*2\r\n$10\r\ninvalidate\r\n"), keys)
    elif c.redirect and to.flags & CL_PUBSUB:       # to any channel: RESP2 clients read messages only then
        push_message(x, to, text_slice(b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n"), keys)


# ---------------------------------------------------------------- the table of read keys

cdef inline uint32_t* seats_of(Tracked* t) noexcept nogil:
    return <uint32_t*>(<char*>t + seats_at(t.len))


cdef inline size_t seats_at(uint32_t len) noexcept nogil:
    return (2 * sizeof(uint32_t) + len + 3) & ~<size_t>3


cdef inline uint64_t hash_of(Exec* x, Slice key) noexcept nogil:
    """All dicts of an engine share one seed. The memo is read, not set: the key's bytes may go before the command ends."""
    if likely(key.ptr == x.ks.memo_ptr and key.len == x.ks.memo_len):
        return x.ks.memo_hash
    return dict_hash(&room_of(x).table, key.ptr, key.len)


cdef uint32_t place_for(Tracked* t, uint32_t seat) noexcept nogil:
    """Where the seat stands or would stand. O(log readers)."""
    cdef uint32_t* seats = seats_of(t)
    cdef uint32_t low = 0
    cdef uint32_t high = t.count
    cdef uint32_t middle
    while low < high:
        middle = (low + high) // 2
        if seats[middle] < seat:
            low = middle + 1
        else:
            high = middle
    return low


cdef void add_reader(Exec* x, Room* r, Tracked* t, uint32_t seat, uint64_t hash) noexcept nogil:
    """Room for readers doubles whenever their number is a power of two."""
    cdef uint32_t at = place_for(t, seat)
    cdef Tracked* old = t
    if at < t.count and seats_of(t)[at] == seat:
        return
    if t.count & (t.count - 1) == 0:
        t = <Tracked*>mem_realloc(x.mem, t, seats_at(t.len) + 2 * t.count * sizeof(uint32_t))
        if t != old:
            dict_relink(&r.table, hash, old, t)
    memmove(seats_of(t) + at + 1, seats_of(t) + at, (t.count - at) * sizeof(uint32_t))
    seats_of(t)[at] = seat
    t.count += 1
    r.items += 1


cdef void remember_key(Exec* x, Room* r, Slice key, uint32_t seat) noexcept nogil:
    cdef uint64_t hash = hash_of(x, key)
    cdef Tracked* t = <Tracked*>dict_find(&r.table, key.ptr, key.len, hash)
    if t != NULL:
        if unlikely(t.count != 1 or seats_of(t)[0] != seat):
            add_reader(x, r, t, seat, hash)
        return
    t = <Tracked*>mem_alloc(x.mem, seats_at(<uint32_t>key.len) + sizeof(uint32_t))
    t.count = 1
    t.len = <uint32_t>key.len
    memcpy(t.text, key.ptr, key.len)
    seats_of(t)[0] = seat
    dict_insert(x.mem, &r.table, hash, t)
    r.items += 1
    if unlikely(over_limit(x, r)):
        tracking_limit(x, 1)


cdef void remember_reads(Exec* x, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    """After a command that reads, whatever it answered: what is missing may come to be."""
    cdef KeyRef[KEYS_HERE] here
    cdef KeyRef* refs = here
    cdef Room* r = room_of(x)
    cdef Track* t = track_of(x.caller)
    cdef int i, n
    if t.modes & TRACK_BCAST or cmd.flags & CMD_NOSCRIPT:   # of a read-only script, its commands are looked at
        return
    if t.modes & (TRACK_OPTIN | TRACK_OPTOUT) and ((t.modes & TRACK_OPTIN) != 0) != ((x.caller.flags & CL_CACHING) != 0):
        return
    if likely(cmd.first_key == 1 and cmd.last_key == 1 and cmd.nkeys == 1):
        remember_key(x, r, argv[1], t.seat)
        return
    if argc > KEYS_HERE:
        refs = <KeyRef*>mem_alloc(x.mem, argc * sizeof(KeyRef))
    n = command_keys(cmd, argv, argc, refs, argc)
    for i in range(n if n != KEYS_INVALID else 0):
        remember_key(x, r, argv[refs[i].pos], t.seat)
    if refs != here:
        mem_free(x.mem, refs)


cdef void tell_readers(Exec* x, Room* r, Tracked* t, bint of_caller) noexcept nogil:
    """of_caller: the running command is the reason."""
    cdef Sds* s = put_bulk(x.mem, sds_append(x.mem, scratch_of(x, r), b"*1\r\n", 4), t.text, t.len)
    cdef uint32_t* seats = seats_of(t)
    cdef Client* c
    cdef uint32_t i
    for i in range(t.count):
        c = r.seats[seats[i]].client
        if c == NULL or not c.flags & CL_TRACKING or track_of(c).modes & TRACK_BCAST:
            continue                    # what it read before it stopped or changed its mode
        if of_caller and track_of(c).modes & TRACK_NOLOOP and x.depth and c == x.caller:
            continue
        send_invalid(x, c, all_of(s))
    keep_scratch(x, r, s)


cdef void key_changed_while_tracked(Exec* x, int db, Slice key) noexcept nogil:
    cdef Room* r = room_of(x)
    cdef DictPos pos
    cdef Tracked* t
    if r.row_count:
        gather(x, r, key)
    if r.table.used == 0:
        return
    pos = dict_find_pos(&r.table, key.ptr, key.len, hash_of(x, key))
    t = <Tracked*>dict_get(pos) if pos.b != NULL else NULL
    if t == NULL:
        return
    dict_remove_at(x.mem, &r.table, pos)
    r.items -= t.count
    tell_readers(x, r, t, True)
    mem_free(x.mem, t)
    if unlikely(r.table.used == 0):
        hear_or_rest(x, r)


cdef void flushed_while_tracked(Exec* x, int db) noexcept nogil:
    """Whatever the database: clients are told to forget all they have."""
    cdef Room* r = room_of(x)
    cdef Client* c
    cdef uint32_t i
    for i in range(r.seat_count):
        c = r.seats[i].client
        if c != NULL and c.flags & CL_TRACKING:
            # compat: the null of the protocol of the client that tracks, not of the one that gets it
            send_invalid(x, c, text_slice(b"_\r\n" if c.out.resp >= 3 else b"$-1\r\n"))
    bury_table(x, r)


cdef void bury_table(Exec* x, Room* r) noexcept nogil:
    if r.table.used == 0:
        return
    dict_clear(x.mem, &r.grave)
    r.grave = r.table
    dict_init(&r.table, &tracked_keys, x.env)
    r.items = 0
    r.sweeping = False
    free_seats(r, SEAT_LEFT)
    hear_or_rest(x, r)


# ---------------------------------------------------------------- limit and sweep

cdef inline bint over_limit(Exec* x, Room* r) noexcept nogil:
    return x.env.knobs.tracking_table_max_keys > 0 and r.table.used > <size_t>x.env.knobs.tracking_table_max_keys


cdef void tracking_limit(Exec* x, int keys) noexcept nogil:
    cdef Room* r = room_of(x)
    cdef Tracked* t
    while keys and over_limit(x, r):
        t = <Tracked*>dict_random(&r.table, x.env)
        dict_remove(x.mem, &r.table, t.text, t.len, dict_hash(&r.table, t.text, t.len))
        r.items -= t.count
        tell_readers(x, r, t, False)
        mem_free(x.mem, t)
        keys -= 1


cdef void sweep_entry(void* ctx, void* entry) noexcept nogil:
    """Takes the numbers of clients that are gone out of an entry; without readers it goes."""
    cdef Exec* x = <Exec*>ctx
    cdef Room* r = room_of(x)
    cdef Tracked* t = <Tracked*>entry
    cdef uint32_t* seats = seats_of(t)
    cdef uint32_t kept = 0
    cdef uint32_t i
    for i in range(t.count):
        if r.seats[seats[i]].state == SEAT_TAKEN:
            seats[kept] = seats[i]
            kept += 1
    r.items -= t.count - kept
    t.count = kept
    if kept == 0:
        dict_remove(x.mem, &r.table, t.text, t.len, dict_hash(&r.table, t.text, t.len))
        mem_free(x.mem, t)


cdef void free_seats(Room* r, SeatState least) noexcept nogil:
    """Those that were left, when no entry can have their numbers any more."""
    cdef uint32_t i
    for i in range(r.seat_count):
        if r.seats[i].state >= least:
            r.seats[i].state = SEAT_FREE
            r.left -= 1
            r.free += 1


cdef void begin_sweep(Room* r) noexcept nogil:
    cdef uint32_t i
    for i in range(r.seat_count):
        if r.seats[i].state == SEAT_LEFT:
            r.seats[i].state = SEAT_SWEPT
    r.sweeping = True
    r.cursor = 0


cdef void sweep(Exec* x, Room* r, int64_t end_us) noexcept nogil:
    cdef int i
    if r.left == 0:
        return
    if not r.sweeping:
        begin_sweep(r)
    while env_mono_us(x.env) < end_us:
        for i in range(SWEEP_STEP):
            r.cursor = dict_scan(&r.table, r.cursor, sweep_entry, x)
            if r.cursor == 0:
                r.sweeping = False
                free_seats(r, SEAT_SWEPT)
                drop_free_seats(x, r)
                hear_or_rest(x, r)
                return


cdef void tracking_cron(Exec* x, int64_t budget_us) noexcept nogil:
    cdef Room* r = room_of(x)
    cdef int64_t end
    if likely(r.seat_count == 0 and r.grave.used == 0 and r.table.used == 0):
        return
    end = env_mono_us(x.env) + budget_us
    while r.grave.used and env_mono_us(x.env) < end and not dict_clear_step(x.mem, &r.grave, SWEEP_STEP):
        pass
    while over_limit(x, r) and env_mono_us(x.env) < end:
        tracking_limit(x, 16)
    sweep(x, r, end)
    dict_shrink(x.mem, &r.table)
    drop_free_seats(x, r)


# ---------------------------------------------------------------- broadcast

cdef int compare(const Prefix* p, Slice text) noexcept nogil:
    cdef int d = memcmp(p.text, text.ptr, p.len if p.len < text.len else text.len)
    return d if d else (p.len > text.len) - (p.len < text.len)


cdef inline bint begins_with(Slice s, const char* prefix, size_t n) noexcept nogil:
    return s.len >= n and memcmp(s.ptr, prefix, n) == 0


cdef uint32_t row_for(Room* r, Slice text) noexcept nogil:
    """Where the prefix stands or would stand. O(log prefixes)."""
    cdef uint32_t low = 0
    cdef uint32_t high = r.row_count
    cdef uint32_t middle
    while low < high:
        middle = (low + high) // 2
        if compare(r.rows[middle].prefix, text) < 0:
            low = middle + 1
        else:
            high = middle
    return low


cdef Prefix* prefix_for(Exec* x, Room* r, Slice text) noexcept nogil:
    """The prefix of that text, put into its row if it is new."""
    cdef uint32_t at = row_for(r, text)
    cdef Prefix* p
    cdef char begin[8]
    cdef char mask[8]
    cdef size_t n = text.len if text.len < 8 else 8
    if at < r.row_count and compare(r.rows[at].prefix, text) == 0:
        return r.rows[at].prefix
    if r.row_count == r.row_cap:
        r.row_cap = 2 * r.row_cap if r.row_cap else 4
        r.rows = <Row*>mem_realloc(x.mem, r.rows, r.row_cap * sizeof(Row))
    memmove(&r.rows[at + 1], &r.rows[at], (r.row_count - at) * sizeof(Row))
    r.row_count += 1
    p = <Prefix*>mem_calloc(x.mem, sizeof(Prefix) + text.len)
    p.len = text.len
    memcpy(p.text, text.ptr, text.len)
    memset(begin, 0, 8)
    memset(mask, 0, 8)
    memcpy(begin, text.ptr, n)
    memset(mask, 255, n)
    r.rows[at].want = rp_load64le(begin)
    r.rows[at].mask = rp_load64le(mask)
    r.rows[at].prefix = p
    return p


cdef void drop_prefix(Exec* x, Room* r, Prefix* p) noexcept nogil:
    cdef uint32_t at = row_for(r, slice_of(p.text, p.len))
    r.row_count -= 1
    memmove(&r.rows[at], &r.rows[at + 1], (r.row_count - at) * sizeof(Row))
    rax_free(x.mem, p.changed, NULL, NULL)
    mem_free(x.mem, p.members)
    mem_free(x.mem, p)
    if r.row_count == 0:
        mem_free(x.mem, r.rows)
        r.rows = NULL
        r.row_cap = 0


cdef uint32_t own_place(const Track* t, Slice text) noexcept nogil:
    """Where the prefix stands or would stand among the client's. O(log of their number)."""
    cdef uint32_t low = 0
    cdef uint32_t high = t.count
    cdef uint32_t middle
    while low < high:
        middle = (low + high) // 2
        if compare(t.prefixes[middle].prefix, text) < 0:
            low = middle + 1
        else:
            high = middle
    return low


cdef void tracking_join(Exec* x, Client* c, Slice text) noexcept nogil:
    cdef Track* t = track_of(c)
    cdef Prefix* p = prefix_for(x, room_of(x), text)
    cdef uint32_t at = own_place(t, text)
    cdef uint32_t i
    if at < t.count and t.prefixes[at].prefix == p:
        return
    if p.count == p.cap:
        p.cap = 2 * p.cap if p.cap else 2
        p.members = <Member*>mem_realloc(x.mem, p.members, p.cap * sizeof(Member))
    if t.count & (t.count - 1) == 0:            # room doubles whenever their number is a power of two
        t.prefixes = <Membership*>mem_realloc(x.mem, t.prefixes, (2 * t.count if t.count else 1) * sizeof(Membership))
    memmove(&t.prefixes[at + 1], &t.prefixes[at], (t.count - at) * sizeof(Membership))
    t.prefixes[at].prefix = p
    t.prefixes[at].at = p.count
    p.members[p.count].client = c
    p.count += 1
    t.count += 1
    c.prefixes = t.count
    for i in range(at, t.count):
        t.prefixes[i].prefix.members[t.prefixes[i].at].at = i


cdef inline bint overlap(const Prefix* p, Slice text) noexcept nogil:
    return memcmp(p.text, text.ptr, p.len if p.len < text.len else text.len) == 0


cdef Slice tracking_overlap(const Client* c, Slice text) noexcept nogil:
    """Prefixes of one client do not overlap, but for the empty one, which may have come later. So the one that `text`
    begins with stands right before its place, and one that begins with `text` right there."""
    cdef const Track* t = track_of(c)
    cdef uint32_t at
    cdef uint32_t i
    if t == NULL or t.count == 0:
        return slice_of(NULL, 0)
    for i in range(3):
        at = 0 if i == 0 else own_place(t, text) - 1 if i == 1 else own_place(t, text)
        if at < t.count and overlap(t.prefixes[at].prefix, text):
            return slice_of(t.prefixes[at].prefix.text, t.prefixes[at].prefix.len)
    return slice_of(NULL, 0)


cdef void leave_prefixes(Exec* x, Room* r, Track* t) noexcept nogil:
    """The last member of a prefix fills the gap; without members the prefix goes."""
    cdef Prefix* p
    cdef uint32_t i, at
    for i in range(t.count):
        p = t.prefixes[i].prefix
        at = t.prefixes[i].at
        p.count -= 1
        if p.count == 0:
            drop_prefix(x, r, p)
            continue
        p.members[at] = p.members[p.count]
        track_of(p.members[at].client).prefixes[p.members[at].at].at = at
    mem_free(x.mem, t.prefixes)
    t.prefixes = NULL
    t.count = 0


cdef void gather(Exec* x, Room* r, Slice key) noexcept nogil:
    cdef char begin[8]
    cdef uint64_t got
    cdef uint64_t who = x.caller.id if x.depth and not x.ks.ev.own_work else 0
    cdef Prefix* p
    cdef uint32_t i
    memset(begin, 0, 8)
    memcpy(begin, key.ptr, key.len if key.len < 8 else 8)
    got = rp_load64le(begin)
    for i in range(r.row_count):
        p = r.rows[i].prefix
        if (got & r.rows[i].mask) != r.rows[i].want or not begins_with(key, p.text, p.len):
            continue
        if p.changed == NULL:
            p.changed = rax_new(x.mem)
        rax_insert(x.mem, p.changed, key.ptr, key.len, <void*>who, NULL)
        r.gathered = True


cdef Sds* put_changed(Exec* x, Rax* changed, uint64_t but, Sds* s, int64_t* n) noexcept nogil:
    """An array of the changed keys, in order, but those that the client `but` changed last (0: all)."""
    cdef RaxIter it
    cdef bint more
    n[0] = 0
    rax_iter_init(&it, x.mem, changed)
    more = rax_seek(&it, RAX_FIRST, NULL, 0)
    while more:
        n[0] += but == 0 or <uint64_t>it.value != but
        more = rax_next(&it)
    s = put_header(x.mem, s, 42, n[0])
    more = n[0] and rax_seek(&it, RAX_FIRST, NULL, 0)
    while more:
        if but == 0 or <uint64_t>it.value != but:
            s = put_bulk(x.mem, s, it.key, it.klen)
        more = rax_next(&it)
    rax_iter_done(&it)
    return s


cdef Slice tracking_prefix(const Client* c, uint32_t i) noexcept nogil:
    cdef const Prefix* p = track_of(c).prefixes[i].prefix
    return slice_of(p.text, p.len)


cdef uint32_t tracking_prefix_count(const Client* c) noexcept nogil:
    return track_of(c).count if c.tracking != NULL else 0


cdef void broadcast(Exec* x, Room* r, Prefix* p) noexcept nogil:
    cdef Sds* all = NULL
    cdef Sds* s
    cdef Client* c
    cdef int64_t n
    cdef uint32_t i
    for i in range(p.count):
        c = p.members[i].client
        if track_of(c).modes & TRACK_NOLOOP:
            s = put_changed(x, p.changed, c.id, sds_new(x.mem, NULL, 0), &n)
            if n:
                send_invalid(x, c, all_of(s))
            sds_free(x.mem, s)
            continue
        if all == NULL:
            all = put_changed(x, p.changed, 0, sds_new(x.mem, NULL, 0), &n)
        send_invalid(x, c, all_of(all))
    if all != NULL:
        sds_free(x.mem, all)
    rax_free(x.mem, p.changed, NULL, NULL)
    p.changed = NULL


cdef void tracking_broadcast(Exec* x) noexcept nogil:
    cdef Room* r = room_of(x)
    cdef uint32_t i
    if likely(not r.gathered):
        return
    r.gathered = False
    for i in range(r.row_count):
        if r.rows[i].prefix.changed != NULL:
            broadcast(x, r, r.rows[i].prefix)


# ---------------------------------------------------------------- clients

cdef void tracking_stop(Exec* x, Client* c) noexcept nogil:
    """What it has read stays remembered: it may go on, and would want to hear of that."""
    cdef Room* r = room_of(x)
    cdef Track* t = track_of(c)
    if not c.flags & CL_TRACKING:
        return
    leave_prefixes(x, r, t)
    c.prefixes = 0
    t.modes = 0
    c.flags &= ~<uint64_t>(CL_TRACKING | CL_CACHING)
    c.redirect = 0
    r.clients -= 1
    hear_or_rest(x, r)


cdef void tracking_start(Exec* x, Client* c, int modes, uint64_t redirect) noexcept nogil:
    cdef Room* r = room_of(x)
    if c.tracking == NULL:
        c.tracking = mem_calloc(x.mem, sizeof(Track))
        take_seat(x, r, c)
    if not c.flags & CL_TRACKING:
        c.flags |= CL_TRACKING
        r.clients += 1
    track_of(c).modes = modes | TRACK_ON
    c.flags &= ~<uint64_t>CL_CACHING
    c.redirect = redirect
    hear_or_rest(x, r)


cdef void forget_client(Exec* x, Client* c) noexcept nogil:
    if c.tracking == NULL:
        return
    tracking_stop(x, c)
    leave_seat(x, room_of(x), track_of(c).seat)
    mem_free(x.mem, c.tracking)
    c.tracking = NULL


# ---------------------------------------------------------------- invariants

cdef struct Audit:
    Room* room
    int64_t items
    const char* fault


cdef void audit_entry(void* ctx, void* entry) noexcept nogil:
    cdef Audit* a = <Audit*>ctx
    cdef Tracked* t = <Tracked*>entry
    cdef uint32_t* seats = seats_of(t)
    cdef uint32_t i
    a.items += t.count
    if t.count == 0:
        a.fault = b"a key without readers"
    for i in range(t.count):
        if seats[i] >= a.room.seat_count or a.room.seats[seats[i]].state == SEAT_FREE:
            a.fault = b"a reader whose seat is free"
        if i and seats[i - 1] >= seats[i]:
            a.fault = b"readers out of order"


cdef const char* audit_prefixes(Room* r) noexcept nogil:
    cdef Prefix* p
    cdef Membership* m
    cdef uint32_t i, j
    for i in range(r.row_count):
        p = r.rows[i].prefix
        if p.count == 0:
            return b"a prefix without clients"
        if i and compare(r.rows[i - 1].prefix, slice_of(p.text, p.len)) >= 0:
            return b"prefixes out of order"
        for j in range(p.count):
            m = &track_of(p.members[j].client).prefixes[p.members[j].at]
            if m.prefix != p or m.at != j:
                return b"a client and its prefix do not know each other"
    return NULL


cdef const char* audit_seats(Exec* x, Room* r) noexcept nogil:
    cdef Client* c = x.clients.first
    cdef int64_t clients = 0
    cdef uint32_t free = 0
    cdef uint32_t left = 0
    cdef uint32_t i
    while c != NULL:
        clients += (c.flags & CL_TRACKING) != 0
        if c.tracking != NULL and r.seats[track_of(c).seat].client != c:
            return b"a client that is not in its seat"
        c = c.next
    for i in range(r.seat_count):
        free += r.seats[i].state == SEAT_FREE
        left += r.seats[i].state >= SEAT_LEFT
    if free != r.free or left != r.left:
        return b"seats miscounted"
    if clients != r.clients:
        return b"clients miscounted"
    return NULL


cdef const char* tracking_fault(Exec* x) noexcept nogil:
    cdef Room* r = room_of(x)
    cdef Audit a
    cdef uint64_t cursor = 0
    a.room = r
    a.items = 0
    a.fault = audit_seats(x, r)
    if a.fault == NULL:
        a.fault = audit_prefixes(r)
    while a.fault == NULL:
        cursor = dict_scan(&r.table, cursor, audit_entry, &a)
        if cursor == 0:
            break
    if a.fault == NULL and a.items != r.items:
        return b"items miscounted"
    return a.fault


# ---------------------------------------------------------------- for the engine

cdef void tracking_init(Exec* x) noexcept nogil:
    cdef Room* r = <Room*>mem_calloc(x.mem, sizeof(Room))
    dict_init(&r.table, &tracked_keys, x.env)
    dict_init(&r.grave, &tracked_keys, x.env)
    x.tracking = r
    x.remember_reads = remember_reads
    exec_on_reset(x, forget_client)


cdef void tracking_free(Exec* x) noexcept nogil:
    cdef Room* r = room_of(x)
    dict_clear(x.mem, &r.table)
    dict_clear(x.mem, &r.grave)
    mem_free(x.mem, r.seats)
    mem_free(x.mem, r.rows)
    sds_free(x.mem, r.scratch)
    mem_free(x.mem, r)
    x.tracking = NULL
