"""The result of an act on several things, said in one line."""

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Result:
    """What an act did.

    Attributes:
        done: What it was done to, by id.
        made: The new messages, if it makes any.
        refused: How many were refused, by reason.
    """

    done: list[UUID] = field(default_factory=list)
    made: list[UUID] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def said(self, done: str) -> str:
        """Return the result in one line.

        Args:
            done: The past participle of the act, such as ``replayed``.
        """
        parts = [f"{len(self.done)} {done}"] if self.done else []
        parts += [
            f"{count} not: {reason.rstrip('.')}" for reason, count in self.refused.most_common()
        ]
        return "; ".join(parts) + "."
