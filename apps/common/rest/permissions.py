"""Permissions: each view has a table that maps an HTTP method to the required access."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.common.callers import Caller, Scope


@dataclass(frozen=True, kw_only=True)
class Access:
    """The access that one method of a view requires.

    Attributes:
        scope: The scope that an API key needs; None refuses API keys.
        staff: The Django permission that staff need; None refuses staff, unless ``own`` is set.
        operations: Whether the scope ``operations`` is sufficient, too.
        own: Whether end users, and staff without the permission, are allowed. The view then shows
            them only their own data and returns 404 for everything else.
        anyone: Whether no credential is needed.
    """

    scope: Scope | None = None
    staff: str | None = None
    operations: bool = False
    own: bool = False
    anyone: bool = False

    def allows(self, caller: Caller | None) -> bool:
        """Return whether this caller may call the view."""
        if self.anyone:
            return True
        if caller is None:
            return False
        if caller.is_key:
            if self.operations and Scope.OPERATIONS in caller.scopes:
                return True
            return self.scope is not None and self.scope in caller.scopes
        if caller.is_staff and self.staff is not None and self.staff in caller.permissions:
            return True
        return self.own


class Authenticated(BasePermission):
    """Allow any caller with a valid credential."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return whether the request has an authenticated caller."""
        return isinstance(request.auth, Caller)


class HasAccess(BasePermission):
    """Check the caller against the view's ``access`` table. A method without an entry gets 405."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return whether the view's table allows the caller to use the method."""
        table: Mapping[str, Access] = view.access
        method = "GET" if request.method in {"HEAD", "OPTIONS"} else request.method
        access = table.get(method or "")
        if access is None:
            return True
        return access.allows(request.auth if isinstance(request.auth, Caller) else None)


class AccessTable:
    """Mixin for views: check the caller against the ``access`` table that the view declares."""

    permission_classes: Any = (HasAccess,)  # Any, because DRF's own declaration is as wide.
    access: ClassVar[Mapping[str, Access]]
