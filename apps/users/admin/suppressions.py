"""The suppression list in the admin: addresses can be added and removed."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest

from apps.common.newest_first import NewestFirstAdmin, NewestFirstList, RecentValuesFilter
from apps.users import suppression_list
from apps.users.addresses import address_hash
from apps.users.admin.bases import SuppressionModelAdmin
from apps.users.admin.forms import SuppressionForm
from apps.users.models import Suppression, SuppressionReason


@admin.register(Suppression)
class SuppressionAdmin(NewestFirstAdmin[Suppression], SuppressionModelAdmin):
    """List the suppressed addresses with their reasons. A removal asks for its reason."""

    form = SuppressionForm
    list_display = ("shown_address", "reason", "source", "note", "expires_at", "created_at")
    delete_confirmation_template = "admin/users/suppression/delete_confirmation.html"
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
        """Store the entry with the hash that look-ups use, in the place of an expired one."""
        obj.address_hash = address_hash(obj.address)
        obj.reason, obj.source = SuppressionReason.MANUAL, f"staff:{request.user.pk}"
        Suppression.objects.filter(address_hash=obj.address_hash).delete()
        super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: Suppression) -> None:
        """Remove the entry, and keep the reason in the trail."""
        if reason := request.POST.get("reason", "").strip():
            suppression_list.remove(obj.pk, actor=f"staff:{request.user.pk}", reason=reason)
        else:
            super().delete_model(request, obj)
