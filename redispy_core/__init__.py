"""redispy_core: a Redis server without sockets. Rooms above the engine bind their commands when they are imported."""

from . import script as _script
