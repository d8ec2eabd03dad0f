"""What a mail that came back says, through the API."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.notifications.delivery.compose.email import message_id_for
from apps.notifications.lifecycle import timeline
from apps.notifications.models import Notification, Receipt
from tests.notifications.feedback.bounces import messages
from tests.notifications.feedback.bounces.mails import assert_unmatched, listed, original, post
from tests.notifications.feedback.bounces.messages import ALICE, Original
from tests.notifications.feedback.calls import ending
from tests.notifications.problems import assert_problem


@pytest.mark.parametrize("form", messages.BOUNCES.values(), ids=messages.BOUNCES)
def test_a_bounce_in_any_form_suppresses_the_address(
    shop: APIClient, mail: Notification, form: Callable[[Original], bytes]
) -> None:
    answer = post(shop, form(original(mail)))

    assert answer.status_code == 202
    assert answer.json() == {
        "matched": True,
        "notification_id": str(mail.pk),
        "event": "bounced",
    }
    assert ending(mail) == ("bounced", "hard_bounce")
    assert listed() == [("hard_bounce", "dsn", ALICE)]
    assert ALICE not in timeline.read(mail)[-1].detail


def test_a_bounce_with_line_ends_of_the_network_is_read(
    shop: APIClient, mail: Notification
) -> None:
    raw = messages.postfix(original(mail)).replace(b"\n", b"\r\n")
    assert post(shop, raw).json()["event"] == "bounced"
    assert ending(mail) == ("bounced", "hard_bounce")


def test_a_bounce_of_a_mailbox_file_is_read(shop: APIClient, mail: Notification) -> None:
    raw = b"From MAILER-DAEMON Sun Nov 22 12:00:00 2026\n" + messages.postfix(original(mail))
    assert post(shop, raw).json()["matched"] is True


@pytest.mark.parametrize(
    ("code", "words", "event", "status", "reason"),
    [
        ("5.1.1", "", "bounced", "bounced", "hard_bounce"),
        ("5.1.2", "", "bounced", "bounced", "hard_bounce"),
        ("5.2.1", "550 5.2.1 disabled", "bounced", "bounced", "hard_bounce"),
        ("5.0.0", "550 5.1.1 unknown", "bounced", "bounced", "hard_bounce"),
        ("5.0.0", "550 unknown user", "failed", "failed", "rejected"),
        ("5.2.2", "552 5.2.2 over quota", "soft_bounced", "bounced", "mailbox_full"),
        ("4.2.2", "452 4.2.2 over quota", "soft_bounced", "bounced", "mailbox_full"),
        ("4.4.7", "", "soft_bounced", "bounced", "soft_bounce"),
        ("4.4.1", "421 timed out", "soft_bounced", "bounced", "soft_bounce"),
        ("4.7.1", "451 4.7.1 greylisted", "soft_bounced", "bounced", "soft_bounce"),
        # It gave up after its last temporary reply.
        ("5.4.7", "451 4.3.0 later", "failed", "failed", "rejected"),
        ("5.7.1", "550 5.7.1 blocked by policy", "failed", "failed", "policy"),
        ("5.7.26", "550-5.7.26 no SPF", "failed", "failed", "policy"),
        ("5.2.3", "552 5.2.3 too large", "failed", "failed", "message_too_large"),
        ("5.4.5", "550 5.4.5 daily sending quota exceeded", "failed", "failed", "sender_quota"),
        ("5.4.4", "", "failed", "failed", "rejected"),
        ("", "", "failed", "failed", "rejected"),
        ("nonsense", "550 5.1.1 unknown", "bounced", "bounced", "hard_bounce"),
    ],
)
def test_a_bounce_is_classified_by_its_enhanced_code(
    shop: APIClient,
    mail: Notification,
    code: str,
    words: str,
    event: str,
    status: str,
    reason: str,
) -> None:
    answer = post(shop, messages.with_status(original(mail), code, words)).json()

    assert (answer["matched"], answer["event"]) == (True, event)
    assert ending(mail) == (status, reason)
    assert [one[0] for one in listed()] == (["hard_bounce"] if event == "bounced" else [])


@pytest.mark.parametrize(
    ("action", "event", "status"),
    [
        ("delayed", "deferred", "sent"),
        ("Delayed", "deferred", "sent"),
        ("delivered", "delivered", "delivered"),
        ("relayed", "unknown", "sent"),
        ("expanded", "unknown", "sent"),
        ("vanished", "unknown", "sent"),
    ],
)
def test_another_action_than_failed_is_no_bounce(
    shop: APIClient, mail: Notification, action: str, event: str, status: str
) -> None:
    raw = messages.with_status(original(mail), "5.1.1", action=action)

    answer = post(shop, raw).json()

    assert (answer["matched"], answer["event"]) == (True, event)
    assert ending(mail)[0] == status
    assert listed() == []


def test_yahoo_says_less_than_that_the_address_does_not_exist(
    shop: APIClient, mail: Notification
) -> None:
    answer = post(shop, messages.yahoo(original(mail))).json()

    # Its 552 has no enhanced code, and means a full mailbox by RFC 5321, 4.5.3.1.10.
    assert (answer["matched"], answer["event"]) == (True, "soft_bounced")
    assert ending(mail) == ("bounced", "mailbox_full")
    assert listed() == []


AUTO_REPLIES = {
    "RFC 3834": "Auto-Submitted: auto-replied (vacation)",
    "X-Autoreply": "X-Autoreply: yes",
    "X-Autorespond": "X-Autorespond: Away",
    "precedence": "Precedence: auto_reply",
}


@pytest.mark.parametrize("header", AUTO_REPLIES.values(), ids=AUTO_REPLIES)
def test_an_auto_reply_is_no_bounce(shop: APIClient, mail: Notification, header: str) -> None:
    raw = (
        f"From: Alice <{ALICE}>\n{header}\nIn-Reply-To: {message_id_for(mail)}\n\n"
        f"I am away. 550 5.1.1 <{ALICE}>: call extension 550 instead.\n"
    )
    assert_unmatched(post(shop, raw.encode()), mail, "auto_reply")
    assert Receipt.objects.count() == 0


OTHERS = {
    "a person's answer": f"From: {ALICE}\n\n550 5.1.1 is what your server said.\n",
    "a receipt that it was read": (
        "From: alice@example.com\nContent-Type: multipart/report; boundary=b;\n"
        " report-type=disposition-notification\n\n--b\nContent-Type: text/plain\n\nRead\n--b\n"
        "Content-Type: message/disposition-notification\n\n"
        "Disposition: manual-action/MDN-sent-manually; displayed\n\n--b--\n"
    ),
    "no mail": "\x00\x01\x02",
    "only headers": "Subject: x",
    "a daemon without a code": "From: MAILER-DAEMON@example.com\n\nHello.\n",
    "not spam": messages.complaint(Original(message_id="<x@y>"), kind="not-spam").decode(),
}


@pytest.mark.parametrize("raw", OTHERS.values(), ids=OTHERS)
def test_any_other_mail_is_answered_and_changes_nothing(
    shop: APIClient, mail: Notification, raw: str
) -> None:
    assert_unmatched(post(shop, raw.encode()), mail, "other")
    assert Receipt.objects.count() == 0


@pytest.mark.parametrize("raw", [b"", b" \n\t\n"])
def test_no_mail_at_all_is_a_400(shop: APIClient, mail: Notification, raw: bytes) -> None:
    assert_problem(post(shop, raw), 400)


def test_a_mail_of_ten_megabytes_is_a_413(shop: APIClient, mail: Notification) -> None:
    assert_problem(post(shop, messages.postfix(original(mail)) + b"x" * 10_000_000), 413)
    assert ending(mail) == ("sent", "")
    assert Receipt.objects.count() == 0


def test_a_bounce_with_five_megabytes_of_the_original_is_taken(
    shop: APIClient, mail: Notification
) -> None:
    raw = messages.exim(original(mail))
    large = raw.replace(b"\nHello\n", b"\n" + b"QUJD" * 18 + b"\n" * 1 + b"A" * 5_000_000 + b"\n")
    assert len(large) > 5_000_000

    assert post(shop, large).json()["event"] == "bounced"
    assert ending(mail) == ("bounced", "hard_bounce")


def test_another_media_type_is_a_415(shop: APIClient, mail: Notification) -> None:
    given: Any = messages.postfix(original(mail))
    answer = shop.generic("POST", "/api/v1/receipts/dsn", given, content_type="text/plain")
    assert_problem(answer, 415)
