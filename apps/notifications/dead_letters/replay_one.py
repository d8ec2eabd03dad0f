"""Replay or discard dead letters one by one."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.common.rest.problems import Problem
from apps.notifications.dead_letters import resend, store
from apps.notifications.dead_letters.store import Replayed
from apps.notifications.lifecycle.states import CLAIMABLE
from apps.notifications.models import (
    ActionName,
    DeadLetter,
    DeadLetterAction,
    DeadLetterReplay,
    LetterState,
    Notification,
)

ReplayResult = Replayed | Problem


def replay(letter_id: UUID, *, by: str, note: str = "", may_have_arrived: bool = False) -> Replayed:
    """Replay an open dead letter.

    A notification is sent again as a new notification. For a poison message, the notifications
    that it names and that still wait are woken.

    Args:
        letter_id: An existing dead letter.
        by: The actor: a client, ``staff:<user id>`` or ``operator``.
        note: The actor's reason.
        may_have_arrived: Whether the actor accepts that the user may get the message twice.

    Raises:
        Problem: 409 if it is not open, the status of its notification does not allow a replay, the
            notification may have arrived, or a poison message names no existing notification; 422
            if the user no longer exists. Nothing is changed in these cases.
    """
    with transaction.atomic():
        letter = _locked(letter_id)
        if letter.state != LetterState.OPEN:
            raise Problem(409, f"This dead letter has been {letter.state}.")
        (answer,) = replay_locked(
            [letter], by=by, now=timezone.now(), note=note, may_have_arrived=may_have_arrived
        )
        if isinstance(answer, Problem):
            raise answer
    return answer


def discard(letter_id: UUID, *, by: str, reason: str) -> DeadLetter:
    """Discard an open dead letter. A discarded letter stays unchanged.

    Args:
        letter_id: An existing dead letter.
        by: The actor: a client, ``staff:<user id>`` or ``operator``.
        reason: Why no further action is needed.

    Raises:
        Problem: 409 if it was replayed.
    """
    with transaction.atomic():
        letter = _locked(letter_id)
        if letter.state == LetterState.REPLAYED:
            raise Problem(409, "This dead letter has been replayed.")
        if letter.state == LetterState.OPEN:
            letter.state, letter.settled_at = LetterState.DISCARDED, timezone.now()
            letter.save(update_fields=["state", "settled_at"])
            line = DeadLetterAction(
                action=ActionName.DISCARDED,
                by=by,
                at=letter.settled_at,
                note=reason,
                letter_id=letter.pk,
            )
            store.record_actions([line])
            if letter.notification_id:
                store.blank_secrets([letter.notification_id])
    return letter


def replay_locked(
    letters: Sequence[DeadLetter],
    *,
    by: str,
    now: datetime,
    note: str = "",
    replay: DeadLetterReplay | None = None,
    may_have_arrived: bool = False,
) -> list[ReplayResult]:
    """Replay open letters that the current transaction has locked. Each is checked independently.

    Args:
        letters: The dead letters.
        by: The actor: a client, ``staff:<user id>`` or ``operator``.
        now: The time of the replay, UTC.
        note: The actor's reason.
        replay: The bulk replay that this belongs to.
        may_have_arrived: Whether the actor accepts that users may get the message twice.

    Returns:
        In the order of the letters, the replay of each, or why it was refused.
    """
    answers = _resent(
        [letter for letter in letters if not letter.is_poison],
        by=by,
        now=now,
        may_have_arrived=may_have_arrived,
    )
    answers |= _made_due([letter for letter in letters if letter.is_poison], now=now)
    done = [answer for answer in answers.values() if isinstance(answer, Replayed)]
    store.mark_replayed(done, by=by, now=now, note=note, replay=replay)
    return [answers[letter.pk] for letter in letters]


def _locked(letter_id: UUID) -> DeadLetter:
    return DeadLetter.objects.select_for_update().get(pk=letter_id)


def _resent(
    letters: Sequence[DeadLetter], *, by: str, now: datetime, may_have_arrived: bool
) -> dict[UUID, ReplayResult]:
    originals = Notification.objects.in_bulk([letter.notification_id for letter in letters])
    stored = resend.store(
        [originals[letter.notification_id] for letter in letters if letter.notification_id],
        by=by,
        now=now,
        may_have_arrived=may_have_arrived,
    )
    return {
        letter.pk: answer
        if isinstance(answer, Problem)
        else Replayed(letter=letter, replayed_as=answer.pk)
        for letter, answer in zip(letters, stored, strict=True)
    }


def _made_due(letters: Sequence[DeadLetter], *, now: datetime) -> dict[UUID, ReplayResult]:
    """Make the claimable notifications that poison messages name due, so that the sweep wakes them.

    Scheduled and claimed notifications have a wake time of their own, which is kept.
    """
    named = {letter.pk: store.ids_named_by(letter) for letter in letters}
    wanted = {pk for ids in named.values() for pk in ids}
    if not wanted:
        return {letter.pk: _has_no_rows() for letter in letters}
    rows = Notification.objects.filter(pk__in=wanted).order_by("pk")
    statuses = dict(rows.select_for_update().values_list("pk", "status"))
    waiting = {pk for pk, status in statuses.items() if status in CLAIMABLE}
    Notification.objects.filter(pk__in=waiting).update(wake_at=now)
    answers: dict[UUID, ReplayResult] = {}
    for letter in letters:
        known = [pk for pk in named[letter.pk] if pk in statuses]
        answers[letter.pk] = (
            Replayed(letter=letter, woken=tuple(pk for pk in known if pk in waiting))
            if known
            else _has_no_rows()
        )
    return answers


def _has_no_rows() -> Problem:
    return Problem(409, "This message names no notification, so it can only be discarded.")
