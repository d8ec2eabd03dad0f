"""Rounds of short turns: how they are run, and how turns and rounds are merged."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from tests.benchmarks.figures import Line, Reading, Turn, Used, percentiles

Contest = Mapping[str, Callable[[], Turn]]
# The rounds of each contender, in order.
Found = Mapping[str, Sequence[Reading]]
Key = TypeVar("Key")


def alternate(contest: Contest, *, rounds: int, turns: int) -> Found:
    """Run rounds in which all contenders take short turns alternately.

    A disturbance that lasts longer than a turn affects all contenders of its round, so that it
    does not change the ratio of the round.

    Args:
        contest: A function for each contender that runs one turn.
        rounds: Number of rounds.
        turns: Number of turns of each contender in a round.
    """
    found: dict[str, list[Reading]] = {name: [] for name in contest}
    for number in range(rounds):
        # Reverse the order in every second round, so that no contender always runs first.
        names = list(contest) if number % 2 == 0 else list(contest)[::-1]
        taken: dict[str, list[Turn]] = {name: [] for name in names}
        for _ in range(turns):
            for name in names:
                taken[name].append(contest[name]())
        for name in names:
            found[name].append(summed(taken[name]))
    return found


def summed(turns: Sequence[Turn]) -> Reading:
    """Merge the turns of a round: every figure is computed from the sums of all turns."""
    used = Used(
        seconds=sum(turn.used.seconds for turn in turns),
        processor=_sums([turn.used.processor for turn in turns]),
        units=sum(turn.used.units for turn in turns),
        bytes=_sums([turn.used.bytes for turn in turns]),
    )
    whole = Turn(
        units=sum(turn.units for turn in turns), seconds=sum(turn.seconds for turn in turns)
    )
    return Reading(
        rate=whole.rate,
        times=percentiles(_sums([turn.waits for turn in turns])),
        cpu=used.share(),
        cost=used.cost_ms(),
        bytes=used.bytes_each(),
        wrong=tuple(words for turn in turns for words in turn.wrong),
    )


def median(rounds: Sequence[Reading]) -> Reading:
    """Merge rounds: the median of every figure, and all errors."""
    return Reading(
        rate=statistics.median(one.rate for one in rounds),
        times=_medians([one.times for one in rounds]),
        cpu=_medians([one.cpu for one in rounds]),
        cost=_medians([one.cost for one in rounds]),
        bytes=_medians([one.bytes for one in rounds]),
        wrong=tuple(words for one in rounds for words in one.wrong),
    )


def compared(row: str, found: Found, *, ours: str, against: str = "") -> Line:
    """Return the line of a row without its aims; without a baseline if that one did not run."""
    if against not in found:
        return Line(row=row, ours=median(found[ours]))
    return Line(
        row=row,
        ours=median(found[ours]),
        against=against,
        ceiling=median(found[against]),
        ratios=ratios(found[ours], found[against]),
    )


def ratios(ours: Sequence[Reading], theirs: Sequence[Reading]) -> tuple[float, ...]:
    """Divide our rate by theirs in each round in which they did anything."""
    return tuple(
        mine.rate / other.rate for mine, other in zip(ours, theirs, strict=True) if other.rate
    )


def _sums(figures: Sequence[Mapping[Key, float]]) -> dict[Key, float]:
    total: dict[Key, float] = defaultdict(float)
    for one in figures:
        for name, figure in one.items():
            total[name] += figure
    return dict(total)


def _medians(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for one in figures for name in one)
    return {name: statistics.median(one[name] for one in figures if name in one) for name in names}
