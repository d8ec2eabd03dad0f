"""Complaints that come by mail, through the API."""

import pytest
from rest_framework.test import APIClient

from apps.notifications.models import Notification
from tests.notifications.feedback.bounces import messages
from tests.notifications.feedback.bounces.mails import assert_unmatched, listed, original, post
from tests.notifications.feedback.bounces.messages import ALICE
from tests.notifications.feedback.calls import ending


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
