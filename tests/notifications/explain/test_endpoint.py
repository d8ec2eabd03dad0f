"""``POST /notifications/explain``: every rule with its words, and nothing stored or sent."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.callers import Kind, Scope
from apps.notifications.explain import audience
from apps.notifications.flow_control import breakers, control
from apps.notifications.flow_control.breakers import Forced
from apps.notifications.models import Batch, Notification
from apps.users.models import User
from tests.notifications.factories import body, client_with, person, template
from tests.notifications.problems import assert_problem

pytestmark = pytest.mark.django_db
PATH = "/api/v1/notifications/explain"


@pytest.fixture(autouse=True)
def nothing_happens(django_assert_max_num_queries: Any) -> Any:
    yield
    assert (Notification.objects.count(), Batch.objects.count()) == (0, 0)


def explain(caller: APIClient, asked: dict[str, Any]) -> Any:
    return caller.post(PATH, asked, format="json")


def rules(answer: Any) -> dict[str, str]:
    return {one["rule"]: one["verdict"] for one in answer.json()["rules"]}


def test_a_request_that_would_be_sent_passes_every_rule(shop: APIClient, alice: User) -> None:
    answer = explain(shop, body(alice))

    assert answer.status_code == 200
    said = answer.json()
    assert (said["outcome"], said["reason"], said["at"]) == ("send", None, None)
    assert (said["provider"], said["notification_type"]) == ("sandbox", "email")
    assert said["template"] == {"code": "welcome", "version": 1, "language": "en"}
    assert list(rules(answer)) == [
        "times",
        "user",
        "template",
        "variables",
        "expiry",
        "erased",
        "preferences",
        "address",
        "suppression",
        "quiet_hours",
        "rendering",
        "size",
        "provider",
    ]
    assert set(rules(answer).values()) == {"pass"}
    assert all(one["detail"] for one in said["rules"])
    assert "content" not in said


def test_every_rule_is_judged_although_one_stops_it(shop: APIClient, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(email_enabled=False)

    answer = explain(shop, body(alice))

    said = answer.json()
    assert (said["outcome"], said["reason"]) == ("skip", "opted_out")
    assert rules(answer)["preferences"] == "stop"
    assert rules(answer)["rendering"] == "pass"


def test_a_request_that_would_be_refused_says_why(shop: APIClient, alice: User) -> None:
    answer = explain(shop, body(alice, variables={}))

    said = answer.json()
    assert (said["outcome"], said["reason"]) == ("refuse", "missing_variables")
    assert rules(answer) == {
        "times": "pass",
        "user": "pass",
        "template": "pass",
        "variables": "stop",
    }
    assert (said["provider"], said["template"]) == (None, None)


def test_a_body_that_is_not_valid_is_a_400_with_its_place(shop: APIClient, alice: User) -> None:
    problem = assert_problem(explain(shop, {**body(alice), "priority": 10}), 400)
    assert problem["errors"][0]["pointer"] == "/priority"
    assert_problem(shop.post(PATH, b"", content_type="application/json"), 400)
    assert_problem(shop.post(PATH, b"[]", content_type="application/json"), 400)


def test_a_schedule_postpones(shop: APIClient, alice: User) -> None:
    later = (timezone.now() + timedelta(days=1)).isoformat()

    said = explain(shop, body(alice, scheduled_for=later)).json()

    assert said["outcome"] == "postpone"
    assert said["at"][:16] == later[:16]


def test_an_open_breaker_postpones_and_another_provider_takes_over(
    shop: APIClient, alice: User, settings: Any
) -> None:
    settings.EMAIL_PROVIDERS = ["smtp"]
    control.force("smtp", Forced.OPEN, by="tests")
    stored = breakers.shown("smtp")

    waiting = explain(shop, body(alice)).json()
    settings.EMAIL_PROVIDERS = ["smtp", "sandbox"]
    taken = explain(shop, body(alice)).json()

    assert (waiting["outcome"], waiting["provider"]) == ("postpone", None)
    assert waiting["at"] is not None
    assert (taken["outcome"], taken["provider"]) == ("send", "sandbox")
    assert breakers.shown("smtp") == stored


def test_a_push_is_judged_by_its_devices_and_its_size(
    shop: APIClient, alice: User, settings: Any
) -> None:
    settings.PUSH_PROVIDERS = ["fcm"]
    asked = body(alice, notification_type="push", template_code="parcel", variables={"number": "7"})

    fits = explain(shop, asked).json()
    # Texts that are shown are shortened; data is not.
    carrying: dict[str, Any] = {"title": "Parcel", "body": "Here", "data": {"n": "{{ number }}"}}
    template("large", "push", carrying)
    filled = {"template_code": "large", "variables": {"number": "x" * 5_000}}
    large = explain(shop, {**asked, **filled})
    nobody = explain(shop, {**asked, "user_id": str(person("nobody").pk)}).json()

    assert (fits["outcome"], fits["provider"], fits["devices"]) == ("send", "fcm", 1)
    assert (large.json()["outcome"], large.json()["reason"]) == ("refuse", "payload_too_large")
    assert rules(large)["size"] == "stop"
    assert (nobody["outcome"], nobody["reason"], nobody["devices"]) == ("skip", "no_device", 0)


def test_a_test_key_would_send_to_the_sandbox(alice: User, settings: Any) -> None:
    settings.EMAIL_PROVIDERS = ["smtp"]
    said = explain(client_with(kind=Kind.TEST), body(alice)).json()
    assert (said["outcome"], said["provider"]) == ("send", "sandbox")


def test_content_is_shown_to_those_who_may_read_users(alice: User) -> None:
    reader = client_with(Scope.NOTIFICATIONS_READ)
    asked = {**body(alice), "content": True}

    assert_problem(explain(reader, asked), 403)
    said = explain(client_with(Scope.NOTIFICATIONS_READ, Scope.USERS_READ), asked).json()

    assert said["content"]["subject"] == "Welcome, Ada"
    assert "alice@example.com" not in str(said)
    assert explain(reader, body(alice)).status_code == 200
    assert_problem(explain(client_with(Scope.NOTIFICATIONS_SEND), body(alice)), 403)


def test_an_audience_is_counted_with_examples(shop: APIClient, alice: User, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(email_enabled=False)
    terms = {name: value for name, value in body(alice).items() if name != "user_id"}

    listed = explain(shop, {**terms, "audience": {"user_ids": [str(alice.pk), str(bob.pk)]}}).json()
    everybody = explain(shop, {**terms, "audience": {"all": True}}).json()

    counts = {(one["outcome"], one["reason"]): one for one in listed["counts"]}
    assert listed["total"] == 2
    assert counts["send", None]["examples"] == [str(alice.pk)]
    assert counts["skip", "opted_out"]["examples"] == [str(bob.pk)]
    assert everybody["total"] >= 2
    assert_problem(explain(shop, {**terms, "audience": {}}), 400)


def test_an_audience_of_a_chunk_takes_a_constant_number_of_queries(
    shop: APIClient, alice: User
) -> None:
    terms = {name: value for name, value in body(alice).items() if name != "user_id"}

    def queries(number: int) -> int:
        people = [str(person(f"p{number}-{n}").pk) for n in range(number)]
        with CaptureQueriesContext(connection) as captured:
            answer = explain(shop, {**terms, "audience": {"user_ids": people}}).json()
        assert answer["total"] == number
        return len(captured)

    queries(1)
    assert queries(2) == queries(30)


def test_an_outcome_has_at_most_ten_examples(
    shop: APIClient, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audience, "CHUNK", 5)
    people = [str(person(f"q{n}").pk) for n in range(12)]
    terms = {name: value for name, value in body(alice).items() if name != "user_id"}

    [counted] = explain(shop, {**terms, "audience": {"user_ids": people}}).json()["counts"]

    assert counted["count"] == 12
    assert counted["examples"] == people[:10]
