"""Reading notifications: what is shown, filters, and pagination in both directions."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from apps.common.channels import Channel
from apps.common.rest.renderers import JSONRenderer
from apps.notifications.api.answers import AcceptedSerializer, accepted_answer
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.users.models import User
from tests.notifications.delivering import deliver
from tests.notifications.factories import accepted, body
from tests.notifications.problems import pointers

pytestmark = pytest.mark.django_db
PATH = "/api/v1/notifications/"

ACCEPTED_KEYS = {
    "id",
    "notification_id",
    "request_id",
    "status",
    "notification_type",
    "user_id",
    "template_code",
    "template_version",
    "language",
    "priority",
    "created_at",
    "scheduled_for",
    "expires_at",
    "correlation_id",
    "replay_of",
    "links",
}


def test_the_hand_written_answer_equals_that_of_the_serializer(alice: User) -> None:
    row = accepted(
        alice,
        request_id="r",
        scheduled_for=timezone.now() + timedelta(hours=1),
        expires_at=timezone.now() + timedelta(hours=2),
    )
    by_hand = json.loads(JSONRenderer().render(accepted_answer(row)))
    assert by_hand == json.loads(
        JSONRenderer().render(AcceptedSerializer(accepted_answer(row)).data)
    )
    assert set(by_hand) == set(AcceptedSerializer().fields) == ACCEPTED_KEYS


def test_an_accepted_request_is_answered_with_its_links(shop: APIClient, alice: User) -> None:
    answer = shop.post(PATH, body(alice, request_id="r", priority=7), format="json")
    assert answer.status_code == 202
    got = answer.json()
    assert set(got) == ACCEPTED_KEYS
    itself = f"/api/v1/notifications/{got['id']}"
    assert got["links"] == {"self": itself, "status": f"{itself}/status"}
    assert got["id"] == got["notification_id"]
    assert (got["status"], got["template_version"], got["language"]) == ("pending", 1, "en")
    assert got["correlation_id"] == answer["X-Correlation-ID"]
    assert shop.get(got["links"]["self"]).status_code == 200
    assert shop.get(got["links"]["status"]).status_code == 200


def test_a_notification_is_shown_with_all_its_fields(shop: APIClient, alice: User) -> None:
    row = accepted(alice, metadata={"order": 42})
    got = shop.get(f"{PATH}{row.pk}").json()
    assert set(got) == ACCEPTED_KEYS | {
        "reason",
        "kind",
        "variables",
        "metadata",
        "reply_to",
        "attempts",
        "next_attempt_at",
        "updated_at",
        "batch_id",
    }
    assert (got["status"], got["reason"], got["attempts"]) == ("pending", None, 0)
    assert got["variables"] == {"name": "Ada", "link": "https://example.com/a"}
    assert got["metadata"] == {"order": 42}


def test_the_status_shows_the_whole_timeline(shop: APIClient, alice: User) -> None:
    row = accepted(alice)
    deliver(channel=Channel.EMAIL, ids=[row.pk], attempt=0)
    got = shop.get(f"{PATH}{row.pk}/status").json()
    assert set(got) == {
        "notification_id",
        "status",
        "reason",
        "attempts",
        "next_attempt_at",
        "updated_at",
        "timeline",
    }
    assert (got["status"], got["reason"], got["attempts"]) == ("delivered", None, 1)
    assert [entry["status"] for entry in got["timeline"]] == [
        "pending",
        "sending",
        "sent",
        "delivered",
    ]
    assert [set(entry) for entry in got["timeline"]] == [
        {"at", "status", "detail", "attempt", "provider"}
    ] * 4
    times = [entry["at"] for entry in got["timeline"]]
    assert times == sorted(times)


def shown(shop: APIClient, query: str) -> list[str]:
    answer: Any = shop.get(f"{PATH}?{query}")
    assert answer.status_code == 200, answer.content
    return [one["id"] for one in answer.json()["results"]]


def test_the_list_can_be_filtered(shop: APIClient, alice: User, bob: User) -> None:
    mail = accepted(alice, request_id="first one")
    push = accepted(bob, notification_type="push")
    Notification.objects.filter(pk=push.pk).update(status=Status.FAILED)
    first, second = [str(mail.pk)], [str(push.pk)]
    assert shown(shop, "") == second + first
    assert shown(shop, "status=pending") == first
    assert shown(shop, "status=failed") == second
    assert shown(shop, "status=sent") == []
    assert shown(shop, "notification_type=push") == second
    assert shown(shop, f"user_id={alice.pk}") == first
    assert shown(shop, "template_code=welcome") == first
    assert shown(shop, "request_id=first%20one") == first
    assert shown(shop, f"correlation_id={mail.correlation_id or 'none'}") in (first, [])
    assert shown(shop, f"status=failed&user_id={alice.pk}") == []


def test_the_list_can_be_filtered_by_time(shop: APIClient, alice: User) -> None:
    row = accepted(alice)
    before = (row.created_at - timedelta(minutes=1)).isoformat().replace("+", "%2B")
    after = (row.created_at + timedelta(minutes=1)).isoformat().replace("+", "%2B")
    assert shown(shop, f"created_after={before}&created_before={after}") == [str(row.pk)]
    assert shown(shop, f"created_after={after}") == []
    assert shown(shop, f"created_before={before}") == []


def test_a_request_is_found_by_its_correlation_id(shop: APIClient, alice: User) -> None:
    sent = shop.post(PATH, body(alice), format="json", HTTP_X_CORRELATION_ID="order 42").json()
    accepted(alice)
    assert shown(shop, "correlation_id=order%2042") == [sent["id"]]


def test_pagination_works_in_both_directions_without_a_gap(shop: APIClient, alice: User) -> None:
    rows = [str(accepted(alice).pk) for _ in range(7)][::-1]
    pages = []
    at: str | None = f"{PATH}?page_size=3"
    last = at
    while at:
        page = shop.get(at).json()
        assert set(page) == {"next", "previous", "results"}
        pages.append([one["id"] for one in page["results"]])
        last, at = at, page["next"]
    assert pages == [rows[:3], rows[3:6], rows[6:]]
    back = []
    assert last is not None
    at = shop.get(last).json()["previous"]
    while at:
        page = shop.get(at).json()
        back.append([one["id"] for one in page["results"]])
        at = page["previous"]
    assert back == [rows[3:6], rows[:3]]


def test_a_row_that_is_inserted_between_two_pages_does_not_shift_them(
    shop: APIClient, alice: User
) -> None:
    rows = [str(accepted(alice).pk) for _ in range(4)][::-1]
    first = shop.get(f"{PATH}?page_size=2").json()
    accepted(alice)
    second = shop.get(first["next"]).json()
    assert [one["id"] for one in second["results"]] == rows[2:]


def test_links_to_further_pages_have_the_scheme_and_host_of_the_installation(
    shop: APIClient, alice: User, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://notify.example.com"
    for _ in range(3):
        accepted(alice)
    first = shop.get(f"{PATH}?page_size=1").json()
    second = shop.get(first["next"].removeprefix("https://notify.example.com")).json()
    links = (first["next"], second["next"], second["previous"])
    assert all(link.startswith(f"https://notify.example.com{PATH}?") for link in links)


def test_links_to_further_pages_keep_the_filters(shop: APIClient, alice: User, bob: User) -> None:
    mine = [str(accepted(alice).pk) for _ in range(3)][::-1]
    accepted(bob)
    page = shop.get(f"{PATH}?user_id={alice.pk}&page_size=2").json()
    rest = shop.get(page["next"]).json()
    assert [one["id"] for one in page["results"] + rest["results"]] == mine


def test_an_empty_list_is_a_page_without_results(shop: APIClient) -> None:
    assert shop.get(PATH).json() == {"next": None, "previous": None, "results": []}


def test_a_page_holds_at_most_two_hundred(shop: APIClient, alice: User) -> None:
    for _ in range(3):
        accepted(alice)
    assert len(shown(shop, "page_size=200")) == 3
    answer = shop.get(f"{PATH}?page_size=201")
    assert pointers(answer) == ["?page_size"]
