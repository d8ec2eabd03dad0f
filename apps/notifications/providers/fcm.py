"""Push by Firebase Cloud Messaging's HTTP v1 API.

The messages and the key are firebase-admin's, the line is ``fcm_line``'s. One call of ``send`` is
one call on the wire, with our time limits.
"""

import json
import threading
import time
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar

import urllib3
from django.conf import settings
from firebase_admin import messaging
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError

from apps.notifications.providers.base import Outcome, Provider, Push, Reply, provider_words
from apps.notifications.providers.fcm_line import FcmLine
from apps.notifications.providers.fcm_replies import classify

TIMEOUT_SECONDS = 10.0
PAYLOAD_MAX_BYTES = 4096
TTL_MAX_SECONDS = 2_419_200  # Four weeks.

# What a key file or an answer raises that is not of the shape it should be.
MALFORMED = (ValueError, KeyError, TypeError, AttributeError)


class FcmProvider(Provider[Push]):
    """Sends by ``{FCM_API_URL}/v1/projects/{project}/messages:send``.

    The project, the key and the address of the token exchange come from the service account
    file. It is read again when it could not be used.

    Args:
        timeout: Seconds for the answer; connecting takes at most
            ``fcm_line.CONNECT_SECONDS``.
    """

    name: ClassVar[str] = "fcm"
    channel: ClassVar[str] = "push"
    # FCM answers in some 50 ms, so these make 1,000 calls a second at most. That is about what a
    # core can do; more threads would only wait for the interpreter.
    threads: ClassVar[int] = 50

    def __init__(self, *, timeout: float = TIMEOUT_SECONDS) -> None:
        super().__init__()
        self._timeout = timeout
        self._lock = threading.Lock()
        self._line: FcmLine | None = None

    def send(self, message: Push) -> Reply:
        """Make one call. An acceptance means that FCM took it, not that it was shown."""
        started = time.monotonic()
        reply = self._call(message)
        return replace(reply, duration_ms=round((time.monotonic() - started) * 1000))

    def close(self) -> None:
        """Close the kept connections and give up the access token."""
        super().close()
        with self._lock:
            line, self._line = self._line, None
        if line is not None:
            line.close()

    def _call(self, push: Push) -> Reply:
        message = message_of(push, now=time.time())
        if payload_bytes(message) > PAYLOAD_MAX_BYTES:
            detail = f"The payload is over {PAYLOAD_MAX_BYTES} bytes."
            return Reply(outcome=Outcome.REJECTED, reason="payload_too_large", detail=detail)
        try:
            line = self._opened()
        except (OSError, *MALFORMED) as error:
            return _failure(Outcome.CONFIGURATION, "settings", error)
        try:
            line.authorize()
            answer = line.post(f'{{"message": {message}}}'.encode())
        except GoogleAuthError as error:
            return _failure(_exchange_failure(error), "token_exchange", error)
        except urllib3.exceptions.HTTPError as error:
            return _failure(*_wire_failure(error), error, push.token)
        except ValueError as error:  # The message or the call cannot be written.
            return _failure(Outcome.DEFECT, "protocol", error, push.token)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            line.expire()
        return _read(answer, push.token)

    def _opened(self) -> FcmLine:
        with self._lock:
            if self._line is None:
                self._line = FcmLine(
                    url=settings.FCM_API_URL,
                    key_file=_key_file(),
                    connections=self.threads,
                    timeout=self._timeout,
                )
            return self._line


