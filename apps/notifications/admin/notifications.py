"""The admin pages of notifications: timeline, replay and cancel."""

from typing import ClassVar, cast
from uuid import UUID

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from apps.common.callers import Caller
from apps.common.masking import masked_address
from apps.notifications.admin.reading import ReadOnlyAdmin
from apps.notifications.dead_letters import resend
from apps.notifications.intake.cancel import cancel
from apps.notifications.lifecycle import timeline
from apps.notifications.models import Notification

# The maximum number of rows that the pager counts. Older rows are found by filters and search.
PAGER_ROWS = 1000


class BoundedPaginator(Paginator[Notification]):
    """Counts only up to ``PAGER_ROWS``, because a COUNT would scan the whole table."""

    @cached_property
    def count(self) -> int:
        """The number of rows, at most ``PAGER_ROWS``."""
        rows = cast("QuerySet[Notification]", self.object_list)
        return len(rows.values_list("pk", flat=True)[:PAGER_ROWS])


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin[Notification]):
    """One page for each notification, with its timeline."""

    list_display = ("id", "channel", "template_code", "status", "reason", "attempts", "created_at")
    list_filter = ("status", "channel", "kind")
    search_fields = ("pk__exact", "correlation_id__exact", "user_id__exact", "request_id__exact")
    search_help_text = "An id, a user's id, a correlation id or a request id, in full."
    ordering = ("-id",)
    # Another order would sort the whole table.
    sortable_by: ClassVar[tuple[str, ...]] = ()
    paginator = BoundedPaginator
    actions = ("replay", "replay_doubtful", "cancel")
    fields = (
        "id",
        "status",
        "reason",
        "timeline_table",
        "channel",
        "user_id",
        "recipient_masked",
        "template_code",
        "template_version",
        "language",
        "priority",
        "client",
        "kind",
        "request_id",
        "attempts",
        "crashes",
        "next_attempt_at",
        "scheduled_for",
        "expires_at",
        "created_at",
        "updated_at",
        "correlation_id",
        "batch_id",
        "replay_of",
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Notification], search_term: str
    ) -> tuple[QuerySet[Notification], bool]:
        """Search UUID columns only if the term is a UUID, because others would be an error."""
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            found = queryset.filter(pk=UUID(term)) | queryset.filter(user_id=UUID(term))
        except ValueError:
            found = queryset.filter(correlation_id=term)
        return found | queryset.filter(request_id=term), False

    @admin.display(description="Recipient of its own", empty_value="-")
    def recipient_masked(self, notification: Notification) -> str | None:
        """Show the masked recipient of an account mail that has not ended."""
        return masked_address(notification.recipient) if notification.recipient else None

    @admin.display(description="Timeline")
    def timeline_table(self, notification: Notification) -> SafeString:
        """Show every entry of the timeline."""
        rows = (
            (
                f"{entry.at:%Y-%m-%d %H:%M:%S.%f}"[:-3],
                entry.status,
                entry.provider or "",
                entry.attempt or "",
                entry.detail,
            )
            for entry in timeline.read(notification)
        )
        return format_html_join("", "<div>{} <b>{}</b> {} {} {}</div>", rows)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Allow users who may send notifications to replay them."""
        return self.may(request, "add_notification")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Allow users who may change notifications to cancel them."""
        return self.may(request, "change_notification")

    @admin.action(description="Replay as new notifications", permissions=["replay"])
    def replay(self, request: HttpRequest, chosen: QuerySet[Notification]) -> None:
        """Replay the chosen notifications."""
        self._replay(request, chosen, may_have_arrived=False)

    @admin.action(
        description="Replay, although the first copy may have arrived", permissions=["replay"]
    )
    def replay_doubtful(self, request: HttpRequest, chosen: QuerySet[Notification]) -> None:
        """Replay the chosen notifications, including mails that may have arrived."""
        self._replay(request, chosen, may_have_arrived=True)

    def _replay(
        self, request: HttpRequest, chosen: QuerySet[Notification], *, may_have_arrived: bool
    ) -> None:
        caller = Caller(client=f"staff:{request.user.pk}", is_staff=True)

        def again(row: Notification) -> object:
            return resend.replay(row, caller=caller, may_have_arrived=may_have_arrived)

        self.on_each(request, chosen, again, "replayed")

    @admin.action(description="Cancel", permissions=["cancel"])
    def cancel(self, request: HttpRequest, chosen: QuerySet[Notification]) -> None:
        """Cancel the chosen notifications that have not been sent."""
        self.on_each(request, chosen, cancel, "cancelled")
