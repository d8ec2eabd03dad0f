"""MAIL, RCPT and DATA are sent together where the server offers it (RFC 2920)."""

import pytest

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.smtp import provider
from apps.notifications.providers.smtp.provider import SmtpProvider
from tests.fakes.messages import a_mail
from tests.fakes.smtp_server import DROP, HANG, SmtpServer

TOGETHER = pytest.mark.parametrize("smtp_server", [True], indirect=True, ids=["pipelining"])


def test_commands_are_sent_before_the_replies_only_if_the_server_offers_that(
    smtp: SmtpProvider, smtp_server: SmtpServer
) -> None:
    assert smtp.send(a_mail()).outcome is Outcome.ACCEPTED

    (conversation,) = smtp_server.conversations
    assert conversation.commands == ["EHLO", "MAIL", "RCPT", "DATA"]
    assert conversation.followed == (["MAIL", "RCPT"] if smtp_server.pipelining else [])


def test_an_address_cannot_add_a_command(
    smtp: SmtpProvider, smtp_server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of addresses is switched off here, because this is the second one."""
    attack = "bob@example.com>\r\nRCPT TO:<eve@e.example"
    monkeypatch.setattr(provider, "wire_address", lambda _: attack)

    assert smtp.send(a_mail()).outcome is not Outcome.ACCEPTED

    assert smtp_server.mails == []
    assert smtp_server.conversations[0].commands.count("RCPT") == 0


@pytest.mark.parametrize(
    ("stage", "reply", "outcome"),
    [
        ("mail", "451 4.3.0 Try again", Outcome.TRANSIENT),
        ("rcpt", "550 5.1.1 No such user", Outcome.DEAD_ADDRESS),
        ("rcpt", "450 4.2.0 Greylisted", Outcome.TRANSIENT),
        ("data", "452 4.3.1 No space", Outcome.TRANSIENT),
    ],
)
def test_the_first_refusal_is_the_reply_to_the_mail(
    smtp: SmtpProvider, smtp_server: SmtpServer, stage: str, reply: str, outcome: Outcome
) -> None:
    smtp_server.answer(stage, reply, times=1)

    refused = smtp.send(a_mail("charlie@example.com"))
    accepted = smtp.send(a_mail("bob@example.com"))

    assert (refused.outcome, refused.code) == (outcome, reply[:9])
    assert accepted.outcome is Outcome.ACCEPTED
    assert [mail.recipient for mail in smtp_server.mails] == ["bob@example.com"]
    # No reply was left unread, so the session is in order. It is used again where the server itself
    # is not in trouble.
    assert smtp_server.connections == (1 if stage == "rcpt" else 2)


@TOGETHER
def test_a_server_that_wants_the_content_of_a_refused_mail_gets_none(
    smtp: SmtpProvider, smtp_server: SmtpServer
) -> None:
    smtp_server.answer("rcpt", "550 5.1.1 No such user", recipient="charlie@example.com")
    smtp_server.answer("data", "354 Go on", times=1)

    refused = smtp.send(a_mail("charlie@example.com"))
    accepted = smtp.send(a_mail("bob@example.com"))

    assert (refused.outcome, refused.code) == (Outcome.DEAD_ADDRESS, "550 5.1.1")
    assert accepted.outcome is Outcome.ACCEPTED
    assert [mail.recipient for mail in smtp_server.mails] == ["bob@example.com"]
    assert smtp_server.connections == 2


@TOGETHER
@pytest.mark.parametrize("fault", [DROP, HANG])
def test_a_refusal_counts_although_the_next_reply_never_comes(
    hasty: SmtpProvider, smtp_server: SmtpServer, fault: str
) -> None:
    smtp_server.answer("rcpt", "550 5.1.1 No such user")
    smtp_server.answer("data", fault)

    refused = hasty.send(a_mail())

    assert (refused.outcome, refused.code) == (Outcome.DEAD_ADDRESS, "550 5.1.1")


@TOGETHER
def test_a_connection_that_is_lost_between_the_replies_is_transient(
    smtp: SmtpProvider, smtp_server: SmtpServer
) -> None:
    smtp_server.answer("rcpt", DROP)

    assert smtp.send(a_mail()).outcome is Outcome.TRANSIENT
    assert smtp_server.mails == []
