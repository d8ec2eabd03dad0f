"""The line to FCM's HTTP v1 API: one access token, and connections that are kept.

The key and its exchange are firebase-admin's and google-auth's. The call itself goes over the
urllib3 pool that requests keeps for its sessions: with the library's own client a message cost
0.8 ms of processor time, and with the pool alone a half of it.
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
    # The form of errors that ``fcm_replies`` reads.
    "X-GOOG-API-FORMAT-VERSION": "2",
    "X-FIREBASE-CLIENT": f"fire-admin-python/{firebase_admin.__version__}",
}


class FcmClient:
    """One address, one key, one pool of connections. Safe in any thread.

    Proxies and certificates come from the environment as requests reads them (``HTTPS_PROXY``,
    ``NO_PROXY``, ``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE``), but once and not for each call.

    Args:
        url: The address of the API.
        key_file: The service account's key.
        connections: How many are kept.
        timeout: Seconds for each wait; the deadline of the thread (``deadline``) ends all of them.

    Raises:
        OSError: The key file or the certificates cannot be read.
        ValueError: The key file is none, or the address or that of the proxy is none.
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
        """Exchange the key for an access token where there is none or it is about to end.

        Threads that waited for an exchange share its result, so that a token endpoint that
        does not answer costs a chunk one time limit and not one for each message.

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
        """Forget the access token, which the API has refused."""
        self._credential.token = None

    def post(self, body: bytes) -> urllib3.BaseHTTPResponse:
        """Make one call and read the whole answer. Nothing is repeated and no redirect followed.

        A kept connection that the other side has closed meanwhile is replaced before the call.

        Raises:
            urllib3.exceptions.HTTPError: The wire failed; its class says where.
            ValueError: The call cannot be written.
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
        """Close what is open."""
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
    """google-auth's way to make a request, once.

    By itself it asks a busy endpoint three times and sleeps for seconds between, which no
    deadline of a socket would end; here the message is tried again and not the exchange.
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
    """Make the error that says that an exchange may succeed later."""
    return TransportError(message)  # type: ignore[no-untyped-call]  # google-auth's own.
