"""What the statistics hold, and what the rows of the database say they should hold."""

from collections import Counter
from datetime import datetime

from apps.notifications.lifecycle.states import FINISHED
from apps.notifications.models import Attempt, Notification, StatisticsDelta, StatisticsSum
from apps.notifications.statistics import counters

Key = tuple[datetime, str, str]


def counted() -> Counter[Key]:
    """Return the counts by minute, client and name; endings that were replaced are subtracted."""
    found = Counter[Key]()
    stored = [*StatisticsDelta.objects.all(), *StatisticsSum.objects.filter(seconds=60)]
    for row in stored:
        for name, count in row.counts.items():
            first, _, rest = name.partition("/")
            if first == counters.REPLACED:
                found[row.at, row.client, f"{counters.ENDED}/{rest}"] -= count
            elif first in {counters.ACCEPTED, counters.ENDED}:
                found[row.at, row.client, name] += count
    return Counter({key: count for key, count in found.items() if count})


def expected() -> Counter[Key]:
    """Return the same by the rows of notifications."""
    found = Counter[Key]()
    for row in Notification.objects.all():
        found[counters.minute_of(row.created_at), row.client, counters.ACCEPTED] += 1
        if row.status in FINISHED:
            name = counters.name_of(counters.ENDED, row.status, row.reason)
            found[counters.minute_of(row.updated_at), row.client, name] += 1
    return found


def counted_attempts() -> Counter[str]:
    """Return the counts of calls by ``provider/outcome``."""
    found = Counter[str]()
    for row in [*StatisticsDelta.objects.all(), *StatisticsSum.objects.filter(seconds=60)]:
        for path, count in counters.below(row.counts, counters.ATTEMPTS):
            found["/".join(path)] += count
    return found


def expected_attempts() -> Counter[str]:
    """Return the same by the rows of attempts."""
    calls = Attempt.objects.values_list("provider", "outcome")
    return Counter(f"{provider}/{outcome}" for provider, outcome in calls)
