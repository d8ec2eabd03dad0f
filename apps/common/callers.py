"""The authenticated caller of a request, as one value for all views and permission rules."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, cast
from uuid import UUID

# The models read scopes and kinds from this module, also where no request is received.
if TYPE_CHECKING:
    from rest_framework.request import Request


class Scope(StrEnum):
    """The permissions that an API key can have."""

    NOTIFICATIONS_SEND = "notifications:send"
    NOTIFICATIONS_READ = "notifications:read"
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    TEMPLATES_READ = "templates:read"
    TEMPLATES_WRITE = "templates:write"
    WEBHOOKS_MANAGE = "webhooks:manage"
    OPERATIONS = "operations"


class Kind(StrEnum):
    """Whether a key sends real notifications or test notifications in the sandbox."""

    LIVE = "live"
    TEST = "test"


# The client of notifications that the system itself sends. It has no API key.
SYSTEM_CLIENT = "system"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """One authenticated caller.

    Attributes:
        client: The client application that owns the notifications; ``staff:<user id>`` for
            staff; None for an end user, who may not send.
        kind: Live or test; staff and end users are live.
        scopes: The scopes of an API key; empty for end users and staff.
        user_id: The account of an end user or of staff; None for an API key.
        reads_from: An end user may read the notifications that were sent to them since this
            time. None: they may read none, because their address is not confirmed yet.
        is_staff: Whether the caller is staff. Django permissions decide what staff may do.
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
        """Whether the caller is a user without staff rights, who sees only their own data."""
        return self.user_id is not None and not self.is_staff

    @property
    def sees_all_clients(self) -> bool:
        """Whether the caller sees the resources of every client; true for operators and staff."""
        return self.is_staff or Scope.OPERATIONS in self.scopes


def caller_of(request: "Request") -> Caller:
    """Return the caller that authentication has set on the request.

    Use it only in views that have the permission class
    ``apps.common.rest.permissions.Authenticated`` or ``HasAccess``.
    """
    return cast("Caller", request.auth)
