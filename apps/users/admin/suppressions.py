"""The suppression list in the admin: an address can be added, and taken off again."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apps.users.addresses import address_hash
from apps.users.admin.bases import SuppressionModelAdmin
from apps.users.admin.forms import SuppressionForm
from apps.users.models import Suppression


@admin.register(Suppression)
class SuppressionAdmin(SuppressionModelAdmin):
    """Shows who is never written to, and why."""

    form = SuppressionForm
    list_display = ("shown_address", "reason", "created_at")
    list_filter = ("reason",)
    search_fields = ("address",)
    ordering = ("-id",)

    @admin.display(description="address", ordering="address")
    def shown_address(self, suppression: Suppression) -> str:
        """Return the address; of an erased person only that there was one."""
        return suppression.address or "(erased)"

    def has_change_permission(self, request: HttpRequest, obj: Suppression | None = None) -> bool:
        """An entry is added or taken off, never turned into another."""
        return False

    def save_model(self, request: HttpRequest, obj: Suppression, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature.
        """Store the entry with the hash by which it is found."""
        obj.address_hash = address_hash(obj.address)
        super().save_model(request, obj, form, change)
