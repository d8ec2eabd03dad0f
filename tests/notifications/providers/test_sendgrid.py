"""SendGrid's API: the body that is sent, and the meaning of every answer."""

import json
import time
from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.sendgrid import SendGridProvider, body_of, classify
from tests.fakes.forward_proxy import ForwardProxy
from tests.fakes.http_server import Answer
from tests.fakes.messages import a_mail
from tests.fakes.sendgrid_server import SendGridServer, refusal

NOW = 1_800_000_000.0


@pytest.fixture
def sendgrid() -> Iterator[SendGridProvider]:
    provider = SendGridProvider(timeout=10)
    yield provider
    provider.close()


def test_the_body_contains_ids_and_no_personal_data_in_its_custom_args() -> None:
    mail = a_mail(
        "bob@exämple.com",
        headers={
            "List-Unsubscribe": "<https://example.com/u/1>",
            "Reply-To": "Help <help@example.com>",
            "to": "eve@example.com",
        },
    )

    assert body_of(mail) == {
        "personalizations": [{"to": [{"email": "bob@xn--exmple-cua.com", "name": "Bob"}]}],
        "from": {"email": "notifications@example.com", "name": "Notifications"},
        "reply_to": {"email": "help@example.com", "name": "Help"},
        "subject": "Your order",
        "content": [
            {"type": "text/plain", "value": "It is on its way."},
            {"type": "text/html", "value": "<p>It is on its way.</p>"},
        ],
        "headers": {
            "List-Unsubscribe": "<https://example.com/u/1>",
            "X-Correlation-ID": "corr-1",
            "Message-ID": mail.message_id,
        },
        "custom_args": {
            "notification_id": str(mail.notification_id),
            "correlation_id": "corr-1",
        },
    }


def test_an_empty_text_part_is_left_out_when_there_is_html() -> None:
    assert [part["type"] for part in body_of(a_mail(text=""))["content"]] == ["text/html"]
    assert body_of(a_mail(text="", html=None))["content"] == [{"type": "text/plain", "value": " "}]


def test_the_call_is_json_with_the_key(
    sendgrid: SendGridProvider, sendgrid_server: SendGridServer
) -> None:
    mail = a_mail()

    reply = sendgrid.send(mail)

    assert (reply.outcome, reply.code) == (Outcome.ACCEPTED, "202")
    assert (reply.provider_message_id, reply.delivered) == ("sg-1", False)
    assert sendgrid_server.mails == [body_of(mail)]


@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [
        (202, Outcome.ACCEPTED, ""),
        (400, Outcome.REJECTED, ""),
        (404, Outcome.REJECTED, "not_found"),
        (413, Outcome.REJECTED, "payload_too_large"),
        (401, Outcome.CONFIGURATION, "credentials"),
        (403, Outcome.CONFIGURATION, "credentials"),
        (405, Outcome.DEFECT, "protocol"),
        (415, Outcome.DEFECT, "protocol"),
        (429, Outcome.RATE_LIMITED, ""),
        (500, Outcome.TRANSIENT, ""),
        (502, Outcome.TRANSIENT, ""),
        (503, Outcome.TRANSIENT, ""),
        (504, Outcome.UNKNOWN, "timeout"),
        (302, Outcome.CONFIGURATION, "unexpected_answer"),
    ],
)
def test_each_status_has_its_outcome(status: int, outcome: Outcome, reason: str) -> None:
    reply = classify(status, {}, b"", now=NOW)

    assert (reply.outcome, reply.reason, reply.code) == (outcome, reason, str(status))


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"X-RateLimit-Reset": str(int(NOW) + 42)}, 42.0),
        ({"X-RateLimit-Reset": str(int(NOW) - 5)}, 1.0),
        ({"X-RateLimit-Reset": str(int(NOW) + 10**6)}, 3600.0),
        ({"X-RateLimit-Reset": "soon", "Retry-After": "7"}, 7.0),
        ({}, 1.0),
    ],
)
def test_a_rate_limit_gives_the_time_to_wait(headers: dict[str, str], wait: float) -> None:
    assert classify(429, headers, b"", now=NOW).retry_after == wait


