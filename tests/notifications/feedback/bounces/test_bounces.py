"""Bounces and complaints that come by mail, through the API."""

from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.callers import Kind, Scope
from apps.notifications.delivery.compose.email import message_id_for
from apps.notifications.lifecycle import timeline
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Attempt, Notification, Receipt
from apps.users import contacts
from apps.users.addresses import address_hash
from apps.users.models import Suppression, User
from tests.notifications.factories import TEST_CALLER, client_with, row_with_status
from tests.notifications.feedback.bounces import messages
from tests.notifications.feedback.bounces.messages import ALICE, Original
from tests.notifications.problems import assert_problem


def post(caller: APIClient, raw: bytes) -> Any:
    given: Any = raw
    return caller.generic("POST", "/api/v1/receipts/dsn", given, content_type="message/rfc822")


def sent(user: User, address: str = ALICE, **columns: Any) -> Notification:
    row = row_with_status(user, Status.SENT, attempts=1, **columns)
    Attempt.objects.create(
        notification=row,
        number=1,
        provider="smtp",
        address_hash=address_hash(address),
        outcome="accepted",
        correlation_id=row.correlation_id,
        started_at=timezone.now(),
        duration_ms=1,
    )
    return row


@pytest.fixture
def mail(alice: User) -> Notification:
    """A mail to Alice that an SMTP server took."""
    return sent(alice)


def original(row: Notification, **given: str) -> Original:
    fields = {"message_id": message_id_for(row), "correlation_id": row.correlation_id, **given}
    return Original(**fields)


def ending(row: Notification) -> tuple[str, str]:
    row.refresh_from_db()
    return row.status, row.reason


def listed() -> list[tuple[str, str, str]]:
    return [(one.reason, one.source, one.address) for one in Suppression.objects.all()]


def assert_unmatched(answer: Any, row: Notification, event: str) -> None:
    assert answer.status_code == 202
    assert answer.json() == {"matched": False, "notification_id": None, "event": event}
    assert ending(row) == ("sent", "")
    assert listed() == []


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


def test_the_same_bounce_twice_is_taken_once(shop: APIClient, mail: Notification) -> None:
    raw = messages.postfix(original(mail))
    first = post(shop, raw).json()
    Suppression.objects.all().delete()

    again = post(shop, b"Delivered-To: bounces@example.net\n" + raw).json()

    assert again == first
    assert (Receipt.objects.count(), listed()) == (1, [])


# --- whom a report is about


def test_a_report_about_another_recipient_is_not_believed(
    shop: APIClient, mail: Notification, bob: User
) -> None:
    bobs = sent(bob, "bob@example.com")

    # The Message-ID is that of the mail to Bob, the recipient is Alice.
    answer = post(shop, messages.postfix(original(bobs)))

    assert_unmatched(answer, bobs, "bounced")
    assert ending(mail) == ("sent", "")
    # Operators see it.
    assert [(one.notification, one.event) for one in Receipt.objects.all()] == [(None, "bounced")]


def test_a_report_about_a_forwarded_mail_names_the_recipient_as_well(
    shop: APIClient, mail: Notification
) -> None:
    raw = messages.postfix(original(mail)).replace(
        b"Final-Recipient: rfc822; alice@example.com", b"Final-Recipient: rfc822; a.b@example.org"
    )
    assert post(shop, raw).json()["matched"] is True


@pytest.mark.parametrize(
    "field",
    [
        "Original-Recipient: rfc822;alice+2Bnews@example.com",
        "Final-Recipient: rfc822; ALICE+news@EXAMPLE.com",
        "Final-Recipient: utf-8; <alice+news@example.com>",
    ],
)
def test_the_recipient_is_recognised_in_any_spelling(
    shop: APIClient, alice: User, field: str
) -> None:
    row = sent(alice, "alice+news@example.com")
    raw = messages.report(
        messages.status(field, "Action: failed", "Status: 5.1.1"),
        ("text/rfc822-headers", original(row).headers),
    )
    assert post(shop, raw).json()["matched"] is True


def test_a_report_is_found_by_the_message_id_that_it_refers_to(
    shop: APIClient, mail: Notification
) -> None:
    raw = messages.report(
        messages.status(f"Final-Recipient: rfc822; {ALICE}", "Action: failed", "Status: 5.1.1"),
        more=f"References: {message_id_for(mail)}\n",
    )
    assert post(shop, raw).json()["notification_id"] == str(mail.pk)
    assert listed() == [("hard_bounce", "dsn", ALICE)]


def test_a_report_is_found_by_the_correlation_id_if_the_message_id_was_replaced(
    shop: APIClient, mail: Notification, bob: User
) -> None:
    # One call may make several mails.
    other = sent(bob, "bob@example.com", correlation_id=mail.correlation_id)
    raw = messages.postfix(original(mail, message_id="<0100018f@email.amazonses.example>"))

    assert post(shop, raw).json()["notification_id"] == str(mail.pk)
    assert ending(other) == ("sent", "")


