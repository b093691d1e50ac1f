# Users and what they may do: the check of a request, logging in, cutting off whose rights are gone.
from ..base.sds cimport Slice
from ..proto.reply cimport Out
from .acl_log cimport AclContext
from .client cimport Client
from .dispatch cimport Exec
from .registry cimport Command

cdef enum AclVerdict:               # the later, the nearer a selector came to allowing the request
    ACL_OK = 0
    ACL_NO_COMMAND = 1
    ACL_NO_KEY = 2
    ACL_NO_CHANNEL = 3

cdef enum:
    ACL_VERDICTS = 4

# A Client.acl of NULL means: no user, may do all (calls in process, the primary's stream). A client that runs commands on
# behalf of another, a script's, is given that one's acl and G_ACL.
#
# May the client's user send this request? `at`: where in argv the key or channel stands that is refused (unchanged for
# others); 0 before the call. redis.call: if refused, acl_denied with ACL_LUA and acl_reply_denied_in_script;
# redis.acl_check_cmd asks only. O(selectors * (keys * patterns)); no allocation but for requests of more than 16 keys.
cdef AclVerdict acl_check(const Client* c, const Command* cmd, const Slice* argv, int argc, int* at) noexcept nogil
cdef bint acl_reads_all_keys(const Client* c, const Command* cmd, const Slice* argv, int argc) noexcept nogil   # some selector allows the request and reading every key: SORT's BY and GET

# What follows a refusal: acl_denied counts and logs it, acl_reply_denied answers NOPERM.
cdef void acl_denied(Exec* x, Client* c, AclVerdict v, AclContext where, const Command* cmd, const Slice* argv, int at) noexcept nogil
cdef void acl_reply_denied(Out* out, const Client* c, AclVerdict v, const Command* cmd) noexcept nogil
cdef void acl_reply_denied_in_script(Out* out, const Client* c, AclVerdict v, const Command* cmd) noexcept nogil   # in the words of redis.call

cdef void acl_admit(Exec* x, Client* c) noexcept nogil                       # a client becomes the default user's, authenticated if that one needs no password
cdef bint acl_login(Exec* x, Client* c, Slice user, Slice password) noexcept nogil     # AUTH, HELLO; False: refused, and nothing has changed; its time does not tell why
cdef void acl_login_failed(Exec* x, Client* c, Slice word, Slice user) noexcept nogil   # counts and logs it; word: the command as it was written
cdef bint acl_default_nopass(const Exec* x) noexcept nogil                   # any password is right for the default user
cdef bint acl_sanitizes(const Client* c) noexcept nogil                      # False: its user has skip-sanitize-payload
cdef bint acl_user_exists(const Exec* x, Slice name) noexcept nogil          # O(1)
cdef Slice acl_user_name(const Client* c) noexcept nogil                     # "default" for clients without a user

# --- for the engine; the class Acl is the administration
cdef Acl make_acl(Exec* x, registry)                                         # after acl_init; the default user alone, who may do all
cdef void acl_init(Exec* x) noexcept nogil
cdef void acl_free(Exec* x) noexcept nogil                                   # after all clients are gone

cdef class Acl:                     # to be used as long as its engine is there
    cdef Exec* x
    cdef object registry
    cdef dict users                 # name -> acl_rules.User
    cdef object __weakref__
    cdef object known               # acl_rules.Commands; None after a change of the commands
    cdef apply(self, user, rules)
    cdef compile(self, user)
    cdef list selectors_of(self, user)
