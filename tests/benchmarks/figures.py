"""The measurements of a row and their comparison; arithmetic without side effects."""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

# The largest spread of a ratio that may be quoted: the difference between the best and the worst
# round, divided by the median.
MOST_SPREAD = 0.15


@dataclass(frozen=True, kw_only=True)
class Used:
    """What was used between two moments.

    Attributes:
        seconds: Wall-clock time between them.
        processor: CPU seconds by kind of process.
        units: Units of work that were done in this time.
        bytes: Bytes by kind, such as the database's log.
    """

    seconds: float = 0.0
    processor: Mapping[str, float] = field(default_factory=dict)
    units: float = 0.0
    bytes: Mapping[str, float] = field(default_factory=dict)

    def share(self) -> dict[str, float]:
        """Return CPU seconds per second of wall-clock time."""
        return {name: used / self.seconds for name, used in self.processor.items()}

    def cost_ms(self) -> dict[str, float]:
        """Return milliseconds of CPU time per unit of work; empty if no units were counted."""
        return {name: 1000 * used / self.units for name, used in self._by_unit(self.processor)}

    def bytes_each(self) -> dict[str, float]:
        """Return bytes per unit of work; empty if no units were counted."""
        return {name: count / self.units for name, count in self._by_unit(self.bytes)}

    def _by_unit(self, figures: Mapping[str, float]) -> Iterable[tuple[str, float]]:
        return figures.items() if self.units else ()


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one contender did in one turn, as sums.

    Attributes:
        units: Units of work that were done; 0 for a row without a rate.
        seconds: The time that they took.
        waits: The number of units by the time in seconds that each of them took.
        used: What was used meanwhile.
        wrong: Errors that must not happen, as text.
    """

    units: float = 0.0
    seconds: float = 0.0
    waits: Mapping[float, float] = field(default_factory=dict)
    used: Used = field(default_factory=Used)
    wrong: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        """Units of work per second."""
        return self.units / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One round of one contender, or the median of its rounds.

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
        ratios: Our rate divided by the baseline's, for each round.
        least_ratio: The aim for the ratio; None without such an aim.
        least_rate: The aim for our rate, per second.
        most: Upper limits for our times in seconds, by name.
        note: Further text that is needed to understand the line.
    """

    row: str
    ours: Reading
    against: str = ""
    ceiling: Reading | None = None
    ratios: tuple[float, ...] = ()
    least_ratio: float | None = None
    least_rate: float | None = None
    most: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """The median of the ratios of the rounds."""
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def spread(self) -> float | None:
        """The highest ratio minus the lowest, over the median; None for fewer than two rounds."""
        if self.ratio is None or len(self.ratios) < 2:
            return None
        return (max(self.ratios) - min(self.ratios)) / self.ratio

    @property
    def quotable(self) -> bool:
        """Whether the rounds agree; a single round cannot show that."""
        return self.spread is not None and self.spread <= MOST_SPREAD

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


def counted(waits: Iterable[float]) -> Counter[float]:
    """Count units by the time that each of them took."""
    return Counter(waits)


def percentile(waits: Mapping[float, float], share: float) -> float:
    """Return the time that this share of the units does not exceed; 0 for no units."""
    before, passed = share * sum(waits.values()), 0.0
    for wait in sorted(waits):
        passed += waits[wait]
        if passed > before:
            return wait
    return max(waits, default=0.0)


def percentiles(waits: Mapping[float, float]) -> dict[str, float]:
    """Return the percentiles 50, 95 and 99; empty for no units."""
    return {f"p{share}": percentile(waits, share / 100) for share in (50, 95, 99)} if waits else {}


def blamed(turn: Turn, *words: str) -> Turn:
    """Return a copy of the turn with additional errors."""
    return replace(turn, wrong=(*turn.wrong, *words))
