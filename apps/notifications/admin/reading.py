"""The base class of this app's admin pages: rows are shown, never edited."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from apps.common.newest_first import NewestFirstAdmin
from apps.common.rest.problems import Problem

Row = TypeVar("Row", bound=Model)


class ReadOnlyAdmin(admin.ModelAdmin[Row]):
    """Shows rows, which only the pipeline writes."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows are not created in the admin."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        """Rows are not changed in the admin."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        """Rows are not deleted in the admin."""
        return False

    def may(self, request: HttpRequest, permission: str) -> bool:
        """Return whether the user has a permission of this app."""
        user: Any = request.user
        return bool(user.has_perm(f"notifications.{permission}"))

    def on_each(
        self,
        request: HttpRequest,
        chosen: QuerySet[Row],
        act: Callable[[Row], object],
        word: str,
    ) -> None:
        """Apply an action to each chosen row, and show which rows were refused and why.

        Args:
            request: The request that gets the messages.
            chosen: The rows.
            act: The action. It raises a ``Problem`` to refuse a row.
            word: The past participle of the action, for the message.
        """
        refused: list[str] = []
        done = 0
        for row in chosen:
            try:
                act(row)
                done += 1
            except Problem as problem:
                refused.append(f"{row.pk}: {problem.detail}")
        if done:
            self.message_user(request, f"{done} {word}.", messages.SUCCESS)
        for line in refused:
            self.message_user(request, line, messages.WARNING)


class LargeTableAdmin(NewestFirstAdmin[Row], ReadOnlyAdmin[Row]):
    """Shows the rows of a large table in pages by id."""
