"""SMTP sessions: kept open, reset, replaced, and used by several threads."""

import threading

import pytest
from pytest_django.fixtures import Settings

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.smtp import session
from apps.notifications.providers.smtp.provider import SmtpProvider
from tests.fakes.messages import a_mail
from tests.fakes.smtp_server import DROP, HANG, SmtpServer


def test_the_envelope_names_sender_and_recipient(
    smtp: SmtpProvider, smtp_server: SmtpServer
) -> None:
    smtp.send(a_mail())

    (mail,) = smtp_server.mails
    assert (mail.sender, mail.recipient) == ("notifications@example.com", "bob@example.com")


def test_lines_that_begin_with_a_dot_arrive_whole(
    smtp: SmtpProvider, smtp_server: SmtpServer
) -> None:
    smtp.send(a_mail(html=None, text=".\n..\n.dot"))

    assert smtp_server.mails[0].parsed.get_content() == ".\r\n..\r\n.dot\r\n"


def test_after_a_refusal_the_session_is_reset_and_used_again(
    smtp: SmtpProvider, smtp_server: SmtpServer
) -> None:
    smtp_server.answer("rcpt", "550 5.1.1 No such user", recipient="charlie@example.com")

    refused = smtp.send(a_mail("charlie@example.com"))
    accepted = smtp.send(a_mail("bob@example.com"))

    assert (refused.outcome, refused.code) == (Outcome.DEAD_ADDRESS, "550 5.1.1")
    assert accepted.outcome is Outcome.ACCEPTED
    assert [mail.recipient for mail in smtp_server.mails] == ["bob@example.com"]
    (conversation,) = smtp_server.conversations
    refused_data = ["DATA"] if smtp_server.pipelining else []
    assert conversation.commands == [
        *["EHLO", "MAIL", "RCPT", *refused_data, "RSET"],
        *["MAIL", "RCPT", "DATA"],
    ]


@pytest.mark.parametrize("farewell", ["421 4.3.2 Closing", DROP])
def test_a_kept_session_that_the_server_closed_is_replaced_within_the_call(
    smtp: SmtpProvider, smtp_server: SmtpServer, farewell: str
) -> None:
    smtp.send(a_mail())
    smtp_server.answer("mail", farewell, times=1)

    reply = smtp.send(a_mail())

    assert reply.outcome is Outcome.ACCEPTED
    assert (smtp_server.connections, len(smtp_server.mails)) == (2, 2)


def test_a_new_session_that_the_server_closes_is_transient(
    smtp: SmtpProvider, smtp_server: SmtpServer
) -> None:
    smtp_server.answer("mail", "421 4.3.2 Closing")

    reply = smtp.send(a_mail())

    assert (reply.outcome, reply.code) == (Outcome.TRANSIENT, "421 4.3.2")
    assert smtp_server.connections == 1


