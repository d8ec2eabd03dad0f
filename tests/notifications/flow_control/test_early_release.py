"""Those who wait for their turn under a limit are called in when there is room after all."""

import time
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.utils import timezone

from apps.notifications.broker.topology import Channel
from apps.notifications.flow_control import breakers, limits
from apps.notifications.flow_control.breakers import Forced
from apps.notifications.flow_control.early_release import release_early
from apps.notifications.flow_control.limits.store import BUCKET_PREFIX
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.notifications.providers.base import Reply
from apps.notifications.scheduler import sweep
from apps.users.models import User
from tests.notifications.cast import Lanes, accepted, person, standing
from tests.notifications.delivering import deliver

pytestmark = pytest.mark.django_db


@pytest.fixture
def waiting(welcome: None, settings: Any, lanes: Lanes) -> list[Notification]:
    """Forty mails that wait for turns of one a second, since the server asked for fewer."""
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


def test_when_the_limit_is_off_they_are_called_in(
    waiting: list[Notification], lanes: Lanes
) -> None:
    limits.lift("smtp")

    release_early()

    assert due() == 40
    assert limits.room("smtp") == 0
    sweep.sweep()
    assert sorted(lanes.ids()) == sorted(str(row.pk) for row in waiting)


def test_when_more_is_allowed_some_are_called_in_the_first_ones_first(
    waiting: list[Notification], settings: Any
) -> None:
    limits.lift("smtp")
    settings.PROVIDER_MAX_PER_SECOND = {"smtp": 10.0}
    time.sleep(0.9)  # Fills the bucket of ten.
    turns = list(Notification.objects.order_by("wake_at").values_list("pk", flat=True))

    release_early()

    called = Notification.objects.filter(wake_at__lte=timezone.now()).values_list("pk", flat=True)
    assert set(called) == set(turns[: len(called)])
    assert 5 <= len(called) <= 7
    assert limits.room("smtp") > 0


def test_while_the_provider_wants_no_call_nobody_is_called_in(waiting: list[Notification]) -> None:
    release_early()

    assert due() == 0


def test_while_a_breaker_is_open_nobody_is_called_in(waiting: list[Notification]) -> None:
    limits.lift("smtp")
    breakers.force(["smtp"], Forced.OPEN)

    release_early()

    assert due() == 0


def test_while_a_lane_has_work_nobody_is_called_in(
    waiting: list[Notification], lanes: Lanes
) -> None:
    limits.lift("smtp")
    lanes.fill("email", 6)

    release_early()

    assert due() == 0


def test_others_that_wait_are_left_alone(waiting: list[Notification], alice: User) -> None:
    later = timezone.now() + timedelta(seconds=60)
    retry = standing(
        alice, Status.RETRYING, next_attempt_at=later, wake_at=later + timedelta(seconds=30)
    )
    postponed = standing(alice, Status.SCHEDULED, next_attempt_at=later, wake_at=later)
    push = standing(alice, Status.RETRYING, next_attempt_at=later, wake_at=later, channel="push")
    limits.lift("smtp")

    release_early()

    left = Notification.objects.filter(wake_at__gt=timezone.now()).values_list("pk", flat=True)
    assert set(left) == {retry.pk, postponed.pk, push.pk}


@pytest.mark.services
def test_a_provider_whose_limit_cannot_be_read_keeps_nobody_else_waiting(
    waiting: list[Notification], settings: Any
) -> None:
    settings.EMAIL_PROVIDERS = ["sendgrid", "smtp"]
    limits.lift("smtp")
    server = redis.Redis.from_url(settings.REDIS_URL)
    server.hset(f"{BUCKET_PREFIX}sendgrid", "line.bulk", "nonsense")
    try:
        with pytest.raises(ValueError, match="nonsense"):
            release_early()
    finally:
        server.delete(f"{BUCKET_PREFIX}sendgrid")

    assert due() == 40
