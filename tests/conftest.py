"""Fixtures for all rooms. The parts they are made of can be used directly: support/server.py, resp.py, engine.py.

engine      Engine in this process, clock frozen, RESP2 and RESP3: `engine.call("SET", "k", "v")`, `engine.advance(ms)`
server      a running redispy shared by the session, empty and with its first settings before each test
client      redis-py on `server`, once with protocol 2, once with 3
raw, raw3   a RawClient on `server`: exact types and bytes, RESP2 / RESP3
start       start(setting=value, ...) -> a Server of the test's own, stopped and checked at the end
reference   a running real server (Valkey or Redis) to compare with, reset like `server`
"""
import os

import pytest

from support import reference as reference_server
from support.engine import make_engine
from support.reset import SharedServer
from support.server import Server

try:
    from hypothesis import HealthCheck, settings
except ImportError:
    pass
else:
    settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True,
                              suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("dev", deadline=None)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def protocol(request):
    return request.param


@pytest.fixture
def engine(protocol):
    return make_engine(protocol)


@pytest.fixture(scope="session")
def shared_server():
    shared = SharedServer(Server)
    yield shared
    shared.stop()


@pytest.fixture
def server(shared_server):
    yield shared_server.ready()
    shared_server.check()


@pytest.fixture
def client(server, protocol):
    with server.client(protocol) as connected:
        yield connected


@pytest.fixture
def raw(server):
    with server.raw() as connected:
        yield connected


@pytest.fixture
def raw3(server):
    with server.raw(protocol=3) as connected:
        yield connected


@pytest.fixture
def start(request):
    """Factory of servers that belong to one test; settings as of Server. All are stopped, and must end cleanly."""
    started = []

    def start_server(*arguments, **settings):
        server = Server(*arguments, **settings)
        started.append(server)
        return server.start()

    yield start_server
    try:
        for server in started:
            server.stop()
    finally:
        for server in started:
            server.close()


@pytest.fixture(scope="session")
def shared_reference():
    found, reason = reference_server.find()
    if found is None:
        if reference_server.is_required():
            pytest.fail(reason + "; REDISPY_REQUIRE_REFERENCE is set")
        pytest.skip(reason)
    shared = SharedServer(lambda: Server(command=[found.path]))
    shared.about = found
    yield shared
    shared.stop()


@pytest.fixture
def reference(shared_reference):
    """A Server with the attribute `about` (support.reference.Reference)."""
    server = shared_reference.ready()
    server.about = shared_reference.about
    return server
