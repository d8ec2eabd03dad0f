"""Endpoints are remembered for half a second, and a change is answered when that has passed."""

import time
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from apps.common.ttl_cache import TtlCache
from apps.webhooks import subscriptions
from apps.webhooks.models import Endpoint
from apps.webhooks.subscriptions import SECONDS, WAIT_SECONDS
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.webhooks.factories import endpoint_of

pytestmark = pytest.mark.django_db


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    cache = TtlCache[str, Any](seconds=SECONDS, size=1, clock=clock)
    monkeypatch.setattr(subscriptions, "_cache", cache)
    return clock


def test_many_questions_cost_one_statement(clock: Clock) -> None:
    with CaptureQueriesContext(connection) as captured:
        for _ in range(100):
            assert not subscriptions.any_for_notifications()
    assert len(captured) == 1


def test_what_another_process_has_registered_is_known_when_its_call_is_answered(
    clock: Clock,
) -> None:
    assert not subscriptions.any_for_notifications()
    Endpoint.objects.create(client="shop", kind="live", url="https://a.example/", events=["*"])
    assert not subscriptions.any_for_notifications()
    clock.now += WAIT_SECONDS
    assert subscriptions.any_for_notifications()


def test_a_change_waits_longer_than_anybody_remembers(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    settings.EMBEDDED = False
    subscriptions.wait_until_known()
    assert waited == [WAIT_SECONDS]
    assert WAIT_SECONDS >= 2 * SECONDS
    settings.EMBEDDED = True
    subscriptions.wait_until_known()
    assert len(waited) == 1


def test_a_thread_that_has_read_before_a_change_does_not_remember_it_afterwards(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, receiver: WebhookReceiver
) -> None:
    usual = subscriptions._read

    def late() -> Any:
        found = usual()
        endpoint_of(receiver)
        return found

    monkeypatch.setattr(subscriptions, "_read", late)
    assert not subscriptions.any_for_notifications()
    monkeypatch.setattr(subscriptions, "_read", usual)
    assert subscriptions.any_for_notifications()


def test_a_disabled_or_deleted_endpoint_gets_nothing(receiver: WebhookReceiver) -> None:
    endpoint_of(receiver, enabled=False)
    assert not subscriptions.any_for_notifications()
