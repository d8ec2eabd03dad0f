"""A batch with unreadable or failing parts delays no other batch and completes the rest."""

import re
import zlib
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.failure_isolation import FAILURES_MAX
from apps.notifications.batches import slices
from apps.notifications.batches.materialize import make_slice
from apps.notifications.batches.upload import drop_incomplete_uploads
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Batch, BatchSlice, BatchState, Event, Notification
from apps.templates import rendering
from apps.templates.models import TemplateVersion
from apps.users.models import User
from tests.notifications.batches.batch_api import (
    BATCHES,
    accepted_batch_id,
    broadcast,
    errors,
    make_all_slices,
    ndjson,
    read,
    upload,
)
from tests.notifications.factories import body, template

pytestmark = pytest.mark.django_db


def waits_of(batch_id: str, *, tries: int) -> list[int]:
    """Make a batch due ``tries`` times, and return the delays in seconds until the next try."""
    waits = []
    for _ in range(tries):
        Batch.objects.filter(pk=batch_id).update(next_at=timezone.now())
        assert make_slice()
        next_at = Batch.objects.get(pk=batch_id).next_at
        assert next_at is not None
        waits.append(round((next_at - timezone.now()).total_seconds()))
    return waits


@pytest.mark.parametrize("garbage", [b"garbage", b""])
def test_an_unreadable_slice_does_not_stop_other_batches(
    shop: APIClient, alice: User, garbage: bytes
) -> None:
    bad = accepted_batch_id(upload(shop, ndjson(*[body(alice)] * 501)))
    good = accepted_batch_id(upload(shop, ndjson(body(alice))))
    BatchSlice.objects.filter(batch_id=bad, first_index=0).update(rows=garbage)
    assert make_slice()
    assert make_slice()
    assert read(shop, good)["state"] == "finished"
    got = read(shop, bad)
    assert (got["state"], got["failures"], got["last_error"]) == ("running", 1, "zlib.error")
    assert got["accepted"] == got["rejected"] == 0


def test_an_unreadable_slice_is_given_up_after_its_retries_and_the_rest_is_made(
    shop: APIClient, alice: User
) -> None:
    batch_id = accepted_batch_id(upload(shop, ndjson(*[body(alice)] * 1001)))
    BatchSlice.objects.filter(batch_id=batch_id, first_index=500).update(rows=b"garbage")
    assert make_slice()
    assert waits_of(batch_id, tries=FAILURES_MAX - 1) == [5, 10, 20, 40, 80, 160, 320]
    make_all_slices()
    got = read(shop, batch_id)
    assert (got["state"], got["accepted"], got["rejected"]) == ("finished", 501, 500)
    assert (got["progress"], got["failures"], got["last_error"]) == (0.4995, 0, "zlib.error")
    reported = errors(shop, batch_id)
    assert [one["index"] for one in reported] == list(range(500, 1000))
    assert reported[0]["errors"] == [
        {
            "pointer": "",
            "code": "could_not_be_made",
            "detail": "This row could not be made in 8 tries: zlib.error.",
        }
    ]


def test_a_batch_whose_terms_cannot_be_read_ends_with_all_its_rows_rejected(
    shop: APIClient, alice: User
) -> None:
    batch_id = accepted_batch_id(upload(shop, ndjson(*[body(alice)] * 1001)))
    Batch.objects.filter(pk=batch_id).update(terms={})
    waits_of(batch_id, tries=FAILURES_MAX)
    # The remaining slices fail with the same error and are given up without further retries.
    assert make_all_slices() == 2
    got = read(shop, batch_id)
    assert (got["state"], got["rejected"], got["last_error"]) == ("finished", 1001, "KeyError")


@pytest.mark.parametrize("terms", [{}, {"request": {}, "by_name": False}])
def test_a_broadcast_whose_terms_cannot_be_read_ends_with_all_its_rows_rejected(
    shop: APIClient, alice: User, bob: User, terms: dict[str, Any]
) -> None:
    batch_id = accepted_batch_id(broadcast(shop, {"all": True}))
    Batch.objects.filter(pk=batch_id).update(terms=terms, total=700)
    waits_of(batch_id, tries=FAILURES_MAX)
    assert make_all_slices() == 1
    got = read(shop, batch_id)
    assert (got["state"], got["rejected"]) == ("finished", 700)
    assert Notification.objects.count() == 0


def test_one_row_that_cannot_be_read_does_not_fail_the_others(
    shop: APIClient, alice: User, bob: User
) -> None:
    batch_id = accepted_batch_id(broadcast(shop, {"user_ids": [str(alice.pk), str(bob.pk)]}))
    piece = BatchSlice.objects.get(batch_id=batch_id)
    piece.rows = zlib.compress(b"\n".join([slices.rows_of(piece)[0], b"nobody"]))
    piece.save()
    waits_of(batch_id, tries=FAILURES_MAX - 1)
    make_all_slices()
    got = read(shop, batch_id)
    assert (got["state"], got["accepted"], got["rejected"]) == ("finished", 1, 1)
    assert [one["index"] for one in errors(shop, batch_id)] == [1]


