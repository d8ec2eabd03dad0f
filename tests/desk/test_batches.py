"""Batches: how far they are, their errors to read and download, held after a question."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from apps.desk.batches import progress_bars
from apps.desk.models import AuditEntry
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Batch, Notification
from apps.users.models import User
from tests.desk.conftest import Login
from tests.notifications.batches.batch_api import (
    accepted_batch_id,
    broadcast,
    make_all_slices,
    ndjson,
    upload,
)
from tests.notifications.factories import body, client_with

LIST = "/admin/batches/"


@pytest.fixture
def operator(login: Login) -> Client:
    return login("Operator")


@pytest.fixture
def shop(ada: User) -> APIClient:
    return client_with(client="shop")


@pytest.fixture
def mended(shop: APIClient, ada: User) -> Batch:
    """An upload of three rows, of which the second is rejected, with all slices made."""
    rows = [body(ada), {**body(ada), "user_id": "nobody@"}, body(ada)]
    batch_id = accepted_batch_id(upload(shop, ndjson(*rows)))
    make_all_slices()
    return Batch.objects.get(pk=batch_id)


@pytest.fixture
def running(shop: APIClient, ada: User) -> Batch:
    """An upload of which nothing has been made."""
    return Batch.objects.get(pk=accepted_batch_id(upload(shop, ndjson(*[body(ada)] * 3))))


def page_of(batch: Batch) -> str:
    return f"{LIST}{batch.pk}/"


def shown(answer: Any) -> list[Any]:
    return [line.batch.pk for line in answer.context["feed"].lines]


def act(client: Client, batch: Batch, name: str, *, confirmed: bool = True) -> Any:
    form = {"confirmed": "yes"} if confirmed else {}
    return client.post(f"{page_of(batch)}{name}/", form, follow=True)


def test_the_list_says_how_far_each_is(operator: Client, mended: Batch) -> None:
    page = operator.get(LIST).content.decode()

    assert "Upload of shop" in page
    assert "3 of 3" in page
    assert 'aria-label="3 of 3: 0 out, 0 failed, 0 not sent, 2 waiting"' in page
    assert page_of(mended) in page
    assert "1 batch" in page


def test_filters_are_combined_and_kept_in_the_address(
    operator: Client, mended: Batch, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.desk.batches.feed.PAGE_SIZE", 1)
    other = client_with(client="bank")
    sent = [accepted_batch_id(broadcast(other, {"user_ids": [str(ada.pk)]})) for _ in range(2)]

    first = operator.get(LIST, {"client": "bank", "source": "broadcast"})
    older = operator.get(f"{LIST}?{first.context['links']['older']}")

    assert [str(pk) for pk in shown(first) + shown(older)] == sent[::-1]
    assert 'value="bank"' in older.content.decode()
    assert shown(operator.get(LIST, {"state": "finished"})) == [mended.pk]
    assert "No batch fits." in operator.get(LIST, {"client": "nobody"}).content.decode()


def test_the_page_says_what_it_is_and_links_its_numbers(operator: Client, mended: Batch) -> None:
    page = operator.get(page_of(mended)).content.decode()

    assert "Upload of shop: all 3 rows were worked through." in page
    assert "1 became no message: see the errors." in page
    link = f"{reverse('desk:messages')}?batch_id={mended.pk}&amp;status=pending"
    assert f'<a href="{link}">2</a>' in page
    assert "line 2" in page
    assert "user_id: " in page
    assert "invalid</" not in page


def test_it_refreshes_while_its_numbers_change(operator: Client, mended: Batch) -> None:
    assert 'data-refresh="3"' in operator.get(page_of(mended)).content.decode()

    Notification.objects.update(status=Status.SENT)

    page = operator.get(page_of(mended)).content.decode()
    assert "data-refresh" not in page
    assert "2 out" in page


def test_a_total_that_is_being_counted_says_so(operator: Client, running: Batch) -> None:
    Batch.objects.update(counting=True)

    for address in (LIST, page_of(running)):
        assert "still being counted" in operator.get(address).content.decode()
    running.refresh_from_db()
    assert progress_bars.bar_of(running, {}).parts == []


def test_the_last_error_is_shown(operator: Client, running: Batch) -> None:
    Batch.objects.update(failures=2, last_error="OperationalError")

    page = operator.get(page_of(running)).content.decode()

    assert "The next step failed 2 times" in page
    assert "OperationalError" in page


def test_the_errors_are_downloaded_as_ndjson(login: Login, mended: Batch) -> None:
    answer: Any = login("Viewer").get(f"{page_of(mended)}errors.ndjson")

    assert answer["Content-Type"] == "application/x-ndjson"
    (line,) = answer.getvalue().splitlines()
    assert json.loads(line)["line"] == 2


def test_rows_to_mend_are_for_those_who_read_content_and_are_in_the_audit_trail(
    login: Login, operator: Client, mended: Batch
) -> None:
    viewer = login("Viewer")
    address = f"{page_of(mended)}errors.csv"

    answer: Any = operator.get(address)

    assert b"nobody@" in answer.getvalue()
    assert "attachment" in answer["Content-Disposition"]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.object_id) == ("errors_downloaded", str(mended.pk))
    assert address not in viewer.get(page_of(mended)).content.decode()
    assert viewer.get(address).status_code == 403
    assert operator.get(f"{page_of(mended)}errors.xlsx").status_code == 404


def test_the_errors_of_a_bulk_call_have_no_rows_and_are_for_all_who_see_it(
    login: Login, shop: APIClient, ada: User
) -> None:
    rows = {"notifications": [body(ada), {**body(ada), "template_code": "nothing"}]}
    shop.post("/api/v1/notifications/bulk", rows, format="json")
    viewer, batch = login("Viewer"), Batch.objects.get()

    page = viewer.get(page_of(batch)).content.decode()
    answer: Any = viewer.get(f"{page_of(batch)}errors.csv")

    assert "row 2" in page
    assert b"template_code" in answer.getvalue()


def test_an_act_asks_first_with_numbers(operator: Client, running: Batch) -> None:
    page = act(operator, running, "cancel", confirmed=False).content.decode()

    assert "Cancel this batch?" in page
    assert "This cannot be undone" in page
    assert "<td>3</td>" in page
    running.refresh_from_db()
    assert running.state == "running"


def test_a_batch_is_paused_resumed_and_cancelled_and_it_is_in_the_audit_trail(
    operator: Client, running: Batch
) -> None:
    for name, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        page = act(operator, running, name).content.decode()
        running.refresh_from_db()
        assert running.state == state

    assert "The batch was cancelled." in page
    assert "Operator cancelled it" in page
    trail = AuditEntry.objects.filter(object_type="batch").order_by("pk")
    assert [entry.action for entry in trail] == ["paused", "resumed", "cancelled"]


def test_what_is_not_possible_is_said_in_one_line(operator: Client, mended: Batch) -> None:
    asked = act(operator, mended, "pause", confirmed=False).content.decode()
    page = act(operator, mended, "pause")

    assert "This batch cannot be paused" in asked
    assert len(page.context["messages"]) == 1
    assert "A batch that is finished cannot be paused." in page.content.decode()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("name", ["pause", "resume", "cancel"])
def test_a_viewer_may_do_nothing(login: Login, running: Batch, name: str) -> None:
    assert act(login("Viewer"), running, name).status_code == 403

    running.refresh_from_db()
    assert running.state == "running"
