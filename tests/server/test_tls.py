"""TLS: the port and its settings, both ways of showing certificates, and that a client is a client whatever its socket."""
import asyncio
import os
import select
import shutil
import socket
import ssl
import subprocess
import time

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry
from redispy_server.config import Config
from redispy_server.tls import Handshake, Stream, client_context, server_context
from support import certificates
from support.resp import Closed, Error, Push, Reader, Simple, encode
from support.server import Server, ServerFailed, free_port, wait_until

UNCONFIGURED = "Unable to update TLS configuration. Check server logs."


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    try:
        return certificates.make(tmp_path_factory.mktemp("certificates"))
    except FileNotFoundError:
        pytest.skip("no openssl command")


@pytest.fixture(scope="module")
def shared(certs):
    with Server(tls_port=free_port(), **certs.server_settings()) as server:
        yield server


@pytest.fixture
def tls(shared):
    """A server with a plain and a TLS port, empty, that checks the certificates of clients."""
    with shared.raw() as raw:
        raw.pipeline(["FLUSHALL"], ["CONFIG", "SET", "tls-auth-clients", "yes", "timeout", 0], ["CONFIG", "RESETSTAT"])
    yield shared
    shared.check_log()


def tls_port(server):
    return int(server.settings["tls-port"])


def wrapped(server, certs, client="client", timeout_s=10, **bounds):
    """A connected ssl socket."""
    sock = socket.create_connection(("127.0.0.1", tls_port(server)), timeout_s)
    try:
        return certs.context(client, **bounds).wrap_socket(sock, server_hostname="localhost")
    except BaseException:
        sock.close()
        raise


class TlsClient:
    """Exact replies over TLS, as RawClient has them over a plain socket."""

    def __init__(self, server, certs, **options):
        self.sock = wrapped(server, certs, **options)
        self.reader = Reader(lambda: self.sock.recv(1 << 16))

    def send(self, *argv):
        self.sock.sendall(encode(argv))

    def call(self, *argv):
        self.send(*argv)
        return self.reader.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def client_of(server, certs, protocol=2, client="client", **options):
    return redis.Redis(host="127.0.0.1", port=tls_port(server), protocol=protocol, socket_timeout=10,
                       retry=Retry(NoBackoff(), 0), **certs.redis_py(client), **options)


def ended(sock):
    """What comes until the connection ends, however it does."""
    got = b""
    try:
        while data := sock.recv(4096):
            got += data
    except ConnectionError:
        pass
    return got


def refuses(server, certs, client=None, **bounds):
    """Whether a client is turned away: TLS 1.3 tells it only when it reads."""
    try:
        with TlsClient(server, certs, client=client, **bounds) as c:
            return c.call("PING") != Simple("PONG")
    except (ssl.SSLError, ConnectionError, Closed):
        return True


# ---------------------------------------------------------------- who connects

def test_redis_py_with_both_certificates(tls, certs, protocol):
    with client_of(tls, certs, protocol) as c:
        assert c.ping() and c.set("k", b"\x00\xff") and c.get("k") == b"\x00\xff"
        with c.pipeline(transaction=True) as p:
            p.incr("n").incr("n").lpush("l", "a")
            assert p.execute() == [1, 2, 1]


def test_redis_py_asyncio(tls, certs):
    async def main():
        c = redis.asyncio.Redis(host="127.0.0.1", port=tls_port(tls), **certs.redis_py())
        try:
            await asyncio.gather(*(c.set(f"k{i}", i) for i in range(20)))
            assert await c.mget("k0", "k19") == [b"0", b"19"]
            pubsub = c.pubsub()
            await pubsub.subscribe("ch")
            await c.publish("ch", "hello")
            seen = []
            while b"hello" not in seen:
                message = await pubsub.get_message(timeout=5)
                assert message is not None
                seen.append(message["data"])
            await pubsub.aclose()
        finally:
            await c.aclose()
    asyncio.run(main())


