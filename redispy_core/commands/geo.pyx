"""Geo commands: places are members of sorted sets, their scores geohashes of 52 bits (structs/geohash).

A search goes through the score ranges that cover the area, in the order of geo_cover, and keeps the members that lie
inside. Found members are borrowed from the sorted set, which does not change until they are answered or stored.
"""
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport qsort
from libc.string cimport memcpy
from ..base.mem cimport Mem, mem_alloc, mem_free, mem_realloc
from ..base.num cimport LD_BUF, NUM_BUF, num_parse_double, num_print_ld
from ..base.rp cimport unlikely
from ..base.sds cimport Slice, slice_of
from ..exec.args cimport (double_or_reply, err, err_a, i64_or_reply, syntax_error, text_slice, type_or_reply, word_is)
from ..exec.client cimport Ctx
from ..exec.registry cimport bind
from ..keyspace.db cimport db_read
from ..keyspace.journal cimport *
from ..proto.errors cimport *
from ..proto.reply cimport (Out, reply_array, reply_bulk, reply_errorf, reply_int, reply_null, reply_null_array,
                            reply_raw)
from ..structs.geohash cimport *
from ..structs.skiplist cimport ZslScoreRange
from ..types.object cimport OBJ_ZSET, Robj, robj_free
from ..types.zset cimport *
from .zset_shared cimport put_result
from .zsets cimport AddPlan, zadd_elements

cdef enum:
    FEW = 16                    # places that need no allocation
    PAIR_TEXT = 400             # room for any double printed with %f


# ---------------------------------------------------------------- arguments and places

cdef uint64_t hash_of(double score) noexcept nogil:
    """A score as a geohash. Any sorted set can be asked, so scores that are none must do no harm."""
    if -9223372036854775808.0 <= score < 9223372036854775808.0:
        return <uint64_t><int64_t>score
    return <uint64_t>score if 0 < score < 18446744073709551616.0 else 0


cdef inline void place_of(double score, double* lon, double* lat) noexcept nogil:
    geo_decode(hash_of(score), lon, lat)


cdef bint unit_or_reply(Ctx* x, Slice word, double* metres) noexcept nogil:
    if word_is(word, b"m"):
        metres[0] = 1
    elif word_is(word, b"km"):
        metres[0] = 1000
    elif word_is(word, b"ft"):
        metres[0] = 0.3048
    elif word_is(word, b"mi"):
        metres[0] = 1609.34
    else:
        err(x, E_GEO_UNIT)
        return False
    return True


cdef bint place_or_reply(Ctx* x, int at, double* lon, double* lat) noexcept nogil:
    """Longitude and latitude at argv[at]."""
    cdef char[PAIR_TEXT] a
    cdef char[PAIR_TEXT] b
    if not double_or_reply(x, x.argv[at], lon) or not double_or_reply(x, x.argv[at + 1], lat):
        return False
    if geo_valid(lon[0], lat[0]):
        return True
    snprintf(a, PAIR_TEXT, b"%f", lon[0])
    snprintf(b, PAIR_TEXT, b"%f", lat[0])
    reply_errorf(x.out, E_GEO_PAIR, text_slice(a), text_slice(b))
    return False


cdef inline int reply_distance(Out* out, double v) noexcept nogil:
    cdef char[NUM_BUF] text
    cdef int n = geo_print_distance(text, v)
    return reply_bulk(out, text, n)


cdef int reply_coordinate(Out* out, double v) noexcept nogil:
    """Seventeen decimals less trailing zeros. compat: Redis before 8 and Valkey; Redis 8 prints the shortest text."""
    cdef char[LD_BUF + 4] text
    cdef int n = num_print_ld(text + 1, <long double>v, True)
    if out.resp < 3:
        return reply_bulk(out, text + 1, n)
    text[0] = c','
    memcpy(text + 1 + n, b"\r\n", 2)
    return reply_raw(out, text, n + 3)


cdef inline int reply_place(Out* out, double lon, double lat) noexcept nogil:
    reply_array(out, 2)
    reply_coordinate(out, lon)
    return reply_coordinate(out, lat)


# ---------------------------------------------------------------- places by name

