"""Publish and subscribe (contract: pubsub.pxd) and its commands. Room exec.

    Exec.pubsub -> PubSub -+- topics[kind]: dict of Topic --- places: (Client, Sub), (Client, Sub) ...
                           +- rows: (want, mask, Topic) ...      of the patterns, densely
    Client.pubsub -> Subs[kind]: dict of Sub -> Topic

Publishing walks arrays: the places of a channel, and the rows of all patterns. A row holds the first eight bytes of the
pattern's literal beginning, so that most patterns that do not fit are passed over without touching them.

Invariants: a Sub stands in its client's dict and, at Sub.place, in its topic's places; a Topic has places; a pattern's
Topic stands at Topic.row. A client with subscriptions has CL_PUBSUB, G_SUBSCRIBED and a Subs.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset, strlen
from ..base.mem cimport Mem, mem_alloc, mem_calloc, mem_free, mem_realloc
from ..base.num cimport glob_match, num_print_i64
from ..base.rp cimport likely, rp_load64le, unlikely
from ..base.sds cimport Sds, Slice, sds_append, sds_free, sds_new, sds_reserve, slice_of
from ..keyspace.events cimport NOTIFY_KEYEVENT, NOTIFY_KEYSPACE
from ..keyspace.journal cimport TO_REPLICAS, journal_force
from ..proto.errors cimport E_SUBSCRIBED, E_UNKNOWN_SUBCOMMAND_OR_ARITY
from ..proto.reply cimport (Deferred, reply_array, reply_bulk, reply_bulk_text, reply_errorf, reply_int, reply_later,
                            reply_length, reply_null, reply_push)
from ..structs.dict cimport (Dict, DictIter, DictType, dict_clear, dict_find, dict_hash, dict_init, dict_insert,
                             dict_iter, dict_iter_end, dict_next, dict_remove)
from .args cimport text_slice
from .client cimport CL_PUBSUB, Client, Ctx, G_SUBSCRIBED
from .dispatch cimport Exec, exec_on_reset
from .push cimport is_muted, push_message
from .registry cimport Command, bind

cdef enum:
    SUBSCRIBED_BIT = 8              # of G_SUBSCRIBED
    SCRATCH_MAX = 64 * 1024         # a buffer that grew larger is given back

if 1 << SUBSCRIBED_BIT != G_SUBSCRIBED:
    raise AssertionError("SUBSCRIBED_BIT is not the bit of G_SUBSCRIBED")

cdef struct Place:
    Client* client
    Sub* sub

cdef struct Sub:
    Topic* topic
    size_t place

cdef struct Topic:
    Place* places
    size_t count
    size_t cap
    size_t row                      # of a pattern
    size_t literal                  # bytes of a pattern before its first special one
    size_t len
    char text[1]

cdef struct Row:
    uint64_t want                   # the literal beginning, at most eight bytes
    uint64_t mask                   # 0xff for each of them
    Topic* topic

cdef struct Subs:                   # of a client, by kind
    Dict by_name[TOPIC_KINDS]

cdef struct PubSub:
    Dict topics[TOPIC_KINDS]
    Row* rows
    size_t row_count
    size_t row_cap
    Sds* scratch                    # the message being serialised
    Sds* name                       # the channel of a notification

cdef const char* message_words[3]
cdef const char* subscribe_words[3]
cdef const char* unsubscribe_words[3]
message_words[:] = ["message", "pmessage", "smessage"]
subscribe_words[:] = ["subscribe", "psubscribe", "ssubscribe"]
unsubscribe_words[:] = ["unsubscribe", "punsubscribe", "sunsubscribe"]


cdef const char* topic_text(const void* entry, size_t* n) noexcept nogil:
    n[0] = (<const Topic*>entry).len
    return (<Topic*>entry).text


cdef const char* sub_text(const void* entry, size_t* n) noexcept nogil:
    return topic_text((<const Sub*>entry).topic, n)


cdef DictType topic_type
topic_type.key_of = topic_text
topic_type.free_entry = NULL
cdef DictType sub_type
sub_type.key_of = sub_text
sub_type.free_entry = NULL


cdef inline PubSub* room_of(const Exec* x) noexcept nogil:
    return <PubSub*>x.pubsub


cdef inline int* count_of(Client* c, TopicKind kind) noexcept nogil:
    if kind == CHANNELS:
        return &c.channels
    return &c.patterns if kind == PATTERNS else &c.shard_channels


cdef inline int told_count(const Client* c, TopicKind kind) noexcept nogil:
    """The number that a confirmation carries: patterns and channels together, shard channels apart."""
    return c.shard_channels if kind == SHARDS else c.channels + c.patterns


# ---------------------------------------------------------------- topics

cdef void add_row(Exec* x, PubSub* r, Topic* t) noexcept nogil:
    cdef char begin[8]
    cdef char mask[8]
    cdef Row* row
    memset(begin, 0, 8)
    memset(mask, 0, 8)
    while t.literal < t.len and not is_special(t.text[t.literal]):
        t.literal += 1
    memcpy(begin, t.text, t.literal if t.literal < 8 else 8)
    memset(mask, 255, t.literal if t.literal < 8 else 8)
    if r.row_count == r.row_cap:
        r.row_cap = 2 * r.row_cap if r.row_cap else 16
        r.rows = <Row*>mem_realloc(x.mem, r.rows, r.row_cap * sizeof(Row))
    row = &r.rows[r.row_count]
    row.want = rp_load64le(begin)
    row.mask = rp_load64le(mask)
    row.topic = t
    t.row = r.row_count
    r.row_count += 1


cdef inline bint is_special(char c) noexcept nogil:
    return c == 42 or c == 63 or c == 91 or c == 92         # * ? [ and the backslash


cdef void remove_row(PubSub* r, Topic* t) noexcept nogil:
    r.row_count -= 1
    r.rows[t.row] = r.rows[r.row_count]
    r.rows[t.row].topic.row = t.row


cdef Topic* topic_for(Exec* x, PubSub* r, TopicKind kind, Slice name) noexcept nogil:
    """The topic of that name, made when it had no subscriber."""
    cdef Dict* d = &r.topics[<int>kind]
    cdef uint64_t hash = dict_hash(d, name.ptr, name.len)
    cdef Topic* t = <Topic*>dict_find(d, name.ptr, name.len, hash)
    if t != NULL:
        return t
    t = <Topic*>mem_calloc(x.mem, sizeof(Topic) + name.len)
    t.len = name.len
    memcpy(t.text, name.ptr, name.len)
    dict_insert(x.mem, d, hash, t)
    if kind == PATTERNS:
        add_row(x, r, t)
    return t


cdef void drop_topic(Exec* x, PubSub* r, TopicKind kind, Topic* t) noexcept nogil:
    cdef Dict* d = &r.topics[<int>kind]
    dict_remove(x.mem, d, t.text, t.len, dict_hash(d, t.text, t.len))
    if kind == PATTERNS:
        remove_row(r, t)
    mem_free(x.mem, t.places)
    mem_free(x.mem, t)


cdef void add_place(Exec* x, Topic* t, Client* c, Sub* s) noexcept nogil:
    if t.count == t.cap:
        t.cap = 2 * t.cap if t.cap else 2
        t.places = <Place*>mem_realloc(x.mem, t.places, t.cap * sizeof(Place))
    t.places[t.count].client = c
    t.places[t.count].sub = s
    s.topic = t
    s.place = t.count
    t.count += 1


cdef void drop_place(Exec* x, PubSub* r, TopicKind kind, Sub* s) noexcept nogil:
    """Takes a Sub out of its topic, which goes with its last one. The last place fills the gap."""
    cdef Topic* t = s.topic
    t.count -= 1
    t.places[s.place] = t.places[t.count]
    t.places[s.place].sub.place = s.place
    if t.count == 0:
        drop_topic(x, r, kind, t)


cdef size_t topic_count(const Exec* x, TopicKind kind) noexcept nogil:
    return room_of(x).topics[<int>kind].used


# ---------------------------------------------------------------- subscriptions of a client

cdef Subs* open_subs(Exec* x, Client* c) noexcept nogil:
    cdef int i
    if c.pubsub == NULL:
        c.pubsub = mem_calloc(x.mem, sizeof(Subs))
        for i in range(TOPIC_KINDS):
            dict_init(&(<Subs*>c.pubsub).by_name[i], &sub_type, x.env)
    return <Subs*>c.pubsub


cdef bint subscribes_to(Exec* x, const Client* c, TopicKind kind, Slice name) noexcept nogil:
    cdef Dict* d
    if c.pubsub == NULL:
        return False
    d = &(<Subs*>c.pubsub).by_name[<int>kind]
    return dict_find(d, name.ptr, name.len, dict_hash(d, name.ptr, name.len)) != NULL


cdef void subscribe(Exec* x, Client* c, TopicKind kind, Slice name) noexcept nogil:
    cdef Dict* d = &open_subs(x, c).by_name[<int>kind]
    cdef uint64_t hash = dict_hash(d, name.ptr, name.len)
    cdef Sub* s
    if dict_find(d, name.ptr, name.len, hash) != NULL:
        return
    s = <Sub*>mem_alloc(x.mem, sizeof(Sub))
    add_place(x, topic_for(x, room_of(x), kind, name), c, s)
    dict_insert(x.mem, d, hash, s)
    count_of(c, kind)[0] += 1
    c.flags |= CL_PUBSUB
    c.gates |= G_SUBSCRIBED


cdef void after_leaving(Exec* x, Client* c) noexcept nogil:
    cdef int i
    if c.channels or c.patterns or c.shard_channels or c.pubsub == NULL:
        return
    for i in range(TOPIC_KINDS):
        dict_clear(x.mem, &(<Subs*>c.pubsub).by_name[i])
    mem_free(x.mem, c.pubsub)
    c.pubsub = NULL
    c.flags &= ~<uint64_t>CL_PUBSUB
    c.gates &= ~<uint32_t>G_SUBSCRIBED


cdef void unsubscribe(Exec* x, Client* c, TopicKind kind, Slice name) noexcept nogil:
    cdef Dict* d
    cdef Sub* s
    if c.pubsub == NULL:
        return
    d = &(<Subs*>c.pubsub).by_name[<int>kind]
    s = <Sub*>dict_remove(x.mem, d, name.ptr, name.len, dict_hash(d, name.ptr, name.len))
    if s == NULL:
        return
    drop_place(x, room_of(x), kind, s)
    mem_free(x.mem, s)
    count_of(c, kind)[0] -= 1
    after_leaving(x, c)


cdef void unsubscribe_all(Exec* x, Client* c, TopicKind kind, bint tell) noexcept nogil:
    cdef Dict* d
    cdef DictIter it
    cdef Sub* s
    if c.pubsub == NULL or count_of(c, kind)[0] == 0:
        return
    d = &(<Subs*>c.pubsub).by_name[<int>kind]
    dict_iter(&it, d)
    while True:
        s = <Sub*>dict_next(&it)
        if s == NULL:
            break
        count_of(c, kind)[0] -= 1
        if tell:
            confirm(x, c, unsubscribe_words[<int>kind], slice_of(s.topic.text, s.topic.len), told_count(c, kind))
        drop_place(x, room_of(x), kind, s)
        mem_free(x.mem, s)              # the dict holds dead entries until it is cleared
    dict_iter_end(&it)
    dict_clear(x.mem, d)
    after_leaving(x, c)


cdef bint subscriptions_fit(const Client* c, fits_fn fits, void* ctx) noexcept nogil:
    cdef DictIter it
    cdef Sub* s
    cdef bint all_fit = True
    cdef int kind
    if c.pubsub == NULL:
        return True
    for kind in range(TOPIC_KINDS):
        dict_iter(&it, &(<Subs*>c.pubsub).by_name[kind])
        while all_fit:
            s = <Sub*>dict_next(&it)
            if s == NULL:
                break
            all_fit = fits(ctx, slice_of(s.topic.text, s.topic.len), kind == PATTERNS)
        dict_iter_end(&it)
    return all_fit


cdef void forget_client(Exec* x, Client* c) noexcept nogil:
    if c.pubsub != NULL:
        unsubscribe_all(x, c, CHANNELS, False)
        unsubscribe_all(x, c, PATTERNS, False)
        unsubscribe_all(x, c, SHARDS, False)


# ---------------------------------------------------------------- serialising

cdef Sds* put_bulk(Mem* m, Sds* s, Slice text) noexcept nogil:
    cdef char[24] head
    cdef int n
    head[0] = 36
    n = 1 + num_print_i64(head + 1, text.len)
    head[n] = 13
    head[n + 1] = 10
    s = sds_reserve(m, s, n + 2 + text.len + 2)
    s = sds_append(m, s, head, n + 2)
    s = sds_append(m, s, text.ptr, text.len)
    return sds_append(m, s, b"\r\n", 2)


cdef Sds* scratch_of(Exec* x, PubSub* r) noexcept nogil:
    """An empty buffer; put it back by keep_scratch."""
    cdef Sds* s = r.scratch
    r.scratch = NULL
    if s == NULL:
        return sds_new(x.mem, NULL, 0)
    s.len = 0
    return s


cdef void keep_scratch(Exec* x, PubSub* r, Sds* s) noexcept nogil:
    if r.scratch != NULL or s.cap > SCRATCH_MAX:
        sds_free(x.mem, s)
    else:
        r.scratch = s


cdef inline Slice all_of(const Sds* s) noexcept nogil:
    return slice_of(s.data, s.len)


cdef void confirm(Exec* x, Client* c, const char* word, Slice name, int count) noexcept nogil:
    """One (un)subscription as part of the reply. name.ptr NULL: there was nothing to leave. CLIENT REPLY OFF does not
    hold it back: it is then a message of its own."""
    cdef PubSub* r = room_of(x)
    cdef Sds* s
    cdef char[32] tail
    cdef int n
    if likely(not is_muted(x, c)):
        reply_push(&c.out, 3)
        reply_bulk_text(&c.out, word)
        if name.ptr != NULL:
            reply_bulk(&c.out, name.ptr, name.len)
        else:
            reply_null(&c.out)
        reply_int(&c.out, count)
        return
    s = sds_append(x.mem, scratch_of(x, r), b"*3\r\n", 4)
    s = put_bulk(x.mem, s, text_slice(word))
    if name.ptr != NULL:
        s = put_bulk(x.mem, s, name)
    else:
        s = sds_append(x.mem, s, b"_\r\n" if c.out.resp == 3 else b"$-1\r\n", 3 if c.out.resp == 3 else 5)
    tail[0] = 58
    n = 1 + num_print_i64(tail + 1, count)
    tail[n] = 13
    tail[n + 1] = 10
    s = sds_append(x.mem, s, tail, n + 2)
    push_message(x, c, all_of(s), slice_of(NULL, 0))
    keep_scratch(x, r, s)


# ---------------------------------------------------------------- publishing

cdef void to_subscribers(Exec* x, Topic* t, Slice head, Slice tail) noexcept nogil:
    cdef size_t i
    for i in range(t.count):
        push_message(x, t.places[i].client, head, tail)


cdef inline bint fits(const Topic* t, Slice channel) noexcept nogil:
    """The pattern matches; one that ends in its only special byte, a star, and one without any are just compared."""
    if t.literal == t.len:
        return channel.len == t.len and memcmp(t.text, channel.ptr, t.len) == 0
    if t.literal == t.len - 1 and t.text[t.literal] == 42:
        return channel.len >= t.literal and memcmp(t.text, channel.ptr, t.literal) == 0
    return glob_match(t.text, t.len, channel.ptr, channel.len, False)


cdef int64_t to_patterns(Exec* x, PubSub* r, Slice channel, Slice message) noexcept nogil:
    """pmessage, pattern | channel, message: what stands behind the bar is the same for all patterns."""
    cdef char begin[8]
    cdef uint64_t got
    cdef int64_t receivers = 0
    cdef Sds* head = NULL
    cdef Sds* tail = NULL
    cdef Topic* t
    cdef size_t i
    memset(begin, 0, 8)
    memcpy(begin, channel.ptr, channel.len if channel.len < 8 else 8)
    got = rp_load64le(begin)
    for i in range(r.row_count):
        if likely((got & r.rows[i].mask) != r.rows[i].want) or not fits(r.rows[i].topic, channel):
            continue
        t = r.rows[i].topic
        if head == NULL:
            head = sds_new(x.mem, NULL, 0)
            tail = put_bulk(x.mem, put_bulk(x.mem, scratch_of(x, r), channel), message)
        head.len = 0
        head = sds_append(x.mem, head, b"*4\r\n$8\r\npmessage\r\n", 18)
        head = put_bulk(x.mem, head, slice_of(t.text, t.len))
        to_subscribers(x, t, all_of(head), all_of(tail))
        receivers += t.count
    if head != NULL:
        sds_free(x.mem, head)
        keep_scratch(x, r, tail)
    return receivers


cdef int64_t publish(Exec* x, TopicKind kind, Slice channel, Slice message) noexcept nogil:
    cdef PubSub* r = room_of(x)
    cdef Dict* d = &r.topics[<int>kind]
    cdef int64_t receivers = 0
    cdef Topic* t = NULL
    cdef Sds* s
    if d.used:
        t = <Topic*>dict_find(d, channel.ptr, channel.len, dict_hash(d, channel.ptr, channel.len))
    if t != NULL:
        receivers = t.count
        s = sds_append(x.mem, scratch_of(x, r), b"*3\r\n", 4)
        s = put_bulk(x.mem, s, text_slice(message_words[<int>kind]))
        s = put_bulk(x.mem, put_bulk(x.mem, s, channel), message)
        to_subscribers(x, t, all_of(s), slice_of(NULL, 0))
        keep_scratch(x, r, s)
    if kind == CHANNELS and r.row_count:
        receivers += to_patterns(x, r, channel, message)
    return receivers


# ---------------------------------------------------------------- keyspace notifications

cdef Slice event_channel(Exec* x, PubSub* r, const char* kind, int db, Slice rest) noexcept nogil:
    """__keyspace@<db>__:<key> or __keyevent@<db>__:<event>"""
    cdef char[24] number
    if r.name == NULL:
        r.name = sds_new(x.mem, NULL, 0)
    r.name.len = 0
    r.name = sds_append(x.mem, r.name, kind, strlen(kind))
    r.name = sds_append(x.mem, r.name, number, num_print_i64(number, db))
    r.name = sds_append(x.mem, r.name, b"__:", 3)
    r.name = sds_append(x.mem, r.name, rest.ptr, rest.len)
    return all_of(r.name)


cdef void notify_subscribers(void* ctx, int event_class, const char* event, int db, Slice key) noexcept nogil:
    """Asked only for the classes of events that notify-keyspace-events names."""
    cdef Exec* x = <Exec*>ctx
    cdef PubSub* r = room_of(x)
    cdef int64_t wanted = x.env.knobs.notify_keyspace_events
    if r.row_count == 0 and r.topics[<int>CHANNELS].used == 0:
        return
    if wanted & NOTIFY_KEYSPACE:
        publish(x, CHANNELS, event_channel(x, r, b"__keyspace@", db, key), text_slice(event))
    if wanted & NOTIFY_KEYEVENT:
        publish(x, CHANNELS, event_channel(x, r, b"__keyevent@", db, text_slice(event)), key)
    if r.name != NULL and r.name.cap > SCRATCH_MAX:
        sds_free(x.mem, r.name)
        r.name = NULL


# ---------------------------------------------------------------- commands

cdef int subscribe_generic(Ctx* x, TopicKind kind) noexcept nogil:
    cdef int i
    for i in range(1, x.argc):
        subscribe(<Exec*>x.exec, x.client, kind, x.argv[i])
        confirm(<Exec*>x.exec, x.client, subscribe_words[<int>kind], x.argv[i], told_count(x.client, kind))
    return 0


cdef int unsubscribe_generic(Ctx* x, TopicKind kind) noexcept nogil:
    cdef Exec* e = <Exec*>x.exec
    cdef int i
    if x.argc > 1:
        for i in range(1, x.argc):
            unsubscribe(e, x.client, kind, x.argv[i])
            confirm(e, x.client, unsubscribe_words[<int>kind], x.argv[i], told_count(x.client, kind))
    elif count_of(x.client, kind)[0] == 0:
        confirm(e, x.client, unsubscribe_words[<int>kind], slice_of(NULL, 0), told_count(x.client, kind))
    else:
        unsubscribe_all(e, x.client, kind, True)
    return 0


cdef int subscribe_command(Ctx* x) noexcept nogil:
    return subscribe_generic(x, CHANNELS)


cdef int psubscribe_command(Ctx* x) noexcept nogil:
    return subscribe_generic(x, PATTERNS)


cdef int ssubscribe_command(Ctx* x) noexcept nogil:
    return subscribe_generic(x, SHARDS)


cdef int unsubscribe_command(Ctx* x) noexcept nogil:
    return unsubscribe_generic(x, CHANNELS)


cdef int punsubscribe_command(Ctx* x) noexcept nogil:
    return unsubscribe_generic(x, PATTERNS)


cdef int sunsubscribe_command(Ctx* x) noexcept nogil:
    return unsubscribe_generic(x, SHARDS)


cdef int publish_command(Ctx* x) noexcept nogil:
    """PUBLISH channel message. O(subscribers + patterns)."""
    journal_force(&x.ks.journal, TO_REPLICAS)
    return reply_int(x.out, publish(<Exec*>x.exec, CHANNELS, x.argv[1], x.argv[2]))


cdef int spublish_command(Ctx* x) noexcept nogil:
    journal_force(&x.ks.journal, TO_REPLICAS)
    return reply_int(x.out, publish(<Exec*>x.exec, SHARDS, x.argv[1], x.argv[2]))


cdef int reply_topics(Ctx* x, TopicKind kind) noexcept nogil:
    """[pattern]. O(topics)."""
    cdef Dict* d = &room_of(<Exec*>x.exec).topics[<int>kind]
    cdef DictIter it
    cdef Topic* t
    cdef Deferred later
    cdef int64_t n = 0
    if x.argc > 3:
        return reply_errorf(x.out, E_UNKNOWN_SUBCOMMAND_OR_ARITY, x.argv[1], text_slice(b"PUBSUB"))
    later = reply_later(x.out)
    dict_iter(&it, d)
    while True:
        t = <Topic*>dict_next(&it)
        if t == NULL:
            break
        if x.argc == 2 or glob_match(x.argv[2].ptr, x.argv[2].len, t.text, t.len, False):
            reply_bulk(x.out, t.text, t.len)
            n += 1
    dict_iter_end(&it)
    reply_length(x.out, later, 42, n)
    return 0


cdef int reply_counts(Ctx* x, TopicKind kind) noexcept nogil:
    """[channel ...]: the subscribers of each. O(channels)."""
    cdef Dict* d = &room_of(<Exec*>x.exec).topics[<int>kind]
    cdef Topic* t
    cdef Slice name
    cdef int i
    reply_array(x.out, 2 * (x.argc - 2))
    for i in range(2, x.argc):
        name = x.argv[i]
        t = <Topic*>dict_find(d, name.ptr, name.len, dict_hash(d, name.ptr, name.len)) if d.used else NULL
        reply_bulk(x.out, name.ptr, name.len)
        reply_int(x.out, t.count if t != NULL else 0)
    return 0


cdef int pubsub_channels_command(Ctx* x) noexcept nogil:
    return reply_topics(x, CHANNELS)


cdef int pubsub_shardchannels_command(Ctx* x) noexcept nogil:
    return reply_topics(x, SHARDS)


cdef int pubsub_numsub_command(Ctx* x) noexcept nogil:
    return reply_counts(x, CHANNELS)


cdef int pubsub_shardnumsub_command(Ctx* x) noexcept nogil:
    return reply_counts(x, SHARDS)


cdef int pubsub_numpat_command(Ctx* x) noexcept nogil:
    return reply_int(x.out, topic_count(<Exec*>x.exec, PATTERNS))


# ---------------------------------------------------------------- for the engine

cdef bint gate_subscribed(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    if c.out.resp == 3:
        return False
    reply_errorf(&c.out, E_SUBSCRIBED, slice_of(cmd.name, cmd.name_len), slice_of(NULL, 0))
    return True


cdef void pubsub_init(Exec* x) noexcept nogil:
    cdef PubSub* r = <PubSub*>mem_calloc(x.mem, sizeof(PubSub))
    cdef int i
    for i in range(TOPIC_KINDS):
        dict_init(&r.topics[i], &topic_type, x.env)
    x.pubsub = r
    x.gate_fns[SUBSCRIBED_BIT] = gate_subscribed
    x.ks.ev.notify = notify_subscribers
    x.ks.ev.notify_ctx = x
    exec_on_reset(x, forget_client)


cdef void pubsub_free(Exec* x) noexcept nogil:
    cdef PubSub* r = room_of(x)
    cdef int i
    for i in range(TOPIC_KINDS):
        dict_clear(x.mem, &r.topics[i])
    mem_free(x.mem, r.rows)
    sds_free(x.mem, r.scratch)
    sds_free(x.mem, r.name)
    mem_free(x.mem, r)
    x.pubsub = NULL


bind(b"subscribe", subscribe_command)
bind(b"unsubscribe", unsubscribe_command)
bind(b"psubscribe", psubscribe_command)
bind(b"punsubscribe", punsubscribe_command)
bind(b"ssubscribe", ssubscribe_command)
bind(b"sunsubscribe", sunsubscribe_command)
bind(b"publish", publish_command)
bind(b"spublish", spublish_command)
bind(b"pubsub|channels", pubsub_channels_command)
bind(b"pubsub|numsub", pubsub_numsub_command)
bind(b"pubsub|numpat", pubsub_numpat_command)
bind(b"pubsub|shardchannels", pubsub_shardchannels_command)
bind(b"pubsub|shardnumsub", pubsub_shardnumsub_command)
