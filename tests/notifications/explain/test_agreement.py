"""What an explanation says is what then happens: people and requests by chance, each sent."""

import random
from datetime import UTC, datetime, time, timedelta
from typing import Any, Literal

import pytest
from django.utils import timezone

from apps.common.rest.problems import Problem
from apps.notifications.explain.recipient import explain
from apps.notifications.explain.verdicts import Outcome
from apps.notifications.intake.accept import accept_all
from apps.notifications.intake.requests import SendRequest
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.users.addresses import address_hash
from apps.users.models import CategoryPreference, Suppression, User
from tests.notifications.delivering import deliver_and_refresh
from tests.notifications.factories import SHOP, make_overdue, person, template

pytestmark = pytest.mark.django_db

ENDINGS = {
    Status.SENT: Outcome.SEND,
    Status.DELIVERED: Outcome.SEND,
    Status.SKIPPED: Outcome.SKIP,
    Status.EXPIRED: Outcome.SKIP,
    Status.FAILED: Outcome.REFUSE,
}
CHANNELS: tuple[Literal["email", "push"], ...] = ("email", "push")
# A whole day but a minute, so that a test is not in them or out of them by chance.
ALWAYS = (time(0, 1), time(0, 0))
SEEDS = range(100)


def some_person(chance: random.Random, number: int) -> User:
    name = f"person{number}"
    user = person(name, tokens=tuple(f"{name}-{n}" for n in range(chance.choice([0, 0, 1, 2]))))
    user.email_confirmed_at = chance.choice([timezone.now()] * 4 + [None])
    user.email_enabled, user.push_enabled = (chance.random() < 0.8 for _ in range(2))
    if chance.random() < 0.2:
        user.quiet_from, user.quiet_to = ALWAYS
    user.save()
    if chance.random() < 0.2:
        assert user.email is not None
        Suppression.objects.create(
            address_hash=address_hash(user.email), address=user.email, reason="hard_bounce"
        )
    if chance.random() < 0.3:
        CategoryPreference.objects.create(
            user=user, category="news", **{chance.choice(["email", "push"]): False}
        )
    return user


def some_request(chance: random.Random, user: User) -> SendRequest:
    channel = chance.choice(CHANNELS)
    other = CHANNELS[channel == "email"]
    codes = [f"{kind}-{channel}" for kind in ("plain", "plain", "critical", "fragile")]
    now = datetime.now(UTC)
    return SendRequest(
        notification_type=chance.choice([channel] * 9 + [other]),
        user_id=user.pk,
        template_code=chance.choice([*codes, *codes, "missing"]),
        variables=chance.choice([{"name": "Ada"}] * 6 + [{}, {"name": ["not", "a", "number"]}]),
        priority=chance.choice([1, 5, 7, 9]),
        scheduled_for=chance.choice([None] * 5 + [now - timedelta(hours=1)]),
        expires_at=chance.choice([None] * 5 + [now + timedelta(hours=1), now - timedelta(hours=1)]),
    )


# It needs a number, and fails with anything else.
FRAGILE = "Hello {{ name | divided_by: 2 }}"
CONTENTS: dict[str, dict[str, dict[str, str]]] = {
    "email": {
        "plain": {"subject": "Hello {{ name }}", "body": "Hello"},
        "critical": {"subject": "Hello {{ name }}", "body": "Hello"},
        "fragile": {"subject": "Hello", "body": FRAGILE},
    },
    "push": {
        "plain": {"title": "Hello {{ name }}", "body": "Hello"},
        "critical": {"title": "Hello {{ name }}", "body": "Hello"},
        "fragile": {"title": "Hello", "body": FRAGILE},
    },
}


@pytest.fixture
def _templates() -> None:
    for channel, contents in CONTENTS.items():
        for kind, content in contents.items():
            fields: dict[str, Any] = {"category": "news", "critical": kind == "critical"}
            template(f"{kind}-{channel}", channel, content, **fields)


@pytest.mark.usefixtures("_templates")
@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_explained_is_what_happens(seed: int) -> None:
    chance = random.Random(seed)
    user = some_person(chance, seed)
    request = some_request(chance, user)

    said = explain(request, caller=SHOP)

    assert Notification.objects.count() == 0
    [answer] = accept_all([request], caller=SHOP)
    if isinstance(answer, Problem):
        assert (said.outcome, said.reason) == ("refuse", answer.problem_code)
        return
    row = answer.notification
    deliver_and_refresh(row)
    if row.status == Status.SCHEDULED:
        if said.outcome == Outcome.POSTPONE:
            assert said.at is not None
            assert row.next_attempt_at is not None
            assert abs(said.at - row.next_attempt_at) < timedelta(minutes=1)
        # What is said besides is what becomes of it after the quiet hours.
        User.objects.filter(pk=user.pk).update(quiet_from=None, quiet_to=None)
        make_overdue(row, status=Status.PENDING, next_attempt_at=None)
        deliver_and_refresh(row)
    expected = Outcome.SEND if said.outcome == Outcome.POSTPONE else said.outcome
    assert expected == ENDINGS[Status(row.status)], (said.rules, row.status, row.reason)
    if said.outcome in {Outcome.SKIP, Outcome.REFUSE}:
        assert said.reason == row.reason