cdef void leave_as_zadd(Ctx* x, const AddPlan* plan, const double* scores) noexcept nogil:
    cdef Journal* j = &x.ks.journal
    cdef int i
    journal_begin(j, x.db.id, plan.first + 2 * plan.count)
    journal_text(j, b"zadd")
    for i in range(1, plan.first):
        journal_arg(j, x.argv[i])
    for i in range(plan.count):
        journal_arg_i64(j, <int64_t>scores[i])      # a geohash of 52 bits
        journal_arg(j, x.argv[plan.first + 3 * i + 2])


cdef int geoadd_command(Ctx* x) noexcept nogil:
    """GEOADD key [NX|XX] [CH] longitude latitude member [...]. O(log n) a member."""
    cdef double[FEW] few
    cdef double* scores = few
    cdef double lon, lat
    cdef AddPlan plan
    cdef int64_t dirty
    cdef int i
    plan.flags = 0
    plan.changed = False
    plan.first = 2
    plan.step = 3
    while plan.first < x.argc:
        if word_is(x.argv[plan.first], b"nx"):
            plan.flags |= ZADD_NX
        elif word_is(x.argv[plan.first], b"xx"):
            plan.flags |= ZADD_XX
        elif word_is(x.argv[plan.first], b"ch"):
            plan.changed = True
        else:
            break
        plan.first += 1
    plan.count = (x.argc - plan.first) // 3
    if (x.argc - plan.first) % 3 or plan.flags == (ZADD_NX | ZADD_XX):
        return syntax_error(x)
    if plan.count > FEW:
        scores = <double*>mem_alloc(x.mem, plan.count * sizeof(double))
    for i in range(plan.count):
        if not place_or_reply(x, plan.first + 3 * i, &lon, &lat):
            break
        scores[i] = <double>geo_encode(lon, lat)
    else:
        dirty = x.ks.ev.dirty
        zadd_elements(x, &plan, scores)
        if x.ks.ev.dirty != dirty and unlikely(journaling(&x.ks.journal)):
            leave_as_zadd(x, &plan, scores)
    if plan.count > FEW:
        mem_free(x.mem, scores)
    return 0


cdef int geodist_command(Ctx* x) noexcept nogil:
    """GEODIST key member1 member2 [M|KM|FT|MI]. O(1)."""
    cdef double metres = 1, a, b, lon1, lat1, lon2, lat2
    cdef Robj* o
    if x.argc > 5:
        return syntax_error(x)
    if x.argc == 5 and not unit_or_reply(x, x.argv[4], &metres):
        return 0
    o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_ZSET):
        return 0
    if o == NULL or not zset_score(o, x.argv[2], &a) or not zset_score(o, x.argv[3], &b):
        return reply_null(x.out)
    place_of(a, &lon1, &lat1)
    place_of(b, &lon2, &lat2)
    return reply_distance(x.out, geo_distance(lon1, lat1, lon2, lat2) / metres)


cdef int geohash_command(Ctx* x) noexcept nogil:
    """GEOHASH key [member ...]. O(members)."""
    cdef char[GEO_HASH_CHARS] text
    cdef double score
    cdef int i
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_ZSET):
        return 0
    reply_array(x.out, x.argc - 2)
    for i in range(2, x.argc):
        if o == NULL or not zset_score(o, x.argv[i], &score):
            reply_null(x.out)
        else:
            geo_hash_text(hash_of(score), text)
            reply_bulk(x.out, text, GEO_HASH_CHARS)
    return 0


cdef int geopos_command(Ctx* x) noexcept nogil:
    """GEOPOS key [member ...]. O(members)."""
    cdef double score, lon, lat
    cdef int i
    cdef Robj* o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, o, OBJ_ZSET):
        return 0
    reply_array(x.out, x.argc - 2)
    for i in range(2, x.argc):
        if o == NULL or not zset_score(o, x.argv[i], &score):
            reply_null_array(x.out)
        else:
            place_of(score, &lon, &lat)
            reply_place(x.out, lon, lat)
    return 0


# ---------------------------------------------------------------- what a search finds

