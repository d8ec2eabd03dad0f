"""The table of the rows: as text for the terminal, and as Markdown for the documentation."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.benchmarks.figures import Line, Reading
from tests.chaos.table import plain as in_columns

HEAD = ("row", "ours", "against", "theirs", "ratio", "aim", "met")
WORDS = (0, 1, 2, 3, 4, 5, 6)
# The parts of the document that a run replaces: the usual rows, those that run only when they are
# named, the lists, and rows compared with stored ones.
USUAL, LONG = "make bench", "make bench, long rows"
LISTS, STORED = "make bench, lists", "make bench STORED"
# The names of the files with a picture of the ratios.
PICTURES = {USUAL: "benchmarks.svg", STORED: "benchmarks-stored.svg"}
NOT_QUOTABLE = "not to be quoted"
# Smaller shares of a core and smaller numbers of milliseconds are not shown.
LEAST_SHOWN = 0.01


def cells(line: Line) -> list[str]:
    """Return the cells of a line."""
    return [
        line.row,
        figures(line.ours),
        line.against,
        figures(line.ceiling) if line.ceiling is not None else "",
        ratio(line),
        aims(line),
        met(line),
    ]


def met(line: Line) -> str:
    """Format whether the aims were met; rounds that do not agree show no aim as met."""
    if line.wrong:
        return "WRONG"
    if line.met and line.least_ratio is not None and not line.quotable:
        return "unclear"
    return {None: "", True: "yes", False: "NO"}[line.met]


def ratio(line: Line) -> str:
    """Format the median ratio with the lowest and the highest one, and whether they agree."""
    if line.ratio is None:
        return ""
    lowest, highest = min(line.ratios), max(line.ratios)
    spread = f" ({lowest:.2f} to {highest:.2f})" if line.spread is not None else " (one round)"
    return f"{line.ratio:.2f}{spread}{'' if line.quotable else f', {NOT_QUOTABLE}'}"


def figures(reading: Reading) -> str:
    """Format a rate, if the row has one, and its times."""
    found = [f"{reading.rate:,.0f}/s"] if reading.rate or not reading.times else []
    if reading.times:
        times = " / ".join(f"{seconds * 1000:.0f}" for seconds in reading.times.values())
        found.append(f"{' / '.join(reading.times)} {times} ms")
    return "; ".join(found)


def aims(line: Line) -> str:
    """Format the aims."""
    found = []
    if line.least_ratio is not None:
        found.append(f"≥ {line.least_ratio:g}")
    if line.least_rate is not None:
        found.append(f"≥ {line.least_rate:,.0f}/s")
    found += [f"{name} < {seconds * 1000:.0f} ms" for name, seconds in line.most.items()]
    return ", ".join(found)


def plain(lines: Sequence[Line]) -> str:
    """Format the table in columns, followed by the CPU time and the errors."""
    table = in_columns([HEAD, *(cells(line) for line in lines)], words=WORDS)
    return "\n\n".join(part for part in (table, spent(lines), wrong(lines)) if part)


def spent(lines: Sequence[Line]) -> str:
    """Format the share of a core of each kind of process, and the cost per unit of work."""
    said = []
    # The baseline of one row can be another row; it is shown only once.
    written: list[Reading] = []
    for row, sides in _sides(lines).items():
        for who, reading in sides.items():
            if reading in written:
                continue
            written.append(reading)
            found = [f"cores: {_listed(reading.cpu, 2)}"] if reading.cpu else []
            if reading.cost:
                found.append(f"ms each: {_listed(reading.cost, 2)}")
            if reading.bytes:
                found.append(f"PostgreSQL each: {_listed(reading.bytes, 1)}")
            if found:
                said.append(f"{row} [{who}] " + "; ".join(found))
    return "\n".join(said)


def notes(lines: Sequence[Line]) -> list[str]:
    """Return the notes that explain the rows, without repetition."""
    return list(dict.fromkeys(f"{line.row}: {line.note}." for line in lines if line.note))


def wrong(lines: Sequence[Line]) -> str:
    """Format the errors that must not happen."""
    return "\n".join(f"WRONG in {line.row}: {words}" for line in lines for words in line.wrong)


def markdown(lines: Sequence[Line], *, machine: str, part: str) -> str:
    """Format the table, the CPU time and the machine as Markdown."""
    rows = [HEAD, ["---"] * len(HEAD), *(cells(line) for line in lines)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    parts = [machine, table]
    if part in PICTURES:
        parts.append(f"![Ratios and their aims]({PICTURES[part]})")
    if said := notes(lines):
        parts.append("\n".join(f"- {words}" for words in said))
    if used := spent(lines):
        parts.append(f"Processor time, the sinks' included:\n\n```\n{used}\n```")
    return "\n\n".join(parts)


def markers(part: str) -> tuple[str, str]:
    """Return the markers that enclose a part of the document."""
    return f"<!-- {part}: begin -->", f"<!-- {part}: end -->"


def write_between_markers(path: Path, text: str, *, part: str) -> None:
    """Replace the text between the markers of a part of a document.

    Raises:
        ValueError: The document does not contain the markers.
    """
    before = path.read_text()
    begin, end = markers(part)
    pattern = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
    if not pattern.search(before):
        raise ValueError(f"{path} has no {begin} … {end}")
    path.write_text(pattern.sub(lambda _: f"{begin}\n\n{text}\n\n{end}", before))


def _sides(lines: Sequence[Line]) -> dict[str, dict[str, Reading]]:
    found: dict[str, dict[str, Reading]] = {}
    for line in lines:
        found.setdefault(line.row, {})["ours"] = line.ours
        if line.ceiling is not None:
            found[line.row][line.against] = line.ceiling
    return found


def _listed(values: Mapping[str, float], digits: int) -> str:
    return ", ".join(
        f"{name} {value:,.{digits}f}" for name, value in values.items() if value >= LEAST_SHOWN
    )
