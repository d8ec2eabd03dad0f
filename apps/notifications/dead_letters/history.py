"""The history of one dead letter: its notification's timeline, replays and audit trail."""

from uuid import UUID

from apps.notifications.lifecycle import timeline
from apps.notifications.lifecycle.timeline import Entry
from apps.notifications.models import DeadLetter, DeadLetterAction, Notification

# No notification is replayed this often. The constant only limits the number of queries.
LINEAGE_MAX = 20


def timeline_of(letter: DeadLetter) -> list[Entry]:
    """Return the timeline of the notification; empty for a poison message."""
    return timeline.read(letter.notification) if letter.notification else []


def actions_on(letter: DeadLetter) -> list[DeadLetterAction]:
    """Return the audit trail of a letter, oldest entry first."""
    return list(DeadLetterAction.objects.filter(letter_id=letter.pk).order_by("pk"))


def lineage_of(letter: DeadLetter) -> list[Notification]:
    """Return the notification, those that it replays, and those that replay it, in order.

    Earlier ones are found by ``replay_of``, later ones by ``replayed_as`` of their dead letters.
    """
    if letter.notification is None:
        return []
    return [
        *reversed(_ancestors(letter.notification)),
        letter.notification,
        *_descendants(letter.replayed_as),
    ]


def _ancestors(notification: Notification) -> list[Notification]:
    found: list[Notification] = []
    before = notification.replay_of
    while before is not None and len(found) < LINEAGE_MAX:
        row = Notification.objects.filter(pk=before).first()
        if row is None:
            break
        found.append(row)
        before = row.replay_of
    return found


def _descendants(replayed_as: UUID | None) -> list[Notification]:
    found: list[Notification] = []
    while replayed_as is not None and len(found) < LINEAGE_MAX:
        row = Notification.objects.filter(pk=replayed_as).select_related("dead_letter").first()
        if row is None:
            break
        found.append(row)
        letter = getattr(row, "dead_letter", None)
        replayed_as = letter.replayed_as if letter is not None else None
    return found
