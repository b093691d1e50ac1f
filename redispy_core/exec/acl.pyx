"""Access control (contract: acl.pxd). Room exec; the grammar is exec/acl_rules, the log exec/acl_log.

    Exec.acl -> AclRoom -+- users: dict of AclUser -> selectors: Selector, Selector ... -> bits, patterns
                         +- first: the default user
    Client.acl -> AclUser              Acl (Python): name -> acl_rules.User, what the AclUser was compiled of

A user that may do all costs nothing: only for others does a client raise G_ACL. The check of a request then tests one
bit a command; a key pattern is an exact text, a beginning or a glob, told apart when the user is compiled, and eight
bytes of its literal beginning are compared at once with the key's.

An AclUser keeps its address while its rules change, so clients need not be told. Those that a change cuts off (of a
deleted user; subscribed to what they may not hear any more) are closed at the end of the turn. Until then a deleted
user's clients belong to `nobody`, who may do nothing; the one that runs a command gets its reply.

Passwords are kept as SHA-256. All digests of a user are compared, each in full; a name that does not exist costs the
same digest as one that does.
"""
import weakref

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset
from ..base.codec cimport sha256
from ..base.env cimport env_secret
from ..base.mem cimport Mem, mem_alloc, mem_calloc, mem_free
from ..base.num cimport glob_match
from ..base.rp cimport likely, rp_load64le, unlikely
from ..base.sds cimport Sds, Slice, sds_free, sds_new, slice_of
from ..proto.errors cimport (E_ACL_SCRIPT_CHANNEL, E_ACL_SCRIPT_COMMAND, E_ACL_SCRIPT_KEY, E_NOPERM_CHANNEL,
                             E_NOPERM_COMMAND, E_NOPERM_EXEC_CHANNEL, E_NOPERM_EXEC_COMMAND, E_NOPERM_EXEC_KEY,
                             E_NOPERM_KEY)
from ..proto.reply cimport Out, reply_bulk, reply_error, reply_errorf
from ..structs.dict cimport (Dict, DictIter, DictType, dict_clear, dict_find, dict_hash, dict_init, dict_insert,
                             dict_iter, dict_iter_end, dict_next, dict_remove)
from .acl_log cimport (ACL_BY_AUTH, ACL_BY_CHANNEL, ACL_BY_COMMAND, ACL_BY_KEY, ACL_MULTI, ACL_TOPLEVEL, AclContext,
                       AclReason, acl_log_add, acl_log_free)
from .client cimport (CL_CLOSE_AFTER_REPLY, CL_MULTI, Client, Ctx, G_ACL, G_NOAUTH, client_close, sds_assign)
from .dispatch cimport Exec
from .keyspecs cimport KEY_ACCESS, KEY_DELETE, KEY_INSERT, KEY_OW, KEY_UPDATE, KeyRef, command_keys
from .pubsub cimport subscriptions_fit
from .registry cimport (CHANNELS_ALL, CHANNELS_FIRST, CHANNELS_NONE, CHANNELS_PATTERNS, CMD_NO_AUTH, COMMANDS_MAX,
                        KEYS_SET, Command, Registry, bind, registry_lookup)

from . import acl_rules

cdef enum:
    WORDS = COMMANDS_MAX // 64
    REFS = 16                       # keys of a request that need no allocation
    ACL_BIT = 2                     # of G_ACL
    DIGEST = 32
    MAY_READ = 1                    # as acl_rules.READ
    MAY_WRITE = 2

if 1 << ACL_BIT != G_ACL or acl_rules.READ != MAY_READ or acl_rules.WRITE != MAY_WRITE:
    raise AssertionError("acl.pyx differs from the gates or from acl_rules")

cdef enum MatchKind:
    MATCH_ALL = 0                   # *
    MATCH_EXACT = 1
    MATCH_BEGIN = 2                 # literal*
    MATCH_GLOB = 3

cdef struct AclPattern:
    uint64_t want                   # the literal beginning, at most eight bytes
    uint64_t mask                   # 0xff for each of them
    Slice text                      # of MATCH_BEGIN and MATCH_EXACT the literal, else the pattern
    MatchKind kind
    int rights                      # MAY_*

