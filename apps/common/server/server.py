"""Serves a WSGI application whose threads see whole requests alone."""

import asyncio
import resource
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

import structlog

from apps.common.server.answers import Answer, Start, answer_of, plain
from apps.common.server.bodies import BodyLimits, Holding
from apps.common.server.connection import Connection, Phase
from apps.common.server.pool import Pool
from apps.common.server.requests import Request

log = structlog.get_logger(__name__)

KIB = 1024
# How often it is looked for what has taken too long.
LOOK_SECONDS = 0.25
# Beside the connections: files, the connections to the servers behind.
OTHER_FILES = 200

Application = Callable[[dict[str, Any], Start], Iterable[bytes]]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long the parts of a request may take, and how many connections there are.

    Attributes:
        head_seconds: For a head, from its first byte, or from the connection on.
        idle_seconds: For the next request on a connection; longer than the 60 s for which proxies
            keep one, so that they are the ones who close it.
        head_bytes: The longest head.
        connections: So many are open at once.
        bodies: What bodies are given. An answer is given as long to be taken.
    """

    head_seconds: float = 10
    idle_seconds: float = 75
    head_bytes: int = 32 * KIB
    connections: int = 4096
    bodies: BodyLimits = field(default_factory=BodyLimits)


class Server:
    """The application as uvicorn is given it, beside ``http=Connection``.

    Heads and bodies are read on the event loop, where one that waits costs no thread; a request
    that is whole is worked on by one of a few threads. Under a usual WSGI server each request
    takes a thread before its body has come: 27 connections with seven bytes of a body stopped two
    processes of eight threads for as long as they liked.

    Args:
        application: A WSGI application.
        threads: How many requests it works on at once.
        large_body_threads: How many more it works on whose bodies are still coming.
        large_body_paths: Where bodies may be larger than what is read whole.
        limits: The times and the sizes.
        at_end: Is called when all is answered and the process is about to end.
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
        self.holding = Holding(self.limits.bodies.held_bytes)
        self._pool = Pool(threads, "request")
        self._large_body_pool = Pool(large_body_threads, "large-body")
        self._at_end = at_end
        self._connections: set[Connection] = set()
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = self.limits.connections
        if files != resource.RLIM_INFINITY:
            self._most = min(self._most, max(files - OTHER_FILES, 1))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Begin and end with the process (the lifespan of ASGI).

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
        """Count a connection; one too many ends the one whose time for a request is up first.

        So strangers who open connections and send nothing push each other out.
        """
        self._connections.add(connection)
        if len(self._connections) <= self._most:
            return
        waiting = [other for other in self._connections if other.phase is Phase.HEAD]
        ended = min(waiting or [connection], key=lambda other: other.deadline)
        # At once, since many may be opened before the loop tells that this one has ended.
        self.closed(ended)
        ended.abort()

    def closed(self, connection: Connection) -> None:
        """Count a connection no more."""
        self._connections.discard(connection)

    def work_on(self, request: Request, tell: Callable[[Answer], object]) -> None:
        """Have a request answered by a thread, which tells the answer."""
        pool = self._large_body_pool if request.is_read_while_it_comes else self._pool
        pool.run(partial(self._work, request, tell))

    async def _watch(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(LOOK_SECONDS)
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
        # After the answer: the client does not wait for what Django does then.
        if hasattr(body, "close"):
            body.close()
        environ["wsgi.input"].close()

    def _end(self) -> None:
        self._pool.close()
        self._large_body_pool.close()
        self._at_end()
