"""Testing the connection of a provider: everything but the message."""

from typing import Any

import pytest

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.registry import PROVIDERS, check, close_all
from tests.fakes.fcm_server import FcmServer, refusal
from tests.fakes.sendgrid_server import SendGridServer
from tests.fakes.smtp_server import SmtpServer


@pytest.fixture(autouse=True)
def _fresh() -> Any:
    close_all()
    yield
    close_all()


def test_every_provider_can_be_tested(
    smtp_server: SmtpServer, sendgrid_server: SendGridServer, fcm_server: FcmServer
) -> None:
    replies = {
        (channel, name): check(name, channel=channel)
        for channel, names in PROVIDERS.items()
        for name in names
    }

    assert {key: reply and reply.outcome for key, reply in replies.items()} == dict.fromkeys(
        replies, Outcome.ACCEPTED
    )


def test_no_message_is_sent(
    smtp_server: SmtpServer, sendgrid_server: SendGridServer, fcm_server: FcmServer
) -> None:
    for channel, name in (("email", "smtp"), ("email", "sendgrid"), ("push", "fcm")):
        check(name, channel=channel)

    assert smtp_server.stats()["mails"] == 0
    assert sendgrid_server.stats()["mails"] == 0
    assert fcm_server.stats()["messages"] == 0


def test_a_server_that_is_away_is_said_so(settings: Any) -> None:
    settings.SMTP_HOST, settings.SMTP_PORT, settings.SMTP_TLS = "127.0.0.1", 9, "none"
    settings.SMTP_USERNAME = ""

    reply = check("smtp", channel="email")

    assert reply is not None
    assert (reply.outcome, reply.reason) == (Outcome.TRANSIENT, "connection")


def test_a_server_that_is_not_set_is_said_so(settings: Any) -> None:
    settings.SMTP_HOST = settings.SENDGRID_API_KEY = settings.FCM_SERVICE_ACCOUNT_FILE = ""

    replies = [check("smtp", channel="email"), check("sendgrid", channel="email")]
    replies.append(check("fcm", channel="push"))

    assert [(one.outcome, one.detail) for one in replies if one] == [
        (Outcome.CONFIGURATION, "SMTP_HOST is not set."),
        (Outcome.CONFIGURATION, "SENDGRID_API_KEY is not set."),
        (Outcome.CONFIGURATION, "FCM_SERVICE_ACCOUNT_FILE is not set."),
    ]


def test_a_wrong_key_is_said_in_the_providers_words(sendgrid_server: SendGridServer) -> None:
    sendgrid_server.api_key = "another"

    reply = check("sendgrid", channel="email")

    assert reply is not None
    assert (reply.outcome, reply.reason) == (Outcome.CONFIGURATION, "credentials")
    assert "authorization grant is invalid" in reply.detail


def test_a_key_that_may_not_send_is_no_good_key(sendgrid_server: SendGridServer) -> None:
    sendgrid_server.scopes = ["stats.read"]

    reply = check("sendgrid", channel="email")

    assert reply is not None
    assert reply.outcome is Outcome.CONFIGURATION
    assert "mail.send is missing" in reply.detail


def test_a_key_that_google_refuses_is_said_so(fcm_server: FcmServer) -> None:
    fcm_server.token_answers = [refusal(401, "UNAUTHENTICATED", "invalid_grant")]

    reply = check("fcm", channel="push")

    assert reply is not None
    assert (reply.outcome, reply.reason) == (Outcome.CONFIGURATION, "token_exchange")


def test_a_provider_that_does_not_exist_is_refused() -> None:
    with pytest.raises(LookupError):
        check("pigeon", channel="email")
