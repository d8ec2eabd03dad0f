"""The admin site, protected by the password and, if needed, the second factor."""

from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.admin import AdminSite, autodiscover
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse
from django.urls import URLPattern, URLResolver
from django.utils import timezone

from apps.common.rest.problems import Problem, response_to
from apps.users import known_browsers, login_limits
from apps.users.models import User
from apps.users.staff import second_factor
from apps.users.staff.login import REDIRECT
from apps.users.staff.second_factor_pages import second_factor_page


class StaffSite(AdminSite):
    """Django's admin with a second factor, and times in the zone of the viewer."""

    site_header = "Notifications"
    site_title = "Notifications"
    # The desk's menu is on every page.
    enable_nav_sidebar = False

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Import the pages of all apps, and return their URLs."""
        autodiscover()
        return super().get_urls()

    def has_permission(self, request: HttpRequest) -> bool:
        """Allow active staff whose session has passed the second factor, if they need one."""
        return super().has_permission(request) and second_factor.passed(request)

    def admin_view(
        self,
        view: Any,
        cacheable: bool = False,  # noqa: FBT001, FBT002 - Django's signature.
    ) -> Any:
        """Return the view with Django's checks and the time zone of the user."""
        checked = super().admin_view(view, cacheable)

        @wraps(view)
        def in_zone(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            zone = getattr(request.user, "timezone", "") or "UTC"
            with timezone.override(ZoneInfo(zone)):
                response: HttpResponse = checked(request, *args, **kwargs)
                if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
                    # Django would render it later, in the zone of the server.
                    response.render()
                return response

        return in_zone

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the login form; redirect staff who have given the password to the second factor."""
        user: Any = request.user
        halfway = user.is_authenticated and user.is_staff and not second_factor.passed(request)
        if request.method == "GET" and halfway:
            return second_factor_page(user, then=request.GET.get("next", ""))
        return super().login(request, extra_context)

    def password_change(  # type: ignore[override] # The stubs leave out its redirect.
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Change the user's own password, rate-limited like a login; end all other sessions."""
        if request.method != "POST":
            return super().password_change(request, extra_context)
        user: Any = request.user
        try:
            login_limits.count_proof(request, user=user)
        except Problem as problem:
            return response_to(request, problem)
        response = super().password_change(request, extra_context)
        if response.status_code == REDIRECT:
            User.objects.filter(pk=user.pk).update(session_version=F("session_version") + 1)
            known_browsers.remember(request, response, User.objects.get(pk=user.pk))
        return response
