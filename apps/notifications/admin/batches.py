"""The admin pages of batches: their progress, and actions to pause, resume and cancel them."""

from collections.abc import Sequence

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from apps.common.callers import Kind
from apps.common.ids import as_uuid
from apps.common.newest_first import NewestFirstList
from apps.notifications.admin.reading import LargeTableAdmin
from apps.notifications.batches import control, progress
from apps.notifications.models import Batch


@admin.register(Batch)
class BatchAdmin(LargeTableAdmin[Batch]):
    """Bulk calls, broadcasts and uploads."""

    list_display = (
        "id",
        "source",
        "client",
        "kind",
        "state",
        "number",
        "accepted",
        "duplicates",
        "rejected",
        "failures",
        "created_at",
    )
    list_filter = ("source", "state", "kind")
    search_fields = ("pk",)
    search_help_text = "An id, a request id or a client, in full."
    actions = ("pause", "resume", "cancel")
    fields = (
        "id",
        "source",
        "client",
        "kind",
        "request_id",
        "state",
        "number",
        "accepted",
        "duplicates",
        "rejected",
        "counts",
        "failures",
        "last_error",
        "correlation_id",
        "created_at",
        "ended_at",
    )
    readonly_fields = ("number", "counts")

    def look_ups(self, changelist: NewestFirstList, term: str) -> Sequence[Q]:
        """Return the columns that a term may be found in."""
        identifier = as_uuid(term)
        known = [Q(pk=identifier)] if identifier is not None else []
        return [Q(request_id=term), *known, *(Q(client=term, kind=kind) for kind in Kind)]

    @admin.display(description="Total")
    def number(self, batch: Batch) -> str:
        """Show the number of recipients or rows, once it is known."""
        total = batch.known_total
        return "being counted" if total is None else str(total)

    @admin.display(description="Notifications by status")
    def counts(self, batch: Batch) -> str:
        """Show the number of its notifications by status."""
        counted = progress.statuses(batch)
        return ", ".join(f"{status}: {count}" for status, count in counted.items()) or "none"

    def has_control_permission(self, request: HttpRequest) -> bool:
        """Allow users who may change notifications to control batches."""
        return self.may(request, "change_notification")

    @admin.action(description="Pause", permissions=["control"])
    def pause(self, request: HttpRequest, chosen: QuerySet[Batch]) -> None:
        """Stop creating notifications of the chosen batches."""
        self.on_each(request, chosen, lambda batch: control.pause(batch.pk), "paused")

    @admin.action(description="Resume", permissions=["control"])
    def resume(self, request: HttpRequest, chosen: QuerySet[Batch]) -> None:
        """Continue the chosen batches that are paused."""
        self.on_each(request, chosen, lambda batch: control.resume(batch.pk), "resumed")

    @admin.action(description="Cancel with all that has not gone out", permissions=["control"])
    def cancel(self, request: HttpRequest, chosen: QuerySet[Batch]) -> None:
        """Cancel the chosen batches."""
        self.on_each(request, chosen, lambda batch: control.cancel(batch.pk), "cancelled")
