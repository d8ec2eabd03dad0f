"""What came of the calls of one notification in one chunk."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.notifications.delivery.retry_policy import Held, Verdict
from apps.notifications.models import Notification
from apps.notifications.providers.base import Mail, Push, Reply


@dataclass(frozen=True, kw_only=True)
class Call:
    """One message of a round.

    Attributes:
        provider: Who was to take it; empty where no provider takes calls now.
        reply: The answer; None where the call was not begun.
        held: How long a message waits that may not go now.
    """

    message: Mail | Push
    provider: str
    reply: Reply | None
    held: Held | None = None


@dataclass(frozen=True, kw_only=True)
class AttemptRound:
    """One notification's calls of one chunk.

    Attributes:
        accepted_before: Whether a device accepted it in an earlier round.
        unknown_before: Earlier calls of a mail whose outcome is unknown.
    """

    notification: Notification
    started_at: datetime
    accepted_before: bool
    calls: Sequence[Call]
    unknown_before: int = 0

    @property
    def replies(self) -> list[Reply]:
        """The answers that came."""
        return [call.reply for call in self.calls if call.reply is not None]

    @property
    def held(self) -> Held | None:
        """How long the first of the messages waits that may not go now."""
        held = [call.held for call in self.calls if call.held is not None]
        return min(held, key=lambda each: each.until, default=None)

    @property
    def out_of_time(self) -> bool:
        """Whether a message that had a provider was not begun before the chunk was over."""
        return any(call.reply is None and call.held is None for call in self.calls)

    @property
    def provider(self) -> str:
        """Who answered."""
        return next((call.provider for call in self.calls if call.reply is not None), "")


Judged = tuple[AttemptRound, Verdict]
