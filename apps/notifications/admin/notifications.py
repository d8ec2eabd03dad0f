"""The admin pages of notifications: timeline, replay and cancel."""

from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from operator import and_
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from apps.common.callers import Caller
from apps.common.keyset import Source
from apps.common.masking import masked_address
from apps.common.newest_first import NewestFirstList
from apps.notifications import search
from apps.notifications.admin.reading import LargeTableAdmin
from apps.notifications.dead_letters import resend
from apps.notifications.intake.cancel import cancel
from apps.notifications.lifecycle import timeline
from apps.notifications.models import Notification
from apps.users.contacts import find_users


class CreatedFilter(admin.DateFieldListFilter):
    """Filters by the time of creation, as a range of the ids, which are UUIDv7."""

    @property
    def id_range(self) -> Q:
        """The range of ids.

        Raises:
            IncorrectLookupParameters: One of the times is malformed.
        """
        since, until = (
            self._time(name) for name in (self.lookup_kwarg_since, self.lookup_kwarg_until)
        )
        return search.id_range(since, until)

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Notification]
    ) -> QuerySet[Notification]:
        """Filter by the ids."""
        return queryset.filter(self.id_range)

    def _time(self, name: str) -> datetime | None:
        given: Any = self.used_parameters.get(name)
        if given is None:
            return None
        try:
            found: datetime = self.field.to_python(given[-1])
        except ValidationError as error:
            raise IncorrectLookupParameters(error) from error
        return found if timezone.is_aware(found) else timezone.make_aware(found)


@admin.register(Notification)
class NotificationAdmin(LargeTableAdmin[Notification]):
    """One page for each notification, with its timeline."""

    list_display = ("id", "channel", "template_code", "status", "reason", "attempts", "created_at")
    list_filter = ("status", "channel", "kind", ("created_at", CreatedFilter))
    search_fields = ("pk",)
    search_help_text = (
        "In full: an id, a batch's id, a user's id, a request id, a correlation id, the provider's "
        "id of a message, or a user's external id. Or the beginning of a user's address or name."
    )
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
        "reply_to",
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

    def look_ups(self, changelist: NewestFirstList, term: str) -> Sequence[Q]:
        """Return the columns that a term may be found in."""
        return list(search.meanings(term))

    def leading(self, changelist: ChangeList) -> Sequence[Q]:
        """Return the condition of a rare status, which has an index, and the range of ids."""
        status = changelist.filter_params.get("status__exact")
        rare = search.leading({"status": status[-1]} if status else {}) or Q()
        ranges = [
            each.id_range for each in changelist.filter_specs if isinstance(each, CreatedFilter)
        ]
        return [reduce(and_, ranges, rare)]

    def sources(self, request: HttpRequest, changelist: NewestFirstList) -> Sequence[Source]:
        """Add the notifications of the users that a term finds, for staff who may see users."""
        sources = super().sources(request, changelist)
        if not request.user.has_perm("users.view_user"):
            return sources
        found = find_users(changelist.query)
        if found.more:
            changelist.note = (
                f"The term finds more than {len(found.ids):,} users; not all are searched."
            )
        if found.ids:
            filtered = self.filtered(changelist)
            of_users = search.OfUsers(changelist.queryset, found.ids, filtered=filtered)
            sources = [*sources, of_users]
        return sources

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
