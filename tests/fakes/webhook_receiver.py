"""A client application that receives webhooks, and verifies them with a library of its own."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from standardwebhooks import Webhook

from tests.fakes.http_server import Answer, HttpServer, Request

Script = Callable[[Request], Answer]


class WebhookReceiver(HttpServer):
    """Answers 204 by default, or what ``script`` says. Each signature is verified.

    Attributes:
        secret: What was shown at the registration; None: nothing is verified.
        received: The requests in the order of their arrival.
        events: The bodies of those whose signature is right.
    """

    def __init__(self, *, port: int = 0, latency: float = 0.0) -> None:
        super().__init__(port=port, latency=latency)
        self.secret: str | None = None
        self.script: Script | None = None
        self.received: list[Request] = []
        self.events: list[dict[str, Any]] = []
        self.forged = 0
        self._changed = threading.Condition()

    @property
    def hook(self) -> str:
        return f"{self.url}/hook"

    def respond(self, request: Request) -> Answer:
        answer = self.script(request) if self.script is not None else Answer(status=204)
        with self._changed:
            self.received.append(request)
            if self.secret is not None:
                try:
                    self.events.append(Webhook(self.secret).verify(request.body, request.headers))
                except Exception:  # noqa: BLE001 - whatever the library raises, it is not right.
                    self.forged += 1
            self._changed.notify_all()
        return answer

    def wait_for(self, calls: int, *, seconds: float = 30.0) -> None:
        """Wait until so many calls have arrived; fail if they do not."""
        ends = time.monotonic() + seconds
        with self._changed:
            while len(self.received) < calls:
                left = ends - time.monotonic()
                assert left > 0, f"{len(self.received)} of {calls} calls arrived"
                self._changed.wait(left)

    def ids(self) -> Counter[str]:
        """Return how often each event has arrived."""
        with self._changed:
            return Counter(request.headers["webhook-id"] for request in self.received)
