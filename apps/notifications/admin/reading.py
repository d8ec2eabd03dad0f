"""What all pages of this app share: rows are shown, never edited."""

from typing import Any, TypeVar

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

Row = TypeVar("Row", bound=Model)


class ReadOnlyAdmin(admin.ModelAdmin[Row]):
    """Shows rows. The pipeline writes them."""

    # The tables are large, so nothing counts them.
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nothing is made by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        """Nothing is changed by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        """Nothing is deleted by hand."""
        return False

    def may(self, request: HttpRequest, permission: str) -> bool:
        """Tell whether the person may carry out an action of this app."""
        user: Any = request.user
        return bool(user.has_perm(f"notifications.{permission}"))