def test_a_busy_server_may_give_the_time_to_wait() -> None:
    assert classify(503, {"Retry-After": "30"}, b"", now=NOW).retry_after == 30.0
    assert classify(503, {}, b"", now=NOW).retry_after is None


def test_the_detail_is_the_text_of_sendgrid_without_the_recipient() -> None:
    errors = [
        {"message": "bob@example.com does not contain a valid address.", "field": "to.0.email"},
        {"message": "Too short", "field": None},
    ]

    reply = classify(400, {}, json.dumps({"errors": errors}).encode(), "bob@example.com", now=NOW)

    assert reply.detail == "to.0.email *** does not contain a valid address.; Too short"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"errors": [1]}', b'{"errors": 3}'])
def test_any_body_of_a_refusal_is_handled(body: bytes) -> None:
    assert classify(400, {}, body, now=NOW).outcome is Outcome.REJECTED


def test_the_reset_time_is_read_from_the_headers(
    sendgrid: SendGridProvider, sendgrid_server: SendGridServer
) -> None:
    reset = str(int(time.time()) + 120)
    sendgrid_server.answer("bob@example.com", refusal(429, "Slow down", X_RateLimit_Reset=reset))

    reply = sendgrid.send(a_mail())

    assert reply.outcome is Outcome.RATE_LIMITED
    assert reply.retry_after == pytest.approx(120, abs=2)


def test_a_refused_call_is_not_retried(
    sendgrid: SendGridProvider, sendgrid_server: SendGridServer
) -> None:
    answers = [Answer(status=503), Answer(status=503), Answer(status=202)]
    sendgrid_server.answer("bob@example.com", *answers)

    assert sendgrid.send(a_mail()).outcome is Outcome.TRANSIENT
    assert len(sendgrid_server.scripted["bob@example.com"]) == 2


def test_a_redirect_is_not_followed(
    sendgrid: SendGridProvider, sendgrid_server: SendGridServer
) -> None:
    sendgrid_server.answer("bob@example.com", Answer(status=302, headers={"Location": "/stats"}))

    assert sendgrid.send(a_mail()).outcome is Outcome.CONFIGURATION


def test_an_invalid_address_is_not_sent(
    sendgrid: SendGridProvider, sendgrid_server: SendGridServer
) -> None:
    reply = sendgrid.send(a_mail("bob"))

    assert (reply.outcome, reply.reason) == (Outcome.REJECTED, "invalid_address")
    assert sendgrid_server.connections == 0


@pytest.mark.parametrize(("url", "key"), [("https://[bad", "SG.x"), ("http://127.0.0.1:1", "ключ")])
def test_invalid_settings_are_a_configuration_error(
    sendgrid: SendGridProvider, settings: Settings, url: str, key: str
) -> None:
    settings.SENDGRID_API_URL, settings.SENDGRID_API_KEY = url, key

    assert sendgrid.send(a_mail()).outcome is Outcome.CONFIGURATION


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_a_proxy_from_the_environment_is_used(
    no_proxy: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SENDGRID_API_KEY = "SG.key"
    settings.SENDGRID_API_URL = "http://sendgrid.invalid"
    with ForwardProxy(Answer(status=202)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://alice:secret@127.0.0.1:{proxy.port}")
        provider = SendGridProvider(timeout=10)

        reply = provider.send(a_mail())
        provider.close()

    assert reply.outcome is Outcome.ACCEPTED
    (request,) = proxy.requests
    assert request.path == "http://sendgrid.invalid/v3/mail/send"
    assert request.headers["proxy-authorization"] == "Basic YWxpY2U6c2VjcmV0"


def test_a_host_in_no_proxy_is_called_without_the_proxy(
    no_proxy: None, sendgrid_server: SendGridServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    provider = SendGridProvider(timeout=10)

    assert provider.send(a_mail()).outcome is Outcome.ACCEPTED
    provider.close()
    assert len(sendgrid_server.mails) == 1


def test_an_unreachable_proxy_is_a_transient_failure(
    no_proxy: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SENDGRID_API_KEY = "SG.key"
    settings.SENDGRID_API_URL = "http://sendgrid.invalid"
    with ForwardProxy(Answer(status=202)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
    provider = SendGridProvider(timeout=10)

    assert provider.send(a_mail()).outcome is Outcome.TRANSIENT
    provider.close()