def test_an_idle_session_is_checked_with_noop_first(
    smtp: SmtpProvider, smtp_server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    smtp.send(a_mail())
    monkeypatch.setattr(session, "IDLE_CHECK_SECONDS", 0.0)

    smtp.send(a_mail())

    (conversation,) = smtp_server.conversations
    assert conversation.commands[-4:] == ["NOOP", "MAIL", "RCPT", "DATA"]


def test_an_idle_session_that_was_lost_is_replaced(
    smtp: SmtpProvider, smtp_server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    smtp.send(a_mail())
    smtp_server.stop_serving()
    smtp_server.serve_again()
    monkeypatch.setattr(session, "IDLE_CHECK_SECONDS", 0.0)

    assert smtp.send(a_mail()).outcome is Outcome.ACCEPTED
    assert smtp_server.connections == 2


@pytest.mark.parametrize("stage", ["connect", "ehlo", "mail", "rcpt", "data"])
def test_a_timeout_before_the_final_dot_is_transient(
    hasty: SmtpProvider, smtp_server: SmtpServer, stage: str
) -> None:
    smtp_server.answer(stage, HANG)

    assert hasty.send(a_mail()).outcome is Outcome.TRANSIENT
    assert smtp_server.mails == []


def test_a_kept_session_that_times_out_is_not_tried_twice(
    hasty: SmtpProvider, smtp_server: SmtpServer
) -> None:
    hasty.send(a_mail())
    smtp_server.answer("mail", HANG)

    assert hasty.send(a_mail()).outcome is Outcome.TRANSIENT
    assert smtp_server.connections == 1


@pytest.mark.parametrize("fault", [HANG, DROP])
def test_a_timeout_after_the_final_dot_is_an_unknown_outcome(
    hasty: SmtpProvider, smtp_server: SmtpServer, fault: str
) -> None:
    smtp_server.answer("end", fault, times=1)
    mail = a_mail()

    first, second = hasty.send(mail), hasty.send(mail)

    assert (first.outcome, second.outcome) == (Outcome.UNKNOWN, Outcome.ACCEPTED)
    ids = [received.parsed["Message-ID"] for received in smtp_server.mails]
    assert ids == [mail.message_id, mail.message_id]


def test_a_connection_lost_after_the_final_dot_is_not_retried_within_the_call(
    smtp: SmtpProvider, smtp_server: SmtpServer
) -> None:
    smtp.send(a_mail())
    smtp_server.answer("end", DROP, times=1)

    assert smtp.send(a_mail()).outcome is Outcome.UNKNOWN
    assert len(smtp_server.mails) == 2


def test_a_reply_to_the_final_dot_may_take_longer_than_everything_before_it(
    smtp_server: SmtpServer,
) -> None:
    patient = SmtpProvider(timeout=0.4, reply_timeout=30.0)
    smtp_server.latency = 0.6

    reply = patient.send(a_mail())
    patient.close()

    assert reply.outcome is Outcome.ACCEPTED


def test_the_timeout_for_the_reply_to_the_final_dot_is_a_setting(
    smtp_server: SmtpServer, settings: Settings
) -> None:
    settings.SMTP_REPLY_TIMEOUT_SECONDS = 0.3
    smtp_server.answer("end", HANG)
    provider = SmtpProvider(timeout=30.0)

    reply = provider.send(a_mail())
    provider.close()

    assert (reply.outcome, len(smtp_server.mails)) == (Outcome.UNKNOWN, 1)


def test_a_session_is_reset_before_the_next_mail_and_not_after_the_refusal(
    smtp: SmtpProvider, smtp_server: SmtpServer
) -> None:
    smtp_server.answer("rcpt", "550 5.1.1 No such user", times=1)
    smtp_server.answer("rset", DROP)

    assert smtp.send(a_mail()).outcome is Outcome.DEAD_ADDRESS
    assert "RSET" not in smtp_server.conversations[0].commands
    assert smtp.send(a_mail()).outcome is Outcome.ACCEPTED
    assert smtp_server.connections == 2


def test_a_non_ascii_address_is_sent_with_smtputf8(
    smtp: SmtpProvider, smtp_server: SmtpServer
) -> None:
    reply = smtp.send(a_mail("jürgen@exämple.com"))

    assert reply.outcome is Outcome.ACCEPTED
    (mail,) = smtp_server.mails
    assert mail.recipient == "jürgen@xn--exmple-cua.com"
    assert mail.options == "BODY=8BITMIME SMTPUTF8"


def test_without_smtputf8_a_non_ascii_address_is_rejected_and_the_session_kept(
    smtp: SmtpProvider, smtp_server: SmtpServer
) -> None:
    smtp_server.smtputf8 = False

    reply = smtp.send(a_mail("jürgen@example.com"))

    assert (reply.outcome, reply.reason) == (Outcome.REJECTED, "smtputf8")
    assert smtp_server.mails == []
    assert smtp.send(a_mail()).outcome is Outcome.ACCEPTED


def test_an_invalid_address_opens_no_connection(
    smtp: SmtpProvider, smtp_server: SmtpServer
) -> None:
    reply = smtp.send(a_mail("bob@example.com>\r\nRCPT TO:<eve@example.com"))

    assert (reply.outcome, reply.reason) == (Outcome.REJECTED, "invalid_address")
    assert smtp_server.connections == 0


def test_consecutive_calls_of_several_threads_share_a_session(
    smtp: SmtpProvider, smtp_server: SmtpServer
) -> None:
    for _ in range(4):
        thread = threading.Thread(target=smtp.send, args=(a_mail(),))
        thread.start()
        thread.join()

    assert (smtp_server.connections, len(smtp_server.mails)) == (1, 4)


def test_concurrent_calls_have_a_session_each(smtp: SmtpProvider, smtp_server: SmtpServer) -> None:
    # The first call has not ended when the second one begins.
    smtp_server.latency = 0.2
    both = threading.Barrier(2)

    def send() -> None:
        both.wait()
        smtp.send(a_mail())

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert smtp_server.connections == 2
    assert len(smtp_server.mails) == 2