def test_redis_cli(tls, certs):
    done = subprocess.run(["redis-cli", "-p", str(tls_port(tls)), *certs.cli(), "PING"], capture_output=True, text=True,
                          timeout=20) if os.path.exists("/usr/bin/redis-cli") else pytest.skip("no redis-cli")
    assert done.stdout == "PONG\n", done.stderr


def test_plain_and_encrypted_clients_share_the_data(tls, certs):
    with tls.raw() as raw, TlsClient(tls, certs) as c:
        raw.call("SET", "k", "v")
        assert c.call("GET", "k") == b"v"
        info = c.call("INFO", "server").decode()
        assert f"listener1:name=tls,bind=127.0.0.1,port={tls_port(tls)}\r\n" in info
        assert f"laddr=127.0.0.1:{tls_port(tls)} " in c.call("CLIENT", "LIST").decode()


@pytest.mark.parametrize("wanted, without, stranger", [("yes", True, True), ("optional", False, True), ("no", False, False)])
def test_auth_clients(tls, certs, wanted, without, stranger):
    with tls.raw() as raw:
        raw.call("CONFIG", "SET", "tls-auth-clients", wanted)
        assert refuses(tls, certs, None) is without
        assert refuses(tls, certs, "stranger") is stranger
        assert refuses(tls, certs, "client") is False


def test_server_is_who_it_says(tls, certs):
    with pytest.raises(ssl.SSLCertVerificationError):
        context = ssl.create_default_context(cafile=certs.path("stranger.crt"))
        with socket.create_connection(("127.0.0.1", tls_port(tls)), 10) as sock:
            context.wrap_socket(sock, server_hostname="localhost")


def test_plain_bytes_on_the_tls_port(tls, certs):
    with socket.create_connection(("127.0.0.1", tls_port(tls)), 10) as sock:
        sock.sendall(b"PING\r\n")
        assert b"PONG" not in ended(sock)
    with socket.create_connection(("127.0.0.1", tls_port(tls)), 10) as sock:
        sock.sendall(os.urandom(20000))
        ended(sock)
    assert not refuses(tls, certs, "client")


def test_plain_port_may_be_off(certs, start):
    port = free_port()
    server = Server(tls_port=port, **certs.server_settings(tls_auth_clients="no"))
    server.settings["port"] = "0"
    server.start(wait=False)
    try:
        server.wait_for_log("Ready to accept connections tls")
        with TlsClient(server, certs, client=None) as c:
            assert f"tcp_port:{port}\r\n" in c.call("INFO", "server").decode()
        server.stop()
    finally:
        server.close()


# ---------------------------------------------------------------- what clients do

def test_long_values_both_ways(tls, certs):
    big = os.urandom(3_000_000)
    with TlsClient(tls, certs) as c:
        assert c.call("SET", "k", big) == Simple("OK")
        assert c.call("GET", "k") == big
        assert c.call("ECHO", big[:100_000]) == big[:100_000]


def test_pipeline_is_answered_in_one_record_a_turn(tls, certs):
    with TlsClient(tls, certs) as c:
        c.sock.sendall(encode(["INCR", "n"]) * 100)
        time.sleep(0.2)
        assert c.sock.recv(1 << 16) == b"".join(b":%d\r\n" % i for i in range(1, 101))     # recv gives one record


