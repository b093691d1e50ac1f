"""Secrets among arguments (contract: redact.pxd). Room exec; which commands carry any stands in registry.SECRETS."""
from ..base.sds cimport Slice, slice_of
from .args cimport word_is
from .registry cimport (SECRETS_ALL, SECRETS_CONFIG, SECRETS_HELLO, SECRETS_MIGRATE, SECRETS_NONE, SECRETS_USERS,
                        Command)


cdef bint is_secret_setting(Slice name) noexcept nogil:
    return word_is(name, b"requirepass") or word_is(name, b"masterauth") or word_is(name, b"masteruser") \
        or word_is(name, b"primaryauth") or word_is(name, b"primaryuser") or word_is(name, b"tls-key-file-pass") \
        or word_is(name, b"tls-client-key-file-pass")


cdef bint in_hello(const Slice* argv, int argc, int i) noexcept nogil:
    """HELLO proto [AUTH user password] [SETNAME name]"""
    cdef int j = 2
    while j < argc:
        if word_is(argv[j], b"auth"):
            if i == j + 1 or i == j + 2:
                return True
            j += 3
        else:
            j += 2 if word_is(argv[j], b"setname") else 1
    return False


cdef bint in_migrate(const Slice* argv, int argc, int i) noexcept nogil:
    """MIGRATE host port key db timeout [COPY] [REPLACE] [AUTH password | AUTH2 user password] [KEYS key ...]"""
    cdef int j = 6
    while j < argc and not word_is(argv[j], b"keys"):
        if word_is(argv[j], b"auth"):
            if i == j + 1:
                return True
            j += 1
        elif word_is(argv[j], b"auth2"):
            if i == j + 1 or i == j + 2:
                return True
            j += 2
        j += 1
    return False


cdef Slice shown(const Command* cmd, const Slice* argv, int argc, int i) noexcept nogil:
    cdef bint secret = False
    if cmd.secrets == SECRETS_NONE:
        return argv[i]
    if cmd.secrets == SECRETS_ALL:
        secret = i > 0
    elif cmd.secrets == SECRETS_USERS:
        secret = i > 1
    elif cmd.secrets == SECRETS_HELLO:
        secret = in_hello(argv, argc, i)
    elif cmd.secrets == SECRETS_CONFIG:
        secret = i > 2 and i % 2 == 1 and is_secret_setting(argv[i - 1])
    elif cmd.secrets == SECRETS_MIGRATE:
        secret = in_migrate(argv, argc, i)
    return slice_of(b"(redacted)", 10) if secret else argv[i]
