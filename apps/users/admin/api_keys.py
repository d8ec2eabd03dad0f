"""API keys in the admin. A key is shown once, on the page after its creation."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apps.common.callers import Kind, Scope
from apps.users import api_keys
from apps.users.admin.bases import ApiKeyModelAdmin
from apps.users.admin.forms import ApiKeyAddForm
from apps.users.models import ApiKey


@admin.register(ApiKey)
class ApiKeyAdmin(ApiKeyModelAdmin):
    """Create, rotate and revoke keys; nothing else about a key can be changed."""

    list_display = ("name", "client", "kind", "prefix", "expires_at", "last_used_at", "created_at")
    list_filter = ("kind",)
    search_fields = ("name", "client", "prefix")
    ordering = ("-id",)
    actions = ("rotate", "revoke")
    fields = (
        "name",
        "client",
        "kind",
        "prefix",
        "scopes",
        "created_at",
        "expires_at",
        "last_used_at",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        """Make all fields of an existing key read-only."""
        return () if obj is None else self.fields

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        """Return the fields; a new key has fewer than an existing one."""
        return ApiKeyAddForm.Meta.fields if obj is None else super().get_fields(request, obj)

    def get_form(
        self,
        request: HttpRequest,
        obj: ApiKey | None = None,
        change: bool = False,  # noqa: FBT001, FBT002 - Django's signature.
        **kwargs: Any,
    ) -> Any:
        """Return the form; a new key has its own form."""
        if obj is None:
            kwargs["form"] = ApiKeyAddForm
        return super().get_form(request, obj, change, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        """Do not allow deletion. Keys are revoked, so that the record of their use is kept."""
        return False

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature.
        """Create the key and keep its plain text for the response to this request."""
        if change:
            return
        made, plain = api_keys.create(
            name=obj.name,
            client=obj.client,
            kind=Kind(obj.kind),
            scopes=[Scope(scope) for scope in form.cleaned_data["scopes"]],
            expires_at=obj.expires_at,
        )
        obj.pk, obj.prefix = made.pk, made.prefix
        request.META["apps.users.new_api_key"] = plain

    def response_add(
        self,
        request: HttpRequest,
        obj: ApiKey,
        post_url_continue: str | None = None,
    ) -> HttpResponse:
        """Show the new key."""
        return self._shown_once(request, obj, request.META["apps.users.new_api_key"])

    @admin.action(description="Rotate: make a successor, the old key ends in a day")
    def rotate(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        """Create the successor of one key and show it."""
        if not self.has_add_permission(request):
            self.message_user(request, "You may not make keys.", messages.ERROR)
            return None
        old = list(queryset[:2])
        if len(old) != 1:
            self.message_user(request, "Choose one key: each is shown once.", messages.ERROR)
            return None
        made, plain = api_keys.rotate(key_id=old[0].pk)
        self.log_addition(request, made, "Made by a rotation.")
        return self._shown_once(request, made, plain)

    @admin.action(description="Revoke at once", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """Revoke keys from now on."""
        for api_key in queryset:
            api_keys.revoke(key_id=api_key.pk)
            self.log_change(request, api_key, "Revoked.")
        self.message_user(request, "The keys are refused within a few seconds.")

    def _shown_once(self, request: HttpRequest, api_key: ApiKey, plain: str) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "The new API key",
            "api_key": api_key,
            "plain": plain,
            "opts": self.opts,
        }
        page = render(request, "users/api_key_shown_once.html", context)
        page["Cache-Control"] = "no-store"
        return page
