"""The conditions are read as metrics, alerts and pages define them."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.common.callers import Kind
from apps.common.ids import first_id_at
from apps.notifications.flow_control import breakers
from apps.notifications.flow_control.breakers import Forced, Tally
from apps.notifications.models import DeadLetter, Notice, Notification
from apps.notifications.notices import sources
from apps.notifications.notices.conditions import Condition, Observation
from apps.notifications.notices.sources import LETTERS, OVERDUE, WEBHOOKS, UnknownError
from apps.users.models import User
from apps.webhooks.meanings import DISABLED
from apps.webhooks.models import Endpoint
from tests.notifications.factories import accepted
from tests.notifications.lanes import Lanes

pytestmark = pytest.mark.django_db


def now_in(minutes: float) -> datetime:
    return timezone.now() + timedelta(minutes=minutes)


def open_breakers(minutes: float) -> list[tuple[str, bool]]:
    found = sources.open_breakers(now_in(minutes))
    return [(each.subject, each.is_raised) for each in found]


def test_a_breaker_is_told_when_it_has_been_open_for_five_minutes(settings: Any) -> None:
    settings.EMAIL_PROVIDERS = ["smtp"]
    assert open_breakers(0) == []
    breakers.report("smtp", Tally(successes=0, failures=1, fatal="credentials"))
    assert open_breakers(4.9) == [("smtp", False)]
    assert open_breakers(5.1) == [("smtp", True)]
    (seen,) = sources.open_breakers(now_in(6))
    assert seen.facts == {"reason": "credentials"}
    breakers.force(["smtp"], Forced.AUTO)
    assert open_breakers(10) == []


def test_what_staff_force_open_raises_nothing_and_is_not_over(settings: Any) -> None:
    settings.EMAIL_PROVIDERS = ["smtp"]
    breakers.force(["smtp"], Forced.OPEN)
    assert open_breakers(60) == [("smtp", False)]
    breakers.force(["smtp"], Forced.CLOSED)
    assert open_breakers(60) == []


def test_without_redis_nothing_is_known_about_the_breakers_of_workers(
    settings: Any,
) -> None:
    breakers_before = breakers.are_cut_off()
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    settings.CACHES = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": settings.REDIS_URL,
        }
    }
    settings.EMAIL_PROVIDERS = ["smtp"]
    with pytest.raises(UnknownError):
        sources.open_breakers(timezone.now())
    seen = sources.observed(now=timezone.now(), without=[LETTERS, OVERDUE, WEBHOOKS])
    assert Condition.BREAKER_OPEN in seen.unknown
    assert not breakers_before


def letters(count: int, *, ago: timedelta = timedelta(minutes=1), kind: Kind = Kind.LIVE) -> None:
    at = timezone.now() - ago
    first = first_id_at(at).int
    DeadLetter.objects.bulk_create(
        DeadLetter(
            id=type(first_id_at(at))(int=first + number),
            message_id=f"{ago}-{kind}-{number}",
            reason="rejected" if number % 3 else "defect",
            kind=kind,
            recorded_at=at,
        )
        for number in range(count)
    )


def letters_now() -> list[Observation]:
    return sources.many_letters(timezone.now())


def test_a_hundred_dead_letters_within_ten_minutes_are_told(settings: Any) -> None:
    assert settings.OPERATOR_DEAD_LETTERS == 100
    letters(99)
    letters(500, ago=timedelta(minutes=11))
    letters(500, kind=Kind.TEST)
    (before,) = letters_now()
    assert not before.is_raised
    letters(1, ago=timedelta(minutes=2))
    (seen,) = letters_now()
    assert seen.is_raised
    assert seen.facts == {"count": 100, "reason": "rejected"}


def test_it_ends_below_half_of_that() -> None:
    letters(49)
    assert letters_now() == []
    letters(1, ago=timedelta(minutes=2))
    assert [each.is_raised for each in letters_now()] == [False]


@pytest.mark.parametrize(
    ("seconds", "found"), [(0, []), (29, []), (40, [False]), (59, [False]), (75, [True])]
)
def test_a_message_that_is_overdue_for_a_minute_is_told(
    alice: User, seconds: int, found: list[bool]
) -> None:
    row = accepted(alice)
    due = timezone.now() - timedelta(seconds=seconds)
    Notification.objects.filter(pk=row.pk).update(wake_at=due)
    seen = sources.overdue(timezone.now())
    assert [each.is_raised for each in seen] == found
    if found:
        assert seen[0].since == due


def test_a_webhook_that_was_disabled_by_itself_is_told_and_one_by_hand_is_not() -> None:
    since = timezone.now()
    fields = {"client": "shop", "kind": "live", "url": "https://example.com/", "enabled": False}
    for reason in ("gone", "failing", "by_hand"):
        Endpoint.objects.create(**fields, disabled_reason=reason, disabled_at=since)
    Endpoint.objects.create(**{**fields, "enabled": True})
    Endpoint.objects.create(**fields, disabled_reason="gone", disabled_at=since, deleted_at=since)
    seen = sources.disabled_webhooks(timezone.now())
    assert {each.facts["why"] for each in seen} == {DISABLED["gone"], DISABLED["failing"]}
    assert len(seen) == 2
    assert all(each.since == since and each.is_raised for each in seen)


def test_metrics_count_the_open_notices(client: Client, lanes: Lanes, operators: list[str]) -> None:
    for subject, over_at in (("smtp", None), ("fcm:ios", None), ("sendgrid", timezone.now())):
        Notice.objects.create(
            condition=Condition.BREAKER_OPEN,
            subject=subject,
            since=timezone.now(),
            calm_seconds=300,
            over_at=over_at,
        )
    text = client.get("/metrics").content.decode()
    assert 'notifications_notices_open{condition="breaker_open"} 2.0' in text
    assert 'notifications_notices_open{condition="overdue"} 0.0' in text
