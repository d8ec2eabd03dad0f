"""Tell client applications what changed in accounts and on the suppression list.

Users and suppressions are shared by the installation, so every client that subscribes is told.
Changes by test keys are none: they do not touch either.
"""

from collections.abc import Callable, Iterable

from apps.common.account_events import AccountEvent, AccountEventType
from apps.common.callers import Kind
from apps.common.times import in_zulu
from apps.webhooks import outbox, subscriptions
from apps.webhooks.outbox import Event


def tell(kind: AccountEventType, events: Callable[[], Iterable[AccountEvent]]) -> None:
    """Store the deliveries of events; see ``apps.common.account_events.tell``."""
    if not any(True for _ in subscriptions.of_all_clients(Kind.LIVE, kind)):
        return
    outbox.store(
        [
            Event(
                client="",
                kind=Kind.LIVE,
                type=event.type,
                at=event.at,
                data={
                    "user_id": str(event.user_id) if event.user_id else None,
                    "external_id": None,
                    **event.data,
                    "at": in_zulu(event.at),
                },
                user_id=event.user_id,
            )
            for event in events()
        ]
    )
