"""Who is calling, as one value that every view and rule can read."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import cast
from uuid import UUID

from rest_framework.request import Request


class Scope(StrEnum):
    """What an API key may be allowed to do."""

    NOTIFICATIONS_SEND = "notifications:send"
    NOTIFICATIONS_READ = "notifications:read"
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    TEMPLATES_READ = "templates:read"
    TEMPLATES_WRITE = "templates:write"
    WEBHOOKS_MANAGE = "webhooks:manage"
    OPERATIONS = "operations"


class Kind(StrEnum):
    """Whether a key, and all that is sent with it, is real or a rehearsal in the sandbox."""

    LIVE = "live"
    TEST = "test"


# The client of what the system sends by itself. No key is made for it.
SYSTEM_CLIENT = "system"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """One authenticated caller.

    Attributes:
        client: The client application whose notifications these are; ``staff:<user id>``
            for staff, None for an end user, who may not send.
        kind: Live or test; staff and end users are live.
        scopes: What an API key allows; empty for people.
        user_id: The account of an end user or of staff; None for an API key.
        reads_from: From when on a person reads what was sent to them; None: nothing, because
            they have not shown yet that their address is theirs.
        is_staff: Staff act by their Django permissions.
        permissions: The Django permissions of staff, such as ``users.view_user``.
    """

    client: str | None
    kind: Kind = Kind.LIVE
    scopes: frozenset[Scope] = field(default_factory=frozenset)
    user_id: UUID | None = None
    reads_from: datetime | None = None
    is_staff: bool = False
    permissions: frozenset[str] = field(default_factory=frozenset)

    @property
    def is_key(self) -> bool:
        """Whether the caller is a client application."""
        return self.user_id is None

    @property
    def is_end_user(self) -> bool:
        """Whether the caller is a person without staff rights, who sees only what is theirs."""
        return self.user_id is not None and not self.is_staff

    @property
    def sees_all_clients(self) -> bool:
        """Whether resources of every client are visible: operators and staff."""
        return self.is_staff or Scope.OPERATIONS in self.scopes


def caller_of(request: Request) -> Caller:
    """Return the caller that authentication put on the request.

    Only for views behind ``apps.common.rest.permissions.Authenticated`` or ``HasAccess``.
    """
    return cast("Caller", request.auth)