cdef struct First:                  # a command that may run with this first argument
    int command
    Slice text

cdef struct Selector:
    bint all_commands               # of any command, also of one that is yet to come
    bint all_keys
    bint all_channels
    bint reads_all                  # every key may be read
    uint64_t bits[WORDS]            # by Command.id
    AclPattern* keys
    AclPattern* channels
    First* firsts
    int nkeys
    int nchannels
    int nfirsts
    Sds* texts                      # what the slices point to

cdef struct AclUser:
    Sds* name
    bint on
    bint nopass
    bint sanitize                   # payloads of RESTORE
    bint open                       # may do all: no check
    uint8_t* digests
    int ndigests
    Selector* selectors             # the root, then the others
    int nselectors

cdef struct AclRoom:
    Dict users
    uint64_t seed[2]                # of the dict: env's may change while users are in it
    AclUser* first                  # the default user
    AclUser nobody
    int64_t denied[4]               # by AclReason


cdef const char* user_text(const void* entry, size_t* n) noexcept nogil:
    n[0] = (<const AclUser*>entry).name.len
    return (<AclUser*>entry).name.data


cdef DictType user_type
user_type.key_of = user_text
user_type.free_entry = NULL


cdef inline AclRoom* room_of(const Exec* x) noexcept nogil:
    return <AclRoom*>x.acl


cdef AclUser* find_user(const Exec* x, Slice name) noexcept nogil:
    cdef Dict* d = &room_of(x).users
    return <AclUser*>dict_find(d, name.ptr, name.len, dict_hash(d, name.ptr, name.len))


# ---------------------------------------------------------------- the check

cdef inline uint64_t beginning(Slice s) noexcept nogil:
    """The first eight bytes, zeroes behind a shorter text."""
    cdef char head[8]
    if likely(s.len >= 8):
        return rp_load64le(s.ptr)
    memset(head, 0, 8)
    memcpy(head, s.ptr, s.len)
    return rp_load64le(head)


cdef inline bint matches(const AclPattern* p, Slice s, uint64_t begin) noexcept nogil:
    if begin & p.mask != p.want:
        return False
    if p.kind == MATCH_BEGIN:
        return s.len >= p.text.len and (p.text.len <= 8 or memcmp(s.ptr, p.text.ptr, p.text.len) == 0)
    if p.kind == MATCH_EXACT:
        return s.len == p.text.len and memcmp(s.ptr, p.text.ptr, s.len) == 0
    if p.kind == MATCH_ALL:
        return s.len != 0                   # compat: * does not match the empty text, as in glob_match
    return glob_match(p.text.ptr, p.text.len, s.ptr, s.len, False)


cdef inline int rights_needed(uint32_t flags) noexcept nogil:
    """What a key's flags ask for; 0: any right to the key will do."""
    return (MAY_READ if flags & KEY_ACCESS else 0) | (MAY_WRITE if flags & (KEY_INSERT | KEY_DELETE | KEY_UPDATE) else 0)


cdef inline bint key_allowed(const Selector* s, Slice key, uint32_t flags) noexcept nogil:
    """One pattern must give all that is needed: rights of several do not add up."""
    cdef int need = rights_needed(flags)
    cdef uint64_t begin = beginning(key)
    cdef int i
    for i in range(s.nkeys):
        if s.keys[i].rights & need == need and matches(&s.keys[i], key, begin):
            return True
    return False


cdef bint channel_allowed(const Selector* s, Slice name, bint pattern) noexcept nogil:
    """A pattern to subscribe to must be one that was given, letter by letter."""
    cdef uint64_t begin = beginning(name)
    cdef int i
    if s.all_channels:
        return True
    for i in range(s.nchannels):
        if not pattern:
            if matches(&s.channels[i], name, begin):
                return True
        elif given_as(&s.channels[i], name):
            return True
    return False


cdef bint given_as(const AclPattern* p, Slice text) noexcept nogil:
    """Whether the pattern was written so. A beginning is kept without its star."""
    cdef size_t n = p.text.len
    if p.kind == MATCH_ALL or p.kind == MATCH_BEGIN:
        return text.len == n + 1 and text.ptr[n] == c'*' and memcmp(text.ptr, p.text.ptr, n) == 0
    return text.len == n and memcmp(text.ptr, p.text.ptr, n) == 0


