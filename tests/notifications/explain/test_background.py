"""A large audience is explained by a scheduler, step by step."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.callers import Kind
from apps.notifications.explain import audience, background
from apps.notifications.explain.background import explain_step
from apps.notifications.models import AudienceExplanation
from apps.notifications.scheduler import polling
from apps.users.models import User
from tests.notifications.factories import body, client_with, person
from tests.notifications.problems import assert_problem

pytestmark = pytest.mark.django_db
PATH = "/api/v1/notifications/explain"


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch, alice: User) -> dict[str, Any]:
    """A broadcast to seven people, which is more than one answer has here."""
    monkeypatch.setattr(audience, "PEOPLE_MAX", 3)
    monkeypatch.setattr(background, "STEP_USERS", 3)
    for number in range(6):
        person(f"reader{number}", email_enabled=number % 2 == 0)
    terms = {name: value for name, value in body(alice).items() if name != "user_id"}
    return {**terms, "audience": {"all": True}}


def started(shop: APIClient, asked: dict[str, Any]) -> str:
    answer = shop.post(PATH, asked, format="json")
    assert answer.status_code == 202
    assert answer.json()["explanation_id"] in answer.json()["links"]["self"]
    return str(answer.json()["links"]["self"])


def test_it_is_counted_step_by_step(shop: APIClient, large: dict[str, Any]) -> None:
    link = started(shop, large)
    assert polling.jobs_due()
    person("late")

    states = [shop.get(link).json()]
    while explain_step():
        states.append(shop.get(link).json())

    assert [(one["state"], one["total"]) for one in states] == [
        ("running", 0),
        ("running", 3),
        ("running", 6),
        ("finished", 7),
    ]
    counts = {(one["outcome"], one["reason"]): one["count"] for one in states[-1]["counts"]}
    assert counts == {("send", None): 4, ("skip", "opted_out"): 3}
    assert not polling.jobs_due()


def test_the_same_is_counted_as_at_once(
    shop: APIClient, large: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    link = started(shop, large)
    while explain_step():
        pass
    monkeypatch.setattr(audience, "PEOPLE_MAX", 10)

    assert shop.get(link).json() == shop.post(PATH, large, format="json").json()


def test_others_do_not_see_it(shop: APIClient, large: dict[str, Any]) -> None:
    link = started(shop, large)

    assert_problem(client_with(client="other").get(link), 404)
    assert_problem(client_with(kind=Kind.TEST).get(link), 404)


def test_a_step_that_fails_is_tried_again_later(
    shop: APIClient, large: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    link = started(shop, large)

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("defect")

    with monkeypatch.context() as patched:
        patched.setattr(audience, "count", fail)
        assert explain_step()
    assert not explain_step()
    AudienceExplanation.objects.update(next_at=timezone.now())
    while explain_step():
        pass

    assert shop.get(link).json()["total"] == 7


def test_it_is_kept_for_a_day(shop: APIClient, large: dict[str, Any]) -> None:
    link = started(shop, large)
    AudienceExplanation.objects.update(created_at=timezone.now() - timedelta(hours=25))

    started(shop, large)

    assert_problem(shop.get(link), 404)


def test_what_cannot_be_judged_is_refused_at_once(shop: APIClient, large: dict[str, Any]) -> None:
    wrong = {**large, "scheduled_for": "2099-01-01T00:00:00Z"}

    assert_problem(shop.post(PATH, wrong, format="json"), 400)
    assert not AudienceExplanation.objects.exists()
