"""A worker holds its rows by a lease, which it renews while calls take long."""

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.common.channels import Channel
from apps.common.ids import new_id
from apps.notifications.delivery.claim import LEASE, RENEW_SECONDS, claim
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.users.models import User
from tests.notifications.delivering import deliver, deliver_and_refresh
from tests.notifications.delivery.fault_injection import (
    MOVE_ROWS,
    CallbackSmtpServer,
    lose_the_connection,
    once_each,
    run_before_statements,
    taken_back,
)
from tests.notifications.factories import accepted

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_lease_is_renewed_while_the_provider_is_slow(
    alice: User, smtp: CallbackSmtpServer, ahead: Callable[[float], None]
) -> None:
    row = accepted(alice)
    seen: list[bool] = []

    def wait_for_the_renewal() -> None:
        before = Notification.objects.get().claimed_until
        ahead(RENEW_SECONDS + 1)
        for _ in range(200):
            now = Notification.objects.get()
            if now.claimed_until != before:
                seen.append(now.wake_at == now.claimed_until)
                return
            time.sleep(0.05)

    smtp.on_next_mail = wait_for_the_renewal
    deliver_and_refresh(row)

    assert seen == [True]
    assert row.status == Status.SENT
    assert once_each(smtp, [row])


def test_a_worker_that_was_suspended_before_the_call_does_not_send(
    alice: User, bob: User, smtp: CallbackSmtpServer, ahead: Callable[[float], None]
) -> None:
    lost, kept = accepted(alice), accepted(bob)
    other = new_id()

    def stand_still() -> None:
        ahead(LEASE.total_seconds())
        Notification.objects.filter(pk=lost.pk).update(claim_id=other)

    harm = run_before_statements('SELECT "users_user"', times=1, action=stand_still)
    with harm:
        deliver_and_refresh(lost, kept)

    assert (lost.status, lost.claim_id) == (Status.SENDING, other)
    assert (kept.status, kept.claim_id) == (Status.PENDING, None)
    assert smtp.mails == []


def test_a_renewal_does_not_take_a_row_from_its_new_holder(alice: User) -> None:
    row = accepted(alice)
    held = claim([row.pk], attempt=0)
    other, soon = new_id(), timezone.now() + timedelta(seconds=5)
    Notification.objects.update(claim_id=other, claimed_until=soon, wake_at=soon)
    held.renewed_at -= RENEW_SECONDS

    held.renew_when_due({row.pk})

    row.refresh_from_db()
    assert (row.claim_id, row.claimed_until, row.wake_at) == (other, soon, soon)


def test_a_renewal_that_fails_is_retried_the_next_time(alice: User) -> None:
    row = accepted(alice)
    held = claim([row.pk], attempt=0)
    row.refresh_from_db()
    before = row.claimed_until
    held.renewed_at -= RENEW_SECONDS
    harm = run_before_statements(MOVE_ROWS, times=1, action=lose_the_connection)
    with harm:
        held.renew_when_due({row.pk})
        row.refresh_from_db()
        assert row.claimed_until == before

        held.renew_when_due({row.pk})
    row.refresh_from_db()
    assert before is not None
    assert row.claimed_until is not None
    assert row.claimed_until > before


@pytest.mark.services
def test_a_worker_whose_clock_is_an_hour_off_holds_rows_for_a_minute(
    alice: User, smtp: CallbackSmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    smtp.answer("rcpt", "450 4.2.0 Mailbox busy")
    row = accepted(alice)
    right = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: right() + timedelta(hours=1))
    held = claim([row.pk], attempt=0)
    row.refresh_from_db()
    assert row.claimed_until is not None
    assert right() < row.claimed_until <= right() + LEASE
    assert held.clock.now() < right() + timedelta(minutes=1)

    taken_back(row, Status.PENDING)()
    deliver_and_refresh(row)
    assert row.status == Status.RETRYING
    assert row.next_attempt_at is not None
    assert row.next_attempt_at < right() + timedelta(minutes=1)

    # Nor does it requeue at once, in a loop, a message that is due later by the database's clock.
    Notification.objects.update(next_attempt_at=right() + timedelta(seconds=40))
    (again,) = deliver(channel=Channel.EMAIL, ids=[row.pk], attempt=1)
    assert again.delay_seconds == 30
