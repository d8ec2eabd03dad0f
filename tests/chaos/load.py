"""A constant load on the API: an open loop of callers that repeat unanswered requests."""

import http.client
import itertools
import json
import queue
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit
from uuid import uuid4

# More than the stack answers at once, so that a slow answer does not delay other requests.
CALLERS = 64
TIMEOUT_SECONDS = 10
AGAIN_SECONDS = 0.5
# Three mails for each push message, over all three lanes.
CHANNELS = ("email", "email", "push", "email")
PRIORITIES = (5, 5, 8, 5, 1)
ACCEPTED = 202
# Results of a call without an acceptance.
REFUSED = "connection refused"  # Nothing listened, so nothing was transmitted.
NO_ANSWER = "no answer"
OTHER_STATUS = "another status"


@dataclass(frozen=True, kw_only=True)
class Recipients:
    """Users and template codes, by channel."""

    users: dict[str, list[str]]
    templates: dict[str, str]


@dataclass(kw_only=True)
class LoadRequest:
    """One request, however many times it was sent.

    Attributes:
        due: Scheduled time in Unix seconds; latency is measured from it.
        notification_id: The id in the answer; empty without an acceptance.
        seconds: From ``due`` to the acceptance.
        errors: Number of calls without an answer, or with an answer other than an acceptance.
    """

    ref: str
    due: float
    notification_id: str = ""
    seconds: float = 0.0
    errors: int = 0


class Load:
    """Sends requests at a constant rate; latency is measured from the scheduled time.

    Args:
        base: Returns the URL of the API, which may change as behind a load balancer.
        key: The API key.
        name: Prefix of the references.
        rate: Requests per second.
    """

    def __init__(
        self,
        *,
        base: Callable[[], str],
        key: str,
        name: str,
        rate: float,
        recipients: Recipients,
    ) -> None:
        self.requests: list[LoadRequest] = []
        self.refusals: list[str] = []
        self.kinds: Counter[str] = Counter()
        self._base = base
        self._key, self._rate, self._recipients = key, rate, recipients
        self._prefix = f"{name}-{uuid4().hex[:6]}"
        self._due: queue.SimpleQueue[tuple[LoadRequest, bytes] | None] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._given_up = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        callers = [threading.Thread(target=self._call, daemon=True) for _ in range(CALLERS)]
        self._threads = [threading.Thread(target=self._schedule, daemon=True), *callers]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._given_up.set()

    def end(self, *, within: float) -> None:
        """Start no new requests, wait for those in progress, and then give up unanswered ones."""
        self._ended.set()
        until = time.monotonic() + within
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._given_up.set()
        for thread in self._threads:
            thread.join(TIMEOUT_SECONDS)

    def accepted(self) -> dict[str, str]:
        """Return the ids of the accepted notifications, by reference."""
        return {one.ref: one.notification_id for one in list(self.requests) if one.notification_id}

    def latencies(self, *, since: float, until: float) -> list[float]:
        """Return the latencies in seconds of accepted requests that were due in this time."""
        return [
            one.seconds
            for one in list(self.requests)
            if since <= one.due < until and one.notification_id
        ]

    @property
    def errors(self) -> int:
        """Number of calls without an answer, or with an answer other than an acceptance."""
        return sum(one.errors for one in list(self.requests))

    def _schedule(self) -> None:
        began = time.time()
        for number in itertools.count():
            due = began + number / self._rate
            if self._ended.wait(max(0.0, due - time.time())):
                break
            one = LoadRequest(ref=f"{self._prefix}-{number:06d}", due=due)
            self.requests.append(one)
            self._due.put((one, self._body(one, number)))
        for _ in range(CALLERS):
            self._due.put(None)

    def _body(self, one: LoadRequest, number: int) -> bytes:
        channel = CHANNELS[number % len(CHANNELS)]
        users: Sequence[str] = self._recipients.users[channel]
        body = {
            "notification_type": channel,
            "user_id": users[number % len(users)],
            "template_code": self._recipients.templates[channel],
            "variables": {"ref": one.ref},
            "request_id": one.ref,
            "priority": PRIORITIES[number % len(PRIORITIES)],
        }
        return json.dumps(body).encode()

    def _call(self) -> None:
        line = self._line()
        while (work := self._due.get()) is not None:
            one, body = work
            while True:
                line = self._fresh(line)
                trouble = self._ask(line, one, body)
                if not trouble:
                    break
                self.kinds[trouble] += 1
                one.errors += 1
                line.close()
                if self._given_up.wait(AGAIN_SECONDS):
                    break
        line.close()

    def _line(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(urlsplit(self._base()).netloc, timeout=TIMEOUT_SECONDS)

    def _fresh(self, line: http.client.HTTPConnection) -> http.client.HTTPConnection:
        """Return a connection to the current URL that the server has not closed since."""
        if f"{line.host}:{line.port}" != urlsplit(self._base()).netloc:
            line.close()
            return self._line()
        if isinstance(line.sock, socket.socket) and select.select([line.sock], [], [], 0)[0]:
            # No request is pending, so anything readable is the end of the connection.
            line.close()
        return line

    def _ask(self, line: http.client.HTTPConnection, one: LoadRequest, body: bytes) -> str:
        """Send the request once; return the kind of failure, or an empty string if accepted."""
        headers = {"Content-Type": "application/json", "Authorization": f"Api-Key {self._key}"}
        try:
            line.request("POST", "/api/v1/notifications/", body, headers)
            answer = line.getresponse()
            content = answer.read()
        except ConnectionRefusedError:
            return REFUSED
        except (OSError, http.client.HTTPException) as error:
            self.refusals.append(repr(error))
            return NO_ANSWER
        if answer.status != ACCEPTED:
            self.refusals.append(f"{answer.status}: {content[:200]!r}")
            return OTHER_STATUS
        one.seconds = time.time() - one.due
        one.notification_id = str(json.loads(content)["id"])
        return ""
