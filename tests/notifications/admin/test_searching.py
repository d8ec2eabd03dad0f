"""Staff find notifications by ids and users, page by page, and see how far a page has searched."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from apps.common import keyset
from apps.common.ids import new_id
from apps.notifications import search
from apps.notifications.admin.notifications import NotificationAdmin
from apps.notifications.models import (
    Attempt,
    Batch,
    DeadLetter,
    DeadLetterAction,
    Notification,
)
from apps.users.models import ExternalId, User
from tests.notifications.delivering import deliver_and_refresh
from tests.notifications.factories import accepted, person, template

pytestmark = pytest.mark.django_db

UUID_4 = "84cf1bf1-28a6-457e-8900-921a8db97913"
UUID_7 = "01a22382-6c3d-7408-83ae-ad77bb3ef532"
URL = "/admin/notifications/notification/"
LETTERS = "/admin/notifications/deadletter/"


@pytest.fixture
def admin(client: Client) -> Client:
    root: Any = User.objects.create_superuser(name="", email="root@example.com", password="x")
    client.force_login(root)
    return client


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of three rows, which search five."""
    monkeypatch.setattr(keyset, "ROWS_SEARCHED", 5)
    monkeypatch.setattr(search, "USERS_ROWS", 5)
    monkeypatch.setattr(NotificationAdmin, "list_per_page", 3)


def shown(answer: Any) -> list[Any]:
    assert answer.status_code == 200
    return [row.pk for row in answer.context["cl"].result_list]


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
    last = found[-1].context["cl"].get_query_string({"p": f"from-{rows[7].pk}"})
    back = list(pages(admin, "Newer", last))
    assert [pk for page in back[::-1] for pk in shown(page)] == [row.pk for row in rows]


def test_a_search_among_users_is_filtered_a_limited_number_of_rows_a_page(
    admin: Client, small: None
) -> None:
    template("welcome")
    users = [person(f"ann{number}") for number in range(3)]
    rows = [accepted(users[number % 3]) for number in range(12)][::-1]
    Notification.objects.filter(pk__in=[rows[6].pk, rows[11].pk]).update(channel="push")

    found = list(pages(admin, path="?q=ann&channel__exact=push"))

    assert [shown(page) for page in found] == [[], [rows[6].pk], [rows[11].pk]]


