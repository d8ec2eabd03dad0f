"""Routes of the HTML pages below ``/account/``."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from apps.common.rest.routes import either_slash
from apps.users.pages import ConfirmEmailPage, ResetPasswordPage
from apps.users.staff.second_factor_pages import EnrolPage, SecondFactorPage

urlpatterns = either_slash(
    [
        path("confirm-email", ConfirmEmailPage.as_view(), name="confirm-email"),
        path("reset-password", ResetPasswordPage.as_view(), name="reset-password"),
        # The log-out of the admin needs full authentication; this one also works before the second
        # factor.
        path("log-out", LogoutView.as_view(next_page="admin:login"), name="log-out"),
        path("second-factor", SecondFactorPage.as_view(), name="second-factor"),
        path("second-factor/enrol", EnrolPage.as_view(), name="enrol-second-factor"),
    ]
)
