"""One client connection: reads requests on the event loop and writes the responses of threads."""

import asyncio
import math
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httptools
import structlog
from uvicorn.config import Config
from uvicorn.server import ServerState

from apps.common.server.answers import Answer, plain
from apps.common.server.bodies import too_large, too_slow
from apps.common.server.phases import Phase
from apps.common.server.requests import Request
from apps.common.server.writer import Writer

if TYPE_CHECKING:
    from apps.common.server.server import Server

log = structlog.get_logger(__name__)

LINGERING_SECONDS = 2
# When the server stops, an idle connection stays open for so long. Most callers that use it make
# another request in this time, and its response says that the connection is closed. A request that
# is on its way when an idle connection is closed is reset.
LAST_REQUEST_SECONDS = 1.0
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
NEVER = math.inf


class Connection(asyncio.Protocol):
    """A client connection, created by uvicorn.

    The parser (llhttp, from httptools) calls the methods ``on_…`` with the parts of a request. A
    thread gets the request when it is complete. Requests that the client sends before it has
    received its response are queued.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._server: Server = config.loaded_app
        self._limits = self._server.limits
        self._uvicorn = server_state
        self._loop = _loop or asyncio.get_running_loop()
        self._parser: Any = httptools.HttpRequestParser(self)
        self._transport: Any = None
        self._writer: Writer
        self._addresses: dict[str, str] = {}
        # The request being received, the one in a thread, and those in the queue for a thread.
        self._request: Request | None = None
        self._current: Request | None = None
        self._waiting: deque[Request] = deque()
        self._head_bytes = 0
        self._body_began = 0.0
        self._refused_as = HTTPStatus.BAD_REQUEST
        self._is_half_closed = self._is_ending = self._is_lost = self._keeps = False
        self.phase = Phase.HEAD
        self.deadline = NEVER

    # Callbacks of asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set up the connection and wait for the first request."""
        self._transport = transport
        self._writer = Writer(transport)
        client, here = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if client is None:
            # The client has already disconnected.
            self.abort()
            return
        self._addresses = {
            "REMOTE_ADDR": client[0],
            "SERVER_NAME": here[0],
            "SERVER_PORT": str(here[1]),
        }
        self._wait_for(Phase.HEAD, self._limits.head_seconds)
        self._uvicorn.connections.add(self)  # type: ignore[arg-type]  # typed for uvicorn's classes.
        self._server.opened(self)

    def data_received(self, data: bytes) -> None:
        """Pass received data to the parser."""
        if self._parser is None:
            return
        before = self._request
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # No other protocol is supported. Answer it as a normal request, the last one here.
            self._parser = None
        except httptools.HttpParserError:
            self._malformed()
        else:
            self._bound_the_head(before, len(data))

    def eof_received(self) -> bool:
        """Close the connection unless a response is pending; a half-closed client can read it."""
        self._parser = None
        self._is_half_closed = True
        if self._request is not None and self._request.head_complete:
            self._request.break_off()
            self._hand_over(self._request)
        return self.phase in {Phase.THREAD, Phase.TAKING}

    def connection_lost(self, exc: Exception | None) -> None:
        """Release everything except the request that a thread is working on."""
        self._is_lost = True
        self.deadline = NEVER
        self._parser = None
        self._uvicorn.connections.discard(self)
        self._server.closed(self)
        for request in filter(None, (self._current, self._request, *self._waiting)):
            request.break_off()
            if request is not self._current:
                request.give_back()
        self._request = None
        self._waiting.clear()
        self._writer.close()

    def pause_writing(self) -> None:
        """Stop writing: the write buffer is full."""
        self._writer.is_slow = True

    def resume_writing(self) -> None:
        """Continue writing: the client has received enough of the write buffer."""
        self._writer.is_slow = False
        if self.phase is Phase.TAKING:
            self._send_on()

    # Calls by the server.

    def shutdown(self) -> None:
        """Close after the requests in progress; uvicorn calls this when the process shuts down."""
        self._is_ending = True
        self._loop.call_later(LAST_REQUEST_SECONDS, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self.phase is Phase.HEAD and self._request is None and not self._is_lost:
            self._transport.close()

    def expire(self) -> None:
        """Refuse the request or close the connection after a timeout."""
        if self.phase is Phase.BODY and self._request is not None:
            self._request.refuse(too_slow())
            self._hand_over(self._request)
        else:
            self.abort()

    def abort(self) -> None:
        """Close at once and discard the write buffer."""
        self._transport.abort()

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        """Create a request."""
        self._request = Request(self._limits.bodies, self._server.holding)
        if self.phase is Phase.HEAD:
            self._wait_for(Phase.HEAD, self._limits.head_seconds)

    def on_url(self, url: bytes) -> None:
        """Add a part of the request target."""
        if self._request is not None:
            self._request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header line or a trailer line."""
        if self._request is not None:
            self._request.add_header(name, value)

    def on_headers_complete(self) -> None:
        """Decide how to read the body.

        Raises:
            ValueError: The head is too large or its target is invalid.
        """
        request = self._request
        if request is None:
            return
        if request.head_bytes + len(request.target) > self._limits.head_bytes:
            self._refused_as = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise ValueError(request.head_bytes)
        request.end_head(self._parser.get_method(), self._parser.get_http_version())
        request.environ.update(self._addresses)
        request.keep_alive = self._parser.should_keep_alive()
        limit = self._limits.bodies.whole_bytes
        if request.length is not None and request.length > limit:
            if self._may_be_large(request):
                request.read_while_it_comes(self._want_more)
            else:
                request.refuse(too_large(limit))
            self._hand_over(request)
        elif request.has_body and self.phase is Phase.HEAD:
            self._await_body(request)
        is_next = self._current in {None, request}
        if request.expects_continue and request.has_body and not request.refusal and is_next:
            self._transport.write(CONTINUE)

    def on_body(self, piece: bytes) -> None:
        """Add a piece of the body."""
        request = self._request
        if request is None:
            return
        unread = request.add_body(piece, large=self._may_be_large(request), wanted=self._want_more)
        if unread > self._limits.bodies.small_bytes:
            self._transport.pause_reading()
        if request.refusal is not None or request.is_read_while_it_comes:
            self._hand_over(request)
        elif self.phase is Phase.BODY:
            self.deadline = self._body_began + request.seconds

    def on_message_complete(self) -> None:
        """Hand the complete request over to a thread."""
        request, self._request = self._request, None
        if request is not None:
            request.end()
            self._hand_over(request)

    # Reading.

    def _wait_for(self, phase: Phase, seconds: float) -> None:
        self.phase = phase
        self.deadline = self._loop.time() + seconds

    def _await_body(self, request: Request) -> None:
        self._body_began = self._loop.time()
        self._wait_for(Phase.BODY, request.seconds)

    def _may_be_large(self, request: Request) -> bool:
        return request.environ["PATH_INFO"].rstrip("/") in self._server.large_body_paths

    def _want_more(self) -> None:
        """Resume reading; called by the thread that reads a body while it is received."""
        self._loop.call_soon_threadsafe(self._transport.resume_reading)

    def _bound_the_head(self, before: Request | None, size: int) -> None:
        if self._request is None or self._request.head_complete:
            return
        self._head_bytes = size + (self._head_bytes if self._request is before else 0)
        if self._head_bytes > self._limits.head_bytes:
            self._refused_as = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self._malformed()

    def _malformed(self) -> None:
        self._parser = None
        request, self._request = self._request, None
        if request is not None and request.head_complete:
            request.break_off()
            self._hand_over(request)
        elif self._current is None:
            self._keeps = False
            self._write(plain(self._refused_as))

    # Responding.

    def _hand_over(self, request: Request) -> None:
        if request.handed_over:
            return
        request.handed_over = True
        if self._current is None and self.phase is not Phase.TAKING:
            self._begin(request)
        else:
            self._waiting.append(request)
            self._transport.pause_reading()

    def _begin(self, request: Request) -> None:
        self._current = request
        self._wait_for(Phase.THREAD, NEVER)
        self._uvicorn.total_requests += 1
        self._server.work_on(request, self._tell)

    def _tell(self, answer: Answer) -> None:
        """Pass the response to the event loop; called by a thread."""
        try:
            self._loop.call_soon_threadsafe(self._answer, answer)
        except RuntimeError:
            # The event loop has ended: the process shuts down without this response.
            log.warning("an answer arrived after the connection was closed")

    def _answer(self, answer: Answer) -> None:
        request, self._current = self._current, None
        if request is not None:
            request.give_back()
        if self._is_lost or request is None:
            log.info("the client did not wait for its answer")
            if answer.file is not None:
                answer.file.close()
            return
        self._keeps = (
            request.keep_alive
            and request.complete
            and not answer.close
            and not self._is_ending
            and (self._parser is not None or bool(self._waiting))
        )
        self._write(answer)

    def _write(self, answer: Answer) -> None:
        end = b"Connection: keep-alive" if self._keeps else b"Connection: close"
        headers = [b"%b: %b" % header for header in self._uvicorn.default_headers]
        self._writer.begin(answer, [*headers, end])
        self._send_on()

    def _send_on(self) -> None:
        if self._writer.send_on():
            self._answered()
            return
        self._wait_for(Phase.TAKING, self._limits.bodies.allowance(self._writer.waiting_bytes))
        self._transport.pause_reading()

    def _answered(self) -> None:
        if not self._keeps:
            self._close()
            return
        if self._waiting:
            self._begin(self._waiting.popleft())
            return
        self._transport.resume_reading()
        if self._request is None:
            self._wait_for(Phase.HEAD, self._limits.idle_seconds)
            if self._is_ending:
                self.shutdown()
        elif self._request.head_complete:
            self._await_body(self._request)
        else:
            self._wait_for(Phase.HEAD, self._limits.head_seconds)

    def _close(self) -> None:
        self._parser = None
        if self._is_half_closed:
            self._transport.close()
            return
        size = self._writer.waiting_bytes
        self._wait_for(
            Phase.LINGERING, self._limits.bodies.allowance(size) if size else LINGERING_SECONDS
        )
        self._transport.resume_reading()
        self._transport.write_eof()
