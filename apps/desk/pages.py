"""What all pages of the desk have in common: who may see them, and the frame."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

Page = Callable[..., HttpResponseBase]


def page(view: Page, *, permission: str = "") -> Page:
    """Return a view that only staff with a permission may see.

    Args:
        view: The view.
        permission: What a user needs; empty for every member of staff.
    """

    @wraps(view)
    def checked(request: HttpRequest, **given: Any) -> HttpResponseBase:
        require(request, permission)
        return view(request, **given)

    # The admin's own check, which needs the second factor as well.
    return admin.site.admin_view(checked)


def require(request: HttpRequest, permission: str) -> None:
    """Refuse a user without a permission.

    Raises:
        PermissionDenied: The user does not have it.
    """
    user: Any = request.user
    if permission and not user.has_perm(permission):
        raise PermissionDenied


def require_any(request: HttpRequest, permissions: Iterable[str]) -> None:
    """Refuse a user who has none of some permissions.

    Raises:
        PermissionDenied: The user has none of them.
    """
    if not any(may(request, permission) for permission in permissions):
        raise PermissionDenied


def may(request: HttpRequest, permission: str) -> bool:
    """Return whether the user has a permission."""
    user: Any = request.user
    return bool(user.has_perm(permission))


def filters_of(request: HttpRequest) -> dict[str, str]:
    """Return the filters in the address, without empty ones."""
    stripped = {name: value.strip() for name, value in request.GET.dict().items()}
    return {name: value for name, value in stripped.items() if value}


def show(
    request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """Render a page of the desk. A form with errors has the status 200, as in Django's admin."""
    frame = {**admin.site.each_context(request), "user": request.user}
    return render(request, template, {**frame, **context}, status=status)
