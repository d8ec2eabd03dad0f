"""An HTTP server for a WSGI application whose threads get complete requests only."""

import asyncio
import resource
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

import structlog

from apps.common.server.answers import Answer, Start, answer_of, plain
from apps.common.server.bodies import BodyLimits, BodyMemory
from apps.common.server.connection import Connection
from apps.common.server.phases import Phase
from apps.common.server.pool import Pool
from apps.common.server.requests import Request

log = structlog.get_logger(__name__)

KIB = 1024
# The interval of the timeout check.
CHECK_SECONDS = 0.25
# Open files besides client connections: files, and connections to the database, Redis and broker.
OTHER_FILES = 200

Application = Callable[[dict[str, Any], Start], Iterable[bytes]]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Time and size limits of requests, and the limit on connections.

    Attributes:
        head_seconds: The time limit of a head, from its first byte or from the connection.
        idle_seconds: The time limit until the next request on a connection. It is longer than the
            60 s after which proxies close an idle connection, so that the proxy closes it first.
        head_bytes: The maximum size of a head.
        connections: The maximum number of open connections.
        bodies: The limits of bodies. A response has the same time limit.
    """

    head_seconds: float = 10
    idle_seconds: float = 75
    head_bytes: int = 32 * KIB
    connections: int = 4096
    bodies: BodyLimits = field(default_factory=BodyLimits)


class Server:
    """The ASGI application that uvicorn runs, together with ``http=Connection``.

    Heads and bodies are read on the event loop, so a waiting request uses no thread. A complete
    request is processed by one of a few threads. A usual WSGI server assigns a thread before the
    body is received: 27 connections that sent seven bytes of a body each blocked two processes with
    eight threads for as long as the clients kept them open.

    Args:
        application: A WSGI application.
        threads: The number of threads, which is the number of concurrent requests.
        large_body_threads: Additional threads for requests whose body is still being received.
        large_body_paths: Paths that accept bodies larger than ``BodyLimits.whole_bytes``.
        limits: The time and size limits.
        at_end: Called after all responses, when the process is about to end.
    """

    def __init__(
        self,
        application: Application,
        *,
        threads: int,
        large_body_threads: int,
        large_body_paths: Collection[str],
        limits: Limits | None = None,
        at_end: Callable[[], object] = lambda: None,
    ) -> None:
        self._application = application
        self.large_body_paths = large_body_paths
        self.limits = limits or Limits()
        self.holding = BodyMemory(self.limits.bodies.held_bytes)
        self._pool = Pool(threads, "request")
        self._large_body_pool = Pool(large_body_threads, "large-body")
        self._at_end = at_end
        self._connections: set[Connection] = set()
        # Set when a connection is opened; without connections no time limit has to be checked.
        self._opened = asyncio.Event()
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = self.limits.connections
        if files != resource.RLIM_INFINITY:
            self._most = min(self._most, max(files - OTHER_FILES, 1))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Start and stop with the process (the ASGI lifespan protocol).

        Raises:
            RuntimeError: uvicorn was started without ``http=Connection``.
        """
        if scope["type"] != "lifespan":
            message = "Start the web process by `python -m notifications_project.web`."
            raise RuntimeError(message)
        await receive()
        watch = asyncio.create_task(self._watch())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        watch.cancel()
        await asyncio.to_thread(self._end)
        await send({"type": "lifespan.shutdown.complete"})

    def opened(self, connection: Connection) -> None:
        """Add a connection. Over the limit, close the connection that would time out first.

        Only connections that wait for a request head are closed. So clients that open connections
        and send nothing replace each other, not the active ones.
        """
        self._connections.add(connection)
        self._opened.set()
        if len(self._connections) <= self._most:
            return
        waiting = [other for other in self._connections if other.phase is Phase.HEAD]
        ended = min(waiting or [connection], key=lambda other: other.deadline)
        # Remove it now: many others may be opened before the event loop reports it as closed.
        self.closed(ended)
        ended.abort()

    def closed(self, connection: Connection) -> None:
        """Remove a connection."""
        self._connections.discard(connection)

    def work_on(self, request: Request, tell: Callable[[Answer], object]) -> None:
        """Process a request in a thread, which calls ``tell`` with the response."""
        pool = self._large_body_pool if request.is_read_while_it_comes else self._pool
        pool.run(partial(self._work, request, tell))

    async def _watch(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            if not self._connections:
                self._opened.clear()
                await self._opened.wait()
            await asyncio.sleep(CHECK_SECONDS)
            began = now()
            for connection in [one for one in self._connections if one.deadline <= began]:
                connection.expire()

    def _work(self, request: Request, tell: Callable[[Answer], object]) -> None:
        environ = request.ready()
        start = Start()
        body: Any = None
        try:
            body = self._application(environ, start)
            answer = answer_of(environ["REQUEST_METHOD"], start, body)
        except BaseException:
            log.exception("the application failed", path=environ["PATH_INFO"])
            answer = plain(HTTPStatus.INTERNAL_SERVER_ERROR)
        tell(answer)
        # After the response is passed on, so that the client does not wait for Django's clean-up.
        if hasattr(body, "close"):
            body.close()
        environ["wsgi.input"].close()

    def _end(self) -> None:
        self._pool.close()
        self._large_body_pool.close()
        self._at_end()