cdef struct Place:
    const char* member          # NULL: text holds it
    size_t len
    double score
    double lon
    double lat
    double distance             # metres
    char[24] text

cdef struct Rank:               # what is sorted
    double distance
    size_t at                   # of its place

cdef struct Places:
    Mem* m
    Place* p
    size_t n
    size_t cap
    Place[FEW] few


cdef void places_grow(Places* s) noexcept nogil:
    cdef Place* p
    s.cap *= 4
    if s.p == s.few:
        p = <Place*>mem_alloc(s.m, s.cap * sizeof(Place))
        memcpy(p, s.few, sizeof(s.few))
        s.p = p
    else:
        s.p = <Place*>mem_realloc(s.m, s.p, s.cap * sizeof(Place))


cdef inline Slice place_member(const Place* p) noexcept nogil:
    return slice_of(p.member if p.member != NULL else p.text, p.len)


cdef void gather(Places* s, const Robj* o, const GeoShape* shape, int64_t limit) noexcept nogil:
    """All places inside the shape, or the first `limit` (0: all)."""
    cdef GeoRange[GEO_MAX_RANGES] ranges
    cdef int n = geo_cover(shape, ranges), i
    cdef ZslScoreRange r
    cdef ZsetIter it
    cdef ZsetItem e
    cdef Place* p
    r.min_ex = False
    r.max_ex = True
    for i in range(n):
        r.min = <double>ranges[i].min
        r.max = <double>ranges[i].max
        zset_iter_score(&it, o, &r, 0, -1, False)
        while zset_next(&it, &e):
            if s.n == s.cap:
                places_grow(s)
            p = &s.p[s.n]
            p.score = zset_item_score(&e)
            place_of(p.score, &p.lon, &p.lat)
            if not geo_contains(shape, p.lon, p.lat, &p.distance):
                continue
            p.len = e.len
            p.member = e.member
            if e.member == e.text:
                memcpy(p.text, e.text, e.len)
                p.member = NULL
            s.n += 1
            if <int64_t>s.n == limit:
                return


cdef inline bint is_nearer(const Rank* a, const Rank* b) noexcept nogil:
    return a.distance < b.distance or (a.distance == b.distance and a.at < b.at)


cdef int by_distance(const void* a, const void* b) noexcept nogil:
    return -1 if is_nearer(<const Rank*>a, <const Rank*>b) else 1


cdef void sift_down(Rank* heap, size_t n, size_t at) noexcept nogil:
    """The farthest stands on top."""
    cdef Rank item = heap[at]
    cdef size_t child = 2 * at + 1
    while child < n:
        if child + 1 < n and is_nearer(&heap[child], &heap[child + 1]):
            child += 1
        if not is_nearer(&item, &heap[child]):
            break
        heap[at] = heap[child]
        at = child
        child = 2 * at + 1
    heap[at] = item


