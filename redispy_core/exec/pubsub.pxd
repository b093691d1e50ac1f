# Publish and subscribe: channels, patterns, shard channels; keyspace notifications are messages of it.
from libc.stdint cimport int64_t
from ..base.sds cimport Slice
from .client cimport Client
from .dispatch cimport Exec

cdef enum TopicKind:
    CHANNELS = 0
    PATTERNS = 1
    SHARDS = 2

cdef enum:
    TOPIC_KINDS = 3

# Messages to the subscribers of a channel (CHANNELS: of fitting patterns, too); their number. O(bytes of the message
# times receivers, and patterns); the message is serialised once.
cdef int64_t publish(Exec* x, TopicKind kind, Slice channel, Slice message) noexcept nogil
cdef void unsubscribe_all(Exec* x, Client* c, TopicKind kind, bint tell) noexcept nogil    # O(its subscriptions); tell: a confirmation of each
cdef bint subscribes_to(Exec* x, const Client* c, TopicKind kind, Slice name) noexcept nogil
ctypedef bint (*fits_fn)(void* ctx, Slice name, bint pattern) noexcept nogil
cdef bint subscriptions_fit(const Client* c, fits_fn fits, void* ctx) noexcept nogil        # whether all that it subscribes to does; O(its subscriptions)
cdef size_t topic_count(const Exec* x, TopicKind kind) noexcept nogil        # distinct channels or patterns with subscribers; O(1)

# --- for the engine
cdef void pubsub_init(Exec* x) noexcept nogil
cdef void pubsub_free(Exec* x) noexcept nogil                                # after all clients are gone
