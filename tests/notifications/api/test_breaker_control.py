"""Staff and operators force circuit breakers and see their state in the list of services."""

import time
from datetime import datetime, timedelta
from typing import Any

from rest_framework.test import APIClient

from apps.common.callers import Kind, Scope
from apps.notifications.flow_control import breakers, control, limits
from apps.notifications.flow_control.breakers import Forced, State
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.base import Reply
from tests.notifications.factories import client_with
from tests.notifications.problems import assert_problem


def force(caller: APIClient, provider: str, state: Any) -> Any:
    return caller.post(f"/api/v1/providers/{provider}/breaker", {"state": state}, format="json")


def test_a_push_provider_has_a_breaker_for_each_platform(shop: APIClient) -> None:
    answer = force(shop, "fcm", "open")

    assert answer.status_code == 200
    assert [breaker["name"] for breaker in answer.json()["breakers"]] == [
        "fcm:android",
        "fcm:ios",
        "fcm:web",
    ]
    assert breakers.shown("fcm:ios").effective is State.OPEN


def test_a_test_key_cannot_force_a_live_breaker(shop: APIClient) -> None:
    testing_client = client_with(Scope.OPERATIONS, kind=Kind.TEST)

    assert_problem(force(testing_client, "smtp", "open"), 403)

    assert breakers.shown("smtp").effective is State.CLOSED


def test_auto_ends_a_forced_state(shop: APIClient) -> None:
    force(shop, "smtp", "open")

    answer = force(shop, "smtp", "auto")

    assert answer.json()["breakers"] == [
        {
            "name": "smtp",
            "state": "closed",
            "forced": "auto",
            "reason": "",
            "since": None,
            "next_probe_at": None,
            "forced_until": None,
            "forced_why": "",
        }
    ]


def test_the_list_of_services_shows_the_breaker_state(shop: APIClient, settings: Any) -> None:
    settings.EMAIL_PROVIDERS = ["smtp", "sendgrid"]
    force(shop, "smtp", "open")

    providers = shop.get("/api/v1/services/").json()["providers"]

    assert [
        (provider["name"], provider["preference"], [b["state"] for b in provider["breakers"]])
        for provider in providers
        if provider["channel"] == "email"
    ] == [("smtp", 1, ["open"]), ("sendgrid", 2, ["closed"])]


def test_the_sandbox_and_unknown_providers_have_no_breaker(shop: APIClient) -> None:
    assert_problem(force(shop, "sandbox", "open"), 404)
    assert_problem(force(shop, "pigeon", "open"), 404)


def test_an_unknown_state_is_refused(shop: APIClient) -> None:
    assert_problem(force(shop, "smtp", "ajar"), 400)
    assert breakers.shown("smtp").effective is State.CLOSED


def test_forcing_a_breaker_needs_the_operations_scope(welcome: None) -> None:
    assert_problem(force(client_with(Scope.NOTIFICATIONS_SEND), "smtp", "open"), 403)
    assert breakers.shown("smtp").effective is State.CLOSED


def test_the_list_of_services_shows_the_limit_and_since_when_a_breaker_is_open(
    shop: APIClient, settings: Any
) -> None:
    settings.EMAIL_PROVIDERS = ["smtp"]
    settings.PROVIDER_MAX_PER_SECOND = {"smtp": 20.0}
    breakers.report("smtp", breakers.Tally(successes=0, failures=20, fatal=""))
    limits.report("smtp", [Reply(outcome=Outcome.RATE_LIMITED)] * 20, began=time.time())

    smtp = shop.get("/api/v1/services/").json()["providers"][0]

    (breaker,) = smtp["breakers"]
    opened, probe = (datetime.fromisoformat(breaker[key]) for key in ("since", "next_probe_at"))
    assert (breaker["state"], breaker["reason"]) == ("open", "failure_rate")
    assert probe - opened == timedelta(seconds=5)
    assert smtp["limit"] == {
        "per_second": 10.0,
        "maximum_per_second": 20.0,
        "slowed": True,
        "paused_until": None,
    }


def test_the_services_say_why_and_until_when_a_breaker_is_forced(
    shop: APIClient, settings: Any
) -> None:
    settings.PUSH_PROVIDERS = ["fcm"]
    control.force("fcm", Forced.OPEN, by="staff:1", only="fcm:ios", seconds=900, reason="moving")

    found = shop.get("/api/v1/services/").json()["providers"]

    breakers = {one["name"]: one for provider in found for one in provider["breakers"]}
    assert breakers["fcm:ios"]["forced_why"] == "moving"
    since, until = (
        datetime.fromisoformat(breakers["fcm:ios"][name]) for name in ("since", "forced_until")
    )
    assert until - since == timedelta(seconds=900)
    assert (breakers["fcm:android"]["forced_why"], breakers["fcm:android"]["forced_until"]) == (
        "",
        None,
    )
