"""Clients that connect, subscribe, block, watch, track and die at random, under load: nothing of them may stay.

Some end with QUIT, some close in order, some vanish with a reset in the middle of a request or with replies unread,
some are killed by others. Afterwards the server knows one client, and its tables and memory are back where they began.
REDISPY_STRESS_SECONDS makes it longer than the second a round that it takes by default.
"""
import os
import random
import socket
import struct
import time

import pytest

from support.resp import encode
from support.server import wait_until

SECONDS = float(os.environ.get("REDISPY_STRESS_SECONDS", "1"))
CLIENTS = 150                   # alive at a time
KEYS = 200
SLACK = 256 << 10               # bytes that chance may leave in tables and pools
RESET = struct.pack("ii", 1, 0)
EMPTY = {"connected_clients": 1, "blocked_clients": 0, "tracking_clients": 0, "pubsub_clients": 0,
         "watching_clients": 0, "total_watched_keys": 0, "total_blocking_keys": 0, "total_blocking_keys_on_nokey": 0,
         "tracking_total_keys": 0, "tracking_total_items": 0, "tracking_total_prefixes": 0, "pubsub_channels": 0,
         "pubsub_patterns": 0,
         "pubsubshard_channels": 0}


class Mortal:
    """A connection that is written to and mostly not read."""

    def __init__(self, port, chance):
        self.chance = chance
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setblocking(False)
        self.send("HELLO", chance.choice("23"))

    def send(self, *words):
        self.send_bytes(encode(words))

    def send_bytes(self, data):
        try:
            self.sock.send(data)
        except (BlockingIOError, BrokenPipeError, ConnectionError):
            pass

    def drain(self):
        try:
            while self.sock.recv(1 << 16):
                pass
        except (BlockingIOError, ConnectionError):
            pass

    def die(self):
        way = self.chance.randrange(5)
        if way == 0:
            self.send("QUIT")
        elif way == 1:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        elif way == 2:
            self.send_bytes(b"*3\r\n$3\r\nSET\r\n$100000\r\n" + b"x" * self.chance.randrange(60000))
        elif way == 3:
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        self.sock.close()


def key(chance):
    return f"k{chance.randrange(KEYS)}"


def subscribe(c, chance):
    command, name = chance.choice([("SUBSCRIBE", "ch"), ("PSUBSCRIBE", "c*"), ("SSUBSCRIBE", "sh"),
                                   ("UNSUBSCRIBE", "ch")])
    c.send(command, f"{name}{chance.randrange(9)}", name)


def block(c, chance):
    c.send(*chance.choice([
        ("BLPOP", key(chance), key(chance), 0), ("BRPOP", "list", 0.05), ("BZPOPMIN", key(chance), 0),
        ("BLMOVE", key(chance), "to", "LEFT", "LEFT", 0), ("WAIT", 1, 20),
        ("XREAD", "BLOCK", 0, "STREAMS", key(chance), "$")]))
    c.send("SET", key(chance), "after")


def watch(c, chance):
    c.send("WATCH", key(chance), key(chance))
    if chance.random() < 0.7:
        c.send("MULTI")
        for _ in range(chance.randrange(5)):
            c.send("INCR", f"n{chance.randrange(9)}")
        if chance.random() < 0.7:
            c.send(chance.choice(["EXEC", "DISCARD"]))


def track(c, chance):
    words = chance.choice([[], ["NOLOOP"], ["BCAST", "PREFIX", f"k{chance.randrange(20)}"], ["OPTIN"], ["OPTOUT"]])
    if chance.random() < 0.3:
        words = [*words, "REDIRECT", chance.randrange(1, 2000)]
    c.send("CLIENT", "TRACKING", chance.choice(["ON", "ON", "ON", "OFF"]), *words)
    if "OPTIN" in words:
        c.send("CLIENT", "CACHING", "YES")
    c.send("MGET", *[key(chance) for _ in range(10)])


def disturb(c, chance):
    c.send(*chance.choice([
        ("CLIENT", "REPLY", "OFF"), ("CLIENT", "NO-EVICT", "ON"), ("RESET",), ("MONITOR",), ("CLIENT", "SETNAME", "x"),
        ("CLIENT", "KILL", "ID", chance.randrange(1, 4000)), ("CLIENT", "UNBLOCK", chance.randrange(1, 4000)),
        ("FLUSHALL",), ("SWAPDB", 0, 1), ("SELECT", chance.randrange(3)), ("CLIENT", "LIST")]))


def load(c, chance):
    for _ in range(10):
        name = key(chance)
        c.send(*chance.choice([
            ("SET", name, "v", "PX", 20), ("SET", name, "x" * 3000), ("GET", name), ("RPUSH", name, 1),
            ("LPUSH", "list", 1), ("ZADD", name, 1, "m"), ("XADD", name, "*", "f", "v"), ("DEL", name),
            ("PUBLISH", f"ch{chance.randrange(9)}", "m"), ("SPUBLISH", "sh", "m"),
            ("MGET", *[key(chance) for _ in range(20)])]))


ACTIONS = [subscribe, block, watch, track, track, disturb, load, load, load]


def one_round(server, chance, seconds):
    """Clients live and die for that long; then all of them go."""
    clients = []
    born = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if len(clients) < CLIENTS:
            clients.append(Mortal(server.port, chance))
            born += 1
        for _ in range(3):
            c = chance.choice(clients)
            chance.choice(ACTIONS)(c, chance)
            if chance.random() < 0.5:
                c.drain()
        if chance.random() < 0.4:
            clients.pop(chance.randrange(len(clients))).die()
    for c in clients:
        c.die()
    return born


def state(control):
    return {name: control.info()[name] for name in EMPTY}


@pytest.mark.parametrize("limit", ["0", "4mb"], ids=["unlimited", "maxmemory-clients"])
def test_nothing_of_dead_clients_stays(start, limit):
    server = start(maxmemory_clients=limit)
    chance = random.Random(20)
    memory = []
    with server.client() as control:
        control.client_no_evict("ON")
        for _ in range(3):
            assert one_round(server, chance, SECONDS) > 20
            wait_until(lambda: len(control.client_list()) == 1, what="all clients gone")
            wait_until(lambda: state(control) == EMPTY, 20, f"empty tables: {state(control)}")
            control.flushall()
            control.execute_command("DEBUG", "SLEEP", "0")
            time.sleep(0.3)
            memory.append(control.info("memory")["used_memory"])
        assert memory[-1] < memory[0] + SLACK, memory
