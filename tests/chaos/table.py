"""The results as a table, for the terminal and for the documents."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from tests.chaos.ledger import percentile
from tests.chaos.run import Result

HEAD = (
    "fault",
    "accepted",
    "delivered",
    "other endings",
    "lost",
    "doubled",
    "explained",
    "API errors",
    "p99 before (ms)",
    "p99 during (ms)",
    "drained (s)",
    "replayed",
    "events told",
)
BEGIN, END = "<!-- make chaos: begin -->", "<!-- make chaos: end -->"


def cells(result: Result) -> list[str]:
    """Return the cells of one result."""
    made = result.account
    endings = ", ".join(f"{count} {name}" for name, count in sorted(made.endings.items()))
    return [
        result.fault.name,
        str(made.accepted),
        str(made.delivered),
        endings or "0",
        str(len(made.lost)),
        _doubled(result),
        str(made.explained),
        str(result.errors),
        f"{result.p99_before * 1000:.0f}",
        f"{result.p99_during * 1000:.0f}",
        "never" if result.drain is None else f"{result.drain:.0f}",
        str(made.replayed),
        str(result.told),
    ]


def _doubled(result: Result) -> str:
    made = result.account
    if not made.doubled:
        return "0"
    return (
        f"{made.doubled}, {len(made.strange)} with another id"
        if made.strange
        else (f"{made.doubled}, same id")
    )


def plain(lines: Sequence[Sequence[str]], *, words: Collection[int] = (0, 3)) -> str:
    """Align lines in columns; columns listed in ``words`` are left-aligned."""
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place in words else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def markdown(
    results: Sequence[Result], *, without_figures: Sequence[tuple[str, str]], machine: str
) -> str:
    """Return the machine, the table and the duplicate window as Markdown."""
    rule = ["---", *("---:" for _ in HEAD[1:])]
    rule[3] = "---"
    lines = [HEAD, rule, *(cells(result) for result in results)]
    lines += [[name, f"**{why}**", *[""] * (len(HEAD) - 2)] for name, why in without_figures]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{machine}\n\n{table}\n\n{window_words(results)}"


def window_words(results: Sequence[Result]) -> str:
    """Describe the duplicate window over all deliveries, and the fault with the longest one."""
    window = [seconds for result in results for seconds in result.window]
    longest = max(results, key=lambda result: max(result.window, default=0.0), default=None)
    figures = ", ".join(
        f"{name} {percentile(window, share) * 1000:.0f} ms"
        for name, share in (("p50", 0.5), ("p99", 0.99), ("longest", 1.0))
    )
    under = f" (under `{longest.fault.name}`)" if longest else ""
    return (
        "The duplicate window, from the provider's taking of a message to the commit of our "
        f"record: {figures}{under}, over {len(window)} deliveries."
    )


def write_between_markers(path: Path, text: str) -> None:
    """Replace the text between the markers of a document.

    Raises:
        ValueError: The document has no markers.
    """
    before = path.read_text()
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    if not pattern.search(before):
        raise ValueError(f"{path} has no {BEGIN} … {END}")
    path.write_text(pattern.sub(lambda _: f"{BEGIN}\n\n{text}\n\n{END}", before))
