"""Rate-limited notifications are sent early when the provider has spare capacity."""

import time
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.utils import timezone

from apps.common.channels import Channel
from apps.notifications.flow_control import breakers, limits
from apps.notifications.flow_control.breakers import Forced
from apps.notifications.flow_control.early_release import release_early
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.notifications.providers.base import Reply
from apps.notifications.scheduler import sweep
from apps.users.models import User
from tests.notifications.delivering import deliver
from tests.notifications.factories import accepted, person, row_with_status
from tests.notifications.lanes import Lanes

pytestmark = pytest.mark.django_db


@pytest.fixture
def waiting(welcome: None, settings: Any, lanes: Lanes) -> list[Notification]:
    """Forty mails that wait at one a second, since the server asked for fewer calls."""
    settings.EMAIL_PROVIDERS = ["smtp"]
    settings.SMTP_HOST, settings.SMTP_PORT, settings.SMTP_TLS = "127.0.0.1", 1, "none"
    limits.report("smtp", [Reply(outcome=Outcome.RATE_LIMITED, pause_seconds=60)], began=0)
    users = [person(f"p{place}") for place in range(40)]
    rows = [accepted(user, priority=0) for user in users]
    lanes.purge()
    assert deliver(channel=Channel.EMAIL, ids=[row.pk for row in rows], attempt=0) == []
    assert due() == 0
    return rows


def due() -> int:
    return Notification.objects.filter(wake_at__lte=timezone.now()).count()


def test_when_the_limit_ends_they_are_released(waiting: list[Notification], lanes: Lanes) -> None:
    limits.lift("smtp")

    release_early()

    assert due() == 40
    assert limits.releasable("smtp") == 0
    sweep.sweep()
    assert sorted(lanes.ids()) == sorted(str(row.pk) for row in waiting)


def test_when_more_is_allowed_the_first_ones_are_released(
    waiting: list[Notification], settings: Any
) -> None:
    limits.lift("smtp")
    settings.PROVIDER_MAX_PER_SECOND = {"smtp": 10.0}
    time.sleep(0.9)  # Fills the bucket of ten.
    turns = list(Notification.objects.order_by("wake_at").values_list("pk", flat=True))

    release_early()

    released = Notification.objects.filter(wake_at__lte=timezone.now()).values_list("pk", flat=True)
    assert set(released) == set(turns[: len(released)])
    assert 5 <= len(released) <= 7
    assert limits.releasable("smtp") > 0


def test_while_the_provider_wants_no_call_none_is_released(waiting: list[Notification]) -> None:
    release_early()

    assert due() == 0


def test_while_a_breaker_is_open_none_is_released(waiting: list[Notification]) -> None:
    limits.lift("smtp")
    breakers.force(["smtp"], Forced.OPEN)

    release_early()

    assert due() == 0


def test_while_a_lane_has_messages_none_is_released(
    waiting: list[Notification], lanes: Lanes
) -> None:
    limits.lift("smtp")
    lanes.fill("email", 6)

    release_early()

    assert due() == 0


def test_notifications_that_wait_for_something_else_are_not_released(
    waiting: list[Notification], alice: User
) -> None:
    later = timezone.now() + timedelta(seconds=60)
    retry = row_with_status(
        alice, Status.RETRYING, next_attempt_at=later, wake_at=later + timedelta(seconds=30)
    )
    postponed = row_with_status(alice, Status.SCHEDULED, next_attempt_at=later, wake_at=later)
    push = row_with_status(
        alice, Status.RETRYING, next_attempt_at=later, wake_at=later, channel="push"
    )
    limits.lift("smtp")

    release_early()

    left = Notification.objects.filter(wake_at__gt=timezone.now()).values_list("pk", flat=True)
    assert set(left) == {retry.pk, postponed.pk, push.pk}


@pytest.mark.services
def test_a_provider_whose_limit_cannot_be_read_does_not_stop_the_others(
    waiting: list[Notification], settings: Any
) -> None:
    settings.EMAIL_PROVIDERS = ["sendgrid", "smtp"]
    limits.lift("smtp")
    server = redis.Redis.from_url(settings.REDIS_URL)
    server.set("notifications:limit:sendgrid", '{"queues": {"bulk": "nonsense"}}')
    try:
        with pytest.raises(TypeError):
            release_early()
    finally:
        server.delete("notifications:limit:sendgrid")

    assert due() == 40
