"""Reports that fit no notification wait for it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from apps.common.ids import first_id_at, new_id
from apps.notifications.feedback.waiting import MatchWaiting
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification, Receipt
from apps.notifications.privacy.retention import purge_others, rules
from apps.users.models import Suppression, User
from tests.fakes.sendgrid_events import EventSigner, event
from tests.notifications.factories import row_with_status


@pytest.fixture
def sendgrid_events(settings: Any) -> EventSigner:
    signer = EventSigner()
    settings.SENDGRID_WEBHOOK_PUBLIC_KEYS = [signer.public_key]
    return signer


def stored_later(alice: User, pk: UUID, **columns: Any) -> Notification:
    """Store a notification whose id was known before."""
    row = row_with_status(alice, Status.SENDING)
    Notification.objects.filter(pk=row.pk).update(id=pk, **columns)
    return Notification.objects.get(pk=pk)


def match() -> None:
    job = MatchWaiting()
    while job():
        pass


def test_an_event_that_was_faster_than_its_notification_is_matched(
    sendgrid_events: EventSigner, alice: User
) -> None:
    pk = new_id()
    sendgrid_events.deliver(event(pk, "bounce", type="bounce"))
    match()
    assert Receipt.objects.get().notification is None

    row = stored_later(alice, pk)
    match()

    row.refresh_from_db()
    assert (row.status, row.reason) == ("bounced", "hard_bounce")
    assert [receipt.event for receipt in row.receipts.all()] == ["bounced"]
    assert Suppression.objects.get().address == "alice@example.com"


def test_an_event_before_the_record_of_a_worker_that_died_is_matched(
    sendgrid_events: EventSigner, alice: User
) -> None:
    row = row_with_status(alice, Status.PENDING)
    sendgrid_events.deliver(event(row.pk, "delivered"))
    match()
    row.refresh_from_db()
    assert row.status == "pending"

    # The sweep has found that the lease ended without a record.
    Notification.objects.filter(pk=row.pk).update(crashes=1)
    match()

    row.refresh_from_db()
    assert (row.status, row.wake_at) == ("delivered", None)


def test_a_matched_event_is_not_taken_again(sendgrid_events: EventSigner, alice: User) -> None:
    pk = new_id()
    given = event(pk, "bounce", type="bounce")
    sendgrid_events.deliver(given)
    row = stored_later(alice, pk)
    match()
    Suppression.objects.all().delete()

    sendgrid_events.deliver(given)
    match()

    assert row.receipts.count() == Receipt.objects.count() == 1
    assert Suppression.objects.count() == 0


def test_an_address_that_was_not_that_of_the_mail_is_forgotten(
    sendgrid_events: EventSigner, alice: User
) -> None:
    pk = new_id()
    sendgrid_events.deliver(event(pk, "bounce", type="blocked", email="mallory@example.com"))
    row = stored_later(alice, pk)
    match()

    assert row.receipts.get().address_hash is None


def test_reports_are_looked_at_every_few_seconds_and_old_ones_every_hour(
    sendgrid_events: EventSigner, alice: User
) -> None:
    clock = [0.0]
    job = MatchWaiting(clock=lambda: clock[0])

    def delivered(age: timedelta) -> Callable[[], bool]:
        pk = new_id()
        sendgrid_events.deliver(event(pk, "delivered"))
        old = first_id_at(timezone.now() - age)
        Receipt.objects.filter(named_id=pk).update(id=old)
        stored_later(alice, pk)
        return lambda: Receipt.objects.get(pk=old).notification_id == pk

    first = delivered(timedelta(days=20))
    job()
    assert first()

    second, third = delivered(timedelta(minutes=1)), delivered(timedelta(days=2))
    job()
    assert (second(), third()) == (False, False)
    clock[0] += 11
    job()
    assert (second(), third()) == (True, False)
    clock[0] += 3600
    job()
    assert third()


def test_more_reports_than_fit_one_step_are_matched_in_several(
    sendgrid_events: EventSigner, alice: User
) -> None:
    pk = new_id()
    sendgrid_events.deliver(*[event(pk, "open") for _ in range(250)])
    row = stored_later(alice, pk)
    job = MatchWaiting()

    assert [job(), job(), job(), job()] == [True, True, False, False]
    assert row.receipts.count() == 250


def test_a_report_that_never_fits_is_purged_after_thirty_days(
    sendgrid_events: EventSigner, alice: User, settings: Any
) -> None:
    settings.RETENTION_DAYS = 400
    row = row_with_status(alice, Status.SENT)
    sendgrid_events.deliver(event(new_id(), "open"), event(new_id(), "open"), event(row.pk, "open"))
    now = timezone.now()
    newest, *others = Receipt.objects.order_by("-pk")
    assert newest.notification is not None
    for receipt, days in zip([newest, *others], [31, 31, 29], strict=True):
        Receipt.objects.filter(pk=receipt.pk).update(received_at=now - timedelta(days=days))

    assert purge_others.purge_all(rules.load(now)) == {"receipts": 1}
    assert {receipt.pk for receipt in Receipt.objects.all()} == {newest.pk, others[1].pk}
