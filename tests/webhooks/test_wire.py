"""One call against servers that misbehave: each ends in bounded time, with a code."""

import asyncio
import ssl
from typing import Any

import pytest
import trustme

from apps.webhooks.delivery import wire as wire_module
from apps.webhooks.delivery.wire import Wire
from apps.webhooks.schedule import Answer as Called
from apps.webhooks.schedule import CallError
from tests.fakes.http_server import Answer
from tests.fakes.webhook_receiver import WebhookReceiver


def call(url: str, *, tls: ssl.SSLContext | None = None) -> Called:
    async def once() -> Called:
        wire = Wire(tls)
        try:
            return await wire.post(url, body=b'{"a":1}', headers={"webhook-id": "1"})
        finally:
            await wire.close()

    return asyncio.run(once())


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time limits; what they bound stays the same."""
    monkeypatch.setattr(wire_module, "TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(wire_module, "BODY_SECONDS", 0.2)


def test_a_call_has_the_body_and_headers_of_the_signature(receiver: WebhookReceiver) -> None:
    assert call(receiver.hook).delivered
    (request,) = receiver.received
    assert (request.method, request.body) == ("POST", b'{"a":1}')
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == "1"
    assert "cookie" not in request.headers


@pytest.mark.usefixtures("soon")
def test_a_server_that_never_answers_is_a_timeout(receiver: WebhookReceiver) -> None:
    receiver.script = lambda _: Answer(hang=True)
    answer = call(receiver.hook)
    assert (answer.error, answer.status_code) == (CallError.TIMEOUT, None)


@pytest.mark.usefixtures("soon")
def test_a_server_that_drips_its_status_line_is_a_timeout(receiver: WebhookReceiver) -> None:
    receiver.script = lambda _: Answer(status=200, drip=0.1)
    assert call(receiver.hook).error is CallError.TIMEOUT


@pytest.mark.usefixtures("soon")
def test_a_body_that_drips_is_read_for_a_moment_and_the_status_decides(
    receiver: WebhookReceiver,
) -> None:
    receiver.script = lambda _: Answer(status=200, body=b"x" * 500, drip=0.05, drip_from="body")
    answer = call(receiver.hook)
    assert answer.delivered
    assert receiver.bytes_dripped < 20


def test_of_a_large_answer_one_kilobyte_is_read(receiver: WebhookReceiver) -> None:
    receiver.script = lambda _: Answer(status=200, body=b"x" * 5_000_000)
    answer = call(receiver.hook)
    assert answer.delivered
    assert answer.excerpt == "x" * 1024


def test_a_header_that_is_too_large_is_an_error_of_the_protocol(receiver: WebhookReceiver) -> None:
    receiver.script = lambda _: Answer(status=200, headers={"X-Large": "x" * 100_000})
    assert call(receiver.hook).error is CallError.PROTOCOL


def test_a_dropped_connection_is_an_error_of_the_connection(receiver: WebhookReceiver) -> None:
    receiver.script = lambda _: Answer(drop=True)
    assert call(receiver.hook).error is CallError.CONNECTION


def test_a_port_without_a_server_is_an_error_of_the_connection() -> None:
    assert call("http://127.0.0.1:1/hook").error is CallError.CONNECTION


def test_an_answer_that_is_compressed_is_not_unpacked(receiver: WebhookReceiver) -> None:
    receiver.script = lambda _: Answer(
        status=200, body=b"\x1f\x8b not gzip", headers={"Content-Encoding": "gzip"}
    )
    answer = call(receiver.hook)
    assert answer.delivered
    assert "identity" in receiver.received[0].headers["accept-encoding"]


def test_a_cookie_is_not_sent_back(receiver: WebhookReceiver) -> None:
    receiver.script = lambda _: Answer(status=204, headers={"Set-Cookie": "a=b; Path=/"})

    async def twice() -> None:
        wire = Wire()
        await wire.post(receiver.hook, body=b"", headers={})
        await wire.post(receiver.hook, body=b"", headers={})
        await wire.close()

    asyncio.run(twice())
    assert "cookie" not in receiver.received[1].headers


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("7", 7.0), ("0", 0.0), ("soon", None), ("-5", None), ("9" * 40, None), ("", None)],
)
def test_retry_after_is_read_where_it_can_be(
    receiver: WebhookReceiver, said: str, seconds: float | None
) -> None:
    receiver.script = lambda _: Answer(status=503, headers={"Retry-After": said})
    wait = call(receiver.hook).retry_after
    assert (wait.total_seconds() if wait is not None else None) == seconds


def test_retry_after_may_be_a_date(receiver: WebhookReceiver) -> None:
    said = {"Retry-After": "Fri, 31 Dec 2049 23:59:59 GMT"}
    receiver.script = lambda _: Answer(status=503, headers=said)
    wait = call(receiver.hook).retry_after
    assert wait is not None
    assert wait.days > 365


class TlsReceiver(WebhookReceiver):
    """Speaks TLS with a certificate of its own authority, for one name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.authority = trustme.CA()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(name).configure_cert(self._tls)

    async def start(self, **options: Any) -> None:
        await super().start(ssl=self._tls, **options)

    def trusting(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context


def test_the_name_in_the_url_is_verified_by_tls() -> None:
    with TlsReceiver("localhost") as server:
        answer = call(f"https://localhost:{server.port}/hook", tls=server.trusting())
        assert answer.delivered


def test_a_certificate_of_another_name_is_refused() -> None:
    with TlsReceiver("other.example.com") as server:
        answer = call(f"https://localhost:{server.port}/hook", tls=server.trusting())
        assert answer.error is CallError.TLS
        assert server.received == []


def test_a_certificate_of_nobody_we_trust_is_refused() -> None:
    with TlsReceiver("localhost") as server:
        answer = call(f"https://localhost:{server.port}/hook")
        assert answer.error is CallError.TLS
        assert server.received == []
