"""Which mail a report is about, and who may report on it."""

from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.callers import Kind, Scope
from apps.notifications.delivery.compose.email import message_id_for
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Attempt, Notification, Receipt
from apps.users import contacts
from apps.users.models import Suppression, User
from tests.notifications.factories import TEST_CALLER, client_with, row_with_status
from tests.notifications.feedback.bounces import messages
from tests.notifications.feedback.bounces.mails import (
    assert_unmatched,
    listed,
    original,
    post,
    sent,
)
from tests.notifications.feedback.bounces.messages import ALICE
from tests.notifications.feedback.calls import ending
from tests.notifications.problems import assert_problem


def test_the_same_bounce_twice_is_taken_once(shop: APIClient, mail: Notification) -> None:
    raw = messages.postfix(original(mail))
    first = post(shop, raw).json()
    Suppression.objects.all().delete()

    again = post(shop, b"Delivered-To: bounces@example.net\n" + raw).json()

    assert again == first
    assert (Receipt.objects.count(), listed()) == (1, [])


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
    shop: APIClient, alice: User, bob: User
) -> None:
    # One call may make several mails.
    mail = sent(alice, correlation_id="one-call")
    other = sent(bob, "bob@example.com", correlation_id="one-call")
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
