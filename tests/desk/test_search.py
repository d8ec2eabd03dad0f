"""The one search of every page."""

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.common.ids import new_id
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Attempt, Batch, BatchSource
from apps.users.models import User
from apps.webhooks import outbox
from tests.desk.conftest import Login
from tests.desk.webhook_rows import delivery, webhook
from tests.notifications.factories import accepted, row_with_status
from tests.webhooks.factories import an_event

SEARCH = "/admin/search/"


@pytest.mark.parametrize("term", ["ada@example.com", "ada", "{pk}"])
def test_one_hit_opens_it(login: Login, ada: User, term: str) -> None:
    answer = login("Viewer").get(SEARCH, {"q": term.format(pk=ada.pk)})

    assert answer.status_code == 302
    assert answer["Location"] == reverse("desk:person", args=[ada.pk])


@pytest.mark.parametrize("term", ["{pk}", "order-7", "trace-7", "<provider-7>"])
def test_a_message_is_found_by_each_of_its_ids(login: Login, ada: User, term: str) -> None:
    row = row_with_status(ada, Status.SENT, request_id="order-7", correlation_id="trace-7")
    Attempt.objects.create(
        notification=row,
        number=1,
        provider="smtp",
        outcome="accepted",
        provider_message_id="<provider-7>",
        started_at=row.created_at,
        duration_ms=1,
    )

    answer = login("Viewer").get(SEARCH, {"q": term.format(pk=row.pk)})

    assert answer["Location"] == reverse("desk:message", args=[row.pk])


def test_a_webhook_a_delivery_and_an_event_are_found_by_their_ids(login: Login) -> None:
    viewer, hook = login("Viewer"), webhook()
    told = outbox.delivery_of(an_event(), hook.pk, event_id=new_id())
    told.save()
    other = delivery(hook)
    expected = {
        hook.pk: reverse("desk:webhook", args=[hook.pk]),
        told.pk: reverse("desk:webhook-delivery", args=[hook.pk, told.pk]),
        told.event_id: reverse("desk:webhook-delivery", args=[hook.pk, told.pk]),
        other.pk: reverse("desk:webhook-delivery", args=[hook.pk, other.pk]),
    }

    found = {pk: viewer.get(SEARCH, {"q": str(pk)}).headers.get("Location") for pk in expected}

    assert found == expected


def test_an_event_that_two_webhooks_got_is_found_twice(login: Login) -> None:
    first, second, gone = webhook(), webhook(), webhook(deleted_at=timezone.now())
    event_id = new_id()
    for hook in (first, second, gone):
        delivery(hook, event_id=event_id)

    page = login("Viewer").get(SEARCH, {"q": str(event_id)}).content.decode()

    assert "Deliveries to webhooks" in page
    assert [str(hook.pk) in page for hook in (first, second, gone)] == [True, True, False]


def test_several_hits_are_listed(login: Login, ada: User) -> None:
    row = accepted(ada, request_id="ada")
    batch = Batch.objects.create(
        client="shop", kind="live", source=BatchSource.BULK, request_id="ada"
    )

    page = login("Viewer").get(SEARCH, {"q": "ada"}).content.decode()

    assert reverse("desk:person", args=[ada.pk]) in page
    assert reverse("desk:message", args=[row.pk]) in page
    assert str(batch.pk) in page


def test_nothing_is_said_to_be_nothing(login: Login, ada: User) -> None:
    assert "Nothing is called" in login("Viewer").get(SEARCH, {"q": "zoe"}).content.decode()
    assert "Enter an address" in login("Viewer2").get(SEARCH).content.decode()
