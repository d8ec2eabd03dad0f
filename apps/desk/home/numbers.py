"""The numbers of the home page, from the statistics and never from the table of messages."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.lifecycle.states import Status
from apps.notifications.statistics import counters, series
from apps.notifications.statistics.series import GroupBy, Point

GOOD = frozenset({Status.SENT, Status.DELIVERED})
BAD = frozenset({Status.FAILED, Status.BOUNCED})
CALM = frozenset({Status.SKIPPED, Status.EXPIRED, Status.CANCELLED})

NOTHING = "\N{EN DASH}"


@dataclass(frozen=True, kw_only=True)
class Period:
    """A range of time that can be chosen.

    Attributes:
        word: How it is called.
        length: How far it goes back.
        step: The step of the statistics that are read.
        bucket_seconds: The length of one bar.
    """

    word: str
    length: timedelta
    step: str
    bucket_seconds: int


PERIODS: Mapping[str, Period] = {
    "24h": Period(word="24 hours", length=timedelta(hours=24), step="hour", bucket_seconds=3_600),
    "7d": Period(word="7 days", length=timedelta(days=7), step="hour", bucket_seconds=6 * 3_600),
    "30d": Period(word="30 days", length=timedelta(days=30), step="day", bucket_seconds=86_400),
}


@dataclass(kw_only=True)
class Bucket:
    """The counts of one bar.

    Attributes:
        at: The start of its time, UTC.
        accepted: How many were accepted.
        good: How many were sent or delivered.
        bad: How many failed or bounced.
        calm: How many were skipped, expired or cancelled.
        latency: The histogram of the time to deliver.
    """

    at: datetime
    accepted: int = 0
    good: int = 0
    bad: int = 0
    calm: int = 0
    latency: Counter[int] = field(default_factory=Counter)

    @property
    def ended(self) -> int:
        """How many have ended."""
        return self.good + self.bad + self.calm

    @property
    def p50(self) -> float | None:
        """The time within which half were delivered, in milliseconds."""
        return counters.percentile(self.latency, 0.5)

    @property
    def p95(self) -> float | None:
        """The time within which 95 of 100 were delivered, in milliseconds."""
        return counters.percentile(self.latency, 0.95)

    @property
    def success(self) -> float | None:
        """The share of those that were tried and went out, 0 to 1; None if none was tried."""
        tried = self.good + self.bad
        return self.good / tried if tried else None

    @property
    def success_percent(self) -> str:
        """The share in percent. It says 100 only if nothing failed."""
        if self.success is None:
            return NOTHING
        return "100" if not self.bad else f"{min(self.success * 100, 99.9):.1f}"

    def add(self, point: Point) -> None:
        """Add the counts of a point of the statistics."""
        self.accepted += point.accepted or 0
        for status, count in point.ended.items():
            if status in GOOD:
                self.good += count
            elif status in BAD:
                self.bad += count
            elif status in CALM:
                self.calm += count
        self.latency.update(point.latency)


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """The numbers of a period: each bar, and all of them together."""

    buckets: Sequence[Bucket]
    total: Bucket


def read(period: Period, *, channel: str, now: datetime) -> Numbers:
    """Read the numbers of a period that ends now.

    Args:
        period: The period.
        channel: Only this channel; empty for all.
        now: The current time, UTC.
    """
    first = counters.start_of(now - period.length, seconds=period.bucket_seconds)
    found = series.read(
        since=first,
        until=now + timedelta(seconds=1),
        step=period.step,
        group_by=GroupBy.CHANNEL if channel else None,
    )
    points = [
        point
        for one in found
        if not channel or one.group.get(GroupBy.CHANNEL.value) == channel
        for point in one.points
    ]
    return _numbers(points, first, now, period.bucket_seconds)


def calls_by_provider(period: Period, *, now: datetime) -> dict[str, list[tuple[int, int]]]:
    """Return how many calls each provider took and did not take, for each bar of a period."""
    first = counters.start_of(now - period.length, seconds=period.bucket_seconds)
    found = series.read(
        since=first,
        until=now + timedelta(seconds=1),
        step=period.step,
        group_by=GroupBy.PROVIDER,
    )
    return {
        one.group[GroupBy.PROVIDER.value]: _calls(one.points, first, now, period.bucket_seconds)
        for one in found
    }


def _calls(
    points: Iterable[Point], first: datetime, now: datetime, seconds: int
) -> list[tuple[int, int]]:
    count = int((now - first).total_seconds()) // seconds + 1
    took, failed = [0] * count, [0] * count
    for point in points:
        place = int((point.at - first).total_seconds()) // seconds
        if 0 <= place < count:
            taken = point.attempts.get(Outcome.ACCEPTED, 0)
            took[place] += taken
            failed[place] += sum(point.attempts.values()) - taken
    return list(zip(took, failed, strict=True))


def _numbers(points: Iterable[Point], first: datetime, now: datetime, seconds: int) -> Numbers:
    count = int((now - first).total_seconds()) // seconds + 1
    starts = [first + timedelta(seconds=seconds * number) for number in range(count)]
    buckets = {at: Bucket(at=at) for at in starts}
    total = Bucket(at=first)
    for point in points:
        bucket = buckets.get(counters.start_of(point.at, seconds=seconds))
        if bucket is not None:
            bucket.add(point)
            total.add(point)
    return Numbers(buckets=list(buckets.values()), total=total)
