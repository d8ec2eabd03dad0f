"""Start the web processes.

This module does not import Django, so that the supervisor process needs little memory.
"""

import resource
import signal
import sys
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from apps.common import web_server
from apps.common.shared_socket import BACKLOG, SharedSocket

web_server.install()

# Limit of open files of a process: its connections and its other files.
FILES = 8192
# Shutdown waits up to this long for requests in progress. Uploads take the longest.
END_SECONDS = 25


def file_limit(soft: int, hard: int) -> int | None:
    """Return the limit of open files to set, or None if the current limit is high enough.

    Each connection is an open file, and the default of many systems is 1,024 or less. The limit is
    not raised to the hard limit, which may be "no limit": some systems refuse that value.

    Args:
        soft: The current (soft) limit.
        hard: The hard limit, the maximum of the soft limit.
    """
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    return wanted if soft != resource.RLIM_INFINITY and soft < wanted else None


def serve(server: str, *, host: str = "127.0.0.1", port: int, processes: int) -> None:
    """Serve until a signal stops it. Processes that die are restarted.

    Args:
        server: The ASGI application, as ``module:name``.
        host: The address to listen on.
        port: The port to listen on.
        processes: The number of processes; with 1 the current process serves.

    Raises:
        OSError: The address is in use or is not an address of this machine.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files := file_limit(soft, hard):
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
        # The Django settings define the log format.
        "log_config": None,
        "log_level": "warning",
    }
    if processes == 1:
        # After shutdown uvicorn raises the signal again. Exit with status 0 on it.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        config = uvicorn.Config(server, host=host, port=port, backlog=BACKLOG, **options)
        # Here, since the application uses its database at its start, which an event loop refuses.
        config.load_app()
        only = web_server.WebServer(config)
        with suppress(KeyboardInterrupt):
            only.run()
        if not only.started:
            sys.exit(STARTUP_FAILURE)
        return
    shared = SharedSocket.bound(host, port)
    config = uvicorn.Config(server, workers=processes, backlog=1, **options)
    web_server.Supervisor(config, [shared]).run()