cdef Rank* nearest(const Places* s, size_t count, bint farthest) noexcept nogil:
    """The nearest (farthest) `count` <= s.n places in order; to be freed. O(n log count)."""
    cdef Rank* ranks = <Rank*>mem_alloc(s.m, count * sizeof(Rank))
    cdef Rank r
    cdef size_t i
    cdef int64_t j
    for i in range(s.n):
        r.distance = -s.p[i].distance if farthest else s.p[i].distance
        r.at = i
        if i < count:
            ranks[i] = r
            if i + 1 == count and count < s.n:
                for j in range(<int64_t>count // 2 - 1, -1, -1):
                    sift_down(ranks, count, j)
        elif is_nearer(&r, ranks):
            ranks[0] = r
            sift_down(ranks, count, 0)
    qsort(ranks, count, sizeof(Rank), by_distance)
    return ranks


# ---------------------------------------------------------------- a search's arguments

cdef enum Kind:
    RADIUS = 1                  # GEORADIUS: centre and radius come first
    RADIUS_BY_MEMBER = 2
    SEARCH = 4                  # GEOSEARCH: options tell them
    READ_ONLY = 8               # no STORE
    STORES = 16                 # GEOSEARCHSTORE

cdef enum Order:
    AS_FOUND
    NEAREST_FIRST
    FARTHEST_FIRST

cdef struct Search:
    int kind
    Robj* o                     # NULL: a missing key
    GeoShape shape              # metres
    double metres               # of the unit
    bint has_centre
    bint has_area
    bint with_distance
    bint with_hash
    bint with_place
    bint any_will_do
    Order order
    int64_t count               # 0: all
    bint storing
    bint store_distance
    Slice to


cdef bint member_centre_or_reply(Ctx* x, Search* s, Slice member) noexcept nogil:
    cdef double score
    s.has_centre = True
    if s.o == NULL:
        return True
    if not zset_score(s.o, member, &score):
        err(x, E_GEO_MEMBER)
        return False
    place_of(score, &s.shape.lon, &s.shape.lat)
    return True


cdef bint circle_or_reply(Ctx* x, Search* s, int at) noexcept nogil:
    """Radius and unit at argv[at]."""
    s.has_area = True
    s.shape.kind = GEO_CIRCLE
    if not num_parse_double(x.argv[at].ptr, x.argv[at].len, &s.shape.radius):
        err(x, E_GEO_RADIUS)
        return False
    if s.shape.radius < 0:
        err(x, E_GEO_RADIUS_NEGATIVE)
        return False
    if not unit_or_reply(x, x.argv[at + 1], &s.metres):
        return False
    s.shape.radius *= s.metres
    return True


cdef bint box_or_reply(Ctx* x, Search* s, int at) noexcept nogil:
    """Width, height and unit at argv[at]."""
    s.has_area = True
    s.shape.kind = GEO_BOX
    if not num_parse_double(x.argv[at].ptr, x.argv[at].len, &s.shape.width):
        err(x, E_GEO_WIDTH)
        return False
    if not num_parse_double(x.argv[at + 1].ptr, x.argv[at + 1].len, &s.shape.height):
        err(x, E_GEO_HEIGHT)
        return False
    if s.shape.width < 0 or s.shape.height < 0:
        err(x, E_GEO_BOX_NEGATIVE)
        return False
    if not unit_or_reply(x, x.argv[at + 2], &s.metres):
        return False
    s.shape.width *= s.metres
    s.shape.height *= s.metres
    return True


cdef bint flag_option(Search* s, Slice word) noexcept nogil:
    """Options of one word."""
    if word_is(word, b"withdist"):
        s.with_distance = True
    elif word_is(word, b"withhash"):
        s.with_hash = True
    elif word_is(word, b"withcoord"):
        s.with_place = True
    elif word_is(word, b"any"):
        s.any_will_do = True
    elif word_is(word, b"asc"):
        s.order = NEAREST_FIRST
    elif word_is(word, b"desc"):
        s.order = FARTHEST_FIRST
    elif s.kind & STORES and word_is(word, b"storedist"):
        s.store_distance = True
    else:
        return False
    return True


cdef bint count_or_reply(Ctx* x, Search* s, Slice text) noexcept nogil:
    if not i64_or_reply(x, text, &s.count):
        return False
    if s.count <= 0:
        err(x, E_GEO_COUNT)
        return False
    return True


cdef int area_option(Ctx* x, Search* s, int at) noexcept nogil:
    """FROMMEMBER, FROMLONLAT, BYRADIUS, BYBOX: arguments taken, 0: another word, -1: answered."""
    cdef Slice word = x.argv[at]
    cdef int left = x.argc - at - 1
    if not s.kind & SEARCH:
        return 0
    if not s.has_centre and left >= 1 and word_is(word, b"frommember"):
        return 2 if member_centre_or_reply(x, s, x.argv[at + 1]) else -1
    if not s.has_centre and left >= 2 and word_is(word, b"fromlonlat"):
        s.has_centre = True
        return 3 if place_or_reply(x, at + 1, &s.shape.lon, &s.shape.lat) else -1
    if not s.has_area and left >= 2 and word_is(word, b"byradius"):
        return 3 if circle_or_reply(x, s, at + 1) else -1
    if not s.has_area and left >= 3 and word_is(word, b"bybox"):
        return 4 if box_or_reply(x, s, at + 1) else -1
    return 0


cdef bint options_or_reply(Ctx* x, Search* s, int at) noexcept nogil:
    cdef int left, taken
    while at < x.argc:
        left = x.argc - at - 1
        if flag_option(s, x.argv[at]):
            at += 1
        elif left and word_is(x.argv[at], b"count"):
            if not count_or_reply(x, s, x.argv[at + 1]):
                return False
            at += 2
        elif left and not s.kind & (SEARCH | READ_ONLY) and (word_is(x.argv[at], b"store")
                                                             or word_is(x.argv[at], b"storedist")):
            s.storing = True
            s.store_distance = x.argv[at].len > 5
            s.to = x.argv[at + 1]
            at += 2
        else:
            taken = area_option(x, s, at)
            if taken == 0:
                syntax_error(x)
            if taken <= 0:
                return False
            at += taken
    return True


cdef bint search_is_whole_or_reply(Ctx* x, Search* s) noexcept nogil:
    cdef bint stores = (s.kind & STORES) != 0
    cdef Slice name = text_slice(b"GEOSEARCHSTORE" if stores else b"GEOSEARCH")
    if s.storing and (s.with_distance or s.with_hash or s.with_place):
        err_a(x, E_GEO_STORE_WITH, name if stores else text_slice(b"STORE option in GEORADIUS"))
    elif not s.has_centre:
        err_a(x, E_GEO_FROM, name)
    elif not s.has_area:
        err_a(x, E_GEO_BY, name)
    elif s.any_will_do and s.count == 0:
        err(x, E_GEO_ANY)
    else:
        return True
    return False


cdef void search_start(Search* s, int kind) noexcept nogil:
    s.kind = kind
    s.shape.lon = s.shape.lat = 0
    s.metres = 1
    s.has_centre = s.has_area = False
    s.with_distance = s.with_hash = s.with_place = False
    s.any_will_do = False
    s.order = AS_FOUND
    s.count = 0
    s.storing = s.store_distance = False


# ---------------------------------------------------------------- answering

cdef void reply_found(Out* out, const Search* s, const Place* p) noexcept nogil:
    cdef Slice member = place_member(p)
    cdef int extras = s.with_distance + s.with_hash + s.with_place
    if extras:
        reply_array(out, 1 + extras)
    reply_bulk(out, member.ptr, member.len)
    if s.with_distance:
        reply_distance(out, p.distance / s.metres)
    if s.with_hash:
        reply_int(out, <int64_t>hash_of(p.score))
    if s.with_place:
        reply_place(out, p.lon, p.lat)


cdef int store_found(Ctx* x, const Search* s, const Places* found, const Rank* ranks, size_t n) noexcept nogil:
    cdef const char* event = b"geosearchstore" if s.kind & STORES else b"georadiusstore"
    cdef Robj* o = NULL
    cdef const Place* p
    cdef size_t i, longest = 0
    cdef double score
    if n:
        for i in range(n):
            longest = max(longest, found.p[i if ranks == NULL else ranks[i].at].len)
        o = zset_new_for(x.mem, x.env, s.to, n, longest)
    for i in range(n):
        p = &found.p[i if ranks == NULL else ranks[i].at]
        score = p.distance / s.metres if s.store_distance else p.score
        if unlikely(zset_add(x.mem, x.env, o, score, place_member(p), 0, NULL) == ZADD_NO_MEMORY):
            robj_free(x.mem, o)
            return err(x, E_OOM_ALLOC)
    x.ks.ev.dirty += n - 1 if n else 0
    return put_result(x, o, s.to, event)


cdef int search(Ctx* x, Search* s) noexcept nogil:
    """Runs a parsed search."""
    cdef Places found
    cdef Rank* ranks = NULL
    cdef size_t n, i
    if s.count and s.order == AS_FOUND and not s.any_will_do:
        s.order = NEAREST_FIRST
    found.m = x.mem
    found.p = found.few
    found.n = 0
    found.cap = FEW
    gather(&found, s.o, &s.shape, s.count if s.any_will_do else 0)
    n = found.n if s.count == 0 or <uint64_t>s.count > found.n else <size_t>s.count
    if n and s.order != AS_FOUND:
        ranks = nearest(&found, n, s.order == FARTHEST_FIRST)
    if s.storing:
        store_found(x, s, &found, ranks, n)
    else:
        reply_array(x.out, n)
        for i in range(n):
            reply_found(x.out, s, &found.p[i if ranks == NULL else ranks[i].at])
    mem_free(x.mem, ranks)
    if found.p != found.few:
        mem_free(x.mem, found.p)
    return 0


cdef int finish(Ctx* x, Search* s, int options) noexcept nogil:
    """Options from argv[options] on, then the search."""
    if not options_or_reply(x, s, options) or not search_is_whole_or_reply(x, s):
        return 0
    if s.o != NULL:
        return search(x, s)
    if s.storing:
        return put_result(x, NULL, s.to, NULL)
    return reply_array(x.out, 0)


cdef int radius_generic(Ctx* x, int kind) noexcept nogil:
    cdef Search s
    search_start(&s, kind)
    s.o = db_read(x.ks, x.db, x.argv[1])
    if not type_or_reply(x, s.o, OBJ_ZSET):
        return 0
    if kind & RADIUS_BY_MEMBER and s.o == NULL:
        s.has_centre = s.has_area = True                # compat: neither member nor radius is looked at
        return finish(x, &s, 5)
    if kind & RADIUS_BY_MEMBER:
        if not member_centre_or_reply(x, &s, x.argv[2]) or not circle_or_reply(x, &s, 3):
            return 0
        return finish(x, &s, 5)
    if not place_or_reply(x, 2, &s.shape.lon, &s.shape.lat) or not circle_or_reply(x, &s, 4):
        return 0
    s.has_centre = True
    return finish(x, &s, 6)


cdef int georadius_command(Ctx* x) noexcept nogil:
    """GEORADIUS key longitude latitude radius unit [options] [STORE key|STOREDIST key]. O(n + m log count)."""
    return radius_generic(x, RADIUS)


cdef int georadius_ro_command(Ctx* x) noexcept nogil:
    """GEORADIUS_RO key longitude latitude radius unit [options]. O(n + m log count)."""
    return radius_generic(x, RADIUS | READ_ONLY)


cdef int georadiusbymember_command(Ctx* x) noexcept nogil:
    """GEORADIUSBYMEMBER key member radius unit [options] [STORE key|STOREDIST key]. O(n + m log count)."""
    return radius_generic(x, RADIUS_BY_MEMBER)


cdef int georadiusbymember_ro_command(Ctx* x) noexcept nogil:
    """GEORADIUSBYMEMBER_RO key member radius unit [options]. O(n + m log count)."""
    return radius_generic(x, RADIUS_BY_MEMBER | READ_ONLY)


cdef int search_generic(Ctx* x, int kind, int key) noexcept nogil:
    cdef Search s
    search_start(&s, kind)
    s.o = db_read(x.ks, x.db, x.argv[key])
    if not type_or_reply(x, s.o, OBJ_ZSET):
        return 0
    s.storing = (kind & STORES) != 0
    s.to = x.argv[1]
    return finish(x, &s, key + 1)


cdef int geosearch_command(Ctx* x) noexcept nogil:
    """GEOSEARCH key FROMMEMBER m|FROMLONLAT x y BYRADIUS r unit|BYBOX w h unit [options]. O(n + m log count)."""
    return search_generic(x, SEARCH, 1)


cdef int geosearchstore_command(Ctx* x) noexcept nogil:
    """GEOSEARCHSTORE dst src FROMMEMBER|FROMLONLAT ... BYRADIUS|BYBOX ... [options] [STOREDIST]. O(n + m log m)."""
    return search_generic(x, SEARCH | STORES, 2)


bind(b"geoadd", geoadd_command)
bind(b"geodist", geodist_command)
bind(b"geohash", geohash_command)
bind(b"geopos", geopos_command)
bind(b"georadius", georadius_command)
bind(b"georadius_ro", georadius_ro_command)
bind(b"georadiusbymember", georadiusbymember_command)
bind(b"georadiusbymember_ro", georadiusbymember_ro_command)
bind(b"geosearch", geosearch_command)
bind(b"geosearchstore", geosearchstore_command)
