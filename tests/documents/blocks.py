"""The shell blocks of the documents: commands, each with the output that the document shows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROMPT = "$ "


@dataclass(frozen=True, kw_only=True)
class Step:
    """One command of a block, and what the document shows of its output."""

    command: str
    shown: str


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block.

    Attributes:
        file: The document, relative to the project.
        line: The line of its fence.
        steps: Its commands.
    """

    file: str
    line: int
    steps: tuple[Step, ...]

    @property
    def name(self) -> tuple[str, str]:
        """The document and the first line of the first command, which name the block."""
        return self.file, self.steps[0].command.splitlines()[0] if self.steps else ""

    def replaced(self, shown: str, real: str) -> "Block":
        """Return the block with another text in its commands, such as an address."""
        steps = (replace(step, command=step.command.replace(shown, real)) for step in self.steps)
        return replace(self, steps=tuple(steps))

    def without(self, *programs: str) -> "Block":
        """Return the block without the commands of these programs."""
        return self.only(
            *(step for step in self.steps if not set(programs) & set(step.command.split()[:2]))
        )

    def only(self, *steps: Step) -> "Block":
        """Return the block with these of its commands."""
        return replace(self, steps=steps)


def documents() -> list[str]:
    """Return all documents of the project."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def blocks_of(file: str) -> Iterator[Block]:
    """Yield the shell blocks of a document, in their order."""
    lines = (ROOT / file).read_text().splitlines()
    start: int | None = None
    indent, language = 0, ""
    for number, line in enumerate(lines):
        fence = re.match(r"( *)```(\w*)\s*$", line)
        if fence is None:
            continue
        if start is None:
            start, indent, language = number, len(fence[1]), fence[2]
            continue
        if language in {"console", "sh", "bash", "shell"}:
            inside = [one[indent:] for one in lines[start + 1 : number]]
            yield Block(file=file, line=start + 1, steps=tuple(_steps(inside)))
        start = None


def _steps(lines: list[str]) -> Iterator[Step]:
    """Yield each command: what follows a prompt, while the shell would ask for more."""
    command: list[str] = []
    shown: list[str] = []
    for line in lines:
        if line.startswith(PROMPT):
            if command:
                yield Step(command="\n".join(command), shown="\n".join(shown))
            command, shown = [line.removeprefix(PROMPT)], []
        elif command and not shown and _is_open("\n".join(command)):
            command.append(line)
        else:
            shown.append(line)
    if command:
        yield Step(command="\n".join(command), shown="\n".join(shown))


def _is_open(command: str) -> bool:
    """Return whether a command goes on: it ends with a backslash, a pipe or an open quote."""
    if command.endswith(("\\", "|")):
        return True
    text = re.sub(r"\\.", "", command)
    inside = ""
    for character in text:
        if inside:
            inside = "" if character == inside else inside
        elif character in "'\"":
            inside = character
    return bool(inside)
