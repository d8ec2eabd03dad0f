"""The Django admin page of the retention rules. The other pages of this app are the desk's."""

from django.contrib import admin

from apps.notifications.models import RetentionRule


@admin.register(RetentionRule)
class RetentionRuleAdmin(admin.ModelAdmin[RetentionRule]):
    """Clients with a retention time of their own."""

    list_display = ("client", "days", "updated_at")
    search_fields = ("client",)
