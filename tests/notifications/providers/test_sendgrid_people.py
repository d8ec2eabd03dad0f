"""Names and senders over SendGrid are those of SMTP."""

import pytest

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.sendgrid import SendGridProvider, body_of
from tests.fakes.messages import a_mail
from tests.fakes.sendgrid_server import SendGridServer


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("Lovelace, Ada", '"Lovelace, Ada"'),
        ("Ada; the first", '"Ada; the first"'),
        ('Ada "Countess" L.', r'"Ada \"Countess\" L."'),
        ("\u00c4da", "\u00c4da"),
        ("\u00c4da, Countess", '"\u00c4da, Countess"'),
    ],
)
def test_a_name_that_would_end_an_address_is_quoted(name: str, sent: str) -> None:
    body = body_of(a_mail(recipient_name=name))

    assert body["personalizations"][0]["to"] == [{"email": "bob@example.com", "name": sent}]


def test_the_name_of_the_sender_is_quoted(sendgrid_server: SendGridServer) -> None:
    body = body_of(a_mail(sender='"Foobar, Inc." <ops@example.com>'))

    assert body["from"] == {"email": "ops@example.com", "name": '"Foobar, Inc."'}


@pytest.mark.parametrize("sender", ["ops", "Foobar, Inc. <ops@example.com>"])
def test_a_bad_sender_is_a_configuration_error(
    sendgrid_server: SendGridServer, sender: str
) -> None:
    provider = SendGridProvider()

    reply = provider.send(a_mail(sender=sender))

    provider.close()
    assert (reply.outcome, reply.reason) == (Outcome.CONFIGURATION, "sender")
    assert sendgrid_server.mails == []
