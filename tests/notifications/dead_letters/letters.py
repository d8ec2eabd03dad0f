"""Create dead letters as the pipeline does, and replay many of them over the API."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.callers import Caller
from apps.notifications.dead_letters import store
from apps.notifications.dead_letters.replay_many import replay_slice
from apps.notifications.dead_letters.store import Poison
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import (
    Attempt,
    DeadLetter,
    DeadLetterAction,
    DeadLetterReplay,
    Notification,
)
from apps.users.models import User
from tests.notifications.factories import SHOP, row_with_status

PATH = "/api/v1/dead-letters/"
REPLAY = f"{PATH}replay"


def dead_letter(
    user: User,
    *,
    reason: str = "attempts_exhausted",
    provider: str = "smtp",
    caller: Caller = SHOP,
    **columns: Any,
) -> DeadLetter:
    """Record a notification as failed and create its dead letter."""
    row = row_with_status(user, Status.FAILED, caller=caller, reason=reason, **columns)
    if provider:
        Attempt.objects.create(
            notification=row,
            number=1,
            provider=provider,
            outcome="permanent",
            code="554",
            correlation_id="c",
            started_at=timezone.now(),
            duration_ms=12,
        )
    store.record_failed([row.pk])
    return DeadLetter.objects.get(notification=row)


def poison(*ids: UUID | str, body: str | None = None, reason: str = "rejected") -> DeadLetter:
    """Record a rejected message that contained these notification ids."""
    message_id = uuid4().hex
    text = json.dumps([[[str(pk) for pk in ids], 0], {}, {}]) if body is None else body
    message = {"headers": {"task": "notifications.deliver_email"}, "body": text}
    deaths = [{"queue": "email", "reason": reason, "count": 1}]
    store.record_poison(
        Poison(
            message_id=message_id, reason=reason, channel="email", x_death=deaths, message=message
        )
    )
    return DeadLetter.objects.get(message_id=message_id)


def recorded_before(letter: DeadLetter, age: timedelta) -> DeadLetter:
    """Make a letter older by ``age``; its id stays, so this is only for less than a minute."""
    DeadLetter.objects.filter(pk=letter.pk).update(recorded_at=letter.recorded_at - age)
    letter.refresh_from_db()
    return letter


def audit_trail(**of: Any) -> list[tuple[str, str, str]]:
    """Return the audit trail: action, actor and note of each line."""
    lines = DeadLetterAction.objects.filter(**of).order_by("pk")
    return list(lines.values_list("action", "by", "note"))


def overdue_replays() -> None:
    """Make every replay overdue, so that its rate allows a whole slice now."""
    DeadLetterReplay.objects.update(next_at=timezone.now() - timedelta(hours=1))


def replays_of(letter: DeadLetter) -> list[Notification]:
    return list(Notification.objects.filter(replay_of=letter.notification_id))


def start_replay(caller: APIClient, **given: Any) -> dict[str, Any]:
    """Start a replay over the API and return the answer."""
    answer = caller.post(REPLAY, given, format="json")
    assert answer.status_code == 202, answer.content
    return dict(answer.json())


def replay_progress(caller: APIClient, replay: dict[str, Any]) -> dict[str, Any]:
    """Read a replay over the API."""
    answer = caller.get(replay["links"]["self"])
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def run_replays_to_the_end() -> None:
    """Run the scheduler's job until no replay is left."""
    for _ in range(100):
        overdue_replays()
        if not replay_slice():
            return
    raise AssertionError("the replay never ends")
