"""Types of redispy_core.script.eval: what its Python side shows, for tests."""
from ..engine import Engine

def limit_memory(engine: Engine, limit: int) -> None: ...