cdef bint same_nocase(Slice lower, Slice s) noexcept nogil:
    cdef size_t i
    cdef unsigned char c
    if lower.len != s.len:
        return False
    for i in range(s.len):
        c = s.ptr[i]
        if c >= 65 and c <= 90:
            c += 32
        if c != <unsigned char>lower.ptr[i]:
            return False
    return True


cdef inline bint command_allowed(const Selector* s, const Command* cmd, const Slice* argv, int argc) noexcept nogil:
    cdef int i
    if s.all_commands or s.bits[cmd.id >> 6] >> (cmd.id & 63) & 1 or cmd.flags & CMD_NO_AUTH:
        return True
    if argc > 1:
        for i in range(s.nfirsts):
            if s.firsts[i].command == cmd.id and same_nocase(s.firsts[i].text, argv[1]):
                return True
    return False


cdef inline bint single_key(const Command* cmd, int argc, KeyRef* key) noexcept nogil:
    """The usual commands: one key at a fixed place, and SET without options."""
    if likely(cmd.key_at > 0):
        key.pos = cmd.key_at
        key.flags = cmd.key_flags
        return cmd.key_at < argc
    key.pos = 1
    key.flags = KEY_OW | KEY_UPDATE
    return cmd.keys_fn == KEYS_SET and argc == 3


cdef AclVerdict keys_allowed(const Selector* s, const Command* cmd, const Slice* argv, int argc, int* at) noexcept nogil:
    cdef KeyRef few[REFS]
    cdef KeyRef* refs = few
    cdef AclVerdict v = ACL_OK
    cdef int n = 1
    cdef int i
    if not single_key(cmd, argc, few):
        n = command_keys(cmd, argv, argc, refs, REFS)
        if unlikely(n > REFS):
            refs = <KeyRef*>malloc(n * sizeof(KeyRef))
            if refs == NULL:
                return ACL_NO_KEY
            command_keys(cmd, argv, argc, refs, n)
    for i in range(n):                      # n < 0: arguments that name no keys, and that the command will refuse
        if not key_allowed(s, argv[refs[i].pos], refs[i].flags):
            at[0] = refs[i].pos
            v = ACL_NO_KEY
            break
    if unlikely(refs != few):
        free(refs)
    return v


cdef AclVerdict channels_allowed(const Selector* s, const Command* cmd, const Slice* argv, int argc,
                                 int* at) noexcept nogil:
    cdef int end = 2 if cmd.channels == CHANNELS_FIRST else argc
    cdef int i
    for i in range(1, end if end < argc else argc):
        if not channel_allowed(s, argv[i], cmd.channels == CHANNELS_PATTERNS):
            at[0] = i
            return ACL_NO_CHANNEL
    return ACL_OK


cdef AclVerdict selector_allows(const Selector* s, const Command* cmd, const Slice* argv, int argc,
                                int* at) noexcept nogil:
    if not command_allowed(s, cmd, argv, argc):
        return ACL_NO_COMMAND
    if not s.all_keys and cmd.key_at >= 0 and keys_allowed(s, cmd, argv, argc, at) != ACL_OK:
        return ACL_NO_KEY
    if unlikely(cmd.channels != CHANNELS_NONE) and not s.all_channels:
        return channels_allowed(s, cmd, argv, argc, at)
    return ACL_OK


cdef AclVerdict user_allows(const AclUser* u, const Command* cmd, const Slice* argv, int argc, int* at) noexcept nogil:
    """The verdict of the selector that came nearest to allowing it."""
    cdef AclVerdict best = ACL_NO_COMMAND
    cdef AclVerdict v
    cdef int where = 0
    cdef int i
    if u.open or (u.nselectors == 0 and cmd.flags & CMD_NO_AUTH):
        return ACL_OK
    for i in range(u.nselectors):
        v = selector_allows(&u.selectors[i], cmd, argv, argc, &where)
        if v == ACL_OK:
            return ACL_OK
        if v > best or (v == best and v != ACL_NO_COMMAND and where > at[0]):
            best = v
            at[0] = where
    return best


