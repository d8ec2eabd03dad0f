"""Routes below ``/api/v1/``. The project registers ``users/{user_id}/`` with its own DELETE."""

from django.urls import path

from apps.common.rest.routes import either_slash
from apps.users import openapi  # noqa: F401 - describes the credentials in the OpenAPI document.
from apps.users.api.devices import DevicesView, DeviceView
from apps.users.api.preferences import PreferencesView
from apps.users.api.profiles import UsersView
from apps.users.api.sessions import (
    EmailConfirmView,
    LoginView,
    LogoutView,
    PasswordResetConfirmView,
    PasswordResetView,
    RefreshView,
)
from apps.users.api.suppressions import (
    SuppressionExportView,
    SuppressionImportView,
    SuppressionsView,
    SuppressionView,
)

urlpatterns = either_slash(
    [
        path("users/", UsersView.as_view(), name="users"),
        path("users/login", LoginView.as_view(), name="login"),
        path("users/token/refresh", RefreshView.as_view(), name="token-refresh"),
        path("users/logout", LogoutView.as_view(), name="logout"),
        path("users/password/reset", PasswordResetView.as_view(), name="password-reset"),
        path(
            "users/password/reset/confirm",
            PasswordResetConfirmView.as_view(),
            name="password-reset-confirm",
        ),
        path("users/email/confirm", EmailConfirmView.as_view(), name="email-confirm"),
        path("suppressions/", SuppressionsView.as_view(), name="suppressions"),
        path("suppressions/export", SuppressionExportView.as_view(), name="suppression-export"),
        path("suppressions/import", SuppressionImportView.as_view(), name="suppression-import"),
        path("suppressions/<suppression_id>", SuppressionView.as_view(), name="suppression"),
        path("users/<uuid:user_id>/preferences", PreferencesView.as_view(), name="preferences"),
        path("users/<uuid:user_id>/devices/", DevicesView.as_view(), name="devices"),
        path("users/<uuid:user_id>/devices/<uuid:device_id>", DeviceView.as_view(), name="device"),
    ]
)
