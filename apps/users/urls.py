"""Routes of the pages for people, below ``/account/``."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from apps.common.rest.routes import either_slash
from apps.users.pages import ConfirmEmailPage, ResetPasswordPage
from apps.users.staff.second_factor_pages import EnrolPage, SecondFactorPage

urlpatterns = either_slash(
    [
        path("confirm-email", ConfirmEmailPage.as_view(), name="confirm-email"),
        path("reset-password", ResetPasswordPage.as_view(), name="reset-password"),
        # The admin's own lets out only whom it has let in, and some wait for their second factor.
        path("log-out", LogoutView.as_view(next_page="admin:login"), name="log-out"),
        path("second-factor", SecondFactorPage.as_view(), name="second-factor"),
        path("second-factor/enrol", EnrolPage.as_view(), name="enrol-second-factor"),
    ]
)
