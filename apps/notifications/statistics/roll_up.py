"""Add what transactions have counted to the sums of minutes, hours, days and all time."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_OID, UUID, uuid5

import structlog
from django.db import transaction
from django.utils import timezone

from apps.notifications.models import StatisticsDelta, StatisticsSum
from apps.notifications.statistics import counters

log = structlog.get_logger(__name__)

MINUTE, HOUR, DAY, ALL_TIME = 60, 3600, 86400, 0
PERIODS = (MINUTE, HOUR, DAY, ALL_TIME)
BEGINNING = datetime.fromtimestamp(0, UTC)
# The statistics add what is not summed up yet, so they are right at any time. This is only often
# enough to keep it short.
EVERY_SECONDS = 5.0
STEP_DELTAS = 1000
# The sums are kept for a year, those of all time for ever.
KEPT = timedelta(days=366)
PURGE_SECONDS = 3600.0


class RollUp:
    """The job of the scheduler: sum up what was counted, and purge old sums once an hour.

    Args:
        clock: Returns monotonic seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_at = 0.0
        self._purge_at = 0.0

    def __call__(self) -> bool:
        """Do the next step when it is due, and return whether there is more to do."""
        now = self._clock()
        if now < self._next_at:
            return False
        more = roll_up()
        if now >= self._purge_at:
            purged = purge(now=timezone.now())
            more = more or purged
            self._purge_at = now if purged else now + PURGE_SECONDS
        if not more:
            self._next_at = now + EVERY_SECONDS
        return more


def roll_up() -> bool:
    """Move some deltas into the sums, in one transaction.

    Safe in several processes: each takes deltas that no other process has locked.

    Returns:
        Whether there may be more.
    """
    if not StatisticsDelta.objects.exists():
        return False
    with transaction.atomic():
        locked = StatisticsDelta.objects.order_by("pk").select_for_update(skip_locked=True)
        deltas = list(locked[:STEP_DELTAS])
        _add(_sums_of(deltas))
        StatisticsDelta.objects.filter(pk__in=[delta.pk for delta in deltas]).delete()
    return len(deltas) == STEP_DELTAS


def purge(*, now: datetime) -> bool:
    """Delete some sums that are older than a year; return whether there may be more."""
    old = StatisticsSum.objects.filter(seconds__in=(MINUTE, HOUR, DAY), at__lt=now - KEPT)
    ids = list(old.values_list("pk", flat=True)[:STEP_DELTAS])
    if ids:
        StatisticsSum.objects.filter(pk__in=ids).delete()
        log.info("old statistics purged", rows=len(ids))
    return len(ids) == STEP_DELTAS


def _sums_of(deltas: Iterable[StatisticsDelta]) -> dict[UUID, StatisticsSum]:
    sums: dict[UUID, StatisticsSum] = {}
    for delta in deltas:
        for seconds in PERIODS:
            at = counters.start_of(delta.at, seconds=seconds) if seconds else BEGINNING
            group = (delta.client, delta.kind, delta.channel, delta.template_code)
            pk = uuid5(NAMESPACE_OID, "\n".join([str(seconds), at.isoformat(), *group]))
            if pk not in sums:
                client, kind, channel, template_code = group
                sums[pk] = StatisticsSum(
                    id=pk,
                    seconds=seconds,
                    at=at,
                    client=client,
                    kind=kind,
                    channel=channel,
                    template_code=template_code,
                    counts=Counter(),
                )
            sums[pk].counts.update(delta.counts)
    return sums


def _add(sums: dict[UUID, StatisticsSum]) -> None:
    """Add sums to the stored ones.

    Rows that do not exist yet are created empty first, in the order of their ids. A process that
    creates the same row waits there, so that the rows read afterwards are complete.
    """
    ordered = [sums[pk] for pk in sorted(sums)]
    empty = [StatisticsSum(**{**_columns(row), "counts": {}}) for row in ordered]
    StatisticsSum.objects.bulk_create(empty, ignore_conflicts=True)
    stored = StatisticsSum.objects.filter(pk__in=sums).order_by("pk").select_for_update()
    for row in stored:
        sums[row.pk].counts.update(row.counts)
    StatisticsSum.objects.bulk_create(
        ordered, update_conflicts=True, unique_fields=["id"], update_fields=["counts"]
    )


def _columns(row: StatisticsSum) -> dict[str, object]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
