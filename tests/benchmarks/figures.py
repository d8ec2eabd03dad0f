"""The measurements of a row and their comparison; arithmetic without side effects."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One round of one contender.

    Attributes:
        rate: Units of work per second; 0 for a row without a rate.
        times: Times in seconds by name, such as ``p99``.
        cpu: CPU seconds per second of the round, by kind of process.
        cost: Milliseconds of CPU time per unit of work, by kind of process.
        bytes: Bytes per unit of work, by kind, such as the database's log.
        wrong: Errors that must not happen, as text.
    """

    rate: float = 0.0
    times: Mapping[str, float] = field(default_factory=dict)
    cpu: Mapping[str, float] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)
    bytes: Mapping[str, float] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the table.

    Attributes:
        ours: The median of our rounds.
        against: The name of the baseline; empty for a row without a baseline.
        ceiling: The median of the baseline's rounds.
        least_ratio: The aim for our rate divided by the baseline's; None without such an aim.
        least_rate: The aim for our rate, per second.
        most: Upper limits for our times in seconds, by name.
        note: Further text that is needed to understand the line.
    """

    row: str
    ours: Reading
    against: str = ""
    ceiling: Reading | None = None
    least_ratio: float | None = None
    least_rate: float | None = None
    most: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Our rate divided by the baseline's rate."""
        if self.ceiling is None or not self.ceiling.rate:
            return None
        return self.ours.rate / self.ceiling.rate

    @property
    def met(self) -> bool | None:
        """Whether all aims were met; None for a line without an aim."""
        found: list[bool] = []
        if self.least_ratio is not None:
            found.append(self.ratio is not None and self.ratio >= self.least_ratio)
        if self.least_rate is not None:
            found.append(self.ours.rate >= self.least_rate)
        # A time that was not measured does not meet its limit.
        found += [self.ours.times.get(name, limit) < limit for name, limit in self.most.items()]
        return all(found) if found else None

    @property
    def wrong(self) -> tuple[str, ...]:
        """Errors that must not happen, on both sides."""
        return self.ours.wrong + (self.ceiling.wrong if self.ceiling else ())


def median(readings: Sequence[Reading]) -> Reading:
    """Merge rounds: the median of every figure, and all errors."""
    return Reading(
        rate=statistics.median(one.rate for one in readings),
        times=_medians([one.times for one in readings]),
        cpu=_medians([one.cpu for one in readings]),
        cost=_medians([one.cost for one in readings]),
        bytes=_medians([one.bytes for one in readings]),
        wrong=tuple(words for one in readings for words in one.wrong),
    )


def _medians(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for one in figures for name in one)
    return {name: statistics.median(one[name] for one in figures if name in one) for name in names}


Contest = Mapping[str, Callable[[], Reading]]


def alternate(contest: Contest, *, rounds: int) -> dict[str, Reading]:
    """Run all contenders in turn in each round, so that a disturbance affects all of them."""
    found: dict[str, list[Reading]] = {name: [] for name in contest}
    for number in range(rounds):
        # Reverse the order in every second round, so that no contender always runs first.
        names = list(contest) if number % 2 == 0 else list(contest)[::-1]
        for name in names:
            found[name].append(contest[name]())
    return {name: median(readings) for name, readings in found.items()}


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed; 0 for no values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return the percentiles 50, 95 and 99."""
    return {f"p{share}": percentile(values, share / 100) for share in (50, 95, 99)}


def blamed(reading: Reading, *words: str) -> Reading:
    """Return a copy of the reading with additional errors."""
    return replace(reading, wrong=(*reading.wrong, *words))
