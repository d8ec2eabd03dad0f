"""What a run has seen, as a table."""

from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Summary:
    """The checks in their order.

    Attributes:
        said: Lines above the table: the engine, the images, the time.
        rows: Phase, check and what was seen.
        failed: What failed, by phase.
    """

    said: list[str] = field(default_factory=list)
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def add(self, phase: str, check: str, seen: str) -> None:
        """Add a check that was passed, or a figure."""
        self.rows.append((phase, check, seen))

    def fail(self, phase: str, why: str) -> None:
        """Add a failure."""
        first = why.strip().splitlines()[0]
        self.rows.append((phase, "FAILED", first[:150]))
        self.failed.append(f"{phase}: {why}")

    def text(self) -> str:
        """Return everything as text for a terminal."""
        head = ("phase", "check", "seen")
        widths = [max(len(row[place]) for row in (head, *self.rows)) for place in range(2)]
        lines = [
            f"{phase:<{widths[0]}}  {check:<{widths[1]}}  {seen}"
            for phase, check, seen in (head, *self.rows)
        ]
        end = "FAILED" if self.failed else "All checks passed."
        return "\n".join([*self.said, "", *lines, "", end])
