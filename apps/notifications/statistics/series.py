"""Read the statistics of a time range, including what is not summed up yet."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import QuerySet

from apps.notifications.models import StatisticsDelta, StatisticsSum
from apps.notifications.statistics import counters
from apps.notifications.statistics.roll_up import ALL_TIME, DAY, HOUR, MINUTE

STEPS = {"minute": MINUTE, "hour": HOUR, "day": DAY}
COLUMNS = ("at", "channel", "template_code", "counts")


class GroupBy(StrEnum):
    """What the series of an answer are grouped by."""

    CHANNEL = "channel"
    STATUS = "status"
    REASON = "reason"
    PROVIDER = "provider"
    TEMPLATE = "template"


@dataclass(frozen=True, kw_only=True)
class Point:
    """The counts of one period.

    Attributes:
        at: The start of the period, UTC.
        accepted: Accepted notifications; None where a group cannot know it.
        ended: Ended notifications by status.
        attempts: Calls of providers by outcome.
        latency: The histogram of the time to deliver.
    """

    at: datetime
    accepted: int | None
    ended: Mapping[str, int]
    attempts: Mapping[str, int]
    latency: Mapping[int, int]


@dataclass(frozen=True, kw_only=True)
class Series:
    """The points of one group, by time. Periods in which nothing was counted have no point."""

    group: Mapping[str, str]
    points: list[Point]


def read(
    *,
    since: datetime,
    until: datetime,
    step: str,
    group_by: GroupBy | None = None,
    client: str | None = None,
    kind: str | None = None,
) -> list[Series]:
    """Return the series of a time range.

    Args:
        since: The start of the first period, UTC.
        until: The end of the range, UTC, not included.
        step: A name of ``STEPS``.
        group_by: One series for each value of it; by default one series of everything.
        client: Only this client's notifications.
        kind: Only notifications of this kind.
    """
    seconds = STEPS[step]
    chosen = {"client": client, "kind": kind}
    only = {name: value for name, value in chosen.items() if value is not None}
    found = defaultdict[str, defaultdict[datetime, Counter[str]]](lambda: defaultdict(Counter))
    for at, channel, template_code, counts in _rows(seconds, since, until, only):
        for value, own in _split(group_by, channel, template_code, counts):
            found[value][counters.start_of(at, seconds=seconds)].update(own)
    return [
        Series(
            group={group_by.value: value} if group_by else {},
            points=[_point(at, counts, group_by) for at, counts in sorted(points.items())],
        )
        for value, points in sorted(found.items())
    ]


def totals() -> Iterator[tuple[str, str, Mapping[str, int]]]:
    """Return the counts since the beginning, by kind and channel."""
    sums = (
        StatisticsSum.objects.filter(seconds=ALL_TIME)
        .order_by()
        .values_list("kind", "channel", "counts")
    )
    deltas = StatisticsDelta.objects.order_by().values_list("kind", "channel", "counts")
    found = defaultdict[tuple[str, str], Counter[str]](Counter)
    # One statement, because the scheduler moves deltas into the sums at any time.
    for kind, channel, counts in sums.union(deltas, all=True):
        found[kind, channel].update(counts)
    for (kind, channel), total in sorted(found.items()):
        yield kind, channel, total


def _rows(
    seconds: int, since: datetime, until: datetime, only: Mapping[str, str]
) -> "QuerySet[StatisticsSum, tuple[datetime, str, str, dict[str, int]]]":
    within = {"at__gte": since, "at__lt": until, **only}
    sums = StatisticsSum.objects.filter(seconds=seconds, **within).order_by()
    deltas = StatisticsDelta.objects.filter(**within).order_by()
    # One statement, because the scheduler moves deltas into the sums at any time.
    return sums.values_list(*COLUMNS).union(deltas.values_list(*COLUMNS), all=True)


def _split(
    group_by: GroupBy | None, channel: str, template_code: str, counts: Mapping[str, int]
) -> Iterator[tuple[str, Mapping[str, int]]]:
    """Return the counts of each group. Not all counters belong to a status, reason or provider."""
    if group_by is None:
        yield "", counts
    elif group_by is GroupBy.CHANNEL:
        yield channel, counts
    elif group_by is GroupBy.TEMPLATE:
        yield template_code, counts
    elif group_by is GroupBy.PROVIDER:
        for path, count in counts.items():
            name, *rest = path.split("/")
            if name == counters.ATTEMPTS:
                yield rest[0], {path: count}
    else:
        for path, count in counts.items():
            name, *rest = path.split("/")
            if name in {counters.ENDED, counters.REPLACED}:
                yield rest[0] if group_by is GroupBy.STATUS else rest[1], {path: count}


def _point(at: datetime, counts: Mapping[str, int], group_by: GroupBy | None) -> Point:
    ended, attempts = Counter[str](), Counter[str]()
    for (status, _), count in counters.below(counts, counters.ENDED):
        ended[status] += count
    for (status, _), count in counters.below(counts, counters.REPLACED):
        ended[status] -= count
    for (_, outcome), count in counters.below(counts, counters.ATTEMPTS):
        attempts[outcome] += count
    whole = group_by in {None, GroupBy.CHANNEL, GroupBy.TEMPLATE}
    return Point(
        at=at,
        accepted=counts.get(counters.ACCEPTED, 0) if whole else None,
        # A notification that ended before there were statistics may be replaced, but not counted.
        ended={status: count for status, count in sorted(ended.items()) if count > 0},
        attempts=dict(sorted(attempts.items())),
        latency=counters.bins(counts),
    )
