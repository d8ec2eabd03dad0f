"""Who is told, and how: by mail, and by webhooks of those who operate the installation."""

from django.utils import timezone

from apps.common.callers import Kind
from apps.common.times import in_zulu
from apps.notifications.models import Notice
from apps.notifications.notices import conditions, mails
from apps.webhooks import event_types, outbox, subscriptions
from apps.webhooks.outbox import Event


def has_subscribers() -> bool:
    """Return whether anybody is told. Without anybody the scheduler looks at nothing."""
    return bool(mails.addresses()) or _has_webhooks()


def told(notice: Notice) -> None:
    """Tell that a notice was raised, or that it is over, in the transaction that stores it.

    Called once when it is raised and once when it is over (``notice.is_over``). Whatever tells
    operators in another way begins here.

    Raises:
        InFlightError: The notice is over, and a worker is sending the mail that raised it. The
            transaction is rolled back, and the next look tries again.
    """
    mails.tell(notice)
    if _has_webhooks():
        outbox.store([_event(notice)])


def _has_webhooks() -> bool:
    wanted = subscriptions.of_all_clients(Kind.LIVE, event_types.OPERATIONS_NOTICE)
    return next(wanted, None) is not None


def _event(notice: Notice) -> Event:
    say = conditions.over if notice.is_over else conditions.said
    at = notice.over_at or timezone.now()
    return Event(
        client="",
        kind=Kind.LIVE,
        type=event_types.OPERATIONS_NOTICE,
        at=at,
        data={
            "condition": notice.condition,
            "subject": notice.subject,
            "state": "over" if notice.is_over else "raised",
            "summary": say(notice.condition, notice.subject, notice.facts),
            "since": in_zulu(notice.since),
            "at": in_zulu(at),
        },
    )