def test_a_term_of_too_many_users_says_so(
    admin: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.users.search.USERS_MAX", 1)
    person("alina")
    accepted(alice)

    page = admin.get(URL, {"q": "ali"})

    assert shown(page) != []
    assert b"more than 1 users; not all are searched" in page.content


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

    first, second, third = pages(admin, "Search older notifications", "?channel__exact=push")

    assert [shown(page) for page in (first, second, third)] == [[rows[0].pk], [rows[7].pk], []]
    assert b"Searched to 20" in first.content
    assert b"Searched to" not in third.content
    assert b"more than 5 notifications to search" in first.content


def test_a_full_page_does_not_end_early(admin: Client, alice: User, small: None) -> None:
    rows = [accepted(alice).pk for _ in range(12)][::-1]

    found = list(pages(admin, path="?channel__exact=email"))

    assert [pk for page in found for pk in shown(page)] == rows
    assert b"Searched to" not in found[0].content


def test_a_list_says_how_many_rows_it_has_if_it_can_count_them(
    admin: Client, alice: User, small: None
) -> None:
    for expected in (b"\n1 notification\n", b"2 notifications", b"3 notifications"):
        accepted(alice)
        assert expected in admin.get(URL).content
    accepted(alice)
    assert b"4 notifications" in admin.get(URL).content
    accepted(alice), accepted(alice)
    assert b"more than 5 notifications" in admin.get(URL).content


def test_the_time_of_creation_is_filtered_by_the_ids(admin: Client, alice: User) -> None:
    row = accepted(alice)
    day = f"{row.created_at:%Y-%m-%d} 00:00:00+00:00"

    assert shown(admin.get(URL, {"created_at__gte": day})) == [row.pk]
    assert shown(admin.get(URL, {"created_at__lt": day})) == []
    assert admin.get(URL, {"created_at__lt": "yesterday"}).status_code == 302


@pytest.mark.parametrize("position", ["before-x", "from-", "7", "before-0"])
def test_a_malformed_page_is_the_first_one(admin: Client, alice: User, position: str) -> None:
    row = accepted(alice)

    assert shown(admin.get(URL, {"p": position})) == [row.pk]


@pytest.mark.parametrize("term", ["'", "%", "x" * 5000, UUID_4, UUID_7, "ü", "@"])
def test_any_term_is_searched(admin: Client, alice: User, term: str) -> None:
    accepted(alice)

    assert shown(admin.get(URL, {"q": term})) == []


def test_an_action_takes_only_chosen_rows(admin: Client, alice: User) -> None:
    rows = [accepted(alice) for _ in range(2)]
    action = {"action": "cancel", "_selected_action": [str(rows[0].pk)]}

    assert (
        b"Choose rows of the page"
        in admin.post(URL, {**action, "select_across": "1"}, follow=True).content
    )
    assert set(Notification.objects.values_list("status", flat=True)) == {"pending"}
    admin.post(URL, action)
    assert Notification.objects.get(status="cancelled").pk == rows[0].pk


@pytest.mark.parametrize("term", ["{id}", "file-1", "shop"])
def test_a_batch_is_found_by_id_request_and_client(admin: Client, term: str) -> None:
    fields = {"kind": "live", "body_digest": b""}
    batch = Batch.objects.create(client="shop", request_id="file-1", **fields)
    Batch.objects.create(client="other", request_id="file-2", **fields)

    found = admin.get("/admin/notifications/batch/", {"q": term.format(id=batch.pk)})

    assert shown(found) == [batch.pk]


@pytest.mark.parametrize("term", ["{pk}", "{notification_id}", "welcome"])
def test_a_dead_letter_is_found_by_its_ids_and_template(
    admin: Client, alice: User, term: str
) -> None:
    row = accepted(alice)
    letter = DeadLetter.objects.create(
        notification=row, reason="crashed", channel="email", template_code="welcome"
    )
    DeadLetter.objects.create(message_id="message-2", reason="rejected", channel="push")

    query = {"q": term.format(pk=letter.pk, notification_id=row.pk)}

    assert shown(admin.get(LETTERS, query)) == [letter.pk]


def test_a_poison_message_is_found_by_its_id(admin: Client) -> None:
    letter = DeadLetter.objects.create(message_id="message-2", reason="rejected")

    assert shown(admin.get(LETTERS, {"q": "message-2"})) == [letter.pk]


def test_letters_of_both_kinds_are_merged_newest_first(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.notifications.admin.dead_letters.DeadLetterAdmin.list_per_page", 2)
    letters = [
        DeadLetter.objects.create(message_id=f"m-{n}", reason="rejected", kind=kind).pk
        for n, kind in enumerate(["live", "test", "live", "test", "live"])
    ][::-1]
    DeadLetter.objects.filter(pk=letters[2]).update(state="discarded")

    first = admin.get(LETTERS)
    second = admin.get(f"{LETTERS}{link(first, 'Older')}")

    assert shown(first) == letters[:2]
    assert shown(second) == letters[3:]
    assert shown(admin.get(LETTERS, {"state": "all", "reason": "rejected"})) == letters[:2]


def test_the_audit_trail_is_searched_for_an_actor(admin: Client) -> None:
    mine, _ = (
        DeadLetterAction.objects.create(action="discarded", by=by, letter_id=new_id())
        for by in ("desk", "console")
    )

    url = "/admin/notifications/deadletteraction/"

    assert shown(admin.get(url, {"q": "desk"})) == [mine.pk]
