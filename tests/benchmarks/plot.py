"""The ratios as an SVG picture: one bar per ratio, with a mark at the aim."""

from collections.abc import Sequence
from html import escape

from tests.benchmarks import table
from tests.benchmarks.figures import Line

LABELS, SCALE, ROW, WORDS = 620, 60, 26, 250
MOST = 6.0  # A longer bar is cut off here; its figure is printed next to it.
FONT = 'font-family="Helvetica, Arial, sans-serif" font-size="12"'
TITLE = "our rate divided by theirs: median and range of the rounds; the mark is the aim"
MET, MISSED, UNSURE, AIM = "#3b7d4f", "#b5482f", "#b8b8b8", "#222222"


def svg(lines: Sequence[Line]) -> str:
    """Draw the lines that have a ratio and an aim for it."""
    shown = [line for line in lines if line.ratio is not None and line.least_ratio is not None]
    width, height = LABELS + int(MOST * SCALE) + WORDS, ROW * (len(shown) + 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" {FONT}>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{LABELS}" y="{ROW - 9}" font-weight="bold">{TITLE}</text>',
    ]
    for place, line in enumerate(shown, start=1):
        parts += _bar(line, y=ROW * place)
    return "\n".join([*parts, "</svg>", ""])


def _bar(line: Line, *, y: int) -> list[str]:
    ratio, aim = line.ratio or 0.0, line.least_ratio or 0.0
    long, mark = min(ratio, MOST) * SCALE, LABELS + min(aim, MOST) * SCALE
    label = escape(f"{line.row} / {line.against}")
    colour = UNSURE if not line.quotable else MET if ratio >= aim else MISSED
    return [
        f'<text x="{LABELS - 8}" y="{y + 17}" text-anchor="end" font-size="11">{label}</text>',
        f'<rect x="{LABELS}" y="{y + 5}" width="{long:.0f}" height="{ROW - 10}" fill="{colour}"/>',
        f'<text x="{LABELS + long + 6:.0f}" y="{y + 17}">{table.ratio(line)}</text>',
        f'<path d="M{mark:.0f} {y + 1}V{y + ROW - 1}" stroke="{AIM}" stroke-width="2"/>',
    ]
