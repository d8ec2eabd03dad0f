"""Push by Firebase Cloud Messaging's HTTP v1 API.

One call of ``send`` is one HTTP call, with our timeouts. ``fcm.client`` handles the key and the
connections.
"""

import json
import threading
import time
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar

import urllib3
from django.conf import settings
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.base import Provider, Push, Reply, failure
from apps.notifications.providers.deadline import deadline
from apps.notifications.providers.fcm.client import FcmClient
from apps.notifications.providers.fcm.message import message_of, payload_bytes
from apps.notifications.providers.fcm.replies import classify
from apps.notifications.providers.http import wire_failure
from apps.notifications.providers.time_limits import HTTP_CALL_SECONDS

PAYLOAD_MAX_BYTES = 4096
# FCM judges it as any other and sends it to nobody.
CHECK = json.dumps(
    {"validate_only": True, "message": {"topic": "connection-test", "data": {"test": "yes"}}}
).encode()

# The errors that a malformed key file or response raises.
MALFORMED = (ValueError, KeyError, TypeError, AttributeError)


class FcmProvider(Provider[Push]):
    """Sends through ``{FCM_API_URL}/v1/projects/{project}/messages:send``.

    The service account file contains the project, the key and the URL of the token exchange. If it
    cannot be used, it is read again on the next call.

    Args:
        timeout: Seconds for the whole call, including an exchange of the key for a token.
    """

    name: ClassVar[str] = "fcm"
    channel: ClassVar[str] = "push"
    # FCM responds in about 50 ms, so these threads make at most 1,000 calls per second. With all
    # work for a message that takes two thirds of a core; more threads would wait for the
    # interpreter.
    threads: ClassVar[int] = 50

    def __init__(self, *, timeout: float = HTTP_CALL_SECONDS) -> None:
        super().__init__()
        self._timeout = timeout
        self._lock = threading.Lock()
        self._line: FcmClient | None = None

    def send(self, message: Push) -> Reply:
        """Make one call. ``ACCEPTED`` means that FCM accepted the message, not that it is shown."""
        started = time.monotonic()
        reply = self._call(message)
        return replace(reply, duration_ms=round((time.monotonic() - started) * 1000))

    def check(self) -> Reply:
        """Exchange the key, and let FCM validate a message to nobody without sending it."""
        started = time.monotonic()
        reply = self._post(CHECK, "")
        return replace(reply, duration_ms=round((time.monotonic() - started) * 1000))

    def close(self) -> None:
        """Close the kept connections and drop the access token."""
        super().close()
        with self._lock:
            line, self._line = self._line, None
        if line is not None:
            line.close()

    def _call(self, push: Push) -> Reply:
        message = message_of(push, now=time.time())
        body = json.dumps({"message": message}).encode()
        # The body contains the payload and more, so most messages do not need the exact size.
        if len(body) > PAYLOAD_MAX_BYTES and payload_bytes(message) > PAYLOAD_MAX_BYTES:
            if push.receipt:
                return self._call(replace(push, receipt=""))
            detail = f"The payload is over {PAYLOAD_MAX_BYTES} bytes."
            return Reply(outcome=Outcome.REJECTED, reason="payload_too_large", detail=detail)
        return self._post(body, push.token)

    def _post(self, body: bytes, token: str) -> Reply:
        """Make the call on the wire; the token must not appear in the reply."""
        try:
            line = self._opened()
        except (OSError, *MALFORMED) as error:
            return failure(Outcome.CONFIGURATION, "settings", error)
        try:
            with deadline(self._timeout):
                line.authorize()
                answer = line.post(body)
        except GoogleAuthError as error:
            return failure(_exchange_failure(error), "token_exchange", error)
        except urllib3.exceptions.HTTPError as error:
            return failure(*wire_failure(error), error, token)
        except ValueError:
            # The error's text could contain the access token, which is part of the call.
            detail = "The call cannot be written."
            return Reply(
                outcome=Outcome.DEFECT, code="ValueError", reason="protocol", detail=detail
            )
        if answer.status == HTTPStatus.UNAUTHORIZED:
            line.expire()
        return _read(answer, token)

    def _opened(self) -> FcmClient:
        with self._lock:
            if self._line is None:
                self._line = FcmClient(
                    url=settings.FCM_API_URL,
                    key_file=_key_file(),
                    # Urgent calls use separate threads.
                    connections=2 * self.threads,
                    timeout=self._timeout,
                )
            return self._line


def _read(answer: urllib3.BaseHTTPResponse, token: str) -> Reply:
    if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
        return classify(answer.status, answer.headers, answer.data, token, now=time.time())
    try:
        name = json.loads(answer.data)["name"]
    except MALFORMED as error:
        # The call succeeded, but the response is not one of FCM.
        return failure(Outcome.UNKNOWN, "unexpected_answer", error, token)
    return Reply(outcome=Outcome.ACCEPTED, code="200", provider_message_id=str(name)[:200])


def _key_file() -> Path:
    if not settings.FCM_SERVICE_ACCOUNT_FILE:
        raise ValueError("FCM_SERVICE_ACCOUNT_FILE is not set.")
    return Path(settings.FCM_SERVICE_ACCOUNT_FILE)


def _exchange_failure(error: GoogleAuthError) -> Outcome:
    """Return whether an exchange failed temporarily or because Google refuses the key."""
    passing = isinstance(error, TransportError) or (
        isinstance(error, RefreshError) and error.retryable
    )
    return Outcome.TRANSIENT if passing else Outcome.CONFIGURATION
