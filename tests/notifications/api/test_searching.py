"""A filtered list searches a limited number of rows for each page, and says how far."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from rest_framework.test import APIClient

from apps.common.callers import Caller, Scope
from apps.common.ids import time_of
from apps.common.rest.pagination import BoundedNewestFirst
from apps.notifications.api.notification_access import VIEW_PERMISSION
from apps.notifications.models import Attempt, Notification
from apps.users.models import User
from apps.users.models.user import ALWAYS
from tests.notifications.delivering import deliver_and_refresh
from tests.notifications.factories import accepted, client_with, template

pytestmark = pytest.mark.django_db

URL = "/api/v1/notifications/"
SEARCHED = 5


@pytest.fixture(autouse=True)
def _five_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedNewestFirst, "rows_searched", SEARCHED)


@pytest.fixture
def rows(alice: User) -> list[Notification]:
    """Twelve mails, newest first, of which the first, seventh and last one failed."""
    found = [accepted(alice) for _ in range(12)][::-1]
    failed = [found[place].pk for place in (0, 6, 11)]
    Notification.objects.exclude(pk__in=failed).update(status="sent")
    Notification.objects.filter(pk__in=failed).update(status="failed")
    return found


def pages(client: APIClient, link: str = "next", **query: Any) -> Iterator[Any]:
    while True:
        answer = client.get(URL, query)
        assert answer.status_code == 200, answer.json()
        page = answer.json()
        yield page
        if page[link] is None:
            return
        query = {name: values[0] for name, values in parse_qs(urlsplit(page[link]).query).items()}


def ids(page: Any) -> list[str]:
    return [row["id"] for row in page["results"]]


def test_a_page_that_is_not_full_says_how_far_it_has_searched(
    shop: APIClient, rows: list[Notification]
) -> None:
    template("other")
    Notification.objects.filter(pk=rows[6].pk).update(template_code="other")

    first, second, third = pages(shop, notification_type="email", status="sent", page_size=50)

    assert ids(first) == [str(row.pk) for row in rows[1:5]]
    assert first["searched_to"][:23] == time_of(rows[4].pk).isoformat()[:23]
    assert ids(second) == [str(rows[place].pk) for place in (5, 7, 8, 9)]
    assert ids(third) == [str(rows[10].pk)]
    assert "searched_to" not in third


def test_an_empty_page_goes_on_where_it_ended(shop: APIClient, rows: list[Notification]) -> None:
    found = list(pages(shop, status="pending"))

    assert [ids(page) for page in found] == [[], [], []]
    assert [page["next"] is None for page in found] == [False, False, True]


def test_a_full_page_needs_no_more_rows(shop: APIClient, rows: list[Notification]) -> None:
    found = list(pages(shop, status="sent", page_size=2))

    assert sum(len(page["results"]) for page in found) == 9
    assert "searched_to" not in found[0]


def test_all_rows_are_found_once_in_both_directions(
    shop: APIClient, rows: list[Notification]
) -> None:
    found = list(pages(shop, status="sent", page_size=3))
    forward = [pk for page in found for pk in ids(page)]
    assert forward == [str(row.pk) for row in rows if row.pk not in failed_of(rows)]

    end = found[-1]["previous"]
    query = {name: values[0] for name, values in parse_qs(urlsplit(end).query).items()}
    back = [ids(page) for page in pages(shop, "previous", **query)]
    assert [pk for page in back[::-1] for pk in page] == forward[: -len(ids(found[-1]))]


def failed_of(rows: list[Notification]) -> set[Any]:
    return {rows[place].pk for place in (0, 6, 11)}


def test_a_rare_status_is_found_at_once(shop: APIClient, rows: list[Notification]) -> None:
    (page,) = pages(shop, status="failed")

    assert ids(page) == [str(rows[place].pk) for place in (0, 6, 11)]
    assert "searched_to" not in page


def test_rare_rows_of_other_clients_are_searched_and_not_shown(
    rows: list[Notification],
) -> None:
    other = client_with(Scope.NOTIFICATIONS_READ, client="other")
    Notification.objects.update(status="failed")

    found = list(pages(other, status="failed"))

    assert [ids(page) for page in found] == [[], [], []]
    assert all("searched_to" in page for page in found[:-1])


def test_an_unfiltered_list_has_no_limit(shop: APIClient, rows: list[Notification]) -> None:
    (page,) = pages(shop)

    assert len(page["results"]) == 12
    assert "searched_to" not in page


def test_a_message_is_found_by_the_id_of_the_provider(shop: APIClient, alice: User) -> None:
    row, other = accepted(alice), accepted(alice)
    deliver_and_refresh(row, other)
    Attempt.objects.filter(notification=row).update(provider_message_id="msg-1")
    Attempt.objects.filter(notification=other).update(provider_message_id="")

    (page,) = pages(shop, provider_message_id="msg-1")

    assert ids(page) == [str(row.pk)]
    assert client_ids(client_with(Scope.NOTIFICATIONS_READ, client="other")) == []


def client_ids(client: APIClient) -> list[str]:
    (page,) = pages(client, provider_message_id="msg-1")
    return ids(page)


def test_the_notifications_of_the_owner_of_an_address_are_found(
    shop: APIClient, alice: User, bob: User
) -> None:
    row, _ = accepted(alice), accepted(bob)

    (page,) = pages(shop, email="ALICE@example.com")

    assert ids(page) == [str(row.pk)]


@pytest.mark.parametrize("address", ["nobody@example.com", "alice", "@"])
def test_an_address_without_an_account_finds_nothing(
    shop: APIClient, alice: User, address: str
) -> None:
    accepted(alice)

    (page,) = pages(shop, email=address)

    assert ids(page) == []


def test_an_address_and_another_user_find_nothing(shop: APIClient, alice: User, bob: User) -> None:
    accepted(alice), accepted(bob)

    (page,) = pages(shop, email="alice@example.com", user_id=str(bob.pk))

    assert ids(page) == []


def test_a_key_without_the_right_to_read_users_finds_no_address(alice: User) -> None:
    client = client_with(Scope.NOTIFICATIONS_READ)

    answer = client.get(URL, {"email": "alice@example.com"})

    assert answer.status_code == 403
    assert answer["Content-Type"] == "application/problem+json"


def test_a_user_may_not_look_an_address_up(alice: User) -> None:
    client = APIClient()
    caller: Any = Caller(client=None, user_id=alice.pk, reads_from=ALWAYS)
    client.force_authenticate(alice, caller)

    assert client.get(URL, {"email": "alice@example.com"}).status_code == 403


def test_staff_need_the_permission_to_read_users(alice: User) -> None:
    row, client = accepted(alice), APIClient()
    for permissions, status in (
        ({VIEW_PERMISSION}, 403),
        ({VIEW_PERMISSION, "users.view_user"}, 200),
    ):
        caller: Any = Caller(
            client="staff:1", user_id=alice.pk, is_staff=True, permissions=frozenset(permissions)
        )
        client.force_authenticate(alice, caller)
        answer = client.get(URL, {"email": "alice@example.com"})
        assert answer.status_code == status
    assert ids(answer.json()) == [str(row.pk)]
