"""A server that takes a limited number of mails in a session, or no mail at all for a while."""

import pytest
from pytest_django.fixtures import Settings

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.smtp import session
from apps.notifications.providers.smtp.provider import SmtpProvider
from tests.fakes.messages import a_mail
from tests.fakes.smtp_server import HANG, SmtpServer

TOO_MANY = "452 4.4.5 Maximum number of messages per session exceeded."


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "end"])
@pytest.mark.parametrize("refusal", [TOO_MANY, "421 4.7.0 Closing", "451 4.3.0 Enough"])
def test_a_mail_that_a_used_session_refuses_is_sent_in_a_new_one_at_once(
    smtp: SmtpProvider, smtp_server: SmtpServer, stage: str, refusal: str
) -> None:
    smtp_server.session_limit = (3, stage, refusal)

    replies = [smtp.send(a_mail()) for _ in range(10)]

    assert [reply.outcome for reply in replies] == [Outcome.ACCEPTED] * 10
    assert smtp_server.connections == 4


@pytest.mark.parametrize("stage", ["mail", "data", "end"])
def test_the_number_of_mails_that_a_session_takes_is_learned(
    smtp: SmtpProvider, smtp_server: SmtpServer, stage: str
) -> None:
    smtp_server.session_limit = (3, stage, TOO_MANY)

    for _ in range(20):
        smtp.send(a_mail())

    refused = [talk for talk in smtp_server.conversations if talk.refused_over_limit]
    assert len(refused) == 2


def test_refused_recipients_do_not_shorten_the_sessions(
    smtp: SmtpProvider, smtp_server: SmtpServer
) -> None:
    smtp_server.answer("rcpt", "450 4.2.0 Greylisted", recipient="grey@example.com")
    for _ in range(3):
        smtp.send(a_mail())
        assert smtp.send(a_mail("grey@example.com")).outcome is Outcome.TRANSIENT

    for _ in range(5):
        smtp.send(a_mail())

    assert len(smtp_server.mails) == 8
    carried = [
        sum(mail.connection == talk.number for mail in smtp_server.mails)
        for talk in smtp_server.conversations
    ]
    assert max(carried) == 5


def test_a_refusal_in_a_new_session_counts(smtp: SmtpProvider, smtp_server: SmtpServer) -> None:
    smtp.send(a_mail())
    smtp_server.answer("mail", TOO_MANY)

    reply = smtp.send(a_mail())

    assert (reply.outcome, reply.code) == (Outcome.TRANSIENT, "452 4.4.5")
    assert smtp_server.connections == 2


@pytest.mark.parametrize("stage", ["mail", "data", "end"])
def test_after_a_server_was_in_trouble_the_next_mail_begins_with_a_new_session(
    smtp: SmtpProvider, smtp_server: SmtpServer, stage: str
) -> None:
    smtp_server.answer(stage, "451 4.3.0 Trouble", times=1)
    assert smtp.send(a_mail()).outcome is Outcome.TRANSIENT

    assert smtp.send(a_mail()).outcome is Outcome.ACCEPTED

    assert smtp_server.connections == 2


@pytest.mark.parametrize("stage", ["connect", "ehlo"])
@pytest.mark.parametrize("refusal", ["421 4.3.2 Too busy", "450 4.7.1 Come back later"])
def test_a_refusal_of_the_session_concerns_the_provider_and_no_mail(
    smtp: SmtpProvider, smtp_server: SmtpServer, stage: str, refusal: str
) -> None:
    smtp_server.answer(stage, refusal)

    assert smtp.send(a_mail()).outcome is Outcome.UNAVAILABLE


def names_of(smtp: SmtpProvider, server: SmtpServer) -> str:
    smtp.send(a_mail())
    return server.conversations[-1].greeted_as


@pytest.mark.parametrize(
    ("chosen", "public", "sender", "greeted"),
    [
        ("mail.example.org", "https://notify.example.com", "a@shop.example", "mail.example.org"),
        ("", "https://notify.example.com/", "a@shop.example", "notify.example.com"),
        ("", "http://localhost:8000", "a@shop.example", "shop.example"),
        ("", "http://192.0.2.7:8000", "Shop <a@shop.example>", "shop.example"),
        ("", "http://[2001:db8::1]:8000", "a@shop.example", "shop.example"),
        ("", "https://intranet", "a@b\u00fccher.example", "xn--bcher-kva.example"),
    ],
)
def test_the_server_is_greeted_with_a_name_that_it_can_look_up(
    smtp: SmtpProvider,
    smtp_server: SmtpServer,
    settings: Settings,
    chosen: str,
    public: str,
    sender: str,
    greeted: str,
) -> None:
    settings.SMTP_LOCAL_HOSTNAME, settings.PUBLIC_URL = chosen, public
    settings.DEFAULT_FROM_EMAIL = sender

    assert names_of(smtp, smtp_server) == greeted


@pytest.mark.parametrize("sender", ["ops", "Foobar, Inc. <ops@example.com>", "", "a@b@c, d@e"])
def test_a_bad_sender_is_a_configuration_error(
    smtp: SmtpProvider, smtp_server: SmtpServer, sender: str
) -> None:
    reply = smtp.send(a_mail(sender=sender))

    assert (reply.outcome, reply.reason) == (Outcome.CONFIGURATION, "sender")
    assert smtp_server.connections == 0


@pytest.mark.parametrize("local", ["jane.", ".jane", "a..b"])
def test_a_local_part_with_an_unusual_dot_is_quoted(
    smtp: SmtpProvider, smtp_server: SmtpServer, local: str
) -> None:
    assert smtp.send(a_mail(f"{local}@docomo.example")).outcome is Outcome.ACCEPTED

    (mail,) = smtp_server.mails
    assert mail.recipient == f'"{local}"@docomo.example'
    assert mail.parsed["To"].addresses[0].username == local


def test_implicit_tls_on_a_port_that_begins_without_tls_names_both_variables(
    smtp: SmtpProvider, smtp_server: SmtpServer, settings: Settings
) -> None:
    settings.SMTP_TLS = "implicit"

    reply = smtp.send(a_mail())

    assert (reply.outcome, reply.reason) == (Outcome.CONFIGURATION, "settings")
    assert f"SMTP_TLS=implicit does not fit SMTP_PORT={smtp_server.port}" in reply.detail


@pytest.mark.parametrize("mode", ["none", "starttls"])
def test_a_port_for_implicit_tls_that_sends_no_greeting_names_both_variables(
    hasty: SmtpProvider,
    smtp_server: SmtpServer,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
) -> None:
    settings.SMTP_TLS = mode
    monkeypatch.setattr(session, "IMPLICIT_PORT", smtp_server.port)
    smtp_server.answer("connect", HANG)

    reply = hasty.send(a_mail())

    assert (reply.outcome, reply.reason) == (Outcome.CONFIGURATION, "settings")
    assert f"SMTP_TLS={mode} does not fit" in reply.detail