cdef AclVerdict acl_check(const Client* c, const Command* cmd, const Slice* argv, int argc, int* at) noexcept nogil:
    if c.acl == NULL:
        return ACL_OK
    return user_allows(<const AclUser*>c.acl, cmd, argv, argc, at)


cdef bint allows(const Client* c, const Command* cmd, const Slice* argv, int argc) noexcept nogil:
    """acl_check in short, for the usual case: the root selector allows the command and its only key."""
    cdef const AclUser* u = <const AclUser*>c.acl
    cdef const Selector* s = u.selectors
    cdef KeyRef key
    cdef int at = 0
    if (likely(s != NULL and s.bits[cmd.id >> 6] >> (cmd.id & 63) & 1 and cmd.channels == CHANNELS_NONE)
            and (s.all_keys or cmd.key_at < 0
                 or (single_key(cmd, argc, &key) and key_allowed(s, argv[key.pos], key.flags)))):
        return True
    return user_allows(u, cmd, argv, argc, &at) == ACL_OK


cdef bint acl_reads_all_keys(const Client* c, const Command* cmd, const Slice* argv, int argc) noexcept nogil:
    cdef const AclUser* u = <const AclUser*>c.acl
    cdef int at = 0
    cdef int i
    if u == NULL or u.open:
        return True
    for i in range(u.nselectors):
        if u.selectors[i].reads_all and selector_allows(&u.selectors[i], cmd, argv, argc, &at) == ACL_OK:
            return True
    return False


# ---------------------------------------------------------------- refusals

cdef Slice acl_user_name(const Client* c) noexcept nogil:
    cdef const AclUser* u = <const AclUser*>c.acl
    if c.user != NULL:
        return slice_of(c.user.data, c.user.len)
    if u != NULL and u.name != NULL:                # a client on behalf of another
        return slice_of(u.name.data, u.name.len)
    return slice_of(b"default", 7)


cdef void acl_denied(Exec* x, Client* c, AclVerdict v, AclContext where, const Command* cmd, const Slice* argv,
                     int at) noexcept nogil:
    cdef AclReason reason = ACL_BY_COMMAND
    cdef Slice object = slice_of(cmd.name, cmd.name_len)
    if v != ACL_NO_COMMAND:
        reason = ACL_BY_KEY if v == ACL_NO_KEY else ACL_BY_CHANNEL
        object = argv[at]
    room_of(x).denied[<int>reason] += 1
    acl_log_add(x, c, reason, where, object, acl_user_name(c))


cdef void acl_reply_denied(Out* out, const Client* c, AclVerdict v, const Command* cmd) noexcept nogil:
    if v == ACL_NO_COMMAND:
        reply_errorf(out, E_NOPERM_COMMAND, acl_user_name(c), slice_of(cmd.name, cmd.name_len))
    else:
        reply_error(out, E_NOPERM_KEY if v == ACL_NO_KEY else E_NOPERM_CHANNEL)


cdef void acl_reply_denied_in_script(Out* out, const Client* c, AclVerdict v, const Command* cmd) noexcept nogil:
    if v == ACL_NO_COMMAND:
        reply_errorf(out, E_ACL_SCRIPT_COMMAND, acl_user_name(c), slice_of(cmd.name, cmd.name_len))
    else:
        reply_error(out, E_ACL_SCRIPT_KEY if v == ACL_NO_KEY else E_ACL_SCRIPT_CHANNEL)


cdef bint gate_acl(Exec* x, Client* c, Command* cmd, const Slice* argv, int argc) noexcept nogil:
    cdef int at = 0
    cdef AclVerdict v = acl_check(c, cmd, argv, argc, &at)
    if likely(v == ACL_OK):
        return False
    acl_denied(x, c, v, ACL_MULTI if c.flags & CL_MULTI else ACL_TOPLEVEL, cmd, argv, at)
    if x.depth and x.current == c:          # EXEC runs what was queued when the rules were others
        reply_error(&c.out, E_NOPERM_EXEC_COMMAND if v == ACL_NO_COMMAND
                    else E_NOPERM_EXEC_KEY if v == ACL_NO_KEY else E_NOPERM_EXEC_CHANNEL)
    else:
        acl_reply_denied(&c.out, c, v, cmd)
    return True


# ---------------------------------------------------------------- logging in