def test_one_row_that_cannot_be_made_does_not_fail_the_others(shop: APIClient, alice: User) -> None:
    template("damaged")
    rows = [body(alice) for _ in range(5)]
    rows[3]["template_code"] = "damaged"
    batch_id = accepted_batch_id(upload(shop, ndjson(*rows)))
    TemplateVersion.objects.filter(template__code="damaged").update(required=[7])
    rendering.forget()
    waits_of(batch_id, tries=FAILURES_MAX - 1)
    assert Notification.objects.count() == 0
    make_all_slices()
    got = read(shop, batch_id)
    assert (got["state"], got["accepted"], got["rejected"]) == ("finished", 4, 1)
    assert [one["index"] for one in errors(shop, batch_id)] == [3]


def test_the_desk_shows_the_last_error_of_a_batch(
    shop: APIClient, alice: User, admin_client: Any
) -> None:
    batch_id = accepted_batch_id(upload(shop, ndjson(body(alice))))
    BatchSlice.objects.update(rows=b"garbage")
    make_slice()
    page = admin_client.get(f"/admin/batches/{batch_id}/")
    assert page.status_code == 200
    assert "zlib.error" in page.content.decode()


@pytest.mark.parametrize("later", [Status.RETRYING, Status.PENDING])
def test_a_row_that_a_worker_held_is_cancelled_when_it_is_released(
    shop: APIClient, alice: User, later: Status
) -> None:
    batch_id = accepted_batch_id(upload(shop, ndjson(*[body(alice)] * 4)))
    make_all_slices()
    held, gone, *_ = Notification.objects.order_by("pk")
    Notification.objects.filter(pk__in=[held.pk, gone.pk]).update(status=Status.SENDING)
    assert shop.post(f"{BATCHES}{batch_id}/cancel").status_code == 200
    assert make_slice()
    assert read(shop, batch_id)["counts"] == {"cancelled": 2, "sending": 2}
    assert Batch.objects.get(pk=batch_id).next_at is not None
    Notification.objects.filter(pk=held.pk).update(status=later)
    Notification.objects.filter(pk=gone.pk).update(status=Status.SENT)
    make_all_slices()
    got = read(shop, batch_id)
    assert got["counts"] == {"cancelled": 3, "sent": 1}
    assert got["ended_at"] is not None
    assert Batch.objects.get(pk=batch_id).next_at is None
    assert set(Event.objects.values_list("detail", flat=True)) == {"the batch was cancelled"}


def test_cancelling_checks_rows_that_a_worker_holds_less_and_less_often(
    shop: APIClient, alice: User
) -> None:
    batch_id = accepted_batch_id(upload(shop, ndjson(body(alice))))
    make_all_slices()
    Notification.objects.update(status=Status.SENDING)
    shop.post(f"{BATCHES}{batch_id}/cancel")
    assert waits_of(batch_id, tries=9) == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_bulk_call_of_which_a_worker_holds_all_can_be_cancelled(
    shop: APIClient, alice: User
) -> None:
    answer = shop.post(
        "/api/v1/notifications/bulk", {"notifications": [body(alice)] * 3}, format="json"
    )
    batch_id = answer.json()["batch_id"]
    Notification.objects.update(status=Status.SENDING)
    assert shop.post(f"{BATCHES}{batch_id}/cancel").status_code == 200
    assert make_slice()
    Notification.objects.update(status=Status.RETRYING)
    make_all_slices()
    assert read(shop, batch_id)["counts"] == {"cancelled": 3}


def test_a_step_of_cancelling_reads_only_rows_that_no_step_has_handled(
    shop: APIClient, alice: User
) -> None:
    batch_id = accepted_batch_id(upload(shop, ndjson(*[body(alice)] * 1500)))
    make_all_slices()
    other = accepted_batch_id(upload(shop, ndjson(body(alice))))
    make_all_slices()
    shop.post(f"{BATCHES}{batch_id}/cancel")
    assert make_slice()
    ids = list(Notification.objects.filter(status="cancelled").values_list("pk", flat=True))
    assert len(ids) == 1000
    with CaptureQueriesContext(connection) as captured:
        assert make_slice()
    walk = [
        query["sql"]
        for query in captured
        if query["sql"].startswith("SELECT") and "LIMIT 1000" in query["sql"]
    ]
    assert len(walk) == 1
    where = walk[0].partition(" WHERE ")[2]
    last = str(max(ids))
    assert re.search(rf"\"id\" > '?({last}|{last.replace('-', '')})", where)
    assert "batch_id" not in where
    assert read(shop, batch_id)["counts"] == {"cancelled": 1500}
    assert read(shop, other)["counts"] == {"pending": 1}


def test_an_interrupted_upload_is_deleted_with_its_slices(shop: APIClient, alice: User) -> None:
    batch_id = accepted_batch_id(upload(shop, ndjson(body(alice))))
    Batch.objects.update(state=BatchState.RECEIVING, next_at=timezone.now() - timedelta(seconds=1))
    assert drop_incomplete_uploads()
    assert not drop_incomplete_uploads()
    assert not BatchSlice.objects.filter(batch_id=batch_id).exists()
