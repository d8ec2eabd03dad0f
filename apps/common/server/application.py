"""Runs a WSGI application under a server that speaks RSGI (Granian)."""

import asyncio
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import IO, Any

import structlog
from granian.rsgi import HTTPProtocol, ProtocolClosed, Scope

from apps.common.problems import Problem
from apps.common.server import bodies
from apps.common.server.answers import Start, send
from apps.common.server.heads import environ_of
from apps.common.server.pool import Pool
from apps.common.server.refusals import REFUSAL

log = structlog.get_logger(__name__)

# The server opens a file that it is given within a moment.
OPENED_SECONDS = 10

Application = Callable[[dict[str, Any], Start], Iterable[bytes]]


class Server:
    """The application as Granian calls it: ``granian --interface rsgi``.

    Heads and bodies are read on the event loop, where one that waits costs no thread; a request
    that is whole is worked on by one of a few threads. Under Granian's own WSGI each request takes
    a thread before its body has come: 27 connections with seven bytes of a body stopped two
    processes of eight threads for as long as they liked.

    Args:
        application: A WSGI application.
        threads: How many requests it works on at once.
        large_body_threads: How many more it works on whose bodies are still coming.
        large_body_paths: Where bodies may be larger than what is read whole.
        limits: The time and the size of bodies.
    """

    def __init__(
        self,
        application: Application,
        *,
        threads: int,
        large_body_threads: int,
        large_body_paths: Collection[str],
        limits: bodies.BodyLimits | None = None,
    ) -> None:
        self._application = application
        self._large_body_paths = large_body_paths
        self._limits = limits or bodies.BodyLimits()
        self._holding = bodies.Holding(self._limits.held_bytes)
        self._pool = Pool(threads, "request")
        self._large_body_pool = Pool(large_body_threads, "large-body")

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answer one request."""
        with self._holding.opened() as held:
            refusal = None
            try:
                body = await bodies.read(
                    scope.headers,
                    protocol,
                    self._limits,
                    held,
                    large=scope.path.rstrip("/") in self._large_body_paths,
                )
            except Problem as problem:
                body, refusal = bodies.none(), _without_frames(problem)
                held.give_back()
            pool = self._large_body_pool if body.coming else self._pool
            file = await pool.run(partial(self._answer, scope, protocol, body, refusal))
            if file is not None:
                asyncio.get_running_loop().call_later(OPENED_SECONDS, file.close)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the threads finish what they work on."""
        self._pool.close()
        self._large_body_pool.close()

    def _answer(
        self,
        scope: Scope,
        protocol: HTTPProtocol,
        body: bodies.Body,
        refusal: Problem | None,
    ) -> IO[bytes] | None:
        environ = environ_of(scope)
        environ["CONTENT_LENGTH"] = str(body.length) if body.length else ""
        environ["wsgi.input"] = body.stream
        if refusal is not None:
            environ[REFUSAL] = refusal
        start = Start()
        answer = self._application(environ, start)
        try:
            return send(scope.method, start, answer, protocol)
        except ProtocolClosed:
            log.info("the client did not wait for its answer", path=scope.path)
            return None
        finally:
            # After the answer is sent: the client does not wait for what Django does then.
            if hasattr(answer, "close"):
                answer.close()
            body.stream.close()


def _without_frames(problem: Problem) -> Problem:
    """Let an exception forget where it was raised.

    Its frames hold the unread body, for which the server keeps the connection open. The request
    that holds the exception is freed by the next collection of garbage, at times minutes later.
    """
    problem.__context__ = problem.__traceback__ = None
    return problem