cdef inline void check_from_now(Client* c) noexcept nogil:
    """The client's requests are checked if its user may not do all."""
    if (<AclUser*>c.acl).open:
        c.gates &= ~<uint32_t>G_ACL
    else:
        c.gates |= G_ACL


cdef void attach(Exec* x, Client* c, AclUser* u) noexcept nogil:
    c.acl = u
    sds_assign(x.mem, &c.user, slice_of(NULL, 0) if u == room_of(x).first else slice_of(u.name.data, u.name.len))
    check_from_now(c)


cdef void set_authenticated(Client* c, bint yes) noexcept nogil:
    c.authenticated = yes
    if yes:
        c.gates &= ~<uint32_t>G_NOAUTH
    else:
        c.gates |= G_NOAUTH


cdef void acl_admit(Exec* x, Client* c) noexcept nogil:
    attach(x, c, room_of(x).first)
    set_authenticated(c, not x.login_needed)


cdef bint digest_known(const AclUser* u, const uint8_t* digest) noexcept nogil:
    """Looks at every byte of every digest, whether or not one fits."""
    cdef bint found = False
    cdef uint8_t differ
    cdef int i, k
    for i in range(u.ndigests):
        differ = 0
        for k in range(DIGEST):
            differ |= u.digests[i * DIGEST + k] ^ digest[k]
        found |= differ == 0
    return found


cdef bint acl_login(Exec* x, Client* c, Slice user, Slice password) noexcept nogil:
    cdef AclUser* u = find_user(x, user)
    cdef const AclUser* asked = u if u != NULL else &room_of(x).nobody
    cdef uint8_t digest[DIGEST]
    cdef bint fits
    sha256(password.ptr, password.len, digest)
    fits = digest_known(asked, digest) | asked.nopass
    if not (fits and asked.on):
        return False
    attach(x, c, u)
    set_authenticated(c, True)
    return True


cdef void acl_login_failed(Exec* x, Client* c, Slice word, Slice user) noexcept nogil:
    room_of(x).denied[<int>ACL_BY_AUTH] += 1
    acl_log_add(x, c, ACL_BY_AUTH, ACL_MULTI if c.flags & CL_MULTI else ACL_TOPLEVEL, word, user)


cdef bint acl_default_nopass(const Exec* x) noexcept nogil:
    return room_of(x).first.nopass


cdef bint acl_sanitizes(const Client* c) noexcept nogil:
    return c.acl == NULL or (<const AclUser*>c.acl).sanitize


cdef bint acl_user_exists(const Exec* x, Slice name) noexcept nogil:
    return find_user(x, name) != NULL


# ---------------------------------------------------------------- changes of users

cdef void cut_off(Exec* x, Client* c) noexcept nogil:
    if x.depth and c == x.caller:
        c.flags |= CL_CLOSE_AFTER_REPLY
    else:
        client_close(&x.clients, c)


cdef bint may_hear(void* ctx, Slice name, bint pattern) noexcept nogil:
    cdef const AclUser* u = <const AclUser*>ctx
    cdef int i
    for i in range(u.nselectors):
        if channel_allowed(&u.selectors[i], name, pattern):
            return True
    return False


cdef void rights_changed(Exec* x, AclUser* u) noexcept nogil:
    """Clients of a user whose rules are new: checked or not, cut off if they hear what they may not. O(clients)."""
    cdef Client* c = x.clients.first
    while c != NULL:
        if c.acl == u:
            check_from_now(c)
            if not (u.open or subscriptions_fit(c, may_hear, u)):
                cut_off(x, c)
        c = c.next


cdef void user_gone(Exec* x, AclUser* u) noexcept nogil:
    """Clients of a user that is about to be freed. O(clients)."""
    cdef Client* c = x.clients.first
    while c != NULL:
        if c.acl == u:
            c.acl = &room_of(x).nobody
            c.gates |= G_ACL
            set_authenticated(c, False)
            cut_off(x, c)
        c = c.next


cdef void free_rules(Mem* m, AclUser* u) noexcept nogil:
    cdef int i
    for i in range(u.nselectors):
        mem_free(m, u.selectors[i].keys)
        mem_free(m, u.selectors[i].channels)
        mem_free(m, u.selectors[i].firsts)
        sds_free(m, u.selectors[i].texts)
    mem_free(m, u.selectors)
    mem_free(m, u.digests)
    u.selectors = NULL
    u.digests = NULL
    u.nselectors = u.ndigests = 0


