"""The suppression list in the admin: addresses can be added and removed."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest

from apps.common.newest_first import NewestFirstAdmin, NewestFirstList, RecentValuesFilter
from apps.users.addresses import address_hash
from apps.users.admin.bases import SuppressionModelAdmin
from apps.users.admin.forms import SuppressionForm
from apps.users.models import Suppression


@admin.register(Suppression)
class SuppressionAdmin(NewestFirstAdmin[Suppression], SuppressionModelAdmin):
    """List the suppressed addresses with their reasons."""

    form = SuppressionForm
    list_display = ("shown_address", "reason", "created_at")
    list_filter = (("reason", RecentValuesFilter),)
    search_fields = ("pk",)
    search_help_text = "An address in any spelling, in full."

    def look_ups(self, changelist: NewestFirstList, term: str) -> Sequence[Q]:
        """Return the hash of an address, by which it is stored."""
        return [Q(address_hash=address_hash(term))]

    @admin.display(description="address")
    def shown_address(self, suppression: Suppression) -> str:
        """Return the address, or a placeholder if its owner was erased."""
        return suppression.address or "(erased)"

    def has_change_permission(self, request: HttpRequest, obj: Suppression | None = None) -> bool:
        """Do not allow changes. Entries can only be added or removed."""
        return False

    def save_model(self, request: HttpRequest, obj: Suppression, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature.
        """Store the entry with the address hash that look-ups use."""
        obj.address_hash = address_hash(obj.address)
        super().save_model(request, obj, form, change)
