"""Who may do what: each view carries a table from method to the access that it asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.common.callers import Caller, Scope


@dataclass(frozen=True, kw_only=True)
class Access:
    """What one method of a view asks of its caller.

    Attributes:
        scope: The scope that an API key needs; None refuses keys.
        staff: The Django permission that staff need; None refuses staff.
        own: End users (and staff without the permission) pass; the view then shows them only
            what is theirs, and answers 404 for the rest.
        anyone: No credential is needed.
    """

    scope: Scope | None = None
    staff: str | None = None
    own: bool = False
    anyone: bool = False

    def allows(self, caller: Caller | None) -> bool:
        """Tell whether this caller may go on to the view."""
        if self.anyone:
            return True
        if caller is None:
            return False
        if caller.is_key:
            return self.scope is not None and self.scope in caller.scopes
        if caller.is_staff and self.staff is not None and self.staff in caller.permissions:
            return True
        return self.own


class Authenticated(BasePermission):
    """Any caller with a good credential."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Tell whether the request carries a caller."""
        return isinstance(request.auth, Caller)


class HasAccess(BasePermission):
    """The caller meets the ``access`` table of the view. A method without a row is a 405."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Look the method up in the view's table."""
        table: Mapping[str, Access] = view.access
        method = "GET" if request.method in {"HEAD", "OPTIONS"} else request.method
        access = table.get(method or "")
        if access is None:
            return True
        return access.allows(request.auth if isinstance(request.auth, Caller) else None)


class AccessTable:
    """Mixin for views: declare ``access`` and the permission check follows."""

    permission_classes: Any = (HasAccess,)  # As wide as the views' own declaration.
    access: ClassVar[Mapping[str, Access]]
