"""The admin site, behind the password and, where it is demanded, the second factor."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse

from apps.users import second_factor
from apps.users.second_factor_pages import second_factor_page


class StaffSite(AdminSite):
    """Django's admin with a second factor."""

    site_header = "Notifications"
    site_title = "Notifications"

    def has_permission(self, request: HttpRequest) -> bool:
        """Let in active staff whose session has passed what is demanded of them."""
        return super().has_permission(request) and second_factor.passed(request)

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the password, or send staff who have given it on to the second factor."""
        user: Any = request.user
        halfway = user.is_authenticated and user.is_staff and not second_factor.passed(request)
        if request.method == "GET" and halfway:
            return second_factor_page(user, then=request.GET.get("next", ""))
        return super().login(request, extra_context)
