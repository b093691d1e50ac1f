"""How long one SET takes while the keyspace grows: shows that no rehash stalls the server.

    python bench/growth.py [keys]           default 10,000,000; about a minute and 700 MB

Drives the engine in process, one SET at a time, and prints the distribution of their durations. The longest ones are
printed with the number of keys at that moment, so that a stall at a table's growth would show as such. Durations are
of the thread's own CPU time, so that what other processes take does not count.
"""

from __future__ import annotations

import gc
import sys
import time

from redispy_core.engine import Engine


def main() -> int:
    keys = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    Engine.disable_thp()
    engine = Engine()
    client = engine.accept(-1)
    feed, take, clock = engine.feed, engine.take_output, time.thread_time_ns
    steps = [0] * 24                                # powers of two of microseconds
    longest: list[tuple[int, int]] = []
    gc.disable()
    for i in range(keys):
        request = b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$5\r\nvalue\r\n" % i
        began = clock()
        feed(client, request)
        ns = clock() - began
        take(client)
        steps[min(23, (ns // 1000).bit_length())] += 1
        if ns > 200_000:
            longest.append((ns, i))
        if i % 100_000 == 0:
            engine.cron()                           # what the server's loop does between requests
    print(f"{keys} SETs, each with its call from Python:")
    for step, n in enumerate(steps):
        if n:
            print(f"  below {1 << step:>6} us  {n:>10}  {n * 100 / keys:8.4f} %")
    for ns, i in sorted(longest, reverse=True)[:8]:
        print(f"  {ns / 1000:8.0f} us at {i} keys")
    return 0


if __name__ == "__main__":
    sys.exit(main())
