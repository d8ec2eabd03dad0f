"""The one search of every page."""

import pytest
from django.urls import reverse

from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Attempt, Batch, BatchSource
from apps.users.models import User
from tests.desk.conftest import Login
from tests.notifications.factories import accepted, row_with_status

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
