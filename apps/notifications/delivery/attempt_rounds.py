"""The results of the provider calls of one notification in one chunk."""

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
        provider: The chosen provider; empty if no provider accepts calls now.
        reply: The provider's reply; None if the call was not started.
        held: Why and until when the message must wait; None if it may be sent now.
    """

    message: Mail | Push
    provider: str
    reply: Reply | None
    held: Held | None = None


@dataclass(frozen=True, kw_only=True)
class AttemptRound:
    """One notification's calls in one chunk.

    Attributes:
        accepted_before: Whether the provider accepted it for a device in an earlier round.
        unknown_before: The number of earlier calls of a mail with an unknown outcome.
    """

    notification: Notification
    started_at: datetime
    accepted_before: bool
    calls: Sequence[Call]
    unknown_before: int = 0

    @property
    def replies(self) -> list[Reply]:
        """The replies received."""
        return [call.reply for call in self.calls if call.reply is not None]

    @property
    def held(self) -> Held | None:
        """The earliest hold among the messages that must wait."""
        held = [call.held for call in self.calls if call.held is not None]
        return min(held, key=lambda each: each.until, default=None)

    @property
    def out_of_time(self) -> bool:
        """Whether a call with a provider was not started before the chunk's time limit."""
        return any(call.reply is None and call.held is None for call in self.calls)

    @property
    def provider(self) -> str:
        """The provider that replied first in the order of the calls; empty if none did."""
        return next((call.provider for call in self.calls if call.reply is not None), "")


JudgedRound = tuple[AttemptRound, Verdict]