def message_of(push: Push, *, now: float) -> messaging.Message:
    """Write a push as FCM takes it.

    A second copy replaces the first on the device: the notification's id is the tag on Android
    and the web and the collapse id on APNs. ``collapse_key`` is left alone: notification
    messages ignore it, and FCM keeps only four keys for each device.

    Args:
        push: The composed push.
        now: Seconds since 1970, from which APNs counts the expiry.
    """
    tag = str(push.notification_id)
    ttl = None if push.ttl_seconds is None else min(max(push.ttl_seconds, 0), TTL_MAX_SECONDS)
    apns_headers = {"apns-collapse-id": tag}
    if ttl is not None:
        apns_headers["apns-expiration"] = str(int(now) + ttl)
    secure_link = push.link if push.link and push.link.startswith("https://") else None
    message = messaging.Message(
        # Apps open the link from the data: Android's click_action names an intent, not a page.
        data={
            **({"link": push.link} if push.link else {}),
            **push.data,
            "notification_id": tag,
            "correlation_id": push.correlation_id,
        },
        notification=messaging.Notification(title=push.title, body=push.body, image=push.image),
        android=messaging.AndroidConfig(
            ttl=None if ttl is None else timedelta(seconds=ttl),
            notification=messaging.AndroidNotification(tag=tag),
        ),
        apns=messaging.APNSConfig(
            headers=apns_headers,
            # An app's service extension must be woken to fetch the picture.
            payload=messaging.APNSPayload(messaging.Aps(mutable_content=bool(push.image) or None)),
            fcm_options=messaging.APNSFCMOptions(image=push.image),
        ),
        webpush=messaging.WebpushConfig(
            headers=None if ttl is None else {"TTL": str(ttl)},
            notification=messaging.WebpushNotification(tag=tag, image=push.image),
            fcm_options=messaging.WebpushFCMOptions(link=secure_link),
        ),
    )
    # The constructor's argument warns that ``token`` is deprecated for ``fid``. Installation ids
    # are not registration tokens, which is what our devices have, so the attribute is set
    # instead: it silences that one warning, in every thread, and no other.
    message.token = push.token
    return message


def payload_bytes(message: messaging.Message) -> int:
    """Return the size of what reaches the device: notification and data as compact UTF-8."""
    shown = message.notification
    content = {"title": shown.title, "body": shown.body, "image": shown.image, **message.data}
    return len(
        json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    )


def _read(answer: urllib3.BaseHTTPResponse, token: str) -> Reply:
    if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
        return classify(answer.status, answer.headers, answer.data, token, now=time.time())
    try:
        name = json.loads(answer.data)["name"]
    except MALFORMED as error:
        # The call went through, but its answer is none of FCM's.
        return _failure(Outcome.UNKNOWN, "unexpected_answer", error, token)
    return Reply(outcome=Outcome.ACCEPTED, code="200", provider_message_id=str(name)[:200])


def _key_file() -> Path:
    if not settings.FCM_SERVICE_ACCOUNT_FILE:
        raise ValueError("FCM_SERVICE_ACCOUNT_FILE is not set.")
    return Path(settings.FCM_SERVICE_ACCOUNT_FILE)


def _exchange_failure(error: GoogleAuthError) -> Outcome:
    """Tell a key that Google refuses from a network or a server that will come back."""
    passing = isinstance(error, TransportError) or (
        isinstance(error, RefreshError) and error.retryable
    )
    return Outcome.TRANSIENT if passing else Outcome.CONFIGURATION


def _wire_failure(error: urllib3.exceptions.HTTPError) -> tuple[Outcome, str]:
    """Tell whether the call can have reached FCM."""
    match error:
        case _ if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Outcome.CONFIGURATION, "certificate"
        case (
            urllib3.exceptions.NewConnectionError()
            | urllib3.exceptions.ConnectTimeoutError()
            | urllib3.exceptions.ProxyError()
            | urllib3.exceptions.SSLError()
        ):
            return Outcome.TRANSIENT, "connection"
        case urllib3.exceptions.LocationValueError():
            return Outcome.CONFIGURATION, "settings"
        case _:
            return Outcome.UNKNOWN, "connection"


def _failure(outcome: Outcome, reason: str, error: Exception, *personal: str) -> Reply:
    return Reply(
        outcome=outcome,
        code=type(error).__name__,
        reason=reason,
        detail=provider_words(str(error), *personal),
    )