def test_a_report_without_the_original_is_found_by_recipient_and_time(
    shop: APIClient, alice: User
) -> None:
    now = timezone.now()
    rows = [sent(alice) for _ in range(3)]
    for row, minutes in zip(rows, [180, 60, 0], strict=True):
        row.attempt_rows.update(started_at=now - timedelta(minutes=minutes))
    arrived = format_datetime(now - timedelta(minutes=59))

    answer = post(shop, messages.without_original(arrived=arrived)).json()

    assert answer == {"matched": True, "notification_id": str(rows[1].pk), "event": "bounced"}
    assert ending(rows[1]) == ("bounced", "hard_bounce")
    assert [ending(row) for row in (rows[0], rows[2])] == [("sent", "")] * 2


def test_a_report_that_anybody_could_write_suppresses_only_when_repeated(
    shop: APIClient, alice: User, settings: Any
) -> None:
    settings.SOFT_BOUNCE_LIMIT = 2
    for number in range(2):
        assert contacts.load_contacts([alice.pk])[alice.pk].suppressed is False
        sent(alice)
        raw = messages.without_original(f"X-Number: {number}").replace(b".7F0AB", b".%d" % number)
        assert post(shop, raw).json()["event"] == "bounced"

    assert [one[0] for one in listed()] == ["soft_bounces"]


@pytest.mark.parametrize(
    ("recipient", "hours"),
    [("nobody@example.com", 0), ("bob@example.com", 0), (ALICE, 7 * 24), (ALICE, -1)],
)
def test_a_report_without_the_original_needs_a_mail_to_that_recipient_at_that_time(
    shop: APIClient, mail: Notification, bob: User, recipient: str, hours: int
) -> None:
    arrived = format_datetime(timezone.now() - timedelta(hours=hours))
    if hours < 0:
        Attempt.objects.update(started_at=timezone.now() - timedelta(hours=1))
    raw = messages.without_original(recipient=recipient, arrived=arrived)

    assert_unmatched(post(shop, raw), mail, "bounced")


def test_a_report_about_a_mail_that_was_never_sent_changes_nothing(
    shop: APIClient, alice: User
) -> None:
    row = row_with_status(alice, Status.PENDING)

    answer = post(shop, messages.postfix(original(row))).json()

    assert answer["matched"] is False
    assert ending(row) == ("pending", "")
    assert listed() == []


def test_no_test_notification_has_bounces(alice: User, welcome: None) -> None:
    row = row_with_status(alice, Status.SENT, caller=TEST_CALLER, attempts=1)
    for kind in (Kind.TEST, Kind.LIVE):
        caller = client_with(Scope.OPERATIONS, kind=kind)
        assert post(caller, messages.postfix(original(row))).json()["matched"] is False
    assert (ending(row), listed()) == (("sent", ""), [])


def test_a_test_key_reports_about_no_live_mail(mail: Notification) -> None:
    answer = post(client_with(kind=Kind.TEST), messages.postfix(original(mail)))
    assert_unmatched(answer, mail, "bounced")


def test_a_test_send_that_bounces_suppresses_nothing(shop: APIClient, alice: User) -> None:
    row = sent(alice, metadata={"test_send": True})

    assert post(shop, messages.postfix(original(row))).json()["matched"] is True

    assert ending(row) == ("bounced", "hard_bounce")
    assert listed() == []


def test_the_scope_of_operations_is_needed(mail: Notification) -> None:
    raw = messages.postfix(original(mail))
    assert_problem(post(client_with(Scope.NOTIFICATIONS_SEND), raw), 403)
    assert_problem(post(APIClient(raise_request_exception=False), raw), 401)
    assert ending(mail) == ("sent", "")


# --- complaints


@pytest.mark.parametrize("kind", ["abuse", "fraud", "other", "opt-out"])
def test_a_complaint_suppresses_the_address_and_keeps_the_status(
    shop: APIClient, mail: Notification, kind: str
) -> None:
    raw = messages.complaint(original(mail), f"Original-Rcpt-To: <{ALICE}>", kind=kind)

    answer = post(shop, raw).json()

    assert answer == {"matched": True, "notification_id": str(mail.pk), "event": "complained"}
    assert ending(mail) == ("sent", "")
    assert listed() == [("complaint", "dsn", ALICE)]


def test_a_complaint_without_an_address_needs_the_headers_of_the_mail(
    shop: APIClient, mail: Notification
) -> None:
    redacted = original(mail, recipient="redacted")
    assert post(shop, messages.complaint(redacted)).json()["matched"] is True
    assert listed() == [("complaint", "dsn", ALICE)]

    other = original(mail, recipient="redacted", correlation_id="another")
    assert post(shop, messages.complaint(other)).json()["matched"] is False


def test_a_complaint_about_another_recipient_is_not_believed(
    shop: APIClient, mail: Notification
) -> None:
    raw = messages.complaint(original(mail), "Original-Rcpt-To: bob@example.com")
    assert_unmatched(post(shop, raw), mail, "complained")


def test_a_complaint_of_microsoft_names_the_recipient_in_a_header(
    shop: APIClient, mail: Notification
) -> None:
    given = original(mail)
    headers = f"X-HmXmrOriginalRecipient: {ALICE}\n{given.headers}"
    assert post(shop, messages.complaint(given, headers=headers)).json()["matched"] is True
