"""The statistics as counters and histograms for Prometheus, and the work that waits.

The counters come from the database and not from memory, so they are the same whichever process
answers, and no restart resets them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from apps.common.callers import Kind
from apps.common.channels import Channel
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import DeadLetter, LetterState, Notification
from apps.notifications.statistics import counters, series

LABELS = ["kind", "channel"]
# Name, text, labels and counter of each family.
FAMILIES: tuple[tuple[str, str, list[str], str], ...] = (
    ("notifications_accepted", "Accepted notifications.", [], counters.ACCEPTED),
    (
        "notifications_ended",
        "Endings of notifications. One that is sent and then delivered has ended twice.",
        ["status", "reason"],
        counters.ENDED,
    ),
    (
        "notifications_attempts",
        "Calls of providers by outcome.",
        ["provider", "outcome"],
        counters.ATTEMPTS,
    ),
    ("notifications_retries", "Retries that were scheduled.", [], counters.RETRIES),
    (
        "notifications_receipts",
        "Reports of providers and apps about notifications, by what they report.",
        ["provider", "event"],
        counters.RECEIPTS,
    ),
    (
        "notifications_swept",
        "Due notifications that the sweep found, by their status: sending if a worker died.",
        ["status"],
        counters.SWEPT,
    ),
)
# From 16 milliseconds to 70 minutes. The bins of the statistics end at the same bounds.
BOUNDS = range(4, 23)
# The open dead letters are counted up to this number.
LETTERS_MAX = 10_000
# Of the due rows only so many are read for the oldest one.
ROWS_READ = 1000


def families() -> Iterator[Metric]:
    """Return the counters since the beginning, by kind and channel."""
    totals = list(series.totals())
    for name, text, labels, counter in FAMILIES:
        family = CounterMetricFamily(name, text, labels=[*LABELS, *labels])
        for kind, channel, counts in totals:
            for path, count in counters.below(counts, counter):
                family.add_metric([kind, channel, *path], count)
        yield family
    latency = HistogramMetricFamily(
        "notifications_time_to_deliver_seconds",
        "From the request or the scheduled time to the provider's acceptance.",
        labels=LABELS,
    )
    for kind, channel, counts in totals:
        total = counts.get(counters.LATENCY_SUM, 0) / 1000
        latency.add_metric([kind, channel], _buckets(counters.bins(counts)), total)
    yield latency


def waiting(*, now: datetime) -> Iterator[Metric]:
    """Return the age of the oldest pending notification, and the number of open dead letters."""
    oldest = GaugeMetricFamily(
        "notifications_oldest_pending_seconds",
        "For how long the oldest pending notification has waited for a worker.",
        labels=["channel"],
    )
    for channel, age in _ages(now).items():
        oldest.add_metric([channel], age)
    yield oldest
    letters = GaugeMetricFamily(
        "notifications_dead_letters_open",
        f"Open dead letters, counted up to {LETTERS_MAX}.",
        labels=["kind"],
    )
    for kind in Kind:
        found = DeadLetter.objects.filter(state=LetterState.OPEN, kind=kind).order_by()
        letters.add_metric([kind.value], found[:LETTERS_MAX].count())
    yield letters


def _ages(now: datetime) -> dict[str, float]:
    """Return the age of the oldest pending row of each channel in seconds; 0 without one."""
    due = Notification.objects.filter(wake_at__isnull=False).order_by("wake_at")
    ages: dict[str, float] = dict.fromkeys(Channel, 0.0)
    for channel, status, since in due.values_list("channel", "status", "updated_at")[:ROWS_READ]:
        if status == Status.PENDING:
            ages[channel] = max(ages[channel], (now - since).total_seconds())
    return ages


def _buckets(histogram: Mapping[int, int]) -> list[tuple[str, float]]:
    """Return cumulative counts by their upper bounds in seconds, as Prometheus writes them."""
    found = Counter[int]()
    for number, count in histogram.items():
        found[-(-number // counters.BINS_PER_DOUBLING)] += count
    below = sum(count for bound, count in found.items() if bound < BOUNDS.start)
    buckets: list[tuple[str, float]] = []
    for bound in BOUNDS:
        below += found[bound]
        buckets.append((str(2**bound / 1000), below))
    return [*buckets, ("+Inf", sum(found.values()))]
