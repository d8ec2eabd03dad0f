"""Staff find messages by ids and people, page by page, and see how far a page has searched."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from apps.common import keyset
from apps.desk.letters import feed as letter_feed
from apps.desk.messages import feed
from apps.notifications import search
from apps.notifications.models import Attempt, Batch, DeadLetter, Notification
from apps.users.models import ExternalId, User
from tests.notifications.delivering import deliver_and_refresh
from tests.notifications.factories import accepted, person, template

pytestmark = pytest.mark.django_db

UUID_4 = "84cf1bf1-28a6-457e-8900-921a8db97913"
UUID_7 = "01a22382-6c3d-7408-83ae-ad77bb3ef532"
URL = "/admin/messages/"
LETTERS = "/admin/dead-letters/"


@pytest.fixture
def admin(client: Client) -> Client:
    root: Any = User.objects.create_superuser(name="", email="root@example.com")
    client.force_login(root)
    return client


@pytest.fixture
def alice(_templates: None) -> User:
    return person("alice")


@pytest.fixture
def bob(_templates: None) -> User:
    return person("bob")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of three rows, which search five."""
    monkeypatch.setattr(keyset, "ROWS_SEARCHED", 5)
    monkeypatch.setattr(search, "USERS_ROWS", 5)
    monkeypatch.setattr(feed, "PAGE_SIZE", 3)


def shown(answer: Any) -> list[Any]:
    assert answer.status_code == 200
    return [line.row.pk for line in answer.context["feed"].lines]


def link(answer: Any, words: str) -> str | None:
    found = re.search(rf'<a href="([^"]*)">{words}</a>', answer.content.decode())
    return unescape(found[1]) if found else None


def pages(admin: Client, words: str = "Older", path: str = "") -> Iterator[Any]:
    while True:
        answer = admin.get(f"{URL}{path}")
        yield answer
        following = link(answer, words)
        if following is None:
            return
        path = following


def test_a_search_finds_the_rows_of_a_batch(admin: Client, alice: User) -> None:
    batch = Batch.objects.create(client="shop", kind="live", body_digest=b"")
    row, _ = accepted(alice), accepted(alice)
    Notification.objects.filter(pk=row.pk).update(batch_id=batch.pk)

    assert shown(admin.get(URL, {"q": str(batch.pk)})) == [row.pk]


def test_a_search_finds_the_id_of_the_provider(admin: Client, alice: User) -> None:
    row, other = accepted(alice), accepted(alice)
    deliver_and_refresh(row, other)
    Attempt.objects.filter(notification=row).update(provider_message_id="msg-1")

    assert shown(admin.get(URL, {"q": "msg-1"})) == [row.pk]


def test_a_uuid_may_be_a_request_id(admin: Client, alice: User) -> None:
    key = str(uuid4())
    row = accepted(alice, request_id=key)

    assert shown(admin.get(URL, {"q": key})) == [row.pk]


@pytest.mark.parametrize("term", ["ALICE@example.com", "alice@", "Ali", "customer-7"])
def test_a_search_finds_the_notifications_of_a_user(
    admin: Client, alice: User, bob: User, term: str
) -> None:
    ExternalId.objects.create(user=alice, client="shop", value="customer-7")
    rows = [accepted(alice), accepted(alice)]
    accepted(bob)

    assert shown(admin.get(URL, {"q": term})) == [rows[1].pk, rows[0].pk]


