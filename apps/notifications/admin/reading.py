"""What all pages of this app share: rows are shown, never edited."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from apps.common.rest.problems import Problem

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

    def on_each(
        self,
        request: HttpRequest,
        chosen: QuerySet[Row],
        act: Callable[[Row], object],
        word: str,
    ) -> None:
        """Do something to each row that was chosen, and say which ones refused and why.

        Args:
            request: Where the messages are shown.
            chosen: The rows.
            act: Raises a ``Problem`` to refuse.
            word: What has been done to the others.
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
