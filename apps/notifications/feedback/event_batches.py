"""Process many events at once, with a constant number of statements for up to 100 events.

An event is processed once, whatever is delivered twice or at the same time: its notification is
locked, and its id is unique. Events that fit no notification are stored and wait for it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.common.channels import Channel
from apps.common.database_retry import run_until_answered
from apps.common.postgresql.one_of import OneOf
from apps.notifications.broker import publisher
from apps.notifications.dead_letters import store
from apps.notifications.feedback import consequences
from apps.notifications.feedback.consequences import Reported
from apps.notifications.feedback.events import ProviderEvent, ReceiptEvent, destination
from apps.notifications.lifecycle import announce
from apps.notifications.lifecycle.states import Status, may_move
from apps.notifications.lifecycle.transitions import advance
from apps.notifications.models import Notification, Receipt
from apps.notifications.statistics import counters
from apps.notifications.statistics import record as statistics

log = structlog.get_logger(__name__)

SLICE_EVENTS = 100
# A provider waits for the answer, and repeats the delivery if there is none.
PATIENCE_SECONDS = 3.0
# What is read of a notification; its variables may be large.
COLUMNS = (
    "client",
    "kind",
    "channel",
    "status",
    "reason",
    "attempts",
    "crashes",
    "user_id",
    "recipient",
    "template_code",
    "template_version_id",
    "request_id",
    "correlation_id",
    "batch_id",
    "metadata",
)


@dataclass(frozen=True, kw_only=True)
class Named:
    """An event and the notification that it names.

    Attributes:
        notification_id: The id in the event; None if it has none of ours.
        stored_as: The receipt in which the event waits; None for a new event.
    """

    notification_id: UUID | None
    event: ProviderEvent
    stored_as: UUID | None = None


@dataclass(kw_only=True)
class Taken:
    """How many events were new, and how many of these fit a notification."""

    new: int = 0
    matched: int = 0


Ending = tuple[Status, str]


def take_all(named: Sequence[Named]) -> Taken:
    """Process mail events, in the order of their times for each notification.

    Args:
        named: The events. Those of the same provider with a known ``event_id`` are ignored.
    """
    taken = Taken()
    for start in range(0, len(named), SLICE_EVENTS):
        _take_slice(named[start : start + SLICE_EVENTS], taken, now=timezone.now())
    return taken


def _take_slice(named: Sequence[Named], taken: Taken, *, now: datetime) -> None:
    new = _new(named)
    if not new:
        return
    fitting = _fitting(new)
    # See ``consequences`` for why these come first.
    consequences.suppress(fitting.values())
    consequences.change_preferences(list(fitting.values()))
    # A worker that records the same mails at once may be in a deadlock with this.
    recorded = run_until_answered(
        lambda _: _record(new, fitting, now=now),
        what="record events",
        patience_seconds=PATIENCE_SECONDS,
    )
    consequences.suppress_after_soft_bounces(fitting.values())
    if recorded.failed:
        publisher.publish_failed(recorded.failed)
    if recorded.revived:
        store.resolve(recorded.revived, now=now, why="the provider reported it later")
    taken.new += len(recorded.new)
    matched = sum(id(each) in fitting for each in recorded.new)
    taken.matched += matched
    log.info("events taken", new=len(recorded.new), matched=matched, failed=len(recorded.failed))


@dataclass(kw_only=True)
class _Recorded:
    """The events that were stored, and the notifications that failed or had not failed after all.

    If a connection breaks during the commit, nothing is new when it is repeated. The sweep then
    finds the notifications that failed.
    """

    new: Sequence[Named]
    failed: list[UUID] = field(default_factory=list)
    revived: list[UUID] = field(default_factory=list)


def _record(named: Sequence[Named], fitting: Mapping[int, Reported], *, now: datetime) -> _Recorded:
    """Move notifications and store events, all of them or none."""
    rows = {each.row.pk for each in fitting.values()}
    with transaction.atomic(), statistics.together():
        statuses = _locked_statuses(rows)
        # Another process may have delivered the same events since.
        done = _Recorded(new=_new(named) if fitting else named)
        providers = {
            each.notification_id: each.event.provider
            for each in done.new
            if each.notification_id is not None
        }
        for (to, reason), ids in _goals(done.new, fitting, statuses).items():
            advance(
                Notification.objects.filter(OneOf("pk", ids)),
                to=to,
                now=now,
                reason=reason,
                provider=providers,
            )
            if to is Status.FAILED:
                done.failed += ids
            else:
                done.revived += [pk for pk in ids if statuses[pk][0] is Status.FAILED]
        _store(done.new, fitting, now=now)
        for each in done.new:
            found = fitting.get(id(each))
            if found is not None:
                _count(found, now=now)
    return done


def _count(found: Reported, *, now: datetime) -> None:
    """Count an event, and tell webhooks of an opened mail."""
    row, event = found.row, found.event
    statistics.count([row], counters.RECEIPTS, event.provider, event.event, now=now)
    if event.event is not ReceiptEvent.OPENED:
        return
    told = announce.opened(row, status=row.status, provider=event.provider, at=now)
    statistics.tell(told)


def _new(named: Iterable[Named]) -> list[Named]:
    """Return the events that are not stored yet, each once."""
    first: dict[tuple[str, str | None], Named] = {}
    for each in named:
        key = (each.event.provider, each.event.event_id or f"{id(each)}")
        first.setdefault(key, each)
    fresh = [each.event for each in first.values() if each.stored_as is None]
    ids = [event.event_id for event in fresh if event.event_id is not None]
    known: set[tuple[str, str | None]] = set()
    if ids:
        stored = Receipt.objects.filter(
            provider__in={event.provider for event in fresh}, event_id__in=ids
        )
        known = set(stored.values_list("provider", "event_id"))
    return [each for key, each in first.items() if each.stored_as or key not in known]


def _fitting(named: Sequence[Named]) -> dict[int, Reported]:
    """Return the events that fit a mail for which a provider was called, by their identity."""
    ids = {each.notification_id for each in named if each.notification_id is not None}
    if not ids:
        return {}
    mails = Notification.objects.filter(OneOf("pk", ids), channel=Channel.EMAIL)
    rows = {row.pk: row for row in mails.only(*COLUMNS)}
    calls = consequences.calls_for(rows.keys())
    pairs = {
        id(each): (rows[each.notification_id], each.event)
        for each in named
        if each.notification_id in rows
        and consequences.was_called_for(rows[each.notification_id], calls)
    }
    found = consequences.with_addresses(pairs.values(), calls)
    return dict(zip(pairs, found, strict=True))


def _locked_statuses(rows: Collection[UUID]) -> dict[UUID, tuple[Status, str]]:
    """Lock notifications, in the same order as all others do, and return their statuses."""
    if not rows:
        return {}
    locked = Notification.objects.filter(OneOf("pk", rows)).order_by("pk").select_for_update()
    return {
        pk: (Status(status), reason)
        for pk, status, reason in locked.values_list("pk", "status", "reason")
    }


def _goals(
    new: Iterable[Named],
    fitting: Mapping[int, Reported],
    statuses: Mapping[UUID, tuple[Status, str]],
) -> dict[Ending, list[UUID]]:
    """Return the notifications to move, by their new status and reason.

    The events of one notification are applied in the order of their times, and it moves once, so
    that the statistics count one ending.
    """
    events: defaultdict[UUID, list[ProviderEvent]] = defaultdict(list)
    for each in new:
        found = fitting.get(id(each))
        if found is not None and found.row.pk in statuses:
            events[found.row.pk].append(each.event)
    goals: defaultdict[Ending, list[UUID]] = defaultdict(list)
    for pk, its_events in sorted(events.items()):
        before, reason = statuses[pk]
        goal = _goal(before, reason, sorted(its_events, key=lambda event: event.occurred_at))
        if goal is not None:
            goals[goal].append(pk)
    return goals


def _goal(before: Status, reason: str, events: Iterable[ProviderEvent]) -> Ending | None:
    """Return where events lead one after another, as far as one move from the start goes."""
    current, goal = (before, reason), None
    for event in events:
        to = destination(*current, event)
        if to is None or not may_move(current[0], to[0]):
            continue
        current = to
        if may_move(before, to[0]):
            goal = to
    return goal


def _store(new: Sequence[Named], fitting: Mapping[int, Reported], *, now: datetime) -> None:
    """Store new events, and attach those that waited for their notification."""
    waited = [each.stored_as for each in new if each.stored_as and id(each) in fitting]
    if waited:
        waiting = Receipt.objects.filter(OneOf("pk", waited), notification=None)
        waiting.update(notification_id=F("named_id"))
        # The address that such a report names was not compared with anything before.
        strange = [
            each.stored_as
            for each in new
            if each.stored_as and id(each) in fitting and fitting[id(each)].address_hash is None
        ]
        if strange:
            Receipt.objects.filter(OneOf("pk", strange)).update(address_hash=None)
    rows = [
        _receipt(each, fitting.get(id(each)), now=now) for each in new if each.stored_as is None
    ]
    Receipt.objects.bulk_create(rows, ignore_conflicts=True)


def _receipt(named: Named, fitting: Reported | None, *, now: datetime) -> Receipt:
    event = named.event
    return Receipt(
        notification_id=named.notification_id if fitting is not None else None,
        named_id=named.notification_id,
        provider=event.provider,
        event=event.event,
        detail=event.detail[:500],
        reason=event.reason[:40],
        event_id=event.event_id,
        address_hash=fitting.address_hash if fitting is not None else event.address_hash,
        occurred_at=event.occurred_at,
        received_at=now,
    )
