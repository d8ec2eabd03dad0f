"""A day of signed events: repeated, out of order, with strangers, by an oracle of its own."""

import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Attempt, Notification, Receipt
from apps.users.addresses import address_hash
from apps.users.models import Suppression, User
from tests.fakes.sendgrid_events import EventSigner, event
from tests.notifications.factories import accepted, person

pytestmark = pytest.mark.django_db

MAILS = 100
DAY_SECONDS = 86_400
EVENTS_A_POST = 150


@dataclass(frozen=True, kw_only=True)
class Life:
    """What a mail goes through: events with the seconds after its sending, and what must remain.

    Attributes:
        share: How many of a hundred mails have this life.
        suppressed: The reason on the suppression list; empty for none.
        wants_mail: Whether the recipient gets mail afterwards, by the preferences.
    """

    share: int
    events: Sequence[tuple[str, float, dict[str, Any]]]
    status: str
    reason: str = ""
    suppressed: str = ""
    wants_mail: bool = True


HARD = {"type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 no such user"}
BLOCKED = {"type": "blocked", "status": "4.7.1", "reason": "451 4.7.1 try later"}
LIVES = [
    Life(share=45, events=[("processed", 1, {}), ("delivered", 3, {})], status="delivered"),
    Life(
        share=15,
        events=[
            ("processed", 1, {}),
            ("deferred", 2, {"response": "421 busy", "attempt": "1"}),
            ("deferred", 700, {"response": "421 busy", "attempt": "2"}),
            ("delivered", 1500, {}),
        ],
        status="delivered",
    ),
    Life(
        share=12,
        events=[
            ("processed", 1, {}),
            ("delivered", 3, {}),
            ("open", 600, {"ip": "192.0.2.1", "useragent": "Mail"}),
            ("click", 660, {"url": "https://example.com/", "ip": "192.0.2.1"}),
        ],
        status="delivered",
    ),
    Life(
        share=8,
        events=[("processed", 1, {}), ("bounce", 4, HARD)],
        status="bounced",
        reason="hard_bounce",
        suppressed="hard_bounce",
    ),
    Life(
        share=6,
        events=[("processed", 1, {}), ("bounce", 5, BLOCKED)],
        status="bounced",
        reason="soft_bounce",
    ),
    Life(
        share=4,
        events=[("processed", 1, {}), ("delivered", 3, {}), ("spamreport", 5000, {})],
        status="delivered",
        suppressed="complaint",
    ),
    Life(
        share=4,
        events=[("processed", 1, {}), ("delivered", 3, {}), ("unsubscribe", 4000, {})],
        status="delivered",
        wants_mail=False,
    ),
    Life(
        share=3,
        events=[("dropped", 1, {"reason": "Bounced Address"})],
        status="bounced",
        reason="hard_bounce",
        suppressed="hard_bounce",
    ),
    Life(
        share=2,
        events=[("dropped", 1, {"reason": "Invalid SMTPAPI header"})],
        status="failed",
        reason="dropped",
    ),
    Life(share=1, events=[("something_new", 5, {"shape": ["of", "later"]})], status="sent"),
]


def sent_mail(number: int) -> tuple[User, Notification]:
    user = person(f"reader{number}")
    row = accepted(user)
    Notification.objects.filter(pk=row.pk).update(status=Status.SENT, attempts=1, wake_at=None)
    assert user.email is not None
    Attempt.objects.create(
        notification=row,
        number=1,
        provider="sendgrid",
        address_hash=address_hash(user.email),
        outcome="accepted",
        correlation_id=row.correlation_id,
        started_at=timezone.now(),
        duration_ms=1,
    )
    return user, row


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_day_of_events_leaves_the_right_statuses(
    sendgrid_events: EventSigner, welcome: None, seed: int
) -> None:
    chance = random.Random(seed)
    begin = int(time.time()) - DAY_SECONDS
    lives = [life for life in LIVES for _ in range(life.share)]
    expected: dict[User, tuple[Notification, Life]] = {}
    day: list[dict[str, Any]] = []
    for number in range(MAILS):
        user, row = sent_mail(number)
        life = lives[number % len(lives)]
        expected[user] = row, life
        at = begin + chance.randrange(DAY_SECONDS // 2)
        for kind, later, fields in life.events:
            made = event(row.pk, kind, email=user.email, timestamp=at + int(later), **fields)
            # SendGrid repeats what it has no answer for, also hours later.
            day += [made] * chance.choice([1, 1, 1, 2, 3])
    strangers = [
        event(None, "delivered", email="nobody@example.com", timestamp=begin),
        event(uuid4(), "delivered", email="nobody@example.com", timestamp=begin),
        event("not-an-id", "bounce", email="nobody@example.com", timestamp=begin),
    ]
    day += strangers
    chance.shuffle(day)

    for start in range(0, len(day), EVENTS_A_POST):
        body = json.dumps(day[start : start + EVENTS_A_POST]).encode()
        assert sendgrid_events.deliver_body(body).status_code == 204

    for row, _ in expected.values():
        row.refresh_from_db()
    assert [
        f"{life.events}: {row.status} {row.reason}"
        for row, life in expected.values()
        if (row.status, row.reason) != (life.status, life.reason)
    ] == []
    listed = dict(Suppression.objects.values_list("address", "reason"))
    assert listed == {
        user.email: life.suppressed for user, (_, life) in expected.items() if life.suppressed
    }
    for user, (_, life) in expected.items():
        user.refresh_from_db()
        assert user.email_enabled is life.wants_mail
    # Each event is stored once; the strangers wait.
    assert Receipt.objects.count() == len({one["sg_event_id"] for one in day})
    assert Receipt.objects.filter(notification=None).count() == len(strangers)
