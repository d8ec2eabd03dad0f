"""Routes of the pages for people, below ``/account/``."""

from django.urls import path

from apps.common.routes import either_slash
from apps.users.pages import ConfirmEmailPage, ResetPasswordPage

urlpatterns = either_slash(
    [
        path("confirm-email", ConfirmEmailPage.as_view(), name="confirm-email"),
        path("reset-password", ResetPasswordPage.as_view(), name="reset-password"),
    ]
)
