"""Dead letters can be filtered, listed, and shown with everything that is known about them."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.callers import Kind
from apps.notifications.dead_letters import resend
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import DeadLetter, Notification
from apps.users.models import User
from tests.notifications.dead_letters.letters import PATH, dead_letter, poison, recorded_before
from tests.notifications.factories import SHOP, TEST_CALLER, client_with
from tests.notifications.problems import assert_problem, pointers

pytestmark = pytest.mark.django_db

KEYS = {
    "id",
    "state",
    "reason",
    "channel",
    "kind",
    "provider",
    "template_code",
    "notification_id",
    "message_id",
    "recorded_at",
    "settled_at",
    "replayed_as",
    "may_have_arrived",
    "links",
}


def found(caller: APIClient, **query: str) -> list[str]:
    answer = caller.get(f"{PATH}?{urlencode(query)}")
    assert answer.status_code == 200, answer.content
    return [one["id"] for one in answer.json()["results"]]


def test_a_letter_is_listed_with_ids_codes_and_reasons_only(shop: APIClient, alice: User) -> None:
    letter = dead_letter(alice)
    (one,) = shop.get(PATH).json()["results"]
    assert set(one) == KEYS
    assert (one["state"], one["reason"], one["channel"]) == ("open", "attempts_exhausted", "email")
    assert (one["provider"], one["template_code"], one["kind"]) == ("smtp", "welcome", "live")
    assert one["notification_id"] == str(letter.notification_id)
    assert one["links"] == {
        "self": f"/api/v1/dead-letters/{letter.pk}",
        "notification": f"/api/v1/notifications/{letter.notification_id}",
    }
    assert (one["message_id"], one["settled_at"], one["replayed_as"]) == (None, None, None)
    assert shop.get(one["links"]["self"]).status_code == 200


def test_the_newest_letters_are_listed_first(shop: APIClient, alice: User) -> None:
    letters = [str(dead_letter(alice).pk) for _ in range(3)]
    assert found(shop) == letters[::-1]


def test_the_list_is_filtered_by_common_properties(shop: APIClient, alice: User, bob: User) -> None:
    mail = dead_letter(alice, reason="rejected", provider="sendgrid")
    push = dead_letter(bob, reason="unregistered", provider="fcm")
    Notification.objects.filter(dead_letter=push).update(channel="push")
    DeadLetter.objects.filter(pk=push.pk).update(channel="push", template_code="parcel")
    first, second = [str(mail.pk)], [str(push.pk)]
    assert found(shop, reason="rejected") == first
    assert found(shop, channel="push") == second
    assert found(shop, provider="sendgrid") == first
    assert found(shop, provider="fcm", channel="push") == second
    assert found(shop, template_code="parcel") == second
    assert found(shop, template_code="parcel", channel="email") == []


def test_the_list_is_filtered_by_time(shop: APIClient, alice: User) -> None:
    old = recorded_before(dead_letter(alice), timedelta(seconds=30))
    new = dead_letter(alice)
    assert found(shop, since=new.recorded_at.isoformat()) == [str(new.pk)]
    assert found(shop, until=new.recorded_at.isoformat()) == [str(old.pk)]
    between = {"since": old.recorded_at.isoformat(), "until": new.recorded_at.isoformat()}
    assert found(shop, **between) == [str(old.pk)]
    long_ago = (timezone.now() - timedelta(days=400)).isoformat()
    assert found(shop, since=long_ago) == [str(new.pk), str(old.pk)]
    assert found(shop, until=long_ago) == []


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_the_first_and_last_moment_of_the_calendar_are_accepted(
    shop: APIClient, alice: User, moment: str
) -> None:
    dead_letter(alice)
    early = datetime.fromisoformat(moment).year == 1
    assert len(found(shop, since=moment)) == (1 if early else 0)
    assert len(found(shop, until=moment)) == (0 if early else 1)


def test_by_default_only_open_letters_are_listed(shop: APIClient, alice: User) -> None:
    letters = [dead_letter(alice) for _ in range(3)]
    shop.post(f"{PATH}{letters[0].pk}/replay")
    shop.post(f"{PATH}{letters[1].pk}/discard", {"reason": "enough"}, format="json")
    ids = [str(letter.pk) for letter in letters]
    assert found(shop) == [ids[2]]
    assert found(shop, state="replayed") == [ids[0]]
    assert found(shop, state="discarded") == [ids[1]]
    assert found(shop, state="all") == ids[::-1]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("channel=pigeon", "?channel"),
        ("since=yesterday", "?since"),
        ("until=2026-13-01T00:00:00Z", "?until"),
        ("state=dead", "?state"),
        ("nonsense=1", "?nonsense"),
        (f"reason={'x' * 41}", "?reason"),
        ("page_size=0", "?page_size"),
        ("cursor=nonsense", "?cursor"),
    ],
)
def test_an_invalid_query_parameter_is_named(shop: APIClient, query: str, pointer: str) -> None:
    answer = shop.get(f"{PATH}?{query}")
    assert_problem(answer, 400)
    assert pointers(answer) == [pointer]


def test_each_letter_is_on_exactly_one_page(shop: APIClient, alice: User) -> None:
    letters = [str(dead_letter(alice).pk) for _ in range(5)][::-1]
    page = shop.get(f"{PATH}?page_size=3&reason=attempts_exhausted").json()
    rest = shop.get(page["next"]).json()
    assert [one["id"] for one in page["results"] + rest["results"]] == letters


def test_the_detail_of_a_letter_shows_its_history(shop: APIClient, alice: User) -> None:
    letter = dead_letter(alice)
    got = shop.get(f"{PATH}{letter.pk}").json()
    assert set(got) == KEYS | {"x_death", "message", "timeline", "lineage", "actions"}
    assert [entry["status"] for entry in got["timeline"]] == ["pending", "sending"]
    assert got["timeline"][1]["provider"] == "smtp"
    assert [one["notification_id"] for one in got["lineage"]] == [str(letter.notification_id)]
    assert got["actions"] == []


def test_poison_is_shown_with_its_message_and_its_deaths(shop: APIClient, db: None) -> None:
    letter = poison("nonsense", reason="delivery_limit")
    got = shop.get(f"{PATH}{letter.pk}").json()
    assert (got["notification_id"], got["message_id"]) == (None, letter.message_id)
    assert (got["kind"], got["provider"], got["template_code"]) == ("live", "", "")
    assert got["x_death"] == [{"queue": "email", "reason": "delivery_limit", "count": 1}]
    assert got["message"]["body"] == '[[["nonsense"], 0], {}, {}]'
    assert (got["timeline"], got["lineage"]) == ([], [])


def test_the_lineage_shows_originals_and_replays(shop: APIClient, alice: User) -> None:
    first = dead_letter(alice)
    assert first.notification is not None
    second = resend.replay(first.notification, caller=SHOP).notification
    Notification.objects.filter(pk=second.pk).update(status=Status.FAILED)
    second.refresh_from_db()
    third = resend.replay(second, caller=SHOP).notification
    middle = DeadLetter.objects.get(notification=second)
    chain = [str(first.notification_id), str(second.pk), str(third.pk)]
    for letter in (first, middle):
        got = shop.get(f"{PATH}{letter.pk}").json()["lineage"]
        assert [one["notification_id"] for one in got] == chain
        assert [one["replay_of"] for one in got] == [None, *chain[:2]]
        assert [one["status"] for one in got] == ["failed", "failed", "pending"]


def test_an_unknown_letter_is_a_404(shop: APIClient) -> None:
    for answer in (
        shop.get(f"{PATH}{uuid4()}"),
        shop.post(f"{PATH}{uuid4()}/replay"),
        shop.post(f"{PATH}{uuid4()}/discard", {"reason": "x"}, format="json"),
        shop.get(f"{PATH}replays/{uuid4()}"),
        shop.post(f"{PATH}replays/{uuid4()}/cancel"),
    ):
        assert_problem(answer, 404)


@pytest.fixture
def testing_client(welcome: None) -> APIClient:
    return client_with(client="shop", kind=Kind.TEST)


def test_dead_letters_of_test_and_live_keys_are_listed_separately(
    shop: APIClient, testing_client: APIClient, alice: User
) -> None:
    live, tried, thrown_out = (
        dead_letter(alice),
        dead_letter(alice, caller=TEST_CALLER),
        poison("x"),
    )
    assert found(shop) == [str(thrown_out.pk), str(live.pk)]
    assert found(testing_client) == [str(tried.pk)]
    for caller, hidden in ((shop, tried), (testing_client, live), (testing_client, thrown_out)):
        answers: list[Any] = [
            caller.get(f"{PATH}{hidden.pk}"),
            caller.post(f"{PATH}{hidden.pk}/replay"),
            caller.post(f"{PATH}{hidden.pk}/discard", {"reason": "x"}, format="json"),
        ]
        for answer in answers:
            assert_problem(answer, 404)
    assert set(DeadLetter.objects.values_list("state", flat=True)) == {"open"}


def test_the_operations_scope_sees_letters_of_all_clients(alice: User) -> None:
    letter = dead_letter(alice)
    assert found(client_with(client="desk")) == [str(letter.pk)]
