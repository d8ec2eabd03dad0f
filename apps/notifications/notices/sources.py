"""Where the conditions are read. Each source is cheap: a look every 15 s reads all of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError

from apps.common.callers import Kind
from apps.common.ids import first_id_at
from apps.notifications.flow_control import breakers, control
from apps.notifications.flow_control.breakers import Forced, State
from apps.notifications.flow_control.control import BreakerState, ProviderState
from apps.notifications.models import DeadLetter
from apps.notifications.notices.conditions import (
    LETTERS_WINDOW_MINUTES,
    Condition,
    Observation,
)
from apps.notifications.notices.episodes import Seen
from apps.notifications.operations.overdue import OVERDUE_SECONDS, Oldest, oldest_overdue
from apps.webhooks.meanings import DISABLED
from apps.webhooks.models import DisabledReason, Endpoint

log = structlog.get_logger(__name__)

# A breaker that closes sooner is no news: the next provider has taken over, or messages wait.
OPEN_FOR = timedelta(minutes=5)
LETTERS_WINDOW = timedelta(minutes=LETTERS_WINDOW_MINUTES)
# A condition ends at half of the value at which it begins.
ENDS_AT = 0.5


class UnknownError(Exception):
    """The conditions of a source cannot be read now, so nothing is known about them."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Something that can be in a bad condition.

    Attributes:
        conditions: The conditions that it can have.
        read: Returns those that it has at a time (UTC). It raises ``UnknownError`` if it cannot
            tell; then the notices of these conditions stay as they are. It is called in no
            transaction, by a scheduler and by the desk's Home.
    """

    conditions: Sequence[Condition]
    read: Callable[[datetime], Iterable[Observation]]


def open_breakers(now: datetime) -> list[Observation]:
    """Return the breakers of configured providers that have been open for five minutes.

    Raises:
        UnknownError: Redis, where the workers' breakers are, does not answer.
    """
    found = of_providers(control.configured(), now=now)
    if breakers.are_cut_off():
        message = "Redis does not answer"
        raise UnknownError(message)
    return found


def of_providers(providers: Iterable[ProviderState], *, now: datetime) -> list[Observation]:
    """Return what is told about providers whose states were read.

    A breaker that staff force open raises nothing, because they know; if it was told before, it is
    not over yet.
    """
    return [
        Observation(
            condition=Condition.BREAKER_OPEN,
            subject=breaker.name,
            since=breaker.since,
            facts={"reason": breaker.reason},
            is_raised=breaker.forced is Forced.AUTO and now - breaker.since >= OPEN_FOR,
        )
        for provider in providers
        for breaker in provider.breakers
        if _is_stopped(breaker) and breaker.since is not None
    ]


def _is_stopped(breaker: BreakerState) -> bool:
    return breaker.state is not State.CLOSED


def many_letters(now: datetime) -> list[Observation]:
    """Return whether too many messages failed for good in the last ten minutes.

    Ids are UUIDv7, so the primary key finds the latest letters, at most as many as are too many.
    """
    limit: int = settings.OPERATOR_DEAD_LETTERS
    latest = DeadLetter.objects.filter(pk__gte=first_id_at(now - LETTERS_WINDOW), kind=Kind.LIVE)
    rows = latest.order_by("pk").values_list("reason", "recorded_at")[:limit]
    found = list(rows)
    if len(found) < max(1, limit * ENDS_AT):
        return []
    ((reason, _),) = Counter(reason for reason, _ in found).most_common(1)
    return [
        Observation(
            condition=Condition.DEAD_LETTERS,
            since=min(recorded_at for _, recorded_at in found),
            facts={"count": len(found), "reason": reason},
            is_raised=len(found) >= limit,
        )
    ]


def overdue(_: datetime) -> list[Observation]:
    """Return whether the oldest due notification has waited for more than a minute."""
    return of_oldest(oldest_overdue())


def of_oldest(oldest: Oldest | None) -> list[Observation]:
    """Return what is told about the oldest overdue notification."""
    if oldest is None or oldest.seconds <= OVERDUE_SECONDS * ENDS_AT:
        return []
    return [
        Observation(
            condition=Condition.OVERDUE,
            since=oldest.since,
            facts={"seconds": round(oldest.seconds)},
            is_raised=oldest.seconds > OVERDUE_SECONDS,
        )
    ]


def disabled_webhooks(_: datetime) -> list[Observation]:
    """Return the webhooks that were disabled because they answered 410 or nothing but failures."""
    rows = Endpoint.objects.filter(
        enabled=False,
        deleted_at=None,
        disabled_at__isnull=False,
        disabled_reason__in=[DisabledReason.GONE, DisabledReason.FAILING],
    )
    return [
        Observation(
            condition=Condition.WEBHOOK_DISABLED,
            subject=str(endpoint.pk),
            since=endpoint.disabled_at,
            facts={
                "name": f"{endpoint.description or endpoint.pk} of {endpoint.client}",
                "why": DISABLED[endpoint.disabled_reason],
            },
        )
        for endpoint in rows
        if endpoint.disabled_at is not None
    ]


BREAKERS = Source(conditions=[Condition.BREAKER_OPEN], read=open_breakers)
LETTERS = Source(conditions=[Condition.DEAD_LETTERS], read=many_letters)
OVERDUE = Source(conditions=[Condition.OVERDUE], read=overdue)
WEBHOOKS = Source(conditions=[Condition.WEBHOOK_DISABLED], read=disabled_webhooks)
SOURCES = (BREAKERS, LETTERS, OVERDUE, WEBHOOKS)


def observed(*, now: datetime, without: Iterable[Source] = ()) -> Seen:
    """Read all sources.

    A source that fails does not affect the others; an error of the database affects all.

    Args:
        now: The current time, UTC.
        without: Sources to leave out.

    Raises:
        django.db.DatabaseError: The database does not answer.
    """
    left_out = list(without)
    observations: list[Observation] = []
    # What no source reads is not known to be gone.
    unknown = set(Condition) - {each for source in SOURCES for each in source.conditions}
    for source in SOURCES:
        if source in left_out:
            continue
        try:
            observations += source.read(now)
        except DatabaseError:
            raise
        except UnknownError as error:
            log.info("conditions are unknown", conditions=source.conditions, why=str(error))
            unknown.update(source.conditions)
        except Exception:
            log.exception("conditions could not be read", conditions=source.conditions)
            unknown.update(source.conditions)
    return Seen(observations=observations, unknown=unknown)
