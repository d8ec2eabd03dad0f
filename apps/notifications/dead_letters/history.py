"""What is known about one dead letter: the way of its notification, its replays, who did what."""

from uuid import UUID

from apps.notifications.lifecycle import timeline
from apps.notifications.lifecycle.timeline import Entry
from apps.notifications.models import DeadLetter, DeadLetterAction, Notification

# Nobody replays one notification this often; it only bounds the work.
LINEAGE_MAX = 20


def timeline_of(letter: DeadLetter) -> list[Entry]:
    """Tell what happened to the notification; nothing for poison."""
    return timeline.read(letter.notification) if letter.notification else []


def actions_on(letter: DeadLetter) -> list[DeadLetterAction]:
    """Return the audit trail of a letter, the oldest line first."""
    return list(DeadLetterAction.objects.filter(letter_id=letter.pk).order_by("pk"))


def lineage_of(letter: DeadLetter) -> list[Notification]:
    """Return the notification with those that it replays and those that replay it, in order.

    Backwards by ``replay_of``, forwards by what each one's dead letter was replayed as.
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
