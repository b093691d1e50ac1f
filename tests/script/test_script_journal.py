"""What scripts leave behind in the journal: their effects, as one unit."""
import pytest
from support.engine import make_engine
from support.resp import Reader


def lines(stream):
    import io
    reader, out = Reader(io.BytesIO(stream).read), []
    while True:
        try:
            out.append(b" ".join(reader.read()).decode())
        except Exception:
            return out


@pytest.fixture
def effects():
    """run(script, *keys) -> what left."""
    engine = make_engine(2).core
    engine.journal_to(1)
    engine.run_raw(0, 2, [b"SET", b"warm", b"up"])
    engine.take_aof()

    def run(script, *more, db=0):
        engine.run_raw(db, 2, [b"EVAL", script.encode(), b"0", *more])
        return lines(engine.take_aof())

    run.engine = engine
    return run


@pytest.mark.parametrize("script, left", [
    ("return redis.call('GET', 'a')", []),
    ("return 1", []),
    ("redis.call('SET', 'a', 1)", ["SET a 1"]),
    ("redis.call('SET', 'a', 1) redis.call('INCR', 'a')", ["MULTI", "SET a 1", "INCR a", "EXEC"]),
    ("redis.call('SET', 'a', 1) redis.call('GET', 'a') redis.call('NOSUCH')", ["SET a 1"]),
    ("redis.call('DEL', 'nosuch')", []),
    ("redis.call('SET', 'a', 1) redis.set_repl(redis.REPL_NONE) redis.call('SET', 'b', 1) "
     "redis.set_repl(redis.REPL_REPLICA) redis.call('SET', 'c', 1) redis.set_repl(redis.REPL_AOF) redis.call('SET', 'd', 1)",
     ["MULTI", "SET a 1", "SET d 1", "EXEC"]),
    ("redis.call('SET', 'a', 1) redis.call('SELECT', 3) redis.call('SET', 'a', 3)",
     ["MULTI", "SET a 1", "SELECT 3", "SET a 3", "EXEC"]),
])
def test_effects_leave_as_one_unit(effects, script, left):
    assert effects(script) == left


def test_set_repl_ends_with_the_script(effects):
    effects("redis.set_repl(redis.REPL_NONE) redis.call('SET', 'a', 1)")
    assert effects("redis.call('SET', 'a', 2)") == ["SET a 2"]


def test_rewritten_commands_leave_rewritten(effects):
    effects("redis.call('SADD', 's', 'm')")
    assert effects("return redis.call('SPOP', 's')") == ["SREM s m"]


def test_scripts_in_a_transaction(effects):
    engine = effects.engine
    client = engine.accept(-1)
    for command in (b"MULTI", b"EVAL \"redis.set_repl(redis.REPL_NONE) redis.call('SET','a',1)\" 0", b"SET b 2", b"EXEC"):
        engine.feed(client, command + b"\r\n")
    assert lines(engine.take_aof()) == ["SET b 2"]
