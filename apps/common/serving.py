"""Starts web processes.

Nothing of Django is imported here, so that the process which watches the others stays small.
"""

import resource
import signal
import sys
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from apps.common.shared_socket import BACKLOG, SharedSocket

# Open files of a process: its connections, and what it needs besides.
FILES = 8192
# What has begun is answered before the end: the slowest answers are those to uploads.
END_SECONDS = 25


def files_to_ask_for(soft: int, hard: int) -> int | None:
    """Decide on the limit of open files, where it is too low.

    Each connection is a file, and systems begin with 1,024 or less. It is not raised to the hard
    limit itself, which may be "no limit" and is then refused by some systems.

    Args:
        soft: The limit that holds.
        hard: What it may be raised to.
    """
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    return wanted if soft != resource.RLIM_INFINITY and soft < wanted else None


def serve(server: str, *, host: str = "127.0.0.1", port: int, processes: int) -> None:
    """Serve until a signal ends it; processes that die are started again.

    Args:
        server: What to serve, as module and name.
        host: The address to listen at.
        port: The port.
        processes: How many; a single one is this one.

    Raises:
        OSError: The address is taken or not of this machine.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files := files_to_ask_for(soft, hard):
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    options: dict[str, Any] = {
        "http": "apps.common.server:Connection",
        "interface": "asgi3",
        "lifespan": "on",
        "loop": "asyncio",
        "ws": "none",
        "timeout_graceful_shutdown": END_SECONDS,
        "proxy_headers": False,
        "server_header": False,
        "access_log": False,
        # The settings of Django decide how a line of the log looks.
        "log_config": None,
        "log_level": "warning",
    }
    if processes == 1:
        # When all is answered uvicorn raises the signal once more, as if it had not been obeyed.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        uvicorn.run(server, host=host, port=port, backlog=BACKLOG, **options)
        return
    shared = SharedSocket.bound(host, port)
    Multiprocess(uvicorn.Config(server, workers=processes, backlog=1, **options), [shared]).run()
