"""Command line: settings from file and arguments, then the server."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

from redispy_core.version import REDIS_VERSION, VERSION

from .config import Config, ConfigError, ConfigOpenError, Startup
from .config_values import to_bytes

HELP = """Usage: redispy-server [/path/to/redis.conf] [options] [-]
       redispy-server - (read config from stdin)
       redispy-server -v or --version
       redispy-server -h or --help
       redispy-server --check-system

Every directive of redis.conf is an option: --port 7000 --save "" --appendonly no.

Examples:
       redispy-server (run the server with default conf)
       echo 'maxmemory 128mb' | redispy-server -
       redispy-server /etc/redis/6379.conf
       redispy-server --port 7777
       redispy-server --port 7777 --replicaof 127.0.0.1 8888
       redispy-server /etc/myredis.conf --loglevel verbose -
       redispy-server /etc/myredis.conf --loglevel verbose
"""


def _answer(startup: Startup) -> int:
    """Actions that do not start a server."""
    if startup.action == "version":
        print(f"Redis server v={REDIS_VERSION} redispy={VERSION} bits={64 if sys.maxsize > 2**32 else 32}")
        return 0
    if startup.action == "help":
        print(HELP, end="", file=sys.stderr)
        return 1
    print(f"{startup.action} has nothing to check on this system")
    return 0


def _check_user(words: Sequence[str]) -> str | None:
    """Why a `user` line is wrong."""
    from redispy_core.engine import check_user_line      # only who declares users pays for the import here
    return check_user_line([to_bytes(word) for word in words])


def main(argv: list[str] | None = None) -> int:
    """Runs redispy-server with these arguments (default: the process's); the exit status."""
    config = Config(version=REDIS_VERSION)
    config.check_user = _check_user
    try:
        startup = config.load_argv(sys.argv[1:] if argv is None else argv, program=sys.argv[0])
    except ConfigOpenError as e:
        print(e)
        return 1
    except ConfigError as e:
        print(e, file=sys.stderr)
        return 1
    if startup.action != "run":
        return _answer(startup)
    if config["daemonize"]:
        from .process import daemonize
        daemonize()
    return _serve(config)


def _serve(config: Config) -> int:
    from redispy_core.engine import Engine
    if config["disable-thp"]:
        Engine.disable_thp()                # before anything is mapped
    from .acl_file import UsersError
    from .connection import BindError
    from .server import Server              # imported late: --help and bad arguments answer at once
    from .tls_port import TlsError
    server = Server(config)
    try:
        server.start()
    except TlsError as e:
        server.log("warning", str(e))
        server.log("warning", "Failed to configure TLS. Check logs for more info.")
        return 1
    except BindError as e:
        server.log("warning", str(e))
        if config["port"]:
            server.log("warning", f"Failed listening on port {config['port']} (tcp), aborting.")
        return 1
    except UsersError as e:
        server.log("warning", str(e))
        return 1
    gc.collect()
    gc.freeze()                             # what exists now lives as long as the server: never look at it again
    return server.run()


if __name__ == "__main__":
    sys.exit(main())
