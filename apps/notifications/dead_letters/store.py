"""Store dead letters, each once, and the audit trail of actions on them."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction

from apps.common.callers import Kind
from apps.notifications.lifecycle import announce
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import (
    ActionName,
    Attempt,
    DeadLetter,
    DeadLetterAction,
    DeadLetterReplay,
    LetterState,
    Notification,
)

log = structlog.get_logger(__name__)

# The actor in the audit trail for automatic actions.
SYSTEM = "system"


@dataclass(frozen=True, kw_only=True)
class Poison:
    """A poison message: one that the broker or a worker dead-lettered.

    Attributes:
        message_id: The message's own id, by which a second copy is recognised.
        reason: The broker's reason, such as ``rejected`` or ``delivery_limit``.
        channel: The channel of the queue that it was dead-lettered from; empty if unknown.
        x_death: The broker's ``x-death`` header, its record of the dead-lettering.
        message: Headers and body, as far as they can be shown.
    """

    message_id: str
    reason: str
    channel: str
    x_death: list[dict[str, Any]] = field(default_factory=list)
    message: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """One dead letter that was replayed.

    Attributes:
        letter: The dead letter.
        replayed_as: The id of the new notification; None for a poison message.
        woken: The ids in a poison message whose notifications were made due.
    """

    letter: DeadLetter
    replayed_as: UUID | None = None
    woken: tuple[UUID, ...] = ()


def record_failed(ids: Collection[UUID]) -> None:
    """Record dead letters for notifications with status ``failed``, and clear their wake time.

    A row that is no longer failed, because a late receipt changed it, gets no dead letter.
    """
    with transaction.atomic():
        rows = list(
            Notification.objects.filter(pk__in=ids, status=Status.FAILED)
            .order_by("pk")
            .select_for_update()
        )
        ids = [row.pk for row in rows]
        providers = _last_providers(ids)
        # A second message for the same failure records nothing, and tells nobody again.
        known = _recorded(ids) if announce.columns() else frozenset()
        letters = [
            DeadLetter(
                notification=row,
                kind=row.kind,
                channel=row.channel,
                reason=row.reason,
                template_code=row.template_code,
                provider=providers.get(row.pk, ""),
            )
            for row in rows
            if row.pk not in known
        ]
        DeadLetter.objects.bulk_create(letters, ignore_conflicts=True)
        announce.dead_letters(letters)
        Notification.objects.filter(pk__in=[row.pk for row in rows]).update(wake_at=None)
    for row in rows:
        log.warning(
            "dead letter recorded",
            notification_id=str(row.pk),
            correlation_id=row.correlation_id,
            channel=row.channel,
            reason=row.reason,
        )


def _recorded(ids: Collection[UUID]) -> frozenset[UUID | None]:
    letters = DeadLetter.objects.filter(notification_id__in=ids)
    return frozenset(letters.values_list("notification_id", flat=True))


def resolve(ids: Collection[UUID], *, now: datetime, why: str) -> None:
    """Resolve the open letters of notifications that turned out not to have failed.

    Args:
        ids: The notifications.
        now: The time of the resolution, UTC.
        why: The text for the audit trail.
    """
    with transaction.atomic():
        letters = DeadLetter.objects.filter(notification_id__in=ids, state=LetterState.OPEN)
        closing = list(letters.order_by("pk").select_for_update().values_list("pk", flat=True))
        if not closing:
            return
        DeadLetter.objects.filter(pk__in=closing).update(state=LetterState.RESOLVED, settled_at=now)
        record_actions(
            DeadLetterAction(
                action=ActionName.RESOLVED, by=SYSTEM, at=now, note=why, letter_id=letter_id
            )
            for letter_id in closing
        )


def _last_providers(ids: Collection[UUID]) -> dict[UUID, str]:
    attempts = Attempt.objects.filter(notification_id__in=ids).order_by("pk")
    return dict(attempts.values_list("notification_id", "provider"))


def record_poison(poison: Poison) -> None:
    """Record a message that could not be processed. The sweep finds its rows."""
    DeadLetter.objects.bulk_create(
        [
            DeadLetter(
                message_id=poison.message_id,
                kind=Kind.LIVE,
                reason=poison.reason[:40],
                channel=poison.channel,
                x_death=poison.x_death,
                message=poison.message,
            )
        ],
        ignore_conflicts=True,
    )
    log.warning("poison recorded", message_id=poison.message_id, reason=poison.reason)


def ids_named_by(poison: DeadLetter) -> list[UUID]:
    """Return the notification ids that the body of a poison message contains.

    A task's body is ``[args, kwargs, embed]`` (Celery's protocol 2), and our first argument is
    the list of ids. A message of ``failed`` has one id in the field ``notification_id``.
    """
    try:
        body = json.loads(poison.message.get("body", ""))
    except (ValueError, TypeError, RecursionError):
        return []
    match body:
        case [[[*ids], *_], *_]:
            named: list[Any] = ids
        case {"notification_id": only}:
            named = [only]
        case _:
            named = []
    return list(dict.fromkeys(found for text in named if (found := _id_in(text)) is not None))


def _id_in(text: Any) -> UUID | None:
    try:
        return UUID(text)
    except (ValueError, TypeError, AttributeError):
        return None


def mark_replayed(
    done: Sequence[Replayed],
    *,
    by: str,
    now: datetime,
    note: str = "",
    replay: DeadLetterReplay | None = None,
) -> None:
    """Mark letters as replayed, in the transaction that stores the new notifications.

    Args:
        done: Replayed letters, which the current transaction has locked.
        by: The actor: a client, ``staff:<user id>`` or ``operator``.
        now: The time of the replay, UTC.
        note: The actor's reason.
        replay: The bulk replay that this belongs to.
    """
    for one in done:
        one.letter.state = LetterState.REPLAYED
        one.letter.replayed_as = one.replayed_as
        one.letter.settled_at = now
    letters = [one.letter for one in done]
    DeadLetter.objects.bulk_update(letters, ["state", "replayed_as", "settled_at"])
    record_actions(
        DeadLetterAction(
            action=ActionName.REPLAYED,
            by=by,
            at=now,
            note=note,
            letter_id=one.letter.pk,
            replay=replay,
            detail=(
                {"woken": [str(pk) for pk in one.woken]}
                if one.letter.is_poison
                else {"replayed_as": str(one.replayed_as)}
            ),
        )
        for one in done
    )


def blank_secrets(ids: Collection[UUID]) -> None:
    """Delete the secret variables of notifications that will not be sent again themselves."""
    if ids:
        Notification.objects.filter(pk__in=ids).update(secret_variables=None)


def record_actions(actions: Iterable[DeadLetterAction]) -> None:
    """Add entries to the audit trail and log them."""
    lines = list(actions)
    DeadLetterAction.objects.bulk_create(lines)
    for line in lines:
        log.info(
            "dead letter action",
            action=line.action,
            by=line.by,
            dead_letter_id=str(line.letter_id) if line.letter_id else None,
            replay_id=str(line.replay_id) if line.replay_id else None,
        )
