"""The admin pages of the retention rules of clients, and of the counts of purged notifications."""

from django.contrib import admin

from apps.notifications.admin.reading import ReadOnlyAdmin
from apps.notifications.models import DailyCount, RetentionRule


@admin.register(RetentionRule)
class RetentionRuleAdmin(admin.ModelAdmin[RetentionRule]):
    """Clients with a retention time of their own."""

    list_display = ("client", "days", "updated_at")
    search_fields = ("client",)


@admin.register(DailyCount)
class DailyCountAdmin(ReadOnlyAdmin[DailyCount]):
    """The daily counts of purged notifications."""

    list_display = (
        "day",
        "client",
        "kind",
        "channel",
        "template_code",
        "status",
        "reason",
        "count",
    )
    list_filter = ("kind", "channel", "status")
    search_fields = ("client", "template_code")
    date_hierarchy = "day"
