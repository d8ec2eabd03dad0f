"""The port through which the accounts tell client applications what changed.

The webhooks, which depend on the accounts, implement it. The setting ``ACCOUNT_EVENTS`` names the
function.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string


class AccountEventType(StrEnum):
    """What happened."""

    ADDRESS_SUPPRESSED = "address.suppressed"
    PREFERENCES_CHANGED = "preferences.changed"


@dataclass(frozen=True, kw_only=True)
class AccountEvent:
    """A change of an account or of the suppression list.

    Attributes:
        type: What happened.
        at: When, UTC.
        user_id: The user that it concerns; None if that is unknown.
        data: What a client application is told, without an address.
    """

    type: AccountEventType
    at: datetime
    user_id: UUID | None = None
    data: dict[str, Any] = field(default_factory=dict)


def tell(kind: AccountEventType, events: Callable[[], Iterable[AccountEvent]]) -> None:
    """Tell events in the caller's transaction.

    Args:
        kind: The type of all the events.
        events: Makes them. It is called only if somebody wants to know.
    """
    import_string(settings.ACCOUNT_EVENTS)(kind, events)
