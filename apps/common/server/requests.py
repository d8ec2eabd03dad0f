"""A request while it is received."""

import io
from collections.abc import Callable
from typing import Any

from apps.common.rest.problems import Problem
from apps.common.server import heads
from apps.common.server.bodies import (
    BUFFER_BYTES,
    BodyLimits,
    BodyMemory,
    StreamedBody,
    broken_off,
    too_large,
)
from apps.common.server.refusals import REFUSAL


class Request:
    """One request, from its first byte until its response. Used on the event loop.

    Attributes:
        environ: The WSGI environ; complete after ``ready``.
        refusal: The problem to return instead of a response; the body is then discarded.
        handed_over: Whether the request is in the queue for a thread or in a thread.
        keep_alive: Whether the connection may serve another request after it.
        complete: Whether the whole request has been received.
    """

    __slots__ = (
        "_chunked",
        "_coming",
        "_held",
        "_holding",
        "_limits",
        "_pieces",
        "_received",
        "complete",
        "environ",
        "expects_continue",
        "handed_over",
        "head_bytes",
        "head_complete",
        "keep_alive",
        "length",
        "refusal",
        "target",
    )

    def __init__(self, limits: BodyLimits, holding: BodyMemory) -> None:
        self._limits = limits
        self._holding = holding
        self._pieces: list[bytes] = []
        self._received = self._held = 0
        self._chunked = False
        self._coming: StreamedBody | None = None
        self.environ: dict[str, Any] = heads.CONSTANT.copy()
        self.target = b""
        self.length: int | None = None
        self.head_bytes = 0
        self.expects_continue = self.handed_over = False
        self.head_complete = self.complete = self.keep_alive = False
        self.refusal: Problem | None = None

    @property
    def has_body(self) -> bool:
        """Whether the head announces a body."""
        return self._chunked or bool(self.length)

    @property
    def is_read_while_it_comes(self) -> bool:
        """Whether a thread reads the body while it is received."""
        return self._coming is not None

    @property
    def seconds(self) -> float:
        """The time limit of the body in seconds, from the end of the head."""
        return self._limits.allowance(self._received)

    def add_header(self, name: bytes, value: bytes) -> None:
        """Add a header line; refuse a trailer."""
        if self.head_complete:
            # Trailers are not used here, and some proxies treat them as headers.
            self.refuse(broken_off())
            return
        self.head_bytes += len(name) + len(value)
        small = name.lower()
        if small == b"content-length":
            self.length = int(value)
        elif small == b"transfer-encoding":
            self._chunked = True
        elif small == b"expect":
            self.expects_continue = value.lower() == b"100-continue"
        heads.add(self.environ, name, value)

    def end_head(self, method: bytes, version: str) -> None:
        """Mark the head as complete.

        Raises:
            ValueError: The request target is neither a path nor a URL.
        """
        heads.set_target(self.environ, self.target)
        self.environ["REQUEST_METHOD"] = method.decode("ascii")
        self.environ["SERVER_PROTOCOL"] = f"HTTP/{version}"
        self.head_complete = True

    def add_body(self, piece: bytes, *, large: bool, wanted: Callable[[], object]) -> int:
        """Add a piece of the body.

        Args:
            piece: The received bytes.
            large: Whether the body may be larger than ``BodyLimits.whole_bytes``.
            wanted: Called by a thread that reads the body while it is received, when it needs more.

        Returns:
            The number of received bytes that such a thread has not read yet; else 0.
        """
        if self.refusal is not None:
            return 0
        self._received += len(piece)
        if self._coming is not None:
            if self._received > self._limits.longest_bytes:
                self._coming.end(too_large(self._limits.longest_bytes))
                return 0
            return self._coming.feed(piece)
        try:
            if self.length is None or self.length > self._limits.small_bytes:
                self._holding.take(len(piece))
                self._held += len(piece)
        except Problem as problem:
            self.refuse(problem)
            return 0
        self._pieces.append(piece)
        if self._received > self._limits.whole_bytes:
            if not large:
                self.refuse(too_large(self._limits.whole_bytes))
                return 0
            self.read_while_it_comes(wanted)
        return 0

    def read_while_it_comes(self, wanted: Callable[[], object]) -> None:
        """Let a thread read the body while it is received."""
        self._coming = StreamedBody(self._pieces, self._limits, wanted)
        self._pieces = []
        self.give_back()

    def end(self) -> None:
        """Mark the request as completely received."""
        self.complete = True
        if self._coming is not None:
            self._coming.end()

    def break_off(self) -> None:
        """Mark the request as incomplete: no more of it will be received."""
        if self._coming is not None:
            self._coming.end(broken_off())
        elif not self.complete and self.refusal is None:
            self.refuse(broken_off())

    def refuse(self, problem: Problem) -> None:
        """Refuse the request with a problem and discard its body."""
        # The traceback frames reference this request and would keep it until the next garbage
        # collection.
        problem.__context__ = problem.__traceback__ = None
        self.refusal = problem
        self._pieces = []
        self.give_back()

    def give_back(self) -> None:
        """Release the memory that is reserved for the body."""
        self._holding.give_back(self._held)
        self._held = 0

    def ready(self) -> dict[str, Any]:
        """Complete the WSGI environ and return it."""
        environ = self.environ
        length, stream = 0, io.BytesIO()
        if self.refusal is not None:
            environ[REFUSAL] = self.refusal
        elif self._coming is not None:
            length = self._limits.longest_bytes if self.length is None else self.length
            environ["wsgi.input"] = io.BufferedReader(self._coming, BUFFER_BYTES)
            environ["CONTENT_LENGTH"] = str(length)
            return environ
        else:
            length, stream = self._received, io.BytesIO(b"".join(self._pieces))
            self._pieces = []
        environ["wsgi.input"] = stream
        environ["CONTENT_LENGTH"] = str(length) if length else ""
        return environ