def test_staff_who_may_not_see_users_find_nothing_by_their_addresses(
    client: Client, alice: User
) -> None:
    row, staff = accepted(alice), person("viewer", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_notification"))
    client.force_login(staff)

    for term in ("alice@example.com", "ali"):
        assert shown(client.get(URL, {"q": term})) == []
    assert shown(client.get(URL, {"q": str(row.pk)})) == [row.pk]


def test_the_notifications_of_several_users_are_merged_newest_first(
    admin: Client, small: None
) -> None:
    template("welcome")
    users = [person(f"ann{number}") for number in range(3)]
    rows = [accepted(users[number % 3]) for number in range(8)][::-1]
    accepted(person("bea"))

    found = list(pages(admin, path="?q=ann"))

    assert [pk for page in found for pk in shown(page)] == [row.pk for row in rows]
    last = f"?q=ann&page=from-{rows[7].pk}"
    back = list(pages(admin, "Newer", last))
    assert [pk for page in back[::-1] for pk in shown(page)] == [row.pk for row in rows]


def test_a_search_among_users_is_filtered_a_limited_number_of_rows_a_page(
    admin: Client, small: None
) -> None:
    template("welcome")
    users = [person(f"ann{number}") for number in range(3)]
    rows = [accepted(users[number % 3]) for number in range(12)][::-1]
    Notification.objects.filter(pk__in=[rows[6].pk, rows[11].pk]).update(channel="push")

    found = list(pages(admin, path="?q=ann&channel=push"))

    assert [shown(page) for page in found] == [[], [rows[6].pk], [rows[11].pk]]


def test_a_term_of_too_many_users_says_so(
    admin: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.users.search.USERS_MAX", 1)
    person("alina")
    accepted(alice)

    page = admin.get(URL, {"q": "ali"})

    assert shown(page) != []
    assert b"more than 1 people; not all are searched" in page.content


def test_pages_go_back_and_forth_without_numbers(admin: Client, alice: User, small: None) -> None:
    rows = [accepted(alice).pk for _ in range(8)][::-1]

    found = [shown(page) for page in pages(admin)]
    assert found == [rows[:3], rows[3:6], rows[6:]]
    *_, last = pages(admin)
    assert [shown(page) for page in pages(admin, "Newer", link(last, "Newer") or "")] == [
        rows[3:6],
        rows[:3],
    ]


def test_a_page_that_could_not_be_filled_says_how_far_it_has_searched(
    admin: Client, alice: User, small: None
) -> None:
    rows = [accepted(alice) for _ in range(12)][::-1]
    Notification.objects.filter(pk__in=[rows[0].pk, rows[7].pk]).update(channel="push")

    first, second, third = pages(admin, "Older", "?channel=push")

    assert [shown(page) for page in (first, second, third)] == [[rows[0].pk], [rows[7].pk], []]
    assert b"searched to" in first.content
    assert b"searched to" not in third.content
    assert b"more than these" in first.content


def test_a_full_page_does_not_end_early(admin: Client, alice: User, small: None) -> None:
    rows = [accepted(alice).pk for _ in range(12)][::-1]

    found = list(pages(admin, path="?channel=email"))

    assert [pk for page in found for pk in shown(page)] == rows
    assert b"searched to" not in found[0].content


def test_a_list_says_how_many_rows_it_has_if_it_can_count_them(
    admin: Client, alice: User, small: None
) -> None:
    for expected in (b">1 message<", b">2 messages<", b">3 messages<"):
        accepted(alice)
        assert expected in admin.get(URL).content
    accepted(alice)
    assert b">4 messages<" in admin.get(URL).content
    accepted(alice), accepted(alice)
    assert b"more than 5 messages" in admin.get(URL).content


@pytest.mark.parametrize("position", ["before-x", "from-", "7", "before-0"])
def test_a_malformed_page_is_the_first_one(admin: Client, alice: User, position: str) -> None:
    row = accepted(alice)

    assert shown(admin.get(URL, {"page": position})) == [row.pk]


@pytest.mark.parametrize("term", ["'", "%", "x" * 5000, UUID_4, UUID_7, "ü", "@"])
def test_any_term_is_searched(admin: Client, alice: User, term: str) -> None:
    accepted(alice)

    assert shown(admin.get(URL, {"q": term})) == []


@pytest.mark.parametrize("column", ["pk", "user_id", "correlation_id", "request_id"])
def test_a_search_finds_each_id_in_full(admin: Client, alice: User, bob: User, column: str) -> None:
    row = accepted(alice, request_id="order-1")
    accepted(bob, request_id="order-2")
    Notification.objects.filter(pk=row.pk).update(correlation_id="trace-1")
    row.refresh_from_db()

    assert shown(admin.get(URL, {"q": str(getattr(row, column))})) == [row.pk]


def test_rare_statuses_are_filtered_newest_first(admin: Client, alice: User) -> None:
    rows = [accepted(alice) for _ in range(3)]
    Notification.objects.filter(pk__in=[rows[0].pk, rows[2].pk]).update(status="failed")

    assert shown(admin.get(URL, {"status": "failed"})) == [rows[2].pk, rows[0].pk]


def test_a_message_of_the_queue_is_found_by_its_id(admin: Client) -> None:
    letter = DeadLetter.objects.create(message_id="message-2", reason="rejected")

    found = admin.get("/admin/search/", {"q": "message-2"})

    assert found.status_code == 302
    assert found["Location"] == f"{LETTERS}{letter.pk}/"


def test_letters_of_both_kinds_are_merged_newest_first(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letter_feed, "PAGE_SIZE", 2)
    letters = [
        DeadLetter.objects.create(message_id=f"m-{n}", reason="rejected", kind=kind).pk
        for n, kind in enumerate(["live", "test", "live", "test", "live"])
    ][::-1]
    DeadLetter.objects.filter(pk=letters[2]).update(state="discarded")

    def listed(answer: Any) -> list[Any]:
        return [line.letter.pk for line in answer.context["feed"].lines]

    first = admin.get(LETTERS)
    second = admin.get(f"{LETTERS}{link(first, 'Older')}")

    assert listed(first) == letters[:2]
    assert listed(second) == letters[3:]
    assert listed(admin.get(LETTERS, {"state": "all", "reason": "rejected"})) == letters[:2]
