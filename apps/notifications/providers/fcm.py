"""Push by Firebase Cloud Messaging's HTTP v1 API, through firebase-admin.

One call of ``send`` is one call on the wire: the library's own retries are off, its time limit
is ours, and its connections are kept.
"""

import json
import os
import threading
import time
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any, ClassVar

import requests
from django.conf import settings
from firebase_admin import _http_client, credentials, delete_app, initialize_app, messaging
from firebase_admin.exceptions import FirebaseError
from google.auth.credentials import Credentials, TokenState
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from google.auth.transport.requests import Request as TokenRequest

from apps.notifications.providers.base import Outcome, Provider, Push, Reply, provider_words
from apps.notifications.providers.fcm_replies import classify

TIMEOUT_SECONDS = 10.0
CONNECT_SECONDS = 3.0
TOKEN_TIMEOUT_SECONDS = 5.0
PAYLOAD_MAX_BYTES = 4096
TTL_MAX_SECONDS = 2_419_200  # Four weeks.

# What the library raises over a key file or an answer that is not of the shape it expects.
MALFORMED = (ValueError, KeyError, TypeError, AttributeError)

_numbers = count(1)


class FcmProvider(Provider[Push]):
    """Sends by ``{FCM_API_URL}/v1/projects/{project}/messages:send``.

    The project, the key and the address of the token exchange come from the service account
    file. It is read again when it could not be used.

    Args:
        timeout: Seconds for the answer; connecting takes at most ``CONNECT_SECONDS``.
    """

    name: ClassVar[str] = "fcm"
    channel: ClassVar[str] = "push"
    # A chunk of 100 goes in one wave; FCM answers in some 50 ms, and a thread only waits for it.
    # With 50 threads two processes sent a tenth less; the client's own work is the limit.
    threads: ClassVar[int] = 100

    def __init__(self, *, timeout: float = TIMEOUT_SECONDS) -> None:
        super().__init__()
        self._timeout = timeout
        self._lock = threading.Lock()
        self._line: _Line | None = None

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
            with self._lock:
                self._line = line = self._line or _Line(timeout=self._timeout)
        except (OSError, *MALFORMED) as error:
            return _failure(Outcome.CONFIGURATION, "settings", error)
        try:
            line.authorize()
            name = messaging.send(message, app=line.app)
        except GoogleAuthError as error:
            return _failure(_exchange_failure(error), "token_exchange", error)
        except FirebaseError as error:
            return self._refusal(error, line, push.token)
        except MALFORMED as error:
            # The call went through, but its answer is none of FCM's.
            return _failure(Outcome.UNKNOWN, "unexpected_answer", error, push.token)
        return Reply(outcome=Outcome.ACCEPTED, code="200", provider_message_id=str(name)[:200])

    @staticmethod
    def _refusal(error: FirebaseError, line: "_Line", token: str) -> Reply:
        answer = error.http_response
        if answer is None:
            return _failure(*_wire_failure(error.cause), error, token)
        if answer.status_code == requests.codes.unauthorized:
            line.expire()
        return classify(answer.status_code, answer.headers, answer.content, token, now=time.time())


