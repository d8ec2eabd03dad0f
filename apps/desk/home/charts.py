"""Charts as shapes for an SVG of 1,000 units, which the page's template draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.desk.home.numbers import Bucket

WIDTH, HEIGHT = 1_000, 200
# For the uppermost number, which stands above its line.
ROOM = 28
LEFT, BOTTOM = 40, 20
GAP = 0.25
SMALL_WIDTH, SMALL_HEIGHT = 120, 24
# The scale ends at one of these times a power of ten.
ROUND = (1, 2, 5, 10)
MESSAGES_LEAST, MILLISECONDS_LEAST = 4.0, 10.0
LABELS = 6
# The length of a line with one value.
LONE = 8


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of a bar, in units of the chart."""

    look: str
    y: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar with its parts, from below."""

    x: float
    width: float
    parts: Sequence[Part]
    bucket: Bucket | None = None


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A value on the left scale, and where its line is."""

    value: float
    y: float


@dataclass(frozen=True, kw_only=True)
class Label:
    """A time below the chart."""

    at: datetime
    x: float


@dataclass(frozen=True, kw_only=True)
class Bars:
    """A chart of stacked bars, with a line above them, which is the points of what came in."""

    bars: Sequence[Bar]
    accepted: str
    marks: Sequence[Mark]
    labels: Sequence[Label]
    is_empty: bool


@dataclass(frozen=True, kw_only=True)
class Lines:
    """A chart of two lines; each is a list of pieces, because hours without a value have none."""

    p50: Sequence[str]
    p95: Sequence[str]
    marks: Sequence[Mark]
    labels: Sequence[Label]
    is_empty: bool


def bars(buckets: Sequence[Bucket]) -> Bars:
    """Return the stacked bars of what ended, and the line of what was accepted."""
    most = max((max(bucket.ended, bucket.accepted) for bucket in buckets), default=0)
    top = _top(most, MESSAGES_LEAST)
    step = _step(buckets)
    drawn = [
        Bar(
            x=round(LEFT + step * (number + GAP / 2), 2),
            width=round(step * (1 - GAP), 2),
            parts=_parts(bucket, top),
            bucket=bucket,
        )
        for number, bucket in enumerate(buckets)
    ]
    return Bars(
        bars=drawn,
        accepted=" ".join(_pieces([bucket.accepted for bucket in buckets], top, step)),
        marks=_marks(top),
        labels=_labels(buckets),
        is_empty=not any(bucket.ended or bucket.accepted for bucket in buckets),
    )


def lines(buckets: Sequence[Bucket]) -> Lines:
    """Return the lines of the time to deliver."""
    top = _top(max((bucket.p95 or 0.0 for bucket in buckets), default=0.0), MILLISECONDS_LEAST)
    step = _step(buckets)
    return Lines(
        p50=_pieces([bucket.p50 for bucket in buckets], top, step),
        p95=_pieces([bucket.p95 for bucket in buckets], top, step),
        marks=_marks(top),
        labels=_labels(buckets),
        is_empty=not any(bucket.latency for bucket in buckets),
    )


def small(calls: Sequence[tuple[int, int]]) -> list[Bar]:
    """Return a row of small bars of calls, in a chart of ``SMALL_WIDTH`` by ``SMALL_HEIGHT``."""
    top = max((took + failed for took, failed in calls), default=0) or 1
    step = SMALL_WIDTH / max(len(calls), 1)
    drawn = []
    for number, (took, failed) in enumerate(calls):
        parts, below = [], 0.0
        for look, count in (("good", took), ("bad", failed)):
            if count:
                height = max(SMALL_HEIGHT * count / top, 1.0)
                y = max(SMALL_HEIGHT - below - height, 0.0)
                parts.append(Part(look=look, y=round(y, 2), height=round(height, 2)))
                below += height
        x = round(step * number, 2)
        drawn.append(Bar(x=x, width=round(step * (1 - GAP), 2), parts=parts))
    return drawn


def _step(buckets: Sequence[Bucket]) -> float:
    return (WIDTH - LEFT) / max(len(buckets), 1)


def _parts(bucket: Bucket, top: float) -> list[Part]:
    parts, below = [], 0.0
    for look, count in (("good", bucket.good), ("calm", bucket.calm), ("bad", bucket.bad)):
        if count:
            # A failure among a million is one unit high, so that it is seen.
            height = max(_units(count, top), 1.0)
            y = max(HEIGHT - BOTTOM - below - height, 0.0) + ROOM
            parts.append(Part(look=look, y=round(y, 2), height=round(height, 2)))
            below += height
    return parts


def _pieces(values: Sequence[float | None], top: float, step: float) -> list[str]:
    """Return the points of each piece of a line; a lone value is a short one."""
    pieces: list[list[str]] = [[]]
    for number, value in enumerate(values):
        if value is None:
            pieces.append([])
            continue
        x, y = LEFT + step * (number + 0.5), ROOM + HEIGHT - BOTTOM - _units(value, top)
        pieces[-1].append(f"{x:.1f},{y:.1f}")
        if len(pieces[-1]) == 1:
            pieces[-1].append(f"{x + LONE:.1f},{y:.1f}")
    return [" ".join(piece) for piece in pieces if piece]


def _units(value: float, top: float) -> float:
    return (HEIGHT - BOTTOM) * value / top


def _top(most: float, least: float) -> float:
    """Return the end of a scale that has room for a value."""
    power = 1.0
    while True:
        for factor in ROUND:
            if factor * power >= max(most, least):
                return factor * power
        power *= 10


def _marks(top: float) -> list[Mark]:
    return [
        Mark(value=top * share, y=round(ROOM + (HEIGHT - BOTTOM) * (1 - share), 1))
        for share in (0.0, 0.5, 1.0)
    ]


def _labels(buckets: Sequence[Bucket]) -> list[Label]:
    step, every = _step(buckets), max(len(buckets) // LABELS, 1)
    return [
        Label(at=bucket.at, x=round(LEFT + step * (number + 0.5), 1))
        for number, bucket in enumerate(buckets)
        if number % every == 0
    ]