@pytest.mark.parametrize("size", [1, 7, 100, 5000])
def test_requests_cut_anywhere(tls, certs, size):
    """Cut both as plain text, into records, and as bytes of the socket."""
    request = encode(["SET", "k", "v" * 300]) + encode(["GET", "k"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    link = certs.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", tls_port(tls)), 10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def do(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    sock.sendall(outgoing.read())
                    incoming.write(sock.recv(1 << 16))
        do(link.do_handshake)
        for i in range(0, len(request), 50):
            link.write(request[i:i + 50])
        cipher = outgoing.read()
        for i in range(0, len(cipher), size):
            sock.sendall(cipher[i:i + size])
            if size < 100 and i % 64 == 0:
                time.sleep(0.0005)
        got = b""
        while len(got) < 5 + 308:
            got += do(lambda: link.read(4096))
    assert got == b"+OK\r\n$300\r\n" + b"v" * 300 + b"\r\n"


def test_message_reaches_an_idle_client(tls, certs):
    with TlsClient(tls, certs) as c, tls.raw() as raw:
        c.call("HELLO", 3)
        c.call("SUBSCRIBE", "ch")
        assert raw.call("PUBLISH", "ch", "hello") == 1
        assert c.reader.read() == Push([b"message", b"ch", b"hello"])


def test_blocked_client_wakes_and_times_out(tls, certs):
    with TlsClient(tls, certs) as c, tls.raw() as raw:
        c.send("BLPOP", "l", 0)
        wait_until(lambda: b"blocked_clients:1\r" in raw.call("INFO", "clients"), what="the client's wait")
        raw.call("RPUSH", "l", "x")
        assert c.reader.read() == [b"l", b"x"]
        began = time.monotonic()
        c.send("BLPOP", "l", 0.1)
        c.send("PING")
        assert c.reader.read() is not None and c.reader.read() == Simple("PONG")
        assert time.monotonic() - began < 5


def test_paused_client_goes_on(tls, certs):
    with TlsClient(tls, certs) as c, tls.raw() as raw:
        raw.call("CLIENT", "PAUSE", 10_000, "WRITE")
        c.send("SET", "k", "v")
        c.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            c.sock.recv(1)
        c.sock.settimeout(10)
        raw.call("CLIENT", "UNPAUSE")
        assert c.reader.read() == Simple("OK")


def test_quit_and_kill_say_goodbye(tls, certs):
    with TlsClient(tls, certs) as c:
        assert c.call("QUIT") == Simple("OK")
        assert c.sock.recv(10) == b""
    sock = wrapped(tls, certs)
    with sock, tls.raw() as raw:
        sock.suppress_ragged_eofs = False           # an end without close_notify would raise
        raw.call("CLIENT", "KILL", "LADDR", f"127.0.0.1:{tls_port(tls)}")
        assert sock.recv(10) == b""


def test_half_closed_client_gets_its_replies(tls, certs):
    """Requests, close_notify and the end of the stream in one segment."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    link = certs.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", tls_port(tls)), 10) as sock:
        while True:
            try:
                link.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(1 << 16))
        link.write(encode(["SET", "last", "words"]) + encode(["GET", "last"]))
        with pytest.raises(ssl.SSLError):
            link.unwrap()
        sock.sendall(outgoing.read())
        sock.shutdown(socket.SHUT_WR)
        while True:
            data = sock.recv(1 << 16)
            if not data:
                break
            incoming.write(data)
        assert link.read(100) == b"+OK\r\n$5\r\nwords\r\n"


def test_slow_reader_is_served_in_pieces(tls, certs):
    value = b"x" * 1_000_000
    with TlsClient(tls, certs) as c, tls.raw() as raw:
        raw.call("SET", "k", value)
        for _ in range(30):
            c.send("GET", "k")
        wait_until(lambda: int(raw.call("INFO", "clients").split(b"client_recent_max_output_buffer:")[1].split(b"\r")[0])
                   > 5_000_000, what="output that waits")
        assert raw.call("PING") == Simple("PONG")
        for _ in range(30):
            assert c.reader.read() == value


def test_output_limit_closes_a_slow_reader(certs, start):
    server = start(tls_port=free_port(), client_output_buffer_limit=["normal", "2mb", "0", "0"],
                   **certs.server_settings())
    with TlsClient(server, certs) as c, server.raw() as raw:
        raw.call("SET", "k", b"x" * 1_000_000)
        for _ in range(50):
            c.send("GET", "k")
        wait_until(lambda: b"client_output_buffer_limit_disconnections:1\r" in raw.call("INFO", "stats"), what="its end")


def test_protocol_error_after_the_handshake(tls, certs):
    with TlsClient(tls, certs) as c:
        c.sock.sendall(b"*1\r\n!\r\n")
        assert isinstance(c.reader.read(), Error) and c.sock.recv(10) == b""
    with TlsClient(tls, certs) as c:
        fd = c.sock.fileno()
        os.write(fd, b"this is no record at all")
        c.sock.settimeout(10)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            if c.sock.recv(100) == b"":
                raise ConnectionError
    assert not refuses(tls, certs, "client")


def test_hundreds_of_connections(tls, certs):
    clients = [TlsClient(tls, certs) for _ in range(200)]
    try:
        for i, c in enumerate(clients):
            c.send("SET", f"k{i}", i)
        assert all(c.reader.read() == Simple("OK") for c in clients)
        for c in clients:
            c.send("DBSIZE")
        assert all(c.reader.read() == 200 for c in clients)
    finally:
        for c in clients:
            c.sock.close()
    with tls.raw() as raw:
        wait_until(lambda: b"connected_clients:1\r" in raw.call("INFO", "clients"), what="their end")


# ---------------------------------------------------------------- handshakes that do not end

def test_half_open_handshakes_do_not_disturb_and_end(tls, certs):
    with tls.raw() as raw:
        raw.call("CONFIG", "SET", "timeout", 1)
        silent = [socket.create_connection(("127.0.0.1", tls_port(tls)), 10) for _ in range(20)]
        silent[0].sendall(b"\x16\x03\x01\x02\x00\x01")          # the beginning of a hello
        assert not refuses(tls, certs, "client")
        began = time.monotonic()
        assert all(sock.recv(10) == b"" for sock in silent)
        assert time.monotonic() - began < 6
        for sock in silent:
            sock.close()


def test_half_open_connections_count_as_clients(certs, start):
    server = start(tls_port=free_port(), maxclients=5, **certs.server_settings())
    silent = [socket.create_connection(("127.0.0.1", tls_port(server)), 10) for _ in range(5)]
    time.sleep(0.2)
    with socket.create_connection(("127.0.0.1", tls_port(server)), 10) as more:
        assert more.recv(10) == b""
    for sock in silent:
        sock.close()
    wait_until(lambda: not refuses(server, certs, "client"), what="room for a client")


# ---------------------------------------------------------------- settings

def setting(server, *pairs):
    with server.raw() as raw:
        return raw.call("CONFIG", "SET", *pairs)


def peer_name(server, certs):
    with wrapped(server, certs) as sock:
        return dict(part[0] for part in sock.getpeercert()["subject"])["commonName"]


def test_certificates_are_reloaded_live(certs, start):
    server = start(tls_port=free_port(), **certs.server_settings())
    with TlsClient(server, certs) as old:
        assert peer_name(server, certs) == "server"
        assert setting(server, "tls-cert-file", certs.path("other.crt"), "tls-key-file", certs.path("other.key")) == Simple("OK")
        assert peer_name(server, certs) == "other"
        assert old.call("PING") == Simple("PONG")               # keeps what it began with


def test_renewed_certificate_is_loaded_by_its_old_name(certs, start, tmp_path):
    def install(name):
        for kind in ("crt", "key"):
            shutil.copy(certs.path(f"{name}.{kind}"), tmp_path / f"current.{kind}")
    install("server")
    cert, key = str(tmp_path / "current.crt"), str(tmp_path / "current.key")
    server = start(tls_port=free_port(), **certs.server_settings(tls_cert_file=cert, tls_key_file=key))
    install("other")
    assert peer_name(server, certs) == "server"
    assert setting(server, "tls-cert-file", cert) == Simple("OK")
    assert peer_name(server, certs) == "other"


@pytest.mark.parametrize("name, value", [
    ("tls-cert-file", "missing.crt"), ("tls-key-file", "missing.key"), ("tls-ca-cert-file", "missing.crt"),
    ("tls-protocols", "TLSv9"), ("tls-ciphers", "no-such-cipher"), ("tls-ciphersuites", "no-such-suite"),
    ("tls-dh-params-file", "missing.pem"), ("tls-client-cert-file", "missing.crt")])
def test_bad_setting_changes_nothing(tls, certs, name, value):
    with tls.raw() as raw:
        before = raw.call("CONFIG", "GET", name)
        if name == "tls-client-cert-file":                      # only our own links use it
            assert raw.call("CONFIG", "SET", name, value) == Simple("OK")
            value, name = "yes", "tls-replication"
        reply = raw.call("CONFIG", "SET", name, value)
        assert reply == Error(f"ERR CONFIG SET failed (possibly related to argument '{name}') - {UNCONFIGURED}")
        assert not refuses(tls, certs, "client")
        if name == "tls-replication":
            raw.call("CONFIG", "SET", "tls-client-cert-file", "")
        else:
            assert raw.call("CONFIG", "GET", name) == before


def test_key_that_belongs_to_another_certificate(tls, certs):
    assert isinstance(setting(tls, "tls-key-file", certs.path("other.key")), Error)
    assert not refuses(tls, certs, "client")


def test_encrypted_key(certs, start):
    server = start(tls_port=free_port(), **certs.server_settings())
    assert isinstance(setting(server, "tls-key-file", certs.path("locked.key")), Error)
    assert isinstance(setting(server, "tls-key-file", certs.path("locked.key"), "tls-key-file-pass", "wrong"), Error)
    assert setting(server, "tls-key-file-pass", certificates.PASSWORD) == Simple("OK")
    assert setting(server, "tls-key-file", certs.path("locked.key")) == Simple("OK")
    assert not refuses(server, certs, "client")
    assert certificates.PASSWORD not in server.log


def test_protocols(certs, start):
    server = start(tls_port=free_port(), **certs.server_settings(tls_protocols="TLSv1.2"))
    with wrapped(server, certs) as sock:
        assert sock.version() == "TLSv1.2"
    assert refuses(server, certs, "client", minimum_version=ssl.TLSVersion.TLSv1_3)
    setting(server, "tls-protocols", "TLSv1.3")
    with wrapped(server, certs) as sock:
        assert sock.version() == "TLSv1.3"
    assert refuses(server, certs, "client", maximum_version=ssl.TLSVersion.TLSv1_2)
    setting(server, "tls-protocols", "")
    assert not refuses(server, certs, "client", maximum_version=ssl.TLSVersion.TLSv1_2)


def cipher(server, certs, order):
    context = certs.context(maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(order)
    with socket.create_connection(("127.0.0.1", tls_port(server)), 10) as sock:
        with context.wrap_socket(sock, server_hostname="localhost") as link:
            return link.cipher()[0]


def test_ciphers_and_their_order(certs, start):
    a, b = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"
    server = start(tls_port=free_port(), **certs.server_settings(tls_protocols="TLSv1.2", tls_ciphers=f"{a}:{b}"))
    assert cipher(server, certs, f"{b}:{a}") == b               # the client's wish
    setting(server, "tls-prefer-server-ciphers", "yes")
    assert cipher(server, certs, f"{b}:{a}") == a
    setting(server, "tls-ciphers", b)
    with pytest.raises(ssl.SSLError):
        cipher(server, certs, a)


def test_ciphersuites(certs, start):
    suite = "TLS_CHACHA20_POLY1305_SHA256"
    server = start(tls_port=free_port(), **certs.server_settings())
    reply = setting(server, "tls-ciphersuites", suite)
    if reply != Simple("OK"):
        server.wait_for_log("tls-ciphersuites cannot be set with this build of Python")
        pytest.skip("this Python cannot")
    with wrapped(server, certs) as sock:
        assert sock.cipher()[0] == suite


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("caching", ["yes", "no"])
def test_sessions_are_resumed_if_cached(tls, certs, version, caching):
    setting(tls, "tls-session-caching", caching)
    context = certs.context(minimum_version=version, maximum_version=version)

    def connect(session):
        sock = socket.create_connection(("127.0.0.1", tls_port(tls)), 10)
        with context.wrap_socket(sock, server_hostname="localhost", session=session) as link:
            link.sendall(b"PING\r\n")
            assert link.recv(100) == b"+PONG\r\n"               # TLS 1.3 sends its ticket before
            return link.session_reused, link.session
    try:
        first, session = connect(None)
        assert first is False
        if version == ssl.TLSVersion.TLSv1_3 and caching == "no":
            assert not session.has_ticket
        else:
            assert connect(session)[0] is (caching == "yes")
    finally:
        setting(tls, "tls-session-caching", "yes", "tls-session-cache-size", 20480)


def test_port_is_opened_and_closed_live(certs, start):
    server = start()
    port = free_port()
    assert setting(server, "tls-port", port) == \
        Error(f"ERR CONFIG SET failed (possibly related to argument 'tls-port') - {UNCONFIGURED}")
    words = [w for k, v in certs.server_settings().items() for w in (k.replace("_", "-"), v)]
    assert setting(server, *words, "tls-port", port) == Simple("OK")
    server.settings["tls-port"] = str(port)
    with TlsClient(server, certs) as c:
        assert setting(server, "tls-port", server.port) == Error(
            "ERR CONFIG SET failed (possibly related to argument 'tls-port') - "
            "Unable to listen on this port. Check server logs.")
        assert not refuses(server, certs, "client")
        assert setting(server, "tls-port", 0) == Simple("OK")
        assert c.call("PING") == Simple("PONG")                 # connections stay
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", port), 5)


@pytest.mark.parametrize("settings, text", [
    ({}, "tls-cert-file is not set"),
    ({"tls_cert_file": "server.crt", "tls_key_file": "server.key"}, "tls-ca-cert-file or tls-ca-cert-dir is needed"),
    ({"tls_cert_file": "server.crt", "tls_key_file": "missing", "tls_auth_clients": "no"}, "No such file")])
def test_start_without_what_tls_needs(certs, settings, text):
    server = Server(tls_port=free_port(), **{k: certs.path(v) if "file" in k else v for k, v in settings.items()})
    try:
        with pytest.raises(ServerFailed, match="ended at start with status 1"):
            server.start()
        assert text in server.log and "Failed to configure TLS" in server.log
    finally:
        server.close()


def test_protected_mode_answers_behind_the_handshake(certs, start):
    server = start(tls_port=free_port(), bind="0.0.0.0", **certs.server_settings())
    address = next((line.split()[3].split("/")[0] for line in
                    subprocess.run(["ip", "-o", "-4", "addr"], capture_output=True, text=True).stdout.splitlines()
                    if " lo " not in line), None) if os.path.exists("/sbin/ip") or os.path.exists("/usr/sbin/ip") else None
    if address is None:
        pytest.skip("no address but loopback")
    context = certs.context()
    context.check_hostname = False
    with context.wrap_socket(socket.create_connection((address, tls_port(server)), 10)) as sock:
        assert sock.recv(1000).startswith(b"-DENIED ")


def test_the_loop_rests_when_nothing_happens(tls, certs):
    """No spinning: neither with idle clients nor with half-open handshakes."""
    with TlsClient(tls, certs) as c, socket.create_connection(("127.0.0.1", tls_port(tls)), 10), tls.raw() as raw:
        c.call("PING")

        def cycles():
            return int(raw.call("INFO", "stats").split(b"eventloop_cycles:")[1].split(b"\r")[0])
        before = cycles()
        time.sleep(0.5)
        assert cycles() - before < 60
        assert select.select([c.sock], [], [], 0)[0] == []


# ---------------------------------------------------------------- links that we open

def settings(certs, **more):
    config = Config()
    for name, value in certs.server_settings(tls_replication="yes", **more).items():
        config.assign(name.replace("_", "-"), value)
    return config


def pump(a, b, texts_a=(), texts_b=()):
    """Two streams talk until both are silent; what each has received."""
    to_b, to_a = [a.start()] + [a.send(text) for text in texts_a], [b.send(text) for text in texts_b]
    got_a, got_b = b"", b""
    while to_a or to_b:
        for data in [to_b.pop(0)] if to_b else []:
            plain, answer, _ = b.receive(data)
            got_b += plain
            to_a += [answer] if answer else []
        for data in [to_a.pop(0)] if to_a else []:
            plain, answer, _ = a.receive(data) if data else (b"", b"", False)
            got_a += plain
            to_b += [answer] if answer else []
    return got_a, got_b


def test_streams_carry_bytes_both_ways_and_keep_what_comes_too_early(certs):
    config = settings(certs)
    client, server = Stream(client_context(config)), Stream(server_context(config), server_side=True)
    big = os.urandom(100_000)
    assert pump(client, server, [b"PING\r\n", big], [b"+OK\r\n"]) == (b"+OK\r\n", b"PING\r\n" + big)
    assert client.handshake.done and server.handshake.done
    assert server.receive(client.send(b"more")) == (b"more", b"", False)


def test_links_show_the_clients_certificate_or_else_the_servers(certs):
    for more, name in (({}, "server"), ({"tls_client_cert_file": certs.path("client.crt"),
                                         "tls_client_key_file": certs.path("client.key")}, "client")):
        config = settings(certs, **more)
        client, server = Stream(client_context(config)), Stream(server_context(config), server_side=True)
        pump(client, server)
        assert dict(part[0] for part in server.handshake.ssl.getpeercert()["subject"])["commonName"] == name


def test_link_to_a_stranger_is_refused(certs):
    config = settings(certs)
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    stranger.load_cert_chain(certs.path("stranger.crt"), certs.path("stranger.key"))
    with pytest.raises(ssl.SSLCertVerificationError):
        pump(Stream(client_context(config)), Stream(stranger, server_side=True))


def test_link_to_a_running_server(tls, certs):
    link = Stream(client_context(settings(certs)))
    with socket.create_connection(("127.0.0.1", tls_port(tls)), 10) as sock:
        sock.sendall(link.start() + link.send(encode(["ECHO", "over the link"])))
        got = b""
        while not got.endswith(b"over the link\r\n"):
            plain, answer, ended_ = link.receive(sock.recv(1 << 16))
            got += plain
            assert not ended_
            sock.sendall(answer)
        sock.sendall(link.send(encode(["QUIT"])))
        plain, _, ended_ = link.receive(sock.recv(1 << 16))
        while not ended_:
            more, _, ended_ = link.receive(sock.recv(1 << 16))
            plain += more
        assert plain == b"+OK\r\n"


def test_engine_takes_a_link_that_we_opened(certs):
    """The other end's client in our own engine: what a replica does with its primary."""
    from redispy_core.engine import Engine
    config = settings(certs)
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setblocking(False)
    engine = Engine()
    a, b = Handshake(client_context(config), server_side=False), Handshake(server_context(config), server_side=True)
    data = a.step()
    while not (a.done and b.done):
        data = a.step(b.step(data))
    if data:
        b.incoming.write(data)
    identity = engine.accept(ours.fileno(), tls=a.parts)
    b.ssl.write(encode(["SET", "k", "v"]))
    theirs.send(b.outgoing.read())
    engine.serve([(ours.fileno(), 1)])
    engine.before_sleep()
    b.incoming.write(theirs.recv(4096))
    assert b.ssl.read(100) == b"+OK\r\n" and engine.call("GET", "k") == b"v"
    engine.close(identity)
    assert engine.attend() == [(ours.fileno(), 0)]
    b.incoming.write(theirs.recv(4096))
    assert b.ssl.read(100) == b""                               # it said goodbye
    ours.close()
    theirs.close()
