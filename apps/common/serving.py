"""Starts web processes.

Nothing of Django is imported here, so that the process which watches the others stays small.
"""

import resource
import signal
import socket
import sys
from multiprocessing.reduction import DupFd
from typing import Any, Self

import uvicorn
from uvicorn.supervisors import Multiprocess

# Connections that wait to be taken from the system.
BACKLOG = 4096
# Open files of a process: its connections, and what it needs besides.
FILES = 8192
# What has begun is answered before the end: the slowest answers are those to uploads.
END_SECONDS = 25


class SharedSocket(socket.socket):
    """A socket on which several processes listen, each for one connection at a time.

    So the process with least to do takes the next one. The event loop takes as many at once as may
    wait: with a usual socket the first process took all 16, and both made 0.76 of the calls.
    Uvicorn is told that one may wait, and this socket lets ``BACKLOG`` wait nevertheless.
    """

    def listen(self, backlog: int = BACKLOG, /) -> None:
        """Listen, whatever number is named."""
        super().listen(BACKLOG)

    def __reduce__(self) -> Any:
        """Hand it to a process that is started."""
        return _received, (DupFd(self.fileno()),)

    @classmethod
    def bound(cls, host: str, port: int) -> Self:
        """Make one.

        Raises:
            OSError: The address is taken or not of this machine.
        """
        made = cls(socket.AF_INET6 if ":" in host else socket.AF_INET)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        return made


def _received(descriptor: Any) -> SharedSocket:
    return SharedSocket(fileno=descriptor.detach())


def _allow_files() -> None:
    """Raise the limit of open files: each connection is one, and systems begin with 1,024 or less.

    Not to the hard limit itself, which may be "no limit" and is then refused by some systems.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


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
    _allow_files()
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
