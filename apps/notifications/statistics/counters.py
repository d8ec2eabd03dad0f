"""The names of counters, and the histogram of the time to deliver: pure functions.

Counters are kept in JSON objects as ``name: count``. A name is a path such as ``accepted``,
``ended/failed/rejected``, ``attempts/smtp/accepted`` or ``latency/37``.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

ACCEPTED = "accepted"
ENDED = "ended"
# An ending that was replaced by a later one, such as ``sent`` by ``delivered``. It is counted apart
# and not subtracted, because counters for Prometheus may not fall.
REPLACED = "replaced"
ATTEMPTS = "attempts"
RETRIES = "retries"
LATENCY = "latency"
# The sum of all times to deliver in milliseconds, for averages.
LATENCY_SUM = "latency_sum_ms"
SWEPT = "swept"
RECEIPTS = "receipts"

# The histogram has four bins for each doubling of the milliseconds, so that a percentile is at most
# 19 % too high.
BINS_PER_DOUBLING = 4


def name_of(*parts: str) -> str:
    """Return the name of a counter."""
    return "/".join(parts)


def minute_of(at: datetime) -> datetime:
    """Return the UTC minute of a time."""
    return at.astimezone(UTC).replace(second=0, microsecond=0)


def start_of(at: datetime, *, seconds: int) -> datetime:
    """Return the start of the period of so many seconds, counted from the Unix epoch."""
    unix = int(at.timestamp())
    return datetime.fromtimestamp(unix - unix % seconds, UTC)


def bin_of(latency: timedelta) -> int:
    """Return the bin of a time to deliver; the first one holds everything up to a millisecond."""
    milliseconds = latency / timedelta(milliseconds=1)
    return 0 if milliseconds <= 1 else math.ceil(BINS_PER_DOUBLING * math.log2(milliseconds))


def upper_milliseconds(number: int) -> float:
    """Return the upper bound of a bin in milliseconds."""
    return float(2 ** (number / BINS_PER_DOUBLING))


def below(counts: Mapping[str, int], name: str) -> Iterator[tuple[list[str], int]]:
    """Return the counters below a name, each as the rest of its path and its count."""
    for path, count in counts.items():
        first, *rest = path.split("/")
        if first == name:
            yield rest, count


def bins(counts: Mapping[str, int]) -> Counter[int]:
    """Return the histogram of the time to deliver as counts by bin."""
    return Counter({int(number): count for (number,), count in below(counts, LATENCY)})


def percentile(histogram: Mapping[int, int], share: float) -> float | None:
    """Return the upper bound in milliseconds of the bin with this share; None without values."""
    wanted, seen = share * sum(histogram.values()), 0
    for number, count in sorted(histogram.items()):
        seen += count
        if count and seen >= wanted:
            return round(upper_milliseconds(number), 1)
    return None
