"""The engine in the test's own process: no socket, a clock that stands still, seeded chance.

The one place that knows how Engine is made for tests; its fixture is `engine`.
"""
START_MS = 1_700_000_000_000     # the wall clock at which every such engine begins
SEED = 20_240_229


def make_engine(protocol=2, **settings):
    """A fresh Engine with a frozen clock. `protocol` is that of the replies which call() turns into Python values."""
    from redispy_core.engine import Engine

    return Engine(frozen_ms=START_MS, seed=SEED, protocol=protocol, settings=settings)