cdef void free_user(Mem* m, AclUser* u) noexcept nogil:
    free_rules(m, u)
    sds_free(m, u.name)
    mem_free(m, u)


# ---------------------------------------------------------------- compiling

cdef void compile_pattern(AclPattern* p, Slice text, int rights) noexcept nogil:
    """text stays where it is as long as the pattern does."""
    cdef char head[8]
    cdef size_t literal = 0
    while literal < text.len and not (text.ptr[literal] == c'*' or text.ptr[literal] == c'?'
                                      or text.ptr[literal] == c'[' or text.ptr[literal] == c'\\'):
        literal += 1
    p.text = text
    p.rights = rights
    if literal == text.len:
        p.kind = MATCH_EXACT
    elif literal + 1 == text.len and text.ptr[literal] == c'*':
        p.kind = MATCH_BEGIN if literal else MATCH_ALL
        p.text.len = literal
    else:
        p.kind = MATCH_GLOB
    memset(head, 0, 8)
    memcpy(head, text.ptr, literal if literal < 8 else 8)
    p.want = rp_load64le(head)
    memset(head, 0, 8)
    memset(head, 255, literal if literal < 8 else 8)
    p.mask = rp_load64le(head)


cdef int compile_selector(Mem* m, Selector* s, rules, mask, firsts) except -1:
    """rules: acl_rules.Selector; mask, firsts: what Commands.allowed says."""
    cdef bytes texts, text, bits = mask.to_bytes(WORDS * 8, "little")
    cdef const char* p
    cdef int i
    cdef int right
    pairs = [(command, text) for command, words in firsts.items() for text in words]
    texts = b"".join([*rules.keys, *rules.channels, *(text for _, text in pairs)])
    s.texts = sds_new(m, texts, len(texts))
    p = s.texts.data
    s.all_keys, s.all_channels, s.nkeys, s.nchannels, s.nfirsts = (rules.all_keys, rules.all_channels,
                                                                   len(rules.keys), len(rules.channels), len(pairs))
    s.all_commands = rules.all_commands and not rules.rules
    for i in range(WORDS):
        s.bits[i] = rp_load64le(<const char*>bits + 8 * i)
    s.keys = <AclPattern*>mem_calloc(m, (s.nkeys + 1) * sizeof(AclPattern))
    s.channels = <AclPattern*>mem_calloc(m, (s.nchannels + 1) * sizeof(AclPattern))
    s.firsts = <First*>mem_calloc(m, (s.nfirsts + 1) * sizeof(First))
    s.reads_all = s.all_keys
    for i, (text, right) in enumerate(rules.keys.items()):
        compile_pattern(&s.keys[i], slice_of(p, len(text)), right)
        s.reads_all |= s.keys[i].kind == MATCH_ALL and right & MAY_READ
        p += len(text)
    for i, text in enumerate(rules.channels):
        compile_pattern(&s.channels[i], slice_of(p, len(text)), 0)
        p += len(text)
    for i, (command, text) in enumerate(pairs):
        s.firsts[i].command = command
        s.firsts[i].text = slice_of(p, len(text))
        p += len(text)
    return 0


# ---------------------------------------------------------------- administration

