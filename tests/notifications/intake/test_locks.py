"""Processes that work on the same row at once do not repeat or undo each other's work."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.rest.problems import Problem
from apps.notifications.batches import control
from apps.notifications.batches.materialize import make_slice
from apps.notifications.feedback import receipts
from apps.notifications.feedback.events import ProviderEvent, ReceiptEvent
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Batch, BatchState, DailyCount, Notification, Receipt
from apps.notifications.privacy.retention import rules
from apps.notifications.privacy.retention.purge import Position, step
from tests.notifications.batches.batch_api import accepted_batch_id, ndjson, upload
from tests.notifications.concurrent_work import ConcurrentWork, wait_until_blocked
from tests.notifications.factories import body, client_with, person, row_with_status, template
from tests.notifications.lanes import Lanes

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


def test_two_concurrent_copies_of_a_receipt_are_stored_once() -> None:
    template("welcome")
    row = row_with_status(person("alice"), Status.SENT)
    event = ProviderEvent(
        provider="sendgrid", event=ReceiptEvent.DELIVERED, occurred_at=timezone.now(), event_id="1"
    )
    with transaction.atomic():
        Notification.objects.select_for_update().get(pk=row.pk)
        both = [ConcurrentWork(lambda: receipts.take(row, event)) for _ in range(2)]
        wait_until_blocked(2)
    assert sorted(one.result() for one in both) == [False, True]
    assert Receipt.objects.count() == 1


class BeforeTheLock:
    """Runs a callable over another connection right before rows are locked."""

    def __init__(self, work: Any) -> None:
        self._work = work
        self.done = False

    def __call__(self, execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        if "FOR UPDATE" in sql and not self.done:
            self.done = True
            ConcurrentWork(self._work).result()
        return execute(sql, params, many, context)


@pytest.mark.parametrize("change", ["receipt", "unfinished"])
def test_an_old_notification_that_changes_just_before_the_purge_stays(
    settings: Any, change: str
) -> None:
    settings.RETENTION_DAYS = 90
    template("welcome")
    moving = row_with_status(person("alice"), Status.SENT)
    leaving = row_with_status(person("bob"), Status.SENT)
    Notification.objects.update(updated_at=timezone.now() - timedelta(days=100))
    # As if the purge ran in 95 days.
    known = rules.load(timezone.now() + timedelta(days=95))

    def move() -> None:
        columns: dict[str, Any] = (
            {"status": Status.DELIVERED, "updated_at": known.now}
            if change == "receipt"
            else {"status": Status.PENDING}
        )
        Notification.objects.filter(pk=moving.pk).update(**columns)

    meanwhile = BeforeTheLock(move)
    with connection.execute_wrapper(meanwhile):
        assert step(Position("shop", "live", UUID(int=0)), known) == (None, 1)
    assert meanwhile.done
    assert [row.pk for row in Notification.objects.all()] == [moving.pk]
    assert sum(DailyCount.objects.values_list("count", flat=True)) == 1
    assert leaving.pk != moving.pk


@pytest.fixture
def batch_id(lanes: Lanes) -> str:
    template("welcome")
    shop: APIClient = client_with(client="shop")
    return accepted_batch_id(upload(shop, ndjson(body(person("alice")))))


def test_a_batch_that_another_scheduler_has_locked_is_skipped(batch_id: str) -> None:
    with transaction.atomic():
        Batch.objects.select_for_update().get(pk=batch_id)
        assert ConcurrentWork(make_slice).result() is False
    assert Notification.objects.count() == 0
    assert make_slice()
    assert Notification.objects.count() == 1


@pytest.mark.parametrize("act", [control.pause, control.resume])
def test_an_operator_does_not_undo_a_concurrent_change_of_the_scheduler(
    batch_id: str, act: Any
) -> None:
    before = BatchState.RUNNING if act is control.pause else BatchState.PAUSED
    Batch.objects.update(state=before)
    with transaction.atomic():
        Batch.objects.select_for_update().get(pk=batch_id)
        Batch.objects.update(state=BatchState.FINISHED, next_at=None)
        operator = ConcurrentWork(lambda: act(batch_id))
        wait_until_blocked(1)
    with pytest.raises(Problem):
        operator.result()
    assert Batch.objects.get().state == BatchState.FINISHED


def test_a_cancel_does_not_undo_a_concurrent_finish_by_the_scheduler(batch_id: str) -> None:
    with transaction.atomic():
        Batch.objects.select_for_update().get(pk=batch_id)
        Batch.objects.update(state=BatchState.FINISHED, next_at=None)
        operator = ConcurrentWork(lambda: control.cancel(batch_id))  # type: ignore[arg-type] # A string works as well.
        wait_until_blocked(1)
    with pytest.raises(Problem):
        operator.result()
    assert Batch.objects.get().state == BatchState.FINISHED
