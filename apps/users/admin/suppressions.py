"""The suppression list in the admin: addresses can be added and removed."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from apps.common.newest_first import NewestFirstAdmin, NewestFirstList
from apps.users import suppression_list
from apps.users.addresses import address_hash
from apps.users.admin.bases import SuppressionModelAdmin
from apps.users.admin.forms import SuppressionForm
from apps.users.api_keys import STAFF_CLIENT_PREFIX
from apps.users.models import Suppression, SuppressionReason

# Why an address gets no more mail, in a few words.
REASONS: Mapping[str, str] = {
    SuppressionReason.HARD_BOUNCE: "the address does not exist",
    SuppressionReason.COMPLAINT: "its owner reported a mail as spam",
    SuppressionReason.SOFT_BOUNCES: "several mails came back",
    SuppressionReason.MANUAL: "put on the list by hand",
}
# Who put it on the list; others are named as they are: providers and client applications.
SOURCES: Mapping[str, str] = {"reply": "the mail server's reply", "dsn": "a mail that came back"}


class ReasonFilter(admin.SimpleListFilter):
    """Offers the reasons in words."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the reasons."""
        return list(REASONS.items())

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Suppression]
    ) -> QuerySet[Suppression]:
        """Return the rows with the chosen reason."""
        chosen = self.value()
        return queryset.filter(reason=chosen) if chosen else queryset


@admin.register(Suppression)
class SuppressionAdmin(NewestFirstAdmin[Suppression], SuppressionModelAdmin):
    """List the suppressed addresses with their reasons. A removal asks for its reason."""

    form = SuppressionForm
    list_display = ("shown_address", "why", "from_whom", "note", "expires_at", "created_at")
    delete_confirmation_template = "admin/users/suppression/delete_confirmation.html"
    list_filter = (ReasonFilter,)
    search_fields = ("pk",)
    search_help_text = "An address in any spelling, in full."

    def look_ups(self, changelist: NewestFirstList, term: str) -> Sequence[Q]:
        """Return the hash of an address, by which it is stored."""
        return [Q(address_hash=address_hash(term))]

    @admin.display(description="address")
    def shown_address(self, suppression: Suppression) -> str:
        """Return the address, or a placeholder if its owner was erased."""
        return suppression.address or "(erased)"

    @admin.display(description="reason")
    def why(self, suppression: Suppression) -> str:
        """Return the reason in words; that of an older release as it is stored."""
        return REASONS.get(suppression.reason, suppression.reason)

    @admin.display(description="source", empty_value="-")
    def from_whom(self, suppression: Suppression) -> str:
        """Return who put it on the list, in words."""
        source = suppression.source
        return "staff" if source.startswith(STAFF_CLIENT_PREFIX) else SOURCES.get(source, source)

    def has_change_permission(self, request: HttpRequest, obj: Suppression | None = None) -> bool:
        """Do not allow changes. Entries can only be added or removed."""
        return False

    def save_model(self, request: HttpRequest, obj: Suppression, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature.
        """Store the entry with the hash that look-ups use, in the place of an expired one."""
        obj.address_hash = address_hash(obj.address)
        obj.reason, obj.source = SuppressionReason.MANUAL, f"{STAFF_CLIENT_PREFIX}{request.user.pk}"
        Suppression.objects.filter(address_hash=obj.address_hash).delete()
        super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: Suppression) -> None:
        """Remove the entry, and keep the reason in the trail."""
        if reason := request.POST.get("reason", "").strip():
            suppression_list.remove(
                obj.pk, actor=f"{STAFF_CLIENT_PREFIX}{request.user.pk}", reason=reason
            )
        else:
            super().delete_model(request, obj)
