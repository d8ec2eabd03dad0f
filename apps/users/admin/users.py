"""Accounts in the admin. Passwords can be set; neither passwords nor hashes are shown."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from apps.common.keyset import KnownIds, Source
from apps.common.newest_first import NewestFirstAdmin, NewestFirstList
from apps.users import unconfirmed
from apps.users.admin.bases import (
    AccountModelAdmin,
    CategoryPreferences,
    Devices,
    ExternalIds,
)
from apps.users.admin.forms import (
    AccountAddForm,
    AccountChangeForm,
    AccountPasswordForm,
    LabelledFormSet,
)
from apps.users.locales import forget_locale
from apps.users.models import CategoryPreference, Device, ExternalId, User
from apps.users.search import USERS_MAX, find_users
from apps.users.staff import second_factor

# A user who may set these fields can create administrators.
RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")


class DeviceInline(Devices):
    """The devices of an account, read-only: only the devices themselves register tokens."""

    model = Device
    extra = 0
    fields = ("platform", "token", "last_seen_at", "retired_at", "retired_reason")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Do not allow adding devices: tokens are not entered manually."""
        return False


class CategoryPreferenceInline(CategoryPreferences):
    """The category preferences of an account."""

    model = CategoryPreference
    formset = LabelledFormSet
    extra = 0


class ExternalIdInline(ExternalIds):
    """The external ids that client applications use for the account."""

    model = ExternalId
    formset = LabelledFormSet
    extra = 0


@admin.register(User)
class AccountAdmin(NewestFirstAdmin[User], AccountModelAdmin):
    """Find, create and change accounts. They are erased elsewhere, with their notifications."""

    form = AccountChangeForm
    add_form = AccountAddForm
    change_password_form = AccountPasswordForm
    actions = ("reset_second_factor",)
    inlines: ClassVar[list[Any]] = [DeviceInline, CategoryPreferenceInline, ExternalIdInline]
    list_display = ("name", "email", "email_confirmed", "locale", "is_staff", "created_at")
    list_filter = ("is_staff", "is_superuser", "is_active", "groups")
    search_fields = ("pk",)
    search_help_text = (
        "In full: an id or an external id. An address in any spelling, or the beginning of an "
        "address or a name."
    )
    readonly_fields = (
        "id",
        "set_password",
        "email_confirmed_at",
        "pending_email",
        "last_login",
        "created_at",
        "updated_at",
    )
    fieldsets = (
        (None, {"fields": ("id", "name", "email", "email_confirmed_at", "pending_email")}),
        ("Language and time", {"fields": ("locale", "timezone")}),
        ("Preferences", {"fields": ("email_enabled", "push_enabled", "quiet_from", "quiet_to")}),
        ("Login", {"fields": ("set_password", "is_active", "last_login")}),
        ("Rights", {"fields": RIGHTS}),
        ("Times", {"fields": ("created_at", "updated_at")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "fields": (
                    "name",
                    "email",
                    "locale",
                    "timezone",
                    "usable_password",
                    "password1",
                    "password2",
                )
            },
        ),
    )

    @admin.display(boolean=True, description="confirmed")
    def email_confirmed(self, user: User) -> bool:
        """Return whether the address is confirmed and therefore used."""
        return user.email_confirmed

    @admin.display(description="password")
    def set_password(self, user: User) -> str:
        """Return a link to the page that sets a password."""
        state = "A password is set." if user.has_usable_password() else "No password is set."
        link = reverse("admin:auth_user_password_change", args=[user.pk])
        return format_html('{} <a href="{}">Set a password</a>', state, link)

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        """Show the inlines for existing accounts only."""
        return [] if obj is None else super().get_inlines(request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Exclude erased accounts, which have nothing to show."""
        return super().get_queryset(request).filter(erased_at=None)

    def sources(self, request: HttpRequest, changelist: NewestFirstList) -> Sequence[Source]:
        """Return the users that a term finds, or those that the filters find."""
        term, rows = changelist.query.strip(), changelist.queryset
        if not term:
            return super().sources(request, changelist)
        found = find_users(term)
        if found.more:
            number = f"{len(found.ids):,}"
            changelist.note = f"The term finds more than {number} users; {number} of them are here."
        if self.filtered(changelist):
            return [Source(rows.filter(pk__in=found.ids))]
        return [KnownIds(rows, found.ids)]

    def leading(self, changelist: ChangeList) -> Sequence[Q]:
        """Return a condition that few users meet; else all users are searched, newest first."""
        params = changelist.filter_params
        for right in ("is_superuser", "is_staff"):
            if params.get(f"{right}__exact", [""])[-1] == "1":
                return [Q(**{right: True})]
        groups = params.get("groups__id__exact", [""])[-1]
        members = _members(int(groups)) if groups.isdecimal() else None
        return [Q() if members is None else Q(pk__in=members)]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Let only superusers change rights."""
        fields = super().get_readonly_fields(request, obj)
        return fields if request.user.is_superuser else (*fields, *RIGHTS)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Allow changes of staff accounts only to their owners and to superusers."""
        if not super().has_change_permission(request, obj):
            return False
        if obj is None or request.user.is_superuser or obj.pk == request.user.pk:
            return True
        return not (obj.is_staff or obj.is_superuser)

    def has_reset_permission(self, request: HttpRequest) -> bool:
        """Allow the reset only to superusers, because it makes the second factor avoidable."""
        return request.user.is_superuser

    @admin.action(description="Reset the second factor", permissions=["reset"])
    def reset_second_factor(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Remove the authenticator app and the recovery codes of users who have lost both."""
        for user in queryset:
            if second_factor.forget(user):
                self.log_change(request, user, "The second factor was reset.")
        self.message_user(request, "They set up a new second factor when they next log in.")

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Do not allow deletion. Erasing clears the row but keeps it; counts refer to it."""
        return False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature.
        """Store the account and remove its locale from the cache of the request path."""
        if "email" in form.changed_data:
            unconfirmed.release_address(obj.email or "", proven=True, to=obj)
        super().save_model(request, obj, form, change)
        forget_locale(obj.pk)


def _members(group_id: int) -> list[UUID] | None:
    """Return the users of a group; None if there are too many to name them."""
    members = User.groups.through.objects.filter(group_id=group_id).order_by()
    found = list(members.values_list("user_id", flat=True)[: USERS_MAX + 1])
    return found if len(found) <= USERS_MAX else None
