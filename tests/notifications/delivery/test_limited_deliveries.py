"""Chunks under an outgoing rate limit, sent to fake SMTP and FCM servers."""

import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from apps.common.channels import Channel
from apps.notifications.flow_control import limits
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Attempt, Event, Notification
from apps.notifications.scheduler import sweep
from apps.users.models import User
from tests.fakes.fcm_server import FcmServer
from tests.fakes.smtp_server import SmtpServer
from tests.notifications.delivering import deliver
from tests.notifications.factories import accepted, person
from tests.notifications.lanes import Lanes

pytestmark = pytest.mark.django_db


@pytest.fixture
def smtp(smtp_server: SmtpServer, settings: Any) -> SmtpServer:
    settings.EMAIL_PROVIDERS = ["smtp"]
    return smtp_server


@pytest.fixture
def people(welcome: None) -> list[User]:
    return [person(f"p{place}") for place in range(30)]


def deliver_all(rows: list[Notification]) -> None:
    channel = Channel(rows[0].channel)
    assert deliver(channel=channel, ids=[row.pk for row in rows], attempt=0) == []


def counts() -> dict[tuple[str, int], int]:
    found: dict[tuple[str, int], int] = {}
    for key in Notification.objects.values_list("status", "attempts"):
        found[key] = found.get(key, 0) + 1
    return found


def test_mails_beyond_the_rate_limit_wait_without_spending_an_attempt(
    people: list[User], smtp: SmtpServer, settings: Any, lanes: Lanes
) -> None:
    settings.PROVIDER_MAX_PER_SECOND = {"smtp": 10.0}
    rows = [accepted(user) for user in people]
    before = timezone.now()

    deliver_all(rows)

    # A normal lane leaves a tenth of the ten tokens to the urgent lane.
    assert counts() == {("sent", 1): 9, ("retrying", 0): 21}
    assert len(smtp.mails) == Attempt.objects.count() == 9
    waiting = Notification.objects.filter(status=Status.RETRYING).order_by("pk")
    spread = [
        (row.next_attempt_at - before).total_seconds() for row in waiting if row.next_attempt_at
    ]
    assert len(spread) == 21
    assert all(0.1 <= wait < 3.5 for wait in spread)
    assert spread[-1] > 2
    assert all(row.wake_at == row.next_attempt_at for row in waiting)
    assert set(Event.objects.filter(status="retrying").values_list("detail", flat=True)) == {
        "waits for its turn with smtp"
    }


def test_rate_limited_mails_are_requeued_by_the_sweep_and_sent_at_the_rate(
    people: list[User], smtp: SmtpServer, settings: Any, lanes: Lanes
) -> None:
    settings.PROVIDER_MAX_PER_SECOND = {"smtp": 20.0}
    rows = [accepted(user) for user in people]
    lanes.purge()
    started = time.monotonic()

    deliver_all(rows)
    while len(smtp.mails) < 30 and time.monotonic() - started < 10:
        sweep.sweep()
        for _, _, ids, attempt in lanes.take():
            deliver(channel=Channel.EMAIL, ids=[UUID(pk) for pk in ids], attempt=attempt)
        time.sleep(0.05)

    # Eighteen are sent at once, and twelve over the 0.6 s that they take.
    assert time.monotonic() - started > 0.5
    assert counts() == {("sent", 1): 30}
    assert len(set(smtp.message_ids)) == len(smtp.message_ids) == 30


def test_urgent_mails_use_tokens_that_are_reserved_from_bulk_ones(
    people: list[User], smtp: SmtpServer, settings: Any
) -> None:
    settings.PROVIDER_MAX_PER_SECOND = {"smtp": 10.0}
    deliver_all([accepted(user, priority=0) for user in people[:25]])
    bulk = len(smtp.mails)

    deliver_all([accepted(user, priority=9) for user in people[25:28]])

    assert (bulk, len(smtp.mails)) == (7, 10)
    assert set(Notification.objects.filter(priority=9).values_list("status", flat=True)) == {"sent"}


@pytest.mark.parametrize(
    ("stage", "reply"),
    [
        ("end", "454 Throttling failure: Maximum sending rate exceeded."),
        ("rcpt", "451 4.7.500 Server busy"),
        ("mail", "421 4.3.2 Too much"),
    ],
)
def test_a_server_that_requests_a_lower_rate_gets_fewer_mails(
    people: list[User], smtp: SmtpServer, stage: str, reply: str
) -> None:
    smtp.answer(stage, reply)
    first, then = ([accepted(user).pk for user in some] for some in (people[:20], people[20:]))

    deliver(channel=Channel.EMAIL, ids=first, attempt=0)
    slowed = limits.shown("smtp")
    deliver(channel=Channel.EMAIL, ids=then, attempt=0)

    assert slowed.slowed
    assert slowed.per_second is not None
    assert slowed.per_second <= 10
    assert counts()["retrying", 0] >= 1
    assert counts()["retrying", 1] >= 20


def test_devices_beyond_the_rate_limit_are_reached_later_and_each_once(
    welcome: None, fcm_server: FcmServer, settings: Any
) -> None:
    settings.PUSH_PROVIDERS = ["fcm"]
    settings.PROVIDER_MAX_PER_SECOND = {"fcm": 5.0}
    tokens = tuple(f"token-{place}" for place in range(8))
    row = accepted(person("dora", tokens=tokens), notification_type="push")

    deliver_all([row])
    first = counts()
    deadline = timezone.now() + timedelta(seconds=10)
    while counts() == {("retrying", 0): 1} and timezone.now() < deadline:
        time.sleep(0.3)
        Notification.objects.update(next_attempt_at=timezone.now())
        deliver_all([row])

    assert first == {("retrying", 0): 1}
    assert counts() == {("sent", 1): 1}
    assert sorted(fcm_server.notification_ids.values()) == [1] * 8
