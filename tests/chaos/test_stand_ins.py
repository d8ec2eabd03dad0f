"""The fake providers record what they accepted, and whether they replied with an acceptance."""

import contextlib
import http.client
import json
import smtplib
import socket
import threading
from collections.abc import Iterator

import pytest

from apps.common.channels import Channel
from tests.chaos.stand_ins import FcmStandIn, SmtpStandIn
from tests.fakes.fcm_server import EVERY_TOKEN, PROJECT
from tests.fakes.http_server import Answer
from tests.fakes.smtp_server import DROP, Rule

MAIL = "Subject: ref-1\r\nMessage-ID: <id-1@example.com>\r\n\r\nHello.\r\n"
PUSH = {
    "token": "token-1",
    "data": {"notification_id": "id-1"},
    "notification": {"title": "ref-1"},
    "android": {"notification": {"tag": "id-1"}},
    "apns": {"headers": {"apns-collapse-id": "id-1"}},
    "webpush": {"notification": {"tag": "id-1"}},
}


@pytest.fixture
def smtp() -> Iterator[SmtpStandIn]:
    with SmtpStandIn() as server:
        yield server


@pytest.fixture
def fcm() -> Iterator[FcmStandIn]:
    with FcmStandIn() as server:
        server.access_tokens.add("token")
        yield server


def write(smtp: SmtpStandIn, recipient: str = "ada@example.com") -> str:
    """Send a mail and return the result."""
    with contextlib.suppress(smtplib.SMTPServerDisconnected):
        with smtplib.SMTP(smtp.host, smtp.port) as line:
            try:
                line.sendmail("shop@example.com", [recipient], MAIL)
            except smtplib.SMTPRecipientsRefused as error:
                return str(error.recipients[recipient][0])
            except smtplib.SMTPDataError as error:
                return str(error.smtp_code)
        return "accepted"
    return "no answer"


def push(fcm: FcmStandIn) -> str:
    line = http.client.HTTPConnection(fcm.host, fcm.port)
    path, headers = f"/v1/projects/{PROJECT}/messages:send", {"Authorization": "Bearer token"}
    try:
        line.request("POST", path, json.dumps({"message": PUSH}), headers)
        return str(line.getresponse().status)
    except http.client.RemoteDisconnected:
        return "no answer"
    finally:
        line.close()


def test_an_accepted_mail_is_recorded_as_answered(smtp: SmtpStandIn) -> None:
    assert write(smtp) == "accepted"

    (copy,) = smtp.copies
    assert (copy.ref, copy.carried_id, copy.channel) == ("ref-1", "id-1", Channel.EMAIL)
    assert copy.answered_at is not None
    assert copy.answered_at >= copy.at


@pytest.mark.parametrize(("reply", "comes_to"), [(DROP, "no answer"), ("451 4.3.0 Not now", "451")])
def test_a_mail_kept_without_an_acceptance_is_recorded_as_unanswered(
    smtp: SmtpStandIn, reply: str, comes_to: str
) -> None:
    smtp.takes_refused = True
    smtp.rules = [Rule(stage="end", reply=reply)]

    assert write(smtp) == comes_to

    (copy,) = smtp.copies
    assert copy.answered_at is None


def test_a_drip_before_the_mail_continues_until_the_server_is_reset(smtp: SmtpStandIn) -> None:
    smtp.dripping = frozenset({"mail"})

    with socket.create_connection((smtp.host, smtp.port)) as line, line.makefile("rb") as answers:
        line.sendall(b"EHLO shop\r\nMAIL FROM:<shop@example.com>\r\n")
        dripped = next(answer for answer in answers if b"One moment" in answer)
        smtp.behave()
        last = next(answer for answer in answers if b"One moment" not in answer)

    assert dripped.startswith(b"250-")
    assert last == b"250 2.1.0 Sender ok\r\n"


def test_nonexistent_mailboxes_are_refused_together(smtp: SmtpStandIn) -> None:
    smtp.gone = frozenset({"gone@example.com"})
    smtp.hold()
    answers: list[str] = []
    writers = [
        threading.Thread(target=lambda: answers.append(write(smtp, "gone@example.com")))
        for _ in range(2)
    ]
    for writer in writers:
        writer.start()
    assert write(smtp) == "accepted"
    assert answers == []

    smtp.let_go()
    for writer in writers:
        writer.join()

    assert answers == ["550", "550"]


def test_an_accepted_push_is_recorded_as_answered(fcm: FcmStandIn) -> None:
    assert push(fcm) == "200"

    (copy,) = fcm.copies
    assert (copy.ref, copy.carried_id, copy.channel) == ("ref-1", "id-1", Channel.PUSH)
    assert copy.answered_at is not None


@pytest.mark.parametrize(
    ("answer", "comes_to"),
    [(Answer(drop=True), "no answer"), (Answer(status=503, taken=True), "503")],
)
def test_a_push_kept_without_an_acceptance_is_recorded_as_unanswered(
    fcm: FcmStandIn, answer: Answer, comes_to: str
) -> None:
    fcm.answer(EVERY_TOKEN, answer)

    assert push(fcm) == comes_to

    (copy,) = fcm.copies
    assert copy.answered_at is None
