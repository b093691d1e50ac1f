"""Versions: our own, and the Redis version whose behaviour is offered (clients gate features on it)."""

VERSION = "0.1.0"
REDIS_VERSION = "7.4.0"