cdef class Acl:
    """The users of one engine. Names, rules and lines are bytes; User, RuleError ... are of exec/acl_rules."""

    def __init__(self):
        self.users = {}

    @property
    def open_channels(self):
        """acl-pubsub-default allchannels."""
        return self.x.env.knobs.acl_pubsub_default == 0

    def commands(self):
        """The commands as rules know them."""
        if self.known is None:
            self.known = acl_rules.Commands((<Registry>self.registry).acl_rows())
        return self.known

    def commands_changed(self):
        """A command was added: categories and +@all -x may mean it. O(users)."""
        self.known = None
        for user in self.users.values():
            if any(s.rules for s in [user.root, *user.selectors]):
                self.compile(user)

    def names(self):
        """In the order of their bytes."""
        return sorted(self.users)

    def get(self, name):
        """The User, or None. Not to be changed: copy() it and put() the copy."""
        return self.users.get(name)

    def lines(self):
        """Every user as `user name rules`."""
        return [self.users[name].line() for name in self.names()]

    def put(self, user):
        """Adds a user or changes its rules; cuts off clients whose subscriptions they forbid. O(clients)."""
        self.users[user.name] = user
        self.compile(user)
        rights_changed(self.x, find_user(self.x, slice_of(<const char*>user.name, len(user.name))))

    def delete(self, bytes name):
        """Removes a user and closes its clients; False: there was none. Never the default user. O(clients)."""
        cdef Slice text = slice_of(name, len(name))
        cdef AclUser* u = find_user(self.x, text)
        cdef Dict* d = &room_of(self.x).users
        if u == NULL or u == room_of(self.x).first:
            return False
        del self.users[name]
        user_gone(self.x, u)
        dict_remove(self.x.mem, d, text.ptr, text.len, dict_hash(d, text.ptr, text.len))
        free_user(self.x.mem, u)
        return True

    def replace(self, users):
        """Exactly these users (name -> User, the default one among them) from now on."""
        for name in [name for name in self.users if name not in users]:
            self.delete(name)
        for user in users.values():
            self.put(user)

    def define(self, bytes name, rules):
        """setuser() on a new user of that name, even where there is one. Also ValueError: no name for a user."""
        if not acl_rules.name_is_valid(name):
            raise ValueError(name)
        self.apply(acl_rules.User.new(name, self.open_channels), rules)

    def setuser(self, bytes name, rules):
        """ACL SETUSER: all rules or none. RuleError, with the rule as its second argument; Unmatched. O(clients)."""
        known = self.users.get(name)
        self.apply(known.copy() if known else acl_rules.User.new(name, self.open_channels), rules)

    cdef apply(self, user, rules):
        for rule in acl_rules.merge_selectors(rules):
            try:
                user.apply(rule, self.commands(), self.open_channels)
            except acl_rules.RuleError as error:
                raise acl_rules.RuleError(str(error), rule) from None
        self.put(user)

    def read_file(self, str name, bytes text):
        """(users of an ACL file's text, what is wrong with it, or "")."""
        return acl_rules.read_file(name, text, self.commands(), self.open_channels)

    def set_password(self, password):
        """requirepass: the default user's only password; None or empty: it needs none."""
        user = self.users[b"default"].copy()
        user.nopass, user.passwords = not password, []
        if password:
            user.change_password(b">", password)
        self.put(user)

    @property
    def default_nopass(self):
        """Anybody may be the default user."""
        return acl_default_nopass(self.x)

    def denied(self):
        """Refusals since the start by INFO's names."""
        cdef AclRoom* r = room_of(self.x)
        return {"auth": r.denied[<int>ACL_BY_AUTH], "cmd": r.denied[<int>ACL_BY_COMMAND],
                "key": r.denied[<int>ACL_BY_KEY], "channel": r.denied[<int>ACL_BY_CHANNEL]}

    def secret(self, int n):
        """n random bytes, at most 1024, that nobody can guess."""
        cdef uint8_t buf[1024]
        if not 0 <= n <= 1024:
            raise ValueError(n)
        env_secret(self.x.env, buf, n)
        return (<const char*>buf)[:n]

    def category(self, bytes name):
        """Full names of the commands in a category, or None."""
        commands = self.commands()
        if name not in commands.categories:
            return None
        mask = commands.categories[name]
        return [command for command, bit in commands.ids.items() if mask >> bit & 1]

    def dry_run(self, bytes name, list request):
        """What ACL DRYRUN finds: None, or ("command" | "key" | "channel", its name), or the name of an error text
        ("ACL_NO_COMMAND", "ARITY") with its argument."""
        cdef int argc = <int>len(request)
        cdef Slice* argv = <Slice*>mem_alloc(self.x.mem, argc * sizeof(Slice))
        cdef AclUser* u = find_user(self.x, slice_of(name, len(name)))
        cdef Command* cmd
        cdef AclVerdict v
        cdef bytes word
        cdef int i, at = 0
        for i, word in enumerate(request):
            argv[i] = slice_of(word, len(word))
        cmd = registry_lookup(<Registry>self.registry, argv, argc)
        full = cmd.name[:cmd.name_len] if cmd != NULL else b""
        if cmd == NULL:
            found = ("ACL_DRYRUN_COMMAND", request[0])
        elif (argc != cmd.arity) if cmd.arity > 0 else (argc < -cmd.arity):
            found = ("ARITY", full)
        else:
            v = user_allows(u, cmd, argv, argc, &at)
            found = (None if v == ACL_OK else ("command", full) if v == ACL_NO_COMMAND
                     else ("key" if v == ACL_NO_KEY else "channel", request[at]))
        mem_free(self.x.mem, argv)
        return found

    cdef list selectors_of(self, user):
        """[(Selector, mask, firsts)], the root first."""
        everything = int.from_bytes(b"\xff" * (WORDS * 8), "little")
        found = []
        for selector in [user.root, *user.selectors]:
            if selector.rules:
                found.append((selector, *self.commands().allowed(selector, everything)))
            else:
                found.append((selector, everything if selector.all_commands else 0, {}))
        return found

    cdef compile(self, user):
        """Makes the C form of a user, in place of the one it had."""
        cdef Mem* m = self.x.mem
        cdef AclRoom* r = room_of(self.x)
        cdef bytes name = user.name, digests = b"".join(bytes.fromhex(p.decode()) for p in user.passwords)
        cdef AclUser* u = find_user(self.x, slice_of(name, len(name)))
        cdef int i
        selectors = self.selectors_of(user)
        if u == NULL:
            u = <AclUser*>mem_calloc(m, sizeof(AclUser))
            u.name = sds_new(m, name, len(name))
            dict_insert(m, &r.users, dict_hash(&r.users, u.name.data, u.name.len), u)
        free_rules(m, u)
        u.on, u.nopass, u.sanitize, u.ndigests = user.on, user.nopass, user.sanitize, len(user.passwords)
        u.digests = <uint8_t*>mem_alloc(m, len(digests) + 1)
        memcpy(u.digests, <const char*>digests, len(digests))
        u.selectors = <Selector*>mem_calloc(m, len(selectors) * sizeof(Selector))
        u.nselectors = <int>len(selectors)
        u.open = False
        for i, (rules, mask, firsts) in enumerate(selectors):
            compile_selector(m, &u.selectors[i], rules, mask, firsts)
            u.open |= u.selectors[i].all_commands and u.selectors[i].all_keys and u.selectors[i].all_channels
        if name == b"default":
            r.first = u
            self.x.login_needed = not (u.nopass and u.on)


