"""What an explanation consists of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What would become of a request."""

    SEND = "send"
    SKIP = "skip"
    POSTPONE = "postpone"
    REFUSE = "refuse"


class Verdict(StrEnum):
    """What one rule says."""

    PASS = "pass"  # noqa: S105 - no password.
    STOP = "stop"
    POSTPONE = "postpone"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One rule with its verdict.

    Attributes:
        rule: The name of the rule.
        verdict: Whether the request passes it.
        detail: A sentence for people, without personal data.
        outcome: What the request comes to, if this is the rule that decides.
        reason: The code of that, as a notification or a problem would have it.
        at: When it would be judged again, for ``postpone``.
    """

    rule: str
    verdict: Verdict = Verdict.PASS
    detail: str = ""
    outcome: Outcome = Outcome.SEND
    reason: str | None = None
    at: datetime | None = None


@dataclass(kw_only=True)
class Explanation:
    """What would become of one request.

    Attributes:
        rules: The rules that were judged, in their order. Those that need what is missing are
            left out: without a template there is nothing to render.
        notification_type: ``email`` or ``push``.
        provider: Which provider would take it; None if none would now.
        template: Code, version and language that would be used; None if there is none.
        devices: The devices that a push would go to.
        content: What would be sent; None if it was not asked for, or must not be shown.
    """

    notification_type: str
    rules: list[Judged] = field(default_factory=list)
    provider: str | None = None
    template: Mapping[str, Any] | None = None
    devices: int = 0
    content: Mapping[str, Any] | None = None

    @property
    def decisive(self) -> Judged | None:
        """The rule that decides: the first that stops it, else the one that delays it longest."""
        stops = [rule for rule in self.rules if rule.verdict is Verdict.STOP]
        if stops:
            return stops[0]
        delays = [(rule.at, rule) for rule in self.rules if rule.at is not None]
        return max(delays, key=lambda delay: delay[0])[1] if delays else None

    @property
    def outcome(self) -> Outcome:
        """What would become of it."""
        return self.decisive.outcome if self.decisive else Outcome.SEND

    @property
    def reason(self) -> str | None:
        """The code of the reason; None if it would be sent or only waits."""
        return self.decisive.reason if self.decisive else None

    @property
    def at(self) -> datetime | None:
        """When it would be judged again; None unless it is postponed."""
        return self.decisive.at if self.decisive else None
