"""The client of FCM's HTTP v1 API, with one access token and a connection pool.

firebase-admin and google-auth handle the key and its exchange. The call itself uses the urllib3
pool of a requests session directly: with the library's own client a message cost 0.8 ms of CPU
time, and with the pool alone half of that.
"""

import threading
from pathlib import Path
from typing import Any

import firebase_admin
import requests
import urllib3
from firebase_admin import credentials
from google.auth.credentials import Credentials, TokenState
from google.auth.exceptions import GoogleAuthError, TransportError
from google.auth.transport import DEFAULT_RETRYABLE_STATUS_CODES
from google.auth.transport.requests import Request as TokenRequest

from apps.notifications.providers.deadline import deadline, seconds_left
from apps.notifications.providers.http import BoundedAdapter
from apps.notifications.providers.time_limits import TOKEN_SECONDS

HEADERS = {
    "Content-Type": "application/json",
    # The error format that ``fcm.replies`` parses.
    "X-GOOG-API-FORMAT-VERSION": "2",
    "X-FIREBASE-CLIENT": f"fire-admin-python/{firebase_admin.__version__}",
}


class FcmClient:
    """A thread-safe client for one API URL, with one key and one connection pool.

    Proxies and certificates are read from the environment like requests does (``HTTPS_PROXY``,
    ``NO_PROXY``, ``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE``), but once and not for each call.

    Args:
        url: The base URL of the API.
        key_file: The service account's key file.
        connections: The maximum number of kept connections.
        timeout: Seconds for each wait. The thread's deadline (``deadline``) limits all of them.

    Raises:
        OSError: The key file or the certificates cannot be read.
        ValueError: The key file is invalid, or the URL of the API or of the proxy is invalid.
    """

    def __init__(self, *, url: str, key_file: Path, connections: int, timeout: float) -> None:
        certificate = credentials.Certificate(str(key_file))
        if not certificate.project_id:
            raise ValueError("The service account names no project.")
        self._credential: Credentials = certificate.get_credential()
        self._authorizing = threading.Lock()
        self._exchanges = 0
        self._failure: GoogleAuthError | None = None
        self._timeout = timeout
        self._adapter = BoundedAdapter(pool_maxsize=connections)
        self._token_session = requests.Session()
        for scheme in ("http://", "https://"):
            self._token_session.mount(scheme, BoundedAdapter())
        call = requests.Request("POST", f"{url}/v1/projects/{certificate.project_id}/messages:send")
        prepared = call.prepare()
        assert prepared.url is not None
        found = self._token_session.merge_environment_settings(prepared.url, {}, None, None, None)
        proxies, verify = dict(found["proxies"]), found["verify"]
        self._pool = self._adapter.get_connection_with_tls_context(prepared, verify, proxies)
        self._adapter.cert_verify(self._pool, prepared.url, verify, None)
        self._target = self._adapter.request_url(prepared, proxies)

    def authorize(self) -> None:
        """Exchange the key for an access token if there is none or it is about to expire.

        Threads that wait for an exchange share its result, so that an unresponsive token endpoint
        costs a chunk one timeout and not one for each message.

        Raises:
            GoogleAuthError: The exchange failed.
        """
        if self._credential.token_state is TokenState.FRESH:
            return
        seen = self._exchanges
        try:
            left = seconds_left()
            taken = self._authorizing.acquire(timeout=-1 if left is None else left)
        except TimeoutError:
            taken = False
        if not taken:
            raise _passing("Another thread's exchange took too long.")
        try:
            if self._exchanges == seen:
                self._exchange()
            if self._failure is not None:
                raise self._failure
        finally:
            self._authorizing.release()

    def expire(self) -> None:
        """Drop the access token after the API has refused it."""
        self._credential.token = None

    def post(self, body: bytes) -> urllib3.BaseHTTPResponse:
        """Make one call and read the whole response, without retries and redirects.

        A kept connection that the server has closed is replaced before the call.

        Raises:
            urllib3.exceptions.HTTPError: The network failed; its class shows at which step.
            ValueError: The call cannot be encoded.
        """
        return self._pool.urlopen(
            "POST",
            self._target,
            body=body,
            headers=HEADERS | {"Authorization": f"Bearer {self._credential.token}"},
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=self._timeout,
        )

    def close(self) -> None:
        """Close all connections."""
        self._adapter.close()
        self._token_session.close()

    def _exchange(self) -> None:
        try:
            with deadline(TOKEN_SECONDS):
                self._credential.refresh(_OneRequest(self._token_session))  # type: ignore[no-untyped-call]  # google-auth's own.
            self._failure = None
        except GoogleAuthError as error:
            self._failure = error
        finally:
            self._exchanges += 1


class _OneRequest:
    """A transport for google-auth that makes only one request.

    By default google-auth calls a busy endpoint three times and sleeps for seconds in between,
    which a socket's deadline cannot interrupt. Here the message is retried and not the exchange.
    """

    def __init__(self, session: requests.Session) -> None:
        self._request = TokenRequest(session)
        self._asked = False

    def __call__(self, *given: Any, **named: Any) -> Any:
        if self._asked:
            raise _passing("The token endpoint asked to be tried again.")
        self._asked = True
        answer = self._request(*given, **named)
        if answer.status in DEFAULT_RETRYABLE_STATUS_CODES:
            raise _passing(f"The token endpoint answered {answer.status}.")
        return answer


def _passing(message: str) -> TransportError:
    """Create the error for an exchange that may succeed later."""
    return TransportError(message)  # type: ignore[no-untyped-call]  # google-auth's own.
