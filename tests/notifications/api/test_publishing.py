"""Publishing a version says in how many of the latest calls its new variables were missing."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.ids import first_id_at
from apps.notifications import past_calls
from apps.notifications.models import Notification
from apps.templates import rendering
from apps.users.models import User
from tests.notifications.factories import accepted, template

DRAFT = {"subject": "{{ name }}", "body": "{{ link }} {{ order.id }} {{ day }}"}


def changes(shop: APIClient, code: str = "welcome", **draft: Any) -> dict[str, Any]:
    """Write a draft, publish it, and return what changes."""
    made = shop.post(f"/api/v1/templates/{code}/versions/", DRAFT | draft, format="json").json()
    answer = shop.post(
        f"/api/v1/templates/{code}/versions/{made['version']}/publish", {}, format="json"
    ).json()
    rendering.forget()
    return dict(answer["changes"])


def test_the_calls_without_a_new_variable_are_counted(shop: APIClient, alice: User) -> None:
    usual = {"name": "Ada", "link": "https://example.com"}
    more: list[dict[str, Any]] = [
        {},
        {"order": {}},
        {"order": {"id": 7}},
        {"order": {"id": 7}, "day": "Monday"},
    ]
    for given in more:
        accepted(alice, variables={**usual, **given})
    accepted(alice, notification_type="push")

    assert changes(shop) == {
        "newly_required": [
            {"variable": "day", "missing": 3},
            {"variable": "order.id", "missing": 2},
        ],
        "no_longer_required": [],
        "calls": 4,
    }


def test_calls_of_another_language_and_older_ones_do_not_count(
    shop: APIClient, alice: User
) -> None:
    german = accepted(alice)
    Notification.objects.filter(pk=german.pk).update(language="de")
    old = accepted(alice)
    week_ago = first_id_at(timezone.now() - timedelta(days=7, minutes=1))
    Notification.objects.filter(pk=old.pk).update(id=week_ago)
    accepted(alice)

    assert changes(shop)["calls"] == 1


def test_a_bounded_number_of_calls_is_looked_at(
    shop: APIClient, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past_calls, "CALLS_LOOKED_AT", 2)
    for _ in range(3):
        accepted(alice)

    assert changes(shop)["calls"] == 2


def test_the_calls_of_a_sensitive_template_are_not_known(shop: APIClient, alice: User) -> None:
    template("secret", sensitive=True)
    accepted(alice, template_code="secret")

    assert changes(shop, "secret")["calls"] == 0


def test_no_call_is_read_if_nothing_is_newly_required(shop: APIClient, alice: User) -> None:
    accepted(alice)
    assert changes(shop, body="{{ link }}") == {
        "newly_required": [],
        "no_longer_required": [],
        "calls": 0,
    }
