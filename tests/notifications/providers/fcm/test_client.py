"""Connections to FCM: proxies and certificates of the environment, and no redirects."""

import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from pytest_django.fixtures import Settings

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.fcm.provider import FcmProvider
from tests.fakes.fcm_server import FcmServer
from tests.fakes.forward_proxy import ForwardProxy
from tests.fakes.http_server import Answer, json_answer
from tests.fakes.messages import a_push

TOKEN = "token-of-bob"
SENT = json_answer(200, {"name": "projects/fake-project/messages/1"})


class SecureFcmServer(FcmServer):
    """FCM behind TLS, with a certificate of a private authority."""

    def __init__(self, authority: trustme.CA) -> None:
        super().__init__()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(self.context)

    async def start(self, **options: Any) -> None:
        await super().start(ssl=self.context, **options)


@pytest.fixture
def fcm() -> Iterator[FcmProvider]:
    provider = FcmProvider(timeout=10)
    yield provider
    provider.close()


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def secure(
    fcm: FcmProvider, fcm_server: FcmServer, settings: Settings
) -> Iterator[tuple[SecureFcmServer, bytes]]:
    authority = trustme.CA()
    with SecureFcmServer(authority) as server:
        # Tokens are exchanged at the plain server; this one accepts the tokens that it issued.
        server.access_tokens = fcm_server.access_tokens
        settings.FCM_API_URL = f"https://localhost:{server.port}"
        yield server, authority.cert_pem.bytes()
        # Both sides close TLS: a server that stops would wait for the close_notify of the provider.
        fcm.close()


def test_a_proxy_from_the_environment_is_used(
    fcm: FcmProvider,
    fcm_server: FcmServer,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.FCM_API_URL = "http://fcm.invalid"
    with ForwardProxy(SENT) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://alice:secret@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")

        reply = fcm.send(a_push())

    assert reply.outcome is Outcome.ACCEPTED
    (request,) = proxy.requests
    assert request.path == "http://fcm.invalid/v1/projects/fake-project/messages:send"
    assert request.headers["proxy-authorization"] == "Basic YWxpY2U6c2VjcmV0"
    assert fcm_server.exchanges == 1
    assert fcm_server.requests == 0


def test_an_unreachable_proxy_is_a_transient_failure(
    fcm: FcmProvider,
    fcm_server: FcmServer,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.FCM_API_URL = "http://fcm.invalid"
    with ForwardProxy(SENT) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    assert fcm.send(a_push()).outcome is Outcome.TRANSIENT


def test_a_host_in_no_proxy_is_called_without_the_proxy(
    fcm: FcmProvider, fcm_server: FcmServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    assert fcm.send(a_push()).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_certificate_authority_from_the_environment_is_trusted(
    fcm: FcmProvider,
    secure: tuple[SecureFcmServer, bytes],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
) -> None:
    server, pem = secure
    bundle = tmp_path / "authority.pem"
    bundle.write_bytes(pem)
    monkeypatch.setenv(name, str(bundle))

    reply = fcm.send(a_push())

    assert reply.outcome is Outcome.ACCEPTED
    assert len(server.messages) == 1


def test_a_certificate_of_an_unknown_authority_is_a_configuration_error(
    fcm: FcmProvider, secure: tuple[SecureFcmServer, bytes]
) -> None:
    server, _ = secure

    reply = fcm.send(a_push())

    assert (reply.outcome, reply.reason) == (Outcome.CONFIGURATION, "certificate")
    assert server.requests == 0


def test_a_missing_authority_bundle_is_a_configuration_error(
    fcm: FcmProvider,
    secure: tuple[SecureFcmServer, bytes],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    server, _ = secure
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))

    reply = fcm.send(a_push())

    assert (reply.outcome, reply.reason) == (Outcome.CONFIGURATION, "settings")
    assert server.requests == 0


@pytest.mark.parametrize(
    "address", ["", "fcm.example.com", "gopher://127.0.0.1", "http://", "http://127.0.0.1:port"]
)
def test_an_invalid_api_url_is_a_configuration_error(
    fcm: FcmProvider, fcm_server: FcmServer, settings: Settings, address: str
) -> None:
    settings.FCM_API_URL = address

    reply = fcm.send(a_push())

    assert (reply.outcome, reply.reason) == (Outcome.CONFIGURATION, "settings")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(fcm: FcmProvider, fcm_server: FcmServer, status: int) -> None:
    with ForwardProxy(SENT) as elsewhere:
        fcm_server.answer(TOKEN, Answer(status=status, headers={"Location": elsewhere.url}))

        reply = fcm.send(a_push())

    assert (reply.outcome, reply.code) == (Outcome.UNKNOWN, str(status))
    assert fcm_server.requests == 1
    assert elsewhere.requests == []


def test_a_kept_connection_that_the_server_closed_is_replaced(
    fcm: FcmProvider, fcm_server: FcmServer
) -> None:
    fcm.send(a_push())
    fcm_server.stop_serving()
    fcm_server.serve_again()
    # Wait until the loopback has delivered the end of the connection.
    time.sleep(0.05)

    reply = fcm.send(a_push())

    assert reply.outcome is Outcome.ACCEPTED
    assert len(fcm_server.messages) == 2
    assert len(fcm_server.send_connections) == 2


def test_a_call_whose_connection_breaks_is_unknown_and_the_next_one_reconnects(
    fcm: FcmProvider, fcm_server: FcmServer
) -> None:
    fcm_server.answer(TOKEN, Answer(drop=True))
    broken = fcm.send(a_push())
    fcm_server.answer(TOKEN)

    assert broken.outcome is Outcome.UNKNOWN
    assert fcm.send(a_push()).outcome is Outcome.ACCEPTED
    assert fcm_server.requests == 2


def test_an_access_token_that_is_not_a_valid_header_is_neither_sent_nor_shown(
    fcm: FcmProvider, fcm_server: FcmServer
) -> None:
    token = {"access_token": "ya29.secret\n", "expires_in": 3600, "token_type": "Bearer"}
    fcm_server.token_answers = [json_answer(200, token)]

    reply = fcm.send(a_push())

    assert (reply.outcome, reply.reason) == (Outcome.DEFECT, "protocol")
    assert "secret" not in reply.detail
    assert fcm_server.requests == 0