cdef Acl make_acl(Exec* x, registry):
    """The engine's users: the default one alone."""
    cdef Acl acl = Acl()
    acl.x = x
    acl.registry = registry
    acl.users[b"default"] = acl_rules.User.default()
    acl.compile(acl.users[b"default"])
    registry.watcher = weakref.ref(acl)
    x.admit = acl_admit
    return acl


# ---------------------------------------------------------------- commands

cdef int acl_whoami_command(Ctx* x) noexcept nogil:
    cdef Slice name = acl_user_name(x.client)
    return reply_bulk(x.out, name.ptr, name.len)


# ---------------------------------------------------------------- for the engine

cdef void acl_init(Exec* x) noexcept nogil:
    x.acl = mem_calloc(x.mem, sizeof(AclRoom))
    dict_init(&room_of(x).users, &user_type, x.env)
    memcpy(room_of(x).seed, x.env.hash_seed, sizeof(x.env.hash_seed))
    room_of(x).users.seed = room_of(x).seed
    x.gate_fns[ACL_BIT] = gate_acl
    x.acl_allows = allows


cdef void acl_free(Exec* x) noexcept nogil:
    cdef AclRoom* r = room_of(x)
    cdef DictIter it
    cdef AclUser* u
    dict_iter(&it, &r.users)
    while True:
        u = <AclUser*>dict_next(&it)
        if u == NULL:
            break
        free_user(x.mem, u)
    dict_iter_end(&it)
    dict_clear(x.mem, &r.users)
    mem_free(x.mem, r)
    x.acl = NULL
    acl_log_free(x)


bind(b"acl|whoami", acl_whoami_command)