class _Line:
    """The adapter on the library's private parts: one app, one pool, one access token.

    ``tests/contracts`` watches the attributes that it relies on. The library is given a plain
    session: its own one retries, repeats a call after a 401, and asks Google in the background
    for a "regional access boundary", whatever the address of the API is.

    Raises:
        OSError: The service account file cannot be read.
        ValueError: It is not one.
    """

    def __init__(self, *, timeout: float) -> None:
        certificate = credentials.Certificate(_key_file())
        name = f"notifications-{os.getpid()}-{next(_numbers)}"
        self.app = initialize_app(certificate, {"httpTimeout": timeout}, name=name)
        self._credential: Credentials = certificate.get_credential()
        self._authorizing = threading.Lock()
        self._exchanges = 0
        self._failure: GoogleAuthError | None = None
        self._session = _session(settings.FCM_API_URL)
        self._session.auth = self._sign
        self._token_session = requests.Session()
        service = messaging._get_messaging_service(self.app)  # noqa: SLF001 - no public option.
        service._client = _http_client.JsonHttpClient(  # noqa: SLF001 - as above.
            session=self._session,
            retries=None,
            timeout=(min(timeout, CONNECT_SECONDS), timeout),
        )
        service._fcm_url = (  # noqa: SLF001 - as above.
            f"{settings.FCM_API_URL}/v1/projects/{self.app.project_id}/messages:send"
        )

    def authorize(self) -> None:
        """Exchange the key for an access token where there is none or it is about to end.

        Threads that waited for an exchange share its result, so that a token endpoint that
        does not answer costs a chunk one time limit and not one for each message.

        Raises:
            GoogleAuthError: The exchange failed.
        """
        if self._credential.token_state is TokenState.FRESH:
            return
        seen = self._exchanges
        with self._authorizing:
            if self._exchanges == seen:
                self._exchange()
            if self._failure is not None:
                raise self._failure

    def expire(self) -> None:
        """Forget the access token, which the API has refused."""
        self._credential.token = None

    def close(self) -> None:
        """Close what is open."""
        delete_app(self.app)
        self._session.close()
        self._token_session.close()

    def _exchange(self) -> None:
        request = TokenRequest(self._token_session)

        def limited(*given: Any, **named: Any) -> Any:
            return request(*given, **named | {"timeout": TOKEN_TIMEOUT_SECONDS})

        try:
            self._credential.refresh(limited)  # type: ignore[no-untyped-call]  # google-auth's own.
            self._failure = None
        except GoogleAuthError as error:
            self._failure = error
        finally:
            self._exchanges += 1

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._credential.token}"
        return request


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


def _key_file() -> str:
    if not settings.FCM_SERVICE_ACCOUNT_FILE:
        raise ValueError("FCM_SERVICE_ACCOUNT_FILE is not set.")
    return str(settings.FCM_SERVICE_ACCOUNT_FILE)


def _session(url: str) -> requests.Session:
    """Make a session that keeps its connections and reads the proxy variables only once."""
    session = requests.Session()
    found = session.merge_environment_settings(url, {}, None, None, None)
    session.proxies, session.verify = dict(found["proxies"]), found["verify"]
    session.trust_env = False
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=FcmProvider.threads, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _exchange_failure(error: GoogleAuthError) -> Outcome:
    """Tell a key that Google refuses from a network or a server that will come back."""
    passing = isinstance(error, TransportError) or (
        isinstance(error, RefreshError) and error.retryable
    )
    return Outcome.TRANSIENT if passing else Outcome.CONFIGURATION


# In this order, because the classes are related: what the call on the wire ran into.
WIRE_FAILURES: tuple[tuple[type[Exception], Outcome, str], ...] = (
    (requests.exceptions.ConnectTimeout, Outcome.TRANSIENT, "connection"),
    (requests.exceptions.ProxyError, Outcome.TRANSIENT, "connection"),
    (requests.exceptions.SSLError, Outcome.TRANSIENT, "connection"),
    (requests.exceptions.InvalidURL, Outcome.CONFIGURATION, "settings"),
    (requests.exceptions.InvalidSchema, Outcome.CONFIGURATION, "settings"),
    (requests.exceptions.MissingSchema, Outcome.CONFIGURATION, "settings"),
)


def _wire_failure(cause: Exception | None) -> tuple[Outcome, str]:
    """Tell whether the call can have reached FCM."""
    if "CERTIFICATE_VERIFY_FAILED" in str(cause):
        return Outcome.CONFIGURATION, "certificate"
    for kind, outcome, reason in WIRE_FAILURES:
        if isinstance(cause, kind):
            return outcome, reason
    never_connected = "NewConnectionError" in str(cause) or "NameResolutionError" in str(cause)
    return (Outcome.TRANSIENT if never_connected else Outcome.UNKNOWN), "connection"


def _failure(outcome: Outcome, reason: str, error: Exception, *personal: str) -> Reply:
    return Reply(
        outcome=outcome,
        code=type(error).__name__,
        reason=reason,
        detail=provider_words(str(error), *personal),
    )
